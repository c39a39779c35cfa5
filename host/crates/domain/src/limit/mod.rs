//! The ceilings of one attempt, and the one place where they are resolved.

mod patch;
#[cfg(test)]
mod tests;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::quantity::{format_duration_ms, format_size};

pub use patch::LimitsPatch;

/// In what a limit is measured, and so how it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Milliseconds, written `2s`.
    Duration,
    /// Bytes, written `64MiB`.
    Size,
    /// Things, written as a number.
    Count,
}

/// A limit's value: always there, or only where somebody asks for it.
trait Value {
    fn read(&self) -> Option<u64>;
    fn write(&mut self, value: u64);
}

impl Value for u64 {
    fn read(&self) -> Option<u64> {
        Some(*self)
    }

    fn write(&mut self, value: u64) {
        *self = value;
    }
}

impl Value for Option<u64> {
    fn read(&self) -> Option<u64> {
        *self
    }

    fn write(&mut self, value: u64) {
        *self = Some(value);
    }
}

/// The table of all limits. A row: what it bounds, in one sentence; its name; its key in manifests; its
/// field and the field's type; its unit; the default of a type that asks for nothing; the ceiling of an operator who
/// sets none; and the least that makes sense, below which no guest can start.
macro_rules! limits {
    ($(
        $(#[doc = $doc:literal])+
        $name:ident $key:ident $field:ident: $type:ty, $unit:ident {
            default: $default:expr, ceiling: $ceiling:expr, minimum: $minimum:expr
        }
    )+) => {
        /// Names a limit, as manifests, flags and messages write it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum LimitName {
            $($(#[doc = $doc])+ $name,)+
        }

        impl LimitName {
            /// Every limit, in the order in which they are shown.
            pub const ALL: [Self; [$(Self::$name),+].len()] = [$(Self::$name),+];
            /// The key of each, in the same order.
            pub(crate) const KEYS: [&str; Self::ALL.len()] = [$(stringify!($key)),+];

            /// The key in a manifest.
            pub const fn key(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($key),)+
                }
            }

            /// What it bounds, in one or two sentences.
            pub const fn description(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc),+).trim_ascii(),)+
                }
            }

            /// In what it is measured.
            pub const fn unit(self) -> Unit {
                match self {
                    $(Self::$name => Unit::$unit,)+
                }
            }

            /// The least that can be asked for: below it no guest can start.
            pub const fn minimum(self) -> u64 {
                match self {
                    $(Self::$name => $minimum,)+
                }
            }
        }

        /// The resolved ceilings of one attempt: each is in force. A specification that was stored before there
        /// was a limit reads with that limit's default.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        pub struct Limits {
            $($(#[doc = $doc])+ pub $field: $type,)+
        }

        impl Default for Limits {
            /// What a type gets that names no limits.
            fn default() -> Self {
                Self { $($field: $default,)+ }
            }
        }

        impl Limits {
            /// What the operator allows at the most, unless `hardstop.toml` says otherwise.
            pub fn default_ceiling() -> Self {
                Self { $($field: $ceiling,)+ }
            }

            /// The value of a limit, in milliseconds, units or bytes.
            pub fn get(&self, name: LimitName) -> Option<u64> {
                match name {
                    $(LimitName::$name => self.$field.read(),)+
                }
            }

            fn set(&mut self, name: LimitName, value: u64) {
                match name {
                    $(LimitName::$name => self.$field.write(value),)+
                }
            }
        }
    };
}

