//! Every way through a forest against the slow twin, bit for bit, over forests with everything a split can say.

use proptest::prelude::*;

use super::*;

/// The slow twin: one tree after the other, one node after the other, in the words of [`Split::side`].
fn twin(spec: &ForestSpec, row: &[f64]) -> f64 {
    let mut sum = spec.sums_as.round(spec.base);
    for tree in &spec.trees {
        let mut at = 0;
        let leaf = loop {
            match &tree.nodes[at as usize] {
                Node::Leaf(value) => break *value,
                Node::Split(split) => {
                    let side = split.side(spec.inputs_as.round(row[usize::from(split.input)]));
                    at = if side == Side::Left { split.left } else { split.right };
                }
            }
        };
        sum = spec.add(sum, leaf);
    }
    spec.score(sum)
}

const INPUTS: usize = 5;

/// Numbers that meet: thresholds and inputs come from the same few, and from between them.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        6 => (-6_i32..6).prop_map(|n| f64::from(n) / 2.0),
        1 => (-3_i32..3).prop_map(|n| 0.1 * f64::from(n)),
        1 => Just(1e-36),
        1 => Just(-0.0),
        1 => Just(1.0 + f64::EPSILON),
        1 => Just(16_777_217.0),
        1 => Just(-1e300),
        1 => any::<f64>().prop_filter("finite", |x| x.is_finite()),
    ]
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![8 => number(), 1 => Just(f64::NAN), 1 => Just(f64::INFINITY), 1 => Just(f64::NEG_INFINITY)]
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Left), Just(Side::Right)]
}

fn missing() -> impl Strategy<Value = Missing> {
    prop_oneof![
        3 => Just(Missing::Nan(Side::Right)),
        1 => Just(Missing::Never),
        1 => side().prop_map(Missing::Nan),
        1 => side().prop_map(Missing::NanOrZero),
    ]
}

/// Splits that only ask for thresholds, and those that ask for anything.
fn test(plain: bool) -> impl Strategy<Value = Test> {
    let threshold = prop_oneof![20 => number(), 1 => Just(f64::NEG_INFINITY)].prop_map(Test::AtMost);
    if plain {
        return threshold.boxed();
    }
    let set = prop::collection::vec(prop_oneof![3 => 0_u32..5, 1 => 0_u32..200], 0..5);
    let rounding = prop::sample::select(vec![Rounding::TowardZero, Rounding::Down, Rounding::Never]);
    let set = (set, rounding).prop_map(|(set, rounding)| {
        Test::OneOf(Categories::of(set).expect("small categories").rounded(rounding))
    });
    prop_oneof![6 => threshold, 1 => number().prop_map(Test::Equal), 1 => set].boxed()
}

fn split(plain: bool) -> impl Strategy<Value = Split> {
    (0..INPUTS as u16, test(plain), missing()).prop_map(|(input, test, missing)| Split {
        input,
        test,
        missing,
        left: 0,
        right: 0,
    })
}

/// A tree that splits one leaf after the other: the last one of all those there are (deep), or any (wide).
fn tree(plain: bool, splits_max: usize) -> impl Strategy<Value = Tree> {
    let splits =
        prop::collection::vec((split(plain), any::<prop::sample::Index>(), any::<i16>()), 0..splits_max);
    (splits, any::<bool>(), -1.0..1.0).prop_map(|(splits, deep, root): (_, bool, f64)| {
        let (mut nodes, mut leaves) = (vec![Node::Leaf(root)], vec![(0_usize, 0_usize)]);
        for (mut split, which, value) in splits {
            let place = if deep { leaves.len() - 1 } else { which.index(leaves.len()) };
            if leaves[place].1 == if deep { 30 } else { 12 } {
                continue;
            }
            let (at, depth) = leaves.remove(place);
            let left = nodes.len();
            (split.left, split.right) = (left as u32, left as u32 + 1);
            nodes[at] = Node::Split(split);
            nodes.extend([Node::Leaf(f64::from(value) / 7.0), Node::Leaf(f64::from(value).sqrt().max(0.1))]);
            leaves.extend([(left, depth + 1), (left + 1, depth + 1)]);
        }
        Tree { nodes }
    })
}

