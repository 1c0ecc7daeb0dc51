//! What the resolver makes of name servers: honest, broken, slow and hostile ones, octet by octet.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod server;

use postrider_mail::Domain;
use postrider_mail::dns::{Exchange, Mx, NoRecords, Resolver};
use postrider_mta::limits::{
    ADDRESSES_PER_HOST_MAX, DNS_TTL_MAX, DNS_TTL_MIN, MX_RECORDS_MAX, NAME_SERVERS_MAX,
};
use postrider_mta::resolver::{DnsResolver, Patience};
use proptest::prelude::*;
use server::{A, AAAA, ASKED, Asked, CNAME, MX, NS, NameServer, Said, labels_of, mx, name};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Long enough for loopback on a busy machine.
const PATIENT: Patience = Patience { timeout: Duration::from_secs(10), rounds: 2 };

/// For servers that say nothing.
const HASTY: Patience = Patience { timeout: Duration::from_millis(300), rounds: 1 };

const SERVFAIL: u8 = 2;
const NXDOMAIN: u8 = 3;

fn domain(name: &str) -> Domain {
    name.parse().unwrap()
}

fn resolver(servers: &[&NameServer], patience: Patience) -> DnsResolver {
    let servers: Vec<SocketAddr> = servers.iter().map(|server| server.address).collect();
    DnsResolver::new(&servers, patience).unwrap()
}

/// The end of a question about the addresses of `a.example`.
async fn end_of_a(server: &NameServer, patience: Patience) -> NoRecords {
    resolver(&[server], patience).a(&domain("a.example")).await.unwrap_err()
}

fn address(last: u8) -> [u8; 4] {
    [192, 0, 2, last]
}

