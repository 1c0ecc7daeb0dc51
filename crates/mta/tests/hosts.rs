//! Which hosts are tried for a domain, and in which order: facts against a table in the place of DNS.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use postrider_journal::event::HostTried;
use postrider_mail::dns::{Exchange, LookUp, Mx, NoRecords, Question, Resolver, Zone};
use postrider_mail::{Domain, Host, Text};
use postrider_mta::hosts::{Ask, Hosts, NoHosts, Own, Target, find};
use postrider_mta::limits::{
    ADDRESSES_PER_ATTEMPT_MAX, HOSTS_LOOKED_UP_MAX, HOSTS_PER_ATTEMPT_MAX, PASSED_OVER_MAX,
};
use postrider_mta::net::{Connecting, Endpoint, Net};
use postrider_policy::route::{Family, Hop, LmtpPeer, Way};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Addresses of this host; nobody connects.
struct Home(&'static [&'static str]);

impl Net for Home {
    fn connect<'a>(&'a self, _: &'a Endpoint, _: Option<IpAddr>) -> Connecting<'a> {
        panic!("nobody connects while hosts are looked up")
    }

    fn is_ours(&self, address: IpAddr) -> bool {
        self.0.iter().any(|ours| ours.parse::<IpAddr>().unwrap() == address)
    }
}

fn domain(name: &str) -> Domain {
    name.parse().unwrap()
}

fn host(name: &str, preference: u16) -> Mx {
    Mx { preference, exchange: Exchange::Host(domain(name)) }
}

/// A zone from lines such as `a.example MX 10 mx.a.example`, `mx.a.example A 192.0.2.1`.
fn zone(lines: &[&str]) -> Zone {
    lines.iter().fold(Zone::default(), |zone, line| {
        let words: Vec<&str> = line.split(' ').collect();
        let name = domain(words[0]);
        match words[1..] {
            ["MX", preference, "."] => {
                zone.mx(name, Mx { preference: preference.parse().unwrap(), exchange: Exchange::Null })
            }
            ["MX", preference, exchange] => zone.mx(name, host(exchange, preference.parse().unwrap())),
            ["A" | "AAAA", address] => zone.address(name, address.parse().unwrap()),
            ["CNAME", target] => zone.alias(name, domain(target)),
            ["exists"] => zone.name(name),
            ["fails"] => zone.trouble(name, NoRecords::ServFail("127.0.0.1:53: SERVFAIL".into())),
            ["is", "silent"] => zone.trouble(name, NoRecords::Timeout),
            ["is", "bogus"] => zone.trouble(name, NoRecords::Bogus),
            ["AAAA", "is", "silent"] => zone.trouble_of(name, Question::Aaaa, NoRecords::Timeout),
            _ => panic!("{line}"),
        }
    })
}

fn own(listeners: &[&str]) -> Own {
    Own {
        hostname: domain("us.example"),
        listeners: listeners.iter().map(|listener| listener.parse().unwrap()).collect(),
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(future)
}

struct Case<'a> {
    zone: &'a dyn Resolver,
    hop: Hop,
    to: &'a str,
    own: Own,
    home: Home,
    seed: u64,
}

impl<'a> Case<'a> {
    fn new(zone: &'a dyn Resolver, to: &'a str) -> Self {
        let hop = Hop::Mx(Arc::default());
        Self { zone, hop, to, own: own(&["0.0.0.0:25", "[::]:25"]), home: Home(&["198.51.100.1"]), seed: 1 }
    }

    fn find(&self) -> Result<Hosts, NoHosts> {
        run(find(&Ask {
            resolver: self.zone,
            net: &self.home,
            own: &self.own,
            hop: &self.hop,
            domain: &self.to.parse::<Host>().unwrap(),
            seed: self.seed,
        }))
    }

    /// The targets as `preference host address`.
    fn targets(&self) -> Vec<String> {
        self.find().unwrap().targets.iter().map(shown).collect()
    }

    fn refusal(&self) -> String {
        self.find().unwrap_err().refusal.to_string()
    }
}

fn shown(target: &Target) -> String {
    let preference = target.preference.map_or("-".into(), |preference| preference.to_string());
    format!("{preference} {} {}", target.host, target.endpoint)
}

fn passed_over(list: &[HostTried]) -> Vec<String> {
    let why = |tried: &HostTried| tried.why.as_ref().map_or(String::new(), ToString::to_string);
    list.iter().map(|tried| format!("{}: {}", tried.host, why(tried))).collect()
}

