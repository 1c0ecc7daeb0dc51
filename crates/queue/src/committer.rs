//! The spool's one writer as something that runs: it gathers what waits, lets the core carry it out in one
//! transaction, and goes on until no one can ask any more.

use crate::limits::BATCH_MAX;
use crate::request::{Request, Work};
use crate::turn::Core;
use std::fs::File;
use std::ops::ControlFlow;
use tokio::sync::mpsc::{Receiver, error::TryRecvError};

/// The writer. In production the body of a thread, in simulation stepped or run as a task.
#[derive(Debug)]
pub struct Committer {
    core: Core,
    requests: Receiver<Request>,
    /// Keeps a second server out for as long as this one can write.
    _lock: File,
}

impl Committer {
    pub(crate) fn new(core: Core, requests: Receiver<Request>, lock: File) -> Self {
        Self { core, requests, _lock: lock }
    }

    /// The thread's body: blocks until every [`Queue`](crate::Queue) is dropped or one of them stops it.
    pub fn run(mut self) {
        let mut requests = Vec::with_capacity(BATCH_MAX);
        while self.requests.blocking_recv_many(&mut requests, BATCH_MAX) > 0 {
            if self.batch(&mut requests).is_break() {
                break;
            }
        }
        self.close();
    }

    /// The same as a task. Its file work blocks whatever polls it.
    pub async fn serve(mut self) {
        let mut requests = Vec::with_capacity(BATCH_MAX);
        while self.requests.recv_many(&mut requests, BATCH_MAX).await > 0 {
            if self.batch(&mut requests).is_break() {
                break;
            }
        }
        self.close();
    }

    /// Carries out one batch of what waits now, without blocking on the channel. `Break`: the queue was
    /// stopped, or no one can ask any more.
    pub fn step(&mut self) -> ControlFlow<()> {
        let mut requests = Vec::new();
        let mut over = false;
        while requests.len() < BATCH_MAX {
            match self.requests.try_recv() {
                Ok(request) => requests.push(request),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    over = true;
                    break;
                }
            }
        }
        let flow = self.batch(&mut requests);
        if over { ControlFlow::Break(()) } else { flow }
    }

    fn batch(&mut self, requests: &mut Vec<Request>) -> ControlFlow<()> {
        let mut works: Vec<Work> = Vec::with_capacity(requests.len());
        let mut stop = false;
        for request in requests.drain(..) {
            match request {
                Request::Work(work) => works.push(work),
                Request::Wake => {}
                Request::Stop => stop = true,
            }
        }
        self.core.turn(works);
        if stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// What still waits learns that the spool is closed.
    fn close(mut self) {
        self.requests.close();
        self.core.wind_up();
    }
}

