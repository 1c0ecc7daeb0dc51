//! A driver for each engine, and the wire between them.

use crate::plan::{CONTENT_OCTETS_MAX, Message, Plan, RECIPIENTS_MAX, Verdict};
use postrider_smtp::client::{self, Outcome};
use postrider_smtp::command::{MailFrom, RcptTo};
use postrider_smtp::server::{self, Filed, Gate, Question, Setup};
use postrider_smtp::{Out, Silent};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

/// A message as the server filed it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Draft {
    pub(crate) mail: Option<MailFrom>,
    pub(crate) recipients: Vec<RcptTo>,
    pub(crate) content: Vec<u8>,
}

impl Draft {
    fn reverse_path(&self) -> String {
        self.mail.as_ref().unwrap().reverse_path.to_string()
    }
}

/// How a session went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Story {
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) failure: Option<client::Failure>,
    pub(crate) closed: bool,
    pub(crate) filed: Vec<Draft>,
}

/// The server's driver: decides as the addresses say.
struct Host {
    session: server::Session<usize>,
    plain: bool,
    input: Vec<u8>,
    wire: Vec<u8>,
    draft: Draft,
    filed: Vec<Draft>,
    closed: bool,
}

impl Host {
    fn receive(&mut self, octets: &[u8], now: Instant) {
        self.input.extend_from_slice(octets);
        let mut input = std::mem::take(&mut self.input);
        while !self.closed {
            let mut out = Out { now, wire: &mut self.wire, dialogue: &mut Silent };
            let step = self.session.receive(&input, &mut out);
            let consumed = step.consumed;
            match step.event {
                server::Event::NeedInput => {
                    input.drain(..consumed);
                    break;
                }
                server::Event::Ask(question) => self.answer(question, now),
                server::Event::Content(content) => self.draft.content.extend_from_slice(content),
                server::Event::TransactionOver => self.draft = Draft::default(),
                server::Event::Closed => self.closed = true,
            }
            input.drain(..consumed);
        }
        self.input = input;
    }

    fn answer(&mut self, question: Question, now: Instant) {
        let mut out = Out { now, wire: &mut self.wire, dialogue: &mut Silent };
        match question {
            Question::Connect(asked) => self.session.answer(asked, Gate::Accept, &mut out),
            Question::Hello(asked, greeting) => {
                let refused = self.plain && greeting.protocol == postrider_mail::Protocol::Esmtp;
                let gate = if refused { Verdict::No.gate("EHLO") } else { Gate::Accept };
                self.session.answer(asked, gate, &mut out);
            }
            Question::Mail(asked, mail) => {
                self.draft.mail = Some(mail);
                let gate = written(0, &self.draft.reverse_path());
                self.session.answer(asked, gate, &mut out);
            }
            Question::Rcpt(asked, rcpt) => {
                let path = rcpt.forward_path.to_string();
                let verdict = Verdict::of(path.split('-').next().unwrap());
                self.session.answer(asked, verdict.gate(&path), &mut out);
                if verdict == Verdict::Yes {
                    self.draft.recipients.push(rcpt);
                }
            }
            Question::Open(asked) => {
                let gate = written(1, &self.draft.reverse_path());
                self.session.answer(asked, gate, &mut out);
            }
            Question::Close(asked) => {
                let filed = match written(2, &self.draft.reverse_path()) {
                    Gate::Accept | Gate::AcceptSaying(_) => Filed::Queued(self.filed.len()),
                    Gate::Refuse(refusal) => Filed::Refused(refusal),
                    Gate::HangUp(refusal) => Filed::HangUp(refusal),
                };
                if let Filed::Queued(_) = filed {
                    self.filed.push(self.draft.clone());
                }
                self.session.answer(asked, filed, &mut out);
            }
            Question::Verify(..)
            | Question::Expand(..)
            | Question::Turn(..)
            | Question::Xclient(..)
            | Question::Xforward(..) => panic!("the client does not ask"),
        }
    }
}

