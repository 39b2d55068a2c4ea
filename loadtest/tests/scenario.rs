//! Scenario files are taken whole or refused with a reason.

use loadtest::{Scenario, ScenarioError};

#[test]
fn every_shipped_scenario_is_valid() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).expect("the folder ships with the crate") {
        let path = entry.expect("a readable entry").path();
        let scenario = Scenario::read(&path);
        assert!(
            scenario.is_ok(),
            "{}: {}",
            path.display(),
            scenario.err().map(|e| e.to_string()).unwrap_or_default()
        );
        seen += 1;
    }
    assert!(seen >= 3);
}

#[test]
fn an_unknown_key_is_an_error_that_names_it_anywhere_in_the_file() {
    for (text, key) in [
        ("rat = 5", "rat"),
        ("[traffic]\nacounts = 5", "acounts"),
        ("[[phase]]\nname = 'a'\nfactor = 1\nspeed = 2", "speed"),
    ] {
        let Err(ScenarioError::File(message)) = Scenario::parse(text) else { panic!("{text} was taken") };
        assert!(message.contains(key) && message.contains("line"), "{message}");
    }
}

#[test]
fn all_values_out_of_range_are_reported_at_once() {
    let text = "rate = -1\nduration = '99h'\nbatch = 0\nconnections = 0\n\
        [traffic]\nzipf = 9\nhot_packet_share = 2\nkinds = { clam = 1 }\n\
        [[phase]]\nname = 'p'\nfactor = 0\nshare = 0\n";
    let Err(ScenarioError::Faults(faults)) = Scenario::parse(text) else {
        panic!("a bad scenario was taken")
    };
    assert_eq!(faults.len(), 9, "{faults:#?}");
    assert!(faults.iter().any(|fault| fault.contains("clam") && fault.contains("claim")));
}

#[test]
fn an_absent_file_says_which() {
    let error = Scenario::read(std::path::Path::new("no/such.toml")).expect_err("no such file");
    assert!(error.to_string().starts_with("no/such.toml"));
}
