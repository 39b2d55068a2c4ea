//! YAML to a tree in which every key and value knows its place.
//!
//! The events of the parser under serde-saphyr are read directly rather than through serde: amounts must keep their digits
//! (`5.00` never passes through a float), keys need places of their own, and reading must go on after a fault.

pub(crate) mod fields;
pub(crate) mod load;
pub(crate) mod values;

use crate::diagnostic::Place;

/// A word of the file and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    pub text: String,
    pub place: Place,
}

/// How a scalar was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Quoted,
    Block,
}

/// A node of the tree.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub place: Place,
    pub data: Data,
}

/// What a node holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Data {
    Scalar(String, Style),
    List(Vec<Node>),
    Map(Vec<(Word, Node)>),
}

impl Node {
    /// Whether it stands for nothing: an empty value, `~` or `null`.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.data, Data::Scalar(text, Style::Plain) if matches!(text.as_str(), "" | "~" | "null"))
    }

    /// What it is, in words.
    pub(crate) fn shape(&self) -> &'static str {
        match &self.data {
            _ if self.is_null() => "nothing",
            Data::Scalar(..) => "a single value",
            Data::List(_) => "a list",
            Data::Map(_) => "a map",
        }
    }
}
