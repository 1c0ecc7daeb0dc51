//! What has to do with mail that leaves: routes, permissions to relay, name servers. Each problem is told with
//! its place and what to write instead.

mod common;

use common::told;
use insta::assert_snapshot;

#[test]
fn a_route_leads_to_a_known_place() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[[route]]
to = "smtp.example.net:25"
[[route]]
to = "lmtp:run/dovecot/lmtp"
[[route]]
to = "smtps://smtp.example.net"
[[route]]
to = "bounce"
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:4:6: error: `to` is no destination: "smtp.example.net:25"
      4 | to = "smtp.example.net:25"
        |      ^^^^^^^^^^^^^^^^^^^^^ a host
      help: write "smtp://smtp.example.net:25", or "lmtp://smtp.example.net:25"
    postrider.toml:6:6: error: `to` is no destination: "lmtp:run/dovecot/lmtp"
      6 | to = "lmtp:run/dovecot/lmtp"
        |      ^^^^^^^^^^^^^^^^^^^^^^^
      help: a socket's path is absolute: "lmtp:/run/dovecot/lmtp"
    postrider.toml:8:6: error: `to` is no destination: "smtps://smtp.example.net"
      8 | to = "smtps://smtp.example.net"
        |      ^^^^^^^^^^^^^^^^^^^^^^^^^^ does not work yet
      help: TLS to other hosts arrives with STARTTLS
    postrider.toml:10:6: error: `to` is no destination: "bounce"
      10 | to = "bounce"
         |      ^^^^^^^^
      help: write "mx", "smtp://relay.example.org:587", "lmtp://127.0.0.1:24", "lmtp:/run/dovecot/lmtp", "local", "discard" or "hold"
    4 errors in postrider.toml
    "#);
}

#[test]
fn a_host_is_a_name_or_an_address_with_a_port() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[[route]]
domains = ["a.example"]
to = "smtp://2001:db8::25"
[[route]]
domains = ["b.example"]
to = "smtp://[relay.example.net]:587"
[[route]]
domains = ["c.example"]
to = "smtp://relay.example.net:smtp"
[[route]]
domains = ["d.example"]
to = "lmtp://"
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:5:6: error: `to` is no host and port: "2001:db8::25"
      5 | to = "smtp://2001:db8::25"
        |      ^^^^^^^^^^^^^^^^^^^^^ an IPv6 address stands in [ ]
      help: write "[2001:db8::25]" or "[2001:db8::25]:25"
    postrider.toml:8:6: error: `to` is no host and port: "[relay.example.net]:587"
      8 | to = "smtp://[relay.example.net]:587"
        |      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ [ ] is for IPv6 addresses
      help: write the name without brackets: its own addresses are used, never its MX records
    postrider.toml:11:6: error: `to` is no host and port: "relay.example.net:smtp"
      11 | to = "smtp://relay.example.net:smtp"
         |      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ a port is a number from 1 to 65535
    postrider.toml:14:6: error: `to` is no domain name: ""
      14 | to = "lmtp://"
         |      ^^^^^^^^^ a name is missing
    4 errors in postrider.toml
    "#);
}

#[test]
fn a_smart_host_is_one_host() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
smarthost = "smtp://relay.example.net:587"
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:3:13: error: `smarthost` is no host and port: "smtp://relay.example.net:587"
      3 | smarthost = "smtp://relay.example.net:587"
        |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      help: write "relay.example.net:587"
    1 error in postrider.toml
    "#);
}

#[test]
fn a_key_that_means_nothing_for_a_route_is_refused() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[[route]]
domains = ["a.example"]
to = "smtp://relay.example.net"
port = 587
allow = ["127.0.0.0/8"]
[[route]]
domains = ["b.example"]
to = "discard"
connections = 3
[[route]]
domains = ["c.example"]
to = "lmtp:/run/lmtp"
ip = "4"
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:6:8: error: `port` means nothing where one host is named
      6 | port = 587
        |        ^^^
      and postrider.toml:5:6:
      5 | to = "smtp://relay.example.net"
        |      ^^^^^^^^^^^^^^^^^^^^^^^^^^ as this line says
      help: write the port behind the host, as in "smtp://relay.example.org:587"
    postrider.toml:7:1: error: `allow` means nothing where one host is named
      7 | allow = ["127.0.0.0/8"]
        | ^^^^^
      and postrider.toml:5:6:
      5 | to = "smtp://relay.example.net"
        |      ^^^^^^^^^^^^^^^^^^^^^^^^^^ as this line says
      help: what means something here: ip, source, eight_bit and connections
    postrider.toml:11:15: error: `connections` means nothing where mail goes nowhere
      11 | connections = 3
         |               ^
      and postrider.toml:10:6:
      10 | to = "discard"
         |      ^^^^^^^^^ as this line says
      help: remove the line
    postrider.toml:15:6: error: `ip` means nothing where a socket of this host is named
      15 | ip = "4"
         |      ^^^
      and postrider.toml:14:6:
      14 | to = "lmtp:/run/lmtp"
         |      ^^^^^^^^^^^^^^^^ as this line says
      help: what means something here: eight_bit and connections
    4 errors in postrider.toml
    "#);
}

