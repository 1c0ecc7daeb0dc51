//! `[dns]`, `[outbound]`, `[notices]`: how mail leaves, whatever its route, and what senders are told.

use super::Dns;
use super::addresses::{list, name_server};
use super::limits::{
    CONNECT_TIMEOUT_MAX, CONNECTIONS, DNS_ATTEMPTS, DNS_TIMEOUT_MAX, IDLE_TIMEOUT_MAX,
    MESSAGES_PER_CONNECTION, REPLY_TIMEOUT_MAX, REST_MAX,
};
use super::problem::{Problem, quoted};
use super::reader::{Section, Value};
use super::units::print_duration;
use super::values::{self, text};
use postrider_mta::limits::NAME_SERVERS_MAX;
use postrider_mta::resolver::Patience;
use postrider_mta::{Notices, Outbound, Returned};
use std::time::Duration;
use toml::Spanned;

/// `[outbound]` as read, and where `connections` stands.
#[derive(Debug, Default)]
pub(super) struct DraftOutbound {
    pub(super) outbound: Outbound,
    pub(super) connections: Option<Spanned<u32>>,
}

pub(super) fn dns(mut section: Section<'_, '_>, problems: &mut Vec<Problem>) -> Dns {
    let mut servers = Vec::new();
    if let Some((_, value)) = section.raw("servers") {
        servers = list(value, ("servers", "[\"192.0.2.53\"]"), name_server, problems);
        if let (true, toml::de::DeValue::Array(list)) = (servers.is_empty(), value.get_ref())
            && list.is_empty()
        {
            let problem = Problem::at(value.span(), "`servers` names no server");
            problems.push(
                problem.help("name one, or remove the line: the servers of this system are asked then"),
            );
        }
        if let Some(surplus) = servers.get(NAME_SERVERS_MAX) {
            let message = format!("`servers` names more than {NAME_SERVERS_MAX} servers");
            problems.push(Problem::at(surplus.span(), message).here("one too many"));
        }
    }
    let default = Patience::default();
    let timeout = section.optional("timeout", |value| within(value, DNS_TIMEOUT_MAX), problems);
    let attempts = section.optional("attempts", |value| values::count(value, DNS_ATTEMPTS), problems);
    section.close(problems);
    Dns {
        servers: servers.into_iter().map(Spanned::into_inner).collect(),
        patience: Patience {
            timeout: timeout.map_or(default.timeout, Spanned::into_inner),
            rounds: attempts.map_or(default.rounds, Spanned::into_inner),
        },
    }
}

pub(super) fn outbound(mut section: Section<'_, '_>, problems: &mut Vec<Problem>) -> DraftOutbound {
    let default = Outbound::default();
    let connections = section.optional("connections", |value| values::count(value, CONNECTIONS), problems);
    let mut duration = |key, most, default| {
        let read = section.optional(key, |value| within(value, most), problems);
        read.map_or(default, Spanned::into_inner)
    };
    let connect_timeout = duration("connect_timeout", CONNECT_TIMEOUT_MAX, default.connect_timeout);
    let reply_timeout = duration("reply_timeout", REPLY_TIMEOUT_MAX, default.reply_timeout);
    let idle_timeout = duration("idle_timeout", IDLE_TIMEOUT_MAX, default.idle_timeout);
    let rest = duration("rest", REST_MAX, default.rest);
    let count = |value: &Value<'_>| values::count(value, MESSAGES_PER_CONNECTION);
    let messages = section.optional("messages_per_connection", count, problems);
    section.close(problems);
    let outbound = Outbound {
        connections_max: connections.as_ref().map_or(default.connections_max, |count| *count.get_ref()),
        connect_timeout,
        reply_timeout,
        idle_timeout,
        messages_per_connection: messages.map_or(default.messages_per_connection, Spanned::into_inner),
        rest,
    };
    DraftOutbound { outbound, connections }
}

pub(super) fn notices(mut section: Section<'_, '_>, problems: &mut Vec<Problem>) -> Notices {
    let default = Notices::default();
    let back = section.optional("returned", returned, problems);
    let postmaster = section.optional("undeliverable_to_postmaster", values::boolean, problems);
    section.close(problems);
    Notices {
        returned: back.map_or(default.returned, Spanned::into_inner),
        undeliverable_to_postmaster: postmaster
            .map_or(default.undeliverable_to_postmaster, Spanned::into_inner),
    }
}

fn returned(value: &Value<'_>) -> Result<Returned, Problem> {
    let wanted = "\"headers\" or \"message\"";
    match text(value, wanted)? {
        "headers" => Ok(Returned::Headers),
        "message" => Ok(Returned::Message),
        other => Err(Problem::at(value.span(), format!("should be {wanted}, not {}", quoted(other)))
            .help("how much of a message the notice of its failure brings back")),
    }
}

/// A duration, no longer than this.
fn within(value: &Value<'_>, most: Duration) -> Result<Duration, Problem> {
    match values::duration(value) {
        Ok(duration) if duration > most => {
            Err(Problem::at(value.span(), format!("may be at most {}", print_duration(most))))
        }
        read => read,
    }
}
