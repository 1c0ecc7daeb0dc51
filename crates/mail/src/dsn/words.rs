//! The part for people: what became of the message, why, in whose words, and what can be done about it.

use super::fields::{called, same_story, short_name};
use super::lines::{field, paragraph, quoted_printable};
use super::original::Back;
use super::{Action, Reader, Recipient, Report, Said};
use crate::header::fields;
use crate::limits::{NOTICE_LINE_OCTETS_MAX, NOTICE_LINES_MAX, NOTICE_STORY_OCTETS_MAX};
use crate::{Reply, Text};

/// What stands before a quoted line, and before what it is continued by.
const QUOTED: &str = "    ";
const CONTINUED: &str = "      ";

/// The part, with its own header.
pub(super) fn text(report: &Report<'_>) -> String {
    let body = body(report);
    let (charset, encoding) =
        if body.is_ascii() { ("us-ascii", "7bit") } else { ("utf-8", "quoted-printable") };
    let mut part = String::new();
    field(&mut part, "Content-Description", "Notification");
    field(&mut part, "Content-Type", &format!("text/plain; charset={charset}"));
    field(&mut part, "Content-Transfer-Encoding", encoding);
    part.push_str("\r\n");
    if body.is_ascii() {
        part.push_str(&body);
    } else {
        part.push_str(&String::from_utf8_lossy(&quoted_printable(body.as_bytes())));
    }
    part
}

/// The Subject of the notice.
pub(super) fn subject(report: &Report<'_>) -> String {
    let to = match report.recipients {
        [only] => short_name(only),
        _ => None,
    };
    let to = to.unwrap_or_else(|| counted(report.recipients.len()));
    match (report.reader, main_action(report)) {
        (Reader::Postmaster(..), _) => format!("Not delivered, and its sender not told: mail to {to}"),
        (_, Action::Failed | Action::Expired) => format!("Not delivered: your message to {to}"),
        (_, Action::Delayed { .. }) => format!("Delayed: your message to {to}"),
        (_, Action::Delivered) => format!("Delivered: your message to {to}"),
        (_, Action::Relayed | Action::Expanded) => format!("Passed on: your message to {to}"),
    }
}

fn counted(recipients: usize) -> String {
    if recipients == 1 { "its recipient".to_owned() } else { format!("{recipients} recipients") }
}

/// What the notice is about in the first place.
fn main_action(report: &Report<'_>) -> Action {
    // Of what went well, the step that is farthest from a mailbox.
    let severity = |action: Action| match action {
        Action::Failed => 5,
        Action::Expired => 4,
        Action::Delayed { .. } => 3,
        Action::Relayed => 2,
        Action::Expanded => 1,
        Action::Delivered => 0,
    };
    let actions = report.recipients.iter().map(|recipient| recipient.action);
    actions.max_by_key(|action| severity(*action)).unwrap_or(Action::Failed)
}

fn body(report: &Report<'_>) -> String {
    let mut out = String::new();
    let groups: Vec<&[Recipient]> = report.recipients.chunk_by(same_story).collect();
    say(&mut out, &opening(report));
    for group in groups {
        if report.recipients.len() > 1 {
            out.push_str("\r\n");
            say(&mut out, heading(group[0].action));
            for recipient in group {
                paragraph(&mut out, QUOTED, CONTINUED, &called(recipient));
            }
        }
        reason(&mut out, report, &group[0]);
        if out.len() < NOTICE_STORY_OCTETS_MAX {
            story(&mut out, &group[0]);
        }
        if let Reader::Sender(_) = report.reader {
            out.push_str("\r\n");
            say(&mut out, &advice(&group[0]));
        }
    }
    closing(&mut out, report);
    out
}

fn say(out: &mut String, sentence: &str) {
    paragraph(out, "", "", sentence);
}

/// The first sentence: to whom, and what.
fn opening(report: &Report<'_>) -> String {
    let to = match report.recipients {
        [only] => called(only),
        all => format!("{} recipients", all.len()),
    };
    let main = main_action(report);
    let is_mixed = report.recipients.iter().any(|recipient| recipient.action != main);
    let became = match main {
        _ if main.is_success() && is_mixed => "was delivered, or passed on to where it is going.",
        Action::Failed => "could not be delivered, and will not be tried again.",
        Action::Expired => "could not be delivered in time, and is not tried any more.",
        Action::Delayed { .. } => "has not been delivered yet; it is still being tried.",
        Action::Delivered => "was delivered.",
        Action::Relayed => "was passed on to another mail server, which may not report on it any further.",
        Action::Expanded => "was passed on to the members of a list.",
    };
    match report.reader {
        Reader::Sender(_) => format!("Your message to {to} {became}"),
        Reader::Postmaster(_, why) => {
            format!("A message to {to} {became} Its sender cannot be told, so you are: {why}.")
        }
    }
}

fn heading(action: Action) -> &'static str {
    match action {
        Action::Failed => "Not delivered to:",
        Action::Expired => "Not delivered in time to:",
        Action::Delayed { .. } => "Not delivered yet to:",
        Action::Delivered => "Delivered to:",
        Action::Relayed => "Passed on to the mail server of:",
        Action::Expanded => "Passed on to the members of:",
    }
}

