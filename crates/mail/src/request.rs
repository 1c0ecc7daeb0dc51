//! What a sender asks of the hosts that carry a message, beside where it goes: parameters of MAIL that stay
//! with it.

use crate::date::UnixMillis;
use crate::limits::SOLICIT_OCTETS_MAX;
use crate::notify::{EnvelopeId, Ret};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Everything a message's sender asked for, as it is kept. The default asks for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// Addresses or content may hold UTF-8 where only ASCII could stand (RFC 6531).
    pub smtputf8: bool,
    /// What a notice of failure brings back (RFC 3461 §4.3).
    pub ret: Option<Ret>,
    /// The sender's name for this transmission (RFC 3461 §4.4).
    pub envid: Option<EnvelopeId>,
    /// By when it is to be delivered, and what happens else (RFC 2852).
    pub by: Option<DeliverBy>,
    /// Who goes first within a destination (RFC 6710).
    pub priority: Priority,
    /// Not to be sent on or delivered before (RFC 4865).
    pub release_at: Option<UnixMillis>,
    /// What kind of solicitation it is (RFC 3865).
    pub solicit: Option<Solicitation>,
}

/// What happens when a message cannot be delivered in time (RFC 2852 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ByMode {
    /// `R`: it comes back.
    Return,
    /// `N`: its sender is told, and it is tried on.
    Notify,
}

/// A deadline for delivery, absolute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeliverBy {
    /// The deadline.
    pub at: UnixMillis,
    /// What happens then.
    pub mode: ByMode,
    /// `T`: each host that relays it tells the sender (RFC 2852 §4.1.3).
    pub trace: bool,
}

/// `BY=seconds;mode[T]`: a deadline for delivery, as it stands in MAIL: from now on, already passed where
/// negative (RFC 2852 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct By {
    /// Seconds, at most nine digits; mode `R` asks for one at least.
    pub seconds: i32,
    /// What happens then.
    pub mode: ByMode,
    /// Each host that relays it tells the sender.
    pub trace: bool,
}

impl By {
    /// The deadline, for MAIL that came at `now`.
    pub fn from(self, now: UnixMillis) -> DeliverBy {
        let at = UnixMillis::new(now.get().saturating_add(i64::from(self.seconds) * 1000));
        DeliverBy { at, mode: self.mode, trace: self.trace }
    }
}

impl DeliverBy {
    /// What is left of it at `now`, in whole seconds; negative where it has passed. `None`: mode `R` with no
    /// time left, which may not be said.
    pub fn left(self, now: UnixMillis) -> Option<By> {
        let seconds = self.at.get().saturating_sub(now.get()).div_euclid(1000);
        let seconds = i32::try_from(seconds.clamp(-999_999_999, 999_999_999)).unwrap_or(0);
        let by = By { seconds, mode: self.mode, trace: self.trace };
        (self.mode == ByMode::Notify || seconds > 0).then_some(by)
    }
}

/// `by-value = by-time ";" by-mode [by-trace]`; `by-time = ["-" / "+"] 1*9digit`.
impl FromStr for By {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "BY is seconds, then ;R or ;N, and T for a trace";
        let (time, mode) = text.split_once(';').ok_or(FORM)?;
        let digits = time.strip_prefix(['-', '+']).unwrap_or(time);
        if !(1..=9).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(FORM);
        }
        let seconds = time.parse().map_err(|_| FORM)?;
        let (mode, trace) = match mode.to_ascii_uppercase().as_str() {
            "R" => (ByMode::Return, false),
            "RT" => (ByMode::Return, true),
            "N" => (ByMode::Notify, false),
            "NT" => (ByMode::Notify, true),
            _ => return Err(FORM),
        };
        if mode == ByMode::Return && seconds <= 0 {
            return Err("BY with R asks for at least one second");
        }
        Ok(Self { seconds, mode, trace })
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = if self.mode == ByMode::Return { "R" } else { "N" };
        write!(f, "{};{mode}{}", self.seconds, if self.trace { "T" } else { "" })
    }
}

/// `MT-PRIORITY=`: from -9 (last) over 0 (normal) to 9 (first) (RFC 6710 §5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority(i8);

impl Priority {
    /// The nearest there is to a number.
    pub fn clamped(number: i8) -> Self {
        Self(number.clamp(-9, 9))
    }

    /// The number.
    pub fn get(self) -> i8 {
        self.0
    }
}

impl FromStr for Priority {
    type Err = &'static str;

    /// `priority-value = ["-"] NZDIGIT / "0"`
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
        match digits.as_bytes() {
            [digit @ b'1'..=b'9'] => Ok(Self(sign * (digit - b'0').cast_signed())),
            b"0" if sign > 0 => Ok(Self(0)),
            _ => Err("MT-PRIORITY is a number from -9 to 9"),
        }
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// `HOLDFOR=` or `HOLDUNTIL=`: when a message may leave (RFC 4865 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hold {
    /// So many seconds from MAIL on, at most nine digits.
    For(u32),
    /// Not before this moment.
    Until(UnixMillis),
}

