//! Clients that others speak for: the PROXY protocol, XCLIENT and XFORWARD, from those who may and those who
//! may not.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Client, Running, queue_id, start, wait_for};
use postrider_mail::Service;
use postrider_mta::Settings;
use postrider_policy::admit::EarlyTalkers;
use postrider_policy::route::{Hop, Matches, Rule};

const HELLO: &str = "Subject: hello\r\n\r\nhello\r\n";

/// The tests' own address is a proxy; who comes from 192.0.2.0/24 may send anywhere, to nobody's harm.
fn trusting(settings: &mut Settings) {
    let loopback = || vec!["127.0.0.0/8".parse().unwrap()];
    settings.rules.trust.xclient_from = loopback();
    settings.rules.trust.xforward_from = loopback();
    settings.rules.relay.from = vec!["192.0.2.0/24".parse().unwrap()];
    settings.rules.routes.push(Rule { matches: Matches::Everything, hop: Hop::Discard });
}

/// A server whose every client comes through a proxy.
fn behind_a_proxy(adjust: impl FnOnce(&mut Settings)) -> Running {
    start(Service::Mta, |settings| {
        settings.rules.trust.proxy_from = vec!["127.0.0.0/8".parse().unwrap()];
        adjust(settings);
    })
}

/// A connection that the proxy makes for the client at this address.
fn proxied(running: &Running, client: &str) -> Client {
    let mut connection = running.connect();
    connection.send(format!("PROXY TCP4 {client} 198.51.100.1 4711 25\r\n").as_bytes());
    connection
}

#[test]
fn a_client_behind_a_proxy_is_who_the_proxy_says() {
    let running = behind_a_proxy(|_| {});
    proxied(&running, "192.0.2.7").greeted().submit(&["friend@local.example"], HELLO);
    let mail = running.only_mail("friend@local.example");
    assert!(mail.contains("Received: from client.example ([192.0.2.7])\n"), "{mail}");
    wait_for("the story", || running.story("last").contains("accepted as"));
    let story = running.story("last");
    assert!(story.contains("by the PROXY protocol, 127.0.0.1 speaks for 192.0.2.7:4711"), "{story}");
}

