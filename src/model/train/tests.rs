//! Every kind of training, held to its library or to an obvious twin.

use engine::forest::Forest;

use super::*;
use crate::check::check_forest;
use crate::quality::{Curve, Scored};
use crate::walk;

/// Frauds where x is high and y is low, with noise in both; some values missing.
fn data(rows: usize, seed: u64) -> Dataset {
    let mut random = StdRng::seed_from_u64(seed);
    let mut data = Dataset::new(["x", "y", "z"].map(str::to_owned).to_vec());
    for row in 0..rows {
        let (x, z): (f64, f64) = (random.random(), random.random_range(0..5).into());
        let y = if random.random::<f64>() < 0.1 { f64::NAN } else { random.random() };
        let risk = if x > 0.7 && (y.is_nan() || y <= 0.4) { 0.6 } else { 0.02 };
        data.push(row as i64, &[x, y, z], random.random::<f64>() < risk);
    }
    data
}

fn quietly(rows: &Dataset, settings: &Settings) -> Trained {
    train(rows, settings, &|_| ()).unwrap()
}

/// Rows as they come, and rows with every kind of number that there is.
fn hard(rows: &Dataset) -> Dataset {
    let mut hard = rows.clone();
    for strange in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, -0.0, 5e-324] {
        for place in 0..3 {
            let mut row = rows.row(0).to_vec();
            row[place] = strange;
            hard.push(0, &row, false);
        }
    }
    hard
}

#[test]
fn forests_walked_and_laid_flat_predict_what_the_library_predicts_bit_for_bit() {
    let (train_rows, test_rows) = (data(3_000, 1), data(3_000, 2));
    for kind in [Kind::Forest, Kind::ExtraTrees] {
        let settings = Settings { trees: 20, group: 20, ..Settings::of(kind) };
        let (rows, labels) = (forest::matrix(&train_rows).unwrap(), labels(&train_rows));
        let spec = quietly(&train_rows, &settings).forest;
        check_forest(&spec).unwrap();
        let flat = Forest::new(&spec).unwrap();
        for rows_now in [&train_rows, &test_rows] {
            let matrix = forest::matrix(rows_now).unwrap();
            let expected = if kind == Kind::Forest {
                forest::random_forest(&rows, &labels, &settings, 1, 20).unwrap().predict(&matrix)
            } else {
                forest::extra_trees(&rows, &labels, &settings, 1, 20).unwrap().predict(&matrix)
            };
            for (row, expected) in expected.unwrap().iter().enumerate() {
                assert_eq!(walk::score(&spec, rows_now.row(row)).to_bits(), expected.to_bits(), "row {row}");
                assert_eq!(flat.score(rows_now.row(row)).to_bits(), expected.to_bits(), "row {row}");
            }
        }
    }
}

