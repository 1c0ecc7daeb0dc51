//! The lenient pre-pass over the argument of MAIL and RCPT: how people have typed paths for decades.
//!
//! - Spaces behind the colon are taken.
//! - A display name may stand before exactly one `<…>`, when the line holds no other bracket and the name
//!   no `@`.
//! - The brackets may be missing around a single word, when no parameter follows it.
//!
//! The pre-pass yields the text of exactly one path, or refuses: it never guesses. What that text means is
//! for the one parser of addresses to say.

use super::PathError;

/// Splits what follows `FROM:` or `TO:` into the text between the brackets and the parameters.
pub(super) fn path(argument: &[u8]) -> Result<(&str, impl Iterator<Item = &str>), PathError> {
    let argument = std::str::from_utf8(argument).map_err(|_| PathError::NotUtf8)?.trim_ascii();
    let (path, rest) = match argument.find('<') {
        Some(0) => bracketed(&argument[1..])?,
        Some(open) => {
            let name = &argument[..open];
            let rest = &argument[open + 1..];
            if name.contains(['@', '>', ':']) || rest.contains('<') || rest.matches('>').count() != 1 {
                return Err(PathError::Ambiguous);
            }
            bracketed(rest)?
        }
        None if argument.is_empty() || argument.contains(['>', ' ', '\t']) => {
            return Err(PathError::Ambiguous);
        }
        None => (argument, ""),
    };
    if !rest.is_empty() && !rest.starts_with([' ', '\t']) {
        return Err(PathError::Ambiguous);
    }
    Ok((path, rest.split_ascii_whitespace()))
}

/// Behind `<`: up to the `>` that no quotation covers (RFC 5321 §4.1.2 allows `>` inside quotes).
fn bracketed(text: &str) -> Result<(&str, &str), PathError> {
    let mut quoted = false;
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'>' if !quoted => return Ok((text[..at].trim_ascii(), &text[at + 1..])),
            _ => {}
        }
    }
    Err(PathError::Ambiguous)
}
