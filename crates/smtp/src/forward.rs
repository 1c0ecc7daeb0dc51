//! XCLIENT and XFORWARD: what a trusted proxy or filter tells of the client it speaks for, as Postfix defines
//! them in XCLIENT_README and XFORWARD_README. No RFC does.
//!
//! `attribute = name "=" value`, the names in any case, each at most once, the values in xtext (RFC 3461 §4).
//! IPv6 addresses may stand behind `IPV6:`.

use crate::command::CommandError;
use postrider_mail::{Domain, HeloName, Protocol, Text, xtext};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// The attributes of XCLIENT, as EHLO lists them.
pub const XCLIENT_ATTRIBUTES: &str = "NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT";
/// The attributes of XFORWARD, as EHLO lists them.
pub const XFORWARD_ATTRIBUTES: &str = "NAME ADDR PORT PROTO HELO IDENT SOURCE";

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

const XCLIENT_USAGE: &str = "XCLIENT name=value ..., of NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT";
const XFORWARD_USAGE: &str = "XFORWARD name=value ..., of NAME ADDR PORT PROTO HELO IDENT SOURCE";

/// The argument of XCLIENT.
pub(crate) fn xclient(argument: &[u8]) -> Result<Box<Attributes>, CommandError> {
    attributes(argument, XCLIENT_ATTRIBUTES, &[]).ok_or(CommandError::Usage(XCLIENT_USAGE))
}

/// The argument of XFORWARD.
pub(crate) fn xforward(argument: &[u8]) -> Result<Box<Attributes>, CommandError> {
    attributes(argument, XFORWARD_ATTRIBUTES, &FOREIGN).ok_or(CommandError::Usage(XFORWARD_USAGE))
}

/// Attributes of XFORWARD that may tell of a world without SMTP, DNS or IP: what is not understood of them is
/// unknown, since it is for records alone.
const FOREIGN: [&str; 4] = ["NAME", "ADDR", "PROTO", "HELO"];

/// Octets of a value that is not understood.
const FOREIGN_OCTETS_MAX: usize = 255;

/// One attribute at least; each of `allowed`, once, and well formed; those in `foreign` at least in xtext.
fn attributes(argument: &[u8], allowed: &str, foreign: &[&str]) -> Option<Box<Attributes>> {
    let argument = std::str::from_utf8(argument).ok().filter(|text| !text.is_empty())?;
    let mut attributes = Box::new(Attributes::default());
    for attribute in argument.split_ascii_whitespace() {
        let (name, value) = attribute.split_once('=')?;
        let name = allowed.split(' ').find(|allowed| allowed.eq_ignore_ascii_case(name))?;
        let is_foreign = || {
            let is_bounded = (1..=FOREIGN_OCTETS_MAX).contains(&value.len());
            foreign.contains(&name) && is_bounded && xtext::decode(value).is_ok()
        };
        match attributes.take(name, value) {
            None if is_foreign() => attributes.take(name, "[UNAVAILABLE]")?,
            taken => taken?,
        }
    }
    Some(attributes)
}

impl Attributes {
    fn take(&mut self, name: &str, value: &str) -> Option<()> {
        match name {
            "NAME" => once(&mut self.name, value, |text| text.parse().ok()),
            "ADDR" => once(&mut self.addr, value, address),
            "PORT" => once(&mut self.port, value, number),
            "PROTO" => once(&mut self.protocol, value, protocol),
            "HELO" => once(&mut self.helo, value, |text| HeloName::from_str(text).ok()),
            "LOGIN" => once(&mut self.login, value, some_text),
            "DESTADDR" => once(&mut self.dest_addr, value, address),
            "DESTPORT" => once(&mut self.dest_port, value, number),
            "IDENT" => once(&mut self.ident, value, some_text),
            "SOURCE" => once(&mut self.is_local, value, source),
            _ => None,
        }
    }
}

/// Fills an empty place with what a value tells.
fn once<T>(place: &mut Option<Told<T>>, value: &str, read: impl Fn(&str) -> Option<T>) -> Option<()> {
    let told = if value.eq_ignore_ascii_case("[UNAVAILABLE]") {
        Told::Unavailable
    } else if value.eq_ignore_ascii_case("[TEMPUNAVAIL]") {
        Told::NotNow
    } else {
        Told::Known(read(&xtext::decode(value).ok()?)?)
    };
    place.replace(told).is_none().then_some(())
}

fn address(text: &str) -> Option<IpAddr> {
    match text.split_at_checked("IPV6:".len()) {
        Some((tag, v6)) if tag.eq_ignore_ascii_case("IPV6:") => v6.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        _ => text.parse().ok(),
    }
}

fn number(text: &str) -> Option<u16> {
    text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()))
}

fn protocol(text: &str) -> Option<Protocol> {
    let known = [Protocol::Smtp, Protocol::Esmtp, Protocol::Lmtp];
    known.into_iter().find(|known| text.eq_ignore_ascii_case(&known.to_string()))
}

