//! The program `cambist-sidecar`: from the command line to the exit code.

use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use cambist::Context;
use cambist::Env as _;
use cambist::SystemClock;
use cambist::config::ConfigFault;
use cambist::env::Process;
use cambist::observer::Unobserved;
use clap::ArgMatches;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::{Config, Draft, admin_address, draft};
use crate::confine::{Confinement, Found, Needs};
use crate::health::Probe;
use crate::listener::{CERT_FILE, Capacity};
use crate::log;
use crate::process::{give_up_dumps, raise_open_files, runtime, workers};
use crate::settings::{Settings, command};
use crate::sidecar::{StartError, Surroundings, start};
use crate::telemetry::audit::Trail;

/// It did what it was asked to.
const DONE: u8 = 0;
/// It could not run, or the sidecar asked about is not ready.
const FAILED: u8 = 1;
/// The command line or the configuration is wrong (`EX_USAGE` of sysexits).
const USAGE: u8 = 64;

/// How long the end is held up for a log that nobody reads.
const LAST_WORDS: Duration = Duration::from_millis(250);

/// Runs the program.
pub fn main() -> ExitCode {
    // First of all: what comes next reads secrets.
    let dumps = give_up_dumps();
    let matches = match command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => {
            // Help and version go to standard output, and are no failure.
            let code = if error.use_stderr() { USAGE } else { DONE };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let code = match matches.subcommand() {
        Some(("health", matches)) => health(matches),
        Some(("config", matches)) => match matches.subcommand() {
            Some((_, init)) => init_config(init.get_one::<String>("output").map(Path::new)),
            None => USAGE,
        },
        _ => sidecar(&matches, dumps),
    };
    ExitCode::from(code)
}

fn health(matches: &ArgMatches) -> u8 {
    let cert = Process.get(CERT_FILE).map(PathBuf::from);
    match Probe::new(matches, admin_address(&Process), cert) {
        Ok(probe) if probe.run(&SystemClock, &mut io::stderr()) => DONE,
        Ok(_) => FAILED,
        Err(problem) => complain(problem, USAGE),
    }
}

/// Writes a file of identities to begin with.
fn init_config(output: Option<&Path>) -> u8 {
    let Draft { text, notes } = draft(&Process);
    let written = match output {
        None => io::stdout().write_all(text.as_bytes()).map_err(|error| error.to_string()),
        Some(path) => {
            let file = File::options().write(true).create_new(true).open(path);
            let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
            written.map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => {
                    format!("{} is there already, and stays as it is: name another", path.display())
                }
                _ => format!("{} cannot be written: {error}", path.display()),
            })
        }
    };
    if let Err(problem) = written {
        return complain(problem, FAILED);
    }
    for note in notes {
        complain(note, DONE);
    }
    DONE
}

fn sidecar(matches: &ArgMatches, dumps: io::Result<()>) -> u8 {
    let check_only = matches.get_flag("check-config");
    let mut settings = Settings::new(matches, &Process);
    if let Err(errors) = settings.make_secret(!check_only) {
        return complain(errors, USAGE);
    }
    let mut config = match Config::read(&settings) {
        Ok(config) => config,
        Err(errors) => return complain(errors, USAGE),
    };
    if let Err(error) = &dumps {
        let warning =
            format!("a dump of this process, with its tokens, cannot be ruled out: {error}");
        config.warnings.push(warning);
    }
    let needs = Needs::of(&config, &Found::now(&config, &settings));
    if check_only {
        return check(&config, &settings, &needs);
    }
    let (files, workers) = (raise_open_files(), workers());
    // Opened while files can be.
    let audit = match config.audit.open() {
        Ok(audit) => audit,
        Err(problem) => {
            let fault = ConfigFault::new("CAMBIST_AUDIT", problem);
            return complain(settings.locate(vec![fault]), USAGE);
        }
    };
    let confinement = Confinement::begin(&config, &needs, dumps.map_err(|error| error.to_string()));
    if let Some(problem) = confinement.problem() {
        return complain(problem, FAILED);
    }
    config.policy.keep_to(confinement.granted());
    // Threads that stay begin here: whatever this process gives up for good, it gives up before.
    let (log, trail) =
        match start_log(&config).and_then(|log| Ok((log, start_trail(&config, audit)?))) {
            Ok(both) => both,
            Err(error) => return complain(error, FAILED),
        };
    let code = match runtime(workers) {
        Ok(runtime) => {
            let serving =
                serve(&config, &settings, files, (log.dropped(), trail.clone()), confinement);
            let code = runtime.block_on(serving);
            // Nothing that still runs is worth waiting for.
            runtime.shutdown_background();
            code
        }
        Err(error) => fail(&error),
    };
    trail.flush(LAST_WORDS);
    log.flush(LAST_WORDS);
    code
}

