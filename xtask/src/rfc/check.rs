//! What the index and the tree say of each other, both ways.

use super::INDEX;
use super::index::{Entry, Index, Section, State};
use super::places::{Cited, Place};
use std::collections::{BTreeMap, BTreeSet};

/// Who cites a section, or an RFC as a whole: path and item.
#[derive(Debug, Default)]
pub(super) struct Support<'p> {
    pub(super) code: BTreeSet<(&'p str, Option<&'p str>)>,
    pub(super) tests: BTreeSet<(&'p str, Option<&'p str>)>,
}

/// By RFC and section; without one, those who cite the RFC as a whole.
pub(super) type Supports<'p> = BTreeMap<(u32, Option<&'p Section>), Support<'p>>;

/// Sorts the places by what they obey.
pub(super) fn support(places: &[Place]) -> Supports<'_> {
    let mut supports = Supports::new();
    for place in places.iter().filter(|place| place.comment) {
        let key = match &place.cited {
            Cited::Rfc(rfc) => (*rfc, None),
            Cited::Section(rfc, section) => (*rfc, Some(section)),
            Cited::Unclear(_) => continue,
        };
        let support = supports.entry(key).or_default();
        let set = if place.test { &mut support.tests } else { &mut support.code };
        set.insert((&place.path, place.item.as_deref()));
    }
    supports
}

/// Everything that does not fit, a sentence each.
pub(super) fn problems(index: &Index, places: &[Place], supports: &Supports<'_>) -> Vec<String> {
    let mut problems: Vec<String> = places.iter().filter_map(|place| unresolved(index, place)).collect();
    for (number, rfc) in &index.rfcs {
        for (section, entry) in &rfc.sections {
            let support = supports.get(&(*number, Some(section)));
            problems.extend(unsupported(*number, section, entry, support));
            // Here a string is as good as a comment.
            if entry.state == State::Terms && !places.iter().any(|place| place.cites(*number, section)) {
                let line = entry.line;
                problems
                    .push(format!("{INDEX}:{line}: nothing cites RFC {number} §{section}; strike it here"));
            }
        }
        let extends = index.extensions.iter().any(|extension| extension.rfcs.contains(number));
        if rfc.sections.is_empty() && !extends && !supports.keys().any(|(cited, _)| cited == number) {
            let line = rfc.line;
            problems.push(format!("{INDEX}:{line}: nothing cites RFC {number}; cite it, or strike it here"));
        }
    }
    problems.extend(baseless(index));
    problems
}

/// A citation that leads nowhere.
fn unresolved(index: &Index, place: &Place) -> Option<String> {
    let Place { path, line, .. } = place;
    let (number, section) = match &place.cited {
        Cited::Unclear(advice) => return Some(format!("{path}:{line}: {advice}")),
        Cited::Rfc(number) => (number, None),
        Cited::Section(number, section) => (number, Some(section)),
    };
    match (index.rfcs.get(number), section) {
        (None, _) => {
            Some(format!("{path}:{line}: RFC {number} is not in {INDEX}; add it, or mend the number"))
        }
        (Some(rfc), Some(section)) if !rfc.sections.contains_key(section) => Some(format!(
            "{path}:{line}: RFC {number} §{section} is not in {INDEX}; add it below line {}, or mend the number",
            rfc.line
        )),
        _ => None,
    }
}

