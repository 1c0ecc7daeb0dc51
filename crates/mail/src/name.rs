//! Names of hosts and domains, as SMTP spells them (RFC 5321 §4.1.2, §4.1.3).

use crate::limits::{DOMAIN_OCTETS_MAX, HELO_OCTETS_MAX, LABEL_OCTETS_MAX};
use crate::text::is_unprintable;
use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Why a name is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// Nothing was given.
    Empty,
    /// More octets than the named limit allows.
    TooLong,
    /// An empty label, or one with a character that a host name may not have.
    BadLabel,
    /// `[…]` that holds neither an IPv4 address nor `IPv6:` and an IPv6 address.
    BadLiteral,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "a name is missing",
            Self::TooLong => "the name is too long",
            Self::BadLabel => "a domain is letters, digits and hyphens between dots",
            Self::BadLiteral => "an address literal is [192.0.2.1] or [IPv6:2001:db8::1]",
        })
    }
}

impl std::error::Error for NameError {}

/// The domain of an envelope address: printed as it was given, compared by its A-labels (RFC 5890).
///
/// Underscores are taken too: hosts with such names exist and send mail.
#[derive(Clone)]
pub struct Domain {
    given: Box<str>,
    /// The A-labels in lower case, where they differ from `given`.
    ascii: Option<Box<str>>,
}

impl Domain {
    /// The lower-case A-label form: the key for comparison, look-up and DNS.
    pub fn ascii(&self) -> &str {
        self.ascii.as_deref().unwrap_or(&self.given)
    }

    /// The domain as it was given.
    pub fn as_str(&self) -> &str {
        &self.given
    }
}

impl FromStr for Domain {
    type Err = NameError;

    fn from_str(given: &str) -> Result<Self, NameError> {
        let ascii: Cow<'_, str> = if given.is_ascii() {
            check_labels(given)?;
            if given.bytes().any(|b| b.is_ascii_uppercase()) {
                Cow::Owned(given.to_ascii_lowercase())
            } else {
                Cow::Borrowed(given)
            }
        } else {
            if given.len() > 4 * DOMAIN_OCTETS_MAX {
                return Err(NameError::TooLong);
            }
            let ascii = idna::domain_to_ascii(given).map_err(|_| NameError::BadLabel)?;
            check_labels(&ascii)?;
            // What IDNA maps must not be printed as given: it may hold what no name may.
            let bad = |c| is_unseen(c) || c.is_whitespace() || "<>()[]@,;:\\\"".contains(c);
            let is_dot = |c| matches!(c, '.' | '\u{3002}' | '\u{ff0e}' | '\u{ff61}');
            let mut labels = given.split(is_dot);
            if given.chars().any(bad) || labels.any(|label| label.starts_with('-') || label.ends_with('-')) {
                return Err(NameError::BadLabel);
            }
            Cow::Owned(ascii)
        };
        let ascii = if ascii == given { None } else { Some(ascii.into()) };
        Ok(Self { given: given.into(), ascii })
    }
}

/// Control characters, those that turn a line around, and those that IDNA maps to nothing and nobody sees.
fn is_unseen(c: char) -> bool {
    let nothing = matches!(c, '\u{ad}' | '\u{34f}' | '\u{180b}'..='\u{180f}' | '\u{200b}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    nothing || is_unprintable(c)
}

/// Checks `sub-domain *("." sub-domain)` with `_` allowed, and its sizes.
fn check_labels(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > DOMAIN_OCTETS_MAX {
        return Err(NameError::TooLong);
    }
    for label in name.split('.') {
        if label.len() > LABEL_OCTETS_MAX {
            return Err(NameError::TooLong);
        }
        let well_formed = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if label.is_empty() || !well_formed || label.starts_with('-') || label.ends_with('-') {
            return Err(NameError::BadLabel);
        }
    }
    Ok(())
}

impl PartialEq for Domain {
    fn eq(&self, other: &Self) -> bool {
        self.ascii() == other.ascii()
    }
}

impl Eq for Domain {}

impl PartialOrd for Domain {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Domain {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.ascii().cmp(other.ascii())
    }
}

impl Hash for Domain {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.ascii().hash(state);
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.given)
    }
}

impl fmt::Debug for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.given, f)
    }
}

/// The right side of an address: a domain, or an address literal (RFC 5321 §4.1.3).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// A domain name.
    Domain(Domain),
    /// `[192.0.2.1]` or `[IPv6:2001:db8::1]`. General address literals have no registered tag but IPv6.
    Literal(IpAddr),
}