fn precision() -> impl Strategy<Value = Precision> {
    prop_oneof![3 => Just(Precision::Double), 1 => Just(Precision::Single)]
}

fn transform() -> impl Strategy<Value = Transform> {
    prop_oneof![
        Just(Transform::Identity),
        (0.5..2.0).prop_map(|slope| Transform::Logistic { slope }),
        Just(Transform::Exponential),
        Just(Transform::Softplus),
        Just(Transform::SignedSquare),
        Just(Transform::Step),
        (1.0..9.0).prop_map(|path| Transform::Isolation { path }),
    ]
}

fn forest() -> impl Strategy<Value = ForestSpec> {
    let small = (any::<bool>()).prop_flat_map(|plain| prop::collection::vec(tree(plain, 32), 1..40));
    let mixed = prop::collection::vec(
        prop_oneof![tree(true, 32), tree(false, 64), tree(true, 300), tree(false, 200), tree(true, 1)],
        1..12,
    );
    let trees = prop_oneof![small, mixed];
    (trees, precision(), precision(), -1.0..1.0, any::<bool>(), transform()).prop_map(
        |(trees, inputs_as, sums_as, base, mean, transform)| ForestSpec {
            version: "t".to_owned(),
            inputs: (0..INPUTS).map(|n| n.to_string()).collect(),
            trees,
            inputs_as,
            sums_as,
            base,
            mean,
            transform,
            calibration: Calibration::None,
        },
    )
}

proptest! {
    #[test]
    fn every_way_through_a_forest_gives_the_bits_of_the_slow_one(
        spec in forest(),
        rows in prop::collection::vec(prop::collection::vec(value(), INPUTS), 1..80),
    ) {
        let flat: Vec<f64> = rows.iter().flatten().copied().collect();
        let truths: Vec<f64> = rows.iter().map(|row| twin(&spec, row)).collect();
        for vectors in Vectors::available() {
            let forest = Forest::with_vectors(&spec, vectors).expect("sound");
            let mut scores = vec![0.0; rows.len()];
            forest.score_rows(&flat, INPUTS, &mut scores);
            for ((row, score), truth) in rows.iter().zip(scores).zip(&truths) {
                let alone = forest.score(row);
                prop_assert_eq!(score.to_bits(), truth.to_bits(), "{} {}", score, truth);
                prop_assert_eq!(alone.to_bits(), truth.to_bits(), "{} {}", alone, truth);
            }
        }
    }
}

/// A tree of so many leaves, grown by a stream of random words, with thresholds of many values.
fn grown(leaves: usize, inputs: usize, draw: &mut impl FnMut() -> u64) -> Tree {
    let mut nodes = vec![Node::Leaf(0.0)];
    let mut open = vec![0_usize];
    while open.len() < leaves {
        let at = open.swap_remove(draw() as usize % open.len());
        let (input, threshold) = (draw() % inputs as u64, (draw() % 2000) as f64 / 7.0);
        let left = nodes.len();
        nodes[at] = Node::at_most(input as u16, threshold, left as u32, left as u32 + 1);
        for leaf in [left, left + 1] {
            nodes.push(Node::Leaf((draw() % 1000) as f64 / 999.0));
            open.push(leaf);
        }
    }
    Tree { nodes }
}

#[test]
fn more_thresholds_columns_and_trees_than_fit_a_byte_a_window_and_a_bundle_change_no_bit() {
    let mut state = 5_u64;
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    for (trees, inputs) in [(150, 3), (70, 100), (64, 64), (65, 1)] {
        let leaves = [63, 64, 31, 5, 1, 32, 65];
        let trees: Vec<Tree> =
            (0..trees).map(|tree| grown(leaves[tree % leaves.len()], inputs, &mut draw)).collect();
        let spec = ForestSpec { inputs: (0..inputs).map(|n| n.to_string()).collect(), ..plain(trees) };
        let rows: Vec<f64> = (0..100 * inputs).map(|_| (draw() % 2100) as f64 / 7.0 - 5.0).collect();
        for vectors in Vectors::available() {
            let forest = Forest::with_vectors(&spec, vectors).unwrap();
            let mut scores = [0.0; 100];
            forest.score_rows(&rows, inputs, &mut scores);
            for (row, score) in rows.chunks(inputs).zip(scores) {
                assert_eq!(score.to_bits(), twin(&spec, row).to_bits(), "{vectors:?}");
                assert_eq!(forest.score(row).to_bits(), score.to_bits(), "{vectors:?}");
            }
        }
    }
}

