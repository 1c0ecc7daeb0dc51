//! Listeners that cannot be, by TCP or by a Unix socket, and trust in everyone. Each is told with its place and
//! what to write instead.

mod common;

use common::told;
use insta::assert_snapshot;

#[test]
fn a_socket_needs_an_absolute_path() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[[listener]]
address = "run/lmtp"
service = "lmtp"
[[listener]]
address = "unix:/run/postrider/lmtp"
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:4:11: error: `address` is no place to listen: "run/lmtp"
      4 | address = "run/lmtp"
        |           ^^^^^^^^^^ the path of a Unix socket begins with /
      help: where a relative path leads depends on who starts the server
    postrider.toml:7:11: error: `address` is no place to listen: "unix:/run/postrider/lmtp"
      7 | address = "unix:/run/postrider/lmtp"
        |           ^^^^^^^^^^^^^^^^^^^^^^^^^^
      help: write the path alone: "/run/postrider/lmtp"
    2 errors in postrider.toml
    "#);
}

#[test]
fn a_socket_needs_a_path_that_the_system_can_bind() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[[listener]]
address = "/run/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
[[listener]]
address = "/run/postrider/"
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:4:11: error: `address` is too long for the path of a Unix socket
      4 | address = "/run/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
        |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ 115 octets, at most 107 are possible
    postrider.toml:6:11: error: `address` names a folder
      6 | address = "/run/postrider/"
        |           ^^^^^^^^^^^^^^^^^ the socket needs a name of its own
      help: write a path such as "/run/postrider/lmtp"
    2 errors in postrider.toml
    "#);
}

#[test]
fn a_socket_is_no_address_in_the_short_form() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
listen = ["/run/postrider/mta"]
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:3:11: error: `listen` is no address and port: "/run/postrider/mta"
      3 | listen = ["/run/postrider/mta"]
        |           ^^^^^^^^^^^^^^^^^^^^ a path
      help: write a [[listener]] for a Unix socket: it says what the socket is for
    1 error in postrider.toml
    "#);
}

#[test]
fn two_listeners_want_one_socket() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[[listener]]
address = "/run/postrider/lmtp"
service = "lmtp"
[[listener]]
address = "/run/postrider//lmtp"
mode = "0666"
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:7:11: error: two listeners want /run/postrider/lmtp
      7 | address = "/run/postrider//lmtp"
        |           ^^^^^^^^^^^^^^^^^^^^^^ again here
      and postrider.toml:4:11:
      4 | address = "/run/postrider/lmtp"
        |           ^^^^^^^^^^^^^^^^^^^^^ first here
    1 error in postrider.toml
    "#);
}

#[test]
fn the_control_socket_is_taken() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[[listener]]
address = "/var/lib/postrider/control.sock"
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:4:11: error: this is the socket of `postrider queue` and its like
      4 | address = "/var/lib/postrider/control.sock"
        |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ taken
      help: give the listener a path of its own
    1 error in postrider.toml
    "#);
}

#[test]
fn a_mode_is_octal_digits_in_quotes() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[[listener]]
address = "/run/postrider/lmtp"
mode = 660
[[listener]]
address = "/run/postrider/mta"
mode = "rw-rw----"
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:5:8: error: `mode` should be octal digits in quotes
      5 | mode = 660
        |        ^^^ a bare number
      help: write "0660" if that is what is meant
    postrider.toml:8:8: error: `mode` is no mode: "rw-rw----"
      8 | mode = "rw-rw----"
        |        ^^^^^^^^^^^
      help: three octal digits for owner, group and others, as in "0660"
    2 errors in postrider.toml
    "#);
}

#[test]
fn a_mode_lets_its_owner_connect_and_gives_permissions_only() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[[listener]]
address = "/run/postrider/lmtp"
mode = "0440"
[[listener]]
address = "/run/postrider/mta"
mode = "4660"
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:5:8: error: `mode` lets not even the owner connect
      5 | mode = "0440"
        |        ^^^^^^ connecting needs the right to write: 2
    postrider.toml:8:8: error: `mode` may have the permissions of owner, group and others only
      8 | mode = "4660"
        |        ^^^^^^ the first of four digits is 0
    2 errors in postrider.toml
    "#);
}

