//! Lists, twice: on disk with reason, source and time for people, and in the engine's table as hashes for checks.
//!
//! A change is in force for the next check and on disk before it is acknowledged. Writers take turns, so that both places
//! change in the same order.

mod entry;
mod file;
mod store;

use std::collections::HashSet;
use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use engine::lists::{ListHandle, Lists};
use engine::policy::Matching;

pub use entry::{Entry, EntryFields};
pub use file::{FileFault, Format, read, read_one};
pub use store::StoreError;

use store::Store;

/// A list that the policy in force declares.
#[derive(Clone)]
pub struct KnownList {
    /// Its name.
    pub name: String,
    /// How its keys match.
    pub matching: Matching,
    /// Its place in the engine's table.
    pub handle: Arc<ListHandle>,
}

impl KnownList {
    /// The one way to write a key, so that a network is one entry however it was written. A key that is none for this
    /// list stays as it is, for the engine to refuse.
    pub fn canonical(&self, key: &str) -> String {
        let network = || {
            let (address, length) = key.split_once('/').map_or((key, None), |(a, l)| (a, Some(l)));
            let address = address.parse::<IpAddr>().ok()?.to_canonical();
            let width = if address.is_ipv4() { 32 } else { 128 };
            let length =
                length.map_or(Some(width), |length| length.parse().ok()).filter(|&length| length <= width)?;
            let cut = width - length;
            let masked = match address {
                IpAddr::V4(v4) => {
                    IpAddr::V4((v4.to_bits().checked_shr(cut).unwrap_or(0) << (cut % 32)).into())
                }
                IpAddr::V6(v6) => {
                    IpAddr::V6((v6.to_bits().checked_shr(cut).unwrap_or(0) << (cut % 128)).into())
                }
            };
            Some(if cut == 0 { masked.to_string() } else { format!("{masked}/{length}") })
        };
        match self.matching {
            Matching::Network => network().unwrap_or_else(|| key.to_owned()),
            Matching::Exact | Matching::Prefix => key.to_owned(),
        }
    }
}

/// Why a change was not made. Nothing of it is in force.
#[derive(Debug)]
pub enum ChangeError {
    /// Entries that are refused: their places among those given, and why.
    Refused(Vec<(usize, String)>),
    /// The disk refused.
    Store(StoreError),
}

impl fmt::Display for ChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChangeError::Refused(faults) => {
                let texts: Vec<_> = faults.iter().map(|(_, why)| why.as_str()).collect();
                f.write_str(&texts.join("; "))
            }
            ChangeError::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ChangeError {}

impl From<StoreError> for ChangeError {
    fn from(error: StoreError) -> ChangeError {
        ChangeError::Store(error)
    }
}

/// Most refused entries that are named; a file with more is wrong as a whole.
const REFUSED_MAX: usize = 100;

/// All lists' entries.
pub struct ListStore {
    store: Store,
    /// Lists whose entries are in the engine's table. Also the turn of writers.
    loaded: Mutex<HashSet<(String, Matching)>>,
}

impl ListStore {
    /// Opens the file of entries, or makes it.
    pub fn open(path: &Path) -> Result<ListStore, StoreError> {
        Ok(ListStore { store: Store::open(path)?, loaded: Mutex::default() })
    }

    /// Puts the entries of a list that a policy declares into the engine's table, unless they are there. Entries whose keys
    /// do not fit the list's way of matching are left out and counted.
    pub fn load(&self, lists: &Lists, list: &KnownList) -> Result<usize, StoreError> {
        let mut loaded = self.turn();
        let mut refused = 0;
        if loaded.insert((list.name.clone(), list.matching)) {
            self.store.for_each(&list.name, |key, fields| {
                refused += usize::from(lists.add(&list.handle, key, fields.expires_ms()).is_err());
            })?;
        }
        Ok(refused)
    }

    /// Puts entries on a list: all of them or none.
    pub fn put(&self, lists: &Lists, list: &KnownList, entries: &[Entry]) -> Result<(), ChangeError> {
        let _turn = self.turn();
        let mut change = self.store.change()?;
        let (mut before, mut refused) = (Vec::with_capacity(entries.len()), Vec::new());
        for (at, entry) in entries.iter().enumerate() {
            match lists.add(&list.handle, &entry.key, entry.fields.expires_ms()) {
                Ok(()) => match change.put(&list.name, entry) {
                    Ok(previous) => before.push((&*entry.key, previous)),
                    Err(error) => {
                        before.push((&*entry.key, None));
                        restore(lists, list, before);
                        return Err(error.into());
                    }
                },
                Err(error) => refused.push((at, error.to_string())),
            }
            if refused.len() >= REFUSED_MAX {
                break;
            }
        }
        if !refused.is_empty() {
            restore(lists, list, before);
            return Err(ChangeError::Refused(refused));
        }
        change.commit().map_err(|error| {
            restore(lists, list, before);
            error.into()
        })
    }

    /// Takes a key off a list; says whether it was on it.
    pub fn remove(&self, lists: &Lists, list: &KnownList, key: &str) -> Result<bool, ChangeError> {
        let _turn = self.turn();
        let mut change = self.store.change()?;
        let was_on = change.remove(&list.name, key)?;
        change.commit()?;
        lists
            .remove(&list.handle, key)
            .map_err(|error| ChangeError::Refused(vec![(0, error.to_string())]))?;
        Ok(was_on)
    }

