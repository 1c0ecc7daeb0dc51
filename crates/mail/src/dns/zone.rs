//! A table in the place of DNS, for tests and for showing what would happen.

use super::{LookUp, Mx, NoRecords, Question, Records, Resolver};
use crate::{Domain, Text};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// For how long the table's answers hold.
const TTL: Duration = Duration::from_secs(60);

/// How many aliases are followed: what leads further leads nowhere.
const ALIASES_MAX: usize = 8;

/// Names and what is known of them. A name that is not in the table does not exist.
#[derive(Clone, Debug, Default)]
pub struct Zone(BTreeMap<Domain, Name>);

#[derive(Clone, Debug, Default)]
struct Name {
    alias: Option<Domain>,
    mx: Vec<Mx>,
    addresses: Vec<IpAddr>,
    trouble: BTreeMap<Question, NoRecords>,
}

impl Zone {
    /// The name exists, though it may have no records.
    #[must_use]
    pub fn name(mut self, name: Domain) -> Self {
        self.0.entry(name).or_default();
        self
    }

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

    /// The name is another word for this one (CNAME); its other records mean nothing then.
    #[must_use]
    pub fn alias(mut self, name: Domain, target: Domain) -> Self {
        self.0.entry(name).or_default().alias = Some(target);
        self
    }

    /// Every question about this name ends so.
    #[must_use]
    pub fn trouble(mut self, name: Domain, trouble: NoRecords) -> Self {
        self.0.entry(name).or_default().trouble = BTreeMap::from([
            (Question::Mx, trouble.clone()),
            (Question::A, trouble.clone()),
            (Question::Aaaa, trouble),
        ]);
        self
    }

    /// This question about this name ends so.
    #[must_use]
    pub fn trouble_of(mut self, name: Domain, question: Question, trouble: NoRecords) -> Self {
        self.0.entry(name).or_default().trouble.insert(question, trouble);
        self
    }

    fn answer<'a, T: Send + 'a>(
        &'a self,
        asked: &'a Domain,
        question: Question,
        pick: impl FnOnce(&Name) -> Vec<T>,
    ) -> LookUp<'a, T> {
        let answer = self.found(asked, question).and_then(|(canonical, name)| match pick(name) {
            records if records.is_empty() => Err(NoRecords::NoData),
            records => Ok(Records { records, ttl: TTL, authentic: false, canonical: canonical.clone() }),
        });
        Box::pin(std::future::ready(answer))
    }

    /// The end of the aliases, and what is known there.
    fn found<'a>(
        &'a self,
        asked: &'a Domain,
        question: Question,
    ) -> Result<(&'a Domain, &'a Name), NoRecords> {
        let mut canonical = asked;
        for _ in 0..=ALIASES_MAX {
            let name = self.0.get(canonical).ok_or(NoRecords::NxDomain)?;
            if let Some(trouble) = name.trouble.get(&question) {
                return Err(trouble.clone());
            }
            match &name.alias {
                Some(target) => canonical = target,
                None => return Ok((canonical, name)),
            }
        }
        Err(NoRecords::ServFail(Text::literal("too many aliases (CNAME)")))
    }
}

impl Resolver for Zone {
    fn mx<'a>(&'a self, name: &'a Domain) -> LookUp<'a, Mx> {
        self.answer(name, Question::Mx, |name| name.mx.clone())
    }

    fn a<'a>(&'a self, name: &'a Domain) -> LookUp<'a, Ipv4Addr> {
        self.answer(name, Question::A, |name| {
            let v4 = |ip: &IpAddr| if let IpAddr::V4(ip) = ip { Some(*ip) } else { None };
            name.addresses.iter().filter_map(v4).collect()
        })
    }

    fn aaaa<'a>(&'a self, name: &'a Domain) -> LookUp<'a, Ipv6Addr> {
        self.answer(name, Question::Aaaa, |name| {
            let v6 = |ip: &IpAddr| if let IpAddr::V6(ip) = ip { Some(*ip) } else { None };
            name.addresses.iter().filter_map(v6).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::Exchange;
    use std::task::{Context, Poll, Waker};

    fn domain(name: &str) -> Domain {
        name.parse().unwrap()
    }

    /// A table's answer is there at once.
    fn now<T>(mut look_up: LookUp<'_, T>) -> Result<Records<T>, NoRecords> {
        match look_up.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => answer,
            Poll::Pending => panic!("a table waits for nothing"),
        }
    }

    /// RFC 1035 §3.3.9
    #[test]
    fn each_question_gets_the_records_of_its_type() {
        let mx = Mx { preference: 10, exchange: Exchange::Host(domain("mx.example")) };
        let zone = Zone::default()
            .mx(domain("a.example"), mx.clone())
            .address(domain("mx.example"), "192.0.2.1".parse().unwrap())
            .name(domain("empty.example"));
        assert_eq!(now(Resolver::mx(&zone, &domain("A.example"))).unwrap().records, [mx]);
        assert_eq!(now(zone.a(&domain("mx.example"))).unwrap().records, [Ipv4Addr::new(192, 0, 2, 1)]);
        assert_eq!(now(zone.aaaa(&domain("mx.example"))), Err(NoRecords::NoData));
        assert_eq!(now(zone.a(&domain("empty.example"))), Err(NoRecords::NoData));
        assert_eq!(now(zone.a(&domain("none.example"))), Err(NoRecords::NxDomain));
    }

    #[test]
    fn trouble_can_be_with_one_question_alone() {
        let name = domain("a.example");
        let zone = Zone::default().address(name.clone(), "192.0.2.1".parse().unwrap()).trouble_of(
            name.clone(),
            Question::Mx,
            NoRecords::Timeout,
        );
        assert_eq!(now(Resolver::mx(&zone, &name)), Err(NoRecords::Timeout));
        assert!(now(zone.a(&name)).is_ok());
        assert_eq!(now(zone.trouble(name.clone(), NoRecords::Bogus).a(&name)), Err(NoRecords::Bogus));
    }

    /// RFC 1034 §3.6.2
    #[test]
    fn aliases_are_followed_and_circles_end() {
        let zone = Zone::default()
            .alias(domain("www.example"), domain("host.example"))
            .address(domain("host.example"), "192.0.2.1".parse().unwrap())
            .alias(domain("a.example"), domain("b.example"))
            .alias(domain("b.example"), domain("a.example"));
        let name = domain("www.example");
        assert_eq!(now(zone.a(&name)).unwrap().canonical, domain("host.example"));
        assert!(now(zone.a(&domain("a.example"))).unwrap_err().is_transient());
    }
}
