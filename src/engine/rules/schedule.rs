//! How a program is run: what compares one feature with many constants is one look-up a lane, and the rest follows in order.
//!
//! Thousands of rules that each ask `campaign == "…"` or `amount > …` would compare each lane with each constant. Here the
//! constants of a feature lie sorted, or texts in a table; a lane's value finds its place among them, and one walk over the
//! constants turns the places of all lanes into the truth of every comparison. For each kind of event the instructions that
//! its rules need stand in a list of their own, so that a batch of one kind does not even look at the others.

use std::collections::{BTreeMap, HashMap};

use arrayvec::ArrayVec;
use wire::Kind;

use super::{Inputs, Mask, Registers};
use crate::feature::FeatureId;
use crate::limits::LANES;
use crate::policy::Policy;
use crate::program::{Comparison, Kinds, NumberType, Op, Program, Source, TextSource, TextTest, Truth};

/// Comparisons of one feature with constants from which on looking them up together is cheaper than one by one.
const NUMBERS_MIN: usize = 8;
const TEXTS_MIN: usize = 4;

/// The order of running a program.
#[derive(Default)]
pub(crate) struct Schedule {
    numbers: Vec<Numbers>,
    texts: Vec<Texts>,
    /// The other instructions, by their place in the program.
    rest: ByKind<u16>,
}

/// What a batch of one kind needs, for each kind, and at the end what a batch of several needs.
type ByKind<T> = Vec<Vec<T>>;

/// A comparison with the constant at a place of its group.
#[derive(Clone, Copy)]
struct Test {
    constant: u16,
    comparison: Comparison,
    to: Truth,
}

/// Comparisons of one number with constants, which stand in ascending order.
struct Numbers {
    feature: FeatureId,
    ty: NumberType,
    kinds: Kinds,
    constants: Vec<u64>,
    tests: ByKind<Test>,
}

/// Whether one text is one of many.
struct Texts {
    feature: FeatureId,
    kinds: Kinds,
    places: HashMap<Box<[u8]>, u16>,
    tests: ByKind<Test>,
}

/// How a policy's programs are run.
pub(crate) struct Schedules {
    /// The conditions of limits.
    pub gate: Schedule,
    /// What depends on nothing that is filled late ([`crate::known`]).
    pub early: Schedule,
    /// The rest.
    pub late: Schedule,
}

impl Schedules {
    /// Those of a policy; `late` says by instruction which part it belongs to.
    pub fn of(policy: &Policy, late: &[bool]) -> Schedules {
        Schedules {
            gate: Schedule::new(&policy.gate, |_| true),
            early: Schedule::new(&policy.program, |at| !late[at]),
            late: Schedule::new(&policy.program, |at| late[at]),
        }
    }
}

impl Schedule {
    /// The schedule of those instructions of a program that `takes` names.
    pub fn new(program: &Program, takes: impl Fn(usize) -> bool) -> Schedule {
        let mut numbers: BTreeMap<(FeatureId, u8), Vec<usize>> = BTreeMap::new();
        let mut texts: BTreeMap<FeatureId, Vec<usize>> = BTreeMap::new();
        for (at, op) in program.ops.iter().enumerate().filter(|(at, _)| takes(*at)) {
            match *op {
                Op::Compare { ty, a: Source::Feature(feature), b: Source::Constant(bits), .. }
                    if ty != NumberType::Double || !f64::from_bits(bits).is_nan() =>
                {
                    numbers.entry((feature, ty as u8)).or_default().push(at);
                }
                Op::Text {
                    test: TextTest::Compare(Comparison::Equal | Comparison::NotEqual),
                    a: TextSource::Feature(feature),
                    b: TextSource::Constant(_),
                    ..
                } => texts.entry(feature).or_default().push(at),
                _ => {}
            }
        }
        numbers.retain(|_, tests| tests.len() >= NUMBERS_MIN);
        texts.retain(|_, tests| tests.len() >= TEXTS_MIN);
        let mut apart = vec![false; program.ops.len()];
        for &at in numbers.values().chain(texts.values()).flatten() {
            apart[at] = true;
        }
        // There are fewer instructions than a place can say: `limits::OPS_MAX`.
        let rest = (0..program.ops.len()).filter(|at| takes(*at) && !apart[*at]).map(|at| (at, at as u16));
        Schedule {
            rest: by_kind(program, rest),
            numbers: numbers.values().map(|tests| Numbers::new(program, tests)).collect(),
            texts: texts.into_iter().map(|(feature, tests)| Texts::new(program, feature, &tests)).collect(),
        }
    }

