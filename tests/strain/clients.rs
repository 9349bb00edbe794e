//! Clients that keep time.

use std::net::SocketAddr;
use std::time::Duration;

use kit::http::Connection;
use kit::{Reply, Request};
use tokio::time::{Instant, sleep_until, timeout};

/// After so long a client counts its request as failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// After so many failures nobody needs to be asked any more.
const ENOUGH: usize = 3;

/// How long each request of a series took, failed ones included.
#[derive(Debug, Default)]
pub(crate) struct Series {
    times: Vec<Duration>,
    failed: usize,
}

impl Series {
    /// Asks so many times, one after the other, each over a connection of its own.
    pub(crate) async fn ask(at: SocketAddr, request: &Request, times: usize) -> Self {
        let mut series = Self::default();
        for _ in 0..times {
            let started = Instant::now();
            let reply = once(at, request).await;
            series.note(started.elapsed(), reply.as_ref());
            if series.failed >= ENOUGH {
                break;
            }
        }
        series
    }

    /// Asks every so often for so long, over one connection kept open, whether or not the answer
    /// before was late: then all that should have been asked meanwhile are late, too.
    pub(crate) async fn beat(
        at: SocketAddr,
        request: &Request,
        every: Duration,
        long: Duration,
    ) -> Self {
        let mut series = Self::default();
        let mut open = None;
        let (mut due, end) = (Instant::now(), Instant::now() + long);
        while due < end && series.failed < ENOUGH {
            sleep_until(due).await;
            let asking = async {
                if open.is_none() {
                    open = Connection::open(at).await.ok();
                }
                let connection = open.as_mut()?;
                connection.send(&request.bytes()).await;
                connection.receive().await
            };
            let reply = timeout(PATIENCE, asking).await.ok().flatten();
            if reply.is_none() {
                open = None;
            }
            series.note(due.elapsed(), reply.as_ref());
            due += every;
        }
        series
    }

    fn note(&mut self, took: Duration, reply: Option<&Reply>) {
        self.times.push(took);
        self.failed += usize::from(reply.is_none_or(|reply| reply.status != 200));
    }

    /// This series and another.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.times.extend(other.times);
        self.failed += other.failed;
        self
    }

    /// How many were asked.
    pub(crate) fn len(&self) -> usize {
        self.times.len()
    }

    /// How many were not answered with 200, or not in time.
    pub(crate) fn failed(&self) -> usize {
        self.failed
    }

    /// The time that so many in a thousand do not exceed.
    pub(crate) fn per_mille(&self, part: usize) -> Duration {
        let mut times = self.times.clone();
        times.sort_unstable();
        let rank = (times.len() * part).div_ceil(1000).saturating_sub(1);
        times.get(rank).copied().unwrap_or_default()
    }

    /// The longest.
    pub(crate) fn slowest(&self) -> Duration {
        self.per_mille(1000)
    }
}

/// One request over a connection of its own; `None` if there was no answer in time.
pub(crate) async fn once(at: SocketAddr, request: &Request) -> Option<Reply> {
    let asking = async {
        let mut connection = Connection::open(at).await.ok()?;
        connection.send(&request.bytes()).await;
        connection.receive().await
    };
    timeout(PATIENCE, asking).await.ok().flatten()
}
