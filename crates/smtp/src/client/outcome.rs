//! What a transaction is, how it ends for each recipient, and how a session fails.

use crate::command::{MailFrom, RcptTo};
use crate::reply::Malformed;
use postrider_mail::{Class, Code, ForwardPath, Refusal, Reply, ReversePath};
use std::fmt;

/// A message to be sent: all but its content. Parameters are said where the peer offers their extension; what
/// becomes of a request that cannot be passed on stands beside each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// MAIL.
    pub mail: MailFrom,
    /// RCPT for each recipient, in the order of the outcome's fates. The caller bounds their number.
    pub recipients: Vec<RcptTo>,
}

impl Transaction {
    /// From one address to others, with no parameter.
    pub fn new(reverse_path: ReversePath, recipients: impl IntoIterator<Item = ForwardPath>) -> Self {
        let recipients = recipients.into_iter().map(RcptTo::new).collect();
        Self { mail: MailFrom::new(reverse_path), recipients }
    }
}

/// Where in the conversation something was decided or went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Before or at the peer's greeting.
    Greeting,
    /// EHLO, LHLO or HELO.
    Hello,
    /// Between transactions.
    Idle,
    /// We decided from what the peer offers; nothing was sent.
    Offer,
    /// RSET.
    Reset,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA, until the reply to it. Content that goes by BDAT has no such stage.
    Data,
    /// While content was sent: BDAT and the replies to it, but for the last.
    Content,
    /// After the final dot, or the last chunk of BDAT.
    End,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Greeting => "at the greeting",
            Self::Hello => "at EHLO",
            Self::Idle => "between messages",
            Self::Offer => "before MAIL",
            Self::Reset => "at RSET",
            Self::Mail => "at MAIL",
            Self::Rcpt => "at RCPT",
            Self::Data => "at DATA",
            Self::Content => "amid the content",
            Self::End => "after the content",
        })
    }
}

/// What became of one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The peer took the message for this recipient: the reply after the final dot.
    Accepted(Reply),
    /// It was refused, now (4yz) or for good (5yz).
    Refused {
        /// What it was refused at; [`Stage::Offer`] when the words are ours.
        stage: Stage,
        /// In which words.
        refusal: Refusal,
    },
    /// The peer has enough recipients for this transaction: ask again in another, at once
    /// (RFC 5321 §4.5.3.1.10); where the session [is spent](super::Session::is_spent), in another session. The
    /// words are the peer's, behind a recipient that was taken; or ours, by its LIMITS (RFC 9422), and nothing
    /// was sent.
    AnotherTransaction(Refusal),
    /// The session failed before the peer decided; trying again repeats nothing.
    Undecided,
    /// The session failed after the final dot and before its reply: the message may have arrived, so that
    /// trying again may bring it twice (RFC 1047).
    LostAfterDot,
}

impl Fate {
    /// The reply that decided, where one did.
    pub fn reply(&self) -> Option<&Reply> {
        match self {
            Self::Accepted(reply) => Some(reply),
            Self::Refused { refusal, .. } | Self::AnotherTransaction(refusal) => Some(refusal.reply()),
            Self::Undecided | Self::LostAfterDot => None,
        }
    }

    /// The reply to RCPT, as a fate. Code 552 once meant what 452 means (RFC 5321 §4.5.3.1.10).
    pub(crate) fn refused_at_rcpt(refusal: Refusal, others_taken: bool) -> Self {
        let too_many = match (refusal.reply().code().number(), refusal.reply().enhanced()) {
            (452, None) => true,
            (452 | 552, Some(enhanced)) => (enhanced.subject(), enhanced.detail()) == (5, 3),
            _ => false,
        };
        if too_many && others_taken {
            Self::AnotherTransaction(refusal)
        } else {
            Self::Refused { stage: Stage::Rcpt, refusal }
        }
    }
}

