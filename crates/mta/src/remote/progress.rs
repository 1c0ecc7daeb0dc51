//! The recipients of an attempt: which are decided, which are open still.

use super::words::{OURSELVES, lost};
use postrider_mail::{ForwardPath, Mailbox, Text};
use postrider_queue::{Fate, Outcome, Target};
use postrider_smtp::client::{self, Stage};
use postrider_smtp::server::Dialect;

/// Every recipient of an attempt, with its fate once that is decided.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    recipients: Vec<(Target, Option<Fate>)>,
}

/// Recipients of one transaction, by their places in the attempt.
pub(super) struct Group(Vec<usize>);

impl Progress {
    /// Nothing is decided yet.
    pub(crate) fn new(targets: &[Target]) -> Self {
        Self { recipients: targets.iter().map(|target| (target.clone(), None)).collect() }
    }

    /// Whether every recipient is decided.
    pub(crate) fn is_done(&self) -> bool {
        self.open().next().is_none()
    }

    /// The recipients that are not decided.
    pub(crate) fn open(&self) -> impl Iterator<Item = &Target> {
        self.recipients.iter().filter(|(_, fate)| fate.is_none()).map(|(target, _)| target)
    }

    /// Decides all that is open.
    pub(crate) fn decide_open(&mut self, fate: &Fate) {
        self.decide_where(|_| true, fate);
    }

    /// Decides what is open and came by this alias.
    pub(super) fn decide_alias(&mut self, alias: &Mailbox, fate: &Fate) {
        self.decide_where(|target| target.via.as_ref() == Some(alias), fate);
    }

    pub(super) fn decide_all(&mut self, group: &Group, fate: &Fate) {
        for &place in &group.0 {
            self.recipients[place].1.get_or_insert_with(|| fate.clone());
        }
    }

    fn decide_where(&mut self, mut is_meant: impl FnMut(&Target) -> bool, fate: &Fate) {
        for (target, decided) in &mut self.recipients {
            if decided.is_none() && is_meant(target) {
                *decided = Some(fate.clone());
            }
        }
    }

    /// All recipients in the order given; those without a fate are open.
    pub(crate) fn into_fates(self) -> Vec<(Target, Option<Fate>)> {
        self.recipients
    }

    /// The aliases that open recipients came by, each once.
    pub(super) fn aliases(&self) -> Vec<Mailbox> {
        let mut aliases: Vec<Mailbox> = self.open().filter_map(|target| target.via.clone()).collect();
        aliases.sort_unstable();
        aliases.dedup();
        aliases
    }

    /// The open recipients that share the next transaction: all, or those that came by the same alias as
    /// the first; `None` when none is open.
    pub(super) fn next_group(&self, by_alias: bool) -> Option<Group> {
        let mut open = self.recipients.iter().enumerate().filter(|(_, (_, fate))| fate.is_none());
        let (first, (leader, _)) = open.next()?;
        let others = open.filter(|(_, (target, _))| !by_alias || target.via == leader.via);
        Some(Group(std::iter::once(first).chain(others.map(|(place, _)| place)).collect()))
    }

    /// The alias that the group came by.
    pub(super) fn alias_of(&self, group: &Group) -> Option<&Mailbox> {
        group.0.first().and_then(|&place| self.recipients[place].0.via.as_ref())
    }

    /// The group's forward-paths.
    pub(super) fn paths(&self, group: &Group) -> Vec<ForwardPath> {
        group.0.iter().map(|&place| ForwardPath::Mailbox(self.recipients[place].0.address.clone())).collect()
    }

    /// Records what the engine says of each of the group's recipients; gives the number that it decides.
    pub(super) fn record(
        &mut self,
        group: &Group,
        fates: Vec<client::Fate>,
        dialect: Dialect,
        mta: &Text,
    ) -> usize {
        let mut decided = 0;
        for (&place, fate) in group.0.iter().zip(fates) {
            if let Some(fate) = verdict(fate, dialect, mta) {
                self.recipients[place].1 = Some(fate);
                decided += 1;
            }
        }
        decided
    }
}

/// What the engine's word on a recipient means for the queue; `None` where it stays open. LMTP is the last
/// hop, SMTP is not (RFC 2033 §1).
fn verdict(fate: client::Fate, dialect: Dialect, mta: &Text) -> Option<Fate> {
    Some(match fate {
        client::Fate::Accepted(reply) => {
            let outcome = if dialect == Dialect::Lmtp { Outcome::Delivered } else { Outcome::Relayed };
            Fate::new(outcome, reply, mta.clone())
        }
        client::Fate::Refused { stage, refusal } => {
            // 421 is no verdict on a recipient: the host closes (RFC 5321 §3.8).
            if refusal.reply().code().number() == 421 {
                return None;
            }
            let outcome = if refusal.is_transient() { Outcome::Deferred } else { Outcome::Failed };
            // What the offer alone decides, we decide.
            let mta = if stage == Stage::Offer { OURSELVES.into() } else { mta.clone() };
            Fate::new(outcome, refusal.into(), mta)
        }
        client::Fate::LostAfterDot => lost(mta),
        client::Fate::AnotherTransaction(_) | client::Fate::Undecided => return None,
    })
}
