//! One thing that is wrong with a configuration: a sentence, the places it points at, what to do.
//!
//! It knows nothing of how it is shown: that is [`super::report`].

use super::limits::VALUE_CHARS_SHOWN_MAX;
use std::ops::Range;

/// Octets of the source, from and up to.
pub(crate) type Span = Range<usize>;

/// A place in the source, and what is to be said there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Label {
    pub(super) at: Span,
    pub(super) text: String,
}

/// One thing that is wrong. The first label is where it is wrong, the others are what it clashes with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(super) message: String,
    pub(super) labels: Vec<Label>,
    pub(super) help: Option<String>,
}

impl Problem {
    /// A problem at a place. Readers of single values write the predicate only (`is no duration`); the
    /// section puts the key before it ([`Problem::of_key`]).
    pub(super) fn at(span: Span, message: impl Into<String>) -> Self {
        let label = Label { at: span, text: String::new() };
        Self { message: message.into(), labels: vec![label], help: None }
    }

    /// A problem without a place: something that is not there.
    pub(super) fn nowhere(message: impl Into<String>) -> Self {
        Self { message: message.into(), labels: Vec::new(), help: None }
    }

    /// What is said at the place itself.
    pub(super) fn here(mut self, text: impl Into<String>) -> Self {
        if let Some(first) = self.labels.first_mut() {
            first.text = text.into();
        }
        self
    }

    /// Another place that has to do with it.
    pub(super) fn and(mut self, at: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { at, text: text.into() });
        self
    }

    /// What to do about it.
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Puts the key before a predicate: `is no duration` becomes `` `first` is no duration``.
    pub(super) fn of_key(mut self, key: &str) -> Self {
        self.message = format!("`{key}` {}", self.message);
        self
    }

    /// Where it stands in the source; what stands nowhere comes first.
    pub(super) fn start(&self) -> usize {
        self.labels.first().map_or(0, |label| label.at.start)
    }
}

/// A value of the file as a sentence may quote it: in quotes, without control characters, not too long.
pub(super) fn quoted(value: &str) -> String {
    if value.chars().count() <= VALUE_CHARS_SHOWN_MAX {
        return format!("{value:?}");
    }
    let cut: String = value.chars().take(VALUE_CHARS_SHOWN_MAX).collect();
    format!("{:?}", format!("{cut}…"))
}

/// `a`, `a and b`, `a, b and c`.
pub(crate) fn enumerated(names: &[impl AsRef<str>]) -> String {
    match names {
        [] => String::new(),
        [only] => only.as_ref().to_owned(),
        [first @ .., last] => {
            let first: Vec<&str> = first.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", first.join(", "), last.as_ref())
        }
    }
}
