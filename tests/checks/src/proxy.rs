//! The header of the PROXY protocol at the start of a connection.

use crate::limits::INPUT_OCTETS_MAX;
use postrider_mta::limits::PROXY_OCTETS_MAX;
use postrider_mta::proxy::{Header, parse};

/// Any octets begin with a header, may still become one, or do not; more octets never change what was decided,
/// and a header is bounded.
///
/// # Panics
/// When that does not hold.
pub fn proxy_header(input: &[u8]) {
    let input = &input[..input.len().min(INPUT_OCTETS_MAX)];
    let whole = parse(input);
    match whole {
        Header::Incomplete => {
            assert!(input.len() < PROXY_OCTETS_MAX, "{} octets decide nothing", input.len());
        }
        Header::Whole { octets, client } => {
            assert!(octets <= input.len() && octets <= PROXY_OCTETS_MAX, "a header of {octets} octets");
            assert_eq!(parse(&input[..octets]), whole, "what follows a header is none of it");
            if let Some(client) = client.filter(|_| input.starts_with(b"PROXY ")) {
                let family = if client.is_ipv4() { "TCP4" } else { "TCP6" };
                let (ip, port) = (client.ip(), client.port());
                let printed = format!("PROXY {family} {ip} {ip} {port} 25\r\n");
                let again = Header::Whole { octets: printed.len(), client: Some(client) };
                assert_eq!(parse(printed.as_bytes()), again);
            }
        }
        Header::Not(why) => assert!(!why.is_empty()),
    }
    // As it comes: undecided at first, then decided once.
    let mut decided = None;
    for end in 0..input.len().min(PROXY_OCTETS_MAX + 1) {
        match (parse(&input[..end]), decided) {
            (Header::Incomplete, None) => {}
            (now, None) => decided = Some(now),
            (now @ Header::Whole { .. }, Some(before)) => assert_eq!(now, before),
            (now, Some(before)) => {
                assert!(
                    matches!((now, before), (Header::Not(_), Header::Not(_))),
                    "{before:?}, then {now:?}"
                );
            }
        }
    }
    if let Some(Header::Whole { .. }) = decided {
        assert_eq!(decided, Some(whole));
    }
}
