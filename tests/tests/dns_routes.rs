//! Mail finds its way by DNS: a real name server, real connections, hosts that fail, and names that lie.

use postrider_journal::event::{Ending, HostResult};
use postrider_tests::dns::{Dns, Zone};
use postrider_tests::onward::{Origin, Street, Try};
use postrider_tests::peer::{BlackHole, Fault, Peer, Script, Step};
use postrider_tests::site::Site;
use postrider_tests::wait::until_true;
use std::net::Ipv4Addr;

const CONTENT: &str = "From: friend@local.example\r\nTo: you\r\nSubject: by MX\r\nDate: Sun, 22 Nov 2026 20:00:00 +0000\r\n\
    Message-ID: <by-mx@local.example>\r\n\r\nThe text.\r\n.. two dots\r\n";

/// Name servers are waited for no longer than this.
fn sections(dns: &Dns, street: Street) -> String {
    format!("{}timeout = \"1s\"\nattempts = 1\n{}", dns.section(), street.route())
}

fn is_final(tries: &[Try]) -> bool {
    tries.iter().flat_map(|one| &one.fates).any(|fate| fate.ending != Ending::Deferred)
}

#[test]
fn a_postrider_finds_another_by_mx_and_delivers() {
    let street = Street::new();
    let Some(dns) = Dns::start(&[Zone::Records("b.example", &format!("@ MX 10 mx\nmx A {}", street.ip(2)))])
    else {
        return;
    };
    let there = Site::new();
    there.configure_as("mx.b.example", street.at(2), "[domains.\"b.example\"]\n");
    there.add_accounts(&["bob@b.example"]);
    let server = there.serve();
    let origin = Origin::start("1h", &sections(&dns, street));
    let id = origin.send(&["bob@b.example"], &CONTENT.replace("\r\n..", "\r\n..."));
    let mail = there.delivered("bob@b.example", 1);
    let text = String::from_utf8(mail[0].1.clone()).unwrap();
    assert!(text.ends_with(&CONTENT.replace("\r\n", "\n")), "{text}");
    assert_eq!(text.matches("\nReceived: ").count(), 2, "{text}");
    let tries = origin.tries_until(&id, is_final);
    assert_eq!(tries.len(), 1, "{tries:?}");
    assert_eq!(tries[0].hosts.len(), 1, "{tries:?}");
    assert_eq!(tries[0].hosts[0].host.as_str(), "mx.b.example");
    assert_eq!(tries[0].hosts[0].address, Some(street.at(2)));
    assert_eq!(tries[0].hosts[0].result, HostResult::Connected);
    assert_eq!(tries[0].fates[0].ending, Ending::Relayed);
    origin.is_done();
    assert_eq!(origin.notices(), Vec::<String>::new());
    origin.stop();
    assert!(server.stop().success());
}

/// What may be wrong with the first host.
enum First {
    /// Nobody listens.
    Refuses,
    /// Nobody answers.
    Dead,
    /// Somebody fails.
    Fails(Step, Fault),
}

