//! `bands:` and `settings:` — what stands once in a policy.

use engine::policy;
use engine::program::Zone;
use wire::Challenge;

use crate::diagnostic::{Code, Diagnostic, Place, Sink};
use crate::limits::CURRENCIES_MAX;
use crate::lower;
use crate::yaml::fields::Fields;
use crate::yaml::{Node, Word, values};

/// Declared score bands.
pub(crate) struct Bands {
    pub place: Place,
    pub bands: policy::Bands,
}

/// Declared settings.
pub(crate) struct Settings {
    pub place: Place,
    /// The policy's local time, if it is stated.
    pub zone: Option<Zone>,
    pub band_challenge: Option<Challenge>,
    /// The text field that names a check's tenant.
    pub tenant: Option<Word>,
    /// Currencies that events may have amounts in.
    pub currencies: Vec<[u8; 3]>,
}

pub(crate) fn read_bands(node: &Node, sink: &mut Sink) -> Option<Bands> {
    let mut fields = Fields::of(node, "`bands`", sink)?;
    let place = fields.head();
    let mut bands = policy::Bands::default();
    let mut floor = (0.0, "");
    for (key, band) in
        [("challenge", &mut bands.challenge), ("review", &mut bands.review), ("deny", &mut bands.deny)]
    {
        let Some(node) = fields.get(key) else { continue };
        let Some(score) = values::score(node, 0.0..=1.0, sink) else { continue };
        if score < floor.0 {
            let message = format!("the {key} band begins below the {} band and hides it", floor.1);
            let label = format!("expected {} or more", floor.0);
            sink.push(Diagnostic::error(Code::OutOfRange, node.place, message).label(label));
        }
        *band = score;
        floor = (score, key);
    }
    fields.finish(sink);
    Some(Bands { place, bands })
}

pub(crate) fn read(node: &Node, sink: &mut Sink) -> Option<Settings> {
    let mut fields = Fields::of(node, "`settings`", sink)?;
    let place = fields.head();
    let by_name = fields.entry("time_zone");
    let named = by_name.and_then(|(_, node)| {
        let text = values::scalar(node, "a time zone such as Europe/Berlin", sink)?;
        let zone = lower::zone_named(text);
        if zone.is_none() {
            let message = format!("no time zone is named `{}`", values::shortened(text));
            let label = "expected a zone such as Asia/Shanghai or Europe/Berlin";
            sink.push(Diagnostic::error(Code::UnknownName, node.place, message).label(label));
        }
        zone
    });
    let by_offset = fields.entry("utc_offset");
    let offset = by_offset.and_then(|(_, node)| {
        let text = values::scalar(node, "an offset such as \"+08:00\"", sink)?;
        let minutes = offset_minutes(text);
        if minutes.is_none() {
            let message = format!("`{}` is not an offset from UTC", values::shortened(text));
            let label = "expected an offset such as \"+08:00\", from -14:00 to +14:00";
            sink.push(Diagnostic::error(Code::OutOfRange, node.place, message).label(label));
        }
        Some(Zone::fixed(text, minutes? * 60))
    });
    if let (Some((word, _)), Some(_)) = (by_offset, by_name) {
        let message = "`time_zone` and `utc_offset` both say what the local time is";
        sink.push(Diagnostic::error(Code::Duplicate, word.place, message).label("one of them is enough"));
    }
    let all = super::closed(Challenge::ALL, Challenge::name);
    let band_challenge =
        fields.get("band_challenge").and_then(|node| values::choice(node, "a challenge", &all, sink));
    let currencies = fields.get("currencies").map(|node| read_currencies(node, sink)).unwrap_or_default();
    let tenant = fields.get("tenant").and_then(|node| values::word(node, "a text field", sink));
    fields.finish(sink);
    Some(Settings { place, zone: named.or(offset), band_challenge, tenant, currencies })
}

fn read_currencies(node: &Node, sink: &mut Sink) -> Vec<[u8; 3]> {
    let mut currencies = Vec::new();
    for member in values::one_or_many(node, "a currency or a list of them", sink) {
        let Some(code) = values::currency(member, sink) else { continue };
        if currencies.contains(&code) {
            sink.error(Code::Duplicate, member.place, "this currency stands here twice");
        } else if currencies.len() == CURRENCIES_MAX {
            let message = format!("a policy has amounts in at most {CURRENCIES_MAX} currencies");
            sink.error(Code::Bound, member.place, message);
            break;
        } else {
            currencies.push(code);
        }
    }
    currencies
}

fn offset_minutes(text: &str) -> Option<i32> {
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = text[1..].split_once(':')?;
    let number = |part: &str| {
        (part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit()))
            .then(|| part.parse::<i32>().ok())
            .flatten()
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let total = hours * 60 + minutes;
    (minutes < 60 && total <= 14 * 60).then_some(sign * total)
}

#[cfg(test)]
mod tests {
    use super::offset_minutes;

    #[test]
    fn offsets_are_hours_and_minutes_with_a_sign() {
        assert_eq!(offset_minutes("+08:00"), Some(480));
        assert_eq!(offset_minutes("-03:30"), Some(-210));
        for bad in ["08:00", "+8:00", "+15:00", "+01:60", "", "+é:00"] {
            assert_eq!(offset_minutes(bad), None, "{bad}");
        }
    }
}
