//! Builds the tree from parser events, within bounds: depth, nodes, and copies made by aliases.

use std::collections::{HashMap, HashSet};

use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Span, options};

use super::{Data, Node, Style, Word, values};
use crate::advice;
use crate::diagnostic::{Code, Diagnostic, Place, Sink};
use crate::limits::{COPIED_BYTES_MAX, DEPTH_MAX, NODES_MAX};

/// What is left for the trees of a policy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// Values and keys.
    pub nodes: usize,
    /// Bytes of the texts that anchors and aliases copy.
    pub copied: usize,
}

impl Default for Room {
    fn default() -> Room {
        Room { nodes: NODES_MAX, copied: COPIED_BYTES_MAX }
    }
}

/// The tree of a file; `None` if it is empty or beyond reading, which is then in the sink.
///
/// `room` is what is left for the whole policy.
pub(crate) fn load(file: u16, text: &str, room: &mut Room, sink: &mut Sink) -> Option<Node> {
    let limits = options! {
        emit_comments: false,
        disallow_directives: true,
        flow_nesting_limit: DEPTH_MAX,
        block_nesting_limit: DEPTH_MAX,
    };
    let mut tree = Tree::new(file, text, room, sink);
    for event in Parser::new_from_str_with_options(text, limits) {
        let step = match event {
            Ok((event, span)) => tree.take(event, span),
            Err(error) => {
                let at = error.marker().byte_offset().unwrap_or(0).min(text.len()) as u32;
                let place = Place { file, start: at, end: at };
                let why = error.kind().to_string();
                let fault = Diagnostic::error(Code::Yaml, place, format!("not YAML: {why}"));
                Err(match advice::yaml(&why, text, at as usize) {
                    Some(advice) => fault.help(advice),
                    None => fault,
                })
            }
        };
        if let Err(fault) = step {
            tree.sink.push(fault);
            return None;
        }
    }
    tree.root
}

/// A collection whose end has not come yet.
struct Open {
    place: Place,
    anchor: usize,
    inside: Inside,
}

enum Inside {
    List(Vec<Node>),
    Map { entries: Vec<(Word, Node)>, seen: HashSet<String>, key: Option<Word> },
}

struct Tree<'a> {
    file: u16,
    text: &'a str,
    room: &'a mut Room,
    sink: &'a mut Sink,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    root: Option<Node>,
    documents: usize,
}

type Step = Result<(), Diagnostic>;

