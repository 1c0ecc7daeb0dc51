//! Every state that a session can be in, to misbehave there: a server that knows them all, and clients that have come
//! as far.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::client::Client;
use crate::process::Server;
use crate::site::Site;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Who gets what is sent here.
pub const FRIEND: &str = "friend@local.example";

/// Who gets what bystanders send meanwhile.
pub const NEIGHBOUR: &str = "neighbour@local.example";

/// The proxy that must say for whom it speaks, and the one that may.
const PROXY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);
const FRONT: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 8);

/// Octets of the chunk that a client in [`State::Chunk`] has announced.
pub const CHUNK_OCTETS: usize = 30 * 1024 * 1024;

/// How long a server that pauses does so before each greeting.
pub const PAUSE: Duration = Duration::from_secs(3);

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// In the pause before the greeting; only where the server makes one.
    Pause,
    /// A proxy has said half of its PROXY header.
    ProxyHeader,
    /// The greeting was heard.
    Stranger,
    /// A filter in front has said XCLIENT, and was greeted anew.
    Xclient,
    /// EHLO was said.
    Greeted,
    /// MAIL was said.
    Mail,
    /// RCPT was said.
    Rcpt,
    /// The content has begun, inside its header section.
    Header,
    /// The content has come to its body.
    Body,
    /// A chunk was announced, and has not come.
    Chunk,
    /// A chunk has come, and another may.
    Chunks,
    /// LHLO was said, on the listener for LMTP.
    Lhlo,
    /// RCPT was said there.
    LmtpRcpt,
}

impl State {
    /// All that a server without a pause has.
    pub const UNPAUSED: [Self; 12] = [
        Self::ProxyHeader,
        Self::Stranger,
        Self::Xclient,
        Self::Greeted,
        Self::Mail,
        Self::Rcpt,
        Self::Header,
        Self::Body,
        Self::Chunk,
        Self::Chunks,
        Self::Lhlo,
        Self::LmtpRcpt,
    ];

    /// Whether octets are content.
    pub fn is_content(self) -> bool {
        matches!(self, Self::Header | Self::Body | Self::Chunk)
    }

    /// What is said of it in a sentence.
    pub fn words(self) -> &'static str {
        match self {
            Self::Pause => "before the greeting",
            Self::ProxyHeader => "amid a PROXY header",
            Self::Stranger => "after the greeting",
            Self::Xclient => "after XCLIENT",
            Self::Greeted => "after EHLO",
            Self::Mail => "after MAIL",
            Self::Rcpt => "after RCPT",
            Self::Header => "in a header section",
            Self::Body => "in a body",
            Self::Chunk => "in a chunk",
            Self::Chunks => "between chunks",
            Self::Lhlo => "after LHLO",
            Self::LmtpRcpt => "after RCPT by LMTP",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.words())
    }
}

/// A running server in which a session can come to every state.
pub struct Scene {
    /// Its folder.
    pub site: Site,
    server: Server,
    states: Vec<State>,
}

impl Scene {
    /// One that greets at once: all states but the pause.
    #[track_caller]
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// The same with further sections in its configuration; `[limits]` stands open at their start.
    #[track_caller]
    pub fn start_with(sections: &str) -> Self {
        Self::with(sections, State::UNPAUSED.to_vec())
    }

    /// One that makes everyone wait for its greeting: [`State::Pause`] alone.
    #[track_caller]
    pub fn pausing() -> Self {
        let pause = format!("[smtp]\ngreet_pause = \"{}s\"\n", PAUSE.as_secs());
        Self::with(&pause, vec![State::Pause])
    }

    #[track_caller]
    fn with(sections: &str, states: Vec<State>) -> Self {
        raise_descriptors();
        let site = Site::new();
        site.configure(&format!(
            "relay_from = [\"127.0.0.1\"]\nproxy_from = [\"{PROXY}\"]\nxclient_from = [\"{FRONT}\"]\n[domains.\"local.example\"]\n\
             [[listener]]\naddress = \"127.0.0.2:0\"\nservice = \"lmtp\"\n\
             [limits]\nsessions_per_peer = 100000\n{sections}"
        ));
        site.add_accounts(&[FRIEND, NEIGHBOUR]);
        let server = site.serve();
        Self { site, server, states }
    }

    /// The process.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// The states that sessions can be in here.
    pub fn states(&self) -> &[State] {
        &self.states
    }

    /// A client whose session has come to this state, and which has read every reply so far.
    #[track_caller]
    pub fn enter(&self, state: State) -> Client {
        enter(self.server.addresses(), state)
    }

    /// SIGTERM, and a good end.
    #[track_caller]
    pub fn stop(self) -> Site {
        assert!(self.server.stop().success());
        self.site
    }
}

/// As many descriptors as we may have, for us and for the server: crowds need them.
fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
}

/// The same for a server that listens for SMTP and for LMTP.
#[track_caller]
fn enter(addresses: &[SocketAddr], state: State) -> Client {
    let [smtp, lmtp] = addresses.try_into().unwrap();
    let mut client = match state {
        State::ProxyHeader => Client::connect_from(PROXY, smtp),
        State::Xclient => Client::connect_from(FRONT, smtp),
        State::Lhlo | State::LmtpRcpt => Client::connect(lmtp),
        _ => Client::connect(smtp),
    };
    match state {
        State::Pause => return client,
        State::ProxyHeader => {
            client.send(b"PROXY TCP4 192.0.2.8 ");
            return client;
        }
        _ => client.hears("220"),
    };
    match state {
        State::Stranger => return client,
        State::Xclient => {
            client.says("EHLO front.example", "250");
            client.says("XCLIENT ADDR=192.0.2.7", "220");
            return client;
        }
        State::Lhlo | State::LmtpRcpt => client.says("LHLO client.example", "250"),
        _ => client.says("EHLO client.example", "250"),
    };
    let (mail, rcpt) = ("MAIL FROM:<sender@client.example>", format!("RCPT TO:<{FRIEND}>"));
    let (said, replies): (String, &[&str]) = match state {
        State::Mail => (format!("{mail}\r\n"), &["250"]),
        State::Rcpt | State::LmtpRcpt | State::Chunk => (format!("{mail}\r\n{rcpt}\r\n"), &["250", "250"]),
        State::Header | State::Body => (format!("{mail}\r\n{rcpt}\r\nDATA\r\n"), &["250", "250", "354"]),
        State::Chunks => (format!("{mail}\r\n{rcpt}\r\nBDAT 6\r\nA: b\r\n"), &["250", "250", "250"]),
        _ => (String::new(), &[]),
    };
    client.send(said.as_bytes());
    for reply in replies {
        client.hears(reply);
    }
    match state {
        State::Header => client.send(b"Subject: x"),
        State::Body => client.send(b"Subject: x\r\n\r\n"),
        State::Chunk => client.send(format!("BDAT {CHUNK_OCTETS}\r\n").as_bytes()),
        _ => {}
    }
    client
}
