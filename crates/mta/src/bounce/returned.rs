//! What a notice brings back of the message: as it would have left, trace fields included.

use crate::limits::RETURNED_OCTETS_MAX;
use crate::server::{Notices, Returned as Wanted};
use postrider_mail::dsn::{Original, Returned};
use postrider_mail::{Text, header, limits::NOTICE_HEADER_OCTETS_MAX};
use postrider_queue::{ContentError, Message};

/// The octets that come back; `None`: the content is lost.
pub(super) struct Octets(Option<(Vec<u8>, Returned)>);

impl Octets {
    pub(super) fn as_original(&self) -> Original<'_> {
        match &self.0 {
            Some((octets, returned)) => Original::Content(octets, *returned),
            None => Original::Lost,
        }
    }
}

/// Reads what comes back, the whole message or as much as its header section needs. `None`: the message has
/// left the queue. Blocks.
///
/// # Errors
/// The disk cannot be read now.
pub(super) fn read(message: &Message, notices: Notices) -> Result<Option<Octets>, Text> {
    let wanted = wanted(message, notices);
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
    match notices.returned {
        Wanted::Message if fits => Returned::Message,
        Wanted::Message | Wanted::Headers => Returned::Header,
    }
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
