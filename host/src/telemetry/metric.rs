//! Metrics, in the text format of Prometheus: counted in the process, after what they count was committed; and, at each
//! scrape, read from the counters of the database.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hardstop_domain::{LimitName, Next, OutcomeKind, State, TypeId, TypeName};
use hardstop_store::{OldestReady, Settlement, StateCount};
use prometheus::core::Collector;
use prometheus::proto::MetricFamily;
use prometheus::{
    GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
};

use crate::error::Error;

/// The most types that have labels of their own. Those that come later share [`OTHER`].
pub const TYPES_MAX: usize = 200;
/// The label of all types that have none of their own. No type can be called so.
pub const OTHER: &str = "_other";

/// A metric.
#[derive(Debug)]
pub struct Spec {
    /// Its name. Units come last.
    pub name: &'static str,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
}

macro_rules! metrics {
    ($($ident:ident = $name:literal [$($label:literal),*] $help:literal;)+) => {
        $(const $ident: Spec = Spec { name: $name, labels: &[$($label),*], help: $help };)+

        /// Every metric.
        pub const ALL: [&Spec; [$($name),+].len()] = [$(&$ident),+];
    };
}

metrics! {
    WAIT = "hardstop_job_wait_seconds" ["type"]
        "From when a job was due to when it was claimed, of attempts that were settled.";
    RUN = "hardstop_job_run_seconds" ["type"]
        "From the begin of an attempt to its end, of attempts that were settled.";
    KILL = "hardstop_job_kill_seconds" ["type"]
        "From a limit of time to the end of the attempt that it stopped.";
    ATTEMPTS = "hardstop_attempts_total" ["type", "outcome"]
        "Attempts that were settled, by what they came to.";
    RETRIES = "hardstop_retries_total" ["type"]
        "Attempts after which the job is to run again.";
    RESCUES = "hardstop_rescues_total" ["type"]
        "Jobs that this process gave back because their host was gone.";
    STALE = "hardstop_stale_settlements_total" ["type"]
        "Settlements that came too late and changed nothing.";
    LIMIT_HITS = "hardstop_limit_hits_total" ["type", "limit"]
        "Attempts that a limit ended.";
    LOG_DROPPED = "hardstop_log_dropped_bytes_total" ["type"]
        "Bytes of attempts' logs that were dropped, over the limit.";
    JOBS = "hardstop_jobs" ["type", "state"]
        "Jobs of the whole cluster, by state: the same from every process.";
    OLDEST = "hardstop_oldest_ready_seconds" ["type"]
        "For how long the oldest ready job of the whole cluster is due; 0 where none is ready.";
    SPANS_DROPPED = "hardstop_spans_dropped_total" []
        "Spans that could not be sent to the collector.";
    DATABASE_UP = "hardstop_database_up" []
        "Whether the database answered this scrape: 0 or 1.";
    SLOTS = "hardstop_slots" []
        "Attempts that this process may run at once.";
    SLOTS_USED = "hardstop_slots_used" []
        "Attempts that it runs, those that wait for memory included.";
    MEMORY_BUDGET = "hardstop_memory_budget_bytes" []
        "Memory that the guests of this process may be granted together.";
    MEMORY_ADMITTED = "hardstop_memory_admitted_bytes" []
        "Memory that they are granted.";
    ADMISSION_WAIT = "hardstop_admission_wait_seconds" []
        "How long claimed jobs waited for memory that had to wait at all.";
    POOL = "hardstop_pool_instances" []
        "Instances in the pools of the sandbox.";
    POOL_MEMORIES = "hardstop_pool_memories" []
        "Memories in the pools of the sandbox.";
    CLAIMS = "hardstop_claims_total" []
        "Claims that the database answered.";
    CLAIMED = "hardstop_claimed_jobs_total" []
        "Jobs that they leased.";
    BATCH = "hardstop_settlement_batch_jobs" []
        "Settlements in one transaction.";
}

/// Seconds, in steps that are fit for both a millisecond and an hour.
const SECONDS: [f64; 14] = [
    0.001, 0.002, 0.005, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 120.0, 600.0, 3_600.0,
];
const BATCHES: [f64; 7] = [1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0];

