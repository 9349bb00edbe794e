//! Whom Entra asks to leave it alone.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_blueprints_pause_stops_the_first_hop_of_all_its_agents_and_nothing_else() {
    let bench = Bench::new();
    let (agent, other) = (bench.agent(), bench.trust.credential(&bench.identity(OTHER_AGENT)));
    agent.token(&scope(VAULT)).await.unwrap();
    bench.entra.refuse(Hop::Blueprint, BLUEPRINT, Refusal::pause(1, "60"));
    for n in 0..59 {
        let error = other.token(&scope(&format!("api://{n}"))).await.unwrap_err();
        assert_eq!(error.reason().as_str(), "entra_throttled");
        assert_eq!(error.blueprint().unwrap().agent(), Some(OTHER_AGENT));
        assert!((secs(0)..=secs(60 - n)).contains(&error.retry_after().unwrap()), "{error:?}");
        // Who has something to show needs no blueprint.
        agent.token(&scope(&format!("api://{n}"))).await.unwrap();
        sleep(secs(1)).await;
    }
    assert_eq!(bench.entra.asked(), (2, 60));
    // An agent that comes later keeps the same pause, and hears of it under its own name.
    let third = bench.trust.credential(&bench.identity("third"));
    let error = third.token(&scope(VAULT)).await.unwrap_err();
    assert_eq!(error.blueprint().unwrap().agent(), Some("third"));
    assert_eq!(bench.entra.asked(), (2, 60));
    sleep(secs(2)).await;
    other.token(&scope(VAULT)).await.unwrap();
    assert_eq!(bench.entra.asked(), (3, 61));
}

#[tokio::test(start_paused = true)]
async fn an_agents_pause_stops_its_second_hop_and_nothing_else() {
    let bench = Bench::new();
    let (agent, other) = (bench.agent(), bench.trust.credential(&bench.identity(OTHER_AGENT)));
    bench.entra.refuse(Hop::Resource, AGENT, Refusal::pause(1, "60"));
    for n in 0..59 {
        let error = agent.token(&scope(&format!("api://{n}"))).await.unwrap_err();
        assert_eq!((error.reason().as_str(), error.blueprint()), ("entra_throttled", None));
        other.token(&scope(&format!("api://{n}"))).await.unwrap();
        sleep(secs(1)).await;
    }
    // Each agent has its own to show, and nothing is asked for that could not be used.
    assert_eq!(bench.entra.asked(), (2, 60));
    let again = bench.trust.credential(&bench.identity(AGENT));
    assert!(again.token(&scope(VAULT)).await.is_err());
    assert_eq!(bench.entra.asked(), (2, 60));
    sleep(secs(2)).await;
    agent.token(&scope(VAULT)).await.unwrap();
    assert_eq!(bench.entra.asked(), (2, 61));
}

#[tokio::test(start_paused = true)]
async fn a_workload_of_the_same_client_id_keeps_the_blueprints_pause() {
    let bench = Bench::new();
    bench.entra.refuse(Hop::Blueprint, BLUEPRINT, Refusal::pause(1, "60"));
    assert!(bench.agent().token(&scope(VAULT)).await.is_err());
    let itself = Identity { client_id: BLUEPRINT.to_owned(), ..bench.world.config().identity };
    let error = bench.trust.credential(&itself).token(&scope(VAULT)).await.unwrap_err();
    assert_eq!((error.reason().as_str(), error.blueprint()), ("entra_throttled", None));
    assert_eq!(bench.entra.asked(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn an_identity_whose_assertions_are_exchanged_elsewhere_presents_its_blueprint() {
    let bench = Bench::new();
    bench.trust.assertions(&bench.identity(AGENT)).next().await.unwrap();
    let blueprint = format!("{}/{BLUEPRINT} for {AGENT}", bench.tenant());
    assert_eq!(*bench.journal.1.lock().unwrap(), [blueprint]);
}
