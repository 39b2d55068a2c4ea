//! The value of one expression for stated features: what an analyst asks before writing a rule.

mod machine;

use engine::feature::{Feature, FeatureId, FeatureTable, Scalar, Type};
use engine::program::{Program, TextSource, Truth};
use wire::limits::TIME_MS_MAX;

pub use machine::{Fault, Lane, Machine, Registers};

use crate::budget::Budget;
use crate::cel;
use crate::cel::text::Text;
use crate::diagnostic::{Code, Diagnostic, Place, Sink};
use crate::lower::value::{List, Text as TextValue, Unit, Value as Lowered};
use crate::lower::{Lowering, Moment, TIME_US_MIN, shown_span, shown_time};
use crate::source::{Source, Sources};
use crate::symbols::Symbols;
use crate::yaml::{Data, Node, Style};
use crate::{Bundle, Compiled};

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// An unsigned number.
    Uint(u64),
    /// Money in minor units.
    Money(i64),
    /// A float.
    Double(f64),
    /// A text.
    Text(String),
    /// A byte string.
    Bytes(Vec<u8>),
    /// A moment, in microseconds since 1970.
    Timestamp(i64),
    /// A length of time, in microseconds.
    Duration(i64),
    /// Nothing.
    Null,
    /// A list.
    List(Vec<Value>),
    /// A map.
    Map(Vec<(Value, Value)>),
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
            Value::Uint(n) => write!(f, "{n}u"),
            Value::Text(text) => write!(f, "{text:?}"),
            Value::Bytes(bytes) => write!(f, "b\"{}\"", bytes.escape_ascii()),
            Value::Timestamp(us) => f.write_str(&shown_time(*us)),
            Value::Duration(us) => f.write_str(&shown_span(*us)),
            Value::Null => f.write_str("null"),
            Value::List(values) => {
                let values: Vec<String> = values.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", values.join(", "))
            }
            Value::Map(entries) => {
                let entries: Vec<String> =
                    entries.iter().map(|(key, value)| format!("{key}: {value}")).collect();
                write!(f, "{{{}}}", entries.join(", "))
            }
            Value::Fault => f.write_str(
                "error: overflow, division by zero, a conversion out of range or a key that is not there",
            ),
        }
    }
}

