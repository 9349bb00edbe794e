use std::time::Duration;

use super::*;
use crate::issuer::IssuerUrl;
use crate::scope::Audience;
use crate::testing::{ISSUER, KEYS, NOW, header, payload, set};
use crate::verify::Verifier;

fn policy(mode: Mode) -> Admission {
    let issuer = IssuerUrl::parse(ISSUER).unwrap();
    Admission::new(Verifier::new(issuer, Audience::entra()), mode)
}

fn token(kid: &str, payload: &str) -> ProjectedToken {
    ProjectedToken::parse(&KEYS[0].sign(&header(kid), payload)).unwrap()
}

fn keys(jwk: &str) -> KeySet {
    KeySet::parse(set(&[jwk]).as_bytes()).unwrap()
}

fn world<'a>(keys: Result<&'a KeySet, &'a str>) -> Circumstances<'a> {
    Circumstances { keys, now: NOW, upstream: None, verdicts: KeyVerdicts::default() }
}

#[test]
fn a_verified_token_is_admitted_in_every_mode() {
    let keys = keys(&KEYS[0].jwk("a"));
    for mode in [Mode::Off, Mode::Audit, Mode::Enforce] {
        let admitted = policy(mode).admit(token("a", &payload()), world(Ok(&keys))).unwrap();
        assert_eq!(admitted.standing(), Standing::Verified(keys.keys()[0].thumbprint()));
    }
}

#[test]
fn what_cannot_be_checked_passes_unless_enforced() {
    let known = keys(&KEYS[0].jwk("a"));
    let broken = keys(&KEYS[0].jwk("a").replace("sig", "enc"));
    for (keys, kid, reason) in [
        (Err("no route to the issuer"), "a", Unchecked::NoKeys),
        (Ok(&known), "new", Unchecked::UnknownKid),
        (Ok(&broken), "a", Unchecked::UnusableKey),
    ] {
        for mode in [Mode::Off, Mode::Audit] {
            let admitted = policy(mode).admit(token(kid, &payload()), world(keys)).unwrap();
            assert_eq!(admitted.standing(), Standing::Unchecked(reason));
        }
        let held = policy(Mode::Enforce).admit(token(kid, &payload()), world(keys)).unwrap_err();
        assert_eq!(held.as_str(), "unchecked_held");
        assert!(held.to_string().contains(reason.as_str()), "{held}");
    }
}

#[test]
fn what_is_shown_to_be_bad_never_passes() {
    let known = keys(&KEYS[0].jwk("a"));
    let other = keys(&KEYS[1].jwk("a"));
    let wrong_audience = payload().replace("TokenExchange", "TokenExchangeUSGov");
    for mode in [Mode::Off, Mode::Audit, Mode::Enforce] {
        // A wrong claim needs no key to be seen.
        for keys in [Ok(&known), Err("down")] {
            let refused = policy(mode).admit(token("a", &wrong_audience), world(keys)).unwrap_err();
            assert_eq!(refused.as_str(), "audience_mismatch");
        }
        let refused = policy(mode).admit(token("a", &payload()), world(Ok(&other))).unwrap_err();
        assert_eq!(refused.as_str(), "signature_invalid");
    }
}

#[test]
fn a_clock_that_https_contradicts_is_the_clocks_fault() {
    let keys = keys(&KEYS[0].jwk("a"));
    let day = Duration::from_secs(86_400);
    let skewed = |upstream: Option<UnixTime>| {
        let upstream = upstream.map(Reading::alone);
        Circumstances { now: NOW + day, upstream, ..world(Ok(&keys)) }
    };
    for mode in [Mode::Audit, Mode::Enforce] {
        let admitted = policy(mode).admit(token("a", &payload()), skewed(Some(NOW))).unwrap();
        assert_eq!(admitted.standing(), Standing::Unchecked(Unchecked::ClockSkew));
    }
    let blind = Circumstances { keys: Err("down"), ..skewed(Some(NOW)) };
    let held = policy(Mode::Enforce).admit(token("a", &payload()), blind).unwrap_err();
    assert_eq!(held.as_str(), "unchecked_held");
    for upstream in [None, Some(NOW + day)] {
        let refused =
            policy(Mode::Audit).admit(token("a", &payload()), skewed(upstream)).unwrap_err();
        assert_eq!(refused.as_str(), "token_expired");
    }
    // Nor does a time that is itself in doubt.
    let carried = Some(Reading::new(NOW, Duration::from_secs(301)));
    let doubtful = Circumstances { upstream: carried, ..skewed(None) };
    let refused = policy(Mode::Audit).admit(token("a", &payload()), doubtful).unwrap_err();
    assert_eq!(refused.as_str(), "token_expired");
    // The right time does not excuse a wrong signature.
    let other = KeySet::parse(set(&[&KEYS[1].jwk("a")]).as_bytes()).unwrap();
    let forged = Circumstances { keys: Ok(&other), ..skewed(Some(NOW)) };
    let refused = policy(Mode::Audit).admit(token("a", &payload()), forged).unwrap_err();
    assert_eq!(refused.as_str(), "signature_invalid");
}

#[test]
fn an_overdue_or_compromised_key_is_refused_where_enforced_and_objected_to_where_audited() {
    let keys = keys(&KEYS[0].jwk("a"));
    let key = keys.keys()[0].thumbprint();
    let refused = |ground| [Refused::new(key, ground, "seen".to_owned())];
    let (overdue, compromised) = (refused(Ground::Overdue), refused(Ground::Compromised));
    let exempt = [format!("{key}@2026-11-24").parse().unwrap()];
    let leaked = KEYS[0].jwk("a").replace("\"e\":", "\"d\":\"AQAB\",\"e\":");
    let leaked = KeySet::parse(set(&[&leaked]).as_bytes()).unwrap();
    let told = Some("key_compromised");
    for (keys, refused, exempt, reason) in [
        (&leaked, &[][..], &[][..], told),
        (&leaked, &[], &exempt, None),
        (&keys, &overdue, &[][..], Some("key_overdue")),
        (&keys, &compromised[..], &[], told),
        (&keys, &[], &[], None),
        (&keys, &overdue, &exempt, None),
        (&keys, &compromised, &exempt, None),
    ] {
        let verdicts = KeyVerdicts { refused, exempt };
        let world = Circumstances { verdicts, ..world(Ok(keys)) };
        let enforced = policy(Mode::Enforce).admit(token("a", &payload()), world);
        assert_eq!(enforced.as_ref().err().map(Refusal::as_str), reason);
        let audited = policy(Mode::Audit).admit(token("a", &payload()), world).unwrap();
        assert_eq!(audited.objection().map(Refused::as_str), reason);
        let off = policy(Mode::Off).admit(token("a", &payload()), world).unwrap();
        assert!(off.objection().is_none());
    }
}
