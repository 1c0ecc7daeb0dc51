//! Rust cut into comments, strings, words and marks. Numbers count as words; lifetimes, characters and space
//! between are passed over.

/// A piece of source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'s> {
    /// One line of `//`, or a whole `/* */`.
    Comment,
    /// A string literal of any kind.
    Text,
    /// A keyword, a name or a number.
    Word(&'s str),
    /// Any other character.
    Mark(char),
}

/// The tokens of a source, each with where it starts and ends, in octets.
pub(super) struct Tokens<'s> {
    source: &'s str,
    at: usize,
}

impl<'s> Tokens<'s> {
    pub(super) fn of(source: &'s str) -> Self {
        Self { source, at: 0 }
    }

    fn rest(&self) -> &'s str {
        self.source.get(self.at..).unwrap_or_default()
    }
}

impl<'s> Iterator for Tokens<'s> {
    type Item = (Token<'s>, usize, usize);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (rest, start) = (self.rest(), self.at);
            let (token, length) = token(rest)?;
            // Every token is at least one character long: this ends.
            self.at += length;
            if let Some(token) = token {
                return Some((token, start, self.at));
            }
        }
    }
}

/// The token at the start, if it is one we keep, and its length. `None` at the end.
fn token(rest: &str) -> Option<(Option<Token<'_>>, usize)> {
    let first = rest.chars().next()?;
    if first.is_whitespace() {
        return Some((None, first.len_utf8()));
    }
    if rest.starts_with("//") {
        return Some((Some(Token::Comment), rest.find('\n').unwrap_or(rest.len())));
    }
    if rest.starts_with("/*") {
        return Some((Some(Token::Comment), block_comment(rest)));
    }
    if let Some(length) = string(rest) {
        return Some((Some(Token::Text), length));
    }
    if first == '\'' {
        return Some((None, quote(rest)));
    }
    if is_word(first) {
        let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        return Some((Some(Token::Word(rest.get(..length).unwrap_or_default())), length));
    }
    Some((Some(Token::Mark(first)), first.len_utf8()))
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of a comment that may hold others. Without an end it goes on to the end of the file.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(tail) = rest.get(at..).filter(|tail| !tail.is_empty()) {
        if tail.starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if tail.starts_with("*/") {
            (depth, at) = (depth.saturating_sub(1), at + 2);
        } else {
            at += tail.chars().next().map_or(1, char::len_utf8);
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// The length of the string literal that starts here, if one does.
fn string(rest: &str) -> Option<usize> {
    let quote = rest.find(|c: char| !c.is_ascii_lowercase())?;
    let (prefix, tail) = rest.split_at_checked(quote)?;
    match prefix {
        "" | "b" | "c" if tail.starts_with('"') => Some(quote + escaped(tail, '"')),
        "r" | "br" | "cr" => {
            let hashes = tail.find(|c| c != '#')?;
            let inside = tail.get(hashes..)?.strip_prefix('"')?;
            let end = format!("\"{}", "#".repeat(hashes));
            let length = inside.find(&end).map_or(inside.len(), |at| at + end.len());
            Some(quote + hashes + 1 + length)
        }
        _ => None,
    }
}

/// The length of a literal with escapes, both delimiters included.
fn escaped(literal: &str, delimiter: char) -> usize {
    let mut characters = literal.char_indices().skip(1);
    while let Some((at, c)) = characters.next() {
        if c == '\\' {
            characters.next();
        } else if c == delimiter {
            return at + c.len_utf8();
        }
    }
    literal.len()
}

/// The length of a character literal, or of the apostrophe of a lifetime.
fn quote(rest: &str) -> usize {
    let mut characters = rest.chars().skip(1);
    match (characters.next(), characters.next()) {
        (Some('\\'), _) => escaped(rest, '\''),
        (Some(c), Some('\'')) => c.len_utf8() + 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(source: &str) -> Vec<(Token<'_>, &str)> {
        Tokens::of(source).map(|(token, start, end)| (token, &source[start..end])).collect()
    }

    #[test]
    fn strings_hide_what_looks_like_comments_and_the_other_way_round() {
        let found = tokens("\"// a \\\" b\" // \"c\nr#\"\"/*\"# b\"\\\\\" /* \" /* */ */ x");
        let expected = [
            (Token::Text, "\"// a \\\" b\""),
            (Token::Comment, "// \"c"),
            (Token::Text, "r#\"\"/*\"#"),
            (Token::Text, "b\"\\\\\""),
            (Token::Comment, "/* \" /* */ */"),
            (Token::Word("x"), "x"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn characters_and_lifetimes_hide_nothing() {
        let words = ["a", "b", "static", "c"].map(|word| (Token::Word(word), word));
        assert_eq!(tokens("a '\"' b '\\'' 'static c '§'"), words);
    }

    #[test]
    fn what_never_ends_ends_with_the_file() {
        for source in ["\"abc", "/* abc", "r##\"abc\"#", "'\\", "'", "r#", "é"] {
            let last = Tokens::of(source).last().map_or(source.len(), |(_, _, end)| end);
            assert!(last <= source.len(), "{source}");
        }
        assert_eq!(tokens("\"abc"), [(Token::Text, "\"abc")]);
    }
}
