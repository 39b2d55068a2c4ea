//! Stage `rules`: runs a program over the columns, one instruction at a time for all lanes.

mod moment;
mod number;
mod schedule;
mod text;

use std::ops::Range;

use wire::{Check, Kind};

use crate::decide::{by_kind, of_kinds};
use crate::limits::{JOINED_BYTES_MAX, JOINS_MAX, LANES};
use crate::policy::OnError;
use crate::program::{Comparison, Kinds, NumberType, Op, Output, Program, Source, Truth};
use crate::scratch::{Column, Lane, Scratch};
use crate::snapshot::Snapshot;
pub(crate) use schedule::{Schedule, Schedules};
use text::Piece;

/// A truth a lane, and the lanes whose evaluation failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mask {
    pub truth: u64,
    pub fault: u64,
}

/// Registers of a program.
#[derive(Default)]
pub(crate) struct Registers {
    /// The lanes that the running program is for; the truths of others stay.
    lanes: u64,
    truths: Vec<Mask>,
    numbers: Vec<Column>,
    number_faults: Vec<u64>,
    words: Vec<[Piece; LANES]>,
    word_faults: Vec<u64>,
    /// Bytes of the texts that the running program has written; never beyond the room taken for them.
    written: Vec<u8>,
    /// How many of these the early part wrote.
    early_bytes: usize,
    /// Lanes by their places among the constants of a group; all 0 between runs.
    marks: Vec<[u64; 2]>,
}

impl Registers {
    /// Makes room for a program's registers.
    pub fn fit(&mut self, program: &Program, schedule: &Schedule) {
        self.marks.resize(self.marks.len().max(schedule.constants_max() + 1), [0; 2]);
        let (truths, numbers) = (usize::from(program.truths), usize::from(program.numbers));
        self.truths.resize(self.truths.len().max(truths), Mask::default());
        self.numbers.resize(self.numbers.len().max(numbers), [0; LANES]);
        self.number_faults.resize(self.number_faults.len().max(numbers), 0);
        let words = usize::from(program.words);
        self.words.resize(self.words.len().max(words), [Piece::EMPTY; LANES]);
        self.word_faults.resize(self.word_faults.len().max(words), 0);
        let writes = |op: &&Op| matches!(op, Op::Join { .. } | Op::Write { .. });
        let joins = program.ops.iter().filter(writes).count().min(JOINS_MAX);
        self.written.clear();
        self.written.reserve(joins * LANES * JOINED_BYTES_MAX);
    }

    /// Lanes where a condition is true and did not fail.
    pub fn met(&self, condition: Truth) -> u64 {
        let mask = self.truths[usize::from(condition.0)];
        mask.truth & !mask.fault
    }

    /// Lanes where a condition ended in an error.
    pub fn failed(&self, condition: Truth) -> u64 {
        self.truths[usize::from(condition.0)].fault
    }

    /// Whether a condition is met in a lane, or ended in an error that counts as that.
    pub fn applies(&self, condition: Truth, on_error: OnError, lane: usize) -> bool {
        let failed = if on_error == OnError::Match { self.failed(condition) } else { 0 };
        (self.met(condition) | failed) >> lane & 1 != 0
    }

    /// Whether a condition is met in a lane.
    pub fn holds(&self, condition: Truth, lane: usize) -> bool {
        self.met(condition) >> lane & 1 != 0
    }

    fn put(&mut self, to: Truth, mask: Mask) {
        let (lanes, held) = (self.lanes, &mut self.truths[usize::from(to.0)]);
        let merged = |held: u64, new: u64| held & !lanes | new & lanes;
        *held = Mask { truth: merged(held.truth, mask.truth), fault: merged(held.fault, mask.fault) };
    }
}

/// What a program reads.
struct Inputs<'a> {
    snapshot: &'a Snapshot,
    program: &'a Program,
    checks: &'a [Check<'a>],
    /// From the first lane it runs for to the last.
    span: Range<usize>,
    columns: &'a [Column],
    present: &'a [u64],
    on_lists: &'a [u64],
    lanes: &'a [Lane],
}

/// Part of a policy's programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The conditions of limits.
    Gate,
    /// What is known before anything is reserved.
    Early,
    /// The rest.
    Late,
}

