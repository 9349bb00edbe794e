use std::sync::{Arc, Mutex};

use cambist_sim::fault::{Fault, Target};

use super::*;
use crate::observer::Observer;
use crate::testing::{World, scope};

const VAULT: &str = "https://vault.azure.net";

/// Keeps of each event what joins it with others, and how it prints.
#[derive(Debug, Default)]
struct Journal(Mutex<Vec<Line>>, Mutex<String>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    what: &'static str,
    principal: String,
    scope: String,
    request_id: Option<RequestId>,
    outcome: &'static str,
    took: Duration,
}

impl Observer for Journal {
    fn event(&self, event: &Event<'_>) {
        let reason = |outcome: Result<&AccessToken, &Error>| match outcome {
            Ok(_) => "ok",
            Err(error) => error.reason().as_str(),
        };
        let line = |what, principal: String, scope: &str, request_id, outcome, took| {
            let scope = scope.to_owned();
            Line { what, principal, scope, request_id, outcome, took }
        };
        let line = match event {
            Event::Served(it) => {
                let (who, scope) = (it.principal.to_string(), it.scope.resource());
                let what = it.how.as_str();
                line(what, who, scope, it.request_id(), reason(it.outcome), it.waited)
            }
            Event::Admitted(it) => {
                let (who, purpose) = (it.principal.to_string(), it.purpose.unwrap());
                let (scope, id) = (purpose.scope.resource(), purpose.request_id);
                line("admitted", who, scope, Some(id), "ok", Duration::ZERO)
            }
            Event::Fetched(it) => {
                let of_receipt = it.receipt().map(Receipt::request_id);
                assert!(it.outcome.is_err() || of_receipt == it.request_id());
                let (who, scope) = (it.principal.to_string(), it.scope.resource());
                line("worked", who, scope, it.request_id(), reason(it.outcome), it.took)
            }
            Event::KeysFetched(it) => {
                let issuer = it.issuer.as_str();
                line("looked", String::new(), issuer, None, it.outcome().as_str(), it.took)
            }
            Event::KeysJudged(it) => {
                let verdict = it.report.judgement.verdict.as_str();
                line("judged", String::new(), it.issuer.as_str(), None, verdict, Duration::ZERO)
            }
            Event::HistoryAiling(it) => {
                let path = it.path.display().to_string();
                line("ailing", String::new(), &path, None, "", Duration::ZERO)
            }
            Event::FileChanged(it) => {
                let path = it.path.display().to_string();
                line("changed", String::new(), &path, None, it.outcome().as_str(), Duration::ZERO)
            }
            // A credential has no callers.
            Event::CallerDenied(it) => unreachable!("{it:?}"),
        };
        self.0.lock().unwrap().push(line);
        self.1.lock().unwrap().push_str(&format!("{event:?}\n"));
    }
}

impl Journal {
    /// What happened since, but for judgements, which come when they come.
    fn take(&self) -> Vec<Line> {
        let all = std::mem::take(&mut *self.0.lock().unwrap());
        all.into_iter().filter(|line| line.what != "judged").collect()
    }
}

fn world() -> (World, Arc<Journal>) {
    let (mut world, journal) = (World::new(), Arc::new(Journal::default()));
    world.observer = journal.clone();
    (world, journal)
}

#[tokio::test(start_paused = true)]
async fn a_tokens_events_have_its_identity_its_scope_and_its_exchanges_id() {
    let (world, journal) = world();
    let settings = world.sim.settings();
    let principal = format!("{}/{}", settings.tenant_id, settings.client_id);
    world.sim.faults().inject(Target::Entra, Fault::Latency(Duration::from_secs(2)));
    let credential = world.credential();
    let token = credential.token(&scope(VAULT)).await.unwrap();
    let id = Some(token.receipt().request_id());
    credential.peek(VAULT).unwrap();
    let all = journal.take();
    let whats: Vec<_> = all.iter().map(|line| line.what).collect();
    assert_eq!(whats, ["looked", "admitted", "worked", "fetched", "hit"]);
    assert_eq!((&*all[0].scope, all[0].outcome), (&*settings.issuer, "read"));
    for line in &all[1..] {
        assert_eq!((&line.principal, &*line.scope), (&principal, VAULT), "{line:?}");
        assert_eq!((line.request_id, line.outcome), (id, "ok"), "{line:?}");
    }
    // The work took what Entra took; who came later waited for nothing.
    let times: Vec<_> = all[2..].iter().map(|line| line.took.as_secs()).collect();
    assert_eq!(times, [2, 2, 0]);
    let (printed, assertion) = (journal.1.lock().unwrap(), world.kubelet.token_file());
    let assertion = std::fs::read_to_string(assertion).unwrap();
    let signature = assertion.trim().rsplit('.').next().unwrap();
    for secret in [token.secret().expose(), signature] {
        assert!(!printed.contains(secret), "{printed}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failures_events_have_the_same_id() {
    let (world, journal) = world();
    let credential = world.credential();
    let fault = Fault::Aadsts { code: 700_213, status: None, retry_after: None };
    world.sim.faults().inject(Target::Entra, fault);
    let error = credential.token(&scope(VAULT)).await.unwrap_err();
    assert!(credential.token(&scope(VAULT)).await.is_err(), "it is remembered");
    let all = journal.take();
    let whats: Vec<_> = all.iter().map(|line| line.what).collect();
    assert_eq!(whats, ["looked", "admitted", "worked", "failed", "failed"]);
    assert!(error.request_id().is_some());
    assert!(all[1..].iter().all(|line| line.request_id == error.request_id()), "{all:?}");
    let failed = all[2..].iter().map(|line| line.outcome);
    assert!(failed.eq(["entra_no_matching_credential"; 3]), "{all:?}");
}

#[tokio::test(start_paused = true)]
async fn a_look_in_vain_says_where_and_what_stood_in_its_way() {
    let (world, journal) = world();
    world.sim.faults().inject(Target::Discovery, Fault::Hang);
    world.credential().token(&scope(VAULT)).await.unwrap();
    let all = journal.take();
    assert_eq!((all[0].what, all[0].outcome, all[0].took.as_secs()), ("looked", "failed", 5));
}

#[tokio::test(start_paused = true)]
async fn an_assertion_that_somebody_else_exchanges_has_no_purpose_here() {
    #[derive(Debug, Default)]
    struct Purposes(Mutex<Vec<bool>>);
    impl Observer for Purposes {
        fn event(&self, event: &Event<'_>) {
            let Event::Admitted(Admitted { purpose, .. }) = event else { return };
            self.0.lock().unwrap().push(purpose.is_some());
        }
    }
    let (mut world, purposes) = (World::new(), Arc::new(Purposes::default()));
    world.observer = purposes.clone();
    world.trust().assertions(&world.config().identity).next().await.unwrap();
    assert_eq!(*purposes.0.lock().unwrap(), [false]);
}
