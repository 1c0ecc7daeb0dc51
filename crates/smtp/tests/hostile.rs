//! The server engine against octets that no client would send: it never panics, holds back little, prints
//! well-formed replies, and hears the same conversation however the octets are split.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use postrider_mail::{Code, Enhanced, Refusal, Reply};
use postrider_smtp::limits::COMMAND_LINE_OCTETS_MAX;
use postrider_smtp::server::{Dialect, Event, Filed, Gate, Question, Session, Setup};
use postrider_smtp::{Dialogue, Line, Out};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Instant;

/// What a conversation came to, apart from how it was cut.
#[derive(Debug, Default, PartialEq, Eq)]
struct Heard {
    wire: Vec<u8>,
    lines: Vec<String>,
    /// Contents that were filed.
    filed: Vec<Vec<u8>>,
    transactions_over: usize,
    closed: bool,
}

impl Dialogue for Heard {
    fn line(&mut self, line: Line<'_>) {
        self.lines.push(format!("{line:?}"));
    }
}

/// Answers every question yes, but for what the text asks to be refused.
fn answer(
    session: &mut Session<usize>,
    question: Question,
    content: &mut Vec<u8>,
    filed: &mut Vec<Vec<u8>>,
    out: &mut Out<'_>,
) {
    let refusal = Refusal::of(Code::of(550), Enhanced::of(5, 7, 1), "no");
    match question {
        Question::Connect(asked) => session.answer(asked, Gate::Accept, out),
        Question::Hello(asked, greeting) => {
            let gate =
                if greeting.name.as_str().contains("no") { Gate::Refuse(refusal) } else { Gate::Accept };
            session.answer(asked, gate, out);
        }
        Question::Mail(asked, mail) => {
            let gate = if mail.size == Some(13) { Gate::Refuse(refusal) } else { Gate::Accept };
            session.answer(asked, gate, out);
        }
        Question::Rcpt(asked, rcpt) => {
            let gate = if rcpt.forward_path.to_string().starts_with('n') {
                Gate::Refuse(refusal)
            } else {
                Gate::Accept
            };
            session.answer(asked, gate, out);
        }
        Question::Open(asked) => session.answer(asked, Gate::Accept, out),
        Question::Close(asked) => {
            filed.push(std::mem::take(content));
            session.answer(asked, Filed::Queued(filed.len()), out);
        }
        Question::Verify(asked, _) => session.answer(asked, Reply::new(Code::of(252), None, ""), out),
        Question::Expand(asked, _) => session.answer(asked, Reply::new(Code::of(252), None, ""), out),
        Question::Turn(asked, _) => session.answer(asked, Reply::new(Code::of(459), None, ""), out),
        Question::Xclient(asked, _) => session.answer(asked, Gate::Refuse(refusal), out),
        Question::Xforward(asked, _) => session.answer(asked, Gate::Refuse(refusal), out),
    }
}

/// Holds a conversation over the chunks.
fn converse(dialect: Dialect, chunks: &[&[u8]]) -> Heard {
    let setup = Setup {
        banner: "test".into(),
        content_octets_max: 200,
        recipients_max: 4,
        ..Setup::new("mx.example".parse().unwrap(), dialect)
    };
    let now = Instant::now();
    let mut session = Session::new(Arc::new(setup), now);
    let (mut heard, mut wire, mut input, mut content) =
        (Heard::default(), Vec::new(), Vec::new(), Vec::new());
    let mut filed = Vec::new();
    for chunk in chunks {
        input.extend_from_slice(chunk);
        loop {
            let mut out = Out { now, wire: &mut wire, dialogue: &mut heard };
            let step = session.receive(&input, &mut out);
            let mut waits = false;
            match step.event {
                Event::NeedInput => waits = true,
                Event::Content(octets) => content.extend_from_slice(octets),
                Event::TransactionOver => {
                    content.clear();
                    heard.transactions_over += 1;
                }
                Event::Ask(question) => answer(&mut session, question, &mut content, &mut filed, &mut out),
                Event::Closed => {
                    heard.closed = true;
                    waits = true;
                }
            }
            input.drain(..step.consumed);
            if waits {
                assert!(
                    heard.closed || input.len() < COMMAND_LINE_OCTETS_MAX,
                    "holds back {} octets",
                    input.len()
                );
                break;
            }
        }
        if heard.closed {
            break;
        }
    }
    heard.wire = wire;
    heard.filed = filed;
    heard
}

