//! The durable form of the lists: what each entry says.
//!
//! A list is a file of its entries as of one change (`base.rs`), named by the catalogue (`catalogue.rs`), and the changes since,
//! which are on disk in a chained log (`change.rs`, the journal's format) and in memory beside the file. A small change is a
//! record of the log; a replaced list, or a large change, is a new file. Whatever is read is verified: what does not hold is
//! an error that names the file, never an entry less.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, mpsc};

use journal::{AppendError, Folder, Log, SegmentConfig};

use super::base::{self, Base, Facts};
use super::catalogue::{self, Catalogue, Listed};
use super::change::{self, Change, Part};
use super::entry::{Entry, EntryFields};
use super::held::{Held, over, present};
use super::image::Moment;
use super::replay::replay;
use crate::files;

/// Why entries could not be read or written.
#[derive(Debug)]
pub enum StoreError {
    /// The file system refused.
    Io(String),
    /// A file is not as it was written.
    Damaged(String),
    /// The log of changes refused.
    Log(AppendError),
}

impl StoreError {
    pub(super) fn at(path: &Path, error: &io::Error) -> StoreError {
        StoreError::Io(format!("{}: {error}", path.display()))
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Io(what) => write!(f, "list entries: {what}"),
            StoreError::Damaged(what) => write!(f, "list entries are damaged: {what}"),
            StoreError::Log(error) => write!(f, "the log of list changes: {error}"),
        }
    }
}

impl std::error::Error for StoreError {}

/// Where a list is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    /// Counts replacements.
    pub generation: u64,
    /// Number of the latest change.
    pub change: u64,
    /// Changes after this one are known one by one.
    pub kept_after: u64,
}

/// All lists' entries on disk. Writers take turns: see [`super::ListStore`].
pub(super) struct Store {
    folder: PathBuf,
    log: Log,
    lists: RwLock<HashMap<String, Held>>,
    /// Number of the next file of entries: names are never used twice.
    next_file: AtomicU64,
    /// Number of the next record of the log.
    next_record: AtomicU64,
    /// How far the log reaches by the catalogue.
    known_until: AtomicU64,
    /// Whether the latest change could not be written.
    failed: AtomicBool,
    failures: AtomicU64,
}

/// Most keys of a change that goes into the log; one of more makes a new file of entries.
const LOGGED_MAX: usize = 1 << 14;
/// Records of one change that are on the way to the log at a time: well below what may wait there.
const UNDER_WAY: usize = 8;
/// A segment of the log: what can be deleted at a time.
const SEGMENT_BYTES: u64 = 8 << 20;
/// Past so many bytes of log, all lists get new files: a start reads no more than that.
const LOG_BYTES_MAX: u64 = 64 << 20;
const LOG: &str = "log";
const ENTRIES: &str = ".entries";

