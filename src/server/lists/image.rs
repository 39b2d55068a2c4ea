//! The image of a list: hashes and ends of its entries as of one change, so that a start reads 24 bytes an entry in one go
//! and hashes nothing. It is made from the store and can be thrown away: an image that is torn, altered, of another seed,
//! list, generation or time is found out, and the list is read from the store instead.
//!
//! ```text
//! magic 8 | generation 8 | change 8 | entries 8 | prefix lengths 3 × 8 | matching 1 | length of name 1 | 0 × 6 | name
//! entries × (hash 16 | end 8)
//! keyed BLAKE3 of all before, 32
//! ```
//!
//! Numbers are little-endian. The key comes from the seed of the hashes, which are worth nothing under another.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use engine::lists::{Draft, ListError, Lists};
use engine::policy::Matching;

use super::KnownList;
use crate::files;

const MAGIC: [u8; 8] = *b"riskdli1";
const HEAD_BYTES: usize = 64;
const ENTRY_BYTES: usize = 24;
const CHECK_BYTES: usize = blake3::OUT_LEN;
/// Entries read or written at once.
const CHUNK_ENTRIES: usize = 1 << 14;

/// What an image is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Generation of the list's entries.
    pub generation: u64,
    /// The latest change that it has.
    pub change: u64,
}

/// Why an image is of no use.
#[derive(Debug)]
pub enum ImageFault {
    /// It could not be read.
    Io(io::Error),
    /// It is not what its checksum or its length says, or was made under another seed.
    Torn,
    /// It is another list's, or the same list's under another way of matching.
    Other,
    /// It is older than what the store can bring up to date, or newer than the store.
    Stale,
    /// Its entries find no room.
    Room(ListError),
}

impl fmt::Display for ImageFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImageFault::Io(error) => error.fmt(f),
            ImageFault::Torn => f.write_str("it is torn, altered or of another seed"),
            ImageFault::Other => f.write_str("it is another list's"),
            ImageFault::Stale => f.write_str("it is older than the changes that are kept"),
            ImageFault::Room(error) => error.fmt(f),
        }
    }
}

impl From<io::Error> for ImageFault {
    fn from(error: io::Error) -> ImageFault {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => ImageFault::Torn,
            _ => ImageFault::Io(error),
        }
    }
}

/// Writes the image of a list that nobody changes meanwhile.
pub fn write(path: &Path, lists: &Lists, list: &KnownList, moment: Moment) -> io::Result<()> {
    files::write_whole(path, |file| {
        let mut summed = Summed { file, hasher: hasher(lists) };
        // The prefix lengths stand before the entries, whose number is known only when all were seen.
        let mut entries = 0_u64;
        let lengths = lists.each(&list.handle, |_, _| entries += 1);
        let mut head = Vec::with_capacity(HEAD_BYTES + list.name.len());
        head.extend(MAGIC);
        for number in [moment.generation, moment.change, entries].into_iter().chain(lengths) {
            head.extend(number.to_le_bytes());
        }
        head.extend([hashing_code(list), list.name.len() as u8, 0, 0, 0, 0, 0, 0]);
        head.extend(list.name.as_bytes());
        summed.write_all(&head)?;
        let mut chunk = Vec::with_capacity(CHUNK_ENTRIES * ENTRY_BYTES);
        let mut result = Ok(());
        lists.each(&list.handle, |hash, expires_ms| {
            chunk.extend(hash.to_le_bytes());
            chunk.extend(expires_ms.to_le_bytes());
            if chunk.len() == CHUNK_ENTRIES * ENTRY_BYTES {
                if result.is_ok() {
                    result = summed.write_all(&chunk);
                }
                chunk.clear();
            }
        });
        result?;
        summed.write_all(&chunk)?;
        let Summed { file, hasher } = summed;
        file.write_all(hasher.finalize().as_bytes())
    })
}

