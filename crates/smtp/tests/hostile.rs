//! The server engine against octets that no client would send: it never panics, holds back little, prints
//! well-formed replies, and hears the same conversation however the octets are split.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use postrider_mail::{Body, Code, Enhanced, Refusal, Reply, UnixMillis};
use postrider_smtp::extension::{Extensions, FutureRelease};
use postrider_smtp::limits::{COMMAND_LINE_OCTETS_MAX, COMMANDS_PER_MESSAGE_MAX};
use postrider_smtp::server::{BareNewlines, Dialect, Event, Filed, Gate, Question, Session, Setup};
use postrider_smtp::{Dialogue, Line, Out};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Instant;

/// What a conversation came to, apart from how it was cut.
#[derive(Debug, Default, PartialEq, Eq)]
struct Heard {
    wire: Vec<u8>,
    lines: Vec<String>,
    /// Contents that were filed, and whether they were declared to have no lines.
    filed: Vec<(bool, Vec<u8>)>,
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
    draft: &mut (bool, Vec<u8>),
    filed: &mut Vec<(bool, Vec<u8>)>,
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
            draft.0 = mail.body == Some(Body::BinaryMime);
            let gate = if mail.size == Some(13) { Gate::Refuse(refusal) } else { Gate::Accept };
            session.answer(asked, gate, out);
        }
        Question::Rcpt(asked, rcpt) => {
            let gate = match rcpt.forward_path.to_string().as_bytes() {
                [b'n', ..] => Gate::Refuse(refusal),
                [b'f', ..] => Gate::AcceptSaying(Box::new(Reply::new(Code::of(251), None, "on its way"))),
                _ => Gate::Accept,
            };
            session.answer(asked, gate, out);
        }
        Question::Open(asked) => session.answer(asked, Gate::Accept, out),
        Question::Close(asked) => {
            filed.push((draft.0, std::mem::take(&mut draft.1)));
            session.answer(asked, Filed::Queued(filed.len()), out);
        }
        Question::Verify(asked, _) => session.answer(asked, Reply::new(Code::of(252), None, ""), out),
        Question::Expand(asked, _) => session.answer(asked, Reply::new(Code::of(252), None, ""), out),
        Question::Turn(asked, _) => session.answer(asked, Reply::new(Code::of(459), None, ""), out),
        Question::Xclient(asked, told) => {
            let gate = if told.port.is_some() { Gate::Refuse(refusal) } else { Gate::Accept };
            session.answer(asked, gate, out);
        }
        Question::Xforward(asked, _) => session.answer(asked, Gate::Accept, out),
    }
}

/// A server that offers everything and takes little.
fn setup(dialect: Dialect, normalise: bool) -> Setup {
    let until_max = UnixMillis::new(1_795_372_275_042);
    Setup {
        banner: "test".into(),
        content_octets_max: 200,
        recipients_max: 4,
        extensions: Extensions {
            future_release: Some(FutureRelease { seconds_max: 100, until_max }),
            etrn: true,
            no_soliciting: Some(None),
            xclient: true,
            xforward: true,
            ..Extensions::for_any_peer()
        },
        bare_newlines: if normalise { BareNewlines::Normalise } else { BareNewlines::Refuse },
        ..Setup::new("mx.example".parse().unwrap(), dialect)
    }
}

/// Holds a conversation over the chunks.
fn converse(setup: Setup, chunks: &[&[u8]]) -> Heard {
    let now = Instant::now();
    let mut session = Session::new(Arc::new(setup), now);
    let (mut heard, mut wire, mut input, mut draft) =
        (Heard::default(), Vec::new(), Vec::new(), (false, Vec::new()));
    let mut filed = Vec::new();
    for chunk in chunks {
        input.extend_from_slice(chunk);
        loop {
            let mut out = Out { now, wire: &mut wire, dialogue: &mut heard };
            let step = session.receive(&input, &mut out);
            let mut waits = false;
            match step.event {
                Event::NeedInput => waits = true,
                Event::Content(octets) => draft.1.extend_from_slice(octets),
                Event::TransactionOver => {
                    draft.1.clear();
                    heard.transactions_over += 1;
                }
                Event::Ask(question) => answer(&mut session, question, &mut draft, &mut filed, &mut out),
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
        Just("RCPT TO:<f@d.example> NOTIFY=SUCCESS ORCPT=rfc822;x"),
        Just("MAIL FROM:<a@b.example> BODY=BINARYMIME"),
        Just("MAIL FROM:<\u{f6}@b.example> SMTPUTF8 RET=HDRS ENVID=x BY=9;R MT-PRIORITY=-3"),
        Just("RCPT TO:<\u{f6}@b.example>"),
        Just("BDAT 0"),
        Just("BDAT 5"),
        Just("BDAT 9 LAST"),
        Just("BDAT 0 LAST"),
        Just("BDAT 199"),
        Just("BDAT 201 LAST"),
        Just("BDAT 7 x"),
        Just("BDAT x"),
        Just("ETRN d.example"),
        Just("XCLIENT NAME=x.example ADDR=[UNAVAILABLE]"),
        Just("XCLIENT PORT=1"),
        Just("XFORWARD HELO=x IDENT=1"),
        Just("PROXY TCP4 192.0.2.1 192.0.2.2 1 25"),
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
        1 => Just(b"\r\n\r\n\0\r\nQUIT\n".to_vec()),
        2 => Just(b"EHLO a.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n".to_vec()),
        2 => chunks(),
    ]
}

/// Chunks of a message, true to what they announce.
fn chunks() -> impl Strategy<Value = Vec<u8>> {
    let octet = prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'.'), Just(b'x'), Just(0)];
    let chunk = proptest::collection::vec(octet, 0..9);
    proptest::collection::vec(chunk, 1..4).prop_map(|chunks| {
        let last = chunks.len() - 1;
        let mut octets = Vec::new();
        for (index, chunk) in chunks.iter().enumerate() {
            let end = if index == last { " LAST" } else { "" };
            octets.extend(format!("BDAT {}{end}\r\n", chunk.len()).bytes());
            octets.extend(chunk);
        }
        octets
    })
}

