//! The service extensions a server offers, and their lines in the reply to EHLO and LHLO.
//!
//! Each further one is a field here, a parameter or verb in [`crate::command`] and a place in the states.

use crate::command::Parameter;
use crate::forward::{XCLIENT_ATTRIBUTES, XFORWARD_ATTRIBUTES};
use postrider_mail::{Solicitation, Text, UnixMillis};

/// Lines there can be.
const LINES_MAX: usize = 16;
/// Octets of a list of keywords that still fits a reply line (RFC 5321 §4.5.3.1.5).
const KEYWORDS_TOLD_OCTETS_MAX: usize = 480;

/// What is offered beside the content's limits. PIPELINING, SIZE, 8BITMIME and ENHANCEDSTATUSCODES always are.
///
/// To offer is to promise. The engine checks a parameter and hands it on with its question; who answers the
/// question with yes has to do what the parameter asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extensions {
    /// SMTPUTF8 (RFC 6531)
    pub smtputf8: bool,
    /// CHUNKING and BINARYMIME (RFC 3030)
    pub chunking: bool,
    /// DSN (RFC 3461)
    pub dsn: bool,
    /// LIMITS (RFC 9422), with RCPTMAX
    pub limits: bool,
    /// MT-PRIORITY (RFC 6710)
    pub priority: bool,
    /// DELIVERBY (RFC 2852), with the least seconds for mode R; 0: no least.
    pub deliver_by: Option<u32>,
    /// FUTURERELEASE (RFC 4865)
    pub future_release: Option<FutureRelease>,
    /// ETRN (RFC 1985)
    pub etrn: bool,
    /// NO-SOLICITING (RFC 3865), with what is not taken, if anything is named.
    pub no_soliciting: Option<Option<Solicitation>>,
    /// XCLIENT, for trusted proxies.
    pub xclient: bool,
    /// XFORWARD, for trusted filters.
    pub xforward: bool,
}

/// How far a message may be put off (RFC 4865 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FutureRelease {
    /// The longest wait in seconds, at most nine digits.
    pub seconds_max: u32,
    /// The latest moment.
    pub until_max: UnixMillis,
}

impl Default for Extensions {
    /// What needs nothing but that content and addresses are kept as they came: SMTPUTF8, CHUNKING, BINARYMIME
    /// and LIMITS.
    fn default() -> Self {
        Self {
            smtputf8: true,
            chunking: true,
            dsn: false,
            limits: true,
            priority: false,
            deliver_by: None,
            future_release: None,
            etrn: false,
            no_soliciting: None,
            xclient: false,
            xforward: false,
        }
    }
}

impl Extensions {
    /// What any peer may be offered where somebody honours it: beside the [default](Self::default), DSN,
    /// MT-PRIORITY and DELIVERBY.
    pub fn for_any_peer() -> Self {
        Self { dsn: true, priority: true, deliver_by: Some(0), ..Self::default() }
    }

    /// The lines of the reply to EHLO or LHLO behind the first (RFC 5321 §4.1.1.1), where content of `octets_max`
    /// octets and `recipients_max` recipients are taken.
    pub fn keywords(&self, octets_max: u64, recipients_max: u32) -> Vec<Text> {
        let mut lines = Vec::with_capacity(LINES_MAX);
        let mut add = |offered: bool, keyword: &'static str| {
            if offered {
                lines.push(Text::literal(keyword));
            }
        };
        add(true, "PIPELINING");
        add(true, "8BITMIME");
        add(true, "ENHANCEDSTATUSCODES");
        add(self.smtputf8, "SMTPUTF8");
        add(self.chunking, "CHUNKING");
        add(self.chunking, "BINARYMIME");
        add(self.dsn, "DSN");
        add(self.priority, "MT-PRIORITY");
        add(self.etrn, "ETRN");
        lines.push(format!("SIZE {octets_max}").into());
        if self.limits {
            // limit-value = NZDIGIT 0*5DIGIT (RFC 9422 §3)
            lines.push(format!("LIMITS RCPTMAX={}", recipients_max.clamp(1, 999_999)).into());
        }
        match self.deliver_by {
            None => {}
            Some(0) => lines.push(Text::literal("DELIVERBY")),
            Some(least) => lines.push(format!("DELIVERBY {least}").into()),
        }
        if let Some(FutureRelease { seconds_max, until_max }) = self.future_release {
            lines.push(format!("FUTURERELEASE {seconds_max} {}", whole_seconds(until_max)).into());
        }
        match &self.no_soliciting {
            None => {}
            // A list that is too long for a line is still refused by, and not told.
            Some(Some(refused)) if refused.as_str().len() <= KEYWORDS_TOLD_OCTETS_MAX => {
                lines.push(format!("NO-SOLICITING {refused}").into());
            }
            Some(_) => lines.push(Text::literal("NO-SOLICITING")),
        }
        if self.xclient {
            lines.push(format!("XCLIENT {XCLIENT_ATTRIBUTES}").into());
        }
        if self.xforward {
            lines.push(format!("XFORWARD {XFORWARD_ATTRIBUTES}").into());
        }
        lines
    }

    /// Whether MAIL or RCPT may have this parameter, behind EHLO or LHLO.
    pub fn allow(&self, parameter: Parameter) -> bool {
        match parameter {
            Parameter::Size | Parameter::Body => true,
            Parameter::BinaryMime => self.chunking,
            Parameter::Smtputf8 => self.smtputf8,
            Parameter::Ret | Parameter::Envid | Parameter::Notify | Parameter::Orcpt => self.dsn,
            Parameter::By => self.deliver_by.is_some(),
            Parameter::HoldFor | Parameter::HoldUntil => self.future_release.is_some(),
            Parameter::Priority => self.priority,
            Parameter::Solicit => self.no_soliciting.is_some(),
        }
    }
}

/// A moment without its fraction of a second: `2026-11-22T18:31:15Z`.
fn whole_seconds(moment: UnixMillis) -> String {
    let printed = moment.to_string();
    match printed.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => printed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 1870 §3, RFC 2852 §3, RFC 4865 §3, RFC 9422 §3
    #[test]
    fn each_extension_has_its_line_and_its_parameter() {
        let all = Extensions {
            deliver_by: Some(120),
            future_release: Some(FutureRelease {
                seconds_max: 604_800,
                until_max: UnixMillis::new(1_795_372_275_042),
            }),
            etrn: true,
            no_soliciting: Some(Some("net.example:ADV".parse().unwrap())),
            xclient: true,
            xforward: true,
            ..Extensions::for_any_peer()
        };
        let lines = all.keywords(1000, 50);
        assert_eq!(lines.len(), LINES_MAX);
        let said = |line: &str| lines.iter().any(|text| text.as_str() == line);
        for line in [
            "SIZE 1000",
            "LIMITS RCPTMAX=50",
            "DELIVERBY 120",
            "FUTURERELEASE 604800 2026-11-22T18:31:15Z",
            "NO-SOLICITING net.example:ADV",
            "XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE",
        ] {
            assert!(said(line), "{line} in {lines:?}");
        }
    }

    #[test]
    fn a_list_of_keywords_too_long_for_a_line_is_not_told() {
        let long = Some(Some("x".repeat(600).parse().unwrap()));
        let lines = Extensions { no_soliciting: long, ..Extensions::default() }.keywords(1, 1);
        assert_eq!(lines.last().map(Text::as_str), Some("NO-SOLICITING"));
    }
}
