//! The client engine against scripted peers: `S:` is what the peer says, `C:` what we must say. Every script
//! runs with the peer's octets split in several ways, and must lead to the same events.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod chunks;
mod driver;
mod extensions;
mod failures;
mod transactions;

use driver::{Driver, to};
use postrider_mail::{Body, EnvelopeId, ForwardPath, Notify, OriginalRecipient, Ret};
use postrider_smtp::client::{Event, Session, Transaction};
use postrider_smtp::limits;
use postrider_smtp::server::Dialect;
use proptest::prelude::*;
use std::time::Duration;

/// RFC 5321 §4.5.3.2.1, §4.5.3.2.2, §4.5.3.2.3, §4.5.3.2.4, §4.5.3.2.5, §4.5.3.2.6
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

/// Hostile messages: each with every parameter, or with none.
fn messages() -> impl Strategy<Value = Vec<(Transaction, Vec<u8>)>> {
    let path = "[a-z\\PC]{1,9}@[a-zü]{1,9}|\"[ -~&&[^\"\\\\]]{1,9}\"@y|postmaster";
    let path = path.prop_filter_map("no path", |text| text.parse::<ForwardPath>().ok());
    let content = prop::collection::vec(prop::sample::select(&b"..\r\r\n\na\0\xff"[..]), 0..20);
    let message =
        (prop::collection::vec(path, 0..5), prop::option::of(0u64..100), content, 0usize..3, 0u8..8);
    prop::collection::vec(message, 0..4).prop_map(|messages| messages.into_iter().map(message_of).collect())
}

fn message_of(
    (recipients, size, content, body, asks): (Vec<ForwardPath>, Option<u64>, Vec<u8>, usize, u8),
) -> (Transaction, Vec<u8>) {
    let sender = if asks & 1 == 0 { "a@client.example" } else { "jörg@bücher.example" };
    let mut message = Transaction::new(sender.parse().unwrap(), recipients);
    message.mail.size = size;
    message.mail.body = [None, Some(Body::EightBitMime), Some(Body::BinaryMime)][body];
    message.mail.smtputf8 = asks & 2 != 0;
    if asks & 4 != 0 {
        message.mail.ret = Some(Ret::Full);
        message.mail.envid = Some(EnvelopeId::from_xtext("+3D+20x").unwrap());
        message.mail.by = Some("60;R".parse().unwrap());
        message.mail.priority = Some("9".parse().unwrap());
        message.mail.solicit = Some("net.example:ADV".parse().unwrap());
        for rcpt in &mut message.recipients {
            rcpt.notify = Some(Notify::FAILURE);
            rcpt.orcpt = rcpt.forward_path.mailbox().and_then(OriginalRecipient::of);
        }
    }
    (message, content)
}

/// An EHLO reply that offers this, and BDAT with PIPELINING only: without, how far our own side has come when a
/// reply out of turn comes is for the driver to say.
fn offer(extensions: &[&str]) -> Vec<u8> {
    let lines: String = extensions.iter().map(|extension| format!("250-{extension}\r\n")).collect();
    format!("250-mx\r\n{lines}250 PIPELINING\r\n").into_bytes()
}

fn offers() -> impl Strategy<Value = Vec<u8>> {
    let some = ["SIZE 90", "8BITMIME", "DSN", "LIMITS RCPTMAX=2 MAILMAX=2"];
    let most = ["SIZE", "8BITMIME", "SMTPUTF8", "DSN", "CHUNKING", "BINARYMIME", "MT-PRIORITY", "DELIVERBY"];
    let rest = ["SMTPUTF8", "NO-SOLICITING", "CHUNKING", "BINARYMIME", "LIMITS RCPTDOMAINMAX=1"];
    prop_oneof![Just(b"250 mx\r\n".to_vec()), Just(offer(&some)), Just(offer(&most)), Just(offer(&rest)),]
}

