use super::*;
use crate::testing::{KEYS, b64, es256, set};

fn parse(jwks: &[&str]) -> PublishedSet {
    PublishedSet::parse(set(jwks).as_bytes()).unwrap()
}

fn found(jwk: &str) -> Vec<CheckId> {
    unfit_keys(&parse(&[jwk]), Platform::Kubeadm).into_iter().map(|finding| finding.id).collect()
}

fn rsa(n: &str, e: &str) -> String {
    format!(r#"{{"kty":"RSA","alg":"RS256","n":"{n}","e":"{e}"}}"#)
}

#[test]
fn a_kubernetes_key_is_fit_but_modest() {
    assert_eq!(found(&KEYS[0].jwk("a")), [CheckId::K308]);
}

#[test]
fn k301_and_k308_are_about_length() {
    let of = |bytes: usize| {
        let mut n = vec![0xff; bytes];
        n[bytes - 1] = 0xf1;
        let set = parse(&[&rsa(&b64(n), "AQAB")]);
        let jwk = &set.keys()[0];
        (short_modulus(jwk).is_some(), modest_modulus(jwk).is_some())
    };
    assert_eq!((of(128), of(255)), ((true, false), (true, false)));
    assert_eq!((of(256), of(383)), ((false, true), (false, true)));
    assert_eq!(of(384), (false, false));
}

#[test]
fn k302_is_any_other_exponent() {
    for (e, odd) in [("AQAB", false), ("AAEAAQ", false), ("Aw", true), ("AQAA", true)] {
        let jwk = rsa(&KEYS[0].n(), e);
        assert_eq!(found(&jwk).contains(&CheckId::K302), odd, "{e}");
    }
}

#[cfg(feature = "factoring")]
#[test]
fn k303_is_a_modulus_with_a_small_factor() {
    // That is told with the exposed keys.
    let exposed = parse(&[&rsa(&b64([0xff; 256]), "AQAB")]);
    assert!(weak_modulus(&exposed.keys()[0]).is_none());
    assert_eq!(crate::checks::exposed_keys(&exposed)[0].id, CheckId::K303);
    assert!(!found(&rsa(&KEYS[0].n(), "AQAB")).contains(&CheckId::K303));
    let set = parse(&[&KEYS[0].jwk("a"), &KEYS[1].jwk("b"), &KEYS[0].jwk("c")]);
    assert!(shared_factors(&set).is_empty());
}

#[test]
fn k304_is_what_entra_does_not_support() {
    let (ec, _) = es256("e", "{}");
    assert_eq!(found(&ec), [CheckId::K304]);
    let rs512 = KEYS[0].jwk("a").replace("RS256", "RS512");
    assert!(found(&rs512).contains(&CheckId::K304));
    assert!(!found(&KEYS[0].jwk("a")).contains(&CheckId::K304));
}

#[test]
fn k305_is_a_key_of_tomorrow() {
    assert_eq!(found(r#"{"kty":"AKP","alg":"ML-DSA-65","kid":"t"}"#), [CheckId::K305]);
    assert_eq!(found(r#"{"kty":"EC","crv":"secp256k1"}"#), [CheckId::K305]);
    assert!(found(r#"{"kty":"oct","k":"AA"}"#).is_empty());
}

#[test]
fn k306_is_another_purpose() {
    let with = |member: &str| KEYS[0].jwk("a").replace(r#""use":"sig""#, member);
    for (member, other) in [
        (r#""use":"sig""#, false),
        (r#""x":1"#, false),
        (r#""use":"enc""#, true),
        (r#""key_ops":["verify"]"#, false),
        (r#""key_ops":["encrypt"]"#, true),
    ] {
        assert_eq!(found(&with(member)).contains(&CheckId::K306), other, "{member}");
    }
}

#[test]
fn k307_is_a_thumbprint_of_another_key() {
    let mine = Thumbprint::of_spki(&KEYS[0].spki()).to_string();
    let other = Thumbprint::of_spki(&KEYS[1].spki()).to_string();
    let ask = |kid: &str, platform| {
        let set = parse(&[&KEYS[0].jwk(kid)]);
        misnamed(&set.keys()[0], platform).map(|finding| finding.severity)
    };
    assert_eq!(ask(&other, Platform::Kubeadm), Some(Severity::Low));
    assert_eq!(ask(&other, Platform::Eks), Some(Severity::Info));
    assert_eq!(ask(&mine, Platform::Kubeadm), None);
    assert_eq!(ask("2284aaaa4a40", Platform::Kubeadm), None);
}

#[test]
fn k309_is_no_alg_or_one_of_another_kind() {
    for (alg, wrong) in [
        (r#""alg":"RS256""#, false),
        (r#""alg":"PS256""#, false),
        (r#""x":1"#, true),
        (r#""alg":"ES256""#, true),
        (r#""alg":"none""#, true),
        (r#""alg":"RSA-OAEP""#, true),
    ] {
        let jwk = KEYS[0].jwk("a").replace(r#""alg":"RS256""#, alg);
        assert_eq!(found(&jwk).contains(&CheckId::K309), wrong, "{alg}");
    }
}