fn fragment() -> impl Strategy<Value = Vec<u8>> {
    let command = prop_oneof![
        Just("EHLO a.example"),
        Just("HELO"),
        Just("EHLO no"),
        Just("LHLO a.example"),
        Just("MAIL FROM:<a@b.example>"),
        Just("MAIL FROM:<a@b.example> SIZE=13"),
        Just("MAIL FROM:<> BODY=8BITMIME"),
        Just("RCPT TO:<c@d.example>"),
        Just("RCPT TO:<n@d.example>"),
        Just("DATA"),
        Just("RSET"),
        Just("NOOP"),
        Just("VRFY x"),
        Just("EXPN x"),
        Just("HELP"),
        Just("."),
        Just(".."),
        Just(".x"),
        Just("text"),
        Just("MAIL FROM: a b"),
        Just("bogus"),
    ];
    let end =
        prop_oneof![8 => Just("\r\n"), 1 => Just("\n"), 1 => Just("\r"), 1 => Just("\r\0"), 1 => Just("")];
    prop_oneof![
        20 => (command, end).prop_map(|(command, end)| format!("{command}{end}").into_bytes()),
        2 => proptest::collection::vec(any::<u8>(), 0..12),
        1 => (1900usize..2200).prop_map(|octets| vec![b'x'; octets]),
        1 => Just(b"EHLO a.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n".to_vec()),
        1 => Just(b"\r\n.\r\n".to_vec()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_octets_in_any_split_hold_the_same_conversation(
        fragments in proptest::collection::vec(fragment(), 0..25),
        splits in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
        lmtp in any::<bool>(),
    ) {
        let dialect = if lmtp { Dialect::Lmtp } else { Dialect::Smtp };
        let octets = fragments.concat();
        let mut cuts: Vec<usize> = splits.iter().map(|split| split.index(octets.len() + 1)).collect();
        cuts.extend([0, octets.len()]);
        cuts.sort_unstable();
        let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &octets[pair[0]..pair[1]]).collect();
        let whole = converse(dialect, &[&octets]);
        let split = converse(dialect, &chunks);
        prop_assert_eq!(&whole.lines, &split.lines);
        prop_assert_eq!(&whole.wire, &split.wire);
        prop_assert_eq!(&whole.filed, &split.filed);
        prop_assert_eq!((whole.transactions_over, whole.closed), (split.transactions_over, split.closed));

        let text = String::from_utf8(whole.wire).unwrap();
        prop_assert!(text.is_empty() || text.ends_with("\r\n"));
        for line in text.split_terminator("\r\n") {
            prop_assert!(!line.contains(['\r', '\n', '\0']) && line.len() <= 510, "{:?}", line);
            prop_assert!(line.as_bytes()[..3].iter().all(u8::is_ascii_digit), "{:?}", line);
        }
        for content in &whole.filed {
            prop_assert!(content.len() <= 200 && !content.contains(&0));
            let without_crlf = String::from_utf8_lossy(content).replace("\r\n", "");
            prop_assert!(!without_crlf.contains(['\r', '\n']), "a bare CR or LF was filed: {:?}", content);
        }
    }

    #[test]
    fn pure_noise_never_panics(octets in proptest::collection::vec(any::<u8>(), 0..3000)) {
        converse(Dialect::Smtp, &octets.chunks(7).collect::<Vec<_>>());
    }
}
