//! Stage `record`: a decision as bytes for the log, and back.
//!
//! A record holds no raw identifier: accounts, devices and the like are keyed hashes. Feature values stand by number,
//! only where they differ from the missing value; the policy's version tells which table the numbers belong to.
//!
//! Layout, little-endian: version u8 (3), kind u8, verdict u8, challenge u8 (255 none), degraded u16, hits u8, inputs u8;
//! number u64, event time i64, decision time i64, amount i64 (−1 none), score f64; inputs × u64 hash;
//! versions of policy, champion and anomaly model as u8 length and bytes; challengers u8, each its version likewise and its
//! score f64; hits × (index u32, mark u8, value tag u8, threshold tag u8, value u64,
//! threshold u64), a mark being 0 for what acts, 1 for what only watches, 2 for a condition that ended in an error; matches not
//! kept u32; unsure features u16, each its number u16; built-in features u16, features u16 count of the table, one bit each, then u64 for
//! each bit set.
//!
//! Version 2 had no unsure features. Version 1 had no anomaly model, no challengers and no count of built-in features, which were [`BUILTINS_1`]. An engine with
//! more of them reads the policy's own features under the numbers that they have by now.

use wire::{Challenge, Check, Degraded, Kind, Value, Verdict};

use crate::decide::Now;
use crate::decision::Decision;
use crate::feature::{BUILTINS, Builtin, Scalar};
use crate::key;
use crate::limits::{CHALLENGERS_MAX, ERRORS_MAX, FEATURES_MAX, HITS_MAX, RECORD_BYTES_MAX, WINDOWS_MAX};
use crate::models::Challenged;
use crate::policy::Window;
use crate::replay::{decode, encode};
use crate::scratch::Scratch;
use crate::snapshot::Snapshot;
use crate::verdict;

const VERSION: u8 = 3;
/// Built-in features at the time of version 1.
const BUILTINS_1: u16 = Builtin::AnomalyScore.id().0;
const NO_CHALLENGE: u8 = u8::MAX;
/// Marks of what stands among the matches.
const ACTS: u8 = 0;
const WATCHES: u8 = 1;
const FAILED: u8 = 2;

/// Identifiers kept, as keyed hashes, in this order.
pub const INPUTS: [Builtin; 5] =
    [Builtin::Account, Builtin::Counterparty, Builtin::DeviceId, Builtin::Packet, Builtin::Ip];

pub(crate) fn write(
    snapshot: &Snapshot,
    now: Now,
    check: &Check<'_>,
    lane: usize,
    decision: &Decision,
    scratch: &mut Scratch,
) {
    let mut records = std::mem::take(&mut scratch.records);
    let slots = &scratch.lanes[lane];
    let out = &mut records.bytes;
    let shadows = verdict::shadow_count(slots);
    let kept = shadows.min(HITS_MAX);
    out.extend([
        VERSION,
        check.kind.code(),
        decision.verdict.code(),
        decision.challenge.map_or(NO_CHALLENGE, Challenge::code),
    ]);
    out.extend(decision.degraded.to_le_bytes());
    let live = || decision.hits().iter().chain(&slots.beyond);
    out.extend([(live().count() + kept + slots.errors.len()) as u8, INPUTS.len() as u8]);
    out.extend(decision.number.to_le_bytes());
    out.extend(slots.time_ms.to_le_bytes());
    out.extend(now.ms.to_le_bytes());
    let amount = Builtin::Amount.id().index();
    let carried = scratch.present[amount] >> lane & 1 != 0;
    let units = if carried { scratch.columns[amount][lane] as i64 } else { -1 };
    out.extend(units.to_le_bytes());
    out.extend(decision.score.to_bits().to_le_bytes());
    for input in INPUTS {
        out.extend(key::short(scratch.hashes[input.id().index()][lane]).to_le_bytes());
    }
    write_text(out, snapshot.policy_version());
    write_text(out, snapshot.model_version());
    write_text(out, snapshot.models.anomaly_version());
    let asked = |(_, challenged): &(&str, &Challenged)| challenged.lanes >> lane & 1 != 0;
    let challengers = || snapshot.models.challengers().zip(&scratch.challenged).filter(asked);
    out.push(challengers().count() as u8);
    for (version, challenged) in challengers() {
        write_text(out, version);
        out.extend(challenged.scores[lane].to_bits().to_le_bytes());
    }
    for hit in live() {
        write_hit(out, hit.index, ACTS, hit.value, hit.threshold);
    }
    for hit in verdict::shadows(snapshot, lane, scratch).take(kept) {
        write_hit(out, hit.index, WATCHES, hit.value, hit.threshold);
    }
    for &index in &slots.errors {
        write_hit(out, index, FAILED, Value::Absent, Value::Absent);
    }
    out.extend((slots.unkept + (shadows - kept) as u32).to_le_bytes());
    out.extend((slots.unsure.len() as u16).to_le_bytes());
    out.extend(slots.unsure.iter().flat_map(|feature| feature.to_le_bytes()));
    write_features(out, snapshot, lane, scratch);
    let end = out.len();
    let entry = (key::short(slots.id), decision.number, end);
    records.ends.push(entry);
    scratch.records = records;
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    let length = text.len().min(255);
    out.push(length as u8);
    out.extend(&text.as_bytes()[..length]);
}

