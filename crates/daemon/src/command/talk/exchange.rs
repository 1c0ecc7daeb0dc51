//! How far a conversation has come: which command a reply answers, and whose turn it is.
//!
//! It knows no socket and no terminal: lines and replies go in. One command is out at a time, so that a
//! script without any waiting of its own keeps to the protocol.

use super::notes::notes;
use crate::command::send::limits::UNASKED_REPLIES_MAX;
use postrider_mail::{Class, Reply};
use postrider_smtp::server::Dialect;

/// What a command asks for, as far as notes differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// None yet: the connection itself.
    Greeting,
    /// EHLO, HELO, LHLO
    Hello,
    /// MAIL
    Mail,
    /// RCPT
    Rcpt,
    /// DATA
    Data,
    /// The dot behind the content.
    End,
    /// BDAT and its octets (RFC 3030).
    Chunk {
        /// LAST
        last: bool,
    },
    /// RSET
    Reset,
    /// VRFY
    Verify,
    /// EXPN
    Expand,
    /// ETRN (RFC 1985 §5).
    Turn,
    /// XCLIENT: another greeting follows.
    Xclient,
    /// XFORWARD
    Xforward,
    /// AUTH, and each further line of a login (RFC 4954).
    Auth,
    /// QUIT
    Quit,
    /// Anything else.
    Other,
}

/// What the host has agreed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Nothing yet.
    Connected,
    /// A name.
    Greeted,
    /// A sender.
    Sender,
    /// So many recipients.
    Recipients(usize),
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// The host's: this many replies to this command.
    Host(Verb, usize),
    /// Ours: a command.
    Command,
    /// Ours: a line of a login.
    Credentials,
    /// Ours: content, up to a dot.
    Content,
    /// Ours: this many octets of a chunk.
    Chunk { octets: u64, last: bool },
    /// Nobody's: QUIT was answered.
    Over,
}

/// What to do with a typed line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// Send it, and show it as this.
    Send(Shown),
    /// Do not send it, and say why.
    Withhold(&'static str),
}

/// How a line that was sent is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// As it is.
    Plainly,
    /// Only this many octets of it: the rest is a secret.
    Until(usize),
}

/// The state of one conversation.
#[derive(Debug)]
pub(super) struct Exchange {
    dialect: Dialect,
    turn: Turn,
    progress: Progress,
    /// Replies that nobody asked for.
    unasked: usize,
}

impl Exchange {
    /// The host has the first word.
    pub(super) fn new(dialect: Dialect) -> Self {
        Self { dialect, turn: Turn::Host(Verb::Greeting, 1), progress: Progress::Connected, unasked: 0 }
    }

    /// Whether a line may be typed; otherwise a reply is awaited.
    pub(super) fn takes_lines(&self) -> bool {
        matches!(self.turn, Turn::Command | Turn::Credentials | Turn::Content | Turn::Chunk { .. })
    }

    /// Whether the host waits for a command, not for the rest of something.
    pub(super) fn takes_commands(&self) -> bool {
        self.turn == Turn::Command
    }

    /// Whether QUIT was answered.
    pub(super) fn is_over(&self) -> bool {
        self.turn == Turn::Over
    }

    /// Whether the host talks on and on without being asked.
    pub(super) fn is_babbling(&self) -> bool {
        self.unasked > UNASKED_REPLIES_MAX
    }

    /// A line without its end, typed when [`takes_lines`](Self::takes_lines).
    pub(super) fn typed(&mut self, line: &[u8]) -> Typed {
        let (turn, shown) = match self.turn {
            Turn::Content if line == b"." => (Turn::Host(Verb::End, self.replies_to_end()), Shown::Plainly),
            Turn::Chunk { octets, last } => (self.chunk(octets, line.len() as u64 + 2, last), Shown::Plainly),
            Turn::Credentials => (Turn::Host(Verb::Auth, 1), Shown::Until(0)),
            Turn::Command => match self.command(line) {
                Some(turn) => turn,
                None => {
                    return Typed::Withhold("STARTTLS was not sent: this command speaks plain text only");
                }
            },
            turn => (turn, Shown::Plainly),
        };
        self.turn = turn;
        Typed::Send(shown)
    }

