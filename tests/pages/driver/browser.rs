//! The browser: a real Chromium without a window, with a profile of its own, that finds every name where
//! it is told to.

use std::net::SocketAddr;
use std::path::PathBuf;

use kit::program::{Program, Running};
use rustix::process::Signal;

/// What Chromium has against requests to one's own machine, by its own features' names: off, since what
/// is on trial is not this version of this browser. (A page that comes from loopback, as ours do, may ask
/// there in any case.)
const PROTECTIONS: [&str; 12] = [
    "LocalNetworkAccessChecks",
    "LocalNetworkAccessChecksWebRTC",
    "LocalNetworkAccessChecksWebSockets",
    "LocalNetworkAccessChecksWebTransport",
    "LocalNetworkAccessForFencedFrameNavigations",
    "LocalNetworkAccessForNavigations",
    "LocalNetworkAccessForSubframeNavigations",
    "LocalNetworkAccessForWorkers",
    "BlockInsecurePrivateNetworkRequests",
    "PrivateNetworkAccessNullIpAddress",
    "HttpsUpgrades",
    "HttpsFirstBalancedMode",
];

/// Which names lead where: the first pattern that fits, of HOST:PORT.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names(Vec<String>);

impl Names {
    /// One more pattern, and where it leads.
    #[must_use]
    pub(crate) fn map(mut self, pattern: &str, to: SocketAddr) -> Self {
        self.0.push(format!("MAP {pattern} {to}"));
        self
    }

    /// These, and no others.
    fn rules(&self) -> String {
        format!("{}, MAP * ~NOTFOUND", self.0.join(", "))
    }
}

/// How a browser is started: where its program is, where it may write, and where names lead.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// The program.
    pub(crate) exe: PathBuf,
    /// Where it finds the programs that it calls.
    pub(crate) path: String,
    /// A directory that goes with the run.
    pub(crate) home: PathBuf,
    /// Where every name leads.
    pub(crate) names: Names,
}

impl Setup {
    /// The program with all that is the same however it is used.
    pub(crate) fn program(&self) -> Program {
        let home = self.home.display();
        Program::new(&self.exe)
            .set("PATH", &self.path)
            .set("HOME", home.to_string())
            // It leaves a folder there at each start.
            .set("TMPDIR", home.to_string())
            .set("XDG_CONFIG_HOME", format!("{home}/config"))
            .set("XDG_CACHE_HOME", format!("{home}/cache"))
            .args(&["--headless=new", "--no-first-run", "--no-default-browser-check"])
            // Its sandbox does not start for root, nor in most containers; all its pages are ours.
            .args(&["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args(&["--disable-background-networking", "--disable-component-update"])
            .args(&["--disable-extensions", "--disable-popup-blocking", "--no-proxy-server"])
            .args(&["--disable-background-timer-throttling", "--disable-renderer-backgrounding"])
            .args(&["--disable-backgrounding-occluded-windows"])
            .arg(format!("--user-data-dir={home}/profile"))
            .arg(format!("--disable-features={}", PROTECTIONS.join(",")))
            .arg(format!("--host-resolver-rules={}", self.names.rules()))
    }

    /// What it shows at a URL that somebody types, as HTML.
    pub(crate) async fn shows(&self, url: &str) -> String {
        self.program().arg("--dump-dom").arg(url).run().await.stdout
    }

    /// Starts it on a page.
    pub(crate) fn open(&self, page: &str) -> Browser {
        Browser(self.program().arg("--remote-debugging-port=0").arg(page).spawn())
    }
}

/// A browser that runs.
#[derive(Debug)]
pub(crate) struct Browser(Running);

impl Browser {
    /// What it has written so far.
    pub(crate) fn log(&self) -> String {
        self.0.so_far()
    }

    /// Ends it, with all its processes.
    pub(crate) async fn close(self) {
        self.0.signal(Signal::TERM);
        self.0.ended().await;
    }
}
