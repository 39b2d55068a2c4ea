//! A model on disk: a folder with a manifest and a forest file. Writing one, and refusing one that is not whole.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use engine::forest::{Forest, ForestSpec};
use ring::digest::{SHA256, digest};

use crate::check::{ForestError, check_forest};
use crate::covers::{CoverOf, Covers};
use crate::file::{self, FileError};
use crate::manifest::{MANIFEST_BYTES_MAX, Manifest};
use crate::walk;

/// Name of the manifest in a model's folder.
pub const MANIFEST_FILE: &str = "manifest.toml";

/// Name of the file of trees that [`save`] writes beside it.
const FOREST_FILE: &str = "forest.txt";

/// The files that [`save`] writes into a folder.
pub fn files(folder: &Path) -> [PathBuf; 2] {
    [FOREST_FILE, MANIFEST_FILE].map(|name| folder.join(name))
}

/// Largest difference between a test vector's score and ours. Sums run in one order everywhere, so that equal bits are
/// the rule; the room is for scores written down by other programs.
pub const SCORE_TOLERANCE: f64 = 1e-12;

/// A model that passed every check.
#[derive(Clone, Debug)]
pub struct Artefact {
    /// What is known of it.
    pub manifest: Manifest,
    /// The forest.
    pub forest: ForestSpec,
    /// Its covers, which explanations ask for.
    pub covers: Covers,
}

/// Why a model is refused.
#[derive(Clone, Debug, PartialEq)]
pub enum LoadError {
    /// A file cannot be read.
    Read {
        /// The file.
        path: PathBuf,
        /// The system's words.
        error: String,
    },
    /// There is no manifest, but a file that another library may have written.
    NotImported {
        /// The file.
        file: PathBuf,
    },
    /// A file over its bound.
    TooLarge {
        /// The file.
        path: PathBuf,
        /// How long it may be.
        bytes_max: u64,
    },
    /// The manifest cannot be read.
    Manifest(String),
    /// The model file is not the one the manifest was written for.
    Hash {
        /// The manifest's.
        expected: String,
        /// The file's.
        found: String,
    },
    /// The model file cannot be read.
    File(FileError),
    /// Manifest and model file disagree on the number of inputs.
    Inputs {
        /// In the manifest.
        manifest: usize,
        /// In the file.
        file: usize,
    },
    /// The manifest tells of covers that the model file does not have, or the other way round.
    Covers,
    /// The forest breaks a bound or its structure is not sound.
    Forest(ForestError),
    /// The engine cannot lay the trees flat.
    Flat(String),
    /// No test vector: nothing shows that this program reads the model as its maker did.
    NoVector,
    /// A test vector that cannot be tried or does not reproduce.
    Vector {
        /// Which one, from 0.
        vector: usize,
        /// What is wrong.
        message: String,
    },
}

impl std::fmt::Display for LoadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LoadError::Read { path, error } => write!(f, "cannot read {}: {error}", path.display()),
            LoadError::NotImported { file } => write!(
                f,
                "{} has no {MANIFEST_FILE} beside it: `riskctl model import {} --out FOLDER` writes the folder that is loaded",
                file.display(),
                file.display()
            ),
            LoadError::TooLarge { path, bytes_max } => {
                write!(f, "{} is longer than {bytes_max} bytes", path.display())
            }
            LoadError::Manifest(message) => write!(f, "{MANIFEST_FILE}: {message}"),
            LoadError::Hash { expected, found } => {
                write!(f, "the model file's SHA-256 is {found}, the manifest says {expected}")
            }
            LoadError::File(error) => write!(f, "the model file, {error}"),
            LoadError::Inputs { manifest, file } => {
                write!(f, "the manifest names {manifest} inputs, the model file has {file}")
            }
            LoadError::Covers => {
                f.write_str("the manifest's `covers` and the leaves of the model file do not fit each other")
            }
            LoadError::Forest(error) => error.fmt(f),
            LoadError::Flat(why) => write!(f, "the engine cannot use it: {why}"),
            LoadError::NoVector => f.write_str("the manifest has no test vector"),
            LoadError::Vector { vector, message } => write!(f, "test vector {vector}: {message}"),
        }
    }
}

