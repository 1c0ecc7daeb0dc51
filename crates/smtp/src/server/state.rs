//! Where a conversation stands. Data lives in its state; a transaction ends with the state that holds it.

use super::chunks::{Arriving, Chunks};
use super::content::Incoming;
use crate::command::Chunk;
use postrider_mail::{Greeting, Protocol};
use std::time::Instant;

/// Where the conversation stands.
#[derive(Debug)]
pub(super) enum State {
    /// Nothing has been said to this peer; `Connect` is to be asked.
    Fresh,
    /// A command is read.
    Command(Phase),
    /// A question is open; nothing is read.
    Asked(Pending),
    /// Content is read, behind DATA.
    Content(Transaction, Incoming),
    /// The octets are read that BDAT announced.
    Chunk(Arriving),
    /// A transaction has ended; the driver is to hear of it, then commands go on.
    Over,
    /// EHLO was understood and is to be asked about.
    HelloNext(Box<Greeting>),
    /// Nothing more is read or said.
    Ended,
}

/// Where commands are read.
#[derive(Debug)]
pub(super) enum Phase {
    /// Before HELO, EHLO or LHLO was accepted.
    Stranger,
    /// Between transactions.
    Greeted,
    /// Behind a refused MAIL: RCPT, DATA and BDAT that were pipelined with it are no errors of the client's.
    MailRefused,
    /// Behind an accepted MAIL.
    Open(Transaction),
    /// Between two chunks of content.
    Chunks(Transaction, Box<Chunks>),
}

/// The open question, with what is to be gone on with.
#[derive(Debug)]
pub(super) enum Pending {
    Connect,
    /// The dialect its command chose, and the phase to stay in when it is refused.
    Hello(Protocol, bool),
    Mail(Announced),
    Rcpt(Transaction),
    Open(Transaction),
    /// The first chunk, whose octets come whatever the answer.
    Chunk(Transaction, Chunk),
    Close(Transaction),
    LookUp(Phase),
    Xclient(Phase),
    Xforward(Phase),
}

/// What MAIL said of the transaction's octets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Announced {
    /// SMTPUTF8: its commands may hold UTF-8.
    pub(super) smtputf8: bool,
    /// BODY=BINARYMIME: its content has no lines.
    pub(super) binary: bool,
}

/// A mail transaction (RFC 5321 §3.3): born at an accepted MAIL, gone with its state.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transaction {
    pub(super) announced: Announced,
    /// Recipients accepted.
    pub(super) accepted: u32,
    /// Recipients refused for being too many.
    pub(super) surplus: u32,
    /// When it ends, however lively.
    pub(super) deadline: Instant,
}

impl State {
    /// When the open transaction ends, however lively; or what a passed-over chunk is waited for.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Command(Phase::Open(transaction) | Phase::Chunks(transaction, _))
            | Self::Content(transaction, _) => Some(transaction.deadline),
            Self::Chunk(arriving) => Some(arriving.deadline()),
            _ => None,
        }
    }

    /// Whether no transaction is open and no question.
    pub(super) fn is_idle(&self) -> bool {
        matches!(
            self,
            Self::Fresh | Self::Over | Self::Command(Phase::Stranger | Phase::Greeted | Phase::MailRefused)
        )
    }
}
