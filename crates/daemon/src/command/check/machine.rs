//! What is amiss on this machine for a configuration: the user that is not there, the data folder that is
//! missing, foreign, or open to others, name servers that nobody names. It looks and changes nothing; `serve`
//! meets the facts themselves.

use crate::config::{Config, UserName};
use nix::unistd::User;
use postrider_mail::Text;
use postrider_mta::resolver::DnsResolver;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Reading, writing and entering a folder, as the owner's bits of its mode.
const OWNER_ALL: u32 = 0o700;
/// What others than the owner may do with it.
const OTHERS_ANY: u32 = 0o077;

/// Who the server will be once it runs.
struct Runner {
    name: String,
    uid: u32,
}

/// The sentences, if anything is amiss.
pub(super) fn warnings(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    let runner = match &config.user {
        Some(user) => named(user, &mut warnings),
        None => {
            let uid = rustix::process::geteuid().as_raw();
            Some(Runner { name: if uid == 0 { "root".into() } else { format!("the user {uid}") }, uid })
        }
    };
    warnings.extend(about_folder(&config.data, runner.as_ref()));
    let resolver = DnsResolver::new(&config.dns.servers, config.dns.patience).ok();
    warnings.extend(resolver.and_then(|resolver| resolver.trouble()).map(|trouble| about_names(&trouble)));
    warnings
}

/// Nobody can be asked.
fn about_names(trouble: &Text) -> String {
    format!("Names cannot be looked up, and no mail leaves by them: {trouble}.")
}

/// The user of this name. One that is not there is a warning here and an error when the server starts.
fn named(user: &UserName, warnings: &mut Vec<String>) -> Option<Runner> {
    match User::from_name(user.as_str()) {
        Ok(Some(found)) => return Some(Runner { name: user.as_str().into(), uid: found.uid.as_raw() }),
        Ok(None) => warnings.push(format!("There is no user {} on this system.", user.as_str())),
        Err(error) => warnings.push(format!("The user {} cannot be looked up: {error}.", user.as_str())),
    }
    None
}

fn about_folder(folder: &Path, runner: Option<&Runner>) -> Vec<String> {
    let shown = folder.display();
    match std::fs::metadata(folder) {
        Ok(found) if !found.is_dir() => vec![format!("{shown} is not a folder.")],
        Ok(found) => about_rights(folder, &found, runner),
        Err(error) if error.kind() == io::ErrorKind::NotFound => vec![format!(
            "The folder {shown} does not exist yet: it must, or whoever starts the server must be able to \
             create it."
        )],
        Err(error) => vec![format!("The folder {shown} cannot be looked at: {error}.")],
    }
}

/// The folder holds everyone's mail: it must belong to the server and be closed to others.
fn about_rights(folder: &Path, found: &Metadata, runner: Option<&Runner>) -> Vec<String> {
    let (shown, mode) = (folder.display(), found.mode() & 0o7777);
    let mut warnings = Vec::new();
    if let Some(runner) = runner {
        if runner.uid != 0 && found.uid() != runner.uid {
            warnings.push(format!(
                "The folder {shown} belongs to the user {}, and the server runs as {}: it should own it.",
                found.uid(),
                runner.name
            ));
        } else if runner.uid != 0 && mode & OWNER_ALL != OWNER_ALL {
            warnings.push(format!("The folder {shown} cannot be written by its owner (mode {mode:04o})."));
        }
    }
    if mode & OTHERS_ANY != 0 {
        warnings.push(format!(
            "The folder {shown} is open to others (mode {mode:04o}): chmod 700 keeps everyone's mail private."
        ));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt;

    fn owner_of(folder: &Path) -> Runner {
        Runner { name: "postrider".into(), uid: std::fs::metadata(folder).unwrap().uid() }
    }

    fn someone_else(folder: &Path) -> Runner {
        Runner { name: "postrider".into(), uid: owner_of(folder).uid + 1 }
    }

    #[test]
    fn a_folder_of_ones_own_that_is_closed_to_others_is_fine() {
        let folder = tempfile::tempdir().unwrap();
        set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
        assert_eq!(about_folder(folder.path(), Some(&owner_of(folder.path()))), Vec::<String>::new());
    }

    #[test]
    fn a_folder_that_others_can_read_is_told() {
        let folder = tempfile::tempdir().unwrap();
        set_permissions(&folder, Permissions::from_mode(0o750)).unwrap();
        let told = about_folder(folder.path(), None);
        assert!(told.len() == 1 && told[0].contains("open to others (mode 0750)"), "{told:?}");
    }

    #[test]
    fn a_folder_of_another_user_is_told() {
        let folder = tempfile::tempdir().unwrap();
        set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
        let told = about_folder(folder.path(), Some(&someone_else(folder.path())));
        assert!(told.len() == 1 && told[0].contains("the server runs as postrider"), "{told:?}");
    }

    #[test]
    fn a_folder_its_owner_cannot_write_is_told() {
        let folder = tempfile::tempdir().unwrap();
        set_permissions(&folder, Permissions::from_mode(0o500)).unwrap();
        let uid = owner_of(folder.path()).uid.max(1);
        let found = std::fs::metadata(&folder).unwrap();
        let told = about_rights(folder.path(), &found, Some(&Runner { name: "postrider".into(), uid }));
        assert_eq!(told.len(), 1, "{told:?}");
    }

    #[test]
    fn name_servers_that_nobody_names_are_told() {
        let trouble = Text::from("/etc/resolv.conf: No such file or directory");
        let told = about_names(&trouble);
        assert!(
            told.ends_with("no mail leaves by them: /etc/resolv.conf: No such file or directory."),
            "{told}"
        );
    }

    #[test]
    fn a_missing_folder_and_a_file_in_its_place_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        assert!(about_folder(&file, None)[0].contains("does not exist yet"));
        std::fs::write(&file, "").unwrap();
        assert!(about_folder(&file, None)[0].contains("is not a folder"));
    }
}
