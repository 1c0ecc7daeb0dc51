//! The server engine against every sequence of a few commands, good and bad, whole and cut into commands: each is
//! answered once, content comes in a transaction and nowhere else, and a 250 behind content stands for a message
//! that was filed.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use postrider_mail::{Code, Enhanced, Refusal, Reply};
use postrider_smtp::extension::Extensions;
use postrider_smtp::server::{Dialect, Event, Filed, Gate, Question, Session, Setup};
use postrider_smtp::{Dialogue, Line, Out};
use std::sync::Arc;
use std::time::Instant;

/// Commands, with the octets that a client sends behind them in the belief that they are wanted.
const COMMANDS: [&str; 14] = [
    "EHLO client.example\r\n",
    "MAIL FROM:<me@client.example>\r\n",
    "MAIL FROM:<no@client.example>\r\n",
    "MAIL FROM:<shut@client.example>\r\n",
    "MAIL FROM:<me@client.example> BODY=BINARYMIME\r\n",
    "RCPT TO:<you@local.example>\r\n",
    "RCPT TO:<no@local.example>\r\n",
    "DATA\r\nab\r\n.\r\n",
    "BDAT 4\r\nab\r\n",
    "BDAT 3 LAST\r\nc\r\n",
    "BDAT 3\r\na\nb",
    "BDAT 6 LAST?\r\nNOOP\r\n",
    "RSET\r\n",
    "XCLIENT ADDR=192.0.2.1\r\n",
];

/// What a sequence begins with, so that a few commands more reach deep.
const BEGINNINGS: [&str; 3] = [
    "",
    "EHLO client.example\r\n",
    "EHLO client.example\r\nMAIL FROM:<me@client.example>\r\nRCPT TO:<you@local.example>\r\n",
];

/// Commands behind each beginning.
const LENGTH: u32 = 3;

#[derive(Default)]
struct Commands(usize);

impl Dialogue for Commands {
    fn line(&mut self, line: Line<'_>) {
        self.0 += usize::from(matches!(line, Line::Command(_)));
    }
}

/// A driver that checks what it is asked.
struct Driven {
    session: Session<usize>,
    wire: Vec<u8>,
    heard: Commands,
    /// An accepted MAIL, and recipients accepted since.
    transaction: Option<usize>,
    is_shut: bool,
    is_open: bool,
    filed: usize,
    /// Replies behind content that are due beside the first.
    further_replies: usize,
}

impl Driven {
    fn new(dialect: Dialect) -> Self {
        let extensions = Extensions { xclient: true, xforward: true, ..Extensions::default() };
        let setup = Setup { extensions, ..Setup::new("mx.example".parse().unwrap(), dialect) };
        Self {
            session: Session::new(Arc::new(setup), Instant::now()),
            wire: Vec::new(),
            heard: Commands::default(),
            transaction: None,
            is_shut: false,
            is_open: false,
            filed: 0,
            further_replies: 0,
        }
    }

    fn give(&mut self, mut input: &[u8]) {
        loop {
            let mut out = Out { now: Instant::now(), wire: &mut self.wire, dialogue: &mut self.heard };
            let step = self.session.receive(input, &mut out);
            input = &input[step.consumed..];
            match step.event {
                Event::NeedInput => break,
                Event::Closed => panic!("nothing here ends a session"),
                Event::Content(octets) => assert!(self.is_open && !octets.is_empty(), "content for no draft"),
                Event::TransactionOver => {
                    assert!(self.transaction.take().is_some(), "a transaction ends once");
                    self.is_open = false;
                }
                Event::Ask(question) => self.answer(question),
            }
        }
    }

    fn answer(&mut self, question: Question) {
        let Self { session, transaction, .. } = self;
        let mut out = Out { now: Instant::now(), wire: &mut self.wire, dialogue: &mut self.heard };
        let refused = || Refusal::of(Code::of(550), Enhanced::of(5, 7, 1), "no");
        let gate = |yes| if yes { Gate::Accept } else { Gate::Refuse(refused()) };
        match question {
            Question::Connect(asked) => {
                assert_eq!(*transaction, None, "a greeting amid a transaction");
                session.answer(asked, Gate::Accept, &mut out);
            }
            Question::Hello(asked, _) => {
                assert_eq!(*transaction, None, "a greeting amid a transaction");
                session.answer(asked, Gate::Accept, &mut out);
            }
            Question::Mail(asked, mail) => {
                assert_eq!(*transaction, None, "two transactions");
                let from = mail.reverse_path.to_string();
                let yes = !from.starts_with("no@");
                *transaction = yes.then_some(0);
                self.is_shut = from.starts_with("shut@");
                session.answer(asked, gate(yes), &mut out);
            }
            Question::Rcpt(asked, rcpt) => {
                assert!(!self.is_open);
                let yes = !rcpt.forward_path.to_string().starts_with("no@");
                *transaction.as_mut().unwrap() += usize::from(yes);
                session.answer(asked, gate(yes), &mut out);
            }
            Question::Open(asked) => {
                assert!(!self.is_open && transaction.unwrap() > 0, "content for nobody");
                self.is_open = !self.is_shut;
                session.answer(asked, gate(self.is_open), &mut out);
            }
            Question::Close(asked) => {
                assert!(self.is_open, "no draft to file");
                self.filed += 1;
                self.further_replies += transaction.unwrap() - 1;
                session.answer(asked, Filed::Queued(self.filed), &mut out);
            }
            Question::Xclient(asked, _) => {
                assert_eq!(*transaction, None, "another client amid a transaction");
                session.answer(asked, Gate::Accept, &mut out);
            }
            Question::Verify(asked, _) => session.answer(asked, Reply::from(refused()), &mut out),
            Question::Expand(asked, _) => session.answer(asked, Reply::from(refused()), &mut out),
            Question::Xforward(asked, _) => session.answer(asked, Gate::Accept, &mut out),
            Question::Turn(..) => panic!("not offered"),
        }
    }

