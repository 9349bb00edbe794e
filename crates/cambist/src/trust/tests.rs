use std::fs;
use std::sync::Arc;
use std::time::Duration;

use cambist_core::scope::Scope;
use cambist_sim::fault::{Fault, Target};
use futures_util::future::join_all;
use http::StatusCode;
use tokio::time::sleep;

use crate::config::Identity;
use crate::files::Look;
use crate::testing::{Changes, World, reason, scope};

const IDENTITIES: usize = 1000;
const TOKEN: &str = "token AZURE_FEDERATED_TOKEN_FILE";

fn identities(world: &World) -> Vec<Identity> {
    let one = world.config().identity;
    let named =
        |n| Identity { client_id: format!("00000000-0000-0000-0000-{n:012}"), ..one.clone() };
    (0..IDENTITIES).map(named).collect()
}

#[tokio::test(start_paused = true)]
async fn however_many_identities_fetch_one_key_set() {
    let world = World::new();
    let trust = world.trust();
    let credentials: Vec<_> = identities(&world).iter().map(|it| trust.credential(it)).collect();
    // Making them asks nobody.
    assert_eq!(world.asked(), (0, 0, 0));
    let scope = scope("https://vault.azure.net");
    join_all(credentials.iter().map(|credential| credential.token(&scope))).await;
    let (exchanges, discovery, key_sets) = world.asked();
    assert!(exchanges >= 1, "{exchanges}");
    assert_eq!((discovery, key_sets), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn however_many_identities_hold_four_thousand_tokens_together() {
    let world = World::new();
    let trust = world.trust();
    let credentials: Vec<_> =
        identities(&world).iter().take(5).map(|it| trust.credential(it)).collect();
    // Who is asked to leave Entra alone holds failures, which take as much room and no time.
    world.sim.faults().inject(Target::Entra, throttled("600"));
    for credential in &credentials {
        for n in 0..850 {
            credential.token(&scope(&format!("api://{n}"))).await.unwrap_err();
        }
    }
    let held: usize = credentials.iter().map(|it| it.entries().len()).sum();
    assert_eq!(held, 4000);
    let pinned = (0..100).map(|n| scope(&format!("api://pinned-{n}")));
    credentials[0].prefetch(pinned);
    assert_eq!(credentials[0].prefetched().len(), 100);
}

#[tokio::test(start_paused = true)]
async fn an_identity_is_prefetched_from_the_start() {
    let world = World::new();
    let prefetch: Vec<Scope> = vec![scope("https://vault.azure.net")];
    let mut identity = world.config().identity;
    identity.prefetch.clone_from(&prefetch);
    assert_eq!(world.trust().credential(&identity).prefetched(), prefetch);
}

fn throttled(retry_after: &str) -> Fault {
    let (status, retry_after) = (StatusCode::TOO_MANY_REQUESTS, Some(retry_after.to_owned()));
    Fault::Status { status, retry_after }
}

#[tokio::test(start_paused = true)]
async fn credentials_of_one_identity_keep_one_pause() {
    let world = World::new();
    let trust = world.trust();
    let identity = world.config().identity;
    let (one, two) = (trust.credential(&identity), trust.credential(&identity));
    let (vault, graph) = (scope("https://vault.azure.net"), scope("https://graph.microsoft.com"));
    world.sim.faults().inject_next(1, Target::Entra, throttled("600"));
    assert!(one.token(&vault).await.is_err());
    sleep(Duration::from_secs(10)).await;
    // Nor does one that is made anew, or whose client id is written otherwise.
    let client_id = identity.client_id.to_uppercase();
    let shouting = trust.credential(&Identity { client_id, ..identity.clone() });
    for other in [two.clone(), trust.credential(&identity), shouting] {
        let error = other.token(&graph).await.unwrap_err();
        assert_eq!(error.reason().as_str(), "entra_throttled");
        assert_eq!(error.retry_after(), Some(Duration::from_secs(590)));
    }
    assert_eq!(world.asked().0, 1);
    // It is the identity that is throttled, and nobody else.
    let client_id = "00000000-0000-0000-0000-000000000009".to_owned();
    let stranger = trust.credential(&Identity { client_id, ..identity });
    let _ = stranger.token(&vault).await;
    assert_eq!(world.asked().0, 2);
    sleep(Duration::from_secs(591)).await;
    assert!(two.token(&graph).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_long_pause_is_probed_by_one_credential_of_all() {
    let world = World::new();
    let trust = world.trust();
    let identity = world.config().identity;
    let all: Vec<_> = (0..5).map(|_| trust.credential(&identity)).collect();
    world.sim.faults().inject(Target::Entra, throttled("31536000"));
    let vault = scope("https://vault.azure.net");
    assert!(all[0].token(&vault).await.is_err());
    for probes in 1..4 {
        sleep(Duration::from_secs(601)).await;
        join_all(all.iter().map(|credential| credential.token(&vault))).await;
        assert_eq!(world.asked().0, 1 + probes);
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_file_that_changes_ends_what_failed_for_it_and_nothing_else() {
    let (mut world, changes) = (World::new(), Arc::<Changes>::default());
    world.observer = changes.clone();
    let trust = world.trust();
    let credential = trust.credential(&world.config().identity);
    let [held, refused, other] = ["api://held", "api://refused", "api://other"].map(scope);
    credential.token(&held).await.unwrap();
    assert_eq!(trust.look_at_files().await, Look::Settled);
    let aadsts = |code| Fault::Aadsts { code, status: None, retry_after: None };
    world.sim.faults().inject_next(1, Target::Entra, aadsts(700_213));
    assert_eq!(reason(&credential, &refused).await, "entra_no_matching_credential");
    // That is nothing that another assertion helps.
    world.sim.faults().inject_next(1, Target::Entra, aadsts(500_011));
    assert_eq!(reason(&credential, &other).await, "entra_resource_unknown");
    sleep(Duration::from_secs(5)).await;

    // The same token in another file.
    let token = fs::read(world.kubelet.token_file()).unwrap();
    world.kubelet.write(&token).unwrap();
    assert_eq!(trust.look_at_files().await, Look::Settled);
    assert_eq!(reason(&credential, &refused).await, "entra_no_matching_credential");

    world.kubelet.project().unwrap();
    assert_eq!(trust.look_at_files().await, Look::Settling);
    assert_eq!(reason(&credential, &refused).await, "entra_no_matching_credential");
    assert_eq!(trust.look_at_files().await, Look::Settled);
    assert_eq!(changes.one(TOKEN), Ok(()));
    let asked = world.asked().0;
    assert_eq!(reason(&credential, &refused).await, "");
    assert_eq!(reason(&credential, &held).await, "");
    assert_eq!(reason(&credential, &other).await, "entra_resource_unknown");
    assert_eq!(world.asked().0, asked + 1);
}

#[tokio::test(start_paused = true)]
async fn until_when_a_projected_token_lives_is_known_by_whoever_saw_it_last() {
    let world = World::new();
    let trust = world.trust();
    let identity = world.config().identity;
    let (one, vault) = (trust.credential(&identity), scope("https://vault.azure.net"));
    assert_eq!(one.projected_token_expires_on(), None, "nobody looked");
    assert_eq!(trust.look_at_files().await, Look::Settled);
    let first = one.projected_token_expires_on().unwrap();
    // One that comes later knows it, too, without having read the file.
    let late = trust.credential(&identity);
    assert_eq!(late.projected_token_expires_on(), Some(first));

    sleep(Duration::from_secs(1000)).await;
    world.kubelet.project().unwrap();
    late.token(&vault).await.unwrap();
    let second = late.projected_token_expires_on().unwrap();
    assert_eq!(second.since(first).as_secs(), 1000);
    assert_eq!(one.projected_token_expires_on(), Some(first), "it has not looked since");
    while trust.look_at_files().await == Look::Settling {}
    assert_eq!(one.projected_token_expires_on(), Some(second));
    // What is no token tells nothing.
    world.kubelet.write(b"").unwrap();
    while trust.look_at_files().await == Look::Settling {}
    assert_eq!(one.projected_token_expires_on(), Some(second));
}

#[tokio::test(start_paused = true)]
async fn who_asked_to_be_left_alone_is_whatever_the_token_file_does() {
    let world = World::new();
    let trust = world.trust();
    let credential = trust.credential(&world.config().identity);
    let _ = trust.look_at_files().await;
    let later = Some("300".to_owned());
    let stale = Fault::Aadsts { code: 700_213, status: None, retry_after: later };
    world.sim.faults().inject_next(1, Target::Entra, stale);
    let vault = scope("https://vault.azure.net");
    assert_eq!(reason(&credential, &vault).await, "entra_no_matching_credential");
    sleep(Duration::from_secs(5)).await;
    world.kubelet.project().unwrap();
    for look in [Look::Settling, Look::Settled] {
        assert_eq!(trust.look_at_files().await, look);
    }
    assert_eq!(reason(&credential, &vault).await, "entra_no_matching_credential");
    assert_eq!(world.asked().0, 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_comes_back_or_comes_late_is_asked_with_at_once() {
    let (mut world, changes) = (World::new(), Arc::<Changes>::default());
    world.observer = changes.clone();
    let trust = world.trust();
    let vault = scope("https://vault.azure.net");
    let mut identity = world.config().identity;
    identity.prefetch = vec![vault.clone()];
    let credential = trust.credential(&identity);
    let path = world.kubelet.token_file();
    let token = fs::read_to_string(&path).unwrap();
    world.kubelet.write(b"").unwrap();
    assert_eq!(trust.look_at_files().await, Look::Settled);
    let maintaining = tokio::spawn({
        let credential = credential.clone();
        async move { credential.maintain().await }
    });
    // It has failed often enough to wait for long.
    sleep(Duration::from_secs(100)).await;
    assert_eq!(reason(&credential, &vault).await, "token_file_empty");
    assert_eq!(changes.take(), [], "the first look tells nothing");
    let cut = &token[..token.len() - 200];
    for (content, words) in [("no token", "no signed token"), (&token, ""), (cut, "")] {
        fs::write(&path, content).unwrap();
        assert_eq!(trust.look_at_files().await, Look::Settling);
        assert!(!credential.holds(&vault));
        if !words.is_empty() {
            assert_eq!(trust.look_at_files().await, Look::Settled);
            let problem = changes.one(TOKEN).unwrap_err();
            assert!(problem.contains(&path.display().to_string()), "{problem}");
        }
    }
    fs::write(&path, &token).unwrap();
    assert_eq!(trust.look_at_files().await, Look::Settling);
    assert_eq!(trust.look_at_files().await, Look::Settled);
    assert_eq!(changes.one(TOKEN), Ok(()));
    // Nobody asks for it: what is prefetched is fetched.
    sleep(Duration::from_millis(1)).await;
    assert!(credential.holds(&vault));
    maintaining.abort();
}

#[tokio::test(start_paused = true)]
async fn work_that_began_with_the_old_token_may_fail_after_there_is_a_new_one() {
    let world = World::new();
    let trust = world.trust();
    let credential = trust.credential(&world.config().identity);
    let _ = trust.look_at_files().await;
    let vault = scope("https://vault.azure.net");
    // The token is read before the keys are, and judged after.
    let slow = Fault::Latency(Duration::from_secs(3));
    world.sim.faults().inject_next(1, Target::Discovery, slow);
    let old = fs::read(world.kubelet.token_file()).unwrap();
    world.kubelet.write(&old[..old.len() - 2]).unwrap();
    let asking = tokio::spawn({
        let (credential, vault) = (credential.clone(), vault.clone());
        async move { reason(&credential, &vault).await }
    });
    sleep(Duration::from_secs(1)).await;
    world.kubelet.project().unwrap();
    while trust.look_at_files().await == Look::Settling {}
    assert_ne!(asking.await.unwrap(), "");
    assert_eq!(reason(&credential, &vault).await, "");
}

#[tokio::test(start_paused = true)]
async fn token_files_are_looked_at_while_somebody_has_their_credentials() {
    let world = World::new();
    let trust = world.trust();
    let identity = world.config().identity;
    let other = Identity { token_file: "/nowhere/token".into(), ..identity.clone() };
    let first = trust.credential(&identity);
    let second = trust.credential(&identity);
    let third = trust.credential(&other);
    assert_eq!(trust.0.token_files.watched().len(), 2);
    drop((first, third));
    assert_eq!(trust.0.token_files.watched().len(), 1);
    drop(second);
    assert_eq!(trust.0.token_files.watched().len(), 0);
}
