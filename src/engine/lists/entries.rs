//! The entries of one list: an open-addressing table that one writer changes while any number of checks read it.
//!
//! A slot is three words: the whole 128-bit hash, so that two keys are confused with a probability of 2^-128 whatever the
//! table's size, and the time its entry ends. Before the slots stand their tags, a byte each: seven bits of the hash, free,
//! or freed. Eight of them are one word, read and compared at once; a value that is on no list, as nearly all are, costs
//! that one word, and the tags of ten million entries are 13 MB, those of a small list a few cache lines.
//!
//! A freed slot is marked only in a group of eight that has no free slot (no search passes through any other), marks count
//! as taken, and a table that is taken to [`FULL`] is to be made anew without them: they cannot pile up.

use super::slot::Slot;
use super::{Hash, Lengths};
use crate::table::{Memory, Ordering, Word};

/// Slots of a group: the tags of a word.
const GROUP: usize = 8;
/// Tags of a slot that was never taken since the table was made, and of one that was freed.
const FREE: u8 = 0;
const FREED: u8 = 1;
/// The bit of tags that stand for an entry.
const TAKEN: u8 = 0x80;
const LOWS: u64 = u64::from_ne_bytes([1; GROUP]);
const HIGHS: u64 = LOWS << 7;

/// Share of slots that may be taken, in eighths: searches for what is not there stay at about two groups.
const FULL: usize = 7;
/// A new table has this many slots for three entries: 33 bytes an entry, and a sixth more finds room.
const SLOTS_FOR_THREE: usize = 4;
/// A table of more groups than this that is less than a quarter full gives memory back when it is made anew.
const SPARSE_GROUPS_MIN: usize = 1 << 10;

/// What became of an entry that was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is new, or took the place of one that had ended.
    Done,
    /// The table is taken to its bound: it has to be made anew.
    NoRoom,
}

/// The entries of one list.
pub struct Entries {
    memory: Memory,
    groups: usize,
    /// Slots that hold an entry, and those that hold one or are marked as freed. Only the writer changes them.
    standing: Word,
    taken: Word,
    pub(super) lengths: Lengths,
}

impl Entries {
    /// A table with room for that many entries and a sixth more; `None` if there is no memory for it.
    pub fn with_room(entries: usize) -> Option<Entries> {
        let slots = entries.checked_mul(SLOTS_FOR_THREE)? / 3 + 1;
        let groups = slots.div_ceil(GROUP);
        let memory = Memory::new(groups.checked_mul(1 + GROUP * Slot::WORDS)?)?;
        let (standing, taken) = (Word::new(0), Word::new(0));
        Some(Entries { memory, groups, standing, taken, lengths: Lengths::default() })
    }

    /// The same entries without those that had ended and without marks, and room for some more.
    pub fn anew(&self, more: usize, ended_by_ms: i64) -> Option<Entries> {
        let kept = self.len() - self.ended(ended_by_ms);
        let fresh = Entries::with_room((kept as usize).checked_add(more)?)?;
        // In the order of slots, which is nearly that of the fresh table's: memory is gone through once.
        self.each(|hash, expires_ms| {
            if expires_ms > ended_by_ms {
                fresh.put(hash, expires_ms, ended_by_ms);
            }
        });
        fresh.lengths.join(self.lengths.bits());
        Some(fresh)
    }

    /// Whether an entry of that hash is in force at that time. Any thread.
    pub fn live(&self, hash: Hash, at_ms: i64) -> bool {
        self.search(hash, |slot| self.slot(slot).live(hash, at_ms)).unwrap_or(false)
    }

    /// Whether an entry of that hash stands, in force or not. The writer alone.
    pub fn stands(&self, hash: Hash) -> bool {
        self.find(hash).is_some()
    }

    /// Brings the first tags of a hash into the cache.
    pub fn prefetch(&self, hash: Hash) {
        self.memory.prefetch_line(self.home(hash));
    }

    /// Puts an entry, or gives the one that is there a new end. An entry that had ended by `ended_by_ms` is as good as none.
    /// The writer alone.
    pub fn put(&self, hash: Hash, expires_ms: i64, ended_by_ms: i64) -> Put {
        let (mut room, mut fresh) = (None, false);
        for group in self.chain(hash) {
            let tags = self.tags(group);
            for (at, tag) in tags.to_le_bytes().into_iter().enumerate() {
                let slot = group * GROUP + at;
                if tag == tag_of(hash) && self.slot(slot).holds(hash) {
                    self.slot(slot).date(expires_ms);
                    return Put::Done;
                }
                let ended = tag & TAKEN != 0 && self.slot(slot).entry().1 <= ended_by_ms;
                if room.is_none() && (ended || tag < TAKEN) {
                    (room, fresh) = (Some(slot), tag == FREE);
                }
            }
            if has_free(tags) {
                break;
            }
        }
        let Some(slot) = room else { return Put::NoRoom };
        if fresh && self.taken.load(Ordering::Relaxed) >= self.taken_max() {
            return Put::NoRoom;
        }
        self.fill(slot, hash, expires_ms);
        self.taken.fetch_add(u64::from(fresh), Ordering::Relaxed);
        Put::Done
    }

