use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use cambist_core::admission::Standing;
use cambist_core::scope::Audience;
use futures_util::future::join_all;
use http::{Request, Response};
use tokio::time::{Instant, sleep};

use crate::config::Identity;
use crate::credential::Credential;
use crate::event::{Admitted, Event, Fetched, Hop};
use crate::exchange::{AccessToken, Authority};
use crate::observer::Observer;
use crate::testing::{World, scope};
use crate::transport::Transport;
use crate::trust::Trust;

mod failures;
mod pauses;

const VAULT: &str = "https://vault.azure.net";
const BLUEPRINT: &str = "bbbbbbbb-0000-0000-0000-000000000001";
const AGENT: &str = "aaaaaaaa-0000-0000-0000-000000000001";
const OTHER_AGENT: &str = "aaaaaaaa-0000-0000-0000-000000000002";

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// What Entra answers instead of a token, and how many times.
#[derive(Clone, Debug)]
struct Refusal {
    times: u32,
    status: u16,
    body: String,
    retry_after: &'static str,
}

impl Refusal {
    fn code(times: u32, code: u32) -> Self {
        let body = format!(r#"{{"error":"invalid_client","error_codes":[{code}]}}"#);
        Self { times, status: 401, body, retry_after: "" }
    }

    fn pause(times: u32, retry_after: &'static str) -> Self {
        Self { times, status: 429, body: String::new(), retry_after }
    }
}

/// Entra as agents know it: a request with `fmi_path` gets something that stands for that agent, and one
/// with that gets a token.
#[derive(Clone, Debug, Default)]
struct Entra(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    latency: Duration,
    requests: Vec<(Hop, String, String)>,
    refusals: HashMap<(Hop, String), Refusal>,
    /// What was given to stand for an agent, the last one behind.
    given: Vec<(String, String)>,
}

impl Entra {
    fn transport(&self) -> Transport {
        let entra = self.clone();
        Transport::from_service(tower::service_fn(move |request: Request<Bytes>| {
            let (entra, latency) = (entra.clone(), entra.0.lock().unwrap().latency);
            async move {
                sleep(latency).await;
                Ok::<_, Infallible>(entra.answer(&request))
            }
        }))
    }

    fn answer(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let form: HashMap<_, _> = form_urlencoded::parse(request.body()).into_owned().collect();
        let hop = if form.contains_key("fmi_path") { Hop::Blueprint } else { Hop::Resource };
        let mut state = self.0.lock().unwrap();
        let body = String::from_utf8(request.body().to_vec()).unwrap();
        state.requests.push((hop, request.uri().to_string(), body));
        let who = form["client_id"].clone();
        if let Some(refusal) = state.refusals.get_mut(&(hop, who.clone())).filter(|it| it.times > 0)
        {
            refusal.times -= 1;
            let answer = Response::builder().status(refusal.status);
            let answer = answer.header("retry-after", refusal.retry_after);
            return answer.body(refusal.body.clone().into()).unwrap();
        }
        let nth = state.requests.len();
        let token = match hop {
            Hop::Blueprint => {
                let given = format!("stands-for-agent-{nth}");
                state.given.push((form["fmi_path"].clone(), given.clone()));
                given
            }
            Hop::Resource => {
                let shown = (who, form["client_assertion"].clone());
                assert!(state.given.contains(&shown), "{shown:?} was not given");
                format!("token-for-resource-{nth}")
            }
        };
        let body =
            format!(r#"{{"token_type":"Bearer","expires_in":3599,"access_token":"{token}"}}"#);
        Response::new(body.into())
    }

    fn refuse(&self, hop: Hop, who: &str, refusal: Refusal) {
        self.0.lock().unwrap().refusals.insert((hop, who.to_owned()), refusal);
    }

    fn slow(&self, latency: Duration) {
        self.0.lock().unwrap().latency = latency;
    }

    /// How many requests there were of each hop.
    fn asked(&self) -> (usize, usize) {
        let state = self.0.lock().unwrap();
        let of = |hop| state.requests.iter().filter(|(it, ..)| *it == hop).count();
        (of(Hop::Blueprint), of(Hop::Resource))
    }

    /// What was shown for the last token.
    fn shown_last(&self) -> String {
        let state = self.0.lock().unwrap();
        let (.., body) = state.requests.iter().rfind(|(hop, ..)| *hop == Hop::Resource).unwrap();
        let mut form = form_urlencoded::parse(body.as_bytes());
        form.find(|(name, _)| name == "client_assertion").unwrap().1.into_owned()
    }
}

/// What was told: of the work for tokens, whose and how it ended; and whom projected tokens stood for.
#[derive(Debug, Default)]
struct Journal(Mutex<Vec<(Hop, String, &'static str)>>, Mutex<Vec<String>>, Mutex<String>);

impl Observer for Journal {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Fetched(it @ Fetched { principal, outcome, .. }) => {
                let end = outcome.err().map_or("ok", |error| error.reason().as_str());
                self.0.lock().unwrap().push((it.hop(), principal.to_string(), end));
            }
            Event::Admitted(Admitted { principal, .. }) => {
                self.1.lock().unwrap().push(principal.to_string());
            }
            Event::Served(it) => assert_eq!(it.principal.agent(), None, "{it:?}"),
            _ => {}
        }
        self.2.lock().unwrap().push_str(&format!("{event:?}\n"));
    }
}

struct Bench {
    world: World,
    entra: Entra,
    journal: Arc<Journal>,
    trust: Trust,
}

impl Bench {
    fn new() -> Self {
        Self::of(World::new())
    }