    /// The most constants of one group.
    pub fn constants_max(&self) -> usize {
        let numbers = self.numbers.iter().map(|group| group.constants.len());
        numbers.chain(self.texts.iter().map(|group| group.places.len())).max().unwrap_or(0)
    }

    /// The instructions that stand alone, for a batch of those kinds.
    pub fn rest(&self, there: u16) -> &[u16] {
        of_batch(&self.rest, there)
    }

    /// Computes what is looked up together, for a batch of those kinds.
    pub(super) fn look_up(
        &self,
        inputs: &Inputs<'_>,
        there: u16,
        of_kind: &[u64],
        registers: &mut Registers,
    ) {
        let mut marks = std::mem::take(&mut registers.marks);
        for group in self.numbers.iter().filter(|group| group.kinds.0 & there != 0) {
            match group.ty {
                NumberType::Int => group.run(inputs, there, |bits| bits as i64, &mut marks, registers),
                NumberType::Uint => group.run(inputs, there, |bits| bits, &mut marks, registers),
                NumberType::Double => group.run(inputs, there, f64::from_bits, &mut marks, registers),
            }
        }
        for group in self.texts.iter().filter(|group| group.kinds.0 & there != 0) {
            let lanes = (0..of_kind.len()).filter(|kind| group.kinds.0 >> kind & 1 != 0);
            let wanted = lanes.fold(0, |lanes, kind| lanes | of_kind[kind]);
            group.run(inputs, there, wanted, &mut marks, registers);
        }
        registers.marks = marks;
    }
}

/// Those things in their order, each for the kinds that its instruction is needed for.
fn by_kind<T: Copy>(program: &Program, things: impl Iterator<Item = (usize, T)>) -> ByKind<T> {
    let mut lists = vec![Vec::new(); Kind::ALL.len() + 1];
    for (at, thing) in things {
        let kinds = kinds_of(program, &[at]);
        let needs = |list: usize| Kind::ALL.get(list).map_or(kinds.0 != 0, |kind| kinds.has(*kind));
        (0..lists.len()).filter(|&list| needs(list)).for_each(|list| lists[list].push(thing));
    }
    lists
}

/// The list of a batch of those kinds.
fn of_batch<T>(lists: &ByKind<T>, there: u16) -> &[T] {
    let of = if there.is_power_of_two() { there.trailing_zeros() as usize } else { Kind::ALL.len() };
    lists.get(of).map_or(&[], Vec::as_slice)
}

/// The kinds that some of those instructions are needed for.
fn kinds_of(program: &Program, ops: &[usize]) -> Kinds {
    Kinds(
        ops.iter().fold(0, |kinds, &at| kinds | program.kinds.get(at).map_or(Kinds::ALL.0, |kinds| kinds.0)),
    )
}

impl Numbers {
    fn new(program: &Program, ops: &[usize]) -> Numbers {
        let read = |at: &usize| match program.ops[*at] {
            Op::Compare { to, ty, comparison, a: Source::Feature(feature), b: Source::Constant(bits) } => {
                Some((*at, to, ty, comparison, feature, bits))
            }
            _ => None,
        };
        let all: Vec<_> = ops.iter().filter_map(read).collect();
        let (feature, ty) =
            all.first().map_or((FeatureId(0), NumberType::Int), |&(_, _, ty, _, feature, _)| (feature, ty));
        let order = |a: u64, b: u64| match ty {
            NumberType::Int => (a as i64).cmp(&(b as i64)),
            NumberType::Uint => a.cmp(&b),
            // Never without an order: constants that are no number stand alone.
            NumberType::Double => {
                f64::from_bits(a).partial_cmp(&f64::from_bits(b)).unwrap_or(std::cmp::Ordering::Equal)
            }
        };
        let mut constants: Vec<u64> = all.iter().map(|&(.., bits)| bits).collect();
        constants.sort_by(|&a, &b| order(a, b));
        constants.dedup_by(|a, b| order(*a, *b).is_eq());
        let place = |bits| constants.partition_point(|&constant| order(constant, bits).is_lt()) as u16;
        let test = |&(at, to, _, comparison, _, bits)| (at, Test { constant: place(bits), comparison, to });
        let tests = by_kind(program, all.iter().map(test));
        Numbers { feature, ty, kinds: kinds_of(program, ops), constants, tests }
    }

