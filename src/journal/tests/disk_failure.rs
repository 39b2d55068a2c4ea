//! Disks that fail, fill up, write short and lose power.

mod support;

use std::sync::Arc;

use journal::{Drain, Now, OnFailure, Producer, Recent, SegmentConfig, Stats, WriterConfig, ring};
use support::{Disk, bytes_of};

struct Bench {
    producer: Producer,
    drain: Drain,
    stats: Arc<Stats>,
    now: Now,
}

impl Bench {
    fn on(disk: &Disk, on_failure: OnFailure) -> Bench {
        let (producer, consumer) = ring(4096);
        let config = WriterConfig { on_failure, retry_ms: 100, ..WriterConfig::default() };
        let (drain, _) = Drain::open(disk.storage(), &config, vec![consumer], None).unwrap();
        let stats = drain.stats().clone();
        Bench { producer, drain, stats, now: Now { monotonic_ms: 10, unix_ms: 0 } }
    }

    fn push(&mut self, record: &[u8]) {
        self.producer.push(0, record).unwrap();
    }

    /// A turn in which a commit is due.
    fn turn(&mut self) {
        self.now.monotonic_ms += 10;
        self.drain.turn(self.now);
    }

    fn wait(&mut self, ms: u64) {
        self.now.monotonic_ms += ms;
    }
}

#[test]
fn a_failed_sync_leaves_the_segment_and_counts_what_was_not_certain() {
    let disk = Disk::default();
    let mut bench = Bench::on(&disk, OnFailure::Availability);
    bench.push(b"certain");
    bench.turn();
    disk.world().failing_syncs = 1;
    bench.push(b"uncertain");
    bench.turn();
    bench.push(b"after");
    bench.turn();

    let stats = bench.stats.snapshot();
    assert_eq!((stats.written, stats.durable, stats.lost_disk, stats.failures), (3, 2, 1, 1));
    assert!(!stats.failed);
    assert_eq!(disk.world().files.len(), 2, "the failed segment was left and another begun");
    let (records, faults) = disk.read();
    assert_eq!(faults, []);
    assert_eq!(bytes_of(&records), [&b"certain"[..], b"after"]);
    assert_eq!(records[1].number, 3, "the gap in the numbers tells of the loss");
}

#[test]
fn a_failed_write_loses_nothing_when_the_next_segment_works() {
    let disk = Disk::default();
    let mut bench = Bench::on(&disk, OnFailure::Availability);
    bench.push(b"one");
    bench.turn();
    disk.world().failing_writes = 1;
    bench.push(b"two");
    bench.turn();
    let (records, faults) = disk.read();
    assert_eq!((bytes_of(&records), faults), (vec![&b"one"[..], b"two"], vec![]));
    assert_eq!(bench.stats.snapshot().lost(), 0);
}

#[test]
fn short_writes_are_completed() {
    let disk = Disk::default();
    disk.world().write_bytes_max = Some(7);
    let mut bench = Bench::on(&disk, OnFailure::Availability);
    bench.push(&[5; 1000]);
    bench.turn();
    let (records, faults) = disk.read();
    assert_eq!((bytes_of(&records), faults), (vec![&[5; 1000][..]], vec![]));
}

#[test]
fn a_full_disk_under_availability_goes_on_and_counts() {
    let disk = Disk::default();
    let mut bench = Bench::on(&disk, OnFailure::Availability);
    bench.push(b"before");
    bench.turn();
    disk.world().space_bytes = Some(10);
    for _ in 0..20 {
        bench.push(&[1; 1000]);
        bench.turn();
    }
    let stats = bench.stats.snapshot();
    assert_eq!((stats.lost_disk, stats.lost_ring, stats.failed), (20, 0, true));
    assert!(!bench.stats.refuse());

    disk.world().space_bytes = None;
    bench.wait(100);
    bench.turn();
    bench.push(b"after");
    bench.turn();
    assert!(!bench.stats.failed());
    let (records, faults) = disk.read();
    assert_eq!(faults, []);
    assert_eq!(bytes_of(&records), [&b"before"[..], b"after"]);
    assert_eq!(records[1].number, 22);
    assert!(disk.world().files.len() <= 2, "a full disk does not collect empty segments");
}

