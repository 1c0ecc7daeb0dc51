//! The agents together, over real sockets of loopback: what arrives, what is refused, what becomes of it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{mailbox, queue_id, start, start_held, wait_for};
use postrider_mail::Service;

const HELLO: &str = "Subject: hello\r\n\r\n..a line with a dot\r\nthe last line\r\n";

/// RFC 5321 §4.4
#[test]
fn a_message_lies_in_the_mailbox_with_lf_line_ends_below_its_trace_fields() {
    let running = start(Service::Mta, |_| {});
    let reply = running.connect().greeted().submit(&["friend@local.example"], HELLO);
    assert!(reply.starts_with("250 2.0.0"), "{reply}");
    let mail = running.only_mail("friend@local.example");
    let (trace, content) = mail.split_at(mail.find("Subject:").unwrap());
    assert_eq!(content, "Subject: hello\n\n.a line with a dot\nthe last line\n");
    assert!(trace.starts_with("Return-Path: <sender@client.example>\nDelivered-To: friend@local.example\nReceived: from client.example ([127.0.0.1])\n"), "{trace}");
    assert!(trace.contains(&format!("with ESMTP id {}\n\tfor <friend@local.example>;", queue_id(&reply))));
    assert!(!mail.contains('\r') && !trace.contains("X-Original-To"));
    wait_for("an empty queue", || running.queued().messages.is_empty());
}

#[test]
fn large_content_goes_through_a_file_and_arrives_whole() {
    let running = start(Service::Mta, |_| {});
    let line = "0123456789 the quick brown fox jumps over the lazy dog\r\n";
    let body = line.repeat(20_000);
    running.connect().greeted().submit(&["friend@local.example"], &format!("Subject: large\r\n\r\n{body}"));
    let mail = running.only_mail("friend@local.example");
    assert!(mail.ends_with(&format!("\n\n{}", body.replace("\r\n", "\n"))));
    wait_for("an empty queue", || running.queued().messages.is_empty());
    let files = || std::fs::read_dir(running.folder.path().join("queue/content")).unwrap().count();
    wait_for("the content's file to go", || files() == 0);
}

/// RFC 5321 §3.9.1
#[test]
fn an_alias_gives_each_member_one_copy_and_names_the_original_recipient() {
    let running = start(Service::Mta, |_| {});
    running.directory.account("ann");
    running.directory.alias("staff", &["friend", "ann", "staff"]);
    running.connect().greeted().submit(&["staff@local.example", "friend@local.example"], HELLO);
    for member in ["friend", "ann"] {
        let mail = running.only_mail(&format!("{member}@local.example"));
        assert!(mail.contains(&format!(
            "Delivered-To: {member}@local.example\nX-Original-To: staff@local.example\n"
        )));
        assert!(!mail.contains("for <"), "two recipients, and one learns of the other");
    }
    wait_for("an empty queue", || running.queued().messages.is_empty());
}

/// RFC 5321 §4.5.1
#[test]
fn a_detail_and_postmaster_find_their_mailboxes() {
    let running = start(Service::Mta, |_| {});
    let mut client = running.connect().greeted();
    client.submit(&["Friend+shop@LOCAL.example"], HELLO);
    client.submit(&["Postmaster"], HELLO);
    assert!(running.only_mail("friend@local.example").contains("X-Original-To: Friend+shop@LOCAL.example\n"));
    assert!(running.only_mail("postmaster@mx.local.example").contains("X-Original-To: Postmaster\n"));
}