    /// The last lines of all replies.
    fn replies(&self) -> Vec<&str> {
        let said = std::str::from_utf8(&self.wire).unwrap();
        said.lines().filter(|line| line.as_bytes()[3] == b' ').collect()
    }
}

/// Plays a sequence both ways and compares.
fn play(dialect: Dialect, commands: &[&str]) {
    let mut whole = Driven::new(dialect);
    whole.give(commands.concat().as_bytes());
    let mut cut = Driven::new(dialect);
    cut.give(b"");
    for command in commands {
        for part in command.as_bytes().split_inclusive(|octet| *octet == b'\n') {
            cut.give(part);
        }
    }
    assert_eq!(whole.replies(), cut.replies(), "{commands:?}");
    let replies = whole.replies();
    let begun = replies.iter().filter(|reply| reply.starts_with("354")).count();
    let queued = replies.iter().filter(|reply| reply.contains("queued as")).count();
    let further = if dialect == Dialect::Lmtp { whole.further_replies } else { 0 };
    assert_eq!(queued, whole.filed + further, "{commands:?}: {replies:#?}");
    // The greeting; one for each command, which for XCLIENT is a greeting again; and what came behind content.
    assert_eq!(replies.len(), 1 + whole.heard.0 + begun + further, "{commands:?}: {replies:#?}");
    assert!(
        !replies.iter().any(|reply| reply.contains("still here")),
        "{commands:?}: octets read as a command"
    );
}

fn all(dialect: Dialect, beginnings: &[&str], commands: &[&str]) {
    for beginning in beginnings {
        for number in 0..commands.len().pow(LENGTH) {
            let behind =
                (0..LENGTH).map(|place| commands[number / commands.len().pow(place) % commands.len()]);
            let sequence: Vec<&str> = std::iter::once(*beginning).chain(behind).collect();
            play(dialect, &sequence);
        }
    }
}

/// RFC 3030 §2, RFC 5321 §4.1.4
#[test]
fn every_sequence_of_commands_is_answered_in_step() {
    all(Dialect::Smtp, &BEGINNINGS, &COMMANDS);
}

/// RFC 2033 §4.2. Without what makes the engine refuse content by itself, so that each recipient is accepted or
/// refused by the driver.
#[test]
fn every_sequence_of_lmtp_is_answered_in_step_and_its_content_for_each_recipient() {
    let beginnings = BEGINNINGS.map(|commands| commands.replace("EHLO", "LHLO"));
    let beginnings = [&beginnings[2], &*format!("{}RCPT TO:<other@local.example>\r\n", beginnings[2])];
    let commands =
        COMMANDS.map(|command| if command.starts_with("EHLO") { "LHLO client.example\r\n" } else { command });
    let commands: Vec<&str> = commands
        .into_iter()
        .filter(|command| !command.contains("shut@") && !command.contains("\na\nb"))
        .collect();
    all(Dialect::Lmtp, &beginnings, &commands);
}

/// RFC 2920 §3.1, RFC 3030 §4.2
#[test]
fn a_client_that_pipelines_as_it_may_keeps_its_turn_and_no_other_does() {
    let out_of_turn = |batches: &[&str]| {
        let mut driven = Driven::new(Dialect::Smtp);
        driven.give(b"");
        batches.iter().for_each(|batch| driven.give(batch.as_bytes()));
        driven.session.manners().out_of_turn
    };
    let hello = "EHLO client.example\r\n";
    let envelope = "RSET\r\nMAIL FROM:<me@client.example>\r\nRCPT TO:<you@local.example>\r\n";
    let forwards = "XFORWARD NAME=far.example ADDR=192.0.2.1\r\nXFORWARD HELO=far.example\r\n";
    for group in ["DATA\r\n", "BDAT 3\r\nabcBDAT 0 LAST\r\nMAIL FROM:<>\r\nQUI", "NOOP\r\n"] {
        assert_eq!(out_of_turn(&[hello, &[forwards, envelope, group].concat()]), None, "{group:?}");
    }
    for (batches, verb) in [
        (&["EHLO client.example\r\nRSET\r\n"][..], "EHLO"),
        (&[hello, "NOOP\r\nRSET\r\n"], "NOOP"),
        (&[hello, "VRFY you\r\nRSET\r\n"], "VRFY"),
        (&[hello, envelope, "DATA\r\nabc\r\n"], "DATA"),
        (&["HELO client.example\r\n", "RSET\r\nRSET\r\n"], "RSET"),
    ] {
        assert_eq!(out_of_turn(batches), Some(verb), "{batches:?}");
    }
}
