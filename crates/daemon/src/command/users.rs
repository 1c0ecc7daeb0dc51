//! What `account` and `alias` share: the directory of users in a data folder, and who belongs there.
//!
//! The database is changed directly; a running server sees a change with its next look-up.

use super::place::DataFolder;
use super::{Failure, serve};
use crate::config::{Config, UserName};
use crate::exit::Exit;
use crate::service::privileges;
use clap::Args;
use nix::unistd::User;
use postrider_directory::{Directory, Error};
use postrider_mail::Mailbox;
use postrider_policy::admit::Rules;
use postrider_policy::route::{Hop, onward};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

/// Whose users are meant: a server's, by its configuration or its data folder.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Home {
    /// The server's configuration: addresses are checked against its domains
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The server's data folder: addresses are taken as they are
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// The users of one server.
pub(super) struct Users {
    folder: DataFolder,
    /// With the name of its file.
    config: Option<(Config, PathBuf)>,
    /// What the configuration means for addresses.
    rules: Option<Rules>,
}

/// Where the mail of an alias's member goes, as far as is known.
pub(super) enum Member {
    /// To an account or alias of this server.
    Local,
    /// To another host, by this hop.
    Elsewhere(Hop),
    /// Without a configuration nobody can say.
    Unknown,
}

impl Home {
    /// The users, in a folder that is there.
    pub(super) fn users(&self) -> Result<Users, Failure> {
        let (folder, config) = match (&self.config, &self.data) {
            (Some(file), _) => {
                let config = Config::load(file)?;
                (DataFolder::of_config(&config, file)?, Some((config, file.clone())))
            }
            (None, Some(data)) => (DataFolder::named(data)?, None),
            (None, None) => return Err(Failure::usage("whose users? --config FILE or --data DIR")),
        };
        let rules = config.as_ref().map(|(config, _)| serve::settings(config).rules);
        let users = Users { folder, config, rules };
        users.check_owner()?;
        Ok(users)
    }

    /// The same for a command that adds the first user before the server has ever run: the folder that a
    /// configuration names is made, as the server would make it.
    pub(super) fn users_to_be(&self) -> Result<Users, Failure> {
        if let Some(file) = &self.config {
            let config = Config::load(file)?;
            if !config.data.exists() {
                make(&config)?;
            }
        }
        self.users()
    }
}

/// Makes the data folder as the user the server will run as.
fn make(config: &Config) -> Result<(), Failure> {
    privileges::private_files();
    let data = config.data.display();
    let user = config.user.as_ref().map(UserName::as_str);
    if privileges::is_root() && user.is_none() {
        return Err(Failure::config(format!(
            "{data} does not exist, and whose it should be the configuration does not say\n  \
             make it for the user the server runs as: install -d -m 700 -o USER {data}"
        )));
    }
    privileges::drop_to(user)?;
    DirBuilder::new().recursive(true).mode(0o700).create(&config.data).map_err(|error| {
        Failure::os(format!(
            "the data folder {data} cannot be made: {error}\n  \
             make it for the user the server runs as: install -d -m 700 -o {} {data}",
            user.unwrap_or("USER")
        ))
    })
}

impl Users {
    /// The directory, opened as the owner of the folder.
    pub(super) fn open(&self) -> Result<Directory, Failure> {
        self.folder.enter()?;
        Directory::open(self.folder.path()).map_err(|error| refused(&error))
    }

    /// The directory if there is one already: looking makes none.
    pub(super) fn open_if_there(&self) -> Result<Option<Directory>, Failure> {
        if Directory::is_in(self.folder.path()) { self.open().map(Some) } else { Ok(None) }
    }

    /// Where all mailboxes lie.
    pub(super) fn mail(&self) -> PathBuf {
        self.folder.path().join("mail")
    }

    /// Refuses an address that the server would not take mail for.
    pub(super) fn check_local(&self, address: &Mailbox) -> Result<(), Failure> {
        let Some((config, file)) = &self.config else { return Ok(()) };
        if address.host().domain().is_some_and(|domain| config.no_mail.contains(domain)) {
            return Err(Failure::data(format!(
                "{address}: {} takes no mail (`mail = false` in {})",
                address.host(),
                file.display()
            )));
        }
        if self.is_local(address) {
            return Ok(());
        }
        Err(Failure::data(format!(
            "{address}: {host} is no local domain of {file}\n  \
             add the line [domains.\"{host}\"] to it, tell the server with SIGHUP, and try again",
            host = address.host(),
            file = file.display()
        )))
    }

    /// Where a member of an alias is; refuses one that no route leads to.
    pub(super) fn check_member(&self, member: &Mailbox) -> Result<Member, Failure> {
        let Some(rules) = &self.rules else { return Ok(Member::Unknown) };
        if self.is_local(member) {
            return Ok(Member::Local);
        }
        match onward(&rules.routes, &rules.local, member) {
            Some(rule) => Ok(Member::Elsewhere(rule.hop.clone())),
            None => Err(Failure::data(format!(
                "{member}: {host} is not a local domain, and no route leads to it\n  \
                 mail to the alias would be refused: name another member, or add a [[route]] for {host}",
                host = member.host()
            ))),
        }
    }

    fn is_local(&self, address: &Mailbox) -> bool {
        self.rules.as_ref().is_none_or(|rules| rules.local.rules(address).is_some())
    }

    /// A server that runs as another user than the folder's owner could not read what is written here.
    fn check_owner(&self) -> Result<(), Failure> {
        let Some(name) = self.config.as_ref().and_then(|(config, _)| config.user.as_ref()) else {
            return Ok(());
        };
        // A user that the system does not know is the server's to complain about.
        let Ok(Some(user)) = User::from_name(name.as_str()) else { return Ok(()) };
        if !privileges::is_root() || user.uid == self.folder.owner() {
            return Ok(());
        }
        Err(Failure::os(format!(
            "{data} belongs to {}, and the server will run as {name}\n  give it to the server: chown -R {name} {data}",
            self.folder.owner_name(),
            name = name.as_str(),
            data = self.folder.path().display(),
        )))
    }
}

/// What the directory says no to, or that it cannot be used.
pub(super) fn refused(error: &Error) -> Failure {
    let exit = match error {
        Error::NoAccount(_) | Error::NoAlias(_) => Exit::Unavailable,
        error if error.is_refusal() => Exit::DataErr,
        _ => Exit::Unavailable,
    };
    Failure::Said(exit, error.to_string())
}
