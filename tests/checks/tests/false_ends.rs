//! Every false end of data against both engines: one message stays one message, what follows is never taken
//! for a command, nobody waits for ever, and nothing bare leaves.

#![expect(
    clippy::panic,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "the helpers of these tests are tests too"
)]

use postrider_checks::false_ends::{BEFORE, FalseEnd, SMUGGLED, all, dots_of_the_loosest_reader, normalised};
use postrider_checks::wire;
use postrider_mail::{Body, Code, Reply};
use postrider_smtp::client;
use postrider_smtp::command::{MailFrom, RcptTo};
use postrider_smtp::server::{BareNewlines, Dialect, Event, Filed, Gate, Question, Session, Setup};
use postrider_smtp::{Out, Silent};
use std::sync::Arc;
use std::time::Instant;

/// What a server made of what a client sent.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    /// The reverse-path of each MAIL.
    mails: Vec<String>,
    filed: Vec<Vec<u8>>,
    /// The code of each reply.
    codes: Vec<String>,
    closed: bool,
}

/// Answers every question yes.
fn agree(
    session: &mut Session<usize>,
    question: Question,
    content: &mut Vec<u8>,
    got: &mut Outcome,
    out: &mut Out<'_>,
) {
    let words = || Reply::new(Code::of(252), None, "");
    match question {
        Question::Connect(asked) => session.answer(asked, Gate::Accept, out),
        Question::Hello(asked, _) => session.answer(asked, Gate::Accept, out),
        Question::Mail(asked, mail) => {
            got.mails.push(mail.reverse_path.to_string());
            session.answer(asked, Gate::Accept, out);
        }
        Question::Rcpt(asked, _) => session.answer(asked, Gate::Accept, out),
        Question::Open(asked) => session.answer(asked, Gate::Accept, out),
        Question::Close(asked) => {
            got.filed.push(std::mem::take(content));
            session.answer(asked, Filed::Queued(got.filed.len()), out);
        }
        Question::Verify(asked, _) => session.answer(asked, words(), out),
        Question::Expand(asked, _) => session.answer(asked, words(), out),
        Question::Turn(asked, _) => session.answer(asked, words(), out),
        Question::Xclient(asked, _) => session.answer(asked, Gate::Accept, out),
        Question::Xforward(asked, _) => session.answer(asked, Gate::Accept, out),
    }
}

/// Lets a server read the pieces.
fn read(bare_newlines: BareNewlines, pieces: &[&[u8]]) -> Outcome {
    let setup = Setup { bare_newlines, ..Setup::new("mx.example".parse().unwrap(), Dialect::Smtp) };
    let now = Instant::now();
    let mut session = Session::new(Arc::new(setup), now);
    let (mut got, mut sent, mut input, mut content) =
        (Outcome::default(), Vec::new(), Vec::new(), Vec::new());
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            let mut out = Out { now, wire: &mut sent, dialogue: &mut Silent };
            let step = session.receive(&input, &mut out);
            let mut waits = false;
            match step.event {
                Event::NeedInput => waits = true,
                Event::Content(octets) => content.extend_from_slice(octets),
                Event::TransactionOver => content.clear(),
                Event::Ask(question) => agree(&mut session, question, &mut content, &mut got, &mut out),
                Event::Closed => got.closed = true,
            }
            input.drain(..step.consumed);
            if waits || got.closed {
                break;
            }
        }
        if got.closed {
            break;
        }
    }
    let lines = wire::lines(&sent).filter(|line| line.get(3) == Some(&b' '));
    got.codes = lines.map(|line| String::from_utf8_lossy(&line[..3]).into_owned()).collect();
    got
}

/// A session before the content.
fn envelope(parameters: &str) -> String {
    format!(
        "EHLO a.example\r\nMAIL FROM:<good@client.example>{parameters}\r\nRCPT TO:<friend@local.example>\r\n"
    )
}

/// The octets whole, cut in two at each of these places, cut in three around each, and octet by octet.
fn splits(octets: &[u8], places: impl Iterator<Item = usize>) -> Vec<Vec<&[u8]>> {
    let mut splits = vec![vec![octets], octets.chunks(1).collect()];
    for at in places {
        let (head, tail) = octets.split_at(at);
        splits.push(vec![head, tail]);
        let (middle, tail) = tail.split_at(1);
        splits.push(vec![head, middle, tail]);
    }
    splits
}