/// RFC 5321 §3.6.2
#[test]
fn who_is_unknown_is_refused_at_rcpt_and_strangers_do_not_relay() {
    let running = start(Service::Mta, |_| {});
    let mut client = running.connect().greeted();
    client.expect("MAIL FROM:<>", "250");
    client.expect("RCPT TO:<nobody@local.example>", "550 5.1.1");
    client.expect("RCPT TO:<friend@elsewhere.example>", "550 5.7.1");
    running.directory.break_down();
    client.expect("RCPT TO:<friend@local.example>", "451 4.3.0");
    client.expect("QUIT", "221");
    wait_for("the story", || running.story("last").contains("goodbye"));
    let story = running.story("last");
    assert!(story.contains("refuse RCPT TO:<nobody@local.example> (directory:"), "{story}");
    assert!(story.contains("refuse RCPT TO:<friend@elsewhere.example> (relay:"), "{story}");
}

#[test]
fn nobody_is_told_about_a_message_from_the_null_path_but_the_journal_is() {
    let running = start(Service::Mta, |_| {});
    running.pause();
    let mut client = running.connect().greeted();
    client.expect("MAIL FROM:<>", "250");
    client.expect("RCPT TO:<friend@local.example>", "250");
    client.expect("DATA", "354");
    let id = queue_id(&client.expect(".", "250"));
    running.directory.remove("friend");
    running.resume();
    wait_for("an empty queue", || running.queued().messages.is_empty());
    wait_for("its story", || running.story(&id).contains("null reverse-path"));
}

#[test]
fn a_mailbox_that_cannot_be_written_defers_and_recovers() {
    let running = start(Service::Mta, |_| {});
    let mail = running.folder.path().join("mail");
    std::fs::create_dir(&mail).unwrap();
    std::fs::write(mail.join("friend@local.example"), "in the way").unwrap();
    let id = queue_id(&running.connect().greeted().submit(&["friend@local.example"], HELLO));
    let deferred = || {
        let queued = running.queued();
        queued.messages.first().is_some_and(|message| message.recipients[0].last_reply.is_some())
    };
    wait_for("a first try", deferred);
    let message = running.queued().messages.remove(0);
    assert!(message.recipients[0].last_reply.as_ref().unwrap().to_string().starts_with("451 4.2.0"));
    assert!(message.recipients[0].next_attempt > message.received_at);

    std::fs::remove_file(mail.join("friend@local.example")).unwrap();
    let (now, filter) = (running.server.world.now(), postrider_queue::Filter::of(id.parse().unwrap()));
    running.runtime.block_on(running.server.queue.retry(filter, None, now)).unwrap();
    assert!(running.only_mail("friend@local.example").contains("hello"));
}

#[test]
fn a_delivery_repeated_after_a_crash_is_recognised() {
    let running = start(Service::Mta, |_| {});
    running.pause();
    let id = queue_id(&running.connect().greeted().submit(&["friend@local.example"], HELLO));
    let lease =
        postrider_queue::Lease { now: running.server.world.now(), limit: 1, room_per_key: 1, room: vec![] };
    running.resume();
    // The first delivery, or this lease, takes it; a second try under another attempt finds the file.
    let leased = running.runtime.block_on(running.server.queue.lease(lease)).unwrap();
    if let Some(attempt) = leased.attempts.first() {
        let now = running.server.world.now();
        running.runtime.block_on(running.server.queue.give_back(attempt.id, now)).unwrap();
    }
    assert!(running.only_mail("friend@local.example").contains("hello"));
    wait_for("an empty queue", || running.queued().messages.is_empty());
    assert!(running.mail("friend@local.example")[0].to_string_lossy().contains(&format!("Q{id}R0")));
}

/// RFC 5321 §6.3
#[test]
fn a_message_that_goes_in_circles_or_has_an_endless_header_is_refused() {
    let running = start(Service::Mta, |_| {});
    let mut client = running.connect().greeted();
    let circles = "Received: from a by b\r\n".repeat(51);
    let reply = client.submit(&["friend@local.example"], &format!("{circles}\r\nbody\r\n"));
    assert!(reply.starts_with("554 5.4.6"), "{reply}");
    let endless = "X-Field: x\r\n".repeat(30_000);
    let reply = client.submit(&["friend@local.example"], &endless);
    assert!(reply.starts_with("554 5.6.0"), "{reply}");
    assert!(client.submit(&["friend@local.example"], HELLO).starts_with("250"));
}

