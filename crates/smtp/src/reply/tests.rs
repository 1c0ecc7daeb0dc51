//! Replies as they are printed and as the field sends them.

use super::*;
use crate::dialogue::Silent;
use postrider_mail::Class;
use proptest::prelude::*;
use std::time::Instant;

/// Collects the lines of replies.
#[derive(Default)]
struct Ear(Vec<Vec<u8>>);

impl Dialogue for Ear {
    fn line(&mut self, line: Line<'_>) {
        if let Line::Reply(line) = line {
            self.0.push(line.to_vec());
        }
    }
}

fn printed(reply: &Reply) -> String {
    printed_as(reply, false)
}

fn printed_as(reply: &Reply, utf8: bool) -> String {
    let (mut wire, mut ear) = (Vec::new(), Ear::default());
    print(reply, utf8, &mut Out { now: Instant::now(), wire: &mut wire, dialogue: &mut ear });
    let heard: Vec<u8> = ear.0.into_iter().flat_map(|line| [&line, &b"\r\n"[..]].concat()).collect();
    assert_eq!(heard, wire, "the dialogue hears what is sent");
    String::from_utf8(wire).unwrap()
}

/// The first reply in `wire`, read in pieces of these sizes, over and over.
fn read_in(wire: &[u8], sizes: &[usize], ear: &mut Ear) -> Result<Option<Reply>, Malformed> {
    let mut reader = Reader::default();
    let (mut at, mut turn) = (0, 0);
    while at < wire.len() {
        let size = sizes[turn % sizes.len()].clamp(1, wire.len() - at);
        let (consumed, reply) = reader.read(&wire[at..at + size], ear)?;
        assert!(reply.is_some() || consumed == size, "without a reply all is consumed");
        if reply.is_some() {
            return Ok(reply);
        }
        at += consumed;
        turn += 1;
    }
    Ok(None)
}

fn read(wire: &[u8]) -> Result<Option<Reply>, Malformed> {
    read_in(wire, &[wire.len().max(1)], &mut Ear::default())
}

fn shown(wire: &[u8]) -> String {
    read(wire).unwrap().unwrap().to_string()
}

/// RFC 2034 §4
#[test]
fn each_line_carries_both_codes() {
    let lines = ["one".into(), Text::default(), "three".into()];
    let reply = Reply::of_lines(Code::of(550), Enhanced::of(5, 7, 1), lines);
    assert_eq!(printed(&reply), "550-5.7.1 one\r\n550-5.7.1 \r\n550 5.7.1 three\r\n");
    assert_eq!(printed(&Reply::new(Code::of(354), None, "")), "354 \r\n");
}

#[test]
fn an_enhanced_code_of_another_class_is_not_printed() {
    assert_eq!(printed(&Reply::new(Code::of(354), Enhanced::of(2, 0, 0), "go on")), "354 go on\r\n");
}

#[test]
fn reply_text_is_ascii_on_the_wire() {
    assert_eq!(printed(&Reply::new(Code::of(250), None, "Grüße …")), "250 Gr??e ...\r\n");
}

/// RFC 6531 §3.7.4.2
#[test]
fn who_takes_utf8_gets_it_and_no_letter_is_cut_by_a_fold() {
    assert_eq!(
        printed_as(&Reply::new(Code::of(250), None, "<jörg@local.example>"), true),
        "250 <jörg@local.example>\r\n"
    );
    for before in 0..4 {
        let text = format!("{}{}", "x".repeat(before), "€".repeat(300));
        let lines = printed_as(&Reply::new(Code::of(250), None, text.as_str()), true);
        assert!(lines.lines().all(|line| line.len() <= REPLY_PRINTED_OCTETS_MAX - 2));
        assert_eq!(lines.lines().map(|line| &line[4..]).collect::<String>(), text);
    }
}

