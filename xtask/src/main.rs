//! The developer's commands: `cargo xtask ci`, `cargo xtask bench`, `cargo xtask soak`,
//! `cargo xtask rfc`.
//!
//! | module | what is in it |
//! |---|---|
//! | `ci` | every check, in order, with counts at the end |
//! | `bench` | figures of the release binary and of the engine, with their targets |
//! | `soak` | a siege, the same for longer, and the tests with many more cases |
//! | `rfc` | whether code, tests and `docs/rfc.toml` agree on the standards we follow |
//! | `tools` | programs: where they are, how they are run and watched |
//! | `counts` | the closing lines of test runners |
//! | `table` | columns that line up, as text or JSON |
//! | `problem` | the one error: a sentence for a person |
//! | `limits` | every bound, with its unit |

mod bench;
mod ci;
mod counts;
mod limits;
mod problem;
mod rfc;
mod soak;
mod table;
mod tools;

use problem::Problem;
use std::process::ExitCode;

const HELP: &str = "\
The developer's commands of Postrider.

Usage: cargo xtask COMMAND [OPTION]...

Commands:
  ci      every check and every test, with counts at the end
  bench   what the release binary does per second, per message and per session
  soak    an hour among hostile peers, bench for longer, the tests with many more cases
  rfc     whether code and tests cite the standards as docs/rfc.toml has them

Options:
  --help  this text; after a command, the command's own

Examples:
  cargo xtask ci
  cargo xtask ci fmt clippy
  cargo xtask bench --json
  cargo xtask rfc --write
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.split_first() {
        None | Some((&"--help" | &"-h" | &"help", _)) => {
            print!("{HELP}");
            Ok(true)
        }
        Some((&"ci", rest)) => ci::run(rest),
        Some((&"bench", rest)) => bench::run(rest),
        Some((&"soak", rest)) => soak::run(rest),
        Some((&"rfc", rest)) => rfc::run(rest),
        Some((other, _)) => Err(Problem::usage(format!("there is no command `{other}`"))),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("xtask: {problem}");
            ExitCode::from(problem.exit_code())
        }
    }
}