    fn run<T: PartialOrd>(
        &self,
        inputs: &Inputs<'_>,
        there: u16,
        read: impl Fn(u64) -> T,
        marks: &mut [[u64; 2]],
        registers: &mut Registers,
    ) {
        let column = &inputs.columns[self.feature.index()][inputs.span.clone()];
        let tests = of_batch(&self.tests, there);
        // The first constant that is not below the value, and the first above it; none for what is no number, which is
        // neither below nor above anything and equals nothing.
        let places = |bits: u64| {
            let value = read(bits);
            value.partial_cmp(&value)?;
            let first = self.constants.partition_point(|&constant| read(constant) < value);
            let equal = self.constants.get(first).is_some_and(|&constant| read(constant) == value);
            Some((first, first + usize::from(equal)))
        };
        if let [bits] = column {
            let found = places(*bits);
            let (first, after) = found.unwrap_or((usize::MAX, usize::MAX));
            let lane = |truth| u64::from(truth) << inputs.span.start;
            let seen = |constant| [lane(first <= constant), lane(after <= constant)];
            return put_all(tests, lane(found.is_some()), inputs.all(), seen, registers);
        }
        let mut ordered = 0;
        for (lane, &bits) in inputs.span.clone().zip(column) {
            if let Some((first, after)) = places(bits) {
                ordered |= 1 << lane;
                marks[first][0] |= 1 << lane;
                marks[after][1] |= 1 << lane;
            }
        }
        let marks = &mut marks[..=self.constants.len()];
        let (mut at_most, mut below) = (0, 0);
        for [first, after] in marks.iter_mut() {
            // From here on: lanes whose value is at most this constant, and lanes whose value is below it.
            at_most |= *first;
            below |= *after;
            (*first, *after) = (at_most, below);
        }
        put_all(tests, ordered, inputs.all(), |constant| marks[constant], registers);
        marks.fill([0; 2]);
    }
}

/// The truth of each comparison. `ordered` are the lanes that have a number; `seen` gives those whose value is at most a
/// constant, and those whose value is below it.
#[inline(always)]
fn put_all(
    tests: &[Test],
    ordered: u64,
    all: u64,
    seen: impl Fn(usize) -> [u64; 2],
    registers: &mut Registers,
) {
    for test in tests {
        let [at_most, below] = seen(usize::from(test.constant));
        let truth = match test.comparison {
            Comparison::Less => below,
            Comparison::LessOrEqual => at_most,
            Comparison::Greater => ordered & !at_most,
            Comparison::GreaterOrEqual => ordered & !below,
            Comparison::Equal => at_most & !below,
            Comparison::NotEqual => all & !(at_most & !below),
        };
        registers.put(test.to, Mask { truth, fault: 0 });
    }
}

impl Texts {
    fn new(program: &Program, feature: FeatureId, ops: &[usize]) -> Texts {
        let mut places: HashMap<Box<[u8]>, u16> = HashMap::new();
        let mut tests = Vec::with_capacity(ops.len());
        for &at in ops {
            let Op::Text { to, test: TextTest::Compare(comparison), b: TextSource::Constant(text), .. } =
                program.ops[at]
            else {
                continue;
            };
            let next = places.len() as u16;
            let constant =
                *places.entry(program.texts[usize::from(text.0)].as_slice().into()).or_insert(next);
            tests.push((at, Test { constant, comparison, to }));
        }
        let tests = by_kind(program, tests.into_iter());
        Texts { feature, kinds: kinds_of(program, ops), places, tests }
    }

