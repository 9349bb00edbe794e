use std::fs;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tempfile::TempDir;

use super::*;

/// What Windows has not: FIFOs, sockets among files, and a link that is swung in one step.
#[cfg(unix)]
mod unix;

/// A token that parses, with a subject of its own and a signature long enough to tear.
fn token(name: &str) -> String {
    let payload = format!(r#"{{"iss":"i","sub":"{name}","aud":"a","iat":1,"exp":2}}"#);
    let parts = [r#"{"alg":"RS256"}"#, &payload, &name.repeat(200)];
    parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".")
}

fn dir() -> TempDir {
    tempfile::tempdir().unwrap()
}

async fn read_bytes(content: &[u8]) -> Result<ProjectedToken, TokenFileError> {
    let dir = dir();
    let path = dir.path().join("token");
    fs::write(&path, content).unwrap();
    TokenFile::new(path).read().await
}

#[tokio::test]
async fn a_token_is_read_with_or_without_a_newline() {
    for end in ["", "\n", "\r\n"] {
        let read = read_bytes(format!("{}{end}", token("api")).as_bytes()).await.unwrap();
        assert_eq!(read.secret().expose(), token("api"));
    }
}

#[tokio::test]
async fn each_bad_content_has_its_own_error_and_none_is_repeated() {
    let long = format!("{}{}", token("api"), "x".repeat(MAX_TOKEN_BYTES));
    let cut = &token("secret-subject")[..40];
    let bom = format!("\u{feff}{}", token("api"));
    for (content, reason, word) in [
        (&b""[..], "token_file_empty", "is empty"),
        (b" \n\n", "token_file_empty", "is empty"),
        (long.as_bytes(), "token_file_too_long", "16384 bytes"),
        (bom.as_bytes(), "token_file_not_text", "byte order mark"),
        (b"\xff\xfee\0y\0", "token_file_not_text", "byte order mark"),
        (b"e30.\xffe30.x", "token_file_not_text", "UTF-8"),
        (cut.as_bytes(), "token_file_no_token", "parts"),
        (b"-----BEGIN PRIVATE KEY-----", "token_file_no_token", "parts"),
        (b"!.e30.x", "token_encoding_invalid", "base64url"),
        (b"bm8ganNvbg.e30.x", "token_header_not_json", "not JSON"),
        (b"e30.e30.x", "token_header_refused", "\"alg\""),
        (b"eyJhbGciOiJSUzI1NiJ9.bm8ganNvbg.x", "token_payload_not_json", "not JSON"),
        (b"eyJhbGciOiJSUzI1NiJ9.e30.x", "token_claim_missing", "\"iss\""),
    ] {
        let error = read_bytes(content).await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert_eq!(error.reason().as_str(), reason, "{text}");
        assert_eq!(error.reason().is_retryable(), reason == "token_file_empty", "{text}");
        assert!(text.contains(word) && text.contains("token: "), "{text}");
        let start = String::from_utf8_lossy(&content[..content.len().min(12)]).into_owned();
        assert!(start.trim().is_empty() || !text.contains(&start), "{text}");
    }
}

#[test]
fn a_forbidden_file_is_told_with_the_fix() {
    let fault = TokenFileFault::from(FileFault::Denied);
    assert_eq!(fault, TokenFileFault::Denied);
    let told = fault.to_string();
    assert!(told.contains("fsGroup") && told.contains("CAMBIST_CONFINE"), "{told}");
}
