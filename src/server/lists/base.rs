//! A file of a list's entries in the order of their keys, written once and never changed: what the list said at one moment.
//!
//! ```text
//! magic 8 | blocks | index | tail | BLAKE3 of index and tail, 32: the root
//! index: for each block: offset 8 | bytes 4 | BLAKE3 of the block, 32 | bytes of its first key 2 | that key
//! tail:  offset of the index 8 | blocks 8 | entries 8 | generation 8 | change 8 | number of the log's record 8
//! entry: bytes of key, reason, source and by, 2 each | end 8 (the lowest number: never) | added 8 | the four texts
//! ```
//!
//! Numbers are little-endian. The root stands in the catalogue too, so that no bit of the file can change unseen: index and tail
//! are verified as it is opened, a block each time it is read.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::entry::{Entry, EntryFields};
use super::image::Moment;
use super::store::StoreError;
use crate::files;

const MAGIC: [u8; 8] = *b"riskdle1";
const TAIL_BYTES: usize = 6 * 8;
/// BLAKE3 of index and tail.
pub(super) type Root = [u8; blake3::OUT_LEN];
/// A block is closed once it has so many bytes: few enough to be read for one entry, enough for a small index.
const BLOCK_BYTES: usize = 16 << 10;
/// Lengths of the four texts, end, and time of addition.
const ENTRY_HEAD_BYTES: usize = 4 * 2 + 2 * 8;
/// What stands for an entry without an end.
const NEVER: i64 = i64::MIN;

/// What a file is of, beside its entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// How many entries there are.
    pub entries: u64,
    /// Generation and latest change.
    pub moment: Moment,
    /// The latest record of the log whose changes it has.
    pub record: u64,
}

struct Block {
    offset: u64,
    bytes: usize,
    hash: [u8; blake3::OUT_LEN],
    first: String,
}

/// A file of entries, open for reading.
pub(super) struct Base {
    path: PathBuf,
    file: File,
    blocks: Vec<Block>,
    facts: Facts,
    root: Root,
    /// The block that was read last: neighbours in the order of keys are asked for one after the other.
    latest: Mutex<Option<(usize, Arc<Vec<u8>>)>>,
}

