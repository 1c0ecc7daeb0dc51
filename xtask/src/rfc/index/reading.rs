//! From the text of `docs/rfc.toml` to values. Every mistake is found, each with its line.

use super::{Entry, Extension, Index, Rfc, Section, State};
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Reads the file.
///
/// # Errors
/// What is wrong with it, `LINE: sentence` each.
pub(crate) fn read(text: &str) -> Result<Index, Vec<String>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader { text, problems: Vec::new() };
    for error in errors {
        reader.problem(error.span().unwrap_or_default(), error.message());
    }
    let mut index = Index::default();
    for (key, value) in table.get_ref() {
        match key.get_ref().as_ref() {
            "rfc" => index.rfcs = reader.rfcs(value),
            "extension" => index.extensions = reader.extensions(value),
            other => reader.problem(key.span(), format!("`{other}` is no section of this file")),
        }
    }
    if reader.problems.is_empty() { Ok(index) } else { Err(reader.problems) }
}

type Value<'i> = Spanned<DeValue<'i>>;

struct Reader<'i> {
    text: &'i str,
    problems: Vec<String>,
}

/// The members of a table that have not been asked for yet.
struct Members<'t, 'i> {
    span: Range<usize>,
    left: Vec<(&'t str, Range<usize>, &'t Value<'i>)>,
}

impl<'t, 'i> Members<'t, 'i> {
    fn take(&mut self, name: &str) -> Option<&'t Value<'i>> {
        let at = self.left.iter().position(|(key, ..)| *key == name)?;
        Some(self.left.swap_remove(at).2)
    }
}

impl<'i> Reader<'i> {
    fn line(&self, span: &Range<usize>) -> usize {
        let before = self.text.as_bytes().get(..span.start).unwrap_or_default();
        1 + before.iter().filter(|octet| **octet == b'\n').count()
    }

    fn problem(&mut self, span: Range<usize>, sentence: impl std::fmt::Display) {
        let line = self.line(&span);
        self.problems.push(format!("{line}: {sentence}"));
    }

    fn members<'t>(&mut self, value: &'t Value<'i>) -> Members<'t, 'i> {
        let mut left = Vec::new();
        match value.get_ref() {
            DeValue::Table(table) => {
                left.extend(table.iter().map(|(key, value)| (key.get_ref().as_ref(), key.span(), value)));
            }
            _ => self.problem(value.span(), "this should be a table"),
        }
        Members { span: value.span(), left }
    }

    fn none_left(&mut self, members: &Members<'_, '_>) {
        for (key, span, _) in &members.left {
            self.problem(span.clone(), format!("there is no key `{key}` here"));
        }
    }

    /// A text that must be there and say something.
    fn text(&mut self, members: &mut Members<'_, 'i>, name: &str) -> String {
        match members.take(name).map(|value| (value.get_ref(), value.span())) {
            Some((DeValue::String(text), _)) if is_one_line(text) => text.to_string(),
            Some((_, span)) => {
                self.problem(span, format!("`{name}` should be a line of text, without `|`"));
                String::new()
            }
            None => {
                self.problem(members.span.clone(), format!("`{name}` is missing"));
                String::new()
            }
        }
    }

    fn text_if_any(&mut self, members: &mut Members<'_, 'i>, name: &str) -> Option<String> {
        members.left.iter().any(|(key, ..)| *key == name).then(|| self.text(members, name))
    }

    fn state(&mut self, members: &mut Members<'_, 'i>, name: &str) -> State {
        let span = members.span.clone();
        let word = self.text(members, name);
        let state = State::ALL.into_iter().find(|state| state.word() == word);
        if state.is_none() && !word.is_empty() {
            let words = State::ALL.map(State::word).join(", ");
            self.problem(span, format!("`{word}` is no state (they are {words})"));
        }
        state.unwrap_or(State::Not)
    }

    fn rfcs(&mut self, value: &Value<'i>) -> std::collections::BTreeMap<u32, Rfc> {
        let mut rfcs = std::collections::BTreeMap::new();
        for (key, span, value) in self.members(value).left {
            let Ok(number) = key.parse() else {
                self.problem(span, format!("`{key}` is no number of an RFC"));
                continue;
            };
            let line = self.line(&span);
            let mut members = self.members(value);
            let (title, about) = (self.text(&mut members, "title"), self.text(&mut members, "about"));
            let mut rfc = Rfc { title, about, line, sections: std::collections::BTreeMap::new() };
            if let Some(sections) = members.take("section") {
                for (key, span, value) in self.members(sections).left {
                    match Section::parse(key) {
                        Some(section) => {
                            rfc.sections.insert(section, self.entry(&span, value));
                        }
                        None => self.problem(span, format!("`{key}` is no number of a section")),
                    }
                }
            }
            self.none_left(&members);
            rfcs.insert(number, rfc);
        }
        rfcs
    }

