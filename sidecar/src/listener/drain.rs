//! How connections end by the clock: those that are idle or slow at any time, all of them at the end.

use std::pin::pin;
use std::time::Duration;

use tokio::time::Instant;

use super::connections::{Connections, LOOK_AGAIN};
use super::phase::Doing;

/// How many looks in a row at the end may see nobody leave: a quarter of a second, if this process gets
/// the CPU that it wants.
const LOOKS_IN_VAIN: u32 = 10;

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
            self.dismiss(&self.list(), |one| match one.phase.doing() {
                Doing::Ours => false,
                Doing::Nothing(since) | Doing::Head(since) => since > self.limits.head,
                Doing::Idle(since) => since > self.limits.idle,
            });
        }
    }

    /// Ends all connections: idle ones now, the others with their answer, for which `last_call` is
    /// given when it is time to end, and those that get none even so by force. How many that were.
    pub(super) async fn drain(&self, end: Instant, last_call: impl FnOnce()) -> usize {
        if self.emptied_while(|_| Instant::now() < end).await {
            return 0;
        }
        last_call();
        // From here on an answer takes its connection's next turn and no more. Whoever is short of CPU
        // has hundreds of turns to come, however late it is: what counts is that somebody leaves.
        let (mut fewest, mut in_vain) = (usize::MAX, 0);
        let somebody_leaves = |open| {
            in_vain = if open < fewest { 0 } else { in_vain + 1 };
            fewest = open;
            in_vain < LOOKS_IN_VAIN
        };
        if self.emptied_while(somebody_leaves).await { 0 } else { self.cut_off() }
    }

    /// Dismisses idle connections until there is no connection left, as long as so many may be. Whether
    /// there is none.
    async fn emptied_while(&self, mut may_be: impl FnMut(usize) -> bool) -> bool {
        // A moment for the request that is on its way in, and for the answer that is on its way out.
        let moment = self.limits.grace.min(Duration::from_millis(100));
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            {
                let list = self.list();
                if list.open.is_empty() {
                    return true;
                }
                if !may_be(list.open.len()) {
                    return false;
                }
                self.dismiss(&list, |one| one.phase.unused_for().is_some_and(|it| it >= moment));
            }
            let _ = tokio::time::timeout(LOOK_AGAIN, changed).await;
        }
    }
}
