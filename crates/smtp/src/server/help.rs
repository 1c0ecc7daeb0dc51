//! HELP: a sentence for each command and extension that is offered (RFC 5321 §4.1.1.8).

use super::{Dialect, Setup};
use crate::command::Parameter;
use postrider_mail::{Code, Enhanced, Reply, Text};

type Topic = (&'static str, &'static str);

const OF_SMTP: [Topic; 2] = [
    ("HELO", "HELO client.example - says who you are, without extensions"),
    ("EHLO", "EHLO client.example - says who you are and asks for the extensions"),
];
const OF_LMTP: [Topic; 1] = [("LHLO", "LHLO client.example - says who you are and asks for the extensions")];

/// Commands that any session has, and extensions that are always offered.
const ALWAYS: [Topic; 14] = [
    ("MAIL", "MAIL FROM:<you@client.example> - begins a message; <> for notices"),
    ("RCPT", "RCPT TO:<friend@local.example> - names a recipient, once for each"),
    ("DATA", "DATA - then the message; it ends with a line that holds a single dot"),
    ("RSET", "RSET - forgets the message that was begun"),
    ("NOOP", "NOOP - does nothing"),
    ("QUIT", "QUIT - ends the session"),
    ("VRFY", "VRFY friend - asks whether an address exists"),
    ("EXPN", "EXPN staff - asks who is behind an alias"),
    ("HELP", "HELP [command] - this"),
    ("PIPELINING", "MAIL, RCPT and DATA may come in one go; their replies come in order (RFC 2920)"),
    ("SIZE", "MAIL FROM:<...> SIZE=octets - says how large the message is (RFC 1870)"),
    ("8BITMIME", "MAIL FROM:<...> BODY=8BITMIME - the message has octets beyond ASCII (RFC 6152)"),
    ("BODY", "MAIL FROM:<...> BODY=7BIT, 8BITMIME or BINARYMIME - what octets the message has (RFC 6152)"),
    ("ENHANCEDSTATUSCODES", "replies carry a second code such as 5.1.1 that says what is wrong (RFC 2034)"),
];

const CHUNKING: [Topic; 3] = [
    ("BDAT", "BDAT octets [LAST] - then so many octets of the message, no more and no dot (RFC 3030)"),
    ("CHUNKING", "BDAT octets [LAST] sends the message in counted pieces (RFC 3030)"),
    ("BINARYMIME", "MAIL FROM:<...> BODY=BINARYMIME - a message without lines, by BDAT only (RFC 3030)"),
];
const SMTPUTF8: [Topic; 1] =
    [("SMTPUTF8", "MAIL FROM:<...> SMTPUTF8 - addresses and headers may hold UTF-8 (RFC 6531)")];
const DSN: [Topic; 5] = [
    ("DSN", "MAIL takes RET and ENVID, RCPT takes NOTIFY and ORCPT: what you will be told (RFC 3461)"),
    ("RET", "MAIL FROM:<...> RET=FULL or RET=HDRS - what a notice of failure brings back (RFC 3461)"),
    ("ENVID", "MAIL FROM:<...> ENVID=name - your name for this message in notices (RFC 3461)"),
    ("NOTIFY", "RCPT TO:<...> NOTIFY=NEVER or a list of SUCCESS,FAILURE,DELAY (RFC 3461)"),
    ("ORCPT", "RCPT TO:<...> ORCPT=rfc822;address - the recipient as it was first named (RFC 3461)"),
];
const LIMITS: [Topic; 1] = [("LIMITS", "RCPTMAX=n: so many recipients are taken at a time (RFC 9422)")];
const PRIORITY: [Topic; 1] =
    [("MT-PRIORITY", "MAIL FROM:<...> MT-PRIORITY=n - from -9 (last) to 9 (first) (RFC 6710)")];
const DELIVER_BY: [Topic; 2] = [
    ("DELIVERBY", "MAIL FROM:<...> BY=seconds;R or ;N - deliver in time, or return or notify (RFC 2852)"),
    ("BY", "MAIL FROM:<...> BY=seconds;R or ;N, with T for a trace (RFC 2852)"),
];
const FUTURE_RELEASE: [Topic; 3] = [
    ("FUTURERELEASE", "MAIL FROM:<...> HOLDFOR=seconds or HOLDUNTIL=date-time (RFC 4865)"),
    ("HOLDFOR", "MAIL FROM:<...> HOLDFOR=seconds - not to be sent on before (RFC 4865)"),
    ("HOLDUNTIL", "MAIL FROM:<...> HOLDUNTIL=2026-11-22T18:31:15Z - not to be sent on before (RFC 4865)"),
];
const ETRN: [Topic; 1] = [("ETRN", "ETRN client.example - sends now what waits for that domain (RFC 1985)")];
const NO_SOLICITING: [Topic; 2] = [
    ("NO-SOLICITING", "names the kinds of solicitation that are not taken here (RFC 3865)"),
    ("SOLICIT", "MAIL FROM:<...> SOLICIT=net.example:ADV - says what kind of solicitation it is (RFC 3865)"),
];
const XCLIENT: [Topic; 1] =
    [("XCLIENT", "XCLIENT name=value ... - of NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT")];
