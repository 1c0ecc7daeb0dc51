//! Facts about the whole way from text to values. How broken files are told is in `tests/broken_*.rs`.

use super::limits::{FILE_OCTETS_MAX, PROBLEMS_SHOWN_MAX};
use super::reader::HOMES;
use super::report::Look;
use super::{Config, Listener, Place, Smtp};
use postrider_mail::Service;
use postrider_mta::listen::Purpose;
use postrider_mta::{BareNewlines, LongLines, Returned};
use postrider_policy::admit::EarlyTalkers;
use postrider_policy::route::{EightBit, Family, Hop};
use proptest::prelude::*;
use std::time::Duration;

/// Every key that works, with a value that is not its default.
const FULL: &str = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
listen = ["0.0.0.0:25"]
user = "postrider"
postmaster = "alice@example.org"
relay_from = ["192.0.2.0/24"]
relay_domains = ["example.com"]
proxy_from = ["192.0.2.10"]
xclient_from = ["192.0.2.11"]
xforward_from = ["192.0.2.12"]
smarthost = "relay.example.net:587"
[[listener]]
address = "127.0.0.1:24"
service = "lmtp"
tls = "none"
[[listener]]
address = "/run/postrider/lmtp"
mode = "0666"
[smtp]
long_lines = "refuse"
bare_newlines = "normalise"
greet_pause = "5s"
early_talkers = "refuse"
no_soliciting = ["net.example:ADV", "org.example:ADV:ADLT"]
future_release_max = "2d"
deliver_by_min = "1m"
etrn = ["example.com"]
[moved]
"old@example.org" = "new@example.com"
[domains."example.org"]
subaddress = "-"
verify = true
[domains."example.net"]
[domains."gone.example"]
mail = false
[[route]]
to = "local"
domains = ["example.org"]
[[route]]
to = "mx"
domains = ["*.example.com"]
port = 2525
ip = "prefer-4"
source = ["192.0.2.1", "2001:db8::1"]
eight_bit = "refuse"
connections = 5
allow = ["127.0.0.0/8"]
[dns]
servers = ["127.0.0.1:5353", "::1"]
timeout = "3s"
attempts = 3
[outbound]
connections = 50
connect_timeout = "10s"
reply_timeout = "2m"
idle_timeout = "1s"
messages_per_connection = 10
rest = "1m"
[notices]
returned = "message"
undeliverable_to_postmaster = true
[retry]
first = "1m"
factor = 2
cap = "1h"
jitter = 0.1
expiry = "2d"
delay_notice_after = "2h"
[limits]
message_size = "10MB"
recipients = 200
sessions = 500
sessions_per_peer = 20
hops = 30
content_in_flight = "16MiB"
[journal]
keep = "7d"
size = "100MiB"
"#;

fn parse(source: &str) -> Config {
    Config::parse("postrider.toml", source).unwrap_or_else(|broken| panic!("{}", broken.plain()))
}

/// The routes in force, as people read them.
fn routes(config: &Config) -> Vec<String> {
    config.routes.iter().map(|route| format!("{route} ({})", route.origin)).collect()
}

/// A file with these lines about where mail goes, and one local domain.
fn with_routes(lines: &str) -> String {
    format!("hostname = \"mx.example.org\"\ndata = \"/d\"\n{lines}\n[domains.\"example.org\"]\n")
}

fn is_broken(source: &str) -> bool {
    Config::parse("postrider.toml", source).is_err()
}

#[test]
fn five_lines_are_a_useful_file() {
    let config = parse(
        "hostname = \"mx.example.org\"\ndata = \"/var/lib/postrider\"\nlisten = [\"0.0.0.0:25\", \"[::]:25\"]\n\n\
         [domains.\"example.org\"]\n",
    );
    assert_eq!(config.listeners.len(), 2);
    assert_eq!(config.domains[0].subaddress.separator(), Some('+'));
    assert!(!config.domains[0].verify);
    assert_eq!(config.limits.message_octets, 50 * 1024 * 1024);
    assert_eq!(config.limits.sessions, None);
    assert_eq!(config.retry.longest, Duration::from_secs(4 * 3600));
    assert_eq!(config.relay.from, []);
    assert_eq!(
        routes(&config),
        [
            "local domains: local mailbox (by default)",
            "everything else: the domain's mail hosts (MX) (by default)"
        ]
    );
}