#[test]
fn what_a_route_says_of_addresses_is_checked() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[[route]]
to = "mx"
ip = "v4"
source = ["0.0.0.0", "192.0.2.1", "192.0.2.2", "::ffff:192.0.2.3"]
eight_bit = "convert"
connections = 0
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:5:6: error: `ip` should be "any", "4", "6" or "prefer-4", not "v4"
      5 | ip = "v4"
        |      ^^^^
    postrider.toml:6:11: error: `source` is no address to connect from: "0.0.0.0"
      6 | source = ["0.0.0.0", "192.0.2.1", "192.0.2.2", "::ffff:192.0.2.3"]
        |           ^^^^^^^^^
      help: leave it out for the system's choice
    postrider.toml:6:35: error: `source` has two addresses of one family
      6 | source = ["0.0.0.0", "192.0.2.1", "192.0.2.2", "::ffff:192.0.2.3"]
        |                                   ^^^^^^^^^^^ the second
      and postrider.toml:6:22:
      6 | source = ["0.0.0.0", "192.0.2.1", "192.0.2.2", "::ffff:192.0.2.3"]
        |                      ^^^^^^^^^^^ the first
    postrider.toml:6:48: error: `source` is no address to connect from: "::ffff:192.0.2.3"
      6 | source = ["0.0.0.0", "192.0.2.1", "192.0.2.2", "::ffff:192.0.2.3"]
        |                                                ^^^^^^^^^^^^^^^^^^ IPv4 in IPv6 clothes
      help: write "192.0.2.3"
    postrider.toml:7:13: error: `eight_bit` should be "send" or "refuse", not "convert"
      7 | eight_bit = "convert"
        |             ^^^^^^^^^
      help: what happens to 8-bit content for a host that does not offer 8BITMIME
    postrider.toml:8:15: error: `connections` should be a number from 1 to 100000
      8 | connections = 0
        |               ^ out of bounds
    6 errors in postrider.toml
    "#);
}

#[test]
fn a_source_of_the_other_family_is_never_used() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[[route]]
to = "mx"
ip = "6"
source = ["192.0.2.1"]
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:6:11: error: `source` 192.0.2.1 is never used
      6 | source = ["192.0.2.1"]
        |           ^^^^^^^^^^^
      and postrider.toml:5:6:
      5 | ip = "6"
        |      ^^^ the other family alone is used
    1 error in postrider.toml
    "#);
}

#[test]
fn a_route_to_local_names_its_domains() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[domains."example.org"]
[[route]]
to = "local"
[[route]]
to = "local"
domains = ["*.example.org"]
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:4:1: error: [[route]] to "local" has no `domains`
      4 | [[route]]
        | ^^^^^^^^^
      help: local domains stay here without a route: name some, or remove it
    postrider.toml:8:12: error: *.example.org is not one local domain
      8 | domains = ["*.example.org"]
        |            ^^^^^^^^^^^^^^^ routed to "local"
      help: name each domain: local domains are no patterns
    2 errors in postrider.toml
    "#);
}

#[test]
fn a_route_behind_one_for_everything_is_never_reached() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[[route]]
to = "mx"
[[route]]
domains = ["example.net"]
to = "hold"
"#;
    assert_snapshot!(told(source), @r"
    postrider.toml:5:1: error: this route is never reached
      5 | [[route]]
        | ^^^^^^^^^ never reached
      and postrider.toml:3:1:
      3 | [[route]]
        | ^^^^^^^^^ this one is for everything else: put it last
    1 error in postrider.toml
    ");
}

