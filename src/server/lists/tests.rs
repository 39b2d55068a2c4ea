//! The three places of a list against each other, and against what crashes and disks do to the files.

use std::fs;

use engine::key::Seed;
use engine::program::Zone;

use wire::Form;

use super::*;

const NOW_MS: i64 = 1_767_607_200_000;

/// A daemon's lists without the daemon, in a folder that outlives them.
struct Site {
    store: ListStore,
    lists: Lists,
    list: KnownList,
    load: Load,
}

fn open_with(folder: &Path, seed: u8, name: &str, matching: Matching, capacity: usize) -> Site {
    let (store, lists) = (ListStore::open(folder).unwrap(), Lists::new(capacity, Seed::new([seed; 16])));
    let form = match matching {
        Matching::Network => Form::Address,
        _ => Form::Identifier,
    };
    let list = KnownList::new(&lists, name, matching, form).unwrap();
    let load = store.load(&lists, &list, NOW_MS).unwrap();
    Site { store, lists, list, load }
}

fn open(folder: &Path) -> Site {
    open_with(folder, 1, "x", Matching::Exact, 1 << 20)
}

fn adding() -> Adding {
    Adding { by: "ann".to_owned(), at_ms: NOW_MS, zone: Zone::default() }
}

fn entry(key: &str, expires_ms: Option<i64>) -> Entry {
    let Adding { by, at_ms, .. } = adding();
    let fields =
        EntryFields { reason: "test".into(), source: "unit".into(), by, expires_ms, added_ms: at_ms };
    Entry { key: key.to_owned(), fields }
}

impl Site {
    fn put(&self, key: &str, expires_ms: Option<i64>) {
        self.store.put(&self.lists, &self.list, &entry(key, expires_ms), NOW_MS, false).unwrap();
    }

    fn bulk(&self, body: &str, standing: Standing) -> Result<u64, ChangeError> {
        let bulk = Bulk {
            body: body.as_bytes(),
            format: Format::Csv,
            adding: adding(),
            entries_max: self.lists.capacity(),
            // What is doubtful has tests of its own, through the daemon.
            force: true,
        };
        self.store.put_all(&self.lists, &self.list, &bulk, standing)
    }

    fn remove(&self, key: &str) -> bool {
        self.store.remove(&self.lists, &self.list, key).unwrap()
    }

    fn holds(&self, key: &str) -> bool {
        self.holds_at(key, NOW_MS)
    }

    fn holds_at(&self, key: &str, at_ms: i64) -> bool {
        let key = self.lists.key(&self.list.handle, key).unwrap();
        self.lists.holds(&self.list.handle, &[key], at_ms) == 1
    }

    fn image(&self) -> PathBuf {
        self.store.image(&self.list)
    }
}

/// Keys `from..to` as a body.
fn csv(from: u64, to: u64) -> String {
    (from..to).fold("key\n".to_owned(), |mut body, n| {
        body.push_str(&format!("k{n}\n"));
        body
    })
}

/// A list past the size from which images are made.
const MANY: u64 = CHANGES_MAX + 100;

#[test]
fn entries_are_there_after_a_restart_with_all_that_is_known_of_them() {
    let folder = tempfile::tempdir().unwrap();
    {
        let site = open_with(folder.path(), 1, "ips", Matching::Network, 100);
        for (key, expires_ms) in [("10.0.0.0/8", None), ("192.0.2.1", Some(NOW_MS + 5))] {
            site.put(key, expires_ms);
        }
        assert!(site.remove("192.0.2.1") && !site.remove("192.0.2.1"));
    }
    let site = open_with(folder.path(), 1, "ips", Matching::Network, 100);
    assert_eq!(site.load, Load { entries: 1, from_image: false, unfit: 0 });
    let fields = site.store.get("ips", "10.0.0.0/8").unwrap().unwrap();
    assert_eq!(fields, entry("10.0.0.0/8", None).fields);
    assert_eq!(site.store.page("ips", "", 10).unwrap().len(), 1);
    assert_eq!(site.store.page("ips", "10.0.0.0/8", 10).unwrap().len(), 0);
    assert_eq!(site.store.page("ip", "", 10).unwrap().len(), 0);
}

