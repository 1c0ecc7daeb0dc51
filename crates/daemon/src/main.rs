//! The binary `postrider`: it turns the command line and the configuration into values, and hands them
//! down. It decides nothing about mail.
//!
//! | module | what is in it |
//! |---|---|
//! | `command` | the command line: one file per subcommand |
//! | `config` | the configuration file; no other crate sees its format |
//! | `exit` | what the exit codes mean |
//! | `screen` | the conversation as it scrolls by |
//! | `service` | a running server: opened, wired, started, stopped |

mod command;
mod config;
mod exit;
mod screen;
mod service;

use std::process::ExitCode;

fn main() -> ExitCode {
    command::run(std::env::args_os()).into()
}
