//! Constants that no field is ever equal to, because a check's fields are held in one canonical spelling each: an IPv4 address
//! written as IPv6, a packet in capitals, `RMB`, a pattern in the place of a text. Such a condition is quietly false for every event.

use std::net::IpAddr;

use cel_core::SpannedExpr;
use engine::feature::FeatureId;
use engine::program::{Network, TextTest};
use wire::{Field, Form};

use super::Expression;
use crate::diagnostic::{Code, Diagnostic};
use crate::yaml::values;

/// Bits of an IPv6 address before an IPv4 address within it.
const MAPPED_BITS: u8 = 96;

impl Expression<'_, '_> {
    /// Warns of a text that a field is never equal to.
    pub(super) fn check_spelling(&mut self, feature: FeatureId, constant: &str, tree: &SpannedExpr) {
        let Some((name, form)) = self.field_of(feature) else { return };
        let advice = match form.canonical(constant) {
            Ok(canonical) if canonical == constant => return,
            Ok(canonical) if !canonical.is_empty() => format!("write \"{canonical}\""),
            Ok(_) => format!("whether an event has a `{name}` is asked by has({name})"),
            Err(refusal) => pattern(form, &name, constant).unwrap_or_else(|| refusal.to_string()),
        };
        let message = format!("`{name}` is never equal to `{}`", values::shortened(constant));
        self.never(message, "no field is spelt so", advice, tree);
    }

    /// Warns of a part that no spelling of the field has.
    pub(super) fn check_part(&mut self, test: TextTest, feature: FeatureId, part: &str, tree: &SpannedExpr) {
        let Some((name, form)) = self.field_of(feature) else { return };
        let Some(part_of) = alphabet(form) else { return };
        let mapped = form == Form::Address && part.to_ascii_lowercase().starts_with("::ffff:");
        if part.chars().all(part_of) && !mapped {
            return;
        }
        let verb = match test {
            TextTest::StartsWith => "starts with",
            TextTest::EndsWith => "ends with",
            _ => "contains",
        };
        let recased = [part.to_ascii_lowercase(), part.to_ascii_uppercase()];
        let recased = recased.into_iter().find(|text| text.chars().all(part_of) && !mapped);
        let advice = pattern(form, &name, part).or_else(|| recased.map(|text| format!("write \"{text}\"")));
        let advice = advice.unwrap_or_else(|| format!("expected a part of {}", form.expected()));
        let message = format!("`{name}` never {verb} `{}`", values::shortened(part));
        self.never(message, "no field is spelt so", advice, tree);
    }

    /// Warns of a network of IPv4 addresses within IPv6: no address is held so.
    pub(super) fn check_network(&mut self, network: Network, tree: &SpannedExpr) {
        let IpAddr::V6(address) = network.address else { return };
        let Some(mapped) = address.to_ipv4_mapped().filter(|_| network.bits >= MAPPED_BITS) else { return };
        let message = format!("no address is ever in `{address}/{}`", network.bits);
        let advice = format!("write \"{mapped}/{}\"", network.bits - MAPPED_BITS);
        self.never(message, "an IPv4 address is held as one, however it was sent", advice, tree);
    }

    fn never(&mut self, message: String, label: &str, advice: String, tree: &SpannedExpr) {
        let fault = Diagnostic::warning(Code::Unreachable, self.text.place(&tree.span), message);
        self.sink.push(fault.label(label).help(advice));
    }

    /// The check's field that a feature is, with its form.
    fn field_of(&self, feature: FeatureId) -> Option<(String, Form)> {
        let name = self.lowering.symbols.features.row(feature).name.clone();
        let form = Field::from_path(&name)?.form();
        Some((name, form))
    }
}

/// The characters of a form's canonical spellings, for those that have few.
fn alphabet(form: Form) -> Option<fn(char) -> bool> {
    Some(match form {
        Form::Address => |c| matches!(c, '0'..='9' | 'a'..='f' | ':' | '.'),
        Form::Packet => |c| matches!(c, '0'..='9' | 'a'..='f' | '-'),
        Form::Mac => |c| matches!(c, '0'..='9' | 'a'..='f' | ':'),
        Form::Imei => |c| matches!(c, '0'..='9' | 'A'..='Z'),
        Form::Currency => |c| c.is_ascii_uppercase(),
        Form::Kind | Form::Class => |c| c.is_ascii_lowercase(),
        _ => return None,
    })
}

/// What is written in the place of a pattern: texts are compared letter for letter.
fn pattern(form: Form, name: &str, text: &str) -> Option<String> {
    if form == Form::Address {
        let mapped = text.to_ascii_lowercase();
        let text = mapped.strip_prefix("::ffff:").unwrap_or(&mapped);
        // Leading bytes that are written out: `10.0.*`, `10.0.`, `10.0.0.0/8`.
        if let Some((address, bits)) = text.split_once('/')
            && address.parse::<IpAddr>().is_ok()
            && bits.parse::<u8>().is_ok()
        {
            return Some(format!("a network is asked by in_cidr({name}, \"{text}\")"));
        }
        let bytes: Vec<u8> = text.split('.').map_while(|part| part.parse().ok()).collect();
        let rest = text.split('.').skip(bytes.len()).all(|part| matches!(part, "*" | "x" | ""));
        if rest && (1..4).contains(&bytes.len()) {
            let all: Vec<String> =
                bytes.iter().map(u8::to_string).chain(std::iter::repeat("0".to_owned())).take(4).collect();
            return Some(format!(
                "a network is asked by in_cidr({name}, \"{}/{}\")",
                all.join("."),
                8 * bytes.len()
            ));
        }
    }
    text.contains('*').then(|| {
        format!("`*` stands for itself; a beginning is asked by {name}.startsWith(…), a pattern by {name}.matches(…)")
    })
}
