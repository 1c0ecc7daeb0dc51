//! `[domains."…"]` and `[moved]`: what is ours, what takes no mail, and who has gone elsewhere.

use super::grammar::Draft;
use super::problem::{Problem, Span, quoted};
use super::reader::Section;
use super::{LocalDomain, Moved, Subaddress, values};
use postrider_mail::{Domain, Mailbox};
use postrider_policy::local::is_postmaster;
use postrider_policy::route::{Hop, Pattern};
use std::borrow::Cow;
use std::collections::BTreeMap;
use toml::Spanned;
use toml::de::DeTable;

/// A `[domains."…"]` as read.
#[derive(Debug)]
pub(super) struct DraftDomain {
    pub(super) domain: Spanned<Domain>,
    pub(super) subaddress: Option<Spanned<Subaddress>>,
    pub(super) verify: Option<Spanned<bool>>,
    pub(super) mail: Option<Spanned<bool>>,
}

impl DraftDomain {
    /// Where `mail = false` stands.
    fn no_mail(&self) -> Option<Span> {
        self.mail.as_ref().filter(|mail| !mail.get_ref()).map(Spanned::span)
    }
}

/// The local domains with mailboxes, and those that take no mail, each by name.
pub(super) fn made(drafts: Vec<DraftDomain>) -> (Vec<LocalDomain>, Vec<Domain>) {
    let (mut local, mut no_mail) = (Vec::new(), Vec::new());
    for draft in drafts {
        if draft.no_mail().is_some() {
            no_mail.push(draft.domain.into_inner());
        } else {
            local.push(LocalDomain {
                domain: draft.domain.into_inner(),
                subaddress: draft.subaddress.map_or_else(Subaddress::of_default, Spanned::into_inner),
                verify: draft.verify.is_some_and(Spanned::into_inner),
            });
        }
    }
    local.sort_by(|a, b| a.domain.cmp(&b.domain));
    no_mail.sort();
    (local, no_mail)
}

/// An address that has moved, as read.
pub(super) type DraftMoved = (Spanned<Mailbox>, Spanned<Mailbox>);

/// Reads `[domains."example.org"]`, one section for each domain.
pub(super) fn domains(table: &DeTable<'_>, problems: &mut Vec<Problem>) -> Vec<DraftDomain> {
    let mut domains = Vec::new();
    for (key, value) in table.iter() {
        let settings = match values::table(value, WRITE) {
            Ok(settings) => settings,
            Err(problem) => {
                problems.push(problem.of_key(&format!("domains.{}", quoted(key.get_ref()))));
                continue;
            }
        };
        if let Some(problem) = forgotten_quotes(key, settings) {
            problems.push(problem);
            continue;
        }
        let name = values::domain_name(key.get_ref(), key.span());
        let title = format!("[domains.{}]", quoted(key.get_ref()));
        let mut section = Section::new(title, settings, value.span());
        let subaddress = section.optional("subaddress", values::subaddress, problems);
        let verify = section.optional("verify", values::boolean, problems);
        let mail = section.optional("mail", values::boolean, problems);
        section.close(problems);
        match name {
            Ok(domain) => {
                let domain = Spanned::new(key.span(), domain);
                domains.push(DraftDomain { domain, subaddress, verify, mail });
            }
            Err(problem) => problems.push(problem.of_key("domains")),
        }
    }
    domains
}

/// How a domain is written.
pub(super) const WRITE: &str = "[domains.\"example.org\"], a section for each local domain";

/// How `[moved]` is written.
pub(super) const WRITE_MOVED: &str =
    "[moved] on a line of its own, and below it \"old@example.org\" = \"new@example.net\"";

/// Reads `[moved]`: old addresses, and what they are now.
pub(super) fn moved(table: &DeTable<'_>, problems: &mut Vec<Problem>) -> Vec<DraftMoved> {
    let mut moved = Vec::new();
    for (key, value) in table.iter() {
        let old: Result<Mailbox, _> = key.get_ref().parse();
        let old = old.map_err(|error| {
            let message = format!("[moved]: the key is no address: {}", quoted(key.get_ref()));
            let problem = Problem::at(key.span(), message).here(error.to_string());
            match value.get_ref().is_table() {
                true => {
                    problem.help("an address stands in quotes: \"old@example.org\" = \"new@example.net\"")
                }
                false => problem,
            }
        });
        let new = values::mailbox(value).map_err(|problem| problem.of_key(&quoted(key.get_ref())));
        match (old, new) {
            (Ok(old), Ok(new)) => {
                moved.push((Spanned::new(key.span(), old), Spanned::new(value.span(), new)));
            }
            // A key without quotes makes a section of its value: one error, not two.
            (Err(problem), _) | (Ok(_), Err(problem)) => problems.push(problem),
        }
    }
    moved
}

