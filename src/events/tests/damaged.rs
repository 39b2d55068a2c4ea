//! Files that a disk or a transfer damaged: whatever byte is wrong, they are read or refused, and nothing panics.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Decimal128Array, Float64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use events::{Format, ReadError, Table};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

/// A small file with columns of several types.
fn file(codec: Compression) -> Vec<u8> {
    let rows = 40;
    let texts =
        StringArray::from_iter((0..rows).map(|row| (row % 7 > 0).then(|| format!("account {}", row % 5))));
    let times = TimestampMicrosecondArray::from_iter_values((0..rows).map(|row| row * 1_000_000));
    let amounts =
        Decimal128Array::from_iter_values((0..rows).map(i128::from)).with_precision_and_scale(18, 2);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("account", Arc::new(texts)),
        ("t", Arc::new(times)),
        ("amount", Arc::new(amounts.unwrap())),
        ("share", Arc::new(Float64Array::from_iter_values((0..rows).map(|row| row as f64 / 3.0)))),
        ("fraud", Arc::new(BooleanArray::from_iter((0..rows).map(|row| Some(row % 9 == 0))))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let properties = WriterProperties::builder().set_compression(codec).build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

/// How many rows of a file can be read.
fn read(format: Format, bytes: Vec<u8>) -> Result<usize, ReadError> {
    let table = Table::of_bytes(format, bytes)?;
    let columns = table.columns().to_vec();
    let mut count = 0;
    for row in table.rows(&columns, &[])? {
        // A row at fault is followed by others, a file at fault by nothing.
        match row {
            Ok(_) => count += 1,
            Err(ReadError::Row(..)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

/// The library's assertions are caught, and there are thousands of them.
fn tell_of_this_file_only() {
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.location().is_some_and(|at| at.file().ends_with("damaged.rs")) {
            told(panic);
        }
    }));
}

#[test]
fn a_parquet_file_with_any_byte_wrong_is_read_or_refused() {
    tell_of_this_file_only();
    for codec in [Compression::UNCOMPRESSED, Compression::SNAPPY] {
        let whole = file(codec);
        assert_eq!(read(Format::Parquet, whole.clone()), Ok(40));
        let mut refused = 0;
        for at in 0..whole.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut broken = whole.clone();
                broken[at] ^= flip;
                refused += usize::from(read(Format::Parquet, broken).is_err());
            }
        }
        assert!(refused > whole.len() / 2, "{refused} of {}", whole.len());
        for length in 0..whole.len() {
            assert!(read(Format::Parquet, whole[..length].to_vec()).is_err(), "{length}");
        }
    }
}

#[test]
fn a_csv_file_with_any_byte_wrong_is_read_or_refused() {
    let whole = b"n,t,who\r\n1,2026-03-01,\"a, b\"\r\n2,2026-03-02,\xe5\xa5\xbd\r\n".to_vec();
    assert_eq!(read(Format::Csv, whole.clone()), Ok(2));
    for at in 0..whole.len() {
        for byte in 0..=255 {
            let mut broken = whole.clone();
            broken[at] = byte;
            let _ = read(Format::Csv, broken);
        }
    }
}
