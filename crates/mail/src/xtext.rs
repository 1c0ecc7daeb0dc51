//! xtext: how arbitrary text stands in a parameter of MAIL or RCPT (RFC 3461 §4), and the two forms that an
//! address with UTF-8 has there (RFC 6533 §3).
//!
//! `xtext = *( xchar / hexchar )`: an xchar is any printable ASCII character but `+` and `=`, a hexchar is
//! `+` and two hexadecimal digits in upper case.

use std::fmt::Write as _;

/// Why a text is no xtext.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotXtext;

impl std::fmt::Display for NotXtext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an xtext is printable ASCII, with + and two hexadecimal digits for anything else")
    }
}

impl std::error::Error for NotXtext {}

/// The text in xtext; what it holds beyond ASCII becomes the octets of its UTF-8.
pub fn encode(text: &str) -> String {
    let mut xtext = String::with_capacity(text.len());
    for byte in text.bytes() {
        if is_xchar(byte) {
            xtext.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(xtext, "+{byte:02X}");
        }
    }
    xtext
}

/// The text that an xtext stands for. Decoded octets must be printable ASCII: nothing that a peer could hide
/// in an encoding (CR, LF, NUL) comes out.
///
/// # Errors
/// [`NotXtext`].
pub fn decode(xtext: &str) -> Result<String, NotXtext> {
    decode_octets_of_utf8(xtext).and_then(|text| if text.is_ascii() { Ok(text) } else { Err(NotXtext) })
}

/// The text whose UTF-8 stands in an xtext octet by octet, as [`encode`] has it: no standard asks for that, but
/// Postfix speaks so of a recipient with UTF-8. No control character comes out.
///
/// # Errors
/// [`NotXtext`].
pub fn decode_octets_of_utf8(xtext: &str) -> Result<String, NotXtext> {
    let mut octets = Vec::with_capacity(xtext.len());
    let mut bytes = xtext.bytes();
    while let Some(byte) = bytes.next() {
        octets.push(match byte {
            b'+' => hex(bytes.next())? << 4 | hex(bytes.next())?,
            byte if is_xchar(byte) => byte,
            _ => return Err(NotXtext),
        });
    }
    let text = String::from_utf8(octets).map_err(|_| NotXtext)?;
    if text.chars().any(char::is_control) { Err(NotXtext) } else { Ok(text) }
}

/// `utf-8-addr-xtext`: an address for a host that does not take SMTPUTF8, `\x{F6}` for what xtext cannot
/// hold (RFC 6533 §3).
pub fn encode_utf8(address: &str) -> String {
    let mut encoded = String::with_capacity(address.len());
    for c in address.chars() {
        match u8::try_from(c) {
            Ok(byte) if is_xchar(byte) && byte != b'\\' => encoded.push(c),
            // Writing to a String cannot fail.
            _ => drop(write!(encoded, "\\x{{{:02X}}}", u32::from(c))),
        }
    }
    encoded
}

/// The address behind `utf-8-addr-xtext` or `utf-8-addr-unitext` (RFC 6533 §3): UTF-8 may stand as it is or
/// as `\x{HEX}`, two to six digits. No control character comes out.
///
/// # Errors
/// [`NotXtext`].
pub fn decode_utf8(encoded: &str) -> Result<String, NotXtext> {
    let mut address = String::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some(c) = rest.chars().next() {
        let decoded = match rest.strip_prefix("\\x{") {
            Some(hex) => {
                let (digits, behind) = hex.split_once('}').ok_or(NotXtext)?;
                rest = behind;
                let good = (2..=6).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
                let number = u32::from_str_radix(digits, 16).ok().filter(|_| good).ok_or(NotXtext)?;
                char::from_u32(number).ok_or(NotXtext)?
            }
            None if c.is_ascii() && (c == '\\' || !u8::try_from(c).is_ok_and(is_xchar)) => {
                return Err(NotXtext);
            }
            None => {
                rest = &rest[c.len_utf8()..];
                c
            }
        };
        if decoded.is_control() {
            return Err(NotXtext);
        }
        address.push(decoded);
    }
    Ok(address)
}

fn is_xchar(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'+' && byte != b'='
}

fn hex(byte: Option<u8>) -> Result<u8, NotXtext> {
    match byte {
        Some(digit @ b'0'..=b'9') => Ok(digit - b'0'),
        Some(digit @ b'A'..=b'F') => Ok(digit - b'A' + 10),
        _ => Err(NotXtext),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 3461 §4, RFC 6533 §3
    #[test]
    fn the_examples_of_the_standards_decode() {
        assert_eq!(decode("rfc822;Bob+40Example.COM").unwrap(), "rfc822;Bob@Example.COM");
        assert_eq!(decode_utf8("j\\x{F6}rg@example").unwrap(), "jörg@example");
        assert_eq!(decode_utf8("jörg@example").unwrap(), "jörg@example");
        assert_eq!(encode("a+b=c d"), "a+2Bb+3Dc+20d");
        assert_eq!(encode_utf8("jö rg"), "j\\x{F6}\\x{20}rg");
    }

    #[test]
    fn nothing_hides_in_an_encoding() {
        for bad in ["+0D", "+0A", "+00", "+7F", "+80", "+", "+4", "+4g", "+2b", "a b", "a=b", "é"] {
            assert_eq!(decode(bad), Err(NotXtext), "{bad}");
        }
        for bad in ["\\", "\\x", "\\x{", "\\x{D}", "\\x{0D}", "\\x{D800}", "\\x{1100000}", "a b", "\\x{0A}"] {
            assert_eq!(decode_utf8(bad), Err(NotXtext), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself(ascii in "[ -~]{0,60}", any in "\\PC{0,40}") {
            prop_assert_eq!(decode(&encode(&ascii)).unwrap(), ascii);
            prop_assert_eq!(decode_utf8(&encode_utf8(&any)).unwrap(), any);
        }
    }
}