impl Hold {
    /// `HOLDFOR=`: one to nine digits, the first not 0.
    ///
    /// # Errors
    /// A sentence.
    pub fn from_seconds(text: &str) -> Result<Self, &'static str> {
        let good = (1..=9).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        let seconds = text.parse().ok().filter(|_| good && !text.starts_with('0'));
        seconds.map(Self::For).ok_or("HOLDFOR is a number of seconds")
    }

    /// `HOLDUNTIL=`: a date-time of RFC 3339.
    ///
    /// # Errors
    /// A sentence.
    pub fn from_date_time(text: &str) -> Result<Self, &'static str> {
        let until =
            UnixMillis::from_rfc3339(text).ok_or("HOLDUNTIL is a date and time such as 2026-11-22T18:31:15Z");
        until.map(Self::Until)
    }

    /// When it may leave, for MAIL that came at `now`.
    pub fn from(self, now: UnixMillis) -> UnixMillis {
        match self {
            Self::For(seconds) => now.plus(Duration::from_secs(seconds.into())),
            Self::Until(moment) => moment,
        }
    }
}

/// Prints the whole parameter.
impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::For(seconds) => write!(f, "HOLDFOR={seconds}"),
            Self::Until(moment) => write!(f, "HOLDUNTIL={moment}"),
        }
    }
}

/// `SOLICIT=`, and what stands behind NO-SOLICITING: solicitation class keywords, separated by commas
/// (RFC 3865 §2.1): names turned around, `net.example:ADV`. At most [`SOLICIT_OCTETS_MAX`] octets; compared
/// without regard to case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Solicitation(Box<str>);

impl Solicitation {
    /// The keywords, as they were given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Each keyword.
    pub fn keywords(&self) -> impl Iterator<Item = &str> {
        self.0.split(',')
    }

    /// The first keyword of this that also stands in `refused`.
    pub fn meets(&self, refused: &Self) -> Option<&str> {
        self.keywords().find(|ours| refused.keywords().any(|theirs| ours.eq_ignore_ascii_case(theirs)))
    }
}

impl FromStr for Solicitation {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_word = |word: &str| {
            word.starts_with(|c: char| c.is_ascii_alphabetic())
                && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b))
        };
        if text.len() <= SOLICIT_OCTETS_MAX && text.split(',').all(is_word) {
            Ok(Self(text.into()))
        } else {
            Err("solicitation keywords look like net.example:ADV, separated by commas")
        }
    }
}

impl fmt::Display for Solicitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_refused<T: FromStr>(texts: &[&str]) {
        for text in texts {
            assert!(text.parse::<T>().is_err(), "{text}");
        }
    }

    /// RFC 2852 §4
    #[test]
    fn a_deadline_is_seconds_and_a_mode() {
        for text in ["120;R", "0;N", "-5;NT", "999999999;RT"] {
            assert_eq!(text.parse::<By>().unwrap().to_string(), text);
        }
        is_refused::<By>(&[
            "",
            "120",
            "120;",
            ";R",
            "0;R",
            "-1;R",
            "1000000000;N",
            "1;X",
            "1;RTT",
            "--1;N",
            "1 ;N",
        ]);
        let by: By = "60;R".parse().unwrap();
        let kept = by.from(UnixMillis::new(5_000));
        assert_eq!(kept.left(UnixMillis::new(35_500)).unwrap().seconds, 29);
        assert_eq!(kept.left(UnixMillis::new(65_000)), None);
    }

    /// RFC 6710 §5
    #[test]
    fn priorities_go_from_minus_nine_to_nine() {
        for text in ["-9", "-1", "0", "9"] {
            assert_eq!(text.parse::<Priority>().unwrap().to_string(), text);
        }
        is_refused::<Priority>(&["", "10", "-0", "+1", "01", "-10", "a"]);
    }

    /// RFC 4865 §4
    #[test]
    fn a_release_is_a_number_of_seconds_or_a_moment() {
        let now = UnixMillis::new(1_000);
        assert_eq!(Hold::from_seconds("60").unwrap().from(now), UnixMillis::new(61_000));
        for bad in ["", "0", "-1", "1234567890", "060"] {
            assert!(Hold::from_seconds(bad).is_err(), "{bad}");
        }
        let until = Hold::from_date_time("2026-11-22T18:31:15Z").unwrap();
        assert_eq!(until.to_string(), "HOLDUNTIL=2026-11-22T18:31:15.000Z");
        for bad in ["", "2026-11-22", "tomorrow", "2026-11-22T18:31:15", "2026-02-30T00:00:00Z"] {
            assert!(Hold::from_date_time(bad).is_err(), "{bad}");
        }
    }

    /// RFC 3865 §2.1
    #[test]
    fn solicitation_keywords_are_compared_without_case() {
        let mail: Solicitation = "org.example:ADV,net.example:ADLT".parse().unwrap();
        assert_eq!(mail.meets(&"NET.example:adlt".parse().unwrap()), Some("net.example:ADLT"));
        assert_eq!(mail.meets(&"net.example".parse().unwrap()), None);
        is_refused::<Solicitation>(&["", ",", "a,", "1a", "a b", "a\u{e9}"]);
    }
}
