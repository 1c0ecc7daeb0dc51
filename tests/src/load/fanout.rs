//! One message to many recipients at one destination: how long it takes, in how many transactions.

use super::{Figure, Relay, wait};
use crate::client::Client;
use crate::peer::{Peer, Script};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// What a relay made of it.
#[derive(Clone, Copy, Debug)]
pub struct Fanned {
    /// From the 250 until the last recipient had it.
    pub took: Duration,
    /// Transactions.
    pub transactions: usize,
    /// Connections.
    pub connections: u32,
}

/// Sends one message to so many recipients through the relay that `start` gives.
///
/// # Panics
/// When a recipient gets it twice, or never.
#[track_caller]
pub fn through(
    start: impl FnOnce(SocketAddr) -> Option<Relay>,
    recipients: usize,
) -> Option<(&'static str, Fanned)> {
    let peer = Peer::start(Script::default());
    let relay = start(peer.address())?;
    let mut client = Client::greeted(relay.address());
    let mut envelope = String::from("MAIL FROM:<sender@client.example>\r\n");
    for number in 0..recipients {
        envelope.push_str(&format!("RCPT TO:<r{number}@many.example>\r\n"));
    }
    envelope.push_str("DATA\r\n");
    client.send(envelope.as_bytes());
    for _ in 0..=recipients {
        client.hears("250");
    }
    client.hears("354");
    client.send(b"Subject: to many\r\n\r\nThe same for everyone.\r\n");
    client.says(".", "250");
    let began = Instant::now();
    let mut took = Duration::ZERO;
    wait(&format!("{recipients} recipients have it from {}", relay.name()), || {
        took = began.elapsed();
        peer.recipients() >= recipients
    });
    let seen = peer.seen();
    let mut all: Vec<&String> = seen.iter().flat_map(|seen| &seen.recipients).collect();
    all.sort();
    all.dedup();
    assert_eq!((all.len(), peer.recipients()), (recipients, recipients), "nobody twice");
    Some((relay.name(), Fanned { took, transactions: seen.len(), connections: peer.connections() }))
}

/// Both relays, one after the other.
#[track_caller]
pub fn compare(recipients: usize) -> Vec<Figure> {
    let ours = through(|onward| Some(Relay::postrider(onward, "")), recipients);
    let theirs = through(|onward| Relay::postfix(onward, ""), recipients);
    let figures = [ours, theirs].into_iter().flatten().map(|(name, fanned)| {
        let what = format!("one message to {recipients} recipients, {name}");
        [
            Figure::new(format!("{what}: time"), fanned.took.as_secs_f64() * 1e3, "ms"),
            Figure::new(format!("{what}: transactions"), fanned.transactions as f64, ""),
            Figure::new(format!("{what}: connections"), f64::from(fanned.connections), ""),
        ]
    });
    figures.flatten().collect()
}
