//! Our own side in a test: sends each message in turn, and plays the scripts of a peer.

use postrider_smtp::client::{Event, Fate, Idle, Open, Outcome, Session, Transaction};
use postrider_smtp::server::Dialect;
use postrider_smtp::{Dialogue, Line, Out};
use std::collections::VecDeque;
use std::time::Instant;

/// Hears the conversation as a script.
#[derive(Default)]
pub(crate) struct Ear(pub(crate) String);

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
pub(crate) struct Driver {
    pub(crate) session: Session,
    messages: VecDeque<(Transaction, Vec<u8>)>,
    content: Vec<u8>,
    /// Content that waits for its turn, in pieces.
    pieces: VecDeque<Vec<u8>>,
    open: Option<Open>,
    quits: bool,
    pub(crate) idle: Option<Idle>,
    pub(crate) now: Instant,
    pub(crate) wire: Vec<u8>,
    /// Octets of a chunk that come next on the wire.
    chunk: usize,
    writes: usize,
    pub(crate) ear: Ear,
    pub(crate) events: Vec<String>,
}

impl Driver {
    pub(crate) fn new(dialect: Dialect, messages: Vec<(Transaction, Vec<u8>)>, quits: bool) -> Self {
        let now = Instant::now();
        Self {
            session: Session::new(dialect, "client.example".parse().unwrap(), now),
            messages: messages.into(),
            content: Vec::new(),
            pieces: VecDeque::new(),
            open: None,
            quits,
            idle: None,
            now,
            wire: Vec::new(),
            chunk: 0,
            writes: 0,
            ear: Ear::default(),
            events: Vec::new(),
        }
    }

