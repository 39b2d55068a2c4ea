//! The rule program: instructions over columns of 64 lanes, produced by `policy`, run by [`crate::rules`].
//!
//! A check of the batch is a lane. A truth register is a word with a bit a lane and a second word of faulted lanes; a
//! number register is a column; a text register holds where each lane's text stands. Each distinct predicate is computed
//! once for the whole batch, whatever number of rules reads it, and a rule is then a few ANDs over words.

use std::net::IpAddr;
use std::sync::Arc;

use regex_automata::Input;
use regex_automata::dfa::Automaton;
use regex_automata::dfa::dense::DFA;
use wire::Kind;

use crate::feature::FeatureId;
pub use crate::zone::Zone;

/// A truth register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Truth(pub u16);

/// A number register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Number(pub u16);

/// A text register: text or bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Words(pub u16);

/// A text constant, by its place in [`Program::texts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TextId(pub u16);

/// A set of kinds, bit [`Kind::code`] each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Kinds(pub u16);

impl Kinds {
    /// Every kind.
    pub const ALL: Kinds = Kinds((1 << Kind::ALL.len()) - 1);

    /// The set of these kinds.
    pub fn of(kinds: &[Kind]) -> Kinds {
        Kinds(kinds.iter().fold(0, |set, kind| set | 1 << kind.code()))
    }

    /// Whether the kind is in the set.
    pub const fn has(self, kind: Kind) -> bool {
        self.0 >> kind.code() & 1 != 0
    }
}

/// Where an instruction finds a number for each lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// A feature's column.
    Feature(FeatureId),
    /// A number register.
    Register(Number),
    /// The same bits in every lane: an `i64`, or an `f64` by its bits.
    Constant(u64),
}

/// Where an instruction finds a text for each lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TextSource {
    /// A text feature, read from the check.
    Feature(FeatureId),
    /// A constant.
    Constant(TextId),
    /// A text register.
    Register(Words),
}

/// How numbers are read from bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NumberType {
    /// Two's complement 64 bits: whole numbers, money in minor units, times and durations in microseconds.
    Int,
    /// Unsigned 64 bits.
    Uint,
    /// IEEE 754 64 bits.
    Double,
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// Arithmetic of CEL: whole numbers fault on overflow and on division by zero, floats follow IEEE 754.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arithmetic {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`, whole numbers only
    Remainder,
}

impl Arithmetic {
    /// Of whole numbers; `None` where CEL faults.
    pub fn ints(self, a: i64, b: i64) -> Option<i64> {
        match self {
            Arithmetic::Add => a.checked_add(b),
            Arithmetic::Subtract => a.checked_sub(b),
            Arithmetic::Multiply => a.checked_mul(b),
            Arithmetic::Divide => a.checked_div(b),
            Arithmetic::Remainder => a.checked_rem(b),
        }
    }

    /// Of unsigned numbers; `None` where CEL faults.
    pub fn uints(self, a: u64, b: u64) -> Option<u64> {
        match self {
            Arithmetic::Add => a.checked_add(b),
            Arithmetic::Subtract => a.checked_sub(b),
            Arithmetic::Multiply => a.checked_mul(b),
            Arithmetic::Divide => a.checked_div(b),
            Arithmetic::Remainder => a.checked_rem(b),
        }
    }
}

/// A part of a moment, as CEL counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Calendar {
    /// `getFullYear`
    Year,
    /// `getMonth`, 0 for January
    Month,
    /// `getDayOfYear`, from 0
    DayOfYear,
    /// `getDayOfMonth`, from 0
    DayOfMonth,
    /// `getDayOfWeek`, 0 for Sunday
    DayOfWeek,
    /// `getHours`
    Hours,
    /// `getMinutes`
    Minutes,
    /// `getSeconds`
    Seconds,
    /// `getMilliseconds`
    Milliseconds,
    /// `int(timestamp)`: whole seconds since 1970
    UnixSeconds,
}

