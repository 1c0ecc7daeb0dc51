//! A table in the place of DNS, for tests and for showing what would happen.

use super::{LookUp, Mx, NoRecords, Records, Resolver};
use crate::Domain;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// For how long the table's answers hold.
const TTL: Duration = Duration::from_secs(60);

/// Names and what is known of them. A name that is not in the table does not exist.
#[derive(Clone, Debug, Default)]
pub struct Zone(BTreeMap<Domain, Name>);

#[derive(Clone, Debug, Default)]
struct Name {
    mx: Vec<Mx>,
    addresses: Vec<IpAddr>,
    trouble: Option<NoRecords>,
}

impl Zone {
    /// Adds a mail exchanger of a domain.
    #[must_use]
    pub fn mx(mut self, name: Domain, mx: Mx) -> Self {
        self.0.entry(name).or_default().mx.push(mx);
        self
    }

    /// Adds an address of a host.
    #[must_use]
    pub fn address(mut self, name: Domain, address: IpAddr) -> Self {
        self.0.entry(name).or_default().addresses.push(address);
        self
    }

    /// Every question about this name ends so.
    #[must_use]
    pub fn trouble(mut self, name: Domain, trouble: NoRecords) -> Self {
        self.0.entry(name).or_default().trouble = Some(trouble);
        self
    }

    fn answer<'a, T: Clone + Send + 'a>(
        &'a self,
        name: &'a Domain,
        pick: impl FnOnce(&Name) -> Vec<T>,
    ) -> LookUp<'a, T> {
        let answer = match self.0.get(name) {
            None => Err(NoRecords::NxDomain),
            Some(Name { trouble: Some(trouble), .. }) => Err(trouble.clone()),
            Some(found) => match pick(found) {
                records if records.is_empty() => Err(NoRecords::NoData),
                records => Ok(Records { records, ttl: TTL, authentic: false, canonical: name.clone() }),
            },
        };
        Box::pin(std::future::ready(answer))
    }
}

impl Resolver for Zone {
    fn mx<'a>(&'a self, name: &'a Domain) -> LookUp<'a, Mx> {
        self.answer(name, |name| name.mx.clone())
    }

    fn a<'a>(&'a self, name: &'a Domain) -> LookUp<'a, Ipv4Addr> {
        self.answer(name, |name| {
            let of_family = |ip: &IpAddr| if let IpAddr::V4(ip) = ip { Some(*ip) } else { None };
            name.addresses.iter().filter_map(of_family).collect()
        })
    }

    fn aaaa<'a>(&'a self, name: &'a Domain) -> LookUp<'a, Ipv6Addr> {
        self.answer(name, |name| {
            let of_family = |ip: &IpAddr| if let IpAddr::V6(ip) = ip { Some(*ip) } else { None };
            name.addresses.iter().filter_map(of_family).collect()
        })
    }
}
