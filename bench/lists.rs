//! A list of ten entries an account, through all that the daemon does with one: taken in as a body, loaded from its image and
//! from its rows, looked up beside a plain dashmap of the same keys.

use std::cell::RefCell;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use dashmap::DashMap;
use engine::key::Seed;
use engine::limits::LANES;
use engine::lists::{ListKey, Lists, NEVER_MS};
use engine::policy::Matching;
use rand::{Rng as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::Serialize;
use server::lists::{Adding, Bulk, Format, KnownList, ListStore, Load, Standing};

use crate::codec::time;
use crate::machine::processor_ns;
use crate::report::Row;
use crate::run::Plan;

/// Values that are on the list and values that are not, from the text on, as the list finds them and as a dashmap does.
pub const STAGES: [&str; 4] = ["lists hit", "lists miss", "lists dashmap hit", "lists dashmap miss"];

/// Entries for each account of the plan.
const ENTRIES_AN_ACCOUNT: u64 = 10;
/// Values looked up in turn.
const VALUES: usize = 1 << 16;
const NOW_MS: i64 = 1_767_607_200_000;

/// What a list costs but for look-ups.
#[derive(Clone, Debug, Serialize)]
pub struct Loading {
    /// Entries.
    pub entries: u64,
    /// Seconds to take them in as CSV in the place of what the list had, until they are in force and on disk.
    pub replace_s: f64,
    /// Seconds from opening the files to entries in force, from the image, of each round; and seconds of its processor.
    pub image_s: Vec<f64>,
    /// See above.
    pub image_processor_s: Vec<f64>,
    /// The same from the rows, without an image.
    pub rows_s: f64,
    /// Bytes of the table an entry.
    pub table_bytes: f64,
    /// Bytes by which the process grew from before opening to in force, an entry: table, pages of the store, and all else.
    pub resident_bytes: f64,
    /// Bytes of the image and of the store an entry, on disk.
    pub image_bytes: f64,
    /// See above.
    pub store_bytes: f64,
}

/// Runs those that are wanted.
///
/// # Errors
/// What could not be made, in words.
pub fn run(plan: &Plan, wanted: impl Fn(&str) -> bool) -> Result<(Vec<Row>, Option<Loading>), String> {
    if !STAGES.into_iter().any(&wanted) {
        return Ok((Vec::new(), None));
    }
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let entries = plan.accounts * ENTRIES_AN_ACCOUNT;
    let replace_s = take_in(folder.path(), entries)?;
    let (mut image_s, mut image_processor_s) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        let began_ns = processor_ns();
        let (site, took_s) = open(folder.path(), entries, true)?;
        image_processor_s.push((processor_ns() - began_ns) as f64 / 1e9);
        image_s.push(took_s);
        drop(site);
    }
    let before = resident_bytes();
    let site = open(folder.path(), entries, true)?.0;
    let resident = resident_bytes().saturating_sub(before);
    let an_entry = |bytes: u64| bytes as f64 / entries as f64;
    let bytes_of = |name: &str| std::fs::metadata(folder.path().join(name)).map_or(0, |file| file.len());
    let mut loading = Loading {
        entries,
        replace_s,
        image_s,
        image_processor_s,
        rows_s: 0.0,
        table_bytes: an_entry(site.lists.bytes()),
        resident_bytes: an_entry(resident),
        image_bytes: an_entry(bytes_of("lists/bench.image")),
        store_bytes: an_entry(bytes_of("lists.redb")),
    };
    let rows = look_ups(plan, &site, entries, wanted);
    drop(site);
    let _ = std::fs::remove_file(folder.path().join("lists/bench.image"));
    loading.rows_s = open(folder.path(), entries, false)?.1;
    Ok((rows, Some(loading)))
}

struct Site {
    store: ListStore,
    lists: Lists,
    list: KnownList,
}

