//! The mapping file: which column becomes which field of a check, and where time and truth stand.
//!
//! It names check fields as JSON does (`device.id`, `ext.card`), so that what it makes is read by the daemon's own decoder,
//! bounds and all.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::error::ReadError;

/// A mapping file, key by key. Unknown keys are refused.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// Whether rows must be put in time order first; that holds them all in memory.
    #[serde(default)]
    pub sort: bool,
    /// Texts that mean that there is no value, such as `NA`. An empty one always does.
    #[serde(default)]
    pub na: Vec<String>,
    /// Where the event time stands.
    pub time: Time,
    /// Where the truth stands.
    pub label: Option<Label>,
    /// Where the kind of fraud stands, for the report.
    pub scenario: Option<Scenario>,
    /// Check fields by their JSON path.
    pub fields: BTreeMap<String, Field>,
    /// How frauds come back as events.
    pub feedback: Option<Feedback>,
}

/// Where the event time stands, and how it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Time {
    /// The column.
    pub column: String,
    /// Unit of a number: `s`, `ms`, `us` or `ns` since `epoch`.
    pub unit: Option<Unit>,
    /// What the number counts from; the Unix epoch when absent.
    pub epoch: Option<jiff::Timestamp>,
    /// `strftime` form of a text; RFC 3339 when absent.
    pub format: Option<String>,
    /// Offset from UTC of a text that names none, in minutes.
    #[serde(default)]
    pub utc_offset_minutes: i32,
}

/// Unit of a time that is a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Seconds.
    S,
    /// Milliseconds.
    Ms,
    /// Microseconds.
    Us,
    /// Nanoseconds.
    Ns,
}

/// Where the truth stands.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// The column.
    pub column: String,
    /// Values that mean fraud.
    pub fraud: Vec<String>,
}

/// Where the kind of fraud stands.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The column.
    pub column: String,
    /// Names of its values in the report; a value without one is named as it is.
    #[serde(default)]
    pub names: BTreeMap<String, String>,
}

/// Where a check field comes from: a column, or the same value for every row.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// The column.
    pub column: Option<String>,
    /// The constant.
    pub value: Option<toml::Value>,
    /// Put before the column's value.
    #[serde(default)]
    pub prefix: String,
    /// Only so many leading characters.
    pub take: Option<usize>,
    /// The column is money in minor units.
    #[serde(default)]
    pub minor: bool,
    /// JSON type: by default what the check has, or of an `ext` field what the policy's schema declares.
    #[serde(rename = "as")]
    pub json: Option<JsonType>,
}

/// Type of a field in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JsonType {
    /// A string.
    Text,
    /// A number.
    Number,
    /// A truth value.
    Bool,
}

/// How a fraud comes back: as an event with some of its fields, when its label is known.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feedback {
    /// Days from the event to its label, or a length of time such as `1w`.
    #[serde(deserialize_with = "crate::days::of_file")]
    pub delay_days: f64,
    /// Kind of the event; one that the stream does not use otherwise.
    pub kind: String,
    /// Fields it carries over.
    pub fields: Vec<String>,
}

impl Mapping {
    /// Reads a mapping file.
    ///
    /// # Errors
    /// What is wrong, with its line.
    pub fn read(path: &Path) -> Result<Mapping, ReadError> {
        let text = std::fs::read_to_string(path).map_err(|error| ReadError::of(path.display(), error))?;
        Mapping::parse(&text).map_err(|why| ReadError::of(path.display(), why))
    }

    /// Reads a mapping.
    ///
    /// # Errors
    /// As [`Mapping::read`].
    pub fn parse(text: &str) -> Result<Mapping, String> {
        let mapping: Mapping = toml::from_str(text).map_err(|error| error.to_string())?;
        for (name, field) in &mapping.fields {
            if field.column.is_some() == field.value.is_some() {
                return Err(format!("field `{name}` needs either `column` or `value`"));
            }
            if name == "time" {
                return Err("the time is not among the fields: `[time]` says where it stands".to_owned());
            }
            // `device = …` is a device by its id alone.
            let outer = name.split_once('.').map(|(outer, _)| outer);
            if let Some(outer) = outer.filter(|outer| mapping.fields.contains_key(*outer)) {
                return Err(format!(
                    "both `{outer}` and `{name}` are given: write `{outer}.id` for the first"
                ));
            }
        }
        for required in ["id", "kind", "account"] {
            if !mapping.fields.contains_key(required) {
                return Err(format!("field `{required}` is missing: every check has it"));
            }
        }
        if let Some(feedback) = &mapping.feedback {
            if !(feedback.delay_days > 0.0 && feedback.delay_days <= 3650.0) {
                return Err("feedback.delay_days is above 0 and at most 3650".to_owned());
            }
            if let Some(other) = feedback.fields.iter().find(|name| !mapping.fields.contains_key(*name)) {
                return Err(format!("feedback carries `{other}`, which is not among the fields"));
            }
        }
        Ok(mapping)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str, expected: &str) {
        let message = Mapping::parse(text).unwrap_err();
        assert!(message.contains(expected), "found `{message}`, expected `{expected}`");
    }

    const FIELDS: &str =
        "[time]\ncolumn = \"t\"\n[fields]\nid = { column = \"i\" }\nkind = { value = \"pay\" }\n";

    #[test]
    fn a_mapping_without_a_required_field_is_refused() {
        refused(FIELDS, "field `account` is missing");
        refused("[fields]", "missing field `time`");
        refused(&format!("{FIELDS}account = {{}}"), "field `account` needs either `column` or `value`");
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line() {
        refused(&format!("{FIELDS}account = {{ column = \"a\", prefiks = \"x\" }}"), "prefiks");
        refused(&format!("sorted = true\n{FIELDS}"), "line 1");
    }

    #[test]
    fn fields_that_would_overwrite_each_other_are_refused() {
        let fields = format!("{FIELDS}account = {{ column = \"a\" }}\n");
        refused(&format!("{fields}time = {{ column = \"t\" }}"), "`[time]` says where");
        refused(
            &format!("{fields}device = {{ column = \"d\" }}\n\"device.os\" = {{ column = \"o\" }}"),
            "write `device.id`",
        );
    }

    #[test]
    fn feedback_carries_only_fields_that_there_are() {
        let text =
            format!("{FIELDS}account = {{ column = \"a\" }}\n[feedback]\ndelay_days = 7\nkind = \"bind\"\n");
        refused(&format!("{text}fields = [\"ip\"]"), "carries `ip`");
        assert!(Mapping::parse(&format!("{text}fields = [\"account\"]")).is_ok());
    }
}
