//! One direction of an HTTP/1.1 connection, read as it goes by.

use std::fmt;

/// A request or an answer.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// The first line.
    pub(crate) first: String,
    headers: Vec<(String, String)>,
    /// The body, as long as `Content-Length` says.
    pub(crate) body: String,
}

impl Message {
    /// The value of a header; the first one if there are more.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Whether there is a header with such a beginning.
    pub(crate) fn has_header_like(&self, start: &str) -> bool {
        self.headers.iter().any(|(name, _)| name.to_ascii_lowercase().starts_with(start))
    }

    /// A word of the first line; "" if it has fewer.
    pub(crate) fn word(&self, at: usize) -> &str {
        self.first.split(' ').nth(at).unwrap_or_default()
    }

    /// Everything, as text, for searching.
    pub(crate) fn everything(&self) -> String {
        let lines = self.headers.iter().map(|(name, value)| format!("{name}: {value}\n"));
        format!("{}\n{}\n{}", self.first, lines.collect::<String>(), self.body)
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.everything())
    }
}

/// What has come so far and is no whole message yet.
#[derive(Debug, Default)]
pub(crate) struct Reading(Vec<u8>);

impl Reading {
    /// More has come.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// The head that has come first, if it is whole.
    pub(crate) fn head(&self) -> Option<Message> {
        let end = self.0.windows(4).position(|four| four == b"\r\n\r\n")?;
        let text = String::from_utf8_lossy(self.0.get(..end)?).into_owned();
        let mut lines = text.split("\r\n").map(str::to_owned);
        let first = lines.next()?;
        let headers = lines.filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_owned(), value.trim().to_owned()))
        });
        Some(Message { first, headers: headers.collect(), body: String::new() })
    }

    /// The next message, if it is whole. Without `with_body` it has none, whatever its head says.
    pub(crate) fn next(&mut self, with_body: bool) -> Option<Message> {
        let mut message = self.head()?;
        let start = self.0.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let length = message.header("content-length").filter(|_| with_body);
        let length = length.and_then(|length| length.parse().ok()).unwrap_or(0);
        let body = self.0.get(start..start + length)?;
        message.body = String::from_utf8_lossy(body).into_owned();
        self.0.drain(..start + length);
        Some(message)
    }
}
