//! A place for a server: its data folder, its configuration, its accounts, its mailboxes. Gone when dropped.
//!
//! `serve` refuses to be root. Where tests run as root, everything belongs to `nobody`, and the configuration
//! names that user; elsewhere everything belongs to whoever runs the tests.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::binary;
use crate::process::{Server, outcome};
use crate::wait::until;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The user that a server becomes when root starts it.
const USER: &str = "nobody";

/// A folder with all that a server needs.
pub struct Site {
    home: TempDir,
    owner: Option<(u32, u32)>,
}

impl Site {
    /// A site with nothing in it; enough for `dev`.
    #[expect(clippy::new_without_default, reason = "it makes a folder on disk")]
    pub fn new() -> Self {
        let home = tempfile::Builder::new().prefix("postrider-").tempdir().unwrap();
        let owner = rustix::process::geteuid().is_root().then(|| ids_of(USER));
        let site = Self { home, owner };
        fs::create_dir(site.data()).unwrap();
        fs::set_permissions(site.data(), fs::Permissions::from_mode(0o700)).unwrap();
        site.hand_over();
        site
    }

    /// The site of the dialogues: mx.local.example, where friend, richlowe, afair and the alias staff are, and
    /// a listener for LMTP. `more` stands at the end of the configuration.
    pub fn local_example(more: &str) -> Self {
        let site = Self::new();
        site.configure(&format!(
            "[domains.\"local.example\"]\n[[listener]]\naddress = \"127.0.0.2:0\"\nservice = \"lmtp\"\n{more}"
        ));
        site.add_accounts(&["friend@local.example", "richlowe@local.example", "afair@local.example"]);
        site.add_alias("staff@local.example", &["friend@local.example", "afair@local.example"]);
        site
    }

    /// Writes the configuration: one SMTP listener, and whatever sections `sections` has.
    pub fn configure(&self, sections: &str) {
        self.configure_as("mx.local.example", SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), sections);
    }

    /// The same for a server of another name that listens there.
    pub fn configure_as(&self, hostname: &str, listen: SocketAddr, sections: &str) {
        let user = self.owner.map(|_| format!("user = \"{USER}\"\n")).unwrap_or_default();
        let data = self.data();
        let text = format!(
            "hostname = \"{hostname}\"\ndata = \"{}\"\nlisten = [\"{listen}\"]\n{user}{sections}\n",
            data.display()
        );
        self.write_config(&text);
    }

    /// Writes exactly this as the configuration.
    pub fn write_config(&self, text: &str) {
        fs::write(self.config(), text).unwrap();
        self.hand_over();
    }

    /// The configuration as it stands.
    pub fn read_config(&self) -> String {
        fs::read_to_string(self.config()).unwrap()
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.home.path().join("postrider.toml")
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// The folder that holds both, which the server's user owns.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Adds accounts without passwords.
    pub fn add_accounts(&self, addresses: &[&str]) {
        for address in addresses {
            self.postrider(&["account", "add", "--no-password", address]);
        }
    }

    /// Adds an alias.
    pub fn add_alias(&self, address: &str, members: &[&str]) {
        self.postrider(&[&["alias", "add", address], members].concat());
    }

    /// Runs a command for this configuration; gives what it says.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn postrider(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(binary::postrider());
        command.args(arguments).arg("--config").arg(self.config());
        let (status, said) = outcome(command);
        assert!(status.success(), "{arguments:?}: {status}\n{said}");
        said
    }

    /// `postrider serve` here.
    pub fn serve_command(&self) -> Command {
        let mut command = Command::new(binary::postrider());
        command.arg("serve").arg("--config").arg(self.config());
        command
    }

    /// `postrider dev` here, on a port of its own choice.
    pub fn dev_command(&self) -> Command {
        let mut command = Command::new(binary::postrider());
        command.args(["dev", "--quiet", "--listen", "127.0.0.1:0", "--data"]).arg(self.data());
        command
    }

    /// A running `postrider serve`.
    #[track_caller]
    pub fn serve(&self) -> Server {
        Server::start(self.serve_command())
    }

    /// A running `postrider dev`.
    #[track_caller]
    pub fn dev(&self) -> Server {
        Server::start(self.dev_command())
    }

    /// What lies in the mailbox of `address`: the name of each file, and its octets.
    pub fn mail(&self, address: &str) -> Vec<(String, Vec<u8>)> {
        let mailbox = self.data().join("mail").join(address);
        let mut mail = Vec::new();
        for folder in ["new", "cur"] {
            let Ok(entries) = fs::read_dir(mailbox.join(folder)) else { continue };
            for entry in entries {
                let entry = entry.unwrap();
                mail.push((entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()));
            }
        }
        mail.sort();
        mail
    }

    /// Waits until `count` messages lie in the mailbox of `address`.
    ///
    /// # Panics
    /// When there are more.
    #[track_caller]
    pub fn delivered(&self, address: &str, count: usize) -> Vec<(String, Vec<u8>)> {
        let what = format!("{count} messages in the mailbox of {address}");
        let mail = until(&what, || Some(self.mail(address)).filter(|mail| mail.len() >= count));
        assert_eq!(mail.len(), count, "{what}");
        mail
    }

    /// Every file in any mailbox, unfinished ones too.
    pub fn files_in_mailboxes(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        walk(&self.data().join("mail"), &mut |path| {
            if path.is_file() {
                files.push(path.to_owned());
            }
        });
        files
    }

    /// Everything belongs to whom the server will be.
    pub fn hand_over(&self) {
        let Some((user, group)) = self.owner else { return };
        walk(self.home.path(), &mut |path| {
            // What a running server has removed meanwhile needs no owner.
            let _ = chown(path, Some(user), Some(group));
        });
    }
}

/// Visits a folder and everything in it.
pub fn walk(path: &Path, visit: &mut impl FnMut(&Path)) {
    visit(path);
    let Ok(entries) = fs::read_dir(path) else { return };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(&entry.path(), visit);
        } else {
            visit(&entry.path());
        }
    }
}

fn ids_of(user: &str) -> (u32, u32) {
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let line = users.lines().find(|line| line.split(':').next() == Some(user)).unwrap();
    let fields: Vec<&str> = line.split(':').collect();
    (fields[2].parse().unwrap(), fields[3].parse().unwrap())
}
