//! Clients and next hops that no one here wrote, and messages of every kind: each goes through unharmed, octet by
//! octet below the trace fields, or is refused or returned with the right code. What was promised about notices,
//! and who a proxy says is there, survives other programs too.

#![expect(clippy::panic, clippy::unwrap_used, reason = "the helpers of these tests are tests too")]

mod clients;
mod hops;
mod programs;
mod relays;
mod told;
mod trusted;

use postrider_tests::bodies::{Body, Fate, Kind, lf};

/// The fields that servers put above a message.
const TRACE: [&str; 7] = [
    "return-path:",
    "delivered-to:",
    "x-original-to:",
    "envelope-to:",
    "delivery-date:",
    "received:",
    "x-delivered-to:",
];

/// Asserts that `stored` is this content below nothing but trace fields; lines end in LF where they are text.
#[track_caller]
fn lies_there(stored: &[u8], content: &[u8], body: &Body, who: &str) {
    let content = if body.kind == Kind::Binary { content.to_vec() } else { lf(content) };
    let Some(fields) = stored.strip_suffix(content.as_slice()) else {
        let stored = String::from_utf8_lossy(&stored[..stored.len().min(2000)]);
        panic!("{who}, {}: what lies there is not what was sent:\n{stored:?}", body.name)
    };
    assert!(are_trace(fields), "{who}, {}: {:?}", body.name, String::from_utf8_lossy(fields));
}

/// What was seen on a wire of this body: the same, below what those who pass it on write above it; the same with a
/// CRLF more; or something else.
fn judge(body: &Body, content: &[u8]) -> Fate {
    let below = |sent: &[u8]| content.strip_suffix(sent).is_some_and(are_trace);
    if below(&body.content) {
        Fate::Same
    } else if below(&[body.content.as_slice(), b"\r\n"].concat()) {
        Fate::Ended
    } else {
        Fate::Theirs
    }
}

/// Whether these are trace fields, and nothing else.
fn are_trace(fields: &[u8]) -> bool {
    String::from_utf8_lossy(fields).lines().all(|line| {
        let lower = line.to_ascii_lowercase();
        line.starts_with([' ', '\t']) || TRACE.iter().any(|field| lower.starts_with(field))
    })
}

/// The one stored message that came from this address.
#[track_caller]
fn from<'m>(mail: &'m [Vec<u8>], sender: &str) -> &'m [u8] {
    let path = format!("return-path: <{}>", sender.to_lowercase());
    let is_from = |octets: &&Vec<u8>| {
        let mut lines = octets.split(|&octet| octet == b'\n').take(20).map(String::from_utf8_lossy);
        lines.any(|line| line.to_lowercase().trim_end() == path)
    };
    let mut found = mail.iter().filter(is_from);
    let one = found.next().unwrap_or_else(|| panic!("nothing is stored from {sender}"));
    assert!(found.next().is_none(), "there twice: from {sender}");
    one
}