/// RFC 5321 §3.5, RFC 5321 §4.1.1.6, RFC 5321 §4.1.1.7, RFC 5321 §7.3
#[test]
fn vrfy_and_expn_tell_what_the_domains_rules_allow() {
    let running = start(Service::Mta, |_| {});
    running.directory.alias("staff", &["friend"]);
    let mut client = running.connect().greeted();
    assert_eq!(client.expect("VRFY friend", "250"), "250 2.1.5 <friend@local.example>\r\n");
    assert_eq!(client.expect("EXPN staff", "250"), "250 2.1.5 <friend@local.example>\r\n");
    client.expect("VRFY <nobody@local.example>", "550 5.1.1");
    client.expect("VRFY friend@elsewhere.example", "252");
    running.directory.break_down();
    client.expect("VRFY friend", "451");
}

/// RFC 2033 §4.2
#[test]
fn lmtp_answers_for_each_recipient_and_delivers() {
    let running = start(Service::Lmtp, |_| {});
    running.directory.account("ann");
    let mut client = running.connect();
    assert!(client.reply().starts_with("220"));
    client.expect("LHLO client.example", "250");
    let first = client.submit(&["friend@local.example", "ann@local.example"], HELLO);
    assert!(first.starts_with("250") && client.reply().starts_with("250"));
    assert!(running.only_mail("friend@local.example").contains("with LMTP id"));
    running.only_mail("ann@local.example");
}

/// RFC 5321 §7.8
#[test]
fn one_peer_holds_so_many_sessions_and_is_told_so() {
    let running = start(Service::Mta, |settings| settings.rules.sessions_per_peer_max = 2);
    let _first = running.connect().greeted();
    let second = running.connect().greeted();
    assert!(running.connect().reply().starts_with("421 4.7.0 127.0.0.1 already holds 2 sessions"));
    drop(second);
    wait_for("a free place", || running.connect().reply().starts_with("220"));
}

#[test]
fn a_stopping_server_lets_the_open_transaction_end() {
    let running = start(Service::Mta, |_| {});
    let mut idle = running.connect().greeted();
    let mut busy = running.connect().greeted();
    busy.expect("MAIL FROM:<sender@client.example>", "250");
    running.stop();
    assert!(idle.reply().starts_with("421 4.3.2"));
    busy.expect("RCPT TO:<friend@local.example>", "250");
    busy.expect("DATA", "354");
    busy.send(HELLO.as_bytes());
    assert!(busy.say(".").starts_with("250"));
    assert!(busy.reply().starts_with("421 4.3.2"));
}

#[test]
fn a_flood_of_commands_is_answered_to_the_last_one() {
    let running = start(Service::Mta, |_| {});
    let mut client = running.connect().greeted();
    client.expect("MAIL FROM:<>", "250");
    const COMMANDS: usize = 10_000;
    let mut sender = client.sender();
    let flood = b"RCPT TO:<friend@local.example>\r\n".repeat(COMMANDS);
    let sending = std::thread::Builder::new()
        .spawn(move || std::io::Write::write_all(&mut sender, &flood).unwrap())
        .unwrap();
    for _ in 0..COMMANDS {
        let reply = client.reply();
        assert!(reply.starts_with("250") || reply.starts_with("452"), "{reply}");
    }
    sending.join().unwrap();
    client.expect("QUIT", "221");
}

