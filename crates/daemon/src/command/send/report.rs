//! What became of the message, for people and for programs: a part for each conversation, a fate for each
//! recipient, what it means, and the code to end with.

use super::advice::advice;
use super::conversation::Ended;
use super::fate;
use super::problem::{Problem, failure_advice};
use super::show::Show;
use crate::exit::Exit;
use postrider_journal::Subject;
use postrider_journal::event::{Event, HostResult, HostTried, What};
use postrider_journal::render::{self, LineKind};
use postrider_mail::{ForwardPath, Host, Refusal, Text};
use postrider_smtp::client::{Failure, Fate};
use serde_json::{Value, json};

/// How the command ends when recipients differ: the first of these that is true of any.
const WORST_FIRST: [Exit; 4] = [Exit::Unavailable, Exit::NoHost, Exit::Protocol, Exit::TempFail];

/// The end of a message, as far as this command knows it.
#[derive(Debug)]
pub(super) struct Report<'a> {
    parts: Vec<Part<'a>>,
    /// What may harm the message on its way: sentences.
    warnings: Vec<String>,
}

/// What became of the recipients of one server, or of one domain.
#[derive(Debug)]
pub(super) struct Part<'a> {
    /// `None`: the server was named.
    domain: Option<&'a Host>,
    pub(super) recipients: Vec<&'a ForwardPath>,
    /// As many as recipients.
    fates: Vec<Fate>,
    /// Why the fates could not all be asked for.
    pub(super) problem: Option<Problem>,
    /// What DNS said.
    pub(super) dns: Vec<Text>,
    /// The hosts that were tried or passed over, in order.
    pub(super) hosts: Vec<HostTried>,
    /// Hosts from which nothing came at all.
    silent: usize,
    pub(super) body_undeclared: bool,
    pub(super) dsn_unsaid: bool,
}

impl<'a> Part<'a> {
    /// Of a server that was named; not begun.
    pub(super) fn to_server(recipients: &'a [ForwardPath]) -> Self {
        Self::new(None, recipients.iter().collect())
    }

    /// Of the hosts of a domain; not begun.
    pub(super) fn to_domain(domain: &'a Host, recipients: Vec<&'a ForwardPath>) -> Self {
        Self::new(Some(domain), recipients)
    }

    fn new(domain: Option<&'a Host>, recipients: Vec<&'a ForwardPath>) -> Self {
        Self {
            domain,
            fates: vec![Fate::Undecided; recipients.len()],
            recipients,
            problem: None,
            dns: Vec::new(),
            hosts: Vec::new(),
            silent: 0,
            body_undeclared: false,
            dsn_unsaid: false,
        }
    }

    /// The recipients that another host may be asked for, by their places.
    pub(super) fn open(&self) -> Vec<usize> {
        (0..self.fates.len()).filter(|&at| is_open(&self.fates[at])).collect()
    }

    /// Keeps what a conversation decided for the recipients at these places.
    pub(super) fn record(&mut self, places: &[usize], ended: Ended) {
        self.body_undeclared |= ended.body_undeclared;
        self.dsn_unsaid |= ended.dsn_unsaid;
        for (&at, fate) in places.iter().zip(ended.fates) {
            // What an earlier host said is worth more than nothing.
            if fate != Fate::Undecided {
                self.fates[at] = fate;
            }
        }
        if let Some(failure) = ended.failure {
            self.problem = Some(Problem::Session(failure));
        }
    }

    /// A host to which there is no connection; `silent`: not even a refusal came.
    pub(super) fn unconnected(&mut self, tried: HostTried, silent: bool) {
        self.hosts.push(tried);
        self.silent += usize::from(silent);
        self.trouble(Problem::NoneReached);
    }

    /// A host that was spoken to, and why the conversation failed, if it did.
    pub(super) fn conversed(&mut self, tried: HostTried, failure: Option<Failure>) {
        self.hosts.push(tried);
        if let Some(failure) = failure {
            self.trouble(Problem::Session(failure));
        }
    }

    /// The last trouble tells most; but what may pass outweighs what is for good, as another host may still
    /// take the message.
    fn trouble(&mut self, trouble: Problem) {
        let keeps = |old: &Problem| old.exit() == Exit::TempFail && trouble.exit() != Exit::TempFail;
        if !self.problem.as_ref().is_some_and(keeps) {
            self.problem = Some(trouble);
        }
    }

