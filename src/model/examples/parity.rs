//! Holds imported models against the scores of the libraries that trained them: `parity FOLDER`, the folder as
//! `bench/parity/generate.py` writes it. Each model is imported, saved and loaded again, so that the stored form is
//! tried too, and scored by the form that serves. Ends with 1 if one differs.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use engine::forest::{Forest, ForestSpec, Node, Precision, Transform, Tree};
use model::{Artefact, Explainer};
use serde::Deserialize;

/// Largest difference where bits need not agree, against 1 or the score if that is larger.
const TOLERANCE: f64 = 1e-6;

/// Largest difference from the library itself where another program's scores are met (ONNX), against 1 or the score: what a
/// conversion to `float` leaves; and the share of rows that may be further off, because a threshold moved past them.
const LIBRARY_TOLERANCE: f64 = 1e-5;
const LIBRARY_SHARE: f64 = 0.01;

/// Largest difference of a contribution, against 1 or all of a row's contributions together; of models that sum in `float`,
/// where XGBoost computes contributions in it too.
const PARTS_TOLERANCE: f64 = 1e-9;
const PARTS_TOLERANCE_SINGLE: f64 = 1e-5;

/// What a case says of itself.
#[derive(Deserialize)]
struct Case {
    file: String,
    width: usize,
    rows: usize,
    /// Whether raw scores must agree to the last bit.
    exact: bool,
    /// Whether there are raw scores.
    raw: bool,
    /// What the import must say when it refuses the model; nothing if it must take it.
    refused: Option<String>,
    /// Largest difference in place of [`TOLERANCE`].
    tolerance: Option<f64>,
    /// How many rows come with contributions.
    explained: usize,
    /// How many rows come with the scores of the library itself.
    library_rows: usize,
    note: String,
}

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: parity FOLDER");
        return ExitCode::from(2);
    };
    let mut cases: Vec<PathBuf> = match std::fs::read_dir(&folder) {
        Ok(entries) => {
            entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir()).collect()
        }
        Err(error) => {
            eprintln!("{}: {error}", folder.display());
            return ExitCode::from(2);
        }
    };
    cases.sort();
    let mut totals = Totals::default();
    for case in &cases {
        let name = case.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match compare(case) {
            Ok(Some(found)) => totals.take(&name, &found),
            Ok(None) => totals.refused(&name),
            Err(error) => totals.fail(&name, &error.to_string()),
        }
    }
    totals.print();
    if totals.failed == 0 && totals.passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// How a model's scores compare.
struct Found {
    note: String,
    exact: bool,
    tolerance: f64,
    rows: usize,
    trees: usize,
    /// Splits on the longest way to a leaf.
    depth: usize,
    /// Rows whose raw scores agree to the last bit that the library answers with.
    equal: usize,
    /// Largest differences of raw scores and of scores, against 1 or the score.
    raw: f64,
    score: f64,
    /// Rows whose contributions were compared, and the largest difference of one.
    explained: usize,
    parts: f64,
    parts_max: f64,
    library: Library,
}

/// Rows that were compared with the library itself, how many of them are further off than they may be, and the largest
/// difference of the others.
#[derive(Clone, Copy, Default)]
struct Library {
    rows: usize,
    off: usize,
    largest: f64,
}

impl Found {
    fn holds(&self) -> bool {
        let scores = self.raw <= self.tolerance && self.score <= self.tolerance;
        let library = self.library.off as f64 <= self.library.rows as f64 * LIBRARY_SHARE;
        (self.equal == self.rows || !self.exact) && scores && self.parts <= self.parts_max && library
    }
}