#[test]
fn one_bad_line_refuses_the_whole_and_leaves_nothing_in_force_or_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let site = open_with(folder.path(), 1, "ips", Matching::Network, 3);
    site.put("10.0.0.1", Some(NOW_MS + 7));
    for standing in [Standing::Stay, Standing::Go] {
        let refused = site.bulk("key\n10.0.0.1\n10.0.0.2\nnowhere\n1.2.3.4/99\n", standing).unwrap_err();
        let ChangeError::Lines(faults) = &refused else { panic!("{refused}") };
        assert_eq!(faults.iter().map(|fault| fault.line).collect::<Vec<_>>(), [4, 5]);
        let refused = site.bulk("key\n1.1.1.1\n1.1.1.2\n1.1.1.3\n1.1.1.4\n", standing).unwrap_err();
        assert!(matches!(&refused, ChangeError::Lines(faults) if faults[0].line == 5), "{refused}");
        assert_eq!((site.lists.len(), site.store.len("ips")), (1, 1));
        let expires_ms = site.store.get("ips", "10.0.0.1").unwrap().unwrap().expires_ms;
        assert_eq!(expires_ms, Some(NOW_MS + 7));
    }
    let full = site.bulk("key\n1.1.1.1\n1.1.1.2\n1.1.1.3\n", Standing::Stay).unwrap_err();
    assert!(matches!(full, ChangeError::Refused(ListError::Full { capacity: 3 })), "{full}");
    assert_eq!(site.store.len("ips"), 1);
    site.bulk("key\n1.1.1.1\n1.1.1.2\n1.1.1.3\n", Standing::Go).unwrap();
    assert_eq!((site.lists.len(), site.store.len("ips")), (3, 3));
}

#[test]
fn of_two_lines_with_one_key_the_later_counts_wherever_it_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let body = "key,reason,expires\na,first,\na,second,2026-01-06\nb,first,2026-01-06\nb,second,\n";
    for standing in [Standing::Stay, Standing::Go] {
        let site = open(folder.path());
        assert_eq!(site.bulk(body, standing).unwrap(), 4);
        let after_ms = NOW_MS + 2 * 86_400_000;
        assert!(!site.holds_at("a", after_ms) && site.holds_at("b", after_ms));
        assert_eq!(site.store.get("x", "a").unwrap().unwrap().reason, "second");
        assert_eq!(site.store.len("x"), 2);
    }
}

#[test]
fn a_large_list_comes_back_from_its_image_and_the_changes_since() {
    let folder = tempfile::tempdir().unwrap();
    {
        let site = open(folder.path());
        site.bulk(&csv(0, MANY), Standing::Go).unwrap();
        site.put("one more", None);
        site.put("k7", Some(NOW_MS + 60_000));
        site.put("k8", Some(5));
        assert!(site.remove("k9"));
        // Changed twice: the state counts, not the order.
        assert!(site.remove("k10"));
        site.put("k10", None);
    }
    let site = open(folder.path());
    assert_eq!(site.load, Load { entries: MANY - 1, from_image: true, unfit: 0 });
    for (key, on) in
        [("one more", true), ("k7", true), ("k8", false), ("k9", false), ("k10", true), ("k11", true)]
    {
        assert_eq!(site.holds(key), on, "{key}");
    }
    assert!(!site.holds_at("k7", NOW_MS + 60_000));
    assert!((0..MANY).all(|n| site.holds(&format!("k{n}")) != [8, 9].contains(&n)));
}

#[test]
fn a_replaced_list_is_the_new_one_alone_after_a_restart_and_its_old_image_is_never_believed() {
    let folder = tempfile::tempdir().unwrap();
    let old = {
        let site = open(folder.path());
        site.bulk(&csv(0, MANY), Standing::Go).unwrap();
        let old = fs::read(site.image()).unwrap();
        site.bulk(&csv(MANY, 2 * MANY), Standing::Go).unwrap();
        assert!(!site.holds("k0") && site.holds(&format!("k{MANY}")));
        old
    };
    let site = open(folder.path());
    assert!(site.load.from_image && !site.holds("k0") && site.holds(&format!("k{MANY}")));
    let image = site.image();
    drop(site);
    // A crash between the commit and the new image.
    fs::write(&image, old).unwrap();
    let site = open(folder.path());
    assert_eq!(site.load, Load { entries: MANY, from_image: false, unfit: 0 });
    assert!(!site.holds("k0") && site.holds(&format!("k{MANY}")));
    // Reading it the long way has mended it.
    drop(site);
    let site = open(folder.path());
    assert!(site.load.from_image && site.holds(&format!("k{MANY}")));
    // A list that has become small leaves no image behind that would be complained of at every start.
    site.bulk("key\nonly\n", Standing::Go).unwrap();
    assert!(!site.image().exists() && site.holds("only") && site.lists.len() == 1);
}

