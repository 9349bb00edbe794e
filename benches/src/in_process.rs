//! A held token within the process: `cambist`'s credential against `azure_identity`'s.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use azure_core::credentials::TokenCredential;
use cambist::azure::VerifiedAssertion;
use cambist::issuer_keys::KeyOrigin;
use cambist::transport::Transport;
use cambist::{Config, Context, Credential};
use cambist_core::issuer::JwksHost;
use cambist_core::scope::Scope;
use cambist_sim::clock::SimClock;
use cambist_sim::kubelet::Kubelet;
use cambist_sim::{Settings, Sim};

use crate::args::Args;
use crate::azure::{self, Copies};
use crate::report::{Bound, Row};
use crate::stats::median;
use crate::stopwatch::now;

/// As many as a credential holds.
const MANY: usize = 1000;

/// Between two looks at the time.
const BATCH: u32 = 1000;

/// What is timed, in the order of [`Bench::round`].
const NAMES: [&str; 7] = [
    "cambist: Credential::peek",
    "cambist: Credential::token",
    "cambist: TokenCredential::get_token",
    "azure_identity: TokenCredential::get_token",
    "the trait alone: a copy of the token",
    "cambist: peek, the same of 1000 entries",
    "cambist: peek, 1000 entries in turn",
];

struct Bench {
    credential: Credential,
    crowded: Credential,
    scopes: Vec<Scope>,
    cambist: Arc<dyn TokenCredential>,
    azure: Arc<dyn TokenCredential>,
    copies: Arc<dyn TokenCredential>,
}

/// Measures and prints; the rows are for the judge.
pub(crate) fn compare(args: &Args) -> anyhow::Result<Vec<Row>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(measure(args))
}

async fn measure(args: &Args) -> anyhow::Result<Vec<Row>> {
    let dir = tempfile::tempdir()?;
    let bench = Bench::new(dir.path()).await?;
    let slice = Duration::from_secs_f64(args.seconds / 10.0);
    bench.round(0, slice / 5).await?;
    let mut rounds = Vec::new();
    for round in 1..=args.rounds {
        let times = bench.round(round as usize, slice).await?;
        let [peek, token, ours, theirs, _, same, turns] = times;
        println!(
            "in process: round {round} of {}: peek {peek:.0} ns, token {token:.0} ns, get_token \
             {ours:.0} ns against {theirs:.0} ns; of 1000 entries {same:.0} and {turns:.0} ns",
            args.rounds
        );
        rounds.push(times);
    }
    println!("\n{:<46} {:>7}", "held token", "ns");
    for (index, name) in NAMES.iter().enumerate() {
        let times: Vec<f64> = rounds.iter().map(|times| times[index]).collect();
        println!("{name:<46} {:>7.1}", median(&times));
    }
    let ratios = |a: usize, b: usize| rounds.iter().map(|times| times[a] / times[b]).collect();
    Ok(vec![
        Row::new("P6 get_token, cambist / azure_identity", ratios(2, 3)).goal(Bound::AtMost(0.4)),
        Row::new("   the trait alone / azure_identity", ratios(4, 3)),
        Row::new("   peek, cambist / azure_identity's get_token", ratios(0, 3)),
        Row::new("P6 peek of the same, 1000 entries / 1", ratios(5, 0)).goal(Bound::AtMost(1.4)),
        Row::new("   peek in turn, 1000 entries / 1", ratios(6, 0)),
    ])
}

