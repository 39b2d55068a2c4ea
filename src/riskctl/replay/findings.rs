//! What a replay finds amiss: rows that the daemon would refuse, ids that come again, labels that mean nothing, keys that the
//! tables forgot, events out of order. Each would make features or figures wrong without a word, so each ends the run
//! unless it is allowed, and is counted where it is.

use std::collections::BTreeMap;

use clap::ValueEnum;
use engine::Fill;
use events::{Event, Labels, Place, show_instant};
use serde_json::{Value, json};
use wire::Degraded;

use crate::outcome::Failure;
use crate::print::{counted, thousands};

/// What may be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Fault {
    /// Rows that the daemon would refuse are left out
    Refused,
    /// Rows whose id came before are left out: they have the first answer and no features
    Repeated,
    /// No label is one of the mapping's words for fraud
    Labels,
    /// Tables forget keys before their time, or have no room: some features are too low
    Evictions,
    /// Events out of order are sent late, as they come
    Late,
}

/// Refused rows that are shown.
const SHOWN: usize = 5;

/// Flags of an answer whose check found no room in a table.
const NO_ROOM: u16 = Degraded::Velocity.bit() | Degraded::Profile.bit() | Degraded::Idempotency.bit();

/// What was found.
#[derive(Debug, Default)]
pub struct Findings {
    allowed: Vec<Fault>,
    entries: usize,
    rows: u64,
    refused: u64,
    shown: Vec<String>,
    repeated: u64,
    late: u64,
    degraded: BTreeMap<&'static str, u64>,
    evictions: Vec<(String, u64)>,
    labels: Labels,
}

impl Findings {
    /// Nothing yet. `entries` is the room of the tables, for a message.
    pub fn new(allowed: &[Fault], entries: usize) -> Findings {
        Findings { allowed: allowed.to_vec(), entries, ..Findings::default() }
    }

    /// Counts a fault that ends the run unless it is allowed.
    fn meet(&self, fault: Fault, message: impl FnOnce() -> String) -> Result<(), Failure> {
        if self.allowed.contains(&fault) { Ok(()) } else { Err(Failure(message())) }
    }

    /// A row was read.
    pub fn row(&mut self) {
        self.rows += 1;
    }

    /// A row that makes no check which the daemon would take.
    pub fn refuse(&mut self, place: Place, why: &str) -> Result<(), Failure> {
        self.refused += 1;
        if self.shown.len() < SHOWN {
            self.shown.push(format!("{place}: {why}"));
        }
        self.meet(Fault::Refused, || {
            format!("{place}: {why}; `--allow refused` leaves such rows out and counts them")
        })
    }

    /// An event that an earlier one is later than.
    pub fn late(&mut self, event: &Event, latest_ms: i64) -> Result<(), Failure> {
        self.late += 1;
        self.meet(Fault::Late, || {
            format!(
                "{}: an event of {} follows one of {}: put `sort = true` in the mapping; `--allow late` sends it late, as it comes",
                event.place,
                show_instant(event.time_ms),
                show_instant(latest_ms)
            )
        })
    }

    /// An event whose id came before.
    pub fn repeat(&mut self, event: &Event, id: &str) -> Result<(), Failure> {
        self.repeated += 1;
        self.meet(Fault::Repeated, || {
            format!(
                "{}: the id {id:?} came before: an id is one event's, a repetition gets the first answer and no features; `--allow repeated` leaves such rows out and counts them",
                event.place
            )
        })
    }

    /// Flags of an answer.
    pub fn degraded(&mut self, event: &Event, flags: u16) -> Result<(), Failure> {
        if flags == 0 {
            return Ok(());
        }
        for flag in Degraded::ALL.iter().filter(|flag| flags & flag.bit() != 0) {
            *self.degraded.entry(flag.name()).or_default() += 1;
        }
        if flags & NO_ROOM != 0 {
            self.meet(Fault::Evictions, || {
                format!("{}: no table has room for it: {}", event.place, self.more_room())
            })?;
        }
        if flags & Degraded::ClockSkew.bit() != 0 {
            self.meet(Fault::Late, || {
                format!(
                    "{}: its time is too far from that of the events about it; `--allow late` goes on",
                    event.place
                )
            })?;
        }
        Ok(())
    }

