//! Messages per second, and the server's CPU time per message. Accepted is what got its 250 while the load
//! lasted; delivered is the same messages over the time until the server was at rest.

use super::Plan;
use super::client::{Load, send};
use super::row::Row;
use super::server::Server;
use crate::limits::{KIB, QUIET, SESSIONS, SPEED_OCTETS_MAX, WARM_UP_MESSAGES};
use crate::problem::Problem;
use std::time::Instant;

/// Three rows for each number of sessions and each size of message.
pub(crate) fn measure(plan: &Plan) -> Result<Vec<Row>, Problem> {
    let mut rows = Vec::new();
    for octets in [4 * KIB, 64 * KIB] {
        for sessions in SESSIONS {
            rows.extend(at(plan, sessions, octets)?);
        }
    }
    Ok(rows)
}

fn at(plan: &Plan, sessions: u64, octets: usize) -> Result<[Row; 3], Problem> {
    let server = Server::start(plan)?;
    let messages = (SPEED_OCTETS_MAX / octets) as u64;
    let load = Load { sessions, octets, messages, seconds: plan.seconds };
    send(server.address, Load { sessions: 1, messages: WARM_UP_MESSAGES, ..load })?;
    let before = server.process.when_quiet()?;
    let began = Instant::now();
    let accepted = send(server.address, load)?;
    let cpu = server.process.when_quiet()?.saturating_sub(before);
    let delivered = began.elapsed().saturating_sub(QUIET);
    let messages = accepted.messages as f64;
    let what = format!("{sessions} sessions, {} KiB", octets / KIB);
    Ok([
        Row::new(format!("accepted, {what}"), messages / accepted.took.as_secs_f64(), "messages/s"),
        Row::new(format!("delivered, {what}"), messages / delivered.as_secs_f64(), "messages/s"),
        Row::new(format!("CPU of the server, {what}"), cpu.as_secs_f64() * 1e6 / messages, "us/message"),
    ])
}
