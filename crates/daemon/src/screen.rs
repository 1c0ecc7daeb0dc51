//! The conversation as it scrolls by in `postrider dev`: every event of every story, the moment it happens.
//!
//! Lines go through a bounded channel to a thread of their own. A terminal that is not read from (Ctrl-S)
//! holds up that thread and nobody else; what finds no room is counted and the count is shown. At its end the
//! process gives the thread a moment for the last lines, and goes without them if nobody reads.

use postrider_journal::Subject;
use postrider_journal::event::{Event, What};
use postrider_journal::render::{self, LineKind};
use postrider_mta::Observer;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Lines that may wait for the terminal.
const LINES_WAITING_MAX: usize = 10_000;

/// The ear: hands lines to the printer.
pub(crate) struct Screen {
    lines: SyncSender<Shown>,
    missed: AtomicU64,
}

/// The mouth: prints them.
pub(crate) struct Printer(Receiver<Shown>);

struct Shown {
    subject: Subject,
    line: render::Line,
    missed: u64,
}

/// Both ends.
pub(crate) fn screen() -> (Screen, Printer) {
    let (lines, receiver) = sync_channel(LINES_WAITING_MAX);
    (Screen { lines, missed: AtomicU64::new(0) }, Printer(receiver))
}

impl Observer for Screen {
    fn event(&self, subject: Subject, since_ms: u64, what: &What) {
        let event = Event { at_ms: u32::try_from(since_ms).unwrap_or(u32::MAX), what: what.clone() };
        let missed = self.missed.swap(0, Ordering::Relaxed);
        let shown = Shown { subject, line: render::line(subject, &event), missed };
        if self.lines.try_send(shown).is_err() {
            self.missed.fetch_add(missed + 1, Ordering::Relaxed);
        }
    }
}

impl Printer {
    /// The thread's body: ends when every `Screen` is gone, or nobody reads the output any more.
    pub(crate) fn run(self) {
        // A descriptor of its own: what the standard library buffers for its own would be written at the
        // end of the process, and an output that is not read from would hold that up.
        let Ok(out) = io::stdout().as_fd().try_clone_to_owned() else { return };
        let mut out = anstream::AutoStream::auto(File::from(out));
        let mut last = None;
        for shown in self.0 {
            match out.write_all(text(&shown, &mut last).as_bytes()) {
                // An output that does not wait has no room: the line is lost, the next may not be.
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return,
                _ => {}
            }
        }
    }
}

/// The line, below a heading where its story is another than the last line's.
fn text(shown: &Shown, last: &mut Option<Subject>) -> String {
    let mut text = String::new();
    if shown.missed > 0 {
        text = format!("… {} lines were not shown: the terminal could not keep up\n", shown.missed);
    }
    if *last != Some(shown.subject) {
        text.push_str(&format!("\n{}\n", shown.subject));
        *last = Some(shown.subject);
    }
    let (on, off) = colour(shown.line.kind);
    text.push_str(&format!("{on}{}{off}\n", shown.line));
    text
}

/// The colour of a line, and its end; `anstream` drops both where the output is no terminal.
pub(crate) fn colour(kind: LineKind) -> (&'static str, &'static str) {
    let on = match kind {
        LineKind::Heading => "\x1b[1m",
        LineKind::Theirs => "\x1b[36m",
        LineKind::Agreed | LineKind::Content | LineKind::Note => "\x1b[2m",
        LineKind::Done => "\x1b[32m",
        LineKind::Waiting => "\x1b[33m",
        LineKind::Refused | LineKind::Failed => "\x1b[31m",
        LineKind::Ours => return ("", ""),
    };
    (on, "\x1b[0m")
}
