//! What a sender asks to be told, and by which names: RET, ENVID, NOTIFY and ORCPT (RFC 3461 §4).
//!
//! Values are kept decoded. Each prints in its canonical form: parsing what was printed gives the same value.

use crate::limits::{ENVID_OCTETS_MAX, ORCPT_OCTETS_MAX};
use crate::xtext::{self, NotXtext};
use std::fmt;
use std::str::FromStr;

/// `RET=`: what a notice of failure brings back (RFC 3461 §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ret {
    /// `FULL`: the whole message.
    Full,
    /// `HDRS`: its header section.
    Headers,
}

impl fmt::Display for Ret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "FULL",
            Self::Headers => "HDRS",
        })
    }
}

impl FromStr for Ret {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.eq_ignore_ascii_case("FULL") {
            Ok(Self::Full)
        } else if text.eq_ignore_ascii_case("HDRS") {
            Ok(Self::Headers)
        } else {
            Err("RET is FULL or HDRS")
        }
    }
}

/// `ENVID=`: the sender's own name for this transmission, decoded: printable ASCII, at most
/// [`ENVID_OCTETS_MAX`] octets in xtext (RFC 3461 §4.4).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EnvelopeId(Box<str>);

impl EnvelopeId {
    /// From the parameter's value.
    ///
    /// # Errors
    /// It is empty, too long, or no xtext.
    pub fn from_xtext(xtext: &str) -> Result<Self, NotXtext> {
        if xtext.is_empty() || xtext.len() > ENVID_OCTETS_MAX {
            return Err(NotXtext);
        }
        Ok(Self(xtext::decode(xtext)?.into()))
    }

    /// The parameter's value.
    pub fn to_xtext(&self) -> String {
        xtext::encode(&self.0)
    }

    /// The text it stands for.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `NOTIFY=`: of what the sender wants to hear about a recipient (RFC 3461 §4.1). Where it is not given, of
/// failures, and of delays if the host likes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Notify(u8);

impl Notify {
    /// `NEVER`: of nothing, not even of failure.
    pub const NEVER: Self = Self(0);
    /// `SUCCESS`
    pub const SUCCESS: Self = Self(1);
    /// `FAILURE`
    pub const FAILURE: Self = Self(2);
    /// `DELAY`
    pub const DELAY: Self = Self(4);

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether any of these is wanted.
    pub const fn wants(self, any: Self) -> bool {
        self.0 & any.0 != 0
    }
}

/// `NEVER`, or a list of `SUCCESS`, `FAILURE`, `DELAY`, separated by commas. The standard has each once; one
/// that is repeated says nothing new.
impl FromStr for Notify {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.eq_ignore_ascii_case("NEVER") {
            return Ok(Self::NEVER);
        }
        text.split(',').try_fold(Self::NEVER, |all, word| {
            let known = [Self::SUCCESS, Self::FAILURE, Self::DELAY];
            let one = known.into_iter().find(|one| word.eq_ignore_ascii_case(&one.to_string()));
            one.map(|one| all.and(one)).ok_or("NOTIFY is NEVER, or a list of SUCCESS, FAILURE and DELAY")
        })
    }
}

impl fmt::Display for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = [(Self::SUCCESS, "SUCCESS"), (Self::FAILURE, "FAILURE"), (Self::DELAY, "DELAY")]
            .into_iter()
            .filter(|(one, _)| self.wants(*one))
            .map(|(_, word)| word);
        f.write_str(words.next().unwrap_or("NEVER"))?;
        words.try_for_each(|word| write!(f, ",{word}"))
    }
}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// `ORCPT=`: the recipient as the original sender named it, `addr-type ";" address`, decoded (RFC 3461 §4.2,
/// RFC 6533 §3). Prints so: `rfc822;bob@example.org`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OriginalRecipient {
    kind: Box<str>,
    address: Box<str>,
}

impl OriginalRecipient {
    /// An address of the Internet's mail: type `rfc822`, or `utf-8` where it is not ASCII. `None`: its ASCII form
    /// is longer than the parameter may be (80 letters of three octets are).
    pub fn of(mailbox: &crate::Mailbox) -> Option<Self> {
        let address = mailbox.to_string();
        let kind = if address.is_ascii() { "rfc822" } else { "utf-8" };
        Self { kind: kind.into(), address: address.into() }.bounded().ok()
    }

    /// Whatever it came as, it must be possible to pass it on in ASCII.
    fn bounded(self) -> Result<Self, NotXtext> {
        if self.to_xtext(false).len() <= ORCPT_OCTETS_MAX { Ok(self) } else { Err(NotXtext) }
    }

    /// From the parameter's value. UTF-8 of type `rfc822` is none by the standard (RFC 6533 §3), but Postfix says so of
    /// each recipient with UTF-8: it is taken for what it must mean, the type `utf-8`.
    ///
    /// # Errors
    /// It is too long, in this form or in ASCII; it has no type, or its address is no xtext.
    pub fn from_xtext(value: &str) -> Result<Self, NotXtext> {
        if value.len() > ORCPT_OCTETS_MAX {
            return Err(NotXtext);
        }
        let (kind, address) = value.split_once(';').ok_or(NotXtext)?;
        if !is_atom(kind) || address.is_empty() {
            return Err(NotXtext);
        }
        let (kind, address) = match xtext::decode(address) {
            _ if is_utf8(kind) => (kind, xtext::decode_utf8(address)?),
            Err(_) if kind.eq_ignore_ascii_case("rfc822") => {
                ("utf-8", xtext::decode_octets_of_utf8(address)?)
            }
            decoded => (kind, decoded?),
        };
        Self { kind: kind.into(), address: address.into() }.bounded()
    }

