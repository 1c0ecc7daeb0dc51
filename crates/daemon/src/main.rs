//! The binary `postrider`: it turns the command line and the configuration into values, and hands them
//! down. It decides nothing about mail.
//!
//! | module | what is in it |
//! |---|---|
//! | `command` | the command line: one file per subcommand |
//! | `config` | the configuration file; no other crate sees its format |
//! | `exit` | what the exit codes mean |
//! | `log_lines` | log lines on their way to standard error |
//! | `screen` | the conversation as it scrolls by |
//! | `service` | a running server: opened, wired, started, stopped |
//! | `thread` | threads with a name and a bounded end |

mod command;
mod config;
mod exit;
mod log_lines;
mod screen;
mod service;
mod thread;

use std::process::ExitCode;

fn main() -> ExitCode {
    command::run(std::env::args_os()).into()
}
