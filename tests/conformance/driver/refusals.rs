//! Cases in which no token comes: what the developer reads, and when the SDK gives up.

use cambist_sim::issuer::Place;
use kit::program::Program as Process;
use serde_json::{Value, json};

use crate::cases::{Cell, Lane, at_most, spent};
use crate::client::Ask;
use crate::connect;
use crate::sdk::Tells;
use crate::stage::{Protocol, Stage};

/// Trouble that lasts: one attempt, and the cause in what the developer reads.
pub(crate) async fn lasting(
    lane: &Lane,
    stage: Stage,
    ask: Ask<'_>,
    words: &[&str],
) -> (Cell, String) {
    let mut client = stage.client(&lane.program, words[0]).await;
    let (answer, took) = client.token(ask).await;
    assert_told(lane.sdk.tells != Tells::Nothing, &stage, answer.error(), words).await;
    let attempts = stage.attempts().await;
    assert_eq!(attempts, 1, "attempts at what cannot work; the developer reads: {answer:?}");
    (spent(attempts, took), answer.error().to_owned())
}

/// Trouble that may pass: a bounded number of attempts, and the cause in what the developer reads.
async fn passing(lane: &Lane, stage: Stage, words: &[&str]) -> Cell {
    let mut client = stage.client(&lane.program, words[0]).await;
    let (answer, took) = client.token(lane.ask()).await;
    assert_told(lane.sdk.tells == Tells::Always, &stage, answer.error(), words).await;
    let attempts = stage.attempts().await;
    at_most(attempts, lane.sdk.most, "attempts");
    spent(attempts, took)
}

/// Holds the reason to be in what the developer reads or, where a client shows nothing of its answers, in cambist's
/// log.
pub(crate) async fn assert_told(by_the_client: bool, stage: &Stage, error: &str, words: &[&str]) {
    if !by_the_client {
        return stage.sidecar.logs(words[0].trim_end_matches(": ")).await;
    }
    for word in words {
        assert!(error.contains(word), "the developer does not read {word:?} but: {error}");
    }
}

/// A world with a fault.
async fn with_fault(lane: &Lane, fault: Value) -> Stage {
    let stage = Stage::set(&lane.setting, lane.protocol).await;
    stage.world.fault(fault).await;
    stage
}

/// The app has another secret than the sidecar.
pub(crate) async fn wrong_secret(lane: &Lane) -> Cell {
    let Some(secret) = lane.protocol.secret() else { return Cell::not_offered() };
    let stage = Stage::set(&lane.setting, lane.protocol).await;
    let stage = stage.set_env(secret, "not-what-the-sidecar-has");
    lasting(lane, stage, lane.ask(), &["identity_header", "IDENTITY_HEADER"]).await.0
}

/// The app speaks the one protocol that is not open.
pub(crate) async fn closed(lane: &Lane) -> Cell {
    let other = match lane.protocol {
        Protocol::AppService | Protocol::AppService2017 | Protocol::Native => "imds",
        Protocol::Imds => "app-service",
    };
    let shut = |sidecar: Process| sidecar.set("CAMBIST_PROTOCOLS", other);
    let stage = Stage::with(&lane.setting, lane.protocol, |_| {}, shut).await;
    lasting(lane, stage, lane.ask(), &["protocol_closed", "CAMBIST_PROTOCOLS"]).await.0
}

/// The app selects an identity that is not the sidecar's.
pub(crate) async fn wrong_identity(lane: &Lane) -> Cell {
    let stage = Stage::set(&lane.setting, lane.protocol).await;
    let identity = Some(("client_id", "0badca5b-0000-4000-8000-000000000000"));
    let words = ["identity_not_found", "AZURE_CLIENT_ID"];
    lasting(lane, stage, Ask { identity, ..lane.ask() }, &words).await.0
}

