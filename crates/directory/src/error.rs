//! Why the directory does not do what it was asked.

use crate::limits::{ALIAS_MEMBERS_MAX, PASSWORD_CHARACTERS_MIN};
use postrider_mail::Mailbox;
use std::fmt;
use std::path::PathBuf;

/// A refusal to an operator's command, or trouble with the file. [`Error::is_refusal`] tells them apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The address is an account already.
    IsAccount(Mailbox),
    /// The address is an alias already.
    IsAlias(Mailbox),
    /// There is no such account.
    NoAccount(Mailbox),
    /// There is no such alias.
    NoAlias(Mailbox),
    /// An alias has to lead somewhere else.
    NoMembers(Mailbox),
    /// More members than an alias may have.
    TooManyMembers(Mailbox),
    /// The address is the only member of an alias, which would then lead nowhere.
    OnlyMember {
        /// The address to be removed.
        member: Mailbox,
        /// The alias.
        alias: Mailbox,
    },
    /// The new password is too short.
    PasswordTooShort,
    /// The file was written by a newer version.
    Newer {
        /// The file.
        file: PathBuf,
        /// Its version.
        found: i64,
        /// The newest version known here.
        known: i64,
    },
    /// The file cannot be used.
    Storage {
        /// The file.
        file: PathBuf,
        /// What the system says.
        why: String,
    },
}

impl Error {
    /// Whether the command was understood and refused; otherwise the file is in trouble.
    pub fn is_refusal(&self) -> bool {
        !matches!(self, Self::Newer { .. } | Self::Storage { .. })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IsAccount(address) => write!(f, "{address} is an account already"),
            Self::IsAlias(address) => write!(f, "{address} is an alias already"),
            Self::NoAccount(address) => write!(f, "there is no account {address}"),
            Self::NoAlias(address) => write!(f, "there is no alias {address}"),
            Self::NoMembers(alias) => write!(f, "the alias {alias} needs a member other than itself"),
            Self::TooManyMembers(alias) => {
                write!(f, "the alias {alias} has more than {ALIAS_MEMBERS_MAX} members")
            }
            Self::OnlyMember { member, alias } => {
                write!(f, "{member} is the only member of the alias {alias}; remove the alias first")
            }
            Self::PasswordTooShort => {
                write!(f, "a password has at least {PASSWORD_CHARACTERS_MIN} characters")
            }
            Self::Newer { file, found, known } => write!(
                f,
                "{} has version {found}, and this program knows versions up to {known}: use the newer program",
                file.display()
            ),
            Self::Storage { file, why } => write!(f, "{} cannot be used: {why}", file.display()),
        }
    }
}

impl std::error::Error for Error {}
