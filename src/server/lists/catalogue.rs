//! The catalogue of the lists: which file of entries each list has, and how far the log reaches. It is one small file, replaced
//! as a whole; that it was is what makes a replaced list the one in force.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::store::StoreError;
use crate::files;

/// Its name in the folder of the lists.
pub(super) const NAME: &str = "catalogue.json";
const VERSION: u32 = 1;

/// Which files make up the lists.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Catalogue {
    pub version: u32,
    /// Records of the log below this one are in files of entries, and may be gone.
    pub log_from: u64,
    /// The log has at least all records below this one.
    pub log_until: u64,
    pub lists: Vec<Listed>,
}

/// A list that has a file of entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listed {
    pub list: String,
    pub file: String,
    /// The root of that file.
    pub root: String,
}

impl Catalogue {
    /// Reads it; none if there is none.
    pub fn read(folder: &Path) -> Result<Option<Catalogue>, StoreError> {
        let path = folder.join(NAME);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::at(&path, &error)),
        };
        let damaged = |what: &str| StoreError::Damaged(format!("{}: {what}", path.display()));
        let whole = bytes.strip_suffix(b"\n").and_then(|lines| {
            let at = lines.iter().rposition(|&byte| byte == b'\n')?;
            Some((&lines[..at], &lines[at + 1..]))
        });
        let (text, sum) = whole.ok_or_else(|| damaged("it is cut short"))?;
        if blake3::hash(text).to_hex().as_bytes() != sum {
            return Err(damaged("it is damaged: its checksum does not hold"));
        }
        let catalogue: Catalogue =
            serde_json::from_slice(text).map_err(|error| damaged(&error.to_string()))?;
        if catalogue.version != VERSION {
            return Err(damaged(&format!("it is of version {}, expected {VERSION}", catalogue.version)));
        }
        Ok(Some(catalogue))
    }

    /// Puts it in the place of the one there is.
    pub fn write(&self, folder: &Path) -> Result<(), StoreError> {
        let path = folder.join(NAME);
        // Names and numbers: this cannot fail.
        let text = serde_json::to_vec(&Catalogue { version: VERSION, ..self.clone() }).unwrap_or_default();
        let sum = blake3::hash(&text).to_hex();
        files::write_whole(&path, |file| {
            file.write_all(&text)?;
            file.write_all(format!("\n{sum}\n").as_bytes())
        })
        .map_err(|error| StoreError::at(&path, &error))
    }
}
