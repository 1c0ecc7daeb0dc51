//! What clients may ask for, and how: sockets, greetings, extensions, the words of refusals.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Running, queue_id, start, wait_for};
use postrider_mail::Service;
use postrider_mta::limits::TURNS_PER_SESSION_MAX;
use postrider_mta::listen::{Purpose, Socket};
use postrider_mta::{BareNewlines, Settings};
use postrider_policy::admit::EarlyTalkers;
use postrider_policy::local::{DomainRules, Domains};
use postrider_policy::route::{Hop, LmtpPeer, Matches, Rule};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

const HELLO: &str = "Subject: hello\r\n\r\nhello\r\n";

/// A socket that is not of the network.
struct Unix(BufReader<UnixStream>);

impl Unix {
    fn connect(path: &std::path::Path) -> Self {
        Self(BufReader::new(UnixStream::connect(path).unwrap()))
    }

    /// The last line of the next reply.
    fn reply(&mut self) -> String {
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).unwrap();
            if line.as_bytes().get(3) != Some(&b'-') {
                return line;
            }
        }
    }

    fn expect(&mut self, line: &str, start: &str) {
        self.0.get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
        let reply = self.reply();
        assert!(reply.starts_with(start), "{line:?} was answered {reply:?}, not {start}");
    }
}

#[test]
fn lmtp_comes_in_through_a_unix_socket_whose_file_goes_with_the_server() {
    let running = start(Service::Mta, |_| {});
    running.directory.account("ann");
    let path = running.folder.path().join("lmtp.sock");
    running.open(Socket::bind_unix(&path, 0o660).unwrap(), Purpose::Serve(Service::Lmtp));
    let mut client = Unix::connect(&path);
    assert!(client.reply().starts_with("220"));
    client.expect("LHLO mailer.example", "250");
    client.expect("MAIL FROM:<sender@client.example>", "250");
    client.expect("RCPT TO:<friend@local.example>", "250");
    client.expect("RCPT TO:<ann@local.example>", "250");
    client.expect("DATA", "354");
    client.expect(&format!("{HELLO}."), "250");
    assert!(client.reply().starts_with("250"), "one reply for each recipient");
    let mail = running.only_mail("friend@local.example");
    assert!(mail.contains("from mailer.example ([127.0.0.1])") && mail.contains("with LMTP id"), "{mail}");
    running.stop();
    wait_for("the socket's file to go", || !path.exists());
}

#[test]
fn a_closed_listener_greets_with_521() {
    let running = start(Service::Mta, |_| {});
    let socket = Socket::from(TcpListener::bind("127.0.0.1:0").unwrap());
    let address = socket.address().unwrap();
    running.open(socket, Purpose::Closed);
    let mut client = common::Client::connect(address);
    assert!(client.reply().starts_with("521 5.3.2"));
    assert_eq!(client.reply(), "", "and closed");
}

#[test]
fn who_does_not_wait_for_the_greeting_is_noticed_during_the_pause() {
    let running = start(Service::Mta, |settings| settings.smtp.greet_pause = Duration::from_secs(1));
    let mut hasty = running.connect();
    hasty.send(b"EHLO client.example\r\n");
    assert!(hasty.reply().starts_with("220") && hasty.reply().starts_with("250"));
    hasty.expect("QUIT", "221");
    wait_for("the story", || running.story("last").contains("goodbye"));
    assert!(running.story("last").contains("the peer spoke before it was greeted"));
}

#[test]
fn who_speaks_as_it_connects_is_refused_without_a_pause_too_where_that_is_wanted() {
    let running = start(Service::Mta, |settings| settings.rules.early_talkers = EarlyTalkers::Refuse);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut early = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    early.write_all(b"EHLO client.example\r\n").unwrap();
    // Only now is the connection accepted.
    running.open(listener.into(), Purpose::Serve(Service::Mta));
    let mut said = String::new();
    early.read_to_string(&mut said).unwrap();
    assert!(said.starts_with("554 5.5.1"), "{said}");
}

#[test]
fn who_leaves_during_the_pause_is_greeted_and_gone() {
    let running = start(Service::Mta, |settings| settings.smtp.greet_pause = Duration::from_secs(1));
    let client = running.connect();
    client.sender().shutdown(std::net::Shutdown::Write).unwrap();
    let mut rest = String::new();
    client.sender().read_to_string(&mut rest).unwrap();
    assert!(rest.starts_with("220"), "{rest:?}");
}

