//! The command line.

use std::io::{self, Write as _};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use cambist_core::duration::exact;
use cambist_core::foreign::Foreign;
use cambist_core::names::is_guid;
use cambist_core::scope::Resource;
use clap::{Args, Parser, Subcommand};

use crate::entra::is_resource;
use crate::system::{Stop, typed};
use crate::up::duration::duration;
use crate::up::{self, Options, Running, Trust};

/// A cluster's token issuer, its kubelet and Microsoft Entra ID, simulated on this machine.
#[derive(Debug, Parser)]
#[command(name = "cambist-sim", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Put a simulated cluster and tenant up on free ports of this machine, until interrupted.
    ///
    /// Writes DIR/env, to be sourced by a shell; DIR/ca.pem, the authority of all servers'
    /// certificates; DIR/tokens/token, projected and renewed the way kubelet does it, and beside it
    /// api-token, for the API server; and DIR/kubeconfig. DIR is made if it is not there, for its owner
    /// alone; one that is there has to be yours, and nobody else's to write to. Its env and app.env,
    /// which hold the secret, are removed at the end.
    ///
    /// DIR/env also sets SIM_ADMIN, the base URL of the admin API: GET /sim/requests, /sim/now and
    /// /sim/keys, and POST to what follows. For instance:
    ///
    /// curl $SIM_ADMIN/sim/fault -d '{"target":"entra","kind":"status","status":503,"count":2}'
    ///
    /// curl $SIM_ADMIN/sim/schedule -d '{"rotate_after":"45d","expire_after":"90d"}'
    ///
    /// Time: /sim/advance (seconds), /sim/schedule (rotate_after, expire_after, publish_ahead; null
    /// is never), /sim/rollout (during: how long API servers disagree; give it before the change).
    ///
    /// Keys: /sim/rotate (overlap, alg), /sim/prepare (alg), /sim/sign (kid), /sim/hide (kid),
    /// /sim/api-server (number, accept: kids, sign: a kid),
    /// /sim/retire (keep), /sim/publish (key: new, short, low-exponent, example or a kid; or jwk;
    /// kid, place: both, public or api; private, alg), /sim/host (by: blob or api-server),
    /// /sim/upload.
    ///
    /// Tenants and identities: /sim/identity (kind: application, managed-identity, agent-blueprint or
    /// agent-identity; tenant, client_id, resource_id, blueprint, provisioned_in: further tenants,
    /// federated_credentials: each as below) registers one, and makes its tenants. For instance an
    /// application of two tenants, and an agent:
    ///
    /// curl $SIM_ADMIN/sim/identity -d '{"provisioned_in":["7e57ab1e-0000-4000-8000-00000000000b"]}'
    ///
    /// curl $SIM_ADMIN/sim/identity -d '{"kind":"agent-identity","blueprint":"CLIENT_ID_OF_THE_BLUEPRINT"}'
    ///
    /// The rest: /sim/resource (resource, known: false to forget it), /sim/token (form: projected, long
    /// or legacy), /sim/token-proxy-ca (write: whether its new authority goes into the CA file),
    /// /sim/fault, /sim/clear (requests).
    ///
    /// Targets of faults: entra, token-proxy, discovery, jwks, api. Kinds, with their fields: status (status, retry_after),
    /// latency (ms), hang, reset, truncate, wrong-type, html (status), empty (status), aadsts (code,
    /// status, retry_after), redirect (location), body (body, status, content_type), stale (seconds),
    /// date-skew (seconds). "count" limits a fault to the next so many requests; "by":"all" lets it
    /// meet what the simulated Entra fetches itself, too. Without a count a fault stays until it is
    /// lifted: /sim/clear lifts all of them.
    Up(Up),
}