#[tokio::test]
async fn each_question_gets_its_records() {
    let server = NameServer::saying(|asked| match asked.of {
        MX => Said::default().answer(&ASKED, MX, &mx(20, &name("Mx2.example"))).answer(
            &name("A.EXAMPLE"),
            MX,
            &mx(10, &name("mx1.example")),
        ),
        A => Said::default().answer(&ASKED, A, &address(1)).answer(&ASKED, A, &address(1)),
        AAAA => {
            Said::default().answer(&ASKED, AAAA, &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
        }
        other => panic!("nobody asked for type {other}"),
    })
    .await;
    let resolver = resolver(&[&server], PATIENT);
    let name = domain("A.example");
    let mx = Resolver::mx(&resolver, &name).await.unwrap();
    let host = |preference, name| Mx { preference, exchange: Exchange::Host(domain(name)) };
    assert_eq!(mx.records, [host(10, "mx1.example"), host(20, "mx2.example")]);
    assert_eq!((mx.ttl, mx.authentic, mx.canonical), (Duration::from_secs(300), false, name.clone()));
    assert_eq!(resolver.a(&name).await.unwrap().records, [Ipv4Addr::new(192, 0, 2, 1)]);
    let v6: std::net::Ipv6Addr = "2001:db8::1".parse().unwrap();
    assert_eq!(resolver.aaaa(&name).await.unwrap().records, [v6]);
}

#[tokio::test]
async fn names_are_asked_for_as_a_labels_and_without_a_search_list() {
    let server = NameServer::saying(|asked| {
        assert!(["xn--bcher-kva.example", "single"].contains(&&*asked.name), "{asked:?}");
        Said::default().answer(&ASKED, A, &address(1))
    })
    .await;
    let resolver = resolver(&[&server], PATIENT);
    assert!(resolver.a(&domain("Bücher.example")).await.is_ok());
    assert!(resolver.a(&domain("single")).await.is_ok());
}

#[tokio::test]
async fn that_there_is_nothing_is_an_answer() {
    for (said, end) in [
        (Said::none(NXDOMAIN), NoRecords::NxDomain),
        (Said::code(NXDOMAIN), NoRecords::NxDomain),
        (Said::none(0), NoRecords::NoData),
        (Said::code(0), NoRecords::NoData),
    ] {
        let server = NameServer::saying(move |_| said.clone()).await;
        assert_eq!(end_of_a(&server, PATIENT).await, end);
    }
}

#[tokio::test]
async fn a_failure_says_whose_it_was_and_what() {
    let referral = Said::default().authority(&name("example"), NS, &name("ns.example"));
    for (said, words) in [
        (Said::code(SERVFAIL), "SERVFAIL"),
        (Said::code(5), "REFUSED"),
        (Said::code(1), "FORMERR"),
        (Said::code(4), "NOTIMP"),
        (Said::code(14), "error 14"),
        (referral, "only names other servers: it is no resolver"),
    ] {
        let server = NameServer::saying(move |_| said.clone()).await;
        let expected = format!("{}: {words}", server.address);
        assert_eq!(end_of_a(&server, PATIENT).await, NoRecords::ServFail(expected.into()));
    }
}

/// RFC 1035 §4.1.1
#[tokio::test]
async fn silence_and_answers_to_other_questions_end_in_time() {
    let silent = NameServer::start(|_| None).await;
    assert_eq!(end_of_a(&silent, HASTY).await, NoRecords::Timeout);
    let wrong_id = NameServer::start(|asked| {
        let id = [asked.id[0], !asked.id[1]];
        Some(Said::default().answer(&ASKED, A, &address(1)).octets(&Asked { id, ..asked.clone() }))
    })
    .await;
    assert_eq!(end_of_a(&wrong_id, HASTY).await, NoRecords::Timeout);
    let other_question = NameServer::start(|asked| {
        let mut octets = Said::default().answer(&ASKED, A, &address(1)).octets(asked);
        octets[13] = b'b';
        Some(octets)
    })
    .await;
    assert_eq!(end_of_a(&other_question, HASTY).await, NoRecords::Timeout);
}

#[tokio::test]
async fn nobody_at_the_address_is_a_failure_in_words() {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let nobody = socket.local_addr().unwrap();
    drop(socket);
    let resolver = DnsResolver::new(&[nobody], HASTY).unwrap();
    let end = resolver.a(&domain("a.example")).await.unwrap_err();
    assert!(end.is_transient(), "{end:?}");
}

#[tokio::test]
async fn aliases_are_followed_in_one_answer_and_over_several() {
    let server = NameServer::saying(|asked| match &*asked.name {
        "one.example" => Said::default()
            .with(0, &ASKED, CNAME, 30, &name("two.example"))
            .answer(&name("two.example"), CNAME, &name("host.example"))
            .answer(&name("host.example"), A, &address(1)),
        "far.example" => Said::default().answer(&ASKED, CNAME, &name("near.example")),
        "near.example" => Said::default().answer(&ASKED, CNAME, &name("host.example")),
        "lost.example" => Said::none(NXDOMAIN).answer(&ASKED, CNAME, &name("gone.example")),
        "host.example" => Said::default().answer(&ASKED, A, &address(1)),
        _ => Said::none(NXDOMAIN),
    })
    .await;
    let resolver = resolver(&[&server], PATIENT);
    for name in ["one.example", "far.example"] {
        let found = resolver.a(&domain(name)).await.unwrap();
        assert_eq!(found.records, [Ipv4Addr::new(192, 0, 2, 1)], "{name}");
        assert_eq!(found.canonical, domain("host.example"), "{name}");
    }
    // The shortest time of the chain is that of the whole.
    assert!(resolver.a(&domain("one.example")).await.unwrap().ttl <= Duration::from_secs(30));
    assert_eq!(resolver.a(&domain("lost.example")).await, Err(NoRecords::NxDomain));
}

#[tokio::test]
async fn aliases_in_circles_and_without_end_are_failures() {
    let server = NameServer::saying(|asked| match &*asked.name {
        "self.example" => Said::default().answer(&ASKED, CNAME, &ASKED),
        "a.example" => Said::default().answer(&ASKED, CNAME, &name("b.example")),
        "b.example" => Said::default().answer(&ASKED, CNAME, &name("a.example")),
        "both.example" => Said::default().answer(&ASKED, CNAME, &name("other.example")).answer(
            &name("other.example"),
            CNAME,
            &ASKED,
        ),
        other => Said::default().answer(&ASKED, CNAME, &name(&format!("x{other}"))),
    })
    .await;
    let resolver = resolver(&[&server], Patience { rounds: 1, ..PATIENT });
    for name in ["self.example", "a.example", "both.example", "endless.example"] {
        let end = resolver.a(&domain(name)).await.unwrap_err();
        let expected = format!("{}: its aliases (CNAME) do not end", server.address);
        assert_eq!(end, NoRecords::ServFail(expected.into()), "{name}");
    }
    assert!(server.times_asked() < 60, "{}", server.times_asked());
}

#[tokio::test]
async fn records_of_other_names_are_not_listened_to() {
    let server = NameServer::saying(|asked| match (&*asked.name, asked.of) {
        ("a.example", A) => Said::default()
            .answer(&name("bank.example"), A, &[203, 0, 113, 66])
            .answer(&ASKED, A, &address(1))
            .answer(&name("b.a.example"), A, &[203, 0, 113, 66])
            .authority(&name("bank.example"), A, &[203, 0, 113, 66])
            .additional(&name("bank.example"), A, &[203, 0, 113, 66]),
        ("alias.example", A) => Said::default()
            .answer(&ASKED, CNAME, &name("host.example"))
            .answer(&name("bank.example"), CNAME, &name("evil.example"))
            .answer(&name("evil.example"), A, &[203, 0, 113, 66])
            .answer(&name("host.example"), A, &address(2)),
        ("bank.example", A) => Said::default().answer(&ASKED, A, &address(3)),
        ("odd.example", A) => Said::default().answer(&name("bank.example"), A, &[203, 0, 113, 66]),
        _ => Said::none(0),
    })
    .await;
    let resolver = resolver(&[&server], PATIENT);
    for (name, last) in [("a.example", 1), ("alias.example", 2), ("bank.example", 3)] {
        let found = resolver.a(&domain(name)).await.unwrap().records;
        assert_eq!(found, [Ipv4Addr::new(192, 0, 2, last)], "{name}");
    }
    assert!(resolver.a(&domain("odd.example")).await.is_err());
}

/// RFC 1035 §4.2
#[tokio::test]
async fn thousands_of_exchangers_come_over_tcp_and_the_best_are_kept() {
    let server = NameServer::saying(|asked| {
        if !asked.over_tcp {
            return Said::truncated();
        }
        (0..2500_u16).rev().fold(Said::default(), |said, number| {
            let exchange = [&[5_u8][..], format!("m{number:04}").as_bytes(), &ASKED].concat();
            said.answer(&ASKED, MX, &mx(number, &exchange))
        })
    })
    .await;
    let found = Resolver::mx(&resolver(&[&server], PATIENT), &domain("a.example")).await.unwrap();
    let preferences: Vec<u16> = found.records.iter().map(|mx| mx.preference).collect();
    assert_eq!(preferences, (0..u16::try_from(MX_RECORDS_MAX).unwrap()).collect::<Vec<_>>());
    assert_eq!(found.records[7].exchange, Exchange::Host(domain("m0007.a.example")));
}

#[tokio::test]
async fn what_stays_truncated_is_a_failure() {
    let server = NameServer::saying(|_| Said::truncated()).await;
    let end = end_of_a(&server, Patience { rounds: 1, ..PATIENT }).await;
    let expected = format!("{}: the answer was cut off, over TCP too", server.address);
    assert_eq!(end, NoRecords::ServFail(expected.into()));
}

#[tokio::test]
async fn a_host_with_hundreds_of_addresses_is_cut_down() {
    let server = NameServer::saying(|asked| {
        if !asked.over_tcp {
            return Said::truncated();
        }
        (0..=255).fold(Said::default(), |said, last| said.answer(&ASKED, A, &address(last)))
    })
    .await;
    let found = resolver(&[&server], PATIENT).a(&domain("a.example")).await.unwrap();
    assert_eq!(found.records.len(), ADDRESSES_PER_HOST_MAX);
}

#[tokio::test]
async fn exchanges_that_name_no_host_are_told_apart() {
    let server = NameServer::saying(|_| {
        Said::default()
            .answer(&ASKED, MX, &mx(0, &[0]))
            .answer(&ASKED, MX, &mx(1, &labels_of(&[b"a b", b"example"])))
            .answer(&ASKED, MX, &mx(2, &labels_of(&[b"x\r\nEHLO", b"example"])))
            .answer(&ASKED, MX, &mx(3, &labels_of(&[b"192", b"0", b"2", b"1"])))
            .answer(&ASKED, MX, &mx(4, &labels_of(&[b"a.b", b"example"])))
            .answer(&ASKED, MX, &mx(5, &labels_of(&[b"\xff\0", b"example"])))
            .answer(&ASKED, MX, &mx(6, &labels_of(&[b"under_score", b"example"])))
    })
    .await;
    let found = Resolver::mx(&resolver(&[&server], PATIENT), &domain("a.example")).await.unwrap();
    let kinds: Vec<&str> = found
        .records
        .iter()
        .map(|mx| match &mx.exchange {
            Exchange::Null => "null",
            Exchange::Host(_) => "host",
            Exchange::Unusable(text) => {
                assert!(!text.as_str().contains(['\r', '\n', '\0']), "{text:?}");
                "unusable"
            }
        })
        .collect();
    assert_eq!(kinds, ["null", "unusable", "unusable", "unusable", "unusable", "unusable", "host"]);
}

#[tokio::test]
async fn a_server_that_fails_leaves_the_question_to_the_next_which_is_then_asked_first() {
    let refusing = NameServer::saying(|_| Said::code(5)).await;
    let good = NameServer::saying(|_| Said::default().answer(&ASKED, A, &address(1))).await;
    let resolver = resolver(&[&refusing, &good], PATIENT);
    for number in 0..3 {
        assert!(resolver.a(&domain(&format!("host{number}.example"))).await.is_ok());
    }
    assert_eq!((refusing.times_asked(), good.times_asked()), (1, 3));
}

#[tokio::test]
async fn a_silent_server_is_passed_too_and_words_say_more_than_silence() {
    let silent = NameServer::start(|_| None).await;
    let good = NameServer::saying(|_| Said::default().answer(&ASKED, A, &address(1))).await;
    assert!(resolver(&[&silent, &good], HASTY).a(&domain("a.example")).await.is_ok());
    let failing = NameServer::saying(|_| Said::code(SERVFAIL)).await;
    let end = resolver(&[&failing, &silent], HASTY).a(&domain("a.example")).await.unwrap_err();
    assert!(matches!(end, NoRecords::ServFail(_)), "{end:?}");
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_not_asked_of_the_next_server() {
    let first = NameServer::saying(|_| Said::none(NXDOMAIN)).await;
    let second = NameServer::saying(|_| Said::default().answer(&ASKED, A, &address(1))).await;
    let resolver = resolver(&[&first, &second], PATIENT);
    assert_eq!(resolver.a(&domain("a.example")).await, Err(NoRecords::NxDomain));
    assert_eq!(second.times_asked(), 0);
}

#[tokio::test]
async fn answers_are_remembered_whatever_they_are() {
    let server = NameServer::saying(|asked| match &*asked.name {
        "a.example" => Said::default().answer(&ASKED, A, &address(1)),
        "none.example" => Said::none(NXDOMAIN),
        _ => Said::none(0),
    })
    .await;
    let resolver = resolver(&[&server], PATIENT);
    for name in ["a.example", "none.example", "bare.example"] {
        let before = server.times_asked();
        let first = resolver.a(&domain(name)).await.map(|found| found.records);
        let second = resolver.a(&domain(&name.to_uppercase())).await.map(|found| found.records);
        assert_eq!(first, second, "{name}");
        assert_eq!(server.times_asked(), before + 1, "{name}");
    }
}

#[tokio::test]
async fn what_failed_is_asked_again_soon() {
    static WELL: AtomicBool = AtomicBool::new(false);
    let server = NameServer::saying(|_| match WELL.load(Ordering::Relaxed) {
        true => Said::default().answer(&ASKED, A, &address(1)),
        false => Said::code(SERVFAIL),
    })
    .await;
    let resolver = resolver(&[&server], PATIENT);
    let name = domain("a.example");
    assert!(resolver.a(&name).await.is_err());
    WELL.store(true, Ordering::Relaxed);
    tokio::time::pause();
    tokio::time::advance(DNS_TTL_MIN).await;
    tokio::time::resume();
    assert!(resolver.a(&name).await.is_ok());
}

#[tokio::test]
async fn no_answer_is_remembered_too_shortly_or_too_long() {
    let server = NameServer::saying(|asked| {
        let ttl = if asked.name == "short.example" { 0 } else { u32::MAX };
        Said::default().with(0, &ASKED, A, ttl, &address(1))
    })
    .await;
    let resolver = resolver(&[&server], PATIENT);
    assert_eq!(resolver.a(&domain("short.example")).await.unwrap().ttl, DNS_TTL_MIN);
    assert!(resolver.a(&domain("long.example")).await.unwrap().ttl <= DNS_TTL_MAX);
}

/// RFC 1035 §2.3.4
#[tokio::test]
async fn a_name_that_fits_into_no_question_does_not_exist() {
    let server = NameServer::saying(|_| Said::code(SERVFAIL)).await;
    let long = format!("{}.{}.{}.{}", "a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(63));
    assert_eq!(resolver(&[&server], PATIENT).a(&domain(&long)).await, Err(NoRecords::NxDomain));
    assert_eq!(server.times_asked(), 0);
}

#[tokio::test]
async fn localhost_is_known_without_asking() {
    let server = NameServer::saying(|_| Said::default().answer(&ASKED, A, &[203, 0, 113, 66])).await;
    let found = resolver(&[&server], PATIENT).a(&domain("localhost")).await.unwrap();
    assert_eq!(found.records, [Ipv4Addr::LOCALHOST]);
    assert_eq!(server.times_asked(), 0);
}

#[test]
fn the_number_of_servers_is_bounded() {
    let servers: Vec<SocketAddr> = (0..=NAME_SERVERS_MAX).map(|_| "127.0.0.1:53".parse().unwrap()).collect();
    assert!(DnsResolver::new(&servers, PATIENT).is_err());
    assert_eq!(DnsResolver::new(&servers[1..], PATIENT).unwrap().addresses(), servers[1..]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Behind a question that is the right one: noise alone, or a good answer with some octets changed.
    #[test]
    fn no_garbage_does_harm(
        noise in proptest::collection::vec(any::<u8>(), 0..300),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8),
        counts in any::<[u8; 6]>(),
        alone in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = NameServer::start(move |asked| {
                let empty = Said::default().octets(asked);
                if alone {
                    let mut octets = empty;
                    octets[6..12].copy_from_slice(&counts);
                    octets.extend(&noise);
                    return Some(octets);
                }
                let good = Said::default()
                    .answer(&ASKED, CNAME, &name("host.example"))
                    .answer(&name("host.example"), MX, &mx(10, &name("mx.example")))
                    .additional(&name("mx.example"), A, &address(1));
                let mut octets = good.octets(asked);
                for (at, octet) in &changes {
                    let at = empty.len() + at.index(octets.len() - empty.len());
                    octets[at] = *octet;
                }
                Some(octets)
            })
            .await;
            if let Ok(found) = Resolver::mx(&resolver(&[&server], HASTY), &domain("a.example")).await {
                assert!((1..=MX_RECORDS_MAX).contains(&found.records.len()));
            }
        });
    }
}
