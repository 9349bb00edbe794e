//! Somebody who reads a page and types what it says, in a folder of their own.
//!
//! A line of a `sh` block is a program that goes on until the page is read. In a `console` block what stands behind `$`
//! is a command, and below it is what it printed. A block that begins with variables (`. ./sim/env`) is a new terminal's.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use kit::program::{Program, Running};
use rustix::process::{Pid, Signal};
use serde_json::Value;
use tempfile::TempDir;

use super::{Block, HERE, Mark, Page, pages, root, write, written};

/// The programs by the names that pages have for them.
const PROGRAMS: [(&str, &str); 3] = [
    ("cambist", env!("CARGO_BIN_EXE_shim-cambist")),
    ("cambist-sim", env!("CARGO_BIN_EXE_shim-sim")),
    ("cambist-sidecar", env!("CARGO_BIN_EXE_shim-sidecar")),
];

/// The examples that pages have run, by what cargo is asked; whoever reads them has it build them.
const EXAMPLES: [(&str, &str); 2] = [
    ("run -q --example quickstart", env!("CARGO_BIN_EXE_shim-quickstart")),
    ("run -q --example without_azure", env!("CARGO_BIN_EXE_shim-without-azure")),
];

struct Reader {
    dir: TempDir,
    /// What pages write, and what stands in its place here.
    instead: Vec<(&'static str, String)>,
    running: Vec<Running>,
}

impl Reader {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let bin = dir.path().join("bin");
        fs::create_dir(&bin).unwrap();
        // Where `examples/try`, the one of the repository, looks for what it has cargo build.
        let built = dir.path().join("target/debug");
        fs::create_dir_all(&built).unwrap();
        fs::create_dir(dir.path().join("examples")).unwrap();
        symlink(root().join("examples/try"), dir.path().join("examples/try")).unwrap();
        for (name, exe) in PROGRAMS {
            symlink(bin.join(name), built.join(name)).unwrap();
            // Whoever started it knows its number.
            script(
                &bin.join(name),
                &format!("echo $$ >>'{}/started'\nexec '{exe}' \"$@\"", dir.path().display()),
            );
        }
        let mut cargo = String::new();
        for (asked, exe) in EXAMPLES {
            cargo += &format!("[ \"$*\" = '{asked}' ] && exec '{exe}'\n");
        }
        cargo += "case \"$*\" in 'build -q -p cambist'*) exit 0 ;; esac\necho \"not here: cargo $*\"; exit 1";
        script(&bin.join("cargo"), &cargo);
        Self { dir, instead: Vec::new(), running: Vec::new() }
    }

    fn shell(&self, script: &str) -> Program {
        let dir = self.dir.path().display();
        let path = format!("{dir}/bin:/usr/bin:/bin");
        let shell = Program::new("/bin/sh").args(&["-c", &format!("cd '{dir}'\n{script}")]);
        // Free ports, whatever the page says.
        let shell = shell.set("PATH", path).set("HOME", dir.to_string());
        shell.set("CAMBIST_LISTEN", "0").set("CAMBIST_ADMIN_LISTEN", "127.0.0.1:0")
    }

    fn typed(&self, text: &str) -> String {
        self.instead.iter().fold(text.to_owned(), |text, (page, here)| text.replace(page, here))
    }

    fn printed(&self, text: &str) -> String {
        let text = text.lines().map(|line| format!("{}\n", line.trim_end())).collect::<String>();
        self.instead.iter().fold(text, |text, (page, here)| text.replace(here, page))
    }

    /// Starts a program, and waits until it says that it is ready.
    async fn start(&mut self, line: &str) {
        let running = self.shell(&self.typed(line)).spawn();
        if line.contains("cambist-sim up") {
            running.line("that it is up", |line| line.starts_with("Stop with").then_some(())).await;
        } else {
            let serving = |line: &str| {
                let line: Value = serde_json::from_str(line).ok()?;
                let first = line["tokens"].as_str()?.split(',').next()?.to_owned();
                Some((first, line["admin"].as_str()?.to_owned()))
            };
            let (tokens, admin) = running.line("where it serves", serving).await;
            let app = self.dir.path().join("sim/app.env");
            let variables = fs::read_to_string(&app).unwrap();
            fs::write(app, variables.replace("127.0.0.1:8421", &tokens)).unwrap();
            self.instead.extend([("127.0.0.1:8421", tokens), ("127.0.0.1:8422", admin)]);
        }
        self.running.push(running);
    }

