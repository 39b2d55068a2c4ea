//! What `riskctl model train` says at its end, for people and for programs.

use std::path::Path;

use model::Manifest;
use model::report::{Fit, Report};
use model::split::Parts;
use model::train::Tried;
use serde_json::{Value, json};

use super::train::some;
use crate::print::{self, Table, thousands};

/// Importances shown to people; programs get all.
const SHOWN: usize = 12;

/// Everything there is to say.
pub struct Said<'a> {
    pub manifest: &'a Manifest,
    pub folder: &'a Path,
    /// Inputs without a second value.
    pub left_out: &'a [String],
    pub parts: &'a Parts,
    pub tried: &'a [Tried],
    /// Absent without held-out frauds and honest rows.
    pub report: Option<&'a Report>,
    /// Why the policy cannot use it.
    pub unusable: Option<&'a str>,
}

impl Said<'_> {
    /// Prints it.
    pub fn print(&self, json: bool) {
        if json { print::raw(&print::pretty(&self.json())) } else { print::out(&self.text()) }
    }

    fn json(&self) -> Value {
        json!({
            "version": self.manifest.version(),
            "folder": self.folder.display().to_string(),
            "training": self.manifest.training,
            "calibration": self.manifest.calibration,
            "constant_inputs": self.left_out,
            "sizes": self.tried,
            "held_out": self.report,
            "unusable": self.unusable,
        })
    }

    fn text(&self) -> String {
        let mut text = format!("{} written to {}\n", self.manifest.version(), self.folder.display());
        for (what, rows) in [
            ("trained on  ", &self.parts.train),
            ("validated on", &self.parts.validation),
            ("held out    ", &self.parts.held_out),
        ] {
            let (rows, frauds) = (thousands(rows.len() as u64), thousands(rows.frauds() as u64));
            text += &format!("{what} {rows} rows, {frauds} of them fraud\n");
        }
        if !self.left_out.is_empty() {
            text += &format!("left out     {}: one value in all rows\n", self.left_out.join(", "));
        }
        text += &format!("calibration  {}\n", self.manifest.calibration);
        let kept = self.manifest.training.as_ref().map_or(0, |training| training.trees);
        if !self.tried.is_empty() {
            text += &format!("\n{kept} trees kept, by log loss on the validation rows\n{}", self.sizes(kept));
        }
        match self.report {
            Some(report) => text += &reported(report),
            None => text += "\nnot measured: the held-out rows need both frauds and honest events\n",
        }
        if let Some(why) = self.unusable {
            text += &format!("\nthe policy cannot use it: {why}\n");
        }
        text
    }

    fn sizes(&self, kept: usize) -> String {
        let mut table = Table::new(&["trees", "log loss", "average precision", "kept"]);
        for size in some(self.tried, kept) {
            table.row([
                Value::from(size.trees),
                print::decimals(Some(size.log_loss), 5),
                print::decimals(Some(size.average_precision), 4),
                Value::from(if size.trees == kept { "*" } else { "" }),
            ]);
        }
        table.to_text()
    }
}

fn reported(report: &Report) -> String {
    let quality = &report.quality;
    let mut ranking = Table::new(&["rows", "fraud", "AUC", "average precision", "recall at 1 %", "at 0.1 %"]);
    ranking.row([
        Value::from(quality.rows),
        Value::from(quality.frauds),
        print::decimals(Some(quality.roc_auc), 4),
        print::decimals(Some(quality.average_precision), 4),
        print::decimals(Some(quality.recall_at_1_percent), 4),
        print::decimals(Some(quality.recall_at_0_1_percent), 4),
    ]);
    let mut fits = Table::new(&["scores", "log loss", "Brier score", "calibration error"]);
    let mut fit = |name: &str, fit: &Fit| {
        let numbers = [fit.log_loss, fit.brier, fit.calibration_error].map(|n| print::decimals(Some(n), 6));
        fits.row([Value::from(name)].into_iter().chain(numbers));
    };
    fit("as trained", &report.raw);
    fit("calibrated", &report.calibrated);
    let mut curve = Table::new(&["score from", "rows", "mean score", "share of fraud"]);
    for bin in &report.reliability {
        curve.row([
            Value::from(bin.from),
            Value::from(bin.rows),
            print::decimals(Some(bin.score), 5),
            print::decimals(Some(bin.fraud), 5),
        ]);
    }
    let mut inputs = Table::new(&["input", "average precision lost without it"]);
    for importance in report.importances.iter().take(SHOWN) {
        inputs.row([Value::from(importance.input.as_str()), print::decimals(Some(importance.loss), 4)]);
    }
    let tables = [ranking, fits, curve, inputs].map(|table| table.to_text());
    format!("\nheld-out rows\n{}", tables.join("\n"))
}
