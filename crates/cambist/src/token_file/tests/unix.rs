use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

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