/// Reads the image of a list, without the entries that had ended by then.
pub fn read(
    path: &Path,
    lists: &Lists,
    list: &KnownList,
    fits: impl FnOnce(Moment) -> bool,
    ended_by_ms: i64,
) -> Result<(Moment, Draft), ImageFault> {
    let file = File::open(path)?;
    let bytes = file.metadata()?.len();
    read_from(file, bytes, lists, list, fits, ended_by_ms)
}

/// Reads an image of that many bytes. Nothing is taken from memory but for entries whose bytes are there.
pub fn read_from(
    mut file: impl Read,
    bytes: u64,
    lists: &Lists,
    list: &KnownList,
    fits: impl FnOnce(Moment) -> bool,
    ended_by_ms: i64,
) -> Result<(Moment, Draft), ImageFault> {
    let mut hasher = hasher(lists);
    let mut head = [0; HEAD_BYTES];
    file.read_exact(&mut head)?;
    hasher.update(&head);
    let number = |at: usize| {
        let mut number = [0; 8];
        number.copy_from_slice(&head[at..at + 8]);
        u64::from_le_bytes(number)
    };
    let (moment, entries) = (Moment { generation: number(8), change: number(16) }, number(24));
    let name_bytes = usize::from(head[57]);
    let whole = entries
        .checked_mul(ENTRY_BYTES as u64)
        .and_then(|body| body.checked_add((HEAD_BYTES + name_bytes + CHECK_BYTES) as u64));
    if head[..8] != MAGIC || whole != Some(bytes) {
        return Err(ImageFault::Torn);
    }
    let mut name = [0; u8::MAX as usize];
    file.read_exact(&mut name[..name_bytes])?;
    hasher.update(&name[..name_bytes]);
    // The checksum covers these too, but why read the rest of what cannot be used?
    if name[..name_bytes] != *list.name.as_bytes() || head[56] != hashing_code(list) {
        return Err(ImageFault::Other);
    }
    if !fits(moment) {
        return Err(ImageFault::Stale);
    }
    let room = usize::try_from(entries).map_err(|_| ImageFault::Torn)?;
    let mut draft = lists.draft(room).map_err(ImageFault::Room)?;
    draft.add_lengths(std::array::from_fn(|at| number(32 + at * 8)));
    let mut chunk = vec![0; CHUNK_ENTRIES.min(room) * ENTRY_BYTES];
    let mut left = room;
    while left > 0 {
        let chunk = &mut chunk[..left.min(CHUNK_ENTRIES) * ENTRY_BYTES];
        file.read_exact(chunk)?;
        hasher.update(chunk);
        for entry in chunk.as_chunks::<ENTRY_BYTES>().0 {
            let (mut hash, mut expires) = ([0; 16], [0; 8]);
            hash.copy_from_slice(&entry[..16]);
            expires.copy_from_slice(&entry[16..]);
            let expires_ms = i64::from_le_bytes(expires);
            if expires_ms > ended_by_ms {
                draft.put_hash(u128::from_le_bytes(hash), expires_ms).map_err(ImageFault::Room)?;
            }
        }
        left -= chunk.len() / ENTRY_BYTES;
    }
    let mut check = [0; CHECK_BYTES];
    file.read_exact(&mut check)?;
    // Compared in constant time, and only now is any of it believed.
    if hasher.finalize() != check {
        return Err(ImageFault::Torn);
    }
    Ok((moment, draft))
}

fn hasher(lists: &Lists) -> blake3::Hasher {
    blake3::Hasher::new_keyed(&blake3::derive_key("riskd image of a list", &lists.file_key()))
}

/// What a list's hashes are made of: the way of matching and the form of its values.
pub(super) fn hashing_code(list: &KnownList) -> u8 {
    let matching = match list.matching {
        Matching::Exact => 0,
        Matching::Network => 1,
        Matching::Prefix => 2,
    };
    (list.form as u8) << 2 | matching
}

/// A file and the checksum of what was written.
struct Summed<'a> {
    file: &'a mut File,
    hasher: blake3::Hasher,
}

impl Write for Summed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