    /// Takes an entry out; whether it was there. The writer alone.
    pub fn remove(&self, hash: Hash) -> bool {
        let Some(slot) = self.find(hash) else { return false };
        // A group that has a free slot has always had one, so no entry stands behind it that was turned away here.
        let free = has_free(self.tags(slot / GROUP));
        self.slot(slot).end();
        self.tag(slot, if free { FREE } else { FREED });
        self.standing.fetch_sub(1, Ordering::Relaxed);
        self.taken.fetch_sub(u64::from(free), Ordering::Relaxed);
        true
    }

    /// Visits all entries and their ends, in the order of their slots.
    pub fn each(&self, mut visit: impl FnMut(Hash, i64)) {
        for group in 0..self.groups {
            for (at, tag) in self.tags(group).to_le_bytes().into_iter().enumerate() {
                if tag & TAKEN != 0 {
                    let (hash, expires_ms) = self.slot(group * GROUP + at).entry();
                    visit(hash, expires_ms);
                }
            }
        }
    }

    /// Entries that had ended by then.
    pub fn ended(&self, ended_by_ms: i64) -> u64 {
        let mut ended = 0;
        self.each(|_, expires_ms| ended += u64::from(expires_ms <= ended_by_ms));
        ended
    }

    /// Entries standing, ended ones that nobody has replaced yet among them.
    pub(super) fn len(&self) -> u64 {
        self.standing.load(Ordering::Relaxed)
    }

    /// Whether that many more find room whatever their hashes.
    pub fn has_room(&self, more: usize) -> bool {
        self.taken.load(Ordering::Relaxed).saturating_add(more as u64) <= self.taken_max()
    }

    /// Whether most of its memory serves nobody.
    pub fn is_sparse(&self) -> bool {
        self.groups > SPARSE_GROUPS_MIN && self.len() < (self.groups * GROUP / 4) as u64
    }

    /// Bytes of memory taken.
    pub fn bytes(&self) -> u64 {
        (self.groups * (1 + GROUP * Slot::WORDS) * size_of::<Word>()) as u64
    }

    /// Groups that a search for what is not there goes through.
    #[cfg(test)]
    pub fn groups_searched(&self, hash: Hash) -> usize {
        1 + self.chain(hash).take_while(|&group| !has_free(self.tags(group))).count()
    }

    fn taken_max(&self) -> u64 {
        // At least one slot stays free, so that every search ends.
        (self.groups * GROUP * FULL / 8) as u64
    }

    /// Asks about every slot whose tag is that of the hash, until one is the answer or there can be no more.
    fn search<T>(&self, hash: Hash, mut ask: impl FnMut(usize) -> Option<T>) -> Option<T> {
        let wanted = LOWS * u64::from(tag_of(hash));
        for group in self.chain(hash) {
            let tags = self.tags(group);
            // Bytes equal to the tag; now and then the one above such a byte too, which the slot itself refutes.
            let differing = tags ^ wanted;
            let mut same = differing.wrapping_sub(LOWS) & !differing & HIGHS;
            while same != 0 {
                if let Some(answer) = ask(group * GROUP + same.trailing_zeros() as usize / 8) {
                    return Some(answer);
                }
                same &= same - 1;
            }
            if has_free(tags) {
                break;
            }
        }
        None
    }

    /// The slot of an entry. The writer alone.
    fn find(&self, hash: Hash) -> Option<usize> {
        self.search(hash, |slot| self.slot(slot).holds(hash).then_some(slot))
    }

    fn home(&self, hash: Hash) -> usize {
        ((u128::from(hash as u64) * self.groups as u128) >> 64) as usize
    }

    /// Groups in the order in which a hash takes them.
    fn chain(&self, hash: Hash) -> impl Iterator<Item = usize> {
        let home = self.home(hash);
        (home..self.groups).chain(0..home)
    }

    fn tags(&self, group: usize) -> u64 {
        self.memory.words()[group].load(Ordering::Acquire)
    }

    fn tag(&self, slot: usize, tag: u8) {
        let shift = slot % GROUP * 8;
        let tags = self.tags(slot / GROUP) & !(0xff << shift) | u64::from(tag) << shift;
        self.memory.words()[slot / GROUP].store(tags, Ordering::Release);
    }

    fn slot(&self, slot: usize) -> Slot<'_> {
        let first = self.groups + slot * Slot::WORDS;
        // Slots are numbered below `groups * GROUP`, and the memory was made for as many.
        Slot(self.memory.words()[first..].first_chunk().expect("a slot of this table"))
    }

    fn fill(&self, slot: usize, hash: Hash, expires_ms: i64) {
        let was_taken = self.tags(slot / GROUP).to_le_bytes()[slot % GROUP] & TAKEN != 0;
        self.slot(slot).fill(hash, expires_ms);
        self.tag(slot, tag_of(hash));
        self.standing.fetch_add(u64::from(!was_taken), Ordering::Relaxed);
    }
}

/// Seven bits of the half that does not say where the entry stands.
fn tag_of(hash: Hash) -> u8 {
    (hash >> 120) as u8 | TAKEN
}

/// Whether a slot of the group was never taken: exact, for the lowest byte found to be zero is one.
fn has_free(tags: u64) -> bool {
    tags.wrapping_sub(LOWS) & !tags & HIGHS != 0
}
