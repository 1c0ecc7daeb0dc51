//! `postrider send` without a server: the real binary, a name server and hosts that play scripts, all on
//! loopback.

#![expect(clippy::unwrap_used, clippy::panic, reason = "clippy frees test functions, not their helpers")]

mod names;
mod peer;

use names::{Names, Record};
use peer::{Dev, Ran, play, run};
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;

const FIRST: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const SECOND: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

const HELLO: &str = "S: 220 mx.example\nC: EHLO me.example\nS: 250 mx.example\n";
const MAIL: &str = "C: MAIL FROM:<a@a.example>\nS: 250 ok\n";
const RCPT: &str = "C: RCPT TO:<b@b.example>\nS: 250 ok\n";
const DATA: &str = "C: DATA\nS: 354 go on\ncontent\n";
const TAKEN: &str = "S: 250 2.0.0 queued as 1\nC: QUIT\nS: 221 bye\n";

/// Two mail hosts of b.example, one behind the other, and what goes wrong with other domains.
fn names() -> Names {
    Names::serve(&[
        ("b.example", Record::Mx(10, "mx1.b.example")),
        ("b.example", Record::Mx(20, "mx2.b.example")),
        ("mx1.b.example", Record::A(FIRST)),
        ("mx2.b.example", Record::A(SECOND)),
        ("c.example", Record::A(SECOND)),
        ("null.example", Record::Mx(0, ".")),
        ("servfail.example", Record::Trouble(2)),
        ("nowhere.example", Record::Mx(10, "gone.example")),
    ])
}

/// Hosts on one port of both addresses; `None`: nothing listens there.
struct Hosts {
    port: u16,
    first: Option<TcpListener>,
    second: Option<TcpListener>,
}

impl Hosts {
    fn new() -> Self {
        // The port that one address has free may be taken on the other.
        loop {
            let first = TcpListener::bind((FIRST, 0)).unwrap();
            let port = first.local_addr().unwrap().port();
            if let Ok(second) = TcpListener::bind((SECOND, port)) {
                return Self { port, first: Some(first), second: Some(second) };
            }
        }
    }

    /// Runs `postrider send` while the hosts play these scripts.
    fn send(&self, names: &Names, scripts: [&str; 2], more: &[&str]) -> Ran {
        let (dns, port) = (names.address.to_string(), self.port.to_string());
        let mut arguments = vec!["send", "--dns", &dns, "--port", &port, "--allow", "127.0.0.0/8"];
        arguments.extend(["--helo", "me.example", "--from", "a@a.example", "--subject", "s"]);
        arguments.extend(["--timeout", "20s"]);
        arguments.extend(more);
        let listeners = [&self.first, &self.second];
        thread::scope(|scope| {
            let playing: Vec<_> = listeners
                .into_iter()
                .zip(scripts)
                .filter_map(|(listener, script)| listener.as_ref().map(|listener| (listener, script)))
                .map(|(listener, script)| scope.spawn(|| play(&listener.accept().unwrap().0, script)))
                .collect();
            let mut ran = run(&arguments, b"");
            for listener in listeners.into_iter().flatten() {
                // Wakes a host that nobody came to.
                drop(TcpStream::connect(listener.local_addr().unwrap()));
            }
            for host in playing {
                ran.content.extend(host.join().unwrap_or_else(|_| panic!("{}", ran.said())));
            }
            ran
        })
    }
}

/// The lines about hosts, without their times.
fn hosts_shown(ran: &Ran) -> Vec<&str> {
    ran.stdout.lines().filter_map(|line| line.split_once("  -> ")).map(|(_, text)| text).collect()
}

#[test]
fn the_hosts_of_the_domain_are_tried_by_preference_and_shown() {
    let hosts = Hosts::new();
    let script = [HELLO, MAIL, RCPT, DATA, TAKEN].concat();
    let ran = hosts.send(&names(), [&script, ""], &["--to", "b@b.example"]);
    assert_eq!(ran.code, 0, "{}", ran.said());
    assert!(ran.stdout.contains("mx1.b.example") && ran.stdout.contains("mx2.b.example"), "{}", ran.said());
    let expected = format!("connected to mx1.b.example at {FIRST}:{}", hosts.port);
    assert_eq!(hosts_shown(&ran), [expected], "{}", ran.said());
    assert!(ran.stdout.contains("=> <b@b.example> accepted: 250 2.0.0 queued as 1"), "{}", ran.said());
}

