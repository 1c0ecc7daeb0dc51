use super::*;
use crate::Code;
use mail_parser::{MessageParser, MimeHeaders, PartType};
use proptest::prelude::*;

const DATE: UnixMillis = UnixMillis::new(1_795_372_275_042);
const ARRIVED: UnixMillis = UnixMillis::new(1_795_000_000_000);
const ORIGINAL: &[u8] =
    b"From: ann@client.example\r\nSubject: hello\r\nMessage-ID: <1@client.example>\r\n\r\nthe body\r\n";

fn recipient(action: Action, reply: Option<Reply>) -> Recipient {
    Recipient {
        address: "bob@x.example".parse().unwrap(),
        given: "bob@x.example".parse().unwrap(),
        orcpt: None,
        action,
        reply,
        remote: Some("mx.x.example [192.0.2.25]".into()),
        tried_at: Some(DATE),
        tried: vec!["Sun, 22 Nov 2026 18:31:15 +0000: connected to mx.x.example at 192.0.2.25:25".into()],
        dialogue: vec![
            Said::Ours("RCPT TO:<bob@x.example>".into()),
            Said::Theirs("550 5.1.1 no such user".into()),
        ],
    }
}

fn no_such_user() -> Reply {
    Reply::new(Code::of(550), Enhanced::of(5, 1, 1), "no such user")
}

fn compose_for(recipients: &[Recipient], original: Original<'_>, message_id: Option<&Text>) -> Vec<u8> {
    compose(&Report {
        id: QueueId::from_row(1 << 60).unwrap(),
        date: DATE,
        hostname: &"mx.local.example".parse().unwrap(),
        reader: Reader::Sender(&"ann@client.example".parse().unwrap()),
        about: QueueId::from_row(1 << 59).unwrap(),
        arrived: ARRIVED,
        message_id,
        envelope_id: None,
        deliver_by: None,
        recipients,
        original,
    })
}

/// A recipient of whom there is good news.
fn well(address: &str, action: Action, remote: Option<&str>) -> Recipient {
    Recipient {
        address: address.parse().unwrap(),
        given: address.parse().unwrap(),
        remote: remote.map(Text::from),
        tried: vec![],
        dialogue: vec![],
        ..recipient(action, Some(Reply::new(Code::of(250), Enhanced::of(2, 0, 0), "taken")))
    }
}

fn header_of(content: &[u8]) -> Original<'_> {
    Original::Content(content, Returned::Header)
}

/// RFC 3464 §2, RFC 3464 §2.2.2, RFC 3464 §2.2.5, RFC 3464 §2.3, RFC 3464 §2.3.2, RFC 3464 §2.3.6,
/// RFC 6522 §3, RFC 3834 §5
#[test]
fn a_failure_reads_like_a_letter_and_like_a_form() {
    let notice = compose_for(
        &[recipient(Action::Failed, Some(no_such_user()))],
        header_of(ORIGINAL),
        Some(&"<1@client.example>".into()),
    );
    insta::assert_snapshot!(String::from_utf8(notice).unwrap().replace("\r\n", "\n"));
}

/// RFC 3464 §2.3.3, RFC 3464 §2.3.5, RFC 3464 §2.3.9
#[test]
fn a_delay_to_several_tells_what_is_alike_once() {
    let deferred = Reply::of_lines(Code::of(451), None, ["busy".into(), "come back later".into()]);
    let until = DATE.plus(std::time::Duration::from_secs(86_400));
    let first = recipient(Action::Delayed { until }, Some(deferred));
    let second = Recipient {
        address: "carl@x.example".parse().unwrap(),
        given: "team@local.example".parse().unwrap(),
        ..first.clone()
    };
    let third = Recipient { remote: None, tried: vec![], dialogue: vec![], ..first.clone() };
    let notice = compose_for(&[first, second, third], Original::Lost, None);
    insta::assert_snapshot!(String::from_utf8(notice).unwrap().replace("\r\n", "\n"));
}

