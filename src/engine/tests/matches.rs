//! A check may match more than an answer or a record has room for: every match decides, scores and counts all the same.

mod site;

use engine::feature::Builtin;
use engine::policy::{Aggregate, Breaker, BreakerState, Mode, Origin, Status, Tier};
use engine::program::Kinds;
use engine::record::Record;
use engine::table::Terms;
use engine::{BreakerCount, Decision, MatchCount, Scratch};
use site::{Draft, ask, claim, snapshot, tables};
use wire::{Challenge, Kind, Verdict};

/// What became of a claim of ten yuan.
struct Decided {
    decision: Decision,
    /// Rules of the answer's reasons.
    told: Vec<String>,
    record: Record,
    /// By the index of the match.
    counts: Vec<MatchCount>,
}

fn decided(draft: Draft) -> Decided {
    let (tables, mut scratch) = (tables(), Scratch::new(0));
    let snapshot = snapshot(draft, &tables, None);
    let decision = ask(&snapshot, &tables, 0, &[claim("a", "u", 1_000)], &mut scratch)[0];
    let (_, _, bytes) = scratch.records().next().expect("one check has one record");
    let record = Record::decode(bytes).expect("the engine wrote it");
    let counts = scratch.match_tally().matches.clone();
    let told = snapshot.reasons(&decision).map(|reason| reason.rule.to_owned()).collect();
    Decided { decision, told, record, counts }
}

/// So many rules of a tier that match, each with that verdict and that share of a score.
fn rules(draft: &mut Draft, count: usize, tier: Tier, verdict: Verdict, score: f64) {
    for _ in 0..count {
        let id = format!("r{}", draft.policy.rules.len());
        draft.rule(&id, tier, verdict, Builtin::Amount.id(), 1).score = score;
    }
}

fn live(record: &Record) -> Vec<u32> {
    record.hits.iter().filter(|hit| !hit.shadow).map(|hit| hit.index).collect()
}

#[test]
fn what_the_answer_has_no_room_for_stands_in_the_record() {
    let mut draft = Draft::new("twelve");
    rules(&mut draft, 12, Tier::Review, Verdict::Review, 0.0);
    let Decided { decision, record, counts, .. } = decided(draft);
    assert_eq!((decision.hits().len(), decision.verdict), (8, Verdict::Review));
    assert_eq!((live(&record), record.unkept), ((0..12).collect(), 0));
    assert!(
        counts[..12].iter().all(|count| *count == MatchCount { live: 1, shadow: 0, errors: 0 }),
        "{counts:?}"
    );
}

#[test]
fn what_the_record_has_no_room_for_is_counted_by_rule_and_in_sum() {
    let mut draft = Draft::new("twenty");
    rules(&mut draft, 20, Tier::Review, Verdict::Review, 0.0);
    rules(&mut draft, 3, Tier::Review, Verdict::Review, 0.0);
    draft.policy.rules[20..].iter_mut().for_each(|rule| rule.mode = Mode::Shadow);
    let Decided { record, counts, .. } = decided(draft);
    assert_eq!((live(&record).len(), record.hits.len(), record.unkept), (16, 16, 7));
    assert!(
        counts[..20].iter().all(|count| *count == MatchCount { live: 1, shadow: 0, errors: 0 }),
        "{counts:?}"
    );
    assert!(
        counts[20..23].iter().all(|count| *count == MatchCount { live: 0, shadow: 1, errors: 0 }),
        "{counts:?}"
    );
}

#[test]
fn every_live_match_adds_to_the_score_wherever_it_stands() {
    for first in [0, 19] {
        let mut draft = Draft::new("scores");
        rules(&mut draft, 20, Tier::Score, Verdict::Allow, 0.015_625);
        draft.policy.rules[first].score = 0.5;
        assert_eq!(decided(draft).decision.score, 0.5 + 19.0 / 64.0);
    }
}

#[test]
fn shadow_matches_take_neither_room_nor_score_from_live_ones() {
    let mut draft = Draft::new("shadows");
    rules(&mut draft, 18, Tier::Review, Verdict::Review, 0.5);
    draft.policy.rules.iter_mut().for_each(|rule| rule.mode = Mode::Shadow);
    rules(&mut draft, 16, Tier::Score, Verdict::Allow, 0.015_625);
    let Decided { decision, record, .. } = decided(draft);
    assert_eq!((decision.verdict, decision.score), (Verdict::Allow, 0.25));
    assert_eq!((live(&record), record.unkept), ((18..34).collect(), 18));
}

#[test]
fn the_severest_match_of_the_deciding_tier_decides_and_is_told_however_many_come_before_it() {
    for milder in [1, 7, 8, 9, 15, 16, 17, 40] {
        let mut draft = Draft::new("severe");
        rules(&mut draft, milder, Tier::Guard, Verdict::Review, 0.0);
        rules(&mut draft, 1, Tier::Guard, Verdict::Deny, 0.0);
        rules(&mut draft, 3, Tier::Deny, Verdict::Deny, 0.0);
        let Decided { decision, record, told, .. } = decided(draft);
        assert_eq!(decision.verdict, Verdict::Deny, "behind {milder}");
        assert!(live(&record).contains(&(milder as u32)), "behind {milder}: {record:?}");
        let kept = live(&record).len() + record.unkept as usize;
        assert_eq!(kept, milder + 4, "behind {milder}");
        assert_eq!(decision.hits().len(), (milder + 4).min(8));
        assert!(told.contains(&format!("r{milder}")), "behind {milder}: {told:?}");
    }
}