#[test]
fn an_image_that_lacks_a_bulk_change_is_stale() {
    let folder = tempfile::tempdir().unwrap();
    let old = {
        let site = open(folder.path());
        site.bulk(&csv(0, MANY), Standing::Go).unwrap();
        let old = fs::read(site.image()).unwrap();
        site.bulk(&csv(MANY, 2 * MANY), Standing::Stay).unwrap();
        fs::write(site.image(), &old).unwrap();
        old
    };
    let site = open(folder.path());
    assert_eq!(site.load, Load { entries: 2 * MANY, from_image: false, unfit: 0 });
    // Nor is one believed from before changes that were forgotten since.
    let image = site.image();
    drop(site);
    fs::write(&image, old).unwrap();
    assert!(!open(folder.path()).load.from_image);
}

#[test]
fn an_image_torn_cut_or_altered_anywhere_is_found_out_and_the_list_is_whole_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (path, whole) = {
        let site = open(folder.path());
        site.bulk(&csv(0, MANY), Standing::Go).unwrap();
        (site.image(), fs::read(site.image()).unwrap())
    };
    let refused = |image: &[u8]| {
        let site = open_with(&folder.path().join("aside"), 1, "x", Matching::Exact, 1 << 20);
        let read = read_image(image, image.len() as u64, &site.lists, &site.list, |_| true, 0);
        read.err()
    };
    fs::create_dir(folder.path().join("aside")).unwrap();
    assert!(refused(&whole).is_none());
    // Every bit of the head and of the checksum, and one in every stretch between.
    let places = (0..70).chain((70..whole.len() - 40).step_by(4_001)).chain(whole.len() - 40..whole.len());
    for at in places {
        let mut altered = whole.clone();
        altered[at] ^= 1 << (at % 8);
        assert!(refused(&altered).is_some(), "a bit of byte {at}");
    }
    for length in (0..100).chain((100..whole.len()).step_by(9_973)).chain(whole.len() - 100..whole.len()) {
        assert!(refused(&whole[..length]).is_some(), "cut to {length}");
    }
    let longer = [&whole[..], &[0; 24]].concat();
    assert!(refused(&longer).is_some());
    // As a disk leaves it that lost a page.
    let mut torn = whole.clone();
    torn[8192..12_288].fill(0);
    for image in [&torn[..], &whole[..whole.len() / 2], b"", &longer] {
        fs::write(&path, image).unwrap();
        let site = open(folder.path());
        assert_eq!(site.load, Load { entries: MANY, from_image: false, unfit: 0 });
        assert!((0..MANY).all(|n| site.holds(&format!("k{n}"))));
        drop(site);
        assert!(open(folder.path()).load.from_image, "it was made again");
    }
}

#[test]
fn an_image_that_claims_ten_gigabytes_takes_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    let site = open(folder.path());
    let head = |entries: u64| {
        let mut head = b"riskdli1".to_vec();
        head.extend([0; 16]);
        head.extend(entries.to_le_bytes());
        head.extend([0; 25]);
        head.extend([1, 0, 0, 0, 0, 0, 0, b'x']);
        head[56] = image::hashing_code(&site.list);
        head
    };
    let read = |image: &[u8], bytes| read_image(image, bytes, &site.lists, &site.list, |_| true, 0).err();
    for entries in [10 << 30, u64::MAX, u64::MAX / 24, 1 << 62] {
        let image = head(entries);
        assert!(matches!(read(&image, image.len() as u64), Some(ImageFault::Torn)), "{entries}");
    }
    // Even where the length of the file bears it out, the lists have no room for so many.
    let entries = (10_u64 << 30) / 24;
    let fault = read(&head(entries), 64 + 1 + entries * 24 + 32);
    assert!(matches!(fault, Some(ImageFault::Room(ListError::Full { .. }))), "{fault:?}");
}

