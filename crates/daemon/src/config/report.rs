//! How a broken configuration is shown: drawn with lines for a terminal, `file:line:column` for logs,
//! editors and screen readers, and as JSON for programs. All three point at the same places.

use super::limits::{COLUMNS_SHOWN, LINE_CHARS_SHOWN_MAX, PROBLEMS_SHOWN_MAX};
use super::problem::{Label, Problem, Span};
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};
use std::fmt::{self, Write as _};

/// A configuration that cannot be used, and everything that is wrong with it.
#[derive(Debug)]
pub(crate) struct Broken {
    file: String,
    /// The source as it may be shown: octet for octet as long as the file, without control characters.
    source: String,
    /// In the order of the file, never empty.
    problems: Vec<Problem>,
}

/// How a terminal wants to be drawn on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    pub(super) colours: bool,
    pub(super) unicode: bool,
}

impl Look {
    /// What the environment says: `NO_COLOR`, and the character set of `LC_ALL`, `LC_CTYPE` or `LANG`.
    pub(crate) fn of_environment() -> Self {
        let charset = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(|name| {
            std::env::var(name).ok().filter(|value| !value.is_empty()).map(|value| value.to_ascii_uppercase())
        });
        Self {
            colours: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
            unicode: charset.is_some_and(|value| value.contains("UTF-8") || value.contains("UTF8")),
        }
    }

    fn theme(self) -> GraphicalTheme {
        match (self.unicode, self.colours) {
            (true, true) => GraphicalTheme::unicode(),
            (true, false) => GraphicalTheme::unicode_nocolor(),
            (false, true) => GraphicalTheme::ascii(),
            (false, false) => GraphicalTheme::none(),
        }
    }
}

impl Broken {
    /// `file` is the name to show; `problems` may come in any order, at least one.
    pub(super) fn new(file: String, source: &str, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(Problem::start);
        problems.dedup();
        Self { file, source: printable(source), problems }
    }

    /// For a terminal with this many columns (0: unknown).
    pub(crate) fn drawn(&self, columns: usize, look: Look) -> String {
        if self.source.lines().any(|line| line.len() > LINE_CHARS_SHOWN_MAX) {
            // A drawing cannot cut a line that is too long to show.
            return self.plain();
        }
        let columns = if columns == 0 { *COLUMNS_SHOWN.end() } else { columns };
        let drawing = GraphicalReportHandler::new_themed(look.theme())
            .with_links(false)
            .with_width(columns.clamp(*COLUMNS_SHOWN.start(), *COLUMNS_SHOWN.end()));
        let mut text = String::new();
        for problem in self.shown() {
            let pointed = Pointed { problem, source: NamedSource::new(&self.file, self.source.clone()) };
            if drawing.render_report(&mut text, &pointed).is_err() {
                // It draws only places that exist; should it not, the plain words are still there.
                return self.plain();
            }
            text.push('\n');
        }
        self.finish(text)
    }

    /// One problem after the other, each with its line and a mark under the place.
    pub(crate) fn plain(&self) -> String {
        let mut text = String::new();
        for problem in self.shown() {
            self.plain_problem(problem, &mut text);
        }
        self.finish(text)
    }

    /// The problems as `{message, line, column, label, help}`. Line and column count from 1; all but the
    /// message may be null.
    pub(crate) fn json(&self) -> serde_json::Value {
        let problem = |problem: &Problem| {
            let place = problem.labels.first().map(|label| Place::of(&self.source, &label.at));
            serde_json::json!({
                "message": problem.message,
                "line": place.as_ref().map(|place| place.line),
                "column": place.as_ref().map(|place| place.column),
                "label": problem.labels.first().map(|label| &label.text).filter(|text| !text.is_empty()),
                "help": problem.help,
            })
        };
        serde_json::json!({
            "file": self.file,
            "errors": self.shown().map(problem).collect::<Vec<_>>(),
            "not_shown": self.hidden(),
        })
    }

    fn shown(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().take(PROBLEMS_SHOWN_MAX)
    }

    fn hidden(&self) -> usize {
        self.problems.len().saturating_sub(PROBLEMS_SHOWN_MAX)
    }

