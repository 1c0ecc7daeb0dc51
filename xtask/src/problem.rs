//! The one error of these commands: a sentence that says what went wrong and, where that is known, what to
//! do about it.

use std::fmt;

/// Exit code of a command line that makes no sense (`EX_USAGE` of sysexits.h).
const EXIT_USAGE: u8 = 64;
/// Exit code when the machinery failed, as against a check that did.
const EXIT_BROKEN: u8 = 2;

/// What went wrong, for a person.
#[derive(Debug)]
pub(crate) struct Problem {
    text: String,
    usage: bool,
}

impl Problem {
    /// Something did not work.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), usage: false }
    }

    /// The command line makes no sense.
    pub(crate) fn usage(text: impl fmt::Display) -> Self {
        Self { text: format!("{text}; try `cargo xtask --help`"), usage: true }
    }

    /// What the process exits with.
    pub(crate) fn exit_code(&self) -> u8 {
        if self.usage { EXIT_USAGE } else { EXIT_BROKEN }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Says what was being done when an error came.
pub(crate) trait While<T> {
    /// The error becomes "DOING: ERROR".
    fn while_(self, doing: impl fmt::Display) -> Result<T, Problem>;
}

impl<T, E: fmt::Display> While<T> for Result<T, E> {
    fn while_(self, doing: impl fmt::Display) -> Result<T, Problem> {
        self.map_err(|error| Problem::new(format!("{doing}: {error}")))
    }
}
