//! What both engines write into, and what the journal hears.

use std::time::Instant;

/// One line of the conversation, as the engine understood it. No variant can hold a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// A command, without its line end.
    Command(&'a [u8]),
    /// Message content passed: this many octets, before dot-stuffing was undone or after it was done.
    Content {
        /// Octets of content, its dots unstuffed.
        octets: u64,
    },
    /// One line of a reply, without its line end.
    Reply(&'a [u8]),
}

/// Hears every line of a conversation in the order in which it happened.
pub trait Dialogue {
    /// Called once for each line.
    fn line(&mut self, line: Line<'_>);
}

/// Hears nothing: for tests and measurements of the engine alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Dialogue for Silent {
    fn line(&mut self, _: Line<'_>) {}
}

/// What a call into an engine may use: the time of the call, the octets to be sent, the ear of the journal.
///
/// The caller owns `wire` and sends it when the engine waits; the engine only appends.
pub struct Out<'o> {
    /// The monotonic time of this call.
    pub now: Instant,
    /// Octets for the peer, in order.
    pub wire: &'o mut Vec<u8>,
    /// Hears the lines.
    pub dialogue: &'o mut dyn Dialogue,
}
