//! Where the numbers of decisions go on after a start: past the highest one in the journal, so that no two decisions of a
//! data folder ever share a number.

use std::io;
use std::path::{Path, PathBuf};

use engine::record::Record;
use journal::{Entry, Reader};

/// The number after the highest of the newest segment that has any; 1 for a new journal.
pub fn next(journal: &Path) -> io::Result<u64> {
    let mut segments: Vec<PathBuf> =
        std::fs::read_dir(journal)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    segments.retain(|path| path.extension().is_some_and(|extension| extension == "segment"));
    // Names sort as the segments follow each other.
    segments.sort_unstable();
    for segment in segments.iter().rev() {
        if let Some(highest) = highest(segment)? {
            return Ok(highest + 1);
        }
    }
    Ok(1)
}

fn highest(segment: &Path) -> io::Result<Option<u64>> {
    let mut reader = Reader::open_file(segment)?;
    let mut highest = None;
    while let Some(entry) = reader.next_entry() {
        // Damage is the journal's to tell; what can be read says enough here.
        if let Entry::Record(record) = entry
            && let Ok(decision) = Record::decode(record.bytes)
        {
            highest = highest.max(Some(decision.number));
        }
    }
    Ok(highest)
}
