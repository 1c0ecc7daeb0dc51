//! Citations of RFCs in text: the word, a number, and any number of sections behind section signs; broken
//! over lines as the text may be.

use super::index::Section;

/// What is found in a text, with where, in octets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// An RFC, or one section of it.
    Citation { at: usize, rfc: u32, section: Option<Section> },
    /// Something that looks like a citation and cannot be checked; a sentence says how to write it.
    Unclear { at: usize, advice: &'static str },
}

const NO_RFC: &str = "a `§` without its RFC; write `RFC N §S`, and `RFC N §S, §S` for several";
const NO_SECTION: &str = "a `§` without a number right behind it";
const IN_WORDS: &str = "a section in words; write `RFC N §S`";
const NO_SPACE: &str = "an RFC without a space before its number; write `RFC N`";

/// All citations of a text, in their order.
pub(crate) fn citations(text: &str) -> Vec<Found> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(next) = text.get(at..).and_then(|rest| rest.find(['R', '§'])) {
        at += next;
        at = one(text, at, &mut found);
    }
    found
}

/// Reads what starts at `at`; returns where to go on, which is further.
fn one(text: &str, at: usize, found: &mut Vec<Found>) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    if rest.starts_with('§') {
        if !names_a_standard(text.get(..at).unwrap_or_default()) {
            found.push(Found::Unclear { at, advice: NO_RFC });
        }
        return at + '§'.len_utf8();
    }
    let inside_a_word =
        text.get(..at).and_then(|before| before.chars().next_back()).is_some_and(char::is_alphanumeric);
    let Some(after) = rest.strip_prefix("RFC").filter(|_| !inside_a_word) else { return at + 1 };
    let before_number = at + 3 + gap(after);
    let Some((rfc, length)) = number(text.get(before_number..).unwrap_or_default()) else { return at + 3 };
    let end = before_number + length;
    if before_number == at + 3 {
        found.push(Found::Unclear { at, advice: NO_SPACE });
        return end;
    }
    sections(text, at, end, rfc, found)
}

/// The sections behind an RFC's number, which ends at `end`.
fn sections(text: &str, at: usize, mut end: usize, rfc: u32, found: &mut Vec<Found>) -> usize {
    let tail = |end: usize| text.get(end..).unwrap_or_default();
    let behind = tail(end);
    let mut next = gap(behind);
    let word = behind.get(next..).unwrap_or_default();
    if ["section", "Section", "sect.", "sec."].iter().any(|start| word.starts_with(start)) {
        found.push(Found::Unclear { at, advice: IN_WORDS });
        return end;
    }
    let mut first = true;
    while let Some(digits) = tail(end + next).strip_prefix('§') {
        let at = if first { at } else { end + next };
        end += next + '§'.len_utf8();
        match Section::at_start(digits) {
            Some((section, length)) => {
                found.push(Found::Citation { at, rfc, section: Some(section) });
                end += length;
            }
            None => found.push(Found::Unclear { at, advice: NO_SECTION }),
        }
        first = false;
        let comma = usize::from(tail(end).starts_with(','));
        next = comma + gap(tail(end + comma));
        if let Some(rest) = tail(end + next).strip_prefix("and").filter(|_| next > 0) {
            next += 3 + gap(rest);
        }
    }
    if first {
        found.push(Found::Citation { at, rfc, section: None });
    }
    end
}

/// The length of space, of a line's end with the marker of the next line of comment, of a string's continued
/// line.
fn gap(text: &str) -> usize {
    let blank = |text: &str| text.find(|c| c != ' ' && c != '\t').unwrap_or(text.len());
    let mut at = blank(text);
    let line_end = ["\n", "\r\n", "\\\n", "\\\r\n"];
    let rest = text.get(at..).unwrap_or_default();
    if let Some(end) = line_end.into_iter().find(|end| rest.starts_with(end)) {
        at += end.len();
        at += blank(text.get(at..).unwrap_or_default());
        let rest = text.get(at..).unwrap_or_default();
        at += ["///", "//!", "//", "#", "* "]
            .iter()
            .find(|&&mark| rest.starts_with(mark))
            .map_or(0, |m| m.len());
        at += blank(text.get(at..).unwrap_or_default());
    }
    at
}

/// The number of an RFC and its length.
fn number(text: &str) -> Option<(u32, usize)> {
    let length = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number = text.get(..length)?.parse().ok()?;
    let joined = text.get(length..)?.starts_with(|c: char| c.is_alphanumeric());
    (!joined).then_some((number, length))
}

/// Whether the last word names a standard that is not an RFC, such as ECMA-48.
fn names_a_standard(before: &str) -> bool {
    let word = before.split_whitespace().next_back().unwrap_or_default();
    before.ends_with(' ')
        && word.contains(|c: char| c.is_ascii_uppercase())
        && word.contains(|c: char| c.is_ascii_digit())
        && word.ends_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each citation as it would be written; `?` for what is unclear.
    fn written(text: &str) -> Vec<String> {
        let write = |found| match found {
            Found::Citation { rfc, section: Some(section), .. } => format!("{rfc} {section}"),
            Found::Citation { rfc, section: None, .. } => rfc.to_string(),
            Found::Unclear { .. } => "?".to_owned(),
        };
        citations(text).into_iter().map(write).collect()
    }

    #[test]
    fn a_citation_has_an_rfc_and_any_number_of_sections() {
        assert_eq!(written("(RFC 5321 §4.1.1.3)."), ["5321 4.1.1.3"]);
        assert_eq!(
            written("RFC 5321 §4.1.2, §4.1.3 and §5, RFC 2033; RFC 1 §A.2."),
            ["5321 4.1.2", "5321 4.1.3", "5321 5", "2033", "1 A.2"]
        );
        assert_eq!(written("RFC 5321's rule, RFC 1, 2 and more"), ["5321", "1"]);
        assert_eq!(written("of the RFCs, an RFC, XRFC 5321, RFC 12a"), [""; 0]);
    }

    #[test]
    fn a_citation_goes_on_behind_a_line_end() {
        assert_eq!(written("RFC\n    /// 5321 §4.2,\n    /// §4.3"), ["5321 4.2", "5321 4.3"]);
        assert_eq!(written("# RFC 5321\n# §4.2"), ["5321 4.2"]);
        assert_eq!(written("RFC 5321 \\\n      §4.2"), ["5321 4.2"]);
    }

    #[test]
    fn what_cannot_be_checked_is_unclear() {
        for text in
            ["see §4.2", "RFC 5321, §4.2", "RFC5321", "RFC 5321 section 4.2", "RFC 5321 § 4", "RFC 1 §§2"]
        {
            assert!(written(text).contains(&"?".to_owned()), "{text}: {:?}", written(text));
        }
        assert_eq!(written("ECMA-48 §5.4"), [""; 0], "another standard");
    }

    #[test]
    fn a_place_is_where_the_citation_begins() {
        let section = Section::parse("2");
        let found = citations("é RFC 1 §2");
        assert_eq!(found, [Found::Citation { at: 3, rfc: 1, section }]);
    }
}
