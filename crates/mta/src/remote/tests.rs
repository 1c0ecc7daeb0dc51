//! What a message comes to at hosts that do well, and at hosts that fail at every step in every way.

use super::{Came, Errand, Progress, transact};
use crate::connection::Connection;
use crate::peer::{End, Fault, Manner, Step, TABLE};
use crate::trial::Trial;
use postrider_policy::route::{EightBit, Way};
use postrider_queue::{Attempt, ContentError, Fate, Outcome};

/// Octets that a stream holds: less than a message has, so that content is on its way for a while.
pub(super) const STREAM: usize = 4096;

/// A message that stays in memory.
fn content() -> Vec<u8> {
    format!("Subject: x\r\n\r\n{}", "a line of content\r\n".repeat(500)).into_bytes()
}

pub(super) async fn carry(
    trial: &mut Trial,
    connection: &mut Connection,
    attempt: &Attempt,
) -> (Progress, Came) {
    carry_by(trial, connection, attempt, &Way::default()).await
}

async fn carry_by(
    trial: &mut Trial,
    connection: &mut Connection,
    attempt: &Attempt,
    way: &Way,
) -> (Progress, Came) {
    let mut progress = Progress::new(&attempt.recipients);
    let errand = Errand { message: &attempt.message, way, mta: "peer.example [192.0.2.1]".into() };
    let came = transact(connection, &errand, &mut progress, &mut trial.story).await;
    (progress, came)
}

/// Each recipient's fate in a line.
pub(super) fn shown(progress: Progress) -> Vec<String> {
    let fates = progress.into_fates().into_iter().map(|(_, fate)| match fate {
        None => "open".into(),
        Some(Fate { outcome, reply, mta, .. }) => format!("{outcome:?} by {mta}: {reply}"),
    });
    fates.collect()
}

/// A fate as the table has it; one that the host decided quotes the host.
fn end(fate: Option<&Fate>) -> End {
    let Some(Fate { outcome, reply, mta, .. }) = fate else { return End::Open };
    let reply = reply.to_string();
    let (end, expected, by) = match outcome {
        Outcome::Relayed => (End::Relayed, "250 2.6.0 taken", "peer.example [192.0.2.1]"),
        Outcome::Failed => (End::Failed, "550 5.7.1 never", "peer.example [192.0.2.1]"),
        Outcome::Deferred if reply.ends_with("may arrive twice") => (End::Twice, &*reply, "remote"),
        Outcome::Deferred => (End::Deferred, "451 4.7.1 not now", "peer.example [192.0.2.1]"),
        other => panic!("{other:?}"),
    };
    assert_eq!((&*reply, mta.as_str()), (expected, by));
    end
}

/// In which words a session fails.
fn words(step: Step, fault: Fault) -> String {
    let stage = match step {
        Step::Greeting => "at the greeting",
        Step::Hello => "at EHLO",
        Step::Mail => "at MAIL",
        Step::FirstRcpt | Step::SecondRcpt => "at RCPT",
        Step::Data => "at DATA",
        Step::Content => "amid the content",
        Step::End => "after the content",
        Step::Idle | Step::Quit => "between messages",
    };
    let refusal = match step {
        Step::Content => "the host refused the message before its end",
        Step::Idle => "the host sent a reply that means nothing here",
        _ => "the host refuses to serve us",
    };
    let kind = match fault {
        Fault::Partial if step == Step::Idle => "the host sent a reply that means nothing here",
        Fault::Close | Fault::Partial => "the connection was closed",
        Fault::Closing => "the host ends the session: 421 4.3.2 going down",
        Fault::Transient => &format!("{refusal}: 451 4.7.1 not now"),
        Fault::Permanent => &format!("{refusal}: 550 5.7.1 never"),
        Fault::Silence => "the host took too long",
        Fault::Garbage => "a line of the reply does not begin with a reply code",
    };
    format!("{stage}: {kind}")
}

