//! What the journal knows of the attempts at a message, as a notice tells it.

use postrider_journal::event::{Ending, HostResult, HostTried, Speaker};
use postrider_journal::{Event, Query, Reader, Story, Subject, What};
use postrider_mail::dsn::Said;
use postrider_mail::limits::NOTICE_LINES_MAX;
use postrider_mail::{Mailbox, QueueId, Reply, Text, UnixMillis};

/// Stories of one message that are looked at, the newest: an attempt each.
const STORIES_MAX: usize = 40;

/// The attempts at one message, oldest first.
pub(super) struct Account {
    attempts: Vec<Story>,
}

impl Account {
    /// What is known. Nothing where the journal cannot be read: a notice does not depend on it. Blocks.
    pub(super) fn of(reader: &Reader, id: QueueId) -> Self {
        let mut attempts = match reader.find(&Query::queue(id).at_most(STORIES_MAX)) {
            Ok(found) => found.stories,
            Err(error) => {
                tracing::warn!(%id, %error, "a notice is written without what was tried");
                Vec::new()
            }
        };
        attempts.retain(|story| matches!(story.subject(), Subject::Attempt(_)));
        attempts.reverse();
        Self { attempts }
    }

    /// What was tried for a recipient, the last of it: a line for each host, and for each answer.
    pub(super) fn tried(&self, recipient: &Mailbox) -> Vec<Text> {
        let mut lines = Vec::new();
        for story in self.attempts_for(recipient) {
            for event in story.events() {
                let at = story.at(event.at_ms);
                match &event.what {
                    What::Host(tried) => lines.push(host(at, tried)),
                    What::Fate(fate) if fate.recipient == *recipient => {
                        let became = match fate.ending {
                            Ending::Deferred => "not now",
                            Ending::Failed => "no",
                            _ => "yes",
                        };
                        lines.push(Text::from(format!("{}: {became}: {}", at.rfc5322(), fate.reply)));
                    }
                    _ => {}
                }
            }
        }
        lines.split_off(lines.len().saturating_sub(NOTICE_LINES_MAX))
    }

    /// The command that was answered so in the last attempt, and the answer.
    pub(super) fn dialogue(&self, recipient: &Mailbox, reply: &Reply) -> Vec<Said> {
        let Some(story) = self.attempts_for(recipient).last() else { return Vec::new() };
        let code = reply.code().to_string();
        let mut turns = turns(story.events());
        turns.retain(|turn| turn.answer.last().is_some_and(|line| line.as_str().starts_with(&code)));
        let names_it = format!("<{recipient}>");
        let is_named =
            |turn: &&Turn<'_>| turn.command.is_some_and(|command| command.as_str().contains(&names_it));
        let Some(turn) = turns.iter().rev().find(is_named).or(turns.last()) else { return Vec::new() };
        let command = turn.command.cloned().map(Said::Ours);
        let answer = turn.answer.iter().map(|line| Said::Theirs((*line).clone()));
        command.into_iter().chain(answer).take(NOTICE_LINES_MAX).collect()
    }

    fn attempts_for(&self, recipient: &Mailbox) -> impl Iterator<Item = &Story> {
        self.attempts.iter().filter(move |story| {
            story
                .events()
                .iter()
                .any(|event| matches!(&event.what, What::Fate(fate) if fate.recipient == *recipient))
        })
    }
}

fn host(at: UnixMillis, tried: &HostTried) -> Text {
    let result = match tried.result {
        HostResult::Connected => "connected to",
        HostResult::Reused => "on an open connection to",
        HostResult::PassedOver => "passed over",
        HostResult::Failed => "tried",
    };
    let mut line = format!("{}: {result} {}", at.rfc5322(), tried.host);
    if let Some(address) = tried.address {
        line.push_str(&format!(" at {address}"));
    }
    if tried.result == HostResult::Failed {
        line.push_str(", and failed");
    }
    if let (HostResult::PassedOver | HostResult::Failed, Some(why)) = (tried.result, &tried.why) {
        line.push_str(&format!(": {why}"));
    }
    line.into()
}

/// A command and its answer. The greeting answers no command.
#[derive(Debug, Default)]
struct Turn<'a> {
    command: Option<&'a Text>,
    answer: Vec<&'a Text>,
}

/// The turns of a conversation. With pipelining answers come later, in the order of their commands; the end
/// of the content is a command that nobody wrote down.
fn turns(events: &[Event]) -> Vec<Turn<'_>> {
    let mut turns: Vec<Turn<'_>> = Vec::new();
    let mut answered = 0;
    for event in events {
        match &event.what {
            // A new host: what it was still to answer before, it will not.
            What::Host(_) => answered = turns.len(),
            What::Said { who: Speaker::Ours, text } => {
                turns.push(Turn { command: Some(text), answer: Vec::new() });
            }
            What::Content { .. } => turns.push(Turn::default()),
            What::Said { who: Speaker::Theirs, text } => {
                if answered == turns.len() {
                    turns.push(Turn::default());
                }
                turns[answered].answer.push(text);
                answered += usize::from(text.as_str().as_bytes().get(3) != Some(&b'-'));
            }
            _ => {}
        }
    }
    turns
}

#[cfg(test)]
mod tests;