/// Who said why, word for word.
fn reason(out: &mut String, report: &Report<'_>, recipient: &Recipient) {
    let Some(reply) = &recipient.reply else { return };
    out.push_str("\r\n");
    let when = match recipient.action {
        Action::Expired | Action::Delayed { .. } => "The last answer, by ",
        _ => "The answer of ",
    };
    match &recipient.remote {
        Some(remote) => say(out, &format!("{when}{remote}:")),
        None if recipient.action.is_success() => {
            say(out, &format!("The answer of this mail server, {}:", report.hostname.ascii()));
        }
        None => say(out, &format!("The reason given by this mail server, {}:", report.hostname.ascii())),
    }
    out.push_str("\r\n");
    let code = match reply.enhanced() {
        Some(enhanced) => format!("{} {enhanced} ", reply.code()),
        None => format!("{} ", reply.code()),
    };
    let lines = Reply::lines(reply).iter().filter(|line| !line.is_empty()).take(NOTICE_LINES_MAX);
    let mut first = code.as_str();
    for line in lines {
        paragraph(out, QUOTED, CONTINUED, &format!("{first}{line}"));
        first = "";
    }
    if !first.is_empty() {
        paragraph(out, QUOTED, CONTINUED, &code);
    }
}

/// What was tried, and the conversation that decided.
fn story(out: &mut String, recipient: &Recipient) {
    if !recipient.tried.is_empty() {
        out.push_str("\r\nWhat was tried:\r\n\r\n");
        for line in last(&recipient.tried) {
            quote(out, "", line);
        }
    }
    if !recipient.dialogue.is_empty() {
        out.push_str("\r\nThe conversation: > this mail server, < the other one\r\n\r\n");
        for said in last(&recipient.dialogue) {
            match said {
                Said::Ours(line) => quote(out, "> ", line),
                Said::Theirs(line) => quote(out, "< ", line),
            }
        }
    }
}

fn last<T>(lines: &[T]) -> &[T] {
    &lines[lines.len().saturating_sub(NOTICE_LINES_MAX)..]
}

fn quote(out: &mut String, who: &str, line: &Text) {
    let line = line.as_str();
    let cut = line.floor_char_boundary(NOTICE_LINE_OCTETS_MAX);
    let more = if cut < line.len() { " ..." } else { "" };
    paragraph(out, &format!("{QUOTED}{who}"), CONTINUED, &format!("{}{more}", &line[..cut]));
}

/// What the sender can do, by what the status code is about (RFC 3463 §3).
fn advice(recipient: &Recipient) -> String {
    let status = recipient.status();
    match (recipient.action, status.subject(), status.detail()) {
        (Action::Delayed { until }, ..) => format!(
            "You need not do anything: it is tried again until {}. If it is urgent, reach the recipient in another way.",
            until.rfc5322()
        ),
        (Action::Delivered | Action::Expanded, ..) => "You need not do anything.".to_owned(),
        (Action::Relayed, ..) => "You need not do anything. Whether it has reached the mailbox is not known \
            here."
            .to_owned(),
        (_, 1, 7 | 8) => "The other side does not take mail from your address. Show the answer above to \
            whoever runs your mail."
            .to_owned(),
        (_, 1, _) => "Look for a typing error in the address. If there is none, ask the recipient for the \
            address that holds today."
            .to_owned(),
        (_, 2, 2) => "The mailbox is full. Send the message again in a few days, or reach the recipient in \
            another way."
            .to_owned(),
        (_, 2, 3) | (_, 3, 4) => {
            "The message is too large for the other side. Send less at a time, or a link \
            to it."
                .to_owned()
        }
        (_, 4, 6) => "Mail for this address goes in a circle. Show this notice to the postmaster of the \
            recipient's domain."
            .to_owned(),
        (_, 6, _) => "The other side cannot take a message of this form. Write it as plain text, with plain \
            letters in the addresses, and send it again."
            .to_owned(),
        (_, 7, _) => "The other side refuses the message by rules of its own, which only its postmaster can \
            change. Show them the answer above."
            .to_owned(),
        (Action::Expired, ..) | (_, 4, _) => {
            "Send the message again later, or reach the recipient in another \
            way."
                .to_owned()
        }
        _ => "If the answer above does not help you, reach the recipient in another way, or show it to the \
            postmaster of the recipient's domain."
            .to_owned(),
    }
}

/// Which message it was, what comes back of it, and who can help.
fn closing(out: &mut String, report: &Report<'_>) {
    let hostname = report.hostname.ascii();
    out.push_str("\r\n");
    say(out, &format!("The message came to {hostname} on {}.", report.arrived.rfc5322()));
    let mut subjects = fields(report.original.header()).filter(|field| field.is("Subject"));
    let subject = subjects.next().map(|field| Text::from_peer(&field.value()));
    // What is encoded tells people nothing, and is in the header section all the same.
    if let Some(subject) = subject.filter(|subject| !subject.as_str().contains("=?") && !subject.is_empty()) {
        quote(out, "Subject: ", &subject);
    }
    if let Some(id) = report.message_id {
        quote(out, "Message-ID: ", id);
    }
    quote(out, "Id here: ", &Text::from(report.about.to_string()));
    out.push_str("\r\n");
    let returned = match report.original.back() {
        Back::Message => "It comes back with this notice.",
        Back::Header => "Its header comes back with this notice.",
        Back::PartOfHeader => {
            "The beginning of its header comes back with this notice; the rest is too long, and cut off."
        }
        Back::Nothing => "It cannot be read any more, so nothing of it comes back with this notice.",
    };
    let help = match report.reader {
        Reader::Sender(_) => {
            format!(" This notice was written by a program; people can be asked at postmaster@{hostname}.")
        }
        Reader::Postmaster(..) => String::new(),
    };
    say(out, &format!("{returned}{help}"));
}