/// One row, one fault: the fates, and how the session failed if it did.
async fn play(trial: &mut Trial, attempt: &Attempt, manner: Manner) -> ([End; 2], Option<String>) {
    let (opened, _, _) = trial.open(manner, STREAM).await;
    let mut connection = match opened {
        Ok(connection) => connection,
        Err(failure) => return ([End::Open; 2], Some(failure.to_string())),
    };
    let (progress, came) = carry(trial, &mut connection, attempt).await;
    let failure = match came {
        Came::Usable => {
            // What a host says unasked is on its way.
            tokio::task::yield_now().await;
            connection.ended()
        }
        Came::Gone(failure) => Some(failure),
        Came::Spent | Came::Stale(_) | Came::Content(_) => panic!("{came:?}"),
    };
    assert_eq!(connection.is_usable(), failure.is_none());
    connection.quit().await;
    let fates = progress.into_fates();
    ([end(fates[0].1.as_ref()), end(fates[1].1.as_ref())], failure.map(|failure| failure.to_string()))
}

#[tokio::test]
async fn a_host_may_fail_at_every_step_in_every_way() {
    let mut trial = Trial::new();
    let attempt = trial.message(&["a@next.example", "b@next.example"], &content()).await;
    assert!(attempt.message.content.is_in_memory());
    tokio::time::pause();
    for row in TABLE {
        for (&fault, pipelining) in row.faults.iter().flat_map(|fault| [(fault, true), (fault, false)]) {
            let mut manner = Manner::failing(row.step, fault);
            manner.offer.retain(|keyword| pipelining || *keyword != "PIPELINING");
            let (ends, failure) = play(&mut trial, &attempt, manner).await;
            let expected = (!row.usable).then(|| words(row.step, fault));
            assert_eq!((ends, failure), (row.ends, expected), "{:?} {fault:?} {pipelining}", row.step);
        }
    }
}

#[tokio::test]
async fn a_host_that_takes_few_recipients_at_a_time_gets_the_rest_at_once() {
    let mut trial = Trial::new();
    let recipients = ["a@x.example", "b@x.example", "c@x.example", "d@x.example", "e@x.example"];
    let attempt = trial.message(&recipients, b"\r\nhi\r\n").await;
    let (opened, peer, _) = trial.open(Manner { recipients_max: 2, ..Manner::sound() }, STREAM).await;
    let mut connection = opened.unwrap();
    let (progress, came) = carry(&mut trial, &mut connection, &attempt).await;
    assert!(matches!(came, Came::Usable) && progress.is_done());
    assert!(shown(progress).iter().all(|fate| fate.starts_with("Relayed")));
    assert_eq!(connection.messages(), 3);
    connection.quit().await;
    let sizes: Vec<_> =
        peer.await.unwrap().arrived.iter().map(|message| message.envelope.len() - 1).collect();
    assert_eq!(sizes, [2, 2, 1]);
}

#[tokio::test]
async fn what_an_alias_sends_on_names_the_alias_and_others_learn_nothing_of_it() {
    let mut trial = Trial::new();
    let recipients = [
        "a@x.example via Staff@us.example",
        "b@x.example",
        "c@x.example via Staff@us.example",
        "d@x.example via team@us.example",
    ];
    let attempt = trial.message(&recipients, b"Subject: x\r\n\r\nhi\r\n").await;
    let (opened, peer, _) = trial.open(Manner::sound(), STREAM).await;
    let mut connection = opened.unwrap();
    let (progress, _) = carry(&mut trial, &mut connection, &attempt).await;
    assert!(progress.is_done());
    connection.quit().await;
    let arrived = peer.await.unwrap().arrived.into_iter().map(|message| {
        assert!(message.envelope[0].ends_with(&format!(" SIZE={}", message.content.len())), "{message:?}");
        (message.envelope[1..].join(" "), message.content)
    });
    let message = "Subject: x\r\n\r\nhi\r\n";
    assert_eq!(
        arrived.collect::<Vec<_>>(),
        [
            (
                "RCPT TO:<a@x.example> RCPT TO:<c@x.example>".into(),
                format!("Delivered-To: Staff@us.example\r\n{message}")
            ),
            ("RCPT TO:<b@x.example>".into(), message.into()),
            ("RCPT TO:<d@x.example>".into(), format!("Delivered-To: team@us.example\r\n{message}")),
        ]
    );
}

