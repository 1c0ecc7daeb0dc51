//! A Maildir: one file per message, durable before it is visible.
//!
//! A delivery writes `tmp/NAME`, syncs it, renames it to `new/NAME`, and syncs `new/`. NAME holds the queue
//! id and the recipient's number, so a delivery that is repeated after a crash finds what it left: before
//! the rename the file in `tmp/` is written again, behind it the message is there already. Lines end in LF, but
//! in a message of BODY=BINARYMIME (RFC 3030 §3), where CRLF may be anything: its octets stay as they came.

use postrider_mail::{Mailbox, QueueId};
use postrider_queue::{ContentError, Reader, RecipientId};
use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Octets gathered before a write.
const WRITE_OCTETS: usize = 64 * 1024;

/// Octets of a mailbox's folder name; longer ones end in a hash.
const FOLDER_OCTETS_MAX: usize = 200;

/// Mailboxes that a process remembers as durable.
const MAILBOXES_KNOWN_MAX: usize = 100_000;

/// Why a delivery did not happen.
#[derive(Debug)]
pub(crate) enum NotDelivered {
    /// The content could not be read from the queue.
    Content(ContentError),
    /// The mailbox could not be written.
    Mailbox(io::Error),
}

impl From<io::Error> for NotDelivered {
    fn from(error: io::Error) -> Self {
        Self::Mailbox(error)
    }
}

/// How lines end in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineEnds {
    /// In LF.
    Lf,
    /// As they came, trace fields in CRLF with them.
    Untouched,
}

/// One mailbox on disk.
#[derive(Clone, Debug)]
pub(crate) struct Maildir {
    folder: PathBuf,
    known: Arc<Known>,
}

impl Maildir {
    /// The mailbox of an address, below `root`.
    pub(crate) fn of(root: &Path, known: &Arc<Known>, address: &Mailbox) -> Self {
        Self { folder: root.join(folder_name(address)), known: Arc::clone(known) }
    }

    /// The name of the delivery of one message to one recipient, always the same.
    pub(crate) fn name(message: QueueId, recipient: RecipientId, host: &str) -> String {
        let seconds = message.made_at().get() / 1000;
        format!("{seconds}.Q{message}R{recipient}.{host}")
    }

    /// Lays a message into `new/`. `again` says that an earlier try may have done so already; `content`
    /// opens what is to be written. Gives the file, and whether it was there.
    pub(crate) fn deliver(
        &self,
        name: &str,
        again: bool,
        fields: &str,
        ends: LineEnds,
        content: impl Fn() -> Result<Reader, ContentError>,
    ) -> Result<(PathBuf, bool), NotDelivered> {
        match self.try_deliver(name, again, fields, ends, &content) {
            // Someone has removed the mailbox, or a part of it, while we ran: make it again, once.
            Err(NotDelivered::Mailbox(error)) if error.kind() == io::ErrorKind::NotFound => {
                self.known.forget(&self.folder);
                self.try_deliver(name, again, fields, ends, &content)
            }
            delivered => delivered,
        }
    }

    fn try_deliver(
        &self,
        name: &str,
        again: bool,
        fields: &str,
        ends: LineEnds,
        content: &impl Fn() -> Result<Reader, ContentError>,
    ) -> Result<(PathBuf, bool), NotDelivered> {
        self.make()?;
        if again && let Some(there) = self.find(name)? {
            // Its folder may not have been synced before the crash.
            sync_folder(there.parent().unwrap_or(&self.folder))?;
            return Ok((there, true));
        }
        let content = content().map_err(NotDelivered::Content)?;
        let temporary = self.folder.join("tmp").join(name);
        let renamed = self.write_and_rename(&temporary, name, fields, ends, content);
        if renamed.is_err() {
            // Nobody reads tmp/; what stays there is written over by the next try.
            let _ = fs::remove_file(&temporary);
        }
        renamed.map(|new| (new, false))
    }