fn way(change: impl FnOnce(&mut Way)) -> Arc<Way> {
    let mut way = Way::default();
    change(&mut way);
    Arc::new(way)
}

/// RFC 5321 §5.1
#[test]
fn hosts_are_tried_by_preference_and_their_records_are_told() {
    let zone = zone(&[
        "a.example MX 20 mx2.example",
        "a.example MX 10 mx1.example",
        "mx1.example A 192.0.2.1",
        "mx1.example AAAA 2001:db8::1",
        "mx2.example A 192.0.2.2",
    ]);
    let found = Case::new(&zone, "a.example").find().unwrap();
    let targets: Vec<_> = found.targets.iter().map(shown).collect();
    assert_eq!(
        targets,
        ["10 mx1.example [2001:db8::1]:25", "10 mx1.example 192.0.2.1:25", "20 mx2.example 192.0.2.2:25"]
    );
    let told: Vec<_> = found.told.iter().map(Text::as_str).collect();
    let expected = [
        "MX of a.example: 10 mx1.example, 20 mx2.example",
        "mx1.example: 2001:db8::1, 192.0.2.1",
        "mx2.example: 192.0.2.2",
    ];
    assert_eq!(told, expected);
    assert!(found.passed_over.is_empty());
}

#[test]
fn a_domain_without_mx_is_its_own_host() {
    let zone = zone(&["a.example A 192.0.2.1", "b.example CNAME a.example"]);
    assert_eq!(Case::new(&zone, "a.example").targets(), ["0 a.example 192.0.2.1:25"]);
    assert_eq!(Case::new(&zone, "b.example").targets(), ["0 b.example 192.0.2.1:25"]);
}

#[test]
fn mx_records_are_never_replaced_by_the_domains_own_address() {
    let zone = zone(&["a.example MX 10 gone.example", "a.example A 192.0.2.1"]);
    let refusal =
        "550 5.4.4 no mail host of a.example can be used: gone.example: the name does not exist (NXDOMAIN)";
    assert_eq!(Case::new(&zone, "a.example").refusal(), refusal);
}

/// RFC 7505 §4.2, RFC 3463 §3.5
#[test]
fn what_dns_cannot_say_or_says_for_good_decides_the_refusal() {
    let zone = zone(&[
        "null.example MX 0 .",
        "null.example A 192.0.2.1",
        "fails.example fails",
        "silent.example is silent",
        "bogus.example is bogus",
        "bare.example exists",
        "half.example MX 10 gone.example",
        "half.example MX 20 silent.example",
        "mute.example MX 10 bare.example",
        "six.example MX 10 mx6.example",
        "mx6.example AAAA is silent",
    ]);
    for (to, refusal) in [
        ("none.example", "550 5.1.2 the domain none.example does not exist (NXDOMAIN)"),
        ("null.example", "556 5.1.10 the domain null.example takes no mail (its MX is null)"),
        (
            "fails.example",
            "451 4.4.3 the mail hosts of fails.example cannot be looked up now: the name servers could not \
             answer: 127.0.0.1:53: SERVFAIL",
        ),
        (
            "silent.example",
            "451 4.4.3 the mail hosts of silent.example cannot be looked up now: the name servers did not \
             answer in time",
        ),
        (
            "bogus.example",
            "451 4.4.3 the mail hosts of bogus.example cannot be looked up now: the answer failed DNSSEC \
             validation",
        ),
        (
            "bare.example",
            "550 5.4.4 bare.example has no MX records, and its own address cannot be used: bare.example: it \
             has no address",
        ),
        (
            "half.example",
            "451 4.4.3 no mail host of half.example can be used now: silent.example: the name servers did not \
             answer in time",
        ),
        (
            "mute.example",
            "550 5.4.4 no mail host of mute.example can be used: bare.example: it has no address",
        ),
        (
            "six.example",
            "451 4.4.3 no mail host of six.example can be used now: mx6.example: the name servers did not \
             answer in time",
        ),
    ] {
        assert_eq!(Case::new(&zone, to).refusal(), refusal);
    }
}

/// RFC 7505 §3
#[test]
fn a_null_mx_beside_others_means_nothing() {
    let zone = zone(&["a.example MX 0 .", "a.example MX 10 mx.example", "mx.example A 192.0.2.1"]);
    let found = Case::new(&zone, "a.example").find().unwrap();
    assert_eq!(shown(&found.targets[0]), "10 mx.example 192.0.2.1:25");
    assert!(found.told.iter().any(|line| line.as_str() == "a null MX beside others means nothing"));
}

