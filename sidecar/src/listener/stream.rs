//! Sockets, as the rest sees them: something that is accepted from somebody, read and written. What
//! kind they are is known here alone.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

use super::peer::{Ends, Peer};
use super::phase::Phase;

/// A listening socket.
#[derive(Debug)]
pub(super) struct Listener {
    socket: TcpListener,
    /// The one address that it listens on, if it is one.
    local: Option<IpAddr>,
    /// The node's address.
    host: Option<IpAddr>,
}

impl Listener {
    pub(super) fn new(socket: TcpListener, host: Option<IpAddr>) -> Self {
        let local = socket.local_addr().ok().map(|at| at.ip()).filter(|ip| !ip.is_unspecified());
        Self { socket, local, host }
    }

    /// The next client.
    ///
    /// # Errors
    /// As the operating system says: about one client, or for want of something.
    pub(super) async fn accept(&self) -> io::Result<(Stream, Ends)> {
        let (socket, from) = self.socket.accept().await?;
        // Answers are one small write each; without it some would wait for the client's delayed ACK.
        let _ = socket.set_nodelay(true);
        let local = self.local.or_else(|| Some(socket.local_addr().ok()?.ip()));
        Ok((Stream { socket }, Ends::new(Peer::of(from.ip(), self.host), local)))
    }
}

/// A client's socket.
#[derive(Debug)]
pub(super) struct Stream {
    socket: TcpStream,
}

impl Stream {
    /// A stream that tells what comes in.
    pub(super) fn watched(self, phase: Arc<Phase>) -> Watched {
        Watched { stream: self, phase, fresh: true, ended: false }
    }

    /// Whether the kernel holds nothing that the client has sent. Asked of the kernel, for the runtime
    /// hears of what came in only when it next looks.
    fn is_silent(&self) -> bool {
        !rustix::io::ioctl_fionread(&self.socket).is_ok_and(|bytes| bytes > 0)
    }
}

/// A client's socket that tells when something comes in, that keeps the client's end to itself while a
/// request is being answered, and that ends by itself when it is asked to leave and there is nothing
/// left to be done.
///
/// To hyper an end is the end, also of an answer on its way, although a client may close its own side
/// and go on listening. Its option for that (`half_close`) would have it look at nothing any more
/// while it waits, not even whether the client has crashed; here it looks, and does not hear of an
/// end before the answer is given.
#[derive(Debug)]
pub(super) struct Watched {
    stream: Stream,
    phase: Arc<Phase>,
    /// Whether nobody has read from it yet.
    fresh: bool,
    /// Whether the client has closed its side.
    ended: bool,
}

impl Watched {
    /// Whether nothing is to be done for it any more.
    fn may_leave(&self) -> bool {
        self.phase.is_leaving() && !self.phase.is_busy()
    }

    /// What became of an answer. Who is asked to leave is not waited for until it takes it.
    fn taken(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_pending() && self.may_leave() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        written
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ended {
            // Nobody need be woken for this one's sake: the answer is the connection's last.
            return if self.phase.is_busy() { Poll::Pending } else { Poll::Ready(Ok(())) };
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream.socket).poll_read(cx, buf);
        // A whole head may be there at the first look, or half of one: either way the client's time
        // begins now, and the service calls the connection busy once the head is complete.
        if self.fresh {
            self.phase.awaited(cx.waker());
        } else if read.is_ready() {
            self.phase.heard();
        }
        self.fresh = false;
        if read.is_pending() && self.may_leave() && self.stream.is_silent() {
            self.ended = true;
            return Poll::Ready(Ok(()));
        }
        if matches!(read, Poll::Ready(Ok(()))) && buf.filled().len() == before {
            self.ended = true;
            if self.phase.is_busy() {
                self.phase.link().hang_up();
                return Poll::Pending;
            }
        }
        read
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream.socket).poll_write(cx, buf);
        self.taken(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream.socket).poll_write_vectored(cx, bufs);
        self.taken(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream.socket).poll_shutdown(cx)
    }
}