/// The value of an expression, or everything that is wrong with it.
///
/// `given` is a JSON object of feature names and values, and of `lists`: the names of lists that the event is on. Fields of a
/// group may stand together, as in an event: `{"device": {"os": "x"}}`. A name that no event has becomes a feature of the JSON
/// value's own type, so that velocity features can be tried before they are declared; `bundle`, where given, brings the
/// features and values of compiled rule files.
///
/// # Errors
/// The diagnostics, with the sources they point into.
pub fn evaluate(
    expression: &str,
    given: &serde_json::Map<String, serde_json::Value>,
    bundle: Option<&Bundle>,
) -> Result<Value, Box<Compiled>> {
    let source = Source { name: "expression".to_owned(), text: expression.to_owned(), refused: false };
    let sources = Sources { files: vec![source] };
    crate::on_deep_stack(|| {
        let mut sink = Sink::default();
        let value = run(expression, &whole_names(given), bundle, &mut sink);
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
    bundle: Option<&Bundle>,
    sink: &mut Sink,
) -> Option<Value> {
    let mut symbols = Symbols { velocity_from: usize::MAX, ..Symbols::default() };
    if let Some(Bundle { policy, .. }) = bundle {
        symbols.features = policy.features.clone();
        symbols.ext = policy.ext.clone();
        // What stands behind the first list of a name is the same list, looked up by another field.
        for list in &policy.lists {
            let number = symbols.lists.len() as u16;
            match symbols.list_numbers.get(&list.name) {
                Some(&first) => symbols.look_ups.borrow_mut().push((first, list.on)),
                None => {
                    symbols.list_numbers.insert(list.name.clone(), number);
                    symbols.lists.push(list.clone());
                }
            }
        }
    }
    let lane = lane(given, &mut symbols, sink)?;
    let node = Node {
        place: Place { file: 0, start: 0, end: expression.len() as u32 },
        data: Data::Scalar(expression.to_owned(), Style::Plain),
    };
    let text = Text::of(&node, expression)?;
    let tree = cel::parse(&text, sink)?;
    let mut values = bundle.map(|bundle| bundle.constants.of(&lane.texts).clone()).unwrap_or_default();
    values.retain(|(name, _)| !given.contains_key(name));
    let budget = Budget::default();
    let mut lowering = Lowering::new(&symbols, &budget, Moment::Alone);
    lowering.bind(&values);
    let (value, _) = lowering.value(&tree, &text, sink)?;
    let Ok(program) = lowering.whole() else {
        sink.error(Code::Bound, node.place, "the expression takes more instructions than a policy may have");
        return None;
    };
    let machine = Machine::new(&symbols.features, &lane);
    let registers = machine.run(&program);
    let found = Found { program: &program, lane: &lane, machine: &machine, registers: &registers };
    Some(found.value(value).unwrap_or(Value::Fault))
}

/// The given values, those of a group by their whole names.
fn whole_names(
    given: &serde_json::Map<String, serde_json::Value>,
) -> serde_json::Map<String, serde_json::Value> {
    let mut whole = serde_json::Map::new();
    for (name, value) in given {
        match value {
            serde_json::Value::Object(group) => {
                whole.extend(group.iter().map(|(field, value)| (format!("{name}.{field}"), value.clone())));
            }
            value => {
                whole.insert(name.clone(), value.clone());
            }
        }
    }
    whole
}

/// What a run left behind.
struct Found<'f> {
    program: &'f Program,
    lane: &'f Lane,
    machine: &'f Machine<'f>,
    registers: &'f Registers,
}

impl Found<'_> {
    fn truth(&self, truth: Truth) -> Result<bool, Fault> {
        self.registers.truths.get(usize::from(truth.0)).copied().unwrap_or(Err(Fault))
    }

    fn value(&self, value: Lowered) -> Result<Value, Fault> {
        Ok(match value {
            Lowered::Truth(truth) => Value::Bool(self.truth(truth)?),
            Lowered::Number(number) => {
                let bits = self.machine.number(self.registers, number.source)?;
                match number.unit {
                    Unit::Int => Value::Int(bits as i64),
                    Unit::Uint => Value::Uint(bits),
                    Unit::Money(places) => money(bits as i64, places),
                    Unit::Double => Value::Double(f64::from_bits(bits)),
                    Unit::Time => Value::Timestamp(bits as i64),
                    Unit::Span => Value::Duration(bits as i64),
                }
            }
            Lowered::Text(text) => Value::Text(String::from_utf8_lossy(&self.bytes(text)?).into_owned()),
            Lowered::Bytes(bytes) => Value::Bytes(self.bytes(bytes)?),
            Lowered::Null => Value::Null,
            Lowered::List(list) => {
                Value::List(self.items(list)?.into_iter().map(|(_, value)| value).collect())
            }
            Lowered::Map(map) => {
                let keys = self.items(map.keys)?;
                let entry = |(at, key): (usize, Value)| Ok((key, self.value(map.values[at].clone())?));
                Value::Map(keys.into_iter().map(entry).collect::<Result<_, Fault>>()?)
            }
        })
    }

    /// The items that are there, with their places in the list.
    fn items(&self, list: List) -> Result<Vec<(usize, Value)>, Fault> {
        self.truth(list.sound)?;
        let mut items = Vec::new();
        for (at, item) in list.items.into_iter().enumerate() {
            if self.truth(item.given)? {
                items.push((at, self.value(item.value)?));
            }
        }
        Ok(items)
    }

    fn bytes(&self, text: TextValue) -> Result<Vec<u8>, Fault> {
        match text {
            TextValue::Constant(bytes) => Ok(bytes),
            TextValue::Feature(id) => Ok(self.lane.texts.get(&id).cloned().unwrap_or_default().into_bytes()),
            TextValue::Register(words) => {
                let source = TextSource::Register(words);
                self.machine.text(self.program, self.registers, source).map(<[u8]>::to_vec)
            }
        }
    }
}

/// Money as far as hundredths say it, else as a number.
fn money(digits: i64, places: u8) -> Value {
    let power = 10_i64.pow(u32::from(places.saturating_sub(2)));
    match digits % power {
        0 => Value::Money(digits / power),
        _ => Value::Double(digits as f64 / 10_f64.powi(i32::from(places))),
    }
}

