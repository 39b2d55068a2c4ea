//! The writer as the daemon runs it: many rings, real files, a thread.

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use journal::{
    Drain, Folder, Now, OpenError, PushError, Reader, Recent, SegmentConfig, Writer, WriterConfig, ring,
    verify,
};
use proptest::prelude::*;
use support::{Disk, bytes_of, read};

#[test]
fn records_of_all_workers_come_back_in_each_workers_order() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Arc::new(Folder::writable(folder.path()).unwrap());
    let (producers, consumers): (Vec<_>, Vec<_>) = (0..4).map(|_| ring(1 << 20)).unzip();
    let recent = Arc::new(Recent::new(1 << 20));
    let config = WriterConfig {
        segments: SegmentConfig { segment_bytes_max: 100_000, retain_bytes_max: None },
        ..WriterConfig::default()
    };
    let writer = Writer::start(storage, &config, consumers, Some(recent.clone())).unwrap();
    std::thread::scope(|scope| {
        for (worker, mut producer) in producers.into_iter().enumerate() {
            scope.spawn(move || {
                for index in 0..2_000u64 {
                    let key = (worker as u64) << 32 | index;
                    while producer.push(key, &vec![worker as u8; (index % 300) as usize]).is_err() {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                }
            });
        }
    });
    let stats = writer.close();
    assert_eq!((stats.written, stats.durable, stats.lost_disk), (8_000, 8_000, 0));
    assert!(stats.stopped);
    assert_eq!(recent.find(1_999).unwrap(), vec![0; 199]);

    let (records, faults) = read(Reader::open(folder.path()).unwrap());
    assert_eq!(faults, []);
    let mut next = [0u64; 4];
    for record in &records {
        let (worker, index) = ((record.key >> 32) as usize, record.key & 0xffff_ffff);
        assert_eq!(index, next[worker]);
        assert_eq!(record.bytes, vec![worker as u8; (index % 300) as usize]);
        next[worker] += 1;
    }
    assert_eq!(next, [2_000; 4]);

    let report = verify(folder.path()).unwrap();
    assert!(report.is_sound() && report.segments > 1);
    assert_eq!((report.records, report.first_number), (8_000, Some(1)));
    assert_eq!(report.last_number, Some(8_000 + report.missing));
    // A file on its own is verified too.
    let first = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).min().unwrap();
    assert!(verify(&first).unwrap().is_sound());
}

#[test]
fn a_folder_has_one_writer() {
    let folder = tempfile::tempdir().unwrap();
    let first = Folder::writable(folder.path()).unwrap();
    assert!(matches!(Folder::writable(folder.path()), Err(OpenError::InUse)));
    drop(first);
    assert!(Folder::writable(folder.path()).is_ok());
}

#[test]
fn a_full_ring_never_blocks_and_the_loss_stands_in_the_journal() {
    let disk = Disk::default();
    let (mut producer, consumer) = ring(1 << 16);
    let config = WriterConfig::default();
    let (mut drain, _) = Drain::open(disk.storage(), &config, vec![consumer], None).unwrap();
    let started = Instant::now();
    let refused = (0..10_000).filter(|_| producer.push(1, &[0; 500]) == Err(PushError::Full)).count() as u64;
    assert!(started.elapsed() < Duration::from_secs(1));
    assert_eq!(refused, 10_000 - (1 << 16) / 512);
    drain.finish(Now { monotonic_ms: 10, unix_ms: 0 });
    let stats = drain.stats().snapshot();
    assert_eq!((stats.lost_ring, stats.written), (refused, 128));
    assert_eq!(disk.read().0[0].number, refused + 1);
}

#[test]
fn segments_roll_and_the_oldest_are_deleted() {
    let disk = Disk::default();
    let (mut producer, consumer) = ring(1 << 16);
    let config = WriterConfig {
        segments: SegmentConfig { segment_bytes_max: 2_000, retain_bytes_max: Some(10_000) },
        ..WriterConfig::default()
    };
    let (mut drain, _) = Drain::open(disk.storage(), &config, vec![consumer], None).unwrap();
    for turn in 0..200 {
        producer.push(turn, &[0; 400]).unwrap();
        drain.turn(Now { monotonic_ms: 10 + turn * 10, unix_ms: 0 });
        let bytes: usize = disk.world().files.values().map(|content| content.bytes.len()).sum();
        assert!(bytes <= 12_000, "{bytes}");
    }
    let stats = drain.stats().snapshot();
    assert_eq!(stats.segments_removed + disk.world().files.len() as u64, 67);
    assert!(stats.kept_bytes <= 12_000);
    assert!(disk.world().files.values().all(|content| content.bytes.len() <= 2_000));
    let (records, faults) = disk.read();
    assert_eq!(faults, []);
    assert_eq!(records.last().unwrap().number, 200);
    assert!(records.windows(2).all(|pair| pair[0].number + 1 == pair[1].number));
}

#[test]
fn nonsense_in_the_configuration_is_refused() {
    for (segment_bytes_max, retain_bytes_max, commit_interval_ms) in
        [(10, None, 10), (1 << 20, Some(1 << 10), 10), (1 << 20, None, 0), (1 << 20, None, 1 << 40)]
    {
        let config = WriterConfig {
            segments: SegmentConfig { segment_bytes_max, retain_bytes_max },
            commit_interval_ms,
            ..WriterConfig::default()
        };
        let opened = Drain::open(Disk::default().storage(), &config, vec![], None);
        assert!(matches!(opened, Err(OpenError::Config(_))));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is pushed, in whatever turns, across reopenings, comes back equal, in order, numbered.
    #[test]
    fn what_was_pushed_comes_back(
        sessions in prop::collection::vec(
            prop::collection::vec((any::<u64>(), prop::collection::vec(any::<u8>(), 0..600), any::<bool>()), 0..40),
            1..4,
        ),
        segment_bytes_max in 1024u64..20_000,
    ) {
        let disk = Disk::default();
        let config = WriterConfig {
            segments: SegmentConfig { segment_bytes_max, retain_bytes_max: None },
            ..WriterConfig::default()
        };
        let mut pushed = Vec::new();
        for session in &sessions {
            let (mut producer, consumer) = ring(1 << 16);
            let (mut drain, recovery) = Drain::open(disk.storage(), &config, vec![consumer], None).unwrap();
            prop_assert_eq!(recovery.next_number, pushed.len() as u64 + 1);
            prop_assert_eq!(recovery.faults, []);
            let mut now = Now { monotonic_ms: 10, unix_ms: 0 };
            for (key, record, turn) in session {
                producer.push(*key, record).unwrap();
                pushed.push((*key, &record[..]));
                if *turn {
                    now.monotonic_ms += 6;
                    drain.turn(now);
                }
            }
            drain.finish(now);
        }
        let (records, faults) = disk.read();
        prop_assert_eq!(faults, []);
        prop_assert_eq!(bytes_of(&records), pushed.iter().map(|pair| pair.1).collect::<Vec<_>>());
        for (index, record) in records.iter().enumerate() {
            prop_assert_eq!((record.number, record.key), (index as u64 + 1, pushed[index].0));
        }
    }
}