#[test]
fn a_host_that_cannot_be_looked_up_leaves_its_place_to_the_next() {
    let zone = zone(&[
        "a.example MX 10 silent.example",
        "silent.example is silent",
        "a.example MX 20 mx.example",
        "mx.example A 192.0.2.1",
        "mx.example AAAA is silent",
    ]);
    let found = Case::new(&zone, "a.example").find().unwrap();
    assert_eq!(found.targets.iter().map(shown).collect::<Vec<_>>(), ["20 mx.example 192.0.2.1:25"]);
    let silent = "silent.example: the name servers did not answer in time";
    assert_eq!(passed_over(&found.passed_over), [silent]);
    assert!(found.told.iter().any(|line| line.as_str().starts_with("AAAA of mx.example: ")));
}

#[test]
fn address_literals_are_used_as_they_are() {
    let none = Zone::default();
    assert_eq!(Case::new(&none, "[192.0.2.1]").targets(), ["- [192.0.2.1] 192.0.2.1:25"]);
    assert_eq!(Case::new(&none, "[IPv6:2001:db8::1]").targets(), ["- [IPv6:2001:db8::1] [2001:db8::1]:25"]);
    let mapped = Case::new(&none, "[IPv6:::ffff:192.0.2.1]").find().unwrap();
    assert_eq!(mapped.targets[0].endpoint, Endpoint::Tcp("192.0.2.1:25".parse().unwrap()));
    for literal in ["[127.0.0.1]", "[IPv6:::1]", "[IPv6:::ffff:127.0.0.1]", "[0.0.0.0]"] {
        assert!(Case::new(&none, literal).refusal().starts_with("550 5.4.4 the address "), "{literal}");
    }
    assert!(
        Case::new(&none, "[198.51.100.1]").refusal().starts_with("554 5.4.6 mail for [198.51.100.1] loops")
    );
}

#[test]
fn special_addresses_are_passed_over_unless_the_route_allows_them() {
    let zone = zone(&[
        "a.example MX 10 evil.example",
        "evil.example A 127.0.0.1",
        "evil.example AAAA ::ffff:169.254.169.254",
        "a.example MX 20 mx.example",
        "mx.example A 10.0.0.1",
        "b.example MX 10 evil.example",
    ]);
    let found = Case::new(&zone, "a.example").find().unwrap();
    assert_eq!(found.targets.iter().map(shown).collect::<Vec<_>>(), ["20 mx.example 10.0.0.1:25"]);
    let mut over = passed_over(&found.passed_over);
    over.sort();
    assert_eq!(over, ["evil.example: it is a link-local address", "evil.example: it is a loopback address"]);
    assert!(Case::new(&zone, "b.example").refusal().starts_with("550 5.4.4 no mail host of b.example"));
    let allowed = way(|way| {
        way.allow = vec!["127.0.0.1/32".parse().unwrap()];
        way.port = 2525;
    });
    let case = Case { hop: Hop::Mx(allowed), ..Case::new(&zone, "b.example") };
    assert_eq!(case.targets(), ["10 evil.example 127.0.0.1:2525"]);
}

#[test]
fn hosts_that_are_no_better_than_we_are_are_left_out() {
    let lines = [
        "a.example MX 10 primary.example",
        "a.example MX 20 US.example",
        "a.example MX 20 other.example",
        "a.example MX 30 last.example",
        "primary.example A 192.0.2.1",
        "other.example A 192.0.2.2",
        "last.example A 192.0.2.3",
    ];
    let by_name = zone(&lines);
    assert_eq!(Case::new(&by_name, "a.example").targets(), ["10 primary.example 192.0.2.1:25"]);
    let by_address = zone(&lines.map(|line| match line {
        "a.example MX 20 US.example" => "a.example MX 20 alias.example",
        line => line,
    }))
    .address(domain("alias.example"), "198.51.100.1".parse().unwrap());
    for seed in 0..20 {
        let case = Case { seed, ..Case::new(&by_address, "a.example") };
        assert_eq!(case.targets(), ["10 primary.example 192.0.2.1:25"], "seed {seed}");
    }
}

