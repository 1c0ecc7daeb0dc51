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
        (Verb::Rcpt, Class::Completed) if reply.code().number() == 251 => {
            "The host takes the mail, and passes it on to the address that it names."
        }
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
        (Verb::Expand, Class::Completed) => "These are the members; mail to the list goes to each of them.",
        (Verb::Turn, Class::Completed) => match reply.code().number() {
            251 => "Nothing waits for this domain.",
            252 | 253 => "The host begins to send what waits; it is on its way to the domain's own hosts.",
            _ => "The host begins to send what waits for this domain, over connections of its own.",
        },
        (Verb::Xclient, Class::Completed) => {
            "To the host you are now the client that you named, at the start of a new session."
        }
        (Verb::Xforward, Class::Completed) => "The host tells this of the next message in its records.",
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
        (Progress::Recipients(_), _) => {
            "Next: RCPT TO:<another@example.org>, or DATA (BDAT n LAST where CHUNKING is offered)"
        }
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

const EXTENSIONS: [(&str, &str); 23] = [
    ("8BITMIME", "content may hold octets beyond ASCII: MAIL FROM:<…> BODY=8BITMIME"),
    ("AUTH", "logins, with these mechanisms; AUTH PLAIN begins one"),
    ("BINARYMIME", "content may hold any octets, sent with BDAT: MAIL FROM:<…> BODY=BINARYMIME"),
    ("BURL", "content may be fetched from an IMAP server"),
    ("CHUNKING", "BDAT n, then n octets of content without any dot to end it; BDAT n LAST ends it"),
    (
        "DELIVERBY",
        "a deadline in seconds: MAIL FROM:<…> BY=120;R (then it comes back) or BY=120;N (then you are told)",
    ),
    (
        "DSN",
        "you may say which notices you want, and what they name: MAIL FROM:<…> RET=HDRS ENVID=QQ314159, RCPT TO:<…> NOTIFY=SUCCESS,FAILURE",
    ),
    ("ENHANCEDSTATUSCODES", "replies carry a code of three numbers that says more, as in 5.1.1"),
    ("ETRN", "a host that was away may ask for its waiting mail: ETRN example.org"),
    ("EXPN", "EXPN shows the members of a list"),
    ("FUTURERELEASE", "a message may be held until later: MAIL FROM:<…> HOLDFOR=3600"),
    ("HELP", "HELP shows the commands"),
    ("LIMITS", "the host says how much it takes at once: RCPTMAX recipients, MAILMAX messages"),
    ("MT-PRIORITY", "a message may be urgent, or not: MAIL FROM:<…> MT-PRIORITY=3, from -9 to 9"),
    (
        "NO-SOLICITING",
        "mail that says it is of one of these classes is refused: MAIL FROM:<…> SOLICIT=net.example:ADV",
    ),
    ("PIPELINING", "commands may be sent without waiting for each reply"),
    ("REQUIRETLS", "a message may insist on TLS all the way"),
    ("SIZE", "the most octets of a message; MAIL FROM:<…> SIZE=1000 asks in advance"),
    ("SMTPUTF8", "addresses and headers may be written in any script: MAIL FROM:<…> SMTPUTF8"),
    ("STARTTLS", "encryption from here on; not in this command, which speaks plain text only"),
    ("VRFY", "VRFY asks whether an address exists"),
    (
        "XCLIENT",
        "you are trusted to say that you are another client: XCLIENT ADDR=192.0.2.7 NAME=client.example",
    ),
    ("XFORWARD", "you are trusted to say for whom you pass a message on: XFORWARD ADDR=192.0.2.7"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use postrider_mail::{Code, Text};

    #[test]
    fn a_reply_that_says_more_than_yes_is_explained() {
        let said = |verb, code, progress| {
            notes(verb, &Reply::new(Code::of(code), None, "x"), progress, Dialect::Smtp).remove(0)
        };
        assert!(said(Verb::Rcpt, 251, Progress::Recipients(1)).contains("passes it on"));
        assert!(said(Verb::Rcpt, 551, Progress::Sender).contains("not here"));
        assert!(said(Verb::Turn, 251, Progress::Greeted).starts_with("Nothing waits"));
        assert!(said(Verb::Turn, 459, Progress::Greeted).contains("ETRN"));
        assert!(said(Verb::Rcpt, 556, Progress::Sender).contains("takes no mail"));
        assert!(said(Verb::Xclient, 220, Progress::Connected).contains("new session"));
    }

    #[test]
    fn extensions_are_explained_and_what_is_unknown_is_passed_over() {
        let lines = ["mx greets you", "size 1000", "AUTH=PLAIN", "X-\u{1b}[31m"].map(Text::clean);
        let reply = Reply::of_lines(Code::of(250), None, lines);
        let notes = notes(Verb::Hello, &reply, Progress::Greeted, Dialect::Smtp);
        let heads: Vec<_> = notes.iter().map(|note| note.split(':').next().unwrap()).collect();
        assert_eq!(heads, ["The host knows your name now.", "SIZE", "AUTH", "Next"]);
    }
}
