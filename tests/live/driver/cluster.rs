//! A cluster: its API servers behind one address, its accounts, and the Entra that trusts it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use cambist_core::clock::Clock as _;
use cambist_sim::clock::SimClock;
use cambist_sim::up::{Issued, issue};
use kit::Secrets;
use kit::program::Program;
use serde_json::{Value, json};

use crate::balancer::Balancer;
use crate::case::Stage;
use crate::entra::Entra;
use crate::keys::{KeyFiles, pem, write_private};
use crate::kube::{Kube, kubeconfig};
use crate::server::{Etcd, Server};
use crate::site::Site;

/// The name of a cluster's node, where there is one.
pub(crate) const NODE: &str = "node-1";
/// The audience of tokens for the API server.
pub(crate) const API: &str = "https://kubernetes.default.svc";
/// The audience of tokens for Entra.
pub(crate) const ENTRA: &str = "api://AzureADTokenExchange";

/// Who publishes the issuer's documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Publishes {
    /// The API servers, to everybody.
    Itself,
    /// A site, where somebody puts them.
    ASite,
    /// The API servers, where a node's pods reach them.
    ItselfToPods,
}

impl Publishes {
    /// Where the cluster is to be found, and by which further names.
    fn place(self) -> (IpAddr, Option<SocketAddr>) {
        match self {
            Self::Itself | Self::ASite => (Ipv4Addr::LOCALHOST.into(), None),
            Self::ItselfToPods => (BRIDGE, Some(SERVICE)),
        }
    }
}

/// The bridge's address on a node, in `tests/live/node/inside`.
pub(crate) const BRIDGE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 244, 77, 1));
/// The service `kubernetes`, the first of its range, which is on the bridge, too.
const SERVICE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 96, 0, 1)), 443);

/// A cluster that is up.
#[derive(Debug)]
pub(crate) struct Cluster {
    dir: PathBuf,
    issuer: String,
    front: Balancer,
    site: Option<Site>,
    etcd: Etcd,
    servers: Vec<Server>,
    /// The admin's and the node's.
    tokens: [String; 2],
    kube: Kube,
    entra: Entra,
    secrets: Secrets,
    program: Program,
    beta: bool,
    first: KeyFiles,
}

impl Cluster {
    /// Puts it up with so many API servers, which sign with a first key.
    pub(crate) async fn start(stage: &Stage, name: &str, by: Publishes, servers: usize) -> Self {
        let dir = stage.dir(name);
        let (ip, besides) = by.place();
        let front = Balancer::start(ip, besides).await;
        let ca_file = dir.join("ca.pem");
        let hosts: Vec<_> =
            besides.iter().map(SocketAddr::ip).chain([ip]).map(|ip| ip.to_string()).collect();
        let issued = certify("cambist live: a cluster", &hosts, &ca_file);
        write_private(&dir.join("serving.pem"), &pem("CERTIFICATE", &issued.leaf));
        write_private(&dir.join("serving.key"), &pem("PRIVATE KEY", issued.key.secret_der()));
        let (site, issuer) = match by {
            Publishes::Itself => (None, format!("https://localhost:{}", front.at().port())),
            Publishes::ItselfToPods => (None, format!("https://{}", front.at())),
            Publishes::ASite => {
                let site = Site::start(&dir.join("site-ca.pem")).await;
                let issuer = format!("{}/cluster", site.url());
                (Some(site), issuer)
            }
        };
        let admin = format!("admin-{}", front.at().port());
        let secrets = Secrets::default();
        secrets.add(&admin);
        let node = format!("node-{}", front.at().port());
        secrets.add(&node);
        let tokens = format!(
            "{admin},admin,1,\"system:masters\"\n{node},system:node:{NODE},2,\"system:nodes\"\n"
        );
        write_private(&dir.join("tokens.csv"), &tokens);
        let kube = Kube::new(front.at(), &ca_file, &admin, secrets.clone());
        let issuer_ca = if site.is_some() { dir.join("site-ca.pem") } else { ca_file };
        let trust = format!("issuer={issuer}");
        let entra = Entra::start(stage, &dir.join("entra"), ip, &trust, &issuer_ca).await;
        secrets.add(entra.variable("IDENTITY_HEADER"));
        let program = stage.server();
        let etcd = Etcd::start(&program, &dir.join("etcd")).await;
        let first = KeyFiles::generate(&dir, "first");
        let mut cluster = Self {
            dir,
            issuer,
            front,
            site,
            etcd,
            servers: Vec::new(),
            tokens: [admin, node],
            kube,
            entra,
            secrets,
            program,
            beta: policies_are_beta(stage.kubernetes()),
            first: first.clone(),
        };
        for _ in 0..servers {
            let server = cluster.launch(&first, &[&first]).await;
            cluster.servers.push(server);
        }
        cluster.open();
        cluster.populate().await;
        cluster
    }

