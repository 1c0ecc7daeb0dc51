//! Messages of every kind that a mail server meets, as octets, and what is left of them at the other end.

use std::fmt;

/// What a message asks of those who carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// ASCII.
    SevenBit,
    /// Octets above 127 in its text: 8BITMIME (RFC 6152 §3).
    EightBit,
    /// UTF-8 in its header and its addresses: SMTPUTF8 (RFC 6531 §3.2).
    Utf8,
    /// A CR, LF or NUL that stands alone: it may go nowhere by DATA (RFC 5321 §2.3.8).
    Odd,
    /// The same, declared: BINARYMIME, by BDAT (RFC 3030 §3).
    Binary,
}

/// A message.
#[derive(Clone, Debug)]
pub struct Body {
    /// Short, of letters and digits: it names the sender too.
    pub name: &'static str,
    /// What it asks.
    pub kind: Kind,
    /// Header and text, lines ending in CRLF where nothing else is said.
    pub content: Vec<u8>,
}

/// What became of a message on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Octet by octet what was handed in, on the wire and where it was stored.
    Same,
    /// The same, and a CRLF more at its end, which its last line may have lacked.
    Ended,
    /// Someone that is not us has changed it; what passed us is what was stored.
    Theirs,
    /// Refused or returned with this status (RFC 3463 §2), or this code where there is none.
    Status(String),
    /// It cannot be said that way, or who was to send it would not.
    Unsent,
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same => f.write_str("="),
            Self::Ended => f.write_str("+"),
            Self::Theirs => f.write_str("~"),
            Self::Status(status) => f.write_str(status),
            Self::Unsent => f.write_str("-"),
        }
    }
}

impl Body {
    /// Its sender on a way, whose mailbox is that of its recipient.
    pub fn sender(&self, way: &str, domain: &str) -> String {
        self.recipient(domain).replace('@', &format!("+{}.{}@", self.name, way.replace(' ', "-")))
    }

    /// A recipient at this domain.
    pub fn recipient(&self, domain: &str) -> String {
        let local = if self.kind == Kind::Utf8 { "jörg" } else { "box" };
        format!("{local}@{domain}")
    }

    /// The parameters of MAIL that it needs, each with a space before it.
    pub fn parameters(&self) -> &'static str {
        match self.kind {
            Kind::SevenBit | Kind::Odd => "",
            Kind::EightBit => " BODY=8BITMIME",
            Kind::Utf8 => " BODY=8BITMIME SMTPUTF8",
            Kind::Binary => " BODY=BINARYMIME",
        }
    }

    /// Whether its last line ends; no content at all has no line.
    pub fn ends(&self) -> bool {
        self.content.is_empty() || self.content.ends_with(b"\r\n")
    }

    /// As DATA has it: dots stuffed, the last line ended, and the lone dot.
    pub fn as_data(&self) -> Vec<u8> {
        let mut data = Vec::new();
        let mut start = true;
        for &octet in &self.content {
            if start && octet == b'.' {
                data.push(b'.');
            }
            data.push(octet);
            start = data.ends_with(b"\r\n");
        }
        if !self.ends() {
            data.extend_from_slice(b"\r\n");
        }
        data.extend_from_slice(b".\r\n");
        data
    }

    /// As a file has it: lines end in LF.
    pub fn as_file(&self) -> Vec<u8> {
        lf(&self.content)
    }

    /// The text behind the header.
    pub fn text(&self) -> Option<&[u8]> {
        let at = self.content.windows(4).position(|four| four == b"\r\n\r\n")?;
        Some(&self.content[at + 4..])
    }
}

/// CRLF becomes LF; a CR or LF that stands alone stays.
pub fn lf(octets: &[u8]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(octets.len());
    for (at, &octet) in octets.iter().enumerate() {
        if octet != b'\r' || octets.get(at + 1) != Some(&b'\n') {
            lines.push(octet);
        }
    }
    lines
}

/// One of each.
pub fn all() -> Vec<Body> {
    let ascii = |more: &str| message("MIME-Version: 1.0\r\n", more.as_bytes());
    let mut octets: Vec<u8> = (1..=255).filter(|octet| !b"\r\n".contains(octet)).collect();
    octets.extend_from_slice(b"\r\n");
    let declared =
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n";
    let long: String =
        [998, 999, 1000, 2047, 2048, 2049, 4096, 8191].map(|length| "l".repeat(length) + "\r\n").concat();
    let lines = format!("{}\r\nshort\r\n{}\r\n", "x".repeat(100_000), "y".repeat(65_536));
    let spaces = " \r\n\t\r\ntwo behind  \r\nFrom here\r\n>From there\r\n\r\n\r\n \r\n";
    let binary = b"\0\r\n.\r\n\n.\n\r.\r\r\n\r\r\n\xff\xfe\0\n";
    use Kind::{Binary, EightBit, Odd, SevenBit, Utf8};
    let bodies: [(&'static str, Kind, Vec<u8>); 18] = [
        ("7bit", SevenBit, ascii("Hello.\r\n")),
        ("8bit", EightBit, message(declared, "Grüße, 你好\r\n".as_bytes())),
        ("octets", EightBit, message("", &octets)),
        ("utf8", Utf8, message("X-Name: Jörg 你好\r\n", "Grüße\r\n".as_bytes())),
        ("dots", SevenBit, ascii(".\r\n..\r\n.x\r\n...\r\n\r\n.\r\n . \r\n..\r\n")),
        ("spaces", SevenBit, ascii(spaces)),
        ("long", SevenBit, ascii(&long)),
        ("100kb", SevenBit, ascii(&lines)),
        ("empty", SevenBit, ascii("")),
        ("header", SevenBit, b"From: a@client.example\r\nSubject: no line behind the header\r\n".to_vec()),
        ("blank", SevenBit, b"\r\nno header, but the line behind it\r\n".to_vec()),
        ("words", SevenBit, b"no header at all\r\n\r\n.\r\n".to_vec()),
        ("nothing", SevenBit, Vec::new()),
        ("noend", SevenBit, ascii("the last line has no end\r\n.")),
        ("cr", Odd, ascii("a bare \r CR\r\n")),
        ("lf", Odd, ascii("a bare \n LF\r\n")),
        ("nul", Odd, ascii("a \0 NUL\r\n")),
        ("binary", Binary, message("Content-Transfer-Encoding: binary\r\n", binary)),
    ];
    bodies.into_iter().map(|(name, kind, content)| Body { name, kind, content }).collect()
}

fn message(fields: &str, text: &[u8]) -> Vec<u8> {
    let mut message = format!(
        "From: a@client.example\r\nTo: box@local.example\r\nDate: Sun, 22 Nov 2026 20:00:00 +0000\r\n\
         Message-ID: <1@client.example>\r\nSubject: a body\r\n{fields}\r\n"
    )
    .into_bytes();
    message.extend_from_slice(text);
    message
}
