//! The envelope: what travels beside the content (RFC 5321 §2.3.1).

use crate::address::Mailbox;
use crate::notify::{Notify, OriginalRecipient};
use crate::path::{ForwardPath, ReversePath};
use crate::request::Requests;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What the client declared of the content's octets: the BODY parameter of MAIL (RFC 6152, RFC 3030).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Body {
    /// `BODY=7BIT`
    SevenBit,
    /// `BODY=8BITMIME`
    EightBitMime,
    /// `BODY=BINARYMIME` (RFC 3030): line ends mean nothing, so it goes by BDAT only.
    BinaryMime,
}

impl fmt::Display for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SevenBit => "7BIT",
            Self::EightBitMime => "8BITMIME",
            Self::BinaryMime => "BINARYMIME",
        })
    }
}

impl FromStr for Body {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.eq_ignore_ascii_case("7BIT") {
            Ok(Self::SevenBit)
        } else if text.eq_ignore_ascii_case("8BITMIME") {
            Ok(Self::EightBitMime)
        } else if text.eq_ignore_ascii_case("BINARYMIME") {
            Ok(Self::BinaryMime)
        } else {
            Err("BODY is 7BIT, 8BITMIME or BINARYMIME")
        }
    }
}

/// One recipient of an accepted message, after aliases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Where the message goes.
    pub address: Mailbox,
    /// The forward-path as the client gave it.
    pub given: ForwardPath,
    /// The alias that led from `given` to `address`, when one did.
    pub via: Option<Mailbox>,
    /// Of what its sender wants to hear (RFC 3461 §4.1).
    pub notify: Option<Notify>,
    /// The recipient as the original sender named it (RFC 3461 §4.2).
    pub orcpt: Option<OriginalRecipient>,
}

impl Recipient {
    /// A recipient that no alias stands before.
    pub fn direct(address: Mailbox) -> Self {
        Self { given: ForwardPath::Mailbox(address.clone()), address, via: None, notify: None, orcpt: None }
    }
}

/// The envelope of one message. Each recipient stands in it once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Where notices go.
    pub reverse_path: ReversePath,
    /// What MAIL declared of the content, if it did.
    pub body: Option<Body>,
    /// What else its sender asked for.
    pub requests: Requests,
    /// Where the message goes; never empty in the queue.
    pub recipients: Vec<Recipient>,
}
