//! How connections end by the clock: those that are idle or slow at any time, all of them at the end.

use std::pin::pin;
use std::time::Duration;

use tokio::time::Instant;

use super::connections::{Connections, LOOK_AGAIN};
use super::phase::Doing;

/// How long the last answers may take to be on their way, at the end.
const LAST_WORDS: Duration = Duration::from_millis(250);

impl Connections {
    /// Closes, for ever, whatever is idle or slow beyond its limit.
    pub(super) async fn sweep_for_ever(&self) {
        let pace = self.limits.head.min(self.limits.idle) / 5;
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            if self.list().open.is_empty() {
                // No connection, no timer: an idle sidecar sleeps.
                changed.await;
                continue;
            }
            tokio::time::sleep(pace).await;
            self.close(&mut self.list(), |one| match one.phase.doing() {
                Doing::Ours => false,
                Doing::Nothing(since) | Doing::Head(since) => since > self.limits.head,
                Doing::Idle(since) => since > self.limits.idle,
            });
        }
    }

    /// Ends all connections: idle ones now, the others with their answer, for which `last_call` is
    /// given when the time is over, and those that take too long even so by force. How many that were.
    pub(super) async fn drain(&self, last_call: impl FnOnce()) -> usize {
        let _closing = self.closing();
        let end = Instant::now() + self.limits.drain;
        if self.emptied_by(end).await {
            return 0;
        }
        last_call();
        if self.emptied_by(end + LAST_WORDS).await {
            return 0;
        }
        self.close(&mut self.list(), |_| true)
    }

    /// Closes idle connections until there is none left, or until `end`. Whether there is none.
    async fn emptied_by(&self, end: Instant) -> bool {
        // A moment for the request that is on its way in, and for the answer that is on its way out.
        let moment = self.limits.grace.min(Duration::from_millis(100));
        while Instant::now() < end {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            {
                let mut list = self.list();
                self.close(&mut list, |one| one.phase.unused_for().is_some_and(|it| it >= moment));
                if list.open.is_empty() {
                    return true;
                }
            }
            let _ = tokio::time::timeout(LOOK_AGAIN, changed).await;
        }
        false
    }
}