#[derive(Args, Debug)]
struct Up {
    /// Where to write the settings, the CA and the token.
    #[arg(long)]
    dir: PathBuf,
    /// The address of this machine to listen on: a bridge's, so that its pods reach what listens. The
    /// admin API and the CONNECT proxy stay on 127.0.0.1.
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    listen: IpAddr,
    /// How long a projected token lives, with its unit: s, m, h, d or w. Renewed at 80 %.
    #[arg(long, visible_alias = "token-lifetime", value_name = "DURATION", default_value = "1h", value_parser = duration)]
    ttl: Duration,
    /// How long an access token of Entra's lives.
    #[arg(long, value_name = "DURATION", default_value = "3599s", value_parser = duration)]
    access_token_lifetime: Duration,
    /// How long Entra goes on with the issuer's documents before it reads them anew: a key that was
    /// published meanwhile is unknown to it (AADSTS7000272). With --rotate-every no longer than that.
    #[arg(long, value_name = "DURATION", default_value = "30m", value_parser = duration)]
    entra_keeps: Duration,
    /// The client id is that of a user-assigned managed identity of this resource id.
    #[arg(long, value_name = "RESOURCE-ID")]
    managed_identity: Option<String>,
    /// Rotate the issuer's key so often, such as 5m, with overlap [default: never]. A new key is
    /// public for as long before it signs, and Entra reads the set at least as often: a rotation in
    /// the right order, that no app notices.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    rotate_every: Option<Duration>,
    /// What the app registration trusts, as issuer=...,subject=...,audience=...; parts left out are
    /// those of the projected token, and so is all of it if none is given. May be repeated.
    #[arg(long = "federated-credential", value_name = "PARTS")]
    federated_credentials: Vec<Trust>,
    /// A resource of your own, such as api://orders, which apps may ask for tokens for. Entra knows
    /// Azure's own resources, and refuses all others (AADSTS500011). A * stands for letters, digits, - and
    /// _. May be repeated.
    #[arg(long = "resource", value_name = "RESOURCE", value_parser = resource)]
    resources: Vec<String>,
    /// Certificate authorities (PEM) that the simulated Entra trusts besides its own: an issuer outside
    /// of the simulator, named by a federated credential, is then read like any other. May be repeated.
    #[arg(long = "ca-file", value_name = "FILE")]
    ca_files: Vec<PathBuf>,
    /// How many API servers the cluster has. kubelet's tokens are of each in turn.
    #[arg(long, value_name = "COUNT", default_value = "1", value_parser = api_servers)]
    api_servers: usize,
    /// Have the sidecar of DIR/env open imds, too, which is asked without a secret. It is closed otherwise.
    #[arg(long)]
    imds: bool,
    /// Add a CONNECT proxy that wants a password, and set HTTPS_PROXY to it.
    #[arg(long)]
    proxy: bool,
    /// Give the cluster a token proxy, as AKS has it for identity bindings, with an authority of its
    /// own in DIR/token-proxy-ca.pem, and set AZURE_KUBERNETES_TOKEN_PROXY and its companions.
    #[arg(long)]
    token_proxy: bool,
    /// The pod's namespace.
    #[arg(long, default_value = "shop")]
    namespace: String,
    /// The pod's service account.
    #[arg(long, default_value = "checkout")]
    service_account: String,
    /// The audience of the projected token [default: api://AzureADTokenExchange, or
    /// api://AKSIdentityBinding with --token-proxy].
    #[arg(long)]
    audience: Option<String>,
    /// The app registration's client id [default: a fixed one].
    #[arg(long, value_name = "UUID", value_parser = uuid)]
    client_id: Option<String>,
    /// The tenant's id [default: a fixed one].
    #[arg(long, value_name = "UUID", value_parser = uuid)]
    tenant_id: Option<String>,
}

impl Up {
    fn options(self) -> Options {
        let defaults = Options::new(self.dir);
        Options {
            listen: self.listen,
            token_lifetime: self.ttl,
            access_token_lifetime: self.access_token_lifetime,
            entra_keeps: self.entra_keeps,
            managed_identity: self.managed_identity,
            rotate_every: self.rotate_every,
            federated_credentials: self.federated_credentials,
            resources: self.resources,
            ca_files: self.ca_files,
            api_servers: self.api_servers,
            imds: self.imds,
            proxy: self.proxy,
            token_proxy: self.token_proxy,
            namespace: self.namespace,
            service_account: self.service_account,
            audience: self.audience,
            client_id: self.client_id.unwrap_or(defaults.client_id),
            tenant_id: self.tenant_id.unwrap_or(defaults.tenant_id),
            ..defaults
        }
    }
}

