//! Reads `addresses.txt`; the file's head says what its lines mean.

#![expect(clippy::panic, clippy::unwrap_used, reason = "the helpers of these tests are tests too")]

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Row {
    /// The text that may be an address.
    pub(crate) text: String,
    /// What it is.
    pub(crate) verdict: Verdict,
}

/// What a text is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// An address that prints so.
    Address(String),
    /// A path whose source route is dropped; what is left prints so.
    Routed(String),
    /// A forward-path without a domain.
    Postmaster,
    /// A reverse-path of nothing.
    Null,
    /// No address.
    None,
}

/// The whole table.
pub(crate) fn rows() -> Vec<Row> {
    let lines = include_str!("../addresses.txt").lines();
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(row).collect()
}

fn row(line: &str) -> Row {
    let (kind, rest) = line.split_at(1);
    let (text, form) = match rest.split_once(" ==> ") {
        Some((text, form)) => (plain(text.trim()), Some(plain(form.trim()))),
        None => (plain(rest.trim()), None),
    };
    let verdict = match (kind, form) {
        ("=", None) => Verdict::Address(text.clone()),
        ("~", Some(form)) => Verdict::Address(form),
        ("@", Some(form)) => Verdict::Routed(form),
        ("p", None) => Verdict::Postmaster,
        ("0", None) => Verdict::Null,
        ("!", None) => Verdict::None,
        _ => panic!("what does {line:?} mean?"),
    };
    Row { text, verdict }
}

/// The text that a line stands for.
fn plain(written: &str) -> String {
    let mut text = String::new();
    let mut rest = written;
    while let Some(c) = rest.chars().next() {
        if let Some((said, behind)) = braces(rest) {
            text.push_str(&said);
            rest = behind;
            continue;
        }
        text.push(match c {
            '␡' => '\u{7f}',
            '␀'..='␟' => char::from_u32(u32::from(c) - 0x2400).unwrap(),
            c => c,
        });
        rest = &rest[c.len_utf8()..];
    }
    text
}

/// `{U+A0}` or `{64:a}` at the start, and what is behind it.
fn braces(text: &str) -> Option<(String, &str)> {
    let (inside, behind) = text.strip_prefix('{')?.split_once('}')?;
    if let Some(hex) = inside.strip_prefix("U+") {
        let c = u32::from_str_radix(hex, 16).ok().and_then(char::from_u32)?;
        return Some((c.to_string(), behind));
    }
    let (times, repeated) = inside.split_once(':')?;
    Some((repeated.repeat(times.parse().ok()?), behind))
}
