//! A name server of a few records, on loopback: answers what a table says, and nothing else.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "clippy frees test functions, not their helpers; this is no server's thread"
)]

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What is known of a name; a name that is not in the table does not exist.
#[derive(Clone, Debug)]
pub(crate) enum Record {
    /// Preference and host; `.` for the null MX.
    Mx(u16, &'static str),
    A(Ipv4Addr),
    /// Every question about the name ends so (2: SERVFAIL).
    Trouble(u8),
}

/// A running name server; it ends when dropped.
pub(crate) struct Names {
    pub(crate) address: SocketAddr,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Names {
    pub(crate) fn serve(records: &[(&'static str, Record)]) -> Self {
        let mut table: BTreeMap<String, Vec<Record>> = BTreeMap::new();
        for (name, record) in records {
            table.entry((*name).to_owned()).or_default().push(record.clone());
        }
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let address = socket.local_addr().unwrap();
        let ends = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&ends);
        let thread = thread::spawn(move || {
            let mut question = [0; 1500];
            while !told.load(Ordering::Relaxed) {
                if let Ok((octets, from)) = socket.recv_from(&mut question)
                    && let Some(answer) = answer(&question[..octets], &table)
                {
                    // Whoever asked may be gone.
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        Self { address, ends, thread: Some(thread) }
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // That it panicked, the test has noticed.
            let _ = thread.join();
        }
    }
}

/// The answer to one question (RFC 1035 §4).
fn answer(question: &[u8], table: &BTreeMap<String, Vec<Record>>) -> Option<Vec<u8>> {
    let (mut at, mut labels) = (12, Vec::new());
    loop {
        let length = usize::from(*question.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(question.get(at..at + length)?).to_lowercase());
        at += length;
    }
    let kind = u16::from_be_bytes([*question.get(at)?, *question.get(at + 1)?]);
    let known = table.get(&labels.join("."));
    let records: Vec<(u16, Vec<u8>)> = known.into_iter().flatten().filter_map(data).collect();
    let records: Vec<_> = records.into_iter().filter(|(of, _)| *of == kind).collect();
    let trouble = known.into_iter().flatten().find_map(|record| match record {
        Record::Trouble(code) => Some(*code),
        Record::Mx(..) | Record::A(_) => None,
    });
    let code = if known.is_none() { 3 } else { trouble.unwrap_or(0) };
    let mut answer = question.get(..2)?.to_vec();
    answer.extend([0x84, code, 0, 1, 0, u8::try_from(records.len()).ok()?, 0, 0, 0, 0]);
    answer.extend(question.get(12..at + 4)?);
    for (kind, data) in records {
        // The name of the question, for a minute.
        answer.extend([0xc0, 12]);
        answer.extend(kind.to_be_bytes());
        answer.extend([0, 1, 0, 0, 0, 60]);
        answer.extend(u16::try_from(data.len()).ok()?.to_be_bytes());
        answer.extend(data);
    }
    Some(answer)
}

/// Type and data of a record.
fn data(record: &Record) -> Option<(u16, Vec<u8>)> {
    match record {
        Record::A(address) => Some((1, address.octets().to_vec())),
        Record::Mx(preference, host) => {
            let mut data = preference.to_be_bytes().to_vec();
            for label in host.split('.').filter(|label| !label.is_empty()) {
                data.push(u8::try_from(label.len()).ok()?);
                data.extend(label.as_bytes());
            }
            data.push(0);
            Some((15, data))
        }
        Record::Trouble(_) => None,
    }
}
