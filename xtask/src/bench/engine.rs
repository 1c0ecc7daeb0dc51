//! Instructions per message of the protocol engine alone: its example `engine`, under valgrind's callgrind,
//! for two numbers of messages; what start and end cost is in both and falls away.

use super::Plan;
use super::row::Row;
use crate::limits::{ENGINE_MESSAGES, KIB};
use crate::problem::{Problem, While};
use crate::tools::{self, cargo};
use std::process::{Command, Stdio};

/// A row for each size of message.
pub(crate) fn measure(_: &Plan) -> Result<Vec<Row>, Problem> {
    let what = |octets: usize| format!("engine alone, {} KiB", octets / KIB);
    let sizes = [4 * KIB, 64 * KIB];
    if tools::find("valgrind").is_none() {
        return Ok(vec![Row::not_measured("engine alone", "valgrind is not installed")]);
    }
    if !tools::run(&mut cargo(["build", "--release", "--package", "postrider-smtp", "--example", "engine"]))?
    {
        return Err(Problem::new("the engine's example does not build"));
    }
    let [few, many] = ENGINE_MESSAGES;
    sizes
        .map(|octets| {
            let between = instructions(many, octets)?.saturating_sub(instructions(few, octets)?);
            Ok(Row::new(what(octets), between as f64 / (many - few) as f64, "instructions/message"))
        })
        .into_iter()
        .collect()
}

fn instructions(messages: u64, octets: usize) -> Result<u64, Problem> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    command.arg(tools::target().join("release/examples/engine"));
    command.args([messages.to_string(), octets.to_string()]).stdin(Stdio::null());
    let output = command.output().while_("valgrind")?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = collected(&said).filter(|_| output.status.success());
    collected.ok_or_else(|| Problem::new(format!("valgrind did not count: {said}")))
}

/// `==7== Collected : 12345`
fn collected(said: &str) -> Option<u64> {
    said.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callgrind_says_how_much_it_collected() {
        assert_eq!(collected("==7== Events    : Ir\n==7== Collected : 12345\n==7== \n"), Some(12345));
        assert_eq!(collected("==7== Events    : Ir\n"), None);
    }
}
