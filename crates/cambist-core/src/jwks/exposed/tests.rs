use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;
use crate::jwks::{Alg, KeySet};
use crate::jws::{self, JwsError};
use crate::testing::{KEYS, set};

/// Wycheproof's json_web_key_test, case 7, "rejectsKeyWithRocaVulnerability": the public half,
/// and a token with a right signature.
const ROCA_N: &str = "AanFpofbj7KjD4Lf-N2hVMKR7yewSyXhhbirIMTGpfYEhZ_lnt5UoK98DnKIgArXGTu3MaW_HhFw16HGaTDUHqPrId7fe4r11CqRw09yBFuW79V8sYIwHdzCaWflUI6auImYbVfoN9_nD5n8N8SY9DwXw7mwZM9wREPXoDPgOoIWl6q_MPsp7n0zs3Z5ZaiQWOOzl1S9OhwAfSiiOwz6efnXEaxuTEtPd7BjSx7NaFka8Dx9U7YqXy2RFj1O9PjyaDGuRh7YXsX3iMUSP_wSyHQg_c_qHRtKUsNSGCT7OZg0hzm2KphtjnayKJvC64vAbROBR4Ubg6Bxg9IQVZ-QYyE";
const ROCA_JWS: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImtpZC1yc2Etcm9jYS1zaWduIn0.Zm9v.AF_6dFYBEaaI5OlOehaktwYarwKZwFFeKTNwz9ar6ntNh4k8oeQwiODJqT1nnX2KhrWMUc80JJIdaCq3y7wOSmlPrqRgrL5r9xqfQdokirCuynoq4Lbi226VlZmijmkyYtSeEbzvkhyjbY8cDQF_c2DMMQG8FBRNJPOSTxi_I75Twj0877G-16i3bAWcvFxcNKGQzSQNcp5Lvh15N2I3PDM5W7HaFwPO0drzLR9dsDW9uDCqHvMMyshC7rgZdqfXpkaJL8Whn_mUScnLxS7J-2wVt9xKY3LpR97HoanIK-rcqYS_eq9hY_65te4qbwPCtQMjipIgIGo9HZrNRomAB1c";

fn of(modulus: &[u8]) -> Option<Exposed> {
    Exposed::find(&[], None, Some(modulus))
}

#[test]
fn a_token_that_a_roca_key_signed_is_refused() {
    let jwk = format!(
        r#"{{"alg":"RS256","use":"sig","n":"{ROCA_N}","e":"AQAB","kid":"kid-rsa-roca-sign","kty":"RSA"}}"#
    );
    let keys = KeySet::parse(set(&[&jwk, &KEYS[0].jwk("a")]).as_bytes()).unwrap();
    let refused = jws::verify(ROCA_JWS, &keys, &[Alg::Rs256]).unwrap_err();
    assert!(matches!(refused, JwsError::Exposed { how: Exposed::Roca, .. }), "{refused}");
    assert!(refused.to_string().contains("CVE-2017-15361"), "{refused}");
    // A forged one is told from it.
    let forged = ROCA_JWS.replace(".AF_6", ".AF_7");
    let refused = jws::verify(&forged, &keys, &[Alg::Rs256]).unwrap_err();
    assert!(matches!(refused, JwsError::Signature { .. }), "{refused}");
}

#[test]
fn sound_moduli_pass_and_small_factors_do_not() {
    let decode = |n: &str| URL_SAFE_NO_PAD.decode(n).unwrap();
    let sound = decode(&KEYS[0].n());
    assert_eq!((of(&sound), of(&[0]), of(&[])), (None, None, None));
    assert_eq!(of(&decode(ROCA_N)), Some(Exposed::Roca));
    // A number is divisible by 255, and so by 3, if its digits to the base of 256 sum up so.
    assert_eq!(of(&[0xff; 256]), Some(Exposed::Divisible(3)));
    let mut even = sound.clone();
    even.push(0);
    assert_eq!(of(&even), Some(Exposed::Divisible(2)));
    // Beyond what verifies anything, nothing is worth the work.
    assert_eq!(of(&[0xff; 1025]), None);
}

#[test]
fn what_is_published_or_known_is_found() {
    let example = EXAMPLES[0].0.parse().unwrap();
    assert_eq!(Exposed::find(&["d"], None, None), Some(Exposed::Published(vec!["d"])));
    let found = Exposed::find(&[], Some(example), None).unwrap();
    assert!(found.to_string().contains("Kubernetes"), "{found}");
    assert!(EXAMPLES.iter().all(|(name, _)| name.parse::<Thumbprint>().is_ok()));
    assert_eq!(Exposed::find(&[], Some(Thumbprint::of_spki(b"k")), None), None);
}
