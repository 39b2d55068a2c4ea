//! What `riskctl model predict --contributions` shows: for each row what every input did to the raw score.

use std::path::Path;

use engine::feature::{FeatureTable, Scalar};
use model::explain::METHOD;
use model::{Artefact, Explainer, Explanation};
use serde_json::{Map, Value, json};

use crate::outcome::Failure;
use crate::print::{self, Table};
use crate::replay::{Column, OutFile};

/// Stands before the names of inputs in columns, so that they can lie beside the rows themselves.
const PREFIX: &str = "contribution_";

/// Rows and what explains them.
pub struct Explained {
    explainer: Explainer,
    /// Of the inputs, in their order.
    units: Vec<String>,
    rows: Vec<Explanation>,
}

impl Explained {
    /// Explains rows.
    pub fn new<'r>(artefact: Artefact, rows: impl ExactSizeIterator<Item = &'r [f64]>) -> Explained {
        let explainer = Explainer::new(artefact.forest, &artefact.covers);
        let units = artefact.manifest.inputs.into_iter().map(|input| input.unit).collect();
        let bar = print::progress(Some(rows.len() as u64), "explaining");
        let rows = bar.wrap_iter(rows).map(|row| explainer.explain(row)).collect();
        bar.finish_and_clear();
        Explained { explainer, units, rows }
    }

    fn inputs(&self) -> &[String] {
        &self.explainer.forest().inputs
    }

    fn names(&self) -> Vec<String> {
        let inputs = self.inputs().iter().map(|input| format!("{PREFIX}{input}"));
        ["raw", "score", "base"].map(str::to_owned).into_iter().chain(inputs).collect()
    }

    fn numbers(row: &Explanation) -> impl Iterator<Item = f64> {
        [row.raw, row.score, row.base].into_iter().chain(row.contributions.iter().copied())
    }

    /// Writes a row each, as CSV or Parquet by the file's ending.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), Failure> {
        let columns = self.names().into_iter().map(|name| (name, Column::Double(Vec::new())));
        let mut file = OutFile::create(path, columns.collect())?;
        for row in &self.rows {
            for (column, number) in file.columns.iter_mut().zip(Self::numbers(row)) {
                column.push(Scalar::Double(number));
            }
            file.end_row()?;
        }
        file.finish()
    }

    /// A row each, as CSV.
    pub fn csv(&self) -> String {
        let mut text = self.names().join(",") + "\n";
        for row in &self.rows {
            let numbers: Vec<String> = Self::numbers(row).map(|number| number.to_string()).collect();
            text += &(numbers.join(",") + "\n");
        }
        text
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let parts = |row: &Explanation| {
            let pairs = self.inputs().iter().cloned().zip(row.contributions.iter().copied().map(Value::from));
            Value::Object(pairs.collect::<Map<_, _>>())
        };
        json!({
            "model": self.explainer.forest().version,
            "method": METHOD,
            "covers": self.explainer.covers_of(),
            "base": self.explainer.base(),
            "raw": self.rows.iter().map(|row| row.raw).collect::<Vec<_>>(),
            "scores": self.rows.iter().map(|row| row.score).collect::<Vec<_>>(),
            "contributions": self.rows.iter().map(parts).collect::<Vec<_>>(),
        })
    }

    /// The first row for people, what did most first; `values` are its inputs.
    pub fn one(&self, values: &[f64], features: &FeatureTable) -> String {
        let Some(row) = self.rows.first() else { return String::new() };
        let mut table = Table::new(&["input", "value", "unit", "contribution", "meaning"]);
        for place in row.largest_first() {
            let name = &self.inputs()[place];
            let meaning = features.find(name).map(|id| features.row(id).doc.as_str());
            table.row([
                Value::from(name.as_str()),
                Value::from(values[place]),
                Value::from(self.units[place].as_str()),
                print::decimals(Some(row.contributions[place]), 6),
                Value::from(meaning),
            ]);
        }
        let sum: f64 = row.contributions.iter().sum();
        format!(
            "{}: score {}, raw {} = base {:.6} + contributions {sum:.6}\n{METHOD}; covers: {}\n\n{}",
            self.explainer.forest().version,
            row.score,
            row.raw,
            row.base,
            self.explainer.covers_of().describe(),
            table.to_text()
        )
    }
}
