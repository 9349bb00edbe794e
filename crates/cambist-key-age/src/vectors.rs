//! The model's test vectors, by number. Those about a single check stand here as well, so that the
//! list is whole in one place.

use std::collections::BTreeSet;
use std::time::Duration;

use super::history::Watch;
use super::history::tests::look;
use super::role::Signings;
use super::*;
use crate::testing::{KEYS, NOW, Signer, header, payload, set};
use cambist_core::clock::{Reading, UnixTime};
use cambist_core::jwks::{KeyId, Thumbprint};
use cambist_core::token::ProjectedToken;

pub(super) const HOUR: Duration = Duration::from_secs(3600);
pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);
const ERROR: Duration = Duration::from_secs(300);

pub(super) fn key(name: u8) -> Thumbprint {
    Thumbprint::of_spki(&[name])
}

/// What a history knows, as its own observer believes it.
pub(super) fn known(history: &History) -> Known {
    let primary = history.primary();
    Known {
        facts: history.facts(primary, Grade::Proven, &Policy::default()),
        watch: Watch::of([history], primary),
        published: history.published(primary),
        signings: history.signings().clone(),
    }
}

/// Judges by a clock that was held against no other.
pub(super) fn judge(known: &Known, policy: &Policy, now: UnixTime) -> Judgement {
    super::judge::judge(known, policy, Reading::alone(now))
}

/// Looks at public sets of `keys`, from `from` to `to`, each `step`.
pub(super) fn watch(
    history: &mut History,
    keys: &[u8],
    from: UnixTime,
    to: UnixTime,
    step: Duration,
) {
    let mut at = from;
    while at <= to {
        history.observe(&look(Source::Public, at, keys)).unwrap();
        at = at + step;
    }
}

fn issuer() -> History {
    History::new(crate::testing::ISSUER)
}

#[test]
fn vector_01_a_first_look_knows_nothing_and_says_when_it_will() {
    let mut history = issuer();
    history.observe(&look(Source::Public, NOW, &[1])).unwrap();
    let out = judge(&known(&history), &Policy::default(), NOW);
    assert_eq!(out.verdict, Verdict::Unknown);
    assert_eq!((out.keys[0].age.at_least, out.keys[0].age.at_most), (Duration::ZERO, None));
    assert_eq!(out.decides_at, Some(NOW + DAY * 48 + ERROR));
    assert_eq!(out.keys[0].grade, None);
    // At that moment it is still open; a second later it is not.
    let decided = NOW + DAY * 48 + ERROR;
    assert_eq!(judge(&known(&history), &Policy::default(), decided).verdict, Verdict::Unknown);
    let after = decided + Duration::from_secs(1);
    assert_eq!(judge(&known(&history), &Policy::default(), after).verdict, Verdict::Due);
}

#[test]
fn vector_02_an_old_last_modified_proves_overdue_at_first_sight() {
    let mut sighting = look(Source::Public, NOW, &[1]);
    sighting.last_modified = Some(NOW - DAY * 120);
    let mut history = issuer();
    history.observe(&sighting).unwrap();
    let out = judge(&known(&history), &Policy::default(), NOW);
    assert_eq!((out.verdict, out.keys[0].grade), (Verdict::Overdue, Some(Grade::Asserted)));
    assert_eq!(out.keys[0].evidence[0].source, Evidence::E6);
    assert!(!out.keys[0].overdue_beyond_doubt);
}

