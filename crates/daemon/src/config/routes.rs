//! From the written routes to the list that is in force: those that name domains, in the order of the file;
//! local domains stay here; last of all, one for everything else. What can never be reached is refused.

use super::grammar::Draft;
use super::hop::DraftRoute;
use super::limits::DOMAINS_SHOWN_MAX;
use super::problem::{Problem, Span, enumerated, quoted};
use postrider_mail::Domain;
use postrider_policy::route::{EightBit, Family, Hop, Matches, Pattern, Rule, Way};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use toml::Spanned;

/// One rule of where mail goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// For whom, and where to.
    pub(crate) rule: Rule,
    /// Who wrote it.
    pub(crate) origin: Origin,
}

/// Who wrote a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A `[[route]]` on this line of the file, from 1.
    Route(usize),
    /// The key `smarthost` on this line.
    Smarthost(usize),
    /// Nobody: what holds unless something else is written.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Route(line) => write!(f, "[[route]] on line {line}"),
            Self::Smarthost(line) => write!(f, "smarthost on line {line}"),
            Self::Default => f.write_str("by default"),
        }
    }
}

/// As people read it: for whom, where to, and what is not as usual there.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.rule.matches {
            Matches::These(patterns) => {
                let mut names: Vec<String> =
                    patterns.iter().take(DOMAINS_SHOWN_MAX).map(ToString::to_string).collect();
                if patterns.len() > DOMAINS_SHOWN_MAX {
                    names.push(format!("{} more", patterns.len() - DOMAINS_SHOWN_MAX));
                }
                f.write_str(&enumerated(&names))?;
            }
            Matches::Everything => f.write_str("everything else")?,
            Matches::Local => Matches::Local.fmt(f)?,
        }
        write!(f, ": {}", self.rule.hop)?;
        remarks(&self.rule.hop).iter().try_for_each(|remark| write!(f, ", {remark}"))
    }
}

/// What differs from the usual way of a hop.
fn remarks(hop: &Hop) -> Vec<String> {
    let (Hop::Mx(way) | Hop::Smarthost(_, way) | Hop::Lmtp(_, way)) = hop else { return Vec::new() };
    let usual = Way::default();
    let mut remarks = Vec::new();
    if matches!(hop, Hop::Mx(_)) && way.port != usual.port {
        remarks.push(format!("port {}", way.port));
    }
    match way.family {
        Family::Any => {}
        Family::V4 => remarks.push("IPv4 only".into()),
        Family::V6 => remarks.push("IPv6 only".into()),
        Family::PreferV4 => remarks.push("IPv4 first".into()),
    }
    remarks.extend(way.source_v4.map(|source| format!("from {source}")));
    remarks.extend(way.source_v6.map(|source| format!("from {source}")));
    if way.eight_bit == EightBit::Refuse {
        remarks.push("8-bit content only where 8BITMIME is offered".into());
    }
    if way.connections_max != usual.connections_max {
        remarks.push(format!("at most {} connections to one host", way.connections_max));
    }
    if !way.allow.is_empty() {
        let networks: Vec<String> = way.allow.iter().map(ToString::to_string).collect();
        remarks.push(format!("also where DNS leads to {}", enumerated(&networks)));
    }
    remarks
}

/// Checks the written routes; `local` are the local domains, all of them if `all_domains_read`.
pub(super) fn check(draft: &Draft, local: &BTreeMap<Domain, Span>, problems: &mut Vec<Problem>) {
    for route in &draft.routes {
        check_alone(route, (draft.all_domains_read).then_some(local), problems);
    }
    are_reached(&draft.routes, problems);
    if let (Some(smarthost), Some(last)) =
        (&draft.smarthost, draft.routes.iter().find(|route| takes_the_rest(route)))
    {
        problems.push(
            Problem::at(smarthost.span(), "`smarthost` is never used")
                .and(last.at.clone(), "this route is for everything else")
                .help("keep one of the two"),
        );
    }
    for pattern in &draft.relay_domains {
        if let Pattern::Exactly(domain) = pattern.get_ref()
            && let Some(at) = local.get(domain)
        {
            let problem = Problem::at(pattern.span(), format!("`relay_domains`: {domain} is a local domain"));
            let problem = problem.and(at.clone(), "local here");
            problems.push(problem.help("a domain is either kept here or passed on: keep one of the two"));
        }
    }
}

fn check_alone(route: &DraftRoute, local: Option<&BTreeMap<Domain, Span>>, problems: &mut Vec<Problem>) {
    let is_local = *route.to.get_ref() == Hop::Local;
    let Some(domains) = &route.domains else {
        if is_local {
            let problem = Problem::at(route.at.clone(), "[[route]] to \"local\" has no `domains`");
            problems.push(problem.help("local domains stay here without a route: name some, or remove it"));
        }
        return;
    };
    if domains.get_ref().is_empty() {
        let problem = Problem::at(domains.span(), "this route is for no domain");
        problems.push(problem.help("name a domain, or leave `domains` out for everything else"));
    }
    let (true, Some(local)) = (is_local, local) else { return };
    for pattern in domains.get_ref() {
        match pattern.get_ref() {
            Pattern::Exactly(domain) if local.contains_key(domain) => {}
            Pattern::Exactly(domain) => {
                let problem = Problem::at(pattern.span(), format!("{domain} is not a local domain"));
                problems.push(
                    problem
                        .here("routed to \"local\"")
                        .help(format!("add the section [domains.{}]", quoted(domain.as_str()))),
                );
            }
            pattern_below @ Pattern::Below(_) => {
                let problem = Problem::at(pattern.span(), format!("{pattern_below} is not one local domain"));
                problems.push(
                    problem
                        .here("routed to \"local\"")
                        .help("name each domain: local domains are no patterns"),
                );
            }
        }
    }
}