fn plain(trees: Vec<Tree>) -> ForestSpec {
    ForestSpec {
        version: "t".to_owned(),
        inputs: (0..4).map(|n| n.to_string()).collect(),
        trees,
        inputs_as: Precision::Double,
        sums_as: Precision::Double,
        base: 0.5,
        mean: true,
        transform: Transform::Identity,
        calibration: Calibration::None,
    }
}

#[test]
fn what_is_no_forest_is_refused() {
    let split = |left, right| Node::at_most(0, 1.0, left, right);
    let leaf = || Node::Leaf(1.0);
    let equal =
        |number| Split { input: 0, test: Test::Equal(number), missing: Missing::Never, left: 1, right: 2 };
    for (nodes, why) in [
        (vec![], "does not exist"),
        (vec![Node::Leaf(f64::NAN)], "not finite"),
        (vec![split(1, 2), leaf()], "does not exist"),
        (vec![split(0, 1), leaf()], "two parents"),
        (vec![Node::at_most(9, 1.0, 1, 2), leaf(), leaf()], "input 9"),
        (vec![Node::at_most(0, f64::NAN, 1, 2), leaf(), leaf()], "threshold"),
        (vec![Node::at_most(0, f64::INFINITY, 1, 2), leaf(), leaf()], "threshold"),
        (vec![Node::Split(equal(f64::NAN)), leaf(), leaf()], "compares"),
    ] {
        let error = Forest::new(&plain(vec![Tree { nodes }])).err().expect("refused");
        assert!(error.0.contains(why), "{error} says {why}");
    }
    assert!(Forest::new(&plain(vec![])).is_err());
    let leaf = Tree { nodes: vec![Node::Leaf(1.0)] };
    let flat = ForestSpec { transform: Transform::Logistic { slope: 0.0 }, ..plain(vec![leaf]) };
    assert!(Forest::new(&flat).is_err());
    let leaf = |value| Tree { nodes: vec![Node::Leaf(value)] };
    for (base, leaves) in [(0.0, [1e300, -1e300]), (1e39, [0.5, 0.5])] {
        let spec = ForestSpec { base, ..plain(leaves.map(leaf).to_vec()) };
        assert!(Forest::new(&spec).is_ok(), "doubles hold it");
        let spec = ForestSpec { sums_as: Precision::Single, ..spec };
        assert!(
            Forest::new(&spec).err().is_some_and(|error| error.0.contains("not finite")),
            "floats do not"
        );
    }
}

/// A split for each level, of which the right child leads on.
fn chain(splits: usize) -> Tree {
    let mut nodes = Vec::new();
    for level in 0..splits as u32 {
        let split = Node::at_most((level % 4) as u16, f64::from(level), 2 * level + 1, 2 * level + 2);
        nodes.extend([split, Node::Leaf(f64::from(level) / 7.0)]);
    }
    nodes.push(Node::Leaf(99.0));
    Tree { nodes }
}

#[test]
fn the_deepest_trees_score_as_the_slow_twin_does_and_a_deeper_one_is_refused() {
    let deepest = crate::limits::DEPTH_MAX;
    let spec = plain(vec![chain(deepest), chain(3), chain(deepest - 1)]);
    let rows: Vec<f64> = (0..4 * 130).map(|at| f64::from(at / 4) + f64::from(at % 3) / 2.0).collect();
    for vectors in Vectors::available() {
        let forest = Forest::with_vectors(&spec, vectors).unwrap();
        let mut scores = [0.0; 130];
        forest.score_rows(&rows, 4, &mut scores);
        for (row, score) in rows.chunks(4).zip(scores) {
            assert_eq!(score.to_bits(), twin(&spec, row).to_bits(), "{vectors:?}");
            assert_eq!(forest.score(row).to_bits(), score.to_bits(), "{vectors:?}");
        }
    }
    assert!(Forest::new(&plain(vec![chain(deepest + 1)])).is_err());
}