limits! {
    /// Wall-clock time from the beginning of instantiation to the end of teardown.
    WallTimeout wall_timeout wall_timeout_ms: u64, Duration {
        default: 30_000, ceiling: 3_600_000, minimum: 1
    }
    /// Time that the guest spends on a CPU.
    CpuTime cpu_time cpu_time_ms: u64, Duration {
        default: 10_000, ceiling: 600_000, minimum: 1
    }
    /// Instructions, as wasmtime's fuel counts them. Counted only where it is asked for.
    Fuel fuel fuel: Option<u64>, Count {
        default: None, ceiling: None, minimum: 1
    }
    /// Bytes of all linear memories and tables together.
    Memory memory memory_bytes_max: u64, Size {
        default: 64 << 20, ceiling: 128 << 20, minimum: 64 << 10
    }
    /// Linear memories, those of all the component's modules together.
    Memories memories memories_max: u64, Count {
        default: 4, ceiling: 4, minimum: 0
    }
    /// Tables, those of all the component's modules together.
    Tables tables tables_max: u64, Count {
        default: 16, ceiling: 16, minimum: 0
    }
    /// Elements of all tables together.
    TableElements table_elements table_elements_max: u64, Count {
        default: 100_000, ceiling: 1 << 20, minimum: 0
    }
    /// Instances of core modules: a component has one for each module that it is made of.
    Instances instances instances_max: u64, Count {
        default: 128, ceiling: 128, minimum: 1
    }
    /// Bytes of the WebAssembly stack. Per type only: the engine is built for it.
    Stack stack stack_bytes_max: u64, Size {
        default: 512 << 10, ceiling: 1 << 20, minimum: 64 << 10
    }
    /// Handles to resources of the host (streams, pollables, files) at one time.
    Handles handles handles_max: u64, Count {
        default: 1_024, ceiling: 65_536, minimum: 16
    }
    /// Bytes that one call from guest to host may copy. Never less than the limit on output and 1MiB.
    HostCall host_call host_call_bytes_max: u64, Size {
        default: 2 << 20, ceiling: 32 << 20, minimum: 0
    }
    /// Bytes of the input, what the blockers came to included.
    Input input input_bytes_max: u64, Size {
        default: 1 << 20, ceiling: 16 << 20, minimum: 2
    }
    /// Bytes of the output.
    Output output output_bytes_max: u64, Size {
        default: 1 << 20, ceiling: 16 << 20, minimum: 2
    }
    /// Bytes of the scratch folder, in blocks of 4KiB that were written. Of types that have the capability `scratch`.
    ScratchBytes scratch_bytes scratch_bytes_max: u64, Size {
        default: 64 << 20, ceiling: 1 << 30, minimum: 0
    }
    /// Files and folders in the scratch folder, those that are open and have no name any more included.
    ScratchFiles scratch_files scratch_files_max: u64, Count {
        default: 1_000, ceiling: 20_000, minimum: 0
    }
    /// Bytes of the log. What goes past it is dropped and counted; the attempt goes on.
    Log log log_bytes_max: u64, Size {
        default: 64 << 10, ceiling: 1 << 20, minimum: 0
    }
    /// Entries of the log. What goes past it is dropped and counted; the attempt goes on.
    LogLines log_lines log_lines_max: u64, Count {
        default: 2_000, ceiling: 10_000, minimum: 0
    }
    /// Progress reports a second that are passed on to whoever watches. Of the others only the last one counts.
    ProgressRate progress_rate progress_per_s_max: u64, Count {
        default: 10, ceiling: 100, minimum: 0
    }
    /// Chains that one attempt may start.
    Children children children_max: u64, Count {
        default: 100, ceiling: 1_000, minimum: 0
    }
    /// Generations below the root chain. At 0 a chain that somebody outside started may start none.
    Depth depth depth_max: u64, Count {
        default: 8, ceiling: 32, minimum: 0
    }
    /// Chains below the root chain, all generations together.
    Descendants descendants descendants_max: u64, Count {
        default: 10_000, ceiling: 100_000, minimum: 0
    }
    /// HTTP requests that one attempt may send.
    HttpRequests http_requests http_requests_max: u64, Count {
        default: 100, ceiling: 10_000, minimum: 0
    }
    /// HTTP requests that may be under way at once, each on a connection of its own.
    HttpConnections http_connections http_connections_max: u64, Count {
        default: 4, ceiling: 64, minimum: 0
    }
    /// Bytes that all HTTP requests of one attempt may send, headers included.
    HttpRequestBytes http_request_bytes http_request_bytes_max: u64, Size {
        default: 1 << 20, ceiling: 64 << 20, minimum: 0
    }
    /// Bytes that all HTTP responses of one attempt may have, headers included.
    HttpResponseBytes http_response_bytes http_response_bytes_max: u64, Size {
        default: 8 << 20, ceiling: 256 << 20, minimum: 0
    }
    /// Names of hosts that one attempt may have looked up.
    DnsLookups dns_lookups dns_lookups_max: u64, Count {
        default: 16, ceiling: 256, minimum: 0
    }
}

