//! Trace fields: what every host that carries a message writes above it (RFC 5321 §4.4).
//!
//! Fields for the wire end in CRLF; a mailbox on disk turns them into LF with everything else.

use crate::address::Mailbox;
use crate::date::UnixMillis;
use crate::id::QueueId;
use crate::name::{Domain, Host};
use crate::path::{ForwardPath, ReversePath};
use crate::peer::{Greeting, Peer, With};
use std::fmt::{self, Write as _};

/// A Received field (RFC 5321 §4.4, `Time-stamp-line`).
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// Who brought the message.
    pub peer: &'a Peer,
    /// How it introduced itself.
    pub greeting: &'a Greeting,
    /// The transaction was begun with SMTPUTF8 (RFC 6531 §4.3).
    pub utf8: bool,
    /// The header section below holds UTF-8, so that this field may. It must not be the one that keeps a
    /// message from hosts without SMTPUTF8.
    pub utf8_below: bool,
    /// Our own name.
    pub by: &'a Domain,
    /// The message's id here.
    pub id: QueueId,
    /// The forward-path, given only when the message has a single one: no recipient learns of another. Left
    /// out where it would be the only UTF-8.
    pub sole_recipient: Option<&'a ForwardPath>,
    /// When it came.
    pub at: UnixMillis,
}

impl Received<'_> {
    /// The peer's address, and its name where a proxy told one.
    fn literal(&self) -> String {
        let literal = Host::Literal(self.peer.ip());
        match self.peer.name() {
            Some(name) => format!("{} {literal}", name.ascii()),
            None => literal.to_string(),
        }
    }

    /// The forward-path, where it can be named.
    fn recipient(&self) -> Option<String> {
        let recipient = self.sole_recipient?;
        let given = recipient.to_string();
        if given.is_ascii() || self.utf8_below {
            return Some(given);
        }
        let mailbox = recipient.mailbox()?;
        let ascii = format!("{}@{}", mailbox.local(), mailbox.host().key());
        Some(ascii).filter(|ascii| ascii.is_ascii())
    }
}

impl fmt::Display for Received<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let literal = self.literal();
        match self.greeting.name.host() {
            Some(Host::Domain(name)) if !name.as_str().is_ascii() => {
                write!(f, "Received: from {} ({literal})\r\n", name.ascii())?;
            }
            Some(name) => write!(f, "Received: from {name} ({literal})\r\n")?,
            // What is no host name is quoted in a comment, and only if it can stand in one.
            None => {
                write!(f, "Received: from {literal}")?;
                let said = self.greeting.name.as_str();
                if !said.is_empty() && said.bytes().all(|b| b.is_ascii_graphic() && !b"()\\".contains(&b)) {
                    write!(f, " (HELO {said})")?;
                }
                f.write_str("\r\n")?;
            }
        }
        let with = With { protocol: self.greeting.protocol, utf8: self.utf8, tls: false, auth: false };
        write!(f, "\tby {} (Postrider) with {with} id {}", self.by.ascii(), self.id)?;
        if let Some(recipient) = self.recipient() {
            write!(f, "\r\n\tfor <{recipient}>")?;
        }
        write!(f, ";\r\n\t{}\r\n", self.at.rfc5322())
    }
}

/// The fields that final delivery puts above everything else, with LF line ends as mailboxes on disk have
/// them: Return-Path (RFC 5321 §4.4), Delivered-To (RFC 9228), X-Original-To where the two differ.
pub fn delivery_fields(reverse_path: &ReversePath, delivered_to: &Mailbox, given: &ForwardPath) -> String {
    let mut fields = String::new();
    // Writing to a String cannot fail.
    let _ = write!(fields, "Return-Path: <{reverse_path}>\nDelivered-To: {delivered_to}\n");
    if given.mailbox() != Some(delivered_to) {
        let _ = writeln!(fields, "X-Original-To: {given}");
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::IdMaker;
    use crate::name::HeloName;
    use crate::peer::{Protocol, Service};

    fn received(helo: &str) -> String {
        received_for(helo, "friend@local.example", false)
    }

    fn received_for(helo: &str, recipient: &str, utf8_below: bool) -> String {
        let peer = Peer::new("[::ffff:192.0.2.7]:2525".parse().unwrap(), Service::Mta);
        let greeting = Greeting { protocol: Protocol::Esmtp, name: helo.parse().unwrap_or(HeloName::none()) };
        let now = UnixMillis::new(1_795_372_275_042);
        Received {
            peer: &peer,
            greeting: &greeting,
            utf8: utf8_below,
            utf8_below,
            by: &"mx.example.org".parse().unwrap(),
            id: IdMaker::new(0, 0, now, None).queue_id(now),
            sole_recipient: Some(&recipient.parse().unwrap()),
            at: now,
        }
        .to_string()
    }

    /// RFC 5321 §4.4
    #[test]
    fn a_received_field_says_from_whom_by_whom_and_for_whom() {
        assert_eq!(
            received("client.example"),
            "Received: from client.example ([192.0.2.7])\r\n\tby mx.example.org (Postrider) with ESMTP id \
             38g4gvap40001\r\n\tfor <friend@local.example>;\r\n\tSun, 22 Nov 2026 18:31:15 +0000\r\n"
        );
    }

    /// RFC 6531 §3.2
    #[test]
    fn a_received_field_is_never_the_only_utf8_of_a_message() {
        let host = "b\u{fc}cher.example";
        assert!(received(host).starts_with("Received: from xn--bcher-kva.example ("));
        let named = |recipient: &str, utf8_below| {
            let field = received_for(host, recipient, utf8_below);
            assert!(utf8_below || field.is_ascii());
            let (_, rest) = field.split_once("\r\n\tfor <")?;
            rest.split('>').next().map(str::to_owned)
        };
        let (domain, local) = (format!("ann@{host}"), format!("j\u{f6}rg@{host}"));
        assert_eq!(named(&domain, false).as_deref(), Some("ann@xn--bcher-kva.example"));
        assert_eq!((named(&domain, true), named(&local, true)), (Some(domain), Some(local.clone())));
        assert_eq!(named(&local, false), None);
    }

    #[test]
    fn a_helo_that_is_no_host_name_stands_in_a_comment_or_nowhere() {
        assert!(received("bad!name").starts_with("Received: from [192.0.2.7] (HELO bad!name)\r\n"));
        assert!(received("a)b").starts_with("Received: from [192.0.2.7]\r\n"));
        assert!(received("").starts_with("Received: from [192.0.2.7]\r\n"));
    }

    #[test]
    fn the_original_recipient_is_named_where_it_differs() {
        let mailbox: Mailbox = "a@b.example".parse().unwrap();
        let direct = delivery_fields(&ReversePath::Null, &mailbox, &ForwardPath::Mailbox(mailbox.clone()));
        assert_eq!(direct, "Return-Path: <>\nDelivered-To: a@b.example\n");
        let aliased = delivery_fields(&ReversePath::Null, &mailbox, &ForwardPath::Postmaster);
        assert!(aliased.ends_with("X-Original-To: Postmaster\n"));
    }
}
