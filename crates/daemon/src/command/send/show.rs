//! The conversation on standard output, line by line as it happens, in the shape of a journal's story.
//!
//! What a peer said comes through [`Text`]: none of its control characters reach the terminal.

use crate::screen::colour;
use postrider_journal::Subject;
use postrider_journal::event::{Event, HostTried, What};
use postrider_journal::render::{self, Line, LineKind};
use postrider_mail::Text;
use postrider_smtp::Dialogue;
use postrider_smtp::dialogue;
use std::io::{self, Write as _};
use std::time::Instant;

/// Prints lines with the time since the start. Once the output fails, nothing more is printed, and
/// [`failed`](Self::failed) tells why.
#[derive(Debug)]
pub(in crate::command) struct Show {
    started: Instant,
    silent: bool,
    error: Option<io::Error>,
}

impl Show {
    /// From now on; `silent` prints nothing at all.
    pub(in crate::command) fn new(silent: bool) -> Self {
        Self { started: Instant::now(), silent, error: None }
    }

    /// What was said, with its time.
    pub(in crate::command) fn said(&mut self, kind: LineKind, mark: &'static str, line: &[u8]) {
        let at_ms = Some(self.elapsed_ms());
        self.line(&Line { kind, at_ms, mark, text: Text::from_peer(line).to_string() });
    }

    /// A host that was tried or passed over, in the words of the journal.
    pub(in crate::command) fn host(&mut self, tried: &HostTried) {
        let event = Event { at_ms: self.elapsed_ms(), what: What::Host(Box::new(tried.clone())) };
        self.line(&render::line(Subject::Server, &event));
    }

    /// What the following lines are about.
    pub(in crate::command) fn heading(&mut self, text: &str) {
        let text = Text::clean(text).to_string();
        self.line(&Line { kind: LineKind::Heading, at_ms: None, mark: "", text });
    }

    /// A remark of our own.
    pub(in crate::command) fn note(&mut self, text: &str) {
        self.remark(LineKind::Note, "--", text);
    }

    /// A line without a time.
    pub(in crate::command) fn remark(&mut self, kind: LineKind, mark: &'static str, text: &str) {
        self.line(&Line { kind, at_ms: None, mark, text: Text::clean(text).to_string() });
    }

    /// Why the output could not be written, if it could not.
    pub(in crate::command) fn failed(&self) -> Option<&io::Error> {
        self.error.as_ref()
    }

    fn elapsed_ms(&self) -> u32 {
        u32::try_from(self.started.elapsed().as_millis()).unwrap_or(u32::MAX)
    }

    fn line(&mut self, line: &Line) {
        if self.silent || self.error.is_some() {
            return;
        }
        let (on, off) = colour(line.kind);
        let mut out = anstream::stdout().lock();
        self.error = writeln!(out, "{on}{line}{off}").and_then(|()| out.flush()).err();
    }
}

impl Dialogue for Show {
    fn line(&mut self, line: dialogue::Line<'_>) {
        match line {
            dialogue::Line::Command(line) => self.said(LineKind::Ours, "C:", line),
            dialogue::Line::Reply(line) => self.said(reply_kind(line), "S:", line),
            dialogue::Line::Content { octets } => {
                self.said(LineKind::Content, "C:", format!("({octets} octets of content)").as_bytes());
            }
        }
    }
}

/// A refusal has a colour of its own.
fn reply_kind(line: &[u8]) -> LineKind {
    match line.first() {
        Some(b'4') => LineKind::Waiting,
        Some(b'5') => LineKind::Refused,
        _ => LineKind::Theirs,
    }
}
