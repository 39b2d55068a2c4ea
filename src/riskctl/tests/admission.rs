//! A replay takes what the daemon takes and nothing else, and says what would make features wrong.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, UInt64Array};
use parquet::basic::Compression;
use serde_json::{Value, json};
use server::{Config, Running, Server};

#[path = "support/place.rs"]
mod place;
use place::{Place, texts};

const RULES: &str = "schema:\n  tier: { type: int, for: model }\n  share: { type: double, for: model }\n  \
                     brand: { type: text, for: model }\n  vip: { type: bool, for: model }\n\
                     features:\n  pays_1h: { count: pay, by: account, window: 1h, for: model }\n";

/// Every column is a field of the check by its name; an empty one is not given.
fn map(columns: &[&str], more: &str) -> String {
    let fields: String = columns
        .iter()
        .filter(|name| !["t", "bad"].contains(name))
        .map(|name| format!("{name:?} = {{ column = {name:?} }}\n"))
        .collect();
    format!(
        "{more}[time]\ncolumn = \"t\"\nunit = \"ms\"\n[label]\ncolumn = \"bad\"\nfraud = [\"1\"]\n[fields]\n{fields}"
    )
}

fn place() -> Place {
    let place = Place::new();
    place.write("rules/own.yaml", RULES);
    place
}

fn daemon(place: &Place) -> Running {
    let mut config = Config::default();
    let any = "127.0.0.1:0".parse().unwrap();
    (config.listen.http, config.listen.quic, config.listen.admin) = (any, any, any);
    config.policy.dir = place.path("rules");
    config.policy.allow_empty = true;
    (config.models.active, config.models.anomaly) = (String::new(), String::new());
    config.data.dir = place.path("data");
    (config.workers.count, config.workers.pin) = (1, false);
    let tables = &mut config.tables;
    (tables.accounts, tables.devices, tables.velocity_keys, tables.decisions) = (2048, 2048, 2048, 2048);
    config.limits.backlog_ms_max = 60_000;
    Server::start(config).unwrap()
}

