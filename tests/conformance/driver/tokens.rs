//! Cases in which a token comes: how many requests that took, and whose token it is.

use std::time::Duration;

use cambist_sim::up::Options;
use kit::program::Program as Process;

use crate::cases::{Cell, Lane, at_most, spent};
use crate::client::{Answer, Ask};
use crate::connect::Trap;
use crate::stage::Stage;

const OBJECT_ID: &str = "0b1ec700-0000-4000-8000-00000000ca5b";
const RESOURCE_ID: &str = "/subscriptions/50b5c121-0000-4000-8000-000000000001/resourceGroups/shop/providers/Microsoft.ManagedIdentity/userAssignedIdentities/checkout";

/// Callers at once.
const CROWD: usize = 50;

/// Holds a token to be one that Entra granted for this resource.
fn assert_granted(stage: &Stage, answer: &Answer, resource: &str) {
    let claims = stage.world.running().sim().entra().granted(answer.token());
    let claims = claims.unwrap_or_else(|| panic!("Entra did not grant this token: {answer:?}"));
    assert_eq!(claims["aud"], resource, "the audience of {claims:?}");
    let ends = claims["exp"].as_i64().expect("it ends");
    if let Some(told) = answer.expires_on() {
        // One SDK counts from its own clock, in whole seconds.
        assert!((told - ends).abs() <= 5, "valid until {told} as the SDK has it, and until {ends}");
    }
}

/// Holds Entra to have been asked once for the token, however many requests there were.
async fn assert_exchanged_once(lane: &Lane, stage: &Stage) {
    let exchanges = stage.world.counts().await.entra;
    assert_eq!(exchanges - lane.sdk.sign_in, 1, "exchanges");
}

/// The first token, which takes one request and one exchange.
pub(crate) async fn first(lane: &Lane) -> Cell {
    let stage = Stage::set(&lane.setting, lane.protocol).await;
    let mut client = stage.client(&lane.program, "first").await;
    let (answer, took) = client.token(lane.ask()).await;
    assert_granted(&stage, &answer, lane.sdk.resource());
    let attempts = stage.attempts().await;
    let exchanges = stage.world.counts().await.entra;
    let expected = 1 + lane.sdk.sign_in;
    assert_eq!((attempts, exchanges), (expected, expected), "requests and exchanges");
    spent(attempts, took)
}

/// The second token, which comes out of the SDK's own cache.
pub(crate) async fn again(lane: &Lane) -> Cell {
    same_again(lane, lane.sdk.resource(), "again").await
}

/// A resource that ends in a slash, as Azure Resource Manager's does: another audience, and what is
/// asked for again is found in the SDK's cache only if the reply spells it the same.
pub(crate) async fn slash(lane: &Lane) -> Cell {
    if !lane.sdk.any_resource() {
        return Cell::not_offered();
    }
    same_again(lane, "https://vault.azure.net/", "slash").await
}

async fn same_again(lane: &Lane, resource: &str, case: &str) -> Cell {
    let stage = Stage::set(&lane.setting, lane.protocol).await;
    let mut client = stage.client(&lane.program, case).await;
    let (one, _) = client.token(Ask { resource, ..lane.ask() }).await;
    assert_granted(&stage, &one, resource);
    let before = stage.attempts().await;
    let (two, took) = client.token(Ask { resource, ..lane.ask() }).await;
    assert_eq!(one.token(), two.token(), "the same token twice");
    let attempts = stage.attempts().await - before;
    assert_eq!(attempts, u64::from(!lane.sdk.caches), "requests for a token that is held");
    assert_exchanged_once(lane, &stage).await;
    spent(attempts, took)
}

/// The identity selected by its client id.
pub(crate) async fn client_id(lane: &Lane) -> Cell {
    let stage = Stage::set(&lane.setting, lane.protocol).await;
    let client_id = stage.world.env()["AZURE_CLIENT_ID"].clone();
    selected(lane, stage, ("client_id", &client_id)).await
}

/// The identity selected by its object id.
pub(crate) async fn object_id(lane: &Lane) -> Cell {
    selected(lane, known(lane).await, ("object_id", OBJECT_ID)).await
}

/// The identity selected by its resource id.
pub(crate) async fn resource_id(lane: &Lane) -> Cell {
    selected(lane, known(lane).await, ("resource_id", RESOURCE_ID)).await
}

/// A sidecar that knows all names of its identity.
async fn known(lane: &Lane) -> Stage {
    let names = |sidecar: Process| {
        sidecar.set("CAMBIST_OBJECT_ID", OBJECT_ID).set("CAMBIST_RESOURCE_ID", RESOURCE_ID)
    };
    Stage::with(&lane.setting, lane.protocol, |_| {}, names).await
}

async fn selected(lane: &Lane, stage: Stage, identity: (&str, &str)) -> Cell {
    let mut client = stage.client(&lane.program, identity.0).await;
    let (answer, took) = client.token(Ask { identity: Some(identity), ..lane.ask() }).await;
    let attempts = stage.attempts().await;
    if lane.sdk.declines(lane.protocol, identity.0) {
        assert!(!matches!(answer, Answer::Token { .. }), "it offers this after all");
        assert_eq!(attempts, 0, "requests by an SDK that declines by itself");
        return Cell::not_offered();
    }
    assert_granted(&stage, &answer, lane.sdk.resource());
    assert_eq!(attempts, 1 + lane.sdk.sign_in, "requests");
    spent(attempts, took)
}

/// `DefaultAzureCredential` as it comes, with the variable that the documentation names for the
/// identity.
pub(crate) async fn default(lane: &Lane) -> Cell {
    let stage = Stage::set(&lane.setting, lane.protocol).await;
    let client_id = stage.world.env()["AZURE_CLIENT_ID"].clone();
    defaulted(lane, stage.set_env("AZURE_CLIENT_ID", client_id), "default").await
}