/// RFC 6522 §4, RFC 2045 §6.4, RFC 2046 §5.2.1
#[test]
fn the_whole_message_comes_back_when_it_is_clean_and_its_header_otherwise() {
    let failed = [recipient(Action::Failed, Some(no_such_user()))];
    let whole = compose_for(&failed, Original::Content(ORIGINAL, Returned::Message), None);
    let parsed = MessageParser::new().parse(&whole).unwrap();
    let PartType::Message(message) = &parsed.parts[3].body else { panic!("{:?}", parsed.parts) };
    assert_eq!(message.body_text(0).unwrap(), "the body\r\n");
    let long_line = [ORIGINAL, &[b'x'; 999], b"\r\n"].concat();
    for unclean in [&long_line[..], b"Subject: x\r\n\r\n\xfc\r\n", b"Subject: x\r\n\r\na\rb\r\n"] {
        let notice = compose_for(&failed, Original::Content(unclean, Returned::Message), None);
        let parsed = MessageParser::new().parse(&notice).unwrap();
        assert_eq!(parsed.parts[3].content_type().unwrap().subtype(), Some("rfc822-headers"));
        fits_the_wire(&notice);
    }
}

/// RFC 3464 §2.2.1, RFC 3464 §2.3.1, RFC 3464 §2.3.2
#[test]
fn the_names_that_a_sender_gave_come_back_to_the_octet() {
    let address = "\"a  b\"@x.example";
    let failed = Recipient {
        orcpt: OriginalRecipient::from_xtext("x400;/G+3DAnn+20+20/").ok(),
        ..well(address, Action::Failed, None)
    };
    let fields = fields::fields(&Report {
        id: QueueId::from_row(1 << 60).unwrap(),
        date: DATE,
        hostname: &"mx.local.example".parse().unwrap(),
        reader: Reader::Sender(&"ann@client.example".parse().unwrap()),
        about: QueueId::from_row(1 << 59).unwrap(),
        arrived: ARRIVED,
        message_id: None,
        envelope_id: EnvelopeId::from_xtext("two+20+20spaces").ok().as_ref(),
        deliver_by: None,
        recipients: &[failed],
        original: Original::Lost,
    });
    for line in
        ["Envelope-Id: two  spaces", "Original-Recipient: x400; /G=Ann  /", &format!("rfc822; {address}")]
    {
        assert!(fields.contains(&format!("{line}\r\n")), "{line} is not in\n{fields}");
    }
}

#[test]
fn a_header_beyond_ascii_comes_back_octet_for_octet() {
    let header = "Subject: Grüße, long and longer, and at last too long for a single line of this\r\n =\r\n";
    let content = format!("{header}\r\nbody\r\n");
    let notice = compose_for(&[recipient(Action::Failed, None)], header_of(content.as_bytes()), None);
    fits_the_wire(&notice);
    let parsed = MessageParser::new().parse(&notice).unwrap();
    let returned = parsed.parts[3].contents();
    assert_eq!(returned.strip_suffix(b"\r\n").unwrap_or(returned), header.trim_end().as_bytes());
}

#[test]
fn an_endless_header_is_cut_between_lines() {
    let content = "X-Field: 0123456789\r\n".repeat(20_000);
    let notice = compose_for(&[recipient(Action::Failed, None)], header_of(content.as_bytes()), None);
    assert!(notice.len() < crate::limits::NOTICE_HEADER_OCTETS_MAX + 4096);
    let text = String::from_utf8(notice).unwrap();
    assert!(text.contains("X-Field: 0123456789\r\n\r\n--=_"), "{}", &text[text.len() - 200..]);
    assert!(text.contains("\r\nThe beginning of its header comes back with this notice; the rest is"));
    assert!(text.contains("\r\nContent-Description: Beginning of the header, the rest is cut off"));
}

#[test]
fn a_notice_does_not_promise_more_than_comes_back() {
    let failed = [recipient(Action::Failed, Some(no_such_user()))];
    let long_line = [ORIGINAL, &[b'x'; 999], b"\r\n"].concat();
    for (content, sentence) in [
        (ORIGINAL, "\r\nIt comes back with this notice."),
        (&long_line[..], "\r\nIts header comes back with this notice."),
    ] {
        let notice = compose_for(&failed, Original::Content(content, Returned::Message), None);
        assert!(String::from_utf8(notice).unwrap().contains(sentence), "{sentence}");
    }
}

/// RFC 6533 §3, RFC 6857 §3.1.6
#[test]
fn addresses_beyond_ascii_are_spelled_as_rfc_6533_does() {
    let mut failed = recipient(Action::Failed, Some(no_such_user()));
    failed.address = "jörg+a@bücher.example".parse().unwrap();
    failed.given = ForwardPath::Mailbox("jorg@bücher.example".parse().unwrap());
    let text = String::from_utf8(compose_for(&[failed], Original::Lost, None)).unwrap();
    assert!(
        text.contains("\r\nFinal-Recipient: utf-8; j\\x{F6}rg\\x{2B}a@b\\x{FC}cher.example\r\n"),
        "{text}"
    );
    assert!(text.contains("\r\nOriginal-Recipient: rfc822; jorg@xn--bcher-kva.example\r\n"), "{text}");
    let to = lines::to(&"jörg@bücher.example".parse().unwrap());
    assert_eq!(to, "Internationalized Address =?utf-8?Q?j=C3=B6rg@b=C3=BCcher.example?= Removed:;");
}

