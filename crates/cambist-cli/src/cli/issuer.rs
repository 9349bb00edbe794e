//! `cambist issuer ...`.

use std::path::PathBuf;
use std::time::Duration;

use cambist_core::clock::UnixTime;
use cambist_core::duration;
use cambist_key_age::{AgeBasis, Grade, Severity};
use clap::{Args, Subcommand, ValueEnum};

pub(crate) use super::history::{Expect, Merge};
pub(crate) use super::rotation::{AskGate, Plan};
pub(crate) use super::value::{Chosen, Within};
use super::value::{Renamed, assumption, basis, every, grade, platform, renamed, severity, within};
use super::{Plain, examples};
use crate::store::StoreName;
use crate::time::moment;

#[derive(Debug, Subcommand)]
pub(crate) enum IssuerCommand {
    /// Judge the age and the health of an issuer's keys
    ///
    /// Exit codes: 0 OK, 1 DUE, 2 OVERDUE or SUSPECT, 3 UNKNOWN or could not run, 64 usage.
    #[command(after_help = examples::CHECK)]
    Check(Check),
    /// Look once, or every so often, and keep what was seen
    #[command(after_help = examples::OBSERVE)]
    Observe(Observe),
    /// Show what the history holds
    #[command(after_help = examples::HISTORY)]
    History(ShowHistory),
    /// Tell all that is known of one key, and why it is judged as it is; or what a check is about
    #[command(after_help = examples::EXPLAIN)]
    Explain(Explain),
    /// Compare the published key set with the API server's, or with the last one seen
    #[command(after_help = examples::DIFF)]
    Diff(Diff),
    /// Say by exit code whether the signing key needs rotation
    ///
    /// Exit codes, as those of `step certificate needs-renewal`: 0 it does, 1 it does not (or nothing
    /// proves that it does), 2 nothing to judge was given, 255 another error.
    #[command(after_help = examples::NEEDS_ROTATION)]
    NeedsRotation(NeedsRotation),
    /// Print the steps and dates of a rotation that interrupts nobody
    #[command(after_help = examples::PLAN)]
    Plan(Plan),
    /// Say by exit code whether the next step of a rotation is safe now
    ///
    /// Exit codes: 0 it is, 1 it is not (or not yet), 3 what would tell was not looked at, 64 usage.
    #[command(after_help = examples::GATE)]
    Gate(AskGate),
    /// Announce a key, so that its appearance alarms nobody, and that of any other does
    ///
    /// The history keeps it, and it ends by itself. Until then, nothing is said of this key being public
    /// before the API server has it (K102), nor of its coming early (K113); a key that appears meanwhile and
    /// was not announced is critical at once. Whoever may write the history may announce.
    #[command(after_help = examples::EXPECT)]
    Expect(Expect),
    /// Merge histories of one issuer; nothing that they know is lost
    ///
    /// In any order, and as often as one likes, with the same result. A damaged history, one of another
    /// issuer and one of the future are refused (exit code 3), and nothing is written then.
    #[command(
        after_help = examples::MERGE,
        override_usage = "cambist issuer merge <HISTORY>... -o <HISTORY>"
    )]
    Merge(Merge),
    /// Print the kid that kube-apiserver gives a public key (SHA-256 of its SPKI)
    #[command(after_help = examples::KID)]
    Kid(Kid),
}

/// How the API server is reached.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Reach {
    /// Reach the API server as a pod does: its service, and the mounted token and CA.
    #[arg(long, conflicts_with = "kubeconfig")]
    pub(crate) in_cluster: bool,
    /// Reach the API server by a kubeconfig file (server, CA and token of its current context).
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// A token for the API server, instead of the mounted one's or the kubeconfig's.
    #[arg(long, value_name = "FILE")]
    pub(crate) api_token_file: Option<PathBuf>,
}

