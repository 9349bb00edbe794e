//! The token listener's answers.

use http::StatusCode;
use prometheus_client::registry::Registry;

use crate::event::SentAway;
use crate::listener::Recalled;
use crate::metrics::{Counted, Each, EachPair};
use crate::request::{Protocol, Reason};

/// The statuses the token listener answers with.
const STATUSES: [u16; 7] = [200, 400, 401, 403, 405, 429, 503];

const REASONS: usize = Reason::ALL.len();
const RECALLS: usize = Recalled::ALL.len();

#[derive(Debug)]
pub(super) struct Answers {
    requests: EachPair<Option<Protocol>, u16, 4, { STATUSES.len() }>,
    refused: Each<Reason, REASONS>,
    sent_away: Each<Recalled, RECALLS>,
    would_deny: Each<Protocol, { Protocol::ALL.len() }>,
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
            would_deny: Each::new(Protocol::ALL, ("protocol", Protocol::as_str)),
        }
    }

    pub(super) fn answered(&self, protocol: Option<Protocol>, status: StatusCode) {
        self.requests.inc(protocol, status.as_u16());
    }

    pub(super) fn refused(&self, protocol: Option<Protocol>, reason: Reason) {
        self.answered(protocol, reason.status());
        self.refused.inc(reason);
    }

    pub(super) fn sent_away(&self, protocol: Protocol, why: Recalled) {
        self.answered(Some(protocol), SentAway::STATUS);
        self.sent_away.inc(why);
    }

    pub(super) fn would_deny(&self, protocol: Protocol) {
        self.would_deny.inc(protocol);
    }
}

impl Counted for Answers {
    fn register(&self, registry: &mut Registry) {
        self.requests.register(registry, "requests", "Answers of the token listener");
        let help = "Requests of the wrong shape, by the rule they break";
        self.refused.register(registry, "refused", help);
        let help = "Requests that could not wait, or no longer, and may ask again";
        self.sent_away.register(registry, "sent_away", help);
        let help = "Requests that were answered, and that the policy refuses once it is enforced";
        self.would_deny.register(registry, "would_deny", help);
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
    use crate::testing::counted;

    #[test]
    fn every_answer_is_where_its_labels_say() {
        let answers = Answers::new();
        answers.answered(Some(Protocol::Imds), StatusCode::OK);
        answers.refused(None, Reason::Path);
        answers.sent_away(Protocol::Native, Recalled::Draining);
        let mut expected = [
            "cambist_refused_total{reason=\"path\"} 1",
            "cambist_requests_total{protocol=\"imds\",status=\"200\"} 1",
            "cambist_requests_total{protocol=\"native\",status=\"503\"} 1",
            "cambist_requests_total{protocol=\"none\",status=\"403\"} 1",
            "cambist_sent_away_total{reason=\"draining\"} 1",
        ];
        expected.sort_unstable();
        assert_eq!(counted(&answers), expected);
        // What is never answered is not counted as something else.
        answers.answered(None, StatusCode::IM_A_TEAPOT);
        assert_eq!(counted(&answers), expected);
    }
}
