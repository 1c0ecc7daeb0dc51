//! What a refusal means in plain words, who can mend it, and whether trying again helps (RFC 5321 §4.2.3,
//! RFC 3463, and the IANA registry of enhanced status codes).
//!
//! The enhanced code is looked at first: it says more, but for errors of syntax and order. Then the code; then
//! the class alone.

use postrider_mail::{Class, Reply};
use std::fmt;

/// Who can mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::command) enum Mender {
    /// Whoever sends.
    Sender,
    /// Whoever the message is for.
    Recipient,
    /// The people who run the host that refused.
    Host,
    /// Whoever runs the sender's domain, address or network.
    SendersDomain,
}

impl fmt::Display for Mender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sender => "you",
            Self::Recipient => "the recipient",
            Self::Host => "whoever runs that host",
            Self::SendersDomain => "whoever runs the sender's domain",
        })
    }
}

/// What to make of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::command) struct Advice {
    /// What it means: a sentence.
    pub(in crate::command) meaning: &'static str,
    /// Who can mend it.
    pub(in crate::command) mender: Mender,
    /// How: a clause.
    pub(in crate::command) remedy: &'static str,
    /// Whether the same, sent later, may be taken.
    pub(in crate::command) again: bool,
}

/// `There is no such mailbox. Who can mend it: you; check the spelling. …`
impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { meaning, mender, remedy, again } = self;
        let again = if *again { "Trying again later may help." } else { "The same again will not help." };
        write!(f, "{meaning} Who can mend it: {mender}; {remedy}. {again}")
    }
}

type Row<K> = (K, &'static str, Mender, &'static str);

use Mender::{Host, Recipient, Sender, SendersDomain};