#[tokio::test]
async fn what_passed_an_alias_before_does_not_pass_it_again() {
    let mut trial = Trial::new();
    let recipients = ["a@x.example via staff@us.example", "b@x.example", "c@x.example via team@us.example"];
    // Read from disk: the loop is found there as well.
    let large = "a line of content\r\n".repeat(2000);
    for body in ["hi\r\n", &large] {
        let content = format!("Subject: x\r\nDelivered-To: STAFF@us.example\r\n\r\n{body}");
        let attempt = trial.message(&recipients, content.as_bytes()).await;
        let (opened, _, _) = trial.open(Manner::sound(), STREAM).await;
        let (progress, _) = carry(&mut trial, &mut opened.unwrap(), &attempt).await;
        let shown = shown(progress);
        assert_eq!(
            shown[0],
            "Failed by remote: 554 5.4.6 mail loop: this message has passed staff@us.example before"
        );
        assert!(shown[1..].iter().all(|fate| fate.starts_with("Relayed")), "{shown:?}");
    }
}

/// RFC 6152 §3
#[tokio::test]
async fn eight_bit_content_is_declared_sent_all_the_same_or_refused() {
    let mut trial = Trial::new();
    let attempt = trial.message(&["a@x.example"], b"Subject: x\r\n\r\ngr\xc3\xbc\xc3\x9fe\r\n").await;
    let note = "-- 8-bit content went to a host that does not offer 8BITMIME";
    for (offer, eight_bit, mail, fate) in [
        (
            vec!["8BITMIME"],
            EightBit::Refuse,
            Some("MAIL FROM:<sender@client.example> BODY=8BITMIME"),
            "Relayed",
        ),
        (vec![], EightBit::Send, Some("MAIL FROM:<sender@client.example>"), "Relayed"),
        (
            vec![],
            EightBit::Refuse,
            None,
            "Failed by remote: 554 5.6.3 the message has 8-bit content, which peer.example [192.0.2.1] does not \
             offer to take",
        ),
    ] {
        let noted = offer.is_empty() && mail.is_some();
        let (opened, peer, _) = trial.open(Manner { offer, ..Manner::sound() }, STREAM).await;
        let mut connection = opened.unwrap();
        let before = trial.told().matches(note).count();
        let way = Way { eight_bit, ..Way::default() };
        let (progress, came) = carry_by(&mut trial, &mut connection, &attempt, &way).await;
        assert!(matches!(came, Came::Usable));
        assert!(shown(progress)[0].starts_with(fate));
        assert_eq!(trial.told().matches(note).count() - before, usize::from(noted));
        connection.quit().await;
        let commands = peer.await.unwrap().commands;
        assert_eq!(commands.iter().find(|line| line.starts_with("MAIL")).map(String::as_str), mail);
    }
}

#[tokio::test]
async fn what_the_offer_rules_out_is_not_sent_and_the_words_are_ours() {
    let mut trial = Trial::new();
    let attempt = trial.message(&["a@x.example"], &content()).await;
    let manner = Manner { offer: vec!["SIZE 100"], ..Manner::sound() };
    let (opened, peer, _) = trial.open(manner, STREAM).await;
    let mut connection = opened.unwrap();
    let (progress, came) = carry(&mut trial, &mut connection, &attempt).await;
    assert!(matches!(came, Came::Usable));
    assert_eq!(
        shown(progress),
        ["Failed by remote: 552 5.3.4 the message has 9514 octets, and the next host takes at most 100"]
    );
    let attempt = trial.message(&["jörg@x.example", "b@bücher.example"], b"\r\nhi\r\n").await;
    let (progress, _) = carry(&mut trial, &mut connection, &attempt).await;
    let shown = shown(progress);
    assert!(shown[0].starts_with("Failed by remote: 553 5.6.7 "), "{shown:?}");
    assert!(shown[1].starts_with("Relayed"), "{shown:?}");
    connection.quit().await;
    let sent: Vec<String> = peer.await.unwrap().commands.split_off(1);
    assert_eq!(sent[1..], ["RCPT TO:<b@xn--bcher-kva.example>", "DATA", "QUIT"]);
}

#[tokio::test]
async fn lmtp_delivers_and_answers_for_each_recipient() {
    let mut trial = Trial::new();
    let recipients = ["a@x.example", "b@x.example via staff@x.example", "c@x.example", "d@x.example"];
    let attempt = trial.message(&recipients, b"\r\nhi\r\n").await;
    let manner = Manner {
        lmtp: true,
        refuse: vec![("c@", "550 5.1.1 who?")],
        refuse_behind_dot: vec![("b@", "452 4.2.2 full")],
        ..Manner::sound()
    };
    let (opened, peer, _) = trial.open(manner, STREAM).await;
    let mut connection = opened.unwrap();
    let (progress, came) = carry(&mut trial, &mut connection, &attempt).await;
    assert!(matches!(came, Came::Usable));
    assert_eq!(
        shown(progress),
        [
            "Delivered by peer.example [192.0.2.1]: 250 2.6.0 taken",
            "Deferred by peer.example [192.0.2.1]: 452 4.2.2 full",
            "Failed by peer.example [192.0.2.1]: 550 5.1.1 who?",
            "Delivered by peer.example [192.0.2.1]: 250 2.6.0 taken",
        ]
    );
    connection.quit().await;
    let peer = peer.await.unwrap();
    assert_eq!((peer.commands[0].as_str(), peer.arrived.len()), ("LHLO us.example", 1));
}

