//! The log of what must be on disk before anyone is told.

mod support;

use std::sync::mpsc;

use journal::limits::RECORD_BYTES_MAX;
use journal::{AppendError, Log, SegmentConfig};
use support::{Disk, bytes_of};

fn open(disk: &Disk) -> Log {
    Log::open(disk.storage(), SegmentConfig::default(), "outcomes").unwrap().0
}

#[test]
fn what_was_acknowledged_survives_a_power_cut() {
    let disk = Disk::default();
    let log = open(&disk);
    for index in 1..=50u64 {
        assert_eq!(log.append(index, &index.to_le_bytes()), Ok(index));
        let copy = Disk::default();
        for (name, content) in &disk.world().files {
            copy.put(name, content.durable.as_ref().unwrap());
        }
        assert_eq!(copy.read().0.len() as u64, index);
    }
    drop(log);
    disk.cut_power(0);
    let log = open(&disk);
    assert_eq!(log.append(0, b"next"), Ok(51));
}

#[test]
fn callers_that_come_together_share_a_sync() {
    let disk = Disk::default();
    let log = open(&disk);
    let (sender, receiver) = mpsc::channel();
    let held = disk.world();
    for index in 0..1_000u64 {
        let sender = sender.clone();
        log.append_then(index, b"outcome", move |result| sender.send(result.unwrap()).unwrap()).unwrap();
    }
    drop(held);
    let numbers: Vec<u64> = receiver.iter().take(1_000).collect();
    assert_eq!(numbers, (1..=1_000).collect::<Vec<_>>());
    assert!(disk.world().syncs <= 2);
}

#[test]
fn a_failed_sync_is_told_to_its_callers_and_the_next_append_begins_anew() {
    let disk = Disk::default();
    let log = open(&disk);
    assert_eq!(log.append(1, b"one"), Ok(1));
    disk.world().failing_syncs = 1;
    assert!(matches!(log.append(2, b"two"), Err(AppendError::Storage(_))));
    assert!(log.stats().snapshot().failed);
    assert_eq!(log.append(2, b"two again"), Ok(3));
    assert!(!log.stats().snapshot().failed);
    disk.cut_power(0);
    let (records, faults) = disk.read();
    assert_eq!((bytes_of(&records), faults), (vec![&b"one"[..], b"two again"], vec![]));
}

#[test]
fn too_long_and_too_many_are_refused_at_once() {
    let disk = Disk::default();
    let log = open(&disk);
    let record = vec![0; RECORD_BYTES_MAX];
    assert_eq!(log.append(1, &[&record[..], &[0]].concat()), Err(AppendError::TooLong));
    let held = disk.world();
    let refused = (0..100).filter(|_| log.append_then(1, &record, |_| {}) == Err(AppendError::Busy)).count();
    assert!(refused >= 100 - 2 * 16, "{refused}");
    drop(held);
}

#[test]
fn closing_waits_for_what_was_taken() {
    let disk = Disk::default();
    let log = open(&disk);
    for index in 0..100 {
        log.append_then(index, b"outcome", |_| {}).unwrap();
    }
    drop(log);
    disk.cut_power(0);
    assert_eq!(disk.read().0.len(), 100);
}
