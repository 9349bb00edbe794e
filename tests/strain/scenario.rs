//! What a scenario is, what it finds, and how that is judged.

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use futures_util::future::BoxFuture;
use kit::program::Program;
use kit::{Sidecar, World};
use tokio::task::JoinError;

use crate::Options;
use crate::{
    files, history, identities, idle, issuer, log, memory, process, reloads, tasks, waiters,
};

/// What may be played, in this order.
const ALL: &[Scenario] = &[
    scenario("log-unread", true, |setup| Box::pin(log::unread(setup))),
    scenario("waiters-few-files", true, |setup| Box::pin(waiters::few_files(setup))),
    scenario("waiters-one-scope", false, |setup| Box::pin(waiters::one_scope(setup))),
    scenario("waiters-many-scopes", false, |setup| Box::pin(waiters::many_scopes(setup))),
    scenario("idle-tokens-300", true, |setup| Box::pin(idle::tokens_300(setup))),
    scenario("idle-tokens-2000", false, |setup| Box::pin(idle::tokens_2000(setup))),
    scenario("idle-admin-1000", true, |setup| Box::pin(idle::admin_1000(setup))),
    scenario("idle-admin-4500", false, |setup| Box::pin(idle::admin_4500(setup))),
    scenario("idle-admin-insisting", false, |setup| Box::pin(idle::admin_insisting(setup))),
    scenario("fifo-at-start", true, |setup| Box::pin(files::at_start(setup))),
    scenario("fifo-swapped-in", false, |setup| Box::pin(files::swapped_in(setup))),
    scenario("history-large", false, |setup| Box::pin(history::large(setup))),
    scenario("history-at-bound", false, |setup| Box::pin(history::at_bound(setup))),
    scenario("issuer-down", true, |setup| Box::pin(issuer::shortly(setup))),
    scenario("issuer-down-a-minute", false, |setup| Box::pin(issuer::a_minute(setup))),
    scenario("memory", false, |setup| Box::pin(memory::cold_and_warm(setup))),
    scenario("identities-1000", true, |setup| Box::pin(identities::thousand(setup))),
    scenario("reloads-200", false, |_| Box::pin(reloads::two_hundred())),
    scenario("tasks", true, |setup| Box::pin(tasks::few(setup))),
    scenario("tasks-hung-names", false, |setup| Box::pin(tasks::hung_names(setup))),
    scenario("process", true, |setup| Box::pin(process::closed(setup))),
];

type Play = fn(Setup) -> BoxFuture<'static, Found>;

/// One way to strain the sidecar.
struct Scenario {
    name: &'static str,
    /// Whether it ends in seconds.
    quick: bool,
    play: Play,
}

const fn scenario(name: &'static str, quick: bool, play: Play) -> Scenario {
    Scenario { name, quick, play }
}

/// What a scenario came to: its figures, or why it cannot be played on this machine.
pub(crate) type Found = Result<Vec<Figure>, String>;

/// What is strained.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    exe: String,
    command: String,
    release: bool,
}

impl Setup {
    /// The sidecar's program for a world, with its log as it comes.
    pub(crate) fn program(&self, world: &World) -> Program {
        kit::sidecar::program(&self.exe, world).set("CAMBIST_LOG", "info")
    }

    /// A sidecar for a world, ready.
    pub(crate) async fn sidecar(&self, world: &World, program: Program) -> Sidecar {
        Sidecar::of(&self.exe, world, program).await
    }

    /// A sidecar as soon as it says where it serves.
    pub(crate) async fn spawn(&self, world: &World, program: Program) -> Sidecar {
        Sidecar::spawn(&self.exe, world, program).await
    }

    /// The sidecar's program.
    pub(crate) fn exe(&self) -> &str {
        &self.exe
    }

    /// The command `cambist`.
    pub(crate) fn command(&self) -> Program {
        Program::new(&self.command)
    }

    /// Whether a release is held to all that it promises.
    pub(crate) fn is_release(&self) -> bool {
        self.release
    }

    /// At most so long; ten times that for a debug build among other tests.
    pub(crate) fn at_most(&self, bound: Duration) -> Bound {
        Bound::AtMost(bound.as_secs_f64() * if self.release { 1.0 } else { 10.0 })
    }
}

/// A side on which a figure has to stay.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    AtMost(f64),
    AtLeast(f64),
    Exactly(f64),
}

/// Something that was measured or counted.
#[derive(Debug)]
pub(crate) struct Figure {
    what: String,
    value: f64,
    unit: &'static str,
    bound: Option<Bound>,
    /// Whether a busy machine makes it worse.
    timed: bool,
}

impl Figure {
    /// How long something took.
    pub(crate) fn time(what: impl Into<String>, took: Duration) -> Self {
        Self { what: what.into(), value: took.as_secs_f64(), unit: "s", bound: None, timed: true }
    }

