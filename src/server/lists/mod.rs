//! Lists, three times: on disk with reason, source and time for people (`store.rs`), in the engine's tables as hashes for checks,
//! and as images on disk from which those tables are filled at a start.
//!
//! A change is on disk, then in force for the next check, then acknowledged. Writers take turns, so that all places change in
//! the same order. What a check reads is never half of a replacement: a list is made apart, made durable, and put in force by
//! one store.

mod base;
mod catalogue;
mod change;
mod csv;
mod entry;
mod file;
mod format;
mod held;
mod image;
mod known;
mod refusal;
mod replay;
mod sorted;
mod store;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use engine::lists::{ListError, ListHandle, ListKey, Lists, NEVER_MS};
use engine::policy::Matching;
use wire::Form;
use wire::limits::CLOCK_BEHIND_MS_MAX;

pub use entry::{Adding, Entry, EntryFault, EntryFields};
pub use file::{Bulk, FileFault, read_one};
pub use format::Format;
pub use image::{ImageFault, Moment, read_from as read_image};
pub use known::KnownList;
pub use refusal::{ChangeError, Doubt};
pub use store::StoreError;

use refusal::LoadFault;
use sorted::Sorted;
use store::{State, Store};

/// What becomes of the entries that a list has when others come in bulk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// They stay, but for those that come again.
    Stay,
    /// They go.
    Go,
}

/// How a list was loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Entries in force.
    pub entries: u64,
    /// Whether they came from an image.
    pub from_image: bool,
    /// Entries whose keys do not fit the list's way of matching. They are left out.
    pub unfit: u64,
}

/// After so many changes a new image is made, or after a part of the list's entries, whichever are more: applying them at a
/// start takes a tenth of a second.
const CHANGES_MAX: u64 = 1 << 14;
const CHANGES_PART: u64 = 64;
/// How long a change waits for batches that still read what it took out of force, before memory is given back with a later
/// change.
const RETIRE_WAIT: Duration = Duration::from_secs(1);

/// All lists' entries.
pub struct ListStore {
    store: Store,
    /// Folder of the images.
    images: PathBuf,
    /// Lists whose files of entries were found damaged.
    damaged: Mutex<BTreeSet<String>>,
    /// What the engine's tables hold. Also the turn of writers.
    loaded: Mutex<HashMap<(String, Matching, Form), Loaded>>,
}

/// A list in the engine's table.
struct Loaded {
    handle: Weak<ListHandle>,
    /// The latest change that the table has.
    change: u64,
    /// The latest change that an image has.
    image: Option<u64>,
}

type Turn<'a> = MutexGuard<'a, HashMap<(String, Matching, Form), Loaded>>;

impl ListStore {
    /// Opens the entries of a data folder, or begins without any.
    ///
    /// # Errors
    /// The folder cannot be read or made, or a file in it is damaged.
    pub fn open(data: &Path) -> Result<ListStore, StoreError> {
        let folder = data.join("lists");
        let store = Store::open(&folder)?;
        let of_old = data.join("lists.redb");
        if of_old.exists() {
            return Err(StoreError::Damaged(format!(
                "{} is of an older version, which this one does not read: export its lists with that version, take the file away, and import them",
                of_old.display()
            )));
        }
        Ok(ListStore { store, images: folder, damaged: Mutex::default(), loaded: Mutex::default() })
    }

