//! The store over either database: what to run, in which order, and whom to wake after it committed.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use hardstop_domain::job::DELAY_MS_MAX;
use hardstop_domain::{
    ChainId, DeploymentId, Digest, JobId, LeaseToken, NewChain, ReplayId, ScheduleName, SessionId,
    State, SubscriptionId, SubscriptionName, TokenId, TypeId, TypeName,
};
use uuid::Uuid;

use crate::operation::audit::{Audit, Reserve, TrimRequests};
use crate::operation::change::{Acted, Change};
use crate::operation::condition::CheckTypes;
use crate::operation::dead_letter::{
    DeadLetterBound, DeadLetters, ReplayJobs, ReplayState, ReplayedJobs, Replays,
};
use crate::operation::deploy::Deploy;
use crate::operation::deployment::{ChangeCanary, Count, Deployments, History, Release, Rollback};
use crate::operation::enqueue::{Enqueue, Existing, TypeIds};
use crate::operation::external::{Awaited, CompleteExternal, ExpireExternal};
use crate::operation::fire::{self, Fire, PassOver};
use crate::operation::lease::{Beat, Claim, EndSession, GiveBack, OpenSession, Promote, Rescue};
use crate::operation::listener::{
    EndListeners, HearListener, LookAtListener, PutListener, ResumeListener, Seen, type_list,
};
use crate::operation::operate::{Cancel, CancelChain, Reschedule, Retry, WhyNot};
use crate::operation::pause::{ALL_TYPES, BeginPause, EndPause, EndPauses};
use crate::operation::removal::{DeleteChain, Retain};
use crate::operation::running::{DrainSession, PutLive, Stand, TrimLive};
use crate::operation::schedule::{self, Put};
use crate::operation::settle::{Planned, Settle, types_named};
use crate::operation::statistic::{Counts, Fold, Oldest, PutStatistics, Statistics};
use crate::operation::subscription::{
    DeleteSubscription, Deliveries, DueSubscriptions, LeaseDeliveries, PutSubscription, Redeliver,
    SetSubscription, SettleDeliveries, Subscriptions, TrimDeliveries,
};
use crate::operation::token::{FindToken, PutToken, RevokeToken, Tokens, UsableTokens};
use crate::operation::unblock::{Aftermath, Unblock};
use crate::operation::{Operation, explain, list, read};
use crate::record::*;
use crate::row::{LiveRow, signed};
use crate::{Listener, Store, StoreError, Wake};

/// What differs between the databases beside their SQL.
pub(crate) trait Backend: Send + Sync + 'static {
    /// Runs an operation as its mode says, within the timeout, its errors interpreted.
    fn run<O: Operation>(
        &self,
        operation: O,
    ) -> impl Future<Output = Result<O::Output, StoreError>> + Send;
    /// For people: `Postgres 15.18, localhost:5432/app`, given the server's version.
    fn describe(&self, version: &str) -> String;
    fn migrate(&self) -> impl Future<Output = Result<Vec<String>, StoreError>> + Send;
    fn check_schema(&self) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// Upkeep that only this database needs.
    fn maintain(&self) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// Drops the partitions of the oldest day, where that is older than completed jobs are kept. How many.
    fn drop_day(
        &self,
        retention: &Retention,
    ) -> impl Future<Output = Result<u32, StoreError>> + Send;
    /// Tells every listener, here and in other processes. Called after a commit.
    fn wake(&self, kind: Wake);
    fn listen(&self) -> impl Future<Output = Result<Box<dyn Listener>, StoreError>> + Send;
    fn close(&self) -> impl Future<Output = ()> + Send;
}

/// How long a request with an idempotency key may be sent again.
const REQUEST_KEPT: Duration = Duration::from_secs(24 * 3_600);

/// How many schedules one call of `fire_due` fires.
const DUE_MAX: i64 = 100;

/// The store, on somebody's behalf or on nobody's.
pub(crate) struct SqlStore<B> {
    shared: Arc<Shared<B>>,
    acting: Option<Arc<Acting>>,
}

/// What all that act on one database have in common.
pub(crate) struct Shared<B> {
    backend: B,
    /// Types that were seen in the database. A name keeps its number for ever.
    types: RwLock<TypeIds>,
    /// Where the walk over completed jobs stands that looks for those to remove.
    retained_to: Mutex<Uuid>,
}

impl<B> std::ops::Deref for SqlStore<B> {
    type Target = Shared<B>;

    fn deref(&self) -> &Shared<B> {
        &self.shared
    }
}

