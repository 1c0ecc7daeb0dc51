//! The world: what the agents may not reach for themselves, so that the whole server can run from a seed.

use crate::net::Net;
use postrider_mail::dns::Resolver;
use postrider_mail::id::IdMaker;
use postrider_mail::{QueueId, SessionId, UnixMillis};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::oneshot;

/// Runs work that may block on a disk, somewhere else.
pub trait Blocking: Send + Sync {
    /// Starts the job and returns.
    fn run(&self, job: Box<dyn FnOnce() + Send>);
}

/// The runtime's pool of blocking threads.
#[derive(Clone, Copy, Debug)]
pub struct RuntimePool;

impl Blocking for RuntimePool {
    fn run(&self, job: Box<dyn FnOnce() + Send>) {
        drop(tokio::task::spawn_blocking(job));
    }
}

/// The wall clock.
pub type WallClock = Arc<dyn Fn() -> UnixMillis + Send + Sync>;

/// Clock, ids, randomness, a place to block, the network and its names.
pub struct World {
    clock: WallClock,
    ids: Mutex<IdMaker>,
    blocking: Arc<dyn Blocking>,
    net: Arc<dyn Net>,
    resolver: Arc<dyn Resolver>,
    dice: AtomicU64,
}

impl World {
    /// `ids` makes the ids of messages and sessions; `seed` is where [`World::roll`] begins.
    pub fn new(
        clock: WallClock,
        ids: IdMaker,
        blocking: Arc<dyn Blocking>,
        net: Arc<dyn Net>,
        resolver: Arc<dyn Resolver>,
        seed: u64,
    ) -> Self {
        Self { clock, ids: Mutex::new(ids), blocking, net, resolver, dice: AtomicU64::new(seed) }
    }

    /// Makes connections to other hosts.
    pub fn net(&self) -> &dyn Net {
        &*self.net
    }

    /// Asks DNS.
    pub fn resolver(&self) -> &dyn Resolver {
        &*self.resolver
    }

    /// 64 random bits, for what need not be secret: the same from the same seed.
    pub fn roll(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let state = self.dice.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        xxhash_rust::xxh3::xxh3_64(&state.to_le_bytes())
    }

    /// The wall clock's time.
    pub fn now(&self) -> UnixMillis {
        (self.clock)()
    }

    /// The monotonic clock's time, for waiting: the runtime's, which a simulation can hold and move.
    pub fn instant(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    /// The wall clock itself.
    pub fn clock(&self) -> WallClock {
        Arc::clone(&self.clock)
    }

    /// An id for a message.
    pub fn queue_id(&self) -> QueueId {
        let now = self.now();
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).queue_id(now)
    }

    /// An id for a session.
    pub fn session_id(&self) -> SessionId {
        let now = self.now();
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).session_id(now)
    }

    /// Runs `job` where blocking is allowed, unless nobody waits for it any more when its turn comes. The
    /// receiver fails only if the job panicked or the runtime went away.
    pub fn blocking<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> oneshot::Receiver<T> {
        let (answer, receiver) = oneshot::channel();
        self.blocking.run(Box::new(move || {
            if answer.is_closed() {
                return;
            }
            // Nobody may be waiting any more; the work is done all the same.
            let _ = answer.send(job());
        }));
        receiver
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").finish_non_exhaustive()
    }
}