/// By subject and detail of the enhanced code.
const ENHANCED: &[Row<(u16, u16)>] = &[
    ((1, 0), "Something is wrong with the address.", Sender, "check its spelling"),
    (
        (1, 1),
        "There is no such mailbox at that host.",
        Sender,
        "check the spelling before the @, or ask the recipient",
    ),
    ((1, 2), "The domain of the recipient takes no mail.", Sender, "check the spelling behind the @"),
    ((1, 3), "The host cannot read the recipient's address.", Sender, "write it as user@example.org"),
    (
        (1, 4),
        "The address stands for more than one mailbox.",
        Sender,
        "ask the recipient for the exact address",
    ),
    ((1, 6), "The recipient has moved.", Sender, "ask for the new address"),
    ((1, 7), "The host cannot read the sender's address.", Sender, "write it as user@example.org"),
    (
        (1, 8),
        "The sender's domain cannot be found, so nothing could be sent back.",
        SendersDomain,
        "see that the domain in --from has an MX or address record",
    ),
    (
        (1, 10),
        "The recipient's domain takes no mail at all: its DNS says so (null MX), or the host that keeps it.",
        Sender,
        "use another address",
    ),
    ((2, 0), "Something is wrong with the mailbox.", Recipient, "see what its host says"),
    ((2, 1), "The mailbox exists, and takes no mail now.", Recipient, "have it enabled again"),
    ((2, 2), "The mailbox is full.", Recipient, "make room in it"),
    ((2, 3), "The message is larger than this mailbox takes.", Sender, "make it smaller"),
    ((2, 4), "The mailing list could not be expanded.", Host, "repair the list"),
    ((3, 0), "Something is wrong with that mail system.", Host, "see to it"),
    ((3, 1), "The host has no room for mail.", Host, "make room"),
    ((3, 2), "The host takes no mail at the moment.", Host, "wait until it is back"),
    ((3, 3), "The message needs something that the host cannot do.", Sender, "send a plainer message"),
    (
        (3, 4),
        "The message is larger than the host takes.",
        Sender,
        "make it smaller; EHLO names the limit behind SIZE",
    ),
    ((3, 5), "The host is not set up for this.", Host, "repair its configuration"),
    ((4, 0), "The host cannot pass the message on.", Host, "see to its network or DNS"),
    ((4, 1), "The next host does not answer.", Host, "see why the host behind it is down"),
    ((4, 2), "The connection to the next host broke.", Host, "see to its network"),
    (
        (4, 3),
        "A directory that the host needs, DNS perhaps, does not answer.",
        Host,
        "see to its name service",
    ),
    (
        (4, 4),
        "The host finds no way to the recipient's domain.",
        Sender,
        "check the domain; its MX records may be wrong",
    ),
    ((4, 5), "The host is too busy.", Host, "wait"),
    ((4, 6), "The message goes round in circles.", Host, "undo the forwarding that leads back"),
    ((4, 7), "The message waited too long on its way.", Host, "see why it could not be delivered"),
    (
        (5, 0),
        "The host does not understand what was said.",
        Sender,
        "check that it speaks the protocol you use",
    ),
    (
        (5, 1),
        "That command cannot be used, or not now.",
        Sender,
        "follow the order EHLO, MAIL, RCPT, DATA; LMTP begins with LHLO",
    ),
    ((5, 2), "The host cannot read the command.", Sender, "check its spelling"),
    (
        (5, 3),
        "These are more recipients than the host takes at once.",
        Sender,
        "send to the others in another message",
    ),
    ((5, 4), "The host does not take a parameter of the command.", Sender, "leave it out"),
    ((6, 0), "The host does not take this content.", Sender, "see that the message is well formed"),
    ((6, 1), "The host does not take this kind of content.", Sender, "send it in another format"),
    (
        (6, 3),
        "The content would have to be converted, and the host cannot.",
        Sender,
        "send it in 7-bit encoding",
    ),
    (
        (6, 7),
        "An address beyond ASCII is not taken here, or not without SMTPUTF8.",
        Sender,
        "use an ASCII address, or a host that offers SMTPUTF8",
    ),
    (
        (6, 9),
        "A header beyond ASCII cannot go this way: a host does not offer SMTPUTF8.",
        Sender,
        "encode the header in ASCII",
    ),
    ((7, 0), "The host's policy forbids it.", Host, "ask them which rule it was"),
    (
        (7, 1),
        "The host does not take this message from you: it does not relay for strangers, or its policy refuses the sender, the recipient or your network.",
        Host,
        "ask them; or use the server that is responsible for the recipient's domain, or your provider's with a login",
    ),
    ((7, 2), "You may not write to this mailing list.", Host, "ask the list's owner"),
    ((7, 8), "The login was refused.", Sender, "check name and password"),
    ((7, 9), "The way of logging in is too weak for this account.", Sender, "use another mechanism"),
    (
        (7, 10),
        "The host wants TLS first.",
        Sender,
        "use a program that encrypts: this one speaks plain text only",
    ),
    (
        (7, 11),
        "The host wants TLS before a login.",
        Sender,
        "use a program that encrypts: this one speaks plain text only",
    ),
    ((7, 15), "Messages of so low a priority are not taken now.", Sender, "wait, or ask for a higher one"),
    (
        (7, 16),
        "The message is too large for its priority.",
        Sender,
        "make it smaller, or leave the priority out",
    ),
    ((7, 20), "The host found no valid DKIM signature.", SendersDomain, "have mail signed"),
    (
        (7, 23),
        "SPF says that this network may not send for the sender's domain.",
        SendersDomain,
        "add the network to the domain's SPF record, or send from where it allows",
    ),
    ((7, 24), "The SPF record of the sender's domain cannot be used.", SendersDomain, "repair the record"),
    (
        (7, 25),
        "Your IP address has no matching name in reverse DNS.",
        SendersDomain,
        "have a PTR record set that leads back to the address",
    ),
    ((7, 26), "Neither SPF nor DKIM vouches for the message.", SendersDomain, "set up at least one of them"),
    (
        (7, 27),
        "The sender's domain says that it takes no mail (null MX), so nothing could be sent back.",
        SendersDomain,
        "use another sender",
    ),
];

/// By code, where there is no enhanced code or it says nothing.
const CODES: &[Row<u16>] = &[
    (
        421,
        "The host ends the conversation: it is shutting down, too busy, or has heard enough.",
        Host,
        "wait a little",
    ),
    (
        450,
        "The mailbox cannot be reached now, or the host greylists: it takes mail from strangers only when they come again.",
        Host,
        "wait some minutes",
    ),
    (451, "The host failed in the middle of its work.", Host, "see to it"),
    (
        452,
        "The host has no room now, or takes no more recipients in one go.",
        Host,
        "make room; fewer recipients may go through",
    ),
    (454, "The host cannot do TLS or logins at the moment.", Host, "see to it"),
    (455, "The host cannot take these parameters now.", Host, "wait"),
    (458, "The host cannot send the waiting mail now (ETRN).", Host, "wait"),
    (459, "The host sends no waiting mail at your word (ETRN).", Host, "ask them to allow it for the domain"),
    (
        500,
        "The host does not know this command.",
        Sender,
        "check its spelling; LMTP begins with LHLO, SMTP with EHLO",
    ),
    (
        501,
        "The host cannot read what follows the command.",
        Sender,
        "check its spelling: MAIL FROM:<user@example.org>",
    ),
    (502, "The host does not do this command.", Sender, "do without it"),
    (503, "The commands came in the wrong order.", Sender, "follow the order EHLO, MAIL, RCPT, DATA"),
    (504, "The host does not do this parameter.", Sender, "leave it out"),
    (
        521,
        "The host takes no mail at all, or none from a program that speaks like this.",
        Sender,
        "use another host, or see what the reply says",
    ),
    (523, "The message is larger than the recipient takes.", Sender, "make it smaller"),
    (530, "The host wants a login or TLS first.", Sender, "use a program that can: this one does neither"),
    (534, "The way of logging in is too weak.", Sender, "use another mechanism"),
    (535, "The login was refused.", Sender, "check name and password"),
    (
        538,
        "The host wants TLS before a login.",
        Sender,
        "use a program that encrypts: this one speaks plain text only",
    ),
    (
        550,
        "There is no such mailbox, or the host's policy refuses the message.",
        Sender,
        "check the address; if it is right, ask the people who run the host",
    ),
    (551, "The recipient is not here.", Sender, "use the address that the reply names, if it names one"),
    (
        552,
        "The message is too large, or the mailbox is full.",
        Sender,
        "make the message smaller, or ask the recipient to make room",
    ),
    (553, "The address is not allowed here.", Sender, "check sender and recipient"),
    (
        554,
        "The host refuses: policy, content, or your network's reputation.",
        Host,
        "ask them which rule it was",
    ),
    (555, "The host does not take a parameter of MAIL or RCPT.", Sender, "leave it out"),
    (556, "The recipient's domain takes no mail.", Sender, "check the spelling behind the @"),
];

