//! Which data folder a command means, and as whom it works there.
//!
//! Everything below a data folder belongs to the user its server runs as. A command given by root works in
//! it as that user, so that nothing appears there that the server cannot read; any other user is told whose
//! the folder is. Looking never makes a folder.

use super::Failure;
use super::dev::default_data;
use crate::config::Config;
use crate::service::privileges;
use clap::Args;
use nix::unistd::{Gid, Uid, User};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Which server is meant, running or not.
#[derive(Debug, Args)]
pub(super) struct Place {
    /// The configuration of the server that is meant
    #[arg(long, value_name = "FILE", conflicts_with = "data")]
    config: Option<PathBuf>,
    /// The data folder of the server that is meant [default: that of `postrider dev`]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl Place {
    /// The folder, if it is there and this user may work in it.
    pub(super) fn folder(&self) -> Result<DataFolder, Failure> {
        match (&self.config, &self.data) {
            (Some(file), _) => DataFolder::of_config(&Config::load(file)?, file),
            (None, Some(data)) => DataFolder::named(data),
            (None, None) => DataFolder::at(
                default_data()?,
                ", where `postrider dev` keeps things\n  name the server's: --config FILE or --data DIR",
            ),
        }
    }
}

/// A data folder that exists, and that is ours or that root may enter.
#[derive(Debug)]
pub(super) struct DataFolder {
    path: PathBuf,
    owner: Uid,
    group: Gid,
}

impl DataFolder {
    /// The folder that a configuration names.
    pub(super) fn of_config(config: &Config, file: &Path) -> Result<Self, Failure> {
        let named_by = format!(
            ", which {} names\n  the server makes it when it starts; another one is named with --data DIR",
            file.display()
        );
        Self::at(config.data.clone(), &named_by)
    }

    /// The folder that `--data` names.
    pub(super) fn named(data: &Path) -> Result<Self, Failure> {
        let path = std::path::absolute(data)
            .map_err(|error| Failure::os(format!("the data folder {}: {error}", data.display())))?;
        Self::at(path, "\n  name another with --data DIR, or the server's configuration with --config FILE")
    }

    /// `if_missing` goes on behind "there is no data folder …".
    fn at(path: PathBuf, if_missing: &str) -> Result<Self, Failure> {
        let found = match fs::metadata(&path) {
            Ok(found) if found.is_dir() => found,
            Ok(_) => return Err(Failure::unavailable(format!("{} is no folder", path.display()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let text = format!("there is no data folder {}{if_missing}", path.display());
                return Err(Failure::unavailable(text));
            }
            Err(error) => {
                return Err(Failure::os(format!("the data folder {}: {error}", path.display())));
            }
        };
        let folder = Self { path, owner: Uid::from_raw(found.uid()), group: Gid::from_raw(found.gid()) };
        let me = Uid::effective();
        if me.is_root() || me == folder.owner {
            return Ok(folder);
        }
        let owner = folder.owner_name();
        Err(Failure::os(format!(
            "the data folder {} belongs to the user {owner}\n  sudo -u {owner} postrider …",
            folder.path.display()
        )))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whose it is.
    pub(super) fn owner(&self) -> Uid {
        self.owner
    }

    /// The owner's name, or number where the system knows no name.
    pub(super) fn owner_name(&self) -> String {
        let known = User::from_uid(self.owner).ok().flatten();
        known.map_or_else(|| format!("#{}", self.owner), |user| user.name)
    }

    /// From here on this process makes files as the owner of the folder, private ones. Root becomes the
    /// owner for good; anyone else is the owner already.
    pub(super) fn enter(&self) -> Result<(), Failure> {
        privileges::private_files();
        if !Uid::effective().is_root() || self.owner.is_root() {
            return Ok(());
        }
        let failed = |error: String| {
            let (owner, path) = (self.owner_name(), self.path.display());
            Failure::os(format!("cannot become {owner}, to whom {path} belongs: {error}"))
        };
        let known =
            User::from_uid(self.owner).map_err(|error| failed(format!("the user database: {error}")))?;
        let (name, group) = known.map_or((None, self.group), |user| (Some(user.name), user.gid));
        privileges::become_for_good(name.as_deref(), self.owner, group).map_err(failed)
    }
}

/// A file or folder below the data folder that must be there for the command to make sense.
pub(super) fn require(below: &Path, what: &str) -> Result<(), Failure> {
    match fs::metadata(below) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let data = below.parent().unwrap_or(below).display();
            Err(Failure::unavailable(format!("there is no {what} in {data}: no server has run there yet")))
        }
        Err(error) => Err(Failure::os(format!("{}: {error}", below.display()))),
    }
}
