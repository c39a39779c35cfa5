//! The configuration: `hardstop.toml`, the environment and flags, in rising order of rank.

mod trace;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hardstop_domain::capability::address::AddressRule;
use hardstop_domain::capability::http::HttpRules;
use hardstop_domain::capability::secret::SecretName;
use hardstop_domain::quantity::{
    duration_ms_option, format_duration_ms, format_size, parse_duration, size_option,
};
use hardstop_domain::{Limits, LimitsPatch, TypeName, capability};
use hardstop_sandbox::{
    CompileConfig, HttpConfig, INSTANCES_MAX, Part, SandboxConfig, SecretConfig, StructureLimits,
};
use hardstop_store::Retention;
use serde::Deserialize;

use crate::error::Error;
use crate::memory::BUDGET_BYTES_MIN;
use crate::secret::{self, FileSecret};
use crate::telemetry::trace::TraceConfig;
use trace::FileTraces;

/// The database that is used where nothing names one.
pub const DATABASE_URL_DEFAULT: &str = "sqlite://hardstop.db";
/// The file that is read where it exists.
pub const FILE_DEFAULT: &str = "hardstop.toml";

/// In `[compile]`: compiled code is not kept.
const NO_CACHE: &str = "none";
/// In `[retention]`: never removed.
const FOREVER: &str = "forever";
/// The least that bodies may have together: a JSON body of the largest size fits.
const BODY_BUDGET_MIN: u64 = 32 << 20;
/// The most.
const BODY_BUDGET_MAX: u64 = 1 << 40;
/// The shortest retention.
const RETENTION_MIN: Duration = Duration::from_secs(1);

/// The validated configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// `sqlite://` or `postgres://`.
    pub database_url: String,
    /// The Postgres schema that everything lies in; none means `hardstop`.
    pub database_schema: Option<String>,
    /// What the operator allows at the most.
    pub ceiling: Limits,
    /// The capabilities that the operator allows.
    pub allow: BTreeSet<String>,
    /// Where handlers may send requests.
    pub http: HttpConfig,
    /// The secrets that they may use.
    pub secrets: SecretConfig,
    /// The largest component that can be deployed, in bytes.
    pub component_bytes_max: u64,
    /// What a component may be made of: the table `[structure]`.
    pub structure: StructureLimits,
    /// How components are compiled: the table `[compile]`.
    pub compile: CompileConfig,
    /// Whether the folder for compiled code is one that nobody named: then it need not be there.
    pub cache_is_default: bool,
    /// The worker.
    pub worker: WorkerConfig,
    /// The server: the table `[serve]`.
    pub serve: ServeConfig,
    /// Where traces go: the table `[traces]`, under the variables of OpenTelemetry; none means nowhere.
    pub traces: Option<TraceConfig>,
    /// Events for subscriptions: the table `[events]`.
    pub events: EventsConfig,
}

/// How events are delivered.
#[derive(Debug, Clone)]
pub struct EventsConfig {
    /// The secret that those of subscriptions are derived from; none: no subscriptions are made and no events delivered.
    pub signing_secret: Option<SecretName>,
    /// Addresses that events may go to although they are none of the public internet.
    pub allow_private: Vec<AddressRule>,
    /// How long one delivery may take.
    pub timeout: Duration,
    /// After how many failed deliveries an event is given up.
    pub attempts_max: u32,
    /// How long to wait after the first failed delivery; it doubles from one to the next.
    pub retry_delay: Duration,
    /// How often to look whether types are failing or stuck.
    pub check_interval: Duration,
}

impl Default for EventsConfig {
    fn default() -> Self {
        Self {
            signing_secret: None,
            allow_private: Vec::new(),
            timeout: Duration::from_secs(15),
            attempts_max: 12,
            retry_delay: Duration::from_secs(5),
            check_interval: Duration::from_secs(60),
        }
    }
}

/// How the HTTP API is served.
#[derive(Debug, Clone)]
pub struct ServeConfig {
    /// How many bytes the bodies of all requests may have together, beyond the first 64 KiB of each.
    pub body_budget_bytes: u64,
}

impl Default for ServeConfig {
    fn default() -> Self {
        Self {
            body_budget_bytes: 256 << 20,
        }
    }
}

