//! Log lines on standard error: one per event, for people on a terminal, as JSON on request.

use super::Failure;
use crate::log_lines::LogWriter;
use clap::{Args, ValueEnum};
use std::io::{self, IsTerminal};
use tracing_subscriber::EnvFilter;

/// How to log, for the commands that run a server.
#[derive(Debug, Args)]
pub(super) struct Logs {
    /// How log lines look
    #[arg(long, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    log: Format,
    /// How much is logged: error, warn, info, debug
    #[arg(long, default_value = "info", value_name = "LEVEL", value_parser = ["error", "warn", "info", "debug", "trace"])]
    log_level: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// An object per line
    Json,
}

impl Logs {
    /// Log lines go to standard error from now on, for as long as the writer that this gives is kept.
    pub(super) fn start(&self) -> Result<LogWriter, Failure> {
        let (lines, writer) = LogWriter::start()?;
        let builder = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new(&self.log_level))
            .with_writer(lines)
            .with_target(false);
        // A second subscriber cannot be set; there is only this one.
        let _ = match self.log {
            Format::Json => {
                tracing::subscriber::set_global_default(builder.json().flatten_event(true).finish())
            }
            Format::Text => {
                let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
                tracing::subscriber::set_global_default(builder.with_ansi(colours).finish())
            }
        };
        Ok(writer)
    }
}
