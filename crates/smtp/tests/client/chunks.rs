//! Binary content goes by BDAT (RFC 3030), in chunks of seven octets here.

use crate::driver::{Driver, check, offering, to};
use postrider_mail::Body;
use postrider_smtp::client::{Event, Session, Transaction};
use postrider_smtp::limits;
use postrider_smtp::server::Dialect;
use std::time::Duration;

const OFFER: [&str; 3] = ["CHUNKING", "BINARYMIME", "PIPELINING"];

fn binary(recipients: &[&str]) -> Transaction {
    let mut message = to(recipients);
    message.mail.body = Some(Body::BinaryMime);
    message
}

/// The start of a script: all up to the accepted envelope for `x@y`, with what it offers.
fn envelope(extensions: &[&str]) -> String {
    let replies = |reply| if extensions.contains(&"PIPELINING") { "" } else { reply };
    offering(extensions)
        + &format!(
            "C: MAIL FROM:<a@client.example> BODY=BINARYMIME\n{}C: RCPT TO:<x@y>\nS: 250\n{}",
            replies("S: 250\n"),
            if extensions.contains(&"PIPELINING") { "S: 250\n" } else { "" }
        )
}

/// RFC 3030 §2, RFC 3030 §3
#[test]
fn binary_content_goes_in_chunks_and_untouched() {
    let script = envelope(&OFFER)
        + r"C: BDAT 7
            C: .\r\n..\r\r
            C: BDAT 4
            C: \n\x00\x7f.
            C: BDAT 0 LAST
            S: 250 7 octets
            S: 250 4 octets
            S: 250 taken
            C: QUIT
            S: 221";
    let message = (binary(&["x@y"]), ".\r\n..\r\r\n\0\x7f.");
    let events = ["ready", "finished: [accepted 250 taken]", "closed"];
    let writes = check(Dialect::Smtp, &[message], &script, &events);
    assert_eq!(writes, 4, "EHLO, the envelope, the content, QUIT");
}

#[test]
fn without_pipelining_a_chunk_goes_when_the_one_before_it_is_answered() {
    let script = envelope(&OFFER[..2])
        + "C: BDAT 7
           C: 1234567
           S: 250
           C: BDAT 2
           C: 89
           S: 250
           C: BDAT 0 LAST
           S: 250 taken";
    check(
        Dialect::Smtp,
        &[(binary(&["x@y"]), "123456789")],
        &script,
        &["ready", "finished: [accepted 250 taken]"],
    );
}

#[test]
fn an_empty_message_is_a_last_chunk() {
    let script = envelope(&OFFER) + "C: BDAT 0 LAST\nS: 250 taken";
    check(Dialect::Smtp, &[(binary(&["x@y"]), "")], &script, &["ready", "finished: [accepted 250 taken]"]);
}

#[test]
fn a_peer_without_bdat_or_binary_content_gets_none() {
    let refusal = "554 5.6.3 the content is binary, and the next host does not offer CHUNKING and BINARYMIME";
    let finished = format!("finished: [refused before MAIL {refusal}]");
    for extensions in [&["8BITMIME"][..], &["CHUNKING", "8BITMIME"], &["BINARYMIME", "8BITMIME"]] {
        let script = offering(extensions) + "C: QUIT\nS: 221";
        check(Dialect::Smtp, &[(binary(&["x@y"]), "")], &script, &["ready", &finished, "closed"]);
    }
}

#[test]
fn where_every_recipient_is_refused_no_chunk_is_sent() {
    let script = offering(&OFFER)
        + "C: MAIL FROM:<a@client.example> BODY=BINARYMIME
           C: RCPT TO:<x@y>
           S: 250
           S: 550 no
           C: RSET
           C: MAIL FROM:<a@client.example> BODY=BINARYMIME
           C: RCPT TO:<x@y>
           S: 250
           S: 550 no
           S: 250
           C: RSET
           C: MAIL FROM:<a@client.example> BODY=BINARYMIME
           C: RCPT TO:<x@y>
           S: 250
           S: 250
           S: 250
           C: BDAT 0 LAST
           S: 250 taken";
    let messages = [(binary(&["x@y"]), ""), (binary(&["x@y"]), ""), (binary(&["x@y"]), "")];
    let events = [
        "ready",
        "finished: [refused at RCPT 550 no]",
        // Even where the peer takes a recipient for a MAIL that it refused.
        "finished: [refused at MAIL 550 no]",
        "finished: [accepted 250 taken]",
    ];
    check(Dialect::Smtp, &messages, &script, &events);
}

#[test]
fn behind_a_refused_chunk_no_further_one_is_sent_and_the_session_goes_on() {
    let script = envelope(&OFFER[..2])
        + "C: BDAT 7
           C: 1234567
           S: 250
           C: BDAT 2
           C: 89
           S: 552 5.3.4 big
           C: RSET
           S: 250
           C: MAIL FROM:<a@client.example>
           S: 550 no";
    let messages = [(binary(&["x@y"]), "123456789"), (to(&["x@y"]), "")];
    let events =
        ["ready", "finished: [refused amid the content 552 5.3.4 big]", "finished: [refused at MAIL 550 no]"];
    check(Dialect::Smtp, &messages, &script, &events);
}

