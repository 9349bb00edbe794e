//! `cambist explain`.

use std::path::PathBuf;

use clap::Args;

use super::Plain;

#[derive(Args, Debug)]
pub(crate) struct Explain {
    /// What the token is for, such as https://vault.azure.net.
    #[arg(long, value_name = "RESOURCE")]
    pub(crate) resource: String,
    /// Of this caller alone, as the policy calls it.
    #[arg(long, value_name = "NAME")]
    pub(crate) caller: Option<String>,
    /// Of this identity alone, as the policy calls it.
    #[arg(long, value_name = "NAME")]
    pub(crate) identity: Option<String>,
    /// The sidecar's admin listener, which answers this within the pod alone.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8422")]
    pub(crate) admin: String,
    /// A file with the certificate of that listener, or of who signed it, where its URL is https.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Plain,
}
