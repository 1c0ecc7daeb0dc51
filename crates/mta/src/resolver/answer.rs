//! From what a name server sent to records that answer the question, or to the reason why there are none.
//!
//! Only the answer section counts, and in it only records of the name that was asked for or of the end of
//! its aliases (RFC 1034 §3.6.2): whatever else a server adds is not listened to.

use crate::limits::{
    ADDRESSES_PER_HOST_MAX, ALIASES_MAX, DNS_NEGATIVE_TTL_MAX, DNS_TTL_MAX, DNS_TTL_MIN, MX_RECORDS_MAX,
};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::{DnsError, NetError, NoRecords as NoneFound};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use postrider_mail::dns::{Exchange, Mx, NoRecords, Records};
use postrider_mail::{Domain, Text};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// A type of record that is asked for: how it is read, how many of them are kept.
pub(super) trait Wanted: Sized + Clone + Send + Sync + Ord + 'static {
    /// How DNS calls it.
    const TYPE: RecordType;
    /// How many are kept, the least first.
    const MAX: usize;
    /// Reads one.
    fn read(data: &RData) -> Option<Self>;
}

impl Wanted for Mx {
    const TYPE: RecordType = RecordType::MX;
    const MAX: usize = MX_RECORDS_MAX;

    fn read(data: &RData) -> Option<Self> {
        let RData::MX(mx) = data else { return None };
        Some(Self { preference: mx.preference, exchange: exchange(&mx.exchange) })
    }
}

impl Wanted for Ipv4Addr {
    const TYPE: RecordType = RecordType::A;
    const MAX: usize = ADDRESSES_PER_HOST_MAX;

    fn read(data: &RData) -> Option<Self> {
        if let RData::A(a) = data { Some(a.0) } else { None }
    }
}

impl Wanted for Ipv6Addr {
    const TYPE: RecordType = RecordType::AAAA;
    const MAX: usize = ADDRESSES_PER_HOST_MAX;

    fn read(data: &RData) -> Option<Self> {
        if let RData::AAAA(aaaa) = data { Some(aaaa.0) } else { None }
    }
}

/// The records of an answer, at most [`Wanted::MAX`] of them.
pub(super) fn records<T: Wanted>(asked: &Name, lookup: &Lookup) -> Result<Records<T>, NoRecords> {
    let answers = lookup.answers();
    let (name, aliases_ttl) = canonical(asked, answers);
    let mut ttl = aliases_ttl;
    let mut records = Vec::new();
    for record in answers.iter().filter(|record| record.name == *name) {
        if let Some(wanted) = T::read(&record.data) {
            ttl = ttl.min(record.ttl);
            records.push(wanted);
        }
    }
    if records.is_empty() {
        return Err(NoRecords::ServFail(Text::literal("the answer is not for the name that was asked for")));
    }
    records.sort_unstable();
    records.dedup();
    records.truncate(T::MAX);
    records.shrink_to_fit();
    // An alias may lead to what no address could name; then the name that was asked for stands.
    let canonical = domain(name)
        .or_else(|_| domain(asked))
        .map_err(|name| NoRecords::ServFail(Text::clean(&format!("{name} is not the name of a host"))))?;
    let ttl = Duration::from_secs(ttl.into()).clamp(DNS_TTL_MIN, DNS_TTL_MAX);
    Ok(Records { records, ttl, authentic: false, canonical })
}

/// The end of the aliases in the answer, and the shortest time that one of them holds.
fn canonical<'a>(asked: &'a Name, answers: &'a [Record]) -> (&'a Name, u32) {
    let (mut name, mut ttl) = (asked, u32::MAX);
    for _ in 0..ALIASES_MAX {
        let alias = answers.iter().find_map(|record| match &record.data {
            RData::CNAME(target) if record.name == *name => Some((&target.0, record.ttl)),
            _ => None,
        });
        let Some((target, alias_ttl)) = alias else { break };
        (name, ttl) = (target, ttl.min(alias_ttl));
    }
    (name, ttl)
}

/// Why there are no records, and for how long that may be remembered (RFC 2308 §5).
pub(super) fn no_records(error: &NetError, server: SocketAddr) -> (NoRecords, Option<Duration>) {
    let failed = |why: &dyn std::fmt::Display| NoRecords::ServFail(Text::clean(&format!("{server}: {why}")));
    let trouble = match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => return none_found(none, server),
        NetError::Dns(DnsError::DnssecBogus) => NoRecords::Bogus,
        NetError::Dns(DnsError::ResponseCode(code)) => failed(&words(*code)),
        NetError::Timeout => NoRecords::Timeout,
        NetError::Io(error) => failed(&error),
        NetError::Truncated => failed(&"the answer was cut off, over TCP too"),
        other => failed(other),
    };
    (trouble, None)
}

fn none_found(none: &NoneFound, server: SocketAddr) -> (NoRecords, Option<Duration>) {
    let failed = |why: &str| (NoRecords::ServFail(Text::clean(&format!("{server}: {why}"))), None);
    let is_referral = none.soa.is_none() && none.ns.as_ref().is_some_and(|ns| !ns.is_empty());
    let trouble = match none.response_code {
        ResponseCode::NXDomain => NoRecords::NxDomain,
        ResponseCode::NoError if is_referral => {
            return failed("only names other servers: it is no resolver");
        }
        ResponseCode::NoError => NoRecords::NoData,
        code => return failed(&words(code)),
    };
    let ttl = Duration::from_secs(none.negative_ttl.unwrap_or(0).into());
    (trouble, Some(ttl.clamp(DNS_TTL_MIN, DNS_NEGATIVE_TTL_MAX)))
}

/// An error code as the tools of DNS spell it (RFC 1035 §4.1.1).
fn words(code: ResponseCode) -> String {
    match code {
        ResponseCode::ServFail => "SERVFAIL".into(),
        ResponseCode::Refused => "REFUSED".into(),
        ResponseCode::FormErr => "FORMERR".into(),
        ResponseCode::NotImp => "NOTIMP".into(),
        other => format!("error {}", u16::from(other)),
    }
}

/// The host of an MX record.
fn exchange(name: &Name) -> Exchange {
    if name.is_root() {
        return Exchange::Null;
    }
    match domain(name) {
        // A host is known by its name: digits and dots would be an address in its place.
        Ok(host) if host.as_str().parse::<Ipv4Addr>().is_err() => Exchange::Host(host),
        _ => Exchange::Unusable(Text::clean(&name.to_ascii())),
    }
}

/// A name of DNS as the domain of an address, or else its text.
fn domain(name: &Name) -> Result<Domain, String> {
    let text = name.to_ascii();
    text.strip_suffix('.').unwrap_or(&text).to_ascii_lowercase().parse().map_err(|_| text)
}
