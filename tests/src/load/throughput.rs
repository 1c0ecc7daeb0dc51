//! `smtp-source` → relay → `smtp-sink`: messages per second from end to end, and the relay's CPU time per message.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::{Figure, Relay, wait};
use crate::machine::free_address;
use crate::sink::{Sink, source};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// A load.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Messages.
    pub messages: u32,
    /// Sessions of the source at a time.
    pub sessions: u32,
    /// Octets of each message.
    pub octets: u32,
}

/// What a relay made of it.
#[derive(Clone, Copy, Debug)]
pub struct Passed {
    /// From the first connection until the source had its last 250.
    pub accepted: Duration,
    /// From the first connection until the sink had the last message.
    pub arrived: Duration,
    /// CPU time of the relay meanwhile.
    pub cpu: Duration,
}

/// Sends a load through the relay that `start` gives, whose next hop is the sink. `None` where a program is missing.
///
/// # Panics
/// When messages are lost, and where `CI=true`, instead of `None`.
#[track_caller]
pub fn through(
    start: impl FnOnce(std::net::SocketAddr) -> Option<Relay>,
    load: Load,
) -> Option<(&'static str, Passed)> {
    let address = free_address();
    let counted = load.messages.to_string();
    // It ends with the last message: that is how it tells.
    let mut sink = Sink::forgetful(&["-M", &counted], address)?;
    let relay = start(address)?;
    let mut command = source()?;
    command.args(["-d", "-s", &load.sessions.to_string(), "-m", &counted, "-l", &load.octets.to_string()]);
    command.args(["-f", "sender@client.example", "-t", "you@sink.example", &relay.address().to_string()]);
    command.stdin(Stdio::null());
    let before = relay.cpu();
    let began = Instant::now();
    let status = command.status().unwrap();
    assert!(status.success(), "smtp-source ended with {status}");
    let accepted = began.elapsed();
    wait(&format!("all of it comes through {}", relay.name()), || sink.ended());
    let arrived = began.elapsed();
    Some((relay.name(), Passed { accepted, arrived, cpu: relay.cpu().saturating_sub(before) }))
}

/// Both relays, one after the other.
#[track_caller]
pub fn compare(load: Load) -> Vec<Figure> {
    let Load { messages, sessions, octets } = load;
    let ours = through(|onward| Some(Relay::postrider(onward, "")), load);
    let theirs = through(|onward| Relay::postfix(onward, ""), load);
    let mut figures = Vec::new();
    for (name, passed) in [&ours, &theirs].into_iter().flatten() {
        let what = format!("{name}, {messages} messages of {octets} octets, {sessions} sessions");
        let per_second = |time: Duration| f64::from(messages) / time.as_secs_f64();
        figures.push(Figure::new(format!("accepted by {what}"), per_second(passed.accepted), "messages/s"));
        figures.push(Figure::new(
            format!("end to end through {what}"),
            per_second(passed.arrived),
            "messages/s",
        ));
        let cpu = passed.cpu.as_secs_f64() * 1e6 / f64::from(messages);
        figures.push(Figure::new(format!("CPU of {what}"), cpu, "us/message"));
    }
    if let (Some((_, ours)), Some((_, theirs))) = (ours, theirs) {
        let times = theirs.arrived.as_secs_f64() / ours.arrived.as_secs_f64();
        figures.push(Figure::new("end to end, postrider beside postfix", times, "times"));
        let part = ours.cpu.as_secs_f64() / theirs.cpu.as_secs_f64();
        figures.push(Figure::new("CPU, postrider beside postfix", part, "times").below(0.2));
    }
    figures
}
