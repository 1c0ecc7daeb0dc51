//! The table of addresses (`crates/mail/tests/addresses.txt`) at the doors of the protocol engine: MAIL, RCPT
//! and ORCPT say of each text what the one parser says.

#![expect(clippy::panic, clippy::unwrap_used, reason = "the helpers of these tests are tests too")]

#[path = "../../../crates/mail/tests/table/mod.rs"]
mod table;

use postrider_mail::{Mailbox, OriginalRecipient, ReversePath};
use postrider_smtp::command::{Command, CommandError, parse};
use std::path::Path;
use std::{fs, io};
use table::{Verdict, rows};

/// The reverse-path that MAIL makes of the text.
fn mail(text: &str) -> Option<String> {
    match parse(format!("MAIL FROM:<{text}> SMTPUTF8").as_bytes()) {
        Ok(Command::Mail(mail)) => Some(mail.reverse_path.to_string()),
        _ => None,
    }
}

/// The forward-path that RCPT makes of the text.
fn rcpt(text: &str) -> Option<String> {
    match parse(format!("RCPT TO:<{text}>").as_bytes()) {
        Ok(Command::Rcpt(rcpt)) => Some(rcpt.forward_path.to_string()),
        _ => None,
    }
}

#[test]
fn commands_say_of_each_text_what_the_parser_says() {
    let (mut asked, mut left) = (0, 0);
    for row in rows() {
        // The reader of lines lets no control character through; spaces inside the brackets are spelling.
        let text = row.text.as_str();
        if text.chars().any(char::is_control) || text.trim_ascii() != text {
            left += 1;
            continue;
        }
        asked += 1;
        let (reverse, forward) = match &row.verdict {
            Verdict::Address(form) | Verdict::Routed(form) => (Some(form.clone()), Some(form.clone())),
            Verdict::Postmaster => (None, Some("Postmaster".to_owned())),
            Verdict::Null => (Some(String::new()), None),
            Verdict::None => (None, None),
        };
        assert_eq!(mail(text), reverse, "MAIL FROM:<{text}>");
        assert_eq!(rcpt(text), forward, "RCPT TO:<{text}>");
    }
    println!("{asked} texts through MAIL and RCPT, {left} that no line can hold");
    assert!(asked >= 200, "only {asked}");
}

#[test]
fn an_address_beyond_ascii_needs_its_parameter() {
    let plain = |text: &str| parse(format!("MAIL FROM:<{text}>").as_bytes());
    for row in rows() {
        let Verdict::Address(form) = &row.verdict else { continue };
        match plain(&row.text) {
            Ok(Command::Mail(mail)) => {
                assert!(row.text.is_ascii(), "{row:?}");
                assert_eq!(mail.reverse_path.to_string(), *form);
            }
            Err(CommandError::ReversePath(_)) => assert!(!row.text.is_ascii(), "{row:?}"),
            other => panic!("{row:?}: {other:?}"),
        }
    }
}

#[test]
fn an_address_comes_back_from_its_parameter() {
    for row in rows() {
        let Ok(mailbox) = row.text.parse::<Mailbox>() else { continue };
        let Some(orcpt) = OriginalRecipient::of(&mailbox) else { continue };
        let line = format!("RCPT TO:<a@b> ORCPT={}", orcpt.to_xtext(false));
        match parse(line.as_bytes()) {
            Ok(Command::Rcpt(rcpt)) => {
                let told = rcpt.orcpt.unwrap();
                assert_eq!(told.address().parse::<ReversePath>(), Ok(ReversePath::Mailbox(mailbox)));
            }
            other => assert!(orcpt.to_xtext(false).len() > 500, "{line}: {other:?}"),
        }
    }
}

/// Places that may cut a text at `@` by hand: they cut a mailbox's own printed form, or words that are none.
const BY_HAND: [(&str, &str); 1] = [("crates/mail/src/address.rs", "the one parser")];

#[test]
fn no_other_place_reads_an_address() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut found = Vec::new();
    let mut files = 0;
    for folder in ["crates", "xtask"] {
        walk(&root.join(folder), &mut |path, text| {
            files += 1;
            // Tests may look at texts as they like.
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            let lines = code.lines().map(str::trim).filter(|line| !line.starts_with("//"));
            if lines.clone().any(cuts_at_an_at_sign) {
                found.push(path.strip_prefix(&root).unwrap().display().to_string());
            }
        });
    }
    found.sort();
    println!("{files} files");
    assert!(files > 100, "only {files} files were found");
    let known: Vec<&str> = BY_HAND.iter().map(|(path, _)| *path).collect();
    assert_eq!(
        found, known,
        "who cuts at an @ reads an address by hand: use Mailbox, or say why not in BY_HAND"
    );
}

/// `split('@')`, `find("@")` and their like.
fn cuts_at_an_at_sign(line: &str) -> bool {
    const CUTS: [&str; 9] = [
        "split(",
        "split_once(",
        "rsplit(",
        "rsplit_once(",
        "splitn(",
        "find(",
        "rfind(",
        "memchr(",
        "position(",
    ];
    let signs = ["'@'", "\"@\"", "b'@'"];
    CUTS.iter().any(|cut| signs.iter().any(|sign| line.contains(&format!("{cut}{sign}"))))
        || line.contains("== b'@'") && line.contains("position(")
}

fn walk(folder: &Path, visit: &mut impl FnMut(&Path, &str)) {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    for entry in entries.unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.path();
        if path.is_dir() {
            if !path.ends_with("tests") {
                walk(&path, visit);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            visit(&path, &fs::read_to_string(&path).unwrap());
        }
    }
}
