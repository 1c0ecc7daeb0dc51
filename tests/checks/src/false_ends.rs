//! False ends of data: every mix of CR, LF and NUL around a dot that some reader may take for the end of a
//! message, and others not. Two readers who disagree are how mail is smuggled (CVE-2023-51764 and its like).

/// What may stand before the dot and behind it.
const ENDS: [&str; 12] =
    ["\r\n", "\n", "\r", "\r\r\n", "\n\r", "\r\0", "\n\n", "\r\n\0", "\0\r\n", "\0\n", "\r\0\n", "\r\r"];

/// What may stand between them.
const DOTS: [&str; 3] = [".", ".\0", "\0."];

/// The last text before a false end.
pub const BEFORE: &str = "Subject: x\r\n\r\nhello";

/// What is behind it: the commands of a message that nobody sent, and its true end.
pub const SMUGGLED: &str =
    "MAIL FROM:<evil@client.example>\r\nRCPT TO:<friend@local.example>\r\nDATA\r\nevil\r\n.\r\n";

/// One false end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FalseEnd(String);

/// All of them: none holds a true end, CRLF.CRLF, and each holds something bare.
pub fn all() -> Vec<FalseEnd> {
    let mut all = Vec::new();
    for before in ENDS {
        for dot in DOTS {
            for after in ENDS {
                let end = FalseEnd(format!("{before}{dot}{after}"));
                // A NUL behind a line end is the same as one before the dot.
                if !end.0.contains("\r\n.\r\n") && !all.contains(&end) {
                    all.push(end);
                }
            }
        }
    }
    all
}

impl FalseEnd {
    /// Its octets.
    pub fn octets(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Its octets as they are written in a test's message.
    pub fn shown(&self) -> String {
        self.0.escape_default().to_string()
    }

    /// The content that a server reads when it knows one end only: the text, the false end, the commands.
    pub fn content(&self) -> Vec<u8> {
        let smuggled = SMUGGLED.strip_suffix(".\r\n").unwrap_or(SMUGGLED);
        [BEFORE.as_bytes(), self.octets(), smuggled.as_bytes()].concat()
    }

    /// Where the content may be cut so that the cut matters: before, in and behind the false end.
    pub fn places(&self) -> impl Iterator<Item = usize> {
        BEFORE.len() - 1..=BEFORE.len() + self.0.len() + 1
    }

    /// Whether it holds a NUL, which no text may.
    pub fn has_nul(&self) -> bool {
        self.0.contains('\0')
    }

    /// Whether a reader that takes LF for the end of a line, with or without CR, sees a line of a single dot.
    pub fn ends_for_lf_readers(&self) -> bool {
        self.0.contains("\n.\n") || self.0.contains("\n.\r\n")
    }
}

/// The lines of a single dot that the loosest of readers sees: each CR and each LF ends a line for it.
pub fn dots_of_the_loosest_reader(wire: &[u8]) -> usize {
    wire.split(|octet| matches!(octet, b'\r' | b'\n')).filter(|line| *line == b".").count()
}

/// The content with each CR and each LF that stands alone made CRLF, by text replacement.
pub fn normalised(content: &[u8]) -> Vec<u8> {
    let text: String = content.iter().copied().map(char::from).collect();
    let text = text.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n");
    text.chars().filter_map(|c| u8::try_from(c).ok()).collect()
}
