//! What is said of a message to a peer with each offer, and what is refused because of its offer.

use crate::driver::{check, offering, to};
use postrider_mail::{Body, EnvelopeId, Hold, Notify, OriginalRecipient, Ret};
use postrider_smtp::client::Transaction;
use postrider_smtp::server::Dialect;

/// A message whose sender asks for everything.
fn demanding() -> Transaction {
    let mut message = to(&["x@y.example", "z@y.example"]);
    let mail = &mut message.mail;
    mail.size = Some(100);
    mail.body = Some(Body::EightBitMime);
    mail.ret = Some(Ret::Headers);
    mail.envid = Some(EnvelopeId::from_xtext("a+2Bb").unwrap());
    mail.by = Some("-60;NT".parse().unwrap());
    mail.hold = Some(Hold::For(60));
    mail.priority = Some("-3".parse().unwrap());
    mail.solicit = Some("net.example:ADV".parse().unwrap());
    message.recipients[0].notify = Some(Notify::SUCCESS.and(Notify::DELAY));
    message.recipients[0].orcpt = Some(OriginalRecipient::from_xtext("rfc822;a+2Bb@y.example").unwrap());
    message.recipients[1].notify = Some(Notify::NEVER);
    message
}

/// An extension, what MAIL says then, what the two RCPT say, and what the outcome notes.
const EXTENSIONS: [(&str, &str, [&str; 2], &str); 8] = [
    ("SIZE 1000", " SIZE=100", ["", ""], ""),
    ("8BITMIME", " BODY=8BITMIME", ["", ""], ""),
    ("SMTPUTF8", "", ["", ""], ""),
    (
        "DSN",
        " RET=HDRS ENVID=a+2Bb",
        [" NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a+2Bb@y.example", " NOTIFY=NEVER"],
        "dsn",
    ),
    ("DELIVERBY 90", " BY=-60;NT", ["", ""], "by"),
    ("MT-PRIORITY MIXER", " MT-PRIORITY=-3", ["", ""], "priority"),
    ("NO-SOLICITING net.example:ADV", " SOLICIT=net.example:ADV", ["", ""], "solicit"),
    ("FUTURERELEASE 1000 2030-01-01T00:00:00Z", "", ["", ""], ""),
];

/// RFC 5321 §4.1.1.11, RFC 3461 §5.2.1, RFC 3865 §2.5
#[test]
fn every_parameter_is_said_where_its_extension_is_offered_and_only_there() {
    for offered in 0..1 << EXTENSIONS.len() {
        let offered = EXTENSIONS.iter().enumerate().filter(|(bit, _)| offered & 1 << bit != 0);
        let offered: Vec<_> = offered.map(|(_, extension)| extension).collect();
        let mut keywords = vec!["PIPELINING"];
        keywords.extend(offered.iter().map(|extension| extension.0));
        let mail: String = offered.iter().map(|extension| extension.1).collect();
        let [x, z] = [0, 1].map(|rcpt| offered.iter().map(|extension| extension.2[rcpt]).collect::<String>());
        let script = offering(&keywords)
            + &format!(
                "C: MAIL FROM:<a@client.example>{mail}
                 C: RCPT TO:<x@y.example>{x}
                 C: RCPT TO:<z@y.example>{z}
                 C: DATA
                 S: 550 no
                 S: 503
                 S: 503
                 S: 503"
            );
        let undeclared = if mail.contains("BODY") { "" } else { "8-bit undeclared" };
        let notes = [undeclared].into_iter().chain(offered.iter().map(|extension| extension.3));
        let notes: Vec<&str> = notes.filter(|note| !note.is_empty()).collect();
        let notes = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join(", ")) };
        let finished = format!("finished{notes}: [refused at MAIL 550 no, refused at MAIL 550 no]");
        check(Dialect::Smtp, &[(demanding(), "")], &script, &["ready", &finished]);
    }
}

