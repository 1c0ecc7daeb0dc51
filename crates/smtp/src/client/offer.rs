//! What the peer offers: the lines of its reply to EHLO or LHLO (RFC 5321 §4.1.1.1).

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
    /// Every other line as it was said, for people; as many as a reply may have lines.
    pub others: Vec<Text>,
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
            _ => self.others.push(line.clone()),
        }
    }

    /// The most octets of content the peer takes, where it named a limit.
    pub fn octets_max(&self) -> Option<u64> {
        self.size.flatten()
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
    fn the_first_line_is_a_greeting_whatever_it_says() {
        assert_eq!(offer(&["SIZE 10"]), Offer::default());
    }

    #[test]
    fn a_size_without_a_limit_is_offered_without_a_limit() {
        for line in ["SIZE", "SIZE 0", "SIZE x", "SIZE -1", "SIZE 99999999999999999999"] {
            assert_eq!(offer(&["host", line]).size, Some(None), "{line}");
        }
        assert_eq!(offer(&["host"]).size, None);
    }
}