#[test]
fn a_thousand_commands_without_a_message_end_the_session() {
    let heard = |said: &str| converse(setup(Dialect::Smtp, false), &[said.as_bytes()]);
    let many = "NOOP\r\n".repeat(COMMANDS_PER_MESSAGE_MAX as usize - 1);
    assert!(!heard(&format!("EHLO y\r\n{many}")).closed);
    assert!(heard(&format!("EHLO y\r\n{many}NOOP\r\n")).closed);
    let message = "MAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\n.\r\n";
    let fewer = "VRFY a\r\n".repeat(COMMANDS_PER_MESSAGE_MAX as usize - 2);
    assert!(!heard(&format!("EHLO y\r\n{fewer}{message}{many}")).closed, "a message makes good for them");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_octets_in_any_split_hold_the_same_conversation(
        fragments in proptest::collection::vec(fragment(), 0..25),
        splits in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
        lmtp in any::<bool>(),
        normalise in any::<bool>(),
    ) {
        let dialect = if lmtp { Dialect::Lmtp } else { Dialect::Smtp };
        let octets = fragments.concat();
        let mut cuts: Vec<usize> = splits.iter().map(|split| split.index(octets.len() + 1)).collect();
        cuts.extend([0, octets.len()]);
        cuts.sort_unstable();
        let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &octets[pair[0]..pair[1]]).collect();
        let whole = converse(setup(dialect, normalise), &[&octets]);
        let split = converse(setup(dialect, normalise), &chunks);
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
        for (binary, content) in &whole.filed {
            prop_assert!(content.len() <= 200);
            if *binary {
                continue;
            }
            prop_assert!(!content.contains(&0));
            let without_crlf = String::from_utf8_lossy(content).replace("\r\n", "");
            prop_assert!(!without_crlf.contains(['\r', '\n']), "a bare CR or LF was filed: {:?}", content);
        }
    }

    #[test]
    fn nothing_that_a_chunk_holds_is_a_command(
        octets in "(QUIT\r\n|RSET\r\n|BDAT 5 LAST\r\n|\r\n.\r\n|x){0,30}",
        announce in 0usize..4,
        greet in any::<bool>(),
    ) {
        // Refused for want of a MAIL, of a recipient, of room, or taken.
        let before = [
            "",
            "MAIL FROM:<a@b.example>\r\n",
            "MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nBDAT 201\r\n",
            "MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n",
        ][announce];
        let hello = if greet { "EHLO a.example\r\n" } else { "" };
        let filler = if announce == 2 { "x".repeat(201) } else { String::new() };
        let input = format!("{hello}{before}{filler}BDAT {}\r\n{octets}NOOP\r\n", octets.len());
        let heard = converse(setup(Dialect::Smtp, false), &[input.as_bytes()]);
        let commands = heard.lines.iter().filter(|line| line.starts_with("Command"));
        let told = hello.lines().count() + before.lines().count() + 2;
        if greet || announce == 0 {
            prop_assert_eq!(commands.count(), told, "{:?}", heard.lines);
            prop_assert!(heard.filed.is_empty() && !heard.closed);
        }
    }

    #[test]
    fn pure_noise_never_panics(octets in proptest::collection::vec(any::<u8>(), 0..3000)) {
        converse(setup(Dialect::Smtp, false), &octets.chunks(7).collect::<Vec<_>>());
    }
}
