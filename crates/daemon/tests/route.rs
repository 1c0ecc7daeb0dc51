//! `postrider route` from end to end, and who may send through a running server.

#![expect(clippy::unwrap_used, reason = "clippy frees test functions, not their helpers")]

mod names;
#[path = "common/server.rs"]
mod server;

use insta::assert_snapshot;
use names::{Names, Record};
use serde_json::Value;
use server::{Server, Site};
use std::fs;
use std::net::Ipv4Addr;

const MESSAGE: &str = "Subject: hello\n\nIt works.";

/// A site with one local domain and these lines at the top and at the end of its configuration.
fn site(top: &str, end: &str) -> Site {
    let site = Site::with_domains(&["local.example"]);
    let config = fs::read_to_string(site.config()).unwrap();
    fs::write(site.config(), format!("{top}\n{config}\n{end}\n")).unwrap();
    site
}

fn table() -> Vec<(&'static str, Record)> {
    let a = |d| Record::A(Ipv4Addr::new(192, 0, 2, d));
    vec![
        ("two.example", Record::Mx(20, "b.two.example")),
        ("two.example", Record::Mx(10, "a.two.example")),
        ("two.example", Record::Mx(30, "c.two.example")),
        ("a.two.example", a(1)),
        ("b.two.example", a(2)),
        ("c.two.example", Record::A(Ipv4Addr::LOCALHOST)),
        ("plain.example", a(3)),
        ("null.example", Record::Mx(0, ".")),
        ("broken.example", Record::Trouble(2)),
        ("back.example", Record::Mx(10, "mx.example.org")),
        ("back.example", Record::Mx(20, "worse.example")),
        ("worse.example", a(9)),
        ("mx.example.org", a(8)),
    ]
}

/// What it says of an address, and how it ends.
fn route(site: &Site, address: &str) -> String {
    let output = site.told_by_config(&["route", address], "");
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    format!("{said}exit {}", output.status.code().unwrap())
}