#[tokio::test]
async fn a_reused_connection_that_died_before_mail_is_no_attempt() {
    let mut trial = Trial::new();
    let attempt = trial.message(&["a@x.example"], b"\r\nhi\r\n").await;
    for (step, fault, words) in [
        (Step::Idle, Fault::Close, "between messages: the connection was closed"),
        (Step::Mail, Fault::Close, "at MAIL: the connection was closed"),
        (Step::Mail, Fault::Closing, "at MAIL: the host ends the session: 421 4.3.2 going down"),
    ] {
        let fails_after = 1;
        let manner = Manner { fails_after, ..Manner::failing(step, fault) };
        let mut connection = trial.open(manner, STREAM).await.0.unwrap();
        let (first, came) = carry(&mut trial, &mut connection, &attempt).await;
        assert!(matches!(came, Came::Usable) && first.is_done());
        tokio::task::yield_now().await;
        let (second, came) = carry(&mut trial, &mut connection, &attempt).await;
        let Came::Stale(failure) = came else { panic!("{came:?}") };
        assert_eq!((failure.to_string().as_str(), second.is_done()), (words, false));
        assert!(!connection.is_usable());
    }
    // What fails later, or in another way, is the host's fault.
    for (step, fault) in [(Step::FirstRcpt, Fault::Close), (Step::Mail, Fault::Garbage)] {
        let manner = Manner { fails_after: 1, ..Manner::failing(step, fault) };
        let mut connection = trial.open(manner, STREAM).await.0.unwrap();
        carry(&mut trial, &mut connection, &attempt).await;
        let (_, came) = carry(&mut trial, &mut connection, &attempt).await;
        assert!(matches!(came, Came::Gone(_)), "{came:?}");
    }
}

#[tokio::test]
async fn damaged_content_is_never_ended_with_a_dot() {
    let mut trial = Trial::new();
    // Of one piece, and of many.
    for (lines, usable) in [(2000, true), (20_000, false)] {
        let content = format!("Subject: x\r\n\r\n{}", "a line of content\r\n".repeat(lines));
        let attempt = trial.message(&["a@x.example"], content.as_bytes()).await;
        let file = trial.folder.path().join("queue/content").join(attempt.message.id.to_string());
        std::fs::write(&file, content.replace("a line", "A LINE")).unwrap();
        let (opened, peer, _) = trial.open(Manner::sound(), STREAM).await;
        let mut connection = opened.unwrap();
        let (progress, came) = carry(&mut trial, &mut connection, &attempt).await;
        assert!(matches!(came, Came::Content(ContentError::Damaged)), "{came:?}");
        assert!(!progress.is_done());
        assert_eq!(connection.is_usable(), usable);
        connection.quit().await;
        assert!(peer.await.unwrap().arrived.is_empty());
    }
}

#[tokio::test]
async fn an_attempt_reads_as_a_dialogue_in_which_we_are_the_client() {
    let mut trial = Trial::new();
    let attempt = trial.message(&["a@x.example"], b"\r\nhi\r\n").await;
    let manner = Manner { offer: vec![], ..Manner::sound() };
    let (opened, _, _) = trial.open(manner, STREAM).await;
    carry(&mut trial, &mut opened.unwrap(), &attempt).await;
    assert_eq!(
        trial.told(),
        "S: 220 peer.example ESMTP\nC: EHLO us.example\nS: 250 peer.example\n\
         C: MAIL FROM:<sender@client.example>\nS: 250 2.1.0 go on\nC: RCPT TO:<a@x.example>\nS: 250 2.1.5 go on\n\
         C: DATA\nS: 354 go on\nC: (6 octets of content)\nS: 250 2.6.0 taken"
    );
}