    /// Puts the entries of a list that a policy declares into the engine's table, unless they are there: from its image and
    /// the changes since, or where that is of no use from the file of entries.
    ///
    /// # Errors
    /// The disk, or the lists are full: a list is loaded whole or not at all.
    pub fn load(&self, lists: &Lists, list: &KnownList, now_ms: i64) -> Result<Load, ChangeError> {
        let mut turn = self.turn();
        let state = self.store.state(&list.name);
        let known = turn.get(&id(list));
        let is_there = known.is_some_and(|known| {
            known.change == state.change && known.handle.as_ptr() == Arc::as_ptr(&list.handle)
        });
        if is_there {
            return Ok(Load { entries: lists.len_of(&list.handle), ..Load::default() });
        }
        let ended_by_ms = now_ms.saturating_sub(CLOCK_BEHIND_MS_MAX);
        let mut load = Load::default();
        let mut image = None;
        let draft = match self.load_image(lists, list, state, ended_by_ms) {
            Ok(Some((draft, change))) => {
                (load.from_image, image) = (true, Some(change));
                draft
            }
            unusable => {
                if let Err(fault) = unusable {
                    tracing::warn!(list = list.name, %fault, "the list's image is of no use, its entries are read one by one");
                }
                let rows = self.store.len(&list.name).min(lists.capacity());
                let mut draft = lists.draft(rows as usize)?;
                for entry in self.store.entries(&list.name) {
                    let Entry { key, fields } = entry?;
                    match lists.key(&list.handle, &key) {
                        Ok(key) if fields.expires_ms() > ended_by_ms => {
                            draft.put(key, fields.expires_ms())?;
                        }
                        Ok(_) => {}
                        Err(_) => load.unfit += 1,
                    }
                }
                draft
            }
        };
        load.entries = draft.len();
        lists.admit(&list.handle, &draft, now_ms)?;
        lists.replace(&list.handle, draft);
        let loaded = Loaded { handle: Arc::downgrade(&list.handle), change: state.change, image };
        turn.insert(id(list), loaded);
        turn.retain(|_, loaded| loaded.handle.strong_count() > 0);
        self.draw_if_due(&mut turn, lists, list, state);
        Ok(load)
    }

    /// The entry of a key is put on a list.
    ///
    /// # Errors
    /// [`ChangeError`]; nothing has changed.
    pub fn put(
        &self,
        lists: &Lists,
        list: &KnownList,
        entry: &Entry,
        now_ms: i64,
        force: bool,
    ) -> Result<(), ChangeError> {
        let key = lists.key(&list.handle, &entry.key)?;
        if !force && list.is_wide(&entry.key) {
            return Err(ChangeError::Doubtful(Doubt::Wide { key: entry.key.clone() }));
        }
        let mut turn = self.turn();
        lists.reserve(&list.handle, std::iter::once(key), now_ms)?;
        let state = self.store.put(&list.name, entry.clone())?;
        lists.put(&list.handle, key, entry.fields.expires_ms(), now_ms)?;
        self.changed(&mut turn, lists, list, state);
        Ok(())
    }

    /// Puts many entries on a list, or in the place of all that it has: all of them or none. Of two entries with one key the
    /// later counts. Says how many there were.
    ///
    /// # Errors
    /// [`ChangeError`]; nothing has changed.
    pub fn put_all(
        &self,
        lists: &Lists,
        list: &KnownList,
        bulk: &Bulk<'_>,
        standing: Standing,
    ) -> Result<u64, ChangeError> {
        let now_ms = bulk.adding.at_ms;
        let mut prepared = Prepared::new(lists, bulk, standing)?;
        let mut sorted = Sorted::new(&bulk.adding);
        let count = bulk
            .each(|mut entry| {
                entry.key = list.canonical(&entry.key);
                let key = lists.key(&list.handle, &entry.key).map_err(|error| error.to_string())?;
                if !bulk.force && list.is_wide(&entry.key) {
                    return Err(Doubt::Wide { key: entry.key }.to_string());
                }
                prepared.put(key, entry.fields.expires_ms()).map_err(|error| error.to_string())?;
                sorted.push(&entry);
                Ok(())
            })
            .map_err(ChangeError::Lines)?;
        let mut turn = self.turn();
        match &prepared {
            Prepared::More(entries) => {
                lists.reserve(&list.handle, entries.iter().map(|&(key, _)| key), now_ms)?;
            }
            Prepared::Whole(draft) => {
                if !bulk.force {
                    let (from, kept) = lists.kept_by(&list.handle, draft, now_ms);
                    if kept < from - from / 2 {
                        return Err(ChangeError::Doubtful(Doubt::Takes { from, kept }));
                    }
                }
                lists.admit(&list.handle, draft, now_ms)?;
            }
        }
        let count_most = sorted.len();
        let state = match standing {
            Standing::Go => self.store.replace(&list.name, sorted.into_entries())?,
            Standing::Stay => self.store.put_all(&list.name, count_most, sorted.into_entries())?,
        };
        if standing == Standing::Go {
            // It is of the old generation, and a small list gets no new one.
            let _ = std::fs::remove_file(self.image(list));
        }
        match prepared {
            Prepared::More(entries) => {
                for (key, expires_ms) in entries {
                    lists.put(&list.handle, key, expires_ms, now_ms)?;
                }
            }
            Prepared::Whole(draft) => lists.replace(&list.handle, draft),
        }
        self.changed(&mut turn, lists, list, state);
        Ok(count)
    }

