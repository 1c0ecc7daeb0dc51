//! A spool in a temporary folder, driven step by step from one thread: no runtime, no timing.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use postrider_mail::id::IdMaker;
use postrider_mail::{Code, Envelope, Mailbox, QueueId, Recipient, Reply, Requests, UnixMillis};
use postrider_queue::{
    Accepted, Attempt, Checkpointer, Committer, Fate, Lease, Leased, NewMessage, Opened, Outcome, Queue,
    Recovery, RouteKey, Sealed, Settings, open,
};
use std::path::PathBuf;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use tempfile::TempDir;

pub(crate) const START: UnixMillis = UnixMillis::new(1_795_372_275_042);

pub(crate) struct Rig {
    pub(crate) folder: TempDir,
    pub(crate) queue: Queue,
    pub(crate) committer: Committer,
    pub(crate) checkpointer: Checkpointer,
    pub(crate) recovery: Recovery,
    pub(crate) ids: IdMaker,
    pub(crate) settings: Settings,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(Settings::default())
    }

    pub(crate) fn with(settings: Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::open(folder, settings, START)
    }

    fn open(folder: TempDir, settings: Settings, now: UnixMillis) -> Self {
        let Opened { queue, committer, checkpointer, recovery, last_id } =
            open(folder.path(), settings, 7, now).unwrap();
        let ids = IdMaker::new(0, 0, now, last_id);
        Self { folder, queue, committer, checkpointer, recovery, ids, settings }
    }

    /// As after a crash: nothing is ended in order.
    pub(crate) fn reopen(self, now: UnixMillis) -> Self {
        let Self { folder, queue, committer, checkpointer, settings, .. } = self;
        drop((queue, committer, checkpointer));
        Self::open(folder, settings, now)
    }

    pub(crate) fn drive<T>(&mut self, ask: impl AsyncFnOnce(&Queue) -> T) -> T {
        let queue = self.queue.clone();
        drive(&mut self.committer, ask(&queue))
    }

    pub(crate) fn seal(&mut self, content: &[u8], now: UnixMillis) -> Sealed {
        let mut draft = self.queue.draft(self.ids.queue_id(now));
        for chunk in content.chunks(1000) {
            draft.pour(chunk);
            if draft.wants_flush() {
                draft.flush().unwrap();
            }
        }
        draft.seal().unwrap()
    }

    pub(crate) fn message(&mut self, content: &[u8], from: &str, to: &[&str], now: UnixMillis) -> NewMessage {
        let sealed = self.seal(content, now);
        NewMessage::new(sealed, envelope(from, to), now, |to| RouteKey::domain(to.host().domain().unwrap()))
            .unwrap()
    }

    pub(crate) fn accept(&mut self, content: &[u8], from: &str, to: &[&str], now: UnixMillis) -> QueueId {
        let message = self.message(content, from, to, now);
        self.drive(async |queue| queue.accept(message).await).unwrap().receipt.id()
    }

    /// A message whose sender asks for something, to recipients of whom it wants to hear something.
    pub(crate) fn asking(
        &mut self,
        from: &str,
        to: &[(&str, Option<&str>)],
        requests: Requests,
        now: UnixMillis,
    ) -> NewMessage {
        let sealed = self.seal(b"Subject: hello\r\n\r\nHello.\r\n", now);
        let addresses: Vec<&str> = to.iter().map(|(address, _)| *address).collect();
        let mut envelope = Envelope { requests, ..envelope(from, &addresses) };
        for (recipient, (_, notify)) in envelope.recipients.iter_mut().zip(to) {
            recipient.notify = notify.map(|notify| notify.parse().unwrap());
        }
        let key = |to: &Mailbox| RouteKey::domain(to.host().domain().unwrap());
        NewMessage::new(sealed, envelope, now, key).unwrap()
    }

    pub(crate) fn take(&mut self, message: NewMessage) -> Accepted {
        self.drive(async |queue| queue.accept(message).await).unwrap()
    }

    pub(crate) fn lease(&mut self, now: UnixMillis) -> Leased {
        let ask = Lease { now, limit: 100, room_per_key: 100, room: Vec::new() };
        self.drive(async |queue| queue.lease(ask).await).unwrap()
    }

    /// One attempt, which must be there.
    pub(crate) fn lease_one(&mut self, now: UnixMillis) -> Attempt {
        let mut attempts = self.lease(now).attempts;
        assert_eq!(attempts.len(), 1);
        attempts.remove(0)
    }

    /// Settles all recipients of an attempt alike.
    pub(crate) fn settle(
        &mut self,
        attempt: &Attempt,
        outcome: Outcome,
        now: UnixMillis,
    ) -> postrider_queue::Settled {
        let fates = attempt.recipients.iter().map(|target| (target.id, fate(outcome))).collect();
        let id = attempt.id;
        self.drive(async |queue| queue.settle(id, fates, now).await).unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn files(&self, name: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(name)).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

pub(crate) fn drive<T>(committer: &mut Committer, future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..100 {
        if let Poll::Ready(answer) = future.as_mut().poll(&mut context) {
            return answer;
        }
        let _ = committer.step();
    }
    panic!("the committer gave no answer");
}

pub(crate) fn envelope(from: &str, to: &[&str]) -> Envelope {
    Envelope {
        reverse_path: from.parse().unwrap(),
        body: None,
        requests: Requests::default(),
        recipients: to.iter().map(|to| Recipient::direct(to.parse().unwrap())).collect(),
    }
}

pub(crate) fn fate(outcome: Outcome) -> Fate {
    let code = match outcome {
        Outcome::Deferred => 451,
        Outcome::Failed => 550,
        _ => 250,
    };
    Fate::new(outcome, Reply::new(Code::of(code), None, "said so"), "mx.example")
}

/// What leaves for an attempt.
pub(crate) fn rendition(attempt: &Attempt) -> Result<Vec<u8>, postrider_queue::ContentError> {
    let mut reader = attempt.message.content.read(&attempt.message.rendition)?;
    let mut all = Vec::new();
    while let Some(chunk) = reader.chunk()? {
        all.extend_from_slice(chunk);
    }
    assert_eq!(all.len() as u64, reader.octets());
    Ok(all)
}
