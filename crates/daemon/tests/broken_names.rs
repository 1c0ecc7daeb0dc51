//! Names that are none. Each is told with its place and what to
//! write instead.

mod common;

use common::told;
use insta::assert_snapshot;

#[test]
fn a_hostname_is_a_name_in_ascii() {
    let source = r#"
hostname = "büro.example"
data = "/var/lib/postrider"
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:1:12: error: `hostname` must be written in ASCII: it stands in replies and in Received fields
      1 | hostname = "büro.example"
        |            ^^^^^^^^^^^^^^ has other letters
      help: write "xn--bro-hoa.example", which is the same name
    1 error in postrider.toml
    "#);
}

#[test]
fn an_ip_address_is_no_hostname() {
    let source = r#"
hostname = "192.0.2.1"
data = "/var/lib/postrider"
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:1:12: error: `hostname` is no domain name: "192.0.2.1"
      1 | hostname = "192.0.2.1"
        |            ^^^^^^^^^^^ an IP address
      help: write a name that points to it
    1 error in postrider.toml
    "#);
}

#[test]
fn a_domain_is_neither_pattern_nor_address() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[domains."*.example.org"]
[domains."alice@example.org"]
[domains."example.org."]
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:3:10: error: `domains` is no domain name: "*.example.org"
      3 | [domains."*.example.org"]
        |          ^^^^^^^^^^^^^^^ a domain is letters, digits and hyphens between dots
      help: patterns do not work: write each domain
    postrider.toml:4:10: error: `domains` is no domain name: "alice@example.org"
      4 | [domains."alice@example.org"]
        |          ^^^^^^^^^^^^^^^^^^^ a domain is letters, digits and hyphens between dots
      help: write only what is behind the @
    postrider.toml:5:10: error: `domains` is no domain name: "example.org."
      5 | [domains."example.org."]
        |          ^^^^^^^^^^^^^^ a domain is letters, digits and hyphens between dots
      help: write it without the dot at the end
    3 errors in postrider.toml
    "#);
}

#[test]
fn data_is_an_absolute_path() {
    let source = r#"
hostname = "mx.example.org"
data = "~/mail"
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:2:8: error: `data` must be an absolute path
      2 | data = "~/mail"
        |        ^^^^^^^^ ~ is not expanded
    1 error in postrider.toml
    "#);
}

#[test]
fn a_user_is_a_name_and_not_root() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
user = "root"
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:3:8: error: `user` may not be root: a mail server runs without rights over the system
      3 | user = "root"
        |        ^^^^^^
    1 error in postrider.toml
    "#);
}

#[test]
fn a_separator_is_one_character() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[domains."example.org"]
subaddress = "tag"
verify = "yes"
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:4:14: error: `subaddress` should be one character such as "+", or false for none, not "tag"
      4 | subaddress = "tag"
        |              ^^^^^
      help: the characters that work: + - = _ ! # $ % & ' * / ? ^ ` { | } ~
    postrider.toml:5:10: error: `verify` should be true or false
      5 | verify = "yes"
        |          ^^^^^ a string
    2 errors in postrider.toml
    "#);
}

#[test]
fn postmaster_is_an_address() {
    let source = r#"
postmaster = "alice"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[domains."example.org"]
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:1:14: error: `postmaster` is no address: "alice"
      1 | postmaster = "alice"
        |              ^^^^^^^ an address is local-part@domain, and the domain is missing
    1 error in postrider.toml
    "#);
}

#[test]
fn a_user_has_no_spaces() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
user = "mail server"
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:3:8: error: `user` is no user's name: "mail server"
      3 | user = "mail server"
        |        ^^^^^^^^^^^^^ 1 to 32 letters, digits, `_`, `-` and `.`, not all digits, no `-` in front
    1 error in postrider.toml
    "#);
}
