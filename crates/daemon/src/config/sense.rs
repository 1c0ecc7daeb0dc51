//! What values mean to each other: duplicates, contradictions, names of nothing. It makes the
//! [`Config`], or says why there can be none, pointing at both sides of a clash.

use super::grammar::{Draft, DraftDomain, DraftJournal, DraftLimits, DraftListener, DraftRetry};
use super::limits::{
    CONTENT_IN_FLIGHT_DEFAULT, EXPIRY_MAX, HOPS_DEFAULT, JOURNAL_KEEP_DEFAULT, JOURNAL_SIZE_DEFAULT,
    LISTENERS_MAX, SESSIONS_PER_PEER_DEFAULT,
};
use super::problem::{Problem, Span, quoted};
use super::units::print_duration;
use super::{Config, Journal, Limits, Listener, LocalDomain, Subaddress, routes};
use postrider_mail::{Domain, Mailbox, Service};
use postrider_policy::limits::SMTP_PORT;
use postrider_policy::relay::Relay;
use postrider_queue::Retry;
use postrider_smtp::limits::{CONTENT_OCTETS_DEFAULT, RECIPIENTS_DEFAULT};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;
use toml::Spanned;

/// The configuration that `draft` describes. `None` only if there are problems.
pub(super) fn make(draft: Draft, source: &str, problems: &mut Vec<Problem>) -> Option<Config> {
    listeners_differ(&draft.listeners, problems);
    lmtp_is_not_on_port_25(&draft.listeners, problems);
    let places = domains_differ(&draft.domains, problems);
    if let (true, Some(postmaster)) = (draft.all_domains_read, &draft.postmaster) {
        postmaster_is_local(postmaster, &places, problems);
    }
    routes::check(&draft, &places, problems);
    connections_fit(&draft, problems);
    let retry = retry(&draft.retry, problems);
    let limits = limits(draft.limits, problems);
    if !problems.is_empty() {
        return None;
    }
    let mut domains: Vec<LocalDomain> = draft.domains.into_iter().map(local_domain).collect();
    domains.sort_by(|a, b| a.domain.cmp(&b.domain));
    Some(Config {
        hostname: draft.hostname?.into_inner(),
        data: draft.data?.into_inner(),
        user: draft.user.map(Spanned::into_inner),
        postmaster: draft.postmaster.map(Spanned::into_inner),
        listeners: draft.listeners.into_iter().map(listener).collect(),
        domains,
        relay: Relay {
            from: draft.relay_from.into_iter().map(Spanned::into_inner).collect(),
            domains: draft.relay_domains.into_iter().map(Spanned::into_inner).collect(),
        },
        routes: routes::in_force(draft.routes, draft.smarthost, &places, source),
        dns: draft.dns,
        outbound: draft.outbound.outbound,
        notices: draft.notices,
        retry,
        limits,
        journal: journal(draft.journal),
    })
}

fn listener(draft: DraftListener) -> Listener {
    Listener { address: draft.address.into_inner(), service: draft.service }
}

fn local_domain(draft: DraftDomain) -> LocalDomain {
    LocalDomain {
        domain: draft.domain.into_inner(),
        subaddress: draft.subaddress.unwrap_or_else(Subaddress::of_default),
        verify: draft.verify,
    }
}

/// No two listeners want the same address and port; a wildcard wants them all. IPv6 listeners take IPv6
/// only, so `0.0.0.0:25` and `[::]:25` stand beside each other.
fn listeners_differ(listeners: &[DraftListener], problems: &mut Vec<Problem>) {
    if let Some(surplus) = listeners.get(LISTENERS_MAX) {
        let message = format!("there are more than {LISTENERS_MAX} listeners");
        return problems.push(Problem::at(surplus.address.span(), message).here("one too many"));
    }
    for (at, later) in listeners.iter().enumerate() {
        let (address, here) = (*later.address.get_ref(), later.address.span());
        let clash = listeners[..at].iter().find(|earlier| collide(*earlier.address.get_ref(), address));
        let Some(earlier) = clash else { continue };
        let (first, there) = (*earlier.address.get_ref(), earlier.address.span());
        problems.push(if first == address {
            Problem::at(here, format!("two listeners want {address}"))
                .here("again here")
                .and(there, "first here")
        } else {
            let (all, one) = ("all addresses of this host", "one of them");
            let (here_is, there_is) = if address.ip().is_unspecified() { (all, one) } else { (one, all) };
            Problem::at(here, format!("{address} and {first} cannot both be listened on"))
                .here(here_is)
                .and(there, there_is)
                .help("keep the one for all addresses, or name each address")
        });
    }
}

/// RFC 2033 §5: other mail servers expect SMTP there.
fn lmtp_is_not_on_port_25(listeners: &[DraftListener], problems: &mut Vec<Problem>) {
    for listener in listeners {
        if listener.service == Service::Lmtp && listener.address.get_ref().port() == SMTP_PORT {
            let problem =
                Problem::at(listener.address.span(), "LMTP may not be spoken on port 25 (RFC 2033 §5)");
            problems.push(problem.here("the port of SMTP").help("give it another port: 24 is usual"));
        }
    }
}

fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let same_address = a.ip() == b.ip() && scope(a) == scope(b);
    let wildcard = a.is_ipv4() == b.is_ipv4() && (a.ip().is_unspecified() || b.ip().is_unspecified());
    // Port 0 asks the system for a free one.
    a.port() == b.port() && a.port() != 0 && (same_address || wildcard)
}

/// The interface a link-local IPv6 address is meant for.
fn scope(address: SocketAddr) -> u32 {
    match address {
        SocketAddr::V6(v6) => v6.scope_id(),
        SocketAddr::V4(_) => 0,
    }
}

/// Each local domain is written once, in one spelling. Gives where each stands.
fn domains_differ(domains: &[DraftDomain], problems: &mut Vec<Problem>) -> BTreeMap<Domain, Span> {
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

fn postmaster_is_local(
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

/// `first <= cap <= expiry`; a clash with a default is explained at the key that was written.
fn retry(draft: &DraftRetry, problems: &mut Vec<Problem>) -> Retry {
    let default = Retry::default();
    let value = |given: &Option<Spanned<Duration>>, default| given.as_ref().map_or(default, |d| *d.get_ref());
    let number = |given: &Option<Spanned<f64>>, default| given.as_ref().map_or(default, |n| *n.get_ref());
    let retry = Retry {
        first: value(&draft.first, default.first),
        factor: number(&draft.factor, default.factor),
        longest: value(&draft.cap, default.longest),
        jitter: number(&draft.jitter, default.jitter),
        expiry: value(&draft.expiry, default.expiry),
        delay_notice_after: draft
            .delay_notice_after
            .as_ref()
            .map_or(default.delay_notice_after, |after| *after.get_ref()),
    };
    let steps = [
        ("first", retry.first, &draft.first, "cap", retry.longest, &draft.cap),
        ("cap", retry.longest, &draft.cap, "expiry", retry.expiry, &draft.expiry),
    ];
    for (small_key, small, small_at, large_key, large, large_at) in steps {
        if small <= large {
            continue;
        }
        let (small, large) = (print_duration(small), print_duration(large));
        let message = format!("`{small_key}` ({small}) is longer than `{large_key}` ({large})");
        problems.push(match (small_at, large_at) {
            (Some(s), Some(l)) => {
                Problem::at(s.span(), message).and(l.span(), format!("`{large_key}` is here"))
            }
            (Some(s), None) => {
                Problem::at(s.span(), message).help(format!("`{large_key}` is {large} unless it is written"))
            }
            (None, Some(l)) => {
                Problem::at(l.span(), message).help(format!("`{small_key}` is {small} unless it is written"))
            }
            // The defaults are in order.
            (None, None) => Problem::nowhere(message),
        });
    }
    if let Some(expiry) = draft.expiry.as_ref().filter(|expiry| *expiry.get_ref() > EXPIRY_MAX) {
        let message = format!("`expiry` may be at most {}", print_duration(EXPIRY_MAX));
        problems.push(Problem::at(expiry.span(), message));
    }
    retry
}

/// No route wants more connections to one host than there may be at all.
fn connections_fit(draft: &Draft, problems: &mut Vec<Problem>) {
    let all = draft.outbound.outbound.connections_max;
    for connections in draft.routes.iter().filter_map(|route| route.connections.as_ref()) {
        if *connections.get_ref() > all {
            let message = format!("`connections` to one host are more than all together ({all})");
            let problem = Problem::at(connections.span(), message);
            problems.push(match &draft.outbound.connections {
                Some(at) => problem.and(at.span(), "all together"),
                None => problem.help(format!("`connections` in [outbound] is {all} unless it is written")),
            });
        }
    }
}

fn limits(draft: DraftLimits, problems: &mut Vec<Problem>) -> Limits {
    let all = draft.sessions.as_ref().and_then(|sessions| NonZeroU32::new(*sessions.get_ref()));
    if let (Some(sessions), Some(all), Some(peer)) = (&draft.sessions, all, &draft.sessions_per_peer)
        && *peer.get_ref() > all.get()
    {
        let message = "`sessions_per_peer` is more than all `sessions` together";
        problems.push(Problem::at(peer.span(), message).and(sessions.span(), "all together"));
    }
    let number = |given: Option<Spanned<u32>>, default| given.map_or(default, Spanned::into_inner);
    let octets = |given: Option<Spanned<u64>>, default| given.map_or(default, Spanned::into_inner);
    let per_peer = number(draft.sessions_per_peer, SESSIONS_PER_PEER_DEFAULT);
    Limits {
        message_octets: octets(draft.message_size, CONTENT_OCTETS_DEFAULT),
        recipients: number(draft.recipients, RECIPIENTS_DEFAULT),
        sessions: all,
        // The default gives way to what was written.
        sessions_per_peer: all.map_or(per_peer, |all| per_peer.min(all.get())),
        hops: number(draft.hops, HOPS_DEFAULT),
        content_in_flight_octets: octets(draft.content_in_flight, CONTENT_IN_FLIGHT_DEFAULT),
    }
}

fn journal(draft: DraftJournal) -> Journal {
    Journal {
        keep: draft.keep.map_or(JOURNAL_KEEP_DEFAULT, Spanned::into_inner),
        octets: draft.size.map_or(JOURNAL_SIZE_DEFAULT, Spanned::into_inner),
    }
}
