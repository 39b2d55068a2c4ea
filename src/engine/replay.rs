//! Stage `idempotency`: the first answer to an id is the answer to every repetition, and an outcome finds its decision.
//!
//! A decision's slot is claimed before anything is counted and published, whole, after everything is: its state word is
//! written last and read first.

use wire::limits::REASONS_MAX;
use wire::{Challenge, Degraded, Kind, Value, Verdict};

use crate::decide;
use crate::decision::{Decision, Hit};
use crate::key::{self, Hash};
use crate::limits::PENDING_MAX;
use crate::outcome::CheckState;
use crate::scratch::Scratch;
use crate::table::{Displaced, Ordering, Payload, Shape, Word};
use crate::tables::{TAG, TAG_BITS, Tables};
use crate::velocity::Pending;

const ID: usize = 0;
const STATE: usize = 1;
const BODY: usize = 2;
const NUMBER: usize = 3;
const SCORE: usize = 4;
/// The version, the tag of the next window by then, and the kind.
const VERSION: usize = 5;
const NEXT_TAG: u32 = 32;
const KIND: u32 = NEXT_TAG + TAG_BITS;
/// Reservations stand here, and hits behind them: most decisions have few of either.
const PENDING: usize = 6;
const PENDING_WORDS: usize = 4;
const HIT_WORDS: usize = 4;
/// Near words of a decision: with those of its slot they fill two lines, and hold two reservations or hits.
const NEAR: usize = 14;

/// A new decision finds its id and state zeroed; the rest is written before the state says that it is done.
pub(crate) const SHAPE: Shape = Shape {
    near: NEAR,
    zeroed: BODY,
    far: PENDING + PENDING_MAX * PENDING_WORDS + REASONS_MAX * HIT_WORDS - NEAR,
    rare: 0,
    busy: None,
    renewed: false,
    certain: true,
};

/// Bits of the state word: done, verdict, challenge, degraded, number of hits, number of reservations, where it stands.
const DONE: u64 = 1;
const VERDICT: u32 = 8;
const CHALLENGE: u32 = 16;
const DEGRADED: u32 = 24;
const HIT_COUNT: u32 = 40;
const PENDING_COUNT: u32 = 48;
/// Where a check stands since an outcome moved it, and one; 0 while it stands as its verdict left it.
const STANDING: u32 = 56;

/// The words of a decision: near ones, then far ones.
#[derive(Clone, Copy)]
pub(crate) struct Words<'a>(Payload<'a>);

impl<'a> Words<'a> {
    fn of(tables: &'a Tables, slot: usize) -> Words<'a> {
        Words(tables.decisions.payload(slot))
    }

    fn at(&self, word: usize) -> &'a Word {
        if word < NEAR { &self.0.near()[word] } else { &self.0.far()[word - NEAR] }
    }
}

/// What is known of an id.
#[derive(Clone, Copy)]
pub(crate) enum Seen {
    /// Nothing: this call decides, and publishes into the slot if there was room for one.
    New(Option<usize>),
    /// A decision in that slot: done, or being made.
    Known(usize),
    /// There was no room for it, and that lane of this very batch decides it.
    Beside(usize),
}

/// Claims an id; `fresh` are the lanes that decide one.
pub(crate) fn claim(tables: &Tables, lane: usize, fresh: u64, now_ms: i64, scratch: &mut Scratch) -> Seen {
    match scratch.ids.claim(&tables.decisions, lane, now_ms) {
        None => {
            let lanes = &scratch.lanes;
            let same = |&other: &usize| lanes[other].slot.is_none() && lanes[other].id == lanes[lane].id;
            decide::lanes(fresh).find(same).map_or(Seen::New(None), Seen::Beside)
        }
        Some(found) if found.fresh => {
            let id = scratch.lanes[lane].id as u64;
            tables.decisions.payload(found.slot).near()[ID].store(id, Ordering::Release);
            Seen::New(Some(found.slot))
        }
        Some(found) => Seen::Known(found.slot),
    }
}

