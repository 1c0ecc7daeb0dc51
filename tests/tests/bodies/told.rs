//! What a sender asked to be told survives other mail servers: a message goes from a client through us, through a
//! server in the middle, to us again. Whoever is the last that understands tells the sender, once.

use crate::relays::hand_in_with;
use postrider_tests::bodies::{self, Body, Kind};
use postrider_tests::machine::{Machine, free_address};
use postrider_tests::onward::{Origin, SENDER, Street};
use postrider_tests::process::{Server, outcome};
use postrider_tests::site::Site;
use postrider_tests::wait::until;
use postrider_tests::wiretap::{Place, Tap};
use postrider_tests::{exim, javascript, opensmtpd, postfix};
use std::net::SocketAddr;

/// Where the way ends.
const FAR: &str = "far.example";

/// What a client asks with everything that it can ask (RFC 3461 §4).
const MAIL: &str = " RET=HDRS ENVID=QQ+2B1+20x";
const RCPT: &str = " NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Team+2Bold@else.example";

/// What the last of all tells of that, if all went well (RFC 3464 §2).
const GOOD_NEWS: [&str; 5] =
    ["dns;mx.far.example", "QQ+1 x", "rfc822;Team+old@else.example", "rfc822;box@far.example", "delivered"];

/// Us, a server in the middle, and us again, with wires between.
struct Way {
    near: Origin,
    _middle: Machine,
    far: (Site, Server),
    to_middle: Tap,
    to_far: Tap,
}

impl Way {
    fn through(start: impl FnOnce(SocketAddr) -> Option<Machine>) -> Option<Self> {
        let street = Street::new();
        let near = street.at(1);
        let site = Site::new();
        // It passes on to the sender what the server in the middle has to tell.
        let back = format!("[[route]]\ndomains = [\"local.example\"]\nto = \"smtp://{near}\"\n");
        site.configure_as(
            "mx.far.example",
            free_address(),
            &format!("relay_from = [\"127.0.0.1\"]\n[domains.\"{FAR}\"]\n{back}"),
        );
        site.add_accounts(&[&format!("box@{FAR}")]);
        let server = site.serve();
        let to_far = Tap::before(&Place::Tcp(server.address()));
        let middle = start(to_far.address())?;
        let to_middle = Tap::before(&Place::Tcp(middle.address()));
        let route = format!("[[route]]\ndomains = [\"{FAR}\"]\nto = \"smtp://{}\"\n", to_middle.address());
        let near = Origin::at(near, "1h", &route);
        Some(Self { near, _middle: middle, far: (site, server), to_middle, to_far })
    }

    /// Sends a message with these parameters, as a client of ours.
    fn send(&self, body: &Body, recipient: &str, rcpt: &str) {
        let address = self.near.server().address();
        hand_in_with(address, body, (SENDER, MAIL), (recipient, rcpt), false).unwrap();
    }

    /// Waits for so many notices in the sender's mailbox, and until nobody has anything left to say.
    #[track_caller]
    fn notices(&self, count: usize) -> Vec<String> {
        until(&format!("{count} notices"), || (self.near.notices().len() >= count).then_some(()));
        self.near.is_done();
        until("the far queue is empty", || {
            self.far.0.postrider(&["queue", "list", "--json"]).is_empty().then_some(())
        });
        let notices = self.near.notices();
        assert_eq!(notices.len(), count, "{notices:#?}");
        notices
    }
}

/// The fields of a notice that programs read, in this order, those that it has.
fn fields(notice: &str) -> Vec<String> {
    let names = ["Reporting-MTA", "Original-Envelope-Id", "Original-Recipient", "Final-Recipient", "Action"];
    let mut found = Vec::new();
    for name in names {
        let is =
            |line: &&str| line.split_once(':').is_some_and(|(field, _)| field.eq_ignore_ascii_case(name));
        // Some put a space behind the type of an address, some do not.
        let value = |line: &str| line.split_once(':').unwrap().1.trim().replace("; ", ";");
        found.extend(notice.lines().filter(is).map(value));
    }
    found
}

fn body() -> Body {
    bodies::all().remove(0)
}

