//! Cut, flipped, moved and hostile segments: all of it found, none of it served, nothing whole thrown away.

mod support;

use journal::limits::{BLOCK_BYTES_MAX, HEADER_BYTES};
use journal::{Drain, FaultKind, Now, Producer, WriterConfig, ring, verify_bytes};
use support::{Disk, bytes_of};

/// A drain over a disk, with one ring and a clock that the test moves.
struct Bench {
    producer: Producer,
    drain: Drain,
    now: Now,
}

impl Bench {
    fn on(disk: &Disk) -> Bench {
        let (producer, consumer) = ring(1 << 16);
        let (drain, _) = Drain::open(disk.storage(), &WriterConfig::default(), vec![consumer], None).unwrap();
        Bench { producer, drain, now: Now { monotonic_ms: 10, unix_ms: 1_700_000_000_000 } }
    }

    /// One block of these records, synced.
    fn block(&mut self, records: &[&str]) {
        for record in records {
            self.producer.push(record.len() as u64, record.as_bytes()).unwrap();
        }
        self.now.monotonic_ms += 10;
        self.drain.turn(self.now);
    }
}

/// A segment of four small blocks.
fn small_segment() -> (Disk, String, Vec<u8>) {
    let disk = Disk::default();
    let mut bench = Bench::on(&disk);
    for records in [&["one", "two"][..], &["three"], &[""], &["four", "five", "six"]] {
        bench.block(records);
    }
    let (name, bytes) = disk.last_segment();
    (disk, name, bytes)
}

const RECORDS: [&str; 7] = ["one", "two", "three", "", "four", "five", "six"];

#[test]
fn a_segment_cut_anywhere_yields_a_prefix_and_goes_on_after_repair() {
    let (whole, name, bytes) = small_segment();
    assert_eq!(bytes_of(&whole.read().0), RECORDS.map(str::as_bytes));
    let mut lengths = Vec::new();
    for length in 0..bytes.len() {
        let disk = Disk::default();
        disk.put(&name, &bytes[..length]);
        let (records, faults) = disk.read();
        let served = records.len();
        assert_eq!(
            bytes_of(&records),
            RECORDS[..served].iter().map(|text| text.as_bytes()).collect::<Vec<_>>()
        );

        let mut bench = Bench::on(&disk);
        bench.block(&["after"]);
        drop(bench);
        let (repaired, faults_after) = disk.read();
        assert_eq!(faults_after, [], "cut at {length}, found {faults:?} before");
        assert_eq!(repaired.len(), served + 1);
        assert_eq!(repaired[served].bytes, b"after");
        assert_eq!(repaired[served].number, served as u64 + 1);
        lengths.push(served);
    }
    assert!(lengths.is_sorted());
    assert_eq!(lengths.last(), Some(&4));
}

#[test]
fn every_flipped_bit_is_found_and_never_served() {
    let (_, name, bytes) = small_segment();
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let disk = Disk::default();
        disk.put(&name, &damaged);
        let (records, faults) = disk.read();
        assert!(!faults.is_empty(), "bit {bit} went unnoticed");
        for record in &records {
            assert_eq!(record.bytes, RECORDS[record.number as usize - 1].as_bytes(), "bit {bit}");
        }
        // Only the block that was hit is missing.
        assert!(records.len() >= 4, "bit {bit} cost {records:?}");
    }
}

#[test]
fn damage_in_the_middle_is_reported_and_kept_when_the_journal_is_opened_again() {
    let (_, name, mut bytes) = small_segment();
    bytes[HEADER_BYTES + HEADER_BYTES + 3] ^= 1;
    let disk = Disk::default();
    disk.put(&name, &bytes);
    Bench::on(&disk).block(&["after"]);
    assert_eq!(disk.world().files[&name].bytes, bytes);
    let (records, faults) = disk.read();
    assert_eq!(faults.len(), 1);
    assert_eq!((faults[0].offset, &faults[0].segment), (HEADER_BYTES as u64, &name));
    assert!(matches!(faults[0].kind, FaultKind::Damaged { .. }));
    assert_eq!(bytes_of(&records), ["three", "", "four", "five", "six", "after"].map(str::as_bytes));
}

/// Where each block of the segment begins, found by its mark.
fn block_offsets(bytes: &[u8]) -> Vec<usize> {
    let mark = &bytes[HEADER_BYTES..HEADER_BYTES + 8];
    (HEADER_BYTES..bytes.len() - 8).filter(|&at| &bytes[at..at + 8] == mark).collect()
}

