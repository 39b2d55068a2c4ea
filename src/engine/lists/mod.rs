//! Lists: which values are on deny, allow and watch lists, looked up by keyed hash.
//!
//! Each list has a table of its own, and all tables stand in one directory that a batch loads once. A single entry changes
//! in place and is in force for the next check. Whatever concerns a list as a whole – replacing it, loading it, growing it,
//! ridding it of entries that have ended – makes a fresh table apart and puts it in force by storing a new directory: a
//! batch sees the old list or the new one, never some of each. Reasons and sources of entries are kept by whoever makes them
//! durable, not here.
#![expect(clippy::disallowed_types, reason = "the lock of the one writer; look-ups never take it")]

mod draft;
#[doc(hidden)]
pub mod entries;
mod key;
mod look_up;
#[doc(hidden)]
pub mod slot;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use arc_swap::{ArcSwap, Guard};
use wire::Form;

pub use draft::Draft;
pub(crate) use key::ASKED_MAX;
pub use key::{ListKey, canonical};
pub(crate) use look_up::{look_up, prefetch};

use crate::key::{Hash, Seed};
use crate::policy::Matching;
use entries::{Entries, Put};
use key::Lengths;

/// An entry that never ends.
pub const NEVER_MS: i64 = i64::MAX;
/// Bytes of memory that an entry takes at most.
pub(crate) const ENTRY_BYTES_MAX: u64 = 40;
/// An entry is kept for so long after its end, in milliseconds: events may be told of that late.
const KEPT_MS: i64 = wire::limits::CLOCK_BEHIND_MS_MAX;

/// Why a list did not take an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListError {
    /// The key is not one the list can hold; the sentence says why.
    BadKey(String),
    /// All lists together would hold more entries than there is room for.
    Full {
        /// Room for entries.
        capacity: u64,
    },
    /// The system has no memory for the table.
    NoMemory,
}

impl std::fmt::Display for ListError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ListError::BadKey(why) => f.write_str(why),
            ListError::Full { capacity } => {
                write!(f, "the lists are full, with room for {capacity} entries: raise tables.list_entries")
            }
            ListError::NoMemory => f.write_str("the system has no memory for the list"),
        }
    }
}

impl std::error::Error for ListError {}

/// All lists.
pub struct Lists {
    seed: Seed,
    capacity: u64,
    directory: ArcSwap<Directory>,
    writer: Mutex<Writer>,
}

/// A list's identity, which survives reloads: entries belong to the name, the way of matching and the form of the
/// values. When nobody holds it any
/// more the list's memory is given back.
pub struct ListHandle {
    name: String,
    matching: Matching,
    /// Form of the values that are looked up: keys are brought into it.
    form: Form,
    /// Where its entries stand in every directory since it was made.
    place: usize,
}

/// The tables of all lists, by the places of their handles.
pub(crate) struct Directory(Vec<Arc<Entries>>);

/// What a batch holds while it looks values up.
pub(crate) type Reading = Guard<Arc<Directory>>;

#[derive(Default)]
struct Writer {
    handles: Vec<Weak<ListHandle>>,
    /// Tables out of force that a batch may still be reading. They are dropped here, so that no worker pays for it.
    retired: Vec<Arc<Entries>>,
}

impl Lists {
    /// Lists with room for that many entries. Memory is taken as they come, at most [`ENTRY_BYTES_MAX`] for each, and for those of a list
    /// twice while it is made anew.
    pub fn new(capacity: usize, seed: Seed) -> Lists {
        let directory = ArcSwap::from_pointee(Directory(Vec::new()));
        Lists { seed, capacity: capacity as u64, directory, writer: Mutex::default() }
    }

    /// The handle of a list, made at its first mention; `None` if there is no memory for it.
    pub fn handle(&self, name: &str, matching: Matching, form: Form) -> Option<Arc<ListHandle>> {
        let mut writer = self.writer();
        let mut standing = writer.handles.iter().filter_map(Weak::upgrade);
        let same = |h: &Arc<ListHandle>| h.name == name && h.matching == matching && h.form == form;
        if let Some(known) = standing.find(same) {
            return Some(known);
        }
        drop(standing);
        let empty = Arc::new(Entries::with_room(0)?);
        self.forget(&mut writer)?;
        let free = writer.handles.iter().position(|handle| handle.strong_count() == 0);
        let place = free.unwrap_or(writer.handles.len());
        let handle = Arc::new(ListHandle { name: name.to_owned(), matching, form, place });
        match free {
            Some(_) => writer.handles[place] = Arc::downgrade(&handle),
            None => writer.handles.push(Arc::downgrade(&handle)),
        }
        self.put_in_force(&mut writer, place, empty);
        Some(handle)
    }

