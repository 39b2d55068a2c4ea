//! A disk in memory that fails on demand and forgets what was not synced when the power is cut.

// Each test file uses a part of it.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use journal::{Entry, Fault, OwnedRecord, Reader, Storage, StorageFile};

/// A disk; clones share it.
#[derive(Clone, Default)]
pub struct Disk(Arc<Mutex<World>>);

#[derive(Default)]
pub struct World {
    pub files: BTreeMap<String, Content>,
    /// The next that many syncs of files fail, and what was not synced is gone, though reads still show it.
    pub failing_syncs: u32,
    /// The next that many writes fail.
    pub failing_writes: u32,
    /// Bytes that may still be written.
    pub space_bytes: Option<usize>,
    /// No write takes more than this.
    pub write_bytes_max: Option<usize>,
    pub syncs: u64,
}

#[derive(Clone, Default)]
pub struct Content {
    /// What reads show.
    pub bytes: Vec<u8>,
    /// What a power cut leaves; none if not even the name lasts.
    pub durable: Option<Vec<u8>>,
    synced: Vec<u8>,
}

struct DiskFile {
    disk: Disk,
    name: String,
}

impl Disk {
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    pub fn storage(&self) -> Arc<dyn Storage> {
        Arc::new(self.clone())
    }

    /// Everything not synced is gone, but for the first `torn_bytes` of it in each file.
    pub fn cut_power(&self, torn_bytes: usize) {
        let mut world = self.world();
        let files = std::mem::take(&mut world.files);
        for (name, mut content) in files {
            let Some(durable) = content.durable.take() else { continue };
            let kept = (durable.len() + torn_bytes).min(content.bytes.len()).max(durable.len());
            let mut bytes = durable.clone();
            bytes.extend_from_slice(content.bytes.get(durable.len()..kept).unwrap_or_default());
            world.files.insert(name, Content { durable: Some(bytes.clone()), synced: bytes.clone(), bytes });
        }
    }

    /// The only segment, or the last.
    pub fn last_segment(&self) -> (String, Vec<u8>) {
        let world = self.world();
        let (name, content) = world.files.last_key_value().unwrap();
        (name.clone(), content.bytes.clone())
    }

    /// Puts a file on the disk as it is.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        let content =
            Content { bytes: bytes.to_vec(), durable: Some(bytes.to_vec()), synced: bytes.to_vec() };
        self.world().files.insert(name.to_owned(), content);
    }

    /// Everything a reader finds: records and faults.
    pub fn read(&self) -> (Vec<OwnedRecord>, Vec<Fault>) {
        read(Reader::of(self.storage()).unwrap())
    }
}

pub fn read(mut reader: Reader) -> (Vec<OwnedRecord>, Vec<Fault>) {
    let (mut records, mut faults) = (Vec::new(), Vec::new());
    while let Some(entry) = reader.next_entry() {
        match entry {
            Entry::Record(record) => records.push(OwnedRecord {
                number: record.number,
                key: record.key,
                written_unix_ms: record.written_unix_ms,
                bytes: record.bytes.to_vec(),
            }),
            Entry::Fault(fault) => faults.push(fault),
        }
    }
    (records, faults)
}

/// The bytes of records, for comparing.
pub fn bytes_of(records: &[OwnedRecord]) -> Vec<&[u8]> {
    records.iter().map(|record| &record.bytes[..]).collect()
}

impl Storage for Disk {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.world().files.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn StorageFile>> {
        let mut world = self.world();
        if world.files.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        world.files.insert(name.to_owned(), Content::default());
        Ok(Box::new(DiskFile { disk: self.clone(), name: name.to_owned() }))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn StorageFile>> {
        self.world().files.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(DiskFile { disk: self.clone(), name: name.to_owned() }))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let removed = self.world().files.remove(name).ok_or(io::ErrorKind::NotFound)?;
        let mut world = self.world();
        world.space_bytes = world.space_bytes.map(|space| space + removed.bytes.len());
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        for content in self.world().files.values_mut() {
            content.durable.get_or_insert_with(|| content.synced.clone());
        }
        Ok(())
    }
}

impl StorageFile for DiskFile {
    fn length(&self) -> io::Result<u64> {
        self.with(|content, _| Ok(content.bytes.len() as u64))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.with(|content, _| {
            let rest = content.bytes.get(offset as usize..).unwrap_or_default();
            let count = rest.len().min(buffer.len());
            buffer[..count].copy_from_slice(&rest[..count]);
            Ok(count)
        })
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.with(|content, world| {
            if world.failing_writes > 0 {
                world.failing_writes -= 1;
                return Err(io::Error::other("injected"));
            }
            let mut count = bytes.len().min(world.write_bytes_max.unwrap_or(usize::MAX));
            if let Some(space) = &mut world.space_bytes {
                if *space == 0 {
                    return Err(io::ErrorKind::StorageFull.into());
                }
                count = count.min(*space);
                *space -= count;
            }
            content.bytes.resize(offset as usize, 0);
            content.bytes.extend_from_slice(&bytes[..count]);
            Ok(count)
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.with(|content, world| {
            if world.failing_syncs > 0 {
                world.failing_syncs -= 1;
                return Err(io::Error::other("injected"));
            }
            world.syncs += 1;
            content.synced = content.bytes.clone();
            if content.durable.is_some() {
                content.durable = Some(content.bytes.clone());
            }
            Ok(())
        })
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.with(|content, world| {
            let freed = content.bytes.len().saturating_sub(length as usize);
            world.space_bytes = world.space_bytes.map(|space| space + freed);
            content.bytes.truncate(length as usize);
            Ok(())
        })
    }
}

impl DiskFile {
    fn with<T>(&self, act: impl FnOnce(&mut Content, &mut World) -> io::Result<T>) -> io::Result<T> {
        let mut world = self.disk.world();
        let mut content = world.files.remove(&self.name).ok_or(io::ErrorKind::NotFound)?;
        let result = act(&mut content, &mut world);
        world.files.insert(self.name.clone(), content);
        result
    }
}
