//! The server's side of a session, against any octets in any split, with any answers to its questions.
//!
//! An input's first octet says how the server is set up and what is asked of it ([`Setting`]); the rest is what
//! the client sends.

use crate::dice::Dice;
use crate::limits::{
    CALLS_PER_OCTET_MAX, INPUT_OCTETS_MAX, REPLIES_OF_ONE_CALL_OCTETS_MAX, SMALL_CONTENT_OCTETS,
    SMALL_RECIPIENTS,
};
use crate::wire;
use postrider_mail::{Body, Code, Enhanced, Refusal, Reply, UnixMillis};
use postrider_smtp::extension::{Extensions, FutureRelease};
use postrider_smtp::limits::{COMMAND_LINE_OCTETS_MAX, REPLIES_WAITING_OCTETS_MAX, REPLY_PRINTED_OCTETS_MAX};
use postrider_smtp::server::{
    BareNewlines, Dialect, Event, Filed, Gate, LongLines, Question, Session, Setup,
};
use postrider_smtp::{Dialogue, Line, Out};
use std::sync::Arc;
use std::time::Instant;

/// Any octets hold a conversation, in any split the same; it is bounded, and only whole replies and clean
/// content come of it.
///
/// # Panics
/// When that does not hold.
pub fn server_session(input: &[u8]) {
    let Some((first, octets)) = input.split_first() else { return };
    let octets = &octets[..octets.len().min(INPUT_OCTETS_MAX)];
    let setting = Setting(*first);
    let mut dice = Dice::of(input);
    let answers = Dice::of(octets);
    let mut splits = dice.splits(octets).into_iter();
    let whole =
        Conversation::of(setting, answers.clone(), None, &splits.next().expect("the whole comes first"));
    for split in splits {
        let again = Conversation::of(setting, answers.clone(), None, &split);
        assert_eq!(again.happened, whole.happened);
        assert_eq!(shown(&again.sent), shown(&whole.sent));
    }
    // Once more, with deadlines, failing disks and orders to stop at any moment.
    let pieces = dice.cut(octets);
    Conversation::of(setting, answers, Some(dice), &pieces);
}

fn shown(octets: &[u8]) -> String {
    octets.escape_ascii().to_string()
}

/// What the first octet says, bit by bit.
#[derive(Clone, Copy, Debug)]
pub struct Setting(pub u8);

impl Setting {
    /// LMTP is spoken.
    pub const LMTP: u8 = 1;
    /// Bare CR and LF become CRLF.
    pub const NORMALISE: u8 = 2;
    /// Lines over 998 octets are refused.
    pub const SHORT_LINES: u8 = 4;
    /// Some of the questions are answered no.
    pub const REFUSES: u8 = 8;
    /// What only trusted peers are offered is offered.
    pub const TRUSTS: u8 = 16;
    /// The client closes its side at the end. 32 is left free, so that a setting can be a letter.
    pub const CLOSES: u8 = 64;
    /// Large limits in place of small ones.
    pub const LARGE: u8 = 128;

    fn has(self, bit: u8) -> bool {
        self.0 & bit != 0
    }

    fn setup(self) -> Setup {
        let dialect = if self.has(Self::LMTP) { Dialect::Lmtp } else { Dialect::Smtp };
        #[expect(clippy::expect_used, reason = "it is a name")]
        let mut setup = Setup::new("mx.example".parse().expect("a name"), dialect);
        setup.banner = "ready".into();
        setup.extensions = Extensions::for_any_peer();
        if !self.has(Self::LARGE) {
            (setup.content_octets_max, setup.recipients_max) = (SMALL_CONTENT_OCTETS, SMALL_RECIPIENTS);
        }
        if self.has(Self::NORMALISE) {
            setup.bare_newlines = BareNewlines::Normalise;
        }
        if self.has(Self::SHORT_LINES) {
            setup.long_lines = LongLines::Refuse;
        }
        if self.has(Self::TRUSTS) {
            setup.extensions = Extensions {
                future_release: Some(FutureRelease {
                    seconds_max: 1000,
                    until_max: UnixMillis::new(1 << 41),
                }),
                etrn: true,
                no_soliciting: Some("net.example:ADV".parse().ok()),
                xclient: true,
                xforward: true,
                ..Extensions::for_any_peer()
            };
        }
        setup
    }
}

/// One conversation, as its driver saw it.
struct Conversation {
    setup: Arc<Setup>,
    session: Session<usize>,
    setting: Setting,
    answers: Dice,
    /// What was asked, said, filed and ended, in order.
    happened: Vec<String>,
    /// What was sent.
    sent: Vec<u8>,
    wire: Vec<u8>,
    now: Instant,
    body: Option<Body>,
    content: Vec<u8>,
    filed: usize,
    closed: bool,
}

