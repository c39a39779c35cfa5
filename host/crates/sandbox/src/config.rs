//! How a sandbox is set up, and why one cannot be.

use std::path::PathBuf;
use std::time::Duration;

use hardstop_domain::Limits;
use hardstop_domain::quantity::format_size;

use crate::cache::CacheError;
use crate::compile::CompileConfig;
use crate::http::HttpConfig;
use crate::secret::SecretConfig;
use crate::structure::StructureLimits;

/// How many engines a sandbox keeps at the most: one per [`Profile`](crate::Profile).
///
/// Each reserves address space for all its slots, and a type's stack limit picks the engine, so the
/// number of different stack limits on one host is bounded by it. A sandbox of more than 2,600 slots keeps fewer.
pub const PROFILES_MAX: usize = 8;

/// The most attempts that may run at once. By default Linux has no mappings for many more.
pub const INSTANCES_MAX: u32 = 10_000;

/// The most linear memories that all engines together may have slots for.
///
/// Every slot reserves 4 GiB of address space and a guard, so that the guest's accesses need no
/// bounds check: 82 TiB of the 128 TiB that a 64-bit process has.
const MEMORIES_MAX: u32 = 2_600 * PROFILES_MAX as u32;

/// How many mappings a live guest takes, roughly: its memories, tables and stack, and their guards.
const MAPS_PER_INSTANCE: u64 = 6;

/// How a sandbox is set up.
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// Threads that guests run on. They run nothing else.
    pub guest_threads: usize,
    /// How many attempts may run at once. Sizes the pools; what comes on top waits.
    pub instances_max: u32,
    /// The operator's ceilings. `memory_bytes_max` sizes the slots of the memory pool.
    pub ceiling: Limits,
    /// The largest component that [`Sandbox::prepare`](crate::Sandbox::prepare) looks at, in bytes.
    pub component_bytes_max: u64,
    /// What a component may be made of.
    pub structure: StructureLimits,
    /// Where and under which limits components are compiled.
    pub compile: CompileConfig,
    /// The folder on whose file system scratch files are kept.
    pub scratch_dir: PathBuf,
    /// Whether the native stack of a guest is cleared when it has ended. Guests cannot read native stacks.
    pub clear_stacks: bool,
    /// How long a guest runs before its limits are looked at again and others may have the thread.
    pub tick: Duration,
    /// Where guests may send requests.
    pub http: HttpConfig,
    /// The secrets that they may use.
    pub secrets: SecretConfig,
}

impl Default for SandboxConfig {
    /// One thread per core, 64 attempts at once, components of up to 32 MiB, 1 ms, no HTTP and no secrets.
    fn default() -> Self {
        Self {
            guest_threads: std::thread::available_parallelism().map_or(1, usize::from),
            instances_max: 64,
            ceiling: Limits::default_ceiling(),
            component_bytes_max: 32 << 20,
            structure: StructureLimits::default(),
            compile: CompileConfig::default(),
            scratch_dir: std::env::temp_dir(),
            clear_stacks: true,
            tick: Duration::from_millis(1),
            http: HttpConfig::default(),
            secrets: SecretConfig::default(),
        }
    }
}

impl SandboxConfig {
    pub(crate) fn check(&self) -> Result<(), SandboxError> {
        let bad =
            |name, value: String, range: String| Err(SandboxError::Config { name, value, range });
        if !(1..=1024).contains(&self.guest_threads) {
            return bad(
                "guest_threads",
                self.guest_threads.to_string(),
                "1 to 1024".into(),
            );
        }
        if !(1..=INSTANCES_MAX).contains(&self.instances_max) {
            return bad(
                "instances_max",
                self.instances_max.to_string(),
                format!("1 to {INSTANCES_MAX}"),
            );
        }
        let memory = self.ceiling.memory_bytes_max;
        if !(64 << 10..=4 << 30).contains(&memory) {
            return bad("memory", format_size(memory), "64KiB to 4GiB".into());
        }
        self.compile.check()?;
        if !self.scratch_dir.is_dir() {
            return Err(SandboxError::ScratchDir(self.scratch_dir.clone()));
        }
        if self.tick < Duration::from_micros(100) || self.tick > Duration::from_millis(100) {
            return bad("tick", format!("{:?}", self.tick), "100us to 100ms".into());
        }
        Ok(())
    }

    /// How many linear memories one component may have, so that [`PROFILES_MAX`] engines fit where that is possible at all.
    pub(crate) fn memories_per_component(&self) -> u32 {
        (MEMORIES_MAX / PROFILES_MAX as u32 / self.instances_max).clamp(1, 4)
    }

