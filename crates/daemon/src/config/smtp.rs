//! `[smtp]`: what is offered to clients, what is asked of them, and how strict we are about what they send.

use super::Smtp;
use super::addresses::list;
use super::limits::{DELIVER_BY_MIN_MAX, FUTURE_RELEASE_MAX};
use super::problem::{Problem, quoted};
use super::reader::{Section, Value};
use super::units::print_duration;
use super::values::{self, text};
use postrider_mail::limits::SOLICIT_OCTETS_MAX;
use postrider_mail::{Domain, Solicitation};
use postrider_mta::limits::GREET_PAUSE_MAX;
use postrider_mta::{BareNewlines, LongLines};
use postrider_policy::admit::EarlyTalkers;
use postrider_policy::limits::FUTURE_RELEASE_DEFAULT;
use std::time::Duration;
use toml::Spanned;

/// `[smtp]` as read, and where the domains of `etrn` stand.
#[derive(Debug, Default)]
pub(super) struct DraftSmtp {
    pub(super) smtp: Smtp,
    pub(super) etrn: Vec<Spanned<Domain>>,
}

impl Default for Smtp {
    /// Lenient about what arrives, strict about where lines end, and no wait for anyone.
    fn default() -> Self {
        Self {
            long_lines: LongLines::default(),
            bare_newlines: BareNewlines::default(),
            greet_pause: Duration::ZERO,
            early_talkers: EarlyTalkers::default(),
            no_soliciting: None,
            future_release_max: Some(FUTURE_RELEASE_DEFAULT),
            deliver_by_min: Duration::ZERO,
            etrn: Vec::new(),
        }
    }
}

pub(super) fn smtp(mut section: Section<'_, '_>, problems: &mut Vec<Problem>) -> DraftSmtp {
    let default = Smtp::default();
    let long_lines = section.optional("long_lines", long_lines, problems);
    let bare_newlines = section.optional("bare_newlines", bare_newlines, problems);
    let greet_pause = section.optional("greet_pause", |value| up_to(value, GREET_PAUSE_MAX), problems);
    let early_talkers = section.optional("early_talkers", early_talkers, problems);
    let no_soliciting = section.raw("no_soliciting").and_then(|(_, value)| no_soliciting(value, problems));
    let future = section.optional("future_release_max", future_release_max, problems);
    let least = section.optional("deliver_by_min", |value| up_to(value, DELIVER_BY_MIN_MAX), problems);
    let etrn = match section.raw("etrn") {
        Some((_, value)) => list(value, ("etrn", "[\"example.net\"]"), values::domain, problems),
        None => Vec::new(),
    };
    section.close(problems);
    let smtp = Smtp {
        long_lines: long_lines.map_or(default.long_lines, Spanned::into_inner),
        bare_newlines: bare_newlines.map_or(default.bare_newlines, Spanned::into_inner),
        greet_pause: greet_pause.map_or(default.greet_pause, Spanned::into_inner),
        early_talkers: early_talkers.map_or(default.early_talkers, Spanned::into_inner),
        no_soliciting,
        future_release_max: future.map_or(default.future_release_max, Spanned::into_inner),
        deliver_by_min: least.map_or(default.deliver_by_min, Spanned::into_inner),
        etrn: etrn.iter().map(|domain| domain.get_ref().clone()).collect(),
    };
    DraftSmtp { smtp, etrn }
}

/// One of two words; `help` says what they mean.
fn word<T>(value: &Value<'_>, words: [(&str, T); 2], help: &str) -> Result<T, Problem> {
    let [(first, one), (second, other)] = words;
    let wanted = format!("\"{first}\" or \"{second}\"");
    match text(value, &wanted)? {
        text if text == first => Ok(one),
        text if text == second => Ok(other),
        text => {
            Err(Problem::at(value.span(), format!("should be {wanted}, not {}", quoted(text))).help(help))
        }
    }
}

fn long_lines(value: &Value<'_>) -> Result<LongLines, Problem> {
    let help = "lines over 998 octets are passed on as they are, or the message is refused";
    word(value, [("keep", LongLines::Keep), ("refuse", LongLines::Refuse)], help)
}

fn bare_newlines(value: &Value<'_>) -> Result<BareNewlines, Problem> {
    let help = "a message with a CR or LF that stands alone is refused, or each becomes CRLF";
    word(value, [("refuse", BareNewlines::Refuse), ("normalise", BareNewlines::Normalise)], help)
}

fn early_talkers(value: &Value<'_>) -> Result<EarlyTalkers, Problem> {
    let help = "who talks before the greeting, or out of turn, is only noted in the journal, or refused";
    word(value, [("note", EarlyTalkers::Note), ("refuse", EarlyTalkers::Refuse)], help)
}

/// A duration from nothing to this.
fn up_to(value: &Value<'_>, most: Duration) -> Result<Duration, Problem> {
    let read = match value.get_ref().as_str() {
        Some("0s") => Ok(Duration::ZERO),
        _ => values::duration(value),
    };
    match read? {
        duration if duration > most => {
            Err(Problem::at(value.span(), format!("may be at most {}", print_duration(most))))
        }
        duration => Ok(duration),
    }
}

/// How long a message may be put off; `None`: `"never"`.
fn future_release_max(value: &Value<'_>) -> Result<Option<Duration>, Problem> {
    match values::duration_or_never(value)? {
        Some(duration) if duration > FUTURE_RELEASE_MAX => {
            let most = print_duration(FUTURE_RELEASE_MAX);
            Err(Problem::at(value.span(), format!("may be at most {most}")))
        }
        Some(duration) if duration < Duration::from_secs(1) => {
            Err(Problem::at(value.span(), "is less than a second").help("write \"never\" to offer none"))
        }
        read => Ok(read),
    }
}

/// The classes that are refused (RFC 3865 §2.2).
fn no_soliciting(value: &Value<'_>, problems: &mut Vec<Problem>) -> Option<Solicitation> {
    let before = problems.len();
    let words = list(value, ("no_soliciting", "[\"net.example:ADV\"]"), keyword, problems);
    if problems.len() > before {
        return None;
    }
    if words.is_empty() {
        let problem = Problem::at(value.span(), "`no_soliciting` names no class of solicitation");
        problems.push(problem.help("name one, or remove the line"));
        return None;
    }
    let all = words.iter().map(|word| word.get_ref().as_str()).collect::<Vec<_>>().join(",");
    match all.parse() {
        Ok(keywords) => Some(keywords),
        Err(_) => {
            let problem = Problem::at(value.span(), "`no_soliciting` names too many classes");
            let here = format!("{} octets, at most {SOLICIT_OCTETS_MAX} are possible", all.len());
            problems.push(problem.here(here));
            None
        }
    }
}

/// One class of solicitation.
fn keyword(value: &Value<'_>) -> Result<Solicitation, Problem> {
    let text = text(value, "a class of solicitation such as \"net.example:ADV\"")?;
    let problem = || Problem::at(value.span(), format!("is no class of solicitation: {}", quoted(text)));
    if text.contains(',') {
        return Err(problem().help("write each in quotes of its own"));
    }
    text.parse().map_err(|_| {
        problem().help("a domain turned around, a colon, a word: \"net.example:ADV\" (RFC 3865 §2.1)")
    })
}