#[test]
fn when_the_first_mx_fails_the_second_gets_it_at_once() {
    let street = Street::new();
    let firsts = [
        ("refuses", First::Refuses),
        ("dead", First::Dead),
        ("greets421", First::Fails(Step::Greeting, Fault::Says("421 4.3.2 not now"))),
        ("greets554", First::Fails(Step::Greeting, Fault::Says("554 5.3.2 not you"))),
        ("closes", First::Fails(Step::Greeting, Fault::Close)),
        ("silent", First::Fails(Step::Greeting, Fault::Silence)),
        ("garbage", First::Fails(Step::Greeting, Fault::Mutters("\u{7f}\u{0}no mail server\r\n"))),
        ("ehlo421", First::Fails(Step::Ehlo, Fault::Says("421 4.3.2 going down"))),
        ("mail421", First::Fails(Step::Mail, Fault::Says("421 4.3.2 going down"))),
    ];
    let names: Vec<String> = firsts.iter().map(|(name, _)| format!("{name}.example")).collect();
    let records: Vec<String> = (10..)
        .zip(&firsts)
        .map(|(house, _)| {
            format!("@ MX 10 first\n@ MX 20 second\nfirst A {}\nsecond A {}", street.ip(house), street.ip(2))
        })
        .collect();
    let zones: Vec<Zone<'_>> =
        names.iter().zip(&records).map(|(name, records)| Zone::Records(name, records)).collect();
    let Some(dns) = Dns::start(&zones) else { return };
    let mut peers = Vec::new();
    let mut holes = Vec::new();
    for (house, (_, first)) in (10..).zip(&firsts) {
        match first {
            First::Refuses => {}
            First::Dead => holes.push(BlackHole::at(street.at(house))),
            First::Fails(step, fault) => {
                peers.push(Peer::at(street.at(house), Script::failing(*step, *fault)));
            }
        }
    }
    let second = Peer::at(street.at(2), Script::default());
    let origin = Origin::start("1h", &sections(&dns, street));
    let ids: Vec<String> = names.iter().map(|name| origin.send(&[&format!("you@{name}")], CONTENT)).collect();
    until_true("the second host has all of it", || second.accepted() >= names.len());
    for (name, id) in names.iter().zip(&ids) {
        let tries = origin.tries_until(id, is_final);
        assert_eq!(tries.len(), 1, "{name}: at once, not at the next attempt: {tries:#?}");
        let hosts = &tries[0].hosts;
        assert_eq!(hosts[0].host.as_str(), format!("first.{name}"), "{hosts:#?}");
        let failed = hosts.iter().any(|host| host.result == HostResult::Failed && host.why.is_some());
        assert!(failed, "{name}: the story says why: {hosts:#?}");
        let last = hosts.last().unwrap();
        assert_eq!(last.address, Some(street.at(2)), "{hosts:#?}");
        assert_eq!(tries[0].fates[0].ending, Ending::Relayed, "{name}");
    }
    origin.is_done();
    assert_eq!(second.seen().len(), names.len(), "nothing twice");
    assert_eq!(peers.iter().map(Peer::accepted).sum::<usize>(), 0);
    assert_eq!(origin.notices(), Vec::<String>::new());
}

