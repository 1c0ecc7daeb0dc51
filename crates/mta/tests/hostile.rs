//! What goes wrong at once and elsewhere: defects, loops, a stop in the middle, crowds behind one host, DNS that
//! hides half of the truth.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::network::{Manner, Network, zone};
use common::{Running, Surroundings, wait_for};
use postrider_mail::Domain;
use postrider_mail::dns::{Exchange, LookUp, Mx, NoRecords, Question, Resolver, Zone};
use postrider_mta::Settings;
use postrider_policy::local::{DomainRules, Domains};
use postrider_policy::route::{EightBit, Hop, Matches, Pattern, Rule, Way};
use postrider_queue::State;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::Ordering;

fn relay(settings: &mut Settings) {
    settings.rules.relay.from = vec!["127.0.0.0/8".parse().unwrap()];
    settings.rules.routes.push(Rule { matches: Matches::Everything, hop: Hop::Mx(Arc::default()) });
}

fn start(network: &Arc<Network>, resolver: impl Resolver + 'static) -> Running {
    let surroundings = Surroundings {
        net: Arc::clone(network) as Arc<dyn postrider_mta::net::Net>,
        resolver: Arc::new(resolver),
        ..Surroundings::default()
    };
    common::start_in(surroundings, relay)
}

fn is_empty(running: &Running) -> bool {
    running.queued().messages.is_empty()
}

const HELLO: &str = "Subject: hello\r\n\r\nthe body\r\n";

/// DNS behind which one look-up is a defect.
struct Defective(Zone);

impl Resolver for Defective {
    fn mx<'a>(&'a self, name: &'a Domain) -> LookUp<'a, Mx> {
        assert!(name.ascii() != "defect.example", "a defect");
        Resolver::mx(&self.0, name)
    }
    fn a<'a>(&'a self, name: &'a Domain) -> LookUp<'a, Ipv4Addr> {
        self.0.a(name)
    }
    fn aaaa<'a>(&'a self, name: &'a Domain) -> LookUp<'a, Ipv6Addr> {
        self.0.aaaa(name)
    }
}

#[test]
fn a_defect_ends_one_attempt_and_no_more() {
    let network = Arc::new(Network::default());
    let good = network.host("192.0.2.1:25", Manner::Good);
    let running = start(&network, Defective(zone(&[("a.example", &["192.0.2.1"])])));
    let mut client = running.connect().greeted();
    for _ in 0..5 {
        client.submit(&["x@defect.example"], HELLO);
        client.submit(&["x@a.example"], HELLO);
    }
    wait_for("the sound ones", || good.messages() == 5);
    let held = || running.queued().messages.iter().filter(|message| message.held.is_some()).count();
    wait_for("the others held", || held() == 5);
    wait_for("nothing under way", || running.server.queue.stats().unwrap().in_flight == 0);
}

#[test]
fn no_refusal_is_the_last_word_while_dns_hides_another_host() {
    let network = Arc::new(Network::default());
    network.host("192.0.2.2:25", Manner::Greets("554 5.7.1 never"));
    let hidden: Domain = "mx0.a.example".parse().unwrap();
    let dns = zone(&[("a.example", &["192.0.2.1", "192.0.2.2"])]);
    let dns = [Question::A, Question::Aaaa]
        .into_iter()
        .fold(dns, |dns, question| dns.trouble_of(hidden.clone(), question, NoRecords::Timeout));
    let running = start(&network, dns);
    running.connect().greeted().submit(&["x@a.example"], HELLO);
    wait_for("a deferral", || running.story("x@a.example").contains("deferred: 451 4.4.3"));
}

#[test]
fn a_crowd_behind_one_host_shares_its_window_which_widens() {
    let network = Arc::new(Network::default());
    let host = network.host("192.0.2.1:25", Manner::Good);
    let shared: Domain = "mx.shared.example".parse().unwrap();
    let mut dns = Zone::default().address(shared.clone(), "192.0.2.1".parse().unwrap());
    for number in 0..300 {
        let mx = Mx { preference: 10, exchange: Exchange::Host(shared.clone()) };
        dns = dns.mx(format!("d{number}.example").parse().unwrap(), mx);
    }
    let running = start(&network, dns);
    running.pause();
    let mut client = running.connect().greeted();
    for number in 0..300 {
        client.submit(&[&format!("x@d{number}.example")], HELLO);
    }
    running.resume();
    wait_for("all of them", || host.messages() == 300);
    wait_for("an empty queue", || is_empty(&running));
    let connections = host.connections.load(Ordering::SeqCst);
    assert!((4..=20).contains(&connections), "{connections}");
}

