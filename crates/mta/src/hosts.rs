//! From a next hop and a recipient's domain to the hosts and addresses that are tried, in their order
//! (RFC 5321 §5.1, RFC 7505, RFC 3974).
//!
//! What DNS says is not trusted with what lies near: addresses that no mail host of another can have
//! (loopback, unspecified, link-local, multicast, broadcast, however they are embedded in IPv6) are passed
//! over unless the route allows them. Private networks (RFC 1918, RFC 4193) are not forbidden: in many
//! houses the DNS inside names hosts inside. What the operator wrote into a route himself, a smart host or
//! an LMTP server, may be anywhere, except where we listen ourselves.
//!
//! What this module does not do: it opens no connection, remembers nothing, and does not know whether a
//! host answers.

mod addresses;
mod dice;
mod exchangers;
mod special;
mod usable;

use crate::limits::PASSED_OVER_MAX;
use crate::net::{Endpoint, Net};
use dice::Dice;
use postrider_journal::event::{HostResult, HostTried};
use postrider_mail::dns::Resolver;
use postrider_mail::{Code, Domain, Enhanced, Host, Refusal, Text};
use postrider_policy::route::{Hop, LmtpPeer};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use usable::{Candidate, Outcome, Trust};

/// Who we are, so that we do not send to ourselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Own {
    /// Our name.
    pub hostname: Domain,
    /// Where we listen.
    pub listeners: Vec<SocketAddr>,
}

/// Which hosts are to be tried?
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    /// Who is asked.
    pub resolver: &'a dyn Resolver,
    /// Who knows our addresses.
    pub net: &'a dyn Net,
    /// Who we are.
    pub own: &'a Own,
    /// The next hop.
    pub hop: &'a Hop,
    /// The right side of the recipient's address.
    pub domain: &'a Host,
    /// Where the dice begin that order hosts of equal preference, and addresses: the same seed, the same
    /// order.
    pub seed: u64,
}

/// The hosts that are to be tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hosts {
    /// In the order in which they are tried: at least one, at most
    /// [`ADDRESSES_PER_ATTEMPT_MAX`](crate::limits::ADDRESSES_PER_ATTEMPT_MAX) of at most
    /// [`HOSTS_PER_ATTEMPT_MAX`](crate::limits::HOSTS_PER_ATTEMPT_MAX) hosts.
    pub targets: Vec<Target>,
    /// Another host may take the mail, and DNS cannot say now where it is: so no refusal by these is the last word.
    pub hidden: Option<Refusal>,
    /// What was left out, and why; at most [`PASSED_OVER_MAX`].
    pub passed_over: Vec<HostTried>,
    /// What DNS said, a line for each answer.
    pub told: Vec<Text>,
}

/// There is no host to be tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoHosts {
    /// What the recipient's fate becomes.
    pub refusal: Refusal,
    /// What was left out, and why; at most [`PASSED_OVER_MAX`].
    pub passed_over: Vec<HostTried>,
    /// What DNS said, a line for each answer.
    pub told: Vec<Text>,
}

/// One address of one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The host; for a socket of this host, our own name.
    pub host: Host,
    /// The preference of its MX record, 0 for a domain without any; `None` where no MX was asked for.
    pub preference: Option<u16>,
    /// Where it is reached.
    pub endpoint: Endpoint,
    /// Our address on the connection; `None`: the system's choice.
    pub source: Option<IpAddr>,
}

impl Target {
    /// What the journal calls it: the host's name or literal, or the path of a socket.
    pub fn name(&self) -> Text {
        match &self.endpoint {
            Endpoint::Tcp(_) => Text::from(self.host.to_string()),
            Endpoint::Unix(path) => Text::from(path.display().to_string()),
        }
    }

    /// What came of it, for the story of the attempt.
    pub fn tried(&self, result: HostResult, why: Option<Text>) -> HostTried {
        let address = if let Endpoint::Tcp(address) = self.endpoint { Some(address) } else { None };
        HostTried { host: self.name(), address, result, why }
    }
}

/// Looks up the hosts to be tried. It waits for DNS, [`DNS_TIMEOUT`](crate::limits::DNS_TIMEOUT) for each
/// round of questions and at most four rounds, and never fails otherwise than with a refusal.
///
/// # Errors
/// There is no host: the domain does not exist, takes no mail, leads back to us, or cannot be looked up
/// now; or the hop is none that other hosts have a part in.
pub async fn find(ask: &Ask<'_>) -> Result<Hosts, NoHosts> {
    let mut said = Said::default();
    let targets = targets(ask, &mut said).await;
    let Said { told, passed_over, hidden, .. } = said.closed();
    let hidden = hidden.map(|why| refusal(LATER, format!("a mail host cannot be looked up now: {why}")));
    match targets {
        Ok(targets) => Ok(Hosts { targets, hidden, passed_over, told }),
        Err(refusal) => Err(NoHosts { refusal, passed_over, told }),
    }
}

