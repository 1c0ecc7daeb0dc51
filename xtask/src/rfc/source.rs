//! Rust source, as far as citations need it: its comments and strings, each with the item it stands at and
//! whether that is a test. Brackets are matched and items are seen; nothing else of the grammar is known, and
//! what does not compile may be read wrongly, but never without an end.

mod tokens;

use tokens::{Token, Tokens};

/// What a passage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Lines of comment without code between them.
    Comment,
    /// A string literal.
    Text,
}

/// A stretch of text that people read.
#[derive(Debug)]
pub(crate) struct Passage<'s> {
    pub(crate) kind: Kind,
    /// Where it begins, in octets.
    pub(crate) start: usize,
    /// As it stands, with its markers and line ends.
    pub(crate) text: &'s str,
    /// The function, type or constant that it is in or above.
    pub(crate) item: Option<&'s str>,
    /// Whether that is compiled for tests alone.
    pub(crate) test: bool,
}

/// What is read from one file.
#[derive(Debug, Default)]
pub(crate) struct Source<'s> {
    pub(crate) passages: Vec<Passage<'s>>,
    /// Modules in files of their own that are compiled for tests alone.
    pub(crate) test_modules: Vec<&'s str>,
}

/// Reads a file of Rust.
pub(crate) fn read(source: &str) -> Source<'_> {
    let mut reader = Reader { source, ..Reader::default() };
    for (token, start, end) in Tokens::of(source) {
        reader.take(token, start, end);
    }
    reader.found
}

/// The inside of a pair of brackets.
#[derive(Clone, Copy)]
struct Scope<'s> {
    /// The item whose inside this is; none where items stand beside each other (a module, an `impl`).
    item: Option<&'s str>,
    test: bool,
}

/// An item from its name to its body or its semicolon.
struct Begun<'s> {
    name: Option<&'s str>,
    /// Whether its inside has items of its own.
    holds_items: bool,
    module: bool,
    test: bool,
    depth: usize,
}

