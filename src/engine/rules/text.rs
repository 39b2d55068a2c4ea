//! Texts: where each lane's text stands, tests of it, and the few instructions that write one.

use std::io::Write as _;
use std::net::IpAddr;

use memchr::memmem;

use super::{Inputs, Mask, Registers, number};
use crate::feature::{Builtin, FeatureId};
use crate::fields;
use crate::limits::{JOINED_BYTES_MAX, LANES};
use crate::program::{Comparison, Network, Number, NumberType, Op, TextId, TextSource, TextTest, Words};

/// Where the text of one lane stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Piece {
    Feature(FeatureId),
    Constant(TextId),
    /// First byte and length among those written.
    Written(u32, u32),
}

impl Piece {
    pub const EMPTY: Piece = Piece::Written(0, 0);
}

impl Inputs<'_> {
    fn piece(source: TextSource, lane: usize, registers: &Registers) -> Piece {
        match source {
            TextSource::Feature(feature) => Piece::Feature(feature),
            TextSource::Constant(text) => Piece::Constant(text),
            TextSource::Register(words) => registers.words[usize::from(words.0)][lane],
        }
    }

    fn text<'a>(&'a self, source: TextSource, lane: usize, registers: &'a Registers) -> &'a [u8] {
        match Self::piece(source, lane, registers) {
            Piece::Feature(feature) => self.text_of(feature, lane),
            Piece::Constant(text) => &self.program.texts[usize::from(text.0)],
            Piece::Written(start, len) => &registers.written[start as usize..(start + len) as usize],
        }
    }

    pub(super) fn text_of(&self, feature: FeatureId, lane: usize) -> &[u8] {
        fields::text(self.snapshot, &self.checks[lane], &self.lanes[lane], feature).as_bytes()
    }

    fn text_fault(source: TextSource, registers: &Registers) -> u64 {
        match source {
            TextSource::Register(words) => registers.word_faults[usize::from(words.0)],
            TextSource::Feature(_) | TextSource::Constant(_) => 0,
        }
    }

    /// Truths of texts, and of numbers of two types, in the wanted lanes at least.
    pub(super) fn test(&self, op: &Op, wanted: u64, registers: &Registers) -> Mask {
        match *op {
            Op::Text { test, a, b, .. } => {
                // Most texts are compared with a constant, which is looked up once and not in each lane.
                let fixed = match b {
                    TextSource::Constant(text) => Some(self.program.texts[usize::from(text.0)].as_slice()),
                    _ => None,
                };
                let truth = self.each_of(wanted, |lane| {
                    let a = self.text(a, lane, registers);
                    let b = fixed.unwrap_or_else(|| self.text(b, lane, registers));
                    match test {
                        TextTest::Compare(Comparison::Equal) => a == b,
                        TextTest::Compare(Comparison::NotEqual) => a != b,
                        TextTest::Compare(Comparison::Less) => a < b,
                        TextTest::Compare(Comparison::LessOrEqual) => a <= b,
                        TextTest::Compare(Comparison::Greater) => a > b,
                        TextTest::Compare(Comparison::GreaterOrEqual) => a >= b,
                        TextTest::StartsWith => a.starts_with(b),
                        TextTest::EndsWith => a.ends_with(b),
                        TextTest::Contains => memmem::find(a, b).is_some(),
                    }
                });
                Mask { truth, fault: Self::text_fault(a, registers) | Self::text_fault(b, registers) }
            }
            Op::Matches { a, pattern, .. } => {
                let pattern = &self.program.patterns[usize::from(pattern)];
                let truth = self.each_of(wanted, |lane| pattern.is_in(self.text(a, lane, registers)));
                Mask { truth, fault: Self::text_fault(a, registers) }
            }
            Op::InNetwork { a, network, .. } => {
                let network = self.program.networks[usize::from(network)];
                let mut mask = Mask { truth: 0, fault: Self::text_fault(a, registers) };
                for lane in self.span.clone() {
                    match self.in_network(a, lane, network, registers) {
                        Some(within) => mask.truth |= u64::from(within) << lane,
                        None => mask.fault |= 1 << lane,
                    }
                }
                mask
            }
            Op::Luhn { a, .. } => Mask {
                truth: self.each_of(wanted, |lane| luhn(self.text(a, lane, registers))),
                fault: Self::text_fault(a, registers),
            },
            Op::CompareMixed { comparison, a, a_ty, b, b_ty, .. } => {
                let ((a, fault_a), (b, fault_b)) = (self.number(a, registers), self.number(b, registers));
                let truth =
                    self.each(|lane| number::mixed(comparison, (a.at(lane), a_ty), (b.at(lane), b_ty)));
                Mask { truth, fault: fault_a | fault_b }
            }
            // The other truths are the common ones.
            _ => Mask::default(),
        }
    }

    fn in_network(
        &self,
        a: TextSource,
        lane: usize,
        network: Network,
        registers: &Registers,
    ) -> Option<bool> {
        if a == TextSource::Feature(Builtin::Ip.id()) {
            return Some(self.lanes[lane].ip.is_some_and(|ip| network.has(ip)));
        }
        let text = self.text(a, lane, registers);
        if text.is_empty() {
            return Some(false);
        }
        let address = std::str::from_utf8(text).ok()?.parse::<IpAddr>().ok()?;
        Some(network.has(address.to_canonical()))
    }

    /// Numbers that texts have: sizes, and what they spell.
    pub(super) fn number_of_text(&self, op: &Op, to: Number, registers: &mut Registers) {
        let mut values = [None; LANES];
        let fault = match *op {
            Op::TextSize { a, bytes, .. } => {
                for lane in self.span.clone() {
                    let text = self.text(a, lane, registers);
                    // A code point has one byte that does not continue another.
                    let points = || text.iter().filter(|&&byte| byte & 0xC0 != 0x80).count();
                    values[lane] = Some(if bytes { text.len() } else { points() } as u64);
                }
                Self::text_fault(a, registers)
            }
            Op::Parse { ty, a, .. } => {
                for lane in self.span.clone() {
                    values[lane] = spelt(ty, self.text(a, lane, registers));
                }
                Self::text_fault(a, registers)
            }
            _ => 0,
        };
        self.fill(to, registers, values.into_iter());
        registers.number_faults[usize::from(to.0)] |= fault;
    }

    pub(super) fn words_op(&self, op: &Op, to: Words, registers: &mut Registers) {
        let to = usize::from(to.0);
        let mut fault = 0;
        match *op {
            Op::ChooseText { condition, a, b, .. } => {
                let when = registers.truths[usize::from(condition.0)];
                for lane in self.span.clone() {
                    let chosen = if when.truth >> lane & 1 != 0 { a } else { b };
                    registers.words[to][lane] = Self::piece(chosen, lane, registers);
                }
                let faults = [a, b].map(|source| Self::text_fault(source, registers));
                fault = (when.truth & faults[0]) | (!when.truth & faults[1]) | when.fault;
            }
            Op::Join { a, b, .. } => {
                fault = Self::text_fault(a, registers) | Self::text_fault(b, registers);
                for lane in self.span.clone() {
                    let pieces = [a, b].map(|source| Self::piece(source, lane, registers));
                    let written = self.join(pieces, lane, &mut registers.written);
                    fault |= u64::from(written.is_none()) << lane;
                    registers.words[to][lane] = written.unwrap_or(Piece::EMPTY);
                }
            }
            Op::Write { ty, a, .. } => {
                fault = self.number(a, registers).1;
                for lane in self.span.clone() {
                    let bits = self.number(a, registers).0.at(lane);
                    let mut text = [0_u8; 400];
                    let room = text.len();
                    let mut rest = &mut text[..];
                    // The longest double takes 327 bytes, so this has room; without it the text would end early.
                    let _ = match ty {
                        NumberType::Int => write!(rest, "{}", bits as i64),
                        NumberType::Uint => write!(rest, "{bits}"),
                        NumberType::Double => write!(rest, "{}", f64::from_bits(bits)),
                    };
                    let len = room - rest.len();
                    registers.words[to][lane] =
                        put(&mut registers.written, &text[..len]).unwrap_or(Piece::EMPTY);
                }
            }
            _ => {}
        }
        registers.word_faults[to] = fault;
    }

    /// The two texts as one, written behind what was written before; none beyond the bound.
    fn join(&self, pieces: [Piece; 2], lane: usize, written: &mut Vec<u8>) -> Option<Piece> {
        let start = written.len();
        for piece in pieces {
            let copied = match piece {
                Piece::Feature(feature) => put(written, self.text_of(feature, lane)),
                Piece::Constant(text) => put(written, &self.program.texts[usize::from(text.0)]),
                Piece::Written(from, len) => {
                    let range = from as usize..(from + len) as usize;
                    (written.capacity() - written.len() >= range.len()).then(|| {
                        written.extend_from_within(range);
                        Piece::EMPTY
                    })
                }
            };
            if copied.is_none() || written.len() - start > JOINED_BYTES_MAX {
                written.truncate(start);
                return None;
            }
        }
        Some(Piece::Written(start as u32, (written.len() - start) as u32))
    }
}

