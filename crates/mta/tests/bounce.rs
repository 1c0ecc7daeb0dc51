//! Notices, from the failure of a message to the mailbox of its sender, over real sockets of loopback.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Client, Running, queue_id, start, start_held, wait_for};
use postrider_mail::Service;
use postrider_mta::Returned;

const HELLO: &str =
    "From: ann@local.example\r\nSubject: hello\r\nMessage-ID: <1@local.example>\r\n\r\nthe body\r\n";

/// A message from a sender to recipients, up to its acknowledgement: its id.
fn sends(client: &mut Client, from: &str, to: &[&str], content: &str) -> String {
    client.expect(&format!("MAIL FROM:<{from}>"), "250");
    for recipient in to {
        client.expect(&format!("RCPT TO:<{recipient}>"), "250");
    }
    client.expect("DATA", "354");
    client.send(content.as_bytes());
    queue_id(&client.expect(".", "250"))
}

/// A message whose recipients' accounts go before it is delivered.
fn fails(running: &Running, from: &str, gone: &[&str], content: &str) -> String {
    running.pause();
    for local in gone {
        running.directory.account(local);
    }
    let to: Vec<String> = gone.iter().map(|local| format!("{local}@local.example")).collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    let id = sends(&mut running.connect().greeted(), from, &to, content);
    for local in gone {
        running.directory.remove(local);
    }
    running.resume();
    id
}

fn is_empty(running: &Running) -> bool {
    running.queued().messages.is_empty()
}

/// RFC 5321 §6.1
#[test]
fn a_failure_is_told_to_its_sender_once_and_the_debt_is_paid() {
    let running = start(Service::Mta, |_| {});
    running.directory.account("ann");
    let id = fails(&running, "ann@local.example", &["gone", "bert"], HELLO);
    let notice = running.only_mail("ann@local.example");
    wait_for("an empty queue", || is_empty(&running));
    for part in [
        "Return-Path: <>\nDelivered-To: ann@local.example\n",
        "\nTo: <ann@local.example>\n",
        "\nFrom: Mail Delivery System <postmaster@mx.local.example>\n",
        "\nSubject: Not delivered: your message to 2 recipients\n",
        "\nIn-Reply-To: <1@local.example>\n",
        "\nAuto-Submitted: auto-replied\n",
        "\n    <gone@local.example>\n",
        "\n    550 5.1.1 there is no mailbox gone@local.example here any more\n",
        "\nWhat was tried:\n",
        "\nReporting-MTA: dns; mx.local.example\n",
        &format!("\nX-Postrider-Queue-ID: {id}\n"),
        "\nFinal-Recipient: rfc822; bert@local.example\nAction: failed\nStatus: 5.1.1\n",
        "\nContent-Type: text/rfc822-headers\n",
        "\nReceived: from client.example",
        "\nMessage-ID: <1@local.example>\n",
    ] {
        assert!(notice.contains(part), "{part:?} is missing in\n{notice}");
    }
    assert!(!notice.contains("the body"), "{notice}");
    wait_for("the notice's story", || running.story(&id).contains(" to <ann@local.example> about "));
    let story = running.story(&id);
    assert!(story.contains(&format!("about {id}: not delivered to 2 recipients")), "{story}");
    let (_, notice_id) = story.split_once("=> notice ").unwrap();
    let notice_id = notice_id.split(' ').next().unwrap();
    wait_for("the notice to be found", || running.story(notice_id).contains("<ann@local.example> delivered"));
    assert!(running.story(notice_id).contains(&format!("accepted as {notice_id}: ")), "{story}");
    assert_eq!(running.server.stories.notices(), (1, 0));
}

/// RFC 3461 §4.3
#[test]
fn the_whole_message_comes_back_where_the_operator_wants_it_and_it_is_small_and_clean() {
    let running = start(Service::Mta, |settings| settings.notices.returned = Returned::Message);
    running.directory.account("ann");
    fails(&running, "ann@local.example", &["gone"], HELLO);
    assert!(running.only_mail("ann@local.example").contains("Content-Type: message/rfc822\n"));
    for (local, body) in
        [("bert", "Gr\u{fc}\u{df}e\r\n".to_owned()), ("carl", "0123456789\r\n".repeat(5_000))]
    {
        running.directory.account(local);
        fails(&running, &format!("{local}@local.example"), &["gone"], &format!("{HELLO}{body}"));
        let notice = running.only_mail(&format!("{local}@local.example"));
        assert!(notice.contains("Content-Type: text/rfc822-headers\n") && !notice.contains("the body"));
    }
    wait_for("an empty queue", || is_empty(&running));
}

#[test]
fn a_sender_behind_an_alias_is_told_through_it() {
    let running = start(Service::Mta, |_| {});
    running.directory.account("ann");
    running.directory.alias("staff", &["ann", "friend"]);
    fails(&running, "staff@local.example", &["gone"], HELLO);
    for member in ["ann", "friend"] {
        let notice = running.only_mail(&format!("{member}@local.example"));
        assert!(notice.contains("\nX-Original-To: staff@local.example\n"), "{notice}");
        assert!(notice.contains("\nTo: <staff@local.example>\n"), "{notice}");
    }
    wait_for("an empty queue", || is_empty(&running));
}

