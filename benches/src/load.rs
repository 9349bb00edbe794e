//! The load: keep-alive connections, each with one request under way, driven by one thread.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use rustix::fd::OwnedFd;
use rustix::time::Timespec;

use crate::response::Head;
use crate::stopwatch::now;

/// Nothing that is measured here takes so long.
const PATIENCE: Duration = Duration::from_secs(10);

/// How the load waits. Where it has a CPU of its own it does not sleep: to wake a sleeper would be
/// the server's work, more of it the more often a slow server lets the load fall asleep.
const SPIN: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
const SLEEP: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// Where requests go, and which.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) request: Vec<u8>,
    /// Whether the load may use a whole CPU.
    pub(crate) spin: bool,
}

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) took: Duration,
    /// Each request's, in nanoseconds.
    pub(crate) latencies: Vec<u32>,
}

/// Connections that have been used, and are idle between runs.
#[derive(Debug)]
pub(crate) struct Load {
    target: Target,
    connections: Vec<Connection>,
    epoll: OwnedFd,
    response: usize,
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
    sent: Instant,
}

impl Load {
    /// Opens so many connections and has each used once, so that what is done once is not measured.
    pub(crate) fn open(target: &Target, connections: usize) -> anyhow::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let connections = (0_u64..).take(connections).map(|index| {
            let stream = TcpStream::connect(target.address)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let data = epoll::EventData::new_u64(index);
            epoll::add(&epoll, &stream, data, epoll::EventFlags::IN)?;
            Ok(Connection { stream, buffer: vec![0; 64 * 1024], filled: 0, sent: now() })
        });
        let connections = connections.collect::<anyhow::Result<_>>()?;
        let target = target.clone();
        let mut load = Self { target, connections, epoll, response: 0 };
        load.run(Duration::ZERO)?;
        Ok(load)
    }

    /// The last response's length in bytes.
    pub(crate) fn response(&self) -> usize {
        self.response
    }

    /// Sends so many requests, each after the answer to the one before.
    pub(crate) fn ask(&mut self, requests: u32) -> anyhow::Result<()> {
        for _ in 0..requests {
            self.run(Duration::ZERO)?;
        }
        Ok(())
    }

    /// Sends for so long, then waits for what is under way; at least one request a connection.
    pub(crate) fn run(&mut self, length: Duration) -> anyhow::Result<Outcome> {
        let begun = now();
        let end = begun + length;
        let mut latencies = Vec::with_capacity(if length.is_zero() { 64 } else { 1 << 20 });
        let mut under_way = self.connections.len();
        for connection in &mut self.connections {
            connection.send(&self.target.request)?;
        }
        let wait = if self.target.spin { SPIN } else { SLEEP };
        let mut last = begun;
        let mut events = Vec::with_capacity(under_way);
        while under_way > 0 {
            epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&wait))?;
            if events.is_empty() && last.elapsed() > PATIENCE {
                bail!("no response within {} s", PATIENCE.as_secs());
            }
            for event in events.drain(..) {
                let index = usize::try_from(event.data.u64())?;
                let connection = self.connections.get_mut(index).context("a strange event")?;
                let Some(response) = connection.receive()? else { continue };
                self.response = response;
                let at = now();
                last = at;
                let latency = at.duration_since(connection.sent).as_nanos();
                latencies.push(u32::try_from(latency).unwrap_or(u32::MAX));
                if at < end {
                    connection.send(&self.target.request)?;
                } else {
                    under_way -= 1;
                }
            }
        }
        Ok(Outcome { took: now().duration_since(begun), latencies })
    }
}

impl Connection {
    fn send(&mut self, request: &[u8]) -> anyhow::Result<()> {
        self.sent = now();
        // Far less than a socket's buffer, which is empty: it fits at once.
        self.stream.write_all(request).context("cannot send a request")
    }

    /// The response's length, once it is whole.
    fn receive(&mut self) -> anyhow::Result<Option<usize>> {
        let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
        match self.stream.read(room) {
            Ok(0) => bail!("the server closed a connection, or sent more than fits"),
            Ok(count) => self.filled += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error).context("cannot receive a response"),
        }
        let response = Head::end(self.buffer.get(..self.filled).unwrap_or_default())?;
        if response.is_some() {
            self.filled = 0;
        }
        Ok(response)
    }
}