#[test]
fn vector_03_hourly_observation_proves_youth() {
    let mut history = issuer();
    let born = NOW - DAY * 10;
    watch(&mut history, &[1], born - DAY * 30, born - HOUR, HOUR);
    watch(&mut history, &[1, 2], born, NOW, HOUR);
    history.observe_token(key(2), NOW - HOUR, NOW);
    let out = judge(&known(&history), &Policy::default(), NOW);
    let new = out.key(key(2)).unwrap();
    // Attested: a key that was retired more than thirty days ago and is put back looks the same.
    assert_eq!((new.verdict, new.grade), (Verdict::Ok, Some(Grade::Attested)));
    assert_eq!(new.role, Role::Signer);
    // Ten days, and at most an hour between looks plus an hour of caching more; then the clocks.
    assert_eq!(new.trust_age.at_least, DAY * 10);
    assert_eq!(new.trust_age.at_most, Some(DAY * 10 + HOUR + HOUR));
    assert_eq!(new.age, new.trust_age.widen(ERROR));
    // Proven once it was watched without it for longer than any key may live, and without a pause.
    let watched = |pause: Duration| {
        let mut history = issuer();
        watch(&mut history, &[1], born - DAY * 94, born - DAY * 40, DAY);
        watch(&mut history, &[1], born - DAY * 40 + pause, born - HOUR, HOUR);
        watch(&mut history, &[1, 2], born, NOW, HOUR);
        history.observe_token(key(2), NOW - HOUR, NOW);
        let out = judge(&known(&history), &Policy::default(), NOW);
        out.key(key(2)).unwrap().grade
    };
    assert_eq!(watched(DAY), Some(Grade::Proven));
    assert_eq!(watched(DAY * 2), Some(Grade::Attested));
}

#[test]
fn what_the_api_server_lacked_says_less_of_what_is_public() {
    let mut history = issuer();
    let born = NOW - DAY * 10;
    for (names, from, to) in [(&[1][..], born - DAY * 100, born - DAY), (&[1, 2], born, NOW)] {
        let mut at = from;
        while at <= to {
            history.observe(&look(Source::Api, at, names)).unwrap();
            at = at + DAY;
        }
    }
    let facts = history.facts(Source::Api, Grade::Proven, &Policy::default());
    let absent = facts.iter().find(|fact| fact.source == Evidence::E2).unwrap();
    assert_eq!(absent.grade, Grade::Attested);
    // Both absences may come from the one server that had not restarted yet.
    assert_eq!(absent.not_before, Some(born - DAY - HOUR * 7));
}

#[test]
fn vector_04_an_api_server_up_for_long_proves_due_at_first_sight() {
    let mut history = issuer();
    history.observe(&look(Source::Api, NOW, &[1])).unwrap();
    let mut known = known(&history);
    known.facts.push(Fact::loaded(key(1), NOW - DAY * 60, NOW));
    let out = judge(&known, &Policy::default(), NOW);
    assert_eq!((out.verdict, out.keys[0].grade), (Verdict::Due, Some(Grade::Proven)));
    assert_eq!(out.keys[0].evidence[0].source, Evidence::E9);
}

#[test]
fn vector_05_an_old_verifier_still_published_is_overdue() {
    let mut history = issuer();
    watch(&mut history, &[1], NOW - DAY * 94, NOW - DAY * 21, DAY);
    watch(&mut history, &[1, 2], NOW - DAY * 20, NOW, DAY);
    history.observe_token(key(2), NOW - HOUR, NOW);
    let out = judge(&known(&history), &Policy::default(), NOW);
    let old = out.key(key(1)).unwrap();
    assert_eq!((old.role, old.verdict), (Role::Verifier, Verdict::Overdue));
    assert_eq!(out.key(key(2)).unwrap().verdict, Verdict::Ok);
    // Within the grace it is not: 93 days.
    let before = judge(&known(&history), &Policy::default(), NOW - DAY);
    assert_eq!(before.key(key(1)).unwrap().verdict, Verdict::Unknown);
}

#[test]
fn vector_06_a_token_of_a_key_that_only_the_api_server_has_cannot_be_exchanged() {
    let of =
        |signer: &Signer, kid| PublishedSet::parse(set(&[&signer.jwk(kid)]).as_bytes()).unwrap();
    let (public, api) = (of(&KEYS[0], "old"), of(&KEYS[1], "new"));
    let kid = KeyId::parse("new").unwrap();
    let finding = checks::not_published(&kid, &public, Some(&api)).unwrap();
    assert_eq!((finding.id, finding.severity), (CheckId::K201, Severity::Critical));
    assert_eq!(finding.key, Some(Thumbprint::of_spki(&KEYS[1].spki())));
    let keys = |set: &PublishedSet| set.thumbprints().collect::<BTreeSet<_>>();
    assert_eq!(checks::not_public(&keys(&api), &keys(&public))[0].id, CheckId::K202);
}