/// Runs a part for some lanes; what was said of others stays.
pub(crate) fn run(snapshot: &Snapshot, part: Part, checks: &[Check<'_>], those: u64, scratch: &mut Scratch) {
    let schedules = &snapshot.schedules;
    let schedule = match part {
        Part::Gate => &schedules.gate,
        Part::Early => &schedules.early,
        Part::Late => &schedules.late,
    };
    run_by(schedule, snapshot, part, checks, those, scratch);
}

fn run_by(
    schedule: &Schedule,
    snapshot: &Snapshot,
    part: Part,
    checks: &[Check<'_>],
    those: u64,
    scratch: &mut Scratch,
) {
    let of_kind = by_kind(checks, those);
    let Scratch { columns, present, on_lists, lanes, registers, gate, .. } = scratch;
    let (program, registers) = match part {
        Part::Gate => (&snapshot.policy.gate, gate),
        Part::Early | Part::Late => (&snapshot.policy.program, registers),
    };
    if those == 0 || program.ops.is_empty() {
        return;
    }
    let span = those.trailing_zeros() as usize..LANES - those.leading_zeros() as usize;
    let inputs = Inputs { snapshot, program, checks, span, columns, present, on_lists, lanes };
    registers.written.truncate(if part == Part::Late { registers.early_bytes } else { 0 });
    registers.lanes = those;
    let there =
        (0..of_kind.len()).filter(|&kind| of_kind[kind] != 0).fold(0, |there, kind| there | 1 << kind);
    schedule.look_up(&inputs, there, &of_kind, registers);
    for &at in schedule.rest(there) {
        let at = usize::from(at);
        let kinds = program.kinds.get(at).map_or(Kinds::ALL.0, |kinds| kinds.0) & there;
        if kinds != 0 {
            inputs.step(&program.ops[at], kinds, &of_kind, registers);
        }
    }
    if part == Part::Early {
        registers.early_bytes = registers.written.len();
    }
}

/// The bits of one number in every lane.
#[derive(Clone, Copy)]
enum Bits<'a> {
    Column(&'a Column),
    Constant(u64),
}

impl Bits<'_> {
    #[inline(always)]
    fn at(&self, lane: usize) -> u64 {
        match self {
            Bits::Column(column) => column[lane],
            Bits::Constant(bits) => *bits,
        }
    }
}

impl Inputs<'_> {
    fn all(&self) -> u64 {
        u64::MAX >> (LANES - self.span.len()) << self.span.start
    }

    /// A mask from a test of each lane, and of others where there are many.
    #[inline(always)]
    fn each(&self, test: impl Fn(usize) -> bool) -> u64 {
        if self.span.len() > LANES / 4 {
            // A loop of known length.
            return (0..LANES).fold(0, |mask, lane| mask | u64::from(test(lane)) << lane);
        }
        self.span.clone().fold(0, |mask, lane| mask | u64::from(test(lane)) << lane)
    }

    /// A mask from a test of the wanted lanes.
    fn each_of(&self, mut wanted: u64, test: impl Fn(usize) -> bool) -> u64 {
        let mut mask = 0;
        while wanted != 0 {
            let lane = wanted.trailing_zeros();
            wanted &= wanted - 1;
            mask |= u64::from(test(lane as usize)) << lane;
        }
        mask
    }

    fn number<'r>(&'r self, source: Source, registers: &'r Registers) -> (Bits<'r>, u64) {
        match source {
            Source::Feature(feature) => (Bits::Column(&self.columns[feature.index()]), 0),
            Source::Register(at) => {
                let at = usize::from(at.0);
                (Bits::Column(&registers.numbers[at]), registers.number_faults[at])
            }
            Source::Constant(bits) => (Bits::Constant(bits), 0),
        }
    }

    fn step(&self, op: &Op, kinds: u16, of_kind: &[u64; Kind::ALL.len()], registers: &mut Registers) {
        let truth = |at: Truth, registers: &Registers| registers.truths[usize::from(at.0)];
        let sure = |truth: u64| Mask { truth, fault: 0 };
        match *op {
            Op::Always { to, truth } => registers.put(to, sure(if truth { self.all() } else { 0 })),
            Op::Fault { to } => registers.put(to, Mask { truth: 0, fault: self.all() }),
            Op::Flag { to, feature } => {
                let column = &self.columns[feature.index()];
                registers.put(to, sure(self.each(|lane| column[lane] != 0)));
            }
            Op::Present { to, feature } => registers.put(to, sure(self.present[feature.index()])),
            Op::KindIn { to, kinds } => {
                registers.put(to, sure(of_kinds(kinds, of_kind)));
            }
            Op::OnList { to, list } => registers.put(to, sure(self.on_lists[usize::from(list)])),
            Op::Compare { to, ty, comparison, a, b } => {
                let ((a, fault_a), (b, fault_b)) = (self.number(a, registers), self.number(b, registers));
                let truth = match ty {
                    NumberType::Int => {
                        self.compare(comparison, |lane| (a.at(lane) as i64, b.at(lane) as i64))
                    }
                    NumberType::Uint => self.compare(comparison, |lane| (a.at(lane), b.at(lane))),
                    NumberType::Double => self
                        .compare(comparison, |lane| (f64::from_bits(a.at(lane)), f64::from_bits(b.at(lane)))),
                };
                registers.put(to, Mask { truth, fault: fault_a | fault_b });
            }
            Op::Not { to, a } => {
                let a = truth(a, registers);
                registers.put(to, Mask { truth: !a.truth & self.all() & !a.fault, fault: a.fault });
            }
            Op::And { to, a, b } => {
                let (a, b) = (truth(a, registers), truth(b, registers));
                let no = (!a.truth & !a.fault) | (!b.truth & !b.fault);
                registers.put(to, Mask { truth: a.truth & b.truth & !no, fault: (a.fault | b.fault) & !no });
            }
            Op::Or { to, a, b } => {
                let (a, b) = (truth(a, registers), truth(b, registers));
                let yes = (a.truth & !a.fault) | (b.truth & !b.fault);
                registers.put(to, Mask { truth: yes, fault: (a.fault | b.fault) & !yes });
            }
            Op::ChooseTruth { to, condition, a, b } => {
                let (when, a, b) = (truth(condition, registers), truth(a, registers), truth(b, registers));
                let choose = |a: u64, b: u64| (when.truth & a) | (!when.truth & b);
                let fault = choose(a.fault, b.fault) | when.fault;
                registers.put(to, Mask { truth: choose(a.truth, b.truth) & !fault, fault });
            }
            Op::ChooseNumber { to, condition, a, b } => {
                let when = truth(condition, registers);
                self.choose_number(to, when, a, b, registers);
            }
            _ => {
                let lanes = (0..of_kind.len()).filter(|kind| kinds >> kind & 1 != 0);
                let wanted = lanes.fold(0, |lanes, kind| lanes | of_kind[kind]);
                self.step_rare(op, wanted, registers);
            }
        }
    }

    /// Instructions that few rules have, apart so that the loop over the common ones stays small.
    #[inline(never)]
    fn step_rare(&self, op: &Op, wanted: u64, registers: &mut Registers) {
        match op.output() {
            Output::Truth(to) => {
                let mask = self.test(op, wanted, registers);
                registers.put(to, mask);
            }
            Output::Number(to) => self.number_op(op, to, registers),
            Output::Words(to) => self.words_op(op, to, registers),
        }
    }

    #[inline(always)]
    fn compare<T: PartialOrd>(&self, comparison: Comparison, pair: impl Fn(usize) -> (T, T)) -> u64 {
        match comparison {
            Comparison::Equal => self.each(|lane| pair(lane).0 == pair(lane).1),
            Comparison::NotEqual => self.each(|lane| pair(lane).0 != pair(lane).1),
            Comparison::Less => self.each(|lane| pair(lane).0 < pair(lane).1),
            Comparison::LessOrEqual => self.each(|lane| pair(lane).0 <= pair(lane).1),
            Comparison::Greater => self.each(|lane| pair(lane).0 > pair(lane).1),
            Comparison::GreaterOrEqual => self.each(|lane| pair(lane).0 >= pair(lane).1),
        }
    }
}