#[test]
fn nothing_listens_unless_it_is_written() {
    assert_eq!(parse("hostname = \"mx.example.org\"\ndata = \"/d\"\n").listeners, []);
}

#[test]
fn every_key_is_read_into_its_place() {
    let config = parse(FULL);
    assert_eq!(config.hostname.as_str(), "mx.example.org");
    assert_eq!(config.data.to_str(), Some("/var/lib/postrider"));
    assert_eq!(config.user.as_ref().unwrap().as_str(), "postrider");
    assert_eq!(config.postmaster.as_ref().unwrap().to_string(), "alice@example.org");
    assert_eq!(config.listeners[1].place, Place::Tcp("127.0.0.1:24".parse().unwrap()));
    assert_eq!(config.listeners[1].purpose, Purpose::Serve(Service::Lmtp));
    let socket = Place::Unix { path: "/run/postrider/lmtp".into(), mode: 0o666 };
    assert_eq!(config.listeners[2], Listener { place: socket, purpose: Purpose::Serve(Service::Mta) });
    assert_eq!(config.no_mail, ["gone.example".parse().unwrap()]);
    assert_eq!(config.moved, [("old@example.org".parse().unwrap(), "new@example.com".parse().unwrap())]);
    assert_eq!(config.domains[1].subaddress.separator(), Some('-'));
    assert!(config.domains[1].verify);
    assert_eq!(
        routes(&config),
        [
            "example.org: local mailbox ([[route]] on line 37)",
            "*.example.com: the domain's mail hosts (MX), port 2525, IPv4 first, from 192.0.2.1, from 2001:db8::1, \
             8-bit content only where 8BITMIME is offered, at most 5 connections to one host, also where DNS leads \
             to 127.0.0.0/8 ([[route]] on line 40)",
            "local domains: local mailbox (by default)",
            "everything else: smart host relay.example.net, port 587 (smarthost on line 12)",
        ]
    );
    let Hop::Mx(way) = &config.routes[1].rule.hop else { panic!() };
    assert_eq!((way.family, way.eight_bit, way.connections_max), (Family::PreferV4, EightBit::Refuse, 5));
    assert_eq!(config.relay.from, ["192.0.2.0/24".parse().unwrap()]);
    assert_eq!(config.relay.domains[0].to_string(), "example.com");
    assert_eq!(config.dns.servers, ["127.0.0.1:5353".parse().unwrap(), "[::1]:53".parse().unwrap()]);
    assert_eq!((config.dns.patience.timeout, config.dns.patience.rounds), (Duration::from_secs(3), 3));
    assert_eq!((config.outbound.connections_max, config.outbound.messages_per_connection), (50, 10));
    assert_eq!(config.outbound.connect_timeout, Duration::from_secs(10));
    assert_eq!(config.outbound.reply_timeout, Duration::from_secs(120));
    assert_eq!(config.outbound.idle_timeout, Duration::from_secs(1));
    assert_eq!(config.outbound.rest, Duration::from_secs(60));
    assert_eq!(config.notices.returned, Returned::Message);
    assert!(config.notices.undeliverable_to_postmaster);
    assert_eq!((config.retry.factor, config.retry.jitter), (2.0, 0.1));
    assert_eq!(config.retry.delay_notice_after, Some(Duration::from_secs(7200)));
    assert_eq!(config.retry.first, Duration::from_secs(60));
    assert_eq!(config.retry.expiry, Duration::from_secs(2 * 86_400));
    assert_eq!(config.limits.message_octets, 10_000_000);
    assert_eq!(config.limits.sessions.unwrap().get(), 500);
    assert_eq!(config.limits.content_in_flight_octets, 16 << 20);
    assert_eq!(config.journal.keep, Duration::from_secs(7 * 86_400));
    assert_eq!(config.journal.octets, 100 << 20);
}

