//! Threads with a name and a bounded end.
//!
//! A thread can hang in the kernel: on a disk that does not answer, on a terminal that nobody reads from.
//! The process does not wait for it for ever: what was promised is on disk, and the next start finds the rest
//! as after a crash.

use crate::command::Failure;
use std::convert::Infallible;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// A thread that was started. Dropped, it goes on by itself.
pub(crate) struct Thread {
    name: &'static str,
    handle: JoinHandle<()>,
    /// Nothing is ever sent: the other end goes with the thread's body.
    ended: Receiver<Infallible>,
}

impl Thread {
    /// Starts a thread of this name.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn start(name: &'static str, body: impl FnOnce() + Send + 'static) -> Result<Self, Failure> {
        let (running, ended) = sync_channel(0);
        let body = move || {
            let _running = running;
            body();
        };
        let handle = Builder::new()
            .name(name.into())
            .spawn(body)
            .map_err(|error| Failure::os(format!("the thread {name} cannot be started: {error}")))?;
        Ok(Self { name, handle, ended })
    }

    /// What it is called.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Waits for its end, but not beyond `deadline`. Whether it has ended; if not, it is left behind.
    pub(crate) fn join_by(self, deadline: Instant) -> bool {
        match self.ended.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => {
                // Its body is over. A thread that panicked has said so on standard error.
                let _ = self.handle.join();
                true
            }
            Ok(never) => match never {},
        }
    }
}

/// The threads behind an open spool.
pub(crate) struct Threads(pub(crate) Vec<Thread>);

/// How long each of them may take to write what it still has, before it counts as hanging.
const END_TIMEOUT: Duration = Duration::from_secs(10);

impl Threads {
    /// Waits for all of them, for each only so long. Gives the names of those that hang.
    pub(crate) fn join(self) -> Vec<&'static str> {
        let ended = |thread: Thread| {
            let name = thread.name();
            (!thread.join_by(Instant::now() + END_TIMEOUT)).then_some(name)
        };
        self.0.into_iter().filter_map(ended).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_hangs_is_left_behind_and_one_that_ends_is_waited_for() {
        let (hold, held) = sync_channel::<()>(0);
        let hangs = Thread::start("hangs", move || assert!(held.recv().is_err())).unwrap();
        assert!(!hangs.join_by(Instant::now()));
        drop(hold);
        let ends = Thread::start("ends", || ()).unwrap();
        assert!(ends.join_by(Instant::now() + Duration::from_secs(60)));
    }

    #[test]
    fn a_thread_that_panics_has_ended() {
        let panics = Thread::start("panics", || panic!("as it should")).unwrap();
        assert!(panics.join_by(Instant::now() + Duration::from_secs(60)));
    }

    #[test]
    fn all_threads_are_waited_for() {
        let (done, heard) = sync_channel(2);
        let threads = ["one", "two"].map(|name| {
            let done = done.clone();
            Thread::start(name, move || done.send(name).unwrap()).unwrap()
        });
        assert_eq!(Threads(threads.into()).join(), [""; 0]);
        assert_eq!(heard.try_iter().count(), 2);
    }
}
