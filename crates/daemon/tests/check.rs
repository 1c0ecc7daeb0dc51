//! `postrider check` from end to end, with the real binary.

#![expect(clippy::unwrap_used, reason = "clippy frees test functions, not their helpers")]

mod common;

use common::{FILE, postrider};
use insta::assert_snapshot;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use tempfile::TempDir;

/// A folder with a configuration and a private data folder, whose path stands in it for `DATA`.
struct Site(TempDir);

impl Site {
    fn new(source: &str) -> Self {
        let site = Self(tempfile::tempdir().unwrap());
        fs::create_dir(site.data()).unwrap();
        fs::set_permissions(site.data(), Permissions::from_mode(0o700)).unwrap();
        let source = source.replace("DATA", site.data().to_str().unwrap());
        fs::write(site.0.path().join(FILE), source).unwrap();
        site
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    /// What it says on standard output; it must be content.
    fn check(&self, more: &[&str]) -> String {
        let output = postrider(self.0.path(), &[&["check", "--config", FILE], more].concat());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(output.stderr.is_empty(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().replace(self.data().to_str().unwrap(), "DATA")
    }
}

const FULL: &str = r#"
hostname = "mx.example.org"
data = "DATA"
listen = ["127.0.0.1:2525", "[::]:2525"]
postmaster = "alice@example.org"

[[listener]]
address = "192.0.2.1:2424"
service = "lmtp"

[domains."example.org"]
verify = true

[domains."bücher.example"]
subaddress = false

[[route]]
to = "local"
domains = ["bücher.example", "example.org"]

[limits]
sessions = 500
"#;

#[test]
fn a_configuration_is_explained_in_sentences() {
    assert_snapshot!(Site::new(FULL).check(&[]), @r"
    This server is mx.example.org: so its banner and its Received fields say.
    It listens on
      127.0.0.1:2525        for other mail servers (SMTP), from this host only
      [::]:2525             for other mail servers (SMTP), on every IPv6 address of this host
      192.0.2.1:2424        for programs that hand mail over (LMTP), from wherever this address can be reached
    It runs as whoever starts it, but not as root.
    2 domains are local:
      example.org: user+tag reaches user; VRFY and EXPN answer for it
      bücher.example: no subaddresses; VRFY and EXPN only say 252
    Postmaster's mail goes to alice@example.org.
    Whoever connects may send to postmaster and to the accounts and aliases of local domains.
    Unknown recipients there are refused with 550 5.1.1.
    Other domains are refused with 550 5.7.1: nobody relays through this server.
    Lines over 998 octets are kept as they are; one with a CR or LF that stands alone is refused with 554.
    Who talks before the greeting or out of turn is noted in the journal.
    Mail goes by the first of these routes that matches:
      1. bücher.example and example.org: local mailbox ([[route]] on line 17)
      2. local domains: local mailbox (by default)
      3. everything else: the domain's mail hosts (MX) (by default)
    Names are looked up by the name servers of this system.
    At most 500 connections to other hosts are open at a time.
    Everything is kept under DATA.
    What cannot be delivered is tried again after 5m, then with growing waits of at most 4h, and
    given up after 5d. Its sender is told why, with the headers of the message.
    A message may have 50MiB, 1000 recipients and 50 Received fields.
    At most 500 sessions run at a time, at most 100 of one peer;
    together they hold at most 64MiB of content in memory.
    The journal remembers 30d, in at most 1GiB of disk.

    1 warning:
    - LMTP on 192.0.2.1:2424 can be reached from other hosts: it is meant for programs of this host or of a network of its own.
    ");
}

#[test]
fn an_open_data_folder_is_told() {
    let site = Site::new("hostname = \"mx.example.org\"\ndata = \"DATA\"\n");
    fs::set_permissions(site.data(), Permissions::from_mode(0o755)).unwrap();
    assert_snapshot!(site.check(&[]), @r#"
    This server is mx.example.org: so its banner and its Received fields say.
    It listens nowhere.
    It runs as whoever starts it, but not as root.
    No domain is local.
    Postmaster's mail goes into a mailbox of its own.
    Whoever connects may send to postmaster.
    Other domains are refused with 550 5.7.1: nobody relays through this server.
    Lines over 998 octets are kept as they are; one with a CR or LF that stands alone is refused with 554.
    Who talks before the greeting or out of turn is noted in the journal.
    Mail goes by the first of these routes that matches:
      1. local domains: local mailbox (by default)
      2. everything else: the domain's mail hosts (MX) (by default)
    Names are looked up by the name servers of this system.
    At most 500 connections to other hosts are open at a time.
    Everything is kept under DATA.
    What cannot be delivered is tried again after 5m, then with growing waits of at most 4h, and
    given up after 5d. Its sender is told why, with the headers of the message.
    A message may have 50MiB, 1000 recipients and 50 Received fields.
    As many sessions run at a time as the limit of open files allows, at most 100 of one peer;
    together they hold at most 64MiB of content in memory.
    The journal remembers 30d, in at most 1GiB of disk.

    4 warnings:
    - No domain is local: mail for everyone but postmaster is refused.
    - Nobody is named as postmaster: that mail gets a mailbox of its own, which someone must read (RFC 5321 §4.5.1).
    - Nothing listens, so no mail can come in: add a line such as listen = ["0.0.0.0:25"].
    - The folder DATA is open to others (mode 0755): chmod 700 keeps everyone's mail private.
    "#);
}

#[test]
fn programs_read_the_same_in_json() {
    let site = Site::new(FULL);
    let json: serde_json::Value = serde_json::from_str(&site.check(&["--json"])).unwrap();
    assert_eq!(json["hostname"], "mx.example.org");
    assert_eq!(json["listeners"][2]["service"], "lmtp");
    assert_eq!(json["domains"][1]["subaddress"], serde_json::Value::Null);
    assert_eq!(json["retry"]["cap_ms"], 14_400_000);
    assert_eq!(json["limits"]["sessions"], 500);
    assert_eq!(json["errors"].as_array().unwrap().len(), 0);
    assert_eq!(json["warnings"].as_array().unwrap().len(), 1);
}

#[test]
fn programs_read_errors_in_json_on_standard_output() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(FILE), "hostname = \"mx.example.org\"\nlisen = []\ndata = \"/d\"\n")
        .unwrap();
    let output = postrider(folder.path(), &["check", "--json", "--config", FILE]);
    assert_eq!(output.status.code(), Some(78));
    assert!(output.stderr.is_empty(), "{output:?}");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&json["errors"][0]["line"], &json["errors"][0]["column"]), (&2.into(), &1.into()));
    assert_eq!(json["errors"][0]["label"], "did you mean `listen`?");
}

#[test]
fn a_file_that_cannot_be_read_is_a_broken_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let missing = postrider(folder.path(), &["check", "--config", "none.toml"]);
    assert_eq!(missing.status.code(), Some(78));
    assert_snapshot!(String::from_utf8(missing.stderr).unwrap(), @r#"
    none.toml: error: the configuration cannot be read: No such file or directory (os error 2)
      help: --config names the file
    1 error in none.toml
    "#);
    let directory = postrider(folder.path(), &["check", "--config", "."]);
    assert_eq!(directory.status.code(), Some(78));
}

#[test]
fn a_file_that_is_not_utf8_is_pointed_at() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(FILE), b"hostname = \"mx.example.org\"\ndata = \"/caf\xe9\"\n").unwrap();
    let output = postrider(folder.path(), &["check", "--config", FILE]);
    assert_eq!(output.status.code(), Some(78));
    assert_snapshot!(String::from_utf8(output.stderr).unwrap(), @r#"
    postrider.toml:2:13: error: the configuration must be UTF-8
      2 | data = "/caf�"
        |             ^ from here on it is not
    1 error in postrider.toml
    "#);
}

#[test]
fn a_wrong_command_line_ends_with_its_own_code() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(postrider(folder.path(), &["chekc"]).status.code(), Some(64));
    assert_eq!(postrider(folder.path(), &["check"]).status.code(), Some(64));
    let help = postrider(folder.path(), &["check", "--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(String::from_utf8(help.stdout).unwrap().contains("postrider check --config"));
}
