//! Whether what is to be written lies where something is read from: a file that is its own output is lost.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::outcome::Failure;

/// Folders within folders that are looked into: those of rules and models have few.
const DEPTH_MAX: usize = 4;

/// Refuses an output that is one of the inputs or lies, under another name, in the place of one: by a link, or by another way
/// to the same folder. Of an input that is a folder, all its files count.
///
/// # Errors
/// The output and the input that it would destroy.
pub fn keep<'a>(output: &Path, inputs: impl IntoIterator<Item = &'a Path>) -> Result<(), Failure> {
    let outputs = [output.to_owned(), draft(output)].map(|path| identity(&path));
    let outputs: Vec<(u64, u64)> = outputs.into_iter().flatten().collect();
    if outputs.is_empty() {
        return Ok(());
    }
    for input in inputs {
        if let Some(same) = find(input, &outputs, 0) {
            return Err(Failure(format!(
                "{}: it is what is read from, {}: name another file to write to",
                output.display(),
                same.display()
            )));
        }
    }
    Ok(())
}

/// The name under which a file is written until it is whole.
pub fn draft(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}.draft", path.display()))
}

/// What tells two files apart, whatever they are called; nothing where there is no file, or where writing to it destroys
/// nothing, as `/dev/null`.
fn identity(path: &Path) -> Option<(u64, u64)> {
    let meta = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    Some((meta.dev(), meta.ino()))
}

fn find(input: &Path, outputs: &[(u64, u64)], depth: usize) -> Option<PathBuf> {
    if input.is_dir() && depth < DEPTH_MAX {
        let entries = fs::read_dir(input).ok()?;
        return entries.flatten().find_map(|entry| find(&entry.path(), outputs, depth + 1));
    }
    identity(input).filter(|found| outputs.contains(found)).map(|_| input.to_owned())
}
