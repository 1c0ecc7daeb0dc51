//! What strangers, listed networks and our own users may do, and the forms of addresses that made open relays.

use super::*;
use crate::expand::Destination;
use crate::local::{DomainRules, Domains};
use crate::route::Pattern;
use postrider_mail::Service;
use std::net::SocketAddr;
use std::sync::Arc;

fn rules() -> Rules {
    Rules::new(Local {
        hostname: "mx.local.example".parse().unwrap(),
        domains: Domains::These([("local.example".parse().unwrap(), DomainRules::default())].into()),
        postmaster: None,
    })
}

/// What a stranger hears, or which fact is missing.
fn reply(facts: &Facts, path: &str) -> String {
    heard(&rules(), facts, "198.51.100.9", path)
}

fn heard(rules: &Rules, facts: &Facts, client: &str, path: &str) -> String {
    let peer = Peer::new(SocketAddr::new(client.parse().unwrap(), 99), Service::Mta);
    let path = path.parse().unwrap();
    match admit(rules, facts, Question::Recipient { peer: &peer, path: &path }) {
        Admission::Verdict(Verdict { decision: Decision::Accept, reason }) => format!("accept: {reason}"),
        Admission::Verdict(Verdict { decision: Decision::Refuse(refusal), .. }) => refusal.to_string(),
        other => format!("{other:?}"),
    }
}

/// One network may relay, one domain is kept for another host, everything has a route.
fn relaying() -> Rules {
    let everything = Rule { matches: Matches::Everything, hop: Hop::Mx(Arc::default()) };
    let mut rules = rules();
    rules.routes.push(everything);
    rules.relay = Relay {
        from: vec!["192.0.2.0/24".parse().unwrap()],
        domains: vec![
            Pattern::Exactly("backup.example".parse().unwrap()),
            Pattern::Below("backup.example".parse().unwrap()),
        ],
    };
    rules
}

/// Forward-paths that have made relays of hosts that meant to be none.
const OPEN_RELAY_TESTS: [&str; 24] = [
    "victim@elsewhere.example",
    "victim@[203.0.113.7]",
    "victim@[127.0.0.1]",
    "victim@[IPv6:2001:db8::7]",
    "victim@mx.local.example",
    "victim@sub.local.example",
    "victim@notlocal.example",
    "victim@localhost",
    "victim%elsewhere.example@mx.local.example",
    "victim%elsewhere.example@[198.51.100.1]",
    "\"victim@elsewhere.example\"@mx.local.example",
    "\"victim%elsewhere.example\"@[198.51.100.1]",
    "elsewhere.example!victim@mx.local.example",
    "elsewhere.example!victim@[198.51.100.1]",
    "@local.example:victim@elsewhere.example",
    "@mx.local.example:victim@elsewhere.example",
    "@backup.example:victim@elsewhere.example",
    "@local.example,@backup.example:victim@elsewhere.example",
    "victim%elsewhere.example@backup.example",
    "elsewhere.example!victim@backup.example",
    "\"victim@elsewhere.example\"@backup.example",
    "victim%elsewhere.example@sub.backup.example",
    "postmaster%elsewhere.example@mx.local.example",
    "\"postmaster\"@elsewhere.example",
];

#[test]
fn no_form_of_an_address_gets_a_stranger_to_elsewhere() {
    for path in OPEN_RELAY_TESTS {
        for rules in [rules(), relaying()] {
            let heard = heard(&rules, &Facts::default(), "198.51.100.9", path);
            assert!(heard.starts_with("550 5.7.1"), "{path}: {heard}");
        }
    }
}

#[test]
fn an_address_of_ours_is_looked_up_whole_whatever_it_asks_for() {
    for path in [
        "victim%elsewhere.example@local.example",
        "elsewhere.example!victim@local.example",
        "\"victim@elsewhere.example\"@local.example",
        "@elsewhere.example:friend@local.example",
        "\"@elsewhere.example:victim\"@LOCAL.example",
    ] {
        let heard = heard(&relaying(), &Facts::default(), "198.51.100.9", path);
        assert!(
            heard.starts_with("Need(Directory(") && heard.to_lowercase().contains("@local.example"),
            "{path}: {heard}"
        );
    }
}

