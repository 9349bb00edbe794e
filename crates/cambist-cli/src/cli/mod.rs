//! The command line: names, help texts and what they parse into.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub(crate) mod history;
pub(crate) mod issuer;
pub(crate) mod rotation;
mod value;

pub(crate) use issuer::IssuerCommand;

/// Looks at tokens and issuers: how old is the key that signs a cluster's service-account tokens?
///
/// `cambist issuer check` answers with evidence: OK, DUE, OVERDUE, SUSPECT, or UNKNOWN together with
/// the date on which that will be decided. It needs no Kubernetes permission for a public issuer.
#[derive(Debug, Parser)]
#[command(name = "cambist", version, propagate_version = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one, and it does not move")]
pub(crate) enum Command {
    /// The age of an issuer's signing keys
    #[command(subcommand, after_long_help = include_str!("model.txt"))]
    Issuer(IssuerCommand),
    /// Service-account tokens
    #[command(subcommand)]
    Token(TokenCommand),
    /// Print a shell's completions
    #[command(after_help = "Example:\n  cambist completions bash > /etc/bash_completion.d/cambist")]
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the manual page
    #[command(
        after_help = "Example:\n  cambist man > /usr/local/share/man/man1/cambist.1\n  cambist man issuer check | man -l -"
    )]
    Man {
        /// The subcommand whose page is printed, such as `issuer check`.
        path: Vec<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Show a token's header and claims, dates in words
    ///
    /// The signature is neither checked nor shown, and nothing is sent anywhere.
    #[command(after_help = "Examples:\n  \
        cambist token inspect /var/run/secrets/azure/tokens/azure-identity-token\n  \
        kubectl create token checkout | cambist token inspect -o json")]
    Inspect(Inspect),
}

#[derive(Args, Debug)]
pub(crate) struct Inspect {
    /// The token's file; standard input if it is `-` or left out.
    pub(crate) file: Option<PathBuf>,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Plain,
    /// The time to reckon with instead of the clock's.
    #[arg(long, value_name = "TIME", value_parser = crate::time::moment)]
    pub(crate) now: Option<cambist_core::clock::UnixTime>,
}

/// The two forms that every command has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Plain {
    /// For a reader.
    #[default]
    Table,
    /// For a program.
    Json,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_explains_itself_and_the_larger_ones_by_example() {
        fn walk(command: &clap::Command) {
            assert!(command.get_about().is_some(), "{} has no help", command.get_name());
            for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
                assert!(arg.get_help().is_some(), "{} {}", command.get_name(), arg.get_id());
            }
            command.get_subcommands().for_each(walk);
            if command.get_subcommands().next().is_none() {
                assert!(command.get_after_help().is_some(), "{}: no example", command.get_name());
            }
        }
        walk(&Cli::command());
    }
}
