//! No manifest and no model file, whatever their bytes, may do more than be refused.
#![no_main]

use engine::forest::Precision;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // A manifest, then the model file it is for, apart by a NUL.
    let (manifest, file) = text.split_once('\0').unwrap_or((text, text));
    if let Ok(manifest) = model::Manifest::parse(manifest) {
        let _ = model::artefact::assemble(manifest, file.as_bytes());
    }
    if let Ok(contents) = model::file::decode(file) {
        for tree in &contents.trees {
            let checked = model::check::check_tree(tree, contents.inputs, Precision::Double);
            assert_eq!(checked, Ok(()), "what the reader passes is sound");
        }
    }
});
