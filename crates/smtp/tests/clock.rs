//! The server engine's clock: octets that drip extend no command's time, and a lively transaction ends all the same.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use postrider_smtp::limits::{SERVER_COMMAND_TIMEOUT, SERVER_CONTENT_TIMEOUT, SERVER_TRANSACTION_TIMEOUT};
use postrider_smtp::server::{Dialect, Event, Filed, Gate, Question, Session, Setup};
use postrider_smtp::{Out, Silent};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A session, and the time its driver has.
struct Clocked {
    session: Session<usize>,
    now: Instant,
    wire: Vec<u8>,
    pending: Vec<u8>,
    closed: bool,
}

impl Clocked {
    /// A session of which this was said at once, and answered yes.
    fn after(dialect: Dialect, said: &str) -> Self {
        let now = Instant::now();
        let mut setup = Setup::new("mx.local.example".parse().unwrap(), dialect);
        setup.extensions.xclient = true;
        let session = Session::new(Arc::new(setup), now);
        let mut clocked = Self { session, now, wire: Vec::new(), pending: Vec::new(), closed: false };
        clocked.hear(b"");
        clocked.hear(said.as_bytes());
        clocked.wire.clear();
        clocked
    }

    /// Octets arrive.
    fn hear(&mut self, octets: &[u8]) {
        self.pending.extend_from_slice(octets);
        let input = std::mem::take(&mut self.pending);
        let mut consumed = 0;
        while !self.closed {
            let mut out = Out { now: self.now, wire: &mut self.wire, dialogue: &mut Silent };
            let step = self.session.receive(&input[consumed..], &mut out);
            consumed += step.consumed;
            match step.event {
                Event::NeedInput => break,
                Event::Content(_) | Event::TransactionOver => {}
                Event::Closed => self.closed = true,
                Event::Ask(question) => match question {
                    Question::Connect(asked) => self.session.answer(asked, Gate::Accept, &mut out),
                    Question::Hello(asked, _) => self.session.answer(asked, Gate::Accept, &mut out),
                    Question::Mail(asked, _) => self.session.answer(asked, Gate::Accept, &mut out),
                    Question::Rcpt(asked, _) => self.session.answer(asked, Gate::Accept, &mut out),
                    Question::Open(asked) => self.session.answer(asked, Gate::Accept, &mut out),
                    Question::Close(asked) => self.session.answer(asked, Filed::Queued(1), &mut out),
                    Question::Xclient(asked, _) => self.session.answer(asked, Gate::Accept, &mut out),
                    other => panic!("nobody asks {other:?} here"),
                },
            }
        }
        self.pending = input[consumed..].to_vec();
    }

    /// Time passes, and the driver looks at the deadline as drivers do.
    fn pass(&mut self, time: Duration) {
        self.now += time;
        if !self.closed && self.now >= self.session.deadline() {
            let mut out = Out { now: self.now, wire: &mut self.wire, dialogue: &mut Silent };
            self.session.timed_out(&mut out);
            self.hear(b"");
        }
    }

    /// Says `drop` again and again, with this much time before each, until the session ends: how long it took.
    fn drip(&mut self, drop: &[u8], every: Duration) -> Duration {
        let began = self.now;
        while !self.closed {
            assert!(self.now - began < SERVER_TRANSACTION_TIMEOUT * 3, "it goes on for ever");
            self.pass(every);
            if !self.closed {
                self.hear(drop);
            }
        }
        assert!(self.wire.ends_with(b"\r\n"));
        let last = String::from_utf8_lossy(&self.wire).trim_end().lines().last().unwrap().to_owned();
        assert!(last.starts_with("421 4.4.2"), "{last}");
        self.now - began
    }
}

const HELLO: &str = "EHLO client.example\r\n";
const MAIL: &str = "EHLO client.example\r\nMAIL FROM:<a@client.example>\r\n";
const RCPT: &str =
    "EHLO client.example\r\nMAIL FROM:<a@client.example>\r\nRCPT TO:<friend@local.example>\r\n";

/// Every state in which a command is read.
fn command_states() -> [(&'static str, Clocked); 8] {
    let smtp = |said: &str| Clocked::after(Dialect::Smtp, said);
    [
        ("after the greeting", smtp("")),
        ("after XCLIENT", smtp(&format!("{HELLO}XCLIENT ADDR=192.0.2.7\r\n"))),
        ("after EHLO", smtp(HELLO)),
        ("after MAIL", smtp(MAIL)),
        ("after RCPT", smtp(RCPT)),
        ("between chunks", smtp(&format!("{RCPT}BDAT 6\r\nA: b\r\n"))),
        ("between messages", smtp(&format!("{RCPT}BDAT 6 LAST\r\nA: b\r\n"))),
        ("after LHLO", Clocked::after(Dialect::Lmtp, "LHLO client.example\r\n")),
    ]
}

/// RFC 5321 §4.5.3.2.7
#[test]
fn a_command_that_drips_has_the_time_of_a_command_in_every_state() {
    for every in [1, 59] {
        for (state, mut clocked) in command_states() {
            let took = clocked.drip(b"x", Duration::from_secs(every));
            println!("{state}, an octet each {every} s: over after {took:?}");
            assert!(took < SERVER_COMMAND_TIMEOUT + Duration::from_secs(every), "{state}: {took:?}");
        }
    }
}

#[test]
fn silence_ends_a_session_in_every_state() {
    for (state, mut clocked) in command_states() {
        clocked.pass(SERVER_COMMAND_TIMEOUT - Duration::from_secs(1));
        assert!(!clocked.closed, "{state}");
        clocked.pass(Duration::from_secs(1));
        assert!(clocked.closed, "{state}");
    }
}

#[test]
fn whole_commands_that_drip_through_a_transaction_do_not_extend_it() {
    for (state, said, drop) in [
        ("after MAIL", MAIL, &b"NOOP\r\n"[..]),
        ("after RCPT", RCPT, b"RCPT TO:<other@local.example>\r\n"),
        ("between chunks", RCPT, b"BDAT 1\r\nx"),
    ] {
        let mut clocked = Clocked::after(Dialect::Smtp, said);
        let took = clocked.drip(drop, Duration::from_secs(60));
        println!("{state}: over after {took:?}");
        assert!(took <= SERVER_TRANSACTION_TIMEOUT + Duration::from_secs(60), "{state}: {took:?}");
        assert!(took > SERVER_COMMAND_TIMEOUT, "{state} was lively: {took:?}");
    }
}

#[test]
fn content_that_drips_has_the_time_of_a_transaction_and_a_pause_in_it_less() {
    for (state, said) in [
        ("in a header section", format!("{RCPT}DATA\r\nSubject: x")),
        ("in a body", format!("{RCPT}DATA\r\n\r\n")),
        ("in a chunk", format!("{RCPT}BDAT 100000\r\n")),
        // Announced, and never wanted.
        ("in a chunk without a transaction", format!("{HELLO}BDAT 100000\r\n")),
    ] {
        let every = Duration::from_secs(1);
        let took = Clocked::after(Dialect::Smtp, &said).drip(b"x", every);
        println!("{state}: over after {took:?}");
        assert!(took <= SERVER_TRANSACTION_TIMEOUT + every, "{state}: {took:?}");
        let mut pausing = Clocked::after(Dialect::Smtp, &said);
        pausing.pass(SERVER_CONTENT_TIMEOUT);
        assert!(pausing.closed, "{state}");
    }
}
