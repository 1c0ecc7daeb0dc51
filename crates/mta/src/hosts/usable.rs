//! Which addresses of which hosts may be used: those that are not special, not ours, and within the limits
//! of one attempt.

use super::addresses::{self, Found};
use super::dice::Dice;
use super::{Ask, Said, Target, listed, special};
use crate::limits::{ADDRESSES_PER_ATTEMPT_MAX, HOSTS_LOOKED_UP_MAX, HOSTS_PER_ATTEMPT_MAX};
use crate::net::Endpoint;
use postrider_mail::Host;
use postrider_mail::dns::NoRecords;
use postrider_policy::route::{Family, Way};
use std::future::{Future, poll_fn};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::Poll;

/// A host that may be tried.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) host: Host,
    pub(super) preference: Option<u16>,
}

/// Who named the hosts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// DNS, or the sender: special addresses need leave.
    Dns,
    /// The operator, who knows what he wants.
    Operator,
}

/// Why there is nothing to be tried, with the first reason in words.
pub(super) enum Outcome {
    /// DNS did not answer.
    Later(String),
    /// There are no addresses, or none that may be used.
    Never(String),
    /// They are ours.
    Loop,
}

/// A host and its addresses, in their order.
struct Usable {
    candidate: Candidate,
    addresses: Vec<IpAddr>,
}

/// Why one host is left out.
enum Out {
    Later(String),
    Never(String),
    Ours,
}

/// What became of all of them so far.
#[derive(Default)]
struct Sifted {
    usable: Vec<Usable>,
    /// The first reason that may pass, and the preference of its host.
    later: Option<(Option<u16>, String)>,
    never: Option<String>,
    ours: bool,
}

/// From candidates, best first, to targets. The addresses of as many hosts as one attempt may try are
/// looked up at a time; further ones only if these do not do.
pub(super) async fn find(
    ask: &Ask<'_>,
    way: &Way,
    candidates: &[Candidate],
    trust: Trust,
    dice: &mut Dice,
    said: &mut Said,
) -> Result<Vec<Target>, Outcome> {
    let mut sifted = Sifted::default();
    let looked_up = &candidates[..candidates.len().min(HOSTS_LOOKED_UP_MAX)];
    for some in looked_up.chunks(HOSTS_PER_ATTEMPT_MAX) {
        let found =
            all(some.iter().map(|candidate| addresses::look_up(ask, &candidate.host, way.family))).await;
        for (candidate, found) in some.iter().zip(found) {
            tell(&candidate.host, &found, said);
            let seen: Vec<IpAddr> =
                sifted.usable.iter().flat_map(|host| host.addresses.iter().copied()).collect();
            let sieve = Sieve { ask, way, trust, seen: &seen };
            let outcome = sieve.addresses(candidate, &found, dice, said);
            sifted.take(candidate, outcome, said);
            if sifted.ours {
                return sifted.targets(way, said);
            }
        }
        if sifted.usable.len() >= HOSTS_PER_ATTEMPT_MAX {
            return sifted.targets(way, said);
        }
    }
    if candidates.len() > looked_up.len() {
        said.tell(format!("{} further hosts were not looked up", candidates.len() - looked_up.len()));
        // They are not known to be useless.
        let why = || (None, format!("none of the {HOSTS_LOOKED_UP_MAX} best has a usable address"));
        sifted.later.get_or_insert_with(why);
    }
    sifted.targets(way, said)
}

/// What DNS said of a host's addresses. That it has none of one family is no news if it has some.
fn tell(host: &Host, found: &Found, said: &mut Said) {
    let Host::Domain(host) = host else { return };
    if !found.addresses.is_empty() {
        said.tell(format!("{host}: {}", listed(&found.addresses)));
    }
    for (question, trouble) in &found.trouble {
        if found.addresses.is_empty() || trouble.is_transient() {
            said.tell(format!("{question} of {host}: {trouble}"));
        }
    }
}

impl Sifted {
    fn take(&mut self, candidate: &Candidate, outcome: Result<Vec<IpAddr>, Out>, said: &mut Said) {
        let host = &candidate.host;
        match outcome {
            Ok(addresses) => self.usable.push(Usable { candidate: candidate.clone(), addresses }),
            Err(Out::Later(why)) => {
                said.pass_over(host, None, &why);
                self.later.get_or_insert_with(|| (candidate.preference, format!("{host}: {why}")));
            }
            Err(Out::Never(why)) => {
                self.never.get_or_insert_with(|| format!("{host}: {why}"));
            }
            Err(Out::Ours) => {
                // RFC 5321 §5.1: hosts that are no better than we are would send the mail back to us.
                let is_better = |preference: Option<u16>| preference < candidate.preference;
                self.usable.retain(|usable| is_better(usable.candidate.preference));
                self.later = self.later.take().filter(|(preference, _)| is_better(*preference));
                self.ours = true;
            }
        }
    }

