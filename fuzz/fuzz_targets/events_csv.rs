//! CSV files of events: any bytes are checks by a mapping, or faults with their place.
#![no_main]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use events::{Format, Mapping, Stream, Table};
use libfuzzer_sys::fuzz_target;

static MAPPING: LazyLock<Mapping> = LazyLock::new(|| {
    Mapping::parse(
        "na = [\"NA\"]\n[time]\ncolumn = \"t\"\nunit = \"s\"\n[label]\ncolumn = \"b\"\nfraud = [\"1\"]\n\
         [fields]\nid = { column = \"n\" }\nkind = { value = \"pay\" }\naccount = { column = \"a\" }\n\
         amount = { column = \"m\", minor = true }\nkyc = { column = \"b\" }\n\
         [feedback]\ndelay_days = 1\nkind = \"bind\"\nfields = [\"account\"]\n",
    )
    .expect("a mapping")
});

fn admit(body: &[u8]) -> Result<(), String> {
    wire::json::decode_check(body).map(drop).map_err(|error| error.to_string())
}

fuzz_target!(|rows: &[u8]| {
    // Every file has the header, so that what varies is its rows.
    let file = [b"t,n,a,m,b\n", rows].concat();
    if let Ok(table) = Table::of_bytes(Format::Csv, file)
        && let Ok(mut stream) = Stream::new(&MAPPING, table, &BTreeMap::new())
    {
        while stream.next_event(&admit).is_some() {}
    }
    let Ok(table) = Table::of_bytes(Format::Csv, rows.to_vec()) else { return };
    let columns = table.columns().to_vec();
    if let Ok(rows) = table.rows(&columns, &[]) {
        rows.flatten().for_each(|row| {
            for cell in &row.cells {
                let _ = (cell.to_int(), cell.to_float(), cell.to_time_ms(), cell.is("1"));
            }
        });
    }
});
