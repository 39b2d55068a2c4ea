//! The stream itself: rows become events in time order, and known frauds come back among them.

use std::collections::VecDeque;

use serde_json::{Map, Value};

use super::clock;
use super::mapping::{Field, JsonType, Mapping};
use super::rows::{Cell, Rows};
use crate::outcome::Failure;

/// Check fields that are numbers in JSON.
const NUMBERS: &[&str] = &["kyc", "factors", "geo.lat", "geo.lon", "biometric.face", "biometric.voice"];
/// Check fields that are truth values in JSON.
const FLAGS: &[&str] = &["device.emulator", "device.rooted"];

/// One event: a check as the daemon would be sent it, and what is known beside it.
#[derive(Clone, Debug)]
pub struct Event {
    /// Event time, Unix milliseconds.
    pub time_ms: i64,
    /// The check as JSON, its time within.
    pub body: Vec<u8>,
    /// The truth; `None` for an event that only brings a label back.
    pub truth: Option<Truth>,
}

/// What is known of a row beside the check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truth {
    /// Whether it is fraud.
    pub fraud: bool,
    /// Kind of fraud as the report names it; empty where none is given.
    pub scenario: String,
}

/// Events in time order.
pub struct Stream {
    rows: Box<dyn Iterator<Item = Result<Event, Failure>>>,
    waiting: Option<Event>,
    feedback: VecDeque<Event>,
    delay_ms: i64,
    make_feedback: Option<FeedbackMaker>,
    last_ms: i64,
}

impl Stream {
    /// The events of a file's rows.
    ///
    /// # Errors
    /// If the file has not the columns the mapping names.
    pub fn new(mapping: &Mapping, rows: Rows) -> Result<Stream, Failure> {
        let maker = Maker::new(mapping, &rows)?;
        let make_feedback = mapping
            .feedback
            .as_ref()
            .map(|feedback| FeedbackMaker { kind: feedback.kind.clone(), fields: feedback.fields.clone() });
        let delay_ms =
            mapping.feedback.as_ref().map_or(0, |feedback| (feedback.delay_days * 86_400_000.0) as i64);
        let mut number = 1_u64;
        let events = rows.map(move |row| {
            number += 1;
            row.and_then(|row| {
                maker.event(&row).map_err(|message| Failure(format!("row {number}: {message}")))
            })
        });
        let rows: Box<dyn Iterator<Item = _>> = if mapping.sort {
            let mut all = events.collect::<Result<Vec<Event>, Failure>>()?;
            all.sort_by_key(|event| event.time_ms);
            Box::new(all.into_iter().map(Ok))
        } else {
            Box::new(events)
        };
        Ok(Stream {
            rows,
            waiting: None,
            feedback: VecDeque::new(),
            delay_ms,
            make_feedback,
            last_ms: i64::MIN,
        })
    }

    /// The next row's event, checked to be in time order; its feedback is put in the queue.
    fn next_row(&mut self) -> Result<Option<Event>, Failure> {
        let Some(event) = self.rows.next().transpose()? else { return Ok(None) };
        if event.time_ms < self.last_ms {
            let (before, after) = (clock::show(self.last_ms), clock::show(event.time_ms));
            return Err(Failure(format!(
                "an event of {after} follows one of {before}: put `sort = true` in the mapping"
            )));
        }
        self.last_ms = event.time_ms;
        if let Some(maker) = &self.make_feedback
            && event.truth.as_ref().is_some_and(|truth| truth.fraud)
        {
            self.feedback.push_back(maker.event(&event, self.delay_ms)?);
        }
        Ok(Some(event))
    }
}

impl Iterator for Stream {
    type Item = Result<Event, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.waiting.is_none() {
            match self.next_row() {
                Ok(row) => self.waiting = row,
                Err(failure) => return Some(Err(failure)),
            }
        }
        // All feedback has one delay, so that the queue is in time order; a label comes before an event of its time.
        let row_ms = self.waiting.as_ref().map(|event| event.time_ms)?;
        if self.feedback.front().is_some_and(|event| event.time_ms <= row_ms) {
            return self.feedback.pop_front().map(Ok);
        }
        self.waiting.take().map(Ok)
    }
}

