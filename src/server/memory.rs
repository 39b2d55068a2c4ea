//! How much memory there is for tables: what the system says it can give, and what the control groups that the process runs
//! in leave it, whichever is least. Tables are touched at start, so asking for more than that ends the process, not the start.

use std::fs;
use std::path::Path;

/// Bytes that can still be taken; `u64::MAX` where the system does not tell.
pub fn free_bytes() -> u64 {
    free_bytes_under(Path::new("/"))
}

fn free_bytes_under(root: &Path) -> u64 {
    let system = fs::read_to_string(root.join("proc/meminfo")).ok().and_then(|text| available(&text));
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let groups = groups.lines().filter_map(|line| {
        let [number, controllers, path] = line.splitn(3, ':').collect::<Vec<_>>().try_into().ok()?;
        let unified = number == "0" && controllers.is_empty();
        let kind = if unified {
            &UNIFIED
        } else {
            Some(&MEMORY).filter(|_| controllers.split(',').any(|name| name == "memory"))?
        };
        least(root, kind, path)
    });
    groups.chain(system).min().unwrap_or(u64::MAX)
}

/// The files of one kind of control groups.
struct Kind {
    mount: &'static str,
    limit: &'static str,
    used: &'static str,
    /// Of what is used, the name of what the system takes back before it refuses anything.
    file_cache: &'static str,
}

const UNIFIED: Kind =
    Kind { mount: "sys/fs/cgroup", limit: "memory.max", used: "memory.current", file_cache: "inactive_file" };
const MEMORY: Kind = Kind {
    mount: "sys/fs/cgroup/memory",
    limit: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    file_cache: "total_inactive_file",
};

/// What a group and those above it leave. In a container the path may be that of the host, where only the mount itself is
/// there to be seen: the container's own group.
fn least(root: &Path, kind: &Kind, path: &str) -> Option<u64> {
    let mount = root.join(kind.mount);
    let own = mount.join(path.trim_start_matches('/'));
    own.ancestors()
        .take_while(|folder| folder.starts_with(&mount))
        .filter_map(|folder| left(folder, kind))
        .min()
}

/// What one group leaves; `None` if it has no limit.
fn left(folder: &Path, kind: &Kind) -> Option<u64> {
    let read = |file: &str| fs::read_to_string(folder.join(file)).ok();
    // Not a number, "max", is no limit.
    let limit: u64 = read(kind.limit)?.trim().parse().ok()?;
    let used: u64 = read(kind.used)?.trim().parse().ok()?;
    let stat = read("memory.stat").unwrap_or_default();
    let cache = stat.lines().find_map(|line| line.strip_prefix(kind.file_cache)?.trim().parse().ok());
    Some(limit.saturating_sub(used.saturating_sub(cache.unwrap_or(0))))
}

/// `MemAvailable` of a `/proc/meminfo`.
fn available(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GB: u64 = 1 << 30;

    fn with(files: &[(&str, &str)]) -> u64 {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        free_bytes_under(root.path())
    }

    const EIGHT: (&str, &str) = ("proc/meminfo", "MemTotal: 16777216 kB\nMemAvailable:    8388608 kB\n");

    #[test]
    fn without_a_group_it_is_what_the_system_can_give() {
        assert_eq!(with(&[]), u64::MAX);
        assert_eq!(with(&[EIGHT]), 8 * GB);
        assert_eq!(with(&[EIGHT, ("proc/self/cgroup", "0::/\nnonsense\n")]), 8 * GB);
    }

    #[test]
    fn the_tightest_group_above_the_process_counts() {
        let group = ("proc/self/cgroup", "0::/system.slice/riskd.service\n");
        let files = |limit: &'static str| {
            [
                EIGHT,
                group,
                ("sys/fs/cgroup/system.slice/memory.max", "4294967296\n"),
                ("sys/fs/cgroup/system.slice/memory.current", "3221225472\n"),
                ("sys/fs/cgroup/system.slice/memory.stat", "anon 1\ninactive_file 1073741824\n"),
                ("sys/fs/cgroup/system.slice/riskd.service/memory.max", limit),
                ("sys/fs/cgroup/system.slice/riskd.service/memory.current", "1048576\n"),
            ]
        };
        assert_eq!(with(&files("max\n")), 2 * GB, "4 less 3, of which 1 is given back");
        assert_eq!(with(&files("1073741824\n")), GB - (1 << 20));
        assert_eq!(with(&files("1\n")), 0);
    }

    #[test]
    fn groups_of_the_first_version_count_by_their_memory_controller() {
        let files = [
            EIGHT,
            ("proc/self/cgroup", "5:cpu:/x\n4:memory:/docker/abc\n0::/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "2147483648\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "1073741824\n"),
        ];
        assert_eq!(with(&files), GB, "the path is the host's: the mount is the container's own group");
    }

    #[test]
    fn this_system_tells() {
        if cfg!(target_os = "linux") {
            assert!((1 << 20..u64::MAX).contains(&free_bytes()));
        }
    }
}
