//! Text for terminals: tables, and times as people read them.

use std::fmt::Write;

use crate::process::printable::escape;

/// Rows under heads, in columns as wide as their longest cell. Columns of numbers are aligned to the right.
#[derive(Debug)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(heads: &[&str]) -> Table {
        let heads = heads.iter().map(|head| (*head).to_owned()).collect();
        Table { rows: vec![heads] }
    }

    pub(super) fn row(&mut self, cells: &[String]) {
        self.rows
            .push(cells.iter().map(|cell| escape(cell)).collect());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.len() < 2
    }

    /// The lines, or `otherwise` where there are no rows.
    pub(super) fn lines(&self, otherwise: &str) -> String {
        if self.is_empty() {
            return format!("{otherwise}\n");
        }
        let columns: Vec<(usize, bool)> = (0..self.rows[0].len())
            .map(|column| self.measure(column))
            .collect();
        let mut lines = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, (width, number)) in row.iter().zip(&columns) {
                // Writing to a String cannot fail.
                let _ = if *number {
                    write!(line, "{cell:>width$}  ")
                } else {
                    write!(line, "{cell:<width$}  ")
                };
            }
            lines.push_str(line.trim_end());
            lines.push('\n');
        }
        lines
    }

    /// The width of a column in characters, and whether it holds numbers.
    fn measure(&self, column: usize) -> (usize, bool) {
        let cells = || self.rows.iter().filter_map(|row| row.get(column));
        let width = cells().map(|cell| cell.chars().count()).max().unwrap_or(0);
        let is_number = |cell: &String| cell.bytes().all(|byte| byte.is_ascii_digit());
        (width, cells().skip(1).all(is_number))
    }
}

/// A length of time in its two largest units: `2 d 3 h`, `5 min 0 s`, `7 s`.
pub(super) fn show_seconds(seconds: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let largest = UNITS
        .iter()
        .position(|(unit, _)| seconds >= *unit)
        .unwrap_or(UNITS.len() - 1);
    let mut rest = seconds;
    let parts = UNITS.iter().skip(largest).take(2).map(|(unit, name)| {
        let count = rest / unit;
        rest %= unit;
        format!("{count} {name}")
    });
    parts.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::new(&["ID", "COUNT", "NAME"]);
        assert_eq!(table.lines("none"), "none\n");
        table.row(&["a".to_owned(), "5".to_owned(), "é\n".to_owned()]);
        table.row(&["long".to_owned(), "1234567".to_owned(), String::new()]);
        assert_eq!(
            table.lines("none"),
            "ID      COUNT  NAME\na           5  é\\n\nlong  1234567\n"
        );
    }

    #[test]
    fn times_have_two_units() {
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min 0 s"),
            (3_725, "1 h 2 min"),
            (200_000, "2 d 7 h"),
        ] {
            assert_eq!(show_seconds(seconds), text);
        }
    }
}
