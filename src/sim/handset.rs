//! Devices. Everything a handset tells about itself follows from its serial number, so that none need be stored.

use wire::{Device, DeviceClass, Text};

use crate::draw::hash;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Handset {
    /// Gives the fingerprint.
    pub serial: u64,
    /// Gives IMEI, MAC, model and system: a farm that resets a fingerprint keeps its hardware.
    pub hardware: u64,
    pub emulator: bool,
    pub rooted: bool,
    pub class: DeviceClass,
}

const ANDROID_MODELS: [&str; 8] = [
    "HUAWEI P70",
    "HUAWEI nova 14",
    "Xiaomi 16",
    "Redmi Note 15",
    "OPPO A5",
    "vivo Y300",
    "HONOR X70",
    "Galaxy S25",
];
const IOS_MODELS: [&str; 4] = ["iPhone 14", "iPhone 15", "iPhone 16", "iPhone 17"];
const ANDROID_VERSIONS: [&str; 4] = ["android 13", "android 14", "android 15", "android 16"];
const IOS_VERSIONS: [&str; 3] = ["ios 17.6", "ios 18.5", "ios 26.1"];
const APP_VERSIONS: [&str; 4] = ["8.0.61", "8.0.62", "8.0.63", "8.0.64"];

impl Handset {
    pub fn phone(serial: u64) -> Handset {
        Handset { serial, hardware: serial, emulator: false, rooted: false, class: DeviceClass::Phone }
    }

    pub fn terminal(serial: u64) -> Handset {
        Handset { class: DeviceClass::Pos, ..Handset::phone(serial) }
    }

    pub fn emulator(serial: u64) -> Handset {
        Handset { emulator: true, rooted: true, ..Handset::phone(serial) }
    }

    pub fn rooted(serial: u64) -> Handset {
        Handset { rooted: true, ..Handset::phone(serial) }
    }

    pub fn device(self) -> Device<'static> {
        let word = hash(0xdef1, self.hardware);
        let choose = |names: &[&'static str], shift: u32| {
            Text::Borrowed(names[(word >> shift) as usize % names.len()])
        };
        let mut device = Device {
            id: Text::Owned(hex("d", hash(0x1d, self.serial))),
            app: choose(&APP_VERSIONS, 40),
            emulator: self.emulator,
            rooted: self.rooted,
            class: self.class,
            ..Device::default()
        };
        if self.class == DeviceClass::Pos {
            device.os = Text::Borrowed("android 11");
            device.model = Text::Borrowed("PAX A920");
            device.mac = Text::Owned(mac(word));
        } else if word % 100 < 24 && !self.emulator {
            device.os = choose(&IOS_VERSIONS, 8);
            device.model = choose(&IOS_MODELS, 16);
        } else {
            device.os = choose(&ANDROID_VERSIONS, 8);
            device.model = choose(&ANDROID_MODELS, 16);
            // Newer systems keep these from apps; two in three handsets still give them.
            if !word.is_multiple_of(3) {
                device.imei = Text::Owned(imei(word));
                device.mac = Text::Owned(mac(word));
            }
        }
        device
    }
}

pub(crate) const HEX: &[u8; 16] = b"0123456789abcdef";

/// A prefix and sixteen hexadecimal digits.
pub(crate) fn hex(prefix: &str, word: u64) -> String {
    let mut text = String::with_capacity(prefix.len() + 16);
    text.push_str(prefix);
    for shift in (0..16).rev() {
        text.push(char::from(HEX[(word >> (shift * 4)) as usize & 15]));
    }
    text
}

/// Fifteen digits, the last a Luhn check digit.
fn imei(word: u64) -> String {
    let mut text = String::with_capacity(15);
    let mut sum = 0;
    let mut left = 86_000_000_000_000 + word % 1_000_000_000_000;
    let mut divisor = 10_000_000_000_000;
    for place in 0..14 {
        let digit = left / divisor;
        left %= divisor;
        divisor /= 10;
        text.push(char::from(b'0' + digit as u8));
        let doubled = if place % 2 == 1 { digit * 2 } else { digit };
        sum += doubled / 10 + doubled % 10;
    }
    text.push(char::from(b'0' + ((10 - sum % 10) % 10) as u8));
    text
}

fn mac(word: u64) -> String {
    let mut text = String::with_capacity(17);
    // Bit 1 of the first byte marks an address no maker was given.
    text.push_str("02");
    for byte in &word.to_le_bytes()[..5] {
        text.push(':');
        text.push(char::from(HEX[usize::from(byte >> 4)]));
        text.push(char::from(HEX[usize::from(byte & 15)]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handset_tells_the_same_every_time_and_a_reset_one_keeps_its_hardware() {
        let phone = Handset::phone(7);
        assert_eq!(phone.device(), phone.device());
        let reset = Handset { serial: 8, ..phone };
        assert_ne!(phone.device().id, reset.device().id);
        assert_eq!(phone.device().imei, reset.device().imei);
    }

    #[test]
    fn an_imei_ends_in_its_luhn_digit() {
        for word in 0..100 {
            let digits: Vec<u32> = imei(hash(5, word)).chars().filter_map(|c| c.to_digit(10)).collect();
            assert_eq!(digits.len(), 15);
            let sum: u32 = digits
                .iter()
                .enumerate()
                .map(|(place, digit)| if place % 2 == 1 { digit * 2 / 10 + digit * 2 % 10 } else { *digit })
                .sum();
            assert_eq!(sum % 10, 0);
        }
    }
}