    /// Takes off entries that have ended; how many.
    pub fn sweep(&self, lists: &Lists, list: &KnownList, now_ms: i64) -> Result<usize, ChangeError> {
        let mut ended = Vec::new();
        self.store.for_each(&list.name, |key, fields| {
            if fields.expires_ms() <= now_ms {
                ended.push(key.to_owned());
            }
        })?;
        let _turn = self.turn();
        let mut change = self.store.change()?;
        let mut removed = 0;
        for key in &ended {
            // It may have been given a new end since it was seen.
            if change.get(&list.name, key)?.is_some_and(|fields| fields.expires_ms() <= now_ms) {
                change.remove(&list.name, key)?;
                let _ = lists.remove(&list.handle, key);
                removed += 1;
            }
        }
        change.commit()?;
        Ok(removed)
    }

    /// The entry of a key.
    pub fn get(&self, list: &str, key: &str) -> Result<Option<EntryFields>, StoreError> {
        self.store.get(list, key)
    }

    /// Up to `count` entries in the order of their keys, those after `after`.
    pub fn page(&self, list: &str, after: &str, count: usize) -> Result<Vec<Entry>, StoreError> {
        self.store.page(list, after, count)
    }

    fn turn(&self) -> std::sync::MutexGuard<'_, HashSet<(String, Matching)>> {
        // A panic elsewhere leaves the set as it was before or after a whole insertion.
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts the engine's table back to what it was before a change that did not reach the disk, newest first.
fn restore(lists: &Lists, list: &KnownList, before: Vec<(&str, Option<EntryFields>)>) {
    for (key, previous) in before.into_iter().rev() {
        // What was in the table a moment ago fits it.
        let _ = match previous {
            Some(fields) => lists.add(&list.handle, key, fields.expires_ms()),
            None => lists.remove(&list.handle, key).map(|_| ()),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::key::Seed;

    fn open(path: &Path) -> (ListStore, Lists, KnownList) {
        let lists = Lists::new(100, Seed::new([1; 16])).unwrap();
        let handle = lists.handle("ips", Matching::Network);
        (
            ListStore::open(path).unwrap(),
            lists,
            KnownList { name: "ips".to_owned(), matching: Matching::Network, handle },
        )
    }

    fn entry(key: &str, expires_ms: Option<i64>) -> Entry {
        let fields = EntryFields { reason: "test".into(), source: "unit".into(), expires_ms, added_ms: 1 };
        Entry { key: key.to_owned(), fields }
    }

    #[test]
    fn entries_are_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lists.redb");
        {
            let (store, lists, list) = open(&path);
            store.put(&lists, &list, &[entry("10.0.0.0/8", None), entry("192.0.2.1", Some(5))]).unwrap();
            assert!(store.remove(&lists, &list, "192.0.2.1").unwrap());
            assert!(!store.remove(&lists, &list, "192.0.2.1").unwrap());
        }
        let (store, lists, list) = open(&path);
        assert_eq!(store.load(&lists, &list).unwrap(), 0);
        assert_eq!(lists.len(), 1);
        assert_eq!(store.get("ips", "10.0.0.0/8").unwrap().unwrap().reason, "test");
        assert_eq!(store.page("ips", "", 10).unwrap().len(), 1);
        assert_eq!(store.page("ips", "10.0.0.0/8", 10).unwrap().len(), 0);
        assert_eq!(store.page("ip", "", 10).unwrap().len(), 0);
    }

    #[test]
    fn a_network_is_one_entry_however_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let (_, _, list) = open(&folder.path().join("lists.redb"));
        for (given, canonical) in [
            ("203.0.113.9/24", "203.0.113.0/24"),
            ("10.0.0.1/32", "10.0.0.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:DB8::1/32", "2001:db8::/32"),
            ("1.2.3.4/0", "0.0.0.0/0"),
            ("::1/0", "::/0"),
            ("1.2.3.4/33", "1.2.3.4/33"),
            ("nowhere", "nowhere"),
        ] {
            assert_eq!(list.canonical(given), canonical);
        }
    }

    #[test]
    fn one_bad_entry_refuses_the_whole_and_leaves_nothing_in_force() {
        let folder = tempfile::tempdir().unwrap();
        let (store, lists, list) = open(&folder.path().join("lists.redb"));
        store.put(&lists, &list, &[entry("10.0.0.1", Some(7))]).unwrap();
        let entries = [entry("10.0.0.1", None), entry("10.0.0.2", None), entry("nowhere", None)];
        let refused = store.put(&lists, &list, &entries).unwrap_err();
        assert!(matches!(&refused, ChangeError::Refused(faults) if faults[0].0 == 2), "{refused}");
        assert_eq!(lists.len(), 1);
        assert_eq!(store.get("ips", "10.0.0.1").unwrap().unwrap().expires_ms, Some(7));
    }

    #[test]
    fn entries_that_have_ended_are_swept() {
        let folder = tempfile::tempdir().unwrap();
        let (store, lists, list) = open(&folder.path().join("lists.redb"));
        store.put(&lists, &list, &[entry("10.0.0.1", Some(7)), entry("10.0.0.2", None)]).unwrap();
        assert_eq!(store.sweep(&lists, &list, 6).unwrap(), 0);
        assert_eq!(store.sweep(&lists, &list, 7).unwrap(), 1);
        assert_eq!(lists.len(), 1);
    }
}
