//! Durations and sizes as a configuration writes them: strings with units, `"1h30m"`, `"50MiB"`.
//!
//! Strict on purpose: a number without a unit, a fraction or a unit of other letters is refused, and the
//! refusal names what to write. What prints parses back to the same value.

use super::limits::{DURATION_MAX, SIZE_MAX};
use std::fmt::Write as _;
use std::time::Duration;

/// Units of durations in milliseconds, largest first: the order in which they combine.
const DURATIONS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Units of sizes in octets; those of 1024 first, because printing prefers them.
const SIZES: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1000),
    ("B", 1),
];

/// Why a text is no duration or size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UnitError {
    /// It is not digits followed by a unit.
    Malformed,
    /// It is digits and nothing else.
    NoUnit(u64),
    /// These letters are no unit; the one they may stand for, when there is one.
    UnknownUnit(String, Option<&'static str>),
    /// The units of a duration go from large to small, each once.
    Order,
    /// More than [`DURATION_MAX`] or [`SIZE_MAX`].
    TooLarge,
}

/// `"5m"`, `"1h30m"`: numbers with the units d, h, m, s, ms, from large to small, each at most once.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let (mut millis, mut rest, mut smaller) = (0u64, text, &DURATIONS[..]);
    loop {
        let (number, unit, behind) = number_and_unit(rest)?;
        let scale = scale(&DURATIONS, unit)?;
        let at = smaller.iter().position(|&(_, s)| s == scale).ok_or(UnitError::Order)?;
        smaller = &smaller[at + 1..];
        let part = number.checked_mul(scale).ok_or(UnitError::TooLarge)?;
        millis = millis.checked_add(part).ok_or(UnitError::TooLarge)?;
        rest = behind;
        if rest.is_empty() {
            break;
        }
    }
    let duration = Duration::from_millis(millis);
    if duration > DURATION_MAX { Err(UnitError::TooLarge) } else { Ok(duration) }
}

/// `"50MiB"`: one number with one of the units B, KiB, MiB, GiB, TiB, kB, MB, GB, TB.
pub(crate) fn parse_size(text: &str) -> Result<u64, UnitError> {
    let (number, unit, behind) = number_and_unit(text)?;
    if !behind.is_empty() {
        return Err(UnitError::Malformed);
    }
    let octets = number.checked_mul(scale(&SIZES, unit)?).ok_or(UnitError::TooLarge)?;
    if octets > SIZE_MAX { Err(UnitError::TooLarge) } else { Ok(octets) }
}

/// `1h30m`; whole milliseconds, anything finer is dropped.
pub(crate) fn print_duration(duration: Duration) -> String {
    let mut millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, scale) in DURATIONS {
        if millis >= scale {
            // Writing to a String cannot fail.
            let _ = write!(text, "{}{unit}", millis / scale);
            millis %= scale;
        }
    }
    if text.is_empty() { "0s".into() } else { text }
}

/// `50MiB`: in the first unit that divides it evenly.
pub(crate) fn print_size(octets: u64) -> String {
    let (unit, scale) =
        SIZES.into_iter().find(|&(_, s)| octets >= s && octets.is_multiple_of(s)).unwrap_or(("B", 1));
    format!("{}{unit}", octets / scale)
}

/// Digits, the letters behind them, and the rest.
fn number_and_unit(text: &str) -> Result<(u64, &str, &str), UnitError> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(digits);
    if number.is_empty() {
        return Err(UnitError::Malformed);
    }
    let number = number.parse().map_err(|_| UnitError::TooLarge)?;
    let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(letters);
    match (unit, rest) {
        ("", "") => Err(UnitError::NoUnit(number)),
        ("", _) => Err(UnitError::Malformed),
        _ => Ok((number, unit, rest)),
    }
}

/// What one of this unit is, or what may have been meant.
fn scale(units: &[(&'static str, u64)], unit: &str) -> Result<u64, UnitError> {
    if let Some(&(_, scale)) = units.iter().find(|(name, _)| *name == unit) {
        return Ok(scale);
    }
    let lower = unit.to_ascii_lowercase();
    let meant = units.iter().map(|&(name, _)| name).find(|name| {
        let name = name.to_ascii_lowercase();
        // `KB` for kB, `mib` for MiB, `sec` for s, `days` for d, `K` for KiB.
        name == lower || (name != "b" && (lower.starts_with(&name) || name.starts_with(&lower)))
    });
    Err(UnitError::UnknownUnit(unit.to_owned(), meant))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_read_with_their_units() {
        for (text, millis) in [
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("5d", 432_000_000),
            ("250ms", 250),
            ("1m1ms", 60_001),
            ("0s", 0),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn sizes_are_read_with_their_units() {
        for (text, octets) in
            [("64KiB", 65_536), ("50MiB", 52_428_800), ("10MB", 10_000_000), ("1GiB", 1 << 30), ("7B", 7)]
        {
            assert_eq!(parse_size(text), Ok(octets), "{text}");
        }
    }

    #[test]
    fn what_is_not_exactly_that_is_refused() {
        for bad in ["", "m", "5 m", "1.5h", "-5m", "+5m", " 5m", "5m ", "5m30", "5m,3s", "٣m", "5µs"] {
            assert!(parse_duration(bad).is_err(), "{bad:?}");
        }
        for bad in ["", "MiB", "5 MiB", "1.5GiB", "-1B", "5MiB5KiB", "0x5MiB", "5MiB\0"] {
            assert!(parse_size(bad).is_err(), "{bad:?}");
        }
        assert_eq!(parse_duration("30m1h"), Err(UnitError::Order));
        assert_eq!(parse_duration("1h1h"), Err(UnitError::Order));
        assert_eq!(parse_duration("4000d"), Err(UnitError::TooLarge));
        assert_eq!(parse_duration("99999999999999999999d"), Err(UnitError::TooLarge));
        assert_eq!(parse_duration("9999999999999999999d"), Err(UnitError::TooLarge));
        assert_eq!(parse_size("9999999TiB"), Err(UnitError::TooLarge));
        assert_eq!(parse_size("16777216TiB"), Err(UnitError::TooLarge));
    }

    #[test]
    fn a_misspelled_unit_is_recognised() {
        for (text, meant) in
            [("5min", Some("m")), ("5sec", Some("s")), ("2days", Some("d")), ("2H", Some("h")), ("5x", None)]
        {
            let unit = text[1..].to_owned();
            assert_eq!(parse_duration(text), Err(UnitError::UnknownUnit(unit, meant)), "{text}");
        }
        for (text, meant) in [
            ("5M", Some("MiB")),
            ("5mib", Some("MiB")),
            ("5KB", Some("kB")),
            ("5K", Some("KiB")),
            ("5x", None),
        ] {
            let unit = text[1..].to_owned();
            assert_eq!(parse_size(text), Err(UnitError::UnknownUnit(unit, meant)), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_printed_duration_parses_back(millis in 0..=315_360_000_000u64) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse_duration(&print_duration(duration)), Ok(duration));
        }

        #[test]
        fn a_printed_size_parses_back(octets in 0..=SIZE_MAX, shift in 0..50u32) {
            let octets = octets >> shift << (shift / 2);
            prop_assert_eq!(parse_size(&print_size(octets)), Ok(octets));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,20}|[0-9]{0,22}[a-zA-Z]{0,3}[0-9]{0,3}[a-z]{0,3}") {
            if let Ok(duration) = parse_duration(&text) {
                prop_assert!(duration <= DURATION_MAX);
            }
            if let Ok(octets) = parse_size(&text) {
                prop_assert!(octets <= SIZE_MAX);
            }
        }
    }
}
