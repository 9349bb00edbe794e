//! `cambist issuer plan` and `gate`.

use std::time::Duration;

use cambist_core::clock::UnixTime;
use cambist_core::duration;
use cambist_key_age::rotation::Gate;
use clap::{Args, ValueEnum};

use super::Plain;
use super::issuer::{Kept, PolicyArgs, Sources};
use super::value::account;
use crate::time::moment;

/// Less than this is no safe wait: a day is what operators leave, since Entra documents no bound.
pub(crate) const LEAST_CACHE: Duration = Duration::from_secs(3600);

/// How long a rotation waits.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Waiting")]
pub(crate) struct Waits {
    /// How long relying parties may go on with the key set as it was, with a unit: s, m, h, d or w.
    /// Entra documents no bound.
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = duration::parse)]
    pub(crate) cache_ttl: Duration,
    /// What to add to the longest life of a token before the old key is withdrawn.
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = duration::parse)]
    pub(crate) margin: Duration,
    /// Accept a --cache-ttl below an hour.
    #[arg(long)]
    pub(crate) force: bool,
}

impl Waits {
    /// # Errors
    /// If the wait is one in which Entra was seen to go on with the old set.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.cache_ttl < LEAST_CACHE && !self.force {
            return Err(format!(
                "--cache-ttl {} is less than an hour, and Entra was seen to go on with an old key set for longer: leave it at 24h, or say --force",
                duration::exact(self.cache_ttl)
            ));
        }
        Ok(())
    }
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Plan {
    /// When the new key is to be published [default: in time for the key that signs now, if it is known; else now].
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) start: Option<UnixTime>,
    #[command(flatten)]
    pub(crate) waits: Waits,
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

/// What is asked at a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Next {
    /// May the new KEY be published?
    Publish,
    /// May the new KEY sign?
    Sign,
    /// May the old KEY be withdrawn?
    Retire,
}

impl Next {
    pub(crate) const fn gate(self) -> Gate {
        match self {
            Self::Publish => Gate::Publish,
            Self::Sign => Gate::Sign,
            Self::Retire => Gate::Retire,
        }
    }
}

#[derive(Args, Clone, Debug)]
pub(crate) struct AskGate {
    /// The next step.
    #[arg(value_enum)]
    pub(crate) next: Next,
    /// The key: a file with its public half, its kid, or its thumbprint.
    // A kid is base64url, and may begin with a hyphen.
    #[arg(value_name = "KEY", allow_hyphen_values = true)]
    pub(crate) key: String,
    /// An API server, reached with the kubeconfig's or the pod's CA and token; name each of them
    /// [default: the one that --kubeconfig or --in-cluster names].
    #[arg(long, value_name = "URL")]
    pub(crate) api_server: Vec<String>,
    /// Have each API server make a token for this account, to see which key signs (TokenRequest).
    #[arg(long, value_name = "NAMESPACE/ACCOUNT", value_parser = account)]
    pub(crate) mint: Option<Account>,
    #[command(flatten)]
    pub(crate) waits: Waits,
    /// The longest life of a token.
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = duration::parse)]
    pub(crate) max_token_ttl: Duration,
    #[command(flatten)]
    pub(crate) sources: Sources,
    #[command(flatten)]
    pub(crate) kept: Kept,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Plain,
}

impl AskGate {
    /// For how long what a key signed last may be alive.
    pub(crate) fn overlap(&self) -> Duration {
        self.max_token_ttl.saturating_add(self.waits.margin)
    }
}

/// A service account by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) namespace: String,
    pub(crate) name: String,
}