/// Each domain is written once, in one spelling. Gives where each stands.
pub(super) fn differ(domains: &[DraftDomain], problems: &mut Vec<Problem>) -> BTreeMap<Domain, Span> {
    let mut places: BTreeMap<Domain, Span> = BTreeMap::new();
    let mut ordered: Vec<&Spanned<Domain>> = domains.iter().map(|draft| &draft.domain).collect();
    ordered.sort_by_key(|domain| domain.span().start);
    for domain in ordered {
        if let Some(first) = places.get(domain.get_ref()) {
            let message = format!("the domain {} is given twice", domain.get_ref().ascii());
            let problem =
                Problem::at(domain.span(), message).here("again here").and(first.clone(), "first here");
            problems.push(problem.help("two spellings of one name are one domain: keep one section"));
        } else {
            places.insert(domain.get_ref().clone(), domain.span());
        }
    }
    places
}

/// A domain without mail has nothing to be said about its mail, here or anywhere else in the file.
pub(super) fn without_mail(draft: &Draft, problems: &mut Vec<Problem>) {
    for domain in &draft.domains {
        let Some(at) = domain.no_mail() else { continue };
        let name = domain.domain.get_ref();
        let keys = [
            ("subaddress", domain.subaddress.as_ref().map(Spanned::span)),
            ("verify", domain.verify.as_ref().map(Spanned::span)),
        ];
        for (key, span) in keys.into_iter().filter_map(|(key, span)| Some((key, span?))) {
            let problem = Problem::at(span, format!("`{key}` means nothing for a domain without mail"));
            problems.push(problem.and(at.clone(), "no mail").help("remove one of the two"));
        }
        let routed =
            draft.routes.iter().filter_map(|route| route.domains.as_ref()).flat_map(Spanned::get_ref);
        let exactly =
            |pattern: &&Spanned<Pattern>| matches!(pattern.get_ref(), Pattern::Exactly(it) if it == name);
        for pattern in routed.filter(exactly) {
            let message = format!("there is a route for {name}, which takes no mail");
            let problem = Problem::at(pattern.span(), message).and(at.clone(), "no mail");
            problems.push(problem.help("remove one of the two: nothing is ever sent to this domain"));
        }
        let postmaster = draft.postmaster.as_ref();
        if let Some(postmaster) = postmaster.filter(|it| it.get_ref().host().domain() == Some(name)) {
            let message = format!("`postmaster` is an address of {name}, which takes no mail");
            let problem = Problem::at(postmaster.span(), message).and(at, "no mail");
            problems.push(problem.help("name an address that someone reads"));
        }
    }
}

/// Postmaster's mail stays with somebody here.
pub(super) fn postmaster_is_local(
    postmaster: &Spanned<Mailbox>,
    local: &BTreeMap<Domain, Span>,
    problems: &mut Vec<Problem>,
) {
    let host = postmaster.get_ref().host();
    if host.domain().is_some_and(|domain| local.contains_key(domain)) {
        return;
    }
    let problem = Problem::at(postmaster.span(), "`postmaster` must be an address of a local domain");
    problems.push(problem.here(format!("{host} is not local")).help(match host.domain() {
        Some(domain) => {
            format!("add the section [domains.{}], or name another address", quoted(domain.as_str()))
        }
        None => "name an address of one of the [domains]".into(),
    }));
}

