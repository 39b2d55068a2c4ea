//! A list as the store holds it: its file of entries and, in memory, the changes since, read as one row in the order of keys.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::base::Base;
use super::change::Part;
use super::entry::{Entry, EntryFields};
use super::store::StoreError;

/// Changes since the file of entries, by key: the number of the latest, and what the entry says, if there is one.
pub(super) type Changes = BTreeMap<String, (u64, Option<EntryFields>)>;

/// A list.
#[derive(Clone, Default)]
pub(super) struct Held {
    pub base: Option<Arc<Base>>,
    pub changes: Arc<Changes>,
    /// The record of the log that the first of them is in.
    pub record: u64,
    pub generation: u64,
    pub change: u64,
    pub entries: u64,
}

impl Held {
    pub fn get(&self, key: &str) -> Result<Option<EntryFields>, StoreError> {
        match (self.changes.get(key), &self.base) {
            (Some((_, fields)), _) => Ok(fields.clone()),
            (None, Some(base)) => base.get(key),
            (None, None) => Ok(None),
        }
    }

    pub fn entries_after(self, after: &str) -> impl Iterator<Item = Result<Entry, StoreError>> + use<> {
        let older = self.base.as_ref().map(|base| base.from(after)).into_iter().flatten();
        let older = older.map(|entry| entry.map(|entry| (entry.key, Some(entry.fields))));
        let from = after.to_owned();
        let newer = Newer { changes: self.changes, after: from.clone() };
        present(over(older, newer)).filter(move |entry| entry.as_ref().map_or(true, |entry| entry.key > from))
    }

    pub fn apply(&mut self, part: Part, record: u64) {
        if self.changes.is_empty() {
            self.record = record;
        }
        let changes = Arc::make_mut(&mut self.changes);
        for (number, change) in (part.first..).zip(part.keys) {
            let (key, fields) = change.into_entry();
            changes.insert(key, (number, fields));
            self.change = self.change.max(number);
        }
        self.entries = part.entries;
    }
}

/// A key, and what its entry says if it has one.
pub(super) type Line = (String, Option<EntryFields>);

/// Changes in the order of their keys, after one key.
struct Newer {
    changes: Arc<Changes>,
    after: String,
}

impl Iterator for Newer {
    type Item = Result<Line, StoreError>;

    fn next(&mut self) -> Option<Result<Line, StoreError>> {
        let from: (Bound<&str>, Bound<&str>) = (Bound::Excluded(&self.after), Bound::Unbounded);
        let (key, (_, fields)) = self.changes.range::<str, _>(from).next()?;
        self.after.clone_from(key);
        Some(Ok((key.clone(), fields.clone())))
    }
}

/// Two rows in the order of their keys as one; of one key what is newer counts, and of several newer ones the last.
pub(super) fn over(
    older: impl Iterator<Item = Result<Line, StoreError>>,
    newer: impl Iterator<Item = Result<Line, StoreError>>,
) -> impl Iterator<Item = Result<Line, StoreError>> {
    let (mut older, mut newer) = (older.peekable(), newer.peekable());
    std::iter::from_fn(move || {
        let order = match (older.peek(), newer.peek()) {
            (Some(Ok((a, _))), Some(Ok((b, _)))) => a.cmp(b),
            (Some(_), None) | (Some(Err(_)), _) => std::cmp::Ordering::Less,
            (_, _) => std::cmp::Ordering::Greater,
        };
        if order.is_eq() {
            older.next();
        }
        if order.is_lt() { older.next() } else { newer.next() }
    })
}

/// The lines that have entries.
pub(super) fn present(
    lines: impl Iterator<Item = Result<Line, StoreError>>,
) -> impl Iterator<Item = Result<Entry, StoreError>> {
    lines.filter_map(|line| match line {
        Ok((key, fields)) => fields.map(|fields| Ok(Entry { key, fields })),
        Err(error) => Some(Err(error)),
    })
}