#[test]
fn a_block_removed_moved_or_repeated_is_found() {
    let (_, name, bytes) = small_segment();
    let at = block_offsets(&bytes);
    assert_eq!(at.len(), 4);
    let block = |index: usize| &bytes[at[index]..at.get(index + 1).copied().unwrap_or(bytes.len())];
    let kinds = |order: &[usize]| {
        let mut altered = bytes[..HEADER_BYTES].to_vec();
        order.iter().for_each(|&index| altered.extend_from_slice(block(index)));
        let disk = Disk::default();
        disk.put(&name, &altered);
        let (records, faults) = disk.read();
        assert!(records.is_sorted_by(|a, b| a.number < b.number));
        faults.into_iter().map(|fault| fault.kind).collect::<Vec<_>>()
    };
    assert_eq!(kinds(&[0, 1, 2, 3]), []);
    assert_eq!(kinds(&[0, 2, 3]), [FaultKind::Chain]);
    assert_eq!(kinds(&[1, 2, 3]), [FaultKind::Chain]);
    assert_eq!(kinds(&[0, 2, 1, 3]), [FaultKind::Chain, FaultKind::Repeated, FaultKind::Chain]);
    assert_eq!(kinds(&[0, 1, 1, 2, 3]), [FaultKind::Repeated]);
}

#[test]
fn a_segment_removed_renamed_or_replaced_is_found() {
    let disk = Disk::default();
    for record in ["one", "two", "three"] {
        // Every opening begins a new segment.
        Bench::on(&disk).block(&[record]);
    }
    assert_eq!(disk.read().1, []);
    let names: Vec<String> = disk.world().files.keys().cloned().collect();
    assert_eq!(names.len(), 3);
    let kinds = |disk: &Disk| disk.read().1.into_iter().map(|fault| fault.kind).collect::<Vec<_>>();

    let middle = disk.world().files.remove(&names[1]).unwrap().bytes;
    assert_eq!(kinds(&disk), [FaultKind::Missing { segments: 1 }]);

    let mut other = middle.clone();
    other[20] ^= 1;
    disk.put(&names[1], &other);
    assert_eq!(kinds(&disk), [FaultKind::Header]);

    let (_, _, foreign) = small_segment();
    disk.put(&names[1], &foreign);
    assert!(!kinds(&disk).is_empty());

    disk.put(&names[1], &middle);
    disk.world().files.remove(&names[0]);
    assert_eq!(kinds(&disk), [], "the oldest segments may go: that is retention");
}

#[test]
fn a_block_hidden_inside_a_record_is_not_mistaken_for_one() {
    let (_, name, bytes) = small_segment();
    let hidden = &bytes[block_offsets(&bytes)[3]..];
    let disk = Disk::default();
    let (mut producer, consumer) = ring(1 << 16);
    let (mut drain, _) = Drain::open(disk.storage(), &WriterConfig::default(), vec![consumer], None).unwrap();
    producer.push(1, hidden).unwrap();
    drain.turn(Now { monotonic_ms: 10, unix_ms: 0 });
    let (_, mut carrier) = disk.last_segment();
    // Damage the carrying block's header, so that the reader has to search.
    carrier[HEADER_BYTES + 20] ^= 1;
    disk.put(&name, &carrier);
    let (records, faults) = disk.read();
    assert_eq!(records, []);
    // All of it is there, so that no crash cut it short.
    assert!(matches!(faults[..], [journal::Fault { kind: FaultKind::Damaged { .. }, .. }]));
}

#[test]
fn hostile_segments_end_in_a_report() {
    let (_, _, bytes) = small_segment();
    let mark = &bytes[HEADER_BYTES..HEADER_BYTES + 8];
    let header = &bytes[..HEADER_BYTES];
    let hostile: [Vec<u8>; 7] = [
        vec![],
        vec![0; 3 * BLOCK_BYTES_MAX],
        vec![0xff; 4096],
        header.to_vec(),
        [header, &[0xff; 4096]].concat(),
        // Nothing but beginnings of blocks.
        [header, &mark.repeat(100_000)].concat(),
        [header, &bytes[HEADER_BYTES..2 * HEADER_BYTES].repeat(10_000)].concat(),
    ];
    for bytes in &hostile {
        let report = verify_bytes(bytes);
        assert_eq!(report.records, 0);
        assert!(report.faults_total <= 2);
    }
}
