//! The directory as the server and the operator's commands see it, in files of their own.

#![expect(clippy::unwrap_used, reason = "a helper of a test that fails fails the test")]

use postrider_directory::limits::{ALIAS_MEMBERS_MAX, LIST_PAGE_MAX};
use postrider_directory::{Directory, Error, Password};
use postrider_mail::{Mailbox, UnixMillis};
use postrider_policy::port::{Directory as _, Entry};
use std::os::unix::fs::PermissionsExt;

const NOW: UnixMillis = UnixMillis::new(1_795_372_275_042);

fn mailbox(text: &str) -> Mailbox {
    text.parse().unwrap()
}

fn mailboxes<const N: usize>(texts: [&str; N]) -> Vec<Mailbox> {
    texts.map(mailbox).to_vec()
}

fn open() -> (tempfile::TempDir, Directory) {
    let folder = tempfile::tempdir().unwrap();
    let directory = Directory::open(folder.path()).unwrap();
    (folder, directory)
}

#[test]
fn an_account_is_found_in_any_case_under_the_spelling_of_its_operator() {
    let (_folder, directory) = open();
    directory.add_account(&mailbox("Alice@Local.example"), None, NOW).unwrap();
    let found = directory.look_up(&mailbox("aLICE@LOCAL.EXAMPLE")).unwrap();
    assert_eq!(found, Some(Entry::Account(mailbox("Alice@Local.example"))));
    assert_eq!(directory.look_up(&mailbox("alice@other.example")).unwrap(), None);
    assert_eq!(directory.look_up(&mailbox("alice+tag@local.example")).unwrap(), None);
}

#[test]
fn an_alias_has_its_members_in_order_and_each_once() {
    let (_folder, directory) = open();
    let members = mailboxes(["b@x.example", "a@x.example", "B@X.example", "far@away.example"]);
    directory.add_alias(&mailbox("all@x.example"), &members, NOW).unwrap();
    let expected = mailboxes(["b@x.example", "a@x.example", "far@away.example"]);
    assert_eq!(directory.look_up(&mailbox("ALL@x.example")).unwrap(), Some(Entry::Alias(expected.clone())));
    assert_eq!(directory.list_aliases(None).unwrap()[0].members, expected);
}

#[test]
fn an_address_is_an_account_or_an_alias_but_never_both() {
    let (_folder, directory) = open();
    let (alice, all) = (mailbox("alice@x.example"), mailbox("all@x.example"));
    directory.add_account(&alice, None, NOW).unwrap();
    directory.add_alias(&all, std::slice::from_ref(&alice), NOW).unwrap();
    let again = mailbox("ALICE@x.example");
    assert_eq!(directory.add_account(&again, None, NOW), Err(Error::IsAccount(alice.clone())));
    assert_eq!(
        directory.add_alias(&again, std::slice::from_ref(&all), NOW),
        Err(Error::IsAccount(alice.clone()))
    );
    assert_eq!(directory.add_account(&all, None, NOW), Err(Error::IsAlias(all.clone())));
    assert_eq!(
        directory.add_alias(&all, std::slice::from_ref(&alice), NOW),
        Err(Error::IsAlias(all.clone()))
    );
    assert_eq!(directory.remove_account(&all), Err(Error::NoAccount(all.clone())));
    assert_eq!(directory.remove_alias(&alice), Err(Error::NoAlias(alice)));
}

#[test]
fn an_alias_leads_somewhere_else_and_not_to_too_many() {
    let (_folder, directory) = open();
    let all = mailbox("all@x.example");
    assert_eq!(directory.add_alias(&all, &[], NOW), Err(Error::NoMembers(all.clone())));
    let itself = [mailbox("ALL@x.example")];
    assert_eq!(directory.add_alias(&all, &itself, NOW), Err(Error::NoMembers(all.clone())));
    let many: Vec<_> = (0..=ALIAS_MEMBERS_MAX).map(|n| mailbox(&format!("u{n}@x.example"))).collect();
    assert_eq!(directory.add_alias(&all, &many, NOW), Err(Error::TooManyMembers(all.clone())));
    directory.add_alias(&all, &many[1..], NOW).unwrap();
    let Some(Entry::Alias(members)) = directory.look_up(&all).unwrap() else { panic!("no alias") };
    assert_eq!(members, many[1..]);
}

#[test]
fn removing_an_account_takes_it_out_of_aliases_but_empties_none() {
    let (_folder, directory) = open();
    let (alice, bob) = (mailbox("alice@x.example"), mailbox("bob@x.example"));
    directory.add_account(&alice, None, NOW).unwrap();
    let (both, only) = (mailbox("both@x.example"), mailbox("only@x.example"));
    directory.add_alias(&both, &[alice.clone(), bob.clone()], NOW).unwrap();
    // A member that is the alias itself leads nowhere.
    directory.add_alias(&only, &[only.clone(), alice.clone()], NOW).unwrap();
    let refused = directory.remove_account(&mailbox("ALICE@x.example"));
    assert_eq!(refused, Err(Error::OnlyMember { member: alice.clone(), alias: only.clone() }));
    assert!(directory.look_up(&alice).unwrap().is_some());
    assert_eq!(directory.remove_alias(&only).unwrap().left, []);
    assert_eq!(directory.remove_account(&alice).unwrap().left, std::slice::from_ref(&both));
    assert_eq!(directory.look_up(&alice).unwrap(), None);
    assert_eq!(directory.look_up(&both).unwrap(), Some(Entry::Alias(vec![bob])));
    assert_eq!(directory.remove_account(&alice), Err(Error::NoAccount(alice)));
}

