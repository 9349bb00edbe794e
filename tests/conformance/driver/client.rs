//! One SDK as a child process: asked for tokens in lines of JSON, in an environment like an app's.
//!
//! A client answers each line with one line, keeps its credentials between requests, and first says
//! which SDK it is. What it may be asked is all in [`Ask`].

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::services::Shown;

/// The longest that an SDK may take over an answer. Two of them retry for more than a minute.
const PATIENCE: Duration = Duration::from_secs(240);

/// The longest that a client may take to start.
const BANNER: Duration = Duration::from_secs(60);

/// A program that takes tokens, and how it is called.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) name: String,
    pub(crate) command: Vec<String>,
}

impl Program {
    /// The program as it is to be started, with nothing of our own environment.
    pub(crate) fn command(&self, env: &BTreeMap<String, String>) -> Command {
        let (exe, args) = self.command.split_first().expect("a command is never empty");
        let mut command = Command::new(exe);
        command.args(args).env_clear().envs(env).kill_on_drop(true);
        // Some leave files wherever they are.
        if let Some(home) = env.get("HOME") {
            command.current_dir(home);
        }
        command
    }

    /// The same in a network of its own, where nobody is: neither a metadata service nor anybody else.
    pub(crate) fn apart(&self) -> Self {
        let mut command: Vec<_> = APART.iter().map(ToString::to_string).collect();
        command.extend(self.command.iter().cloned());
        Self { name: self.name.clone(), command }
    }
}

/// What starts a program in a network of its own.
const APART: [&str; 4] = ["unshare", "--map-root-user", "--net", "--"];

/// Whether that can be done here.
pub(crate) fn can_be_apart() -> bool {
    let (exe, args) = APART.split_first().expect("there is a program");
    std::process::Command::new(exe)
        .args(args)
        .arg("true")
        .output()
        .is_ok_and(|done| done.status.success())
}

/// What a client is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask<'a> {
    /// `managed-identity`, or `default` for the SDK's `DefaultAzureCredential`.
    pub(crate) credential: &'a str,
    /// The identity that the app selects, such as `("client_id", "...")`.
    pub(crate) identity: Option<(&'a str, &'a str)>,
    /// What the token is for. Its scope is the same with `/.default`.
    pub(crate) resource: &'a str,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// A token, and until when the SDK takes it to be valid, if it says so.
    Token { token: String, expires_on: Option<i64> },
    /// What a developer reads who prints the error.
    Error(String),
    /// The SDK has no such thing.
    Unsupported(String),
}

impl Answer {
    /// The token.
    ///
    /// # Panics
    /// If there is none.
    pub(crate) fn token(&self) -> &str {
        match self {
            Self::Token { token, .. } => token,
            other => panic!("no token: {other:?}"),
        }
    }

    /// Until when the SDK takes its token to be valid, if it says so.
    ///
    /// # Panics
    /// If there is no token.
    pub(crate) fn expires_on(&self) -> Option<i64> {
        match self {
            Self::Token { expires_on, .. } => *expires_on,
            other => panic!("no token: {other:?}"),
        }
    }

    /// What a developer reads.
    ///
    /// # Panics
    /// If it went well.
    pub(crate) fn error(&self) -> &str {
        match self {
            Self::Error(error) => error,
            other => panic!("no error: {other:?}"),
        }
    }

    /// What a line says. Where the SDK shows its token to a service alone, `used` is true, or the name under which
    /// it did, and `shown` is what that saw.
    fn of(line: &Value, shown: Option<&String>) -> Self {
        let text = |name: &str| line[name].as_str().map(str::to_owned);
        let used = || shown.filter(|_| line.get("used").is_some()).cloned();
        if let Some(token) = text("token").or_else(used) {
            return Self::Token { token, expires_on: line["expires_on"].as_i64() };
        }
        if let Some(why) = text("unsupported") {
            return Self::Unsupported(why);
        }
        Self::Error(text("error").unwrap_or_else(|| panic!("no answer that is understood: {line}")))
    }
}

