//! Where Hardstop keeps its jobs.
//!
//! One trait, [`Store`], with few coarse operations, each one transaction. No transaction leaves it.
//! [`connect()`] opens the store that a database URL names. All SQL of the project is in this crate,
//! in files of the same names under `postgres/` and `sqlite/`.

#![forbid(unsafe_code)]

mod connect;
mod error;
mod migration;
mod operation;
pub mod postgres;
mod record;
mod row;
pub mod sqlite;
mod store;
mod transaction;
mod view;
mod wake;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hardstop_domain::{
    ChainId, DeploymentId, Digest, JobId, LeaseToken, NewChain, ReplayId, ScheduleName, SessionId,
    SubscriptionId, SubscriptionName, TokenId, TypeName,
};

use uuid::Uuid;

pub use connect::{ConnectOptions, connect};
pub use error::{CanaryRefusal, StoreError};
pub use record::*;

/// The durable side of Hardstop. Every implementation passes the one conformance suite.
///
/// * Each operation is one transaction (or one statement) and has a timeout.
/// * The database's clock decides.
/// * Every write of a worker names its lease token; a row that no longer carries it is left alone.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Which database this is, for people: `SQLite 3.50.4, data/hardstop.db`. Without secrets.
    async fn describe(&self) -> Result<String, StoreError>;

    /// Brings the schema to this host's version. Safe when two hosts do it at once. Returns the
    /// names of the migrations applied now.
    async fn migrate(&self) -> Result<Vec<String>, StoreError>;

    /// Fails with [`StoreError::SchemaBehind`] or [`StoreError::SchemaAhead`] where the schema is not
    /// this host's.
    async fn check_schema(&self) -> Result<(), StoreError>;

    /// Upkeep that any host may do at any time, such as making the partitions of the coming days.
    async fn maintain(&self) -> Result<(), StoreError>;

    // --- On whose behalf ---

    /// The same store on somebody's behalf: what is changed over it is recorded with the change, in its transaction; and
    /// where the request has a key, the first of [`Store::enqueue`], [`Store::deploy`], [`Store::trigger_schedule`],
    /// [`Store::put_token`] and [`Store::reserve`] that commits is the only one: those that come later with the key are
    /// answered as it was, for a day. Two that come at once wait for each other. All of them fail with
    /// [`StoreError::RequestReused`] where another request has the key. Starts are not recorded: each leaves a job.
    fn acting(&self, acting: Acting) -> Arc<dyn Store>;
    /// The id that the first call for the request gave; this one where it is the first, or the request has no key.
    async fn reserve(&self, id: Uuid) -> Result<Uuid, StoreError>;
    /// A page of records of changes, newest first. Fails with [`StoreError::Invalid`] for a limit out of its range.
    async fn audit(&self, query: &AuditQuery) -> Result<Vec<AuditRecord>, StoreError>;

    // --- Components and types ---

    /// Stores a component and puts its types in force, as one deployment, which ends their canaries; or, with a share,
    /// makes it the canary of all its types. Deploying the same again makes a new deployment of the same component, and
    /// a type whose component is in quarantine stays held. Fails with [`StoreError::CanaryRefused`].
    async fn deploy(&self, deployment: NewDeployment) -> Result<Deployment, StoreError>;
    /// The bytes of a component.
    async fn component_bytes(&self, digest: Digest) -> Result<Option<Vec<u8>>, StoreError>;
    /// The bytes of a file that a deployment carries.
    async fn file_bytes(&self, digest: Digest) -> Result<Option<Vec<u8>>, StoreError>;
    /// Every component, newest first.
    async fn components(&self) -> Result<Vec<Component>, StoreError>;
    /// Every active type, by name.
    async fn types(&self) -> Result<Vec<ActiveType>, StoreError>;
    /// What the last runs of the newest jobs of a type used, of those that ended well; at the most so many, from
    /// 1 to 10,000.
    ///
    /// # Errors
    /// [`StoreError::UnknownType`], and [`StoreError::Invalid`] for another number.
    async fn type_usage(&self, name: &TypeName, limit: u32)
    -> Result<Vec<UsageSample>, StoreError>;

    /// The newest deployments, from 1 to [`DEPLOYMENT_LIMIT_MAX`].
    async fn deployments(&self, limit: u32) -> Result<Vec<DeploymentDetail>, StoreError>;
    /// One deployment.
    async fn deployment(&self, id: DeploymentId) -> Result<Option<DeploymentDetail>, StoreError>;
    /// The deployments of a type and what was done with them, the newest [`DEPLOYMENT_LIMIT_MAX`] of each. Fails with
    /// [`StoreError::UnknownType`].
    async fn type_history(&self, name: &TypeName) -> Result<TypeHistory, StoreError>;
    /// Puts a deployment of before in force again, and ends the canary: the one named, released from quarantine; or the
    /// newest before the one in force that was in force itself and is not in quarantine. Fails with
    /// [`StoreError::UnknownType`].
    async fn rollback(
        &self,
        name: &TypeName,
        to: Option<DeploymentId>,
    ) -> Result<RolledBack, StoreError>;
    /// Changes the share of a type's canary, or ends it one way or the other. Answers with its deployment; none where
    /// there is no canary. Fails with [`StoreError::UnknownType`].
    async fn change_canary(
        &self,
        name: &TypeName,
        change: CanaryChange,
    ) -> Result<Option<DeploymentId>, StoreError>;

    // --- Quarantine ---

    /// Counts how attempts ended that were settled, and quarantines their component where its rule says so: no job of
    /// a type is claimed from then on whose component in force it is, and where it is the canary's, that ends. Answers
    /// with a quarantine that this call began, and whether a canary ended by it: of several hosts one gets it.
    async fn count(&self, tally: NewTally) -> Result<Option<(Quarantine, bool)>, StoreError>;
    /// The components in quarantine, by type.
    async fn quarantines(&self) -> Result<Vec<Quarantine>, StoreError>;
    /// Ends every quarantine of a type; only attempts that are claimed from now on count. Returns how many there were.
    /// Fails with [`StoreError::UnknownType`].
    async fn release(&self, name: &TypeName) -> Result<u64, StoreError>;

    // --- Starting ---

    /// Starts chains, all or none. Wakes idle workers after the commit. Fails with
    /// [`StoreError::UnknownType`] where a type is not deployed. After a transient error nobody knows
    /// whether the chains were started; started again with the same ids, they are either started now
    /// or a [`StoreError::DuplicateJob`].
    ///
    /// Answers in the order of the batch. A start whose key is taken is answered with the chain that
    /// has it, and a blocker that names such a start waits for that chain. Fails with
    /// [`StoreError::UnknownChain`] for a blocker that does not exist, and with
    /// [`StoreError::BlockerCycle`] where chains of the batch wait for each other.
    async fn enqueue(&self, chains: &[NewChain]) -> Result<Vec<Started>, StoreError>;

    // --- Working ---

    /// Registers a worker process. `lease_duration` is how long it is trusted without a heartbeat;
    /// `types` are those that it runs, none meaning all.
    async fn open_session(
        &self,
        host: &str,
        lease_duration: Duration,
        types: Option<&[TypeName]>,
    ) -> Result<SessionId, StoreError>;

    /// Renews the session's lease. It is the only renewal, however many jobs run. Tells what it holds under these leases, which
    /// are its own.
    async fn heartbeat(
        &self,
        session: SessionId,
        leases: &[LeaseToken],
    ) -> Result<Heartbeat, StoreError>;

    /// Ends a session: what it still holds becomes ready, uncounted.
    async fn close_session(&self, session: SessionId) -> Result<u64, StoreError>;

    /// Leases up to `request.total` ready jobs, at most the quota of each type; in turns between the
    /// types, and inside a type by priority, due time and id. Jobs come back in the order in which
    /// they are to run. Fails with [`StoreError::SessionEnded`] for a session that is dead or unknown;
    /// gives nothing to one whose lease has run out, until its heartbeat renews it. After a transient
    /// error nobody knows whether jobs were leased: the next heartbeat tells (see [`Heartbeat::held`]).
    async fn claim(&self, request: &ClaimRequest) -> Result<Vec<ClaimedJob>, StoreError>;

    /// Writes what attempts came to, all in one transaction: finishes, retries, continuations,
    /// children and attempt records. Answers in the order of the batch. A bad settlement is refused
    /// alone; the others stand. A settlement that was already written is answered as before, so a
    /// batch whose reply was lost may be sent again.
    async fn settle(&self, batch: &[Settlement]) -> Result<Vec<Settled>, StoreError>;

    /// Notes how the session's worker stands, where that has changed, and says whether it was asked to drain.
    async fn stand(
        &self,
        session: SessionId,
        standing: Option<Standing>,
    ) -> Result<bool, StoreError>;

    /// Asks a worker to drain: it sees that when it tells how it [stands](Store::stand). Its host; none where its session has
    /// ended, or it was asked before.
    async fn drain_session(&self, session: SessionId) -> Result<Option<String>, StoreError>;

    /// Keeps what attempts said that still run under these leases, to be read with their jobs, and removes what those
    /// said that have `ended`. A part that was kept before is replaced.
    async fn put_live(
        &self,
        parts: &[LivePart],
        ended: &[(JobId, LeaseToken)],
    ) -> Result<(), StoreError>;

    /// Ends the sessions whose lease has run out and gives their jobs back: ready, the attempt not
    /// counted, `rescues` one higher, the lost attempt recorded. A job that has been rescued
    /// [`hardstop_domain::transition::RESCUES_MAX`] times is discarded as `lost`.
    async fn rescue(&self) -> Result<Vec<Rescued>, StoreError>;

    /// Makes the scheduled jobs ready whose time has come, a bounded batch. Returns how many, and
    /// when the next one is due.
    async fn promote_due(&self) -> Result<Promoted, StoreError>;

    // --- Operating ---

    /// Cancels a job that is not final. A running one loses its lease there and then; its worker
    /// sees that at its next heartbeat, which a wake-up brings forward.
    async fn cancel(&self, job: JobId) -> Result<Cancelled, StoreError>;

    /// Cancels the live job of a chain, and so closes the chain.
    async fn cancel_chain(&self, chain: ChainId) -> Result<CancelledChain, StoreError>;

    /// Makes a queued job due at another time. A blocked one stays blocked, unless it is to run now and
    /// `force` says that it does so without the blockers that it still awaits.
    async fn reschedule(&self, job: JobId, due: Due, force: bool) -> Result<Moved, StoreError>;

    /// Tells jobs whose blockers have closed, where whoever closed them did not come to it. Every operation
    /// does so by itself; this is for what a process left behind that died. Returns whether there was any.
    async fn unblock(&self) -> Result<bool, StoreError>;

    /// Makes a discarded or cancelled job ready again, its attempts and rescues counted from zero
    /// (its attempt records stay), or a scheduled one at once. Reopens its chain.
    async fn retry(&self, job: JobId) -> Result<Retried, StoreError>;

    // --- Pausing ---

    /// Keeps jobs of a type, or all, from being claimed by any host, from the commit on. What runs goes
    /// on, and so does a claim that had begun. A pause that is there already is replaced. Fails with
    /// [`StoreError::UnknownType`], and with [`StoreError::PauseOver`] where its end has passed.
    async fn pause(&self, pause: NewPause) -> Result<Pause, StoreError>;
    /// Ends the pause of a type, or of everything; each is a pause of its own. Says whether there was
    /// one. Wakes idle workers.
    async fn resume(&self, type_name: Option<&TypeName>) -> Result<bool, StoreError>;
    /// The pauses in force: of everything first, then by type.
    async fn pauses(&self) -> Result<Vec<Pause>, StoreError>;
    /// Forgets the pauses that are over, and then wakes idle workers. They stopped to count at their time.
    async fn end_pauses(&self) -> Result<EndedPauses, StoreError>;

    // --- Scheduling ---

    /// Makes a schedule, or changes the one of its name: whether that is paused, and what it did, stays,
    /// and so does the time at which it is due next if the timing is the same.
    async fn put_schedule(&self, schedule: NewSchedule) -> Result<PutSchedule, StoreError>;
    /// Every schedule, by name.
    async fn schedules(&self) -> Result<Vec<Schedule>, StoreError>;
    /// One schedule in full.
    async fn schedule(&self, name: &ScheduleName) -> Result<Option<ScheduleDetail>, StoreError>;
    /// Pauses or resumes a schedule; times in between are not made up for. Says whether there is one.
    async fn set_schedule_paused(
        &self,
        name: &ScheduleName,
        paused: bool,
    ) -> Result<bool, StoreError>;
    /// Deletes a schedule and its history; chains that it started stay. Says whether there was one.
    async fn delete_schedule(&self, name: &ScheduleName) -> Result<bool, StoreError>;
    /// Starts a chain of a schedule now, paused or not, whatever became of the one before. When it is
    /// due next stays. None where there is no such schedule.
    async fn trigger_schedule(&self, name: &ScheduleName) -> Result<Option<ChainId>, StoreError>;
    /// Does what the schedules have to do that are due, a bounded batch; each in a transaction of its
    /// own, once across all hosts. One that cannot start its chain records why and goes on.
    async fn fire_due(&self, check: &FireCheck) -> Result<Fired, StoreError>;
    /// A page of dead letters, newest first. Fails with [`StoreError::UnknownType`] for a type that was
    /// never deployed.
    async fn dead_letters(&self, query: &DeadLetterQuery) -> Result<Vec<DeadLetter>, StoreError>;
    /// The last of the newest `count` dead letters that the query means by state, type and age, whatever else it asks for;
    /// none where there are fewer. A search that goes no further back costs what so many rows cost.
    async fn dead_letter_bound(
        &self,
        query: &DeadLetterQuery,
        count: u32,
    ) -> Result<Option<JobId>, StoreError>;
    /// Replays dead letters: each becomes ready as [`Store::retry`] would make it, and is recorded with what
    /// it was. One answer for each job, in the order of their ids; a job that cannot be replayed does
    /// not keep the others from it. The same batch may be sent again.
    async fn replay(&self, batch: &ReplayBatch) -> Result<Vec<(JobId, ReplayAnswer)>, StoreError>;
    /// A page of replays, newest first, older than `before`; from 1 to [`DEAD_LETTER_LIMIT_MAX`].
    async fn replays(
        &self,
        before: Option<ReplayId>,
        limit: u32,
    ) -> Result<Vec<Replay>, StoreError>;
    /// One replay, and how many of its jobs are in which state now.
    async fn replay_detail(&self, id: ReplayId) -> Result<Option<ReplayDetail>, StoreError>;
    /// A page of a replay's jobs, oldest first, younger than `after`; from 1 to [`DEAD_LETTER_LIMIT_MAX`].
    async fn replay_jobs(
        &self,
        id: ReplayId,
        after: Option<JobId>,
        limit: u32,
    ) -> Result<Vec<ReplayedJob>, StoreError>;

    // --- Removing ---

    /// Deletes a chain with all its jobs, whatever their state; a running one loses its lease, as by
    /// [`Store::cancel`]. Nothing is deleted while live jobs of other chains wait for it or still need
    /// its output, unless `cascade` takes their chains along, and so on downwards. Fails where that
    /// would be more than [`CASCADE_CHAINS_MAX`] chains.
    async fn delete_chain(&self, id: ChainId, cascade: bool) -> Result<Deleted, StoreError>;
    /// One bounded step in removing final jobs that are older than they are kept for. Never removes what
    /// belongs to a live job or an open chain, or what a live job waits for or needs. On Postgres whole
    /// days are dropped, counted from the end of the day of the jobs' creation; all else goes by the time at
    /// which a job became final. Any number of hosts may do it at once.
    async fn retain(&self, retention: &Retention) -> Result<Retained, StoreError>;
    // --- Completing from outside ---

    /// Writes what an external job came to, where the token is its own and its deadline has not passed, in one
    /// transaction with its continuation. Fails with [`StoreError::Invalid`] for an outcome that cannot be
    /// stored, [`StoreError::UnknownType`] for a continuation of a type that is not deployed, and
    /// [`StoreError::UnknownChain`] or [`StoreError::BlockerCycle`] for one that waits for what cannot be waited for.
    async fn complete_external(
        &self,
        job: JobId,
        token: Uuid,
        outcome: &ExternalOutcome,
    ) -> Result<ExternalAnswer, StoreError>;

    /// What completes an external job; none where the job is final, has a handler or does not exist.
    async fn completion_token(&self, job: JobId) -> Result<Option<Completion>, StoreError>;

    /// Discards external jobs that nobody completed by their deadline, a bounded batch. Returns how many, and
    /// when the next deadline is.
    async fn expire_external(&self) -> Result<Expired, StoreError>;

    // --- Reading ---

    /// One job in full, with its attempts.
    async fn job(&self, id: JobId) -> Result<Option<JobDetail>, StoreError>;
    /// A page of jobs, newest first. Fails with [`StoreError::UnknownType`] for a type that was never
    /// deployed, and with [`StoreError::Invalid`] for a limit out of its range or a key without a type.
    async fn jobs(&self, query: &JobQuery) -> Result<Vec<JobSummary>, StoreError>;
    /// The jobs of a chain, oldest first; none where there is no such chain.
    async fn chain(&self, id: ChainId) -> Result<Vec<JobSummary>, StoreError>;
    /// A page of chains, newest first. Fails as [`Store::jobs`] does, and for the state `continued`.
    async fn chains(&self, query: &ChainQuery) -> Result<Vec<ChainSummary>, StoreError>;
    /// One chain in full.
    async fn chain_detail(&self, id: ChainId) -> Result<Option<ChainDetail>, StoreError>;
    /// What is known of a job that may keep it from running.
    async fn explain(&self, id: JobId) -> Result<Option<Explanation>, StoreError>;
    /// Every session that has not ended.
    async fn sessions(&self) -> Result<Vec<Session>, StoreError>;

    // --- Counters and statistics ---

    /// How many jobs of each type are in each state, by type and state: counters that each transaction keeps right, so
    /// that no job is read. What is not named is 0.
    async fn counts(&self) -> Result<Vec<StateCount>, StoreError>;
    /// Of each type that has a ready job, the one that waits longest; by type.
    async fn oldest_ready(&self) -> Result<Vec<OldestReady>, StoreError>;
    /// Writes what a session has seen in minutes, in the place of what it wrote of them before. A minute that was over
    /// for ten minutes must not be written any more: it may have been folded. Fails with [`StoreError::Invalid`] for two
    /// rows of one type and minute, and for a time that is not the begin of one.
    async fn put_statistics(
        &self,
        session: SessionId,
        rows: &[TypeStatistic],
    ) -> Result<(), StoreError>;
    /// What attempts came to, one point for each step and type that has any, by time and type. Fails with
    /// [`StoreError::UnknownType`], and with [`StoreError::Invalid`] for a step out of its range or too many of them.
    async fn statistics(&self, query: &StatisticQuery) -> Result<Vec<StatisticPoint>, StoreError>;
    /// Folds what counters and statistics have gathered, a bounded part, and forgets statistics that are older than
    /// [`STATISTIC_KEPT`]. Changes nothing that can be seen but that. Any host may do it at any time.
    async fn fold(&self) -> Result<(), StoreError>;

    // --- Tokens of the HTTP API ---

    /// Makes a token. Fails with [`StoreError::Invalid`] for a name, an actor, scopes or a time that cannot be.
    async fn put_token(&self, token: NewToken) -> Result<Token, StoreError>;
    /// A page of tokens, newest first, older than `before`; from 1 to [`TOKEN_LIMIT_MAX`].
    async fn tokens(&self, before: Option<TokenId>, limit: u32) -> Result<Vec<Token>, StoreError>;
    /// A token and the hash of its secret, and whether there is or was any token at all.
    async fn find_token(&self, id: TokenId) -> Result<FoundToken, StoreError>;
    /// How many tokens can be used now.
    async fn usable_tokens(&self) -> Result<u64, StoreError>;
    /// Ends a token. None where there is none, or it was revoked before.
    async fn revoke_token(&self, id: TokenId) -> Result<Option<Token>, StoreError>;

    // --- Events ---

    /// Makes a subscription: events of jobs that become final from its commit on are written with their end, for whoever
    /// delivers them. None where its name is taken. Fails with [`StoreError::UnknownType`], and with
    /// [`StoreError::Invalid`] for a URL or thresholds that cannot be, or where there are [`SUBSCRIPTIONS_MAX`].
    async fn put_subscription(
        &self,
        subscription: NewSubscription,
    ) -> Result<Option<Subscription>, StoreError>;
    /// Every subscription, by name.
    async fn subscriptions(&self) -> Result<Vec<Subscription>, StoreError>;
    /// One subscription.
    async fn subscription(
        &self,
        name: &SubscriptionName,
    ) -> Result<Option<Subscription>, StoreError>;
    /// Pauses a subscription; or lets one that was paused or has stopped go on, at once. Answers with what it is now; none
    /// where there is none.
    async fn set_subscription_paused(
        &self,
        name: &SubscriptionName,
        paused: bool,
    ) -> Result<Option<Subscription>, StoreError>;
    /// Deletes a subscription: what waits for it is delivered to nobody. Says whether there was one.
    async fn delete_subscription(&self, name: &SubscriptionName) -> Result<bool, StoreError>;
    /// A page of a subscription's deliveries, newest first; none where there is no such subscription.
    async fn deliveries(&self, query: &DeliveryQuery) -> Result<Option<Vec<Delivery>>, StoreError>;
    /// Lets deliveries wait again, at most [`DELIVERIES_REPLAYED_MAX`], the oldest first. How many; none where there is no
    /// such subscription.
    async fn redeliver(
        &self,
        name: &SubscriptionName,
        which: Redelivery,
    ) -> Result<Option<u64>, StoreError>;
    /// The subscriptions whose events may be delivered now.
    async fn due_subscriptions(&self) -> Result<Vec<SubscriptionId>, StoreError>;
    /// Leases a subscription to whoever delivers its events, and says which are next, in order. None where somebody else
    /// has it or it is not due. Of several hosts one gets it.
    async fn lease_deliveries(
        &self,
        id: SubscriptionId,
        duration: Duration,
        limit: u32,
    ) -> Result<Option<LeasedDeliveries>, StoreError>;
    /// Writes what came of leased deliveries, and ends the lease. False where it is not the last one that was given: then
    /// nothing is written.
    async fn settle_deliveries(&self, report: DeliveryReport) -> Result<bool, StoreError>;
    /// Looks whether types are failing or stuck, for each subscription that wants to know and for which nobody has looked
    /// for so long, and writes an event where one has begun to be. How many. Any host may do it at any time.
    async fn check_types(&self, interval: Duration) -> Result<u64, StoreError>;
    /// Forgets deliveries that are older than [`DELIVERED_KEPT`] or [`UNDELIVERED_KEPT`], a bounded number. How many.
    async fn trim_deliveries(&self) -> Result<u64, StoreError>;

    // --- Events as they come ---

    /// Makes a listener, for which events are written from its commit on, as for a subscription; and leases it to whoever
    /// hears it, under the number that it answers with. Where there are [`LISTENERS_MAX`], the one that nobody has heard for
    /// longest gives way, if that is for [`LISTENER_SPARED`]; else the answer is none. Fails with
    /// [`StoreError::UnknownType`], and with [`StoreError::Invalid`] where there are no kinds or more than
    /// [`LISTENER_TYPES_MAX`] types.
    async fn put_listener(&self, listener: NewListener) -> Result<Option<i64>, StoreError>;
    /// Leases a listener to who goes on with it; whoever had it loses it.
    async fn resume_listener(&self, resume: ListenerResume) -> Result<Resumed, StoreError>;
    /// What comes next for a listener, in the order in which it was committed as far as one job, chain or type is concerned.
    /// Asked again with the same place, it answers with the same events. Does not wait. One that is asked for nothing
    /// for [`LISTENER_KEPT`] ends.
    async fn hear(&self, query: HearQuery) -> Result<Heard, StoreError>;
    /// Ends the listeners that nobody has heard for [`LISTENER_KEPT`], and those for which more than
    /// [`LISTENER_WAITING_MAX`] events wait; forgets what is left of them, a bounded number of rows. Whether there may be
    /// more to forget. Any host may do it at any time.
    async fn end_listeners(&self) -> Result<bool, StoreError>;

    // --- Waking ---

    /// A listener that hears of what other processes and this one commit. The listener is ready when
    /// this returns: listen first, then look, then sleep.
    async fn listen(&self) -> Result<Box<dyn Listener>, StoreError>;

    /// Sends what is still to be sent and closes every connection.
    async fn close(&self);
}

/// Hears that something was committed. Coalesced, and never a promise: a polling backstop is
/// needed beside it.
#[async_trait]
pub trait Listener: Send {
    /// Waits for the next wake-up. Cancel-safe. Reconnects by itself, and then wakes, because
    /// something may have been missed.
    async fn wait(&mut self) -> Wake;
}

/// What a wake-up is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wake {
    /// Anything may have changed: jobs became ready, were cancelled, or a type was deployed.
    Any,
    /// Jobs became ready.
    Ready,
    /// A running job was cancelled.
    Cancelled,
    /// A type was deployed.
    Deployed,
    /// A schedule or a pause was changed: what is due next may be due sooner.
    Rescheduled,
}