#[test]
fn the_extremes_of_retry_reach_the_queue_as_they_are_written() {
    let millis = Duration::from_millis;
    let day = 86_400_000;
    for (first, cap, expiry, in_millis) in [
        ("1s", "1s", "2s", [1_000, 1_000, 2_000]),
        ("1s", "1s", "1s", [1_000, 1_000, 1_000]),
        ("1ms", "1ms", "200ms", [1, 1, 200]),
        ("2d", "100d", "365d", [2 * day, 100 * day, 365 * day]),
    ] {
        for (factor, jitter) in [("1", "0"), ("10.0", "0.5")] {
            let retry = format!("[retry]\nfirst = \"{first}\"\ncap = \"{cap}\"\nexpiry = \"{expiry}\"\n");
            let source = format!(
                "hostname = \"mx.example.org\"\ndata = \"/d\"\n{retry}factor = {factor}\njitter = {jitter}\n"
            );
            let retry = parse(&source).retry;
            assert_eq!([retry.first, retry.longest, retry.expiry], in_millis.map(millis), "{source}");
            assert_eq!((retry.factor, retry.jitter), (factor.parse().unwrap(), jitter.parse().unwrap()));
        }
    }
}

/// Lines of [`FULL`] without which the file means the same: `tls` has one value, `to` is required.
const SAME_WITHOUT: [&str; 1] = ["tls = \"none\""];

#[test]
fn every_accepted_key_changes_the_result() {
    let whole = parse(FULL);
    let lines: Vec<&str> = FULL.lines().collect();
    let keys = lines.iter().enumerate().filter(|(_, line)| line.contains(" = "));
    for (at, line) in keys.filter(|(_, line)| !SAME_WITHOUT.contains(line)) {
        // An empty line in its place: a route knows the line it stands on.
        let mut without = lines.clone();
        without[at] = "";
        match Config::parse("postrider.toml", &without.join("\n")) {
            Ok(config) => assert_ne!(config, whole, "`{line}` changes nothing"),
            Err(broken) => {
                let told = broken.plain();
                assert!(
                    ["missing", " has no ", "never used"].iter().any(|why| told.contains(why)),
                    "`{line}`: {told}"
                );
            }
        }
    }
}

#[test]
fn how_clients_are_treated_is_read_into_its_place() {
    let config = parse(FULL);
    let seconds = Duration::from_secs;
    let expected = Smtp {
        long_lines: LongLines::Refuse,
        bare_newlines: BareNewlines::Normalise,
        greet_pause: seconds(5),
        early_talkers: EarlyTalkers::Refuse,
        no_soliciting: Some("net.example:ADV,org.example:ADV:ADLT".parse().unwrap()),
        future_release_max: Some(seconds(2 * 24 * 60 * 60)),
        deliver_by_min: seconds(60),
        etrn: vec!["example.com".parse().unwrap()],
    };
    assert_eq!(config.smtp, expected);
    let trust = [&config.trust.proxy_from, &config.trust.xclient_from, &config.trust.xforward_from];
    assert_eq!(trust.map(|list| list[0].to_string()), ["192.0.2.10/32", "192.0.2.11/32", "192.0.2.12/32"]);
}

#[test]
fn zero_is_a_pause_and_a_least_time_and_never_is_no_release() {
    let config = parse(
        "hostname = \"m.x\"\ndata = \"/d\"\n[smtp]\ngreet_pause = \"0s\"\ndeliver_by_min = \"0s\"\n\
         future_release_max = \"never\"\n",
    );
    assert_eq!(config.smtp, Smtp { future_release_max: None, ..Smtp::default() });
}

#[test]
fn a_socket_is_open_to_its_owner_and_group_unless_it_says_otherwise() {
    let config = parse(
        "hostname = \"m.x\"\ndata = \"/d\"\n[[listener]]\naddress = \"/run//postrider/./lmtp\"\nservice = \"lmtp\"\n",
    );
    assert_eq!(config.listeners[0].place, Place::Unix { path: "/run/postrider/lmtp".into(), mode: 0o660 });
}

#[test]
fn etrn_may_name_a_local_domain_whose_mail_is_kept_elsewhere() {
    let source = with_routes(
        "[smtp]\netrn = [\"example.org\"]\n[[route]]\ndomains = [\"example.org\"]\nto = \"lmtp:/run/dovecot/lmtp\"",
    );
    assert_eq!(parse(&source).smtp.etrn.len(), 1);
}

#[test]
fn every_key_is_known_to_have_a_home() {
    // The keys of [moved] are addresses.
    let keys = FULL.lines().filter_map(|line| line.split_once(" = ")).map(|(key, _)| key);
    for key in keys.filter(|key| !key.contains('@')) {
        assert!(HOMES.iter().any(|(name, _)| *name == key), "{key} has no home");
    }
    for (key, _) in HOMES {
        assert!(FULL.contains(&format!("\n{key} = ")) || key == "domains", "{key} is at home nowhere");
    }
}

