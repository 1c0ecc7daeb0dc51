//! The recipients of an attempt: which are decided, which are open still.

use super::words::{OURSELVES, lost};
use postrider_mail::{ForwardPath, Mailbox, Notify, Text};
use postrider_queue::{Fate, Outcome, SuccessNotice, Target};
use postrider_smtp::client::{self, Stage};
use postrider_smtp::command::RcptTo;
use postrider_smtp::server::Dialect;

/// Every recipient of an attempt, with its fate once that is decided.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    recipients: Vec<(Target, Option<Fate>)>,
}

/// Recipients of one transaction, by their places in the attempt.
pub(super) struct Group(Vec<usize>);

/// Who decided about recipients, and who tells their sender if it went well.
pub(super) struct Said<'a> {
    pub(super) dialect: Dialect,
    /// The host: `mx.example [192.0.2.1]`.
    pub(super) mta: &'a Text,
    pub(super) success: SuccessNotice,
    /// There is a deadline that the host was not told.
    pub(super) forgets_deadline: bool,
}

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

    /// The group's recipients, with what their sender asked for (RFC 3461 §5.2.1).
    pub(super) fn rcpts(&self, group: &Group) -> Vec<RcptTo> {
        let rcpt = |&place: &usize| {
            let target = &self.recipients[place].0;
            RcptTo {
                forward_path: ForwardPath::Mailbox(target.address.clone()),
                notify: target.notify,
                orcpt: target.orcpt.clone(),
            }
        };
        group.0.iter().map(rcpt).collect()
    }

    /// Whether the sender wants to hear that one of the group has it.
    pub(super) fn wants_success(&self, group: &Group) -> bool {
        let notify = |&place: &usize| self.recipients[place].0.notify;
        group.0.iter().filter_map(notify).any(|notify| notify.wants(Notify::SUCCESS))
    }

    /// Records what the engine says of each of the group's recipients; gives the number that it decides.
    pub(super) fn record(&mut self, group: &Group, fates: Vec<client::Fate>, said: &Said<'_>) -> usize {
        let mut decided = 0;
        for (&place, fate) in group.0.iter().zip(fates) {
            if let Some(fate) = verdict(fate, said) {
                self.recipients[place].1 = Some(fate);
                decided += 1;
            }
        }
        decided
    }
}

/// What the engine's word on a recipient means for the queue; `None` where it stays open. LMTP is the last
/// hop, SMTP is not (RFC 2033 §1).
fn verdict(fate: client::Fate, said: &Said<'_>) -> Option<Fate> {
    let mta = said.mta;
    Some(match fate {
        client::Fate::Accepted(reply) => {
            let outcome = if said.dialect == Dialect::Lmtp { Outcome::Delivered } else { Outcome::Relayed };
            Fate { success: said.success, ..Fate::new(outcome, reply, mta.clone()) }
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
