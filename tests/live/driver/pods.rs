//! Pods: the tokens that kubelet projects for them, their sidecars, and the apps that ask.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use kit::{Program, Sidecar};

use crate::case::Stage;
use crate::cluster::{API, Cluster, ENTRA};
use crate::keys::write_private;
use crate::kube::Kube;

/// The app's account; the simulator trusts it by default.
const APP: &str = "shop/checkout";

/// Projects a pod's tokens: one for Entra, one for the API server.
#[derive(Debug)]
pub(crate) struct Kubelet {
    kube: Kube,
    dir: PathBuf,
    current: Mutex<[String; 2]>,
}

impl Kubelet {
    /// For a pod of this name, with its first tokens.
    pub(crate) async fn start(cluster: &Cluster, pod: &str) -> Arc<Self> {
        let dir = cluster.dir().join(pod);
        std::fs::create_dir_all(&dir).expect("a directory can be made");
        let kubelet = Self { kube: cluster.kube().clone(), dir, current: Mutex::default() };
        kubelet.renew().await.unwrap_or_else(|error| panic!("{error}"));
        Arc::new(kubelet)
    }

    /// Gets both anew; as kubelet, it keeps the old ones if that fails.
    pub(crate) async fn renew(&self) -> Result<(), String> {
        let tokens = [self.kube.token(APP, ENTRA).await?, self.kube.token(APP, API).await?];
        for (file, token) in [self.token_file(), self.api_token_file()].iter().zip(&tokens) {
            write_private(file, token);
        }
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = tokens;
        Ok(())
    }

    /// The tokens that the pod has now.
    pub(crate) fn current(&self) -> [String; 2] {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The token for Entra.
    pub(crate) fn token_file(&self) -> PathBuf {
        self.dir.join("token")
    }

    /// The token for the API server.
    pub(crate) fn api_token_file(&self) -> PathBuf {
        self.dir.join("api-token")
    }

    /// What the pod's sidecar is told, but for where the keys are. It enforces: what it sends to
    /// Entra was verified.
    pub(crate) fn program(&self, stage: &Stage, cluster: &Cluster, keys: &str) -> Program {
        let path = |path: PathBuf| path.display().to_string();
        let mut program = Program::new(stage.program("cambist-sidecar"))
            .set("CAMBIST_LISTEN", "0")
            .set("CAMBIST_ADMIN_LISTEN", "127.0.0.1:0")
            .set("CAMBIST_LOG", "debug")
            .set("CAMBIST_KEY_AGE", "enforce")
            .set("CAMBIST_KEYS", keys)
            .set("CAMBIST_ISSUER", cluster.issuer())
            .set("CAMBIST_ISSUER_CA_FILE", path(cluster.issuer_ca_file()))
            .set("CAMBIST_ENTRA_CA_FILE", cluster.entra("CAMBIST_CA_FILE"))
            .set("AZURE_FEDERATED_TOKEN_FILE", path(self.token_file()));
        for name in [
            "AZURE_CLIENT_ID",
            "AZURE_TENANT_ID",
            "AZURE_AUTHORITY_HOST",
            "CAMBIST_ALLOW_AUTHORITY",
            "IDENTITY_HEADER",
        ] {
            program = program.set(name, cluster.entra(name));
        }
        if keys.contains("api") {
            program = program
                .set("KUBERNETES_SERVICE_HOST", "127.0.0.1")
                .set("KUBERNETES_SERVICE_PORT", cluster.port().to_string())
                .set("CAMBIST_API_CA_FILE", path(cluster.ca_file()))
                .set("CAMBIST_API_TOKEN_FILE", path(self.api_token_file()));
        }
        program
    }

    /// The pod's sidecar, ready.
    pub(crate) async fn sidecar(&self, stage: &Stage, cluster: &Cluster, keys: &str) -> Sidecar {
        let program = self.program(stage, cluster, keys);
        let exe = stage.program("cambist-sidecar");
        let header = cluster.entra("IDENTITY_HEADER");
        let sidecar = Sidecar::serving(&exe, header, cluster.secrets(), program).await;
        let health = sidecar.health(&["--wait", "60s"]).await;
        assert_eq!(health.code(), Some(0), "{health:?}\n{}", sidecar.log());
        sidecar
    }
}

/// How many projected tokens a sidecar found to be verified, and how many it could not check.
pub(crate) async fn admitted(sidecar: &Sidecar) -> (u64, u64) {
    let metrics = sidecar.ask_admin("/metrics").await;
    let count = |standing: &str| {
        let lines = metrics.text().lines();
        let lines = lines.filter(|line| line.starts_with("cambist_admissions_total{"));
        let of = lines.filter(|line| line.contains(&format!("standing=\"{standing}\"")));
        of.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    };
    (count("verified"), count("unchecked"))
}
