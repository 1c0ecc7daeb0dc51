//! The octets of a connection: what is to be sent, what has come and is not understood yet.

use crate::limits::REPLY_READ_OCTETS;
use crate::net::Stream;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What has moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moved {
    /// All that waited was sent.
    Sent,
    /// Octets came.
    Came,
    /// Nothing more will come.
    Ended,
    /// Nothing more can be sent.
    Stuck,
}

/// A stream and its octets in both directions.
pub(super) struct Wire {
    stream: Box<dyn Stream>,
    outgoing: Vec<u8>,
    /// How much of `outgoing` is sent.
    sent: usize,
    came: Vec<u8>,
}

impl Wire {
    pub(super) fn new(stream: Box<dyn Stream>) -> Self {
        Self { stream, outgoing: Vec::new(), sent: 0, came: Vec::new() }
    }

    /// Where octets to be sent are appended.
    pub(super) fn outgoing(&mut self) -> &mut Vec<u8> {
        &mut self.outgoing
    }

    /// What has come and is not understood yet.
    pub(super) fn came(&mut self) -> &mut Vec<u8> {
        &mut self.came
    }

    /// Octets that wait to be sent.
    pub(super) fn unsent(&self) -> usize {
        self.outgoing.len() - self.sent
    }

    /// Throws away what waits to be sent.
    pub(super) fn forget(&mut self) {
        self.outgoing = Vec::new();
        self.sent = 0;
    }

    /// Nothing will move for a while: buffers that hold nothing are freed.
    pub(super) fn rest(&mut self) {
        if self.unsent() == 0 {
            self.forget();
        }
        self.came.shrink_to_fit();
    }

    /// Sends what waits; while the host takes nothing, reads what it says.
    pub(super) fn poll_move(&mut self, cx: &mut Context<'_>) -> Poll<Moved> {
        if self.unsent() > 0
            && let Poll::Ready(moved) = self.poll_send(cx)
        {
            return Poll::Ready(moved);
        }
        self.poll_read(cx)
    }

    /// Sends what can be sent at once, and is ready in any case.
    pub(super) fn poll_parting(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Whether it goes out makes no difference any more.
        let _ = self.poll_send(cx);
        Poll::Ready(())
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Moved> {
        while self.unsent() > 0 {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, &self.outgoing[self.sent..])) {
                Ok(0) | Err(_) => {
                    self.forget();
                    return Poll::Ready(Moved::Stuck);
                }
                Ok(octets) => self.sent += octets,
            }
        }
        self.outgoing.clear();
        self.sent = 0;
        Poll::Ready(Moved::Sent)
    }

    /// Reads what has come. An error ends the connection as its end does.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Moved> {
        let mut octets = [0; REPLY_READ_OCTETS];
        let mut read = ReadBuf::new(&mut octets);
        let result = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read));
        if result.is_err() || read.filled().is_empty() {
            return Poll::Ready(Moved::Ended);
        }
        self.came.extend_from_slice(read.filled());
        Poll::Ready(Moved::Came)
    }
}
