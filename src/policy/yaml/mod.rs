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

    /// What it says, as 16 hexadecimal digits: the first half of a SHA-256 over keys and values, blind to places, comments and
    /// the way it is written.
    pub(crate) fn digest(&self) -> String {
        let mut hash = ring::digest::Context::new(&ring::digest::SHA256);
        self.feed(&mut hash);
        hex::encode(&hash.finish().as_ref()[..8])
    }

    fn feed(&self, hash: &mut ring::digest::Context) {
        let mut enter = |sort: u8, length: usize, text: &str| {
            hash.update(&[sort]);
            hash.update(&(length as u64).to_le_bytes());
            hash.update(text.as_bytes());
        };
        match &self.data {
            Data::Scalar(text, _) => enter(0, text.len(), text),
            Data::List(nodes) => {
                enter(1, nodes.len(), "");
                nodes.iter().for_each(|node| node.feed(hash));
            }
            Data::Map(entries) => {
                enter(2, entries.len(), "");
                for (word, node) in entries {
                    hash.update(&(word.text.len() as u64).to_le_bytes());
                    hash.update(word.text.as_bytes());
                    node.feed(hash);
                }
            }
        }
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
