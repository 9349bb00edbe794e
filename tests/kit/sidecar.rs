//! The sidecar as a child process, and the app that asks it.

use std::net::SocketAddr;

use rustix::process::{Pid, Signal};
use serde_json::Value;

use crate::http::{self, Reply, Request};
use crate::program::{Ended, Program, Running};
use crate::secrets::Secrets;
use crate::world::World;

/// What the app asks for unless a test says otherwise.
pub const VAULT: &str = "https://vault.azure.net";

/// The sidecar's program, set up for a world: on free ports, logging all it can.
pub fn program(exe: &str, world: &World) -> Program {
    let mut program = Program::new(exe)
        .set("CAMBIST_LISTEN", "0")
        .set("CAMBIST_ADMIN_LISTEN", "127.0.0.1:0")
        .set("CAMBIST_LOG", "trace");
    for (name, value) in world.env() {
        program = program.set(name, value);
    }
    program
}

/// A sidecar that serves.
///
/// Whatever passes through here is searched for the world's secrets: every answer that is not to
/// hold a token, and at the end all that the sidecar has written.
#[derive(Debug)]
pub struct Sidecar {
    running: Running,
    exe: String,
    addresses: Vec<SocketAddr>,
    admin: SocketAddr,
    header: String,
    secrets: Secrets,
}

impl Sidecar {
    /// A sidecar for a world, ready.
    pub async fn start(exe: &str, world: &World) -> Self {
        Self::of(exe, world, program(exe, world)).await
    }

    /// A sidecar that was set up otherwise, ready.
    pub async fn of(exe: &str, world: &World, program: Program) -> Self {
        let sidecar = Self::spawn(exe, world, program).await;
        let health = sidecar.health(&["--wait", "60s"]).await;
        assert_eq!(health.code(), Some(0), "{health:?}");
        sidecar
    }

    /// A sidecar as soon as it has said where it serves.
    pub async fn spawn(exe: &str, world: &World, program: Program) -> Self {
        Self::serving(exe, &world.env()["IDENTITY_HEADER"], world.secrets(), program).await
    }

    /// A sidecar of any world, as soon as it has said where it serves.
    pub async fn serving(exe: &str, header: &str, secrets: &Secrets, program: Program) -> Self {
        let running = program.spawn();
        let (addresses, admin) = running.line("where it serves", serving).await;
        let (exe, header, secrets) = (exe.to_owned(), header.to_owned(), secrets.clone());
        Self { running, exe, addresses, admin, header, secrets }
    }

    /// Where tokens are served, on IPv4.
    pub fn tokens(&self) -> SocketAddr {
        let first = self.addresses.iter().find(|at| at.is_ipv4());
        *first.expect("it listens on 127.0.0.1")
    }

    /// Where tokens are served: an address for each loopback family.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The admin listener.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Its process id.
    pub fn id(&self) -> Pid {
        self.running.id()
    }

    /// The process itself.
    pub fn running(&self) -> &Running {
        &self.running
    }

    /// What it has written so far.
    pub fn log(&self) -> String {
        self.running.so_far()
    }

    /// Waits for a line of the log.
    pub async fn logs(&self, words: &str) {
        self.running.line(words, |line| line.contains(words).then_some(())).await;
    }

    /// The subcommand `health`, asking this sidecar.
    pub async fn health(&self, args: &[&str]) -> Ended {
        let admin = format!("http://{}", self.admin);
        let health = Program::new(&self.exe).args(&["health", "--admin", &admin]).args(args);
        let ended = health.run().await;
        self.secrets.assert_absent("the probe's output", &ended.output());
        ended
    }

    /// The one request that yields a token by App Service's protocol.
    pub fn app_service(&self, resource: &str) -> Request {
        let target = format!("/msi/token?api-version=2019-08-01&resource={resource}");
        self.request(target).header("X-IDENTITY-HEADER", &self.header)
    }

    /// The one request that yields a token by the native protocol.
    pub fn native(&self, resource: &str) -> Request {
        let target = format!("/v1/token?scope={resource}/.default");
        self.request(target).header("X-IDENTITY-HEADER", &self.header)
    }