#[test]
fn a_full_disk_under_durability_refuses_and_keeps_what_it_has_until_there_is_room() {
    let disk = Disk::default();
    let mut bench = Bench::on(&disk, OnFailure::Durability);
    disk.world().space_bytes = Some(100);
    for record in [&b"one"[..], b"two", b"three"] {
        bench.push(record);
        bench.turn();
        assert!(bench.stats.refuse());
    }
    while bench.producer.push(0, &[0; 100]).is_ok() {}
    bench.turn();
    assert_eq!(bench.stats.snapshot().lost_ring, 1, "the ring fills, and only then is anything lost");

    disk.world().space_bytes = None;
    bench.wait(100);
    bench.turn();
    bench.turn();
    assert!(!bench.stats.refuse());
    assert_eq!(bench.stats.snapshot().lost_disk, 0);
    let (records, faults) = disk.read();
    assert_eq!(faults, []);
    assert_eq!(bytes_of(&records[..3]), [&b"one"[..], b"two", b"three"]);
}

#[test]
fn a_power_cut_costs_at_most_what_was_not_synced() {
    for torn_bytes in 0..400 {
        let disk = Disk::default();
        let mut bench = Bench::on(&disk, OnFailure::Availability);
        for record in [&b"one"[..], b"two"] {
            bench.push(record);
            bench.turn();
        }
        // Written, for it is large, but no commit is due.
        let large = [9; 2000];
        for _ in 0..40 {
            bench.push(&large);
            bench.drain.turn(bench.now);
        }
        disk.cut_power(torn_bytes);
        let mut bench = Bench::on(&disk, OnFailure::Availability);
        bench.push(b"again");
        bench.turn();
        let (records, faults) = disk.read();
        assert_eq!(faults, [], "torn after {torn_bytes}");
        assert_eq!(bytes_of(&records[..2]), [&b"one"[..], b"two"]);
        assert_eq!(records.last().unwrap().bytes, b"again");
        assert!(records.is_sorted_by(|a, b| a.number < b.number));
    }
}

#[test]
fn power_cuts_at_any_moment_leave_the_acknowledged_readable() {
    // A cut after every turn of a run that rolls segments, with torn remains of every few sizes.
    let config = SegmentConfig { segment_bytes_max: 1024, retain_bytes_max: None };
    for stop in 0..24u64 {
        for torn_bytes in [0, 1, 79, 80, 81, 200] {
            let disk = Disk::default();
            let (mut producer, consumer) = ring(1 << 16);
            let writer = WriterConfig { segments: config, ..WriterConfig::default() };
            let (mut drain, _) = Drain::open(disk.storage(), &writer, vec![consumer], None).unwrap();
            for turn in 0..=stop {
                producer.push(turn, &[turn as u8; 150]).unwrap();
                drain.turn(Now { monotonic_ms: 10 + turn * 7, unix_ms: turn });
            }
            let durable = drain.stats().snapshot().durable;
            drop(drain);
            disk.cut_power(torn_bytes);
            let (_drain, _) = Drain::open(disk.storage(), &writer, vec![], None).unwrap();
            let (records, faults) = disk.read();
            assert_eq!(faults, []);
            assert!(records.len() as u64 >= durable);
            for (index, record) in records.iter().enumerate() {
                assert_eq!((record.number, record.key), (index as u64 + 1, index as u64));
            }
        }
    }
}

#[test]
fn what_the_disk_lost_can_still_be_explained() {
    let disk = Disk::default();
    disk.world().space_bytes = Some(0);
    let recent = Arc::new(Recent::new(1 << 16));
    let (mut producer, consumer) = ring(4096);
    let config = WriterConfig::default();
    let (mut drain, _) = Drain::open(disk.storage(), &config, vec![consumer], Some(recent.clone())).unwrap();
    producer.push(77, b"decision").unwrap();
    drain.turn(Now { monotonic_ms: 10, unix_ms: 0 });
    assert_eq!(recent.find(77).unwrap(), b"decision");
    assert!(drain.stats().failed());
}
