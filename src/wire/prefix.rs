//! Beginnings of values: what a list of prefixes holds. One is taken where some value of the form begins with it, in whatever
//! spelling the values themselves are taken in, and is kept in theirs.

use std::borrow::Cow;

use crate::bounds::Refusal;
use crate::check::Named;
use crate::form::Form;
use crate::near::shortened;
use crate::{DeviceClass, Kind, currency, visible};

/// Digits of an address are read no further.
const HEX_MAX: usize = 32;

impl Form {
    /// The canonical beginning of values of this form.
    ///
    /// # Errors
    /// [`Refusal`] where no value begins like that.
    pub fn read_prefix(self, text: &str) -> Result<Cow<'_, str>, Refusal> {
        visible::all_visible(text)?;
        let lower = || text.trim().to_ascii_lowercase();
        let found = match self {
            Form::Mac => mac(&lower()),
            Form::Packet => packet(&lower()),
            Form::Address => address(&lower()),
            Form::Imei => imei(text),
            Form::Currency => currency_code(text.trim()),
            Form::Kind => name::<Kind>(lower()),
            Form::Class => name::<DeviceClass>(lower()),
            Form::Identifier | Form::Id => return Ok(Cow::Borrowed(text.trim_start())),
            _ => return Ok(Cow::Borrowed(text)),
        };
        found.map(Cow::Owned).ok_or_else(|| self.no_beginning(text))
    }

    #[cold]
    fn no_beginning(self, found: &str) -> Refusal {
        let found = shortened(found);
        let networks = if self == Form::Address { "; networks are what `match: network` is for" } else { "" };
        Refusal::out_of_range(format!(
            "nothing begins with `{found}`: expected the beginning of {}{networks}",
            self.expected()
        ))
    }
}

fn all_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Pairs of digits with colons. Groups with separators are whole, but for the last.
fn mac(text: &str) -> Option<String> {
    let separator = text.chars().find(|c| matches!(c, ':' | '-' | '.'));
    let mut digits = text.to_owned();
    if let Some(separator) = separator {
        let groups: Vec<&str> = text.split(separator).collect();
        let (last, whole) = groups.split_last()?;
        let width = whole.first()?.len();
        if !matches!(width, 2 | 4) || last.len() > width || whole.iter().any(|group| group.len() != width) {
            return None;
        }
        digits = groups.concat();
    }
    if digits.is_empty() || digits.len() > 16 || !all_hex(&digits) {
        return None;
    }
    let pairs: Vec<&str> =
        (0..digits.len()).step_by(2).map(|at| &digits[at..(at + 2).min(digits.len())]).collect();
    Some(pairs.join(":"))
}

/// Digits in groups of 8, 4, 4, 4 and 12; where there are hyphens they stand between those.
fn packet(text: &str) -> Option<String> {
    let bare = text.strip_prefix("urn:uuid:").unwrap_or(text);
    let bare = bare.strip_prefix('{').unwrap_or(bare);
    let digits = bare.replace('-', "");
    if digits.is_empty() || digits.len() > HEX_MAX || !all_hex(&digits) {
        return None;
    }
    let mut canonical = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if matches!(at, 8 | 12 | 16 | 20) {
            canonical.push('-');
        }
        canonical.push(digit);
    }
    let hyphened = bare.contains('-');
    let ends = matches!(digits.len(), 8 | 12 | 16 | 20);
    let same = bare == canonical || ends && bare.strip_suffix('-') == Some(&canonical);
    (!hyphened || same).then_some(canonical)
}

fn address(text: &str) -> Option<String> {
    if is_v4(text) { Some(text.to_owned()) } else { v6(text) }
}

/// Up to four numbers to 255 without leading zeros; the last may be cut short or yet to come.
fn is_v4(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    let octet = |part: &&str| part.len() <= 3 && part.parse::<u8>().is_ok_and(|n| n.to_string() == **part);
    let Some((last, whole)) = parts.split_last() else { return false };
    whole.len() < 4 && whole.iter().all(octet) && (octet(last) || last.is_empty() && !whole.is_empty())
}

/// Groups of up to four digits, one run of zeros left out; leading zeros of whole groups go.
fn v6(text: &str) -> Option<String> {
    let gaps = text.matches("::").count();
    let begins_badly = text.starts_with(':') && !text.starts_with("::");
    if text.is_empty() || gaps > 1 || text.contains(":::") || begins_badly {
        return None;
    }
    let groups: Vec<&str> = text.split(':').collect();
    let count = groups.iter().filter(|group| !group.is_empty()).count();
    if count > 8 - gaps {
        return None;
    }
    let mut canonical = Vec::with_capacity(groups.len());
    for (at, group) in groups.iter().enumerate() {
        let is_whole = at + 1 < groups.len() || group.len() == 4;
        let bare = if is_whole { group.trim_start_matches('0') } else { group };
        let begins_with_zero = bare.len() > 1 && bare.starts_with('0');
        if group.len() > 4 || !all_hex(group) || begins_with_zero {
            return None;
        }
        canonical.push(if bare.is_empty() && !group.is_empty() { "0" } else { bare });
    }
    Some(canonical.join(":"))
}

