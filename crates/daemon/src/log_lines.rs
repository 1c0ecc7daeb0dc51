//! Log lines on their way to standard error.
//!
//! Whoever logs lays its line behind the others in memory and goes on; a thread of its own writes what has
//! gathered in one call. A terminal or pipe that is not read from holds up that thread and nobody else: what
//! finds no room is counted, and the count is logged once lines are written again. When the process ends, the
//! last lines get a moment, not more.

use crate::command::Failure;
use crate::thread::Thread;
use std::fs::File;
use std::io::{self, Write};
use std::mem;
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Octets of lines that may wait for standard error.
const WAITING_OCTETS_MAX: usize = 1024 * 1024;

/// Octets of memory that are kept for the next lines after many had gathered.
const KEPT_OCTETS_MAX: usize = 64 * 1024;

/// How long an output that is not read from may hold up the end of the process.
pub(crate) const OUTPUT_END_TIMEOUT: Duration = Duration::from_secs(1);

/// Lines that wait. Each write to `&LogLines` is one line, taken whole or counted as lost; none fails or waits.
#[derive(Default)]
pub(crate) struct LogLines {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    lost: u64,
    over: bool,
}

impl LogLines {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what waits, until it is over and nothing waits any more. `say_lost` may add lines.
    fn write_to(&self, out: &mut impl Write, say_lost: impl Fn(u64)) {
        let mut lines = Vec::new();
        loop {
            let waiting = self.changed.wait_while(self.lock(), |now| now.lines.is_empty() && !now.over);
            let mut waiting = waiting.unwrap_or_else(PoisonError::into_inner);
            if waiting.lines.is_empty() {
                return;
            }
            mem::swap(&mut lines, &mut waiting.lines);
            let lost = mem::take(&mut waiting.lost);
            drop(waiting);
            match out.write_all(&lines) {
                Ok(()) if lost > 0 => say_lost(lost),
                Ok(()) => {}
                // Said once something can be written again; until then there is nowhere to say it.
                Err(_) => {
                    let unwritten = lines.iter().filter(|&&octet| octet == b'\n').count() as u64;
                    self.lock().lost += lost + unwritten;
                }
            }
            lines.clear();
            lines.shrink_to(KEPT_OCTETS_MAX);
        }
    }
}

impl Write for &LogLines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut waiting = self.lock();
        if waiting.lines.len() + line.len() <= WAITING_OCTETS_MAX {
            waiting.lines.extend_from_slice(line);
        } else {
            waiting.lost += 1;
        }
        drop(waiting);
        self.changed.notify_one();
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The thread that writes. Dropped, it gets a moment for the last lines.
pub(crate) struct LogWriter {
    lines: Arc<LogLines>,
    thread: Option<Thread>,
}

impl LogWriter {
    /// Starts it.
    ///
    /// # Errors
    /// The system gives no descriptor or no thread.
    pub(crate) fn start() -> Result<(Arc<LogLines>, Self), Failure> {
        let lines = Arc::new(LogLines::default());
        // A descriptor of its own: the lock of `io::stderr` would hang with us, and with it who panics.
        let out = io::stderr().as_fd().try_clone_to_owned();
        let mut out =
            File::from(out.map_err(|error| Failure::os(format!("standard error cannot be used: {error}")))?);
        let waiting = Arc::clone(&lines);
        let thread = Thread::start("log", move || {
            waiting.write_to(&mut out, |lost| {
                tracing::error!(lost, "log lines were lost here: standard error was not read from");
            });
        })?;
        Ok((Arc::clone(&lines), Self { lines, thread: Some(thread) }))
    }

    /// Ends it once the last lines are written, or at `deadline`.
    pub(crate) fn end_by(mut self, deadline: Instant) {
        self.end(deadline);
    }

    fn end(&mut self, deadline: Instant) {
        if let Some(thread) = self.thread.take() {
            self.lines.lock().over = true;
            self.lines.changed.notify_one();
            // If it hangs, there is nowhere left to say so.
            let _ = thread.join_by(deadline);
        }
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        self.end(Instant::now() + OUTPUT_END_TIMEOUT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    /// Takes each write when it is let.
    struct Stalled {
        begun: SyncSender<()>,
        let_on: Receiver<io::Result<()>>,
        written: Vec<u8>,
    }

    impl Write for Stalled {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            let _ = self.begun.send(());
            // Nobody to let it any more means that it may go on.
            self.let_on.recv().unwrap_or(Ok(()))?;
            self.written.extend_from_slice(octets);
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What comes out when the first write stalls while `meanwhile` logs, and then ends like `first`.
    fn written(first: io::Result<()>, meanwhile: impl FnOnce(&mut &LogLines)) -> String {
        let lines = Arc::new(LogLines::default());
        let (begun, has_begun) = sync_channel(100);
        let (let_on, may_go_on) = sync_channel(1);
        let thread = std::thread::Builder::new();
        let waiting = Arc::clone(&lines);
        let thread = thread.spawn(move || {
            let mut out = Stalled { begun, let_on: may_go_on, written: Vec::new() };
            waiting.write_to(&mut out, |lost| writeln!(&*waiting, "{lost} lost").unwrap());
            String::from_utf8(out.written).unwrap()
        });
        (&*lines).write_all(b"first\n").unwrap();
        has_begun.recv().unwrap();
        meanwhile(&mut &*lines);
        lines.lock().over = true;
        let_on.send(first).unwrap();
        drop(let_on);
        thread.unwrap().join().unwrap()
    }

    #[test]
    fn a_stalled_output_holds_up_nobody_and_what_is_lost_is_counted() {
        let line = [b"x".repeat(999), b"\n".to_vec()].concat();
        let room = WAITING_OCTETS_MAX / line.len();
        let out = written(Ok(()), |lines| (0..room + 7).for_each(|_| lines.write_all(&line).unwrap()));
        assert_eq!(out.lines().filter(|out| out.len() == 999).count(), room);
        assert!(out.starts_with("first\n") && out.ends_with("\n7 lost\n"), "{}", &out[out.len() - 20..]);
    }

    #[test]
    fn lines_that_could_not_be_written_are_counted_once_they_can() {
        let out = written(Err(io::ErrorKind::BrokenPipe.into()), |lines| {
            lines.write_all(b"second\n").unwrap();
        });
        assert_eq!(out, "second\n1 lost\n");
    }

    #[test]
    fn an_output_that_never_works_ends_the_thread_all_the_same() {
        struct Broken;
        impl Write for Broken {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let lines = LogLines::default();
        (&lines).write_all(b"for nobody\n").unwrap();
        lines.lock().over = true;
        lines.write_to(&mut Broken, |_| unreachable!("nothing can be said"));
        assert_eq!(lines.lock().lost, 1);
    }
}
