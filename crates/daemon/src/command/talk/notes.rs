//! What `talk` says beside the conversation: what a reply means, and what one usually types next
//! (RFC 5321 §3, §4.1.1; the extensions' own RFCs).

use super::exchange::{Progress, Verb};
use crate::command::send::advice::advice;
use postrider_mail::{Class, Reply};
use postrider_smtp::server::Dialect;

/// Notes on the reply to this command. `progress` is how far the conversation has come with it.
pub(super) fn notes(verb: Verb, reply: &Reply, progress: Progress, dialect: Dialect) -> Vec<String> {
    let mut notes = Vec::new();
    match reply.class() {
        Class::Completed if verb == Verb::Hello => notes.extend(offered(reply)),
        Class::Completed | Class::Intermediate => notes.extend(agreed(verb, reply).map(str::to_owned)),
        Class::Transient | Class::Permanent => notes.extend(advice(reply).map(|advice| advice.to_string())),
    }
    let is_end = verb == Verb::Quit || reply.code().number() == 421;
    if reply.class() != Class::Intermediate && !is_end {
        notes.push(next(progress, dialect));
    }
    notes
}

/// What a command's success means.
fn agreed(verb: Verb, reply: &Reply) -> Option<&'static str> {
    Some(match (verb, reply.class()) {
        (Verb::Greeting, Class::Completed) => "The host is ready to talk.",
        (Verb::Mail, Class::Completed) => "The sender is noted; a transaction is open.",
        (Verb::Rcpt, Class::Completed) => "The host takes mail for this recipient.",
        (Verb::Data, Class::Intermediate) => {
            "Type the message: header fields, an empty line, the text. A line with a single dot ends it; a line that \
             begins with a dot needs a second one before it."
        }
        (Verb::Chunk { last: false }, Class::Completed) => {
            "The chunk has arrived; BDAT n LAST sends the last one."
        }
        (Verb::End | Verb::Chunk { last: true }, Class::Completed) => {
            "The host answers for the message from here on: it delivers it, or sends a notice."
        }
        (Verb::Reset, Class::Completed) => "Sender and recipients are forgotten.",
        (Verb::Verify, Class::Completed) => {
            "252 says neither yes nor no: the host takes the address and tries; 250 says that it exists."
        }
        (Verb::Auth, Class::Completed) => "You are logged in.",
        (Verb::Auth, _) => "The host asks for the next part of the login, in base64; * gives it up.",
        (Verb::Quit, Class::Completed) => "The host says goodbye and closes.",
        (_, Class::Intermediate) => "The host waits for more.",
        _ => return None,
    })
}

/// What one usually types now.
fn next(progress: Progress, dialect: Dialect) -> String {
    match (progress, dialect) {
        (Progress::Connected, Dialect::Smtp) => "Next: EHLO client.example.org (your name)",
        (Progress::Connected, Dialect::Lmtp) => "Next: LHLO client.example.org (your name)",
        (Progress::Greeted, _) => "Next: MAIL FROM:<you@example.org>, or QUIT",
        (Progress::Sender, _) => "Next: RCPT TO:<friend@example.org>",
        (Progress::Recipients(_), _) => "Next: RCPT TO:<another@example.org>, or DATA",
    }
    .to_owned()
}

/// A line for each extension in a reply to EHLO or LHLO.
fn offered(reply: &Reply) -> Vec<String> {
    let mut notes = vec!["The host knows your name now.".to_owned()];
    for line in reply.lines().iter().skip(1) {
        let keyword = line.as_str().split([' ', '=']).next().unwrap_or_default();
        if let Some((known, meaning)) =
            EXTENSIONS.iter().find(|(known, _)| known.eq_ignore_ascii_case(keyword))
        {
            notes.push(format!("{known}: {meaning}"));
        }
    }
    notes
}

const EXTENSIONS: [(&str, &str); 20] = [
    ("8BITMIME", "content may hold octets beyond ASCII: MAIL FROM:<…> BODY=8BITMIME"),
    ("AUTH", "logins, with these mechanisms; AUTH PLAIN begins one"),
    ("BINARYMIME", "content may hold anything, sent with BDAT"),
    ("BURL", "content may be fetched from an IMAP server"),
    ("CHUNKING", "BDAT n sends n octets of content without dots"),
    ("DELIVERBY", "a deadline for the delivery: MAIL FROM:<…> BY=120;R"),
    ("DSN", "you may say which notices you want: RCPT TO:<…> NOTIFY=SUCCESS"),
    ("ENHANCEDSTATUSCODES", "replies carry a code of three numbers that says more, as in 5.1.1"),
    ("ETRN", "a host that was away may ask for its waiting mail"),
    ("EXPN", "EXPN shows the members of a list"),
    ("FUTURERELEASE", "a message may be held until later"),
    ("HELP", "HELP shows the commands"),
    ("LIMITS", "the host says how much it takes at once"),
    ("MT-PRIORITY", "a message may be urgent"),
    ("PIPELINING", "commands may be sent without waiting for each reply"),
    ("REQUIRETLS", "a message may insist on TLS all the way"),
    ("SIZE", "the most octets of a message; MAIL FROM:<…> SIZE=1000 asks in advance"),
    ("SMTPUTF8", "addresses may be written in any script: MAIL FROM:<…> SMTPUTF8"),
    ("STARTTLS", "encryption from here on; not in this command, which speaks plain text only"),
    ("VRFY", "VRFY asks whether an address exists"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use postrider_mail::{Code, Text};

    #[test]
    fn extensions_are_explained_and_what_is_unknown_is_passed_over() {
        let lines = ["mx greets you", "size 1000", "AUTH=PLAIN", "X-\u{1b}[31m"].map(Text::clean);
        let reply = Reply::of_lines(Code::of(250), None, lines);
        let notes = notes(Verb::Hello, &reply, Progress::Greeted, Dialect::Smtp);
        let heads: Vec<_> = notes.iter().map(|note| note.split(':').next().unwrap()).collect();
        assert_eq!(heads, ["The host knows your name now.", "SIZE", "AUTH", "Next"]);
    }
}
