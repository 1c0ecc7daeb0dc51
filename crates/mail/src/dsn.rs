//! Delivery status notifications: what became of a message, for people and for programs
//! (RFC 3464 in the multipart/report of RFC 6522, with the fields of RFC 3461).
//!
//! A notice has three parts: a text that people understand, the same as fields for programs
//! (`message/delivery-status`), and what comes back of the message. It is always 7-bit and its lines are
//! short, so that it passes every host and needs no extension:
//!
//! - the text is plain ASCII, or UTF-8 in quoted-printable where somebody's words are not ASCII;
//! - in the fields an address with UTF-8, an ORCPT too, is written in the `utf-8` form of RFC 6533 §3, other
//!   words lose what is not ASCII (the text has them);
//! - header sections come back as `text/rfc822-headers`: as they are where they are clean, in
//!   quoted-printable otherwise, which RFC 6522 §4 provides for. `message/global-headers` (RFC 6533) would
//!   need an 8-bit path, and hardly any parser of notices knows it;
//! - a whole message comes back as `message/rfc822` only if it is clean: that type may not be encoded
//!   (RFC 2045 §6.4). Otherwise its header section does.
//!
//! Whatever a peer said comes in as [`Text`], [`Reply`] or [`Mailbox`], which hold no line end. This module
//! does not know when a notice is due, to whom it may go, or how it is sent.

mod fields;
mod lines;
mod original;
mod words;

pub use original::{Original, Returned};

use crate::path::ForwardPath;
use crate::{Domain, Enhanced, EnvelopeId, Mailbox, OriginalRecipient, QueueId, Reply, Text, UnixMillis};
use memchr::memmem;

/// A notice about one message.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// The notice's own id, of which its Message-ID is made.
    pub id: QueueId,
    /// When it is written.
    pub date: UnixMillis,
    /// Our own name: the Reporting-MTA (RFC 3464 §2.2.2). The notice comes from its postmaster.
    pub hostname: &'a Domain,
    /// Who reads it.
    pub reader: Reader<'a>,
    /// The message's id here.
    pub about: QueueId,
    /// When it came.
    pub arrived: UnixMillis,
    /// Its Message-ID field.
    pub message_id: Option<&'a Text>,
    /// The ENVID of its envelope: the Original-Envelope-Id (RFC 3464 §2.2.1).
    pub envelope_id: Option<&'a EnvelopeId>,
    /// By when it was to be delivered, where its sender said so: the Deliver-By-Date (RFC 2852).
    pub deliver_by: Option<UnixMillis>,
    /// The recipients it is about; at least one.
    pub recipients: &'a [Recipient],
    /// What comes back of the message.
    pub original: Original<'a>,
}

/// Who reads a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader<'a> {
    /// Whoever sent the message: its reverse-path.
    Sender(&'a Mailbox),
    /// The postmaster of this host, as the sender cannot be told for this reason.
    Postmaster(&'a Mailbox, &'a Text),
}

impl<'a> Reader<'a> {
    /// Their address.
    pub fn mailbox(self) -> &'a Mailbox {
        match self {
            Self::Sender(mailbox) | Self::Postmaster(mailbox, _) => mailbox,
        }
    }
}

/// What became of one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Where the message was to go, after aliases: the Final-Recipient.
    pub address: Mailbox,
    /// The forward-path as it was given to us.
    pub given: ForwardPath,
    /// The ORCPT of the envelope: the Original-Recipient (RFC 3464 §2.3.1).
    pub orcpt: Option<OriginalRecipient>,
    /// What was done.
    pub action: Action,
    /// The reply that decided, a remote host's or our own.
    pub reply: Option<Reply>,
    /// The host that gave it: its name first, `mx.example.org [192.0.2.1]`. `None`: this host.
    pub remote: Option<Text>,
    /// When it was tried last.
    pub tried_at: Option<UnixMillis>,
    /// What was tried, oldest first: a line each, for people.
    pub tried: Vec<Text>,
    /// The part of the conversation that decided.
    pub dialogue: Vec<Said>,
}

/// What was done for a recipient (RFC 3464 §2.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It cannot be delivered.
    Failed,
    /// It could not be delivered before the message expired.
    Expired,
    /// It is late, and tried until then.
    Delayed {
        /// When it is given up.
        until: UnixMillis,
    },
    /// It lies in the mailbox.
    Delivered,
    /// Another host has taken it, and need not tell its sender of a success.
    Relayed,
    /// It went on to the members of a list or alias.
    Expanded,
}

