//! `postrider route`: where mail for an address would go, and who may send it, without sending anything.
//!
//! It asks what a running server would: the directory, the routes, DNS. It changes nothing and connects to
//! nobody but the name servers.

mod report;

use super::place::DataFolder;
use super::{ConfigFile, Failure, answer, serve};
use crate::config::{self, Config};
use crate::exit::Exit;
use clap::Args;
use postrider_directory::Directory as Users;
use postrider_mail::{Mailbox, Refusal};
use postrider_mta::hosts::{self, Ask, Hosts, NoHosts, Own};
use postrider_mta::net::SystemNet;
use postrider_mta::resolver::DnsResolver;
use postrider_policy::Decision;
use postrider_policy::admit::{Rules, known_recipient, no_route};
use postrider_policy::expand::{Destination, Expansion, expand};
use postrider_policy::port::{Directory, Entry, Unavailable};
use postrider_policy::relay::asks_for_routing;
use postrider_policy::route::{Hop, Released, onward, rule};
use std::collections::BTreeMap;

/// Queues (each a destination with a pace of its own) whose hosts are looked up; an alias may lead to more.
const LOOK_UPS_MAX: usize = 20;

/// Say where mail for an address would go, without sending it
#[derive(Debug, Args)]
#[command(
    long_about = "Say where mail for an address would go, without sending it: who may send it here, to which addresses an alias leads, which \
                  route is taken, which hosts DNS names in which order, and which of them are passed over and why.",
    after_help = "\
Examples:
  postrider route bob@example.net --config /etc/postrider.toml
  postrider route staff@example.org --json --config /etc/postrider.toml

Exit codes: 0 there is a way, 68 there is no host that would take it, 69 the address is unknown here or no route \
matches, 75 DNS cannot say now, 78 the configuration is broken."
)]
pub(super) struct Route {
    /// The address of a recipient
    #[arg(value_name = "ADDRESS")]
    address: Mailbox,
    #[command(flatten)]
    file: ConfigFile,
    /// Answer in JSON, for programs
    #[arg(long)]
    json: bool,
}

/// What is found out about an address.
struct Finding {
    address: Mailbox,
    who: Who,
    /// What it leads to; empty where it is refused.
    ways: Vec<Way>,
}

/// Who may send to the address here.
enum Who {
    /// Whoever connects: it is local, and known.
    Everyone,
    /// These networks of `relay_from`, and whoever connects if a pattern of `relay_domains` is for it.
    Relayed { networks: Vec<String>, pattern: Option<String> },
    /// Nobody: the reply to whoever asks.
    Nobody { local: bool, refusal: Refusal },
}

/// One address that it leads to.
struct Way {
    destination: Destination,
    /// The number of its route, from 1.
    number: usize,
    route: config::Route,
    hosts: Looked,
}

/// What came of looking for hosts.
enum Looked {
    /// None is needed.
    NotNeeded,
    /// They are the same as those of the way with this index.
    SameAs(usize),
    /// So many were looked up already.
    TooMany,
    Found(Result<Hosts, NoHosts>),
}

