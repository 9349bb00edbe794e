use proptest::prelude::*;

use super::*;
use crate::fact::{Evidence, Source, Subject};
use crate::finding::CheckId;
use crate::history::History;
use crate::policy::AgeBasis;
use crate::testing::{ISSUER, NOW};
use crate::vectors::{DAY, HOUR, judge, key, known, signer_seen_since, watch};

#[test]
fn an_assumption_is_no_proof_unless_somebody_accepts_it() {
    let facts = vec![
        Fact::published(key(1), NOW, Source::Public),
        Fact::installed(key(1), NOW - DAY * 2, NOW),
    ];
    let known = Known { facts, published: BTreeSet::from([key(1)]), ..Known::default() };
    assert_eq!(judge(&known, &Policy::default(), NOW).verdict, Verdict::Unknown);
    let accepted = judge(&known, &Policy::default().accepting_assumptions(), NOW);
    assert_eq!((accepted.verdict, accepted.keys[0].grade), (Verdict::Ok, Some(Grade::Assumed)));
}

#[test]
fn a_verdict_rests_on_the_best_facts_that_suffice() {
    let (_, mut known) = signer_seen_since(NOW - DAY * 100);
    known.facts.push(Fact::certified(key(1), NOW - DAY * 400, NOW));
    let out = judge(&known, &Policy::default(), NOW);
    assert_eq!((out.verdict, out.keys[0].grade), (Verdict::Overdue, Some(Grade::Proven)));
    assert_eq!(out.keys[0].evidence[0].source, Evidence::E1);
    assert!(out.keys[0].overdue_beyond_doubt);
}

#[test]
fn a_history_is_worth_what_it_is_trusted_with() {
    let (history, known) = signer_seen_since(NOW - DAY * 100);
    for (trust, beyond_doubt) in
        [(Grade::Proven, true), (Grade::Attested, true), (Grade::Asserted, false)]
    {
        let facts = history.facts(Source::Public, trust, &Policy::default());
        let out = judge(&Known { facts, ..known.clone() }, &Policy::default(), NOW);
        assert_eq!((out.verdict, out.keys[0].grade), (Verdict::Overdue, Some(trust)));
        assert_eq!(out.keys[0].overdue_beyond_doubt, beyond_doubt);
    }
}

#[test]
fn contradicting_facts_are_a_doubt() {
    let (_, mut known) = signer_seen_since(NOW - DAY * 100);
    let record = (NOW - DAY * 6, NOW - DAY * 5);
    known.facts.push(Fact::rotated(key(1), record, NOW, "the activity log"));
    let out = judge(&known, &Policy::default(), NOW);
    assert_eq!((out.verdict, out.keys[0].age_verdict), (Verdict::Suspect, Verdict::Overdue));
    assert!(!out.keys[0].overdue_beyond_doubt);
    // Mere metadata gives way.
    known.facts.pop();
    known.facts.push(Fact::dated(key(1), NOW - DAY * 5, NOW));
    let out = judge(&known, &Policy::default(), NOW);
    assert_eq!(out.verdict, Verdict::Overdue);
    assert!(out.keys[0].overdue_beyond_doubt && out.keys[0].disputed.len() == 1);
}

#[test]
fn a_served_date_gives_way_to_a_look() {
    // Served with an old file's time: the set was seen without the key after that.
    let facts = vec![
        Fact::absent(key(1), NOW - DAY * 3, HOUR, Source::Public),
        Fact::published(key(1), NOW - DAY * 2, Source::Public),
        Fact::unmodified(key(1), NOW - DAY * 200, NOW).unwrap(),
    ];
    let known = Known { facts, published: BTreeSet::from([key(1)]), ..Known::default() };
    for basis in [AgeBasis::Conservative, AgeBasis::Trust] {
        let policy = Policy { basis, ..Policy::default() };
        let out = judge(&known, &policy, NOW);
        assert_eq!((out.verdict, out.keys[0].disputed.len()), (Verdict::Ok, 1), "{basis:?}");
    }
    // Without such a look it makes the key old, but says nothing of when it was published.
    let first = Known { facts: known.facts[1..].to_vec(), ..known };
    let out = judge(&first, &Policy::default(), NOW);
    assert_eq!((out.verdict, out.keys[0].grade), (Verdict::Overdue, Some(Grade::Asserted)));
    let trust = Policy { basis: AgeBasis::Trust, ..Policy::default() };
    assert_eq!(judge(&first, &trust, NOW).verdict, Verdict::Unknown);
}