/// What a request is answered, on this thread.
#[cfg(test)]
pub(crate) fn drive<T>(committer: &mut Committer, ask: impl Future<Output = T>) -> T {
    use std::task::{Context, Poll, Waker};
    let mut ask = std::pin::pin!(ask);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(answer) = ask.as_mut().poll(&mut context) {
            return answer;
        }
        let _ = committer.step();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fate, Lease, NewMessage, Opened, Outcome, Queue, RouteKey, Settings, Unable, open};
    use postrider_mail::id::IdMaker;
    use postrider_mail::{Code, Envelope, Recipient, Reply, ReversePath, UnixMillis};
    use std::pin::{Pin, pin};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::task::{Context, Waker};

    const NOW: UnixMillis = UnixMillis::new(1_795_372_275_042);

    fn message(queue: &Queue, ids: &mut IdMaker) -> NewMessage {
        let mut draft = queue.draft(ids.queue_id(NOW));
        draft.pour(&[b'x'; 10_000]);
        let recipients = vec![Recipient::direct("b@y.example".parse().unwrap())];
        let envelope = Envelope {
            reverse_path: ReversePath::Null,
            body: None,
            requests: postrider_mail::Requests::default(),
            recipients,
        };
        NewMessage::new(draft.seal().unwrap(), envelope, NOW, |_| RouteKey::local()).unwrap()
    }

    fn limit_pages(committer: &Committer, pages: i64) {
        committer.core.connection.pragma_update(None, "max_page_count", pages).unwrap();
    }

    #[test]
    fn a_full_disk_refuses_mail_and_lets_settling_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let Opened { queue, mut committer, .. } = open(folder.path(), Settings::default(), 1, NOW).unwrap();
        let mut ids = IdMaker::new(0, 0, NOW, None);
        let first = message(&queue, &mut ids);
        drive(&mut committer, queue.accept(first)).unwrap();
        let ask = Lease { now: NOW, limit: 1, room_per_key: 1, room: Vec::new() };
        let attempt = drive(&mut committer, queue.lease(ask)).unwrap().attempts.remove(0);

        // SQLite says SQLITE_FULL at its own bound as it does at the disk's.
        let pages = crate::schema::number(&committer.core.connection, "page_count").unwrap();
        limit_pages(&committer, pages);
        let refused = message(&queue, &mut ids);
        let fate = Fate::new(Outcome::Delivered, Reply::new(Code::of(250), None, "laid down"), "local");
        let fates = vec![(attempt.recipients[0].id, fate)];
        let (accepting, settling) = (queue.accept(refused), queue.settle(attempt.id, fates, NOW));
        let (mut accepting, mut settling) = (pin!(accepting), pin!(settling));
        let mut context = Context::from_waker(Waker::noop());
        assert!(accepting.as_mut().poll(&mut context).is_pending());
        assert!(settling.as_mut().poll(&mut context).is_pending());
        assert_eq!(drive(&mut committer, accepting).unwrap_err(), Unable::Full);
        assert!(drive(&mut committer, settling).unwrap().removed, "one batch with the refused message");
        assert_eq!(queue.health(), Ok(()));
        assert!(!folder.path().join("reserve").exists(), "the reserve was given up");

        limit_pages(&committer, 1_000_000);
        let third = message(&queue, &mut ids);
        drive(&mut committer, queue.accept(third)).unwrap();
        assert!(folder.path().join("reserve").exists(), "and made again");
        assert_eq!(queue.stats().unwrap().messages, 1);
    }

    /// Steps of SQLite's machine that this takes.
    fn steps(committer: &mut Committer, work: impl FnOnce(&mut Committer)) -> u64 {
        let count = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&count);
        let count_one = move || {
            counted.fetch_add(1, Ordering::Relaxed);
            false
        };
        committer.core.connection.progress_handler(1, Some(count_one)).unwrap();
        work(committer);
        committer.core.connection.progress_handler(0, None::<fn() -> bool>).unwrap();
        count.load(Ordering::Relaxed)
    }

    /// Accepts messages under a key, many in a commit.
    fn fill(committer: &mut Committer, queue: &Queue, ids: &mut IdMaker, key: &RouteKey, count: usize) {
        let mut context = Context::from_waker(Waker::noop());
        let mut accepting: Vec<Pin<Box<dyn Future<Output = _>>>> = Vec::new();
        for _ in 0..count {
            let mut new = message(queue, ids);
            new.recipients.iter_mut().for_each(|(_, of)| *of = key.clone());
            accepting.push(Box::pin(queue.accept(new)));
        }
        for lot in accepting.chunks_mut(BATCH_MAX) {
            for accept in lot.iter_mut() {
                assert!(accept.as_mut().poll(&mut context).is_pending());
            }
            let _ = committer.step();
            assert!(lot.iter_mut().all(|accept| accept.as_mut().poll(&mut context).is_ready()));
        }
    }

    #[test]
    fn a_lease_costs_the_same_however_long_the_queue_of_another_key_is() {
        let costs = [10, 5000].map(|crowd| {
            let folder = tempfile::tempdir().unwrap();
            let Opened { queue, mut committer, .. } =
                open(folder.path(), Settings::default(), 1, NOW).unwrap();
            let mut ids = IdMaker::new(0, 0, NOW, None);
            let (busy, quiet) = (RouteKey::new("@busy.example").unwrap(), RouteKey::local());
            fill(&mut committer, &queue, &mut ids, &busy, crowd);
            fill(&mut committer, &queue, &mut ids, &quiet, 3);
            let ask = |room| Lease { now: NOW, limit: 10, room_per_key: 3, room: vec![(busy.clone(), room)] };
            // The first lease reads the schedule from the index.
            drive(&mut committer, queue.lease(ask(0))).unwrap();
            [0, 1].map(|room| {
                fill(&mut committer, &queue, &mut ids, &quiet, 3);
                let mut lent = 0;
                let cost = steps(&mut committer, |committer| {
                    lent = drive(committer, queue.lease(ask(room))).unwrap().attempts.len();
                });
                assert_eq!(lent, 3 + room as usize);
                cost
            })
        });
        assert_eq!(costs[0], costs[1], "full, and with room for one");
    }

    #[test]
    fn the_log_is_copied_without_a_checkpointer_too() {
        let folder = tempfile::tempdir().unwrap();
        let Opened { queue, mut committer, checkpointer, .. } =
            open(folder.path(), Settings::default(), 1, NOW).unwrap();
        drop(checkpointer);
        let mut ids = IdMaker::new(0, 0, NOW, None);
        for _ in 0..1500 {
            let next = message(&queue, &mut ids);
            drive(&mut committer, queue.accept(next)).unwrap();
        }
        let octets = std::fs::metadata(folder.path().join("queue.db-wal")).unwrap().len();
        assert!(octets < 16 * 1024 * 1024, "{octets} octets of log for 15 MB of mail");
    }
}