impl Store {
    /// Opens the entries in a folder, or begins without any. All of the log and of what the catalogue names is verified, but for
    /// the blocks of files, which are whenever they are read.
    pub fn open(folder: &Path) -> Result<Store, StoreError> {
        files::make_folder(folder).map_err(|error| StoreError::at(folder, &error))?;
        let path = folder.join(LOG);
        let log_error = |error: &dyn fmt::Display| StoreError::Io(format!("{}: {error}", path.display()));
        let storage = Arc::new(Folder::writable(&path).map_err(|error| log_error(&error))?);
        let catalogue = Catalogue::read(folder)?;
        let files = files_of(folder)?;
        let catalogue = match catalogue {
            Some(catalogue) => catalogue,
            None if files.is_empty() => Catalogue { log_from: 1, log_until: 1, ..Catalogue::default() },
            None => {
                let missing = folder.join(catalogue::NAME);
                return Err(StoreError::Damaged(format!("{} is missing", missing.display())));
            }
        };
        let mut lists = HashMap::new();
        for Listed { list, file, root } in &catalogue.lists {
            let base = Base::open(&folder.join(file))?;
            if hex::encode(base.root()) != *root {
                let path = base.path().display();
                return Err(StoreError::Damaged(format!(
                    "{path}: it is not the file that the catalogue names"
                )));
            }
            let Facts { entries, moment: Moment { generation, change }, .. } = base.facts();
            let base = Some(Arc::new(base));
            lists.insert(list.clone(), Held { base, generation, change, entries, ..Held::default() });
        }
        let config = SegmentConfig { segment_bytes_max: SEGMENT_BYTES, retain_bytes_max: None };
        let (log, recovery) = Log::open(storage, config, "lists").map_err(|error| log_error(&error))?;
        if recovery.cut_bytes > 0 {
            tracing::warn!(
                bytes = recovery.cut_bytes,
                "an unfinished write was cut off the log of list changes"
            );
        }
        if recovery.next_number < catalogue.log_until {
            let lost = catalogue.log_until - recovery.next_number;
            return Err(StoreError::Damaged(format!("{}: its last {lost} records are gone", path.display())));
        }
        replay(&path, &catalogue, &mut lists)?;
        let used: BTreeSet<&str> = catalogue.lists.iter().map(|listed| listed.file.as_str()).collect();
        for (_, name) in files.iter().filter(|(_, name)| !used.contains(name.as_str())) {
            // Left by a crash before the catalogue named it, or after it named the next.
            let _ = fs::remove_file(folder.join(name));
        }
        let next_file = files.iter().map(|(number, _)| number + 1).max().unwrap_or(1);
        let store = Store {
            folder: folder.to_owned(),
            log,
            lists: RwLock::new(lists),
            next_file: AtomicU64::new(next_file),
            next_record: AtomicU64::new(recovery.next_number),
            known_until: AtomicU64::new(catalogue.log_until),
            failed: AtomicBool::new(false),
            failures: AtomicU64::new(0),
        };
        Ok(store)
    }

    /// Where a list is; one that was never changed is at nothing.
    pub fn state(&self, list: &str) -> State {
        let lists = self.read();
        let Some(held) = lists.get(list) else { return State::default() };
        let kept_after = held.base.as_ref().map_or(0, |base| base.facts().moment.change);
        State { generation: held.generation, change: held.change, kept_after }
    }

    pub fn get(&self, list: &str, key: &str) -> Result<Option<EntryFields>, StoreError> {
        self.read().get(list).map_or(Ok(None), |held| held.get(key))
    }

    /// Entries of a list.
    pub fn len(&self, list: &str) -> u64 {
        self.read().get(list).map_or(0, |held| held.entries)
    }

    /// Entries in the order of their keys, after one key.
    pub fn page(&self, list: &str, after: &str, count: usize) -> Result<Vec<Entry>, StoreError> {
        self.entries_after(list, after).take(count).collect()
    }

    /// All entries of a list in the order of their keys, as they are now.
    pub fn entries(&self, list: &str) -> impl Iterator<Item = Result<Entry, StoreError>> {
        self.entries_after(list, "")
    }

    fn entries_after(
        &self,
        list: &str,
        after: &str,
    ) -> impl Iterator<Item = Result<Entry, StoreError>> + use<> {
        let held = self.read().get(list).cloned().unwrap_or_default();
        held.entries_after(after)
    }

    /// Visits the keys changed after that change, each with the end it has now, or `None` if it is off the list; until one is
    /// an error.
    pub fn changed_after<E>(
        &self,
        list: &str,
        change: u64,
        mut visit: impl FnMut(&str, Option<Option<i64>>) -> Result<(), E>,
    ) -> Result<(), E> {
        let changes = self.read().get(list).map(|held| held.changes.clone()).unwrap_or_default();
        for (key, (_, fields)) in changes.iter().filter(|(_, (number, _))| *number > change) {
            visit(key, fields.as_ref().map(|fields| fields.expires_ms))?;
        }
        Ok(())
    }

    /// Puts an entry.
    pub fn put(&self, list: &str, entry: Entry) -> Result<State, StoreError> {
        self.log_changes(list, vec![Change::put(entry)])
    }