#[test]
fn roles_come_from_tokens() {
    let day = |days: u32| NOW - DAY * days;
    let seen = |at| Signings::of(at, at + HOUR);
    let known = Known {
        facts: vec![
            Fact::published(key(1), day(50), Source::Public),
            Fact::published(key(2), day(10), Source::Public),
            Fact::published(key(3), day(1), Source::Public),
        ],
        published: BTreeSet::from([key(1), key(2), key(3)]),
        signings: BTreeMap::from([(key(1), seen(day(11))), (key(2), seen(day(0)))]),
        ..Known::default()
    };
    let roles = |known: &Known| {
        let out = judge(known, &Policy::default(), NOW);
        let role = |name| out.key(key(name)).map(|judged| judged.role);
        (role(1), role(2), role(3), role(4))
    };
    let (signer, verifier, next) = (Some(Role::Signer), Some(Role::Verifier), Some(Role::Next));
    assert_eq!(roles(&known), (verifier, signer, next, None));
    let mut other = known.clone();
    other.signings.insert(key(4), seen(NOW + Duration::from_secs(1)));
    assert_eq!(roles(&other), (verifier, verifier, verifier, Some(Role::Ghost)));
    let no_token = Known { signings: BTreeMap::new(), ..known };
    let unknown = Some(Role::Unknown);
    assert_eq!(roles(&no_token), (unknown, unknown, unknown, None));
}

#[test]
fn a_token_tells_who_signs_for_as_long_as_it_lives() {
    let mut history = History::new(ISSUER);
    // One token on day 0; on day 41 another key takes over, and nobody shows a token since.
    watch(&mut history, &[1], NOW, NOW + DAY * 41, DAY);
    history.observe_token(key(1), NOW, NOW + HOUR);
    watch(&mut history, &[2], NOW + DAY * 41 + HOUR, NOW + DAY * 95, DAY);
    let judged = |now| judge(&known(&history), &Policy::default(), now);
    let out = judged(NOW + DAY * 95);
    assert!(out.key(key(1)).is_none(), "it is gone for long");
    let seen = Signer { key: key(1), as_of: NOW, until: NOW + HOUR, current: false };
    assert_eq!(out.signer, Some(seen));
    let new = out.key(key(2)).unwrap();
    assert_eq!((out.verdict, new.role), (Verdict::Due, Role::Unknown));
    assert_eq!(judged(NOW + DAY * 80).verdict, Verdict::Ok);
}

#[test]
fn a_token_of_a_year_tells_for_a_day_who_signs() {
    let signer = |exp, now| {
        let signings = BTreeMap::from([(key(1), Signings::of(NOW, exp))]);
        Signer::of(&signings, now, HOUR).map(|seen| (seen.until, seen.current))
    };
    let year = NOW + DAY * 365;
    assert_eq!(signer(year, NOW + DAY), Some((NOW + DAY, true)));
    assert_eq!(signer(year, NOW + DAY + HOUR), Some((NOW + DAY, false)));
    assert_eq!(signer(NOW + HOUR, NOW + HOUR * 2), Some((NOW + HOUR, false)));
    // A token of next week is of a clock that is wrong, or of somebody's making.
    assert_eq!(signer(year, NOW - DAY * 7), None);
    assert_eq!(signer(year, NOW - HOUR), Some((NOW + DAY, true)));
}

#[test]
fn of_two_tokens_the_newer_counts_whatever_their_lives() {
    let (long, short) =
        (Signings::of(NOW, NOW + DAY * 2), Signings::of(NOW + HOUR, NOW + HOUR * 2));
    for both in [long.join(short), short.join(long)] {
        assert_eq!((both.first, both.last), (NOW, NOW + HOUR));
        assert_eq!((both.expires, both.ends), (NOW + DAY * 2, NOW + HOUR * 2));
    }
    let signings = BTreeMap::from([(key(1), long), (key(2), short)]);
    assert_eq!(Signer::of(&signings, NOW + HOUR, HOUR).map(|seen| seen.key), Some(key(2)));
}

