//! `postrider check`: says what a configuration means, before a server runs with it. It changes nothing,
//! binds nothing and asks no network.

mod machine;

use super::{ConfigFile, answer, complain};
use crate::config::units::{print_duration, print_size};
use crate::config::{Config, Destination, Listener, LocalDomain, enumerated};
use crate::exit::Exit;
use clap::Args;
use postrider_mail::Service;
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
    about_strangers(config, &mut text);
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
    for route in &config.routes {
        let names: Vec<String> = route.domains.iter().map(ToString::to_string).collect();
        let Destination::Local = route.to;
        let _ = writeln!(text, "Mail for {} goes into the mailboxes here.", enumerated(&names));
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

fn about_strangers(config: &Config, text: &mut String) {
    text.push_str(if config.domains.is_empty() {
        "Whoever connects may send to postmaster. All else is refused with 550 5.7.1:\n\
         nobody relays through this server.\n"
    } else {
        "Whoever connects may send to postmaster and to the accounts and aliases of local domains.\n\
         Unknown recipients there are refused with 550 5.1.1, other domains with 550 5.7.1: nobody relays\n\
         through this server.\n"
    });
}

fn about_time_and_room(config: &Config, text: &mut String) {
    let (retry, limits, journal) = (&config.retry, &config.limits, &config.journal);
    let _ = writeln!(text, "Everything is kept under {}.", config.data.display());
    let _ = writeln!(
        text,
        "What cannot be delivered is tried again after {}, then with growing waits of at most {}, and\n\
         given up after {}. It then stays in the queue, where `postrider queue list` shows it, until the notice\n\
         that its sender is owed can be sent.",
        print_duration(retry.first),
        print_duration(retry.cap),
        print_duration(retry.expiry)
    );
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
    let names =
        |domains: &[postrider_mail::Domain]| domains.iter().map(ToString::to_string).collect::<Vec<_>>();
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
        "routes": config.routes.iter().map(|route| {
            let Destination::Local = route.to;
            json!({ "domains": names(&route.domains), "to": "local" })
        }).collect::<Vec<_>>(),
        "retry": {
            "first_ms": millis(retry.first),
            "cap_ms": millis(retry.cap),
            "expiry_ms": millis(retry.expiry),
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

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}
