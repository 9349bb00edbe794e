//! What one case plays on: a world, a sidecar, the services behind a proxy, and an app's environment.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use cambist_sim::up::Options;
use kit::program::Program as Process;
use kit::{Sidecar, World};

use crate::client::{Client, Program};
use crate::services::{Authority, JAVA_OPTIONS, Services};

/// A protocol that Azure SDKs speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Protocol {
    AppService,
    Imds,
}

impl Protocol {
    /// Both.
    pub(crate) const ALL: [Self; 2] = [Self::AppService, Self::Imds];

    /// The word for it, as the sidecar's metrics have it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::AppService => "app-service",
            Self::Imds => "imds",
        }
    }
}

/// What all cases share.
#[derive(Debug)]
pub(crate) struct Setting {
    /// The sidecar's program.
    pub(crate) sidecar: String,
    /// Where the clients' logs go.
    pub(crate) work: PathBuf,
    /// Where the clients find the programs that they call.
    pub(crate) path: String,
    /// Who vouches for the services.
    pub(crate) authority: Authority,
}

/// Everything that one case needs, and nobody else touches.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) sidecar: Sidecar,
    pub(crate) services: Services,
    protocol: Protocol,
    env: BTreeMap<String, String>,
    work: PathBuf,
}

impl Stage {
    /// A world in which everything works.
    pub(crate) async fn set(setting: &Setting, protocol: Protocol) -> Self {
        Self::with(setting, protocol, |_| {}, |sidecar| sidecar).await
    }

    /// A world and a sidecar made to measure.
    pub(crate) async fn with(
        setting: &Setting,
        protocol: Protocol,
        world: impl FnOnce(&mut Options),
        sidecar: impl FnOnce(Process) -> Process,
    ) -> Self {
        let world = World::with(world).await;
        let process = sidecar(kit::sidecar::program(&setting.sidecar, &world));
        let sidecar = Sidecar::of(&setting.sidecar, &world, process).await;
        let services = Services::start(&setting.authority, world.running().sim().clone()).await;
        let at = format!("http://{}", sidecar.tokens());
        let home = world.dir().join("home");
        std::fs::create_dir(&home).expect("a directory can be made");
        let mut env = setting.authority.env();
        for (name, value) in [
            ("PATH", setting.path.clone()),
            ("LANG", "C.UTF-8".to_owned()),
            ("HOME", home.display().to_string()),
        ] {
            env.insert(name.to_owned(), value);
        }
        match protocol {
            Protocol::AppService => {
                env.insert("IDENTITY_ENDPOINT".to_owned(), format!("{at}/msi/token"));
                let header = world.env()["IDENTITY_HEADER"].clone();
                env.insert("IDENTITY_HEADER".to_owned(), header);
            }
            Protocol::Imds => {
                env.insert("AZURE_POD_IDENTITY_AUTHORITY_HOST".to_owned(), at);
            }
        }
        let proxy = services.proxy();
        let stage = Self { world, sidecar, services, protocol, env, work: setting.work.clone() };
        stage.behind(&["HTTPS_PROXY"], proxy).exempt()
    }

    /// An app behind a proxy that these variables name; Java does not go by variables.
    #[must_use]
    pub(crate) fn behind(mut self, variables: &[&str], proxy: SocketAddr) -> Self {
        for name in variables {
            self = self.set_env(name, format!("http://{proxy}"));
        }
        let (ip, port) = (proxy.ip(), proxy.port());
        self.java(&format!(" -Dhttps.proxyHost={ip} -Dhttps.proxyPort={port}"))
    }

    /// An app that reaches loopback without a proxy.
    fn exempt(self) -> Self {
        self.java(" -Dhttp.nonProxyHosts=127.0.0.1|localhost")
            .set_env("NO_PROXY", "127.0.0.1,localhost")
    }

    /// An app that was never told to.
    #[must_use]
    pub(crate) fn not_exempt(mut self) -> Self {
        self.env.remove("NO_PROXY");
        // Of two options of one name the later counts.
        self.java(" -Dhttp.nonProxyHosts=none.invalid")
    }

    fn java(mut self, more: &str) -> Self {
        if let Some(options) = self.env.get_mut(JAVA_OPTIONS) {
            options.push_str(more);
        }
        self
    }

    /// One more variable for the app.
    #[must_use]
    pub(crate) fn set_env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.insert(name.to_owned(), value.into());
        self
    }

    /// What an app finds in its environment.
    pub(crate) fn env(&self) -> &BTreeMap<String, String> {
        &self.env
    }

    /// An SDK in the app's place.
    pub(crate) async fn client(&self, program: &Program, case: &str) -> Client {
        let log = format!("{}-{}-{case}.log", program.name, self.protocol.as_str());
        Client::start(program, &self.env, &self.work.join(log)).await
    }

    /// How many requests for tokens the app's protocol has had, of any outcome.
    pub(crate) async fn attempts(&self) -> u64 {
        let metrics = self.sidecar.ask_admin("/metrics").await;
        let ours = format!("cambist_requests_total{{protocol=\"{}\",", self.protocol.as_str());
        let samples = metrics.text().lines().filter(|line| line.starts_with(&ours));
        let values = samples.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok());
        values.sum()
    }
}
