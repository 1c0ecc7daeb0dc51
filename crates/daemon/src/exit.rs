//! What the process says when it ends: the codes of `sysexits.h`, each with one meaning, in one place.
//!
//! Scripts and service managers rely on them (`RestartPreventExitStatus=78` in a systemd unit).

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done as asked.
    Ok,
    /// EX_USAGE: the command line cannot be understood.
    Usage,
    /// EX_NOINPUT: an input file cannot be read.
    NoInput,
    /// EX_UNAVAILABLE: what the command needs is not there: the server, the message, the folder's lock.
    Unavailable,
    /// EX_OSERR: the system refused something.
    OsErr,
    /// EX_TEMPFAIL: not now; the same may succeed later.
    TempFail,
    /// EX_IOERR: the output could not be written.
    IoErr,
    /// EX_CONFIG: the configuration is wrong or cannot be read.
    Config,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Ok => 0,
            Exit::Usage => 64,
            Exit::NoInput => 66,
            Exit::Unavailable => 69,
            Exit::OsErr => 71,
            Exit::IoErr => 74,
            Exit::TempFail => 75,
            Exit::Config => 78,
        })
    }
}