impl Route {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        let config = self.file.load()?;
        let rules = serve::settings(&config).rules;
        let (who, destinations) = self.asked(&config, &rules)?;
        let mut ways: Vec<Way> =
            destinations.into_iter().filter_map(|destination| way(&config, &rules, destination)).collect();
        look_up(&config, &mut ways)?;
        let finding = Finding { address: self.address.clone(), who, ways };
        let text = if self.json { finding.as_json() } else { finding.as_text() };
        Ok(answer(&text, finding.exit()))
    }

    /// Who may send to it, and what it leads to.
    fn asked(&self, config: &Config, rules: &Rules) -> Result<(Who, Vec<Destination>), Failure> {
        let address = &self.address;
        if rules.local.rules(address).is_some() {
            let users = users(config, self)?;
            let directory = users.as_ref().map_or(&Nobody as &dyn Directory, |users| users);
            let expansion = expand(directory, &rules.local, &rules.routes, address)
                .map_err(|error| Failure::unavailable(error.to_string()))?;
            return Ok(match (known_recipient(address, &expansion).decision, expansion) {
                (Decision::Accept, Expansion::Destinations(all)) => (Who::Everyone, all),
                (Decision::Refuse(refusal) | Decision::Disconnect(refusal), _) => {
                    (Who::Nobody { local: true, refusal }, Vec::new())
                }
                // Only destinations are accepted.
                (Decision::Accept, _) => (Who::Everyone, Vec::new()),
            });
        }
        if onward(&rules.routes, &rules.local, address).is_none() {
            return Ok((Who::Nobody { local: false, refusal: no_route(address.host()) }, Vec::new()));
        }
        let pattern = address.host().domain().and_then(|domain| rules.relay.pattern(domain));
        let pattern = pattern.filter(|_| !asks_for_routing(address)).map(ToString::to_string);
        let networks = rules.relay.from.iter().map(ToString::to_string).collect();
        Ok((Who::Relayed { networks, pattern }, vec![Destination { address: address.clone(), via: None }]))
    }
}

/// The directory of users, if there is one yet.
fn users(config: &Config, route: &Route) -> Result<Option<Users>, Failure> {
    let folder = DataFolder::of_config(config, &route.file.path())?;
    if !Users::is_in(folder.path()) {
        return Ok(None);
    }
    folder.enter()?;
    Users::open(folder.path()).map(Some).map_err(|error| Failure::unavailable(error.to_string()))
}

/// A directory without anyone in it.
struct Nobody;

impl Directory for Nobody {
    fn look_up(&self, _: &Mailbox) -> Result<Option<Entry>, Unavailable> {
        Ok(None)
    }
}

/// The route of one address. The rules are the configuration's routes, one for one; what is accepted has one.
fn way(config: &Config, rules: &Rules, destination: Destination) -> Option<Way> {
    let (at, _) = rule(&rules.routes, &rules.local, &destination.address, Released::No)?;
    let route = config.routes.get(at)?.clone();
    Some(Way { destination, number: at + 1, route, hosts: Looked::NotNeeded })
}

/// Finds the hosts of each way, once for each queue.
fn look_up(config: &Config, ways: &mut [Way]) -> Result<(), Failure> {
    let os = |error: &dyn std::error::Error| Failure::os(format!("the runtime cannot be started: {error}"));
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| os(&error))?;
    let resolver = DnsResolver::new(&config.dns.servers, config.dns.patience)
        .map_err(|error| Failure::config(error.to_string()))?;
    let listeners = config.listeners.iter().filter_map(|listener| listener.place.address()).collect();
    let own = Own { hostname: config.hostname.clone(), listeners };
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (at, way) in ways.iter_mut().enumerate() {
        let hop = &way.route.rule.hop;
        if !matches!(hop, Hop::Mx(_) | Hop::Smarthost(..) | Hop::Lmtp(..)) {
            continue;
        }
        let address = &way.destination.address;
        let key = hop.key(address);
        way.hosts = match seen.get(&key) {
            Some(first) => Looked::SameAs(*first),
            None if seen.len() >= LOOK_UPS_MAX => Looked::TooMany,
            None => {
                let ask = Ask {
                    resolver: &resolver,
                    net: &SystemNet,
                    own: &own,
                    hop,
                    domain: address.host(),
                    seed: 0,
                };
                seen.insert(key, at);
                Looked::Found(runtime.block_on(hosts::find(&ask)))
            }
        };
    }
    Ok(())
}

impl Finding {
    /// The worst that any of its ways comes to.
    fn exit(&self) -> Exit {
        if matches!(self.who, Who::Nobody { .. }) {
            return Exit::Unavailable;
        }
        let refusals = self.ways.iter().filter_map(|way| match &way.hosts {
            Looked::Found(Err(no)) => Some(&no.refusal),
            _ => None,
        });
        match refusals.map(Refusal::is_transient).max() {
            None => Exit::Ok,
            Some(true) => Exit::TempFail,
            Some(false) => Exit::NoHost,
        }
    }
}