    /// A whole reply; gives notes on it.
    pub(super) fn replied(&mut self, reply: &Reply) -> Vec<String> {
        let verb = match self.turn {
            Turn::Host(verb, 0 | 1) => {
                self.turn = Turn::Command;
                verb
            }
            Turn::Host(verb, replies) => {
                self.turn = Turn::Host(verb, replies - 1);
                return Vec::new();
            }
            // It refuses a chunk before it has come.
            Turn::Chunk { last, .. } => {
                self.turn = Turn::Command;
                Verb::Chunk { last }
            }
            Turn::Command | Turn::Credentials | Turn::Content | Turn::Over => {
                self.unasked += 1;
                return vec!["The host said this unasked.".into()];
            }
        };
        self.advance(verb, reply);
        notes(verb, reply, self.progress, self.dialect)
    }

    /// What a command leads to, and how it is shown; None for STARTTLS.
    fn command(&self, line: &[u8]) -> Option<(Turn, Shown)> {
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let word = words.next().unwrap_or_default().to_ascii_uppercase();
        let verb = match word.as_slice() {
            b"STARTTLS" => return None,
            b"EHLO" | b"HELO" | b"LHLO" => Verb::Hello,
            b"MAIL" => Verb::Mail,
            b"RCPT" => Verb::Rcpt,
            b"DATA" => Verb::Data,
            b"RSET" => Verb::Reset,
            b"VRFY" => Verb::Verify,
            b"EXPN" => Verb::Expand,
            b"ETRN" => Verb::Turn,
            b"XCLIENT" => Verb::Xclient,
            b"XFORWARD" => Verb::Xforward,
            b"QUIT" => Verb::Quit,
            b"AUTH" => {
                // AUTH mechanism [initial-response]
                let mechanism = words.next().unwrap_or_default().len();
                let secret = words.next().is_some();
                let shown =
                    if secret { Shown::Until(word.len() + " ".len() + mechanism) } else { Shown::Plainly };
                return Some((Turn::Host(Verb::Auth, 1), shown));
            }
            b"BDAT" => {
                let octets = words.next().and_then(|word| std::str::from_utf8(word).ok()?.parse().ok());
                let last = words.next().is_some_and(|word| word.eq_ignore_ascii_case(b"LAST"));
                return Some((self.chunk(octets.unwrap_or(0), 0, last), Shown::Plainly));
            }
            _ => Verb::Other,
        };
        Some((Turn::Host(verb, 1), Shown::Plainly))
    }

    /// After `sent` of the `octets` that were announced.
    fn chunk(&self, octets: u64, sent: u64, last: bool) -> Turn {
        match octets.saturating_sub(sent) {
            0 if last => Turn::Host(Verb::Chunk { last }, self.replies_to_end()),
            0 => Turn::Host(Verb::Chunk { last }, 1),
            octets => Turn::Chunk { octets, last },
        }
    }

    /// LMTP answers once for each recipient taken (RFC 2033 §4.2).
    fn replies_to_end(&self) -> usize {
        match (self.dialect, self.progress) {
            (Dialect::Lmtp, Progress::Recipients(count)) => count,
            _ => 1,
        }
    }

    fn advance(&mut self, verb: Verb, reply: &Reply) {
        match (verb, reply.class()) {
            (Verb::Data, Class::Intermediate) => self.turn = Turn::Content,
            (Verb::Auth, Class::Intermediate) => self.turn = Turn::Credentials,
            (Verb::Quit, _) => self.turn = Turn::Over,
            (Verb::Hello, Class::Completed) => self.progress = Progress::Greeted,
            // The host begins anew, with a greeting (220).
            (Verb::Xclient, Class::Completed) => self.progress = Progress::Connected,
            (Verb::Reset, Class::Completed) | (Verb::End | Verb::Chunk { last: true }, _) => self.close(),
            (Verb::Mail, Class::Completed) => self.progress = Progress::Sender,
            (Verb::Rcpt, Class::Completed) => {
                let before = if let Progress::Recipients(count) = self.progress { count } else { 0 };
                self.progress = Progress::Recipients(before + 1);
            }
            _ => {}
        }
    }

