//! A condition as facts that must all hold: ranges of features, what they are and are not, registers that are true or false.
//!
//! What it says beyond that – alternatives, arithmetic – stands as a register of its own, so that what is concluded from facts is
//! always true, and some that could be concluded is not.

use std::collections::HashMap;

use engine::feature::FeatureId;
use engine::program::{
    Comparison, Kinds, NumberType, Op, Output, Program, Source, TextId, TextSource, TextTest, Truth,
};

/// What a fact is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum About {
    /// A text feature.
    Text(FeatureId),
    /// A register.
    Truth(u16),
    /// A text feature and one text, by its place.
    IsText(FeatureId, u16),
    /// A number feature and one number, on the scale of its type.
    IsNumber(FeatureId, i64),
    /// A number feature: of all that is known of a condition, what says least.
    Range(FeatureId),
}

/// What holds of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Holds {
    /// From one number to another, on the scale of the type; `nan` if it may be no number at all.
    Within {
        low: i64,
        high: i64,
        nan: bool,
    },
    Is(TextId),
    Truth(bool),
}

impl Holds {
    fn number(n: i64) -> Holds {
        Holds::Within { low: n, high: n, nan: false }
    }

    /// Both together; none if they contradict each other.
    fn and(self, other: Holds) -> Option<Holds> {
        match (self, other) {
            (
                Holds::Within { low, high, nan },
                Holds::Within { low: other_low, high: other_high, nan: other_nan },
            ) => {
                let (low, high, nan) = (low.max(other_low), high.min(other_high), nan && other_nan);
                (low <= high || nan).then_some(Holds::Within { low, high, nan })
            }
            (a, b) => (a == b).then_some(a),
        }
    }

    /// Whether this one is enough for the other.
    fn implies(self, other: Holds) -> bool {
        match (self, other) {
            (Holds::Within { .. }, Holds::Within { .. }) => self.and(other) == Some(self),
            (a, b) => a == b,
        }
    }
}

/// Facts that a condition is, all together.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Facts {
    kinds: Kinds,
    all: Vec<(About, Holds)>,
}

/// What rules are found by: a fact, or of a range that is no single number the feature alone.
pub(super) type Key = (About, Option<Holds>);

impl Facts {
    fn add(&mut self, about: About, holds: Holds) -> Option<()> {
        match self.all.iter_mut().find(|(known, _)| *known == about) {
            Some((_, known)) => *known = known.and(holds)?,
            None => self.all.push((about, holds)),
        }
        Some(())
    }

    fn of(&self, about: About) -> Option<Holds> {
        self.all.iter().find(|(known, _)| *known == about).map(|(_, holds)| *holds)
    }

    pub(super) fn implies(&self, other: &Facts) -> bool {
        self.kinds.0 & !other.kinds.0 == 0
            && other
                .all
                .iter()
                .all(|&(about, needed)| self.of(about).is_some_and(|held| held.implies(needed)))
    }

    /// Holds what a feature is not against what it is; none if it is just that.
    fn settle(mut self) -> Option<Facts> {
        let is_not: Vec<About> = self.all.iter().map(|(about, _)| *about).collect();
        for about in is_not {
            let (what, value) = match about {
                About::IsText(id, text) => (About::Text(id), Holds::Is(TextId(text))),
                About::IsNumber(id, n) => (About::Range(id), Holds::number(n)),
                _ => continue,
            };
            let Some(held) = self.of(what) else { continue };
            if held == value {
                return None;
            }
            // Of what is another thing anyway it says nothing more.
            if held.and(value).is_none() {
                self.all.retain(|(known, _)| *known != about);
            }
        }
        self.all.sort_unstable_by_key(|(about, _)| *about);
        (self.kinds != Kinds(0)).then_some(self)
    }

    /// What it is found by, unless it holds of every event of its kinds: whatever implies it says that as well.
    pub(super) fn first(&self) -> Option<Key> {
        self.all.first().map(|&(about, holds)| key(about, holds))
    }

    /// What everything that it implies is found by.
    pub(super) fn keys(&self) -> impl Iterator<Item = Key> {
        let of_range = |about| matches!(about, About::Range(_)).then_some((about, None));
        self.all.iter().flat_map(move |&(about, holds)| {
            let key = key(about, holds);
            [Some(key), of_range(about).filter(|open| *open != key)].into_iter().flatten()
        })
    }
}

fn key(about: About, holds: Holds) -> Key {
    match holds {
        Holds::Within { low, high, .. } if low != high => (about, None),
        holds => (about, Some(holds)),
    }
}

/// Reads conditions of one program.
pub(super) struct Reader<'p> {
    writers: HashMap<Output, &'p Op>,
}