#[test]
fn there_are_enough_of_them_and_none_is_true() {
    let all = all();
    println!("{} false ends", all.len());
    assert!(all.len() >= 140);
    for (number, end) in all.iter().enumerate() {
        assert!(!all[..number].contains(end), "{} twice", end.shown());
        let content = end.content();
        assert!(end.has_nul() || normalised(&content) != content, "{} is clean", end.shown());
    }
}

#[test]
fn a_false_end_of_data_ends_nothing_but_the_session() {
    let (mut cases, mut closed, mut refused, mut filed) = (0, 0, 0, 0);
    for end in all() {
        let start = format!("{}DATA\r\n", envelope(""));
        let octets =
            [start.as_bytes(), BEFORE.as_bytes(), end.octets(), SMUGGLED.as_bytes(), b"QUIT\r\n"].concat();
        for bare_newlines in [BareNewlines::Refuse, BareNewlines::Normalise] {
            for pieces in splits(&octets, end.places().map(|at| start.len() + at)) {
                let got = read(bare_newlines, &pieces);
                let case = format!("{} {bare_newlines:?} {:?}", end.shown(), pieces.len());
                assert_eq!(got.mails, ["good@client.example"], "{case}: something was smuggled in");
                assert!(got.closed, "{case}: somebody waits");
                let codes: Vec<&str> = got.codes.iter().map(String::as_str).collect();
                assert_eq!(codes[..5], ["220", "250", "250", "250", "354"], "{case}");
                let normalises = bare_newlines == BareNewlines::Normalise;
                cases += 1;
                if end.ends_for_lf_readers() {
                    assert_eq!((&codes[5..], got.filed.len()), (&["521"][..], 0), "{case}");
                    closed += 1;
                } else if end.has_nul() || !normalises {
                    assert_eq!((&codes[5..], got.filed.len()), (&["554", "221"][..], 0), "{case}");
                    refused += 1;
                } else {
                    assert_eq!((&codes[5..], got.filed.len()), (&["250", "221"][..], 1), "{case}");
                    wire::is_text(&got.filed[0]);
                    assert!(got.filed[0].ends_with(b"DATA\r\nevil\r\n"), "{case}: {:?}", got.filed);
                    filed += 1;
                }
            }
        }
    }
    println!("DATA: {cases} cases: {closed} end the session, {refused} are refused, {filed} are normalised");
}

#[test]
fn a_chunk_is_as_long_as_it_says_whatever_is_in_it() {
    let mut cases = 0;
    for end in all() {
        let content = [BEFORE.as_bytes(), end.octets(), SMUGGLED.as_bytes()].concat();
        for (parameters, bare_newlines) in [
            ("", BareNewlines::Refuse),
            ("", BareNewlines::Normalise),
            (" BODY=BINARYMIME", BareNewlines::Refuse),
        ] {
            for at in end.places() {
                let (one, two) = content.split_at(at);
                let chunk = |octets: &[u8], last: &str| {
                    [format!("BDAT {}{last}\r\n", octets.len()).as_bytes(), octets].concat()
                };
                let start = envelope(parameters).into_bytes();
                let octets =
                    [start, chunk(one, ""), chunk(two, " LAST"), b"NOOP\r\nQUIT\r\n".to_vec()].concat();
                for pieces in [vec![&octets[..]], octets.chunks(1).collect()] {
                    let got = read(bare_newlines, &pieces);
                    let case = format!("{} {bare_newlines:?}{parameters} cut at {at}", end.shown());
                    let codes: Vec<&str> = got.codes.iter().map(String::as_str).collect();
                    chunks_are_as_said(
                        &end,
                        &content,
                        !parameters.is_empty(),
                        bare_newlines,
                        &got,
                        &codes,
                        &case,
                    );
                    cases += 1;
                }
            }
        }
    }
    println!("BDAT: {cases} cases");
}

fn chunks_are_as_said(
    end: &FalseEnd,
    content: &[u8],
    is_binary: bool,
    bare_newlines: BareNewlines,
    got: &Outcome,
    codes: &[&str],
    case: &str,
) {
    assert_eq!(got.mails, ["good@client.example"], "{case}: something was smuggled in");
    assert_eq!(codes[..4], ["220", "250", "250", "250"], "{case}");
    let [first, last, noop, quit] = codes[4..] else { panic!("{case}: {codes:?}") };
    assert_eq!((noop, quit, got.closed), ("250", "221", true), "{case}: out of step: {codes:?}");
    if is_binary {
        assert_eq!((first, last), ("250", "250"), "{case}");
        assert_eq!(got.filed, [content], "{case}: a binary body was changed");
    } else if bare_newlines == BareNewlines::Normalise && !end.has_nul() {
        assert_eq!((first, last), ("250", "250"), "{case}");
        assert_eq!(got.filed, [normalised(content)], "{case}");
    } else {
        assert!(matches!((first, last), ("250" | "554", "554")), "{case}: {codes:?}");
        assert_eq!(got.filed.len(), 0, "{case}");
    }
}

