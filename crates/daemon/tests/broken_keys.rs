//! Keys that do not exist, stand in the wrong place, or are missing. Each is told with its place and what to
//! write instead.

mod common;

use common::told;
use insta::assert_snapshot;

#[test]
fn an_unknown_key_names_the_nearest() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
lisen = ["0.0.0.0:25"]
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:3:1: error: there is no key `lisen`
      3 | lisen = ["0.0.0.0:25"]
        | ^^^^^ did you mean `listen`?
    1 error in postrider.toml
    "#);
}

#[test]
fn a_misspelled_required_key_is_one_error() {
    let source = r#"
hostnam = "mx.example.org"
data = "/var/lib/postrider"
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:1:1: error: there is no key `hostnam`
      1 | hostnam = "mx.example.org"
        | ^^^^^^^ did you mean `hostname`?
    1 error in postrider.toml
    "#);
}

#[test]
fn an_empty_file_says_what_is_missing() {
    let source = "";
    assert_snapshot!(told(source), @r#"
    postrider.toml: error: `hostname` is missing
      help: add a line such as: hostname = "mx.example.org"
    postrider.toml: error: `data` is missing
      help: add a line such as: data = "/var/lib/postrider"
    2 errors in postrider.toml
    "#);
}

#[test]
fn an_unknown_section_names_the_nearest() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[limit]
recipients = 200
"#;
    assert_snapshot!(told(source), @r"
    postrider.toml:3:2: error: there is no section `limit`
      3 | [limit]
        |  ^^^^^ did you mean `limits`?
    1 error in postrider.toml
    ");
}

#[test]
fn a_key_like_no_other_shows_what_is_known() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[journal]
colour = true
"#;
    assert_snapshot!(told(source), @r"
    postrider.toml:4:1: error: there is no key `colour` in [journal]
      4 | colour = true
        | ^^^^^^ unknown
      help: what is known here: keep and size
    1 error in postrider.toml
    ");
}

#[test]
fn a_key_behind_a_section_belongs_above_it() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[domains."example.org"]
listen = ["0.0.0.0:25"]
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:4:1: error: there is no key `listen` in [domains."example.org"]
      4 | listen = ["0.0.0.0:25"]
        | ^^^^^^ belongs at the top of the file, above the first [section]
    1 error in postrider.toml
    "#);
}

#[test]
fn a_domain_without_quotes_is_explained() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[domains.mail.example.org]
verify = true
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:3:10: error: the domain "mail.example.org" must be in quotes
      3 | [domains.mail.example.org]
        |          ^^^^^^^^^^^^^^^^ a dot outside quotes separates keys
      help: write [domains."mail.example.org"]
    1 error in postrider.toml
    "#);
}

#[test]
fn a_list_of_domains_is_explained() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
domains = ["example.org"]
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:3:11: error: `domains` should be a section
      3 | domains = ["example.org"]
        |           ^^^^^^^^^^^^^^^ a list
      help: write [domains."example.org"], a section for each local domain
    1 error in postrider.toml
    "#);
}

#[test]
fn a_single_listener_section_needs_double_brackets() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[listener]
address = "127.0.0.1:24"
"#;
    assert_snapshot!(told(source), @r"
    postrider.toml:3:1: error: `listener` should be written as [[listener]]
      3 | [listener]
        | ^^^^^^^^^^ a section
      help: there may be several: write [[listener]], in double brackets
    1 error in postrider.toml
    ");
}

#[test]
fn a_listener_needs_an_address() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[[listener]]
service = "lmtp"
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:3:1: error: [[listener]] has no `address`
      3 | [[listener]]
        | ^^^^^^^^^^^^
      help: add a line such as: address = "0.0.0.0:25"
    1 error in postrider.toml
    "#);
}

#[test]
fn a_key_given_twice_is_refused() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
hostname = "mx.example.net"
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:3:1: error: `hostname` is given twice
      3 | hostname = "mx.example.net"
        | ^^^^^^^^ again here
    1 error in postrider.toml
    "#);
}

#[test]
fn what_is_not_toml_is_pointed_at() {
    let source = r#"
hostname = mx.example.org
data = "/var/lib/postrider
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:1:12: error: this is not TOML: string values must be quoted, expected literal string
      1 | hostname = mx.example.org
        |            ^^^^^^^^^^^^^^
    postrider.toml:2:27: error: this is not TOML: invalid basic string, expected `"`
      2 | data = "/var/lib/postrider
        |                           ^
    2 errors in postrider.toml
    "#);
}

#[test]
fn several_errors_are_told_in_the_order_of_the_file() {
    let source = r#"
data = "mail"
hostname = "mx.example.org"
[retry]
first = 300
[journal]
keeep = "1d"
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:1:8: error: `data` must be an absolute path
      1 | data = "mail"
        |        ^^^^^^ does not begin with /
      help: where a relative path leads depends on who starts the server
    postrider.toml:4:9: error: `first` needs a unit
      4 | first = 300
        |         ^^^ a bare number
      help: write "300s" for seconds, or use ms, m, h or d
    postrider.toml:6:1: error: there is no key `keeep` in [journal]
      6 | keeep = "1d"
        | ^^^^^ did you mean `keep`?
    3 errors in postrider.toml
    "#);
}
