//! What each hop says when it fails.

use cambist_sim::fault::{Fault, Target};
use cambist_sim::keys::SigningKey;

use super::*;
use crate::files::Look;
use crate::reason::Reason;

/// Has the issuer publish the private part of a key.
pub(super) fn leak(bench: &Bench, signer: &SigningKey) {
    let mut leaked = signer.jwk();
    leaked["d"] = "AQAB".into();
    let body = Fault::Body {
        status: http::StatusCode::OK,
        content_type: "application/jwk-set+json".to_owned(),
        body: format!(r#"{{"keys":[{leaked}]}}"#),
    };
    bench.world.sim.faults().inject(Target::Jwks, body);
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_the_first_says_so_and_speaks_of_the_blueprint() {
    let listed = "Microsoft Graph under /applications/{the blueprint's object id}/federatedIdentityCredentials";
    for (code, reason, words) in [
        (700_213, "entra_no_matching_credential", listed),
        (700_211, "entra_no_matching_credential", "is to be asked in the agent's"),
        (70_025, "entra_no_matching_credential", "has no federated credential at all"),
        (700_024, "entra_assertion_stale", "is the kubelet renewing the file"),
        (700_016, "entra_app_unknown", "with the agent identity blueprint"),
        (7_000_229, "entra_app_unknown", "agentIdentityBlueprintPrincipal"),
        (500_011, "entra_resource_unknown", "the cloud of the agent's authority"),
        (90_002, "entra_tenant_unknown", "Check the agent's tenant"),
        (123, "entra_refused", "as blueprint bbbbbbbb-0000"),
    ] {
        let bench = Bench::new();
        let agent = bench.agent();
        bench.entra.refuse(Hop::Blueprint, BLUEPRINT, Refusal::code(9, code));
        let error = agent.token(&scope(VAULT)).await.unwrap_err();
        let text = error.to_string();
        let begins = format!(
            "at the first of two exchanges, as blueprint {BLUEPRINT} for agent {AGENT}: Entra refused"
        );
        assert!(text.starts_with(&begins) && text.contains(words), "{text}");
        assert!(!text.contains("AZURE_") && !text.contains("`az identity"), "{text}");
        assert_eq!(
            (error.reason().as_str(), error.entra().unwrap().codes()),
            (reason, &[code][..])
        );
        let blueprint = error.blueprint().unwrap();
        assert_eq!((blueprint.client_id(), blueprint.agent()), (BLUEPRINT, Some(AGENT)));
        // The resource's token was not asked for, and both are told of.
        assert_eq!(bench.entra.asked().1, 0);
        let told: Vec<_> = bench.journal.0.lock().unwrap().iter().map(|it| (it.0, it.2)).collect();
        assert_eq!(told, [(Hop::Blueprint, reason), (Hop::Resource, reason)]);
        let kept = agent.entries()[0].failure.clone().unwrap();
        assert_eq!(kept.blueprint(), error.blueprint());
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_before_the_first_says_so_too() {
    let bench = Bench::new();
    bench.world.kubelet.write(b"no token").unwrap();
    let error = bench.agent().token(&scope(VAULT)).await.unwrap_err();
    assert!(
        error.to_string().contains(&format!("as blueprint {BLUEPRINT} for agent {AGENT}")),
        "{error}"
    );
    assert_eq!(bench.entra.asked(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_the_second_speaks_of_the_agent() {
    for (code, reason, words) in [
        (70_021, "entra_no_matching_credential", "agentIdentityBlueprintId"),
        (700_231, "entra_issued_assertion", "agentIdentityBlueprintId"),
        (7_000_272, "entra_signature_unknown", "what blueprint bbbbbbbb-0000"),
        (700_016, "entra_app_unknown", "Compare the agent's client id (aaaaaaaa-0000"),
        (7_000_112, "entra_app_unknown", "enable the agent identity"),
        (700_024, "entra_assertion_stale", "by this node's clock"),
        (500_011, "entra_resource_unknown", "\"https://vault.azure.net\""),
        (53_003, "entra_blocked_by_policy", "blocks agent aaaaaaaa-0000"),
        (123, "entra_refused", "as agent aaaaaaaa-0000"),
    ] {
        let bench = Bench::new();
        bench.entra.refuse(Hop::Resource, AGENT, Refusal::code(9, code));
        let error = bench.agent().token(&scope(VAULT)).await.unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("Entra refused") && text.contains(words), "{text}");
        assert!(!text.contains("AZURE_") && !text.contains("stands-for-agent"), "{text}");
        assert_eq!((error.reason().as_str(), error.blueprint()), (reason, None));
        let told: Vec<_> = bench.journal.0.lock().unwrap().iter().map(|it| (it.0, it.2)).collect();
        assert_eq!(told.last(), Some(&(Hop::Resource, reason)));
        assert!(told[..told.len() - 1].iter().all(|it| *it == (Hop::Blueprint, "ok")), "{told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_entra_repeats_of_either_assertion_is_not_shown() {
    let bench = Bench::new();
    let projected = std::fs::read_to_string(bench.world.kubelet.token_file()).unwrap();
    for (hop, who, secret) in [
        (Hop::Blueprint, BLUEPRINT, projected.trim()),
        (Hop::Resource, AGENT, "stands-for-agent-2"),
    ] {
        let said = format!(
            r#"{{"error":"invalid_client","error_description":"AADSTS700024: {secret}."}}"#
        );
        let refusal = Refusal { body: said, ..Refusal::code(1, 0) };
        bench.entra.refuse(hop, who, refusal.clone());
        let error = bench.agent().token(&scope(VAULT)).await;
        let text = error.map_or_else(|error| error.to_string(), |_| "tried again".to_owned());
        assert!(!text.contains(secret), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_failure_of_the_first_is_seen_while_a_token_is_held() {
    let body = |status, body: &str| Refusal {
        times: 9999,
        status,
        body: body.to_owned(),
        retry_after: "",
    };
    for refusal in [
        Refusal::code(9999, 700_213),
        Refusal::code(9999, 700_024),
        Refusal::code(9999, 50_196),
        Refusal::pause(9999, "600"),
        body(503, "<html>"),
        body(200, "{}"),
        body(307, ""),
    ] {
        let bench = Bench::new();
        let agent = bench.agent();
        let first = agent.token(&scope(VAULT)).await.unwrap();
        bench.entra.refuse(Hop::Blueprint, BLUEPRINT, refusal.clone());
        bench.entra.refuse(Hop::Resource, AGENT, Refusal::code(9999, 700_024));
        let started = Instant::now();
        while started.elapsed() < secs(3590) {
            bench.world.kubelet.project().unwrap();
            let token = agent.token(&scope(VAULT)).await;
            let token = token.unwrap_or_else(|error| panic!("{refusal:?}: {error}"));
            assert_eq!(text(&token), text(&first));
            sleep(secs(30)).await;
        }
        sleep(secs(60)).await;
        let error = agent.token(&scope(VAULT)).await.expect_err(&format!("{refusal:?}"));
        let (first, second) = bench.entra.asked();
        assert!(first + second < 200, "{refusal:?}: {first} {second}");
        // And when all is well again, so are both hops, without anybody's help.
        bench.entra.refuse(Hop::Blueprint, BLUEPRINT, Refusal::code(0, 0));
        bench.entra.refuse(Hop::Resource, AGENT, Refusal::code(0, 0));
        sleep(error.retry_after().unwrap_or_default() + secs(1)).await;
        agent
            .token(&scope(VAULT))
            .await
            .unwrap_or_else(|error| panic!("after {refusal:?}: {error}"));
    }
}

#[tokio::test(start_paused = true)]
async fn what_stands_for_the_agent_is_shown_as_long_as_it_is_valid_whatever_the_first_does() {
    let bench = Bench::new();
    let agent = bench.agent();
    agent.token(&scope(VAULT)).await.unwrap();
    bench.entra.refuse(Hop::Blueprint, BLUEPRINT, Refusal::code(9999, 700_213));
    for n in 0..35 {
        bench.world.kubelet.project().unwrap();
        agent.token(&scope(&format!("api://{n}"))).await.unwrap();
        sleep(secs(100)).await;
    }
    sleep(secs(100)).await;
    let error = agent.token(&scope("api://late")).await.unwrap_err();
    assert_eq!(error.reason(), Reason::EntraNoMatchingCredential);
    assert!(bench.entra.asked().0 < 12, "{:?}", bench.entra.asked());
}

#[tokio::test(start_paused = true)]
async fn a_stale_one_is_replaced_once_and_tried_once_more() {
    let bench = Bench::new();
    let agent = bench.agent();
    agent.token(&scope(VAULT)).await.unwrap();
    assert_eq!(bench.entra.shown_last(), "stands-for-agent-1");
    bench.entra.refuse(Hop::Resource, AGENT, Refusal::code(1, 700_024));
    agent.token(&scope("api://a")).await.unwrap();
    assert_eq!(bench.entra.asked(), (2, 3));
    assert_eq!(bench.entra.shown_last(), "stands-for-agent-4");
    // Of many that are refused at once, the first replaces it for all.
    bench.entra.slow(Duration::from_millis(100));
    bench.entra.refuse(Hop::Resource, AGENT, Refusal::code(20, 700_024));
    let scopes: Vec<_> = (0..20).map(|n| scope(&format!("api://many-{n}"))).collect();
    let tokens = join_all(scopes.iter().map(|scope| agent.token(scope))).await;
    assert!(tokens.iter().all(Result::is_ok));
    assert_eq!(bench.entra.asked(), (3, 43));
    // And what is refused again is refused.
    bench.entra.refuse(Hop::Resource, AGENT, Refusal::code(9, 700_024));
    let error = agent.token(&scope("api://b")).await.unwrap_err();
    assert_eq!((error.entra().unwrap().codes(), error.blueprint()), (&[700_024][..], None));
    assert_eq!(bench.entra.asked(), (4, 45));
}

#[tokio::test(start_paused = true)]
async fn a_stale_projected_token_is_read_again_and_one_that_is_over_is_not_shown() {
    let bench = Bench::new();
    let agent = bench.agent();
    bench.entra.refuse(Hop::Blueprint, BLUEPRINT, Refusal::code(1, 700_024));
    agent.token(&scope(VAULT)).await.unwrap();
    assert_eq!(bench.entra.asked(), (2, 1));
    // Nobody needed anything while what stands for the agent ended.
    sleep(secs(3600)).await;
    bench.world.kubelet.project().unwrap();
    agent.token(&scope(VAULT)).await.unwrap();
    assert_eq!((bench.entra.asked(), &*bench.entra.shown_last()), ((3, 2), "stands-for-agent-4"));
}

#[tokio::test(start_paused = true)]
async fn a_stale_one_that_cannot_be_replaced_says_why_not() {
    let bench = Bench::new();
    let agent = bench.agent();
    agent.token(&scope(VAULT)).await.unwrap();
    bench.entra.refuse(Hop::Resource, AGENT, Refusal::code(9, 700_024));
    bench.entra.refuse(Hop::Blueprint, BLUEPRINT, Refusal::code(9, 700_213));
    for n in 0..3 {
        let error = agent.token(&scope(&format!("api://{n}"))).await.unwrap_err();
        assert_eq!(error.entra().unwrap().codes(), [700_213], "{error}");
        assert!(error.blueprint().is_some());
    }
    assert_eq!(bench.entra.asked(), (2, 4), "not asked for again at once");
}

#[tokio::test(start_paused = true)]
async fn another_projected_token_is_tried_at_once_by_both() {
    let bench = Bench::new();
    let (agent, file) = (bench.agent(), bench.world.config().identity.token_file);
    let good = std::fs::read(&file).unwrap();
    std::fs::write(&file, "no token").unwrap();
    let look = async || while bench.trust.look_at_files().await == Look::Settling {};
    look().await;
    assert!(agent.token(&scope(VAULT)).await.unwrap_err().blueprint().is_some());
    std::fs::write(&file, good).unwrap();
    assert!(agent.token(&scope(VAULT)).await.is_err(), "nobody has seen it yet");
    sleep(Duration::from_millis(10)).await;
    look().await;
    agent.token(&scope(VAULT)).await.unwrap();
    assert_eq!(bench.entra.asked(), (1, 1));
}
