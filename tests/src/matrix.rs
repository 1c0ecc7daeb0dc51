//! A table of what became of each message on each way, printed, and compared with the one that a test has as text.

#![expect(clippy::panic, reason = "a test fails by panicking")]

use crate::bodies::{Body, Fate};

/// What the signs of a table mean.
const LEGEND: &str = "\
= the same octet by octet   + the same, and a CRLF more at its end   ~ changed by the other program, not by us
- not sent                  a status: refused, or returned, with it";

/// A table: a row for each way, a column for each body.
#[derive(Default)]
pub struct Matrix {
    rows: Vec<(String, Vec<Fate>)>,
    left_out: Vec<String>,
}

impl Matrix {
    /// A way, and what became of each body on it.
    pub fn row(&mut self, way: &str, fates: Vec<Fate>) {
        self.rows.push((way.to_owned(), fates));
    }

    /// A way that cannot be tried here; its program has said why.
    pub fn leave_out(&mut self, way: &str) {
        self.left_out.push(way.to_owned());
    }

    /// Prints it, and compares it with `expected`, where rows that were left out are left out too.
    ///
    /// # Panics
    /// Where a cell differs.
    #[track_caller]
    pub fn is(&self, bodies: &[Body], expected: &str) {
        let head =
            ["way"].into_iter().chain(bodies.iter().map(|body| body.name)).map(str::to_owned).collect();
        let rows = self.rows.iter().map(|(way, fates)| {
            std::iter::once(way.replace(' ', "-")).chain(fates.iter().map(Fate::to_string)).collect()
        });
        let table: Vec<Vec<String>> = std::iter::once(head).chain(rows).collect();
        println!("{}\n{LEGEND}\n{} ways left out {:?}", print(&table), self.left_out.len(), self.left_out);
        let expected: Vec<Vec<String>> = words(expected)
            .into_iter()
            .filter(|row| !self.left_out.iter().any(|way| way.replace(' ', "-") == row[0]))
            .collect();
        if table != expected {
            let differ: Vec<String> = table
                .iter()
                .flat_map(|row| {
                    let due = expected.iter().find(|due| due[0] == row[0]);
                    row.iter().enumerate().filter_map(move |(at, cell)| {
                        let due = due.and_then(|due| due.get(at));
                        (due != Some(cell)).then(|| {
                            format!("{} {}: {cell}, not {due:?}", row[0], bodies[at.max(1) - 1].name)
                        })
                    })
                })
                .collect();
            panic!("the table is another:\n{}", differ.join("\n"));
        }
    }
}

fn words(text: &str) -> Vec<Vec<String>> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
}

fn print(table: &[Vec<String>]) -> String {
    let columns = table.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| table.iter().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join(" ").trim_end().to_owned()
    };
    table.iter().map(line).collect::<Vec<_>>().join("\n")
}
