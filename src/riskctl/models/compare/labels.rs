//! What became of checks: the outcomes `fraud` and `legit` of the daemon's log, and a file of labels, which goes before them.

use std::collections::HashMap;
use std::path::Path;

use engine::key::{Seed, short};
use events::{Cell, Table};
use journal::{Entry, Reader};
use wire::OutcomeKind;

use crate::outcome::Failure;
use crate::print;

/// Whether a check was fraud, by what the log knows it by.
#[derive(Default)]
pub struct Labels {
    outcomes: HashMap<u64, bool>,
    /// Of the file, by key or by number of the decision; each with whether a check had it.
    by_key: HashMap<u64, Told>,
    by_decision: HashMap<u64, Told>,
}

struct Told {
    fraud: bool,
    met: bool,
}

impl Labels {
    /// Reads the outcomes of a data folder, if it has any, and the file.
    ///
    /// # Errors
    /// If one of them cannot be read, or the file has no label where it should, none at all, or two that contradict each other.
    pub fn read(data: &Path, file: Option<&Path>) -> Result<Labels, Failure> {
        let mut labels = Labels::default();
        let outcomes = data.join("outcomes");
        if outcomes.is_dir() {
            labels.read_outcomes(&outcomes)?;
        }
        if let Some(file) = file {
            let of = |failure: Failure| Failure::of(file.display(), failure.0);
            labels.read_file(file, data).map_err(of)?;
        }
        Ok(labels)
    }

    /// Whether a check was fraud; nothing where nobody said.
    pub fn of(&mut self, key: u64, decision: u64) -> Option<bool> {
        let told = self.by_decision.get_mut(&decision).or_else(|| self.by_key.get_mut(&key));
        if let Some(told) = told {
            told.met = true;
            return Some(told.fraud);
        }
        self.outcomes.get(&key).copied()
    }

    /// Labels of the file, and those of them that no check had.
    pub fn unmet(&self) -> (usize, usize) {
        let told = || self.by_key.values().chain(self.by_decision.values());
        (told().count(), told().filter(|told| !told.met).count())
    }

    /// The latest label of a check stands.
    fn read_outcomes(&mut self, folder: &Path) -> Result<(), Failure> {
        let mut reader = Reader::open(folder).map_err(|error| Failure::of(folder.display(), error))?;
        while let Some(entry) = reader.next_entry() {
            match entry {
                Entry::Record(record) => match wire::json::decode_outcome(record.bytes) {
                    Ok(outcome) => match outcome.outcome {
                        OutcomeKind::Fraud => drop(self.outcomes.insert(record.key, true)),
                        OutcomeKind::Legit => drop(self.outcomes.insert(record.key, false)),
                        _ => {}
                    },
                    Err(error) => print::tell(&format!("outcome {}: {error}", record.number)),
                },
                Entry::Fault(fault) => print::tell(&format!("outcomes: {fault}")),
            }
        }
        Ok(())
    }

    fn read_file(&mut self, file: &Path, data: &Path) -> Result<(), Failure> {
        let table = Table::open(file)?;
        let name = ["decision", "key", "id"].into_iter().find(|name| table.has(name));
        let name = name.ok_or("expected a column `id`, `key` or `decision`")?;
        // An id is known to the log by its hash alone, under a seed that lies beside it.
        let seed = if name == "id" { Some(seed(data)?) } else { None };
        for row in table.rows(&["label", name], &[])? {
            let row = row?;
            let refuse = |what: &str| Failure(format!("{}: {what}", row.place));
            let fraud =
                fraud(&row.cells[0]).ok_or_else(|| refuse("expected a label: fraud or legit, 1 or 0"))?;
            let text = row.cells[1].to_text().unwrap_or_default();
            let (labels, check) = match (name, &seed) {
                ("decision", _) => {
                    let number = row.cells[1].to_int().and_then(|number| u64::try_from(number).ok());
                    let number = number.ok_or_else(|| refuse("expected the number of a decision"))?;
                    (&mut self.by_decision, number)
                }
                ("key", _) => {
                    let key = u64::from_str_radix(&text, 16);
                    (&mut self.by_key, key.map_err(|_| refuse("expected a key of 16 digits"))?)
                }
                (_, Some(seed)) if !text.is_empty() => (&mut self.by_key, short(seed.text(&text))),
                _ => return Err(refuse("expected an id")),
            };
            let earlier = labels.insert(check, Told { fraud, met: false });
            if earlier.is_some_and(|earlier| earlier.fraud != fraud) {
                return Err(refuse(&format!("{name} {text:?} is both fraud and legit in this file")));
            }
        }
        if self.unmet().0 == 0 { Err("it has no rows".into()) } else { Ok(()) }
    }
}

fn seed(data: &Path) -> Result<Seed, Failure> {
    journal::read_seed(data).map(Seed::new).map_err(|error| Failure(error.to_string()))
}

fn fraud(cell: &Cell) -> Option<bool> {
    match (cell.to_float(), cell.to_text()?.as_str()) {
        (Some(1.0), _) | (_, "fraud") => Some(true),
        (Some(0.0), _) | (_, "legit") => Some(false),
        _ => None,
    }
}
