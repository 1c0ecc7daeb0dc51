//! What is seen of content while it streams by, so that no later step has to read it again.

use memchr::{memchr, memchr_iter};
use xxhash_rust::xxh3::Xxh3;

/// What is known of content without reading it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Octets as received.
    pub size: u64,
    /// XXH3 over them, 64 bits.
    pub checksum: u64,
    /// Octets of the header section with its empty line; all of them when that line never came. The split
    /// is that of [`postrider_mail::header::section_end`].
    pub header_octets: u64,
    /// Octets of the longest line, without its line end (RFC 5321 §4.5.3.1.6 allows 998).
    pub line_octets_max: u64,
    /// An octet above 127 in the header section (RFC 6532).
    pub eight_bit_header: bool,
    /// An octet above 127 behind it (RFC 6152).
    pub eight_bit_body: bool,
    /// A NUL anywhere.
    pub nul: bool,
    /// A CR or LF anywhere that is not part of a CRLF: only what came as BINARYMIME may have one.
    pub bare_newline: bool,
}

impl Facts {
    /// Whether it is lines, however long, each but perhaps the last with its CRLF: what DATA can carry
    /// (RFC 5321 §2.3.8).
    pub fn is_lines(&self) -> bool {
        !self.nul && !self.bare_newline
    }
}

/// Gathers [`Facts`], chunk by chunk; how the content is cut into chunks makes no difference.
pub(crate) struct Gatherer {
    hash: Xxh3,
    facts: Facts,
    in_header: bool,
    /// Octets of the line that has not ended yet.
    line: u64,
    last: u8,
    /// CRs that no LF has followed yet.
    lone_crs: usize,
    /// The line before ended in CRLF; so does the nothing before the first.
    after_crlf: bool,
}

impl Gatherer {
    pub(crate) fn new() -> Self {
        let hash = Xxh3::new();
        Self {
            hash,
            facts: Facts::default(),
            in_header: true,
            line: 0,
            last: 0,
            lone_crs: 0,
            after_crlf: true,
        }
    }

    pub(crate) fn take(&mut self, chunk: &[u8]) {
        let Some(&last) = chunk.last() else { return };
        self.hash.update(chunk);
        self.facts.nul = self.facts.nul || memchr(0, chunk).is_some();
        self.lone_crs += memchr_iter(b'\r', chunk).count();
        let body_from = self.lines(chunk);
        let (header, body) = chunk.split_at(body_from);
        self.facts.eight_bit_header |= !header.is_ascii();
        self.facts.eight_bit_body = self.facts.eight_bit_body || !body.is_ascii();
        self.facts.size += chunk.len() as u64;
        self.last = last;
    }

    /// Measures lines and finds the empty one; gives the place in `chunk` where the body begins.
    fn lines(&mut self, chunk: &[u8]) -> usize {
        let (mut from, mut crlfs, mut bare_lf) = (0, 0, false);
        let mut body_from = if self.in_header { chunk.len() } else { 0 };
        for lf in memchr_iter(b'\n', chunk) {
            let before = if lf == 0 { self.last } else { chunk[lf - 1] };
            let octets = self.line + (lf - from) as u64;
            let crlf = octets > 0 && before == b'\r';
            let octets = octets - u64::from(crlf);
            bare_lf |= !crlf;
            crlfs += usize::from(crlf);
            self.facts.line_octets_max = self.facts.line_octets_max.max(octets);
            if self.in_header && crlf && octets == 0 && self.after_crlf {
                self.in_header = false;
                body_from = lf + 1;
                self.facts.header_octets = self.facts.size + body_from as u64;
            }
            self.after_crlf = crlf;
            self.line = 0;
            from = lf + 1;
        }
        self.line += (chunk.len() - from) as u64;
        self.facts.bare_newline |= bare_lf;
        self.lone_crs -= crlfs;
        body_from
    }

    pub(crate) fn size(&self) -> u64 {
        self.facts.size
    }

    pub(crate) fn facts(&self) -> Facts {
        let mut facts = self.facts;
        facts.checksum = self.hash.digest();
        facts.line_octets_max = facts.line_octets_max.max(self.line);
        facts.bare_newline |= self.lone_crs > 0;
        if self.in_header {
            facts.header_octets = facts.size;
        }
        facts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider_mail::header::section_end;
    use proptest::prelude::*;
    use xxhash_rust::xxh3::xxh3_64;

    fn facts(chunks: &[&[u8]]) -> Facts {
        let mut gatherer = Gatherer::new();
        chunks.iter().for_each(|chunk| gatherer.take(chunk));
        gatherer.facts()
    }

    /// RFC 5321 §4.5.3.1.6
    #[test]
    fn a_message_is_measured_while_it_streams() {
        let facts = facts(&[b"Subject: \xc3\xbc\r", b"\n\r", b"\nfour\r\n\0"]);
        assert_eq!((facts.size, facts.header_octets, facts.line_octets_max), (22, 15, 11));
        assert!(facts.eight_bit_header && !facts.eight_bit_body && facts.nul);
    }

    proptest! {
        #[test]
        fn chunks_make_no_difference(
            content in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'a'), any::<u8>()], 0..80),
            cuts in proptest::collection::vec(0usize..80, 0..6),
        ) {
            let mut gatherer = Gatherer::new();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|at| at.min(content.len())).collect();
            cuts.sort_unstable();
            let mut from = 0;
            for to in cuts.into_iter().chain([content.len()]) {
                gatherer.take(&content[from..to]);
                from = to;
            }
            let end = section_end(&content).unwrap_or(content.len());
            let lines = content.split(|&b| b == b'\n').collect::<Vec<_>>();
            let longest = lines.iter().enumerate().map(|(n, line)| {
                let terminated = n + 1 < lines.len();
                if terminated && line.last() == Some(&b'\r') { line.len() - 1 } else { line.len() }
            }).max().unwrap_or(0);
            prop_assert_eq!(gatherer.facts(), Facts {
                size: content.len() as u64,
                checksum: xxh3_64(&content),
                header_octets: end as u64,
                line_octets_max: longest as u64,
                eight_bit_header: !content[..end].is_ascii(),
                eight_bit_body: !content[end..].is_ascii(),
                nul: content.contains(&0),
                bare_newline: {
                    let plain = String::from_utf8_lossy(&content).replace("\r\n", "");
                    plain.contains(['\r', '\n'])
                },
            });
        }
    }
}
