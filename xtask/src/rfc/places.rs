//! Where the tree cites what: every `*.rs` of the crates and the comments of every dialogue.

use super::citation::{Found, citations};
use super::index::Section;
use super::source::{self, Kind, Passage};
use crate::limits::{SOURCE_DEPTH_MAX, SOURCE_OCTETS_MAX};
use crate::problem::{Problem, While};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Folders whose files are read.
const FOLDERS: [&str; 4] = ["crates", "fuzz", "tests", "xtask"];
/// Folders in which everything is a test.
const TEST_FOLDERS: [&str; 2] = ["fuzz", "tests"];

/// A citation, or what should be one.
#[derive(Debug)]
pub(super) struct Place {
    /// Below the root, with `/`.
    pub(super) path: String,
    /// From 1.
    pub(super) line: usize,
    /// The function, type or constant it stands at.
    pub(super) item: Option<String>,
    pub(super) test: bool,
    /// In a comment: something is obeyed here. A string that people read only mentions it.
    pub(super) comment: bool,
    pub(super) cited: Cited,
}

impl Place {
    /// Whether it cites this section.
    pub(super) fn cites(&self, number: u32, section: &Section) -> bool {
        matches!(&self.cited, Cited::Section(rfc, cited) if *rfc == number && cited == section)
    }
}

