//! How much memory an ONNX file takes when it is decoded, told before it is: an empty node is two bytes of the file and a
//! hundred in memory, a whole number one byte and eight. What does not grow (floats, raw bytes) is bounded by the file.

use engine::limits::{NODES_MAX, TREES_MAX};

/// Most messages: an isolation forest of the most trees has some ninety a tree, and the largest is 280 bytes.
pub const MESSAGES_MAX: usize = 256 * TREES_MAX;
/// Most texts: each node of a tree has its mode, each message a few names.
pub const TEXTS_MAX: usize = NODES_MAX + 4 * MESSAGES_MAX;
/// Most whole numbers: six of a node, and of a leaf its places and classes.
pub const INTEGERS_MAX: usize = 12 * NODES_MAX;

/// What fields of a message take memory of their own, by number, as [`super::proto`] names them.
type Fields = &'static [(u64, Field)];

enum Field {
    Message(Fields),
    Text,
    Integers,
}

use Field::{Integers, Message, Text};

const SHAPE: Fields = &[(1, Message(&[]))];
const VALUE: Fields = &[(1, Text), (2, Message(&[(1, Message(&[(2, Message(SHAPE))]))]))];
const TENSOR: Fields = &[(5, Integers), (7, Integers), (8, Text), (9, Text)];
const ATTRIBUTE: Fields = &[(1, Text), (4, Text), (5, Message(TENSOR)), (8, Integers), (9, Text)];
const NODE: Fields = &[(1, Text), (2, Text), (4, Text), (5, Message(ATTRIBUTE))];
const GRAPH: Fields = &[(1, Message(NODE)), (5, Message(TENSOR)), (11, Message(VALUE)), (12, Message(VALUE))];
const MODEL: Fields = &[(2, Text), (3, Text), (7, Message(GRAPH))];

/// What a file holds.
#[derive(Debug, Default, PartialEq)]
pub struct Counts {
    pub messages: usize,
    pub texts: usize,
    pub integers: usize,
}

/// Counts what is in a file.
///
/// # Errors
/// If there is more of something than any forest needs, or the bytes are no whole messages.
pub fn count(bytes: &[u8]) -> Result<Counts, String> {
    let mut counts = Counts::default();
    walk(bytes, MODEL, &mut counts)?;
    Ok(counts)
}

/// Goes through the fields of a message. Its own depth is that of the tables above.
fn walk(mut bytes: &[u8], fields: Fields, counts: &mut Counts) -> Result<(), String> {
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let field = fields.iter().find(|(number, _)| *number == key >> 3).map(|(_, field)| field);
        match (key & 7, field) {
            (0, _) => {
                varint(&mut bytes)?;
                counts.integers += usize::from(matches!(field, Some(Integers)));
            }
            (1, _) => _ = take(&mut bytes, 8)?,
            (5, _) => _ = take(&mut bytes, 4)?,
            (2, _) => {
                let length = varint(&mut bytes)?;
                let inside = take(&mut bytes, length)?;
                match field {
                    Some(Message(fields)) => {
                        counts.messages += 1;
                        walk(inside, fields, counts)?;
                    }
                    Some(Text) => counts.texts += 1,
                    // A number ends with the byte whose highest bit is not set.
                    Some(Integers) => counts.integers += inside.iter().filter(|byte| **byte < 0x80).count(),
                    None => {}
                }
            }
            (other, _) => return Err(format!("a field of kind {other}, which no ONNX file has")),
        }
        for (what, found, max) in [
            ("messages", counts.messages, MESSAGES_MAX),
            ("texts", counts.texts, TEXTS_MAX),
            ("whole numbers", counts.integers, INTEGERS_MAX),
        ] {
            if found > max {
                return Err(format!("more than {max} {what}"));
            }
        }
    }
    Ok(())
}

fn take<'b>(bytes: &mut &'b [u8], length: u64) -> Result<&'b [u8], String> {
    let parts = usize::try_from(length).ok().and_then(|length| bytes.split_at_checked(length));
    let (taken, rest) = parts.ok_or("it ends where more was expected: it is cut off")?;
    *bytes = rest;
    Ok(taken)
}

/// A number in seven bits a byte, the lowest first.
fn varint(bytes: &mut &[u8]) -> Result<u64, String> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let [byte] = *take(bytes, 1)? else { break };
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err("a number of more than 64 bits".to_owned())
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::super::proto::{self, Attribute, Extent, Graph, Kind, Shape, Tensor, TensorKind, Value};
    use super::*;

    #[test]
    fn every_field_that_takes_memory_is_counted() {
        let text = || "x".to_owned();
        let tensor = Tensor {
            kind: 7,
            floats: vec![1.0],
            bytes: vec![1, 300],
            integers: vec![-1, 5, 1 << 40],
            name: text(),
            raw: vec![1],
            doubles: vec![1.0],
        };
        let attribute = Attribute {
            name: text(),
            integer: 1,
            text: vec![1],
            tensor: Some(tensor.clone()),
            floats: vec![1.0],
            integers: vec![1, 2],
            texts: vec![vec![1], vec![]],
        };
        let node = proto::Node {
            inputs: vec![text(), text()],
            outputs: vec![text()],
            operation: text(),
            attributes: vec![attribute],
        };
        let shape = Shape { extents: vec![Extent { number: 2 }] };
        let kind = Kind { tensor: Some(TensorKind { numbers: 1, shape: Some(shape) }) };
        let value = Value { name: text(), kind: Some(kind) };
        let graph = Graph {
            nodes: vec![node],
            constants: vec![tensor],
            inputs: vec![value.clone()],
            outputs: vec![value],
        };
        let model = proto::Model { producer: text(), producer_version: text(), graph: Some(graph) };
        // The graph, its node, attribute and two tensors, and two values of five messages each.
        let expected = Counts { messages: 5 + 2 * 5, texts: 2 + 4 + 4 + 2 * 2 + 2, integers: 2 * 5 + 2 };
        assert_eq!(count(&model.encode_to_vec()), Ok(expected));
    }
}
