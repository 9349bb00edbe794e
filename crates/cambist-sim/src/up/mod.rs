//! The whole simulated world on real sockets: what `cambist-sim up` runs.
//!
//! Its admin API speaks JSON; a POST without a body takes the defaults.
//!
//! | request | does |
//! |---|---|
//! | `POST /sim/rotate` `{"overlap":true,"alg":"RS256"}` | signs with a new key (or an `ES256` one) and projects a token signed by it |
//! | `POST /sim/prepare` `{"alg":"RS256"}` | publishes the next key without signing with it; answers with its kid as `key` |
//! | `POST /sim/sign` `{"kid":K}` | signs with a key there is or was, and projects a token signed by it |
//! | `POST /sim/api-server` `{"number":0,"accept":[K],"sign":K}` | from now on the API server of this number (without one, each) accepts the tokens of these kids alone, and signs with that one; either may be left out |
//! | `POST /sim/publish` | publishes any key, see below; answers with its kid as `key` |
//! | `POST /sim/hide` `{"kid":K}` | takes all keys of a kid out of the set, wherever it is published |
//! | `POST /sim/retire` `{"keep":1}` | takes all keys but the newest out of the set |
//! | `GET /sim/keys` | the signer, what is public, and all `keys` there ever were, each with its place |
//! | `POST /sim/host` `{"by":"blob"}` | from now on a storage account serves the public key set, with `Last-Modified`, `ETag` and 304; `api-server` goes back |
//! | `POST /sim/upload` | uploads the same key set to it once more |
//! | `POST /sim/schedule` `{"rotate_after":"45d","expire_after":"90d","publish_ahead":null}` | rotates by the simulated clock; null is never, so that two nulls stop it |
//! | `POST /sim/rollout` `{"during":"10m"}` | for so long every other request gets the key set as it is at this moment: give it before the change that rolls out |
//! | `POST /sim/token` `{"form":"projected"}` | projects tokens of another form from now on: `long` (a year) or `legacy` (no times, no audience) |
//! | `POST /sim/resource` `{"resource":R,"known":true}` | from now on Entra knows this resource, which it does of Azure's own; with `false` it does not |
//! | `POST /sim/identity` | registers an identity, see below; answers with its `client_id`, and for each of its `tenants` the `object_id` and the `token_url` |
//! | `POST /sim/token-proxy-ca` `{"write":true}` | another authority vouches for the token proxy from now on; with `false` the CA file is left as it was |
//! | `POST /sim/fault` | adds a fault: `target` is `entra`, `token-proxy`, `discovery`, `jwks` or `api`; `kind` is one of those below; `count` limits it to the next so many requests; `"by":"all"` lets it meet what Entra fetches, too |
//! | `POST /sim/clear` `{"requests":false}` | removes all faults, and with `true` forgets the requests |
//! | `POST /sim/advance` `{"seconds":n}` | moves the simulated time forward; before it answers, the schedule is kept and kubelet has renewed a token that is due |
//! | `GET /sim/requests` | `counts` of the pod's requests, and all `requests`, those for tokens with `tenant`, `client` and `scope` |
//! | `POST /sim/clock` `{"machine":"issuer","seconds":-600}` | from now on the clock of that machine (`pod`, which is its kubelet's here, `issuer`, `api` or `entra`) is wrong by so much; with 0 it is right again |
//! | `GET /sim/now` | the simulated time, and what each machine takes for it |
//!
//! `POST /sim/publish` takes `key` or `jwk`: `key` is `new`, `short` (RSA of 1024 bits),
//! `low-exponent` (e = 3), `example` (a published one), or the kid of any key there was, which
//! resurrects a retired one; `jwk` is a member of the set as it is. `kid` gives it another's name,
//! `place` is `both`, `public` (the API server never heard of it) or `api` (the upload was
//! forgotten), `"private":true` publishes the private half too, and `alg` is for a new one. A key
//! that is published already moves to where it was asked for.
//!
//! `POST /sim/identity` takes `kind`, which is `application` (what is left out is), `managed-identity`
//! (with its `resource_id`), `agent-blueprint` or `agent-identity` (with the client id of its
//! `blueprint`); `tenant`, otherwise the first; `client_id`, otherwise a new one; `provisioned_in`, the
//! tenants besides its own that have a service principal of it; and `federated_credentials`, each as
//! `up --federated-credential` takes it, otherwise one for the projected token. A tenant that is named
//! is there from then on, and an identity that was there under this client id is not.
//!
//! Durations are seconds, or a text such as `"45d"`.
//!
//! | kind | fields |
//! |---|---|
//! | `status` | `status`, `retry_after` (seconds or a date) |
//! | `latency` | `ms` |
//! | `hang`, `reset`, `truncate`, `wrong-type` | |
//! | `html`, `empty` | `status` (502, 200) |
//! | `aadsts` | `code`, `status`, `retry_after` |
//! | `redirect` | `location` |
//! | `body` | `body`, `status`, `content_type` |
//! | `stale` | `seconds`: how old |
//! | `date-skew` | `seconds`: how wrong |

