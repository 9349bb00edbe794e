use super::*;
use crate::testing::{KEYS, b64, es256, set};
use cambist_core::jwks::KeySet;

fn parse(jwks: &[&str]) -> PublishedSet {
    PublishedSet::parse(set(jwks).as_bytes()).unwrap()
}

/// The public keys of Kubernetes' own unit tests, whose names it computes as thumbprints.
pub(crate) const KUBERNETES_TEST_RSA: &str = r#"{"use":"sig","kty":"RSA","kid":"JHJehTTTZlsspKHT-GaJxK7Kd1NQgZJu3fyK6K_QDYU","alg":"RS256","n":"249XwEo9k4tM8fMxV7zxOhcrP-WvXn917koM5Qr2ZXs4vo26e4ytdlrV0bQ9SlcLpQVSYjIxNfhTZdDt-ecIzshKuv1gKIxbbLQMOuK1eA_4HALyEkFgmS_tleLJrhc65tKPMGD-pKQ_xhmzRuCG51RoiMgbQxaCyYxGfNLpLAZK9L0Tctv9a0mJmGIYnIOQM4kC1A1I1n3EsXMWmeJUj7OTh_AjjCnMnkgvKT2tpKxYQ59PgDgU8Ssc7RDSmSkLxnrv-OrN80j6xrw0OjEiB4Ycr0PqfzZcvy8efTtFQ_Jnc4Bp1zUtFXt7-QeevePtQ2EcyELXE0i63T1CujRMWw","e":"AQAB"}"#;
const KUBERNETES_TEST_EC: &str = r#"{"use":"sig","kty":"EC","kid":"SoABiieYuNx4UdqYvZRVeuC6SihxgLrhLy9peHMHpTc","crv":"P-256","alg":"ES256","x":"H6cuzP8XuD5wal6wf9M6xDljTOPLX2i8uIp_C_ASqiI","y":"BlHnikLV9PyEd6gl8k4T_3Wwoh6xd79XLoQTh2PAi1Y"}"#;

#[test]
fn thumbprints_are_those_of_kubernetes() {
    for key in parse(&[KUBERNETES_TEST_RSA, KUBERNETES_TEST_EC]).keys() {
        assert_eq!(key.thumbprint.unwrap().to_string(), key.kid.clone().unwrap());
    }
}

#[test]
fn thumbprints_are_those_of_the_verifier() {
    let (ec, _) = es256("e", "{}");
    let ed = format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"d","x":"{}"}}"#, b64([7; 32]));
    let document = set(&[&KEYS[0].jwk("a"), &KEYS[1].jwk("b"), &ec, &ed]);
    let verifying = KeySet::parse(document.as_bytes()).unwrap();
    let published = PublishedSet::parse(document.as_bytes()).unwrap();
    let verifying: Vec<_> = verifying.keys().iter().map(|key| key.thumbprint()).collect();
    assert!(published.thumbprints().collect::<Vec<_>>().starts_with(&verifying));
    assert!(verifying.len() >= 3);
}

#[test]
fn keys_that_nobody_should_use_are_read_all_the_same() {
    let short = format!(r#"{{"kty":"RSA","n":"{}","e":"Aw"}}"#, b64([0xff; 128]));
    let p521 =
        format!(r#"{{"kty":"EC","crv":"P-521","x":"{0}","y":"{0}","alg":"ES512"}}"#, b64([1; 66]));
    let dated = r#"{"kty":"AKP","alg":"ML-DSA-65","pub":"AA","iat":5,"exp":9,"x5c":["AAE="]}"#;
    let set = parse(&[&short, &p521, dated, "7", r#"{"kty":"oct","k":"c2VjcmV0"}"#]);
    let [short, p521, dated, oct] = set.keys() else { panic!("{set:?}") };
    assert_eq!(short.rsa.as_ref().unwrap().bits(), 1024);
    assert!(short.thumbprint.is_some() && p521.thumbprint.is_some());
    assert_eq!((dated.thumbprint, dated.issued), (None, Some(UnixTime::from_secs(5))));
    assert_eq!(dated.certificate.as_deref(), Some(&[0, 1][..]));
    assert_eq!(oct.secret_members, ["k"]);
    assert_eq!(set.defects(), ["key 3 is a number"]);
    assert!(!format!("{set:?}").contains("c2VjcmV0"));
}

#[test]
fn an_answer_that_is_no_set_says_nothing() {
    for bad in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[]}"#] {
        assert!(PublishedSet::parse(bad.as_bytes()).is_err(), "{bad}");
    }
    let twice = br#"{"keys":[{"kty":"AKP","kty":"AKP"}]}"#;
    assert!(PublishedSet::parse(twice).unwrap().defects()[0].contains("twice"));
}

proptest::proptest! {
    #[test]
    fn no_numbers_panic(n in proptest::collection::vec(proptest::num::u8::ANY, 0..600), e in proptest::collection::vec(proptest::num::u8::ANY, 0..9)) {
        let jwk = format!(r#"{{"kty":"RSA","n":"{}","e":"{}"}}"#, b64(n), b64(e));
        drop(parse(&[&jwk]));
    }
}
