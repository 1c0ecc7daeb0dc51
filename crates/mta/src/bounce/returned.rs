//! What a notice brings back of the message: as it would have left, trace fields included.
//!
//! RET decides where the sender gave it, else the operator. It is about failures alone: other notices bring
//! back the header section (RFC 3461 §4.3). A message beyond [`RETURNED_OCTETS_MAX`] never comes back whole.

use crate::limits::RETURNED_OCTETS_MAX;
use crate::server::{Notices, Returned as Wanted};
use postrider_mail::dsn::{Original, Returned};
use postrider_mail::{Ret, Text, header, limits::NOTICE_HEADER_OCTETS_MAX};
use postrider_queue::{ContentError, Message, Notice, Owed};

/// The octets that come back; `None`: the content is lost.
pub(super) struct Octets(Option<(Vec<u8>, Returned)>);

impl Octets {
    /// What comes back with a notice of this kind.
    pub(super) fn as_original(&self, kind: Notice) -> Original<'_> {
        match &self.0 {
            Some((octets, returned)) if kind == Notice::Failure => Original::Content(octets, *returned),
            Some((octets, _)) => Original::Content(octets, Returned::Header),
            None => Original::Lost,
        }
    }
}

/// Reads what comes back, the whole message or as much as its header section needs. `None`: the message has
/// left the queue. Blocks.
///
/// # Errors
/// The disk cannot be read now.
pub(super) fn read(owed: &Owed, notices: Notices) -> Result<Option<Octets>, Text> {
    let message = &owed.message;
    let tells_of_failure = owed.recipients.iter().any(|one| one.notice == Notice::Failure);
    let wanted = if tells_of_failure { wanted(message, notices) } else { Returned::Header };
    match octets(message, wanted) {
        Ok(octets) => Ok(Some(Octets(Some((octets, wanted))))),
        Err(ContentError::Gone) => Ok(None),
        Err(error @ (ContentError::Missing | ContentError::Damaged)) => {
            tracing::error!(id = %message.id, %error, "its sender is told without it");
            Ok(Some(Octets(None)))
        }
        Err(error @ ContentError::Io(_)) => Err(error.to_string().into()),
    }
}

fn wanted(message: &Message, notices: Notices) -> Returned {
    let facts = message.content.facts();
    let fits = message.rendition.octets(facts.size) <= RETURNED_OCTETS_MAX
        && !(facts.eight_bit_header || facts.eight_bit_body || facts.nul);
    let whole = match message.requests.ret {
        Some(ret) => ret == Ret::Full,
        None => notices.returned == Wanted::Message,
    };
    if whole && fits { Returned::Message } else { Returned::Header }
}

fn octets(message: &Message, wanted: Returned) -> Result<Vec<u8>, ContentError> {
    let mut reader = message.content.read(&message.rendition)?;
    let mut octets = Vec::new();
    while let Some(chunk) = reader.chunk()? {
        octets.extend_from_slice(chunk);
        // A header section that is cut off needs a line more than the limit.
        let enough = octets.len() > NOTICE_HEADER_OCTETS_MAX || header::section_end(&octets).is_some();
        if wanted == Returned::Header && enough {
            break;
        }
    }
    Ok(octets)
}
