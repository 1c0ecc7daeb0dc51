//! Fates in words of our own, for what no reply of another host decides.

use postrider_mail::{Code, Enhanced, Refusal, Reply, Text};
use postrider_queue::{Fate, Outcome};
use postrider_smtp::client::{Failure, FailureKind, Stage};

/// Who answers where no other host does: this agent.
pub(super) const OURSELVES: &str = "remote";

/// A fate of our own making.
pub(crate) fn own_fate(outcome: Outcome, code: u16, enhanced: (u8, u16, u16), text: impl Into<Text>) -> Fate {
    let reply = Reply::new(Code::of(code), Enhanced::of(enhanced.0, enhanced.1, enhanced.2), text);
    Fate::new(outcome, reply, OURSELVES)
}

/// What a failed session means for a recipient when no other host is left to ask. A host that refuses to
/// serve us is quoted, and a 5yz at its greeting or at EHLO is final; all else may pass.
pub(crate) fn fate_of(failure: &Failure, mta: &Text) -> Fate {
    let refusal = match failure.kind {
        FailureKind::Refused | FailureKind::Closing => failure.reply.clone(),
        _ => None,
    };
    match refusal.and_then(|reply| Refusal::try_from(reply).ok()) {
        Some(refusal) if refusal.is_transient() => Fate::new(Outcome::Deferred, refusal.into(), mta.clone()),
        Some(refusal) if matches!(failure.stage, Stage::Greeting | Stage::Hello) => {
            Fate::new(Outcome::Failed, refusal.into(), mta.clone())
        }
        _ => {
            let enhanced = match failure.kind {
                // Bad connection, and other troubles of the protocol (RFC 3463 §3.5, §3.6).
                FailureKind::Disconnected | FailureKind::TimedOut | FailureKind::Closing => (4, 4, 2),
                FailureKind::Malformed(_)
                | FailureKind::OutOfTurn
                | FailureKind::Early
                | FailureKind::Refused => (4, 5, 0),
                FailureKind::Abandoned => (4, 3, 0),
            };
            own_fate(Outcome::Deferred, 451, enhanced, format!("{mta}: {failure}"))
        }
    }
}

/// The fate of a recipient whose message may have arrived (RFC 1047).
pub(super) fn lost(mta: &Text) -> Fate {
    let why = format!("{mta}: the connection was lost before the answer to the content; it may arrive twice");
    own_fate(Outcome::Deferred, 451, (4, 4, 2), why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider_smtp::reply::Malformed;

    fn fate(stage: Stage, kind: FailureKind, reply: Option<(u16, &str)>) -> Fate {
        let reply = reply.map(|(code, text)| Reply::new(Code::of(code), None, text));
        fate_of(&Failure { stage, kind, reply, fates: Vec::new() }, &"mx.example [192.0.2.1]".into())
    }

    #[test]
    fn a_host_that_turns_us_away_is_quoted() {
        use FailureKind::{Closing, Refused};
        for (stage, kind, code, outcome) in [
            (Stage::Greeting, Refused, 554, Outcome::Failed),
            (Stage::Hello, Refused, 550, Outcome::Failed),
            (Stage::Greeting, Refused, 450, Outcome::Deferred),
            (Stage::Rcpt, Closing, 421, Outcome::Deferred),
        ] {
            let fate = fate(stage, kind, Some((code, "no")));
            assert_eq!((fate.outcome, fate.reply.code().number()), (outcome, code));
            assert_eq!(
                (fate.reply.to_string(), fate.mta.as_str()),
                (format!("{code} no"), "mx.example [192.0.2.1]")
            );
        }
    }

    #[test]
    fn what_no_host_said_is_said_by_us() {
        for (stage, kind, reply, expected) in [
            (
                Stage::Mail,
                FailureKind::Disconnected,
                None,
                "451 4.4.2 mx.example [192.0.2.1]: at MAIL: the connection was closed",
            ),
            (
                Stage::Greeting,
                FailureKind::Malformed(Malformed::NoCode),
                None,
                "451 4.5.0 mx.example [192.0.2.1]: at the greeting: a line of the reply does not begin with a reply code",
            ),
            (
                Stage::Reset,
                FailureKind::Refused,
                Some((502, "what?")),
                "451 4.5.0 mx.example [192.0.2.1]: at RSET: the host refuses to serve us: 502 what?",
            ),
        ] {
            let fate = fate(stage, kind, reply);
            assert_eq!((fate.outcome, fate.reply.to_string().as_str()), (Outcome::Deferred, expected));
            assert_eq!(fate.mta.as_str(), OURSELVES);
        }
    }
}
