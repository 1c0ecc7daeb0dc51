//! A figure, its unit and its target, and how they print.

use crate::table::{json_string, lay_out};
use std::borrow::Cow;

/// One line of the table.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    what: String,
    /// What was measured, or why it was not.
    figure: Result<f64, String>,
    unit: Cow<'static, str>,
    /// The figure is to stay below this.
    below: Option<f64>,
}

impl Row {
    /// Something measured.
    pub(crate) fn new(what: impl Into<String>, figure: f64, unit: impl Into<Cow<'static, str>>) -> Self {
        Self { what: what.into(), figure: Ok(figure), unit: unit.into(), below: None }
    }

    /// Something that could not be measured here, and why.
    pub(crate) fn not_measured(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { what: what.into(), figure: Err(why.into()), unit: "".into(), below: None }
    }

    /// The figure is to stay below this.
    pub(crate) fn below(self, target: f64) -> Self {
        Self { below: Some(target), ..self }
    }

    /// There is a target, and the figure is not below it.
    pub(crate) fn misses(&self) -> bool {
        match (&self.figure, self.below) {
            (_, None) => false,
            (Err(_), Some(_)) => true,
            // Not a number is not below anything.
            (Ok(figure), Some(target)) => {
                !matches!(figure.partial_cmp(&target), Some(std::cmp::Ordering::Less))
            }
        }
    }

    fn verdict(&self) -> &'static str {
        match (self.below, self.misses()) {
            (None, _) => "",
            (Some(_), false) => "met",
            (Some(_), true) => "MISSED",
        }
    }
}

/// For people.
pub(crate) fn table(rows: &[Row]) -> String {
    let cells: Vec<[String; 5]> = rows
        .iter()
        .map(|row| {
            let figure = match &row.figure {
                Ok(figure) => digits(*figure),
                Err(why) => format!("not measured: {why}"),
            };
            let target = row.below.map_or_else(String::new, |target| format!("< {}", digits(target)));
            [row.what.clone(), figure, row.unit.to_string(), target, row.verdict().to_owned()]
        })
        .collect();
    lay_out(["measured", "figure", "unit", "target", ""], &cells)
}

/// For programs: an array of objects.
pub(crate) fn json(rows: &[Row]) -> String {
    let objects: Vec<String> = rows
        .iter()
        .map(|row| {
            let number = |number: f64| if number.is_finite() { number.to_string() } else { "null".to_owned() };
            let (figure, why) = match &row.figure {
                Ok(figure) => (number(*figure), "null".to_owned()),
                Err(why) => ("null".to_owned(), json_string(why)),
            };
            format!(
                "  {{\"measured\": {}, \"figure\": {figure}, \"unit\": {}, \"below\": {}, \"missed\": {}, \"not_measured\": {why}}}",
                json_string(&row.what),
                json_string(&row.unit),
                row.below.map_or("null".to_owned(), number),
                row.misses(),
            )
        })
        .collect();
    format!("[\n{}\n]\n", objects.join(",\n"))
}

/// Three digits that mean something, at least.
fn digits(figure: f64) -> String {
    match figure.abs() {
        100.0.. => format!("{figure:.0}"),
        10.0.. => format!("{figure:.1}"),
        _ => format!("{figure:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_met_below_it_only() {
        let row = |figure| Row::new("memory", figure, "KiB").below(6.0);
        assert!(!row(5.99).misses());
        assert!(row(6.0).misses());
        assert!(row(f64::NAN).misses());
        assert!(Row::not_measured("memory", "no").below(6.0).misses());
        assert!(!Row::new("speed", 1.0, "messages/s").misses());
    }

    #[test]
    fn a_table_shows_figure_target_and_verdict() {
        let rows = [Row::new("memory", 7.0, "KiB").below(6.0), Row::not_measured("syncs", "no strace")];
        let table = table(&rows);
        let mut lines = table.lines().skip(2);
        let words: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
        assert_eq!(words, ["memory", "7.00", "KiB", "<", "6.00", "MISSED"]);
        assert!(lines.next().unwrap().contains("not measured: no strace"));
    }

    #[test]
    fn json_has_null_where_nothing_is_known() {
        let json = json(&[Row::new("a", 1.5, "s").below(2.0), Row::not_measured("b", "why")]);
        let expected = "[\n  {\"measured\": \"a\", \"figure\": 1.5, \"unit\": \"s\", \"below\": 2, \"missed\": false, \"not_measured\": null},\n  \
                        {\"measured\": \"b\", \"figure\": null, \"unit\": \"\", \"below\": null, \"missed\": false, \"not_measured\": \"why\"}\n]\n";
        assert_eq!(json, expected);
    }

    #[test]
    fn figures_keep_three_digits() {
        assert_eq!([1234.5, 12.345, 1.2345, 0.0].map(digits), ["1234", "12.3", "1.23", "0.00"]);
    }
}
