//! Syncs per message, counted by strace(1) in runs of their own: tracing costs time, so these runs say
//! nothing of speed, and a slower server gathers more messages into one sync.

use super::Plan;
use super::client::{Load, send};
use super::row::Row;
use super::server::Server;
use crate::limits::{KIB, SESSIONS, SYNCS_MESSAGES_PER_SESSION, SYNCS_SECONDS};
use crate::problem::Problem;
use crate::tools;

const TRACE: &str = "trace";

/// Two rows for each number of sessions: the queue's, and those of delivery.
pub(crate) fn measure(plan: &Plan) -> Result<Vec<Row>, Problem> {
    if tools::find("strace").is_none() {
        return Ok(vec![Row::not_measured("syncs", "strace is not installed")]);
    }
    let mut rows = Vec::new();
    for sessions in SESSIONS {
        rows.extend(at(plan, sessions)?);
    }
    Ok(rows)
}

fn at(plan: &Plan, sessions: u64) -> Result<[Row; 2], Problem> {
    let server = Server::start_under(plan, |folder| {
        let options = ["--follow-forks", "--seccomp-bpf", "--decode-fds=path", "--trace=fsync,fdatasync"];
        let mut words = vec!["strace".into()];
        words.extend(options.map(Into::into));
        words.extend(["--output".into(), folder.join(TRACE).into()]);
        words
    })?;
    let messages = sessions * SYNCS_MESSAGES_PER_SESSION;
    let load = Load { sessions, octets: 4 * KIB, messages, seconds: SYNCS_SECONDS };
    let accepted = send(server.address, load)?.messages as f64;
    server.process.when_quiet()?;
    let syncs = count(&server.stop_and_read(TRACE)?);
    let what = |whose| format!("syncs of {whose}, {sessions} sessions, 4 KiB");
    Ok([
        Row::new(what("the queue"), syncs.queue as f64 / accepted, "per message"),
        Row::new(what("delivery and the rest"), syncs.others as f64 / accepted, "per message"),
    ])
}

#[derive(Debug, PartialEq, Eq)]
struct Syncs {
    queue: u64,
    others: u64,
}

/// Counts the calls in a trace: `7 fdatasync(9</…/data/queue/queue.db-wal>) = 0`. A call that another thread
/// interrupts has a second line, `<... fdatasync resumed>`, without the bracket.
fn count(trace: &str) -> Syncs {
    let mut syncs = Syncs { queue: 0, others: 0 };
    for call in trace.lines().filter(|line| line.contains("fsync(") || line.contains("fdatasync(")) {
        if call.contains("/data/queue/") || call.contains("/data/queue>") {
            syncs.queue += 1;
        } else {
            syncs.others += 1;
        }
    }
    syncs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_once_and_told_apart_by_their_file() {
        let trace = "\
7 fdatasync(9</t/data/queue/queue.db-wal>) = 0
8 fsync(10</t/data/maildir/new> <unfinished ...>
7 fsync(11</t/data/queue>) = 0
8 <... fsync resumed>) = 0
9 +++ exited with 0 +++
";
        assert_eq!(count(trace), Syncs { queue: 2, others: 1 });
    }
}
