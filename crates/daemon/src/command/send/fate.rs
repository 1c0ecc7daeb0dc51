//! What became of one recipient, for people and for programs.

use super::advice::{Advice, advice};
use postrider_journal::render::LineKind;
use postrider_mail::{ForwardPath, Reply};
use postrider_smtp::client::{Fate, Stage};
use serde_json::{Value, json};

/// For programs; `again`: whether what is undecided may be tried again.
pub(super) fn json(recipient: &ForwardPath, fate: &Fate, again: bool) -> Value {
    let reply = fate.reply();
    let advice = fate_advice(fate);
    json!({
        "recipient": recipient.to_string(),
        "fate": name(fate),
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
}

/// For people.
pub(super) fn words(fate: &Fate) -> (LineKind, String) {
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

fn name(fate: &Fate) -> &'static str {
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

/// What to make of a refusal.
pub(super) fn fate_advice(fate: &Fate) -> Option<Advice> {
    match fate {
        Fate::Accepted(_) | Fate::Undecided | Fate::LostAfterDot => None,
        Fate::Refused { .. } | Fate::AnotherTransaction(_) => fate.reply().and_then(advice),
    }
}
