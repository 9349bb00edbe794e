//! HTTP/1.1 by hand: a client library would refuse to send most of what must be refused.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::in_time;

/// A request, to be changed in every way and sent as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    method: String,
    target: String,
    version: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    /// `GET target HTTP/1.1` without any header.
    pub fn get(target: impl Into<String>) -> Self {
        Self {
            method: "GET".to_owned(),
            target: target.into(),
            version: "HTTP/1.1".to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// Another method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        method.clone_into(&mut self.method);
        self
    }

    /// Another target: path and query, as they are to stand in the first line.
    #[must_use]
    pub fn target(mut self, target: impl Into<String>) -> Self {
        self.target = target.into();
        self
    }

    /// The target with more behind it.
    #[must_use]
    pub fn more(mut self, text: &str) -> Self {
        self.target.push_str(text);
        self
    }

    /// Another version.
    #[must_use]
    pub fn version(mut self, version: &str) -> Self {
        version.clone_into(&mut self.version);
        self
    }

    /// One more header line, whatever there is.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// No header of this name.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    /// Exactly one header of this name.
    #[must_use]
    pub fn with(self, name: &str, value: impl Into<String>) -> Self {
        self.without(name).header(name, value)
    }

    /// Bytes behind the head, with no header added for them.
    #[must_use]
    pub fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }

    /// The path and query.
    pub fn path(&self) -> &str {
        &self.target
    }

    /// What goes over the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{} {} {}\r\n", self.method, self.target, self.version);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut bytes = (text + "\r\n").into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// An answer, whole.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The header lines, in order, with their names as sent.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// The value of a header; the first one if there are more.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("every body here is UTF-8")
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// If it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }

    /// A text member of the JSON body.
    ///
    /// # Panics
    /// If there is none.
    pub fn member(&self, name: &str) -> String {
        let json = self.json();
        let text = json[name].as_str();
        text.unwrap_or_else(|| panic!("no text \"{name}\" in {self:?}")).to_owned()
    }

    /// The reason code, or "" if there is none.
    pub fn reason(&self) -> &str {
        self.header("x-cambist-reason").unwrap_or_default()
    }

    /// The seconds of `Retry-After`.
    pub fn retry_after(&self) -> Option<u64> {
        self.header("retry-after")?.parse().ok()
    }

    /// Everything, as text, for searching.
    pub fn everything(&self) -> String {
        let mut text = format!("{}\n", self.status);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\n"));
        }
        text + &String::from_utf8_lossy(&self.body)
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.everything())
    }
}

/// One connection, kept open between requests.
#[derive(Debug)]
pub struct Connection(BufReader<TcpStream>);

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// As the operating system says.
    pub async fn open(at: SocketAddr) -> io::Result<Self> {
        Ok(Self(BufReader::new(in_time("connecting", TcpStream::connect(at)).await?)))
    }

    /// Sends bytes. That the other side has hung up is told by the answer, or by there being none.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = in_time("sending", self.0.get_mut().write_all(bytes)).await;
    }

    /// Tells the other side that nothing more will be sent.
    pub async fn finish(&mut self) {
        let _ = self.0.get_mut().shutdown().await;
    }

    /// The next answer; `None` if the connection ended without one.
    pub async fn receive(&mut self) -> Option<Reply> {
        in_time("an answer", self.read(true)).await
    }

    /// The next answer to a `HEAD`, which has no body whatever its head says.
    pub async fn receive_head(&mut self) -> Option<Reply> {
        in_time("an answer", self.read(false)).await
    }

    /// Whether the other side has ended the connection, waiting for it to.
    pub async fn ends(&mut self) -> bool {
        let mut byte = [0];
        matches!(in_time("the end", self.0.read(&mut byte)).await, Ok(0) | Err(_))
    }

    async fn read(&mut self, body: bool) -> Option<Reply> {
        let status = self.line().await?;
        let status = status.strip_prefix("HTTP/1.1 ").or(status.strip_prefix("HTTP/1.0 "))?;
        let status = status.get(..3)?.parse().ok()?;
        let mut reply = Reply { status, headers: Vec::new(), body: Vec::new() };
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':')?;
            reply.headers.push((name.to_owned(), value.trim().to_owned()));
        }
        if body {
            match reply.header("content-length").map(|length| length.parse()) {
                Some(length) => {
                    reply.body = vec![0; length.ok()?];
                    self.0.read_exact(&mut reply.body).await.ok()?;
                }
                None => drop(self.0.read_to_end(&mut reply.body).await.ok()?),
            }
        }
        Some(reply)
    }

    async fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        self.0.read_until(b'\n', &mut line).await.ok()?;
        let line = line.strip_suffix(b"\r\n")?;
        Some(String::from_utf8_lossy(line).into_owned())
    }
}

/// Sends bytes over a connection of their own; `None` if it ended without an answer.
///
/// # Panics
/// If nobody listens there.
pub async fn send(at: SocketAddr, bytes: &[u8]) -> Option<Reply> {
    let mut connection = Connection::open(at)
        .await
        .unwrap_or_else(|error| panic!("nobody listens at {at}: {error}"));
    connection.send(bytes).await;
    if bytes.starts_with(b"HEAD ") {
        connection.receive_head().await
    } else {
        connection.receive().await
    }
}
