//! The seed of the hashes that stand for identifiers in tables and journals: 16 bytes in a file beside the journal, with a
//! checksum, since another seed would make every hash a stranger's.

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Name of the file in a data folder.
const FILE: &str = "hash.seed";

/// Bytes of a seed, and of its checksum.
const SEED_BYTES: usize = 16;

/// Why there is no seed.
#[derive(Debug)]
pub enum SeedError {
    /// The file cannot be read.
    File(PathBuf, io::Error),
    /// The file holds something else than a seed with its checksum.
    Damaged(PathBuf),
}

impl fmt::Display for SeedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SeedError::File(path, error) => write!(f, "{}: {error}", path.display()),
            SeedError::Damaged(path) => write!(f, "{}: it is damaged or cut short", path.display()),
        }
    }
}

impl std::error::Error for SeedError {}

/// Where the seed of a data folder lies.
pub fn seed_path(data: &Path) -> PathBuf {
    data.join(FILE)
}

/// What the file of a seed holds: the seed and its checksum.
pub fn seed_file(seed: &[u8; SEED_BYTES]) -> Vec<u8> {
    [seed, &blake3::hash(seed).as_bytes()[..SEED_BYTES]].concat()
}

/// The seed of a data folder. A file without a checksum is taken, as versions before it wrote it.
///
/// # Errors
/// If there is no such file, or it is damaged.
pub fn read_seed(data: &Path) -> Result<[u8; SEED_BYTES], SeedError> {
    let path = seed_path(data);
    let mut bytes = Vec::new();
    // One byte more than there should be is enough to see that it is none.
    let read = std::fs::File::open(&path)
        .and_then(|file| file.take(2 * SEED_BYTES as u64 + 1).read_to_end(&mut bytes));
    if let Err(error) = read {
        return Err(SeedError::File(path, error));
    }
    match bytes.split_first_chunk::<SEED_BYTES>() {
        Some((seed, [])) => Ok(*seed),
        Some((seed, _)) if bytes == seed_file(seed) => Ok(*seed),
        _ => Err(SeedError::Damaged(path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_read_with_and_without_its_checksum_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let write = |bytes: &[u8]| std::fs::write(seed_path(folder.path()), bytes).unwrap();
        let seed = [9; 16];
        for good in [seed.to_vec(), seed_file(&seed)] {
            write(&good);
            assert_eq!(read_seed(folder.path()).unwrap(), seed);
        }
        let whole = seed_file(&seed);
        for bad in [&whole[..15], &whole[..31], &[whole.clone(), vec![0]].concat(), &[9; 32], b""] {
            write(bad);
            assert!(matches!(read_seed(folder.path()), Err(SeedError::Damaged(_))), "{bad:?}");
        }
    }
}