    /// How many of something there were.
    pub(crate) fn count(what: impl Into<String>, count: usize) -> Self {
        Self { what: what.into(), value: count as f64, unit: "", bound: None, timed: false }
    }

    /// Whether something was so: 1 or 0.
    pub(crate) fn holds(what: impl Into<String>, so: bool) -> Self {
        Self::count(what, usize::from(so)).must(Bound::Exactly(1.0))
    }

    /// How much memory something took, in bytes.
    pub(crate) fn memory(what: impl Into<String>, bytes: u64) -> Self {
        let value = bytes as f64 / 1e6;
        Self { what: what.into(), value, unit: "MB", bound: None, timed: false }
    }

    /// With a bound.
    #[must_use]
    pub(crate) fn must(self, bound: Bound) -> Self {
        Self { bound: Some(bound), ..self }
    }

    fn is_kept(&self) -> bool {
        match self.bound {
            None => true,
            Some(Bound::AtMost(bound)) => self.value <= bound,
            Some(Bound::AtLeast(bound)) => self.value >= bound,
            Some(Bound::Exactly(bound)) => self.value == bound,
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |value: f64| match self.unit {
            "s" => format!("{value:.4}"),
            "MB" => format!("{value:.2}"),
            _ => format!("{value}"),
        };
        let bound = match self.bound {
            None => String::new(),
            Some(Bound::AtMost(bound)) => format!("<= {}", number(bound)),
            Some(Bound::AtLeast(bound)) => format!(">= {}", number(bound)),
            Some(Bound::Exactly(bound)) => format!("= {}", number(bound)),
        };
        let verdict = if self.is_kept() { "" } else { "FAILED" };
        let line = format!(
            "    {:<52} {:>10} {:<3} {bound:<12} {verdict}",
            self.what,
            number(self.value),
            self.unit
        );
        f.write_str(line.trim_end())
    }
}

/// Plays what the command line asks for.
pub(crate) fn main(options: &Options) -> ExitCode {
    kit::program::raise_open_files();
    let wanted = |it: &&Scenario| {
        let is = |name: &String| it.name == name || !options.exact && it.name.contains(&**name);
        let named = options.names.iter().any(is);
        !options.ignored && if options.names.is_empty() { options.long || it.quick } else { named }
    };
    let wanted: Vec<_> = ALL.iter().filter(wanted).collect();
    if options.list {
        wanted.iter().for_each(|scenario| println!("{}: test", scenario.name));
        return ExitCode::SUCCESS;
    }
    let program = |given: &Option<PathBuf>, debug: &str| {
        given.as_ref().map_or_else(|| debug.to_owned(), |path| path.display().to_string())
    };
    let exe = program(&options.sidecar, env!("CARGO_BIN_EXE_shim-sidecar"));
    let command = program(&options.command, env!("CARGO_BIN_EXE_shim-cambist"));
    let setup = Setup { exe, command, release: options.release };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.expect("a runtime can be made");
    let (mut failed, mut skipped) = (Vec::new(), Vec::new());
    for scenario in &wanted {
        println!("{}", scenario.name);
        match runtime.block_on(repeat(scenario, &setup, options.tries)) {
            Outcome::Kept => {}
            Outcome::Broken => failed.push(scenario.name),
            Outcome::Skipped(why) => skipped.push(format!("{}: {why}", scenario.name)),
        }
    }
    skipped.iter().for_each(|what| println!("SKIPPED: {what}"));
    println!("{} scenarios, failed: {}", wanted.len(), failed.len());
    failed.iter().for_each(|name| println!("FAILED: {name}"));
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

enum Outcome {
    Kept,
    Broken,
    Skipped(String),
}

/// Plays a scenario again if nothing but its times were beyond their bounds.
async fn repeat(scenario: &Scenario, setup: &Setup, tries: u32) -> Outcome {
    for played in 1.. {
        let figures = match tokio::spawn((scenario.play)(setup.clone())).await {
            Ok(Ok(figures)) => figures,
            Ok(Err(why)) => {
                println!("    SKIPPED: {why}");
                return Outcome::Skipped(why);
            }
            Err(error) => {
                println!("    FAILED: {}", words(error));
                return Outcome::Broken;
            }
        };
        figures.iter().for_each(|figure| println!("{figure}"));
        if figures.iter().all(Figure::is_kept) {
            return Outcome::Kept;
        }
        let only_late = figures.iter().all(|figure| figure.timed || figure.is_kept());
        if !only_late || played >= tries {
            return Outcome::Broken;
        }
        println!("  again, since nothing but time was against it");
    }
    Outcome::Broken
}

fn words(error: JoinError) -> String {
    let Ok(payload) = error.try_into_panic() else { return "cancelled".to_owned() };
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned()
}
