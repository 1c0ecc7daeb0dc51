//! A header section (RFC 5322 §2.2).

use crate::limits::INPUT_OCTETS_MAX;
use postrider_mail::header::{fields, hop_count, section_end};

/// Fields lie in the section, one behind the other; each is a field by itself; a value is one line; the end of
/// a section depends on nothing behind it.
///
/// # Panics
/// When that does not hold.
pub fn header_section(input: &[u8]) {
    let content = &input[..input.len().min(INPUT_OCTETS_MAX)];
    let mut end = 0;
    let mut count: u32 = 0;
    for field in fields(content) {
        assert!(field.range.start >= end && field.range.end <= content.len(), "{:?}", field.range);
        end = field.range.end;
        assert!(field.name.iter().all(u8::is_ascii_graphic) && !field.name.is_empty(), "{:?}", field.name);
        assert!(!field.value().contains(&b'\r') && !field.value().contains(&b'\n'), "{:?}", field.value());
        count += u32::from(field.is("received"));
        let alone: Vec<_> = fields(&content[field.range.clone()]).collect();
        assert_eq!(alone.len(), 1, "{field:?} is {alone:?} by itself");
        assert_eq!((alone[0].name, alone[0].raw_value), (field.name, field.raw_value));
    }
    assert_eq!(hop_count(content), count);
    if let Some(end) = section_end(content) {
        assert!(end <= content.len());
        assert_eq!(section_end(&content[..end]), Some(end));
        assert_eq!(section_end(&content[..end - 1]), None);
    }
}
