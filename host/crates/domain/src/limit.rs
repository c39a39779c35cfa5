//! The ceilings of one attempt, and the one place where they are resolved.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::quantity::{duration_ms_option, format_duration_ms, format_size, size_option};

/// Names a limit, as manifests, flags and messages write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitName {
    /// Wall-clock time from the beginning of instantiation to the end of teardown.
    WallTimeout,
    /// Time that the guest spent on a CPU.
    CpuTime,
    /// Instructions, as wasmtime's fuel counts them. Optional.
    Fuel,
    /// Bytes of all linear memories and tables together.
    Memory,
    /// Bytes of the WebAssembly stack.
    Stack,
    /// Bytes of the input.
    Input,
    /// Bytes of the output.
    Output,
    /// Bytes of the log. What goes past it is dropped and counted; the attempt goes on.
    Log,
    /// Chains that one attempt may start.
    Children,
    /// Generations that may descend from a root chain.
    Depth,
    /// Chains that may descend from a root chain, all generations together.
    Descendants,
    /// HTTP requests that one attempt may send.
    HttpRequests,
    /// HTTP requests that may be under way at once, each on a connection of its own.
    HttpConnections,
    /// Bytes that all requests of one attempt may send, headers included.
    HttpRequestBytes,
    /// Bytes that all responses of one attempt may have, headers included.
    HttpResponseBytes,
    /// Names of hosts that one attempt may have looked up.
    DnsLookups,
}

impl LimitName {
    /// Every limit, in the order in which they are shown.
    pub const ALL: [Self; 16] = [
        Self::WallTimeout,
        Self::CpuTime,
        Self::Fuel,
        Self::Memory,
        Self::Stack,
        Self::Input,
        Self::Output,
        Self::Log,
        Self::Children,
        Self::Depth,
        Self::Descendants,
        Self::HttpRequests,
        Self::HttpConnections,
        Self::HttpRequestBytes,
        Self::HttpResponseBytes,
        Self::DnsLookups,
    ];

    /// The key in a manifest, and with `--` and dashes the flag.
    pub fn key(self) -> &'static str {
        match self {
            Self::WallTimeout => "wall_timeout",
            Self::CpuTime => "cpu_time",
            Self::Fuel => "fuel",
            Self::Memory => "memory",
            Self::Stack => "stack",
            Self::Input => "input",
            Self::Output => "output",
            Self::Log => "log",
            Self::Children => "children",
            Self::Depth => "depth",
            Self::Descendants => "descendants",
            Self::HttpRequests => "http_requests",
            Self::HttpConnections => "http_connections",
            Self::HttpRequestBytes => "http_request_bytes",
            Self::HttpResponseBytes => "http_response_bytes",
            Self::DnsLookups => "dns_lookups",
        }
    }

    /// Writes a value of this limit for people: `2s`, `64MiB`, `1000000`.
    pub fn format(self, value: u64) -> String {
        match self {
            Self::WallTimeout | Self::CpuTime => format_duration_ms(value),
            Self::Fuel
            | Self::Children
            | Self::Depth
            | Self::Descendants
            | Self::HttpRequests
            | Self::HttpConnections
            | Self::DnsLookups => value.to_string(),
            Self::Memory
            | Self::Stack
            | Self::Input
            | Self::Output
            | Self::Log
            | Self::HttpRequestBytes
            | Self::HttpResponseBytes => format_size(value),
        }
    }
}

impl fmt::Display for LimitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

/// The resolved ceilings of one attempt: each is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Milliseconds of wall-clock time.
    pub wall_timeout_ms: u64,
    /// Milliseconds on a CPU.
    pub cpu_time_ms: u64,
    /// Units of fuel; none means that fuel is not counted.
    pub fuel: Option<u64>,
    /// Bytes of linear memories and tables together.
    pub memory_bytes_max: u64,
    /// Bytes of WebAssembly stack.
    pub stack_bytes_max: u64,
    /// Bytes of input, the results of blockers included.
    pub input_bytes_max: u64,
    /// Bytes of output.
    pub output_bytes_max: u64,
    /// Bytes of log.
    pub log_bytes_max: u64,
    /// Chains that one attempt may start.
    #[serde(default = "children_max")]
    pub children_max: u64,
    /// Generations below the root chain. At 0 a chain that somebody outside started may start none.
    #[serde(default = "depth_max")]
    pub depth_max: u64,
    /// Chains below the root chain, all generations together.
    #[serde(default = "descendants_max")]
    pub descendants_max: u64,
    /// HTTP requests that one attempt may send.
    #[serde(default = "http_requests_max")]
    pub http_requests_max: u64,
    /// HTTP requests that may be under way at once, each on a connection of its own.
    #[serde(default = "http_connections_max")]
    pub http_connections_max: u64,
    /// Bytes that all requests of one attempt may send, headers included.
    #[serde(default = "http_request_bytes_max")]
    pub http_request_bytes_max: u64,
    /// Bytes that all responses of one attempt may have, headers included.
    #[serde(default = "http_response_bytes_max")]
    pub http_response_bytes_max: u64,
    /// Names of hosts that one attempt may have looked up.
    #[serde(default = "dns_lookups_max")]
    pub dns_lookups_max: u64,
}