    fn write_and_rename(
        &self,
        temporary: &Path,
        name: &str,
        fields: &str,
        ends: LineEnds,
        content: Reader,
    ) -> Result<PathBuf, NotDelivered> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(temporary)?;
        match ends {
            LineEnds::Lf => write(file, fields, content)?,
            LineEnds::Untouched => write_untouched(file, fields, content)?,
        }
        let new = self.folder.join("new").join(name);
        fs::rename(temporary, &new)?;
        sync_folder(&self.folder.join("new"))?;
        Ok(new)
    }

    /// The delivery of this name, wherever a mail reader has moved it and whatever our host was called.
    fn find(&self, name: &str) -> io::Result<Option<PathBuf>> {
        let new = self.folder.join("new").join(name);
        if new.try_exists()? {
            return Ok(Some(new));
        }
        let delivery = delivery(name);
        for folder in ["cur", "new"] {
            for entry in fs::read_dir(self.folder.join(folder))? {
                let entry = entry?;
                if entry.file_name().to_str().is_some_and(|name| self::delivery(name) == delivery) {
                    return Ok(Some(entry.path()));
                }
            }
        }
        Ok(None)
    }

    /// Makes the folders that are missing, and makes them durable before the first delivery of this process:
    /// an earlier one may have been cut short between making and syncing.
    fn make(&self) -> io::Result<()> {
        if self.known.holds(&self.folder) {
            return Ok(());
        }
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        for name in ["tmp", "new", "cur"] {
            builder.create(self.folder.join(name))?;
        }
        sync_folder(&self.folder)?;
        for folder in self.folder.ancestors().skip(1).take(2) {
            sync_folder(folder)?;
        }
        self.known.remember(&self.folder);
        Ok(())
    }
}

/// The part of a name that tells which delivery it is: the time and the ids, without host and flags.
fn delivery(name: &str) -> &str {
    let second_dot = name.match_indices('.').nth(1);
    second_dot.map_or(name, |(at, _)| &name[..at])
}

/// The mailboxes whose folders this process has made durable.
#[derive(Debug, Default)]
pub(crate) struct Known(Mutex<HashSet<PathBuf>>);

impl Known {
    fn holds(&self, folder: &Path) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(folder)
    }

    fn forget(&self, folder: &Path) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(folder);
    }

    fn remember(&self, folder: &Path) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAILBOXES_KNOWN_MAX {
            // Forgotten ones are synced once more.
            known.clear();
        }
        known.insert(folder.to_owned());
    }
}

/// Writes fields and content with LF line ends, and syncs.
fn write(mut file: File, fields: &str, mut content: Reader) -> Result<(), NotDelivered> {
    let mut buffer = Vec::with_capacity(WRITE_OCTETS);
    buffer.extend_from_slice(fields.as_bytes());
    let mut carry = false;
    while let Some(chunk) = content.chunk().map_err(NotDelivered::Content)? {
        carry = append_with_lf(&mut buffer, chunk, carry);
        if buffer.len() >= WRITE_OCTETS {
            file.write_all(&buffer)?;
            buffer.clear();
        }
    }
    if carry {
        buffer.push(b'\r');
    }
    file.write_all(&buffer)?;
    file.sync_all()?;
    Ok(())
}

/// Writes fields with CRLF, and content as it came, and syncs.
fn write_untouched(mut file: File, fields: &str, mut content: Reader) -> Result<(), NotDelivered> {
    file.write_all(fields.replace('\n', "\r\n").as_bytes())?;
    while let Some(chunk) = content.chunk().map_err(NotDelivered::Content)? {
        file.write_all(chunk)?;
    }
    file.sync_all()?;
    Ok(())
}

