//! Files as pandas, Arrow and others write them: the same rows give the same model and the same features, whatever the columns
//! are typed as and compressed with, and a column that nobody asked for is never in the way.

use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder, StringDictionaryBuilder};
use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BinaryArray, BinaryViewArray, BooleanArray, Date32Array, Decimal32Array, Decimal64Array,
    Decimal128Array, Decimal256Array, DurationNanosecondArray, FixedSizeBinaryArray, Float16Array,
    Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, IntervalDayTimeArray,
    LargeBinaryArray, LargeStringArray, NullArray, StringArray, StringViewArray, StructArray,
    Time32MillisecondArray, Time64MicrosecondArray, TimestampNanosecondArray, UInt8Array, UInt16Array,
    UInt32Array, UInt64Array,
};
use arrow_schema::{DataType, Field};
use parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};

#[path = "support/place.rs"]
mod place;
#[path = "support/times.rs"]
mod times;
use place::{Place, texts};

const START_MS: i64 = 1_772_323_200_000;

/// A column of two values and, as far as the type allows, a null; and what is read of it: the texts and the number of the first
/// value, or why it is not.
struct Typed {
    name: &'static str,
    array: ArrayRef,
    read: Result<([&'static str; 2], Option<f64>), &'static str>,
}

fn typed() -> Vec<Typed> {
    let ok = |name, array: ArrayRef, texts, number| Typed { name, array, read: Ok((texts, number)) };
    let not = |name, array: ArrayRef, why| Typed { name, array, read: Err(why) };
    let words = ["ab", "cd"];
    let mut list = ListBuilder::new(StringBuilder::new());
    for _ in 0..3 {
        list.values().append_value("x");
        list.append(true);
    }
    let mut category = StringDictionaryBuilder::<Int32Type>::new();
    category.append_value("ab");
    category.append_value("cd");
    category.append_null();
    let inner: ArrayRef = Arc::new(Int32Array::from(vec![1, 2, 3]));
    let structure = StructArray::from(vec![(Arc::new(Field::new("a", DataType::Int32, true)), inner)]);
    let half = half::f16::from_f32;
    let decimal =
        |array: Decimal128Array, scale| Arc::new(array.with_precision_and_scale(20, scale).unwrap());
    vec![
        ok("i8", Arc::new(Int8Array::from(vec![Some(-8), Some(1), None])), ["-8", "1"], Some(-8.0)),
        ok("i16", Arc::new(Int16Array::from(vec![Some(-16), Some(1), None])), ["-16", "1"], Some(-16.0)),
        ok("i32", Arc::new(Int32Array::from(vec![Some(-32), Some(1), None])), ["-32", "1"], Some(-32.0)),
        ok("i64", Arc::new(Int64Array::from(vec![Some(-64), Some(1), None])), ["-64", "1"], Some(-64.0)),
        ok("u8", Arc::new(UInt8Array::from(vec![Some(8), Some(1), None])), ["8", "1"], Some(8.0)),
        ok("u16", Arc::new(UInt16Array::from(vec![Some(16), Some(1), None])), ["16", "1"], Some(16.0)),
        ok(
            "u32",
            Arc::new(UInt32Array::from(vec![Some(u32::MAX), Some(1), None])),
            ["4294967295", "1"],
            Some(4_294_967_295.0),
        ),
        ok(
            "u64",
            Arc::new(UInt64Array::from(vec![Some(i64::MAX as u64), Some(1), None])),
            ["9223372036854775807", "1"],
            Some(i64::MAX as f64),
        ),
        ok(
            "f16",
            Arc::new(Float16Array::from(vec![Some(half(1.5)), Some(half(2.0)), None])),
            ["1.5", "2"],
            Some(1.5),
        ),
        ok(
            "f32",
            Arc::new(Float32Array::from(vec![Some(12.34), Some(f32::NAN), None])),
            ["12.34", ""],
            Some(f64::from(12.34_f32)),
        ),
        ok(
            "f64",
            Arc::new(Float64Array::from(vec![Some(12.34), Some(f64::NAN), None])),
            ["12.34", ""],
            Some(12.34),
        ),
        ok(
            "d128",
            decimal(Decimal128Array::from(vec![Some(1_234), Some(500), None]), 2),
            ["12.34", "5"],
            Some(12.34),
        ),
        ok(
            "d32",
            Arc::new(
                Decimal32Array::from(vec![Some(-1_234), Some(500), None])
                    .with_precision_and_scale(9, 2)
                    .unwrap(),
            ),
            ["-12.34", "5"],
            Some(-12.34),
        ),
        ok(
            "d64",
            Arc::new(
                Decimal64Array::from(vec![Some(1_234), Some(500), None])
                    .with_precision_and_scale(12, 2)
                    .unwrap(),
            ),
            ["12.34", "5"],
            Some(12.34),
        ),
        ok(
            "d256",
            Arc::new(
                Decimal256Array::from(vec![Some(1_234.into()), Some(500.into()), None])
                    .with_precision_and_scale(50, 2)
                    .unwrap(),
            ),
            ["12.34", "5"],
            Some(12.34),
        ),
        ok(
            "bool",
            Arc::new(BooleanArray::from(vec![Some(true), Some(false), None])),
            ["true", "false"],
            Some(1.0),
        ),
        ok("text", Arc::new(StringArray::from(vec![Some("ab"), Some("cd"), None])), words, None),
        ok("large text", Arc::new(LargeStringArray::from(vec![Some("ab"), Some("cd"), None])), words, None),
        ok("text view", Arc::new(StringViewArray::from(vec![Some("ab"), Some("cd"), None])), words, None),
        ok("category", Arc::new(category.finish()), words, None),
        ok("bytes", Arc::new(BinaryArray::from(vec![Some(&b"ab"[..]), Some(b"cd"), None])), words, None),
        ok(
            "large bytes",
            Arc::new(LargeBinaryArray::from(vec![Some(&b"ab"[..]), Some(b"cd"), None])),
            words,
            None,
        ),
        ok(
            "bytes view",
            Arc::new(BinaryViewArray::from(vec![Some(&b"ab"[..]), Some(b"cd"), None])),
            words,
            None,
        ),
        ok(
            "fixed bytes",
            Arc::new(
                FixedSizeBinaryArray::try_from_sparse_iter_with_size(
                    [Some(b"ab"), Some(b"cd"), None].into_iter(),
                    2,
                )
                .unwrap(),
            ),
            words,
            None,
        ),
        ok("null", Arc::new(NullArray::new(3)), ["", ""], None),
        ok(
            "date",
            Arc::new(Date32Array::from(vec![Some(20_513), Some(0), None])),
            ["2026-03-01", "1970-01-01"],
            None,
        ),
        ok(
            "time",
            Arc::new(TimestampNanosecondArray::from(vec![Some(START_MS * 1_000_000), Some(-1), None])),
            ["2026-03-01T00:00:00", "1969-12-31T23:59:59.999"],
            None,
        ),
        not(
            "raw bytes",
            Arc::new(BinaryArray::from(vec![Some(&b"ab"[..]), Some(b"\xff\xfe"), None])),
            "row 2: column `x`: 2 bytes that are not text",
        ),
        not("list", Arc::new(list.finish()), "column `x` is of type List"),
        not("struct", Arc::new(structure), "column `x` is of type Struct"),
        not("duration", Arc::new(DurationNanosecondArray::from(vec![1, 2, 3])), "a number of seconds"),
        not(
            "time of day",
            Arc::new(Time64MicrosecondArray::from(vec![1, 2, 3])),
            "column `x` is of type Time64",
        ),
        not(
            "short time of day",
            Arc::new(Time32MillisecondArray::from(vec![1, 2, 3])),
            "column `x` is of type Time32",
        ),
        not(
            "interval",
            Arc::new(IntervalDayTimeArray::from(vec![None, None, None])),
            "column `x` is of type Interval",
        ),
    ]
}

const MAP: &str = "[time]\ncolumn = \"t\"\nunit = \"s\"\nepoch = \"2026-03-01T00:00:00Z\"\n\
                   [fields]\nid = { column = \"n\" }\nkind = { value = \"pay\" }\n";

/// The columns that every event here has: three events.
fn plain() -> Vec<(&'static str, ArrayRef)> {
    vec![("n", texts(["e1", "e2", "e3"])), ("t", Arc::new(Int64Array::from(vec![1, 2, 3])))]
}

#[test]
fn a_column_that_nobody_asked_for_is_never_in_the_way() {
    let place = Place::new();
    place.write("map.toml", &format!("{MAP}account = {{ value = \"a\" }}\n"));
    let mut columns = plain();
    let amounts: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 2.0, 3.0]));
    columns.push(("amount", amounts));
    columns.push(("fraud", Arc::new(BooleanArray::from(vec![true, false, false]))));
    let typed = typed();
    columns.extend(typed.iter().map(|column| (column.name, column.array.clone())));
    place.write_parquet("rows.parquet", columns, Compression::SNAPPY);
    let report = place.json(&["replay", "rows.parquet", "--map", "map.toml", "--entries", "256"]);
    assert_eq!(report["events"], 3);
    let train = [
        "model",
        "train",
        "--data",
        "rows.parquet",
        "--label",
        "fraud",
        "--held-out",
        "0",
        "--validation",
        "0",
    ];
    let plain = ["--leaf-rows", "1", "--trees", "1", "--out", "mine"];
    place.ends(0, &[&train[..], &plain, &["--features", "amount"]].concat());
    let others: Vec<&str> = typed.iter().map(|column| column.name).chain(["n"]).collect();
    place.ends(0, &[&train[..], &plain, &["--exclude", &others.join(",")]].concat());
    // All at once are features unless they are left out, and the first that cannot be one is named with the way out.
    let said = place.refuses(&[&train[..], &plain].concat());
    assert!(said.contains("leave it out with --exclude"), "{said}");
}

