//! The doors of the real binary: a Unix socket for LMTP, one that is closed, proxies that must say for whom
//! they speak, and clients that may say that they are others.

#![expect(clippy::unwrap_used, reason = "clippy frees test functions, not their helpers")]

#[path = "common/server.rs"]
mod server;

use server::{Server, Site, eventually};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// How long a test waits for an answer. Reached only when none comes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A conversation over whatever carries it.
struct Talk<S: Read + Write>(BufReader<S>);

impl<S: Read + Write> Talk<S> {
    /// The next reply, its lines joined.
    fn hear(&mut self) -> String {
        let mut all = String::new();
        loop {
            let from = all.len();
            assert!(self.0.read_line(&mut all).unwrap() > 0, "closed after {all:?}");
            if all.as_bytes().get(from + 3) == Some(&b' ') {
                return all.trim_end().to_owned();
            }
        }
    }

    fn say(&mut self, line: &str) -> String {
        self.0.get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
        self.hear()
    }

    /// Whether the other end has nothing more to say.
    fn is_closed(&mut self) -> bool {
        let mut rest = Vec::new();
        // A reset says the same.
        let _ = self.0.read_to_end(&mut rest);
        rest.is_empty()
    }
}

fn by_tcp(server: &Server) -> Talk<TcpStream> {
    let stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    Talk(BufReader::new(stream))
}

fn by_unix(path: &std::path::Path) -> Talk<UnixStream> {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    Talk(BufReader::new(stream))
}

/// A server for example.org with these lines in front of its sections.
fn site(top: &str, sections: &str) -> Site {
    let site = Site::with_domains(&["example.org"]);
    let config = fs::read_to_string(site.config()).unwrap();
    let (keys, domains) = config.split_once("[domains").unwrap();
    fs::write(site.config(), format!("{keys}{top}\n[domains{domains}{sections}")).unwrap();
    site
}

#[test]
fn programs_hand_mail_over_by_lmtp_through_a_socket() {
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    let socket = folder.path().join("lmtp");
    let listener =
        format!("[[listener]]\naddress = {:?}\nservice = \"lmtp\"\nmode = \"0666\"\n", socket.display());
    let site = site("", &listener);
    site.ok_by_config(&["account", "add", "alice@example.org", "--no-password"]);
    let server = Server::serve(&site);
    let made = fs::symlink_metadata(&socket).unwrap();
    assert!(made.file_type().is_socket());
    assert_eq!(made.mode() & 0o777, 0o666);
    assert_eq!(made.uid(), fs::metadata(site.data()).unwrap().uid(), "it belongs to whom the server became");

    let mut talk = by_unix(&socket);
    assert!(talk.hear().starts_with("220 mx.example.org LMTP"));
    assert!(talk.say("LHLO client.example").starts_with("250"));
    assert!(talk.say("MAIL FROM:<me@client.example>").starts_with("250"));
    assert!(talk.say("RCPT TO:<alice@example.org>").starts_with("250"));
    assert!(talk.say("RCPT TO:<nobody@example.org>").starts_with("550 5.1.1"));
    assert!(talk.say("DATA").starts_with("354"));
    assert!(talk.say("Subject: hello\r\n\r\nhi\r\n.").starts_with("250 2.0.0"));
    assert!(talk.say("QUIT").starts_with("221"));
    eventually("the message lies in the mailbox", || site.mail("alice@example.org").len() == 1);
    assert!(site.mail("alice@example.org")[0].contains("with LMTP"));
    server.stop();
}

#[test]
fn a_closed_door_says_that_there_is_no_mail() {
    let site = site("", "");
    let config = fs::read_to_string(site.config()).unwrap();
    let closed = "[[listener]]\naddress = \"127.0.0.1:0\"\nservice = \"closed\"\n";
    let config = config.replace("listen = [\"127.0.0.1:0\"]\n", "") + closed;
    fs::write(site.config(), config).unwrap();
    let server = Server::serve(&site);
    let mut talk = by_tcp(&server);
    assert!(talk.hear().starts_with("521 "));
}

