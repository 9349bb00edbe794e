//! Answers that were seen in public, replayed. Status, `error`, codes and the form of every member are
//! as they were shown; what was not shown is named in `assumed`. The sentences are our own, and so are
//! ids and moments.

use std::collections::{BTreeMap, BTreeSet};

use cambist_core::refresh::{Holding, Jitter, wait};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::*;
use crate::error::Error;
use crate::exchange::aadsts::CODES;
use crate::reason::Class;

/// Codes of which no answer was found that can be pointed at. They are documented, or named in
/// somebody's words.
const NOT_SEEN: &[u32] = &[
    700_214, 70_025, 50_013, 700_027, 7_000_274, 50_006, 50_012, 5_002_727, 700_011, 70_001,
    7_000_215, 7_000_222, 7_000_218, 700_025, 700_238, 90_023, 9_002_313, 900_144, 901_002, 50_001,
    650_057, 28_002, 700_022, 700_023, 530_032, 530_003, 50_005, 100_007, 90_038, 900_439, 900_432,
    900_382, 90_055, 90_033, 90_006, 50_033, 90_024, 90_012, 90_090, 90_091,
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sample {
    /// Where.
    seen: String,
    /// When it was answered or told of, as far as that is known.
    on: Option<String>,
    /// What was not shown: `status` and `error` by the rule that all that were shown follow.
    assumed: Vec<String>,
    status: u16,
    #[serde(default)]
    headers: Map<String, Value>,
    body: Option<Value>,
    text: Option<String>,
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    reason: String,
    class: String,
    /// Seconds until the second try, of which jitter may take a quarter.
    pause: u64,
    /// What the fix says, among others.
    fix: String,
}

fn corpus() -> Vec<Sample> {
    serde_json::from_str(include_str!("corpus.json")).unwrap()
}

/// Where an answer with each code was seen.
pub(super) fn seen_at() -> BTreeMap<u32, BTreeSet<String>> {
    let mut seen = BTreeMap::<_, BTreeSet<_>>::new();
    for sample in corpus() {
        for code in sample.codes() {
            seen.entry(code).or_default().insert(sample.seen.clone());
        }
    }
    seen
}

impl Sample {
    fn answer(&self) -> Response<Bytes> {
        let mut answer = Response::builder().status(self.status);
        for (name, value) in &self.headers {
            answer = answer.header(name, value.as_str().unwrap());
        }
        let body = self.text.clone().or(self.body.as_ref().map(Value::to_string));
        answer.body(body.unwrap().into()).unwrap()
    }

    fn codes(&self) -> Vec<u32> {
        let codes = self.body.as_ref().map(|body| &body["error_codes"]);
        let text = codes.map(|codes| codes.as_str().map_or(codes.to_string(), str::to_owned));
        text.map(|text| serde_json::from_str(&text).unwrap()).unwrap_or_default()
    }
}

#[tokio::test(start_paused = true)]
async fn each_answer_seen_in_public_is_understood() {
    for sample in corpus() {
        let seen = format!("{} ({:?})", sample.seen, sample.on);
        assert!(sample.seen.starts_with("https://"), "{seen}");
        let answer = sample.answer();
        let error = ask(&answering(move || answer.clone())).await.unwrap_err();
        let expect = &sample.expect;
        assert_eq!(error.reason().as_str(), expect.reason, "{seen}");

        let pause =
            wait(error.failure(), 1, Holding::Nothing, error.retry_after(), Jitter::of(b""));
        let most = Duration::from_secs(expect.pause);
        assert!((most * 3 / 4..=most).contains(&pause), "{pause:?} {seen}");

        let text = error.to_string();
        if let Some(entra) = error.entra() {
            assert_eq!(entra.codes(), sample.codes(), "{seen}");
            assert_eq!(entra.status().as_u16(), sample.status);
            assert!(entra.description().starts_with("AADSTS"), "{seen}");
            for part in ["Trace ID", "\r"] {
                assert!(!entra.description().contains(part), "{text}");
            }
            let body = sample.body.as_ref().unwrap();
            assert_eq!(entra.trace_id(), body["trace_id"].as_str(), "{seen}");
            assert_eq!(entra.correlation_id(), body["correlation_id"].as_str(), "{seen}");
            assert_eq!(entra.timestamp(), body["timestamp"].as_str(), "{seen}");
            assert!(entra.fix().contains(&expect.fix), "{seen}: {}", entra.fix());
        }
        assert!(!expect.fix.is_empty() && text.contains(&expect.fix), "{seen}: {text}");
        assert!(text.len() < 1500, "{text}");

        let failure = error.failure();
        let class = match (Error::new(error).class(), failure) {
            (Class::Throttled, _) | (_, Failure::Looping) => "throttled",
            (_, Failure::Replicating | Failure::Learning) => "slow",
            (_, Failure::Transient) => "transient",
            _ => "permanent",
        };
        assert_eq!(class, expect.class, "{seen}");
    }
}

#[test]
fn each_code_has_an_answer_that_was_seen_or_the_mark_that_none_was() {
    let known: Vec<u32> = CODES.iter().flat_map(|(_, codes)| codes.iter().copied()).collect();
    let all: BTreeSet<u32> = known.iter().copied().collect();
    assert_eq!(all.len(), known.len(), "a code stands there twice");
    let seen: BTreeSet<u32> = corpus().iter().flat_map(Sample::codes).collect();
    let not_seen: BTreeSet<u32> = NOT_SEEN.iter().copied().collect();
    assert_eq!(not_seen.len(), NOT_SEEN.len(), "a mark stands there twice");
    assert_eq!(seen.intersection(&not_seen).collect::<Vec<_>>(), [&0; 0], "seen after all");
    let either: BTreeSet<u32> = seen.union(&not_seen).copied().collect();
    assert_eq!(all.difference(&either).collect::<Vec<_>>(), [&0; 0], "neither seen nor marked");
    assert_eq!(not_seen.difference(&all).collect::<Vec<_>>(), [&0; 0], "marked and unknown");
}

#[test]
fn what_was_assumed_follows_the_rule() {
    let rule = |error: &str| if error == "invalid_client" { 401 } else { 400 };
    for sample in corpus() {
        let Some(error) = sample.body.as_ref().and_then(|body| body["error"].as_str()) else {
            continue;
        };
        // Those that were shown follow it, too: that is why it is one.
        assert_eq!(sample.status, rule(error), "{} {:?}", sample.seen, sample.assumed);
    }
}
