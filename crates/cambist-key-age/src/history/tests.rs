use cambist_core::JsonError;
use proptest::prelude::*;

use super::*;
use crate::fact::{Evidence, Grade};
use crate::finding::CheckId;
use crate::policy::Policy;
use crate::testing::{ISSUER, KEYS, NOW, set};
use crate::vectors::{DAY, HOUR, judge, key, known, watch};
use crate::verdict::Verdict;

/// A look at a set of these keys.
pub(crate) fn look(source: Source, at: UnixTime, names: &[u8]) -> Sighting {
    Sighting {
        source,
        at: Reading::alone(at),
        stale: HOUR,
        last_modified: None,
        etag: None,
        keys: names.iter().map(|name| key(*name)).collect(),
        kids: names.iter().map(|name| (key(*name), BTreeSet::new())).collect(),
    }
}

fn public(at: UnixTime, names: &[u8]) -> Sighting {
    look(Source::Public, at, names)
}

#[test]
fn a_sighting_is_of_keys_that_can_be_told_apart() {
    let parse = |jwks: &[&str]| PublishedSet::parse(set(jwks).as_bytes()).unwrap();
    let seen = Sighting::of(
        Source::Api,
        Reading::alone(NOW),
        &parse(&[&KEYS[0].jwk("a"), r#"{"kty":"AKP"}"#]),
    );
    assert_eq!(seen.unwrap().keys().len(), 1);
    assert!(
        Sighting::of(Source::Api, Reading::alone(NOW), &parse(&[r#"{"kty":"AKP"}"#])).is_none()
    );
}

#[test]
fn a_single_absence_may_be_a_server_that_lags() {
    let mut history = History::new(ISSUER);
    history.observe(&public(NOW, &[1])).unwrap();
    history.observe(&public(NOW + HOUR, &[1, 2])).unwrap();
    assert_eq!(history.lifetimes(Source::Public)[1].absent, None);
    // The API server agrees: then it is none.
    history.observe(&look(Source::Api, NOW, &[1])).unwrap();
    let absent = history.lifetimes(Source::Public)[1].absent.unwrap();
    assert_eq!((absent.at, absent.stale), (NOW, HOUR));
}

#[test]
fn a_pause_of_more_than_a_day_parts_what_was_watched() {
    let mut history = History::new(ISSUER);
    watch(&mut history, &[1], NOW, NOW + DAY * 5, DAY);
    watch(&mut history, &[1, 2], NOW + DAY * 6, NOW + DAY * 7, HOUR);
    watch(&mut history, &[2], NOW + DAY * 10, NOW + DAY * 12, DAY);
    let expected = [(NOW, NOW + DAY * 7), (NOW + DAY * 10, NOW + DAY * 12)];
    assert_eq!(history.watched(Source::Public), expected);
    assert_eq!(history.watched(Source::Api), []);
}

#[test]
fn an_answer_without_keys_is_no_absence() {
    let mut history = History::new(ISSUER);
    watch(&mut history, &[1], NOW, NOW + HOUR * 5, HOUR);
    // An empty, broken or redirected answer makes no sighting, so the record just has a pause.
    assert!(PublishedSet::parse(br#"{"keys":[]}"#).is_err());
    watch(&mut history, &[1], NOW + HOUR * 8, NOW + HOUR * 9, HOUR);
    assert_eq!(history.runs().len(), 1);
    assert_eq!(history.lifetimes(Source::Public)[0].gone, None);
}

#[test]
fn the_api_servers_keys_exist_and_the_public_ones_are_trusted() {
    let mut history = History::new(ISSUER);
    watch(&mut history, &[1], NOW, NOW + DAY * 9, DAY);
    history.observe(&look(Source::Api, NOW + DAY, &[1, 2])).unwrap();
    history.observe(&public(NOW + DAY * 10, &[1, 2])).unwrap();
    let out = judge(&known(&history), &Policy::default(), NOW + DAY * 10);
    let new = out.key(key(2)).unwrap();
    assert_eq!(new.material_age.at_least, DAY * 9);
    assert_eq!(new.trust_age.at_most, Some(DAY + HOUR));
    assert!(new.made_ahead && new.conflicts.is_empty());
}

#[test]
fn a_key_that_goes_and_comes_back_is_noticed() {
    let mut history = History::new(ISSUER);
    watch(&mut history, &[1, 2], NOW, NOW + DAY, HOUR);
    watch(&mut history, &[2], NOW + DAY + HOUR, NOW + DAY * 3, HOUR);
    let find = |history: &History| {
        let mut lives = history.lifetimes(Source::Public).into_iter();
        lives.find(|life| life.key == key(1)).unwrap()
    };
    assert_eq!(find(&history).gone, Some(NOW + DAY + HOUR));
    assert_eq!(find(&history).returned, None);
    watch(&mut history, &[1, 2], NOW + DAY * 3 + HOUR, NOW + DAY * 4, HOUR);
    assert_eq!(find(&history).gone, None);
    assert_eq!(find(&history).returned, Some((NOW + DAY, NOW + DAY * 3 + HOUR)));
}

#[test]
fn a_set_that_has_not_changed_is_seen_again() {
    let mut history = History::new(ISSUER);
    for (hour, names, etag) in [(0, &[1][..], "a"), (1, &[1, 2], "b"), (2, &[1, 2], "b")] {
        let etag = Some(etag.to_owned());
        history.observe(&Sighting { etag, ..public(NOW + HOUR * hour, names) }).unwrap();
    }
    let mut read = history.clone();
    let again = history.unchanged(Source::Public, Reading::alone(NOW + HOUR * 3), "b").unwrap();
    history.observe(&again).unwrap();
    // As if it had been read whole.
    let etag = Some("b".to_owned());
    read.observe(&Sighting { etag, ..public(NOW + HOUR * 3, &[1, 2]) }).unwrap();
    assert_eq!(history, read);
    let later = Reading::alone(NOW + HOUR * 4);
    assert!(history.unchanged(Source::Public, later, "c").is_none());
    assert!(history.unchanged(Source::Api, later, "b").is_none());
}

#[test]
fn servers_that_never_agree_do_not_fill_the_history() {
    let mut history = History::new(ISSUER);
    for hour in 0..24 * 365 {
        let names: &[u8] = if hour % 2 == 0 { &[1] } else { &[2, 3] };
        history.observe(&public(NOW + HOUR * hour, names)).unwrap();
    }
    assert!(history.runs().len() <= 3, "{}", history.runs().len());
}

#[test]
fn an_issuer_that_shows_other_keys_at_each_look_does_not_fill_the_memory() {
    let mut history = History::new(ISSUER);
    for look in 0..3000u32 {
        let mut seen = public(NOW + HOUR * look, &[1]);
        seen.keys.insert(Thumbprint::of_spki(&look.to_be_bytes()));
        history.observe(&seen).unwrap();
    }
    assert!(history.runs().len() <= 1024);
    let lives = history.lifetimes(Source::Public);
    assert_eq!(lives.iter().find(|life| life.key == key(1)).unwrap().first, NOW);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "it is about how long that takes")]
fn a_hostile_issuer_costs_no_more_than_it_shows() {
    use crate::judge::Known;
    let set = |look: u32| -> BTreeSet<_> {
        (0..100u32).map(|n| Thumbprint::of_spki(&(look * 1000 + n).to_be_bytes())).collect()
    };
    let cost = |looks: u32| {
        let mut history = History::new(ISSUER);
        for look in 0..looks {
            let at = NOW + Duration::from_secs(60) * look;
            let run = Run { keys: set(look), ..run(at) };
            history.runs.push(run);
        }
        history.normalise();
        let started = std::time::Instant::now();
        let facts = history.facts(Source::Public, Grade::Proven, &Policy::default());
        let known = Known { facts, published: set(looks - 1), ..Known::default() };
        drop(judge(&known, &Policy::default(), NOW + DAY));
        started.elapsed()
    };
    // As much as memory could hold before anything is forgotten, and a quarter of it: were the cost quadratic, it would be
    // sixteen times as much. The best of three each, since others use the machine, too.
    let [quarter, whole] = [128, 512].map(|looks| (0..3).map(|_| cost(looks)).min().unwrap());
    assert!(whole < 12 * quarter, "{whole:?} for four times what took {quarter:?}");
    // And as much as is held of it in truth.
    let mut history = History::new(ISSUER);
    for look in 0..300 {
        let mut seen = public(NOW + Duration::from_secs(60) * look, &[]);
        seen.keys = set(look);
        history.observe(&seen).unwrap();
    }
    assert!(history.ever(Source::Public).len() <= 1024 + 100);
}

fn run(at: UnixTime) -> Run {
    let (stale, error) = (Duration::ZERO, Duration::ZERO);
    Run {
        source: Source::Public,
        keys: BTreeSet::new(),
        from: at,
        to: at,
        n: 1,
        stale,
        error,
        best: Observed { at, stale, error },
        pause: Some(Duration::ZERO),
        last_modified: None,
        modified: None,
        etag: None,
    }
}

#[test]
#[ignore = "slow: forty thousand looks"]
fn five_years_of_hourly_looks_fit_and_are_judged_at_once() {
    for (rotation, overlap) in [(45, 45), (7, 2)] {
        let mut history = History::new(ISSUER);
        let (hours, mut at) = (5 * 365 * 24u32, NOW);
        for hour in 0..hours {
            at = NOW + HOUR * hour;
            let generation = hour / (24 * rotation);
            let mut sighting = public(at, &[]);
            let mut keys = vec![generation];
            if hour % (24 * rotation) < 24 * overlap {
                keys.extend(generation.checked_sub(1));
            }
            sighting.keys = keys.iter().map(|k| Thumbprint::of_spki(&k.to_be_bytes())).collect();
            sighting.etag = Some(format!("\"0x8DC{generation:012X}\""));
            sighting.last_modified = Some(NOW + HOUR * (generation * 24 * rotation));
            history.observe(&sighting).unwrap();
            let signer = Thumbprint::of_spki(&generation.to_be_bytes());
            history.observe_token(signer, at, at + HOUR);
        }
        let bytes = history.encode().unwrap();
        assert!(bytes.len() <= MAX_HISTORY_BYTES, "{}", bytes.len());
        let read = History::decode(&bytes).unwrap();
        // What was forgotten changes no verdict.
        let (all, kept) = (known(&history), known(&read));
        let policy = Policy::default();
        let verdicts = |known| {
            let out = judge(known, &policy, at);
            out.keys.iter().map(|j| (j.key, j.verdict, j.age, j.decides_at)).collect::<Vec<_>>()
        };
        assert_eq!(verdicts(&all), verdicts(&kept));
    }
}

/// As `cambist` 0.1 wrote it.
const VERSION_1: &[u8] = br#"{"schemaVersion":1,"checksum":"WUVOx4L5kCAI_qOSrZZSDYvhVBI2tMJYaNe6djE-Alc","history":{"issuer":"https://issuer.example/cluster/","sequence":30,"jwksUri":{"at":1795407225,"uri":"https://issuer.example/jwks"},"keys":[{"spki":"S_USLzRFVMU73i67jNK349FgCtYxw4Wl18ziPHeFRZo","kids":["a"]},{"spki":"28G0yQD_5I1XW12lxjgEASX2XbD-PiRJS3bqmGRX2YY"}],"runs":[{"source":"public","keyset":[0],"from":1795407225,"to":1795493625,"n":25,"stale":3600,"etag":"\"1\""},{"source":"public","keyset":[0,1],"from":1795580025,"to":1795666425,"n":4,"stale":3600,"error":60,"lastModified":1795507225}],"signers":[{"key":0,"iatMin":1795407225,"iatMax":1795407225,"expMax":1795410825}]}}"#;

#[test]
fn an_older_document_is_read_and_said_no_more_than_it_says() {
    let read = History::decode(VERSION_1).unwrap();
    let [run, _] = read.runs() else { panic!("{:?}", read.runs()) };
    assert_eq!((run.from, run.to, run.n), (NOW, NOW + DAY, 25));
    // The worst of what was in the run is all that is known of each look, and of pauses nothing.
    assert_eq!(run.best, Observed { at: NOW + DAY, stale: HOUR, error: Duration::ZERO });
    assert_eq!((run.pause, Watch::of([&read], Source::Public).longest_pause), (None, None));
    assert_eq!(read.signings()[&key(1)].ends, NOW + HOUR);
    let mut grown = read.clone();
    watch(&mut grown, &[1, 2], NOW + DAY * 4, NOW + DAY * 5, HOUR);
    assert_eq!(History::decode(&grown.encode().unwrap()), Ok(grown));
}

#[test]
fn merging_keeps_the_last_look_before_somebody_elses_first_sighting() {
    let (mut ours, mut theirs) = (History::new(ISSUER), History::new(ISSUER));
    watch(&mut ours, &[1], NOW, NOW + HOUR * 9, HOUR);
    ours.observe(&public(NOW + HOUR * 10, &[1, 2])).unwrap();
    // An old copy, after we had seen the new key; our looks and theirs overlap.
    for minutes in [30, 11 * 60] {
        theirs.observe(&public(NOW + Duration::from_secs(60) * minutes, &[1])).unwrap();
    }
    let absent = |history: &History| {
        let mut lives = history.lifetimes(Source::Public).into_iter();
        lives.find(|life| life.key == key(2)).unwrap().absent
    };
    let before = absent(&ours);
    assert_eq!(before.unwrap().at, NOW + HOUR * 9);
    assert_eq!(absent(&join(&ours, &theirs)), before);
}

#[test]
fn one_stale_answer_does_not_widen_the_others() {
    let mut history = History::new(ISSUER);
    for hour in 0..10 {
        let stale = if hour == 4 { DAY * 9 } else { HOUR };
        history.observe(&Sighting { stale, ..public(NOW + HOUR * hour, &[1]) }).unwrap();
    }
    // Not even the last one.
    history.observe(&Sighting { stale: DAY * 9, ..public(NOW + HOUR * 10, &[1]) }).unwrap();
    history.observe(&public(NOW + HOUR * 11, &[1, 2])).unwrap();
    let absent = history.lifetimes(Source::Public)[1].absent.unwrap();
    assert_eq!((absent.at, absent.stale), (NOW + HOUR * 9, HOUR));
}

#[test]
fn a_look_that_arrives_late_counts_as_much() {
    let (mut in_time, mut late) = (History::new(ISSUER), History::new(ISSUER));
    let looks = [(0, &[1][..]), (1, &[1]), (2, &[1]), (3, &[1, 2]), (4, &[1, 2])];
    for (hour, names) in looks {
        in_time.observe(&public(NOW + HOUR * hour, names)).unwrap();
    }
    for (hour, names) in [looks[0], looks[2], looks[4], looks[1], looks[3]] {
        late.observe(&public(NOW + HOUR * hour, names)).unwrap();
    }
    assert_eq!(late.lifetimes(Source::Public), in_time.lifetimes(Source::Public));
}

#[test]
fn a_copy_that_says_that_it_is_old_brings_no_key_back() {
    let mut history = History::new(ISSUER);
    watch(&mut history, &[1, 2], NOW, NOW + DAY * 10, HOUR);
    watch(&mut history, &[2], NOW + DAY * 10 + HOUR, NOW + DAY * 12, HOUR);
    let returned = |history: &History| {
        let mut lives = history.lifetimes(Source::Public).into_iter();
        lives.find(|life| life.key == key(1)).unwrap().returned
    };
    // `Age: 172800`: the set of two days ago.
    let old = public(NOW + DAY * 12 + HOUR, &[1, 2]);
    let mut copy = history.clone();
    copy.observe(&Sighting { stale: DAY * 2 + HOUR, ..old.clone() }).unwrap();
    assert_eq!(returned(&copy), None);
    history.observe(&old).unwrap();
    assert!(returned(&history).is_some());
    // Nor does an old copy take away a key that is newer than it.
    let mut young = History::new(ISSUER);
    watch(&mut young, &[1], NOW, NOW + DAY, HOUR);
    watch(&mut young, &[1, 2], NOW + DAY + HOUR, NOW + DAY + HOUR * 2, HOUR);
    for hour in 3..5 {
        let old = public(NOW + DAY + HOUR * hour, &[1]);
        young.observe(&Sighting { stale: HOUR * 9, ..old }).unwrap();
    }
    watch(&mut young, &[1, 2], NOW + DAY + HOUR * 9, NOW + DAY * 2, HOUR);
    let lives = young.lifetimes(Source::Public);
    assert!(lives.iter().all(|life| life.returned.is_none() && life.gone.is_none()), "{lives:?}");
}

#[test]
fn what_was_forgotten_does_not_come_back_young() {
    let mut history = History::new(ISSUER);
    watch(&mut history, &[1], NOW, NOW + DAY * 60, DAY);
    for look in 0..2000u32 {
        let mut seen = public(NOW + DAY * 60 + HOUR * (look + 1), &[]);
        seen.keys.insert(Thumbprint::of_spki(&(look / 2).to_be_bytes()));
        history.observe(&seen).unwrap();
    }
    let history = History::decode(&history.encode().unwrap()).unwrap();
    assert!(!history.ever(Source::Public).contains(&key(1)), "it was forgotten");
    assert!(history.had(Source::Public, key(1)));
    let mut back = history.clone();
    let now = NOW + DAY * 150;
    watch(&mut back, &[1], now - DAY, now, HOUR);
    let judged = judge(&known(&back), &Policy::default(), now);
    let age = judged.key(key(1)).unwrap().trust_age;
    assert!(age.at_least >= DAY * 149 && age.at_most.is_none(), "{age:?}");
    // Somebody who still remembers it, and merging, change nothing of that.
    let mut other = History::new(ISSUER);
    watch(&mut other, &[2], now - DAY * 9, now - DAY * 3, HOUR);
    watch(&mut other, &[1], now - DAY, now, HOUR);
    let both = join(&other, &history);
    assert_eq!(both, join(&history, &other));
    let life = both.lifetimes(Source::Public).into_iter().find(|life| life.key == key(1)).unwrap();
    assert!(life.first <= NOW + DAY && life.absent.is_none(), "{life:?}");
}

#[test]
fn once_more_is_forgotten_than_is_kept_nothing_is_shown_to_be_young() {
    let mut history = History::new(ISSUER);
    let mut at = NOW;
    for look in 0..30u32 {
        at = NOW + HOUR * look;
        let mut seen = public(at, &[]);
        seen.keys =
            (0..100).map(|n| Thumbprint::of_spki(&(look * 100 + n).to_be_bytes())).collect();
        history.observe(&seen).unwrap();
    }
    watch(&mut history, &[1], at + HOUR, at + DAY, HOUR);
    watch(&mut history, &[2], at + DAY + HOUR, at + DAY * 2, HOUR);
    let out = judge(&known(&history), &Policy::default(), at + DAY * 2);
    assert_eq!(out.verdict, Verdict::Unknown);
    let document = history.encode().unwrap();
    assert!(document.len() <= MAX_HISTORY_BYTES);
    assert_eq!(History::decode(&document).unwrap().forgotten, history.forgotten);
}

#[test]
fn how_well_an_issuer_was_watched_is_told() {
    let mut history = History::new(ISSUER);
    watch(&mut history, &[1], NOW, NOW + DAY, HOUR);
    watch(&mut history, &[1, 2], NOW + DAY * 3, NOW + DAY * 4, HOUR);
    let mut seen = look(Source::Api, NOW, &[1]);
    seen.at = Reading::new(NOW + DAY, Duration::from_secs(7));
    history.observe(&seen).unwrap();
    let watch = judge(&known(&history), &Policy::default(), NOW + DAY * 4).watch;
    assert_eq!((watch.since, watch.until), (Some(NOW), Some(NOW + DAY * 4)));
    assert_eq!((watch.looks, watch.longest_pause), (50, Some(DAY * 2)));
    assert_eq!(watch.sources, BTreeSet::from([Source::Public, Source::Api]));
    let later = judge(&known(&history), &Policy::default(), NOW + DAY * 9).watch;
    assert_eq!(later.longest_pause, Some(DAY * 5));
    assert_eq!(Watch::of([&History::new(ISSUER)], Source::Public), Watch::default());
}

fn sample() -> History {
    let mut history = History::new(ISSUER);
    watch(&mut history, &[1], NOW, NOW + DAY, HOUR);
    watch(&mut history, &[1, 2], NOW + DAY * 2, NOW + DAY * 3, HOUR);
    history.observe_token(key(1), NOW, NOW + HOUR);
    history.observe_endpoint(NOW, "https://issuer.example/jwks");
    history
}

#[test]
fn a_document_cut_anywhere_is_refused() {
    let bytes = sample().encode().unwrap();
    for end in 0..bytes.len() {
        assert!(History::decode(&bytes[..end]).is_err(), "{end}");
    }
    assert_eq!(History::decode(&bytes), Ok(sample()));
}

#[test]
fn a_document_with_any_digit_changed_is_refused() {
    let bytes = sample().encode().unwrap();
    for place in (0..bytes.len()).filter(|place| bytes[*place].is_ascii_digit()) {
        let mut changed = bytes.clone();
        changed[place] = if bytes[place] == b'7' { b'8' } else { b'7' };
        assert!(History::decode(&changed).is_err(), "{place}");
    }
}

#[test]
fn white_space_is_no_damage() {
    let value: serde_json::Value = serde_json::from_slice(&sample().encode().unwrap()).unwrap();
    let pretty = serde_json::to_vec_pretty(&value).unwrap();
    // (A map sorts its names; the checksum is over the content as this program writes it.)
    assert_eq!(History::decode(&pretty), Ok(sample()));
}

#[test]
fn other_versions_and_impossible_contents_are_told_apart() {
    let text = String::from_utf8(sample().encode().unwrap()).unwrap();
    let newer = text.replace(r#""schemaVersion":2"#, r#""schemaVersion":3,"more":true"#);
    assert_eq!(History::decode(newer.as_bytes()), Err(HistoryError::Version { found: 3 }));
    let edited = text.replace(r#""n":25"#, r#""n":26"#);
    assert!(matches!(History::decode(edited.as_bytes()), Err(HistoryError::Checksum { .. })));
    assert!(matches!(History::decode(b"null"), Err(HistoryError::Json(_))));
    // To serde, the members in their order are as good.
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let members = ["schemaVersion", "checksum", "history"].map(|name| &document[name]);
    let array = serde_json::to_vec(&members).unwrap();
    let not_an_object = HistoryError::Json(JsonError::NotAnObject("an array"));
    assert_eq!(History::decode(&array), Err(not_an_object));
    let huge = vec![b' '; MAX_HISTORY_BYTES + 1];
    assert!(matches!(History::decode(&huge), Err(HistoryError::TooLarge { .. })));
}

#[test]
fn a_state_of_the_past_or_the_future_is_refused() {
    let history = sample();
    let (now, slack) = (NOW + DAY * 3, HOUR);
    assert_eq!(history.check(now, slack, Some(history.sequence())), Ok(()));
    assert_eq!(history.check(now, slack, None), Ok(()));
    let back = history.check(now, slack, Some(history.sequence() + 1)).unwrap_err();
    assert!(matches!(back, HistoryError::RolledBack { .. }));
    let future = history.check(now - DAY, slack, None).unwrap_err();
    assert!(matches!(future, HistoryError::Future { .. }));
    assert_eq!(future.finding().id, CheckId::K190);
}

#[test]
fn other_issuers_do_not_mix() {
    let mut history = sample();
    let other = History::new("https://issuer.example/cluster");
    assert!(history.merge(&other).unwrap_err().to_string().contains("trailing slash"));
}

#[test]
fn facts_know_the_switch_of_signers() {
    let mut history = sample();
    history.observe_token(key(1), NOW + DAY, NOW + DAY + HOUR);
    history.observe_token(key(2), NOW + DAY * 3, NOW + DAY * 3 + HOUR);
    let facts = history.facts(Source::Public, Grade::Proven, &Policy::default());
    let signing: Vec<_> = facts
        .iter()
        .filter(|fact| fact.source == Evidence::E3 && fact.key == key(2))
        .map(|fact| (fact.not_before, fact.not_after))
        .collect();
    assert_eq!(signing, [(None, Some(NOW + DAY * 3)), (Some(NOW + DAY), None)]);
}

fn step() -> impl Strategy<Value = (u8, i64, u8, Option<i64>, Option<String>)> {
    let etag = proptest::option::of("[ab]");
    (0u8..2, 0i64..40, 1u8..8, proptest::option::of(0i64..40), etag)
}

/// Any history over three keys and two sources.
fn history() -> impl Strategy<Value = History> {
    let tokens = proptest::collection::vec((1u8..4, 0i64..40), 0..3);
    let announced = proptest::collection::vec((1u8..60, 0i64..40, 0i64..40), 0..40);
    let steps = proptest::collection::vec(step(), 0..12);
    (steps, tokens, announced).prop_map(|(steps, tokens, announced)| {
        let mut history = History::new(ISSUER);
        for (source, at, bits, modified, etag) in steps {
            let source = if source == 0 { Source::Public } else { Source::Api };
            let names: Vec<u8> = (1..4).filter(|name| bits & (1 << (name - 1)) != 0).collect();
            let mut seen = look(source, UnixTime::from_secs(at * 3600), &names);
            seen.last_modified = modified.map(|hours| UnixTime::from_secs(hours * 3600));
            seen.stale = HOUR * u32::from(bits);
            seen.kids.insert(key(1), etag.iter().cloned().collect());
            seen.etag = etag;
            history.observe(&seen).unwrap();
        }
        for (name, at) in tokens {
            let at = UnixTime::from_secs(at * 3600);
            history.observe_token(key(name), at, at + HOUR);
        }
        for (name, at, until) in announced {
            let [at, until] = [at, until].map(|hours| UnixTime::from_secs(hours * 3600));
            history.expect(key(name), at, until);
        }
        history
    })
}

/// The same, a part of it forgotten.
fn forgetful() -> impl Strategy<Value = History> {
    (history(), 0..4u8).prop_map(|(mut history, times)| {
        for _ in 0..times {
            history.forget();
        }
        history
    })
}

/// Lifetimes as they are defined, one key after the other; of absences at one moment any will do.
fn by_definition(history: &History) -> Vec<Lifetime> {
    let of_source = |run: &&Run| run.source == Source::Public;
    let runs: Vec<&Run> = history.runs.iter().filter(of_source).collect();
    let life = |key: Thumbprint| {
        let (mut with, without): (Vec<&Run>, Vec<&Run>) =
            runs.iter().partition(|run| run.keys.contains(&key));
        with.sort_by_key(|run| (run.from, run.to));
        let (first, last) = (with[0].from, with.iter().map(|run| run.to).max().unwrap());
        let before = without.iter().filter(|run| run.from < first);
        let before: Vec<_> = before
            .flat_map(|run| {
                let whole = (run.to < first).then_some((run.best, run.n - 1));
                [Some((run.begin(), 1)), whole].into_iter().flatten()
            })
            .collect();
        let best = before.iter().map(|(seen, _)| *seen).reduce(Observed::better);
        let agrees = |run: &Run| {
            let near = best.is_some_and(|it| run.from <= it.at + HOUR && run.to + HOUR >= it.at);
            run.source != Source::Public && near && !run.keys.contains(&key)
        };
        let seen = before.iter().map(|(_, n)| n).sum::<u32>();
        let confirmed = seen >= 2 || history.runs.iter().any(agrees);
        let absent = best.filter(|_| confirmed);
        // Of what may be older than the last look with the key, only the last is known to be later.
        let later = |it: Observed| (it.since(), it.at) > (last, last);
        let after = without.iter().filter_map(|run| {
            let ends = (run.best.since(), run.to) > (last, last);
            if later(run.begin()) { Some((run.from, run.n)) } else { ends.then_some((run.to, 1)) }
        });
        let after: Vec<_> = after.collect();
        let gone = after.iter().map(|(at, _)| *at).min();
        let gone = gone.filter(|_| after.iter().map(|(_, n)| n).sum::<u32>() >= 2);
        let (mut returned, mut so_far) = (None, with[0].to);
        for run in with {
            let between = without.iter().filter(|it| {
                let later = (it.begin().since(), it.from) > (so_far, so_far);
                later && it.to < run.from && it.to <= run.best.since()
            });
            if run.from.since(so_far) > FLAP && between.map(|it| it.n).sum::<u32>() >= 2 {
                returned = Some((so_far, run.from));
            }
            so_far = so_far.max(run.to);
        }
        // Looks no further apart than a day and two hours.
        let most = HOUR * 26;
        let parts = runs.iter().flat_map(|run| {
            let whole = run.pause.is_some_and(|pause| pause <= most);
            if whole { [(run.from, run.to); 2] } else { [(run.from, run.from), (run.to, run.to)] }
        });
        let parts: Vec<_> = parts.collect();
        let mut unbroken = first;
        let before = |moment: UnixTime| {
            let near = parts.iter().filter(|(from, to)| *from < moment && *to + most >= moment);
            near.map(|(from, _)| *from).min()
        };
        while let Some(earlier) = before(unbroken) {
            unbroken = earlier;
        }
        let error = Duration::ZERO;
        Lifetime { key, absent, unbroken, first, error, last, gone, returned }
    };
    let mut out: Vec<_> = history.ever(Source::Public).into_iter().map(life).collect();
    out.sort_by_key(|life| (life.first, life.key));
    out
}

fn join(a: &History, b: &History) -> History {
    let mut out = a.clone();
    out.merge(b).unwrap();
    out
}

proptest! {
    #[test]
    fn merging_is_a_join(a in forgetful(), b in forgetful(), c in forgetful()) {
        prop_assert_eq!(join(&a, &b), join(&b, &a));
        prop_assert_eq!(join(&join(&a, &b), &c), join(&a, &join(&b, &c)));
        prop_assert_eq!(join(&a, &a), a.clone());
        prop_assert_eq!(join(&join(&a, &b), &b), join(&a, &b));
    }

    #[test]
    fn lifetimes_are_as_they_are_defined(a in history(), b in history()) {
        prop_assert_eq!(a.lifetimes(Source::Public), by_definition(&a));
        let both = join(&a, &b);
        prop_assert_eq!(both.lifetimes(Source::Public), by_definition(&both));
    }

    #[test]
    fn documents_keep_everything(a in forgetful()) {
        prop_assert_eq!(History::decode(&a.encode().unwrap()), Ok(a));
    }

    #[test]
    fn merging_never_makes_a_key_younger(a in history(), b in history()) {
        let (before, after) = (a.lifetimes(Source::Public), join(&a, &b).lifetimes(Source::Public));
        for life in before {
            let merged = after.iter().find(|other| other.key == life.key).unwrap();
            prop_assert!(merged.first <= life.first && merged.last >= life.last);
        }
    }

    #[test]
    fn no_document_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        drop(History::decode(&bytes));
    }
}
