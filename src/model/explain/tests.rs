//! Contributions against the slow twin: Shapley values by their definition, over every coalition of inputs.

use engine::forest::{
    Calibration, Categories, Forest, Missing, Node, Precision, Side, Split, Test, Transform, Tree,
};
use proptest::prelude::*;

use super::*;

const INPUTS: usize = 6;

/// What a node is worth to a coalition: inputs in it go where the row goes, others to both sides by their covers.
fn worth(tree: &Tree, covers: Option<&[f64]>, row: &[f64], coalition: u32, at: u32) -> f64 {
    let split = match &tree.nodes[at as usize] {
        Node::Leaf(value) => return *value,
        Node::Split(split) => split,
    };
    let below = |child| worth(tree, covers, row, coalition, child);
    if coalition >> split.input & 1 == 1 {
        return match split.side(row[usize::from(split.input)]) {
            Side::Left => below(split.left),
            Side::Right => below(split.right),
        };
    }
    let (left, right) = match covers {
        Some(covers) => (cover(tree, covers, split.left), cover(tree, covers, split.right)),
        None => (1.0, 1.0),
    };
    let (left, right) = if left + right == 0.0 { (1.0, 1.0) } else { (left, right) };
    (left * below(split.left) + right * below(split.right)) / (left + right)
}

fn cover(tree: &Tree, covers: &[f64], at: u32) -> f64 {
    match &tree.nodes[at as usize] {
        Node::Leaf(_) => covers[at as usize],
        Node::Split(split) => cover(tree, covers, split.left) + cover(tree, covers, split.right),
    }
}

/// Shapley's formula: what an input adds to each coalition, weighted by how many orders have just that coalition before it.
fn twin(tree: &Tree, covers: Option<&[f64]>, row: &[f64]) -> (f64, [f64; INPUTS]) {
    let values: Vec<f64> =
        (0..1_u32 << INPUTS).map(|coalition| worth(tree, covers, row, coalition, 0)).collect();
    let factorial = |n: usize| (1..=n).map(|k| k as f64).product::<f64>();
    let mut contributions = [0.0; INPUTS];
    for (input, contribution) in contributions.iter_mut().enumerate() {
        for coalition in (0..1_usize << INPUTS).filter(|coalition| coalition >> input & 1 == 0) {
            let size = coalition.count_ones() as usize;
            let orders = factorial(size) * factorial(INPUTS - size - 1) / factorial(INPUTS);
            *contribution += orders * (values[coalition | 1 << input] - values[coalition]);
        }
    }
    (values[0], contributions)
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![6 => (-4_i32..5).prop_map(f64::from), 1 => Just(1e-36), 1 => Just(0.1), 1 => -1e9..1e9]
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![8 => number(), 2 => Just(f64::NAN), 1 => Just(f64::INFINITY)]
}

fn split() -> impl Strategy<Value = Split> {
    let side = || prop_oneof![Just(Side::Left), Just(Side::Right)];
    let missing =
        prop_oneof![Just(Missing::Never), side().prop_map(Missing::Nan), side().prop_map(Missing::NanOrZero)];
    let set = prop::collection::vec(0_u32..5, 0..4);
    let test = prop_oneof![
        5 => number().prop_map(Test::AtMost),
        1 => number().prop_map(Test::Equal),
        1 => set.prop_map(|set| Test::OneOf(Categories::of(set).expect("small categories"))),
    ];
    (0..INPUTS as u16, test, missing).prop_map(|(input, test, missing)| Split {
        input,
        test,
        missing,
        left: 0,
        right: 0,
    })
}

/// A tree with covers at its nodes, some of them 0: one leaf after the other is split, the last one (deep) or any (wide).
fn tree(splits_max: usize, depth_max: usize) -> impl Strategy<Value = (Tree, Vec<f64>)> {
    let splits = prop::collection::vec((split(), any::<prop::sample::Index>()), 0..splits_max);
    let leaves = prop::collection::vec(
        (-9.0..9.0, prop_oneof![1 => Just(0.0), 6 => (0_u16..1000).prop_map(f64::from), 1 => 1e-9..1e-3]),
        2 * splits_max + 1,
    );
    (splits, leaves, any::<bool>()).prop_map(move |(splits, values, deep)| {
        let (mut nodes, mut covers) = (vec![Node::Leaf(values[0].0)], vec![values[0].1]);
        let mut leaves = vec![(0_usize, 0_usize)];
        for (mut split, which) in splits {
            let place = if deep { leaves.len() - 1 } else { which.index(leaves.len()) };
            if leaves[place].1 == depth_max {
                continue;
            }
            let (at, depth) = leaves.remove(place);
            let left = nodes.len();
            (split.left, split.right) = (left as u32, left as u32 + 1);
            nodes[at] = Node::Split(split);
            for (value, cover) in &values[left..left + 2] {
                nodes.push(Node::Leaf(*value));
                covers.push(*cover);
            }
            leaves.extend([(left, depth + 1), (left + 1, depth + 1)]);
        }
        (Tree { nodes }, covers)
    })
}

