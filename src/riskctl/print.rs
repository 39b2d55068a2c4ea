//! What goes to the terminal: tables or JSON on standard output, progress on standard error.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use comfy_table::{CellAlignment, ContentArrangement, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value};

/// Rows under named columns, for people or, as an array of objects, for programs.
pub struct Table {
    columns: Vec<&'static str>,
    rows: Vec<Vec<Value>>,
}

impl Table {
    /// A table without rows.
    pub fn new(columns: &[&'static str]) -> Table {
        Table { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row: one value a column.
    pub fn row(&mut self, values: impl IntoIterator<Item = Value>) {
        self.rows.push(values.into_iter().collect());
    }

    /// The rows as JSON objects.
    pub fn to_json(&self) -> Value {
        let object = |row: &Vec<Value>| {
            let pairs = self.columns.iter().map(|name| (*name).to_owned()).zip(row.iter().cloned());
            Value::Object(pairs.collect::<Map<_, _>>())
        };
        Value::Array(self.rows.iter().map(object).collect())
    }

    /// The rows for people: numbers to the right, absent values as a dash.
    pub fn to_text(&self) -> String {
        let mut table = comfy_table::Table::new();
        table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(&self.columns);
        for row in &self.rows {
            table.add_row(row.iter().map(cell));
        }
        for (place, column) in table.column_iter_mut().enumerate() {
            column.set_padding((u16::from(place > 0), 1));
            let numbers = self.rows.iter().all(|row| row[place].is_number() || row[place].is_null());
            if numbers && !self.rows.is_empty() {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
    }

    /// Prints it, as JSON if asked for.
    pub fn print(&self, json: bool) {
        if json { raw(&pretty(&self.to_json())) } else { out(&self.to_text()) }
    }
}

/// A number of things, as a person says it.
pub fn counted(number: usize, one: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {one}{ending}", thousands(number as u64))
}

/// A value as a person reads it.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => visible(text).into_owned(),
        Value::Number(number) => match number.as_u64() {
            Some(whole) => thousands(whole),
            None => number.to_string(),
        },
        other => visible(&other.to_string()).into_owned(),
    }
}

/// Text of others as it may stand on a terminal: characters that would move its cursor, ring its bell, begin a line or turn the
/// text about are written out, as `\\u{1b}`.
pub fn visible(text: &str) -> Cow<'_, str> {
    escaped(text, drives)
}

/// Whether a character does something to a terminal instead of standing there.
fn drives(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn escaped(text: &str, escape: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&escape) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if escape(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out.into()
}

/// The same of lines that were put together here: their ends and tabs stay.
fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| drives(c) && !matches!(c, '\n' | '\t'))
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

/// A fraction with so many decimals, for a table: absent, infinite and undefined ones are null.
pub fn decimals(number: Option<f64>, places: i32) -> Value {
    let scale = 10_f64.powi(places);
    number.map_or(Value::Null, |number| Value::from((number * scale).round() / scale))
}

/// JSON over several lines.
pub fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

/// Whether something that should stand on standard output does not.
static LOST: AtomicBool = AtomicBool::new(false);

/// Writes lines for people to standard output.
pub fn out(text: &str) {
    raw(&lines(text));
}

/// Writes to standard output what is data (JSON, CSV), or escaped and coloured already. A reader that has had enough (`| head`) is
/// no error.
pub fn raw(text: &str) {
    let mut stdout = io::stdout().lock();
    written(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()));
}

/// Takes note of what became of something for standard output; a full disk is reported once.
pub fn written(result: io::Result<()>) {
    if let Err(error) = result
        && error.kind() != io::ErrorKind::BrokenPipe
        && !LOST.swap(true, Ordering::Relaxed)
    {
        tell(&format!("riskctl: standard output: {error}"));
    }
}

/// Whether something was lost on its way to standard output.
pub fn lost() -> bool {
    LOST.load(Ordering::Relaxed)
}

/// Lines on standard error. Where that is gone too nobody is left to tell.
pub fn tell(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", lines(text));
}

/// Diagnostics on standard error, escaped and coloured already.
pub fn diagnostics(rendered: &str) {
    let _ = io::stderr().lock().write_all(rendered.as_bytes());
}

/// Says on standard error what the reader should know of a result.
pub fn note(text: &str) {
    tell(&format!("note: {text}"));
}

/// A progress bar where standard error is a terminal, otherwise nothing. Without a known length it shows a count.
pub fn progress(length: Option<u64>, what: &str) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, style) = match length {
        Some(length) => {
            (ProgressBar::new(length), "{msg} {wide_bar} {human_pos} of {human_len}, {per_sec}, {eta} to go")
        }
        None => (ProgressBar::no_length(), "{msg} {spinner} {human_pos}, {per_sec}"),
    };
    shown(bar, style, what)
}

/// Long work with a progress bar; it is given what to call with how much of the length is done.
pub fn with_progress<T>(length: u64, what: &str, work: impl FnOnce(&(dyn Fn(usize) + Sync)) -> T) -> T {
    let bar = progress(Some(length), what);
    let result = work(&|done| bar.set_position(done as u64));
    bar.finish_and_clear();
    result
}

/// Long work that says nothing until it is done, with the time that it takes.
pub fn with_clock<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let bar = match io::stderr().is_terminal() {
        true => shown(ProgressBar::no_length(), "{msg} {spinner} {elapsed}", what),
        false => ProgressBar::hidden(),
    };
    let result = work();
    bar.finish_and_clear();
    result
}

fn shown(bar: ProgressBar, style: &str, what: &str) -> ProgressBar {
    bar.enable_steady_tick(Duration::from_millis(200));
    let style = ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.with_style(style).with_message(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_reads_as_text_and_as_json() {
        let mut table = Table::new(&["name", "rows"]);
        table.row([Value::from("small"), Value::from(7)]);
        table.row([Value::from("large"), Value::from(1_234_567)]);
        table.row([Value::from("none"), Value::Null]);
        assert_eq!(
            table.to_text(),
            "name        rows\nsmall          7\nlarge  1,234,567\nnone           -\n"
        );
        assert_eq!(table.to_json()[1]["rows"], 1_234_567);
    }

    #[test]
    fn what_drives_a_terminal_is_written_out() {
        for (text, shown) in [
            ("红包 é 👩\u{200d}👩", "红包 é 👩\u{200d}👩"),
            ("a\nb\tc", "a\\nb\\tc"),
            ("\u{1b}[2J\u{7}\u{9b}m", "\\u{1b}[2J\\u{7}\\u{9b}m"),
            ("gpj.\u{202e}exe\u{2066}", "gpj.\\u{202e}exe\\u{2066}"),
        ] {
            assert_eq!(visible(text), shown);
        }
        assert_eq!(lines("a\n\tb\u{1b}\r"), "a\n\tb\\u{1b}\\r");
    }

    #[test]
    fn thousands_stand_apart() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(thousands(number), text);
        }
    }
}
