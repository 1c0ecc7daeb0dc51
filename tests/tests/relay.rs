//! What `cargo xtask bench` measures of relaying, on a scale that fits every test run: nothing is lost, nothing comes
//! twice, and nobody waits for others' trouble.

use postrider_tests::load::crowd::Crowd;
use postrider_tests::load::throughput::Load;
use postrider_tests::load::{Relay, fanout, throughput};
use std::time::Duration;

/// For how long a connection to a dead host is tried, where nothing is configured.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

#[test]
fn from_smtp_source_to_smtp_sink_nothing_is_lost() {
    let load = Load { messages: 500, sessions: 20, octets: 4096 };
    let passed = throughput::through(|onward| Some(Relay::postrider(onward, "")), load);
    println!("{passed:?}");
}

#[test]
fn one_message_to_a_thousand_recipients_of_one_host_is_one_transaction() {
    let fanned = fanout::through(|onward| Some(Relay::postrider(onward, "")), 1000);
    let (_, fanned) = fanned.expect("it needs no other program");
    println!("{fanned:?}");
    assert_eq!((fanned.transactions, fanned.connections), (1, 1));
}

#[test]
fn dead_and_limited_hosts_do_not_keep_the_others_from_their_mail() {
    let crowd = Crowd {
        messages: 1500,
        domains: 30,
        black_holes: 2,
        refusing: 1,
        limited: 2,
        thinks: Duration::from_millis(5),
        limited_thinks: Duration::from_millis(500),
    };
    let (Some(alone), Some(all)) = (crowd.without_trouble().run(), crowd.run()) else { return };
    println!(
        "healthy alone: last after {:?}; among all: last after {:?}",
        alone.healthy.last, all.healthy.last
    );
    println!(
        "limited: {} attempts, {} deferred, {} connections heard 421, last after {:?}",
        all.limited.attempts, all.limited.deferred, all.limited.refused, all.limited.last
    );
    assert!(all.healthy.last < CONNECT_TIMEOUT, "nobody waited for even one of the dead");
    assert!(all.limited.attempts >= all.limited.sent, "the journal tells of every attempt");
    assert!(all.limited.deferred_share() <= 0.2, "{}", all.limited.deferred_share());
    assert_eq!(all.dead.times.len(), 0);
}
