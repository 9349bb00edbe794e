use super::*;
use crate::testing::{KEYS, b64, es256, set};

fn parse(jwks: &[&str]) -> KeySet {
    KeySet::parse(set(jwks).as_bytes()).unwrap()
}

#[test]
fn a_kubernetes_key_is_named_by_its_thumbprint() {
    // A published RSA-2048 key of a self-managed cluster's documentation would do; ours is computed
    // the way kube-apiserver computes a kid: base64url(SHA-256(SPKI)).
    let thumbprint = Thumbprint::of_spki(&KEYS[0].spki());
    let keys = parse(&[&KEYS[0].jwk(&thumbprint.to_string())]);
    let key = &keys.keys()[0];
    assert_eq!(key.thumbprint(), thumbprint);
    assert_eq!(key.id().unwrap().as_str(), thumbprint.to_string());
    assert_eq!(thumbprint.to_string().parse(), Ok(thumbprint));
    assert_eq!((key.rsa_bits(), key.alg()), (Some(2048), Some(Alg::Rs256)));
    assert!(keys.publishes(thumbprint));
    assert!("short".parse::<Thumbprint>().is_err());
}

#[test]
fn one_bad_key_costs_nobody_else_its_place() {
    let good = KEYS[0].jwk("good");
    let n = KEYS[1].n();
    let small = b64([0xff; 128]);
    let rsa = |extra: &str| format!(r#"{{"kty":"RSA","kid":"bad","n":"{n}","e":"AQAB"{extra}}}"#);
    for (bad, word) in [
        ("null".to_owned(), "null"),
        ("{}".to_owned(), "kty"),
        (r#"{"kty":"AKP","alg":"ML-DSA-65","kid":"bad"}"#.to_owned(), "AKP"),
        (r#"{"kty":"EC","crv":"P-521","kid":"bad","x":"AA","y":"AA"}"#.to_owned(), "P-521"),
        (r#"{"kty":"EC","crv":"P-256","kid":"bad","x":"AA","y":"AA"}"#.to_owned(), "no public key"),
        (r#"{"kty":"oct","k":"c2VjcmV0","kid":"bad"}"#.to_owned(), "shared secret"),
        (rsa(r#","use":"enc""#), "use is \"enc\""),
        (rsa(r#","use":1"#), "use is a number"),
        (rsa(r#","key_ops":["sign"]"#), "key_ops"),
        (rsa(r#","alg":"RSA-OAEP""#), "RSA-OAEP"),
        (rsa(r#","alg":"ES256""#), "ES256"),
        (rsa(r#","alg":"HS256""#), "HS256"),
        (rsa(r#","n":"AQAB""#), "twice"),
        (format!(r#"{{"kty":"RSA","kid":7,"n":"{n}","e":"AQAB"}}"#), "kid"),
        (format!(r#"{{"kty":"RSA","kid":"bad","n":"{n}=","e":"AQAB"}}"#), "base64url"),
        (format!(r#"{{"kty":"RSA","kid":"bad","n":"{small}","e":"AQAB"}}"#), "1024 bits"),
        (format!(r#"{{"kty":"RSA","kid":"bad","n":"{n}","e":"AQ"}}"#), "exponent"),
        (format!(r#"{{"kty":"RSA","kid":"bad","n":"{n}","e":"AQAA"}}"#), "exponent"),
    ] {
        let keys = parse(&[&bad, &good]);
        assert_eq!(keys.keys().len(), 1, "{bad}");
        let reason = keys.unusable()[0].reason.to_string();
        assert!(reason.contains(word), "{bad}: {reason}");
    }
}

#[test]
fn a_name_shared_by_two_keys_is_nobodys() {
    let keys = parse(&[&KEYS[0].jwk("a"), &KEYS[1].jwk("a"), &KEYS[1].jwk("b")]);
    assert_eq!(keys.keys().len(), 1);
    assert!(keys.unusable().iter().all(|key| key.reason == KeyError::SharedName));
    assert!(matches!(keys.choose(KeyId::parse("a").as_ref()), Choice::Unusable(_)));
    // The same key twice, as a careless upload has it, is still one key.
    assert_eq!(parse(&[&KEYS[0].jwk("a"), &KEYS[0].jwk("a")]).keys().len(), 1);
}

#[test]
fn a_token_without_kid_has_a_key_only_if_there_is_one() {
    assert!(matches!(parse(&[&KEYS[0].jwk("a")]).choose(None), Choice::Key(_)));
    let two = parse(&[&KEYS[0].jwk("a"), &KEYS[1].jwk("b")]);
    assert!(matches!(two.choose(None), Choice::Unknown));
    assert!(matches!(two.choose(KeyId::parse("A").as_ref()), Choice::Unknown));
}

#[test]
fn what_is_no_set_is_refused() {
    let many = vec!["{}"; MAX_KEYS + 1];
    assert!(matches!(
        KeySet::parse(set(&many).as_bytes()),
        Err(KeySetError::TooMany { found: 101 })
    ));
    let listed = format!("[[{}]]", KEYS[0].jwk("a"));
    for bad in ["", "null", "[null]", "<html>", "{", "{\"keys\":[", &listed] {
        assert!(matches!(KeySet::parse(bad.as_bytes()), Err(KeySetError::Json(_))), "{bad}");
    }
    for bad in ["{}", r#"{"keys":null}"#, r#"{"keys":[],"keys":[]}"#] {
        assert!(matches!(KeySet::parse(bad.as_bytes()), Err(KeySetError::NoList)), "{bad}");
    }
    assert!(matches!(KeySet::parse(br#"{"keys":[]}"#), Err(KeySetError::Empty)));
}

#[test]
fn elliptic_keys_are_for_their_own_algorithm() {
    let (jwk, _) = es256("e", "{}");
    let keys = parse(&[&jwk]);
    assert!(keys.keys()[0].allows(Alg::Es256));
    assert!(!keys.keys()[0].allows(Alg::Es384) && !keys.keys()[0].allows(Alg::Rs256));
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        drop(KeySet::parse(&bytes));
        drop(KeySet::parse(set(&[&String::from_utf8_lossy(&bytes)]).as_bytes()));
    }
}
