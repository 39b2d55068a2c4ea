//! Several models beside each other: the champion decides, the one for what is odd is read by rules, challengers watch.

mod site;

use engine::feature::{BUILTINS, Builtin, FeatureTable};
use engine::forest::{Calibration, Forest, ForestSpec, Node, Precision, Transform, Tree};
use engine::limits::{CHALLENGERS_MAX, MODEL_BUDGET_US, SHADOW_BUDGET_US, SHADOW_WAITED_US_MAX};
use engine::policy::{Aggregate, Bands, Status, Tier};
use engine::record::{Record, RecordedScore};
use engine::{
    BuildError, Challenger, Decision, Now, Parts, Role, SCORE_BOUNDS, Scratch, Snapshot, Tables, decide,
};
use site::{Draft, START_MS, claim, tables};
use wire::{Check, Degraded, Kind, Verdict};

/// Two cuts over two inputs, so that scores differ from check to check and from model to model.
fn forest(version: &str, inputs: [&str; 2], step: f64) -> ForestSpec {
    let nodes = vec![
        Node::at_most(0, 3.0 + step, 1, 2),
        Node::Leaf(0.125 + step / 100.0),
        Node::at_most(1, 150.0 + step, 3, 4),
        Node::Leaf(0.5 + step / 100.0),
        Node::Leaf(0.75),
    ];
    ForestSpec {
        version: version.to_owned(),
        inputs: inputs.map(str::to_owned).to_vec(),
        trees: vec![Tree { nodes }],
        inputs_as: Precision::Double,
        sums_as: Precision::Double,
        base: 0.0,
        mean: true,
        transform: Transform::Identity,
        calibration: Calibration::None,
    }
}

fn constant(version: &str, score: f64) -> ForestSpec {
    ForestSpec {
        trees: vec![Tree { nodes: vec![Node::Leaf(score)] }],
        ..forest(version, ["amount", "hour"], 0.0)
    }
}

/// A window, a limit of three on it, rules and bands.
fn draft() -> Draft {
    let mut draft = Draft::new("v");
    let seen = draft.window("seen", Aggregate::Count, Kind::Claim, Builtin::Account, Status::Approved, 9);
    draft.limit(2);
    draft.rule("often", Tier::Score, Verdict::Allow, seen, 2).score = 0.25;
    draft.policy.bands = Bands { challenge: 0.5, review: 0.74, deny: 0.9 };
    draft
}

fn challengers() -> Vec<Challenger> {
    [
        ("c1", ["seen", "amount"], 1.0, 100),
        ("c2", ["hour", "amount"], 9.0, 50),
        ("c3", ["seen", "amount"], 2.0, 7),
    ]
    .map(|(version, inputs, step, share_percent)| Challenger {
        forest: forest(version, inputs, step),
        share_percent,
    })
    .to_vec()
}

fn built(challengers: Vec<Challenger>, tables: &Tables) -> Snapshot {
    let parts = Parts {
        policy: draft().policy,
        forest: Some(forest("m", ["amount", "seen"], 0.0)),
        anomaly: Some(forest("odd", ["amount", "hour"], 5.0)),
        challengers,
        ..Parts::default()
    };
    Snapshot::build(parts, tables, None).expect("sound")
}

fn checks<'a>(names: &'a [(String, String)]) -> Vec<Check<'a>> {
    let amounts = [1, 100, 151, 153, 160, 4];
    names.iter().enumerate().map(|(n, (id, account))| claim(id, account, amounts[n % 6])).collect()
}

fn names(count: usize, accounts: usize) -> Vec<(String, String)> {
    (0..count).map(|n| (format!("i{n}"), format!("u{}", n * 7 % accounts))).collect()
}

