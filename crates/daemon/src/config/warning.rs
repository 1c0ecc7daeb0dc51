//! What a configuration may say but perhaps does not mean. Sentences about the file alone; what is wrong
//! with the machine is found where the machine is looked at.

use super::limits::{MESSAGE_OCTETS_EXPECTED, RECIPIENTS_EXPECTED};
use super::units::{print_duration, print_size};
use super::{Config, Listener, Place};
use postrider_mail::Service;
use postrider_mta::listen::Purpose;
use postrider_policy::limits::FUTURE_RELEASE_DEFAULT;
use postrider_policy::route::{Hop, Matches, Pattern};
use std::net::SocketAddr;

/// The first port that needs no privilege on Linux.
const PORT_UNPRIVILEGED_MIN: u16 = 1024;

impl Config {
    /// The sentences, in the order in which the meaning of the file is told.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let mut warnings = self.about_names();
        warnings.extend(self.about_listeners());
        warnings.extend(self.about_trust());
        warnings.extend(self.about_relaying());
        warnings.extend(self.about_routes());
        let limits = &self.limits;
        if limits.message_octets < MESSAGE_OCTETS_EXPECTED {
            warnings.push(format!(
                "Messages over {} are refused, and other servers may expect {} to be taken (RFC 5321 \
                 §4.5.3.1.7).",
                print_size(limits.message_octets),
                print_size(MESSAGE_OCTETS_EXPECTED)
            ));
        }
        if limits.recipients < RECIPIENTS_EXPECTED {
            warnings.push(format!(
                "A message may have {} recipients, and other servers may expect {RECIPIENTS_EXPECTED} to be \
                 taken (RFC 5321 §4.5.3.1.8).",
                limits.recipients
            ));
        }
        warnings
    }

    fn about_names(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let hostname = &self.hostname;
        if !hostname.as_str().contains('.') {
            warnings.push(format!(
                "The host name {hostname} has no dot: many servers refuse mail from a name that is not fully \
                 qualified (RFC 5321 §2.3.5)."
            ));
        }
        if hostname.as_str().contains('_') {
            warnings
                .push(format!("The host name {hostname} has an underscore: some servers refuse such names."));
        }
        if self.domains.is_empty() {
            warnings.push("No domain is local: mail for everyone but postmaster is refused.".into());
        }
        if self.domains.iter().any(|local| local.domain == *hostname) {
            warnings.push(format!(
                "{hostname} is this host's name and a mail domain: its addresses cannot move to another host \
                 without the name."
            ));
        }
        if self.postmaster.is_none() {
            warnings.push(
                "Nobody is named as postmaster: that mail gets a mailbox of its own, which someone must read \
                 (RFC 5321 §4.5.1)."
                    .into(),
            );
        }
        warnings
    }

    /// Whose word counts for that of others.
    fn about_trust(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for (key, networks) in
            [("xclient_from", &self.trust.xclient_from), ("xforward_from", &self.trust.xforward_from)]
        {
            let everyone = networks.iter().filter(|network| network.prefix_len() == 0);
            warnings.extend(everyone.map(|network| {
                format!(
                    "{key} {network} is everyone: whoever can reach this server may say that it is anyone."
                )
            }));
        }
        let unused = self.smtp.future_release_max.is_some_and(|max| max != FUTURE_RELEASE_DEFAULT);
        if unused && self.relay.from.is_empty() {
            warnings.push(
                "future_release_max is for clients in relay_from, and there are none: nobody is offered it."
                    .into(),
            );
        }
        warnings
    }

    fn about_relaying(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for network in &self.relay.from {
            if network.prefix_len() == 0 {
                warnings.push(format!(
                    "relay_from {network} is everyone: whoever can reach this server may send anywhere through it."
                ));
            } else if network.addr().is_loopback() {
                warnings.push(format!(
                    "relay_from {network} is this host itself: behind a container's port mapping or a proxy, \
                     everyone may seem to come from there."
                ));
            }
        }
        for pattern in &self.relay.domains {
            if !self.routes.iter().any(|route| covers(&route.rule.matches, pattern)) {
                warnings.push(format!(
                    "No route leads to {pattern} of relay_domains: its mail is refused with 550 5.4.4."
                ));
            }
        }
        warnings
    }

    fn about_routes(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let takes_the_rest =
            |route: &super::Route| route.rule.matches == Matches::Everything && route.rule.hop != Hop::Hold;
        let rest_is_held = self.routes.iter().any(|route| route.rule.matches == Matches::Everything);
        if !self.routes.iter().any(takes_the_rest) {
            let missing = if rest_is_held {
                "Everything else is held, and no route says where it goes once it is released"
            } else {
                "No route is for everything else: mail to other domains is refused"
            };
            warnings.push(format!(
                "{missing}, and senders there are not told of what could not be delivered. `[[route]]` with \
                 `to = \"mx\"` alone, as the last one, sends it to the hosts that DNS names."
            ));
        }
        if let Some(after) = self.retry.delay_notice_after
            && after >= self.retry.expiry
        {
            warnings.push(format!(
                "delay_notice_after ({}) is no shorter than expiry ({}): nobody is ever told of a delay.",
                print_duration(after),
                print_duration(self.retry.expiry)
            ));
        }
        warnings
    }

    fn about_listeners(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.listeners.is_empty() {
            warnings.push(
                "Nothing listens, so no mail can come in: add a line such as listen = [\"0.0.0.0:25\"]."
                    .into(),
            );
        }
        for Listener { place, purpose } in &self.listeners {
            match place {
                Place::Tcp(address) => warnings.extend(about_address(*address, *purpose)),
                Place::Unix { path, .. } if path.starts_with(&self.data) => warnings.push(format!(
                    "The socket {} lies in the data folder, which others may not enter: only the server's \
                     user can connect to it.",
                    path.display()
                )),
                Place::Unix { .. } => {}
            }
        }
        let ports = self.listeners.iter().filter_map(|listener| Some(listener.place.address()?.port()));
        let privileged = ports.into_iter().find(|port| (1..PORT_UNPRIVILEGED_MIN).contains(port));
        if let (None, Some(port)) = (&self.user, privileged) {
            warnings.push(format!(
                "Port {port} needs a right: the capability CAP_NET_BIND_SERVICE, socket activation, or a start \
                 as root with `user` in the configuration."
            ));
        }
        warnings
    }
}

fn about_address(address: SocketAddr, purpose: Purpose) -> Vec<String> {
    let mut warnings = Vec::new();
    if purpose == Purpose::Serve(Service::Lmtp) && !address.ip().is_loopback() {
        warnings.push(format!(
            "LMTP on {address} can be reached from other hosts: it is meant for programs of this host or of a \
             network of its own."
        ));
    }
    if address.port() == 0 {
        warnings.push(format!("The port of {address} is another one after each start."));
    }
    warnings
}

/// Whether a rule is for all that a pattern means. A domain is matched as the rule would match it; for all
/// below a domain the rule must name as much.
fn covers(matches: &Matches, pattern: &Pattern) -> bool {
    match (matches, pattern) {
        (Matches::Everything, _) => true,
        (Matches::Local, _) => false,
        (Matches::These(named), Pattern::Exactly(domain)) => named.iter().any(|rule| rule.matches(domain)),
        (Matches::These(named), Pattern::Below(parent)) => named.iter().any(|rule| match rule {
            Pattern::Exactly(_) => false,
            Pattern::Below(domain) => domain == parent || rule.matches(parent),
        }),
    }
}
