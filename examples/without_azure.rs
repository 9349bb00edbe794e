//! `cambist::Credential` without the Azure SDK: the token for a request of your own.
//!
//! ```sh
//! cargo run -p cambist-examples --no-default-features --example without_azure
//! ```
//!
//! It runs against a simulated cluster and a simulated Entra. In a pod, read the configuration from
//! `cambist::env::Process` instead: the workload-identity webhook has set what is needed.
#![expect(clippy::print_stdout, reason = "it shows what it does")]

use anyhow::{Context as _, ensure};
use cambist::core::scope::Resource;
use cambist::{Class, Config, Context};
use cambist_sim::fault::{Fault, Target};
use tokio::time::Instant;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let cluster = cambist_sim::up::start(cambist_sim::up::Options::new(dir.path())).await?;

    // In a pod: Config::from_env(&cambist::env::Process), and the pod's UID or name for the jitter.
    let config = Config::from_env(cluster.env())?;
    let credential = config.credential(Context::system("pod-name"))?;

    // Keeps what is prefetched fresh. Without it tokens are fetched and refreshed when asked for.
    let vault = Resource::parse("https://vault.azure.net")?.scope();
    credential.prefetch([vault.clone()]);
    let upkeep = credential.clone();
    tokio::spawn(async move { upkeep.maintain().await });

    for what in ["fetched", "from the cache"] {
        let asked = Instant::now();
        let token = credential.token(&vault).await?;
        // A request of your own carries it as `Authorization: Bearer {token.secret().expose()}`.
        println!("{vault}: valid for {:?}, {what} in {:.1?}", token.valid_for(), asked.elapsed());
    }
    let calls = cluster.sim().journal().counts();
    ensure!(calls.entra == 1, "Entra was called {} times for one token", calls.entra);

    // When something fails: one stable word for programs, a sentence for people, and when to retry.
    cluster.sim().faults().inject(Target::Entra, Fault::Reset);
    let storage = Resource::parse("https://storage.azure.com")?.scope();
    let error = credential.token(&storage).await.err().context("Entra is down, and yet a token")?;
    println!("{storage}: {} ({:?}): {error}", error.reason(), error.class());
    ensure!(error.class() == Class::Transient, "an outage passes, so it must not look permanent");

    // What is held stays good through the outage.
    credential.token(&vault).await?;
    println!("{vault}: still answered while Entra is down");
    cluster.shutdown().await;
    Ok(())
}