#[test]
fn vector_07_a_jwk_that_dates_itself_after_its_sighting_gives_way_to_it() {
    let mut history = issuer();
    watch(&mut history, &[1], NOW - DAY * 30, NOW, DAY);
    let mut known = known(&history);
    known.facts.push(Fact::dated(key(1), NOW - DAY * 5, NOW));
    let out = judge(&known, &Policy::default(), NOW);
    assert_eq!((out.verdict, out.keys[0].trust_age.at_least), (Verdict::Unknown, DAY * 30));
    let disputed = &out.keys[0].disputed;
    assert_eq!((disputed.len(), out.keys[0].conflicts.len()), (1, 0));
    assert_eq!(
        (disputed[0].not_before.source, disputed[0].not_after.source),
        (Evidence::E5, Evidence::E1)
    );
    let found = checks::contradictions(&out.keys[0]);
    assert_eq!((found[0].id, found[0].severity), (CheckId::K005, Severity::Info));
}

#[test]
fn vector_08_a_change_within_a_long_pause_is_never_ok() {
    let mut history = issuer();
    let changed = NOW - DAY * 60;
    watch(&mut history, &[1], changed - DAY * 10, changed, HOUR);
    history.observe(&look(Source::Public, NOW, &[2])).unwrap();
    let at = |days: u32| judge(&known(&history), &Policy::default(), NOW + DAY * days);
    for days in 0..=48 {
        assert_eq!(at(days).verdict, Verdict::Unknown, "{days}");
    }
    assert_eq!(at(49).verdict, Verdict::Due);
    assert!(at(0).keys[0].trust_age.at_most.unwrap() >= DAY * 60);
}

#[test]
fn vector_09_a_key_that_vanishes_and_returns_is_suspect() {
    let mut history = issuer();
    watch(&mut history, &[1, 2], NOW - DAY * 20, NOW - DAY * 10, DAY);
    watch(&mut history, &[2], NOW - DAY * 9, NOW - DAY * 5, DAY);
    assert!(checks::returned_keys(&history, Source::Public).is_empty());
    watch(&mut history, &[1, 2], NOW - DAY * 4, NOW, DAY);
    let findings = checks::returned_keys(&history, Source::Public);
    assert_eq!((findings[0].id, findings[0].key), (CheckId::K112, Some(key(1))));
    let mut out = judge(&known(&history), &Policy::default(), NOW);
    out.suspect(&findings);
    assert_eq!(out.key(key(1)).unwrap().verdict, Verdict::Suspect);
    assert_eq!(out.key(key(2)).unwrap().verdict, Verdict::Unknown);
}

#[test]
fn vector_10_a_kid_for_another_key_is_suspect() {
    let of = |signer: &Signer| PublishedSet::parse(set(&[&signer.jwk("same")]).as_bytes()).unwrap();
    let mut history = issuer();
    history
        .observe(&Sighting::of(Source::Public, Reading::alone(NOW - DAY), &of(&KEYS[0])).unwrap())
        .unwrap();
    assert!(checks::reused_kids(&history, &of(&KEYS[0])).is_empty());
    let findings = checks::reused_kids(&history, &of(&KEYS[1]));
    assert_eq!((findings[0].id, findings[0].severity), (CheckId::K110, Severity::Critical));
    // Also once the history has learned of the new key, and after a journey through its document.
    history
        .observe(&Sighting::of(Source::Public, Reading::alone(NOW), &of(&KEYS[1])).unwrap())
        .unwrap();
    let read = History::decode(&history.encode().unwrap()).unwrap();
    assert_eq!(checks::reused_kids(&read, &of(&KEYS[1])), findings);
}

