//! An imported model beside what its own library says of it, and how long the engine takes: `forests MODEL ROWS SCORES`.
//! ROWS are little-endian doubles, SCORES the library's. For each instruction set there is, prints nanoseconds of processor
//! time a row, alone and in 64: the least and the median of many short rounds. `bench/forests/run` puts them beside others.
#![forbid(unsafe_code)]

use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::process::ExitCode;

use engine::forest::{Forest, Lanes, Vectors};
use engine::limits::LANES;
use rustix::time::{ClockId, clock_gettime};

const ROUNDS: usize = 60;
const ROUND_ROWS: usize = 512;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [model, rows, scores] = words.as_slice() else {
        eprintln!("usage: forests MODEL ROWS SCORES");
        return ExitCode::from(2);
    };
    match run(Path::new(model), Path::new(rows), Path::new(scores)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(model: &Path, rows: &Path, scores: &Path) -> Result<(), Box<dyn Error>> {
    let (imported, _) = model::import::read_file(model).map_err(|error| error.to_string())?;
    let (rows, scores) = (numbers(rows)?, numbers(scores)?);
    let width = imported.forest.inputs.len();
    for vectors in Vectors::available() {
        let forest = Forest::with_vectors(&imported.forest, vectors)?;
        let mut found = vec![0.0; scores.len()];
        forest.score_rows(&rows, width, &mut found);
        for (row, (found, expected)) in found.iter().zip(&scores).enumerate() {
            let alone = forest.score(&rows[row * width..][..width]);
            // The library may take e^x by another routine; the sums are equal.
            if alone.to_bits() != found.to_bits() || (found - expected).abs() > 1e-15 {
                return Err(format!("row {row}: {found}, alone {alone}, the library says {expected}").into());
            }
        }
        let name = vectors.name();
        let mut lanes = Lanes::default();
        lanes.fit(&forest);
        let mut one = [0.0];
        let alone = measure(&rows, width, &mut |rows| {
            for row in rows.chunks(width) {
                lanes.write(0, black_box(row));
                forest.score_lanes(&mut lanes, &mut one);
                black_box(one);
            }
        });
        let mut many = [0.0; LANES];
        // The engine hands over columns, an input's values side by side.
        let columns: Vec<f64> = rows.chunks(LANES * width).flat_map(|rows| turned(rows, width)).collect();
        let batch = measure(&columns, width, &mut |rows| {
            for block in rows.chunks(LANES * width) {
                for (input, column) in block.chunks(LANES).enumerate() {
                    lanes.input(input).copy_from_slice(column);
                }
                forest.score_lanes(&mut lanes, &mut many);
                black_box(&many);
            }
        });
        println!("{name} alone {:.1} {:.1}\n{name} batch {:.1} {:.1}", alone.0, alone.1, batch.0, batch.1);
    }
    Ok(())
}

fn numbers(path: &Path) -> Result<Vec<f64>, Box<dyn Error>> {
    let bytes = std::fs::read(path)?;
    let (numbers, rest) = bytes.as_chunks::<8>();
    if !rest.is_empty() || numbers.is_empty() {
        return Err(format!("{}: not whole numbers", path.display()).into());
    }
    Ok(numbers.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect())
}

/// A block of rows, column by column.
fn turned(rows: &[f64], width: usize) -> Vec<f64> {
    (0..width).flat_map(|input| rows.iter().skip(input).step_by(width).copied()).collect()
}

/// The least and the median nanoseconds a row.
fn measure(rows: &[f64], width: usize, score: &mut impl FnMut(&[f64])) -> (f64, f64) {
    let mut took = Vec::with_capacity(ROUNDS);
    let mut blocks = rows.chunks_exact(ROUND_ROWS * width).cycle();
    for round in 0..ROUNDS + 2 {
        let block = blocks.next().unwrap_or_default();
        let began = now_ns();
        score(block);
        let ns = (now_ns() - began) / ROUND_ROWS as f64;
        if round >= 2 {
            took.push(ns);
        }
    }
    took.sort_unstable_by(f64::total_cmp);
    (took[0], took[ROUNDS / 2])
}

/// Processor time of this thread.
fn now_ns() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e9 + now.tv_nsec as f64
}
