//! Parquet files of events: a whole file with bytes changed at any places is rows or a fault. Bytes at random never pass the footer.
#![no_main]

use std::sync::{Arc, LazyLock};

use arrow_array::{
    ArrayRef, Decimal128Array, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use events::{Format, Table};
use libfuzzer_sys::fuzz_target;
use parquet::arrow::ArrowWriter;

static WHOLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let texts =
        StringArray::from_iter((0..40).map(|row| (row % 7 > 0).then(|| format!("account {}", row % 5))));
    let amounts = Decimal128Array::from_iter_values(0..40).with_precision_and_scale(18, 2).expect("a scale");
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("account", Arc::new(texts)),
        ("t", Arc::new(TimestampMicrosecondArray::from_iter_values(0..40))),
        ("amount", Arc::new(amounts)),
        ("share", Arc::new(Float64Array::from_iter_values((0..40).map(f64::from)))),
    ];
    // The library's assertions are caught by the reader; what is not caught still ends the run.
    std::panic::set_hook(Box::new(|_| {}));
    let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("memory");
    writer.close().expect("memory");
    bytes
});

fuzz_target!(|changes: &[u8]| {
    let mut file = WHOLE.clone();
    for change in changes.chunks_exact(3) {
        let at = usize::from(u16::from_le_bytes([change[0], change[1]])) % file.len();
        file[at] ^= change[2];
    }
    let Ok(table) = Table::of_bytes(Format::Parquet, file) else { return };
    let columns = table.columns().to_vec();
    if let Ok(rows) = table.rows(&columns, &[]) {
        rows.take_while(Result::is_ok).for_each(drop);
    }
});
