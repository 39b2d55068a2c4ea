//! One outcome out of a JSON object.

use serde::de::MapAccess;

use super::object::{Object, fields};
use super::trail::Trail;
use crate::check::{Text, names};
use crate::limits::IDENTIFIER_BYTES_MAX;
use crate::outcome::Outcome;

names! { OutcomeField { Id = "id", Outcome = "outcome", Time = "time", } }

impl<'de> Object<'de> for Outcome<'de> {
    const EXPECTED: &'static str = "an outcome: an object with id and outcome";

    fn read<A: MapAccess<'de>>(trail: &Trail, map: &mut A) -> Result<Outcome<'de>, A::Error> {
        let mut id = Text::Borrowed("");
        let (mut outcome, mut time_ms) = (None, None);
        fields(trail, map, |field, map| {
            match field {
                OutcomeField::Id => id = trail.text(map, IDENTIFIER_BYTES_MAX)?,
                OutcomeField::Outcome => outcome = trail.name(map)?,
                OutcomeField::Time => time_ms = trail.time(map)?,
            }
            Ok(())
        })?;
        if id.is_empty() {
            return Err(trail.missing("id"));
        }
        Ok(Outcome { id, outcome: outcome.ok_or_else(|| trail.missing("outcome"))?, time_ms })
    }
}
