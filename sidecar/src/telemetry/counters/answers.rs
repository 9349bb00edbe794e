//! The token listener's answers.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use http::StatusCode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::event::{Refused, SentAway};
use crate::listener::Recalled;
use crate::metrics::{Counted, Each, EachPair};
use crate::request::{Protocol, Reason};
use crate::telemetry::OTHER;

/// The statuses the token listener answers with.
const STATUSES: [u16; 7] = [200, 400, 401, 403, 405, 429, 503];

const REASONS: usize = Reason::ALL.len();
const RECALLS: usize = Recalled::ALL.len();

#[derive(Debug)]
pub(super) struct Answers {
    requests: EachPair<Option<Protocol>, u16, 4, { STATUSES.len() }>,
    refused: Each<Reason, REASONS>,
    sent_away: Each<Recalled, RECALLS>,
    denied: Denied,
}

/// What was refused to those who are known.
#[derive(Debug, Default)]
struct Denied {
    callers: Mutex<HashSet<String>>,
    counters: Family<[(&'static str, String); 2], Counter>,
}

impl Denied {
    /// So many callers are counted by themselves; a policy that is changed again and again may have had more.
    const MOST: usize = 1000;

    fn inc(&self, caller: &str, reason: Reason) {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        let known = callers.contains(caller);
        if !known && callers.len() < Self::MOST {
            callers.insert(caller.to_owned());
        }
        let caller = if callers.contains(caller) { caller } else { OTHER };
        drop(callers);
        let labels = [("caller", caller.to_owned()), ("reason", reason.as_str().to_owned())];
        self.counters.get_or_create(&labels).inc();
    }
}

impl Answers {
    pub(super) fn new() -> Self {
        let [first, second, third] = Protocol::ALL.map(Some);
        let protocols = [first, second, third, None];
        Self {
            requests: EachPair::new(
                (protocols, ("protocol", protocol_word)),
                (STATUSES, ("status", status_word)),
            ),
            refused: Each::new(Reason::ALL, ("reason", Reason::as_str)),
            sent_away: Each::new(Recalled::ALL, ("reason", Recalled::as_str)),
            denied: Denied::default(),
        }
    }

    pub(super) fn answered(&self, protocol: Option<Protocol>, status: StatusCode) {
        self.requests.inc(protocol, status.as_u16());
    }

    pub(super) fn refused(&self, it: &Refused<'_>) {
        let reason = it.rejection.reason();
        self.answered(it.protocol, reason.status());
        self.refused.inc(reason);
        if let Some(caller) = it.rejection.caller() {
            self.denied.inc(caller, reason);
        }
    }

    pub(super) fn sent_away(&self, protocol: Protocol, why: Recalled) {
        self.answered(Some(protocol), SentAway::STATUS);
        self.sent_away.inc(why);
    }
}

impl Counted for Answers {
    fn register(&self, registry: &mut Registry) {
        let help = "Answers of the token listener, by their status and the protocol that was asked by: none where the path is \
            no protocol's";
        self.requests.register(registry, "requests", help);
        let help = "Requests that were refused, by the rule they break";
        self.refused.register(registry, "refused", help);
        let help = "Requests that could not wait, or no longer, and may ask again";
        self.sent_away.register(registry, "sent_away", help);
        let help =
            "Requests of known callers that were refused, by who asked and the rule they break";
        registry.register("denied", help, self.denied.counters.clone());
    }
}

fn protocol_word(protocol: Option<Protocol>) -> &'static str {
    protocol.map_or("none", Protocol::as_str)
}

const fn status_word(status: u16) -> &'static str {
    match status {
        200 => "200",
        400 => "400",
        401 => "401",
        403 => "403",
        405 => "405",
        429 => "429",
        _ => "503",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Rejection;
    use crate::testing::counted;

    #[test]
    fn every_answer_is_where_its_labels_say() {
        let answers = Answers::new();
        answers.answered(Some(Protocol::Imds), StatusCode::OK);
        answers.refused(&Refused { protocol: None, rejection: &Rejection::new(Reason::Path, "") });
        let denied = Rejection::new(Reason::PolicyDenied, "").by("app");
        answers.refused(&Refused { protocol: Some(Protocol::Imds), rejection: &denied });
        answers.sent_away(Protocol::Native, Recalled::Draining);
        let mut expected = [
            "cambist_denied_total{caller=\"app\",reason=\"policy_denied\"} 1",
            "cambist_refused_total{reason=\"path\"} 1",
            "cambist_refused_total{reason=\"policy_denied\"} 1",
            "cambist_requests_total{protocol=\"imds\",status=\"200\"} 1",
            "cambist_requests_total{protocol=\"imds\",status=\"403\"} 1",
            "cambist_requests_total{protocol=\"native\",status=\"503\"} 1",
            "cambist_requests_total{protocol=\"none\",status=\"403\"} 1",
            "cambist_sent_away_total{reason=\"draining\"} 1",
        ];
        expected.sort_unstable();
        assert_eq!(counted(&answers), expected);
        // Beyond so many callers they are counted together.
        (0..Denied::MOST + 100)
            .for_each(|n| answers.denied.inc(&n.to_string(), Reason::PolicyDenied));
        let all = counted(&answers);
        assert_eq!(
            all.iter().filter(|it| it.starts_with("cambist_denied")).count(),
            Denied::MOST + 1
        );
        let other =
            "cambist_denied_total{caller=\"other\",reason=\"policy_denied\"} 101".to_owned();
        assert!(all.contains(&other), "{all:?}");
        // What is never answered is not counted as something else.
        answers.answered(None, StatusCode::IM_A_TEAPOT);
        assert_eq!(counted(&answers), all);
    }
}
