//! Stage `verdict`: the first tier with a live match decides; every match is a reason, counts, and adds what it has to the score,
//! whether there is room to keep it or not.

use arrayvec::ArrayVec;
use wire::limits::REASONS_MAX;
use wire::{Challenge, Check, Value, Verdict};

use crate::breaker::Tripped;
use crate::decide::{by_kind, lanes as lanes_of, list_of, lists_by_kind, of_kinds};
use crate::decision::{Decision, Hit};
use crate::feature::{Builtin, Scalar, Type};
use crate::key;
use crate::limits::LANES;
use crate::policy::{BreakerState, Mode, OnError, Origin, Policy, Rule, Tier, Variant, Witness};
use crate::program::{Kinds, NumberType, Source, Truth};
use crate::reasons::BuiltinReason;
use crate::score::{millionths, of_millionths};
use crate::scratch::{BEYOND_MAX, Lane, Match, Scratch};
use crate::snapshot::Snapshot;
use crate::velocity::Refused;
use crate::verify::TokenState;

/// Whether it is known that a lane is not allowed, before anything is reserved ([`crate::known`]). Such a check reserves nothing.
pub(crate) fn is_refused(lane: usize, scratch: &Scratch) -> bool {
    scratch.refused >> lane & 1 != 0
}

/// A rule that may match: what is looked at of every rule for every batch, in eight bytes.
#[derive(Clone, Copy)]
pub(crate) struct Candidate {
    /// Place in the policy.
    rule: u32,
    when: Truth,
    kinds: Kinds,
}

/// The rules that are evaluated, in the order of their tiers, for each kind and for all.
pub(crate) fn order(policy: &Policy) -> Vec<Vec<Candidate>> {
    let mut all: Vec<(Tier, Candidate)> = (0_u32..)
        .zip(&policy.rules)
        .filter(|(_, rule)| rule.is_evaluated())
        .map(|(at, rule)| (rule.tier, Candidate { rule: at, when: rule.when, kinds: rule.kinds }))
        .collect();
    all.sort_by_key(|(tier, _)| *tier);
    lists_by_kind(&all.into_iter().map(|(_, candidate)| candidate).collect::<Vec<_>>(), |candidate| {
        candidate.kinds
    })
}