impl std::error::Error for LoadError {}

/// Why a model was not written.
#[derive(Clone, Debug, PartialEq)]
pub enum SaveError {
    /// The forest would be refused when loaded.
    Forest(ForestError),
    /// The manifest has no TOML form.
    Manifest(String),
    /// A file cannot be written.
    Write {
        /// The file.
        path: PathBuf,
        /// The system's words.
        error: String,
    },
}

impl std::fmt::Display for SaveError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SaveError::Forest(error) => error.fmt(f),
            SaveError::Manifest(message) => write!(f, "{MANIFEST_FILE}: {message}"),
            SaveError::Write { path, error } => write!(f, "cannot write {}: {error}", path.display()),
        }
    }
}

impl std::error::Error for SaveError {}

/// Loads the forest of a model's folder, after every check but one: whether its inputs are features of the policy it
/// shall serve is for [`crate::check_inputs`].
///
/// # Errors
/// [`LoadError`]
pub fn load(folder: &Path) -> Result<ForestSpec, LoadError> {
    read(folder).map(|artefact| artefact.forest)
}

/// As [`load`], with the manifest.
///
/// # Errors
/// [`LoadError`]
pub fn read(folder: &Path) -> Result<Artefact, LoadError> {
    let path = folder.join(MANIFEST_FILE);
    let text = read_bounded(&path, MANIFEST_BYTES_MAX).map_err(|error| {
        let not_imported = |file| LoadError::NotImported { file };
        if path.exists() { error } else { foreign(folder).map_or(error, not_imported) }
    })?;
    let text = String::from_utf8(text).map_err(|_| LoadError::Manifest("not UTF-8".to_owned()))?;
    let manifest = Manifest::parse(&text).map_err(LoadError::Manifest)?;
    let bytes = read_bounded(&folder.join(&manifest.file), file::FILE_BYTES_MAX)?;
    assemble(manifest, &bytes)
}

/// A file in place of a model's folder, or the first in it.
fn foreign(folder: &Path) -> Option<PathBuf> {
    if folder.is_file() {
        return Some(folder.to_path_buf());
    }
    let entries = std::fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let hidden =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    entries.filter(|path| path.is_file() && !hidden(path)).min()
}

/// A manifest and the bytes of its model file, checked against each other.
///
/// # Errors
/// [`LoadError`]
pub fn assemble(manifest: Manifest, bytes: &[u8]) -> Result<Artefact, LoadError> {
    let found = sha256(bytes);
    if !found.eq_ignore_ascii_case(&manifest.sha256) {
        return Err(LoadError::Hash { expected: manifest.sha256, found });
    }
    let not_text = |_| {
        let message = format!("not UTF-8; {}", file::OTHERS);
        LoadError::File(FileError { line: 1, message })
    };
    let text = std::str::from_utf8(bytes).map_err(not_text)?;
    let file::Contents { trees, inputs, covers } = file::decode(text).map_err(LoadError::File)?;
    if inputs != manifest.inputs.len() {
        return Err(LoadError::Inputs { manifest: manifest.inputs.len(), file: inputs });
    }
    if covers.is_empty() != (manifest.covers == CoverOf::Halves) {
        return Err(LoadError::Covers);
    }
    let covers = Covers::new(manifest.covers, covers);
    let transform = manifest.transform().map_err(LoadError::Manifest)?;
    let calibration = manifest.calibrated().map_err(LoadError::Manifest)?;
    let forest = ForestSpec {
        version: manifest.version(),
        inputs: manifest.inputs.iter().map(|input| input.name.clone()).collect(),
        trees,
        inputs_as: manifest.inputs_as.into(),
        sums_as: manifest.sums_as.into(),
        base: manifest.base,
        mean: manifest.mean,
        transform,
        calibration,
    };
    check_forest(&forest).map_err(LoadError::Forest)?;
    check_vectors(&manifest, &forest)?;
    Ok(Artefact { manifest, forest, covers })
}