#[test]
fn nobody_is_a_ghost_while_no_set_can_be_read() {
    let (_, known) = signer_seen_since(NOW - DAY * 50);
    let role = |published| {
        let out = judge(&Known { published, ..known.clone() }, &Policy::default(), NOW);
        out.key(key(1)).map(|judged| judged.role)
    };
    assert_eq!(role(BTreeSet::new()), Some(Role::Signer));
    assert_eq!(role(BTreeSet::from([key(2)])), Some(Role::Ghost));
}

#[test]
fn without_a_token_only_the_youngest_key_can_make_it_due() {
    let facts = |young: u32| {
        vec![
            Fact::published(key(1), NOW - DAY * 80, Source::Public),
            Fact::published(key(2), NOW - DAY * young, Source::Public),
        ]
    };
    let published = BTreeSet::from([key(1), key(2)]);
    let verdict = |young| {
        let known = Known { facts: facts(young), published: published.clone(), ..Known::default() };
        judge(&known, &Policy::default(), NOW)
    };
    let due = verdict(60);
    assert_eq!(due.verdict, Verdict::Due);
    // It rests on both.
    for judged in &due.keys {
        let mut on: Vec<_> = judged.evidence.iter().map(|fact| fact.key).collect();
        assert_eq!(on.remove(0), judged.key);
        assert_eq!((on.len(), on[0] == judged.key), (1, false));
    }
    let open = verdict(20);
    assert_eq!(open.verdict, Verdict::Unknown);
    // The older key expires before the younger is due.
    assert_eq!(open.decides_at, Some(NOW + DAY * 13 + Policy::default().clock_error));
}

#[test]
fn a_key_made_ahead_is_judged_by_its_making() {
    let facts = vec![
        Fact::stored(key(1), NOW - DAY * 200, NOW, "Secret next-key"),
        Fact::absent(key(1), NOW - DAY * 3, HOUR, Source::Public),
        Fact::published(key(1), NOW - DAY * 2, Source::Public),
    ];
    let known = Known { facts, published: BTreeSet::from([key(1)]), ..Known::default() };
    let out = judge(&known, &Policy::default(), NOW);
    assert_eq!(out.verdict, Verdict::Overdue);
    assert!(out.keys[0].made_ahead && out.keys[0].conflicts.is_empty());
    let trust = Policy { basis: AgeBasis::Trust, ..Policy::default() };
    assert_eq!(judge(&known, &trust, NOW).verdict, Verdict::Ok);
    let material = Policy { basis: AgeBasis::Material, ..Policy::default() };
    assert_eq!(judge(&known, &material, NOW).verdict, Verdict::Overdue);
}

#[test]
fn a_suspicion_is_its_keys_or_everybodys() {
    let (_, known) = signer_seen_since(NOW - DAY);
    let mut out = judge(&known, &Policy::default(), NOW);
    let finding = |id, key| Finding::new(id, key, String::new());
    out.suspect(&[finding(CheckId::K201, Some(key(1)))]);
    assert_eq!(out.verdict, Verdict::Unknown);
    out.suspect(&[finding(CheckId::K112, Some(key(1)))]);
    assert_eq!((out.verdict, out.keys[0].verdict), (Verdict::Suspect, Verdict::Suspect));
    let mut out = judge(&known, &Policy::default(), NOW);
    out.suspect(&[finding(CheckId::K190, None)]);
    assert_eq!((out.verdict, out.keys[0].verdict), (Verdict::Suspect, Verdict::Unknown));
}

#[test]
fn a_wrong_date_silences_no_alarm_and_shows_no_youth() {
    let (_, old) = signer_seen_since(NOW - DAY * 100);
    let far = |days: u32| Reading::new(NOW, DAY * days);
    for days in [0, 1, 60, 4000] {
        let out = super::super::judge(&old, &Policy::default(), far(days));
        assert_eq!(out.verdict, Verdict::Overdue, "{days}");
        // Nobody is refused for it then.
        assert_eq!(out.keys[0].overdue_beyond_doubt, days <= 1);
    }
    let facts = vec![
        Fact::absent(key(1), NOW - DAY * 40, HOUR, Source::Public),
        Fact::published(key(1), NOW - DAY * 40, Source::Public),
    ];
    let published = BTreeSet::from([key(1)]);
    let young = Known { facts, published, ..Known::default() };
    let verdict = |days| super::super::judge(&young, &Policy::default(), far(days)).verdict;
    // This clock may be twenty days behind: then it is sixty days old.
    assert_eq!((verdict(0), verdict(20)), (Verdict::Ok, Verdict::Unknown));
}

