//! The envelope's addresses as the command line gives them.

use postrider_mail::address::AddressError;
use postrider_mail::{ForwardPath, Host, Mailbox, ReversePath};

/// `--from`: an address with or without its brackets; `<>` for the null reverse-path.
pub(super) fn reverse_path(text: &str) -> Result<ReversePath, String> {
    let path: ReversePath =
        without_brackets(text).parse().map_err(|error: AddressError| error.to_string())?;
    sendable(path.mailbox())?;
    Ok(path)
}

/// `--to`: an address with or without its brackets, or `postmaster`.
pub(super) fn forward_path(text: &str) -> Result<ForwardPath, String> {
    let path: ForwardPath =
        without_brackets(text).parse().map_err(|error: AddressError| error.to_string())?;
    sendable(path.mailbox())?;
    Ok(path)
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

fn sendable(mailbox: Option<&Mailbox>) -> Result<(), String> {
    match mailbox {
        Some(mailbox) if in_ascii(mailbox).is_none() => {
            Err("the part before the @ must be ASCII to be sent".into())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_may_stand_around_an_address() {
        assert_eq!(forward_path("<a@b.example>"), forward_path("a@b.example"));
        assert_eq!(reverse_path("<>"), Ok(ReversePath::Null));
        assert_eq!(forward_path("postmaster"), Ok(ForwardPath::Postmaster));
        for bad in ["a", "<a@b", "a@b>", "A <a@b>", "a@b c", "ä@b.example", "a@b\r\nDATA"] {
            assert!(forward_path(bad).is_err() && reverse_path(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_domain_beyond_ascii_is_spelled_by_its_a_labels() {
        let Ok(ForwardPath::Mailbox(mailbox)) = forward_path("a@bücher.example") else { panic!() };
        assert_eq!(in_ascii(&mailbox).unwrap(), "a@xn--bcher-kva.example");
    }
}
