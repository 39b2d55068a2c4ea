//! Stage `model`: the scores, as far as the deadlines leave time for them. What only watches is skipped first. A score that is
//! no number (`PROBIT` of a sum past 1) counts as not made, and the answer says so.

use wire::{Check, Degraded};

use super::{Model, Models};
use crate::decide::{Now, lanes};
use crate::feature::{Builtin, Scalar, Type};
use crate::forest::Lanes;
use crate::key::Hash;
use crate::limits::{LANES, MODEL_BUDGET_US, SHADOW_BUDGET_US, SHADOW_WAITED_US_MAX};
use crate::scratch::{Column, Scratch};
use crate::snapshot::Snapshot;

/// What a challenger said of a group of checks.
#[derive(Clone)]
pub(crate) struct Challenged {
    /// Lanes it was asked about.
    pub lanes: u64,
    pub scores: [f64; LANES],
}

impl Challenged {
    pub const NONE: Challenged = Challenged { lanes: 0, scores: [0.0; LANES] };
}

/// Scores the fresh lanes.
pub(crate) fn score(snapshot: &Snapshot, now: Now, checks: &[Check<'_>], fresh: u64, scratch: &mut Scratch) {
    let models = &snapshot.models;
    let mut matrix = Matrix { models, lanes: checks.len(), filled: 0 };
    if models.champion.is_some() || models.anomaly.is_some() {
        act(models, now, checks, fresh, &mut matrix, scratch);
    }
    for (at, model) in models.challengers.iter().enumerate() {
        let asked = share(models, at, now, checks, fresh, scratch);
        let held = &mut scratch.challenged[at].lanes;
        *held = *held & !fresh | asked;
        if asked != 0 {
            watch(models, model, at, asked, &mut matrix, scratch);
        }
    }
}

/// Takes back what was counted of lanes' scores.
pub(crate) fn uncount(snapshot: &Snapshot, those: u64, scratch: &mut Scratch) {
    let models = &snapshot.models;
    let champion = models.champion.iter().map(|_| Builtin::ModelScore);
    let acting = champion.chain(models.anomaly.iter().map(|_| Builtin::AnomalyScore));
    let mut place = 0;
    for feature in acting {
        for lane in lanes(those & scratch.present[feature.id().index()]) {
            let score = f64::from_bits(scratch.columns[feature.id().index()][lane]);
            scratch.scores.uncount(place, score);
        }
        place += 1;
    }
    for at in 0..models.challengers.len() {
        for lane in lanes(those & scratch.challenged[at].lanes) {
            scratch.scores.uncount(place + at, scratch.challenged[at].scores[lane]);
        }
    }
}

/// The models whose scores are features.
fn act(
    models: &Models,
    now: Now,
    checks: &[Check<'_>],
    fresh: u64,
    matrix: &mut Matrix<'_>,
    scratch: &mut Scratch,
) {
    let mut scored = 0_u64;
    for lane in lanes(fresh) {
        if left_us(&checks[lane], now) < MODEL_BUDGET_US {
            scratch.lanes[lane].degraded |= Degraded::Model.bit();
        } else {
            scored |= 1 << lane;
        }
    }
    if scored == 0 {
        return;
    }
    let champion = models.champion.as_ref().map(|model| (model, Builtin::ModelScore));
    let anomaly = models.anomaly.as_ref().map(|model| (model, Builtin::AnomalyScore));
    let mut scores = [0.0; LANES];
    for (place, (model, feature)) in champion.into_iter().chain(anomaly).enumerate() {
        matrix.ask(model, models.acting, scored, &mut scores, scratch);
        for lane in lanes(scored) {
            let score = scores[lane].clamp(0.0, 1.0);
            if score.is_nan() {
                // No band would be met, so that it would pass for harmless.
                scratch.lanes[lane].degraded |= Degraded::Model.bit();
                continue;
            }
            scratch.set(feature.id(), lane, Scalar::Double(score));
            scratch.scores.count(place, score);
        }
    }
}

/// The lanes that a challenger is asked about: of the accounts of its share, where there is time.
fn share(
    models: &Models,
    at: usize,
    now: Now,
    checks: &[Check<'_>],
    fresh: u64,
    scratch: &mut Scratch,
) -> u64 {
    let account = Builtin::Account.id().index();
    let share_percent = models.challengers[at].share_percent;
    let mut asked = 0_u64;
    for lane in lanes(fresh) {
        if slice(scratch.hashes[account][lane]) >= share_percent {
            continue;
        }
        if now.waited_us > SHADOW_WAITED_US_MAX || left_us(&checks[lane], now) < SHADOW_BUDGET_US {
            scratch.lanes[lane].degraded |= Degraded::Shadow.bit();
        } else {
            asked |= 1 << lane;
        }
    }
    asked
}

/// Which hundredth of the accounts this one is of. Samples of rules are cut from the other end of the hash.
fn slice(account: Hash) -> u8 {
    ((account >> 64) as u64 % 100) as u8
}

/// Asks a challenger about its lanes.
fn watch(
    models: &Models,
    model: &Model,
    at: usize,
    asked: u64,
    matrix: &mut Matrix<'_>,
    scratch: &mut Scratch,
) {
    let place = usize::from(models.champion.is_some()) + usize::from(models.anomaly.is_some()) + at;
    let mut scores = [0.0; LANES];
    matrix.ask(model, models.matrix.len(), asked, &mut scores, scratch);
    for lane in lanes(asked) {
        let score = scores[lane].clamp(0.0, 1.0);
        if score.is_nan() {
            scratch.challenged[at].lanes &= !(1 << lane);
            scratch.lanes[lane].degraded |= Degraded::Shadow.bit();
            continue;
        }
        scratch.challenged[at].scores[lane] = score;
        scratch.scores.count(place, score);
    }
}

/// The matrix of a group of lanes, filled as far as models have asked for it.
struct Matrix<'m> {
    models: &'m Models,
    lanes: usize,
    /// Columns that are filled.
    filled: usize,
}

impl Matrix<'_> {
    /// Asks a model about some lanes. It reads the matrix up to column `to`.
    fn ask(
        &mut self,
        model: &Model,
        to: usize,
        asked: u64,
        scores: &mut [f64; LANES],
        scratch: &mut Scratch,
    ) {
        let few = asked.count_ones() as usize;
        if few * 2 > self.lanes {
            // The others go along: picking these out would cost more.
            self.fill(to, scratch);
            model.forest.score_lanes(&mut scratch.model, &mut scores[..self.lanes]);
            return;
        }
        // Few are asked about alone, side by side.
        for &column in &model.reads {
            let (feature, ty) = self.models.matrix[column];
            let values = &scratch.columns[feature.index()];
            let inputs = scratch.sampled.input(column);
            inputs.iter_mut().zip(lanes(asked)).for_each(|(input, lane)| *input = number(ty, values[lane]));
        }
        let mut packed = [0.0; LANES];
        model.forest.score_lanes(&mut scratch.sampled, &mut packed[..few]);
        lanes(asked).zip(packed).for_each(|(lane, score)| scores[lane] = score);
    }

    /// Fills the columns before `to` that are not filled yet.
    fn fill(&mut self, to: usize, scratch: &mut Scratch) {
        let Scratch { columns, model, .. } = scratch;
        for (place, &(feature, ty)) in self.models.matrix[..to].iter().enumerate().skip(self.filled) {
            fill_column(&columns[feature.index()], ty, self.lanes, place, model);
        }
        self.filled = self.filled.max(to);
    }
}

fn fill_column(column: &Column, ty: Type, count: usize, place: usize, model: &mut Lanes) {
    let inputs = model.input(place).iter_mut().zip(&column[..count]);
    match ty {
        Type::Double => inputs.for_each(|(input, &bits)| *input = f64::from_bits(bits)),
        _ => inputs.for_each(|(input, &bits)| *input = number(ty, bits)),
    }
}

/// A column's bits as models read them: money in minor units, like every other whole number.
fn number(ty: Type, bits: u64) -> f64 {
    if ty == Type::Double { f64::from_bits(bits) } else { bits as i64 as f64 }
}

/// What is left of a check's time, in microseconds.
fn left_us(check: &Check<'_>, now: Now) -> u32 {
    check.budget_us.map_or(u32::MAX, |budget_us| budget_us.saturating_sub(now.waited_us))
}
