//! Mail that leaves: the dispatcher, its couriers and the sites, against hosts in memory.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::network::{Manner, Network, zone};
use common::{Running, Surroundings, wait_for};
use postrider_mail::dns::Zone;
use postrider_mta::{Outbound, Settings};
use postrider_policy::route::{Hop, Matches, Rule, Way};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Everything that is not local leaves by MX, and the test's client may send anywhere.
fn relay(settings: &mut Settings) {
    settings.rules.relay.from = vec!["127.0.0.0/8".parse().unwrap()];
    settings.rules.routes.push(Rule { matches: Matches::Everything, hop: Hop::Mx(Arc::new(Way::default())) });
    settings.outbound = Outbound { rest: Duration::from_secs(30), ..Outbound::default() };
}

fn start(network: &Arc<Network>, zone: Zone) -> Running {
    let surroundings = Surroundings {
        net: Arc::clone(network) as Arc<dyn postrider_mta::net::Net>,
        resolver: Arc::new(zone),
        ..Surroundings::default()
    };
    common::start_in(surroundings, relay)
}

fn submit(running: &Running, messages: usize, to: impl Fn(usize) -> Vec<String>) {
    let mut client = running.connect().greeted();
    for number in 0..messages {
        let to = to(number);
        let to: Vec<&str> = to.iter().map(String::as_str).collect();
        let reply = client.submit(&to, &format!("Subject: {number}\r\n\r\nnumber {number}\r\n"));
        assert!(reply.starts_with("250"), "{reply}");
    }
}

fn to(address: &str) -> impl Fn(usize) -> Vec<String> {
    let address = address.to_owned();
    move |_| vec![address.clone()]
}

fn is_empty(running: &Running) -> bool {
    running.queued().messages.is_empty()
}

#[test]
fn a_message_goes_to_the_best_exchanger_and_its_story_tells_so() {
    let network = Arc::new(Network::default());
    let (best, other) =
        (network.host("192.0.2.1:25", Manner::Good), network.host("192.0.2.2:25", Manner::Good));
    let running = start(&network, zone(&[("a.example", &["192.0.2.1", "192.0.2.2"])]));
    submit(&running, 1, to("x@a.example"));
    wait_for("an empty queue", || is_empty(&running));
    assert_eq!((best.messages(), other.messages()), (1, 0));
    let (recipients, content) = best.taken.lock().unwrap()[0].clone();
    assert_eq!(recipients, ["<x@a.example>"]);
    assert!(content.starts_with("Received: from ") && content.ends_with("\r\n\r\nnumber 0\r\n"), "{content}");
    wait_for("the story", || running.story("x@a.example").contains("relayed"));
    let story = running.story("x@a.example");
    for words in
        ["mx0.a.example", "192.0.2.1:25", "C: MAIL FROM:<sender@client.example>", "S: 250 2.0.0 taken"]
    {
        assert!(story.contains(words), "{words} is not in\n{story}");
    }
}

#[test]
fn a_host_that_cannot_be_reached_or_will_not_serve_is_passed_over_for_the_next() {
    for manner in [
        Manner::Down,
        Manner::Greets("421 4.3.2 not now"),
        Manner::Greets("554 5.7.1 never"),
        Manner::Greets("521 5.3.2 no mail here"),
        Manner::Greets("nonsense"),
    ] {
        let network = Arc::new(Network::default());
        network.host("192.0.2.1:25", manner);
        let second = network.host("192.0.2.2:25", Manner::Good);
        let running = start(&network, zone(&[("a.example", &["192.0.2.1", "192.0.2.2"])]));
        submit(&running, 1, to("x@a.example"));
        wait_for("an empty queue", || is_empty(&running));
        assert_eq!(second.messages(), 1, "{manner:?}");
    }
}

