//! Every transcript in `tests/dialogue/` against the server engine, whole lines at a time and octet by octet.
//! The format is described in `tests/dialogue/README.md`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use postrider_mail::{Code, Enhanced, Refusal, Reply, UnixMillis};
use postrider_smtp::command::TurnNode;
use postrider_smtp::extension::FutureRelease;
use postrider_smtp::forward::Told;
use postrider_smtp::server::{
    BareNewlines, Dialect, Event, Filed, Gate, LongLines, Question, Session, Setup,
};
use postrider_smtp::{Out, Silent};
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// One line of a transcript.
#[derive(Clone, Debug)]
enum Turn {
    /// Octets from the client.
    Client(Vec<u8>),
    /// One reply: what may stand at its start, of its last line.
    Server(Vec<String>),
    /// The server has closed.
    Closed,
    /// The client closes its side.
    EndOfInput,
    /// The server waited as long as it will.
    Timeout,
    /// The server was asked to stop.
    Stop,
    /// The server stops now.
    CutOff,
    /// The content of the last message that was filed.
    Filed(Vec<u8>),
}

struct Transcript {
    setup: Setup,
    turns: Vec<Turn>,
}

fn parse(text: &str) -> Transcript {
    let setup = Setup {
        banner: "Postrider".into(),
        content_octets_max: 100_000,
        recipients_max: 3,
        ..Setup::new("mx.local.example".parse().unwrap(), Dialect::Smtp)
    };
    let mut transcript = Transcript { setup, turns: Vec::new() };
    for line in text.lines() {
        let turn = if line.is_empty() || line.starts_with('#') {
            continue;
        } else if let Some(directive) = line.strip_prefix("! ") {
            if set(&mut transcript.setup, directive) {
                assert!(transcript.turns.is_empty(), "{line:?} must stand before the session");
                continue;
            }
            happening(directive)
        } else if let Some(raw) = line.strip_prefix("C! ") {
            Turn::Client(unescape(raw))
        } else if let Some(said) = line.strip_prefix("C:") {
            Turn::Client(format!("{}\r\n", said.strip_prefix(' ').unwrap_or(said)).into_bytes())
        } else if let Some(reply) = line.strip_prefix("S: ") {
            Turn::Server(reply.split('|').map(|start| start.trim().to_owned()).collect())
        } else {
            panic!("what is {line:?}?")
        };
        transcript.turns.push(turn);
    }
    transcript
}

/// Whether the directive is a setting of the server.
fn set(setup: &mut Setup, directive: &str) -> bool {
    let offer = &mut setup.extensions;
    match directive {
        "engine only" => {}
        "lmtp" => setup.dialect = Dialect::Lmtp,
        "normalise" => setup.bare_newlines = BareNewlines::Normalise,
        "long lines refused" => setup.long_lines = LongLines::Refuse,
        "xclient" => offer.xclient = true,
        "xforward" => offer.xforward = true,
        "etrn" => offer.etrn = true,
        "future release" => {
            let until_max = UnixMillis::from_rfc3339("2026-12-01T00:00:00Z").unwrap();
            offer.future_release = Some(FutureRelease { seconds_max: 604_800, until_max });
        }
        "deliver by 60" => offer.deliver_by = Some(60),
        "no soliciting" => offer.no_soliciting = Some(None),
        "no soliciting net.example:ADV" => {
            offer.no_soliciting = Some(Some("net.example:ADV".parse().unwrap()));
        }
        "without smtputf8" => offer.smtputf8 = false,
        "without chunking" => offer.chunking = false,
        "without dsn" => offer.dsn = false,
        "without limits" => offer.limits = false,
        "without mt-priority" => offer.priority = false,
        "without deliverby" => offer.deliver_by = None,
        _ => return false,
    }
    true
}

fn happening(directive: &str) -> Turn {
    if let Some(content) = directive.strip_prefix("filed ") {
        return Turn::Filed(unescape(content));
    }
    match directive {
        "closed" => Turn::Closed,
        "end of input" => Turn::EndOfInput,
        "timeout" => Turn::Timeout,
        "stop" => Turn::Stop,
        "cut off" => Turn::CutOff,
        other => panic!("what is {other:?}?"),
    }
}

