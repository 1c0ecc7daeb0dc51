//! One address, domain or name, through every door that takes one.

use crate::limits::INPUT_OCTETS_MAX;
use crate::wire::is_one_line;
use postrider_mail::limits::{HELO_OCTETS_MAX, PATH_OCTETS_MAX};
use postrider_mail::{Domain, ForwardPath, HeloName, Host, Mailbox, OriginalRecipient, ReversePath};
use postrider_smtp::command::{Command, parse};
use std::fmt::{Debug, Display};
use std::str::FromStr;

/// Any text is an address or it is not, and all doors say the same; what is one prints as one.
///
/// # Panics
/// When that does not hold.
pub fn address(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(&input[..input.len().min(INPUT_OCTETS_MAX)]) else { return };
    parses_and_prints::<Domain>(text);
    parses_and_prints::<Host>(text);
    if let Some(name) = parses_and_prints::<HeloName>(text) {
        assert!(name.as_str().len() <= HELO_OCTETS_MAX);
    }
    parses_and_prints::<ReversePath>(text);
    parses_and_prints::<ForwardPath>(text);
    if let Some(mailbox) = parses_and_prints::<Mailbox>(text) {
        is_taken_at_every_door(&mailbox);
    }
}

#[track_caller]
fn parses_and_prints<T: FromStr<Err: Debug> + Display + PartialEq + Debug>(text: &str) -> Option<T> {
    let value: T = text.parse().ok()?;
    let printed = value.to_string();
    is_one_line(&printed);
    assert!(printed.parse::<T>().is_ok_and(|again| again == value), "{text:?} prints as {printed:?}");
    Some(value)
}

fn is_taken_at_every_door(mailbox: &Mailbox) {
    let printed = mailbox.to_string();
    assert!(printed.len() <= PATH_OCTETS_MAX - "<>".len(), "{printed:?} is too long for a path");
    is_one_line(&mailbox.key());
    assert_eq!(printed.parse(), Ok(ReversePath::Mailbox(mailbox.clone())));
    assert_eq!(printed.parse(), Ok(ForwardPath::Mailbox(mailbox.clone())));
    // Three octets of UTF-8 may be ten in ASCII, more than the parameter may have.
    if let Some(orcpt) = OriginalRecipient::of(mailbox) {
        assert_eq!(OriginalRecipient::from_xtext(&orcpt.to_xtext(false)), Ok(orcpt));
    }
    if printed.is_ascii() {
        match parse(format!("RCPT TO:<{printed}>").as_bytes()) {
            Ok(Command::Rcpt(rcpt)) => assert_eq!(rcpt.forward_path.mailbox(), Some(mailbox)),
            other => panic!("RCPT TO:<{printed}> is {other:?}"),
        }
    }
}
