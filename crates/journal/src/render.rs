//! A story as people read it, in plain text: a heading, then a line per event with the time since the start.
//!
//! ```text
//! session 38g4gvap40001 with 192.0.2.7:2525, 2026-11-22T18:31:15.042Z
//!   +0.000s  S: 220 mx.example.org ESMTP Postrider
//!   +0.012s  C: MAIL FROM:<a@client.example>
//!   +0.013s  S: 250 2.1.0 <a@client.example> may send
//! ```
//!
//! An attempt reads the same way, with this host as the client: which hosts were tried or passed over, what
//! was said, what became of each recipient and when it is tried again.
//!
//! Every line has a kind, so that a terminal can colour it; the text itself holds no control characters.

use crate::event::{
    Accepted, Attempt, Decision, Ending, Event, Fate, HostResult, HostTried, Notice, Speaker, Told, Verdict,
    What,
};
use crate::story::{LeftOut, Story, Subject};
use postrider_mail::{Peer, ReversePath, UnixMillis};
use std::fmt;
use std::time::Duration;

/// What a line is, for colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LineKind {
    /// The head of a story.
    Heading,
    /// What this host said.
    Ours,
    /// What the other end said.
    Theirs,
    /// Content passed by.
    Content,
    /// A check agreed.
    Agreed,
    /// A check did not agree.
    Refused,
    /// Something was done: accepted, delivered, relayed, commanded.
    Done,
    /// Something has to wait, or is on its way.
    Waiting,
    /// Something failed or is lost.
    Failed,
    /// Anything else: notes, the end, what is left out.
    Note,
}

/// One line. `Display` prints it with its time, without a line end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What it is.
    pub kind: LineKind,
    /// Milliseconds since the start of the story; the heading and remarks have none.
    pub at_ms: Option<u32>,
    /// What stands before the text: `C:`, `S:`, `->` for a verdict, `=>` for an outcome.
    pub mark: &'static str,
    /// The text.
    pub text: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at_ms {
            Some(at_ms) => {
                let time = format!("+{}.{:03}s", at_ms / 1000, at_ms % 1000);
                write!(f, "{time:>10}  {:<2} {}", self.mark, self.text)
            }
            None if self.kind == LineKind::Heading => f.write_str(&self.text),
            None => write!(f, "{:>10}  {:<2} {}", "", self.mark, self.text),
        }
    }
}

/// All lines of a story.
pub fn lines(story: &Story) -> impl Iterator<Item = Line> + '_ {
    let subject = story.subject();
    let mut before: Option<&Fate> = None;
    let events = story.events().iter().map(move |event| {
        let fate = if let What::Fate(fate) = &event.what { Some(&**fate) } else { None };
        let before = std::mem::replace(&mut before, fate);
        match (before, fate) {
            (Some(before), Some(fate)) if is_the_same(before, fate) => {
                let (kind, ending) = ending(fate.ending);
                let text = format!("<{}> {ending}: the same", fate.recipient);
                Line { kind, at_ms: Some(event.at_ms), mark: "=>", text }
            }
            (_, Some(fate)) => {
                let (kind, mark, text) = fate_words(fate, Some(story.at(event.at_ms)));
                Line { kind, at_ms: Some(event.at_ms), mark, text }
            }
            (_, None) => line(subject, event),
        }
    });
    std::iter::once(heading(story)).chain(events).chain(left_out(story.left_out()))
}

/// Whether two recipients had the same answer: what a hundred share is told once.
fn is_the_same(one: &Fate, other: &Fate) -> bool {
    one.id == other.id
        && one.ending == other.ending
        && one.next_attempt == other.next_attempt
        && one.reply == other.reply
}

/// The line of one event, for a conversation that is shown while it happens.
pub fn line(subject: Subject, event: &Event) -> Line {
    let (kind, mark, text) = words(subject, &event.what);
    Line { kind, at_ms: Some(event.at_ms), mark, text }
}