/// A client that runs, and dies with this.
#[derive(Debug)]
pub(crate) struct Client {
    _child: Child,
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
    sdk: String,
    services: Option<Shown>,
}

impl Client {
    /// Starts it and hears which SDK it is; what it writes to standard error goes into `log`.
    ///
    /// # Panics
    /// If it does not start, or does not say who it is.
    pub(crate) async fn start(
        program: &Program,
        env: &BTreeMap<String, String>,
        log: &Path,
    ) -> Self {
        let stderr = File::create(log).expect("a log can be written");
        let mut child = program
            .command(env)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap_or_else(|error| panic!("{program:?} does not start: {error}"));
        let stdin = child.stdin.take().expect("it is piped");
        let stdout = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let mut client = Self { _child: child, stdin, stdout, sdk: String::new(), services: None };
        let banner = client.line(BANNER).await;
        let sdk = banner["sdk"].as_str();
        client.sdk =
            sdk.unwrap_or_else(|| panic!("it does not say who it is: {banner}")).to_owned();
        client
    }

    /// The same, and these services are those that it shows its tokens to.
    pub(crate) fn at(self, services: Shown) -> Self {
        Self { services: Some(services), ..self }
    }

    /// The SDK's name and version.
    pub(crate) fn sdk(&self) -> &str {
        &self.sdk
    }

    /// Asks for one token, and how long that took.
    pub(crate) async fn token(&mut self, ask: Ask<'_>) -> (Answer, Duration) {
        let (answer, took) = self.send("token", 1, ask).await;
        (Answer::of(&answer, self.shown(&answer, 1).last()), took)
    }

    /// Asks for `count` tokens at the same moment.
    pub(crate) async fn crowd(&mut self, count: usize, ask: Ask<'_>) -> (Vec<Answer>, Duration) {
        let (answer, took) = self.send("crowd", count, ask).await;
        let results = answer["results"].as_array().unwrap_or_else(|| panic!("no crowd: {answer}"));
        assert_eq!(results.len(), count, "answers");
        let shown = self.shown(&results[0], count);
        let answers = results.iter().enumerate().map(|(i, line)| Answer::of(line, shown.get(i)));
        (answers.collect(), took)
    }

    /// The last `count` tokens that the services were shown under the name that the answer says; the last of all as
    /// often as some are missing, since a connection on which one was shown is used again. Without a name, another
    /// client of the same process could be taken for this one: librdkafka's connect again by themselves.
    fn shown(&self, answer: &Value, count: usize) -> Vec<String> {
        let Some(services) = &self.services else { return Vec::new() };
        let shown = services.tokens(answer["used"].as_str().unwrap_or_default());
        let mut last = shown[shown.len().saturating_sub(count)..].to_vec();
        if let Some(token) = last.last().cloned() {
            last.resize(count, token);
        }
        last
    }

    async fn send(&mut self, op: &str, count: usize, ask: Ask<'_>) -> (Value, Duration) {
        let identity = ask.identity.map(|(kind, id)| json!({ kind: id }));
        let request = json!({
            "op": op, "count": count, "credential": ask.credential,
            "identity": identity, "resource": ask.resource, "scope": format!("{}/.default", ask.resource),
        });
        let started = now();
        self.stdin.write_all(format!("{request}\n").as_bytes()).await.expect("it reads");
        let answer = self.line(PATIENCE).await;
        (answer, started.elapsed())
    }

    async fn line(&mut self, patience: Duration) -> Value {
        let line = tokio::time::timeout(patience, self.stdout.next_line()).await;
        let line = line.unwrap_or_else(|_| panic!("no answer within {patience:?}"));
        let line = line.expect("its output is text").expect("it ended without an answer");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("no JSON ({error}): {line}"))
    }
}

/// The real time, which is what is measured here.
#[expect(clippy::disallowed_methods, reason = "a stopwatch for other people's programs")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