#[test]
fn boosted_trees_walked_and_laid_flat_sum_what_the_library_sums_bit_for_bit() {
    let (train_rows, test_rows) = (data(3_000, 1), hard(&data(3_000, 2)));
    let settings = Settings { trees: 60, ..Settings::of(Kind::Boosted) };
    let library = boosted::fit(&train_rows, &settings).unwrap();
    let spec = quietly(&train_rows, &settings).forest;
    check_forest(&spec).unwrap();
    let flat = Forest::new(&spec).unwrap();
    let values = columns(&test_rows, |value| value);
    let expected = library.predict(&forust_ml::Matrix::new(&values, test_rows.len(), 3), false);
    for (row, expected) in expected.iter().enumerate() {
        let values = test_rows.row(row);
        assert_eq!(walk::raw(&spec, values).to_bits(), expected.to_bits(), "{values:?}");
        assert_eq!(flat.score(values).to_bits(), spec.score(*expected).to_bits(), "{values:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_forest_and_another_seed_another() {
    let rows = data(500, 3);
    for kind in [Kind::Forest, Kind::ExtraTrees, Kind::Boosted, Kind::Isolation] {
        let honest_share = if kind == Kind::Isolation { 1.0 } else { 0.5 };
        let settings = Settings { trees: 5, group: 2, honest_share, ..Settings::of(kind) };
        let first = quietly(&rows, &settings).forest;
        assert_eq!(first, quietly(&rows, &settings).forest, "{kind:?}");
        let other = Settings { seed: 2, ..settings };
        assert_ne!(first.trees, quietly(&rows, &other).forest.trees, "{kind:?}");
    }
}

#[test]
fn fewer_trees_are_the_first_of_many() {
    let rows = data(500, 3);
    for kind in [Kind::Forest, Kind::ExtraTrees, Kind::Boosted, Kind::Isolation] {
        let many = quietly(&rows, &Settings { trees: 12, group: 4, ..Settings::of(kind) }).forest;
        let few = quietly(&rows, &Settings { trees: 5, group: 4, ..Settings::of(kind) }).forest;
        assert_eq!(many.trees[..5], few.trees, "{kind:?}");
    }
}

#[test]
fn sampling_honest_rows_keeps_the_mean_score_at_the_true_rate() {
    let rows = data(20_000, 4);
    for kind in [Kind::Forest, Kind::ExtraTrees, Kind::Boosted] {
        let settings = Settings {
            trees: 30,
            honest_share: 0.2,
            leaf_rows_min: 50,
            learning_rate: 0.3,
            ..Settings::of(kind)
        };
        let trained = quietly(&rows, &settings);
        assert_eq!(trained.frauds, rows.frauds());
        assert!(trained.rows < rows.len() / 2);
        let scores = (0..rows.len()).map(|row| walk::score(&trained.forest, rows.row(row)));
        let mean = scores.sum::<f64>() / rows.len() as f64;
        let rate = rows.frauds() as f64 / rows.len() as f64;
        assert!((mean / rate - 1.0).abs() < 0.15, "{kind:?}: mean {mean}, rate {rate}");
    }
}

#[test]
fn depth_is_counted_in_splits() {
    for kind in [Kind::Forest, Kind::ExtraTrees, Kind::Boosted, Kind::Isolation] {
        let settings = Settings { trees: 3, depth: 1, leaf_rows_min: 1, ..Settings::of(kind) };
        let trees = quietly(&data(400, 5), &settings).forest.trees;
        assert!(trees.iter().all(|tree| tree.nodes.len() == 3), "{kind:?}: {trees:?}");
    }
}

#[test]
fn validation_stops_before_trees_learn_noise() {
    let (rows, later) = (data(600, 6), data(4_000, 7));
    let settings = Settings { trees: 200, learning_rate: 0.3, ..Settings::of(Kind::Boosted) };
    let mut forest = quietly(&rows, &settings).forest;
    let tried = choose(&mut forest, &later, &|_| {});
    let kept = tried.iter().find(|size| size.trees == forest.trees.len()).unwrap();
    let last = tried.last().unwrap();
    assert_eq!((tried.len(), last.trees), (40, 200));
    assert!(kept.trees < 100 && kept.log_loss < last.log_loss, "{tried:?}");
    // What is said of a size is what a forest of that size does.
    let scored: Vec<Scored> = (0..later.len())
        .map(|row| Scored { score: walk::score(&forest, later.row(row)), fraud: later.is_fraud(row) })
        .collect();
    assert_eq!(Curve::new(&scored).average_precision(), Some(kept.average_precision));
}

/// The paper's own words: how many cuts part a row from the others, followed through the tree without leaves' values.
fn path_by_rows(tree: &Tree, row: &[f64], rows: &[&[f64]]) -> f64 {
    let (mut at, mut beside, mut depth) = (0, rows.to_vec(), 0);
    while let Node::Split(split) = &tree.nodes[at] {
        let left = row[usize::from(split.input)];
        let side = split.side(left);
        beside.retain(|other| split.side(other[usize::from(split.input)]) == side);
        at = if side == engine::forest::Side::Left { split.left } else { split.right } as usize;
        depth += 1;
    }
    f64::from(depth) + mean_path(beside.len())
}

#[test]
fn an_isolation_path_is_its_cuts_and_what_its_rows_would_still_take() {
    let rows = data(64, 8);
    // Each tree sees all rows, so that the twin knows which.
    let settings = Settings { trees: 20, isolated_rows: 64, ..Settings::of(Kind::Isolation) };
    let forest = quietly(&rows, &settings).forest;
    check_forest(&forest).unwrap();
    let all: Vec<&[f64]> = (0..rows.len()).map(|row| rows.row(row)).collect();
    let flat = Forest::new(&forest).unwrap();
    for row in &all {
        let paths = forest.trees.iter().map(|tree| path_by_rows(tree, row, &all));
        let expected = (-(paths.sum::<f64>() / 20.0) / mean_path(64)).exp2();
        assert!((walk::score(&forest, row) - expected).abs() < 1e-12);
        assert_eq!(flat.score(row).to_bits(), walk::score(&forest, row).to_bits());
        assert!(expected > 0.0 && expected <= 1.0);
    }
}

#[test]
fn what_is_far_from_all_rows_is_the_oddest() {
    let rows = data(2_000, 9);
    let forest = quietly(&rows, &Settings::of(Kind::Isolation)).forest;
    let usual: f64 = (0..100).map(|row| walk::score(&forest, rows.row(row))).sum::<f64>() / 100.0;
    let odd = walk::score(&forest, &[40.0, -3.0, 900.0]);
    assert!(odd > 0.6 && usual < 0.55, "odd {odd}, usual {usual}");
}

#[test]
fn mean_paths_are_those_of_the_paper() {
    assert_eq!((mean_path(1), mean_path(2)), (0.0, 1.0));
    assert!((mean_path(3) - 5.0 / 3.0).abs() < 1e-12);
    assert!((mean_path(256) - 10.244_770_9).abs() < 5e-3, "{}", mean_path(256));
}

#[test]
fn isolation_needs_no_label_and_survives_missing_and_equal_values() {
    let mut same = Dataset::new(vec!["x".to_owned()]);
    for _ in 0..50 {
        same.push(0, &[1.0], false);
    }
    let forest = quietly(&same, &Settings::of(Kind::Isolation)).forest;
    assert!((walk::score(&forest, &[1.0]) - 0.5).abs() < 1e-12, "alike rows are as odd as any");
    for row in 0..10 {
        same.push(0, &[f64::NAN], row == 0);
    }
    let forest = quietly(&same, &Settings::of(Kind::Isolation)).forest;
    assert!(walk::score(&forest, &[f64::NAN]) > walk::score(&forest, &[1.0]), "few rows miss their value");
}

#[test]
fn nothing_to_learn_is_said() {
    let rows = data(100, 6);
    let honest = rows.filter(|row| !rows.is_fraud(row));
    for kind in [Kind::Forest, Kind::ExtraTrees, Kind::Boosted] {
        let error = train(&honest, &Settings::of(kind), &|_| ()).unwrap_err();
        assert!(matches!(error, TrainError::NothingToLearn { frauds: 0, .. }), "{error}");
    }
    let none = Dataset::new(vec!["x".to_owned()]);
    assert!(train(&none, &Settings::of(Kind::Isolation), &|_| ()).is_err());
    let settings = Settings::of(Kind::Forest);
    for wrong in [
        Settings { honest_share: 0.0, ..settings.clone() },
        Settings { trees: 0, ..settings.clone() },
        Settings { trees: 5_000, ..settings.clone() },
        Settings { depth: 129, ..settings.clone() },
        Settings { learning_rate: f64::NAN, ..settings.clone() },
        Settings { sampled: 1.5, ..settings.clone() },
        Settings { isolated_rows: 1, ..settings.clone() },
        Settings { group: 0, ..settings },
    ] {
        assert!(matches!(train(&rows, &wrong, &|_| ()), Err(TrainError::Setting(_))), "{wrong:?}");
    }
}

#[test]
fn an_input_that_never_varies_is_no_obstacle() {
    let rows = data(500, 10);
    let mut wide = Dataset::new(["same", "x", "none", "y", "z"].map(str::to_owned).to_vec());
    for row in 0..rows.len() {
        let [x, y, z] = rows.row(row) else { unreachable!() };
        wide.push(rows.time_ms(row), &[1.0, *x, f64::NAN, *y, *z], rows.is_fraud(row));
    }
    for kind in [Kind::Forest, Kind::ExtraTrees, Kind::Boosted, Kind::Isolation] {
        let forest = quietly(&wide, &Settings { trees: 10, ..Settings::of(kind) }).forest;
        check_forest(&forest).unwrap();
        assert!(forest.trees.iter().any(|tree| tree.nodes.len() > 1), "{kind:?}");
    }
}
