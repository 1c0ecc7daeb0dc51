//! The mail exchangers of a domain, in the order of their preference (RFC 5321 §5.1, RFC 7505).

use super::dice::Dice;
use super::usable::{Candidate, Outcome};
use super::{Ask, LATER, LOOP, NO_SUCH_DOMAIN, NULL_MX, Said, UNUSABLE, listed, refusal};
use crate::limits::DNS_TIMEOUT;
use postrider_mail::dns::{Exchange, Mx, NoRecords};
use postrider_mail::{Domain, Host, Refusal};
use std::collections::BTreeSet;

/// The hosts of a domain.
pub(super) struct Exchangers {
    /// Best first; at least one.
    pub(super) candidates: Vec<Candidate>,
    /// The domain has no MX records and stands for itself.
    implicit: bool,
    /// Hosts that are no better than we are were left out.
    ours: bool,
}

impl Exchangers {
    /// Why none of them can be used.
    pub(super) fn refusal(self, domain: &Domain, outcome: Outcome) -> Refusal {
        let whose = if self.implicit {
            format!("{domain} has no MX records, and its own address cannot be used")
        } else {
            format!("no mail host of {domain} can be used")
        };
        match outcome {
            Outcome::Later(why) => refusal(LATER, format!("{whose} now: {why}")),
            Outcome::Never(why) if !self.ours => refusal(UNUSABLE, format!("{whose}: {why}")),
            Outcome::Never(_) | Outcome::Loop => loop_of(domain),
        }
    }
}

/// Looks up the exchangers of a domain; without any, it is its own.
pub(super) async fn of(
    ask: &Ask<'_>,
    domain: &Domain,
    dice: &mut Dice,
    said: &mut Said,
) -> Result<Exchangers, Refusal> {
    let answer = tokio::time::timeout(DNS_TIMEOUT, ask.resolver.mx(domain)).await;
    let records = match answer.unwrap_or(Err(NoRecords::Timeout)) {
        Ok(answer) => {
            let of =
                if answer.canonical == *domain { String::new() } else { format!(" ({})", answer.canonical) };
            said.tell(format!("MX of {domain}{of}: {}", listed(best_first(&answer.records))));
            answer.records
        }
        Err(NoRecords::NoData) => {
            said.tell(format!("MX of {domain}: none, it is its own mail host"));
            let candidates = vec![Candidate { host: Host::Domain(domain.clone()), preference: Some(0) }];
            return own_left_out(ask, domain, candidates, true, said);
        }
        Err(trouble) => {
            said.tell(format!("MX of {domain}: {trouble}"));
            return Err(no_answer(domain, &trouble));
        }
    };
    if records.iter().all(|mx| mx.exchange == Exchange::Null) {
        let text = format!("the domain {domain} takes no mail (its MX is null)");
        return Err(refusal(NULL_MX, text));
    }
    if records.iter().any(|mx| mx.exchange == Exchange::Null) {
        // RFC 7505 §3: it must not be there then.
        said.tell("a null MX beside others means nothing".into());
    }
    let candidates = ranked(records, dice, said);
    if candidates.is_empty() {
        let text = format!("no mail host of {domain} can be used: its MX records name no hosts");
        return Err(refusal(UNUSABLE, text));
    }
    own_left_out(ask, domain, candidates, false, said)
}

fn no_answer(domain: &Domain, trouble: &NoRecords) -> Refusal {
    match trouble {
        NoRecords::NxDomain => {
            refusal(NO_SUCH_DOMAIN, format!("the domain {domain} does not exist (NXDOMAIN)"))
        }
        trouble => {
            let text = format!("the mail hosts of {domain} cannot be looked up now: {trouble}");
            refusal(LATER, text)
        }
    }
}

fn best_first(records: &[Mx]) -> Vec<&Mx> {
    let mut records: Vec<_> = records.iter().collect();
    records.sort_unstable();
    records
}

/// Each host once, at its best preference; equals in an order by lot.
fn ranked(mut records: Vec<Mx>, dice: &mut Dice, said: &mut Said) -> Vec<Candidate> {
    // The lot alone decides, not the order of the answer.
    records.sort_unstable();
    records.dedup();
    dice.shuffle(&mut records);
    records.sort_by_key(|mx| mx.preference);
    let mut seen = BTreeSet::new();
    let mut candidates = Vec::new();
    for Mx { preference, exchange } in records {
        match exchange {
            Exchange::Host(host) => {
                if seen.insert(host.clone()) {
                    candidates.push(Candidate { host: Host::Domain(host), preference: Some(preference) });
                }
            }
            Exchange::Null => {}
            Exchange::Unusable(name) => said.pass_over(&name, None, "this is not the name of a host"),
        }
    }
    candidates
}

/// Leaves out the host of our own name, and all that are no better: mail that we sent to them would come
/// back (RFC 5321 §5.1).
fn own_left_out(
    ask: &Ask<'_>,
    domain: &Domain,
    mut candidates: Vec<Candidate>,
    implicit: bool,
    said: &mut Said,
) -> Result<Exchangers, Refusal> {
    let ours =
        candidates.iter().find(|candidate| candidate.host.domain() == Some(&ask.own.hostname)).cloned();
    if let Some(ours) = &ours {
        said.pass_over(&ours.host, None, "this is our own name; hosts that are no better are left out too");
        candidates.retain(|candidate| candidate.preference < ours.preference);
        if candidates.is_empty() {
            return Err(loop_of(domain));
        }
    }
    Ok(Exchangers { candidates, implicit, ours: ours.is_some() })
}

fn loop_of(domain: &Domain) -> Refusal {
    let text = "loops back: this host is its best mail exchanger but does not know it as its own";
    refusal(LOOP, format!("mail for {domain} {text}"))
}
