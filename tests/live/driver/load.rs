//! Something that is asked again and again, whatever happens meanwhile.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use kit::eventually;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

/// Asks until it is stopped.
#[derive(Debug)]
pub(crate) struct Load {
    name: String,
    tally: Arc<Tally>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Tally {
    asked: AtomicUsize,
    failures: Mutex<Vec<String>>,
}

impl Load {
    /// Asks so often, by turns, with the number of the turn.
    pub(crate) fn start<F>(name: &str, every: Duration, ask: F) -> Self
    where
        F: Fn(usize) -> BoxFuture<'static, Result<(), String>> + Send + 'static,
    {
        let tally = Arc::new(Tally::default());
        let own = Arc::clone(&tally);
        let task = tokio::spawn(async move {
            let mut ticks = interval(every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            for turn in 0.. {
                ticks.tick().await;
                if let Err(why) = ask(turn).await {
                    own.failures.lock().unwrap_or_else(PoisonError::into_inner).push(why);
                }
                own.asked.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { name: name.to_owned(), tally, task }
    }

    /// How often it was answered, well or not.
    pub(crate) fn asked(&self) -> usize {
        self.tally.asked.load(Ordering::Relaxed)
    }

    /// How often it was not answered well.
    pub(crate) fn failed(&self) -> usize {
        self.tally.failures.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Waits for so many more answers.
    pub(crate) async fn goes_on(&self, times: usize) {
        let goal = self.asked() + times;
        let what = format!("{}: {times} more answers", self.name);
        eventually(&what, async || (self.asked() >= goal || self.task.is_finished()).then_some(()))
            .await;
        assert!(!self.task.is_finished(), "{} ended by itself", self.name);
    }

    /// Stops asking; returns how often it asked.
    ///
    /// # Panics
    /// If a single answer was bad.
    pub(crate) async fn never_failed(self) -> String {
        self.goes_on(1).await;
        self.task.abort();
        let failures = self.tally.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let (failed, asked) = (failures.len(), self.asked());
        let first = failures.first();
        assert_eq!(failed, 0, "{}: {failed} of {asked} failed; the first: {first:?}", self.name);
        format!("{} {asked}", self.name)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.task.abort();
    }
}
