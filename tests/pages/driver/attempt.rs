//! One thing that was tried: as a page told of it, or by hand.

use serde_json::Value;

use crate::browser::Setup;
use crate::place::{Place, Ports};

/// What is there for people: the one thing that a browser gets, where its address is typed.
pub(crate) const PAGE: &str = "/status";

/// What of an attempt must come before the sidecar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrives {
    /// The request itself.
    Whole,
    /// Only the browser's question whether it may.
    Preflight,
    /// Nothing: the browser itself refuses.
    Nothing,
}

/// An attempt.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    /// What stands in the target of each of its requests, and in no other.
    pub(crate) tag: String,
    pub(crate) place: Place,
    /// By which of the browser's means.
    pub(crate) way: String,
    /// What was asked for.
    pub(crate) route: String,
    /// By which name the sidecar was called.
    pub(crate) host: String,
    pub(crate) arrives: Arrives,
    /// What the page saw, in a word.
    pub(crate) saw: String,
    /// What the page could read of an answer; "" for nothing.
    pub(crate) read: String,
}

impl Attempt {
    /// Reads what a page tells; `None` if it is no such thing.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let told: Value = serde_json::from_str(text).ok()?;
        let text = |name: &str| told[name].as_str().map(str::to_owned);
        Some(Self {
            tag: text("tag")?,
            place: Place::named(&text("place")?)?,
            way: text("way")?,
            route: text("route")?,
            host: text("host")?,
            arrives: match &*text("arrives")? {
                "yes" => Arrives::Whole,
                "preflight" => Arrives::Preflight,
                "no" => Arrives::Nothing,
                _ => return None,
            },
            saw: text("saw")?,
            read: text("read")?,
        })
    }

    /// In words, for a failure.
    pub(crate) fn words(&self) -> String {
        let Self { place, way, route, host, tag, .. } = self;
        format!("{way} from {} to {host}, {route} ({tag})", place.as_str())
    }
}

/// What somebody types into the address bar, by its URL, once the browser has shown it.
pub(crate) async fn typed(setup: &Setup, ports: Ports) -> Vec<Attempt> {
    let imds =
        "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net";
    let app_service = "/msi/token?api-version=2019-08-01&resource=https://vault.azure.net";
    let all = [
        ("127.0.0.1", ports.tokens, "imds", imds),
        ("localhost", ports.tokens, "app-service", app_service),
        ("rebind.test", ports.tokens, "imds", imds),
        ("127.0.0.1", ports.admin, "/status.json", "/status.json?"),
        ("localhost", ports.admin, PAGE, "/status?"),
        ("rebind.test", ports.admin, PAGE, "/status?"),
    ];
    let mut attempts = Vec::new();
    for (host, port, route, target) in all {
        let tag = format!("typed-{}.", attempts.len());
        let read = setup.shows(&format!("http://{host}:{port}{target}&attempt={tag}")).await;
        attempts.push(Attempt {
            tag,
            place: Place::AddressBar,
            way: "typed".to_owned(),
            route: route.to_owned(),
            host: host.to_owned(),
            arrives: Arrives::Whole,
            saw: "its document".to_owned(),
            read,
        });
    }
    attempts
}