#[test]
fn what_dns_says_decides_the_fate_and_the_notice() {
    let street = Street::new();
    let us = street.at(9);
    let own = format!("@ MX 10 us\nus A {}", us.ip());
    let backup = format!(
        "@ MX 10 primary\n@ MX 20 us\n@ MX 30 worse\nprimary A {}\nus A {}\nworse A {}",
        street.ip(3),
        us.ip(),
        street.ip(2)
    );
    let direct = format!("@ A {}", street.ip(2));
    let alias = format!("@ MX 10 alias\nalias CNAME real\nreal A {}", street.ip(2));
    let elsewhere = format!("mail CNAME mail.direct.example.\nx A {}", street.ip(2));
    let zones = [
        Zone::Records("nullmx.example", "@ MX 0 ."),
        Zone::Records("nohost.example", "@ MX 10 nowhere"),
        Zone::Records("noaddress.example", "@ TXT nothing"),
        Zone::Records("ownhost.example", &own),
        Zone::Records("backup.example", &backup),
        Zone::Records("direct.example", &format!("{direct}\nmail A {}", street.ip(2))),
        Zone::Records("alias.example", &alias),
        Zone::Records("elsewhere.example", &elsewhere),
        Zone::Records("unspecified.example", "@ MX 10 zero\nzero A 0.0.0.0"),
        Zone::Records("multicast.example", "@ MX 10 many\nmany A 224.0.0.1"),
        Zone::Records("linklocal.example", "@ MX 10 near\nnear A 169.254.1.1\nnear AAAA fe80::1"),
        Zone::Records("mapped.example", "@ MX 10 us\nus AAAA ::ffff:169.254.1.1"),
        Zone::Broken("broken.example"),
        Zone::Silent("silent.example"),
    ];
    let Some(dns) = Dns::start(&zones) else { return };
    let taker = Peer::at(street.at(2), Script::default());
    let origin = Origin::at(us, "4s", &sections(&dns, street));
    let failed = [
        ("nullmx.example", "5.1.10"),
        ("nxdomain.example", "5.1.2"),
        ("nohost.example", "5.4.4"),
        ("noaddress.example", "5.4.4"),
        ("ownhost.example", "5.4.6"),
        ("unspecified.example", "5.4.4"),
        ("multicast.example", "5.4.4"),
        ("linklocal.example", "5.4.4"),
        ("mapped.example", "5.4.4"),
    ];
    let deferred = ["broken.example", "silent.example", "backup.example"];
    let relayed = ["direct.example", "alias.example", "mail.elsewhere.example"];
    let send = |domain: &str| origin.send(&[&format!("you@{domain}")], CONTENT);
    let failed = failed.map(|(domain, status)| (domain, status, send(domain)));
    let deferred = deferred.map(|domain| (domain, send(domain)));
    let relayed = relayed.map(|domain| (domain, send(domain)));
    for (domain, status, id) in &failed {
        let tries = origin.tries_until(id, is_final);
        assert_eq!(tries.len(), 1, "{domain} fails at once: {tries:#?}");
        let fate = &tries[0].fates[0];
        assert_eq!(fate.ending, Ending::Failed, "{domain}: {fate:?}");
        assert_eq!(fate.reply.enhanced().unwrap().to_string(), *status, "{domain}: {fate:?}");
        let notice = origin.notice_about(&format!("you@{domain}"));
        assert!(notice.contains("\nAction: failed\n"), "{notice}");
        assert!(notice.contains(&format!("\nStatus: {status}\n")), "{notice}");
    }
    for (domain, id) in &deferred {
        let tries = origin.tries_until(id, is_final);
        let (last, before) = tries.split_last().unwrap();
        assert!(!before.is_empty(), "{domain} is tried again: {tries:#?}");
        assert_eq!(before[0].fates[0].ending, Ending::Deferred, "{domain}");
        assert!(before[0].fates[0].next_attempt.is_some(), "{domain}");
        assert_eq!(last.fates.last().unwrap().ending, Ending::Failed, "{domain}: {tries:#?}");
        let notice = origin.notice_about(&format!("you@{domain}"));
        assert!(notice.contains("\nAction: failed\n"), "{notice}");
        println!("{domain}:\n{notice}");
    }
    for (domain, id) in &relayed {
        let tries = origin.tries_until(id, is_final);
        assert_eq!(tries[0].fates[0].ending, Ending::Relayed, "{domain}: {tries:#?}");
    }
    origin.is_done();
    assert_eq!(taker.accepted(), relayed.len(), "hosts behind our own in preference are not for us to try");
    assert_eq!(origin.notices().len(), failed.len() + deferred.len(), "each notice once");
}

#[test]
fn a_host_at_any_address_of_ours_is_a_loop_where_we_listen_at_all_of_them() {
    let street = Street::new();
    let zone = format!("@ MX 10 us\nus A {}", street.ip(2));
    let Some(dns) = Dns::start(&[Zone::Records("ownhost.example", &zone)]) else { return };
    let everywhere = (Ipv4Addr::UNSPECIFIED, street.at(2).port()).into();
    let origin = Origin::at(everywhere, "1h", &sections(&dns, street));
    let id = origin.send(&["you@ownhost.example"], CONTENT);
    let tries = origin.tries_until(&id, is_final);
    assert_eq!(tries.len(), 1, "{tries:#?}");
    let (host, fate) = (&tries[0].hosts[0], &tries[0].fates[0]);
    assert_eq!((host.result, host.address), (HostResult::PassedOver, Some(street.at(2))), "{host:?}");
    assert_eq!(fate.reply.enhanced().unwrap().to_string(), "5.4.6", "{fate:?}");
    assert!(origin.notice_about("you@ownhost.example").contains("\nStatus: 5.4.6\n"));
    origin.is_done();
}

