//! Peers that say nothing, half of something, or something else than SMTP, in every state: they cost little, leave
//! nothing behind, and keep nobody out.

#![expect(clippy::unwrap_used, reason = "the helpers of these tests are tests too")]

use postrider_tests::client::{Client, bystander};
use postrider_tests::limits::GROWTH_KIB_MAX;
use postrider_tests::memory::Memory;
use postrider_tests::states::{FRIEND, NEIGHBOUR, Scene, State};
use postrider_tests::wait::until_true;
use rustix::net::sockopt::set_socket_linger;
use std::thread;
use std::time::Duration;

/// Connections that say nothing, at a time …
const SILENT: usize = 1000;

/// … which so many threads make …
const HANDS: usize = 4;

/// … and what each may cost, in KiB, whatever its state: with its draft, without what the kernel has of it.
const SILENT_KIB_MAX: u64 = 12;

/// Brings 1,000 sessions to this state.
fn silent(scene: &Scene, state: State) -> Vec<Client> {
    thread::scope(|scope| {
        let enter = || (0..SILENT / HANDS).map(|_| scene.enter(state)).collect::<Vec<_>>();
        let hands: Vec<_> = (0..HANDS).map(|_| scope.spawn(enter)).collect();
        hands.into_iter().flat_map(|hand| hand.join().unwrap()).collect()
    })
}

#[test]
fn a_thousand_silent_sessions_of_every_state_at_once_keep_nobody_out() {
    for scene in [Scene::start(), Scene::pausing()] {
        let server = scene.server();
        bystander(server.address(), NEIGHBOUR, "first");
        let at_rest = server.sockets();
        let all = Memory::watch(server);
        let mut everyone = Vec::new();
        for &state in scene.states() {
            let memory = Memory::watch(server);
            let silent = silent(&scene, state);
            let each = memory.grown_kib() as f64 / SILENT as f64;
            bystander(server.address(), NEIGHBOUR, "meanwhile");
            println!("{state}: {SILENT} silent sessions, {each:.1} KiB each");
            // Their memory is not to be had again until all is counted.
            everyone.push((state, silent));
        }
        let sessions = (SILENT * everyone.len()) as u64;
        all.stays_below(&format!("{sessions} silent sessions"), sessions * SILENT_KIB_MAX);
        for (state, silent) in &mut everyone {
            // A proxy has five seconds, and some are in the middle of something else.
            if !state.is_content() && !matches!(state, State::Pause | State::ProxyHeader) {
                silent[0].says("NOOP", "250");
                silent[SILENT - 1].says("NOOP", "250");
            }
        }
        drop(everyone);
        until_true("all are gone", || server.sockets() <= at_rest);
        scene.site.delivered(NEIGHBOUR, scene.states().len() + 1);
        let site = scene.stop();
        assert!(site.mail(FRIEND).is_empty(), "what was cut off is no message");
    }
}

/// Sessions that end so, in each state.
const ENDING: usize = 20;

#[test]
fn a_session_whose_peer_has_closed_its_side_or_vanished_is_over_in_every_state() {
    for scene in [Scene::start(), Scene::pausing()] {
        let server = scene.server();
        bystander(server.address(), NEIGHBOUR, "first");
        let at_rest = server.sockets();
        for &state in scene.states() {
            let memory = Memory::watch(server);
            let mut closing: Vec<Client> = (0..ENDING).map(|_| scene.enter(state)).collect();
            for client in &mut closing {
                client.finish();
            }
            let vanishing: Vec<Client> = (0..ENDING).map(|_| scene.enter(state)).collect();
            for client in vanishing {
                set_socket_linger(client.stream(), Some(Duration::ZERO)).unwrap();
            }
            bystander(server.address(), NEIGHBOUR, "meanwhile");
            for client in &mut closing {
                match state {
                    State::Pause => _ = client.hears("220"),
                    State::ProxyHeader => _ = client.hears("521 5.5.1"),
                    _ => {}
                }
                client.hears_the_end();
            }
            drop(closing);
            until_true("all are gone", || server.sockets() <= at_rest);
            memory.stays_below(&format!("{state}: half-closed and reset"), GROWTH_KIB_MAX);
        }
        scene.site.delivered(NEIGHBOUR, scene.states().len() + 1);
        let site = scene.stop();
        assert!(site.mail(FRIEND).is_empty(), "what was cut off is no message");
    }
}

/// What a client sends that expects TLS from the start: a ClientHello in its record, with CR, LF and NUL in it as
/// they come.
fn client_hello() -> Vec<u8> {
    let mut hello = vec![0x16, 0x03, 0x01, 0x00, 0x6d, 0x01, 0x00, 0x00, 0x69, 0x03, 0x03];
    hello.extend_from_slice(b"thirty-two octets\r\nthat\nare\0any\r");
    hello.extend_from_slice(&[0x00, 0x00, 0x04, 0x13, 0x01, 0x13, 0x02, 0x01, 0x00, 0x00, 0x3c]);
    hello.resize(5 + 0x6d, 0);
    hello
}

#[test]
fn a_tls_hello_where_nobody_offers_tls_is_told_so_and_what_it_spoils_is_refused() {
    let hello = client_hello();
    for scene in [Scene::start(), Scene::pausing()] {
        let server = scene.server();
        bystander(server.address(), NEIGHBOUR, "first");
        let at_rest = server.sockets();
        let memory = Memory::watch(server);
        for &state in scene.states() {
            let mut client = scene.enter(state);
            client.send(&hello);
            bystander(server.address(), NEIGHBOUR, "meanwhile");
            match state {
                State::Header | State::Body => {
                    // To the end of DATA it is content, and has what no content may have.
                    println!("{state}: {}", client.says("\r\n.", "554"));
                    client.says("NOOP", "250");
                }
                State::Chunk => {
                    // It waits for the rest of the chunk, which never comes.
                    client.finish();
                    client.hears_the_end();
                }
                State::ProxyHeader => {
                    println!("{state}: {}", client.hears("521 5.5.1"));
                    client.hears_the_end();
                }
                _ => {
                    if state == State::Pause {
                        client.hears("220");
                    }
                    println!("{state}: {}", client.hears("521 5.5.1"));
                    client.hears_the_end();
                }
            }
        }
        until_true("all are gone", || server.sockets() <= at_rest);
        memory.stays_below("TLS hellos", GROWTH_KIB_MAX);
        scene.site.delivered(NEIGHBOUR, scene.states().len() + 1);
        let site = scene.stop();
        assert!(site.mail(FRIEND).is_empty());
    }
}
