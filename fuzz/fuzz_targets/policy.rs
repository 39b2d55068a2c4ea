//! Any text is a policy or diagnostics; rendering them never fails either, nor do the policy's own tests.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let compiled = policy::compile_sources(&[("fuzz.yaml", &text)]);
    assert!(compiled.bundle.is_some() || !compiled.diagnostics.is_empty());
    let _ = compiled.render(false);
    if let Some(bundle) = &compiled.bundle {
        let _ = policy::testing::run(bundle);
    }
});
