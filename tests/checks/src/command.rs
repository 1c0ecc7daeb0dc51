//! One command line, and the parameters of MAIL and RCPT.

use crate::wire::is_one_line;
use postrider_mail::{By, EnvelopeId, Hold, Notify, OriginalRecipient, Priority, Ret, Solicitation};
use postrider_smtp::command::{Command, parse};
use postrider_smtp::limits::COMMAND_LINE_OCTETS_MAX;
use std::fmt::{Debug, Display};
use std::str::FromStr;

/// Any line is a command or a reason; a command prints as one that means the same.
///
/// # Panics
/// When that does not hold.
pub fn command_line(line: &[u8]) {
    // The reader of lines passes nothing longer.
    let line = &line[..line.len().min(COMMAND_LINE_OCTETS_MAX)];
    match parse(line) {
        Ok(command) => prints_and_parses(&command),
        Err(reason) => is_one_line(&format!("{reason:?}")),
    }
}

#[track_caller]
fn prints_and_parses(command: &Command) {
    let printed = command.to_string();
    is_one_line(&printed);
    assert_eq!(parse(printed.as_bytes()).as_ref(), Ok(command), "{printed:?}");
}

/// Any text behind a path is parameters or a reason. The values of each parameter keep to the same rule by
/// themselves.
///
/// # Panics
/// When that does not hold.
pub fn parameters(input: &[u8]) {
    for start in ["MAIL FROM:<a@b.example> ", "RCPT TO:<a@b.example> "] {
        command_line(&[start.as_bytes(), input].concat());
    }
    let Ok(text) = std::str::from_utf8(input) else { return };
    value::<By>(text);
    value::<Notify>(text);
    value::<Priority>(text);
    value::<Ret>(text);
    value::<Solicitation>(text);
    if let Ok(id) = EnvelopeId::from_xtext(text) {
        let printed = id.to_xtext();
        is_one_line(&printed);
        assert_eq!(EnvelopeId::from_xtext(&printed), Ok(id));
    }
    if let Ok(orcpt) = OriginalRecipient::from_xtext(text) {
        for utf8 in [true, false] {
            let printed = orcpt.to_xtext(utf8);
            is_one_line(&printed);
            assert!(utf8 || printed.is_ascii(), "{printed:?}");
            assert_eq!(OriginalRecipient::from_xtext(&printed).as_ref(), Ok(&orcpt), "{printed:?}");
        }
    }
    hold(text);
}

#[track_caller]
fn value<T: FromStr + Display + PartialEq + Debug>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        let printed = value.to_string();
        is_one_line(&printed);
        assert!(printed.parse::<T>().is_ok_and(|again| again == value), "{text:?} prints as {printed:?}");
    }
}

fn hold(text: &str) {
    let held = [Hold::from_seconds(text), Hold::from_date_time(text)];
    for (hold, name) in held.into_iter().zip(["HOLDFOR=", "HOLDUNTIL="]) {
        let Ok(hold) = hold else { continue };
        let printed = hold.to_string();
        let value = printed.strip_prefix(name).expect("a hold prints as its parameter");
        let again = if name == "HOLDFOR=" { Hold::from_seconds(value) } else { Hold::from_date_time(value) };
        assert_eq!(again, Ok(hold), "{text:?} prints as {printed:?}");
    }
}
