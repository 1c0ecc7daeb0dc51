//! One message over one connection, whoever is at its other end.

use super::content::Content;
use super::conversation::{Conversation, Ended};
use super::dsn::Dsn;
use super::path::needs_utf8;
use super::show::Show;
use postrider_mail::{Body, ForwardPath, Host, ReversePath};
use postrider_smtp::client::Transaction;
use postrider_smtp::server::Dialect;
use std::net::Ipv4Addr;
use std::time::Duration;
use tokio::net::TcpStream;

/// What is the same in every conversation about one message.
#[derive(Debug)]
pub(super) struct Delivery<'a> {
    pub(super) dialect: Dialect,
    pub(super) reverse_path: &'a ReversePath,
    pub(super) content: &'a Content,
    pub(super) dsn: &'a Dsn,
    /// The name to say; the address of this end where there is none.
    pub(super) helo: Option<&'a Host>,
    /// The longest wait; the engine's timeouts where there is none.
    pub(super) patience: Option<Duration>,
}

impl Delivery<'_> {
    /// Sends the message to these recipients.
    pub(super) async fn converse(
        &self,
        stream: TcpStream,
        recipients: Vec<ForwardPath>,
        show: &mut Show,
    ) -> Ended {
        let name = self.helo.cloned().unwrap_or_else(|| own_name(&stream));
        let mut transaction = Transaction::new(self.reverse_path.clone(), recipients);
        transaction.mail.size = u64::try_from(self.content.octets().len()).ok();
        transaction.mail.body = self.content.has_8bit().then_some(Body::EightBitMime);
        transaction.mail.smtputf8 = self.content.has_utf8_header()
            || self.reverse_path.mailbox().is_some_and(needs_utf8)
            || transaction.recipients.iter().filter_map(|rcpt| rcpt.forward_path.mailbox()).any(needs_utf8);
        transaction.mail.ret = self.dsn.ret;
        transaction.mail.envid = self.dsn.envid.clone();
        for recipient in &mut transaction.recipients {
            recipient.notify = self.dsn.notify;
            recipient.orcpt = self.dsn.orcpt.clone();
        }
        let conversation = Conversation::new(stream, self.dialect, name, self.patience, show);
        conversation.send(transaction, self.content.octets()).await
    }
}

/// Our own address as a literal: true of every host, and tells nobody anything new (RFC 5321 §4.1.4).
fn own_name(stream: &TcpStream) -> Host {
    let unspecified = Ipv4Addr::UNSPECIFIED.into();
    Host::Literal(stream.local_addr().map_or(unspecified, |address| address.ip().to_canonical()))
}
