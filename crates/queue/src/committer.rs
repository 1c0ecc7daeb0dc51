//! The spool's one writer as something that runs: it gathers what waits, lets the core carry it out in one
//! transaction, and goes on until no one can ask any more.

use crate::limits::BATCH_MAX;
use crate::turn::{Core, Request, Work};
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