impl Base {
    /// Opens a file and verifies all but its blocks.
    pub fn open(path: &Path) -> Result<Base, StoreError> {
        let damaged = |what: &str| StoreError::Damaged(format!("{}: {what}", path.display()));
        let file = File::open(path).map_err(|error| StoreError::at(path, &error))?;
        let bytes = file.metadata().map_err(|error| StoreError::at(path, &error))?.len();
        let ending = (TAIL_BYTES + blake3::OUT_LEN) as u64;
        if bytes < MAGIC.len() as u64 + ending {
            return Err(damaged("it is cut short"));
        }
        let read = |from: u64, bytes: u64| {
            let mut buffer = vec![0; bytes as usize];
            file.read_exact_at(&mut buffer, from).map_err(|error| StoreError::at(path, &error))?;
            Ok::<_, StoreError>(buffer)
        };
        let tail = read(bytes - ending, ending)?;
        let number = |at: usize| u64_at(&tail, at * 8);
        let (index_at, index_end) = (number(0), bytes - ending);
        if !(MAGIC.len() as u64..=index_end).contains(&index_at) || read(0, MAGIC.len() as u64)? != MAGIC {
            return Err(damaged("it is damaged, or cut short"));
        }
        let index = read(index_at, index_end - index_at)?;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&index).update(&tail[..TAIL_BYTES]);
        let root = hasher.finalize();
        if root != tail[TAIL_BYTES..] {
            return Err(damaged("its index is damaged, or it is cut short"));
        }
        let blocks = read_index(&index).filter(|blocks| blocks.len() as u64 == number(1));
        let blocks = blocks.ok_or_else(|| damaged("its index is not one"))?;
        let moment = Moment { generation: number(3), change: number(4) };
        let facts = Facts { entries: number(2), moment, record: number(5) };
        Ok(Base { path: path.to_owned(), file, blocks, facts, root: root.into(), latest: Mutex::default() })
    }

    pub fn facts(&self) -> Facts {
        self.facts
    }

    pub fn root(&self) -> Root {
        self.root
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The entry of a key.
    pub fn get(&self, key: &str) -> Result<Option<EntryFields>, StoreError> {
        let after = self.blocks.partition_point(|block| block.first.as_str() <= key);
        let Some(at) = after.checked_sub(1) else { return Ok(None) };
        let block = self.block(at)?;
        let mut rest = &block[..];
        while let Some((found, entry)) = split(rest) {
            if found.key == key.as_bytes() {
                return self.entry(found).map(|entry| Some(entry.fields));
            }
            rest = entry;
        }
        Ok(None)
    }

    /// Entries in the order of their keys, from the block on in which that key would be.
    pub fn from(self: &Arc<Base>, key: &str) -> Iter {
        let after = self.blocks.partition_point(|block| block.first.as_str() <= key);
        Iter { base: self.clone(), next: after.saturating_sub(1), block: Arc::default(), at: 0 }
    }

    fn block(&self, at: usize) -> Result<Arc<Vec<u8>>, StoreError> {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, block)) = latest.as_ref().filter(|(known, _)| *known == at) {
            return Ok(block.clone());
        }
        let Block { offset, bytes, hash, .. } = &self.blocks[at];
        let mut block = vec![0; *bytes];
        self.file.read_exact_at(&mut block, *offset).map_err(|error| StoreError::at(&self.path, &error))?;
        if blake3::hash(&block) != *hash {
            return Err(self.damaged(*offset));
        }
        let block = Arc::new(block);
        *latest = Some((at, block.clone()));
        Ok(block)
    }

    fn entry(&self, found: Found<'_>) -> Result<Entry, StoreError> {
        let text = |bytes: &[u8]| std::str::from_utf8(bytes).map(str::to_owned);
        let read = || {
            Ok::<_, std::str::Utf8Error>(Entry {
                key: text(found.key)?,
                fields: EntryFields {
                    reason: text(found.reason)?,
                    source: text(found.source)?,
                    by: text(found.by)?,
                    expires_ms: Some(found.expires_ms).filter(|&ms| ms != NEVER),
                    added_ms: found.added_ms,
                },
            })
        };
        read().map_err(|_| self.damaged(0))
    }

    fn damaged(&self, offset: u64) -> StoreError {
        StoreError::Damaged(format!(
            "{}: the block at byte {offset} is damaged; replace the list, or restore the data folder",
            self.path.display()
        ))
    }
}

/// Entries of a file, one after the other.
pub(super) struct Iter {
    base: Arc<Base>,
    next: usize,
    block: Arc<Vec<u8>>,
    at: usize,
}

impl Iterator for Iter {
    type Item = Result<Entry, StoreError>;

    fn next(&mut self) -> Option<Result<Entry, StoreError>> {
        while self.at >= self.block.len() {
            if self.next >= self.base.blocks.len() {
                return None;
            }
            self.block = match self.base.block(self.next) {
                Ok(block) => block,
                Err(error) => {
                    // Nothing after it either: whoever goes on would take a part for the whole.
                    self.next = self.base.blocks.len();
                    return Some(Err(error));
                }
            };
            (self.next, self.at) = (self.next + 1, 0);
        }
        let block = self.block.clone();
        let Some((found, rest)) = split(&block[self.at..]) else {
            (self.next, self.at) = (self.base.blocks.len(), block.len());
            return Some(Err(self.base.damaged(0)));
        };
        self.at = block.len() - rest.len();
        Some(self.base.entry(found))
    }
}

/// Writes a file of entries that come in the order of their keys; of several with one key the last counts.
///
/// # Errors
/// The first error of the entries, or the disk. There is no file then.
pub(super) fn write(
    path: &Path,
    facts: Facts,
    entries: impl Iterator<Item = Result<Entry, StoreError>>,
) -> Result<Base, StoreError> {
    let mut error = None;
    let written = files::write_whole(path, |file| {
        let mut writer = Writer::new(BufWriter::with_capacity(1 << 20, file));
        writer.out.write_all(&MAGIC)?;
        let mut held: Option<Entry> = None;
        for entry in entries {
            let entry = entry.map_err(|failed| {
                error = Some(failed);
                io::Error::from(io::ErrorKind::Other)
            })?;
            if let Some(before) = held.replace(entry)
                && held.as_ref().is_some_and(|entry| entry.key != before.key)
            {
                writer.put(&before)?;
            }
        }
        held.iter().try_for_each(|entry| writer.put(entry))?;
        writer.finish(facts)
    });
    match (error, written) {
        (Some(error), _) => Err(error),
        (None, Err(error)) => Err(StoreError::at(path, &error)),
        // Read again from the disk's point of view: what was not written as meant must not be believed.
        (None, Ok(())) => Base::open(path),
    }
}