#[test]
fn the_best_exchanger_that_does_not_know_the_domain_is_a_loop() {
    let zone = zone(&[
        "a.example MX 10 us.example",
        "a.example MX 10 other.example",
        "other.example A 192.0.2.2",
        "b.example A 198.51.100.1",
        "c.example MX 10 gone.example",
        "c.example MX 20 us.example",
        "d.example MX 10 silent.example",
        "silent.example is silent",
        "d.example MX 20 us.example",
        "us.example exists",
        "e.example MX 10 ours.example",
        "e.example MX 10 silent.example",
        "ours.example A 198.51.100.1",
    ]);
    for looping in ["a.example", "b.example", "c.example", "e.example", "us.example"] {
        let refusal = format!(
            "554 5.4.6 mail for {looping} loops back: this host is its best mail exchanger but does not know \
             it as its own"
        );
        for seed in 0..8 {
            assert_eq!(Case { seed, ..Case::new(&zone, looping) }.refusal(), refusal, "seed {seed}");
        }
    }
    assert!(Case::new(&zone, "d.example").refusal().starts_with("451 4.4.3"));
}

#[test]
fn a_listener_is_ours_at_its_own_port_and_address_alone() {
    let zone = zone(&["a.example A 198.51.100.1"]);
    for (listener, loops) in [
        ("198.51.100.1:25", true),
        ("0.0.0.0:25", true),
        ("[::]:25", true),
        ("[::ffff:198.51.100.1]:25", true),
        ("198.51.100.2:25", false),
        ("198.51.100.1:587", false),
        ("127.0.0.1:25", false),
    ] {
        let case = Case { own: own(&[listener]), ..Case::new(&zone, "a.example") };
        assert_eq!(case.find().is_err(), loops, "{listener}");
    }
    let elsewhere = Case { home: Home(&[]), own: own(&["0.0.0.0:25"]), ..Case::new(&zone, "a.example") };
    assert!(elsewhere.find().is_ok());
}

#[test]
fn a_smart_host_is_looked_up_by_its_addresses_alone() {
    let zone = zone(&[
        "relay.example MX 10 other.example",
        "relay.example A 192.0.2.1",
        "near.example A 127.0.0.1",
        "fails.example fails",
        "us.example A 198.51.100.1",
    ]);
    let via = |name: &str, port| {
        let way = way(|way| way.port = port);
        Case { hop: Hop::Smarthost(name.parse().unwrap(), way), ..Case::new(&zone, "a.example") }
    };
    assert_eq!(via("relay.example", 587).targets(), ["- relay.example 192.0.2.1:587"]);
    assert_eq!(via("near.example", 10025).targets(), ["- near.example 127.0.0.1:10025"]);
    assert_eq!(via("[127.0.0.1]", 10025).targets(), ["- [127.0.0.1] 127.0.0.1:10025"]);
    assert_eq!(via("us.example", 10025).targets(), ["- us.example 198.51.100.1:10025"]);
    for (name, refusal) in [
        ("us.example", "554 5.4.6 mail loops back"),
        ("fails.example", "451 4.4.3 the host fails.example, to which this server is configured to send"),
        ("gone.example", "451 4.4.4 the host gone.example, to which this server is configured to send"),
    ] {
        assert!(via(name, 25).refusal().starts_with(refusal), "{}", via(name, 25).refusal());
    }
}

#[test]
fn lmtp_goes_to_a_socket_or_a_host() {
    let zone = zone(&["store.example A 192.0.2.1"]);
    let via = |peer| {
        let way = way(|way| way.port = 24);
        Case { hop: Hop::Lmtp(peer, way), ..Case::new(&zone, "a.example") }
    };
    assert_eq!(
        via(LmtpPeer::Tcp("store.example".parse().unwrap())).targets(),
        ["- store.example 192.0.2.1:24"]
    );
    let found = via(LmtpPeer::Unix("/run/lmtp".into())).find().unwrap();
    assert_eq!(found.targets[0].endpoint, Endpoint::Unix("/run/lmtp".into()));
    assert_eq!(found.targets[0].name().as_str(), "/run/lmtp");
}

#[test]
fn a_hop_without_hosts_is_refused_for_now() {
    let none = Zone::default();
    let case = Case { hop: Hop::Hold, ..Case::new(&none, "a.example") };
    assert_eq!(case.refusal(), "451 4.3.5 the route (held) does not lead to another host");
}

