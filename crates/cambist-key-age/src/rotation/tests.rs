use std::collections::{BTreeMap, BTreeSet};

use cambist_core::jwks::Thumbprint;
use proptest::prelude::*;

use super::gate::{self, Answer, Fresh, Server};
use super::*;
use crate::fact::Source;
use crate::history::History;
use crate::history::tests::look;
use crate::role::Signings;
use crate::vectors::{DAY, key};

const START: UnixTime = UnixTime::from_secs(1_795_000_000);
const OLD: u8 = 1;
const NEW: u8 = 2;
const OLDER: u8 = 3;

fn times() -> Times {
    Times { publish: START, cache: DAY, life: DAY, margin: DAY, limits: Some(Limits::AZURE_LOCAL) }
}

#[test]
fn every_platform_has_a_course_and_no_order_drops_what_still_vouches() {
    for platform in Platform::ALL {
        let Course::Steps { steps, .. } = Course::of(platform) else { continue };
        let acts: Vec<_> = steps.iter().flat_map(|step| step.acts.iter().copied()).collect();
        let place = |act| acts.iter().position(|it| *it == act);
        let before = |first, then| match (place(first), place(then)) {
            (Some(first), Some(then)) => assert!(first < then, "{platform}: {first} {then}"),
            (None, Some(_)) => panic!("{platform}: {then} without {first}"),
            (_, None) => {}
        };
        before(Act::Accept, Act::Sign);
        before(Act::Publish, Act::Sign);
        before(Act::Sign, Act::Withdraw);
        before(Act::Withdraw, Act::Drop);
        assert!(steps.iter().all(|step| step.how.len() > 20), "{platform}");
    }
}

#[test]
fn dates_keep_their_order_and_the_next_round_begins_before_the_key_is_due() {
    let Course::Steps { steps, .. } = Course::of(Platform::Kubeadm) else { panic!() };
    let dated = times().date(steps);
    assert!(dated.is_sorted_by_key(|it| it.at));
    let at: Vec<_> = dated.iter().map(|it| it.at.since(START).as_secs() / 86_400).collect();
    assert_eq!(at, [0, 0, 1, 3, 3]);
    // Public for a day before it signs, and 45 days old when the next one does.
    assert_eq!(times().next(), Some(START + DAY * 44));
    assert_eq!(times().fit(), Ok(()));
}

#[test]
fn what_does_not_fit_the_policy_is_said() {
    let limits = Limits::new(DAY * 45, DAY * 46).unwrap();
    let text = Times { limits: Some(limits), ..times() }.fit().unwrap_err().to_string();
    assert!(text.contains("--max-token-ttl"), "{text}");
    let limits = Limits::new(DAY, DAY * 46).unwrap();
    let misfit = Times { limits: Some(limits), ..times() }.fit();
    assert!(matches!(misfit, Err(Misfit::TooOften { .. })), "{misfit:?}");
}

fn keys(names: &[u8]) -> BTreeSet<Thumbprint> {
    names.iter().map(|name| key(*name)).collect()
}

fn server(name: &str, accepts: &[u8]) -> Server {
    Server { name: name.to_owned(), keys: Ok(keys(accepts)) }
}

#[test]
fn a_key_is_published_once_every_server_accepts_it() {
    let all = [server("a", &[OLD, NEW]), server("b", &[OLD, NEW])];
    assert_eq!(gate::publish(key(NEW), &all).answer(), Answer::Yes);
    let half = [server("a", &[OLD, NEW]), server("b", &[OLD])];
    assert_eq!(gate::publish(key(NEW), &half).answer(), Answer::No);
    let unseen = Server { name: "b".to_owned(), keys: Err("refused".to_owned()) };
    assert_eq!(
        gate::publish(key(NEW), &[server("a", &[NEW]), unseen]).answer(),
        Answer::NotLookedAt
    );
    assert_eq!(gate::publish(key(NEW), &[]).answer(), Answer::NotLookedAt);
}

fn seen(looks: &[(u64, &[u8])]) -> History {
    let mut history = History::new("https://issuer.example/");
    for (hour, names) in looks {
        let at = START + Duration::from_secs(hour * 3600);
        history.observe(&look(Source::Public, at, names)).unwrap();
    }
    history
}

