//! Where the attacking page is loaded from, and so what it is to the sidecar.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

use crate::relay::Port;

const PAGE: &str = include_str!("../page.html");
const CONFIG: &str = "CONFIG";

/// Names that lead to the sidecar beside 127.0.0.1. It goes by the first two alone.
const HOSTS: [&str; 7] = [
    "localhost",
    "[::1]",
    "localhost.",
    "tokens.localhost",
    "0.0.0.0",
    "[::ffff:127.0.0.1]",
    "rebind.test",
];

/// The ports that everybody knows: an attacker would scan for them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    /// The sidecar's for tokens.
    pub(crate) tokens: u16,
    /// Its other one.
    pub(crate) admin: u16,
    /// The attacker's.
    pub(crate) home: u16,
}

/// One place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// None: a person has typed the sidecar's own URL.
    AddressBar,
    /// A page that somebody saved and opened: of no origin at all.
    File,
    /// Another site.
    Evil,
    /// Another port of the same machine, as a developer's own server has it: the same site, and a
    /// secure context.
    Neighbour,
    /// A name of the attacker's with the sidecar's port, which led to the attacker while the page was
    /// loaded and leads to the sidecar now.
    Rebound(Port),
    /// The sidecar's own name and port, where another server was while the page was loaded.
    LeftBehind(Port),
}

impl Place {
    /// All that have a page of ours, in the order that one browser goes through them.
    pub(crate) const PAGES: [Self; 7] = [
        Self::File,
        Self::Evil,
        Self::Neighbour,
        Self::Rebound(Port::Tokens),
        Self::LeftBehind(Port::Tokens),
        Self::Rebound(Port::Admin),
        Self::LeftBehind(Port::Admin),
    ];

    /// A word for it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::AddressBar => "address-bar",
            Self::File => "file",
            Self::Evil => "evil",
            Self::Neighbour => "neighbour",
            Self::Rebound(Port::Tokens) => "rebound",
            Self::Rebound(Port::Admin) => "rebound-admin",
            Self::LeftBehind(Port::Tokens) => "left-behind",
            Self::LeftBehind(Port::Admin) => "left-behind-admin",
        }
    }

    /// The place of this word.
    pub(crate) fn named(word: &str) -> Option<Self> {
        Self::PAGES.into_iter().find(|place| place.as_str() == word)
    }

    /// What the page is to the sidecar, for the table.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::AddressBar => "none, but the address bar",
            Self::File => "a saved page, of no origin",
            Self::Evil => "another site",
            Self::Neighbour => "another port of localhost",
            Self::Rebound(Port::Tokens) => "another site's name, rebound to the token port",
            Self::Rebound(Port::Admin) => "another site's name, rebound to the admin port",
            Self::LeftBehind(Port::Tokens) => {
                "localhost with the token port, left by another server"
            }
            Self::LeftBehind(Port::Admin) => {
                "localhost with the admin port, left by another server"
            }
        }
    }

    /// The port of the sidecar whose origin the page has.
    pub(crate) const fn own(self) -> Option<Port> {
        match self {
            Self::Rebound(port) | Self::LeftBehind(port) => Some(port),
            _ => None,
        }
    }

    /// Whether the sidecar's refusals can be read there.
    pub(crate) fn may_read(self) -> bool {
        self == Self::AddressBar || self.own().is_some()
    }

    /// The host and port that it is loaded from; `None` for what is not loaded from any.
    fn host(self, ports: Ports) -> Option<String> {
        let of = |port| match port {
            Port::Tokens => ports.tokens,
            Port::Admin => ports.admin,
        };
        match self {
            Self::AddressBar | Self::File => None,
            Self::Evil => Some(format!("evil.test:{}", ports.home)),
            Self::Neighbour => Some(format!("localhost:{}", ports.home)),
            Self::Rebound(port) => Some(format!("rebind.test:{}", of(port))),
            Self::LeftBehind(port) => Some(format!("localhost:{}", of(port))),
        }
    }

    /// The place that a request with this `Host` is for.
    pub(crate) fn at_host(host: &str, ports: Ports) -> Option<Self> {
        Self::PAGES.into_iter().find(|place| place.host(ports).as_deref() == Some(host))
    }

    /// The page's URL; `None` for what has no host.
    pub(crate) fn url(self, ports: Ports) -> Option<String> {
        Some(format!("http://{}/attacker", self.host(ports)?))
    }

    /// The page, as it is there.
    pub(crate) fn page(self, ports: Ports, secret: &str) -> String {
        let own = match self.own() {
            None => Value::Null,
            Some(Port::Tokens) => json!("tokens"),
            Some(Port::Admin) => json!("admin"),
        };
        let config = json!({
            "place": self.as_str(),
            "own": own,
            "home": format!("http://evil.test:{}", ports.home),
            "tokens": ports.tokens,
            "admin": ports.admin,
            "secret": secret,
            "hosts": HOSTS,
        });
        PAGE.replacen(CONFIG, &config.to_string(), 1)
    }

    /// Saves the page, and says by what URL it is opened.
    pub(crate) fn save(self, dir: &Path, ports: Ports, secret: &str) -> String {
        let file = dir.join("saved.html");
        std::fs::write(&file, self.page(ports, secret)).expect("a file can be written");
        format!("file://{}", file.display())
    }
}

/// Where the names of the attacker's own server lead.
pub(crate) fn homes(at: SocketAddr) -> [String; 2] {
    ["evil.test", "localhost"].map(|name| format!("{name}:{}", at.port()))
}