/// The metrics of a process.
pub struct Metrics {
    registry: Registry,
    wait: HistogramVec,
    run: HistogramVec,
    kill: HistogramVec,
    attempts: IntCounterVec,
    retries: IntCounterVec,
    rescues: IntCounterVec,
    stale: IntCounterVec,
    limit_hits: IntCounterVec,
    log_dropped: IntCounterVec,
    types: Mutex<HashMap<TypeId, Arc<TypeMetrics>>>,
    names: Mutex<Names>,
    /// What a worker of this process counts.
    pub worker: WorkerMetrics,
}

/// What a worker counts beside its attempts.
pub struct WorkerMetrics {
    /// How many attempts may run at once,
    pub slots: IntGauge,
    /// and how many do.
    pub slots_used: IntGauge,
    /// How many bytes guests may be granted,
    pub memory_budget: IntGauge,
    /// and how many they are.
    pub memory_admitted: IntGauge,
    /// In seconds.
    pub admission_wait: Histogram,
    /// Instances in the pools.
    pub pool_instances: IntGauge,
    /// Memories in the pools.
    pub pool_memories: IntGauge,
    /// Claims that were answered.
    pub claims: IntCounter,
    /// Jobs that they leased.
    pub claimed: IntCounter,
    /// Settlements in a transaction.
    pub batch: Histogram,
    /// Spans that could not be sent.
    pub spans_dropped: IntCounter,
}

/// The labels that types have, in the order in which they came.
#[derive(Default)]
struct Names(BTreeMap<TypeName, String>);

impl Names {
    fn label(&mut self, name: &TypeName) -> String {
        if let Some(label) = self.0.get(name) {
            return label.clone();
        }
        if self.0.len() >= TYPES_MAX {
            return OTHER.to_owned();
        }
        let label = name.to_string();
        self.0.insert(name.clone(), label.clone());
        label
    }
}

/// The metrics of one type, found once.
pub struct TypeMetrics {
    label: String,
    wait: Histogram,
    run: Histogram,
    completed: IntCounter,
    retries: IntCounter,
    rescues: IntCounter,
    stale: IntCounter,
    log_dropped: IntCounter,
}

/// What the database says at a scrape.
pub struct Cluster {
    /// Its counters.
    pub counts: Vec<StateCount>,
    /// The oldest ready job of each type.
    pub oldest: Vec<OldestReady>,
}

fn opts(spec: &Spec) -> Opts {
    Opts::new(spec.name, spec.help)
}

/// The metric of a declaration, registered.
fn registered<C: Collector + Clone + 'static>(
    registry: &Registry,
    made: Result<C, prometheus::Error>,
) -> Result<C, Error> {
    let made = made.and_then(|made| {
        registry.register(Box::new(made.clone()))?;
        Ok(made)
    });
    made.map_err(|error| Error::environment(format!("a metric cannot be made: {error}")))
}

