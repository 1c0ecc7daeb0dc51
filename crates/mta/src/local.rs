//! Final delivery: lays a message in the mailboxes of its recipients (RFC 5321 §4.4).

use crate::loops;
use crate::maildir::{Known, LineEnds, Maildir, NotDelivered};
use crate::server::{Server, Settings};
use postrider_mail::{Body, Code, Enhanced, Mailbox, Reply, Text, trace};
use postrider_policy::local as ours;
use postrider_policy::port::Entry;
use postrider_queue::{ContentError, Fate, Message, Outcome, Target};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where mailboxes lie: a folder for each, below one root.
#[derive(Clone, Debug)]
pub struct Mailboxes {
    root: Arc<Path>,
    known: Arc<Known>,
}

impl Mailboxes {
    /// The mailboxes below `root`.
    pub fn new(root: &Path) -> Self {
        Self { root: root.into(), known: Arc::default() }
    }
}

/// What became of one recipient, and the file when there is one.
pub(crate) struct Delivery {
    pub(crate) fate: Fate,
    pub(crate) file: Option<PathBuf>,
    /// Whether the queue's content is the trouble.
    pub(crate) content: Option<ContentError>,
}

/// Delivers to each of these recipients. Blocks.
pub(crate) fn deliver(
    server: &Server,
    settings: &Settings,
    message: &Message,
    targets: &[Target],
) -> Vec<Delivery> {
    targets.iter().map(|target| deliver_one(server, settings, message, target)).collect()
}

fn deliver_one(server: &Server, settings: &Settings, message: &Message, target: &Target) -> Delivery {
    let mut delivery = Delivery {
        fate: fate(Outcome::Delivered, 250, (2, 1, 5), "in the mailbox"),
        file: None,
        content: None,
    };
    let outcome = match mailbox(server, settings, &target.address) {
        Ok(mailbox) => match went_in_a_circle(settings, message, &mailbox) {
            Ok(false) => lay_down(server, settings, message, target, &mailbox),
            Ok(true) => {
                let text =
                    format!("this message was delivered to {mailbox} before: it goes round in circles");
                delivery.fate = fate(Outcome::Failed, 554, (5, 4, 6), text);
                return delivery;
            }
            Err(error) => Err(NotDelivered::Content(error)),
        },
        Err(fate) => {
            delivery.fate = fate;
            return delivery;
        }
    };
    match outcome {
        Ok((file, was_there)) => {
            if was_there {
                delivery.fate = fate(
                    Outcome::Delivered,
                    250,
                    (2, 1, 5),
                    "in the mailbox already: an earlier try, cut short, had put it there",
                );
            }
            delivery.file = Some(file);
        }
        Err(NotDelivered::Mailbox(error)) => delivery.fate = mailbox_trouble(&error),
        Err(NotDelivered::Content(error)) => {
            let why = error.to_string();
            delivery.fate = fate(Outcome::Deferred, 451, (4, 3, 0), why);
            delivery.content = Some(error);
        }
    }
    delivery
}

/// The mailbox that an address means now: accounts may have come and gone since the message was accepted.
fn mailbox(server: &Server, settings: &Settings, address: &Mailbox) -> Result<Mailbox, Fate> {
    let local = &settings.rules.local;
    if local.is_every() {
        return Ok(address.clone());
    }
    match server.directory.look_up(address) {
        Ok(Some(Entry::Account(primary))) => Ok(primary),
        Ok(_) if ours::is_postmaster(address) && local.rules(address).is_some() => Ok(address.clone()),
        Ok(Some(Entry::Alias(_))) => Err(fate(
            Outcome::Deferred,
            451,
            (4, 2, 4),
            format!(
                "{address} was an account when this message came, and is an alias now; make it an account, or delete the message"
            ),
        )),
        Ok(None) => {
            Err(fate(Outcome::Failed, 550, (5, 1, 1), format!("there is no mailbox {address} here any more")))
        }
        Err(unavailable) => Err(fate(Outcome::Deferred, 451, (4, 3, 0), unavailable.to_string())),
    }
}

/// Whether the message has been in this very mailbox. One that passed no host before us cannot have been.
fn went_in_a_circle(settings: &Settings, message: &Message, mailbox: &Mailbox) -> Result<bool, ContentError> {
    if message.hop_count == 0 || settings.rules.local.is_every() {
        return Ok(false);
    }
    Ok(loops::is_delivered_to(&loops::header_section(message)?, mailbox))
}

fn lay_down(
    server: &Server,
    settings: &Settings,
    message: &Message,
    target: &Target,
    mailbox: &Mailbox,
) -> Result<(PathBuf, bool), NotDelivered> {
    let fields = trace::delivery_fields(&message.reverse_path, mailbox, &target.given);
    let name = Maildir::name(message.id, target.id, settings.hostname.ascii());
    let maildir = Maildir::of(&server.mailboxes.root, &server.mailboxes.known, mailbox);
    let ends = if message.body == Some(Body::BinaryMime) { LineEnds::Untouched } else { LineEnds::Lf };
    maildir.deliver(&name, target.attempts > 0, &fields, ends, || message.content.read(&message.rendition))
}

/// Whether there is no room: on the disk, in a quota, or below the process's limit of file size.
pub(crate) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

fn mailbox_trouble(error: &io::Error) -> Fate {
    let full = is_full(error);
    let (code, enhanced) = if full { (452, (4, 2, 2)) } else { (451, (4, 2, 0)) };
    fate(Outcome::Deferred, code, enhanced, format!("the mailbox cannot be written now: {error}"))
}

/// A fate of our own making.
pub(crate) fn fate(outcome: Outcome, code: u16, enhanced: (u8, u16, u16), text: impl Into<Text>) -> Fate {
    let reply = Reply::new(Code::of(code), Enhanced::of(enhanced.0, enhanced.1, enhanced.2), text);
    Fate::new(outcome, reply, "local")
}