    /// The one request that yields a token by the metadata service's protocol.
    pub fn imds(&self, resource: &str) -> Request {
        let path = "/metadata/identity/oauth2/token";
        self.request(format!("{path}?api-version=2018-02-01&resource={resource}"))
            .header("Metadata", "true")
    }

    /// Nothing but the path and the right host.
    pub fn request(&self, target: impl Into<String>) -> Request {
        Request::get(target).header("Host", self.tokens().to_string())
    }

    /// Asks the token listener; `None` if it hung up without an answer.
    pub async fn try_send(&self, request: &Request) -> Option<Reply> {
        self.try_send_bytes(&request.bytes()).await
    }

    /// Sends any bytes to the token listener; `None` if it hung up without an answer.
    pub async fn try_send_bytes(&self, bytes: &[u8]) -> Option<Reply> {
        let reply = http::send(self.tokens(), bytes).await?;
        Some(self.searched(reply))
    }

    /// Asks the token listener.
    pub async fn send(&self, request: &Request) -> Reply {
        let reply = self.try_send(request).await;
        reply.unwrap_or_else(|| panic!("no answer to {request:?}\n{}", self.log()))
    }

    /// A token for a resource, as an app would ask for it, or the refusal.
    pub async fn token(&self, resource: &str) -> Reply {
        self.send(&self.app_service(resource)).await
    }

    /// Asks the admin listener.
    pub async fn ask_admin(&self, target: &str) -> Reply {
        let request = Request::get(target).header("Host", self.admin.to_string());
        let reply = http::send(self.admin, &request.bytes()).await;
        let reply = reply.expect("the admin listener answers");
        self.secrets.assert_absent(target, &reply.everything());
        reply
    }

    /// `/status.json`.
    pub async fn status(&self) -> Value {
        self.ask_admin("/status.json").await.json()
    }

    /// The value of the sample of `/metrics` that is written so, labels included.
    pub async fn metric(&self, sample: &str) -> u64 {
        let metrics = self.ask_admin("/metrics").await;
        let samples = metrics.text().lines();
        let value = samples.filter_map(|line| line.strip_prefix(sample)?.strip_prefix(' ')).next();
        value.map_or(0, |value| value.parse().expect("counters are whole"))
    }

    /// How many requests were answered in this way, whoever asked for whose token.
    pub async fn served(&self, how: &str) -> u64 {
        let metrics = self.ask_admin("/metrics").await;
        let how = format!("how=\"{how}\"}} ");
        let samples =
            metrics.text().lines().filter(|line| line.starts_with("cambist_served_total{"));
        let counts = samples.filter_map(|line| line.split_once(&*how));
        counts.map(|(_, count)| count.parse::<u64>().expect("counters are whole")).sum()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        self.running.signal(signal);
    }

    /// Waits until it has ended, and searches all that it wrote.
    pub async fn ended(self) -> Ended {
        let ended = self.running.ended().await;
        self.secrets.assert_absent("the sidecar's output", &ended.output());
        ended
    }

    /// Ends it as Kubernetes does.
    pub async fn stop(self) -> Ended {
        self.signal(Signal::TERM);
        let ended = self.ended().await;
        assert_eq!(ended.code(), Some(0), "{ended:?}");
        ended
    }

    /// Ends it at once, whatever it is doing, and searches all that it wrote.
    pub async fn ended_by_force(self) {
        self.signal(Signal::KILL);
        self.ended().await;
    }

    fn searched(&self, reply: Reply) -> Reply {
        if reply.status != 200 {
            self.secrets.assert_absent("a refusal", &reply.everything());
        } else if let Ok(Value::String(token)) =
            serde_json::from_slice(&reply.body).map(|body: Value| body["access_token"].clone())
        {
            self.secrets.add(&token);
        }
        reply
    }
}

/// The addresses in the line that says where it serves.
fn serving(line: &str) -> Option<(Vec<SocketAddr>, SocketAddr)> {
    let line: Value = serde_json::from_str(line).ok()?;
    if line["message"] != "serving" {
        return None;
    }
    let tokens: Result<Vec<_>, _> = line["tokens"].as_str()?.split(',').map(str::parse).collect();
    Some((tokens.ok()?, line["admin"].as_str()?.parse().ok()?))
}