#[test]
fn mail_behind_a_reply_that_was_not_waited_for_is_refused_where_that_is_wanted() {
    let running = start(Service::Mta, |settings| settings.rules.early_talkers = EarlyTalkers::Refuse);
    let mut client = running.connect();
    assert!(client.reply().starts_with("220"));
    client.send(b"EHLO client.example\r\nMAIL FROM:<>\r\n");
    assert!(client.reply().starts_with("250"));
    assert!(client.reply().starts_with("503 5.5.1"));
    client.expect("QUIT", "221");
    wait_for("the story", || running.story("last").contains("goodbye"));
    assert!(running.story("last").contains("did not wait for the reply to EHLO"));
    let mut patient = running.connect().greeted();
    patient.expect("MAIL FROM:<>", "250");
}

#[test]
fn content_that_did_not_wait_to_be_asked_for_ends_the_session_where_that_is_wanted() {
    let running = start(Service::Mta, |settings| settings.rules.early_talkers = EarlyTalkers::Refuse);
    let mut client = running.connect().greeted();
    client.expect("MAIL FROM:<sender@client.example>", "250");
    client.expect("RCPT TO:<friend@local.example>", "250");
    client.send(format!("DATA\r\n{HELLO}.\r\nNOOP\r\n").as_bytes());
    let refused = client.reply();
    assert!(refused.starts_with("503 5.5.1") && refused.contains("the reply to DATA"), "{refused}");
    assert_eq!(client.reply(), "", "and closed");
    assert!(running.queued().messages.is_empty());
    wait_for("the story", || running.story("last").contains("did not wait for the reply to DATA"));
}

#[test]
fn who_waits_for_a_greeting_hears_that_the_server_stops() {
    let running = start(Service::Mta, |settings| settings.smtp.greet_pause = Duration::from_secs(30));
    let holders = || Arc::strong_count(&running.server.disk);
    let before = holders();
    let mut client = running.connect();
    wait_for("the session", || holders() > before);
    running.stop();
    assert!(client.reply().starts_with("220"));
    assert!(client.reply().starts_with("421 4.3.2"));
}

#[test]
fn short_of_memory_a_server_takes_no_new_session_and_no_new_message_until_there_is_room() {
    let running = start(Service::Mta, |_| {});
    let mut old = running.connect().greeted();
    old.expect("MAIL FROM:<sender@client.example>", "250");
    let mut share = running.server.queue.share();
    share.set(1 << 40);
    assert!(running.connect().reply().starts_with("421 4.3.2"));
    old.expect("RCPT TO:<friend@local.example>", "250");
    old.expect("RSET", "250");
    old.expect("MAIL FROM:<sender@client.example>", "452 4.3.1");
    drop(share);
    old.expect("MAIL FROM:<sender@client.example>", "250");
    running.connect().greeted();
}

fn with_domain(settings: &mut Settings, name: &str, rules: DomainRules) {
    if let Domains::These(domains) = &mut settings.rules.local.domains {
        domains.insert(name.parse().unwrap(), rules);
    }
}

#[test]
fn addresses_that_have_moved_or_take_no_mail_are_told_so() {
    let running = start(Service::Mta, |settings| {
        with_domain(
            settings,
            "quiet.example",
            DomainRules { mail: false, verify: true, ..DomainRules::default() },
        );
        let moved = ("old@local.example".parse().unwrap(), "new@far.example".parse().unwrap());
        let far = ("far@local.example".parse().unwrap(), "jörg@far.example".parse().unwrap());
        settings.rules.moved = [moved, far].into_iter().collect();
    });
    let mut client = running.connect().greeted();
    client.expect("MAIL FROM:<sender@client.example>", "250");
    client.expect("RCPT TO:<anyone@quiet.example>", "556 5.1.10");
    let reply = client.expect("RCPT TO:<Old@local.example>", "551 5.1.6");
    assert!(reply.contains("<new@far.example>"));
    client.expect("RCPT TO:<far@local.example>", "550 5.6.8");
    client.expect("RSET", "250");
    client.expect("MAIL FROM:<sender@client.example> SMTPUTF8", "250");
    assert!(client.expect("RCPT TO:<far@local.example>", "551 5.1.6").contains("<jörg@far.example>"));
    client.expect("RSET", "250");
    client.expect("VRFY anyone@quiet.example", "556 5.1.10");
    client.expect("VRFY old@local.example", "551 5.1.6");
}

