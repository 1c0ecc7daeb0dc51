//! XCLIENT and XFORWARD: what a trusted proxy or filter tells of the client it speaks for, as Postfix defines
//! them in XCLIENT_README and XFORWARD_README. No RFC does.

use postrider_mail::{Domain, HeloName, Protocol, Text};
use std::net::IpAddr;

/// The attributes of one or several commands. Which of them a command may hold is for its grammar to say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// `NAME`: the client's name by its address.
    pub name: Option<Told<Domain>>,
    /// `ADDR`: its address.
    pub addr: Option<Told<IpAddr>>,
    /// `PORT`: its port.
    pub port: Option<Told<u16>>,
    /// `PROTO`: `SMTP` or `ESMTP`.
    pub protocol: Option<Told<Protocol>>,
    /// `HELO`: how it introduced itself.
    pub helo: Option<Told<HeloName>>,
    /// `LOGIN` (XCLIENT): as whom it authenticated.
    pub login: Option<Told<Text>>,
    /// `DESTADDR` (XCLIENT): the address it connected to.
    pub dest_addr: Option<Told<IpAddr>>,
    /// `DESTPORT` (XCLIENT): and the port.
    pub dest_port: Option<Told<u16>>,
    /// `IDENT` (XFORWARD): the message's id at the host that tells this.
    pub ident: Option<Told<Text>>,
    /// `SOURCE` (XFORWARD): `LOCAL` or `REMOTE`.
    pub is_local: Option<Told<bool>>,
}

/// One attribute's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told<T> {
    /// It is known.
    Known(T),
    /// `[UNAVAILABLE]`: it is not.
    Unavailable,
    /// `[TEMPUNAVAIL]`: it could not be found out now.
    NotNow,
}

impl<T> Told<T> {
    /// The value, where there is one.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unavailable | Self::NotNow => None,
        }
    }
}
