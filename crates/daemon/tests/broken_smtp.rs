//! What `[smtp]` cannot say. Each is told with its place and what to write instead.

mod common;

use common::told;
use insta::assert_snapshot;

#[test]
fn a_word_is_one_of_two() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[smtp]
long_lines = "wrap"
bare_newlines = "keep"
early_talkers = "reject"
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:4:14: error: `long_lines` should be "keep" or "refuse", not "wrap"
      4 | long_lines = "wrap"
        |              ^^^^^^
      help: lines over 998 octets are passed on as they are, or the message is refused
    postrider.toml:5:17: error: `bare_newlines` should be "refuse" or "normalise", not "keep"
      5 | bare_newlines = "keep"
        |                 ^^^^^^
      help: a message with a CR or LF that stands alone is refused, or each becomes CRLF
    postrider.toml:6:17: error: `early_talkers` should be "note" or "refuse", not "reject"
      6 | early_talkers = "reject"
        |                 ^^^^^^^^
      help: who talks before the greeting, or out of turn, is only noted in the journal, or refused
    3 errors in postrider.toml
    "#);
}

#[test]
fn words_are_no_switches() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[smtp]
long_lines = true
bare_newlines = 1
early_talkers = ["note"]
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:4:14: error: `long_lines` should be "keep" or "refuse"
      4 | long_lines = true
        |              ^^^^ true or false
    postrider.toml:5:17: error: `bare_newlines` should be "refuse" or "normalise"
      5 | bare_newlines = 1
        |                 ^ a whole number
    postrider.toml:6:17: error: `early_talkers` should be "note" or "refuse"
      6 | early_talkers = ["note"]
        |                 ^^^^^^^^ a list
    3 errors in postrider.toml
    "#);
}

#[test]
fn a_misspelled_key_names_the_nearest() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[smtp]
long_line = "keep"
bare_newline = "refuse"
greeting_pause = "5s"
early_talker = "note"
no_solicit = []
future_release = "7d"
deliver_by = "1m"
etrm = []
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:4:1: error: there is no key `long_line` in [smtp]
      4 | long_line = "keep"
        | ^^^^^^^^^ did you mean `long_lines`?
    postrider.toml:5:1: error: there is no key `bare_newline` in [smtp]
      5 | bare_newline = "refuse"
        | ^^^^^^^^^^^^ did you mean `bare_newlines`?
    postrider.toml:6:1: error: there is no key `greeting_pause` in [smtp]
      6 | greeting_pause = "5s"
        | ^^^^^^^^^^^^^^ did you mean `greet_pause`?
    postrider.toml:7:1: error: there is no key `early_talker` in [smtp]
      7 | early_talker = "note"
        | ^^^^^^^^^^^^ did you mean `early_talkers`?
    postrider.toml:8:1: error: there is no key `no_solicit` in [smtp]
      8 | no_solicit = []
        | ^^^^^^^^^^ did you mean `no_soliciting`?
    postrider.toml:9:1: error: there is no key `future_release` in [smtp]
      9 | future_release = "7d"
        | ^^^^^^^^^^^^^^ did you mean `future_release_max`?
    postrider.toml:10:1: error: there is no key `deliver_by` in [smtp]
      10 | deliver_by = "1m"
         | ^^^^^^^^^^ did you mean `deliver_by_min`?
    postrider.toml:11:1: error: there is no key `etrm` in [smtp]
      11 | etrm = []
         | ^^^^ did you mean `etrn`?
    8 errors in postrider.toml
    "#);
}

#[test]
fn a_key_in_another_section_is_sent_home() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
greet_pause = "5s"
[limits]
etrn = ["example.net"]
[smtp]
hops = 5
mode = "0660"
mail = false
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:3:1: error: there is no key `greet_pause`
      3 | greet_pause = "5s"
        | ^^^^^^^^^^^ belongs in [smtp]
    postrider.toml:5:1: error: there is no key `etrn` in [limits]
      5 | etrn = ["example.net"]
        | ^^^^ belongs in [smtp]
    postrider.toml:7:1: error: there is no key `hops` in [smtp]
      7 | hops = 5
        | ^^^^ belongs in [limits]
    postrider.toml:8:1: error: there is no key `mode` in [smtp]
      8 | mode = "0660"
        | ^^^^ belongs in a [[listener]] whose address is a path
    postrider.toml:9:1: error: there is no key `mail` in [smtp]
      9 | mail = false
        | ^^^^ belongs in the section of a domain, as [domains."example.org"]
    5 errors in postrider.toml
    "#);
}

