//! What senders ask to be told, and are: by us, by the next host, or by nobody, as they wish (RFC 3461).

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::network::{Manner, Network, zone};
use common::{Running, Surroundings, queue_id, wait_for};
use postrider_mta::{Returned, Settings};
use postrider_policy::route::{Hop, Matches, Rule, Way};
use std::sync::Arc;

const HELLO: &str =
    "From: ann@local.example\r\nSubject: hello\r\nMessage-ID: <1@local.example>\r\n\r\nthe body\r\n";

/// A server that relays for the test's client, with one domain elsewhere, `a.example`, at a host that offers
/// this line beside the usual.
fn start(offer: &'static str, adjust: impl FnOnce(&mut Settings)) -> (Running, Arc<common::network::Host>) {
    let network = Arc::new(Network::default());
    let host = network.host("192.0.2.1:25", Manner::Offers(offer));
    let surroundings = Surroundings {
        net: network as Arc<dyn postrider_mta::net::Net>,
        resolver: Arc::new(zone(&[("a.example", &["192.0.2.1"])])),
        ..Surroundings::default()
    };
    let running = common::start_in(surroundings, |settings| {
        settings.rules.relay.from = vec!["127.0.0.0/8".parse().unwrap()];
        let hop = Hop::Mx(Arc::new(Way::default()));
        settings.rules.routes.push(Rule { matches: Matches::Everything, hop });
        adjust(settings);
    });
    running.directory.account("ann");
    running.directory.account("friend");
    (running, host)
}

/// A message from ann: its id. The arguments of MAIL and of each RCPT stand behind the address.
fn sends(running: &Running, mail: &str, rcpts: &[&str]) -> String {
    let mut client = running.connect().greeted();
    client.expect(&format!("MAIL FROM:<ann@local.example> {mail}"), "250");
    for rcpt in rcpts {
        client.expect(&format!("RCPT TO:{rcpt}"), "250");
    }
    client.expect("DATA", "354");
    client.send(HELLO.as_bytes());
    queue_id(&client.expect(".", "250"))
}

/// The same, to somebody whose account goes before it is delivered, and to others.
fn fails(running: &Running, mail: &str, gone: &str, others: &[&str]) -> String {
    running.pause();
    running.directory.account("gone");
    let gone = format!("<gone@local.example> {gone}");
    let id = sends(running, mail, &[&[gone.as_str()], others].concat());
    running.directory.remove("gone");
    running.resume();
    id
}

/// What ann was told, once nothing is left to do.
fn told(running: &Running) -> Vec<String> {
    wait_for("an empty queue", || running.queued().messages.is_empty());
    let mail = running.mail("ann@local.example");
    mail.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect()
}

#[track_caller]
fn only(mut told: Vec<String>) -> String {
    assert_eq!(told.len(), 1, "{}", told.join("\n====\n"));
    told.remove(0)
}

#[track_caller]
fn assert_says(notice: &str, parts: &[&str]) {
    for part in parts {
        assert!(notice.contains(part), "{part:?} is missing in\n{notice}");
    }
}

/// RFC 3461 §5.2.3, RFC 3461 §6
#[test]
fn a_delivery_is_told_to_whoever_asked_by_the_names_they_gave() {
    let (running, _) = start("HELP", |_| {});
    let id = sends(
        &running,
        "RET=FULL ENVID=QQ+2B1",
        &["<friend@local.example> NOTIFY=SUCCESS ORCPT=rfc822;Dear+2BFriend@else.example"],
    );
    let notice = only(told(&running));
    assert_says(
        &notice,
        &[
            "\nSubject: Delivered: your message to friend@local.example\n",
            "\nYour message to <friend@local.example> was delivered.\n",
            "\nOriginal-Envelope-Id: QQ+1\n",
            "\nOriginal-Recipient: rfc822; Dear+Friend@else.example\n",
            "\nFinal-Recipient: rfc822; friend@local.example\nAction: delivered\nStatus: 2.1.5\n",
            "\nContent-Type: text/rfc822-headers\n",
            &format!("\nX-Postrider-Queue-ID: {id}\n"),
        ],
    );
    assert!(!notice.contains("the body"), "good news brings the header back, whatever RET says");
    assert!(running.story(&id).contains("delivered or passed on to 1 recipient"), "{}", running.story(&id));
}

#[test]
fn whoever_did_not_ask_hears_of_failures_alone() {
    let (running, _) = start("DSN", |_| {});
    sends(&running, "", &["<friend@local.example>", "<x@a.example>"]);
    sends(&running, "", &["<friend@local.example> NOTIFY=FAILURE", "<x@a.example> NOTIFY=DELAY"]);
    assert_eq!(told(&running), [""; 0]);
    fails(&running, "", "NOTIFY=FAILURE", &[]);
    assert_says(&only(told(&running)), &["\nAction: failed\nStatus: 5.1.1\n"]);
}