/// RFC 5321 §4.5.3.1.5
#[test]
fn long_text_folds_at_a_space_within_512_octets() {
    let text = ["word".repeat(30).as_str(); 8].join(" ");
    let wire = printed(&Reply::new(Code::of(450), Enhanced::of(4, 7, 1), text.as_str()));
    assert_eq!(wire.lines().count(), 2);
    assert!(wire.lines().all(|line| line.len() <= 510 && line.ends_with("word")));
    let unbroken = printed(&Reply::new(Code::of(450), None, "x".repeat(1000).as_str()));
    assert_eq!(unbroken.lines().map(str::len).collect::<Vec<_>>(), [510, 498]);
}

/// RFC 5321 §4.2
#[test]
fn what_the_field_sends_is_understood() {
    for (wire, expected) in [
        (&b"250\r\n"[..], "250"),
        (b"250 \r\n", "250"),
        (b"250 ok\n", "250 ok"),
        (b"220-one\r\n220\n", "220 one"),
        (b"250-2.1.0 a\r\n250 2.1.0 b\r\n", "250 2.1.0 a b"),
        (b"250-a\r\n250 2.1.0 b\r\n", "250 2.1.0 a b"),
        (b"250-2.1.0 a\r\n250 2.1.5 b\r\n", "250 2.1.0 a 2.1.5 b"),
        (b"550 5.7.2\r\n", "550 5.7.2"),
        (b"250-a\r\n251 b\r\n", "251 a b"),
        (b"550 2.1.0 no\r\n", "550 2.1.0 no"),
        (b"550 \xfc\0\x1b[31m\r\n", "550 \u{fffd}??[31m"),
        (b"299 yes\r\n", "299 yes"),
        (b"250 2.1.0\n", "250 2.1.0"),
        (b"250\t2.1.0 ok\n", "250 2.1.0 ok"),
        (b"250   2.1.0  ok\r\n", "250 2.1.0  ok"),
        (b"550 5.1.1: no\r\n", "550 5.1.1: no"),
        (b"550 5.1.1.1 no\r\n", "550 5.1.1.1 no"),
        (b"550 #5.1.0 no\r\n", "550 #5.1.0 no"),
        (b"354 2.0.0 go\r\n", "354 2.0.0 go"),
        (b"421 4.3.2 a\r\r\n", "421 4.3.2 a?"),
        (b"220-one\r\ntwo\r\n\r\n 220 three\r\n220 four\r\n", "220 one two  220 three four"),
    ] {
        assert_eq!(shown(wire), expected);
    }
    assert_eq!(read(b"550 2.1.0 no\r\n").unwrap().unwrap().enhanced(), None);
}

/// RFC 5321 §4.2.1
#[test]
fn what_is_no_reply_is_malformed() {
    for wire in [
        &b"\r\n"[..],
        b"2\n",
        b"HTTP/1.1 400\r\n",
        b"150 a\n",
        b"600 a\n",
        b"250ok\n",
        b" 250 a\n",
        b"+50 a\n",
    ] {
        assert_eq!(read(wire), Err(Malformed::NoCode), "{}", wire.escape_ascii());
    }
    for amid in [&b"250ok"[..], b"150 a", b"600-a", b"000"] {
        let wire = [b"250-on\r\n", amid, b"\r\n250 end\r\n"].concat();
        assert_eq!(read(&wire), Err(Malformed::NoCode), "{}", amid.escape_ascii());
    }
    assert_eq!(read(b"550-no\r\n250 yes\r\n"), Err(Malformed::ClassesDiffer));
    assert_eq!(read(b"250-on"), Ok(None));
}

#[test]
fn an_endless_line_and_an_endless_reply_are_left() {
    let longest = [b"250 ".to_vec(), vec![b'x'; REPLY_LINE_OCTETS_MAX - 6], b"\r\n".to_vec()].concat();
    assert!(read(&longest).unwrap().is_some());
    for size in [1, 7, 5000] {
        let line = vec![b'x'; 5000];
        let mut ear = Ear::default();
        assert_eq!(read_in(&line, &[size], &mut ear), Err(Malformed::LineTooLong));
        assert_eq!(ear.0, [&line[..REPLY_LINE_OCTETS_MAX]]);
        let lines = b"250-x\r\n".repeat(10_000);
        assert_eq!(read_in(&lines, &[size], &mut ear), Err(Malformed::TooLong));
    }
}

