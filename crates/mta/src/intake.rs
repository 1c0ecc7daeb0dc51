//! The one way in for every message: content is poured once, the header section is looked at as it passes,
//! and the commit that takes responsibility happens here.

use crate::dispatch::route_key;
use crate::limits::{HEADER_OCTETS_FREE, HEADER_OCTETS_MAX, SOLICITATION_FIELDS_MAX};
use crate::local::is_full;
use crate::server::Server;
use crate::settlement::give_back;
use postrider_mail::trace::Received;
use postrider_mail::{
    Code, Domain, Enhanced, Envelope, Greeting, Mailbox, Peer, QueueId, Recipient, Refusal, SessionId,
    Solicitation, Text, UnixMillis, header,
};
use postrider_queue::{Draft, NewMessage, Receipt, Reception, Rendition, Sealed, Share, Unable};
use std::collections::BTreeSet;
use std::io;

/// A message on its way in.
#[derive(Debug)]
pub struct Intake {
    draft: Draft,
    section: Section,
    /// What the section takes of the memory for content.
    share: Share,
}

/// The header section, while it comes and when it has.
#[derive(Debug)]
enum Section {
    Open(Vec<u8>),
    Known(HeaderFacts),
}

/// What intake reads in the header section.
#[derive(Clone, Debug, Default)]
pub struct HeaderFacts {
    /// Received fields.
    pub hops: u32,
    /// The Message-ID field.
    pub message_id: Option<Text>,
    /// The Solicitation fields (RFC 3865 §2.2), the first few.
    pub solicitations: Vec<Solicitation>,
}

impl Intake {
    /// Opens a draft.
    pub fn begin(server: &Server, id: QueueId) -> Self {
        Self {
            draft: server.queue.draft(id),
            section: Section::Open(Vec::new()),
            share: server.queue.share(),
        }
    }

    /// The id the message will have.
    pub fn id(&self) -> QueueId {
        self.draft.id()
    }

    /// Octets so far.
    pub fn size(&self) -> u64 {
        self.draft.size()
    }

    /// Takes the next octets; flush when [`Intake::wants_flush`] says so. Gives the reason when the message
    /// cannot be taken.
    pub fn pour(&mut self, octets: &[u8]) -> Option<Refusal> {
        if let Section::Open(section) = &mut self.section {
            let searched = section.len().saturating_sub(3);
            section.extend_from_slice(octets);
            let end = if section.starts_with(b"\r\n") {
                Some(2)
            } else {
                header::section_end(&section[searched..]).map(|at| searched + at)
            };
            self.share.set(section.capacity());
            if let Some(end) = end {
                self.section = Section::Known(HeaderFacts::of(&section[..end]));
                self.share.set(0);
            } else if section.len() > HEADER_OCTETS_MAX {
                return Some(Refusal::of(
                    Code::of(554),
                    Enhanced::of(5, 6, 0),
                    format!("the header section has more than {HEADER_OCTETS_MAX} octets"),
                ));
            } else if section.len() > HEADER_OCTETS_FREE && self.share.is_budget_spent() {
                let sentence = "too much is being received at the moment; please try again soon";
                return Some(Refusal::of(Code::of(452), Enhanced::of(4, 3, 1), sentence));
            }
        }
        self.draft.pour(octets);
        None
    }

    /// Whether [`Intake::flush`] is due before more is poured.
    pub fn wants_flush(&self) -> bool {
        self.draft.wants_flush()
    }

    /// Moves what was poured to disk. Blocks.
    ///
    /// # Errors
    /// The disk is full or failed; the message cannot be taken.
    pub fn flush(&mut self) -> io::Result<()> {
        self.draft.flush()
    }

    /// What the header section says; of all content, when no empty line has come.
    pub fn header(&self) -> HeaderFacts {
        match &self.section {
            Section::Open(section) => HeaderFacts::of(section),
            Section::Known(facts) => facts.clone(),
        }
    }
}

impl HeaderFacts {
    fn of(section: &[u8]) -> Self {
        let mut facts = Self { hops: header::hop_count(section), ..Self::default() };
        for field in header::fields(section) {
            if field.is("Message-ID") && facts.message_id.is_none() {
                facts.message_id = Some(Text::from_peer(&field.value()));
            } else if field.is("Solicitation") && facts.solicitations.len() < SOLICITATION_FIELDS_MAX {
                facts.solicitations.extend(solicitation(&field.value()));
            }
        }
        facts
    }
}

/// The keywords of a Solicitation field; one that is malformed names nothing.
fn solicitation(value: &[u8]) -> Option<Solicitation> {
    let plain = value.iter().filter(|octet| !octet.is_ascii_whitespace()).copied();
    String::from_utf8(plain.collect()).ok()?.parse().ok()
}

/// How a message came and where it goes.
#[derive(Clone, Debug)]
pub struct Submission {
    /// Who sends it to whom.
    pub envelope: Envelope,
    /// Recipients as given that an alias with several addresses stood for; who asked for it is told of that.
    pub expanded: Vec<Recipient>,
    /// Who sent it, where a filter told that: for the records, which else name the peer.
    pub origin: Option<Origin>,
    /// Who brought it.
    pub peer: Peer,
    /// How the client introduced itself.
    pub greeting: Greeting,
    /// The conversation it came in.
    pub session: SessionId,
    /// Our own name.
    pub hostname: Domain,
    /// When its content had come whole.
    pub received_at: UnixMillis,
    /// Whether the sender is told of a delay: those who may submit here are (RFC 3461 leaves it to us where
    /// nothing is asked for).
    pub delay_notices: bool,
}