fn check_vectors(manifest: &Manifest, forest: &ForestSpec) -> Result<(), LoadError> {
    if manifest.vectors.is_empty() {
        return Err(LoadError::NoVector);
    }
    let flat = Forest::new(forest).map_err(|error| LoadError::Flat(error.0))?;
    for (vector, row) in manifest.vectors.iter().enumerate() {
        let refuse = |message| Err(LoadError::Vector { vector, message });
        if row.inputs.len() != forest.inputs.len() {
            return refuse(format!("{} values for {} inputs", row.inputs.len(), forest.inputs.len()));
        }
        // The plain walk and the form that serves, so that neither can be wrong alone.
        for found in [walk::score(forest, &row.inputs), flat.score(&row.inputs)] {
            // Written so that a score that is no number never passes.
            let near = (found - row.score).abs() <= SCORE_TOLERANCE;
            if !near {
                return refuse(format!("the model gives {found}, the manifest says {}", row.score));
            }
        }
    }
    Ok(())
}

/// Writes a model: the forest file first, then the manifest that names its hash, each whole or not at all. The
/// manifest's `file`, `sha256` and `covers`, what becomes of the sum, and each input's `splits` are filled in.
///
/// # Errors
/// [`SaveError`]
pub fn save(
    folder: &Path,
    mut manifest: Manifest,
    forest: &ForestSpec,
    covers: &Covers,
) -> Result<Manifest, SaveError> {
    check_forest(forest).map_err(SaveError::Forest)?;
    let text = file::encode(&forest.trees, forest.inputs.len(), covers);
    manifest.covers = covers.of;
    manifest.file = FOREST_FILE.to_owned();
    manifest.sha256 = sha256(text.as_bytes());
    manifest.describe(forest);
    let shares = split_shares(forest);
    for (input, share) in manifest.inputs.iter_mut().zip(shares) {
        input.splits = share;
    }
    let toml = toml::to_string(&manifest).map_err(|error| SaveError::Manifest(error.to_string()))?;
    let refused = |path: &Path, error: std::io::Error| SaveError::Write {
        path: path.to_path_buf(),
        error: error.to_string(),
    };
    std::fs::create_dir_all(folder).map_err(|error| refused(folder, error))?;
    for (name, text) in [(manifest.file.as_str(), &text), (MANIFEST_FILE, &toml)] {
        let path = folder.join(name);
        let draft = folder.join(format!("{name}.draft"));
        let written = std::fs::write(&draft, text).and_then(|()| std::fs::rename(&draft, &path));
        written.map_err(|error| refused(&path, error))?;
    }
    Ok(manifest)
}

/// For each input, the share of all splits that ask for it.
fn split_shares(forest: &ForestSpec) -> Vec<f64> {
    let mut counts = vec![0_u64; forest.inputs.len()];
    for node in forest.trees.iter().flat_map(|tree| &tree.nodes) {
        if let engine::forest::Node::Split(split) = node {
            counts[usize::from(split.input)] += 1;
        }
    }
    let all = counts.iter().sum::<u64>().max(1) as f64;
    // Three decimals are enough to read and keep the manifest short.
    counts.iter().map(|count| (*count as f64 / all * 1000.0).round() / 1000.0).collect()
}

pub(crate) fn read_bounded(path: &Path, bytes_max: u64) -> Result<Vec<u8>, LoadError> {
    let failed =
        |error: std::io::Error| LoadError::Read { path: path.to_path_buf(), error: error.to_string() };
    let too_large = || LoadError::TooLarge { path: path.to_path_buf(), bytes_max };
    let mut bytes = Vec::new();
    // Opening a pipe would wait for whoever writes to it.
    let kind = std::fs::metadata(path).map_err(failed)?;
    if kind.is_dir() {
        return Err(failed(std::io::Error::other("it is a folder, and a file is expected")));
    }
    if !kind.is_file() {
        return Err(failed(std::io::Error::other("is no regular file")));
    }
    let file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.len() > bytes_max {
        return Err(too_large());
    }
    // What has no length of its own, or grows meanwhile, is bounded all the same.
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > bytes_max { Err(too_large()) } else { Ok(bytes) }
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(digest(&SHA256, bytes))
}