/// A test of one text against another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TextTest {
    /// The same text, or ordered by code points.
    Compare(Comparison),
    /// `a.startsWith(b)`
    StartsWith,
    /// `a.endsWith(b)`
    EndsWith,
    /// `a.contains(b)`
    Contains,
}

/// One instruction. `to` is written; every register is written before it is read, and only once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "operands: `to` is written, `a` and `b` are read")]
pub enum Op {
    /// The same truth in every lane.
    Always { to: Truth, truth: bool },
    /// A fault in every lane: an expression known at compile time to fail.
    Fault { to: Truth },
    /// A truth feature.
    Flag { to: Truth, feature: FeatureId },
    /// `has(feature)`: the event carried it.
    Present { to: Truth, feature: FeatureId },
    /// The event's kind is in the set.
    KindIn { to: Truth, kinds: Kinds },
    /// The event's value is on the list (by its place in the policy's lists).
    OnList { to: Truth, list: u16 },
    /// Comparison of two numbers of one type.
    Compare { to: Truth, ty: NumberType, comparison: Comparison, a: Source, b: Source },
    /// Exact comparison of two numbers of different types.
    CompareMixed {
        to: Truth,
        comparison: Comparison,
        a: Source,
        a_ty: NumberType,
        b: Source,
        b_ty: NumberType,
    },
    /// Comparison of two texts, or of two byte strings.
    Text { to: Truth, test: TextTest, a: TextSource, b: TextSource },
    /// `a.matches(pattern)`, by its place in [`Program::patterns`].
    Matches { to: Truth, a: TextSource, pattern: u16 },
    /// The address stands in the network at that place of [`Program::networks`]; a text that is no address is a fault,
    /// and an absent one stands in none.
    InNetwork { to: Truth, a: TextSource, network: u16 },
    /// The text is of digits whose last one is right by Luhn's sum.
    Luhn { to: Truth, a: TextSource },
    /// CEL `!`: a fault stays.
    Not { to: Truth, a: Truth },
    /// CEL `&&`: false on either side hides a fault on the other.
    And { to: Truth, a: Truth, b: Truth },
    /// CEL `||`: true on either side hides a fault on the other.
    Or { to: Truth, a: Truth, b: Truth },
    /// CEL `condition ? a : b` over truths; only the chosen side's fault counts.
    ChooseTruth { to: Truth, condition: Truth, a: Truth, b: Truth },
    /// CEL `condition ? a : b` over numbers.
    ChooseNumber { to: Number, condition: Truth, a: Source, b: Source },
    /// CEL `condition ? a : b` over texts.
    ChooseText { to: Words, condition: Truth, a: TextSource, b: TextSource },
    /// `a + b` of texts; a fault beyond [`crate::limits::JOINED_BYTES_MAX`].
    Join { to: Words, a: TextSource, b: TextSource },
    /// CEL `string(a)` of a number.
    Write { to: Words, ty: NumberType, a: Source },
    /// Arithmetic on two numbers of one type.
    Calculate { to: Number, ty: NumberType, operation: Arithmetic, a: Source, b: Source },
    /// The number itself; a fault outside `low..=high`.
    Bounded { to: Number, a: Source, low: i64, high: i64 },
    /// CEL `double(a)` of a whole number, divided by `scale` (100 turns minor into major units).
    ToDouble { to: Number, ty: NumberType, a: Source, scale: u32 },
    /// CEL `int(a)` or `uint(a)` of a float: towards zero, a fault when out of range.
    ToWhole { to: Number, ty: NumberType, a: Source },
    /// The number that a text spells; a fault where it spells none.
    Parse { to: Number, ty: NumberType, a: TextSource },
    /// CEL `size`: code points of a text, or bytes.
    TextSize { to: Number, a: TextSource, bytes: bool },
    /// Kilometres between two places, by their place in [`Program::places`]; no number where one is absent.
    Kilometres { to: Number, places: u16 },
    /// The time of the event, in microseconds since 1970.
    Time { to: Number },
    /// A part of a moment in a zone of [`Program::zones`]; a fault where the zone's rules are not known.
    Calendar { to: Number, part: Calendar, a: Source, zone: u16 },
}

