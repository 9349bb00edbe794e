//! The program as a process: exit codes, standard streams, signals.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

fn cambist(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cambist"));
    command.args(arguments).env_clear().stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    cambist(arguments).output().unwrap()
}

#[test]
fn usage_errors_are_64_and_help_is_0() {
    for wrong in [&["issuer", "chekc"][..], &["issuer", "check", "--history", "x"], &[]] {
        let output = run(wrong);
        assert_eq!(output.status.code(), Some(64), "{wrong:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty());
    }
    for (old, new) in [
        (&["--gate"][..], "--fail-on overdue"),
        (&["--state", "file:x"], "--history"),
        (&["--ledger-trust", "asserted"], "--history-trust"),
        (&["--profile", "eks"], "--platform"),
    ] {
        let output = run(&[&["issuer", "check"], old].concat());
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{told}");
        assert!(told.contains(&format!("it is {new} now")), "{told}");
    }
    let help = run(&["issuer", "check", "--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(String::from_utf8(help.stdout).unwrap().contains("64 usage"));
}

#[test]
fn every_schema_of_the_repository_is_printed_as_it_is() {
    let list = run(&["schema"]);
    assert_eq!(list.status.code(), Some(0));
    let list = String::from_utf8(list.stdout).unwrap();
    let printed: Vec<_> = list
        .lines()
        .map(|line| run(&["schema", line.split_whitespace().next().unwrap()]).stdout)
        .collect();
    let mut files = 0;
    for package in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).unwrap() {
        let Ok(dir) = std::fs::read_dir(package.unwrap().path().join("schema")) else { continue };
        for file in dir {
            let file = file.unwrap().path();
            assert!(printed.contains(&std::fs::read(&file).unwrap()), "{} is not", file.display());
            files += 1;
        }
    }
    assert_eq!((files, run(&["schema", "none"]).status.code()), (printed.len(), Some(64)));
}

#[test]
fn a_token_comes_through_standard_input() {
    let mut command = cambist(&["token", "inspect", "-o", "json", "--now", "1717671400"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // {"alg":"RS256"}, {"iat":1717671355,"exp":1717674955,"aud":"a","iss":"https://i.test","sub":"s"}
    let token = "eyJhbGciOiJSUzI1NiJ9.eyJpYXQiOjE3MTc2NzEzNTUsImV4cCI6MTcxNzY3NDk1NSwiYXVkIjoiYSIsImlzcyI6Imh0dHBzOi8vaS50ZXN0Iiwic3ViIjoicyJ9.c2ln\n";
    child.stdin.take().unwrap().write_all(token.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("\"expiresAt\": \"2024-06-06T11:55:55Z\"") && !text.contains("c2ln"));
}

#[test]
fn an_issuer_that_does_not_answer_is_3_and_told() {
    let output = run(&["issuer", "check", "--issuer", "https://127.0.0.1:1/", "-o", "json"]);
    assert_eq!(output.status.code(), Some(3));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["verdict"], "UNKNOWN");
    assert!(String::from_utf8(output.stderr).unwrap().contains("127.0.0.1:1: no connection"));
}

#[test]
fn a_kubeconfig_that_needs_a_program_is_told_with_what_to_paste() {
    let dir = tempfile::TempDir::new().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    std::fs::write(path("ca.crt"), include_str!("../testdata/rsa.crt.pem")).unwrap();
    std::fs::write(path("api-token"), "an-account-s\n").unwrap();
    std::fs::write(
        path("config"),
        "current-context: c\n\
         contexts: [{name: c, context: {cluster: k, user: u}}]\n\
         clusters: [{name: k, cluster: {server: 'https://127.0.0.1:1', certificate-authority: ca.crt}}]\n\
         users: [{name: u, user: {exec: {command: kubelogin}}}]\n",
    )
    .unwrap();
    let config = path("config");
    let told = |more: &[&str]| {
        let output = run(&[&["issuer", "check", "--kubeconfig", &config], more].concat());
        assert_eq!(output.status.code(), Some(3));
        String::from_utf8(output.stderr).unwrap()
    };
    let paste = format!("kubectl --kubeconfig {config} create token");
    let refused = told(&[]);
    assert!(refused.contains(&paste) && refused.contains("--api-token-file"), "{refused}");
    // With what was pasted, the API server itself is asked.
    let asked = told(&["--api-token-file", &path("api-token")]);
    assert!(asked.contains("the API server https://127.0.0.1:1 does not tell"), "{asked}");
    assert!(asked.contains("give --issuer URL") && !asked.contains("CAMBIST_"), "{asked}");
}

#[test]
fn a_server_that_speaks_only_older_tls_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let issuer = format!("https://{}/", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut hello = [0; 5];
        socket.read_exact(&mut hello).unwrap();
        let mut rest = vec![0; usize::from(u16::from_be_bytes([hello[3], hello[4]]))];
        socket.read_exact(&mut rest).unwrap();
        // A fatal alert, protocol_version, as TLS 1.1 writes it (RFC 4346 section 7.2.2).
        socket.write_all(&[0x15, 0x03, 0x02, 0x00, 0x02, 0x02, 0x46]).unwrap();
    });
    let output = run(&["issuer", "check", "--issuer", &issuer, "-o", "json"]);
    server.join().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let found = report["findings"].as_array().unwrap().iter().find(|it| it["id"] == "K409");
    assert!(
        found.unwrap()["evidence"][0].as_str().unwrap().contains("neither TLS 1.2 nor TLS 1.3"),
        "{report}"
    );
}

#[cfg(unix)]
#[test]
fn a_loop_ends_cleanly_on_sigterm() {
    use std::io::{BufRead as _, BufReader};
    let arguments =
        ["issuer", "observe", "--issuer", "https://127.0.0.1:1/", "--every", "1h", "-o", "ndjson"];
    let mut child = cambist(&arguments).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let look: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(look["issuer"], "https://127.0.0.1:1/");
    let kill = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn policies_are_printed_for_clusters_that_have_them_and_of_sound_images_alone() {
    let image = "registry.example:5000/cambist-sidecar:1";
    let printed = run(&["deploy", "inject", "--version", "1.36", "--image", image]);
    assert_eq!(printed.status.code(), Some(0));
    let text = String::from_utf8(printed.stdout).unwrap();
    assert_eq!(text.matches(&format!("expression: '\"{image}\"'")).count(), 2, "{text}");
    for (wrong, told) in [
        (&["--version", "1.33"][..], "kustomize component"),
        (&[], "--version"),
        (&["--version", "1.36", "--image", "x:1\" || true"], "expected HOST/NAME:TAG"),
        (&["--version", "1.36", "--image", "ghcr.io/x"], "neither a tag nor a digest"),
        (&["--version", "1.36", "--audience", "everywhere"], "us-gov"),
    ] {
        let output = run(&[&["deploy", "inject"], wrong].concat());
        let words = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{wrong:?}: {words}");
        assert!(output.stdout.is_empty() && words.contains(told), "{wrong:?}: {words}");
    }
}
