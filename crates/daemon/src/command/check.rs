//! `postrider check`: says what a configuration means, before a server runs with it. It changes nothing,
//! binds nothing and asks no network.

mod incoming;
mod json;
mod machine;

pub(super) use json::route_as_json;

use super::{ConfigFile, answer, complain};
use crate::config::units::{print_duration, print_size};
use crate::config::{Config, LocalDomain, enumerated};
use crate::exit::Exit;
use clap::Args;
use postrider_mta::Returned;
use serde_json::Value;
use std::fmt::Write as _;

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
                    pretty(&json::meaning_as_json(
                        &config,
                        &self.file.config.display().to_string(),
                        &warnings,
                    ))
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
    incoming::about_listeners(config, &mut text);
    incoming::about_trust(config, &mut text);
    about_domains(config, &mut text);
    incoming::about_gone(config, &mut text);
    about_senders(config, &mut text);
    incoming::about_clients(config, &mut text);
    about_routes(config, &mut text);
    about_time_and_room(config, &mut text);
    text
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

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}