/// How the scores of a model compare; nothing if it was refused and had to be.
fn compare(folder: &Path) -> Result<Option<Found>, Box<dyn Error>> {
    let case: Case = serde_json::from_slice(&std::fs::read(folder.join("case.json"))?)?;
    if let Some(reason) = &case.refused {
        return match model::import::read_file(&folder.join(&case.file)) {
            Ok(_) => Err(format!("{}: taken, and had to be refused: {reason}", case.note).into()),
            Err(error) if error.to_string().contains(reason) => Ok(None),
            Err(error) => {
                Err(format!("{}: refused with `{error}`, and not with `{reason}`", case.note).into())
            }
        };
    }
    let Artefact { forest, covers, .. } = imported(&folder.join(&case.file))?;
    let rows = numbers(&folder.join("rows.f64"), case.rows * case.width)?;
    let raw = if case.raw { numbers(&folder.join("raw.f64"), case.rows)? } else { Vec::new() };
    let score = numbers(&folder.join("score.f64"), case.rows)?;
    let ours_raw = scores(
        &ForestSpec { mean: false, transform: Transform::Identity, ..forest.clone() },
        &rows,
        case.width,
    )?;
    let ours = scores(&forest, &rows, case.width)?;
    let pairs = || ours_raw.iter().zip(&raw);
    // XGBoost and ONNX answer in `float`, even where they compute in double.
    let equal = |ours: f64, theirs: f64| ours == theirs || (!case.exact && f64::from(ours as f32) == theirs);
    let parts = match case.explained {
        0 => 0.0,
        explained => {
            let theirs = numbers(&folder.join("parts.f64"), explained * (case.width + 1))?;
            let explainer = Explainer::new(forest.clone(), &covers);
            let rows = rows.chunks(case.width).zip(theirs.chunks(case.width + 1));
            rows.map(|(row, theirs)| parts_difference(&explainer, row, theirs)).fold(0.0, f64::max)
        }
    };
    let mut library = Library { rows: case.library_rows, ..Library::default() };
    if library.rows > 0 {
        let rows = numbers(&folder.join("library_rows.f64"), library.rows * case.width)?;
        let theirs = numbers(&folder.join("library.f64"), library.rows)?;
        for (ours, theirs) in scores(&forest, &rows, case.width)?.into_iter().zip(theirs) {
            match difference(ours, theirs) {
                near if near <= LIBRARY_TOLERANCE => library.largest = library.largest.max(near),
                _ => library.off += 1,
            }
        }
    }
    Ok(Some(Found {
        library,
        tolerance: case.tolerance.unwrap_or(TOLERANCE),
        explained: case.explained,
        parts,
        parts_max: match forest.sums_as {
            Precision::Double => PARTS_TOLERANCE,
            Precision::Single => PARTS_TOLERANCE_SINGLE,
        },
        note: case.note,
        exact: case.exact,
        rows: case.rows,
        trees: forest.trees.len(),
        depth: forest.trees.iter().map(depth).max().unwrap_or(0),
        equal: pairs().filter(|(ours, theirs)| equal(**ours, **theirs)).count(),
        raw: pairs().map(|(&ours, &theirs)| difference(ours, theirs)).fold(0.0, f64::max),
        score: ours.iter().zip(&score).map(|(&ours, &theirs)| difference(ours, theirs)).fold(0.0, f64::max),
    }))
}

/// The largest difference of a contribution or of the base, against 1 or all contributions together.
fn parts_difference(explainer: &Explainer, row: &[f64], theirs: &[f64]) -> f64 {
    let ours = explainer.explain(row);
    let size = ours.contributions.iter().map(|part| part.abs()).sum::<f64>().max(1.0);
    let pairs = ours.contributions.iter().chain([&ours.base]).zip(theirs);
    let differences = pairs.map(|(ours, theirs)| (ours - theirs).abs() / size.max(theirs.abs()));
    let largest = differences.fold(0.0, |most, difference| if difference > most { difference } else { most });
    // They are the score: in double to its last digits, and where the model sums in `float` to those that it has.
    let double = explainer.forest().sums_as == Precision::Double;
    let whole = ours.rounding().abs() <= size * if double { 1e-12 } else { 1e-5 };
    // Written so that what is no number never passes.
    if whole && theirs.iter().all(|part| !part.is_nan()) { largest } else { f64::INFINITY }
}

/// What is in a file, after it was saved and loaded again.
fn imported(path: &Path) -> Result<Artefact, Box<dyn Error>> {
    let (imported, sha256) = model::import::read_file(path)?;
    let source = imported.source("parity".to_owned(), path, sha256);
    let saved = tempfile::tempdir()?;
    model::save(saved.path(), imported.manifest("parity", source, &[]), &imported.forest, &imported.covers)?;
    Ok(model::read(saved.path())?)
}

fn scores(forest: &ForestSpec, rows: &[f64], width: usize) -> Result<Vec<f64>, Box<dyn Error>> {
    let flat = Forest::new(forest)?;
    let mut scores = vec![0.0; rows.len() / width];
    flat.score_rows(rows, width, &mut scores);
    Ok(scores)
}

