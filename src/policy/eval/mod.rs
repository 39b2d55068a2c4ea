//! The value of one expression for stated features: what an analyst asks before writing a rule.

mod machine;

use engine::feature::{Feature, FeatureId, FeatureTable, Scalar, Type};

pub use machine::{Fault, Lane, Machine, Registers};

use crate::Compiled;
use crate::cel::Front;
use crate::cel::text::Text;
use crate::diagnostic::{Code, Diagnostic, Place, Sink};
use crate::lower::value::{Text as TextValue, Unit, Value as Lowered};
use crate::lower::{Lowering, Moment};
use crate::source::{Source, Sources};
use crate::symbols::Symbols;
use crate::yaml::{Data, Node, Style};

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Money in minor units.
    Money(i64),
    /// A float.
    Double(f64),
    /// A text.
    Text(String),
    /// The expression is sound and fails for these values, as a division by zero does.
    Fault,
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Bool(truth) => truth.fmt(f),
            Value::Int(n) => n.fmt(f),
            Value::Money(minor) => wire::money::Major(*minor).fmt(f),
            Value::Double(x) => write!(f, "{x:?}"),
            Value::Text(text) => write!(f, "{text:?}"),
            Value::Fault => f.write_str("fault: overflow, division by zero or a conversion out of range"),
        }
    }
}

/// The value of an expression, or everything that is wrong with it.
///
/// `given` is a JSON object of feature names and values, and of `lists`: the names of lists that the event is on. A name
/// that no event has becomes a feature of the JSON value's own type, so that velocity features can be tried before they
/// are declared; `policy`, where given, brings the features of compiled rule files.
///
/// # Errors
/// The diagnostics, with the sources they point into.
pub fn evaluate(
    expression: &str,
    given: &serde_json::Map<String, serde_json::Value>,
    policy: Option<&engine::policy::Policy>,
) -> Result<Value, Box<Compiled>> {
    let source = Source { name: "expression".to_owned(), text: expression.to_owned() };
    let sources = Sources { files: vec![source] };
    crate::on_deep_stack(|| {
        let mut sink = Sink::default();
        let value = run(expression, given, policy, &mut sink);
        match value {
            Some(value) if sink.errors() == 0 => Ok(value),
            _ => Err(Box::new(Compiled { bundle: None, diagnostics: sink.finish(), sources })),
        }
    })
    .unwrap_or_else(|message| Err(Box::new(Compiled::failed(&message))))
}

fn run(
    expression: &str,
    given: &serde_json::Map<String, serde_json::Value>,
    policy: Option<&engine::policy::Policy>,
    sink: &mut Sink,
) -> Option<Value> {
    let mut symbols = Symbols { velocity_from: usize::MAX, ..Symbols::default() };
    if let Some(policy) = policy {
        symbols.features = policy.features.clone();
        for (number, list) in policy.lists.iter().enumerate() {
            symbols.list_numbers.insert(list.name.clone(), number as u16);
        }
    }
    let lane = lane(given, &mut symbols, sink)?;
    let node = Node {
        place: Place { file: 0, start: 0, end: expression.len() as u32 },
        data: Data::Scalar(expression.to_owned(), Style::Plain),
    };
    let text = Text::of(&node, expression)?;
    let tree = Front::new(&symbols).check(&text, sink)?;
    let mut lowering =
        Lowering::new(&symbols.features, &symbols.list_numbers, symbols.velocity_from, Moment::Rules);
    let (value, _) = lowering.value(&tree, &text, sink)?;
    let program = lowering.finish().0?;
    let machine = Machine::new(&symbols.features, &lane);
    let registers = machine.run(&program);
    Some(match value {
        Lowered::Truth(truth) => match registers.truths.get(usize::from(truth.0)) {
            Some(Ok(truth)) => Value::Bool(*truth),
            _ => Value::Fault,
        },
        Lowered::Number(number) => match (machine.number(&registers, number.source), number.unit) {
            (Err(Fault), _) => Value::Fault,
            (Ok(bits), Unit::Int) => Value::Int(bits as i64),
            (Ok(bits), Unit::Money) => Value::Money(bits as i64),
            (Ok(bits), Unit::Double) => Value::Double(f64::from_bits(bits)),
        },
        Lowered::Text(TextValue::Constant(text)) => Value::Text(text),
        Lowered::Text(TextValue::Feature(id)) => {
            Value::Text(lane.texts.get(&id).cloned().unwrap_or_default())
        }
    })
}