#[test]
fn a_mode_is_for_a_socket() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[[listener]]
address = "127.0.0.1:24"
service = "lmtp"
mode = "0660"
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:6:8: error: `mode` is for a Unix socket
      6 | mode = "0660"
        |        ^^^^^^
      and postrider.toml:4:11:
      4 | address = "127.0.0.1:24"
        |           ^^^^^^^^^^^^^^ an address and a port
      help: leave it out, or give the listener a path as its address
    1 error in postrider.toml
    "#);
}

#[test]
fn a_socket_is_not_closed() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[[listener]]
address = "/run/postrider/mta"
service = "closed"
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:5:11: error: "closed" is for an address that others may still try
      5 | service = "closed"
        |           ^^^^^^^^
      and postrider.toml:4:11:
      4 | address = "/run/postrider/mta"
        |           ^^^^^^^^^^^^^^^^^^^^ a Unix socket
      help: remove this [[listener]]
    1 error in postrider.toml
    "#);
}

#[test]
fn a_service_is_one_of_three() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[[listener]]
address = "127.0.0.1:25"
service = "close"
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:5:11: error: `service` should be "mta", "lmtp" or "closed", not "close"
      5 | service = "close"
        |           ^^^^^^^
      help: "mta" takes mail from other mail servers, "lmtp" from programs by LMTP; "closed" says that there is no mail here
    1 error in postrider.toml
    "#);
}

#[test]
fn everyone_is_no_proxy() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
proxy_from = ["0.0.0.0/0", "::/0"]
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:3:15: error: `proxy_from` 0.0.0.0/0 is everyone
      3 | proxy_from = ["0.0.0.0/0", "::/0"]
        |               ^^^^^^^^^^^ nobody could connect without the PROXY protocol, and anyone could give any address
      help: name the addresses of the proxies
    postrider.toml:3:28: error: `proxy_from` ::/0 is everyone
      3 | proxy_from = ["0.0.0.0/0", "::/0"]
        |                            ^^^^^^ nobody could connect without the PROXY protocol, and anyone could give any address
      help: name the addresses of the proxies
    2 errors in postrider.toml
    "#);
}

#[test]
fn trust_is_a_list_of_networks() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
proxy_from = "192.0.2.10"
xclient_from = ["localhost"]
xforward_from = ["192.0.2.7/24", 1]
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:3:14: error: `proxy_from` should be a list such as ["192.0.2.1", "2001:db8::/64"]
      3 | proxy_from = "192.0.2.10"
        |              ^^^^^^^^^^^^ a string
    postrider.toml:4:17: error: `xclient_from` is no network: "localhost"
      4 | xclient_from = ["localhost"]
        |                 ^^^^^^^^^^^
      help: write "192.0.2.0/24", "2001:db8::/32", or one address
    postrider.toml:5:18: error: `xforward_from` is no network: "192.0.2.7/24"
      5 | xforward_from = ["192.0.2.7/24", 1]
        |                  ^^^^^^^^^^^^^^ an address inside a network
      help: write "192.0.2.0/24" for the network, or "192.0.2.7" for the address
    postrider.toml:5:34: error: `xforward_from` should be a network such as "192.0.2.0/24"
      5 | xforward_from = ["192.0.2.7/24", 1]
        |                                  ^ a whole number
    4 errors in postrider.toml
    "#);
}

#[test]
fn misspelled_trust_names_the_nearest() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
proxy_form = ["192.0.2.10"]
xclient = ["192.0.2.10"]
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:3:1: error: there is no key `proxy_form`
      3 | proxy_form = ["192.0.2.10"]
        | ^^^^^^^^^^ did you mean `proxy_from`?
    postrider.toml:4:1: error: there is no key `xclient`
      4 | xclient = ["192.0.2.10"]
        | ^^^^^^^ unknown
      help: what is known here: hostname, data, user, postmaster, listen, listener, proxy_from, xclient_from, xforward_from, smtp, domains, moved, relay_from, relay_domains, smarthost, route, dns, outbound, notices, retry, limits and journal
    2 errors in postrider.toml
    "#);
}