/// `DefaultAzureCredential` that was told to look nowhere else.
pub(crate) async fn told(lane: &Lane) -> Cell {
    let stage = Stage::set(&lane.setting, lane.protocol).await;
    let only = "ManagedIdentityCredential";
    defaulted(lane, stage.set_env("AZURE_TOKEN_CREDENTIALS", only), "told").await
}

async fn defaulted(lane: &Lane, stage: Stage, case: &str) -> Cell {
    let mut client = stage.client(&lane.program, case).await;
    let ask = Ask { credential: "default", ..lane.ask() };
    let (answer, took) = client.token(ask).await;
    if !lane.sdk.default_credential {
        assert!(matches!(answer, Answer::Unsupported(_)), "it has one after all: {answer:?}");
        return Cell::not_offered();
    }
    assert_granted(&stage, &answer, lane.sdk.resource());
    // Some SDKs first look whether anybody is there, with a request that they know to be refused.
    let attempts = stage.attempts().await;
    at_most(attempts, 2, "requests");
    let (again, _) = client.token(ask).await;
    assert_eq!(again.token(), answer.token(), "the same token twice");
    assert_eq!(stage.attempts().await, attempts, "requests for a token that is held");
    spent(attempts, took)
}

/// Many callers at once, on one credential.
pub(crate) async fn crowd(lane: &Lane) -> Cell {
    let stage = Stage::set(&lane.setting, lane.protocol).await;
    let mut client = stage.client(&lane.program, "crowd").await;
    let (answers, took) = client.crowd(CROWD, lane.ask()).await;
    assert_eq!(answers.len(), CROWD);
    for answer in &answers {
        assert_eq!(answer.token(), answers[0].token(), "one token for all of them");
    }
    assert_granted(&stage, &answers[0], lane.sdk.resource());
    let attempts = stage.attempts().await;
    at_most(attempts, CROWD as u64 + lane.sdk.sign_in, "requests");
    assert_exchanged_once(lane, &stage).await;
    spent(attempts, took)
}

/// A token with a little less to live than its client wants it to have, which is five minutes for most, asked for
/// three times. Most caches do not keep it; no call fails for that, and Entra is asked once.
pub(crate) async fn below_the_edge(lane: &Lane) -> Cell {
    let Some(margin) = lane.sdk.margin else { return Cell::not_offered() };
    three_times(lane, margin - 1, 2 + lane.sdk.servers, "below").await
}

/// A token with a little more: the caches keep it.
pub(crate) async fn above_the_edge(lane: &Lane) -> Cell {
    let most = if lane.sdk.caches { 1 } else { 3 };
    three_times(lane, lane.sdk.margin.unwrap_or(300) + 30, most, "above").await
}

async fn three_times(lane: &Lane, lifetime: u64, most: u64, case: &str) -> Cell {
    let short = |options: &mut Options| {
        options.access_token_lifetime = Duration::from_secs(lifetime);
    };
    let stage = Stage::with(&lane.setting, lane.protocol, short, |sidecar| sidecar).await;
    let mut client = stage.client(&lane.program, case).await;
    let mut took = Duration::ZERO;
    for _ in 0..3 {
        let (answer, each) = client.token(lane.ask()).await;
        assert_granted(&stage, &answer, lane.sdk.resource());
        took += each;
    }
    let attempts = stage.attempts().await;
    // Signing in, too, asks twice for a token that its cache does not keep.
    at_most(attempts, most + 2 * lane.sdk.sign_in, "requests");
    assert_exchanged_once(lane, &stage).await;
    spent(attempts, took)
}

/// An app with a proxy in its environment, and loopback exempt from it as the documentation asks.
pub(crate) async fn proxy_exempt(lane: &Lane) -> Cell {
    let trap = Trap::set().await;
    let stage = Stage::set(&lane.setting, lane.protocol).await;
    let at = format!("http://{}", trap.at());
    let stage = stage.set_env("HTTP_PROXY", &*at).set_env("http_proxy", at);
    let mut client = stage.client(&lane.program, "proxy-exempt").await;
    let (answer, took) = client.token(lane.ask()).await;
    assert_granted(&stage, &answer, lane.sdk.resource());
    let at = stage.sidecar.tokens();
    let caught = trap.caught();
    assert!(!caught.on_the_way_to(at) && !caught.tunnel_to(at), "the proxy saw {caught:?}");
    spent(stage.attempts().await, took)
}

/// The same app without that exemption: what happens is only noted, since it is the SDK's doing. A
/// request either arrives, or is caught and answered by nobody.
pub(crate) async fn proxy(lane: &Lane) -> Cell {
    let trap = Trap::set().await;
    let stage = Stage::set(&lane.setting, lane.protocol).await.caught_by(trap.at());
    let mut client = stage.client(&lane.program, "proxy").await;
    let (answer, _) = client.token(lane.ask()).await;
    // What goes elsewhere through the proxy is nobody's concern here.
    let (caught, at) = (trap.caught(), stage.sidecar.tokens());
    let arrived = stage.attempts().await > 0;
    Cell::text(match (arrived, caught.on_the_way_to(at), caught.tunnel_to(at)) {
        (true, false, false) => "goes straight",
        (false, true, _) if caught.secrets > 0 => "**to the proxy, with the secret**",
        (false, true, _) => "**to the proxy**",
        // It is plain HTTP inside, too.
        (false, false, true) => "**to the proxy, as a tunnel**",
        _ => panic!("neither straight nor to the proxy: {arrived}, {caught:?}, {answer:?}"),
    })
}
