//! The client engine against scripted peers: `S:` is what the peer says, `C:` what we must say. Every script
//! runs with the peer's octets split in several ways, and must lead to the same events.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod driver;
mod failures;
mod transactions;

use driver::{Driver, to};
use postrider_mail::{Body, ForwardPath};
use postrider_smtp::client::{Event, Session, Transaction};
use postrider_smtp::limits;
use postrider_smtp::server::Dialect;
use proptest::prelude::*;
use std::time::Duration;

#[test]
fn every_phase_has_its_deadline_and_octets_do_not_extend_it() {
    let mut driver = Driver::new(Dialect::Smtp, vec![(to(&["a@y"; 100]), Vec::new())], true);
    let start = driver.now;
    let left = |driver: &Driver| driver.session.deadline().unwrap() - driver.now;
    assert_eq!(left(&driver), limits::CLIENT_GREETING_TIMEOUT);
    driver.now += Duration::from_secs(100);
    driver.receive(b"220-still\r\n22");
    assert_eq!(driver.session.deadline().unwrap(), start + limits::CLIENT_GREETING_TIMEOUT);
    driver.receive(b"0 mx\r\n");
    assert_eq!(left(&driver), limits::CLIENT_COMMAND_TIMEOUT);
    driver.receive(b"250 mx\r\n");
    assert_eq!(left(&driver), limits::CLIENT_MAIL_TIMEOUT);
    let begun = driver.now;
    driver.receive(b"250\r\n");
    assert_eq!(left(&driver), limits::CLIENT_RCPT_TIMEOUT);
    // However lively the peer, the envelope as a whole has its end.
    for _ in 0..99 {
        driver.now += Duration::from_secs(18);
        driver.receive(b"250\r\n");
    }
    assert_eq!(driver.session.deadline().unwrap(), begun + limits::CLIENT_ENVELOPE_TIMEOUT);
    driver.now = begun;
    driver.receive(b"250\r\n");
    assert_eq!(left(&driver), limits::CLIENT_DATA_TIMEOUT);
    driver.receive(b"354\r\n");
    assert_eq!(left(&driver), limits::CLIENT_END_TIMEOUT);
    driver.receive(b"250\r\n");
    assert_eq!(left(&driver), limits::CLIENT_QUIT_TIMEOUT);
    let event = driver.call(Session::timed_out);
    assert_eq!(event, Event::Closed, "after QUIT the work is done");
}

#[test]
fn an_idle_session_has_no_deadline() {
    let mut driver = Driver::new(Dialect::Smtp, Vec::new(), false);
    driver.receive(b"220\r\n250\r\n");
    assert_eq!(driver.session.deadline(), None);
}

#[test]
fn an_outcome_keeps_a_bounded_part_of_an_endless_refusal() {
    let line = format!("550-{}\r\n", "x".repeat(900));
    let reply = line.repeat(70) + "550 end\r\n";
    let mut driver = Driver::new(Dialect::Smtp, vec![(to(&["a@y"]), Vec::new())], false);
    driver.receive(b"220\r\n250\r\n250\r\n");
    driver.receive(reply.as_bytes());
    let finished = driver.events.last().unwrap();
    assert!(finished.starts_with("finished: [refused at RCPT 550 xxx"));
    assert!(finished.len() < limits::REPLY_KEPT_OCTETS_MAX + 100);
    assert_eq!(driver.ear.0.matches("S: 550").count(), 71, "the dialogue hears all of it");
}

fn paths() -> impl Strategy<Value = ForwardPath> {
    let text = "[a-z\\PC]{1,9}@[a-zü]{1,9}|\"[ -~&&[^\"\\\\]]{1,9}\"@y|postmaster";
    text.prop_filter_map("no path", |text| text.parse().ok())
}

/// What a peer may say, from well-behaved to hostile.
fn sayings() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => "(220|250|250|250|354|451|550|452 4.5.3|421)( [a-z]{0,5})?\r\n".prop_map(String::into_bytes),
        2 => Just(b"250-mx\r\n250-SIZE 90\r\n250-8BITMIME\r\n250 PIPELINING\r\n".to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_peer_and_no_message_makes_us_panic_or_say_a_bare_cr_or_lf(
        lmtp in any::<bool>(),
        messages in prop::collection::vec(
            (prop::collection::vec(paths(), 0..5), prop::option::of(0u64..100), prop::collection::vec(
                prop::sample::select(&b"..\r\n\na\0\xff"[..]), 0..20)),
            0..4,
        ),
        sayings in prop::collection::vec(sayings(), 0..40),
        ending in 0..4,
    ) {
        let messages = messages.into_iter().map(|(recipients, size, content)| {
            let mut message = Transaction::new(to(&[]).mail.reverse_path, recipients);
            (message.mail.size, message.mail.body) = (size, Some(Body::EightBitMime));
            (message, content)
        });
        let dialect = if lmtp { Dialect::Lmtp } else { Dialect::Smtp };
        let mut driver = Driver::new(dialect, messages.collect(), true);
        for saying in &sayings {
            driver.receive(saying);
        }
        let event = match ending {
            0 => driver.call(Session::timed_out),
            1 => driver.call(Session::end_of_input),
            2 => driver.call(Session::abandon),
            _ => Event::NeedInput,
        };
        driver.act(event);
        let said = &driver.wire;
        prop_assert!(said.is_empty() || said.ends_with(b"\n") || driver.ear.0.contains("octets"));
        for (at, &octet) in said.iter().enumerate() {
            prop_assert!(octet != b'\r' || said.get(at + 1) == Some(&b'\n'));
            prop_assert!(octet != b'\n' || at > 0 && said[at - 1] == b'\r');
        }
        let commands = driver.ear.0.lines().filter(|line| line.starts_with("C: "));
        prop_assert!(commands.clone().all(|line| !line.contains("\\x")), "commands are ASCII");
    }
}