/// Where to look.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Where to look")]
pub(crate) struct Sources {
    /// The issuer's URL, byte for byte, a trailing slash included [default: CAMBIST_ISSUER, else the
    /// first token's `iss`, else what the API server of --in-cluster or --kubeconfig says].
    #[arg(long, value_name = "URL")]
    pub(crate) issuer: Option<String>,
    /// A projected token: shows which key signs now.
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Vec<PathBuf>,
    /// Certificate authorities of the issuer, besides the platform's [default: CAMBIST_ISSUER_CA_FILE, CAMBIST_CA_FILE].
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Accept a key set on another host than the issuer's.
    #[arg(long)]
    pub(crate) jwks_any_host: bool,
    /// Compare with the API server's own key set, GET /openid/v1/jwks.
    #[arg(long)]
    pub(crate) compare_api: bool,
    #[command(flatten)]
    pub(crate) reach: Reach,
    /// A control-plane node's root directory: looks at the permissions and times of the key files that
    /// its API server's flags name, never into a private key. Several nodes' keys are compared.
    #[arg(long, value_name = "DIR")]
    pub(crate) node_root: Vec<PathBuf>,
    /// Where the API server's flags are: its static pod manifest, its systemd unit (*.service), or the
    /// config.yaml of k3s or RKE2 [default: where these are under --node-root].
    #[arg(long, value_name = "FILE")]
    pub(crate) manifest: Option<PathBuf>,
    /// The API server's metrics, saved with `kubectl get --raw /metrics`: when it started, and how
    /// fresh an external signer's keys are.
    #[arg(long, value_name = "FILE")]
    pub(crate) apiserver_metrics: Option<PathBuf>,
    /// Judge a bundle that `observe --bundle` wrote, or several nodes' together, and look nowhere else.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["token_file", "compare_api", "node_root", "manifest", "apiserver_metrics"])]
    pub(crate) offline: Vec<PathBuf>,
    /// The time to reckon with instead of the clock's; for reproducible runs.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) now: Option<UnixTime>,
}

/// What was seen before.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "History")]
pub(crate) struct Kept {
    /// Where the history is: file:PATH or cm:NAMESPACE/NAME.
    #[arg(long, value_name = "STORE")]
    pub(crate) history: Option<StoreName>,
    /// What --history was called.
    #[arg(long = "state", hide = true, value_parser = renamed("--history"))]
    pub(crate) _state: Option<Renamed>,
    /// Read the history without adding to it.
    #[arg(long, requires = "history")]
    pub(crate) read_only: bool,
    /// How well the history's word is believed, at most: its checksum does not stop whoever may write it
    /// [default: attested for cm: and --offline, proven for file:, which is taken to be your own]
    #[arg(long, value_name = "GRADE", value_parser = grade)]
    pub(crate) history_trust: Option<Grade>,
    /// What --history-trust was called.
    #[arg(long = "ledger-trust", hide = true, value_parser = renamed("--history-trust"))]
    pub(crate) _ledger_trust: Option<Renamed>,
}

/// What keys are held against.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Policy (a DURATION has its unit: s, m, h, d or w)")]
pub(crate) struct PolicyArgs {
    /// The platform: auto, aks, aks-arc, aks-edge, arc-k3s, eks, gke, openshift, kubeadm, kops, gardener, other.
    #[arg(long, default_value = "auto", value_name = "PLATFORM", value_parser = platform)]
    pub(crate) platform: Chosen,
    /// What --platform was called.
    #[arg(long = "profile", hide = true, value_parser = renamed("--platform"))]
    pub(crate) _profile: Option<Renamed>,
    /// Replace the signing key after [default: 45d; aks, eks and gke: only inform].
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) rotate_after: Option<Duration>,
    /// Publish no key for longer than [default: 90d].
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) expire_after: Option<Duration>,
    /// What your organization calls the policy that these numbers are of; it is printed beside them.
    #[arg(long, value_name = "NAME", requires = "rotate_after")]
    pub(crate) policy_name: Option<String>,
    /// How far beyond a limit a key may be before anybody says so.
    #[arg(long, value_name = "DURATION", default_value = "72h", value_parser = duration::parse)]
    pub(crate) grace: Duration,
    /// The longest life of a token, and so the least overlap of two keys.
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = duration::parse)]
    pub(crate) max_token_ttl: Duration,
    /// How long observations may pause; two hours more than a day, since no daily job is exact.
    #[arg(long, value_name = "DURATION", default_value = "26h", value_parser = duration::parse)]
    pub(crate) max_gap: Duration,
    /// How often an external signer has the API server fetch its keys; --apiserver-metrics do not say.
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration::parse)]
    pub(crate) signer_refresh: Duration,
    /// From which event ages are counted: conservative, trust, material, activation.
    #[arg(long, value_name = "BASIS", default_value = "conservative", value_parser = basis)]
    pub(crate) age_basis: AgeBasis,
    /// Take an assumption for granted: cluster-created=TIME (the installer made the key then).
    #[arg(long, value_name = "ASSUMPTION", value_parser = assumption)]
    pub(crate) assume: Vec<UnixTime>,
    /// Let assumptions prove that a key is young. The report says so.
    #[arg(long)]
    pub(crate) accept_assumed: bool,
}