fn write_hit(out: &mut Vec<u8>, index: u32, mark: u8, value: Value, threshold: Value) {
    let ((value_tag, value), (threshold_tag, threshold)) = (encode(value), encode(threshold));
    out.extend(index.to_le_bytes());
    out.extend([mark, value_tag as u8, threshold_tag as u8]);
    out.extend(value.to_le_bytes());
    out.extend(threshold.to_le_bytes());
}

fn write_features(out: &mut Vec<u8>, snapshot: &Snapshot, lane: usize, scratch: &Scratch) {
    out.extend((BUILTINS.len() as u16).to_le_bytes());
    out.extend((snapshot.missing.len() as u16).to_le_bytes());
    let bits = out.len();
    out.resize(bits + snapshot.missing.len().div_ceil(8), 0);
    let columns = scratch.present.iter().zip(&scratch.columns).zip(&snapshot.missing);
    for (id, ((present, column), &missing)) in columns.enumerate() {
        // What a lane does not have is the missing value; not to look there saves most of the columns.
        if present >> lane & 1 != 0 && column[lane] != missing {
            out[bits + id / 8] |= 1 << (id % 8);
            out.extend(column[lane].to_le_bytes());
        }
    }
}

/// A match in a record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RecordedHit {
    /// What it was a match of, by [`crate::policy::Policy::origin_of`].
    pub index: u32,
    /// Whether it only watched.
    pub shadow: bool,
    /// What was found.
    pub value: Value,
    /// What it was compared with.
    pub threshold: Value,
}

/// What a challenger said, in a record.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedScore {
    /// Its version.
    pub model: String,
    /// Its score, 0 to 1.
    pub score: f64,
}

