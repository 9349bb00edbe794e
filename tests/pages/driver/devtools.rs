//! The browser's own protocol for tools, over two pipes: commands to it, answers and events from it.

use std::path::Path;
use std::time::Duration;

use kit::program::Running;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::pipe::{OpenOptions, Receiver, Sender};

use crate::browser::Setup;

/// How long one answer is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// A browser that does as it is told.
#[derive(Debug)]
pub(crate) struct DevTools {
    browser: Running,
    commands: Sender,
    answers: BufReader<Receiver>,
    session: Option<String>,
    last: u64,
    events: Vec<Value>,
}

impl DevTools {
    /// Starts a browser with one empty page, in which all that follows is done.
    pub(crate) async fn start(setup: &Setup) -> Self {
        let [to, from] = ["devtools-to", "devtools-from"].map(|name| fifo(&setup.home, name));
        // Both ends, so that neither side waits for the other to open its own.
        let mut both = OpenOptions::new();
        let both = both.read_write(true);
        let commands = both.open_sender(&to).expect("a pipe can be opened");
        let answers = both.open_receiver(&from).expect("a pipe can be opened");
        let program = setup.program().arg("--remote-debugging-pipe").arg("about:blank");
        let browser = program.pipes(&to, &from).spawn();
        let (answers, events) = (BufReader::new(answers), Vec::new());
        let mut tools = Self { browser, commands, answers, session: None, last: 0, events };
        let page = tools.ask("Target.createTarget", json!({ "url": "about:blank" })).await;
        let attach = json!({ "targetId": page["targetId"], "flatten": true });
        let session = tools.ask("Target.attachToTarget", attach).await;
        tools.session = session["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log"] {
            tools.ask(&format!("{domain}.enable"), json!({})).await;
        }
        tools
    }

    /// What a command gives.
    ///
    /// # Panics
    /// If it fails, or nothing comes in time.
    pub(crate) async fn ask(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let mut command = json!({ "id": self.last, "method": method, "params": params });
        if let Some(session) = &self.session {
            command["sessionId"] = json!(session);
        }
        let text = format!("{command}\0");
        self.commands.write_all(text.as_bytes()).await.expect("the browser reads");
        loop {
            let answer = self.next(method).await;
            if answer["id"] == json!(self.last) {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].clone();
            }
            self.events.push(answer);
        }
    }

    /// Waits for an event, which may have come already.
    pub(crate) async fn event(&mut self, method: &str) {
        while !self.events.iter().any(|event| event["method"] == method) {
            let event = self.next(method).await;
            self.events.push(event);
        }
    }

    /// All events so far, which are then forgotten.
    pub(crate) fn take_events(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.events)
    }

    /// What an expression comes to in the page.
    pub(crate) async fn evaluate(&mut self, expression: &str) -> Value {
        let params =
            json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let result = self.ask("Runtime.evaluate", params).await;
        assert!(result["exceptionDetails"].is_null(), "{result}");
        result["result"]["value"].clone()
    }

    async fn next(&mut self, what: &str) -> Value {
        let mut text = Vec::new();
        let read = tokio::time::timeout(PATIENCE, self.answers.read_until(0, &mut text)).await;
        let read = read.unwrap_or_else(|_| panic!("{what}: nothing within {PATIENCE:?}"));
        read.expect("a pipe can be read");
        text.pop();
        serde_json::from_slice(&text).expect("the browser speaks JSON")
    }

    /// Ends the browser.
    pub(crate) async fn close(self) {
        self.browser.signal(Signal::TERM);
        self.browser.ended().await;
    }
}

fn fifo(home: &Path, name: &str) -> std::path::PathBuf {
    let path = home.join(name);
    mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe can be made");
    path
}