#[test]
fn a_column_of_every_type_is_read_as_what_it_is_or_refused_by_name() {
    let place = Place::new();
    place.write("rules/own.yaml", "schema:\n  x: { type: double, for: model }\n");
    for Typed { name, array, read } in typed() {
        let mut columns = plain();
        columns.push(("x", array));
        place.write_parquet("rows.parquet", columns, Compression::ZSTD(ZstdLevel::default()));
        place.write("map.toml", &format!("{MAP}account = {{ column = \"x\", prefix = \"a\" }}\n"));
        let replay = [
            "replay",
            "rows.parquet",
            "--map",
            "map.toml",
            "--entries",
            "256",
            "--allow",
            "refused",
            "--out",
            "out.csv",
        ];
        let (texts, number) = match read {
            Ok(read) => read,
            Err(why) => {
                let said = place.refuses(&replay);
                assert!(said.contains(why), "{name}: {said}");
                continue;
            }
        };
        let there: Vec<String> =
            texts.iter().filter(|text| !text.is_empty()).map(|text| format!("a{text}")).collect();
        if there.is_empty() {
            assert!(place.refuses(&replay).contains("account"), "{name}");
        } else {
            place.ends(0, &replay);
            assert_eq!(
                place.column("out.csv", "_account"),
                there,
                "{name}: a null is an account that is not there"
            );
        }
        place.write(
            "map.toml",
            &format!("{MAP}account = {{ value = \"a\" }}\n\"ext.x\" = {{ column = \"x\" }}\n"),
        );
        let replay = [
            "replay",
            "rows.parquet",
            "--map",
            "map.toml",
            "--entries",
            "256",
            "--rules",
            "rules",
            "--out",
            "out.csv",
        ];
        match number {
            Some(number) => {
                place.ends(0, &replay);
                let found: f64 = place.column("out.csv", "ext.x")[0].parse().unwrap();
                assert_eq!(found, number, "{name}");
            }
            None if there.is_empty() => drop(place.ends(0, &replay)),
            None => {
                let said = place.refuses(&replay);
                assert!(
                    said.contains("row 1: ext.x: ") && said.contains("is not a number"),
                    "{name}: {said}"
                );
            }
        }
    }
}