#[test]
fn what_is_no_path_reaches_nobody() {
    for path in [
        "victim@elsewhere.example@local.example",
        "victim@local.example@elsewhere.example",
        "@elsewhere.example",
        "victim",
        "@local.example:",
        "victim@",
        "victim @elsewhere.example",
        "elsewhere.example!victim",
        "victim%elsewhere.example",
    ] {
        assert!(path.parse::<ForwardPath>().is_err(), "{path}");
    }
}

#[test]
fn a_permission_is_named_with_the_line_that_gave_it() {
    let at = |client: &str, path: &str| heard(&relaying(), &Facts::default(), client, path);
    for client in ["192.0.2.9", "::ffff:192.0.2.9"] {
        assert_eq!(
            at(client, "x@elsewhere.example"),
            "accept: relay: relay_from 192.0.2.0/24: the domain's mail hosts (MX)"
        );
    }
    assert!(at("192.0.2.9", "x@[203.0.113.7]").starts_with("accept"));
    assert!(at("192.0.2.9", "x%y@elsewhere.example").starts_with("accept"));
    assert!(at("2001:db8::1", "x@elsewhere.example").starts_with("550 5.7.1"));
    assert_eq!(
        at("198.51.100.9", "x@sub.BACKUP.example"),
        "accept: relay: relay_domains *.backup.example: the domain's mail hosts (MX)"
    );
    assert!(
        at("198.51.100.9", "x@backup.example").starts_with("accept: relay: relay_domains backup.example")
    );
}

#[test]
fn a_permission_without_a_route_is_not_enough() {
    let mut rules = relaying();
    rules.routes.pop();
    let at = |path: &str| heard(&rules, &Facts::default(), "192.0.2.9", path);
    assert!(at("x@elsewhere.example").starts_with("550 5.4.4"), "{}", at("x@elsewhere.example"));
    assert!(at("x@backup.example").starts_with("550 5.4.4"));
}

#[test]
fn nobody_sends_to_our_own_name_by_way_of_others() {
    let at = |rules: &Rules| heard(rules, &Facts::default(), "192.0.2.9", "x@mx.local.example");
    assert!(at(&relaying()).starts_with("550 5.4.4"));
    let mut named = relaying();
    let own = Matches::These(vec![Pattern::Exactly("mx.local.example".parse().unwrap())]);
    named.routes.insert(0, Rule { matches: own, hop: Hop::Discard });
    assert!(at(&named).starts_with("accept"));
}

#[test]
fn what_is_relayed_goes_on_as_it_was_given() {
    let path: ForwardPath = "@a.example:X+y@Elsewhere.example".parse().unwrap();
    let [only] = destinations(Facts::default(), path.mailbox().unwrap()).try_into().unwrap();
    assert_eq!((only.address.to_string(), only.via), ("X+y@Elsewhere.example".to_owned(), None));
}

#[test]
fn a_missing_fact_is_named_and_an_unavailable_one_is_not_a_refusal_for_ever() {
    assert!(reply(&Facts::default(), "x@local.example").starts_with("Need(Directory(x@local.example"));
    assert!(reply(&Facts::default(), "postmaster").starts_with("Need(Directory(postmaster@mx.local.example"));
    let directory = Fact::Unavailable("disk".into());
    assert!(reply(&Facts { directory, ..Facts::default() }, "x@local.example").starts_with("451 4.3.0"));
}

