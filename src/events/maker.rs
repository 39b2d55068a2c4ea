//! Checks out of rows: what the mapping names, as the JSON that a caller would send.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use wire::currency;
use wire::money::Minor;

use crate::cell::Cell;
use crate::clock;
use crate::error::ReadError;
use crate::mapping::{Field, JsonType, Mapping};
use crate::table::Table;

/// Check fields that are numbers in JSON.
const NUMBERS: &[&str] =
    &["kyc", "factors", "geo.lat", "geo.lon", "biometric.face", "biometric.voice", "budget_us"];
/// Check fields that are truth values in JSON.
const FLAGS: &[&str] = &["device.emulator", "device.rooted"];

/// What is known of a row beside the check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truth {
    /// Whether it is fraud.
    pub fraud: bool,
    /// Kind of fraud as the report names it; empty where none is given.
    pub scenario: String,
}

/// A check out of a row.
pub struct Made {
    /// Event time, Unix milliseconds.
    pub time_ms: i64,
    /// The check.
    pub body: Vec<u8>,
    /// What is known beside it.
    pub truth: Truth,
    /// What stands where the label should; nothing without a label.
    pub label: Option<Cell>,
    /// Which of the mapping's words for fraud the label is.
    pub fraud_word: Option<usize>,
}

/// Makes checks of rows.
pub struct Maker {
    mapping: Mapping,
    /// Columns that are read, in the order of a row's cells.
    columns: Vec<String>,
    time: usize,
    label: Option<usize>,
    scenario: Option<usize>,
    fields: Vec<(String, Field, JsonType, Option<usize>)>,
}

impl Maker {
    /// A maker of rows of that table. `ext` says of what type the policy declares its own fields.
    ///
    /// # Errors
    /// If the table has not the columns that the mapping names, or the policy not the field.
    pub fn new(
        mapping: &Mapping,
        table: &Table,
        ext: &BTreeMap<String, JsonType>,
    ) -> Result<Maker, ReadError> {
        let mut columns: Vec<String> = Vec::new();
        let mut place = |name: &String| -> Result<usize, ReadError> {
            table.column(name)?;
            Ok(columns.iter().position(|column| column == name).unwrap_or_else(|| {
                columns.push(name.clone());
                columns.len() - 1
            }))
        };
        let time = place(&mapping.time.column)?;
        let label = mapping.label.as_ref().map(|label| place(&label.column)).transpose()?;
        let scenario = mapping.scenario.as_ref().map(|scenario| place(&scenario.column)).transpose()?;
        let mut fields = Vec::with_capacity(mapping.fields.len());
        for (name, field) in &mapping.fields {
            let json = json_type(name, field, ext).map_err(ReadError::File)?;
            let column = field.column.as_ref().map(&mut place).transpose()?;
            fields.push((name.clone(), field.clone(), json, column));
        }
        Ok(Maker { mapping: mapping.clone(), columns, time, label, scenario, fields })
    }

    /// Columns that are read, in the order of the cells.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The check of a row.
    ///
    /// # Errors
    /// The field at fault, with what was expected.
    pub fn make(&self, cells: &[Cell]) -> Result<Made, String> {
        let time_ms = clock::time_ms(&self.mapping.time, &cells[self.time])?;
        let mut check = Map::new();
        let decimals = self.decimals(cells);
        for (name, field, json, column) in &self.fields {
            let value = match (column, &field.value) {
                (Some(column), _) => field_value(name, field, *json, &cells[*column], decimals)?,
                (None, Some(constant)) => {
                    serde_json::to_value(constant).map_err(|error| error.to_string())?
                }
                (None, None) => Value::Null,
            };
            if !value.is_null() {
                put(&mut check, name, value);
            }
        }
        check.insert("time".to_owned(), Value::from(time_ms));
        let body = serde_json::to_vec(&check).map_err(|error| error.to_string())?;
        let label = self.label.map(|column| cells[column].clone());
        let words = self.mapping.label.as_ref().map_or(&[][..], |label| &label.fraud);
        let fraud_word = label.as_ref().and_then(|cell| words.iter().position(|word| cell.is(word)));
        let truth = Truth { fraud: fraud_word.is_some(), scenario: self.scenario(cells) };
        Ok(Made { time_ms, body, truth, label, fraud_word })
    }