#[test]
fn a_later_tier_never_takes_the_place_of_an_earlier_one() {
    let mut draft = Draft::new("later");
    rules(&mut draft, 17, Tier::Guard, Verdict::Challenge, 0.0);
    rules(&mut draft, 17, Tier::Deny, Verdict::Deny, 0.0);
    assert_eq!(decided(draft).decision.verdict, Verdict::Challenge);
}

#[test]
fn the_band_that_decides_is_told_behind_any_number_of_score_rules() {
    for count in [2, 8, 16, 20] {
        let mut draft = Draft::new("band");
        rules(&mut draft, count, Tier::Score, Verdict::Allow, 0.5);
        draft.policy.bands.deny = 0.9;
        draft.policy.band_challenge = Some(Challenge::Pin);
        let band = draft.policy.index_of(Origin::Own(5)) as u32;
        let Decided { decision, told, record, counts } = decided(draft);
        assert_eq!(decision.verdict, Verdict::Deny);
        assert!(told.contains(&"score-deny".to_owned()), "behind {count}: {told:?}");
        assert_eq!(live(&record).iter().filter(|index| **index == band).count(), 1, "behind {count}");
        assert_eq!(live(&record).len() + record.unkept as usize, count + 1);
        assert_eq!(counts[band as usize], MatchCount { live: 1, shadow: 0, errors: 0 });
    }
}

#[test]
fn a_breaker_in_shadow_opens_half_opens_and_closes_and_is_counted_on_the_way() {
    for mode in [Mode::Live, Mode::Shadow] {
        let (tables, mut scratch) = (tables(), Scratch::new(0));
        let mut draft = Draft::new("breaker");
        let (when, witness) = draft.at_least(Builtin::Amount.id(), 1_000);
        draft.policy.breakers.push(Breaker {
            key: vec![Builtin::Account.id()],
            kinds: Kinds::of(&[Kind::Claim]),
            when,
            on_error: Default::default(),
            terms: Terms { open_ms: 10_000, half_open_ms: 5_000, trials: 1 },
            verdict: Verdict::Deny,
            challenge: None,
            mode,
            reason: site::words("L300", "surge"),
            witness,
        });
        let snapshot = snapshot(draft, &tables, None);
        let mut asked = 0;
        let mut pass = |after_ms: i64, amount: i64| {
            asked += 1;
            let id = asked.to_string();
            let check = claim(&id, "u", amount);
            let verdict = ask(&snapshot, &tables, after_ms, &[check], &mut scratch)[0].verdict;
            let (_, _, bytes) = scratch.records().next().expect("one check has one record");
            let record = Record::decode(bytes).expect("the engine wrote it");
            let state = record.hits.first().map(|hit| {
                assert_eq!(hit.shadow, mode == Mode::Shadow);
                snapshot.policy().origin_of(hit.index as usize)
            });
            assert_eq!(verdict == Verdict::Deny, state.is_some() && mode == Mode::Live);
            state
        };
        let breaker = |state| Some(Origin::Breaker(0, state));
        assert_eq!(pass(0, 1_000), breaker(BreakerState::Opened));
        assert_eq!(pass(9_999, 1), breaker(BreakerState::Open));
        assert_eq!(pass(10_000, 1), None, "a trial");
        assert_eq!(pass(14_999, 1), breaker(BreakerState::HalfOpen));
        assert_eq!((pass(15_000, 1), pass(15_000, 1)), (None, None), "closed again");
        let tally = scratch.match_tally();
        assert_eq!(tally.breakers, [BreakerCount { trials: 1, closings: 1 }]);
        assert_eq!(tally.checks[usize::from(Kind::Claim.code())], 6);
        for state in BreakerState::ALL {
            let count = tally.matches[snapshot.policy().index_of(Origin::Breaker(0, state))];
            assert_eq!((count.live + count.shadow, count.shadow > 0), (1, mode == Mode::Shadow));
        }
    }
}

#[test]
fn a_limit_in_shadow_is_counted_as_one() {
    for (mode, expected) in [
        (Mode::Live, MatchCount { live: 1, shadow: 0, errors: 0 }),
        (Mode::Shadow, MatchCount { live: 0, shadow: 1, errors: 0 }),
    ] {
        let mut draft = Draft::new("limit");
        let paid = Aggregate::Sum(Builtin::Amount.id());
        draft.window("paid", paid, Kind::Claim, Builtin::Account, Status::Approved, 0);
        draft.limit(999);
        draft.policy.limits[0].mode = mode;
        let limit = draft.policy.index_of(Origin::Limit(0));
        let Decided { record, counts, .. } = decided(draft);
        assert_eq!((counts[limit], record.hits[0].shadow), (expected, mode == Mode::Shadow));
    }
}