#[test]
fn chunks_in_the_pipeline_behind_a_refused_one_are_answered_too() {
    let sent = envelope(&OFFER) + "C: BDAT 7\nC: 1234567\nC: BDAT 2\nC: 89\nC: BDAT 0 LAST\n";
    let messages = [(binary(&["x@y"]), "123456789"), (binary(&["x@y"]), "")];
    let refused = "finished: [refused amid the content 450 4.7.1 wait]";
    for (replies, event) in [
        ("450 4.7.1 wait|503 b|503 c", refused),
        ("250 a|450 4.7.1 wait|503 c", refused),
        ("450 4.7.1 wait|552 b|503 c", refused),
        ("450 4.7.1 wait|250 b|503 c", refused),
        ("250 a|250 b|450 4.7.1 wait", "finished: [refused after the content 450 4.7.1 wait]"),
    ] {
        let replies: String = replies.split('|').map(|reply| format!("S: {reply}\n")).collect();
        let next = "C: RSET
            C: MAIL FROM:<a@client.example> BODY=BINARYMIME
            C: RCPT TO:<x@y>
            S: 250
            S: 550 no
            S: 503";
        let events = ["ready", event, "finished: [refused at MAIL 550 no]"];
        check(Dialect::Smtp, &messages, &(sent.clone() + &replies + next), &events);
    }
}

#[test]
fn chunks_can_fail_at_every_reply() {
    let sent = envelope(&OFFER) + "C: BDAT 7\nC: 1234567\nC: BDAT 0 LAST\n";
    let refused = "[refused amid the content 450 wait]";
    for (replies, event) in [
        ("EOF", "the connection was closed [lost]"),
        ("TIMEOUT", "the host took too long [lost]"),
        ("S: 354 go", "the host sent a reply that means nothing here: 354 go [lost]"),
        ("S: 421 down", "the host ends the session: 421 down [undecided]"),
        ("S: 250\nEOF", "the connection was closed [lost]"),
        ("S: 250\nS: 354 go", "the host sent a reply that means nothing here: 354 go [lost]"),
        ("S: 250\nS: 421 down", "the host ends the session: 421 down [refused after the content 421 down]"),
        ("S: 450 wait\nEOF", &format!("the connection was closed {refused}")),
        ("S: 450 wait\nS: 421 down", &format!("the host ends the session: 421 down {refused}")),
        // A message with a hole in it.
        ("S: 450 wait\nS: 250 x", &format!("the host sent a reply that means nothing here: 250 x {refused}")),
    ] {
        let event = format!("failed after the content: {event}");
        let script = sent.clone() + replies;
        check(Dialect::Smtp, &[(binary(&["x@y"]), "1234567")], &script, &["ready", &event]);
    }
}

#[test]
fn chunks_can_fail_before_the_last() {
    let sent = envelope(&OFFER[..2]) + "C: BDAT 7\nC: 1234567\n";
    for (replies, event) in [
        ("EOF", "the connection was closed [undecided]"),
        ("TIMEOUT", "the host took too long [undecided]"),
        ("S: 421 down", "the host ends the session: 421 down [undecided]"),
        ("S: 354 go", "the host sent a reply that means nothing here: 354 go [undecided]"),
    ] {
        let event = format!("failed amid the content: {event}");
        let script = sent.clone() + replies;
        check(Dialect::Smtp, &[(binary(&["x@y"]), "12345678")], &script, &["ready", &event]);
    }
}

/// RFC 2033 §4.2
#[test]
fn lmtp_answers_the_last_chunk_for_each_recipient() {
    let script = |replies: &str| {
        let replies: String = replies.split('|').map(|reply| format!("S: {reply}\n")).collect();
        format!(
            "S: 220
             C: LHLO client.example
             S: 250-lmtp
             S: 250-CHUNKING
             S: 250-PIPELINING
             S: 250 BINARYMIME
             C: MAIL FROM:<a@client.example> BODY=BINARYMIME
             C: RCPT TO:<a@y>
             C: RCPT TO:<b@y>
             S: 250
             S: 250
             S: 250
             C: BDAT 2
             C: hi
             C: BDAT 0 LAST
             {replies}"
        )
    };
    let message = [(binary(&["a@y", "b@y"]), "hi")];
    let finished = "finished: [accepted 250 a, refused after the content 452 b]";
    check(Dialect::Lmtp, &message, &script("250|250 a|452 b"), &["ready", finished]);
    // Nobody can say how many replies follow.
    let failed = "failed after the content: the host refused the message before its end: 452 no \
                  [refused amid the content 452 no, refused amid the content 452 no]";
    check(Dialect::Lmtp, &message, &script("452 no"), &["ready", failed]);
}