fn heading(story: &Story) -> Line {
    let mut text = story.subject().to_string();
    if let Some(peer) = story.peer() {
        text.push_str(&format!(" with {}", Peer::shown(peer)));
    }
    text.push_str(&format!(", {}", story.started_at()));
    Line { kind: LineKind::Heading, at_ms: None, mark: "", text }
}

fn words(subject: Subject, what: &What) -> (LineKind, &'static str, String) {
    match what {
        What::Said { who, text } => said(subject, *who, text.as_str()),
        What::Content { octets } => {
            (LineKind::Content, "C:", format!("({} of content)", count(*octets, "octet")))
        }
        What::Verdict(verdict) => decided(verdict),
        What::Accepted(accepted) => (LineKind::Done, "=>", accepted_words(accepted)),
        What::Attempt(attempt) => (LineKind::Waiting, "=>", attempt_words(attempt)),
        What::Host(tried) => host_words(tried),
        What::Fate(fate) => fate_words(fate, None),
        What::Delivered { recipient, file } => {
            (LineKind::Done, "=>", format!("<{recipient}> delivered to {file}"))
        }
        What::Notice(notice) => (LineKind::Done, "=>", notice_words(notice)),
        What::Unreported { id, recipient, reason } => {
            (LineKind::Failed, "=>", format!("{id} <{recipient}> ended, and no notice is sent ({reason})"))
        }
        What::Command { who, text } => (LineKind::Done, "=>", format!("{who}: {text}")),
        What::Lost { stories, why } => (
            LineKind::Failed,
            "!!",
            format!("{} could not be kept: {why}", count_of(*stories, "story", "stories")),
        ),
        What::Note { text } => (LineKind::Note, "--", text.to_string()),
        What::Closed { why } => (LineKind::Note, "--", format!("closed: {why}")),
        What::Unknown { text } => (LineKind::Note, "??", format!("written by a newer version: {text}")),
    }
}

/// In a session the other end is the client; in an attempt this host is.
fn said(subject: Subject, who: Speaker, text: &str) -> (LineKind, &'static str, String) {
    let we_are_client = matches!(subject, Subject::Attempt(_));
    let mark = if (who == Speaker::Ours) == we_are_client { "C:" } else { "S:" };
    let kind = if who == Speaker::Ours { LineKind::Ours } else { LineKind::Theirs };
    (kind, mark, text.to_owned())
}

fn decided(verdict: &Verdict) -> (LineKind, &'static str, String) {
    let (kind, decision) = match verdict.decision {
        Decision::Accept => (LineKind::Agreed, "accept"),
        Decision::Junk => (LineKind::Waiting, "mark as junk"),
        Decision::Hold => (LineKind::Waiting, "hold"),
        Decision::Discard => (LineKind::Refused, "discard"),
        Decision::Refuse => (LineKind::Refused, "refuse"),
        Decision::Disconnect => (LineKind::Refused, "hang up"),
    };
    (kind, "->", format!("{decision} {} ({})", verdict.question, verdict.reason))
}

fn accepted_words(accepted: &Accepted) -> String {
    let Accepted { id, reverse_path, recipients, recipients_unlisted, message_id, octets } = accepted;
    let mut text = format!("accepted as {id}: {}, from {}", count(*octets, "octet"), path(reverse_path));
    for (at, recipient) in recipients.iter().enumerate() {
        text.push_str(if at == 0 { " for " } else { ", " });
        text.push_str(&format!("<{recipient}>"));
    }
    if *recipients_unlisted > 0 {
        text.push_str(&format!(" and {recipients_unlisted} more"));
    }
    if let Some(message_id) = message_id {
        text.push_str(&format!(", Message-ID {message_id}"));
    }
    text
}

