//! The table of addresses (`addresses.txt`), through every door of this crate. The doors of the protocol engine
//! stand in `tests/checks/tests/addresses.rs`.

mod table;

use postrider_mail::limits::PATH_OCTETS_MAX;
use postrider_mail::{ForwardPath, Mailbox, OriginalRecipient, ReversePath};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error, StrDeserializer};
use table::{Verdict, rows};

/// What serde makes of the text: the door of the queue, the journal, the configuration and the control socket.
fn stored<'de, T: Deserialize<'de>>(text: &'de str) -> Option<T> {
    let deserializer: StrDeserializer<'de, Error> = text.into_deserializer();
    T::deserialize(deserializer).ok()
}

/// RFC 5321 §4.1.2, RFC 5321 §4.5.3.1.1, RFC 5321 §4.5.3.1.3, RFC 6531 §3.3
#[test]
fn each_address_has_its_verdict_at_every_door() {
    let rows = rows();
    for row in &rows {
        let text = row.text.as_str();
        let (mailbox, reverse, forward) = match &row.verdict {
            Verdict::Address(form) => (Some(form.clone()), Some(form.clone()), Some(form.clone())),
            Verdict::Routed(form) => (None, Some(form.clone()), Some(form.clone())),
            Verdict::Postmaster => (None, None, Some("Postmaster".to_owned())),
            Verdict::Null => (None, Some(String::new()), None),
            Verdict::None => (None, None, None),
        };
        let parsed: Option<Mailbox> = text.parse().ok();
        assert_eq!(parsed.as_ref().map(ToString::to_string), mailbox, "{row:?}");
        assert_eq!(stored::<Mailbox>(text), parsed, "{row:?}, read back");
        let path: Option<ReversePath> = text.parse().ok();
        assert_eq!(path.as_ref().map(ToString::to_string), reverse, "{row:?}, as a reverse-path");
        assert_eq!(stored::<ReversePath>(text), path, "{row:?}, as a reverse-path read back");
        let path: Option<ForwardPath> = text.parse().ok();
        assert_eq!(path.as_ref().map(ToString::to_string), forward, "{row:?}, as a forward-path");
        assert_eq!(stored::<ForwardPath>(text), path, "{row:?}, as a forward-path read back");
        if let Some(parsed) = parsed {
            prints_as_itself(&parsed);
        }
    }
    println!("{} addresses", rows.len());
    assert!(rows.len() >= 200, "only {} addresses", rows.len());
}

fn prints_as_itself(mailbox: &Mailbox) {
    let printed = mailbox.to_string();
    assert_eq!(printed.parse::<Mailbox>().as_ref(), Ok(mailbox), "{printed}");
    assert!(printed.len() <= PATH_OCTETS_MAX - "<>".len(), "{printed}");
    assert!(!printed.chars().any(char::is_control), "{printed:?}");
    // Three octets of UTF-8 may be ten in ASCII, more than the parameter may have.
    let Some(orcpt) = OriginalRecipient::of(mailbox) else { return };
    assert_eq!(orcpt.address(), printed);
    for utf8 in [true, false] {
        let xtext = orcpt.to_xtext(utf8);
        assert_eq!(OriginalRecipient::from_xtext(&xtext).as_ref(), Ok(&orcpt), "ORCPT of {printed}");
    }
}

#[test]
fn what_looks_alike_is_not_the_same_address() {
    let key = |text: &str| text.parse::<Mailbox>().unwrap().key();
    for (one, other) in [
        ("a@аpple.example", "a@apple.example"),
        ("pаypal@example.org", "paypal@example.org"),
        ("a@faß.example", "a@fass.example"),
        ("a.b@example.org", "a．b@example.org"),
        ("\"a b\"@example.org", "ab@example.org"),
        ("user%b@example.org", "user@example.org"),
    ] {
        assert_ne!(key(one), key(other), "{one} and {other}");
    }
}

#[test]
fn what_is_spelled_in_two_ways_is_the_same_address() {
    let key = |text: &str| text.parse::<Mailbox>().unwrap().key();
    for (one, other) in [
        ("a@Bücher.Example", "a@xn--bcher-kva.example"),
        ("a@example。org", "a@example.org"),
        ("a@ｅxample.org", "a@example.org"),
        ("\"first.last\"@example.org", "first.last@example.org"),
        ("A@EXAMPLE.ORG", "a@example.org"),
        ("a@[ipv6:2001:DB8::1]", "a@[IPv6:2001:db8:0::1]"),
    ] {
        assert_eq!(key(one), key(other), "{one} and {other}");
    }
}
