//! A story as people read it, in plain text: a heading, then a line per event with the time since the start.
//!
//! ```text
//! session 38g4gvap40001 with 192.0.2.7:2525, 2026-11-22T18:31:15.042Z
//!   +0.000s  S: 220 mx.example.org ESMTP Postrider
//!   +0.012s  C: MAIL FROM:<a@client.example>
//!   +0.013s  S: 250 2.1.0 <a@client.example> may send
//! ```
//!
//! Every line has a kind, so that a terminal can colour it; the text itself holds no control characters.

use crate::event::{
    Accepted, Attempt, Decision, Ending, Event, Fate, HostResult, HostTried, Speaker, Verdict, What,
};
use crate::story::{LeftOut, Story, Subject};
use postrider_mail::ReversePath;
use std::fmt;

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
    std::iter::once(heading(story))
        .chain(story.events().iter().map(move |event| line(subject, event)))
        .chain(left_out(story.left_out()))
}

/// The line of one event, for a conversation that is shown while it happens.
pub fn line(subject: Subject, event: &Event) -> Line {
    let (kind, mark, text) = words(subject, &event.what);
    Line { kind, at_ms: Some(event.at_ms), mark, text }
}

fn heading(story: &Story) -> Line {
    let mut text = story.subject().to_string();
    if let Some(peer) = story.peer() {
        text.push_str(&format!(" with {peer}"));
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
        What::Fate(fate) => fate_words(fate),
        What::Delivered { recipient, file } => {
            (LineKind::Done, "=>", format!("<{recipient}> delivered to {file}"))
        }
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

fn path(reverse_path: &ReversePath) -> String {
    format!("<{reverse_path}>")
}

fn attempt_words(attempt: &Attempt) -> String {
    match attempt.address {
        Some(address) => format!("{} to {} at {address}", attempt.id, attempt.host),
        None => format!("{} to {}", attempt.id, attempt.host),
    }
}

fn host_words(tried: &HostTried) -> (LineKind, &'static str, String) {
    let (kind, result) = match tried.result {
        HostResult::Connected => (LineKind::Note, "connected to"),
        HostResult::Reused => (LineKind::Note, "on the open connection to"),
        HostResult::PassedOver => (LineKind::Waiting, "passed over"),
        HostResult::Failed => (LineKind::Waiting, "failed at"),
    };
    let mut text = format!("{result} {}", tried.host);
    if let Some(address) = tried.address {
        text.push_str(&format!(" at {address}"));
    }
    if let Some(why) = &tried.why {
        text.push_str(&format!(": {why}"));
    }
    (kind, "->", text)
}

fn fate_words(fate: &Fate) -> (LineKind, &'static str, String) {
    let (kind, ending) = match fate.ending {
        Ending::Delivered => (LineKind::Done, "delivered"),
        Ending::Relayed => (LineKind::Done, "relayed"),
        Ending::Expanded => (LineKind::Done, "expanded"),
        Ending::Discarded => (LineKind::Done, "discarded"),
        Ending::Deferred => (LineKind::Waiting, "deferred"),
        Ending::Failed => (LineKind::Failed, "failed"),
    };
    let mut text = format!("<{}> {ending}: {}", fate.recipient, fate.reply);
    if let Some(at) = fate.next_attempt {
        text.push_str(&format!("; next attempt {at}"));
    }
    (kind, "=>", text)
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
mod tests {
    use super::*;
    use postrider_mail::{AttemptId, Code, Enhanced, QueueId, Reason, Reply, SessionId, UnixMillis};

    const START: UnixMillis = UnixMillis::new(1_795_372_275_042);

    fn print(story: &Story) -> String {
        lines(story).map(|line| format!("{line}\n")).collect()
    }

    fn at(ms: i64) -> UnixMillis {
        UnixMillis::new(START.get() + ms)
    }

    fn said(who: Speaker, text: &str) -> What {
        What::Said { who, text: text.into() }
    }

    #[test]
    fn a_session_reads_like_a_dialogue() {
        let id = SessionId::from_row(7).unwrap();
        let mut story = Story::new(Subject::Session(id), START, Some("192.0.2.7:2525".parse().unwrap()));
        story.add(START, said(Speaker::Ours, "220 mx.example.org ESMTP Postrider"));
        story.add(at(12), said(Speaker::Theirs, "RCPT TO:<b@x.example>"));
        let verdict = Verdict {
            question: "RCPT TO:<b@x.example>".into(),
            decision: Decision::Accept,
            reason: Reason::new("directory", "b@x.example is an account"),
        };
        story.add(at(12), What::Verdict(Box::new(verdict)));
        story.add(at(1015), What::Content { octets: 1 });
        let accepted = Accepted {
            id: QueueId::from_row(1 << 60).unwrap(),
            reverse_path: ReversePath::Null,
            recipients: vec!["b@x.example".parse().unwrap(), "c@x.example".parse().unwrap()],
            recipients_unlisted: 2,
            message_id: Some("<1@client.example>".into()),
            octets: 2048,
        };
        story.add(at(1020), What::Accepted(Box::new(accepted)));
        story.add(at(1020), said(Speaker::Ours, "250 2.0.0 queued as 1000000000000"));
        story.add(at(100_020), What::Closed { why: "QUIT".into() });
        assert_eq!(
            print(&story),
            "\
session 0000000000007 with 192.0.2.7:2525, 2026-11-22T18:31:15.042Z
   +0.000s  S: 220 mx.example.org ESMTP Postrider
   +0.012s  C: RCPT TO:<b@x.example>
   +0.012s  -> accept RCPT TO:<b@x.example> (directory: b@x.example is an account)
   +1.015s  C: (1 octet of content)
   +1.020s  => accepted as 1000000000000: 2048 octets, from <> for <b@x.example>, <c@x.example> and 2 more, \
Message-ID <1@client.example>
   +1.020s  S: 250 2.0.0 queued as 1000000000000
 +100.020s  -- closed: QUIT
"
        );
    }

    #[test]
    fn in_an_attempt_we_are_the_client_and_a_fate_names_its_next_attempt() {
        let mut story = Story::new(Subject::Attempt(AttemptId::from_row(8).unwrap()), START, None);
        let id = QueueId::from_row(1 << 60).unwrap();
        let address = Some("192.0.2.25:25".parse().unwrap());
        story.add(START, What::Attempt(Box::new(Attempt { id, host: "mx.example".into(), address })));
        story.add(at(5), said(Speaker::Ours, "EHLO mx.example.org"));
        story.add(at(9), said(Speaker::Theirs, "451 4.7.1 later"));
        let fate = Fate {
            id,
            recipient: "a@mx.example".parse().unwrap(),
            ending: Ending::Deferred,
            reply: Reply::new(Code::of(451), Enhanced::of(4, 7, 1), "later"),
            next_attempt: Some(at(300_000)),
        };
        story.add(at(9), What::Fate(Box::new(fate)));
        assert_eq!(
            print(&story),
            "\
attempt 0000000000008, 2026-11-22T18:31:15.042Z
   +0.000s  => 1000000000000 to mx.example at 192.0.2.25:25
   +0.005s  C: EHLO mx.example.org
   +0.009s  S: 451 4.7.1 later
   +0.009s  => <a@mx.example> deferred: 451 4.7.1 later; next attempt 2026-11-22T18:36:15.042Z
"
        );
    }

    #[test]
    fn what_is_left_out_is_said() {
        let mut story = Story::new(Subject::Server, START, None);
        for _ in 0..crate::limits::LINES_MAX + 1 {
            story.add(START, What::Note { text: "again".into() });
        }
        story.miss_parts(2);
        let print = print(&story);
        assert!(print.ends_with(
            "            -- ... 1 line was not kept\n            -- ... 2 parts are no longer there\n"
        ));
    }
}