/// The binary: parses the command line and does what it says.
pub fn main() -> ExitCode {
    let Cli { command: Command::Up(up) } = Cli::parse();
    match run(up.options()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to do about a standard error that is closed.
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.context("cannot start the runtime")?.block_on(async {
        let mut stop = Stop::listen()?;
        let told = (options.token_lifetime, options.rotate_every);
        let running = up::start(options).await?;
        let said = io::stdout().write_all(describe(&running, told).as_bytes());
        said.context("cannot say what is up")?;
        tokio::select! {
            () = stop.heard() => {}
            () = tell_unknown(&running) => {}
        }
        running.shutdown().await;
        Ok(())
    })
}

/// Says of each resource that Entra refuses how to make it known.
async fn tell_unknown(running: &Running) {
    let mut resources = running.sim().entra().unknown_resources();
    let mut told = 0;
    // There is an Entra for as long as it is running.
    while resources.changed().await.is_ok() {
        let new = resources.borrow_and_update()[told..].to_vec();
        told += new.len();
        for resource in new {
            // Nothing is left to do about a standard error that is closed.
            let _ = writeln!(io::stderr(), "{}", unknown(&resource, running.admin_url()));
        }
    }
}

fn unknown(resource: &str, admin: &str) -> String {
    let resource = Foreign::new(resource);
    format!(
        "Entra refused a token for {resource}: its tenant has no such resource (AADSTS500011). Is it \
         spelt as its service documents it? If it is an API of your own, start with --resource \
         {resource}, or POST {{\"resource\":{resource}}} to {admin}/sim/resource."
    )
}

fn describe(running: &Running, (lifetime, rotating): (Duration, Option<Duration>)) -> String {
    let env = |name: &str| running.env().get(name).map_or("", String::as_str);
    let dir = typed(running.dir());
    let (ca, token) = (env("CAMBIST_CA_FILE"), env("AZURE_FEDERATED_TOKEN_FILE"));
    let settings = running.sim().settings();
    let (tenant, app) = (env("AZURE_TENANT_ID"), env("AZURE_CLIENT_ID"));
    let others = settings.more_api_servers.iter();
    let others: String = others.map(|url| format!("             {url}\n")).collect();
    let mut text = format!(
        "A simulated cluster and a simulated Microsoft Entra ID are up.\n\n  \
         issuer     {}\n  \
         Entra      {}   tenant {tenant}, app {app}\n  \
         token      {token}\n             \
         of {}, renewed at 80 % of {}\n  \
         CA         {ca}\n  \
         API server https://{}:{}   {dir}/kubeconfig\n{others}  \
         admin API  {}/sim/\n",
        env("CAMBIST_ISSUER"),
        env("AZURE_AUTHORITY_HOST"),
        settings.workload.subject(),
        exact(lifetime),
        env("KUBERNETES_SERVICE_HOST"),
        env("KUBERNETES_SERVICE_PORT"),
        env("SIM_ADMIN"),
    );
    if let Some(every) = rotating {
        text.push_str(&format!(
            "  rotation   every {}; a key is public for as long before it signs, and Entra reads\n             \
             the set anew after {}\n",
            exact(every),
            exact(settings.entra_keeps),
        ));
    }
    if running.proxy_counts().is_some() {
        text.push_str("  proxy      in HTTPS_PROXY, with its password\n");
    }
    if let Some(url) = running.env().get("AZURE_KUBERNETES_TOKEN_PROXY") {
        text.push_str(&format!("  token proxy {url}\n"));
    }
    text + &format!(
        "\nLoad the sidecar's settings into a shell, an app's into another:\n\n  . {dir}/env\n  \
         . {dir}/app.env\n\nStop with Ctrl-C.\n"
    )
}

/// Each takes a port.
fn api_servers(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| (1..=9).contains(count));
    count.ok_or_else(|| "a cluster has from 1 to 9 API servers here".to_owned())
}

/// With `/.default` or without it, as people have it at hand.
fn resource(text: &str) -> Result<String, String> {
    let resource = Resource::parse(text).map_err(|error| error.to_string())?;
    let key = resource.key();
    let why = "not a URI such as api://orders, and not an application id";
    is_resource(key).then(|| key.to_owned()).ok_or_else(|| why.to_owned())
}

fn uuid(text: &str) -> Result<String, String> {
    is_guid(text).then(|| text.to_owned()).ok_or_else(|| "not a UUID".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    fn options(args: &str) -> Options {
        let Command::Up(up) = Cli::try_parse_from(args.split(' ')).unwrap().command;
        up.options()
    }

    #[test]
    fn the_command_line_is_sound_and_its_defaults_are_the_librarys() {
        Cli::command().debug_assert();
        let (got, want) = (options("cambist-sim up --dir d"), Options::new("d"));
        assert_eq!(format!("{got:?}"), format!("{want:?}"));
    }

    #[test]
    fn flags_reach_the_options() {
        let got = options(
            "cambist-sim up --dir d --token-lifetime 10m --access-token-lifetime 90s --rotate-every 5m \
             --federated-credential issuer=https://i.test --federated-credential audience=a \
             --client-id 00000000-0000-4000-8000-000000000000 --ca-file a.pem --ca-file b.pem \
             --entra-keeps 45m --api-servers 3 --managed-identity /subscriptions/s \
             --resource api://orders --resource api://app-*/.default --listen 10.244.77.1 --imds",
        );
        assert_eq!(got.listen.to_string(), "10.244.77.1");
        assert_eq!(got.token_lifetime, Duration::from_secs(600));
        assert_eq!(got.access_token_lifetime, Duration::from_secs(90));
        assert_eq!(got.entra_keeps, Duration::from_secs(45 * 60));
        assert_eq!((got.api_servers, got.imds), (3, true));
        assert_eq!(got.managed_identity.as_deref(), Some("/subscriptions/s"));
        assert_eq!(got.rotate_every, Some(Duration::from_secs(300)));
        assert_eq!(got.federated_credentials.len(), 2);
        assert_eq!(got.ca_files, [PathBuf::from("a.pem"), PathBuf::from("b.pem")]);
        assert!(got.client_id.starts_with("00000000"));
        assert_eq!(got.resources, ["api://orders", "api://app-*"]);
    }

    #[test]
    fn what_is_no_resource_is_said_at_once() {
        for bad in ["orders", "", "api://a b", "/.default"] {
            let args = ["cambist-sim", "up", "--dir", "d", "--resource", bad];
            assert!(Cli::try_parse_from(args).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_refused_resource_is_told_with_its_remedy_and_never_as_it_is() {
        let told = |resource| unknown(resource, "http://127.0.0.1:1");
        let remedy = "POST {\"resource\":\"api://orders\"} to http://127.0.0.1:1/sim/resource";
        for words in ["--resource \"api://orders\"", remedy] {
            assert!(told("api://orders").contains(words), "{words}");
        }
        assert!(!told("api://\u{1b}[31m\n").contains(['\u{1b}', '\n']));
    }
}