impl Action {
    /// Whether it is good news.
    pub(crate) fn is_success(self) -> bool {
        matches!(self, Self::Delivered | Self::Relayed | Self::Expanded)
    }
}

/// A line of a conversation with a remote host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// What we said.
    Ours(Text),
    /// What the remote host said.
    Theirs(Text),
}

impl Recipient {
    /// The Status field (RFC 3464 §2.3.4): what the reply says, where it fits the action; else the class
    /// that its code stands for. What expired keeps the reason for which it waited.
    pub fn status(&self) -> Enhanced {
        let given = self.reply.as_ref().and_then(Reply::enhanced);
        let class = match self.action {
            Action::Failed | Action::Expired => &[5, 4][..],
            Action::Delayed { .. } => &[4],
            Action::Delivered | Action::Relayed | Action::Expanded => &[2],
        };
        if let Some(given) = given.filter(|given| class.contains(&given.class())) {
            return given;
        }
        let code = self.reply.as_ref().map(|reply| reply.code().number());
        match (self.action, code) {
            // A host and a domain that take no mail (RFC 7504 §3, §4).
            (Action::Failed, Some(521)) => Enhanced::of(5, 3, 2),
            (Action::Failed, Some(556)) => Enhanced::of(5, 1, 10),
            (Action::Expired, _) => Enhanced::of(4, 4, 7),
            (Action::Failed, Some(400..500)) | (Action::Delayed { .. }, _) => Enhanced::of(4, 0, 0),
            (Action::Failed, _) => Enhanced::of(5, 0, 0),
            (Action::Delivered | Action::Relayed | Action::Expanded, _) => Enhanced::of(2, 0, 0),
        }
    }
}

/// The notice as a message, CRLF line ends, 7-bit, no line longer than 998 octets. It goes out under the
/// null reverse-path.
pub fn compose(report: &Report<'_>) -> Vec<u8> {
    let text = words::text(report);
    let fields = fields::fields(report);
    let original = report.original.part();
    let boundary = boundary(report.id, &[text.as_bytes(), fields.as_bytes(), &original]);
    let mut notice = header(report, &boundary).into_bytes();
    for part in [text.as_bytes(), fields.as_bytes(), &original] {
        if !part.is_empty() {
            notice.extend_from_slice(format!("\r\n--{boundary}\r\n").as_bytes());
            notice.extend_from_slice(part);
        }
    }
    notice.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    notice
}

/// The Message-ID of the notice with this id.
pub fn message_id(id: QueueId, hostname: &Domain) -> Text {
    Text::from(format!("<{id}@{}>", hostname.ascii()))
}

/// The notice's own header section, without its empty line.
fn header(report: &Report<'_>, boundary: &str) -> String {
    let hostname = report.hostname.ascii();
    let mut header = String::new();
    lines::field(&mut header, "Date", &report.date.rfc5322());
    lines::field(&mut header, "From", &format!("Mail Delivery System <postmaster@{hostname}>"));
    lines::field(&mut header, "To", &lines::to(report.reader.mailbox()));
    lines::field(&mut header, "Subject", &words::subject(report));
    lines::field(&mut header, "Message-ID", message_id(report.id, report.hostname).as_str());
    if let Some(id) = report.message_id.and_then(lines::msg_id) {
        lines::field(&mut header, "In-Reply-To", id);
        lines::field(&mut header, "References", id);
    }
    // RFC 3834 §5: nobody's vacation program answers this.
    lines::field(&mut header, "Auto-Submitted", "auto-replied");
    lines::field(&mut header, "MIME-Version", "1.0");
    let parameters = format!("multipart/report; report-type=delivery-status; boundary=\"{boundary}\"");
    lines::field(&mut header, "Content-Type", &parameters);
    header
}

/// A boundary that occurs in none of the parts.
fn boundary(id: QueueId, parts: &[&[u8]]) -> String {
    let mut number = 0u64;
    loop {
        let boundary = format!("=_{id}.{number}");
        if parts.iter().all(|part| memmem::find(part, boundary.as_bytes()).is_none()) {
            return boundary;
        }
        // The parts are finite, so one of the numbers is free.
        number += 1;
    }
}

#[cfg(test)]
mod tests;