#[test]
fn times_have_units_and_bounds() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[smtp]
greet_pause = "31s"
future_release_max = "400d"
deliver_by_min = 60
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:4:15: error: `greet_pause` may be at most 30s
      4 | greet_pause = "31s"
        |               ^^^^^
    postrider.toml:5:22: error: `future_release_max` may be at most 365d
      5 | future_release_max = "400d"
        |                      ^^^^^^
    postrider.toml:6:18: error: `deliver_by_min` needs a unit
      6 | deliver_by_min = 60
        |                  ^^ a bare number
      help: write "60s" for seconds, or use ms, m, h or d
    3 errors in postrider.toml
    "#);
}

#[test]
fn never_is_a_time_only_for_releases() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[smtp]
greet_pause = "never"
future_release_max = "0s"
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:4:15: error: `greet_pause` is no duration: "never"
      4 | greet_pause = "never"
        |               ^^^^^^^
      help: durations look like "5m", "1h30m" or "5d"; the units are d, h, m, s and ms
    postrider.toml:5:22: error: `future_release_max` may not be zero
      5 | future_release_max = "0s"
        |                      ^^^^
      help: write a duration such as "4h" or "1h30m", or "never"
    2 errors in postrider.toml
    "#);
}

#[test]
fn a_class_of_solicitation_has_a_form() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[smtp]
no_soliciting = ["net.example:ADV,org.example:ADV", "5 letters", 7]
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:4:18: error: `no_soliciting` is no class of solicitation: "net.example:ADV,org.example:ADV"
      4 | no_soliciting = ["net.example:ADV,org.example:ADV", "5 letters", 7]
        |                  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      help: write each in quotes of its own
    postrider.toml:4:53: error: `no_soliciting` is no class of solicitation: "5 letters"
      4 | no_soliciting = ["net.example:ADV,org.example:ADV", "5 letters", 7]
        |                                                     ^^^^^^^^^^^
      help: a domain turned around, a colon, a word: "net.example:ADV" (RFC 3865 §2.1)
    postrider.toml:4:66: error: `no_soliciting` should be a class of solicitation such as "net.example:ADV"
      4 | no_soliciting = ["net.example:ADV,org.example:ADV", "5 letters", 7]
        |                                                                  ^ a whole number
    3 errors in postrider.toml
    "#);
}

#[test]
fn a_list_of_classes_names_one() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[smtp]
no_soliciting = []
"#;
    assert_snapshot!(told(source), @r"
    postrider.toml:4:17: error: `no_soliciting` names no class of solicitation
      4 | no_soliciting = []
        |                 ^^
      help: name one, or remove the line
    1 error in postrider.toml
    ");
}

#[test]
fn classes_fit_into_a_line() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[smtp]
no_soliciting = ["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"]
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:4:17: error: `no_soliciting` names too many classes
      4 | no_soliciting = ["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…
        |                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ 1201 octets, at most 1000 are possible
    1 error in postrider.toml
    "#);
}

#[test]
fn etrn_is_for_domains() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[smtp]
etrn = ["*.example.net", "[192.0.2.1]"]
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:4:9: error: `etrn` is no domain name: "*.example.net"
      4 | etrn = ["*.example.net", "[192.0.2.1]"]
        |         ^^^^^^^^^^^^^^^ a domain is letters, digits and hyphens between dots
      help: patterns do not work: write each domain
    postrider.toml:4:26: error: `etrn` is no domain name: "[192.0.2.1]"
      4 | etrn = ["*.example.net", "[192.0.2.1]"]
        |                          ^^^^^^^^^^^^^ an IP address
      help: write a name that points to it
    2 errors in postrider.toml
    "#);
}

#[test]
fn mail_that_stays_here_waits_for_no_etrn() {
    let source = r#"
hostname = "mx.example.org"
data = "/var/lib/postrider"
[smtp]
etrn = ["example.org"]
[domains."example.org"]
"#;
    assert_snapshot!(told(source), @r#"
    postrider.toml:4:9: error: `etrn`: mail for example.org stays here
      4 | etrn = ["example.org"]
        |         ^^^^^^^^^^^^^
      and postrider.toml:5:10:
      5 | [domains."example.org"]
        |          ^^^^^^^^^^^^^ local here
      help: ETRN starts mail that waits for another host: remove one of the two
    1 error in postrider.toml
    "#);
}
