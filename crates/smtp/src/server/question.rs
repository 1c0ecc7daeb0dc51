//! What the session asks, and the answers that are possible.
//!
//! A question owns its values, so its answer may be awaited after the input is given back. [`Asked`] is a
//! token of no size that its answer consumes: a question is answered once.

use crate::command::{MailFrom, RcptTo, Sought, TurnNode};
use crate::forward::Attributes;
use postrider_mail::{Greeting, Refusal, Reply, Text};
use std::marker::PhantomData;

/// A question to the driver, with the token that its answer needs.
#[derive(Debug)]
pub enum Question {
    /// A client has connected: greet it?
    Connect(Asked<Connect>),
    /// HELO, EHLO or LHLO.
    Hello(Asked<Hello>, Greeting),
    /// MAIL: begin a transaction?
    Mail(Asked<Mail>, MailFrom),
    /// RCPT: take this recipient?
    Rcpt(Asked<Rcpt>, RcptTo),
    /// DATA, with at least one recipient: open a draft?
    Open(Asked<Open>),
    /// The content has come whole: file the message.
    Close(Asked<Close>),
    /// VRFY
    Verify(Asked<Verify>, Sought),
    /// EXPN
    Expand(Asked<Expand>, Sought),
    /// ETRN: send now what waits for this host?
    Turn(Asked<Turn>, TurnNode),
    /// XCLIENT: is the peer from now on who it says it speaks for? An accepted one begins the session anew,
    /// with [`Question::Connect`].
    Xclient(Asked<Xclient>, Box<Attributes>),
    /// XFORWARD: is this who sent the next message?
    Xforward(Asked<Xforward>, Box<Attributes>),
}

/// Whether the client may go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Yes.
    Accept,
    /// Yes, with a 2yz reply in other words, such as 251. Only MAIL, RCPT and XFORWARD take them; elsewhere, and
    /// with a reply of another class, it is a plain yes.
    AcceptSaying(Box<Reply>),
    /// No; the session goes on.
    Refuse(Refusal),
    /// No, and the session ends.
    HangUp(Refusal),
}

/// What became of the message.
#[derive(Debug, PartialEq, Eq)]
pub enum Filed<R> {
    /// It is ours: here is the proof. For LMTP it holds for every accepted recipient, since one commit
    /// takes responsibility for all of them.
    Queued(R),
    /// It is not ours; the session goes on.
    Refused(Refusal),
    /// It is not ours, and the session ends.
    HangUp(Refusal),
}

/// The token of an open question.
#[derive(Debug)]
pub struct Asked<Q>(PhantomData<fn(Q)>);

impl<Q> Asked<Q> {
    pub(super) fn new() -> Self {
        Self(PhantomData)
    }
}

/// An answer, whatever its question was. Only this crate makes and reads one.
#[derive(Debug)]
pub struct Answer(pub(super) Answered);

#[derive(Debug)]
pub(super) enum Answered {
    Gate(Gate),
    /// The queue id as text: the proof itself was consumed.
    Queued(Text),
    Words(Reply),
}

mod sealed {
    pub trait Sealed {}
}

/// A question that takes an answer of one type.
pub trait Query<R>: sealed::Sealed + Sized {
    /// What answers it.
    type Answer;
    /// Consumes the token.
    #[doc(hidden)]
    fn answer(asked: Asked<Self>, answer: Self::Answer) -> Answer;
}

macro_rules! query {
    ($($(#[$doc:meta])* $name:ident: $answer:ty = $into:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub enum $name {}

        impl sealed::Sealed for $name {}

        impl<R> Query<R> for $name {
            type Answer = $answer;

            fn answer(_: Asked<Self>, answer: $answer) -> Answer {
                Answer($into(answer))
            }
        }
    )*};
}

query! {
    /// See [`Question::Connect`].
    Connect: Gate = Answered::Gate;
    /// See [`Question::Hello`].
    Hello: Gate = Answered::Gate;
    /// See [`Question::Mail`].
    Mail: Gate = Answered::Gate;
    /// See [`Question::Rcpt`].
    Rcpt: Gate = Answered::Gate;
    /// See [`Question::Open`].
    Open: Gate = Answered::Gate;
    /// See [`Question::Verify`]. The directory's policy words the reply (RFC 5321 §3.5).
    Verify: Reply = Answered::Words;
    /// See [`Question::Turn`]. The reply is one of RFC 1985 §5.3.
    Turn: Reply = Answered::Words;
    /// See [`Question::Xclient`].
    Xclient: Gate = Answered::Gate;
    /// See [`Question::Xforward`].
    Xforward: Gate = Answered::Gate;
    /// See [`Question::Expand`]. The directory's policy words the reply (RFC 5321 §3.5).
    Expand: Reply = Answered::Words;
}

/// See [`Question::Close`].
#[derive(Debug)]
pub enum Close {}

impl sealed::Sealed for Close {}

impl<R: std::fmt::Display> Query<R> for Close {
    type Answer = Filed<R>;

    fn answer(_: Asked<Self>, filed: Filed<R>) -> Answer {
        Answer(match filed {
            Filed::Queued(proof) => Answered::Queued(Text::clean(&proof.to_string())),
            Filed::Refused(refusal) => Answered::Gate(Gate::Refuse(refusal)),
            Filed::HangUp(refusal) => Answered::Gate(Gate::HangUp(refusal)),
        })
    }
}
