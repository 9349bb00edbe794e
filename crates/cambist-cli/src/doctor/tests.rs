//! What follows from what; and the checks that no world can make fail from outside.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use cambist::transport::Transport;
use cambist_core::clock::UnixTime;
use cambist_core::token::ProjectedToken;
use cambist_key_age::Verdict as Age;
use clap::Parser as _;

use super::check::{Check, Fix, Judge, Judged, Resolved, resolve};
use super::facts::{self, Entra, Environment, Exchange, Facts, Forgery, Issuer, Token, Workload};
use super::place::Place;
use super::report::{Report, Verdict};
use crate::cli::{Cli, Command};
use crate::testing::Pod;
use crate::world::World;

fn place() -> Place {
    let words = "a test".to_owned();
    Place { words, in_pod: true, workload: true, app: false, is_bare: false, left_out: Vec::new() }
}

fn nothing() -> Facts {
    let environment = Environment::default();
    Facts { place: place(), environment, workload: None, app: None, sidecar: None }
}

const fn check(id: &'static str, after: &'static [&'static str], judge: Judge) -> Check {
    Check { id, title: "", looks_at: "", fails: "", remedy: "", after, judge }
}

fn fix() -> Fix {
    Fix::new("fix")
}

const OK: Judge = Judge::Environment(|_| Judged::Ok("so".to_owned()));
const FAILS: Judge = Judge::Environment(|_| Judged::Failed("not so".to_owned(), fix()));
const UNKNOWN: Judge = Judge::Environment(|_| Judged::Unknown("who knows".to_owned()));
const WARNS_OF_A: Judge =
    Judge::Environment(|_| Judged::WarningBecause("A", "would not".to_owned(), fix()));
const OF_A: Judge = Judge::Environment(|_| Judged::Because("A", "would not".to_owned(), fix()));

/// `!` for a failure, `?` for what nobody can tell, or the cause.
fn told(checks: &[Check]) -> String {
    let resolved = resolve(checks.iter(), &nothing());
    let told = resolved.iter().map(|(check, resolved)| match resolved {
        Resolved::Silenced(cause) => format!("{}<{cause}", check.id),
        Resolved::Judged(Judged::Ok(_)) => check.id.to_owned(),
        Resolved::Judged(Judged::Failed(..)) => format!("{}!", check.id),
        Resolved::Judged(_) => format!("{}?", check.id),
    });
    told.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_consequence_is_not_told_and_no_failure_is_lost() {
    let ab = |a, b| told(&[check("A", &[], a), check("B", &["A"], b)]);
    assert_eq!(ab(FAILS, UNKNOWN), "A! B<A");
    assert_eq!(ab(OK, UNKNOWN), "A B?");
    // A failure of its own is told whatever else fails.
    assert_eq!(ab(FAILS, FAILS), "A! B!");
    assert_eq!(ab(FAILS, OF_A), "A! B<A");
    // Of something that does not fail nothing follows.
    assert_eq!(ab(OK, OF_A), "A B!");
    assert_eq!(ab(UNKNOWN, OF_A), "A? B!");
    // Of a warning the same is so, and it stays one.
    assert_eq!(ab(FAILS, WARNS_OF_A), "A! B<A");
    assert_eq!(ab(OK, WARNS_OF_A), "A B?");
    // What is not told is no cause; what stands in for it is one.
    let abc =
        |a| told(&[check("A", &[], a), check("B", &["A"], OF_A), check("C", &["B", "A"], UNKNOWN)]);
    assert_eq!(abc(FAILS), "A! B<A C<A");
    assert_eq!(abc(OK), "A B! C<B");
    // Not even if they name each other.
    let of_b = Judge::Environment(|_| Judged::Because("B", String::new(), fix()));
    assert_eq!(told(&[check("A", &["B"], of_b), check("B", &["A"], OF_A)]), "A! B!");
}

/// A workload of which all is well, in a simulated world.
fn workload() -> Workload {
    let token = Pod::new().sim.token().unwrap();
    let claims = ProjectedToken::parse(&token).unwrap().claims().clone();
    let now = claims.issued_at;
    let forgery = |how| Forgery { how, refused: Some("no".to_owned()) };
    Workload {
        in_pod: true,
        unprepared: false,
        faults: Vec::new(),
        policy: None,
        client_id: None,
        tenant_id: None,
        federated_elsewhere: false,
        resource_id: None,
        audience: "api://AzureADTokenExchange".to_owned(),
        leeway: Duration::from_secs(300),
        now,
        token: Ok(Token {
            path: "/token".to_owned(),
            mode: Some(0o600),
            claims,
            kid: None,
            broken: Vec::new(),
            forgeries: vec![forgery("another signature"), forgery("alg none")],
        }),
        ca_files: Vec::new(),
        proxy: None,
        issuer: Issuer::default(),
        entra: Entra {
            peer: None,
            resource: "https://management.azure.com".to_owned(),
            exchange: Exchange::LeftOut,
        },
    }
}

/// The result of one check, and the words of its fix.
fn judged(workload: Workload, id: &str) -> (Verdict, String) {
    let facts = Facts { workload: Some(workload), ..nothing() };
    let report = Report::of(&facts);
    let told = report.checks.into_iter().find(|told| told.id == id).unwrap();
    (told.result, told.fix.map(|fix| fix.words).unwrap_or_default())
}

#[test]
fn a_verifier_that_takes_a_forgery_is_a_failure() {
    let mut forged = workload();
    assert_eq!(judged(forged.clone(), "D210").0, Verdict::Ok);
    let token = forged.token.as_mut().unwrap();
    token.forgeries[1].refused = None;
    let (result, words) = judged(forged.clone(), "D210");
    assert_eq!(result, Verdict::Failed);
    assert!(words.contains("SECURITY.md"), "{words}");
    forged.token.as_mut().unwrap().forgeries.clear();
    assert_eq!(judged(forged, "D210").0, Verdict::Skipped);
}

#[test]
fn who_is_federated_elsewhere_is_told_no_line() {
    let mut refused = workload();
    let (reason, words) = (cambist::Reason::EntraNoMatchingCredential, "no".to_owned());
    let fix = Some("Microsoft Graph".to_owned());
    refused.entra.exchange = Exchange::Refused(facts::Refused { reason, words, fix });
    assert!(judged(refused.clone(), "D501").1.contains("az identity"));
    refused.federated_elsewhere = true;
    assert_eq!(judged(refused, "D501"), (Verdict::Failed, "Microsoft Graph".to_owned()));
}

#[test]
fn whoever_gives_no_token_and_does_not_say_what_to_do_is_told_of_with_a_fix() {
    for reason in cambist::Reason::ALL.iter().filter(|it| it.is_retryable()) {
        // Entra's own words come with the library's advice, and these never come out of an exchange.
        let others = ["entra_issuer_unreachable", "entra_loop_detected", "cache_full"];
        let others =
            others.into_iter().chain(["too_many_scopes", "developer_sign_in", "not_https"]);
        if others.into_iter().any(|it| it == reason.as_str()) {
            continue;
        }
        let mut refused = workload();
        let words = "no".to_owned();
        let reason = *reason;
        refused.entra.exchange = Exchange::Refused(facts::Refused { reason, words, fix: None });
        let facts = Facts { workload: Some(refused), ..nothing() };
        let told = Report::of(&facts).checks.into_iter().find(|it| it.result == Verdict::Failed);
        let told = told.unwrap_or_else(|| panic!("{reason}"));
        let fix = told.fix.unwrap().words;
        assert!(!fix.contains("the message says"), "{reason}: {}: {fix}", told.id);
    }
}

#[test]
fn a_key_s_age_is_told_as_it_is_judged() {
    for (verdict, result) in [
        (Age::Ok, Verdict::Ok),
        (Age::Unknown, Verdict::Ok),
        (Age::Due, Verdict::Warning),
        (Age::Overdue, Verdict::Failed),
        (Age::Suspect, Verdict::Failed),
    ] {
        let mut old = workload();
        let next = Some(("replace the key".to_owned(), "cambist issuer plan".to_owned()));
        old.issuer.age = Some(Ok(facts::Age { verdict, means: "so it is".to_owned(), next }));
        let (found, words) = judged(old, "D306");
        assert_eq!(found, result, "{verdict}");
        assert_eq!(words.contains("`cambist issuer plan`"), result != Verdict::Ok, "{words}");
    }
}

/// What is found in a simulated cluster over this network.
async fn examined(pod: &Pod, network: Transport, shown: Option<&mut Vec<u8>>) -> Report {
    let mut env = pod.kubelet.env();
    env.insert("CAMBIST_ADMIN_LISTEN".to_owned(), "off".to_owned());
    let Command::Doctor(args) = Cli::parse_from(["cambist", "doctor"]).command else {
        panic!("it is another command")
    };
    let connect = move |_| Ok(network.clone());
    let mut world = World {
        env: &env,
        clock: Arc::new(pod.sim.clock().clone()),
        connect: &connect,
        stdin: &mut std::io::empty(),
        lines: &mut std::io::sink(),
        terminal: false,
        progress: shown.map(|it| it as &mut (dyn Write + Send)),
        columns: None,
        mount: None,
    };
    super::examine(&args, &mut world).await.unwrap()
}

/// Without sockets: what is waited for is told on a terminal, and nothing of it is left.
#[tokio::test(start_paused = true)]
async fn a_healthy_world_and_progress_on_a_terminal() {
    let pod = Pod::new();
    let mut shown = Vec::new();
    let network = Transport::from_service(pod.sim.service());
    let report = examined(&pod, network, Some(&mut shown)).await;
    let ailing: Vec<_> = report.checks.iter().filter(|it| it.fix.is_some()).collect();
    assert!(ailing.is_empty() && report.exit_code == 0, "{ailing:#?}");
    let shown = String::from_utf8(shown).unwrap();
    for what in ["the token", "the issuer", "Entra", "an exchange"] {
        assert!(shown.contains(what), "{what}: {shown:?}");
    }
    assert!(shown.ends_with("\r\x1b[K") && !shown.contains('\n'), "{shown:?}");
}

/// A network on which nothing answers costs seconds, whatever is looked at.
#[tokio::test(start_paused = true)]
async fn a_dead_network_costs_seconds() {
    let pod = Pod::new();
    let dead = tower::service_fn(|_: http::Request<bytes::Bytes>| async {
        std::future::pending::<Result<http::Response<bytes::Bytes>, tower::BoxError>>().await
    });
    let began = tokio::time::Instant::now();
    let report = examined(&pod, Transport::from_service(dead), None).await;
    assert!(began.elapsed() <= Duration::from_secs(11), "{:?}", began.elapsed());
    let failed: Vec<_> =
        report.checks.iter().filter(|it| it.result == Verdict::Failed).map(|it| it.id).collect();
    assert_eq!(failed, ["D604"]);
    // Its consequences are named after it.
    for id in ["D301", "D302", "D303", "D304", "D306", "D401", "D501", "D506"] {
        let told = report.checks.iter().find(|told| told.id == id).unwrap();
        assert_eq!(told.because, Some("D604"), "{id}: {}", told.evidence);
    }
}

#[test]
fn a_moment_of_the_token_s_life_decides_whether_it_is_overdue() {
    let at = |age: u64, in_pod: bool| {
        let mut workload = workload();
        let issued: UnixTime = workload.token.as_ref().unwrap().claims.issued_at;
        (workload.now, workload.in_pod) = (issued + Duration::from_secs(age), in_pod);
        judged(workload, "D203").0
    };
    // An hour's life: due after 48 minutes, and the kubelet looks every minute or two.
    assert_eq!(at(2880 + 300, true), Verdict::Ok);
    assert_eq!(at(2880 + 301, true), Verdict::Warning);
    // On a laptop nobody renews it.
    assert_eq!(at(3500, false), Verdict::Ok);
}
