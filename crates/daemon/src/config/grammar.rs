//! The grammar of the file: which keys stand where, and how each is read. What values mean to each other
//! is [`super::sense`]'s; so this keeps every value with its place.

use super::addresses::{list, network, pattern, smarthost};
use super::domains::{self, DraftDomain, DraftMoved};
use super::hop::{DraftRoute, route};
use super::limits::{HOPS, RECIPIENTS, RETRY_FACTOR, RETRY_JITTER, SESSIONS, SESSIONS_PER_PEER};
use super::listeners::{self, DraftListener};
use super::outward::{self, DraftOutbound};
use super::problem::{Problem, Span};
use super::reader::{Section, Value};
use super::smtp::{self, DraftSmtp};
use super::{Dns, UserName, values};
use ipnet::IpNet;
use postrider_mail::{Domain, Host, Mailbox};
use postrider_mta::Notices;
use postrider_policy::route::Pattern;
use std::path::PathBuf;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The file as read: each value with its place, nothing yet compared with anything.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) hostname: Option<Spanned<Domain>>,
    pub(super) data: Option<Spanned<PathBuf>>,
    pub(super) user: Option<Spanned<UserName>>,
    pub(super) postmaster: Option<Spanned<Mailbox>>,
    pub(super) listeners: Vec<DraftListener>,
    pub(super) domains: Vec<DraftDomain>,
    /// Whether every local domain could be read: if not, a name that seems unknown may be one of them.
    pub(super) all_domains_read: bool,
    /// What each old address is now.
    pub(super) moved: Vec<DraftMoved>,
    pub(super) proxy_from: Vec<Spanned<IpNet>>,
    pub(super) xclient_from: Vec<Spanned<IpNet>>,
    pub(super) xforward_from: Vec<Spanned<IpNet>>,
    pub(super) smtp: DraftSmtp,
    pub(super) relay_from: Vec<Spanned<IpNet>>,
    pub(super) relay_domains: Vec<Spanned<Pattern>>,
    /// Host and port.
    pub(super) smarthost: Option<Spanned<(Host, u16)>>,
    pub(super) routes: Vec<DraftRoute>,
    pub(super) dns: Dns,
    pub(super) outbound: DraftOutbound,
    pub(super) notices: Notices,
    pub(super) retry: DraftRetry,
    pub(super) limits: DraftLimits,
    pub(super) journal: DraftJournal,
}

#[derive(Debug, Default)]
pub(super) struct DraftRetry {
    pub(super) first: Option<Spanned<Duration>>,
    pub(super) cap: Option<Spanned<Duration>>,
    pub(super) factor: Option<Spanned<f64>>,
    pub(super) jitter: Option<Spanned<f64>>,
    pub(super) expiry: Option<Spanned<Duration>>,
    /// `"never"` is no duration.
    pub(super) delay_notice_after: Option<Spanned<Option<Duration>>>,
}

#[derive(Debug, Default)]
pub(super) struct DraftLimits {
    pub(super) message_size: Option<Spanned<u64>>,
    pub(super) recipients: Option<Spanned<u32>>,
    pub(super) sessions: Option<Spanned<u32>>,
    pub(super) sessions_per_peer: Option<Spanned<u32>>,
    pub(super) hops: Option<Spanned<u32>>,
    pub(super) content_in_flight: Option<Spanned<u64>>,
}

#[derive(Debug, Default)]
pub(super) struct DraftJournal {
    pub(super) keep: Option<Spanned<Duration>>,
    pub(super) size: Option<Spanned<u64>>,
}

/// Reads the whole file. What cannot be read is left out and told in `problems`.
pub(super) fn read(file: &DeTable<'_>, problems: &mut Vec<Problem>) -> Draft {
    let mut top = Section::top(file);
    let mut draft = Draft {
        hostname: top.required("hostname", "hostname = \"mx.example.org\"", values::hostname, problems),
        data: top.required("data", "data = \"/var/lib/postrider\"", values::folder, problems),
        user: top.optional("user", values::user, problems),
        postmaster: top.optional("postmaster", values::mailbox, problems),
        ..Draft::default()
    };
    incoming(&mut top, &mut draft, problems);
    let problems_before = problems.len();
    if let Some(table) = table(&mut top, "domains", domains::WRITE, problems) {
        draft.domains = domains::domains(table, problems);
    }
    draft.all_domains_read = problems.len() == problems_before;
    if let Some(table) = table(&mut top, "moved", domains::WRITE_MOVED, problems) {
        draft.moved = domains::moved(table, problems);
    }
    outgoing(&mut top, &mut draft, problems);
    if let Some(section) = section(&mut top, "retry", "[retry]", problems) {
        draft.retry = retry(section, problems);
    }
    if let Some(section) = section(&mut top, "limits", "[limits]", problems) {
        draft.limits = limits(section, problems);
    }
    if let Some(section) = section(&mut top, "journal", "[journal]", problems) {
        draft.journal = journal(section, problems);
    }
    top.close(problems);
    // Without any domain, an error elsewhere may be their misspelled section.
    draft.all_domains_read &= !draft.domains.is_empty() || problems.is_empty();
    draft
}