/// Makes events of rows.
struct Maker {
    mapping: Mapping,
    time: usize,
    label: Option<usize>,
    scenario: Option<usize>,
    fields: Vec<(String, Field, Option<usize>)>,
}

impl Maker {
    fn new(mapping: &Mapping, rows: &Rows) -> Result<Maker, Failure> {
        let column = |name: Option<&String>| name.map(|name| rows.column(name)).transpose();
        let fields = mapping
            .fields
            .iter()
            .map(|(name, field)| Ok((name.clone(), field.clone(), column(field.column.as_ref())?)));
        Ok(Maker {
            mapping: mapping.clone(),
            time: rows.column(&mapping.time.column)?,
            label: column(mapping.label.as_ref().map(|label| &label.column))?,
            scenario: column(mapping.scenario.as_ref().map(|scenario| &scenario.column))?,
            fields: fields.collect::<Result<_, Failure>>()?,
        })
    }

    fn event(&self, row: &[Cell]) -> Result<Event, String> {
        let time_ms = clock::time_ms(&self.mapping.time, &row[self.time])?;
        let mut check = Map::new();
        for (name, field, column) in &self.fields {
            let value = match (column, &field.value) {
                (Some(column), _) => field_value(name, field, &row[*column])?,
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
        Ok(Event { time_ms, body, truth: Some(self.truth(row)) })
    }

    fn truth(&self, row: &[Cell]) -> Truth {
        let text = |column: Option<usize>| column.and_then(|column| row[column].to_text());
        let fraud = match (&self.mapping.label, text(self.label)) {
            (Some(label), Some(value)) => label.fraud.contains(&value),
            _ => false,
        };
        let scenario = match (&self.mapping.scenario, text(self.scenario)) {
            (Some(scenario), Some(value)) => scenario.names.get(&value).cloned().unwrap_or(value),
            _ => String::new(),
        };
        Truth { fraud, scenario }
    }
}

/// A cell as the JSON value of that check field; null where there is none.
fn field_value(name: &str, field: &Field, cell: &Cell) -> Result<Value, String> {
    let Some(mut text) = cell.to_text() else { return Ok(Value::Null) };
    if field.minor {
        let minor = cell.to_int().ok_or_else(|| format!("{name}: {text:?} is not money in minor units"))?;
        return Ok(Value::String(wire::money::Major(minor).to_string()));
    }
    if let Some(take) = field.take {
        text = text.chars().take(take).collect();
    }
    let json = field.json.unwrap_or(match name {
        _ if NUMBERS.contains(&name) => JsonType::Number,
        _ if FLAGS.contains(&name) => JsonType::Bool,
        _ => JsonType::Text,
    });
    match json {
        JsonType::Text => Ok(Value::String(format!("{}{text}", field.prefix))),
        JsonType::Number => match (cell.to_int(), cell.to_float()) {
            (Some(whole), _) => Ok(Value::from(whole)),
            (None, Some(number)) if number.is_finite() => Ok(Value::from(number)),
            _ => Err(format!("{name}: {text:?} is not a number")),
        },
        JsonType::Bool => match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" => Ok(Value::Bool(true)),
            "false" | "0" | "no" => Ok(Value::Bool(false)),
            _ => Err(format!("{name}: {text:?} is neither true nor false")),
        },
    }
}

/// Puts `device.id` into the object `device`.
fn put(check: &mut Map<String, Value>, name: &str, value: Value) {
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

struct FeedbackMaker {
    kind: String,
    fields: Vec<String>,
}

impl FeedbackMaker {
    /// The event that brings a fraud's label back.
    fn event(&self, fraud: &Event, delay_ms: i64) -> Result<Event, Failure> {
        let broken = |error: serde_json::Error| Failure(error.to_string());
        let check: Map<String, Value> = serde_json::from_slice(&fraud.body).map_err(broken)?;
        let mut back = Map::new();
        for name in &self.fields {
            let value = match name.split_once('.') {
                Some((outer, inner)) => check.get(outer).and_then(|object| object.get(inner)),
                None => check.get(name),
            };
            if let Some(value) = value {
                put(&mut back, name, value.clone());
            }
        }
        let id = check.get("id").and_then(Value::as_str).unwrap_or_default();
        let time_ms = fraud.time_ms + delay_ms;
        back.insert("id".to_owned(), Value::String(format!("{id}~")));
        back.insert("kind".to_owned(), Value::String(self.kind.clone()));
        back.insert("time".to_owned(), Value::from(time_ms));
        let body = serde_json::to_vec(&back).map_err(broken)?;
        Ok(Event { time_ms, body, truth: None })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const MAP: &str = r#"
        [time]
        column = "t"
        unit = "s"
        [label]
        column = "bad"
        fraud = ["1"]
        [scenario]
        column = "how"
        names = { "x" = "by x" }
        [fields]
        id = { column = "n", prefix = "e" }
        kind = { value = "pay" }
        account = { column = "who" }
        amount = { column = "cents", minor = true }
        "device.id" = { column = "who", take = 2, prefix = "d" }
        kyc = { value = 2 }
    "#;

    fn events(map: &str, csv: &str) -> Result<Vec<Event>, Failure> {
        let mut file = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
        file.write_all(csv.as_bytes()).unwrap();
        Stream::new(&Mapping::parse(map)?, Rows::open(file.path())?)?.collect()
    }

    #[test]
    fn a_row_becomes_a_check_the_daemon_can_read() {
        let events = events(MAP, "n,t,who,cents,bad,how\n7,12,alice,888,1,x\n").unwrap();
        let check = wire::json::decode_check(&events[0].body).unwrap();
        assert_eq!(
            (check.id.as_ref(), check.account.as_ref(), check.device.id.as_ref()),
            ("e7", "alice", "dal")
        );
        assert_eq!((check.time_ms, check.amount_minor, check.kyc), (Some(12_000), Some(888), Some(2)));
        assert_eq!(events[0].truth, Some(Truth { fraud: true, scenario: "by x".to_owned() }));
    }

    #[test]
    fn a_fault_names_its_row() {
        let Failure(message) = events(MAP, "n,t,who,cents,bad,how\n7,12,a,1,0,\n8,13,a,x,0,\n").unwrap_err();
        assert_eq!(message, "row 3: amount: \"x\" is not money in minor units");
        let Failure(message) = events(MAP, "n,t,who,cents\n").unwrap_err();
        assert!(message.contains("no column `bad`; there are n, t, who, cents"), "{message}");
    }

    #[test]
    fn rows_out_of_order_are_refused_unless_the_mapping_sorts() {
        let csv = "n,t,who,cents,bad,how\n1,50,a,1,0,\n2,10,a,1,0,\n";
        assert!(events(MAP, csv).unwrap_err().0.contains("sort = true"));
        let sorted = events(&format!("sort = true\n{MAP}"), csv).unwrap();
        assert_eq!(sorted.iter().map(|event| event.time_ms).collect::<Vec<_>>(), [10_000, 50_000]);
    }

    #[test]
    fn a_fraud_comes_back_when_its_label_is_known_and_not_before() {
        let map = format!(
            "{MAP}\n[feedback]\ndelay_days = 1\nkind = \"bind\"\nfields = [\"account\", \"device.id\"]\n"
        );
        let csv = "n,t,who,cents,bad,how\n1,0,al,1,1,x\n2,86399,b,1,0,\n3,86400,c,1,0,\n";
        let ids: Vec<String> = events(&map, csv)
            .unwrap()
            .iter()
            .map(|event| wire::json::decode_check(&event.body).unwrap().id.into_owned())
            .collect();
        assert_eq!(ids, ["e1", "e2", "e1~", "e3"]);
    }
}