#[test]
fn a_name_below_a_pattern_is_never_reached_unless_it_was_held() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[[route]]
domains = ["*.example.net"]
to = "hold"
[[route]]
domains = ["*.example.net", "*.a.example.net"]
to = "mx"
[[route]]
domains = ["b.a.example.net", "example.net"]
to = "discard"
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:7:29: error: the route of *.a.example.net is never reached
      7 | domains = ["*.example.net", "*.a.example.net"]
        |                             ^^^^^^^^^^^^^^^^^ never reached
      and postrider.toml:7:12:
      7 | domains = ["*.example.net", "*.a.example.net"]
        |            ^^^^^^^^^^^^^^^ the first route that matches wins: this one
    postrider.toml:10:12: error: the route of b.a.example.net is never reached
      10 | domains = ["b.a.example.net", "example.net"]
         |            ^^^^^^^^^^^^^^^^^ never reached
      and postrider.toml:7:12:
      7 | domains = ["*.example.net", "*.a.example.net"]
        |            ^^^^^^^^^^^^^^^ the first route that matches wins: this one
    2 errors in postrider.toml
    "#);
}

#[test]
fn a_smart_host_and_a_route_for_everything_clash() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
smarthost = "relay.example.net"
[[route]]
to = "mx"
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:3:13: error: `smarthost` is never used
      3 | smarthost = "relay.example.net"
        |             ^^^^^^^^^^^^^^^^^^^
      and postrider.toml:4:1:
      4 | [[route]]
        | ^^^^^^^^^ this route is for everything else
      help: keep one of the two
    1 error in postrider.toml
    "#);
}

#[test]
fn a_network_has_no_host_bits() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
relay_from = ["192.0.2.1/24", "::ffff:192.0.2.0/120", "localhost"]
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:3:15: error: `relay_from` is no network: "192.0.2.1/24"
      3 | relay_from = ["192.0.2.1/24", "::ffff:192.0.2.0/120", "localhost"]
        |               ^^^^^^^^^^^^^^ an address inside a network
      help: write "192.0.2.0/24" for the network, or "192.0.2.1" for the address
    postrider.toml:3:31: error: `relay_from` is no network: "::ffff:192.0.2.0/120"
      3 | relay_from = ["192.0.2.1/24", "::ffff:192.0.2.0/120", "localhost"]
        |                               ^^^^^^^^^^^^^^^^^^^^^^ IPv4 in IPv6 clothes
      help: write "192.0.2.0/24"
    postrider.toml:3:55: error: `relay_from` is no network: "localhost"
      3 | relay_from = ["192.0.2.1/24", "::ffff:192.0.2.0/120", "localhost"]
        |                                                       ^^^^^^^^^^^
      help: write "192.0.2.0/24", "2001:db8::/32", or one address
    3 errors in postrider.toml
    "#);
}

#[test]
fn a_relay_domain_is_not_local() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
relay_domains = ["example.org", "*", "a.*.example.net"]
[domains."example.org"]
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:3:18: error: `relay_domains`: example.org is a local domain
      3 | relay_domains = ["example.org", "*", "a.*.example.net"]
        |                  ^^^^^^^^^^^^^
      and postrider.toml:4:10:
      4 | [domains."example.org"]
        |          ^^^^^^^^^^^^^ local here
      help: a domain is either kept here or passed on: keep one of the two
    postrider.toml:3:33: error: `relay_domains` should be a domain such as "example.org" or "*.example.org"
      3 | relay_domains = ["example.org", "*", "a.*.example.net"]
        |                                 ^^^ a star for everything
    postrider.toml:3:38: error: `relay_domains` is no domain or pattern: "a.*.example.net"
      3 | relay_domains = ["example.org", "*", "a.*.example.net"]
        |                                      ^^^^^^^^^^^^^^^^^
      help: a star stands once, in front: "*.example.org" is every domain below example.org
    3 errors in postrider.toml
    "#);
}