#[test]
fn a_running_server_sees_what_another_connection_changes() {
    let (folder, server) = open();
    let alice = mailbox("alice@x.example");
    assert_eq!(server.look_up(&alice).unwrap(), None);
    let command_line = Directory::open(folder.path()).unwrap();
    command_line.add_account(&alice, None, NOW).unwrap();
    assert_eq!(server.look_up(&alice).unwrap(), Some(Entry::Account(alice.clone())));
    command_line.remove_account(&alice).unwrap();
    assert_eq!(server.look_up(&alice).unwrap(), None);
    // Both may change it.
    server.add_alias(&alice, &[mailbox("a@far.example")], NOW).unwrap();
    assert_eq!(command_line.add_account(&alice, None, NOW), Err(Error::IsAlias(alice)));
}

#[test]
fn look_ups_and_changes_from_many_threads_agree() {
    let (_folder, directory) = open();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let directory = &directory;
            scope.spawn(move || {
                for n in 0..25 {
                    let address = mailbox(&format!("u{thread}.{n}@x.example"));
                    directory.add_account(&address, None, NOW).unwrap();
                    assert_eq!(directory.look_up(&address).unwrap(), Some(Entry::Account(address)));
                }
            });
        }
    });
    assert_eq!(directory.list_accounts(None).unwrap().len(), 100);
}

#[test]
fn a_password_opens_its_own_account_only() {
    let (_folder, directory) = open();
    let (alice, bob) = (mailbox("Alice@x.example"), mailbox("bob@x.example"));
    let password = Password::new("correct horse").unwrap();
    directory.add_account(&alice, Some(&password), NOW).unwrap();
    directory.add_account(&bob, None, NOW).unwrap();
    directory.add_alias(&mailbox("all@x.example"), &[alice.clone(), bob.clone()], NOW).unwrap();
    let verify = |address: &str, password: &str| {
        directory.verify(&mailbox(address), &Password::new(password).unwrap()).unwrap()
    };
    assert_eq!(verify("alice@X.example", "correct horse"), Some(alice.clone()));
    assert_eq!(verify("alice@x.example", "correct house"), None);
    assert_eq!(verify("bob@x.example", "correct horse"), None, "bob has no password");
    assert_eq!(verify("all@x.example", "correct horse"), None, "an alias cannot log in");
    assert_eq!(verify("nobody@x.example", "correct horse"), None);

    directory.set_password(&alice, &Password::new("battery staple").unwrap()).unwrap();
    assert_eq!(verify("alice@x.example", "correct horse"), None);
    assert_eq!(verify("alice@x.example", "battery staple"), Some(alice.clone()));
    let nobody = mailbox("nobody@x.example");
    assert_eq!(directory.set_password(&nobody, &password), Err(Error::NoAccount(nobody)));
    let short = Password::new("1234567").unwrap();
    assert_eq!(directory.set_password(&alice, &short), Err(Error::PasswordTooShort));
    let has_password: Vec<_> =
        directory.list_accounts(None).unwrap().iter().map(|a| a.has_password).collect();
    assert_eq!(has_password, [true, false]);
}

#[test]
fn listings_come_in_pages_that_miss_nothing() {
    let (_folder, directory) = open();
    let count = LIST_PAGE_MAX as usize + 5;
    let connection = rusqlite::Connection::open(_folder.path().join("directory.db")).unwrap();
    connection.execute_batch("BEGIN").unwrap();
    for n in 0..count {
        let address = format!("u{n:05}@x.example");
        connection
            .execute("INSERT INTO address (key, address, kind, created_at) VALUES (?1, ?1, 1, 0)", [&address])
            .unwrap();
    }
    connection.execute_batch("COMMIT").unwrap();
    let mut all = directory.list_accounts(None).unwrap();
    assert_eq!(all.len(), LIST_PAGE_MAX as usize);
    all.extend(directory.list_accounts(Some(&all.last().unwrap().address.clone())).unwrap());
    assert_eq!(all.len(), count);
    assert!(all.is_sorted_by_key(|account| account.address.key()));
}

#[test]
fn a_directory_outlives_its_process_and_is_its_owners_alone() {
    let (folder, directory) = open();
    let alice = mailbox("\"alice smith\"@bücher.example");
    directory.add_account(&alice, None, NOW).unwrap();
    let mode = std::fs::metadata(folder.path().join("directory.db")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    drop(directory);
    let again = Directory::open(folder.path()).unwrap();
    let found = again.look_up(&mailbox("\"Alice Smith\"@xn--bcher-kva.example")).unwrap();
    assert_eq!(found, Some(Entry::Account(alice)));
    assert_eq!(again.list_accounts(None).unwrap()[0].created_at, NOW);
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let (folder, directory) = open();
    drop(directory);
    let file = folder.path().join("directory.db");
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection.pragma_update(None, "user_version", 2).unwrap();
    assert_eq!(Directory::open(folder.path()).err(), Some(Error::Newer { file, found: 2, known: 1 }));
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 2);
}

#[test]
fn a_file_that_cannot_be_read_makes_mail_wait_and_is_no_unknown_user() {
    let (folder, directory) = open();
    let connection = rusqlite::Connection::open(folder.path().join("directory.db")).unwrap();
    connection.execute("INSERT INTO address VALUES ('a@x', 'not an address', 1, NULL, 0)", []).unwrap();
    directory.look_up(&mailbox("a@x")).unwrap_err();
    connection.execute_batch("DROP TABLE member; DROP TABLE address").unwrap();
    directory.look_up(&mailbox("b@x")).unwrap_err();
    let error = directory.add_account(&mailbox("b@x"), None, NOW).unwrap_err();
    assert!(!error.is_refusal() && error.to_string().contains("directory.db"), "{error}");
    std::fs::write(folder.path().join("other"), "").unwrap();
    assert!(Directory::open(&folder.path().join("other")).is_err());
}