    /// The key that it began with.
    pub(crate) fn first_key(&self) -> KeyFiles {
        self.first.clone()
    }

    /// A new key, in files of this name.
    pub(crate) fn key(&self, name: &str) -> KeyFiles {
        KeyFiles::generate(&self.dir, name)
    }

    /// An API server that is ready, and not yet asked.
    async fn launch(&self, signer: &KeyFiles, verifiers: &[&KeyFiles]) -> Server {
        let flags = self.flags(signer, verifiers);
        let dir = self.dir.join("server");
        let server = Server::start(&self.program, &self.etcd, &dir, &flags).await;
        let kube = Kube::new(server.at, &self.ca_file(), &self.tokens[0], self.secrets.clone());
        server.ready(&kube).await;
        server
    }

    fn flags(&self, signer: &KeyFiles, verifiers: &[&KeyFiles]) -> Vec<String> {
        let file = |name: &str| self.dir.join(name).display().to_string();
        let mut flags = vec![
            "--bind-address=127.0.0.1".to_owned(),
            "--advertise-address=127.0.0.1".to_owned(),
            "--endpoint-reconciler-type=none".to_owned(),
            "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
            "--authorization-mode=Node,RBAC".to_owned(),
            // A node's name is known to nobody but the cluster.
            "--kubelet-preferred-address-types=InternalIP".to_owned(),
            "--enable-admission-plugins=NodeRestriction".to_owned(),
            // As behind any balancer: what is on its way is answered after SIGTERM, too.
            "--shutdown-delay-duration=1s".to_owned(),
            format!("--token-auth-file={}", file("tokens.csv")),
            format!("--tls-cert-file={}", file("serving.pem")),
            format!("--tls-private-key-file={}", file("serving.key")),
            format!("--api-audiences={API}"),
            format!("--service-account-issuer={}", self.issuer),
            format!("--service-account-jwks-uri={}/openid/v1/jwks", self.issuer),
            format!("--service-account-signing-key-file={}", signer.private.display()),
        ];
        if self.beta {
            flags.push("--feature-gates=MutatingAdmissionPolicy=true".to_owned());
            flags.push("--runtime-config=admissionregistration.k8s.io/v1beta1=true".to_owned());
        }
        flags.extend(
            verifiers
                .iter()
                .map(|key| format!("--service-account-key-file={}", key.public.display())),
        );
        flags
    }

    /// Lets every server be asked.
    fn open(&self) {
        self.front.set(self.servers.iter().map(|server| server.at).collect());
    }

    /// Restarts one server with other keys; it is not asked meanwhile.
    pub(crate) async fn restart(
        &mut self,
        number: usize,
        signer: &KeyFiles,
        verifiers: &[&KeyFiles],
    ) {
        let old = self.servers.remove(number);
        self.open();
        old.stop().await;
        let new = self.launch(signer, verifiers).await;
        self.servers.insert(number, new);
        self.open();
    }

    /// How many API servers there are.
    pub(crate) fn servers(&self) -> usize {
        self.servers.len()
    }

    async fn populate(&self) {
        for (namespace, accounts) in
            [("shop", &["checkout"][..]), ("cambist", &["observer", "stranger"])]
        {
            self.kube
                .create("/api/v1/namespaces", json!({ "metadata": { "name": namespace } }))
                .await;
            for account in accounts {
                let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
                self.kube.create(&path, json!({ "metadata": { "name": account } })).await;
            }
        }
        if self.site.is_none() {
            let group = "rbac.authorization.k8s.io";
            self.kube
                .create(
                    "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
                    json!({
                        "metadata": { "name": "public-issuer" },
                        "roleRef": { "apiGroup": group, "kind": "ClusterRole", "name": "system:service-account-issuer-discovery" },
                        "subjects": [{ "apiGroup": group, "kind": "Group", "name": "system:unauthenticated" }],
                    }),
                )
                .await;
            self.kube.readable("/openid/v1/jwks", None).await;
        }
    }

