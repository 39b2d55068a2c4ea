//! Frauds that come back as events of their own, when their labels are known.

use std::collections::VecDeque;

use serde_json::{Map, Value};

use crate::maker::put;
use crate::mapping::Feedback;
use crate::stream::Event;

/// Milliseconds of a day.
const DAY_MS: f64 = 86_400_000.0;

/// Labels on their way, the next one first.
pub struct Labelled {
    kind: String,
    fields: Vec<String>,
    delay_ms: i64,
    waiting: VecDeque<Event>,
}

impl Labelled {
    /// As the mapping says.
    pub fn new(feedback: &Feedback) -> Labelled {
        Labelled {
            kind: feedback.kind.clone(),
            fields: feedback.fields.clone(),
            delay_ms: (feedback.delay_days * DAY_MS) as i64,
            waiting: VecDeque::new(),
        }
    }

    /// Takes a fraud, whose label will be known later.
    pub fn add(&mut self, fraud: &Event) -> Result<(), String> {
        let check: Map<String, Value> =
            serde_json::from_slice(&fraud.body).map_err(|error| error.to_string())?;
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
        let time_ms = fraud.time_ms.saturating_add(self.delay_ms);
        back.insert("id".to_owned(), Value::String(format!("{id}~")));
        back.insert("kind".to_owned(), Value::String(self.kind.clone()));
        back.insert("time".to_owned(), Value::from(time_ms));
        let body = serde_json::to_vec(&back).map_err(|error| error.to_string())?;
        let event = Event { place: fraud.place, time_ms, body, truth: None, late: false };
        // All have one delay: only a fraud that came late itself has others before it.
        let at = self.waiting.partition_point(|other| other.time_ms <= time_ms);
        self.waiting.insert(at, event);
        Ok(())
    }

    /// The next one that is known by then.
    pub fn due(&mut self, time_ms: i64) -> Option<Event> {
        self.waiting.front().filter(|event| event.time_ms <= time_ms)?;
        self.waiting.pop_front()
    }
}