#[test]
fn a_proxy_that_speaks_for_itself_is_itself() {
    let running = behind_a_proxy(|_| {});
    let mut connection = running.connect();
    connection.send(b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00");
    connection.greeted().submit(&["friend@local.example"], HELLO);
    assert!(running.only_mail("friend@local.example").contains("([127.0.0.1])"));
}

#[test]
fn a_client_whose_address_its_proxy_does_not_know_has_none_of_the_proxys_rights() {
    let running = behind_a_proxy(|settings| {
        settings.rules.relay.from = vec!["127.0.0.0/8".parse().unwrap()];
        settings.rules.routes.push(Rule { matches: Matches::Everything, hop: Hop::Discard });
    });
    for (header, answer) in [
        (&b"PROXY UNKNOWN\r\n"[..], "550 5.7.1"),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x00\x00\x00", "550 5.7.1"),
        (b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00", "250"),
    ] {
        let mut client = running.connect();
        client.send(header);
        let mut client = client.greeted();
        client.expect("MAIL FROM:<sender@client.example>", "250");
        client.expect("RCPT TO:<x@far.example>", answer);
    }
}

#[test]
fn a_proxy_that_introduces_nobody_is_turned_away() {
    let running = behind_a_proxy(|_| {});
    let mut connection = running.connect();
    connection.send(b"EHLO client.example\r\n");
    assert!(connection.reply().starts_with("521 5.5.1"));
    assert_eq!(connection.reply(), "", "and closed");
}

#[test]
fn who_is_no_proxy_may_not_say_for_whom_it_speaks() {
    let running = start(Service::Mta, |_| {});
    let mut client = running.connect();
    assert!(client.reply().starts_with("220"));
    client.send(b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 25\r\n");
    assert!(client.reply().starts_with("521"));
    assert_eq!(client.reply(), "", "and closed");
}

#[test]
fn places_are_counted_for_the_clients_and_not_for_their_proxy() {
    let running = behind_a_proxy(|settings| settings.rules.sessions_per_peer_max = 1);
    let _one = proxied(&running, "192.0.2.1").greeted();
    let _other = proxied(&running, "192.0.2.2").greeted();
    let again = proxied(&running, "192.0.2.1").reply();
    assert!(again.starts_with("421 4.7.0 192.0.2.1 already holds 1"), "{again}");
}

#[test]
fn what_a_client_says_before_it_is_greeted_is_noticed_behind_a_proxy_too() {
    let running = behind_a_proxy(|settings| settings.rules.early_talkers = EarlyTalkers::Refuse);
    let mut connection = running.connect();
    connection.send(b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 25\r\nEHLO client.example\r\n");
    assert!(connection.reply().starts_with("554 5.5.1"));
    wait_for("the story", || running.story("last").contains("spoke before it was greeted"));
    running.reconfigure(|settings| settings.rules.early_talkers = EarlyTalkers::Note);
    let mut connection = running.connect();
    connection.send(b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 25\r\nEHLO client.example\r\n");
    assert!(connection.reply().starts_with("220") && connection.reply().starts_with("250"));
    connection.expect("QUIT", "221");
    wait_for("the story", || running.story("last").contains("goodbye"));
    assert!(running.story("last").contains("the peer spoke before it was greeted"));
}

#[test]
fn xclient_makes_the_peer_another_for_every_decision_and_record() {
    let running = start(Service::Mta, trusting);
    let mut proxy = running.connect();
    assert!(proxy.reply().starts_with("220"));
    let offer = proxy.expect("EHLO proxy.example", "250");
    assert!(offer.contains("XCLIENT") && !offer.contains("FUTURERELEASE"), "{offer}");
    proxy.expect("MAIL FROM:<sender@client.example>", "250");
    proxy.expect("RCPT TO:<x@far.example>", "550 5.7.1");
    proxy.expect("RSET", "250");
    proxy.expect("XCLIENT ADDR=192.0.2.7 PORT=4711 NAME=mail.client.example HELO=said.example", "220");
    let offer = proxy.expect("EHLO proxy.example", "250");
    assert!(offer.contains("FUTURERELEASE"), "it may send through us: {offer}");
    proxy.submit(&["x@far.example"], HELLO);
    proxy.submit(&["friend@local.example"], HELLO);
    let mail = running.only_mail("friend@local.example");
    assert!(mail.contains("Received: from said.example (mail.client.example [192.0.2.7])\n"), "{mail}");
    let told = "by XCLIENT, 127.0.0.1 speaks for the client 192.0.2.7:4711 (mail.client.example)";
    wait_for("the story", || running.story("last").contains(told));
}

#[test]
fn a_client_of_whom_the_proxy_knows_nothing_has_none_of_its_rights() {
    let running = start(Service::Mta, |settings| {
        trusting(settings);
        settings.rules.relay.from.push("127.0.0.0/8".parse().unwrap());
    });
    let mut proxy = running.connect().greeted();
    proxy.expect("XCLIENT ADDR=[UNAVAILABLE] NAME=[UNAVAILABLE]", "220");
    proxy.expect("EHLO client.example", "250");
    proxy.expect("MAIL FROM:<sender@client.example>", "250");
    proxy.expect("RCPT TO:<x@far.example>", "550 5.7.1");
}

#[test]
fn the_limit_of_sessions_holds_for_the_client_that_xclient_names() {
    let running = start(Service::Mta, |settings| {
        trusting(settings);
        settings.rules.sessions_per_peer_max = 2;
    });
    let mut connections = [running.connect().greeted(), running.connect().greeted()];
    for connection in &mut connections {
        connection.expect("XCLIENT ADDR=198.51.100.7", "220");
    }
    let mut third = running.connect().greeted();
    third.expect("XCLIENT ADDR=198.51.100.7", "421 4.7.0");
}

#[test]
fn xclient_and_xforward_are_for_those_who_are_listed() {
    let running = start(Service::Mta, |_| {});
    let mut client = running.connect();
    assert!(client.reply().starts_with("220"));
    let offer = client.expect("EHLO client.example", "250");
    assert!(!offer.contains("XCLIENT") && !offer.contains("XFORWARD"));
    client.expect("XCLIENT ADDR=192.0.2.7", "5");
    client.expect("XFORWARD ADDR=192.0.2.7", "5");
}

#[test]
fn xforward_is_for_the_records_of_one_message() {
    let running = start(Service::Mta, trusting);
    let mut filter = running.connect().greeted();
    filter.expect("XFORWARD ADDR=192.0.2.7 PORT=4711 HELO=client.example", "250");
    filter.expect("XFORWARD IDENT=A1B2C3", "250");
    filter.expect("MAIL FROM:<sender@client.example>", "250");
    filter.expect("RCPT TO:<x@far.example>", "550 5.7.1");
    filter.expect("RCPT TO:<friend@local.example>", "250");
    filter.expect("DATA", "354");
    filter.send(HELLO.as_bytes());
    let id = queue_id(&filter.expect(".", "250"));
    let mail = running.only_mail("friend@local.example");
    assert!(mail.contains("Received: from client.example ([127.0.0.1])\n"), "the filter brought it: {mail}");
    let told =
        "by XFORWARD, 127.0.0.1 passes on a message from the client 192.0.2.7:4711, where it is A1B2C3";
    wait_for("the story", || running.story(&id).contains(told));
    filter.submit(&["friend@local.example"], HELLO);
    wait_for("both messages", || running.mail("friend@local.example").len() == 2);
    filter.expect("QUIT", "221");
    wait_for("the story", || running.story("last").contains("goodbye"));
    assert_eq!(running.story("last").matches("by XFORWARD,").count(), 1, "told anew for each message");
}