    /// Takes a key off a list; says whether it was on it.
    ///
    /// # Errors
    /// [`ChangeError`]; nothing has changed.
    pub fn remove(&self, lists: &Lists, list: &KnownList, key: &str) -> Result<bool, ChangeError> {
        let hashed = lists.key(&list.handle, key)?;
        let mut turn = self.turn();
        let was_on = !self.store.remove(&list.name, &[key.to_owned()])?.is_empty();
        let state = self.store.state(&list.name);
        lists.remove(&list.handle, hashed);
        self.changed(&mut turn, lists, list, state);
        Ok(was_on)
    }

    /// Takes entries off the disk that had ended when the oldest event still to come happened; how many. They have no part in
    /// checks as it is.
    ///
    /// # Errors
    /// [`ChangeError`]; nothing has changed.
    pub fn sweep(&self, lists: &Lists, list: &KnownList, now_ms: i64) -> Result<usize, ChangeError> {
        let ended_by_ms = now_ms.saturating_sub(CLOCK_BEHIND_MS_MAX);
        // The table knows in a moment whether there is anything to look for.
        let in_force = lists.len_of(&list.handle) - lists.ended(&list.handle, ended_by_ms);
        if self.store.len(&list.name) <= in_force {
            return Ok(0);
        }
        let has_ended = |fields: &EntryFields| fields.expires_ms.is_some_and(|ms| ms <= ended_by_ms);
        let mut ended = Vec::new();
        for entry in self.store.entries(&list.name) {
            let entry = entry?;
            if has_ended(&entry.fields) {
                ended.push(entry.key);
            }
        }
        if ended.is_empty() {
            return Ok(0);
        }
        let mut turn = self.turn();
        // One may have been given a new end since it was seen.
        let mut still = Vec::with_capacity(ended.len());
        for key in ended {
            if self.store.get(&list.name, &key)?.as_ref().is_some_and(has_ended) {
                still.push(key);
            }
        }
        let ended = self.store.remove(&list.name, &still)?;
        for key in ended.iter().filter_map(|key| lists.key(&list.handle, key).ok()) {
            lists.remove(&list.handle, key);
        }
        let state = self.store.state(&list.name);
        self.changed(&mut turn, lists, list, state);
        Ok(ended.len())
    }