/// Which of a sender's requests the peer was told: true where it offers the extension, so that whatever of it
/// the transaction asked for was said. What was asked for and not told is for us to honour, or to confess.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PassedOn {
    /// RET, ENVID, NOTIFY and ORCPT: the peer answers for the notices from here on (RFC 3461 §5.2.1).
    pub dsn: bool,
    /// BY.
    pub deliver_by: bool,
    /// MT-PRIORITY.
    pub priority: bool,
    /// SOLICIT.
    pub solicit: bool,
}

/// How a transaction ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// One fate for each recipient, in the order given; each is decided.
    pub fates: Vec<Fate>,
    /// BODY=8BITMIME was to be declared, but the peer does not offer it: content went without the word.
    pub body_undeclared: bool,
    /// What the peer was told of what the sender asked for. After a failed session, [`Offer::passes_on`] says
    /// the same.
    ///
    /// [`Offer::passes_on`]: super::Offer::passes_on
    pub passed_on: PassedOn,
}

/// Why a session cannot go on. The connection is of no further use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Where in the conversation.
    pub stage: Stage,
    /// What went wrong.
    pub kind: FailureKind,
    /// The reply that said so, where one did.
    pub reply: Option<Reply>,
    /// One fate for each recipient of the transaction under way, in the order given; empty without one.
    pub fates: Vec<Fate>,
}

impl Failure {
    /// Whether the host takes no mail at all, now or later: 521 at the greeting or in answer to EHLO, LHLO or
    /// HELO (RFC 7504 §3). Another host may.
    pub fn takes_no_mail(&self) -> bool {
        let is_521 = self.reply.as_ref().is_some_and(|reply| reply.code() == NO_MAIL);
        is_521 && matches!(self.stage, Stage::Greeting | Stage::Hello)
    }
}

/// 521: this host takes no mail (RFC 7504 §3).
pub(crate) const NO_MAIL: Code = Code::of(521);

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The peer refuses to serve us: a 4yz or 5yz to the greeting, to EHLO and HELO, or to RSET.
    Refused,
    /// The peer ends the session: 421 (RFC 5321 §3.8).
    Closing,
    /// The connection is closed.
    Disconnected,
    /// A deadline passed.
    TimedOut,
    /// What the peer sent is no reply.
    Malformed(Malformed),
    /// A reply that nobody waited for, or one that means nothing here.
    OutOfTurn,
    /// A 4yz or 5yz before the content had ended: the message is refused, and the session out of step.
    Early,
    /// Our own side gave up.
    Abandoned,
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("the host refuses to serve us"),
            Self::Closing => f.write_str("the host ends the session"),
            Self::Disconnected => f.write_str("the connection was closed"),
            Self::TimedOut => f.write_str("the host took too long"),
            Self::Malformed(malformed) => malformed.fmt(f),
            Self::OutOfTurn => f.write_str("the host sent a reply that means nothing here"),
            Self::Early => f.write_str("the host refused the message before its end"),
            Self::Abandoned => f.write_str("we gave up"),
        }
    }
}

/// One line for people: `at RCPT: the host ends the session: 421 4.3.2 shutting down`.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.stage, self.kind)?;
        self.reply.iter().try_for_each(|reply| write!(f, ": {reply}"))
    }
}

/// What a reply says to the command before it.
pub(crate) enum Answer {
    /// 2yz, any.
    Yes(Reply),
    /// 3yz.
    GoOn(Reply),
    /// 4yz or 5yz, but for 421.
    No(Refusal),
    /// 421.
    Closing(Refusal),
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        const SERVICE_CLOSING: Code = Code::of(421);
        match reply.class() {
            Class::Completed => Self::Yes(reply),
            Class::Intermediate => Self::GoOn(reply),
            Class::Transient | Class::Permanent => {
                let is_closing = reply.code() == SERVICE_CLOSING;
                #[expect(clippy::expect_used, reason = "the class is one of a refusal's two")]
                let refusal = Refusal::try_from(reply).expect("a 4yz or 5yz is a refusal");
                if is_closing { Self::Closing(refusal) } else { Self::No(refusal) }
            }
        }
    }
}
