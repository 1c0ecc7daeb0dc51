//! What became of the message, for people and for programs: a fate for each recipient, what it means, and
//! the code to end with.

use super::advice::{Advice, advice};
use super::conversation::Ended;
use super::peer::Unreached;
use super::show::Show;
use crate::exit::Exit;
use postrider_journal::render::LineKind;
use postrider_mail::{Class, ForwardPath, Reply};
use postrider_smtp::client::{Failure, FailureKind, Fate, Stage};
use serde_json::{Value, json};

/// The end of a message, as far as this command knows it.
#[derive(Debug)]
pub(super) struct Report<'a> {
    recipients: &'a [ForwardPath],
    /// As many as recipients.
    fates: Vec<Fate>,
    problem: Option<Problem>,
    /// What may harm the message on its way: sentences.
    warnings: Vec<String>,
}

/// Why the fates could not all be asked for.
#[derive(Debug)]
enum Problem {
    Unreached(Unreached),
    Session(Failure),
}

impl<'a> Report<'a> {
    /// After a conversation.
    pub(super) fn of(recipients: &'a [ForwardPath], ended: Ended, warnings: Vec<String>) -> Self {
        Self { recipients, fates: ended.fates, problem: ended.failure.map(Problem::Session), warnings }
    }

    /// Without one.
    pub(super) fn unreached(recipients: &'a [ForwardPath], why: Unreached) -> Self {
        let fates = vec![Fate::Undecided; recipients.len()];
        Self { recipients, fates, problem: Some(Problem::Unreached(why)), warnings: Vec::new() }
    }

    /// Whether every recipient's copy was accepted.
    pub(super) fn is_good(&self) -> bool {
        self.fates.iter().all(|fate| matches!(fate, Fate::Accepted(_)))
    }

    /// One refusal for good outweighs what may still be taken: sending the same again cannot mend all.
    pub(super) fn exit(&self) -> Exit {
        let refused_for_good =
            |fate: &Fate| matches!(fate, Fate::Refused { refusal, .. } if !refusal.is_transient());
        match &self.problem {
            _ if self.is_good() => Exit::Ok,
            _ if self.fates.iter().any(refused_for_good) => Exit::Unavailable,
            Some(problem) => problem.exit(),
            None => Exit::TempFail,
        }
    }

    /// Whether there was any conversation.
    pub(super) fn is_unreached(&self) -> bool {
        matches!(self.problem, Some(Problem::Unreached(_)))
    }

    /// Shows it below the conversation.
    pub(super) fn show(&self, show: &mut Show) {
        for (kind, mark, text) in self.lines() {
            show.remark(kind, mark, &text);
        }
    }

    /// The same without colours, for standard error.
    pub(super) fn plain(&self) -> String {
        self.lines().into_iter().map(|(_, _, text)| format!("postrider: {text}\n")).collect()
    }

    fn lines(&self) -> Vec<(LineKind, &'static str, String)> {
        let mut lines = Vec::new();
        if let Some(problem) = &self.problem {
            let (what, advice) = problem.words();
            lines.push((LineKind::Failed, "!!", what));
            lines.extend(advice.map(|advice| (LineKind::Note, "", advice)));
        }
        lines.extend(self.warnings.iter().map(|warning| (LineKind::Waiting, "--", warning.clone())));
        let mut explained = Vec::new();
        for (recipient, fate) in self.recipients.iter().zip(&self.fates) {
            let (kind, words) = fate_words(fate);
            lines.push((kind, "=>", format!("<{recipient}> {words}")));
            // What many recipients share is explained once.
            if let Some(advice) = fate_advice(fate).filter(|advice| !explained.contains(advice)) {
                lines.push((LineKind::Note, "", advice.to_string()));
                explained.push(advice);
            }
        }
        lines
    }