#[test]
fn no_misspelled_key_is_ignored() {
    for line in FULL.lines().filter(|line| line.contains(" = ")) {
        let misspelled = FULL.replace(line, &format!("{line}\nx{line}"));
        assert!(is_broken(&misspelled), "x{line}");
    }
}

#[test]
fn the_separator_of_subaddresses_can_be_switched_off() {
    for off in ["\"\"", "false"] {
        let config = parse(&FULL.replace("subaddress = \"-\"", &format!("subaddress = {off}")));
        assert_eq!(config.domains[1].subaddress.separator(), None);
    }
}

#[test]
fn zero_sessions_mean_what_the_system_allows() {
    assert_eq!(parse(&FULL.replace("sessions = 500", "sessions = 0")).limits.sessions, None);
}

#[test]
fn one_peer_may_have_all_sessions_and_no_more() {
    let few = FULL.replace("sessions = 500", "sessions = 10").replace("sessions_per_peer = 20\n", "");
    assert_eq!(parse(&few).limits.sessions_per_peer, 10);
}

#[test]
fn an_ipv4_and_an_ipv6_wildcard_stand_beside_each_other() {
    let both = "hostname = \"m.x\"\ndata = \"/d\"\nlisten = [\"0.0.0.0:25\", \"[::]:25\", \"127.0.0.1:0\", \"127.0.0.1:0\"]";
    assert_eq!(parse(both).listeners.len(), 4);
}

#[test]
fn a_file_from_an_editor_that_marks_utf8_and_ends_lines_in_crlf_is_read() {
    let config = parse(&format!("\u{feff}{}", FULL.trim_start().replace('\n', "\r\n")));
    assert_eq!(config, parse(FULL.trim_start()));
}

#[test]
fn routes_that_name_domains_come_first_then_local_domains_then_the_rest() {
    let route = |rest: &str| format!("[[route]]\n{rest}\n");
    let lmtp = route("domains = [\"example.org\"]\nto = \"lmtp:/run/lmtp\"");
    let other = route("domains = [\"*.example.net\"]\nto = \"smtp://[2001:db8::25]\"");
    let four = route("domains = [\"example.net\"]\nto = \"mx\"\nip = \"4\"");
    let hold = route("to = \"hold\"");
    let local = "local domains: local mailbox";
    let mx = "everything else: the domain's mail hosts (MX)";
    for (lines, expected) in [
        (
            "smarthost = \"192.0.2.7\"".to_owned(),
            vec![local, "everything else: smart host [192.0.2.7], port 25"],
        ),
        // Where local mail lies, and how a host is reached, say nothing about the rest.
        (lmtp.clone(), vec!["example.org: LMTP to /run/lmtp", local, mx]),
        (four.clone(), vec!["example.net: the domain's mail hosts (MX), IPv4 only", local, mx]),
        // Whoever names a host for other domains says which others mail goes to.
        (other.clone(), vec!["*.example.net: smart host [IPv6:2001:db8::25], port 25", local]),
        (
            other + &route("to = \"mx\""),
            vec!["*.example.net: smart host [IPv6:2001:db8::25], port 25", local, mx],
        ),
        (
            hold.clone() + &four,
            vec![local, "everything else: held", "example.net: the domain's mail hosts (MX), IPv4 only", mx],
        ),
        (
            hold + &route("to = \"discard\""),
            vec![local, "everything else: held", "everything else: discarded"],
        ),
    ] {
        let routes: Vec<String> =
            parse(&with_routes(&lines)).routes.iter().map(ToString::to_string).collect();
        assert_eq!(routes, expected, "{lines}");
    }
}

