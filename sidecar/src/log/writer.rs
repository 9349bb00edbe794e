//! Where lines go: to one thread that writes them, and nobody who logs ever waits for it.
//!
//! A log driver under pressure, or a reader that was paused, leaves a pipe full. Then the one thread
//! waits; the lines behind it wait in memory, up to a bound, and beyond it they are counted instead.
//!
//! `tracing-appender` comes near this. It bounds lines and not bytes, loses a line that could not be
//! written without counting it, and when its queue is full at the end it says so by `println!`, which
//! waits for the very reader that is not there.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

use super::{Dropped, Stream};

/// The most bytes that wait to be written: a few thousand lines.
const ROOM: usize = 1024 * 1024;

/// The most bytes that are written at once.
const CHUNK: usize = 64 * 1024;

/// How long to leave a file alone that somebody else made non-blocking and that is full.
const WHILE_FULL: Duration = Duration::from_millis(20);

/// The way to the log, or to the audit trail. Cheap to clone; clones share one thread.
#[derive(Clone)]
pub struct Writer {
    shared: Arc<Shared>,
    dropped: Dropped,
}

#[derive(Default)]
struct Shared {
    lines: Mutex<Lines>,
    /// There is something to write.
    arrived: Condvar,
    /// There is nothing to write any more.
    written: Condvar,
}

#[derive(Default)]
struct Lines {
    waiting: VecDeque<u8>,
    /// Whether the thread is writing what it has taken out.
    writing: bool,
}

impl Writer {
    /// Starts the thread that writes to `out`. Once lines were dropped and others can be written again, `tell` says
    /// how many, in a line like the others; and whether it has.
    ///
    /// # Errors
    /// If the operating system gives no thread.
    pub fn start(
        of: Stream,
        out: impl Write + Send + 'static,
        tell: impl Fn(&Self, u64) -> bool + Send + 'static,
    ) -> io::Result<Self> {
        let writer = Self { shared: Arc::default(), dropped: Dropped::of(of) };
        let this = writer.clone();
        let thread = thread::Builder::new().name(of.as_str().to_owned());
        thread.spawn(move || this.write_to(out, tell))?;
        Ok(writer)
    }

    /// Starts the log's, which tells of dropped lines as of everything else.
    ///
    /// # Errors
    /// If the operating system gives no thread.
    pub fn of_log(out: impl Write + Send + 'static) -> io::Result<Self> {
        Self::start(Stream::Log, out, |_, lines| {
            tracing::warn!(lines, "lines were dropped here: they were not read in time");
            true
        })
    }

    /// How many lines were dropped: for want of room, or because writing them failed.
    pub fn dropped(&self) -> Dropped {
        self.dropped.clone()
    }

    /// Takes a line, with its end; whether there was room for it. Never waits for whoever reads the log.
    pub fn line(&self, line: &[u8]) -> bool {
        let mut lines = self.lines();
        if line.len() > ROOM - lines.waiting.len() {
            self.dropped.add(1);
            return false;
        }
        let was_empty = lines.waiting.is_empty();
        lines.waiting.extend(line);
        drop(lines);
        if was_empty {
            self.shared.arrived.notify_one();
        }
        true
    }

