//! The engine with the least of a driver around it: the answers that the transcripts expect of policy, the
//! directory and the queue, and a counter for ids.

use postrider_mail::{Code, Enhanced, ForwardPath, Refusal, Reply, Text};
use postrider_smtp::command::{MailFrom, TurnNode};
use postrider_smtp::forward::{Attributes, Told};
use postrider_smtp::server::{Event, Filed, Gate, Question, Session, Setup};
use postrider_smtp::{Out, Silent};
use std::sync::Arc;
use std::time::Instant;

/// What is around the engine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scene {
    /// The domain tells what the directory knows.
    pub(crate) tells: bool,
    /// Who talks before his turn is refused.
    pub(crate) refuses_early_talkers: bool,
    /// In place of the greeting.
    pub(crate) greets_with: Option<u16>,
}

/// A session, what it was given and what it said.
pub(crate) struct Driven {
    session: Session<String>,
    input: Vec<u8>,
    wire: Vec<u8>,
    now: Instant,
    closed: bool,
    outside: Outside,
    /// The contents of the messages that were filed.
    pub(crate) filed: Vec<Vec<u8>>,
}

impl Driven {
    pub(crate) fn new(setup: Setup, scene: Scene) -> Self {
        let now = Instant::now();
        Self {
            session: Session::new(Arc::new(setup), now),
            input: Vec::new(),
            wire: Vec::new(),
            now,
            closed: false,
            outside: Outside { scene, ..Outside::default() },
            filed: Vec::new(),
        }
    }

    pub(crate) fn hear(&mut self, octets: &[u8]) {
        self.input.extend_from_slice(octets);
        self.run();
    }

    pub(crate) fn end_of_input(&mut self) {
        self.session.end_of_input();
        self.run();
    }

    pub(crate) fn time_out(&mut self) {
        self.now = self.session.deadline();
        self.happens(Session::timed_out);
    }

    pub(crate) fn last_call(&mut self) {
        self.happens(Session::last_call);
    }

    pub(crate) fn cut_off(&mut self) {
        self.happens(Session::cut_off);
    }

