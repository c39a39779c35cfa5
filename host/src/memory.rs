//! How much memory guests may be granted at once, and how much one counts for.
//!
//! A guest may use all that its limit grants at any moment. So a worker runs no more guests at once than it could keep
//! if every one did: the sum of what they count for stays within a budget, and the host is never the one that dies.

use std::path::{Path, PathBuf};

use hardstop_domain::Limits;
use hardstop_domain::quantity::format_size;

/// What a running guest costs the host beside its own memory: stacks, log, input and output on their way, and the
/// bookkeeping of its instance.
pub const OVERHEAD_BYTES: u64 = 2 << 20;
/// What is left to the host at the least, where the budget is not configured.
const RESERVE_BYTES_MIN: u64 = 128 << 20;
/// The smallest budget.
pub const BUDGET_BYTES_MIN: u64 = 4 << 20;

/// What memory is counted in: a page of WebAssembly.
pub const UNIT_BYTES: u64 = 64 << 10;

/// What a guest of these limits counts for, in units.
pub fn need(limits: &Limits) -> u32 {
    let bytes = limits.memory_bytes_max.saturating_add(OVERHEAD_BYTES);
    u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX)
}

/// How much memory guests may be granted at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// In bytes.
    pub bytes: u64,
    /// Where the figure comes from, for people.
    pub source: String,
}

impl Budget {
    /// As it is configured; or three quarters of what this machine has to give now, which is what no other program uses or what
    /// its control groups allow, whichever is least.
    pub fn new(configured: Option<u64>) -> Self {
        match configured {
            Some(bytes) => Self {
                bytes,
                source: "worker.memory_budget".to_owned(),
            },
            None => Self::of_machine(Path::new("/")),
        }
    }

    fn of_machine(root: &Path) -> Self {
        let found = available(root)
            .into_iter()
            .chain(group_limits(root))
            .min_by_key(|(bytes, _)| *bytes);
        match found {
            Some((bytes, source)) => {
                let reserve = (bytes / 4).max(RESERVE_BYTES_MIN);
                Self {
                    bytes: bytes.saturating_sub(reserve).max(BUDGET_BYTES_MIN),
                    source: format!("{source} = {}, less a reserve", format_size(bytes)),
                }
            }
            // Nothing tells: room for any guest, but not for many.
            None => Self {
                bytes: 1 << 30,
                source: "nothing on this machine tells".to_owned(),
            },
        }
    }

    /// How many whole units there are.
    pub fn units(&self) -> u32 {
        u32::try_from(self.bytes / UNIT_BYTES).unwrap_or(u32::MAX)
    }

    /// Why a guest of these limits never fits; none if it does.
    pub fn refusal(&self, limits: &Limits) -> Option<String> {
        (need(limits) > self.units()).then(|| {
            format!(
                "limit `memory` = {} and {} for the host's own part are over the memory budget of {} ({})",
                format_size(limits.memory_bytes_max),
                format_size(OVERHEAD_BYTES),
                format_size(self.bytes),
                self.source
            )
        })
    }
}

/// What could be had without swapping; on old kernels, all there is.
fn available(root: &Path) -> Option<(u64, String)> {
    let text = std::fs::read_to_string(root.join("proc/meminfo")).ok()?;
    ["MemAvailable", "MemTotal"].into_iter().find_map(|name| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some((kib.checked_mul(1024)?, name.to_owned()))
    })
}

/// The limits of the control groups that this process is in, and of those around them; both versions.
fn group_limits(root: &Path) -> Vec<(u64, String)> {
    let text = std::fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let mut found = Vec::new();
    for line in text.lines() {
        // "0::/path", or with version 1 "4:memory:/path".
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
            continue;
        };
        let (mount, name) = match controllers {
            "" => ("sys/fs/cgroup", "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let mount = root.join(mount);
        let folder: PathBuf = mount.join(path.trim_start_matches('/'));
        for folder in folder
            .ancestors()
            .take_while(|folder| folder.starts_with(&mount))
        {
            // "max" is no number.
            let limit = std::fs::read_to_string(folder.join(name));
            if let Some(bytes) = limit.ok().and_then(|text| text.trim().parse().ok()) {
                found.push((bytes, folder.join(name).display().to_string()));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine's files, as far as they matter here.
    fn machine(files: &[(&str, &str)]) -> Budget {
        let root = tempfile::tempdir().expect("a folder");
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().expect("has one")).expect("free");
            std::fs::write(path, text).expect("free");
        }
        Budget::of_machine(root.path())
    }

    const MEMINFO: (&str, &str) = (
        "proc/meminfo",
        "MemTotal:       16777216 kB\nMemFree:          100000 kB\nMemAvailable:    8388608 kB\n",
    );

    #[test]
    fn what_is_available_less_a_quarter() {
        let budget = machine(&[MEMINFO]);
        assert_eq!(budget.bytes, 6 << 30, "{}", budget.source);
        assert!(
            budget.source.contains("MemAvailable = 8GiB"),
            "{}",
            budget.source
        );
        let old = machine(&[("proc/meminfo", "MemTotal:  4194304 kB\n")]);
        assert_eq!(old.bytes, 3 << 30, "{}", old.source);
        assert_eq!(machine(&[]).bytes, 1 << 30);
    }

    #[test]
    fn the_least_of_all_groups_around() {
        for (files, expected) in [
            (
                vec![
                    ("proc/self/cgroup", "0::/a/b\n"),
                    ("sys/fs/cgroup/a/b/memory.max", "max\n"),
                    ("sys/fs/cgroup/a/memory.max", "1073741824\n"),
                    ("sys/fs/cgroup/a/c/memory.max", "1\n"),
                ],
                768 << 20,
            ),
            (
                vec![
                    ("proc/self/cgroup", "4:memory:/a\n1:cpu:/\n0::/\n"),
                    (
                        "sys/fs/cgroup/memory/a/memory.limit_in_bytes",
                        "268435456\n",
                    ),
                    (
                        "sys/fs/cgroup/memory/memory.limit_in_bytes",
                        "9223372036854771712\n",
                    ),
                ],
                128 << 20,
            ),
            (
                vec![
                    ("proc/self/cgroup", "0::/../a\n"),
                    ("sys/fs/cgroup/memory.max", "67108864\n"),
                ],
                4 << 20,
            ),
        ] {
            let budget = machine(&[files.clone(), vec![MEMINFO]].concat());
            assert_eq!(budget.bytes, expected, "{files:?}: {}", budget.source);
        }
    }

    #[test]
    fn a_guest_that_never_fits() {
        let budget = Budget::new(Some(16 << 20));
        let limits = |bytes| Limits {
            memory_bytes_max: bytes,
            ..Limits::default()
        };
        assert_eq!(budget.refusal(&limits(14 << 20)), None);
        let text = budget.refusal(&limits(15 << 20)).expect("too large");
        for part in ["`memory` = 15MiB", "2MiB", "16MiB", "worker.memory_budget"] {
            assert!(text.contains(part), "{text}");
        }
    }
}