#[test]
fn an_image_of_another_seed_list_or_matching_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let image = {
        let site = open(folder.path());
        site.bulk(&csv(0, MANY), Standing::Go).unwrap();
        fs::read(site.image()).unwrap()
    };
    let other_seed = open_with(folder.path(), 2, "x", Matching::Exact, 1 << 20);
    assert_eq!(other_seed.load, Load { entries: MANY, from_image: false, unfit: 0 });
    assert!(other_seed.holds("k1"));
    drop(other_seed);
    fs::write(folder.path().join("lists/y.image"), &image).unwrap();
    assert_eq!(open_with(folder.path(), 1, "y", Matching::Exact, 10).load, Load::default());
    fs::write(folder.path().join("lists/x.image"), &image).unwrap();
    let networks = open_with(folder.path(), 1, "x", Matching::Network, 1 << 20);
    assert_eq!(networks.load, Load { entries: 0, from_image: false, unfit: MANY });
}

#[test]
fn a_list_that_finds_no_room_is_an_error_and_not_half_a_list() {
    let folder = tempfile::tempdir().unwrap();
    {
        let site = open(folder.path());
        site.bulk(&csv(0, 50), Standing::Go).unwrap();
    }
    let (store, lists) = (ListStore::open(folder.path()).unwrap(), Lists::new(40, Seed::new([1; 16])));
    let list = KnownList::new(&lists, "x", Matching::Exact, Form::Identifier).unwrap();
    let error = store.load(&lists, &list, NOW_MS).unwrap_err();
    assert!(error.to_string().contains("tables.list_entries"), "{error}");
    assert!(lists.is_empty());
}

#[test]
fn a_list_is_up_to_date_again_when_its_way_of_matching_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let site = open(folder.path());
    site.put("10.0.0.1", None);
    let networks = KnownList::new(&site.lists, "x", Matching::Network, Form::Address).unwrap();
    assert_eq!(site.store.load(&site.lists, &networks, NOW_MS).unwrap().entries, 1);
    assert!(site.store.remove(&site.lists, &networks, "10.0.0.1").unwrap());
    site.store.put(&site.lists, &networks, &entry("10.0.0.2", None), NOW_MS, false).unwrap();
    site.store.load(&site.lists, &site.list, NOW_MS).unwrap();
    assert!(!site.holds("10.0.0.1") && site.holds("10.0.0.2"));
}

#[test]
fn entries_that_have_ended_are_swept_from_the_disk_wherever_they_are_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let site = open(folder.path());
    site.put("soon", Some(NOW_MS + 7));
    site.put("always", None);
    site.put("over", Some(5));
    let sweep = |after_ms: i64| site.store.sweep(&site.lists, &site.list, NOW_MS + after_ms).unwrap();
    assert_eq!(sweep(0), 1, "what had ended five minutes ago is of no use to any event");
    assert_eq!((sweep(6), sweep(CLOCK_BEHIND_MS_MAX + 6)), (0, 0));
    assert_eq!(sweep(CLOCK_BEHIND_MS_MAX + 7), 1);
    assert_eq!((site.lists.len(), site.store.len("x")), (1, 1));
    site.put("over", Some(5));
    drop(site);
    // Not loaded, and found all the same.
    let site = open(folder.path());
    assert_eq!((site.load.entries, site.store.len("x")), (1, 2));
    assert_eq!(site.store.sweep(&site.lists, &site.list, NOW_MS).unwrap(), 1);
    assert_eq!(site.store.len("x"), 1);
}

#[test]
fn changes_one_by_one_draw_an_image_now_and_then_and_are_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    {
        let site = open(folder.path());
        // Just under the bound in bulk, then past it one at a time.
        site.bulk(&csv(0, CHANGES_MAX - 3), Standing::Stay).unwrap();
        assert!(!site.image().exists());
        for n in 0..6 {
            site.put(&format!("more {n}"), None);
        }
        assert!(site.image().exists());
        let mut kept = 0;
        let counted = site.store.store.changed_after("x", 0, |_, _| {
            kept += 1;
            Ok::<_, ()>(())
        });
        assert_eq!((counted, kept), (Ok(()), 3));
    }
    let site = open(folder.path());
    assert_eq!(site.load, Load { entries: CHANGES_MAX + 3, from_image: true, unfit: 0 });
    assert!((0..6).all(|n| site.holds(&format!("more {n}"))));
}