/// The app asks for something that is no resource.
pub(crate) async fn wrong_resource(lane: &Lane) -> Cell {
    if !lane.sdk.any_resource() {
        return Cell::not_offered();
    }
    let stage = Stage::set(&lane.setting, lane.protocol).await;
    let resource = "https://vault.azure.net and more";
    let mut client = stage.client(&lane.program, "wrong-resource").await;
    let (answer, took) = client.token(Ask { resource, ..lane.ask() }).await;
    assert_told(true, &stage, answer.error(), &["is not usable"]).await;
    let attempts = stage.attempts().await;
    // Signing in was for something else, and went well.
    assert_eq!(attempts, 1 + lane.sdk.sign_in, "attempts at what cannot work");
    spent(attempts, took)
}

/// Entra has no federated credential for this pod.
pub(crate) async fn refused(lane: &Lane) -> Cell {
    let fault = json!({"target": "entra", "kind": "aadsts", "code": 700_213});
    let stage = with_fault(lane, fault).await;
    let words = ["entra_no_matching_credential", "AADSTS700213"];
    let (cell, said) = lasting(lane, stage, lane.ask(), &words).await;
    Cell { said: Some(said), ..cell }
}

/// The policy holds the pod's token, because whoever likes could have signed it.
pub(crate) async fn held(lane: &Lane) -> Cell {
    let enforced = |sidecar: Process| sidecar.set("CAMBIST_KEY_AGE", "enforce");
    let stage = Stage::with(&lane.setting, lane.protocol, |_| {}, enforced).await;
    let issuer = stage.world.running().sim().issuer();
    issuer.leak_in(Place::Both, &issuer.signer()).expect("the key has a private half");
    lasting(lane, stage, lane.ask(), &["key_compromised"]).await.0
}

/// Entra asks to be left alone for a while, again and again.
pub(crate) async fn throttled(lane: &Lane) -> Cell {
    let fault = json!({"target": "entra", "kind": "status", "status": 429, "retry_after": "2"});
    let stage = with_fault(lane, fault).await;
    passing(lane, stage, &["entra_throttled"]).await
}

/// Entra answers, and not well.
pub(crate) async fn failing(lane: &Lane) -> Cell {
    let stage = with_fault(lane, json!({"target": "entra", "kind": "status", "status": 503})).await;
    passing(lane, stage, &["entra_unavailable"]).await
}

/// Nobody is where Entra should be.
pub(crate) async fn down(lane: &Lane) -> Cell {
    let (silent, at) = connect::silent();
    let elsewhere = |sidecar: Process| {
        let at = format!("https://{at}");
        sidecar.set("AZURE_AUTHORITY_HOST", &at).set("CAMBIST_ALLOW_AUTHORITY", at)
    };
    let stage = Stage::with(&lane.setting, lane.protocol, |_| {}, elsewhere).await;
    let cell = passing(lane, stage, &["connect: ", "no connection"]).await;
    drop(silent);
    cell
}

/// Entra asks for a second's pause once: an SDK that waits as long as it is told gets its token.
pub(crate) async fn one_pause(lane: &Lane) -> Cell {
    let fault = json!({
        "target": "entra", "kind": "status", "status": 429, "retry_after": "1", "count": 1,
    });
    let stage = with_fault(lane, fault).await;
    let mut client = stage.client(&lane.program, "one-pause").await;
    let (answer, took) = client.token(lane.ask()).await;
    let attempts = stage.attempts().await;
    if !lane.sdk.retries {
        assert_told(lane.sdk.tells == Tells::Always, &stage, answer.error(), &["entra_throttled"])
            .await;
        at_most(attempts, if lane.sdk.anew { lane.sdk.most } else { 1 }, "attempts");
        return spent(attempts, took);
    }
    let granted = stage.world.running().sim().entra().granted(answer.token());
    assert_eq!(granted.expect("Entra granted it")["aud"], lane.sdk.resource());
    at_most(attempts, lane.sdk.most, "attempts");
    assert!(took.as_millis() >= 900, "a pause of a second, and the token after {took:?}");
    spent(attempts, took)
}
