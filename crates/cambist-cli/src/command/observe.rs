//! `cambist issuer observe`: one look, or a loop of them.

use std::collections::BTreeSet;

use cambist_core::clock::{Clock, Reading, UnixTime};
use cambist_key_age::{History, Source};
use serde::Serialize;

use crate::case::{CaseError, Past, seen, store};
use crate::cli::issuer::{Lines, Observe};
use crate::collect::look::Reply;
use crate::collect::{self, KnownSet, Look, bundle};
use crate::system::Stop;
use crate::text::plain;
use crate::world::{COULD_NOT_RUN, Outcome, USAGE, World};

/// One look, as a line.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    schema_version: u32,
    at: UnixTime,
    at_utc: String,
    issuer: String,
    issuer_named_by: String,
    public: Vec<String>,
    api: Vec<String>,
    signer: Option<String>,
    last_modified: Option<String>,
    etag: Option<String>,
    recorded: bool,
    problems: Vec<String>,
}

pub(super) async fn run(args: &Observe, world: &mut World<'_>) -> Outcome {
    let clock = world.clock(args.sources.now);
    let Some(every) = args.every else {
        return match once(args, world, &*clock).await {
            Ok((line, complete)) => Outcome {
                out: line.render(args.output, &BTreeSet::new()),
                err: String::new(),
                code: if complete { 0 } else { COULD_NOT_RUN },
            },
            Err(error) => super::check::fail(&error),
        };
    };
    let mut stop = Stop::listen();
    let (mut first, mut told) = (true, BTreeSet::new());
    loop {
        // A look is finished before the loop ends: half of one would be recorded by nobody.
        let line = match once(args, world, &*clock).await {
            Ok((line, _)) => line,
            Err(error) => match super::check::fail(&error) {
                // The command line does not get better by waiting.
                wrong if first && wrong.code == USAGE => return wrong,
                _ => failed(args, world, clock.wall(), &error),
            },
        };
        first = false;
        let text = line.render(args.output, &told);
        told = line.problems.iter().map(|it| without_digits(it)).collect();
        // A closed standard output does not end the observing: the history is what counts.
        let _ = world.lines.write_all(text.as_bytes()).and_then(|()| world.lines.flush());
        tokio::select! {
            () = stop.heard() => return Outcome::default(),
            () = tokio::time::sleep(every) => {}
        }
    }
}

/// The line of a look that did not come about.
fn failed(args: &Observe, world: &World<'_>, at: UnixTime, error: &CaseError) -> Line {
    let issuer = args.sources.issuer.clone().or_else(|| world.env.get("CAMBIST_ISSUER"));
    let mut look = Look::new(&issuer.unwrap_or_default(), at);
    look.problem("look", error);
    Line::of(&look, None, false)
}

/// Looks and records; returns the line and whether a key set was read and everything was written.
async fn once(
    args: &Observe,
    world: &World<'_>,
    clock: &dyn Clock,
) -> Result<(Line, bool), CaseError> {
    let known = known(args, world).await?;
    let mut look = collect::collect_unless(&args.sources, world, clock, known.as_ref()).await?;
    if let Some(path) = &args.bundle {
        bundle::write(path, &look).map_err(collect::CollectError::from)?;
    }
    let past = Past::open(&args.kept, &args.sources, world, &look, clock).await?;
    for problem in &past.problems {
        look.problem("history", problem);
    }
    let told = |text: &String| past.problems.iter().any(|problem| problem.contains(text));
    for finding in past.findings.iter().filter(|it| !it.evidence.iter().any(told)) {
        look.problem("history", finding);
    }
    let unverified: Vec<_> = look
        .tokens
        .iter()
        .filter_map(|token| Some(format!("{}: {}", token.path, token.unverified()?)))
        .collect();
    unverified.iter().for_each(|why| look.problem("token", why));
    // What a damaged history has lost, nobody can tell: it is mended, and this look is not called kept.
    let recorded = past.recorded && past.findings.is_empty();
    let line = Line::of(&look, past.before.as_ref(), recorded);
    let read = !line.public.is_empty() || !line.api.is_empty();
    let complete = read && (recorded || args.kept.history.is_none() || args.kept.read_only);
    Ok((line, complete))
}

/// What need not be fetched again. A token's signature can be verified with the whole set only, and
/// a bundle is to hold it.
async fn known(args: &Observe, world: &World<'_>) -> Result<Option<KnownSet>, CaseError> {
    if !args.sources.token_file.is_empty() || args.bundle.is_some() {
        return Ok(None);
    }
    let Some(store) = store(&args.kept, &args.sources, world)? else { return Ok(None) };
    // What is wrong with it is told when it is opened to be written to.
    let held = store.read(None).await.unwrap_or_default();
    Ok(held.history.and_then(|history| {
        let etag = history.latest(Source::Public)?.etag.clone()?;
        Some(KnownSet { uri: history.endpoint()?.uri.clone(), etag })
    }))
}

impl Line {
    fn of(look: &Look, before: Option<&History>, recorded: bool) -> Self {
        let none = History::new(&look.issuer);
        let before = before.unwrap_or(&none);
        let keys = |source, reply: &Option<Reply>| {
            let seen = reply
                .as_ref()
                .and_then(|reply| seen(before, source, Reading::alone(look.at), reply));
            seen.iter().flat_map(|seen| seen.keys()).map(ToString::to_string).collect()
        };
        let jwks = look.public.jwks.as_ref();
        Self {
            schema_version: 1,
            at: look.at,
            at_utc: look.at.to_string(),
            issuer: look.issuer.clone(),
            issuer_named_by: look.named_by.to_string(),
            public: keys(Source::Public, &look.public.jwks),
            api: keys(Source::Api, &look.api.jwks),
            signer: look.tokens.iter().rev().find_map(|t| t.signer()).map(|key| key.to_string()),
            last_modified: jwks.and_then(|reply| reply.last_modified.clone()),
            etag: jwks.and_then(|reply| reply.etag.clone()),
            recorded,
            problems: look
                .problems
                .iter()
                .map(|it| format!("{}: {}", it.place, it.detail))
                .collect(),
        }
    }

    /// The line in its form. For a reader, what was `told` by the line before is counted, not repeated;
    /// for a machine each line stands for itself.
    fn render(&self, form: Lines, told: &BTreeSet<String>) -> String {
        if form == Lines::Ndjson {
            return serde_json::to_string(self).unwrap_or_default() + "\n";
        }
        let mut out = format!("{} {}", self.at, plain(&self.issuer));
        out += &format!(" (by {})", plain(&self.issuer_named_by));
        for (name, keys) in [("public", &self.public), ("api", &self.api)] {
            if !keys.is_empty() {
                out += &format!(" {name}={}", keys.join(","));
            }
        }
        out += &self.signer.as_ref().map(|key| format!(" signer={key}")).unwrap_or_default();
        out += if self.recorded { " recorded" } else { "" };
        let (old, new): (Vec<_>, Vec<_>) =
            self.problems.iter().partition(|it| told.contains(&without_digits(it)));
        if !old.is_empty() {
            out += &format!("  ({} as before)", old.len());
        }
        out.push('\n');
        out + &new.iter().map(|it| format!("  could not  {}\n", plain(it))).collect::<String>()
    }
}

/// A problem without its times and counts, which differ from look to look.
fn without_digits(problem: &str) -> String {
    problem.chars().filter(|it| !it.is_ascii_digit()).collect()
}
