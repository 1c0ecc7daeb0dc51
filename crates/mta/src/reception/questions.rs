//! The engine's questions: carried to policy, the directory and intake, and their answers back.

use super::transaction::Transaction;
use super::{Conversation, Waiting};
use crate::facts::{self, Fetched};
use crate::limits::GREET_PAUSE_MAX;
use crate::listen::Purpose;
use crate::lookup;
use postrider_mail::{Code, Enhanced, Priority, Refusal, Reply};
use postrider_policy::admit::{self, Admission, Fact, Facts, Need, forwards_to};
use postrider_policy::expand::Expansion;
use postrider_policy::{Decision, Verdict};
use postrider_queue::Receipt;
use postrider_smtp::command::{MailFrom, RcptTo};
use postrider_smtp::server::{Asked, Connect, Gate, Mail, Query, Question, Rcpt};

impl Conversation {
    pub(super) fn asked(&mut self, question: Question) {
        self.tell_manners();
        match question {
            Question::Connect(asked) => self.connect(asked),
            Question::Hello(asked, greeting) => {
                self.greeting = Some(self.presented(greeting));
                self.answer(asked, Gate::Accept);
            }
            Question::Mail(asked, mail) => self.mail(asked, mail),
            Question::Rcpt(asked, rcpt) => self.recipient(asked, rcpt, Fact::Missing),
            Question::Open(asked) => self.open(asked),
            Question::Close(asked) => self.close(asked),
            Question::Verify(asked, what) => {
                let work = lookup::verify(&self.server, &self.settings, &what);
                self.waiting = Waiting::Verify(asked, Box::pin(work));
            }
            Question::Expand(asked, what) => {
                let work = lookup::expand(&self.server, &self.settings, &what);
                self.waiting = Waiting::Expand(asked, Box::pin(work));
            }
            Question::Turn(asked, node) => self.turn(asked, &node),
            Question::Xclient(asked, told) => self.xclient(asked, &told),
            Question::Xforward(asked, told) => self.xforward(asked, *told),
        }
    }

    /// A peer that could be waiting for the greeting is made to wait, where the operator wants that: who sends
    /// at once is no mail server. One that a proxy speaks for has waited there.
    fn connect(&mut self, asked: Asked<Connect>) {
        let pause = self.settings.smtp.greet_pause.min(GREET_PAUSE_MAX);
        if pause.is_zero() || self.greeted_before || self.peer.is_local() {
            return self.greet_now(asked);
        }
        let at = self.server.world.instant() + pause;
        self.waiting = Waiting::Greeting { asked, at, listening: !self.session.manners().before_greeting };
    }

    /// The pause before the greeting is over.
    pub(super) fn greet(&mut self) {
        match std::mem::replace(&mut self.waiting, Waiting::Input) {
            Waiting::Greeting { asked, .. } => self.greet_now(asked),
            other => self.waiting = other,
        }
    }

    fn greet_now(&mut self, asked: Asked<Connect>) {
        self.greeted_before = true;
        self.tell_manners();
        let facts = Facts {
            sessions_of_peer: self.seat.sessions_of_client(),
            is_closed: self.purpose == Purpose::Closed,
            ..self.facts()
        };
        let verdict =
            decided(admit::admit(&self.settings.rules, &facts, admit::Question::Connect(&self.peer)));
        let gate = self.gate("connect", verdict);
        self.answer(asked, gate);
    }

    fn mail(&mut self, asked: Asked<Mail>, mut mail: MailFrom) {
        let verdict = decided(admit::admit(&self.settings.rules, &self.facts(), admit::Question::Sender));
        // That anyone may send is not worth a line in each story.
        if verdict.decision != Decision::Accept {
            let gate = self.gate(&format!("MAIL FROM:<{}>", mail.reverse_path), verdict);
            return self.answer(asked, gate);
        }
        let lowered = mail.priority.as_mut().and_then(|priority| self.lower(priority));
        if let Some(forwarded) = &self.forwarded {
            self.story.note(forwarded.words(&self.peer));
        }
        self.transaction = Some(Box::new(Transaction::new(mail, self.server.world.now())));
        self.answer(asked, lowered.map_or(Gate::Accept, |reply| Gate::AcceptSaying(Box::new(reply))));
    }

    /// Gives the message the priority that its client may ask for, and says so where it is another. The code and
    /// the number in front are registered (RFC 6710 §4.1).
    fn lower(&mut self, priority: &mut Priority) -> Option<Reply> {
        let given = admit::priority(&self.settings.rules, &self.peer, *priority);
        let said = std::mem::replace(priority, given);
        if said == given {
            return None;
        }
        self.story.note(format!("priority {said} is for those in relay_from; this message gets {given}"));
        let text =
            format!("{given} is the priority this message gets; a higher one is not for you to ask for");
        Some(Reply::new(Code::of(250), Enhanced::of(2, 3, 6), text))
    }

    /// What is known of the peer and of this host.
    pub(super) fn facts(&self) -> Facts {
        let manners = self.session.manners();
        let manners =
            admit::Manners { before_greeting: manners.before_greeting, out_of_turn: manners.out_of_turn };
        Facts { manners, short_of: self.server.shortage(), ..Facts::default() }
    }

