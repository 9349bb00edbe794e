//! What must hold of all that the pages tried.

use std::collections::{BTreeMap, BTreeSet};

use kit::Secrets;

use crate::attempt::{Arrives, Attempt, PAGE};
use crate::place::{Place, Ports};
use crate::relay::{Exchange, Log, Port};
use crate::wire::Message;

/// Fewer requests of a protocol than this, and the pages have not tried what they are for.
const LEAST: [(&str, u64); 3] = [("app-service", 300), ("imds", 300), ("native", 40)];
/// Fewer attempts of one page than this, and it has not done what it is for.
const LEAST_ATTEMPTS: usize = 100;
/// Fewer of a browser's own questions whether it may, on each port.
const LEAST_PREFLIGHTS: u64 = 30;

/// Counts of the sidecar's, by what they count.
pub(crate) type Counts = BTreeMap<String, u64>;

/// Everything that is judged.
#[derive(Debug)]
pub(crate) struct Evidence<'a> {
    pub(crate) attempts: &'a [Attempt],
    pub(crate) log: &'a Log,
    pub(crate) ports: Ports,
    pub(crate) secrets: &'a Secrets,
}

/// The reason that the sidecar gives for a refusal; "" for anything else.
pub(crate) fn reason(answer: &Message) -> &str {
    answer.header("x-cambist-reason").unwrap_or_default()
}