    /// Takes keys off; those that were on.
    pub fn remove(&self, list: &str, keys: &[String]) -> Result<Vec<String>, StoreError> {
        let mut on = Vec::new();
        for keys in keys.chunks(LOGGED_MAX) {
            let mut changes = Vec::new();
            for key in keys {
                if self.get(list, key)?.is_some() {
                    changes.push(Change::remove(key.clone()));
                }
            }
            let removed: Vec<String> = changes.iter().map(|change| change.key.clone()).collect();
            if !removed.is_empty() {
                self.log_changes(list, changes)?;
            }
            on.extend(removed);
        }
        Ok(on)
    }

    /// Puts many entries, `count` at most, that come in the order of their keys; of several with one key the last counts.
    pub fn put_all(
        &self,
        list: &str,
        count: usize,
        entries: impl Iterator<Item = Entry>,
    ) -> Result<State, StoreError> {
        if count > LOGGED_MAX {
            let newer = entries.map(|entry| Ok((entry.key, Some(entry.fields))));
            let held = self.read().get(list).cloned().unwrap_or_default();
            let moment = Moment { generation: held.generation, change: held.change + 1 };
            let older =
                held.entries_after("").map(|entry| entry.map(|entry| (entry.key, Some(entry.fields))));
            return self.write_base(list, moment, present(over(older, newer)));
        }
        let mut changes: Vec<Change> = Vec::with_capacity(count);
        for entry in entries {
            let again = changes.last().is_some_and(|last| last.key == entry.key);
            if again {
                changes.pop();
            }
            changes.push(Change::put(entry));
        }
        if changes.is_empty() { Ok(self.state(list)) } else { self.log_changes(list, changes) }
    }

    /// Puts entries that come in the order of their keys in the place of all that the list has.
    pub fn replace(&self, list: &str, entries: impl Iterator<Item = Entry>) -> Result<State, StoreError> {
        let State { generation, change, .. } = self.state(list);
        let moment = Moment { generation: generation + 1, change: change + 1 };
        self.write_base(list, moment, entries.map(Ok))
    }

    /// Writes a list's changes into a new file of its entries, so that a start need not read them.
    pub fn write_changes(&self, list: &str) -> Result<(), StoreError> {
        let held = self.read().get(list).cloned().unwrap_or_default();
        if held.changes.is_empty() {
            return Ok(());
        }
        let moment = Moment { generation: held.generation, change: held.change };
        self.write_base(list, moment, held.entries_after("")).map(|_| ())
    }

    /// Verifies every block of a list's file.
    pub fn verify(&self, list: &str) -> Result<(), StoreError> {
        self.entries(list).try_for_each(|entry| entry.map(|_| ()))
    }

    /// Whether the latest change could be written.
    pub fn is_writable(&self) -> bool {
        !self.failed.load(Ordering::Relaxed)
    }

    /// Changes that could not be written.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Tries whether changes can be written again, by a record that changes nothing.
    pub fn probe(&self) -> Result<(), StoreError> {
        let nothing = change::records("", 0, 0, &[]);
        self.append(&nothing).map(|_| ())
    }

    fn log_changes(&self, list: &str, changes: Vec<Change>) -> Result<State, StoreError> {
        let held = self.read().get(list).cloned().unwrap_or_default();
        let mut entries = held.entries;
        for change in &changes {
            let was_there = held.get(&change.key)?.is_some();
            entries = entries + u64::from(change.entry.is_some()) - u64::from(was_there);
        }
        drop(held);
        let first = self.state(list).change + 1;
        let record = self.append(&change::records(list, first, entries, &changes))?;
        let part = Part { list: list.to_owned(), first, entries, keys: changes, ..Part::default() };
        self.write_lists().entry(list.to_owned()).or_default().apply(part, record);
        if self.log.stats().snapshot().kept_bytes > LOG_BYTES_MAX {
            self.write_all_changes();
        }
        Ok(self.state(list))
    }

    /// Records on disk, in one piece as far as readers are concerned; the number of the first.
    fn append(&self, records: &[Vec<u8>]) -> Result<u64, StoreError> {
        let mut first = None;
        for records in records.chunks(UNDER_WAY) {
            let (sender, receiver) = mpsc::channel();
            let mut result = Ok(());
            for record in records {
                let sender = sender.clone();
                let told = move |written| {
                    // The receiver waits below.
                    let _ = sender.send(written);
                };
                result = result.and(self.log.append_then(0, record, told));
            }
            drop(sender);
            for written in receiver {
                result = result.and(written.map(|number: u64| {
                    first.get_or_insert(number);
                    self.next_record.fetch_max(number + 1, Ordering::Relaxed);
                }));
            }
            self.note(result.map_err(StoreError::Log))?;
        }
        Ok(first.unwrap_or_default())
    }