impl Metrics {
    /// All of them, at nothing. Fails where one is declared wrongly.
    pub fn new() -> Result<Self, Error> {
        let registry = Registry::new();
        let seconds = |spec: &Spec| {
            let opts = HistogramOpts::new(spec.name, spec.help).buckets(SECONDS.to_vec());
            registered(&registry, HistogramVec::new(opts, spec.labels))
        };
        let counters =
            |spec: &Spec| registered(&registry, IntCounterVec::new(opts(spec), spec.labels));
        let gauge = |spec: &Spec| registered(&registry, IntGauge::with_opts(opts(spec)));
        let counter = |spec: &Spec| registered(&registry, IntCounter::with_opts(opts(spec)));
        let histogram = |spec: &Spec, buckets: &[f64]| {
            let opts = HistogramOpts::new(spec.name, spec.help).buckets(buckets.to_vec());
            registered(&registry, Histogram::with_opts(opts))
        };
        Ok(Self {
            wait: seconds(&WAIT)?,
            run: seconds(&RUN)?,
            kill: seconds(&KILL)?,
            attempts: counters(&ATTEMPTS)?,
            retries: counters(&RETRIES)?,
            rescues: counters(&RESCUES)?,
            stale: counters(&STALE)?,
            limit_hits: counters(&LIMIT_HITS)?,
            log_dropped: counters(&LOG_DROPPED)?,
            types: Mutex::default(),
            names: Mutex::default(),
            worker: WorkerMetrics {
                slots: gauge(&SLOTS)?,
                slots_used: gauge(&SLOTS_USED)?,
                memory_budget: gauge(&MEMORY_BUDGET)?,
                memory_admitted: gauge(&MEMORY_ADMITTED)?,
                admission_wait: histogram(&ADMISSION_WAIT, &SECONDS)?,
                pool_instances: gauge(&POOL)?,
                pool_memories: gauge(&POOL_MEMORIES)?,
                claims: counter(&CLAIMS)?,
                claimed: counter(&CLAIMED)?,
                batch: histogram(&BATCH, &BATCHES)?,
                spans_dropped: counter(&SPANS_DROPPED)?,
            },
            registry,
        })
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The metrics of a type, whose name is asked for the first time only.
    pub fn of(&self, id: TypeId, name: impl FnOnce() -> Option<TypeName>) -> Arc<TypeMetrics> {
        let mut types = self.types.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = types.get(&id) {
            return Arc::clone(known);
        }
        let label = match name() {
            Some(name) => self.names().label(&name),
            // Types are never removed: only one that this process has not heard of yet has no name.
            None => return Arc::new(self.labelled(OTHER.to_owned())),
        };
        let made = Arc::new(self.labelled(label));
        types.insert(id, Arc::clone(&made));
        made
    }

    fn labelled(&self, label: String) -> TypeMetrics {
        let of = |counters: &IntCounterVec| counters.with_label_values(&[label.as_str()]);
        TypeMetrics {
            wait: self.wait.with_label_values(&[label.as_str()]),
            run: self.run.with_label_values(&[label.as_str()]),
            completed: self
                .attempts
                .with_label_values(&[label.as_str(), OutcomeKind::Completed.name()]),
            retries: of(&self.retries),
            rescues: of(&self.rescues),
            stale: of(&self.stale),
            log_dropped: of(&self.log_dropped),
            label,
        }
    }

    /// Counts an attempt whose settlement was written.
    pub fn settled(&self, of: &TypeMetrics, wait: Duration, settlement: &Settlement) {
        let usage = &settlement.usage;
        of.wait.observe(wait.as_secs_f64());
        of.run
            .observe(Duration::from_micros(usage.wall_us).as_secs_f64());
        if settlement.outcome == OutcomeKind::Completed {
            of.completed.inc();
        } else {
            let labels = [of.label.as_str(), settlement.outcome.name()];
            self.attempts.with_label_values(&labels).inc();
        }
        if matches!(settlement.next, Next::Retry { .. } | Next::RetryLarger) {
            of.retries.inc();
        }
        if usage.log_bytes_dropped > 0 {
            of.log_dropped.inc_by(usage.log_bytes_dropped);
        }
        let hit = settlement
            .failure
            .as_ref()
            .and_then(|failure| failure.limit);
        if let Some(hit) = hit {
            self.hit(of, hit.name);
            if let Some(us) = hit.overrun_us {
                let late = Duration::from_micros(us).as_secs_f64();
                self.kill
                    .with_label_values(&[of.label.as_str()])
                    .observe(late);
            }
        }
    }

    fn hit(&self, of: &TypeMetrics, limit: LimitName) {
        let labels = [of.label.as_str(), limit.key()];
        self.limit_hits.with_label_values(&labels).inc();
    }

    /// All of it as text; without what the database says where it does not answer.
    pub fn text(&self, cluster: Option<&Cluster>) -> Result<String, Error> {
        let mut families = self.registry.gather();
        let read = || -> Result<Vec<MetricFamily>, prometheus::Error> {
            let up = IntGauge::with_opts(opts(&DATABASE_UP))?;
            up.set(i64::from(cluster.is_some()));
            let mut read = up.collect();
            if let Some(cluster) = cluster {
                read.extend(self.jobs(cluster)?);
            }
            Ok(read)
        };
        read()
            .and_then(|read| {
                // The encoder takes none that is empty.
                families.extend(read.into_iter().filter(|it| !it.get_metric().is_empty()));
                TextEncoder::new().encode_to_string(&families)
            })
            .map_err(|error| Error::environment(format!("metrics cannot be written: {error}")))
    }

    fn jobs(&self, cluster: &Cluster) -> Result<Vec<MetricFamily>, prometheus::Error> {
        let jobs = IntGaugeVec::new(opts(&JOBS), JOBS.labels)?;
        let oldest = GaugeVec::new(opts(&OLDEST), OLDEST.labels)?;
        let mut names = self.names();
        for count in &cluster.counts {
            let label = names.label(&count.type_name);
            // A state that empties is 0 and does not vanish.
            for state in State::ALL {
                jobs.with_label_values(&[label.as_str(), state.name()]);
            }
            let added = i64::try_from(count.count).unwrap_or(i64::MAX);
            jobs.with_label_values(&[label.as_str(), count.state.name()])
                .add(added);
            oldest.with_label_values(&[label.as_str()]);
        }
        for ready in &cluster.oldest {
            let gauge = oldest.with_label_values(&[names.label(&ready.type_name).as_str()]);
            gauge.set(gauge.get().max(ready.age.as_secs_f64()));
        }
        drop(names);
        Ok(jobs.collect().into_iter().chain(oldest.collect()).collect())
    }
}

impl TypeMetrics {
    /// Counts a settlement that came too late.
    pub fn stale(&self) {
        self.stale.inc();
    }

