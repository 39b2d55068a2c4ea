//! Reads the log of changes at a start.

use std::collections::HashMap;
use std::path::Path;

use journal::{FaultKind, Reader};

use super::catalogue::Catalogue;
use super::change::Together;
use super::held::Held;
use super::store::StoreError;

/// Makes the changes of the log that files of entries do not have.
pub(super) fn replay(
    path: &Path,
    catalogue: &Catalogue,
    lists: &mut HashMap<String, Held>,
) -> Result<(), StoreError> {
    let damaged = |what: String| StoreError::Damaged(format!("{}: {what}", path.display()));
    let mut reader = Reader::open(path).map_err(|error| StoreError::at(path, &error))?;
    let (mut together, mut first, mut oldest) = (Together::default(), 0, None);
    while let Some(entry) = reader.next_entry() {
        let record = match entry {
            journal::Entry::Record(record) => record,
            // Cut off by now.
            journal::Entry::Fault(fault) if matches!(fault.kind, FaultKind::CutTail { .. }) => continue,
            journal::Entry::Fault(fault) => {
                return Err(damaged(format!("{fault}; restore the folder from a back-up")));
            }
        };
        // Gaps further on are records that were refused: what was taken out there breaks the chain.
        if *oldest.get_or_insert(record.number) > catalogue.log_from {
            let (from, to) = (catalogue.log_from, record.number - 1);
            return Err(damaged(format!("its records {from} to {to} are gone")));
        }
        let whole = together
            .take(record.bytes)
            .map_err(|error| damaged(format!("record {}: {error}", record.number)))?;
        let Some(part) = whole else {
            first = if first == 0 { record.number } else { first };
            continue;
        };
        let began = if first == 0 { record.number } else { first };
        first = 0;
        let has =
            lists.get(&part.list).and_then(|held| held.base.as_ref()).map_or(0, |base| base.facts().record);
        if !part.list.is_empty() && record.number > has {
            lists.entry(part.list.clone()).or_default().apply(part, began);
        }
    }
    if oldest.is_none() && catalogue.log_from < catalogue.log_until {
        return Err(damaged("its records are gone".to_owned()));
    }
    Ok(())
}
