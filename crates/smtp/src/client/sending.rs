//! Content under way: by DATA, its dots stuffed, or by BDAT, in chunks (RFC 3030 §2).
//!
//! BDAT carries binary content only: where lines are lines, DATA costs as little, and every host has it. Each
//! piece is a chunk, and `BDAT 0 LAST` ends the message. The peer answers each chunk; under PIPELINING nothing
//! waits for that. What it answers a chunk with is a verdict on the whole message: after a refusal no further
//! chunk is sent, and the session goes on once all that were sent are answered.

use super::flight::{kept, send};
use super::outcome::{Answer, FailureKind, Fate, Stage};
use super::stuffing::Stuffer;
use crate::dialogue::Out;
use postrider_mail::{Refusal, Reply};
use std::io::Write as _;

/// How content goes.
#[derive(Debug)]
pub(super) enum Sending {
    /// Behind DATA.
    Lines(Stuffer),
    /// By BDAT.
    Chunks(Chunks),
}

/// The chunks sent so far.
#[derive(Debug)]
pub(super) struct Chunks {
    pipelining: bool,
    pub(super) octets: u64,
    has_last: bool,
    pub(super) answers: Answers,
}

/// What the peer still owes for chunks that were sent, and what it refused.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// Chunks before the last that were not answered.
    pub(super) owed: u64,
    /// The first refusal of a chunk.
    pub(super) refusal: Option<Refusal>,
}

impl Sending {
    pub(super) fn lines() -> Self {
        Self::Lines(Stuffer::new())
    }

    pub(super) fn chunks(pipelining: bool) -> Self {
        Self::Chunks(Chunks { pipelining, octets: 0, has_last: false, answers: Answers::default() })
    }

    /// Whether a piece may go now, or must wait for an answer.
    pub(super) fn takes_content(&self) -> bool {
        match self {
            Self::Lines(_) => true,
            Self::Chunks(chunks) => chunks.pipelining || chunks.answers.owed == 0,
        }
    }

    /// Octets of content sent.
    pub(super) fn octets(&self) -> u64 {
        match self {
            Self::Lines(stuffer) => stuffer.octets(),
            Self::Chunks(chunks) => chunks.octets,
        }
    }

    /// What the peer owes when the content has ended. `Err`: it has not, for a chunk was refused.
    pub(super) fn ended(self) -> Result<Answers, Self> {
        match self {
            Self::Lines(_) => Ok(Answers::default()),
            Self::Chunks(chunks) if chunks.has_last => Ok(chunks.answers),
            refused @ Self::Chunks(_) => Err(refused),
        }
    }

    /// Appends a piece; nothing behind the end, nor behind a refused chunk.
    pub(super) fn piece(&mut self, piece: &[u8], out: &mut Out<'_>) {
        match self {
            Self::Lines(stuffer) => stuffer.content(piece, out.wire),
            Self::Chunks(chunks) => chunks.piece(piece, out),
        }
    }

    /// Ends the content, once: with its dot, or with the last chunk. A message of which a chunk was refused is
    /// not ended.
    pub(super) fn finish(&mut self, out: &mut Out<'_>) {
        match self {
            Self::Lines(stuffer) => stuffer.finish(out.wire),
            Self::Chunks(chunks) if chunks.is_open() => {
                chunks.has_last = true;
                send(out, |wire| wire.extend_from_slice(b"BDAT 0 LAST"));
            }
            Self::Chunks(_) => {}
        }
    }
}

impl Chunks {
    fn piece(&mut self, piece: &[u8], out: &mut Out<'_>) {
        if piece.is_empty() || !self.is_open() {
            return;
        }
        send(out, |wire| {
            // Writing to a Vec cannot fail.
            let _ = write!(wire, "BDAT {}", piece.len());
        });
        out.wire.extend_from_slice(piece);
        self.octets += piece.len() as u64;
        self.answers.owed += 1;
    }

    /// Whether the message may still become whole.
    fn is_open(&self) -> bool {
        !self.has_last && self.answers.refusal.is_none()
    }

    /// The refusal of a chunk, once nothing more will be answered: the message is over.
    pub(super) fn refused(&self) -> Option<Refusal> {
        let is_over = !self.has_last && self.answers.owed == 0;
        self.answers.refusal.clone().filter(|_| is_over)
    }
}

impl Answers {
    /// Takes the answer to a chunk before the last.
    ///
    /// # Errors
    /// The session cannot go on.
    pub(super) fn hear(&mut self, reply: Reply) -> Result<(), (FailureKind, Reply)> {
        match Answer::from(kept(reply)) {
            Answer::Yes(_) => {}
            Answer::No(refusal) => drop(self.refusal.get_or_insert(refusal)),
            Answer::Closing(refusal) => return Err((FailureKind::Closing, refusal.into())),
            Answer::GoOn(reply) => return Err((FailureKind::OutOfTurn, reply)),
        }
        self.owed -= 1;
        Ok(())
    }

    /// What a refused chunk decided for a recipient that was taken; `fate` where none was refused.
    pub(super) fn fate_or(&self, fate: Fate) -> Fate {
        let refused = |refusal: &Refusal| Fate::Refused { stage: Stage::Content, refusal: refusal.clone() };
        self.refusal.as_ref().map_or(fate, refused)
    }
}