/// Where a hit stands, behind so many reservations.
fn hit_at(pending: usize, hit: usize) -> usize {
    PENDING + pending * PENDING_WORDS + hit * HIT_WORDS
}

/// What a decision was made of, and when.
#[derive(Clone, Copy)]
pub(crate) struct Made {
    pub kind: Kind,
    /// The tag of the next window: those of later plans are not below it.
    pub next_tag: u32,
}

impl Made {
    /// That of a decision that is done.
    pub fn of(words: Words<'_>) -> Option<Made> {
        let word = words.at(VERSION).load(Ordering::Relaxed);
        let kind = Kind::from_code((word >> KIND) as u8)?;
        Some(Made { kind, next_tag: (word >> NEXT_TAG) as u32 & TAG })
    }

    /// Whether a window was there already.
    pub fn knew(self, tag: u32) -> bool {
        // Tags begin again some day.
        self.next_tag.wrapping_sub(tag + 1) & TAG <= TAG / 2
    }
}

/// Publishes a decision into its slot.
pub(crate) fn publish(
    tables: &Tables,
    slot: usize,
    made: Made,
    lane: usize,
    scratch: &Scratch,
    decision: &Decision,
) {
    let words = Words::of(tables, slot);
    let put = |at: usize, bits: u64| words.at(at).store(bits, Ordering::Relaxed);
    put(BODY, scratch.lanes[lane].fingerprint);
    put(NUMBER, decision.number);
    put(SCORE, decision.score.to_bits());
    let made = u64::from(made.kind.code()) << KIND | u64::from(made.next_tag) << NEXT_TAG;
    put(VERSION, u64::from(decision.version) | made);
    let pending = &scratch.lanes[lane].pending;
    for (at, pending) in pending.iter().enumerate() {
        put_pending(words, at, pending);
    }
    for (at, hit) in decision.hits().iter().enumerate() {
        let at = hit_at(pending.len(), at);
        let ((value_tag, value), (threshold_tag, threshold)) = (encode(hit.value), encode(hit.threshold));
        put(at, u64::from(hit.reason) << 32 | u64::from(hit.index));
        put(at + 1, value_tag << 8 | threshold_tag);
        put(at + 2, value);
        put(at + 3, threshold);
    }
    let challenge = decision.challenge.map_or(0, |challenge| u64::from(challenge.code()) + 1);
    let state = DONE
        | u64::from(decision.verdict.code()) << VERDICT
        | challenge << CHALLENGE
        | u64::from(decision.degraded) << DEGRADED
        | u64::from(decision.count) << HIT_COUNT
        | (pending.len() as u64) << PENDING_COUNT;
    words.at(STATE).store(state, Ordering::Release);
}

/// The answer to an id that another lane of the batch decided.
pub(crate) fn repeat_beside(first: Decision, lane: usize, first_lane: usize, scratch: &Scratch) -> Decision {
    let reused = scratch.lanes[lane].fingerprint != scratch.lanes[first_lane].fingerprint;
    let degraded = first.degraded | if reused { Degraded::IdReused.bit() } else { 0 };
    Decision { replayed: true, degraded, ..first }
}

/// The first answer to an id; `None` while it is being decided.
pub(crate) fn repeat(tables: &Tables, slot: usize, lane: usize, scratch: &Scratch) -> Option<Decision> {
    let words = Words::of(tables, slot);
    let state = state(words)?;
    let load = |at: usize| words.at(at).load(Ordering::Relaxed);
    let mut decision = Decision {
        verdict: Verdict::from_code((state >> VERDICT) as u8)?,
        challenge: ((state >> CHALLENGE) as u8).checked_sub(1).and_then(Challenge::from_code),
        score: f64::from_bits(load(SCORE)),
        degraded: (state >> DEGRADED) as u16,
        replayed: true,
        number: load(NUMBER),
        version: load(VERSION) as u32,
        ..Decision::EMPTY
    };
    if load(BODY) != scratch.lanes[lane].fingerprint {
        decision.degraded |= Degraded::IdReused.bit();
    }
    for at in 0..usize::from((state >> HIT_COUNT) as u8).min(REASONS_MAX) {
        let at = hit_at(pending_count(state), at);
        let tags = load(at + 1);
        decision.push(Hit {
            reason: (load(at) >> 32) as u32,
            index: load(at) as u32,
            value: decode(tags >> 8 & 0xff, load(at + 2)),
            threshold: decode(tags & 0xff, load(at + 3)),
        });
    }
    Some(decision)
}

