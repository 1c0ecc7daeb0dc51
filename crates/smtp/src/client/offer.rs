//! What the peer offers: the lines of its reply to EHLO or LHLO (RFC 5321 §4.1.1.1).

use super::outcome::PassedOn;
use postrider_mail::{Reply, Text};

/// The service extensions a peer offers. Empty after HELO.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// PIPELINING (RFC 2920): commands may be sent before the replies to those before them.
    pub pipelining: bool,
    /// SIZE (RFC 1870), and the most octets of content taken, where a limit was named.
    pub size: Option<Option<u64>>,
    /// 8BITMIME (RFC 6152).
    pub eight_bit_mime: bool,
    /// ENHANCEDSTATUSCODES (RFC 2034).
    pub enhanced_status_codes: bool,
    /// SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
    /// CHUNKING (RFC 3030).
    pub chunking: bool,
    /// BINARYMIME (RFC 3030); of no use without CHUNKING.
    pub binary_mime: bool,
    /// DSN (RFC 3461).
    pub dsn: bool,
    /// LIMITS (RFC 9422).
    pub limits: Limits,
    /// MT-PRIORITY (RFC 6710).
    pub priority: bool,
    /// DELIVERBY (RFC 2852), and the least seconds for mode R; 0: no least.
    pub deliver_by: Option<u32>,
    /// FUTURERELEASE (RFC 4865).
    pub future_release: bool,
    /// NO-SOLICITING (RFC 3865).
    pub no_soliciting: bool,
    /// ETRN (RFC 1985).
    pub etrn: bool,
    /// Every other line as it was said, for people; as many as a reply may have lines.
    pub others: Vec<Text>,
}

/// What the peer says it takes (RFC 9422 §3). What it does not name it may still refuse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// MAILMAX: transactions of one session (RFC 9422 §4.1).
    pub mail_max: Option<u32>,
    /// RCPTMAX: recipients of one transaction (RFC 9422 §4.2).
    pub rcpt_max: Option<u32>,
    /// RCPTDOMAINMAX: different domains among the recipients of one session.
    pub rcpt_domain_max: Option<u32>,
}

impl Limits {
    /// `limit = name "=" value`, the value one to six digits, the first not 0 (RFC 9422 §3). Others are passed over.
    fn of<'a>(words: impl Iterator<Item = &'a str>) -> Self {
        let mut limits = Self::default();
        for (name, value) in words.filter_map(|word| word.split_once('=')) {
            let digits = (1..=6).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_digit());
            let Some(value) = value.parse().ok().filter(|&value: &u32| digits && value > 0) else { continue };
            match name.to_ascii_uppercase().as_str() {
                "MAILMAX" => limits.mail_max = Some(value),
                "RCPTMAX" => limits.rcpt_max = Some(value),
                "RCPTDOMAINMAX" => limits.rcpt_domain_max = Some(value),
                _ => {}
            }
        }
        limits
    }
}

impl Offer {
    /// From a reply whose first line is the greeting: `ehlo-line = ehlo-keyword *( SP ehlo-param )`.
    pub fn of(reply: &Reply) -> Self {
        let mut offer = Self::default();
        for line in reply.lines().iter().skip(1).filter(|line| !line.is_empty()) {
            offer.line(line);
        }
        offer
    }

    fn line(&mut self, line: &Text) {
        let mut words = line.as_str().split_ascii_whitespace();
        let keyword = words.next().unwrap_or_default().to_ascii_uppercase();
        match keyword.as_str() {
            "PIPELINING" => self.pipelining = true,
            // No number, or 0, names no limit (RFC 1870 §4).
            "SIZE" => self.size = Some(words.next().and_then(|n| n.parse().ok()).filter(|&max| max > 0)),
            "8BITMIME" => self.eight_bit_mime = true,
            "ENHANCEDSTATUSCODES" => self.enhanced_status_codes = true,
            "SMTPUTF8" => self.smtputf8 = true,
            "CHUNKING" => self.chunking = true,
            "BINARYMIME" => self.binary_mime = true,
            "DSN" => self.dsn = true,
            "LIMITS" => self.limits = Limits::of(words),
            "MT-PRIORITY" => self.priority = true,
            "DELIVERBY" => {
                self.deliver_by = Some(words.next().and_then(|least| least.parse().ok()).unwrap_or(0));
            }
            "FUTURERELEASE" => self.future_release = true,
            "NO-SOLICITING" => self.no_soliciting = true,
            "ETRN" => self.etrn = true,
            _ => self.others.push(line.clone()),
        }
    }

    /// The most octets of content the peer takes, where it named a limit.
    pub fn octets_max(&self) -> Option<u64> {
        self.size.flatten()
    }

    /// Whether content may go as BODY=BINARYMIME (RFC 3030 §3).
    pub fn takes_binary(&self) -> bool {
        self.chunking && self.binary_mime
    }

    /// Which requests of a sender the peer is told.
    pub fn passes_on(&self) -> PassedOn {
        PassedOn {
            dsn: self.dsn,
            deliver_by: self.deliver_by.is_some(),
            priority: self.priority,
            solicit: self.no_soliciting,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider_mail::Code;

    fn offer(lines: &[&str]) -> Offer {
        let lines = lines.iter().map(|line| Text::clean(line));
        Offer::of(&Reply::of_lines(Code::of(250), None, lines))
    }

    #[test]
    fn keywords_are_known_in_any_case_and_others_are_kept() {
        let offer = offer(&["PIPELINING", "pipelining", "Size 1000", "8BitMime", "AUTH PLAIN", "", "X-A"]);
        assert!(offer.pipelining && offer.eight_bit_mime && !offer.enhanced_status_codes);
        assert_eq!(offer.octets_max(), Some(1000));
        assert_eq!(offer.others, ["AUTH PLAIN", "X-A"].map(Text::literal));
    }

    #[test]
    fn what_an_extension_names_is_kept() {
        let offer = offer(&[
            "mx",
            "limits MAILMAX=999999 rcptmax=10 RCPTDOMAINMAX=1 X=2",
            "DELIVERBY 240",
            "CHUNKING",
            "DSN x",
            "MT-PRIORITY STANAG4406",
            "NO-SOLICITING",
            "ETRN",
        ]);
        let (mail_max, rcpt_max, rcpt_domain_max) = (Some(999_999), Some(10), Some(1));
        assert_eq!(offer.limits, Limits { mail_max, rcpt_max, rcpt_domain_max });
        assert_eq!((offer.deliver_by, offer.etrn, offer.future_release), (Some(240), true, false));
        let all = PassedOn { dsn: true, deliver_by: true, priority: true, solicit: true };
        assert_eq!(offer.passes_on(), all);
        assert!(offer.chunking && !offer.takes_binary() && offer.others.is_empty());
    }

    #[test]
    fn the_first_line_is_a_greeting_whatever_it_says() {
        assert_eq!(offer(&["SIZE 10"]), Offer::default());
    }

    /// RFC 1870 §3
    #[test]
    fn a_size_without_a_limit_is_offered_without_a_limit() {
        for line in ["SIZE", "SIZE 0", "SIZE x", "SIZE -1", "SIZE 99999999999999999999"] {
            assert_eq!(offer(&["host", line]).size, Some(None), "{line}");
        }
        assert_eq!(offer(&["host"]).size, None);
    }
}
