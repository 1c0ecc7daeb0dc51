//! A command that did not do what was asked: what to say, and the code to end with.

use crate::config::Broken;
use crate::exit::Exit;
use std::io::{self, Write};

/// Why a command failed. The text says what to do where that is known.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A sentence and a code.
    Said(Exit, String),
    /// The configuration is broken: a report of its own.
    Config(Box<Broken>),
}

impl Failure {
    /// The configuration says something that cannot be done.
    pub(crate) fn config(text: impl Into<String>) -> Self {
        Self::Said(Exit::Config, text.into())
    }

    /// The system refused something.
    pub(crate) fn os(text: impl Into<String>) -> Self {
        Self::Said(Exit::OsErr, text.into())
    }

    /// Something that is needed is not there.
    pub(crate) fn unavailable(text: impl Into<String>) -> Self {
        Self::Said(Exit::Unavailable, text.into())
    }

    /// What was given can be understood, and is refused.
    pub(crate) fn data(text: impl Into<String>) -> Self {
        Self::Said(Exit::DataErr, text.into())
    }

    /// The command line asks for something that makes no sense.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::Said(Exit::Usage, text.into())
    }

    /// Says it on standard error.
    pub(crate) fn report(self) -> Exit {
        match self {
            Self::Said(exit, text) => {
                // There is nowhere else to say it.
                let _ = writeln!(io::stderr(), "postrider: {text}");
                exit
            }
            Self::Config(broken) => super::complain(&broken),
        }
    }
}

impl From<Broken> for Failure {
    fn from(broken: Broken) -> Self {
        Self::Config(Box::new(broken))
    }
}