/// Why the daemon refuses a check: field and message; nothing if it answers.
fn refusal(http: SocketAddr, check: &Value) -> Option<(String, String)> {
    let body = check.to_string();
    let mut stream = TcpStream::connect(http).unwrap();
    let length = body.len();
    write!(
        stream,
        "POST /v1/check HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    let error =
        serde_json::from_str::<Value>(reply.split_once("\r\n\r\n").unwrap().1).unwrap()["error"].clone();
    let text = |key: &str| error[key].as_str().map(str::to_owned);
    Some((text("field")?, text("message")?))
}

/// Values of fields, good and bad, by the column that they stand in. The second says what they are in JSON.
fn values() -> Vec<(&'static str, String, Value)> {
    let text = |field, value: &str| (field, value.to_owned(), json!(value));
    let number = |field, value: Value| (field, value.to_string(), value);
    vec![
        text("id", "an id"),
        text("id", &"x".repeat(129)),
        text("kind", "pay"),
        text("kind", "Pay"),
        text("kind", "payment"),
        text("account", &"好".repeat(43)),
        text("counterparty", "shop"),
        text("device.id", &"d".repeat(200)),
        text("device.class", "pos"),
        text("device.class", "POS"),
        text("ip", "10.0.0.1"),
        text("ip", "10.0.0.256"),
        text("ip", "2001:db8::1"),
        text("amount", "8.88"),
        text("amount", "8.885"),
        text("amount", "-1"),
        text("amount", "10000000000.01"),
        text("currency", "CNY"),
        text("currency", "yuan"),
        text("packet", "0190c3f2-7b1e-7cc3-98c4-dc0c0c07398f"),
        text("packet", "0190c3f2"),
        text("channel", &"c".repeat(300)),
        number("kyc", json!(3)),
        number("kyc", json!(4)),
        number("kyc", json!(1.5)),
        number("factors", json!(-1)),
        number("geo.lat", json!(91.0)),
        number("biometric.face", json!(0.5)),
        number("biometric.face", json!(1.5)),
        number("ext.tier", json!(7)),
        number("ext.tier", json!(7.5)),
        number("ext.share", json!(7)),
        number("ext.share", json!(0.25)),
        number("ext.vip", json!(true)),
        text("ext.brand", "plain"),
        text("ext.brand", &"b".repeat(3000)),
        text("text", &"t".repeat(5000)),
    ]
}

#[test]
fn a_replay_takes_what_the_daemon_takes_and_names_the_row_of_what_it_refuses() {
    let place = place();
    let running = daemon(&place);
    let http = running.addresses().http.unwrap();
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let mut refused = 0;
    for (number, (field, value, json)) in values().into_iter().enumerate() {
        let mut columns = vec!["t", "bad", "id", "kind", "account"];
        if !columns.contains(&field) {
            columns.push(field);
        }
        let good = |column: &str, row: usize| match column {
            "t" => (now_ms + row as i64).to_string(),
            "bad" => "1".to_owned(),
            "id" => format!("e{number}-{row}"),
            "kind" => "pay".to_owned(),
            "account" => "a".to_owned(),
            _ => String::new(),
        };
        // The value stands in the third of three rows.
        let cell = |column: &str, row: usize| {
            if column == field && row == 2 { value.clone() } else { good(column, row) }
        };
        let row = |row: usize| columns.iter().map(|column| cell(column, row)).collect::<Vec<_>>().join(",");
        let lines: String = (0..3).map(|number| row(number) + "\n").collect();
        place.write("rows.csv", &format!("{}\n{lines}", columns.join(",")));
        let typed: Vec<(&str, ArrayRef)> =
            columns.iter().map(|column| (*column, texts((0..3).map(|row| cell(column, row))))).collect();
        place.write_parquet("rows.parquet", typed, Compression::SNAPPY);
        place.write("map.toml", &map(&columns, ""));

        let mut check = json!({ "id": good("id", 2), "kind": "pay", "account": "a", "time": now_ms });
        match field.split_once('.') {
            Some((outer, inner)) => check[outer] = json!({ inner: json }),
            None => check[field] = json,
        }
        let daemon = refusal(http, &check);
        for (file, at) in [("rows.csv", "line 4"), ("rows.parquet", "row 3")] {
            let replay = ["replay", file, "--map", "map.toml", "--entries", "256", "--rules", "rules"];
            let Some((at_field, why)) = &daemon else {
                place.ends(0, &replay);
                continue;
            };
            refused += 1;
            let said = place.refuses(&replay);
            let expected =
                said.contains(at) && said.contains(at_field.as_str()) && said.contains(why.as_str());
            assert!(expected, "{field} {value}: {at_field}: {why}\n{said}");
            let report = place.json(&[&replay[..], &["--allow", "refused"]].concat());
            assert_eq!(
                (&report["events"], &report["findings"]["refused"]),
                (&json!(2), &json!(1)),
                "{report:#}"
            );
            assert!(report["findings"]["refused_rows"][0].as_str().unwrap().starts_with(at), "{report:#}");
        }
    }
    assert!(refused > 20, "{refused}");
}

#[test]
fn the_seed_that_a_daemon_writes_opens_its_log() {
    let place = place();
    daemon(&place).shutdown();
    place.write("labels.csv", "id,label\ne1,1\n");
    let compare = ["model", "compare", "data", "--labels", "labels.csv"];
    let said = place.refuses(&compare);
    assert!(said.contains("no challenger scored in these decisions"), "{said}");
    // A damaged file is an error, and never another seed.
    let seed = place.path("data/hash.seed");
    let mut bytes = std::fs::read(&seed).unwrap();
    bytes[0] ^= 1;
    std::fs::write(&seed, bytes).unwrap();
    assert!(place.refuses(&compare).contains("hash.seed: it is damaged or cut short"));
}

/// Rows of a day, one a minute, of that many accounts: id, time, account, label.
fn minutes(count: usize, accounts: usize) -> Vec<[String; 4]> {
    let row = |row: usize| {
        let at_ms = 1_772_323_200_000 + row as i64 * 60_000;
        [
            format!("e{row}"),
            at_ms.to_string(),
            format!("a{}", row % accounts),
            u8::from(row.is_multiple_of(10)).to_string(),
        ]
    };
    (0..count).map(row).collect()
}

fn write(place: &Place, rows: &[[String; 4]]) {
    let lines: String = rows.iter().map(|row| row.join(",") + ",pay\n").collect();
    place.write("rows.csv", &format!("id,t,account,bad,kind\n{lines}"));
    place.write("map.toml", &map(&["id", "account", "kind"], ""));
    let column = |at: usize| texts(rows.iter().map(|row| row[at].clone()));
    let ints = |at: usize| {
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row[at].parse::<i64>().unwrap())))
    };
    let labels = Float64Array::from_iter_values(rows.iter().map(|row| row[3].parse::<f64>().unwrap_or(9.0)));
    let kinds = texts(rows.iter().map(|_| "pay"));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", column(0)),
        ("t", ints(1)),
        ("account", column(2)),
        ("bad", Arc::new(labels)),
        ("kind", kinds),
    ];
    place.write_parquet("rows.parquet", columns, Compression::SNAPPY);
}

