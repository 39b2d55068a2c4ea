//! When a rule ends.

use engine::program::Zone;
use wire::instant;

use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::yaml::{Word, values};

/// The moment from which a rule no longer acts: a date begins at midnight of the policy's local time.
pub(crate) fn expires_ms(word: &Word, zone: &Zone, sink: &mut Sink) -> Option<i64> {
    let offset_ms = |ms| zone.offset_ms(ms);
    let local = instant::Local { name: &zone.name, offset_ms: &offset_ms };
    match instant::end_ms(&word.text, local) {
        Ok(ms) => Some(ms),
        Err(expected) => {
            let message = format!("`{}` is not a date", values::shortened(&word.text));
            sink.push(Diagnostic::error(Code::OutOfRange, word.place, message).label(expected));
            None
        }
    }
}