#[test]
fn it_fails_only_when_every_host_refuses_for_good() {
    let network = Arc::new(Network::default());
    network.host("192.0.2.1:25", Manner::Greets("554 5.7.1 never"));
    network.host("192.0.2.2:25", Manner::Greets("554 5.7.1 nor here"));
    network.host("192.0.2.3:25", Manner::Greets("450 4.7.1 later"));
    let domains: [(&str, &[&str]); 2] =
        [("all.example", &["192.0.2.1", "192.0.2.2"]), ("some.example", &["192.0.2.3", "192.0.2.2"])];
    let running = start(&network, zone(&domains));
    submit(&running, 1, to("x@all.example"));
    wait_for("a failure", || running.story("x@all.example").contains("failed: 554 5.7.1 nor here"));
    submit(&running, 1, to("x@some.example"));
    wait_for("a deferral", || running.story("x@some.example").contains("deferred: 450 4.7.1 later"));
}

/// RFC 1047
#[test]
fn what_was_lost_after_the_dot_is_deferred_and_said_to_perhaps_arrive_twice() {
    let network = Arc::new(Network::default());
    network.host("192.0.2.1:25", Manner::LostAfterDot);
    let second = network.host("192.0.2.2:25", Manner::Good);
    let running = start(&network, zone(&[("a.example", &["192.0.2.1", "192.0.2.2"])]));
    submit(&running, 1, to("x@a.example"));
    wait_for("a deferral", || running.story("x@a.example").contains("deferred"));
    assert!(running.story("x@a.example").contains("twice"), "{}", running.story("x@a.example"));
    assert_eq!(second.messages(), 0);
}

#[test]
fn a_host_that_takes_five_connections_gets_no_more_and_nothing_is_deferred() {
    let network = Arc::new(Network::default());
    let limited = network.host("192.0.2.1:25", Manner::Limited(5));
    let running = start(&network, zone(&[("a.example", &["192.0.2.1"])]));
    running.pause();
    submit(&running, 300, to("x@a.example"));
    running.resume();
    wait_for("all of them", || limited.messages() == 300);
    wait_for("an empty queue", || is_empty(&running));
    let story = running.story("x@a.example");
    assert!(!story.contains("deferred"), "{story}");
}

#[test]
fn connections_are_used_again_and_one_that_ended_is_no_attempt() {
    let network = Arc::new(Network::default());
    let (good, one_each) =
        (network.host("192.0.2.1:25", Manner::Good), network.host("192.0.2.2:25", Manner::OneEach));
    let domains: [(&str, &[&str]); 2] = [("a.example", &["192.0.2.1"]), ("b.example", &["192.0.2.2"])];
    let running = start(&network, zone(&domains));
    submit(&running, 40, |number| vec![format!("x@{}.example", if number % 2 == 0 { "a" } else { "b" })]);
    wait_for("all of them", || good.messages() == 20 && one_each.messages() == 20);
    wait_for("an empty queue", || is_empty(&running));
    assert!(good.connections.load(Ordering::SeqCst) <= 4, "{}", good.connections.load(Ordering::SeqCst));
    assert!(!running.story("x@b.example").contains("attempt 2"), "{}", running.story("x@b.example"));
}

#[test]
fn a_host_that_names_its_limits_is_not_asked_for_more() {
    let network = Arc::new(Network::default());
    let one_each = network.host("192.0.2.1:25", Manner::Offers("LIMITS MAILMAX=1"));
    let one_domain = network.host("192.0.2.9:587", Manner::Offers("LIMITS RCPTDOMAINMAX=1"));
    let running = start(&network, zone(&[("a.example", &["192.0.2.1"])]));
    submit(&running, 6, to("x@a.example"));
    wait_for("an empty queue", || is_empty(&running));
    assert_eq!((one_each.messages(), one_each.connections.load(Ordering::SeqCst)), (6, 6));
    running.reconfigure(|settings| {
        let way = Way { port: 587, ..Way::default() };
        settings.rules.routes[1].hop = Hop::Smarthost("[192.0.2.9]".parse().unwrap(), Arc::new(way));
    });
    submit(&running, 1, |_| {
        ["a@x.example", "b@y.example", "c@x.example", "d@z.example"].map(str::to_owned).to_vec()
    });
    wait_for("an empty queue", || is_empty(&running));
    let taken = one_domain.taken.lock().unwrap().clone();
    let recipients: Vec<_> = taken.into_iter().map(|(recipients, _)| recipients).collect();
    assert_eq!(
        recipients,
        [vec!["<a@x.example>", "<c@x.example>"], vec!["<b@y.example>"], vec!["<d@z.example>"]]
    );
    wait_for("the story", || running.story("d@z.example").contains("relayed"));
    let story = running.story("d@z.example");
    assert!(
        story.contains("the host takes no more over this connection") && !story.contains("deferred"),
        "{story}"
    );
}

