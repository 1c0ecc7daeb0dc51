//! Columns that line up. The first column is text, to the left; the others stand to the right when they
//! start with a digit.

/// Lays out rows of equal length under a heading; each line ends in a line feed.
pub(crate) fn lay_out<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = heading.map(|cell| cell.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = line(&heading.map(str::to_owned), &widths);
    text.push_str(&line(&widths.map(|width| "-".repeat(width)), &widths));
    for row in rows {
        text.push_str(&line(row, &widths));
    }
    text
}

fn line<const N: usize>(cells: &[String; N], widths: &[usize; N]) -> String {
    let mut text = String::new();
    for (cell, &width) in cells.iter().zip(widths) {
        let figure = cell.starts_with(|c: char| c.is_ascii_digit());
        text.push_str(&if figure { format!("{cell:>width$}  ") } else { format!("{cell:<width$}  ") });
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// A JSON string (RFC 8259 §7).
pub(crate) fn json_string(text: &str) -> String {
    let mut json = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            c if c.is_control() => json.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => json.push(c),
        }
    }
    json.push('"');
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stand_to_the_right_and_words_to_the_left() {
        let rows = [["é".to_owned(), "7".to_owned()], ["longer".to_owned(), "1200".to_owned()]];
        let expected = "what    count\n------  -----\né           7\nlonger   1200\n";
        assert_eq!(lay_out(["what", "count"], &rows), expected);
    }

    /// RFC 8259 §7
    #[test]
    fn a_json_string_holds_quotes_and_control_characters() {
        assert_eq!(json_string("a\"b\\c\nü"), "\"a\\\"b\\\\c\\u000aü\"");
    }
}
