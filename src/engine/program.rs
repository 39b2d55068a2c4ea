//! The rule program: instructions over columns of 64 lanes, produced by `policy`, run by [`crate::rules`].
//!
//! A check of the batch is a lane. A truth register is a word with a bit a lane and a second word of faulted lanes; a
//! number register is a column. Each distinct predicate is computed once for the whole batch, whatever number of rules
//! reads it, and a rule is then a few ANDs over words.

use wire::Kind;

use crate::feature::FeatureId;

/// A truth register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Truth(pub u16);

/// A number register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Number(pub u16);

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
}

/// How numbers are read from bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NumberType {
    /// Two's complement 64 bits: whole numbers, and money in minor units.
    Int,
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
    /// Comparison of two texts.
    Text { to: Truth, test: TextTest, a: TextSource, b: TextSource },
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
    /// Arithmetic on two numbers of one type.
    Calculate { to: Number, ty: NumberType, operation: Arithmetic, a: Source, b: Source },
    /// CEL `double(a)` of a whole number, divided by `scale` (100 turns minor into major units).
    ToDouble { to: Number, a: Source, scale: u32 },
    /// CEL `int(a)` of a float: towards zero, a fault when out of range.
    ToInt { to: Number, a: Source },
    /// CEL `size(text)`: code points.
    TextSize { to: Number, a: TextSource },
}

/// A straight-line program without loops or jumps: its cost is its length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Program {
    /// The instructions.
    pub ops: Vec<Op>,
    /// Text constants.
    pub texts: Vec<String>,
    /// How many truth registers are used.
    pub truths: u16,
    /// How many number registers are used.
    pub numbers: u16,
}