#[test]
fn trouble_with_one_host_leads_to_the_next() {
    let names = names();
    let script = [HELLO, MAIL, RCPT, DATA, TAKEN].concat();
    for (first, why) in [
        ("S: 554 5.7.1 no\nclose", "at the greeting: the host refuses to serve us: 554 5.7.1 no"),
        ("S: 421 4.3.2 busy\nclose", "at the greeting"),
        ("close", "the connection was closed"),
        ("S: 220 mx\nC: EHLO me.example\nS: 550 no\nC: HELO me.example\nS: 550 no\nclose", "at EHLO"),
        ("S: 220 mx\nC: EHLO me.example\nS: 250 mx\nC: MAIL FROM:<a@a.example>\nS: 421 bye\nclose", "421"),
    ] {
        let hosts = Hosts::new();
        let ran = hosts.send(&names, [first, &script], &["--to", "b@b.example"]);
        assert_eq!(ran.code, 0, "{first}: {}", ran.said());
        let shown = hosts_shown(&ran);
        let tried = format!("tried mx1.b.example at {FIRST}:{}, and failed: ", hosts.port);
        assert!(shown[1].starts_with(&tried) && shown[1].contains(why), "{first}: {}", ran.said());
        assert!(shown[2].starts_with("connected to mx2.b.example at 127.0.0.3:"), "{}", ran.said());
        assert!(!ran.stdout.contains("!!"), "{}", ran.said());
    }
    let mut hosts = Hosts::new();
    hosts.first = None;
    let ran = hosts.send(&names, ["", &script], &["--to", "b@b.example", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.said());
    let json: Value = serde_json::from_str(&ran.stdout).unwrap();
    let tried = &json["domains"][0]["hosts"];
    assert_eq!(tried[0]["host"], "mx1.b.example");
    assert_eq!(tried[0]["result"], "failed");
    assert_eq!(tried[0]["why"], "connection refused");
    assert_eq!(tried[1]["address"], SocketAddr::from((SECOND, hosts.port)).to_string());
    assert_eq!(tried[1]["result"], "connected");
    assert_eq!((&json["problem"], &json["server"]), (&Value::Null, &Value::Null));
    assert!(json["domains"][0]["dns"][0].as_str().unwrap().contains("mx1.b.example"), "{json}");
}

#[test]
fn what_a_host_says_of_a_recipient_stands() {
    let hosts = Hosts::new();
    let refused = [HELLO, MAIL, "C: RCPT TO:<b@b.example>\nS: 550 5.1.1 no\nC: QUIT\nS: 221 bye\n"].concat();
    let ran = hosts.send(&names(), [&refused, ""], &["--to", "b@b.example"]);
    assert_eq!(ran.code, 69, "{}", ran.said());
    assert!(ran.stdout.contains("no such mailbox") && !ran.stdout.contains("at 127.0.0.3"), "{}", ran.said());
}

#[test]
fn a_message_whose_answer_was_lost_is_not_sent_to_another_host() {
    let hosts = Hosts::new();
    let lost = [HELLO, MAIL, RCPT, DATA, "close"].concat();
    let ran = hosts.send(&names(), [&lost, ""], &["--to", "b@b.example"]);
    assert_eq!(ran.code, 75, "{}", ran.said());
    assert!(ran.stdout.contains("may bring it twice"), "{}", ran.said());
    assert!(!ran.stdout.contains("at 127.0.0.3"), "{}", ran.said());
}

#[test]
fn when_every_host_turns_us_away_for_good_the_message_is_refused() {
    let hosts = Hosts::new();
    let away = "S: 554 5.7.1 no\nclose";
    let ran = hosts.send(&names(), [away, away], &["--to", "b@b.example"]);
    assert_eq!(ran.code, 69, "{}", ran.said());
    let hosts = Hosts::new();
    let ran = hosts.send(&names(), ["S: 421 4.3.2 busy\nclose", away], &["--to", "b@b.example"]);
    assert_eq!(ran.code, 75, "the first may still take it: {}", ran.said());
    assert!(ran.stdout.contains("!! no host of b.example took the message"), "{}", ran.said());
    let hosts = Hosts::new();
    let ran = hosts.send(&names(), [away, away], &["--to", "b@b.example", "--quiet"]);
    assert_eq!(ran.stdout, "", "{}", ran.said());
    assert!(ran.stderr.contains("postrider: tried mx1.b.example at 127.0.0.2"), "{}", ran.said());
}

#[test]
fn each_domain_has_a_conversation_of_its_own() {
    let hosts = Hosts::new();
    let b = [HELLO, MAIL, RCPT, "C: RCPT TO:<d@B.example>\nS: 250 ok\n", DATA, TAKEN].concat();
    let c = [HELLO, MAIL, "C: RCPT TO:<c@c.example>\nS: 450 4.2.1 later\nC: QUIT\nS: 221 bye\n"].concat();
    let to = ["--to", "b@b.example", "--to", "c@c.example", "--to", "d@B.example", "--to", "x@gone.example"];
    let ran = hosts.send(&names(), [&b, &c], &to);
    assert_eq!(ran.code, 68, "{}", ran.said());
    let headings: Vec<&str> = ran.stdout.lines().filter(|line| !line.starts_with(' ')).collect();
    assert_eq!(headings, ["b.example", "c.example", "gone.example", "What became of it"], "{}", ran.said());
    for words in [
        "<b@b.example> accepted",
        "<d@B.example> accepted",
        "<c@c.example> not taken now",
        "<x@gone.example> not sent",
        "gone.example does not exist",
    ] {
        assert!(ran.stdout.contains(words), "{words}: {}", ran.said());
    }
}

#[test]
fn what_dns_says_has_its_exit_code_and_advice() {
    let names = names();
    let dns = names.address.to_string();
    for (domain, code, words) in [
        ("gone.example", 68, "does not exist"),
        ("null.example", 69, "takes no mail at all"),
        ("nowhere.example", 69, "5.4.4"),
        ("servfail.example", 75, "--dns"),
    ] {
        let to = format!("x@{domain}");
        let arguments = ["send", "--dns", &dns, "--from", "a@a.example", "--to", &to, "--subject", "s"];
        let ran = run(&arguments, b"");
        assert_eq!(ran.code, code, "{domain}: {}", ran.said());
        assert!(ran.stdout.contains(words), "{domain}: {}", ran.said());
        assert!(ran.stdout.contains("add --server 127.0.0.1:2525"), "{domain}: {}", ran.said());
    }
}

#[test]
fn dns_leads_to_loopback_only_where_that_is_allowed() {
    let hosts = Hosts::new();
    let (dns, port) = (names(), hosts.port.to_string());
    let address = dns.address.to_string();
    let arguments = [
        "send",
        "--dns",
        &address,
        "--port",
        &port,
        "--from",
        "a@a.example",
        "--to",
        "b@b.example",
        "--subject",
        "s",
    ];
    let ran = run(&arguments, b"");
    assert_eq!(ran.code, 69, "{}", ran.said());
    let shown = hosts_shown(&ran);
    assert!(
        shown.iter().all(|line| line.starts_with("passed over mx")) && shown.len() == 2,
        "{}",
        ran.said()
    );
    assert!(ran.stdout.contains("--allow NETWORK"), "{}", ran.said());
}

#[test]
fn options_for_dns_and_a_server_exclude_each_other() {
    for more in [
        &["--server", "127.0.0.1:1", "--dns", "127.0.0.1"][..],
        &["--server", "127.0.0.1:1", "--port", "26"],
        &["--server", "127.0.0.1:1", "--allow", "127.0.0.1"],
        &["--lmtp"],
        &["--allow", "loopback"],
        &["--ip", "5"],
        &["--dns", "ns.example"],
        &["--to", "postmaster"],
    ] {
        let arguments = ["send", "--from", "a@a.example", "--to", "b@b.invalid", "--subject", "s"];
        let ran = run(&[&arguments, more].concat(), b"");
        assert_eq!(ran.code, 64, "{more:?}: {}", ran.said());
    }
}

#[test]
fn dev_is_found_by_mx_like_any_host() {
    let mut dev = Dev::start();
    let address: SocketAddr = dev.address.parse().unwrap();
    let names = Names::serve(&[
        ("b.example", Record::Mx(10, "mx.b.example")),
        ("mx.b.example", Record::A(Ipv4Addr::LOCALHOST)),
    ]);
    let (dns, port) = (names.address.to_string(), address.port().to_string());
    let mut arguments = vec!["send", "--dns", &dns, "--port", &port, "--allow", "127.0.0.1", "--file", "-"];
    arguments.extend(["--from", "a@a.example", "--to", "b@b.example", "--ip", "4"]);
    let ran = run(&arguments, b"Subject: by MX\r\n\r\nhello\r\n");
    assert_eq!(ran.code, 0, "{}", ran.said());
    assert_eq!(dev.delivered("b@b.example"), b"Subject: by MX\r\n\r\nhello\r\n");
}