/// What is cited.
#[derive(Debug)]
pub(super) enum Cited {
    /// An RFC as a whole.
    Rfc(u32),
    Section(u32, Section),
    /// What cannot be checked: how to write it.
    Unclear(&'static str),
}

/// All places below the root, in the order of their paths.
pub(super) fn find(root: &Path) -> Result<Vec<Place>, Problem> {
    let mut files = BTreeSet::new();
    for folder in FOLDERS {
        if root.join(folder).is_dir() {
            walk(root, folder, 0, &mut files)?;
        }
    }
    let (mut places, mut test_modules) = (Vec::new(), BTreeSet::new());
    for path in files {
        let text = read(&root.join(&path))?;
        if path.ends_with(".smtp") {
            places.extend(in_dialogue(&path, &text));
        } else {
            let (found, modules) = in_source(&path, &text);
            places.extend(found);
            test_modules.extend(modules);
        }
    }
    for place in &mut places {
        place.test |=
            is_test(&place.path) || test_modules.iter().any(|module| is_within(&place.path, module));
    }
    Ok(places)
}

fn walk(root: &Path, folder: &str, depth: usize, files: &mut BTreeSet<String>) -> Result<(), Problem> {
    if depth > SOURCE_DEPTH_MAX {
        return Err(Problem::new(format!("{folder}: folders within folders without end")));
    }
    for entry in fs::read_dir(root.join(folder)).while_(folder)? {
        let entry = entry.while_(folder)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{folder}/{name}");
        // Links are not followed.
        let kind = entry.file_type().while_(&path)?;
        if kind.is_dir() && name != "target" && !name.starts_with('.') {
            walk(root, &path, depth + 1, files)?;
        } else if kind.is_file() && (path.ends_with(".rs") || path.ends_with(".smtp")) {
            files.insert(path);
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, Problem> {
    let size = fs::metadata(path).while_(path.display())?.len();
    if size > SOURCE_OCTETS_MAX {
        return Err(Problem::new(format!("{}: {size} octets are no source", path.display())));
    }
    fs::read_to_string(path).while_(path.display())
}

/// Citations of a file of Rust, and the paths, without `.rs`, of its modules that are tests.
fn in_source(path: &str, text: &str) -> (Vec<Place>, Vec<String>) {
    let source = source::read(text);
    let modules =
        source.test_modules.iter().map(|name| format!("{}/{name}", folder_of_modules(path))).collect();
    // A test writes what it likes into its strings.
    let read = source.passages.iter().filter(|passage| passage.kind == Kind::Comment || !passage.test);
    (read.flat_map(|passage| in_passage(path, text, passage)).collect(), modules)
}

fn in_passage(path: &str, text: &str, passage: &Passage<'_>) -> Vec<Place> {
    let item = passage.item.map(str::to_owned);
    let comment = passage.kind == Kind::Comment;
    let place = |found| {
        let (at, cited) = cited(found);
        let line = line_of(text, passage.start + at);
        Place { path: path.to_owned(), line, item: item.clone(), test: passage.test, comment, cited }
    };
    let mut places: Vec<Place> = citations(passage.text).into_iter().map(place).collect();
    // A string may name a section by its number alone, or hold an RFC's text.
    places.retain(|place| comment || !matches!(place.cited, Cited::Unclear(_)));
    places
}

/// Citations of the comments of a dialogue. Comments are read with the lines between them blanked, so that
/// places stay where they are.
fn in_dialogue(path: &str, text: &str) -> Vec<Place> {
    let blank = |line: &str| if line.starts_with('#') { line.to_owned() } else { "\n".to_owned() };
    let comments: String = text.split_inclusive('\n').map(blank).collect();
    let place = |found| {
        let (at, cited) = cited(found);
        let line = line_of(&comments, at);
        Place { path: path.to_owned(), line, item: None, test: true, comment: true, cited }
    };
    citations(&comments).into_iter().map(place).collect()
}

fn cited(found: Found) -> (usize, Cited) {
    match found {
        Found::Citation { at, rfc, section: Some(section) } => (at, Cited::Section(rfc, section)),
        Found::Citation { at, rfc, section: None } => (at, Cited::Rfc(rfc)),
        Found::Unclear { at, advice } => (at, Cited::Unclear(advice)),
    }
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text.as_bytes().get(..at).unwrap_or_default().iter().filter(|octet| **octet == b'\n').count()
}

/// Whether a path is that of a test: below a folder of tests, or a file or folder named so.
fn is_test(path: &str) -> bool {
    let mut parts = path.split('/');
    TEST_FOLDERS.iter().any(|folder| parts.clone().next() == Some(folder))
        || parts.any(|part| part == "tests" || part == "tests.rs")
}

/// Whether a path is the file of a module, or in its folder.
fn is_within(path: &str, module: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

/// The folder in which the modules of a file lie.
fn folder_of_modules(path: &str) -> &str {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    match file {
        "lib.rs" | "main.rs" | "mod.rs" => folder,
        _ => path.strip_suffix(".rs").unwrap_or(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_its_line_its_item_and_whether_it_is_a_test() {
        let text = "//! RFC 1\n\n/// Two,\n/// RFC 2 §3.\nfn f() { g(\"RFC 4 §5\"); }\n#[test]\nfn t() {\n // RFC 6\n h(\"RFC 7\") }";
        let (places, _) = in_source("crates/a/src/b.rs", text);
        let seen: Vec<_> = places
            .iter()
            .map(|place| (place.line, place.item.as_deref(), place.test, place.comment))
            .collect();
        let f = Some("f");
        assert_eq!(
            seen,
            [(1, None, false, true), (4, f, false, true), (5, f, false, false), (8, Some("t"), true, true)]
        );
    }

    #[test]
    fn only_the_comments_of_a_dialogue_cite() {
        let places = in_dialogue("tests/dialogue/a.smtp", "# RFC 1 §2\nC: RFC 3\n# RFC 4\n# §5\n");
        let seen: Vec<_> = places.iter().map(|place| (place.line, place.test)).collect();
        assert_eq!(seen, [(1, true), (3, true)]);
    }

    #[test]
    fn tests_are_known_by_their_path() {
        for path in ["tests/src/a.rs", "crates/a/tests/b.rs", "crates/a/src/b/tests.rs", "fuzz/a.rs"] {
            assert!(is_test(path), "{path}");
        }
        assert!(!is_test("crates/a/src/b.rs"));
        let (_, modules) = in_source("crates/a/src/lib.rs", "#[cfg(test)]\nmod trial;");
        assert!(
            is_within("crates/a/src/trial.rs", &modules[0])
                && is_within("crates/a/src/trial/b.rs", &modules[0])
        );
        assert!(!is_within("crates/a/src/trials.rs", &modules[0]));
        assert_eq!(folder_of_modules("crates/a/src/b.rs"), "crates/a/src/b");
    }
}