/// Digits and capitals, without what people write between them.
fn imei(text: &str) -> Option<String> {
    let bare: String = text.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '/')).collect();
    let good = !bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_alphanumeric());
    good.then(|| bare.to_ascii_uppercase())
}

fn currency_code(text: &str) -> Option<String> {
    let upper = text.to_ascii_uppercase();
    let begins = match upper.len() {
        1 => ('A'..='Z').any(|b| ('A'..='Z').any(|c| currency::read(&format!("{upper}{b}{c}")).is_ok())),
        2 => ('A'..='Z').any(|c| currency::read(&format!("{upper}{c}")).is_ok()),
        _ => currency::read(&upper).is_ok(),
    };
    begins.then_some(upper)
}

fn name<T: Named>(lower: String) -> Option<String> {
    let begins = !lower.is_empty() && T::ALL.iter().any(|value| value.name().starts_with(&lower));
    begins.then_some(lower)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(form: Form, text: &str) -> Option<String> {
        form.read_prefix(text).ok().map(Cow::into_owned)
    }

    #[test]
    fn other_spellings_of_a_beginning_are_kept_as_values_begin() {
        for (form, written, kept) in [
            (Form::Mac, "02-00-5E", "02:00:5e"),
            (Form::Mac, "02005e", "02:00:5e"),
            (Form::Mac, "0200.5e", "02:00:5e"),
            (Form::Mac, "02:0", "02:0"),
            (Form::Packet, "0192F6C47C1E", "0192f6c4-7c1e"),
            (Form::Packet, "{0192", "0192"),
            (Form::Packet, "urn:uuid:0192f6c4-", "0192f6c4"),
            (Form::Address, "10.0.", "10.0."),
            (Form::Address, "2001:0DB8", "2001:db8"),
            (Form::Address, "2001:db8::", "2001:db8::"),
            (Form::Address, "::", "::"),
            (Form::Imei, "49-0154", "490154"),
            (Form::Currency, "cn", "CN"),
            (Form::Kind, "TR", "tr"),
            (Form::Class, "po", "po"),
        ] {
            assert_eq!(read(form, written).as_deref(), Some(kept), "{written}");
        }
    }

    #[test]
    fn what_nothing_begins_with_is_refused() {
        for (form, written) in [
            (Form::Mac, "2:0"),
            (Form::Mac, "02:00-5e"),
            (Form::Mac, "x"),
            (Form::Packet, "x"),
            (Form::Packet, "-"),
            (Form::Packet, "0192f6c4--"),
            (Form::Packet, "0192f6c47-c1e"),
            (Form::Packet, "0192f6c4-7c1e-7000-8000-0000000000012"),
            (Form::Address, "::ffff:10."),
            (Form::Address, "10.0.0.0/8"),
            (Form::Address, "a.b"),
            (Form::Address, "256."),
            (Form::Address, "10..1"),
            (Form::Address, "2001:0d"),
            (Form::Imei, "/"),
            (Form::Currency, "XQ"),
            (Form::Currency, "CNYX"),
            (Form::Kind, "x"),
            (Form::Class, "poz"),
        ] {
            assert_eq!(read(form, written), None, "{written}");
        }
    }

    proptest! {
        #[test]
        fn every_beginning_of_a_value_is_one(ip: std::net::IpAddr, id: u128, mac: [u8; 6]) {
            let mac = mac.map(|byte| format!("{byte:02x}")).join(":");
            let ip = ip.to_canonical().to_string();
            let mapped = ip.contains(':') && ip.contains('.');
            let values = [(Form::Mac, mac), (Form::Packet, uuid::Uuid::from_u128(id).to_string()), (Form::Address, ip)];
            for (form, value) in values {
                for end in 1..=value.len() {
                    let kept = read(form, &value[..end]);
                    // A trailing separator stands behind every whole group anyway.
                    let begins = kept.as_deref().is_some_and(|kept| value.starts_with(kept));
                    prop_assert!(begins || mapped, "{value} to {end}: {kept:?}");
                }
            }
        }

        #[test]
        fn whatever_is_taken_stays_what_it_is(text in "[0-9a-fx:.{-]{1,20}") {
            for form in [Form::Mac, Form::Packet, Form::Address, Form::Imei] {
                if let Some(kept) = read(form, &text) {
                    prop_assert_eq!(read(form, &kept), Some(kept.clone()), "{}", text);
                }
            }
        }
    }
}