    fn targets(self, way: &Way, said: &mut Said) -> Result<Vec<Target>, Outcome> {
        if !self.usable.is_empty() {
            said.hidden = self.later.map(|(_, why)| why);
            return Ok(shared_out(self.usable, way));
        }
        Err(match (self.later, self.ours, self.never) {
            (Some((_, why)), ..) => Outcome::Later(why),
            (None, true, _) => Outcome::Loop,
            (None, false, why) => Outcome::Never(why.unwrap_or_else(|| "it has no address".into())),
        })
    }
}

/// The addresses of one attempt: every host gets one at least, better hosts get more.
fn shared_out(mut usable: Vec<Usable>, way: &Way) -> Vec<Target> {
    usable.truncate(HOSTS_PER_ATTEMPT_MAX);
    let mut targets = Vec::new();
    let mut hosts_left = usable.len();
    for Usable { candidate, addresses } in usable {
        hosts_left -= 1;
        let room = ADDRESSES_PER_ATTEMPT_MAX.saturating_sub(targets.len() + hosts_left);
        targets.extend(addresses.into_iter().take(room).map(|address| Target {
            host: candidate.host.clone(),
            preference: candidate.preference,
            endpoint: Endpoint::Tcp(SocketAddr::new(address, way.port)),
            source: match address {
                IpAddr::V4(_) => way.source_v4.map(IpAddr::V4),
                IpAddr::V6(_) => way.source_v6.map(IpAddr::V6),
            },
        }));
    }
    targets
}

/// Which addresses of one host may be used.
struct Sieve<'a> {
    ask: &'a Ask<'a>,
    way: &'a Way,
    trust: Trust,
    /// The addresses of better hosts.
    seen: &'a [IpAddr],
}

impl Sieve<'_> {
    fn addresses(
        &self,
        candidate: &Candidate,
        found: &Found,
        dice: &mut Dice,
        said: &mut Said,
    ) -> Result<Vec<IpAddr>, Out> {
        let host = &candidate.host;
        let mut first_why = None;
        let mut usable = Vec::new();
        for address in addresses::ordered(found.addresses.clone(), self.way.family, dice) {
            let at = SocketAddr::new(address, self.way.port);
            let special = if self.trust == Trust::Dns { special::forbidden(address, self.way) } else { None };
            let why = match special {
                None if self.is_ours(at) => {
                    said.pass_over(host, Some(at), "we listen there ourselves");
                    return Err(Out::Ours);
                }
                None if self.seen.contains(&address) => "a host before it has the same address",
                None => {
                    usable.push(address);
                    continue;
                }
                Some(why) => why,
            };
            said.pass_over(host, Some(at), why);
            first_why.get_or_insert_with(|| format!("{address}: {why}"));
        }
        if usable.is_empty() { Err(self.out(host, found, first_why, said)) } else { Ok(usable) }
    }

    /// Why a host without a usable address is left out; what a later look-up may mend comes first.
    fn out(&self, host: &Host, found: &Found, passed_over: Option<String>, said: &mut Said) -> Out {
        if let Some((_, trouble)) = found.trouble.iter().find(|(_, trouble)| trouble.is_transient()) {
            return Out::Later(trouble.to_string());
        }
        if let Some(why) = passed_over {
            return Out::Never(why);
        }
        let why = match (self.way.family, found.trouble.first()) {
            (_, Some((_, NoRecords::NxDomain))) => NoRecords::NxDomain.to_string(),
            (Family::V4, _) => "it has no IPv4 address, and the route uses no other".into(),
            (Family::V6, _) => "it has no IPv6 address, and the route uses no other".into(),
            (Family::Any | Family::PreferV4, _) => "it has no address".into(),
        };
        said.pass_over(host, None, &why);
        Out::Never(why)
    }

    /// Whether one of our own listeners would take the connection.
    fn is_ours(&self, at: SocketAddr) -> bool {
        self.ask.own.listeners.iter().filter(|listener| listener.port() == at.port()).any(|listener| {
            let ip = listener.ip().to_canonical();
            // A socket at :: takes IPv4 too.
            let all_of_family = ip.is_unspecified() && (ip.is_ipv6() || at.is_ipv4());
            ip == at.ip() || (all_of_family && self.ask.net.is_ours(at.ip()))
        })
    }
}

/// Waits for a few futures together; their results are in the order of the futures.
async fn all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut futures: Vec<Pin<Box<F>>> = futures.map(Box::pin).collect();
    let mut results: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    poll_fn(|cx| {
        let mut waiting = false;
        for (future, result) in futures.iter_mut().zip(&mut results) {
            if result.is_none() {
                match future.as_mut().poll(cx) {
                    Poll::Ready(output) => *result = Some(output),
                    Poll::Pending => waiting = true,
                }
            }
        }
        if waiting { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    results.into_iter().flatten().collect()
}
