//! Any place in any text is shown, and its lines and columns are within the text, whoever made the place up.
#![no_main]

use libfuzzer_sys::fuzz_target;
use policy::{Code, Diagnostic, Place, Sources, render};

fuzz_target!(|input: (u16, u32, u32, bool, &str, &str, &str)| {
    let (file, start, end, near, one, other, words) = input;
    let sources = Sources::new(&[("a.yaml", one), ("b.yaml", other)]);
    // Half of them in or just behind the text, where characters are cut; the others anywhere.
    let at = |byte: u32| if near { byte % (one.len() as u32 + 3) } else { byte };
    let place = Place { file: if near { file % 3 } else { file }, start: at(start), end: at(end) };
    let fault = Diagnostic::error(Code::Expression, place, words).label(words).help(words);
    let shown = render::render(&sources, std::slice::from_ref(&fault), start % 2 == 0);
    assert!(!shown.is_empty());
    let position = sources.position(place);
    assert!(position.line >= 1 && position.column >= 1);
    let located = render::locate(&sources, &fault);
    assert!(serde_json::to_value(located).is_ok());
});