/// What the exit code says.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Exit code")]
pub(crate) struct ExitArgs {
    /// Exit with this code whenever the code would not be 0.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    pub(crate) exit_code: Option<u8>,
    /// Leave out findings below this severity: info, low, medium, high, critical.
    #[arg(long, value_name = "SEVERITY", default_value = "info", value_parser = severity)]
    pub(crate) severity: Severity,
    /// What UNKNOWN means: ok (exit 0), warn (1), fail (3).
    #[arg(long, value_enum, default_value_t)]
    pub(crate) unknown: Unknown,
    /// From which verdict on the code is not 0. `overdue`, and SUSPECT with it, is for pipelines, and for
    /// clusters too young to have a history.
    #[arg(long, value_name = "VERDICT", value_enum, default_value_t, conflicts_with = "unknown")]
    pub(crate) fail_on: FailOn,
    /// Fail also, with code 1, if a finding is of this severity or a worse one, whatever the verdict: info,
    /// low, medium, high, critical.
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    pub(crate) fail_on_severity: Option<Severity>,
    /// What --fail-on was called.
    #[arg(long = "gate", hide = true, num_args = 0..=1, default_missing_value = "", value_parser = renamed("--fail-on overdue"))]
    pub(crate) _gate: Option<Renamed>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) sources: Sources,
    #[command(flatten)]
    pub(crate) kept: Kept,
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
    #[command(flatten)]
    pub(crate) exit: ExitArgs,
    #[command(flatten)]
    pub(crate) print: Print,
}

/// How to say it.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output")]
pub(crate) struct Print {
    /// How to print the report.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Format,
    /// Write the report to a file, whole or not at all, instead of standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) output_file: Option<PathBuf>,
    /// Colours, in tables: auto (on a terminal, unless NO_COLOR is set), always, never.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) color: When,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Observe {
    #[command(flatten)]
    pub(crate) sources: Sources,
    #[command(flatten)]
    pub(crate) kept: Kept,
    /// Write what was collected to a file, to be judged elsewhere with `check --offline`.
    #[arg(long, value_name = "FILE", conflicts_with = "every")]
    pub(crate) bundle: Option<PathBuf>,
    /// Look again every so often, such as 1h, until SIGTERM or Ctrl-C.
    #[arg(long, value_name = "DURATION", value_parser = every)]
    pub(crate) every: Option<Duration>,
    /// How to print each look.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Lines,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ShowHistory {
    #[command(flatten)]
    pub(crate) sources: Sources,
    #[command(flatten)]
    pub(crate) kept: Kept,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Plain,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Explain {
    /// The key's kid, its thumbprint, or the beginning of either; or a check, such as K201.
    // A kid is base64url, and may begin with a hyphen.
    #[arg(value_name = "KEY|CHECK", allow_hyphen_values = true)]
    pub(crate) kid: String,
    #[command(flatten)]
    pub(crate) sources: Sources,
    #[command(flatten)]
    pub(crate) kept: Kept,
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Plain,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Diff {
    #[command(flatten)]
    pub(crate) sources: Sources,
    #[command(flatten)]
    pub(crate) kept: Kept,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Plain,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct NeedsRotation {
    #[command(flatten)]
    pub(crate) sources: Sources,
    #[command(flatten)]
    pub(crate) kept: Kept,
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
    /// Count a key that will be due within this time, or that has used up this share of its time,
    /// such as 7d or 75%.
    #[arg(long, visible_alias = "expires-in", value_name = "DURATION|SHARE", value_parser = within)]
    pub(crate) within: Option<Within>,
    /// Say nothing; the exit code says it all.
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Kid {
    /// A public key: PEM (PUBLIC KEY, RSA PUBLIC KEY, CERTIFICATE), DER, or a JWKS.
    pub(crate) file: PathBuf,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Plain,
}

/// The report's forms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For a reader.
    #[default]
    Table,
    /// All of it, facts included; its schema is published.
    Json,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// JUnit XML: one test case a check.
    Junit,
    /// Prometheus' text format, for a textfile collector.
    Prometheus,
    /// One page for a browser, with the keys' timeline; it needs nothing beside it.
    Html,
}

/// The forms of a look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Lines {
    /// For a reader.
    #[default]
    #[value(alias = "table")]
    Text,
    /// One line of JSON a look.
    #[value(alias = "json")]
    Ndjson,
}

/// When to do it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    #[default]
    Auto,
    Always,
    Never,
}

/// The least verdict that fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// OVERDUE and SUSPECT.
    Overdue,
    /// These and DUE.
    Due,
    /// These and UNKNOWN.
    #[default]
    Unknown,
}

/// What UNKNOWN means to the exit code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Unknown {
    Ok,
    Warn,
    #[default]
    Fail,
}
