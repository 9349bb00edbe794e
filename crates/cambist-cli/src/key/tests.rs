use super::*;

// Made with openssl, which also computed the digests of `openssl pkey -pubin -outform DER`.
const SPKI: &[u8] = include_bytes!("../../testdata/rsa.pub.pem");
const PKCS1: &[u8] = include_bytes!("../../testdata/rsa.pkcs1.pem");
const CERTIFICATE: &[u8] = include_bytes!("../../testdata/rsa.crt.pem");
const EC: &[u8] = include_bytes!("../../testdata/ec.pub.pem");
const RSA_KID: &str = "N-7kGYW14yqrcNDT-eOUnTh45eL1t9U6VVd-s484jC4";
const EC_KID: &str = "RkeGLhEkkl77UnTZLy5Mu120qKWpiJfM-x-uTbemU6M";

fn kid(content: &[u8]) -> String {
    let keys = read(content).unwrap();
    assert_eq!(keys.len(), 1);
    keys[0].thumbprint.to_string()
}

fn der(pem: &[u8]) -> Vec<u8> {
    pem::sections(std::str::from_utf8(pem).unwrap())[0].der().unwrap()
}

#[test]
fn every_form_of_one_key_has_one_thumbprint() {
    for form in [SPKI, PKCS1, CERTIFICATE] {
        assert_eq!(kid(form), RSA_KID);
        assert_eq!(kid(&der(form)), RSA_KID);
    }
    assert_eq!(kid(EC), EC_KID);
    let both = [EC, b"\nnotes in between\n", SPKI].concat();
    assert_eq!(read(&both).unwrap().len(), 2);
}

#[test]
fn a_key_set_gives_kid_and_thumbprint() {
    let jwk = cambist_sim::keys::KeySource::Pool.take(1).unwrap();
    let set = serde_json::json!({ "keys": [jwk.jwk()] }).to_string();
    for body in [set, jwk.jwk().to_string()] {
        let keys = read(body.as_bytes()).unwrap();
        assert_eq!(keys[0].thumbprint.to_string(), jwk.kid());
        assert_eq!(keys[0].kid.as_deref(), Some(jwk.kid()));
    }
    assert!(matches!(read(br#"{"kty":"AKP"}"#), Err(PublicKeyError::Jwk(_))));
    assert!(matches!(read(br#"{"keys":[]}"#), Err(PublicKeyError::KeySet(_))));
}

#[test]
fn private_keys_and_junk_are_refused_without_being_repeated() {
    for label in ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"] {
        let pem = format!("-----BEGIN {label}-----\nc2VjcmV0\n-----END {label}-----\n");
        let error = read(&[SPKI, pem.as_bytes()].concat()).unwrap_err().to_string();
        assert!(error.contains(label) && !error.contains("c2VjcmV0"), "{error}");
    }
    for junk in [&b""[..], b"\x30", b"\x30\x84\xff\xff\xff\xff", b"hello", &[0x30; 5000]] {
        assert!(matches!(read(junk), Err(PublicKeyError::Nothing)), "{junk:?}");
    }
    let cut = &SPKI[..200];
    assert!(matches!(read(cut), Err(PublicKeyError::Damaged(_))));
}

#[test]
fn a_certificate_cut_anywhere_is_none() {
    let whole = der(CERTIFICATE);
    let certificate = der::Certificate::parse(&whole).unwrap();
    assert_eq!(certificate.not_before.to_string(), "2026-11-23T07:09:17Z");
    assert_eq!(certificate.not_after.to_string(), "2036-11-20T07:09:17Z");
    for cut in 0..whole.len() {
        assert!(der::Certificate::parse(&whole[..cut]).is_none());
    }
}
