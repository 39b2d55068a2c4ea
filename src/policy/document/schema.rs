//! `schema:` — typed extra fields of a site, reachable as `ext.NAME`.

use engine::feature::{Scalar, Type};

use super::feature::READERS;
use crate::diagnostic::{Code, Sink};
use crate::yaml::fields::Fields;
use crate::yaml::{Node, Word, values};

/// A declared extra field.
pub(crate) struct ExtField {
    pub name: Word,
    pub ty: Type,
    pub missing: Scalar,
    /// Whether a model reads it, or a record: it is of use without a rule.
    pub for_model: bool,
}

const TYPES: [(&str, Type); 4] =
    [("bool", Type::Bool), ("int", Type::Int), ("double", Type::Double), ("text", Type::Text)];

pub(crate) fn read(name: &Word, node: &Node, sink: &mut Sink) -> Option<ExtField> {
    let named = super::check_expression_name(name, "an extra field", sink);
    let mut fields = Fields::of(node, "an extra field", sink)?;
    let ty = fields.require("type").and_then(|node| values::choice(node, "a type", &TYPES, sink));
    let default = fields.get("default");
    let for_model = fields.get("for").and_then(|node| values::choice(node, "a reader", &READERS, sink));
    fields.finish(sink);
    let ty = ty?;
    let missing = match default {
        None => Some(match ty {
            Type::Bool => Scalar::Bool(false),
            Type::Double => Scalar::Double(0.0),
            Type::Text => Scalar::NoText,
            Type::Int | Type::Money => Scalar::Int(0),
        }),
        Some(node) => match ty {
            Type::Bool => values::boolean(node, sink).map(Scalar::Bool),
            Type::Double => values::decimal(node, f64::MIN..=f64::MAX, sink).map(Scalar::Double),
            Type::Int | Type::Money => values::integer(node, i64::MIN..=i64::MAX, sink).map(Scalar::Int),
            Type::Text => match values::scalar(node, "\"\"", sink)? {
                "" => Some(Scalar::NoText),
                _ => {
                    sink.error(Code::OutOfRange, node.place, "an absent text is always the empty text");
                    None
                }
            },
        },
    };
    named.then_some(ExtField {
        name: name.clone(),
        ty,
        missing: missing?,
        for_model: for_model.unwrap_or(false),
    })
}