#[test]
fn a_name_server_is_an_address() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[dns]
servers = ["dns.example.org", "0.0.0.0", "192.0.2.53:0", "192.0.2.53"]
timeout = "1h"
attempts = 9
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:4:12: error: `servers` is no address of a name server: "dns.example.org"
      4 | servers = ["dns.example.org", "0.0.0.0", "192.0.2.53:0", "192.0.2.53"]
        |            ^^^^^^^^^^^^^^^^^
      help: write an IP address, with a port where it is not 53: "192.0.2.53", "127.0.0.1:5353", "[::1]:53"
    postrider.toml:4:31: error: `servers` is no address of a name server: "0.0.0.0"
      4 | servers = ["dns.example.org", "0.0.0.0", "192.0.2.53:0", "192.0.2.53"]
        |                               ^^^^^^^^^
      help: write an IP address, with a port where it is not 53: "192.0.2.53", "127.0.0.1:5353", "[::1]:53"
    postrider.toml:4:42: error: `servers` is no address of a name server: "192.0.2.53:0"
      4 | servers = ["dns.example.org", "0.0.0.0", "192.0.2.53:0", "192.0.2.53"]
        |                                          ^^^^^^^^^^^^^^
      help: write an IP address, with a port where it is not 53: "192.0.2.53", "127.0.0.1:5353", "[::1]:53"
    postrider.toml:5:11: error: `timeout` may be at most 20s
      5 | timeout = "1h"
        |           ^^^^
    postrider.toml:6:12: error: `attempts` should be a number from 1 to 5
      6 | attempts = 9
        |            ^ out of bounds
    5 errors in postrider.toml
    "#);
}

#[test]
fn an_empty_list_of_name_servers_is_explained() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[dns]
servers = []
"#;
    assert_snapshot!(told(source), @r"
    postrider.toml:4:11: error: `servers` names no server
      4 | servers = []
        |           ^^
      help: name one, or remove the line: the servers of this system are asked then
    1 error in postrider.toml
    ");
}

#[test]
fn how_mail_leaves_is_within_bounds() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[outbound]
connections = 0
reply_timeout = "2h"
rest = "1h"
[retry]
factor = 0.5
jitter = "little"
expiry = "400d"
delay_notice_after = "soon"
[notices]
returned = "body"
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:4:15: error: `connections` should be a number from 1 to 100000
      4 | connections = 0
        |               ^ out of bounds
    postrider.toml:5:17: error: `reply_timeout` may be at most 1h
      5 | reply_timeout = "2h"
        |                 ^^^^
    postrider.toml:6:8: error: `rest` may be at most 10m
      6 | rest = "1h"
        |        ^^^^
    postrider.toml:8:10: error: `factor` should be a number from 1.0 to 10.0
      8 | factor = 0.5
        |          ^^^ out of bounds
    postrider.toml:9:10: error: `jitter` should be a number from 0.0 to 0.5
      9 | jitter = "little"
        |          ^^^^^^^^ a string
    postrider.toml:10:10: error: `expiry` may be at most 365d
      10 | expiry = "400d"
         |          ^^^^^^
    postrider.toml:11:22: error: `delay_notice_after` is no duration: "soon"
      11 | delay_notice_after = "soon"
         |                      ^^^^^^
      help: write a duration such as "4h" or "1h30m", or "never"
    postrider.toml:13:12: error: `returned` should be "headers" or "message", not "body"
      13 | returned = "body"
         |            ^^^^^^
      help: how much of a message the notice of its failure brings back
    8 errors in postrider.toml
    "#);
}

#[test]
fn one_host_has_no_more_connections_than_all() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[outbound]
connections = 10
[[route]]
to = "mx"
connections = 20
"#;
    assert_snapshot!(told(source), @r"
    postrider.toml:7:15: error: `connections` to one host are more than all together (10)
      7 | connections = 20
        |               ^^
      and postrider.toml:4:15:
      4 | connections = 10
        |               ^^ all together
    1 error in postrider.toml
    ");
}

#[test]
fn a_key_of_a_route_is_led_home() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
smart_host = "relay.example.net"
source = ["192.0.2.1"]
relay_form = ["192.0.2.0/24"]
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:3:1: error: there is no key `smart_host`
      3 | smart_host = "relay.example.net"
        | ^^^^^^^^^^ did you mean `smarthost`?
    postrider.toml:4:1: error: there is no key `source`
      4 | source = ["192.0.2.1"]
        | ^^^^^^ belongs in a [[route]]
    postrider.toml:5:1: error: there is no key `relay_form`
      5 | relay_form = ["192.0.2.0/24"]
        | ^^^^^^^^^^ did you mean `relay_from`?
    3 errors in postrider.toml
    "#);
}