fn side_of(test: Test, missing: Missing, value: f64) -> Side {
    Split { input: 0, test, missing, left: 1, right: 2 }.side(value)
}

#[test]
fn missing_values_lead_where_their_libraries_send_them() {
    use Side::{Left, Right};
    let at = |missing, value| side_of(Test::AtMost(-1.0), missing, value);
    assert_eq!(at(Missing::Nan(Left), f64::NAN), Left);
    assert_eq!(at(Missing::Nan(Right), f64::NAN), Right);
    assert_eq!(at(Missing::Nan(Left), 0.0), Right);
    assert_eq!(at(Missing::NanOrZero(Left), -1e-36), Left);
    assert_eq!(at(Missing::NanOrZero(Left), f64::NAN), Left);
    assert_eq!(at(Missing::NanOrZero(Left), 1e-34), Right);
    assert_eq!(at(Missing::Never, f64::NAN), Right);
    assert_eq!(side_of(Test::AtMost(0.0), Missing::Never, f64::NAN), Left);
}

#[test]
fn a_category_is_a_whole_number_and_a_fraction_what_the_library_makes_of_it() {
    let whole = [0.0, -0.0, 3.0, 64.0, 130.0];
    let none = [-1.0, 1.0, 4.0, 63.0, 65.0, 131.0, 192.0, 1e300, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
    for (rounding, in_the_set, not_in_it) in [
        (Rounding::TowardZero, &[-0.5, -0.999, 3.9, 0.1][..], &[-1.5, 1.5][..]),
        (Rounding::Down, &[3.9, 0.1], &[-0.5, -1e-300, -1.5]),
        (Rounding::Never, &[], &[-0.5, 3.9, 0.1, 130.000_1]),
    ] {
        let set = || Test::OneOf(Categories::of([0, 3, 64, 130]).expect("small").rounded(rounding));
        for (values, side) in [
            (&whole[..], Side::Left),
            (in_the_set, Side::Left),
            (&none[..], Side::Right),
            (not_in_it, Side::Right),
        ] {
            for &value in values {
                let found = side_of(set(), Missing::Nan(Side::Right), value);
                assert_eq!(found, side, "{rounding:?} {value}");
            }
        }
    }
    let without_zero = || Categories::of([3]).expect("small");
    assert_eq!(without_zero().rounded(Rounding::Down), without_zero(), "nothing below 0 is in it");
    let empty = Categories::of([]).expect("empty");
    assert!(!empty.hold(0.0) && empty.words().is_empty());
    assert!(Categories::of([crate::limits::CATEGORIES_MAX as u32]).is_none());
    assert!(Categories::from_words(vec![1; crate::limits::CATEGORIES_MAX / 64 + 1]).is_none());
}

#[test]
fn transforms_give_what_their_objectives_say() {
    let near = |transform: Transform, x: f64, y: f64| {
        let found = transform.apply(x);
        assert!((found - y).abs() < 2e-3, "{transform:?} of {x} is {found}");
    };
    near(Transform::Logistic { slope: 2.0 }, 0.5, 0.731_06);
    near(Transform::Exponential, 2.0, 7.389_06);
    near(Transform::Softplus, 1.0, 1.313_26);
    near(Transform::SignedSquare, -3.0, -9.0);
    near(Transform::Step, 0.1, 1.0);
    near(Transform::Step, 0.0, 0.0);
    near(Transform::Probit, 0.975, 1.959_96);
    near(Transform::Probit, 0.25, -0.674_49);
    near(Transform::Isolation { path: 4.0 }, 4.0, 0.5);
}