/// What ends a replay of these rows, in both formats, and the report where it is allowed.
fn ends(place: &Place, more: &[&str], allow: &str, said: [&str; 2]) -> Value {
    let mut report = Value::Null;
    for (file, why) in [("rows.csv", said[0]), ("rows.parquet", said[1])] {
        let replay = [
            &[
                "replay",
                file,
                "--map",
                "map.toml",
                "--entries",
                "256",
                "--rules",
                "rules",
                "--out",
                "out.csv",
            ],
            more,
        ]
        .concat();
        let refused = place.refuses(&replay);
        assert!(refused.contains(why) && refused.contains(&format!("--allow {allow}")), "{why}: {refused}");
        let left: Vec<_> =
            std::fs::read_dir(place.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("out.csv")), "{left:?}");
        report = place.json(&[&replay[..], &["--allow", allow]].concat());
        let text = place.ends(0, &[&replay[..], &["--allow", allow]].concat()).stdout;
        assert!(text.contains("warning  "), "{text}");
        std::fs::remove_file(place.path("kept.csv")).ok();
        std::fs::rename(place.path("out.csv"), place.path("kept.csv")).unwrap();
    }
    report
}

#[test]
fn a_repeated_id_ends_the_run_or_is_left_out() {
    let place = place();
    let mut rows = minutes(10, 3);
    rows[5][0] = "e4".to_owned();
    rows[5][1] = (rows[4][1].parse::<i64>().unwrap() + 1000).to_string();
    write(&place, &rows);
    for batch in ["1", "64"] {
        let said = ["line 7: the id \"e4\" came before", "row 6: the id \"e4\" came before"];
        let report = ends(&place, &["--batch", batch], "repeated", said);
        assert_eq!(
            (&report["events"], &report["findings"]["repeated"]),
            (&json!(9), &json!(1)),
            "{report:#}"
        );
        let ids = place.column("kept.csv", "_id");
        assert_eq!(ids.iter().filter(|id| *id == "e4").count(), 1, "{ids:?}");
        assert!(place.column("kept.csv", "pays_1h").iter().all(|count| count != "0"));
    }
}

#[test]
fn labels_that_mean_nothing_end_the_run() {
    let place = place();
    let mut rows = minutes(20, 3);
    for row in &mut rows {
        row[3] = if row[3] == "1" { "2".to_owned() } else { "0".to_owned() };
    }
    write(&place, &rows);
    let said = "no row is fraud: `label.fraud` of the mapping is \"1\", the column holds \"2\" in 2 rows, \"0\" in 18 rows";
    let report = ends(&place, &[], "labels", [said, said]);
    assert_eq!((&report["frauds"], &report["findings"]["labels"]["1"]), (&json!(0), &json!(0)));
    // However the label is written, it is met: as a whole float, as a float of Parquet.
    for row in &mut rows {
        row[3] = if row[3] == "2" { "1.0".to_owned() } else { "0.0".to_owned() };
    }
    write(&place, &rows);
    for file in ["rows.csv", "rows.parquet"] {
        assert_eq!(
            place.json(&["replay", file, "--map", "map.toml", "--entries", "256"])["frauds"],
            2,
            "{file}"
        );
    }
    // An absent one is honest, and counted.
    rows[1][3] = String::new();
    let lines: String = rows.iter().map(|row| row.join(",") + ",pay\n").collect();
    place.write("rows.csv", &format!("id,t,account,bad,kind\n{lines}"));
    assert_eq!(
        place.json(&["replay", "rows.csv", "--map", "map.toml", "--entries", "256"])["findings"]["unlabelled"],
        1
    );
}

#[test]
fn tables_that_forget_end_the_run() {
    let place = place();
    write(&place, &minutes(2400, 1800));
    let said = "the tables forgot keys before their time";
    let report = ends(&place, &[], "evictions", [said, said]);
    let evictions = report["findings"]["evictions"].as_object().unwrap();
    assert!(evictions["accounts"].as_u64().is_some_and(|count| count > 100), "{evictions:?}");
    assert_eq!(report["events"], 2400);
    let roomy =
        place.json(&["replay", "rows.csv", "--map", "map.toml", "--entries", "4096", "--rules", "rules"]);
    assert_eq!(roomy["findings"]["evictions"], json!({}));
}

#[test]
fn events_out_of_order_end_the_run_or_are_sent_late() {
    let place = place();
    let mut rows = minutes(10, 1);
    rows.swap(3, 4);
    write(&place, &rows);
    let said = [
        "line 6: an event of 2026-03-01T00:03:00Z follows one of 2026-03-01T00:04:00Z: put `sort = true`",
        "row 5: an event",
    ];
    let report = ends(&place, &[], "late", said);
    assert_eq!((&report["events"], &report["findings"]["late"]), (&json!(10), &json!(1)), "{report:#}");
    assert_eq!(report["clock_skewed"], 0);
    place.write("map.toml", &map(&["id", "account", "kind"], "sort = true\n"));
    let report = place.json(&["replay", "rows.csv", "--map", "map.toml", "--entries", "256"]);
    assert_eq!(report["findings"]["late"], 0);
}

