//! `postrider queue` from end to end, with the real binary: with a server, and without one.

#![expect(clippy::unwrap_used, reason = "clippy frees test functions, not their helpers")]

#[path = "common/server.rs"]
mod server;

use postrider_queue::{State, View};
use rustix::fs::{FlockOperation, flock};
use server::{Server, Site, eventually};
use std::fs::File;
use std::os::unix::process::CommandExt;

const MESSAGE: &str = "Subject: hello\nMessage-ID: <1@client.example>\n\nIt works.";

fn views(json: &str) -> Vec<View> {
    json.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn ids(site: &Site, filter: &[&str]) -> Vec<String> {
    let json = site.ok(&[&["queue", "list", "--json"], filter].concat());
    views(&json).iter().map(|view| view.id.to_string()).collect()
}

fn is_empty(site: &Site) -> bool {
    ids(site, &[]).is_empty()
}

#[test]
fn health_is_told_without_a_server_too() {
    let site = Site::new();
    Server::dev(&site).stop();
    assert!(site.ok(&["queue", "health"]).contains("none runs"));
    let json: serde_json::Value = serde_json::from_str(&site.ok(&["queue", "health", "--json"])).unwrap();
    assert_eq!((&json["queue"]["messages"], json["activity"].is_null()), (&0.into(), true));
}

#[test]
fn a_message_is_paused_held_shown_released_and_delivered() {
    let site = Site::new();
    let server = Server::dev(&site);
    assert_eq!(site.ok(&["queue", "list"]), "The queue is empty.\n");
    let paused = site.ok(&["queue", "pause", "--why", "moving"]);
    assert!(
        paused.starts_with("All delivery is paused since ") && paused.ends_with(": moving\n"),
        "{paused}"
    );

    let id = server.accepted("a@client.example", &["b@local.example"], MESSAGE);
    let list = site.ok(&["queue", "list"]);
    assert!(list.contains("All delivery is paused") && list.contains(&id), "{list}");
    assert!(list.contains("waiting") && list.ends_with("1 message.\n"), "{list}");

    assert_eq!(site.ok(&["queue", "hold", &id, "--why", "odd"]), format!("1 message held: {id}\n"));
    assert_eq!(site.ok(&["queue", "hold", &id]), format!("{id} is held already\n"));
    assert_eq!(site.ok(&["queue", "retry", &id]), format!("{id} is held: release it first\n"));
    assert_eq!(site.ok(&["queue", "resume"]), "Nothing is paused.\n");
    assert!(site.ok(&["queue", "show", &id]).contains("operator: odd"));
    assert_eq!(ids(&site, &["--held"]), [id.as_str()]);
    assert!(site.mail("b@local.example").is_empty());

    assert_eq!(site.ok(&["queue", "release", &id]), format!("1 message released: {id}\n"));
    eventually("the message is delivered", || is_empty(&site));
    assert!(site.mail("b@local.example")[0].contains("It works."));
    let health = site.ok(&["queue", "health"]);
    assert!(
        health.contains("Queued        0 messages\n") && health.contains("Since start   0 notices"),
        "{health}"
    );
    let gone = site.fails(&["queue", "show", &id], 69);
    assert!(gone.contains(&format!("there is no message {id} in the queue")), "{gone}");
    server.stop();
}

#[test]
fn without_a_server_the_commands_work_on_the_folder() {
    let site = Site::new();
    let server = Server::dev(&site);
    site.ok(&["queue", "pause", "local"]);
    let id = server.accepted("a@client.example", &["b@local.example"], MESSAGE);
    server.stop();

    assert_eq!(ids(&site, &[]), [id.as_str()]);
    site.ok(&["queue", "hold", &id]);
    assert!(site.ok(&["queue", "show", &id]).contains("held"));
    let released = site.ok(&["queue", "release", "--all"]);
    assert!(released.starts_with(&format!("1 message released: {id}\n")), "{released}");
    assert!(released.contains("No server runs on"), "{released}");
    assert!(site.ok(&["queue", "resume", "local"]).contains("Nothing is paused."));
    let record = site.ok(&["trace", "queue release"]);
    assert!(record.contains(&format!("queue release all messages: 1 message changed {id}")), "{record}");
    site.assert_one_owner();

    let server = Server::dev(&site);
    eventually("the message is delivered", || is_empty(&site));
    assert_eq!(site.mail("b@local.example").len(), 1);
    server.stop();
}

#[test]
fn filters_choose_and_must_all_agree() {
    let site = Site::new();
    let server = Server::dev(&site);
    site.ok(&["queue", "pause"]);
    let first = server.accepted("a@client.example", &["b@local.example"], MESSAGE);
    let second = server.accepted("", &["c@local.example", "d@other.example"], "Subject: a notice\n\n.");
    let both = [first.clone(), second.clone()];
    for (filter, expected) in [
        (&["--sender", "CLIENT"][..], &both[..1]),
        (&["--sender", "<>"], &both[1..]),
        (&["--recipient", "@other"], &both[1..]),
        (&["--recipient", "@local"], &both),
        (&["--key", "local"], &both),
        (&["--key", "@local.example"], &[]),
        (&["--message-id", "1@client"], &both[..1]),
        (&["--state", "waiting"], &both),
        (&["--state", "failed"], &[]),
        (&["--older", "1h"], &[]),
        (&["--newer", "1h"], &both),
        (&["--owing"], &[]),
        (&["--held"], &[]),
        (&["--newer", "1h", "--sender", "<>"], &both[1..]),
        (&["--limit", "1"], &both[..1]),
        (&["--after", &first], &both[1..]),
    ] {
        assert_eq!(ids(&site, filter), expected, "{filter:?}");
    }
    let page = site.ok(&["queue", "list", "--limit", "1"]);
    assert!(page.contains("1 message of 2 shown") && page.contains(&format!("--after {first}")), "{page}");
    let none = site.ok(&["queue", "list", "--held"]);
    assert!(none.ends_with("No message agrees; the queue holds 2 messages.\n"), "{none}");
    let held = site.ok(&["queue", "hold", "--sender", "<>"]);
    assert_eq!(held, format!("1 message held: {second}\n"));
    let refused = site.ok(&["queue", "release", &second, "--sender", "client"]);
    assert_eq!(refused, format!("{second} is not what the filter asks for\n"));
    server.stop();
}

#[test]
fn json_tells_the_same_as_the_queue_knows() {
    let site = Site::new();
    let server = Server::dev(&site);
    site.ok(&["queue", "pause"]);
    let id = server.accepted("a@client.example", &["b@local.example", "c@local.example"], MESSAGE);
    let listed = views(&site.ok(&["queue", "list", "--json"]));
    let shown: View = serde_json::from_str(&site.ok(&["queue", "show", &id, "--json"])).unwrap();
    assert_eq!(listed, std::slice::from_ref(&shown));
    assert_eq!(shown.id.to_string(), id);
    assert_eq!(shown.reverse_path.as_str(), "a@client.example");
    assert_eq!(shown.helo.unwrap().as_str(), "client.example");
    assert_eq!(shown.message_id.unwrap().as_str(), "<1@client.example>");
    assert_eq!(shown.recipients.len(), 2);
    assert!(shown.recipients.iter().all(|recipient| recipient.state == Some(State::Waiting)));
    server.stop();
}

#[test]
fn deleting_more_than_one_message_needs_a_word() {
    let site = Site::new();
    let server = Server::dev(&site);
    site.ok(&["queue", "pause"]);
    let accept = || server.accepted("a@client.example", &["b@local.example"], MESSAGE);
    let [first, second, third] = [accept(), accept(), accept()];
    for refused in [&["queue", "delete", "--all"][..], &["queue", "delete", &first, &second]] {
        let said = site.fails(refused, 64);
        assert!(said.contains("nobody would be told") && said.contains("--yes"), "{said}");
    }
    assert_eq!(ids(&site, &[]).len(), 3);
    let deleted = site.ok(&["queue", "delete", &first]);
    assert_eq!(deleted, format!("1 message deleted: {first}\nNobody was told.\n"));
    let deleted = site.ok(&["queue", "delete", "--sender", "a@client", "--yes"]);
    assert_eq!(deleted, format!("2 messages deleted: {second} {third}\nNobody was told.\n"));
    assert!(is_empty(&site));
    assert!(site.mail("b@local.example").is_empty());
    server.stop();
}

#[test]
fn a_selection_is_never_guessed() {
    let site = Site::new();
    std::fs::create_dir(site.data()).unwrap();
    for what in ["hold", "release", "retry", "delete"] {
        let said = site.fails(&["queue", what], 64);
        assert!(said.contains("give their ids, a filter such as --sender, or --all"), "{said}");
        site.fails(&["queue", what, "--all", "--held"], 64);
        site.fails(&["queue", what, "not-an-id"], 64);
    }
    for bad in [&["--older", "5"][..], &["--older", "soon"], &["--key", "a b"], &["--key", "example.org"]] {
        site.fails(&[&["queue", "list"], bad].concat(), 64);
    }
}

#[test]
fn one_missing_message_does_not_hide_what_was_done_to_another() {
    let site = Site::new();
    let server = Server::dev(&site);
    site.ok(&["queue", "pause"]);
    let id = server.accepted("a@client.example", &["b@local.example"], MESSAGE);
    let output = site.told(&["queue", "hold", &id, "0000000000001"], "");
    assert_eq!(output.status.code(), Some(69));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("1 message held: {id}\n"));
    assert!(String::from_utf8(output.stderr).unwrap().contains("there is no message 0000000000001"));
    server.stop();
}

