//! ETRN: a host that was away asks for what waits for it (RFC 1985). Its mail goes out as it always does, to
//! where the routes lead; nothing is sent over this connection.

use super::{Conversation, Waiting};
use crate::limits::{TURN_MESSAGES_MAX, TURN_PAGES_MAX, TURNS_PER_SESSION_MAX};
use crate::server::Server;
use postrider_mail::{Code, Domain, Enhanced, Mailbox, QueueId, Reply, UnixMillis};
use postrider_policy::admit::may_turn;
use postrider_queue::limits::PAGE_MESSAGES_MAX;
use postrider_queue::{Filter, Queue, RecipientView, State};
use postrider_smtp::command::TurnNode;
use postrider_smtp::server::{Asked, Turn};
use std::io;

impl Conversation {
    pub(super) fn turn(&mut self, asked: Asked<Turn>, node: &TurnNode) {
        let rules = &self.settings.rules;
        let allowed = match node {
            TurnNode::Domain(domain) => may_turn(rules, domain).then_some(domain),
            // Lists name domains one by one, and the queues of this host are its own affair.
            TurnNode::Below(_) | TurnNode::Queue(_) => None,
        };
        match allowed {
            Some(domain) if self.turns >= TURNS_PER_SESSION_MAX => {
                let text =
                    format!("{domain} waits: no more than {TURNS_PER_SESSION_MAX} ETRN in one session");
                self.answer(asked, reply(458, (4, 7, 0), text));
            }
            Some(domain) => {
                self.turns += 1;
                self.story.note(format!("ETRN starts what waits for {domain}"));
                let work = start(self.server.clone(), domain.clone());
                self.waiting = Waiting::Turn(asked, Box::pin(work));
            }
            None => self.answer(asked, not_allowed(node)),
        }
    }
}

/// The node may not be started (RFC 1985 §5.3).
fn not_allowed(node: &TurnNode) -> Reply {
    let text = match node {
        TurnNode::Domain(domain) => format!("what waits for {domain} may not be started from outside"),
        TurnNode::Below(domain) => format!("domains are started one by one here, not all below {domain}"),
        TurnNode::Queue(_) => "no queue may be started by its name here".to_owned(),
    };
    Reply::new(Code::of(459), Enhanced::of(4, 7, 0), text)
}

/// Starts what waits for addresses of this domain, and says how much that is.
async fn start(server: Server, domain: Domain) -> Reply {
    let (queue, wanted, now) = (server.queue.clone(), domain.clone(), server.world.now());
    let waiting = server.world.blocking(move || waiting(&queue, &wanted, now)).await;
    let Ok(Ok(waiting)) = waiting else {
        tracing::warn!(%domain, "ETRN: the queue cannot be read");
        return cannot(&domain);
    };
    for id in &waiting.not_due {
        if let Err(unable) = server.queue.retry(Filter::of(*id), None, now).await {
            tracing::warn!(%domain, error = %unable, "ETRN");
            return cannot(&domain);
        }
    }
    match waiting.messages {
        0 => reply(251, (2, 0, 0), format!("no messages wait for {domain}")),
        messages => reply(253, (2, 0, 0), format!("{messages} pending messages for {domain} started")),
    }
}

#[derive(Default)]
struct Found {
    messages: usize,
    /// Those whose next attempt would be later.
    not_due: Vec<QueueId>,
}

/// The messages with a waiting recipient in this very domain. What an operator holds, and what its sender has
/// put off, is not for others to start.
fn waiting(queue: &Queue, domain: &Domain, now: UnixMillis) -> io::Result<Found> {
    let filter = Filter {
        recipient: Some(format!("@{domain}")),
        state: Some(State::Waiting),
        held: Some(false),
        ..Filter::default()
    };
    let is_there = |recipient: &&RecipientView| {
        let address = recipient.address.as_str().parse::<Mailbox>();
        address.is_ok_and(|address| address.host().domain() == Some(domain))
            && recipient.state == Some(State::Waiting)
            && !recipient.in_flight
    };
    let (mut found, mut after) = (Found::default(), None);
    for _ in 0..TURN_PAGES_MAX {
        let page = queue.list(&filter, after, PAGE_MESSAGES_MAX)?;
        for message in page.messages {
            let is_put_off = message.requests.release_at.is_some_and(|release| release > now);
            let mut there = message.recipients.iter().filter(is_there).peekable();
            if is_put_off || there.peek().is_none() {
                continue;
            }
            found.messages += 1;
            if found.not_due.len() < TURN_MESSAGES_MAX && there.any(|one| one.next_attempt > now) {
                found.not_due.push(message.id);
            }
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    Ok(found)
}

fn cannot(domain: &Domain) -> Reply {
    reply(458, (4, 3, 0), format!("what waits for {domain} cannot be started now"))
}

fn reply(code: u16, (class, subject, detail): (u8, u16, u16), text: String) -> Reply {
    Reply::new(Code::of(code), Enhanced::of(class, subject, detail), text)
}
