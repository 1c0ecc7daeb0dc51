//! The words of MAIL and RCPT, from parameters of which every one is offered. All of it is ASCII, unless
//! SMTPUTF8 is said.

use crate::command::{MailFrom, RcptTo};
use postrider_mail::{EnvelopeId, ForwardPath, Host, Mailbox};
use std::fmt::Display;
use std::io::Write as _;

/// `MAIL FROM:<reverse-path>` and its parameters (RFC 1870 §5 and its like).
pub(super) fn mail(mail: &MailFrom, wire: &mut Vec<u8>) {
    wire.extend_from_slice(b"MAIL FROM:<");
    if let Some(mailbox) = mail.reverse_path.mailbox() {
        write_mailbox(mailbox, mail.smtputf8, wire);
    }
    wire.push(b'>');
    parameter("SIZE=", mail.size, wire);
    parameter("BODY=", mail.body, wire);
    if mail.smtputf8 {
        wire.extend_from_slice(b" SMTPUTF8");
    }
    parameter("RET=", mail.ret, wire);
    parameter("ENVID=", mail.envid.as_ref().map(EnvelopeId::to_xtext), wire);
    parameter("BY=", mail.by, wire);
    parameter("MT-PRIORITY=", mail.priority, wire);
    parameter("SOLICIT=", mail.solicit.as_ref(), wire);
}

/// `RCPT TO:<forward-path>` and its parameters; `utf8`: MAIL said SMTPUTF8.
pub(super) fn rcpt(rcpt: &RcptTo, utf8: bool, wire: &mut Vec<u8>) {
    wire.extend_from_slice(b"RCPT TO:<");
    match &rcpt.forward_path {
        ForwardPath::Postmaster => wire.extend_from_slice(b"Postmaster"),
        ForwardPath::Mailbox(mailbox) => write_mailbox(mailbox, utf8, wire),
    }
    wire.push(b'>');
    parameter("NOTIFY=", rcpt.notify, wire);
    parameter("ORCPT=", rcpt.orcpt.as_ref().map(|orcpt| orcpt.to_xtext(utf8)), wire);
}

fn parameter(keyword: &str, value: Option<impl Display>, wire: &mut Vec<u8>) {
    if let Some(value) = value {
        // Writing to a Vec cannot fail.
        let _ = write!(wire, " {keyword}{value}");
    }
}

/// The address with its domain as it was given, or by its A-labels (RFC 5890 §2.3.2.1) where all must be ASCII.
fn write_mailbox(mailbox: &Mailbox, utf8: bool, wire: &mut Vec<u8>) {
    // Writing to a Vec cannot fail.
    let _ = match mailbox.host() {
        Host::Domain(domain) if !utf8 && !domain.as_str().is_ascii() => {
            write!(wire, "{}@{}", mailbox.local(), domain.ascii())
        }
        host => write!(wire, "{}@{host}", mailbox.local()),
    };
}
