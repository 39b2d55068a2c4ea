//! Lists that others keep of the real world, as they come, through the daemon's own. They stand beside the project and not in
//! it (`../shared/data`, or wherever `RISKD_SHARED_DATA` says), so that a test whose file is missing counts as ignored, never
//! as passed: the built-in harness cannot say that, hence this one.

use std::path::{Path, PathBuf};

use engine::key::Seed;
use engine::lists::Lists;
use engine::policy::Matching;
use libtest_mimic::{Arguments, Failed, Trial};
use server::lists::{Adding, Bulk, Format, KnownList, ListStore, Standing};

const NOW_MS: i64 = 1_767_607_200_000;

fn data() -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    std::env::var_os("RISKD_SHARED_DATA").map_or_else(beside, PathBuf::from).join("lists")
}

/// Takes a list of a key a line in, opens it again, and asks for every key and for one of none of them.
fn comes_back_whole(file: &str, matching: Matching, stranger: &str) -> Result<(), Failed> {
    let text = std::fs::read_to_string(data().join(file))?;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let keys: Vec<&str> = lines.filter_map(|line| line.split_whitespace().next()).collect();
    let body =
        format!("key,source\n{}", keys.iter().map(|key| format!("{key},{file}\n")).collect::<String>());
    let folder = tempfile::tempdir()?;
    let open = || -> Result<(ListStore, Lists, KnownList), Failed> {
        let (store, lists) = (ListStore::open(folder.path())?, Lists::new(1 << 20, Seed::new([1; 16])));
        let form = match matching {
            Matching::Network => wire::Form::Address,
            _ => wire::Form::Memo,
        };
        let list = KnownList::new(&lists, "real", matching, form).ok_or("no memory")?;
        store.load(&lists, &list, NOW_MS)?;
        Ok((store, lists, list))
    };
    {
        let (store, lists, list) = open()?;
        let adding = Adding { by: "test".to_owned(), at_ms: NOW_MS, zone: Default::default() };
        let entries_max = lists.capacity();
        let bulk = Bulk { body: body.as_bytes(), format: Format::Csv, adding, entries_max, force: false };
        let taken = store.put_all(&lists, &list, &bulk, Standing::Go)?;
        if taken != keys.len() as u64 || taken < 1_000 {
            return Err(format!("{taken} of {} keys taken", keys.len()).into());
        }
    }
    let (store, lists, list) = open()?;
    let holds = |key: &str| -> Result<bool, Failed> {
        Ok(lists.holds(&list.handle, &[lists.key(&list.handle, key)?], NOW_MS) == 1)
    };
    for key in &keys {
        if !holds(key)? || store.get("real", &list.canonical(key))?.is_none_or(|entry| entry.source != file) {
            return Err(format!("{key} is lost").into());
        }
    }
    if holds(stranger)? {
        return Err(format!("{stranger} is on the list").into());
    }
    if lists.len() > 10_000 && lists.bytes() > lists.len() * 40 {
        return Err(format!("{} bytes for {} entries", lists.bytes(), lists.len()).into());
    }
    Ok(())
}

fn main() {
    let arguments = Arguments::from_args();
    let trial = |file: &'static str, matching: Matching, stranger: &'static str| {
        let missing = !data().join(file).is_file();
        if missing {
            eprintln!("{file}: ignored, it is not in {}", data().display());
        }
        let run = move || comes_back_whole(file, matching, stranger);
        Trial::test(file.replace('.', "_"), run).with_ignored_flag(missing)
    };
    let trials = vec![
        trial("ipsum.txt", Matching::Network, "192.0.2.1"),
        trial("tor_exit_nodes.txt", Matching::Network, "192.0.2.1"),
        trial("disposable_email_domains.txt", Matching::Exact, "example.com"),
    ];
    libtest_mimic::run(&arguments, trials).exit();
}
