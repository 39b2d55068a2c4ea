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
    let mut filled = 0;
    if models.champion.is_some() || models.anomaly.is_some() {
        act(models, now, checks, fresh, &mut filled, scratch);
    }
    for (at, model) in models.challengers.iter().enumerate() {
        let asked = share(models, at, now, checks, fresh, scratch);
        scratch.challenged[at].lanes = asked;
        if asked != 0 {
            watch(models, model, at, checks.len(), &mut filled, scratch);
        }
    }
}

/// Takes back what was counted of a lane's scores.
pub(crate) fn uncount(snapshot: &Snapshot, lane: usize, scratch: &mut Scratch) {
    let models = &snapshot.models;
    let champion = models.champion.iter().map(|_| Builtin::ModelScore);
    let acting = champion.chain(models.anomaly.iter().map(|_| Builtin::AnomalyScore));
    let mut place = 0;
    for feature in acting {
        if scratch.is_present(feature.id(), lane) {
            let score = f64::from_bits(scratch.columns[feature.id().index()][lane]);
            scratch.scores.uncount(place, score);
        }
        place += 1;
    }
    for at in 0..models.challengers.len() {
        let challenged = &scratch.challenged[at];
        if challenged.lanes >> lane & 1 != 0 {
            let score = challenged.scores[lane];
            scratch.scores.uncount(place + at, score);
        }
    }
}

/// The models whose scores are features.
fn act(
    models: &Models,
    now: Now,
    checks: &[Check<'_>],
    fresh: u64,
    filled: &mut usize,
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
    // Lanes that are not scored go along: picking out the others would cost more.
    fill(models, models.acting, filled, checks.len(), scratch);
    let champion = models.champion.as_ref().map(|model| (model, Builtin::ModelScore));
    let anomaly = models.anomaly.as_ref().map(|model| (model, Builtin::AnomalyScore));
    let mut scores = [0.0; LANES];
    for (place, (model, feature)) in champion.into_iter().chain(anomaly).enumerate() {
        model.forest.score_lanes(&mut scratch.model, &mut scores[..checks.len()]);
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
fn watch(models: &Models, model: &Model, at: usize, count: usize, filled: &mut usize, scratch: &mut Scratch) {
    let place = usize::from(models.champion.is_some()) + usize::from(models.anomaly.is_some()) + at;
    let asked = scratch.challenged[at].lanes;
    let mut scores = [0.0; LANES];
    let few = asked.count_ones() as usize;
    if few * 2 > count {
        fill(models, models.matrix.len(), filled, count, scratch);
        model.forest.score_lanes(&mut scratch.model, &mut scores[..count]);
    } else {
        // A small share is asked about alone, side by side.
        for &column in &model.reads {
            let (feature, ty) = models.matrix[column];
            let values = &scratch.columns[feature.index()];
            let inputs = scratch.sampled.input(column);
            inputs.iter_mut().zip(lanes(asked)).for_each(|(input, lane)| *input = number(ty, values[lane]));
        }
        let mut packed = [0.0; LANES];
        model.forest.score_lanes(&mut scratch.sampled, &mut packed[..few]);
        lanes(asked).zip(packed).for_each(|(lane, score)| scores[lane] = score);
    }
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

/// Fills the matrix up to that column, as far as it is not filled yet.
fn fill(models: &Models, to: usize, filled: &mut usize, count: usize, scratch: &mut Scratch) {
    let from = *filled;
    let Scratch { columns, model, .. } = scratch;
    for (place, &(feature, ty)) in models.matrix[..to].iter().enumerate().skip(from) {
        fill_column(&columns[feature.index()], ty, count, place, model);
    }
    *filled = from.max(to);
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
