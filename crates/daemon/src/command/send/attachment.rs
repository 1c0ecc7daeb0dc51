//! Files that go with a message (RFC 2045, RFC 2183): what they are called, and what they are.

use mail_builder::headers::content_type::ContentType;
use mail_builder::mime::MimePart;
use postrider_mail::Text;
use std::path::Path;

/// What file names promise (RFC 2046 and the IANA registry). Messages are not among them: `message/rfc822`
/// may not be encoded (RFC 2046 §5.2.1), and a file must arrive as it is.
const TYPES: [(&str, &str); 32] = [
    ("avif", "image/avif"),
    ("css", "text/css"),
    ("csv", "text/csv"),
    ("diff", "text/x-diff"),
    ("doc", "application/msword"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("gif", "image/gif"),
    ("gz", "application/gzip"),
    ("html", "text/html"),
    ("ics", "text/calendar"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("json", "application/json"),
    ("log", "text/plain"),
    ("md", "text/markdown"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("odp", "application/vnd.oasis.opendocument.presentation"),
    ("ods", "application/vnd.oasis.opendocument.spreadsheet"),
    ("odt", "application/vnd.oasis.opendocument.text"),
    ("patch", "text/x-diff"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    ("svg", "image/svg+xml"),
    ("txt", "text/plain"),
    ("vcf", "text/vcard"),
    ("webp", "image/webp"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("xml", "application/xml"),
    ("zip", "application/zip"),
    ("zst", "application/zstd"),
];

const UNKNOWN: &str = "application/octet-stream";

/// The part of a message that carries this file, its octets unchanged.
pub(super) fn part<'a>(path: &Path, octets: &'a [u8]) -> MimePart<'a> {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let name = Text::clean(&name).to_string();
    let content_type = match (content_type(path), is_text(octets)) {
        (text, true) if text.starts_with("text/") => ContentType::new(text).attribute("charset", "utf-8"),
        // Said to be text and is not: as text, its octets would not survive.
        (text, false) if text.starts_with("text/") => ContentType::new(UNKNOWN),
        (other, _) => ContentType::new(other),
    };
    MimePart::new(content_type, octets).attachment(name)
}

fn content_type(path: &Path) -> &'static str {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let known = TYPES.iter().find(|(known, _)| extension.eq_ignore_ascii_case(known));
    known.map_or(UNKNOWN, |(_, content_type)| content_type)
}

/// UTF-8 with lines that end in LF or CRLF, and no other control characters than TAB.
fn is_text(octets: &[u8]) -> bool {
    std::str::from_utf8(octets).is_ok_and(|text| {
        !text.replace("\r\n", "\n").contains(|c: char| c.is_control() && c != '\n' && c != '\t')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_promises_a_type_and_the_octets_must_keep_it() {
        let shown = |name: &str, octets: &[u8]| {
            let mut written = Vec::new();
            part(Path::new(name), octets).write_part(&mut written);
            String::from_utf8(written).unwrap()
        };
        assert!(shown("a/b.TXT", b"text\n").starts_with("Content-Type: text/plain; charset=\"utf-8\""));
        assert!(shown("b.txt", b"\0").starts_with("Content-Type: application/octet-stream"));
        assert!(shown("b.txt", b"a\rb").contains("base64"));
        assert!(shown("b.txt", b"\xff").contains("base64"));
        assert!(shown("b.png", b"x").starts_with("Content-Type: image/png"));
        assert!(shown("b", b"x").starts_with("Content-Type: application/octet-stream"));
        assert!(!shown("a\r\nBcc: x", b"x").contains("\r\nBcc"));
    }
}