#[test]
fn vector_11_servers_that_restart_one_by_one_make_one_rotation() {
    let mut history = issuer();
    let rollout = NOW - DAY;
    let minute = Duration::from_secs(60);
    watch(&mut history, &[1], rollout - DAY * 30, rollout - minute, HOUR);
    for flip in 0..10 {
        let keys: &[u8] = if flip % 2 == 0 { &[1, 2] } else { &[1] };
        history.observe(&look(Source::Public, rollout + minute * flip, keys)).unwrap();
    }
    watch(&mut history, &[1, 2], rollout + minute * 10, NOW, HOUR);
    assert!(history.runs().len() <= 3, "{:?}", history.runs());
    let lives = history.lifetimes(Source::Public);
    assert!(lives.iter().all(|life| life.returned.is_none() && life.gone.is_none()));
    history.observe_token(key(2), NOW - HOUR, NOW);
    let out = judge(&known(&history), &Policy::default(), NOW);
    assert_eq!(out.key(key(2)).unwrap().verdict, Verdict::Ok);
}

#[test]
fn vector_12_a_key_of_tomorrow_does_not_harm_the_others() {
    let of_tomorrow = r#"{"kty":"AKP","alg":"ML-DSA-65","kid":"t","pub":"AA"}"#;
    let set = PublishedSet::parse(set(&[of_tomorrow, &KEYS[0].jwk("rsa")]).as_bytes()).unwrap();
    let mut history = issuer();
    for day in 0..=60 {
        history
            .observe(&Sighting::of(Source::Public, Reading::alone(NOW - DAY * day), &set).unwrap())
            .unwrap();
    }
    let out = judge(&known(&history), &Policy::default(), NOW);
    assert_eq!((out.keys.len(), out.verdict), (1, Verdict::Due));
    let skipped: Vec<_> = checks::unfit_keys(&set, Platform::Kubeadm)
        .into_iter()
        .filter(|finding| finding.id == CheckId::K305)
        .collect();
    assert_eq!((skipped.len(), skipped[0].severity), (1, Severity::Info));
}

#[test]
fn vector_13_a_clock_that_is_off_widens_every_interval_and_dates_nothing() {
    let mut history = issuer();
    watch(&mut history, &[1], NOW - DAY * 10, NOW - DAY, DAY);
    let before = history.clone();
    let answer = checks::Answer { date: Some(NOW - HOUR), ..checks::transport::tests::answer() };
    let now = Reading::against(NOW, Reading::alone(answer.server_time().unwrap()));
    let mut seen = look(Source::Public, NOW, &[1]);
    seen.at = now;
    let left_out = history.observe(&seen).unwrap_err().to_string();
    assert!(left_out.contains("1h off"), "{left_out}");
    assert_eq!(history, before);
    let judged = |now| super::judge::judge(&known(&history), &Policy::default(), now);
    assert_eq!(judged(now).clock_error, HOUR);
    assert_eq!(judged(now).keys[0].age.at_least, DAY * 10 - HOUR);
    // However wrong a server's date is, it makes nothing younger than that.
    let far = Reading::new(NOW, DAY * 9);
    assert_eq!(judged(far).clock_error, DAY * 9);
    assert_eq!(judged(far).keys[0].age.at_least, DAY * 10 - HOUR);
    let finding = checks::clocks_differ(&answer, &Policy::default()).unwrap();
    assert_eq!((finding.id, finding.severity), (CheckId::K405, Severity::High));
}