#[test]
fn lmtp_is_told_the_same() {
    let script = "S: 220 lmtp
        C: LHLO client.example
        S: 250-lmtp
        S: 250 DSN
        C: MAIL FROM:<a@client.example> RET=HDRS ENVID=a+2Bb
        S: 250
        C: RCPT TO:<x@y.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a+2Bb@y.example
        S: 250
        C: RCPT TO:<z@y.example> NOTIFY=NEVER
        S: 250
        C: DATA
        S: 354
        C: .
        S: 250 x
        S: 250 z";
    let finished = "finished (8-bit undeclared, dsn): [accepted 250 x, accepted 250 z]";
    check(Dialect::Lmtp, &[(demanding(), "")], script, &["ready", finished]);
}

/// Plays an envelope of these commands, each answered, whose MAIL or last RCPT is refused.
fn says(message: &Transaction, extensions: &[&str], commands: &[&str], event: &str) {
    let mut script = offering(extensions);
    for (place, command) in commands.iter().enumerate() {
        let reply = if place + 1 == commands.len() { "550 no" } else { "250" };
        script += &format!("C: {command}\nS: {reply}\n");
    }
    check(Dialect::Smtp, &[(message.clone(), "")], &script, &["ready", event]);
}

/// RFC 6531 §3.4
#[test]
fn smtputf8_is_said_where_something_needs_it() {
    let no = "finished: [refused at RCPT 550 no]";
    let utf8 = ["SMTPUTF8"];
    // A domain has A-labels.
    let mut domain = to(&["x@bücher.example"]);
    domain.mail.reverse_path = "a@bücher.example".parse().unwrap();
    let ascii = ["MAIL FROM:<a@xn--bcher-kva.example>", "RCPT TO:<x@xn--bcher-kva.example>"];
    says(&domain, &utf8, &ascii, no);
    says(&domain, &[], &ascii, no);
    // Content that needs SMTPUTF8: what is said may be UTF-8, too.
    domain.mail.smtputf8 = true;
    says(&domain, &utf8, &["MAIL FROM:<a@bücher.example> SMTPUTF8", "RCPT TO:<x@bücher.example>"], no);
    // One address that needs it.
    let rcpt = to(&["jörg@y.example"]);
    says(&rcpt, &utf8, &["MAIL FROM:<a@client.example> SMTPUTF8", "RCPT TO:<jörg@y.example>"], no);
    let mut mail = to(&["\"a b\"@y.example"]);
    mail.mail.reverse_path = "jörg@client.example".parse().unwrap();
    let said = ["MAIL FROM:<jörg@client.example> SMTPUTF8", "RCPT TO:<\"a b\"@y.example>"];
    says(&mail, &utf8, &said, no);
}

#[test]
fn an_original_recipient_in_utf8_is_said_as_the_peer_can_read_it() {
    let mut message = to(&["x@y"]);
    message.recipients[0].orcpt = OriginalRecipient::of(&"jörg@y".parse().unwrap());
    let no = "finished (dsn): [refused at RCPT 550 no]";
    for (extensions, orcpt) in [(&["DSN"][..], "j\\x{F6}rg@y"), (&["DSN", "SMTPUTF8"], "j\\x{F6}rg@y")] {
        let rcpt = format!("RCPT TO:<x@y> ORCPT=utf-8;{orcpt}");
        says(&message, extensions, &["MAIL FROM:<a@client.example>", &rcpt], no);
    }
    message.mail.smtputf8 = true;
    let said = ["MAIL FROM:<a@client.example> SMTPUTF8", "RCPT TO:<x@y> ORCPT=utf-8;jörg@y"];
    says(&message, &["DSN", "SMTPUTF8"], &said, no);
}

/// The message is refused in our own words, and nothing is said of it.
fn is_refused(message: &Transaction, extensions: &[&str], notes: &str, refusal: &str) {
    let script = offering(extensions) + "C: QUIT\nS: 221";
    let finished = format!("finished{notes}: [refused before MAIL {refusal}]");
    check(Dialect::Smtp, &[(message.clone(), "")], &script, &["ready", &finished, "closed"]);
}

