//! The sidecar as it ships: built alone, run as a program, against a simulated world.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use cambist::Env as _;
use cambist::env::Process;

use crate::affinity::Cpus;
use crate::load::Target;
use crate::response::Head;
use crate::server::Server;
use crate::stopwatch::now;

pub(crate) const RESOURCE: &str = "https://vault.azure.net";
/// As all SDKs but one ask for it.
const ENCODED: &str = "https%3A%2F%2Fvault.azure.net";

/// How long a sidecar may take to hold a token.
const PATIENCE: Duration = Duration::from_secs(10);

/// Builds the sidecar as a release is built. In a build of its own: beside the benches, Cargo would
/// give it their features, too.
pub(crate) fn build() -> anyhow::Result<PathBuf> {
    let cargo = Process.get("CARGO").unwrap_or_else(|| "cargo".to_owned());
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    let output = Command::new(cargo)
        .args(["build", "--release", "--package", "cambist-sidecar", "--bin", "cambist-sidecar"])
        .args(["--message-format", "json-render-diagnostics", "--manifest-path"])
        .arg(manifest)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    ensure!(output.status.success(), "the sidecar does not build");
    let messages = output.stdout.split(|byte| *byte == b'\n');
    let mut executable = messages.filter_map(|line| {
        let message: serde_json::Value = serde_json::from_slice(line).ok()?;
        Some(PathBuf::from(message.get("executable")?.as_str()?))
    });
    executable.next_back().context("cargo built no executable")
}

/// A sidecar that is about to be run, with everything at its default but the ports.
pub(crate) struct Setup {
    pub(crate) command: Command,
    /// An app's request for a token.
    pub(crate) token: Target,
    /// A probe's.
    pub(crate) ready: Target,
}

impl Setup {
    /// Its log goes to a file, as it goes to a pipe under Kubernetes.
    pub(crate) fn new(
        program: &Path,
        world: &BTreeMap<String, String>,
        log: &Path,
    ) -> anyhow::Result<Self> {
        Self::of(Command::new(program), world, log)
    }

    /// The same by a command that ends in the program.
    pub(crate) fn of(
        mut command: Command,
        world: &BTreeMap<String, String>,
        log: &Path,
    ) -> anyhow::Result<Self> {
        let (tokens, admin) = (free_port()?, free_port()?);
        command
            .env_clear()
            .envs(world)
            .env_remove("CAMBIST_PROTOCOLS")
            .env("CAMBIST_LISTEN", tokens.to_string())
            .env("CAMBIST_ADMIN_LISTEN", admin.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(log)?);
        let secret = world.get("IDENTITY_HEADER").context("the world has no header secret")?;
        let token = format!(
            "GET /msi/token?api-version=2019-08-01&resource={ENCODED} HTTP/1.1\r\n\
             host: {tokens}\r\nx-identity-header: {secret}\r\naccept: application/json\r\n\r\n"
        );
        let ready = format!("GET /ready?tokens=1 HTTP/1.1\r\nhost: {admin}\r\n\r\n");
        let target = |address, request: String| Target {
            address,
            request: request.into_bytes(),
            spin: false,
        };
        Ok(Self { command, token: target(tokens, token), ready: target(admin, ready) })
    }

    /// Has it serve the identities in this file, of which the app asks for this one by its client id.
    pub(crate) fn of_file(mut self, file: &Path, client_id: &str) -> Self {
        self.command.env("CAMBIST_CONFIG", file);
        let named = format!("{ENCODED}&client_id={client_id} ");
        let request = String::from_utf8_lossy(&self.token.request);
        self.token.request = request.replacen(&format!("{ENCODED} "), &named, 1).into_bytes();
        self
    }

    /// Has it hold a token at all times.
    pub(crate) fn prefetching(mut self) -> Self {
        self.command.env("CAMBIST_PREFETCH", RESOURCE);
        self
    }

    /// Starts it and waits until it holds what it prefetches.
    pub(crate) fn start(self, log: &Path, cpus: Option<Cpus>) -> anyhow::Result<(Server, Target)> {
        let Self { command, mut token, ready } = self;
        let mut server = Server::spawn(command, cpus)?;
        wait_for_token(&mut server, &ready, PATIENCE).with_context(|| {
            format!("the sidecar's log: {}", std::fs::read_to_string(log).unwrap_or_default())
        })?;
        server.check_owns(token.address)?;
        token.spin = cpus.is_some();
        Ok((server, token))
    }
}

/// Starts the sidecar and waits until it holds a token.
pub(crate) fn start(
    program: &Path,
    world: &BTreeMap<String, String>,
    log: &Path,
    cpus: Option<Cpus>,
) -> anyhow::Result<(Server, Target)> {
    Setup::new(program, world, log)?.prefetching().start(log, cpus)
}

fn free_port() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// Waits for so long until it holds a token.
pub(crate) fn wait_for_token(
    server: &mut Server,
    ready: &Target,
    patience: Duration,
) -> anyhow::Result<()> {
    let begun = now();
    while begun.elapsed() < patience {
        if let Some(status) = server.child.try_wait()? {
            bail!("the sidecar ended: {status}");
        }
        if fetch(ready).is_ok_and(|(_, status)| status == 200) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    bail!("the sidecar held no token within {} s", patience.as_secs())
}

/// One response, whole, and its status.
pub(crate) fn fetch(target: &Target) -> anyhow::Result<(Vec<u8>, u16)> {
    let mut stream = TcpStream::connect(target.address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(&target.request)?;
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        if let Some(Head { status, whole, .. }) = Head::parse(&bytes)?
            && bytes.len() >= whole
        {
            return Ok((bytes, status));
        }
        let count = stream.read(&mut chunk)?;
        ensure!(count > 0, "the server closed the connection within a response");
        bytes.extend_from_slice(chunk.get(..count).unwrap_or_default());
    }
}
