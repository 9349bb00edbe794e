//! The command line: names, help texts and what they parse into.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub(crate) mod deploy;
pub(crate) mod doctor;
mod examples;
mod explain;
pub(crate) mod history;
pub(crate) mod issuer;
pub(crate) mod rotation;
mod value;

pub(crate) use deploy::DeployCommand;
pub(crate) use explain::Explain;
pub(crate) use issuer::IssuerCommand;

/// Why does a pod get no Azure token, and how old is the key that signs its cluster's tokens?
///
/// `cambist doctor` looks at everything between a pod and its Azure token and says what is wrong, in the pod, on a
/// laptop, or against a running sidecar.
///
/// `cambist issuer check` judges the keys of a cluster's token issuer with evidence: OK, DUE, OVERDUE, SUSPECT, or
/// UNKNOWN together with the date on which that will be decided. It needs no Kubernetes permission for a public
/// issuer.
#[derive(Debug, Parser)]
#[command(name = "cambist", version, propagate_version = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one, and it does not move")]
pub(crate) enum Command {
    /// Find out why there are no tokens, and how to mend it
    ///
    /// In a pod, on a laptop, or against a running sidecar: it finds out where it is, looks at everything on
    /// the way to a token, and says of each fault what was compared with what and what to do. What follows
    /// from a fault is not told as another one. One real exchange is made, which the tenant's sign-in log has,
    /// unless --no-exchange is given; no token is ever shown.
    ///
    /// Exit codes: 0 nothing is wrong (there may be warnings), 1 something is, 3 it could not run, 64 usage.
    #[command(after_help = examples::DOCTOR)]
    Doctor(doctor::Doctor),
    /// Ask a running sidecar why it answers a request as it does
    ///
    /// Tells each decision in turn. Once for each identity: what is held, which projected token was sent, which key
    /// vouched for it, and what Entra said. For each caller: who asks, what the policy says, and what was answered
    /// last. Nothing is asked of Entra for it, and no token is shown.
    ///
    /// Exit codes: 0 nothing has failed; 1 a step or the last answer to one of these callers has, or nobody may have
    /// such a token; 3 no sidecar answers; 64 usage, or the policy knows no such caller or identity.
    #[command(after_help = examples::EXPLAIN_ANSWER)]
    Explain(Explain),
    /// Tokens: show what one claims, or ask for one as an app does
    #[command(subcommand)]
    Token(TokenCommand),
    /// The age of an issuer's signing keys: judge it, watch it, rotate them
    #[command(subcommand, after_long_help = include_str!("model.txt"))]
    Issuer(IssuerCommand),
    /// Print what a cluster needs so that its pods have the sidecar
    #[command(subcommand)]
    Deploy(DeployCommand),
    /// Print the JSON Schema of what is printed as JSON, or of the sidecar's file of identities
    ///
    /// Without a name it lists those there are.
    #[command(after_help = examples::SCHEMA)]
    Schema {
        /// Which.
        name: Option<Schema>,
    },
    /// Print a shell's completions
    #[command(after_help = examples::COMPLETIONS)]
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the manual page
    #[command(after_help = examples::MAN)]
    Man {
        /// The subcommand whose page is printed, such as `issuer check`.
        path: Vec<String>,
    },
}

/// What there is a schema of, in the version that this program prints or the sidecar reads.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Schema {
    /// The file of identities that the sidecar's CAMBIST_CONFIG names.
    Identities,
    /// What `cambist doctor -o json` prints.
    Doctor,
    /// What `cambist issuer check -o json` prints.
    IssuerCheck,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Show a token's header and claims, dates in words
    ///
    /// The signature is neither checked nor shown, and nothing is sent anywhere.
    #[command(after_help = examples::INSPECT)]
    Inspect(Inspect),
    /// Ask the endpoint beside this app for a token, as an SDK would
    ///
    /// Reads the variables that SDKs read (IDENTITY_ENDPOINT and IDENTITY_HEADER, else MSI_ENDPOINT and
    /// MSI_SECRET), says which rule refused the request, or shows the token's claims, and warns of what would
    /// lead an SDK elsewhere. The token itself is shown with --print alone.
    ///
    /// Exit codes: 0 there is a token; 1 it was refused; 3 no answer, or not one of the endpoint's; 64 usage,
    /// a missing variable among it.
    #[command(after_help = examples::GET)]
    Get(Get),
}

