//! What a peer's offer decides before a word is said: which parameters of a transaction may be said, and which
//! recipients are refused in our own words. Nothing is converted, and no address is ever rewritten.
//!
//! It knows no state and no wire.

use super::offer::Offer;
use super::outcome::{Fate, Stage, Transaction};
use crate::command::MailFrom;
use postrider_mail::{Body, ByMode, Code, Enhanced, Mailbox, Refusal};

/// One fate for each recipient: refused at [`Stage::Offer`], or undecided.
pub(super) fn verdicts(transaction: &Transaction, offer: &Offer) -> Vec<Fate> {
    let on_all = on_message(&transaction.mail, offer);
    let verdict = |mailbox: Option<&Mailbox>| {
        let refusal = on_all.clone().or_else(|| on_address(mailbox, "forward-path", offer));
        refusal.map_or(Fate::Undecided, |refusal| Fate::Refused { stage: Stage::Offer, refusal })
    };
    transaction.recipients.iter().map(|rcpt| verdict(rcpt.forward_path.mailbox())).collect()
}

/// Leaves the parameters that may be said: those of extensions that are offered. SMTPUTF8 is said where an
/// address to be said needs it or the message does. HOLDFOR and HOLDUNTIL never are: a host that took a
/// message to hold it does so itself (RFC 4865 §4).
pub(super) fn settle(transaction: &mut Transaction, offer: &Offer, fates: &[Fate]) {
    let mut said = transaction.recipients.iter().zip(fates).filter(|(_, fate)| **fate == Fate::Undecided);
    let addresses_need_utf8 = !is_ascii(transaction.mail.reverse_path.mailbox())
        || said.any(|(rcpt, _)| !is_ascii(rcpt.forward_path.mailbox()));
    let mail = &mut transaction.mail;
    mail.smtputf8 = offer.smtputf8 && (mail.smtputf8 || addresses_need_utf8);
    mail.size = mail.size.filter(|_| offer.size.is_some());
    mail.body = mail.body.filter(|body| *body == Body::BinaryMime || offer.eight_bit_mime);
    mail.by = mail.by.filter(|_| offer.deliver_by.is_some());
    mail.priority = mail.priority.filter(|_| offer.priority);
    mail.hold = None;
    if !offer.no_soliciting {
        mail.solicit = None;
    }
    if !offer.dsn {
        (mail.ret, mail.envid) = (None, None);
        for rcpt in &mut transaction.recipients {
            (rcpt.notify, rcpt.orcpt) = (None, None);
        }
    }
}

/// What is refused for every recipient.
fn on_message(mail: &MailFrom, offer: &Offer) -> Option<Refusal> {
    let sizes = mail.size.zip(offer.octets_max());
    sizes
        .and_then(|(size, octets_max)| too_large(size, octets_max))
        .or_else(|| on_address(mail.reverse_path.mailbox(), "reverse-path", offer))
        .or_else(|| on_content(mail, offer))
        .or_else(|| on_deadline(mail, offer))
}

/// 552: larger than the peer says it takes (RFC 1870 §6.1).
fn too_large(size: u64, octets_max: u64) -> Option<Refusal> {
    let text = format!("the message has {size} octets, and the next host takes at most {octets_max}");
    (size > octets_max).then(|| Refusal::of(Code::of(552), Enhanced::of(5, 3, 4), text))
}

/// 553: an address whose local part is not ASCII, for a peer that does not offer SMTPUTF8 (RFC 6531 §3.2,
/// RFC 6531 §3.5). A domain has its A-labels instead.
fn on_address(mailbox: Option<&Mailbox>, whose: &str, offer: &Offer) -> Option<Refusal> {
    let refused = !offer.smtputf8 && !is_ascii(mailbox);
    let text = || format!("the {whose} is not ASCII, and the next host does not offer SMTPUTF8");
    refused.then(|| Refusal::of(Code::of(553), Enhanced::of(5, 6, 7), text()))
}

/// 550: content that may hold UTF-8 in its header, for a peer without SMTPUTF8 (RFC 6531 §3.2). 554: binary
/// content, which nothing but BDAT can carry (RFC 3030 §3).
fn on_content(mail: &MailFrom, offer: &Offer) -> Option<Refusal> {
    if mail.smtputf8 && !offer.smtputf8 {
        let text = "the message needs SMTPUTF8, which the next host does not offer";
        return Some(Refusal::of(Code::of(550), Enhanced::of(5, 6, 7), text));
    }
    if mail.body == Some(Body::BinaryMime) && !offer.takes_binary() {
        let text = "the content is binary, and the next host does not offer CHUNKING and BINARYMIME";
        return Some(Refusal::of(Code::of(554), Enhanced::of(5, 6, 3), text));
    }
    None
}

/// 554: a message that is to come back unless it is delivered in time goes only to a peer that will see to it
/// (RFC 2852 §4).
fn on_deadline(mail: &MailFrom, offer: &Offer) -> Option<Refusal> {
    let by = mail.by.filter(|by| by.mode == ByMode::Return)?;
    let text = match offer.deliver_by {
        None => format!(
            "the message is to be delivered within {} seconds or to come back, and the next host does not \
             offer DELIVERBY",
            by.seconds
        ),
        Some(least) if i64::from(by.seconds) < i64::from(least) => format!(
            "the message is to be delivered within {} seconds or to come back, and the next host promises \
             nothing below {least}",
            by.seconds
        ),
        Some(_) => return None,
    };
    Some(Refusal::of(Code::of(554), Enhanced::of(5, 4, 7), text))
}

fn is_ascii(mailbox: Option<&Mailbox>) -> bool {
    mailbox.is_none_or(|mailbox| mailbox.local().as_str().is_ascii())
}
