//! The figures of the velocity stages, as tables for people or JSON for tools.

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, Table};
use serde::Serialize;

use super::Case;
use crate::machine::Machine;
use crate::run::median;

/// A keeper under one traffic.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// Who keeps the windows.
    pub keeper: String,
    /// Over which traffic.
    pub traffic: String,
    /// Nanoseconds of processor time a check, one at a time.
    pub ns_single: f64,
    /// The same in batches of 64.
    pub ns_batch: f64,
    /// Allocations a check, one at a time and in batches.
    pub allocations: [f64; 2],
}

impl Line {
    pub(super) fn new(case: &Case, skew: usize, traffic: &str, events: f64) -> Line {
        let [single, batch] = case.ns[skew].clone().map(median);
        Line {
            keeper: case.name.clone(),
            traffic: traffic.to_owned(),
            ns_single: single,
            ns_batch: batch,
            allocations: case.allocated[skew].map(|count| count as f64 / events),
        }
    }
}

/// A keeper on one core and on two: millions of checks a second in batches of 64.
#[derive(Clone, Debug, Serialize)]
pub struct Scaling {
    /// Who keeps the windows.
    pub keeper: String,
    /// Over which traffic.
    pub traffic: String,
    /// One thread; the median of the slices that count.
    pub one: f64,
    /// Two threads together.
    pub two: f64,
    /// Two threads beside one: the median over rounds.
    pub two_to_one: f64,
    /// The rate of a hot packet beside that of spread ones, of one thread and of two: the medians over rounds.
    pub to_spread: [Option<f64>; 2],
    /// Slices that count, of one thread and of two.
    pub slices: [usize; 2],
    /// Slices there were of each.
    pub of: [usize; 2],
}

/// A run's result.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Accounts the tables are filled with.
    pub accounts: u64,
    /// Seconds to make and fill everything.
    pub fill_s: f64,
    /// Values that were held against an exact twin before anything was measured.
    pub compared: u64,
    /// Slots of riskd's tables that hold or held a key at the end.
    pub held: u64,
    /// Keys that it evicted before their windows were over, for want of room; maps grow instead.
    pub evicted: u64,
    /// Version of Redis, or why it did not run.
    pub redis: String,
    /// One number a key in each table, four keys a check.
    pub tables: Vec<Line>,
    /// The twelve windows.
    pub lines: Vec<Line>,
    /// Two threads beside one.
    pub scaling: Vec<Scaling>,
}

impl Report {
    /// As JSON, on one line.
    pub fn json(&self, machine: &Machine) -> String {
        serde_json::json!({ "machine": machine, "report": self }).to_string()
    }

    /// As tables.
    pub fn text(&self, machine: &Machine) -> String {
        let mut text = format!("{}\n", machine.text());
        if !self.tables.is_empty() {
            text += &format!("\ntables: one number a key, four keys a check, {} accounts\n", self.accounts);
            text += &lines(&self.tables);
        }
        if !self.lines.is_empty() {
            text += &format!(
                "\nvelocity: twelve windows over four keys, {} accounts, filled in {:.1} s; redis {}\n",
                self.accounts, self.fill_s, self.redis
            );
            text += &format!(
                "{} values of all keepers agree with an exact twin; riskd took {} slots and evicted {} live keys, maps grow\n",
                self.compared, self.held, self.evicted
            );
            text += &lines(&self.lines);
        }
        if !self.scaling.is_empty() {
            text += &format!(
                "\none core and two: the windows, {} accounts, batches of 64, millions of checks a second\n",
                self.accounts
            );
            text += &scaling(&self.scaling);
        }
        text.truncate(text.trim_end().len());
        text
    }
}

fn lines(lines: &[Line]) -> String {
    let mut table = Table::new();
    table.load_preset(UTF8_HORIZONTAL_ONLY).set_header([
        "keeper",
        "traffic",
        "ns alone",
        "ns in 64",
        "to riskd, alone",
        "to riskd, in 64",
        "allocations a check",
    ]);
    for line in lines {
        // The first line of a traffic is riskd's.
        let own = lines.iter().find(|own| own.traffic == line.traffic).unwrap_or(line);
        table.add_row([
            line.keeper.clone(),
            line.traffic.clone(),
            format!("{:.0}", line.ns_single),
            format!("{:.0}", line.ns_batch),
            format!("{:.1}", line.ns_single / own.ns_single),
            format!("{:.1}", line.ns_batch / own.ns_batch),
            format!("{:.2} / {:.2}", line.allocations[0], line.allocations[1]),
        ]);
    }
    right(table, 2)
}

fn scaling(lines: &[Scaling]) -> String {
    let mut table = Table::new();
    table.load_preset(UTF8_HORIZONTAL_ONLY).set_header([
        "keeper",
        "traffic",
        "one",
        "two",
        "two to one",
        "to spread, one",
        "to spread, two",
        "undisturbed slices",
    ]);
    for line in lines {
        let [one, two] = line.to_spread.map(|ratio| ratio.map_or(String::new(), figure));
        table.add_row([
            line.keeper.clone(),
            line.traffic.clone(),
            figure(line.one),
            figure(line.two),
            figure(line.two_to_one),
            one,
            two,
            format!("{} of {}, {} of {}", line.slices[0], line.of[0], line.slices[1], line.of[1]),
        ]);
    }
    right(table, 2)
}

/// A machine that never lets two threads run together gives no figure.
fn figure(number: f64) -> String {
    if number.is_finite() { format!("{number:.2}") } else { "none".to_owned() }
}

fn right(mut table: Table, from: usize) -> String {
    for column in table.column_iter_mut().skip(from) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    format!("{table}\n")
}