/// Whether nothing comes behind this route. What was held is released to the next rule that matches.
fn takes_the_rest(route: &DraftRoute) -> bool {
    route.domains.is_none() && *route.to.get_ref() != Hop::Hold
}

/// The first route that names a domain takes it, so no later one may name it, unless the first one holds.
fn are_reached(routes: &[DraftRoute], problems: &mut Vec<Problem>) {
    let (mut held, mut taken) = (Names::default(), Names::default());
    let mut everything: Option<(Span, bool)> = None;
    for route in routes {
        let holds = *route.to.get_ref() == Hop::Hold;
        if let Some((first, first_holds)) = &everything
            && (!first_holds || holds)
        {
            let problem = Problem::at(route.at.clone(), "this route is never reached").here("never reached");
            problems.push(problem.and(first.clone(), "this one is for everything else: put it last"));
            continue;
        }
        let Some(domains) = &route.domains else {
            if *route.to.get_ref() == Hop::Local {
                // Wrong in itself, and said so.
                continue;
            }
            everything = Some((route.at.clone(), holds));
            continue;
        };
        for pattern in domains.get_ref() {
            let first =
                taken.covers(pattern.get_ref()).or_else(|| held.covers(pattern.get_ref()).filter(|_| holds));
            if let Some(first) = first {
                let message = format!("the route of {} is never reached", pattern.get_ref());
                let problem = Problem::at(pattern.span(), message).here("never reached");
                problems.push(problem.and(first, "the first route that matches wins: this one"));
            } else {
                let names = if holds { &mut held } else { &mut taken };
                names.add(pattern);
            }
        }
    }
}

/// Patterns seen so far, and where.
#[derive(Default)]
struct Names {
    exactly: BTreeMap<String, Span>,
    below: BTreeMap<String, Span>,
}

impl Names {
    fn add(&mut self, pattern: &Spanned<Pattern>) {
        let (names, domain) = match pattern.get_ref() {
            Pattern::Exactly(domain) => (&mut self.exactly, domain),
            Pattern::Below(domain) => (&mut self.below, domain),
        };
        names.insert(domain.ascii().to_owned(), pattern.span());
    }

    /// The place of a pattern that matches all that this one matches.
    fn covers(&self, pattern: &Pattern) -> Option<Span> {
        let (same, domain) = match pattern {
            Pattern::Exactly(domain) => (&self.exactly, domain),
            Pattern::Below(domain) => (&self.below, domain),
        };
        let parents =
            std::iter::successors(Some(domain.ascii()), |name| Some(name.split_once('.')?.1)).skip(1);
        let found =
            same.get(domain.ascii()).or_else(|| parents.into_iter().find_map(|name| self.below.get(name)));
        found.cloned()
    }
}

/// The list in force, of a draft without problems.
pub(super) fn in_force(
    written: Vec<DraftRoute>,
    smarthost: Option<Spanned<(postrider_mail::Host, u16)>>,
    local: &BTreeMap<Domain, Span>,
    source: &str,
) -> Vec<Route> {
    let line = |span: Span| source.get(..span.start).map_or(1, |above| above.matches('\n').count() + 1);
    let everything_is_taken = written.iter().any(takes_the_rest);
    let operator_decides = written.iter().any(|route| leads_away(route, local));
    let mut routes = Vec::new();
    let mut rest = Vec::new();
    for DraftRoute { at, domains, to, .. } in written {
        let origin = Origin::Route(line(at));
        let hop = to.into_inner();
        match domains {
            Some(domains) => {
                let patterns = domains.into_inner().into_iter().map(Spanned::into_inner).collect();
                let behind = if rest.is_empty() { &mut routes } else { &mut rest };
                behind.push(Route { rule: Rule { matches: Matches::These(patterns), hop }, origin });
            }
            None => rest.push(Route { rule: Rule { matches: Matches::Everything, hop }, origin }),
        }
    }
    let by_default = |matches, hop| Route { rule: Rule { matches, hop }, origin: Origin::Default };
    routes.push(by_default(Matches::Local, Hop::Local));
    routes.append(&mut rest);
    if let Some(smarthost) = smarthost {
        let origin = Origin::Smarthost(line(smarthost.span()));
        let (host, port) = smarthost.into_inner();
        let hop = Hop::Smarthost(host, Arc::new(Way { port, ..Way::default() }));
        routes.push(Route { rule: Rule { matches: Matches::Everything, hop }, origin });
    } else if !everything_is_taken && !operator_decides {
        routes.push(by_default(Matches::Everything, Hop::Mx(Arc::default())));
    }
    routes
}

/// Whether a route sends mail of a domain that is not local to a host that the operator names. Who writes
/// one decides to which others mail goes; the rest is added only to those who do not.
fn leads_away(route: &DraftRoute, local: &BTreeMap<Domain, Span>) -> bool {
    let leaves = matches!(route.to.get_ref(), Hop::Smarthost(..) | Hop::Lmtp(..));
    let is_local = |pattern: &Spanned<Pattern>| match pattern.get_ref() {
        Pattern::Exactly(domain) => local.contains_key(domain),
        Pattern::Below(_) => false,
    };
    leaves && route.domains.as_ref().is_some_and(|domains| !domains.get_ref().iter().all(is_local))
}
