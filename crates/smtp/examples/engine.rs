//! What a message, and what a session, costs the server engine alone:
//! `engine messages|sessions data|bdat COUNT OCTETS`.
//!
//! One client sends so many messages of so many octets, all over one session or each over its own, pipelined as
//! RFC 2920 allows, and every question is answered with yes. No socket and no file: run it under an instruction
//! counter for two numbers of messages, and the difference is what the engine needs for the messages between
//! them. The last line says how long it took. `cargo xtask bench engine` does all this.

#![expect(clippy::expect_used, reason = "a measurement stops at the first surprise")]

use postrider_mail::{Code, Enhanced, Reply};
use postrider_smtp::server::{Dialect, Event, Filed, Gate, Question, Session, Setup};
use postrider_smtp::{Out, Silent};
use std::sync::Arc;
use std::time::Instant;

/// What one read from a socket brings at most.
const READ_OCTETS: usize = 32 * 1024;
/// Octets of a line of content with its line end.
const LINE_OCTETS: usize = 78;

const HELLO: &[u8] = b"EHLO client.example\r\n";
const ENVELOPE: &[u8] =
    b"MAIL FROM:<sender@client.example> BODY=8BITMIME\r\nRCPT TO:<friend@local.example>\r\n";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((run, by, count, octets)) = understood(&arguments) else {
        eprintln!("usage: engine messages|sessions data|bdat COUNT OCTETS");
        std::process::exit(64);
    };
    let message = by(octets);
    let setup = Arc::new(Setup {
        banner: "Postrider".into(),
        ..Setup::new("mx.local.example".parse().expect("a domain"), Dialect::Smtp)
    });
    let began = Instant::now();
    let seen = run(&setup, &message, count);
    assert_eq!(seen.filed, count, "every message is accepted");
    println!("{count} messages, {} octets of content, {} octets of replies", seen.content, seen.said);
    println!("{:.6} s", began.elapsed().as_secs_f64());
}

/// Sends a message, given as its batches, so many times.
type Run = fn(&Arc<Setup>, &[Vec<u8>], usize) -> Seen;
/// The batches of a message of so many octets: behind each the client waits for replies.
type By = fn(usize) -> Vec<Vec<u8>>;

fn understood(arguments: &[String]) -> Option<(Run, By, usize, usize)> {
    let [run, by, count, octets] = arguments else { return None };
    let run = match run.as_str() {
        "messages" => over_one_session,
        "sessions" => over_many_sessions as Run,
        _ => return None,
    };
    let by = match by.as_str() {
        "data" => by_data,
        "bdat" => by_bdat as By,
        _ => return None,
    };
    Some((run, by, count.parse().ok()?, octets.parse().ok()?))
}

/// The client waits for 354, and for 250.
fn by_data(octets: usize) -> Vec<Vec<u8>> {
    vec![[ENVELOPE, b"DATA\r\n"].concat(), [&content(octets)[..], b".\r\n"].concat()]
}

/// All in one batch (RFC 3030 §2).
fn by_bdat(octets: usize) -> Vec<Vec<u8>> {
    let content = content(octets);
    let command = format!("BDAT {} LAST\r\n", content.len());
    vec![[ENVELOPE, command.as_bytes(), &content].concat()]
}

/// Content of so many octets, nearly.
fn content(octets: usize) -> Vec<u8> {
    let mut content = b"From: sender@client.example\r\nSubject: a message\r\n\r\n".to_vec();
    while content.len() < octets {
        content.resize(content.len() + LINE_OCTETS - "\r\n".len(), b'x');
        content.extend_from_slice(b"\r\n");
    }
    content
}

fn over_one_session(setup: &Arc<Setup>, message: &[Vec<u8>], count: usize) -> Seen {
    let mut server = Server::new(setup, Seen::default());
    server.hear(HELLO);
    for _ in 0..count {
        message.iter().for_each(|batch| server.hear(batch));
    }
    server.seen
}

fn over_many_sessions(setup: &Arc<Setup>, message: &[Vec<u8>], count: usize) -> Seen {
    let mut seen = Seen::default();
    for _ in 0..count {
        let mut server = Server::new(setup, seen);
        server.hear(HELLO);
        message.iter().for_each(|batch| server.hear(batch));
        server.hear(b"QUIT\r\n");
        seen = server.seen;
    }
    seen
}

/// What went through.
#[derive(Clone, Copy, Default)]
struct Seen {
    filed: usize,
    content: usize,
    said: usize,
}

/// The engine with the least of a driver around it.
struct Server {
    session: Session<usize>,
    wire: Vec<u8>,
    now: Instant,
    seen: Seen,
}

impl Server {
    fn new(setup: &Arc<Setup>, seen: Seen) -> Self {
        let now = Instant::now();
        Self { session: Session::new(Arc::clone(setup), now), wire: Vec::new(), now, seen }
    }

    /// A batch arrives, in reads of at most [`READ_OCTETS`]; what a read leaves unconsumed is there with the
    /// next.
    fn hear(&mut self, batch: &[u8]) {
        let (mut at, mut read) = (0, 0);
        while read < batch.len() {
            read = batch.len().min(read + READ_OCTETS);
            at += self.receive(&batch[at..read]);
        }
        assert_eq!(at, batch.len(), "the engine takes what is whole, whole");
    }

    /// Gives octets consumed.
    fn receive(&mut self, input: &[u8]) -> usize {
        let mut at = 0;
        loop {
            let mut out = Out { now: self.now, wire: &mut self.wire, dialogue: &mut Silent };
            let step = self.session.receive(&input[at..], &mut out);
            at += step.consumed;
            match step.event {
                Event::NeedInput | Event::Closed => {
                    self.seen.said += self.wire.len();
                    self.wire.clear();
                    return at;
                }
                Event::Ask(question) => answer(&mut self.session, question, &mut self.seen.filed, &mut out),
                Event::Content(octets) => self.seen.content += octets.len(),
                Event::TransactionOver => {}
            }
        }
    }
}

fn answer(session: &mut Session<usize>, question: Question, filed: &mut usize, out: &mut Out<'_>) {
    match question {
        Question::Connect(asked) => session.answer(asked, Gate::Accept, out),
        Question::Hello(asked, _) => session.answer(asked, Gate::Accept, out),
        Question::Mail(asked, _) => session.answer(asked, Gate::Accept, out),
        Question::Rcpt(asked, _) => session.answer(asked, Gate::Accept, out),
        Question::Open(asked) => session.answer(asked, Gate::Accept, out),
        Question::Close(asked) => {
            *filed += 1;
            session.answer(asked, Filed::Queued(*filed), out);
        }
        Question::Verify(asked, _) => session.answer(asked, unasked(), out),
        Question::Expand(asked, _) => session.answer(asked, unasked(), out),
        Question::Turn(..) | Question::Xclient(..) | Question::Xforward(..) => unreachable!("not offered"),
    }
}

fn unasked() -> Reply {
    Reply::new(Code::of(252), Enhanced::of(2, 1, 5), "send and see")
}
