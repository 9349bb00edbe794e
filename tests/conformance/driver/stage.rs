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
    /// App Service as it is today, API version 2019-08-01.
    AppService,
    /// App Service as it was first, API version 2017-09-01: other variables, other names.
    AppService2017,
    /// cambist's own, which no SDK knows.
    Native,
    /// A virtual machine's metadata service.
    Imds,
}

impl Protocol {
    /// The word for it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::AppService => "app-service",
            Self::AppService2017 => "app-service-2017",
            Self::Native => "native",
            Self::Imds => "imds",
        }
    }

    /// The word for it in the sidecar's settings and metrics, where both versions of App Service are one.
    pub(crate) const fn family(self) -> &'static str {
        match self {
            Self::AppService | Self::AppService2017 => "app-service",
            Self::Native => "native",
            Self::Imds => "imds",
        }
    }

    /// The app's variable for where the endpoint is.
    pub(crate) const fn endpoint(self) -> &'static str {
        match self {
            Self::AppService => "IDENTITY_ENDPOINT",
            Self::AppService2017 => "MSI_ENDPOINT",
            // Our own: a program of one's own has it where it likes.
            Self::Native => "NATIVE_URL",
            Self::Imds => "AZURE_POD_IDENTITY_AUTHORITY_HOST",
        }
    }

    /// What stands there behind the server's address.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::AppService | Self::AppService2017 => "/msi/token",
            Self::Native => "/v1/token",
            Self::Imds => "",
        }
    }

    /// The app's variable for the secret, if the protocol has one.
    pub(crate) const fn secret(self) -> Option<&'static str> {
        match self {
            Self::AppService | Self::Native => Some("IDENTITY_HEADER"),
            Self::AppService2017 => Some("MSI_SECRET"),
            Self::Imds => None,
        }
    }
}

/// Where tokens are on a virtual machine's metadata service.
pub(crate) const IMDS_PATH: &str = "/metadata/identity/oauth2/token";

/// Our own variable for clients that are told the whole URL by a setting of theirs.
const IMDS_URL: &str = "IMDS_URL";

/// What all cases share.
#[derive(Debug)]
pub(crate) struct Setting {
    /// The sidecar's program.
    pub(crate) sidecar: String,
    /// Where the clients' logs go.
    pub(crate) work: PathBuf,
    /// Where the clients find the programs that they call.
    pub(crate) path: String,
    /// Whether a program can be started in a network of its own, where nobody is.
    pub(crate) apart: bool,
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
        Self::of(setting, protocol, world, process).await
    }

    /// This world, and this sidecar in it.
    pub(crate) async fn of(
        setting: &Setting,
        protocol: Protocol,
        world: World,
        process: Process,
    ) -> Self {
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
        if let Some(secret) = protocol.secret() {
            env.insert(secret.to_owned(), world.env()["IDENTITY_HEADER"].clone());
        }
        env.extend(services.env());
        let proxy = services.proxy();
        let stage = Self { world, sidecar, services, protocol, env, work: setting.work.clone() };
        stage.led_to(&at, &(at.clone() + IMDS_PATH)).behind(&["HTTPS_PROXY"], proxy).exempt()
    }

    /// An app behind a proxy that these variables name; Java does not go by variables.
    #[must_use]
    fn behind(mut self, variables: &[&str], proxy: SocketAddr) -> Self {
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

    /// An app that was never told to, behind this proxy.
    #[must_use]
    pub(crate) fn caught_by(self, proxy: SocketAddr) -> Self {
        // Of two options of one name the later counts.
        let stage = self.unset_env("NO_PROXY").java(" -Dhttp.nonProxyHosts=none.invalid");
        // One SDK goes by the second of these for plain HTTP, too; curl by the third alone.
        stage.behind(&["HTTP_PROXY", "HTTPS_PROXY", "http_proxy"], proxy)
    }

    fn java(mut self, more: &str) -> Self {
        if let Some(options) = self.env.get_mut(JAVA_OPTIONS) {
            options.push_str(more);
        }
        self
    }

    /// An app whose SDK is led here: `base` is a server, which the protocol's own path is put behind, and `imds` the URL
    /// for clients that want the whole of it.
    #[must_use]
    pub(crate) fn led_to(self, base: &str, imds: &str) -> Self {
        let value = base.to_owned() + self.protocol.path();
        let stage = self.led_by(&value);
        if stage.protocol == Protocol::Imds { stage.set_env(IMDS_URL, imds) } else { stage }
    }

    /// An app in which this is the value of the protocol's variable.
    #[must_use]
    pub(crate) fn led_by(self, value: &str) -> Self {
        let name = self.protocol.endpoint();
        self.set_env(name, value)
    }

    /// An app whose SDK is led nowhere.
    #[must_use]
    pub(crate) fn not_led(self) -> Self {
        let name = self.protocol.endpoint();
        self.unset_env(name).unset_env(IMDS_URL)
    }

    /// One more variable for the app.
    #[must_use]
    pub(crate) fn set_env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.insert(name.to_owned(), value.into());
        self
    }

    /// One variable less for the app.
    #[must_use]
    pub(crate) fn unset_env(mut self, name: &str) -> Self {
        self.env.remove(name);
        self
    }

    /// What an app finds in its environment.
    pub(crate) fn env(&self) -> &BTreeMap<String, String> {
        &self.env
    }

    /// An SDK in the app's place.
    pub(crate) async fn client(&self, program: &Program, case: &str) -> Client {
        let log = format!("{}-{}-{case}.log", program.name, self.protocol.as_str());
        let client = Client::start(program, &self.env, &self.work.join(log)).await;
        client.at(self.services.shown())
    }

    /// How many requests for tokens the app's protocol has had, of any outcome.
    pub(crate) async fn attempts(&self) -> u64 {
        let protocol = self.protocol.family();
        self.requests(&format!("cambist_requests_total{{protocol=\"{protocol}\",")).await
    }

    /// How many requests of any kind have come from the app.
    pub(crate) async fn asked(&self) -> u64 {
        self.requests("cambist_requests_total{").await
    }

    async fn requests(&self, series: &str) -> u64 {
        let metrics = self.sidecar.ask_admin("/metrics").await;
        let samples = metrics.text().lines().filter(|line| line.starts_with(series));
        let values = samples.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok());
        values.sum()
    }
}
