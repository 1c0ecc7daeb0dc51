//! Verdicts: what was decided, and why.

use postrider_mail::{Code, Enhanced, Reason, Refusal, Text};

/// What happens to what was asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is taken.
    Accept,
    /// It is refused with this reply; the session goes on.
    Refuse(Refusal),
    /// It is refused with this reply, and the session ends.
    Disconnect(Refusal),
}

/// A decision and its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What happens.
    pub decision: Decision,
    /// Which check decided, and what it saw.
    pub reason: Reason,
}

impl Verdict {
    /// Taken, because.
    pub fn accept(check: &'static str, why: impl Into<Text>) -> Self {
        Self { decision: Decision::Accept, reason: Reason::new(check, why) }
    }

    /// Refused with a reply for the client, because.
    pub fn refuse(
        check: &'static str,
        why: impl Into<Text>,
        code: Code,
        enhanced: Enhanced,
        reply: impl Into<Text>,
    ) -> Self {
        let refusal = Refusal::of(code, enhanced, reply);
        Self { decision: Decision::Refuse(refusal), reason: Reason::new(check, why) }
    }
}
