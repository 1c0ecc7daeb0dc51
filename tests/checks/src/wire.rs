//! What may stand in anything that leaves: lines that end in CRLF, and no control character that could end
//! or hide one.

/// A text that was printed holds neither CR, LF nor NUL.
///
/// # Panics
/// When it does.
#[track_caller]
pub fn is_one_line(text: &str) {
    assert!(!text.contains(['\r', '\n', '\0']), "{text:?} is more than one line");
}

/// No CR without LF, no LF without CR.
///
/// # Panics
/// When there is one.
#[track_caller]
pub fn nothing_bare(octets: &[u8]) {
    for (at, octet) in octets.iter().enumerate() {
        let bare = match octet {
            b'\r' => octets.get(at + 1) != Some(&b'\n'),
            b'\n' => at.checked_sub(1).and_then(|before| octets.get(before)) != Some(&b'\r'),
            _ => false,
        };
        assert!(!bare, "bare at {at} of {:?}", octets.escape_ascii().to_string());
    }
}

/// Text as content and replies have it: nothing bare, and no NUL.
///
/// # Panics
/// When it is not.
#[track_caller]
pub fn is_text(octets: &[u8]) {
    nothing_bare(octets);
    assert!(!octets.contains(&0), "a NUL in {:?}", octets.escape_ascii().to_string());
}

/// Whole lines; each without its CRLF.
///
/// # Panics
/// When something is bare, or the last line has no end.
#[track_caller]
pub fn lines(octets: &[u8]) -> impl Iterator<Item = &[u8]> {
    is_text(octets);
    assert!(octets.is_empty() || octets.ends_with(b"\r\n"), "{:?}", octets.escape_ascii().to_string());
    octets
        .strip_suffix(b"\r\n")
        .map(|all| all.split(|octet| *octet == b'\n'))
        .into_iter()
        .flatten()
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}
