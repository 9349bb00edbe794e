//! Issuers, Entras and tokens that mean harm, or were never meant to be read: whatever they send, no
//! log line, reply or value of the status grows beyond what people read, none holds a secret, and
//! none writes to a terminal what is no text.

mod entra;
mod issuers;
mod limits;
mod server;
mod tokens;

use futures_util::StreamExt as _;
use kit::program::Program;
use kit::{Sidecar, World};

use crate::{SIDECAR, program};
use limits::{Wrong, check};
use server::{Case, Server};

/// So many cases are played side by side.
const AT_ONCE: usize = 4;

/// Holds that nothing was wrong, and says of each case what was.
fn assert_harmless(wrong: Vec<Wrong>, played: usize) {
    let list: Vec<_> = wrong.iter().map(ToString::to_string).collect();
    assert!(list.is_empty(), "{} wrong in {played} cases:\n{}", list.len(), list.join("\n"));
}

/// All of what a sidecar tells to others than its app.
async fn check_outputs(case: &str, sidecar: Sidecar, wrong: &mut Vec<Wrong>) {
    let status = sidecar.ask_admin("/status.json").await;
    check::status(case, status.text(), wrong);
    for path in ["/ready?tokens=1", "/metrics", "/live"] {
        check::lines(&format!("{case}: {path}"), sidecar.ask_admin(path).await.text(), wrong);
    }
    // Its end is an orderly one, and what it wrote is searched for secrets.
    let ended = sidecar.stop().await;
    check::log(&format!("{case}: the log"), &ended.output(), wrong);
}

/// Plays all cases in one world; each has a server and a sidecar of its own.
async fn play_all<F>(cases: Vec<Case>, play: impl Fn(Case) -> F)
where
    F: Future<Output = Vec<Wrong>>,
{
    let played = cases.len();
    let wrong = futures_util::stream::iter(cases.into_iter().map(play));
    let wrong: Vec<_> = wrong.buffer_unordered(AT_ONCE).collect().await;
    assert_harmless(wrong.into_iter().flatten().collect(), played);
}

#[tokio::test]
#[ignore = "slow: the whole corpus of hostile issuers"]
async fn no_issuer_makes_a_message_grow_or_a_secret_show() {
    let world = World::start().await;
    play_all(issuers::cases(), |case| play_issuer(&world, case)).await;
}

async fn play_issuer(world: &World, case: Case) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    let sim = world.running().sim();
    let server = Server::start(&case, world, &sim.issuer().signer().jwk()).await;
    let (url, ca) = (server.url().to_owned(), server.ca_file());
    let token = sim.issuer().sign(&sim.token_spec().claim("iss", server.url())).unwrap();
    world.secrets().add(&token);
    let sidecar = Sidecar::spawn(
        SIDECAR,
        world,
        program(world)
            .set("AZURE_FEDERATED_TOKEN_FILE", server.file("token", &token))
            .set("CAMBIST_ISSUER", &url)
            .set("CAMBIST_CA_FILE", &ca)
            .set("CAMBIST_KEY_AGE", "enforce"),
    )
    .await;
    let reply = sidecar.token(kit::sidecar::VAULT).await;
    check::reply(&case.name, &reply, &mut wrong);
    check_outputs(&case.name, sidecar, &mut wrong).await;
    for format in ["table", "json"] {
        let ended = Program::new(env!("CARGO_BIN_EXE_shim-cambist"))
            .args(&["issuer", "check", "--issuer", &url, "--ca-file", &ca, "-o", format])
            .run()
            .await;
        let what = format!("{}: the command, as {format}", case.name);
        // What could not be read is UNKNOWN, and what was read may be anything; it is no crash.
        if !matches!(ended.code(), Some(0..=3)) {
            wrong.push(Wrong::new(&what, format!("ended with {:?}", ended.status)));
        }
        check::output(&what, &ended.stdout, &mut wrong);
        check::lines(&what, &ended.stderr, &mut wrong);
        world.secrets().assert_absent(&what, &ended.output());
    }
    wrong
}

#[tokio::test]
#[ignore = "slow: the whole corpus of hostile answers"]
async fn no_entra_makes_a_message_grow_or_a_secret_show() {
    let world = World::start().await;
    world.secrets().add(entra::TOKEN);
    play_all(entra::cases(), |case| play_entra(&world, case)).await;
}

async fn play_entra(world: &World, case: Case) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    let server = Server::start(&case, world, &serde_json::Value::Null).await;
    let sidecar = Sidecar::spawn(
        SIDECAR,
        world,
        program(world)
            .set("AZURE_AUTHORITY_HOST", server.url())
            .set("CAMBIST_ALLOW_AUTHORITY", server.url())
            .set("CAMBIST_ENTRA_CA_FILE", server.ca_file()),
    )
    .await;
    for request in [sidecar.app_service("api://a"), sidecar.native("api://a")] {
        let reply = sidecar.send(&request).await;
        check::reply(&case.name, &reply, &mut wrong);
    }
    check_outputs(&case.name, sidecar, &mut wrong).await;
    wrong
}

#[tokio::test]
async fn no_projected_token_makes_a_message_grow_or_a_secret_show() {
    let mut wrong = Vec::new();
    let world = World::start().await;
    let sidecar = crate::sidecar(&world).await;
    let cases = tokens::cases(world.running().sim());
    let played = cases.len();
    for (name, text) in cases {
        world.project(&text);
        let reply = sidecar.token(&format!("api://{name}")).await;
        check::reply(name, &reply, &mut wrong);
    }
    check_outputs("tokens", sidecar, &mut wrong).await;
    assert_harmless(wrong, played);
}
