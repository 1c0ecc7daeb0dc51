//! The octets of a connection: what was read and not understood yet, what is to be sent.
//!
//! An idle connection owns no buffer: reading goes through one buffer per worker thread, and what stays is
//! freed when it is used up.

use crate::limits::{CLOSE_OCTETS_MAX, CLOSE_TIMEOUT, READ_OCTETS};
use crate::listen::Stream;
use std::cell::RefCell;
use std::io;

/// A connection and its octets in both directions.
pub(crate) struct Wire {
    stream: Stream,
    pending: Vec<u8>,
    outgoing: Vec<u8>,
    /// How much of `outgoing` is sent.
    sent: usize,
}

/// Lends the worker's buffer.
pub(super) fn with_scratch<T>(use_it: impl FnOnce(&mut [u8]) -> T) -> T {
    thread_local! {
        static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_OCTETS].into_boxed_slice());
    }
    SCRATCH.with_borrow_mut(|scratch| use_it(scratch))
}

impl Wire {
    /// A connection of which these octets were read.
    pub(crate) fn new(stream: Stream, pending: Vec<u8>) -> Self {
        Self { stream, pending, outgoing: Vec::new(), sent: 0 }
    }

    /// Where replies are appended.
    pub(super) fn outgoing(&mut self) -> &mut Vec<u8> {
        &mut self.outgoing
    }

    pub(super) fn has_unsent(&self) -> bool {
        self.sent < self.outgoing.len()
    }

    pub(super) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    pub(super) fn take_pending(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.pending)
    }

    /// Keeps what was not consumed; nothing is kept of nothing.
    pub(super) fn put_back(&mut self, rest: Vec<u8>) {
        self.pending = if rest.is_empty() { Vec::new() } else { rest };
    }

    /// Waits until there may be something to read.
    pub(super) async fn readable(&self) -> io::Result<()> {
        self.stream.readable().await
    }

    /// Reads once: octets read, zero at the end of input, `None` when there was nothing after all.
    pub(super) fn try_read(&self, into: &mut [u8]) -> io::Result<Option<usize>> {
        self.stream.try_read(into)
    }

    /// Appends what can be read to what is pending; true at the end of input.
    pub(super) fn read_more(&mut self) -> io::Result<bool> {
        with_scratch(|scratch| {
            let octets = self.try_read(scratch)?;
            self.pending.extend_from_slice(&scratch[..octets.unwrap_or(0)]);
            Ok(octets == Some(0))
        })
    }

    /// Appends what has come already, before the runtime could say so.
    pub(super) fn read_now(&mut self) -> io::Result<()> {
        with_scratch(|scratch| {
            let octets = self.stream.read_now(scratch)?;
            self.pending.extend_from_slice(&scratch[..octets.unwrap_or(0)]);
            Ok(())
        })
    }

    /// Sends what it can in one write.
    pub(super) async fn send(&mut self) -> io::Result<()> {
        self.stream.writable().await?;
        self.sent += self.stream.try_write(&self.outgoing[self.sent..])?.unwrap_or(0);
        if self.sent == self.outgoing.len() {
            self.outgoing = Vec::new();
            self.sent = 0;
        }
        Ok(())
    }

    /// Says that nothing more will come, then reads and forgets what the peer still sends, for a while: a
    /// close with unread input would reset the connection, and the last reply could be lost on its way.
    pub(crate) async fn close(mut self) {
        if self.stream.shutdown().await.is_err() {
            return;
        }
        let drain = async {
            let mut drained = 0;
            while drained < CLOSE_OCTETS_MAX {
                if self.readable().await.is_err() {
                    return;
                }
                match with_scratch(|scratch| self.try_read(scratch)) {
                    Ok(Some(0)) | Err(_) => return,
                    Ok(octets) => drained += octets.unwrap_or(0),
                }
            }
        };
        // However it ends, the connection is done with.
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, drain).await;
    }
}
