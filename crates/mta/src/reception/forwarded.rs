//! XCLIENT and XFORWARD: who a trusted proxy or filter speaks for, as Postfix defines them (XCLIENT_README,
//! XFORWARD_README).
//!
//! After XCLIENT the peer is another, for every decision and record: policy is asked again from the start, and
//! what is offered may differ. Only the right to say XCLIENT and XFORWARD stays with the connection, since the
//! command is not to change who may give it: a proxy speaks for one client after another, and must not hand on
//! the XCLIENT of a client of its own. A login that it tells authenticates nobody. XFORWARD is for the records of
//! the next transaction alone.

use super::Conversation;
use super::setup::setup;
use crate::intake::Origin;
use crate::proxy::NOWHERE;
use postrider_mail::{Code, Enhanced, Greeting, HeloName, Peer, Protocol, Refusal};
use postrider_smtp::forward::{Attributes, Told};
use postrider_smtp::server::{Asked, Gate, Xclient, Xforward};
use std::net::SocketAddr;

/// What is told of a client by name, and stays until something else is told.
#[derive(Debug, Default)]
pub(super) struct Forwarded {
    told: Attributes,
}

impl Conversation {
    pub(super) fn xclient(&mut self, asked: Asked<Xclient>, told: &Attributes) {
        if !self.settings.rules.trust.may_xclient(self.connection) {
            return self.answer(asked, Gate::Refuse(not_trusted("XCLIENT")));
        }
        self.peer = client(&self.peer, told);
        self.presented_as = Presented {
            protocol: told.protocol.and_then(|told| told.known().copied()),
            name: told.helo.clone().map(|told| known_or(told, HeloName::none())),
        };
        self.seat.counts_for(self.peer.ip());
        self.greeting = None;
        self.forwarded = None;
        self.tell_client("XCLIENT");
        let now = self.server.world.now();
        self.session.set_setup(setup(&self.settings, &self.peer, self.connection, now));
        self.answer(asked, Gate::Accept);
    }

    pub(super) fn xforward(&mut self, asked: Asked<Xforward>, told: Attributes) {
        if !self.settings.rules.trust.may_xforward(self.connection) {
            return self.answer(asked, Gate::Refuse(not_trusted("XFORWARD")));
        }
        self.forwarded.get_or_insert_default().add(told);
        self.answer(asked, Gate::Accept);
    }

    /// The story says who speaks from here on, and by whose word.
    pub(super) fn tell_client(&mut self, by: &str) {
        let name = self.peer.name().map(|name| format!(" ({name})")).unwrap_or_default();
        self.story.note(format!(
            "by {by}, {} speaks for the client {}{name}: what follows is decided for that one",
            self.connection,
            shown(&self.peer),
        ));
        tracing::debug!(session = %self.id, connection = %self.connection, peer = %self.peer.address(), by, "speaks for another client");
    }

    /// The greeting as the proxy's client gave it, where the proxy told that.
    pub(super) fn presented(&self, mut greeting: Greeting) -> Greeting {
        let Presented { protocol, name } = &self.presented_as;
        greeting.protocol = protocol.unwrap_or(greeting.protocol);
        if let Some(name) = name {
            greeting.name = name.clone();
        }
        greeting
    }
}

/// How a proxy's client introduced itself to the proxy, as far as it told.
#[derive(Debug, Default)]
pub(super) struct Presented {
    protocol: Option<Protocol>,
    name: Option<HeloName>,
}

impl Forwarded {
    /// Each attribute that is told anew replaces the old.
    fn add(&mut self, told: Attributes) {
        let all = &mut self.told;
        replace(&mut all.name, told.name);
        replace(&mut all.addr, told.addr);
        replace(&mut all.port, told.port);
        replace(&mut all.protocol, told.protocol);
        replace(&mut all.helo, told.helo);
        replace(&mut all.ident, told.ident);
        replace(&mut all.is_local, told.is_local);
    }