    /// How many engines fit.
    pub(crate) fn profiles_max(&self) -> usize {
        let memories = self.instances_max * self.memories_per_component();
        ((MEMORIES_MAX / memories) as usize).clamp(1, PROFILES_MAX)
    }

    /// Whether a process of so many mappings can hold as many guests as there are slots.
    pub(crate) fn check_maps(&self, maps_max: u64) -> Result<(), SandboxError> {
        let maps_needed = (u64::from(self.instances_max) + 1) * MAPS_PER_INSTANCE;
        match maps_needed <= maps_max {
            true => Ok(()),
            false => Err(SandboxError::Maps {
                instances_max: self.instances_max,
                maps_max,
                maps_needed,
            }),
        }
    }
}

/// Why a sandbox cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// A setting is out of its range.
    #[error("sandbox setting `{name}` = {value} is not from {range}")]
    Config {
        /// Which setting.
        name: &'static str,
        /// As given.
        value: String,
        /// What it may be.
        range: String,
    },
    /// Nowhere to keep scratch files.
    #[error(
        "`scratch_dir` = {} is not a folder; make it, or name another under [worker] in hardstop.toml",
        .0.display()
    )]
    ScratchDir(PathBuf),
    /// The operating system gave no thread.
    #[error("cannot start the thread `{name}`: {source}; raise the limit on threads (`ulimit -u`)")]
    Thread {
        /// Which thread.
        name: &'static str,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A file with certificates cannot be used.
    #[error(
        "cannot use the certificates of `extra_roots` in {}: {reason}; name files in PEM form",
        .path.display()
    )]
    Roots {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// wasmtime could not set up an engine.
    #[error(
        "cannot set up an engine for {instances_max} attempts at once: {reason}; lower \
         `instances_max`, or raise the limit on address space (`ulimit -v`)"
    )]
    Engine {
        /// How many slots were asked for.
        instances_max: u32,
        /// What wasmtime said.
        reason: String,
    },
    /// The operating system would refuse some of the guests.
    #[error(
        "`vm.max_map_count` = {maps_max} is too low for {instances_max} attempts at once, which take about {maps_needed} \
         mappings; raise it (`sysctl -w vm.max_map_count={maps_needed}`), or lower `concurrency`"
    )]
    Maps {
        /// How many slots were asked for.
        instances_max: u32,
        /// How many mappings a process may have.
        maps_max: u64,
        /// How many it would take.
        maps_needed: u64,
    },
    /// The folder for compiled code cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// One engine more than a sandbox keeps.
    #[error(
        "limit `stack` = {} would need one engine more than the {max} that a host keeps for {instances_max} attempts at once; \
         use one of the stack limits in use: {in_use}",
        format_size(*.stack_bytes_max)
    )]
    Profiles {
        /// The stack limit that was asked for.
        stack_bytes_max: u64,
        /// How many a host keeps.
        max: usize,
        /// Of so many slots.
        instances_max: u32,
        /// The profiles in use, for people.
        in_use: String,
    },
    /// A stack that no engine can have.
    #[error("limit `stack` = {} is not from 64KiB to 16MiB", format_size(*.stack_bytes_max))]
    Stack {
        /// The stack limit that was asked for.
        stack_bytes_max: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(instances_max: u32) -> SandboxConfig {
        SandboxConfig {
            instances_max,
            ..SandboxConfig::default()
        }
    }

    #[test]
    fn all_engines_share_the_address_space() {
        for (instances_max, memories, engines) in [
            (1, 4, 8),
            (64, 4, 8),
            (1_300, 2, 8),
            (2_600, 1, 8),
            (5_000, 1, 4),
            (INSTANCES_MAX, 1, 2),
        ] {
            let config = slots(instances_max);
            let fit = (config.memories_per_component(), config.profiles_max());
            assert_eq!(fit, (memories, engines), "{instances_max} slots");
            assert!(instances_max * memories * engines as u32 <= MEMORIES_MAX);
        }
    }

    #[test]
    fn too_few_mappings_are_told_of() {
        // What Linux has where nobody changed it.
        let usual = 65_530;
        for instances_max in [64, 1_000, INSTANCES_MAX] {
            assert!(slots(instances_max).check_maps(usual).is_ok());
        }
        let text = slots(INSTANCES_MAX)
            .check_maps(30_000)
            .expect_err("too few")
            .to_string();
        for part in [
            "vm.max_map_count` = 30000",
            "10000 attempts",
            "sysctl -w vm.max_map_count=60006",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }
}