    fn happens(&mut self, what: fn(&mut Session<String>, &mut Out<'_>)) {
        let mut out = Out { now: self.now, wire: &mut self.wire, dialogue: &mut Silent };
        what(&mut self.session, &mut out);
        self.run();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(crate) fn run(&mut self) {
        let mut silent = Silent;
        while !self.closed {
            let mut out = Out { now: self.now, wire: &mut self.wire, dialogue: &mut silent };
            let step = self.session.receive(&self.input, &mut out);
            match step.event {
                Event::NeedInput => {
                    self.input.drain(..step.consumed);
                    assert!(self.input.len() < 2048, "the engine must bound what it leaves");
                    return;
                }
                Event::Content(octets) => self.outside.content.extend_from_slice(octets),
                Event::TransactionOver => self.outside.content.clear(),
                Event::Closed => self.closed = true,
                Event::Ask(question) => {
                    self.outside.answer(&mut self.session, question, &mut self.filed, &mut out);
                }
            }
            self.input.drain(..step.consumed);
        }
    }

    /// Takes one whole reply off the wire: its lines.
    pub(crate) fn reply(&mut self) -> Option<Vec<String>> {
        let mut lines = Vec::new();
        loop {
            let end = self.wire.windows(2).position(|w| w == b"\r\n")?;
            let line: Vec<u8> = self.wire.drain(..end + 2).collect();
            let line = String::from_utf8(line[..end].to_vec()).unwrap();
            assert!(!line.contains(['\r', '\n', '\0']) && line.len() <= 510, "{line:?}");
            let is_last = line.as_bytes().get(3) == Some(&b' ');
            lines.push(line);
            if is_last {
                return Some(lines);
            }
        }
    }
}

/// Policy, directory and queue.
#[derive(Default)]
struct Outside {
    scene: Scene,
    content: Vec<u8>,
    /// With what the open transaction's content is refused.
    refused_content: Option<u16>,
}

fn refusal(code: u16, enhanced: (u8, u16, u16), text: &str) -> Refusal {
    Refusal::of(Code::of(code), Enhanced::of(enhanced.0, enhanced.1, enhanced.2), text)
}

/// The refusal that a transcript asks for by a name: `refused-451`.
fn wished(word: &str, name: &str) -> Option<u16> {
    name.strip_prefix(word)?.split(['.', '@', '\r']).next()?.parse().ok()
}

fn as_wished(code: u16) -> Refusal {
    refusal(code, (if code < 500 { 4 } else { 5 }, 0, 0), "as the transcript wishes")
}

fn refuse(code: u16) -> Gate {
    Gate::Refuse(as_wished(code))
}

impl Outside {
    fn answer(
        &mut self,
        session: &mut Session<String>,
        question: Question,
        filed: &mut Vec<Vec<u8>>,
        out: &mut Out<'_>,
    ) {
        let manners = session.manners();
        let is_out_of_turn = self.scene.refuses_early_talkers && manners.out_of_turn.is_some();
        match question {
            Question::Connect(asked) => {
                let gate = match self.scene.greets_with {
                    Some(code) => Gate::HangUp(as_wished(code)),
                    None if self.scene.refuses_early_talkers && manners.before_greeting => {
                        Gate::HangUp(refusal(554, (5, 5, 1), "wait for the greeting"))
                    }
                    None => Gate::Accept,
                };
                session.answer(asked, gate, out);
            }
            Question::Hello(asked, greeting) => {
                let code = wished("refused-", greeting.name.as_str());
                session.answer(asked, code.map_or(Gate::Accept, refuse), out);
            }
            Question::Mail(asked, mail) => {
                session.answer(asked, self.mail(&mail, is_out_of_turn), out);
            }
            Question::Rcpt(asked, rcpt) => session.answer(asked, self.recipient(&rcpt.forward_path), out),
            Question::Open(asked) if is_out_of_turn => {
                session.answer(asked, Gate::HangUp(refusal(503, (5, 5, 1), "wait for the reply")), out);
            }
            Question::Open(asked) => {
                session.answer(asked, self.refused_content.map_or(Gate::Accept, refuse), out);
            }
            Question::Close(asked) => session.answer(asked, self.file(filed), out),
            Question::Verify(asked, what) => session.answer(asked, self.verify(&what.string, false), out),
            Question::Expand(asked, what) => session.answer(asked, self.verify(&what.string, true), out),
            Question::Turn(asked, node) => {
                let known = matches!(&node, TurnNode::Domain(domain) if domain.ascii() == "client.example");
                let (code, enhanced) =
                    if known { (251, Enhanced::of(2, 0, 0)) } else { (459, Enhanced::of(4, 7, 0)) };
                session.answer(asked, Reply::new(Code::of(code), enhanced, "as the list says"), out);
            }
            Question::Xclient(asked, told) => session.answer(asked, xclient(&told), out),
            Question::Xforward(asked, _) => session.answer(asked, Gate::Accept, out),
        }
    }

    fn mail(&mut self, mail: &MailFrom, is_early: bool) -> Gate {
        let sender = mail.reverse_path.to_string();
        self.refused_content = wished("content-refused-", &sender);
        if is_early {
            Gate::Refuse(refusal(503, (5, 5, 1), "wait for the reply"))
        } else if let Some(code) = wished("left-with-", &sender) {
            Gate::HangUp(as_wished(code))
        } else {
            wished("refused-", &sender).map_or(Gate::Accept, refuse)
        }
    }

    fn recipient(&self, path: &ForwardPath) -> Gate {
        let Some(mailbox) = path.mailbox() else { return Gate::Accept };
        let (host, key) = (mailbox.host().key(), mailbox.key());
        let user = key.split(['+', '@']).next().unwrap();
        let no = |code, enhanced, text| Gate::Refuse(refusal(code, enhanced, text));
        if let Some(code) = wished("refused-", user) {
            return refuse(code);
        }
        match (host.as_ref(), user) {
            ("closed.example", _) => no(556, (5, 1, 10), "the domain takes no mail"),
            ("local.example", "gone") => no(551, (5, 1, 6), "please try <gone@elsewhere.example>"),
            ("local.example", "forwarded") if self.scene.tells => {
                let words = Reply::new(Code::of(251), Enhanced::of(2, 1, 5), "the mail goes on");
                Gate::AcceptSaying(Box::new(words))
            }
            ("local.example", "friend" | "richlowe" | "afair" | "staff" | "forwarded") => Gate::Accept,
            ("local.example", _) => no(550, (5, 1, 1), "there is no such mailbox here"),
            _ => no(550, (5, 7, 1), "not one of our domains"),
        }
    }

    fn file(&mut self, filed: &mut Vec<Vec<u8>>) -> Filed<String> {
        let content = std::mem::take(&mut self.content);
        let text = String::from_utf8_lossy(&content);
        if let Some(code) = wished("Subject: left-with-", &text) {
            return Filed::HangUp(as_wished(code));
        }
        if let Some(code) = wished("Subject: refused-", &text) {
            return Filed::Refused(as_wished(code));
        }
        filed.push(content);
        Filed::Queued(format!("id{}", filed.len()))
    }

    /// VRFY and EXPN: what `tests/tests/dialogues.rs` puts into a real directory.
    fn verify(&self, what: &Text, expand: bool) -> Reply {
        let say = |code, enhanced: (u8, u16, u16), lines: &[&'static str]| {
            let enhanced = Enhanced::of(enhanced.0, enhanced.1, enhanced.2);
            Reply::of_lines(Code::of(code), enhanced, lines.iter().map(|line| Text::literal(line)))
        };
        let what = what.as_str().trim_matches(['<', '>']);
        let (user, host) = what.split_once('@').unwrap_or((what, ""));
        if !self.scene.tells || !matches!(host, "" | "local.example") {
            return say(252, (2, 1, 5), &["not told here"]);
        }
        match (user, host) {
            ("afair", "") => {
                let lines = &["user ambiguous", "<afair@local.example>", "<afair@second.example>"];
                say(553, (5, 1, 4), lines)
            }
            ("friend" | "richlowe" | "afair", _) => say(250, (2, 1, 5), &["<friend@local.example>"]),
            ("staff", _) if expand => {
                say(250, (2, 1, 5), &["<friend@local.example>", "<afair@local.example>"])
            }
            ("staff", _) => say(250, (2, 1, 5), &["<staff@local.example>"]),
            ("forwarded", _) if expand => say(250, (2, 1, 5), &["<away@elsewhere.example>"]),
            ("forwarded", _) => say(251, (2, 1, 5), &["the mail goes on"]),
            ("gone", _) => say(551, (5, 1, 6), &["please try <gone@elsewhere.example>"]),
            _ => say(550, (5, 1, 1), &["there is no such mailbox here"]),
        }
    }
}

fn xclient(told: &Attributes) -> Gate {
    let name = told.name.as_ref().and_then(Told::known);
    name.and_then(|name| wished("refused-", name.ascii())).map_or(Gate::Accept, refuse)
}
