//! A TLS server that sends any bytes at all.

use std::sync::Arc;

use cambist_core::clock::Clock as _;
use cambist_sim::up::{Issued, issue};
use kit::World;
use rustls::ServerConfig;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// What a request was.
#[derive(Debug)]
pub(super) struct Asked {
    /// The server's own URL, with a slash at its end.
    pub(super) url: String,
    /// The path.
    pub(super) path: String,
    /// The body.
    pub(super) body: String,
    /// The public half of the key that signed the pod's token.
    pub(super) key: Value,
}

type Answer = Arc<dyn Fn(&Asked) -> Vec<u8> + Send + Sync>;

/// A way to answer.
#[derive(Clone)]
pub(super) struct Case {
    pub(super) name: String,
    answer: Answer,
    /// The names in the certificate.
    hosts: Vec<String>,
    /// The authority's own name.
    authority: String,
    /// Whether there is TLS at all.
    tls: bool,
}

impl Case {
    /// A server that answers every request so.
    pub(super) fn new(
        name: &str,
        answer: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        let hosts = vec!["127.0.0.1".to_owned()];
        let authority = "an authority of the tests".to_owned();
        Self { name: name.to_owned(), answer: Arc::new(answer), hosts, authority, tls: true }
    }

    /// With other names in its certificate.
    pub(super) fn hosts(self, hosts: Vec<String>) -> Self {
        Self { hosts, ..self }
    }

    /// With another name of who issued that.
    pub(super) fn authority(self, authority: &str) -> Self {
        Self { authority: authority.to_owned(), ..self }
    }

    /// Without TLS.
    pub(super) fn plain(self) -> Self {
        Self { tls: false, ..self }
    }
}

/// A response whose head and body are as they should be.
pub(super) fn response(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

/// A response with a document.
pub(super) fn document(body: impl AsRef<[u8]>) -> Vec<u8> {
    response("200 OK", "Content-Type: application/json\r\n", body)
}

/// The discovery document that this server should have.
pub(super) fn discovery(asked: &Asked) -> Value {
    json!({
        "issuer": asked.url,
        "jwks_uri": format!("{}openid/v1/jwks", asked.url),
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    })
}

/// Serves until dropped.
pub(super) struct Server {
    url: String,
    ca: String,
    dir: TempDir,
    _serving: JoinSet<()>,
}

impl Server {
    /// Starts to answer as the case says.
    pub(super) async fn start(case: &Case, world: &World, key: &Value) -> Self {
        let now = world.running().sim().clock().wall();
        let hosts: Vec<_> = case.hosts.iter().map(String::as_str).collect();
        let Issued { ca_pem, leaf, key: own, .. } =
            issue(&case.authority, &hosts, now).expect(&case.name);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf], own)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}/", listener.local_addr().unwrap());
        let (answer, tls) = (case.answer.clone(), case.tls);
        let (own, key) = (url.clone(), key.clone());
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, answer) = (acceptor.clone(), answer.clone());
                let (url, key) = (own.clone(), key.clone());
                connections.spawn(async move {
                    if tls {
                        let Ok(stream) = acceptor.accept(stream).await else { return };
                        converse(stream, &answer, &url, &key).await;
                    } else {
                        shout(stream, &answer, &url, &key).await;
                    }
                });
            }
        });
        let theirs = std::fs::read_to_string(&world.env()["CAMBIST_CA_FILE"]).unwrap();
        let dir = TempDir::new().unwrap();
        Self { url, ca: format!("{theirs}\n{ca_pem}"), dir, _serving: serving }
    }

    /// Where it is.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// A file with who vouches for it, and for the rest of the world.
    pub(super) fn ca_file(&self) -> String {
        self.file("ca.pem", &self.ca)
    }

    /// A file that goes with it.
    pub(super) fn file(&self, name: &str, text: &str) -> String {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

/// One request and its answer, and the end of the connection.
async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answer: &Answer,
    url: &str,
    key: &Value,
) {
    let Some((path, body)) = request(&mut stream).await else { return };
    let asked = Asked { url: url.to_owned(), path, body, key: key.clone() };
    let _ = stream.write_all(&answer(&asked)).await;
    let _ = stream.shutdown().await;
}

/// No TLS, and no waiting for a request.
async fn shout(mut stream: TcpStream, answer: &Answer, url: &str, key: &Value) {
    let (path, body) = (String::new(), String::new());
    let asked = Asked { url: url.to_owned(), path, body, key: key.clone() };
    let _ = stream.write_all(&answer(&asked)).await;
    let _ = stream.read(&mut [0; 4096]).await;
}

/// A request's path and body.
async fn request(stream: &mut (impl AsyncRead + Unpin)) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().ok())?
        });
        if body.len() >= length.unwrap_or(0) {
            let path = head.split(' ').nth(1)?;
            return Some((path.to_owned(), body.to_owned()));
        }
    }
}
