//! A change of a list as records of the log. One that takes several is made only when all of them are there.

use serde::{Deserialize, Serialize};

use super::entry::{Entry, EntryFields};

/// A part of a change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Part {
    pub list: String,
    /// Number of its first key among all changes of the list.
    pub first: u64,
    /// Which part it is, from 0.
    pub part: u32,
    /// How many there are.
    pub of: u32,
    /// Entries of the list once the whole change is made.
    pub entries: u64,
    pub keys: Vec<Change>,
}

/// What becomes of a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    pub key: String,
    /// What its entry says from now on; it has none if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<Row>,
}

/// Reason, source, who added it, end and time of addition in Unix milliseconds.
pub(super) type Row = (String, String, String, Option<i64>, i64);

impl Change {
    pub fn put(entry: Entry) -> Change {
        let EntryFields { reason, source, by, expires_ms, added_ms } = entry.fields;
        Change { key: entry.key, entry: Some((reason, source, by, expires_ms, added_ms)) }
    }

    pub fn remove(key: String) -> Change {
        Change { key, entry: None }
    }

    /// The key, and what its entry says.
    pub fn into_entry(self) -> (String, Option<EntryFields>) {
        let fields = self.entry.map(|(reason, source, by, expires_ms, added_ms)| EntryFields {
            reason,
            source,
            by,
            expires_ms,
            added_ms,
        });
        (self.key, fields)
    }

    fn bytes(&self) -> usize {
        // Texts may double in size as JSON, and control characters take six bytes.
        let texts = |row: &Row| [&row.0, &row.1, &row.2].map(|text| escaped(text)).iter().sum::<usize>();
        64 + escaped(&self.key) + self.entry.as_ref().map_or(0, texts)
    }
}

fn escaped(text: &str) -> usize {
    text.bytes()
        .map(|byte| {
            if byte < b' ' || byte == 0x7f {
                6
            } else if b"\"\\".contains(&byte) {
                2
            } else {
                1
            }
        })
        .sum()
}

/// A record is at most this long, well below what the log takes.
const PART_BYTES: usize = journal::limits::RECORD_BYTES_MAX / 2;

/// Cuts a change into the records of the log.
pub(super) fn records(list: &str, first: u64, entries: u64, changes: &[Change]) -> Vec<Vec<u8>> {
    let mut cuts = vec![0];
    let mut bytes = 0;
    for (at, change) in changes.iter().enumerate() {
        bytes += change.bytes();
        if bytes > PART_BYTES {
            cuts.push(at);
            bytes = change.bytes();
        }
    }
    cuts.dedup();
    let ends = cuts.iter().copied().skip(1).chain([changes.len()]);
    let parts = cuts.iter().copied().zip(ends).enumerate().map(|(part, (from, to))| Part {
        list: list.to_owned(),
        first,
        part: part as u32,
        of: cuts.len() as u32,
        entries,
        keys: changes[from..to].to_vec(),
    });
    // Texts and numbers: this cannot fail.
    parts.map(|part| serde_json::to_vec(&part).unwrap_or_default()).collect()
}

/// Puts parts together as the log is read.
#[derive(Default)]
pub(super) struct Together {
    parts: Vec<Part>,
}

impl Together {
    /// Takes the next record; a change that is whole now. Parts of one that never was go.
    ///
    /// # Errors
    /// What is wrong with the record.
    pub fn take(&mut self, bytes: &[u8]) -> Result<Option<Part>, String> {
        let part: Part = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let goes_on = |before: &Part| {
            (&before.list, before.first, before.of, before.part + 1)
                == (&part.list, part.first, part.of, part.part)
        };
        if part.part > 0 && !self.parts.last().is_some_and(goes_on) {
            self.parts.clear();
            return Ok(None);
        }
        if part.part == 0 {
            self.parts.clear();
        }
        let is_last = part.part + 1 == part.of;
        self.parts.push(part);
        if !is_last {
            return Ok(None);
        }
        let mut parts = std::mem::take(&mut self.parts).into_iter();
        let Some(mut whole) = parts.next() else { return Ok(None) };
        parts.for_each(|part| whole.keys.extend(part.keys));
        Ok(Some(whole))
    }
}
