//! What a listener's sessions have in common.

use crate::extension::Extensions;
use crate::limits::{CONTENT_OCTETS_DEFAULT, RECIPIENTS_DEFAULT};
use postrider_mail::{Domain, Text};

/// What a listener's sessions have in common.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Our own name, in the greeting and in the replies to HELO, EHLO and LHLO.
    pub hostname: Domain,
    /// What the greeting says behind our name.
    pub banner: Text,
    /// Which commands open a session.
    pub dialect: Dialect,
    /// The largest content, in octets.
    pub content_octets_max: u64,
    /// The most recipients of one transaction.
    pub recipients_max: u32,
    /// What EHLO and LHLO offer.
    pub extensions: Extensions,
    /// What is done about lines of content over 998 octets (RFC 5321 §4.5.3.1.6).
    pub long_lines: LongLines,
    /// What is done about a CR or LF that stands alone in content (RFC 5321 §2.3.8).
    pub bare_newlines: BareNewlines,
}

impl Setup {
    /// A server of this name that takes what the limits' defaults say, and offers what it can keep by keeping
    /// what it is given ([`Extensions::default`]).
    pub fn new(hostname: Domain, dialect: Dialect) -> Self {
        Self {
            hostname,
            banner: Text::default(),
            dialect,
            content_octets_max: CONTENT_OCTETS_DEFAULT,
            recipients_max: RECIPIENTS_DEFAULT,
            extensions: Extensions::default(),
            long_lines: LongLines::default(),
            bare_newlines: BareNewlines::default(),
        }
    }
}

/// What is done about lines of content over 998 octets (RFC 5321 §4.5.3.1.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LongLines {
    /// They are kept as they are, up to [`CONTENT_LINE_OCTETS_MAX`](crate::limits::CONTENT_LINE_OCTETS_MAX).
    #[default]
    Keep,
    /// The message is refused: 554.
    Refuse,
}

/// What is done about a CR or LF that stands alone in content (RFC 5321 §2.3.8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BareNewlines {
    /// The message is refused: 554.
    #[default]
    Refuse,
    /// Each becomes CRLF before anything else sees it. What an LF-only reader takes for the end of the content
    /// still ends the session.
    Normalise,
}

/// The protocol a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// HELO and EHLO (RFC 5321)
    Smtp,
    /// LHLO, and a reply for each recipient after the content (RFC 2033)
    Lmtp,
}