/// The audit trail, to what was opened for it.
fn start_trail(config: &Config, audit: Option<(File, bool)>) -> io::Result<Trail> {
    let Some((file, terminal)) = audit else { return Ok(Trail::default()) };
    // Whoever collects it finds one form there, however the log looks.
    let look = if terminal { config.log_format.on(true, config.colours) } else { log::Look::Json };
    Trail::lines(file, look, Arc::new(SystemClock))
}

/// From here on, nothing but the log writes to standard error.
fn start_log(config: &Config) -> io::Result<log::Writer> {
    let writer = log::Writer::of_log(io::stderr())?;
    let look = config.log_format.on(io::stderr().is_terminal(), config.colours);
    let subscriber = log::subscriber(&config.log, look, writer.clone());
    tracing::subscriber::set_global_default(subscriber).map_err(io::Error::other)?;
    log::take_panics();
    Ok(writer)
}

/// Says what would run, after opening what can be opened without a network.
fn check(config: &Config, settings: &Settings<'_>, needs: &Needs) -> u8 {
    let context = Context::new(Arc::new(SystemClock), Arc::new(Unobserved), config.jitter);
    if let Err(errors) = config.open(context) {
        return complain(settings.locate(errors.faults().to_vec()), USAGE);
    }
    let ailing = match runtime(workers()) {
        Ok(runtime) => runtime.block_on(config.ailing_files()),
        Err(error) => return complain(error, FAILED),
    };
    // What is not mounted where this is checked may be where it runs.
    let ailing = settings.locate(ailing);
    let ailing = ailing.faults().iter().map(|fault| format!("{}: {}", fault.name, fault.problem));
    for warning in config.warnings.iter().cloned().chain(ailing) {
        complain(format!("warning: {warning}"), DONE);
    }
    match writeln!(io::stdout(), "{}", config.with_needs(needs)) {
        Ok(()) => DONE,
        Err(_) => FAILED,
    }
}

/// Serves until a signal says to end.
async fn serve(
    config: &Config,
    settings: &Settings<'_>,
    files: Option<u64>,
    (log_dropped, audit): (log::Dropped, Trail),
    confinement: Confinement,
) -> u8 {
    // Before anything is open, so that no signal is missed.
    let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    let (mut terminate, mut interrupt) = match signals {
        (Ok(terminate), Ok(interrupt)) => (terminate, interrupt),
        (Err(error), _) | (_, Err(error)) => return fail(&error),
    };
    let (token_capacity, admin_capacity) = Capacity::for_descriptors(files);
    let clock = Arc::new(SystemClock);
    confinement.announce();
    let around = Surroundings {
        token_capacity,
        admin_capacity,
        log_dropped,
        audit,
        confinement,
        ..Surroundings::new(clock)
    };
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let running = match start(config, around).await {
        Ok(running) => running,
        Err(StartError::Config(errors)) => {
            for fault in settings.locate(errors.faults().to_vec()).faults() {
                tracing::error!(setting = &*fault.name, "{}", fault.problem);
            }
            return USAGE;
        }
        Err(error) => return fail(&error),
    };
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        tokens = running.addresses().iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        admin = running.admin_address().map_or_else(|| "off".to_owned(), |at| at.to_string()),
        connections = token_capacity.connections,
        files,
        "serving"
    );
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("draining: what is under way is answered, for up to 5 seconds");
    let telemetry = running.telemetry();
    tokio::select! {
        cut = running.drain() => {
            tracing::info!(cut_off = cut, "ended");
            return DONE;
        }
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    // Told twice to end: whatever is under way is given up.
    telemetry.end(None);
    FAILED
}

fn fail(error: &dyn std::error::Error) -> u8 {
    tracing::error!("{error}");
    FAILED
}

fn complain(problem: impl std::fmt::Display, code: u8) -> u8 {
    let line = format!("{problem}\n");
    // Without standard error, or with nobody to read it, the exit code still tells.
    match log::Writer::of_log(io::stderr()) {
        Ok(writer) => {
            writer.line(line.as_bytes());
            writer.flush(LAST_WORDS);
        }
        Err(_) => drop(io::stderr().write_all(line.as_bytes())),
    }
    code
}
