//! A name server that answers from a table, for tests of commands that ask DNS. UDP only, IPv4 only.

#![allow(dead_code, reason = "each test file uses its part")]
#![expect(clippy::unwrap_used, reason = "clippy frees test functions, not their helpers")]

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

/// What is known of a name (RFC 1035 §3.2.2).
#[derive(Clone)]
pub(crate) enum Record {
    A(Ipv4Addr),
    Mx(u16, &'static str),
    /// The whole name answers SERVFAIL.
    Broken,
}

const A: u16 = 1;
const MX: u16 = 15;
const NOERROR: u8 = 0;
const SERVFAIL: u8 = 2;
const NXDOMAIN: u8 = 3;

/// Starts it; it ends with the process. Gives where it listens.
pub(crate) fn name_server(table: &[(&str, Record)]) -> SocketAddr {
    let mut names: BTreeMap<Vec<u8>, Vec<Record>> = BTreeMap::new();
    for (name, record) in table {
        names.entry(encoded(name)).or_default().push(record.clone());
    }
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let address = socket.local_addr().unwrap();
    #[expect(clippy::disallowed_methods, reason = "a test may start a thread")]
    std::thread::spawn(move || {
        let mut packet = [0; 1500];
        while let Ok((octets, from)) = socket.recv_from(&mut packet) {
            if let Some(answer) = answer(&packet[..octets], &names) {
                socket.send_to(&answer, from).unwrap();
            }
        }
    });
    address
}

/// `example.org` as length-prefixed labels.
fn encoded(name: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    for label in name.split('.') {
        octets.push(u8::try_from(label.len()).unwrap());
        octets.extend(label.as_bytes());
    }
    octets.push(0);
    octets
}

/// The reply to a question of one name; nothing for what is no question.
fn answer(question: &[u8], names: &BTreeMap<Vec<u8>, Vec<Record>>) -> Option<Vec<u8>> {
    let name_end = 12 + question.get(12..)?.iter().position(|octet| *octet == 0)? + 1;
    let name = question.get(12..name_end)?.to_ascii_lowercase();
    let kind = u16::from_be_bytes(question.get(name_end..name_end + 2)?.try_into().ok()?);
    let records = names.get(&name);
    let code = match records {
        None => NXDOMAIN,
        Some(records) if records.iter().any(|record| matches!(record, Record::Broken)) => SERVFAIL,
        Some(_) => NOERROR,
    };
    let data: Vec<Vec<u8>> = records.into_iter().flatten().filter_map(|record| data(record, kind)).collect();
    let mut reply = question[..2].to_vec();
    reply.extend([0x85, 0x80 | code, 0, 1]);
    reply.extend(u16::try_from(data.len()).ok()?.to_be_bytes());
    reply.extend([0, 0, 0, 0]);
    reply.extend(&question[12..name_end + 4]);
    for data in data {
        // A pointer to the question's name, the type, class IN, a minute.
        reply.extend([0xc0, 12]);
        reply.extend(kind.to_be_bytes());
        reply.extend([0, 1, 0, 0, 0, 60]);
        reply.extend(u16::try_from(data.len()).ok()?.to_be_bytes());
        reply.extend(data);
    }
    Some(reply)
}

fn data(record: &Record, kind: u16) -> Option<Vec<u8>> {
    match (record, kind) {
        (Record::A(address), A) => Some(address.octets().to_vec()),
        (Record::Mx(preference, host), MX) => {
            let mut data = preference.to_be_bytes().to_vec();
            data.extend(if host.is_empty() { vec![0] } else { encoded(host) });
            Some(data)
        }
        _ => None,
    }
}
