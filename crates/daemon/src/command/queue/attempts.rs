//! What was tried for one message, as the journal remembers it: hosts, addresses, answers; and that it was
//! given up, where no last try was made.

use super::{misunderstood, words};
use crate::command::Failure;
use crate::command::control::Control;
use postrider_control::{Answer, Command};
use postrider_journal::event::{Attempt, Event, HostResult, HostTried, What};
use postrider_journal::{Story, Subject, render};
use postrider_mail::{QueueId, Text, UnixMillis};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Attempts that are shown of one message, the newest.
const ATTEMPTS_SHOWN_MAX: usize = 10;

/// Lines that are shown of one attempt.
const LINES_SHOWN_MAX: usize = 20;

/// The attempts of a message, oldest first.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    stories: Vec<Story>,
    /// What the server decided without a try, oldest first.
    given_up: Vec<Story>,
    /// There were earlier ones.
    has_more: bool,
    /// What the journal could not tell, in sentences.
    remarks: Vec<Text>,
}

impl Attempts {
    /// Asks the journal. That it cannot tell is no reason to say nothing of the message.
    pub(super) fn of(id: QueueId, control: &Control) -> Result<Self, Failure> {
        // One story is the session's, one tells whether there are more.
        let limit = ATTEMPTS_SHOWN_MAX + 2;
        match control.ask(&Command::Trace { what: Text::from(id.to_string()), limit }) {
            Ok(Answer::Stories { stories, remarks }) => Ok(Self::from_stories(stories, remarks)),
            Ok(_) => Err(misunderstood()),
            Err(Failure::Said(_, why)) => {
                let remark = Text::from(format!("what was tried cannot be told: {why}"));
                Ok(Self { remarks: vec![remark], ..Self::default() })
            }
            Err(failure) => Err(failure),
        }
    }

    /// From stories, newest first, of whatever kind.
    pub(super) fn from_stories(stories: Vec<Story>, remarks: Vec<Text>) -> Self {
        let (mut stories, mut given_up): (Vec<Story>, Vec<Story>) = stories
            .into_iter()
            .filter(|story| matches!(story.subject(), Subject::Attempt(_)) || is_given_up(story))
            .partition(|story| matches!(story.subject(), Subject::Attempt(_)));
        let has_more = stories.len() > ATTEMPTS_SHOWN_MAX;
        stories.truncate(ATTEMPTS_SHOWN_MAX);
        stories.sort_by_key(Story::started_at);
        given_up.sort_by_key(Story::started_at);
        Self { stories, given_up, has_more, remarks }
    }

    /// A block for each, below a heading; nothing where nothing was tried.
    pub(super) fn described(&self, id: QueueId, now: UnixMillis) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = match self.stories.len() {
            0 => Ok(()),
            shown if self.has_more => {
                writeln!(text, "\nThe last {shown} attempts; `postrider trace {id} --limit N` tells more")
            }
            all => writeln!(text, "\n{}", words::count(all as u64, "attempt")),
        };
        for story in &self.stories {
            describe(story, now, &mut text);
        }
        for story in &self.given_up {
            let at = story.started_at();
            let _ = writeln!(text, "\nGiven up without another try: {at}, {}", words::ago(at, now));
            describe_results(story, &mut text);
        }
        for remark in &self.remarks {
            let _ = writeln!(text, "\n{remark}");
        }
        text
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        self.stories.iter().chain(&self.given_up).map(attempt_json).collect()
    }
}

/// Whether the server tells of recipients that it gave up: whatever else it tells, fates are told by attempts.
fn is_given_up(story: &Story) -> bool {
    let has_fate = story.events().iter().any(|event| matches!(event.what, What::Fate(_)));
    story.subject() == Subject::Server && has_fate
}

/// When, where to, and what came of it; the dialogue is `postrider trace`'s to tell.
fn describe(story: &Story, now: UnixMillis, text: &mut String) {
    let at = story.started_at();
    // Writing to a String cannot fail.
    let _ = write!(text, "  {at}, {}", words::ago(at, now));
    if let Some(attempt) = attempt(story) {
        let _ = write!(text, ", to {}", attempt.host);
    }
    let id = story.subject().to_string();
    let _ = writeln!(text, " (postrider trace {})", id.trim_start_matches("attempt "));
    describe_results(story, text);
}

fn describe_results(story: &Story, text: &mut String) {
    let lines = render::lines(story).skip(1).zip(results(story));
    let mut lines = lines.filter_map(|(line, is_result)| is_result.then_some(line.text));
    for line in lines.by_ref().take(LINES_SHOWN_MAX) {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "      {line}");
    }
    match lines.count() {
        0 => {}
        more => {
            let _ = writeln!(text, "      … and {}", words::count(more as u64, "line"));
        }
    }
}

/// Whether each of the events is shown: results are, and of a host its last word.
fn results(story: &Story) -> impl Iterator<Item = bool> + '_ {
    let events = story.events();
    events.iter().enumerate().map(|(at, event)| match &event.what {
        What::Host(tried) => !has_failed(tried, &events[at + 1..]),
        what => is_result(what),
    })
}

/// Whether a host to which there was a connection failed after all.
fn has_failed(tried: &HostTried, later: &[Event]) -> bool {
    matches!(tried.result, HostResult::Connected | HostResult::Reused)
        && later.iter().any(|event| match &event.what {
            What::Host(again) => {
                again.result == HostResult::Failed
                    && (&again.host, again.address) == (&tried.host, tried.address)
            }
            _ => false,
        })
}

/// Whether it says where the message went, or what came of that.
fn is_result(what: &What) -> bool {
    match what {
        What::Host(_)
        | What::Fate(_)
        | What::Delivered { .. }
        | What::Notice(_)
        | What::Unreported { .. }
        | What::Note { .. } => true,
        What::Said { .. }
        | What::Content { .. }
        | What::Verdict(_)
        | What::Accepted(_)
        | What::Attempt(_)
        | What::Command { .. }
        | What::Lost { .. }
        | What::Closed { .. }
        | What::Unknown { .. } => false,
    }
}

fn attempt(story: &Story) -> Option<&Attempt> {
    story.events().iter().find_map(|event| match &event.what {
        What::Attempt(attempt) => Some(&**attempt),
        _ => None,
    })
}

fn attempt_json(story: &Story) -> Value {
    let attempt = attempt(story);
    let all = |wanted: fn(&What) -> Option<Value>| -> Value {
        let shown = story.events().iter().zip(results(story)).filter(|(_, is_result)| *is_result);
        shown.filter_map(|(event, _)| wanted(&event.what)).collect()
    };
    json!({
        "id": story.subject().to_string().strip_prefix("attempt "),
        "started_at": story.started_at(),
        "to": attempt.map(|attempt| &attempt.host),
        "number": attempt.map(|attempt| attempt.number).filter(|&number| number > 0),
        "hosts": all(|what| if let What::Host(tried) = what { serde_json::to_value(tried).ok() } else { None }),
        "fates": all(|what| if let What::Fate(fate) = what { serde_json::to_value(fate).ok() } else { None }),
        "notes": all(|what| if let What::Note { text } = what { Some(json!(text)) } else { None }),
    })
}
