//! The part for programs: `message/delivery-status` (RFC 3464 §2).

use super::lines::{ascii, extended, field, name_field, typed};
use super::{Action, Recipient, Report};
use crate::path::ForwardPath;
use crate::{Domain, Host, OriginalRecipient, Text};

/// The part, with its own header: fields about the message, among them when it came (RFC 3464 §2.2.5), then a
/// group of fields for each recipient.
pub(super) fn fields(report: &Report<'_>) -> String {
    let mut out = String::new();
    field(&mut out, "Content-Description", "Delivery report");
    field(&mut out, "Content-Type", "message/delivery-status");
    out.push_str("\r\n");
    if let Some(id) = report.envelope_id {
        name_field(&mut out, "Original-Envelope-Id", id.as_str());
    }
    field(&mut out, "Reporting-MTA", &format!("dns; {}", report.hostname.ascii()));
    field(&mut out, "Arrival-Date", &report.arrived.rfc5322());
    if let Some(deadline) = report.deliver_by {
        field(&mut out, "Deliver-By-Date", &deadline.rfc5322());
    }
    field(&mut out, "X-Postrider-Queue-ID", &report.about.to_string());
    for recipient in report.recipients {
        out.push_str("\r\n");
        group(&mut out, recipient);
    }
    out
}

/// The fields of one recipient, in the order of RFC 3464 §2.3; the host that was asked last (RFC 3464 §2.3.5),
/// and until when it is tried (RFC 3464 §2.3.9).
fn group(out: &mut String, recipient: &Recipient) {
    if let Some(original) = original_recipient(recipient) {
        name_field(out, "Original-Recipient", &original);
    }
    name_field(out, "Final-Recipient", &typed(&recipient.address));
    field(out, "Action", action(recipient.action));
    field(out, "Status", &recipient.status().to_string());
    if let Some(remote) = &recipient.remote {
        field(out, "Remote-MTA", &mta(remote));
    }
    if let Some(reply) = &recipient.reply {
        // A reply of our own is no SMTP reply of anybody's (RFC 3464 §2.3.6).
        let kind = if recipient.remote.is_some() { "smtp" } else { "x-postrider" };
        let diagnostic = Text::from(reply.to_string());
        field(out, "Diagnostic-Code", &format!("{kind}; {diagnostic}"));
    }
    if let Some(at) = recipient.tried_at {
        field(out, "Last-Attempt-Date", &at.rfc5322());
    }
    if let Action::Delayed { until } = recipient.action {
        field(out, "Will-Retry-Until", &until.rfc5322());
    }
}

/// The recipient as its sender knows it: as ORCPT says, else as it was given, where aliases changed it.
fn original_recipient(recipient: &Recipient) -> Option<String> {
    if let Some(orcpt) = &recipient.orcpt {
        return Some(decoded(orcpt));
    }
    match &recipient.given {
        ForwardPath::Mailbox(given) if *given == recipient.address => None,
        ForwardPath::Mailbox(given) => Some(typed(given)),
        ForwardPath::Postmaster => Some("rfc822; Postmaster".to_owned()),
    }
}

/// An ORCPT as a notice has it: decoded from its xtext (RFC 3461 §6.3), but for what a `utf-8` address would
/// have beyond ASCII.
fn decoded(orcpt: &OriginalRecipient) -> String {
    let (kind, address) = (orcpt.kind(), orcpt.address());
    if kind.eq_ignore_ascii_case("utf-8") {
        format!("{kind}; {}", extended(address))
    } else {
        format!("{kind}; {address}")
    }
}

fn action(action: Action) -> &'static str {
    match action {
        Action::Failed | Action::Expired => "failed",
        Action::Delayed { .. } => "delayed",
        Action::Delivered => "delivered",
        Action::Relayed => "relayed",
        Action::Expanded => "expanded",
    }
}

/// The name of a host as a DNS name or literal; whatever else it is (the path of a socket) has a type of
/// its own.
fn mta(remote: &Text) -> String {
    let name = remote.as_str().split_whitespace().next().unwrap_or_default();
    let unquoted = name.trim_end_matches('.');
    match unquoted.parse::<Host>() {
        Ok(Host::Domain(domain)) => format!("dns; {}", Domain::ascii(&domain)),
        Ok(literal) => format!("dns; {literal}"),
        Err(_) => format!("x-local; {name}"),
    }
}

/// Whether two recipients can be told of in one breath: the same thing happened to both, for one reason.
pub(super) fn same_story(a: &Recipient, b: &Recipient) -> bool {
    a.action == b.action
        && a.reply == b.reply
        && a.remote == b.remote
        && a.tried == b.tried
        && a.dialogue == b.dialogue
}

/// How the recipient is called in a sentence: `<a@b.example>`, and what the sender wrote where that differs.
pub(super) fn called(recipient: &Recipient) -> String {
    let address = &recipient.address;
    match &recipient.given {
        ForwardPath::Mailbox(given) if given == address => format!("<{address}>"),
        given => format!("<{address}> (you wrote to <{given}>)"),
    }
}

/// The one recipient's address for the Subject, where it is short and ASCII.
pub(super) fn short_name(recipient: &Recipient) -> Option<String> {
    let address = match &recipient.given {
        ForwardPath::Mailbox(given) => ascii(given)?,
        ForwardPath::Postmaster => return Some("postmaster".to_owned()),
    };
    (address.len() <= 60).then_some(address)
}
