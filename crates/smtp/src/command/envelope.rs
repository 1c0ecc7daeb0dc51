//! MAIL and RCPT: a path and parameters (RFC 5321 §4.1.1.2, RFC 5321 §4.1.1.3).

use super::{CommandError, Parameter, PathError, parameters, spelling};
use postrider_mail::{
    Body, By, EnvelopeId, ForwardPath, Hold, Notify, OriginalRecipient, Priority, Ret, ReversePath,
    Solicitation,
};
use std::fmt;

/// What MAIL says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailFrom {
    /// Where notices go.
    pub reverse_path: ReversePath,
    /// `SIZE=`: the content's octets, as the client counts them (RFC 1870).
    pub size: Option<u64>,
    /// `BODY=` (RFC 6152, RFC 3030)
    pub body: Option<Body>,
    /// `SMTPUTF8` (RFC 6531)
    pub smtputf8: bool,
    /// `RET=` (RFC 3461)
    pub ret: Option<Ret>,
    /// `ENVID=` (RFC 3461)
    pub envid: Option<EnvelopeId>,
    /// `BY=` (RFC 2852)
    pub by: Option<By>,
    /// `HOLDFOR=` or `HOLDUNTIL=` (RFC 4865)
    pub hold: Option<Hold>,
    /// `MT-PRIORITY=` (RFC 6710)
    pub priority: Option<Priority>,
    /// `SOLICIT=` (RFC 3865)
    pub solicit: Option<Solicitation>,
}

impl MailFrom {
    /// MAIL with no parameter.
    pub fn new(reverse_path: ReversePath) -> Self {
        Self {
            reverse_path,
            size: None,
            body: None,
            smtputf8: false,
            ret: None,
            envid: None,
            by: None,
            hold: None,
            priority: None,
            solicit: None,
        }
    }

    /// The parameters that stand behind the path.
    pub fn parameters(&self) -> impl Iterator<Item = Parameter> {
        let hold = self.hold.map(|hold| match hold {
            Hold::For(_) => Parameter::HoldFor,
            Hold::Until(_) => Parameter::HoldUntil,
        });
        let body = self.body.map(|body| match body {
            Body::BinaryMime => Parameter::BinaryMime,
            Body::SevenBit | Body::EightBitMime => Parameter::Body,
        });
        [
            self.size.map(|_| Parameter::Size),
            body,
            self.smtputf8.then_some(Parameter::Smtputf8),
            self.ret.map(|_| Parameter::Ret),
            self.envid.as_ref().map(|_| Parameter::Envid),
            self.by.map(|_| Parameter::By),
            hold,
            self.priority.map(|_| Parameter::Priority),
            self.solicit.as_ref().map(|_| Parameter::Solicit),
        ]
        .into_iter()
        .flatten()
    }
}

/// What RCPT says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RcptTo {
    /// Who shall get the message.
    pub forward_path: ForwardPath,
    /// `NOTIFY=` (RFC 3461)
    pub notify: Option<Notify>,
    /// `ORCPT=` (RFC 3461)
    pub orcpt: Option<OriginalRecipient>,
}

impl RcptTo {
    /// RCPT with no parameter.
    pub fn new(forward_path: ForwardPath) -> Self {
        Self { forward_path, notify: None, orcpt: None }
    }

    /// The parameters that stand behind the path.
    pub fn parameters(&self) -> impl Iterator<Item = Parameter> {
        let notify = self.notify.map(|_| Parameter::Notify);
        notify.into_iter().chain(self.orcpt.as_ref().map(|_| Parameter::Orcpt))
    }
}

/// The argument of MAIL. A reverse-path with UTF-8 needs SMTPUTF8 beside it (RFC 6531 §3.4).
pub(super) fn mail(argument: &[u8]) -> Result<MailFrom, CommandError> {
    let argument =
        keyword(argument, b"FROM:").ok_or(CommandError::Usage("MAIL FROM:<you@client.example>"))?;
    let (path, parameters) = spelling::path(argument).map_err(CommandError::ReversePath)?;
    let reverse_path = path.parse().map_err(|error| CommandError::ReversePath(PathError::Address(error)))?;
    let mut mail = MailFrom::new(reverse_path);
    for parameter in parameters {
        parameters::of_mail(&mut mail, parameter)?;
    }
    if !mail.smtputf8 && !argument.is_ascii() {
        return Err(CommandError::ReversePath(PathError::NotAscii));
    }
    Ok(mail)
}

/// The argument of RCPT. Whether it may hold UTF-8, only the transaction knows.
pub(super) fn rcpt(argument: &[u8]) -> Result<RcptTo, CommandError> {
    let argument = keyword(argument, b"TO:").ok_or(CommandError::Usage("RCPT TO:<friend@local.example>"))?;
    let (path, parameters) = spelling::path(argument).map_err(CommandError::ForwardPath)?;
    let forward_path = path.parse().map_err(|error| CommandError::ForwardPath(PathError::Address(error)))?;
    let mut rcpt = RcptTo::new(forward_path);
    for parameter in parameters {
        parameters::of_rcpt(&mut rcpt, parameter)?;
    }
    Ok(rcpt)
}

fn keyword<'a>(argument: &'a [u8], keyword: &[u8]) -> Option<&'a [u8]> {
    let (word, rest) = argument.split_at_checked(keyword.len())?;
    word.eq_ignore_ascii_case(keyword).then_some(rest)
}

/// The whole command with all its parameters, without a line end.
impl fmt::Display for MailFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MAIL FROM:<{}>", self.reverse_path)?;
        if let Some(size) = self.size {
            write!(f, " SIZE={size}")?;
        }
        if let Some(body) = self.body {
            write!(f, " BODY={body}")?;
        }
        if self.smtputf8 {
            f.write_str(" SMTPUTF8")?;
        }
        if let Some(ret) = self.ret {
            write!(f, " RET={ret}")?;
        }
        if let Some(envid) = &self.envid {
            write!(f, " ENVID={}", envid.to_xtext())?;
        }
        if let Some(by) = self.by {
            write!(f, " BY={by}")?;
        }
        if let Some(hold) = self.hold {
            write!(f, " {hold}")?;
        }
        if let Some(priority) = self.priority {
            write!(f, " MT-PRIORITY={priority}")?;
        }
        if let Some(solicit) = &self.solicit {
            write!(f, " SOLICIT={solicit}")?;
        }
        Ok(())
    }
}

/// The whole command with its parameters, without a line end. ORCPT is printed in ASCII, which every host
/// that knows the parameter takes (RFC 6533 §3).
impl fmt::Display for RcptTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RCPT TO:<{}>", self.forward_path)?;
        if let Some(notify) = self.notify {
            write!(f, " NOTIFY={notify}")?;
        }
        if let Some(orcpt) = &self.orcpt {
            write!(f, " ORCPT={}", orcpt.to_xtext(false))?;
        }
        Ok(())
    }
}