struct Writer<W> {
    out: W,
    block: Vec<u8>,
    first: String,
    offset: u64,
    index: Vec<u8>,
    blocks: u64,
    entries: u64,
}

impl<W: Write> Writer<W> {
    fn new(out: W) -> Writer<W> {
        let offset = MAGIC.len() as u64;
        let (block, index) = (Vec::with_capacity(2 * BLOCK_BYTES), Vec::new());
        Writer { out, block, first: String::new(), offset, index, blocks: 0, entries: 0 }
    }

    fn put(&mut self, Entry { key, fields }: &Entry) -> io::Result<()> {
        if self.block.is_empty() {
            self.first.clone_from(key);
        }
        let EntryFields { reason, source, by, expires_ms, added_ms } = fields;
        let texts = [key, reason, source, by];
        for text in texts {
            // Texts of entries are at most 512 bytes.
            self.block.extend((text.len() as u16).to_le_bytes());
        }
        self.block.extend(expires_ms.unwrap_or(NEVER).to_le_bytes());
        self.block.extend(added_ms.to_le_bytes());
        texts.iter().for_each(|text| self.block.extend(text.as_bytes()));
        self.entries += 1;
        if self.block.len() >= BLOCK_BYTES { self.close() } else { Ok(()) }
    }

    fn close(&mut self) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        self.out.write_all(&self.block)?;
        self.index.extend(self.offset.to_le_bytes());
        self.index.extend((self.block.len() as u32).to_le_bytes());
        self.index.extend(blake3::hash(&self.block).as_bytes());
        self.index.extend((self.first.len() as u16).to_le_bytes());
        self.index.extend(self.first.as_bytes());
        self.offset += self.block.len() as u64;
        self.blocks += 1;
        self.block.clear();
        Ok(())
    }

    fn finish(mut self, facts: Facts) -> io::Result<()> {
        self.close()?;
        let Moment { generation, change } = facts.moment;
        let mut ending = std::mem::take(&mut self.index);
        for number in [self.offset, self.blocks, self.entries, generation, change, facts.record] {
            ending.extend(number.to_le_bytes());
        }
        let root = blake3::hash(&ending);
        self.out.write_all(&ending)?;
        self.out.write_all(root.as_bytes())?;
        self.out.flush()
    }
}

/// An entry as it lies in a block.
#[derive(Clone, Copy)]
struct Found<'a> {
    key: &'a [u8],
    reason: &'a [u8],
    source: &'a [u8],
    by: &'a [u8],
    expires_ms: i64,
    added_ms: i64,
}

/// The first entry of some bytes, and the rest.
fn split(bytes: &[u8]) -> Option<(Found<'_>, &[u8])> {
    let (head, mut rest) = bytes.split_first_chunk::<ENTRY_HEAD_BYTES>()?;
    let mut text = |at: usize| {
        let length = usize::from(u16::from_le_bytes([head[at], head[at + 1]]));
        let (text, after) = rest.split_at_checked(length)?;
        rest = after;
        Some(text)
    };
    let (key, reason, source, by) = (text(0)?, text(2)?, text(4)?, text(6)?);
    let number = |at: usize| u64_at(head, at).cast_signed();
    Some((Found { key, reason, source, by, expires_ms: number(8), added_ms: number(16) }, rest))
}

fn read_index(mut index: &[u8]) -> Option<Vec<Block>> {
    let mut blocks = Vec::new();
    while !index.is_empty() {
        let (head, rest) = index.split_first_chunk::<{ 8 + 4 + blake3::OUT_LEN + 2 }>()?;
        let (key, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes([head[44], head[45]])))?;
        let mut hash = [0; blake3::OUT_LEN];
        hash.copy_from_slice(&head[12..44]);
        let bytes = u32::from_le_bytes([head[8], head[9], head[10], head[11]]) as usize;
        let first = std::str::from_utf8(key).ok()?.to_owned();
        blocks.push(Block { offset: u64_at(head, 0), bytes, hash, first });
        index = rest;
    }
    Some(blocks)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}
