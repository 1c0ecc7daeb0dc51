//! Accepts connections, within bounds, and starts a conversation for each.

mod seats;
mod socket;

pub use seats::Seats;
pub use socket::{Listener, Socket};

pub(crate) use seats::Seat;
pub(crate) use socket::Stream;

use crate::limits::ACCEPT_PAUSE;
use crate::proxy;
use crate::reception::{Arrived, Conversation, Wire};
use crate::server::Server;
use crate::server::{Stop, told_to_stop};
use postrider_mail::{Peer, Service};
use std::io;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// What a listener is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Mail comes in here.
    Serve(Service),
    /// No mail is taken here, which whoever connects is told at once: 521 (RFC 7504 §3).
    Closed,
}

/// Accepts on one listener until told to stop. `under_way` lives in every conversation, so that whoever
/// waits for its other end knows when the last has ended.
pub async fn listen(
    server: Server,
    listener: Listener,
    seats: Arc<Seats>,
    mut stop: watch::Receiver<Stop>,
    under_way: mpsc::Sender<()>,
) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = told_to_stop(&mut stop) => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                pause(&error).await;
                continue;
            }
        };
        let Some(mut seat) = seats.take() else {
            turn_away(&server, &stream, &peer);
            continue;
        };
        let is_proxy = server.settings().rules.trust.is_proxy(peer.ip());
        if !is_proxy {
            seat.counts_for(peer.ip());
        }
        let arrived = Arrived { stream, read: Vec::new(), peer, purpose: listener.purpose, seat };
        let (server, stop, under_way) = (server.clone(), stop.clone(), under_way.clone());
        if is_proxy {
            tokio::spawn(async move {
                if let Some(arrived) = introduced(&server, arrived, stop.clone()).await {
                    Conversation::new(server, arrived, stop).run().await;
                }
                drop(under_way);
            });
        } else {
            let conversation = Conversation::new(server, arrived, stop);
            tokio::spawn(async move {
                conversation.run().await;
                drop(under_way);
            });
        }
    }
}

/// Lets a proxy say for whom it speaks, before anything else. One that does not is told so, and let go: its
/// clients would all be taken for the proxy.
async fn introduced(
    server: &Server,
    mut arrived: Arrived,
    mut stop: watch::Receiver<Stop>,
) -> Option<Arrived> {
    let introduction = tokio::select! {
        biased;
        () = told_to_stop(&mut stop) => return None,
        introduction = proxy::introduction(&arrived.stream) => introduction,
    };
    match introduction {
        Ok((client, read)) => {
            if let Some(client) = client {
                arrived.peer = arrived.peer.speaks_for(client, None);
            }
            arrived.seat.counts_for(arrived.peer.ip());
            arrived.read = read;
            Some(arrived)
        }
        Err(why) => {
            tracing::warn!(proxy = %arrived.peer.address(), %why, "turned away: a proxy did not introduce its client (proxy_from)");
            let hostname = &server.settings().hostname;
            let reply =
                format!("521 5.5.1 {hostname} hears proxies from here, which begin with a PROXY header\r\n");
            // What the connection cannot take now, nobody waits for.
            let _ = arrived.stream.try_write(reply.as_bytes());
            Wire::new(arrived.stream, Vec::new()).close().await;
            None
        }
    }
}

/// A connection that was lost before we took it needs no pause; a lack of descriptors or memory does.
async fn pause(error: &io::Error) {
    if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
        return;
    }
    tracing::error!(%error, pause_ms = ACCEPT_PAUSE.as_millis(), "cannot accept connections now");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

/// Every place is taken: say so in one write, without a session.
fn turn_away(server: &Server, stream: &Stream, peer: &Peer) {
    let hostname = &server.settings().hostname;
    let reply = format!("421 4.3.2 {hostname} has too many sessions now; please try again soon\r\n");
    let said = stream.try_write(reply.as_bytes()).is_ok();
    tracing::warn!(peer = %peer.address(), said, "turned away: every session is taken ([limits] sessions)");
}
