//! A database as a busy installation has it: jobs of all states, errors, chains, statistics. All of it is written by the
//! store's own operations, so that counters and indexes are what they would be.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};
use hardstop::service::{PauseRequest, ScheduleRequest};
use hardstop::{Service, StartRequest};
use hardstop_domain::job::NewJob;
use hardstop_domain::{
    Dedup, DedupScope, Failure, JobId, Keep, LeaseToken, LimitsPatch, LogEntry, LogLevel, Next,
    OnBlockerFailure, OutcomeKind, SessionId, Statistic, Timestamp, TypeId, TypeName, Usage,
};
use hardstop_store::{
    Acting, ClaimRequest, ClaimedJob, DeadLetterFilter, Settled, Settlement, Store, TypeStatistic,
};
use uuid::Uuid;

/// Chains that are started, and jobs that are claimed and settled, at once.
const BATCH: u32 = 1_000;
/// How many chains are started before they are run.
const ROUND: u32 = 10_000;
/// Of a hundred live jobs: so many run, are blocked, and are scheduled. The others are ready, and their type is paused.
const RUNNING: u32 = 1;
const BLOCKED: u32 = 9;
const SCHEDULED: u32 = 20;
/// Of a hundred chains, so many are of each type; and the input of their first job.
const MIX: [(&str, &str, u32); 5] = [
    ("noop", "{}", 62),
    ("echo", r#"{"text":"one of many"}"#, 17),
    ("fail", r#"{"until":3}"#, 11),
    ("work", r#"{"ms":20}"#, 6),
    ("steps", "[3,0]", 4),
];
/// The type of the ready jobs that nobody runs.
pub const PAUSED: &str = "nap";
/// The most of their priorities.
const PRIORITIES: i16 = 5;
/// Changes that are on record, and schedules.
const CHANGES: u32 = 1_000;
const SCHEDULES: u32 = 100;
/// For how long back there are statistics, and how many calls fold them.
const STATISTIC_MINUTES: i64 = 24 * 60;
const FOLDS: i64 = STATISTIC_MINUTES / 30 + 24;
/// A text that few errors hold.
pub const RARE: &str = "the ledger is locked";
const RARE_EVERY: u64 = 5_000;
/// How long the session is trusted that holds the running jobs.
const LEASE: Duration = Duration::from_secs(24 * 3_600);
const MINUTE_US: i64 = 60_000_000;

/// Writes a history.
pub struct History<'a> {
    store: &'a Arc<dyn Store>,
    service: &'a Service,
    session: SessionId,
    types: BTreeMap<TypeId, TypeName>,
    batches: u32,
}

impl<'a> History<'a> {
    /// Over a database whose types are deployed.
    pub async fn new(store: &'a Arc<dyn Store>, service: &'a Service) -> Result<Self> {
        let types = store.types().await?.into_iter();
        Ok(Self {
            store,
            service,
            session: store.open_session("history", LEASE, None).await?,
            types: types.map(|active| (active.id, active.spec.name)).collect(),
            batches: 0,
        })
    }

    /// Writes so many final and so many live jobs, and what else there is. Returns how many there are of both.
    pub async fn write(&mut self, finished: u32, live: u32) -> Result<(u32, u32)> {
        let mut done = 0;
        while done < finished {
            done += self.finish_round().await?;
        }
        self.replay_some().await?;
        let live = self.wait(live).await?;
        self.change_much().await?;
        self.count_attempts().await?;
        Ok((done, live))
    }

    /// Starts chains and ends them. Returns how many jobs they had.
    async fn finish_round(&mut self) -> Result<u32> {
        let mut requests = Vec::with_capacity(ROUND as usize);
        for n in 0..ROUND / 100 {
            for (type_name, input, share) in MIX {
                requests.extend((0..share).map(|_| start(type_name, input)));
            }
            // One chain in a hundred has a key, the same in each round.
            if let Some(request) = requests.last_mut() {
                request.dedup = Some(Dedup {
                    key: format!("key-{n}"),
                    scope: DedupScope::Open,
                });
            }
        }
        self.service.start_many(requests).await?;
        let mut done = 0;
        loop {
            let claimed = self.claim(BATCH).await?;
            if claimed.is_empty() {
                return Ok(done);
            }
            let settlements = claimed.iter().map(|job| self.settlement(job));
            let settlements: Vec<Settlement> = settlements.collect();
            let settled = self.store.settle(&settlements).await?;
            if let Some(bad) = settled.iter().find(|it| **it != Settled::Written) {
                bail!("a settlement was not written: {bad:?}");
            }
            let over = settlements
                .iter()
                .filter(|it| !matches!(it.next, Next::RetryLarger));
            done += over.count() as u32;
        }
    }

    async fn claim(&mut self, most: u32) -> Result<Vec<ClaimedJob>> {
        self.batches += 1;
        let request = ClaimRequest {
            token: LeaseToken::new(self.session, self.batches),
            quotas: self.types.keys().map(|id| (*id, most)).collect(),
            total: most,
        };
        Ok(self.store.claim(&request).await?)
    }

    /// What a job comes to.
    fn settlement(&self, job: &ClaimedJob) -> Settlement {
        let chance = chance(job.id);
        let type_name = self.types.get(&job.type_id);
        let name = type_name.map_or("", TypeName::as_str);
        let (next, outcome) = match (name, chance % 20) {
            ("fail", _) if job.attempt == 1 => (Next::RetryLarger, OutcomeKind::OutOfMemory),
            ("fail", 0..18) => (Next::Discard, OutcomeKind::FailedFatal),
            ("echo", 0) => (Next::Discard, OutcomeKind::Trapped),
            ("work", 0..10) => (Next::Cancel, OutcomeKind::Cancelled),
            ("work", 10) => (Next::Discard, OutcomeKind::TimedOutWall),
            _ => match type_name.and_then(|type_name| next_step(job, type_name)) {
                Some(job) => (Next::Continue { job }, OutcomeKind::Continued),
                None => {
                    let output = "null".to_owned();
                    (Next::Complete { output }, OutcomeKind::Completed)
                }
            },
        };
        let usage = usage(chance);
        Settlement {
            job: job.id,
            token: job.token,
            failure: outcome.is_failure().then(|| failure(outcome, chance)),
            next,
            outcome,
            usage,
            deployment: None,
            log: vec![LogEntry {
                at_us: usage.wall_us / 2,
                level: LogLevel::Info,
                message: format!("half of it is done, after {} items", chance % 1_000),
                fields: Vec::new(),
            }],
            progress: None,
            children: Vec::new(),
            lineage: job.lineage,
            descendants_max: 0,
            keep: Keep::All,
        }
    }

    /// Takes the newest that were discarded with a rare error back to the queue, and ends them again.
    async fn replay_some(&mut self) -> Result<()> {
        let filter = DeadLetterFilter {
            message: Some(RARE.to_owned()),
            ..DeadLetterFilter::default()
        };
        let note = Some("the ledger is open again".to_owned());
        self.service
            .replay_matching(filter, note, None, false)
            .await?;
        self.finish_round().await?;
        Ok(())
    }

    /// Starts jobs that stay live. Returns how many.
    async fn wait(&mut self, live: u32) -> Result<u32> {
        let share = |percent: u32| live / 100 * percent;
        let sleep = r#"{"ms":1}"#;
        let run = (0..share(RUNNING)).map(|_| start(PAUSED, sleep));
        self.service.start_many(run.collect()).await?;
        let mut running = self.claim(share(RUNNING)).await?.len() as u32;
        while running < share(RUNNING) {
            let more = self.claim(share(RUNNING) - running).await?.len() as u32;
            if more == 0 {
                bail!("{running} jobs could be claimed of {}", share(RUNNING));
            }
            running += more;
        }
        self.pause(Some(PAUSED), "the bench keeps it from running")
            .await?;
        let mut requests = Vec::new();
        for n in 0..share(100 - RUNNING - BLOCKED - SCHEDULED) {
            let mut request = start(PAUSED, sleep);
            request.priority = Some((n % 64) as i16 % PRIORITIES);
            requests.push(request);
        }
        for n in 0..share(SCHEDULED) {
            let mut request = start("echo", MIX[1].1);
            request.delay = Duration::from_secs(24 * 3_600 + u64::from(n));
            requests.push(request);
        }
        let started = self.service.start_many(requests).await?;
        let requests = (0..share(BLOCKED)).map(|n| {
            let mut request = start("noop", "{}");
            request.blockers = vec![started[n as usize / 3].chain_id];
            request
        });
        let blocked = self.service.start_many(requests.collect()).await?;
        Ok(running + (started.len() + blocked.len()) as u32)
    }

    async fn pause(&self, type_name: Option<&str>, note: &str) -> Result<()> {
        let request = PauseRequest {
            type_name: type_name.map(str::to_owned),
            note: Some(note.to_owned()),
            ..PauseRequest::default()
        };
        self.service.pause(request).await?;
        Ok(())
    }

    /// Schedules, and changes that are on record.
    async fn change_much(&self) -> Result<()> {
        for n in 0..SCHEDULES {
            let request = ScheduleRequest {
                name: format!("nightly-{n}"),
                type_name: "noop".to_owned(),
                input: "{}".to_owned(),
                cron: Some(format!("{} 3 1 1 *", n % 60)),
                ..ScheduleRequest::default()
            };
            self.service.put_schedule(request).await?;
        }
        for n in 0..CHANGES {
            let acting = self.service.acting(Acting {
                actor: format!("operator-{}", n % 7),
                token: None,
                request: None,
            });
            let request = PauseRequest {
                type_name: Some("burn".to_owned()),
                note: Some(format!("incident {n}")),
                ..PauseRequest::default()
            };
            match n % 2 {
                0 => drop(acting.pause(request).await?),
                _ => drop(acting.resume(Some("burn")).await?),
            }
        }
        Ok(())
    }

    /// Statistics of each minute of the last day, folded as they would be.
    async fn count_attempts(&self) -> Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros() as i64;
        let now = now - now % MINUTE_US;
        let mut rows = Vec::new();
        for minute in 0..STATISTIC_MINUTES {
            for (type_id, name) in &self.types {
                if MIX.iter().any(|(mixed, _, _)| *mixed == name.as_str()) {
                    rows.push(TypeStatistic {
                        at: Timestamp(now - minute * MINUTE_US),
                        type_id: *type_id,
                        statistic: statistic(name.as_str(), minute as u64),
                    });
                }
            }
        }
        for rows in rows.chunks(BATCH as usize) {
            self.store.put_statistics(self.session, rows).await?;
        }
        for _ in 0..FOLDS {
            self.store.fold().await?;
        }
        Ok(())
    }
}

fn start(type_name: &str, input: &str) -> StartRequest {
    StartRequest {
        type_name: type_name.to_owned(),
        input: input.to_owned(),
        ..StartRequest::default()
    }
}

/// The next job of a chain that counts down, where it is one and is not at its end.
fn next_step(job: &ClaimedJob, type_name: &TypeName) -> Option<NewJob> {
    let left: u32 = job
        .input
        .strip_prefix('[')?
        .split(',')
        .next()?
        .parse()
        .ok()?;
    Some(NewJob {
        id: JobId(Uuid::now_v7()),
        type_name: type_name.clone(),
        input: format!("[{},0]", left.checked_sub(1)?),
        delay_ms: 0,
        not_before: None,
        priority: None,
        limits: LimitsPatch::default(),
        trace_parent: None,
        blockers: Vec::new(),
        on_blocker_failure: OnBlockerFailure::default(),
        parent: None,
    })
}

/// A number that differs from job to job, and is the same again for one job: the random part of its id.
fn chance(job: JobId) -> u64 {
    job.0.as_u128() as u64 & 0xffff_ffff
}

fn usage(chance: u64) -> Usage {
    Usage {
        wall_us: 500 + chance % 40_000,
        cpu_us: 300 + chance % 20_000,
        memory_bytes_peak: (1 + chance % 24) << 20,
        output_bytes: 4,
        log_bytes: 40,
        ..Usage::default()
    }
}

fn failure(kind: OutcomeKind, chance: u64) -> Failure {
    let host = ["payments", "mail", "search", "stock"][chance as usize % 4];
    let message = match chance % RARE_EVERY {
        0 => format!("{RARE} by process {chance}"),
        it if it % 3 == 0 => format!("{host}.example answered 503 after {} ms", chance % 30_000),
        it if it % 3 == 1 => format!("{host}.example:443: connection refused"),
        _ => format!("row {} of the file is no order", chance % 100_000),
    };
    let frames = (0..6).map(|frame| format!("orders::import::step_{frame}::h{chance:016x}"));
    Failure {
        backtrace: frames.collect(),
        details: Some(format!("{{\"order\":{chance}}}")),
        ..Failure::new(kind, message)
    }
}

fn statistic(name: &str, minute: u64) -> Statistic {
    let mut statistic = Statistic::default();
    let all = 40 + (minute * 7 + name.len() as u64 * 13) % 60;
    let failed = if name == "fail" { all / 2 } else { minute % 3 };
    statistic
        .outcomes
        .insert(OutcomeKind::Completed, all - failed);
    statistic
        .outcomes
        .insert(OutcomeKind::FailedRetryable, failed);
    for n in 0..all {
        statistic.wait.record(2_000 + n * n * 40);
        statistic.run.record(900 + n * 150);
    }
    statistic
}