/// The slot of an id, if it is decided or being decided.
pub(crate) fn seen(tables: &Tables, id: Hash, now_ms: i64) -> Option<usize> {
    let slot = tables.decisions.find(key::short(id), now_ms)?;
    (Words::of(tables, slot).at(ID).load(Ordering::Acquire) == id as u64).then_some(slot)
}

/// The words of an id's decision, if it is known and done.
pub(crate) fn find(tables: &Tables, id: Hash, now_ms: i64) -> Option<Words<'_>> {
    let words = Words::of(tables, seen(tables, id, now_ms)?);
    state(words).is_some().then_some(words)
}

/// The state of a decision that is done.
pub(crate) fn state(words: Words<'_>) -> Option<u64> {
    Some(words.at(STATE).load(Ordering::Acquire)).filter(|state| state & DONE != 0)
}

/// Where the check of a state stands.
pub(crate) fn standing(state: u64) -> Option<CheckState> {
    match (state >> STANDING) as usize {
        0 => Verdict::from_code((state >> VERDICT) as u8).map(CheckState::of),
        moved => CheckState::ALL.get(moved - 1).copied(),
    }
}

/// Writes where a check stands into its state, which nobody else changes: outcomes are applied one at a time.
pub(crate) fn set_standing(words: Words<'_>, state: u64, standing: CheckState) {
    let moved = standing as u64 + 1;
    words.at(STATE).store(state & !(0xff << STANDING) | moved << STANDING, Ordering::Release);
}

/// Places of a decision's reservations.
pub(crate) fn pending_count(state: u64) -> usize {
    usize::from((state >> PENDING_COUNT) as u8).min(PENDING_MAX)
}

/// A reservation: key, then 44 bits of time and 20 of the window's identity, then the amount and the maximum.
pub(crate) fn put_pending(words: Words<'_>, at: usize, pending: &Pending) {
    let at = PENDING + at * PENDING_WORDS;
    words.at(at).store(pending.key, Ordering::Relaxed);
    words.at(at + 1).store((pending.time_ms as u64) << TAG_BITS | u64::from(pending.tag), Ordering::Relaxed);
    words.at(at + 2).store(pending.delta as u64, Ordering::Relaxed);
    words.at(at + 3).store(pending.max as u64, Ordering::Relaxed);
}

pub(crate) fn get_pending(words: Words<'_>, at: usize) -> Pending {
    let load = |at: usize| words.at(at).load(Ordering::Relaxed);
    let at = PENDING + at * PENDING_WORDS;
    Pending {
        key: load(at),
        tag: load(at + 1) as u32 & TAG,
        time_ms: (load(at + 1) >> TAG_BITS) as i64,
        delta: load(at + 2) as i64,
        max: load(at + 3) as i64,
        held: true,
        displaced: Displaced::default(),
    }
}

pub(crate) fn encode(value: Value) -> (u64, u64) {
    match value {
        Value::Absent => (0, 0),
        Value::Int(n) => (1, n as u64),
        Value::Money(n) => (2, n as u64),
        Value::Double(x) => (3, x.to_bits()),
    }
}

pub(crate) fn decode(tag: u64, bits: u64) -> Value {
    match tag {
        1 => Value::Int(bits as i64),
        2 => Value::Money(bits as i64),
        3 => Value::Double(f64::from_bits(bits)),
        _ => Value::Absent,
    }
}