    fn of(mut world: World) -> Self {
        let (entra, journal) = (Entra::default(), Arc::new(Journal::default()));
        world.observer = journal.clone();
        let trust = world.trust_over(entra.transport());
        Self { world, entra, journal, trust }
    }

    fn identity(&self, agent: &str) -> Identity {
        let identity = self.world.config().identity.agent_of(BLUEPRINT);
        Identity { client_id: agent.to_owned(), ..identity }
    }

    fn agent(&self) -> Credential {
        self.trust.credential(&self.identity(AGENT))
    }

    fn tenant(&self) -> String {
        self.world.config().identity.tenant_id.to_string()
    }
}

fn text(token: &AccessToken) -> &str {
    token.secret().expose()
}

#[tokio::test(start_paused = true)]
async fn both_requests_are_what_entra_expects_byte_for_byte() {
    let bench = Bench::new();
    let clouds = [
        (Authority::public(), "login.microsoftonline.com", ""),
        (
            Authority::parse("https://login.microsoftonline.us", &[]).unwrap(),
            "login.microsoftonline.us",
            "USGov",
        ),
    ];
    for (authority, host, cloud) in clouds {
        let identity = bench.identity(AGENT).at(authority);
        // The projected token is for whatever the blueprint's federated credential says.
        let identity = Identity { audience: Audience::entra(), ..identity };
        bench.entra.0.lock().unwrap().requests.clear();
        bench.trust.credential(&identity).token(&scope(VAULT)).await.unwrap();
        let projected = std::fs::read_to_string(bench.world.kubelet.token_file()).unwrap();
        let jwt_bearer = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
        let url = format!("https://{host}/{}/oauth2/v2.0/token", bench.tenant());
        let first = format!(
            "client_assertion={}&client_assertion_type={jwt_bearer}&client_id={BLUEPRINT}&fmi_path={AGENT}&grant_type=client_credentials&scope=api%3A%2F%2FAzureADTokenExchange{cloud}%2F.default",
            projected.trim()
        );
        let second = format!(
            "client_assertion=stands-for-agent-1&client_assertion_type={jwt_bearer}&client_id={AGENT}&grant_type=client_credentials&scope=https%3A%2F%2Fvault.azure.net%2F.default"
        );
        let expected = [(Hop::Blueprint, url.clone(), first), (Hop::Resource, url, second)];
        assert_eq!(bench.entra.0.lock().unwrap().requests, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_stands_for_the_agent_does_for_all_resources_and_all_who_ask() {
    let bench = Bench::new();
    bench.entra.slow(Duration::from_millis(100));
    let agent = bench.agent();
    // More of them than there are places among the exchanges.
    let scopes: Vec<_> = (0..40).map(|n| scope(&format!("api://{n}"))).collect();
    let started = Instant::now();
    let callers = (0..400).map(|n| agent.token(&scopes[n % scopes.len()]));
    let tokens = join_all(callers).await;
    assert!(tokens.iter().all(Result::is_ok));
    assert_eq!(bench.entra.asked(), (1, 40));
    // The first exchange, then 32 at once, then the rest.
    assert_eq!(started.elapsed(), Duration::from_millis(300));
    assert_eq!(agent.entries().len(), 40);
    let token = tokens[0].as_ref().unwrap();
    assert_eq!(bench.world.asked(), (0, 1, 1), "one key set");
    let receipt = token.receipt();
    let signer = bench.world.sim.issuer().signer();
    assert_eq!(receipt.key().unwrap().to_string(), signer.kid());
    assert!(matches!(receipt.standing(), Some(Standing::Verified(_))));
    assert!(receipt.verdict().is_some());
}

#[tokio::test(start_paused = true)]
async fn events_tell_the_hops_apart_and_show_no_secret() {
    let bench = Bench::new();
    let agent = bench.agent();
    let token = agent.token(&scope(VAULT)).await.unwrap();
    agent.peek(VAULT).unwrap();
    let tenant = bench.tenant();
    let blueprint = format!("{tenant}/{BLUEPRINT} for {AGENT}");
    assert_eq!(
        *bench.journal.0.lock().unwrap(),
        [
            (Hop::Blueprint, blueprint.clone(), "ok"),
            (Hop::Resource, format!("{tenant}/{AGENT}"), "ok")
        ]
    );
    assert_eq!(*bench.journal.1.lock().unwrap(), [blueprint]);
    assert_eq!(agent.client_id(), AGENT);
    let given = bench.entra.0.lock().unwrap().given[0].1.clone();
    let printed = format!("{}{agent:?}{:?}", bench.journal.2.lock().unwrap(), agent.entries());
    for secret in [text(&token), &given] {
        assert!(!printed.contains(secret), "{printed}");
    }
}

#[tokio::test(start_paused = true)]
async fn both_are_refreshed_in_time_and_no_more_often_than_needed() {
    let bench = Bench::new();
    let agent = bench.agent();
    agent.prefetch([scope(VAULT), scope("api://a")]);
    let keeper = agent.clone();
    let keeper = tokio::spawn(async move { keeper.maintain().await });
    for second in 0..6 * 3600 {
        sleep(secs(1)).await;
        if second % 600 == 0 {
            bench.world.kubelet.project().unwrap();
        }
        let now = bench.world.context().clock.boot();
        let left = agent.held(&scope(VAULT)).map(|token| token.remaining_at(now));
        assert!(second < 5 || left.unwrap() > secs(300), "{left:?}");
    }
    let (first, second) = bench.entra.asked();
    assert!(first <= 9 && second <= 18, "{first} {second}");
    keeper.abort();
}

#[tokio::test(start_paused = true)]
async fn one_whose_key_lost_its_standing_is_replaced_before_it_is_shown_again() {
    let bench = Bench::of(World::new().with("CAMBIST_KEY_AGE", "enforce"));
    let agent = bench.agent();
    agent.prefetch([scope(VAULT)]);
    let first = agent.token(&scope(VAULT)).await.unwrap();
    let keeper = agent.clone();
    let keeper = tokio::spawn(async move { keeper.maintain().await });
    let signer = bench.world.sim.issuer().signer();
    failures::leak(&bench, &signer);
    // Until the key set is read again; the tokens were refreshed before.
    sleep(secs(3610)).await;
    let held = agent.token(&scope(VAULT)).await.unwrap();
    assert_eq!(held.receipt().key(), first.receipt().key());
    let before = bench.entra.asked();
    // What is held is served; what would have to be asked for anew is not had with that key.
    let error = agent.token(&scope("api://late")).await.unwrap_err();
    assert_eq!((error.reason().as_str(), bench.entra.asked()), ("key_compromised", before));
    assert_eq!(error.blueprint().unwrap().client_id(), BLUEPRINT);
    // A new key, and a token that it signed: both hops are done again, with that.
    bench.world.sim.faults().clear();
    bench.world.sim.issuer().rotate(false).unwrap();
    bench.world.kubelet.project().unwrap();
    sleep(secs(120)).await;
    let renewed = agent.token(&scope(VAULT)).await.unwrap();
    assert_ne!(renewed.receipt().key(), first.receipt().key());
    agent.token(&scope("api://late")).await.unwrap();
    assert_eq!(bench.entra.asked(), (before.0 + 1, before.1 + 2));
    keeper.abort();
}
