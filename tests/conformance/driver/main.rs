//! Drives the real Azure SDKs against the sidecar and tells what each of them does: see `--help`.
#![forbid(unsafe_code)]
#![allow(clippy::panic, clippy::print_stdout, reason = "a test, told on standard output")]

mod apps;
mod cases;
mod client;
mod connect;
mod identities;
mod matrix;
mod refusals;
mod report;
mod sdk;
mod services;
mod stage;
mod steady;
mod symptoms;
mod tokens;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::cases::{Case, Lane};
use crate::client::{Client, Program};
use crate::report::{Found, Played, Report, words};
use crate::sdk::Sdk;
use crate::services::Authority;
use crate::stage::Setting;

/// So many cases are played at once: most of them wait for an SDK that waits.
const AT_ONCE: u32 = 6;

/// Puts Azure SDKs through all cases and prints what came of it; ends with 1 if any failed.
#[derive(Debug, Parser)]
struct Options {
    /// The sidecar's program.
    #[arg(long)]
    sidecar: String,
    /// A directory for logs and certificates.
    #[arg(long)]
    work: PathBuf,
    /// An SDK's client, as NAME=COMMAND.
    #[arg(long = "client", value_parser = program)]
    clients: Vec<Program>,
    /// An example app, as NAME=COMMAND.
    #[arg(long = "app", value_parser = program)]
    apps: Vec<Program>,
    /// Play only the cases with these names.
    #[arg(long = "case")]
    cases: Vec<String>,
    /// Something that is left out, and why, for the page.
    #[arg(long = "skipped")]
    skipped: Vec<String>,
    /// Where to write the tables.
    #[arg(long)]
    page: PathBuf,
    /// Where to write what each client prints where something is wrong.
    #[arg(long)]
    symptoms: PathBuf,
    /// What the clients are run by, for that page.
    #[arg(long)]
    seen_with: String,
    /// Where the clients find the programs that they call.
    #[arg(long, env)]
    path: String,
}

fn program(text: &str) -> Result<Program, String> {
    let (name, command) = text.split_once('=').ok_or("give NAME=COMMAND")?;
    let command: Vec<_> = command.split_whitespace().map(str::to_owned).collect();
    if command.is_empty() {
        return Err("the command is empty".to_owned());
    }
    Ok(Program { name: name.to_owned(), command })
}

fn main() -> ExitCode {
    let options = Options::parse();
    kit::program::raise_open_files();
    // What went wrong is told with the case; where, is told here, and without a trace of every task.
    std::panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        println!("        at {at}: {}", words(panic.payload()));
    }));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("a runtime can be made").block_on(run(options))
}

async fn run(options: Options) -> ExitCode {
    let cases = match wanted(&options.cases) {
        Ok(cases) => cases,
        Err(words) => {
            println!("{words}");
            return ExitCode::from(2);
        }
    };
    let setting = Arc::new(Setting {
        sidecar: options.sidecar,
        authority: Authority::new(&options.work),
        work: options.work,
        path: options.path,
        apart: client::can_be_apart(),
    });
    let mut report = Report::default();
    report.matrix.skipped = options.skipped;
    report.matrix.seen_with = options.seen_with;
    if !setting.apart {
        let why = "without the endpoint's variable: no network of its own can be had for a program";
        report.matrix.skipped.push(why.to_owned());
    }
    let mut lanes = Vec::new();
    for program in options.clients {
        lanes.extend(introduce(program, &setting, &mut report).await);
    }
    let places = Arc::new(Semaphore::new(AT_ONCE as usize));
    let mut playing = JoinSet::new();
    for case in cases {
        for lane in lanes.iter().filter(|lane| case.is_for(lane)) {
            playing.spawn(play(case, lane.clone(), Arc::clone(&places)));
        }
    }
    for app in options.apps {
        playing.spawn(try_app(app, Arc::clone(&setting), Arc::clone(&places)));
    }
    while let Some(played) = playing.join_next().await {
        report.take(played.expect("it only waits for another"));
    }
    report.close(&options.page, &options.symptoms)
}

/// The cases with these names, or all of them. The longest comes first.
fn wanted(names: &[String]) -> Result<Vec<Case>, String> {
    let known: Vec<_> = Case::all().map(|case| case.names().0).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(format!("there is no case {unknown:?}; there are: {}", known.join(" ")));
    }
    let named = |case: &Case| names.is_empty() || names.iter().any(|name| name == case.names().0);
    let mut cases: Vec<_> = Case::all().filter(named).collect();
    cases.sort_by_key(|case| *case != Case::Lifetime);
    Ok(cases)
}

/// Hears which SDK a client is; its lanes, if it could be heard.
async fn introduce(program: Program, setting: &Arc<Setting>, report: &mut Report) -> Vec<Lane> {
    let name = program.name.clone();
    let (asked, shared) = (program.clone(), Arc::clone(setting));
    let heard = tokio::spawn(async move {
        let sdk = Sdk::named(&asked.name).expect("an SDK has a row in the table of them");
        // One keeps a cache wherever it takes its home to be.
        let home = shared.work.display().to_string();
        let env = [("PATH".to_owned(), shared.path.clone()), ("HOME".to_owned(), home)].into();
        let log = shared.work.join(format!("{}.log", sdk.name));
        (sdk, Client::start(&asked, &env, &log).await.sdk().to_owned())
    });
    match heard.await {
        Ok((sdk, version)) => {
            println!("{}: {version}", sdk.name);
            report.matrix.sdks.push((sdk.name, version));
            let setting = || Arc::clone(setting);
            let lane =
                |&protocol| Lane { setting: setting(), sdk, program: program.clone(), protocol };
            sdk.protocols.iter().map(lane).collect()
        }
        Err(error) => {
            report.fail(&name, error);
            Vec::new()
        }
    }
}

async fn play(case: Case, lane: Lane, places: Arc<Semaphore>) -> Played {
    let what = format!("{} {} {}", lane.sdk.name, lane.protocol.as_str(), case.names().0);
    let place = (lane.sdk.name, lane.protocol, case);
    let found = tokio::spawn(async move {
        let _place = match case {
            // It mostly sleeps.
            Case::Lifetime => None,
            // Fifty processes of one client are enough at a time.
            Case::Crowd => Some(places.acquire_many_owned(AT_ONCE).await),
            _ => Some(places.acquire_owned().await),
        };
        Found::Cell(case.play(&lane).await)
    });
    Played { what, place: Some(place), found: found.await }
}

async fn try_app(app: Program, setting: Arc<Setting>, places: Arc<Semaphore>) -> Played {
    let what = format!("app {}", app.name);
    let found = tokio::spawn(async move {
        let _place = places.acquire_owned().await;
        let seen = apps::play(&setting, &app).await;
        Found::App(app.name, seen)
    });
    Played { what, place: None, found: found.await }
}
