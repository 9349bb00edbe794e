//! A program as a child process: its environment, its output, its end.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
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
    /// What a shell does first.
    before: Vec<String>,
    user: Option<u32>,
    own_mounts: bool,
}

impl Program {
    /// A program without arguments, in an empty environment.
    pub fn new(exe: impl AsRef<Path>) -> Self {
        let exe = exe.as_ref().to_owned();
        let (args, before) = (Vec::new(), Vec::new());
        Self { exe, args, env: BTreeMap::new(), before, user: None, own_mounts: false }
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

    /// Another copy of the program.
    #[must_use]
    pub fn exe(mut self, exe: impl AsRef<Path>) -> Self {
        exe.as_ref().clone_into(&mut self.exe);
        self
    }

    /// Under a limit, soft and hard, as the shell's `ulimit` takes it: `-n 128`.
    #[must_use]
    pub fn limit(mut self, limit: &str) -> Self {
        self.before.push(format!("ulimit {limit}"));
        self
    }

    /// With so many tasks (threads) for all processes of its user, who must not be root.
    #[must_use]
    pub fn tasks(mut self, most: usize) -> Self {
        // Shells do not agree on the letter.
        let of = |letter| format!("ulimit -{letter} {most}");
        self.before.push(format!("if ({}) 2>&-; then {0}; else {}; fi", of('u'), of('p')));
        self
    }

    /// With all that it writes added to a file.
    #[must_use]
    pub fn log(mut self, file: &Path) -> Self {
        self.before.push(format!("exec >>'{}' 2>&1", file.display()));
        self
    }

    /// With what it reads from its descriptor 3, and what it writes to 4.
    #[must_use]
    pub fn pipes(mut self, reads: &Path, writes: &Path) -> Self {
        self.before.push(format!("exec 3<'{}' 4>'{}'", reads.display(), writes.display()));
        self
    }

    /// As another user of the machine, which only root may ask for.
    #[must_use]
    pub fn user(mut self, id: u32) -> Self {
        self.user = Some(id);
        self
    }

    /// With one file in another's place, for this program alone; only root may ask for that.
    #[must_use]
    pub fn mount(mut self, file: &Path, place: &str) -> Self {
        self.before.insert(0, format!("mount --bind '{}' '{place}'", file.display()));
        self.own_mounts = true;
        self
    }

    /// Runs it until it ends by itself.
    pub async fn run(self) -> Ended {
        self.spawn().ended().await
    }

    /// Starts it.
    pub fn spawn(self) -> Running {
        let mut child = self
            .command()
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

    /// The program itself, or a shell that prepares its own process and then becomes the program.
    fn command(&self) -> Command {
        let mut command = match (self.own_mounts, self.before.is_empty()) {
            (true, _) => Command::new("unshare"),
            (false, false) => Command::new("/bin/sh"),
            (false, true) => Command::new(&self.exe),
        };
        let mut become_it = "exec ".to_owned();
        match self.user {
            Some(id) if self.own_mounts => {
                become_it += &format!("setpriv --reuid {id} --regid {id} --clear-groups ");
            }
            Some(id) => drop(command.uid(id)),
            None => {}
        }
        if self.own_mounts {
            command.args(["--mount", "/bin/sh"]);
        }
        if !self.before.is_empty() {
            let before = self.before.join(" && ");
            command.arg("-c").arg(format!("{before} && {become_it}\"$0\" \"$@\"")).arg(&self.exe);
        }
        command
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
    /// Its process id.
    pub fn id(&self) -> Pid {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        id.expect("it has not ended, or nobody has noticed yet")
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        rustix::process::kill_process(self.id(), signal).expect("a child can be sent signals");
    }

    /// From now on, or not any more, nobody reads what it writes to standard error.
    pub fn ignore_stderr(&self, ignore: bool) {
        self.stderr.ignored.send_replace(ignore);
    }

    /// The pipe behind its standard error.
    pub fn stderr_pipe(&self) -> impl AsFd {
        self.stderr.pipe.try_clone().expect("there are file descriptors left")
    }

    /// Waits for its end.
    pub async fn ended(mut self) -> Ended {
        let status = in_time("the program's end", self.child.wait()).await;
        self.ignore_stderr(false);
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
    ignored: watch::Sender<bool>,
    pipe: OwnedFd,
}

impl Output {
    fn of(pipe: impl AsyncRead + AsFd + Unpin + Send + 'static) -> Self {
        let (sender, lines) = watch::channel(Vec::new());
        let (ignored, mut ignore) = watch::channel(false);
        let own = pipe.as_fd().try_clone_to_owned().expect("there are file descriptors left");
        let reading = tokio::spawn(async move {
            let mut pipe = BufReader::new(pipe);
            // Kept over a pause in the middle of a line.
            let mut line = Vec::new();
            loop {
                // Whoever would end the pause is gone only with the program.
                let _ = ignore.wait_for(|ignored| !ignored).await;
                tokio::select! {
                    biased;
                    Ok(_) = ignore.wait_for(|ignored| *ignored) => {}
                    read = pipe.read_until(b'\n', &mut line) => match read {
                        Ok(0) | Err(_) => return,
                        Ok(_) => {
                            let text = String::from_utf8_lossy(&std::mem::take(&mut line)).into_owned();
                            sender.send_modify(|lines| lines.push(text));
                        }
                    }
                }
            }
        });
        Self { lines, reading, ignored, pipe: own }
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
