//! `docs/rfc.toml` as values: RFCs, their sections with the state of each, and the extensions of SMTP. What is
//! read is complete and makes sense by itself; whether the code agrees is the work of `check`.

mod reading;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

pub(super) use reading::read;

/// The whole file.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// By number.
    pub(super) rfcs: BTreeMap<u32, Rfc>,
    /// In the order of the file.
    pub(super) extensions: Vec<Extension>,
}

/// One RFC.
#[derive(Debug)]
pub(super) struct Rfc {
    /// Of the document itself.
    pub(super) title: String,
    /// What it is to us, in a sentence.
    pub(super) about: String,
    /// In the file, from 1.
    pub(super) line: usize,
    /// Those we follow, or say why not; none where the RFC is cited as a whole.
    pub(super) sections: BTreeMap<Section, Entry>,
}

/// One section.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) title: String,
    pub(super) state: State,
    /// What is missing, or why; always there where something is left open.
    pub(super) why: Option<String>,
    pub(super) line: usize,
}

/// An extension of SMTP in our two roles.
#[derive(Debug)]
pub(super) struct Extension {
    /// Its EHLO keyword, or what it is called.
    pub(super) name: String,
    pub(super) rfcs: Vec<u32>,
    pub(super) server: State,
    pub(super) client: State,
    /// A few words.
    pub(super) remark: String,
    pub(super) line: usize,
}

/// How far a section is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Wholly.
    Done,
    /// Some of it: the sentence says what is missing.
    Partly,
    /// Not yet.
    Planned,
    /// Not, on purpose.
    Not,
    /// Words and reasons: there is nothing to obey.
    Terms,
}

impl State {
    pub(super) const ALL: [Self; 5] = [Self::Done, Self::Partly, Self::Planned, Self::Not, Self::Terms];

    /// As it is written in the file.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Partly => "partly",
            Self::Planned => "planned",
            Self::Not => "not",
            Self::Terms => "terms",
        }
    }

    /// What it means, for readers of the page.
    pub(super) fn meaning(self) -> &'static str {
        match self {
            Self::Done => "followed",
            Self::Partly => "followed in part",
            Self::Planned => "not followed yet",
            Self::Not => "left out on purpose",
            Self::Terms => "words and reasons that the code refers to; there is nothing to follow",
        }
    }

    /// Whether something is left open, which takes a sentence.
    pub(super) fn is_open(self) -> bool {
        matches!(self, Self::Partly | Self::Planned | Self::Not)
    }

    /// Whether code and tests must show it.
    pub(super) fn is_obeyed(self) -> bool {
        matches!(self, Self::Done | Self::Partly)
    }
}

/// The number of a section: `4.1.1.3`, or `A.2` of an appendix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Section {
    text: String,
}

impl Section {
    /// A number that is the whole text.
    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::at_start(text).filter(|(_, length)| *length == text.len()).map(|(section, _)| section)
    }

    /// The number that a text starts with, and its length.
    pub(super) fn at_start(text: &str) -> Option<(Self, usize)> {
        let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let mut end = if text.starts_with(|c: char| c.is_ascii_uppercase()) { 1 } else { digits(text) };
        if end == 0 {
            return None;
        }
        while let Some(rest) = text.get(end..)?.strip_prefix('.')
            && digits(rest) > 0
        {
            end += 1 + digits(rest);
        }
        text.get(..end).map(|text| (Self { text: text.to_owned() }, end))
    }

    /// Parts in their order: appendices behind numbers, numbers by value.
    fn parts(&self) -> impl Iterator<Item = (bool, usize, &str)> {
        self.text
            .split('.')
            .map(|part| (part.starts_with(|c: char| c.is_ascii_uppercase()), part.len(), part))
    }
}

impl Ord for Section {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts().cmp(other.parts())
    }
}

impl PartialOrd for Section {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_stand_in_the_order_of_their_document() {
        let mut sections =
            ["A.1", "4.10", "4.2", "10", "4", "4.2.1", "B"].map(|text| Section::parse(text).unwrap());
        sections.sort();
        assert_eq!(sections.map(|section| section.text), ["4", "4.2", "4.2.1", "4.10", "10", "A.1", "B"]);
    }

    #[test]
    fn a_section_ends_before_the_full_stop_of_a_sentence() {
        let at_start = |text| Section::at_start(text).map(|(section, length)| (section.text, length));
        assert_eq!(at_start("4.1. Then"), Some(("4.1".to_owned(), 3)));
        assert_eq!(at_start("A.2)"), Some(("A.2".to_owned(), 3)));
        assert_eq!(at_start("x"), None);
        assert_eq!(Section::parse("4."), None);
    }
}
