//! Images of lists: any bytes are an image whose checksum holds, or are refused, in bounded memory. Once as they are, and once
//! with a head that promises as many entries as there are bytes, so that the fuzzer comes past the lengths.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    assert!(server::readers::list_image(bytes).is_none(), "nobody guesses a keyed checksum");
    let mut image = Vec::with_capacity(bytes.len() + 97);
    image.extend(b"riskdli1");
    image.extend([0; 16]);
    image.extend((bytes.len() as u64 / 24).to_le_bytes());
    image.extend([0; 25]);
    image.extend([1, 0, 0, 0, 0, 0, 0, b'x']);
    image.extend(&bytes[..bytes.len() / 24 * 24]);
    image.extend([0; 32]);
    assert!(server::readers::list_image(&image).is_none(), "nobody guesses a keyed checksum");
});
