//! What is being waited for, on a terminal: one line that is written over.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

/// Tells what is waited for; says nothing without a terminal.
pub(super) struct Progress<'a>(Mutex<State<'a>>);

struct State<'a> {
    out: Option<&'a mut (dyn Write + Send)>,
    waiting: Vec<&'static str>,
}

impl<'a> Progress<'a> {
    pub(super) fn new(out: Option<&'a mut (dyn Write + Send)>) -> Self {
        Self(Mutex::new(State { out, waiting: Vec::new() }))
    }

    /// Does some work, and says so meanwhile.
    pub(super) async fn during<T>(&self, what: &'static str, work: impl Future<Output = T>) -> T {
        self.change(|waiting| waiting.push(what));
        let done = work.await;
        self.change(|waiting| waiting.retain(|other| *other != what));
        done
    }

    /// Leaves nothing behind.
    pub(super) fn end(&self) {
        self.change(Vec::clear);
    }

    fn change(&self, change: impl FnOnce(&mut Vec<&'static str>)) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let State { out, waiting } = &mut *state;
        change(waiting);
        let Some(out) = out else { return };
        // To the line's beginning, and the line away. That it cannot be told harms nothing.
        let _ = match &waiting[..] {
            [] => write!(out, "\r\x1b[K"),
            waiting => write!(out, "\r\x1b[Klooking at {} ...", waiting.join(", ")),
        };
        let _ = out.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_line_says_what_is_waited_for_and_nothing_is_left_of_it() {
        let mut out = Vec::new();
        let progress = Progress::new(Some(&mut out));
        let both = async {
            progress.during("a", async { tokio::task::yield_now().await }).await;
        };
        tokio::join!(both, progress.during("b", async {}));
        progress.end();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("looking at a, b ...") && text.ends_with("\r\x1b[K"), "{text:?}");
        assert!(!text.contains('\n'), "{text:?}");
    }
}
