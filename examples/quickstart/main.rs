//! From a pod's identity to an Azure token, end to end, on this machine alone.
//!
//! ```sh
//! cargo run --example quickstart
//! cargo run --example quickstart -- --stay
//! ```
//!
//! A cluster's token issuer, its kubelet and Entra ID are simulated, over TLS on loopback. The
//! sidecar is the real one, configured as in a pod, and the app speaks to it as an Azure SDK does.
//! Each step checks that what it tells is what happened. With `--stay` everything stays up, for an
//! app of your own to be pointed at.

mod app;
mod steps;
mod tell;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use cambist_sidecar::settings::Settings;
use cambist_sidecar::{Config, Surroundings};
use cambist_sim::up::Options;
use tokio::time::Instant;

use app::App;
use steps::Stage;
use tell::Teller;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nfailed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let stay = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => false,
        ["--stay"] => true,
        _ => bail!("unknown arguments; the only option is --stay"),
    };
    let tell = Teller::new();
    let began = Instant::now();
    tell.title("Setting up, all on this machine");

    let dir = tempfile::tempdir().context("no temporary directory")?;
    let mut options = Options::new(dir.path());
    // Entra goes on with old keys for half an hour. A new one is published well before that in a real
    // cluster, for which there is no time here.
    options.entra_keeps = Duration::ZERO;
    let cluster = cambist_sim::up::start(options).await?;

    // What the simulator writes for a shell to source, and any free ports.
    let mut env = cluster.env().clone();
    for listener in ["CAMBIST_LISTEN", "CAMBIST_ADMIN_LISTEN"] {
        env.insert(listener.to_owned(), "0".to_owned());
    }
    let config = Config::read(&Settings::of_env(&env))?;
    // The simulator's clock, which can be moved forward: it saves us waiting for an hour to pass.
    let clock = cluster.sim().clock().clone();
    let sidecar = cambist_sidecar::start(&config, Surroundings::new(Arc::new(clock))).await?;

    let app = App::new(
        format!("http://127.0.0.1:{}/msi/token", sidecar.port()),
        env["IDENTITY_HEADER"].clone(),
    );
    tell.item("issuer, simulated", &env["CAMBIST_ISSUER"]);
    tell.item("Entra ID, simulated", &env["AZURE_AUTHORITY_HOST"]);
    tell.item("pod's token", &env["AZURE_FEDERATED_TOKEN_FILE"]);
    tell.item("cambist, the real one", &app.endpoint);
    tell.item("took", &format!("{:.0?}", began.elapsed()));

    let admin = sidecar.admin_address().context("the sidecar has no admin listener")?;
    let mut stage = Stage { tell, app, cluster: &cluster, admin };
    stage.play().await?;
    let Stage { tell, app, .. } = stage;
    if stay {
        linger(&tell, &app, cluster.admin_url()).await?;
    }
    sidecar.drain().await;
    cluster.shutdown().await;
    Ok(())
}

/// Keeps everything up until Ctrl-C.
async fn linger(tell: &Teller, app: &App, admin: &str) -> anyhow::Result<()> {
    tell.title("Still up, until Ctrl-C. Point an app's Azure SDK at it:");
    tell.verbatim(&format!("export IDENTITY_ENDPOINT={}", app.endpoint));
    tell.verbatim(&format!("export IDENTITY_HEADER={}", app.header));
    tell.title("Or ask yourself, and see what the simulator was asked:");
    tell.verbatim(
        // Arguments are everybody's to read.
        "echo \"X-IDENTITY-HEADER: $IDENTITY_HEADER\" | curl -sS -H @- \\\n  \
         \"$IDENTITY_ENDPOINT?api-version=2019-08-01&resource=https://vault.azure.net\"",
    );
    tell.verbatim(&format!("curl -sS {admin}/sim/requests"));
    tell.title("Its tokens are simulated, and its clock stays as far ahead as the steps moved it.");
    tokio::signal::ctrl_c().await?;
    Ok(())
}