    /// The last line: how many there are.
    fn finish(&self, mut text: String) -> String {
        let (all, hidden) = (self.problems.len(), self.hidden());
        let errors = if all == 1 { "error" } else { "errors" };
        // Writing to a String cannot fail.
        let _ = match hidden {
            0 => writeln!(text, "{all} {errors} in {}", self.file),
            _ => writeln!(text, "{all} {errors} in {}, the last {hidden} not shown", self.file),
        };
        text
    }

    fn plain_problem(&self, problem: &Problem, text: &mut String) {
        let Some((first, others)) = problem.labels.split_first() else {
            let _ = writeln!(text, "{}: error: {}", self.file, problem.message);
            return plain_help(problem, text);
        };
        let place = Place::of(&self.source, &first.at);
        let _ = writeln!(text, "{}:{place}: error: {}", self.file, problem.message);
        self.excerpt(&place, first, text);
        for other in others {
            let place = Place::of(&self.source, &other.at);
            let _ = writeln!(text, "  and {}:{place}:", self.file);
            self.excerpt(&place, other, text);
        }
        plain_help(problem, text);
    }

    /// The source line with a mark under the place and the label behind it.
    fn excerpt(&self, place: &Place, label: &Label, text: &mut String) {
        let line: Vec<char> = self.source[place.line_span.clone()].chars().collect();
        let start = place.column - 1;
        let marked = self.source.get(label.at.clone()).unwrap_or_default();
        let wanted = marked.lines().next().unwrap_or_default().chars().count().max(1);
        // A long line is cut around the place.
        let from = if line.len() > LINE_CHARS_SHOWN_MAX {
            start.saturating_sub(LINE_CHARS_SHOWN_MAX / 4)
        } else {
            0
        };
        let to = line.len().min(from + LINE_CHARS_SHOWN_MAX);
        let shown: String = line[from.min(to)..to].iter().collect();
        let (before, after) = (if from > 0 { "…" } else { "" }, if to < line.len() { "…" } else { "" });
        let gutter = place.line.to_string();
        let indent = " ".repeat(start - from + before.chars().count());
        let mark = "^".repeat(wanted.min((to + 1).saturating_sub(start)).max(1));
        let _ = writeln!(text, "  {gutter} | {before}{shown}{after}");
        let _ = writeln!(
            text,
            "  {:gutter$} | {indent}{mark} {label}",
            "",
            gutter = gutter.len(),
            label = label.text
        );
        while text.ends_with(" \n") {
            text.truncate(text.len() - 2);
            text.push('\n');
        }
    }
}

fn plain_help(problem: &Problem, text: &mut String) {
    if let Some(help) = &problem.help {
        let _ = writeln!(text, "  help: {help}");
    }
}

/// Where a span begins: line and column from 1, columns in characters.
struct Place {
    line: usize,
    column: usize,
    line_span: Span,
}

impl Place {
    fn of(source: &str, at: &Span) -> Self {
        let start = source.floor_char_boundary(at.start);
        let before = &source[..start];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = source[start..].find('\n').map_or(source.len(), |newline| start + newline);
        Self {
            line: before.bytes().filter(|&b| b == b'\n').count() + 1,
            column: source[line_start..start].chars().count() + 1,
            line_span: line_start..line_end,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// The source without control characters, every octet in its place: what a file holds must not steer the
/// terminal it is shown on.
fn printable(source: &str) -> String {
    let mut text = String::with_capacity(source.len());
    for c in source.chars() {
        match c {
            '\n' => text.push('\n'),
            '\t' | '\r' => text.push(' '),
            c if c.is_control() => (0..c.len_utf8()).for_each(|_| text.push('?')),
            c => text.push(c),
        }
    }
    text
}

/// One problem as miette sees it.
#[derive(Debug)]
struct Pointed<'a> {
    problem: &'a Problem,
    source: NamedSource<String>,
}

impl fmt::Display for Pointed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem.message)
    }
}

impl std::error::Error for Pointed<'_> {}

impl Diagnostic for Pointed<'_> {
    fn help<'h>(&'h self) -> Option<Box<dyn fmt::Display + 'h>> {
        self.problem.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        if self.problem.labels.is_empty() { None } else { Some(&self.source) }
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.problem.labels.iter().enumerate().map(|(at, label)| {
            let text = Some(label.text.clone()).filter(|text| !text.is_empty());
            let span = (label.at.start, label.at.len());
            if at == 0 {
                LabeledSpan::new_primary_with_span(text, span)
            } else {
                LabeledSpan::new_with_span(text, span)
            }
        })))
    }
}