#[test]
fn looking_makes_no_folder() {
    let site = Site::new();
    for command in [&["queue", "list"][..], &["queue", "pause"], &["trace", "last"], &["account", "list"]] {
        let said = site.fails(command, 69);
        assert!(said.contains(&format!("there is no data folder {}", site.data().display())), "{said}");
        assert!(said.contains("--config FILE") && !site.data().exists(), "{said}");
    }
    std::fs::create_dir(site.data()).unwrap();
    let said = site.fails(&["queue", "list"], 69);
    assert!(said.contains("there is no queue in"), "{said}");
    assert_eq!(std::fs::read_dir(site.data()).unwrap().count(), 0);
}

#[test]
fn a_locked_folder_whose_server_does_not_answer_is_named() {
    let site = Site::new();
    Server::dev(&site).stop();
    let lock = File::open(site.data().join("queue/lock")).unwrap();
    flock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
    let said = site.fails(&["queue", "list"], 69);
    assert!(said.contains("a server has locked"), "{said}");
    assert!(said.contains("does not answer on") && said.contains("control.sock"), "{said}");
    drop(lock);
    site.ok(&["queue", "list"]);
}

#[test]
fn a_stranger_is_told_whose_the_folder_is() {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_postrider"));
    command.args(["queue", "list", "--data", "/"]);
    if nix::unistd::Uid::effective().is_root() {
        command.uid(65534).gid(65534);
    }
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(71), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("belongs to the user root\n  sudo -u root postrider"), "{said}");
}

#[test]
fn the_socket_of_a_killed_server_stands_in_nobodys_way() {
    let site = Site::new();
    let server = Server::dev(&site);
    site.ok(&["queue", "pause"]);
    let id = server.accepted("a@client.example", &["b@local.example"], MESSAGE);
    // A look writes what the journal has gathered; SIGKILL tidies nothing up.
    let told = site.ok(&["trace", &id]);
    drop(server);
    assert!(site.data().join("control.sock").exists());
    assert_eq!(ids(&site, &[]), [id.as_str()]);
    assert_eq!(site.ok(&["trace", &id]), told);
}
