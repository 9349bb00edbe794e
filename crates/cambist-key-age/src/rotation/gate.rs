//! Gates: is the next step of a rotation safe now, by what was looked at?
//!
//! What was not looked at is never a yes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cambist_core::clock::UnixTime;
use cambist_core::foreign::Foreign;
use cambist_core::jwks::Thumbprint;
use serde::Serialize;

use crate::fact::Source;
use crate::history::History;
use crate::role::Signings;
use crate::words::span;

/// Whether a step is safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(clippy::exhaustive_enums, reason = "whether somebody goes on hangs on each of them")]
pub enum Answer {
    /// It is.
    Yes,
    /// Nobody looked at what would tell.
    NotLookedAt,
    /// It is not, or not yet.
    No,
}

/// One thing that was compared, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Reason {
    /// What it means for the step.
    pub answer: Answer,
    /// What was compared with what.
    pub said: String,
}

/// A gate's answer, and all that it rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Ruling {
    /// Everything that was compared.
    pub reasons: Vec<Reason>,
    /// When to ask again, if time alone can change the answer.
    pub ask_again: Option<UnixTime>,
}

impl Ruling {
    /// The worst of the reasons; without any, nobody looked.
    pub fn answer(&self) -> Answer {
        let worst = self.reasons.iter().map(|reason| reason.answer).max();
        worst.unwrap_or(Answer::NotLookedAt)
    }

    /// Adds what was compared, and what came of it.
    pub fn say(&mut self, answer: Answer, said: String) {
        self.reasons.push(Reason { answer, said });
    }
}

/// What one API server showed.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "whoever looked says both")]
pub struct Server {
    /// How it is called.
    pub name: String,
    /// The keys it accepts, or why they could not be read.
    pub keys: Result<BTreeSet<Thumbprint>, String>,
}

/// A token made a moment ago, and by whom.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "whoever looked says both")]
pub struct Fresh {
    /// The API server that made it, or the file it is from.
    pub name: String,
    /// The key that signed it, or why that could not be told.
    pub key: Result<Thumbprint, String>,
}

/// May `key` be published? Every API server lists it among those whose tokens it accepts.
pub fn publish(key: Thumbprint, servers: &[Server]) -> Ruling {
    let mut ruling = Ruling::default();
    for server in servers {
        let name = Foreign::new(&server.name);
        match &server.keys {
            Ok(keys) if keys.contains(&key) => {
                ruling.say(Answer::Yes, format!("API server {name} accepts it"));
            }
            Ok(keys) => ruling.say(
                Answer::No,
                format!("API server {name} accepts {} keys, and not this one", keys.len()),
            ),
            Err(why) => ruling.say(
                Answer::NotLookedAt,
                format!("API server {name} could not be read: {}", Foreign::new(why)),
            ),
        }
    }
    ruling
}

/// May `key` sign? The public set has shown it, without a break, for all of `wait`. Where nobody looked for
/// longer than `wait`, nobody knows what it showed: what was seen before that does not count.
///
/// `public` is the set as it is now, or why it could not be read; `history` holds the looks before.
pub fn sign(
    key: Thumbprint,
    public: &Result<BTreeSet<Thumbprint>, String>,
    history: &History,
    wait: Duration,
    now: UnixTime,
) -> Ruling {
    let mut ruling = Ruling::default();
    match public {
        Err(why) => {
            let why = Foreign::new(why);
            ruling.say(Answer::NotLookedAt, format!("the public set could not be read: {why}"));
            return ruling;
        }
        Ok(keys) if !keys.contains(&key) => {
            ruling.say(
                Answer::No,
                format!("the public set has {} keys, and not this one: publish it", keys.len()),
            );
            return ruling;
        }
        Ok(_) => ruling.say(Answer::Yes, "the public set shows it now".to_owned()),
    }
    match shown_since(key, history, wait, now) {
        None => {
            ruling.say(
                Answer::No,
                format!(
                    "no earlier look saw it there: it has to be seen for {}; look again with the same history",
                    span(wait)
                ),
            );
            ruling.ask_again = Some(now + wait);
        }
        Some(Shown { since, .. }) if since + wait <= now => ruling.say(
            Answer::Yes,
            format!("every look since {since} saw it there: {} is over", span(wait)),
        ),
        Some(Shown { since, unwatched }) => {
            let (so_far, all) = (span(now.since(since)), span(wait));
            let said = format!("it is seen there since {since}, for {so_far} of {all}");
            if unwatched {
                let why = format!(
                    "{said}; before that nobody looked for longer than {all}: look once an hour"
                );
                ruling.say(Answer::NotLookedAt, why);
            } else {
                ruling.say(Answer::No, said);
            }
            ruling.ask_again = Some(since + wait);
        }
    }
    ruling
}

