//! Drives the real programs against a real kube-apiserver: see `--help`, and `tests/live/run`, which
//! builds both.
#![forbid(unsafe_code)]
#![allow(clippy::panic, clippy::print_stdout, reason = "a test, told on standard output")]

mod admission;
mod balancer;
mod case;
mod cluster;
mod command;
mod entra;
mod install;
mod key_sources;
mod keys;
mod kube;
mod load;
mod manifests;
mod node;
mod objects;
mod observers;
mod pods;
mod rotation;
mod server;
mod site;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// Puts a cluster's API servers up and plays cases on them; ends with 1 if any failed.
#[derive(Clone, Debug, Parser)]
struct Options {
    /// Play the cases with these words in their names; without any, all.
    names: Vec<String>,
    /// The API server's program, as `tests/live/server` builds it.
    #[arg(long)]
    server: PathBuf,
    /// The Kubernetes version that it must be of, such as 1.36.3.
    #[arg(long)]
    kubernetes: String,
    /// The directory of cambist, cambist-sidecar and cambist-sim.
    #[arg(long)]
    programs: PathBuf,
    /// The directory of the rendered manifests, which `tests/deploy/run` writes.
    #[arg(long, required_unless_present = "program")]
    manifests: Option<PathBuf>,
    /// A directory for what the cases write; what failed is left there.
    #[arg(long)]
    work: PathBuf,
    /// Leave out what waits for minutes.
    #[arg(long)]
    quick: bool,
    /// Only say which cases there are.
    #[arg(long)]
    list: bool,
    /// Of a node, whose cases are played then and no others.
    #[command(flatten)]
    node: Option<node::Parts>,
}

fn main() -> ExitCode {
    kit::program::raise_open_files();
    case::main(Options::parse())
}