    /// What a list knows a key by.
    ///
    /// # Errors
    /// [`ListError::BadKey`] if the key is none for this list.
    pub fn key(&self, list: &ListHandle, key: &str) -> Result<ListKey, ListError> {
        ListKey::read(&self.seed, list.matching, list.form, key)
    }

    /// Puts an entry on a list until `expires_ms` (or [`NEVER_MS`]); one already there gets the new end. Entries that had
    /// ended make room.
    ///
    /// # Errors
    /// [`ListError`] if there is no room. Not after a [`Lists::reserve`] that counted this entry.
    pub fn put(
        &self,
        list: &ListHandle,
        key: ListKey,
        expires_ms: i64,
        now_ms: i64,
    ) -> Result<(), ListError> {
        let mut writer = self.writer();
        let entries = self.entries(list);
        let more = usize::from(!entries.stands(key.hash));
        let entries = self.room(&mut writer, list, more, now_ms)?;
        // The length first: who finds the entry by it would otherwise miss what stands already.
        entries.lengths.add(key);
        entries.put(key.hash, expires_ms, ended_by(now_ms));
        Ok(())
    }

    /// Makes room for entries on a list, so that they can be made durable before they are put.
    ///
    /// # Errors
    /// [`ListError`] if there is none.
    pub fn reserve(
        &self,
        list: &ListHandle,
        keys: impl Iterator<Item = ListKey>,
        now_ms: i64,
    ) -> Result<(), ListError> {
        let mut writer = self.writer();
        let entries = self.entries(list);
        let more = keys.filter(|key| !entries.stands(key.hash)).count();
        self.room(&mut writer, list, more, now_ms).map(|_| ())
    }

    /// Takes a key off a list; says whether it was on it.
    pub fn remove(&self, list: &ListHandle, key: ListKey) -> bool {
        let mut writer = self.writer();
        let entries = self.entries(list);
        let was_on = entries.remove(key.hash);
        if entries.is_sparse() {
            // Without memory for a smaller table the larger one stays.
            let _ = self.renew(&mut writer, list.place, 0, i64::MIN);
        }
        was_on
    }

    /// A list to be, apart from those in force.
    ///
    /// # Errors
    /// [`ListError`] if so many entries find no room.
    pub fn draft(&self, entries: usize) -> Result<Draft, ListError> {
        Draft::new(entries, self.capacity)
    }

    /// Whether a draft finds room in the place of all that a list has, so that it can be made durable before it is put in
    /// force.
    ///
    /// # Errors
    /// [`ListError`] if it does not.
    pub fn admit(&self, list: &ListHandle, draft: &Draft, now_ms: i64) -> Result<(), ListError> {
        let mut writer = self.writer();
        let more = draft.len().saturating_sub(self.entries(list).len());
        self.spare(&mut writer, more, now_ms)
    }

    /// Puts a draft in force in the place of all that a list had, for every batch that begins from now on.
    pub fn replace(&self, list: &ListHandle, draft: Draft) {
        self.put_in_force(&mut self.writer(), list.place, Arc::new(draft.entries));
    }

    /// Gives memory back that tables out of force took; false if a batch still reads one of them.
    pub fn free_retired(&self) -> bool {
        let mut writer = self.writer();
        writer.retired.retain(|entries| Arc::strong_count(entries) > 1);
        writer.retired.is_empty()
    }

    /// Visits the hashes and ends of a list's entries, as [`Draft::put_hash`] takes them, and gives its prefix lengths. What
    /// is put meanwhile may or may not be seen.
    pub fn each(&self, list: &ListHandle, visit: impl FnMut(Hash, i64)) -> [u64; 3] {
        let entries = self.entries(list);
        entries.each(visit);
        entries.lengths.bits()
    }

    /// Entries of a list that had ended by then.
    pub fn ended(&self, list: &ListHandle, now_ms: i64) -> u64 {
        self.entries(list).ended(now_ms)
    }

    /// Entries of a list that had not ended by then, and how many of those a draft has as well.
    pub fn kept_by(&self, list: &ListHandle, draft: &Draft, now_ms: i64) -> (u64, u64) {
        let (mut standing, mut kept) = (0, 0);
        self.entries(list).each(|hash, expires_ms| {
            if expires_ms > now_ms {
                standing += 1;
                kept += u64::from(draft.entries.stands(hash));
            }
        });
        (standing, kept)
    }

