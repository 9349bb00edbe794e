use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tempfile::TempDir;

use super::*;

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
        assert!(text.contains(word) && text.contains("/token"), "{text}");
        let start = String::from_utf8_lossy(&content[..content.len().min(12)]).into_owned();
        assert!(start.trim().is_empty() || !text.contains(&start), "{text}");
    }
}

#[tokio::test]
async fn what_is_no_file_is_named_and_never_waited_for() {
    let dir = dir();
    let at = |name: &str| dir.path().join(name);
    // The command, because macOS lacks the system call that rustix wraps.
    assert!(Command::new("mkfifo").arg(at("fifo")).status().unwrap().success());
    let _socket = UnixListener::bind(at("socket")).unwrap();
    symlink(at("loop"), at("loop")).unwrap();
    for (path, reason, word) in [
        (at("nothing"), "token_file_missing", "AZURE_FEDERATED_TOKEN_FILE"),
        (at("fifo").join("token"), "token_file_io", "Not a directory"),
        (at(""), "token_file_not_a_file", "a directory"),
        (at("fifo"), "token_file_not_a_file", "a FIFO"),
        (at("socket"), "token_file_not_a_file", "a socket"),
        (at("loop"), "token_file_io", "symbolic links"),
        ("/dev/null".into(), "token_file_not_a_file", "a device"),
    ] {
        let error = TokenFile::new(&path).read().await.unwrap_err();
        assert_eq!(error.reason().as_str(), reason, "{error}");
        assert!(error.to_string().contains(word), "{error}");
        assert_eq!(error.path(), path);
    }
}

#[test]
fn a_forbidden_file_is_told_with_the_fix() {
    let fault = TokenFileFault::from(FileFault::Denied);
    assert_eq!(fault, TokenFileFault::Denied);
    let told = fault.to_string();
    assert!(told.contains("fsGroup") && told.contains("CAMBIST_CONFINE"), "{told}");
}

/// Swings `..data` to a new version, as the kubelet does.
fn swing(volume: &Path, version: usize, token: &str) {
    let dir = format!("..v{version}");
    fs::create_dir(volume.join(&dir)).unwrap();
    fs::write(volume.join(&dir).join("token"), token).unwrap();
    symlink(&dir, volume.join("..data_tmp")).unwrap();
    fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
    // The kubelet comes back to it a minute later at the earliest; ten versions are far less.
    if let Some(old) = version.checked_sub(10) {
        fs::remove_dir_all(volume.join(format!("..v{old}"))).unwrap();
    }
}

#[tokio::test]
async fn a_storm_of_swaps_never_tears_a_token() {
    let dir = dir();
    let volume = dir.path().to_path_buf();
    let versions = [token("old"), token("newer")];
    swing(&volume, 0, &versions[0]);
    symlink("..data/token", volume.join("token")).unwrap();
    let file = TokenFile::new(volume.join("token"));
    let done = Arc::new(AtomicBool::new(false));
    let storm = std::thread::spawn({
        let (versions, done) = (versions.clone(), Arc::clone(&done));
        move || {
            (1..=1000).for_each(|n| swing(&volume, n, &versions[n % 2]));
            done.store(true, Ordering::SeqCst);
        }
    });
    let mut reads = 0;
    while !done.load(Ordering::SeqCst) || reads == 0 {
        match file.read().await {
            Ok(read) => assert!(versions.iter().any(|v| v == read.secret().expose())),
            // Overtaken twice by a writer that is a thousand times faster than a kubelet.
            Err(error) => assert_eq!(error.reason().as_str(), "token_file_missing", "{error}"),
        }
        reads += 1;
    }
    storm.join().unwrap();
    assert_eq!(file.read().await.unwrap().secret().expose(), versions[0]);
}