/// The given values, with names that no event has declared on the way.
fn lane(
    given: &serde_json::Map<String, serde_json::Value>,
    symbols: &mut Symbols,
    sink: &mut Sink,
) -> Option<Lane> {
    let mut lane = Lane::default();
    for (name, value) in given {
        if name == "lists" {
            let names = value.as_array().map(Vec::as_slice).unwrap_or_default();
            for list in names.iter().filter_map(serde_json::Value::as_str) {
                let next = symbols.list_numbers.len() as u16;
                lane.lists.push(*symbols.list_numbers.entry(list.to_owned()).or_insert(next));
            }
            continue;
        }
        let name = if name == "device" { "device.id" } else { name };
        let id = symbols.features.find(name).or_else(|| declare(name, value, &mut symbols.features));
        let stated = id.is_some_and(|id| state(id, value, &symbols.features, &mut lane));
        if !stated {
            let message = format!("`{name}` cannot be given as {value}");
            sink.push(Diagnostic::error(Code::WrongType, Place::default(), message));
        }
    }
    (sink.errors() == 0).then_some(lane)
}

fn declare(name: &str, value: &serde_json::Value, features: &mut FeatureTable) -> Option<FeatureId> {
    use serde_json::Value as Json;
    let (ty, missing) = match value {
        Json::Bool(_) => (Type::Bool, Scalar::Bool(false)),
        Json::Number(n) if n.is_i64() => (Type::Int, Scalar::Int(0)),
        Json::Number(_) => (Type::Double, Scalar::Double(0.0)),
        Json::String(_) => (Type::Text, Scalar::NoText),
        _ => return None,
    };
    features.push(Feature { name: name.to_owned(), ty, missing, doc: "a given value".to_owned() })
}

/// Puts a value into the lane; false where it is not of the feature's type.
fn state(id: FeatureId, value: &serde_json::Value, features: &FeatureTable, lane: &mut Lane) -> bool {
    let scalar = match features.row(id).ty {
        Type::Text => {
            let text = value.as_str().map(str::to_owned);
            lane.texts.extend(text.map(|text| (id, text)));
            return value.is_string();
        }
        Type::Bool => value.as_bool().map(Scalar::Bool),
        Type::Int => value.as_i64().map(Scalar::Int),
        Type::Double => value.as_f64().map(Scalar::Double),
        Type::Money => {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            wire::money::parse_minor(&text).ok().map(Scalar::Money)
        }
    };
    lane.scalars.extend(scalar.map(|scalar| (id, scalar)));
    scalar.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(expression: &str, given: &str) -> Result<String, String> {
        let given = serde_json::from_str(given).unwrap();
        match evaluate(expression, &given, None) {
            Ok(value) => Ok(value.to_string()),
            Err(faults) => Err(faults.diagnostics[0].message.clone()),
        }
    }

    #[test]
    fn an_expression_has_a_value_or_says_why_not() {
        assert_eq!(value("amount * 2", r#"{"amount": "4.44"}"#), Ok("8.88".into()));
        assert_eq!(
            value("seen >= 4 && !(\"vip\" in lists)", r#"{"seen": 4, "lists": ["vip"]}"#),
            Ok("false".into())
        );
        assert_eq!(value("kind == \"claim\"", r#"{"kind": "claim"}"#), Ok("true".into()));
        assert_eq!(value("100 / kyc", "{}"), Ok(Value::Fault.to_string()));
        assert_eq!(value("device.id", r#"{"device": "d"}"#), Ok("\"d\"".into()));
        assert_eq!(value("double(kyc) / 4.0", r#"{"kyc": 3}"#), Ok("0.75".into()));
        assert_eq!(value("acount", "{}"), Err("nothing is named `acount`".into()));
        assert_eq!(value("amount", r#"{"amount": true}"#), Err("`amount` cannot be given as true".into()));
    }
}
