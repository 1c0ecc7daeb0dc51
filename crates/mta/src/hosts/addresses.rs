//! The addresses of one host, in the order in which they are tried (RFC 5321 §5.1, RFC 3974).

use super::Ask;
use super::dice::Dice;
use crate::limits::{ADDRESSES_PER_HOST_MAX, DNS_TIMEOUT};
use postrider_mail::dns::{LookUp, NoRecords, Question};
use postrider_mail::{Domain, Host};
use postrider_policy::route::Family;
use std::net::IpAddr;

/// What is known of a host's addresses.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Its addresses: canonical, that is, IPv4 instead of IPv4-mapped IPv6.
    pub(super) addresses: Vec<IpAddr>,
    /// Questions without an answer of records.
    pub(super) trouble: Vec<(Question, NoRecords)>,
}

/// Looks up the addresses of these families; both at a time.
pub(super) async fn look_up(ask: &Ask<'_>, host: &Host, family: Family) -> Found {
    let host = match host {
        Host::Domain(host) => host,
        Host::Literal(address) => {
            return Found { addresses: vec![address.to_canonical()], trouble: Vec::new() };
        }
    };
    let (v4, v6) = match family {
        Family::V4 => (Some(of_v4(ask, host).await), None),
        Family::V6 => (None, Some(of_v6(ask, host).await)),
        Family::Any | Family::PreferV4 => {
            let (v4, v6) = tokio::join!(of_v4(ask, host), of_v6(ask, host));
            (Some(v4), Some(v6))
        }
    };
    let mut found = Found::default();
    for (question, answer) in [(Question::Aaaa, v6), (Question::A, v4)] {
        match answer {
            Some(Ok(addresses)) => found.addresses.extend(addresses),
            Some(Err(trouble)) => found.trouble.push((question, trouble)),
            None => {}
        }
    }
    found
}

async fn of_v4(ask: &Ask<'_>, host: &Domain) -> Result<Vec<IpAddr>, NoRecords> {
    in_time(ask.resolver.a(host)).await
}

async fn of_v6(ask: &Ask<'_>, host: &Domain) -> Result<Vec<IpAddr>, NoRecords> {
    in_time(ask.resolver.aaaa(host)).await
}

async fn in_time<T: Into<IpAddr>>(look_up: LookUp<'_, T>) -> Result<Vec<IpAddr>, NoRecords> {
    let answer = tokio::time::timeout(DNS_TIMEOUT, look_up).await.unwrap_or(Err(NoRecords::Timeout))?;
    Ok(answer.records.into_iter().map(|address| address.into().to_canonical()).collect())
}

/// Each address once, in the order of the families, within a family by lot.
pub(super) fn ordered(mut addresses: Vec<IpAddr>, family: Family, dice: &mut Dice) -> Vec<IpAddr> {
    addresses.sort_unstable();
    addresses.dedup();
    dice.shuffle(&mut addresses);
    let (v6, v4): (Vec<IpAddr>, Vec<IpAddr>) = addresses.into_iter().partition(IpAddr::is_ipv6);
    let mut ordered = match family {
        Family::Any => in_turns(v6, v4),
        Family::PreferV4 => v4.into_iter().chain(v6).collect(),
        Family::V4 => v4,
        Family::V6 => v6,
    };
    ordered.truncate(ADDRESSES_PER_HOST_MAX);
    ordered
}

/// One of the first list, one of the second, until both are at their end.
fn in_turns<T>(first: Vec<T>, second: Vec<T>) -> Vec<T> {
    let mut merged = Vec::with_capacity(first.len() + second.len());
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    loop {
        let pair = [first.next(), second.next()];
        if pair.iter().all(Option::is_none) {
            return merged;
        }
        merged.extend(pair.into_iter().flatten());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ips<const N: usize>(addresses: [&str; N]) -> Vec<IpAddr> {
        addresses.map(|address| address.parse().unwrap()).into()
    }

    fn families(addresses: &[IpAddr]) -> String {
        addresses.iter().map(|address| if address.is_ipv6() { '6' } else { '4' }).collect()
    }

    #[test]
    fn the_route_orders_the_families() {
        let all = ips(["192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1", "2001:db8::2", "192.0.2.1"]);
        for (family, order) in
            [(Family::Any, "64644"), (Family::PreferV4, "44466"), (Family::V4, "444"), (Family::V6, "66")]
        {
            for seed in 0..20 {
                let ordered = ordered(all.clone(), family, &mut Dice::new(seed));
                assert_eq!(families(&ordered), order, "{family:?}, seed {seed}");
            }
        }
    }

    #[test]
    fn every_address_of_a_family_can_be_the_first() {
        let all = ips(["192.0.2.1", "192.0.2.2", "192.0.2.3"]);
        for wanted in &all {
            let is_first = |seed| ordered(all.clone(), Family::Any, &mut Dice::new(seed))[0] == *wanted;
            assert!((0..100).any(is_first), "{wanted}");
        }
    }
}
