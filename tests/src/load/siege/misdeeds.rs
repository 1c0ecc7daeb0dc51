//! What the crowd does. Each misdeed has a hand of its own, goes through the states of a session in turn, and takes no
//! offence at being thrown out.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::{Field, state};
use crate::client::Client;
use crate::states::State;
use std::collections::VecDeque;
use std::io::Write;
use std::net::Shutdown;

/// One kind of misbehaviour.
pub(super) struct Misdeed {
    pub(super) name: &'static str,
    pub(super) act: fn(&mut Actor<'_>),
}

/// All of them.
pub(super) const MISDEEDS: [Misdeed; 10] = [
    Misdeed { name: "endless lines of 8 MiB", act: endless_line },
    Misdeed { name: "20,000 commands, heard", act: many_commands },
    Misdeed { name: "100,000 commands, not heard", act: deaf },
    Misdeed { name: "2,000 chunks of an octet", act: many_chunks },
    Misdeed { name: "silent sessions", act: silent },
    Misdeed { name: "dripping rounds of 30 sessions", act: drip },
    Misdeed { name: "half-closed or reset", act: half_closed },
    Misdeed { name: "TLS hellos", act: tls_hello },
    Misdeed { name: "octets by chance", act: noise },
    Misdeed { name: "messages to rude hosts", act: to_rude_hosts },
];

/// Sessions that one hand holds open in silence.
const SILENT_MAX: usize = 500;

/// Sessions that one hand drips into.
const DRIPPING: usize = 30;

/// Who does it.
pub(super) struct Actor<'f> {
    field: &'f Field,
    rounds: usize,
    held: VecDeque<Client>,
}

impl<'f> Actor<'f> {
    pub(super) fn new(field: &'f Field) -> Self {
        Self { field, rounds: 0, held: VecDeque::new() }
    }

    /// A session in the next state.
    fn enter(&mut self) -> (State, Client) {
        self.rounds += 1;
        let state = state(&self.field.scene, self.rounds);
        (state, self.field.scene.enter(state))
    }
}

/// Writes, and does not mind being thrown out.
fn say(client: &Client, octets: &[u8]) -> bool {
    client.stream().write_all(octets).is_ok()
}

fn endless_line(actor: &mut Actor<'_>) {
    let (_, client) = actor.enter();
    let _ = (0..128).all(|_| say(&client, &[b'x'; 64 * 1024]));
}

fn many_commands(actor: &mut Actor<'_>) {
    let (state, mut client) = actor.enter();
    if state.is_content() {
        return;
    }
    let line = ["NOOP\r\n", "RCPT TO:<friend@local.example>\r\n", "VRFY friend\r\n"][actor.rounds / 13 % 3];
    let heard = |client: &mut Client| (0..100).all(|_| matches!(client.reply(), Ok(Some(_))));
    let _ = (0..200).all(|_| say(&client, line.repeat(100).as_bytes()) && heard(&mut client));
}

fn deaf(actor: &mut Actor<'_>) {
    let (_, client) = actor.enter();
    let mut stream = client.stream();
    let _ = stream.set_nonblocking(true);
    let lines = "HELP\r\n".repeat(1000);
    let _ = (0..100).all(|_| stream.write(lines.as_bytes()).is_ok());
    actor.held.push_back(client);
    if actor.held.len() > 20 {
        actor.held.pop_front();
    }
}

fn many_chunks(actor: &mut Actor<'_>) {
    let mut client = actor.field.scene.enter(State::Rcpt);
    for _ in 0..20 {
        say(&client, "BDAT 1\r\nx".repeat(100).as_bytes());
        for _ in 0..100 {
            client.hears("250");
        }
    }
}

fn silent(actor: &mut Actor<'_>) {
    let (_, client) = actor.enter();
    actor.held.push_back(client);
    if actor.held.len() > SILENT_MAX {
        actor.held.pop_front();
    }
}

fn drip(actor: &mut Actor<'_>) {
    actor.held.retain(|client| say(client, b"x"));
    while actor.held.len() < DRIPPING {
        let (_, client) = actor.enter();
        actor.held.push_back(client);
    }
}

fn half_closed(actor: &mut Actor<'_>) {
    let (_, client) = actor.enter();
    let _ = client.stream().shutdown(Shutdown::Write);
    actor.held.push_back(client);
    if actor.held.len() > 20
        && let Some(client) = actor.held.pop_front()
    {
        let _ = rustix::net::sockopt::set_socket_linger(client.stream(), Some(std::time::Duration::ZERO));
    }
}

fn tls_hello(actor: &mut Actor<'_>) {
    let (_, client) = actor.enter();
    say(&client, b"\x16\x03\x01\x00\x6d\x01\x00\x00\x69\x03\x03any octets\r\nat\nall\0");
    // Whatever it says.
    let _ = client.stream().shutdown(Shutdown::Write);
}

fn noise(actor: &mut Actor<'_>) {
    let (_, client) = actor.enter();
    let octets: Vec<u8> = {
        let mut random = actor.field.random.lock().unwrap();
        (0..20_000).map(|_| random.below(256).to_le_bytes()[0]).collect()
    };
    say(&client, &octets);
}

fn to_rude_hosts(actor: &mut Actor<'_>) {
    actor.rounds += 1;
    // Each waits for two seconds and more: a host gets a message now and then.
    if !actor.rounds.is_multiple_of(20) {
        return;
    }
    let recipient = format!("x@r{}.example", actor.rounds / 20 % actor.field.rude.len());
    let mut client = actor.field.scene.enter(State::Greeted);
    client.sends(&[&recipient], &format!("Subject: x\r\n\r\n{}", "for a rude host\r\n".repeat(4000)));
}