#[test]
fn a_mailbox_whose_folders_were_removed_is_made_again() {
    let running = start(Service::Mta, |_| {});
    let mut client = running.connect().greeted();
    let folder = running.folder.path().join("mail/friend@local.example");
    for removed in ["new", "cur", "tmp", ""] {
        client.submit(&["friend@local.example"], HELLO);
        wait_for("a delivery", || running.mail("friend@local.example").len() == 1);
        wait_for("an empty queue", || running.queued().messages.is_empty());
        std::fs::remove_dir_all(folder.join(removed)).unwrap();
        let _ = std::fs::remove_dir_all(folder.join("new"));
        client.submit(&["friend@local.example"], HELLO);
        wait_for("the next delivery", || running.mail("friend@local.example").len() == 1);
        std::fs::remove_dir_all(folder.join("new")).unwrap();
    }
}

/// A transaction up to its last line, whose reply is yet to come.
fn submitted(running: &common::Running) -> common::Client {
    let mut client = running.connect().greeted();
    client.expect("MAIL FROM:<sender@client.example>", "250");
    client.expect("RCPT TO:<friend@local.example>", "250");
    client.expect("DATA", "354");
    client.send(HELLO.as_bytes());
    client.send(b".\r\n");
    client
}

#[test]
fn more_messages_at_once_than_there_are_places_are_all_delivered() {
    const MESSAGES: usize = 45;
    let mut running = start_held(Service::Mta, |_| {});
    let clients: Vec<_> = (0..MESSAGES).map(|_| submitted(&running)).collect();
    running.let_go();
    for mut client in clients {
        assert!(client.reply().starts_with("250"));
    }
    wait_for("every delivery", || running.mail("friend@local.example").len() == MESSAGES);
    wait_for("an empty queue", || running.queued().messages.is_empty());
}

#[test]
fn a_peer_that_is_gone_during_the_commit_strands_nothing() {
    let mut running = start_held(Service::Mta, |_| {});
    let client = submitted(&running);
    // Unread replies would make a reset of the close; here all is read, and the connection just ends.
    drop(client);
    running.let_go();
    wait_for("the delivery", || running.mail("friend@local.example").len() == 1);
    wait_for("an empty queue", || running.queued().messages.is_empty());
    wait_for("its story", || running.story("friend@local.example").contains("accepted as"));
}

#[test]
fn a_reset_during_the_commit_strands_nothing() {
    let mut running = start_held(Service::Mta, |_| {});
    let mut client = running.connect();
    // Everything at once and nothing read: the close becomes a reset while the commit is awaited.
    client.send(
        format!(
            "EHLO client.example\r\nMAIL FROM:<>\r\nRCPT TO:<friend@local.example>\r\nDATA\r\n{HELLO}.\r\n"
        )
        .as_bytes(),
    );
    client.wait_for_octets();
    drop(client);
    running.let_go();
    wait_for("the delivery", || running.mail("friend@local.example").len() == 1);
    wait_for("an empty queue", || running.queued().messages.is_empty());
}

#[test]
fn a_story_tells_the_whole_walk() {
    let running = start(Service::Mta, |_| {});
    let id = queue_id(&running.connect().greeted().submit(&["friend@local.example"], HELLO));
    wait_for("the end of the story", || running.story(&id).contains("delivered: 250"));
    let story = running.story(&id);
    for part in [
        "C: MAIL FROM:<sender@client.example>",
        "-> accept RCPT TO:<friend@local.example> (directory:",
        "=> accepted as",
        "S: 250 2.0.0 accepted, synced to disk, queued as",
        &format!("=> <{}> delivered", mailbox("friend")),
    ] {
        assert!(story.contains(part), "{part:?} is missing in\n{story}");
    }
}

#[test]
fn a_message_that_was_in_the_mailbox_before_fails_instead_of_going_round() {
    let running = start(Service::Mta, |_| {});
    let mut client = running.connect().greeted();
    let looped = "Delivered-To: friend@local.example\r\nReceived: from a by b; now\r\n\r\nagain\r\n";
    assert!(client.submit(&["friend@local.example"], looped).starts_with("250"));
    wait_for("a failure", || running.story("friend@local.example").contains("failed: 554 5.4.6"));
    assert_eq!(running.mail("friend@local.example").len(), 0);
}