/// `\r`, `\n`, `\0`, `\xHH`, `\\`, and `{N:x}` for N times x.
fn unescape(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some((count, what)) =
            rest.strip_prefix('{').and_then(|r| r.split_once('}')).and_then(|(r, after)| {
                let (count, what) = r.split_once(':')?;
                rest = after;
                Some((count.parse::<usize>().ok()?, what))
            })
        {
            octets.extend(unescape(what).repeat(count));
            continue;
        }
        rest = &rest[c.len_utf8()..];
        if c != '\\' {
            octets.extend(c.to_string().bytes());
            continue;
        }
        let escape = rest.chars().next().unwrap();
        rest = &rest[1..];
        match escape {
            'r' => octets.push(b'\r'),
            'n' => octets.push(b'\n'),
            '0' => octets.push(0),
            'x' => {
                octets.push(u8::from_str_radix(&rest[..2], 16).unwrap());
                rest = &rest[2..];
            }
            other => octets.push(other as u8),
        }
    }
    octets
}

/// The engine with the least of a driver around it: the directory of the dialogues, and a counter for ids.
struct Driven {
    session: Session<String>,
    input: Vec<u8>,
    wire: Vec<u8>,
    now: Instant,
    closed: bool,
    content: Vec<u8>,
    filed: Vec<Vec<u8>>,
}

impl Driven {
    fn new(setup: Setup) -> Self {
        let now = Instant::now();
        Self {
            session: Session::new(Arc::new(setup), now),
            input: Vec::new(),
            wire: Vec::new(),
            now,
            closed: false,
            content: Vec::new(),
            filed: Vec::new(),
        }
    }

    fn run(&mut self) {
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
                Event::Content(octets) => self.content.extend_from_slice(octets),
                Event::TransactionOver => self.content.clear(),
                Event::Closed => self.closed = true,
                Event::Ask(question) => {
                    Self::answer(&mut self.session, question, &mut self.content, &mut self.filed, &mut out);
                }
            }
            self.input.drain(..step.consumed);
        }
    }

    fn answer(
        session: &mut Session<String>,
        question: Question,
        content: &mut Vec<u8>,
        filed: &mut Vec<Vec<u8>>,
        out: &mut Out<'_>,
    ) {
        let refusal = |code, (class, subject, detail), text: &str| {
            Refusal::of(Code::try_from(code).unwrap(), Enhanced::of(class, subject, detail), text)
        };
        match question {
            Question::Connect(asked) => session.answer(asked, Gate::Accept, out),
            Question::Hello(asked, _) => session.answer(asked, Gate::Accept, out),
            Question::Mail(asked, mail) => {
                let gate = match mail.reverse_path.to_string().as_str() {
                    "blocked@client.example" => Gate::Refuse(refusal(550, (5, 7, 1), "not from you")),
                    "banned@client.example" => Gate::HangUp(refusal(521, (5, 7, 1), "leave")),
                    _ => Gate::Accept,
                };
                session.answer(asked, gate, out);
            }
            Question::Rcpt(asked, rcpt) => {
                let known = ["friend", "richlowe", "afair", "staff"];
                let gate = match rcpt.forward_path.mailbox() {
                    None => Gate::Accept,
                    Some(mailbox) if mailbox.key() == "forwarded@local.example" => {
                        let words = "not here, but I will see that it goes on";
                        Gate::AcceptSaying(Box::new(Reply::new(Code::of(251), Enhanced::of(2, 1, 5), words)))
                    }
                    Some(mailbox) if mailbox.host().key() != "local.example" => {
                        Gate::Refuse(refusal(550, (5, 7, 1), "not one of our domains"))
                    }
                    Some(mailbox) if known.contains(&mailbox.local().as_str()) => Gate::Accept,
                    Some(_) => Gate::Refuse(refusal(550, (5, 1, 1), "no such user")),
                };
                session.answer(asked, gate, out);
            }
            Question::Open(asked) => session.answer(asked, Gate::Accept, out),
            Question::Close(asked) => {
                let answer = if content.starts_with(b"Subject: full") {
                    Filed::Refused(refusal(452, (4, 3, 1), "the disk is full"))
                } else {
                    filed.push(std::mem::take(content));
                    Filed::Queued(format!("id{}", filed.len()))
                };
                session.answer(asked, answer, out);
            }
            Question::Verify(asked, _) => {
                let reply = Reply::new(Code::of(252), Enhanced::of(2, 1, 5), "send and see");
                session.answer(asked, reply, out);
            }
            Question::Expand(asked, _) => {
                let reply = Reply::new(Code::of(550), Enhanced::of(5, 7, 1), "not told");
                session.answer(asked, reply, out);
            }
            Question::Turn(asked, node) => {
                let known = matches!(&node, TurnNode::Domain(domain) if domain.ascii() == "client.example");
                let (code, text) = if known { (250, "sending now") } else { (459, "not for that node") };
                session.answer(asked, Reply::new(Code::of(code), None, text), out);
            }
            Question::Xclient(asked, told) => {
                let unwanted = told.addr == Some(Told::Known(Ipv4Addr::new(203, 0, 113, 66).into()));
                let no = || Gate::Refuse(refusal(550, (5, 7, 1), "not for that address"));
                session.answer(asked, if unwanted { no() } else { Gate::Accept }, out);
            }
            Question::Xforward(asked, _) => session.answer(asked, Gate::Accept, out),
        }
    }

    /// Takes one whole reply off the wire: the last line of it.
    fn reply(&mut self) -> Option<String> {
        loop {
            let end = self.wire.windows(2).position(|w| w == b"\r\n")?;
            let line: Vec<u8> = self.wire.drain(..end + 2).collect();
            let line = String::from_utf8(line[..end].to_vec()).unwrap();
            assert!(!line.contains(['\r', '\n', '\0']) && line.len() <= 510, "{line:?}");
            if line.as_bytes().get(3) == Some(&b' ') {
                return Some(line);
            }
        }
    }
}

