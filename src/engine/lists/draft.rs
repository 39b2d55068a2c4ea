//! A list in the making: a table that nobody reads yet.

use super::{Entries, Hash, ListError, ListKey, Put};

/// A list to be, apart from those in force; [`Lists::replace`](super::Lists::replace) puts it in force.
pub struct Draft {
    pub(super) entries: Entries,
    capacity: u64,
}

impl Draft {
    pub(super) fn new(entries: usize, capacity: u64) -> Result<Draft, ListError> {
        if entries as u64 > capacity {
            return Err(ListError::Full { capacity });
        }
        Ok(Draft { entries: Entries::with_room(entries).ok_or(ListError::NoMemory)?, capacity })
    }

    /// Puts an entry; one already there gets the new end.
    ///
    /// # Errors
    /// [`ListError`] if there is no room.
    pub fn put(&mut self, key: ListKey, expires_ms: i64) -> Result<(), ListError> {
        self.put_hash(key.hash, expires_ms)?;
        self.entries.lengths.add(key);
        Ok(())
    }

    /// Puts an entry by its hash, as [`Lists::each`](super::Lists::each) told it.
    ///
    /// # Errors
    /// [`ListError`] if there is no room.
    pub fn put_hash(&mut self, hash: Hash, expires_ms: i64) -> Result<(), ListError> {
        if self.entries.put(hash, expires_ms, i64::MIN) == Put::NoRoom {
            let more = self.entries.len() as usize / 4 + 1;
            self.entries = self.entries.anew(more, i64::MIN).ok_or(ListError::NoMemory)?;
            self.entries.put(hash, expires_ms, i64::MIN);
        }
        if self.entries.len() > self.capacity {
            return Err(ListError::Full { capacity: self.capacity });
        }
        Ok(())
    }

    /// Takes an entry out.
    pub fn remove(&mut self, key: ListKey) {
        self.entries.remove(key.hash);
    }

    /// Adds prefix lengths, as [`Lists::each`](super::Lists::each) told them.
    pub fn add_lengths(&mut self, bits: [u64; 3]) {
        self.entries.lengths.join(bits);
    }

    /// Entries so far.
    pub fn len(&self) -> u64 {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
