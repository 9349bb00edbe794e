//! An app that embeds several identities, as a file describes them and says who may have which.
//!
//! ```sh
//! cargo run --example identities
//! ```
//!
//! It runs against a simulated cluster and a simulated Entra. In a pod, read the configuration from
//! `cambist::env::Process` instead. The file is the sidecar's; how callers are known there (by secrets) is the app's own
//! matter here: it takes a caller of the policy by its name.
#![expect(clippy::print_stdout, reason = "it shows what it does")]

use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use cambist::config::Shared;
use cambist::core::scope::Resource;
use cambist::identities::{Policy, Selector, SelectorKind};
use cambist::{AccessToken, Context, Credential, Env, policy_file};
use cambist_sim::entra::Identity;

const FILE: &str = include_str!("identities/two-containers.yaml");

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut options = cambist_sim::up::Options::new(dir.path());
    options.resources = vec!["api://ledger".to_owned()];
    let cluster = cambist_sim::up::start(options).await?;
    // Both identities trust the pod's one service account.
    let sim = cluster.sim();
    for (name, client_id) in [("payments", PAYMENTS), ("reporting", REPORTING)] {
        let resource_id = format!("/subscriptions/s/resourceGroups/shop/providers/{name}");
        let identity = Identity::managed_identity(sim.entra().tenant(), client_id, &resource_id);
        sim.entra().add(identity.trusting(sim.federated_credential()));
    }

    let identities = Embedded::open(FILE, cluster.env())?;
    let vault = identities.token("checkout", None, "https://vault.azure.net").await?;
    println!(
        "checkout has a token for Key Vault, of its only identity, for {:?}",
        vault.valid_for()
    );
    let ledger = identities.token("reports", Some(REPORTING), "api://ledger").await?;
    println!(
        "reports has one for the ledger, of the identity it named, for {:?}",
        ledger.valid_for()
    );

    for (caller, client_id, resource) in [
        ("checkout", None, "https://storage.azure.com"),
        ("checkout", Some(REPORTING), "api://ledger"),
    ] {
        match identities.token(caller, client_id, resource).await {
            Ok(_) => bail!("{caller} has a token for {resource}"),
            Err(denied) => println!("refused: {denied}"),
        }
    }
    let calls = sim.journal().counts();
    ensure!(calls.entra == 2, "Entra was called {} times for two tokens", calls.entra);
    cluster.shutdown().await;
    Ok(())
}

const PAYMENTS: &str = "11111111-0000-4000-8000-000000000001";
const REPORTING: &str = "11111111-0000-4000-8000-000000000002";

/// Several identities, and who may have their tokens.
struct Embedded {
    policy: Policy,
    /// In the policy's order.
    credentials: Vec<Credential>,
}

impl Embedded {
    /// What is trusted is opened once: one connection to Entra and one key set serve all identities.
    fn open(text: &str, env: &dyn Env) -> anyhow::Result<Self> {
        let Shared { trust, defaults, .. } = Shared::from_env(env)?;
        let identities = policy_file::load(text, &defaults)?;
        let trust = trust.open(Context::system("pod-name"))?;
        let credentials: Vec<_> =
            identities.identities.iter().map(|identity| trust.credential(identity)).collect();
        for credential in credentials.clone() {
            tokio::spawn(async move { credential.maintain().await });
        }
        Ok(Self { policy: identities.policy, credentials })
    }

    /// A token for whoever the app knows this caller to be.
    async fn token(
        &self,
        caller: &str,
        client_id: Option<&str>,
        resource: &str,
    ) -> anyhow::Result<Arc<AccessToken>> {
        let mut callers = self.policy.callers().iter();
        let caller = callers.find(|it| it.name() == caller).context("there is no such caller")?;
        let selector = client_id.map(|value| Selector { kind: SelectorKind::Client, value });
        let resource = Resource::parse(resource)?;
        let verdict = self.policy.judge(caller, selector, resource.key())?;
        Ok(self.credentials[verdict.identity].token(&resource.scope()).await?)
    }
}