fn some_text(text: &str) -> Option<Text> {
    (!text.is_empty()).then(|| Text::clean(text))
}

fn source(text: &str) -> Option<bool> {
    let is_local = text.eq_ignore_ascii_case("LOCAL");
    (is_local || text.eq_ignore_ascii_case("REMOTE")).then_some(is_local)
}

/// Each attribute with a space before it.
impl fmt::Display for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print(f, "NAME", self.name.as_ref())?;
        print(f, "ADDR", self.addr.map(Told::spelled).as_ref())?;
        print(f, "PORT", self.port.as_ref())?;
        print(f, "PROTO", self.protocol.as_ref())?;
        print(f, "HELO", self.helo.as_ref())?;
        print(f, "LOGIN", self.login.as_ref())?;
        print(f, "DESTADDR", self.dest_addr.map(Told::spelled).as_ref())?;
        print(f, "DESTPORT", self.dest_port.as_ref())?;
        print(f, "IDENT", self.ident.as_ref())?;
        let source = self.is_local.map(|told| told.map(|is_local| if is_local { "LOCAL" } else { "REMOTE" }));
        print(f, "SOURCE", source.as_ref())
    }
}

impl<T> Told<T> {
    fn map<U>(self, f: impl FnOnce(T) -> U) -> Told<U> {
        match self {
            Self::Known(value) => Told::Known(f(value)),
            Self::Unavailable => Told::Unavailable,
            Self::NotNow => Told::NotNow,
        }
    }
}

impl Told<IpAddr> {
    fn spelled(self) -> Told<String> {
        self.map(|address| match address {
            IpAddr::V4(v4) => v4.to_string(),
            IpAddr::V6(v6) => format!("IPV6:{v6}"),
        })
    }
}

fn print<T: fmt::Display>(f: &mut fmt::Formatter<'_>, name: &str, told: Option<&Told<T>>) -> fmt::Result {
    match told {
        None => Ok(()),
        Some(Told::Known(value)) => write!(f, " {name}={}", xtext::encode(&value.to_string())),
        Some(Told::Unavailable) => write!(f, " {name}=[UNAVAILABLE]"),
        Some(Told::NotNow) => write!(f, " {name}=[TEMPUNAVAIL]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_understood_as_postfix_sends_them() {
        let line = b"NAME=spike.porcupine.org addr=IPV6:2001:db8::1 PORT=4711 PROTO=ESMTP HELO=a+2Bb LOGIN=[UNAVAILABLE]";
        let told = xclient(line).unwrap();
        assert_eq!(told.name.as_ref().and_then(Told::known).map(Domain::as_str), Some("spike.porcupine.org"));
        assert_eq!(told.addr, Some(Told::Known("2001:db8::1".parse().unwrap())));
        assert_eq!(told.port, Some(Told::Known(4711)));
        assert_eq!(told.helo.as_ref().and_then(Told::known).map(HeloName::as_str), Some("a+b"));
        assert_eq!(told.login, Some(Told::Unavailable));
        assert_eq!(xclient(told.to_string().trim().as_bytes()), Ok(told));
        let told = xforward(b"NAME=[tempunavail] IDENT=4Zx SOURCE=local").unwrap();
        assert_eq!((told.name, told.is_local), (Some(Told::NotNow), Some(Told::Known(true))));
    }

    #[test]
    fn a_filter_may_tell_of_protocols_and_names_that_are_not_of_the_internet() {
        let told = xforward(b"NAME=build..host ADDR=usb0 PROTO=QMQP HELO=x IDENT=4Zx").unwrap();
        assert_eq!((told.name, told.addr), (Some(Told::Unavailable), Some(Told::Unavailable)));
        assert_eq!(told.protocol, Some(Told::Unavailable));
        assert!(told.helo.unwrap().known().is_some());
    }

    #[test]
    fn what_is_not_an_attribute_of_the_command_is_refused_with_all_of_it() {
        for bad in [
            "",
            "NAME",
            "NAME=",
            "NAME=a b",
            "NAME=a NAME=b",
            "NAME=a..b",
            "ADDR=192.0.2",
            "ADDR=IPV6:192.0.2.1",
            "PORT=65536",
            "PORT=+1",
            "PROTO=HTTP",
            "HELO=+00",
            "HELO=a+0Ab",
            "LOGIN=",
            "IDENT=x",
            "SOURCE=LOCAL",
            "FOO=bar",
        ] {
            assert!(xclient(bad.as_bytes()).is_err(), "{bad}");
        }
        for bad in [
            "LOGIN=x",
            "SOURCE=HERE",
            "DESTADDR=192.0.2.1",
            "NAME=\u{fc}",
            "PROTO=",
            "PROTO=+00",
            "PROTO=SMTP PROTO=QMQP",
            "PROTO=QMQP PROTO=QMQP",
        ] {
            assert!(xforward(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
