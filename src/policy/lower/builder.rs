//! Builds a program in which every distinct instruction stands once.
//!
//! Rules of one policy ask the same things over and over; hash-consing turns a predicate that a hundred rules read into one
//! instruction, and constants fold away before they cost anything.

use std::collections::HashMap;

use engine::limits::OPS_MAX;
use engine::program::{Number, Op, Program, TextId, Truth};

/// A program being built.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    program: Program,
    truths: HashMap<Op, Truth>,
    numbers: HashMap<Op, Number>,
    texts: HashMap<String, TextId>,
    known: HashMap<Truth, bool>,
    negated: HashMap<Truth, Truth>,
    full: bool,
}

impl Builder {
    /// The program; `None` if it outgrew the engine's bounds.
    pub(crate) fn finish(self) -> Option<Program> {
        (!self.full).then_some(self.program)
    }

    /// The register of a truth instruction; the same instruction gives the same register.
    pub(crate) fn truth(&mut self, make: impl Fn(Truth) -> Op) -> Truth {
        let shape = make(Truth(0));
        if let Some(&to) = self.truths.get(&shape) {
            return to;
        }
        let to = Truth(self.program.truths);
        if self.push(make(to)) {
            self.program.truths += 1;
            self.truths.insert(shape, to);
        }
        to
    }

    /// The register of a number instruction.
    pub(crate) fn number(&mut self, make: impl Fn(Number) -> Op) -> Number {
        let shape = make(Number(0));
        if let Some(&to) = self.numbers.get(&shape) {
            return to;
        }
        let to = Number(self.program.numbers);
        if self.push(make(to)) {
            self.program.numbers += 1;
            self.numbers.insert(shape, to);
        }
        to
    }

    fn push(&mut self, op: Op) -> bool {
        // Registers are 16 bits and each instruction writes one, so the bound on instructions keeps both from wrapping.
        self.full |= self.program.ops.len() >= OPS_MAX.min(usize::from(u16::MAX));
        if !self.full {
            self.program.ops.push(op);
        }
        !self.full
    }

    /// The place of a text constant.
    pub(crate) fn text(&mut self, text: &str) -> TextId {
        if let Some(&id) = self.texts.get(text) {
            return id;
        }
        let id = TextId(self.program.texts.len() as u16);
        if self.program.texts.len() >= usize::from(u16::MAX) {
            self.full = true;
            return id;
        }
        self.program.texts.push(text.to_owned());
        self.texts.insert(text.to_owned(), id);
        id
    }

    /// A truth known now.
    pub(crate) fn always(&mut self, truth: bool) -> Truth {
        let to = self.truth(|to| Op::Always { to, truth });
        self.known.insert(to, truth);
        to
    }

    /// The truth of a register, where it is known now.
    pub(crate) fn known(&self, truth: Truth) -> Option<bool> {
        self.known.get(&truth).copied()
    }

    pub(crate) fn not(&mut self, a: Truth) -> Truth {
        if let Some(truth) = self.known(a) {
            return self.always(!truth);
        }
        if let Some(&inner) = self.negated.get(&a) {
            return inner;
        }
        let to = self.truth(|to| Op::Not { to, a });
        self.negated.insert(to, a);
        to
    }

    pub(crate) fn and(&mut self, a: Truth, b: Truth) -> Truth {
        match (self.known(a), self.known(b)) {
            (Some(false), _) | (_, Some(false)) => self.always(false),
            (Some(true), _) => b,
            (_, Some(true)) => a,
            _ if a == b => a,
            _ => {
                // CEL's `&&` does not care which side comes first, so one order serves both.
                let (a, b) = (a.min_by_number(b), a.max_by_number(b));
                self.truth(|to| Op::And { to, a, b })
            }
        }
    }

    pub(crate) fn or(&mut self, a: Truth, b: Truth) -> Truth {
        match (self.known(a), self.known(b)) {
            (Some(true), _) | (_, Some(true)) => self.always(true),
            (Some(false), _) => b,
            (_, Some(false)) => a,
            _ if a == b => a,
            _ => {
                let (a, b) = (a.min_by_number(b), a.max_by_number(b));
                self.truth(|to| Op::Or { to, a, b })
            }
        }
    }

    pub(crate) fn choose(&mut self, condition: Truth, a: Truth, b: Truth) -> Truth {
        match self.known(condition) {
            Some(true) => a,
            Some(false) => b,
            None => self.truth(|to| Op::ChooseTruth { to, condition, a, b }),
        }
    }
}

trait ByNumber {
    fn min_by_number(self, other: Self) -> Self;
    fn max_by_number(self, other: Self) -> Self;
}

impl ByNumber for Truth {
    fn min_by_number(self, other: Truth) -> Truth {
        Truth(self.0.min(other.0))
    }

    fn max_by_number(self, other: Truth) -> Truth {
        Truth(self.0.max(other.0))
    }
}