/// What our own side puts on the wire behind the 354, or behind RCPT where it sends chunks.
fn sent(content: &[u8], pieces: &[usize], body: Body) -> Vec<u8> {
    let now = Instant::now();
    let mut session = client::Session::new(Dialect::Smtp, "client.example".parse().unwrap(), now);
    let mut mail = MailFrom::new("a@client.example".parse().unwrap());
    mail.body = Some(body);
    let recipients = vec![RcptTo::new("friend@local.example".parse().unwrap())];
    let mut transaction = Some(client::Transaction { mail, recipients });
    let mut wire = Vec::new();
    let said: &[&[u8]] = &[
        b"220 mx\r\n",
        b"250-mx\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-CHUNKING\r\n250 BINARYMIME\r\n",
        b"250 mail\r\n",
        b"250 rcpt\r\n",
        b"354 go\r\n",
    ];
    let mut open = None;
    for reply in said.iter().take(if body == Body::BinaryMime { 4 } else { 5 }) {
        let mut out = Out { now, wire: &mut wire, dialogue: &mut Silent };
        match session.receive(reply, &mut out).event {
            client::Event::Ready(idle) => {
                let event = session.begin(idle, transaction.take().unwrap(), &mut out);
                assert_eq!(event, client::Event::NeedInput);
            }
            client::Event::SendContent(granted) => open = Some(granted),
            event => assert_eq!(event, client::Event::NeedInput),
        }
    }
    wire.clear();
    let open = open.expect("the peer waits for content");
    let mut out = Out { now, wire: &mut wire, dialogue: &mut Silent };
    let mut from = 0;
    for &to in pieces.iter().chain([&content.len()]) {
        session.content(&open, &content[from..to], &mut out);
        from = to;
    }
    session.dot(&open, &mut out);
    session.end_of_content(open, &mut out);
    wire
}

#[test]
fn whatever_the_queue_holds_leaves_as_one_message_with_one_end() {
    let mut cases = 0;
    for end in all() {
        let content = end.content();
        for at in end.places() {
            let wire = sent(&content, &[at], Body::EightBitMime);
            let case = format!("{} cut at {at}", end.shown());
            wire::nothing_bare(&wire);
            assert!(wire.ends_with(b"\r\n.\r\n"), "{case}");
            assert_eq!(dots_of_the_loosest_reader(&wire), 1, "{case}: {}", wire.escape_ascii());
            let lines = wire.split_inclusive(|octet| *octet == b'\n');
            let unstuffed: Vec<u8> =
                lines.flat_map(|line| line.strip_prefix(b".").unwrap_or(line).to_vec()).collect();
            assert_eq!(unstuffed.strip_suffix(b"\r\n"), Some(&normalised(&content)[..]), "{case}");
            cases += 1;
        }
    }
    println!("outward by DATA: {cases} cases");
}

#[test]
fn a_binary_body_leaves_in_chunks_as_long_as_they_say() {
    let mut cases = 0;
    for end in all() {
        let content = end.content();
        for at in end.places() {
            let wire = sent(&content, &[at], Body::BinaryMime);
            let (mut rest, mut brought) = (&wire[..], Vec::new());
            let mut is_last = false;
            while !rest.is_empty() {
                assert!(!is_last, "{}: something follows the last chunk", end.shown());
                let line_end = rest.iter().position(|octet| *octet == b'\n').unwrap() + 1;
                let (line, behind) = rest.split_at(line_end);
                let line = std::str::from_utf8(line).unwrap().strip_suffix("\r\n").unwrap();
                let size = line.strip_prefix("BDAT ").unwrap();
                is_last = size.ends_with(" LAST");
                let size: usize = size.trim_end_matches(" LAST").parse().unwrap();
                brought.extend_from_slice(&behind[..size]);
                rest = &behind[size..];
            }
            assert!(is_last, "{}: no last chunk", end.shown());
            assert_eq!(brought, content, "{}", end.shown());
            cases += 1;
        }
    }
    println!("outward by BDAT: {cases} cases");
}