#[test]
fn what_is_said_of_tomorrow_says_nothing_of_today() {
    let facts = vec![
        Fact::published(key(1), NOW - DAY, Source::Public),
        Fact::absent(key(1), NOW + DAY * 9, HOUR, Source::Public),
    ];
    let known = Known { facts, published: BTreeSet::from([key(1)]), ..Known::default() };
    let out = judge(&known, &Policy::default(), NOW);
    assert_eq!((out.verdict, out.keys[0].age_verdict), (Verdict::Suspect, Verdict::Unknown));
}

fn fact() -> impl Strategy<Value = Fact> {
    let subject = prop_oneof![
        Just(Subject::Born),
        Just(Subject::Trusted),
        Just(Subject::Signing),
        Just(Subject::Retired)
    ];
    let grade = proptest::sample::select(Grade::ALL.to_vec());
    let moment = || proptest::option::of(0i64..200);
    (1u8..3, subject, grade, moment(), moment()).prop_map(|(name, subject, grade, lo, hi)| Fact {
        key: key(name),
        subject,
        not_before: lo.map(|days| UnixTime::from_secs(days * 86_400)),
        not_after: hi.map(|days| UnixTime::from_secs(days * 86_400)),
        grade,
        source: Evidence::E1,
        at: UnixTime::from_secs(0),
        detail: String::new(),
    })
}

fn basis() -> impl Strategy<Value = AgeBasis> {
    proptest::sample::select(vec![
        AgeBasis::Conservative,
        AgeBasis::Trust,
        AgeBasis::Material,
        AgeBasis::Activation,
    ])
}

fn facts() -> impl Strategy<Value = Vec<Fact>> {
    proptest::collection::vec(fact(), 0..8)
}

proptest! {
    #[test]
    fn more_evidence_never_widens_an_interval(some in facts(), more in facts(), basis in basis(), now in 0i64..200) {
        let published = BTreeSet::from([key(1), key(2)]);
        let policy = Policy { basis, ..Policy::default() };
        let at = |facts: Vec<Fact>| {
            let known = Known { facts, published: published.clone(), ..Known::default() };
            judge(&known, &policy, UnixTime::from_secs(now * 86_400))
        };
        let before = at(some.clone());
        let after = at([some, more].concat());
        for (before, after) in before.keys.iter().zip(&after.keys) {
            for (wide, narrow) in [
                (before.age, after.age),
                (before.trust_age, after.trust_age),
                (before.material_age, after.material_age),
            ] {
                prop_assert!(narrow.at_least >= wide.at_least);
                prop_assert!(wide.at_most.is_none_or(|most| narrow.at_most.is_some_and(|n| n <= most)));
            }
        }
    }

    #[test]
    fn overdue_never_turns_into_ok(
        some in facts(), more in facts(), basis in basis(),
        now in 100i64..400, later in 0i64..100,
        off in 0i64..100, off_later in 0i64..100,
        current in proptest::option::of(1u8..3), current_later in proptest::option::of(1u8..3),
    ) {
        let published = BTreeSet::from([key(1), key(2)]);
        let policy = Policy { basis, ..Policy::default() };
        let at = |facts: Vec<Fact>, now: i64, off: i64, current: Option<u8>| {
            let now = UnixTime::from_secs(now * 86_400);
            let token = |name| (key(name), Signings::of(now, now + HOUR));
            let signings = current.map(token).into_iter().collect();
            let now = Reading::new(now, DAY * u32::try_from(off).unwrap());
            let published = published.clone();
            let known = Known { facts, published, signings, ..Known::default() };
            super::super::judge(&known, &policy, now)
        };
        let before = at(some.clone(), now, off, current);
        let after = at([some, more].concat(), now + later, off_later, current_later);
        for (before, after) in before.keys.iter().zip(&after.keys) {
            prop_assert!(before.age_verdict != Verdict::Overdue || after.verdict != Verdict::Ok);
        }
    }
}
