//! How transactions go, command by command.

use crate::driver::{check, offering, to};
use postrider_mail::Body;
use postrider_smtp::server::Dialect;

/// RFC 5321 §3.2
#[test]
fn an_old_host_is_spoken_to_by_helo_one_command_at_a_time() {
    let script = "
        S: 220 old.example
        C: EHLO client.example
        S: 502 what?
        C: HELO client.example
        S: 250
        C: MAIL FROM:<a@client.example>
        S: 250 ok
        C: RCPT TO:<x@y.example>
        S: 250 ok
        C: RCPT TO:<Postmaster>
        S: 550 who?
        C: DATA
        S: 354
        C: Subject: hello
        C:
        C: ..dot
        C: .
        S: 250 taken
        C: QUIT
        S: 221 bye";
    let message = (to(&["x@y.example", "postmaster"]), "Subject: hello\r\n\r\n.dot");
    let finished = "finished: [accepted 250 taken, refused at RCPT 550 who?]";
    check(Dialect::Smtp, &[message], script.trim(), &["ready", finished, "closed"]);
}

/// RFC 2920 §3.1
#[test]
fn with_pipelining_an_envelope_is_one_write() {
    let script = offering(&["PIPELINING"])
        + "C: MAIL FROM:<a@client.example>
           C: RCPT TO:<x@y.example>
           C: RCPT TO:<z@y.example>
           C: DATA
           S: 250 ok
           S: 450 4.2.1 later
           S: 251 will forward
           S: 354 go on
           C: hi
           C: .
           S: 250 2.0.0 taken
           C: QUIT
           S: 221 bye";
    let finished = "finished: [refused at RCPT 450 4.2.1 later, accepted 250 2.0.0 taken]";
    let message = (to(&["x@y.example", "z@y.example"]), "hi\r\n");
    let writes = check(Dialect::Smtp, &[message], &script, &["ready", finished, "closed"]);
    assert_eq!(writes, 4, "EHLO, the envelope, the content, QUIT");
}

/// RFC 5321 §4.2.1
#[test]
fn any_2yz_is_success() {
    let script = "
        S: 299 hm
        C: EHLO client.example
        S: 200 fine
        C: MAIL FROM:<a@client.example>
        S: 299 fine
        C: RCPT TO:<x@y.example>
        S: 252 perhaps
        C: DATA
        S: 399 go
        C: .
        S: 251 yes";
    let events = ["ready", "finished: [accepted 251 yes]"];
    check(Dialect::Smtp, &[(to(&["x@y.example"]), "")], script.trim(), &events);
}

/// RFC 2033 §4.2
#[test]
fn lmtp_answers_for_each_accepted_recipient() {
    let envelope = "S: 220 lmtp
        C: LHLO client.example
        S: 250-lmtp
        S: 250 PIPELINING
        C: MAIL FROM:<a@client.example>
        C: RCPT TO:<a@y>
        C: RCPT TO:<b@y>
        C: RCPT TO:<c@y>
        C: DATA
        S: 250 ok
        S: 250 ok
        S: 550 no
        S: 250 ok
        S: 354 go
        C: .\n";
    let message = [(to(&["a@y", "b@y", "c@y"]), "")];
    for (end, event) in [
        (
            "S: 250 a\nS: 452 c",
            "finished: [accepted 250 a, refused at RCPT 550 no, refused after the content 452 c]",
        ),
        (
            "S: 250 a\nEOF",
            "failed after the content: the connection was closed [accepted 250 a, refused at RCPT 550 no, lost]",
        ),
        (
            "S: 421 down",
            "failed after the content: the host ends the session: 421 down \
             [refused after the content 421 down, refused at RCPT 550 no, lost]",
        ),
    ] {
        check(Dialect::Lmtp, &message, &format!("{envelope}{end}"), &["ready", event]);
    }
}