/// RFC 6531 §3.2, RFC 6531 §3.5
#[test]
fn what_needs_smtputf8_is_refused_where_it_is_not_offered() {
    let mut message = to(&["x@y"]);
    message.mail.smtputf8 = true;
    let refusal = "550 5.6.7 the message needs SMTPUTF8, which the next host does not offer";
    is_refused(&message, &["8BITMIME"], "", refusal);
    let mut message = to(&["x@y"]);
    message.mail.reverse_path = "jörg@client.example".parse().unwrap();
    let refusal = "553 5.6.7 the reverse-path is not ASCII, and the next host does not offer SMTPUTF8";
    is_refused(&message, &["8BITMIME"], "", refusal);
    // Others get the message.
    let script =
        offering(&["8BITMIME"]) + "C: MAIL FROM:<a@client.example>\nS: 250\nC: RCPT TO:<x@y>\nS: 550 no";
    let refusal = "553 5.6.7 the forward-path is not ASCII, and the next host does not offer SMTPUTF8";
    let finished = format!("finished: [refused before MAIL {refusal}, refused at RCPT 550 no]");
    check(Dialect::Smtp, &[(to(&["jörg@y", "x@y"]), "")], &script, &["ready", &finished]);
}

#[test]
fn a_deadline_that_the_peer_would_not_keep_is_refused() {
    let mut message = to(&["x@y"]);
    message.mail.by = Some("60;R".parse().unwrap());
    let why = "554 5.4.7 the message is to be delivered within 60 seconds or to come back, and the next host";
    is_refused(&message, &["DSN"], " (dsn)", &format!("{why} does not offer DELIVERBY"));
    is_refused(&message, &["DELIVERBY 61"], " (by)", &format!("{why} promises nothing below 61"));
    let no = "finished (by): [refused at MAIL 550 no]";
    for offer in ["DELIVERBY", "DELIVERBY 60", "DELIVERBY 0", "DELIVERBY soon"] {
        says(&message, &[offer], &["MAIL FROM:<a@client.example> BY=60;R"], no);
    }
    // Who only wants to be told is told, by us where the peer does not.
    message.mail.by = Some("60;N".parse().unwrap());
    says(&message, &["DELIVERBY 61"], &["MAIL FROM:<a@client.example> BY=60;N"], no);
    let no = "finished: [refused at MAIL 550 no]";
    says(&message, &["8BITMIME"], &["MAIL FROM:<a@client.example>"], no);
}

/// RFC 9422 §4.2
#[test]
fn recipients_beyond_rcptmax_go_in_another_transaction() {
    let script = offering(&["PIPELINING", "LIMITS RCPTMAX=2 X=1"])
        + "C: MAIL FROM:<a@client.example>
           C: RCPT TO:<a@y>
           C: RCPT TO:<b@y>
           C: DATA
           S: 250
           S: 550 no
           S: 250
           S: 354
           C: .
           S: 250 ok
           C: QUIT
           S: 221";
    let more = "another 452 4.5.3 by its LIMITS, the next host takes at most 2 recipients in one transaction";
    let finished = format!(
        "finished: [refused before MAIL 553 5.6.7 the forward-path is not ASCII, and the next host does not offer \
         SMTPUTF8, refused at RCPT 550 no, accepted 250 ok, {more}, {more}]"
    );
    let message = to(&["jörg@y", "a@y", "b@y", "c@y", "d@y"]);
    check(Dialect::Smtp, &[(message, "")], &script, &["ready", &finished, "closed"]);
}

/// RFC 9422 §4.1
#[test]
fn a_session_is_spent_after_mailmax_transactions() {
    let script = offering(&["LIMITS MAILMAX=2"])
        + "C: MAIL FROM:<a@client.example>
           S: 550 no
           C: MAIL FROM:<a@client.example>
           S: 550 no
           C: QUIT
           S: 221";
    let mut large = to(&["x@y"]);
    large.mail.smtputf8 = true;
    let events = [
        "ready",
        "finished: [refused at MAIL 550 no]",
        // Refused in our own words, and no transaction.
        "finished: [refused before MAIL 550 5.6.7 the message needs SMTPUTF8, which the next host does not offer]",
        "finished (spent): [refused at MAIL 550 no]",
        "finished (spent): [refused before MAIL 452 4.5.3 by its LIMITS, the next host takes no more in this session]",
        "closed",
    ];
    let messages = [(to(&["x@y"]), ""), (large, ""), (to(&["x@y"]), ""), (to(&["x@y"]), "")];
    check(Dialect::Smtp, &messages, &script, &events);
}