#[test]
fn an_alias_to_elsewhere_is_told_with_251() {
    let running = start(Service::Mta, |settings| {
        settings.rules.routes.push(Rule { matches: Matches::Everything, hop: Hop::Discard });
    });
    running.directory.alias_at("away@local.example", &["x@far.example"]);
    running.directory.alias_at("both@local.example", &["x@far.example", "friend@local.example"]);
    let mut client = running.connect().greeted();
    client.expect("MAIL FROM:<sender@client.example>", "250");
    let reply = client.expect("RCPT TO:<away@local.example>", "251 2.1.5");
    assert!(reply.contains("<x@far.example>"));
    client.expect("RCPT TO:<both@local.example>", "250");
    client.expect("VRFY away@local.example", "251 2.1.5");
    client.expect("EXPN both@local.example", "250");
    running.directory.alias_at("foreign@local.example", &["jörg@far.example"]);
    client.expect("VRFY foreign@local.example", "252 2.6.8");
    let told = client.expect("VRFY foreign@local.example SMTPUTF8", "251 2.1.5");
    assert!(told.contains("<jörg@far.example>"), "{told}");
    let plain = client.expect("RCPT TO:<foreign@local.example>", "250 2.1.5");
    assert!(plain.is_ascii() && !plain.contains("far.example"), "UTF-8 cannot be told to it: {plain}");
    client.expect("RSET", "250");
    client.expect("MAIL FROM:<sender@client.example> SMTPUTF8", "250");
    let told = client.expect("RCPT TO:<foreign@local.example>", "251 2.1.5");
    assert!(told.contains("<jörg@far.example>"), "{told}");
}

#[test]
fn a_name_that_two_domains_know_is_ambiguous() {
    let running = start(Service::Mta, |settings| {
        let tells = DomainRules { verify: true, ..DomainRules::default() };
        with_domain(settings, "other.example", tells);
    });
    running.directory.alias_at("friend@other.example", &["friend@local.example"]);
    let mut client = running.connect().greeted();
    let reply = client.expect("VRFY friend", "553");
    assert!(reply.contains("<friend@local.example>") && reply.contains("<friend@other.example>"), "{reply}");
    client.expect("VRFY friend@other.example", "250");
    client.expect("VRFY nobody", "550 5.1.1");
}

#[test]
fn a_stranger_may_not_push_its_message_forward() {
    let running = start(Service::Mta, |_| {});
    running.pause();
    let mut client = running.connect().greeted();
    client.expect("MAIL FROM:<sender@client.example> MT-PRIORITY=5", "250 2.3.6 0 is the priority");
    client.expect("RCPT TO:<friend@local.example>", "250");
    client.expect("DATA", "354");
    client.send(HELLO.as_bytes());
    let id = queue_id(&client.expect(".", "250"));
    assert_eq!(running.queued().messages[0].priority, 0);
    wait_for("the story", || running.story(&id).contains("priority 5 is for those in relay_from"));
    running.reconfigure(|settings| {
        settings.rules.relay.from = vec!["127.0.0.0/8".parse().unwrap()];
    });
    let mut user = running.connect().greeted();
    user.expect("MAIL FROM:<sender@client.example> MT-PRIORITY=5", "250 2.1.0");
    user.expect("RCPT TO:<friend@local.example>", "250");
    user.expect("DATA", "354");
    user.send(HELLO.as_bytes());
    user.expect(".", "250");
    assert_eq!(running.queued().messages[1].priority, 5);
}

/// RFC 3865 §2.2, RFC 3865 §2.4
#[test]
fn unwanted_solicitations_are_refused_by_parameter_and_by_field() {
    let running = start(Service::Mta, |settings| {
        settings.rules.no_soliciting = Some("net.example:ADV".parse().unwrap());
    });
    let mut client = running.connect().greeted();
    client.expect("MAIL FROM:<sender@client.example> SOLICIT=net.example:ADV", "550 5.7.1");
    let named = "Subject: buy\r\nSolicitation: org.example:X,\r\n NET.example:adv\r\n\r\nbuy\r\n";
    assert!(client.submit(&["friend@local.example"], named).starts_with("550 5.7.1"));
    assert!(client.submit(&["friend@local.example"], HELLO).starts_with("250"));
}