#[derive(Args, Debug)]
pub(crate) struct Get {
    /// What the token is for, such as https://vault.azure.net.
    #[arg(long, value_name = "RESOURCE")]
    pub(crate) resource: String,
    /// The identity that is asked for [default: AZURE_CLIENT_ID, if it is set].
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: Option<String>,
    /// Print the token and nothing else: it is a secret.
    #[arg(long, conflicts_with = "output")]
    pub(crate) print: bool,
    /// How to print its claims.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Plain,
    /// The time to reckon with instead of the clock's.
    #[arg(long, value_name = "TIME", value_parser = crate::time::moment)]
    pub(crate) now: Option<cambist_core::clock::UnixTime>,
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
    use std::collections::BTreeMap;

    use clap::CommandFactory as _;

    use super::*;

    /// Every command, with what it prints for `--help` on a terminal of this width.
    fn helps(width: usize) -> Vec<(String, String)> {
        fn walk(
            command: &clap::Command,
            path: &str,
            width: usize,
            out: &mut Vec<(String, String)>,
        ) {
            let path = format!("{path} {}", command.get_name());
            let help = command.clone().term_width(width).render_long_help().to_string();
            out.push((path.clone(), help));
            command.get_subcommands().for_each(|command| walk(command, &path, width, out));
        }
        let (mut command, mut out) = (Cli::command(), Vec::new());
        command.build();
        walk(&command, "", width, &mut out);
        out
    }

    #[test]
    fn help_fits_the_terminal_and_is_wrapped_once() {
        for width in [60, 80, 100, 200] {
            for (command, help) in helps(width) {
                let lines: Vec<_> = help.lines().collect();
                for line in &lines {
                    assert!(line.chars().count() <= width, "{command} at {width}: {line}");
                }
                for pair in lines.windows(2) {
                    let (line, next) = (pair[0], pair[1].trim_start());
                    let indent = |line: &str| line.len() - line.trim_start().len();
                    // A line of its own: a flag, an item, an example, a heading.
                    let own = next.is_empty()
                        || line.trim().is_empty()
                        || line.ends_with([':', '\\'])
                        // The list of commands, and of what a flag may be.
                        || next.contains("  ")
                        || indent(line) != indent(pair[1])
                        || ["-", "#", "cambist", "kubectl", "<", "["]
                            .iter()
                            .any(|it| next.starts_with(it))
                        || ["-", "#", "cambist", "kubectl", "<"]
                            .iter()
                            .any(|it| line.trim_start().starts_with(it));
                    let word = next.split(' ').next().unwrap_or_default();
                    let fits = line.chars().count() + 1 + word.chars().count() <= width;
                    assert!(own || !fits, "{command} at {width} wraps early:\n{line}\n{}", pair[1]);
                }
            }
        }
    }

    #[test]
    fn examples_are_commands_that_exist() {
        let mut tried = 0;
        for (command, help) in helps(200) {
            let examples = help.split("Example").nth(1).unwrap_or_default();
            for line in examples.replace(" \\\n", " ").lines() {
                let inside = line.find("-- cambist ").map(|at| at + "-- ".len());
                let at = inside.or_else(|| line.find("cambist "));
                let Some(at) = at.filter(|_| !line.trim().starts_with('#')) else {
                    continue;
                };
                let end =
                    line.find([';', '|', '>', '&']).filter(|end| *end > at).unwrap_or(line.len());
                let parsed = Cli::try_parse_from(line[at..end].split_whitespace());
                assert!(parsed.is_ok(), "{command}: {line}: {parsed:?}");
                tried += 1;
            }
        }
        assert!(tried > 20, "{tried}");
    }

    #[test]
    fn flags_of_one_name_are_of_one_kind() {
        fn walk(command: &clap::Command, seen: &mut BTreeMap<String, (String, String)>) {
            for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
                let Some(long) = arg.get_long() else { continue };
                let values = arg.get_possible_values();
                if long == "output" {
                    // Each has forms of its own, and these two. (`merge` writes to a place.)
                    for form in ["table", "json"].iter().filter(|_| !values.is_empty()) {
                        let has = values.iter().any(|value| value.matches(form, false));
                        assert!(has, "{}: -o {form}", command.get_name());
                    }
                    continue;
                }
                let kind =
                    format!("{:?} {:?}", arg.get_value_names(), arg.get_value_parser().type_id());
                let who = command.get_name().to_owned();
                let (first, known) = seen.entry(long.to_owned()).or_insert((who, kind.clone()));
                assert_eq!(*known, kind, "--{long} of {} and of {first}", command.get_name());
            }
            command.get_subcommands().for_each(|command| walk(command, seen));
        }
        walk(&Cli::command(), &mut BTreeMap::new());
    }

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
