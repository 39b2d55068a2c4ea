//! `riskctl rules eval`: the value of one expression, or its error with a caret.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use clap::Args;
use policy::eval::{Value, evaluate};
use serde_json::{Map, json};

use crate::outcome::{Ended, Failure, Outcome};
use crate::print;

/// Shown after the help.
pub const EXAMPLES: &str = "Examples:\n  \
    riskctl rules eval 'amount < 5.00 && claims_10m >= 4' --given '{\"amount\": \"2.00\", \"claims_10m\": 4}'\n  \
    riskctl rules eval 'amount_ratio * 2.0' --given '{\"amount_ratio\": 1.5}' --rules rules";

/// What to evaluate.
#[derive(Args, Debug)]
pub struct Options {
    /// The expression, in CEL
    expression: String,
    /// Values of features as a JSON object, of a group together or by their whole names, and `lists`: names of lists the event is
    /// on; others have their missing value
    #[arg(long, value_name = "JSON", default_value = "{}")]
    given: String,
    /// Directory of rule files that brings its features and values
    #[arg(long, value_name = "DIR")]
    rules: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints the value; exit code 1 when the expression is wrong or fails for these values.
pub fn run(options: &Options) -> Outcome {
    let given: Map<String, serde_json::Value> =
        serde_json::from_str(&options.given).map_err(|error| Failure::of("--given", error))?;
    let bundle = options.rules.as_deref().map(super::bundle).transpose()?.map(|(bundle, _)| bundle);
    match evaluate(&options.expression, &given, bundle.as_ref()) {
        Ok(value) => {
            if options.json {
                print::raw(&print::pretty(&json!({ "value": to_json(&value) })));
            } else {
                print::out(&format!("{value}\n"));
            }
            Ok(if value == Value::Fault { Ended::Found } else { Ended::Clean })
        }
        Err(compiled) => {
            if options.json {
                let located =
                    compiled.diagnostics.iter().map(|d| policy::render::locate(&compiled.sources, d));
                let located = serde_json::to_value(located.collect::<Vec<_>>());
                let located = located.map_err(|error| Failure(error.to_string()))?;
                print::raw(&print::pretty(&json!({ "diagnostics": located })));
            } else {
                print::raw(&compiled.render(io::stdout().is_terminal()));
            }
            Ok(Ended::Found)
        }
    }
}

fn to_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Bool(truth) => json!(truth),
        Value::Int(number) => json!(number),
        Value::Money(minor) => json!(wire::money::Major(*minor).to_string()),
        Value::Double(number) => json!(number),
        Value::Text(text) => json!(text),
        Value::Uint(number) => json!(number),
        Value::Null => serde_json::Value::Null,
        Value::List(values) => values.iter().map(to_json).collect(),
        // Keys of JSON are texts; those of other types are written as expressions write them.
        Value::Map(entries) => entries
            .iter()
            .map(|(key, value)| match key {
                Value::Text(key) => (key.clone(), to_json(value)),
                key => (key.to_string(), to_json(value)),
            })
            .collect::<Map<_, _>>()
            .into(),
        Value::Bytes(_) | Value::Timestamp(_) | Value::Duration(_) => json!(value.to_string()),
        Value::Fault => json!({ "fault": value.to_string() }),
    }
}