    /// The parameter's value; `utf8`: the next host takes SMTPUTF8, so that UTF-8 may stand in it.
    pub fn to_xtext(&self, utf8: bool) -> String {
        let address = if !is_utf8(&self.kind) {
            xtext::encode(&self.address)
        } else if utf8 && !self.address.contains([' ', '\\', '+', '=']) {
            self.address.to_string()
        } else {
            xtext::encode_utf8(&self.address)
        };
        format!("{};{address}", self.kind)
    }

    /// The type of the address, in the spelling it came in.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The address.
    pub fn address(&self) -> &str {
        &self.address
    }
}

fn is_atom(kind: &str) -> bool {
    let is_atext = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*-/?^_`{|}~".contains(&b);
    !kind.is_empty() && kind.bytes().all(is_atext)
}

fn is_utf8(kind: &str) -> bool {
    kind.eq_ignore_ascii_case("utf-8")
}

/// What it prints: how it is kept, whatever form it came in.
impl FromStr for OriginalRecipient {
    type Err = NotXtext;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, address) = text.split_once(';').ok_or(NotXtext)?;
        if !is_atom(kind) || address.is_empty() || address.chars().any(char::is_control) {
            return Err(NotXtext);
        }
        Self { kind: kind.into(), address: address.into() }.bounded()
    }
}

impl fmt::Display for OriginalRecipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};{}", self.kind, self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3461 §4.1
    #[test]
    fn notify_is_never_or_a_list() {
        let of = |text: &str| text.parse::<Notify>();
        assert_eq!(of("never"), Ok(Notify::NEVER));
        assert_eq!(of("Delay,SUCCESS").unwrap().to_string(), "SUCCESS,DELAY");
        assert_eq!(of("failure,failure").unwrap(), Notify::FAILURE);
        for bad in ["", ",", "NEVER,SUCCESS", "SUCCESS,", "ALWAYS", "SUCCESS FAILURE", "SUCCESS,NEVER"] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }

    /// RFC 3461 §4.2
    #[test]
    fn an_original_recipient_keeps_its_type_and_address() {
        let orcpt = OriginalRecipient::from_xtext("rfc822;Bob+2Bx+40example.org").unwrap();
        assert_eq!(orcpt.to_string(), "rfc822;Bob+x@example.org");
        assert_eq!(orcpt.to_xtext(true), "rfc822;Bob+2Bx@example.org");
        let utf8 = OriginalRecipient::from_xtext("utf-8;j\\x{F6}rg@example.org").unwrap();
        assert_eq!(utf8.to_xtext(true), "utf-8;jörg@example.org");
        assert_eq!(utf8.to_xtext(false), "utf-8;j\\x{F6}rg@example.org");
        for kept in [orcpt, utf8] {
            assert_eq!(kept.to_string().parse(), Ok(kept));
        }
        for bad in ["", ";", "rfc822;", ";a", "rfc822", "rf c;a", "rfc822;a b", "rfc822;+0A", "rfc822;jörg"]
        {
            assert!(OriginalRecipient::from_xtext(bad).is_err(), "{bad}");
        }
    }

    /// RFC 6533 §3
    #[test]
    fn an_original_recipient_as_postfix_spells_utf8_is_one_of_type_utf8() {
        let orcpt = OriginalRecipient::from_xtext("rfc822;j+C3+B6rg+2Bx@example.org").unwrap();
        assert_eq!(orcpt.to_string(), "utf-8;jörg+x@example.org");
        assert_eq!(orcpt.to_xtext(false), "utf-8;j\\x{F6}rg\\x{2B}x@example.org");
        for bad in
            ["rfc822;j+C3rg@x", "rfc822;+C2+85@x", "rfc822;+00", "x400;j+C3+B6rg@x", "utf-8;j+C3+B6rg@x"]
        {
            assert!(OriginalRecipient::from_xtext(bad).is_err(), "{bad}");
        }
    }

    /// RFC 3461 §4.2
    #[test]
    fn an_original_recipient_can_always_be_passed_on_in_ascii() {
        let long = "你".repeat(80);
        assert!(OriginalRecipient::from_xtext(&format!("utf-8;{long}@y")).is_err());
        assert_eq!(OriginalRecipient::of(&format!("{long}@y").parse().unwrap()), None);
        assert!(OriginalRecipient::of(&format!("{}@y", "你".repeat(50)).parse().unwrap()).is_some());
    }

    /// RFC 3461 §4.4
    #[test]
    fn an_envelope_id_is_bounded() {
        assert_eq!(EnvelopeId::from_xtext("QQ+2B314159").unwrap().as_str(), "QQ+314159");
        assert!(EnvelopeId::from_xtext(&"x".repeat(101)).is_err());
        assert!(EnvelopeId::from_xtext("").is_err());
    }
}