    /// Whose message it is, where the filter at `peer`, which introduced itself so, brings it.
    pub(super) fn origin(&self, peer: &Peer, greeting: &Greeting) -> Origin {
        let greeting = Greeting {
            protocol: self.told.protocol.and_then(|told| told.known().copied()).unwrap_or(greeting.protocol),
            name: self.told.helo.clone().map_or_else(HeloName::none, |told| known_or(told, HeloName::none())),
        };
        Origin { peer: client(peer, &self.told), greeting }
    }

    /// For the story: whose message it is, and under which name the filter knows it.
    pub(super) fn words(&self, peer: &Peer) -> String {
        let client = client(peer, &self.told);
        let id = self.told.ident.as_ref().and_then(Told::known);
        let id = id.map(|id| format!(", where it is {id}")).unwrap_or_default();
        let whose = match self.told.is_local.as_ref().and_then(Told::known) {
            Some(true) => "from that host itself".to_owned(),
            _ => format!("from the client {}", shown(&client)),
        };
        format!("by XFORWARD, {} passes on a message {whose}{id}", peer.ip())
    }
}

/// The client that `peer` speaks for. What is not told stays as it is, but a port and a name belong to the address
/// they were told with; what is told to be unknown is unknown, a port that is unknown 0.
fn client(peer: &Peer, told: &Attributes) -> Peer {
    let ip = told.addr.map_or(peer.ip(), |told| known_or(told, NOWHERE.ip()));
    let port = match told.port {
        Some(told) => known_or(told, 0),
        None if told.addr.is_some() => 0,
        None => peer.address().port(),
    };
    let name = match &told.name {
        Some(told) => told.known().cloned(),
        None => peer.name().filter(|_| told.addr.is_none()).cloned(),
    };
    peer.speaks_for(SocketAddr::new(ip, port), name)
}

/// A client's address, with its port where that is known.
fn shown(client: &Peer) -> String {
    match client.address().port() {
        0 => client.ip().to_string(),
        _ => client.address().to_string(),
    }
}

fn known_or<T>(told: Told<T>, unknown: T) -> T {
    match told {
        Told::Known(value) => value,
        Told::Unavailable | Told::NotNow => unknown,
    }
}

fn replace<T>(old: &mut Option<T>, new: Option<T>) {
    if new.is_some() {
        *old = new;
    }
}

fn not_trusted(verb: &str) -> Refusal {
    Refusal::of(Code::of(550), Enhanced::of(5, 7, 1), format!("{verb} is not for you: no list names you"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider_mail::Service;

    fn proxy() -> Peer {
        Peer::new("192.0.2.1:999".parse().unwrap(), Service::Mta)
    }

    #[test]
    fn what_a_proxy_does_not_know_of_its_client_is_nowhere_and_not_the_proxys() {
        let told =
            Attributes { addr: Some(Told::NotNow), port: Some(Told::Unavailable), ..Attributes::default() };
        let unknown = client(&proxy(), &told);
        assert_eq!(unknown.address(), "0.0.0.0:0".parse().unwrap());
        assert_eq!(unknown.told_by(), Some(proxy().ip()));
    }

    #[test]
    fn a_client_is_told_in_several_steps_and_keeps_what_is_not_told_anew() {
        let addr = Attributes {
            addr: Some(Told::Known("198.51.100.7".parse().unwrap())),
            name: Some(Told::Known("client.example".parse().unwrap())),
            ..Attributes::default()
        };
        let first = client(&proxy(), &addr);
        assert_eq!(first.address().port(), 0, "999 is the proxy's");
        assert_eq!(shown(&first), "198.51.100.7");
        let port = Attributes { port: Some(Told::Known(25)), ..Attributes::default() };
        let second = client(&first, &port);
        assert_eq!(second.address(), "198.51.100.7:25".parse().unwrap());
        assert_eq!(shown(&second), "198.51.100.7:25");
        assert_eq!(second.name().unwrap().ascii(), "client.example");
        let other = Attributes { addr: Some(Told::Known("::1".parse().unwrap())), ..Attributes::default() };
        let third = client(&second, &other);
        assert_eq!((third.name(), third.address()), (None, "[::1]:0".parse().unwrap()));
    }
}
