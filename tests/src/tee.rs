//! A proxy between a client and a server that keeps every octet the client sends.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A proxy for one connection after the other.
pub struct Tee {
    address: SocketAddr,
    sent: Arc<Mutex<Vec<u8>>>,
}

impl Tee {
    /// A proxy in front of `server`.
    pub fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let sent = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&sent);
        let work = move || {
            for client in listener.incoming().map_while(Result::ok) {
                let server = TcpStream::connect(server).unwrap();
                let (from_server, to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                let back = thread::Builder::new().name("tee-back".into());
                let back = back.spawn(move || pass_on(from_server, to_client, |_| {})).unwrap();
                // Either side may leave when it likes.
                let _ = pass_on(client, server, |octets| keep.lock().unwrap().extend_from_slice(octets));
                let _ = back.join();
            }
        };
        thread::Builder::new().name("tee".into()).spawn(work).unwrap();
        Self { address, sent }
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The content of the one message that was sent, as it would lie in a file: between DATA and the line with a
    /// single dot, dots unstuffed, LF line ends. Done naively, line by line, on purpose.
    ///
    /// # Panics
    /// When no whole message was sent.
    pub fn content(&self) -> Vec<u8> {
        let sent = self.sent.lock().unwrap();
        let data = find(&sent.to_ascii_uppercase(), b"\r\nDATA\r\n").expect("DATA was sent");
        let start = data + b"\r\nDATA\r\n".len();
        let mut content = Vec::new();
        let mut rest = &sent[start..];
        loop {
            let end = find(rest, b"\r\n").expect("the content ends with a dot");
            let line = &rest[..end];
            if line == b"." {
                return content;
            }
            content.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
            content.push(b'\n');
            rest = &rest[end + 2..];
        }
    }
}

fn find(octets: &[u8], wanted: &[u8]) -> Option<usize> {
    octets.windows(wanted.len()).position(|window| window == wanted)
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, mut keep: impl FnMut(&[u8])) -> io::Result<()> {
    let mut room = [0; 16 * 1024];
    loop {
        match from.read(&mut room)? {
            0 => return to.shutdown(Shutdown::Write),
            octets => {
                keep(&room[..octets]);
                to.write_all(&room[..octets])?;
            }
        }
    }
}