#[test]
fn what_the_directory_knows_decides() {
    let with = |expansion| Facts { directory: Fact::Known(expansion), ..Facts::default() };
    let address: Mailbox = "x@local.example".parse().unwrap();
    let there = vec![Destination { address: address.clone(), via: None }];
    let heard = reply(&with(Expansion::Destinations(there)), "x@local.example");
    assert_eq!(heard, "accept: directory: x@local.example has a mailbox");
    for (expansion, code) in [
        (Expansion::NoSuchUser, "550 5.1.1"),
        (Expansion::TooMany, "550 5.2.4"),
        (Expansion::Elsewhere(address.clone()), "550 5.2.4"),
        (Expansion::Nobody(address.clone()), "550 5.2.4"),
    ] {
        assert!(reply(&with(expansion), "x@local.example").starts_with(code));
    }
}

#[test]
fn a_message_that_goes_in_circles_is_refused() {
    let at = |hops| admit(&rules(), &Facts::default(), Question::Message { hops, solicitations: &[] });
    assert!(matches!(at(50), Admission::Verdict(Verdict { decision: Decision::Accept, .. })));
    assert!(matches!(at(51), Admission::Verdict(Verdict { decision: Decision::Refuse(_), .. })));
}

#[test]
fn a_peer_holds_so_many_sessions_and_no_more() {
    let peer = Peer::new("192.0.2.1:99".parse().unwrap(), Service::Mta);
    let at = |sessions_of_peer| {
        admit(&rules(), &Facts { sessions_of_peer, ..Facts::default() }, Question::Connect(&peer))
    };
    assert!(matches!(at(100), Admission::Verdict(Verdict { decision: Decision::Accept, .. })));
    assert!(matches!(at(101), Admission::Verdict(Verdict { decision: Decision::Disconnect(_), .. })));
}

/// The reply to a refused client, sender or message; `accept` where it is not refused.
fn answer(rules: &Rules, facts: &Facts, question: Question<'_>) -> String {
    match admit(rules, facts, question) {
        Admission::Verdict(Verdict { decision: Decision::Accept, .. }) => "accept".into(),
        Admission::Verdict(Verdict { decision: Decision::Refuse(refusal), .. }) => refusal.to_string(),
        Admission::Verdict(Verdict { decision: Decision::Disconnect(refusal), .. }) => {
            format!("{refusal} and goodbye")
        }
        Admission::Need(need) => format!("{need:?}"),
    }
}

/// RFC 7504 §3
#[test]
fn a_closed_listener_tells_everyone_to_go_away_for_good() {
    let peer = Peer::new("192.0.2.1:99".parse().unwrap(), Service::Mta);
    let facts = Facts { is_closed: true, ..Facts::default() };
    let heard = answer(&rules(), &facts, Question::Connect(&peer));
    assert!(heard.starts_with("521 5.3.2") && heard.ends_with("goodbye"), "{heard}");
}

#[test]
fn a_host_short_of_something_takes_no_new_session_and_no_new_transaction() {
    let peer = Peer::new("192.0.2.1:99".parse().unwrap(), Service::Mta);
    for (short_of, connect) in [(Shortage::Disk, "421 4.3.1"), (Shortage::Memory, "421 4.3.2")] {
        let facts = Facts { short_of: Some(short_of), ..Facts::default() };
        assert!(answer(&rules(), &facts, Question::Connect(&peer)).starts_with(connect));
        let heard = answer(&rules(), &facts, Question::Sender);
        assert!(heard.starts_with("452 4.3.1") && !heard.ends_with("goodbye"), "{heard}");
    }
}

/// RFC 5321 §4.3.1
#[test]
fn who_talks_before_its_turn_is_refused_only_where_the_operator_wants_it() {
    let peer = Peer::new("192.0.2.1:99".parse().unwrap(), Service::Mta);
    let manners = Manners { before_greeting: true, out_of_turn: Some("EHLO") };
    let facts = Facts { manners, ..Facts::default() };
    assert_eq!(answer(&rules(), &facts, Question::Connect(&peer)), "accept");
    assert_eq!(answer(&rules(), &facts, Question::Sender), "accept");
    assert_eq!(answer(&rules(), &facts, Question::Open), "accept");
    let strict = Rules { early_talkers: EarlyTalkers::Refuse, ..rules() };
    assert!(answer(&strict, &facts, Question::Connect(&peer)).starts_with("554 5.5.1"));
    assert!(answer(&strict, &facts, Question::Sender).starts_with("503 5.5.1"));
    let content = answer(&strict, &facts, Question::Open);
    assert!(content.starts_with("503 5.5.1") && content.ends_with("goodbye"), "{content}");
    assert_eq!(answer(&strict, &Facts::default(), Question::Sender), "accept");
    assert_eq!(answer(&strict, &Facts::default(), Question::Open), "accept");
}