const XFORWARD: [Topic; 1] =
    [("XFORWARD", "XFORWARD name=value ... - of NAME ADDR PORT PROTO HELO IDENT SOURCE")];

/// The parameters of MAIL and RCPT, as their form shows them.
const PARAMETERS_OF_MAIL: [(Parameter, &str); 11] = [
    (Parameter::Size, "[SIZE=octets]"),
    (Parameter::Body, "[BODY=8BITMIME]"),
    (Parameter::BinaryMime, "[BODY=BINARYMIME]"),
    (Parameter::Smtputf8, "[SMTPUTF8]"),
    (Parameter::Ret, "[RET=FULL/HDRS]"),
    (Parameter::Envid, "[ENVID=name]"),
    (Parameter::By, "[BY=seconds;R/N]"),
    (Parameter::HoldFor, "[HOLDFOR=seconds]"),
    (Parameter::HoldUntil, "[HOLDUNTIL=date-time]"),
    (Parameter::Priority, "[MT-PRIORITY=n]"),
    (Parameter::Solicit, "[SOLICIT=keywords]"),
];
const PARAMETERS_OF_RCPT: [(Parameter, &str); 2] =
    [(Parameter::Notify, "[NOTIFY=NEVER/list]"), (Parameter::Orcpt, "[ORCPT=type;address]")];

pub(super) fn help(topic: Option<&Text>, setup: &Setup) -> Reply {
    let code = Code::of(214);
    let enhanced = Enhanced::of(2, 0, 0);
    if let Some(topic) = topic
        && let Some(topic) = topics(setup).find(|(name, _)| topic.as_str().eq_ignore_ascii_case(name))
    {
        return Reply::new(code, enhanced, usage(topic, setup));
    }
    // A command opens its own sentence.
    let commands: Vec<&str> = topics(setup)
        .filter(|(name, usage)| usage.split(' ').next() == Some(name))
        .map(|(name, _)| name)
        .collect();
    let lines = [
        Text::from(format!("Commands: {}", commands.join(" "))),
        Text::literal("HELP and a command, a parameter or an extension explains it"),
    ];
    Reply::of_lines(code, enhanced, lines)
}

/// The sentence of a topic; that of MAIL and of RCPT with the parameters that are offered, in 300 octets.
fn usage((name, usage): Topic, setup: &Setup) -> Text {
    let parameters: &[(Parameter, &str)] = match name {
        "MAIL" => &PARAMETERS_OF_MAIL,
        "RCPT" => &PARAMETERS_OF_RCPT,
        _ => &[],
    };
    let Some((form, meaning)) = usage.split_once(" - ").filter(|_| !parameters.is_empty()) else {
        return Text::literal(usage);
    };
    let mut text = form.to_owned();
    for (_, form) in parameters.iter().filter(|(parameter, _)| setup.extensions.allow(*parameter)) {
        text.push(' ');
        text.push_str(form);
    }
    Text::from(format!("{text} - {meaning}"))
}

/// What can be explained here.
fn topics(setup: &Setup) -> impl Iterator<Item = Topic> {
    let opening: &[Topic] = match setup.dialect {
        Dialect::Smtp => &OF_SMTP,
        Dialect::Lmtp => &OF_LMTP,
    };
    let offer = &setup.extensions;
    let offered = [
        (true, opening),
        (true, &ALWAYS),
        (offer.chunking, &CHUNKING),
        (offer.smtputf8, &SMTPUTF8),
        (offer.dsn, &DSN),
        (offer.limits, &LIMITS),
        (offer.priority, &PRIORITY),
        (offer.deliver_by.is_some(), &DELIVER_BY),
        (offer.future_release.is_some(), &FUTURE_RELEASE),
        (offer.etrn, &ETRN),
        (offer.no_soliciting.is_some(), &NO_SOLICITING),
        (offer.xclient, &XCLIENT),
        (offer.xforward, &XFORWARD),
    ];
    offered.into_iter().filter(|(offered, _)| *offered).flat_map(|(_, topics)| topics.iter().copied())
}