/// A session that waits for chunks, at a driver that sends them by hand.
fn opened(extensions: &[&str]) -> (Driver, postrider_smtp::client::Open) {
    let mut driver = Driver::new(Dialect::Smtp, Vec::new(), false);
    let hello: String = extensions.iter().map(|extension| format!("250-{extension}\r\n")).collect();
    driver.receive(format!("220\r\n250-mx\r\n{hello}250 X\r\n").as_bytes());
    let idle = driver.idle.take().unwrap();
    driver.call(|session, out| session.begin(idle, binary(&["x@y"]), out));
    driver.receive(b"250\r\n");
    let step = driver.call(|session, out| session.receive(b"250\r\n", out));
    let Event::SendContent(open) = step.event else { unreachable!("{step:?}") };
    driver.wire.clear();
    (driver, open)
}

#[test]
fn a_driver_that_goes_on_behind_a_refused_chunk_says_nothing() {
    let (mut driver, open) = opened(&OFFER);
    driver.call(|session, out| session.content(&open, b"12", out));
    driver.call(|session, out| session.content(&open, b"", out));
    driver.call(|session, out| session.content(&open, b"34", out));
    assert_eq!(driver.wire, b"BDAT 2\r\n12BDAT 2\r\n34");
    driver.wire.clear();
    driver.receive(b"552 big\r\n");
    driver.call(|session, out| session.content(&open, b"56", out));
    driver.call(|session, out| session.dot(&open, out));
    driver.call(|session, out| session.end_of_content(open, out));
    assert_eq!((&driver.wire[..], driver.events.len()), (&b""[..], 1));
    driver.receive(b"503 no\r\n");
    assert_eq!(driver.events.last().unwrap(), "finished: [refused amid the content 552 big]");
    assert!(driver.ear.0.contains("(4 octets)\n"), "the story tells how far it came");
}

#[test]
fn chunks_that_we_give_up_are_never_ended() {
    let (mut driver, open) = opened(&OFFER);
    driver.call(|session, out| session.content(&open, b"12", out));
    driver.wire.clear();
    let event = driver.call(Session::abandon);
    driver.act(event);
    driver.call(|session, out| session.dot(&open, out));
    driver.call(|session, out| session.end_of_content(open, out));
    let expected = "failed amid the content: we gave up [undecided]";
    assert_eq!((driver.events.last().unwrap().as_str(), &driver.wire[..]), (expected, &b""[..]));
}

#[test]
fn a_reply_that_no_chunk_waits_for_ends_the_session() {
    for (reply, failed) in [
        ("250 ok", "the host sent a reply that means nothing here: 250 ok [undecided]"),
        (
            "552 big",
            "the host refused the message before its end: 552 big [refused amid the content 552 big]",
        ),
    ] {
        let (mut driver, open) = opened(&OFFER);
        driver.call(|session, out| session.dot(&open, out));
        driver.receive(format!("{reply}\r\n").as_bytes());
        assert_eq!(driver.events.last().unwrap(), &format!("failed amid the content: {failed}"));
    }
}

#[test]
fn each_chunk_and_the_end_have_their_deadlines() {
    let (mut driver, open) = opened(&OFFER);
    let left = |driver: &Driver| driver.session.deadline().unwrap() - driver.now;
    assert_eq!(left(&driver), limits::CLIENT_CHUNK_TIMEOUT);
    driver.now += Duration::from_secs(100);
    driver.call(|session, out| session.content(&open, b"12", out));
    assert_eq!(left(&driver), limits::CLIENT_CHUNK_TIMEOUT);
    driver.now += Duration::from_secs(100);
    driver.receive(b"250");
    assert_eq!(left(&driver), limits::CLIENT_CHUNK_TIMEOUT.saturating_sub(Duration::from_secs(100)));
    driver.receive(b"\r\n");
    assert_eq!(left(&driver), limits::CLIENT_CHUNK_TIMEOUT);
    driver.call(|session, out| session.content(&open, b"34", out));
    driver.call(|session, out| session.dot(&open, out));
    driver.call(|session, out| session.end_of_content(open, out));
    assert_eq!(left(&driver), limits::CLIENT_END_TIMEOUT);
    driver.receive(b"250\r\n");
    assert_eq!(left(&driver), limits::CLIENT_END_TIMEOUT);
}

#[test]
fn a_chunk_waits_its_turn_only_without_pipelining() {
    let (mut driver, open) = opened(&OFFER);
    driver.call(|session, out| session.content(&open, b"12", out));
    assert!(driver.session.takes_content());
    let (mut driver, open) = opened(&OFFER[..2]);
    assert!(driver.session.takes_content());
    driver.call(|session, out| session.content(&open, b"12", out));
    assert!(!driver.session.takes_content());
    driver.receive(b"250\r\n");
    assert!(driver.session.takes_content());
}