fn play(name: &str, transcript: &Transcript, octet_by_octet: bool) {
    let mut driven = Driven::new(transcript.setup.clone());
    driven.run();
    for turn in &transcript.turns {
        match turn {
            Turn::Client(octets) if octet_by_octet => {
                for octet in octets {
                    driven.input.push(*octet);
                    driven.run();
                }
            }
            Turn::Client(octets) => {
                driven.input.extend_from_slice(octets);
                driven.run();
            }
            Turn::EndOfInput => {
                driven.session.end_of_input();
                driven.run();
            }
            Turn::Timeout => {
                driven.now = driven.session.deadline();
                let mut out = Out { now: driven.now, wire: &mut driven.wire, dialogue: &mut Silent };
                driven.session.timed_out(&mut out);
                driven.run();
            }
            Turn::Stop => {
                let mut out = Out { now: driven.now, wire: &mut driven.wire, dialogue: &mut Silent };
                driven.session.last_call(&mut out);
                driven.run();
            }
            Turn::CutOff => {
                let mut out = Out { now: driven.now, wire: &mut driven.wire, dialogue: &mut Silent };
                driven.session.cut_off(&mut out);
                driven.run();
            }
            Turn::Server(expected) => {
                let reply =
                    driven.reply().unwrap_or_else(|| panic!("{name}: no reply where {expected:?} is due"));
                assert!(
                    expected.iter().any(|start| reply.starts_with(start.as_str())),
                    "{name}: {reply:?} where {expected:?} is due"
                );
                assert!(reply.len() > 8, "{name}: a reply without a sentence: {reply:?}");
            }
            Turn::Filed(content) => {
                let filed = driven.filed.last().map(|filed| String::from_utf8_lossy(filed));
                assert_eq!(filed, Some(String::from_utf8_lossy(content)), "{name}");
            }
            Turn::Closed => assert!(driven.closed, "{name}: the session goes on"),
        }
    }
    assert_eq!(driven.reply(), None, "{name}: said more");
}

fn play_folder(folder: &Path) -> usize {
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "smtp"));
    files.sort();
    for file in &files {
        let name = file.file_name().unwrap().to_string_lossy();
        let transcript = parse(&std::fs::read_to_string(file).unwrap());
        for octet_by_octet in [false, true] {
            play(&name, &transcript, octet_by_octet);
        }
    }
    files.len()
}

#[test]
fn every_transcript_is_what_is_said() {
    let played = play_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/dialogue"));
    println!("{played} transcripts played");
    assert!(played >= 25, "only {played} transcripts were found");
}