/// What has moved was here, has somewhere to go, and goes there in one step.
pub(super) fn moved_makes_sense(draft: &Draft, places: &BTreeMap<Domain, Span>, problems: &mut Vec<Problem>) {
    let mut seen: BTreeMap<String, Span> = BTreeMap::new();
    let mut ordered: Vec<&DraftMoved> = draft.moved.iter().collect();
    ordered.sort_by_key(|(old, _)| old.span().start);
    for (old, _) in &ordered {
        if let Some(first) = seen.insert(old.get_ref().key(), old.span()) {
            let message = format!("{} is given twice in [moved]", old.get_ref());
            problems.push(Problem::at(old.span(), message).here("again here").and(first, "first here"));
        }
    }
    for (old, new) in ordered {
        let address = old.get_ref();
        if address.key() == new.get_ref().key() {
            let problem = Problem::at(new.span(), format!("{address} has moved to itself"));
            problems.push(problem.and(old.span(), "the same address"));
        } else if let Some(again) = seen.get(&new.get_ref().key()) {
            let problem = Problem::at(new.span(), format!("{} has itself moved", new.get_ref()));
            problems.push(problem.and(again.clone(), "moved on here").help("name the last address"));
        }
        if is_postmaster(address) {
            let problem = Problem::at(old.span(), format!("{address} cannot move"));
            problems
                .push(problem.help(
                    "postmaster's mail must be taken (RFC 5321 §4.5.1): `postmaster` says who gets it",
                ));
        } else if draft
            .postmaster
            .as_ref()
            .is_some_and(|postmaster| postmaster.get_ref().key() == address.key())
        {
            let problem =
                Problem::at(old.span(), format!("{address} has moved, and is to get postmaster's mail"));
            let at = draft.postmaster.as_ref().map_or(old.span(), Spanned::span);
            problems.push(problem.and(at, "postmaster").help("name an address that someone reads"));
        }
        was_here(draft, old, places, problems);
    }
}

/// An address that has moved is one of a local domain that takes mail.
fn was_here(
    draft: &Draft,
    old: &Spanned<Mailbox>,
    places: &BTreeMap<Domain, Span>,
    problems: &mut Vec<Problem>,
) {
    let host = old.get_ref().host();
    let domain = host.domain().filter(|domain| places.contains_key(domain));
    let Some(domain) = domain else {
        if draft.all_domains_read {
            let problem = Problem::at(old.span(), format!("{} was never here", old.get_ref()));
            problems.push(
                problem.here(format!("{host} is not a local domain")).help("only addresses of ours can move"),
            );
        }
        return;
    };
    let closed = draft.domains.iter().find(|draft| draft.domain.get_ref() == domain);
    if let Some(at) = closed.and_then(DraftDomain::no_mail) {
        let problem = Problem::at(old.span(), format!("{host} takes no mail, so nobody there has moved"));
        problems.push(problem.and(at, "no mail").help("remove one of the two"));
    }
}

/// ETRN starts what waits for another host: mail that stays here never waits for one.
pub(super) fn etrn_waits_for_others(
    draft: &Draft,
    places: &BTreeMap<Domain, Span>,
    problems: &mut Vec<Problem>,
) {
    for domain in &draft.smtp.etrn {
        let Some(at) = places.get(domain.get_ref()) else { continue };
        let leads_away = |route: &super::hop::DraftRoute| {
            let stays = matches!(route.to.get_ref(), Hop::Local | Hop::Discard | Hop::Hold);
            let named = route.domains.iter().flat_map(Spanned::get_ref);
            !stays && named.into_iter().any(|pattern| pattern.get_ref().matches(domain.get_ref()))
        };
        if !draft.routes.iter().any(leads_away) {
            let message = format!("`etrn`: mail for {} stays here", domain.get_ref());
            let problem = Problem::at(domain.span(), message).and(at.clone(), "local here");
            problems
                .push(problem.help("ETRN starts mail that waits for another host: remove one of the two"));
        }
    }
}

/// `[domains.example.org]` is the section `org` within `example`: TOML takes the dot for its own.
fn forgotten_quotes(key: &Spanned<Cow<'_, str>>, settings: &DeTable<'_>) -> Option<Problem> {
    if key.get_ref().contains('.') {
        return None;
    }
    let mut name = key.get_ref().to_string();
    let mut end = None;
    let mut inner = settings;
    // The parser bounds how deep tables nest.
    while let Some((key, value)) = inner.iter().find(|(_, value)| value.get_ref().is_table()) {
        name = format!("{name}.{}", key.get_ref());
        end = Some(key.span().end);
        inner = value.get_ref().as_table()?;
    }
    let at: Span = key.span().start..end?.max(key.span().end);
    let problem = Problem::at(at, format!("the domain {} must be in quotes", quoted(&name)));
    Some(problem.here("a dot outside quotes separates keys").help(format!("write [domains.\"{name}\"]")))
}

/// The addresses that have moved, by their old name.
pub(super) fn moved_list(drafts: Vec<DraftMoved>) -> Moved {
    drafts.into_iter().map(|(old, new)| (old.into_inner(), new.into_inner())).collect()
}
