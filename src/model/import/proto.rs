//! The few messages of ONNX that a tree ensemble is told in, by the field numbers of `onnx.proto3`. Fields not named here
//! are passed over by prost, which also bounds nesting and never trusts a length past the bytes.

use prost::Message;

/// A file.
#[derive(Clone, PartialEq, Message)]
pub struct Model {
    /// Who wrote it.
    #[prost(string, tag = "2")]
    pub producer: String,
    /// In which version.
    #[prost(string, tag = "3")]
    pub producer_version: String,
    /// What it computes.
    #[prost(message, optional, tag = "7")]
    pub graph: Option<Graph>,
}

/// Nodes joined by the names of values.
#[derive(Clone, PartialEq, Message)]
pub struct Graph {
    /// The nodes, each after those it needs.
    #[prost(message, repeated, tag = "1")]
    pub nodes: Vec<Node>,
    /// Constants.
    #[prost(message, repeated, tag = "5")]
    pub constants: Vec<Tensor>,
    /// What is given.
    #[prost(message, repeated, tag = "11")]
    pub inputs: Vec<Value>,
    /// What is answered.
    #[prost(message, repeated, tag = "12")]
    pub outputs: Vec<Value>,
}

/// One operation.
#[derive(Clone, PartialEq, Message)]
pub struct Node {
    /// Names of what it reads.
    #[prost(string, repeated, tag = "1")]
    pub inputs: Vec<String>,
    /// Names of what it makes.
    #[prost(string, repeated, tag = "2")]
    pub outputs: Vec<String>,
    /// The operation.
    #[prost(string, tag = "4")]
    pub operation: String,
    /// Its settings.
    #[prost(message, repeated, tag = "5")]
    pub attributes: Vec<Attribute>,
}

/// A setting; which of the values is meant follows from the name.
#[derive(Clone, PartialEq, Message)]
pub struct Attribute {
    /// The name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// A whole number.
    #[prost(int64, tag = "3")]
    pub integer: i64,
    /// Text.
    #[prost(bytes = "vec", tag = "4")]
    pub text: Vec<u8>,
    /// Numbers of another type.
    #[prost(message, optional, tag = "5")]
    pub tensor: Option<Tensor>,
    /// Floats.
    #[prost(float, repeated, tag = "7")]
    pub floats: Vec<f32>,
    /// Whole numbers.
    #[prost(int64, repeated, tag = "8")]
    pub integers: Vec<i64>,
    /// Texts.
    #[prost(bytes = "vec", repeated, tag = "9")]
    pub texts: Vec<Vec<u8>>,
}

/// Numbers of one type, in their own field or as bytes.
#[derive(Clone, PartialEq, Message)]
pub struct Tensor {
    /// The type: 1 `float`, 2 `uint8`, 7 `int64`, 11 `double`.
    #[prost(int32, tag = "2")]
    pub kind: i32,
    /// Of type 1.
    #[prost(float, repeated, tag = "4")]
    pub floats: Vec<f32>,
    /// Of type 2.
    #[prost(int32, repeated, tag = "5")]
    pub bytes: Vec<i32>,
    /// Of type 7.
    #[prost(int64, repeated, tag = "7")]
    pub integers: Vec<i64>,
    /// The name, of a constant.
    #[prost(string, tag = "8")]
    pub name: String,
    /// Of any type, little-endian.
    #[prost(bytes = "vec", tag = "9")]
    pub raw: Vec<u8>,
    /// Of type 11.
    #[prost(double, repeated, tag = "10")]
    pub doubles: Vec<f64>,
}

/// Type of a `float` tensor.
pub const FLOAT: i32 = 1;
/// Type of a `uint8` tensor.
pub const UINT8: i32 = 2;
/// Type of an `int32` tensor.
pub const INT32: i32 = 6;
/// Type of an `int64` tensor.
pub const INT64: i32 = 7;
/// Type of a `double` tensor.
pub const DOUBLE: i32 = 11;

impl Tensor {
    /// How many numbers it has.
    pub fn count(&self) -> usize {
        let width = match self.kind {
            FLOAT => 4,
            INT64 | DOUBLE => 8,
            _ => 1,
        };
        let listed = [self.floats.len(), self.bytes.len(), self.integers.len(), self.doubles.len()];
        self.raw.len() / width + listed.iter().sum::<usize>()
    }

    /// Its numbers as doubles, which hold those of every type that trees use.
    ///
    /// # Errors
    /// If the type is another one.
    pub fn numbers(&self) -> Result<Vec<f64>, String> {
        Ok(match (self.kind, self.raw.is_empty()) {
            (FLOAT, true) => self.floats.iter().copied().map(f64::from).collect(),
            (FLOAT, false) => {
                self.raw.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b).into()).collect()
            }
            (UINT8, true) => self.bytes.iter().copied().map(f64::from).collect(),
            (UINT8, false) => self.raw.iter().copied().map(f64::from).collect(),
            (INT64, true) => self.integers.iter().map(|&number| number as f64).collect(),
            (INT64, false) => {
                self.raw.as_chunks::<8>().0.iter().map(|&b| i64::from_le_bytes(b) as f64).collect()
            }
            (DOUBLE, true) => self.doubles.clone(),
            (DOUBLE, false) => self.raw.as_chunks::<8>().0.iter().map(|&b| f64::from_le_bytes(b)).collect(),
            (other, _) => return Err(format!("numbers of type {other}")),
        })
    }
}

/// A named value that is given or answered.
#[derive(Clone, PartialEq, Message)]
pub struct Value {
    /// The name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The type.
    #[prost(message, optional, tag = "2")]
    pub kind: Option<Kind>,
}

/// A type.
#[derive(Clone, PartialEq, Message)]
pub struct Kind {
    /// Of a tensor.
    #[prost(message, optional, tag = "1")]
    pub tensor: Option<TensorKind>,
}

/// The type of a tensor.
#[derive(Clone, PartialEq, Message)]
pub struct TensorKind {
    /// Type of its numbers, as in [`Tensor::kind`].
    #[prost(int32, tag = "1")]
    pub numbers: i32,
    /// Its extents.
    #[prost(message, optional, tag = "2")]
    pub shape: Option<Shape>,
}

/// Extents of a tensor.
#[derive(Clone, PartialEq, Message)]
pub struct Shape {
    /// One for each dimension.
    #[prost(message, repeated, tag = "1")]
    pub extents: Vec<Extent>,
}

/// An extent; 0 when it is not fixed.
#[derive(Clone, PartialEq, Message)]
pub struct Extent {
    /// The number.
    #[prost(int64, tag = "1")]
    pub number: i64,
}