/// How a worker works.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// How many attempts run at once.
    pub concurrency: u32,
    /// How many jobs this worker claims ahead of its slots at the most, where jobs are short.
    pub prefetch_max: u32,
    /// How many threads run guests.
    pub guest_threads: usize,
    /// How much memory the guests that run at once may be granted together, in bytes; none means what this
    /// machine has to give.
    pub memory_budget: Option<u64>,
    /// How many jobs of a type this worker runs at once. Types that are not named: `concurrency`.
    pub quotas: BTreeMap<TypeName, u32>,
    /// The types that this worker runs; none means all.
    pub types: Option<BTreeSet<TypeName>>,
    /// How long running attempts may go on after the first signal.
    pub drain_timeout: Duration,
    /// How long this worker's jobs are its own without a heartbeat.
    pub lease_duration: Duration,
    /// How long an idle worker sleeps at the most before it looks for itself.
    pub poll_interval: Duration,
    /// The folder on whose file system guests' scratch files are kept.
    pub scratch_dir: PathBuf,
    /// Whether a guest's native stack is cleared when it has ended.
    pub clear_stacks: bool,
    /// How long final jobs are kept: the table `[retention]`.
    pub retention: Retention,
    /// Where `hardstop worker` serves its metrics; none means nowhere.
    pub listen: Option<SocketAddr>,
}

impl WorkerConfig {
    /// The types that this worker runs, in order; none means all.
    pub fn types(&self) -> Option<Vec<TypeName>> {
        Some(self.types.as_ref()?.iter().cloned().collect())
    }
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self {
            concurrency: 32,
            prefetch_max: 1_000,
            guest_threads: std::thread::available_parallelism().map_or(2, usize::from),
            memory_budget: None,
            quotas: BTreeMap::new(),
            types: None,
            drain_timeout: Duration::from_secs(10),
            lease_duration: Duration::from_secs(15),
            poll_interval: Duration::from_secs(1),
            scratch_dir: std::env::temp_dir(),
            clear_stacks: true,
            retention: Retention::default(),
            listen: None,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            database_url: DATABASE_URL_DEFAULT.to_owned(),
            database_schema: None,
            ceiling: Limits::default_ceiling(),
            allow: capability::NAMES.map(str::to_owned).into(),
            http: HttpConfig::default(),
            secrets: SecretConfig::default(),
            component_bytes_max: 32 << 20,
            structure: StructureLimits::default(),
            compile: CompileConfig::default(),
            cache_is_default: false,
            worker: WorkerConfig::default(),
            traces: None,
            serve: ServeConfig::default(),
            events: EventsConfig::default(),
        }
    }
}

/// `hardstop.toml` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    database_url: Option<String>,
    database_schema: Option<String>,
    #[serde(with = "size_option")]
    component_bytes_max: Option<u64>,
    /// The operator's ceilings.
    limits: LimitsPatch,
    capabilities: FileCapabilities,
    /// By the name of a part.
    structure: BTreeMap<String, u64>,
    compile: FileCompile,
    secrets: BTreeMap<SecretName, FileSecret>,
    worker: FileWorker,
    serve: FileServe,
    retention: FileRetention,
    traces: FileTraces,
    events: FileEvents,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FileEvents {
    signing_secret: Option<SecretName>,
    allow_private: Vec<AddressRule>,
    #[serde(with = "duration_ms_option")]
    timeout: Option<u64>,
    attempts_max: Option<u32>,
    #[serde(with = "duration_ms_option")]
    retry_delay: Option<u64>,
    #[serde(with = "duration_ms_option")]
    check_interval: Option<u64>,
}