    /// No host is left to be tried. Trouble with one host is no matter where another has decided.
    pub(super) fn close(&mut self) {
        if self.open().is_empty() {
            self.problem = None;
        }
    }

    fn is_good(&self) -> bool {
        self.fates.iter().all(|fate| matches!(fate, Fate::Accepted(_)))
    }

    fn exit(&self) -> Exit {
        let refused_for_good =
            |fate: &Fate| matches!(fate, Fate::Refused { refusal, .. } if !refusal.is_transient());
        match &self.problem {
            _ if self.is_good() => Exit::Ok,
            _ if self.fates.iter().any(refused_for_good) => Exit::Unavailable,
            Some(problem) => problem.exit(),
            None => Exit::TempFail,
        }
    }

    /// Whether no host at all gave any sign, on a port that networks like to close.
    fn is_walled_in(&self) -> bool {
        let tried = self.hosts.iter().filter(|host| host.result != HostResult::PassedOver);
        let is_smtp = |host: &HostTried| host.address.is_some_and(|address| address.port() == 25);
        self.silent > 0 && tried.clone().count() == self.silent && tried.clone().all(is_smtp)
    }

    fn lines(&self, explained: &mut Vec<String>) -> Vec<(LineKind, &'static str, String)> {
        let mut lines = Vec::new();
        // What many recipients share is explained once.
        let mut explain = |lines: &mut Vec<_>, advice: Option<String>| {
            if let Some(advice) = advice.filter(|advice| !explained.contains(advice)) {
                explained.push(advice.clone());
                lines.push((LineKind::Note, "", advice));
            }
        };
        if let Some((what, advice)) = self.problem_words() {
            lines.push((LineKind::Failed, "!!", what));
            explain(&mut lines, advice);
        }
        for (recipient, fate) in self.recipients.iter().zip(&self.fates) {
            let (kind, words) = fate::words(fate);
            lines.push((kind, "=>", format!("<{recipient}> {words}")));
            explain(&mut lines, fate::fate_advice(fate).map(|advice| advice.to_string()));
        }
        lines
    }

    /// What happened, and what to do about it where that is not in the reply.
    fn problem_words(&self) -> Option<(String, Option<String>)> {
        let domain = self.domain.map(ToString::to_string).unwrap_or_default();
        Some(match self.problem.as_ref()? {
            Problem::Unreached(unreached) => (unreached.what.clone(), Some(unreached.advice.clone())),
            Problem::Session(failure) if self.domain.is_some() => {
                (format!("no host of {domain} took the message: {failure}"), failure_advice(failure))
            }
            Problem::Session(failure) => (failure.to_string(), failure_advice(failure)),
            Problem::NoWay(refusal) => (refusal.to_string(), Some(self.no_way_advice(refusal))),
            Problem::NoneReached if self.is_walled_in() => (
                format!("no host of {domain} answers at port 25, not even with a refusal"),
                Some(
                    "Most likely this network lets nothing out to port 25, as many homes and cloud providers \
                     do: whoever runs it can say so. Until then mail leaves by a host that relays for you: \
                     --server HOST:PORT."
                        .into(),
                ),
            ),
            Problem::NoneReached => (
                format!("no host of {domain} can be reached"),
                Some("The lines above say why. Trying again later may help.".into()),
            ),
        })
    }

    fn no_way_advice(&self, refusal: &Refusal) -> String {
        let special = |host: &HostTried| host.result == HostResult::PassedOver && host.address.is_some();
        if refusal.is_transient() {
            return "Either this machine's name servers do not answer (--dns ADDRESS asks another), or the \
                    domain's. Trying again later may help."
                .into();
        }
        if self.hosts.iter().any(special) {
            return "Whoever runs that domain can mend its records. If this is meant, --allow NETWORK lets this \
                    command connect to such addresses."
                .into();
        }
        let known = advice(refusal.reply()).map(|advice| advice.to_string());
        known.unwrap_or_else(|| "Whoever runs that domain can mend its records.".into())
    }

