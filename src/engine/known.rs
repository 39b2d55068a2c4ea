//! What is known of a verdict before anything is reserved: most checks that are not allowed are refused by rules that read neither
//! the windows of approved events, nor what approved checks leave in profiles, nor a model. Those rules run first; a check that
//! one of them refuses for certain reserves nothing, so that nothing has to fall away again.

use std::collections::HashSet;

use wire::{Check, Verdict};

use crate::decide::{by_kind, lanes, list_of, lists_by_kind, of_kinds};
use crate::feature::{Builtin, FeatureId};
use crate::policy::{Mode, OnError, Policy, Rule, Status, Tier};
use crate::program::{Kinds, Output, Program, Source, TextSource, Truth};
use crate::scratch::Scratch;
use crate::snapshot::Snapshot;
use crate::verdict;
use crate::verify::TokenState;

/// Features that are filled, or filled again, once those before a check are decided.
fn is_late(policy: &Policy, feature: FeatureId) -> bool {
    let of_approved = [
        Builtin::AmountMean,
        Builtin::AmountRatio,
        Builtin::AmountZscore,
        Builtin::DeviceBound,
        Builtin::DeviceBoundOther,
    ];
    let windows = policy.windows.iter().filter(|window| window.status == Status::Approved);
    feature.is_score()
        || of_approved.iter().any(|builtin| builtin.id() == feature)
        || windows.into_iter().any(|window| window.feature == feature)
}

/// By instruction of a policy's program, whether what it says depends on such a feature.
pub(crate) fn late(policy: &Policy) -> Vec<bool> {
    let program: &Program = &policy.program;
    let features: Vec<bool> = policy.features.iter().map(|(feature, _)| is_late(policy, feature)).collect();
    let mut written = HashSet::<Output>::new();
    let ops = program.ops.iter().map(|op| {
        let reads = op.reads(program);
        let numbers = reads.numbers.iter().flatten().filter_map(|source| match source {
            Source::Feature(feature) => Some(*feature),
            _ => None,
        });
        let texts = reads.texts.iter().flatten().filter_map(|source| match source {
            TextSource::Feature(feature) => Some(*feature),
            _ => None,
        });
        let late = numbers.chain(texts).chain(reads.feature).any(|feature| features[feature.index()])
            || reads.registers().any(|register| written.contains(&register));
        if late {
            written.insert(op.output());
        }
        late
    });
    ops.collect()
}

/// What a rule settles for the checks that it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Settles {
    /// They are not allowed.
    Refused,
    /// They are allowed, if nothing of its tier refuses them.
    Allowed,
    /// Nothing for its kinds: it is known later whether it allows.
    Nothing,
}

/// A rule that settles something: what is looked at of it for every batch.
#[derive(Clone, Copy)]
struct Step {
    settles: Settles,
    /// Whether it acts on every check that meets its condition, and on no other.
    plain: bool,
    kinds: Kinds,
    when: Truth,
    /// Place in the policy.
    rule: u32,
}

/// The rules that settle something before anything is reserved, in the order of their tiers: those of each kind, and at the end
/// of all kinds.
#[derive(Clone, Default)]
pub(crate) struct Known(Vec<Vec<Step>>);

impl Known {
    /// Those of a policy; `late` says it by instruction.
    pub fn of(policy: &Policy, late: &[bool]) -> Known {
        let ops = policy.program.ops.iter().zip(late).filter(|(_, late)| **late);
        let late: HashSet<Output> = ops.map(|(op, _)| op.output()).collect();
        let rules =
            (0..).zip(&policy.rules).filter(|(_, rule)| rule.is_evaluated() && rule.tier != Tier::Score);
        let mut all: Vec<(Tier, Step)> =
            rules.filter_map(|(at, rule)| step(at, rule, &late).map(|step| (rule.tier, step))).collect();
        all.sort_by_key(|(tier, step)| (*tier, step.settles));
        Known(lists_by_kind(&all.into_iter().map(|(_, step)| step).collect::<Vec<_>>(), |step| step.kinds))
    }
}

/// What a rule settles, where that is anything; `late` are the registers that depend on late features.
fn step(at: u32, rule: &Rule, late: &HashSet<Output>) -> Option<Step> {
    let truths = rule.variants.iter().map(|variant| variant.of).chain([rule.when]);
    let is_late = truths.into_iter().any(|truth| late.contains(&Output::Truth(truth)));
    let settles = match (rule.verdict, is_late) {
        (Verdict::Allow, true) => Settles::Nothing,
        (Verdict::Allow, false) => Settles::Allowed,
        (_, false) => Settles::Refused,
        (_, true) => return None,
    };
    let plain = rule.mode == Mode::Live
        && rule.variants.is_empty()
        && rule.sample_percent == 100
        && rule.expires_ms == i64::MAX
        && rule.on_error == OnError::Skip;
    Some(Step { settles, plain, kinds: rule.kinds, when: rule.when, rule: at })
}

/// Finds the lanes that are not allowed whatever comes: the token is invalid, or a rule that has run refuses them.
pub(crate) fn refuse(
    snapshot: &Snapshot,
    now_ms: i64,
    checks: &[Check<'_>],
    fresh: u64,
    scratch: &mut Scratch,
) {
    let of_kind = by_kind(checks, fresh);
    let is_invalid =
        |lane: &usize| scratch.lanes[*lane].token.is_some_and(|token| token != TokenState::Valid);
    let mut refused = lanes(fresh).filter(is_invalid).fold(0, |mask, lane| mask | 1 << lane);
    let mut open = fresh & !refused;
    for &Step { settles, plain, kinds, when, rule } in &snapshot.known.0[list_of(&of_kind)] {
        let mut those = match settles {
            Settles::Nothing => open,
            _ if plain => open & scratch.registers.met(when),
            _ => acting(snapshot, now_ms, rule as usize, open, scratch),
        };
        if those == 0 {
            continue;
        }
        those &= of_kinds(kinds, &of_kind);
        if settles == Settles::Refused {
            refused |= those;
        }
        open &= !those;
    }
    scratch.refused = refused;
}

/// The lanes among `open` that a rule acts on.
fn acting(snapshot: &Snapshot, now_ms: i64, at: usize, open: u64, scratch: &Scratch) -> u64 {
    let rule = &snapshot.policy.rules[at];
    if rule.expires_ms <= now_ms {
        return 0;
    }
    let failed = if rule.on_error == OnError::Match { scratch.registers.failed(rule.when) } else { 0 };
    let those = open & (scratch.registers.met(rule.when) | failed);
    let acts = |lane: &usize| verdict::mode(snapshot, at, *lane, scratch) == Some(Mode::Live);
    lanes(those).filter(acts).fold(0, |mask, lane| mask | 1 << lane)
}
