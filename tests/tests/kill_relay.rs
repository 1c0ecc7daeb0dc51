//! kill -9 at random moments while mail passes through. What was acknowledged reaches the next host, whole; what
//! comes there twice was in the air when the server was killed, or was sent to us twice.
//!
//! A copy with a queue id of its own was made by the sender, who sent again what had been stored without a 250 (see
//! `kill.rs`). A second copy with the same queue id was on its way when the server was killed: the next host had it, and
//! the queue had not yet written so down (RFC 1047). There is at most one such for each connection of a kill.

use postrider_tests::numbered::{Ledger, SESSIONS, known_by, round};
use postrider_tests::peer::{Peer, Script};
use postrider_tests::random::Random;
use postrider_tests::site::Site;
use postrider_tests::wait::until_true;
use std::collections::BTreeMap;
use std::time::Duration;

const ROUNDS: u64 = 50;
const RECIPIENT: &str = "you@far.example";

/// Connections to the next host at a time, and so messages in the air.
const CONNECTIONS: usize = 8;

#[test]
fn what_was_acknowledged_reaches_the_next_host_though_kill_9_and_only_what_was_in_the_air_comes_twice() {
    let rounds = std::env::var("POSTRIDER_KILL_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let mut random = Random::announced();
    // A moment's thought keeps some in the air at any time.
    let peer = Peer::start(Script { thinks: Duration::from_millis(2), ..Script::default() });
    let site = Site::new();
    site.configure(&format!(
        "relay_from = [\"127.0.0.1\"]\n[domains.\"local.example\"]\n[retry]\nfirst = \"1s\"\ncap = \"1s\"\n\
         [[route]]\nto = \"smtp://{}\"\nconnections = {CONNECTIONS}\n",
        peer.address()
    ));
    let ledger = Ledger::default();
    // How many messages the host had seen the end of at each kill.
    let mut kills = Vec::new();
    for _ in 0..rounds {
        round(site.serve(), &[RECIPIENT], &ledger, &mut random);
        until_true("the host has read what had reached it", || peer.open() == 0);
        kills.push(peer.seen().len());
    }
    let server = site.serve();
    until_true("nothing is left in the queue", || site.postrider(&["queue", "list", "--json"]).is_empty());
    assert!(server.stop().success());
    let ledger = ledger.into_inner().unwrap();
    let mut copies: BTreeMap<u64, BTreeMap<String, Vec<usize>>> = BTreeMap::new();
    for (place, seen) in peer.seen().iter().enumerate() {
        let (number, id) = known_by("at the next host", &seen.content);
        copies.entry(number).or_default().entry(id).or_default().push(place);
    }
    let acknowledged = ledger.values().filter(|known| known.acknowledged).count();
    for (number, known) in &ledger {
        assert!(!known.acknowledged || copies.contains_key(number), "{number} was acknowledged and is lost");
    }
    let mut sent_again = 0;
    let mut in_the_air = vec![0; kills.len() + 1];
    for (number, ids) in &copies {
        let known = ledger[number];
        assert!(ids.len() <= known.sent as usize, "{number} was sent {} times, has ids {ids:?}", known.sent);
        sent_again += ids.len() - 1;
        // Every copy but the last was in the air at the first kill behind it.
        for place in ids.values().flat_map(|places| &places[..places.len() - 1]) {
            in_the_air[kills.partition_point(|seen| seen <= place)] += 1;
        }
    }
    println!(
        "{rounds} rounds of kill -9, {SESSIONS} sessions in, {CONNECTIONS} connections out: {acknowledged} messages \
         acknowledged, all of them at the next host;\n{sent_again} second copies of messages that their sender sent again \
         for want of a 250;\n{} second copies of messages that were in the air at a kill, at most {} at one",
        in_the_air.iter().sum::<usize>(),
        in_the_air.iter().max().unwrap_or(&0),
    );
    assert!(
        in_the_air.iter().all(|&copies| copies <= CONNECTIONS),
        "more than were in the air: {in_the_air:?}"
    );
    assert_eq!(in_the_air.last(), Some(&0), "nobody was killed at the end");
    assert!(acknowledged as u64 > rounds, "that was no load");
}
