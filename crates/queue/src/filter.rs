//! Which messages a listing or an operator's command means.

use crate::entry::{RouteKey, State};
use crate::view::{RecipientView, View};
use postrider_mail::{QueueId, Text, UnixMillis};
use serde::{Deserialize, Serialize};

/// Which messages are meant. Every field that is given must agree; none given means all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// This one.
    pub id: Option<QueueId>,
    /// Part of the reverse-path, any case; empty: the null path.
    pub sender: Option<String>,
    /// Part of the Message-ID.
    pub message_id: Option<String>,
    /// Held, or not.
    pub held: Option<bool>,
    /// Came before this moment.
    pub received_before: Option<UnixMillis>,
    /// Came at this moment or later.
    pub received_after: Option<UnixMillis>,
    /// Part of a recipient's address, any case.
    pub recipient: Option<String>,
    /// A recipient under this key.
    pub key: Option<RouteKey>,
    /// A recipient in this state.
    pub state: Option<State>,
    /// A recipient about whom a notice is owed, or none such.
    pub owing: Option<bool>,
}

impl Filter {
    /// One message.
    pub fn of(id: QueueId) -> Self {
        Self { id: Some(id), ..Self::default() }
    }

    pub(crate) fn takes_message(&self, view: &View) -> bool {
        let sender = self.sender.as_deref().is_none_or(|part| {
            if part.is_empty() {
                view.reverse_path.is_empty()
            } else {
                contains(view.reverse_path.as_str(), part)
            }
        });
        let id = view.message_id.as_ref().map_or("", Text::as_str);
        sender
            && self.message_id.as_deref().is_none_or(|part| contains(id, part))
            && self.held.is_none_or(|held| held == view.held.is_some())
            && self.received_before.is_none_or(|before| view.received_at < before)
            && self.received_after.is_none_or(|after| view.received_at >= after)
    }

    pub(crate) fn asks_recipients(&self) -> bool {
        self.recipient.is_some() || self.key.is_some() || self.state.is_some() || self.owing.is_some()
    }

    /// One recipient has all that is asked; `owing: false` asks it of every one.
    pub(crate) fn takes_recipients(&self, recipients: &[RecipientView]) -> bool {
        if self.owing == Some(false) && recipients.iter().any(|recipient| recipient.owed.is_some()) {
            return false;
        }
        recipients.iter().any(|recipient| {
            self.recipient.as_deref().is_none_or(|part| contains(recipient.address.as_str(), part))
                && self.key.as_ref().is_none_or(|key| key.as_str() == recipient.key.as_str())
                && self.state.is_none_or(|state| recipient.state == Some(state))
                && (self.owing != Some(true) || recipient.owed.is_some())
        })
    }
}

fn contains(text: &str, part: &str) -> bool {
    Part::new(part).is_in(text)
}

/// A part of a text, in any case.
#[derive(Debug)]
pub(crate) struct Part {
    lower: String,
}

impl Part {
    pub(crate) fn new(part: &str) -> Self {
        Self { lower: part.to_lowercase() }
    }

    /// Without a copy where both are ASCII, as they nearly always are.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        if !(text.is_ascii() && self.lower.is_ascii()) {
            return text.to_lowercase().contains(&self.lower);
        }
        let (text, part) = (text.as_bytes(), self.lower.as_bytes());
        part.is_empty() || text.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_found_in_any_case_and_script() {
        for (text, part) in [("Bob@Y.Example", "b@y."), ("JÖRG@x", "jörg"), ("jörg@x", "JÖRG"), ("a", "")]
        {
            assert!(contains(text, part), "{text} {part}");
        }
        for (text, part) in [("bob@y.example", "b@z"), ("a", "aa"), ("", "a"), ("jorg@x", "jörg")] {
            assert!(!contains(text, part), "{text} {part}");
        }
    }
}