/// Whether a request is for the page, and of somebody who typed its address.
fn is_typed_page(request: &Message) -> bool {
    let marks = [
        ("sec-fetch-site", "none"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
    ];
    request.word(1).split('?').next() == Some(PAGE)
        && marks.iter().all(|(name, value)| request.header(name) == Some(value))
        && request.header("origin").is_none()
}

/// Whether what was read is the page.
fn is_page(attempt: &Attempt) -> bool {
    attempt.route == PAGE && attempt.read.contains("<h1>cambist sidecar</h1>")
}

impl Evidence<'_> {
    /// All that is wrong, in words.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let exchanges = self.log.exchanges();
        for exchange in &exchanges {
            faults.extend(self.refused(exchange).err());
        }
        for attempt in self.attempts {
            faults.extend(self.arrived(attempt).err());
            faults.extend(self.unread(attempt).err());
        }
        for answer in self.log.unasked() {
            faults.push(format!("an answer to no request: {answer:?}"));
        }
        faults.extend(self.everything_tried().err());
        faults
    }

    /// Whether a request got the one refusal that it must get.
    fn refused(&self, exchange: &Exchange) -> Result<(), String> {
        let Exchange { port, request, answer } = exchange;
        // A browser may lose interest in an answer; what the sidecar counted is held against the rest.
        let Some(answer) = answer else { return Ok(()) };
        let expected = self.expected(*port, request);
        let said = (answer.word(1), reason(answer));
        let sound = said == expected
            && !answer.has_header_like("access-control-")
            && !self.secrets.are_in(&answer.everything());
        if sound {
            return Ok(());
        }
        Err(format!("not refused as {expected:?}: {request:?}\n  but answered: {answer:?}"))
    }

    /// The status and the reason for a request, by what it is.
    fn expected(&self, port: Port, request: &Message) -> (&'static str, &'static str) {
        let own = match port {
            Port::Tokens => self.ports.tokens,
            Port::Admin => self.ports.admin,
        };
        let names = ["127.0.0.1", "localhost", "[::1]"].map(|name| format!("{name}:{own}"));
        let length = request.header("content-length").unwrap_or("0");
        if length != "0" || request.header("transfer-encoding").is_some() {
            ("400", "body")
        } else if !names.iter().any(|name| Some(&**name) == request.header("host")) {
            ("403", "host_not_allowed")
        } else if port == Port::Admin && is_typed_page(request) {
            ("200", "")
        } else {
            ("403", "browser")
        }
    }

    /// Whether that came before the sidecar which had to, and was answered: else nothing was tried.
    fn arrived(&self, attempt: &Attempt) -> Result<(), String> {
        let came = self.log.tagged(&attempt.tag);
        let answered = came.iter().any(|exchange| exchange.answer.is_some());
        let preflights = came.iter().filter(|it| it.request.word(0) == "OPTIONS").count();
        let right = match attempt.arrives {
            Arrives::Whole => answered && preflights == 0,
            Arrives::Preflight => answered && preflights == came.len(),
            Arrives::Nothing => came.is_empty(),
        };
        if right {
            return Ok(());
        }
        let requests: Vec<_> = came.iter().map(|exchange| &exchange.request.first).collect();
        let (words, expected) = (attempt.words(), attempt.arrives);
        Err(format!("{words}: {expected:?} was to arrive, not {requests:?}; saw {}", attempt.saw))
    }

    /// Whether the page read no more than it may: a refusal, if it has the sidecar's own origin.
    fn unread(&self, attempt: &Attempt) -> Result<(), String> {
        let Attempt { place, read, .. } = attempt;
        let nothing = read.trim().is_empty();
        let refused = ["x-cambist-reason", "access_denied", "invalid_request"];
        let refusal = place.may_read() && refused.iter().any(|word| read.contains(word));
        let page = *place == Place::AddressBar && is_page(attempt);
        let harmless = !read.contains("access_token") && !self.secrets.are_in(read);
        if harmless && (nothing || refusal || page) {
            return Ok(());
        }
        Err(format!("{}: saw {}, and could read: {read}", attempt.words(), attempt.saw))
    }

    /// Whether pages of all places ran, tried all routes, and could read where they have the right:
    /// else that nothing was read would mean nothing.
    fn everything_tried(&self) -> Result<(), String> {
        let pages = Place::PAGES.map(|place| (place, LEAST_ATTEMPTS));
        for (place, least) in [(Place::AddressBar, 1)].into_iter().chain(pages) {
            let ours = || self.attempts.iter().filter(|attempt| attempt.place == place);
            let reads = ours().any(|attempt| attempt.read.contains("access_denied"));
            if ours().count() < least || reads != place.may_read() {
                let count = ours().count();
                return Err(format!("{place:?}: {count} attempts; a refusal was read: {reads}"));
            }
        }
        // What a person may see is seen, and was there for all others to be refused.
        if !self.attempts.iter().any(is_page) {
            return Err("nobody was shown the status whose address is typed".to_owned());
        }
        for port in [Port::Tokens, Port::Admin] {
            let exchanges = self.log.exchanges();
            let preflights =
                exchanges.iter().filter(|it| it.port == port && it.request.word(0) == "OPTIONS");
            let count = preflights.count() as u64;
            if count < LEAST_PREFLIGHTS {
                return Err(format!("{port:?}: {count} preflights"));
            }
        }
        Ok(())
    }

    /// Whether the sidecar's own counts say the same as what went by, `before` and `after` the pages.
    pub(crate) fn counted(&self, before: &Counts, after: &Counts) -> Result<(), String> {
        let changes: BTreeSet<_> = before.keys().chain(after.keys()).collect();
        let of = |counts: &Counts, name: &str| counts.get(name).copied().unwrap_or(0);
        let rose = |name: &str| of(after, name).saturating_sub(of(before, name));
        for (protocol, least) in LEAST {
            let start = format!("cambist_requests_total{{protocol=\"{protocol}\"");
            let answered = changes.iter().filter(|name| name.starts_with(&start));
            let count: u64 = answered.map(|name| rose(name)).sum();
            if count < least {
                return Err(format!("the sidecar counted {count} requests by {protocol}"));
            }
        }
        for name in changes {
            let forbidden = name.contains("status=\"200\"") || name.contains("status=\"503\"");
            if forbidden && rose(name) > 0 {
                return Err(format!("{name} rose by {}", rose(name)));
            }
            let Some(why) = name.strip_prefix("cambist_refused_total{reason=\"") else { continue };
            let why = why.trim_end_matches("\"}");
            let exchanges = self.log.exchanges();
            let of_tokens = exchanges.iter().filter(|exchange| exchange.port == Port::Tokens);
            let (told, untold): (Vec<_>, Vec<_>) =
                of_tokens.partition(|exchange| exchange.answer.is_some());
            let said = told.iter().filter_map(|exchange| exchange.answer.as_ref());
            let said = said.filter(|answer| reason(answer) == why).count() as u64;
            let most = said + untold.len() as u64;
            if !(said..=most).contains(&rose(name)) {
                let rose = rose(name);
                return Err(format!("{name} rose by {rose}; {said} to {most} went by"));
            }
        }
        Ok(())
    }
}
