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
    /// EX_DATAERR: what was given can be understood, and is refused.
    DataErr,
    /// EX_NOINPUT: an input file cannot be read.
    NoInput,
    /// EX_NOHOST: the name of a host is not known.
    NoHost,
    /// EX_UNAVAILABLE: what the command needs is not there: the server, the message, the folder's lock; or
    /// it refuses for good.
    Unavailable,
    /// EX_OSERR: the system refused something.
    OsErr,
    /// EX_TEMPFAIL: not now; the same may succeed later.
    TempFail,
    /// EX_IOERR: the output could not be written.
    IoErr,
    /// EX_PROTOCOL: the other end does not keep to the protocol.
    Protocol,
    /// EX_CONFIG: the configuration is wrong or cannot be read.
    Config,
}

impl Exit {
    /// The code.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Usage => 64,
            Self::DataErr => 65,
            Self::NoInput => 66,
            Self::NoHost => 68,
            Self::Unavailable => 69,
            Self::OsErr => 71,
            Self::IoErr => 74,
            Self::TempFail => 75,
            Self::Protocol => 76,
            Self::Config => 78,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