impl Bench {
    async fn new(dir: &std::path::Path) -> anyhow::Result<Self> {
        let resources = vec!["https://app-*.example".to_owned()];
        let clock = SimClock::system();
        let sim = Sim::with(Settings { clock, resources, ..Settings::default() })?;
        let kubelet = Kubelet::new(sim.clone(), dir);
        kubelet.project()?;
        let config = Config::from_env(&kubelet.env())?;
        let network = Transport::from_service(sim.service());
        let sources = || {
            let host = JwksHost::SameAsIssuer;
            vec![KeyOrigin::Public { transport: network.clone(), host }]
        };
        let context = Context::system("bench");
        let trust = || config.trust.open_over(network.clone(), sources(), context.clone());
        let credential = || trust().credential(&config.identity);
        let (one, crowded) = (credential(), credential());
        let scopes = (0..MANY).map(|i| Scope::parse(&format!("https://app-{i}.example/.default")));
        let scopes: Vec<_> = scopes.collect::<Result<_, _>>()?;
        for scope in &scopes {
            crowded.token(scope).await?;
        }
        let scope = scopes.first().context("no scope")?;
        one.token(scope).await?;
        let held = scopes.iter().filter(|scope| crowded.holds(scope)).count();
        ensure!(held == MANY && one.entries().len() == 1, "{held} entries are held, not {MANY}");
        let assertions = trust().assertions(&config.identity);
        let azure = azure::credential(&sim, VerifiedAssertion::new(assertions))?;
        let token = azure.get_token(&[&scope.to_string()], None).await?;
        let (cambist, copies) = (Arc::new(one.clone()), Arc::new(Copies(token)));
        Ok(Self { credential: one, crowded, scopes, cambist, azure, copies })
    }

    /// Nanoseconds for each of [`NAMES`], begun at another one in each round.
    async fn round(&self, turn: usize, slice: Duration) -> anyhow::Result<[f64; NAMES.len()]> {
        let scope = self.scopes.first().context("no scope")?;
        let key = scope.resource();
        let text = scope.to_string();
        let mut times = [f64::NAN; NAMES.len()];
        for step in 0..NAMES.len() {
            let index = (turn + step) % NAMES.len();
            times[index] = match index {
                0 => peek(&self.credential, [key].iter().cycle(), slice)?,
                1 => token(&self.credential, scope, slice).await?,
                2 => get_token(&*self.cambist, &text, slice).await?,
                3 => get_token(&*self.azure, &text, slice).await?,
                4 => get_token(&*self.copies, &text, slice).await?,
                5 => peek(&self.crowded, [key].iter().cycle(), slice)?,
                _ => {
                    // Not in the order in which they were made, which memory would favour.
                    let count = self.scopes.len();
                    let order = (0..count).map(|i| i * 617 % count);
                    let keys: Vec<_> = order.map(|i| self.scopes[i].resource()).collect();
                    peek(&self.crowded, keys.iter().cycle(), slice)?
                }
            };
        }
        Ok(times)
    }
}

fn peek<'a>(
    credential: &Credential,
    mut keys: impl Iterator<Item = &'a &'a str>,
    slice: Duration,
) -> anyhow::Result<f64> {
    let (begun, mut count) = (now(), 0_u32);
    while begun.elapsed() < slice {
        for key in keys.by_ref().take(BATCH as usize) {
            black_box(credential.peek(black_box(key))).context("no token is held")?;
        }
        count += BATCH;
    }
    Ok(begun.elapsed().as_secs_f64() * 1e9 / f64::from(count))
}

async fn token(credential: &Credential, scope: &Scope, slice: Duration) -> anyhow::Result<f64> {
    let (begun, mut count) = (now(), 0_u32);
    while begun.elapsed() < slice {
        for _ in 0..BATCH {
            black_box(credential.token(black_box(scope)).await?);
        }
        count += BATCH;
    }
    Ok(begun.elapsed().as_secs_f64() * 1e9 / f64::from(count))
}

async fn get_token(
    credential: &dyn TokenCredential,
    scope: &str,
    slice: Duration,
) -> anyhow::Result<f64> {
    let (begun, mut count) = (now(), 0_u32);
    while begun.elapsed() < slice {
        for _ in 0..BATCH {
            black_box(credential.get_token(black_box(&[scope]), None).await?);
        }
        count += BATCH;
    }
    Ok(begun.elapsed().as_secs_f64() * 1e9 / f64::from(count))
}
