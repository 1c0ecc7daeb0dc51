//! Whether a client, a sender, a recipient or a message is taken.
//!
//! [`admit`] hears a question with the facts so far and gives one verdict, or names the one fact it still
//! needs. Nobody relays unless the operator wrote it down ([`crate::relay`]): other addresses of other
//! domains are refused.

mod recipient;

pub use recipient::{destinations, forwards_to, known_recipient, meant, moved_to, no_route, takes_no_mail};

use crate::expand::Expansion;
use crate::limits::{FUTURE_RELEASE_DEFAULT, HOPS_DEFAULT, SESSIONS_PER_PEER_DEFAULT};
use crate::local::Local;
use crate::moved::Moved;
use crate::relay::Relay;
use crate::route::{Hop, Matches, Rule};
use crate::trust::Trust;
use crate::verdict::{Decision, Verdict};
use postrider_mail::{
    Code, Domain, Enhanced, ForwardPath, Mailbox, Peer, Priority, Reason, Refusal, Solicitation,
};
use std::collections::BTreeSet;
use std::time::Duration;

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
    /// Whose word about another client is taken.
    pub trust: Trust,
    /// What is done about peers that talk before they may.
    pub early_talkers: EarlyTalkers,
    /// Kinds of solicitation that are refused (RFC 3865).
    pub no_soliciting: Option<Solicitation>,
    /// How far a client of `relay.from` may put a message off (RFC 4865); `None`: nobody may.
    pub future_release_max: Option<Duration>,
    /// The shortest time that a deadline of mode R may leave, in whole seconds (RFC 2852 §3); 0: any.
    pub deliver_by_min: Duration,
    /// Domains whose waiting mail any client may start with ETRN (RFC 1985).
    pub etrn: BTreeSet<Domain>,
    /// Whose users have moved.
    pub moved: Moved,
}

/// What is done about a peer that talks before the greeting, or sends the next command before a reply that it
/// had to wait for (RFC 5321 §4.3.1, RFC 2920 §3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EarlyTalkers {
    /// The story tells it.
    #[default]
    Note,
    /// It is refused.
    Refuse,
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
            trust: Trust::default(),
            early_talkers: EarlyTalkers::default(),
            no_soliciting: None,
            future_release_max: Some(FUTURE_RELEASE_DEFAULT),
            deliver_by_min: Duration::ZERO,
            etrn: BTreeSet::new(),
            moved: Moved::default(),
        }
    }
}

/// What a peer has done before its turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Manners {
    /// It spoke before it was greeted.
    pub before_greeting: bool,
    /// The command whose reply it did not wait for, though it had to.
    pub out_of_turn: Option<&'static str>,
}

/// What this host has too little of for more mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// The disk of the queue is full, or nearly.
    Disk,
    /// Content fills the memory that it may have.
    Memory,
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub enum Question<'a> {
    /// May this peer talk to us?
    Connect(&'a Peer),
    /// May a transaction begin?
    Sender,
    /// May its content come?
    Open,
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
        /// Its Solicitation fields (RFC 3865 §2.4).
        solicitations: &'a [Solicitation],
    },
}

/// What is known, apart from the question. A fact that could not be had says so itself: no fact is asked
/// for twice.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Sessions that this peer holds now, with this one.
    pub sessions_of_peer: u32,
    /// Whether no mail is taken where it connected, from anyone.
    pub is_closed: bool,
    /// What it has done before its turn.
    pub manners: Manners,
    /// What this host has too little of.
    pub short_of: Option<Shortage>,
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
    Admission::Verdict(match question {
        Question::Connect(peer) => connect(rules, facts, peer),
        Question::Sender => sender(rules, facts),
        Question::Open => open(rules, facts),
        Question::Recipient { peer, path } => return recipient::recipient(rules, facts, peer, path),
        Question::Message { hops, solicitations } => message(rules, hops, solicitations),
    })
}

/// The priority a message gets: those who may send through us choose, others may only stand back
/// (RFC 6710 §5).
pub fn priority(rules: &Rules, peer: &Peer, said: Priority) -> Priority {
    if rules.relay.network(peer.ip()).is_some() { said } else { said.min(Priority::default()) }
}

/// Whether any client may start what waits for this domain (RFC 1985).
pub fn may_turn(rules: &Rules, domain: &Domain) -> bool {
    rules.etrn.contains(domain)
}