    /// Puts the issuer's documents, as an API server writes them now, where they are public.
    pub(crate) async fn publish(&self) {
        let set = self.kube.raw("/openid/v1/jwks").await;
        self.put(&set).await;
    }

    /// The same with one key alone, though the API servers still accept the others.
    pub(crate) async fn publish_only(&self, kid: &str) {
        let set = self.kube.raw("/openid/v1/jwks").await;
        let mut set: Value = serde_json::from_str(&set).expect("a key set is JSON");
        let keys = set["keys"].as_array_mut().expect("it has keys");
        keys.retain(|key| key["kid"] == kid);
        assert_eq!(keys.len(), 1, "{kid}");
        self.put(&set.to_string()).await;
    }

    async fn put(&self, set: &str) {
        if let Some(site) = &self.site {
            let document = self.kube.raw("/.well-known/openid-configuration").await;
            site.put("/cluster/.well-known/openid-configuration", &document);
            site.put("/cluster/openid/v1/jwks", set);
        }
        write_private(&self.key_set_file(), set);
    }

    /// The published key set as a file.
    pub(crate) fn key_set_file(&self) -> PathBuf {
        self.dir.join("jwks.json")
    }

    /// The API, through the balancer.
    pub(crate) fn kube(&self) -> &Kube {
        &self.kube
    }

    /// A kubeconfig for the admin, or for the node.
    pub(crate) fn kubeconfig(&self, of_node: bool) -> PathBuf {
        let name = if of_node { "node" } else { "admin" };
        let user = json!({ "token": self.tokens[usize::from(of_node)] });
        let server = format!("https://{}", self.front.at());
        let config = kubeconfig(&server, &self.ca_file(), &user);
        let file = self.dir.join(format!("{name}.kubeconfig"));
        write_private(&file, &config.to_string());
        file
    }

    /// The issuer's URL.
    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The balancer's port.
    pub(crate) fn port(&self) -> u16 {
        self.front.at().port()
    }

    /// What the simulated Entra's env file says, by name.
    pub(crate) fn entra(&self, name: &str) -> &str {
        self.entra.variable(name)
    }

    /// The simulated Entra.
    pub(crate) fn simulated(&self) -> &Entra {
        &self.entra
    }

    /// What must be seen nowhere.
    pub(crate) fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// The directory of all its files.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The authority of the API servers.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.dir.join("ca.pem")
    }

    /// The authority of whoever publishes the issuer's documents.
    pub(crate) fn issuer_ca_file(&self) -> PathBuf {
        self.dir.join(if self.site.is_some() { "site-ca.pem" } else { "ca.pem" })
    }

    /// A token's header and claims, unchecked.
    pub(crate) fn parts(token: &str) -> (Value, Value) {
        let part = |text: &str| {
            let bytes = BASE64URL.decode(text).expect("it is base64url");
            serde_json::from_slice(&bytes).expect("it is JSON")
        };
        let mut parts = token.split('.');
        let mut next = || part(parts.next().expect("a token has three parts"));
        (next(), next())
    }

    /// The key that signed a token.
    pub(crate) fn kid(token: &str) -> String {
        Self::parts(token).0["kid"].as_str().expect("it names its key").to_owned()
    }
}

/// Whether a release has MutatingAdmissionPolicy as a beta, which is off unless it is asked for.
pub(crate) fn policies_are_beta(kubernetes: &str) -> bool {
    let minor = kubernetes.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok());
    minor.expect("it is MAJOR.MINOR.PATCH") < 36
}

/// An authority and a certificate of it for this machine, by these names besides; the authority is
/// written to a file.
pub(crate) fn certify(name: &str, besides: &[String], ca_file: &Path) -> Issued {
    let besides = besides.iter().map(String::as_str);
    let hosts: Vec<_> = ["localhost", "127.0.0.1"].into_iter().chain(besides).collect();
    let issued = issue(name, &hosts, SimClock::system().wall());
    let issued = issued.expect("certificates can be made");
    write_private(ca_file, &issued.ca_pem);
    issued
}