    /// How full the tables are.
    pub fn fill(&mut self, fill: &[Fill<'_>]) -> Result<(), Failure> {
        let evicted = fill.iter().filter(|row| row.evictions > 0);
        self.evictions = evicted.map(|row| (row.name.to_owned(), row.evictions)).collect();
        if self.evictions.is_empty() {
            return Ok(());
        }
        self.meet(Fault::Evictions, || {
            format!("the tables forgot keys before their time ({}): {}", self.evicted(), self.more_room())
        })
    }

    fn evicted(&self) -> String {
        let names = self.evictions.iter().map(|(name, count)| format!("{name} {}", thousands(*count)));
        names.collect::<Vec<_>>().join(", ")
    }

    fn more_room(&self) -> String {
        format!(
            "features after that are too low; --entries is {}: raise it. `--allow evictions` goes on",
            self.entries
        )
    }

    /// The end of the file: whether it has labels and rows at all.
    pub fn end(&mut self, labels: &Labels) -> Result<(), Failure> {
        self.labels = labels.clone();
        let left = self.rows.saturating_sub(self.repeated);
        if left == 0 && self.refused > 0 {
            return Err(Failure(format!(
                "all {} are refused; the first: {}",
                counted(self.refused as usize, "row"),
                self.shown[0]
            )));
        }
        let words = &self.labels.fraud;
        if self.rows == 0 || words.is_empty() || words.iter().any(|(_, count)| *count > 0) {
            return Ok(());
        }
        self.meet(Fault::Labels, || {
            let words: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
            let others = self.labels.others.iter().map(|(other, count)| format!("{other:?} in {}", counted(*count as usize, "row")));
            let mut found: Vec<String> = others.collect();
            if self.labels.missing > 0 {
                found.push(format!("nothing in {}", counted(self.labels.missing as usize, "row")));
            }
            format!(
                "no row is fraud: `label.fraud` of the mapping is {}, the column holds {}; `--allow labels` goes on",
                words.join(", "),
                found.join(", ")
            )
        })
    }

    /// Events flagged `clock_skew`.
    pub fn clock_skewed(&self) -> u64 {
        self.degraded.get(Degraded::ClockSkew.name()).copied().unwrap_or(0)
    }

    /// For programs.
    pub fn json(&self) -> Value {
        json!({
            "refused": self.refused,
            "refused_rows": self.shown,
            "repeated": self.repeated,
            "late": self.late,
            "evictions": self.evictions.iter().cloned().collect::<BTreeMap<_, _>>(),
            "degraded": self.degraded,
            "labels": self.labels.fraud.iter().cloned().collect::<BTreeMap<_, _>>(),
            "unlabelled": self.labels.missing,
        })
    }

    /// For people: a line for each that there is.
    pub fn text(&self) -> String {
        let mut lines = Vec::new();
        if self.refused > 0 {
            lines.push(format!(
                "{} left out that the daemon would refuse",
                counted(self.refused as usize, "row")
            ));
            lines.extend(self.shown.iter().map(|row| format!("  {row}")));
        }
        if self.repeated > 0 {
            lines.push(format!("{} left out whose id came before", counted(self.repeated as usize, "row")));
        }
        if self.late > 0 {
            lines.push(format!("{} sent late", counted(self.late as usize, "event")));
        }
        if !self.evictions.is_empty() {
            lines.push(format!("keys forgotten before their time: {}; raise --entries", self.evicted()));
        }
        let flags = self
            .degraded
            .iter()
            .map(|(flag, count)| format!("{} flagged {flag}", counted(*count as usize, "event")));
        lines.extend(flags);
        let without = self.labels.fraud.iter().filter(|(_, count)| *count == 0);
        lines.extend(without.map(|(word, _)| format!("no row has the label {word:?}")));
        if self.labels.missing > 0 {
            lines.push(format!(
                "{} without a label, taken as honest",
                counted(self.labels.missing as usize, "row")
            ));
        }
        lines.iter().map(|line| format!("warning  {line}\n")).collect()
    }
}
