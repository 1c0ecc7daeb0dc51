//! A generated session, and what must become of it, worked out from RFC 5321, RFC 2033 and the RFCs of the
//! extensions without the engines.

use postrider_mail::{Body, Code, Enhanced, EnvelopeId, Notify, OriginalRecipient, Refusal, Ret};
use postrider_smtp::client::{Stage, Transaction};
use postrider_smtp::extension::Extensions;
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
    /// Its sender asks for all there is.
    pub(crate) asks: bool,
    /// Its recipients' addresses are not ASCII.
    pub(crate) utf8: bool,
    /// Octets of a chunk, if it goes in chunks.
    pub(crate) chunk: usize,
}

impl Message {
    pub(crate) fn reverse_path(&self) -> String {
        let [mail, data, end] = self.verdicts.map(Verdict::word);
        format!("{mail}-{data}-{end}@client.example")
    }

    pub(crate) fn recipient(&self, index: usize) -> String {
        let utf8 = if self.utf8 { "-ü" } else { "" };
        format!("{}-{index}{utf8}@server.example", self.recipients[index].word())
    }

    pub(crate) fn is_binary(&self) -> bool {
        self.body == Some(Body::BinaryMime)
    }

    pub(crate) fn transaction(&self) -> Transaction {
        let recipients = (0..self.recipients.len()).map(|i| self.recipient(i).parse().unwrap());
        let mut transaction = Transaction::new(self.reverse_path().parse().unwrap(), recipients);
        transaction.mail.size = self.says_size.then_some(self.content.len() as u64);
        transaction.mail.body = self.body;
        if self.asks {
            let mail = &mut transaction.mail;
            mail.ret = Some(Ret::Full);
            mail.envid = Some(EnvelopeId::from_xtext("a+2Bb+3D").unwrap());
            mail.by = Some("-5;NT".parse().unwrap());
            mail.priority = Some("-9".parse().unwrap());
            mail.solicit = Some("net.example:ADV".parse().unwrap());
            for rcpt in &mut transaction.recipients {
                rcpt.notify = Some(Notify::DELAY);
                rcpt.orcpt = rcpt.forward_path.mailbox().and_then(OriginalRecipient::of);
            }
        }
        transaction
    }

    /// The transaction as the server must hear of it.
    pub(crate) fn heard(&self, plan: &Plan) -> Transaction {
        let mut transaction = self.transaction();
        let mail = &mut transaction.mail;
        if plan.plain {
            (mail.size, mail.body) = (None, None);
        }
        mail.smtputf8 = self.utf8;
        if !plan.extended() {
            (mail.ret, mail.envid, mail.by, mail.priority, mail.solicit) = (None, None, None, None, None);
            for rcpt in &mut transaction.recipients {
                (rcpt.notify, rcpt.orcpt) = (None, None);
            }
        }
        transaction
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) dialect: Dialect,
    /// The server refuses EHLO, so that HELO is all there is.
    pub(crate) plain: bool,
    /// The server offers every extension, else the four that it always does.
    pub(crate) offers_all: bool,
    pub(crate) messages: Vec<Message>,
}

impl Plan {
    pub(crate) fn extended(&self) -> bool {
        self.offers_all && !self.plain
    }