#[test]
fn the_hosts_that_dns_names_are_shown_in_their_order() {
    let names = Names::serve(&table());
    let servers = names.address.to_string();
    let end = format!("[dns]\nservers = [\"{servers}\"]");
    let site =
        site("relay_from = [\"192.0.2.0/24\"]\nrelay_domains = [\"two.example\", \"back.example\"]", &end);
    let told: Vec<String> = [
        "x@two.example",
        "x@plain.example",
        "x@none.example",
        "x@null.example",
        "x@broken.example",
        "x@back.example",
        "x%y@back.example",
        "x@[192.0.2.7]",
        "x@mx.example.org",
    ]
    .map(|address| route(&site, address))
    .into();
    assert_snapshot!(told.join("\n\n").replace(&servers, "DNS"), @r"
    x@two.example: not local; whoever connects may send to it (relay_domains two.example, and relay_from)
      route 2 (by default): everything else: the domain's mail hosts (MX)
      MX of two.example: 10 a.two.example, 20 b.two.example, 30 c.two.example
      a.two.example: 192.0.2.1
      b.two.example: 192.0.2.2
      c.two.example: 127.0.0.1
      passed over: c.two.example 127.0.0.1:25: it is a loopback address
      1. a.two.example at 192.0.2.1:25, preference 10
      2. b.two.example at 192.0.2.2:25, preference 20
    exit 0

    x@plain.example: not local; clients in 192.0.2.0/24 may send to it (relay_from), others hear 550 5.7.1
      route 2 (by default): everything else: the domain's mail hosts (MX)
      MX of plain.example: none, it is its own mail host
      plain.example: 192.0.2.3
      1. plain.example at 192.0.2.3:25, preference 0
    exit 0

    x@none.example: not local; clients in 192.0.2.0/24 may send to it (relay_from), others hear 550 5.7.1
      route 2 (by default): everything else: the domain's mail hosts (MX)
      MX of none.example: the name does not exist (NXDOMAIN)
      no host: 550 5.1.2 the domain none.example does not exist (NXDOMAIN)
    exit 68

    x@null.example: not local; clients in 192.0.2.0/24 may send to it (relay_from), others hear 550 5.7.1
      route 2 (by default): everything else: the domain's mail hosts (MX)
      MX of null.example: 0 .
      no host: 556 5.1.10 the domain null.example takes no mail (its MX is null)
    exit 68

    x@broken.example: not local; clients in 192.0.2.0/24 may send to it (relay_from), others hear 550 5.7.1
      route 2 (by default): everything else: the domain's mail hosts (MX)
      MX of broken.example: the name servers could not answer: DNS: SERVFAIL
      no host: 451 4.4.3 the mail hosts of broken.example cannot be looked up now: the name servers could not answer: DNS: SERVFAIL
    exit 75

    x@back.example: not local; whoever connects may send to it (relay_domains back.example, and relay_from)
      route 2 (by default): everything else: the domain's mail hosts (MX)
      MX of back.example: 10 mx.example.org, 20 worse.example
      passed over: mx.example.org: this is our own name; hosts that are no better are left out too
      no host: 554 5.4.6 mail for back.example loops back: this host is its best mail exchanger but does not know it as its own
    exit 68

    x%y@back.example: not local; clients in 192.0.2.0/24 may send to it (relay_from), others hear 550 5.7.1
      route 2 (by default): everything else: the domain's mail hosts (MX)
      MX of back.example: 10 mx.example.org, 20 worse.example
      passed over: mx.example.org: this is our own name; hosts that are no better are left out too
      no host: 554 5.4.6 mail for back.example loops back: this host is its best mail exchanger but does not know it as its own
    exit 68

    x@[192.0.2.7]: not local; clients in 192.0.2.0/24 may send to it (relay_from), others hear 550 5.7.1
      route 2 (by default): everything else: the domain's mail hosts (MX)
      1. [192.0.2.7] at 192.0.2.7:25
    exit 0

    x@mx.example.org: not local, and refused: 550 5.4.4 no route leads to mx.example.org from this server
    exit 69
    ");
}

#[test]
fn an_address_of_ours_is_followed_to_where_its_mail_goes() {
    let routes = r#"
[[route]]
domains = ["over.example"]
to = "lmtp:/run/dovecot/lmtp"
[[route]]
domains = ["kept.example"]
to = "hold"
"#;
    let site = site("smarthost = \"192.0.2.25:587\"", routes);
    site.ok_by_config(&["account", "add", "alice@local.example", "--no-password"]);
    let members =
        ["alice@local.example", "bob@else.example", "Carl@over.example", "d@kept.example", "e@other.example"];
    site.ok_by_config(&[&["alias", "add", "all@local.example"], &members[..]].concat());
    let told =
        ["alice+tag@local.example", "all@local.example", "nobody@local.example", "postmaster@local.example"]
            .map(|address| route(&site, address));
    assert_snapshot!(told.join("\n\n"), @r"
    alice+tag@local.example: local; whoever connects may send to it

    alice@local.example
      route 3 (by default): local domains: local mailbox
    exit 0

    all@local.example: local; whoever connects may send to it

    alice@local.example, through the alias all@local.example
      route 3 (by default): local domains: local mailbox

    bob@else.example, through the alias all@local.example
      route 4 (smarthost on line 1): everything else: smart host [192.0.2.25], port 587
      1. [192.0.2.25] at 192.0.2.25:587

    Carl@over.example, through the alias all@local.example
      route 1 ([[route]] on line 9): over.example: LMTP to /run/dovecot/lmtp
      1. /run/dovecot/lmtp

    d@kept.example, through the alias all@local.example
      route 2 ([[route]] on line 12): kept.example: held

    e@other.example, through the alias all@local.example
      route 4 (smarthost on line 1): everything else: smart host [192.0.2.25], port 587
      the same hosts as for bob@else.example
    exit 0

    nobody@local.example: local, and refused: 550 5.1.1 there is no mailbox nobody@local.example here
    exit 69

    postmaster@local.example: local; whoever connects may send to it

    postmaster@mx.example.org
      route 3 (by default): local domains: local mailbox
    exit 0
    ");
    let json: Value =
        serde_json::from_str(&site.ok_by_config(&["route", "all@local.example", "--json"])).unwrap();
    assert_eq!(json["local"], true);
    assert_eq!(json["accepted_from_everyone"], true);
    assert_eq!(json["destinations"][1]["route"]["number"], 4);
    assert_eq!(json["destinations"][1]["hosts"][0]["at"], "192.0.2.25:587");
    assert_eq!(json["destinations"][2]["hosts"][0]["host"], "/run/dovecot/lmtp");
    assert_eq!(json["destinations"][3]["route"]["to"], "held");
    site.assert_one_owner();
}

#[test]
fn without_a_data_folder_or_an_address_it_says_so() {
    let site = site("", "");
    fs::remove_dir(site.data()).unwrap();
    let said = site.fails_by_config(&["route", "alice@local.example"], 69);
    assert!(said.contains("there is no data folder"), "{said}");
    site.fails_by_config(&["route", "no address"], 64);
    site.fails(&["route", "a@b.example"], 64);
}

#[test]
fn nobody_relays_through_a_running_server_until_it_is_written_down() {
    let hold = "[[route]]\ndomains = [\"far.example\", \"backup.example\"]\nto = \"hold\"\n[[route]]\ndomains = [\"only.example\"]\nto = \"smtp://192.0.2.1\"";
    let strict = site("relay_domains = [\"backup.example\"]", hold);
    let server = Server::serve(&strict);
    let to = |server: &Server, path: &str| server.submit("a@client.example", &[path], MESSAGE).swap_remove(0);
    for path in
        ["x@far.example", "x@[192.0.2.1]", "x%far.example@backup.example", "@backup.example:x@far.example"]
    {
        assert!(to(&server, path).starts_with("550 5.7.1"), "{path}: {}", to(&server, path));
    }
    assert!(to(&server, "x%far.example@local.example").starts_with("550 5.1.1"));
    assert!(to(&server, "x@backup.example").starts_with("250"));
    server.stop();

    let open = site("relay_from = [\"127.0.0.1\"]", hold);
    let server = Server::serve(&open);
    assert!(to(&server, "x@far.example").starts_with("250"));
    assert!(to(&server, "x@elsewhere.example").starts_with("550 5.4.4"));
    let trace = open.ok_by_config(&["trace", "x@far.example"]);
    assert!(trace.contains("relay: relay_from 127.0.0.1/32: held"), "{trace}");
    server.stop();
}
