//! When a rule ends.

use engine::program::Zone;

use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::yaml::{Word, values};

/// When a day begins in a zone.
fn midnight(date: jiff::civil::Date, zone: &Zone) -> Option<jiff::Timestamp> {
    let utc = jiff::tz::Offset::UTC.to_timestamp(date.to_datetime(jiff::civil::Time::midnight())).ok()?;
    let before = |ms: i64| utc.as_millisecond() - zone.offset_ms(ms);
    // The offset at midnight is nearly always that of the same hour in UTC; where it is not, once more settles it.
    jiff::Timestamp::from_millisecond(before(before(utc.as_millisecond()))).ok()
}

/// The moment from which a rule no longer acts: a date begins at midnight of the policy's local time.
pub(crate) fn expires_ms(word: &Word, zone: &Zone, sink: &mut Sink) -> Option<i64> {
    let date = word.text.parse::<jiff::civil::Date>().ok();
    // A date alone is no moment; a text with a time must say its offset.
    let moment = match date.filter(|_| word.text.len() == "2027-03-01".len()) {
        Some(date) => midnight(date, zone),
        None => word.text.parse::<jiff::Timestamp>().ok(),
    };
    if moment.is_none() {
        let message = format!("`{}` is not a date", values::shortened(&word.text));
        let label = "expected a date such as 2027-03-01, or a time such as 2027-03-01T08:00:00Z";
        sink.push(Diagnostic::error(Code::OutOfRange, word.place, message).label(label));
    }
    moment.map(jiff::Timestamp::as_millisecond)
}