/// Who sent a message, by the word of the filter that brings it (XFORWARD): for records.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The client.
    pub peer: Peer,
    /// How it introduced itself there.
    pub greeting: Greeting,
}

/// Why a message was not filed, and whether the session can go on.
#[derive(Debug)]
pub struct NotFiled {
    /// What the client hears.
    pub refusal: Refusal,
    /// What happened, for the story.
    pub why: Text,
    /// Whether the server is going down.
    pub hang_up: bool,
}

/// Takes responsibility for the message: durable when this returns a receipt (RFC 5321 §6.1).
///
/// # Errors
/// [`NotFiled`]: responsibility stays with the client.
pub async fn file(server: &Server, intake: Intake, submission: Submission) -> Result<Receipt, NotFiled> {
    let facts = intake.header();
    let sealed = seal(server, intake.draft).await?;
    let Submission {
        envelope,
        expanded,
        origin,
        peer,
        greeting,
        session,
        hostname,
        received_at,
        delay_notices,
    } = submission;
    let sole_recipient = match envelope.recipients.as_slice() {
        [only] => Some(&only.given),
        _ => None,
    };
    let received = Received {
        peer: &peer,
        greeting: &greeting,
        utf8: envelope.requests.smtputf8,
        utf8_below: envelope.requests.smtputf8 && sealed.facts().eight_bit_header,
        by: &hostname,
        id: sealed.id(),
        sole_recipient,
        at: received_at,
    };
    let rendition = Rendition::new(received.to_string().into_bytes(), []).map_err(|error| unfit(&error))?;
    let settings = server.settings();
    let mut keys = BTreeSet::new();
    let route = |address: &Mailbox| {
        let key = route_key(&settings, address);
        keys.insert(key.clone());
        key
    };
    let mut message = NewMessage::new(sealed, envelope, received_at, route).map_err(|error| unfit(&error))?;
    message.set_delay_notices(delay_notices);
    let owes = !expanded.is_empty();
    message.set_expanded(expanded).map_err(|error| unfit(&error))?;
    message.rendition = rendition;
    let recorded = origin.unwrap_or(Origin { peer, greeting });
    message.reception = Reception {
        peer: Some(recorded.peer),
        helo: Some(recorded.greeting.name),
        protocol: Some(recorded.greeting.protocol),
        session: Some(session),
        ..Reception::default()
    };
    message.hop_count = facts.hops;
    message.message_id = facts.message_id;
    let (place, lend) = server.lending.reserve(keys.into_iter().collect());
    message.lend = lend;
    let accepted = server.queue.accept(message).await.map_err(|error| unable(&error))?;
    for attempt in server.lending.hand_over(accepted.attempts, place) {
        give_back(server, attempt.id, attempt.message.id).await;
    }
    if owes {
        server.owing.notify_one();
    }
    Ok(accepted.receipt)
}

async fn seal(server: &Server, draft: Draft) -> Result<Sealed, NotFiled> {
    if !draft.needs_io() {
        return draft.seal().map_err(|error| disk(&error));
    }
    match server.drafting(move || draft.seal()).await {
        Ok(sealed) => sealed.map_err(|error| disk(&error)),
        Err(_) => Err(unable(&Unable::Stopped)),
    }
}

/// Wording for a draft that could not be written.
pub(crate) fn disk(error: &io::Error) -> NotFiled {
    if is_full(error) {
        return unable(&Unable::Full);
    }
    NotFiled {
        refusal: Refusal::of(
            Code::of(451),
            Enhanced::of(4, 3, 0),
            "the message could not be written to disk; please try again later",
        ),
        why: Text::from(format!("the draft could not be written: {error}")),
        hang_up: false,
    }
}

fn unable(unable: &Unable) -> NotFiled {
    let (code, enhanced, sentence, hang_up) = match unable {
        Unable::Full => (452, (4, 3, 1), "the disk is full here; please try again later", false),
        Unable::Busy => {
            (451, (4, 3, 2), "too much is being written at the moment; please try again soon", false)
        }
        Unable::Stopped => (421, (4, 3, 2), "the server is stopping; please try again soon", true),
        Unable::Poisoned(_) => (451, (4, 3, 0), "the disk failed here; please try again later", false),
        Unable::Rejected(_) => {
            (451, (4, 3, 0), "the message could not be stored; please try again later", false)
        }
    };
    let (code, enhanced) = (Code::of(code), Enhanced::of(enhanced.0, enhanced.1, enhanced.2));
    NotFiled { refusal: Refusal::of(code, enhanced, sentence), why: Text::from(unable.to_string()), hang_up }
}

fn unfit(error: &dyn std::error::Error) -> NotFiled {
    let sentence = Text::from(error.to_string());
    NotFiled {
        refusal: Refusal::of(Code::of(554), Enhanced::of(5, 3, 0), sentence.clone()),
        why: sentence,
        hang_up: false,
    }
}
