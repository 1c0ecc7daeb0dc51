//! The PROXY protocol: how a proxy says, before the first octet of a connection, for which client it speaks.
//! Versions 1 (a line) and 2 (binary), as HAProxy's `proxy-protocol.txt` defines them; no RFC does.
//!
//! [`parse`] knows neither sockets nor who may say this: that is for `listen` to ask of the operator's lists.
//! Extensions (TLVs) behind the addresses of version 2 are passed over, its checksum with them.

use crate::limits::{PROXY_OCTETS_MAX, PROXY_TIMEOUT};
use crate::listen::Stream;
use postrider_mail::Text;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What opens a header of version 2: nothing that a client of any text protocol says.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Octets of the longest line of version 1, with its CRLF.
const LINE_OCTETS_MAX: usize = 107;

/// What the first octets of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// Perhaps a header, and not all of it.
    Incomplete,
    /// A header of this many octets.
    Whole {
        /// Octets of the header; what follows is the client's.
        octets: usize,
        /// The client; [`NOWHERE`] where it is a client of which the proxy tells no IP address. `None`: the proxy
        /// speaks for itself (`LOCAL`).
        client: Option<SocketAddr>,
    },
    /// No header, because.
    Not(&'static str),
}

/// Where a client is of which nobody knows the address: in nobody's network. It has none of its proxy's rights.
pub const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// Looks at the first octets of a connection.
pub fn parse(input: &[u8]) -> Header {
    let opens = |with: &[u8]| input.starts_with(with) || with.starts_with(input);
    if opens(SIGNATURE) {
        binary(input)
    } else if opens(b"PROXY ") {
        line(input)
    } else {
        Header::Not("it does not begin with a PROXY header")
    }
}

/// `PROXY TCP4|TCP6 source destination source-port destination-port CRLF`, or `PROXY UNKNOWN … CRLF`.
fn line(input: &[u8]) -> Header {
    let bounded = &input[..input.len().min(LINE_OCTETS_MAX)];
    let Some(end) = memchr::memmem::find(bounded, b"\r\n") else {
        let is_too_long = input.len() >= LINE_OCTETS_MAX;
        return if is_too_long { Header::Not("its PROXY line is too long") } else { Header::Incomplete };
    };
    let octets = end + 2;
    let line = std::str::from_utf8(&input[..end]).unwrap_or_default();
    let mut words = line.split(' ').skip(1);
    let client = match words.next() {
        Some("UNKNOWN") => return Header::Whole { octets, client: Some(NOWHERE) },
        Some("TCP4") => addresses::<Ipv4Addr>(words),
        Some("TCP6") => addresses::<Ipv6Addr>(words),
        _ => None,
    };
    match client {
        Some(client) => Header::Whole { octets, client: Some(client) },
        None => Header::Not("its PROXY line is malformed"),
    }
}

/// The source, where all four words are well formed and nothing follows.
fn addresses<'a, A: std::str::FromStr + Into<IpAddr>>(
    mut words: impl Iterator<Item = &'a str>,
) -> Option<SocketAddr> {
    let source: A = words.next()?.parse().ok()?;
    let _destination: A = words.next()?.parse().ok()?;
    let source_port = port(words.next()?)?;
    let _destination_port = port(words.next()?)?;
    words.next().is_none().then(|| SocketAddr::new(source.into(), source_port))
}