mod admin;
pub(crate) mod duration;
mod env;
mod listen;
mod options;
mod proxy;
mod tls;
mod token_proxy;
mod wish;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cambist_core::clock::Clock as _;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tower::BoxError;

pub use self::options::{Options, Trust};
pub use self::proxy::ProxyCounts;
pub use self::tls::{Issued, issue};

use self::admin::Admin;
use self::listen::Server;
use self::options::Addresses;
use self::proxy::Proxy;
use self::tls::{HttpsClient, Tls};
use self::token_proxy::TokenProxy;
use crate::clock::SimClock;
use crate::fault::By;
use crate::kubelet::{Kubelet, KubeletError};
use crate::random;
use crate::system::{absolute, not_private, private_dir};
use crate::world::{Side, Sim, SimError};

/// The files to be sourced by a shell.
const WITH_SECRET: [&str; 2] = ["env", "app.env"];

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The world could not be put up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpError {
    /// A file or directory could not be made.
    #[error("cannot write '{}'", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others could replace what a shell is to source.
    #[error("'{}' is not safe to write to: {why}", path.display())]
    NotPrivate {
        /// Which directory.
        path: PathBuf,
        /// Who could, and what to do.
        why: String,
    },
    /// No port could be had.
    #[error("cannot listen on a port of {at}: is it an address of this machine?")]
    Listen {
        /// Of which address.
        at: IpAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The certificates could not be made.
    #[error("cannot make the certificates")]
    Tls(#[source] BoxError),
    /// A further authority could not be read.
    #[error("cannot read a certificate authority from '{}'", path.display())]
    Ca {
        /// From where.
        path: PathBuf,
        /// What is wrong with it.
        source: BoxError,
    },
    /// The world itself could not be made.
    #[error(transparent)]
    Sim(#[from] SimError),
    /// The token could not be projected.
    #[error(transparent)]
    Kubelet(#[from] KubeletError),
    /// The admin API could not rotate the key.
    #[error("cannot rotate the signing key: {0}")]
    Rotate(String),
}

/// A world that is up. Dropping it takes it down at once, and removes `env` and `app.env`, which have the secret.
pub struct Running {
    admin: Admin,
    dir: PathBuf,
    admin_url: String,
    env: BTreeMap<String, String>,
    tasks: JoinSet<()>,
}

/// Puts a world up: the issuer, Entra and the API server over TLS and the admin API over plain HTTP,
/// each on a free port of 127.0.0.1, or but for the last of `listen`; in the options' directory the projected tokens, `tokens/token`
/// for Entra and `tokens/api-token` for the API server, `ca.pem`, `env` for the sidecar, `app.env` for apps,
/// and a `kubeconfig`; with a token proxy `token-proxy-ca.pem`, too. A directory that it makes is its owner's alone.
///
/// # Errors
/// If the directory is somebody else's or others may write to it (on Windows nobody looks), a file cannot be
/// written or read, a port not be had, or the cryptography fails.
pub async fn start(options: Options) -> Result<Running, UpError> {
    let dir = make_dir(&options.dir)?;
    let (issuer, issuer_at) = listen(options.listen).await?;
    let (entra, entra_at) = listen(options.listen).await?;
    let (api, api_at) = listen(options.listen).await?;
    let mut more_apis = Vec::new();
    for _ in 1..options.api_servers {
        more_apis.push(listen(options.listen).await?);
    }
    let (admin_listener, admin_at) = listen(LOOPBACK).await?;

    let clock = SimClock::system();
    let tls = Tls::new(clock.wall(), options.listen, &options.ca_files)?;
    let issuer_url = format!("https://{issuer_at}/");
    let authority = format!("https://{entra_at}/");
    let api_server = format!("https://{api_at}");
    let (mut token_proxy, mut token_proxy_at) = (None, None);
    if options.token_proxy {
        let (listener, at) = listen(options.listen).await?;
        let own = TokenProxy::new(dir.join("token-proxy-ca.pem"), clock.wall())?;
        token_proxy_at = Some(format!("https://{at}{}", token_proxy::PATH));
        token_proxy = Some((own, listener));
    }
    let addresses = Addresses {
        issuer: issuer_url.clone(),
        authority: authority.clone(),
        api_server: api_server.clone(),
        more_api_servers: more_apis.iter().map(|(_, at)| format!("https://{at}")).collect(),
        token_proxy: token_proxy_at.clone(),
    };
    let sim = Sim::with(options.settings(addresses, clock))?;
    let kubelet = Arc::new(Kubelet::new(sim.clone(), dir.join("tokens")).with_api_token());
    kubelet.project()?;

    let mut tasks = JoinSet::new();
    let fetch = HttpsClient::new(tls.client, By::Entra);
    let servers = [(Side::Issuer, issuer), (Side::Entra, entra), (Side::Api(0), api)];
    let more_apis = more_apis.into_iter().zip(1..);
    let more_apis = more_apis.map(|((listener, _), number)| (Side::Api(number), listener));
    for (side, listener) in servers.into_iter().chain(more_apis) {
        let (sim, tls, fetch) = (sim.clone(), Arc::clone(&tls.server), fetch.clone());
        tasks.spawn(Server { sim, side, tls, fetch }.serve(listener));
    }
    let mut proxy_env = Vec::new();
    let mut proxy = None;
    if options.proxy {
        let (listener, at) = listen(LOOPBACK).await?;
        let own = Proxy::new();
        tasks.spawn(own.clone().serve(listener));
        // Loopback is what most people exempt, and here it is all there is.
        proxy_env = vec![("HTTPS_PROXY", own.url(at)), ("NO_PROXY", String::new())];
        proxy = Some(own);
    }
    let mut token_proxy_env = Vec::new();
    let token_proxy = match token_proxy.zip(token_proxy_at) {
        Some(((own, listener), url)) => {
            token_proxy_env = vec![
                ("AZURE_KUBERNETES_TOKEN_PROXY", url),
                ("AZURE_KUBERNETES_SNI_NAME", own.sni_name().to_owned()),
                ("AZURE_KUBERNETES_CA_FILE", own.ca_file().display().to_string()),
            ];
            let (sim, tls, side) = (sim.clone(), own.server()?, Side::TokenProxy);
            tasks.spawn(Server { sim, side, tls, fetch }.serve(listener));
            Some(own)
        }
        None => None,
    };
    let admin = Admin { sim: sim.clone(), kubelet: Arc::clone(&kubelet), proxy, token_proxy };
    let router = admin.clone().router();
    tasks.spawn(async move {
        // It ends only by being dropped.
        let _ = axum::serve(admin_listener, router).await;
    });
    tasks.spawn(keep_fresh(Arc::clone(&kubelet)));
    if let Some(every) = options.rotate_every {
        tasks.spawn(keep_rotating(admin.clone(), every));
    }

    let ca_file = dir.join("ca.pem");
    write(&ca_file, tls.ca_pem.as_bytes())?;
    let kubeconfig = env::kubeconfig(&api_server, &ca_file, &kubelet.api_token_file());
    write(&dir.join("kubeconfig"), kubeconfig.as_bytes())?;
    let admin_url = format!("http://{admin_at}");
    let own = [
        ("CAMBIST_CA_FILE", ca_file.display().to_string()),
        ("KUBERNETES_SERVICE_HOST", api_at.ip().to_string()),
        ("KUBERNETES_SERVICE_PORT", api_at.port().to_string()),
        ("CAMBIST_API_TOKEN_FILE", kubelet.api_token_file().display().to_string()),
        ("CAMBIST_API_CA_FILE", ca_file.display().to_string()),
        ("IDENTITY_HEADER", random::hex::<16>()),
        ("SIM_ADMIN", admin_url.clone()),
    ];
    let imds = options.imds.then(|| ("CAMBIST_PROTOCOLS", "app-service,native,imds".to_owned()));
    let mut env = kubelet.env();
    let own = own.into_iter().chain(imds).chain(proxy_env).chain(token_proxy_env);
    env.extend(own.map(|(name, value)| (name.to_owned(), value)));
    // What an app gets is another file: with the sidecar's variables, an SDK goes to Entra itself.
    let app: BTreeMap<String, String> = [
        ("IDENTITY_ENDPOINT", "http://127.0.0.1:8421/msi/token".to_owned()),
        ("IDENTITY_HEADER", env["IDENTITY_HEADER"].clone()),
        ("NO_PROXY", "127.0.0.1,localhost".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    write(&dir.join("app.env"), env::shell(&app).as_bytes())?;
    // Last: whoever waits for it finds the rest.
    write(&dir.join("env"), env::shell(&env).as_bytes())?;
    Ok(Running { admin, dir, admin_url, env, tasks })
}

impl Running {
    /// The variables of `DIR/env`, by name.
    pub fn env(&self) -> &BTreeMap<String, String> {
        &self.env
    }

    /// The directory, absolute.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The base URL of the admin API, without a slash at its end.
    pub fn admin_url(&self) -> &str {
        &self.admin_url
    }

    /// The world itself: its faults, its journal, its issuer and its tenant.
    pub fn sim(&self) -> &Sim {
        &self.admin.sim
    }

    /// What writes the token file.
    pub fn kubelet(&self) -> &Kubelet {
        &self.admin.kubelet
    }

    /// What the proxy was asked; `None` without a proxy.
    pub fn proxy_counts(&self) -> Option<ProxyCounts> {
        self.admin.proxy.as_ref().map(Proxy::counts)
    }

    /// Signs with a new key from now on, and projects a token that it signed. With `overlap` the old
    /// keys stay published.
    ///
    /// # Errors
    /// If the cryptography fails or the token cannot be written.
    pub async fn rotate(&self, overlap: bool) -> Result<(), UpError> {
        self.admin.rotate(overlap).await.map_err(UpError::Rotate)
    }

    /// Takes everything down and waits until it is. The files without the secret stay.
    pub async fn shutdown(mut self) {
        self.tasks.shutdown().await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for name in WITH_SECRET {
            // What is gone already is as it should be, and the secret of a world that is down opens nothing.
            let _ = fs::remove_file(self.dir.join(name));
        }
    }
}

impl std::fmt::Debug for Running {
    /// Without the values of its variables, two of which are secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("dir", &self.dir).finish_non_exhaustive()
    }
}

async fn listen(at: IpAddr) -> Result<(TcpListener, SocketAddr), UpError> {
    let failed = |source| UpError::Listen { at, source };
    let listener = TcpListener::bind((at, 0)).await.map_err(failed)?;
    let at = listener.local_addr().map_err(failed)?;
    Ok((listener, at))
}

fn make_dir(dir: &Path) -> Result<PathBuf, UpError> {
    let failed = |source| UpError::Write { path: dir.to_owned(), source };
    private_dir(fs::DirBuilder::new().recursive(true)).create(dir).map_err(failed)?;
    if let Some(why) = not_private(dir).map_err(failed)? {
        return Err(UpError::NotPrivate { path: dir.to_owned(), why });
    }
    absolute(dir).map_err(failed)
}

fn write(path: &Path, content: &[u8]) -> Result<(), UpError> {
    let failed = |source| UpError::Write { path: path.to_owned(), source };
    env::write_private(path, content).map_err(failed)
}

async fn keep_fresh(kubelet: Arc<Kubelet>) {
    loop {
        // kubelet, too, keeps the old token and tries again.
        let _ = kubelet.keep_fresh().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn keep_rotating(admin: Admin, every: Duration) {
    let lifetime = admin.sim.settings().token_lifetime;
    // An old key is needed until the last token that it signed has expired.
    let needed = lifetime.as_millis() / every.as_millis().max(1) + 3;
    let keep = usize::try_from(needed).unwrap_or(usize::MAX);
    // What signs next is public from the rotation before on, so that Entra has read it by then.
    let mut next = admin.publish_next().await.ok();
    loop {
        tokio::time::sleep(every).await;
        // A failure leaves the key before in place, as a failed rotation would.
        let Some(key) = &next else {
            next = admin.publish_next().await.ok();
            continue;
        };
        if admin.sign_with(key).await.is_ok() {
            next = admin.publish_next().await.ok();
            admin.sim.issuer().retire(keep);
        }
    }
}

#[cfg(test)]
mod tests;
