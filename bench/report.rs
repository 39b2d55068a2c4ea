//! The figures, as a table for people or JSON for tools.

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, Table};
use serde::Serialize;

use crate::lists::Loading;
use crate::machine::Machine;
use crate::run::median;

/// One case: nanoseconds an item, one at a time and in batches of 64.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Its name.
    pub stage: String,
    /// One at a time.
    pub ns_single: f64,
    /// In batches of 64.
    pub ns_batch: f64,
}

impl Row {
    /// The medians of a case's rounds.
    pub fn new(stage: String, ns: [Vec<f64>; 2]) -> Row {
        let [single, batch] = ns.map(median);
        Row { stage, ns_single: single, ns_batch: batch }
    }
}

/// A run's result.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Seconds to make and fill the tables.
    pub fill_s: f64,
    /// Tables: name, entries, slots.
    pub fills: Vec<(String, u64, u64)>,
    /// Allocations of the whole check after its first round, over all rounds.
    pub allocations: u64,
    /// Share of each verdict among the whole check's answers.
    pub verdicts: Vec<(String, f64)>,
    /// The cases.
    pub rows: Vec<Row>,
    /// What a list costs but for look-ups, if any of its cases ran.
    pub loading: Option<Loading>,
}

impl Report {
    /// As JSON, on one line.
    pub fn json(&self, machine: &Machine) -> String {
        serde_json::json!({ "machine": machine, "report": self }).to_string()
    }

    /// As a table.
    pub fn text(&self, machine: &Machine) -> String {
        let mut text = format!("{}\n", machine.text());
        let fills: Vec<String> =
            self.fills.iter().map(|(name, entries, slots)| format!("{name} {entries}/{slots}")).collect();
        let verdicts: Vec<String> =
            self.verdicts.iter().map(|(name, share)| format!("{name} {:.1} %", share * 100.0)).collect();
        text += &format!("tables filled in {:.1} s: {}\n", self.fill_s, fills.join(", "));
        text +=
            &format!("verdicts: {}; allocations after warm-up: {}\n", verdicts.join(", "), self.allocations);
        text += &self.loading.as_ref().map_or_else(String::new, loading);
        let mut table = Table::new();
        table.load_preset(UTF8_HORIZONTAL_ONLY).set_header([
            "stage",
            "ns alone",
            "per s",
            "ns in 64",
            "per s",
            "part alone",
            "part in 64",
        ]);
        let whole = self.rows.iter().find(|row| row.stage == "whole");
        for row in &self.rows {
            let part = |difference: fn(&Row, &Row) -> f64| match whole {
                Some(whole) if row.stage.starts_with("without ") => format!("{:.0}", difference(whole, row)),
                _ => String::new(),
            };
            table.add_row([
                row.stage.clone(),
                format!("{:.0}", row.ns_single),
                per_second(row.ns_single),
                format!("{:.0}", row.ns_batch),
                per_second(row.ns_batch),
                part(|whole, row| whole.ns_single - row.ns_single),
                part(|whole, row| whole.ns_batch - row.ns_batch),
            ]);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        text + &table.to_string()
    }
}

fn loading(loading: &Loading) -> String {
    let Loading { entries, replace_s, image_s, image_processor_s, rows_s, .. } = loading;
    let Loading { table_bytes, resident_bytes, image_bytes, store_bytes, .. } = loading;
    let longest_s = image_s.iter().copied().fold(0.0, f64::max);
    format!(
        "list of {entries} entries: replaced in {replace_s:.1} s; loaded from its image in {:.2} s (at most {longest_s:.2}; \
         {:.2} s of its processor), from rows in {rows_s:.1} s\n  bytes an entry: table {table_bytes:.1}, process {resident_bytes:.1}, image {image_bytes:.1}, \
         store {store_bytes:.1}\n",
        median(image_s.clone()),
        median(image_processor_s.clone()),
    )
}

fn per_second(ns: f64) -> String {
    format!("{:.2} M", 1e3 / ns)
}