impl FileEvents {
    fn over(self, mut events: EventsConfig) -> EventsConfig {
        for (value, field) in [
            (self.timeout, &mut events.timeout),
            (self.retry_delay, &mut events.retry_delay),
            (self.check_interval, &mut events.check_interval),
        ] {
            if let Some(ms) = value {
                *field = Duration::from_millis(ms);
            }
        }
        events.signing_secret = self.signing_secret;
        events.allow_private = self.allow_private;
        events.attempts_max = self.attempts_max.unwrap_or(events.attempts_max);
        events
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FileServe {
    #[serde(with = "size_option")]
    body_budget: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FileCapabilities {
    allow: Option<BTreeSet<String>>,
    http: FileHttp,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FileHttp {
    allow: HttpRules,
    allow_private: Vec<AddressRule>,
    extra_roots: Vec<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FileCompile {
    #[serde(with = "duration_ms_option")]
    cpu_time: Option<u64>,
    #[serde(with = "size_option")]
    memory: Option<u64>,
    #[serde(with = "duration_ms_option")]
    wall_timeout: Option<u64>,
    #[serde(with = "size_option")]
    output: Option<u64>,
    /// A folder, or `none`.
    cache: Option<PathBuf>,
    #[serde(with = "size_option")]
    cache_size: Option<u64>,
}

impl FileCompile {
    fn over(self, mut compile: CompileConfig) -> CompileConfig {
        for (value, field) in [
            (self.cpu_time, &mut compile.cpu_time),
            (self.wall_timeout, &mut compile.wall_timeout),
        ] {
            if let Some(ms) = value {
                *field = Duration::from_millis(ms);
            }
        }
        for (value, field) in [
            (self.memory, &mut compile.memory_bytes_max),
            (self.output, &mut compile.output_bytes_max),
            (self.cache_size, &mut compile.cache_bytes_max),
        ] {
            if let Some(bytes) = value {
                *field = bytes;
            }
        }
        compile.cache = match self.cache {
            Some(folder) if folder.as_os_str() == NO_CACHE => None,
            Some(folder) => Some(folder),
            None => cache_default(),
        };
        compile
    }
}

/// Where compiled code is kept where nobody says: in the user's folder for caches, if there is one.
fn cache_default() -> Option<PathBuf> {
    let absolute = |name| {
        let path = PathBuf::from(std::env::var_os(name)?);
        path.is_absolute().then_some(path)
    };
    let caches = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(caches.join("hardstop/compiled"))
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FileWorker {
    concurrency: Option<u32>,
    prefetch_max: Option<u32>,
    guest_threads: Option<usize>,
    #[serde(with = "size_option")]
    memory_budget: Option<u64>,
    quotas: BTreeMap<TypeName, u32>,
    types: Option<BTreeSet<TypeName>>,
    #[serde(with = "duration_ms_option")]
    drain_timeout: Option<u64>,
    #[serde(with = "duration_ms_option")]
    lease_duration: Option<u64>,
    #[serde(with = "duration_ms_option")]
    poll_interval: Option<u64>,
    scratch_dir: Option<PathBuf>,
    clear_stacks: Option<bool>,
    listen: Option<SocketAddr>,
}

/// Durations, or `forever`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FileRetention {
    completed: Option<String>,
    discarded: Option<String>,
    cancelled: Option<String>,
}

impl FileRetention {
    fn over(self, mut retention: Retention) -> Result<Retention, Error> {
        for (name, text, field) in [
            ("completed", self.completed, &mut retention.completed),
            ("discarded", self.discarded, &mut retention.discarded),
            ("cancelled", self.cancelled, &mut retention.cancelled),
        ] {
            let Some(text) = text else {
                continue;
            };
            *field = match text.as_str() {
                FOREVER => None,
                text => Some(parse_duration(text).map_err(|error| {
                    Error::usage(format!("retention.{name}: {error}, or {FOREVER}"))
                })?),
            };
            if field.is_some_and(|age| age < RETENTION_MIN) {
                return Err(Error::usage(format!(
                    "retention.{name} = {text} is under the minimum of {}s",
                    RETENTION_MIN.as_secs()
                )));
            }
        }
        Ok(retention)
    }
}

impl Config {
    /// Reads the file: the one that is named, which must exist, or `hardstop.toml` where there is
    /// one, or none.
    pub fn load(named: Option<&Path>) -> Result<Self, Error> {
        let environment = |name: &str| std::env::var(name).ok();
        let path = match named {
            Some(path) => path.to_owned(),
            None if Path::new(FILE_DEFAULT).exists() => PathBuf::from(FILE_DEFAULT),
            None => return Self::parse("", &environment),
        };
        let text = std::fs::read_to_string(&path)
            .map_err(|error| Error::usage(format!("cannot read {}: {error}", path.display())))?;
        Self::parse(&text, &environment).map_err(|error| error.context(path.display()))
    }

    fn parse(text: &str, environment: &dyn Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let file: File = toml::from_str(text).map_err(|error| {
            Error::usage(error.to_string().trim_end().to_owned())
                .hint("docs/reference/configuration.md lists every key")
        })?;
        let mut config = Self::default();
        if let Some(url) = file.database_url {
            config.database_url = url;
        }
        config.database_schema = file.database_schema;
        if let Some(bytes) = file.component_bytes_max {
            config.component_bytes_max = bytes;
        }
        config.ceiling = file
            .limits
            .over(config.ceiling)
            .map_err(|error| Error::usage(error.to_string()).context("[limits]"))?;
        if let Some(allow) = file.capabilities.allow {
            if let Some(name) = allow
                .iter()
                .find(|n| !capability::NAMES.contains(&n.as_str()))
            {
                return Err(
                    Error::usage(format!("[capabilities] allow names `{name}`")).hint(format!(
                        "there are: {}; HTTP is allowed in [capabilities.http], secrets in \
                         [secrets.NAME]",
                        capability::NAMES.join(", ")
                    )),
                );
            }
            config.allow = allow;
        }
        for (name, max) in file.structure {
            let Some(part) = Part::all().find(|part| part.name() == name) else {
                let names: Vec<&str> = Part::all().map(Part::name).collect();
                return Err(Error::usage(format!("[structure] names `{name}`"))
                    .hint(format!("there are: {}", names.join(", "))));
            };
            config.structure.set(part, max);
        }
        config.cache_is_default = file.compile.cache.is_none();
        config.compile = file.compile.over(config.compile);
        let http = file.capabilities.http;
        config.http.allow = http.allow;
        config.http.allow_private = http.allow_private;
        config.http.extra_roots = http.extra_roots;
        config.secrets = secret::configure(file.secrets)?;
        let worker = &mut config.worker;
        worker.quotas = file.worker.quotas;
        worker.types = file.worker.types;
        worker.memory_budget = file.worker.memory_budget;
        worker.listen = file.worker.listen;
        if let Some(concurrency) = file.worker.concurrency {
            worker.concurrency = concurrency;
        }
        if let Some(max) = file.worker.prefetch_max {
            worker.prefetch_max = max;
        }
        if let Some(threads) = file.worker.guest_threads {
            worker.guest_threads = threads;
        }
        if let Some(clear) = file.worker.clear_stacks {
            worker.clear_stacks = clear;
        }
        for (value, field) in [
            (file.worker.drain_timeout, &mut worker.drain_timeout),
            (file.worker.lease_duration, &mut worker.lease_duration),
            (file.worker.poll_interval, &mut worker.poll_interval),
        ] {
            if let Some(ms) = value {
                *field = Duration::from_millis(ms);
            }
        }
        if let Some(folder) = file.worker.scratch_dir {
            worker.scratch_dir = folder;
        }
        worker.retention = file.retention.over(worker.retention)?;
        config.traces = file.traces.under(environment)?;
        if let Some(bytes) = file.serve.body_budget {
            config.serve.body_budget_bytes = bytes;
        }
        config.events = file.events.over(config.events);
        config.check()?;
        Ok(config)
    }

    /// Whether the values make sense, once flags have been applied.
    pub fn check(&self) -> Result<(), Error> {
        let worker = &self.worker;
        if !(1..=INSTANCES_MAX).contains(&worker.concurrency) {
            return Err(Error::usage(format!(
                "worker.concurrency = {} is not from 1 to {INSTANCES_MAX}",
                worker.concurrency
            )));
        }
        if worker.prefetch_max > 10_000 {
            return Err(Error::usage(format!(
                "worker.prefetch_max = {} is over 10000",
                worker.prefetch_max
            )));
        }
        if !(1..=256).contains(&worker.guest_threads) {
            return Err(Error::usage(format!(
                "worker.guest_threads = {} is not from 1 to 256",
                worker.guest_threads
            )));
        }
        if let Some(bytes) = worker.memory_budget
            && bytes < BUDGET_BYTES_MIN
        {
            return Err(Error::usage(format!(
                "worker.memory_budget = {} is under {}",
                format_size(bytes),
                format_size(BUDGET_BYTES_MIN)
            )));
        }
        let lease_ms = worker.lease_duration.as_millis();
        if !(500..=3_600_000).contains(&lease_ms) {
            return Err(Error::usage(format!(
                "worker.lease_duration = {lease_ms}ms is not from 500ms to 1h"
            )));
        }
        let poll_ms = worker.poll_interval.as_millis();
        if !(10..=60_000).contains(&poll_ms) {
            return Err(Error::usage(format!(
                "worker.poll_interval = {poll_ms}ms is not from 10ms to 60s"
            )));
        }
        let budget = self.serve.body_budget_bytes;
        if !(BODY_BUDGET_MIN..=BODY_BUDGET_MAX).contains(&budget) {
            return Err(Error::usage(format!(
                "serve.body_budget = {} is not from {} to {}",
                format_size(budget),
                format_size(BODY_BUDGET_MIN),
                format_size(BODY_BUDGET_MAX)
            )));
        }
        self.check_events()?;
        self.compile
            .check()
            .map_err(|error| Error::usage(error.to_string()))?;
        if worker.types.as_ref().is_some_and(BTreeSet::is_empty) {
            return Err(Error::usage("worker.types = [] would never run anything")
                .hint("leave the line out to run every type"));
        }
        if let Some((name, _)) = worker.quotas.iter().find(|(_, quota)| **quota == 0) {
            return Err(Error::usage(format!(
                "worker.quotas.{name} = 0 would never run that type"
            ))
            .hint("leave the line out, or give at least 1"));
        }
        Ok(())
    }

    fn check_events(&self) -> Result<(), Error> {
        let events = &self.events;
        for (name, value, [min_ms, max_ms]) in [
            ("timeout", events.timeout, [100, 30_000]),
            ("retry_delay", events.retry_delay, [10, 3_600_000]),
            ("check_interval", events.check_interval, [100, 3_600_000]),
        ] {
            let ms = u64::try_from(value.as_millis()).unwrap_or(u64::MAX);
            if !(min_ms..=max_ms).contains(&ms) {
                return Err(Error::usage(format!(
                    "events.{name} = {} is not from {} to {}",
                    format_duration_ms(ms),
                    format_duration_ms(min_ms),
                    format_duration_ms(max_ms)
                )));
            }
        }
        if !(1..=100).contains(&events.attempts_max) {
            return Err(Error::usage(format!(
                "events.attempts_max = {} is not from 1 to 100",
                events.attempts_max
            )));
        }
        match &events.signing_secret {
            Some(name) if !self.secrets.rules.contains_key(name) => Err(Error::usage(format!(
                "events.signing_secret = {name} names no secret"
            ))
            .hint(format!(
                "[secrets.{name}] env = \"{name}\" says where its value is"
            ))),
            _ => Ok(()),
        }
    }

    /// What the sandbox is built with, for so many attempts at once.
    pub fn sandbox(&self, instances_max: u32) -> SandboxConfig {
        SandboxConfig {
            guest_threads: self.worker.guest_threads,
            instances_max,
            ceiling: self.ceiling.clone(),
            component_bytes_max: self.component_bytes_max,
            structure: self.structure.clone(),
            compile: self.compile.clone(),
            http: self.http.clone(),
            secrets: self.secrets.clone(),
            scratch_dir: self.worker.scratch_dir.clone(),
            clear_stacks: self.worker.clear_stacks,
            ..SandboxConfig::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, Error> {
        Config::parse(text, &|_| None)
    }

    #[test]
    fn a_full_file() {
        let config = parse(
            r#"
            database_url = "postgres://localhost/jobs"
            component_bytes_max = "8MiB"

            [limits]
            memory = "64MiB"
            wall_timeout = "1m"

            [capabilities]
            allow = ["config"]

            [structure]
            nesting = 12

            [compile]
            cpu_time = "2m"
            memory = "1GiB"
            cache = "none"
            [capabilities.http]
            allow = ["https://api.example.com", "GET http://10.0.0.5:8080/v1"]
            allow_private = ["10.0.0.5:8080"]
            extra_roots = ["ca.pem"]

            [secrets.STRIPE_KEY]
            env = "STRIPE_KEY"
            hosts = ["api.stripe.com"]
            usable_by = ["bill"]

            [worker]
            concurrency = 8
            memory_budget = "1GiB"
            lease_duration = "5s"

            [worker.quotas]
            thumbnail = 2

            [serve]
            body_budget = "64MiB"

            [retention]
            completed = "1d12h"
            discarded = "forever"

            [events]
            signing_secret = "STRIPE_KEY"
            allow_private = ["10.0.0.6:443"]
            timeout = "3s"
            attempts_max = 4
            "#,
        )
        .expect("valid");
        assert_eq!(config.ceiling.memory_bytes_max, 64 << 20);
        assert_eq!(config.ceiling.wall_timeout_ms, 60_000);
        assert_eq!(config.worker.concurrency, 8);
        assert_eq!(config.worker.memory_budget, Some(1 << 30));
        assert_eq!(config.worker.lease_duration, Duration::from_secs(5));
        assert_eq!(config.component_bytes_max, 8 << 20);
        assert_eq!(config.serve.body_budget_bytes, 64 << 20);
        assert!(!config.allow.contains("chains"));
        let sandbox = config.sandbox(1);
        assert_eq!(sandbox.structure.get(Part::Nesting), 12);
        assert_eq!(sandbox.compile.cpu_time, Duration::from_secs(120));
        assert_eq!(sandbox.compile.memory_bytes_max, 1 << 30);
        assert_eq!(sandbox.compile.cache, None);
        assert_eq!(config.http.allow.iter().count(), 2);
        assert_eq!(config.http.allow_private.len(), 1);
        let rule = &config.secrets.rules["STRIPE_KEY"];
        assert!(!rule.usable_by.is_empty() && rule.readable_by.is_empty());
        assert!(config.events.signing_secret.is_some());
        assert_eq!(config.events.allow_private.len(), 1);
        assert_eq!(config.events.timeout, Duration::from_secs(3));
        assert_eq!(config.events.attempts_max, 4);
        assert_eq!(config.events.retry_delay, Duration::from_secs(5));
        let retention = config.worker.retention;
        let hours = |count: u64| Some(Duration::from_secs(count * 3_600));
        assert_eq!(
            (
                retention.completed,
                retention.discarded,
                retention.cancelled
            ),
            (hours(36), None, hours(30 * 24))
        );
    }

    #[test]
    fn mistakes_name_the_key_and_the_value() {
        for (text, expected) in [
            ("databse_url = 'x'", "databse_url"),
            ("[limits]\nmemroy = '1MiB'", "memroy"),
            ("[limits]\nmemory = '1 MiB'", "1 MiB"),
            ("[worker]\nconcurrency = 0", "worker.concurrency = 0"),
            (
                "[worker]\nconcurrency = 10001",
                "worker.concurrency = 10001 is not from 1 to 10000",
            ),
            ("[worker]\nlisten = '9464'", "listen"),
            (
                "[worker]\nmemory_budget = '1MiB'",
                "worker.memory_budget = 1MiB",
            ),
            (
                "[worker]\nlease_duration = '10ms'",
                "worker.lease_duration = 10ms",
            ),
            ("[worker.quotas]\nspin = 0", "worker.quotas.spin = 0"),
            ("[capabilities]\nallow = ['http']", "`http`"),
            ("[structure]\nnests = 1", "`nests`"),
            (
                "[compile]\ncpu_time = '1500ms'",
                "`compile.cpu_time` = 1500ms",
            ),
            ("[compile]\nmemory = '1MiB'", "`compile.memory` = 1MiB"),
            (
                "[compile]\nwall_timeout = '0s'",
                "`compile.wall_timeout` = 0",
            ),
            ("[compile]\noutput = '1KiB'", "`compile.output` = 1KiB"),
            (
                "[compile]\ncache_size = '1KiB'",
                "`compile.cache_size` = 1KiB",
            ),
            ("[capabilities.http]\nalow = []", "unknown field `alow`"),
            (
                "[capabilities.http]\nallow = ['api.example.com']",
                "HTTP rule `api.example.com`",
            ),
            (
                "[capabilities.http]\nallow_private = ['localhost']",
                "`localhost` is not an address",
            ),
            ("[secrets.'1A']\nenv = 'A'", "`1A` cannot name a secret"),
            ("[secrets.A]\nenv = 'A'\nreadable_by = ['B']", "`B`"),
            ("[secrets.A]", "[secrets.A]"),
            (
                "[retention]\ncompleted = 'never'",
                "retention.completed: `never`",
            ),
            (
                "[retention]\ncancelled = '500ms'",
                "retention.cancelled = 500ms",
            ),
            ("[retention]\nfailed = '1d'", "failed"),
            ("[traces]\nsample = 1.5", "traces.sample = 1.5"),
            ("[traces]\nqueue = 0", "traces.queue = 0"),
            (
                "[traces]\nendpoint = 'localhost'",
                "traces.endpoint = localhost",
            ),
            (
                "[traces]\nendpoint = 'https://a.example'",
                "traces.endpoint = https://a.example",
            ),
            ("[traces.headers]\n'a b' = 'c'", "traces.headers"),
            (
                "[events]\nsigning_secret = 'NONE'",
                "events.signing_secret = NONE",
            ),
            ("[events]\ntimeout = '31s'", "events.timeout = 31s"),
            ("[events]\nretry_delay = '0s'", "events.retry_delay = 0"),
            (
                "[events]\ncheck_interval = '2h'",
                "events.check_interval = 2h",
            ),
            ("[events]\nattempts_max = 0", "events.attempts_max = 0"),
            ("[serve]\nbody_budget = '1MiB'", "serve.body_budget = 1MiB"),
        ] {
            let error = parse(text).expect_err(text);
            assert_eq!(error.exit, crate::error::Exit::Usage);
            assert!(error.message.contains(expected), "{text}: {error}");
        }
    }
}
