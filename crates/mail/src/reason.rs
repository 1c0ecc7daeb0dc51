//! Why something was decided: which check spoke, and what it saw.

use crate::text::Text;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// The reason behind a verdict or a fate, for the story and the log. Every decision has one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    check: Cow<'static, str>,
    text: Text,
}

impl Reason {
    /// `check` is the short name of the check (`relay`, `directory`, `limits`); `text` what it saw.
    pub fn new(check: &'static str, text: impl Into<Text>) -> Self {
        Self { check: Cow::Borrowed(check), text: text.into() }
    }

    /// The short name of the check that decided.
    pub fn check(&self) -> &str {
        &self.check
    }

    /// What it saw.
    pub fn text(&self) -> &Text {
        &self.text
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check, self.text)
    }
}