    /// The entry of a key.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn get(&self, list: &str, key: &str) -> Result<Option<EntryFields>, StoreError> {
        self.store.get(list, key)
    }

    /// Entries on disk of a list.
    pub fn len(&self, list: &str) -> u64 {
        self.store.len(list)
    }

    /// Reads all that is on disk of a list, of which a start may have read the image alone.
    ///
    /// # Errors
    /// The file cannot be read, or is damaged.
    pub fn verify(&self, list: &str) -> Result<(), StoreError> {
        let found = self.store.verify(list);
        let mut damaged = self.damaged.lock().unwrap_or_else(PoisonError::into_inner);
        match &found {
            Ok(()) => damaged.remove(list),
            Err(_) => damaged.insert(list.to_owned()),
        };
        found
    }

    /// How many lists were damaged when they were last verified.
    pub fn damaged(&self) -> usize {
        self.damaged.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether the latest change could be written.
    pub fn is_writable(&self) -> bool {
        self.store.is_writable()
    }

    /// Changes that could not be written since the start.
    pub fn failures(&self) -> u64 {
        self.store.failures()
    }

    /// Tries whether changes can be written again, after one could not.
    pub fn probe(&self) {
        let _turn = self.turn();
        if !self.store.is_writable() && self.store.probe().is_ok() {
            tracing::info!("list changes can be written again");
        }
    }

    /// Up to `count` entries in the order of their keys, those after `after`.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn page(&self, list: &str, after: &str, count: usize) -> Result<Vec<Entry>, StoreError> {
        self.store.page(list, after, count)
    }

    /// A draft of what an image and the changes since say, with the change that the image has; nothing if there is no image.
    fn load_image(
        &self,
        lists: &Lists,
        list: &KnownList,
        state: State,
        ended_by_ms: i64,
    ) -> Result<Option<(engine::lists::Draft, u64)>, LoadFault> {
        let path = self.image(list);
        if !path.exists() {
            return Ok(None);
        }
        let fits = |moment: Moment| {
            moment.generation == state.generation
                && (state.kept_after..=state.change).contains(&moment.change)
        };
        let (moment, mut draft) = image::read(&path, lists, list, fits, ended_by_ms)?;
        self.store.changed_after(&list.name, moment.change, |key, expires_ms| {
            // A key that does not fit the list is not in the image either.
            let Ok(key) = lists.key(&list.handle, key) else { return Ok(()) };
            match expires_ms.map(|ms| ms.unwrap_or(NEVER_MS)) {
                Some(expires_ms) if expires_ms > ended_by_ms => Ok(draft.put(key, expires_ms)?),
                _ => {
                    draft.remove(key);
                    Ok::<_, LoadFault>(())
                }
            }
        })?;
        Ok(Some((draft, moment.change)))
    }

    /// Takes note of a change that is in force.
    fn changed(&self, turn: &mut Turn<'_>, lists: &Lists, list: &KnownList, state: State) {
        if let Some(loaded) = turn.get_mut(&id(list)) {
            loaded.change = state.change;
        }
        self.draw_if_due(turn, lists, list, state);
        let began = Instant::now();
        while !lists.free_retired() && began.elapsed() < RETIRE_WAIT {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Makes a new image if a start would have too much to do with the old one. Without an image nothing is lost but time.
    fn draw_if_due(&self, turn: &mut Turn<'_>, lists: &Lists, list: &KnownList, state: State) {
        let Some(loaded) = turn.get_mut(&id(list)) else { return };
        let entries = lists.len_of(&list.handle);
        let behind = match loaded.image {
            Some(change) if change >= state.kept_after => state.change - change,
            _ => entries.max(state.change - state.kept_after),
        };
        let bound = CHANGES_MAX.max(entries / CHANGES_PART);
        if behind < bound {
            return;
        }
        let moment = Moment { generation: state.generation, change: state.change };
        match image::write(&self.image(list), lists, list, moment) {
            Ok(()) => loaded.image = Some(state.change),
            Err(error) => {
                tracing::warn!(list = list.name, %error, "no image of the list could be made: a start will take longer");
                return;
            }
        }
        if let Err(error) = self.store.write_changes(&list.name) {
            tracing::warn!(list = list.name, %error, "the list's changes could not be put together: a start will take longer");
        }
    }

    /// Where the image of a list is. Names of lists are lower-case letters, digits and underscores.
    fn image(&self, list: &KnownList) -> PathBuf {
        self.images.join(format!("{}.image", list.name))
    }

    fn turn(&self) -> Turn<'_> {
        // A panic elsewhere leaves the map as it was before or after a whole insertion.
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bulk entries on the way to the engine's table.
enum Prepared {
    /// To be put beside those that are there.
    More(Vec<(ListKey, i64)>),
    /// To be put in force in their place.
    Whole(engine::lists::Draft),
}

impl Prepared {
    fn new(lists: &Lists, bulk: &Bulk<'_>, standing: Standing) -> Result<Prepared, ListError> {
        let entries = (bulk.entries_most() as u64).min(lists.capacity()) as usize;
        Ok(match standing {
            Standing::Stay => Prepared::More(Vec::with_capacity(entries)),
            Standing::Go => Prepared::Whole(lists.draft(entries)?),
        })
    }

    fn put(&mut self, key: ListKey, expires_ms: i64) -> Result<(), ListError> {
        match self {
            Prepared::More(entries) => {
                entries.push((key, expires_ms));
                Ok(())
            }
            Prepared::Whole(draft) => draft.put(key, expires_ms),
        }
    }
}

fn id(list: &KnownList) -> (String, Matching, Form) {
    (list.name.clone(), list.matching, list.form)
}
