//! An entry of a list as people give and see it.

use std::borrow::Cow;
use std::fmt;

use engine::lists::NEVER_MS;
use engine::program::Zone;
use serde::{Deserialize, Serialize, Serializer};
use wire::instant;

/// What an entry says beside its key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EntryFields {
    /// Why it is there.
    pub reason: String,
    /// Where it comes from.
    pub source: String,
    /// Who put it there.
    pub by: String,
    /// When it ends, in Unix milliseconds; never if absent.
    #[serde(rename = "expires", serialize_with = "time")]
    pub expires_ms: Option<i64>,
    /// When it was put there, in Unix milliseconds.
    #[serde(rename = "added", serialize_with = "moment")]
    pub added_ms: i64,
}

impl EntryFields {
    /// When it ends, as the engine counts.
    pub fn expires_ms(&self) -> i64 {
        self.expires_ms.unwrap_or(NEVER_MS)
    }
}

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// What is on the list.
    pub key: String,
    /// The rest.
    #[serde(flatten)]
    pub fields: EntryFields,
}

/// Who adds entries, and when.
#[derive(Clone, Debug)]
pub struct Adding {
    /// Who: the name that the caller goes by.
    pub by: String,
    /// When, in Unix milliseconds.
    pub at_ms: i64,
    /// The zone of the policy, in which days begin.
    pub zone: Zone,
}

/// Why what a caller gives is not an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryFault {
    /// The field at fault; empty for the whole.
    pub field: &'static str,
    /// What is wrong with it.
    pub message: String,
}

impl EntryFault {
    pub(super) fn new(field: &'static str, message: impl Into<String>) -> EntryFault {
        EntryFault { field, message: message.into() }
    }
}

impl fmt::Display for EntryFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.field, self.message)
        }
    }
}

/// An entry as a caller gives it: everything but the key may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Given<'a> {
    #[serde(borrow)]
    pub key: Cow<'a, str>,
    #[serde(borrow)]
    pub reason: Cow<'a, str>,
    #[serde(borrow)]
    pub source: Cow<'a, str>,
    #[serde(borrow)]
    pub expires: Expires<'a>,
}

/// A time, Unix milliseconds, or nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(
    untagged,
    expecting = "expires is a day such as 2027-03-01, a time such as 2027-03-01T08:00:00Z, Unix milliseconds, or absent"
)]
pub(super) enum Expires<'a> {
    #[default]
    Never,
    Millis(i64),
    #[serde(borrow)]
    Text(Cow<'a, str>),
}

/// Longest key, reason and source, in bytes.
const TEXT_BYTES_MAX: usize = wire::limits::TEXT_BYTES_MAX;

impl Given<'_> {
    pub fn into_entry(self, adding: &Adding) -> Result<Entry, EntryFault> {
        if self.key.is_empty() {
            return Err(EntryFault::new("key", "absent or empty"));
        }
        for (name, text) in [("key", &self.key), ("reason", &self.reason), ("source", &self.source)] {
            if text.len() > TEXT_BYTES_MAX {
                let message = format!("{} bytes, expected at most {TEXT_BYTES_MAX}", text.len());
                return Err(EntryFault::new(name, message));
            }
        }
        let expires_ms = self.expires.read(adding).map_err(|message| EntryFault::new("expires", message))?;
        let fields = EntryFields {
            reason: self.reason.into_owned(),
            source: self.source.into_owned(),
            by: adding.by.clone(),
            expires_ms,
            added_ms: adding.at_ms,
        };
        Ok(Entry { key: self.key.into_owned(), fields })
    }
}

impl Expires<'_> {
    /// When the entry ends, in Unix milliseconds; never if nothing is said.
    fn read(&self, adding: &Adding) -> Result<Option<i64>, String> {
        let Adding { at_ms, zone, .. } = adding;
        let text = match self {
            Expires::Never => return Ok(None),
            Expires::Millis(ms) => return instant::end_of_number(*ms, *at_ms).map(Some),
            Expires::Text(text) if text.is_empty() => return Ok(None),
            Expires::Text(text) => text,
        };
        if let Ok(number) = text.parse() {
            return instant::end_of_number(number, *at_ms).map(Some);
        }
        let offset_ms = |ms| zone.offset_ms(ms);
        let local = instant::Local { name: &zone.name, offset_ms: &offset_ms };
        let ms = instant::end_ms(text, local).map_err(|error| {
            let shown: String = text.chars().take(64).collect();
            format!("found {shown:?}: {error}")
        })?;
        instant::end_in_future(ms, *at_ms).map(Some)
    }
}

fn time<S: Serializer>(ms: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
    match ms {
        Some(ms) => moment(ms, serializer),
        None => serializer.serialize_none(),
    }
}

fn moment<S: Serializer>(ms: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&instant::show(*ms))
}
