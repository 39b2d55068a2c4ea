//! Parquet files as other programs make them.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

/// Writes the table of a CSV text, every column as text; an empty field is a null.
pub fn write(path: &Path, csv: &str) {
    let mut lines = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let names = lines.next().expect("a header");
    let rows: Vec<Vec<&str>> = lines.collect();
    let fields: String = names.iter().map(|name| format!("optional binary {name} (UTF8);")).collect();
    let schema = Arc::new(parse_message_type(&format!("message rows {{ {fields} }}")).unwrap());
    let mut file = SerializedFileWriter::new(File::create(path).unwrap(), schema, Arc::default()).unwrap();
    let mut group = file.next_row_group().unwrap();
    for place in 0..names.len() {
        let fields = || rows.iter().map(|row| row[place]);
        let there: Vec<i16> = fields().map(|field| i16::from(!field.is_empty())).collect();
        let values: Vec<ByteArray> =
            fields().filter(|field| !field.is_empty()).map(ByteArray::from).collect();
        let mut column = group.next_column().unwrap().expect("a column for each name");
        column.typed::<ByteArrayType>().write_batch(&values, Some(&there), None).unwrap();
        column.close().unwrap();
    }
    group.close().unwrap();
    file.close().unwrap();
}
