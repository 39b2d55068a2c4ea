//! No model file of another library, whatever its bytes, may do more than be refused; what is taken over is sound, and comes
//! back from the native file as it was. One target for each format, so that none hides behind another.

use engine::forest::Forest;
use model::import::{Format, read};
use model::{Covers, Explainer, check, file};

pub fn holds(format: Format, data: &[u8]) {
    if Format::of(data) != Some(format) {
        return;
    }
    let Ok(imported) = read(data) else { return };
    assert_eq!(check::check_forest(&imported.forest), Ok(()), "what the reader passes is sound");
    assert!(Forest::new(&imported.forest).is_ok(), "and the engine takes it");
    let inputs = imported.forest.inputs.len();
    let text = file::encode(&imported.forest.trees, inputs, &imported.covers);
    let read = file::decode(&text).expect("what is written can be read");
    let covers = Covers::new(imported.covers.of, read.covers);
    assert_eq!(
        (file::encode(&read.trees, read.inputs, &covers), read.inputs),
        (text, inputs),
        "without a loss"
    );
    let explainer = Explainer::new(imported.forest, &covers);
    for value in [0.0, f64::NAN, 1e9] {
        assert_eq!(explainer.explain(&vec![value; inputs]).contributions.len(), inputs);
    }
}