    fn json(&self) -> Value {
        let (problem, advice) = self.problem_words().unzip();
        json!({
            "domain": self.domain.map(ToString::to_string),
            "dns": self.dns,
            "hosts": self.hosts,
            "problem": problem,
            "advice": advice.flatten(),
        })
    }
}

impl<'a> Report<'a> {
    /// Of all conversations.
    pub(super) fn new(parts: Vec<Part<'a>>, warnings: Vec<String>) -> Self {
        Self { parts, warnings }
    }

    /// Whether every recipient's copy was accepted.
    pub(super) fn is_good(&self) -> bool {
        self.parts.iter().all(Part::is_good)
    }

    /// One refusal for good outweighs what may still be taken: sending the same again cannot mend all.
    pub(super) fn exit(&self) -> Exit {
        let exits: Vec<Exit> = self.parts.iter().map(Part::exit).collect();
        WORST_FIRST.into_iter().find(|exit| exits.contains(exit)).unwrap_or(Exit::Ok)
    }

    /// Whether the server that was named was not reached: there was nothing to show.
    pub(super) fn is_unreached(&self) -> bool {
        self.parts.iter().all(|part| matches!(part.problem, Some(Problem::Unreached(_))))
    }

    /// Shows it below the conversation.
    pub(super) fn show(&self, show: &mut Show) {
        for (kind, mark, text) in self.lines() {
            show.remark(kind, mark, &text);
        }
    }

    /// The same without colours, for standard error, and with the hosts, as nothing else was shown.
    pub(super) fn plain(&self) -> String {
        let hosts = self.parts.iter().flat_map(|part| &part.hosts).map(host_words);
        let lines = self.lines().into_iter().map(|(_, _, text)| text);
        hosts.chain(lines).map(|text| format!("postrider: {text}\n")).collect()
    }

    fn lines(&self) -> Vec<(LineKind, &'static str, String)> {
        let mut explained = Vec::new();
        let mut lines: Vec<_> =
            self.warnings.iter().map(|warning| (LineKind::Waiting, "--", warning.clone())).collect();
        for part in &self.parts {
            lines.extend(part.lines(&mut explained));
        }
        if self.parts.iter().any(Part::found_nobody) {
            let hint = "to talk to `postrider dev` on this machine, add --server 127.0.0.1:2525";
            lines.push((LineKind::Note, "--", hint.into()));
        }
        lines
    }

    /// For programs. `server` is the one that was named.
    pub(super) fn json(&self, server: Option<&str>, octets: usize) -> Value {
        let recipients = self.parts.iter().flat_map(|part| {
            let again = part.problem.as_ref().is_none_or(|problem| problem.exit() == Exit::TempFail);
            let fates = part.recipients.iter().zip(&part.fates);
            fates.map(move |(recipient, fate)| fate::json(recipient, fate, again))
        });
        let (problem, advice) = self.parts.iter().find_map(Part::problem_words).unzip();
        let by_dns = self.parts.iter().filter(|part| part.domain.is_some());
        json!({
            "server": server,
            "domains": by_dns.map(Part::json).collect::<Vec<_>>(),
            "octets": octets,
            "recipients": recipients.collect::<Vec<_>>(),
            "warnings": self.warnings,
            "problem": problem,
            "advice": advice.flatten(),
            "exit": self.exit().code(),
        })
    }
}

impl Part<'_> {
    /// Whether DNS led to nobody: perhaps another server was meant.
    fn found_nobody(&self) -> bool {
        self.domain.is_some() && matches!(self.problem, Some(Problem::NoWay(_) | Problem::NoneReached))
    }
}

/// A host that was tried or passed over, in the words of the journal.
fn host_words(tried: &HostTried) -> String {
    let event = Event { at_ms: 0, what: What::Host(Box::new(tried.clone())) };
    render::line(Subject::Server, &event).text
}

/// Whether another host may be asked: nothing was decided, or the host only ended the session (421).
fn is_open(fate: &Fate) -> bool {
    match fate {
        Fate::Undecided => true,
        Fate::Refused { refusal, .. } => refusal.reply().code().number() == 421,
        Fate::Accepted(_) | Fate::AnotherTransaction(_) | Fate::LostAfterDot => false,
    }
}