    /// Waits until all is written, for so long at most. Whether it is.
    pub fn flush(&self, at_most: Duration) -> bool {
        let left = |lines: &mut Lines| lines.writing || !lines.waiting.is_empty();
        let waited = self.shared.written.wait_timeout_while(self.lines(), at_most, left);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.shared.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_to(&self, mut out: impl Write, tell: impl Fn(&Self, u64) -> bool) {
        let (mut chunk, mut told, mut heard) = (Vec::new(), 0, true);
        let mut tell_dropped = || {
            let dropped = self.dropped.get();
            if dropped > told && tell(self, dropped - told) {
                told = dropped;
            }
        };
        loop {
            self.take(&mut chunk);
            if heard {
                // What was just taken has made room for it.
                tell_dropped();
            }
            heard = write(&mut out, &chunk).is_ok();
            if heard && self.lines().waiting.is_empty() {
                // Nothing else may come for long.
                tell_dropped();
            }
            if !heard {
                let lines = chunk.iter().filter(|byte| **byte == b'\n').count();
                self.dropped.add(lines as u64);
            }
        }
    }

    /// Waits for something to write, and takes it.
    fn take(&self, chunk: &mut Vec<u8>) {
        chunk.clear();
        let mut lines = self.lines();
        lines.writing = false;
        if lines.waiting.is_empty() {
            self.shared.written.notify_all();
            // After a burst, nothing is kept of it.
            chunk.shrink_to(0);
            lines.waiting.shrink_to(0);
        }
        let arrived = self.shared.arrived.wait_while(lines, |lines| lines.waiting.is_empty());
        let mut lines = arrived.unwrap_or_else(PoisonError::into_inner);
        let (front, _) = lines.waiting.as_slices();
        let front = front.get(..CHUNK).unwrap_or(front);
        chunk.extend_from_slice(front);
        lines.waiting.drain(..chunk.len());
        lines.writing = true;
    }
}

fn write(out: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match out.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(WHILE_FULL),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// One event's line; the subscriber writes each with one call.
#[derive(Debug)]
pub struct Line<'a>(&'a Writer);

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // Whatever had no room was counted.
        self.0.line(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("dropped", &self.dropped.get()).finish_non_exhaustive()
    }
}

impl<'a> MakeWriter<'a> for Writer {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(self)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    /// A reader that takes what it is given only when it is told to.
    struct Reader {
        may: Receiver<io::Result<()>>,
        read: Sender<Vec<u8>>,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.may.recv().unwrap_or(Ok(()))?;
            let _ = self.read.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn reader() -> (Writer, Sender<io::Result<()>>, Receiver<Vec<u8>>) {
        let ((allow, may), (read, got)) = (channel(), channel());
        (Writer::of_log(Reader { may, read }).unwrap(), allow, got)
    }

    #[test]
    fn a_reader_that_is_away_costs_lines_beyond_the_bound_and_nobodys_time() {
        let (log, allow, got) = reader();
        let line = [&[b'x'; 1023][..], b"\n"].concat();
        let lines = 3 * ROOM / line.len();
        (0..lines).for_each(|_| _ = log.line(&line));
        let dropped = log.dropped().get();
        let kept = lines as u64 - dropped;
        let most = (ROOM + CHUNK) / line.len();
        assert!((ROOM / line.len()..=most).contains(&(kept as usize)), "{kept}");
        assert!(!log.flush(Duration::from_millis(1)), "nobody reads");
        // It is back.
        drop(allow);
        assert!(log.flush(LONG));
        let got: Vec<_> = got.try_iter().flatten().collect();
        assert_eq!(got.len(), kept as usize * line.len(), "what was kept is whole");
        log.line(&line);
        assert!(log.flush(LONG));
        assert_eq!(log.dropped().get(), dropped);
    }

    #[test]
    fn what_cannot_be_written_is_counted_and_what_is_full_is_waited_for() {
        let (log, allow, got) = reader();
        log.line(b"a\nb\n");
        allow.send(Err(io::ErrorKind::BrokenPipe.into())).unwrap();
        assert!(log.flush(LONG));
        assert_eq!(log.dropped().get(), 2);
        log.line(b"c\n");
        for kind in [io::ErrorKind::WouldBlock, io::ErrorKind::Interrupted] {
            allow.send(Err(kind.into())).unwrap();
        }
        allow.send(Ok(())).unwrap();
        assert!(log.flush(LONG));
        assert_eq!(got.try_iter().flatten().collect::<Vec<_>>(), b"c\n");
        assert_eq!(log.dropped().get(), 2);
    }

    #[test]
    fn a_line_that_could_never_be_kept_is_dropped() {
        let (log, allow, got) = reader();
        drop(allow);
        log.line(&vec![b'x'; ROOM + 1]);
        log.line(b"y\n");
        assert!(log.flush(LONG));
        assert_eq!((log.dropped().get(), got.recv().unwrap()), (1, b"y\n".to_vec()));
    }
}
