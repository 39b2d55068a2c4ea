//! EMVCo merchant-presented QR payloads: the data objects add up, and the checksum holds.
//!
//! EMV QR Code Specification for Payment Systems, Merchant-Presented Mode 1.1: objects of two digits of id, two digits of
//! length and a value; the first is id 00 with value 01, the last is id 63 with the CRC-16/IBM-3740 of everything before its
//! value in four hexadecimal digits.

/// Whether a payload is well formed and its checksum holds.
pub fn is_valid(payload: &str) -> bool {
    let bytes = payload.as_bytes();
    let Some(body) = bytes.len().checked_sub(4) else { return false };
    bytes.starts_with(b"000201")
        && objects_add_up(bytes)
        && checksum(&bytes[body..]) == Some(crc(&bytes[..body]))
}

/// Whether the objects fill the payload and the last is the checksum.
fn objects_add_up(mut rest: &[u8]) -> bool {
    let mut last = 0;
    while !rest.is_empty() {
        let (Some(id), Some(length)) = (two_digits(rest), rest.get(2..).and_then(two_digits)) else {
            return false;
        };
        let Some(after) = rest.get(4 + length..) else { return false };
        (last, rest) = (id, after);
    }
    last == 63
}

fn two_digits(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [a @ b'0'..=b'9', b @ b'0'..=b'9', ..] => Some(usize::from(a - b'0') * 10 + usize::from(b - b'0')),
        _ => None,
    }
}

fn checksum(digits: &[u8]) -> Option<u16> {
    std::str::from_utf8(digits)
        .ok()
        .filter(|text| !text.starts_with('+'))
        .and_then(|text| u16::from_str_radix(text, 16).ok())
}

/// CRC-16/IBM-3740: polynomial 0x1021, start 0xffff, nothing reflected.
fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xffff_u16, |crc, &byte| {
        (0..8).fold(
            crc ^ u16::from(byte) << 8,
            |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 },
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A payload of these objects with its checksum.
    fn payload(objects: &str) -> String {
        let body = format!("000201{objects}6304");
        format!("{body}{:04X}", crc(body.as_bytes()))
    }

    #[test]
    fn the_checksum_is_the_standards() {
        assert_eq!(crc(b"123456789"), 0x29b1);
    }

    #[test]
    fn a_whole_payload_is_valid_and_a_changed_one_is_not() {
        let whole = payload("5204411153031565802CN5904Shop6007Beijing");
        assert!(is_valid(&whole));
        for at in 0..whole.len() {
            let mut bytes = whole.clone().into_bytes();
            bytes[at] ^= 1;
            let changed = String::from_utf8(bytes).expect("ascii");
            assert!(!is_valid(&changed) || changed.eq_ignore_ascii_case(&whole), "changed at {at}");
        }
    }

    #[test]
    fn hostile_payloads_are_invalid_and_harmless() {
        for bad in [
            "",
            "0002",
            "000201",
            "0002016304",
            "00020163049999",
            "0002015999x6304ABCD",
            "あいう",
            "000201あ",
        ] {
            assert!(!is_valid(bad), "{bad}");
        }
    }
}
