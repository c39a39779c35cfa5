//! Reads.

use hardstop_domain::job::BLOCKERS_MAX;
use hardstop_domain::{ChainId, DeploymentId, Digest, JobId, State, TypeId, TypeName};

use super::{Mode, Operation, check_limit};
use crate::StoreError;
use crate::record::*;
use crate::transaction::Transaction;

/// A read that is one statement.
macro_rules! read {
    ($name:ident $(($arg:ident: $type:ty))?, $method:ident -> $output:ty) => {
        pub(crate) struct $name $((pub(crate) $type))?;

        impl Operation for $name {
            type Output = $output;

            fn mode(&self) -> Mode {
                Mode::READ
            }

            async fn run(&self, tx: &mut dyn Transaction) -> Result<$output, StoreError> {
                $(let Self($arg) = self;)?
                tx.$method($(*$arg)?).await
            }
        }
    };
}

read!(Components, components -> Vec<Component>);
read!(Types, types -> Vec<ActiveType>);
read!(TypeNumbers, type_ids -> Vec<(TypeName, TypeId)>);
read!(Pauses, pauses -> Vec<Pause>);
read!(NextResume, next_resume -> Option<i64>);
read!(Schedules, schedules -> Vec<Schedule>);
read!(Sessions, sessions -> Vec<Session>);
read!(Version, version -> String);
read!(ComponentBytes(digest: Digest), component_bytes -> Option<Vec<u8>>);
read!(FileBytes(digest: Digest), file_bytes -> Option<Vec<u8>>);
read!(Deployment(id: DeploymentId), deployment -> Option<DeploymentDetail>);
read!(Quarantines(id: Option<TypeId>), quarantines -> Vec<Quarantine>);
read!(Chain(id: ChainId), chain -> Vec<JobSummary>);

/// The most samples of what a type's jobs used.
const USAGE_LIMIT_MAX: u32 = 10_000;

/// What jobs of a type used.
pub(crate) struct TypeUsage {
    type_id: TypeId,
    limit: u32,
}

impl TypeUsage {
    pub(crate) fn new(type_id: TypeId, limit: u32) -> Result<Self, StoreError> {
        check_limit(limit, USAGE_LIMIT_MAX)?;
        Ok(Self { type_id, limit })
    }
}

impl Operation for TypeUsage {
    type Output = Vec<UsageSample>;

    fn mode(&self) -> Mode {
        Mode::LIST
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Vec<UsageSample>, StoreError> {
        tx.type_usage(self.type_id, i64::from(self.limit)).await
    }
}

/// One job in full.
pub(crate) struct Job(pub(crate) JobId);

impl Operation for Job {
    type Output = Option<JobDetail>;

    fn mode(&self) -> Mode {
        Mode::READ
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Option<JobDetail>, StoreError> {
        let Some(mut job) = tx.job(self.0).await? else {
            return Ok(None);
        };
        job.attempts = tx.attempts(self.0).await?;
        job.blockers = tx
            .job_blockers(&[self.0], count(BLOCKERS_MAX), false)
            .await?;
        // The log of a settlement that ended the job badly is kept once, in the attempt's record,
        // which is the last one. Only a settlement brings usage.
        if let (State::Discarded | State::Cancelled, Some(last)) =
            (job.summary.state, job.attempts.last())
            && job.usage.is_some()
        {
            job.log = last.log.clone();
        }
        if job.summary.state == State::Running {
            for (log, progress) in tx.attempt_live(self.0).await? {
                job.log.extend(log);
                job.progress = progress.or(job.progress);
            }
        }
        Ok(Some(job))
    }
}

/// One chain in full.
pub(crate) struct ChainInFull(pub(crate) ChainId);

impl Operation for ChainInFull {
    type Output = Option<ChainDetail>;

    fn mode(&self) -> Mode {
        Mode::READ
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Option<ChainDetail>, StoreError> {
        let Some(mut chain) = tx.chain_detail(self.0).await? else {
            return Ok(None);
        };
        chain.jobs = tx.chain(self.0).await?;
        let ids: Vec<JobId> = chain.jobs.iter().map(|job| job.id).collect();
        chain.blockers = tx.job_blockers(&ids, count(BLOCKERS_MAX), false).await?;
        // One more tells whether there are more.
        let limit = count(CHAIN_DEPENDENTS_MAX) + 1;
        chain.dependents = tx.chain_dependents(self.0, limit).await?;
        chain.more_dependents = chain.dependents.len() > CHAIN_DEPENDENTS_MAX;
        chain.dependents.truncate(CHAIN_DEPENDENTS_MAX);
        Ok(Some(chain))
    }
}

/// A count as a statement takes it.
pub(super) fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Upkeep that both databases need.
pub(crate) struct Maintain;

impl Operation for Maintain {
    type Output = ();

    fn mode(&self) -> Mode {
        Mode::WRITE.resend()
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<(), StoreError> {
        tx.maintain().await
    }
}