/// What has to do with mail that comes in.
fn incoming(top: &mut Section<'_, '_>, draft: &mut Draft, problems: &mut Vec<Problem>) {
    if let Some((_, value)) = top.raw("listen") {
        listeners::listen(value, &mut draft.listeners, problems);
    }
    if let Some((_, list)) = top.raw("listener") {
        for (section, _) in sections(list, "listener", problems) {
            draft.listeners.extend(listeners::listener(section, problems));
        }
    }
    let mut networks = |key| match top.raw(key) {
        Some((_, value)) => list(value, (key, "[\"192.0.2.1\", \"2001:db8::/64\"]"), network, problems),
        None => Vec::new(),
    };
    draft.proxy_from = networks("proxy_from");
    draft.xclient_from = networks("xclient_from");
    draft.xforward_from = networks("xforward_from");
    if let Some(section) = section(top, "smtp", "[smtp]", problems) {
        draft.smtp = smtp::smtp(section, problems);
    }
}

/// What has to do with mail that leaves.
fn outgoing(top: &mut Section<'_, '_>, draft: &mut Draft, problems: &mut Vec<Problem>) {
    if let Some((_, value)) = top.raw("relay_from") {
        draft.relay_from =
            list(value, ("relay_from", "[\"192.0.2.0/24\", \"2001:db8::/32\"]"), network, problems);
    }
    if let Some((_, value)) = top.raw("relay_domains") {
        draft.relay_domains = list(value, ("relay_domains", "[\"example.net\"]"), pattern, problems);
    }
    draft.smarthost = top.optional("smarthost", smarthost, problems);
    if let Some((_, value)) = top.raw("route") {
        for (section, at) in sections(value, "route", problems) {
            draft.routes.extend(route(section, at, problems));
        }
    }
    if let Some(section) = section(top, "dns", "[dns]", problems) {
        draft.dns = outward::dns(section, problems);
    }
    if let Some(section) = section(top, "outbound", "[outbound]", problems) {
        draft.outbound = outward::outbound(section, problems);
    }
    if let Some(section) = section(top, "notices", "[notices]", problems) {
        draft.notices = outward::notices(section, problems);
    }
}

fn retry(mut section: Section<'_, '_>, problems: &mut Vec<Problem>) -> DraftRetry {
    let retry = DraftRetry {
        first: section.optional("first", values::duration, problems),
        cap: section.optional("cap", values::duration, problems),
        factor: section.optional("factor", |value| values::number(value, RETRY_FACTOR), problems),
        jitter: section.optional("jitter", |value| values::number(value, RETRY_JITTER), problems),
        expiry: section.optional("expiry", values::duration, problems),
        delay_notice_after: section.optional("delay_notice_after", values::duration_or_never, problems),
    };
    section.close(problems);
    retry
}

fn limits(mut section: Section<'_, '_>, problems: &mut Vec<Problem>) -> DraftLimits {
    let per_peer = |value: &Value<'_>| values::count(value, SESSIONS_PER_PEER);
    let limits = DraftLimits {
        message_size: section.optional("message_size", values::size, problems),
        recipients: section.optional("recipients", |value| values::count(value, RECIPIENTS), problems),
        sessions: section.optional("sessions", |value| values::count(value, SESSIONS), problems),
        sessions_per_peer: section.optional("sessions_per_peer", per_peer, problems),
        hops: section.optional("hops", |value| values::count(value, HOPS), problems),
        content_in_flight: section.optional("content_in_flight", values::size, problems),
    };
    section.close(problems);
    limits
}

fn journal(mut section: Section<'_, '_>, problems: &mut Vec<Problem>) -> DraftJournal {
    let journal = DraftJournal {
        keep: section.optional("keep", values::duration, problems),
        size: section.optional("size", values::size, problems),
    };
    section.close(problems);
    journal
}

/// The table of names below `key`, if it is there and is one.
fn table<'t, 'i>(
    top: &mut Section<'t, 'i>,
    key: &'static str,
    write: &str,
    problems: &mut Vec<Problem>,
) -> Option<&'t DeTable<'i>> {
    let (_, value) = top.raw(key)?;
    values::table(value, write).map_err(|problem| problems.push(problem.of_key(key))).ok()
}

/// The section `key` of the top, if it is there and is one.
fn section<'t, 'i>(
    top: &mut Section<'t, 'i>,
    key: &'static str,
    title: &'static str,
    problems: &mut Vec<Problem>,
) -> Option<Section<'t, 'i>> {
    let (at, value) = top.raw(key)?;
    match values::table(value, &format!("{title} on a line of its own, and its keys below it")) {
        Ok(table) => Some(Section::new(title, table, at)),
        Err(problem) => {
            problems.push(problem.of_key(key));
            None
        }
    }
}

/// The sections of `[[key]]`, in order, each with its place.
fn sections<'t, 'i>(
    value: &'t Value<'i>,
    key: &str,
    problems: &mut Vec<Problem>,
) -> Vec<(Section<'t, 'i>, Span)> {
    let write = format!("[[{key}]]");
    let DeValue::Array(list) = value.get_ref() else {
        let problem = values::wrong_kind(value, &format!("written as {write}"));
        let problem = problem.help(format!("there may be several: write {write}, in double brackets"));
        problems.push(problem.of_key(key));
        return Vec::new();
    };
    let mut sections = Vec::new();
    for value in list {
        match values::table(value, &write) {
            Ok(table) => sections.push((Section::new(write.clone(), table, value.span()), value.span())),
            Err(problem) => problems.push(problem.of_key(key)),
        }
    }
    sections
}