/// How long the set has shown a key.
struct Shown {
    /// The first look, reckoned late by its clock's error, since which no look missed the key and none was
    /// too long in coming.
    since: UnixTime,
    /// Whether it was seen before that, and then for too long nobody looked.
    unwatched: bool,
}

fn shown_since(key: Thumbprint, history: &History, wait: Duration, now: UnixTime) -> Option<Shown> {
    let public = || history.runs().iter().filter(|run| run.source == Source::Public);
    let missing = public().filter(|run| !run.keys.contains(&key)).map(|run| run.to).max();
    let mut runs: Vec<_> = public()
        .filter(|run| run.keys.contains(&key))
        // Times are whole seconds: what was missed and then shown in one second was shown since.
        .filter(|run| missing.is_none_or(|missing| run.from >= missing))
        .collect();
    runs.sort_by_key(|run| run.from);
    let first = runs.first()?;
    let mut shown = Shown { since: first.from + first.error, unwatched: false };
    let mut last = first.from;
    for run in runs {
        if run.from.since(last) > wait {
            shown = Shown { since: run.from + run.error, unwatched: true };
        }
        // Where in it the pause was is not on record.
        if run.pause.unwrap_or(run.to.since(run.from)) > wait {
            shown = Shown { since: run.to + run.error, unwatched: true };
        }
        last = last.max(run.to);
    }
    if now.since(last) > wait {
        shown = Shown { since: now, unwatched: true };
    }
    Some(shown)
}

/// May `key` be withdrawn? Each API server's fresh token has another key, and what this one signed
/// last is no longer alive.
///
/// `servers` says how many API servers there are to hear; `signings` is what was seen of tokens
/// before and now; `overlap` is the longest life of a token with its margin.
pub fn retire(
    key: Thumbprint,
    fresh: &[Fresh],
    servers: usize,
    signings: &BTreeMap<Thumbprint, Signings>,
    overlap: Duration,
    now: UnixTime,
) -> Ruling {
    let mut ruling = Ruling::default();
    if fresh.len() < servers {
        ruling.say(
            Answer::NotLookedAt,
            format!("{servers} API servers, and a fresh token of {} of them", fresh.len()),
        );
    }
    for token in fresh {
        let name = Foreign::new(&token.name);
        match &token.key {
            Ok(signer) if *signer == key => {
                ruling.say(Answer::No, format!("{name} still signs with it"));
            }
            Ok(signer) => ruling.say(Answer::Yes, format!("{name} signs with {signer}")),
            Err(why) => ruling
                .say(Answer::NotLookedAt, format!("{name} gave no token: {}", Foreign::new(why))),
        }
    }
    if ruling.answer() != Answer::Yes {
        return ruling;
    }
    let Some(since) = silent_since(key, signings) else {
        ruling.say(
            Answer::NotLookedAt,
            "no token of another key was seen before this look: nobody knows when this one signed last; keep a history and look at tokens".to_owned(),
        );
        return ruling;
    };
    let alive = signings.get(&key).map(|seen| seen.expires).filter(|expires| *expires > now);
    if let Some(expires) = alive {
        ruling
            .say(Answer::No, format!("a token that it signed was seen, and lives until {expires}"));
        ruling.ask_again = Some(expires);
    }
    let over = since + overlap;
    if over <= now {
        ruling.say(
            Answer::Yes,
            format!("it was not seen to sign since {since}: {} is over", span(overlap)),
        );
    } else {
        ruling.say(
            Answer::No,
            format!(
                "it may have signed until {since}, and tokens live for up to {} with the margin",
                span(overlap)
            ),
        );
        ruling.ask_again = ruling.ask_again.max(Some(over));
    }
    ruling
}

/// By when the key had signed last, at the latest: its last token that was seen, or the first of
/// another key, since nobody saw what happened before that.
fn silent_since(key: Thumbprint, signings: &BTreeMap<Thumbprint, Signings>) -> Option<UnixTime> {
    let last = signings.get(&key).map(|seen| seen.last);
    // Another key that signed before this one did, and not since, has taken over nothing.
    let others = signings.iter().filter(|(signer, _)| **signer != key);
    let since = others.filter(|(_, seen)| last.is_none_or(|last| seen.last > last));
    let taken_over = since.map(|(_, seen)| seen.first).min()?;
    Some(last.map_or(taken_over, |last| last.max(taken_over)))
}
