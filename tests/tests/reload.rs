//! SIGHUP changes who may relay and where mail goes, for new sessions and for mail that already waits.

use postrider_journal::event::Ending;
use postrider_tests::client::Client;
use postrider_tests::onward::{Origin, Street};
use postrider_tests::peer::{Peer, Script};
use postrider_tests::site::Site;
use postrider_tests::wait::until_true;
use rustix::process::Signal;

const CONTENT: &str = "Subject: on its way\r\n\r\nThe text.\r\n";

/// What the server answers to a new client that wants to send elsewhere.
fn may_relay(server: &postrider_tests::process::Server) -> bool {
    let mut client = Client::greeted(server.address());
    client.says("MAIL FROM:<friend@local.example>", "250");
    let reply = client.says("RCPT TO:<you@elsewhere.example>", "");
    client.says("QUIT", "221");
    assert!(reply.starts_with("250") || reply.starts_with("550 5.7.1"), "{reply}");
    reply.starts_with("250")
}

#[test]
fn relaying_is_given_and_taken_without_a_restart() {
    let site = Site::local_example("");
    let strict = site.read_config();
    let server = site.serve();
    assert!(!may_relay(&server));
    site.write_config(&format!("relay_from = [\"127.0.0.1\"]\n{strict}"));
    server.signal(Signal::HUP);
    until_true("relaying is allowed", || may_relay(&server));
    site.write_config(&strict);
    server.signal(Signal::HUP);
    until_true("relaying is refused again", || !may_relay(&server));
    assert!(server.stop().success());
}

#[test]
fn queued_mail_takes_the_new_route_although_its_client_may_relay_no_more() {
    let street = Street::new();
    let (closed, open) = (street.at(2), street.at(3));
    let peer = Peer::at(open, Script::default());
    let route = |to| format!("[[route]]\nto = \"smtp://{to}\"\n");
    let origin = Origin::start("1h", &route(closed));
    let id = origin.send(&["you@elsewhere.example"], CONTENT);
    origin.tries_until(&id, |tries| !tries.is_empty());
    let old = origin.site.read_config();
    let new = old.replace(&route(closed), &route(open)).replace("relay_from = [\"127.0.0.1\"]\n", "");
    assert!(new.contains(&open.to_string()) && !new.contains("relay_from"), "{new}");
    origin.site.write_config(&new);
    origin.server().signal(Signal::HUP);
    let tries = origin.tries_until(&id, |tries| {
        tries.iter().flat_map(|one| &one.fates).any(|fate| fate.ending == Ending::Relayed)
    });
    assert_eq!(tries.last().unwrap().hosts.last().unwrap().address, Some(open), "{tries:#?}");
    assert_eq!(peer.accepted(), 1);
    origin.is_done();
    assert!(!may_relay(origin.server()));
    assert_eq!(origin.notices(), Vec::<String>::new());
}
