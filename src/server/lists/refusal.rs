//! Why a change of a list was not made, or a list not loaded.

use std::fmt;

use engine::lists::ListError;

use super::file::FileFault;
use super::image::ImageFault;
use super::store::StoreError;

/// Why a change was not made, or a list not loaded. Nothing of it is in force.
#[derive(Debug)]
pub enum ChangeError {
    /// The entry, or all entries together, are refused.
    Refused(ListError),
    /// Lines that are no entries of this list.
    Lines(Vec<FileFault>),
    /// It does more than is meant, as a rule: whoever means it says so.
    Doubtful(Doubt),
    /// The disk refused.
    Store(StoreError),
}

/// What is refused unless it is forced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// A network that takes in a large part of all addresses.
    Wide {
        /// As it was given.
        key: String,
    },
    /// A replacement that takes most entries away.
    Takes {
        /// Entries that are in force.
        from: u64,
        /// Entries that would stay.
        kept: u64,
    },
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Doubt::Wide { key } => {
                let key: String = key.chars().take(64).collect();
                write!(f, "{key:?} takes in a large part of all addresses")?;
            }
            Doubt::Takes { from, kept } => write!(f, "of {from} entries {kept} would stay")?,
        }
        f.write_str("; if that is meant, force it: force=true in the call, --force with riskctl")
    }
}

impl fmt::Display for ChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChangeError::Refused(error) => error.fmt(f),
            ChangeError::Lines(faults) => write!(f, "{} lines are refused", faults.len()),
            ChangeError::Doubtful(doubt) => doubt.fmt(f),
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

impl From<ListError> for ChangeError {
    fn from(error: ListError) -> ChangeError {
        ChangeError::Refused(error)
    }
}

/// Why an image did not become a list.
#[derive(Debug)]
pub(super) enum LoadFault {
    Image(ImageFault),
    Change(ChangeError),
}

impl fmt::Display for LoadFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadFault::Image(fault) => fault.fmt(f),
            LoadFault::Change(error) => error.fmt(f),
        }
    }
}

impl From<StoreError> for LoadFault {
    fn from(error: StoreError) -> LoadFault {
        LoadFault::Change(error.into())
    }
}

impl From<ListError> for LoadFault {
    fn from(error: ListError) -> LoadFault {
        LoadFault::Change(error.into())
    }
}

impl From<ImageFault> for LoadFault {
    fn from(fault: ImageFault) -> LoadFault {
        LoadFault::Image(fault)
    }
}
