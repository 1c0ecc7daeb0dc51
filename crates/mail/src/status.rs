//! Replies: a code, an enhanced code and words that help (RFC 5321 §4.2, RFC 3463).

use crate::limits::REPLY_LINES_MAX;
use crate::text::Text;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What the first digit of a reply code says (RFC 5321 §4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// 2yz: done.
    Completed,
    /// 3yz: go on.
    Intermediate,
    /// 4yz: not now, try again.
    Transient,
    /// 5yz: no, and the same again will not help.
    Permanent,
}

/// A reply code from 200 to 599.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct Code(u16);

impl Code {
    /// For literals in our own source.
    ///
    /// # Panics
    /// When the number is no reply code; use it in constants, where that is a compile error.
    pub const fn of(number: u16) -> Self {
        assert!(number >= 200 && number <= 599, "reply codes run from 200 to 599");
        Self(number)
    }

    /// The number.
    pub fn number(self) -> u16 {
        self.0
    }

    /// What its first digit says.
    pub fn class(self) -> Class {
        match self.0 {
            ..300 => Class::Completed,
            300..400 => Class::Intermediate,
            400..500 => Class::Transient,
            500.. => Class::Permanent,
        }
    }
}

impl TryFrom<u16> for Code {
    type Error = &'static str;

    fn try_from(number: u16) -> Result<Self, Self::Error> {
        if (200..=599).contains(&number) { Ok(Self(number)) } else { Err("reply codes run from 200 to 599") }
    }
}

impl From<Code> for u16 {
    fn from(code: Code) -> Self {
        code.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An enhanced status code `class.subject.detail` (RFC 3463 §2); the class is 2, 4 or 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Enhanced {
    class: u8,
    subject: u16,
    detail: u16,
}

impl Enhanced {
    /// For literals in our own source.
    ///
    /// # Panics
    /// When the parts are out of range; use it in constants, where that is a compile error.
    pub const fn of(class: u8, subject: u16, detail: u16) -> Self {
        assert!(matches!(class, 2 | 4 | 5) && subject <= 999 && detail <= 999, "no enhanced status code");
        Self { class, subject, detail }
    }

    /// The first part: 2, 4 or 5.
    pub fn class(self) -> u8 {
        self.class
    }

    /// The second part: what it is about (address, mailbox, mail system, …).
    pub fn subject(self) -> u16 {
        self.subject
    }

    /// The third part.
    pub fn detail(self) -> u16 {
        self.detail
    }
}

impl FromStr for Enhanced {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const NOT_ONE: &str = "an enhanced status code looks like 5.1.1";
        fn part(text: Option<&str>) -> Result<u16, &'static str> {
            let text = text.filter(|t| (1..=3).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_digit()));
            text.and_then(|t| t.parse().ok()).ok_or(NOT_ONE)
        }
        let mut parts = text.split('.');
        let class = match parts.next() {
            Some("2") => 2,
            Some("4") => 4,
            Some("5") => 5,
            _ => return Err(NOT_ONE),
        };
        let (subject, detail) = (part(parts.next())?, part(parts.next())?);
        if parts.next().is_some() { Err(NOT_ONE) } else { Ok(Self { class, subject, detail }) }
    }
}

impl fmt::Display for Enhanced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

crate::serde_as_text!(Enhanced);

/// A whole reply. The text may be empty and may have several lines, at most [`REPLY_LINES_MAX`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reply {
    code: Code,
    enhanced: Option<Enhanced>,
    lines: Vec<Text>,
}

impl Reply {
    /// A reply of one line.
    pub fn new(code: Code, enhanced: impl Into<Option<Enhanced>>, text: impl Into<Text>) -> Self {
        Self { code, enhanced: enhanced.into(), lines: vec![text.into()] }
    }

    /// A reply of several lines; those beyond [`REPLY_LINES_MAX`] are dropped, none becomes one empty line.
    pub fn of_lines(
        code: Code,
        enhanced: impl Into<Option<Enhanced>>,
        lines: impl IntoIterator<Item = Text>,
    ) -> Self {
        let mut lines: Vec<Text> = lines.into_iter().take(REPLY_LINES_MAX).collect();
        if lines.is_empty() {
            lines.push(Text::default());
        }
        Self { code, enhanced: enhanced.into(), lines }
    }

    /// The reply code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// What the first digit says.
    pub fn class(&self) -> Class {
        self.code.class()
    }

    /// The enhanced status code, where one was given.
    pub fn enhanced(&self) -> Option<Enhanced> {
        self.enhanced
    }

    /// The lines of text, at least one, without codes.
    pub fn lines(&self) -> &[Text] {
        &self.lines
    }
}

/// One line for people: `550 5.1.1 no such user`. Lines are joined by spaces.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.code.fmt(f)?;
        if let Some(enhanced) = self.enhanced {
            write!(f, " {enhanced}")?;
        }
        for line in self.lines.iter().filter(|line| !line.is_empty()) {
            write!(f, " {line}")?;
        }
        Ok(())
    }
}

/// A reply that says no: its code is 4yz or 5yz. A refusal is a value, not an error.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Reply", into = "Reply")]
pub struct Refusal(Reply);

impl Refusal {
    /// For codes in our own source.
    ///
    /// # Panics
    /// When the code is not 4yz or 5yz, or the enhanced code is of another class.
    pub fn of(code: Code, enhanced: Enhanced, text: impl Into<Text>) -> Self {
        assert!(
            matches!(code.class(), Class::Transient | Class::Permanent)
                && u16::from(enhanced.class()) == code.number() / 100,
            "a refusal is 4yz or 5yz, with an enhanced code of its own class"
        );
        Self(Reply::new(code, enhanced, text))
    }

    /// The reply to send.
    pub fn reply(&self) -> &Reply {
        &self.0
    }

    /// Whether the same may succeed later (4yz).
    pub fn is_transient(&self) -> bool {
        self.0.class() == Class::Transient
    }
}

impl TryFrom<Reply> for Refusal {
    type Error = &'static str;

    fn try_from(reply: Reply) -> Result<Self, Self::Error> {
        match reply.class() {
            Class::Transient | Class::Permanent => Ok(Self(reply)),
            Class::Completed | Class::Intermediate => Err("a refusal is 4yz or 5yz"),
        }
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        refusal.0
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 3463 §2
    #[test]
    fn enhanced_codes_are_three_numbers_and_nothing_else() {
        assert_eq!("5.1.1".parse(), Ok(Enhanced::of(5, 1, 1)));
        for bad in ["", "5", "5.1", "3.1.1", "5.1.1.1", "5.1000.1", "5.+1.1", " 5.1.1", "5..1"] {
            assert!(bad.parse::<Enhanced>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_completed_reply_is_no_refusal() {
        assert!(Refusal::try_from(Reply::new(Code::of(250), None, "fine")).is_err());
    }

    proptest! {
        #[test]
        fn parse_and_print_are_inverse(class in prop_oneof![Just(2u8), Just(4), Just(5)], s in 0u16..1000, d in 0u16..1000) {
            let enhanced = Enhanced::of(class, s, d);
            prop_assert_eq!(enhanced.to_string().parse::<Enhanced>().unwrap(), enhanced);
        }
    }
}
