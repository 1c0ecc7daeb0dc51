//! What is not understood, not offered, or cannot be done for anybody: answered without a question.

use super::state::Phase;
use super::{Event, Session, words};
use crate::command::{CommandError, MailFrom, Parameter};
use crate::dialogue::Out;
use crate::extension::FutureRelease;
use crate::line::Fault;
use postrider_mail::{ByMode, Hold, Protocol, Refusal};

impl<R> Session<R> {
    pub(super) fn fault<'i>(&mut self, phase: Phase, fault: Fault, out: &mut Out<'_>) -> Option<Event<'i>> {
        match fault {
            Fault::TlsHello => self.hang_up(&words::tls_hello(), out),
            Fault::ProxyHeader => self.hang_up(&words::proxy_header(), out),
            fault => self.error(phase, &words::fault(fault), out),
        }
    }

    pub(super) fn mistake<'i>(
        &mut self,
        phase: Phase,
        line: &[u8],
        error: &CommandError,
        out: &mut Out<'_>,
    ) -> Option<Event<'i>> {
        let reply = match error {
            CommandError::ForeignProtocol => return self.hang_up(&words::foreign_protocol(), out),
            CommandError::ProxyHeader => return self.hang_up(&words::proxy_header(), out),
            CommandError::Boundless => return self.hang_up(&words::boundless_chunk(), out),
            CommandError::BadChunk { octets, usage } => {
                return self.pass_over(phase, *octets, true, words::usage(usage), out);
            }
            CommandError::BadParameter(parameter, _) | CommandError::RepeatedParameter(parameter)
                if !self.offers(*parameter) =>
            {
                words::not_offered(parameter.keyword(), self.protocol)
            }
            CommandError::UnknownParameter(keyword) => words::not_offered(keyword.as_str(), self.protocol),
            error => words::command_error(error, self.setup.dialect),
        };
        let is_mail = line.get(..4).is_some_and(|verb| verb.eq_ignore_ascii_case(b"MAIL"));
        let phase = if is_mail && matches!(phase, Phase::Greeted) { Phase::MailRefused } else { phase };
        self.error(phase, &reply, out)
    }

    /// Whether MAIL or RCPT may have this parameter: extensions are EHLO's and LHLO's (RFC 5321 §2.2.1).
    pub(super) fn offers(&self, parameter: Parameter) -> bool {
        self.protocol != Protocol::Smtp && self.setup.extensions.allow(parameter)
    }

    pub(super) fn offers_chunks(&self) -> bool {
        self.protocol != Protocol::Smtp && self.setup.extensions.chunking
    }

    /// Why MAIL asks for what is not done for anybody here.
    pub(super) fn cannot_be_kept(&self, mail: &MailFrom) -> Option<Refusal> {
        let setup = &self.setup;
        if mail.size.is_some_and(|size| size > setup.content_octets_max) {
            return Some(words::content_too_large(setup.content_octets_max));
        }
        if let (Some(hold), Some(most)) = (mail.hold, setup.extensions.future_release)
            && is_too_far(hold, most)
        {
            return Some(words::held_too_long(most));
        }
        if let (Some(by), Some(least)) = (mail.by, setup.extensions.deliver_by)
            && by.mode == ByMode::Return
            && i64::from(by.seconds) < i64::from(least)
        {
            return Some(words::deadline_too_soon(least));
        }
        if let (Some(solicit), Some(Some(refused))) = (&mail.solicit, &setup.extensions.no_soliciting)
            && let Some(keyword) = solicit.meets(refused)
        {
            return Some(words::soliciting(keyword));
        }
        None
    }
}

/// RFC 4865 §4: beyond what the reply to EHLO names.
fn is_too_far(hold: Hold, most: FutureRelease) -> bool {
    match hold {
        Hold::For(seconds) => seconds > most.seconds_max,
        Hold::Until(moment) => moment > most.until_max,
    }
}
