use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use cambist::Event;
use cambist::SystemClock;
use cambist::files::Look;
use http::Response;
use http_body_util::Full;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::*;
use crate::health::Probe;
use crate::listener::{Capacity, Gauges, Server, open};

/// What was told of changed files.
#[derive(Debug, Default)]
struct Told(Mutex<Vec<Result<(), String>>>);

impl Observer for Told {
    fn event(&self, event: &Event<'_>) {
        let Event::FileChanged(it) = event else { return };
        assert_eq!((it.kind.as_str(), it.name), ("certificate", CERT_FILE));
        self.0.lock().unwrap().push(it.result.map_err(str::to_owned));
    }
}

/// A listener with a certificate in files of its own.
struct Bench {
    dir: TempDir,
    files: CertificateFiles,
    watched: Watched,
    told: Arc<Told>,
    at: SocketAddr,
    _server: Server,
}

fn pair() -> (String, String) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["anything.test".to_owned()]).unwrap();
    (cert.pem(), signing_key.serialize_pem())
}

fn files(dir: &TempDir) -> CertificateFiles {
    CertificateFiles { cert: dir.path().join("tls.crt"), key: dir.path().join("tls.key") }
}

fn write(files: &CertificateFiles, (cert, key): &(String, String)) {
    std::fs::write(&files.cert, cert).unwrap();
    std::fs::write(&files.key, key).unwrap();
}

impl Bench {
    fn new(limits: Capacity) -> Self {
        let dir = TempDir::new().unwrap();
        let (files, told) = (files(&dir), Arc::new(Told::default()));
        write(&files, &pair());
        let (certificate, watched) = files.open(told.clone()).unwrap();
        let listener = open("127.0.0.1:0".parse().unwrap()).unwrap();
        let at = listener.local_addr().unwrap();
        let answer = |_: &_, _| async { Response::new(Full::new(Bytes::from("{}"))) };
        let (listeners, gauges) = (vec![listener], Gauges::default());
        let server = Server::start_over(Some(certificate), listeners, None, limits, gauges, answer);
        Self { dir, files, watched, told, at, _server: server }
    }

    /// Whether a probe that trusts this certificate gets an answer; else why not.
    async fn probe(&self, cert: &Path) -> Result<(), String> {
        let (authority, cert) = (self.at.to_string(), Some(cert.to_owned()));
        let probe = Probe { authority, cert, tokens: false, wait: Duration::ZERO };
        let asked = tokio::task::spawn_blocking(move || {
            let mut said = Vec::new();
            let ready = probe.run(&SystemClock, &mut said);
            (ready, String::from_utf8(said).unwrap())
        });
        let (ready, said) = asked.await.unwrap();
        if ready { Ok(()) } else { Err(said) }
    }

    /// What the next look takes up, once the files have settled.
    async fn look(&self) -> Option<Result<(), String>> {
        assert_eq!(self.watched.look().await, Look::Settling);
        assert_eq!(self.watched.look().await, Look::Settled);
        let told = std::mem::take(&mut *self.told.0.lock().unwrap());
        assert!(told.len() <= 1, "{told:?}");
        told.into_iter().next()
    }
}

#[tokio::test]
async fn a_probe_trusts_the_listeners_own_file_and_nothing_else() {
    let bench = Bench::new(Capacity::default());
    assert_eq!(bench.probe(&bench.files.cert).await, Ok(()));
    let another = bench.dir.path().join("another.crt");
    std::fs::write(&another, pair().0).unwrap();
    let why = bench.probe(&another).await.unwrap_err();
    assert!(why.contains("is not the first in") && why.contains("another.crt"), "{why}");
    let why = bench.probe(&bench.dir.path().join("none.crt")).await.unwrap_err();
    assert!(why.contains("none.crt does not exist"), "{why}");
    // Without TLS there is no answer.
    let mut plain = TcpStream::connect(bench.at).await.unwrap();
    plain.write_all(b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut reply = Vec::new();
    let _ = plain.read_to_end(&mut reply).await;
    assert!(!reply.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&reply));
}