/// The difference, against the larger of 1 and theirs. Infinite where one alone is no number, so that it never passes.
fn difference(ours: f64, theirs: f64) -> f64 {
    // XGBoost and ONNX answer in `float32`, where what we can still write is infinite.
    if ours == theirs || (ours.is_nan() && theirs.is_nan()) || f64::from(ours as f32) == theirs {
        return 0.0;
    }
    let difference = (ours - theirs).abs() / theirs.abs().max(1.0);
    if difference.is_nan() { f64::INFINITY } else { difference }
}

fn numbers(path: &Path, count: usize) -> Result<Vec<f64>, Box<dyn Error>> {
    let bytes = std::fs::read(path)?;
    let numbers: Vec<f64> = bytes.as_chunks::<8>().0.iter().map(|&b| f64::from_le_bytes(b)).collect();
    if numbers.len() != count {
        return Err(format!("{}: {} numbers, not {count}", path.display(), numbers.len()).into());
    }
    Ok(numbers)
}

fn depth(tree: &Tree) -> usize {
    let (mut deepest, mut open) = (0, vec![(0_u32, 0_usize)]);
    while let Some((at, depth)) = open.pop() {
        deepest = deepest.max(depth);
        if let Node::Split(split) = &tree.nodes[at as usize] {
            open.extend([(split.left, depth + 1), (split.right, depth + 1)]);
        }
    }
    deepest
}

/// Counts over all models of one library.
#[derive(Default)]
struct Models {
    models: usize,
    /// Models with all raw scores equal to the last bit.
    equal: usize,
    /// Models that were refused, as they had to be.
    refused: usize,
    rows: usize,
    trees: usize,
    trees_max: usize,
    depth_max: usize,
    /// Largest differences of raw scores and of scores, against 1 or the score.
    raw: f64,
    score: f64,
    /// Rows whose contributions were compared, and the largest difference of one.
    explained: usize,
    parts: f64,
    library: Library,
}

/// Counts over all models.
#[derive(Default)]
struct Totals {
    passed: usize,
    failed: usize,
    libraries: BTreeMap<String, Models>,
}

impl Totals {
    fn library(&mut self, name: &str) -> &mut Models {
        self.libraries.entry(name.split('-').nth(1).unwrap_or(name).to_owned()).or_default()
    }

    fn refused(&mut self, name: &str) {
        self.library(name).refused += 1;
        self.passed += 1;
    }

    fn take(&mut self, name: &str, found: &Found) {
        let library = self.library(name);
        library.models += 1;
        library.equal += usize::from(found.equal == found.rows);
        library.rows += found.rows;
        library.trees += found.trees;
        library.trees_max = library.trees_max.max(found.trees);
        library.depth_max = library.depth_max.max(found.depth);
        library.raw = library.raw.max(found.raw);
        library.score = library.score.max(found.score);
        library.explained += found.explained;
        library.parts = library.parts.max(found.parts);
        let Library { rows, off, largest } = &mut library.library;
        *rows += found.library.rows;
        *off += found.library.off;
        *largest = largest.max(found.library.largest);
        if found.holds() {
            self.passed += 1;
        } else {
            let Found { note, equal, rows, raw, score, parts, library, .. } = found;
            let why = format!(
                "{note}: {equal} of {rows} raw scores equal, off by {raw:e} raw, {score:e} after, {parts:e} in contributions; \
                 {} of {} rows are not the library's own",
                library.off, library.rows
            );
            self.fail(name, &why);
        }
    }

    fn fail(&mut self, name: &str, why: &str) {
        self.failed += 1;
        println!("FAILED {name}: {why}");
    }

    fn print(&self) {
        for (name, library) in &self.libraries {
            let Models { models, equal, refused, rows, trees, trees_max, depth_max, raw, score, .. } =
                library;
            println!(
                "{name}: {models} models of up to {trees_max} trees and {depth_max} splits deep, {trees} trees, {rows} rows; \
                 all raw scores equal to the last bit in {equal}; largest difference {raw:.1e} raw, {score:.1e} after the transform"
            );
            if *refused > 0 {
                println!("{name}: {refused} models refused, each with the reason that it must have");
            }
            if library.explained > 0 {
                let Models { explained, parts, .. } = library;
                println!("{name}: contributions of {explained} rows, largest difference {parts:.1e}");
            }
        }
        for (name, models) in &self.libraries {
            let Library { rows, off, largest } = models.library;
            if rows > 0 {
                println!(
                    "{name}: {rows} rows beside the library itself, {off} off by more than {LIBRARY_TOLERANCE:e}, largest \
                     difference of the others {largest:.1e}"
                );
            }
        }
        println!("{} passed, {} failed", self.passed, self.failed);
    }
}
