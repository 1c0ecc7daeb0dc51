//! What a configuration means for those who come in: where it listens, whom it believes, how it is to clients.

use super::named;
use crate::config::units::print_duration;
use crate::config::{Config, Listener, Place, Smtp};
use postrider_mail::Service;
use postrider_mta::listen::Purpose;
use postrider_mta::{BareNewlines, LongLines};
use postrider_policy::admit::EarlyTalkers;
use std::fmt::Write as _;
use std::net::IpAddr;

/// Addresses that have moved are named up to so many; the rest is counted.
const MOVED_SHOWN_MAX: usize = 10;

pub(super) fn about_listeners(config: &Config, text: &mut String) {
    if config.listeners.is_empty() {
        text.push_str("It listens nowhere.\n");
    } else {
        text.push_str("It listens on\n");
    }
    for listener in &config.listeners {
        let place = listener.place.to_string();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {place:<21} {}", door(listener));
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
    let who = match listener.purpose {
        Purpose::Serve(Service::Mta) => "for other mail servers (SMTP)",
        Purpose::Serve(Service::Lmtp) => "for programs that hand mail over (LMTP)",
        Purpose::Closed => "only to say that no mail is taken here (521)",
    };
    format!("{who}, {}", reach(&listener.place))
}

fn reach(place: &Place) -> String {
    match place {
        Place::Tcp(address) => match address.ip() {
            ip if ip.is_loopback() => "from this host only",
            IpAddr::V4(ip) if ip.is_unspecified() => "on every IPv4 address of this host",
            IpAddr::V6(ip) if ip.is_unspecified() => "on every IPv6 address of this host",
            _ => "from wherever this address can be reached",
        }
        .into(),
        Place::Unix { mode, .. } => {
            let who = match (mode & 0o020 != 0, mode & 0o002 != 0) {
                (_, true) => "every user",
                (true, false) => "the server's user and its group",
                (false, false) => "the server's user",
            };
            format!("from {who} on this host (mode {mode:04o})")
        }
    }
}

/// Whose word about another client counts.
pub(super) fn about_trust(config: &Config, text: &mut String) {
    let trust = &config.trust;
    if !trust.proxy_from.is_empty() {
        let _ = writeln!(
            text,
            "Proxies in {} must begin with the PROXY protocol; the client they name is who counts.\n\
             From anywhere else that protocol is refused with 521.",
            named(&trust.proxy_from)
        );
    }
    if !trust.xclient_from.is_empty() {
        let _ = writeln!(
            text,
            "Clients in {} may say that they are others (XCLIENT), who then count.",
            named(&trust.xclient_from)
        );
    }
    if !trust.xforward_from.is_empty() {
        let _ = writeln!(
            text,
            "Filters in {} may say for whom they pass a message on (XFORWARD): the journal tells it.",
            named(&trust.xforward_from)
        );
    }
}

/// Domains without mail, and addresses that are others now.
pub(super) fn about_gone(config: &Config, text: &mut String) {
    if !config.no_mail.is_empty() {
        let domains = named(&config.no_mail);
        let _ = writeln!(text, "Mail for {domains} is refused with 556 5.1.10: no mail is taken there.");
    }
    if config.moved.is_empty() {
        return;
    }
    text.push_str(
        "These addresses have moved; mail for them is refused with 551 5.1.6, which says where to:\n",
    );
    for (old, new) in config.moved.iter().take(MOVED_SHOWN_MAX) {
        let _ = writeln!(text, "  {old}: {new}");
    }
    let more = config.moved.len().saturating_sub(MOVED_SHOWN_MAX);
    if more > 0 {
        let _ = writeln!(text, "  and {more} more");
    }
}

/// How it is to clients.
pub(super) fn about_clients(config: &Config, text: &mut String) {
    let smtp = &config.smtp;
    text.push_str(match smtp.long_lines {
        LongLines::Keep => "Lines over 998 octets are kept as they are; ",
        LongLines::Refuse => "A message with a line over 998 octets is refused with 554; ",
    });
    text.push_str(match smtp.bare_newlines {
        BareNewlines::Refuse => "one with a CR or LF that stands alone is refused with 554.\n",
        BareNewlines::Normalise => "a CR or LF that stands alone becomes CRLF.\n",
    });
    if !smtp.greet_pause.is_zero() {
        let _ = writeln!(text, "The greeting waits {}.", print_duration(smtp.greet_pause));
    }
    text.push_str(match smtp.early_talkers {
        EarlyTalkers::Note => "Who talks before the greeting or out of turn is noted in the journal.\n",
        EarlyTalkers::Refuse => {
            "Who talks before the greeting is refused with 554, mail of who talks out of turn with 503.\n"
        }
    });
    if let Some(classes) = &smtp.no_soliciting {
        let _ = writeln!(text, "Mail that calls itself {classes} is refused with 550 5.7.1 (NO-SOLICITING).");
    }
    about_time(config, smtp, text);
}

fn about_time(config: &Config, smtp: &Smtp, text: &mut String) {
    if let (Some(max), false) = (smtp.future_release_max, config.relay.from.is_empty()) {
        let max = print_duration(max);
        let _ =
            writeln!(text, "Clients in relay_from may put a message off for at most {max} (FUTURERELEASE).");
    }
    if !smtp.deliver_by_min.is_zero() {
        let least = print_duration(smtp.deliver_by_min);
        let _ = writeln!(text, "Who insists on a delivery in time must leave at least {least} (DELIVERBY).");
    }
    if !smtp.etrn.is_empty() {
        let _ = writeln!(text, "ETRN starts what waits for {}.", named(&smtp.etrn));
    }
}