    /// Counts a job that was given back because its host was gone.
    pub fn rescued(&self) {
        self.rescues.inc();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn name(text: &str) -> TypeName {
        text.parse().expect("a name")
    }

    #[test]
    fn names_are_distinct_and_say_their_unit() {
        let names: BTreeSet<&str> = ALL.iter().map(|spec| spec.name).collect();
        assert_eq!(names.len(), ALL.len());
        for spec in ALL {
            assert!(spec.name.starts_with("hardstop_"), "{spec:?}");
            assert!(spec.help.ends_with('.'), "{spec:?}");
        }
        assert!(OTHER.parse::<TypeName>().is_err());
    }

    /// A file of the repository.
    fn file(path: &str) -> String {
        let path = format!("{}/../{path}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    #[test]
    fn the_reference_names_every_metric_and_no_other() {
        let text = file("docs/reference/metrics.md");
        let named: BTreeSet<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
            .collect();
        assert_eq!(named, ALL.iter().map(|spec| spec.name).collect());
    }

    #[test]
    fn the_dashboard_and_the_alerts_name_metrics_that_exist() {
        for path in ["grafana.json", "alerts.yml", "alerts_test.yml"] {
            let text = file(&format!("contrib/monitoring/{path}"));
            let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let names: BTreeSet<&str> =
                words.filter(|word| word.starts_with("hardstop_")).collect();
            assert!(names.len() > 5, "{path}: {names:?}");
            for name in names {
                let ends = ["_bucket", "_count", "_sum"];
                let base = ends.iter().find_map(|end| name.strip_suffix(end));
                let known = |spec: &&Spec| spec.name == name || Some(spec.name) == base;
                assert!(
                    ALL.iter().any(known),
                    "{path} names {name}, which is no metric"
                );
            }
        }
        let dashboard: serde_json::Value =
            serde_json::from_str(&file("contrib/monitoring/grafana.json")).expect("JSON");
        assert!(
            dashboard["panels"]
                .as_array()
                .is_some_and(|panels| panels.len() > 5)
        );
    }

    #[test]
    fn types_beyond_the_limit_share_a_label() {
        let metrics = Metrics::new().expect("they can be made");
        for n in 0..TYPES_MAX as i32 + 50 {
            metrics
                .of(TypeId(n), || Some(name(&format!("t{n}"))))
                .stale();
        }
        metrics.of(TypeId(-1), || None).stale();
        let counts: Vec<StateCount> = (0..TYPES_MAX + 50)
            .map(|n| StateCount {
                type_name: name(&format!("t{n}")),
                state: State::Ready,
                count: 2,
            })
            .collect();
        let cluster = Cluster {
            counts,
            oldest: Vec::new(),
        };
        let text = metrics.text(Some(&cluster)).expect("text");
        let lines = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
        assert_eq!(lines("hardstop_stale_settlements_total{"), TYPES_MAX + 1);
        assert!(text.contains("hardstop_stale_settlements_total{type=\"_other\"} 51"));
        assert!(text.contains("hardstop_jobs{state=\"ready\",type=\"_other\"} 100"));
        assert!(text.contains("hardstop_jobs{state=\"blocked\",type=\"t0\"} 0"));
        assert!(text.contains("hardstop_database_up 1"));
        assert!(
            metrics
                .text(None)
                .expect("text")
                .contains("hardstop_database_up 0")
        );
    }
}
