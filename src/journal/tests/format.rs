//! The segment that `docs/journal.md` prints is one that this code reads: the page and the format cannot drift apart.

mod support;

use journal::{Reader, verify_bytes};

const PAGE: &str = include_str!("../../../docs/journal.md");

#[test]
fn the_segment_on_the_page_is_read_as_the_page_says() {
    let (_, rest) = PAGE.split_once("```hex\n").unwrap();
    let (hex, rest) = rest.split_once("```").unwrap();
    let bytes: Vec<u8> = hex.split_whitespace().map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();

    let report = verify_bytes(&bytes);
    assert!(report.is_sound(), "{:?}", report.faults);
    let head: String = report.head.unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(rest.contains(&head), "the page prints another head than {head}");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("00000000000000000001.segment");
    std::fs::write(&path, &bytes).unwrap();
    let (records, faults) = support::read(Reader::open_file(&path).unwrap());
    assert_eq!(faults, []);
    let found: Vec<_> = records.iter().map(|record| (record.number, record.key, &record.bytes[..])).collect();
    assert_eq!(found, [(1, 0xa1, &b"first"[..]), (2, 0xa2, b"second record")]);
}