/// RFC 3461 §6.3, RFC 3464 §2.2.1, RFC 3464 §2.3.1
#[test]
fn what_went_well_is_told_with_the_names_that_its_sender_gave() {
    let orcpt = |xtext| OriginalRecipient::from_xtext(xtext).ok();
    let delivered = Recipient {
        orcpt: orcpt("rfc822;Bob+2Bx@else.example"),
        ..well("bob@local.example", Action::Delivered, None)
    };
    let relayed = Recipient {
        orcpt: orcpt("utf-8;j\\x{F6}rg\\x{2B}a@else.example"),
        ..well("jorg@x.example", Action::Relayed, Some("mx.x.example [192.0.2.25]"))
    };
    let expanded = Recipient { reply: None, ..well("team@local.example", Action::Expanded, None) };
    let (id, hostname, ann) = (QueueId::from_row(1 << 60).unwrap(), "mx.local.example", "ann@client.example");
    let notice = compose(&Report {
        id,
        date: DATE,
        hostname: &hostname.parse().unwrap(),
        reader: Reader::Sender(&ann.parse().unwrap()),
        about: id,
        arrived: ARRIVED,
        message_id: None,
        envelope_id: EnvelopeId::from_xtext("QQ+2B314159").ok().as_ref(),
        deliver_by: Some(ARRIVED.plus(std::time::Duration::from_secs(600))),
        recipients: &[delivered, relayed, expanded],
        original: header_of(ORIGINAL),
    });
    fits_the_wire(&notice);
    insta::assert_snapshot!(String::from_utf8(notice).unwrap().replace("\r\n", "\n"));
}

#[test]
fn good_news_is_no_failure_in_any_word() {
    for (action, subject, sentence) in [
        (Action::Delivered, "Delivered:", "was delivered."),
        (Action::Relayed, "Passed on:", "was passed on to another mail server,"),
        (Action::Expanded, "Passed on:", "was passed on to the members of a list."),
    ] {
        let notice = compose_for(&[well("bob@x.example", action, None)], header_of(ORIGINAL), None);
        let text = String::from_utf8(notice).unwrap().replace("\r\n", " ");
        for words in [
            &format!("Subject: {subject} your message to bob@x.example"),
            &format!("Your message to <bob@x.example> {sentence}"),
            "The answer of this mail server, mx.local.example:",
            "Status: 2.0.0",
        ] {
            assert!(text.contains(words), "{words} is not in {text}");
        }
        assert!(!text.contains("Undelivered") && !text.contains("reason"), "{text}");
    }
}

/// RFC 3464 §2.3.4
#[test]
fn a_status_is_the_replys_or_follows_from_its_code() {
    let status = |action, code, enhanced: &str| {
        let reply = Reply::new(Code::of(code), enhanced.parse().ok(), "x");
        recipient(action, Some(reply)).status().to_string()
    };
    let delayed = Action::Delayed { until: DATE };
    assert_eq!(status(Action::Failed, 550, "5.1.1"), "5.1.1");
    assert_eq!(status(Action::Failed, 550, ""), "5.0.0");
    assert_eq!(status(Action::Failed, 451, ""), "4.0.0");
    assert_eq!(status(Action::Failed, 521, ""), "5.3.2");
    assert_eq!(status(Action::Failed, 556, ""), "5.1.10");
    assert_eq!(status(Action::Failed, 550, "2.0.0"), "5.0.0");
    assert_eq!(status(Action::Expired, 452, "4.2.2"), "4.2.2");
    assert_eq!(status(Action::Expired, 452, ""), "4.4.7");
    assert_eq!(status(delayed, 451, "4.7.1"), "4.7.1");
    assert_eq!(status(delayed, 550, "5.7.1"), "4.0.0");
    assert_eq!(status(Action::Relayed, 250, ""), "2.0.0");
    assert_eq!(recipient(Action::Failed, None).status().to_string(), "5.0.0");
}