// What deployments had in force that were made before there were such limits.
fn children_max() -> u64 {
    100
}

fn depth_max() -> u64 {
    8
}

fn descendants_max() -> u64 {
    10_000
}

fn http_requests_max() -> u64 {
    100
}

fn http_connections_max() -> u64 {
    4
}

fn http_request_bytes_max() -> u64 {
    1 << 20
}

fn http_response_bytes_max() -> u64 {
    8 << 20
}

fn dns_lookups_max() -> u64 {
    16
}

impl Default for Limits {
    /// What a type gets that names no limits.
    fn default() -> Self {
        Self {
            wall_timeout_ms: 30_000,
            cpu_time_ms: 10_000,
            fuel: None,
            memory_bytes_max: 64 << 20,
            stack_bytes_max: 512 << 10,
            input_bytes_max: 1 << 20,
            output_bytes_max: 1 << 20,
            log_bytes_max: 64 << 10,
            children_max: children_max(),
            depth_max: depth_max(),
            descendants_max: descendants_max(),
            http_requests_max: http_requests_max(),
            http_connections_max: http_connections_max(),
            http_request_bytes_max: http_request_bytes_max(),
            http_response_bytes_max: http_response_bytes_max(),
            dns_lookups_max: dns_lookups_max(),
        }
    }
}

impl Limits {
    /// What the operator allows at the most, unless `hardstop.toml` says otherwise.
    pub fn default_ceiling() -> Self {
        Self {
            wall_timeout_ms: 3_600_000,
            cpu_time_ms: 600_000,
            fuel: None,
            memory_bytes_max: 128 << 20,
            stack_bytes_max: 1 << 20,
            input_bytes_max: 16 << 20,
            output_bytes_max: 16 << 20,
            log_bytes_max: 1 << 20,
            children_max: 1_000,
            depth_max: 32,
            descendants_max: 100_000,
            http_requests_max: 10_000,
            http_connections_max: 64,
            http_request_bytes_max: 64 << 20,
            http_response_bytes_max: 256 << 20,
            dns_lookups_max: 256,
        }
    }

    /// The value of a limit, in milliseconds, units or bytes.
    pub fn get(&self, name: LimitName) -> Option<u64> {
        match name {
            LimitName::WallTimeout => Some(self.wall_timeout_ms),
            LimitName::CpuTime => Some(self.cpu_time_ms),
            LimitName::Fuel => self.fuel,
            LimitName::Memory => Some(self.memory_bytes_max),
            LimitName::Stack => Some(self.stack_bytes_max),
            LimitName::Input => Some(self.input_bytes_max),
            LimitName::Output => Some(self.output_bytes_max),
            LimitName::Log => Some(self.log_bytes_max),
            LimitName::Children => Some(self.children_max),
            LimitName::Depth => Some(self.depth_max),
            LimitName::Descendants => Some(self.descendants_max),
            LimitName::HttpRequests => Some(self.http_requests_max),
            LimitName::HttpConnections => Some(self.http_connections_max),
            LimitName::HttpRequestBytes => Some(self.http_request_bytes_max),
            LimitName::HttpResponseBytes => Some(self.http_response_bytes_max),
            LimitName::DnsLookups => Some(self.dns_lookups_max),
        }
    }

