//! Models: training, the file a model lives in, the checks before one is used, and the figures that say how good it is.
//!
//! A model enters the engine as a [`engine::forest::ForestSpec`]. [`load`] gives one only after its hash, its bounds, its
//! structure and its own test vectors have held; whatever does not hold is refused with the reason.
#![forbid(unsafe_code)]

pub mod artefact;
pub mod calibrate;
pub mod check;
pub mod correlation;
pub mod covers;
pub mod dataset;
pub mod drift;
pub mod explain;
pub mod file;
#[cfg(feature = "import")]
pub mod import;
pub mod inputs;
pub mod manifest;
pub mod quality;
pub mod report;
pub mod scale;
pub mod split;
#[cfg(feature = "train")]
pub mod train;
pub mod walk;

pub use artefact::{Artefact, LoadError, SaveError, files, load, read, save};
pub use covers::{CoverOf, Covers};
pub use dataset::Dataset;
pub use drift::Drift;
pub use explain::{Explainer, Explanation};
pub use inputs::check_inputs;
pub use manifest::{Kind, Manifest};
#[cfg(feature = "train")]
pub use train::{Settings, TrainError, train};