fn port(word: &str) -> Option<u16> {
    let is_plain = word.bytes().all(|b| b.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
    word.parse().ok().filter(|_| is_plain)
}

/// The signature, version and command, family and protocol, the length of the rest, addresses.
fn binary(input: &[u8]) -> Header {
    let Some((head, rest)) = input.split_first_chunk::<16>() else { return Header::Incomplete };
    let length = usize::from(u16::from_be_bytes([head[14], head[15]]));
    let octets = head.len() + length;
    if octets > PROXY_OCTETS_MAX {
        return Header::Not("its PROXY header is too long");
    }
    let speaks_for_itself = match head[12] {
        0x20 => true,
        0x21 => false,
        _ => return Header::Not("its PROXY header is of no version or command that we know"),
    };
    let Some(rest) = rest.get(..length) else { return Header::Incomplete };
    let client = match head[13] {
        _ if speaks_for_itself => None,
        0x11 => match source::<4, 12>(rest) {
            Some((address, port)) => Some(SocketAddr::new(Ipv4Addr::from(address).into(), port)),
            None => return Header::Not("its PROXY header has no room for addresses"),
        },
        0x21 => match source::<16, 36>(rest) {
            Some((address, port)) => Some(SocketAddr::new(Ipv6Addr::from(address).into(), port)),
            None => return Header::Not("its PROXY header has no room for addresses"),
        },
        // Datagrams, Unix sockets, families yet to come.
        _ => Some(NOWHERE),
    };
    Header::Whole { octets, client }
}

/// The source's address of `A` octets, and its port, of a block of `ALL`: both addresses, then both ports.
fn source<const A: usize, const ALL: usize>(rest: &[u8]) -> Option<([u8; A], u16)> {
    let block = rest.first_chunk::<ALL>()?;
    let address = block.first_chunk::<A>()?;
    let port = block.get(2 * A..)?.first_chunk::<2>()?;
    Some((*address, u16::from_be_bytes(*port)))
}

/// The client that a proxy names at the start of a connection, and the octets read behind that; or why it
/// named none. Reads no more than a header may have, and not for long.
pub(crate) async fn introduction(stream: &Stream) -> Result<(Option<SocketAddr>, Vec<u8>), Text> {
    match tokio::time::timeout(PROXY_TIMEOUT, read(stream)).await {
        Ok(read) => read,
        Err(_) => Err(Text::from(format!("it sent no PROXY header within {} s", PROXY_TIMEOUT.as_secs()))),
    }
}

async fn read(stream: &Stream) -> Result<(Option<SocketAddr>, Vec<u8>), Text> {
    let broke = |error: std::io::Error| Text::from(format!("the connection broke: {error}"));
    let mut read = vec![0; PROXY_OCTETS_MAX];
    let mut octets = 0;
    loop {
        match parse(&read[..octets]) {
            Header::Whole { octets: header, client } => {
                read.truncate(octets);
                read.drain(..header);
                return Ok((client, read));
            }
            Header::Not(why) => return Err(Text::literal(why)),
            Header::Incomplete => {}
        }
        // An incomplete header is shorter than the longest, so there is room.
        stream.readable().await.map_err(broke)?;
        match stream.try_read(&mut read[octets..]).map_err(broke)? {
            Some(0) => return Err(Text::literal("it closed the connection before a whole PROXY header")),
            more => octets += more.unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, rest].concat()
    }

    fn whole(octets: usize, client: &str) -> Header {
        Header::Whole { octets, client: Some(client.parse().unwrap()) }
    }

    const V4: [u8; 12] = [192, 0, 2, 1, 198, 51, 100, 1, 0x30, 0x39, 0, 25];

    #[test]
    fn a_line_names_the_client() {
        assert_eq!(
            parse(b"PROXY TCP4 192.0.2.1 198.51.100.1 12345 25\r\nEHLO"),
            whole(44, "192.0.2.1:12345")
        );
        assert_eq!(parse(b"PROXY TCP6 2001:db8::1 ::1 9 25\r\n"), whole(33, "[2001:db8::1]:9"));
        let unknown = Header::Whole { octets: 15, client: Some(NOWHERE) };
        assert_eq!(parse(b"PROXY UNKNOWN\r\n"), unknown);
        let long = format!("PROXY UNKNOWN {}\r\n", "f".repeat(91));
        assert_eq!(parse(long.as_bytes()), Header::Whole { octets: 107, client: Some(NOWHERE) });
        assert_eq!(parse(format!("PROXY UNKNOWN {}", "f".repeat(91)).as_bytes()), Header::Incomplete);
    }

    #[test]
    fn a_malformed_line_is_no_header() {
        for bad in [
            "EHLO client.example\r\n",
            "PROXY\r\n",
            "PROXY \r\n",
            "PROXY TCP4\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 12345\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 12345 25 \r\n",
            "PROXY TCP4 192.0.2.1  198.51.100.1 12345 25\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 +1 25\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 01 25\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 65536 25\r\n",
            "PROXY TCP4 ::1 ::1 1 25\r\n",
            "PROXY TCP6 192.0.2.1 198.51.100.1 1 25\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 1 25\n\r\n",
            "PROXY UDP4 192.0.2.1 198.51.100.1 1 25\r\n",
            "proxy TCP4 192.0.2.1 198.51.100.1 1 25\r\n",
        ] {
            assert!(matches!(parse(bad.as_bytes()), Header::Not(_)), "{bad:?}");
        }
        let endless = format!("PROXY UNKNOWN {}", "f".repeat(93));
        assert_eq!(parse(endless.as_bytes()), Header::Not("its PROXY line is too long"));
    }

    #[test]
    fn a_binary_header_names_the_client_with_whatever_stands_behind_the_addresses() {
        assert_eq!(parse(&v2(0x21, 0x11, &V4)), whole(28, "192.0.2.1:12345"));
        let with_extensions = [&V4[..], &[0x04, 0, 3, 1, 2, 3]].concat();
        assert_eq!(parse(&v2(0x21, 0x11, &with_extensions)), whole(34, "192.0.2.1:12345"));
        let mut v6 = [0; 36];
        v6[15] = 1;
        v6[33] = 7;
        assert_eq!(parse(&v2(0x21, 0x21, &v6)), whole(52, "[::1]:7"));
    }

    #[test]
    fn a_proxy_that_speaks_for_itself_names_nobody() {
        for header in [v2(0x20, 0x00, &[]), v2(0x20, 0x11, &V4)] {
            assert_eq!(parse(&header), Header::Whole { octets: header.len(), client: None });
        }
    }

    #[test]
    fn a_client_without_an_ip_address_is_nowhere_and_not_the_proxy() {
        for header in [v2(0x21, 0x00, &[1, 2]), v2(0x21, 0x12, &V4), v2(0x21, 0x31, &[0; 216])] {
            assert_eq!(parse(&header), Header::Whole { octets: header.len(), client: Some(NOWHERE) });
        }
    }

    #[test]
    fn a_malformed_binary_header_is_none() {
        for bad in [
            v2(0x11, 0x11, &V4),
            v2(0x22, 0x11, &V4),
            v2(0x21, 0x11, &V4[..11]),
            v2(0x21, 0x21, &V4),
            v2(0x21, 0x11, &[0; PROXY_OCTETS_MAX]),
        ] {
            assert!(matches!(parse(&bad), Header::Not(_)), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn a_header_is_incomplete_until_it_is_whole_and_what_follows_is_not_looked_at(
            header in prop_oneof![
                Just(v2(0x21, 0x11, &V4)),
                Just(v2(0x20, 0x00, &[9; 40])),
                Just(b"PROXY TCP4 192.0.2.1 198.51.100.1 12345 25\r\n".to_vec()),
                Just(b"PROXY UNKNOWN and whatever\r\n".to_vec()),
            ],
            behind in proptest::collection::vec(any::<u8>(), 0..40)
        ) {
            let whole = parse(&header);
            for end in 0..header.len() {
                prop_assert_eq!(parse(&header[..end]), Header::Incomplete);
            }
            prop_assert_eq!(parse(&[header, behind].concat()), whole);
        }

        #[test]
        fn any_octets_are_judged(octets in proptest::collection::vec(any::<u8>(), 0..200), signed in any::<bool>()) {
            let octets = if signed { [&SIGNATURE[..], &octets].concat() } else { octets };
            if let Header::Whole { octets: header, .. } = parse(&octets) {
                prop_assert!(header <= octets.len() && header <= PROXY_OCTETS_MAX);
            }
        }
    }
}