/// What the reverse-path says of MAIL, DATA or the content.
fn written(at: usize, reverse_path: &str) -> Gate {
    let (words, _) = reverse_path.split_once('@').unwrap();
    Verdict::of(words.split('-').nth(at).unwrap()).gate(reverse_path)
}

/// The client's driver: sends each message in turn, then quits.
struct Sender {
    session: client::Session,
    messages: VecDeque<Message>,
    content: Vec<u8>,
    /// Octets of a chunk, where content goes in chunks.
    chunk: Option<usize>,
    wire: Vec<u8>,
    story: Story,
}

impl Sender {
    fn receive(&mut self, mut input: &[u8], piece: usize, now: Instant) {
        while !input.is_empty() && !self.is_over() {
            let mut out = Out { now, wire: &mut self.wire, dialogue: &mut Silent };
            let step = self.session.receive(input, &mut out);
            input = &input[step.consumed..];
            self.act(step.event, piece, now);
        }
    }

    fn is_over(&self) -> bool {
        self.story.closed || self.story.failure.is_some()
    }

    fn act(&mut self, event: client::Event, piece: usize, now: Instant) {
        let mut out = Out { now, wire: &mut self.wire, dialogue: &mut Silent };
        let idle = match event {
            client::Event::NeedInput => return,
            client::Event::Ready(idle) => idle,
            client::Event::Finished(outcome, idle) => {
                self.story.outcomes.push(outcome);
                idle
            }
            client::Event::SendContent(open) => {
                for piece in self.content.chunks(self.chunk.unwrap_or(piece)) {
                    assert!(self.session.takes_content(), "the server offers PIPELINING");
                    self.session.content(&open, piece, &mut out);
                }
                return self.session.end_of_content(open, &mut out);
            }
            client::Event::Failed(failure) => return self.story.failure = Some(failure),
            client::Event::Closed => return self.story.closed = true,
        };
        let Some(message) = self.messages.pop_front() else {
            return self.session.quit(idle, &mut out);
        };
        let event = self.session.begin(idle, message.transaction(), &mut out);
        self.chunk = message.is_binary().then_some(message.chunk);
        self.content = message.content;
        self.act(event, piece, now);
    }
}

/// Runs a session with the octets in both directions cut into these sizes, over and over.
pub(crate) fn run(plan: &Plan, sizes: &[usize]) -> Story {
    let now = Instant::now();
    let setup = Setup {
        banner: "test".into(),
        content_octets_max: CONTENT_OCTETS_MAX,
        recipients_max: RECIPIENTS_MAX,
        extensions: plan.extensions(),
        ..Setup::new("server.example".parse().unwrap(), plan.dialect)
    };
    let mut host = Host {
        session: server::Session::new(Arc::new(setup), now),
        plain: plan.plain,
        input: Vec::new(),
        wire: Vec::new(),
        draft: Draft::default(),
        filed: Vec::new(),
        closed: false,
    };
    let mut sender = Sender {
        session: client::Session::new(plan.dialect, "client.example".parse().unwrap(), now),
        messages: plan.messages.iter().cloned().collect(),
        content: Vec::new(),
        chunk: None,
        wire: Vec::new(),
        story: Story::default(),
    };
    host.receive(b"", now);
    let mut sizes = sizes.iter().copied().cycle();
    while !sender.is_over() {
        let size = sizes.next().unwrap();
        let (to_host, to_sender) = (size.min(sender.wire.len()), size.min(host.wire.len()));
        if (to_host == 0 || host.closed) && to_sender == 0 {
            assert!(host.closed, "both wait for the other: {plan:?}, {:?}", sender.story);
            let mut out = Out { now, wire: &mut sender.wire, dialogue: &mut Silent };
            let event = sender.session.end_of_input(&mut out);
            sender.act(event, size, now);
        }
        let octets: Vec<u8> = sender.wire.drain(..to_host).collect();
        host.receive(&octets, now);
        let octets: Vec<u8> = host.wire.drain(..to_sender).collect();
        sender.receive(&octets, size, now);
    }
    sender.story.filed = host.filed;
    sender.story
}