    fn set(&mut self, name: LimitName, value: u64) {
        match name {
            LimitName::WallTimeout => self.wall_timeout_ms = value,
            LimitName::CpuTime => self.cpu_time_ms = value,
            LimitName::Fuel => self.fuel = Some(value),
            LimitName::Memory => self.memory_bytes_max = value,
            LimitName::Stack => self.stack_bytes_max = value,
            LimitName::Input => self.input_bytes_max = value,
            LimitName::Output => self.output_bytes_max = value,
            LimitName::Log => self.log_bytes_max = value,
            LimitName::Children => self.children_max = value,
            LimitName::Depth => self.depth_max = value,
            LimitName::Descendants => self.descendants_max = value,
            LimitName::HttpRequests => self.http_requests_max = value,
            LimitName::HttpConnections => self.http_connections_max = value,
            LimitName::HttpRequestBytes => self.http_request_bytes_max = value,
            LimitName::HttpResponseBytes => self.http_response_bytes_max = value,
            LimitName::DnsLookups => self.dns_lookups_max = value,
        }
    }

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

/// The smallest value of each limit that makes sense: below it no guest can start.
fn check(name: LimitName, value: u64) -> Result<(), LimitError> {
    let minimum = match name {
        LimitName::WallTimeout | LimitName::CpuTime | LimitName::Fuel => 1,
        LimitName::Memory | LimitName::Stack => 64 << 10,
        LimitName::Input | LimitName::Output => 2,
        LimitName::Log
        | LimitName::Children
        | LimitName::Depth
        | LimitName::Descendants
        | LimitName::HttpRequests
        | LimitName::HttpConnections
        | LimitName::HttpRequestBytes
        | LimitName::HttpResponseBytes
        | LimitName::DnsLookups => 0,
    };
    if value < minimum {
        return Err(LimitError::TooLow {
            name,
            asked: value,
            minimum,
        });
    }
    Ok(())
}

/// Limits as a manifest, a start or a flag asks for them: each may be left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsPatch {
    /// Wall-clock time, `2s`.
    #[serde(
        default,
        with = "duration_ms_option",
        skip_serializing_if = "Option::is_none"
    )]
    pub wall_timeout: Option<u64>,
    /// Time on a CPU, `500ms`.
    #[serde(
        default,
        with = "duration_ms_option",
        skip_serializing_if = "Option::is_none"
    )]
    pub cpu_time: Option<u64>,
    /// Units of fuel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fuel: Option<u64>,
    /// Linear memories and tables together, `64MiB`.
    #[serde(default, with = "size_option", skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// WebAssembly stack, `512KiB`. Per type only: the engine is built for it.
    #[serde(default, with = "size_option", skip_serializing_if = "Option::is_none")]
    pub stack: Option<u64>,
    /// Input, the results of blockers included, `1MiB`.
    #[serde(default, with = "size_option", skip_serializing_if = "Option::is_none")]
    pub input: Option<u64>,
    /// Output, `1MiB`.
    #[serde(default, with = "size_option", skip_serializing_if = "Option::is_none")]
    pub output: Option<u64>,
    /// Log, `64KiB`.
    #[serde(default, with = "size_option", skip_serializing_if = "Option::is_none")]
    pub log: Option<u64>,
    /// Chains that one attempt may start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub children: Option<u64>,
    /// Generations below the root chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depth: Option<u64>,
    /// Chains below the root chain, all generations together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub descendants: Option<u64>,
    /// HTTP requests that one attempt may send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_requests: Option<u64>,
    /// HTTP requests that may be under way at once, each on a connection of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_connections: Option<u64>,
    /// Bytes that all requests of one attempt may send, headers included, `1MiB`.
    #[serde(default, with = "size_option", skip_serializing_if = "Option::is_none")]
    pub http_request_bytes: Option<u64>,
    /// Bytes that all responses of one attempt may have, headers included, `1MiB`.
    #[serde(default, with = "size_option", skip_serializing_if = "Option::is_none")]
    pub http_response_bytes: Option<u64>,
    /// Names of hosts that one attempt may have looked up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_lookups: Option<u64>,
}