    /// No transaction is open any more.
    fn close(&mut self) {
        if self.progress != Progress::Connected {
            self.progress = Progress::Greeted;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider_mail::{Code, Text};

    fn reply(code: u16) -> Reply {
        Reply::new(Code::of(code), None, Text::literal("x"))
    }

    /// Plays `line => code, code` pairs; the turn must be the host's behind each line.
    fn play(exchange: &mut Exchange, script: &[(&str, &[u16])]) {
        for (line, codes) in script {
            assert!(exchange.takes_lines(), "{line:?}");
            assert!(matches!(exchange.typed(line.as_bytes()), Typed::Send(_)));
            for code in *codes {
                assert!(!exchange.takes_lines(), "{line:?} {code}");
                exchange.replied(&reply(*code));
            }
        }
    }

    #[test]
    fn content_is_not_answered_until_its_dot() {
        let mut exchange = Exchange::new(Dialect::Smtp);
        assert!(!exchange.takes_lines());
        exchange.replied(&reply(220));
        play(&mut exchange, &[("EHLO a", &[250]), ("MAIL FROM:<a@b>", &[250]), ("rcpt to:<c@d>", &[250])]);
        play(&mut exchange, &[("DATA", &[354]), ("QUIT", &[]), ("", &[]), ("..", &[]), (".", &[250])]);
        assert_eq!(exchange.progress, Progress::Greeted);
        play(&mut exchange, &[("quit", &[221])]);
        assert!(exchange.is_over());
    }

    #[test]
    fn lmtp_answers_the_dot_for_each_recipient_taken() {
        let mut exchange = Exchange::new(Dialect::Lmtp);
        exchange.replied(&reply(220));
        play(&mut exchange, &[("LHLO a", &[250]), ("MAIL FROM:<>", &[250])]);
        play(
            &mut exchange,
            &[("RCPT TO:<a@b>", &[250]), ("RCPT TO:<b@b>", &[550]), ("RCPT TO:<c@b>", &[250])],
        );
        play(&mut exchange, &[("DATA", &[354]), (".", &[250, 452]), ("QUIT", &[221])]);
    }

    #[test]
    fn a_chunk_is_answered_after_its_octets_or_refused_before_them() {
        let mut exchange = Exchange::new(Dialect::Smtp);
        exchange.replied(&reply(220));
        play(&mut exchange, &[("BDAT 6", &[]), ("ab", &[]), ("", &[250]), ("BDAT 0 LAST", &[250])]);
        play(&mut exchange, &[("BDAT 99999999999999999999", &[501]), ("BDAT 9", &[])]);
        exchange.replied(&reply(502));
        assert!(exchange.takes_commands());
    }

    #[test]
    fn the_session_begins_anew_behind_xclient() {
        let mut exchange = Exchange::new(Dialect::Smtp);
        exchange.replied(&reply(220));
        play(
            &mut exchange,
            &[("EHLO a", &[250]), ("MAIL FROM:<a@b>", &[250]), ("XCLIENT ADDR=1.2.3.4", &[503])],
        );
        assert_eq!(exchange.progress, Progress::Sender);
        play(&mut exchange, &[("RSET", &[250]), ("xclient addr=1.2.3.4", &[220])]);
        assert_eq!(exchange.progress, Progress::Connected);
    }

    #[test]
    fn secrets_are_sent_and_not_shown() {
        let mut exchange = Exchange::new(Dialect::Smtp);
        exchange.replied(&reply(220));
        assert_eq!(exchange.typed(b"AUTH PLAIN AGEAYg=="), Typed::Send(Shown::Until(10)));
        exchange.replied(&reply(535));
        assert_eq!(exchange.typed(b"AUTH LOGIN"), Typed::Send(Shown::Plainly));
        exchange.replied(&reply(334));
        assert_eq!(exchange.typed(b"YQ=="), Typed::Send(Shown::Until(0)));
    }

    #[test]
    fn starttls_is_not_sent_where_no_tls_would_follow() {
        let mut exchange = Exchange::new(Dialect::Smtp);
        exchange.replied(&reply(220));
        assert!(matches!(exchange.typed(b"starttls"), Typed::Withhold(_)));
        assert!(exchange.takes_commands());
    }

    #[test]
    fn what_nobody_asked_for_is_said_to_be_so() {
        let mut exchange = Exchange::new(Dialect::Smtp);
        exchange.replied(&reply(220));
        for _ in 0..=UNASKED_REPLIES_MAX {
            assert!(!exchange.is_babbling());
            assert_eq!(exchange.replied(&reply(421)), ["The host said this unasked."]);
        }
        assert!(exchange.is_babbling());
    }
}
