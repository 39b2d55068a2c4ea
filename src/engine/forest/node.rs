//! Trees as trainers hand them over: every split of LightGBM, XGBoost and ONNX tree ensembles can be said.

/// A tree: node 0 is the root.
#[derive(Clone, Debug, PartialEq)]
pub struct Tree {
    /// The nodes.
    pub nodes: Vec<Node>,
}

/// A node of a tree.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// Leads on.
    Split(Split),
    /// Gives this value.
    Leaf(f64),
}

impl Node {
    /// The plain split: left when the input is at most the threshold, right when it is above it or NaN.
    pub fn at_most(input: u16, threshold: f64, left: u32, right: u32) -> Node {
        Node::Split(Split {
            input,
            test: Test::AtMost(threshold),
            missing: Missing::Nan(Side::Right),
            left,
            right,
        })
    }
}

/// A question about one input, and where its answers lead.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// Place of the input among the forest's inputs.
    pub input: u16,
    /// The question, asked of values that are not missing.
    pub test: Test,
    /// Which values are missing, and where those lead.
    pub missing: Missing,
    /// Place in the tree of the child that a yes leads to.
    pub left: u32,
    /// Place in the tree of the child that a no leads to.
    pub right: u32,
}

impl Split {
    /// Where a value of the input leads: the meaning that every faster form is tested against.
    pub fn side(&self, value: f64) -> Side {
        let value = match self.missing {
            Missing::Nan(side) if value.is_nan() => return side,
            Missing::NanOrZero(side) if value.is_nan() || value.abs() <= ZERO_MAX => return side,
            Missing::Never if value.is_nan() => 0.0,
            _ => value,
        };
        let yes = match &self.test {
            Test::AtMost(threshold) => value <= *threshold,
            Test::Equal(number) => value == *number,
            Test::OneOf(categories) => categories.hold(value),
        };
        if yes { Side::Left } else { Side::Right }
    }
}

/// What a split asks of its input.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// Whether it is at most this threshold, which is neither NaN nor +∞. XGBoost's and ONNX's `<` is `<=` of the next
    /// smaller number of the precision they compare in.
    AtMost(f64),
    /// Whether it is this number (ONNX's `BRANCH_EQ`), which is finite.
    Equal(f64),
    /// Whether it is one of these categories. Where a library sends its categories to the right and all else to the left
    /// (XGBoost), children and the side of missing values change places.
    OneOf(Categories),
}

/// Which values of an input count as missing, and where they lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Missing {
    /// None: NaN is read as 0 (LightGBM's `None`).
    Never,
    /// NaN (XGBoost, ONNX, LightGBM's `NaN`).
    Nan(Side),
    /// NaN and every number within [`ZERO_MAX`] of 0 (LightGBM's `Zero`).
    NanOrZero(Side),
}

/// A side of a split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The left child.
    Left,
    /// The right child.
    Right,
}

/// Numbers this near to 0 are zeros to [`Missing::NanOrZero`]: LightGBM's bound, which it writes as a `float`.
pub const ZERO_MAX: f64 = 1e-35_f32 as f64;

/// A set of categories: whole numbers from 0 up to a bound.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Categories {
    /// Bit `n % 64` of word `n / 64` stands for category `n`; the last word is not 0.
    words: Box<[u64]>,
    rounding: Rounding,
}

/// How a value that is not a whole number becomes a category; libraries differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rounding {
    /// The fraction is cut off, so that category 0 has what is between -1 and 0: LightGBM.
    TowardZero,
    /// The fraction is cut off, and what is below 0 is in no category: XGBoost.
    Down,
    /// What has a fraction is in no category: ONNX.
    Never,
}

impl Categories {
    /// The set whose bits are these: bit `n % 64` of word `n / 64` stands for category `n`. Nothing if it reaches past
    /// [`crate::limits::CATEGORIES_MAX`].
    pub fn from_words(mut words: Vec<u64>) -> Option<Categories> {
        words.truncate(words.iter().rposition(|&word| word != 0).map_or(0, |last| last + 1));
        let fits = words.len() * 64 <= crate::limits::CATEGORIES_MAX;
        fits.then(|| Categories { words: words.into_boxed_slice(), rounding: Rounding::TowardZero })
    }

    /// The same set with that rounding; without it is [`Rounding::TowardZero`].
    #[must_use]
    pub fn rounded(mut self, rounding: Rounding) -> Categories {
        // Only category 0 has values below 0, so that sets without it are one, and share a column.
        let without_zero = self.words.first().is_none_or(|word| word & 1 == 0);
        let same = rounding == Rounding::Down && without_zero;
        self.rounding = if same { Rounding::TowardZero } else { rounding };
        self
    }

    /// How values become categories.
    pub fn rounding(&self) -> Rounding {
        self.rounding
    }

    /// The set of these categories. Nothing if one is at or past [`crate::limits::CATEGORIES_MAX`].
    pub fn of(categories: impl IntoIterator<Item = u32>) -> Option<Categories> {
        let mut words = Vec::new();
        for category in categories {
            let word = category as usize / 64;
            if category as usize >= crate::limits::CATEGORIES_MAX {
                return None;
            }
            words.resize(words.len().max(word + 1), 0_u64);
            words[word] |= 1 << (category % 64);
        }
        Categories::from_words(words)
    }

    /// The bits, as [`Categories::from_words`] takes them, without empty words at the end.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// Whether a value is one of them. NaN, what is at most -1 and what is past the largest category never is.
    pub fn hold(&self, value: f64) -> bool {
        let excluded = match self.rounding {
            Rounding::TowardZero => value <= -1.0,
            Rounding::Down => value < 0.0,
            // An infinite value has no fraction, and is past every set.
            Rounding::Never => value < 0.0 || value.fract() != 0.0,
        };
        if excluded || value.is_nan() {
            return false;
        }
        // What is too large for the type becomes its largest number, which is past every set.
        let category = value as u64;
        let word = usize::try_from(category / 64).ok().and_then(|word| self.words.get(word));
        word.is_some_and(|word| word >> (category % 64) & 1 == 1)
    }
}