#[test]
fn an_mx_on_loopback_is_not_connected_to_unless_it_is_listed() {
    let street = Street::new();
    let zone = format!("@ MX 10 mx\nmx A {}", street.ip(2));
    let Some(dns) = Dns::start(&[Zone::Records("inside.example", &zone)]) else { return };
    let peer = Peer::at(street.at(2), Script::default());
    let unlisted = sections(&dns, street).replace("allow = [\"127.0.0.0/8\"]\n", "");
    let origin = Origin::start("1h", &unlisted);
    let id = origin.send(&["you@inside.example"], CONTENT);
    let tries = origin.tries_until(&id, is_final);
    let host = &tries[0].hosts[0];
    assert_eq!(host.result, HostResult::PassedOver, "{tries:#?}");
    assert!(host.why.as_ref().unwrap().as_str().contains("loopback"), "{host:?}");
    assert_eq!(tries[0].fates[0].reply.enhanced().unwrap().to_string(), "5.4.4", "{tries:#?}");
    origin.notice_about("you@inside.example");
    assert_eq!(peer.connections(), 0);
}

#[test]
fn what_waits_follows_its_domain_to_another_host() {
    let street = Street::new();
    let at = |house| format!("@ MX 10 mx\nmx A {}", street.ip(house));
    let Some(dns) = Dns::start(&[Zone::Records("moving.example", &at(3))]) else { return };
    let peer = Peer::at(street.at(2), Script::default());
    let origin = Origin::start("1h", &sections(&dns, street));
    let id = origin.send(&["you@moving.example"], CONTENT);
    origin.tries_until(&id, |tries| !tries.is_empty());
    dns.replace(&[Zone::Records("moving.example", &at(2))]);
    until_true("it has moved", || peer.accepted() == 1);
    origin.is_done();
    assert_eq!(origin.notices(), Vec::<String>::new());
}

#[test]
fn hostile_answers_end_within_limits_and_with_a_reason() {
    let street = Street::new();
    let many_mx: String = (0..2000).map(|number| format!("@ MX {number} h{number}\n")).collect();
    let many_addresses: String = (0..1000u32)
        .map(|number| format!("mx A 127.{}.{}.{}\n", 200 + number % 8, number / 250, 1 + number % 250))
        .collect();
    let odd = "@ MX 10 127.0.0.1.\n@ MX 20 a\\010b\n@ MX 30 \\\"\\;x\n@ MX 40 \\000\n@ MX 50 *\n";
    let chain: String = (0..40).map(|link| format!("c{link} CNAME c{}\n", link + 1)).collect();
    let zones = [
        Zone::Records("manymx.example", &many_mx),
        Zone::Records("manyaddresses.example", &format!("@ MX 10 mx\n{many_addresses}")),
        Zone::Records("odd.example", odd),
        Zone::Records("loop.example", "@ MX 10 a\na CNAME b\nb CNAME a"),
        Zone::Records("chain.example", &format!("@ MX 10 c0\n{chain}c40 A {}", street.ip(2))),
    ];
    let Some(dns) = Dns::start(&zones) else { return };
    let origin = Origin::start("3s", &sections(&dns, street));
    let domains = ["manymx.example", "manyaddresses.example", "odd.example", "loop.example", "chain.example"];
    let sent = domains.map(|domain| (domain, origin.send(&[&format!("you@{domain}")], CONTENT)));
    for (domain, id) in &sent {
        let tries = origin.tries_until(id, is_final);
        for one in &tries {
            let tried = one.hosts.iter().filter(|host| host.result != HostResult::PassedOver).count();
            assert!(tried <= 10, "{domain}: {tried} addresses");
            assert!(one.hosts.len() <= 100, "{domain}: the story is bounded: {}", one.hosts.len());
            assert!(!one.fates[0].reply.lines()[0].as_str().is_empty(), "{domain}: {one:?}");
        }
        let fate = &tries.last().unwrap().fates[0];
        println!("{domain}: {} after {} tries", fate.reply, tries.len());
        assert_eq!(fate.ending, Ending::Failed, "{domain}");
        origin.notice_about(&format!("you@{domain}"));
    }
    assert!(origin.server().resident_kib() < 64 * 1024);
}