    fn run(
        &self,
        inputs: &Inputs<'_>,
        there: u16,
        wanted: u64,
        marks: &mut [[u64; 2]],
        registers: &mut Registers,
    ) {
        let mut found: ArrayVec<u16, LANES> = ArrayVec::new();
        for lane in crate::decide::lanes(wanted) {
            if let Some(&place) = self.places.get(inputs.text_of(self.feature, lane)) {
                marks[usize::from(place)][0] |= 1 << lane;
                found.push(place);
            }
        }
        for test in of_batch(&self.tests, there) {
            let same = marks[usize::from(test.constant)][0];
            let truth = if test.comparison == Comparison::Equal { same } else { inputs.all() & !same };
            registers.put(test.to, Mask { truth, fault: 0 });
        }
        found.iter().for_each(|&place| marks[usize::from(place)] = [0; 2]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wire::Check;

    use super::*;
    use crate::decide::all;
    use crate::feature::{Builtin, Scalar};
    use crate::program::TextId;
    use crate::rules::Part;
    use crate::scratch::Scratch;
    use crate::snapshot::{Parts, Snapshot};
    use crate::tables::{Sizes, Tables};

    impl Schedule {
        /// The obvious one: every instruction where it stands.
        fn plain(program: &Program) -> Schedule {
            let all: Vec<u16> = (0..program.ops.len() as u16).collect();
            Schedule { rest: vec![all; Kind::ALL.len() + 1], ..Schedule::default() }
        }
    }

    const COMPARISONS: [Comparison; 6] = [
        Comparison::Equal,
        Comparison::NotEqual,
        Comparison::Less,
        Comparison::LessOrEqual,
        Comparison::Greater,
        Comparison::GreaterOrEqual,
    ];

    /// Comparisons of whole numbers, of decimals with those that are none among them, and of texts.
    fn program() -> impl Strategy<Value = Program> {
        let special = prop_oneof![-3..4_i64, Just(i64::MIN), Just(i64::MAX)];
        let double = prop_oneof![-3.0..3.0_f64, Just(0.0), Just(-0.0), Just(f64::NAN), Just(f64::INFINITY)];
        let op = (0..3_u8, 0..6_usize, special, double, 0..6_u16);
        prop::collection::vec((op, 1..256_u16), 1..120).prop_map(|ops| {
            let texts = ["", "a", "b", "aa", "名", "z"].map(|text| text.as_bytes().to_vec()).to_vec();
            let mut program = Program { texts, ..Program::default() };
            for (at, ((sort, comparison, int, double, text), kinds)) in ops.into_iter().enumerate() {
                let (to, comparison) = (Truth(at as u16), COMPARISONS[comparison]);
                let compare = |ty, feature: Builtin, bits| {
                    let (a, b) = (Source::Feature(feature.id()), Source::Constant(bits));
                    Op::Compare { to, ty, comparison, a, b }
                };
                program.ops.push(match sort {
                    0 => compare(NumberType::Int, Builtin::AccountEvents, int as u64),
                    1 => compare(NumberType::Double, Builtin::SpeedKmh, double.to_bits()),
                    _ => Op::Text {
                        to,
                        test: TextTest::Compare(comparison),
                        a: TextSource::Feature(Builtin::Campaign.id()),
                        b: TextSource::Constant(TextId(text)),
                    },
                });
                program.kinds.push(Kinds(kinds));
            }
            program.truths = program.ops.len() as u16;
            program
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn looked_up_together_comparisons_say_what_they_say_one_by_one(
            program in program(),
            lanes in prop::collection::vec(
                (0..8_usize, -4..5_i64, prop_oneof![-4.0..4.0_f64, Just(f64::NAN), Just(-0.0)], "[ab名]{0,2}"), 1..65),
        ) {
            let sizes = Sizes {
                accounts: 64, devices: 64, velocity_keys: 64, busy_keys: 64, list_entries: 64, decisions: 64, seed: [1; 16],
            };
            let tables = Tables::new(&sizes).unwrap();
            let policy = Policy { program: program.clone(), ..Policy::default() };
            let snapshot = Snapshot::build(Parts { policy, ..Parts::default() }, &tables, None).unwrap();
            let mut scratch = Scratch::new(0);
            scratch.fit(&snapshot);
            let checks: Vec<Check<'_>> = lanes.iter().map(|(kind, .., text)| {
                let mut check = Check::new("id", Kind::ALL[*kind], "account");
                check.campaign = text.as_str().into();
                check
            }).collect();
            for (lane, (_, int, double, _)) in lanes.iter().enumerate() {
                scratch.set(Builtin::AccountEvents.id(), lane, Scalar::Int(*int));
                scratch.set(Builtin::SpeedKmh.id(), lane, Scalar::Double(*double));
            }
            let mut met = |schedule: &Schedule| -> Vec<u64> {
                crate::rules::run_by(schedule, &snapshot, Part::Early, &checks, all(&checks), &mut scratch);
                // Of lanes whose kind the instruction is not needed for nothing is said.
                let needed = |kinds: Kinds| {
                    let has = |lane: &usize| kinds.has(checks[*lane].kind);
                    (0..checks.len()).filter(has).fold(0, |mask, lane| mask | 1_u64 << lane)
                };
                (0..program.truths).map(|at| {
                    let needed = needed(program.kinds[usize::from(at)]);
                    // Whatever stood there before is not what was computed now.
                    if needed == 0 { 0 } else { scratch.registers.met(Truth(at)) & needed }
                }).collect()
            };
            let expected = met(&Schedule::plain(&program));
            prop_assert_eq!(met(&snapshot.schedules.early), expected);
        }
    }
}