#[test]
fn numbers_of_typed_columns_are_taken_as_the_daemon_takes_them() {
    let place = place();
    let running = daemon(&place);
    let http = running.addresses().http.unwrap();
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let floats = |number: f64| Arc::new(Float64Array::from(vec![number])) as ArrayRef;
    let whole = |number: u64| Arc::new(UInt64Array::from(vec![number])) as ArrayRef;
    for (field, array, cell, json, taken) in [
        ("amount", floats(-0.0), "-0.0", json!(-0.0), true),
        ("amount", floats(-0.01), "-0.01", json!(-0.01), false),
        ("amount", floats(8.5), "8.5", json!(8.5), true),
        ("ext.share", whole(u64::MAX), "18446744073709551615", json!(u64::MAX), false),
        ("ext.share", whole(i64::MAX as u64), "9223372036854775807", json!(i64::MAX), true),
        ("ext.share", floats(1.9e19), "1.9e19", json!(1.9e19), true),
        ("ext.tier", whole(u64::MAX), "18446744073709551615", json!(u64::MAX), false),
    ] {
        let id = format!("{field} {cell}");
        let mut check = json!({ "id": id, "kind": "pay", "account": "a", "time": now_ms });
        match field.split_once('.') {
            Some((outer, inner)) => check[outer] = json!({ inner: json }),
            None => check[field] = json,
        }
        let daemon = refusal(http, &check);
        assert_eq!(daemon.is_none(), taken, "{id}: {daemon:?}");
        let columns = ["t", "bad", "id", "kind", "account", field];
        place.write("map.toml", &map(&columns, ""));
        place.write("rows.csv", &format!("{}\n{now_ms},1,e,pay,a,{cell}\n", columns.join(",")));
        let time: ArrayRef = Arc::new(Int64Array::from(vec![now_ms]));
        let arrays = [time, texts(["1"]), texts(["e"]), texts(["pay"]), texts(["a"]), array];
        place.write_parquet("rows.parquet", columns.into_iter().zip(arrays).collect(), Compression::SNAPPY);
        for file in ["rows.csv", "rows.parquet"] {
            let replay = ["replay", file, "--map", "map.toml", "--entries", "256", "--rules", "rules"];
            let said = place.ends(if taken { 0 } else { 2 }, &replay).stderr;
            if let Some((at, why)) = &daemon {
                assert!(said.contains(at.as_str()) && said.contains(why.as_str()), "{id}: {said}");
            }
        }
    }
    running.shutdown();
}

#[test]
fn a_field_that_the_policy_does_not_declare_is_named_before_a_row_is_read() {
    let place = place();
    write(&place, &minutes(4, 2));
    let fields = map(&["id", "account", "kind"], "");
    place.write("map.toml", &format!("{fields}\"ext.teir\" = {{ column = \"id\" }}\n"));
    let said =
        place.refuses(&["replay", "rows.csv", "--map", "map.toml", "--entries", "256", "--rules", "rules"]);
    assert!(
        said.contains("`ext.teir`") && said.contains("ext.brand, ext.share, ext.tier, ext.vip"),
        "{said}"
    );
    // Text where the policy declares a number is refused where the mapping insists on it, and made a number where it does not.
    place.write("map.toml", &format!("{fields}\"ext.tier\" = {{ column = \"bad\", as = \"text\" }}\n"));
    let said =
        place.refuses(&["replay", "rows.csv", "--map", "map.toml", "--entries", "256", "--rules", "rules"]);
    assert!(said.contains("line 2: ") && said.contains("ext.tier") && said.contains("found text"), "{said}");
    place.write("map.toml", &format!("{fields}\"ext.tier\" = {{ column = \"bad\" }}\n"));
    place.ends(
        0,
        &[
            "replay",
            "rows.csv",
            "--map",
            "map.toml",
            "--entries",
            "256",
            "--rules",
            "rules",
            "--out",
            "out.csv",
        ],
    );
    assert_eq!(place.column("out.csv", "ext.tier"), ["1", "0", "0", "0"]);
    // A mapping of which no row makes a check is wrong, whatever is allowed.
    place.write("map.toml", &format!("{fields}\"devcie.id\" = {{ column = \"id\" }}\n"));
    let said =
        place.refuses(&["replay", "rows.csv", "--map", "map.toml", "--entries", "256", "--allow", "refused"]);
    assert!(said.contains("all 4 rows are refused") && said.contains("devcie"), "{said}");
}
