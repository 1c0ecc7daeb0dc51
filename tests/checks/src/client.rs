//! The client's side of a session, against any octets that a peer could send, in any split.
//!
//! An input's first octet says what is sent and to whom ([`Setting`]), its second how many octets at its end are
//! the content; what stands between is what the peer says.

use crate::dice::Dice;
use crate::limits::{CALLS_PER_OCTET_MAX, CLIENT_CONTENT_OCTETS_MAX, INPUT_OCTETS_MAX};
use crate::wire;
use postrider_mail::{Body, Host, Notify, OriginalRecipient, Priority, Ret, ReversePath};
use postrider_smtp::client::{Event, Fate, Idle, Open, Session, Transaction};
use postrider_smtp::command::{MailFrom, RcptTo};
use postrider_smtp::limits::REPLY_LINE_OCTETS_MAX;
use postrider_smtp::server::Dialect;
use postrider_smtp::{Dialogue, Line, Out};
use std::collections::VecDeque;
use std::time::Instant;

/// Any octets are replies that decide, or a failure, in any split the same; each recipient has one fate, and
/// nothing leaves that could be taken for two things.
///
/// # Panics
/// When that does not hold.
pub fn client_session(input: &[u8]) {
    let [first, content_octets, rest @ ..] = input else { return };
    let rest = &rest[..rest.len().min(INPUT_OCTETS_MAX)];
    let content_octets = usize::from(*content_octets).min(CLIENT_CONTENT_OCTETS_MAX).min(rest.len());
    let (said, content) = rest.split_at(rest.len() - content_octets);
    let setting = Setting(*first);
    let mut dice = Dice::of(input);
    let mut splits = dice.splits(said).into_iter();
    let whole = Conversation::of(setting, content, None, &splits.next().expect("the whole comes first"));
    for split in splits {
        let again = Conversation::of(setting, content, None, &split);
        assert_eq!(again.happened, whole.happened);
        // A session that fails throws away what it has not sent yet.
        let (one, other) = (&again.sent, &whole.sent);
        let alike =
            if again.failed { one.starts_with(other) || other.starts_with(one) } else { one == other };
        assert!(alike, "{} and {}", one.escape_ascii(), other.escape_ascii());
    }
    // Once more, with deadlines and second thoughts at any moment.
    let pieces = dice.cut(said);
    Conversation::of(setting, content, Some(dice), &pieces);
}

/// What the first octet says, bit by bit.
#[derive(Clone, Copy, Debug)]
pub struct Setting(pub u8);

impl Setting {
    /// LMTP is spoken.
    pub const LMTP: u8 = 1;
    /// The content is declared binary.
    pub const BINARY: u8 = 2;
    /// Addresses hold UTF-8.
    pub const UTF8: u8 = 4;
    /// The sender asks for everything there is.
    pub const ASKS: u8 = 8;
    /// The null reverse-path.
    pub const NULL: u8 = 16;
    /// Two messages.
    pub const TWICE: u8 = 64;

    fn has(self, bit: u8) -> bool {
        self.0 & bit != 0
    }

    fn transaction(self) -> Transaction {
        let mut mail = MailFrom::new(self.reverse_path());
        mail.size = Some(100);
        mail.body = Some(if self.has(Self::BINARY) { Body::BinaryMime } else { Body::EightBitMime });
        let mut recipients: Vec<RcptTo> = self.paths().iter().map(|path| rcpt(path)).collect();
        if self.has(Self::ASKS) {
            mail.ret = Some(Ret::Headers);
            mail.by = "120;RT".parse().ok();
            mail.priority = Some(Priority::clamped(3));
            mail.solicit = "net.example:ADV".parse().ok();
            for rcpt in &mut recipients {
                rcpt.notify = Some(Notify::SUCCESS.and(Notify::DELAY));
                rcpt.orcpt = rcpt.forward_path.mailbox().and_then(OriginalRecipient::of);
            }
        }
        Transaction { mail, recipients }
    }

    fn reverse_path(self) -> ReversePath {
        let text = match (self.has(Self::NULL), self.has(Self::UTF8)) {
            (true, _) => "",
            (false, true) => "jörg@client.example",
            (false, false) => "a@client.example",
        };
        text.parse().expect("a reverse-path")
    }

    fn paths(self) -> [&'static str; 3] {
        if self.has(Self::UTF8) {
            ["b@d.example", "ü@d.example", "c@bücher.example"]
        } else {
            ["b@d.example", "\"c >d\"@d.example", "Postmaster"]
        }
    }
}

fn rcpt(path: &str) -> RcptTo {
    RcptTo::new(path.parse().expect("a forward-path"))
}

/// One conversation, as its driver saw it.
struct Conversation<'c> {
    session: Session,
    content: &'c [u8],
    waiting: VecDeque<Transaction>,
    recipients: usize,
    /// Replies heard, commands said and events, in order.
    happened: Vec<String>,
    /// What was sent: nothing of it behind a failure.
    sent: Vec<u8>,
    wire: Vec<u8>,
    now: Instant,
    open: Option<(Open, Sending)>,
    over: bool,
    failed: bool,
}

/// How far the content is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sending {
    From(usize),
    End,
}

struct Ear<'h>(&'h mut Vec<String>);

impl Dialogue for Ear<'_> {
    fn line(&mut self, line: Line<'_>) {
        let (who, octets) = match line {
            Line::Command(octets) => ("C", octets),
            Line::Reply(octets) => ("S", octets),
            other => return self.0.push(format!("{other:?}")),
        };
        assert!(octets.len() <= REPLY_LINE_OCTETS_MAX, "a line of {} octets", octets.len());
        self.0.push(format!("{who}: {}", octets.escape_ascii()));
    }
}