/// The given values, with names that no event has declared on the way.
fn lane(
    given: &serde_json::Map<String, serde_json::Value>,
    symbols: &mut Symbols,
    sink: &mut Sink,
) -> Option<Lane> {
    let time_ms = jiff::Timestamp::now().as_millisecond();
    let mut lane = Lane { time_ms, ..Lane::default() };
    for (name, value) in given {
        if name == "time" {
            let ms = value
                .as_i64()
                .or_else(|| wire::instant::parse(value.as_str()?).ok().map(wire::instant::Instant::ms));
            match ms {
                Some(ms) if (TIME_US_MIN / 1_000..=TIME_MS_MAX).contains(&ms) => lane.time_ms = ms,
                _ => {
                    let message = "`time` is given as 2026-03-01T08:00:00Z, or in milliseconds since 1970, up to the year 9999";
                    sink.push(Diagnostic::error(Code::WrongType, Place::default(), message));
                }
            }
            continue;
        }
        if name == "lists" {
            let names = value.as_array().map(Vec::as_slice).unwrap_or_default();
            for list in names.iter().filter_map(serde_json::Value::as_str) {
                if let Some(number) = symbols.stated_list(list) {
                    lane.lists.push(number);
                    continue;
                }
                let next = (symbols.list_numbers.len() + symbols.look_ups.borrow().len()) as u16;
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
            crate::yaml::values::money_units(&text, features.money_places()).ok().map(Scalar::Money)
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
        assert_eq!(value("[1, 2].map(x, x * 2)", "{}"), Ok("[2, 4]".into()));
        assert_eq!(value("lists", r#"{"lists": ["vip", "bad"]}"#), Ok("[\"vip\", \"bad\"]".into()));
        assert_eq!(value("{\"a\": 2u}", "{}"), Ok("{\"a\": 2u}".into()));
        assert_eq!(value("time + duration(\"1h\")", r#"{"time": 0}"#), Ok("1970-01-01T01:00:00Z".into()));
        let now = |time: &str| value("time.getFullYear()", &format!(r#"{{"time": {time}}}"#));
        assert_eq!((now("253370764800000"), now("-62135596800000")), (Ok("9999".into()), Ok("1".into())));
        assert_eq!(now("253402300799999"), Ok("9999".into()), "the last millisecond of the calendar");
        for beyond in ["253402300800000", "-62135596800001", "9223372036854775807", "-9223372036854775808"] {
            assert!(now(beyond).unwrap_err().contains("year 9999"), "{beyond}");
        }
        assert_eq!(value("duration(\"1h\") / 2", "{}"), Err("`/` does not take duration and int".into()));
        assert_eq!(value("1 / 0 == 1 || true", "{}"), Ok("true".into()));
        assert_eq!(value("[1][1]", "{}"), Ok(Value::Fault.to_string()));
        assert_eq!(value("null", "{}"), Ok("null".into()));
        let device = r#"{"device": {"id": "d", "rooted": true}, "ext": {"tier": 3}}"#;
        assert_eq!(value("device.rooted && device.id == \"d\" && ext.tier == 3", device), Ok("true".into()));
        assert_eq!(
            value("1", r#"{"device": {"rooted": {}}}"#),
            Err("`device.rooted` cannot be given as {}".into())
        );
        assert_eq!(value("acount", "{}"), Err("nothing is named `acount`".into()));
        assert_eq!(value("amount", r#"{"amount": true}"#), Err("`amount` cannot be given as true".into()));
    }
    #[test]
    fn values_of_the_policy_have_their_names_and_a_given_tenant_has_its_own() {
        let text = "
schema: { brand: { type: text } }
settings: { tenant: ext.brand }
values: { cap: 200.00, word: \"cash\" }
tenants: { corporate: { values: { cap: 2000 } } }
rules:
  - { id: over, tier: deny, when: amount > cap && text.contains(word), reason: { code: R1, text: t } }
";
        let compiled = crate::compile_sources(&[("t.yaml", text)]);
        let value = |given: &str| {
            let given = serde_json::from_str(given).unwrap();
            evaluate("amount > cap", &given, compiled.bundle.as_ref()).unwrap().to_string()
        };
        assert_eq!(value(r#"{"amount": 300}"#), "true");
        assert_eq!(value(r#"{"amount": 300, "ext": {"brand": "corporate"}}"#), "false");
        assert_eq!(value(r#"{"amount": 300, "ext.brand": "another"}"#), "true");
        assert_eq!(value(r#"{"amount": 300, "cap": 400}"#), "false");
    }
}
