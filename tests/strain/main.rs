//! Puts the sidecar under strain: what it may not do is hang, fill up, or keep others waiting.
//!
//! `cargo test` plays the quick scenarios against the debug build; `tests/strain/run` plays all of
//! them against a release. See `--help`.
#![forbid(unsafe_code)]
#![allow(clippy::panic, clippy::print_stdout, clippy::unwrap_used, reason = "all of it is a test")]

#[cfg(target_os = "linux")]
mod clients;
#[cfg(target_os = "linux")]
mod files;
#[cfg(target_os = "linux")]
mod history;
#[cfg(target_os = "linux")]
mod identities;
#[cfg(target_os = "linux")]
mod idle;
#[cfg(target_os = "linux")]
mod issuer;
#[cfg(target_os = "linux")]
mod log;
#[cfg(target_os = "linux")]
mod memory;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
mod reloads;
#[cfg(target_os = "linux")]
mod scenario;
#[cfg(target_os = "linux")]
mod tasks;
#[cfg(target_os = "linux")]
mod waiters;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// Plays scenarios against the sidecar and prints what was measured; ends with 1 if a bound is not
/// kept.
#[derive(Debug, Parser)]
struct Options {
    /// Play the scenarios with these words in their names; without any, all.
    names: Vec<String>,
    /// The sidecar's program; without it, the debug build of this workspace.
    #[arg(long)]
    sidecar: Option<PathBuf>,
    /// The command; without it, the debug build of this workspace.
    #[arg(long)]
    command: Option<PathBuf>,
    /// Hold it to what a release promises, on a machine with little else to do.
    #[arg(long)]
    release: bool,
    /// Play what takes longer than seconds, too.
    #[arg(long)]
    long: bool,
    /// How often a scenario is played again whose times were too long: something else may have kept
    /// the machine busy.
    #[arg(long, default_value_t = 3)]
    tries: u32,
    /// Only say which scenarios there are, as other tests do.
    #[arg(long)]
    list: bool,
    /// Play the scenarios of these names and no others, as `cargo nextest` asks for each.
    #[arg(long)]
    exact: bool,
    /// Play none: what is left out of `cargo test` is played by `tests/strain/run`.
    #[arg(long, hide = true)]
    ignored: bool,
    /// What test runners may tell all their programs, and means nothing here.
    #[arg(long, hide = true)]
    include_ignored: bool,
    #[arg(long, hide = true)]
    format: Option<String>,
    #[arg(long, hide = true)]
    nocapture: bool,
    #[arg(long, hide = true)]
    no_capture: bool,
    #[arg(long, hide = true)]
    show_output: bool,
    #[arg(long, short, hide = true)]
    quiet: bool,
    #[arg(long, hide = true)]
    test_threads: Option<usize>,
}

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    scenario::main(&Options::parse())
}

/// What a process takes is told otherwise elsewhere.
#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    if !Options::parse().list {
        println!("SKIPPED: strain is measured the way Linux tells it");
    }
    ExitCode::SUCCESS
}