impl LimitsPatch {
    /// The value asked for, in milliseconds, units or bytes.
    pub fn get(&self, name: LimitName) -> Option<u64> {
        match name {
            LimitName::WallTimeout => self.wall_timeout,
            LimitName::CpuTime => self.cpu_time,
            LimitName::Fuel => self.fuel,
            LimitName::Memory => self.memory,
            LimitName::Stack => self.stack,
            LimitName::Input => self.input,
            LimitName::Output => self.output,
            LimitName::Log => self.log,
            LimitName::Children => self.children,
            LimitName::Depth => self.depth,
            LimitName::Descendants => self.descendants,
            LimitName::HttpRequests => self.http_requests,
            LimitName::HttpConnections => self.http_connections,
            LimitName::HttpRequestBytes => self.http_request_bytes,
            LimitName::HttpResponseBytes => self.http_response_bytes,
            LimitName::DnsLookups => self.dns_lookups,
        }
    }

    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// These ceilings, with the defaults for what is left out.
    pub fn over(&self, mut base: Limits) -> Result<Limits, LimitError> {
        for name in LimitName::ALL {
            if let Some(value) = self.get(name) {
                check(name, value)?;
                base.set(name, value);
            }
        }
        Ok(base)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(toml_like: &str) -> LimitsPatch {
        serde_json::from_str(toml_like).expect("a patch")
    }

    #[test]
    fn a_type_gets_what_it_asks_for_under_the_ceiling() {
        let ceiling = Limits {
            memory_bytes_max: 32 << 20,
            ..Limits::default_ceiling()
        };
        let limits = Limits::for_type(&ceiling, &patch(r#"{"wall_timeout":"2s"}"#)).expect("valid");
        assert_eq!(limits.wall_timeout_ms, 2_000);
        assert_eq!(
            limits.memory_bytes_max,
            32 << 20,
            "a default over the ceiling comes down to it"
        );

        let error = Limits::for_type(&ceiling, &patch(r#"{"memory":"64MiB"}"#)).expect_err("over");
        assert_eq!(
            error.to_string(),
            "limit `memory` = 64MiB is over the operator's ceiling of 32MiB"
        );
    }

    #[test]
    fn a_ceiling_on_fuel_meters_every_type() {
        let ceiling = Limits {
            fuel: Some(1_000),
            ..Limits::default_ceiling()
        };
        let limits = Limits::for_type(&ceiling, &LimitsPatch::default()).expect("valid");
        assert_eq!(limits.fuel, Some(1_000));
    }

    #[test]
    fn a_job_may_only_lower() {
        let ceiling = Limits::default_ceiling();
        let of_type = Limits::for_type(&ceiling, &patch(r#"{"cpu_time":"1s"}"#)).expect("valid");
        let lowered = of_type
            .for_job(&ceiling, &patch(r#"{"cpu_time":"200ms"}"#))
            .expect("lower");
        assert_eq!(lowered.cpu_time_ms, 200);
        let error = of_type
            .for_job(&ceiling, &patch(r#"{"cpu_time":"2s"}"#))
            .expect_err("higher");
        assert!(
            error.to_string().contains("a job may only lower it"),
            "{error}"
        );
        let error = of_type
            .for_job(&ceiling, &patch(r#"{"stack":"128KiB"}"#))
            .expect_err("stack");
        assert!(error.to_string().contains("set it for the type"), "{error}");
        let error = of_type
            .for_job(&ceiling, &patch(r#"{"fuel":100}"#))
            .expect_err("fuel");
        assert!(error.to_string().contains("set it for the type"), "{error}");
    }

    #[test]
    fn a_ceiling_that_came_down_after_deployment_holds() {
        let of_type = Limits::default();
        let ceiling = Limits {
            wall_timeout_ms: 1_000,
            ..Limits::default_ceiling()
        };
        let limits = of_type
            .for_job(&ceiling, &LimitsPatch::default())
            .expect("valid");
        assert_eq!(limits.wall_timeout_ms, 1_000);
    }

    #[test]
    fn a_name_is_written_as_its_key() {
        for name in LimitName::ALL {
            assert_eq!(
                serde_json::to_string(&name).expect("serialises"),
                format!("\"{}\"", name.key())
            );
        }
    }

    #[test]
    fn specs_from_before_a_limit_read_with_its_default() {
        let mut json = serde_json::to_value(Limits::default()).expect("serialises");
        let fields = json.as_object_mut().expect("an object");
        for name in ["children_max", "depth_max", "descendants_max"] {
            assert!(fields.remove(name).is_some(), "{name}");
        }
        let limits: Limits = serde_json::from_value(json).expect("reads");
        assert_eq!(limits, Limits::default());
    }

    #[test]
    fn offspring_is_limited_as_all_else() {
        let ceiling = Limits::default_ceiling();
        let error =
            Limits::for_type(&ceiling, &patch(r#"{"descendants":100001}"#)).expect_err("over");
        assert_eq!(
            error.to_string(),
            "limit `descendants` = 100001 is over the operator's ceiling of 100000"
        );
        let of_type = Limits::for_type(&ceiling, &patch(r#"{"children":7}"#)).expect("valid");
        let lowered = of_type
            .for_job(&ceiling, &patch(r#"{"children":0,"depth":1}"#))
            .expect("lower");
        assert_eq!((lowered.children_max, lowered.depth_max), (0, 1));
        let error = of_type
            .for_job(&ceiling, &patch(r#"{"children":8}"#))
            .expect_err("higher");
        assert_eq!(
            error.to_string(),
            "limit `children` = 8 is over its type's limit of 7: a job may only lower it"
        );
    }

    #[test]
    fn unknown_keys_and_hopeless_values_are_errors() {
        let error =
            serde_json::from_str::<LimitsPatch>(r#"{"walltimeout":"1s"}"#).expect_err("key");
        assert!(
            error.to_string().contains("unknown field `walltimeout`"),
            "{error}"
        );
        let ceiling = Limits::default_ceiling();
        let error = Limits::for_type(&ceiling, &patch(r#"{"memory":"1KiB"}"#)).expect_err("low");
        assert_eq!(
            error.to_string(),
            "limit `memory` = 1KiB is below the minimum of 64KiB"
        );
    }
}
