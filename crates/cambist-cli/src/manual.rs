//! Manual pages and shells' completions, made of a program's command line.

use std::fs;
use std::io;
use std::path::Path;

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;

/// Writes a program's manual pages, one for each of its commands, and its completions for every shell below a
/// `share` directory, each where its reader looks for it: unpacked over `/usr/local/share`, they are found.
///
/// # Errors
/// If a file or a directory cannot be written.
pub fn write(program: &Command, share: &Path) -> io::Result<()> {
    let name = program.get_name();
    for (shell, file) in [
        (Shell::Bash, format!("bash-completion/completions/{name}")),
        (Shell::Zsh, format!("zsh/site-functions/_{name}")),
        (Shell::Fish, format!("fish/vendor_completions.d/{name}.fish")),
        (Shell::Elvish, format!("elvish/lib/{name}.elv")),
        // No place of everybody's is known for this one: a profile names it.
        (Shell::PowerShell, format!("powershell/{name}.ps1")),
    ] {
        put(&share.join(file), &completions(shell, program))?;
    }
    let mut program = program.clone().disable_help_subcommand(true);
    program.build();
    write_pages(&program, &program, &share.join("man/man1"))
}

fn write_pages(program: &Command, command: &Command, dir: &Path) -> io::Result<()> {
    let name = command.get_display_name().unwrap_or(command.get_name());
    put(&dir.join(format!("{name}.1")), &page(program, command)?)?;
    let subcommands = command.get_subcommands().filter(|command| !command.is_hide_set());
    subcommands.into_iter().try_for_each(|command| write_pages(program, command, dir))
}

fn put(path: &Path, content: &[u8]) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    fs::write(path, content)
}

/// The page of one command of a program, which was built.
pub(crate) fn page(program: &Command, command: &Command) -> io::Result<Vec<u8>> {
    let version = program.get_version().unwrap_or_default();
    let source = format!("{} {version}", program.get_name());
    let mut page = Vec::new();
    // No date, but its place is kept: without one, what follows would move up.
    let man = Man::new(command.clone()).date(" ").source(source).manual("cambist");
    man.render(&mut page)?;
    // What stands below the help is called after nothing; most of it is examples. The items of a list are kept apart.
    let page = String::from_utf8_lossy(&page)
        .replace("\n\\- ", "\n.br\n\\- ")
        .replace("\n.SH EXTRA\nExamples:\n", "\n.SH EXAMPLES\n")
        .replace("\n.SH EXTRA\nExample:\n", "\n.SH EXAMPLES\n")
        .replace("\n.SH EXTRA\n", "\n.SH NOTES\n");
    Ok(page.into_bytes())
}

/// What a shell reads to complete the command lines of a program.
pub(crate) fn completions(shell: Shell, program: &Command) -> Vec<u8> {
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut shown(program), program.get_name(), &mut out);
    out
}

/// The same without what is hidden, such as former names, which shells would offer.
fn shown(command: &Command) -> Command {
    let arguments = command.get_arguments().filter(|argument| !argument.is_hide_set()).cloned();
    let subcommands = command.get_subcommands().filter(|command| !command.is_hide_set());
    Command::new(command.get_name().to_owned())
        .about(command.get_about().cloned().unwrap_or_default())
        .version(command.get_version().unwrap_or_default().to_owned())
        .disable_version_flag(command.get_version().is_none())
        .args(arguments)
        .subcommands(subcommands.map(shown))
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    fn program() -> Command {
        let old = clap::Arg::new("old").long("former-name").hide(true);
        let new = clap::Arg::new("new").long("name").value_name("NAME").help("Its name");
        let sub = Command::new("sub").about("Does less").arg(new).arg(old);
        let notes = "Lists:\n- one\n- two";
        Command::new("program").version("1.2").about("Does it").subcommand(sub).after_help(notes)
    }

    #[test]
    fn every_reader_finds_its_file() {
        let dir = tempfile::tempdir().unwrap();
        write(&program(), dir.path()).unwrap();
        for (file, has) in [
            ("man/man1/program.1", ".SH NOTES\nLists:\n.br\n\\- one\n.br\n\\- two\n"),
            ("man/man1/program-sub.1", ".TH program-sub 1 \" \" \"program 1.2\" cambist"),
            ("bash-completion/completions/program", "complete -F _program"),
            ("zsh/site-functions/_program", "#compdef program"),
            ("fish/vendor_completions.d/program.fish", "complete -c program"),
            ("elvish/lib/program.elv", "arg-completer[program]"),
            ("powershell/program.ps1", "-CommandName 'program'"),
        ] {
            let text = fs::read_to_string(dir.path().join(file)).unwrap();
            assert!(text.contains(has), "{file}: {text}");
        }
        assert_eq!(fs::read_dir(dir.path().join("man/man1")).unwrap().count(), 2);
    }

    #[test]
    fn shells_offer_what_is_there_and_nothing_hidden() {
        for shell in Shell::value_variants() {
            for (program, has, lacks) in [
                (program(), "name", "former-name"),
                (crate::command(), "history-trust", "ledger-trust"),
            ] {
                let text = String::from_utf8(completions(*shell, &program)).unwrap();
                assert!(text.contains(has) && !text.contains(lacks), "{shell}: {text}");
            }
        }
    }
}