/// What a peer may say, from well-behaved to hostile.
fn sayings() -> impl Strategy<Value = Vec<u8>> {
    let reply = "(220|250|250|250|354|451|550|452 4.5.3|421|521)([ -][a-z]{0,5})?\r?\n";
    let said = prop_oneof![
        16 => reply.prop_map(String::into_bytes),
        4 => Just(b"250 ok\r\n".to_vec()),
        2 => offers(),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ];
    let said = prop::collection::vec(said, 0..40);
    (prop_oneof![8 => Just(b"220 mx\r\n".to_vec()), 1 => Just(Vec::new())], offers(), said)
        .prop_map(|(greeting, hello, said)| [greeting, hello, said.concat()].concat())
}

/// Plays a whole session with a peer that says this, in pieces of these sizes, and ends so.
fn session(
    lmtp: bool,
    messages: &[(Transaction, Vec<u8>)],
    said: &[u8],
    sizes: &[usize],
    ending: u8,
) -> Driver {
    let dialect = if lmtp { Dialect::Lmtp } else { Dialect::Smtp };
    let mut driver = Driver::new(dialect, messages.to_vec(), true);
    let (mut rest, mut sizes) = (said, sizes.iter().cycle());
    while let Some(&size) = sizes.next().filter(|_| !rest.is_empty()) {
        let (piece, more) = rest.split_at(size.min(rest.len()));
        driver.receive(piece);
        rest = more;
    }
    let event = match ending {
        0 => driver.call(Session::timed_out),
        1 => driver.call(Session::end_of_input),
        2 => driver.call(Session::abandon),
        _ => Event::NeedInput,
    };
    driver.act(event);
    driver
}

/// The lines on a wire, with their ends; chunks of BDAT are no lines.
fn lines(mut wire: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    while !wire.is_empty() {
        let end = wire.iter().position(|&octet| octet == b'\n').map_or(wire.len(), |at| at + 1);
        let (line, rest) = wire.split_at(end);
        let chunk = line
            .strip_prefix(b"BDAT ")
            .and_then(|size| std::str::from_utf8(size).unwrap().trim().parse().ok());
        wire = &rest[chunk.unwrap_or(0)..];
        lines.push(line);
    }
    lines
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_peer_and_no_message_makes_us_panic_or_say_a_bare_cr_or_lf(
        lmtp in any::<bool>(),
        messages in messages(),
        said in sayings(),
        ending in 0u8..4,
    ) {
        let driver = session(lmtp, &messages, &said, &[usize::MAX], ending);
        let mut utf8 = false;
        for line in lines(&driver.wire) {
            let text = line.strip_suffix(b"\r\n");
            prop_assert!(text.is_some_and(|text| !text.contains(&b'\r') && !text.contains(&b'\n')), "{line:?}");
            if line.starts_with(b"MAIL ") {
                utf8 = line.windows(9).any(|word| word == b" SMTPUTF8");
            }
            let is_envelope = line.starts_with(b"MAIL ") || line.starts_with(b"RCPT ");
            prop_assert!(!is_envelope || utf8 || line.is_ascii(), "{line:?}");
        }
    }

    #[test]
    fn the_same_replies_lead_to_the_same_events_however_they_are_split(
        lmtp in any::<bool>(),
        messages in messages(),
        said in sayings(),
        sizes in prop::collection::vec(1usize..30, 1..5),
        ending in 0u8..4,
    ) {
        let whole = session(lmtp, &messages, &said, &[usize::MAX], ending);
        let split = session(lmtp, &messages, &said, &sizes, ending);
        // Who reads on behind a failure hears that it is over.
        let events = |driver: &Driver| {
            let failed = driver.events.iter().position(|event| event.starts_with("failed"));
            driver.events[..failed.map_or(driver.events.len(), |at| at + 1)].to_vec()
        };
        prop_assert_eq!(events(&whole), events(&split));
        prop_assert_eq!(whole.wire, split.wire);
        prop_assert_eq!(whole.ear.0, split.ear.0);
    }
}
