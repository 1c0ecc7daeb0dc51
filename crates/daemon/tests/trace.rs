//! `postrider trace` from end to end, with the real binary: with a server, and without one.

#![expect(clippy::unwrap_used, reason = "clippy frees test functions, not their helpers")]

#[path = "common/server.rs"]
mod server;

use postrider_journal::{Story, Subject};
use server::{Server, Site, eventually};

const MESSAGE: &str = "Subject: hello\nMessage-ID: <1@client.example>\n\nIt works.";

/// The headings in an answer.
fn headings(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with(' ')).collect()
}

/// The kinds of stories in an answer.
fn kinds(text: &str) -> Vec<&str> {
    headings(text).iter().filter_map(|line| line.split([' ', ',']).next()).collect()
}

fn site_with_a_delivery() -> (Site, Server, String) {
    let site = Site::new();
    let server = Server::dev(&site);
    let id = server.accepted("a@client.example", &["b@local.example"], MESSAGE);
    eventually("the delivery is told", || {
        let output = site.told(&["trace", "last"], "");
        String::from_utf8(output.stdout).unwrap().contains("delivered: 250")
    });
    (site, server, id)
}

#[test]
fn last_tells_the_session_and_then_what_became_of_its_message() {
    let (site, server, id) = site_with_a_delivery();
    let told = site.ok(&["trace", "last"]);
    assert_eq!(kinds(&told), ["session", "attempt"], "{told}");
    for said in [
        "C: RCPT TO:<b@local.example>",
        "-> accept RCPT TO:<b@local.example>",
        &format!("=> accepted as {id}"),
        "S: 221 2.0.0",
        &format!("=> {id} to local"),
        "=> <b@local.example> delivered: 250",
    ] {
        assert!(told.contains(said), "{said:?} in {told}");
    }
    server.stop();
}

#[test]
fn a_message_is_found_by_all_its_names_with_and_without_a_server() {
    let (site, server, id) = site_with_a_delivery();
    let names = [&id, "<1@client.example>", "b@local.example", "B@Local.Example"];
    let told: Vec<String> = names.iter().map(|name| site.ok(&["trace", name])).collect();
    assert_eq!(kinds(&told[0]), ["session", "attempt"]);
    assert_eq!(kinds(&told[1]), ["session", "attempt"]);
    assert_eq!(kinds(&site.ok(&["trace", "in", "the", "mailbox"])), ["attempt"]);
    server.stop();
    for (name, told) in names.iter().zip(&told) {
        assert_eq!(&site.ok(&["trace", name]), told, "{name}");
    }
    site.assert_one_owner();
}

#[test]
fn json_is_a_story_per_line_oldest_first() {
    let (site, server, id) = site_with_a_delivery();
    let json = site.ok(&["trace", &id, "--json"]);
    let stories: Vec<Story> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(matches!(stories[0].subject(), Subject::Session(_)));
    assert!(matches!(stories[1].subject(), Subject::Attempt(_)));
    assert_eq!(stories[0].queue_ids()[0].to_string(), id);
    server.stop();
}

#[test]
fn a_limit_keeps_the_newest_and_says_that_there_are_more() {
    let site = Site::new();
    let server = Server::dev(&site);
    for n in 0..3 {
        server.submit("a@client.example", &[&format!("r{n}@local.example")], MESSAGE);
        // One after the other: deliveries that overlap are told in the order they end, and shown in that of
        // their beginning.
        eventually("the delivery is told", || {
            let told = site.told(&["trace", "in the mailbox"], "");
            headings(&String::from_utf8_lossy(&told.stdout)).len() == n + 1
        });
    }
    let all = site.ok(&["trace", "in the mailbox"]);
    let newest = site.ok(&["trace", "in the mailbox", "--limit", "1"]);
    assert!(newest.starts_with("Only the newest story is shown; --limit N shows more.\n"), "{newest}");
    assert_eq!(headings(&newest).last(), headings(&all).last());
    assert_eq!(headings(&site.ok(&["trace", "last", "--limit", "2"])).len(), 4, "two sessions, two attempts");
    site.fails(&["trace", "last", "--limit", "0"], 64);
    server.stop();
}

#[test]
fn what_is_not_there_is_said_with_how_far_the_journal_reaches() {
    let site = Site::new();
    let server = Server::dev(&site);
    let said = site.fails(&["trace", "last"], 69);
    assert!(said.contains("remembers no session"), "{said}");
    server.submit("a@client.example", &["b@local.example"], MESSAGE);
    server.stop();
    let said = site.fails(&["trace", "no such words"], 69);
    assert!(
        said.contains(&format!("nothing in the journal of {} mentions no such words", site.data().display()))
    );
    assert!(said.contains("it reaches back to 20"), "{said}");
    site.fails(&["trace", "  "], 64);
    std::fs::remove_dir_all(site.data().join("journal")).unwrap();
    let said = site.fails(&["trace", "last"], 69);
    assert!(said.contains("there is no journal in"), "{said}");
    assert!(!site.data().join("journal").exists());
}
