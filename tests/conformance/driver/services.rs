//! Azure's services as far as the clients go: they ask over TLS, under the services' real names, and
//! each answer depends on the bearer token. A token passes if the simulated Entra granted it, for
//! this very service, and it still lives.
//!
//! The names are reached through a proxy, as at an edge site: `HTTPS_PROXY` leads here.

mod content;
mod entra;
mod kafka;
mod tds;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use cambist_core::clock::Clock as _;
use cambist_sim::Sim;
use cambist_sim::clock::SimClock;
use cambist_sim::up::{Issued, issue};
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::connect;

/// Where every Java finds more options, whoever starts it.
pub(crate) const JAVA_OPTIONS: &str = "JAVA_TOOL_OPTIONS";

const BEARER: &str = "Bearer ";

/// It guards nothing: a store must have one.
const STORE_PASSWORD: &str = "changeit";

/// A service of Azure's, by the names of its servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Service {
    KeyVault,
    Blob,
    Arm,
    Sql,
    EventHubs,
    /// Entra itself, for those that go there past cambist.
    Entra,
}

impl Service {
    /// Which one a host is of.
    pub(crate) fn at(host: &str) -> Option<Self> {
        if host.ends_with(".vault.azure.net") {
            Some(Self::KeyVault)
        } else if host.ends_with(".blob.core.windows.net")
            || host.ends_with(".dfs.core.windows.net")
        {
            Some(Self::Blob)
        } else if host == entra::HOST {
            Some(Self::Entra)
        } else {
            (host == "management.azure.com").then_some(Self::Arm)
        }
    }

    /// The audiences that its tokens may have.
    fn audiences(self) -> &'static [&'static str] {
        match self {
            Self::KeyVault => &["https://vault.azure.net"],
            Self::Blob => &["https://storage.azure.com", "https://storage.azure.com/"],
            Self::Arm => &["https://management.azure.com/", "https://management.core.windows.net/"],
            Self::Sql => &["https://database.windows.net", "https://database.windows.net/"],
            // This one's tokens name the namespace.
            Self::EventHubs => &["https://shop.servicebus.windows.net"],
            Self::Entra => &[],
        }
    }
}

/// What vouches for the services: made once, since some clients want it in a form of their own.
#[derive(Clone)]
pub(crate) struct Authority {
    env: BTreeMap<String, String>,
    tls: Arc<ServerConfig>,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

impl Authority {
    /// A new authority, and one certificate for all the services.
    pub(crate) fn new(dir: &Path) -> Self {
        let names = [
            "*.vault.azure.net",
            "*.blob.core.windows.net",
            "*.dfs.core.windows.net",
            "*.database.windows.net",
            "management.azure.com",
            entra::HOST,
        ];
        let issued = issue("cambist conformance", &names, SimClock::system().wall());
        let Issued { ca_pem, leaf, key, .. } = issued.expect("certificates can be made");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider knows TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_single_cert(vec![leaf], key)
            .expect("the key is the certificate's");
        let ca_file = dir.join("ca.pem");
        std::fs::write(&ca_file, ca_pem).expect("a file can be written");
        Self { env: trusting(&ca_file), tls: Arc::new(tls) }
    }

    /// TLS for a server that speaks this protocol.
    fn acceptor(&self, protocol: &[u8]) -> TlsAcceptor {
        let mut tls = ServerConfig::clone(&self.tls);
        tls.alpn_protocols = vec![protocol.to_vec()];
        Arc::new(tls).into()
    }

    /// What makes each language trust it.
    pub(crate) fn env(&self) -> BTreeMap<String, String> {
        self.env.clone()
    }
}

fn trusting(ca_file: &Path) -> BTreeMap<String, String> {
    let names = ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"];
    let text = ca_file.display().to_string();
    let mut env: BTreeMap<_, _> =
        names.into_iter().map(|name| (name.to_owned(), text.clone())).collect();
    if let Some(store) = java_store(ca_file) {
        let store = store.display();
        let options = format!(
            "-Djavax.net.ssl.trustStore={store} -Djavax.net.ssl.trustStorePassword={STORE_PASSWORD}"
        );
        env.insert(JAVA_OPTIONS.to_owned(), options);
    }
    env
}

/// Java reads no PEM. Where there is no Java, there is nobody to make or to want its own form.
fn java_store(ca_file: &Path) -> Option<PathBuf> {
    let store = ca_file.with_extension("p12");
    drop(std::fs::remove_file(&store));
    let done = Command::new("keytool")
        .args(["-importcert", "-noprompt", "-alias", "conformance", "-storetype", "PKCS12"])
        .args(["-storepass", STORE_PASSWORD, "-file"])
        .arg(ca_file)
        .arg("-keystore")
        .arg(&store)
        .output();
    done.is_ok_and(|done| done.status.success()).then_some(store)
}

/// How often each service let a request in, and why it did not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Visits {
    /// Requests let in, by service.
    pub(crate) granted: BTreeMap<Service, u64>,
    /// What was wrong with each bearer token that was turned away.
    pub(crate) refused: Vec<String>,
    /// The tokens that were let in, in their order, each with the client's name.
    pub(crate) tokens: Vec<(String, String)>,
}

/// What the services of one world have been shown.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    sim: Sim,
    visits: Arc<Mutex<Visits>>,
}

