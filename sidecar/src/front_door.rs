//! What every request must pass, on either listener, before anybody asks what it wants: that the
//! message is framed beyond doubt, that it is meant for this listener, and that nobody sent it who
//! can be talked into sending it.

use cambist_core::foreign::Foreign;
use http::header::{CONTENT_LENGTH, HOST, HeaderMap, TRANSFER_ENCODING};
use http::{HeaderName, Request, Version};

use crate::listener::{Ends, Peer};
use crate::request::{Reason, Rejection};

mod host;

pub use host::HostName;

/// What requests are held against at one listener's door.
#[derive(Debug)]
pub struct Door {
    port: u16,
    rule: Rule,
}

#[derive(Debug)]
enum Rule {
    /// Where tokens are: loopback's own names, spelt with the port, and nobody from afar.
    Tokens,
    /// Where probes and scrapers ask, by these names too, and for these paths from anywhere.
    Admin { hosts: Vec<HostName>, open: &'static [&'static str], pages: &'static [&'static str] },
}

impl Door {
    /// The door of the token listener on `port`.
    pub fn tokens(port: u16) -> Self {
        Self { port, rule: Rule::Tokens }
    }

    /// The door of the admin listener on `port`. `hosts` are names that it is known by beside its
    /// address; `open` are the paths that are answered whoever asks, all others only within the pod; `pages`
    /// those that a person may open in a browser, where no other page leads to them.
    pub fn admin(
        port: u16,
        hosts: Vec<HostName>,
        open: &'static [&'static str],
        pages: &'static [&'static str],
    ) -> Self {
        Self { port, rule: Rule::Admin { hosts, open, pages } }
    }

    /// The port that it is for.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether a request over such a connection may come in.
    ///
    /// # Errors
    /// [`Rejection`]: what is wrong with it.
    pub fn check<B>(&self, ends: Ends, request: &Request<B>) -> Result<(), Rejection> {
        check_message(request)?;
        self.check_host(ends, request)?;
        check_messenger(request.headers(), self.is_page(request.uri().path()))?;
        self.check_peer(ends.peer, request.uri().path())
    }

    /// The `Host` must be this very listener (no name that an attacker's DNS points here), once.
    fn check_host<B>(&self, ends: Ends, request: &Request<B>) -> Result<(), Rejection> {
        let mut hosts = request.headers().get_all(HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else {
            return Err(Rejection::new(Reason::Host, "exactly one Host header is needed"));
        };
        let ours = host.to_str().is_ok_and(|host| match &self.rule {
            Rule::Tokens => host::is_loopback(host, self.port),
            Rule::Admin { hosts, .. } => host::is_admin(host, self.port, ends.local, hosts),
        });
        if !ours {
            let host = Foreign::new(host.as_bytes());
            let detail = format!("Host is {host}; it must be {}", self.allowed(ends));
            return Err(Rejection::new(Reason::HostNotAllowed, detail));
        }
        // An absolute target is how one speaks to a proxy, and this is none. (RFC 9112 section 3.2.2
        // would have servers accept it; no client of ours sends it, but a confused proxy might.)
        if let Some(authority) = request.uri().authority() {
            let named = Foreign::new(authority.host());
            let detail = format!("the target names {named}; it must be a path, as for no proxy");
            return Err(Rejection::new(Reason::Host, detail));
        }
        Ok(())
    }

    /// The hosts that would have been right, in words.
    fn allowed(&self, ends: Ends) -> String {
        let port = self.port;
        match &self.rule {
            Rule::Tokens => format!("127.0.0.1, localhost or [::1] with port {port}"),
            Rule::Admin { hosts, .. } => {
                let own = ends.local.filter(|ip| !ip.is_loopback());
                let own = own.map(|ip| format!(", {ip} with port {port}")).unwrap_or_default();
                let named = hosts.iter().map(|host| format!(", {host}")).collect::<String>();
                format!(
                    "127.0.0.1, localhost, [::1]{own}{named}; \
                     names that it may have beside are set by CAMBIST_ADMIN_HOSTS"
                )
            }
        }
    }

    fn is_page(&self, path: &str) -> bool {
        matches!(self.rule, Rule::Admin { pages, .. } if pages.contains(&path))
    }

    fn check_peer(&self, peer: Peer, path: &str) -> Result<(), Rejection> {
        let open = match self.rule {
            _ if peer.is_loopback() => return Ok(()),
            Rule::Tokens => &[],
            Rule::Admin { open, .. } => open,
        };
        if open.contains(&path) {
            return Ok(());
        }
        let detail = match open {
            [] => "this is answered within the pod alone, over its loopback".to_owned(),
            open => format!(
                "{} are answered from anywhere; all else within the pod alone, over its loopback \
                 (kubectl port-forward leads there)",
                open.join(", ")
            ),
        };
        Err(Rejection::new(Reason::OffLoopback, detail))
    }
}

