//! Opens what lies in the data folder, and starts the threads behind it.

use super::Storage;
use crate::command::Failure;
use crate::thread::{Thread, Threads};
use postrider_journal::{Journal, Reader};
use postrider_mail::id::IdMaker;
use postrider_mail::{QueueId, UnixMillis};
use postrider_mta::world::WallClock;
use postrider_queue::Queue;
use rustix::fs::{Access, access};
use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The open spool and journal of a data folder. Dropping `queue` and `journal` everywhere ends the threads.
pub(crate) struct Spool {
    pub(crate) queue: Queue,
    pub(crate) journal: Journal,
    pub(crate) reader: Reader,
    /// What start-up found, in sentences; empty when all was as it should be.
    pub(crate) recovered: Vec<String>,
    /// Messages in the queue.
    pub(crate) messages: u64,
    pub(crate) threads: Threads,
    last_id: Option<QueueId>,
    seed: u64,
}

impl Spool {
    /// What all randomness that need not be secret begins with.
    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// Makes ids behind everything that is stored.
    pub(crate) fn ids(&self) -> IdMaker {
        #[expect(clippy::cast_possible_truncation, reason = "a seed may lose bits")]
        let (node, counter) = ((self.seed >> 32) as u8, self.seed as u16);
        IdMaker::new(node, counter, wall_clock()(), self.last_id)
    }
}

/// The system's wall clock.
pub(crate) fn wall_clock() -> WallClock {
    #[expect(clippy::disallowed_methods, reason = "the daemon is where the clock comes in")]
    Arc::new(|| {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        UnixMillis::new(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    })
}

/// The queue's folder in a data folder.
pub(crate) fn queue_folder(data: &Path) -> PathBuf {
    data.join("queue")
}

/// Opens the spool and the journal below `data`, which is made if its parent is there.
pub(crate) fn open_spool(data: &Path, storage: Storage) -> Result<Spool, Failure> {
    let folder = |path: &Path| {
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| {
            Failure::os(format!("the data folder {} cannot be made: {error}", path.display()))
        })
    };
    folder(data)?;
    sync_path_to(data)?;
    let seed = seed()?;
    let now = wall_clock()();
    let opened = postrider_queue::open(&queue_folder(data), storage.queue, seed, now)
        .map_err(|error| Failure::unavailable(error.to_string()))?;
    let (journal, writer, reader) = postrider_journal::open(&data.join("journal"), storage.journal, now)
        .map_err(|error| Failure::os(error.to_string()))?;
    let mut recovered: Vec<String> = opened.recovery.sentences();
    recovered.extend(writer.remarks().iter().map(ToString::to_string));
    let messages = opened.queue.stats().map_or(0, |stats| stats.messages);
    let committer = opened.committer;
    let checkpointer = opened.checkpointer;
    let threads = vec![
        Thread::start("committer", move || committer.run())?,
        Thread::start("checkpointer", move || checkpointer.run())?,
        Thread::start("journal", move || writer.run())?,
    ];
    Ok(Spool {
        queue: opened.queue,
        journal,
        reader,
        recovered,
        messages,
        threads: Threads(threads),
        last_id: opened.last_id,
        seed,
    })
}

/// Makes the path that leads to the data folder durable, on every start: an earlier one may have been cut
/// short between making and syncing. A folder that we may not write holds no name of ours.
fn sync_path_to(data: &Path) -> Result<(), Failure> {
    let absolute = std::path::absolute(data)
        .map_err(|error| Failure::os(format!("the data folder {}: {error}", data.display())))?;
    for above in absolute.ancestors().skip(1) {
        if access(above, Access::WRITE_OK).is_ok() {
            let synced = File::open(above).and_then(|folder| folder.sync_all());
            synced.map_err(|error| Failure::os(format!("{} cannot be synced: {error}", above.display())))?;
        }
    }
    Ok(())
}

fn seed() -> Result<u64, Failure> {
    let mut octets = [0; 8];
    getrandom::fill(&mut octets)
        .map_err(|error| Failure::os(format!("the system gives no randomness: {error}")))?;
    Ok(u64::from_ne_bytes(octets))
}