/// Opens a list as the daemon does at a start; and how long it took in seconds.
fn open(folder: &Path, entries: u64, from_image: bool) -> Result<(Site, f64), String> {
    let began = Instant::now();
    let store = ListStore::open(folder).map_err(|error| error.to_string())?;
    let lists = Lists::new(entries as usize, Seed::new([9; 16]));
    let list = KnownList::new(&lists, "bench", Matching::Exact, wire::Form::Identifier);
    let list = list.ok_or("no memory for a list")?;
    let load = store.load(&lists, &list, NOW_MS).map_err(|error| error.to_string())?;
    let took_s = began.elapsed().as_secs_f64();
    // A small list has no image.
    let large = folder.join("lists/bench.image").exists();
    if load.entries > 0 && load != (Load { entries, from_image: from_image && large, unfit: 0 }) {
        return Err(format!("loaded {load:?} of {entries} entries"));
    }
    Ok((Site { store, lists, list }, took_s))
}

/// Makes the list as an operator does, by a body of CSV; how long that took in seconds.
fn take_in(folder: &Path, entries: u64) -> Result<f64, String> {
    let Site { store, lists, list } = open(folder, entries, false)?.0;
    let mut body = b"key,reason,source\n".to_vec();
    for n in 0..entries {
        body.extend(key(n).as_bytes());
        body.extend(b",device farm,bench\n");
    }
    let adding = Adding { by: "bench".to_owned(), at_ms: NOW_MS };
    let bulk = Bulk { body: &body, format: Format::Csv, adding, entries_max: entries };
    let began = Instant::now();
    let taken = store.put_all(&lists, &list, &bulk, Standing::Go).map_err(|error| error.to_string())?;
    if taken != entries || lists.len() != entries {
        return Err(format!("{} of {entries} entries are in force", lists.len()));
    }
    Ok(began.elapsed().as_secs_f64())
}

/// In no order, as keys of a site are.
fn key(n: u64) -> String {
    format!("d-{:016x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

fn look_ups(plan: &Plan, site: &Site, entries: u64, wanted: impl Fn(&str) -> bool) -> Vec<Row> {
    let Site { lists, list, .. } = site;
    let mut draw = Xoshiro256PlusPlus::seed_from_u64(12);
    let values = |from: u64, draw: &mut Xoshiro256PlusPlus| -> Vec<String> {
        (0..VALUES).map(|_| key(draw.random_range(from..from + entries))).collect()
    };
    let sets = [values(0, &mut draw), values(entries, &mut draw)];
    let dashmap: DashMap<String, i64> = match STAGES[2..].iter().any(|name| wanted(name)) {
        true => (0..entries).map(|n| (key(n), NEVER_MS)).collect(),
        false => DashMap::new(),
    };
    let keys = RefCell::new(Vec::<ListKey>::with_capacity(LANES));
    let ours = |texts: &[String]| {
        let mut keys = keys.borrow_mut();
        keys.clear();
        // Every value is a key of an exact list.
        keys.extend(texts.iter().filter_map(|text| lists.key(&list.handle, text).ok()));
        u64::from(lists.holds(&list.handle, &keys, NOW_MS).count_ones())
    };
    let theirs = |texts: &[String]| {
        let live = |text: &&String| dashmap.get(text.as_str()).is_some_and(|expires_ms| *expires_ms > NOW_MS);
        texts.iter().filter(live).count() as u64
    };
    let turns = (plan.checks / LANES as u64).max(1);
    let mut rows = Vec::new();
    for (at, name) in STAGES.into_iter().enumerate().filter(|(_, name)| wanted(name)) {
        let (texts, on) = (&sets[at % 2], at % 2 == 0);
        let look_up: &dyn Fn(&[String]) -> u64 = if at < 2 { &ours } else { &theirs };
        let ns = [1, LANES].map(|batch| {
            let mut next = texts.chunks(LANES).cycle();
            let mut found = 0;
            let mut work = || {
                let texts = next.next().unwrap_or_default();
                found += texts.chunks(batch).map(|texts| black_box(look_up(texts))).sum::<u64>();
            };
            work();
            let rounds = (0..plan.rounds).map(|_| time(turns, &mut work)).collect::<Vec<_>>();
            let looked_up = (1 + turns * plan.rounds as u64) * LANES as u64;
            assert_eq!(found, if on { looked_up } else { 0 }, "{name}");
            rounds
        });
        rows.push(Row::new(name.to_owned(), ns));
    }
    rows
}

/// Memory that the process takes at present; 0 where the system does not say.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}
