//! Whether a client, a sender, a recipient or a message is taken.
//!
//! [`admit`] hears a question with the facts so far and gives one verdict, or names the one fact it still
//! needs. Nobody relays unless the operator wrote it down ([`crate::relay`]): other addresses of other
//! domains are refused.

use crate::expand::{Destination, Expansion};
use crate::limits::{HOPS_DEFAULT, SESSIONS_PER_PEER_DEFAULT};
use crate::local::Local;
use crate::relay::{Permission, Relay, asks_for_routing};
use crate::route::{self, Hop, Matches, Rule};
use crate::verdict::{Decision, Verdict};
use postrider_mail::{Code, Enhanced, ForwardPath, Host, Mailbox, Peer, Reason, Refusal};

/// What the operator set.
#[derive(Clone, Debug)]
pub struct Rules {
    /// What is ours.
    pub local: Local,
    /// Who may send through us.
    pub relay: Relay,
    /// Sessions that one peer may hold at a time.
    pub sessions_per_peer_max: u32,
    /// Received fields of a message that is still taken.
    pub hops_max: u32,
    /// Where mail goes, in order: the first rule that matches decides.
    pub routes: Vec<Rule>,
}

impl Rules {
    /// The defaults for what is ours: it is delivered here, nobody relays, and nothing else goes anywhere.
    pub fn new(local: Local) -> Self {
        Self {
            local,
            relay: Relay::default(),
            sessions_per_peer_max: SESSIONS_PER_PEER_DEFAULT,
            hops_max: HOPS_DEFAULT,
            routes: vec![Rule { matches: Matches::Local, hop: Hop::Local }],
        }
    }
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub enum Question<'a> {
    /// May this peer talk to us?
    Connect(&'a Peer),
    /// Is this recipient taken?
    Recipient {
        /// Who brings the message.
        peer: &'a Peer,
        /// Who shall get it.
        path: &'a ForwardPath,
    },
    /// Is this message taken?
    Message {
        /// Its Received fields.
        hops: u32,
    },
}

/// What is known, apart from the question. A fact that could not be had says so itself: no fact is asked
/// for twice.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Sessions that this peer holds now, with this one.
    pub sessions_of_peer: u32,
    /// Who stands behind the recipient.
    pub directory: Fact<Expansion>,
}

/// A fact that may have to be fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fact<T> {
    /// Nobody has asked for it.
    #[default]
    Missing,
    /// It is this.
    Known(T),
    /// It could not be had, because.
    Unavailable(String),
}

/// A fact that policy needs before it can decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// What the directory knows of this address ([`Facts::directory`]).
    Directory(Mailbox),
}

/// A verdict, or what is still needed for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Decided.
    Verdict(Verdict),
    /// Fetch this, then ask again.
    Need(Need),
}

/// Decides.
pub fn admit(rules: &Rules, facts: &Facts, question: Question<'_>) -> Admission {
    match question {
        Question::Connect(peer) => Admission::Verdict(connect(rules, facts, peer)),
        Question::Recipient { peer, path } => recipient(rules, facts, peer, path),
        Question::Message { hops } => Admission::Verdict(message(rules, hops)),
    }
}

fn connect(rules: &Rules, facts: &Facts, peer: &Peer) -> Verdict {
    if facts.sessions_of_peer <= rules.sessions_per_peer_max {
        return Verdict::accept("connect", "anyone may talk to us");
    }
    let text =
        format!("{} already holds {} sessions here; try again later", peer.ip(), rules.sessions_per_peer_max);
    let reason = Reason::new("sessions-per-peer", text.as_str());
    let refusal = Refusal::of(Code::of(421), Enhanced::of(4, 7, 0), text);
    Verdict { decision: Decision::Disconnect(refusal), reason }
}

fn message(rules: &Rules, hops: u32) -> Verdict {
    if hops <= rules.hops_max {
        return Verdict::accept(
            "hops",
            format!("{hops} Received fields, at most {} are taken", rules.hops_max),
        );
    }
    Verdict::refuse(
        "hops",
        format!("{hops} Received fields, more than {}", rules.hops_max),
        Code::of(554),
        Enhanced::of(5, 4, 6),
        format!("this message has passed {hops} hosts: it goes round in circles"),
    )
}

fn recipient(rules: &Rules, facts: &Facts, peer: &Peer, path: &ForwardPath) -> Admission {
    let own;
    let address = match path {
        ForwardPath::Mailbox(mailbox) => mailbox,
        ForwardPath::Postmaster => {
            own = rules.local.own_postmaster();
            &own
        }
    };
    if rules.local.rules(address).is_none() {
        return Admission::Verdict(elsewhere(rules, peer, address));
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

/// What an accepted recipient leads to: what the directory said of an address of ours; any other address goes
/// on as it was given.
pub fn destinations(facts: Facts, path: &ForwardPath) -> Vec<Destination> {
    match (facts.directory, path) {
        (Fact::Known(Expansion::Destinations(all)), _) => all,
        (_, ForwardPath::Mailbox(address)) => vec![Destination { address: address.clone(), via: None }],
        (_, ForwardPath::Postmaster) => Vec::new(),
    }
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

#[cfg(test)]
mod tests;