/// The parts of the head that say how the message is framed: a doubt there ends the connection.
fn check_message<B>(request: &Request<B>) -> Result<(), Rejection> {
    if request.version() != Version::HTTP_11 {
        let detail = format!("{:?} is not spoken here; HTTP/1.1 is", request.version());
        return Err(Rejection::new(Reason::HttpVersion, detail));
    }
    let headers = request.headers();
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let only_zero = match (lengths.next(), lengths.next()) {
        (None, _) => true,
        (Some(length), None) => length == "0",
        (Some(_), Some(_)) => false,
    };
    if !only_zero || headers.contains_key(TRANSFER_ENCODING) {
        let mut detail = "nothing here is asked for with a body".to_owned();
        // That is how an SDK asks in Cloud Shell, which it takes the pod for.
        if headers.contains_key("metadata") {
            detail += "; a client that sends one has MSI_ENDPOINT and lacks MSI_SECRET (msrestazure: \
                       APPSETTING_WEBSITE_SITE_NAME)";
        }
        return Err(Rejection::new(Reason::Body, detail));
    }
    Ok(())
}

/// Signs that the request was written by somebody other than who speaks: a proxy that can be talked
/// into forwarding, or a page in a browser. Where there `is_page`, a person may look at it.
fn check_messenger(headers: &HeaderMap, is_page: bool) -> Result<(), Rejection> {
    let by_hand = is_page && is_opened_by_hand(headers);
    for name in headers.keys().map(HeaderName::as_str) {
        if name == "forwarded"
            || name == "via"
            || name == "x-real-ip"
            || name.starts_with("x-forwarded")
        {
            let detail = format!("{name} says that a proxy sent this; ask without one");
            return Err(Rejection::new(Reason::Forwarded, detail));
        }
        // Not `sec-fetch-mode`: Node's own fetch() sends it, cannot be told not to, and sends none of
        // these. A browser sends them with every request to loopback's own names, whatever the page asks
        // for. To other plain-text hosts it may send none: those are not let in by their name.
        if matches!(name, "origin" | "sec-fetch-site" | "sec-fetch-dest") && !by_hand {
            let detail = if is_page {
                format!("{name} says that another page led here; type this address into a new tab")
            } else {
                format!("{name} says that a browser sent this; ask from a program")
            };
            return Err(Rejection::new(Reason::Browser, detail));
        }
    }
    Ok(())
}

/// Whether a browser says that a person typed the address, or opened a bookmark: no page had a hand in it, not
/// even one of this origin, which another server may have left behind, and none gets to see the answer.
fn is_opened_by_hand(headers: &HeaderMap) -> bool {
    let is = |name: &str, value: &str| {
        let mut all = headers.get_all(name).iter();
        all.next().is_some_and(|it| it == value) && all.next().is_none()
    };
    is("sec-fetch-site", "none")
        && is("sec-fetch-mode", "navigate")
        && is("sec-fetch-dest", "document")
        && !headers.contains_key("origin")
}

#[cfg(test)]
mod tests;
