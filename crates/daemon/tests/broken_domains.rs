//! Domains without mail and addresses that have moved, where that cannot be. Each is told with its place and
//! what to write instead.

mod common;

use common::told;
use insta::assert_snapshot;

#[test]
fn mail_is_true_or_false() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[domains."example.org"]
mail = "no"
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:4:8: error: `mail` should be true or false
      4 | mail = "no"
        |        ^^^^ a string
    1 error in postrider.toml
    "#);
}

#[test]
fn a_domain_without_mail_has_nothing_to_say_about_it() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
postmaster = "alice@gone.example"
[domains."gone.example"]
mail = false
subaddress = "-"
verify = true
[[route]]
domains = ["gone.example"]
to = "mx"
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:3:14: error: `postmaster` is an address of gone.example, which takes no mail
      3 | postmaster = "alice@gone.example"
        |              ^^^^^^^^^^^^^^^^^^^^
      and postrider.toml:5:8:
      5 | mail = false
        |        ^^^^^ no mail
      help: name an address that someone reads
    postrider.toml:6:14: error: `subaddress` means nothing for a domain without mail
      6 | subaddress = "-"
        |              ^^^
      and postrider.toml:5:8:
      5 | mail = false
        |        ^^^^^ no mail
      help: remove one of the two
    postrider.toml:7:10: error: `verify` means nothing for a domain without mail
      7 | verify = true
        |          ^^^^
      and postrider.toml:5:8:
      5 | mail = false
        |        ^^^^^ no mail
      help: remove one of the two
    postrider.toml:9:12: error: there is a route for gone.example, which takes no mail
      9 | domains = ["gone.example"]
        |            ^^^^^^^^^^^^^^
      and postrider.toml:5:8:
      5 | mail = false
        |        ^^^^^ no mail
      help: remove one of the two: nothing is ever sent to this domain
    4 errors in postrider.toml
    "#);
}

#[test]
fn a_domain_without_mail_is_not_passed_on() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
relay_domains = ["gone.example"]
[domains."gone.example"]
mail = false
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:3:18: error: `relay_domains`: gone.example is a local domain
      3 | relay_domains = ["gone.example"]
        |                  ^^^^^^^^^^^^^^
      and postrider.toml:4:10:
      4 | [domains."gone.example"]
        |          ^^^^^^^^^^^^^^ local here
      help: a domain is either kept here or passed on: keep one of the two
    1 error in postrider.toml
    "#);
}

#[test]
fn an_address_that_moved_was_here() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[moved]
"old@example.com" = "new@example.net"
"old@gone.example" = "new@example.net"
[domains."example.org"]
[domains."gone.example"]
mail = false
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:4:1: error: old@example.com was never here
      4 | "old@example.com" = "new@example.net"
        | ^^^^^^^^^^^^^^^^^ example.com is not a local domain
      help: only addresses of ours can move
    postrider.toml:5:1: error: gone.example takes no mail, so nobody there has moved
      5 | "old@gone.example" = "new@example.net"
        | ^^^^^^^^^^^^^^^^^^
      and postrider.toml:8:8:
      8 | mail = false
        |        ^^^^^ no mail
      help: remove one of the two
    2 errors in postrider.toml
    "#);
}

#[test]
fn nobody_moves_to_where_they_are() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[moved]
"old@example.org" = "Old@example.org"
[domains."example.org"]
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:4:21: error: old@example.org has moved to itself
      4 | "old@example.org" = "Old@example.org"
        |                     ^^^^^^^^^^^^^^^^^
      and postrider.toml:4:1:
      4 | "old@example.org" = "Old@example.org"
        | ^^^^^^^^^^^^^^^^^ the same address
    1 error in postrider.toml
    "#);
}

#[test]
fn a_move_ends_with_one_step() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[moved]
"a@example.org" = "b@example.org"
"b@example.org" = "c@example.net"
[domains."example.org"]
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:4:19: error: b@example.org has itself moved
      4 | "a@example.org" = "b@example.org"
        |                   ^^^^^^^^^^^^^^^
      and postrider.toml:5:1:
      5 | "b@example.org" = "c@example.net"
        | ^^^^^^^^^^^^^^^ moved on here
      help: name the last address
    1 error in postrider.toml
    "#);
}

#[test]
fn an_address_moves_once() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[moved]
"a@example.org" = "a@example.net"
"A@example.org" = "b@example.net"
[domains."example.org"]
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:5:1: error: A@example.org is given twice in [moved]
      5 | "A@example.org" = "b@example.net"
        | ^^^^^^^^^^^^^^^ again here
      and postrider.toml:4:1:
      4 | "a@example.org" = "a@example.net"
        | ^^^^^^^^^^^^^^^ first here
    1 error in postrider.toml
    "#);
}

#[test]
fn postmaster_stays() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
postmaster = "alice@example.org"
[moved]
"postmaster@example.org" = "pm@example.net"
"alice@example.org" = "alice@example.net"
[domains."example.org"]
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:5:1: error: postmaster@example.org cannot move
      5 | "postmaster@example.org" = "pm@example.net"
        | ^^^^^^^^^^^^^^^^^^^^^^^^
      help: postmaster's mail must be taken (RFC 5321 §4.5.1): `postmaster` says who gets it
    postrider.toml:6:1: error: alice@example.org has moved, and is to get postmaster's mail
      6 | "alice@example.org" = "alice@example.net"
        | ^^^^^^^^^^^^^^^^^^^
      and postrider.toml:3:14:
      3 | postmaster = "alice@example.org"
        |              ^^^^^^^^^^^^^^^^^^^ postmaster
      help: name an address that someone reads
    2 errors in postrider.toml
    "#);
}

#[test]
fn old_and_new_are_addresses_in_quotes() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[moved]
alice = "bob"
"alice@example.org" = 5
"bob@example.org" = "bob"
[domains."example.org"]
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:4:1: error: [moved]: the key is no address: "alice"
      4 | alice = "bob"
        | ^^^^^ an address is local-part@domain, and the domain is missing
    postrider.toml:5:23: error: `"alice@example.org"` should be an address such as "alice@example.org"
      5 | "alice@example.org" = 5
        |                       ^ a whole number
    postrider.toml:6:21: error: `"bob@example.org"` is no address: "bob"
      6 | "bob@example.org" = "bob"
        |                     ^^^^^ an address is local-part@domain, and the domain is missing
    3 errors in postrider.toml
    "#);
}

#[test]
fn unquoted_addresses_are_pointed_at() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[moved]
old.example = { org = "new@example.net" }
[domains."example.org"]
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:4:1: error: [moved]: the key is no address: "old"
      4 | old.example = { org = "new@example.net" }
        | ^^^ an address is local-part@domain, and the domain is missing
      help: an address stands in quotes: "old@example.org" = "new@example.net"
    1 error in postrider.toml
    "#);
}