async fn targets(ask: &Ask<'_>, said: &mut Said) -> Result<Vec<Target>, Refusal> {
    let mut dice = Dice::new(ask.seed);
    match (ask.hop, ask.domain) {
        (Hop::Mx(way), Host::Domain(domain)) => {
            let found = exchangers::of(ask, domain, &mut dice, said).await?;
            let outcome = usable::find(ask, way, &found.candidates, Trust::Dns, &mut dice, said).await;
            outcome.map_err(|outcome| found.refusal(domain, outcome))
        }
        (Hop::Mx(way), literal @ Host::Literal(_)) => {
            let candidates = [Candidate { host: literal.clone(), preference: None }];
            let outcome = usable::find(ask, way, &candidates, Trust::Dns, &mut dice, said).await;
            outcome.map_err(|outcome| literal_refusal(literal, outcome))
        }
        (Hop::Smarthost(host, way) | Hop::Lmtp(LmtpPeer::Tcp(host), way), _) => {
            let candidates = [Candidate { host: host.clone(), preference: None }];
            let outcome = usable::find(ask, way, &candidates, Trust::Operator, &mut dice, said).await;
            outcome.map_err(|outcome| configured_refusal(host, outcome))
        }
        (Hop::Lmtp(LmtpPeer::Unix(path), _), _) => Ok(vec![socket(ask.own, path)]),
        (Hop::Local | Hop::Discard | Hop::Hold, _) => {
            let text = format!("the route ({}) does not lead to another host", ask.hop);
            Err(refusal(NO_HOP, text))
        }
    }
}

fn socket(own: &Own, path: &Path) -> Target {
    Target {
        host: Host::Domain(own.hostname.clone()),
        preference: None,
        endpoint: Endpoint::Unix(path.into()),
        source: None,
    }
}

fn literal_refusal(literal: &Host, outcome: Outcome) -> Refusal {
    match outcome {
        Outcome::Loop => {
            let text = "loops back: this host does not know the address as its own";
            refusal(LOOP, format!("mail for {literal} {text}"))
        }
        Outcome::Later(why) | Outcome::Never(why) => {
            refusal(UNUSABLE, format!("the address {literal} is not used: {why}"))
        }
    }
}

/// A host that the operator named: if it cannot be found, his name server or his spelling is to blame, and
/// mail waits until that is put right. Only a loop is refused at once.
fn configured_refusal(host: &Host, outcome: Outcome) -> Refusal {
    let text =
        |why| format!("the host {host}, to which this server is configured to send, cannot be used: {why}");
    match outcome {
        Outcome::Loop => {
            let text = "mail loops back: this server is configured to send to";
            refusal(LOOP, format!("{text} {host}, where it listens itself"))
        }
        Outcome::Later(why) => refusal(LATER, text(why)),
        Outcome::Never(why) => refusal(MISCONFIGURED, text(why)),
    }
}

/// A reply code and an enhanced one (RFC 3463).
type Status = (Code, Enhanced);

/// The recipient's domain does not exist.
const NO_SUCH_DOMAIN: Status = (Code::of(550), Enhanced::of(5, 1, 2));

/// The recipient's domain takes no mail (RFC 7505 §4.2).
const NULL_MX: Status = (Code::of(556), Enhanced::of(5, 1, 10));

/// There is a domain, and no way to it.
const UNUSABLE: Status = (Code::of(550), Enhanced::of(5, 4, 4));

/// The way leads back to us.
const LOOP: Status = (Code::of(554), Enhanced::of(5, 4, 6));

/// DNS cannot say now.
const LATER: Status = (Code::of(451), Enhanced::of(4, 4, 3));

/// The operator's own host cannot be found.
const MISCONFIGURED: Status = (Code::of(451), Enhanced::of(4, 4, 4));

/// The hop is none that another host has a part in.
const NO_HOP: Status = (Code::of(451), Enhanced::of(4, 3, 5));

fn refusal((code, enhanced): Status, text: String) -> Refusal {
    Refusal::of(code, enhanced, text)
}

/// What is told of the look-up, bounded.
#[derive(Default)]
struct Said {
    told: Vec<Text>,
    passed_over: Vec<HostTried>,
    unlisted: usize,
    /// A host that could not be looked up, beside others that can be tried.
    hidden: Option<String>,
}

impl Said {
    fn tell(&mut self, line: String) {
        self.told.push(Text::from(line));
    }

    fn pass_over(&mut self, host: &dyn std::fmt::Display, address: Option<SocketAddr>, why: &str) {
        if self.passed_over.len() >= PASSED_OVER_MAX {
            self.unlisted += 1;
            return;
        }
        self.passed_over.push(HostTried {
            host: Text::from(host.to_string()),
            address,
            result: HostResult::PassedOver,
            why: Some(Text::clean(why)),
        });
    }

    fn closed(mut self) -> Self {
        if self.unlisted > 0 {
            self.tell(format!("{} more hosts or addresses were passed over", self.unlisted));
        }
        self
    }
}

/// A list for people: the first ten, and how many more.
fn listed<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    const LISTED_MAX: usize = 10;
    let mut items = items.into_iter();
    let mut list =
        items.by_ref().take(LISTED_MAX).map(|item| item.to_string()).collect::<Vec<_>>().join(", ");
    let unlisted = items.count();
    if unlisted > 0 {
        list.push_str(&format!(" and {unlisted} more"));
    }
    list
}
