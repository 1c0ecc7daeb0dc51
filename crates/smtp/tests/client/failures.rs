//! How sessions fail: where, how, and what is known of each recipient then.

use crate::driver::{Driver, check, to};
use postrider_mail::Host;
use postrider_smtp::client::{Event, Session};
use postrider_smtp::limits;
use postrider_smtp::server::Dialect;
use postrider_smtp::{Out, Silent};
use std::time::{Duration, Instant};

#[test]
fn a_host_without_lhlo_is_not_spoken_to_by_helo() {
    let script = "S: 220 mx\nC: LHLO client.example\nS: 500 what?\nC: QUIT";
    check(Dialect::Lmtp, &[], script, &["failed at EHLO: the host refuses to serve us: 500 what? []"]);
}

/// RFC 5321 §3.1
#[test]
fn who_turns_us_away_is_told_that_we_go() {
    let refused = "S: 554 5.7.1 not you\nC: QUIT\nS: 221 bye";
    let event = "failed at the greeting: the host refuses to serve us: 554 5.7.1 not you []";
    check(Dialect::Smtp, &[], refused, &[event, "closed"]);
    let busy = "S: 220 mx\nC: EHLO client.example\nS: 451 busy\nC: QUIT";
    check(Dialect::Smtp, &[], busy, &["failed at EHLO: the host refuses to serve us: 451 busy []"]);
    let closing = "S: 421 busy";
    check(Dialect::Smtp, &[], closing, &["failed at the greeting: the host ends the session: 421 busy []"]);
}

/// A session of one message for two recipients: the replies, and where each is awaited.
const STEPS: [(&str, &str); 8] = [
    ("220 mx", "at the greeting"),
    ("250 mx", "at EHLO"),
    ("250 mail", "at MAIL"),
    ("250 a", "at RCPT"),
    ("250 b", "at RCPT"),
    ("354 go", "at DATA"),
    ("250 taken", "after the content"),
    ("", "between messages"),
];

/// RFC 5321 §4.3
#[test]
fn a_session_can_fail_at_every_step_and_says_where_and_how() {
    let endless = format!("S: {}", "x".repeat(limits::REPLY_LINE_OCTETS_MAX));
    for (fault, kind) in [
        ("EOF", "the connection was closed"),
        ("TIMEOUT", "the host took too long"),
        ("S: 421 4.3.2 down", "the host ends the session: 421 4.3.2 down"),
        ("S: hello", "a line of the reply does not begin with a reply code"),
        ("S: 250-yes\nS: 550 no", "the lines of the reply contradict each other"),
        (&endless, "a line of the reply has more than 4096 octets"),
    ] {
        for (step, (_, stage)) in STEPS.iter().enumerate() {
            for pipelining in [false, true] {
                let fates = match step {
                    0 | 1 | 7 => "[]",
                    6 if fault.starts_with("S: 421") => {
                        "[refused after the content 421 4.3.2 down, refused after the content 421 4.3.2 down]"
                    }
                    6 => "[lost, lost]",
                    _ => "[undecided, undecided]",
                };
                let mut driver =
                    Driver::new(Dialect::Smtp, vec![(to(&["a@y", "b@y"]), b"hi".to_vec())], false);
                for (reply, _) in &STEPS[..step] {
                    let extension =
                        if pipelining && *reply == "250 mx" { "S: 250-mx\nS: 250 PIPELINING" } else { "" };
                    let said = if extension.is_empty() { format!("S: {reply}") } else { extension.into() };
                    driver.wire.clear();
                    driver.receive(said.replace("S: ", "").replace('\n', "\r\n").as_bytes());
                    driver.receive(b"\r\n");
                }
                driver.wire.clear();
                driver.play(fault, &[usize::MAX]);
                let expected = format!("failed {stage}: {kind} {fates}");
                assert_eq!(driver.events.last(), Some(&expected), "{fault:?} at step {step}");
                assert_eq!(driver.call(Session::end_of_input), Event::Closed, "a failure is said once");
                assert_eq!(driver.session.deadline(), None);
            }
        }
    }
}

