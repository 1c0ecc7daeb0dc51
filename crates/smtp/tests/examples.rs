//! The example programs talk to each other over loopback.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "its main belongs to the program")]
#[path = "../examples/client.rs"]
mod client;
#[expect(dead_code, reason = "its main belongs to the program")]
#[path = "../examples/server.rs"]
mod server;

use postrider_smtp::client::{Fate, Stage, Transaction};
use postrider_smtp::server::{Dialect, Setup};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;

const CONTENT: &[u8] = b"Subject: hello\r\n\r\n.begins with a dot\r\n..\r\n";

/// What a client finds where the example server serves one connection, keeping messages in `folder`.
fn served<T>(folder: &Path, client: impl FnOnce(SocketAddr) -> T) -> T {
    let setup = Arc::new(Setup::new("mx.local.example".parse().unwrap(), Dialect::Smtp));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| server::converse(listener.accept().unwrap().0, setup, folder).unwrap());
        client(address)
    })
}

/// What becomes of a message that the example client sends to the example server.
fn sent(folder: &Path, to: &str) -> Fate {
    let message = Transaction::new("me@client.example".parse().unwrap(), [to.parse().unwrap()]);
    let name = "client.example".parse().unwrap();
    let fates = served(folder, |address| {
        client::send(TcpStream::connect(address).unwrap(), name, message, CONTENT).unwrap()
    });
    let [fate] = <[Fate; 1]>::try_from(fates).unwrap();
    fate
}

#[test]
fn the_example_client_brings_the_example_server_a_message() {
    let folder = tempfile::tempdir().unwrap();
    let Fate::Accepted(reply) = sent(folder.path(), "you@local.example") else { panic!("it is taken") };
    let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap()).collect();
    let [file] = &files[..] else { panic!("one file: {files:?}") };
    assert_eq!(std::fs::read(file.path()).unwrap(), CONTENT);
    let name = file.file_name().into_string().unwrap();
    assert!(reply.to_string().ends_with(&format!("queued as {name}")), "{reply}");
}

#[test]
fn the_example_server_refuses_what_is_not_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let fate = sent(folder.path(), "you@other.example");
    let refused_at = match &fate {
        Fate::Refused { stage, refusal } => (*stage, refusal.reply().code().number()),
        other => panic!("{other:?}"),
    };
    assert_eq!(refused_at, (Stage::Rcpt, 550));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_message_that_the_example_server_cannot_write_is_not_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let fate = sent(&folder.path().join("missing"), "you@local.example");
    let refused_at = match &fate {
        Fate::Refused { stage, refusal } => (*stage, refusal.reply().code().number()),
        other => panic!("{other:?}"),
    };
    assert_eq!(refused_at, (Stage::End, 451));
}

/// To offer an extension is to promise what it asks (RFC 3461 §5.2.3).
#[test]
fn the_example_server_offers_only_what_it_keeps() {
    let folder = tempfile::tempdir().unwrap();
    let said = served(folder.path(), |address| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"EHLO client.example\r\nQUIT\r\n").unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        said
    });
    for kept in ["SMTPUTF8", "CHUNKING", "BINARYMIME"] {
        assert!(said.contains(kept), "{kept} in {said}");
    }
    for promise in ["DSN", "DELIVERBY", "MT-PRIORITY", "FUTURERELEASE"] {
        assert!(!said.contains(promise), "{promise} in {said}");
    }
}
