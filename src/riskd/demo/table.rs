//! Tables and numbers as a person reads them.

use comfy_table::{CellAlignment, ContentArrangement, presets};

/// Rows under named columns: the first column to the left, and all named in `left`; the others to the right.
pub struct Table {
    inner: comfy_table::Table,
    left: &'static [usize],
}

impl Table {
    /// A table without rows.
    pub fn new(columns: &[&str], left: &'static [usize]) -> Table {
        let mut inner = comfy_table::Table::new();
        inner.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        inner.set_header(columns);
        Table { inner, left }
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.inner.add_row(cells);
    }

    /// The lines, indented under their heading.
    pub fn into_text(mut self) -> String {
        for (place, column) in self.inner.column_iter_mut().enumerate() {
            column.set_padding((if place == 0 { 2 } else { 1 }, 1));
            if !self.left.contains(&place) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        self.inner.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
    }
}

/// A whole number with its thousands apart.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count in a column where most are zero.
pub fn count(number: u64) -> String {
    if number == 0 { "-".to_owned() } else { thousands(number) }
}

/// A share in per cent; a dash where there is nothing to share. Small shares keep a digit more: disturbance is counted in
/// hundredths of a per cent.
pub fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".to_owned();
    }
    let percent = 100.0 * part as f64 / whole as f64;
    if part > 0 && percent < 0.95 { format!("{percent:.2} %") } else { format!("{percent:.1} %") }
}

/// Minor units in whole yuan.
pub fn yuan(minor: i64) -> String {
    thousands((minor.unsigned_abs() + 50) / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_easy_to_read() {
        assert_eq!((thousands(999), thousands(1_234_567)), ("999".to_owned(), "1,234,567".to_owned()));
        assert_eq!((share(1, 8), share(0, 0)), ("12.5 %".to_owned(), "-".to_owned()));
        assert_eq!((share(7, 10_000), share(0, 5)), ("0.07 %".to_owned(), "0.0 %".to_owned()));
        assert_eq!((yuan(12_345_650), count(0)), ("123,457".to_owned(), "-".to_owned()));
    }

    #[test]
    fn names_stand_left_and_numbers_right() {
        let mut table = Table::new(&["name", "events"], &[0]);
        table.row(["allow".to_owned(), "7".to_owned()]);
        assert_eq!(table.into_text(), "  name   events\n  allow       7\n");
    }
}
