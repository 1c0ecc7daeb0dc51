//! Header fields from the command line: `--header 'Name: value'` (RFC 5322 §2.2).
//!
//! No value can begin a field of its own: control characters are refused. What is not ASCII is encoded
//! where the field's grammar says how (RFC 2047 §5): in text, and in the display name of one address.

use super::limits::FIELD_OCTETS_MAX;
use mail_builder::headers::HeaderType;
use mail_builder::headers::address::Address;
use mail_builder::headers::raw::Raw;
use mail_builder::headers::text::Text;
use postrider_mail::Mailbox;
use std::str::FromStr;

/// One field: its name is one, its value is one line that can be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    name: String,
    value: Value,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    /// ASCII: written as it is, folded where it is long.
    Ascii(String),
    /// Text beyond ASCII.
    Text(String),
    /// One address with a display name beyond ASCII.
    Named { name: String, address: String },
}

impl Field {
    /// The name; those that a message has once are in their usual spelling.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The value, ready to be written.
    pub(super) fn value(&self) -> HeaderType<'_> {
        match &self.value {
            Value::Ascii(value) => Raw::new(value.as_str()).into(),
            Value::Text(value) => Text::new(value.as_str()).into(),
            Value::Named { name, address } => Address::new_address(Some(name.as_str()), address).into(),
        }
    }
}

impl FromStr for Field {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() > FIELD_OCTETS_MAX {
            return Err(format!("a header field has at most {FIELD_OCTETS_MAX} octets"));
        }
        let (name, value) = text.split_once(':').ok_or("a header field is written 'Name: value'")?;
        if name.is_empty() || !name.bytes().all(|b| (33..=126).contains(&b)) {
            return Err("the name of a header field is printable ASCII without spaces".into());
        }
        let name = usual_spelling(name);
        let value = one_line(value.trim())?;
        let value = if value.is_ascii() { Value::Ascii(value) } else { beyond_ascii(&name, value)? };
        Ok(Self { name, value })
    }
}

/// One line of text for a header field: nothing in it can end the line.
pub(super) fn one_line(text: &str) -> Result<String, String> {
    if text.chars().any(char::is_control) {
        return Err("a header field is one line without control characters".into());
    }
    if text.len() > FIELD_OCTETS_MAX {
        return Err(format!("a header field has at most {FIELD_OCTETS_MAX} octets"));
    }
    Ok(text.to_owned())
}

/// The fields that a message has at most once, in the spelling that the rest of the code looks for
/// (RFC 5322 §3.6).
const ONCE: [&str; 10] =
    ["From", "Sender", "Reply-To", "To", "Cc", "Subject", "Date", "Message-ID", "In-Reply-To", "References"];

fn usual_spelling(name: &str) -> String {
    ONCE.iter().find(|usual| usual.eq_ignore_ascii_case(name)).map_or(name, |usual| usual).to_owned()
}

/// Whether a message has this field at most once.
pub(super) fn is_once(name: &str) -> bool {
    ONCE.contains(&name)
}

/// Why a field cannot be given beside a message that is composed here.
pub(super) fn not_to_be_given(name: &str) -> Option<&'static str> {
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    if is("Bcc") {
        Some(
            "everybody could read it: give such a recipient with --to, and keep it out of the To field with \
             --header 'To: …'",
        )
    } else if is("MIME-Version") || name.to_ascii_lowercase().starts_with("content-") {
        Some("it is written here; a message with its own MIME structure is sent with --file")
    } else {
        None
    }
}

fn beyond_ascii(name: &str, value: String) -> Result<Value, String> {
    match name {
        "From" | "Sender" | "Reply-To" | "To" | "Cc" => one_address(&value).ok_or_else(|| {
            format!(
                "{name} beyond ASCII is written 'Display Name <user@example.org>', with one address in ASCII"
            )
        }),
        "Date" | "Message-ID" | "In-Reply-To" | "References" => Err(format!("{name} is ASCII")),
        _ if name.to_ascii_lowercase().starts_with("list-") => Err(format!("{name} is ASCII")),
        _ => Ok(Value::Text(value)),
    }
}

/// `Display Name <address>`: the name with or without quotes.
fn one_address(value: &str) -> Option<Value> {
    let (name, rest) = value.split_once('<')?;
    let address: Mailbox = rest.strip_suffix('>')?.parse().ok()?;
    let name = name.trim();
    let name = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name);
    let address = super::path::in_ascii(&address)?;
    Some(Value::Named { name: name.to_owned(), address })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_a_name_a_colon_and_one_line() {
        assert_eq!("SUBJECT:  hi ".parse::<Field>().unwrap().name(), "Subject");
        for bad in
            ["", "no colon", ": x", "a b: x", "ä: x", "X: a\r\nBcc: b", "X: a\nb", "X: \0", "X: \x1b[31m"]
        {
            assert!(bad.parse::<Field>().is_err(), "{bad:?}");
        }
    }

    /// RFC 2047 §2, RFC 2047 §5
    #[test]
    fn beyond_ascii_only_text_and_display_names_can_be_encoded() {
        let value = |text: &str| text.parse::<Field>().map(|field| field.value);
        assert_eq!(value("X-Note: grün"), Ok(Value::Text("grün".into())));
        let named = Value::Named { name: "Jörg".into(), address: "j@xn--bcher-kva.example".into() };
        assert_eq!(value("from: \"Jörg\" <j@bücher.example>"), Ok(named));
        for bad in ["From: jörg@a.example", "To: Ä <ä@a.example>", "To: Ä <a@b>, Ö <c@d>", "Date: März"]
        {
            assert!(value(bad).is_err(), "{bad:?}");
        }
    }
}