/// What to make of a reply of 4yz or 5yz; None for any other.
pub(in crate::command) fn advice(reply: &Reply) -> Option<Advice> {
    let again = match reply.class() {
        Class::Completed | Class::Intermediate => return None,
        Class::Transient => true,
        Class::Permanent => false,
    };
    let by_code = find(CODES, &reply.code().number());
    let by_enhanced = || {
        let enhanced = reply.enhanced()?;
        find(ENHANCED, &(enhanced.subject(), enhanced.detail()))
    };
    let words = match reply.code().number() {
        // Syntax and order: here the code says more.
        500..=504 => by_code,
        _ => by_enhanced().or(by_code),
    };
    let (meaning, mender, remedy) = words.unwrap_or(if again { TRANSIENT } else { PERMANENT });
    Some(Advice { meaning, mender, remedy, again })
}

type Words = (&'static str, Mender, &'static str);

const TRANSIENT: Words = ("The host cannot do it now.", Host, "wait");
const PERMANENT: Words = ("The host refuses.", Sender, "see what the reply says");

fn find<K: PartialEq>(rows: &[Row<K>], key: &K) -> Option<Words> {
    rows.iter()
        .find(|(known, ..)| known == key)
        .map(|&(_, meaning, mender, remedy)| (meaning, mender, remedy))
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider_mail::{Code, Enhanced};
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// RFC 3463 §3.4, RFC 5321 §4.2.2, RFC 5321 §4.2.3
    #[test]
    fn the_enhanced_code_says_more_than_the_code() {
        let refused = |code, enhanced: &str| {
            advice(&Reply::new(Code::of(code), enhanced.parse::<Enhanced>().ok(), "no")).unwrap()
        };
        assert!(refused(550, "5.1.1").meaning.contains("no such mailbox at that host"));
        assert!(refused(550, "5.7.1").meaning.contains("relay"));
        assert!(refused(552, "5.2.2").meaning.contains("full"));
        assert!(refused(550, "").meaning.contains("or the host's policy"));
        assert!(refused(451, "4.99.99").meaning.contains("middle of its work"));
    }

    #[test]
    fn trying_again_helps_where_the_code_says_so() {
        assert!(advice(&Reply::new(Code::of(452), Enhanced::of(4, 2, 2), "full")).unwrap().again);
        assert!(!advice(&Reply::new(Code::of(552), Enhanced::of(5, 2, 2), "full")).unwrap().again);
    }

    #[test]
    fn no_code_is_explained_twice_and_every_text_is_a_sentence_or_a_clause() {
        let codes: BTreeSet<_> = CODES.iter().map(|row| row.0).collect();
        let enhanced: BTreeSet<_> = ENHANCED.iter().map(|row| row.0).collect();
        assert_eq!((codes.len(), enhanced.len()), (CODES.len(), ENHANCED.len()));
        let texts = CODES.iter().map(|row| (row.1, row.3)).chain(ENHANCED.iter().map(|row| (row.1, row.3)));
        for (meaning, remedy) in texts {
            assert!(meaning.ends_with('.') && !remedy.ends_with('.'), "{meaning} {remedy}");
        }
    }

    proptest! {
        #[test]
        fn every_refusal_is_explained_and_nothing_else(code in 200u16..600) {
            let advice = advice(&Reply::new(Code::of(code), None, "x"));
            prop_assert_eq!(advice.is_some(), code >= 400);
        }
    }
}
