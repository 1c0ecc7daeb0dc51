//! The envelope's addresses as the command line gives them.

use postrider_mail::address::AddressError;
use postrider_mail::{ForwardPath, Host, Mailbox, ReversePath};

/// `--from`: an address with or without its brackets; `<>` for the null reverse-path.
pub(super) fn reverse_path(text: &str) -> Result<ReversePath, String> {
    without_brackets(text).parse().map_err(|error: AddressError| error.to_string())
}

/// `--to`: an address with or without its brackets, or `postmaster`.
pub(super) fn forward_path(text: &str) -> Result<ForwardPath, String> {
    without_brackets(text).parse().map_err(|error: AddressError| error.to_string())
}

/// The address as a header spells it: in ASCII where that can be, else as it is (RFC 6532 §3.2).
pub(super) fn in_header(mailbox: &Mailbox) -> String {
    in_ascii(mailbox).unwrap_or_else(|| mailbox.to_string())
}

/// The address as headers and commands spell it: the domain by its A-labels where it is not ASCII
/// (RFC 5890). None where the local part is not ASCII.
pub(super) fn in_ascii(mailbox: &Mailbox) -> Option<String> {
    let local = mailbox.local();
    let spelled = match mailbox.host() {
        Host::Domain(domain) if !domain.as_str().is_ascii() => format!("{local}@{}", domain.ascii()),
        _ => mailbox.to_string(),
    };
    Some(spelled).filter(|spelled| spelled.is_ascii())
}

fn without_brackets(text: &str) -> &str {
    text.strip_prefix('<').and_then(|text| text.strip_suffix('>')).unwrap_or(text)
}

/// Whether only a host that offers SMTPUTF8 can be told of this address (RFC 6531 §3.3).
pub(super) fn needs_utf8(mailbox: &Mailbox) -> bool {
    in_ascii(mailbox).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_may_stand_around_an_address() {
        assert_eq!(forward_path("<a@b.example>"), forward_path("a@b.example"));
        assert_eq!(reverse_path("<>"), Ok(ReversePath::Null));
        assert_eq!(forward_path("postmaster"), Ok(ForwardPath::Postmaster));
        for bad in ["a", "<a@b", "a@b>", "A <a@b>", "a@b c", "a@b\r\nDATA"] {
            assert!(forward_path(bad).is_err() && reverse_path(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_domain_beyond_ascii_is_spelled_by_its_a_labels() {
        let Ok(ForwardPath::Mailbox(mailbox)) = forward_path("a@bücher.example") else { panic!() };
        assert_eq!(in_header(&mailbox), "a@xn--bcher-kva.example");
        assert!(!needs_utf8(&mailbox));
    }

    #[test]
    fn a_local_part_beyond_ascii_needs_a_host_that_takes_it() {
        let Ok(ForwardPath::Mailbox(mailbox)) = forward_path("jörg@bücher.example") else { panic!() };
        assert_eq!(in_header(&mailbox), "jörg@bücher.example");
        assert!(needs_utf8(&mailbox));
    }
}
