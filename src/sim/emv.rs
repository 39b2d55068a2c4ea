//! Merchant-presented QR payloads (EMVCo): tag, length, value; closed by a CRC over all before it.

/// A static code of that merchant.
pub(crate) fn payload(merchant: &str, category: &str, name: &str, city: &str) -> String {
    let mut text = String::with_capacity(128);
    field(&mut text, "00", "01");
    field(&mut text, "01", "11");
    let mut account = String::with_capacity(32);
    field(&mut account, "00", "sim.riskd");
    field(&mut account, "01", merchant);
    field(&mut text, "26", &account);
    field(&mut text, "52", category);
    field(&mut text, "53", "156");
    field(&mut text, "58", "CN");
    field(&mut text, "59", name);
    field(&mut text, "60", city);
    text.push_str("6304");
    let crc = crc16(text.as_bytes());
    text.push_str(&format!("{crc:04X}"));
    text
}

fn field(text: &mut String, tag: &str, value: &str) {
    text.push_str(tag);
    text.push_str(&format!("{:02}", value.len()));
    text.push_str(value);
}

/// CRC-16/IBM-3740: polynomial 0x1021, start 0xFFFF, not reflected.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xffff, |crc, &byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_the_crc_catalogue() {
        assert_eq!(crc16(b"123456789"), 0x29b1);
    }

    #[test]
    fn a_payload_closes_with_the_crc_over_all_before_it() {
        let text = payload("m0000007", "5812", "Shop 7", "Beijing");
        let (body, crc) = text.split_at(text.len() - 4);
        assert!(body.ends_with("6304") && body.starts_with("000201"));
        assert_eq!(crc, format!("{:04X}", crc16(body.as_bytes())));
    }
}