    /// Decimals of the row's currency. One that is none is refused as every other field is, by whoever reads the check.
    fn decimals(&self, cells: &[Cell]) -> u32 {
        let field = self.fields.iter().find(|(name, ..)| name == "currency");
        let code = field.and_then(|(_, field, _, column)| match (column, &field.value) {
            (Some(column), _) => cells[*column].to_text().map(|text| format!("{}{text}", field.prefix)),
            (None, Some(toml::Value::String(code))) => Some(code.clone()),
            _ => None,
        });
        let code = code.and_then(|code| currency::read(&code).ok()).unwrap_or(currency::DEFAULT);
        currency::decimals(code).unwrap_or(2)
    }

    fn scenario(&self, cells: &[Cell]) -> String {
        let text = self.scenario.and_then(|column| cells[column].to_text());
        match (&self.mapping.scenario, text) {
            (Some(scenario), Some(value)) => scenario.names.get(&value).cloned().unwrap_or(value),
            _ => String::new(),
        }
    }
}

/// What a field is in JSON: as the mapping says, else as the check or the policy has it.
fn json_type(name: &str, field: &Field, ext: &BTreeMap<String, JsonType>) -> Result<JsonType, String> {
    if let Some(own) = name.strip_prefix("ext.") {
        let Some(declared) = ext.get(own) else {
            let known: Vec<String> = ext.keys().map(|name| format!("ext.{name}")).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(format!(
                "field `{name}` of the mapping: the policy's schema declares no such field; it declares {known} (see --rules)"
            ));
        };
        return Ok(field.json.unwrap_or(*declared));
    }
    Ok(field.json.unwrap_or(match name {
        _ if NUMBERS.contains(&name) => JsonType::Number,
        _ if FLAGS.contains(&name) => JsonType::Bool,
        _ => JsonType::Text,
    }))
}

/// A cell as the JSON value of that check field; null where there is none. Minor units are of a currency with so many decimals.
fn field_value(
    name: &str,
    field: &Field,
    json: JsonType,
    cell: &Cell,
    decimals: u32,
) -> Result<Value, String> {
    let Some(mut text) = cell.to_text() else { return Ok(Value::Null) };
    if field.minor {
        let amount = cell.to_int().ok_or_else(|| format!("{name}: {text:?} is not money in minor units"))?;
        return Ok(Value::String(Minor { amount, decimals }.to_string()));
    }
    if let Some(take) = field.take {
        text = text.chars().take(take).collect();
    }
    // A number of JSON may be a zero with a minus, as programs write floats; the text that it becomes may not.
    if name == "amount" && is_negative_zero(&text) {
        text = "0".to_owned();
    }
    match json {
        JsonType::Text => Ok(Value::String(format!("{}{text}", field.prefix))),
        JsonType::Number => match (cell.to_int(), text.parse::<u64>(), cell.to_float()) {
            (Some(whole), ..) => Ok(Value::from(whole)),
            // Whole as it is, so that it is judged as the whole number that a caller would send.
            (None, Ok(huge), _) => Ok(Value::from(huge)),
            (None, Err(_), Some(number)) if number.is_finite() => Ok(Value::from(number)),
            _ => Err(format!("{name}: {text:?} is not a number")),
        },
        JsonType::Bool => match (cell.to_bool(), cell.to_int(), text.to_ascii_lowercase().as_str()) {
            (Some(truth), ..) => Ok(Value::Bool(truth)),
            (_, Some(1), _) | (.., "yes") => Ok(Value::Bool(true)),
            (_, Some(0), _) | (.., "no") => Ok(Value::Bool(false)),
            _ => Err(format!("{name}: {text:?} is neither true nor false")),
        },
    }
}

fn is_negative_zero(text: &str) -> bool {
    text.strip_prefix('-').is_some_and(|rest| {
        rest.contains('0')
            && rest.bytes().all(|byte| matches!(byte, b'0' | b'.'))
            && rest.parse::<f64>().is_ok()
    })
}

/// Puts `device.id` into the object `device`.
pub fn put(check: &mut Map<String, Value>, name: &str, value: Value) {
    match name.split_once('.') {
        Some((outer, inner)) => {
            let object = check.entry(outer).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(object) = object {
                object.insert(inner.to_owned(), value);
            }
        }
        None => {
            check.insert(name.to_owned(), value);
        }
    }
}
