//! `cargo xtask rfc`: whether the code and `docs/rfc.toml` agree on which standards we follow.
//!
//! The index lists sections of RFCs with the state of each. A comment that cites one by its number is a
//! reference to it, and is checked both ways: a citation leads to an entry, and an entry that
//! claims to be followed is cited by code and by a test. What people read is generated from both. It does
//! not know what an RFC says.
//!
//! | module | what is in it |
//! |---|---|
//! | `index` | `docs/rfc.toml` as values |
//! | `source` | Rust as comments and strings, with their items |
//! | `citation` | citations in text |
//! | `places` | where the tree cites what |
//! | `check` | what does not fit |
//! | `page` | `docs/rfc.md`, and the matrix in the README |

mod check;
mod citation;
mod index;
mod page;
mod places;
mod source;

use crate::problem::{Problem, While};
use crate::tools;
use std::fs;
use std::path::Path;

/// The index, below the root.
const INDEX: &str = "docs/rfc.toml";
/// The page that is generated from it.
const PAGE: &str = "docs/rfc.md";
const README: &str = "README.md";

const HELP: &str = "\
Whether code, tests and docs/rfc.toml agree on which sections of which RFCs we follow.

Usage: cargo xtask rfc [--write]

Every problem is printed, with its place and what to do about it:
- a comment cites an RFC or a section that docs/rfc.toml does not have;
- an entry is `done` or `partly`, and no code or no test cites it;
- an entry is `planned`, and a test cites it already;
- docs/rfc.md or the matrix in README.md is out of date.

A citation is written `RFC N`, `RFC N §S`, or `RFC N §S, §S`, in a comment of a *.rs file or of a dialogue. It
belongs to tests where it stands in tests/, in a test or a test module, or in a dialogue. The exit code
is 0 when there is no problem.

Options:
  --write  writes docs/rfc.md and the matrix in README.md anew
  --help   this text

Examples:
  cargo xtask rfc
  cargo xtask rfc --write
";

/// Runs the command. `false` when something does not fit.
///
/// # Errors
/// The command line makes no sense, or a file cannot be read or written.
pub(crate) fn run(arguments: &[&str]) -> Result<bool, Problem> {
    let write = match arguments {
        [] => false,
        ["--write"] => true,
        ["--help" | "-h", ..] => {
            print!("{HELP}");
            return Ok(true);
        }
        [other, ..] => return Err(Problem::usage(format!("rfc has no option `{other}`"))),
    };
    let problems = problems(tools::root(), write)?;
    for problem in &problems {
        eprintln!("{problem}");
    }
    eprintln!("{} problems", problems.len());
    Ok(problems.is_empty())
}

/// Everything that does not fit below the root; with `write` the generated files are brought up to date
/// first.
fn problems(root: &Path, write: bool) -> Result<Vec<String>, Problem> {
    let text = fs::read_to_string(root.join(INDEX)).while_(INDEX)?;
    let index = match index::read(&text) {
        Ok(index) => index,
        Err(mistakes) => return Ok(mistakes.iter().map(|mistake| format!("{INDEX}:{mistake}")).collect()),
    };
    let places = places::find(root)?;
    let supports = check::support(&places);
    let mut problems = check::problems(&index, &places, &supports);
    let generated = page::page(&index, &supports);
    problems.extend(settle(root, PAGE, Some(generated), write)?);
    let readme = fs::read_to_string(root.join(README)).while_(README)?;
    problems.extend(settle(root, README, page::with_matrix(&readme, &page::matrix(&index)), write)?);
    Ok(problems)
}

/// Compares a generated file with what it should be, or writes it.
fn settle(root: &Path, name: &str, wanted: Option<String>, write: bool) -> Result<Option<String>, Problem> {
    let Some(wanted) = wanted else {
        let (begin, end) = (page::BEGIN, page::END);
        return Ok(Some(format!("{name}: it should have one line `{begin}`, and below it one line `{end}`")));
    };
    let path = root.join(name);
    if fs::read_to_string(&path).is_ok_and(|present| present == wanted) {
        return Ok(None);
    }
    if write {
        fs::write(&path, wanted).while_(name)?;
        return Ok(None);
    }
    Ok(Some(format!("{name}: out of date; run `cargo xtask rfc --write`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_checked_and_its_pages_are_written_once() {
        let root = tools::target().join(format!("xtask-rfc-{}", std::process::id()));
        for folder in ["docs", "crates/a/src", "tests/dialogue"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        let put = |path: &str, text: &str| fs::write(root.join(path), text).unwrap();
        put(
            INDEX,
            "[rfc.1]\ntitle=\"T\"\nabout=\"A.\"\n[rfc.1.section]\n\"2\"={title=\"S\",state=\"done\"}\n",
        );
        put(README, "<!-- rfc: begin -->\n<!-- rfc: end -->\n");
        put("crates/a/src/lib.rs", "/// RFC 1 §2\nfn f() {}\n");
        let found = problems(&root, false).unwrap();
        assert!(found[0].contains("no test cites it"), "{found:?}");
        assert_eq!(found.len(), 3, "the page and the README are out of date: {found:?}");
        put("tests/dialogue/a.smtp", "# RFC 1 §2\n");
        assert_eq!(problems(&root, true).unwrap(), [""; 0]);
        assert_eq!(problems(&root, false).unwrap(), [""; 0]);
        put(INDEX, "[rfc.one]\n");
        assert!(problems(&root, false).unwrap()[0].starts_with("docs/rfc.toml:1: "));
        fs::remove_dir_all(&root).unwrap();
    }
}