#[test]
fn a_reply_amid_the_content_ends_the_session() {
    for (reply, failed) in [
        ("421 too slow\r\n", "the host ends the session: 421 too slow [undecided]"),
        ("250 ok\r\n", "the host sent a reply that means nothing here: 250 ok [undecided]"),
        (
            "552 too big\r\n",
            "the host refused the message before its end: 552 too big [refused amid the content 552 too big]",
        ),
    ] {
        let mut driver = Driver::new(Dialect::Smtp, Vec::new(), false);
        driver.receive(b"220\r\n250\r\n");
        let idle = driver.idle.take().unwrap();
        driver.call(|session, out| session.begin(idle, to(&["a@y"]), out));
        driver.receive(b"250\r\n250\r\n");
        let step = driver.call(|session, out| session.receive(b"354\r\n", out));
        let Event::SendContent(open) = step.event else { panic!("{step:?}") };
        driver.call(|session, out| session.content(&open, b"half a line", out));
        driver.receive(reply.as_bytes());
        assert_eq!(driver.events.last().unwrap(), &format!("failed amid the content: {failed}"));
        driver.wire.clear();
        driver.call(|session, out| session.content(&open, b"more", out));
        driver.call(|session, out| session.end_of_content(open, out));
        assert_eq!(driver.wire, b"", "nothing is sent after a failure");
        assert!(driver.ear.0.contains("(11 octets)\n"), "the story tells how far it came");
    }
}

#[test]
fn content_that_we_give_up_is_never_ended() {
    let mut driver = Driver::new(Dialect::Smtp, Vec::new(), false);
    driver.receive(b"220\r\n250\r\n");
    let idle = driver.idle.take().unwrap();
    driver.call(|session, out| session.begin(idle, to(&["a@y", "b@y"]), out));
    driver.receive(b"250\r\n550 no\r\n250\r\n");
    let step = driver.call(|session, out| session.receive(b"354\r\n", out));
    assert!(matches!(step.event, Event::SendContent(_)));
    driver.wire.clear();
    let event = driver.call(Session::abandon);
    driver.act(event);
    let expected = "failed amid the content: we gave up [refused at RCPT 550 no, undecided]";
    assert_eq!((driver.events.last().unwrap().as_str(), &driver.wire[..]), (expected, &b""[..]));
}

#[test]
fn a_reply_that_never_ends_is_none() {
    let before = "S: 220 mx\nC: EHLO client.example\nS: 250 mx\nC: MAIL FROM:<a@client.example>\n";
    for (end, kind) in [
        ("S: 250-on\nEOF", "the connection was closed"),
        ("S: 250-on\nTIMEOUT", "the host took too long"),
        ("S: 250-on\nS: and\nS:\nTIMEOUT", "the host took too long"),
        ("S: 250-on\nS: 354 go", "the lines of the reply contradict each other"),
    ] {
        let failed = format!("failed at MAIL: {kind} [undecided]");
        let script = format!("{before}{end}");
        check(Dialect::Smtp, &[(to(&["a@y"]), "")], &script, &["ready", &failed]);
    }
}

#[test]
fn an_idle_connection_that_is_gone_takes_no_message() {
    let mut driver = Driver::new(Dialect::Smtp, Vec::new(), false);
    driver.receive(b"220\r\n250\r\n421 idle too long\r\n");
    let failed = "failed between messages: the host ends the session: 421 idle too long []";
    assert_eq!(driver.events, ["ready", failed]);
    driver.wire.clear();
    let idle = driver.idle.take().unwrap();
    let event = driver.call(|session, out| session.begin(idle, to(&["a@y"]), out));
    driver.act(event);
    let expected = "failed between messages: the connection was closed [undecided]";
    assert_eq!((driver.events.last().unwrap().as_str(), &driver.wire[..]), (expected, &b""[..]));
}

