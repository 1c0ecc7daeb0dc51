//! The client engine against scripted peers: `S:` is what the peer says, `C:` what we must say. Every script
//! runs with the peer's octets split in several ways, and must lead to the same events.

use postrider_mail::{Body, ForwardPath};
use postrider_smtp::client::{Event, Fate, Idle, Session, Transaction};
use postrider_smtp::server::Dialect;
use postrider_smtp::{Dialogue, Line, Out, limits};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Hears the conversation as a script.
#[derive(Default)]
struct Ear(String);

impl Dialogue for Ear {
    fn line(&mut self, line: Line<'_>) {
        let line = match line {
            Line::Command(line) => format!("C: {}\n", line.escape_ascii()),
            Line::Reply(line) => format!("S: {}\n", line.escape_ascii()),
            Line::Content { octets } => format!("({octets} octets)\n"),
        };
        self.0.push_str(&line);
    }
}

/// Plays our own side: sends each message in turn, and writes down what happens.
struct Driver {
    session: Session,
    messages: VecDeque<(Transaction, Vec<u8>)>,
    quits: bool,
    idle: Option<Idle>,
    now: Instant,
    wire: Vec<u8>,
    writes: usize,
    ear: Ear,
    events: Vec<String>,
}

impl Driver {
    fn new(dialect: Dialect, messages: Vec<(Transaction, Vec<u8>)>, quits: bool) -> Self {
        let now = Instant::now();
        Self {
            session: Session::new(dialect, "client.example".parse().unwrap(), now),
            messages: messages.into(),
            quits,
            idle: None,
            now,
            wire: Vec::new(),
            writes: 0,
            ear: Ear::default(),
            events: Vec::new(),
        }
    }

    /// One call into the session; counts it as a write if it left anything on an empty wire.
    fn call<T>(&mut self, call: impl FnOnce(&mut Session, &mut Out<'_>) -> T) -> T {
        let was_empty = self.wire.is_empty();
        let mut out = Out { now: self.now, wire: &mut self.wire, dialogue: &mut self.ear };
        let result = call(&mut self.session, &mut out);
        self.writes += usize::from(was_empty && !self.wire.is_empty());
        result
    }

    fn receive(&mut self, mut input: &[u8]) {
        while !input.is_empty() {
            let step = self.call(|session, out| session.receive(input, out));
            assert!(step.consumed > 0, "a session that takes nothing would hang");
            input = &input[step.consumed..];
            self.act(step.event);
        }
    }

    fn act(&mut self, event: Event) {
        match event {
            Event::NeedInput => {}
            Event::Ready(idle) => {
                self.events.push("ready".into());
                self.go_on(idle);
            }
            Event::Finished(outcome, idle) => {
                let undeclared = if outcome.body_undeclared { " (8-bit undeclared)" } else { "" };
                self.events.push(format!("finished{undeclared}: {}", shown(&outcome.fates)));
                self.go_on(idle);
            }
            Event::SendContent(open) => {
                let content = self.messages.pop_front().map(|(_, content)| content).unwrap_or_default();
                for piece in content.chunks(7) {
                    self.call(|session, out| session.content(&open, piece, out));
                }
                self.call(|session, out| session.end_of_content(open, out));
            }
            Event::Failed(failure) => self.events.push(format!("failed {failure} {}", shown(&failure.fates))),
            Event::Closed => self.events.push("closed".into()),
        }
    }

    /// The next message; the one before it is dropped even if its content was not asked for.
    fn go_on(&mut self, idle: Idle) {
        let sent = self.events.iter().filter(|event| event.starts_with("finished")).count();
        let begun = self.ear.0.matches("MAIL FROM").count().max(sent);
        let _ = begun;
        if let Some((transaction, _)) = self.messages.front().cloned() {
            let event = self.call(|session, out| session.begin(idle, transaction, out));
            self.act(event);
        } else if self.quits {
            self.call(|session, out| session.quit(idle, out));
        } else {
            self.idle = Some(idle);
        }
    }
}