    /// What a command prints, to either output. What it sets is set for those after it.
    async fn run(&self, command: &str) -> String {
        let typed = self.typed(command);
        let script = format!(
            "[ -e state ] && . ./state\n{{ {typed}\n}} 2>&1\ncode=$?\nexport -p >state\nexit $code"
        );
        let ended = self.shell(&script).run().await;
        assert!(ended.code().is_some_and(|code| code < 126), "{command}: {ended:?}");
        self.printed(&ended.output())
    }

    /// A block as it ought to be.
    async fn block(&mut self, page: &Page, block: &Block) -> String {
        let text = page.text(block);
        if text.contains("curl ") && !Path::new("/usr/bin/curl").exists() {
            println!("SKIPPED: {}:{}: there is no curl", page.path, block.at + 1);
            return text;
        }
        if block.language == "sh" {
            for line in text.lines() {
                self.start(line).await;
            }
            return text;
        }
        assert_eq!(
            block.language,
            "console",
            "{}:{}: neither sh nor console",
            page.path,
            block.at + 1
        );
        if text.starts_with("$ . ./sim/") {
            let _ = fs::remove_file(self.dir.path().join("state"));
        }
        let (mut made, mut silent) = (String::new(), true);
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            // What was printed before.
            let Some(command) = line.strip_prefix("$ ") else { continue };
            let mut command = command.to_owned();
            made += &format!("{line}\n");
            while command.ends_with('\\') {
                let more = lines.next().expect("a command goes on");
                command += &format!("\n{more}");
                made += &format!("{more}\n");
            }
            let printed = self.run(&command).await;
            silent &= printed.is_empty();
            made += &printed;
        }
        assert!(!silent, "{}:{}: nothing was printed", page.path, block.at + 1);
        format!("{}\n", made.trim_end())
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // The shells end by themselves, and what they started does not.
        for number in
            fs::read_to_string(self.dir.path().join("started")).unwrap_or_default().lines()
        {
            if let Some(id) = number.parse().ok().and_then(Pid::from_raw) {
                let _ = rustix::process::kill_process(id, Signal::KILL);
            }
        }
    }
}

fn script(path: &Path, text: &str) {
    fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A text without what differs from run to run: numbers, dates, ids, and where lines break for them.
fn lasting(text: &str) -> String {
    let word = |c: char| c.is_ascii_alphanumeric() || "-_.µ".contains(c);
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| word(c) != word(first)).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        rest = after;
        let has = |which: fn(&char) -> bool| run.chars().any(|c| which(&c));
        let id = run.len() >= 12 && has(char::is_ascii_uppercase) && has(char::is_ascii_lowercase);
        if word(first) && (has(char::is_ascii_digit) || id) {
            out.push('#');
        } else if run.chars().all(char::is_whitespace) {
            out.push(' ');
        } else {
            out.push_str(run);
        }
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn the_pages_show_what_their_commands_print() {
    let here = |block: &Block| matches!(&block.mark, Some(Mark::Tried(by)) if by.iter().any(|it| it == HERE));
    let (mut run, mut faults) = (0, Vec::new());
    for mut page in pages() {
        let mut reader = Reader::new();
        let mut changes = Vec::new();
        for block in page.blocks().into_iter().filter(here) {
            run += 1;
            let (shown, made) = (page.text(&block), reader.block(&page, &block).await);
            if lasting(&shown) != lasting(&made) {
                let at = block.at + 1;
                faults.push(format!("{}:{at} is out of date; it would be\n{made}", page.path));
                changes.push((block, made));
            }
        }
        for (block, made) in changes.iter().rev().filter(|_| written()) {
            page.lines.splice(block.at + 1..block.end, made.lines().map(str::to_owned));
        }
        if written() && !changes.is_empty() {
            write(&page);
        }
    }
    assert!(run >= 4, "{run} blocks");
    assert!(
        faults.is_empty() || written(),
        "CAMBIST_WRITE=1 writes it anew:\n{}",
        faults.join("\n")
    );
}

#[test]
fn what_lasts_is_compared() {
    let shown = "verdict   UNKNOWN  too early: 0ed4Eb-V7Ju0… until 2027-01-13 (in 48d)\nhttps://127.0.0.1:39891/";
    let again = "verdict  UNKNOWN too early:\n h4LAF13svKXk… until 2028-02-01 (in 49d)\nhttps://127.0.0.1:1/";
    assert_eq!(lasting(shown), lasting(again));
    for other in [
        shown.replace("UNKNOWN", "OK"),
        shown.replace(" early", ""),
        shown.replace("https", "http"),
    ] {
        assert_ne!(lasting(shown), lasting(&other), "{other}");
    }
}