impl Shown {
    /// Lets a token in, or says what is wrong with it. `client` is the client's name, where a protocol has one.
    pub(crate) fn admit(
        &self,
        service: Service,
        client: &str,
        authorization: &str,
    ) -> Result<(), String> {
        let mut visits = self.visits.lock().unwrap_or_else(PoisonError::into_inner);
        check(&self.sim, service, authorization)
            .inspect_err(|why| visits.refused.push(why.clone()))?;
        *visits.granted.entry(service).or_default() += 1;
        let token = authorization.strip_prefix(BEARER);
        visits.tokens.extend(token.map(|token| (client.to_owned(), token.to_owned())));
        Ok(())
    }

    /// The tokens of the client with this name that were let in, in their order.
    pub(crate) fn tokens(&self, client: &str) -> Vec<String> {
        let all = self.visits().tokens.into_iter();
        all.filter(|(name, _)| name == client).map(|(_, token)| token).collect()
    }

    fn visits(&self) -> Visits {
        self.visits.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The services of one world, and the proxy in front of them.
#[derive(Debug)]
pub(crate) struct Services {
    proxy: SocketAddr,
    sql: SocketAddr,
    kafka: SocketAddr,
    shown: Shown,
    _tasks: JoinSet<()>,
}

impl Services {
    /// Puts them up.
    pub(crate) async fn start(authority: &Authority, sim: Sim) -> Self {
        let (tls, at) = connect::listen().await;
        let (proxy, proxy_at) = connect::listen().await;
        let (sql, sql_at) = connect::listen().await;
        let (kafka, kafka_at) = connect::listen().await;
        let shown = Shown { sim, visits: Arc::default() };
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(tls, authority.acceptor(b"http/1.1"), shown.clone()));
        tasks.spawn(tds::serve(sql, authority.acceptor(b"tds/8.0"), shown.clone()));
        tasks.spawn(kafka::serve(kafka, kafka_at, shown.clone()));
        tasks.spawn(connect::tunnel(proxy, at));
        Self { proxy: proxy_at, sql: sql_at, kafka: kafka_at, shown, _tasks: tasks }
    }

    /// The proxy that leads to them.
    pub(crate) fn proxy(&self) -> SocketAddr {
        self.proxy
    }

    /// What an app must know of those that no name leads to.
    pub(crate) fn env(&self) -> [(String, String); 2] {
        [
            ("SQL_SERVER".to_owned(), format!("{},{}", self.sql.ip(), self.sql.port())),
            ("KAFKA_BROKER".to_owned(), self.kafka.to_string()),
        ]
    }

    /// What they are shown.
    pub(crate) fn shown(&self) -> Shown {
        self.shown.clone()
    }

    /// What has been asked so far.
    pub(crate) fn visits(&self) -> Visits {
        self.shown.visits()
    }
}

async fn serve(listener: TcpListener, tls: TlsAcceptor, shown: Shown) {
    connect::accept(listener, move |stream| {
        let (tls, shown) = (tls.clone(), shown.clone());
        async move {
            // A client may leave at any point; what it got is in its own answer.
            let Ok(stream) = tls.accept(stream).await else { return };
            let service = service_fn(|request| async {
                Ok::<_, std::convert::Infallible>(answer(&shown, request).await)
            });
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
        }
    })
    .await;
}

/// Lets a request in or turns it away.
async fn answer(shown: &Shown, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let text = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST).unwrap_or_default();
    let Some(service) = Service::at(host) else {
        return reply(StatusCode::MISDIRECTED_REQUEST, "text/plain", "no such service".to_owned());
    };
    if service == Service::Entra {
        return entra::answer(&shown.sim, request).await;
    }
    let Some(bearer) = text(header::AUTHORIZATION) else {
        return challenge(&shown.sim, service);
    };
    match shown.admit(service, "", bearer) {
        Ok(()) => content::of(service, host, request.uri().path()),
        Err(why) => reply(StatusCode::FORBIDDEN, "text/plain", why),
    }
}

/// Whether a bearer token is one that Entra granted for this service.
pub(crate) fn check(sim: &Sim, service: Service, authorization: &str) -> Result<(), String> {
    let token = authorization.strip_prefix(BEARER).ok_or("it is no bearer token")?;
    let claims = sim.entra().granted(token).ok_or("Entra did not grant it, or it has ended")?;
    let audience = claims["aud"].as_str().unwrap_or_default();
    if service.audiences().contains(&audience) {
        return Ok(());
    }
    Err(format!("its audience is {audience}, not one of {:?}", service.audiences()))
}

/// Key Vault's own way of saying whom to ask, and for what.
fn challenge(sim: &Sim, service: Service) -> Response<Full<Bytes>> {
    let tenant = &sim.settings().tenant_id;
    let mut challenge =
        format!("Bearer authorization=\"https://login.microsoftonline.com/{tenant}\"");
    if service == Service::KeyVault {
        challenge += ", resource=\"https://vault.azure.net\"";
    }
    let mut response = reply(StatusCode::UNAUTHORIZED, "text/plain", String::new());
    let challenge = challenge.parse().expect("it is plain ASCII");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}

fn reply(status: StatusCode, content_type: &str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let content_type = content_type.parse().expect("it is plain ASCII");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}
