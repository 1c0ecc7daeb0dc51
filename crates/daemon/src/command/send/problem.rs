//! Why a conversation did not decide, or never began: the code to end with, and what to do about it.

use super::advice::advice;
use super::peer::Unreached;
use crate::exit::Exit;
use postrider_mail::{Class, Refusal};
use postrider_smtp::client::{Failure, FailureKind, Stage};

/// Why no conversation decided.
#[derive(Debug)]
pub(super) enum Problem {
    /// The named server could not be reached.
    Unreached(Unreached),
    /// DNS names no host that may be tried.
    NoWay(Refusal),
    /// None of the domain's hosts could be reached.
    NoneReached,
    /// The conversation failed; with several hosts, the last one's.
    Session(Failure),
}

impl Problem {
    /// How the command ends for it.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Unreached(unreached) => unreached.exit,
            Self::NoWay(refusal) if refusal.is_transient() => Exit::TempFail,
            Self::NoWay(refusal) => match refusal.reply().enhanced() {
                Some(enhanced) if (enhanced.subject(), enhanced.detail()) == (1, 2) => Exit::NoHost,
                _ => Exit::Unavailable,
            },
            Self::NoneReached => Exit::TempFail,
            Self::Session(failure) => exit_of(failure),
        }
    }
}

/// A host that speaks something else is a protocol error; what it refuses or breaks off is a refusal.
fn exit_of(failure: &Failure) -> Exit {
    let is_permanent = failure.reply.as_ref().is_some_and(|reply| reply.class() == Class::Permanent);
    match failure.kind {
        FailureKind::Malformed(_) | FailureKind::OutOfTurn => Exit::Protocol,
        FailureKind::Refused | FailureKind::Early if is_permanent => Exit::Unavailable,
        FailureKind::Refused
        | FailureKind::Early
        | FailureKind::Closing
        | FailureKind::Disconnected
        | FailureKind::TimedOut
        | FailureKind::Abandoned => Exit::TempFail,
    }
}

/// What to do about a failed conversation.
pub(super) fn failure_advice(failure: &Failure) -> Option<String> {
    if let Some(advice) = failure.reply.as_ref().and_then(advice) {
        return Some(advice.to_string());
    }
    let text = match (failure.kind, failure.stage) {
        (FailureKind::TimedOut, Stage::Greeting) => {
            "A host that says nothing may be busy, or may expect TLS from the start, as on port 465: this \
             command speaks plain text only."
        }
        (FailureKind::Malformed(_), Stage::Greeting) => {
            "What answers there is no mail server, or expects TLS from the start: check the port."
        }
        (FailureKind::Malformed(_) | FailureKind::OutOfTurn, _) => {
            "The host does not keep to the protocol: whoever runs it can mend that."
        }
        (FailureKind::Disconnected, Stage::Greeting) => {
            "The host takes no connection from here, or is shutting down. Trying again later may help."
        }
        _ => "Trying again later may help.",
    };
    Some(text.to_owned())
}
