//! The worker: claim, run, settle.
//!
//! ```text
//! claimer --(ClaimedJob)--> slots, runner --(Settlement)--> settler
//!    ^                        |                               |
//!    |  pace, quotas          |  sandbox, own threads         |  store, one transaction a batch
//!    +---- wake-ups           +-- running: who can be         +-- stale, refused
//!          (listener)             stopped, by job
//! ```
//!
//! Beside them the session renews the lease and learns what it no longer holds, and the maintenance
//! loops promote, rescue, refresh and forget; schedules are fired and pauses ended at their time; what
//! ended badly is told to the store, and what all attempts came to is counted; what attempts say is kept while they run,
//! and how the worker stands is told.
//! Nothing here holds a transaction, and no guest runs on the
//! threads that these loops run on.
//!
//! Every `select!` here is biased and nothing depends on the order of a hash map: under a simulated clock
//! a worker does the same in every run of one seed.

mod admission;
mod claimer;
mod execute;
mod external;
mod health;
mod live;
mod loader;
mod maintenance;
mod near;
mod pace;
mod pause;
mod retention;
mod runner;
mod running;
mod schedule;
mod session;
mod settler;
mod slot;
mod standing;
mod statistic;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use hardstop_domain::quantity::format_size;
use hardstop_domain::{JobId, LeaseToken, Limits, TypeId};
use hardstop_sandbox::Stop;
use hardstop_store::{Listener, Store, StoreError, Wake};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::catalogue::{Catalogue, Entry};
use crate::config::WorkerConfig;
use crate::error::Error;
use crate::memory::Budget;
use crate::telemetry::Telemetry;
use crate::telemetry::metric::TypeMetrics;
use admission::Admission;
pub use execute::Execute;
use health::Health;
use live::Live;
pub use loader::Loader;
use near::Warnings;
use pace::Pace;
use running::Running;
use session::Lease;
use slot::Slots;
use statistic::Statistics;

/// Settlements that may wait for the settler. Beyond it runners wait, and so do their slots.
const SETTLEMENT_QUEUE: usize = 2_048;
/// After the drain's limit, how long interrupted attempts have to unwind and settlements to be written.
const UNWIND_TIMEOUT: Duration = Duration::from_secs(5);

/// A worker that is about to work.
pub struct Worker {
    /// Where the jobs are.
    pub store: Arc<dyn Store>,
    /// What runs them: a [`Loader`].
    pub executor: Arc<dyn Execute>,
    /// The operator's ceilings.
    pub ceiling: Limits,
    /// How to work.
    pub config: WorkerConfig,
    /// A name for this host and process.
    pub host: String,
    /// Where it tells what it does.
    pub telemetry: Telemetry,
}

/// Leased jobs, each with when it was abandoned.
type Abandoned = HashMap<(JobId, LeaseToken), Instant>;

/// What all parts of a worker share.
struct Shared {
    store: Arc<dyn Store>,
    ceiling: Limits,
    config: WorkerConfig,
    catalogue: RwLock<Arc<Catalogue>>,
    executor: Arc<dyn Execute>,
    running: Running,
    /// Jobs whose attempt has ended and whose settlement could not be written: to be given back. Kept
    /// apart from the lease, which may be none just then.
    abandoned: Mutex<Abandoned>,
    slots: Slots,
    pace: Pace,
    warnings: Warnings,
    health: Health,
    statistics: Statistics,
    live: Arc<Live>,
    telemetry: Telemetry,
    admission: Admission,
    /// The lease; none while this worker cannot be sure of it.
    lease: watch::Sender<Option<Arc<Lease>>>,
    phase: watch::Sender<Phase>,
    signals: Signals,
}

/// What one part tells another. Each is a permit: told before it is awaited, it is not lost.
#[derive(Default)]
struct Signals {
    /// Look for ready jobs.
    claim: Notify,
    /// Ask at once what the session still holds.
    heartbeat: Notify,
    /// Look for due jobs: a retry was scheduled.
    promote: Notify,
    /// Look for new deployments.
    refresh: Notify,
    /// Look for schedules that are due.
    schedule: Notify,
    /// Look for pauses that are over.
    pause: Notify,
    /// Tell how this worker stands.
    stand: Notify,
    /// Somebody asked this worker to drain.
    drain: Notify,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// Claims and runs.
    Working,
    /// Claims no more.
    Draining,
    /// Everything has ended; what could not be written is left to be rescued.
    Leaving,
}

