//! `cambist-sidecar health`: a probe for images without a shell.

use std::io::{self, Read as _, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::PathBuf;
use std::time::Duration;

use cambist_core::clock::Clock;
use cambist_core::duration;
use clap::{Arg, ArgAction, ArgMatches, Command};
use http::Uri;

use crate::listener::CERT_FILE;

mod tls;

/// How long one question may take.
const ONE: Duration = Duration::from_secs(2);

/// How long to leave it alone between two questions.
const BETWEEN: Duration = Duration::from_millis(250);

/// More than any answer has.
const MAX_REPLY: u64 = 64 * 1024;

/// The subcommand.
pub(crate) fn command() -> Command {
    let admin = Arg::new("admin")
        .long("admin")
        .value_name("URL")
        .help("The admin listener, as http://HOST:PORT, or https:// where CAMBIST_ADMIN_CERT_FILE names its certificate [default: by these and CAMBIST_ADMIN_LISTEN]");
    let tokens = Arg::new("tokens")
        .long("tokens")
        .action(ArgAction::SetTrue)
        .help("Ask whether a token for each prefetched scope is held, too");
    let wait = Arg::new("wait")
        .long("wait")
        .value_name("DURATION")
        .default_value("0s")
        .value_parser(duration::parse)
        .help("Ask again for so long until it is ready, such as 60s or 5m");
    Command::new("health")
        .about("Ask a running sidecar whether it is ready; exits 0 if it is, 1 if not")
        .args([admin, tokens, wait])
}

/// A question to a sidecar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// `host:port` of the admin listener.
    pub authority: String,
    /// Where its certificate is, if it speaks TLS.
    pub cert: Option<PathBuf>,
    /// Whether tokens are asked for, too.
    pub tokens: bool,
    /// How long to ask again.
    pub wait: Duration,
}

impl Probe {
    /// What the command line asks; `admin` is the listener that this machine's settings name, `cert` where its
    /// certificate is.
    ///
    /// # Errors
    /// In words, if there is no usable address.
    pub(crate) fn new(
        matches: &ArgMatches,
        admin: Result<Option<std::net::SocketAddr>, String>,
        cert: Option<PathBuf>,
    ) -> Result<Self, String> {
        let (authority, cert) = match matches.get_one::<String>("admin") {
            Some(url) => {
                let at = address(url);
                let (at, over_tls) = at.ok_or_else(|| {
                    format!("--admin: {url:?} is neither http://HOST:PORT nor https://HOST:PORT")
                })?;
                if over_tls && cert.is_none() {
                    let problem = format!(
                        "--admin: {url:?} is https, and {CERT_FILE} does not say which certificate it has"
                    );
                    return Err(problem);
                }
                (at, cert.filter(|_| over_tls))
            }
            None => {
                let mut at = admin
                    .map_err(|problem| format!("CAMBIST_ADMIN_LISTEN: {problem}"))?
                    .ok_or("CAMBIST_ADMIN_LISTEN is off, so there is nobody to ask")?;
                if at.port() == 0 {
                    return Err("CAMBIST_ADMIN_LISTEN has port 0, which is any that was free: name it by --admin".to_owned());
                }
                // Listening on every address, it is also on this machine's own.
                match at.ip() {
                    ip if !ip.is_unspecified() => {}
                    std::net::IpAddr::V4(_) => at.set_ip(std::net::Ipv4Addr::LOCALHOST.into()),
                    std::net::IpAddr::V6(_) => at.set_ip(std::net::Ipv6Addr::LOCALHOST.into()),
                }
                (at.to_string(), cert)
            }
        };
        let tokens = matches.get_flag("tokens");
        let wait = matches.get_one::<Duration>("wait").copied().unwrap_or_default();
        Ok(Self { authority, cert, tokens, wait })
    }

    /// Asks until the answer is yes or the time is over, telling `progress` whenever the answer
    /// changes. Whether it is ready.
    pub fn run(&self, clock: &dyn Clock, progress: &mut dyn Write) -> bool {
        let begun = clock.boot();
        let mut last = String::new();
        loop {
            let answer = self.ask();
            let waited = clock.boot().since(begun);
            let (ready, line) = match answer {
                Ok((200, _)) => (true, "ready".to_owned()),
                Ok((status, body)) => (false, format!("not ready ({status}): {}", body.trim())),
                Err(error) => (false, format!("no answer from {}: {error}", self.authority)),
            };
            if line != last {
                // Nobody may be listening to the progress; the exit code still tells.
                let _ = writeln!(progress, "{}s {line}", waited.as_secs());
                last = line;
            }
            if ready || waited + BETWEEN > self.wait {
                return ready;
            }
            std::thread::sleep(BETWEEN);
        }
    }

