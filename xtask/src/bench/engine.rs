//! What the protocol engine alone needs for a message and for a session: its example `engine`, run for two
//! numbers of messages under valgrind's callgrind and memcheck, whose difference leaves out what start and end
//! cost; and on its own for its speed, which is that of the fastest of a few runs.

use super::Plan;
use super::row::Row;
use crate::limits::{ENGINE_MESSAGES, ENGINE_RUNS, ENGINE_SESSIONS, KIB};
use crate::problem::{Problem, While};
use crate::tools::{self, cargo};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// How content comes, as the example and as people call it.
const WAYS: [(&str, &str); 2] = [("data", "DATA"), ("bdat", "BDAT")];
/// Octets of a message.
const SIZES: [usize; 2] = [4 * KIB, 64 * KIB];

/// Rows for each way and size, and for sessions of one small message.
pub(crate) fn measure(_: &Plan) -> Result<Vec<Row>, Problem> {
    if !tools::run(&mut cargo(["build", "--release", "--package", "postrider-smtp", "--example", "engine"]))?
    {
        return Err(Problem::new("the engine's example does not build"));
    }
    let mut rows = Vec::new();
    if tools::find("valgrind").is_some() {
        for (way, called) in WAYS {
            for octets in SIZES {
                let what = format!("engine alone, {called}, {} KiB", octets / KIB);
                rows.push(counted(&Count::INSTRUCTIONS, &what, way, octets)?);
                rows.push(counted(&Count::ALLOCATIONS, &what, way, octets)?);
            }
        }
    } else {
        rows.push(Row::not_measured("engine alone, per message", "valgrind is not installed"));
    }
    for (way, called) in WAYS {
        let what = format!("engine alone, {called}, 4 KiB, a session each");
        rows.push(Row::new(what, sessions_per_second(way)?, "sessions/s"));
    }
    Ok(rows)
}

/// Something that valgrind counts.
struct Count {
    tool: &'static [&'static str],
    find: fn(&str) -> Option<u64>,
    unit: &'static str,
}

impl Count {
    const INSTRUCTIONS: Self = Self {
        tool: &["--tool=callgrind", "--callgrind-out-file=/dev/null"],
        find: collected,
        unit: "instructions/message",
    };
    const ALLOCATIONS: Self =
        Self { tool: &["--tool=memcheck", "--leak-check=no"], find: allocated, unit: "allocations/message" };
}

fn counted(count: &Count, what: &str, way: &str, octets: usize) -> Result<Row, Problem> {
    let [few, many] = ENGINE_MESSAGES;
    let at = |messages: u64| -> Result<u64, Problem> {
        let mut command = Command::new("valgrind");
        command.args(count.tool).arg(example());
        command.args(["messages", way, &messages.to_string(), &octets.to_string()]);
        let output = command.stdin(Stdio::null()).output().while_("valgrind")?;
        let said = String::from_utf8_lossy(&output.stderr);
        let found = (count.find)(&said).filter(|_| output.status.success());
        found.ok_or_else(|| Problem::new(format!("valgrind did not count: {said}")))
    };
    let between = at(many)?.saturating_sub(at(few)?);
    Ok(Row::new(what, between as f64 / (many - few) as f64, count.unit))
}

fn sessions_per_second(way: &str) -> Result<f64, Problem> {
    let mut fastest = f64::INFINITY;
    for _ in 0..ENGINE_RUNS {
        let mut command = Command::new(example());
        command.args(["sessions", way, &ENGINE_SESSIONS.to_string(), &SIZES[0].to_string()]);
        let seconds = tools::output(&mut command).as_deref().and_then(seconds);
        let seconds =
            seconds.ok_or_else(|| Problem::new("the engine's example did not say how long it took"))?;
        fastest = fastest.min(seconds);
    }
    Ok(ENGINE_SESSIONS as f64 / fastest)
}

fn example() -> PathBuf {
    tools::target().join("release/examples/engine")
}

/// `==7== Collected : 12345`
fn collected(said: &str) -> Option<u64> {
    said.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok())
}

/// `==7==   total heap usage: 1,234 allocs, 1,234 frees, 56,789 bytes allocated`
fn allocated(said: &str) -> Option<u64> {
    let usage = said.lines().find_map(|line| Some(line.split_once("total heap usage: ")?.1))?;
    usage.split_once(" allocs")?.0.replace(',', "").parse().ok()
}

/// `0.123456 s`, in the last line.
fn seconds(said: &str) -> Option<f64> {
    said.lines().last()?.strip_suffix(" s")?.parse().ok().filter(|seconds| *seconds > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callgrind_says_how_much_it_collected() {
        assert_eq!(collected("==7== Events    : Ir\n==7== Collected : 12345\n==7== \n"), Some(12345));
        assert_eq!(collected("==7== Events    : Ir\n"), None);
    }

    #[test]
    fn memcheck_says_how_often_it_allocated() {
        let said =
            "==7== HEAP SUMMARY:\n==7==   total heap usage: 1,234,567 allocs, 9 frees, 8 bytes allocated\n";
        assert_eq!(allocated(said), Some(1_234_567));
        assert_eq!(allocated("==7== HEAP SUMMARY:\n"), None);
    }

    #[test]
    fn the_example_says_how_long_it_took() {
        assert_eq!(seconds("2 messages, 1 octets\n0.250000 s\n"), Some(0.25));
        for nothing in ["", "2 messages", "0.000000 s"] {
            assert_eq!(seconds(nothing), None, "{nothing}");
        }
    }
}