    /// For programs.
    pub(super) fn json(&self, server: &str, octets: usize, exit: u8) -> Value {
        let again = self.problem.as_ref().is_none_or(|problem| problem.exit() == Exit::TempFail);
        let recipients = self.recipients.iter().zip(&self.fates).map(|(recipient, fate)| {
            let reply = fate.reply();
            let advice = fate_advice(fate);
            json!({
                "recipient": recipient.to_string(),
                "fate": fate_name(fate),
                "stage": stage(fate).map(|stage| stage.to_string()),
                "reply": reply.map(ToString::to_string),
                "code": reply.map(|reply| reply.code().number()),
                "enhanced": reply.and_then(Reply::enhanced).map(|enhanced| enhanced.to_string()),
                "meaning": advice.map(|advice| advice.meaning),
                "who_can_mend": advice.map(|advice| advice.mender.to_string()),
                "remedy": advice.map(|advice| advice.remedy),
                "try_again": match fate {
                    Fate::Accepted(_) => false,
                    Fate::Refused { refusal, .. } => refusal.is_transient(),
                    Fate::AnotherTransaction(_) => true,
                    Fate::Undecided | Fate::LostAfterDot => again,
                },
            })
        });
        let (problem, advice) = self.problem.as_ref().map(Problem::words).unzip();
        json!({
            "server": server,
            "octets": octets,
            "recipients": recipients.collect::<Vec<_>>(),
            "warnings": self.warnings,
            "problem": problem,
            "advice": advice,
            "exit": exit,
        })
    }
}

impl Problem {
    fn exit(&self) -> Exit {
        match self {
            Self::Unreached(unreached) => unreached.exit,
            Self::Session(failure) => exit_of(failure),
        }
    }

    /// What happened, and what to do about it where that is not in the reply.
    fn words(&self) -> (String, Option<String>) {
        match self {
            Self::Unreached(unreached) => (unreached.what.clone(), Some(unreached.advice.clone())),
            Self::Session(failure) => (failure.to_string(), failure_advice(failure)),
        }
    }
}

/// A host that speaks something else is a protocol error; what it refuses or breaks off is a refusal.
fn exit_of(failure: &Failure) -> Exit {
    match (failure.kind, &failure.reply) {
        (FailureKind::Malformed(_) | FailureKind::OutOfTurn, _) => Exit::Protocol,
        (FailureKind::Refused, Some(reply)) if reply.class() == Class::Permanent => Exit::Unavailable,
        _ => Exit::TempFail,
    }
}

fn failure_advice(failure: &Failure) -> Option<String> {
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

fn fate_words(fate: &Fate) -> (LineKind, String) {
    match fate {
        Fate::Accepted(reply) => (LineKind::Done, format!("accepted: {reply}")),
        Fate::Refused { stage: Stage::Offer, refusal } => (LineKind::Refused, format!("not sent: {refusal}")),
        Fate::Refused { stage, refusal } if refusal.is_transient() => {
            (LineKind::Waiting, format!("not taken now, {stage}: {refusal}"))
        }
        Fate::Refused { stage, refusal } => (LineKind::Refused, format!("refused {stage}: {refusal}")),
        Fate::AnotherTransaction(refusal) => (LineKind::Waiting, format!("not taken now: {refusal}")),
        Fate::Undecided => (LineKind::Waiting, "not sent".into()),
        Fate::LostAfterDot => (
            LineKind::Failed,
            "perhaps accepted: the whole message was sent and no answer came; sending it again may bring it \
             twice"
                .into(),
        ),
    }
}

fn fate_name(fate: &Fate) -> &'static str {
    match fate {
        Fate::Accepted(_) => "accepted",
        Fate::Refused { refusal, .. } if refusal.is_transient() => "deferred",
        Fate::Refused { .. } => "refused",
        Fate::AnotherTransaction(_) => "deferred",
        Fate::Undecided => "unsent",
        Fate::LostAfterDot => "unknown",
    }
}

fn stage(fate: &Fate) -> Option<Stage> {
    match fate {
        Fate::Accepted(_) => Some(Stage::End),
        Fate::Refused { stage, .. } => Some(*stage),
        Fate::AnotherTransaction(_) => Some(Stage::Rcpt),
        Fate::Undecided | Fate::LostAfterDot => None,
    }
}

fn fate_advice(fate: &Fate) -> Option<Advice> {
    match fate {
        Fate::Accepted(_) | Fate::Undecided | Fate::LostAfterDot => None,
        Fate::Refused { .. } | Fate::AnotherTransaction(_) => fate.reply().and_then(advice),
    }
}