impl<B: Backend> SqlStore<B> {
    pub(crate) fn new(backend: B) -> Self {
        let shared = Shared {
            backend,
            types: RwLock::default(),
            retained_to: Mutex::default(),
        };
        Self {
            shared: Arc::new(shared),
            acting: None,
        }
    }

    /// Makes a change: recorded, where somebody answers for it, and made once for a request that has a key.
    async fn change<O: Change>(&self, operation: O) -> Result<O::Output, StoreError> {
        match &self.acting {
            Some(acting) if O::RECORDED || (O::ONCE && acting.request.is_some()) => {
                let acted = Acted::new(operation, Arc::clone(acting));
                Ok(self.backend.run(acted).await?.output())
            }
            _ => self.backend.run(operation).await,
        }
    }

    /// The numbers of these types, as far as they exist.
    async fn type_ids<'n>(
        &self,
        names: impl Iterator<Item = &'n TypeName> + Send,
    ) -> Result<TypeIds, StoreError> {
        let names: HashSet<&TypeName> = names.collect();
        let known = self.known_types(&names);
        if known.len() == names.len() {
            return Ok(known);
        }
        let all = self.backend.run(read::TypeNumbers).await?;
        self.types
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(all);
        Ok(self.known_types(&names))
    }

    /// The number of a type that must exist.
    async fn type_id(&self, name: &TypeName) -> Result<TypeId, StoreError> {
        let types = self.type_ids(std::iter::once(name)).await?;
        let known = types.get(name).copied();
        known.ok_or_else(|| StoreError::UnknownType(name.clone()))
    }

    /// What stands for a type in a pause; none: for all.
    async fn pausable(&self, name: Option<&TypeName>) -> Result<TypeId, StoreError> {
        match name {
            None => Ok(ALL_TYPES),
            Some(name) => self.type_id(name).await,
        }
    }

    /// The number of the type that a filter names.
    async fn filtered(&self, name: Option<&TypeName>) -> Result<Option<TypeId>, StoreError> {
        match name {
            None => Ok(None),
            Some(name) => self.type_id(name).await.map(Some),
        }
    }

    /// The numbers of types that must exist.
    async fn all_of(&self, names: &[TypeName]) -> Result<Vec<TypeId>, StoreError> {
        let mut ids = Vec::with_capacity(names.len());
        for name in names {
            ids.push(self.type_id(name).await?);
        }
        Ok(ids)
    }

    fn known_types(&self, names: &HashSet<&TypeName>) -> TypeIds {
        let types = self.types.read().unwrap_or_else(PoisonError::into_inner);
        names
            .iter()
            .filter_map(|name| Some(((*name).clone(), *types.get(*name)?)))
            .collect()
    }

    /// Wakes whom an operation concerns, and tells the jobs that wait for chains which it closed.
    async fn follow(&self, aftermath: Aftermath) {
        self.wake_if(aftermath.ready, Wake::Ready);
        if aftermath.closed
            && let Err(error) = self.tell().await
        {
            // It is on record: the next to look goes on with it.
            tracing::warn!(%error, "cannot tell the jobs that wait for a closed chain: another process will");
        }
    }

    /// Tells the jobs that wait for closed chains. Returns whether there were any.
    async fn tell(&self) -> Result<bool, StoreError> {
        let mut any = false;
        loop {
            let aftermath = self.backend.run(Unblock).await?;
            self.wake_if(aftermath.ready, Wake::Ready);
            any |= aftermath.ready;
            if !aftermath.closed {
                return Ok(any);
            }
            any = true;
        }
    }

    fn wake_if(&self, condition: bool, kind: Wake) {
        if condition {
            self.backend.wake(kind);
        }
    }
}

#[async_trait]
impl<B: Backend> Store for SqlStore<B> {
    async fn describe(&self) -> Result<String, StoreError> {
        let version = self.backend.run(read::Version).await?;
        Ok(self.backend.describe(&version))
    }

    async fn migrate(&self) -> Result<Vec<String>, StoreError> {
        self.backend.migrate().await
    }

    async fn check_schema(&self) -> Result<(), StoreError> {
        self.backend.check_schema().await
    }

    async fn maintain(&self) -> Result<(), StoreError> {
        self.backend.run(read::Maintain).await?;
        self.backend.run(schedule::Trim).await?;
        let kept = signed(REQUEST_KEPT.as_micros() as u64);
        self.backend.run(TrimRequests(kept)).await?;
        self.backend.run(TrimLive).await?;
        self.backend.maintain().await
    }

    async fn deploy(&self, deployment: NewDeployment) -> Result<Deployment, StoreError> {
        let deployment = self.change(Deploy::new(deployment)?).await?;
        self.backend.wake(Wake::Deployed);
        Ok(deployment)
    }

