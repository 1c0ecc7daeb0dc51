//! xtext, and the two forms of an address with UTF-8 in it (RFC 3461 §4, RFC 6533 §3).

use crate::limits::INPUT_OCTETS_MAX;
use postrider_mail::xtext::{decode, decode_utf8, encode, encode_utf8};

/// What decodes is printable and encodes to what decodes to the same; any text encodes to xtext.
///
/// # Panics
/// When that does not hold.
pub fn xtext(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(&input[..input.len().min(INPUT_OCTETS_MAX)]) else { return };
    if let Ok(decoded) = decode(text) {
        assert!(decoded.bytes().all(|octet| matches!(octet, b' '..=b'~')), "{decoded:?} is not printable");
        assert!(decoded.len() <= text.len());
        assert_eq!(decode(&encode(&decoded)), Ok(decoded));
    }
    if let Ok(decoded) = decode_utf8(text) {
        assert!(!decoded.chars().any(char::is_control), "{decoded:?} holds a control character");
        assert!(decoded.len() <= text.len());
        assert_eq!(decode_utf8(&encode_utf8(&decoded)), Ok(decoded));
    }
    for encoded in [encode(text), encode_utf8(text)] {
        assert!(encoded.bytes().all(|octet| matches!(octet, b'!'..=b'~')), "{encoded:?} is not printable");
        assert!(!encoded.contains('='), "{encoded:?} looks like a parameter");
    }
}
