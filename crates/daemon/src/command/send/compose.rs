//! A message made from the command line: header, text, attachments (RFC 5322, RFC 2045).
//!
//! It reads no file and no clock: octets, the time and an id come in.

use super::attachment;
use super::field::{self, Field};
use super::path::in_header;
use mail_builder::MessageBuilder;
use mail_builder::headers::HeaderType;
use mail_builder::headers::address::Address;
use mail_builder::headers::raw::Raw;
use mail_builder::headers::text::Text;
use mail_builder::mime::MimePart;
use postrider_mail::{ForwardPath, ReversePath, UnixMillis};
use std::path::PathBuf;

/// What is to be composed.
pub(super) struct Draft<'a> {
    pub(super) from: &'a ReversePath,
    pub(super) to: &'a [ForwardPath],
    pub(super) subject: Option<&'a str>,
    /// Lines that end in CRLF.
    pub(super) text: &'a str,
    /// Fields of the user's own; they replace those that would be written here.
    pub(super) fields: &'a [Field],
    /// Where each file was, and its octets.
    pub(super) attachments: &'a [(PathBuf, Vec<u8>)],
}

impl Draft<'_> {
    /// The message, or why the parts do not make one. `now` becomes its Date, `id` a part of its Message-ID.
    pub(super) fn compose(&self, now: UnixMillis, id: u128) -> Result<Vec<u8>, String> {
        let mut builder = MessageBuilder::new();
        for (name, value) in self.own_fields(now, id)? {
            if !self.fields.iter().any(|field| field.name() == name) {
                builder = builder.header(name, value);
            }
        }
        for (at, field) in self.fields.iter().enumerate() {
            let name = field.name();
            if let Some(why) = field::not_to_be_given(name) {
                return Err(format!("--header {name}: {why}"));
            }
            let again = self.fields[..at].iter().any(|before| before.name() == name)
                || (name == "Subject" && self.subject.is_some());
            if again && field::is_once(name) {
                return Err(format!("a message has one {name} field, and it was given twice"));
            }
            builder = builder.header(name, field.value());
        }
        let mut message = Vec::new();
        builder.body(self.body()).serialize(&mut message);
        Ok(message)
    }

    /// The fields that every message needs (RFC 5322 §3.6), in the order in which they are usually read.
    fn own_fields(&self, now: UnixMillis, id: u128) -> Result<Vec<(&'static str, HeaderType<'_>)>, String> {
        let sender = self.from.mailbox();
        let mut fields = vec![("Date", Raw::new(now.rfc5322()).into())];
        match sender.map(in_header) {
            Some(address) => fields.push(("From", Address::from(address).into())),
            None if self.fields.iter().any(|field| field.name() == "From") => {}
            None => return Err("a message from <> needs an author: add --header 'From: …'".into()),
        }
        fields.push(("To", self.addressees().into()));
        if let Some(subject) = self.subject {
            fields.push(("Subject", Text::new(subject).into()));
        }
        let host = sender.map_or("localhost".into(), |sender| sender.host().key());
        fields.push(("Message-ID", Raw::new(format!("<{id:032x}@{host}>")).into()));
        Ok(fields)
    }

    /// Postmaster without a domain is nobody that a header could name.
    fn addressees(&self) -> Address<'static> {
        let mailboxes = self.to.iter().filter_map(ForwardPath::mailbox);
        let list: Vec<Address<'_>> = mailboxes.map(in_header).map(Address::from).collect();
        match list.is_empty() {
            true => Address::new_group(Some("undisclosed-recipients"), list),
            false => Address::new_list(list),
        }
    }

    fn body(&self) -> MimePart<'_> {
        let text = MimePart::new("text/plain", self.text);
        if self.attachments.is_empty() {
            return text;
        }
        let files = self.attachments.iter().map(|(path, octets)| attachment::part(path, octets));
        MimePart::new("multipart/mixed", std::iter::once(text).chain(files).collect::<Vec<_>>())
    }
}
