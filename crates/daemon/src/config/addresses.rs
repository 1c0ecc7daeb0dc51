//! Readers of networks, addresses and hosts that mail may go to or come from. As in [`super::values`], the
//! message of a problem is a predicate.

use super::problem::{Problem, quoted};
use super::reader::Value;
use super::values::{domain_name, text};
use ipnet::IpNet;
use postrider_mail::Host;
use postrider_policy::route::Pattern;
use std::net::{IpAddr, SocketAddr};
use toml::Spanned;

/// The port of DNS (RFC 1035 §4.2).
const DNS_PORT: u16 = 53;

/// `192.0.2.0/24`, or one address, which means itself.
pub(super) fn network(value: &Value<'_>) -> Result<IpNet, Problem> {
    let text = text(value, "a network such as \"192.0.2.0/24\"")?;
    let problem = || Problem::at(value.span(), format!("is no network: {}", quoted(text)));
    if let Ok(ip) = text.parse::<IpAddr>() {
        return if ip == ip.to_canonical() {
            Ok(IpNet::from(ip))
        } else {
            Err(mapped(problem(), &ip.to_canonical().to_string()))
        };
    }
    let network: IpNet = text
        .parse()
        .map_err(|_| problem().help("write \"192.0.2.0/24\", \"2001:db8::/32\", or one address"))?;
    if network != network.trunc() {
        let meant = network.trunc();
        return Err(problem()
            .here("an address inside a network")
            .help(format!("write \"{meant}\" for the network, or \"{}\" for the address", network.addr())));
    }
    match network {
        IpNet::V6(v6) if v6.prefix_len() >= 96 && v6.addr().to_ipv4_mapped().is_some() => {
            let ip = network.addr().to_canonical();
            Err(mapped(problem(), &format!("{ip}/{}", v6.prefix_len() - 96)))
        }
        network => Ok(network),
    }
}

/// Clients are compared as IPv4 where they are IPv4, so the other spelling would never match.
fn mapped(problem: Problem, canonical: &str) -> Problem {
    problem.here("IPv4 in IPv6 clothes").help(format!("write \"{canonical}\""))
}

/// `example.org`, or `*.example.org` for all below it.
pub(super) fn pattern(value: &Value<'_>) -> Result<Pattern, Problem> {
    let text = text(value, "a domain such as \"example.org\" or \"*.example.org\"")?;
    if text == "*" {
        return Err(Problem::at(
            value.span(),
            "should be a domain such as \"example.org\" or \"*.example.org\"",
        )
        .here("a star for everything"));
    }
    if text.trim_start_matches("*.").contains('*') || text.starts_with("*.*.") {
        return Err(Problem::at(value.span(), format!("is no domain or pattern: {}", quoted(text)))
            .help("a star stands once, in front: \"*.example.org\" is every domain below example.org"));
    }
    match text.strip_prefix("*.") {
        Some(parent) => domain_name(parent, value.span()).map(Pattern::Below),
        None => domain_name(text, value.span()).map(Pattern::Exactly),
    }
}

/// A name server: an address, with a port where it is not 53.
pub(super) fn name_server(value: &Value<'_>) -> Result<SocketAddr, Problem> {
    let text = text(value, "the address of a name server such as \"192.0.2.53\" or \"[::1]:5353\"")?;
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = match bare.parse::<IpAddr>() {
        Ok(ip) => Ok(SocketAddr::new(ip, DNS_PORT)),
        Err(_) => text.parse::<SocketAddr>(),
    };
    match address {
        Ok(address) if address.port() != 0 && !address.ip().is_unspecified() => {
            Ok(SocketAddr::new(address.ip().to_canonical(), address.port()))
        }
        _ => Err(Problem::at(value.span(), format!("is no address of a name server: {}", quoted(text)))
            .help("write an IP address, with a port where it is not 53: \"192.0.2.53\", \"127.0.0.1:5353\", \"[::1]:53\"")),
    }
}

/// Our own address on connections to others.
pub(super) fn source(value: &Value<'_>) -> Result<IpAddr, Problem> {
    let text = text(value, "an address of this host such as \"192.0.2.1\"")?;
    let problem = || Problem::at(value.span(), format!("is no address to connect from: {}", quoted(text)));
    let ip: IpAddr = text.parse().map_err(|_| problem().help("write IP addresses without ports"))?;
    if ip != ip.to_canonical() {
        return Err(mapped(problem(), &ip.to_canonical().to_string()));
    }
    if ip.is_unspecified() || ip.is_multicast() {
        return Err(problem().help("leave it out for the system's choice"));
    }
    Ok(ip)
}

/// `relay.example.org`, `192.0.2.1` or `[2001:db8::1]`, each with a `:port` where it is not this one.
pub(super) fn host_and_port(value: &Value<'_>, text: &str, port: u16) -> Result<(Host, u16), Problem> {
    let problem = || Problem::at(value.span(), format!("is no host and port: {}", quoted(text)));
    if text.parse::<std::net::Ipv6Addr>().is_ok() {
        return Err(problem()
            .here("an IPv6 address stands in [ ]")
            .help(format!("write \"[{text}]\" or \"[{text}]:{port}\"")));
    }
    let bracket = text.rfind(']').unwrap_or(0);
    let (host, port) = match text.rfind(':').filter(|at| *at > bracket) {
        None => (text, port),
        Some(at) => match text[at + 1..].parse::<u16>() {
            Ok(port) if port != 0 && !text[at + 1..].starts_with('+') => (&text[..at], port),
            _ => return Err(problem().here("a port is a number from 1 to 65535")),
        },
    };
    let inner = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if let Ok(ip) = inner.unwrap_or(host).parse::<IpAddr>() {
        return Ok((Host::Literal(ip.to_canonical()), port));
    }
    if inner.is_some() {
        return Err(problem()
            .here("[ ] is for IPv6 addresses")
            .help("write the name without brackets: its own addresses are used, never its MX records"));
    }
    domain_name(host, value.span()).map(|domain| (Host::Domain(domain), port))
}

/// `host:port` of a smart host, as the whole value.
pub(super) fn smarthost(value: &Value<'_>) -> Result<(Host, u16), Problem> {
    let text = text(value, "a host and a port such as \"relay.example.org:587\"")?;
    if let Some((scheme, rest)) = text.split_once("://") {
        let problem = Problem::at(value.span(), format!("is no host and port: {}", quoted(text)));
        return Err(match scheme {
            "smtp" => problem.help(format!("write \"{rest}\"")),
            _ => problem.help("write the host, with a port where it is not 25: \"relay.example.org:587\""),
        });
    }
    host_and_port(value, text, postrider_policy::limits::SMTP_PORT)
}

/// Every element of a list, read by `read`; what is wrong with one does not hide the others.
pub(super) fn list<T>(
    value: &Value<'_>,
    (key, example): (&str, &str),
    read: impl Fn(&Value<'_>) -> Result<T, Problem>,
    problems: &mut Vec<Problem>,
) -> Vec<Spanned<T>> {
    let toml::de::DeValue::Array(list) = value.get_ref() else {
        let problem = super::values::wrong_kind(value, &format!("a list such as {example}"));
        problems.push(problem.of_key(key));
        return Vec::new();
    };
    let mut read_in_order = Vec::new();
    for value in list {
        match read(value) {
            Ok(read) => read_in_order.push(Spanned::new(value.span(), read)),
            Err(problem) => problems.push(problem.of_key(key)),
        }
    }
    read_in_order
}