#[test]
fn etrn_starts_what_waits_for_a_listed_domain_and_for_no_other() {
    let away = || {
        let nobody: LmtpPeer = LmtpPeer::Unix("/nonexistent/postrider-test".into());
        Rule { matches: Matches::Everything, hop: Hop::Lmtp(nobody, Arc::default()) }
    };
    let running = start(Service::Mta, |settings| {
        settings.rules.etrn = ["away.example".parse().unwrap()].into();
        settings.rules.relay.from = vec!["127.0.0.0/8".parse().unwrap()];
        settings.rules.routes.push(away());
    });
    let mut client = running.connect().greeted();
    client.submit(&["x@away.example"], HELLO);
    client.submit(&["x@away.example.org"], HELLO);
    let tries = |running: &Running| -> Vec<u32> {
        running.queued().messages.iter().map(|message| message.recipients[0].attempts).collect()
    };
    wait_for("first tries", || tries(&running) == [1, 1]);
    assert!(client.expect("ETRN away.example", "253").contains("1 pending"));
    wait_for("a second try of the one", || tries(&running)[0] > 1);
    assert_eq!(tries(&running)[1], 1, "the other waits on");
    client.expect("ETRN away.example.org", "459");
    client.expect("ETRN @away.example", "459");
    client.expect("ETRN #everything", "459");
    running.reconfigure(|settings| settings.rules.etrn = ["empty.example".parse().unwrap()].into());
    let mut client = running.connect().greeted();
    for _ in 0..TURNS_PER_SESSION_MAX {
        client.expect("ETRN empty.example", "251");
    }
    client.expect("ETRN empty.example", "458 4.7.0");
}

#[test]
fn the_story_tells_of_long_lines_and_of_line_ends_that_were_mended() {
    let running = start(Service::Mta, |settings| settings.smtp.bare_newlines = BareNewlines::Normalise);
    let mut client = running.connect().greeted();
    let content = format!("Subject: long\r\n\r\n{}\r\nbare\nnewline\r\n", "x".repeat(2000));
    let id = queue_id(&client.submit(&["friend@local.example"], &content));
    wait_for("the story", || running.story(&id).contains("its longest line has 2000 octets"));
    assert!(running.story(&id).contains("a CR or LF that stood alone has become CRLF"));
    assert!(running.only_mail("friend@local.example").ends_with("\nbare\nnewline\n"));
}

#[test]
fn a_binary_body_lies_in_the_mailbox_as_it_came() {
    let running = start(Service::Mta, |_| {});
    let mut client = running.connect().greeted();
    let content = b"Subject: binary\r\n\r\n\0\n\r\r\n\n.\r\n\xff";
    client.expect("MAIL FROM:<sender@client.example> BODY=BINARYMIME", "250");
    client.expect("RCPT TO:<friend@local.example>", "250");
    client.send(format!("BDAT {} LAST\r\n", content.len()).as_bytes());
    client.send(content);
    assert!(client.reply().starts_with("250"));
    wait_for("the message", || running.mail("friend@local.example").len() == 1);
    let mail = std::fs::read(&running.mail("friend@local.example")[0]).unwrap();
    assert!(mail.ends_with(content) && mail.starts_with(b"Return-Path: <sender@client.example>\r\n"));
}

#[test]
fn an_address_in_utf8_has_a_mailbox_and_received_says_how_it_came() {
    let running = start(Service::Mta, |_| {});
    running.directory.account("jörg");
    let mut client = running.connect().greeted();
    client.expect("MAIL FROM:<jürgen@client.example> SMTPUTF8", "250");
    client.expect("RCPT TO:<jörg@local.example>", "250");
    client.expect("DATA", "354");
    client.send("Subject: grüße\r\n\r\nja\r\n".as_bytes());
    client.expect(".", "250");
    let mail = running.only_mail("j%C3%B6rg@local.example");
    assert!(mail.contains("Return-Path: <jürgen@client.example>\nDelivered-To: jörg@local.example\n"));
    assert!(mail.contains("with UTF8SMTP id") && mail.contains("for <jörg@local.example>"), "{mail}");
    assert!(mail.contains("Subject: grüße\n"));
}

#[test]
fn an_alias_of_several_tells_its_sender_that_it_was_expanded_and_no_more() {
    let running = start(Service::Mta, |_| {});
    running.directory.account("ann");
    running.directory.account("ben");
    running.directory.alias("staff", &["ann", "ben"]);
    let mut client = running.connect().greeted();
    client.expect("MAIL FROM:<friend@local.example>", "250");
    client.expect("RCPT TO:<staff@local.example> NOTIFY=SUCCESS", "250");
    client.expect("DATA", "354");
    client.send(HELLO.as_bytes());
    client.expect(".", "250");
    for member in ["ann", "ben"] {
        running.only_mail(&format!("{member}@local.example"));
    }
    let notice = running.only_mail("friend@local.example");
    assert!(notice.contains("Action: expanded") && !notice.contains("Action: delivered"), "{notice}");
    wait_for("an empty queue", || running.queued().messages.is_empty());
    assert_eq!(running.mail("friend@local.example").len(), 1);
}