impl<'a> Tree<'a> {
    fn new(file: u16, text: &'a str, room: &'a mut Room, sink: &'a mut Sink) -> Tree<'a> {
        Tree { file, text, room, sink, open: Vec::new(), anchors: HashMap::new(), root: None, documents: 0 }
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Step {
        let place = self.place(span);
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(Diagnostic::error(Code::Yaml, place, "a file holds one document")
                        .label("a second one starts here"));
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.no_tag(tag.is_some(), place)?;
                let style = match style {
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Style::Quoted,
                    ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
                };
                let node = Node { place, data: Data::Scalar(text.into_owned(), style) };
                self.finish(node, anchor)?;
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.no_tag(tag.is_some(), place)?;
                self.start(Open { place, anchor, inside: Inside::List(Vec::new()) })?;
            }
            Event::MappingStart(_, anchor, tag) => {
                self.no_tag(tag.is_some(), place)?;
                let inside = Inside::Map { entries: Vec::new(), seen: HashSet::new(), key: None };
                self.start(Open { place, anchor, inside })?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(place)?,
            Event::Alias(anchor) => {
                let Some(size) = self.anchors.get(&anchor).map(Size::of) else {
                    return Err(Diagnostic::error(
                        Code::Yaml,
                        place,
                        "an alias stands inside what it repeats",
                    ));
                };
                self.copy(size, place)?;
                let mut node = self.anchors[&anchor].clone();
                // Faults inside a copy are shown where the copy is asked for only if the copy is a scalar.
                if matches!(node.data, Data::Scalar(..)) {
                    node.place = place;
                }
                self.finish(node, 0)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn no_tag(&self, tagged: bool, place: Place) -> Step {
        if tagged {
            let fault = Diagnostic::error(Code::Yaml, place, "tags such as `!name` have no meaning here");
            return Err(
                fault.help("an expression that begins with `!` stands in quotes: when: '!device.rooted'")
            );
        }
        Ok(())
    }

    /// Counts what is about to be copied.
    fn copy(&mut self, size: Size, place: Place) -> Step {
        self.spend(size.nodes, place)?;
        match self.room.copied.checked_sub(size.bytes) {
            Some(left) => {
                self.room.copied = left;
                Ok(())
            }
            None => {
                self.room.copied = 0;
                let bound = COPIED_BYTES_MAX >> 20;
                let message = format!("anchors and aliases of the policy copy more than {bound} MiB");
                Err(Diagnostic::error(Code::Bound, place, message))
            }
        }
    }

    /// Counts nodes against the policy's bound.
    fn spend(&mut self, nodes: usize, place: Place) -> Step {
        match self.room.nodes.checked_sub(nodes) {
            Some(left) => {
                self.room.nodes = left;
                Ok(())
            }
            None => {
                self.room.nodes = 0;
                let message = format!("the policy has more than {NODES_MAX} values, aliases expanded");
                Err(Diagnostic::error(Code::Bound, place, message))
            }
        }
    }

    fn start(&mut self, open: Open) -> Step {
        if self.open.len() >= DEPTH_MAX {
            let message = format!("nested deeper than {DEPTH_MAX} levels");
            return Err(Diagnostic::error(Code::Bound, open.place, message));
        }
        if let Some(Open { inside: Inside::Map { key: None, .. }, .. }) = self.open.last() {
            return Err(Diagnostic::error(Code::Yaml, open.place, "a key is a single word"));
        }
        self.open.push(open);
        Ok(())
    }

    fn end(&mut self, end: Place) -> Step {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let place = Place { end: end.end.max(open.place.end), ..open.place };
        let data = match open.inside {
            Inside::List(nodes) => Data::List(nodes),
            Inside::Map { entries, .. } => Data::Map(entries),
        };
        self.finish(Node { place: self.trimmed(place), data }, open.anchor)
    }

    /// A finished node goes into the collection around it, as a key or as a value.
    fn finish(&mut self, node: Node, anchor: usize) -> Step {
        self.spend(1, node.place)?;
        if anchor != 0 {
            self.copy(Size::of(&node), node.place)?;
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut open.inside {
            Inside::List(nodes) => nodes.push(node),
            Inside::Map { entries, seen, key } => match key.take() {
                None => {
                    let Data::Scalar(text, _) = node.data else {
                        return Err(Diagnostic::error(Code::Yaml, node.place, "a key is a single word"));
                    };
                    *key = Some(Word { text, place: node.place });
                }
                Some(key) if seen.contains(&key.text) => {
                    let message = format!("`{}` stands twice in one map", values::shortened(&key.text));
                    self.sink.error(Code::Duplicate, key.place, message);
                }
                Some(key) => {
                    seen.insert(key.text.clone());
                    entries.push((key, node));
                }
            },
        }
        Ok(())
    }

    fn place(&self, span: Span) -> Place {
        let range = span.byte_range().unwrap_or(0..0);
        let place = Place { file: self.file, start: range.start as u32, end: range.end as u32 };
        self.trimmed(place)
    }

    /// The place without the white space behind it, which block collections and scalars take in.
    fn trimmed(&self, place: Place) -> Place {
        let start = self.text.floor_char_boundary(place.start as usize);
        let end = self.text.ceil_char_boundary(place.end as usize).max(start);
        Place { start: start as u32, end: (start + self.text[start..end].trim_end().len()) as u32, ..place }
    }
}

/// What a copy of a tree takes.
#[derive(Clone, Copy)]
struct Size {
    nodes: usize,
    bytes: usize,
}

impl Size {
    /// Of that tree. Its depth is bounded, so the recursion is.
    fn of(node: &Node) -> Size {
        let mut size = Size { nodes: 1, bytes: 0 };
        match &node.data {
            Data::Scalar(text, _) => size.bytes += text.len(),
            Data::List(nodes) => nodes.iter().for_each(|node| size.add(Size::of(node))),
            Data::Map(entries) => entries.iter().for_each(|(key, value)| {
                size.add(Size { nodes: 1, bytes: key.text.len() });
                size.add(Size::of(value));
            }),
        }
        size
    }

    fn add(&mut self, other: Size) {
        self.nodes += other.nodes;
        self.bytes += other.bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        let mut sink = Sink::default();
        let mut room = Room { nodes: 10_000, copied: 10_000 };
        load(0, text, &mut room, &mut sink);
        sink.finish().into_iter().map(|d| d.message).collect()
    }

    #[test]
    fn amounts_keep_their_digits() {
        let mut sink = Sink::default();
        let tree = load(0, "max: 5000.00", &mut Room::default(), &mut sink).unwrap();
        let Data::Map(entries) = tree.data else { panic!() };
        assert_eq!(entries[0].1.data, Data::Scalar("5000.00".into(), Style::Plain));
        assert_eq!(entries[0].1.place, Place { file: 0, start: 5, end: 12 });
    }

    #[test]
    fn a_bomb_of_aliases_is_refused() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
        for i in 1..12 {
            let inner = vec![format!("*a{}", i - 1); 9].join(", ");
            text += &format!("a{i}: &a{i} [{inner}]\n");
        }
        assert!(faults(&text)[0].contains("aliases expanded"), "{:?}", faults(&text));
    }

    #[test]
    fn one_long_text_is_not_copied_without_end() {
        let text = format!("a: &a {}\nb: [{}]\n", "x".repeat(1_000), "*a, ".repeat(100));
        assert!(faults(&text)[0].contains("anchors and aliases of the policy copy"), "{:?}", faults(&text));
    }

    #[test]
    fn anchors_around_anchors_are_copies_too() {
        let nested: String = (0..12).map(|i| format!("&a{i} [")).collect();
        let text = format!("{nested}{}{}", "x, ".repeat(1_000), "]".repeat(12));
        assert!(faults(&text)[0].contains("aliases expanded"), "{:?}", faults(&text));
    }

    #[test]
    fn nesting_ten_thousand_deep_is_refused_at_the_bound() {
        let deep = "[".repeat(10_000);
        assert_eq!(faults(&deep).len(), 1);
        let block: String = (0..10_000).map(|i| format!("{}a:\n", " ".repeat(i))).take(200).collect();
        assert_eq!(faults(&block).len(), 1);
    }

    #[test]
    fn keys_twice_documents_twice_tags_and_endless_aliases_are_refused() {
        assert_eq!(faults("a: 1\na: 2"), ["`a` stands twice in one map"]);
        assert_eq!(faults("a: 1\n---\nb: 2"), ["a file holds one document"]);
        assert_eq!(faults("a: !x 1"), ["tags such as `!name` have no meaning here"]);
        assert_eq!(faults("a: &a [*a]"), ["an alias stands inside what it repeats"]);
    }
}
