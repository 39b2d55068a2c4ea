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
fn events_after_one_past_the_end_are_not_left_out_in_silence() {
    let place = place(&at(&[0, 90_000, 1, 2]));
    let to = with(&["--to", "2026-03-02"]);
    let said = place.refuses(&to);
    assert!(
        said.contains("line 4: an event of 2026-03-01T00:00:01Z follows one of 2026-03-02T01:00:00Z"),
        "{said}"
    );
    assert_eq!(place.json(&[&to[..], &["--allow", "late"]].concat())["events"], 3);
    place.write("map.toml", &format!("sort = true\n{MAP}"));
    assert_eq!(place.json(&to)["events"], 3);
    // In order, what is past the end is no fault.
    place.write("map.toml", MAP);
    place.write("rows.csv", &at(&[0, 1, 90_000, 90_001]));
    assert_eq!(place.json(&to)["events"], 2);
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

#[test]
fn what_is_read_is_never_written_over() {
    use std::os::unix::fs::symlink;
    let place = place(&at(&[0, 1, 2]));
    place.write(
        "rules/own.yaml",
        "features:\n  pays_1h: { count: pay, by: account, window: 1h, for: model }\n",
    );
    std::fs::create_dir(place.path("folder")).unwrap();
    symlink("rows.csv", place.path("link.csv")).unwrap();
    symlink("rules/own.yaml", place.path("rule.csv")).unwrap();
    symlink("rows.csv", place.path("fresh.csv.draft")).unwrap();
    symlink("folder", place.path("other")).unwrap();
    std::fs::hard_link(place.path("rows.csv"), place.path("folder/hard.csv")).unwrap();
    let before = place.read("rows.csv");
    let absolute = place.path("rows.csv").to_str().unwrap().to_owned();
    for out in ["rows.csv", "./folder/../rows.csv", &absolute, "link.csv", "other/hard.csv", "fresh.csv"] {
        let said = place.refuses(&with(&[]).into_iter().chain(["--out", out]).collect::<Vec<_>>());
        assert!(said.contains("it is what is read from"), "{out}: {said}");
    }
    let rule = place.refuses(&with(&["--rules", "rules", "--out", "rule.csv"]));
    assert!(rule.contains("rules/own.yaml"), "{rule}");
    place.write("m.txt", LIGHTGBM);
    place.ends(0, &["model", "import", "m.txt", "--features", "amt", "--out", "m"]);
    for more in [&[][..], &["--contributions"]] {
        let predict = ["model", "predict", "--model", "m", "--data", "rows.csv", "--out", "link.csv"];
        let said = place.refuses(&[&predict[..], more].concat());
        assert!(said.contains("it is what is read from"), "{said}");
    }
    place.write("m/forest.txt", LIGHTGBM);
    let said = place.refuses(&["model", "import", "m/forest.txt", "--features", "amt", "--out", "m"]);
    assert!(said.contains("it is what is read from"), "{said}");
    std::fs::create_dir(place.path("trained")).unwrap();
    symlink("../rows.csv", place.path("trained/forest.txt")).unwrap();
    let train = ["model", "train", "--data", "rows.csv", "--label", "lab", "--features", "amt"];
    let said = place.refuses(&[&train[..], &["--out", "trained"]].concat());
    assert!(said.contains("it is what is read from"), "{said}");
    place.write("journal/00.seg", "not a segment");
    let said = place.refuses(&["journal", "export", "journal", "--out", "journal/00.seg"]);
    assert!(said.contains("it is what is read from"), "{said}");
    assert_eq!((place.read("rows.csv"), place.read("journal/00.seg").as_str()), (before, "not a segment"));
    // A file beside it, and one of an earlier run, are written.
    for _ in 0..2 {
        place.ends(0, &with(&["--out", "out.csv"]));
    }
}

#[test]
fn a_damaged_file_is_told_in_a_line() {
    let place = place(HEAD);
    place.write("m.txt", LIGHTGBM);
    place.ends(0, &["model", "import", "m.txt", "--features", "amt", "--out", "m"]);
    let amounts = std::sync::Arc::new(arrow_array::Float64Array::from_iter_values((0..40).map(f64::from)));
    place.write_parquet("rows.parquet", vec![("amt", amounts)], parquet::basic::Compression::SNAPPY);
    let good = std::fs::read(place.path("rows.parquet")).unwrap();
    let mut damaged = 0;
    for at in (4..good.len()).step_by(good.len() / 250 + 1) {
        let mut bytes = good.clone();
        bytes[at] ^= 0xFF;
        std::fs::write(place.path("rows.parquet"), bytes).unwrap();
        let predict = ["model", "predict", "--model", "m", "--data", "rows.parquet"];
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_riskctl"))
            .current_dir(place.path(""))
            .env("RUST_BACKTRACE", "1")
            .args(predict)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(matches!(output.status.code(), Some(0 | 2)), "byte {at}: {told}");
        assert!(told.lines().count() <= 1 && !told.contains("panicked"), "byte {at}: {told}");
        damaged += usize::from(told.contains("the file is damaged"));
    }
    assert!(damaged > 0, "no byte made the library panic");
}

const LIGHTGBM: &str = "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nmax_feature_idx=0\n\
objective=binary sigmoid:1\nfeature_names=Column_0\n\nTree=0\nnum_leaves=2\nnum_cat=0\nsplit_feature=0\nthreshold=2.5\n\
decision_type=2\nleft_child=-1\nright_child=-2\nleaf_value=-2 0\nis_linear=0\n\nend of trees\n";
