//! `postrider account` and `postrider alias` from end to end: what they write, and what `serve` makes of it.

#![expect(clippy::unwrap_used, reason = "clippy frees test functions, not their helpers")]

#[path = "common/server.rs"]
mod server;

use serde_json::Value;
use server::{Server, Site, eventually};
use std::fs;
use std::os::unix::fs::MetadataExt;

const MESSAGE: &str = "Subject: hello\n\nIt works.";

fn values(json: &str) -> Vec<Value> {
    json.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn add(site: &Site, address: &str) {
    let said = site.ok_by_config(&["account", "add", address, "--no-password"]);
    assert_eq!(said, format!("{address} is an account now. It has no password: nobody can log in.\n"));
}

#[test]
fn a_running_server_knows_a_new_account_at_once_and_forgets_a_removed_one() {
    let site = Site::with_domains(&["local.example"]);
    let server = Server::serve(&site);
    let to_alice = || server.submit("a@client.example", &["alice@local.example"], MESSAGE).swap_remove(0);
    assert!(to_alice().starts_with("550 5.1.1"), "{}", to_alice());
    add(&site, "alice@local.example");
    assert!(to_alice().starts_with("250"));
    eventually("the message is delivered", || !site.mail("alice@local.example").is_empty());
    let removed = site.ok_by_config(&["account", "remove", "ALICE@local.example"]);
    assert!(removed.starts_with("alice@local.example is no account any more.\n"), "{removed}");
    assert!(removed.contains("stays below"), "{removed}");
    assert!(to_alice().starts_with("550 5.1.1"));
    assert_eq!(site.mail("alice@local.example").len(), 1);
    server.stop();
    site.assert_one_owner();
}

#[test]
fn an_alias_reaches_its_members_and_postmaster_is_always_there() {
    let site = Site::with_domains(&["local.example"]);
    add(&site, "alice@local.example");
    add(&site, "bob@local.example");
    let said = site.ok_by_config(&[
        "alias",
        "add",
        "team@local.example",
        "alice@local.example",
        "bob@local.example",
    ]);
    assert_eq!(said, "team@local.example leads to alice@local.example, bob@local.example now.\n");
    let server = Server::serve(&site);
    site.ok_by_config(&["queue", "pause"]);
    let replies =
        server.submit("a@client.example", &["team@local.example", "postmaster@local.example"], MESSAGE);
    assert!(replies.iter().all(|reply| reply.starts_with("250")), "{replies:?}");
    let id = replies[2].rsplit_once(' ').unwrap().1;
    let shown = site.ok_by_config(&["queue", "show", id]);
    assert!(
        shown.contains(
            "<bob@local.example>, given as <team@local.example>, through the alias <team@local.example>"
        ),
        "{shown}"
    );
    site.ok_by_config(&["queue", "resume"]);
    // Postmaster of every domain is this host's, as nobody else was named.
    for mailbox in ["alice@local.example", "bob@local.example", "postmaster@mx.example.org"] {
        eventually(mailbox, || site.mail(mailbox).len() == 1);
    }
    server.stop();
    // The same commands without a server, as the server's user.
    site.ok_by_config(&["queue", "list"]);
    site.ok_by_config(&["trace", "last"]);
    site.assert_one_owner();
}

#[test]
fn lists_are_read_by_people_and_programs() {
    let site = Site::with_domains(&["local.example"]);
    assert_eq!(site.ok_by_config(&["account", "list"]), "There are no accounts.\n");
    assert_eq!(site.ok_by_config(&["alias", "list"]), "There are no aliases.\n");
    assert_eq!(fs::read_dir(site.data()).unwrap().count(), 0, "looking made something");
    add(&site, "alice@local.example");
    site.ok_by_config(&[
        "alias",
        "add",
        "all@local.example",
        "alice@local.example",
        "nobody.yet@local.example",
    ]);
    let list = site.ok_by_config(&["account", "list"]);
    assert!(list.starts_with("ADDRESS") && list.contains("alice@local.example  none"), "{list}");
    let accounts = values(&site.ok_by_config(&["account", "list", "--json"]));
    assert_eq!(accounts[0]["address"], "alice@local.example");
    assert_eq!(accounts[0]["has_password"], false);
    let aliases = values(&site.ok_by_config(&["alias", "list", "--json"]));
    assert_eq!(aliases[0]["members"], serde_json::json!(["alice@local.example", "nobody.yet@local.example"]));
    let removed = site.ok_by_config(&["account", "remove", "alice@local.example"]);
    assert!(removed.contains("It left the aliases all@local.example.\n"), "{removed}");
    assert_eq!(
        site.ok_by_config(&["alias", "remove", "all@local.example"]),
        "all@local.example is no alias any more.\n"
    );
    site.assert_one_owner();
}

#[test]
fn what_the_server_would_not_take_mail_for_is_refused() {
    let site = Site::with_domains(&["local.example"]);
    let said = site.fails_by_config(&["account", "add", "x@other.example", "--no-password"], 65);
    assert!(
        said.contains("other.example is no local domain of") && said.contains("[domains.\"other.example\"]"),
        "{said}"
    );
    site.fails_by_config(&["account", "add", "x@mx.example.org", "--no-password"], 65);
    add(&site, "postmaster@mx.example.org");
    add(&site, "alice@local.example");
    let said = site.fails_by_config(&["alias", "add", "us@local.example", "x@mx.example.org"], 65);
    assert!(said.contains("no route leads to it"), "{said}");
    let said =
        site.ok_by_config(&["alias", "add", "out@local.example", "alice@local.example", "x@other.example"]);
    assert!(
        said.ends_with("\nMail for x@other.example leaves this server: the domain's mail hosts (MX).\n"),
        "{said}"
    );
    for (command, code) in [
        (&["account", "add", "Alice@local.example", "--no-password"][..], 65),
        (&["alias", "add", "alice@local.example", "postmaster@mx.example.org"], 65),
        (&["alias", "add", "self@local.example", "self@local.example"], 65),
        (&["account", "remove", "bob@local.example"], 69),
        (&["alias", "remove", "bob@local.example"], 69),
        (&["account", "add", "not an address", "--no-password"], 64),
        (&["alias", "add", "empty@local.example"], 64),
    ] {
        site.fails_by_config(command, code);
    }
}

#[test]
fn a_password_comes_from_a_file_or_standard_input_and_is_never_shown() {
    let site = Site::with_domains(&["local.example"]);
    let add = ["account", "add", "alice@local.example", "--password-file", "-"];
    let output = site.told_by_config(&add, "short\n");
    assert_eq!(output.status.code(), Some(65), "{output:?}");
    for bad in ["", "\n", &"x".repeat(5000)] {
        assert_eq!(site.told_by_config(&add, bad).status.code(), Some(65), "{bad:?}");
    }
    let output = site.told_by_config(&add, "open sesame\r\nnot read\n");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(!format!("{output:?}").contains("sesame"));
    let accounts = values(&site.ok_by_config(&["account", "list", "--json"]));
    assert_eq!(accounts[0]["has_password"], true);

    let file = site.path().join("secret");
    fs::write(&file, "another one").unwrap();
    let file = file.to_str().unwrap();
    let said = site.ok_by_config(&["account", "password", "alice@local.example", "--password-file", file]);
    assert_eq!(said, "The password of alice@local.example is set.\n");
    let directory = postrider_directory::Directory::open(&site.data()).unwrap();
    let alice = "alice@local.example".parse().unwrap();
    let verified = |password: &str| {
        let password = postrider_directory::Password::new(password).unwrap();
        directory.verify(&alice, &password).unwrap().is_some()
    };
    assert!(verified("another one") && !verified("open sesame"));
    let none = ["account", "password", "bob@local.example", "--password-file", file];
    site.fails_by_config(&none, 69);
    site.fails_by_config(&["account", "password", "alice@local.example", "--password-file", "/no/such"], 66);
    let said = site.fails_by_config(&["account", "password", "alice@local.example"], 64);
    assert!(said.contains("there is no terminal to ask for the password on"), "{said}");
}

#[test]
fn the_first_account_may_come_before_the_first_start() {
    let site = Site::with_domains(&["local.example"]);
    let owner = fs::metadata(site.data()).unwrap().uid();
    fs::remove_dir(site.data()).unwrap();
    let said = site.fails_by_config(&["account", "list"], 69);
    assert!(said.contains("which") && said.contains("names") && !site.data().exists(), "{said}");
    // The parent folder is the server's to write in.
    std::os::unix::fs::chown(site.path(), Some(owner), None).unwrap();
    add(&site, "alice@local.example");
    assert_eq!(fs::metadata(site.data()).unwrap().uid(), owner);
    site.assert_one_owner();
    site.fails(&["account", "add", "x@y.example", "--no-password", "--config", "x"], 64);
}
