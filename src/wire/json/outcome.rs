//! One outcome out of a JSON object.

use serde::de::MapAccess;

use super::leaf::Leaf;
use super::object::{Object, fields};
use super::trail::Trail;
use crate::bounds::Refusal;
use crate::check::{Text, names};
use crate::form::{self, FieldValue, Form};
use crate::outcome::{Outcome, OutcomeKind};

names! { OutcomeField { Id = "id", Outcome = "outcome", Time = "time", } }

impl<'de> Object<'de> for Outcome<'de> {
    const EXPECTED: &'static str = "an outcome: an object with id and outcome";

    fn read<A: MapAccess<'de>>(trail: &Trail, map: &mut A) -> Result<Outcome<'de>, A::Error> {
        let mut id = Text::Borrowed("");
        let (mut outcome, mut time_ms) = (None, None);
        fields(trail, map, |field, map| {
            match field {
                OutcomeField::Id => {
                    if let FieldValue::Text(text) = trail.of_form(map, Form::Id)? {
                        id = text;
                    }
                }
                OutcomeField::Outcome => outcome = trail.value(map, name)?,
                OutcomeField::Time => {
                    if let FieldValue::Whole(ms) = trail.of_form(map, Form::Time)? {
                        time_ms = Some(ms);
                    }
                }
            }
            Ok(())
        })?;
        if id.is_empty() {
            return Err(trail.missing("id"));
        }
        Ok(Outcome { id, outcome: outcome.ok_or_else(|| trail.missing("outcome"))?, time_ms })
    }
}

fn name(leaf: Leaf<'_>) -> Result<OutcomeKind, Refusal> {
    match leaf {
        Leaf::Text(text) => form::named(&text),
        other => Err(other.unlike("a string")),
    }
}