#[test]
fn the_route_names_families_ports_and_sources() {
    let zone = zone(&["a.example A 192.0.2.1", "a.example AAAA 2001:db8::1", "b.example A 192.0.2.2"]);
    let by = |family, to: &'static str| {
        let way = way(|way| {
            way.family = family;
            way.source_v4 = Some(Ipv4Addr::new(198, 51, 100, 7));
        });
        Case { hop: Hop::Mx(way), ..Case::new(&zone, to) }
    };
    assert_eq!(by(Family::V4, "a.example").targets(), ["0 a.example 192.0.2.1:25"]);
    assert_eq!(by(Family::V6, "a.example").targets(), ["0 a.example [2001:db8::1]:25"]);
    assert_eq!(by(Family::PreferV4, "a.example").targets().len(), 2);
    let sources: Vec<_> =
        by(Family::PreferV4, "a.example").find().unwrap().targets.iter().map(|t| t.source).collect();
    assert_eq!(sources, [Some(IpAddr::from([198, 51, 100, 7])), None]);
    assert_eq!(
        by(Family::V6, "b.example").refusal(),
        "550 5.4.4 b.example has no MX records, and its own address cannot be used: b.example: it has no IPv6 \
         address, and the route uses no other"
    );
}

#[test]
fn equal_hosts_come_in_every_order() {
    let mut zone = Zone::default();
    for number in 1..=4 {
        let name = format!("mx{number}.example");
        zone = zone
            .mx(domain("a.example"), host(&name, 10))
            .address(domain(&name), IpAddr::from([192, 0, 2, number]));
    }
    let orders: BTreeSet<_> =
        (0..400).map(|seed| Case { seed, ..Case::new(&zone, "a.example") }.targets()).collect();
    assert_eq!(orders.len(), 24);
}

#[test]
fn a_host_with_many_addresses_leaves_room_for_the_others() {
    let mut zone =
        zone(&["a.example MX 10 many.example", "a.example MX 20 one.example", "one.example A 192.0.2.1"]);
    for number in 1..=30 {
        zone = zone.address(domain("many.example"), IpAddr::from([198, 51, 100, 100 + number]));
    }
    let targets = Case::new(&zone, "a.example").targets();
    assert_eq!(targets.len(), ADDRESSES_PER_ATTEMPT_MAX);
    assert_eq!(targets.last().unwrap(), "20 one.example 192.0.2.1:25");
}

#[test]
fn an_address_is_tried_once_whatever_its_names() {
    let zone = zone(&[
        "a.example MX 10 mx1.example",
        "a.example MX 20 mx2.example",
        "a.example MX 30 MX1.example",
        "mx1.example A 192.0.2.1",
        "mx2.example A 192.0.2.1",
    ]);
    let found = Case::new(&zone, "a.example").find().unwrap();
    assert_eq!(found.targets.iter().map(shown).collect::<Vec<_>>(), ["10 mx1.example 192.0.2.1:25"]);
    assert_eq!(passed_over(&found.passed_over), ["mx2.example: a host before it has the same address"]);
}

#[test]
fn thousands_of_exchangers_cost_a_bounded_number_of_questions() {
    let asked = Counting::default();
    let found = Case::new(&asked, "flood.example").find().unwrap_err();
    assert!(asked.0.load(Ordering::Relaxed) <= 1 + 2 * HOSTS_LOOKED_UP_MAX);
    assert!(found.passed_over.len() <= PASSED_OVER_MAX && found.told.len() <= 64, "{found:?}");
    assert!(found.refusal.is_transient(), "{}", found.refusal);
}

/// A domain of 5,000 hosts without addresses.
#[derive(Default)]
struct Counting(AtomicUsize);

impl Resolver for Counting {
    fn mx<'a>(&'a self, name: &'a Domain) -> LookUp<'a, Mx> {
        self.0.fetch_add(1, Ordering::Relaxed);
        let records = (0..5000).map(|number| host(&format!("mx{number}.flood.example"), number)).collect();
        let canonical = name.clone();
        let ttl = Duration::from_secs(60);
        let records = postrider_mail::dns::Records { records, ttl, authentic: false, canonical };
        Box::pin(std::future::ready(Ok(records)))
    }

    fn a<'a>(&'a self, _: &'a Domain) -> LookUp<'a, Ipv4Addr> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(std::future::ready(Err(NoRecords::NoData)))
    }

    fn aaaa<'a>(&'a self, _: &'a Domain) -> LookUp<'a, Ipv6Addr> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(std::future::ready(Err(NoRecords::NxDomain)))
    }
}