#[test]
fn a_key_signs_once_it_was_public_for_the_whole_wait_without_a_break() {
    let at = |hour: u64| START + Duration::from_secs(hour * 3600);
    let public = Ok(keys(&[OLD, NEW]));
    let ask = |history: &History, now| gate::sign(key(NEW), &public, history, DAY, now);
    let history = seen(&[(0, &[OLD]), (1, &[OLD, NEW]), (20, &[OLD, NEW])]);
    assert_eq!(ask(&history, at(24)).answer(), Answer::No);
    assert_eq!(ask(&history, at(24)).ask_again, Some(at(25)));
    assert_eq!(ask(&history, at(25)).answer(), Answer::Yes);
    let broken = seen(&[(1, &[OLD, NEW]), (12, &[OLD]), (13, &[OLD, NEW])]);
    assert_eq!(ask(&broken, at(30)).answer(), Answer::No);
    assert_eq!(ask(&seen(&[(0, &[OLD])]), at(30)).answer(), Answer::No);
    // Looked at, published and looked at again within one second.
    let at_once = seen(&[(1, &[OLD]), (1, &[OLD, NEW]), (25, &[OLD, NEW])]);
    assert_eq!(ask(&at_once, at(24)).answer(), Answer::No);
    assert_eq!(ask(&at_once, at(25)).answer(), Answer::Yes);
    // What nobody looked at for longer than the wait may have shown anything meanwhile.
    let unwatched = seen(&[(0, &[OLD]), (1, &[OLD, NEW]), (480, &[OLD, NEW])]);
    assert_eq!(ask(&unwatched, at(480)).answer(), Answer::NotLookedAt);
    assert_eq!(ask(&unwatched, at(480)).ask_again, Some(at(504)));
    assert_eq!(ask(&seen(&[(1, &[OLD, NEW])]), at(480)).answer(), Answer::NotLookedAt);
    let again = seen(&[(1, &[OLD, NEW]), (480, &[OLD]), (481, &[OLD, NEW]), (504, &[OLD, NEW])]);
    assert_eq!(ask(&again, at(504)).answer(), Answer::No);
    assert_eq!(ask(&again, at(505)).answer(), Answer::Yes);
    let gone = gate::sign(key(NEW), &Ok(keys(&[OLD])), &history, DAY, at(99));
    assert_eq!(gone.answer(), Answer::No);
    let unread = gate::sign(key(NEW), &Err("no route".to_owned()), &history, DAY, at(99));
    assert_eq!(unread.answer(), Answer::NotLookedAt);
}

fn fresh(name: &str, signer: u8) -> Fresh {
    Fresh { name: name.to_owned(), key: Ok(key(signer)) }
}

fn signed(hours: &[(u8, u64, u64)]) -> BTreeMap<Thumbprint, Signings> {
    let at = |hour: u64| START + Duration::from_secs(hour * 3600);
    let one = |(name, first, last): &(u8, u64, u64)| {
        let life = Duration::from_secs(3600);
        let expires = at(*last) + life;
        (key(*name), Signings { first: at(*first), last: at(*last), expires, ends: expires })
    };
    hours.iter().map(one).collect()
}

#[test]
fn a_key_is_withdrawn_once_nothing_that_it_signed_is_alive() {
    let at = |hour: u64| START + Duration::from_secs(hour * 3600);
    let both = [fresh("a", NEW), fresh("b", NEW)];
    let ask = |fresh: &[Fresh], signings: &BTreeMap<_, _>, now| {
        gate::retire(key(OLD), fresh, 2, signings, DAY, now).answer()
    };
    let history = signed(&[(OLD, 0, 10), (NEW, 11, 40)]);
    assert_eq!(ask(&both, &history, at(34)), Answer::No);
    assert_eq!(ask(&both, &history, at(35)), Answer::Yes);
    // One server still signs with it, or was not asked.
    assert_eq!(ask(&[fresh("a", NEW), fresh("b", OLD)], &history, at(99)), Answer::No);
    assert_eq!(ask(&both[..1], &history, at(99)), Answer::NotLookedAt);
    // Nobody saw what happened between the last of the one and the first of the other.
    let gap = signed(&[(OLD, 0, 0), (NEW, 90, 90)]);
    assert_eq!(ask(&both, &gap, at(91)), Answer::No);
    assert_eq!(ask(&both, &gap, at(114)), Answer::Yes);
    // Nor what was before the first token that anybody saw.
    assert_eq!(ask(&both, &signed(&[(NEW, 90, 90)]), at(91)), Answer::No);
    assert_eq!(ask(&both, &BTreeMap::new(), at(91)), Answer::NotLookedAt);
    // A predecessor has taken over nothing.
    let earlier = signed(&[(OLDER, 0, 5), (OLD, 6, 40)]);
    assert_eq!(ask(&both, &earlier, at(999)), Answer::NotLookedAt);
}

proptest! {
    /// Whatever was seen: a yes never comes while a token of the key may be alive.
    #[test]
    fn a_yes_is_never_too_early(
        last in 0u64..100, takeover in 0u64..100, look in 0u64..100, now in 0u64..300,
    ) {
        let takeover = last + takeover;
        let at = |hour: u64| START + Duration::from_secs(hour * 3600);
        let look = takeover + look;
        let history = signed(&[(OLD, 0, last), (NEW, takeover, look)]);
        let fresh = [fresh("a", NEW)];
        let answer = gate::retire(key(OLD), &fresh, 1, &history, DAY, at(now)).answer();
        // It may have signed until somebody saw another key sign.
        prop_assert!(answer != Answer::Yes || at(takeover) + DAY <= at(now));
    }
}
