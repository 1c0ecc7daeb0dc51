//! What a message costs the server engine alone: `engine MESSAGES OCTETS`.
//!
//! One client sends so many messages of so many octets over one session, pipelined as RFC 2920 allows, and
//! every question is answered with yes. No socket, no file, no clock: run it under an instruction counter for
//! two numbers of messages, and the difference is what the engine needs for the messages between them.
//! `cargo xtask bench` does.

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

fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<usize>());
    let (Some(Ok(messages)), Some(Ok(octets))) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: engine MESSAGES OCTETS");
        std::process::exit(64);
    };
    let mut server = Server::new();
    server.hear(b"EHLO client.example\r\n");
    let envelope =
        b"MAIL FROM:<sender@client.example> BODY=8BITMIME\r\nRCPT TO:<friend@local.example>\r\nDATA\r\n";
    let content = content(octets);
    for _ in 0..messages {
        server.hear(envelope);
        server.hear(&content);
    }
    assert_eq!(server.filed, messages, "every message is accepted");
    println!("{messages} messages, {} octets of content, {} octets of replies", server.content, server.said);
}

/// Content of so many octets, nearly, and the dot behind it.
fn content(octets: usize) -> Vec<u8> {
    let mut content = b"From: sender@client.example\r\nSubject: a message\r\n\r\n".to_vec();
    while content.len() < octets {
        content.resize(content.len() + LINE_OCTETS - "\r\n".len(), b'x');
        content.extend_from_slice(b"\r\n");
    }
    content.extend_from_slice(b".\r\n");
    content
}

/// The engine with the least of a driver around it.
struct Server {
    session: Session<usize>,
    wire: Vec<u8>,
    now: Instant,
    filed: usize,
    content: usize,
    said: usize,
}

impl Server {
    fn new() -> Self {
        let setup = Setup {
            banner: "Postrider".into(),
            ..Setup::new("mx.local.example".parse().expect("a domain"), Dialect::Smtp)
        };
        let now = Instant::now();
        let session = Session::new(Arc::new(setup), now);
        Self { session, wire: Vec::new(), now, filed: 0, content: 0, said: 0 }
    }

    /// A batch of whole lines arrives, in reads of at most [`READ_OCTETS`]; what a read leaves unconsumed is
    /// there with the next.
    fn hear(&mut self, batch: &[u8]) {
        let (mut at, mut read) = (0, 0);
        while read < batch.len() {
            read = batch.len().min(read + READ_OCTETS);
            at += self.receive(&batch[at..read]);
        }
        assert_eq!(at, batch.len(), "the engine takes whole lines whole");
    }

    /// Gives octets consumed.
    fn receive(&mut self, input: &[u8]) -> usize {
        let mut at = 0;
        loop {
            let mut out = Out { now: self.now, wire: &mut self.wire, dialogue: &mut Silent };
            let step = self.session.receive(&input[at..], &mut out);
            at += step.consumed;
            match step.event {
                Event::NeedInput => {
                    self.said += self.wire.len();
                    self.wire.clear();
                    return at;
                }
                Event::Ask(question) => answer(&mut self.session, question, &mut self.filed, &mut out),
                Event::Content(octets) => self.content += octets.len(),
                Event::TransactionOver => {}
                Event::Closed => unreachable!("nobody says QUIT"),
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