/// Decisions and records of those checks, in batches.
fn decided(
    snapshot: &Snapshot,
    tables: &Tables,
    checks: &[Check<'_>],
    batch: usize,
) -> (Vec<Decision>, Vec<Record>) {
    let (mut scratch, mut all, mut records, mut decisions) = (Scratch::new(0), vec![], vec![], vec![]);
    for (at, group) in checks.chunks(batch).enumerate() {
        let now = Now { ms: START_MS + 100 * at as i64, waited_us: 0 };
        decide(snapshot, tables, now, group, &mut decisions, &mut scratch);
        all.append(&mut decisions);
        records.extend(scratch.records().map(|(.., bytes)| Record::decode(bytes).expect("our own")));
    }
    (all, records)
}

/// A model whose score is no number where the amount is above 100: `PROBIT` has none past 1.
fn broken(version: &str) -> ForestSpec {
    let nodes = vec![Node::at_most(0, 100.0, 1, 2), Node::Leaf(0.5), Node::Leaf(7.0)];
    ForestSpec {
        trees: vec![Tree { nodes }],
        transform: Transform::Probit,
        ..forest(version, ["amount", "hour"], 0.0)
    }
}

#[test]
fn a_score_that_is_no_number_is_none_and_the_answer_says_so() {
    let names = names(130, 40);
    let checks = checks(&names);
    for (champion, anomaly) in [(broken("m"), constant("odd", 0.25)), (constant("m", 0.25), broken("odd"))] {
        for batch in [1, 64] {
            let tables = tables();
            let parts = Parts {
                policy: draft().policy,
                forest: Some(champion.clone()),
                anomaly: Some(anomaly.clone()),
                challengers: vec![Challenger { forest: broken("c"), share_percent: 100 }],
                ..Parts::default()
            };
            let snapshot = Snapshot::build(parts, &tables, None).expect("sound");
            let (decisions, records) = decided(&snapshot, &tables, &checks, batch);
            for ((check, decision), record) in checks.iter().zip(&decisions).zip(&records) {
                let fails = check.amount_minor.is_some_and(|minor| minor > 100);
                assert!(!decision.score.is_nan());
                for flag in [Degraded::Model, Degraded::Shadow] {
                    assert_eq!(decision.degraded & flag.bit() != 0, fails, "{check:?}");
                }
                assert_eq!(record.challengers.len(), usize::from(!fails), "{check:?}");
            }
        }
    }
}

#[test]
fn challengers_change_no_answer_no_window_and_no_limit() {
    let names = names(600, 40);
    let checks = checks(&names);
    for batch in [1, 5, 64, 200] {
        let (with, without) = (tables(), tables());
        let (watched, mut seen) = decided(&built(challengers(), &with), &with, &checks, batch);
        let (alone, unseen) = decided(&built(Vec::new(), &without), &without, &checks, batch);
        assert_eq!(watched, alone);
        let verdicts = |verdict| alone.iter().filter(|decision| decision.verdict == verdict).count();
        assert!(
            [Verdict::Allow, Verdict::Challenge, Verdict::Review, Verdict::Deny]
                .map(verdicts)
                .iter()
                .all(|n| *n > 0)
        );
        // Every feature, the windows among them, is recorded as it was; the challengers' scores stand beside.
        assert!(seen.iter().all(|record| !record.challengers.is_empty()));
        seen.iter_mut().for_each(|record| record.challengers.clear());
        assert_eq!(seen, unseen);
    }
}

/// A model's score for a recorded check, from the features of the record.
fn expected(spec: &ForestSpec, record: &Record, features: &FeatureTable) -> f64 {
    let value = |name: &String| {
        let id = features.find(name).expect("a feature");
        let bits = record.features.iter().find(|(at, _)| *at == id.0);
        bits.map_or_else(|| features.row(id).missing.bits(), |(_, bits)| *bits) as i64 as f64
    };
    let row: Vec<f64> = spec.inputs.iter().map(value).collect();
    Forest::new(spec).expect("a forest").score(&row)
}

#[test]
fn every_model_scores_as_it_does_alone_whatever_others_read() {
    let names = names(600, 400);
    let checks = checks(&names);
    let features = draft().policy.features;
    for batch in [1, 64] {
        let tables = tables();
        let (_, records) = decided(&built(challengers(), &tables), &tables, &checks, batch);
        let feature = |record: &Record, of: Builtin| {
            let found = record.features.iter().find(|(id, _)| *id == of.id().0);
            found.map(|(_, bits)| f64::from_bits(*bits))
        };
        for record in &records {
            let champion = expected(&forest("m", ["amount", "seen"], 0.0), record, &features);
            assert_eq!(feature(record, Builtin::ModelScore), Some(champion));
            let odd = expected(&forest("odd", ["amount", "hour"], 5.0), record, &features);
            assert_eq!(feature(record, Builtin::AnomalyScore), Some(odd));
            assert_eq!((record.model.as_str(), record.anomaly.as_str()), ("m", "odd"));
            for RecordedScore { model, score } in &record.challengers {
                let all = challengers();
                let spec = all.iter().find(|one| one.forest.version == *model).expect("a challenger");
                assert_eq!(*score, expected(&spec.forest, record, &features), "{model}");
            }
        }
    }
}

#[test]
fn a_share_is_of_accounts_and_smaller_ones_are_parts_of_larger_ones() {
    let names = names(1500, 1500);
    let checks = checks(&names);
    let tables = tables();
    let (_, records) = decided(&built(challengers(), &tables), &tables, &checks, 64);
    let of = |model: &str| {
        let accounts =
            records.iter().filter(|record| record.challengers.iter().any(|one| one.model == model));
        accounts.map(|record| record.inputs[0]).collect::<std::collections::BTreeSet<u64>>()
    };
    let (all, half, few) = (of("c1"), of("c2"), of("c3"));
    assert!(few.is_subset(&half) && half.is_subset(&all));
    // Four standard deviations of a draw of 1,500.
    assert!(all.len() == 1500 && (672..=828).contains(&half.len()) && (65..=145).contains(&few.len()));
    // The same accounts again, whatever the batch.
    let again = self::tables();
    let (_, single) = decided(&built(challengers(), &again), &again, &checks, 1);
    assert!(records.iter().zip(&single).all(|(a, b)| a.challengers == b.challengers));
}

#[test]
fn what_only_watches_is_skipped_first_when_time_is_short() {
    let tables = tables();
    let snapshot = built(vec![Challenger { forest: constant("c", 0.5), share_percent: 100 }], &tables);
    let (shadow, model) = (Degraded::Shadow.bit(), Degraded::Model.bit());
    let cases = [
        ("a", None, 0, 0, 1),
        ("b", Some(SHADOW_BUDGET_US), 0, 0, 1),
        ("c", Some(SHADOW_BUDGET_US - 1), 0, shadow, 0),
        ("d", Some(MODEL_BUDGET_US), 0, shadow, 0),
        ("e", Some(MODEL_BUDGET_US - 1), 0, shadow | model, 0),
        ("f", Some(SHADOW_BUDGET_US), 1, shadow, 0),
        ("g", None, SHADOW_WAITED_US_MAX, 0, 1),
        ("h", None, SHADOW_WAITED_US_MAX + 1, shadow, 0),
    ];
    let (mut scratch, mut decisions) = (Scratch::new(0), Vec::new());
    for (id, budget_us, waited_us, degraded, scores) in cases {
        let mut check = claim(id, id, 1);
        check.budget_us = budget_us;
        let now = Now { ms: START_MS, waited_us };
        decide(&snapshot, &tables, now, &[check], &mut decisions, &mut scratch);
        let record = Record::decode(scratch.records().next().expect("one").2).expect("our own");
        assert_eq!((decisions[0].degraded, record.challengers.len()), (degraded, scores), "{id}");
        let skipped = degraded & model != 0;
        let scored = record.features.iter().any(|(feature, _)| *feature == Builtin::AnomalyScore.id().0);
        assert_eq!((decisions[0].score == 0.0, scored), (skipped, !skipped), "{id}");
    }
}

#[test]
fn an_account_outside_of_the_share_loses_nothing_by_a_short_deadline() {
    let tables = tables();
    let snapshot = built(vec![Challenger { forest: constant("c", 0.5), share_percent: 1 }], &tables);
    let names = names(300, 300);
    let mut checks = checks(&names);
    checks.iter_mut().for_each(|check| check.budget_us = Some(50));
    let (decisions, _) = decided(&snapshot, &tables, &checks, 64);
    let flagged = decisions.iter().filter(|decision| decision.degraded != 0).count();
    assert!((0..=15).contains(&flagged), "{flagged}");
}

#[test]
fn the_odd_score_is_read_by_rules_and_is_no_part_of_the_score() {
    let tables = tables();
    let draft = || {
        let mut draft = Draft::new("v");
        // A comparison of bits as whole numbers serves: those of positive floats are in order.
        let threshold = 0.625_f64.to_bits() as i64;
        draft.rule("odd", Tier::Review, Verdict::Review, Builtin::AnomalyScore.id(), threshold);
        draft
    };
    let odd = |score: f64| {
        let parts =
            Parts { policy: draft().policy, anomaly: Some(constant("odd", score)), ..Parts::default() };
        Snapshot::build(parts, &tables, None).expect("sound")
    };
    let decision = |id: &str, snapshot: &Snapshot| {
        let decision = site::ask(snapshot, &tables, 0, &[claim(id, "u", 1)], &mut Scratch::new(0))[0];
        (decision.verdict, decision.score)
    };
    assert_eq!(decision("a", &odd(0.7)), (Verdict::Review, 0.0));
    assert_eq!(decision("b", &odd(0.6)), (Verdict::Allow, 0.0));
    assert_eq!(decision("c", &site::snapshot(draft(), &tables, None)), (Verdict::Allow, 0.0));
}

#[test]
fn models_are_listed_and_their_scores_are_counted_in_that_order() {
    let tables = tables();
    let snapshot = built(challengers(), &tables);
    let listed: Vec<_> = snapshot.models().map(|one| (one.role, one.version, one.share_percent)).collect();
    let challenger = Role::Challenger;
    assert_eq!(
        listed,
        [
            (Role::Champion, "m", 100),
            (Role::Anomaly, "odd", 100),
            (challenger, "c1", 100),
            (challenger, "c2", 50),
            (challenger, "c3", 7)
        ]
    );
    let (mut scratch, mut decisions) = (Scratch::new(0), Vec::new());
    let names = names(128, 128);
    let now = Now { ms: START_MS, waited_us: 0 };
    decide(&snapshot, &tables, now, &checks(&names), &mut decisions, &mut scratch);
    let records: Vec<Record> =
        scratch.records().map(|(.., bytes)| Record::decode(bytes).expect("our own")).collect();
    let taken: Vec<_> = scratch.score_tally().take().collect();
    for (place, (role, version, _)) in listed.iter().enumerate() {
        let feature = if *role == Role::Champion { Builtin::ModelScore } else { Builtin::AnomalyScore };
        let scores: Vec<f64> = match role {
            Role::Challenger => {
                let of =
                    |record: &Record| record.challengers.iter().find(|one| one.model == *version).cloned();
                records.iter().filter_map(of).map(|one| one.score).collect()
            }
            _ => {
                let of =
                    |record: &Record| record.features.iter().find(|(id, _)| *id == feature.id().0).copied();
                records.iter().filter_map(of).map(|(_, bits)| f64::from_bits(bits)).collect()
            }
        };
        let mut counts = [0; SCORE_BOUNDS.len() + 1];
        for score in &scores {
            counts[SCORE_BOUNDS.iter().position(|bound| score <= bound).unwrap_or(SCORE_BOUNDS.len())] += 1;
        }
        assert_eq!(taken[place].0, counts, "{version}");
        assert!((taken[place].1 - scores.iter().sum::<f64>()).abs() < 1e-9, "{version}");
    }
    assert!(taken[listed.len()..].iter().all(|(counts, _)| counts.iter().sum::<u64>() == 0));
}

#[test]
fn models_that_do_not_fit_are_refused() {
    let tables = tables();
    let refused = |parts: Parts| Snapshot::build(parts, &tables, None).err().expect("a refusal");
    let challenger = |forest: ForestSpec| Challenger { forest, share_percent: 10 };
    let many = vec![challenger(constant("c", 0.5)); CHALLENGERS_MAX + 1];
    let error = refused(Parts { challengers: many, ..Parts::default() });
    assert!(matches!(error, BuildError::TooMany { what: "challengers", count: 9, max: 8 }), "{error}");
    for own in ["model_score", "anomaly_score", "score"] {
        let reads_own = forest("c", ["amount", own], 0.0);
        let error = refused(Parts { challengers: vec![challenger(reads_own.clone())], ..Parts::default() });
        assert_eq!(error, BuildError::UnknownInput(own.to_owned()));
        assert_eq!(refused(Parts { anomaly: Some(reads_own), ..Parts::default() }), error);
    }
    let mut astray = forest("astray", ["amount", "hour"], 0.0);
    astray.inputs.pop();
    let error = refused(Parts { anomaly: Some(astray), ..Parts::default() }).to_string();
    assert!(error.contains("astray reads input 1 of 1"), "{error}");
    let long = forest(&"v".repeat(129), ["amount", "hour"], 0.0);
    let error = refused(Parts { forest: Some(long), ..Parts::default() });
    assert!(matches!(error, BuildError::TooMany { what: "bytes of a model's version", .. }), "{error}");
}

#[test]
fn models_that_read_too_much_together_are_refused() {
    let tables = tables();
    let mut draft = Draft::new("v");
    let names: Vec<String> = (0..300).map(|n| format!("f{n}")).collect();
    for name in &names {
        let feature = engine::feature::Feature {
            name: name.clone(),
            ty: engine::feature::Type::Int,
            missing: engine::feature::Scalar::Int(0),
            doc: String::new(),
        };
        draft.policy.features.push(feature).expect("room");
    }
    let reading = |from: usize, to: usize| ForestSpec {
        inputs: names[from..to].to_vec(),
        trees: vec![Tree { nodes: vec![Node::Leaf(0.5)] }],
        ..forest("m", ["", ""], 0.0)
    };
    let parts = |to: usize| Parts {
        policy: draft.policy.clone(),
        forest: Some(reading(0, 200)),
        anomaly: Some(reading(100, to)),
        ..Parts::default()
    };
    assert!(Snapshot::build(parts(256), &tables, None).is_ok());
    let error = Snapshot::build(parts(257), &tables, None).err().expect("a refusal");
    assert!(matches!(error, BuildError::TooMany { count: 257, max: 256, .. }), "{error}");
}

/// A record as engines wrote it before there were several models, by the layout of version 1.
fn first_version(features: &[(u16, u64)], count: u16) -> Vec<u8> {
    let mut bytes = vec![1, Kind::Pay.code(), Verdict::Review.code(), 255];
    bytes.extend(4_u16.to_le_bytes());
    bytes.extend([1, 2]);
    bytes.extend(77_u64.to_le_bytes());
    bytes.extend(START_MS.to_le_bytes());
    bytes.extend((START_MS + 1).to_le_bytes());
    bytes.extend(888_i64.to_le_bytes());
    bytes.extend(0.5_f64.to_bits().to_le_bytes());
    bytes.extend([11_u64.to_le_bytes(), 12_u64.to_le_bytes()].concat());
    for text in ["policy", "model"] {
        bytes.push(text.len() as u8);
        bytes.extend(text.as_bytes());
    }
    bytes.extend(3_u32.to_le_bytes());
    bytes.extend([0, 0, 0]);
    bytes.extend([0; 16]);
    bytes.extend(0_u32.to_le_bytes());
    bytes.extend(count.to_le_bytes());
    let mut set = vec![0_u8; usize::from(count).div_ceil(8)];
    features.iter().for_each(|(id, _)| set[usize::from(id / 8)] |= 1 << (id % 8));
    bytes.extend(set);
    features.iter().for_each(|(_, bits)| bytes.extend(bits.to_le_bytes()));
    bytes
}

#[test]
fn records_of_the_first_version_are_still_read() {
    let builtins = Builtin::AnomalyScore.id().0;
    let amount = Builtin::Amount.id().0;
    // The policy's own features came right behind the built-in ones, of which there was one less.
    let bytes = first_version(&[(amount, 888), (builtins, 5), (builtins + 2, 6)], builtins + 3);
    let record = Record::decode(&bytes).expect("a record");
    let now = BUILTINS.len() as u16;
    assert_eq!(record.features, [(amount, 888), (now, 5), (now + 2, 6)]);
    assert_eq!((record.features_count, record.number, record.score), (now + 3, 77, 0.5));
    assert_eq!(
        (record.policy.as_str(), record.model.as_str(), record.anomaly.as_str()),
        ("policy", "model", "")
    );
    assert_eq!((record.hits.len(), record.hits[0].index, record.inputs.len()), (1, 3, 2));
    assert!(record.challengers.is_empty());
    for cut in 0..bytes.len() {
        assert!(Record::decode(&bytes[..cut]).is_err(), "{cut}");
    }
    for version in [0, 3, 255] {
        assert!(Record::decode(&[&[version], &bytes[1..]].concat()).is_err());
    }
}
