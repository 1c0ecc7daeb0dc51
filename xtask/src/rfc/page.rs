//! What people read of the index: `docs/rfc.md`, and the matrix in the README. Files and items are named,
//! lines are not: every edit would move them.

use super::check::{Support, Supports};
use super::index::{Entry, Index, Rfc, Section, State};
use std::collections::BTreeSet;

/// The lines of the README between which the matrix stands.
pub(super) const BEGIN: &str = "<!-- rfc: begin -->";
/// The second of them.
pub(super) const END: &str = "<!-- rfc: end -->";

const HEAD: &str = "\
# The standards we follow

Written by `cargo xtask rfc --write` from [rfc.toml](rfc.toml) and from the comments of the code: do not edit it here.
A section that is done or partly done names the code that obeys it and the tests that show it.
";

/// `docs/rfc.md`.
pub(super) fn page(index: &Index, supports: &Supports<'_>) -> String {
    let mut text = HEAD.to_owned();
    for state in State::ALL {
        let entries = index.rfcs.values().flat_map(|rfc| rfc.sections.values());
        let count = entries.filter(|entry| entry.state == state).count();
        text.push_str(&format!("\n- {} ({count}): {}", state.word(), state.meaning()));
    }
    text.push('\n');
    for (number, rfc) in &index.rfcs {
        text.push_str(&chapter(*number, rfc, supports));
    }
    text
}

fn chapter(number: u32, rfc: &Rfc, supports: &Supports<'_>) -> String {
    let Rfc { title, about, .. } = rfc;
    let mut text = format!(
        "\n## RFC {number}: {title}\n\n{about} ([text](https://www.rfc-editor.org/rfc/rfc{number}))\n"
    );
    if rfc.sections.is_empty() {
        if let Some(support) = supports.get(&(number, None)) {
            let all = support.code.union(&support.tests).copied().collect();
            text.push_str(&format!("\nCited by {}.\n", cell(&all)));
        }
        return text;
    }
    text.push_str("\n| section | | state | code | tests |\n|---|---|---|---|---|\n");
    for (section, entry) in &rfc.sections {
        text.push_str(&row(section, entry, supports.get(&(number, Some(section)))));
    }
    text
}

fn row(section: &Section, entry: &Entry, support: Option<&Support<'_>>) -> String {
    let Entry { title, state, why, .. } = entry;
    let state = match why {
        Some(why) => format!("{}: {why}", state.word()),
        None => state.word().to_owned(),
    };
    let [code, tests] = match support {
        Some(support) => [cell(&support.code), cell(&support.tests)],
        None => [const { String::new() }; 2],
    };
    format!("| {section} | {title} | {state} | {code} | {tests} |\n")
}

/// Files with their items: `smtp/command.rs (mail, rcpt), …`.
fn cell(places: &BTreeSet<(&str, Option<&str>)>) -> String {
    let mut files: Vec<(&str, Vec<String>)> = Vec::new();
    for (path, item) in places {
        if files.last().is_none_or(|(last, _)| last != path) {
            files.push((path, Vec::new()));
        }
        if let (Some((_, items)), Some(item)) = (files.last_mut(), item) {
            items.push(format!("`{item}`"));
        }
    }
    let file = |(path, items): &(&str, Vec<String>)| {
        let link = format!("[{}](../{path})", short(path));
        if items.is_empty() { link } else { format!("{link} ({})", items.join(", ")) }
    };
    files.iter().map(file).collect::<Vec<_>>().join(", ")
}

/// A path without what all of them have.
fn short(path: &str) -> String {
    let path = path.strip_prefix("crates/").or_else(|| path.strip_prefix("tests/dialogue/")).unwrap_or(path);
    path.replacen("/src/", "/", 1)
}

/// The matrix: extension, RFC, server, client.
pub(super) fn matrix(index: &Index) -> String {
    let mut text = String::from("| extension | RFC | server | client | |\n|---|---|---|---|---|\n");
    for extension in &index.extensions {
        let rfcs: Vec<String> = extension.rfcs.iter().map(u32::to_string).collect();
        let [server, client] = [extension.server, extension.client].map(|state| match state {
            State::Done => "yes",
            State::Partly => "partly",
            State::Planned => "later",
            State::Not | State::Terms => "no",
        });
        let (name, rfcs) = (&extension.name, rfcs.join(", "));
        text.push_str(&format!("| {name} | {rfcs} | {server} | {client} | {} |\n", extension.remark));
    }
    text
}

/// The README with its matrix replaced. `None` when the two lines are not in it, once and in their order.
pub(super) fn with_matrix(readme: &str, matrix: &str) -> Option<String> {
    let (before, rest) = readme.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    if after.contains(BEGIN) || after.contains(END) || before.contains(END) {
        return None;
    }
    Some(format!("{before}{BEGIN}\n{matrix}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rfc::{check, index, places};

    #[test]
    fn the_page_names_files_and_items_and_no_lines() {
        let text = "[rfc.1]\ntitle=\"T\"\nabout=\"A.\"\n[rfc.1.section]\n\"2\" = { title=\"S\", state=\"partly\", why=\"w\" }\n";
        let place = |path: &str, item: Option<&str>, test| places::Place {
            path: path.to_owned(),
            line: 99,
            item: item.map(str::to_owned),
            test,
            comment: true,
            cited: places::Cited::Section(1, Section::parse("2").unwrap()),
        };
        let places = [
            place("crates/a/src/b.rs", Some("g"), false),
            place("crates/a/src/b.rs", Some("f"), false),
            place("tests/dialogue/c.smtp", None, true),
        ];
        let page = page(&index::read(text).unwrap(), &check::support(&places));
        let row = "| 2 | S | partly: w | [a/b.rs](../crates/a/src/b.rs) (`f`, `g`) | [c.smtp](../tests/dialogue/c.smtp) |\n";
        assert!(page.ends_with(row), "{page}");
        assert!(page.contains("\n- partly (1): followed in part\n") && !page.contains("99"), "{page}");
    }

    #[test]
    fn the_matrix_takes_the_place_between_its_two_lines() {
        let readme = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        let new = with_matrix(&readme, "new\n").unwrap();
        assert_eq!(new, format!("a\n{BEGIN}\nnew\n{END}\nb\n"));
        assert_eq!(with_matrix(&new, "new\n").as_deref(), Some(new.as_str()));
        for broken in ["nothing", BEGIN, END, &format!("{END}{BEGIN}"), &format!("{readme}{readme}")] {
            assert_eq!(with_matrix(broken, ""), None);
        }
    }
}