#[test]
fn a_network_is_written_as_clients_are_compared() {
    let from = |networks: &str| {
        let source = with_routes(&format!("relay_from = [{networks}]"));
        Config::parse("f", &source).map(|config| config.relay.from).map_err(|broken| broken.plain())
    };
    let one = from("\"192.0.2.1\", \"2001:db8::1\", \"10.0.0.0/8\"").unwrap();
    let printed: Vec<String> = one.iter().map(ToString::to_string).collect();
    assert_eq!(printed, ["192.0.2.1/32", "2001:db8::1/128", "10.0.0.0/8"]);
    for (network, told) in [
        ("192.0.2.1/24", "write \"192.0.2.0/24\" for the network, or \"192.0.2.1\" for the address"),
        ("2001:db8::1/32", "write \"2001:db8::/32\" for the network"),
        ("::ffff:192.0.2.1", "write \"192.0.2.1\""),
        ("::ffff:192.0.2.0/120", "write \"192.0.2.0/24\""),
        ("192.0.2.0/33", "is no network"),
        ("localhost", "is no network"),
        ("192.0.2", "is no network"),
        ("192.0.2.0/255.255.255.0", "is no network"),
        ("", "is no network"),
    ] {
        let answer = from(&format!("\"{network}\"")).unwrap_err();
        assert!(answer.contains(told), "{network}: {answer}");
    }
}

#[test]
fn a_good_configuration_warns_of_nothing() {
    assert_eq!(parse(FULL).warnings(), Vec::<String>::new());
}

#[test]
fn what_is_perhaps_not_meant_is_warned_of() {
    for (old, new, warning) in [
        ("mx.example.org", "mx", "has no dot"),
        ("mx.example.org", "m_x.example.org", "underscore"),
        ("mx.example.org", "example.org", "cannot move to another host"),
        ("postmaster = \"alice@example.org\"", "", "Nobody is named as postmaster"),
        ("user = \"postrider\"", "", "Port 25 needs a right"),
        ("127.0.0.1:24", "192.0.2.1:24", "LMTP on 192.0.2.1:24 can be reached"),
        ("0.0.0.0:25", "127.0.0.1:0", "another one after each start"),
        ("10MB", "10kB", "RFC 5321 §4.5.3.1.7"),
        ("recipients = 200", "recipients = 99", "RFC 5321 §4.5.3.1.8"),
        ("192.0.2.0/24", "0.0.0.0/0", "is everyone"),
        ("192.0.2.0/24", "127.0.0.1", "this host itself"),
        ("192.0.2.0/24", "::1/128", "this host itself"),
        ("192.0.2.11", "0.0.0.0/0", "xclient_from 0.0.0.0/0 is everyone"),
        ("192.0.2.12", "::/0", "xforward_from ::/0 is everyone"),
        ("relay_from = [\"192.0.2.0/24\"]\n", "", "nobody is offered it"),
        ("/run/postrider/lmtp", "/var/lib/postrider/lmtp", "lies in the data folder"),
        ("delay_notice_after = \"2h\"", "delay_notice_after = \"2d\"", "nobody is ever told of a delay"),
        (
            "smarthost = \"relay.example.net:587\"\n",
            "[[route]]\nto = \"smtp://a.example\"\ndomains = [\"example.com\"]\n",
            "No route is for everything else",
        ),
    ] {
        let told = parse(&FULL.replacen(old, new, 1)).warnings();
        assert!(told.len() == 1 && told[0].contains(warning), "{new}: {told:?}");
    }
    let unreached = FULL.replace("smarthost = \"relay.example.net:587\"\n", "");
    let unreached =
        unreached.replace("to = \"mx\"", "to = \"smtp://a.example\"").replace("port = 2525\n", "");
    let told = parse(&unreached.replace("allow = [\"127.0.0.0/8\"]\n", "")).warnings().join("\n");
    assert!(told.contains("No route leads to example.com of relay_domains"), "{told}");
    let bare = parse("hostname = \"m.x\"\ndata = \"/d\"").warnings().join("\n");
    assert!(bare.contains("Nothing listens") && bare.contains("No domain is local"), "{bare}");
    let held = "[[route]]\nto = \"smtp://a.example\"\ndomains = [\"b.example\"]\n[[route]]\nto = \"hold\"";
    let held = parse(&format!("hostname = \"m.x\"\ndata = \"/d\"\n{held}")).warnings().join("\n");
    assert!(held.contains("Everything else is held") && !held.contains("other domains"), "{held}");
}

#[test]
fn many_problems_are_counted_and_not_all_shown() {
    let lines: String = (0..1000).map(|at| format!("zzzzzz{at} = 1\n")).collect();
    let told = Config::parse("f", &lines).unwrap_err().plain();
    assert_eq!(told.matches("error: ").count(), PROBLEMS_SHOWN_MAX);
    assert!(told.ends_with("1002 errors in f, the last 982 not shown\n"), "{told}");
}

