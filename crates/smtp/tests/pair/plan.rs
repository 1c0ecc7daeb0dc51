//! A generated session, and what must become of it, worked out from RFC 5321 and RFC 2033 without the engines.

use postrider_mail::{Body, Code, Enhanced, Refusal};
use postrider_smtp::client::{Stage, Transaction};
use postrider_smtp::limits::ERRORS_MAX;
use postrider_smtp::server::{Dialect, Gate};
use proptest::prelude::*;

/// What the server takes.
pub(crate) const CONTENT_OCTETS_MAX: u64 = 120;
pub(crate) const RECIPIENTS_MAX: u32 = 4;

/// What the server decides when it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Yes,
    Later,
    No,
    HangUp,
}

impl Verdict {
    const ALL: [(Self, &str); 4] =
        [(Self::Yes, "yes"), (Self::Later, "later"), (Self::No, "no"), (Self::HangUp, "hangup")];

    pub(crate) fn word(self) -> &'static str {
        Self::ALL.iter().find(|(verdict, _)| *verdict == self).unwrap().1
    }

    pub(crate) fn of(word: &str) -> Self {
        Self::ALL.iter().find(|(_, known)| *known == word).unwrap().0
    }

    /// The refusal, about this address; it names it, so that replies cannot be mixed up unseen.
    pub(crate) fn refusal(self, about: &str) -> Option<Refusal> {
        let (code, enhanced) = match self {
            Self::Yes => return None,
            Self::Later => (450, Enhanced::of(4, 2, 0)),
            Self::No => (550, Enhanced::of(5, 1, 1)),
            Self::HangUp => (421, Enhanced::of(4, 3, 2)),
        };
        Some(Refusal::of(Code::of(code), enhanced, format!("because of {about}")))
    }

    pub(crate) fn gate(self, about: &str) -> Gate {
        match (self, self.refusal(about)) {
            (Self::HangUp, Some(refusal)) => Gate::HangUp(refusal),
            (_, Some(refusal)) => Gate::Refuse(refusal),
            (_, None) => Gate::Accept,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// To MAIL, to DATA, and to the content.
    pub(crate) verdicts: [Verdict; 3],
    pub(crate) recipients: Vec<Verdict>,
    pub(crate) content: Vec<u8>,
    pub(crate) says_size: bool,
    pub(crate) body: Option<Body>,
}

impl Message {
    pub(crate) fn reverse_path(&self) -> String {
        let [mail, data, end] = self.verdicts.map(Verdict::word);
        format!("{mail}-{data}-{end}@client.example")
    }

    pub(crate) fn recipient(&self, index: usize) -> String {
        format!("{}-{index}@server.example", self.recipients[index].word())
    }

    pub(crate) fn transaction(&self) -> Transaction {
        let recipients = (0..self.recipients.len()).map(|i| self.recipient(i).parse().unwrap());
        let mut transaction = Transaction::new(self.reverse_path().parse().unwrap(), recipients);
        transaction.mail.size = self.says_size.then_some(self.content.len() as u64);
        transaction.mail.body = self.body;
        transaction
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) dialect: Dialect,
    /// The server refuses EHLO, so that HELO is all there is.
    pub(crate) plain: bool,
    pub(crate) messages: Vec<Message>,
}

/// What must become of one message: each fate as stage, code and the address it speaks of; whether the
/// server filed it, and whether the session ends with it.
pub(crate) struct Expected {
    pub(crate) fates: Vec<(Option<Stage>, u16, Option<String>)>,
    pub(crate) filed: bool,
    pub(crate) over: bool,
}

/// Stand for codes where a fate has none.
pub(crate) const UNDECIDED: u16 = 0;
pub(crate) const LOST: u16 = 1;
pub(crate) const ANOTHER: u16 = 2;

/// Works out what must become of a message from RFC 5321 and RFC 2033, without the engines.
pub(crate) fn expect(message: &Message, dialect: Dialect, plain: bool) -> Expected {
    let all = |stage, code, about: Option<String>| vec![(stage, code, about); message.recipients.len()];
    let ended = |fates, over| Expected { fates, filed: false, over };
    let [mail, data, end] = message.verdicts;
    let refused = |verdict: Verdict, about: &str| {
        verdict.refusal(about).map(|refusal| refusal.reply().code().number()).unwrap_or_default()
    };
    let path = message.reverse_path();
    if message.recipients.is_empty() {
        return ended(Vec::new(), false);
    }
    let too_large = message.content.len() as u64 > CONTENT_OCTETS_MAX;
    if too_large && message.says_size && !plain {
        return ended(all(Some(Stage::Offer), 552, None), false);
    }
    match mail {
        Verdict::Yes => {}
        Verdict::HangUp => return ended(all(None, UNDECIDED, None), true),
        verdict => return ended(all(Some(Stage::Mail), refused(verdict, &path), Some(path)), false),
    }
    let mut fates = all(None, UNDECIDED, None);
    let mut taken = Vec::new();
    for (index, &verdict) in message.recipients.iter().enumerate() {
        let about = message.recipient(index);
        match verdict {
            _ if taken.len() == RECIPIENTS_MAX as usize => fates[index] = (None, ANOTHER, None),
            Verdict::Yes => taken.push(index),
            Verdict::HangUp => return ended(fates, true),
            verdict => fates[index] = (Some(Stage::Rcpt), refused(verdict, &about), Some(about)),
        }
    }
    let mut decide = |count: usize, fate: (Option<Stage>, u16, Option<String>)| {
        taken.drain(..count.min(taken.len())).for_each(|index| fates[index] = fate.clone());
    };
    let everyone = message.recipients.len();
    match data {
        _ if taken_by_none(message) => return ended(fates, false),
        Verdict::Yes => {}
        Verdict::HangUp => return ended(fates, true),
        verdict => {
            decide(everyone, (Some(Stage::Data), refused(verdict, &path), Some(path)));
            return ended(fates, false);
        }
    }
    if too_large {
        decide(everyone, (Some(Stage::End), 552, None));
        return ended(fates, false);
    }
    let fate = (Some(Stage::End), refused(end, &path), Some(path));
    match end {
        Verdict::Yes => decide(everyone, (Some(Stage::End), 250, None)),
        // One 421, and the rest of LMTP's replies never come.
        Verdict::HangUp if dialect == Dialect::Lmtp => {
            decide(1, fate);
            decide(everyone, (None, LOST, None));
        }
        _ => decide(everyone, fate),
    }
    Expected { fates, filed: end == Verdict::Yes, over: end == Verdict::HangUp }
}

/// Whether no recipient is taken at RCPT.
fn taken_by_none(message: &Message) -> bool {
    !message.recipients.contains(&Verdict::Yes)
}

fn verdicts() -> impl Strategy<Value = Verdict> {
    prop_oneof![12 => Just(Verdict::Yes), 2 => Just(Verdict::No), 2 => Just(Verdict::Later), 1 => Just(Verdict::HangUp)]
}

fn messages() -> impl Strategy<Value = Message> {
    let recipient = prop_oneof![6 => Just(Verdict::Yes), 3 => Just(Verdict::No), 3 => Just(Verdict::Later), 1 => verdicts()];
    let body = prop_oneof![Just(None), Just(Some(Body::SevenBit)), Just(Some(Body::EightBitMime))];
    (
        [verdicts(), verdicts(), verdicts()],
        prop::collection::vec(recipient, 0..8),
        prop::collection::vec("\\.{0,3}[ -~ü]{0,6}", 0..14),
        any::<bool>(),
        body,
    )
        .prop_map(|(verdicts, recipients, lines, says_size, body)| {
            let content = lines.iter().flat_map(|line| [line.as_bytes(), b"\r\n"].concat()).collect();
            Message { verdicts, recipients, content, says_size, body }
        })
}

pub(crate) fn plans() -> impl Strategy<Value = Plan> {
    (any::<bool>(), any::<bool>(), prop::collection::vec(messages(), 0..5))
        .prop_map(|(lmtp, plain, messages)| {
            let dialect = if lmtp { Dialect::Lmtp } else { Dialect::Smtp };
            Plan { dialect, plain: plain && !lmtp, messages }
        })
        .prop_filter("too many errors in one session", |plan| errors(plan) <= ERRORS_MAX as usize)
}

/// The most commands that the server counts as out of order: what was sent behind a MAIL that it refused.
fn errors(plan: &Plan) -> usize {
    let refused = |message: &&Message| matches!(message.verdicts[0], Verdict::No | Verdict::Later);
    plan.messages.iter().filter(refused).map(|message| message.recipients.len() + 1).sum()
}
