//! Mail servers that are given each message, and pass it on to us on several ways: which one, the domain of the
//! recipient says.

use postrider_tests::bodies::Body;
use postrider_tests::client::Client;
use postrider_tests::machine::Machine;
use postrider_tests::wiretap::{Place, Tap};
use postrider_tests::{exim, opensmtpd, postfix};
use std::io;
use std::net::SocketAddr;

/// The domain of each way to us: SMTP, LMTP by a Unix socket, LMTP by TCP.
pub(crate) const SMTP: &str = "smtp.example";
pub(crate) const LMTP: &str = "lmtp.example";
pub(crate) const LMTP_TCP: &str = "tcp.example";

/// The wires on which they reach us.
pub(crate) struct Wires<'a> {
    pub(crate) smtp: &'a Tap,
    pub(crate) lmtp: &'a Tap,
    pub(crate) tcp: &'a Tap,
}

impl Wires<'_> {
    fn lmtp_path(&self) -> String {
        let Place::Unix(path) = self.lmtp.place() else { unreachable!("it listens as our socket does") };
        path.display().to_string()
    }
}

pub(crate) fn postfix(wires: &Wires<'_>) -> Option<Machine> {
    // The header is the sender's own, wherever he is.
    let settings = format!(
        "local_header_rewrite_clients =\n\
         transport_maps = inline:{{ {{{LMTP} = lmtp:unix:{}}}, {{{LMTP_TCP} = lmtp:inet:{}}} }}\n",
        wires.lmtp_path(),
        wires.tcp.address()
    );
    postfix::start(wires.smtp.address(), &settings)
}

pub(crate) fn exim(wires: &Wires<'_>) -> Option<Machine> {
    let tcp = wires.tcp.address();
    let routers = format!(
        "lmtp:\n  driver = accept\n  domains = {LMTP}\n  transport = bysocket\n\
         tcp:\n  driver = manualroute\n  domains = {LMTP_TCP}\n  route_list = * {} byname\n  self = send\n  transport = bytcp\n",
        tcp.ip()
    );
    let transports = format!(
        "bysocket:\n  driver = lmtp\n  socket = {}\n  user = box\n\
         bytcp:\n  driver = smtp\n  protocol = lmtp\n  port = {}\n  hosts_avoid_tls = *\n  allow_localhost\n",
        wires.lmtp_path(),
        tcp.port()
    );
    exim::start_with(wires.smtp.address(), &routers, &transports)
}

pub(crate) fn opensmtpd(wires: &Wires<'_>) -> Option<Machine> {
    let more = format!(
        "action \"socket\" lmtp \"{}\" rcpt-to virtual <boxes>\n\
         action \"tcp\" lmtp \"{}\" rcpt-to virtual <boxes>\n\
         match from any for domain \"{LMTP}\" action \"socket\"\n\
         match from any for domain \"{LMTP_TCP}\" action \"tcp\"\n",
        wires.lmtp_path(),
        wires.tcp.address()
    );
    opensmtpd::start_with(wires.smtp.address(), &more)
}

/// Hands a message to a server, by BDAT where its last line has no end and the server takes BDAT. Whether it is taken.
pub(crate) fn hand_in(to: SocketAddr, body: &Body, sender: &str, recipient: &str, bdat: bool) -> bool {
    hand_in_with(to, body, (sender, ""), (recipient, ""), bdat).is_ok()
}

/// The same, with further parameters, each with a space before it; the reply that refuses it otherwise.
pub(crate) fn hand_in_with(
    to: SocketAddr,
    body: &Body,
    (sender, mail): (&str, &str),
    (recipient, rcpt): (&str, &str),
    bdat: bool,
) -> io::Result<()> {
    let mut client = Client::greeted(to);
    let mut says = |octets: &[u8], due: &str| {
        client.stream().set_nodelay(true)?;
        client.send(octets);
        match client.reply()? {
            Some(reply) if reply.starts_with(due) => Ok(()),
            other => Err(io::Error::other(format!("{other:?}"))),
        }
    };
    says(format!("MAIL FROM:<{sender}>{}{mail}\r\n", body.parameters()).as_bytes(), "250")?;
    says(format!("RCPT TO:<{recipient}>{rcpt}\r\n").as_bytes(), "250")?;
    if bdat && !body.ends() || body.parameters().contains("BINARYMIME") {
        let mut chunk = format!("BDAT {} LAST\r\n", body.content.len()).into_bytes();
        chunk.extend_from_slice(&body.content);
        return says(&chunk, "250");
    }
    says(b"DATA\r\n", "354")?;
    says(&body.as_data(), "250")
}
