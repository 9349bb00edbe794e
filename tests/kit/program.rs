//! A program as a child process: its environment, its output, its end.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Resource, Signal};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::in_time;

/// What is to be run: nothing of the tests' own environment gets into it.
#[derive(Clone, Debug)]
pub struct Program {
    exe: PathBuf,
    args: Vec<String>,
    env: BTreeMap<String, String>,
}

impl Program {
    /// A program without arguments, in an empty environment.
    pub fn new(exe: impl AsRef<Path>) -> Self {
        Self { exe: exe.as_ref().to_owned(), args: Vec::new(), env: BTreeMap::new() }
    }

    /// One more argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// More arguments.
    #[must_use]
    pub fn args(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(|arg| (*arg).to_owned()));
        self
    }

    /// A variable.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.insert(name.to_owned(), value.into());
        self
    }

    /// Not this variable.
    #[must_use]
    pub fn unset(mut self, name: &str) -> Self {
        self.env.remove(name);
        self
    }

    /// Runs it until it ends by itself.
    pub async fn run(self) -> Ended {
        self.spawn().ended().await
    }

    /// Starts it.
    pub fn spawn(self) -> Running {
        let mut child = Command::new(&self.exe)
            .args(&self.args)
            .env_clear()
            .envs(&self.env)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", self.exe.display()));
        let stdout = Output::of(child.stdout.take().expect("it is piped"));
        let stderr = Output::of(child.stderr.take().expect("it is piped"));
        Running { child, stdout, stderr }
    }
}

/// A program that runs, and dies with this.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: Output,
    stderr: Output,
}

/// A program that has ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// How.
    pub status: ExitStatus,
    /// All of its standard output.
    pub stdout: String,
    /// All of its standard error.
    pub stderr: String,
}

impl Ended {
    /// The exit code; `None` if a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Both outputs.
    pub fn output(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

impl Running {
    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let id = id.expect("it has not ended, or nobody has noticed yet");
        rustix::process::kill_process(id, signal).expect("a child can be sent signals");
    }

    /// Waits for its end.
    pub async fn ended(mut self) -> Ended {
        let status = in_time("the program's end", self.child.wait()).await;
        Ended {
            status: status.expect("a child can be waited for"),
            stdout: self.stdout.whole().await,
            stderr: self.stderr.whole().await,
        }
    }

    /// The first line of standard output or error, so far or to come, of which `look` makes
    /// something.
    ///
    /// # Panics
    /// If the program ends without such a line.
    pub async fn line<T>(&self, what: &str, look: impl Fn(&str) -> Option<T>) -> T {
        let found = tokio::select! {
            Some(found) = self.stderr.find(&look) => Some(found),
            Some(found) = self.stdout.find(&look) => Some(found),
            else => None,
        };
        found.unwrap_or_else(|| panic!("{what} is not in the output:\n{}", self.so_far()))
    }

    /// What it has written so far.
    pub fn so_far(&self) -> String {
        self.stdout.so_far() + &self.stderr.so_far()
    }
}

/// One of a program's outputs, read as it comes.
#[derive(Debug)]
struct Output {
    lines: watch::Receiver<Vec<String>>,
    reading: JoinHandle<()>,
}

impl Output {
    fn of(pipe: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let (sender, lines) = watch::channel(Vec::new());
        let reading = tokio::spawn(async move {
            let mut pipe = BufReader::new(pipe);
            loop {
                let mut line = Vec::new();
                match pipe.read_until(b'\n', &mut line).await {
                    Ok(0) | Err(_) => return,
                    Ok(_) => {
                        let line = String::from_utf8_lossy(&line).into_owned();
                        sender.send_modify(|lines| lines.push(line));
                    }
                }
            }
        });
        Self { lines, reading }
    }

    async fn find<T>(&self, look: impl Fn(&str) -> Option<T>) -> Option<T> {
        let mut lines = self.lines.clone();
        let first = |lines: &Vec<String>| lines.iter().find_map(|line| look(line.trim_end()));
        let found = in_time("a line of output", lines.wait_for(|lines| first(lines).is_some()));
        found.await.ok().and_then(|lines| first(&lines))
    }

    fn so_far(&self) -> String {
        self.lines.borrow().concat()
    }

    async fn whole(&mut self) -> String {
        in_time("the end of the output", &mut self.reading).await.expect("reading cannot fail");
        self.so_far()
    }
}

/// Lets this process, and what it starts, have as many files open as it may: a thousand callers
/// are two thousand sockets.
pub fn raise_open_files() {
    let mut limit = rustix::process::getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    rustix::process::setrlimit(Resource::Nofile, limit).expect("a soft limit can be raised");
}
