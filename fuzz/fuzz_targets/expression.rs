//! Any text is an expression with a value or a fault, or diagnostics; the value can be written.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // What stands before the first zero is the expression, what follows it the values it is looked at for.
    let mut parts = bytes.splitn(2, |&byte| byte == 0);
    let expression = String::from_utf8_lossy(parts.next().unwrap_or_default());
    let given = serde_json::from_slice(parts.next().unwrap_or(b"{}")).unwrap_or_default();
    match policy::eval::evaluate(&expression, &given, None) {
        Ok(value) => drop(value.to_string()),
        Err(compiled) => {
            assert!(!compiled.diagnostics.is_empty());
            drop(compiled.render(false));
        }
    }
});
