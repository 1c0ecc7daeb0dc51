//! Addresses: `Mailbox = Local-part "@" ( Domain / address-literal )` (RFC 5321 §4.1.2).
//!
//! One parser, used everywhere. It takes the whole text or nothing: no trailing garbage, no encoded words,
//! no comments, no guessing.

use crate::limits::{LOCAL_PART_OCTETS_MAX, PATH_OCTETS_MAX};
use crate::name::{Host, NameError};
use crate::text::is_unprintable;
use std::fmt;
use std::str::FromStr;

/// Why a text is not an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressError {
    /// There is no `@` with something before it.
    NoLocalPart,
    /// There is no `@` with something behind it.
    NoDomain,
    /// The local part has a character that must be quoted, an empty atom, or an unfinished quotation.
    BadLocalPart,
    /// Longer than the local part or the whole path may be.
    TooLong,
    /// The right side is neither a domain nor an address literal.
    Host(NameError),
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLocalPart => {
                f.write_str("an address is local-part@domain, and the local part is missing")
            }
            Self::NoDomain => f.write_str("an address is local-part@domain, and the domain is missing"),
            Self::BadLocalPart => f.write_str("the part before the @ is not well formed"),
            Self::TooLong => f.write_str("the address is too long"),
            Self::Host(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for AddressError {}

/// The left side of an address, unquoted UTF-8; printing quotes it where it must be (RFC 5321 §4.1.2).
///
/// Printable characters and spaces only. Compared octet by octet: what a local part means is for its own
/// host to say (RFC 5321 §2.4).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalPart(Box<str>);

impl LocalPart {
    /// From the unquoted text.
    ///
    /// # Errors
    /// Empty, too long, or with control characters or those that turn a line around.
    pub fn new(unquoted: &str) -> Result<Self, AddressError> {
        if unquoted.is_empty() {
            return Err(AddressError::NoLocalPart);
        }
        if unquoted.len() > LOCAL_PART_OCTETS_MAX {
            return Err(AddressError::TooLong);
        }
        if unquoted.chars().any(is_unprintable) {
            return Err(AddressError::BadLocalPart);
        }
        Ok(Self(unquoted.into()))
    }

    /// The local part without quotation.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `Local-part = Dot-string / Quoted-string`: the local part and what follows it.
fn local_part(text: &str) -> Result<(LocalPart, &str), AddressError> {
    if let Some(quoted) = text.strip_prefix('"') {
        return quoted_string(quoted);
    }
    let end = text.find('@').unwrap_or(text.len());
    let (dot_string, rest) = text.split_at(end);
    if dot_string.is_empty() {
        return Err(AddressError::NoLocalPart);
    }
    if !is_dot_string(dot_string) {
        return Err(AddressError::BadLocalPart);
    }
    Ok((LocalPart::new(dot_string)?, rest))
}

/// The inside of a `Quoted-string`, behind its opening quote.
fn quoted_string(text: &str) -> Result<(LocalPart, &str), AddressError> {
    let mut unquoted = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((LocalPart::new(&unquoted)?, &text[at + 1..])),
            // quoted-pairSMTP
            '\\' => match chars.next() {
                Some((_, c @ ' '..='~')) => unquoted.push(c),
                _ => return Err(AddressError::BadLocalPart),
            },
            c if is_unprintable(c) => return Err(AddressError::BadLocalPart),
            c => unquoted.push(c),
        }
    }
    Err(AddressError::BadLocalPart)
}

/// `Dot-string = Atom *("." Atom)`, with RFC 6531's UTF-8 in atoms.
fn is_dot_string(text: &str) -> bool {
    text.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || "!#$%&'*+-/=?^_`{|}~".contains(c)
        || (!c.is_ascii() && !is_unprintable(c) && !c.is_whitespace())
}

impl fmt::Display for LocalPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_dot_string(&self.0) {
            return f.write_str(&self.0);
        }
        f.write_str("\"")?;
        for c in self.0.chars() {
            if c == '"' || c == '\\' {
                f.write_str("\\")?;
            }
            fmt::Write::write_char(f, c)?;
        }
        f.write_str("\"")
    }
}