#[tokio::test]
async fn a_changed_pair_is_taken_up_whole_or_not_at_all() {
    let bench = Bench::new(Capacity::default());
    assert_eq!(bench.watched.look().await, Look::Settled, "what was there at the start");
    let old = bench.dir.path().join("old.crt");
    std::fs::copy(&bench.files.cert, &old).unwrap();

    // The new certificate comes before its key: the old pair goes on.
    let new = pair();
    std::fs::write(&bench.files.cert, &new.0).unwrap();
    let refused = bench.look().await.unwrap().unwrap_err();
    assert!(refused.contains("are of no use together"), "{refused}");
    assert_eq!(bench.probe(&old).await, Ok(()));
    // Then the key.
    std::fs::write(&bench.files.key, &new.1).unwrap();
    assert_eq!(bench.look().await, Some(Ok(())));
    assert_eq!(bench.probe(&bench.files.cert).await, Ok(()));
    assert!(bench.probe(&old).await.is_err(), "the old one is gone");

    // Both are damaged, or gone.
    let good = bench.dir.path().join("good.crt");
    std::fs::copy(&bench.files.cert, &good).unwrap();
    let secret = new.1.lines().nth(1).unwrap();
    let torn = new.1.replace("-----END", "-----AND");
    for (pair, words) in [
        ((String::new(), new.1.clone()), "tls.crt holds no certificate"),
        ((new.0.clone(), "nothing".to_owned()), "tls.key holds no private key"),
        ((new.0.clone(), torn), "tls.key holds no private key"),
        ((new.0.replace("CERTIFICATE-----\n", "CERTIFICATE-----\n!"), new.1.clone()), "damaged"),
    ] {
        write(&bench.files, &pair);
        let refused = bench.look().await.unwrap().unwrap_err();
        assert!(refused.contains(words) && !refused.contains(secret), "{words}: {refused}");
        assert_eq!(bench.probe(&good).await, Ok(()), "{words}");
    }
    std::fs::remove_file(&bench.files.key).unwrap();
    let refused = bench.look().await.unwrap().unwrap_err();
    assert!(refused.contains("tls.key does not exist"), "{refused}");
    assert_eq!(bench.probe(&good).await, Ok(()));
}

#[tokio::test]
async fn a_handshake_takes_no_longer_than_a_head() {
    let limits = Capacity { head: Duration::from_millis(300), ..Capacity::default() };
    let bench = Bench::new(limits);
    // Nothing at all; the first bytes of a handshake and no more.
    for begun in [&b""[..], b"\x16\x03\x01\x02\x00\x01"] {
        let started = Instant::now();
        let mut client = TcpStream::connect(bench.at).await.unwrap();
        client.write_all(begun).await.unwrap();
        let mut end = Vec::new();
        let _ = client.read_to_end(&mut end).await;
        assert!(started.elapsed() < Duration::from_secs(3), "{begun:?}: {:?}", started.elapsed());
    }
    assert_eq!(bench.probe(&bench.files.cert).await, Ok(()));
}

#[test]
fn a_certificate_and_its_key_are_given_together_and_good() {
    let named = |cert: Option<&str>, key: Option<&str>| {
        CertificateFiles::named(cert.map(Into::into), key.map(Into::into))
    };
    assert_eq!(named(None, None).unwrap(), None);
    for (cert, key, lacking) in [(Some("/a"), None, KEY_FILE), (None, Some("/b"), CERT_FILE)] {
        let fault = named(cert, key).unwrap_err();
        assert!(
            fault.name == lacking && fault.problem.contains("set both or neither"),
            "{fault:?}"
        );
    }
    let dir = TempDir::new().unwrap();
    let files = files(&dir);
    assert_eq!(files.read().unwrap_err().name, CERT_FILE);
    write(&files, &pair());
    files.read().unwrap();
    std::fs::write(&files.key, pair().1).unwrap();
    assert!(files.read().unwrap_err().problem.contains("are of no use together"));
    // A chain is as good, as long as the listener's own comes first.
    let own = pair();
    write(&files, &(own.0 + &pair().0, own.1));
    files.read().unwrap();
}