/// Writes within the room that was taken; none where there is not enough of it.
fn put(written: &mut Vec<u8>, bytes: &[u8]) -> Option<Piece> {
    let start = written.len();
    (bytes.len() <= JOINED_BYTES_MAX && written.capacity() - start >= bytes.len()).then(|| {
        written.extend_from_slice(bytes);
        Piece::Written(start as u32, bytes.len() as u32)
    })
}

/// The number that a text spells.
fn spelt(ty: NumberType, text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    match ty {
        NumberType::Int => text.parse::<i64>().ok().map(|n| n as u64),
        NumberType::Uint => text.parse::<u64>().ok(),
        NumberType::Double => text.parse::<f64>().ok().map(f64::to_bits),
    }
}

/// Digits whose weighted sum is a multiple of ten, as card numbers are; spaces and hyphens between them are skipped.
fn luhn(text: &[u8]) -> bool {
    let (mut sum, mut digits) = (0_u32, 0_u32);
    for byte in text.iter().rev() {
        match byte {
            b'0'..=b'9' => {
                let digit = u32::from(byte - b'0');
                let weighed = if digits % 2 == 1 { digit * 2 } else { digit };
                sum += weighed / 10 + weighed % 10;
                digits += 1;
            }
            b' ' | b'-' => {}
            _ => return false,
        }
    }
    digits >= 2 && sum % 10 == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn card_numbers_add_up() {
        for good in ["4539578763621486", "4539 5787 6362 1486", "79927398713", "00"] {
            assert!(luhn(good.as_bytes()), "{good}");
        }
        for bad in ["4539578763621487", "79927398710", "", "0", "7992739871x", "名"] {
            assert!(!luhn(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn texts_spell_numbers_or_do_not() {
        assert_eq!(spelt(NumberType::Int, b"-7"), Some(-7_i64 as u64));
        assert_eq!(spelt(NumberType::Uint, b"-7"), None);
        assert_eq!(spelt(NumberType::Double, b"1.5"), Some(1.5_f64.to_bits()));
        assert_eq!(spelt(NumberType::Int, b"7 "), None);
    }
}