#[test]
fn a_resolver_that_never_answers_ends_in_a_deferral() {
    struct Silent;
    impl Resolver for Silent {
        fn mx<'a>(&'a self, name: &'a Domain) -> LookUp<'a, Mx> {
            if name.as_str() == "mute.example" {
                return Box::pin(std::future::pending());
            }
            let records = vec![host("mx1.example", 1), host("mx2.example", 2)];
            let (ttl, canonical) = (Duration::from_secs(60), name.clone());
            let records = postrider_mail::dns::Records { records, ttl, authentic: false, canonical };
            Box::pin(std::future::ready(Ok(records)))
        }
        fn a<'a>(&'a self, _: &'a Domain) -> LookUp<'a, Ipv4Addr> {
            Box::pin(std::future::pending())
        }
        fn aaaa<'a>(&'a self, _: &'a Domain) -> LookUp<'a, Ipv6Addr> {
            Box::pin(std::future::pending())
        }
    }
    for to in ["mute.example", "a.example"] {
        let refusal = Case::new(&Silent, to).refusal();
        assert!(refusal.starts_with("451 4.4.3") && refusal.ends_with("did not answer in time"), "{refusal}");
    }
}

/// Addresses of all kinds, the special ones often.
fn any_address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<[u8; 4]>().prop_map(IpAddr::from),
        any::<[u8; 16]>().prop_map(IpAddr::from),
        (0_u8..=255).prop_map(|last| IpAddr::from([127, 0, 0, last])),
        (0_u8..=3).prop_map(|last| IpAddr::from([192, 0, 2, last])),
        any::<[u8; 4]>().prop_map(|v4| IpAddr::V6(Ipv4Addr::from(v4).to_ipv6_mapped())),
        (0_u8..=255).prop_map(|last| IpAddr::V6(Ipv4Addr::new(127, 0, 0, last).to_ipv6_mapped())),
        Just(IpAddr::from(Ipv6Addr::LOCALHOST)),
        Just("fe80::1".parse().unwrap()),
        Just("ff02::1".parse().unwrap()),
    ]
}

proptest! {
    #[test]
    fn whatever_dns_says_targets_are_bounded_ordered_and_allowed(
        hosts in proptest::collection::vec((0_u16..4, proptest::collection::vec(any_address(), 0..12)), 0..12),
        seed in any::<u64>(),
        family in prop_oneof![Just(Family::Any), Just(Family::V4), Just(Family::V6), Just(Family::PreferV4)],
    ) {
        let mut zone = Zone::default().name(domain("a.example"));
        for (number, (preference, addresses)) in hosts.iter().enumerate() {
            let name = format!("mx{number}.example");
            zone = zone.mx(domain("a.example"), host(&name, *preference));
            zone = addresses.iter().fold(zone, |zone, address| zone.address(domain(&name), *address));
        }
        let hop = Hop::Mx(way(|way| way.family = family));
        let case = Case { hop, seed, ..Case::new(&zone, "a.example") };
        let found = case.find();
        prop_assert_eq!(&found, &case.find(), "the same seed, the same order");
        let Ok(found) = found else { return Ok(()) };
        prop_assert!((1..=ADDRESSES_PER_ATTEMPT_MAX).contains(&found.targets.len()));
        prop_assert!(found.targets.is_sorted_by_key(|target| target.preference));
        prop_assert!(found.passed_over.len() <= PASSED_OVER_MAX);
        let names: BTreeSet<_> = found.targets.iter().map(|target| &target.host).collect();
        prop_assert!(names.len() <= HOSTS_PER_ATTEMPT_MAX);
        let mut addresses = BTreeSet::new();
        for target in &found.targets {
            let Endpoint::Tcp(at) = target.endpoint else { panic!("{target:?}") };
            prop_assert!(addresses.insert(at), "{at} twice");
            prop_assert!(may_be_used(at, family), "{at}");
        }
    }
}

/// What the standard library knows of special addresses, as a second opinion.
fn may_be_used(at: SocketAddr, family: Family) -> bool {
    match at.ip() {
        IpAddr::V4(v4) => {
            let special = v4.is_loopback() || v4.is_unspecified() || v4.is_link_local() || v4.is_multicast();
            family != Family::V6 && !special && !v4.is_broadcast()
        }
        IpAddr::V6(v6) => {
            let special =
                v6.is_loopback() || v6.is_unspecified() || v6.is_unicast_link_local() || v6.is_multicast();
            family != Family::V4 && !special && v6.to_ipv4_mapped().is_none()
        }
    }
}
