//! What test runners say when they are done: the closing lines of `cargo nextest run` and of each program
//! that `cargo test` runs. Everything else they print is passed over.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign};

/// Tests, or checks that count as one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// They ran and held.
    pub(crate) passed: u64,
    /// They ran and did not hold, or did not come to an end.
    pub(crate) failed: u64,
    /// They did not run.
    pub(crate) skipped: u64,
}

impl Counts {
    /// A check that held.
    pub(crate) const PASSED: Self = Self { passed: 1, failed: 0, skipped: 0 };
    /// A check that did not hold.
    pub(crate) const FAILED: Self = Self { passed: 0, failed: 1, skipped: 0 };
    /// A check that was not made.
    pub(crate) const SKIPPED: Self = Self { passed: 0, failed: 0, skipped: 1 };

    /// How many ran.
    pub(crate) fn ran(self) -> u64 {
        self.passed + self.failed
    }
}

/// The closing line of our own commands.
impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

impl Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            skipped: self.skipped + other.skipped,
        }
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), Add::add)
    }
}

/// The counts in the closing line of a program that `cargo test` ran:
/// `test result: ok. 12 passed; 0 failed; 2 ignored; 0 measured; 5 filtered out; finished in 0.1s`.
pub(crate) fn cargo_test(line: &str) -> Option<Counts> {
    let plain = without_colours(line);
    let (_, figures) = plain.strip_prefix("test result: ")?.split_once(". ")?;
    let mut counts = Counts::default();
    for figure in figures.split("; ") {
        match number_and_words(figure) {
            Some((number, "passed")) => counts.passed += number,
            Some((number, "failed")) => counts.failed += number,
            Some((number, "ignored")) => counts.skipped += number,
            _ => {}
        }
    }
    Some(counts)
}

/// The counts in the closing line of `cargo nextest run`:
/// `Summary [   0.405s] 28/30 tests run: 26 passed (1 slow), 1 failed, 1 timed out, 2 skipped`.
///
/// Tests that an interruption kept from running, the difference of the first two numbers, are failures.
/// What a filter leaves out package by package is not among those skipped.
pub(crate) fn nextest(line: &str) -> Option<Counts> {
    let plain = without_colours(line);
    let (planned, figures) =
        plain.trim_start().strip_prefix("Summary [")?.split_once("] ")?.1.split_once(':')?;
    let mut counts = Counts::default();
    for figure in outside_parentheses(figures).split(',') {
        match number_and_words(figure.trim()) {
            Some((number, "passed")) => counts.passed += number,
            Some((number, "skipped")) => counts.skipped += number,
            // failed, timed out, exec failed, …: nothing else is good news
            Some((number, _)) => counts.failed += number,
            None => {}
        }
    }
    if let Some((ran, all)) = planned.split_whitespace().next()?.split_once('/') {
        counts.failed += all.parse::<u64>().ok()?.saturating_sub(ran.parse().ok()?);
    }
    Some(counts)
}

/// `28 passed` as 28 and `passed`.
fn number_and_words(figure: &str) -> Option<(u64, &str)> {
    let (number, words) = figure.split_once(' ')?;
    Some((number.parse().ok()?, words.trim()))
}

fn outside_parentheses(text: &str) -> String {
    let mut depth = 0_u32;
    text.chars()
        .filter(|&c| {
            match c {
                '(' => depth += 1,
                ')' => {
                    depth = depth.saturating_sub(1);
                    return false;
                }
                _ => {}
            }
            depth == 0
        })
        .collect()
}

/// Without control sequences such as `ESC [ 1 m` (ECMA-48 §5.4).
fn without_colours(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            // The sequence ends with its first letter.
            chars.find(char::is_ascii_alphabetic);
        } else {
            plain.push(c);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(passed: u64, failed: u64, skipped: u64) -> Option<Counts> {
        Some(Counts { passed, failed, skipped })
    }

    #[test]
    fn nextest_closes_with_a_summary() {
        for (line, expected) in [
            ("     Summary [   0.405s] 28 tests run: 28 passed, 0 skipped", counts(28, 0, 0)),
            ("     Summary [   0.1s] 1 test run: 1 passed (1 slow, 1 leaky), 3 skipped", counts(1, 0, 3)),
            (
                "Summary [ 9.0s] 4 tests run: 1 passed, 1 failed, 1 timed out, 1 exec failed, 2 skipped",
                counts(1, 3, 2),
            ),
            ("Summary [ 9.0s] 2/10 tests run: 1 passed, 1 failed, 0 skipped", counts(1, 9, 0)),
            ("Summary [ 0.000s] 0 tests run: 0 passed, 0 skipped", counts(0, 0, 0)),
            (
                "\u{1b}[32;1m     Summary\u{1b}[0m [ 1s] \u{1b}[1m2\u{1b}[0m tests run: \u{1b}[1m2\u{1b}[0m \u{1b}[32;1mpassed\u{1b}[0m, \u{1b}[1m0\u{1b}[0m \u{1b}[33;1mskipped\u{1b}[0m",
                counts(2, 0, 0),
            ),
        ] {
            assert_eq!(nextest(line), expected, "{line}");
        }
    }

    #[test]
    fn cargo_test_closes_each_program_with_a_result() {
        let line =
            "test result: ok. 12 passed; 0 failed; 2 ignored; 0 measured; 5 filtered out; finished in 0.1s";
        assert_eq!(cargo_test(line), counts(12, 0, 2));
        let line = "test result: FAILED. 1 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out";
        assert_eq!(cargo_test(line), counts(1, 3, 0));
    }

    #[test]
    fn a_failed_test_that_nextest_repeats_is_counted_once() {
        let repeated = "    test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 2 filtered out";
        assert_eq!((nextest(repeated), cargo_test(repeated)), (None, None));
    }

    #[test]
    fn other_lines_are_no_closing_lines() {
        for line in
            ["", "Summary", "Summary [", "28 passed", "test result: ", "test summary ... ok", "\u{1b}["]
        {
            assert_eq!((nextest(line), cargo_test(line)), (None, None), "{line}");
        }
    }

    #[test]
    fn counts_add_up() {
        let sum: Counts = [Counts::PASSED, Counts::FAILED, Counts::SKIPPED, Counts::PASSED].into_iter().sum();
        assert_eq!(sum, Counts { passed: 2, failed: 1, skipped: 1 });
        assert_eq!(sum.ran(), 3);
    }
}
