//! The example apps, unchanged, against services that look at their tokens.

use std::collections::BTreeMap;
use std::time::Duration;

use kit::sidecar::VAULT;
use serde_json::json;

use crate::cases::at_most;
use crate::client::Program;
use crate::services::{self, Service, Visits};
use crate::stage::{Protocol, Setting, Stage};

/// An app that takes longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// What was seen of an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The service that let it in.
    pub(crate) service: Service,
    /// How often it asked for a token that it could not have.
    pub(crate) attempts: u64,
}

/// An app is let in by the service that it is for, and shows the developer why where it is not.
///
/// # Panics
/// If not.
pub(crate) async fn play(setting: &Setting, app: &Program) -> Seen {
    let stage = Stage::set(setting, Protocol::AppService).await;
    let (code, output) = run(app, stage.env()).await;
    assert_eq!(code, Some(0), "{output}");
    let Visits { granted, refused, .. } = stage.services.visits();
    assert_eq!(refused, Vec::<String>::new(), "tokens that were turned away");
    let service = *granted.keys().next().unwrap_or_else(|| panic!("nobody was asked: {output}"));
    let word = match service {
        Service::KeyVault => "greeting",
        Service::Blob => "orders",
        other => panic!("no app is for {other:?}"),
    };
    assert!(output.contains(word), "{word:?} is not in its output: {output}");
    assert_eq!(stage.attempts().await, 1, "requests for tokens");
    assert_strict(&stage).await;

    let stage = Stage::set(setting, Protocol::AppService).await;
    stage.world.fault(json!({"target": "entra", "kind": "aadsts", "code": 700_213})).await;
    let (code, output) = run(app, stage.env()).await;
    assert_eq!(code, Some(1), "{output}");
    assert!(output.contains("entra_no_matching_credential"), "the cause is not told: {output}");
    let attempts = stage.attempts().await;
    // The credential itself tries once. In Java the service's client around it tries again, whatever the
    // error; that is not in our hands, and never gets as far as Entra.
    at_most(attempts, if app.name == "java" { 4 } else { 1 }, "attempts at what cannot work");
    assert_eq!(stage.world.counts().await.entra, 1, "exchanges that cannot work");
    Seen { service, attempts }
}

/// To be let in means something only where others are not.
async fn assert_strict(stage: &Stage) {
    let sim = stage.world.running().sim();
    let token = stage.sidecar.token(VAULT).await.member("access_token");
    let projected = sim.token().expect("the issuer can sign");
    let check = |service, token: &str| services::check(sim, service, &format!("Bearer {token}"));
    assert_eq!(check(Service::KeyVault, &token), Ok(()));
    for (service, token) in [
        (Service::Blob, &*token),
        (Service::Arm, &*token),
        (Service::KeyVault, &*projected),
        (Service::KeyVault, &*format!("{token}A")),
        (Service::KeyVault, ""),
    ] {
        assert!(check(service, token).is_err(), "{service:?} lets in a token that is not for it");
    }
}

async fn run(app: &Program, env: &BTreeMap<String, String>) -> (Option<i32>, String) {
    let mut command = app.command(env);
    command.env("KEY_VAULT_URL", "https://shop.vault.azure.net");
    command.env("STORAGE_ACCOUNT_URL", "https://shop.blob.core.windows.net");
    let output = tokio::time::timeout(PATIENCE, command.output()).await;
    let output = output.unwrap_or_else(|_| panic!("{app:?} has not ended within {PATIENCE:?}"));
    let output = output.unwrap_or_else(|error| panic!("{app:?} does not start: {error}"));
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}