impl<'p> Reader<'p> {
    pub(super) fn new(program: &'p Program) -> Reader<'p> {
        Reader { writers: program.ops.iter().map(|op| (op.output(), op)).collect() }
    }

    /// What is known of that register whatever the event.
    pub(super) fn known(&self, truth: Truth) -> Option<bool> {
        match self.writers.get(&Output::Truth(truth)) {
            Some(Op::Always { truth, .. }) => Some(*truth),
            _ => None,
        }
    }

    /// The facts of a condition on these kinds; none if they contradict each other.
    pub(super) fn facts(&self, when: Truth, kinds: Kinds) -> Option<Facts> {
        self.gather(when, true, kinds)
    }

    /// Whether a condition holds of every event of these kinds: that it does not contradicts itself.
    pub(super) fn always(&self, when: Truth, kinds: Kinds) -> bool {
        kinds != Kinds(0) && self.gather(when, false, kinds).is_none()
    }

    fn gather(&self, truth: Truth, wanted: bool, kinds: Kinds) -> Option<Facts> {
        let mut facts = Facts { kinds, all: Vec::new() };
        let mut open = vec![(truth, wanted)];
        while let Some((truth, wanted_here)) = open.pop() {
            self.read(truth, wanted_here, wanted, &mut facts, &mut open)?;
        }
        facts.settle()
    }

    fn read(
        &self,
        truth: Truth,
        wanted: bool,
        is_condition: bool,
        facts: &mut Facts,
        open: &mut Vec<(Truth, bool)>,
    ) -> Option<()> {
        let Some(op) = self.writers.get(&Output::Truth(truth)) else { return Some(()) };
        match (op, wanted) {
            (Op::Always { truth, .. }, _) => return (*truth == wanted).then_some(()),
            (Op::And { a, b, .. }, true) | (Op::Or { a, b, .. }, false) => {
                open.extend([(*a, wanted), (*b, wanted)]);
            }
            (Op::Not { a, .. }, _) => open.push((*a, !wanted)),
            (Op::KindIn { kinds, .. }, _) => {
                facts.kinds.0 &= if wanted { kinds.0 } else { !kinds.0 };
            }
            (Op::Compare { ty, comparison, a: Source::Feature(id), b: Source::Constant(bits), .. }, _)
                if scaled(*ty, *bits).is_some() =>
            {
                let n = scaled(*ty, *bits)?;
                match range(*comparison, n, wanted, *ty == NumberType::Double) {
                    Some(holds) => facts.add(About::Range(*id), holds)?,
                    None => facts.add(About::IsNumber(*id, n), Holds::Truth(false))?,
                }
            }
            (
                Op::Text {
                    test: TextTest::Compare(comparison @ (Comparison::Equal | Comparison::NotEqual)),
                    a: TextSource::Feature(id),
                    b: TextSource::Constant(text),
                    ..
                },
                _,
            ) => match (*comparison == Comparison::Equal) == wanted {
                true => facts.add(About::Text(*id), Holds::Is(*text))?,
                false => facts.add(About::IsText(*id, text.0), Holds::Truth(false))?,
            },
            // Where a condition is read as what it is not, a register that may fail is neither true nor false.
            _ if !is_condition && may_fail(op) => {}
            _ => facts.add(About::Truth(truth.0), Holds::Truth(wanted))?,
        }
        Some(())
    }
}

/// Whether the instruction may end in an error; so may whatever reads a register.
fn may_fail(op: &Op) -> bool {
    !matches!(op, Op::Flag { .. } | Op::Present { .. } | Op::OnList { .. })
}

/// A constant as a whole number in the order of its type; none where it has no place in it.
fn scaled(ty: NumberType, bits: u64) -> Option<i64> {
    match ty {
        NumberType::Int => Some(bits as i64),
        NumberType::Uint => None,
        NumberType::Double => {
            // One zero, whatever its sign. The bits of negative numbers grow the other way.
            let x = f64::from_bits(bits) + 0.0;
            let bits = x.to_bits() as i64;
            (!x.is_nan()).then_some(if bits < 0 { bits ^ i64::MAX } else { bits })
        }
    }
}

/// The values for which a comparison comes out as wanted; none where they are all but one.
fn range(comparison: Comparison, n: i64, wanted: bool, maybe_nan: bool) -> Option<Holds> {
    let (low, high) = match (comparison, wanted) {
        (Comparison::Equal, true) | (Comparison::NotEqual, false) => (n, n),
        (Comparison::Equal, false) | (Comparison::NotEqual, true) => return None,
        (Comparison::Less, true) | (Comparison::GreaterOrEqual, false) => match n.checked_sub(1) {
            Some(high) => (i64::MIN, high),
            None => (1, 0),
        },
        (Comparison::Greater, true) | (Comparison::LessOrEqual, false) => match n.checked_add(1) {
            Some(low) => (low, i64::MAX),
            None => (1, 0),
        },
        (Comparison::LessOrEqual, true) | (Comparison::Greater, false) => (i64::MIN, n),
        (Comparison::GreaterOrEqual, true) | (Comparison::Less, false) => (n, i64::MAX),
    };
    // Of no number every comparison is false but `!=`, which is true.
    let nan = maybe_nan && !wanted && comparison != Comparison::NotEqual;
    Some(Holds::Within { low, high, nan })
}