    async fn component_bytes(&self, digest: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        self.backend.run(read::ComponentBytes(digest)).await
    }

    async fn file_bytes(&self, digest: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        self.backend.run(read::FileBytes(digest)).await
    }

    async fn components(&self) -> Result<Vec<Component>, StoreError> {
        self.backend.run(read::Components).await
    }

    async fn types(&self) -> Result<Vec<ActiveType>, StoreError> {
        self.backend.run(read::Types).await
    }

    async fn type_usage(
        &self,
        name: &TypeName,
        limit: u32,
    ) -> Result<Vec<UsageSample>, StoreError> {
        let type_id = self.type_id(name).await?;
        self.backend
            .run(read::TypeUsage::new(type_id, limit)?)
            .await
    }

    async fn deployments(&self, limit: u32) -> Result<Vec<DeploymentDetail>, StoreError> {
        self.backend.run(Deployments::new(limit)?).await
    }

    async fn deployment(&self, id: DeploymentId) -> Result<Option<DeploymentDetail>, StoreError> {
        self.backend.run(read::Deployment(id)).await
    }

    async fn type_history(&self, name: &TypeName) -> Result<TypeHistory, StoreError> {
        self.backend.run(History(name.clone())).await
    }

    async fn rollback(
        &self,
        name: &TypeName,
        to: Option<DeploymentId>,
    ) -> Result<RolledBack, StoreError> {
        let type_name = name.clone();
        let answer = self.change(Rollback { type_name, to }).await?;
        self.wake_if(matches!(answer, RolledBack::Done { .. }), Wake::Deployed);
        Ok(answer)
    }

    async fn change_canary(
        &self,
        name: &TypeName,
        change: CanaryChange,
    ) -> Result<Option<DeploymentId>, StoreError> {
        let change = ChangeCanary::new(name.clone(), change)?;
        let changed = self.change(change).await?;
        self.wake_if(changed.is_some(), Wake::Deployed);
        Ok(changed)
    }

    async fn count(&self, tally: NewTally) -> Result<Option<(Quarantine, bool)>, StoreError> {
        let begun = self.backend.run(Count(tally)).await?;
        self.wake_if(begun.is_some(), Wake::Deployed);
        Ok(begun)
    }

    async fn quarantines(&self) -> Result<Vec<Quarantine>, StoreError> {
        self.backend.run(read::Quarantines(None)).await
    }

    async fn release(&self, name: &TypeName) -> Result<u64, StoreError> {
        let released = self.change(Release(name.clone())).await?;
        self.wake_if(released > 0, Wake::Deployed);
        Ok(released)
    }

