//! Reads rows of either database into records.

pub(crate) mod audit;
pub(crate) mod deployment;
pub(crate) mod listener;
pub(crate) mod pause;
mod read;
pub(crate) mod running;
pub(crate) mod schedule;
pub(crate) mod statistic;
pub(crate) mod subscription;
pub(crate) mod token;

use hardstop_domain::outcome::Progress;
use hardstop_domain::{
    ChainId, DeploymentId, Digest, Failure, JobId, LeaseToken, LimitsPatch, Lineage, LogEntry,
    OnBlockerFailure, OutcomeKind, ReplayId, SessionId, State, Timestamp, TypeId, TypeName, Usage,
};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::StoreError;
use crate::record::*;
use crate::transaction::ChainJob;
pub(crate) use read::*;
pub(crate) use schedule::HeldSchedule;

/// A row of either database. The five `get` methods differ by driver; the rest is the same.
pub(crate) trait View {
    fn get_int(&self, column: &'static str) -> Result<Option<i64>, StoreError>;
    fn get_text(&self, column: &'static str) -> Result<Option<String>, StoreError>;
    fn get_uuid(&self, column: &'static str) -> Result<Option<Uuid>, StoreError>;
    fn get_time(&self, column: &'static str) -> Result<Option<Timestamp>, StoreError>;
    fn get_bytes(&self, column: &'static str) -> Result<Option<Vec<u8>>, StoreError>;

    fn int<T: TryFrom<i64>>(&self, column: &'static str) -> Result<T, StoreError> {
        narrow(present(self.get_int(column)?, column)?, column)
    }

    fn int_option<T: TryFrom<i64>>(&self, column: &'static str) -> Result<Option<T>, StoreError> {
        self.get_int(column)?
            .map(|value| narrow(value, column))
            .transpose()
    }

    fn flag(&self, column: &'static str) -> Result<bool, StoreError> {
        Ok(self.int::<i64>(column)? != 0)
    }

    fn text(&self, column: &'static str) -> Result<String, StoreError> {
        present(self.get_text(column)?, column)
    }

    fn uuid(&self, column: &'static str) -> Result<Uuid, StoreError> {
        present(self.get_uuid(column)?, column)
    }

    fn time(&self, column: &'static str) -> Result<Timestamp, StoreError> {
        present(self.get_time(column)?, column)
    }

    fn bytes(&self, column: &'static str) -> Result<Vec<u8>, StoreError> {
        present(self.get_bytes(column)?, column)
    }

    fn json_option<T: DeserializeOwned>(
        &self,
        column: &'static str,
    ) -> Result<Option<T>, StoreError> {
        self.get_text(column)?
            .map(|text| parse(&text, column))
            .transpose()
    }

    fn type_name(&self, column: &'static str) -> Result<TypeName, StoreError> {
        self.text(column)?
            .parse()
            .map_err(|error| StoreError::Corrupt(format!("{error}")))
    }

    fn name_option(&self, column: &'static str) -> Result<Option<TypeName>, StoreError> {
        self.get_text(column)?
            .map(|text| text.parse())
            .transpose()
            .map_err(|error| StoreError::Corrupt(format!("{error}")))
    }

    fn digest_option(&self, column: &'static str) -> Result<Option<Digest>, StoreError> {
        let Some(bytes) = self.get_bytes(column)? else {
            return Ok(None);
        };
        let bytes: [u8; 32] = bytes.try_into().map_err(|bytes: Vec<u8>| {
            StoreError::Corrupt(format!("{column} of {} bytes", bytes.len()))
        })?;
        Ok(Some(Digest(bytes)))
    }

    fn digest(&self, column: &'static str) -> Result<Digest, StoreError> {
        present(self.digest_option(column)?, column)
    }

    fn state(&self) -> Result<State, StoreError> {
        let code = self.int("state")?;
        State::from_code(code)
            .ok_or_else(|| StoreError::Corrupt(format!("unknown job state {code}")))
    }

    fn outcome_option(&self) -> Result<Option<OutcomeKind>, StoreError> {
        let Some(code) = self.int_option("outcome")? else {
            return Ok(None);
        };
        OutcomeKind::from_code(code)
            .map(Some)
            .ok_or_else(|| StoreError::Corrupt(format!("unknown outcome {code}")))
    }

    fn state_option(&self, column: &'static str) -> Result<Option<State>, StoreError> {
        let Some(code) = self.int_option(column)? else {
            return Ok(None);
        };
        State::from_code(code)
            .map(Some)
            .ok_or_else(|| StoreError::Corrupt(format!("unknown job state {code}")))
    }

    fn token_option(&self) -> Result<Option<LeaseToken>, StoreError> {
        Ok(self.int_option("lease_token")?.map(LeaseToken))
    }
}

fn present<T>(value: Option<T>, column: &'static str) -> Result<T, StoreError> {
    value.ok_or_else(|| StoreError::Corrupt(format!("{column} is null")))
}

fn narrow<T: TryFrom<i64>>(value: i64, column: &'static str) -> Result<T, StoreError> {
    T::try_from(value).map_err(|_| StoreError::Corrupt(format!("{column} = {value}")))
}

fn parse<T: DeserializeOwned>(text: &str, column: &'static str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt(format!("{column}: {error}")))
}

/// A live row, as the statements return it that take, finish or give back a job.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) id: JobId,
    pub(crate) chain_id: ChainId,
    pub(crate) type_id: TypeId,
    /// None once the lease has gone.
    pub(crate) token: Option<LeaseToken>,
    pub(crate) attempt: i16,
    pub(crate) run: i32,
    pub(crate) rescues: i16,
    pub(crate) priority: i16,
    pub(crate) claimed_at: Option<Timestamp>,
    /// Whether jobs may wait for its chain.
    pub(crate) blocking: bool,
    /// Whether its chain holds a deduplication key.
    pub(crate) keyed: bool,
}

pub(crate) fn held(row: &impl View) -> Result<Held, StoreError> {
    Ok(Held {
        id: JobId(row.uuid("id")?),
        chain_id: ChainId(row.uuid("chain_id")?),
        type_id: TypeId(row.int("type_id")?),
        token: row.token_option()?,
        attempt: row.int("attempt")?,
        run: row.int("run")?,
        rescues: row.int("rescues")?,
        priority: row.int("priority")?,
        claimed_at: row.get_time("claimed_at")?,
        blocking: row.flag("blocking")?,
        keyed: row.flag("keyed")?,
    })
}

pub(crate) fn lease(row: &impl View) -> Result<(JobId, LeaseToken), StoreError> {
    Ok((JobId(row.uuid("id")?), LeaseToken(row.int("lease_token")?)))
}

/// What a claim found.
pub(crate) struct Claimed {
    /// Whether the session is alive.
    pub(crate) alive: bool,
    /// The jobs, in no order, without their blockers' results.
    pub(crate) jobs: Vec<ClaimedJob>,
    /// Those that had blockers.
    pub(crate) with_blockers: Vec<JobId>,
}

impl Claimed {
    /// Of no job so far, with room for these.
    pub(crate) fn new(alive: bool, capacity: usize) -> Self {
        Self {
            alive,
            jobs: Vec::with_capacity(capacity),
            with_blockers: Vec::new(),
        }
    }

    /// Adds the job of a row.
    pub(crate) fn add(&mut self, row: &impl View) -> Result<(), StoreError> {
        // A row without a job says only that the session lives.
        let Some(id) = row.get_uuid("id")? else {
            return Ok(());
        };
        let id = JobId(id);
        let chain_id = ChainId(row.uuid("chain_id")?);
        let job = ClaimedJob {
            id,
            chain_id,
            type_id: TypeId(row.int("type_id")?),
            token: LeaseToken(row.int("lease_token")?),
            attempt: row.int("attempt")?,
            run: row.int("run")?,
            rescues: row.int("rescues")?,
            priority: row.int("priority")?,
            input: row.text("input")?,
            limits: row.json_option("limits")?.unwrap_or_default(),
            trace_parent: row.get_text("trace_parent")?,
            created_at: row.time("created_at")?,
            due_at: row.time("due_at")?,
            claimed_at: row.time("claimed_at")?,
            snoozes: row.int("snoozes")?,
            snoozed_ms: row.int("snoozed_ms")?,
            larger_memory: row.flag("larger_memory")?,
            blockers: Vec::new(),
            lineage: Lineage {
                root: row.get_uuid("root_chain")?.map_or(chain_id, ChainId),
                depth: row.int_option("depth")?.unwrap_or(0),
            },
            descendants: row.int_option("descendants")?.unwrap_or(0),
            unchecked: row.int_option::<i64>("unchecked")? == Some(1),
        };
        if row.int::<i64>("blockers")? > 0 {
            self.with_blockers.push(id);
        }
        self.jobs.push(job);
        Ok(())
    }
}

/// A blocked job, as a chain that it waits for closes.
#[derive(Debug, Clone)]
pub(crate) struct Awaiting {
    pub(crate) job: JobId,
    pub(crate) position: i32,
    pub(crate) chain: ChainId,
    pub(crate) closed_by: JobId,
    pub(crate) state: State,
    pub(crate) policy: OnBlockerFailure,
}

pub(crate) fn awaiting(row: &impl View) -> Result<Awaiting, StoreError> {
    let code = row.int("on_blocker_failure")?;
    Ok(Awaiting {
        job: JobId(row.uuid("job_id")?),
        position: row.int("position")?,
        chain: ChainId(row.uuid("chain_id")?),
        closed_by: JobId(row.uuid("closed_by")?),
        state: row.state()?,
        policy: OnBlockerFailure::from_code(code)
            .ok_or_else(|| StoreError::Corrupt(format!("on_blocker_failure = {code}")))?,
    })
}

/// A chain's end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FinalJob {
    pub(crate) job: JobId,
    pub(crate) chain: ChainId,
    pub(crate) state: State,
}

pub(crate) fn final_job(row: &impl View) -> Result<FinalJob, StoreError> {
    Ok(FinalJob {
        job: JobId(row.uuid("id")?),
        chain: ChainId(row.uuid("chain_id")?),
        state: row.state()?,
    })
}

pub(crate) fn key(row: &impl View) -> Result<(i32, String, ChainId), StoreError> {
    Ok((
        row.int("type_id")?,
        row.text("key")?,
        ChainId(row.uuid("chain_id")?),
    ))
}

pub(crate) fn blocker_result(row: &impl View) -> Result<(JobId, BlockerResult), StoreError> {
    let state = row.int_option::<i16>("state")?;
    let result = BlockerResult {
        chain_id: ChainId(row.uuid("chain_id")?),
        state: state.and_then(State::from_code),
        output_bytes: row.int_option("output_bytes")?.unwrap_or(0),
        output: row.get_text("output")?,
        failure: row.json_option("failure")?,
        origin: match row.get_uuid("closed_by")? {
            Some(job) => Some(BlockerOrigin {
                job: JobId(job),
                run: row.int("run")?,
                root: ChainId(row.uuid("root_chain")?),
                trace_parent: row.get_text("trace_parent")?,
            }),
            None => None,
        },
    };
    Ok((JobId(row.uuid("job_id")?), result))
}

/// One chain that a job waits for, or waited for.
pub(crate) struct Blocker {
    pub(crate) position: i32,
    pub(crate) chain: ChainId,
    pub(crate) overridden: bool,
}

pub(crate) fn blocker(row: &impl View) -> Result<Blocker, StoreError> {
    Ok(Blocker {
        position: row.int("position")?,
        chain: ChainId(row.uuid("chain_id")?),
        overridden: row.flag("overridden")?,
    })
}

/// A job that was taken back to the queue.
pub(crate) struct Reopened {
    pub(crate) id: JobId,
    pub(crate) chain: ChainId,
    pub(crate) blockers: i32,
    pub(crate) keyed: bool,
}

pub(crate) fn reopened(row: &impl View) -> Result<Reopened, StoreError> {
    Ok(Reopened {
        id: JobId(row.uuid("id")?),
        chain: ChainId(row.uuid("chain_id")?),
        blockers: row.int("blockers")?,
        keyed: row.flag("keyed")?,
    })
}

pub(crate) fn summary(row: &impl View) -> Result<JobSummary, StoreError> {
    let state = row.state()?;
    Ok(JobSummary {
        id: JobId(row.uuid("id")?),
        chain_id: ChainId(row.uuid("chain_id")?),
        type_name: row.type_name("type_name")?,
        state,
        outcome: row.outcome_option()?,
        attempt: row.int("attempt")?,
        rescues: row.int("rescues")?,
        snoozes: row.int("snoozes")?,
        priority: row.int("priority")?,
        created_at: row.time("created_at")?,
        due_at: row.time("due_at")?,
        started_at: row.get_time("started_at")?,
        finished_at: row.get_time("finished_at")?,
        session: row.token_option()?.map(LeaseToken::session),
    })
}

/// What a final job's last run used. None where no run of a guest ended it.
pub(crate) fn usage(row: &impl View) -> Result<Option<Usage>, StoreError> {
    let Some(wall_us) = row.int_option("wall_us")? else {
        return Ok(None);
    };
    Ok(Some(Usage {
        wall_us,
        cpu_us: row.int("cpu_us")?,
        fuel: row.int_option("fuel")?,
        memory_bytes_peak: row.int("memory_bytes_peak")?,
        output_bytes: row.int("output_bytes")?,
        log_bytes: row.int("log_bytes")?,
        log_bytes_dropped: row.int("log_bytes_dropped")?,
        detail: row.json_option("usage_detail")?.unwrap_or_default(),
    }))
}

/// As [`usage`], with the deployment that ran.
pub(crate) fn usage_sample(row: &impl View) -> Result<Option<UsageSample>, StoreError> {
    let Some(usage) = usage(row)? else {
        return Ok(None);
    };
    Ok(Some(UsageSample {
        deployment: row.get_uuid("deployment")?.map(DeploymentId),
        usage,
    }))
}

/// A job without its attempts.
pub(crate) fn detail(row: &impl View) -> Result<JobDetail, StoreError> {
    let usage = usage(row)?;
    let summary = summary(row)?;
    Ok(JobDetail {
        lineage: lineage(row, summary.chain_id)?,
        key: row.get_text("key")?,
        parent_job: row.get_uuid("parent_job")?.map(JobId),
        blockers: Vec::new(),
        deadline_at: row.get_time("deadline_at")?,
        completion_token: row.get_uuid("completion_token")?,
        summary,
        input: row.get_text("input")?.unwrap_or_else(|| "null".to_owned()),
        limits: row
            .json_option::<LimitsPatch>("limits")?
            .unwrap_or_default(),
        output: row.get_text("output")?,
        failure: row.json_option("failure")?,
        usage,
        deployment: row.get_uuid("deployment")?.map(DeploymentId),
        component: row.digest_option("component")?,
        run: row.int("run")?,
        log: row.json_option("log")?.unwrap_or_default(),
        progress: None,
        continued_to: row.get_uuid("continued_to")?.map(JobId),
        attempts: Vec::new(),
    })
}

pub(crate) fn attempt(row: &impl View) -> Result<AttemptRecord, StoreError> {
    Ok(AttemptRecord {
        run: row.int("run")?,
        attempt: row.int("attempt")?,
        outcome: row
            .outcome_option()?
            .ok_or_else(|| StoreError::Corrupt("outcome is null".to_owned()))?,
        failure: row.json_option::<Failure>("failure")?,
        usage: row.json_option::<Usage>("usage")?,
        deployment: row.get_uuid("deployment")?.map(DeploymentId),
        component: row.digest_option("component")?,
        log: row.json_option::<Vec<LogEntry>>("log")?.unwrap_or_default(),
        progress: row.json_option::<Progress>("progress")?,
        session: SessionId(row.int("session")?),
        host: row.text("host")?,
        started_at: row.time("started_at")?,
        finished_at: row.time("finished_at")?,
    })
}

pub(crate) fn session(row: &impl View) -> Result<Session, StoreError> {
    Ok(Session {
        id: SessionId(row.int("id")?),
        host: row.text("host")?,
        started_at: row.time("started_at")?,
        expires_at: row.time("expires_at")?,
        expired: row.flag("expired")?,
        running: row.int("running")?,
        slots: row.int_option("slots")?,
        slots_used: row.int_option("slots_used")?,
        memory_budget: row.int_option("memory_budget")?,
        memory_admitted: row.int_option("memory_admitted")?,
        draining: row.flag("draining")?,
        drain_asked_at: row.get_time("drain_asked_at")?,
    })
}

pub(crate) fn component(row: &impl View) -> Result<Component, StoreError> {
    Ok(Component {
        digest: row.digest("digest")?,
        name: row.text("name")?,
        size_bytes: row.int("size_bytes")?,
        created_at: row.time("created_at")?,
        types: row.json_option("types")?.unwrap_or_default(),
    })
}

pub(crate) fn type_number(row: &impl View) -> Result<(TypeName, TypeId), StoreError> {
    Ok((row.type_name("name")?, TypeId(row.int("id")?)))
}

/// A final job that may be replayed.
#[derive(Debug, Clone)]
pub(crate) struct Dead {
    pub(crate) id: JobId,
    pub(crate) state: State,
    pub(crate) outcome: i16,
    pub(crate) failure: Option<String>,
    /// Whether its input is still kept.
    pub(crate) has_body: bool,
    /// Whether another job of its chain is live.
    pub(crate) chain_live: bool,
}

pub(crate) fn dead(row: &impl View) -> Result<Dead, StoreError> {
    Ok(Dead {
        id: JobId(row.uuid("id")?),
        state: row.state()?,
        outcome: row.int("outcome")?,
        failure: row.get_text("failure")?,
        has_body: row.flag("has_body")?,
        chain_live: row.flag("chain_live")?,
    })
}

pub(crate) fn dead_letter(row: &impl View) -> Result<DeadLetter, StoreError> {
    Ok(DeadLetter {
        summary: summary(row)?,
        failure: row.json_option("failure")?,
    })
}

pub(crate) fn replay(row: &impl View) -> Result<Replay, StoreError> {
    Ok(Replay {
        id: ReplayId(row.uuid("id")?),
        created_at: row.time("created_at")?,
        actor: row.text("actor")?,
        note: row.get_text("note")?,
        filter: parse(&row.text("filter")?, "filter")?,
        jobs: row.int("jobs")?,
    })
}

pub(crate) fn replayed_job(row: &impl View) -> Result<ReplayedJob, StoreError> {
    let was_outcome = row.int("was_outcome")?;
    Ok(ReplayedJob {
        id: JobId(row.uuid("id")?),
        type_name: match row.get_text("type_name")? {
            Some(_) => Some(row.type_name("type_name")?),
            None => None,
        },
        was: present(row.state_option("was")?, "was")?,
        was_outcome: OutcomeKind::from_code(was_outcome)
            .ok_or_else(|| StoreError::Corrupt(format!("unknown outcome {was_outcome}")))?,
        was_failure: row.json_option("was_failure")?,
        state: row.state_option("state")?,
        outcome: row.outcome_option()?,
    })
}

pub(crate) fn chain_job(row: &impl View) -> Result<ChainJob, StoreError> {
    Ok(ChainJob {
        id: JobId(row.uuid("id")?),
        chain_id: ChainId(row.uuid("chain_id")?),
        state: row.state()?,
    })
}

/// Reads every row.
pub(crate) fn all<R, T>(
    rows: &[R],
    read: impl Fn(&R) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    rows.iter().map(read).collect()
}

/// What a completion from outside is measured by.
#[derive(Debug)]
pub(crate) struct External {
    pub(crate) is_external: bool,
    /// Whether the token is the job's.
    pub(crate) matches: bool,
    /// Whether its deadline has passed.
    pub(crate) late: bool,
    root_chain: Option<ChainId>,
    depth: u32,
    pub(crate) trace_parent: Option<String>,
}

impl External {
    /// Where a job of this chain stands among the chains that handlers started.
    pub(crate) fn lineage(&self, chain: ChainId) -> Lineage {
        Lineage {
            root: self.root_chain.unwrap_or(chain),
            depth: self.depth,
        }
    }
}

pub(crate) fn external(row: &impl View) -> Result<External, StoreError> {
    Ok(External {
        is_external: row.flag("is_external")?,
        matches: row.flag("matches")?,
        late: row.flag("late")?,
        root_chain: row.get_uuid("root_chain")?.map(ChainId),
        depth: row.int_option("depth")?.unwrap_or(0),
        trace_parent: row.get_text("trace_parent")?,
    })
}

pub(crate) fn completion(row: &impl View) -> Result<Completion, StoreError> {
    Ok(Completion {
        token: row.uuid("completion_token")?,
        deadline_at: row.get_time("deadline_at")?,
    })
}

/// An external job past its deadline.
#[derive(Debug)]
pub(crate) struct Late {
    pub(crate) job: JobId,
    pub(crate) deadline_at: Timestamp,
    pub(crate) deadline_ms: u64,
}

pub(crate) fn late(row: &impl View) -> Result<Late, StoreError> {
    Ok(Late {
        job: JobId(row.uuid("id")?),
        deadline_at: row.time("deadline_at")?,
        deadline_ms: row.int("deadline_ms")?,
    })
}
