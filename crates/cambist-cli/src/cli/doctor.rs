//! `cambist doctor`.

use std::path::PathBuf;
use std::time::Duration;

use cambist_core::duration;
use clap::{Args, ValueEnum};

use super::issuer::{Reach, When};

#[derive(Args, Debug)]
pub(crate) struct Doctor {
    /// What a token is asked for: by one exchange, and from the endpoint beside an app.
    #[arg(long, value_name = "RESOURCE", default_value = "https://management.azure.com")]
    pub(crate) resource: String,
    /// Exchange nothing, and ask the endpoint for no token.
    #[arg(long)]
    pub(crate) no_exchange: bool,
    /// A resource that the endpoint's policy must not give a token for.
    #[arg(long, value_name = "RESOURCE")]
    pub(crate) forbidden: Option<String>,
    /// How long each of the things that are waited for at the same time may take.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration::parse)]
    pub(crate) timeout: Duration,
    /// The projected token [default: AZURE_FEDERATED_TOKEN_FILE].
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// The issuer that it must be of, byte for byte [default: CAMBIST_ISSUER, else the token's own].
    #[arg(long, value_name = "URL")]
    pub(crate) issuer: Option<String>,
    /// The tenant [default: AZURE_TENANT_ID].
    #[arg(long, value_name = "TENANT")]
    pub(crate) tenant_id: Option<String>,
    /// The identity that tokens are asked for as [default: AZURE_CLIENT_ID].
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: Option<String>,
    /// More certificate authorities for Entra and the issuer [default: CAMBIST_CA_FILE].
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Compare what is public with the API server's own key set.
    #[arg(long)]
    pub(crate) compare_api: bool,
    #[command(flatten)]
    pub(crate) reach: Reach,
    /// The admin listener of a running sidecar [default: CAMBIST_ADMIN_LISTEN, else http://127.0.0.1:8422].
    #[arg(long, value_name = "URL")]
    pub(crate) admin: Option<String>,
    /// Tell what a check is about, such as D201, and look at nothing.
    #[arg(long, value_name = "CHECK")]
    pub(crate) explain: Option<String>,
    /// How to print what was found.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Form,
    /// Colours, in tables: auto (on a terminal, unless NO_COLOR is set), always, never.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) color: When,
}

/// The forms of what was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// For a reader.
    #[default]
    Table,
    /// All of it, for a program.
    Json,
    /// JUnit XML: one test case a check.
    Junit,
}