#[test]
fn a_host_that_takes_one_recipient_at_a_time_gets_a_bounded_number_at_once() {
    let network = Arc::new(Network::default());
    let host = network.host("192.0.2.1:25", Manner::Offers("LIMITS MAILMAX=1 RCPTMAX=1"));
    let running = start(&network, zone(&[("a.example", &["192.0.2.1"])]));
    submit(&running, 1, |_| (0..40).map(|number| format!("r{number}@a.example")).collect());
    wait_for("the story", || running.story("r39@a.example").contains("deferred: 452 4.5.3"));
    assert_eq!((host.messages(), host.connections.load(Ordering::SeqCst)), (32, 32));
}

#[test]
fn it_fails_where_every_host_says_that_it_takes_no_mail() {
    let network = Arc::new(Network::default());
    network.host("192.0.2.1:25", Manner::Greets("521 no mail here"));
    network.host("192.0.2.2:25", Manner::Greets("521 nor here"));
    let running = start(&network, zone(&[("a.example", &["192.0.2.1", "192.0.2.2"])]));
    submit(&running, 1, to("x@a.example"));
    wait_for("a failure", || running.story("x@a.example").contains("failed: 521 nor here"));
}

#[test]
fn one_message_to_many_recipients_is_one_transaction_where_the_peer_allows() {
    let network = Arc::new(Network::default());
    let (all, forty) =
        (network.host("192.0.2.1:25", Manner::Good), network.host("192.0.2.2:25", Manner::Recipients(40)));
    let domains: [(&str, &[&str]); 2] = [("a.example", &["192.0.2.1"]), ("b.example", &["192.0.2.2"])];
    let running = start(&network, zone(&domains));
    submit(&running, 1, |_| (0..350).map(|number| format!("r{number}@a.example")).collect());
    submit(&running, 1, |_| (0..350).map(|number| format!("r{number}@b.example")).collect());
    wait_for("an empty queue", || is_empty(&running));
    let sizes = |host: &common::network::Host| -> Vec<usize> {
        host.taken.lock().unwrap().iter().map(|(recipients, _)| recipients.len()).collect()
    };
    assert_eq!(sizes(&all), [350]);
    assert_eq!(sizes(&forty), [40, 40, 40, 40, 40, 40, 40, 40, 30]);
}

#[test]
fn a_dead_host_is_tried_seldom_and_what_waits_for_it_hears_why() {
    let network = Arc::new(Network::default());
    let dead = network.host("192.0.2.1:25", Manner::Down);
    let running = start(&network, zone(&[("a.example", &["192.0.2.1"])]));
    submit(&running, 60, to("x@a.example"));
    let deferred = || {
        let listed = running.queued().messages;
        listed.iter().filter(|message| message.recipients[0].last_reply.is_some()).count()
    };
    wait_for("all of them deferred", || deferred() == 60);
    assert!(dead.connections.load(Ordering::SeqCst) <= 6, "{}", dead.connections.load(Ordering::SeqCst));
    let listed = running.queued().messages;
    for message in &listed {
        let reply = message.recipients[0].last_reply.as_ref().unwrap().to_string();
        assert!(reply.contains("connection refused"), "{reply}");
    }
}

