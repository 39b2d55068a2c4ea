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