/// Hears what the journal hears.
struct Ear<'h>(&'h mut Vec<String>);

impl Dialogue for Ear<'_> {
    fn line(&mut self, line: Line<'_>) {
        let (who, octets) = match line {
            Line::Command(octets) => ("C", octets),
            Line::Reply(octets) => ("S", octets),
            other => return self.0.push(format!("{other:?}")),
        };
        assert!(octets.len() <= COMMAND_LINE_OCTETS_MAX, "a line of {} octets", octets.len());
        self.0.push(format!("{who}: {}", octets.escape_ascii()));
    }
}

impl Conversation {
    /// Holds it; `trouble` interrupts it.
    fn of(setting: Setting, answers: Dice, mut trouble: Option<Dice>, pieces: &[&[u8]]) -> Self {
        let now = Instant::now();
        let setup = Arc::new(setting.setup());
        let mut conversation = Self {
            session: Session::new(Arc::clone(&setup), now),
            setup,
            setting,
            answers,
            happened: Vec::new(),
            sent: Vec::new(),
            wire: Vec::new(),
            now,
            body: None,
            content: Vec::new(),
            filed: 0,
            closed: false,
        };
        let mut input = Vec::new();
        for piece in pieces {
            input.extend_from_slice(piece);
            conversation.drive(&mut input);
            if let Some(dice) = &mut trouble {
                conversation.trouble(dice);
            }
        }
        if setting.has(Setting::CLOSES) {
            conversation.session.end_of_input();
            conversation.drive(&mut input);
            assert!(conversation.closed, "the session goes on though the client is gone");
        }
        conversation.ends_well();
        conversation
    }