/// A recorded decision.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Kind of event.
    pub kind: Kind,
    /// The answer.
    pub verdict: Verdict,
    /// The proof asked for.
    pub challenge: Option<Challenge>,
    /// Set of [`wire::Degraded`].
    pub degraded: u16,
    /// Number in the log.
    pub number: u64,
    /// Event time in Unix milliseconds.
    pub time_ms: i64,
    /// Time of the decision in Unix milliseconds.
    pub decided_ms: i64,
    /// Amount in units of the policy's money: minor units, unless it has a currency of more than two decimals.
    pub amount_minor: Option<i64>,
    /// Risk, 0 to 1.
    pub score: f64,
    /// Keyed hashes of [`INPUTS`]; 0 where the event had none.
    pub inputs: Vec<u64>,
    /// Version of the policy.
    pub policy: String,
    /// Version of the champion; empty if there was none.
    pub model: String,
    /// Version of the anomaly model; empty if there was none.
    pub anomaly: String,
    /// What the challengers said that were asked.
    pub challengers: Vec<RecordedScore>,
    /// Matches, live ones first.
    pub hits: Vec<RecordedHit>,
    /// Rules, limits and breakers whose condition ended in an error, as far as there was room, by
    /// [`crate::policy::Policy::origin_of`].
    pub errors: Vec<u32>,
    /// Matches that there was no room for.
    pub unkept: u32,
    /// Velocity features, by number, whose values may be others than their definitions say: their windows held something later than
    /// this event, or a full table may have forgotten some of what they held.
    pub unsure: Vec<u16>,
    /// How many features the policy's table has.
    pub features_count: u16,
    /// Bits of the features that differ from their missing value, by number.
    pub features: Vec<(u16, u64)>,
}

/// A record that cannot be read: what of it, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordError {
    /// Which part.
    pub part: &'static str,
    /// At which byte.
    pub at: usize,
}

impl std::fmt::Display for RecordError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the record's {} at byte {} cannot be read", self.part, self.at)
    }
}

impl std::error::Error for RecordError {}

impl Record {
    /// Reads a record.
    ///
    /// # Errors
    /// [`RecordError`] for bytes that no engine wrote.
    pub fn decode(bytes: &[u8]) -> Result<Record, RecordError> {
        let mut reader = Reader { bytes, at: 0 };
        let head: [u8; 4] = reader.take("head")?;
        let fault = |part| RecordError { part, at: 0 };
        if bytes.len() > RECORD_BYTES_MAX || !(1..=VERSION).contains(&head[0]) {
            return Err(fault("version"));
        }
        let is_first = head[0] == 1;
        let degraded = u16::from_le_bytes(reader.take("degraded")?);
        let [hits, inputs] = reader.take("counts")?;
        if usize::from(hits) > 2 * HITS_MAX + ERRORS_MAX {
            return Err(fault("hits"));
        }
        let mut record = Record {
            kind: Kind::from_code(head[1]).ok_or(fault("kind"))?,
            verdict: Verdict::from_code(head[2]).ok_or(fault("verdict"))?,
            challenge: match head[3] {
                NO_CHALLENGE => None,
                code => Some(Challenge::from_code(code).ok_or(fault("challenge"))?),
            },
            degraded,
            number: reader.word("number")?,
            time_ms: reader.word("time")? as i64,
            decided_ms: reader.word("decision time")? as i64,
            amount_minor: Some(reader.word("amount")? as i64).filter(|&amount| amount >= 0),
            score: f64::from_bits(reader.word("score")?),
            inputs: (0..inputs).map(|_| reader.word("inputs")).collect::<Result<_, _>>()?,
            policy: reader.text("policy")?,
            model: reader.text("model")?,
            anomaly: if is_first { String::new() } else { reader.text("anomaly model")? },
            challengers: if is_first { Vec::new() } else { reader.challengers()? },
            hits: Vec::new(),
            errors: Vec::new(),
            unkept: 0,
            unsure: Vec::new(),
            features_count: 0,
            features: Vec::new(),
        };
        for _ in 0..hits {
            match reader.hit()? {
                (FAILED, hit) => record.errors.push(hit.index),
                (_, hit) => record.hits.push(hit),
            }
        }
        record.unkept = u32::from_le_bytes(reader.take("matches not kept")?);
        if head[0] >= 3 {
            record.unsure = reader.unsure()?;
        }
        let builtins = match head[0] {
            1 => BUILTINS_1,
            _ => u16::from_le_bytes(reader.take("built-in features")?),
        };
        let features_count = u16::from_le_bytes(reader.take("feature count")?);
        let mut features = reader.features(features_count)?;
        if reader.at != bytes.len() {
            return Err(RecordError { part: "end", at: reader.at });
        }
        let added = (BUILTINS.len() as u16).checked_sub(builtins).ok_or(fault("built-in features"))?;
        features.iter_mut().filter(|(id, _)| *id >= builtins).for_each(|(id, _)| *id += added);
        record.unsure.iter_mut().filter(|id| **id >= builtins).for_each(|id| *id += added);
        Ok(Record { features_count: features_count + added, features, ..record })
    }