    fn note<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        let failed = result.is_err();
        if failed {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        self.failed.store(failed, Ordering::Relaxed);
        result
    }

    /// New files for all lists, so that the log can be cut. Nothing is lost where that fails.
    fn write_all_changes(&self) {
        let names: Vec<String> = self.read().keys().cloned().collect();
        for list in names {
            if let Err(error) = self.write_changes(&list) {
                tracing::warn!(list, %error, "the log of list changes could not be cut: it goes on growing");
            }
        }
    }

    fn write_base(
        &self,
        list: &str,
        moment: Moment,
        entries: impl Iterator<Item = Result<Entry, StoreError>>,
    ) -> Result<State, StoreError> {
        let number = self.next_file.fetch_add(1, Ordering::Relaxed);
        let path = self.folder.join(format!("{list}.{number:08}{ENTRIES}"));
        let record = self.next_record.load(Ordering::Relaxed) - 1;
        let written = base::write(&path, Facts { entries: 0, moment, record }, entries);
        let base = Arc::new(self.note(written)?);
        let held = Held {
            entries: base.facts().entries,
            base: Some(base),
            generation: moment.generation,
            change: moment.change,
            ..Held::default()
        };
        let mut next = self.read().clone();
        let before = next.insert(list.to_owned(), held);
        let catalogue = self.catalogue(&next);
        // After an error either catalogue may be the one on disk: both files stay until the next start knows.
        self.note(catalogue.write(&self.folder))?;
        self.known_until.store(catalogue.log_until, Ordering::Relaxed);
        *self.write_lists() = next;
        if let Some(base) = before.and_then(|held| held.base) {
            let _ = fs::remove_file(base.path());
        }
        self.log.forget_before(catalogue.log_from);
        Ok(self.state(list))
    }

    fn catalogue(&self, lists: &HashMap<String, Held>) -> Catalogue {
        let log_until = self.next_record.load(Ordering::Relaxed);
        let pending = lists.values().filter(|held| !held.changes.is_empty()).map(|held| held.record);
        let listed = lists.iter().filter_map(|(list, held)| {
            let base = held.base.as_ref()?;
            let file = base.path().file_name()?.to_str()?.to_owned();
            Some(Listed { list: list.clone(), file, root: hex::encode(base.root()) })
        });
        let mut listed: Vec<Listed> = listed.collect();
        listed.sort_by(|a, b| a.list.cmp(&b.list));
        Catalogue {
            log_from: pending.min().unwrap_or(log_until),
            log_until,
            lists: listed,
            ..Catalogue::default()
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<String, Held>> {
        // Written by whole insertions.
        self.lists.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_lists(&self) -> RwLockWriteGuard<'_, HashMap<String, Held>> {
        self.lists.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Store {
    /// Writes down how far the log reaches, so that a start can tell a damaged end from a write that was cut short.
    fn drop(&mut self) {
        if self.next_record.load(Ordering::Relaxed) > self.known_until.load(Ordering::Relaxed) {
            let catalogue = self.catalogue(&self.read());
            if let Err(error) = catalogue.write(&self.folder) {
                tracing::warn!(%error, "the end of the log of list changes could not be noted");
            }
        }
    }
}

/// Numbers and names of the files of entries in a folder.
fn files_of(folder: &Path) -> Result<Vec<(u64, String)>, StoreError> {
    let error = |error: io::Error| StoreError::at(folder, &error);
    let mut files = Vec::new();
    for file in fs::read_dir(folder).map_err(error)? {
        // A name that is not text is none of ours.
        let Ok(name) = file.map_err(error)?.file_name().into_string() else { continue };
        let number = name.strip_suffix(ENTRIES).and_then(|name| name.rsplit_once('.')?.1.parse().ok());
        files.extend(number.map(|number| (number, name)));
    }
    Ok(files)
}