#[derive(Default)]
struct Reader<'s> {
    source: &'s str,
    found: Source<'s>,
    scopes: Vec<Scope<'s>>,
    begun: Option<Begun<'s>>,
    /// A keyword whose item's name comes next.
    keyword: Option<&'s str>,
    /// Words of the attribute we are in, and the depth outside it.
    attribute: Option<(usize, Vec<&'s str>)>,
    hash: bool,
    /// An attribute said that the next item is for tests.
    for_tests: bool,
    /// Passages above an item that has not been named yet.
    above: Vec<usize>,
    /// The comment that another line of comment would continue: its index and its marker.
    comment: Option<(usize, &'s str)>,
}

impl<'s> Reader<'s> {
    fn take(&mut self, token: Token<'s>, start: usize, end: usize) {
        if !matches!(token, Token::Comment) {
            self.comment = None;
        }
        match token {
            Token::Comment => self.comment(start, end),
            Token::Text => self.passage(Kind::Text, start, end, false),
            Token::Word(word) => self.word(word),
            Token::Mark(mark) => self.mark(mark),
        }
        self.hash = token == Token::Mark('#') || (self.hash && token == Token::Mark('!'));
    }

    fn scope(&self) -> Scope<'s> {
        self.scopes.last().copied().unwrap_or(Scope { item: None, test: false })
    }

    fn comment(&mut self, start: usize, end: usize) {
        let text = self.source.get(start..end).unwrap_or_default();
        let marker = ["///", "//!", "//"].into_iter().find(|marker| text.starts_with(marker)).unwrap_or("/*");
        if let Some((index, before)) = self.comment
            && marker == before
            && let Some(passage) = self.found.passages.get_mut(index)
        {
            passage.text = self.source.get(passage.start..end).unwrap_or_default();
            return;
        }
        self.comment = Some((self.found.passages.len(), marker));
        self.passage(Kind::Comment, start, end, marker == "//!");
    }

    /// `whole`: it is about the file or the module, not about an item.
    fn passage(&mut self, kind: Kind, start: usize, end: usize, whole: bool) {
        let scope = self.scope();
        let mut passage = Passage {
            kind,
            start,
            text: self.source.get(start..end).unwrap_or_default(),
            item: scope.item,
            test: scope.test || self.for_tests,
        };
        if let Some(begun) = &self.begun {
            passage.item = begun.name.or(scope.item);
            passage.test |= begun.test;
        } else if scope.item.is_none() && !whole {
            self.above.push(self.found.passages.len());
        }
        self.found.passages.push(passage);
    }

    fn word(&mut self, word: &'s str) {
        if let Some((_, words)) = &mut self.attribute {
            words.push(word);
            return;
        }
        match (self.keyword, word) {
            (Some(_), "fn") => self.keyword = Some(word),
            (Some(_), "unsafe" | "async" | "extern" | "mut") => {}
            (Some(keyword), name) => {
                self.keyword = None;
                let module = keyword == "mod";
                self.begin(Some(name), module, module);
            }
            (
                None,
                "fn" | "struct" | "enum" | "trait" | "const" | "static" | "type" | "mod" | "macro_rules",
            ) if self.begun.is_none() => {
                self.keyword = Some(word);
            }
            (None, "impl") if self.begun.is_none() => self.begin(None, true, false),
            _ => {}
        }
    }

    fn begin(&mut self, name: Option<&'s str>, holds_items: bool, module: bool) {
        let test = std::mem::take(&mut self.for_tests) || self.scope().test;
        for index in self.above.drain(..) {
            if let Some(passage) = self.found.passages.get_mut(index) {
                passage.item = name;
                passage.test |= test;
            }
        }
        self.begun = Some(Begun { name, holds_items, module, test, depth: self.scopes.len() });
    }

    fn mark(&mut self, mark: char) {
        if !(mark == '!' && self.keyword == Some("macro_rules")) {
            self.keyword = None;
        }
        match mark {
            '[' if self.hash && self.attribute.is_none() => {
                self.attribute = Some((self.scopes.len(), Vec::new()));
                self.scopes.push(self.scope());
            }
            '(' | '[' | '{' => self.open(mark),
            ')' | ']' | '}' => self.close(),
            ';' => self.end(),
            _ => {}
        }
    }

    fn open(&mut self, mark: char) {
        let mut scope = self.scope();
        if mark == '{'
            && let Some(begun) = self.begun.take_if(|begun| begun.depth == self.scopes.len())
        {
            scope.item = if begun.holds_items { None } else { begun.name };
            scope.test |= begun.test;
        }
        self.scopes.push(scope);
    }

    fn close(&mut self) {
        self.scopes.pop();
        let depth = self.scopes.len();
        if let Some((_, words)) = self.attribute.take_if(|(outside, _)| *outside == depth) {
            self.for_tests |= says_test(&words);
        }
        // A bracket too many must not leave an item open for ever.
        self.begun.take_if(|begun| begun.depth > depth);
    }

    fn end(&mut self) {
        let depth = self.scopes.len();
        if let Some(begun) = self.begun.take_if(|begun| begun.depth == depth) {
            if let (true, true, Some(name)) = (begun.module, begun.test, begun.name) {
                self.found.test_modules.push(name);
            }
        } else if self.begun.is_none() {
            // A `use`, or the end of a statement.
            self.for_tests = false;
            self.above.clear();
        }
    }
}

/// Whether an attribute's words mean that what follows is compiled for tests alone: `test`, `tokio::test`,
/// `cfg(test)`, `cfg(all(test, …))`.
fn says_test(words: &[&str]) -> bool {
    match words {
        ["cfg", condition @ ..] => condition.contains(&"test") && !condition.contains(&"not"),
        ["test", ..] => true,
        [runtime, "test", ..] => *runtime != "cfg_attr",
        _ => false,
    }
}

#[cfg(test)]
mod tests;
