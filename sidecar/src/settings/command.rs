//! The command line: a flag for each setting, and the subcommands.

use cambist::config::RENAMED;
use clap::builder::NonEmptyStringValueParser;
use clap::{Arg, ArgAction, Command};

use super::{flag, variables};

/// The command line.
pub fn command() -> Command {
    let flags = variables().filter_map(|variable| {
        let help = format!("{} [{}: {}]", variable.help, variable.name, variable.default);
        Some(
            Arg::new(variable.name)
                .long(flag(variable.name)?)
                .value_name(variable.value)
                .value_parser(NonEmptyStringValueParser::new())
                .help(help),
        )
    });
    let renamed = RENAMED.iter().filter_map(|(old, new)| {
        let new = flag(new)?;
        let refuse = move |_: &str| Err::<String, _>(format!("it is --{new} now"));
        Some(Arg::new(*old).long(flag(old)?).hide(true).value_parser(refuse))
    });
    let check = Arg::new("check-config")
        .long("check-config")
        .action(ArgAction::SetTrue)
        .help("Say what would run, or everything that is wrong with the configuration, and exit");
    let others: Vec<_> = variables().map(|v| v.name).filter(|n| flag(n).is_none()).collect();
    Command::new("cambist-sidecar")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Azure access tokens over a local endpoint that every Azure SDK speaks")
        .args(flags)
        .args(renamed)
        .arg(check)
        .subcommand(crate::health::command())
        .subcommand(config_command())
        .args_conflicts_with_subcommands(true)
        .after_help(format!(
            "A flag goes before its variable. A duration has its unit: s, m, h, d or w, such as 45d or 1h30m. \
             Read from the environment alone: {}.\n\
             Exit codes: 0 done; 1 it could not run, or health found it not ready; 64 the command \
             line or the configuration is wrong.",
            others.join(", ")
        ))
}

/// What is done about the file of `CAMBIST_CONFIG`.
fn config_command() -> Command {
    let output = Arg::new("output")
        .long("output")
        .short('o')
        .value_name("FILE")
        .value_parser(NonEmptyStringValueParser::new())
        .help("Write it there, where no file may be yet [default: standard output]");
    let init = Command::new("init")
        .about(
            "Write a file that says what the variables of this environment say, with comments on all \
             else that it could; no secret is written into it",
        )
        .arg(output);
    Command::new("config")
        .about("The file of identities that CAMBIST_CONFIG names")
        .subcommand_required(true)
        .subcommand(init)
}