#[test]
fn a_sender_who_cannot_be_told_leaves_a_record_and_no_debt() {
    let running = start(Service::Mta, |_| {});
    for (number, sender) in ["nobody@local.example", "x@elsewhere.example"].into_iter().enumerate() {
        let id = fails(&running, sender, &["gone"], HELLO);
        wait_for("an empty queue", || is_empty(&running));
        wait_for("the record", || running.story(&id).contains("no notice is sent (notice: "));
        assert_eq!(running.server.stories.notices(), (0, number as u64 + 1));
    }
    assert!(running.mail("postmaster@mx.local.example").is_empty());
}

#[test]
fn postmaster_gets_a_copy_of_what_its_sender_cannot_be_told_where_the_operator_wants_one() {
    let running = start(Service::Mta, |settings| settings.notices.undeliverable_to_postmaster = true);
    fails(&running, "nobody@local.example", &["gone"], HELLO);
    let copy = running.only_mail("postmaster@mx.local.example");
    for part in [
        "Return-Path: <>\n",
        "\nTo: <postmaster@mx.local.example>\n",
        "its sender not told",
        "gone@local.example",
    ] {
        assert!(copy.contains(part), "{part:?} is missing in\n{copy}");
    }
    wait_for("an empty queue", || is_empty(&running));
}

/// RFC 5321 §4.5.5, RFC 3461 §6.1
#[test]
fn a_message_from_the_null_path_is_never_answered() {
    let running = start(Service::Mta, |_| {});
    let id = fails(&running, "", &["gone"], HELLO);
    wait_for("an empty queue", || is_empty(&running));
    wait_for("its story", || running.story(&id).contains("null reverse-path"));
    assert_eq!(running.server.stories.notices(), (0, 1));
}

#[test]
fn the_notice_survives_without_what_the_journal_knew() {
    let mut running = start_held(Service::Mta, |_| {});
    running.let_go();
    running.directory.account("ann");
    std::fs::remove_dir_all(running.folder.path().join("journal")).unwrap();
    fails(&running, "ann@local.example", &["gone"], HELLO);
    let notice = running.only_mail("ann@local.example");
    assert!(notice.contains("\nAction: failed\n"), "{notice}");
}

#[test]
fn a_message_to_more_recipients_than_one_notice_tells_of_leaves_no_debt() {
    let running = start(Service::Mta, |settings| settings.recipients_max = 1000);
    running.directory.account("ann");
    let gone: Vec<String> = (0..250).map(|number| format!("gone-{number}")).collect();
    let gone: Vec<&str> = gone.iter().map(String::as_str).collect();
    fails(&running, "ann@local.example", &gone, HELLO);
    wait_for("an empty queue", || is_empty(&running));
    let notices = running.mail("ann@local.example");
    let told: usize = notices
        .iter()
        .map(|file| std::fs::read_to_string(file).unwrap().matches("\nFinal-Recipient: ").count())
        .sum();
    assert_eq!(told, gone.len());
    assert!(notices.len() <= 10, "{} notices", notices.len());
}

#[test]
fn a_notice_that_fails_is_copied_to_postmaster_once_and_its_copy_to_nobody() {
    let running = start(Service::Mta, |settings| {
        settings.notices.undeliverable_to_postmaster = true;
        settings.rules.local.postmaster = Some(common::mailbox("friend"));
    });
    // The agent has said so to the queue before it first looked for debts.
    let told = || running.server.queue.owed(None).unwrap().is_empty();
    wait_for("a look", told);
    let id = fails(&running, "", &["gone"], HELLO);
    let copy = running.only_mail("friend@local.example");
    assert!(
        copy.contains("Its sender cannot be told") && copy.contains("X-Original-To: postmaster@mx."),
        "{copy}"
    );
    wait_for("an empty queue", || is_empty(&running));
    wait_for("the record", || running.story(&id).contains("no notice is sent (notice: no notice is ever"));
    // Now the copy itself cannot be delivered: friend goes before it arrives.
    running.pause();
    running.directory.account("gone");
    sends(&mut running.connect().greeted(), "", &["gone@local.example"], HELLO);
    running.directory.remove("gone");
    let mail = running.folder.path().join("mail");
    std::fs::remove_dir_all(mail.join("friend@local.example")).unwrap();
    std::fs::write(mail.join("friend@local.example"), "in the way").unwrap();
    running.resume();
    let deferred = || {
        let queued = running.queued().messages;
        queued.iter().any(|message| {
            message
                .recipients
                .iter()
                .any(|one| one.last_reply.is_some() && one.attempts > 0 && one.owed.is_none())
        })
    };
    wait_for("the copy to wait", deferred);
    running.directory.remove("friend");
    let (now, all) = (running.server.world.now(), postrider_queue::Filter::default());
    running.runtime.block_on(running.server.queue.retry(all, None, now)).unwrap();
    wait_for("an empty queue", || is_empty(&running));
    wait_for("every count", || running.server.stories.notices() == (2, 3));
}
