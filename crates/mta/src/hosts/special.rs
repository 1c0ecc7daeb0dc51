//! Addresses that no mail host of another domain can have (RFC 6890).

use postrider_policy::route::Way;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What is special about an address that DNS must not lead to, unless the route allows it. The address is
/// canonical: IPv4, when it was an IPv4-mapped one.
pub(super) fn forbidden(address: IpAddr, way: &Way) -> Option<&'static str> {
    if way.allow.iter().any(|net| net.contains(&address)) {
        return None;
    }
    match address {
        IpAddr::V4(v4) => special_v4(v4),
        IpAddr::V6(v6) => special_v6(v6),
    }
}

fn special_v4(v4: Ipv4Addr) -> Option<&'static str> {
    match v4.octets() {
        [0, ..] => Some("it is unspecified (0.0.0.0/8)"),
        [127, ..] => Some("it is a loopback address"),
        [169, 254, ..] => Some("it is a link-local address"),
        [224..=239, ..] => Some("it is a multicast address"),
        [255, 255, 255, 255] => Some("it is the broadcast address"),
        _ => None,
    }
}

fn special_v6(v6: Ipv6Addr) -> Option<&'static str> {
    if v6.is_unspecified() {
        return Some("it is unspecified (::)");
    }
    if v6.is_loopback() {
        return Some("it is a loopback address");
    }
    if v6.is_unicast_link_local() {
        return Some("it is a link-local address");
    }
    if v6.is_multicast() {
        return Some("it is a multicast address");
    }
    embedded(v6).and_then(special_v4)
}

/// The IPv4 address that a gateway on the way would send to: IPv4-mapped and IPv4-compatible (RFC 4291
/// §2.5.5), 6to4 (RFC 3056), NAT64 (RFC 6052 §2.1; of RFC 8215's local prefix, the /96 form).
fn embedded(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let last = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Some(Ipv4Addr::new(a, b, c, d))
    };
    match v6.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] => last(high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => last(high, low),
        [0x64, 0xff9b, 1, _, _, _, high, low] => last(high, low),
        [0x2002, high, low, ..] => last(high, low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_forbidden(address: &str) -> bool {
        forbidden(address.parse().unwrap(), &Way::default()).is_some()
    }

    /// RFC 4291 §2.5.5, RFC 6052 §2.1
    #[test]
    fn what_is_nobodys_or_everybodys_is_forbidden_in_every_dress() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.169.254",
            "224.0.0.1",
            "239.255.255.255",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::127.0.0.1",
            "2002:7f00:1::1",
            "fe80::1",
            "febf::1",
            "ff02::1",
        ] {
            assert!(is_forbidden(address), "{address}");
        }
    }

    #[test]
    fn what_a_mail_host_can_have_is_not() {
        for address in [
            "1.0.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "126.255.255.255",
            "128.0.0.1",
            "169.253.0.1",
            "223.255.255.255",
            "240.0.0.1",
            "2001:db8::1",
            "fd00::1",
            "64:ff9b::192.0.2.1",
            "2002:c000:201::1",
            "fec0::1",
        ] {
            assert!(!is_forbidden(address), "{address}");
        }
    }

    #[test]
    fn the_route_may_allow_what_is_special() {
        let way = Way { allow: vec!["127.0.0.0/8".parse().unwrap()], ..Way::default() };
        assert_eq!(forbidden("127.0.0.2".parse().unwrap(), &way), None);
        assert!(forbidden("::1".parse().unwrap(), &way).is_some());
    }
}
