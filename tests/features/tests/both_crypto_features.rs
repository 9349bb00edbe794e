//! jsonwebtoken picks its crypto provider by its features, and panics when another crate of the same
//! app turns on a second one. cambist must verify all the same.

use cambist_core::jwks::{Alg, KeySet};
use cambist_core::jws::{self, JwsError};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};

// The RS256 example of RFC 7515, appendix A.2. The public key is published there.
const MODULUS: &str = concat!(
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4Ql",
    "L-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUs",
    "LA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoud",
    "F8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
);
const HEADER: &str = "eyJhbGciOiJSUzI1NiJ9";
const PAYLOAD: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const SIGNATURE: &str = concat!(
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujG",
    "bds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K",
    "0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6",
    "LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
);

fn token() -> String {
    format!("{HEADER}.{PAYLOAD}.{SIGNATURE}")
}

fn keys() -> KeySet {
    let jwks = format!(r#"{{"keys":[{{"kty":"RSA","n":"{MODULUS}","e":"AQAB"}}]}}"#);
    KeySet::parse(jwks.as_bytes()).unwrap()
}

#[test]
fn a_good_signature_verifies() {
    let keys = keys();
    let (payload, _) = jws::verify(&token(), &keys, &[Alg::Rs256]).unwrap();
    assert!(payload.starts_with(br#"{"iss":"joe","#));
}

#[test]
fn a_bad_signature_is_refused() {
    let altered = token().replacen(".cC4", ".cC5", 1);
    let keys = keys();
    let refused = jws::verify(&altered, &keys, &[Alg::Rs256]).unwrap_err();
    assert!(matches!(refused, JwsError::Signature { .. }), "{refused}");
}

/// The library without its default features re-exports the very same rules.
#[test]
fn the_library_without_its_defaults_verifies_too() {
    let keys = keys();
    let verified = cambist::core::jws::verify(&token(), &keys, &[Alg::Rs256]);
    assert!(verified.is_ok());
}

/// Shows that the other tests prove something: both features are on, and the plain way panics. If
/// it no longer does, the reason for cambist's own way is gone.
#[test]
#[should_panic(expected = "CryptoProvider")]
fn jsonwebtoken_alone_panics() {
    let key = DecodingKey::from_rsa_components(MODULUS, "AQAB").unwrap();
    let _ = jsonwebtoken::decode::<serde::de::IgnoredAny>(
        token(),
        &key,
        &Validation::new(Algorithm::RS256),
    );
}