/// Collects the rules that match in each lane, in the order of their tiers.
pub(crate) fn matches(
    snapshot: &Snapshot,
    now_ms: i64,
    checks: &[Check<'_>],
    lanes: u64,
    scratch: &mut Scratch,
) {
    each_match(snapshot, now_ms, checks, lanes, scratch, true, |scratch, found, lane| {
        scratch.tally.matched(found.rule as usize, found.shadow);
        if scratch.lanes[lane].matches.try_push(found).is_err() {
            crowd(&snapshot.policy.rules, found, &mut scratch.lanes[lane]);
        }
    });
}

/// Takes back what was counted of lanes' matches and errors.
pub(crate) fn uncount(
    snapshot: &Snapshot,
    now_ms: i64,
    checks: &[Check<'_>],
    lanes: u64,
    scratch: &mut Scratch,
) {
    each_match(snapshot, now_ms, checks, lanes, scratch, false, |scratch, found, _| {
        scratch.tally.unmatched(found.rule as usize, found.shadow);
    });
    let rules = snapshot.policy.rules.len();
    for lane in lanes_of(lanes) {
        let (errors, tally) = (&mut scratch.lanes[lane].errors, &mut scratch.tally);
        let of_limits = errors.iter().filter(|&&index| index as usize >= rules);
        of_limits.for_each(|&index| tally.unfailed(index as usize));
        errors.clear();
    }
}

/// Hands over each match of lanes; `counts` where errors are counted and not taken back.
#[inline(always)]
fn each_match(
    snapshot: &Snapshot,
    now_ms: i64,
    checks: &[Check<'_>],
    lanes: u64,
    scratch: &mut Scratch,
    counts: bool,
    mut take: impl FnMut(&mut Scratch, Match, usize),
) {
    let kinds = by_kind(checks, lanes);
    for candidate in &snapshot.order[list_of(&kinds)] {
        let mut met = scratch.registers.met(candidate.when) & lanes;
        let failed = scratch.registers.failed(candidate.when) & lanes;
        if met | failed == 0 {
            continue;
        }
        let at = candidate.rule;
        let rule = &snapshot.policy.rules[at as usize];
        if rule.expires_ms <= now_ms {
            continue;
        }
        let those = of_kinds(candidate.kinds, &kinds);
        met &= those;
        if failed & those != 0 {
            met |= errors(snapshot, at as usize, failed & those, counts, scratch);
        }
        while met != 0 {
            let lane = met.trailing_zeros() as usize;
            met &= met - 1;
            let Some(mode) = mode(snapshot, at as usize, lane, scratch) else { continue };
            let found = Match { rule: at, shadow: mode == Mode::Shadow };
            take(scratch, found, lane);
        }
    }
}

/// How a rule acts on the check of a lane; none where it is off for the tenant, or leaves the account out.
pub(crate) fn mode(snapshot: &Snapshot, at: usize, lane: usize, scratch: &Scratch) -> Option<Mode> {
    let rule = &snapshot.policy.rules[at];
    if rule.sample_percent < 100 {
        let account = scratch.hashes[Builtin::Account.id().index()][lane];
        if key::share(account, snapshot.salts[at]) >= rule.sample_percent {
            return None;
        }
    }
    let mode = variant(rule, lane, scratch).map_or(rule.mode, |variant| variant.mode);
    (mode != Mode::Off).then_some(mode)
}

/// Counts and notes the lanes where a rule's condition ended in an error, as far as the rule looks at them; gives those where
/// that is a match.
#[cold]
fn errors(snapshot: &Snapshot, at: usize, failed: u64, counts: bool, scratch: &mut Scratch) -> u64 {
    for lane in lanes_of(failed)
        .filter(|&lane| mode(snapshot, at, lane, scratch).is_some())
        .collect::<ArrayVec<_, LANES>>()
    {
        if counts {
            note_error(snapshot, Origin::Rule(at), lane, scratch);
        } else {
            scratch.tally.unfailed(at);
        }
    }
    if snapshot.policy.rules[at].on_error == OnError::Match { failed } else { 0 }
}

/// Counts and notes limits whose condition ended in an error; the gate has just run.
pub(crate) fn limit_errors(snapshot: &Snapshot, checks: &[Check<'_>], fresh: u64, scratch: &mut Scratch) {
    for (at, limit) in snapshot.policy.limits.iter().enumerate().filter(|(_, limit)| limit.mode != Mode::Off)
    {
        let failed = limit.when.map_or(0, |when| scratch.gate.failed(when) & fresh);
        if failed != 0 {
            let kinds = snapshot.policy.windows[limit.window].kinds;
            for lane in lanes_of(failed).filter(|&lane| kinds.has(checks[lane].kind)) {
                note_error(snapshot, Origin::Limit(at), lane, scratch);
            }
        }
    }
}

/// Counts a condition that ended in an error, and notes it for the record.
#[cold]
pub(crate) fn note_error(snapshot: &Snapshot, origin: Origin, lane: usize, scratch: &mut Scratch) {
    let index = snapshot.policy.index_of(origin);
    scratch.tally.failed(index);
    // What a record has no room for is counted all the same.
    let _ = scratch.lanes[lane].errors.try_push(index as u32);
}

/// Takes a match into a lane that is full: live ones decide and must not be lost to those in shadow, nor a severe one to the
/// milder ones of its tier that came before it.
#[cold]
fn crowd(rules: &[Rule], found: Match, lane: &mut Lane) {
    let rule = |of: &Match| &rules[of.rule as usize];
    let mut left = found;
    if !found.shadow {
        let shadow = lane.matches.iter().rposition(|kept| kept.shadow);
        let milder =
            |kept: &Match| rule(kept).tier == rule(&found).tier && rule(kept).verdict < rule(&found).verdict;
        if let Some(at) = shadow.or_else(|| lane.matches.iter().rposition(milder)) {
            left = lane.matches.remove(at);
            let _ = lane.matches.try_push(found);
        }
    }
    lane.unkept += 1;
    if !left.shadow {
        lane.unkept_score += millionths(rule(&left).score);
    }
}

/// The decision of one lane. What of its matches an answer has no room for is left in the lane.
pub(crate) fn decide(snapshot: &Snapshot, lane: usize, scratch: &mut Scratch) -> Decision {
    let mut judge = Judge::new();
    judge.decision.degraded = scratch.lanes[lane].degraded;
    judge.decision.version = snapshot.version();
    guards(snapshot, lane, scratch, &mut judge);

    let mut score = millionths(f64::from_bits(scratch.columns[Builtin::ModelScore.id().index()][lane]));
    score += scratch.lanes[lane].unkept_score;
    for found in scratch.lanes[lane].matches.iter().filter(|found| !found.shadow) {
        let rule = &snapshot.policy.rules[found.rule as usize];
        score += millionths(rule.score);
        let hit = of_rule(snapshot, found, lane, scratch);
        judge.report(hit);
        if rule.tier != Tier::Score {
            judge.weigh(hit, rule.tier, rule.verdict, rule.challenge);
        }
    }
    let score = of_millionths(score.clamp(0, 1_000_000));
    scratch.set(Builtin::Score.id(), lane, Scalar::Double(score));
    judge.decision.score = score;
    bands(snapshot, score, scratch, &mut judge);
    if !judge.beyond.is_empty() {
        judge.spill(&mut scratch.lanes[lane]);
    }
    judge.decision
}

/// The rule as the tenant of a lane has it, where that is otherwise.
fn variant<'r>(rule: &'r Rule, lane: usize, scratch: &Scratch) -> Option<&'r Variant> {
    rule.variants.iter().find(|variant| scratch.registers.holds(variant.of, lane))
}

struct Judge {
    decision: Decision,
    /// Matches that the answer has no room for.
    beyond: ArrayVec<Hit, BEYOND_MAX>,
    /// How many the record has none for either.
    unkept: u32,
    decided: Option<Tier>,
    /// The match that decided.
    by: Hit,
}

impl Judge {
    fn new() -> Judge {
        let (decision, beyond) = (Decision::EMPTY, ArrayVec::new());
        Judge { decision, beyond, unkept: 0, decided: None, by: Hit::NONE }
    }

    /// Keeps a match as far as there is room.
    fn report(&mut self, hit: Hit) {
        if !self.decision.push(hit) && self.beyond.try_push(hit).is_err() {
            self.unkept += 1;
        }
    }

    /// Takes a match into the verdict: an earlier tier decides; within one tier the severest verdict does.
    fn weigh(&mut self, hit: Hit, tier: Tier, verdict: Verdict, challenge: Option<Challenge>) {
        let severer = self.decided == Some(tier) && verdict > self.decision.verdict;
        if self.decided.is_none_or(|decided| tier < decided) || severer {
            self.decided = Some(tier);
            self.by = hit;
            self.decision.verdict = verdict;
            self.decision.challenge = challenge;
        }
    }

    /// Leaves what an answer has no room for in the lane.
    #[cold]
    fn spill(&mut self, lane: &mut Lane) {
        self.show();
        lane.unkept += self.unkept;
        lane.beyond.extend(std::mem::take(&mut self.beyond));
    }

    /// Has the match that decided among those of the answer, before the last of them.
    fn show(&mut self) {
        let by = self.by.index;
        if self.decided.is_some() && !self.decision.hits.iter().any(|shown| shown.index == by) {
            let last = std::mem::replace(&mut self.decision.hits[REASONS_MAX - 1], self.by);
            let freed = self.beyond.iter().position(|hit| hit.index == by);
            self.beyond.remove(freed.unwrap_or(BEYOND_MAX - 1));
            self.beyond.insert(0, last);
        }
    }
}

/// Guards that are no rules: the token, limits that left no room, and breakers that let nothing through.
fn guards(snapshot: &Snapshot, lane: usize, scratch: &mut Scratch, judge: &mut Judge) {
    let token = match scratch.lanes[lane].token {
        None | Some(TokenState::Valid) => None,
        Some(TokenState::Invalid) => Some(BuiltinReason::TokenInvalid),
        Some(TokenState::Expired) => Some(BuiltinReason::TokenExpired),
        Some(TokenState::Mismatch) => Some(BuiltinReason::TokenMismatch),
    };
    if let Some(reason) = token {
        let hit = snapshot.hit(Origin::Own(reason as usize), Value::Absent, Value::Absent);
        scratch.tally.matched(snapshot.hit_index(&hit), false);
        judge.report(hit);
        judge.weigh(hit, Tier::Guard, Verdict::Deny, None);
    }
    for at in 0..scratch.lanes[lane].refused.len() {
        let refused = scratch.lanes[lane].refused[at];
        let (limit, hit) = (&snapshot.policy.limits[refused.limit], of_limit(snapshot, &refused));
        scratch.tally.matched(snapshot.hit_index(&hit), refused.shadow);
        if !refused.shadow {
            judge.report(hit);
            judge.weigh(hit, Tier::Guard, limit.verdict, limit.challenge);
        }
    }
    for at in 0..scratch.lanes[lane].tripped.len() {
        let tripped = scratch.lanes[lane].tripped[at];
        let breaker = &snapshot.policy.breakers[tripped.breaker];
        let hit = of_breaker(snapshot, &tripped, lane, scratch);
        scratch.tally.matched(snapshot.hit_index(&hit), tripped.shadow);
        if !tripped.shadow {
            judge.report(hit);
            judge.weigh(hit, Tier::Guard, breaker.verdict, breaker.challenge);
        }
    }
}

/// What a rule found, as the tenant of the lane has it.
fn of_rule(snapshot: &Snapshot, found: &Match, lane: usize, scratch: &Scratch) -> Hit {
    let rule = &snapshot.policy.rules[found.rule as usize];
    let witness = variant(rule, lane, scratch).map_or(rule.witness, |variant| variant.witness);
    let (value, threshold) =
        witness.map_or((Value::Absent, Value::Absent), |witness| quote(snapshot, &witness, lane, scratch));
    snapshot.hit(Origin::Rule(found.rule as usize), value, threshold)
}

/// What refused or would have, with the value that the limit left no room for.
fn of_limit(snapshot: &Snapshot, refused: &Refused) -> Hit {
    let limit = &snapshot.policy.limits[refused.limit];
    let feature = snapshot.policy.windows[limit.window].feature;
    let shown = |number| match snapshot.policy.features.row(feature).ty {
        Type::Money => snapshot.policy.features.money_value(number),
        _ => Value::Int(number),
    };
    let value = refused.value.map_or(Value::Absent, shown);
    snapshot.hit(Origin::Limit(refused.limit), value, shown(limit.max))
}

fn of_breaker(snapshot: &Snapshot, tripped: &Tripped, lane: usize, scratch: &Scratch) -> Hit {
    let breaker = &snapshot.policy.breakers[tripped.breaker];
    let (value, threshold) = match (tripped.state, breaker.witness) {
        (BreakerState::Opened, Some(witness)) => quote(snapshot, &witness, lane, scratch),
        (BreakerState::Opened, None) => (Value::Absent, Value::Absent),
        (BreakerState::Open, _) => (Value::Int(tripped.value), Value::Absent),
        (BreakerState::HalfOpen, _) => {
            (Value::Int(tripped.value), Value::Int(i64::from(breaker.terms.trials)))
        }
    };
    snapshot.hit(Origin::Breaker(tripped.breaker, tripped.state), value, threshold)
}

/// How many matches only watched.
pub(crate) fn shadow_count(lane: &Lane) -> usize {
    let limits = lane.refused.iter().filter(|refused| refused.shadow).count();
    let breakers = lane.tripped.iter().filter(|tripped| tripped.shadow).count();
    limits + breakers + lane.matches.iter().filter(|found| found.shadow).count()
}

/// What only watched: limits, breakers and rules that would have matched in a lane.
pub(crate) fn shadows(snapshot: &Snapshot, lane: usize, scratch: &Scratch) -> impl Iterator<Item = Hit> {
    let state = &scratch.lanes[lane];
    let limits = state.refused.iter().filter(|refused| refused.shadow);
    let breakers = state.tripped.iter().filter(|tripped| tripped.shadow);
    let rules = state
        .matches
        .iter()
        .filter(|found| found.shadow)
        .map(move |found| of_rule(snapshot, found, lane, scratch));
    limits
        .map(move |refused| of_limit(snapshot, refused))
        .chain(breakers.map(move |tripped| of_breaker(snapshot, tripped, lane, scratch)))
        .chain(rules)
}

/// The last tier: what the score alone asks for.
fn bands(snapshot: &Snapshot, score: f64, scratch: &mut Scratch, judge: &mut Judge) {
    let bands = &snapshot.policy.bands;
    let reached = [
        (bands.deny, BuiltinReason::BandDeny, Verdict::Deny),
        (bands.review, BuiltinReason::BandReview, Verdict::Review),
        (bands.challenge, BuiltinReason::BandChallenge, Verdict::Challenge),
    ];
    let reached = reached.into_iter().find(|(threshold, ..)| score >= *threshold);
    if let (Some((threshold, reason, verdict)), None) = (reached, judge.decided) {
        let origin = Origin::Own(reason as usize);
        let hit = snapshot.hit(origin, Value::Double(score), Value::Double(threshold));
        scratch.tally.matched(snapshot.hit_index(&hit), false);
        judge.report(hit);
        judge.weigh(hit, Tier::Score, verdict, snapshot.policy.band_challenge.or(Some(Challenge::Sms)));
    }
}

/// What a rule's witness found, and what it compared it with.
fn quote(snapshot: &Snapshot, witness: &Witness, lane: usize, scratch: &Scratch) -> (Value, Value) {
    let ty = snapshot.policy.features.row(witness.feature).ty;
    let features = &snapshot.policy.features;
    let value = features.value(Scalar::from_bits(ty, scratch.columns[witness.feature.index()][lane]));
    let bits = match witness.threshold {
        Source::Constant(bits) => bits,
        Source::Feature(feature) => scratch.columns[feature.index()][lane],
        Source::Register(_) => return (value, Value::Absent),
    };
    let threshold = match (ty, witness.ty) {
        (Type::Money, NumberType::Int) => features.money_value(bits as i64),
        (_, NumberType::Int | NumberType::Uint) => Value::Int(bits as i64),
        (_, NumberType::Double) => Value::Double(f64::from_bits(bits)),
    };
    (value, threshold)
}
