//! Memory: of an idle session, and while a large message passes.

use super::Plan;
use super::client::{Idle, Load, send};
use super::process::pause;
use super::row::Row;
use super::server::Server;
use crate::limits::{
    IDLE_SESSIONS, IDLE_TARGET_KIB, KIB, LARGE_OCTETS, LARGE_SECONDS, LARGE_TARGET_MIB, QUIET,
    WARM_UP_MESSAGES,
};
use crate::problem::Problem;

const WARM_UP: Load =
    Load { sessions: 1, octets: 4 * KIB, messages: WARM_UP_MESSAGES, seconds: LARGE_SECONDS };

/// The server's memory with many sessions that have said EHLO and nothing since, less that without them.
pub(crate) fn idle(plan: &Plan) -> Result<Vec<Row>, Problem> {
    let server = Server::start(plan)?;
    send(server.address, WARM_UP)?;
    server.process.when_quiet()?;
    let before = server.process.memory_kib()?;
    let held = Idle::open(server.address, IDLE_SESSIONS)?;
    pause(QUIET);
    let with = server.process.memory_kib()?;
    drop(held);
    let each = with.saturating_sub(before) as f64 / IDLE_SESSIONS as f64;
    let row = Row::new(format!("memory of an idle session, {IDLE_SESSIONS} of them"), each, "KiB");
    Ok(vec![row.below(IDLE_TARGET_KIB)])
}

/// The server's peak while one large message is received and delivered, less what it had before.
pub(crate) fn large(plan: &Plan) -> Result<Vec<Row>, Problem> {
    let server = Server::start(plan)?;
    send(server.address, WARM_UP)?;
    server.process.when_quiet()?;
    server.process.forget_peak()?;
    let before = server.process.memory_kib()?;
    let accepted = send(server.address, Load { octets: LARGE_OCTETS, messages: 1, ..WARM_UP })?;
    let receiving = server.process.peak_kib()?;
    server.process.when_quiet()?;
    let delivering = server.process.peak_kib()?;
    let growth = |peak: u64| peak.saturating_sub(before) as f64 / KIB as f64;
    let size = LARGE_OCTETS / KIB / KIB;
    Ok(vec![
        Row::new(format!("growth of memory, receiving {size} MiB"), growth(receiving), "MiB")
            .below(LARGE_TARGET_MIB),
        Row::new(format!("growth of memory, {size} MiB delivered too"), growth(delivering), "MiB"),
        Row::new(format!("time to accept {size} MiB"), accepted.took.as_secs_f64(), "s"),
    ])
}