fn forest(trees: Vec<Tree>) -> ForestSpec {
    ForestSpec {
        version: "t".to_owned(),
        inputs: (0..INPUTS).map(|n| n.to_string()).collect(),
        trees,
        inputs_as: Precision::Double,
        sums_as: Precision::Double,
        base: 0.25,
        mean: false,
        transform: Transform::Logistic { slope: 1.0 },
        calibration: Calibration::None,
    }
}

/// As near as doubles allow, against the size of what is summed.
fn near(found: f64, truth: f64, size: f64) -> bool {
    (found - truth).abs() <= 1e-12 * size.max(1.0)
}

proptest! {
    #[test]
    fn contributions_are_shapley_values_and_sum_to_the_score(
        trees in prop::collection::vec(tree(24, 12), 1..4),
        halves in any::<bool>(),
        mean in any::<bool>(),
        row in prop::collection::vec(value(), INPUTS),
    ) {
        let (trees, covers): (Vec<Tree>, Vec<Vec<f64>>) = trees.into_iter().unzip();
        let spec = ForestSpec { mean, ..forest(trees.clone()) };
        let of = if halves { CoverOf::Halves } else { CoverOf::GivenRows };
        let explainer = Explainer::new(spec.clone(), &Covers::new(of, covers.clone()));
        let explanation = explainer.explain(&row);

        let divisor = if mean { trees.len() as f64 } else { 1.0 };
        let (mut base, mut contributions) = (spec.base / divisor, [0.0; INPUTS]);
        for (tree, covers) in trees.iter().zip(&covers) {
            let (expected, added) = twin(tree, (!halves).then_some(covers.as_slice()), &row);
            base += expected / divisor;
            contributions.iter_mut().zip(added).for_each(|(sum, added)| *sum += added / divisor);
        }
        prop_assert!(near(explanation.base, base, 30.0), "{} {base}", explanation.base);
        for (found, truth) in explanation.contributions.iter().zip(contributions) {
            prop_assert!(near(*found, truth, 30.0), "{:?} {contributions:?}", explanation.contributions);
        }
        prop_assert!(explanation.rounding().abs() <= 1e-12 * 30.0, "{}", explanation.rounding());
        prop_assert_eq!(explanation.score.to_bits(), Forest::new(&spec).expect("sound").score(&row).to_bits());
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// A few inputs more than a rule with one point less would be exact for, and a chain as deep as trees may be.
    #[test]
    fn paths_over_many_inputs_sum_to_the_score(
        wide in prop_oneof![Just(8_usize), Just(9), Just(16), Just(17), Just(32), Just(33), Just(64), Just(65), Just(128)],
        shares in prop::collection::vec(0.01_f64..100.0, 129),
        seen in any::<u128>(),
    ) {
        let mut nodes = Vec::new();
        let mut covers = Vec::new();
        for (level, share) in shares[..wide].iter().enumerate() {
            // Right children continue the chain.
            let at = nodes.len() as u32;
            nodes.extend([Node::at_most(level as u16, 0.5, at + 1, at + 2), Node::Leaf(level as f64)]);
            covers.extend([0.0, *share]);
        }
        nodes.push(Node::Leaf(100.0));
        covers.push(shares[128]);
        let spec = ForestSpec { inputs: (0..wide).map(|n| n.to_string()).collect(), ..forest(vec![Tree { nodes }]) };
        let explainer = Explainer::new(spec, &Covers::new(CoverOf::GivenRows, vec![covers.clone()]));
        let row: Vec<f64> = (0..wide).map(|level| f64::from((seen >> level) as u8 & 1)).collect();
        let explanation = explainer.explain(&row);
        prop_assert!(explanation.rounding().abs() <= 1e-9 * 100.0, "{}", explanation.rounding());
        let truth = chain(&covers, &row, wide);
        for (found, truth) in explanation.contributions.iter().zip(truth) {
            prop_assert!((found - truth).abs() <= 1e-9, "{found} {truth}");
        }
    }
}

/// Shapley values of a chain of splits, each by an input of its own, by sums over sizes of coalitions instead of integrals.
fn chain(covers: &[f64], row: &[f64], wide: usize) -> Vec<f64> {
    let mut left: Vec<f64> = (0..=wide).map(|level| covers[(2 * level + 1).min(2 * wide)]).collect();
    for level in (0..wide).rev() {
        left[level] += left[level + 1];
    }
    let mut contributions = vec![0.0; wide];
    for leaf in 0..=wide {
        let value = if leaf == wide { 100.0 } else { leaf as f64 };
        let splits = wide.min(leaf + 1);
        let players: Vec<(f64, f64)> = (0..splits)
            .map(|level| {
                let stays = covers[2 * level + 1] / left[level];
                let on = row[level] > 0.5;
                if level == leaf { (f64::from(!on), stays) } else { (f64::from(on), 1.0 - stays) }
            })
            .collect();
        for input in 0..splits {
            // By size, the sum over coalitions of the others of what they are worth.
            let mut sizes = vec![1.0];
            for (_, &(plays, rests)) in players.iter().enumerate().filter(|(other, _)| *other != input) {
                let with: Vec<f64> =
                    std::iter::once(0.0).chain(sizes.iter().map(|worth| worth * plays)).collect();
                sizes = with
                    .iter()
                    .zip(sizes.iter().chain([&0.0]))
                    .map(|(with, without)| with + without * rests)
                    .collect();
            }
            let mut weight = 1.0 / splits as f64;
            for (size, worth) in sizes.iter().enumerate() {
                contributions[input] += value * weight * worth * (players[input].0 - players[input].1);
                weight *= (size + 1) as f64 / (splits - size).saturating_sub(1).max(1) as f64;
            }
        }
    }
    contributions
}

#[test]
fn an_input_that_no_tree_asks_for_does_nothing_and_a_stump_tells_all_of_it() {
    let stump = Tree { nodes: vec![Node::at_most(2, 0.0, 1, 2), Node::Leaf(-1.0), Node::Leaf(3.0)] };
    let covers = Covers::new(CoverOf::TrainingRows, vec![vec![0.0, 3.0, 1.0]]);
    let explainer = Explainer::new(forest(vec![stump]), &covers);
    assert_eq!(explainer.base(), 0.25, "three rows of −1 and one of 3");
    let explanation = explainer.explain(&[9.0, 9.0, 9.0, 9.0, 9.0, 9.0]);
    assert_eq!(explanation.contributions[2], 3.0);
    assert!(explanation.contributions.iter().enumerate().all(|(input, part)| input == 2 || *part == 0.0));
    let reasons = explainer.reasons(&explanation);
    assert_eq!(reasons, [2]);
    assert!(explainer.reasons(&explainer.explain(&[0.0; INPUTS])).is_empty(), "it lowered the score");
}

#[test]
fn reasons_of_an_isolation_forest_are_what_shortened_its_paths() {
    let stump = |input, long, short| Tree {
        nodes: vec![Node::at_most(input, 0.0, 1, 2), Node::Leaf(long), Node::Leaf(short)],
    };
    let spec = ForestSpec {
        mean: true,
        transform: Transform::Isolation { path: 4.0 },
        ..forest(vec![stump(0, 8.0, 2.0), stump(1, 2.0, 8.0)])
    };
    let explainer = Explainer::new(spec, &Covers::default());
    let explanation = explainer.explain(&[1.0; INPUTS]);
    assert!(explanation.contributions[0] < 0.0 && explanation.contributions[1] > 0.0);
    assert_eq!(explainer.reasons(&explanation), [0]);
}

#[test]
fn where_the_model_sums_in_float_the_difference_is_rounding() {
    let leaf =
        |value| Tree { nodes: vec![Node::at_most(0, 0.0, 1, 2), Node::Leaf(value), Node::Leaf(-value)] };
    let trees: Vec<Tree> = (1..50).map(|n| leaf(f64::from(0.1_f32) * f64::from(n))).collect();
    let spec = ForestSpec { sums_as: Precision::Single, inputs_as: Precision::Single, ..forest(trees) };
    let explanation = Explainer::new(spec, &Covers::default()).explain(&[-1.0; INPUTS]);
    assert!(explanation.rounding() != 0.0 && explanation.rounding().abs() < 1e-4, "{explanation:?}");
}
