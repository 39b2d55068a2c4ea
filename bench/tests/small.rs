//! The bench itself, run small, so that it never rots. Its figures mean nothing here and are not looked at.

use std::process::Command;

#[test]
fn every_stage_runs_and_is_reported() {
    let output = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(["--quick", "--accounts", "1000", "--checks", "512", "--json"])
        .output()
        .expect("the bench starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let rows = report["report"]["rows"].as_array().expect("rows");
    let reported: Vec<&str> = rows.iter().filter_map(|row| row["stage"].as_str()).collect();
    assert_eq!(reported, bench::run::stages());
    assert!(
        rows.iter().all(|row| row["ns_single"].as_f64() > Some(0.0) && row["ns_batch"].as_f64() > Some(0.0))
    );
    assert_eq!(report["report"]["allocations"], 0, "the whole check allocates nothing after warm-up");
}

#[test]
fn one_stage_can_be_asked_for_and_an_unknown_one_is_refused() {
    let run = |stage: &str| {
        let flags = ["--quick", "--accounts", "100", "--checks", "512", "--stage", stage];
        Command::new(env!("CARGO_BIN_EXE_bench")).args(flags).output().expect("the bench starts")
    };
    let shown = String::from_utf8_lossy(&run("forest alone").stdout).into_owned();
    assert!(shown.contains("forest alone") && !shown.contains("whole"), "{shown}");
    assert!(!run("forst").status.success());
}

#[test]
fn the_windows_are_kept_alike_by_riskd_and_its_peers() {
    let flags = ["--quick", "--accounts", "500", "--checks", "512", "--json"];
    let stages = ["--stage", "tables", "--stage", "velocity", "--stage", "scaling"];
    let output = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(flags)
        .args(stages)
        .output()
        .expect("the bench starts");
    // It ends with an error if a keeper says what the exact twin does not allow.
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let report = &printed["report"];
    let keepers = |lines: &serde_json::Value| -> Vec<String> {
        let lines = lines.as_array().expect("lines");
        lines.iter().filter_map(|line| line["keeper"].as_str().map(str::to_owned)).collect()
    };
    let mut expected =
        vec!["riskd's tables", "dashmap, times", "dashmap, cells", "papaya, times", "governor"];
    let no_redis = report["redis"].as_str().is_some_and(|redis| redis.starts_with("NOT RUN"));
    if no_redis {
        eprintln!("NOT RUN: Redis, for want of a redis-server");
    } else {
        expected.push("redis");
    }
    assert_eq!(keepers(&report["lines"]), [&expected[..], &expected[..]].concat());
    assert_eq!(keepers(&report["tables"]).len(), 6);
    assert_eq!(keepers(&report["scaling"]).len(), 6);
    assert!(report["compared"].as_u64() > Some(100_000));
    let own =
        report["lines"].as_array().into_iter().flatten().filter(|line| line["keeper"] == "riskd's tables");
    assert!(own.into_iter().all(|line| line["allocations"] == serde_json::json!([0.0, 0.0])));
}

#[test]
fn batches_are_timed_beside_reloads() {
    let flags = ["--quick", "--accounts", "1000", "--stage", "reload", "--json"];
    let output = Command::new(env!("CARGO_BIN_EXE_bench")).args(flags).output().expect("the bench starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let rows = printed["report"]["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 4);
    assert!(
        rows.iter().all(|row| row["batches"].as_u64() > Some(0) && row["longest_us"].as_f64() > Some(0.0))
    );
    assert!(rows[1..].iter().all(|row| row["reloads"].as_u64() > Some(0)), "{printed}");
}
