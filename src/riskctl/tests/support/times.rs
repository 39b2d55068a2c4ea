//! The same times, however they are written.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Date64Array, Decimal128Array, Float64Array, Int64Array, StringArray,
    TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray,
    UInt64Array,
};
use parquet::basic::Compression;

use super::START_MS;
use super::place::{Place, texts};

const DAY_MS: i64 = 86_400_000;

/// A column of times, by what it is written as.
type Times = (&'static str, ArrayRef);

/// Times as every type that holds them; days only where they are all midnights.
fn times(ms: &[i64]) -> Vec<Times> {
    let civil = |ms: &i64| jiff::Timestamp::from_millisecond(*ms).unwrap();
    let mut all: Vec<Times> = vec![
        ("datetime64[ms]", Arc::new(TimestampMillisecondArray::from(ms.to_vec()))),
        (
            "datetime64[us]",
            Arc::new(TimestampMicrosecondArray::from_iter_values(ms.iter().map(|ms| ms * 1_000))),
        ),
        (
            "datetime64[ns]",
            Arc::new(TimestampNanosecondArray::from_iter_values(ms.iter().map(|ms| ms * 1_000_000))),
        ),
        ("datetime64[ms, UTC]", Arc::new(TimestampMillisecondArray::from(ms.to_vec()).with_timezone("UTC"))),
        (
            "datetime64[us, Shanghai]",
            Arc::new(
                TimestampMicrosecondArray::from_iter_values(ms.iter().map(|ms| ms * 1_000))
                    .with_timezone("Asia/Shanghai"),
            ),
        ),
        (
            "datetime64[ns, +02:00]",
            Arc::new(
                TimestampNanosecondArray::from_iter_values(ms.iter().map(|ms| ms * 1_000_000))
                    .with_timezone("+02:00"),
            ),
        ),
        ("RFC 3339", texts(ms.iter().map(|ms| civil(ms).to_string()))),
        (
            "RFC 3339 with an offset",
            texts(
                ms.iter().map(|ms| {
                    jiff::tz::offset(8).to_datetime(civil(ms)).strftime("%FT%T%.f+08:00").to_string()
                }),
            ),
        ),
        ("as pandas writes it", texts(ms.iter().map(|ms| civil(ms).strftime("%F %T%.f").to_string()))),
        (
            "as pandas writes it with a zone",
            texts(ms.iter().map(|ms| civil(ms).strftime("%F %T%.f+00:00").to_string())),
        ),
        ("integers of ms", Arc::new(Int64Array::from(ms.to_vec()))),
        ("unsigned integers of ms", Arc::new(UInt64Array::from_iter_values(ms.iter().map(|ms| *ms as u64)))),
        ("doubles of ms", Arc::new(Float64Array::from_iter_values(ms.iter().map(|ms| *ms as f64)))),
        ("doubles of ms as text", texts(ms.iter().map(|ms| format!("{ms}.0")))),
        (
            "decimals of ms",
            Arc::new(
                Decimal128Array::from_iter_values(ms.iter().map(|ms| i128::from(*ms) * 100))
                    .with_precision_and_scale(18, 2)
                    .unwrap(),
            ),
        ),
    ];
    if ms.iter().all(|ms| ms % DAY_MS == 0) {
        let days: Vec<i32> = ms.iter().map(|ms| (ms / DAY_MS) as i32).collect();
        all.push((
            "datetime64[s]",
            Arc::new(TimestampSecondArray::from_iter_values(ms.iter().map(|ms| ms / 1000))),
        ));
        all.push(("date32", Arc::new(Date32Array::from(days))));
        all.push(("date64", Arc::new(Date64Array::from(ms.to_vec()))));
        all.push(("days as text", texts(ms.iter().map(|ms| civil(ms).strftime("%F").to_string()))));
    }
    all
}

/// Texts of a column for a CSV file, where it is one of texts or numbers.
fn as_csv(column: &ArrayRef) -> Option<Vec<String>> {
    if let Some(texts) = column.as_any().downcast_ref::<StringArray>() {
        return Some(texts.iter().flatten().map(str::to_owned).collect());
    }
    column
        .as_any()
        .downcast_ref::<Int64Array>()
        .map(|ints| ints.values().iter().map(i64::to_string).collect())
}

#[test]
fn the_same_rows_give_the_same_model_however_their_times_are_written() {
    let place = Place::new();
    let rows = 400_i64;
    let amounts: Vec<f64> = (0..rows).map(|row| (row * 7919 % 1000) as f64).collect();
    let frauds: Vec<bool> = amounts.iter().map(|amount| *amount > 800.0).collect();
    for step_ms in [DAY_MS / 10 + 1, 0] {
        // Ten rows a day over forty days; by the hour, and by the day.
        let at = |row: i64| START_MS + if step_ms > 0 { row * step_ms } else { row / 10 * DAY_MS };
        let ms: Vec<i64> = (0..rows).map(at).collect();
        let mut told = None;
        for (how, time) in times(&ms) {
            let mut files = vec!["rows.parquet"];
            if let Some(texts) = as_csv(&time) {
                let row = |(row, text): (usize, &String)| {
                    format!("{text},{},{}\n", amounts[row], if frauds[row] { "True" } else { "False" })
                };
                let lines: String = texts.iter().enumerate().map(row).collect();
                place.write("rows.csv", &format!("t,amount,fraud\n{lines}"));
                files.push("rows.csv");
            }
            let columns: Vec<(&str, ArrayRef)> = vec![
                ("t", time),
                ("amount", Arc::new(Float64Array::from(amounts.clone()))),
                ("fraud", Arc::new(BooleanArray::from(frauds.clone()))),
            ];
            place.write_parquet("rows.parquet", columns, Compression::SNAPPY);
            for file in files {
                let said = place.json(&[
                    "model",
                    "train",
                    "--data",
                    file,
                    "--time",
                    "t",
                    "--label",
                    "fraud",
                    "--trees",
                    "2",
                    "--held-out",
                    "7d",
                    "--validation",
                    "5d",
                    "--gap-days",
                    "3",
                    "--out",
                    "mine",
                ]);
                let training = &said["training"];
                let found = (
                    ["from", "to", "rows", "frauds", "validation_rows"].map(|key| training[key].clone()),
                    said["held_out"]["quality"]["rows"].clone(),
                );
                assert!(
                    found.1.as_u64().is_some_and(|rows| (60..80).contains(&rows)),
                    "{how} in {file}: {found:?}"
                );
                let first = told.get_or_insert_with(|| found.clone());
                assert_eq!(*first, found, "{how} in {file}");
            }
        }
    }
}

#[test]
fn the_same_events_are_replayed_at_the_same_times_however_they_are_written() {
    let place = Place::new();
    let ms: Vec<i64> = (0..40).map(|row| START_MS + row * DAY_MS).collect();
    let fields =
        "[fields]\nid = { column = \"n\" }\nkind = { value = \"pay\" }\naccount = { value = \"a\" }\n";
    for (how, time) in times(&ms) {
        let unit = if how.contains("of ms") { "unit = \"ms\"\n" } else { "" };
        place.write("map.toml", &format!("[time]\ncolumn = \"t\"\n{unit}{fields}"));
        let csv = as_csv(&time);
        let columns = vec![("n", texts((0..40).map(|row| format!("e{row}")))), ("t", time)];
        place.write_parquet("rows.parquet", columns, Compression::UNCOMPRESSED);
        let mut files = vec!["rows.parquet"];
        if let Some(csv) = csv {
            let lines: String =
                csv.iter().enumerate().map(|(row, text)| format!("e{row},{text}\n")).collect();
            place.write("rows.csv", &format!("n,t\n{lines}"));
            files.push("rows.csv");
        }
        for file in files {
            place.ends(0, &["replay", file, "--map", "map.toml", "--entries", "256", "--out", "out.csv"]);
            let found: Vec<i64> =
                place.column("out.csv", "_time_ms").iter().map(|ms| ms.parse().unwrap()).collect();
            assert_eq!(found, ms, "{how} in {file}");
        }
    }
    // What states no zone is at the mapping's offset.
    place.write("map.toml", &format!("[time]\ncolumn = \"t\"\nutc_offset_minutes = 480\n{fields}"));
    for (how, time) in times(&ms) {
        if how.contains("of ms") {
            continue;
        }
        let zoned =
            how.contains("UTC") || how.contains("Shanghai") || how.contains('+') || how.contains("RFC");
        let zoned = zoned || how.contains("with a zone");
        let columns = vec![("n", texts((0..40).map(|row| format!("e{row}")))), ("t", time)];
        place.write_parquet("rows.parquet", columns, Compression::UNCOMPRESSED);
        place.ends(
            0,
            &["replay", "rows.parquet", "--map", "map.toml", "--entries", "256", "--out", "out.csv"],
        );
        let expected = if zoned { ms[0] } else { ms[0] - 8 * 3_600_000 };
        assert_eq!(place.column("out.csv", "_time_ms")[0], expected.to_string(), "{how}");
    }
}
