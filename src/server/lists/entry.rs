//! An entry of a list as people give and see it.

use engine::lists::NEVER_MS;
use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize, Serializer};

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
}

/// An entry as a caller gives it: everything but the key may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Given {
    pub key: String,
    pub reason: String,
    pub source: String,
    pub expires: Expires,
}

/// A time in RFC 3339 or Unix milliseconds, or nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(untagged, expecting = "expires is a time such as 2027-03-01T00:00:00Z, Unix milliseconds, or absent")]
pub(super) enum Expires {
    #[default]
    Never,
    Millis(i64),
    Text(String),
}

/// Longest reason and source, in bytes.
const TEXT_BYTES_MAX: usize = wire::limits::TEXT_BYTES_MAX;

impl Given {
    pub fn into_entry(self, adding: &Adding) -> Result<Entry, String> {
        if self.key.is_empty() {
            return Err("key: absent or empty".to_owned());
        }
        for (name, text) in [("key", &self.key), ("reason", &self.reason), ("source", &self.source)] {
            if text.len() > TEXT_BYTES_MAX {
                return Err(format!("{name}: {} bytes, expected at most {TEXT_BYTES_MAX}", text.len()));
            }
        }
        let expires_ms = match self.expires {
            Expires::Never => None,
            Expires::Millis(ms) => Some(ms),
            Expires::Text(text) if text.is_empty() => None,
            Expires::Text(text) => Some(moment_of(&text).ok_or_else(|| {
                format!("expires: `{text}` is no time, expected one such as 2027-03-01T00:00:00Z")
            })?),
        };
        if expires_ms.is_some_and(|ms| !(0..=wire::limits::TIME_MS_MAX).contains(&ms)) {
            return Err("expires: a time from 1970 to 9999 was expected".to_owned());
        }
        let fields = EntryFields {
            reason: self.reason,
            source: self.source,
            by: adding.by.clone(),
            expires_ms,
            added_ms: adding.at_ms,
        };
        Ok(Entry { key: self.key, fields })
    }
}

/// Unix milliseconds of RFC 3339, of a plain date (its first moment in UTC), or of digits.
fn moment_of(text: &str) -> Option<i64> {
    if let Ok(ms) = text.parse() {
        return Some(ms);
    }
    let time = text.parse::<Timestamp>().ok();
    let date = || TimeZone::UTC.to_timestamp(text.parse::<Date>().ok()?.to_datetime(Time::midnight())).ok();
    time.or_else(date).map(Timestamp::as_millisecond)
}

fn time<S: Serializer>(ms: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
    match ms {
        Some(ms) => moment(ms, serializer),
        None => serializer.serialize_none(),
    }
}

fn moment<S: Serializer>(ms: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    match Timestamp::from_millisecond(*ms) {
        Ok(time) => serializer.collect_str(&time),
        Err(_) => serializer.serialize_i64(*ms),
    }
}
