//! Whether a client, a sender, a recipient or a message is taken.
//!
//! [`admit`] hears a question with the facts so far and gives one verdict, or names the one fact it still
//! needs. Nobody relays unless the operator wrote it down: addresses of other domains are refused.

use crate::expand::Expansion;
use crate::limits::{HOPS_DEFAULT, SESSIONS_PER_PEER_DEFAULT};
use crate::local::Local;
use crate::route::{Hop, Matches, Rule};
use crate::verdict::{Decision, Verdict};
use postrider_mail::{Code, Enhanced, ForwardPath, Mailbox, Peer, Reason, Refusal};

/// What the operator set.
#[derive(Clone, Debug)]
pub struct Rules {
    /// What is ours.
    pub local: Local,
    /// Sessions that one peer may hold at a time.
    pub sessions_per_peer_max: u32,
    /// Received fields of a message that is still taken.
    pub hops_max: u32,
    /// Where mail goes, in order: the first rule that matches decides.
    pub routes: Vec<Rule>,
}

impl Rules {
    /// The defaults for what is ours: it is delivered here, and nothing else goes anywhere.
    pub fn new(local: Local) -> Self {
        Self {
            local,
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
    Recipient(&'a ForwardPath),
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
        Question::Recipient(path) => recipient(rules, facts, path),
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

fn recipient(rules: &Rules, facts: &Facts, path: &ForwardPath) -> Admission {
    let own;
    let address = match path {
        ForwardPath::Mailbox(mailbox) => mailbox,
        ForwardPath::Postmaster => {
            own = rules.local.own_postmaster();
            &own
        }
    };
    if rules.local.rules(address).is_none() {
        let host = address.host();
        return Admission::Verdict(Verdict::refuse(
            "relay",
            format!("{host} is not a domain of ours, and nobody relays here"),
            Code::of(550),
            Enhanced::of(5, 7, 1),
            format!("{host} is not a domain of ours, and this server relays for nobody"),
        ));
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

/// The verdict on an address of ours, from what the directory knows of it.
pub fn known_recipient(address: &Mailbox, expansion: &Expansion) -> Verdict {
    let refuse =
        |code, enhanced, why: String, reply: String| Verdict::refuse("directory", why, code, enhanced, reply);
    match expansion {
        Expansion::Destinations(all) => match all.as_slice() {
            [only] if only.via.is_none() => {
                Verdict::accept("directory", format!("{} has a mailbox", only.address))
            }
            all => Verdict::accept("directory", format!("{address} leads to {} mailboxes", all.len())),
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
            format!("{address} has the member {member}, and this server does not send onward"),
            format!("the alias {address} leads to another host, where this server cannot deliver"),
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
mod tests {
    use super::*;
    use crate::expand::Destination;
    use crate::local::{DomainRules, Domains};
    use postrider_mail::Service;

    fn rules() -> Rules {
        Rules::new(Local {
            hostname: "mx.local.example".parse().unwrap(),
            domains: Domains::These([("local.example".parse().unwrap(), DomainRules::default())].into()),
            postmaster: None,
        })
    }

    fn reply(facts: &Facts, path: &str) -> String {
        match admit(&rules(), facts, Question::Recipient(&path.parse().unwrap())) {
            Admission::Verdict(Verdict { decision: Decision::Accept, .. }) => "accept".into(),
            Admission::Verdict(Verdict { decision: Decision::Refuse(refusal), .. }) => refusal.to_string(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn nobody_relays_unless_it_is_written_down() {
        assert!(reply(&Facts::default(), "x@elsewhere.example").starts_with("550 5.7.1"));
        assert!(reply(&Facts::default(), "x@[127.0.0.1]").starts_with("550 5.7.1"));
        assert!(reply(&Facts::default(), "x@mx.local.example").starts_with("550 5.7.1"));
    }

    #[test]
    fn a_missing_fact_is_named_and_an_unavailable_one_is_not_a_refusal_for_ever() {
        assert!(reply(&Facts::default(), "x@local.example").starts_with("Need(Directory(x@local.example"));
        assert!(
            reply(&Facts::default(), "postmaster").starts_with("Need(Directory(postmaster@mx.local.example")
        );
        let directory = Fact::Unavailable("disk".into());
        assert!(reply(&Facts { directory, ..Facts::default() }, "x@local.example").starts_with("451 4.3.0"));
    }

    #[test]
    fn what_the_directory_knows_decides() {
        let with = |expansion| Facts { directory: Fact::Known(expansion), ..Facts::default() };
        let address: Mailbox = "x@local.example".parse().unwrap();
        let there = vec![Destination { address: address.clone(), via: None }];
        assert_eq!(reply(&with(Expansion::Destinations(there)), "x@local.example"), "accept");
        for (expansion, code) in [
            (Expansion::NoSuchUser, "550 5.1.1"),
            (Expansion::TooMany, "550 5.2.4"),
            (Expansion::Elsewhere(address.clone()), "550 5.2.4"),
            (Expansion::Nobody(address.clone()), "550 5.2.4"),
        ] {
            assert!(reply(&with(expansion), "x@local.example").starts_with(code));
        }
    }

    #[test]
    fn a_message_that_goes_in_circles_is_refused() {
        let at = |hops| admit(&rules(), &Facts::default(), Question::Message { hops });
        assert!(matches!(at(50), Admission::Verdict(Verdict { decision: Decision::Accept, .. })));
        assert!(matches!(at(51), Admission::Verdict(Verdict { decision: Decision::Refuse(_), .. })));
    }

    #[test]
    fn a_peer_holds_so_many_sessions_and_no_more() {
        let peer = Peer::new("192.0.2.1:99".parse().unwrap(), Service::Mta);
        let at = |sessions_of_peer| {
            admit(&rules(), &Facts { sessions_of_peer, ..Facts::default() }, Question::Connect(&peer))
        };
        assert!(matches!(at(100), Admission::Verdict(Verdict { decision: Decision::Accept, .. })));
        assert!(matches!(at(101), Admission::Verdict(Verdict { decision: Decision::Disconnect(_), .. })));
    }
}
