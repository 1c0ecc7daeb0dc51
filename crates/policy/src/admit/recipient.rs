//! Whether a recipient is taken: one of ours by what the directory knows, any other by a permission and a route.

use super::{Admission, Fact, Facts, Need, Rules};
use crate::expand::{Destination, Expansion};
use crate::local::Local;
use crate::relay::{Permission, asks_for_routing};
use crate::route;
use crate::verdict::{Decision, Verdict};
use postrider_mail::{Code, Enhanced, ForwardPath, Host, Mailbox, Peer, Reason, Refusal};
use std::borrow::Cow;

pub(super) fn recipient(rules: &Rules, facts: &Facts, peer: &Peer, path: &ForwardPath) -> Admission {
    let address = &*meant(&rules.local, path);
    let Some(domain) = rules.local.rules(address) else {
        return Admission::Verdict(elsewhere(rules, peer, address));
    };
    let refuse = |check, why: String, refusal| {
        Admission::Verdict(Verdict { decision: Decision::Refuse(refusal), reason: Reason::new(check, why) })
    };
    if !domain.mail {
        return refuse(
            "domain",
            format!("mail = false for {}", address.host()),
            takes_no_mail(address.host()),
        );
    }
    if let Some(new) = rules.moved.to(address) {
        return refuse("moved", format!("{address} has moved to {new}"), moved_to(new));
    }
    match &facts.directory {
        Fact::Missing => Admission::Need(Need::Directory(address.clone())),
        Fact::Unavailable(why) => Admission::Verdict(Verdict::refuse(
            "directory",
            why.as_str(),
            Code::of(451),
            Enhanced::of(4, 3, 0),
            "the directory of users cannot be read now; please try again later",
        )),
        Fact::Known(expansion) => Admission::Verdict(known_recipient(address, expansion)),
    }
}

/// The verdict on an address that is not ours: it needs a permission, then a route.
fn elsewhere(rules: &Rules, peer: &Peer, address: &Mailbox) -> Verdict {
    let (client, host) = (peer.ip(), address.host());
    let not_permitted = |why: String, reply: String| {
        Verdict::refuse("relay", why, Code::of(550), Enhanced::of(5, 7, 1), reply)
    };
    let Some(permission) = rules.relay.permission(client, address) else {
        return not_permitted(
            format!(
                "{host} is not a domain of ours, nor in relay_domains, and {client} is not in relay_from"
            ),
            format!(
                "{host} is not a domain of ours, and {client} may not send to others through this server"
            ),
        );
    };
    if matches!(permission, Permission::Domain(_)) && asks_for_routing(address) {
        return not_permitted(
            format!(
                "{permission}: {address} asks the next host to send it on, and {client} is not in relay_from"
            ),
            "an address with %, ! or @ before its last @ may not be sent through this server".into(),
        );
    }
    match route::onward(&rules.routes, &rules.local, address) {
        Some(rule) => Verdict::accept("relay", format!("{permission}: {}", rule.hop)),
        None => {
            let reason = Reason::new("route", format!("{permission}, but no route leads to {host}"));
            Verdict { decision: Decision::Refuse(no_route(host)), reason }
        }
    }
}

/// The reply where mail may be sent on, and no route leads there.
pub fn no_route(host: &Host) -> Refusal {
    let text = format!("no route leads to {host} from this server");
    Refusal::of(Code::of(550), Enhanced::of(5, 4, 4), text)
}

/// The reply for every address of a domain that takes no mail (RFC 7504 §4).
pub fn takes_no_mail(host: &Host) -> Refusal {
    Refusal::of(Code::of(556), Enhanced::of(5, 1, 10), format!("the domain {host} takes no mail"))
}

/// The reply where a user has moved (RFC 5321 §3.4).
pub fn moved_to(new: &Mailbox) -> Refusal {
    Refusal::of(Code::of(551), Enhanced::of(5, 1, 6), format!("the user has moved; please try <{new}>"))
}

/// The mailbox that a forward-path means: postmaster without a domain is our own (RFC 5321 §4.5.1).
pub fn meant<'p>(local: &Local, path: &'p ForwardPath) -> Cow<'p, Mailbox> {
    match path {
        ForwardPath::Mailbox(mailbox) => Cow::Borrowed(mailbox),
        ForwardPath::Postmaster => Cow::Owned(local.own_postmaster()),
    }
}

/// What an accepted recipient leads to: what the directory said of an address of ours; any other address goes
/// on as it is.
pub fn destinations(facts: Facts, address: &Mailbox) -> Vec<Destination> {
    match facts.directory {
        Fact::Known(Expansion::Destinations(all)) => all,
        _ => vec![Destination { address: address.clone(), via: None }],
    }
}

/// The address elsewhere that is all an address of ours leads to, where its domain lets the world know: RCPT and
/// VRFY then say 251 (RFC 5321 §3.4).
pub fn forwards_to<'e>(local: &Local, address: &Mailbox, expansion: &'e Expansion) -> Option<&'e Mailbox> {
    let Expansion::Destinations(all) = expansion else { return None };
    let [Destination { address: only, via: Some(_) }] = all.as_slice() else { return None };
    let tells = local.rules(address).is_some_and(|rules| rules.verify);
    (tells && local.rules(only).is_none()).then_some(only)
}

/// The verdict on an address of ours, from what the directory knows of it.
pub fn known_recipient(address: &Mailbox, expansion: &Expansion) -> Verdict {
    let refuse =
        |code, enhanced, why: String, reply: String| Verdict::refuse("directory", why, code, enhanced, reply);
    match expansion {
        Expansion::Destinations(all) => match all.as_slice() {
            [only] if only.via.is_none() => {
                Verdict::accept("directory", format!("{} has a mailbox", only.address))
            }
            [only] => Verdict::accept("directory", format!("{address} leads to {}", only.address)),
            all => Verdict::accept("directory", format!("{address} leads to {} addresses", all.len())),
        },
        Expansion::NoSuchUser => refuse(
            Code::of(550),
            Enhanced::of(5, 1, 1),
            format!("{address} is neither an account nor an alias"),
            format!("there is no mailbox {address} here"),
        ),
        Expansion::TooMany => refuse(
            Code::of(550),
            Enhanced::of(5, 2, 4),
            format!("{address} expands to more mailboxes than the limit"),
            format!("the alias {address} is too large to be expanded"),
        ),
        Expansion::Elsewhere(member) => refuse(
            Code::of(550),
            Enhanced::of(5, 2, 4),
            format!("{address} has the member {member}, and no route leads there"),
            format!("the alias {address} leads to another host, where no route leads"),
        ),
        Expansion::Nobody(alias) => refuse(
            Code::of(550),
            Enhanced::of(5, 2, 4),
            format!("{alias} leads to no account"),
            format!("the alias {address} leads to nobody"),
        ),
    }
}