fn connect(rules: &Rules, facts: &Facts, peer: &Peer) -> Verdict {
    if facts.is_closed {
        // RFC 7504 §3
        let text = "no mail is taken here, from anyone";
        return hang_up("closed", "this listener is for nobody".into(), 521, (5, 3, 2), text.into());
    }
    if let Some(shortage) = facts.short_of {
        let (why, enhanced) = shortage.words();
        return hang_up("shortage", why.into(), 421, enhanced, format!("{why}; please try again later"));
    }
    if facts.sessions_of_peer > rules.sessions_per_peer_max {
        let text = format!(
            "{} already holds {} sessions here; try again later",
            peer.ip(),
            rules.sessions_per_peer_max
        );
        return hang_up("sessions-per-peer", text.clone(), 421, (4, 7, 0), text);
    }
    if facts.manners.before_greeting && rules.early_talkers == EarlyTalkers::Refuse {
        let why = "it spoke before it was greeted (RFC 5321 §4.3.1)".into();
        return hang_up("manners", why, 554, (5, 5, 1), "a client waits for the greeting".into());
    }
    Verdict::accept("connect", "anyone may talk to us")
}

fn sender(rules: &Rules, facts: &Facts) -> Verdict {
    if let Some(shortage) = facts.short_of {
        let (why, _) = shortage.words();
        let reply = format!("{why}; please try again later");
        return Verdict::refuse("shortage", why, Code::of(452), Enhanced::of(4, 3, 1), reply);
    }
    match out_of_turn(rules, facts) {
        Some((refusal, reason)) => Verdict { decision: Decision::Refuse(refusal), reason },
        None => Verdict::accept("sender", "anyone may send to addresses of ours"),
    }
}

/// Who did not wait for 354 has sent content already, which would be read as commands: the session ends.
fn open(rules: &Rules, facts: &Facts) -> Verdict {
    match out_of_turn(rules, facts) {
        Some((refusal, reason)) => Verdict { decision: Decision::Disconnect(refusal), reason },
        None => Verdict::accept("open", "it kept its turn, or need not"),
    }
}

/// Why one that did not wait for a reply sends no mail, where the operator wants it so.
fn out_of_turn(rules: &Rules, facts: &Facts) -> Option<(Refusal, Reason)> {
    let verb = facts.manners.out_of_turn.filter(|_| rules.early_talkers == EarlyTalkers::Refuse)?;
    let why = format!("it did not wait for the reply to {verb} (RFC 2920 §3.1)");
    let text = format!("a client waits for the reply to {verb}; begin a new session");
    Some((Refusal::of(Code::of(503), Enhanced::of(5, 5, 1), text), Reason::new("manners", why)))
}

impl Shortage {
    fn words(self) -> (&'static str, (u8, u16, u16)) {
        match self {
            Self::Disk => ("the disk is full here", (4, 3, 1)),
            Self::Memory => ("too much is being received here at the moment", (4, 3, 2)),
        }
    }
}

fn hang_up(
    check: &'static str,
    why: String,
    code: u16,
    (class, subject, detail): (u8, u16, u16),
    reply: String,
) -> Verdict {
    let refusal = Refusal::of(Code::of(code), Enhanced::of(class, subject, detail), reply);
    Verdict { decision: Decision::Disconnect(refusal), reason: Reason::new(check, why) }
}

fn message(rules: &Rules, hops: u32, solicitations: &[Solicitation]) -> Verdict {
    if hops > rules.hops_max {
        return Verdict::refuse(
            "hops",
            format!("{hops} Received fields, more than {}", rules.hops_max),
            Code::of(554),
            Enhanced::of(5, 4, 6),
            format!("this message has passed {hops} hosts: it goes round in circles"),
        );
    }
    let refused = rules.no_soliciting.as_ref();
    let meets = refused.and_then(|refused| solicitations.iter().find_map(|named| named.meets(refused)));
    match meets {
        Some(keyword) => Verdict::refuse(
            "soliciting",
            format!("its Solicitation field names {keyword}"),
            Code::of(550),
            Enhanced::of(5, 7, 1),
            format!("solicitations of the kind {keyword} are not taken here"),
        ),
        None => {
            Verdict::accept("hops", format!("{hops} Received fields, at most {} are taken", rules.hops_max))
        }
    }
}

#[cfg(test)]
mod tests;
