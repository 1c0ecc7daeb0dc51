//! Reads one table of the file: each key once, by a reader of single values, and what nobody asked for is
//! an error with the nearest known key. A key is known because it is read; there is no list to forget.

use super::limits::KEY_OCTETS_COMPARED_MAX;
use super::problem::{Problem, Span, enumerated, quoted};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value of the file and where it stands.
pub(super) type Value<'i> = Spanned<DeValue<'i>>;

/// Where a key belongs, for those who write it in another section. Only words of help depend on it.
pub(super) const HOMES: [(&str, &str); 58] = [
    ("hostname", TOP),
    ("data", TOP),
    ("listen", TOP),
    ("user", TOP),
    ("postmaster", TOP),
    ("relay_from", TOP),
    ("relay_domains", TOP),
    ("smarthost", TOP),
    ("proxy_from", TOP),
    ("xclient_from", TOP),
    ("xforward_from", TOP),
    ("address", "in a [[listener]]"),
    ("service", "in a [[listener]]"),
    ("mode", "in a [[listener]] whose address is a path"),
    ("tls", "in a [[listener]]"),
    ("subaddress", "in the section of a domain, as [domains.\"example.org\"]"),
    ("verify", "in the section of a domain, as [domains.\"example.org\"]"),
    ("mail", "in the section of a domain, as [domains.\"example.org\"]"),
    ("long_lines", "in [smtp]"),
    ("bare_newlines", "in [smtp]"),
    ("greet_pause", "in [smtp]"),
    ("early_talkers", "in [smtp]"),
    ("no_soliciting", "in [smtp]"),
    ("future_release_max", "in [smtp]"),
    ("deliver_by_min", "in [smtp]"),
    ("etrn", "in [smtp]"),
    ("to", "in a [[route]]"),
    ("port", "in a [[route]]"),
    ("ip", "in a [[route]]"),
    ("source", "in a [[route]]"),
    ("eight_bit", "in a [[route]]"),
    ("allow", "in a [[route]]"),
    ("connections", "in [outbound] (all together) or in a [[route]] (to one host)"),
    ("connect_timeout", "in [outbound]"),
    ("reply_timeout", "in [outbound]"),
    ("idle_timeout", "in [outbound]"),
    ("messages_per_connection", "in [outbound]"),
    ("rest", "in [outbound]"),
    ("servers", "in [dns]"),
    ("timeout", "in [dns]"),
    ("attempts", "in [dns]"),
    ("returned", "in [notices]"),
    ("undeliverable_to_postmaster", "in [notices]"),
    ("first", "in [retry]"),
    ("cap", "in [retry]"),
    ("factor", "in [retry]"),
    ("jitter", "in [retry]"),
    ("expiry", "in [retry]"),
    ("delay_notice_after", "in [retry]"),
    ("message_size", "in [limits]"),
    ("recipients", "in [limits]"),
    ("sessions", "in [limits]"),
    ("sessions_per_peer", "in [limits]"),
    ("hops", "in [limits]"),
    ("content_in_flight", "in [limits]"),
    ("keep", "in [journal]"),
    ("size", "in [journal]"),
    ("domains", "at the top of the file (local domains) or in a [[route]] (those it is for)"),
];

const TOP: &str = "at the top of the file, above the first [section]";

/// One table of the file while it is read.
pub(super) struct Section<'t, 'i> {
    /// Its header as written, `[limits]`; empty for the top of the file.
    title: String,
    table: &'t DeTable<'i>,
    /// Where its header stands; `None` for the top of the file.
    header: Option<Span>,
    known: Vec<&'static str>,
    missing: Vec<(&'static str, &'static str)>,
}

impl<'t, 'i> Section<'t, 'i> {
    /// Starts to read the top of a file.
    pub(super) fn top(table: &'t DeTable<'i>) -> Self {
        Self { title: String::new(), table, header: None, known: Vec::new(), missing: Vec::new() }
    }

    /// Starts to read the section with this title and header.
    pub(super) fn new(title: impl Into<String>, table: &'t DeTable<'i>, header: Span) -> Self {
        Self { title: title.into(), header: Some(header), ..Self::top(table) }
    }

    /// The value of `key` as it stands in the file, with the place of the key.
    pub(super) fn raw(&mut self, key: &'static str) -> Option<(Span, &'t Value<'i>)> {
        self.known.push(key);
        self.table.get_key_value(key).map(|(key, value)| (key.span(), value))
    }

    /// The value of `key`, if it is there and `read` takes it.
    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&'t Value<'i>) -> Result<T, Problem>,
        problems: &mut Vec<Problem>,
    ) -> Option<Spanned<T>> {
        let (_, value) = self.raw(key)?;
        match read(value) {
            Ok(read) => Some(Spanned::new(value.span(), read)),
            Err(problem) => {
                problems.push(problem.of_key(key));
                None
            }
        }
    }

    /// As [`Section::optional`], and it is an error when the key is not there; `example` is a whole line.
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        example: &'static str,
        read: impl FnOnce(&'t Value<'i>) -> Result<T, Problem>,
        problems: &mut Vec<Problem>,
    ) -> Option<Spanned<T>> {
        if !self.table.contains_key(key) {
            self.missing.push((key, example));
        }
        self.optional(key, read, problems)
    }

    /// Ends the section: what was not asked for is unknown, what was required and is not there is missing.
    pub(super) fn close(mut self, problems: &mut Vec<Problem>) {
        for (key, value) in self.table.iter() {
            let name: &str = key.get_ref();
            if self.known.contains(&name) {
                continue;
            }
            let nearest = self.nearest(key.get_ref());
            // A required key that is only misspelled is one error, not two.
            self.missing.retain(|&(missing, _)| Some(missing) != nearest);
            problems.push(self.unknown(key.get_ref(), key.span(), value, nearest));
        }
        for &(key, example) in &self.missing {
            let problem = match &self.header {
                Some(header) => Problem::at(header.clone(), format!("{} has no `{key}`", self.title)),
                None => Problem::nowhere(format!("`{key}` is missing")),
            };
            problems.push(problem.help(format!("add a line such as: {example}")));
        }
    }

    fn unknown(&self, key: &str, at: Span, value: &Value<'i>, nearest: Option<&'static str>) -> Problem {
        let shown = quoted(key);
        let shown = shown.trim_matches('"');
        let what = if value.get_ref().is_table() { "section" } else { "key" };
        let place = if self.title.is_empty() { String::new() } else { format!(" in {}", self.title) };
        let problem = Problem::at(at, format!("there is no {what} `{shown}`{place}"));
        if let Some((_, home)) = HOMES.iter().find(|(name, _)| *name == key) {
            return problem.here(format!("belongs {home}"));
        }
        match nearest {
            Some(nearest) => problem.here(format!("did you mean `{nearest}`?")),
            None => problem.here("unknown").help(format!("what is known here: {}", enumerated(&self.known))),
        }
    }

    /// The known key that `key` was most likely meant to be: a third of its letters may be wrong.
    fn nearest(&self, key: &str) -> Option<&'static str> {
        if key.len() > KEY_OCTETS_COMPARED_MAX {
            return None;
        }
        let key = key.to_lowercase().replace('-', "_");
        let distance = |known: &str| strsim::damerau_levenshtein(known, &key);
        let nearest = self.known.iter().copied().min_by_key(|known| distance(known))?;
        (distance(nearest) <= (nearest.len().max(key.len()) / 3).max(1)).then_some(nearest)
    }
}
