//! The header section as slices of the original (RFC 5322 §2.2). Nothing is decoded, rewritten or printed
//! again; what is malformed is passed over, not repaired.

use memchr::memmem;
use std::borrow::Cow;
use std::ops::Range;

/// One header field: a slice of the section, with its folds and its line end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// Where it stands in the section, in octets.
    pub range: Range<usize>,
    /// The field name, without spaces around it.
    pub name: &'a [u8],
    /// What follows the colon, folds and line end included.
    pub raw_value: &'a [u8],
}

impl<'a> Field<'a> {
    /// Whether the field has this name; case does not matter.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// The value on one line: folds opened (RFC 5322 §2.2.3), space around it removed.
    pub fn value(&self) -> Cow<'a, [u8]> {
        let trimmed = self.raw_value.trim_ascii();
        if memchr::memchr2(b'\r', b'\n', trimmed).is_none() {
            return Cow::Borrowed(trimmed);
        }
        Cow::Owned(trimmed.iter().copied().filter(|&b| b != b'\r' && b != b'\n').collect())
    }
}

/// The fields of a header section, in order. Lines without a colon are passed over.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    section: &'a [u8],
    at: usize,
}

/// The fields of `section`: octets up to, and possibly with, the empty line. Lines end in CRLF or LF.
pub fn fields(section: &[u8]) -> Fields<'_> {
    Fields { section, at: 0 }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        while self.at < self.section.len() {
            let start = self.at;
            let mut end = line_end(self.section, start);
            if matches!(&self.section[start..end], b"\r\n" | b"\n") {
                self.at = self.section.len();
                return None;
            }
            while matches!(self.section.get(end), Some(b' ' | b'\t')) {
                end = line_end(self.section, end);
            }
            self.at = end;
            let line = &self.section[start..end];
            let Some(colon) = memchr::memchr(b':', line) else { continue };
            let name = line[..colon].trim_ascii_end();
            if !name.is_empty() && name.iter().all(|b| (33..=126).contains(b)) {
                return Some(Field { range: start..end, name, raw_value: &line[colon + 1..] });
            }
        }
        None
    }
}

fn line_end(octets: &[u8], from: usize) -> usize {
    memchr::memchr(b'\n', &octets[from..]).map_or(octets.len(), |at| from + at + 1)
}

/// Where the header section ends: behind its empty line, or `None` while that line has not come.
///
/// Content that opens with an empty line has an empty header section.
pub fn section_end(content: &[u8]) -> Option<usize> {
    if content.starts_with(b"\r\n") {
        return Some(2);
    }
    memmem::find(content, b"\r\n\r\n").map(|at| at + 4)
}

/// How many hosts this message has passed: its Received fields (RFC 5321 §6.3).
pub fn hop_count(section: &[u8]) -> u32 {
    u32::try_from(fields(section).filter(|field| field.is("Received")).count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECTION: &[u8] =
        b"Received: from a\r\n\tby b\r\nno colon here\r\nSubject : folded\r\n  twice \r\n\r\nBody: no\r\n";

    /// RFC 5322 §2.2, RFC 5322 §2.2.3
    #[test]
    fn fields_are_slices_with_their_folds() {
        let all: Vec<_> = fields(SECTION).collect();
        assert_eq!(all.len(), 2);
        assert_eq!(&SECTION[all[0].range.clone()], b"Received: from a\r\n\tby b\r\n");
        assert!(all[1].is("SUBJECT"));
        assert_eq!(&*all[1].value(), b"folded  twice");
    }

    #[test]
    fn the_section_ends_behind_its_empty_line() {
        assert_eq!(section_end(SECTION), memmem::find(SECTION, b"Body"));
        assert_eq!(section_end(b"\r\nbody"), Some(2));
        assert_eq!(section_end(b"Subject: x\r\n"), None);
    }

    proptest! {
        #[test]
        fn any_octets_give_fields_inside_the_section(section in "[a-zA-Z: \\r\\n\\t]{0,200}") {
            let mut end = 0;
            for field in fields(section.as_bytes()) {
                prop_assert!(field.range.start >= end && field.range.end <= section.len());
                end = field.range.end;
            }
        }
    }
}