/// A register that an instruction writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// A truth register.
    Truth(Truth),
    /// A number register.
    Number(Number),
    /// A text register.
    Words(Words),
}

/// What an instruction reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// Truth registers.
    pub truths: [Option<Truth>; 3],
    /// Numbers.
    pub numbers: [Option<Source>; 4],
    /// Texts.
    pub texts: [Option<TextSource>; 2],
    /// The feature that a flag or a presence is of.
    pub feature: Option<FeatureId>,
}

impl Reads {
    /// The registers among what is read.
    pub fn registers(self) -> impl Iterator<Item = Output> {
        let truths = self.truths.into_iter().flatten().map(Output::Truth);
        let numbers = self.numbers.into_iter().flatten().filter_map(|source| match source {
            Source::Register(number) => Some(Output::Number(number)),
            Source::Feature(_) | Source::Constant(_) => None,
        });
        let texts = self.texts.into_iter().flatten().filter_map(|source| match source {
            TextSource::Register(words) => Some(Output::Words(words)),
            TextSource::Feature(_) | TextSource::Constant(_) => None,
        });
        truths.chain(numbers).chain(texts)
    }
}

impl Op {
    /// The register it writes.
    pub fn output(&self) -> Output {
        match *self {
            Op::Always { to, .. }
            | Op::Fault { to }
            | Op::Flag { to, .. }
            | Op::Present { to, .. }
            | Op::KindIn { to, .. }
            | Op::OnList { to, .. }
            | Op::Compare { to, .. }
            | Op::CompareMixed { to, .. }
            | Op::Text { to, .. }
            | Op::Matches { to, .. }
            | Op::InNetwork { to, .. }
            | Op::Luhn { to, .. }
            | Op::Not { to, .. }
            | Op::And { to, .. }
            | Op::Or { to, .. }
            | Op::ChooseTruth { to, .. } => Output::Truth(to),
            Op::ChooseNumber { to, .. }
            | Op::Calculate { to, .. }
            | Op::Bounded { to, .. }
            | Op::ToDouble { to, .. }
            | Op::ToWhole { to, .. }
            | Op::Parse { to, .. }
            | Op::TextSize { to, .. }
            | Op::Kilometres { to, .. }
            | Op::Time { to }
            | Op::Calendar { to, .. } => Output::Number(to),
            Op::ChooseText { to, .. } | Op::Join { to, .. } | Op::Write { to, .. } => Output::Words(to),
        }
    }

    /// Everything it reads.
    pub fn reads(&self, program: &Program) -> Reads {
        let mut reads = Reads::default();
        match *self {
            Op::Always { .. }
            | Op::Fault { .. }
            | Op::KindIn { .. }
            | Op::OnList { .. }
            | Op::Time { .. } => {}
            Op::Flag { feature, .. } | Op::Present { feature, .. } => reads.feature = Some(feature),
            Op::Compare { a, b, .. } | Op::CompareMixed { a, b, .. } | Op::Calculate { a, b, .. } => {
                reads.numbers = [Some(a), Some(b), None, None];
            }
            Op::Text { a, b, .. } | Op::Join { a, b, .. } => reads.texts = [Some(a), Some(b)],
            Op::Matches { a, .. }
            | Op::InNetwork { a, .. }
            | Op::Luhn { a, .. }
            | Op::Parse { a, .. }
            | Op::TextSize { a, .. } => reads.texts = [Some(a), None],
            Op::Not { a, .. } => reads.truths = [Some(a), None, None],
            Op::And { a, b, .. } | Op::Or { a, b, .. } => reads.truths = [Some(a), Some(b), None],
            Op::ChooseTruth { condition, a, b, .. } => reads.truths = [Some(condition), Some(a), Some(b)],
            Op::ChooseNumber { condition, a, b, .. } => {
                reads.truths = [Some(condition), None, None];
                reads.numbers = [Some(a), Some(b), None, None];
            }
            Op::ChooseText { condition, a, b, .. } => {
                reads.truths = [Some(condition), None, None];
                reads.texts = [Some(a), Some(b)];
            }
            Op::Write { a, .. }
            | Op::Bounded { a, .. }
            | Op::ToDouble { a, .. }
            | Op::ToWhole { a, .. }
            | Op::Calendar { a, .. } => reads.numbers = [Some(a), None, None, None],
            Op::Kilometres { places, .. } => reads.numbers = program.places[usize::from(places)].map(Some),
        }
        reads
    }
}