#[test]
fn every_codec_is_read() {
    let place = Place::new();
    place.write("map.toml", &format!("{MAP}account = {{ value = \"a\" }}\n"));
    for codec in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::BROTLI(BrotliLevel::default()),
        Compression::LZ4,
        Compression::LZ4_RAW,
        Compression::ZSTD(ZstdLevel::default()),
    ] {
        place.write_parquet("rows.parquet", plain(), codec);
        place.ends(
            0,
            &["replay", "rows.parquet", "--map", "map.toml", "--entries", "256", "--out", "out.csv"],
        );
        assert_eq!(place.column("out.csv", "_id"), ["e1", "e2", "e3"], "{codec:?}");
    }
}

/// Forty rows of a history as pandas writes it: an unnamed index, whole floats, `True`, empty fields and, where asked, `NA`.
fn pandas() -> String {
    let mut csv = ",amount,hour,merchant,fraud\n".to_owned();
    for row in 0..40 {
        let amount = if row % 10 == 3 { "NA".to_owned() } else { format!("{}.0", row * 7 % 40) };
        let fraud = if row * 7 % 40 > 30 { "True" } else { "False" };
        csv += &format!("{row},{amount},{},m{},{fraud}\n", row % 24, row % 3);
    }
    csv
}

#[test]
fn csv_is_read_as_pandas_writes_it() {
    let place = Place::new();
    place.write("rows.csv", &pandas());
    let train = [
        "model",
        "train",
        "--data",
        "rows.csv",
        "--label",
        "fraud",
        "--held-out",
        "0",
        "--validation",
        "0",
        "--leaf-rows",
        "1",
        "--trees",
        "2",
        "--out",
        "mine",
    ];
    let with = |more: &[&'static str]| [&train[..], more].concat();
    let said = place.refuses(&with(&["--exclude", "merchant"]));
    assert!(said.contains("line 5: column `amount` holds \"NA\"") && said.contains("--na \"NA\""), "{said}");
    let said = place.refuses(&with(&["--na", "NA"]));
    assert!(
        said.contains("line 2: column `merchant` holds \"m0\"") && said.contains("--exclude merchant"),
        "{said}"
    );
    let said = place.ends(0, &with(&["--exclude", "merchant", "--na", "NA"]));
    assert!(said.stderr.contains("note: column `` is the index"), "{}", said.stderr);
    let inputs = place.json(&["model", "inspect", "mine"])["inputs"].clone();
    let names: Vec<&str> =
        inputs.as_array().unwrap().iter().map(|input| input["input"].as_str().unwrap()).collect();
    assert_eq!(names, ["amount", "hour"]);
    // What pandas calls the index when it reads and writes it again is no feature either; but who names it has it.
    place.write("rows.csv", &pandas().replacen(",amount", "Unnamed: 0,amount", 1));
    let said = place.ends(0, &with(&["--exclude", "merchant", "--na", "NA"]));
    assert!(said.stderr.contains("`Unnamed: 0` is the index"), "{}", said.stderr);
    place.ends(0, &with(&["--features", "Unnamed: 0,hour"]));
    let eval = ["model", "eval", "mine", "--data", "rows.csv", "--label", "fraud", "--json"];
    place.ends(0, &eval);
}

#[test]
fn faults_of_a_file_are_named_at_their_line_or_row() {
    let place = Place::new();
    place.write("map.toml", &format!("{MAP}account = {{ column = \"who\" }}\n"));
    let replay = |name: &str| ["replay", name, "--map", "map.toml", "--entries", "256"].map(str::to_owned);
    let cases = [
        // Empty lines and line ends within quotes count.
        ("n,t,who,note\n\ne1,1,a,\"x\ny\"\ne2,x,c,\n", "line 5: time: found \"x\""),
        ("n,t,who\ne1,1,a\ne2,2\n", "line 3: 2 fields, but the header has 3"),
        ("n,t,who,note\ne1,1,a,\"x\ne2,2,b,\ne3,3,c,\n", "line 2: a quote opens and is not closed"),
        ("n,t,who,who\ne1,1,a,b\n", "two columns `who`"),
        ("n,t,whom\ne1,1,a\n", "no column `who`; there are n, t, whom"),
    ];
    for (csv, why) in cases {
        place.write("rows.csv", csv);
        let arguments = replay("rows.csv");
        let said = place.refuses(&arguments.each_ref().map(String::as_str));
        assert!(said.contains(why), "{why}: {said}");
    }
    std::fs::write(place.path("rows.csv"), b"n,t,who\ne1,1,a\ne2,2,\xff\n").unwrap();
    let arguments = replay("rows.csv");
    let said = place.refuses(&arguments.each_ref().map(String::as_str));
    assert!(said.contains("line 3: field 3 is not UTF-8"), "{said}");
    let mut columns = plain();
    columns.push(("who", Arc::new(StringArray::from(vec![Some("a"), Some("b"), None]))));
    place.write_parquet("rows.parquet", columns, Compression::SNAPPY);
    let arguments = replay("rows.parquet");
    let said = place.refuses(&arguments.each_ref().map(String::as_str));
    assert!(said.contains("row 3: ") && said.contains("account"), "{said}");
}
