//! How the client keeps its turn (RFC 5321 §4.3.1, RFC 2920 §3.1): noticed here, judged by policy.

/// What a client has done out of turn so far. Nothing of it is refused by the engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Manners {
    /// It spoke before it was greeted.
    pub before_greeting: bool,
    /// It did not wait for the reply to this command, which must be the last of a group (RFC 2920 §3.1), or is
    /// pipelined though no EHLO was answered; the first that was noticed.
    pub out_of_turn: Option<&'static str>,
}

impl Manners {
    /// More input stood behind this command when it was read.
    pub(super) fn hurried(&mut self, verb: &'static str) {
        self.out_of_turn.get_or_insert(verb);
    }
}

/// What is worth telling of content that is whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContentNotes {
    /// Octets of its longest line, without its line end; 0 for BODY=BINARYMIME, which has no lines.
    pub line_octets: u64,
    /// A CR or LF that stood alone has become CRLF.
    pub normalised: bool,
}
