//! kill -9 at random moments under load. What was acknowledged is delivered, whole, to everyone; what is there
//! twice was sent twice.
//!
//! Several sessions send numbered messages to two mailboxes each. A message without a 250 is sent again in the
//! next round, as every mail server would. So there are two kinds of copies beyond the first: those that the
//! sender made by sending again what had been stored (RFC 1047 names the gap: killed between the commit and the
//! 250), which have queue ids of their own; and those that a repeated delivery would make, which would share a
//! queue id. The first kind is counted; of the second there must be none.

use postrider_tests::numbered::{Ledger, SESSIONS, known_by, round};
use postrider_tests::random::Random;
use postrider_tests::site::Site;
use postrider_tests::wait::until_true;
use std::collections::{BTreeMap, HashSet};

const ROUNDS: u64 = 50;
const RECIPIENTS: [&str; 2] = ["friend@local.example", "afair@local.example"];

/// Copies of each message in one mailbox, by number. Each is whole, and no two come from one acceptance.
fn copies(site: &Site, recipient: &str) -> BTreeMap<u64, u32> {
    let mut copies = BTreeMap::new();
    let mut queue_ids = HashSet::new();
    for (name, octets) in site.mail(recipient) {
        let (number, id) = known_by(&name, &octets);
        assert!(queue_ids.insert(id.clone()), "{id} was delivered to {recipient} twice");
        *copies.entry(number).or_default() += 1;
    }
    copies
}

#[test]
fn what_was_acknowledged_survives_kill_9_and_nothing_is_delivered_twice() {
    let rounds = std::env::var("POSTRIDER_KILL_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let mut random = Random::announced();
    let site = Site::local_example("");
    let ledger = Ledger::default();
    for _ in 0..rounds {
        round(site.serve(), &RECIPIENTS, &ledger, &mut random);
    }
    let server = site.serve();
    let ledger = ledger.into_inner().unwrap();
    let acknowledged = || ledger.iter().filter(|(_, known)| known.acknowledged).map(|(&number, _)| number);
    let stored: Vec<_> =
        RECIPIENTS.iter().map(|recipient| all_there(&site, recipient, acknowledged())).collect();
    // The last of it lies in its mailbox a moment before the queue has written so down.
    until_true("nothing is left in the queue", || site.postrider(&["queue", "list", "--json"]).is_empty());
    assert!(server.stop().success());
    let mut figures = (0, 0);
    for (recipient, copies) in RECIPIENTS.iter().zip(&stored) {
        for (number, &count) in copies {
            let known = ledger[number];
            assert!(count <= known.sent, "{number} was sent {} times, {recipient} has {count}", known.sent);
            figures.0 += u32::from(!known.acknowledged);
            figures.1 += count - 1;
        }
    }
    println!(
        "{rounds} rounds of kill -9, {SESSIONS} sessions: {} messages acknowledged, all of them in both mailboxes;\n\
         {} copies of messages that were stored though no 250 came;\n\
         {} second copies of messages that their sender sent again for want of a 250; none for any other reason",
        acknowledged().count(),
        figures.0,
        figures.1,
    );
    assert!(acknowledged().count() as u64 > rounds, "that was no load");
}

/// Waits until all of `numbers` are in the mailbox, then gives what else is there.
fn all_there(site: &Site, recipient: &str, numbers: impl Iterator<Item = u64>) -> BTreeMap<u64, u32> {
    let numbers: Vec<u64> = numbers.collect();
    let mut there = 0;
    until_true(&format!("all that was acknowledged is with {recipient}"), || {
        let now = site.mail(recipient).len();
        // Looking into every file is for when no more comes.
        std::mem::replace(&mut there, now) == now && now >= numbers.len() && {
            let copies = copies(site, recipient);
            numbers.iter().all(|number| copies.contains_key(number))
        }
    });
    copies(site, recipient)
}
