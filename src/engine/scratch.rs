//! A worker's own memory: columns, registers and lanes, taken once and used for every batch.

use std::net::IpAddr;

use arrayvec::ArrayString;
use wire::Check;
use wire::limits::REASONS_MAX;

use crate::breaker::Tripped;
use crate::decision::Hit;
use crate::feature::{FeatureId, Scalar, Type};
use crate::few::Few;
use crate::fields;
use crate::forest::Lanes;
use crate::key::Hash;
use crate::limits::{
    BREAKERS_MAX, CHALLENGERS_MAX, ERRORS_MAX, FEATURES_MAX, GROUPS_MAX, HITS_MAX, LANES, LIMITS_MAX,
    LISTS_MAX, MODEL_VERSION_BYTES_MAX, PENDING_MAX, RECORD_BYTES_MAX, WINDOWS_MAX,
};
use crate::lists;
use crate::models::{Challenged, ScoreTally};
use crate::rules::Registers;
use crate::snapshot::Snapshot;
use crate::table::Sought;
use crate::tally::MatchTally;
use crate::velocity::{Pending, Refused};

/// One value a lane.
pub(crate) type Column = [u64; LANES];

/// Live matches that a record holds beside those of the answer.
pub(crate) const BEYOND_MAX: usize = HITS_MAX - REASONS_MAX;

/// A match of a rule, live or shadow, before it becomes a reason.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Match {
    /// Place among the snapshot's rules.
    pub rule: u32,
    pub shadow: bool,
}

/// What a stage leaves of one check for the next ones.
#[derive(Debug)]
pub(crate) struct Lane {
    /// Event time, within its bounds.
    pub time_ms: i64,
    pub degraded: u16,
    /// The amount, where it is of the currency that profiles are of.
    pub own_amount: Option<i64>,
    pub ip: Option<IpAddr>,
    pub ip_text: ArrayString<45>,
    pub packet_text: ArrayString<36>,
    /// Hash of the check id.
    pub id: Hash,
    /// Fingerprint of every other field.
    pub fingerprint: u64,
    /// Slot of the decision being made, if there was room for it.
    pub slot: Option<usize>,
    pub pending: Few<Pending>,
    pub refused: Few<Refused>,
    pub tripped: Few<Tripped>,
    pub token: Option<crate::verify::TokenState>,
    pub matches: Few<Match>,
    /// Matches beyond the room for them.
    pub unkept: u32,
    /// What live ones of these add to the score, in millionths.
    pub unkept_score: i64,
    /// Reasons of the decision that an answer has no room for.
    pub beyond: Few<Hit>,
    /// Rules, limits and breakers whose condition ended in an error, by [`crate::policy::Policy::index_of`], as far as there is
    /// room.
    pub errors: Few<u32>,
    /// Velocity features whose values may be others than their definitions say: has room for all.
    pub unsure: Few<u16>,
}

impl Lane {
    fn new() -> Lane {
        Lane {
            time_ms: 0,
            degraded: 0,
            own_amount: None,
            ip: None,
            ip_text: ArrayString::new(),
            packet_text: ArrayString::new(),
            id: 0,
            fingerprint: 0,
            slot: None,
            pending: Few::with_room(PENDING_MAX),
            refused: Few::with_room(LIMITS_MAX),
            tripped: Few::with_room(BREAKERS_MAX),
            token: None,
            matches: Few::with_room(HITS_MAX),
            unkept: 0,
            unkept_score: 0,
            beyond: Few::with_room(BEYOND_MAX),
            errors: Few::with_room(ERRORS_MAX),
            unsure: Few::with_room(WINDOWS_MAX),
        }
    }

    /// Ready for the next check.
    pub fn clear(&mut self) {
        self.degraded = 0;
        self.ip = None;
        self.ip_text.clear();
        self.packet_text.clear();
        self.slot = None;
        self.pending.clear();
        self.refused.clear();
        self.tripped.clear();
        self.token = None;
        self.matches.clear();
        self.unkept = 0;
        self.unkept_score = 0;
        self.beyond.clear();
        self.errors.clear();
        self.unsure.clear();
    }
}

/// Records of the latest call, one after the other.
#[derive(Default)]
pub(crate) struct Records {
    pub bytes: Vec<u8>,
    /// Key of the check id, decision number, and where the record ends.
    pub ends: Vec<(u64, u64, usize)>,
}

/// A worker's memory.
pub struct Scratch {
    pub(crate) worker: usize,
    pub(crate) columns: Vec<Column>,
    pub(crate) present: Vec<u64>,
    pub(crate) hashes: Vec<[Hash; LANES]>,
    pub(crate) on_lists: Vec<u64>,
    /// Lanes that are known not to be allowed before anything is reserved.
    pub(crate) refused: u64,
    /// Entries of the list being looked up that would put a lane on it.
    pub(crate) wanted: Vec<(usize, Hash)>,
    pub(crate) registers: Registers,
    /// Registers of the limits' conditions.
    pub(crate) gate: Registers,
    /// Inputs of the models, by the matrix of all.
    pub(crate) model: Lanes,
    /// The same for a few lanes that a model is asked about, side by side.
    pub(crate) sampled: Lanes,
    /// By the snapshot's challengers.
    pub(crate) challenged: Vec<Challenged>,
    pub(crate) scores: ScoreTally,
    pub(crate) tally: MatchTally,
    pub(crate) lanes: Vec<Lane>,
    /// By the plan's groups.
    pub(crate) windows: Vec<Sought>,
    pub(crate) accounts: Sought,
    pub(crate) devices: Sought,
    pub(crate) ids: Sought,
    pub(crate) records: Records,
    types: Vec<Type>,
    fitted: u64,
}

