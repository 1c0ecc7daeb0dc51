//! The service extensions a server offers, and their lines in the reply to EHLO and LHLO.
//!
//! Each further one is a field here, a parameter or verb in [`crate::command`] and a place in the states.

use postrider_mail::{Solicitation, UnixMillis};
use std::fmt;

/// What is offered beside the content's limits. PIPELINING, SIZE, 8BITMIME and ENHANCEDSTATUSCODES always are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extensions {
    /// SMTPUTF8 (RFC 6531)
    pub smtputf8: bool,
    /// CHUNKING and BINARYMIME (RFC 3030)
    pub chunking: bool,
    /// DSN (RFC 3461)
    pub dsn: bool,
    /// LIMITS (RFC 9422), with RCPTMAX
    pub limits: bool,
    /// MT-PRIORITY (RFC 6710)
    pub priority: bool,
    /// DELIVERBY (RFC 2852), with the least seconds for mode R; 0: no least.
    pub deliver_by: Option<u32>,
    /// FUTURERELEASE (RFC 4865)
    pub future_release: Option<FutureRelease>,
    /// ETRN (RFC 1985)
    pub etrn: bool,
    /// NO-SOLICITING (RFC 3865), with what is not taken, if anything is named.
    pub no_soliciting: Option<Option<Solicitation>>,
    /// XCLIENT, for trusted proxies.
    pub xclient: bool,
    /// XFORWARD, for trusted filters.
    pub xforward: bool,
}

/// How far a message may be put off (RFC 4865 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FutureRelease {
    /// The longest wait in seconds, at most nine digits.
    pub seconds_max: u32,
    /// The latest moment.
    pub until_max: UnixMillis,
}

impl Default for Extensions {
    /// What any peer may be offered.
    fn default() -> Self {
        Self {
            smtputf8: true,
            chunking: true,
            dsn: true,
            limits: true,
            priority: true,
            deliver_by: Some(0),
            future_release: None,
            etrn: false,
            no_soliciting: None,
            xclient: false,
            xforward: false,
        }
    }
}

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