#[test]
fn domains_beyond_rcptdomainmax_go_in_another_session() {
    let script = offering(&["PIPELINING", "LIMITS RCPTDOMAINMAX=2"])
        + "C: MAIL FROM:<a@client.example>
           C: RCPT TO:<a@y.example>
           C: RCPT TO:<Postmaster>
           C: RCPT TO:<b@xn--bcher-kva.example>
           C: RCPT TO:<c@Y.example>
           C: DATA
           S: 550 no
           S: 503
           S: 503
           S: 503
           S: 503
           S: 503
           C: QUIT
           S: 221";
    let no = "refused at MAIL 550 no";
    let other =
        "another 452 4.5.3 by its LIMITS, the next host takes recipients of at most 2 domains in one session";
    let finished = format!("finished (spent): [{no}, {no}, {no}, {other}, {no}]");
    let spent = "finished (spent): \
        [refused before MAIL 452 4.5.3 by its LIMITS, the next host takes no more in this session]";
    let message = to(&["a@y.example", "postmaster", "b@bücher.example", "d@z.example", "c@Y.example"]);
    let messages = [(message, ""), (to(&["d@z.example"]), "")];
    check(Dialect::Smtp, &messages, &script, &["ready", &finished, spent, "closed"]);
}

#[test]
fn a_message_for_other_domains_alone_finds_the_session_spent_and_says_nothing() {
    let script = offering(&["LIMITS RCPTDOMAINMAX=1"])
        + "C: MAIL FROM:<a@client.example>
           S: 550 no
           C: QUIT
           S: 221";
    let other =
        "another 452 4.5.3 by its LIMITS, the next host takes recipients of at most 1 domains in one session";
    let messages = [(to(&["a@y.example"]), ""), (to(&["d@z.example"]), "")];
    let events =
        ["ready", "finished: [refused at MAIL 550 no]", &format!("finished (spent): [{other}]"), "closed"];
    check(Dialect::Smtp, &messages, &script, &events);
}

#[test]
fn limits_that_are_none_limit_nothing() {
    for limits in
        ["LIMITS", "LIMITS RCPTMAX=0", "LIMITS RCPTMAX=x MAILMAX", "LIMITS RCPTMAX=1000000 RCPTMAX=+1"]
    {
        let script = offering(&[limits]) + "C: MAIL FROM:<a@client.example>\nS: 550 no";
        let finished = "finished: [refused at MAIL 550 no, refused at MAIL 550 no]";
        check(Dialect::Smtp, &[(to(&["x@y", "x@z"]), "")], &script, &["ready", finished]);
    }
}

/// RFC 7504 §3
#[test]
fn a_host_that_takes_no_mail_says_521_and_is_not_spoken_to_by_helo() {
    let greeting = "S: 521 5.3.2 never\nC: QUIT";
    let event = "failed at the greeting: the host refuses to serve us: 521 5.3.2 never [] (takes no mail)";
    check(Dialect::Smtp, &[], greeting, &[event]);
    for (dialect, verb) in [(Dialect::Smtp, "EHLO"), (Dialect::Lmtp, "LHLO")] {
        let hello = format!("S: 220\nC: {verb} client.example\nS: 521 never\nC: QUIT");
        let event = "failed at EHLO: the host refuses to serve us: 521 never [] (takes no mail)";
        check(dialect, &[], &hello, &[event]);
    }
    let hello = "S: 220\nC: EHLO client.example\nS: 500\nC: HELO client.example\nS: 521 never\nC: QUIT";
    let event = "failed at EHLO: the host refuses to serve us: 521 never [] (takes no mail)";
    check(Dialect::Smtp, &[], hello, &[event]);
}

#[test]
fn a_recipient_whose_domain_takes_no_mail_is_refused_for_good() {
    let rcpt = ["MAIL FROM:<a@client.example>", "RCPT TO:<x@y>"];
    let script =
        offering(&[]) + &format!("C: {}\nS: 250\nC: {}\nS: 556 5.1.10 y takes no mail", rcpt[0], rcpt[1]);
    let finished = "finished: [refused at RCPT 556 5.1.10 y takes no mail]";
    check(Dialect::Smtp, &[(to(&["x@y"]), "")], &script, &["ready", finished]);
}
