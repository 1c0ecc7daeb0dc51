//! The command line. Each subcommand is one file with its arguments (`clap::Args`) and a `run`; adding one
//! means adding the file, a variant and an arm here.

mod account;
mod alias;
mod check;
mod control;
mod dev;
mod failure;
mod logs;
mod place;
mod queue;
mod route;
mod send;
mod serve;
mod talk;
mod trace;
mod users;

pub(crate) use failure::Failure;

use crate::config::{Broken, Config};
use crate::exit::Exit;
use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

/// A mail server whose conversations you can see.
#[derive(Debug, Parser)]
#[command(name = "postrider", version, arg_required_else_help = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Dev(dev::Dev),
    Serve(serve::Serve),
    Send(Box<send::Send>),
    Talk(talk::Talk),
    Check(check::Check),
    Queue(queue::Queue),
    Trace(trace::Trace),
    Account(account::Account),
    Alias(alias::Alias),
    Route(route::Route),
}

impl Command {
    fn run(&self) -> Exit {
        match self {
            Self::Dev(dev) => ended(dev.run()),
            Self::Serve(serve) => ended(serve.run()),
            Self::Send(send) => ended(send.run()),
            Self::Talk(talk) => ended(talk.run()),
            Self::Check(check) => check.run(),
            Self::Queue(queue) => ended(queue.run()),
            Self::Trace(trace) => ended(trace.run()),
            Self::Account(account) => ended(account.run()),
            Self::Alias(alias) => ended(alias.run()),
            Self::Route(route) => ended(route.run()),
        }
    }
}

/// Which configuration to read, for every command that needs one.
#[derive(Debug, Args)]
struct ConfigFile {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

impl ConfigFile {
    /// Where it is.
    fn path(&self) -> PathBuf {
        self.config.clone()
    }

    /// The configuration, or how to say what is wrong with it.
    fn load(&self) -> Result<Config, Broken> {
        Config::load(&self.config)
    }
}

/// Does what `arguments` (the program's name first) ask for.
pub(crate) fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    match CommandLine::try_parse_from(arguments) {
        Ok(line) => line.command.run(),
        Err(answer) => {
            let asked_for = !answer.use_stderr();
            match answer.print() {
                Ok(()) if asked_for => Exit::Ok,
                Ok(()) => Exit::Usage,
                Err(error) => unwritten(&error),
            }
        }
    }
}

/// Says what went wrong, if something did.
fn ended(outcome: Result<Exit, Failure>) -> Exit {
    outcome.unwrap_or_else(Failure::report)
}

/// Writes a command's whole answer to standard output. `exit` is how the command ends if that works.
fn answer(text: &str, exit: Exit) -> Exit {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => exit,
        Err(error) => unwritten(&error),
    }
}

/// Says on standard error what is wrong with a configuration: drawn for a terminal that can show it, a
/// line per fact otherwise.
fn complain(broken: &Broken) -> Exit {
    let stderr = io::stderr();
    let text = match (stderr.is_terminal(), std::env::var_os("TERM")) {
        (true, Some(term)) if term != "dumb" => {
            let width = rustix::termios::tcgetwinsize(&stderr).map_or(0, |size| size.ws_col);
            broken.drawn(usize::from(width), crate::config::Look::of_environment())
        }
        _ => broken.plain(),
    };
    match stderr.lock().write_all(text.as_bytes()) {
        Ok(()) => Exit::Config,
        // There is nowhere left to complain to.
        Err(_) => Exit::IoErr,
    }
}

/// Output that nobody reads any more (`| head`) is no news; any other failure is.
fn unwritten(error: &io::Error) -> Exit {
    if error.kind() != io::ErrorKind::BrokenPipe {
        let _ = writeln!(io::stderr(), "postrider: the output cannot be written: {error}");
    }
    Exit::IoErr
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn every_command_shows_an_example() {
        fn check(command: &clap::Command, path: &str) {
            for command in command.get_subcommands() {
                let path = format!("{path} {}", command.get_name());
                let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(after.contains(&path), "{path}");
                check(command, &path);
            }
        }
        check(&CommandLine::command(), "postrider");
    }
}
