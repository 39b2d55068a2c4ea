//! Builds a program in which every distinct instruction stands once.
//!
//! Rules of one policy ask the same things over and over; hash-consing turns a predicate that a hundred rules read into one
//! instruction, and constants fold away before they cost anything.

use std::collections::HashMap;
use std::net::IpAddr;

use engine::limits::{JOINS_MAX, OPS_MAX};
use engine::program::{Network, Number, Op, Output, Pattern, Program, Source, TextId, Truth, Words, Zone};

use super::renumber::{self, Renumbered};

/// A program being built.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    program: Program,
    truths: HashMap<Op, Truth>,
    numbers: HashMap<Op, Number>,
    /// By number register, the place of the instruction that writes it.
    made: Vec<usize>,
    words: HashMap<Op, Words>,
    texts: HashMap<Vec<u8>, TextId>,
    patterns: HashMap<String, u16>,
    networks: HashMap<(IpAddr, u8), u16>,
    zones: HashMap<String, u16>,
    places: HashMap<[Source; 4], u16>,
    joins: usize,
    known: HashMap<Truth, bool>,
    negated: HashMap<Truth, Truth>,
    /// What there is no room for, once there is none.
    full: Option<&'static str>,
}

impl Builder {
    /// The program without what nothing reads, and the register that each one became.
    ///
    /// # Errors
    /// Of what there are too many for the engine.
    pub(crate) fn finish(
        self,
        roots: impl IntoIterator<Item = Output>,
    ) -> Result<(Program, Renumbered), &'static str> {
        self.whole().map(|program| renumber::pruned(program, roots))
    }

    /// The program as it was built.
    ///
    /// # Errors
    /// As [`Builder::finish`].
    pub(crate) fn whole(self) -> Result<Program, &'static str> {
        self.full.map_or(Ok(self.program), Err)
    }

    /// Whether there is room for nothing more.
    pub(crate) fn is_full(&self) -> bool {
        self.full.is_some()
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
            self.made.push(self.program.ops.len() - 1);
            self.program.numbers += 1;
            self.numbers.insert(shape, to);
        }
        to
    }

    /// The instruction that writes a number register.
    pub(crate) fn number_op(&self, number: Number) -> Option<Op> {
        self.program.ops.get(*self.made.get(usize::from(number.0))?).copied()
    }

    /// The register of a text instruction.
    pub(crate) fn words(&mut self, make: impl Fn(Words) -> Op) -> Words {
        let shape = make(Words(0));
        if let Some(&to) = self.words.get(&shape) {
            return to;
        }
        let to = Words(self.program.words);
        self.joins += usize::from(!matches!(shape, Op::ChooseText { .. }));
        if self.joins > JOINS_MAX {
            self.full = Some("texts joined or written");
        }
        if self.push(make(to)) {
            self.program.words += 1;
            self.words.insert(shape, to);
        }
        to
    }

    fn push(&mut self, op: Op) -> bool {
        // Registers are 16 bits and each instruction writes one, so the bound on instructions keeps both from wrapping.
        if self.program.ops.len() >= OPS_MAX.min(usize::from(u16::MAX)) {
            self.full = Some("instructions");
        }
        if self.full.is_none() {
            self.program.ops.push(op);
        }
        self.full.is_none()
    }

    /// The place of a text constant.
    pub(crate) fn text(&mut self, text: &[u8]) -> TextId {
        if let Some(&id) = self.texts.get(text) {
            return id;
        }
        let id = TextId(place(&mut self.program.texts, text.to_owned(), &mut self.full));
        self.texts.insert(text.to_owned(), id);
        id
    }

    /// The place of a pattern, if it is known.
    pub(crate) fn pattern(&self, text: &str) -> Option<u16> {
        self.patterns.get(text).copied()
    }

    /// The place of a new pattern.
    pub(crate) fn add_pattern(&mut self, pattern: Pattern) -> u16 {
        let text = pattern.text.clone();
        let at = place(&mut self.program.patterns, pattern, &mut self.full);
        self.patterns.insert(text, at);
        at
    }

    /// The place of a network.
    pub(crate) fn network(&mut self, network: Network) -> u16 {
        let Builder { networks, program, full, .. } = self;
        let known = networks.entry((network.address, network.bits));
        *known.or_insert_with(|| place(&mut program.networks, network, full))
    }

    /// The place of the time zone of that name, if it is known.
    pub(crate) fn zone(&self, name: &str) -> Option<u16> {
        self.zones.get(name).copied()
    }

    /// The place of a time zone.
    pub(crate) fn add_zone(&mut self, zone: Zone) -> u16 {
        let Builder { zones, program, full, .. } = self;
        let known = zones.entry(zone.name.clone());
        *known.or_insert_with(|| place(&mut program.zones, zone, full))
    }

    /// The pattern at that place.
    pub(crate) fn pattern_at(&self, at: u16) -> &Pattern {
        &self.program.patterns[usize::from(at)]
    }

    /// The time zone at that place.
    pub(crate) fn zone_at(&self, at: u16) -> &Zone {
        &self.program.zones[usize::from(at)]
    }

    /// The place of two places.
    pub(crate) fn places(&mut self, places: [Source; 4]) -> u16 {
        let Builder { places: known, program, full, .. } = self;
        *known.entry(places).or_insert_with(|| place(&mut program.places, places, full))
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
            None => match (self.known(a), self.known(b)) {
                (Some(true), Some(false)) => condition,
                (Some(false), Some(true)) => self.not(condition),
                _ => self.truth(|to| Op::ChooseTruth { to, condition, a, b }),
            },
        }
    }

    /// A truth that always fails.
    pub(crate) fn fault(&mut self) -> Truth {
        self.truth(|to| Op::Fault { to })
    }

    pub(crate) fn choose_number(&mut self, condition: Truth, a: Source, b: Source) -> Source {
        match self.known(condition) {
            Some(true) => a,
            Some(false) => b,
            None => Source::Register(self.number(|to| Op::ChooseNumber { to, condition, a, b })),
        }
    }
}

/// Puts it at the end and gives its place.
fn place<T>(all: &mut Vec<T>, one: T, full: &mut Option<&'static str>) -> u16 {
    if all.len() >= usize::from(u16::MAX) {
        *full = Some("constants");
    }
    if full.is_none() {
        all.push(one);
    }
    (all.len().max(1) - 1) as u16
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
