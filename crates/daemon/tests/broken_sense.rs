//! Values that are good each for itself and make no sense together. Each is told with its place and what to
//! write instead.

mod common;

use common::told;
use insta::assert_snapshot;

#[test]
fn two_listeners_want_one_address() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
listen = ["127.0.0.1:24"]
[[listener]]
address = "127.0.0.1:24"
service = "lmtp"
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:5:11: error: two listeners want 127.0.0.1:24
      5 | address = "127.0.0.1:24"
        |           ^^^^^^^^^^^^^^ again here
      and postrider.toml:3:11:
      3 | listen = ["127.0.0.1:24"]
        |           ^^^^^^^^^^^^^^ first here
    1 error in postrider.toml
    "#);
}

#[test]
fn a_wildcard_includes_every_address() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
listen = ["[::]:25", "[::1]:25"]
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:3:22: error: [::1]:25 and [::]:25 cannot both be listened on
      3 | listen = ["[::]:25", "[::1]:25"]
        |                      ^^^^^^^^^^ one of them
      and postrider.toml:3:11:
      3 | listen = ["[::]:25", "[::1]:25"]
        |           ^^^^^^^^^ all addresses of this host
      help: keep the one for all addresses, or name each address
    1 error in postrider.toml
    "#);
}

#[test]
fn a_domain_in_two_spellings_is_one_domain() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[domains."bücher.example"]
[domains."xn--bcher-kva.example"]
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:4:10: error: the domain xn--bcher-kva.example is given twice
      4 | [domains."xn--bcher-kva.example"]
        |          ^^^^^^^^^^^^^^^^^^^^^^^ again here
      and postrider.toml:3:10:
      3 | [domains."bücher.example"]
        |          ^^^^^^^^^^^^^^^^ first here
      help: two spellings of one name are one domain: keep one section
    1 error in postrider.toml
    "#);
}

#[test]
fn a_route_names_a_local_domain() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[domains."example.org"]
[[route]]
to = "local"
domains = ["example.net"]
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:6:12: error: example.net is not a local domain
      6 | domains = ["example.net"]
        |            ^^^^^^^^^^^^^ routed to "local"
      help: add the section [domains."example.net"]
    1 error in postrider.toml
    "#);
}

#[test]
fn a_later_route_is_never_reached() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[domains."example.org"]
[[route]]
to = "local"
domains = ["example.org"]
[[route]]
to = "local"
domains = ["EXAMPLE.org"]
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:9:12: error: the route of EXAMPLE.org is never reached
      9 | domains = ["EXAMPLE.org"]
        |            ^^^^^^^^^^^^^ never reached
      and postrider.toml:6:12:
      6 | domains = ["example.org"]
        |            ^^^^^^^^^^^^^ the first route that matches wins: this one
    1 error in postrider.toml
    "#);
}

#[test]
fn postmaster_is_local() {
    let source = r#"
postmaster = "alice@example.net"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[domains."example.org"]
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:1:14: error: `postmaster` must be an address of a local domain
      1 | postmaster = "alice@example.net"
        |              ^^^^^^^^^^^^^^^^^^^ example.net is not local
      help: add the section [domains."example.net"], or name another address
    1 error in postrider.toml
    "#);
}

#[test]
fn the_first_wait_is_not_longer_than_the_longest() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[retry]
first = "2h"
cap = "1h"
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:4:9: error: `first` (2h) is longer than `cap` (1h)
      4 | first = "2h"
        |         ^^^^
      and postrider.toml:5:7:
      5 | cap = "1h"
        |       ^^^^ `cap` is here
    1 error in postrider.toml
    "#);
}

#[test]
fn a_clash_with_a_default_is_explained() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[retry]
expiry = "1h"
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:4:10: error: `cap` (4h) is longer than `expiry` (1h)
      4 | expiry = "1h"
        |          ^^^^
      help: `cap` is 4h unless it is written
    1 error in postrider.toml
    "#);
}

#[test]
fn one_peer_has_no_more_sessions_than_all() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[limits]
sessions = 10
sessions_per_peer = 50
"#;
    assert_snapshot!(told(source), @r"
    postrider.toml:5:21: error: `sessions_per_peer` is more than all `sessions` together
      5 | sessions_per_peer = 50
        |                     ^^
      and postrider.toml:4:12:
      4 | sessions = 10
        |            ^^ all together
    1 error in postrider.toml
    ");
}

/// RFC 2033 §5
#[test]
fn lmtp_is_not_for_port_25() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[[listener]]
address = "127.0.0.1:25"
service = "lmtp"
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:4:11: error: LMTP may not be spoken on port 25 (RFC 2033 §5)
      4 | address = "127.0.0.1:25"
        |           ^^^^^^^^^^^^^^ the port of SMTP
      help: give it another port: 24 is usual
    1 error in postrider.toml
    "#);
}

#[test]
fn a_route_is_for_some_domain() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[domains."example.org"]
[[route]]
to = "local"
domains = []
"#;
    assert_snapshot!(told(source), @r"
    postrider.toml:6:11: error: this route is for no domain
      6 | domains = []
        |           ^^
      help: name a domain, or leave `domains` out for everything else
    1 error in postrider.toml
    ");
}
