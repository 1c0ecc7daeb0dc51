//! What the agents share: the world, the queue, the journal, the directory, the settings in force.

use crate::lending::Lending;
use crate::local::Mailboxes;
use crate::story::Stories;
use crate::world::World;
use postrider_mail::{Domain, Text};
use postrider_policy::admit::Rules;
use postrider_policy::port::Directory;
use postrider_policy::route::Rule;
use postrider_queue::Queue;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;

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
    /// Where mail goes.
    pub routes: Vec<Rule>,
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
    /// How accepted messages reach the dispatcher without waiting for a lease.
    pub lending: Lending,
}

impl Server {
    /// The settings in force.
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.borrow())
    }
}

/// Waits until the server is told to stop, or whoever could tell it is gone.
pub(crate) async fn told_to_stop(stop: &mut watch::Receiver<bool>) {
    // Both ways to end mean the same; the guard must not outlive this line.
    let _ = stop.wait_for(|stop| *stop).await;
}