#[test]
fn only_a_whole_message_id_is_referred_to() {
    for bad in
        ["", "<>", "1@x", "<1@x> <2@x>", "<a b@x>", "<ü@x>", "<1@x", &format!("<{}@x>", "a".repeat(950))]
    {
        assert_eq!(lines::msg_id(&Text::from(bad)), None, "{bad}");
    }
    assert_eq!(lines::msg_id(&" <1@x> ".into()), Some("<1@x>"));
}

/// 7-bit, CRLF line ends alone, no long line, no NUL.
fn fits_the_wire(notice: &[u8]) {
    assert!(lines::is_clean(notice) && notice.ends_with(b"\r\n"), "{}", String::from_utf8_lossy(notice));
}

/// Words that want to be something else.
fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,80}",
        "[a-z\u{e4}\u{1f600}]{900,1100}",
        "(\r\n|\r|\n)?(--=_[0-9a-z]{13}[.]0(--)?|Subject: x|Action: delivered|[.])(\r\n\r\n|\r|\n| )?",
        Just("\r\nX: y\r\n\r\n--=_1000000000000.0--\r\n".to_owned()),
        Just("=_1000000000000.0".to_owned()),
        "[ ]{0,200}x?[ ]{0,200}",
        Just("\u{202e}<script>\u{0}\u{85}\u{2028}".to_owned()),
    ]
}

proptest! {
    /// RFC 5322 §2.1.1
    #[test]
    fn whatever_was_said_the_notice_parses_back_and_fits_the_wire(
        said in proptest::collection::vec(hostile(), 1..6),
        remote in hostile(),
        orcpt in proptest::option::of("[ -~]{1,60}"),
        message_id in proptest::option::of(hostile()),
        content in proptest::collection::vec(hostile(), 0..6),
        eight_bit in proptest::collection::vec(any::<u8>(), 0..60),
        returned in prop_oneof![Just(Returned::Header), Just(Returned::Message)],
    ) {
        let lines: Vec<Text> = said.iter().map(|said| Text::from(said.as_str())).collect();
        let mut failed = recipient(Action::Failed, Some(Reply::of_lines(Code::of(554), None, lines.clone())));
        failed.dialogue = lines.iter().cloned().map(Said::Theirs).collect();
        failed.tried = lines;
        failed.remote = Some(remote.into());
        failed.orcpt = orcpt.and_then(|address| {
            OriginalRecipient::from_xtext(&format!("rfc822;{}", crate::xtext::encode(&address))).ok()
        });
        let message_id = message_id.map(Text::from);
        let content = [content.concat().as_bytes(), &eight_bit].concat();
        let both = [failed.clone(), recipient(Action::Expired, None)];
        let notice = compose_for(&both, Original::Content(&content, returned), message_id.as_ref());
        fits_the_wire(&notice);
        let parsed = MessageParser::new().parse(&notice).unwrap();
        prop_assert_eq!(parsed.parts.len(), 4, "{}", String::from_utf8_lossy(&notice));
        prop_assert_eq!(parsed.content_type().unwrap().attribute("report-type"), Some("delivery-status"));
        prop_assert!(parsed.header("X").is_none());
        let status = String::from_utf8(parsed.parts[2].contents().to_vec()).unwrap();
        prop_assert_eq!(status.matches("\r\nFinal-Recipient: rfc822; bob@x.example\r\n").count(), 2);
        prop_assert_eq!(status.matches("\r\nAction: failed\r\n").count(), 2);
        prop_assert!(!status.contains("\r\nAction: delivered\r\n"));
        prop_assert_eq!(status.matches("\r\n\r\n").count(), 2);
    }

    /// RFC 2045 §6.7
    #[test]
    fn quoted_printable_is_read_back(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        let quoted = lines::quoted_printable(&octets);
        prop_assert!(quoted.split(|&b| b == b'\n').all(|line| line.len() <= 77));
        let mut expected = octets.clone();
        if !octets.is_empty() && !octets.ends_with(b"\r\n") {
            expected.extend_from_slice(b"\r\n");
        }
        prop_assert_eq!(unquote(&quoted), expected);
    }
}

/// Quoted-printable, read as RFC 2045 §6.7 says.
fn unquote(quoted: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = quoted;
    while let Some((&octet, behind)) = rest.split_first() {
        rest = behind;
        if octet != b'=' {
            out.push(octet);
        } else if let Some(behind) = rest.strip_prefix(b"\r\n") {
            rest = behind;
        } else {
            let hex = std::str::from_utf8(&rest[..2]).unwrap();
            out.push(u8::from_str_radix(hex, 16).unwrap());
            rest = &rest[2..];
        }
    }
    out
}