    async fn enqueue(&self, chains: &[NewChain]) -> Result<Vec<Started>, StoreError> {
        if chains.is_empty() {
            return Ok(Vec::new());
        }
        let types = self
            .type_ids(chains.iter().map(|chain| &chain.first.type_name))
            .await?;
        let enqueue = Enqueue::new(chains, &types)?;
        let ids = enqueue.ids();
        match self.change(enqueue).await {
            Ok(created) => {
                self.follow(created.aftermath).await;
                Ok(created.started)
            }
            Err(error) if error.is_unique() => match self.backend.run(Existing(ids)).await? {
                Some(id) => Err(StoreError::DuplicateJob(id.to_string())),
                None => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    async fn open_session(
        &self,
        host: &str,
        lease_duration: Duration,
        types: Option<&[TypeName]>,
    ) -> Result<SessionId, StoreError> {
        let host = host.replace('\0', "");
        self.backend
            .run(OpenSession {
                host,
                lease_duration,
                types: types.map(<[TypeName]>::to_vec),
            })
            .await
    }

    async fn heartbeat(
        &self,
        session: SessionId,
        leases: &[LeaseToken],
    ) -> Result<Heartbeat, StoreError> {
        let leases = leases.to_vec();
        self.backend.run(Beat { session, leases }).await
    }

    async fn stand(
        &self,
        session: SessionId,
        standing: Option<Standing>,
    ) -> Result<bool, StoreError> {
        self.backend.run(Stand(session, standing)).await
    }

    async fn drain_session(&self, session: SessionId) -> Result<Option<String>, StoreError> {
        self.change(DrainSession(session)).await
    }

    async fn put_live(
        &self,
        parts: &[LivePart],
        ended: &[(JobId, LeaseToken)],
    ) -> Result<(), StoreError> {
        let rows = LiveRow::of(parts).map_err(StoreError::Invalid)?;
        let mut ended = ended.to_vec();
        ended.sort_unstable();
        self.backend.run(PutLive { rows, ended }).await
    }

    async fn close_session(&self, session: SessionId) -> Result<u64, StoreError> {
        // Should this stop between the two, the session is dead and a rescue gives its jobs back.
        self.backend.run(EndSession(session)).await?;
        let mut released = 0;
        loop {
            let batch = self.backend.run(GiveBack(session)).await?;
            self.wake_if(batch > 0, Wake::Ready);
            if batch == 0 {
                return Ok(released);
            }
            released += batch;
        }
    }

    async fn claim(&self, request: &ClaimRequest) -> Result<Vec<ClaimedJob>, StoreError> {
        self.backend.run(Claim::new(request)).await
    }

    async fn settle(&self, batch: &[Settlement]) -> Result<Vec<Settled>, StoreError> {
        let types = self.type_ids(batch.iter().flat_map(types_named)).await?;
        let mut answers: Vec<Option<Settled>> = vec![None; batch.len()];
        let mut planned = Vec::with_capacity(batch.len());
        // Where each planned settlement stands in the batch.
        let mut places = Vec::with_capacity(batch.len());
        // The first place of each lease; a second settlement of it is answered as the first.
        let mut first = HashMap::with_capacity(batch.len());
        let mut repeats = Vec::new();
        for (place, settlement) in batch.iter().enumerate() {
            if let Some(earlier) = first.get(&(settlement.job, settlement.token)) {
                repeats.push((place, *earlier));
                continue;
            }
            first.insert((settlement.job, settlement.token), place);
            match Planned::new(settlement, &types) {
                Ok(plan) => {
                    planned.push(plan);
                    places.push(place);
                }
                Err(reason) => answers[place] = Some(Settled::Refused(reason)),
            }
        }

        let planned = Arc::new(planned);
        let mut parts = in_parts(batch, &places);
        while let Some(part) = parts.pop() {
            let settle = Settle::new(Arc::clone(&planned), part.clone());
            match self.backend.run(settle).await {
                Ok(settled) => {
                    self.follow(settled.aftermath).await;
                    for (index, answer) in settled.answers {
                        answers[places[index]] = Some(answer);
                    }
                }
                // One row spoils a transaction: look for it by halves, so that the others stand.
                Err(error) if error.is_data() || error.is_refusal() => match part.as_slice() {
                    [index] => {
                        let reason = error.to_string();
                        answers[places[*index]] = Some(match error {
                            StoreError::TooManyDescendants { .. } => Settled::Overtaken(reason),
                            _ => Settled::Refused(reason),
                        });
                    }
                    many => {
                        let (left, right) = many.split_at(many.len() / 2);
                        parts.push(right.to_vec());
                        parts.push(left.to_vec());
                    }
                },
                Err(error) => return Err(error),
            }
        }
        for (place, earlier) in repeats {
            answers[place] = answers[earlier].clone();
        }
        Ok(answers
            .into_iter()
            .map(|answer| answer.unwrap_or(Settled::Stale))
            .collect())
    }

    async fn rescue(&self) -> Result<Vec<Rescued>, StoreError> {
        let (rescued, aftermath) = self.backend.run(Rescue).await?;
        self.follow(aftermath).await;
        Ok(rescued)
    }

    async fn promote_due(&self) -> Result<Promoted, StoreError> {
        let promoted = self.backend.run(Promote).await?;
        self.wake_if(promoted.count > 0, Wake::Ready);
        Ok(promoted)
    }

    async fn cancel(&self, job: JobId) -> Result<Cancelled, StoreError> {
        let (cancelled, aftermath) = self.change(Cancel(job)).await?;
        self.wake_if(cancelled == Cancelled::Was(State::Running), Wake::Cancelled);
        self.follow(aftermath).await;
        Ok(cancelled)
    }

    async fn cancel_chain(&self, chain: ChainId) -> Result<CancelledChain, StoreError> {
        let (cancelled, aftermath) = self.change(CancelChain(chain)).await?;
        let running = matches!(
            cancelled,
            CancelledChain::Was {
                state: State::Running,
                ..
            }
        );
        self.wake_if(running, Wake::Cancelled);
        self.follow(aftermath).await;
        Ok(cancelled)
    }

    async fn reschedule(&self, job: JobId, due: Due, force: bool) -> Result<Moved, StoreError> {
        if let Due::After { delay_ms } = due
            && delay_ms > DELAY_MS_MAX
        {
            return Err(StoreError::Invalid(format!(
                "delay of {delay_ms} ms of job {job} is over the maximum of {DELAY_MS_MAX} ms"
            )));
        }
        let (moved, aftermath) = self.change(Reschedule { job, due, force }).await?;
        self.follow(aftermath).await;
        Ok(moved)
    }

    async fn unblock(&self) -> Result<bool, StoreError> {
        self.tell().await
    }

    async fn retry(&self, job: JobId) -> Result<Retried, StoreError> {
        match self.change(Retry(job)).await {
            // Another chain has its key.
            Err(error) if error.is_unique() => match self.backend.run(WhyNot(job)).await? {
                (_, Some(holder)) => Ok(Retried::KeyTaken(holder)),
                (Some(state), None) => Ok(Retried::Not(state)),
                (None, None) => Err(error),
            },
            Err(error) => Err(error),
            Ok((retried, aftermath)) => {
                self.follow(aftermath).await;
                Ok(retried)
            }
        }
    }

    async fn pause(&self, pause: NewPause) -> Result<Pause, StoreError> {
        let type_id = self.pausable(pause.type_name.as_ref()).await?;
        let until = pause.until;
        match self.change(BeginPause::new(type_id, pause)?).await? {
            Some(pause) => {
                self.backend.wake(Wake::Rescheduled);
                Ok(pause)
            }
            None => match until {
                Some(PauseEnd::At(at)) => Err(StoreError::PauseOver(at)),
                _ => Err(StoreError::Invalid(
                    "a pause of no time is over at once".to_owned(),
                )),
            },
        }
    }

    async fn resume(&self, type_name: Option<&TypeName>) -> Result<bool, StoreError> {
        let type_id = self.pausable(type_name).await?;
        let end = EndPause {
            type_id,
            type_name: type_name.cloned(),
        };
        let resumed = self.change(end).await?;
        self.wake_if(resumed, Wake::Ready);
        Ok(resumed)
    }

    async fn pauses(&self) -> Result<Vec<Pause>, StoreError> {
        self.backend.run(read::Pauses).await
    }

    async fn end_pauses(&self) -> Result<EndedPauses, StoreError> {
        let mut due_in_us = self.backend.run(read::NextResume).await?;
        let mut count = 0;
        if due_in_us.is_some_and(|us| us <= 0) {
            count = self.backend.run(EndPauses).await?;
            // Whichever host forgot them: this one knows that it was time.
            self.backend.wake(Wake::Ready);
            due_in_us = self.backend.run(read::NextResume).await?;
        }
        Ok(EndedPauses {
            count,
            next_due_in: due_in_us.map(due_in),
        })
    }

    async fn put_schedule(&self, schedule: NewSchedule) -> Result<PutSchedule, StoreError> {
        let type_id = self.type_id(&schedule.type_name).await?;
        let put = self.change(Put::new(schedule, type_id)?).await?;
        self.wake_if(put.next_at.is_some(), Wake::Rescheduled);
        Ok(put)
    }

    async fn schedules(&self) -> Result<Vec<Schedule>, StoreError> {
        self.backend.run(read::Schedules).await
    }

    async fn schedule(&self, name: &ScheduleName) -> Result<Option<ScheduleDetail>, StoreError> {
        self.backend.run(schedule::Detail(name.clone())).await
    }

    async fn set_schedule_paused(
        &self,
        name: &ScheduleName,
        paused: bool,
    ) -> Result<bool, StoreError> {
        let name = name.clone();
        let exists = self.change(schedule::SetPaused { name, paused }).await?;
        self.wake_if(exists && !paused, Wake::Rescheduled);
        Ok(exists)
    }

    async fn delete_schedule(&self, name: &ScheduleName) -> Result<bool, StoreError> {
        self.change(schedule::Delete(name.clone())).await
    }

    async fn trigger_schedule(&self, name: &ScheduleName) -> Result<Option<ChainId>, StoreError> {
        let chain = self.change(schedule::Trigger(name.clone())).await?;
        self.wake_if(chain.is_some(), Wake::Ready);
        Ok(chain)
    }

    async fn fire_due(&self, check: &FireCheck) -> Result<Fired, StoreError> {
        let mut fired = Fired {
            started: Vec::new(),
            failed: Vec::new(),
            next_due_in: None,
        };
        let due = self.backend.run(fire::Due { limit: DUE_MAX }).await?;
        let next = due.iter().find(|(_, us)| *us > 0).cloned();
        let due: Vec<_> = due.into_iter().filter(|(_, us)| *us <= 0).collect();
        if due.is_empty() {
            fired.next_due_in = next.map(|(_, us)| due_in(us));
            return Ok(fired);
        }
        for (name, _) in due {
            let one = Fire {
                name: name.clone(),
                check: Arc::clone(check),
            };
            match self.backend.run(one).await {
                Ok(one) => {
                    self.wake_if(!one.started.is_empty(), Wake::Ready);
                    let started = one.started.into_iter().map(|chain| (name.clone(), chain));
                    fired.started.extend(started);
                    fired.failed.extend(one.failed.map(|why| (name, why)));
                }
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => {
                    let recorded = error.is_unique();
                    let why = error.to_string();
                    let pass_over = PassOver {
                        name: name.clone(),
                        reason: (!recorded).then(|| why.clone()),
                    };
                    self.backend.run(pass_over).await?;
                    fired.failed.push((name, why));
                }
            }
        }
        let next = self.backend.run(fire::Due { limit: 1 }).await?;
        fired.next_due_in = next.first().map(|(_, us)| due_in(*us));
        Ok(fired)
    }

    async fn dead_letters(&self, query: &DeadLetterQuery) -> Result<Vec<DeadLetter>, StoreError> {
        let type_id = self.filtered(query.filter.type_name.as_ref()).await?;
        self.backend.run(DeadLetters::new(query, type_id)?).await
    }

    async fn dead_letter_bound(
        &self,
        query: &DeadLetterQuery,
        count: u32,
    ) -> Result<Option<JobId>, StoreError> {
        let type_id = self.filtered(query.filter.type_name.as_ref()).await?;
        let bound = DeadLetterBound::new(query, type_id, count)?;
        self.backend.run(bound).await
    }

    async fn replay(&self, batch: &ReplayBatch) -> Result<Vec<(JobId, ReplayAnswer)>, StoreError> {
        let replay = ReplayJobs::new(batch)?;
        let mut answers = Vec::with_capacity(batch.jobs.len());
        let mut parts = vec![replay.jobs().to_vec()];
        while let Some(part) = parts.pop() {
            match self.change(replay.of(&part)).await {
                Ok(part) => answers.extend(part),
                // One job spoils a transaction: look for it by halves, so that the others are replayed.
                Err(error) if error.is_unique() => match part.as_slice() {
                    [job] => answers.push((*job, ReplayAnswer::ChainLive)),
                    many => {
                        let (left, right) = many.split_at(many.len() / 2);
                        parts.push(right.to_vec());
                        parts.push(left.to_vec());
                    }
                },
                Err(error) => return Err(error),
            }
        }
        // Those of an earlier sending, too: whoever sent it may have died before it could wake anybody.
        let ready = answers.iter().any(|(_, answer)| {
            matches!(
                answer,
                ReplayAnswer::Replayed(_) | ReplayAnswer::AlreadyInThisReplay
            )
        });
        self.wake_if(ready, Wake::Ready);
        Ok(answers)
    }

    async fn replays(
        &self,
        before: Option<ReplayId>,
        limit: u32,
    ) -> Result<Vec<Replay>, StoreError> {
        self.backend.run(Replays::new(before, limit)?).await
    }

    async fn replay_detail(&self, id: ReplayId) -> Result<Option<ReplayDetail>, StoreError> {
        self.backend.run(ReplayState(id)).await
    }

    async fn replay_jobs(
        &self,
        id: ReplayId,
        after: Option<JobId>,
        limit: u32,
    ) -> Result<Vec<ReplayedJob>, StoreError> {
        self.backend.run(ReplayedJobs::new(id, after, limit)?).await
    }

    async fn delete_chain(&self, id: ChainId, cascade: bool) -> Result<Deleted, StoreError> {
        let deletion = self.change(DeleteChain { id, cascade }).await?;
        self.wake_if(deletion.stopped, Wake::Cancelled);
        Ok(deletion.deleted)
    }

    async fn retain(&self, retention: &Retention) -> Result<Retained, StoreError> {
        // A day that cannot be dropped now does not keep rows from being removed.
        let dropped = self.backend.drop_day(retention).await;
        let after = *self
            .retained_to
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let step = self.backend.run(Retain::new(retention, after)).await?;
        *self
            .retained_to
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = step.after;
        let partitions = dropped?;
        Ok(Retained {
            jobs: step.jobs,
            partitions,
            more: step.more || partitions > 0,
        })
    }

    async fn complete_external(
        &self,
        job: JobId,
        token: Uuid,
        outcome: &ExternalOutcome,
    ) -> Result<ExternalAnswer, StoreError> {
        let next = match outcome {
            ExternalOutcome::Continue { next } => Some(next),
            ExternalOutcome::Complete { .. } | ExternalOutcome::Fail { .. } => None,
        };
        let types = self.type_ids(next.iter().map(|job| &job.type_name)).await?;
        let next_type = match next {
            Some(next) => match types.get(&next.type_name) {
                Some(id) => Some(*id),
                None => return Err(StoreError::UnknownType(next.type_name.clone())),
            },
            None => None,
        };
        let complete = CompleteExternal::new(job, token, outcome, next_type);
        let complete = complete.map_err(StoreError::Invalid)?;
        match (self.change(complete).await, next) {
            (Ok((answer, aftermath)), _) => {
                self.follow(aftermath).await;
                Ok(answer)
            }
            (Err(error), Some(next)) if error.is_unique() => {
                Err(StoreError::DuplicateJob(next.id.to_string()))
            }
            (Err(error), _) => Err(error),
        }
    }

    async fn completion_token(&self, job: JobId) -> Result<Option<Completion>, StoreError> {
        self.backend.run(Awaited(job)).await
    }

    async fn expire_external(&self) -> Result<Expired, StoreError> {
        let (expired, aftermath) = self.backend.run(ExpireExternal).await?;
        self.follow(aftermath).await;
        Ok(expired)
    }

    async fn job(&self, id: JobId) -> Result<Option<JobDetail>, StoreError> {
        self.backend.run(read::Job(id)).await
    }

    async fn jobs(&self, query: &JobQuery) -> Result<Vec<JobSummary>, StoreError> {
        let type_id = self.filtered(query.type_name.as_ref()).await?;
        self.backend.run(list::Jobs::new(query, type_id)?).await
    }

    async fn chain(&self, id: ChainId) -> Result<Vec<JobSummary>, StoreError> {
        self.backend.run(read::Chain(id)).await
    }

    async fn chains(&self, query: &ChainQuery) -> Result<Vec<ChainSummary>, StoreError> {
        let type_id = self.filtered(query.type_name.as_ref()).await?;
        self.backend.run(list::Chains::new(query, type_id)?).await
    }

    async fn chain_detail(&self, id: ChainId) -> Result<Option<ChainDetail>, StoreError> {
        self.backend.run(read::ChainInFull(id)).await
    }

    async fn explain(&self, id: JobId) -> Result<Option<Explanation>, StoreError> {
        self.backend.run(explain::Explain(id)).await
    }

    async fn sessions(&self) -> Result<Vec<Session>, StoreError> {
        self.backend.run(read::Sessions).await
    }

    async fn counts(&self) -> Result<Vec<StateCount>, StoreError> {
        self.backend.run(Counts).await
    }

    async fn oldest_ready(&self) -> Result<Vec<OldestReady>, StoreError> {
        self.backend.run(Oldest).await
    }

    async fn put_statistics(
        &self,
        session: SessionId,
        rows: &[TypeStatistic],
    ) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        self.backend.run(PutStatistics::new(session, rows)?).await
    }

    async fn statistics(&self, query: &StatisticQuery) -> Result<Vec<StatisticPoint>, StoreError> {
        let type_id = self.filtered(query.type_name.as_ref()).await?;
        self.backend.run(Statistics::new(query, type_id)?).await
    }

    async fn fold(&self) -> Result<(), StoreError> {
        self.backend.run(Fold).await
    }

    fn acting(&self, acting: Acting) -> Arc<dyn Store> {
        Arc::new(Self {
            shared: Arc::clone(&self.shared),
            acting: Some(Arc::new(acting)),
        })
    }

    async fn reserve(&self, id: Uuid) -> Result<Uuid, StoreError> {
        self.change(Reserve(id)).await
    }

    async fn audit(&self, query: &AuditQuery) -> Result<Vec<AuditRecord>, StoreError> {
        self.backend.run(Audit::new(query)?).await
    }

    async fn put_token(&self, token: NewToken) -> Result<Token, StoreError> {
        self.change(PutToken::new(token)?).await
    }

    async fn tokens(&self, before: Option<TokenId>, limit: u32) -> Result<Vec<Token>, StoreError> {
        self.backend.run(Tokens::new(before, limit)?).await
    }

    async fn find_token(&self, id: TokenId) -> Result<FoundToken, StoreError> {
        self.backend.run(FindToken(id)).await
    }

    async fn usable_tokens(&self) -> Result<u64, StoreError> {
        self.backend.run(UsableTokens).await
    }

    async fn revoke_token(&self, id: TokenId) -> Result<Option<Token>, StoreError> {
        self.change(RevokeToken(id)).await
    }

    async fn put_subscription(
        &self,
        subscription: NewSubscription,
    ) -> Result<Option<Subscription>, StoreError> {
        let type_id = self.filtered(subscription.type_name.as_ref()).await?;
        self.change(PutSubscription::new(subscription, type_id)?)
            .await
    }

    async fn subscriptions(&self) -> Result<Vec<Subscription>, StoreError> {
        self.backend.run(Subscriptions(None)).await
    }

    async fn subscription(
        &self,
        name: &SubscriptionName,
    ) -> Result<Option<Subscription>, StoreError> {
        let mut found = self.backend.run(Subscriptions(Some(name.clone()))).await?;
        Ok(found.pop())
    }

    async fn set_subscription_paused(
        &self,
        name: &SubscriptionName,
        paused: bool,
    ) -> Result<Option<Subscription>, StoreError> {
        let name = name.clone();
        self.change(SetSubscription { name, paused }).await
    }

    async fn delete_subscription(&self, name: &SubscriptionName) -> Result<bool, StoreError> {
        self.change(DeleteSubscription(name.clone())).await
    }

    async fn deliveries(&self, query: &DeliveryQuery) -> Result<Option<Vec<Delivery>>, StoreError> {
        self.backend.run(Deliveries::new(query)?).await
    }

    async fn redeliver(
        &self,
        name: &SubscriptionName,
        which: Redelivery,
    ) -> Result<Option<u64>, StoreError> {
        let name = name.clone();
        self.change(Redeliver { name, which }).await
    }

    async fn due_subscriptions(&self) -> Result<Vec<SubscriptionId>, StoreError> {
        self.backend.run(DueSubscriptions).await
    }

    async fn lease_deliveries(
        &self,
        id: SubscriptionId,
        duration: Duration,
        limit: u32,
    ) -> Result<Option<LeasedDeliveries>, StoreError> {
        let lease = LeaseDeliveries {
            id,
            duration,
            limit,
        };
        self.backend.run(lease).await
    }

    async fn settle_deliveries(&self, report: DeliveryReport) -> Result<bool, StoreError> {
        self.backend.run(SettleDeliveries(report)).await
    }

    async fn check_types(&self, interval: Duration) -> Result<u64, StoreError> {
        let mut events = 0;
        let mut seen = HashSet::new();
        // Each once, however short the interval is.
        while let Some((id, begun)) = self.backend.run(CheckTypes { interval }).await? {
            events += begun;
            if !seen.insert(id) {
                break;
            }
        }
        Ok(events)
    }

    async fn trim_deliveries(&self) -> Result<u64, StoreError> {
        self.backend.run(TrimDeliveries).await
    }

    async fn put_listener(&self, listener: NewListener) -> Result<Option<i64>, StoreError> {
        let types = type_list(self.all_of(&listener.types).await?);
        self.backend.run(PutListener::new(listener, types)?).await
    }

    async fn resume_listener(&self, resume: ListenerResume) -> Result<Resumed, StoreError> {
        let types = match &resume.types {
            None => None,
            Some(types) => Some(type_list(self.all_of(types).await?)),
        };
        self.backend.run(ResumeListener { resume, types }).await
    }

    async fn hear(&self, query: HearQuery) -> Result<Heard, StoreError> {
        match self.backend.run(LookAtListener::new(query)?).await? {
            Seen::Heard(heard) => Ok(heard),
            Seen::Behind => self.backend.run(HearListener(query)).await,
        }
    }

    async fn end_listeners(&self) -> Result<bool, StoreError> {
        self.backend.run(EndListeners).await
    }

    async fn listen(&self) -> Result<Box<dyn Listener>, StoreError> {
        self.backend.listen().await
    }

    async fn close(&self) {
        self.backend.close().await;
    }
}

/// Microseconds until something is due, as a wait.
fn due_in(us: i64) -> Duration {
    Duration::from_micros(us.max(0).unsigned_abs())
}

/// Parts of a batch in which no job is twice, last one first. Two settlements of one job under
/// different leases are a defect of the caller, but not one that may confuse the statements.
fn in_parts(batch: &[Settlement], places: &[usize]) -> Vec<Vec<usize>> {
    let mut parts: Vec<Vec<usize>> = Vec::new();
    let mut seen: HashMap<JobId, usize> = HashMap::with_capacity(places.len());
    for (index, place) in places.iter().enumerate() {
        let part = seen.entry(batch[*place].job).or_default();
        if parts.len() <= *part {
            parts.push(Vec::new());
        }
        parts[*part].push(index);
        *part += 1;
    }
    parts.reverse();
    parts
}