impl Scratch {
    /// The memory of that worker; each concurrent caller of `decide` has a number of its own, below
    /// [`crate::limits::WORKERS_MAX`].
    pub fn new(worker: usize) -> Scratch {
        Scratch {
            worker,
            columns: vec![[0; LANES]; FEATURES_MAX],
            present: vec![0; FEATURES_MAX],
            hashes: vec![[0; LANES]; FEATURES_MAX],
            on_lists: vec![0; LISTS_MAX],
            refused: 0,
            wanted: Vec::with_capacity(LANES * lists::ASKED_MAX),
            registers: Registers::default(),
            gate: Registers::default(),
            model: Lanes::default(),
            sampled: Lanes::default(),
            challenged: vec![Challenged::NONE; CHALLENGERS_MAX],
            scores: ScoreTally::default(),
            tally: MatchTally::default(),
            lanes: (0..LANES).map(|_| Lane::new()).collect(),
            windows: vec![Sought::default(); GROUPS_MAX],
            accounts: Sought::default(),
            devices: Sought::default(),
            ids: Sought::default(),
            records: Records { bytes: Vec::new(), ends: Vec::with_capacity(wire::limits::BATCH_CHECKS_MAX) },
            types: Vec::with_capacity(FEATURES_MAX),
            fitted: 0,
        }
    }

    /// Takes the registers a snapshot needs, once a snapshot.
    pub(crate) fn fit(&mut self, snapshot: &Snapshot) {
        if self.fitted != snapshot.serial {
            self.fitted = snapshot.serial;
            self.gate.fit(&snapshot.policy.gate, &snapshot.schedules.gate);
            self.registers.fit(&snapshot.policy.program, &snapshot.schedules.early);
            self.registers.fit(&snapshot.policy.program, &snapshot.schedules.late);
            for forest in snapshot.models.forests() {
                self.model.fit(forest);
                self.sampled.fit(forest);
            }
            let challengers = snapshot.models.challengers().count();
            self.records.bytes.clear();
            self.records.bytes.reserve(
                wire::limits::BATCH_CHECKS_MAX * (1024 + challengers * (9 + MODEL_VERSION_BYTES_MAX))
                    + RECORD_BYTES_MAX,
            );
            self.tally.fit(&snapshot.policy);
            self.types.clear();
            self.types.extend(snapshot.policy.features.iter().map(|(_, row)| row.ty));
        }
    }

    pub(crate) fn set(&mut self, feature: FeatureId, lane: usize, scalar: Scalar) {
        self.columns[feature.index()][lane] = scalar.bits();
        self.present[feature.index()] |= 1 << lane;
    }

    /// Gives a feature of a lane its missing value.
    pub(crate) fn forget(&mut self, snapshot: &Snapshot, feature: FeatureId, lane: usize) {
        self.columns[feature.index()][lane] = snapshot.missing[feature.index()];
        self.present[feature.index()] &= !(1 << lane);
    }

    /// A feature of a check of the latest call: `lane` is its place within the last 64 of them.
    pub fn value(&self, feature: FeatureId, lane: usize) -> Scalar {
        Scalar::from_bits(self.types[feature.index()], self.columns[feature.index()][lane])
    }

    /// Whether a check of the latest call had that feature: the event carried it, or the engine could tell it.
    pub fn is_present(&self, feature: FeatureId, lane: usize) -> bool {
        self.present[feature.index()] >> lane & 1 != 0
    }

    /// Whether a check of the latest call is on that list, by its place in the policy.
    pub fn is_on(&self, list: u16, lane: usize) -> bool {
        self.on_lists[usize::from(list)] >> lane & 1 != 0
    }

    /// Event time of a check of the latest call, in Unix milliseconds, within its bounds.
    pub fn time_ms(&self, lane: usize) -> i64 {
        self.lanes[lane].time_ms
    }

    /// A text feature of a check of the latest call; empty where it has none.
    pub fn text<'a>(
        &'a self,
        snapshot: &Snapshot,
        check: &'a Check<'_>,
        feature: FeatureId,
        lane: usize,
    ) -> &'a str {
        fields::text(snapshot, check, &self.lanes[lane], feature)
    }

    /// How the scores of models were distributed since this was emptied; of the snapshot that the latest call was with.
    pub fn score_tally(&mut self) -> &mut ScoreTally {
        &mut self.scores
    }

    /// What was decided and what matched since this was emptied; of the snapshot that the latest call was with.
    pub fn match_tally(&mut self) -> &mut MatchTally {
        &mut self.tally
    }

    /// Places in the policy of the rules that a check of the latest call matched, those in shadow included; `lane` as in
    /// [`Scratch::value`].
    pub fn matched(&self, lane: usize) -> impl Iterator<Item = usize> {
        self.lanes[lane].matches.iter().map(|found| found.rule as usize)
    }

    /// Records of the latest call: key of the check id, decision number, bytes.
    pub fn records(&self) -> impl Iterator<Item = (u64, u64, &[u8])> {
        let mut start = 0;
        self.records.ends.iter().map(move |&(key, number, end)| {
            let record = &self.records.bytes[start..end];
            start = end;
            (key, number, record)
        })
    }
}