    /// To the first of the name's addresses where somebody listens: `localhost` is often two.
    fn connect(&self) -> io::Result<TcpStream> {
        let mut failed = io::Error::other("the name has no address");
        for at in self.authority.to_socket_addrs()? {
            match TcpStream::connect_timeout(&at, ONE) {
                Ok(stream) => return Ok(stream),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// The host, without the port and without an IPv6 address' brackets.
    fn host(&self) -> &str {
        let host = self.authority.rsplit_once(':').map_or(&*self.authority, |(host, _)| host);
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    fn ask(&self) -> io::Result<(u16, String)> {
        let stream = self.connect()?;
        stream.set_read_timeout(Some(ONE))?;
        stream.set_write_timeout(Some(ONE))?;
        let mut stream: Box<dyn Stream> = match &self.cert {
            None => Box::new(stream),
            Some(cert) => Box::new(tls::over_tls(stream, self.host(), cert)?),
        };
        let path = if self.tokens { "/ready?tokens=1" } else { "/ready" };
        let host = &self.authority;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut reply = Vec::new();
        stream.take(MAX_REPLY).read_to_end(&mut reply)?;
        parse(&reply).ok_or_else(|| io::Error::other("the answer is not HTTP"))
    }
}

/// A connection, with TLS or without.
trait Stream: io::Read + Write {}

impl<T: io::Read + Write> Stream for T {}

/// `host:port` of a URL that has nothing else, and whether it is https; `http://` may be left out.
fn address(url: &str) -> Option<(String, bool)> {
    let uri: Uri = url.parse().ok()?;
    let at = uri.authority().filter(|at| !at.as_str().contains('@') && at.port_u16().is_some())?;
    let over_tls = match uri.scheme_str() {
        None | Some("http") => false,
        Some("https") => true,
        Some(_) => return None,
    };
    let bare = matches!(uri.path(), "" | "/") && !url.contains(['?', '#']);
    bare.then(|| (at.to_string(), over_tls))
}

/// The status and the body of a reply. Its end is the connection's, which was asked for.
fn parse(reply: &[u8]) -> Option<(u16, String)> {
    let reply = String::from_utf8_lossy(reply);
    let (head, body) = reply.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    Some((status, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use cambist::SystemClock;

    use super::*;

    fn probe(args: &[&str], admin: &str) -> Result<Probe, String> {
        let matches = command().get_matches_from([&["health"], args].concat());
        let cert = Some(PathBuf::from("/tls.crt"));
        Probe::new(&matches, Ok(Some(admin.parse().unwrap())), cert)
    }

    /// Answers one question after the other, each with the next of these statuses.
    fn server(replies: &'static [&'static str]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            for reply in replies {
                let (mut stream, _) = listener.accept().unwrap();
                let mut head = [0; 1024];
                assert!(stream.read(&mut head).unwrap() > 0);
                write!(stream, "HTTP/1.1 {reply} X\r\nA: b\r\n\r\nbody").unwrap();
            }
        });
        at
    }

    #[test]
    fn it_waits_until_the_answer_is_yes() {
        let authority = server(&["503", "503", "200"]);
        let probe = Probe { authority, cert: None, tokens: true, wait: Duration::from_secs(60) };
        let mut lines = Vec::new();
        assert!(probe.run(&SystemClock, &mut lines));
        let lines = String::from_utf8(lines).unwrap();
        assert!(lines.contains("not ready (503): body") && lines.ends_with("ready\n"), "{lines}");
        assert_eq!(lines.lines().count(), 2, "{lines}");
    }

    #[test]
    fn it_says_no_when_the_time_is_over() {
        let authority = server(&["503"]);
        let probe = Probe { authority, cert: None, tokens: false, wait: Duration::ZERO };
        assert!(!probe.run(&SystemClock, &mut Vec::new()));
        // Nobody listens there any more.
        assert!(!probe.run(&SystemClock, &mut Vec::new()));
    }

    #[test]
    fn the_address_comes_from_the_flag_or_the_settings() {
        let at = |args: &[&str], admin| probe(args, admin).unwrap().authority;
        assert_eq!(at(&[], "0.0.0.0:8422"), "127.0.0.1:8422");
        assert_eq!(at(&[], "[::]:8422"), "[::1]:8422");
        assert_eq!(at(&["--admin", "http://10.0.0.1:1/"], "127.0.0.1:8422"), "10.0.0.1:1");
        assert_eq!(at(&["--admin", "[::1]:8422"], "127.0.0.1:8422"), "[::1]:8422");
        let cert = |args: &[&str]| probe(args, "127.0.0.1:8422").unwrap().cert.is_some();
        assert!(cert(&[]) && cert(&["--admin", "https://10.0.0.1:1"]));
        assert!(!cert(&["--admin", "http://10.0.0.1:1"]), "as it was told");
        let unknown = command().get_matches_from(["health", "--admin", "https://10.0.0.1:1"]);
        let unknown = Probe::new(&unknown, Ok(None), None).unwrap_err();
        assert!(unknown.contains("CAMBIST_ADMIN_CERT_FILE does not say"), "{unknown}");
        for bad in ["http://a:1/x", "ftp://a:1", "http://a", "a:x", "http://u@a:1", "a:1?b", ""] {
            assert!(probe(&["--admin", bad], "127.0.0.1:8422").is_err(), "{bad}");
        }
        assert_eq!(probe(&["--wait", "1m30s"], "127.0.0.1:1").unwrap().wait.as_secs(), 90);
    }
}