#[test]
fn a_dead_first_exchanger_does_not_narrow_the_way_to_the_second() {
    let network = Arc::new(Network::default());
    let dead = network.host("192.0.2.1:25", Manner::Down);
    let second = network.host("192.0.2.2:25", Manner::Good);
    let running = start(&network, zone(&[("a.example", &["192.0.2.1", "192.0.2.2"])]));
    submit(&running, 5, to("x@a.example"));
    wait_for("the first", || second.messages() == 5);
    running.pause();
    submit(&running, 300, to("x@a.example"));
    running.resume();
    wait_for("all of them", || second.messages() == 305);
    wait_for("an empty queue", || is_empty(&running));
    assert!(dead.connections.load(Ordering::SeqCst) <= 6);
    let connections = second.connections.load(Ordering::SeqCst);
    assert!(connections > 3, "only {connections} connections for a window that has grown");
}

#[test]
fn a_slow_destination_delays_no_other() {
    let network = Arc::new(Network::default());
    let (slow, quick) =
        (network.host("192.0.2.1:25", Manner::Slow), network.host("192.0.2.2:25", Manner::Good));
    let domains: [(&str, &[&str]); 2] = [("slow.example", &["192.0.2.1"]), ("quick.example", &["192.0.2.2"])];
    let running = start(&network, zone(&domains));
    submit(&running, 300, to("x@slow.example"));
    submit(&running, 20, to("x@quick.example"));
    wait_for("the quick ones", || quick.messages() == 20);
    assert_eq!(slow.messages(), 0);
    slow.let_go();
    wait_for("the slow ones", || slow.messages() == 300);
    wait_for("an empty queue", || is_empty(&running));
}

#[test]
fn what_waits_follows_a_change_of_the_routes() {
    let network = Arc::new(Network::default());
    network.host("192.0.2.1:25", Manner::Down);
    let smarthost = network.host("192.0.2.9:587", Manner::Good);
    let running = start(&network, zone(&[("a.example", &["192.0.2.1"]), ("b.example", &["192.0.2.1"])]));
    running.pause();
    submit(&running, 30, |number| vec![format!("x@{}.example", if number % 2 == 0 { "a" } else { "b" })]);
    running.reconfigure(|settings| {
        let way = Way { port: 587, ..Way::default() };
        let hop = Hop::Smarthost("[192.0.2.9]".parse().unwrap(), Arc::new(way));
        settings.rules.routes[1].hop = hop;
    });
    running.resume();
    wait_for("all of them", || smarthost.messages() == 30);
    wait_for("an empty queue", || is_empty(&running));
}

#[test]
fn routes_that_discard_and_hold_do_so() {
    let network = Arc::new(Network::default());
    let host = network.host("192.0.2.1:25", Manner::Good);
    let running = start(&network, zone(&[("held.example", &["192.0.2.1"])]));
    running.reconfigure(|settings| {
        let these = |name: &str, hop| {
            let pattern = postrider_policy::route::Pattern::Exactly(name.parse().unwrap());
            Rule { matches: Matches::These(vec![pattern]), hop }
        };
        settings.rules.routes.insert(0, these("held.example", Hop::Hold));
        settings.rules.routes.insert(0, these("gone.example", Hop::Discard));
    });
    submit(&running, 1, to("x@gone.example"));
    wait_for("nothing left", || is_empty(&running));
    wait_for("the story", || running.story("x@gone.example").contains("discarded"));
    submit(&running, 1, to("x@held.example"));
    wait_for("a held message", || running.queued().messages.iter().any(|message| message.held.is_some()));
    running.release();
    wait_for("the released message", || host.messages() == 1);
    wait_for("an empty queue", || is_empty(&running));
}

#[test]
fn a_stopping_server_gives_back_what_only_waits() {
    let network = Arc::new(Network::default());
    network.host("192.0.2.1:25", Manner::Slow);
    let running = start(&network, zone(&[("slow.example", &["192.0.2.1"])]));
    submit(&running, 50, to("x@slow.example"));
    running.stop();
    let in_flight = || running.server.queue.stats().unwrap().in_flight;
    // Only those whose connection is being made or used are still out.
    wait_for("the others back", || in_flight() <= 3);
}
