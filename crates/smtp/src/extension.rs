//! The service extensions this engine speaks, as EHLO and LHLO offer them.
//!
//! A further extension is a variant here, a parameter in [`crate::command`] and a place in the states.

use std::fmt;

/// One keyword of the EHLO reply, with its parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extension {
    /// PIPELINING (RFC 2920)
    Pipelining,
    /// SIZE with the largest content taken, in octets (RFC 1870)
    Size(u64),
    /// 8BITMIME (RFC 6152)
    EightBitMime,
    /// ENHANCEDSTATUSCODES (RFC 2034)
    EnhancedStatusCodes,
}

impl Extension {
    /// What the server engine offers when content of `octets_max` is taken.
    pub fn offered(octets_max: u64) -> [Self; 4] {
        [Self::Pipelining, Self::Size(octets_max), Self::EightBitMime, Self::EnhancedStatusCodes]
    }
}

impl fmt::Display for Extension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pipelining => f.write_str("PIPELINING"),
            Self::Size(octets) => write!(f, "SIZE {octets}"),
            Self::EightBitMime => f.write_str("8BITMIME"),
            Self::EnhancedStatusCodes => f.write_str("ENHANCEDSTATUSCODES"),
        }
    }
}