    /// Entries of a list, those that have ended and not made room yet among them.
    pub fn len_of(&self, list: &ListHandle) -> u64 {
        self.entries(list).len()
    }

    /// Entries of all lists.
    pub fn len(&self) -> u64 {
        self.directory.load().0.iter().map(|entries| entries.len()).sum()
    }

    /// Room for entries.
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Whether no entry stands.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory that the lists in force take.
    pub fn bytes(&self) -> u64 {
        self.directory.load().0.iter().map(|entries| entries.bytes()).sum()
    }

    /// A key for files that are of use under this seed only.
    pub fn file_key(&self) -> [u8; 16] {
        self.seed.bytes(b"riskd: files of list entries").to_le_bytes()
    }

    /// The lists as a batch is to see them.
    pub(crate) fn read(&self) -> Reading {
        self.directory.load()
    }

    /// Which of up to 64 keys are on a list at a time, as bits: asked for together, then looked at, as a batch's are.
    pub fn holds(&self, list: &ListHandle, keys: &[ListKey], at_ms: i64) -> u64 {
        let directory = self.directory.load();
        let entries = directory.of(list);
        let keys = &keys[..keys.len().min(u64::BITS as usize)];
        keys.iter().for_each(|key| entries.prefetch(key.hash));
        let live = |on, (at, key): (usize, &ListKey)| on | u64::from(entries.live(key.hash, at_ms)) << at;
        keys.iter().enumerate().fold(0, live)
    }

    fn entries(&self, list: &ListHandle) -> Arc<Entries> {
        self.directory.load().0[list.place].clone()
    }

    /// The table of a list, with room for more: made anew if it has none.
    fn room(
        &self,
        writer: &mut Writer,
        list: &ListHandle,
        more: usize,
        now_ms: i64,
    ) -> Result<Arc<Entries>, ListError> {
        self.spare(writer, more as u64, now_ms)?;
        if more > 0 && !self.entries(list).has_room(more) {
            self.renew(writer, list.place, more, ended_by(now_ms)).ok_or(ListError::NoMemory)?;
        }
        Ok(self.entries(list))
    }

    /// Sees that all lists together may have so many entries more. If they may not, those that had ended go.
    fn spare(&self, writer: &mut Writer, more: u64, now_ms: i64) -> Result<(), ListError> {
        let full = || more > 0 && self.len().saturating_add(more) > self.capacity;
        if !full() {
            return Ok(());
        }
        let ended = |place: usize| self.directory.load().0[place].ended(ended_by(now_ms)) > 0;
        for place in (0..writer.handles.len()).filter(|&place| ended(place)) {
            self.renew(writer, place, 0, ended_by(now_ms)).ok_or(ListError::NoMemory)?;
        }
        if full() { Err(ListError::Full { capacity: self.capacity }) } else { Ok(()) }
    }

    fn renew(&self, writer: &mut Writer, place: usize, more: usize, ended_by_ms: i64) -> Option<()> {
        let fresh = self.directory.load().0[place].anew(more, ended_by_ms)?;
        self.put_in_force(writer, place, Arc::new(fresh));
        Some(())
    }

    /// Empties the places of lists that nobody holds any more.
    fn forget(&self, writer: &mut Writer) -> Option<()> {
        for place in 0..writer.handles.len() {
            if writer.handles[place].strong_count() == 0 && self.directory.load().0[place].len() > 0 {
                let empty = Entries::with_room(0)?;
                self.put_in_force(writer, place, Arc::new(empty));
            }
        }
        Some(())
    }

    fn put_in_force(&self, writer: &mut Writer, place: usize, entries: Arc<Entries>) {
        let mut next = self.directory.load().0.clone();
        if place == next.len() {
            next.push(entries);
        } else {
            writer.retired.push(std::mem::replace(&mut next[place], entries));
        }
        self.directory.store(Arc::new(Directory(next)));
        writer.retired.retain(|entries| Arc::strong_count(entries) > 1);
    }

    /// Admin threads only; a panic of one of them leaves whole entries, so a poisoned lock is as good as a sound one.
    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Directory {
    /// The entries of a list. Its place is there: a directory only grows, and the handle came after the place.
    fn of(&self, list: &ListHandle) -> &Entries {
        &self.0[list.place]
    }
}

/// Entries that ended by then are of no use to any event that may still come.
fn ended_by(now_ms: i64) -> i64 {
    now_ms.saturating_sub(KEPT_MS)
}
