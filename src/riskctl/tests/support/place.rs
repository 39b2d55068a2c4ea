//! A folder to type commands in.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use serde_json::Value;

/// The folder, for as long as this lives.
pub struct Place(tempfile::TempDir);

/// What a command said.
pub struct Said {
    pub stdout: String,
    pub stderr: String,
}

impl Place {
    pub fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// Writes a Parquet file as Arrow does.
    pub fn write_parquet(&self, name: &str, columns: Vec<(&str, ArrayRef)>, codec: Compression) {
        let batch =
            RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, a)| (name, a, true)));
        let batch = batch.unwrap();
        let properties = WriterProperties::builder().set_compression(codec).build();
        let file = std::fs::File::create(self.path(name)).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    }

    /// A command that must end with that code.
    pub fn ends(&self, code: i32, arguments: &[&str]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_riskctl"));
        let output = command.current_dir(self.0.path()).args(arguments).output().expect("riskctl starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let said = Said { stdout: text(&output.stdout), stderr: text(&output.stderr) };
        assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{}\n{}", said.stdout, said.stderr);
        said
    }

    /// What a command that must end well says as JSON.
    pub fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.ends(0, &[arguments, &["--json"]].concat()).stdout).expect("JSON")
    }

    /// Why a command could not be done.
    pub fn refuses(&self, arguments: &[&str]) -> String {
        self.ends(2, arguments).stderr
    }

    /// A column of a CSV file.
    pub fn column(&self, name: &str, column: &str) -> Vec<String> {
        let text = self.read(name);
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let place = reader.headers().unwrap().iter().position(|name| name == column);
        let place = place.unwrap_or_else(|| panic!("{column} in {name}"));
        reader.records().map(|row| row.unwrap()[place].to_owned()).collect()
    }
}

/// Shared by all columns of texts.
pub fn texts(values: impl IntoIterator<Item = impl Into<String>>) -> ArrayRef {
    Arc::new(arrow_array::StringArray::from_iter_values(values.into_iter().map(Into::into)))
}
