//! What the sender wants to hear of a message, and by which names (RFC 3461 §4): said where the host offers
//! DSN.

use clap::Args;
use postrider_mail::{EnvelopeId, Mailbox, Notify, OriginalRecipient, Ret, xtext};

/// NOTIFY, RET, ENVID and ORCPT, as the command line gives them.
#[derive(Debug, Args)]
pub(super) struct Dsn {
    /// Of what to be told: never, or a list of success, failure and delay
    #[arg(long, value_name = "LIST")]
    pub(super) notify: Option<Notify>,
    /// What a notice of failure brings back: full or hdrs
    #[arg(long, value_name = "WHAT")]
    pub(super) ret: Option<Ret>,
    /// A name for this message, which notices repeat
    #[arg(long, value_name = "TEXT", value_parser = envelope_id)]
    pub(super) envid: Option<EnvelopeId>,
    /// The recipient as the first sender named it, which notices repeat: an address, or its type and the
    /// address, as in rfc822;bob@example.org
    #[arg(long, value_name = "ADDRESS", value_parser = original_recipient)]
    pub(super) orcpt: Option<OriginalRecipient>,
}

impl Dsn {
    /// Whether anything is asked that only DSN can say.
    pub(super) fn asks(&self) -> bool {
        self.notify.is_some() || self.ret.is_some() || self.envid.is_some() || self.orcpt.is_some()
    }

    /// Whether it is about a single recipient.
    pub(super) fn names_one_recipient(&self) -> bool {
        self.orcpt.is_some()
    }
}

fn envelope_id(text: &str) -> Result<EnvelopeId, String> {
    EnvelopeId::from_xtext(&xtext::encode(text))
        .map_err(|_| "at most 100 printable characters of ASCII".into())
}

fn original_recipient(text: &str) -> Result<OriginalRecipient, String> {
    if let Ok(mailbox) = text.parse::<Mailbox>() {
        return OriginalRecipient::of(&mailbox)
            .ok_or_else(|| "an address that fits 500 octets of ASCII".into());
    }
    text.parse().map_err(|_| "an address, or its type and the address, as in rfc822;bob@example.org".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_id_is_typed_as_it_is_read() {
        assert_eq!(envelope_id("QQ+314159 a=b").unwrap().to_xtext(), "QQ+2B314159+20a+3Db");
        for bad in ["", "\u{e9}", "a\tb"] {
            assert!(envelope_id(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_original_recipient_is_an_address_with_or_without_its_type() {
        for text in ["bob@example.org", "rfc822;bob@example.org"] {
            assert_eq!(original_recipient(text).unwrap().to_string(), "rfc822;bob@example.org");
        }
        assert_eq!(original_recipient("x400;/C=DE/").unwrap().kind(), "x400");
        for bad in ["", "bob", ";bob@example.org", "rfc822;"] {
            assert!(original_recipient(bad).is_err(), "{bad:?}");
        }
    }
}
