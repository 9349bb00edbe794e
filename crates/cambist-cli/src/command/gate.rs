//! `cambist issuer gate`: is the next step of a rotation safe now?

use std::collections::BTreeSet;
use std::time::Duration;

use cambist_core::clock::UnixTime;
use cambist_core::duration;
use cambist_core::foreign::Foreign;
use cambist_core::jwks::Thumbprint;
use cambist_key_age::History;
use cambist_key_age::rotation::gate::{self, Answer, Fresh, Ruling, Server};
use serde_json::json;

use super::named::{NamedError, find, names};
use crate::case::{self, CaseError, Past};
use crate::cli::Plain;
use crate::cli::issuer::Sources;
use crate::cli::rotation::{AskGate, LEAST_CACHE, Next};
use crate::collect::look::TokenSeen;
use crate::collect::{self, CollectError, Look, mint};
use crate::kubernetes::{AccessError, ApiServer};
use crate::output;
use crate::text::plain;
use crate::time::relative;
use crate::world::{COULD_NOT_RUN, Outcome, USAGE, World};

const SAFE: u8 = 0;
const UNSAFE: u8 = 1;

/// Older than this, a token does not say who signs now.
const FRESH: Duration = Duration::from_secs(3600);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum GateError {
    #[error(transparent)]
    Case(#[from] CaseError),
    #[error(transparent)]
    Named(#[from] NamedError),
}

impl From<AccessError> for GateError {
    fn from(error: AccessError) -> Self {
        Self::Case(CollectError::from(error).into())
    }
}

impl From<CollectError> for GateError {
    fn from(error: CollectError) -> Self {
        Self::Case(error.into())
    }
}

pub(super) async fn run(args: &AskGate, world: &World<'_>) -> Outcome {
    if let Err(wrong) = args.waits.check() {
        return Outcome::fail(USAGE, wrong);
    }
    let overlap = args.overlap();
    if args.next == Next::Retire && overlap < LEAST_CACHE && !args.waits.force {
        let wrong = format!(
            "--max-token-ttl and --margin are {} together, and tokens live for an hour as a rule: leave them as they are, or say --force",
            duration::exact(overlap)
        );
        return Outcome::fail(USAGE, wrong);
    }
    let now = world.clock(args.sources.now).wall();
    let ruling = match args.next {
        Next::Publish => publish(args, world).await,
        Next::Sign => sign(args, world, now).await,
        Next::Retire => retire(args, world, now).await,
    };
    match ruling {
        Ok(said) => said.outcome(args, now),
        Err(GateError::Case(error)) => super::check::fail(&error),
        Err(error) => Outcome::fail(COULD_NOT_RUN, error),
    }
}

/// A ruling, and what could not be done beside it.
struct Said {
    key: Thumbprint,
    ruling: Ruling,
    problems: Vec<String>,
}

/// What was seen before and now.
struct Remembered {
    history: History,
    /// Why it cannot be relied on: what is not whole may lack the very look that says no.
    unfit: Vec<String>,
    problems: Vec<String>,
}

impl Remembered {
    fn said(self, key: Thumbprint, mut ruling: Ruling) -> Said {
        for said in self.unfit {
            ruling.say(Answer::NotLookedAt, said);
        }
        Said { key, ruling, problems: self.problems }
    }
}

/// The API servers that are named; without names, the one that is found.
fn servers(args: &AskGate, world: &World<'_>) -> Result<Vec<ApiServer>, AccessError> {
    let found = collect::api_server(&args.sources.reach, world)?;
    if args.api_server.is_empty() {
        return Ok(vec![found]);
    }
    args.api_server.iter().map(|url| found.at(url)).collect()
}

async fn publish(args: &AskGate, world: &World<'_>) -> Result<Said, GateError> {
    let mut seen = Vec::new();
    let mut named = Vec::new();
    for server in servers(args, world)? {
        let keys = mint::accepted(&server).await.map_err(|error| error.to_string());
        if let Ok(keys) = &keys {
            named.extend(
                keys.keys()
                    .iter()
                    .filter_map(|key| Some((key.thumbprint(), key.id()?.as_str().to_owned()))),
            );
        }
        let keys = keys.map(|keys| keys.keys().iter().map(|key| key.thumbprint()).collect());
        seen.push(Server { name: server.url().to_owned(), keys });
    }
    let key = find(&args.key, named)?;
    Ok(Said { key, ruling: gate::publish(key, &seen), problems: Vec::new() })
}

async fn sign(args: &AskGate, world: &World<'_>, now: UnixTime) -> Result<Said, GateError> {
    let clock = world.clock(args.sources.now);
    let look = collect::collect(&args.sources, world, &*clock).await?;
    let past = remembered(args, world, &look).await?;
    let public = match case::set(look.public.jwks.as_ref()) {
        Some(set) => Ok(set.thumbprints().collect::<BTreeSet<_>>()),
        None => {
            let problems = problems_of(&look, "public");
            let mute = "what answered is no key set; `cambist issuer check` says more";
            Err(if problems.is_empty() { mute.to_owned() } else { problems })
        }
    };
    let key = find(&args.key, names(&past.history))?;
    let ruling = gate::sign(key, &public, &past.history, args.waits.cache_ttl, now);
    Ok(past.said(key, ruling))
}

async fn retire(args: &AskGate, world: &World<'_>, now: UnixTime) -> Result<Said, GateError> {
    let clock = world.clock(args.sources.now);
    let mut minted = Vec::new();
    let mut count = args.api_server.len().max(1);
    if let Some(account) = &args.mint {
        let servers = servers(args, world)?;
        count = servers.len();
        for server in servers {
            let made = mint::mint(&server, account).await.map_err(|error| error.to_string());
            minted.push((format!("API server {}", server.url()), made));
        }
    }
    // Whoever mints need not name the issuer: its tokens do.
    let mut sources = Sources { ..args.sources.clone() };
    if sources.issuer.is_none() && world.env.get("CAMBIST_ISSUER").is_none() {
        let issuer = minted.iter().find_map(|(_, made)| Some(made.as_ref().ok()?.issuer.clone()));
        sources.issuer = issuer.or(sources.issuer);
    }
    let mut look = collect::collect(&sources, world, &*clock).await?;
    let issuer = look.issuer.clone();
    let of_files = look.tokens.iter().map(|token| fresh(token.path.clone(), token, &issuer, now));
    let mut fresh_ones: Vec<_> = of_files.collect();
    for (name, made) in minted {
        match made {
            Ok(token) => {
                fresh_ones.push(fresh(name, &token, &issuer, now));
                if token.issuer == issuer {
                    look.tokens.push(token);
                }
            }
            Err(why) => fresh_ones.push(Fresh { name, key: Err(why) }),
        }
    }
    let past = remembered(args, world, &look).await?;
    let key = find(&args.key, names(&past.history))?;
    let signings = past.history.signings();
    let ruling = gate::retire(key, &fresh_ones, count, signings, args.overlap(), now);
    Ok(past.said(key, ruling))
}

/// What a token says of who signs now.
fn fresh(name: String, token: &TokenSeen, issuer: &str, now: UnixTime) -> Fresh {
    let age = now.since(token.issued_at);
    let key = match token.signer() {
        // Another cluster's servers say nothing of this one's keys.
        _ if token.issuer != issuer => Err(format!(
            "its token is of the issuer {}, not of {}",
            Foreign::new(&token.issuer),
            Foreign::new(issuer)
        )),
        _ if age > FRESH => Err(format!(
            "its token is from {} and does not say who signs now: take one that is younger than an hour",
            token.issued_at
        )),
        Some(key) => Ok(key),
        None => Err(token.unverified().unwrap_or("nobody knows which key signed it").to_owned()),
    };
    Fresh { name, key }
}

/// The history with this look in it, and what stood in the way of keeping it.
async fn remembered(
    args: &AskGate,
    world: &World<'_>,
    look: &Look,
) -> Result<Remembered, GateError> {
    let clock = world.clock(args.sources.now);
    let past = Past::open(&args.kept, &args.sources, world, look, &*clock).await?;
    let mut history = past.before.unwrap_or_else(|| History::new(&look.issuer));
    let left_out = case::remember(&mut history, look).left_out.into_iter();
    let left_out =
        left_out.map(|(source, why)| format!("the {source} key set cannot be dated: {why}"));
    let unfit = past.findings.iter().map(ToString::to_string).chain(left_out).collect();
    let problems = look.problems.iter().map(|it| format!("{}: {}", it.place, it.detail));
    Ok(Remembered { history, unfit, problems: problems.chain(past.problems).collect() })
}

fn problems_of(look: &Look, place: &str) -> String {
    let problems = look.problems.iter().filter(|it| it.place == place);
    problems.map(|it| it.detail.clone()).collect::<Vec<_>>().join("; ")
}

impl Said {
    fn outcome(self, args: &AskGate, now: UnixTime) -> Outcome {
        let Self { key, ruling, problems } = self;
        let answer = ruling.answer();
        let gate = args.next.gate();
        let out = match args.output {
            Plain::Json => output::json(&json!({
                "schemaVersion": 1, "gate": gate, "key": key, "answer": answer,
                "reasons": ruling.reasons, "askAgain": ruling.ask_again, "problems": problems,
            })),
            Plain::Table => {
                let word = match answer {
                    Answer::Yes => "yes",
                    Answer::No => "no",
                    Answer::NotLookedAt => "not looked at",
                };
                let mut out = format!("{gate} {key}: {word}\n");
                for reason in &ruling.reasons {
                    let mark = match reason.answer {
                        Answer::Yes => "yes",
                        Answer::No => "no",
                        Answer::NotLookedAt => "?",
                    };
                    out += &format!("  {mark:<4}{}\n", plain(&reason.said));
                }
                if let Some(at) = ruling.ask_again {
                    out += &format!("  ask again {at} ({})\n", relative(at, now));
                }
                for problem in &problems {
                    out += &format!("  could not  {}\n", plain(problem));
                }
                out
            }
        };
        let code = match answer {
            Answer::Yes => SAFE,
            Answer::No => UNSAFE,
            Answer::NotLookedAt => COULD_NOT_RUN,
        };
        Outcome { out, err: String::new(), code }
    }
}