    /// The story tells of bad manners once, when they are noticed.
    fn tell_manners(&mut self) {
        let manners = self.session.manners();
        if manners.before_greeting && !self.manners.before_greeting {
            self.story.note("the peer spoke before it was greeted");
        }
        if let Some(verb) = manners.out_of_turn
            && self.manners.out_of_turn.is_none()
        {
            self.story.note(format!("the peer did not wait for the reply to {verb}"));
        }
        self.manners = manners;
    }

    /// A transaction is over, however it ended: who sent it is told anew for the next.
    pub(super) fn transaction_over(&mut self) {
        self.transaction = None;
        self.forwarded = None;
    }

    pub(super) fn answer<Q: Query<Receipt>>(&mut self, asked: Asked<Q>, answer: Q::Answer) {
        self.waiting = Waiting::Input;
        self.with_session(|session, out| session.answer(asked, answer, out));
    }

    /// Tells the story of a verdict, unless it is the plain yes to a connection, and turns it into a gate.
    pub(super) fn gate(&mut self, question: &str, verdict: Verdict) -> Gate {
        if question != "connect" || verdict.decision != Decision::Accept {
            self.story.verdict(question, &verdict);
        }
        if let Decision::Refuse(refusal) | Decision::Disconnect(refusal) = &verdict.decision {
            tracing::info!(session = %self.id, peer = %self.peer.address(), question, reply = refusal.to_string(), reason = verdict.reason.to_string(), "refused");
        }
        match verdict.decision {
            Decision::Accept => Gate::Accept,
            Decision::Refuse(refusal) => Gate::Refuse(refusal),
            Decision::Disconnect(refusal) => Gate::HangUp(refusal),
        }
    }

    fn recipient(&mut self, asked: Asked<Rcpt>, rcpt: RcptTo, directory: Fact<Expansion>) {
        let facts = Facts { directory, ..Facts::default() };
        let question = admit::Question::Recipient { peer: &self.peer, path: &rcpt.forward_path };
        match admit::admit(&self.settings.rules, &facts, question) {
            Admission::Need(Need::Directory(address)) => {
                match facts::directory(&self.server, &self.settings, address) {
                    Fetched::Now(fact) => self.recipient(asked, rcpt, fact),
                    Fetched::Later(work) => self.waiting = Waiting::Fact(asked, rcpt, work),
                }
            }
            Admission::Verdict(verdict) => {
                let gate = self.gate(&format!("RCPT TO:<{}>", rcpt.forward_path), verdict);
                let gate = self.readable(gate);
                let gate = if gate == Gate::Accept { self.take(rcpt, facts) } else { gate };
                self.answer(asked, gate);
            }
        }
    }

    /// A new address in UTF-8 is not told to a client that could not read it (RFC 6531 §3.5).
    fn readable(&self, gate: Gate) -> Gate {
        let utf8 = self.transaction.as_ref().is_some_and(|transaction| transaction.takes_utf8());
        match gate {
            Gate::Refuse(refusal) if !utf8 && !lookup::is_ascii(refusal.reply()) => {
                let text = "the reason needs UTF-8; send the message with SMTPUTF8 to hear it";
                let class = if refusal.is_transient() { 4 } else { 5 };
                let code = if refusal.is_transient() { 450 } else { 550 };
                Gate::Refuse(Refusal::of(Code::of(code), Enhanced::of(class, 6, 8), text))
            }
            gate => gate,
        }
    }

    /// Takes an accepted recipient into the transaction, if there is room.
    fn take(&mut self, rcpt: RcptTo, facts: Facts) -> Gate {
        let Some(transaction) = &mut self.transaction else { return Gate::Accept };
        let local = &self.settings.rules.local;
        let address = admit::meant(local, &rcpt.forward_path).into_owned();
        let elsewhere = match &facts.directory {
            Fact::Known(expansion) => forwards_to(local, &address, expansion).map(lookup::will_forward),
            Fact::Missing | Fact::Unavailable(_) => None,
        };
        // What it could not read is not told (RFC 6531 §3.5).
        let utf8 = transaction.takes_utf8();
        let elsewhere = elsewhere.filter(|words| utf8 || lookup::is_ascii(words));
        match (transaction.add(rcpt, &address, facts), elsewhere) {
            (Err(refusal), _) => Gate::Refuse(refusal),
            (Ok(()), Some(words)) => Gate::AcceptSaying(Box::new(words)),
            (Ok(()), None) => Gate::Accept,
        }
    }

    pub(super) fn fact_came(&mut self, fact: Fact<Expansion>) {
        // A fact that comes as unavailable is decided on; only a missing one is asked for.
        if let Waiting::Fact(asked, rcpt, _) = std::mem::replace(&mut self.waiting, Waiting::Input) {
            self.recipient(asked, rcpt, fact);
        }
    }

    pub(super) fn reply_came(&mut self, reply: &Reply) {
        match std::mem::replace(&mut self.waiting, Waiting::Input) {
            Waiting::Verify(asked, _) => self.answer(asked, reply.clone()),
            Waiting::Expand(asked, _) => self.answer(asked, reply.clone()),
            Waiting::Turn(asked, _) => self.answer(asked, reply.clone()),
            other => self.waiting = other,
        }
    }
}

/// The questions that need no fact are decided at once.
pub(super) fn decided(admission: Admission) -> Verdict {
    match admission {
        Admission::Verdict(verdict) => verdict,
        Admission::Need(need) => Verdict::refuse(
            "facts",
            format!("{need:?} is missing"),
            Code::of(451),
            Enhanced::of(4, 3, 0),
            "this cannot be decided now; please try again later",
        ),
    }
}