#[test]
fn a_transaction_left_open_is_reset_before_the_next() {
    let script = offering(&["SIZE"])
        + "C: MAIL FROM:<a@client.example>
           S: 250 ok
           C: RCPT TO:<x@y>
           S: 550 no
           C: RSET
           S: 250 ok
           C: MAIL FROM:<a@client.example>
           S: 250 ok
           C: RCPT TO:<x@y>
           S: 250 ok
           C: DATA
           S: 451 wait
           C: RSET
           S: 500 never
           ";
    let message = (to(&["x@y"]), "");
    let events = [
        "ready",
        "finished: [refused at RCPT 550 no]",
        "finished: [refused at DATA 451 wait]",
        "failed at RSET: the host refuses to serve us: 500 never [undecided]",
    ];
    check(Dialect::Smtp, &[message.clone(), message.clone(), message], script.trim(), &events);
}

#[test]
fn with_pipelining_the_reset_goes_ahead_of_the_next_envelope() {
    let script = offering(&["PIPELINING"])
        + "C: MAIL FROM:<a@client.example>
           C: RCPT TO:<x@y>
           C: DATA
           S: 250 ok
           S: 550 no
           S: 503 no recipients
           C: RSET
           C: MAIL FROM:<a@client.example>
           C: RCPT TO:<z@y>
           C: DATA
           S: 250 ok
           S: 250 ok
           S: 250 ok
           S: 354 go
           C: .
           S: 250 yes
           C: QUIT
           S: 221";
    let messages = [(to(&["x@y"]), ""), (to(&["z@y"]), "")];
    let events = ["ready", "finished: [refused at RCPT 550 no]", "finished: [accepted 250 yes]", "closed"];
    assert_eq!(check(Dialect::Smtp, &messages, &script, &events), 5);
}

#[test]
fn a_354_for_nobody_is_ended_by_a_lone_dot_whose_reply_means_nothing() {
    for (reply, event) in [
        ("250 thanks", None),
        ("554 nobody", None),
        (
            "421 bye",
            Some("failed after the content: the host ends the session: 421 bye [refused at RCPT 550 no]"),
        ),
    ] {
        let script = offering(&["PIPELINING"])
            + &format!(
                "C: MAIL FROM:<a@client.example>
                 C: RCPT TO:<x@y>
                 C: DATA
                 S: 250 ok
                 S: 550 no
                 S: 354 go
                 C: .
                 S: {reply}"
            );
        let event = event.unwrap_or("finished: [refused at RCPT 550 no]");
        check(Dialect::Smtp, &[(to(&["x@y"]), "never sent")], &script, &["ready", event]);
    }
}

#[test]
fn lmtp_has_no_lone_dot_for_no_reply_would_follow_it() {
    let script = "S: 220 lmtp
        C: LHLO client.example
        S: 250-lmtp
        S: 250 PIPELINING
        C: MAIL FROM:<a@client.example>
        C: RCPT TO:<x@y>
        C: DATA
        S: 250 ok
        S: 550 no
        S: 354 go";
    let event =
        "failed at DATA: the host sent a reply that means nothing here: 354 go [refused at RCPT 550 no]";
    check(Dialect::Lmtp, &[(to(&["x@y"]), "")], script, &["ready", event]);
}

#[test]
fn a_refused_mail_refuses_every_recipient() {
    let refused = "finished: [refused at MAIL 550 5.7.1 no, refused at MAIL 550 5.7.1 no]";
    let one_by_one = offering(&[]) + "C: MAIL FROM:<a@client.example>\nS: 550 5.7.1 no";
    check(Dialect::Smtp, &[(to(&["x@y", "z@y"]), "")], &one_by_one, &["ready", refused]);
    let batch = "C: MAIL FROM:<a@client.example>
        C: RCPT TO:<x@y>
        C: RCPT TO:<z@y>
        C: DATA
        S: 550 5.7.1 no\n";
    for (rest, event) in [
        ("S: 503 a\nS: 503 b\nS: 503 c", refused),
        ("S: 503 a\nS: 503 b\nS: 354 c\nC: .\nS: 554 d", refused),
        // The lone dot could become a message here.
        (
            "S: 503 a\nS: 250 b\nS: 354 c",
            "failed at DATA: the host sent a reply that means nothing here: 354 c \
             [refused at MAIL 550 5.7.1 no, refused at MAIL 550 5.7.1 no]",
        ),
        (
            "S: 503 a\nEOF",
            "failed at RCPT: the connection was closed [refused at MAIL 550 5.7.1 no, refused at MAIL 550 5.7.1 no]",
        ),
    ] {
        let script = offering(&["PIPELINING"]) + batch + rest;
        check(Dialect::Smtp, &[(to(&["x@y", "z@y"]), "")], &script, &["ready", event]);
    }
}

