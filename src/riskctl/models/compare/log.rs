//! The decisions that a challenger scored beside the champion, as the log has them.

use std::ops::Range;
use std::path::Path;

use engine::feature::Builtin;
use engine::policy::{Bands, Origin, Policy, Tier};
use engine::record::Record;
use journal::{Entry, Reader};
use wire::{Degraded, Verdict};

use super::labels::Labels;
use crate::outcome::Failure;
use crate::print;

const DAY_MS: f64 = 86_400_000.0;

/// What was read.
#[derive(Default)]
pub struct Log {
    /// Champions and challengers that scored the same checks.
    pub pairs: Vec<Pair>,
    /// Decisions of the span.
    pub decisions: u64,
    /// Of those, decisions whose deadline left no time for the champion.
    pub without_model: u64,
    /// What could not be read.
    pub faults: u64,
}

/// Two models, and the checks that both scored.
pub struct Pair {
    /// Version of the champion; empty where none was loaded.
    pub champion: String,
    /// Version of the challenger.
    pub challenger: String,
    /// The checks.
    pub rows: Vec<Row>,
}

/// A check that both scored.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Time of the event, in Unix milliseconds.
    pub time_ms: i64,
    /// Scores of champion and challenger, without rules.
    pub scores: [f64; 2],
    /// Amount in minor units; 0 where there is none.
    pub amount_minor: i64,
    /// Whether it was fraud, where that is known.
    pub fraud: Option<bool>,
    /// What either would have led to, where the rules that decided are at hand.
    pub judged: Option<Judged>,
}

/// What the scores of champion and challenger lead to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judged {
    /// The bands that score and rules together reach.
    pub bands: [Verdict; 2],
    /// The verdicts: the band's, unless an earlier tier decided.
    pub verdicts: [Verdict; 2],
}

impl Log {
    /// Reads the journal of a data folder, or a folder of segments.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn read(
        data: &Path,
        policy: Option<&Policy>,
        labels: &mut Labels,
        span: Range<i64>,
    ) -> Result<Log, Failure> {
        let inner = data.join("journal");
        let folder = if inner.is_dir() { inner } else { data.to_owned() };
        let mut reader = Reader::open(&folder).map_err(|error| Failure::of(folder.display(), error))?;
        let bar = print::progress(None, "reading");
        let mut log = Log::default();
        while let Some(entry) = reader.next_entry() {
            let fault = match entry {
                Entry::Record(record) => match Record::decode(record.bytes) {
                    Ok(decision) => {
                        if span.contains(&decision.time_ms) {
                            log.take(&decision, policy, labels.of(record.key, decision.number));
                        }
                        bar.inc(1);
                        continue;
                    }
                    Err(error) => format!("record {}: {error}", record.number),
                },
                Entry::Fault(fault) => fault.to_string(),
            };
            log.faults += 1;
            print::tell(&fault);
        }
        bar.finish_and_clear();
        Ok(log)
    }

    /// Takes checks without a label for honest that are so many days older than the latest.
    pub fn take_for_honest(&mut self, days: f64) {
        let rows = || self.pairs.iter().flat_map(|pair| &pair.rows);
        let latest_ms = rows().map(|row| row.time_ms).max().unwrap_or_default();
        let until_ms = latest_ms.saturating_sub((days * DAY_MS) as i64);
        for row in self.pairs.iter_mut().flat_map(|pair| &mut pair.rows) {
            if row.time_ms <= until_ms && row.fraud.is_none() {
                row.fraud = Some(false);
            }
        }
    }

    fn take(&mut self, record: &Record, policy: Option<&Policy>, fraud: Option<bool>) {
        self.decisions += 1;
        if record.degraded & Degraded::Model.bit() != 0 {
            self.without_model += 1;
            return;
        }
        let champion = feature(record, Builtin::ModelScore).map_or(0.0, f64::from_bits);
        for one in &record.challengers {
            let scores = [champion, one.score];
            let row = Row {
                time_ms: record.time_ms,
                scores,
                amount_minor: record.amount_minor.unwrap_or(0),
                fraud,
                judged: policy.and_then(|policy| judge(policy, record, scores)),
            };
            let same = |pair: &&mut Pair| pair.champion == record.model && pair.challenger == one.model;
            match self.pairs.iter_mut().find(same) {
                Some(pair) => pair.rows.push(row),
                None => self.pairs.push(Pair {
                    champion: record.model.clone(),
                    challenger: one.model.clone(),
                    rows: vec![row],
                }),
            }
        }
    }
}

fn feature(record: &Record, feature: Builtin) -> Option<u64> {
    record.features.iter().find(|(id, _)| *id == feature.id().0).map(|(_, bits)| *bits)
}

/// What either score leads to, with the rules as they matched. Nothing where other rules decided, or where the record does not
/// hold all that the score was made of, which shows in the champion's own.
fn judge(policy: &Policy, record: &Record, scores: [f64; 2]) -> Option<Judged> {
    if policy.version != record.policy {
        return None;
    }
    let (mut added, mut decided) = (Vec::new(), false);
    for hit in record.hits.iter().filter(|hit| !hit.shadow) {
        match policy.origin_of(hit.index as usize) {
            Origin::Rule(at) => {
                let rule = policy.rules.get(at)?;
                added.push(rule.score);
                decided |= rule.tier != Tier::Score;
            }
            origin => decided |= !origin.is_band(),
        }
    }
    let sums = scores.map(|score| engine::score::total(score, added.iter().copied()));
    let bands = sums.map(|sum| band(&policy.bands, sum));
    let verdicts = bands.map(|band| if decided { record.verdict } else { band });
    let complete = sums[0].to_bits() == record.score.to_bits() && verdicts[0] == record.verdict;
    complete.then_some(Judged { bands, verdicts })
}

fn band(bands: &Bands, score: f64) -> Verdict {
    let reached =
        [(bands.deny, Verdict::Deny), (bands.review, Verdict::Review), (bands.challenge, Verdict::Challenge)];
    reached.into_iter().find(|(threshold, _)| score >= *threshold).map_or(Verdict::Allow, |(_, band)| band)
}
