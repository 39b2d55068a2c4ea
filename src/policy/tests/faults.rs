//! Every fault of a directory is shown at once, each at its place: `faults/NAME/*.yaml` against `faults/NAME/expected.txt`.
//!
//! After a deliberate change of wording, run with `UPDATE=1` and read the difference.

use std::path::{Path, PathBuf};

fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults");
    let mut cases: Vec<PathBuf> = root.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

#[test]
fn every_fault_of_a_directory_is_shown_at_once_and_at_its_place() {
    let mut differing = Vec::new();
    for case in cases() {
        let shown = policy::compile_dir(&case).render(false);
        let expected = case.join("expected.txt");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&expected, &shown).unwrap();
        }
        if std::fs::read_to_string(&expected).unwrap_or_default() != shown {
            differing.push(format!("{}:\n{shown}", case.display()));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

#[test]
fn ten_faults_in_two_files_are_ten_diagnostics_with_exact_positions() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/ten");
    let compiled = policy::compile_dir(&dir);
    assert!(compiled.bundle.is_none());
    let found: Vec<String> = compiled
        .diagnostics
        .iter()
        .map(|fault| format!("{} {}", compiled.sources.location(fault.place), fault.message))
        .collect();
    let expected = [
        "a.yaml:2:40 `banana` is not a kind of event",
        "a.yaml:3:55 `ten` is not a window",
        "a.yaml:5:3 a rule has no key `wen`",
        "a.yaml:16:9 nothing is named `acount`",
        "a.yaml:17:11 `teir` is not a tier",
        "b.yaml:2:9 a second rule, limit or breaker is named `dup`",
        "b.yaml:6:22 money is compared with at most two decimals",
        "b.yaml:11:19 `<` does not take text and int",
        "b.yaml:17:16 no list is named `vips`",
        "b.yaml:18:5 a rule needs `when`",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_diagnostic_has_a_machine_form() {
    let compiled = policy::compile_sources(&[(
        "x.yaml",
        "rules:\n- id: a\n  tier: deni\n  when: kyc > 1\n  reason: {code: R1, text: t}\n",
    )]);
    let located = policy::render::locate(&compiled.sources, &compiled.diagnostics[0]);
    let json = serde_json::to_value(&located).unwrap();
    assert_eq!(json["file"], "x.yaml");
    assert_eq!((json["line"].as_u64(), json["column"].as_u64()), (Some(3), Some(9)));
    assert_eq!(json["code"], "out-of-range");
    assert_eq!(json["help"], "did you mean `deny`?");
}

/// What the carets of comments say must be reported of the line above them: `LINE:COLUMN-END CODE`.
fn planted(text: &str) -> Vec<String> {
    let (mut planted, mut line) = (Vec::new(), 0);
    for (at, text) in text.lines().enumerate() {
        let carets: Vec<usize> =
            text.chars().enumerate().filter(|(_, c)| *c == '^').map(|(column, _)| column + 1).collect();
        match (text.starts_with('#'), carets.first(), carets.last()) {
            (true, Some(first), Some(last)) => {
                let code = text.rsplit(' ').next().unwrap_or_default();
                planted.push(format!("{line}:{first}-{} {code}", last + 1));
            }
            _ => line = at + 1,
        }
    }
    planted
}

#[test]
fn forty_planted_faults_of_more_than_twenty_kinds_are_those_forty_diagnostics() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/forty");
    let mut expected = vec!["broken.yaml:2:5-5 yaml".to_owned(), "latin.yaml:1:1-1 source".to_owned()];
    for name in ["shapes.yaml", "rules.yaml", "meant.yaml"] {
        let text = std::fs::read_to_string(dir.join(name)).unwrap();
        expected.extend(planted(&text).into_iter().map(|planted| format!("{name}:{planted}")));
    }
    let compiled = policy::compile_dir(&dir);
    assert!(compiled.bundle.is_none());
    let (mut found, mut kinds) = (Vec::new(), std::collections::BTreeSet::new());
    for fault in &compiled.diagnostics {
        let json = serde_json::to_value(policy::render::locate(&compiled.sources, fault)).unwrap();
        let of = |key: &str| json[key].to_string().replace('"', "");
        assert_eq!(json["line"], json["end_line"], "{json}");
        let place = [of("file"), of("line"), of("column")].join(":");
        found.push(format!("{place}-{} {}", of("end_column"), of("code")));
        // A kind of fault is its message without the names and numbers in it.
        let words = fault.message.split('`').step_by(2).collect::<String>();
        kinds.insert(words.replace(|c: char| c.is_ascii_digit(), ""));
    }
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
    assert!(found.len() == 40 && kinds.len() > 20, "{} faults, {kinds:#?}", found.len());
}