/// RFC 7504 §4
#[test]
fn a_domain_without_mail_refuses_every_address_and_asks_no_directory() {
    let mut rules = rules();
    let Domains::These(domains) = &mut rules.local.domains else { panic!() };
    domains.insert("quiet.example".parse().unwrap(), DomainRules { mail: false, ..DomainRules::default() });
    for path in ["x@quiet.example", "postmaster@QUIET.example"] {
        let heard = heard(&rules, &Facts::default(), "192.0.2.9", path);
        assert!(heard.starts_with("556 5.1.10"), "{heard}");
    }
}

/// RFC 5321 §3.4
#[test]
fn who_has_moved_is_told_with_the_new_address() {
    let mut rules = rules();
    let pair = ("old@local.example".parse().unwrap(), "new@far.example".parse().unwrap());
    rules.moved = [pair].into_iter().collect();
    let heard = heard(&rules, &Facts::default(), "192.0.2.9", "OLD@local.example");
    assert!(heard.starts_with("551 5.1.6") && heard.contains("<new@far.example>"), "{heard}");
}

/// RFC 6710 §4.1
#[test]
fn strangers_may_stand_back_in_the_queue_and_not_push_forward() {
    let at = |client: &str, said: i8| {
        let peer = Peer::new(SocketAddr::new(client.parse().unwrap(), 99), Service::Mta);
        priority(&relaying(), &peer, Priority::clamped(said)).get()
    };
    assert_eq!((at("192.0.2.9", 5), at("192.0.2.9", -5)), (5, -5));
    assert_eq!((at("198.51.100.9", 5), at("198.51.100.9", -5), at("198.51.100.9", 0)), (0, -5, 0));
}

/// RFC 3865 §2.2
#[test]
fn a_message_that_solicits_what_is_not_wanted_is_refused() {
    let rules = Rules { no_soliciting: Some("net.example:ADV".parse().unwrap()), ..rules() };
    let at = |named: &str| {
        let solicitations = [named.parse().unwrap()];
        answer(&rules, &Facts::default(), Question::Message { hops: 0, solicitations: &solicitations })
    };
    assert!(at("org.example:ADLT,NET.example:adv").starts_with("550 5.7.1"));
    assert_eq!(at("org.example:ADLT"), "accept");
}

#[test]
fn an_alias_to_one_address_elsewhere_is_told_where_the_domain_tells() {
    let to = |all: &[(&str, Option<&str>)]| {
        let one = |(address, via): &(&str, Option<&str>)| Destination {
            address: address.parse().unwrap(),
            via: via.map(|via| via.parse().unwrap()),
        };
        Expansion::Destinations(all.iter().map(one).collect())
    };
    let alias: Mailbox = "away@local.example".parse().unwrap();
    let mut local = rules().local;
    let far = to(&[("x@far.example", Some("away@local.example"))]);
    assert_eq!(forwards_to(&local, &alias, &far), None, "the domain does not tell");
    let Domains::These(domains) = &mut local.domains else { panic!() };
    let tells = DomainRules { verify: true, ..DomainRules::default() };
    domains.insert("local.example".parse().unwrap(), tells);
    assert_eq!(forwards_to(&local, &alias, &far).unwrap().to_string(), "x@far.example");
    let near = to(&[("x@local.example", Some("away@local.example"))]);
    let two = to(&[("x@far.example", Some("away@local.example")), ("y@far.example", None)]);
    assert_eq!((forwards_to(&local, &alias, &near), forwards_to(&local, &alias, &two)), (None, None));
}