impl<'c> Conversation<'c> {
    fn of(setting: Setting, content: &'c [u8], mut trouble: Option<Dice>, pieces: &[&[u8]]) -> Self {
        let dialect = if setting.has(Setting::LMTP) { Dialect::Lmtp } else { Dialect::Smtp };
        let name: Host = "client.example".parse().expect("a name");
        let now = Instant::now();
        let messages = if setting.has(Setting::TWICE) { 2 } else { 1 };
        let mut conversation = Self {
            session: Session::new(dialect, name, now),
            content,
            waiting: std::iter::repeat_n(setting.transaction(), messages).collect(),
            recipients: 0,
            happened: Vec::new(),
            sent: Vec::new(),
            wire: Vec::new(),
            now,
            open: None,
            over: false,
            failed: false,
        };
        for piece in pieces {
            // A chunk is ours to send: a reply that came before it answers nothing, so each is heard by itself.
            let heard = if setting.has(Setting::BINARY) { b'\n' } else { 0 };
            piece.split_inclusive(|octet| *octet == heard).for_each(|part| conversation.receive(part));
            if let Some(dice) = &mut trouble {
                conversation.trouble(dice);
            }
        }
        let event = conversation.call(Session::end_of_input);
        conversation.act(event);
        conversation.ends_well();
        conversation
    }

    fn call<T>(&mut self, call: impl FnOnce(&mut Session, &mut Out<'_>) -> T) -> T {
        let mut ear = Ear(&mut self.happened);
        let mut out = Out { now: self.now, wire: &mut self.wire, dialogue: &mut ear };
        call(&mut self.session, &mut out)
    }

    fn receive(&mut self, mut input: &[u8]) {
        let mut calls = CALLS_PER_OCTET_MAX * (input.len() + 2);
        while !input.is_empty() {
            calls = calls.checked_sub(1).expect("the engine goes on for ever");
            let step = self.call(|session, out| session.receive(input, out));
            assert!(step.consumed > 0 && step.consumed <= input.len(), "a session that takes nothing hangs");
            assert!(step.consumed == input.len() || step.event != Event::NeedInput, "octets are left");
            input = &input[step.consumed..];
            self.act(step.event);
            self.send_content();
        }
    }

    fn trouble(&mut self, dice: &mut Dice) {
        let event = match dice.below(8) {
            0 => self.call(Session::timed_out),
            1 => self.call(Session::abandon),
            _ => return,
        };
        self.act(event);
    }

    fn act(&mut self, event: Event) {
        if !matches!(event, Event::NeedInput | Event::Closed) {
            self.happened.push(format!("{event:?}"));
        }
        match event {
            Event::NeedInput => self.sent.append(&mut self.wire),
            Event::Ready(idle) => self.go_on(idle),
            Event::Finished(outcome, idle) => {
                self.decided(&outcome.fates);
                assert!(!outcome.fates.contains(&Fate::Undecided), "finished, and undecided: {outcome:?}");
                self.open = None;
                self.go_on(idle);
            }
            Event::SendContent(open) => {
                self.open = Some((open, Sending::From(0)));
                self.send_content();
            }
            Event::Failed(failure) => {
                self.failed = true;
                if !failure.fates.is_empty() {
                    self.decided(&failure.fates);
                }
                self.stop();
            }
            Event::Closed => self.stop(),
        }
    }

    /// The session is over: what was not sent must not go out.
    fn stop(&mut self) {
        self.over = true;
        self.open = None;
        self.wire.clear();
        assert_eq!(self.session.deadline(), None);
    }

    fn decided(&self, fates: &[Fate]) {
        assert_eq!(fates.len(), self.recipients, "one fate for each recipient");
    }

    fn go_on(&mut self, idle: Idle) {
        if let Some(transaction) = self.waiting.pop_front() {
            self.recipients = transaction.recipients.len();
            let event = self.call(|session, out| session.begin(idle, transaction, out));
            self.act(event);
        } else {
            self.call(|session, out| session.quit(idle, out));
            self.sent.append(&mut self.wire);
        }
    }

    /// As much content as the session takes now.
    fn send_content(&mut self) {
        while !self.over
            && self.session.takes_content()
            && let Some((open, sending)) = self.open.take()
        {
            match sending {
                Sending::From(at) if at < self.content.len() => {
                    let piece = &self.content[at..self.content.len().min(at + 7)];
                    self.call(|session, out| session.content(&open, piece, out));
                    self.open = Some((open, Sending::From(at + piece.len())));
                }
                Sending::From(_) => {
                    self.call(|session, out| session.dot(&open, out));
                    self.open = Some((open, Sending::End));
                }
                Sending::End => {
                    self.call(|session, out| session.end_of_content(open, out));
                }
            }
            self.sent.append(&mut self.wire);
        }
    }

    /// Read as a server reads it, the wire holds command lines, content and chunks, and nothing bare but in a
    /// chunk.
    fn ends_well(&self) {
        let mut rest = &self.sent[..];
        while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
            let (line, behind) = (&rest[..end], &rest[end + 2..]);
            wire::nothing_bare(line);
            rest = behind;
            let text = String::from_utf8_lossy(line);
            let chunk = text.strip_prefix("BDAT ").and_then(|size| size.split(' ').next()?.parse().ok());
            if let Some(octets) = chunk {
                assert!(rest.len() >= octets, "a chunk is not whole: {text}");
                rest = &rest[octets..];
            }
        }
        wire::nothing_bare(rest);
    }
}