#[test]
fn a_long_line_is_cut_around_the_place() {
    let list = "\"0.0.0.0:25\", ".repeat(10_000);
    let broken = Config::parse("f", &format!("listen = [{list}]")).unwrap_err();
    for told in [broken.plain(), broken.drawn(80, PLAIN_LOOK)] {
        assert!(told.lines().all(|line| line.chars().count() < 300), "{told}");
    }
}

#[test]
fn a_hostile_file_does_not_steer_the_terminal() {
    let source = "hostname = \"\u{1b}[31m\u{9b}m\"\ndata = \"\\u001b[2J\"\n\"\\u001b]0;x\" = 1\nx = \u{7}";
    for source in [source, &source[..source.len() - 5]] {
        let broken = Config::parse("f", source).unwrap_err();
        for told in [broken.plain(), broken.drawn(80, PLAIN_LOOK), broken.json().to_string()] {
            assert!(!told.contains(|c: char| c.is_control() && c != '\n'), "{told:?}");
        }
    }
}

#[test]
fn deep_and_wide_nonsense_is_refused() {
    let size = usize::try_from(FILE_OCTETS_MAX / 64).unwrap();
    for nonsense in ["a.", "[", "a = [", "{a=", "[a.", "[[", "[[a]]\n", "\"", "'''"] {
        assert!(is_broken(&nonsense.repeat(size)), "{nonsense}");
    }
}

const PLAIN_LOOK: Look = Look { colours: false, unicode: true };

#[test]
fn on_a_terminal_a_problem_is_drawn() {
    let source = "hostname = \"mx.example.org\"\ndata = \"/d\"\n\n[retry]\nfirst = \"6h\"\ncap = \"5h\"\nexpire = \"9d\"\n";
    let broken = Config::parse("postrider.toml", source).unwrap_err();
    insta::assert_snapshot!(broken.drawn(80, PLAIN_LOOK), @r#"
      × `first` (6h) is longer than `cap` (5h)
       ╭─[postrider.toml:5:9]
     4 │ [retry]
     5 │ first = "6h"
       ·         ────
     6 │ cap = "5h"
       ·       ──┬─
       ·         ╰── `cap` is here
     7 │ expire = "9d"
       ╰────

      × there is no key `expire` in [retry]
       ╭─[postrider.toml:7:1]
     6 │ cap = "5h"
     7 │ expire = "9d"
       · ───┬──
       ·    ╰── did you mean `expiry`?
       ╰────

    2 errors in postrider.toml
    "#);
}

/// Pieces of configurations, for texts that come far before they fail.
fn piece() -> impl Strategy<Value = String> {
    let lines: Vec<String> = FULL.lines().map(str::to_owned).collect();
    let values =
        ["\"\"", "0", "-1", "true", "[]", "{}", "[[]]", "\"9d\"", "\"é\"", "1e9", "2026-01-01", "\"[::]:1\""];
    prop_oneof![
        4 => prop::sample::select(lines.clone()),
        2 => (prop::sample::select(lines), prop::sample::select(values.to_vec())).prop_map(|(line, value)| {
            line.split_once(" = ").map_or(line.clone(), |(key, _)| format!("{key} = {value}"))
        }),
        1 => "\\PC{0,12}",
        1 => "[\\[\\]{}=.,\"'\\\\a-z\n\r\t#]{0,12}",
    ]
}

proptest! {
    #[test]
    fn any_text_is_understood_or_refused_and_told(source in "(?s).{0,200}", columns in 0..300usize) {
        told(&source, columns);
    }

    #[test]
    fn any_pieces_are_understood_or_refused_and_told(pieces in prop::collection::vec(piece(), 0..30)) {
        told(&pieces.join("\n"), 0);
    }
}

/// Whatever the source is, there is a configuration or at least one problem, and each way to tell it works.
fn told(source: &str, columns: usize) {
    if let Err(broken) = Config::parse("f", source) {
        assert!(broken.plain().contains("error: "), "{source:?}");
        assert!(!broken.drawn(columns, PLAIN_LOOK).is_empty());
        assert!(!broken.json()["errors"].as_array().unwrap().is_empty());
    }
}
