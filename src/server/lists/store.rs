//! The file of list entries: a table from (list, key) to what the entry says. A commit is on disk when it returns.

use std::fmt;
use std::ops::Bound;
use std::path::Path;

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};

use super::entry::{Entry, EntryFields};

/// Reason, source, end (absent: never) and time of addition, both in Unix milliseconds.
type Row = (&'static str, &'static str, Option<i64>, i64);
const ENTRIES: TableDefinition<'static, (&'static str, &'static str), Row> = TableDefinition::new("entries");

/// The file could not be read or written.
#[derive(Debug)]
pub struct StoreError(redb::Error);

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the file of list entries: {}", self.0)
    }
}

impl std::error::Error for StoreError {}

impl<E: Into<redb::Error>> From<E> for StoreError {
    fn from(error: E) -> StoreError {
        StoreError(error.into())
    }
}

pub(super) struct Store(Database);

impl Store {
    pub fn open(path: &Path) -> Result<Store, StoreError> {
        let store = Store(Database::create(path)?);
        // Made now, so that reading never finds no table.
        let change = store.0.begin_write()?;
        change.open_table(ENTRIES)?;
        change.commit()?;
        Ok(store)
    }

    pub fn get(&self, list: &str, key: &str) -> Result<Option<EntryFields>, StoreError> {
        let table = self.0.begin_read()?.open_table(ENTRIES)?;
        Ok(table.get((list, key))?.map(|row| fields(row.value())))
    }

    /// Entries in the order of their keys, after one key.
    pub fn page(&self, list: &str, after: &str, count: usize) -> Result<Vec<Entry>, StoreError> {
        let table = self.0.begin_read()?.open_table(ENTRIES)?;
        let from: Bound<(&str, &str)> = Bound::Excluded((list, after));
        let mut page = Vec::new();
        for entry in table.range::<(&str, &str)>((from, Bound::Unbounded))? {
            let (key, row) = entry?;
            let (of, key) = key.value();
            if of != list || page.len() == count {
                break;
            }
            page.push(Entry { key: key.to_owned(), fields: fields(row.value()) });
        }
        Ok(page)
    }

    /// Visits all entries of a list.
    pub fn for_each(&self, list: &str, mut visit: impl FnMut(&str, EntryFields)) -> Result<(), StoreError> {
        let table = self.0.begin_read()?.open_table(ENTRIES)?;
        for entry in table.range::<(&str, &str)>((list, "")..)? {
            let (key, row) = entry?;
            let (of, key) = key.value();
            if of != list {
                break;
            }
            visit(key, fields(row.value()));
        }
        Ok(())
    }

    pub fn change(&self) -> Result<Change, StoreError> {
        Ok(Change(self.0.begin_write()?))
    }
}

/// A change under way. Dropped without a commit, it never was.
pub(super) struct Change(WriteTransaction);

impl Change {
    /// Puts an entry; what stood there before.
    pub fn put(&mut self, list: &str, entry: &Entry) -> Result<Option<EntryFields>, StoreError> {
        let EntryFields { reason, source, expires_ms, added_ms } = &entry.fields;
        let mut table = self.0.open_table(ENTRIES)?;
        let row = (reason.as_str(), source.as_str(), *expires_ms, *added_ms);
        let previous = table.insert((list, entry.key.as_str()), row)?.map(|row| fields(row.value()));
        Ok(previous)
    }

    /// Takes an entry out; whether it was there.
    pub fn remove(&mut self, list: &str, key: &str) -> Result<bool, StoreError> {
        let mut table = self.0.open_table(ENTRIES)?;
        let was_there = table.remove((list, key))?.is_some();
        Ok(was_there)
    }

    pub fn get(&self, list: &str, key: &str) -> Result<Option<EntryFields>, StoreError> {
        let table = self.0.open_table(ENTRIES)?;
        let found = table.get((list, key))?.map(|row| fields(row.value()));
        Ok(found)
    }

    pub fn commit(self) -> Result<(), StoreError> {
        Ok(self.0.commit()?)
    }
}

fn fields((reason, source, expires_ms, added_ms): (&str, &str, Option<i64>, i64)) -> EntryFields {
    EntryFields { reason: reason.to_owned(), source: source.to_owned(), expires_ms, added_ms }
}
