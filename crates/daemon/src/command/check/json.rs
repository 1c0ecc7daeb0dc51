//! What a configuration means, for programs.

use crate::config::{Config, Listener, LocalDomain, Place, Route, Smtp};
use postrider_mta::listen::Purpose;
use postrider_mta::{BareNewlines, LongLines, Returned};
use postrider_policy::admit::EarlyTalkers;
use postrider_policy::route::Matches;
use serde_json::{Value, json};
use std::time::Duration;

/// The whole of it, with the warnings.
pub(super) fn meaning_as_json(config: &Config, file: &str, warnings: &[String]) -> Value {
    let domain = |local: &LocalDomain| {
        json!({
            "domain": local.domain.to_string(),
            "subaddress": local.subaddress.separator(),
            "verify": local.verify,
        })
    };
    let (retry, limits, journal) = (&config.retry, &config.limits, &config.journal);
    json!({
        "file": file,
        "errors": [],
        "warnings": warnings,
        "hostname": config.hostname.to_string(),
        "data": config.data.to_string_lossy(),
        "listeners": config.listeners.iter().map(listener).collect::<Vec<_>>(),
        "user": config.user.as_ref().map(crate::config::UserName::as_str),
        "postmaster": config.postmaster.as_ref().map(ToString::to_string),
        "domains": config.domains.iter().map(domain).collect::<Vec<_>>(),
        "domains_without_mail": strings(&config.no_mail),
        "moved": config.moved.iter().map(|(old, new)| json!({ "from": old.to_string(), "to": new.to_string() })).collect::<Vec<_>>(),
        "proxy_from": strings(&config.trust.proxy_from),
        "xclient_from": strings(&config.trust.xclient_from),
        "xforward_from": strings(&config.trust.xforward_from),
        "smtp": smtp_as_json(&config.smtp),
        "relay_from": strings(&config.relay.from),
        "relay_domains": strings(&config.relay.domains),
        "routes": config.routes.iter().map(route_as_json).collect::<Vec<_>>(),
        "dns": {
            "servers": strings(&config.dns.servers),
            "timeout_ms": millis(config.dns.patience.timeout),
            "attempts": config.dns.patience.rounds,
        },
        "outbound": {
            "connections": config.outbound.connections_max,
            "connect_timeout_ms": millis(config.outbound.connect_timeout),
            "reply_timeout_ms": millis(config.outbound.reply_timeout),
            "idle_timeout_ms": millis(config.outbound.idle_timeout),
            "messages_per_connection": config.outbound.messages_per_connection,
            "rest_ms": millis(config.outbound.rest),
        },
        "notices": {
            "returned": match config.notices.returned {
                Returned::Headers => "headers",
                Returned::Message => "message",
            },
            "undeliverable_to_postmaster": config.notices.undeliverable_to_postmaster,
        },
        "retry": {
            "first_ms": millis(retry.first),
            "factor": retry.factor,
            "cap_ms": millis(retry.longest),
            "jitter": retry.jitter,
            "expiry_ms": millis(retry.expiry),
            "delay_notice_after_ms": retry.delay_notice_after.map(millis),
        },
        "limits": {
            "message_octets": limits.message_octets,
            "recipients": limits.recipients,
            "sessions": limits.sessions,
            "sessions_per_peer": limits.sessions_per_peer,
            "hops": limits.hops,
            "content_in_flight_octets": limits.content_in_flight_octets,
        },
        "journal": { "keep_ms": millis(journal.keep), "octets": journal.octets },
    })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn listener(listener: &Listener) -> Value {
    let mode = match listener.place {
        Place::Tcp(_) => None,
        Place::Unix { mode, .. } => Some(format!("{mode:04o}")),
    };
    json!({
        "address": listener.place.to_string(),
        "service": service(listener.purpose),
        "mode": mode,
    })
}

fn service(purpose: Purpose) -> String {
    match purpose {
        Purpose::Serve(service) => service.to_string(),
        Purpose::Closed => "closed".into(),
    }
}

fn smtp_as_json(smtp: &Smtp) -> Value {
    json!({
        "long_lines": match smtp.long_lines {
            LongLines::Keep => "keep",
            LongLines::Refuse => "refuse",
        },
        "bare_newlines": match smtp.bare_newlines {
            BareNewlines::Refuse => "refuse",
            BareNewlines::Normalise => "normalise",
        },
        "greet_pause_ms": millis(smtp.greet_pause),
        "early_talkers": match smtp.early_talkers {
            EarlyTalkers::Note => "note",
            EarlyTalkers::Refuse => "refuse",
        },
        "no_soliciting": smtp.no_soliciting.as_ref().map(|classes| classes.keywords().collect::<Vec<_>>()),
        "future_release_max_ms": smtp.future_release_max.map(millis),
        "deliver_by_min_ms": millis(smtp.deliver_by_min),
        "etrn": strings(&smtp.etrn),
    })
}

fn strings(list: &[impl ToString]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

/// One rule in force: `domains` is null where it is for every local domain or for everything else.
pub(in crate::command) fn route_as_json(route: &Route) -> Value {
    let domains = match &route.rule.matches {
        Matches::These(patterns) => Some(strings(patterns)),
        Matches::Local | Matches::Everything => None,
    };
    let (matches, hop) = (&route.rule.matches, &route.rule.hop);
    json!({
        "matches": if domains.is_some() { "domains".to_owned() } else { matches.to_string() },
        "domains": domains,
        "to": hop.to_string(),
        "origin": route.origin.to_string(),
    })
}
