//! What the agents share: the world, the queue, the journal, the directory, the settings in force.

use crate::destinations::Destinations;
use crate::lending::Lending;
use crate::limits::{self, DISPATCH_PAUSE, RECORD_TRIES_MAX};
use crate::local::Mailboxes;
use crate::shortage::DiskWatch;
use crate::story::Stories;
use crate::world::World;
use postrider_mail::{Domain, Text};
use postrider_policy::admit::Rules;
use postrider_policy::port::Directory;
use postrider_queue::{Queue, Unable};
pub use postrider_smtp::server::{BareNewlines, LongLines};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot::error::RecvError;
use tokio::sync::{Notify, Semaphore, watch};

/// What the operator may change while the server runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Our own name.
    pub hostname: Domain,
    /// What the greeting says behind it.
    pub banner: Text,
    /// The largest content, in octets.
    pub content_octets_max: u64,
    /// Recipients of one transaction.
    pub recipients_max: u32,
    /// Who is admitted.
    pub rules: Rules,
    /// How content and greetings are treated.
    pub smtp: Smtp,
    /// How mail leaves.
    pub outbound: Outbound,
    /// What senders are told of mail that did not arrive.
    pub notices: Notices,
}

/// How the dialogue with clients is held, apart from what [`Rules`] decide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Smtp {
    /// What is done about lines of content over 998 octets.
    pub long_lines: LongLines,
    /// What is done about a CR or LF that stands alone in content.
    pub bare_newlines: BareNewlines,
    /// How long a client waits for the greeting, at most [`limits::GREET_PAUSE_MAX`].
    pub greet_pause: Duration,
}

/// How mail leaves, whatever its route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outbound {
    /// Connections to other hosts, all together.
    pub connections_max: u32,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// The longest wait for any one reply; each phase has a limit of its own besides (RFC 5321 §4.5.3.2).
    pub reply_timeout: Duration,
    /// How long a connection waits for the next message.
    pub idle_timeout: Duration,
    /// Messages that one connection carries.
    pub messages_per_connection: u32,
    /// How long a host that cannot be reached is left alone at first; each time twice as long.
    pub rest: Duration,
}

impl Default for Outbound {
    fn default() -> Self {
        Self {
            connections_max: limits::CONNECTIONS_DEFAULT,
            connect_timeout: limits::CONNECT_TIMEOUT_DEFAULT,
            reply_timeout: limits::REPLY_TIMEOUT_DEFAULT,
            idle_timeout: limits::IDLE_TIMEOUT_DEFAULT,
            messages_per_connection: limits::MESSAGES_PER_CONNECTION_DEFAULT,
            rest: limits::REST_DEFAULT,
        }
    }
}

/// What senders are told of mail that did not arrive (RFC 3464).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notices {
    /// How much of the message a notice brings back.
    pub returned: Returned,
    /// Whether postmaster gets a copy of what could not even be told to its sender: the failure of a
    /// message whose reverse-path is null.
    pub undeliverable_to_postmaster: bool,
}

/// How much of a message its notice brings back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Returned {
    /// The header section alone.
    #[default]
    Headers,
    /// All of it, when it is 7-bit and small; else the header section.
    Message,
}

/// One running server.
#[derive(Clone)]
pub struct Server {
    /// Clock, ids, a place to block.
    pub world: Arc<World>,
    /// The spool.
    pub queue: Queue,
    /// The journal's door.
    pub stories: Stories,
    /// Who is local.
    pub directory: Arc<dyn Directory>,
    /// Where mailboxes lie.
    pub mailboxes: Mailboxes,
    /// What is in force now; a session keeps what was in force when it began.
    pub settings: watch::Receiver<Arc<Settings>>,
    /// When this server began, for what happens in a rhythm.
    pub started: Instant,
    /// Whether the server goes on.
    pub stop: watch::Receiver<Stop>,
    /// Places for drafts that are being written.
    pub drafts: Arc<Semaphore>,
    /// Whether there is room for more mail.
    pub disk: Arc<DiskWatch>,
    /// Woken when a sender is owed a notice.
    pub owing: Arc<Notify>,
    /// What leaves this host: attempts that wait for connections, and the connections.
    pub destinations: Arc<Destinations>,
    /// Where we listen: a host found there is ourselves.
    pub listeners: Arc<[SocketAddr]>,
    /// How accepted messages reach the dispatcher without waiting for a lease.
    pub lending: Lending,
}

impl Server {
    /// Writes a draft where blocking is allowed, when its turn has come.
    pub(crate) async fn drafting<T: Send + 'static>(
        &self,
        write: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, RecvError> {
        // The semaphore is never closed.
        let _place = self.drafts.acquire().await;
        self.world.blocking(write).await
    }

    /// Asks the queue to record something until it does: a full disk or a busy database may pass, a failed
    /// disk does not. A server that stops asks once more.
    pub(crate) async fn recorded<T, F>(&self, mut ask: impl FnMut() -> F) -> Result<T, Unable>
    where
        F: Future<Output = Result<T, Unable>>,
    {
        let mut stop = self.stop.clone();
        for _ in 1..RECORD_TRIES_MAX {
            match ask().await {
                Err(error @ (Unable::Busy | Unable::Full)) if self.queue.health().is_ok() => {
                    tracing::warn!(%error, "not recorded yet");
                    tokio::select! {
                        () = tokio::time::sleep(DISPATCH_PAUSE) => {}
                        () = told_to_stop(&mut stop) => break,
                    }
                }
                answer => return answer,
            }
        }
        ask().await
    }

    /// The settings in force.
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.borrow())
    }
}

/// Whether the server goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// It does.
    #[default]
    No,
    /// Nothing new begins; open transactions may end.
    Soon,
    /// Whatever is still open ends now, with a word.
    Now,
}

/// Waits until the server is told to stop, or whoever could tell it is gone.
pub(crate) async fn told_to_stop(stop: &mut watch::Receiver<Stop>) {
    told(stop, Stop::Soon).await;
}

/// Waits until the server is told at least this.
pub(crate) async fn told(stop: &mut watch::Receiver<Stop>, at_least: Stop) {
    // Both ways to end mean the same; the guard must not outlive this line.
    let _ = stop.wait_for(|stop| *stop >= at_least).await;
}