#[test]
fn lines_beyond_the_limit_are_heard_but_not_kept() {
    let wire = [b"250-x\r\n".repeat(200), b"250 end\r\n".to_vec()].concat();
    let mut ear = Ear::default();
    let reply = read_in(&wire, &[wire.len()], &mut ear).unwrap().unwrap();
    assert_eq!((reply.lines().len(), ear.0.len()), (REPLY_LINES_MAX, 201));
}

#[test]
fn a_session_that_waits_keeps_no_buffer() {
    let mut reader = Reader::default();
    reader.read(b"250 o", &mut Silent).unwrap();
    reader.read(b"k\r\n", &mut Silent).unwrap();
    assert_eq!(reader.partial.capacity(), 0);
}

/// Replies that print as they are: no line needs folding, no text begins like an enhanced code.
fn replies() -> impl Strategy<Value = Reply> {
    let enhanced = proptest::option::of((0u16..1000, 0u16..1000));
    let text = "[ -~]{0,80}".prop_filter("no enhanced code", |text| enhanced_free(text));
    (200u16..600, enhanced, prop::collection::vec(text, 1..=REPLY_LINES_MAX)).prop_map(
        |(code, enhanced, lines)| {
            let code = Code::try_from(code).unwrap();
            let class = match code.class() {
                Class::Completed => Some(2),
                Class::Intermediate => None,
                Class::Transient => Some(4),
                Class::Permanent => Some(5),
            };
            let enhanced = enhanced.zip(class).map(|((s, d), class)| Enhanced::of(class, s, d));
            Reply::of_lines(code, enhanced, lines.into_iter().map(Text::from))
        },
    )
}

fn enhanced_free(text: &str) -> bool {
    enhanced(text.as_bytes()).is_none()
}

proptest! {
    #[test]
    fn parse_and_print_are_inverse(reply in replies(), sizes in prop::collection::vec(1usize..100, 1..8)) {
        let wire = printed(&reply);
        prop_assert_eq!(read_in(wire.as_bytes(), &sizes, &mut Ear::default()).unwrap().unwrap(), reply);
    }

    #[test]
    fn any_reply_prints_within_the_limits_and_keeps_its_codes(
        code in 200u16..600, lines in prop::collection::vec("\\PC{0,700}|[a-z ]{0,1000}", 0..5),
    ) {
        let lines = lines.into_iter().map(Text::from);
        let reply = Reply::of_lines(Code::try_from(code).unwrap(), None, lines);
        let wire = printed(&reply);
        prop_assert!(wire.split_inclusive("\r\n").all(|line| line.len() <= 512 && line.ends_with("\r\n")));
        prop_assert!(wire.is_ascii() && !wire.replace("\r\n", "").contains(['\r', '\n']));
        prop_assert_eq!(read(wire.as_bytes()).unwrap().unwrap().code(), reply.code());
    }

    #[test]
    fn every_split_reads_the_same(
        wire in "([2-5][0-9]{2}[ -]?(2\\.1\\.[0-9] )?[a-z\\PC]{0,9}\r?\n){0,4}|[ -5\r\n]{0,30}",
        sizes in prop::collection::vec(1usize..10, 1..8),
    ) {
        let (mut whole, mut split) = (Ear::default(), Ear::default());
        let expected = read_in(wire.as_bytes(), &[wire.len().max(1)], &mut whole);
        prop_assert_eq!(read_in(wire.as_bytes(), &sizes, &mut split), expected);
        prop_assert_eq!(whole.0, split.0);
    }
}
