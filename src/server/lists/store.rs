//! The durable form of the lists, `lists.redb`: what each entry says, and the latest changes by number. A commit is on disk
//! when it returns.
//!
//! The entries of a list are a table of their own whose name has a generation: replacing a list fills the table of the next
//! generation and drops the old one in the same commit. Changes are numbered through the life of a list, and small ones are
//! kept one by one, so that an image of the list (see `image.rs`) can be brought up to date without reading all entries.

use std::fmt;
use std::ops::Bound;
use std::path::Path;

use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition, TableError};

use super::entry::{Entry, EntryFields};

/// Reason, source, who added it, end (absent: never) and time of addition, both in Unix milliseconds.
type Row = (&'static str, &'static str, &'static str, Option<i64>, i64);
type Entries<'a> = TableDefinition<'a, &'static str, Row>;
/// Of each list: generation of its entries, number of its latest change, and the number after which changes were kept.
const STATES: TableDefinition<'static, &str, (u64, u64, u64)> = TableDefinition::new("lists");
/// Changed keys by list and number.
const CHANGES: TableDefinition<'static, (&str, u64), &str> = TableDefinition::new("changes");

/// Most memory for pages of the file, in bytes. Its readers are people; checks never come here.
const CACHE_BYTES: usize = 32 << 20;

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

/// Where a list stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    /// Counts replacements.
    pub generation: u64,
    /// Number of the latest change.
    pub change: u64,
    /// Changes after this one are kept.
    pub kept_after: u64,
}

pub(super) struct Store(Database);

impl Store {
    pub fn open(path: &Path) -> Result<Store, StoreError> {
        let store = Store(Database::builder().set_cache_size(CACHE_BYTES).create(path)?);
        // Made now, so that reading never finds no table.
        let change = store.begin()?;
        change.open_table(STATES)?;
        change.open_table(CHANGES)?;
        change.commit()?;
        Ok(store)
    }

    /// Where a list stands; one that was never changed stands at nothing.
    pub fn state(&self, list: &str) -> Result<State, StoreError> {
        state_of(&self.0.begin_read()?.open_table(STATES)?, list)
    }

    pub fn get(&self, list: &str, key: &str) -> Result<Option<EntryFields>, StoreError> {
        let Some(entries) = self.entries(list)? else { return Ok(None) };
        Ok(entries.get(key)?.map(|row| fields(row.value())))
    }

    /// Entries of a list.
    pub fn len(&self, list: &str) -> Result<u64, StoreError> {
        Ok(self.entries(list)?.map_or(Ok(0), |entries| entries.len())?)
    }

    /// Entries in the order of their keys, after one key.
    pub fn page(&self, list: &str, after: &str, count: usize) -> Result<Vec<Entry>, StoreError> {
        let Some(entries) = self.entries(list)? else { return Ok(Vec::new()) };
        let from: Bound<&str> = Bound::Excluded(after);
        let mut page = Vec::new();
        for row in entries.range::<&str>((from, Bound::Unbounded))?.take(count) {
            let (key, row) = row?;
            page.push(Entry { key: key.value().to_owned(), fields: fields(row.value()) });
        }
        Ok(page)
    }

    /// Visits keys and ends of all entries of a list, until one is an error.
    pub fn for_each<E: From<StoreError>>(
        &self,
        list: &str,
        mut visit: impl FnMut(&str, Option<i64>) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(entries) = self.entries(list)? else { return Ok(()) };
        for row in entries.iter().map_err(StoreError::from)? {
            let (key, row) = row.map_err(StoreError::from)?;
            visit(key.value(), row.value().3)?;
        }
        Ok(())
    }

    /// Visits the keys changed after that change, each with the end it has now, or `None` if it is off the list; until one is
    /// an error.
    pub fn changed_after<E: From<StoreError>>(
        &self,
        list: &str,
        change: u64,
        mut visit: impl FnMut(&str, Option<Option<i64>>) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(entries) = self.entries(list)? else { return Ok(()) };
        let read = self.0.begin_read().map_err(StoreError::from)?;
        let changes = read.open_table(CHANGES).map_err(StoreError::from)?;
        for row in changes.range((list, change + 1)..=(list, u64::MAX)).map_err(StoreError::from)? {
            let row = row.map_err(StoreError::from)?;
            let key = row.1.value();
            let entry = entries.get(key).map_err(StoreError::from)?;
            visit(key, entry.map(|row| row.value().3))?;
        }
        Ok(())
    }