#[test]
fn a_sighting_keeps_the_error_of_the_clock_that_dated_it() {
    let minutes = |n: u32| Duration::from_secs(60) * n;
    let at = |day: u32, error| Reading::new(NOW + DAY * day, error);
    let mut history = issuer();
    for (day, error, names) in
        [(0, minutes(2), &[1][..]), (1, minutes(1), &[1]), (2, minutes(4), &[1, 2])]
    {
        let mut seen = look(Source::Public, NOW, names);
        seen.at = at(day, error);
        history.observe(&seen).unwrap();
    }
    let read = History::decode(&history.encode().unwrap()).unwrap();
    assert_eq!(read, history);
    let facts = read.facts(Source::Public, Grade::Proven, &Policy::default());
    let bounds: Vec<_> = facts
        .iter()
        .filter(|fact| fact.subject == Subject::Trusted)
        .map(|fact| (fact.key, fact.not_before, fact.not_after))
        .collect();
    // By the last look without it, and the clock of that.
    let absent = NOW + DAY - HOUR - minutes(1);
    let expected = [
        (key(1), None, Some(NOW + minutes(2))),
        (key(2), None, Some(NOW + DAY * 2 + minutes(4))),
        (key(2), Some(absent), None),
    ];
    assert_eq!(bounds, expected);
}

#[test]
fn vector_14_an_extended_token_asks_for_a_year_of_overlap() {
    let payload = payload()
        .replace(
            &(NOW.as_secs() + 3540).to_string(),
            &(NOW.as_secs() - 60 + 31_536_000).to_string(),
        )
        .replace(r#""namespace""#, r#""warnafter":1795410772,"namespace""#);
    let token = ProjectedToken::parse(&KEYS[0].sign(&header("a"), &payload)).unwrap();
    let finding = checks::long_lived(token.claims(), &Policy::default()).unwrap();
    assert_eq!((finding.id, finding.severity), (CheckId::K207, Severity::High));
    assert!(finding.evidence[0].contains("lives for 365d"), "{finding}");
}

#[test]
fn vector_15_weekly_rotation_is_ok_where_somebody_set_a_limit() {
    let mut history = issuer();
    watch(&mut history, &[1], NOW - DAY * 20, NOW - DAY * 9 - HOUR, HOUR);
    watch(&mut history, &[2], NOW - DAY * 9, NOW, HOUR);
    let set = Policy { limits: Some(Limits::AZURE_LOCAL), ..Policy::for_platform(Platform::Eks) };
    assert_eq!(judge(&known(&history), &set, NOW).verdict, Verdict::Ok);
    let unset = judge(&known(&history), &Policy::for_platform(Platform::Eks), NOW + DAY * 400);
    assert!(unset.informs_only);
    assert_eq!((unset.verdict, unset.keys[0].grade), (Verdict::Ok, None));
    let nine_days = judge(&known(&history), &set, NOW);
    let note = checks::platform_schedule(&nine_days, Platform::Eks).unwrap();
    assert_eq!((note.id, note.severity), (CheckId::K220, Severity::Info));
}

#[test]
fn vector_16_a_published_private_half_is_a_compromise() {
    let leaked = KEYS[0].jwk("a").replace("\"e\":", "\"d\":\"AQAB\",\"e\":");
    let set = PublishedSet::parse(set(&[&leaked]).as_bytes()).unwrap();
    let findings = checks::exposed_keys(&set);
    assert_eq!((findings[0].id, findings[0].severity), (CheckId::K101, Severity::Critical));
    let mut history = issuer();
    history.observe(&Sighting::of(Source::Public, Reading::alone(NOW), &set).unwrap()).unwrap();
    let mut out = judge(&known(&history), &Policy::default(), NOW);
    out.suspect(&findings);
    assert_eq!(out.verdict, Verdict::Suspect);
    let signer = out.keys[0].key;
    assert_eq!(enforce::refusals(&out, &findings)[0].key(), signer);
}

/// A judged issuer with one key, for tests of what comes after.
pub(super) fn signer_seen_since(since: UnixTime) -> (History, Known) {
    let mut history = issuer();
    watch(&mut history, &[1], since, NOW, DAY);
    history.observe_token(key(1), NOW - HOUR, NOW);
    let mut known = known(&history);
    known.published = BTreeSet::from([key(1)]);
    known.signings.insert(key(1), Signings::of(NOW - HOUR, NOW));
    (history, known)
}