/// A pattern, compiled when the policy was: an automaton that reads each byte once, whatever the pattern.
#[derive(Clone)]
pub struct Pattern {
    /// As it was written.
    pub text: String,
    /// Unanchored automaton of the whole pattern.
    pub automaton: Arc<DFA<Vec<u32>>>,
}

impl Pattern {
    /// Whether it is found anywhere in the text.
    pub fn is_in(&self, text: &[u8]) -> bool {
        // The automaton was built without bytes to quit at, so that a search has no error but a wrong anchor, which is not asked.
        matches!(self.automaton.try_search_fwd(&Input::new(text).earliest(true)), Ok(Some(_)))
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.text == other.text
    }
}

impl std::fmt::Debug for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Pattern").field(&self.text).finish()
    }
}

/// A network: addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    /// An address of it.
    pub address: IpAddr,
    /// How many leading bits all its addresses have.
    pub bits: u8,
}

impl Network {
    /// Whether the address stands in it; an address of the other version never does.
    pub fn has(self, address: IpAddr) -> bool {
        let (differing, width) = match (self.address, address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(a.to_bits() ^ b.to_bits()), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits(), 128),
            _ => return false,
        };
        // Shifted by the whole width nothing is left to differ in.
        differing.checked_shr(width - u32::from(self.bits)).is_none_or(|rest| rest == 0)
    }
}

/// A straight-line program without loops or jumps: its cost is its length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Program {
    /// The instructions.
    pub ops: Vec<Op>,
    /// Kinds of event that some rule needs each instruction for; where it is empty, all of them. What a batch has no event
    /// for is skipped, and leaves in its register whatever stood there: only rules of other kinds read it.
    pub kinds: Vec<Kinds>,
    /// Text and byte constants.
    pub texts: Vec<Vec<u8>>,
    /// Patterns.
    pub patterns: Vec<Pattern>,
    /// Networks.
    pub networks: Vec<Network>,
    /// Time zones.
    pub zones: Vec<Zone>,
    /// Latitude and longitude of two places each, in degrees.
    pub places: Vec<[Source; 4]>,
    /// How many truth registers are used.
    pub truths: u16,
    /// How many number registers are used.
    pub numbers: u16,
    /// How many text registers are used.
    pub words: u16,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str, bits: u8) -> Network {
        Network { address: text.parse().unwrap(), bits }
    }

    #[test]
    fn a_network_has_the_addresses_that_begin_with_its_bits() {
        let has = |net: Network, text: &str| net.has(text.parse().unwrap());
        assert!(has(network("10.1.0.0", 16), "10.1.255.255") && !has(network("10.1.0.0", 16), "10.2.0.0"));
        assert!(has(network("0.0.0.0", 0), "255.1.2.3") && !has(network("0.0.0.0", 0), "::1"));
        assert!(has(network("::", 0), "2001:db8::1") && has(network("2001:db8::", 32), "2001:db8:ffff::1"));
        assert!(has(network("10.0.0.1", 32), "10.0.0.1") && !has(network("10.0.0.1", 32), "10.0.0.2"));
    }
}
