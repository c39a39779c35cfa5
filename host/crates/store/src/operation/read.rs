//! Reads.

use hardstop_domain::{ChainId, Digest, JobId, State, TypeId, TypeName};
use uuid::Uuid;

use super::{Mode, Operation};
use crate::StoreError;
use crate::record::*;
use crate::transaction::{JobPage, Transaction};

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
read!(Chain(id: ChainId), chain -> Vec<JobSummary>);

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
        // The log of a settlement that ended the job badly is kept once, in the attempt's record,
        // which is the last one. Only a settlement brings usage.
        if let (State::Discarded | State::Cancelled, Some(last)) =
            (job.summary.state, job.attempts.last())
            && job.usage.is_some()
        {
            job.log = last.log.clone();
        }
        Ok(Some(job))
    }
}

/// A page of jobs.
pub(crate) struct Jobs(JobPage);

impl Jobs {
    /// `type_id` is that of the type that the query names. Fails where the page is too large.
    pub(crate) fn new(query: &JobQuery, type_id: Option<TypeId>) -> Result<Self, StoreError> {
        if !(1..=JOB_QUERY_LIMIT_MAX).contains(&query.limit) {
            return Err(StoreError::Invalid(format!(
                "limit {} is not from 1 to {JOB_QUERY_LIMIT_MAX}",
                query.limit
            )));
        }
        let states: Vec<State> = State::ALL
            .into_iter()
            .filter(|state| query.state.is_none_or(|wanted| wanted == *state))
            .collect();
        Ok(Self(JobPage {
            before: query.before.map_or(Uuid::max(), |id| id.0),
            type_id: type_id.map(|id| id.0),
            limit: i64::from(query.limit),
            live: states.iter().any(|state| !state.is_final()),
            done: states.iter().any(|state| state.is_final()),
            states: states.into_iter().map(State::code).collect(),
        }))
    }
}

impl Operation for Jobs {
    type Output = Vec<JobSummary>;

    fn mode(&self) -> Mode {
        Mode::READ
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Vec<JobSummary>, StoreError> {
        tx.jobs(&self.0).await
    }
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