/// Appends `chunk` with LF for every CRLF. A CR at the end is carried over, since its LF may come next.
fn append_with_lf(buffer: &mut Vec<u8>, chunk: &[u8], carried: bool) -> bool {
    if carried && chunk.first().is_some_and(|&b| b != b'\n') {
        buffer.push(b'\r');
    }
    let mut rest = chunk;
    while let Some(at) = memchr::memchr(b'\r', rest) {
        buffer.extend_from_slice(&rest[..at]);
        match rest.get(at + 1) {
            None => return true,
            Some(b'\n') => {}
            Some(_) => buffer.push(b'\r'),
        }
        rest = &rest[at + 1..];
    }
    buffer.extend_from_slice(rest);
    carried && chunk.is_empty()
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    // A relative path's last ancestor is empty: the current folder.
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder)?.sync_all()
}

/// A mailbox's folder: the key of its address, with everything but the plainest characters as `%XX`. Two
/// addresses never share one.
fn folder_name(address: &Mailbox) -> String {
    let (local, host) = (address.local().as_str().to_lowercase(), address.host().key());
    let mut name = String::with_capacity(local.len() + host.len() + 1);
    encode(&mut name, &local);
    name.push('@');
    encode(&mut name, &host);
    if name.len() > FOLDER_OCTETS_MAX {
        let hash = xxhash_rust::xxh3::xxh3_128(name.as_bytes());
        name.truncate(FOLDER_OCTETS_MAX - 33);
        name.push_str(&format!("%{hash:032x}"));
    }
    name
}

fn encode(name: &mut String, text: &str) {
    for (at, byte) in text.bytes().enumerate() {
        let plain = byte.is_ascii_lowercase()
            || byte.is_ascii_digit()
            || b"-_+=".contains(&byte)
            || (byte == b'.' && at > 0);
        if plain {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("%{byte:02X}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn folder(address: &str) -> String {
        folder_name(&address.parse().unwrap())
    }

    #[test]
    fn a_folder_is_named_as_its_address_and_never_leads_elsewhere() {
        assert_eq!(folder("Friend@Local.Example"), "friend@local.example");
        assert_eq!(folder("\"../../etc/passwd\"@x"), "%2E.%2F..%2Fetc%2Fpasswd@x");
        assert_eq!(folder("\"a@b\"@c"), "a%40b@c");
        assert_eq!(folder("x@[IPv6:::1]"), "x@%5B%49%50v6%3A%3A%3A1%5D");
        let long = format!("{}@x.example", "ü".repeat(100));
        assert_eq!(folder(&long).len(), FOLDER_OCTETS_MAX);
    }

    proptest! {
        #[test]
        fn two_addresses_never_share_a_folder(a in "\\PC{1,60}", b in "\\PC{1,60}") {
            let mailbox = |local: &str| {
                let local = postrider_mail::LocalPart::new(local).ok()?;
                Some(Mailbox::new(local, "x.example".parse().unwrap()))
            };
            let (Some(a), Some(b)) = (mailbox(&a), mailbox(&b)) else { return Ok(()) };
            prop_assert!(folder_name(&a).len() <= FOLDER_OCTETS_MAX + 2);
            prop_assert!(!folder_name(&a).contains('/') && !folder_name(&a).starts_with('.'));
            if a.key() != b.key() { prop_assert_ne!(folder_name(&a), folder_name(&b)); }
        }

        #[test]
        fn every_crlf_becomes_lf_however_the_content_is_cut(
            text in "[ab\\r\\n]{0,60}", cuts in proptest::collection::vec(0usize..60, 0..4)
        ) {
            let octets = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(octets.len())).collect();
            cuts.extend([0, octets.len()]);
            cuts.sort_unstable();
            let (mut buffer, mut carry) = (Vec::new(), false);
            for pair in cuts.windows(2) {
                carry = append_with_lf(&mut buffer, &octets[pair[0]..pair[1]], carry);
            }
            if carry { buffer.push(b'\r'); }
            prop_assert_eq!(String::from_utf8(buffer).unwrap(), text.replace("\r\n", "\n"));
        }
    }
}