    /// One call into the session; counts it as a write if it left anything on an empty wire.
    pub(crate) fn call<T>(&mut self, call: impl FnOnce(&mut Session, &mut Out<'_>) -> T) -> T {
        let was_empty = self.wire.is_empty();
        let mut out = Out { now: self.now, wire: &mut self.wire, dialogue: &mut self.ear };
        let result = call(&mut self.session, &mut out);
        self.writes += usize::from(was_empty && !self.wire.is_empty());
        result
    }

    pub(crate) fn receive(&mut self, mut input: &[u8]) {
        while !input.is_empty() {
            let step = self.call(|session, out| session.receive(input, out));
            assert!(step.consumed > 0, "a session that takes nothing would hang");
            input = &input[step.consumed..];
            self.act(step.event);
        }
    }

    pub(crate) fn act(&mut self, event: Event) {
        if event == Event::NeedInput {
            return self.pour();
        }
        self.open = None;
        match event {
            Event::NeedInput => {}
            Event::Ready(idle) => {
                self.events.push("ready".into());
                self.go_on(idle);
            }
            Event::Finished(outcome, idle) => {
                let notes = self.notes(&outcome);
                self.events.push(format!("finished{notes}: {}", shown(&outcome.fates)));
                self.go_on(idle);
            }
            Event::SendContent(open) => {
                self.open = Some(open);
                self.pieces = std::mem::take(&mut self.content).chunks(7).map(<[u8]>::to_vec).collect();
                self.pour();
            }
            Event::Failed(failure) => {
                let note = if failure.takes_no_mail() { " (takes no mail)" } else { "" };
                self.events.push(format!("failed {failure} {}{note}", shown(&failure.fates)));
            }
            // A driver that reads on hears it again and again.
            Event::Closed if self.events.last().is_some_and(|event| event == "closed") => {}
            Event::Closed => self.events.push("closed".into()),
        }
    }

    /// Sends what may be sent of the content.
    fn pour(&mut self) {
        let Some(open) = self.open.take() else { return };
        while self.session.takes_content() {
            let Some(piece) = self.pieces.pop_front() else {
                self.call(|session, out| session.dot(&open, out));
                return self.call(|session, out| session.end_of_content(open, out));
            };
            self.call(|session, out| session.content(&open, &piece, out));
        }
        self.open = Some(open);
    }

    /// What an outcome says beside fates.
    fn notes(&self, outcome: &Outcome) -> String {
        let passed_on = outcome.passed_on;
        let notes = [
            (outcome.body_undeclared, "8-bit undeclared"),
            (passed_on.dsn, "dsn"),
            (passed_on.deliver_by, "by"),
            (passed_on.priority, "priority"),
            (passed_on.solicit, "solicit"),
            (self.session.is_spent(), "spent"),
        ];
        let notes: Vec<&str> = notes.into_iter().filter(|(is_so, _)| *is_so).map(|(_, note)| note).collect();
        if notes.is_empty() { String::new() } else { format!(" ({})", notes.join(", ")) }
    }

    pub(crate) fn go_on(&mut self, idle: Idle) {
        if let Some((transaction, content)) = self.messages.pop_front() {
            self.content = content;
            let event = self.call(|session, out| session.begin(idle, transaction, out));
            self.act(event);
        } else if self.quits {
            self.call(|session, out| session.quit(idle, out));
        } else {
            self.idle = Some(idle);
        }
    }

    /// The next line of the wire; behind BDAT, the chunk, escaped.
    pub(crate) fn line(&mut self) -> Option<String> {
        if self.chunk > 0 {
            let chunk: Vec<u8> = self.wire.drain(..std::mem::take(&mut self.chunk)).collect();
            return Some(chunk.escape_ascii().to_string());
        }
        let end = self.wire.windows(2).position(|pair| pair == b"\r\n")?;
        let line = self.wire.drain(..end + 2).take(end).collect();
        let line = String::from_utf8(line).expect("what we say is UTF-8");
        let size = line.strip_prefix("BDAT ").and_then(|size| size.trim_end_matches(" LAST").parse().ok());
        self.chunk = size.unwrap_or_default();
        Some(line)
    }

    /// Plays one line of a script. Runs of `S:` lines come as one piece, cut into these sizes.
    pub(crate) fn play(&mut self, script: &str, sizes: &[usize]) {
        let mut said = Vec::new();
        for line in script.lines().map(str::trim).chain(["end"]) {
            if let Some(reply) = line.strip_prefix("S:") {
                said.extend_from_slice(reply.strip_prefix(' ').unwrap_or(reply).as_bytes());
                said.extend_from_slice(b"\r\n");
                continue;
            }
            let (mut rest, mut sizes) = (&said[..], sizes.iter().cycle());
            while let Some(&size) = sizes.next().filter(|_| !rest.is_empty()) {
                let (piece, more) = rest.split_at(size.min(rest.len()));
                self.receive(piece);
                rest = more;
            }
            said.clear();
            match line {
                "EOF" => {
                    let event = self.call(Session::end_of_input);
                    self.act(event);
                }
                "TIMEOUT" => {
                    let event = self.call(Session::timed_out);
                    self.act(event);
                }
                "end" => {}
                line => {
                    let expected =
                        line.strip_prefix("C:").expect("a script has S: and C: lines").trim_start();
                    assert_eq!(self.line().as_deref(), Some(expected), "in\n{script}");
                }
            }
        }
        assert_eq!(self.wire.escape_ascii().to_string(), "", "nothing more is said in\n{script}");
    }
}

/// Fates, the short way.
pub(crate) fn shown(fates: &[Fate]) -> String {
    let shown = fates.iter().map(|fate| match fate {
        Fate::Accepted(reply) => format!("accepted {reply}"),
        Fate::Refused { stage, refusal } => format!("refused {stage} {refusal}"),
        Fate::AnotherTransaction(refusal) => format!("another {refusal}"),
        Fate::Undecided => "undecided".into(),
        Fate::LostAfterDot => "lost".into(),
    });
    format!("[{}]", shown.collect::<Vec<_>>().join(", "))
}

/// Plays the script in several splits; each must lead to these events. Gives the number of writes.
pub(crate) fn check(
    dialect: Dialect,
    messages: &[(Transaction, &str)],
    script: &str,
    expected: &[&str],
) -> usize {
    let mut writes = 0;
    for sizes in [&[usize::MAX][..], &[1], &[2], &[3, 1, 5], &[17]] {
        let messages =
            messages.iter().map(|(transaction, content)| (transaction.clone(), content.as_bytes().to_vec()));
        let mut driver = Driver::new(dialect, messages.collect(), script.contains("C: QUIT"));
        driver.play(script, sizes);
        assert_eq!(driver.events, expected, "split by {sizes:?}, in\n{script}");
        writes = driver.writes;
    }
    writes
}

pub(crate) fn to(recipients: &[&str]) -> Transaction {
    let recipients = recipients.iter().map(|path| path.parse().unwrap());
    Transaction::new("a@client.example".parse().unwrap(), recipients)
}

/// The start of a script: greeting and EHLO, with these extensions offered.
pub(crate) fn offering(extensions: &[&str]) -> String {
    let mut lines = vec!["mx.example greets you"];
    lines.extend(extensions);
    let last = lines.pop().unwrap();
    let before: String = lines.iter().map(|line| format!("S: 250-{line}\n")).collect();
    format!("S: 220 mx.example\nC: EHLO client.example\n{before}S: 250 {last}\n")
}
