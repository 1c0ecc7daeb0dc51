//! Accepts connections, within bounds, and starts a conversation for each.

use crate::limits::ACCEPT_PAUSE;
use crate::reception::Conversation;
use crate::server::Server;
use crate::server::{Stop, told_to_stop};
use postrider_mail::{Peer, Service};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

/// The places for sessions: how many in all, how many each peer holds.
#[derive(Debug)]
pub struct Seats {
    max: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_peer: HashMap<IpAddr, u32>,
}

impl Seats {
    /// Room for `max` sessions.
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, taken: Mutex::default() })
    }

    /// Takes a place, if one is left.
    fn take(self: &Arc<Self>, ip: IpAddr) -> Option<Seat> {
        let ip = holder(ip);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.all >= self.max {
            return None;
        }
        taken.all += 1;
        let sessions = taken.by_peer.entry(ip).or_insert(0);
        *sessions += 1;
        Some(Seat { sessions_of_peer: *sessions, ip, seats: Arc::clone(self) })
    }
}

/// A place, given back when dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    sessions_of_peer: u32,
    ip: IpAddr,
    seats: Arc<Seats>,
}

impl Seat {
    /// Sessions the peer held when this one began, with this one.
    pub(crate) fn sessions_of_peer(&self) -> u32 {
        self.sessions_of_peer
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all -= 1;
        if let Some(sessions) = taken.by_peer.get_mut(&self.ip) {
            *sessions -= 1;
            if *sessions == 0 {
                taken.by_peer.remove(&self.ip);
            }
        }
    }
}

/// Who an address belongs to, as far as places are counted: one IPv6 host has a /64 of them (RFC 6177).
fn holder(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
        IpAddr::V4(_) => ip,
    }
}

/// Accepts on one listener until told to stop. `under_way` lives in every conversation, so that whoever
/// waits for its other end knows when the last has ended.
pub async fn listen(
    server: Server,
    listener: TcpListener,
    service: Service,
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
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                pause(&error).await;
                continue;
            }
        };
        let peer = Peer::new(address, service);
        let Some(seat) = seats.take(peer.ip()) else {
            turn_away(&server, &stream, &peer);
            continue;
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(peer = %peer.address(), %error, "no TCP_NODELAY");
        }
        let conversation = Conversation::new(server.clone(), stream, peer, seat, stop.clone());
        let under_way = under_way.clone();
        tokio::spawn(async move {
            conversation.run().await;
            drop(under_way);
        });
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
fn turn_away(server: &Server, stream: &TcpStream, peer: &Peer) {
    let hostname = &server.settings().hostname;
    let reply = format!("421 4.3.2 {hostname} has too many sessions now; please try again soon\r\n");
    let said = stream.try_write(reply.as_bytes()).is_ok();
    tracing::warn!(peer = %peer.address(), said, "turned away: every session is taken ([limits] sessions)");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_of_one_ipv6_network_hold_places_together() {
        let seats = Seats::new(10);
        let take = |ip: &str| seats.take(ip.parse().unwrap()).map(|seat| (seat.sessions_of_peer(), seat));
        let first = take("2001:db8::1").unwrap();
        let second = take("2001:db8::2").unwrap();
        let other = take("2001:db8:0:1::1").unwrap();
        assert_eq!((first.0, second.0, other.0), (1, 2, 1));
    }
}