/// What an entry claims and nothing shows, or the other way round.
fn unsupported(rfc: u32, section: &Section, entry: &Entry, support: Option<&Support<'_>>) -> Vec<String> {
    let (line, state) = (entry.line, entry.state.word());
    let claim = format!("{INDEX}:{line}: RFC {rfc} §{section} is `{state}`");
    let has = |set: fn(&Support<'_>) -> bool| support.is_some_and(set);
    let mut problems = Vec::new();
    if entry.state.is_obeyed() {
        if !has(|support| !support.code.is_empty()) {
            problems.push(format!(
                "{claim}, but no code cites it; write it in the comment beside the line that obeys it"
            ));
        }
        if !has(|support| !support.tests.is_empty()) {
            problems.push(format!("{claim}, but no test cites it; write it above the test that shows it"));
        }
    } else if entry.state == State::Planned && has(|support| !support.tests.is_empty()) {
        problems.push(format!("{claim}, but a test cites it; change the state, or the test's comment"));
    }
    problems
}

/// Extensions that no section stands behind.
fn baseless(index: &Index) -> Vec<String> {
    let mut problems = Vec::new();
    for extension in &index.extensions {
        let (name, line) = (&extension.name, extension.line);
        for number in extension.rfcs.iter().filter(|number| !index.rfcs.contains_key(number)) {
            problems.push(format!("{INDEX}:{line}: RFC {number} of {name} is not in this file; add it"));
        }
        let claimed = extension.server.is_obeyed() || extension.client.is_obeyed();
        let sections = || {
            extension
                .rfcs
                .iter()
                .filter_map(|number| index.rfcs.get(number))
                .flat_map(|rfc| rfc.sections.values())
        };
        if claimed && !extension.rfcs.is_empty() && !sections().any(|entry| entry.state.is_obeyed()) {
            problems.push(format!(
                "{INDEX}:{line}: {name} is supported, but no section of its RFCs is `done` or `partly`"
            ));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rfc::index;

    fn place(rfc: u32, section: Option<&str>, test: bool) -> Place {
        let cited = match section {
            Some(section) => Cited::Section(rfc, Section::parse(section).unwrap()),
            None => Cited::Rfc(rfc),
        };
        Place { path: "a.rs".to_owned(), line: 7, item: Some("f".to_owned()), test, comment: true, cited }
    }

    fn problems_of(state: &str, places: &[Place]) -> Vec<String> {
        let text = format!(
            "[rfc.1]\ntitle=\"t\"\nabout=\"a\"\n[rfc.1.section]\n\"2\" = {{ title=\"s\", state=\"{state}\", why=\"w\" }}\n"
        );
        problems(&index::read(&text).unwrap(), places, &support(places))
    }

    #[test]
    fn what_is_done_must_be_cited_by_code_and_by_a_test() {
        let [code, test] = [false, true].map(|test| place(1, Some("2"), test));
        let found = problems_of("done", &[]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found.iter().all(|problem| problem.starts_with("docs/rfc.toml:5: RFC 1 §2 is `done`, but no "))
        );
        assert!(problems_of("partly", std::slice::from_ref(&code))[0].contains("no test"));
        assert!(problems_of("done", std::slice::from_ref(&test))[0].contains("no code"));
        assert_eq!(problems_of("done", &[code, test]), [""; 0]);
    }

    #[test]
    fn a_string_mentions_and_does_not_obey() {
        let mut mention = place(1, Some("2"), false);
        mention.comment = false;
        assert!(problems_of("done", &[mention, place(1, Some("2"), true)])[0].contains("no code"));
    }

    #[test]
    fn a_citation_must_lead_somewhere() {
        assert!(
            problems_of("not", &[place(1, Some("3"), false)])[0].starts_with("a.rs:7: RFC 1 §3 is not in")
        );
        assert!(problems_of("not", &[place(9, None, false)])[0].starts_with("a.rs:7: RFC 9 is not in"));
        assert_eq!(problems_of("not", &[place(1, None, false)]), [""; 0]);
    }

    #[test]
    fn what_is_planned_has_no_test_yet_and_what_we_leave_out_may_have_one() {
        assert!(problems_of("planned", &[place(1, Some("2"), true)])[0].contains("change the state"));
        assert_eq!(problems_of("planned", &[place(1, Some("2"), false)]), [""; 0]);
        assert_eq!(problems_of("not", &[place(1, Some("2"), true)]), [""; 0]);
    }

    #[test]
    fn terms_are_there_for_whoever_cites_them() {
        assert!(problems_of("terms", &[])[0].contains("strike it"));
        assert_eq!(problems_of("terms", &[place(1, Some("2"), false)]), [""; 0]);
    }

    #[test]
    fn an_extension_stands_on_sections() {
        let text = "[rfc.1]\ntitle=\"t\"\nabout=\"a\"\n[[extension]]\nname=\"X\"\nrfc=[1, 2]\nserver=\"done\"\nclient=\"not\"\n";
        let places = [place(1, None, false)];
        let found = problems(&index::read(text).unwrap(), &places, &support(&places));
        assert!(found[0].contains("RFC 2 of X") && found[1].contains("no section"), "{found:?}");
    }
}
