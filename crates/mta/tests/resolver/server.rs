//! A name server for tests, on UDP and TCP of one free port of loopback: it says what a script says, down
//! to the octet.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

pub(crate) const A: u16 = 1;
pub(crate) const NS: u16 = 2;
pub(crate) const CNAME: u16 = 5;
pub(crate) const SOA: u16 = 6;
pub(crate) const MX: u16 = 15;
pub(crate) const AAAA: u16 = 28;

/// The question section's place in a message: a pointer to the name that was asked for.
pub(crate) const ASKED: [u8; 2] = [0xc0, 12];

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) id: [u8; 2],
    /// In lower case, without the last dot.
    pub(crate) name: String,
    pub(crate) of: u16,
    pub(crate) over_tcp: bool,
    /// The question section as it came.
    pub(crate) question: Vec<u8>,
}

impl Asked {
    fn read(message: &[u8], over_tcp: bool) -> Self {
        let (mut at, mut labels) = (12, Vec::new());
        while message[at] != 0 {
            let length = usize::from(message[at]);
            labels.push(String::from_utf8_lossy(&message[at + 1..=at + length]).to_lowercase());
            at += 1 + length;
        }
        let question = message[12..at + 5].to_vec();
        let of = u16::from_be_bytes([message[at + 1], message[at + 2]]);
        Self { id: [message[0], message[1]], name: labels.join("."), of, over_tcp, question }
    }
}

/// An answer in the making.
#[derive(Clone, Default)]
pub(crate) struct Said {
    code: u8,
    truncated: bool,
    sections: [Vec<Vec<u8>>; 3],
}

impl Said {
    pub(crate) fn code(code: u8) -> Self {
        Self { code, ..Self::default() }
    }

    pub(crate) fn truncated() -> Self {
        Self { truncated: true, ..Self::default() }
    }

    pub(crate) fn answer(self, name: &[u8], of: u16, data: &[u8]) -> Self {
        self.with(0, name, of, 300, data)
    }

    pub(crate) fn authority(self, name: &[u8], of: u16, data: &[u8]) -> Self {
        self.with(1, name, of, 300, data)
    }

    pub(crate) fn additional(self, name: &[u8], of: u16, data: &[u8]) -> Self {
        self.with(2, name, of, 300, data)
    }

    pub(crate) fn with(mut self, section: usize, name: &[u8], of: u16, ttl: u32, data: &[u8]) -> Self {
        let mut record = name.to_vec();
        record.extend(of.to_be_bytes());
        record.extend([0, 1]);
        record.extend(ttl.to_be_bytes());
        record.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        record.extend(data);
        self.sections[section].push(record);
        self
    }

    /// "There is none", with the SOA record that says for how long.
    pub(crate) fn none(code: u8) -> Self {
        let mut soa = [name("ns.example"), name("admin.example")].concat();
        soa.extend([0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 60]);
        Self::code(code).authority(&name("example"), SOA, &soa)
    }

    pub(crate) fn octets(&self, asked: &Asked) -> Vec<u8> {
        let mut message = asked.id.to_vec();
        message.extend([0x81 | if self.truncated { 2 } else { 0 }, 0x80 | self.code, 0, 1]);
        for section in &self.sections {
            message.extend(u16::try_from(section.len()).unwrap().to_be_bytes());
        }
        message.extend(&asked.question);
        message.extend(self.sections.iter().flatten().flatten());
        message
    }
}

/// A name on the wire, not compressed.
pub(crate) fn name(text: &str) -> Vec<u8> {
    let labels: Vec<&[u8]> = text.split('.').map(str::as_bytes).collect();
    labels_of(&labels)
}

/// A name of any labels.
pub(crate) fn labels_of(labels: &[&[u8]]) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in labels.iter().filter(|label| !label.is_empty()) {
        wire.push(u8::try_from(label.len()).unwrap());
        wire.extend(*label);
    }
    wire.push(0);
    wire
}

/// The data of an MX record.
pub(crate) fn mx(preference: u16, exchange: &[u8]) -> Vec<u8> {
    [&preference.to_be_bytes(), exchange].concat()
}

type Script = dyn Fn(&Asked) -> Option<Vec<u8>> + Send + Sync;

/// A running server, and what it was asked.
pub(crate) struct NameServer {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl NameServer {
    /// Answers by the script; `None` is silence. It runs as long as the runtime.
    pub(crate) async fn start(script: impl Fn(&Asked) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        let (script, asked): (Arc<Script>, _) = (Arc::new(script), Arc::new(Mutex::new(Vec::new())));
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            // The same number may be taken on the other side.
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
                break (udp, tcp);
            }
        };
        let address = udp.local_addr().unwrap();
        tokio::spawn(serve_udp(udp, Arc::clone(&script), Arc::clone(&asked)));
        tokio::spawn(serve_tcp(tcp, script, Arc::clone(&asked)));
        Self { address, asked }
    }

    /// Answers by the script, nothing else.
    pub(crate) async fn saying(script: impl Fn(&Asked) -> Said + Send + Sync + 'static) -> Self {
        Self::start(move |asked| Some(script(asked).octets(asked))).await
    }

    /// How often it was asked.
    pub(crate) fn times_asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

async fn serve_udp(socket: UdpSocket, script: Arc<Script>, heard: Arc<Mutex<Vec<Asked>>>) {
    let mut buffer = [0; 4096];
    loop {
        let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
        let asked = Asked::read(&buffer[..length], false);
        heard.lock().unwrap().push(asked.clone());
        if let Some(answer) = script(&asked) {
            socket.send_to(&answer, from).await.unwrap();
        }
    }
}

async fn serve_tcp(listener: TcpListener, script: Arc<Script>, heard: Arc<Mutex<Vec<Asked>>>) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        while let Ok(length) = stream.read_u16().await {
            let mut message = vec![0; length.into()];
            stream.read_exact(&mut message).await.unwrap();
            let asked = Asked::read(&message, true);
            heard.lock().unwrap().push(asked.clone());
            let Some(answer) = script(&asked) else { continue };
            stream.write_u16(u16::try_from(answer.len()).unwrap()).await.unwrap();
            stream.write_all(&answer).await.unwrap();
        }
    }
}
