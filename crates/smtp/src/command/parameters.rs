//! The parameters of MAIL and RCPT: which there are, and their values (RFC 5321 §4.1.2 `esmtp-param`).
//!
//! Each stands at most once, so a command has at most as many as there are; their octets are bounded by the
//! line and, where a standard bounds a value, by its type.

use super::{CommandError, MailFrom, RcptTo};
use postrider_mail::{EnvelopeId, Hold, OriginalRecipient, Text};

/// A parameter of MAIL or RCPT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// `SIZE=` (RFC 1870)
    Size,
    /// `BODY=` (RFC 6152)
    Body,
    /// `BODY=BINARYMIME` (RFC 3030), offered by itself.
    BinaryMime,
    /// `SMTPUTF8` (RFC 6531)
    Smtputf8,
    /// `RET=` (RFC 3461)
    Ret,
    /// `ENVID=` (RFC 3461)
    Envid,
    /// `BY=` (RFC 2852)
    By,
    /// `HOLDFOR=` (RFC 4865)
    HoldFor,
    /// `HOLDUNTIL=` (RFC 4865)
    HoldUntil,
    /// `MT-PRIORITY=` (RFC 6710)
    Priority,
    /// `SOLICIT=` (RFC 3865)
    Solicit,
    /// `NOTIFY=` (RFC 3461)
    Notify,
    /// `ORCPT=` (RFC 3461)
    Orcpt,
}

impl Parameter {
    const OF_MAIL: [Self; 10] = [
        Self::Size,
        Self::Body,
        Self::Smtputf8,
        Self::Ret,
        Self::Envid,
        Self::By,
        Self::HoldFor,
        Self::HoldUntil,
        Self::Priority,
        Self::Solicit,
    ];
    const OF_RCPT: [Self; 2] = [Self::Notify, Self::Orcpt];

    /// As it is printed, without its value.
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Size => "SIZE",
            Self::Body => "BODY",
            Self::BinaryMime => "BODY=BINARYMIME",
            Self::Smtputf8 => "SMTPUTF8",
            Self::Ret => "RET",
            Self::Envid => "ENVID",
            Self::By => "BY",
            Self::HoldFor => "HOLDFOR",
            Self::HoldUntil => "HOLDUNTIL",
            Self::Priority => "MT-PRIORITY",
            Self::Solicit => "SOLICIT",
            Self::Notify => "NOTIFY",
            Self::Orcpt => "ORCPT",
        }
    }

    /// Splits `keyword ["=" value]`.
    fn split<'a>(parameter: &'a str, known: &[Self]) -> Result<(Self, Option<&'a str>), CommandError> {
        let (keyword, value) = match parameter.split_once('=') {
            Some((keyword, value)) => (keyword, Some(value)),
            None => (parameter, None),
        };
        let found = known.iter().find(|known| keyword.eq_ignore_ascii_case(known.keyword()));
        match found {
            Some(known) => Ok((*known, value)),
            None => Err(CommandError::UnknownParameter(Text::clean(keyword))),
        }
    }
}

/// Takes one parameter of MAIL.
pub(super) fn of_mail(mail: &mut MailFrom, parameter: &str) -> Result<(), CommandError> {
    let (known, value) = Parameter::split(parameter, &Parameter::OF_MAIL)?;
    let taken = match (known, value) {
        (Parameter::Smtputf8, None) if !mail.smtputf8 => {
            mail.smtputf8 = true;
            Ok(())
        }
        (Parameter::Smtputf8, None) => Err(Unfit::Repeated),
        (Parameter::Smtputf8, _) | (_, None) => Err(Unfit::Malformed),
        (Parameter::Size, Some(value)) => once(&mut mail.size, size_value(value)),
        (Parameter::Body, Some(value)) => once(&mut mail.body, value.parse().ok()),
        (Parameter::Ret, Some(value)) => once(&mut mail.ret, value.parse().ok()),
        (Parameter::Envid, Some(value)) => once(&mut mail.envid, EnvelopeId::from_xtext(value).ok()),
        (Parameter::By, Some(value)) => once(&mut mail.by, value.parse().ok()),
        // The one excludes the other.
        (Parameter::HoldFor, Some(value)) => once(&mut mail.hold, Hold::from_seconds(value).ok()),
        (Parameter::HoldUntil, Some(value)) => once(&mut mail.hold, Hold::from_date_time(value).ok()),
        (Parameter::Priority, Some(value)) => once(&mut mail.priority, value.parse().ok()),
        (Parameter::Solicit, Some(value)) => once(&mut mail.solicit, value.parse().ok()),
        (Parameter::BinaryMime | Parameter::Notify | Parameter::Orcpt, Some(_)) => Err(Unfit::Malformed),
    };
    taken.map_err(|unfit| unfit.error(known, parameter))
}

/// Takes one parameter of RCPT.
pub(super) fn of_rcpt(rcpt: &mut RcptTo, parameter: &str) -> Result<(), CommandError> {
    let (known, value) = Parameter::split(parameter, &Parameter::OF_RCPT)?;
    let taken = match (known, value) {
        (_, None) => Err(Unfit::Malformed),
        (Parameter::Notify, Some(value)) => once(&mut rcpt.notify, value.parse().ok()),
        (_, Some(value)) => once(&mut rcpt.orcpt, OriginalRecipient::from_xtext(value).ok()),
    };
    taken.map_err(|unfit| unfit.error(known, parameter))
}

/// Why a parameter that is known is not taken.
enum Unfit {
    Malformed,
    Repeated,
}

impl Unfit {
    fn error(self, known: Parameter, parameter: &str) -> CommandError {
        match self {
            Self::Malformed => CommandError::BadParameter(known, Text::clean(parameter)),
            Self::Repeated => CommandError::RepeatedParameter(known),
        }
    }
}

/// Fills an empty place with a value that is well formed.
fn once<T>(place: &mut Option<T>, value: Option<T>) -> Result<(), Unfit> {
    if place.is_some() {
        return Err(Unfit::Repeated);
    }
    *place = Some(value.ok_or(Unfit::Malformed)?);
    Ok(())
}

/// `size-value ::= 1*20DIGIT` (RFC 1870 §3). What cannot be counted is larger than anything that is taken.
fn size_value(value: &str) -> Option<u64> {
    let digits = (1..=20).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| value.parse().unwrap_or(u64::MAX))
}
