//! Streams that are out of order, damaged or empty: every event is reported, or the command says why not.

#[path = "support/place.rs"]
mod place;
use place::Place;

const MAP: &str = "[time]\ncolumn = \"t\"\nunit = \"ms\"\n[label]\ncolumn = \"lab\"\nfraud = [\"1\"]\n[fields]\n\
                   id = { column = \"id\" }\nkind = { value = \"pay\" }\naccount = { column = \"acc\" }\n\
                   \"device.id\" = { column = \"dev\" }\namount = { column = \"amt\" }\n";
const HEAD: &str = "t,id,acc,dev,amt,lab\n";
const REPLAY: [&str; 6] = ["replay", "rows.csv", "--map", "map.toml", "--entries", "256"];

fn place(rows: &str) -> Place {
    let place = Place::new();
    place.write("map.toml", MAP);
    place.write("rows.csv", rows);
    place
}

/// Events at these seconds past 2026-03-01, in that order.
fn at(seconds: &[i64]) -> String {
    let row = |(number, second): (usize, &i64)| {
        format!("{},e{number},a,,1.00,{}\n", 1_772_323_200_000 + second * 1000, u8::from(number == 0))
    };
    HEAD.to_owned() + &seconds.iter().enumerate().map(row).collect::<String>()
}

fn with(more: &[&'static str]) -> Vec<&'static str> {
    [&REPLAY[..], more].concat()
}

#[test]
fn events_earlier_than_the_first_row_are_reported_and_written() {
    for (seconds, from, to) in [
        (&[0, -5, 1, -10, 2][..], "2026-02-28T23:59:50Z", "2026-03-01T00:00:02Z"),
        (&[90_000, 3_600, 60, 1, 0], "2026-03-01T00:00:00Z", "2026-03-02T01:00:00Z"),
    ] {
        let place = place(&at(seconds));
        let late = with(&["--allow", "late", "--out", "out.csv"]);
        let report = place.json(&late);
        assert_eq!(report["events"], seconds.len(), "{report:#}");
        assert_eq!((report["from"].as_str(), report["to"].as_str()), (Some(from), Some(to)), "{report:#}");
        assert_eq!(place.column("out.csv", "_id").len(), seconds.len());
        // A start that is asked for still leaves out what is before it, wherever it stands.
        let report = place.json(&with(&["--allow", "late,labels", "--from", "2026-03-01"]));
        assert_eq!(report["events"], seconds.iter().filter(|second| **second >= 0).count(), "{report:#}");
    }
}

#[test]
fn a_quote_out_of_its_place_swallows_no_rows() {
    let rows = |memo: &[&str]| {
        let row = |(number, memo): (usize, &&str)| {
            let time = 1_772_323_200_000 + number as i64;
            format!("{time},e{number},a,,1.00,{},{memo}\n", u8::from(number == 0))
        };
        format!("t,id,acc,dev,amt,lab,memo\n{}", memo.iter().enumerate().map(row).collect::<String>())
    };
    for (memo, why) in [
        (&["\"hello", "x", "\"bye"][..], "line 4: text after a closing quote, which opened on line 2"),
        (&["\"hello\"", "x", "\"by\"e"], "line 4: text after a closing quote: double the quotes"),
        (&["x", "\"say \"no\"\""], "line 3: text after a closing quote"),
        (&["x", "5\" screen", "y"], "line 3: a quote within a field"),
        (&["x", " \"y\""], "line 3: a quote within a field"),
        (&["x", "\"y", "z"], "line 3: a quote opens and is not closed"),
    ] {
        let place = place(&rows(memo));
        let said = place.refuses(&with(&["--out", "out.csv", "--allow", "refused"]));
        assert!(said.contains(why), "{memo:?}: {said}");
        assert!(!place.path("out.csv").exists());
        let train = ["model", "train", "--data", "rows.csv", "--label", "lab", "--features", "amt"];
        let said = place.refuses(&[&train[..], &["--out", "m"]].concat());
        assert!(said.contains(why), "{memo:?}: {said}");
    }
    // As pandas writes a text of two lines.
    let place = place(&rows(&["\"two\nlines, \"\"quoted\"\"\"", "", "\"z\""]));
    assert_eq!(place.json(&REPLAY)["events"], 3);
}

#[test]
fn an_empty_stream_does_not_pass() {
    let place = place(HEAD);
    let three = at(&[0, 1, 2]);
    place.write("three.csv", &three);
    place.write_parquet(
        "none.parquet",
        HEAD.trim().split(',').map(|name| (name, place::texts(Vec::<String>::new()))).collect(),
        parquet::basic::Compression::SNAPPY,
    );
    let map = ["--map", "map.toml", "--entries", "256", "--out", "out.csv"];
    for (file, more, why) in [
        ("rows.csv", &[][..], "it has no rows"),
        ("none.parquet", &[], "it has no rows"),
        ("three.csv", &["--from", "2026-03-02"], "no row of it is of 2026-03-02T00:00:00Z or later"),
        ("three.csv", &["--to", "2026-02-01"], "no row of it is earlier than"),
        ("three.csv", &["--to", "2026-02-01", "--allow", "late"], "no row of it is earlier than"),
        ("three.csv", &["--from", "2026-03-02", "--to", "2026-03-01"], "nothing lies between"),
    ] {
        let said = place.refuses(&[&["replay", file][..], &map, more].concat());
        assert!(said.contains(why), "{file} {more:?}: {said}");
        assert!(!place.path("out.csv").exists(), "{file} {more:?}");
    }
    let train = ["model", "train", "--label", "lab", "--time", "t", "--features", "amt", "--out", "m"];
    for (file, more, why) in [
        ("rows.csv", &[][..], "it has no rows"),
        ("none.parquet", &[], "it has no rows"),
        ("three.csv", &["--from", "2026-03-02"], "no row of it"),
        ("three.csv", &["--from", "2026-03-02", "--to", "2026-03-01"], "nothing lies between"),
    ] {
        let said = place.refuses(&[&train[..], &["--data", file], more].concat());
        assert!(said.contains(why), "{file} {more:?}: {said}");
    }
}