impl LimitName {
    /// The name of the flag that lowers it for one job or run, without its dashes. None where it cannot be
    /// lowered for one.
    pub fn flag(self) -> Option<String> {
        match self {
            // The type's code is compiled for it.
            Self::Stack => None,
            // Flags of these names are there for something else.
            Self::Input | Self::Output | Self::Log => Some(format!("{}-max", self.key())),
            _ => Some(self.key().replace('_', "-")),
        }
    }

    /// Writes a value of this limit for people: `2s`, `64MiB`, `1000000`.
    pub fn format(self, value: u64) -> String {
        match self.unit() {
            Unit::Duration => format_duration_ms(value),
            Unit::Size => format_size(value),
            Unit::Count => value.to_string(),
        }
    }
}

impl fmt::Display for LimitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

impl Limits {
    /// The limits of a type: these are the operator's ceilings, `asked` is the manifest's table.
    /// What the manifest leaves out is the default, or the ceiling where that is lower.
    pub fn for_type(ceiling: &Self, asked: &LimitsPatch) -> Result<Self, LimitError> {
        let mut limits = Self::default();
        for name in LimitName::ALL {
            let top = ceiling.get(name);
            let default = limits
                .get(name)
                .map(|value| top.map_or(value, |top| value.min(top)));
            let value = match asked.get(name) {
                Some(value) => {
                    check(name, value)?;
                    if let Some(top) = top
                        && value > top
                    {
                        return Err(LimitError::OverCeiling {
                            name,
                            asked: value,
                            ceiling: top,
                        });
                    }
                    Some(value)
                }
                // An operator who caps fuel means it for every type.
                None => default.or(if name == LimitName::Fuel { top } else { None }),
            };
            if let Some(value) = value {
                limits.set(name, value);
            }
        }
        Ok(limits)
    }

    /// The limits of one job: those of its type, lowered where the start asked for it, under the
    /// operator's ceiling of this host, which may have come down since the deployment.
    pub fn for_job(&self, ceiling: &Self, asked: &LimitsPatch) -> Result<Self, LimitError> {
        let mut limits = self.clone();
        for name in LimitName::ALL {
            if let Some(value) = asked.get(name) {
                check(name, value)?;
                match self.get(name) {
                    Some(top) if value > top => {
                        return Err(LimitError::OverType {
                            name,
                            asked: value,
                            limit: top,
                        });
                    }
                    Some(_) if name != LimitName::Stack => limits.set(name, value),
                    _ => return Err(LimitError::NotPerJob { name }),
                }
            }
            if let (Some(value), Some(top)) = (limits.get(name), ceiling.get(name)) {
                limits.set(name, value.min(top));
            }
        }
        Ok(limits)
    }
}

fn check(name: LimitName, value: u64) -> Result<(), LimitError> {
    let minimum = name.minimum();
    if value < minimum {
        return Err(LimitError::TooLow {
            name,
            asked: value,
            minimum,
        });
    }
    Ok(())
}

/// A limit that cannot be granted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// The manifest asks for more than the operator allows.
    #[error(
        "limit `{name}` = {} is over the operator's ceiling of {}",
        name.format(*asked),
        name.format(*ceiling)
    )]
    OverCeiling {
        /// Which limit.
        name: LimitName,
        /// What was asked for.
        asked: u64,
        /// What is allowed.
        ceiling: u64,
    },
    /// A job asks for more than its type has.
    #[error(
        "limit `{name}` = {} is over its type's limit of {}: a job may only lower it",
        name.format(*asked),
        name.format(*limit)
    )]
    OverType {
        /// Which limit.
        name: LimitName,
        /// What was asked for.
        asked: u64,
        /// What the type has.
        limit: u64,
    },
    /// Too low for any guest to run.
    #[error("limit `{name}` = {} is below the minimum of {}", name.format(*asked), name.format(*minimum))]
    TooLow {
        /// Which limit.
        name: LimitName,
        /// What was asked for.
        asked: u64,
        /// The least that can be asked for.
        minimum: u64,
    },
    /// Set per type only, because the type's code is compiled for it.
    #[error("limit `{name}` cannot be set for one job: set it for the type, in its manifest")]
    NotPerJob {
        /// Which limit.
        name: LimitName,
    },
}