impl Host {
    /// The domain, unless this is a literal.
    pub fn domain(&self) -> Option<&Domain> {
        match self {
            Self::Domain(domain) => Some(domain),
            Self::Literal(_) => None,
        }
    }

    /// The form that is compared and looked up: lower-case A-labels, or the canonical literal.
    pub fn key(&self) -> Cow<'_, str> {
        match self {
            Self::Domain(domain) => Cow::Borrowed(domain.ascii()),
            Self::Literal(_) => Cow::Owned(self.to_string()),
        }
    }
}

impl FromStr for Host {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let Some(rest) = text.strip_prefix('[') else {
            return text.parse().map(Self::Domain);
        };
        let inner = rest.strip_suffix(']').ok_or(NameError::BadLiteral)?;
        let v6 = inner.get(..5).filter(|tag| tag.eq_ignore_ascii_case("IPv6:")).and_then(|_| inner.get(5..));
        match v6 {
            Some(v6) => v6.parse::<Ipv6Addr>().map(|ip| Self::Literal(ip.into())),
            None => inner.parse::<Ipv4Addr>().map(|ip| Self::Literal(ip.into())),
        }
        .map_err(|_| NameError::BadLiteral)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain(domain) => domain.fmt(f),
            Self::Literal(IpAddr::V4(ip)) => write!(f, "[{ip}]"),
            Self::Literal(IpAddr::V6(ip)) => write!(f, "[IPv6:{ip}]"),
        }
    }
}

/// What a client called itself in HELO, EHLO or LHLO: kept as said, never trusted.
///
/// Printable ASCII or UTF-8 without spaces, at most [`HELO_OCTETS_MAX`] octets. Empty when a HELO came
/// without a name.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HeloName(Box<str>);

impl HeloName {
    /// The name of a HELO that gave none.
    pub fn none() -> Self {
        Self("".into())
    }

    /// The name as said; empty when none was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as a domain or address literal, where it is one.
    pub fn host(&self) -> Option<Host> {
        self.0.parse().ok()
    }
}

impl FromStr for HeloName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > HELO_OCTETS_MAX {
            return Err(NameError::TooLong);
        }
        if text.chars().any(|c| is_unprintable(c) || c.is_whitespace()) {
            return Err(NameError::BadLabel);
        }
        Ok(Self(text.into()))
    }
}

impl From<&Domain> for HeloName {
    fn from(domain: &Domain) -> Self {
        Self(domain.ascii().into())
    }
}

impl fmt::Display for HeloName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for HeloName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn domain(text: &str) -> Domain {
        text.parse().unwrap()
    }

    #[test]
    fn domains_compare_by_their_a_labels_and_print_as_given() {
        assert_eq!(domain("Bücher.Example"), domain("xn--bcher-kva.example"));
        assert_eq!(domain("EXAMPLE.org"), domain("example.ORG"));
        assert_eq!(domain("Bücher.Example").to_string(), "Bücher.Example");
    }

    /// RFC 1035 §2.3.4, RFC 5321 §4.5.3.1.2
    #[test]
    fn what_is_not_a_domain_is_refused() {
        for bad in ["", ".", "a..b", "a.", ".a", "-a.b", "a-.b", "a b", "a\r\nb", "a\0", "a@b", "ü @b", "[1]"]
        {
            assert!(bad.parse::<Domain>().is_err(), "{bad:?}");
        }
        assert_eq!("a".repeat(64).parse::<Domain>(), Err(NameError::TooLong));
        assert_eq!("a.".repeat(130).parse::<Domain>(), Err(NameError::TooLong));
    }

    /// RFC 5321 §4.1.3
    #[test]
    fn literals_are_ipv4_or_tagged_ipv6() {
        assert_eq!("[192.0.2.1]".parse::<Host>().unwrap().to_string(), "[192.0.2.1]");
        assert_eq!("[ipv6:2001:DB8::1]".parse::<Host>().unwrap().to_string(), "[IPv6:2001:db8::1]");
        for bad in ["[", "[]", "[::1]", "[1.2.3]", "[IPv6:1.2.3.4]", "[1.2.3.4", "[tag:x]", "[IPv6é]"] {
            assert_eq!(bad.parse::<Host>(), Err(NameError::BadLiteral), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn a_parsed_host_prints_back_to_itself(text in "\\PC{0,40}|[a-zA-Z0-9_.-]{1,30}|\\[IPv6:[0-9a-f:]{2,20}\\]") {
            if let Ok(host) = text.parse::<Host>() {
                prop_assert_eq!(&host.to_string().parse::<Host>().unwrap(), &host);
            }
        }
    }
}