/// RFC 5321 §4.5.3.1.10
#[test]
fn surplus_recipients_are_asked_for_in_another_transaction() {
    let script = offering(&["PIPELINING"])
        + "C: MAIL FROM:<a@client.example>
           C: RCPT TO:<a@y>
           C: RCPT TO:<b@y>
           C: RCPT TO:<c@y>
           C: RCPT TO:<d@y>
           C: RCPT TO:<e@y>
           C: DATA
           S: 250 ok
           S: 250 ok
           S: 452 4.5.3 a
           S: 452 4.2.2 full
           S: 552 5.5.3 b
           S: 452 c
           S: 354 go
           C: .
           S: 250 ok";
    let finished = "finished: [accepted 250 ok, another 452 4.5.3 a, refused at RCPT 452 4.2.2 full, \
                    another 552 5.5.3 b, another 452 c]";
    let message = (to(&["a@y", "b@y", "c@y", "d@y", "e@y"]), "");
    check(Dialect::Smtp, &[message], &script, &["ready", finished]);
    // Where none was taken, another transaction would fare no better.
    let none = offering(&[]) + "C: MAIL FROM:<a@client.example>\nS: 250\nC: RCPT TO:<a@y>\nS: 452 4.5.3 a";
    check(Dialect::Smtp, &[(to(&["a@y"]), "")], &none, &["ready", "finished: [refused at RCPT 452 4.5.3 a]"]);
}

/// RFC 1870 §5, RFC 6152 §3
#[test]
fn size_and_body_are_said_where_they_are_offered() {
    let mut message = to(&["a@y"]);
    message.mail.size = Some(100);
    message.mail.body = Some(Body::EightBitMime);
    for (extensions, parameters, undeclared) in [
        (&["SIZE 100", "8BITMIME"][..], " SIZE=100 BODY=8BITMIME", ""),
        (&["SIZE"], " SIZE=100", " (8-bit undeclared)"),
        (&["8BITMIME"], " BODY=8BITMIME", ""),
        (&[], "", " (8-bit undeclared)"),
    ] {
        let script =
            offering(extensions) + &format!("C: MAIL FROM:<a@client.example>{parameters}\nS: 550 no");
        let finished = format!("finished{undeclared}: [refused at MAIL 550 no]");
        check(Dialect::Smtp, &[(message.clone(), "")], &script, &["ready", &finished]);
    }
}

/// RFC 1870 §6.1
#[test]
fn a_message_larger_than_the_offered_size_is_refused_in_our_own_words() {
    let finished = "finished: [refused before MAIL 552 5.3.4 the message has 101 octets, \
                    and the next host takes at most 100]";
    let mut message = to(&["a@y"]);
    message.mail.size = Some(101);
    let script = offering(&["SIZE 100"]) + "C: QUIT\nS: 221";
    check(Dialect::Smtp, &[(message, "")], &script, &["ready", finished, "closed"]);
}

#[test]
fn what_we_say_is_ascii() {
    let mut message = to(&["jörg@y", "a@bücher.example", "b@[IPv6:2001:db8::1]", "\"a b\"@y"]);
    message.mail.reverse_path = "".parse().unwrap();
    let script = offering(&[])
        + "C: MAIL FROM:<>
           S: 250
           C: RCPT TO:<a@xn--bcher-kva.example>
           S: 250
           C: RCPT TO:<b@[IPv6:2001:db8::1]>
           S: 550 no
           C: RCPT TO:<\"a b\"@y>
           S: 550 no
           C: DATA
           S: 354
           C: .
           S: 250 ok";
    let finished = "finished: [refused before MAIL 553 5.6.7 the forward-path is not ASCII, and the next host \
                    does not offer SMTPUTF8, accepted 250 ok, refused at RCPT 550 no, refused at RCPT 550 no]";
    check(Dialect::Smtp, &[(message, "")], &script, &["ready", finished]);
}