fn notice_words(notice: &Notice) -> String {
    let Notice { about, id, to, told, recipients } = notice;
    let what = match told {
        Told::Failure => "not delivered",
        Told::Delay => "delayed",
        Told::Success => "delivered or passed on",
    };
    let whom = count_of((*recipients).into(), "recipient", "recipients");
    format!("notice {id} to <{to}> about {about}: {what} to {whom}")
}

fn path(reverse_path: &ReversePath) -> String {
    format!("<{reverse_path}>")
}

fn attempt_words(attempt: &Attempt) -> String {
    let mut text = format!("{} to {}", attempt.id, attempt.host);
    if let Some(address) = attempt.address {
        text.push_str(&format!(" at {address}"));
    }
    if attempt.number > 1 {
        text.push_str(&format!(", attempt {}", attempt.number));
    }
    text
}

fn host_words(tried: &HostTried) -> (LineKind, &'static str, String) {
    let (kind, result) = match tried.result {
        HostResult::Connected => (LineKind::Agreed, "connected to"),
        HostResult::Reused => (LineKind::Agreed, "on the open connection to"),
        HostResult::PassedOver => (LineKind::Waiting, "passed over"),
        HostResult::Failed => (LineKind::Waiting, "tried"),
    };
    let mut text = match tried.address {
        // A literal says the address already.
        Some(address) if tried.host.as_str().starts_with('[') => format!("{result} {address}"),
        Some(address) => format!("{result} {} at {address}", tried.host),
        None => format!("{result} {}", tried.host),
    };
    if tried.result == HostResult::Failed {
        text.push_str(", and failed");
    }
    if let Some(why) = &tried.why {
        text.push_str(&format!(": {why}"));
    }
    (kind, "->", text)
}

/// `at`: when it was decided, where that is known; what comes next is told as a wait then.
fn fate_words(fate: &Fate, at: Option<UnixMillis>) -> (LineKind, &'static str, String) {
    let (kind, ending) = ending(fate.ending);
    let mut text = format!("<{}> {ending}: {}", fate.recipient, fate.reply);
    match (fate.next_attempt, at) {
        (Some(next), Some(at)) => {
            text.push_str(&format!("; next attempt in {}, at {next}", span(next.since(at))));
        }
        (Some(next), None) => text.push_str(&format!("; next attempt at {next}")),
        (None, _) => {}
    }
    (kind, "=>", text)
}

fn ending(ending: Ending) -> (LineKind, &'static str) {
    match ending {
        Ending::Delivered => (LineKind::Done, "delivered"),
        Ending::Relayed => (LineKind::Done, "relayed"),
        Ending::Expanded => (LineKind::Done, "expanded"),
        Ending::Discarded => (LineKind::Done, "discarded"),
        Ending::Deferred => (LineKind::Waiting, "deferred"),
        Ending::Failed => (LineKind::Failed, "failed"),
    }
}

/// `12 min`: one unit, to the nearest.
fn span(wait: Duration) -> String {
    let seconds = wait.as_millis().saturating_add(500) / 1000;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", (seconds + 30) / 60),
        7200..172_800 => format!("{} h", (seconds + 1800) / 3600),
        _ => format!("{} d", (seconds + 43_200) / 86_400),
    }
}

fn left_out(left_out: LeftOut) -> impl Iterator<Item = Line> {
    let LeftOut { lines, outcomes, keys, parts } = left_out;
    let remarks = [
        (lines, "line was not kept", "lines were not kept"),
        (outcomes, "outcome was not kept", "outcomes were not kept"),
        (keys, "name is not indexed", "names are not indexed"),
        (parts, "part is no longer there", "parts are no longer there"),
    ];
    remarks.into_iter().filter(|(number, ..)| *number > 0).map(|(number, one, many)| {
        let text = format!("... {}", count_of(number.into(), one, many));
        Line { kind: LineKind::Note, at_ms: None, mark: "--", text }
    })
}

fn count(number: u64, noun: &str) -> String {
    count_of(number, noun, &format!("{noun}s"))
}

fn count_of(number: u64, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
}

#[cfg(test)]
mod tests;
