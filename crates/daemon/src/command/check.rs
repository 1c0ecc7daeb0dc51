//! `postrider check`: says what a configuration means, before a server runs with it. It changes nothing,
//! binds nothing and asks no network.

mod machine;

use super::{ConfigFile, answer, complain};
use crate::config::units::{print_duration, print_size};
use crate::config::{Config, Listener, LocalDomain, Route, enumerated};
use crate::exit::Exit;
use clap::Args;
use postrider_mail::Service;
use postrider_mta::Returned;
use postrider_policy::route::Matches;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::Duration;

/// Say what a configuration means, and what is wrong or unwise in it
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  postrider check --config /etc/postrider.toml

Exit codes: 0 the configuration can be used (there may be warnings), 78 it cannot.")]
pub(super) struct Check {
    #[command(flatten)]
    file: ConfigFile,
    /// Answer in JSON, for programs
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(super) fn run(&self) -> Exit {
        match self.file.load() {
            Err(broken) if self.json => answer(&pretty(&broken.json()), Exit::Config),
            Err(broken) => complain(&broken),
            Ok(config) => {
                let mut warnings = config.warnings();
                warnings.extend(machine::warnings(&config));
                let text = if self.json {
                    pretty(&meaning_as_json(&config, &self.file.config.display().to_string(), &warnings))
                } else {
                    meaning(&config) + &as_list(&warnings)
                };
                answer(&text, Exit::Ok)
            }
        }
    }
}

/// What the configuration means, in sentences.
fn meaning(config: &Config) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "This server is {}: so its banner and its Received fields say.", config.hostname);
    about_listeners(config, &mut text);
    about_domains(config, &mut text);
    about_senders(config, &mut text);
    about_routes(config, &mut text);
    about_time_and_room(config, &mut text);
    text
}

fn about_listeners(config: &Config, text: &mut String) {
    if config.listeners.is_empty() {
        text.push_str("It listens nowhere.\n");
    } else {
        text.push_str("It listens on\n");
    }
    for listener in &config.listeners {
        let address = listener.address.to_string();
        let _ = writeln!(text, "  {address:<21} {}", door(listener));
    }
    let _ = match &config.user {
        Some(user) => {
            writeln!(text, "Started as root, it becomes the user {} once it listens.", user.as_str())
        }
        None => writeln!(text, "It runs as whoever starts it, but not as root."),
    };
}

/// For whom a listener is, and who can reach it.
fn door(listener: &Listener) -> String {
    let who = match listener.service {
        Service::Mta => "for other mail servers (SMTP)",
        Service::Lmtp => "for programs that hand mail over (LMTP)",
    };
    let ip = listener.address.ip();
    let reach = if ip.is_loopback() {
        "from this host only"
    } else if ip.is_unspecified() && ip.is_ipv4() {
        "on every IPv4 address of this host"
    } else if ip.is_unspecified() {
        "on every IPv6 address of this host"
    } else {
        "from wherever this address can be reached"
    };
    format!("{who}, {reach}")
}

fn about_domains(config: &Config, text: &mut String) {
    match config.domains.len() {
        0 => text.push_str("No domain is local.\n"),
        1 => text.push_str("One domain is local:\n"),
        count => {
            let _ = writeln!(text, "{count} domains are local:");
        }
    }
    for local in &config.domains {
        let _ = writeln!(text, "  {}: {}; {}", local.domain, tags(local), answers(local));
    }
    let _ = match &config.postmaster {
        Some(postmaster) => writeln!(text, "Postmaster's mail goes to {postmaster}."),
        None => writeln!(text, "Postmaster's mail goes into a mailbox of its own."),
    };
}

fn tags(local: &LocalDomain) -> String {
    match local.subaddress.separator() {
        Some(separator) => format!("user{separator}tag reaches user"),
        None => "no subaddresses".into(),
    }
}

fn answers(local: &LocalDomain) -> &'static str {
    if local.verify { "VRFY and EXPN answer for it" } else { "VRFY and EXPN only say 252" }
}

