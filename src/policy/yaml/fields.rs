//! Typed reading of a map: which keys it may have is what was asked of it, so the list of known keys cannot go stale.

use super::{Data, Node, Word, values};
use crate::advice;
use crate::diagnostic::{Code, Diagnostic, Place, Sink};

/// The entries of a map, taken out one by one; what is left at the end is unknown.
pub(crate) struct Fields<'n> {
    what: &'static str,
    place: Place,
    entries: &'n [(Word, Node)],
    used: Vec<bool>,
    known: Vec<&'static str>,
    missing: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// The fields of that node; a node of another shape is reported and gives `None`.
    pub(crate) fn of(node: &'n Node, what: &'static str, sink: &mut Sink) -> Option<Fields<'n>> {
        match &node.data {
            Data::Map(entries) => {
                let used = vec![false; entries.len()];
                Some(Fields {
                    what,
                    place: node.place,
                    entries,
                    used,
                    known: Vec::new(),
                    missing: Vec::new(),
                })
            }
            _ => {
                let message = format!("{what} is a map of keys, and this is {}", node.shape());
                sink.push(
                    Diagnostic::error(Code::WrongType, node.place, message).label("expected `key: value`"),
                );
                None
            }
        }
    }

    /// The value of that key; nothing if it is absent or null.
    pub(crate) fn get(&mut self, key: &'static str) -> Option<&'n Node> {
        self.entry(key).map(|(_, node)| node)
    }

    /// The key and value of that key.
    pub(crate) fn entry(&mut self, key: &'static str) -> Option<(&'n Word, &'n Node)> {
        self.known.push(key);
        let at = self.entries.iter().position(|(word, _)| word.text == key)?;
        self.used[at] = true;
        let (word, node) = &self.entries[at];
        (!node.is_null()).then_some((word, node))
    }

    /// The value of that key, which must be there; its absence is reported at the end.
    pub(crate) fn require(&mut self, key: &'static str) -> Option<&'n Node> {
        let node = self.get(key);
        if node.is_none() {
            self.missing.push(key);
        }
        node
    }

    /// Reports every key that was never asked for, and every key that should have been there.
    ///
    /// A key that is missing because it was misspelt is one fault, not two.
    pub(crate) fn finish(mut self, sink: &mut Sink) {
        for ((word, _), used) in self.entries.iter().zip(&self.used) {
            if *used {
                continue;
            }
            let advice = advice::key(self.what, &word.text);
            let near = sink.nearest(&word.text, self.known.iter().copied());
            let meant =
                |key: &str| advice.map_or(near == Some(key), |advice| advice.contains(&format!("`{key}`")));
            self.missing.retain(|missing| !meant(missing));
            let message = format!("{} has no key `{}`", self.what, values::shortened(&word.text));
            let fault = Diagnostic::error(Code::UnknownKey, word.place, message);
            let fault = fault.label(format!("expected one of {}", self.known.join(", ")));
            sink.push(match (advice, near) {
                (Some(advice), _) => fault.help(advice),
                (None, Some(near)) => fault.help(format!("did you mean `{near}`?")),
                (None, None) => fault,
            });
        }
        for key in &self.missing {
            let message = format!("{} needs `{key}`", self.what);
            let fault = Diagnostic::error(Code::MissingKey, self.head(), message);
            sink.push(fault.label(format!("no `{key}` in here")));
        }
    }

    /// Where the map begins: its first key, which is what a person looks at.
    pub(crate) fn head(&self) -> Place {
        self.entries.first().map_or(self.place, |(word, _)| word.place)
    }
}