#[test]
fn a_proxy_must_say_for_whom_it_speaks() {
    let site = site("proxy_from = [\"127.0.0.1\"]", "");
    let server = Server::serve(&site);

    let mut silent = by_tcp(&server);
    silent.0.get_mut().write_all(b"EHLO client.example\r\n").unwrap();
    let mut heard = Vec::new();
    // It may be closed with a word or without one.
    let _ = silent.0.read_to_end(&mut heard);
    assert!(heard.is_empty() || heard.starts_with(b"521"), "{}", String::from_utf8_lossy(&heard));

    let mut talk = by_tcp(&server);
    talk.0.get_mut().write_all(b"PROXY TCP4 192.0.2.77 192.0.2.1 40000 25\r\n").unwrap();
    assert!(talk.hear().starts_with("220"));
    talk.say("EHLO client.example");
    talk.say("MAIL FROM:<me@client.example>");
    let refused = talk.say("RCPT TO:<you@elsewhere.example>");
    assert!(refused.starts_with("550 5.7.1") && refused.contains("192.0.2.77"), "{refused}");
    talk.say("QUIT");
    assert!(talk.is_closed());
}

#[test]
fn nobody_else_may_speak_as_a_proxy() {
    let site = site("proxy_from = [\"192.0.2.1\"]", "");
    let server = Server::serve(&site);
    let mut talk = by_tcp(&server);
    assert!(talk.hear().starts_with("220"));
    assert!(talk.say("PROXY TCP4 192.0.2.77 192.0.2.1 40000 25").starts_with("521"));
    assert!(talk.is_closed());
}

#[test]
fn a_listed_client_may_say_that_it_is_another() {
    let site = site("xclient_from = [\"127.0.0.1\"]\nrelay_from = [\"127.0.0.1\"]", "");
    let server = Server::serve(&site);
    let mut talk = by_tcp(&server);
    talk.hear();
    assert!(talk.say("EHLO client.example").contains("XCLIENT"));
    let again = talk.say("XCLIENT ADDR=192.0.2.77 NAME=client.example");
    assert!(again.starts_with("220"), "{again}");
    assert!(talk.say("EHLO client.example").starts_with("250"));
    talk.say("MAIL FROM:<me@client.example>");
    let refused = talk.say("RCPT TO:<you@elsewhere.example>");
    assert!(refused.starts_with("550 5.7.1") && refused.contains("192.0.2.77"), "{refused}");
}

#[test]
fn nobody_else_may_say_that() {
    let site = site("xclient_from = [\"192.0.2.1\"]", "");
    let server = Server::serve(&site);
    let mut talk = by_tcp(&server);
    talk.hear();
    assert!(!talk.say("EHLO client.example").contains("XCLIENT"));
    let refused = talk.say("XCLIENT ADDR=192.0.2.77");
    assert!(refused.starts_with('5'), "{refused}");
}

#[test]
fn a_domain_without_mail_and_an_address_that_moved_say_so() {
    let sections =
        "[domains.\"gone.example\"]\nmail = false\n[moved]\n\"old@example.org\" = \"new@example.net\"\n";
    let site = site("", sections);
    let told = site.fails_by_config(&["account", "add", "anyone@gone.example", "--no-password"], 65);
    assert!(told.contains("takes no mail"), "{told}");
    let server = Server::serve(&site);
    let mut talk = by_tcp(&server);
    talk.hear();
    talk.say("EHLO client.example");
    talk.say("MAIL FROM:<me@client.example>");
    assert!(talk.say("RCPT TO:<anyone@gone.example>").starts_with("556 5.1.10"));
    let moved = talk.say("RCPT TO:<Old@example.org>");
    assert!(moved.starts_with("551 5.1.6") && moved.contains("new@example.net"), "{moved}");
}

#[test]
fn a_reload_takes_up_how_clients_are_treated() {
    let site = site("", "[smtp]\n");
    let server = Server::serve(&site);
    let offers = |what: &str| {
        let mut talk = by_tcp(&server);
        talk.hear();
        talk.say("EHLO client.example").contains(what)
    };
    assert!(!offers("NO-SOLICITING"));
    let config = fs::read_to_string(site.config()).unwrap();
    fs::write(site.config(), config.replace("[smtp]\n", "[smtp]\nno_soliciting = [\"net.example:ADV\"]\n"))
        .unwrap();
    server.reload();
    eventually("NO-SOLICITING is offered", || offers("NO-SOLICITING net.example:ADV"));
}