#[test]
fn what_nodemailer_asks_survives_postfix_and_good_news_comes_once() {
    const SCRIPT: &str = r#"
const [host, port, from, to] = process.argv.slice(1);
const transport = require("nodemailer").createTransport({ host, port, ignoreTLS: true, name: "node.example" });
transport.sendMail({
    envelope: { from, to: [to] }, raw: "Subject: x\r\n\r\nx\r\n",
    dsn: { id: "QQ+1 x", return: "headers", notify: ["success", "failure"], recipient: "Team+old@else.example" }
}).then(() => transport.close());
"#;
    let Some(way) = Way::through(|onward| postfix::start(onward, "")) else { return };
    let Some(mut command) = javascript::nodemailer(SCRIPT) else { return };
    let address = way.near.server().address();
    let box_far = format!("box@{FAR}");
    command.args([&address.ip().to_string(), &address.port().to_string(), SENDER, &box_far]);
    let (status, said) = outcome(command);
    assert!(status.success() && said.is_empty(), "{status}: {said}");
    let notices = way.notices(1);
    for tap in [&way.to_middle, &way.to_far] {
        let exchange = tap.exchanges().into_iter().find(|one| one.is_from(SENDER)).unwrap();
        for parameter in ["RET=HDRS", "ENVID=QQ+2B1+20x"] {
            assert!(exchange.mail.split(' ').any(|said| said == parameter), "{exchange:?}");
        }
        let [recipient] = exchange.recipients.as_slice() else { panic!("{exchange:?}") };
        for parameter in ["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;Team+2Bold@else.example"] {
            assert!(recipient.split(' ').any(|said| said == parameter), "{exchange:?}");
        }
    }
    let told = [
        "dns;mx.far.example",
        "QQ+1 x",
        "rfc822;Team+old@else.example",
        "rfc822;box@far.example",
        "delivered",
    ];
    assert_eq!(fields(&notices[0]), told, "{}", notices[0]);
    assert_eq!(way.far.0.mail(&box_far).len(), 1);
}

#[test]
fn a_failure_behind_postfix_is_told_once_and_never_where_never_was_asked() {
    let Some(way) = Way::through(|onward| postfix::start(onward, "")) else { return };
    way.send(&body(), &format!("nobody@{FAR}"), " NOTIFY=NEVER");
    way.send(&body(), &format!("nobody@{FAR}"), RCPT);
    way.send(&body(), &format!("box@{FAR}"), " NOTIFY=FAILURE");
    let notices = way.notices(1);
    let told = fields(&notices[0]);
    assert_eq!(told[1..], ["QQ+1 x", "rfc822;Team+old@else.example", "rfc822;nobody@far.example", "failed"]);
    assert!(notices[0].contains("5.1.1"), "{}", notices[0]);
    until("the far mailbox has its message", || {
        (way.far.0.mail(&format!("box@{FAR}")).len() == 1).then_some(())
    });
    let refused = || way.to_far.exchanges().iter().filter(|one| one.refusal().is_some()).count();
    until("both were refused there", || (refused() == 2).then_some(()));
}

#[test]
fn good_news_through_a_server_that_offers_no_dsn_is_ours_to_tell() {
    let Some(way) = Way::through(exim::start) else { return };
    way.send(&body(), &format!("box@{FAR}"), RCPT);
    let notices = way.notices(1);
    let told = [
        "dns;mx.local.example",
        "QQ+1 x",
        "rfc822;Team+old@else.example",
        "rfc822;box@far.example",
        "relayed",
    ];
    assert_eq!(fields(&notices[0]), told, "{}", notices[0]);
    until("it is there", || (way.far.0.mail(&format!("box@{FAR}")).len() == 1).then_some(()));
}

#[test]
fn what_was_asked_survives_opensmtpd() {
    let Some(way) = Way::through(opensmtpd::start) else { return };
    way.send(&body(), &format!("box@{FAR}"), RCPT);
    let notices = way.notices(1);
    assert_eq!(fields(&notices[0]), GOOD_NEWS, "{}", notices[0]);
}

#[test]
fn the_name_of_a_recipient_in_utf8_survives_postfix() {
    let Some(way) = Way::through(|onward| postfix::start(onward, "")) else { return };
    let utf8 = bodies::all().into_iter().find(|body| body.kind == Kind::Utf8).unwrap();
    way.send(&utf8, &format!("box@{FAR}"), " NOTIFY=SUCCESS ORCPT=utf-8;J\\x{F6}rg@else.example");
    let notices = way.notices(1);
    let said = way.to_far.exchanges().into_iter().find(|one| one.is_from(SENDER)).unwrap().recipients;
    let told = fields(&notices[0]);
    assert!(told[2].starts_with("utf-8;J") && told[2].ends_with("rg@else.example"), "{said:?} {told:?}");
    assert_eq!(told.last().map(String::as_str), Some("delivered"), "{}", notices[0]);
}