    fn call<T>(&mut self, call: impl FnOnce(&mut Session<usize>, &mut Out<'_>) -> T) -> T {
        let mut ear = Ear(&mut self.happened);
        let mut out = Out { now: self.now, wire: &mut self.wire, dialogue: &mut ear };
        call(&mut self.session, &mut out)
    }

    /// Until the engine waits or has ended.
    fn drive(&mut self, input: &mut Vec<u8>) {
        let mut calls = CALLS_PER_OCTET_MAX * (input.len() + 2);
        while !self.closed {
            calls = calls.checked_sub(1).expect("the engine goes on for ever");
            let mut ear = Ear(&mut self.happened);
            let mut out = Out { now: self.now, wire: &mut self.wire, dialogue: &mut ear };
            let step = self.session.receive(input, &mut out);
            let mut waits = false;
            let mut asked = None;
            match step.event {
                Event::NeedInput => waits = true,
                Event::Content(octets) => self.content.extend_from_slice(octets),
                Event::Ask(question) => asked = Some(question),
                Event::TransactionOver => {
                    self.content.clear();
                    self.body = None;
                    self.happened.push("transaction over".into());
                }
                Event::Closed => self.closed = true,
            }
            assert!(step.consumed <= input.len());
            input.drain(..step.consumed);
            if let Some(question) = asked {
                self.answer(question);
            }
            let held = REPLIES_WAITING_OCTETS_MAX + REPLIES_OF_ONE_CALL_OCTETS_MAX;
            assert!(self.wire.len() <= held, "{} octets wait to be sent", self.wire.len());
            if waits || self.closed {
                let was_full = self.wire.len() >= REPLIES_WAITING_OCTETS_MAX;
                self.sent.append(&mut self.wire);
                if waits && !was_full {
                    assert!(input.len() < COMMAND_LINE_OCTETS_MAX, "{} octets are held back", input.len());
                    return;
                }
            }
        }
    }

    /// One of the things that happen beside input.
    fn trouble(&mut self, dice: &mut Dice) {
        match dice.below(12) {
            0 => self.call(Session::last_call),
            1 => self.call(Session::cut_off),
            2 => self.call(Session::timed_out),
            3 | 4 => self.session.spoil(refusal(dice)),
            _ => assert!(self.closed || self.session.deadline() >= self.now, "the deadline has passed"),
        }
    }

    fn gate(&mut self) -> Gate {
        if !self.setting.has(Setting::REFUSES) {
            return Gate::Accept;
        }
        match self.answers.below(16) {
            0 => Gate::HangUp(refusal(&mut self.answers)),
            1..4 => Gate::Refuse(refusal(&mut self.answers)),
            _ => Gate::Accept,
        }
    }

    fn words(&mut self) -> Reply {
        if self.answers.one_in(3) {
            refusal(&mut self.answers).into()
        } else {
            let lines = ["friend\r\nQUIT".into(), "staff".into()];
            Reply::of_lines(Code::of(250), Enhanced::of(2, 1, 5), lines)
        }
    }

    fn answer(&mut self, question: Question) {
        self.happened.push(format!("{question:?}"));
        match question {
            Question::Connect(asked) => {
                let gate = self.gate();
                self.call(|session, out| session.answer(asked, gate, out));
            }
            Question::Hello(asked, _) => {
                let gate = self.gate();
                self.call(|session, out| session.answer(asked, gate, out));
            }
            Question::Mail(asked, mail) => {
                self.body = mail.body;
                let gate = self.gate();
                self.call(|session, out| session.answer(asked, gate, out));
            }
            Question::Rcpt(asked, _) => {
                let gate = self.rcpt_gate();
                self.call(|session, out| session.answer(asked, gate, out));
            }
            Question::Open(asked) => {
                let gate = self.gate();
                self.call(|session, out| session.answer(asked, gate, out));
            }
            Question::Close(asked) => {
                let filed = self.file();
                self.call(|session, out| session.answer(asked, filed, out));
            }
            Question::Verify(asked, _) => {
                let words = self.words();
                self.call(|session, out| session.answer(asked, words, out));
            }
            Question::Expand(asked, _) => {
                let words = self.words();
                self.call(|session, out| session.answer(asked, words, out));
            }
            Question::Turn(asked, _) => {
                let words = self.words();
                self.call(|session, out| session.answer(asked, words, out));
            }
            Question::Xclient(asked, _) => {
                // Another peer may be offered something else.
                self.session.set_setup(Arc::clone(&self.setup));
                let gate = self.gate();
                self.call(|session, out| session.answer(asked, gate, out));
            }
            Question::Xforward(asked, _) => {
                let gate = self.gate();
                self.call(|session, out| session.answer(asked, gate, out));
            }
        }
    }

    /// RCPT may be taken in other words (RFC 5321 §3.4).
    fn rcpt_gate(&mut self) -> Gate {
        match self.gate() {
            Gate::Accept if self.answers.one_in(4) => {
                let enhanced = Enhanced::of(2, 1, 5);
                Gate::AcceptSaying(Box::new(Reply::new(Code::of(251), enhanced, "not here\r\n354 go on")))
            }
            gate => gate,
        }
    }

    /// The content is whole: it holds nothing that content may not hold.
    fn file(&mut self) -> Filed<usize> {
        let content = std::mem::take(&mut self.content);
        let notes = self.session.content_notes();
        self.happened.push(format!("content {}, {notes:?}", shown(&content)));
        assert!(content.len() as u64 <= self.setup.content_octets_max, "{} octets", content.len());
        if self.body != Some(Body::BinaryMime) {
            wire::is_text(&content);
        }
        match self.gate() {
            Gate::Refuse(refusal) => Filed::Refused(refusal),
            Gate::HangUp(refusal) => Filed::HangUp(refusal),
            _ => {
                self.filed += 1;
                Filed::Queued(self.filed)
            }
        }
    }

    fn ends_well(&self) {
        // Replies are ASCII but to who has said SMTPUTF8 (RFC 6531 §3.7.4.2).
        let utf8 = self
            .happened
            .iter()
            .any(|line| line.starts_with("C: ") && line.to_ascii_uppercase().contains("SMTPUTF8"));
        for line in wire::lines(&self.sent) {
            let is_text = if utf8 { str::from_utf8(line).is_ok() } else { line.is_ascii() };
            assert!(line.len() + "\r\n".len() <= REPLY_PRINTED_OCTETS_MAX && is_text, "{}", shown(line));
            let digits = line.get(..3).is_some_and(|code| code.iter().all(u8::is_ascii_digit));
            assert!(digits && matches!(line.get(3), Some(b' ' | b'-')), "{} is no reply", shown(line));
        }
    }
}

/// Words that a policy may have from anywhere, none among them.
fn refusal(dice: &mut Dice) -> Refusal {
    const TEXTS: [&str; 4] = ["no", "", "no\r\n250 yes", "ein Gerät sagt nein"];
    let text = TEXTS[dice.below(TEXTS.len())];
    if dice.one_in(2) {
        Refusal::of(Code::of(450), Enhanced::of(4, 2, 0), text)
    } else {
        Refusal::of(Code::of(550), Enhanced::of(5, 7, 1), text)
    }
}