/// RFC 2033 §4.2
#[test]
fn lmtp_has_no_verdict_for_all_amid_the_content() {
    let mut driver = Driver::new(Dialect::Lmtp, Vec::new(), false);
    driver.receive(b"220\r\n250\r\n");
    let idle = driver.idle.take().unwrap();
    driver.call(|session, out| session.begin(idle, to(&["a@y", "b@y"]), out));
    driver.receive(b"250\r\n250\r\n250\r\n");
    let step = driver.call(|session, out| session.receive(b"354\r\n", out));
    assert!(matches!(step.event, Event::SendContent(_)));
    driver.receive(b"550 not a\r\n");
    let expected = "failed amid the content: the host sent a reply that means nothing here: 550 not a \
                    [undecided, undecided]";
    assert_eq!(driver.events.last().unwrap(), expected);
}

/// RFC 5321 §4.5.3.2
#[test]
fn patience_shortens_every_wait_and_lengthens_none() {
    let now = Instant::now();
    for (patience, greeting, hello) in [(7, 7, 7), (100_000, 300, 300)] {
        let patience = Duration::from_secs(patience);
        let mut session =
            Session::with_patience(Dialect::Smtp, "client.example".parse().unwrap(), patience, now);
        assert_eq!(session.deadline(), Some(now + Duration::from_secs(greeting)));
        let mut out = Out { now, wire: &mut Vec::new(), dialogue: &mut Silent };
        session.receive(b"220 mx\r\n", &mut out);
        assert_eq!(session.deadline(), Some(now + Duration::from_secs(hello)));
    }
}

#[test]
fn the_names_a_peer_gives_itself_are_heard() {
    for (greeting, hello, announced) in [
        ("220 MX.example ESMTP", "250 mx.example hello", &["mx.example"][..]),
        ("220 mx.example", "250-inner.example\r\n250 SIZE", &["mx.example", "inner.example"]),
        ("220 *** [x]", "250 [192.0.2.1]", &["[192.0.2.1]"]),
        ("220", "250", &[]),
    ] {
        let mut driver = Driver::new(Dialect::Smtp, Vec::new(), false);
        driver.receive(format!("{greeting}\r\n{hello}\r\n").as_bytes());
        let announced: Vec<Host> = announced.iter().map(|name| name.parse().unwrap()).collect();
        assert_eq!(driver.session.announced(), announced, "{greeting}");
    }
}

#[test]
fn what_comes_before_the_dot_is_sent_comes_amid_the_content() {
    for (reply, failed) in [
        ("250 taken", "the host sent a reply that means nothing here: 250 taken [undecided]"),
        (
            "552 big",
            "the host refused the message before its end: 552 big [refused amid the content 552 big]",
        ),
        ("", "the connection was closed [undecided]"),
    ] {
        let mut driver = Driver::new(Dialect::Smtp, Vec::new(), false);
        driver.receive(b"220\r\n250\r\n");
        let idle = driver.idle.take().unwrap();
        driver.call(|session, out| session.begin(idle, to(&["a@y"]), out));
        driver.receive(b"250\r\n250\r\n");
        let step = driver.call(|session, out| session.receive(b"354\r\n", out));
        let Event::SendContent(open) = step.event else { panic!("{step:?}") };
        driver.wire.clear();
        driver.call(|session, out| session.content(&open, b"hi", out));
        driver.call(|session, out| session.dot(&open, out));
        assert_eq!(driver.wire, b"hi\r\n.\r\n");
        if reply.is_empty() {
            let event = driver.call(Session::end_of_input);
            driver.act(event);
        } else {
            driver.receive(format!("{reply}\r\n").as_bytes());
        }
        assert_eq!(driver.events.last().unwrap(), &format!("failed amid the content: {failed}"));
        driver.call(|session, out| session.end_of_content(open, out));
        assert_eq!(driver.wire, b"hi\r\n.\r\n", "there is one dot");
    }
}
