//! Values of the wrong kind, shape or size. Each is told with its place and what to
//! write instead.

mod common;

use common::told;
use insta::assert_snapshot;

#[test]
fn a_duration_needs_a_unit() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[retry]
first = 300
cap = "4"
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:4:9: error: `first` needs a unit
      4 | first = 300
        |         ^^^ a bare number
      help: write "300s" for seconds, or use ms, m, h or d
    postrider.toml:5:7: error: `cap` needs a unit
      5 | cap = "4"
        |       ^^^ perhaps "4s"?
      help: durations look like "5m", "1h30m" or "5d"; the units are d, h, m, s and ms
    2 errors in postrider.toml
    "#);
}

#[test]
fn an_unknown_unit_of_time_names_the_likely_one() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[retry]
first = "5min"
cap = "1.5h"
expiry = "12h5d"
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:4:9: error: `first` has an unknown unit: "min"
      4 | first = "5min"
        |         ^^^^^^ did you mean `m`?
      help: durations look like "5m", "1h30m" or "5d"; the units are d, h, m, s and ms
    postrider.toml:5:7: error: `cap` is no duration: "1.5h"
      5 | cap = "1.5h"
        |       ^^^^^^
      help: durations look like "5m", "1h30m" or "5d"; the units are d, h, m, s and ms
    postrider.toml:6:10: error: `expiry` is no duration: "12h5d"
      6 | expiry = "12h5d"
        |          ^^^^^^^ units go from large to small, each once
      help: durations look like "5m", "1h30m" or "5d"; the units are d, h, m, s and ms
    3 errors in postrider.toml
    "#);
}

#[test]
fn a_size_needs_a_unit() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[limits]
message_size = 52428800
content_in_flight = "64"
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:4:16: error: `message_size` needs a unit
      4 | message_size = 52428800
        |                ^^^^^^^^ a bare number
      help: write "50MiB" if that is what is meant; the units are B, KiB, MiB, GiB, TiB, kB, MB, GB and TB
    postrider.toml:5:21: error: `content_in_flight` needs a unit
      5 | content_in_flight = "64"
        |                     ^^^^ perhaps "64MiB"?
      help: sizes look like "64KiB", "50MiB" or "10MB"; the units are B, KiB, MiB, GiB, TiB, kB, MB, GB and TB
    2 errors in postrider.toml
    "#);
}

#[test]
fn an_unknown_unit_of_size_names_the_likely_one() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[limits]
message_size = "50M"
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:4:16: error: `message_size` has an unknown unit: "M"
      4 | message_size = "50M"
        |                ^^^^^ did you mean `MiB`?
      help: sizes look like "64KiB", "50MiB" or "10MB"; the units are B, KiB, MiB, GiB, TiB, kB, MB, GB and TB
    1 error in postrider.toml
    "#);
}

#[test]
fn nothing_may_be_zero_but_sessions() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[limits]
message_size = "0MiB"
recipients = 0
sessions = 0
[retry]
first = "0s"
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:4:16: error: `message_size` may not be zero
      4 | message_size = "0MiB"
        |                ^^^^^^
    postrider.toml:5:14: error: `recipients` should be a number from 1 to 10000
      5 | recipients = 0
        |              ^ out of bounds
    postrider.toml:8:9: error: `first` may not be zero
      8 | first = "0s"
        |         ^^^^
    3 errors in postrider.toml
    "#);
}

#[test]
fn a_number_in_quotes_is_explained() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[limits]
recipients = "200"
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:4:14: error: `recipients` should be a number from 1 to 10000
      4 | recipients = "200"
        |              ^^^^^ a string
      help: write it without quotes
    1 error in postrider.toml
    "#);
}

#[test]
fn what_is_too_large_is_refused() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[journal]
keep = "4000d"
size = "9000000TiB"
[limits]
hops = 99999999999999999999
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:4:8: error: `keep` is too large a duration: "4000d"
      4 | keep = "4000d"
        |        ^^^^^^^
      help: durations look like "5m", "1h30m" or "5d"; the units are d, h, m, s and ms
    postrider.toml:5:8: error: `size` is too large a size: "9000000TiB"
      5 | size = "9000000TiB"
        |        ^^^^^^^^^^^^
      help: sizes look like "64KiB", "50MiB" or "10MB"; the units are B, KiB, MiB, GiB, TiB, kB, MB, GB and TB
    postrider.toml:7:8: error: `hops` should be a number from 1 to 1000
      7 | hops = 99999999999999999999
        |        ^^^^^^^^^^^^^^^^^^^^ out of bounds
    3 errors in postrider.toml
    "#);
}

#[test]
fn an_address_to_listen_on_has_a_port() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
listen = ["0.0.0.0", ":25", "localhost:25", "::1:25", "127.0.0.1:99999"]
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:3:11: error: `listen` is no address and port: "0.0.0.0"
      3 | listen = ["0.0.0.0", ":25", "localhost:25", "::1:25", "127.0.0.1:99999"]
        |           ^^^^^^^^^ the port is missing
      help: write "0.0.0.0:25"
    postrider.toml:3:22: error: `listen` is no address and port: ":25"
      3 | listen = ["0.0.0.0", ":25", "localhost:25", "::1:25", "127.0.0.1:99999"]
        |                      ^^^^^ the address is missing
      help: "0.0.0.0:25" is every IPv4 address of this host, "[::]:25" every IPv6 address
    postrider.toml:3:29: error: `listen` is no address and port: "localhost:25"
      3 | listen = ["0.0.0.0", ":25", "localhost:25", "::1:25", "127.0.0.1:99999"]
        |                             ^^^^^^^^^^^^^^ the address is not an IP address
      help: names are not looked up here: write 127.0.0.1 for localhost, and put IPv6 addresses in [ ]
    postrider.toml:3:45: error: `listen` is no address and port: "::1:25"
      3 | listen = ["0.0.0.0", ":25", "localhost:25", "::1:25", "127.0.0.1:99999"]
        |                                             ^^^^^^^^ an IPv6 address stands in [ ], and the port behind it
      help: write "[::1]:25"
    postrider.toml:3:55: error: `listen` is no address and port: "127.0.0.1:99999"
      3 | listen = ["0.0.0.0", ":25", "localhost:25", "::1:25", "127.0.0.1:99999"]
        |                                                       ^^^^^^^^^^^^^^^^^ a port is a number from 1 to 65535
    5 errors in postrider.toml
    "#);
}

#[test]
fn listen_is_a_list() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
listen = "0.0.0.0:25"
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:3:10: error: `listen` should be a list such as ["0.0.0.0:25", "[::]:25"]
      3 | listen = "0.0.0.0:25"
        |          ^^^^^^^^^^^^ a string
    1 error in postrider.toml
    "#);
}

#[test]
fn a_listener_is_for_mta_or_lmtp() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[[listener]]
address = "127.0.0.1:587"
service = "submission"
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:5:11: error: `service` should be "mta", "lmtp" or "closed", not "submission"
      5 | service = "submission"
        |           ^^^^^^^^^^^^
      help: "mta" takes mail from other mail servers, "lmtp" from programs by LMTP; "closed" says that there is no mail here
    1 error in postrider.toml
    "#);
}

#[test]
fn tls_does_not_work_yet() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[[listener]]
address = "127.0.0.1:465"
tls = "implicit"
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:5:7: error: `tls` does not work yet: the only value is "none"
      5 | tls = "implicit"
        |       ^^^^^^^^^^
      help: leave the line out; TLS arrives with STARTTLS and certificates
    1 error in postrider.toml
    "#);
}