/// How a worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// How many attempts were interrupted and given back.
    pub interrupted: usize,
    /// Whether somebody asked for it, through the database.
    pub asked: bool,
}

impl Shared {
    fn catalogue(&self) -> Arc<Catalogue> {
        Arc::clone(
            &self
                .catalogue
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    async fn refresh_catalogue(&self) -> Result<(), StoreError> {
        let types = self.store.types().await?;
        let catalogue = Arc::new(Catalogue::new(types, &self.catalogue()));
        let digests = catalogue.entries().flat_map(|entry| entry.digests());
        let digests = digests.collect();
        self.executor.retain(&digests);
        self.health.retain(&digests);
        self.tell_what_does_not_fit(&catalogue);
        *self
            .catalogue
            .write()
            .unwrap_or_else(PoisonError::into_inner) = catalogue;
        Ok(())
    }

    /// Says once of each deployment that this worker has no room for a type: it never claims that type's jobs.
    fn tell_what_does_not_fit(&self, catalogue: &Catalogue) {
        let before = self.catalogue();
        for entry in catalogue.entries() {
            let active = &entry.active;
            let known = before.by_id(active.id);
            if active.spec.component.is_none()
                || known.is_some_and(|known| {
                    known.active.spec == active.spec && known.active.canary == active.canary
                })
            {
                continue;
            }
            if let Some(refusal) = self.no_room(entry) {
                warn!(r#type = %active.spec.name, "{refusal}: this worker does not run the type");
            }
        }
    }

    /// Why some attempts of a type would never fit; none if all do.
    fn no_room(&self, entry: &Entry) -> Option<String> {
        let budget = self.admission.budget();
        let needs = entry.versions().map(|version| version.most(&self.ceiling));
        needs.flatten().find_map(|limits| budget.refusal(&limits))
    }

    /// The metrics of a type.
    fn metrics_of(&self, id: TypeId) -> Arc<TypeMetrics> {
        self.telemetry.metrics.of(id, || {
            let catalogue = self.catalogue();
            Some(catalogue.by_id(id)?.active.spec.name.clone())
        })
    }

    /// Sets the metrics that say how things stand now.
    fn gauge(&self) {
        let set = |gauge: &prometheus::IntGauge, value: u64| {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        };
        let (metrics, pool) = (&self.telemetry.metrics.worker, self.executor.occupancy());
        set(&metrics.slots, u64::from(self.config.concurrency));
        set(&metrics.slots_used, self.running.count() as u64);
        set(&metrics.memory_budget, self.admission.budget().bytes);
        set(&metrics.memory_admitted, self.admission.admitted());
        set(&metrics.pool_instances, pool.instances);
        set(&metrics.pool_memories, pool.memories);
    }

    fn abandoned(&self) -> MutexGuard<'_, Abandoned> {
        self.abandoned
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the worker has come to this phase.
    async fn reached(&self, phase: Phase) {
        // The sender lives in `self`, so the channel is never closed while anybody waits.
        let _ = self.phase.subscribe().wait_for(|now| *now >= phase).await;
    }
}

impl Worker {
    /// Works until `shutdown` completes, or somebody asks it to drain, then drains: claims no more, waits for what runs up to the
    /// drain limit, interrupts the rest and gives it back uncounted, and ends the session.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<Drained, Error> {
        let Self {
            store,
            executor,
            ceiling,
            config,
            host,
            telemetry,
        } = self;
        store.maintain().await?;
        let opened_at = Instant::now();
        let session = store
            .open_session(&host, config.lease_duration, config.types().as_deref())
            .await?;
        let lease = Arc::new(Lease::new(session));
        // Listen first, then look, then sleep.
        let listener = store.listen().await?;
        let (settlements, settlement_queue) = mpsc::channel(SETTLEMENT_QUEUE);
        let shared = Arc::new(Shared {
            catalogue: RwLock::default(),
            executor,
            running: Running::default(),
            abandoned: Mutex::default(),
            slots: Slots::new(config.concurrency),
            pace: Pace::new(config.prefetch_max),
            warnings: Warnings::default(),
            health: Health::default(),
            statistics: Statistics::default(),
            live: Arc::default(),
            telemetry,
            admission: Admission::new(Budget::new(config.memory_budget)),
            lease: watch::Sender::new(Some(Arc::clone(&lease))),
            phase: watch::Sender::new(Phase::Working),
            signals: Signals::default(),
            store,
            ceiling,
            config,
        });
        shared.refresh_catalogue().await?;
        info!(
            %session,
            concurrency = shared.config.concurrency,
            guest_threads = shared.config.guest_threads,
            memory_budget = format_size(shared.admission.budget().bytes),
            memory_budget_from = shared.admission.budget().source,
            types = shared.catalogue().entries().count(),
            "worker is ready"
        );

        let mut loops = JoinSet::new();
        loops.spawn(session::renew(Arc::clone(&shared), host, lease, opened_at));
        loops.spawn(maintenance::promote(Arc::clone(&shared)));
        loops.spawn(external::expire(Arc::clone(&shared)));
        loops.spawn(maintenance::rescue(Arc::clone(&shared)));
        loops.spawn(maintenance::refresh(Arc::clone(&shared)));
        loops.spawn(schedule::fire(Arc::clone(&shared)));
        loops.spawn(pause::end(Arc::clone(&shared)));
        loops.spawn(retention::retain(Arc::clone(&shared)));
        loops.spawn(health::watch(Arc::clone(&shared)));
        loops.spawn(statistic::keep(Arc::clone(&shared), session));
        loops.spawn(standing::tell(Arc::clone(&shared)));
        loops.spawn(live::keep(Arc::clone(&shared)));
        loops.spawn(hear(Arc::clone(&shared), listener));
        let settler = tokio::spawn(settler::run(Arc::clone(&shared), settlement_queue));
        let claimer = tokio::spawn(claimer::run(Arc::clone(&shared), settlements));

        let asked = tokio::select! {
            biased;
            () = shutdown => false,
            () = shared.signals.drain.notified() => {
                info!("asked to drain");
                true
            }
        };
        let drained = Drained {
            interrupted: drain(&shared).await,
            asked,
        };
        // The claimer holds the last sender of settlements besides the slots: when all of them
        // are gone the settler has written everything.
        let _ = claimer.await;
        if tokio::time::timeout(UNWIND_TIMEOUT, settler).await.is_err() {
            warn!("not every settlement could be written: those jobs will be rescued");
        }
        shared.phase.send_replace(Phase::Leaving);
        loops.shutdown().await;
        if let Err(error) = statistic::write(&shared, session).await {
            debug!(%error, "cannot write the last statistics");
        }
        if let Err(error) = live::end(&shared).await {
            debug!(%error, "cannot remove what attempts said");
        }
        let lease = shared.lease.borrow().clone();
        if let Some(lease) = lease {
            match shared.store.close_session(lease.session).await {
                Ok(0) => {}
                Ok(released) => info!(released, "gave jobs back"),
                Err(error) => warn!(%error, "could not end the session: its lease will run out"),
            }
        }
        info!(interrupted = drained.interrupted, "worker has ended");
        Ok(drained)
    }
}

/// Stops claiming, waits, interrupts. Returns when no attempt runs any more, and how many were interrupted.
async fn drain(shared: &Shared) -> usize {
    shared.phase.send_replace(Phase::Draining);
    shared.signals.stand.notify_one();
    shared.slots.close();
    let limit = shared.config.drain_timeout;
    info!(running = shared.slots.busy(), ?limit, "draining");
    if tokio::time::timeout(limit, shared.slots.all_free())
        .await
        .is_ok()
    {
        return 0;
    }
    let interrupted = shared.running.stop_all(Stop::Interrupted);
    warn!(
        interrupted,
        "the drain limit has passed: interrupted what was left"
    );
    if tokio::time::timeout(UNWIND_TIMEOUT, shared.slots.all_free())
        .await
        .is_err()
    {
        warn!("some attempts could not be given back: they will be rescued");
    }
    interrupted
}

/// Passes wake-ups on to the parts that they concern.
async fn hear(shared: Arc<Shared>, mut listener: Box<dyn Listener>) {
    loop {
        let wake = listener.wait().await;
        if matches!(wake, Wake::Ready | Wake::Any) {
            shared.signals.claim.notify_one();
        }
        if matches!(wake, Wake::Cancelled | Wake::Any) && shared.running.hear_cancel() {
            shared.signals.heartbeat.notify_one();
        }
        if matches!(wake, Wake::Deployed | Wake::Any) {
            shared.signals.refresh.notify_one();
        }
        if matches!(wake, Wake::Rescheduled | Wake::Any) {
            shared.signals.schedule.notify_one();
            shared.signals.pause.notify_one();
        }
    }
}