fn about_senders(config: &Config, text: &mut String) {
    text.push_str(if config.domains.is_empty() {
        "Whoever connects may send to postmaster.\n"
    } else {
        "Whoever connects may send to postmaster and to the accounts and aliases of local domains.\n\
         Unknown recipients there are refused with 550 5.1.1.\n"
    });
    let relay = &config.relay;
    if !relay.domains.is_empty() {
        let domains = named(&relay.domains);
        let _ =
            writeln!(text, "Whoever connects may send to {domains}, where nobody's mailbox is known here.");
    }
    if relay.from.is_empty() {
        text.push_str("Other domains are refused with 550 5.7.1: nobody relays through this server.\n");
    } else {
        let _ = writeln!(text, "Clients in {} may send anywhere.", named(&relay.from));
        text.push_str("To everyone else, other domains are refused with 550 5.7.1.\n");
    }
}

fn named(list: &[impl ToString]) -> String {
    enumerated(&list.iter().map(ToString::to_string).collect::<Vec<_>>())
}

fn about_routes(config: &Config, text: &mut String) {
    text.push_str("Mail goes by the first of these routes that matches:\n");
    for (at, route) in config.routes.iter().enumerate() {
        let _ = writeln!(text, "  {}. {route} ({})", at + 1, route.origin);
    }
    let _ = match config.dns.servers.as_slice() {
        [] => writeln!(text, "Names are looked up by the name servers of this system."),
        servers => writeln!(text, "Names are looked up by {}.", named(servers)),
    };
    let _ = writeln!(
        text,
        "At most {} connections to other hosts are open at a time.",
        config.outbound.connections_max
    );
}

fn about_time_and_room(config: &Config, text: &mut String) {
    let (limits, journal) = (&config.limits, &config.journal);
    let _ = writeln!(text, "Everything is kept under {}.", config.data.display());
    about_failures(config, text);
    let _ = writeln!(
        text,
        "A message may have {}, {} recipients and {} Received fields.",
        print_size(limits.message_octets),
        limits.recipients,
        limits.hops
    );
    let sessions = match limits.sessions {
        Some(sessions) => format!("At most {sessions} sessions run at a time"),
        None => "As many sessions run at a time as the limit of open files allows".into(),
    };
    let _ = writeln!(
        text,
        "{sessions}, at most {} of one peer;\ntogether they hold at most {} of content in memory.",
        limits.sessions_per_peer,
        print_size(limits.content_in_flight_octets)
    );
    let _ = writeln!(
        text,
        "The journal remembers {}, in at most {} of disk.",
        print_duration(journal.keep),
        print_size(journal.octets)
    );
}

fn about_failures(config: &Config, text: &mut String) {
    let retry = &config.retry;
    let _ = writeln!(
        text,
        "What cannot be delivered is tried again after {}, then with growing waits of at most {}, and\n\
         given up after {}. Its sender is told why, with {}.",
        print_duration(retry.first),
        print_duration(retry.longest),
        print_duration(retry.expiry),
        match config.notices.returned {
            Returned::Headers => "the headers of the message",
            Returned::Message => "the message itself where it is small",
        }
    );
    if let (Some(after), false) = (retry.delay_notice_after, config.relay.from.is_empty()) {
        let _ =
            writeln!(text, "Who sent it from relay_from is told of a delay after {}.", print_duration(after));
    }
    if config.notices.undeliverable_to_postmaster {
        text.push_str("Of what cannot even be told to its sender, postmaster gets a copy.\n");
    }
}

/// The warnings at the end, or a word that there are none.
fn as_list(warnings: &[String]) -> String {
    let mut text = match warnings.len() {
        0 => return "\nNo warnings.\n".into(),
        1 => "\n1 warning:\n".to_owned(),
        count => format!("\n{count} warnings:\n"),
    };
    for warning in warnings {
        let _ = writeln!(text, "- {warning}");
    }
    text
}

fn meaning_as_json(config: &Config, file: &str, warnings: &[String]) -> Value {
    let listener =
        |l: &Listener| json!({ "address": l.address.to_string(), "service": l.service.to_string() });
    let domain = |local: &LocalDomain| {
        json!({
            "domain": local.domain.to_string(),
            "subaddress": local.subaddress.separator(),
            "verify": local.verify,
        })
    };
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
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

fn strings(list: &[impl ToString]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

/// One rule in force: `domains` is null where it is for every local domain or for everything else.
pub(super) fn route_as_json(route: &Route) -> Value {
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

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}
