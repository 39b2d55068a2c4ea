//! An ONNX classifier of two classes, written by hand: one split of an input of one number, at 1.5.

/// What the classes are called.
pub enum Classes<'a> {
    Texts([&'a str; 2]),
    Numbers([i64; 2]),
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 127 {
        bytes.push(number as u8 | 128);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// A field of bytes: its number, its length and the bytes.
fn field(number: u64, bytes: &[u8]) -> Vec<u8> {
    [varint(number << 3 | 2), varint(bytes.len() as u64), bytes.to_vec()].concat()
}

fn number(field: u64, value: i64) -> Vec<u8> {
    [varint(field << 3), varint(value as u64)].concat()
}

/// An attribute of a node: its name and what it holds.
fn attribute(name: &str, value: Vec<u8>) -> Vec<u8> {
    field(5, &[field(1, name.as_bytes()), value].concat())
}

fn integers(name: &str, values: &[i64]) -> Vec<u8> {
    attribute(name, values.iter().flat_map(|value| number(8, *value)).collect())
}

fn floats(name: &str, values: &[f32]) -> Vec<u8> {
    attribute(name, field(7, &values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>()))
}

fn texts(name: &str, values: &[&str]) -> Vec<u8> {
    attribute(name, values.iter().flat_map(|value| field(9, value.as_bytes())).collect())
}

/// The file.
pub fn classifier(classes: &Classes<'_>) -> Vec<u8> {
    let node = [
        field(1, b"x"),
        field(2, b"label"),
        field(2, b"score"),
        field(4, b"TreeEnsembleClassifier"),
        integers("nodes_treeids", &[0, 0, 0]),
        integers("nodes_nodeids", &[0, 1, 2]),
        integers("nodes_featureids", &[0, 0, 0]),
        integers("nodes_truenodeids", &[1, 0, 0]),
        integers("nodes_falsenodeids", &[2, 0, 0]),
        floats("nodes_values", &[1.5, 0.0, 0.0]),
        texts("nodes_modes", &["BRANCH_LEQ", "LEAF", "LEAF"]),
        integers("class_treeids", &[0, 0, 0, 0]),
        integers("class_nodeids", &[1, 1, 2, 2]),
        integers("class_ids", &[0, 1, 0, 1]),
        floats("class_weights", &[0.75, 0.25, 0.0, 1.0]),
        match classes {
            Classes::Texts(words) => texts("classlabels_strings", words),
            Classes::Numbers(numbers) => integers("classlabels_int64s", numbers),
        },
        attribute("post_transform", field(4, b"NONE")),
    ]
    .concat();
    // A tensor of floats, any number of rows of one.
    let shape = [field(1, &number(1, 0)), field(1, &number(1, 1))].concat();
    let kind = field(1, &[number(1, 1), field(2, &shape)].concat());
    let input = [field(1, b"x"), field(2, &kind)].concat();
    let graph = [field(1, &node), field(11, &input)].concat();
    [field(2, b"skl2onnx"), field(3, b"1"), field(7, &graph)].concat()
}