impl fmt::Debug for LocalPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// `Mailbox`: one address, valid and complete. Only a `Mailbox` reaches delivery.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mailbox {
    local: LocalPart,
    host: Host,
}

impl Mailbox {
    /// From its two valid sides.
    pub fn new(local: LocalPart, host: Host) -> Self {
        Self { local, host }
    }

    /// The left side.
    pub fn local(&self) -> &LocalPart {
        &self.local
    }

    /// The right side.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The form that is compared and looked up in our own directory: `local@host`, unquoted, both sides in
    /// lower case. Our own local parts ignore case, as users expect; other hosts' are passed on untouched.
    pub fn key(&self) -> String {
        format!("{}@{}", self.local.as_str().to_lowercase(), self.host.key())
    }
}

impl FromStr for Mailbox {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.len() > PATH_OCTETS_MAX - "<>".len() {
            return Err(AddressError::TooLong);
        }
        let (local, rest) = local_part(text)?;
        let host = match rest.strip_prefix('@') {
            Some(host) if !host.is_empty() => host.parse().map_err(AddressError::Host)?,
            _ if rest.is_empty() || rest == "@" => return Err(AddressError::NoDomain),
            _ => return Err(AddressError::BadLocalPart),
        };
        let mailbox = Self { local, host };
        // Printing may escape what was typed bare: the bound holds for both spellings.
        if mailbox.to_string().len() > PATH_OCTETS_MAX - "<>".len() {
            return Err(AddressError::TooLong);
        }
        Ok(mailbox)
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.host)
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

crate::serde_as_text!(Mailbox);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_of_the_field_parse_and_print() {
        for address in [
            "friend@local.example",
            "a.b+tag@x.y",
            "\"john doe\"@example.org",
            "\"a\\\"b\\\\c\"@example.org",
            "x@[192.0.2.1]",
            "x@[IPv6:2001:db8::1]",
            "jörg@bücher.example",
            "\"\u{a0}\"@x",
        ] {
            assert_eq!(address.parse::<Mailbox>().unwrap().to_string(), address);
        }
        assert_eq!("\"plain\"@x".parse::<Mailbox>().unwrap().to_string(), "plain@x");
    }

    #[test]
    fn what_is_not_exactly_one_address_is_refused() {
        for bad in [
            "",
            "@",
            "a",
            "a@",
            "@b",
            "a@@b",
            "a@b@c",
            "a b@c",
            ".a@b",
            "a.@b",
            "a..b@c",
            "\"a@b",
            "\"a\"b@c",
            "a@b c",
            "a@b>",
            "<a@b>",
            "a@b,c@d",
            "a\r@b",
            "\"a\nb\"@c",
            "\"a\0\"@c",
            "=?utf-8?q?a?=@b@c",
            "\"\"@b",
        ] {
            assert!(bad.parse::<Mailbox>().is_err(), "{bad:?}");
        }
        assert_eq!(format!("{}@b", "a".repeat(255)).parse::<Mailbox>(), Err(AddressError::TooLong));
    }

    /// RFC 5321 §2.4
    #[test]
    fn our_own_directory_ignores_case() {
        assert_eq!("Friend@LOCAL.example".parse::<Mailbox>().unwrap().key(), "friend@local.example");
    }

    proptest! {
        /// RFC 5321 §4.1.2
        #[test]
        fn parse_and_print_are_inverse(local in "[\\PC--\u{2028}-\u{202e}]{1,60}", host in "[a-z0-9]{1,9}(\\.[a-z]{1,5}){0,3}") {
            let mailbox = Mailbox::new(LocalPart::new(&local).unwrap(), host.parse().unwrap());
            if mailbox.to_string().len() <= PATH_OCTETS_MAX - 2 {
                prop_assert_eq!(&mailbox.to_string().parse::<Mailbox>().unwrap(), &mailbox);
            }
        }

        #[test]
        fn any_text_parses_or_is_refused_without_a_panic(text in "\\PC{0,80}|[\"\\\\@.a\\[\\]]{0,20}") {
            if let Ok(mailbox) = text.parse::<Mailbox>() {
                prop_assert!(!mailbox.to_string().contains(['\r', '\n', '\0']));
                prop_assert_eq!(&mailbox.to_string().parse::<Mailbox>().unwrap(), &mailbox);
            }
        }
    }
}
