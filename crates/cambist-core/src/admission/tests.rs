use std::time::Duration;

use super::*;
use crate::issuer::IssuerUrl;
use crate::scope::Audience;
use crate::testing::{ISSUER, KEYS, NOW, header, payload, set};

fn policy(mode: Mode) -> Admission {
    let issuer = IssuerUrl::parse(ISSUER).unwrap();
    Admission::new(Verifier::new(Some(issuer), Audience::entra()), mode)
}

fn token(kid: &str, payload: &str) -> ProjectedToken {
    ProjectedToken::parse(&KEYS[0].sign(&header(kid), payload)).unwrap()
}

fn keys(jwk: &str) -> KeySet {
    KeySet::parse(set(&[jwk]).as_bytes()).unwrap()
}

fn world<'a>(keys: Result<&'a KeySet, &'a str>) -> Circumstances<'a> {
    Circumstances { keys, now: NOW, upstream: None }
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
    let skewed = |upstream| Circumstances { keys: Ok(&keys), now: NOW + day, upstream };
    let admitted = policy(Mode::Audit).admit(token("a", &payload()), skewed(Some(NOW))).unwrap();
    assert_eq!(admitted.standing(), Standing::Unchecked(Unchecked::ClockSkew));
    let held = policy(Mode::Enforce).admit(token("a", &payload()), skewed(Some(NOW))).unwrap_err();
    assert_eq!(held.as_str(), "unchecked_held");
    for upstream in [None, Some(NOW + day)] {
        let refused =
            policy(Mode::Audit).admit(token("a", &payload()), skewed(upstream)).unwrap_err();
        assert_eq!(refused.as_str(), "token_expired");
    }
    // The right time does not excuse a wrong signature.
    let other = KeySet::parse(set(&[&KEYS[1].jwk("a")]).as_bytes()).unwrap();
    let forged = Circumstances { keys: Ok(&other), now: NOW + day, upstream: Some(NOW) };
    let refused = policy(Mode::Audit).admit(token("a", &payload()), forged).unwrap_err();
    assert_eq!(refused.as_str(), "signature_invalid");
}

#[test]
fn a_key_whose_private_half_is_published_is_refused_where_enforced() {
    let leaked = keys(&KEYS[0].jwk("a").replace("\"e\":", "\"d\":\"AQAB\",\"e\":"));
    assert!(policy(Mode::Audit).admit(token("a", &payload()), world(Ok(&leaked))).is_ok());
    let refused = policy(Mode::Enforce).admit(token("a", &payload()), world(Ok(&leaked)));
    assert_eq!(refused.unwrap_err().as_str(), "key_compromised");
}
