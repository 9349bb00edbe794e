//! Azure's services as far as the clients go: they ask over TLS, under the services' real names, and
//! each answer depends on the bearer token. A token passes if the simulated Entra granted it, for
//! this very service, and it still lives.
//!
//! The names are reached through a proxy, as at an edge site: `HTTPS_PROXY` leads here.

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
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::connect;

/// Where every Java finds more options, whoever starts it.
pub(crate) const JAVA_OPTIONS: &str = "JAVA_TOOL_OPTIONS";

/// It guards nothing: a store must have one.
const STORE_PASSWORD: &str = "changeit";

/// A service of Azure's, by the names of its servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Service {
    KeyVault,
    Blob,
    Arm,
}

impl Service {
    /// Which one a host is of.
    pub(crate) fn at(host: &str) -> Option<Self> {
        if host.ends_with(".vault.azure.net") {
            Some(Self::KeyVault)
        } else if host.ends_with(".blob.core.windows.net") {
            Some(Self::Blob)
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
        let names = ["*.vault.azure.net", "*.blob.core.windows.net", "management.azure.com"];
        let issued = issue("cambist conformance", &names, SimClock::system().wall());
        let Issued { ca_pem, leaf, key, .. } = issued.expect("certificates can be made");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider knows TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_single_cert(vec![leaf], key)
            .expect("the key is the certificate's");
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let ca_file = dir.join("ca.pem");
        std::fs::write(&ca_file, ca_pem).expect("a file can be written");
        Self { env: trusting(&ca_file), tls: Arc::new(tls) }
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
}

/// The services of one world, and the proxy in front of them.
#[derive(Debug)]
pub(crate) struct Services {
    proxy: SocketAddr,
    visits: Arc<Mutex<Visits>>,
    _tasks: JoinSet<()>,
}

impl Services {
    /// Puts them up.
    pub(crate) async fn start(authority: &Authority, sim: Sim) -> Self {
        let (tls, at) = connect::listen().await;
        let (proxy, proxy_at) = connect::listen().await;
        let visits = Arc::new(Mutex::new(Visits::default()));
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(tls, TlsAcceptor::from(Arc::clone(&authority.tls)), sim, visits.clone()));
        tasks.spawn(connect::tunnel(proxy, at));
        Self { proxy: proxy_at, visits, _tasks: tasks }
    }

    /// The proxy that leads to them.
    pub(crate) fn proxy(&self) -> SocketAddr {
        self.proxy
    }

    /// What has been asked so far.
    pub(crate) fn visits(&self) -> Visits {
        self.visits.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn serve(listener: TcpListener, tls: TlsAcceptor, sim: Sim, visits: Arc<Mutex<Visits>>) {
    connect::accept(listener, move |stream| {
        let (tls, sim, visits) = (tls.clone(), sim.clone(), Arc::clone(&visits));
        async move {
            // A client may leave at any point; what it got is in its own answer.
            let Ok(stream) = tls.accept(stream).await else { return };
            let service = service_fn(|request| {
                let response = answer(&sim, &visits, &request);
                std::future::ready(Ok::<_, std::convert::Infallible>(response))
            });
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
        }
    })
    .await;
}

/// Lets a request in or turns it away.
fn answer(sim: &Sim, visits: &Mutex<Visits>, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let text = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST).unwrap_or_default();
    let Some(service) = Service::at(host) else {
        return reply(StatusCode::MISDIRECTED_REQUEST, "text/plain", "no such service".to_owned());
    };
    let Some(bearer) = text(header::AUTHORIZATION) else {
        return challenge(sim, service);
    };
    let mut visits = visits.lock().unwrap_or_else(PoisonError::into_inner);
    if let Err(why) = check(sim, service, bearer) {
        visits.refused.push(why.clone());
        return reply(StatusCode::FORBIDDEN, "text/plain", why);
    }
    *visits.granted.entry(service).or_default() += 1;
    content(service, host, request.uri().path())
}

/// Whether a bearer token is one that Entra granted for this service.
pub(crate) fn check(sim: &Sim, service: Service, authorization: &str) -> Result<(), String> {
    let token = authorization.strip_prefix("Bearer ").ok_or("it is no bearer token")?;
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

fn content(service: Service, host: &str, path: &str) -> Response<Full<Bytes>> {
    match service {
        Service::KeyVault => {
            let id = format!("https://{host}{path}/0123456789abcdef0123456789abcdef");
            let attributes = json!({
                "enabled": true, "created": 1_790_000_000, "updated": 1_790_000_000,
                "recoveryLevel": "Recoverable+Purgeable", "recoverableDays": 90,
            });
            let secret = json!({ "value": "hello", "id": id, "attributes": attributes });
            reply(StatusCode::OK, "application/json; charset=utf-8", secret.to_string())
        }
        Service::Blob => {
            let list = format!(
                "<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults ServiceEndpoint=\
                 \"https://{host}/\"><Containers><Container><Name>orders</Name><Properties>\
                 <Last-Modified>Mon, 23 Nov 2026 04:13:45 GMT</Last-Modified><Etag>\"0x8D\"</Etag>\
                 </Properties></Container></Containers><NextMarker /></EnumerationResults>"
            );
            reply(StatusCode::OK, "application/xml", list)
        }
        Service::Arm => {
            let none = json!({ "value": [] });
            reply(StatusCode::OK, "application/json; charset=utf-8", none.to_string())
        }
    }
}

fn reply(status: StatusCode, content_type: &str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let content_type = content_type.parse().expect("it is plain ASCII");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}