#[test]
fn a_stop_gives_back_what_waits_and_nothing_that_is_under_way() {
    let network = Arc::new(Network::default());
    let host = network.host("192.0.2.9:587", Manner::Ponders);
    let running = start(&network, Zone::default());
    running.reconfigure(|settings| {
        let smarthost = |domain: &str, eight_bit| {
            let way = Way { port: 587, connections_max: 1, eight_bit, ..Way::default() };
            let hop = Hop::Smarthost("[192.0.2.9]".parse().unwrap(), Arc::new(way));
            Rule { matches: Matches::These(vec![Pattern::Exactly(domain.parse().unwrap())]), hop }
        };
        // The same key, and two ways.
        settings.rules.routes.insert(0, smarthost("a.example", EightBit::Send));
        settings.rules.routes.insert(0, smarthost("b.example", EightBit::Refuse));
    });
    running.connect().greeted().submit(&["x@a.example", "x@b.example"], HELLO);
    wait_for("the first is under way", || host.pondering.load(Ordering::SeqCst) == 1);
    running.stop();
    let states = || -> Vec<Option<State>> {
        let queued = running.queued().messages;
        queued.iter().flat_map(|message| message.recipients.iter().map(|one| one.state)).collect()
    };
    wait_for("one is back", || running.server.queue.stats().unwrap().waiting == 1);
    host.let_go();
    wait_for("the other is relayed", || states() == [Some(State::Relayed), Some(State::Waiting)]);
    assert_eq!(host.messages(), 1);
}

/// Two servers, each of which takes the other for the way to all that is not its own.
fn two_who_send_to_each_other() -> [Running; 2] {
    let servers = ["one.example", "two.example"].map(|name| {
        let running = common::start_in(Surroundings::default(), relay);
        running.reconfigure(|settings| settings.hostname = name.parse().unwrap());
        running
    });
    let [one, two] = &servers;
    for (here, there) in [(one, two), (two, one)] {
        here.reconfigure(|settings| {
            let way = Way { port: there.address.port(), ..Way::default() };
            let hop = Hop::Smarthost("[127.0.0.1]".parse().unwrap(), Arc::new(way));
            settings.rules.routes.insert(1, Rule { matches: Matches::Everything, hop });
        });
    }
    servers
}

#[test]
fn two_servers_that_send_to_each_other_end_it_with_one_notice_to_its_sender() {
    let servers = two_who_send_to_each_other();
    let [one, two] = &servers;
    let sender = "friend@local.example";
    one.connect().greeted().submit_from(sender, &["x@loop.example"], HELLO);
    one.connect().greeted().submit_from("", &["y@loop.example"], HELLO);
    let notices = || one.mail(sender).len() + two.mail(sender).len();
    wait_for("a notice", || notices() == 1);
    wait_for("empty queues", || servers.iter().all(is_empty));
    assert_eq!(notices(), 1);
    let notice = [one, two].iter().find_map(|server| server.mail(sender).pop()).unwrap();
    let notice = std::fs::read_to_string(notice).unwrap();
    assert!(notice.contains("Status: 5.4.6"), "{notice}");
}

#[test]
fn an_alias_that_leads_back_through_another_host_is_passed_once() {
    let servers = two_who_send_to_each_other();
    let [one, two] = &servers;
    two.reconfigure(|settings| {
        let domains =
            [("two.example".parse().unwrap(), DomainRules { verify: true, ..DomainRules::default() })];
        settings.rules.local.domains = Domains::These(domains.into());
    });
    one.directory.alias_at("staff@local.example", &["staff@two.example"]);
    two.directory.alias_at("staff@two.example", &["staff@local.example"]);
    let sender = "friend@local.example";
    let mut client = one.connect().greeted();
    client.expect(&format!("MAIL FROM:<{sender}>"), "250");
    client.expect("RCPT TO:<staff@local.example>", "251");
    client.expect("DATA", "354");
    client.send(HELLO.as_bytes());
    client.expect(".", "250");
    let notice = one.only_mail(sender);
    assert!(
        notice.contains("Status: 5.4.6") && notice.contains("has passed staff@local.example before"),
        "{notice}"
    );
    wait_for("empty queues", || servers.iter().all(is_empty));
    assert_eq!(one.mail(sender).len(), 1);
}
