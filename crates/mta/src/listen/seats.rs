//! The places for sessions: how many in all, how many each client holds.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// The places for sessions.
#[derive(Debug)]
pub struct Seats {
    max: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_client: HashMap<IpAddr, u32>,
}

impl Seats {
    /// Room for `max` sessions.
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, taken: Mutex::default() })
    }

    /// Takes a place, if one is left. It counts for nobody yet.
    pub(crate) fn take(self: &Arc<Self>) -> Option<Seat> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.all >= self.max {
            return None;
        }
        taken.all += 1;
        Some(Seat { sessions_of_client: 0, client: None, seats: Arc::clone(self) })
    }
}

impl Taken {
    fn leave(&mut self, client: Option<IpAddr>) {
        let Some(client) = client else { return };
        if let Some(sessions) = self.by_client.get_mut(&client) {
            *sessions -= 1;
            if *sessions == 0 {
                self.by_client.remove(&client);
            }
        }
    }
}

/// A place, given back when dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    sessions_of_client: u32,
    client: Option<IpAddr>,
    seats: Arc<Seats>,
}

impl Seat {
    /// From now on the place counts for this client, and for no other: a proxy is not limited by what its
    /// clients hold.
    pub(crate) fn counts_for(&mut self, client: IpAddr) {
        let client = holder(client);
        let mut taken = self.seats.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.leave(self.client);
        let sessions = taken.by_client.entry(client).or_insert(0);
        *sessions += 1;
        self.sessions_of_client = *sessions;
        self.client = Some(client);
    }

    /// Sessions the client held when this one became its own, with this one.
    pub(crate) fn sessions_of_client(&self) -> u32 {
        self.sessions_of_client
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all -= 1;
        taken.leave(self.client);
    }
}

/// Who an address belongs to, as far as places are counted: one IPv6 host has a /64 of them (RFC 6177).
fn holder(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
        IpAddr::V4(_) => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(seats: &Arc<Seats>, ip: &str) -> Seat {
        let mut seat = seats.take().unwrap();
        seat.counts_for(ip.parse().unwrap());
        seat
    }

    #[test]
    fn the_addresses_of_one_ipv6_network_hold_places_together() {
        let seats = Seats::new(10);
        let [first, second, other] =
            ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"].map(|ip| take(&seats, ip));
        assert_eq!([&first, &second, &other].map(Seat::sessions_of_client), [1, 2, 1], "a /64 is one host");
    }

    #[test]
    fn a_place_that_passes_to_another_client_counts_for_that_one_alone() {
        let seats = Seats::new(2);
        let mut seat = take(&seats, "192.0.2.1");
        seat.counts_for("192.0.2.2".parse().unwrap());
        assert_eq!(take(&seats, "192.0.2.1").sessions_of_client(), 1);
        assert_eq!(take(&seats, "192.0.2.2").sessions_of_client(), 2);
        let _last = take(&seats, "192.0.2.3");
        assert!(seats.take().is_none(), "two places, whoever holds them");
        drop(seat);
        assert_eq!(take(&seats, "192.0.2.2").sessions_of_client(), 1);
    }
}
