//! One line of printable text, for people: reply texts, reasons, quotations of what a peer said.

use crate::limits::TEXT_OCTETS_MAX;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// One line without control characters, at most [`TEXT_OCTETS_MAX`] octets of UTF-8.
///
/// Whatever it is made from, it can be printed into a reply, a header, a log line or a terminal: control
/// characters (CR, LF, NUL and ESC among them) become `?`, malformed UTF-8 becomes U+FFFD, and what is
/// too long is cut and ends in `…`.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Text(Cow<'static, str>);

impl Text {
    /// Text written in our own source: kept as it is when it is clean, which tests of replies assert.
    pub fn literal(text: &'static str) -> Self {
        if is_clean(text) { Self(Cow::Borrowed(text)) } else { Self::clean(text) }
    }

    /// Text from anywhere, made printable.
    pub fn clean(text: &str) -> Self {
        if is_clean(text) {
            return Self(Cow::Owned(text.to_owned()));
        }
        let mut clean: String = text.chars().map(|c| if is_unprintable(c) { '?' } else { c }).collect();
        if clean.len() > TEXT_OCTETS_MAX {
            let cut = clean.floor_char_boundary(TEXT_OCTETS_MAX - '…'.len_utf8());
            clean.truncate(cut);
            clean.push('…');
        }
        Self(Cow::Owned(clean))
    }

    /// Octets from a peer, made printable.
    pub fn from_peer(octets: &[u8]) -> Self {
        Self::clean(&String::from_utf8_lossy(&octets[..octets.len().min(4 * TEXT_OCTETS_MAX)]))
    }

    /// The line itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn is_clean(text: &str) -> bool {
    text.len() <= TEXT_OCTETS_MAX && !text.chars().any(is_unprintable)
}

/// Control characters, and those that would show a line in another order or as two.
pub(crate) fn is_unprintable(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        if is_clean(&text) { Self(Cow::Owned(text)) } else { Self::clean(&text) }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::clean(text)
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.0.into_owned()
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_holds_a_control_character() {
        let text = Text::from_peer(b"250 ok\r\n\0\x1b[31mred\xff");
        assert_eq!(text.as_str(), "250 ok????[31mred\u{fffd}");
    }

    #[test]
    fn no_text_turns_a_line_around() {
        assert_eq!(Text::clean("550 \u{202e}ko\u{2028}x").as_str(), "550 ?ko?x");
    }

    #[test]
    fn a_long_text_is_cut_at_a_character_and_marked() {
        let text = Text::clean(&"ü".repeat(TEXT_OCTETS_MAX));
        assert!(text.as_str().len() <= TEXT_OCTETS_MAX);
        assert!(text.as_str().ends_with('…'));
    }
}