    fn entry(&mut self, span: &Range<usize>, value: &Value<'i>) -> Entry {
        let mut members = self.members(value);
        let title = self.text(&mut members, "title");
        let state = self.state(&mut members, "state");
        let why = self.text_if_any(&mut members, "why");
        if why.is_none() && state.is_open() {
            self.problem(span.clone(), format!("`{}` needs a `why`: what is missing, or why", state.word()));
        }
        self.none_left(&members);
        Entry { title, state, why, line: self.line(span) }
    }

    fn extensions(&mut self, value: &Value<'i>) -> Vec<Extension> {
        let DeValue::Array(list) = value.get_ref() else {
            self.problem(value.span(), "write `[[extension]]`");
            return Vec::new();
        };
        list.iter().map(|value| self.extension(value)).collect()
    }

    fn extension(&mut self, value: &Value<'i>) -> Extension {
        let mut members = self.members(value);
        let extension = Extension {
            name: self.text(&mut members, "name"),
            rfcs: self.numbers(&mut members, "rfc"),
            server: self.state(&mut members, "server"),
            client: self.state(&mut members, "client"),
            remark: self.text_if_any(&mut members, "remark").unwrap_or_default(),
            line: self.line(&value.span()),
        };
        self.none_left(&members);
        extension
    }

    fn numbers(&mut self, members: &mut Members<'_, 'i>, name: &str) -> Vec<u32> {
        let Some(value) = members.take(name) else {
            self.problem(members.span.clone(), format!("`{name}` is missing"));
            return Vec::new();
        };
        let number = |value: &Value<'i>| match value.get_ref() {
            DeValue::Integer(integer) => integer.as_str().parse().ok(),
            _ => None,
        };
        let numbers: Option<Vec<u32>> = match value.get_ref() {
            DeValue::Array(list) => list.iter().map(number).collect(),
            _ => None,
        };
        numbers.unwrap_or_else(|| {
            self.problem(value.span(), format!("`{name}` should be a list of numbers"));
            Vec::new()
        })
    }
}

/// Something that fits a cell of a table.
fn is_one_line(text: &str) -> bool {
    !text.trim().is_empty() && !text.contains(['\n', '\r', '|'])
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "
[rfc.5321]
title = \"Simple Mail Transfer Protocol\"
about = \"the protocol\"
[rfc.5321.section]
\"4.2\" = { title = \"Replies\", state = \"done\" }
\"4.5\" = { title = \"More\", state = \"partly\", why = \"no TURN\" }
[[extension]]
name = \"SIZE\"
rfc = [1870, 5321]
server = \"done\"
client = \"not\"
";

    #[test]
    fn rfcs_sections_and_extensions_are_read_with_their_lines() {
        let index = read(GOOD).unwrap();
        let rfc = &index.rfcs[&5321];
        assert_eq!((rfc.title.as_str(), rfc.line), ("Simple Mail Transfer Protocol", 2));
        let entries: Vec<_> = rfc.sections.values().map(|entry| (entry.state, entry.line)).collect();
        assert_eq!(entries, [(State::Done, 6), (State::Partly, 7)]);
        let size = &index.extensions[0];
        assert_eq!(
            (size.rfcs.as_slice(), size.server, size.client),
            ([1870, 5321].as_slice(), State::Done, State::Not)
        );
    }

    #[test]
    fn each_mistake_is_told_with_its_line() {
        let cases = [
            ("title = \"Replies\"", "titel = \"Replies\"", "6: `title` is missing"),
            ("title = \"Replies\"", "titel = \"Replies\"", "6: there is no key `titel` here"),
            (", why = \"no TURN\"", "", "7: `partly` needs a `why`: what is missing, or why"),
            (
                "\"done\" }",
                "\"finished\" }",
                "6: `finished` is no state (they are done, partly, planned, not, terms)",
            ),
            ("\"4.2\"", "\"4.x\"", "6: `4.x` is no number of a section"),
            ("rfc.5321]\ntitle", "rfc.smtp]\ntitle", "2: `smtp` is no number of an RFC"),
            ("[1870, 5321]", "1870", "10: `rfc` should be a list of numbers"),
            ("no TURN", "a|b", "7: `why` should be a line of text, without `|`"),
        ];
        for (right, wrong, problem) in cases {
            let problems = read(&GOOD.replacen(right, wrong, 1)).unwrap_err();
            assert!(problems.iter().any(|found| found == problem), "{problem} is not in {problems:?}");
        }
        assert!(read("[rfc").is_err());
    }
}
