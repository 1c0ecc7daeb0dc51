//! What hosts are told of a sender's wishes, by what they offer, and what comes of the rest.

use crate::peer::{Manner, Peer};
use crate::remote::tests::{STREAM, carry, shown};
use crate::remote::{Came, Progress};
use crate::trial::{NOW, Trial};
use postrider_mail::{Body, By, EnvelopeId, Notify, OriginalRecipient, Recipient, Requests, Ret};
use postrider_queue::{Attempt, SuccessNotice};

fn by(by: &str) -> Requests {
    Requests { by: by.parse().ok().map(|by: By| by.from(NOW)), ..Requests::default() }
}

fn utf8() -> Requests {
    Requests { smtputf8: true, ..Requests::default() }
}

fn to(addresses: &[&str]) -> Vec<Recipient> {
    addresses.iter().map(|address| Recipient::direct(address.parse().unwrap())).collect()
}

/// A recipient whose sender wants to hear of everything.
fn curious() -> Vec<Recipient> {
    let orcpt = OriginalRecipient::from_xtext("rfc822;first+2Bname@else.example").ok();
    to(&["a@x.example"])
        .into_iter()
        .map(|recipient| Recipient {
            notify: Some(Notify::SUCCESS.and(Notify::DELAY)),
            orcpt: orcpt.clone(),
            ..recipient
        })
        .collect()
}

/// Brings the message to a host with this offer: what became of it, and what the host heard.
async fn meets(trial: &mut Trial, attempt: &Attempt, manner: Manner) -> (Progress, Peer) {
    let (opened, peer, _) = trial.open(manner, STREAM).await;
    let mut connection = opened.unwrap();
    let (progress, came) = carry(trial, &mut connection, attempt).await;
    assert!(matches!(came, Came::Usable), "{came:?}");
    connection.quit().await;
    (progress, peer.await.unwrap())
}

fn offering(offer: &[&'static str]) -> Manner {
    Manner { offer: offer.to_vec(), ..Manner::sound() }
}

fn line<'a>(peer: &'a Peer, verb: &str) -> &'a str {
    peer.commands.iter().find(|line| line.starts_with(verb)).map_or("", String::as_str)
}

/// Who tells the sender that the first recipient has it.
fn success(progress: Progress) -> SuccessNotice {
    progress.into_fates().remove(0).1.unwrap().success
}

#[tokio::test]
async fn a_host_is_told_what_it_offers_to_hear_and_no_more() {
    let mut trial = Trial::new();
    let requests = Requests {
        ret: Some(Ret::Full),
        envid: EnvelopeId::from_xtext("QQ+2B1").ok(),
        priority: "3".parse().unwrap(),
        solicit: "org.example:ADV".parse().ok(),
        ..by("600;N")
    };
    let attempt = trial.asking(requests, None, curious(), b"\r\nhi\r\n").await;
    for (offer, parameters) in [
        ("DSN", " RET=FULL ENVID=QQ+2B1"),
        ("DELIVERBY 60", " BY=600;N"),
        ("MT-PRIORITY MIXER", " MT-PRIORITY=3"),
        ("NO-SOLICITING", " SOLICIT=org.example:ADV"),
        ("SMTPUTF8", ""),
        ("FUTURERELEASE 9 2030-01-01T00:00:00Z", ""),
        ("XNONSENSE", ""),
    ] {
        let (_, peer) = meets(&mut trial, &attempt, offering(&[offer])).await;
        assert_eq!(line(&peer, "MAIL"), format!("MAIL FROM:<sender@client.example>{parameters}"), "{offer}");
        let asked =
            if offer == "DSN" { " NOTIFY=SUCCESS,DELAY ORCPT=rfc822;first+2Bname@else.example" } else { "" };
        assert_eq!(line(&peer, "RCPT"), format!("RCPT TO:<a@x.example>{asked}"), "{offer}");
    }
}