    /// Changes a list, from nothing if it is to be replaced. An error of the work leaves everything as it was.
    pub fn change<E: From<StoreError>>(
        &self,
        list: &str,
        replace: bool,
        work: impl FnOnce(&mut Rows<'_>) -> Result<(), E>,
    ) -> Result<State, E> {
        let write = self.begin()?;
        let state = change_in(&write, list, replace, work)?;
        write.commit().map_err(StoreError::from)?;
        Ok(state)
    }

    /// Forgets kept changes that an image has.
    pub fn forget_changes(&self, list: &str, through: u64) -> Result<(), StoreError> {
        let write = self.begin()?;
        write.open_table(CHANGES)?.retain_in((list, 0)..=(list, through), |_, _| false)?;
        Ok(write.commit()?)
    }

    /// The entries of a list as of now, if it ever had any.
    fn entries(&self, list: &str) -> Result<Option<redb::ReadOnlyTable<&'static str, Row>>, StoreError> {
        let read = self.0.begin_read()?;
        let state = state_of(&read.open_table(STATES)?, list)?;
        match read.open_table(Entries::new(&table_of(list, state))) {
            Ok(entries) => Ok(Some(entries)),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn begin(&self) -> Result<redb::WriteTransaction, StoreError> {
        let mut write = self.0.begin_write()?;
        // A start after a crash would otherwise walk through the whole file.
        write.set_quick_repair(true);
        Ok(write)
    }
}

/// A list under change.
pub(super) struct Rows<'a> {
    entries: redb::Table<'a, &'static str, Row>,
    changes: redb::Table<'a, (&'static str, u64), &'static str>,
    list: &'a str,
    state: State,
    /// Keys changed, where they are kept one by one.
    changed: Option<u64>,
}

/// Most changes of one commit that are kept one by one; after more an image is made at once.
const KEPT_MAX: u64 = 1 << 14;

impl Rows<'_> {
    /// Puts an entry.
    pub fn put(&mut self, entry: &Entry) -> Result<(), StoreError> {
        let EntryFields { reason, source, by, expires_ms, added_ms } = &entry.fields;
        let row = (reason.as_str(), source.as_str(), by.as_str(), *expires_ms, *added_ms);
        self.entries.insert(entry.key.as_str(), row)?;
        self.changed(&entry.key)
    }

    /// Takes an entry out; whether it was there.
    pub fn remove(&mut self, key: &str) -> Result<bool, StoreError> {
        let was_there = self.entries.remove(key)?.is_some();
        if was_there {
            self.changed(key)?;
        }
        Ok(was_there)
    }

    /// When an entry ends, if it is there.
    pub fn expires_ms(&self, key: &str) -> Result<Option<Option<i64>>, StoreError> {
        Ok(self.entries.get(key)?.map(|row| row.value().3))
    }

    fn changed(&mut self, key: &str) -> Result<(), StoreError> {
        let Some(changed) = &mut self.changed else { return Ok(()) };
        *changed += 1;
        if *changed <= KEPT_MAX {
            self.changes.insert((self.list, self.state.change + *changed), key)?;
        }
        Ok(())
    }

    /// Where the list stands afterwards.
    fn state(&self) -> State {
        let State { generation, change, kept_after } = self.state;
        match self.changed {
            Some(changed) if changed <= KEPT_MAX => {
                State { generation, change: change + changed, kept_after }
            }
            Some(changed) => State { generation, change: change + changed, kept_after: change + changed },
            None => State { generation, change: change + 1, kept_after: change + 1 },
        }
    }
}

fn change_in<E: From<StoreError>>(
    write: &redb::WriteTransaction,
    list: &str,
    replace: bool,
    work: impl FnOnce(&mut Rows<'_>) -> Result<(), E>,
) -> Result<State, E> {
    let mut states = write.open_table(STATES).map_err(StoreError::from)?;
    let mut state = state_of(&states, list)?;
    if replace {
        write.delete_table(Entries::new(&table_of(list, state))).map_err(StoreError::from)?;
        state.generation += 1;
    }
    let mut rows = Rows {
        entries: write.open_table(Entries::new(&table_of(list, state))).map_err(StoreError::from)?,
        changes: write.open_table(CHANGES).map_err(StoreError::from)?,
        list,
        state,
        changed: (!replace).then_some(0),
    };
    work(&mut rows)?;
    let state = rows.state();
    let row = (state.generation, state.change, state.kept_after);
    states.insert(list, row).map_err(StoreError::from)?;
    Ok(state)
}

fn state_of(
    states: &impl ReadableTable<&'static str, (u64, u64, u64)>,
    list: &str,
) -> Result<State, StoreError> {
    let row = states.get(list)?.map(|row| row.value()).unwrap_or_default();
    Ok(State { generation: row.0, change: row.1, kept_after: row.2 })
}

fn table_of(list: &str, state: State) -> String {
    format!("entries of {list} {}", state.generation)
}

fn fields((reason, source, by, expires_ms, added_ms): (&str, &str, &str, Option<i64>, i64)) -> EntryFields {
    let [reason, source, by] = [reason, source, by].map(str::to_owned);
    EntryFields { reason, source, by, expires_ms, added_ms }
}
