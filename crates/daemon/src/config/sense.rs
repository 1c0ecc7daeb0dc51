//! What values mean to each other: duplicates, contradictions, names of nothing. It makes the
//! [`Config`], or says why there can be none, pointing at both sides of a clash.

use super::grammar::{Draft, DraftJournal, DraftLimits, DraftRetry};
use super::limits::{
    CONTENT_IN_FLIGHT_DEFAULT, EXPIRY_MAX, HOPS_DEFAULT, JOURNAL_KEEP_DEFAULT, JOURNAL_SIZE_DEFAULT,
    SESSIONS_PER_PEER_DEFAULT,
};
use super::problem::Problem;
use super::units::print_duration;
use super::{Config, Journal, Limits, domains, listeners, routes};
use ipnet::IpNet;
use postrider_policy::relay::Relay;
use postrider_policy::trust::Trust;
use postrider_queue::Retry;
use postrider_smtp::limits::{CONTENT_OCTETS_DEFAULT, RECIPIENTS_DEFAULT};
use std::num::NonZeroU32;
use std::time::Duration;
use toml::Spanned;

/// The configuration that `draft` describes. `None` only if there are problems.
pub(super) fn make(draft: Draft, source: &str, problems: &mut Vec<Problem>) -> Option<Config> {
    let control = draft.data.as_ref().map(|data| crate::service::control_socket(data.get_ref()));
    listeners::differ(&draft.listeners, control.as_deref(), problems);
    listeners::lmtp_is_not_on_port_25(&draft.listeners, problems);
    proxies_are_some(&draft, problems);
    let places = domains::differ(&draft.domains, problems);
    domains::without_mail(&draft, problems);
    domains::moved_makes_sense(&draft, &places, problems);
    domains::etrn_waits_for_others(&draft, &places, problems);
    if let (true, Some(postmaster)) = (draft.all_domains_read, &draft.postmaster) {
        domains::postmaster_is_local(postmaster, &places, problems);
    }
    routes::check(&draft, &places, problems);
    connections_fit(&draft, problems);
    let retry = retry(&draft.retry, problems);
    let limits = limits(draft.limits, problems);
    if !problems.is_empty() {
        return None;
    }
    let (domains, no_mail) = domains::made(draft.domains);
    let networks = |list: Vec<Spanned<IpNet>>| list.into_iter().map(Spanned::into_inner).collect();
    Some(Config {
        hostname: draft.hostname?.into_inner(),
        data: draft.data?.into_inner(),
        user: draft.user.map(Spanned::into_inner),
        postmaster: draft.postmaster.map(Spanned::into_inner),
        listeners: draft.listeners.into_iter().map(Into::into).collect(),
        domains,
        no_mail,
        moved: domains::moved_list(draft.moved),
        trust: Trust {
            proxy_from: networks(draft.proxy_from),
            xclient_from: networks(draft.xclient_from),
            xforward_from: networks(draft.xforward_from),
        },
        smtp: draft.smtp.smtp,
        relay: Relay {
            from: networks(draft.relay_from),
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

/// The networks of `proxies` must be theirs alone: whoever comes from there cannot speak for itself.
fn proxies_are_some(draft: &Draft, problems: &mut Vec<Problem>) {
    for network in &draft.proxy_from {
        if network.get_ref().prefix_len() == 0 {
            let message = format!("`proxy_from` {} is everyone", network.get_ref());
            problems.push(
                Problem::at(network.span(), message)
                    .here(
                        "nobody could connect without the PROXY protocol, and anyone could give any address",
                    )
                    .help("name the addresses of the proxies"),
            );
        }
    }
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
