//! What was asked of the simulator.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use cambist_core::clock::UnixTime;
use serde::Serialize;

use crate::fault::{By, Target};
use crate::lock;
use crate::reply::Response;

/// How many requests are kept; the counts go on counting.
const KEPT: usize = 10_000;

/// One request. Holds nothing secret: no query, no header but for ids, no assertion, no token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Entry {
    /// The method.
    pub method: String,
    /// The path, without a query.
    pub path: String,
    /// What was asked for; `None` for an address that does not exist.
    pub target: Option<Target>,
    /// Who asked.
    pub by: By,
    /// When, in truth.
    pub time: UnixTime,
    /// The tenant that was asked for a token.
    pub tenant: Option<String>,
    /// The client id that it was to be of.
    pub client: Option<String>,
    /// The scope a token was asked for.
    pub scope: Option<String>,
    /// The `jti` of the assertion that was shown for it, unchecked.
    pub assertion: Option<String>,
    /// The id that the client gave its token request (`client-request-id`), which a sign-in log has as its
    /// correlation id.
    pub client_request_id: Option<String>,
    /// The id that Entra gave it (`x-ms-request-id`), once it was answered.
    pub entra_request_id: Option<String>,
    /// The answer's status; `None` while there is none, and for ever if the connection was cut.
    pub status: Option<u16>,
}

/// How many requests of the pod's reached each target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Counts {
    /// Token requests.
    pub entra: u64,
    /// Fetches of the discovery document.
    pub discovery: u64,
    /// Fetches of the key set.
    pub jwks: u64,
    /// Requests to the API server.
    pub api: u64,
    /// Token requests through the token proxy; left out where there was none.
    #[serde(skip_serializing_if = "is_zero")]
    pub token_proxy: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// The record of all requests. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Journal(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    counts: Counts,
    /// The number of the first entry still kept.
    first: u64,
    entries: VecDeque<Entry>,
}

impl Journal {
    /// How often the pod asked, leaving out what Entra itself fetched.
    pub fn counts(&self) -> Counts {
        lock(&self.0).counts
    }

    /// The latest requests, oldest first, Entra's own among them.
    pub fn entries(&self) -> Vec<Entry> {
        lock(&self.0).entries.iter().cloned().collect()
    }

    /// Forgets all requests and counts from zero.
    pub fn clear(&self) {
        let mut inner = lock(&self.0);
        inner.first += inner.entries.len() as u64;
        inner.entries.clear();
        inner.counts = Counts::default();
    }

    /// Records a request on arrival; the number returned is for [`finish`](Self::finish).
    pub(crate) fn begin(&self, entry: Entry) -> u64 {
        let mut inner = lock(&self.0);
        if entry.by == By::Pod {
            match entry.target {
                Some(Target::Entra) => inner.counts.entra += 1,
                Some(Target::TokenProxy) => inner.counts.token_proxy += 1,
                Some(Target::Discovery) => inner.counts.discovery += 1,
                Some(Target::Jwks) => inner.counts.jwks += 1,
                Some(Target::Api) => inner.counts.api += 1,
                None => {}
            }
        }
        if inner.entries.len() == KEPT {
            inner.entries.pop_front();
            inner.first += 1;
        }
        inner.entries.push_back(entry);
        inner.first + inner.entries.len() as u64 - 1
    }

    pub(crate) fn finish(&self, number: u64, answer: &Response) {
        let entra_request_id = answer.headers().get("x-ms-request-id");
        let entra_request_id = entra_request_id.and_then(|id| id.to_str().ok()).map(str::to_owned);
        let mut inner = lock(&self.0);
        let at = number.checked_sub(inner.first).and_then(|at| usize::try_from(at).ok());
        if let Some(entry) = at.and_then(|at| inner.entries.get_mut(at)) {
            entry.status = Some(answer.status().as_u16());
            entry.entra_request_id = entra_request_id;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::response;
    use http::StatusCode;

    fn entry(target: Target, by: By) -> Entry {
        Entry {
            method: "GET".to_owned(),
            path: "/".to_owned(),
            target: Some(target),
            by,
            time: UnixTime::from_secs(0),
            tenant: None,
            client: None,
            scope: None,
            assertion: None,
            client_request_id: None,
            entra_request_id: None,
            status: None,
        }
    }

    #[test]
    fn counts_the_pod_and_lists_all() {
        let journal = Journal::default();
        let first = journal.begin(entry(Target::Jwks, By::Pod));
        journal.begin(entry(Target::Jwks, By::Entra));
        journal.begin(entry(Target::Entra, By::Pod));
        assert_eq!(journal.counts(), Counts { entra: 1, jwks: 1, ..Counts::default() });
        journal.finish(first, &response(StatusCode::OK, &[("x-ms-request-id", "7")], ""));
        assert_eq!(journal.entries()[0].entra_request_id.as_deref(), Some("7"));
        let statuses: Vec<_> = journal.entries().iter().map(|entry| entry.status).collect();
        assert_eq!(statuses, [Some(200), None, None]);
    }

    #[test]
    fn a_late_answer_to_a_forgotten_request_is_nobody_elses() {
        let journal = Journal::default();
        let old = journal.begin(entry(Target::Jwks, By::Pod));
        journal.clear();
        journal.begin(entry(Target::Jwks, By::Pod));
        journal.finish(old, &response(StatusCode::OK, &[], ""));
        assert_eq!(journal.entries()[0].status, None);
        assert_eq!(journal.counts().jwks, 1);
    }
}