    pub(crate) fn extensions(&self) -> Extensions {
        if self.offers_all {
            return Extensions { no_soliciting: Some(None), ..Extensions::for_any_peer() };
        }
        Extensions { smtputf8: false, chunking: false, limits: false, ..Extensions::default() }
    }
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

type Told = (Option<Stage>, u16, Option<String>);

/// Works out what must become of a message from the RFCs, without the engines.
pub(crate) fn expect(message: &Message, plan: &Plan) -> Expected {
    let ended = |fates, over| Expected { fates, filed: false, over };
    if let Some(fate) = refused_by_the_offer(message, plan) {
        return ended(vec![fate; message.recipients.len()], false);
    }
    let [mail, data, _] = message.verdicts;
    // Those beyond RCPTMAX are never asked for.
    let asked = if plan.extended() { RECIPIENTS_MAX as usize } else { usize::MAX };
    let beyond = message.recipients.len().saturating_sub(asked);
    let asked = message.recipients.len() - beyond;
    let all = |fate: Told| [vec![fate; asked], vec![(None, ANOTHER, None); beyond]].concat();
    let path = message.reverse_path();
    match mail {
        _ if message.recipients.is_empty() => return ended(Vec::new(), false),
        Verdict::Yes => {}
        Verdict::HangUp => return ended(all((None, UNDECIDED, None)), true),
        verdict => return ended(all((Some(Stage::Mail), code(verdict), Some(path))), false),
    }
    let mut fates = all((None, UNDECIDED, None));
    let mut taken = Vec::new();
    for (index, &verdict) in message.recipients[..asked].iter().enumerate() {
        match verdict {
            _ if taken.len() == RECIPIENTS_MAX as usize => fates[index] = (None, ANOTHER, None),
            Verdict::Yes => taken.push(index),
            Verdict::HangUp => return ended(fates, true),
            // An address with UTF-8 comes with SMTPUTF8, and so does the reply about it (RFC 6531 §3.7.4.2).
            verdict => {
                let about = message.recipient(index);
                fates[index] = (Some(Stage::Rcpt), code(verdict), Some(about));
            }
        }
    }
    if taken.is_empty() {
        return ended(fates, false);
    }
    if message.is_binary() && !message.content.is_empty() {
        return chunks(message, plan, fates, &taken);
    }
    // A message of no octets is a last chunk, and its refusal an answer to that.
    match (data, message.is_binary()) {
        (Verdict::Yes, _) => content(message, plan, fates, &taken, Stage::End, message.verdicts[2]),
        (verdict, true) => content(message, plan, fates, &taken, Stage::End, verdict),
        (Verdict::HangUp, false) => ended(fates, true),
        (verdict, false) => {
            let fate = (Some(Stage::Data), code(verdict), Some(path));
            taken.iter().for_each(|&index| fates[index] = fate.clone());
            ended(fates, false)
        }
    }
}

/// What the client says itself, from what is offered.
fn refused_by_the_offer(message: &Message, plan: &Plan) -> Option<Told> {
    let too_large = message.content.len() as u64 > CONTENT_OCTETS_MAX;
    let code = match () {
        () if too_large && message.says_size && !plan.plain => 552,
        () if message.is_binary() && !plan.extended() => 554,
        () if message.utf8 && !plan.extended() => 553,
        () => return None,
    };
    Some((Some(Stage::Offer), code, None))
}

/// Content that comes in chunks: the first of them may be refused as DATA may, a later one for being too much.
fn chunks(message: &Message, plan: &Plan, mut fates: Vec<Told>, taken: &[usize]) -> Expected {
    let path = message.reverse_path();
    let too_large = message.content.len() as u64 > CONTENT_OCTETS_MAX;
    let fate = match message.verdicts[1] {
        Verdict::HangUp => return Expected { fates, filed: false, over: true },
        Verdict::Yes if !too_large => {
            return content(message, plan, fates, taken, Stage::End, message.verdicts[2]);
        }
        Verdict::Yes => (Some(Stage::Content), 552, None),
        verdict => (Some(Stage::Content), code(verdict), Some(path)),
    };
    taken.iter().for_each(|&index| fates[index] = fate.clone());
    // How often LMTP answers the last chunk then, nobody can say.
    Expected { fates, filed: false, over: plan.dialect == Dialect::Lmtp }
}

/// Content that came whole, and this is said to it.
fn content(
    message: &Message,
    plan: &Plan,
    mut fates: Vec<Told>,
    taken: &[usize],
    stage: Stage,
    verdict: Verdict,
) -> Expected {
    let too_large = message.content.len() as u64 > CONTENT_OCTETS_MAX;
    let said = (Some(stage), code(verdict), Some(message.reverse_path()));
    let fate = match verdict {
        _ if too_large => (Some(stage), 552, None),
        Verdict::Yes => (Some(stage), 250, None),
        _ => said,
    };
    taken.iter().for_each(|&index| fates[index] = fate.clone());
    let over = verdict == Verdict::HangUp && !too_large;
    // One 421, and the rest of LMTP's replies never come.
    if over && plan.dialect == Dialect::Lmtp {
        taken[1..].iter().for_each(|&index| fates[index] = (None, LOST, None));
    }
    Expected { fates, filed: verdict == Verdict::Yes && !too_large, over }
}

fn code(verdict: Verdict) -> u16 {
    verdict.refusal("").map_or(250, |refusal| refusal.reply().code().number())
}

fn verdicts() -> impl Strategy<Value = Verdict> {
    prop_oneof![12 => Just(Verdict::Yes), 2 => Just(Verdict::No), 2 => Just(Verdict::Later), 1 => Just(Verdict::HangUp)]
}

fn messages() -> impl Strategy<Value = Message> {
    let recipient = prop_oneof![6 => Just(Verdict::Yes), 3 => Just(Verdict::No), 3 => Just(Verdict::Later), 1 => verdicts()];
    let body = prop_oneof![
        Just(None),
        Just(Some(Body::SevenBit)),
        Just(Some(Body::EightBitMime)),
        Just(Some(Body::BinaryMime)),
    ];
    let lines = prop::collection::vec("\\.{0,3}[ -~ü]{0,6}", 0..14);
    let octets = prop::collection::vec(prop::sample::select(&b"..\r\r\n\n\0a\xffBDAT 0 LAST"[..]), 0..150);
    (
        [verdicts(), verdicts(), verdicts()],
        prop::collection::vec(recipient, 0..8),
        (lines, octets),
        body,
        (any::<bool>(), any::<bool>(), prop::bool::weighted(0.2), 1usize..60),
    )
        .prop_map(|(verdicts, recipients, (lines, octets), body, (says_size, asks, utf8, chunk))| {
            let lines = lines.iter().flat_map(|line| [line.as_bytes(), b"\r\n"].concat()).collect();
            let content = if body == Some(Body::BinaryMime) { octets } else { lines };
            Message { verdicts, recipients, content, says_size, body, asks, utf8, chunk }
        })
}

pub(crate) fn plans() -> impl Strategy<Value = Plan> {
    (any::<bool>(), prop::bool::weighted(0.2), any::<bool>(), prop::collection::vec(messages(), 0..5))
        .prop_map(|(lmtp, plain, offers_all, messages)| {
            let dialect = if lmtp { Dialect::Lmtp } else { Dialect::Smtp };
            Plan { dialect, plain: plain && !lmtp, offers_all, messages }
        })
        .prop_filter("too many errors in one session", |plan| errors(plan) <= ERRORS_MAX as usize)
}

/// The most commands that the server counts as out of order: what was sent behind a MAIL that it refused.
fn errors(plan: &Plan) -> usize {
    let refused = |message: &&Message| matches!(message.verdicts[0], Verdict::No | Verdict::Later);
    plan.messages.iter().filter(refused).map(|message| message.recipients.len() + 1).sum()
}