    /// The recorded value of a velocity feature, and whether it is certainly that of the window's definition. `below` is what the
    /// window was laid out for: [`Window::certain_below`]; `missing` what stands in the table for a value that is not there.
    pub fn window_value(&self, window: &Window, missing: Scalar, below: i64) -> (i64, bool) {
        let recorded = self.features.iter().find(|(id, _)| *id == window.feature.0);
        let value = recorded.map_or(missing.bits(), |(_, bits)| *bits) as i64;
        let placed = self.degraded & Degraded::Velocity.bit() == 0;
        (value, placed && value < below && !self.unsure.contains(&window.feature.0))
    }

    /// Whether a model's score is none: the deadline left no time for it, or it was no number.
    pub fn model_skipped(&self) -> bool {
        self.degraded & Degraded::Model.bit() != 0
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self, part: &'static str) -> Result<[u8; N], RecordError> {
        let found = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<N>());
        let found = *found.ok_or(RecordError { part, at: self.at })?;
        self.at += N;
        Ok(found)
    }

    fn word(&mut self, part: &'static str) -> Result<u64, RecordError> {
        self.take(part).map(u64::from_le_bytes)
    }

    fn text(&mut self, part: &'static str) -> Result<String, RecordError> {
        let [length] = self.take(part)?;
        let fault = RecordError { part, at: self.at };
        let bytes = self.bytes.get(self.at..self.at + usize::from(length)).ok_or(fault)?;
        self.at += bytes.len();
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| fault)
    }

    fn challengers(&mut self) -> Result<Vec<RecordedScore>, RecordError> {
        let fault = RecordError { part: "challengers", at: self.at };
        let [count] = self.take("challengers")?;
        if usize::from(count) > CHALLENGERS_MAX {
            return Err(fault);
        }
        let one = |_| {
            let model = self.text("challenger")?;
            Ok(RecordedScore { model, score: f64::from_bits(self.word("challenger")?) })
        };
        (0..count).map(one).collect()
    }

    fn unsure(&mut self) -> Result<Vec<u16>, RecordError> {
        let fault = RecordError { part: "unsure features", at: self.at };
        let count = u16::from_le_bytes(self.take("unsure features")?);
        if usize::from(count) > WINDOWS_MAX {
            return Err(fault);
        }
        (0..count).map(|_| self.take("unsure features").map(u16::from_le_bytes)).collect()
    }

    /// What stands among the matches, and its mark.
    fn hit(&mut self) -> Result<(u8, RecordedHit), RecordError> {
        let index = u32::from_le_bytes(self.take("hit")?);
        let [mark, value_tag, threshold_tag] = self.take("hit")?;
        let value = decode(u64::from(value_tag), self.word("hit")?);
        let threshold = decode(u64::from(threshold_tag), self.word("hit")?);
        Ok((mark, RecordedHit { index, shadow: mark != ACTS, value, threshold }))
    }

    fn features(&mut self, count: u16) -> Result<Vec<(u16, u64)>, RecordError> {
        let fault = RecordError { part: "features", at: self.at };
        if usize::from(count) > FEATURES_MAX {
            return Err(fault);
        }
        let bits = self.bytes.get(self.at..self.at + usize::from(count).div_ceil(8)).ok_or(fault)?;
        self.at += bits.len();
        let set = (0..count).filter(|&id| bits[usize::from(id / 8)] >> (id % 8) & 1 != 0);
        set.map(|id| Ok((id, self.word("features")?))).collect()
    }
}
