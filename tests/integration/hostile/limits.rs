//! What people and programs can be shown.

use std::fmt;

/// The longest line of a log, reply, and value of a status, in bytes.
const MOST: usize = 2048;

/// All of a status or of metrics, and of the log of one case: there is a line or a member for each key
/// and each held token, and so they have no bound but their number.
const MOST_OF_ALL: usize = 128 * 1024;

/// Something that should not be.
#[derive(Debug)]
pub(super) struct Wrong {
    place: String,
    what: String,
}

impl Wrong {
    pub(super) fn new(place: &str, what: String) -> Self {
        Self { place: place.to_owned(), what }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

pub(super) mod check {
    use kit::Reply;
    use serde_json::Value;

    use super::{MOST, MOST_OF_ALL, Wrong};

    /// A reply of the token listener; a token is as long as it is.
    pub(crate) fn reply(case: &str, reply: &Reply, wrong: &mut Vec<Wrong>) {
        let place = format!("{case}: the reply ({} {})", reply.status, reply.reason());
        if reply.status != 200 {
            if reply.body.len() > MOST {
                wrong.push(too_long(&place, reply.text()));
            }
            raw(&place, &reply.everything().replace('\n', ""), wrong);
        }
        values(&place, &reply.json(), usize::MAX, wrong);
    }

    /// The log: lines of JSON.
    pub(crate) fn log(place: &str, text: &str, wrong: &mut Vec<Wrong>) {
        lines(place, text, wrong);
        for line in text.lines() {
            match serde_json::from_str(line) {
                Ok(line) => values(place, &line, MOST, wrong),
                Err(error) => wrong.push(Wrong::new(place, format!("no JSON ({error}): {line}"))),
            }
        }
        if text.contains("panicked") {
            wrong.push(Wrong::new(place, format!("a panic: {text}")));
        }
    }

    /// Lines for people.
    pub(crate) fn lines(place: &str, text: &str, wrong: &mut Vec<Wrong>) {
        if text.len() > MOST_OF_ALL {
            wrong.push(Wrong::new(place, format!("{} bytes in all", text.len())));
        }
        for line in text.lines() {
            if line.len() > MOST {
                wrong.push(too_long(place, line));
            }
            raw(place, line, wrong);
        }
    }

    /// A document for programs.
    pub(crate) fn status(case: &str, text: &str, wrong: &mut Vec<Wrong>) {
        let place = format!("{case}: /status.json");
        if text.len() > MOST_OF_ALL {
            wrong.push(Wrong::new(&place, format!("{} bytes in all", text.len())));
        }
        raw(&place, text.trim_end_matches('\n'), wrong);
        match serde_json::from_str(text) {
            Ok(status) => values(&place, &status, MOST, wrong),
            Err(error) => wrong.push(Wrong::new(&place, format!("no JSON: {error}"))),
        }
    }

    /// What a program prints: lines for people, or a document.
    pub(crate) fn output(place: &str, text: &str, wrong: &mut Vec<Wrong>) {
        match serde_json::from_str::<Value>(text) {
            Ok(document) => {
                text.lines().for_each(|line| raw(place, line, wrong));
                values(place, &document, MOST, wrong);
            }
            Err(_) => lines(place, text, wrong),
        }
    }

    /// Every text in a document, as whoever reads it gets it.
    fn values(place: &str, value: &Value, most: usize, wrong: &mut Vec<Wrong>) {
        match value {
            Value::String(text) => {
                if text.len() > most {
                    wrong.push(too_long(place, text));
                }
                raw(place, text, wrong);
            }
            Value::Array(list) => list.iter().for_each(|it| values(place, it, most, wrong)),
            Value::Object(members) => {
                for (name, value) in members {
                    raw(place, name, wrong);
                    values(place, value, most, wrong);
                }
            }
            _ => {}
        }
    }

    /// Holds that a text has nothing that writes over, hides, turns round or looks like what stands
    /// beside it: nothing but visible ASCII, and the sign for what was cut off.
    fn raw(place: &str, text: &str, wrong: &mut Vec<Wrong>) {
        let visible = |c: char| c == '…' || c == ' ' || c.is_ascii_graphic();
        if let Some(found) = text.chars().find(|c| !visible(*c)) {
            let shown: String = text.chars().take(300).collect();
            wrong.push(Wrong::new(place, format!("has a raw {found:?}: {shown:?}")));
        }
    }

    fn too_long(place: &str, text: &str) -> Wrong {
        let shown: String = text.chars().take(300).collect();
        Wrong::new(place, format!("{} bytes: {shown:?}", text.len()))
    }

    #[test]
    fn what_is_wrong_is_found() {
        let found = |play: &dyn Fn(&mut Vec<Wrong>)| {
            let mut wrong = Vec::new();
            play(&mut wrong);
            wrong.len()
        };
        assert_eq!(found(&|it| log("", "{\"message\":\"fine\"}\n", it)), 0);
        assert_eq!(found(&|it| log("", "{\"message\":\"\u{202e}\"}\n", it)), 2);
        assert_eq!(found(&|it| log("", "{\"message\":\"\\u001b[2J\"}\n", it)), 1);
        assert_eq!(found(&|it| log("", "thread 'main' panicked\n", it)), 2);
        let long = "x".repeat(MOST + 1);
        assert_eq!(found(&|it| lines("", &long, it)), 1);
        assert_eq!(found(&|it| status("", &format!("{{\"a\":[\"{long}\"]}}"), it)), 1);
        let reply_of = |status, body: &str| Reply {
            status,
            headers: Vec::new(),
            body: body.to_owned().into_bytes(),
        };
        let body = format!("{{\"a\":\"{long}\"}}");
        assert_eq!(found(&|it| reply("", &reply_of(503, &body), it)), 1);
        assert_eq!(found(&|it| reply("", &reply_of(200, &body), it)), 0);
    }
}
