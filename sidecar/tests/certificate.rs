//! The program with a certificate for its admin listener: at the start, while it changes, and by its own probe.
#![allow(clippy::unwrap_used, reason = "all of this file is a test")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::Value;
use tempfile::TempDir;

fn command(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cambist-sidecar"));
    command.env_clear().envs([
        ("AZURE_TENANT_ID", "00000000-0000-0000-0000-000000000001"),
        ("AZURE_CLIENT_ID", "00000000-0000-0000-0000-000000000002"),
        ("AZURE_FEDERATED_TOKEN_FILE", "/nonexistent/token"),
        ("IDENTITY_HEADER", "hunter2hunter2hunter2"),
        ("CAMBIST_LISTEN", "0"),
        ("CAMBIST_ADMIN_LISTEN", "127.0.0.1:0"),
    ]);
    command.env("CAMBIST_ADMIN_CERT_FILE", dir.join("tls.crt"));
    command.env("CAMBIST_ADMIN_KEY_FILE", dir.join("tls.key"));
    command
}

/// A certificate and its key, in PEM.
fn pair() -> (String, String) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["any.test".to_owned()]).unwrap();
    (cert.pem(), signing_key.serialize_pem())
}

fn write(dir: &Path, (cert, key): &(String, String)) {
    std::fs::write(dir.join("tls.crt"), cert).unwrap();
    std::fs::write(dir.join("tls.key"), key).unwrap();
}

/// The exit code and what was written.
fn run(mut command: Command, args: &[&str]) -> (i32, String) {
    let output = command.args(args).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

/// A sidecar that runs, and the lines of its log.
struct Sidecar(Child, Receiver<String>);

impl Sidecar {
    fn start(dir: &Path) -> Self {
        let mut child = command(dir).stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            log.lines().map_while(Result::ok).try_for_each(|it| sender.send(it))
        });
        Self(child, lines)
    }

    /// The next line of the log that has this message.
    fn says(&mut self, message: &str) -> Value {
        loop {
            let line = self.1.recv_timeout(Duration::from_secs(20)).expect(message);
            let line: Value = serde_json::from_str(&line).unwrap();
            if line["message"] == message {
                return line;
            }
        }
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "slow: waits for several looks at the files"]
fn a_changed_certificate_is_taken_up_and_the_probe_goes_by_it() {
    let (dir, new) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (first, second) = (pair(), pair());
    write(dir.path(), &first);
    write(new.path(), &second);
    let mut sidecar = Sidecar::start(dir.path());
    let serving = sidecar.says("serving");
    let at = serving["admin"].as_str().unwrap();
    let health = |of: &Path, scheme: &str| {
        let (code, said) = run(command(of), &["health", "--admin", &format!("{scheme}://{at}")]);
        assert!(code == 0 || said.contains("no answer from"), "{said}");
        (code, said)
    };
    assert_eq!(health(dir.path(), "https").0, 0);
    assert_eq!(health(dir.path(), "http").0, 1, "it speaks TLS alone");
    let (code, said) = health(new.path(), "https");
    assert!(code == 1 && said.contains("is not the first in"), "{said}");

    // The certificate alone is of no use, and the pair that is goes on.
    std::fs::write(dir.path().join("tls.crt"), &second.0).unwrap();
    let refused = sidecar.says("a changed file cannot be used; what was there before holds");
    assert_eq!(refused["what"], "certificate", "{refused}");
    std::fs::write(dir.path().join("tls.key"), &second.1).unwrap();
    sidecar.says("a changed file was taken up");
    assert_eq!(health(new.path(), "https").0, 0);
}

#[test]
fn a_pair_that_is_no_good_is_told_before_anything_is_opened() {
    let dir = TempDir::new().unwrap();
    write(dir.path(), &pair());
    let (code, said) = run(command(dir.path()), &["--check-config"]);
    assert!(
        code == 0 && said.contains("\nadmin's TLS      ") && said.contains("tls.key"),
        "{said}"
    );
    let granted = ["the admin listener's certificate", "the admin listener's key"];
    assert!(granted.iter().all(|why| said.contains(why)), "{said}");
    for (pair, words) in [
        ((pair().0, pair().1), "are of no use together"),
        ((String::new(), pair().1), "tls.crt holds no certificate"),
        ((pair().0, String::new()), "tls.key holds no private key"),
    ] {
        write(dir.path(), &pair);
        for args in [&["--check-config"][..], &[]] {
            let (code, said) = run(command(dir.path()), args);
            assert!(code == 64 && said.contains(words), "{args:?}: {code} {said}");
            assert!(said.starts_with("CAMBIST_ADMIN_"), "{said}");
        }
    }
    let mut alone = command(dir.path());
    alone.env_remove("CAMBIST_ADMIN_KEY_FILE");
    let (code, said) = run(alone, &["--check-config"]);
    assert!(code == 64 && said.contains("CAMBIST_ADMIN_KEY_FILE: is not set"), "{said}");
}