#[tokio::test]
async fn a_success_is_told_by_whoever_knows_of_it_last() {
    use SuccessNotice::{Always, IfAsked, PassedOn};
    let mut trial = Trial::new();
    let both = &["DSN", "DELIVERBY"];
    let cases: [(Option<&str>, &[&'static str], SuccessNotice); 9] = [
        (None, &["DSN"], PassedOn),
        (None, &[], IfAsked),
        (Some("600;N"), both, PassedOn),
        (Some("600;N"), &["DELIVERBY"], IfAsked),
        (Some("600;N"), &["DSN"], Always),
        (Some("600;NT"), both, Always),
        (Some("600;R"), both, PassedOn),
        (Some("600;RT"), both, Always),
        (Some("-600;N"), &[], Always),
    ];
    for (deadline, offer, expected) in cases {
        let requests = deadline.map_or_else(Requests::default, by);
        let attempt = trial.asking(requests, None, curious(), b"\r\nhi\r\n").await;
        let (progress, _) = meets(&mut trial, &attempt, offering(offer)).await;
        assert_eq!(success(progress), expected, "{deadline:?} {offer:?}");
    }
    assert!(
        trial.told().contains("-- the host does not offer DSN: that it has the message is told from here")
    );
    assert!(trial.told().contains("-- the host does not offer DELIVERBY, and knows nothing of the deadline"));
}

#[tokio::test]
async fn the_last_hop_needs_no_deadline_and_may_tell_of_its_delivery() {
    let mut trial = Trial::new();
    for (offer, expected) in [(vec![], SuccessNotice::IfAsked), (vec!["DSN"], SuccessNotice::PassedOn)] {
        let attempt = trial.asking(by("600;RT"), None, curious(), b"\r\nhi\r\n").await;
        let manner = Manner { lmtp: true, offer, ..Manner::sound() };
        let (progress, peer) = meets(&mut trial, &attempt, manner).await;
        assert!(shown(progress.clone())[0].starts_with("Delivered"));
        assert_eq!(success(progress), expected);
        assert!(!line(&peer, "MAIL").contains("BY="));
    }
}

/// RFC 2852 §4
#[tokio::test]
async fn what_must_come_back_in_time_goes_to_no_host_that_cannot_promise_it() {
    let mut trial = Trial::new();
    for (deadline, offer, fate) in [
        ("600;R", vec![], "Failed by remote: 554 5.4.7 "),
        ("600;R", vec!["DELIVERBY 601"], "Failed by remote: 554 5.4.7 "),
        ("600;R", vec!["DELIVERBY 600"], "Relayed by peer.example [192.0.2.1]: "),
    ] {
        let attempt = trial.asking(by(deadline), None, to(&["a@x.example"]), b"\r\nhi\r\n").await;
        let (progress, peer) = meets(&mut trial, &attempt, offering(&offer)).await;
        assert!(shown(progress.clone())[0].starts_with(fate), "{:?}", shown(progress));
        assert_eq!(peer.arrived.is_empty(), fate.starts_with("Failed"));
    }
}

#[tokio::test]
async fn utf8_in_a_header_goes_to_no_host_without_smtputf8_and_ascii_goes_anywhere() {
    let mut trial = Trial::new();
    let header = "Subject: Gr\u{fc}\u{df}e\r\n\r\nhi\r\n";
    let body = "Subject: x\r\n\r\nGr\u{fc}\u{df}e\r\n";
    let with = &["SMTPUTF8", "8BITMIME"];
    let cases: [(bool, &str, &[&'static str], &str); 7] = [
        (true, header, with, " BODY=8BITMIME SMTPUTF8"),
        (true, header, &["8BITMIME"], "Failed by remote: 550 5.6.7 "),
        (true, body, with, " BODY=8BITMIME SMTPUTF8"),
        (true, body, &["8BITMIME"], " BODY=8BITMIME"),
        (true, "\r\nhi\r\n", with, ""),
        (true, "\r\nhi\r\n", &[], ""),
        (false, header, with, " BODY=8BITMIME"),
    ];
    for (asked, content, offer, expected) in cases {
        let requests = if asked { utf8() } else { Requests::default() };
        let attempt = trial.asking(requests, None, to(&["a@x.example"]), content.as_bytes()).await;
        let (progress, peer) = meets(&mut trial, &attempt, offering(offer)).await;
        let fate = shown(progress).remove(0);
        if expected.starts_with("Failed") {
            assert!(fate.starts_with(expected) && line(&peer, "MAIL").is_empty(), "{fate}");
        } else {
            let mail = format!("MAIL FROM:<sender@client.example>{expected}");
            assert_eq!(line(&peer, "MAIL"), mail, "{asked} {content:?} {offer:?}");
        }
    }
}

/// Octets that no text line may have.
fn binary(lines: usize) -> Vec<u8> {
    let lines = (0..lines).map(|number| format!("{number}\n.\r\n.\r\r\n\0.\n"));
    format!("Subject: x\r\n\r\n{}", lines.collect::<String>()).into_bytes()
}

#[tokio::test]
async fn binary_content_arrives_octet_for_octet_or_not_at_all() {
    let mut trial = Trial::new();
    let able = &["CHUNKING", "BINARYMIME", "PIPELINING"];
    // From memory, and from disk in several chunks.
    for lines in [3, 20_000] {
        let content = binary(lines);
        let attempt =
            trial.asking(Requests::default(), Some(Body::BinaryMime), to(&["a@x.example"]), &content).await;
        for offer in [&able[..], &able[..2]] {
            let (progress, peer) = meets(&mut trial, &attempt, offering(offer)).await;
            assert!(shown(progress)[0].starts_with("Relayed"));
            assert!(line(&peer, "MAIL").contains(" BODY=BINARYMIME"));
            assert!(peer.arrived[0].content.as_bytes() == content, "{lines} {offer:?}");
            assert!(!peer.commands.contains(&"DATA".to_owned()));
        }
        for offer in [&able[..1], &["BINARYMIME", "8BITMIME"], &[]] {
            let (progress, peer) = meets(&mut trial, &attempt, offering(offer)).await;
            let fate = shown(progress).remove(0);
            assert!(fate.starts_with("Failed by remote: 554 5.6."), "{fate}");
            assert!(peer.arrived.is_empty() && line(&peer, "MAIL").is_empty());
        }
    }
}

/// RFC 3030 §3
#[tokio::test]
async fn what_was_declared_binary_and_is_lines_goes_to_a_host_that_takes_lines() {
    let mut trial = Trial::new();
    let long = format!("Subject: x\r\n\r\n{}\r\nend", "y".repeat(5000));
    for (content, offer, expected) in [
        (long.as_str(), &[][..], ""),
        (&long, &["CHUNKING", "BINARYMIME"], " BODY=BINARYMIME"),
        ("Subject: x\r\n\r\n\u{fc}\r\n", &["8BITMIME"], " BODY=8BITMIME"),
    ] {
        let to = to(&["a@x.example"]);
        let attempt = trial.asking(Requests::default(), Some(Body::BinaryMime), to, content.as_bytes()).await;
        let (progress, peer) = meets(&mut trial, &attempt, offering(offer)).await;
        assert!(shown(progress)[0].starts_with("Relayed"));
        assert_eq!(line(&peer, "MAIL"), format!("MAIL FROM:<sender@client.example>{expected}"));
        // DATA ends the last line.
        let ends = if content.ends_with("end") && offer.is_empty() { "\r\n" } else { "" };
        assert_eq!(peer.arrived[0].content, format!("{content}{ends}"));
    }
    for bad in ["a\nb\r\n", "a\rb\r\n", "a\0b\r\n", "a\r\n\r", "a\r\r\n", "\n"] {
        let content = format!("Subject: x\r\n\r\n{bad}");
        let to = to(&["a@x.example"]);
        let attempt = trial.asking(Requests::default(), Some(Body::BinaryMime), to, content.as_bytes()).await;
        let (progress, peer) = meets(&mut trial, &attempt, offering(&["8BITMIME"])).await;
        assert!(shown(progress)[0].starts_with("Failed by remote: 554 5.6."), "{bad:?}");
        assert!(peer.arrived.is_empty());
    }
}

#[tokio::test]
async fn a_refused_chunk_leaves_nothing_behind_for_the_next_message() {
    let mut trial = Trial::new();
    let recipients = || to(&["a@x.example"]);
    let content = binary(20_000);
    let big = trial.asking(Requests::default(), Some(Body::BinaryMime), recipients(), &content).await;
    let small = trial.asking(Requests::default(), None, recipients(), b"\r\nsmall\r\n").await;
    for offer in [&["CHUNKING", "BINARYMIME", "PIPELINING"][..], &["CHUNKING", "BINARYMIME"]] {
        let manner = Manner { refuse_chunks: Some("554 5.6.0 no chunks today"), ..offering(offer) };
        let (opened, peer, _) = trial.open(manner, STREAM).await;
        let mut connection = opened.unwrap();
        let (progress, came) = carry(&mut trial, &mut connection, &big).await;
        assert_eq!(shown(progress), ["Failed by peer.example [192.0.2.1]: 554 5.6.0 no chunks today"]);
        if matches!(came, Came::Usable) {
            let (progress, _) = carry(&mut trial, &mut connection, &small).await;
            assert!(shown(progress)[0].starts_with("Relayed"));
            connection.quit().await;
            let peer = peer.await.unwrap();
            assert_eq!(peer.arrived.len(), 1);
            assert_eq!(peer.arrived[0].content, "\r\nsmall\r\n");
        }
    }
}

#[tokio::test]
async fn no_host_is_asked_for_more_than_it_said_it_takes() {
    let mut trial = Trial::new();
    let addresses = ["a@x.example", "b@y.example", "c@x.example", "d@y.example", "e@z.example"];
    let attempt = trial.asking(Requests::default(), None, to(&addresses), b"\r\nhi\r\n").await;
    let (progress, peer) = meets(&mut trial, &attempt, offering(&["LIMITS RCPTMAX=2"])).await;
    assert!(progress.is_done());
    let sizes: Vec<_> = peer.arrived.iter().map(|message| message.envelope.len() - 1).collect();
    assert_eq!(sizes, [2, 2, 1]);
    for (limits, rounds) in [
        ("LIMITS MAILMAX=1 RCPTMAX=3", [vec!["a", "b", "c"], vec!["d", "e"], vec![]]),
        ("LIMITS RCPTDOMAINMAX=1", [vec!["a", "c"], vec!["b", "d"], vec!["e"]]),
    ] {
        let mut progress = Progress::new(&attempt.recipients);
        for round in rounds.iter().filter(|round| !round.is_empty()) {
            let (opened, peer, _) = trial.open(offering(&[limits]), STREAM).await;
            let mut connection = opened.unwrap();
            let way = postrider_policy::route::Way::default();
            let errand =
                crate::remote::Errand { message: &attempt.message, way: &way, mta: "peer.example".into() };
            let came =
                crate::remote::transact(&mut connection, &errand, &mut progress, &mut trial.story).await;
            assert!(connection.is_spent() || progress.is_done(), "{limits}");
            assert_eq!(matches!(came, Came::Spent), !progress.is_done(), "{limits} {came:?}");
            connection.quit().await;
            let arrived = peer.await.unwrap().arrived;
            let locals: Vec<_> = arrived[0].envelope[1..].iter().map(|rcpt| &rcpt[9..10]).collect();
            assert_eq!((arrived.len(), &locals), (1, round), "{limits}");
        }
        assert!(progress.is_done(), "{limits}");
    }
}