/// RFC 3461 §5.2.2
#[test]
fn what_went_on_to_a_host_without_dsn_is_told_from_here_and_what_it_was_told_is_not() {
    let asked = ["<x@a.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;X@a.example"];
    let (running, host) = start("HELP", |_| {});
    let id = sends(&running, "ENVID=1", &asked);
    assert_says(
        &only(told(&running)),
        &[
            "\nSubject: Passed on: your message to x@a.example\n",
            "\nOriginal-Recipient: rfc822; X@a.example\nFinal-Recipient: rfc822; x@a.example\n\
             Action: relayed\nStatus: 2.0.0\nRemote-MTA: dns; mx0.a.example\n",
        ],
    );
    assert_eq!(host.taken.lock().unwrap()[0].0, ["<x@a.example>"]);
    assert!(running.story(&id).contains("does not offer DSN"), "{}", running.story(&id));
    let (running, host) = start("DSN", |_| {});
    sends(&running, "ENVID=1", &asked);
    assert_eq!(told(&running), [""; 0]);
    assert_eq!(
        host.taken.lock().unwrap()[0].0,
        ["<x@a.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;X@a.example"]
    );
}

#[test]
fn nobody_is_told_who_asked_never_to_be() {
    let (running, _) = start("HELP", |_| {});
    for (notify, reason) in [("NEVER", "NOTIFY=NEVER"), ("SUCCESS", "NOTIFY=SUCCESS")] {
        let id = fails(&running, "", &format!("NOTIFY={notify}"), &[]);
        assert_eq!(told(&running), [""; 0]);
        wait_for("the record", || running.story(&id).contains("no notice is sent"));
        let story = running.story(&id);
        assert!(story.contains(reason), "{story}");
    }
    assert_eq!(running.server.stories.notices(), (0, 2));
}

#[test]
fn good_and_bad_news_of_one_message_come_in_a_letter_each() {
    let (running, _) = start("HELP", |_| {});
    let others = ["<friend@local.example> NOTIFY=SUCCESS", "<x@a.example> NOTIFY=SUCCESS"];
    fails(&running, "", "", &others);
    let told = told(&running);
    let (good, bad): (Vec<_>, Vec<_>) =
        told.into_iter().partition(|notice| !notice.contains("\nSubject: Not delivered:"));
    let final_recipients = |notices: &[String]| notices.concat().matches("\nFinal-Recipient: ").count();
    assert_eq!((bad.len(), final_recipients(&bad), final_recipients(&good)), (1, 1, 2));
    assert!(!good.concat().contains("Action: failed") && !bad.concat().contains("Action: delivered"));
}

#[test]
fn the_sender_may_have_more_or_less_of_a_failed_message_back_than_the_operator_says() {
    for (operator, ret, whole) in [
        (Returned::Headers, "RET=FULL", true),
        (Returned::Message, "RET=HDRS", false),
        (Returned::Message, "", true),
        (Returned::Headers, "", false),
    ] {
        let (running, _) = start("HELP", |settings| settings.notices.returned = operator);
        fails(&running, ret, "", &[]);
        assert_eq!(only(told(&running)).contains("the body"), whole, "{operator:?} {ret}");
    }
}

#[test]
fn an_alias_of_several_is_told_as_such_once_and_its_members_are_not() {
    let (running, host) = start("DSN", |_| {});
    running.directory.alias_at("team@local.example", &["friend@local.example", "x@a.example"]);
    sends(&running, "", &["<team@local.example> NOTIFY=SUCCESS,FAILURE"]);
    assert_says(
        &only(told(&running)),
        &[
            "\nSubject: Passed on: your message to team@local.example\n",
            "\nFinal-Recipient: rfc822; team@local.example\nAction: expanded\nStatus: 2.0.0\n",
        ],
    );
    let rcpts = host.taken.lock().unwrap()[0].0.clone();
    assert!(rcpts[0].starts_with("<x@a.example> NOTIFY=FAILURE"), "{rcpts:?}");
}

#[test]
fn what_must_come_back_in_time_comes_back_at_once_from_where_nobody_promises_it() {
    let (running, host) = start("DSN", |_| {});
    sends(&running, "BY=600;R", &["<x@a.example>"]);
    assert_says(&only(told(&running)), &["\nDeliver-By-Date: ", "\nAction: failed\nStatus: 5.4.7\n"]);
    assert_eq!(host.messages(), 0);
}

/// RFC 2852 §4.1.3
#[test]
fn a_deadline_that_asks_for_a_trace_or_is_forgotten_is_told_of() {
    for (offer, by, told_of) in [
        ("DELIVERBY", "BY=600;NT", true),
        ("DELIVERBY", "BY=600;N", false),
        ("DSN", "BY=600;N", true),
        ("DELIVERBY", "BY=600;RT", true),
    ] {
        let (running, _) = start(offer, |_| {});
        sends(&running, by, &["<x@a.example>"]);
        let told = told(&running);
        assert_eq!(told.len(), usize::from(told_of), "{offer} {by}: {told:?}");
        if told_of {
            assert_says(&told[0], &["\nDeliver-By-Date: ", "\nAction: relayed\n"]);
        }
        sends(&running, by, &["<x@a.example> NOTIFY=NEVER"]);
        wait_for("an empty queue", || running.queued().messages.is_empty());
        assert_eq!(running.mail("ann@local.example").len(), usize::from(told_of), "{offer} {by}");
    }
}
