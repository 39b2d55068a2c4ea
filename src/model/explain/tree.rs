//! One tree: what each input adds to the leaf that a row reaches.
//!
//! A path to a leaf of value v is a game of its inputs: one that plays is worth 1 if its splits send the row down the path
//! and 0 if not, one that sits out is worth its share of the covers, z. The Shapley value of input i is then
//!
//! v · (oᵢ − zᵢ) · ∫₀¹ Πⱼ≠ᵢ (oⱼ t + zⱼ (1 − t)) dt
//!
//! with o the 1 or 0. Going down, the products are kept at the points of a quadrature rule; coming up, the sums below each
//! edge are credited to its input, less what the same input was credited for further up. Every factor is positive, so that
//! nothing cancels.

use std::array::from_fn;

use engine::forest::{Node, Side, Tree};

use super::rule::Rule;

/// Adds each input's contribution to the leaf that a row, rounded as the forest asks, reaches.
pub fn explain<const N: usize>(
    tree: &Tree,
    shares: &[f64],
    row: &[f64],
    rule: &Rule<N>,
    contributions: &mut [f64],
) {
    let path = vec![Played { hot: true, share: 1.0, over: [1.0; N] }; row.len()];
    Walk { tree, shares, row, rule, path, contributions }.visit(0, rule.weights);
}

/// What an input is worth on the path so far.
#[derive(Clone, Copy)]
struct Played<const N: usize> {
    /// Whether the row goes down the path at all splits that ask for it.
    hot: bool,
    /// Product of the shares at those splits.
    share: f64,
    /// Where it is hot, 1 over its factor at each point.
    over: [f64; N],
}

struct Walk<'a, const N: usize> {
    tree: &'a Tree,
    shares: &'a [f64],
    row: &'a [f64],
    rule: &'a Rule<N>,
    /// By input.
    path: Vec<Played<N>>,
    contributions: &'a mut [f64],
}

impl<const N: usize> Walk<'_, N> {
    /// The leaves below a node, each times the product of its path, at each point. As deep as the tree, which has a bound.
    fn visit(&mut self, at: u32, product: [f64; N]) -> [f64; N] {
        let split = match &self.tree.nodes[at as usize] {
            Node::Leaf(value) => return product.map(|product| product * value),
            Node::Split(split) => split,
        };
        let input = usize::from(split.input);
        let side = split.side(self.row[input]);
        let above = self.path[input];
        let worth_above = self.worth(&above);
        let mut below = [0.0; N];
        for (child, taken) in [(split.left, side == Side::Left), (split.right, side == Side::Right)] {
            let here = self.shares[child as usize];
            let (hot, share) = (above.hot && taken, above.share * here);
            if !hot && share == 0.0 {
                // Neither playing nor sitting out leads here.
                continue;
            }
            let factor = self.factor(share);
            let next: [f64; N] = match (above.hot, hot) {
                (true, true) => from_fn(|point| product[point] * above.over[point] * factor[point]),
                (true, false) => {
                    from_fn(|point| product[point] * above.over[point] * share * self.rule.rests[point])
                }
                (false, _) => product.map(|product| product * here),
            };
            let over = if hot { factor.map(|factor| 1.0 / factor) } else { [1.0; N] };
            let played = Played { hot, share, over };
            self.path[input] = played;
            let sum = self.visit(child, next);
            let worth = self.worth(&played);
            let mut credit = 0.0;
            for point in 0..N {
                credit += sum[point] * (worth[point] - worth_above[point]);
                below[point] += sum[point];
            }
            self.contributions[input] += credit;
        }
        self.path[input] = above;
        below
    }

    /// What a hot input's share makes of the product at each point.
    fn factor(&self, share: f64) -> [f64; N] {
        from_fn(|point| self.rule.points[point] + share * self.rule.rests[point])
    }

    /// Playing less sitting out, over the input's own factor.
    fn worth(&self, played: &Played<N>) -> [f64; N] {
        if played.hot {
            played.over.map(|over| (1.0 - played.share) * over)
        } else {
            self.rule.over_rests.map(|over| -over)
        }
    }
}

/// The mean of the leaves under the shares.
pub fn expected(tree: &Tree, shares: &[f64]) -> f64 {
    let (mut sum, mut open) = (0.0, vec![(0_usize, 1.0)]);
    while let Some((at, weight)) = open.pop() {
        match &tree.nodes[at] {
            Node::Leaf(value) => sum += weight * value,
            Node::Split(split) => {
                for child in [split.right as usize, split.left as usize] {
                    open.push((child, weight * shares[child]));
                }
            }
        }
    }
    sum
}

/// The most inputs that a path of the tree asks for.
pub fn width(tree: &Tree, inputs: usize) -> usize {
    let mut asked = vec![0_u32; inputs];
    widest(tree, 0, &mut asked, 0)
}

fn widest(tree: &Tree, at: u32, asked: &mut [u32], width: usize) -> usize {
    let Node::Split(split) = &tree.nodes[at as usize] else { return width };
    let input = usize::from(split.input);
    let width = width + usize::from(asked[input] == 0);
    asked[input] += 1;
    let most = widest(tree, split.left, asked, width).max(widest(tree, split.right, asked, width));
    asked[input] -= 1;
    most
}
