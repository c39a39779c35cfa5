//! The store as a worker of the simulation has it: the model, behind a network and a database that fail.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hardstop_domain::*;
use hardstop_simulation::Model;
use hardstop_store::*;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::check::Asked;
use super::world::{Sabotage, TIMEOUT, World, types};

/// One process's connection.
pub struct FaultyStore {
    pub world: World,
    pub process: usize,
}

/// What becomes of an operation.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Answered,
    FailedBefore,
    ReplyLost,
}

impl FaultyStore {
    /// Sends an operation and waits for its answer. What was sent is done even if nobody waits any more.
    async fn ask<T: Send + 'static>(
        &self,
        asked: Asked,
        effect: impl FnOnce(&mut Model) -> T + Send + 'static,
        changed: impl FnOnce(&T) -> bool + Send + 'static,
    ) -> Result<T, StoreError> {
        self.world.alive(self.process).await;
        let world = self.world.clone();
        let request = tokio::spawn(async move { send(world, asked, effect, changed).await });
        let answer = request.await.expect("a request does not panic");
        self.world.alive(self.process).await;
        answer
    }
}

async fn send<T>(
    world: World,
    asked: Asked,
    effect: impl FnOnce(&mut Model) -> T,
    changed: impl FnOnce(&T) -> bool,
) -> Result<T, StoreError> {
    let (there, back, fate, away) = {
        let mut world = world.lock();
        let away = world
            .faults
            .away_until
            .filter(|until| Instant::now() < *until);
        let (fail, lose) = (world.faults.fail_before, world.faults.lose_reply);
        let fate = match (world.chance(fail), world.chance(lose)) {
            (true, _) => Fate::FailedBefore,
            (_, true) => Fate::ReplyLost,
            _ => Fate::Answered,
        };
        (world.latency(), world.latency(), fate, away)
    };
    if away.is_some() {
        let refused = world.lock().chance(500);
        let after = if refused { there } else { TIMEOUT };
        sleep(after).await;
        return Err(unreachable());
    }
    sleep(there).await;
    if fate == Fate::FailedBefore {
        return Err(unreachable());
    }
    let answer = {
        let mut state = world.lock();
        let (answer, wakes) = state.operate(&asked, effect, changed);
        drop(state);
        for (listener, wake, after) in wakes {
            tokio::spawn(async move {
                sleep(after).await;
                let _ = listener.send(wake);
            });
        }
        answer
    };
    if fate == Fate::ReplyLost {
        world.lock().lost_replies += 1;
        sleep(TIMEOUT - there).await;
        return Err(StoreError::Timeout(TIMEOUT));
    }
    let late = match asked {
        Asked::Claim(_) => world.lock().faults.late_claims,
        _ => Duration::ZERO,
    };
    sleep(back + late).await;
    Ok(answer)
}

fn unreachable() -> StoreError {
    StoreError::Unreachable {
        database: "the model".to_owned(),
        reason: "simulated".to_owned(),
    }
}

/// What no worker asks for.
fn not_simulated<T>(what: &str) -> Result<T, StoreError> {
    Err(StoreError::Invalid(format!("{what} is not simulated")))
}

struct Ear(UnboundedReceiver<Wake>);

#[async_trait]
impl Listener for Ear {
    async fn wait(&mut self) -> Wake {
        match self.0.recv().await {
            Some(wake) => wake,
            None => std::future::pending().await,
        }
    }
}

#[async_trait]
impl Store for FaultyStore {
    async fn types(&self) -> Result<Vec<ActiveType>, StoreError> {
        self.ask(Asked::Other, |_| active_types(), |_| false).await
    }

    async fn maintain(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn enqueue(&self, chains: &[NewChain]) -> Result<Vec<Started>, StoreError> {
        let chains = chains.to_vec();
        self.ask(
            Asked::Start,
            move |model| model.enqueue(&chains),
            Result::is_ok,
        )
        .await?
    }

    async fn open_session(
        &self,
        _host: &str,
        lease_duration: Duration,
        _types: Option<&[TypeName]>,
    ) -> Result<SessionId, StoreError> {
        let open = move |model: &mut Model| model.open_session(lease_duration);
        self.ask(Asked::Other, open, |_| false).await
    }

    async fn heartbeat(
        &self,
        session: SessionId,
        leases: &[LeaseToken],
    ) -> Result<Heartbeat, StoreError> {
        let leases = leases.to_vec();
        let beat = move |model: &mut Model| {
            let mut beat = model.heartbeat(session);
            beat.held.retain(|(_, lease)| leases.contains(lease));
            beat
        };
        self.ask(Asked::Other, beat, |_| false).await
    }

    async fn stand(&self, _: SessionId, _: Option<Standing>) -> Result<bool, StoreError> {
        self.ask(Asked::Other, |_| false, |_| false).await
    }

    async fn put_live(&self, _: &[LivePart], _: &[(JobId, LeaseToken)]) -> Result<(), StoreError> {
        self.ask(Asked::Other, |_| (), |()| false).await
    }

    async fn close_session(&self, session: SessionId) -> Result<u64, StoreError> {
        let close = move |model: &mut Model| model.close_session(session);
        self.ask(Asked::Close, close, |count| *count > 0).await
    }

    async fn claim(&self, request: &ClaimRequest) -> Result<Vec<ClaimedJob>, StoreError> {
        let request = request.clone();
        let asked = Asked::Claim(request.token);
        let claim = move |model: &mut Model| model.claim(&request);
        let some =
            |claimed: &Result<Vec<_>, _>| claimed.as_ref().is_ok_and(|jobs| !jobs.is_empty());
        let claimed = self.ask(asked, claim, some).await??;
        let mut world = self.world.lock();
        let known = &mut world.processes[self.process].claims;
        known.extend(claimed.iter().map(|job| (job.id, job.token)));
        Ok(claimed)
    }

    async fn settle(&self, batch: &[Settlement]) -> Result<Vec<Settled>, StoreError> {
        let mut batch = batch.to_vec();
        let asked = Asked::Settle(batch.iter().map(|one| (one.job, one.token)).collect());
        let ignores_tokens = self.world.lock().sabotage == Some(Sabotage::IgnoreTokens);
        let settle = move |model: &mut Model| {
            for one in batch.iter_mut().filter(|_| ignores_tokens) {
                let held = model.jobs.get(&one.job).and_then(|job| job.token);
                one.token = held.unwrap_or(one.token);
            }
            model.settle(&batch)
        };
        self.ask(asked, settle, |_| true).await
    }

    async fn rescue(&self) -> Result<Vec<Rescued>, StoreError> {
        let sabotage = self.world.lock().sabotage;
        let world = self.world.clone();
        let rescue = move |model: &mut Model| match sabotage {
            Some(Sabotage::NeverRescue) => Vec::new(),
            Some(Sabotage::RescueEarly) => {
                let early = |session: &mut hardstop_simulation::Session| {
                    session.expires_at -= session.lease_us / 2;
                };
                let mut model_then = model.clone();
                model_then.sessions.values_mut().for_each(early);
                let rescued = model_then.rescue();
                for (id, session) in &mut model.sessions {
                    session.dead = model_then.sessions[id].dead;
                }
                model.jobs = model_then.jobs;
                rescued
            }
            _ => model.rescue(),
        };
        let rescued = self
            .ask(Asked::Rescue, rescue, |rescued| !rescued.is_empty())
            .await?;
        world.lock().rescued += rescued.len() as u64;
        Ok(rescued)
    }

    async fn promote_due(&self) -> Result<Promoted, StoreError> {
        let sabotaged = self.world.lock().sabotage == Some(Sabotage::UnblockEarly);
        let changed = move |promoted: &Promoted| promoted.count > 0 || sabotaged;
        self.ask(Asked::Promote, Model::promote_due, changed).await
    }

    async fn cancel(&self, job: JobId) -> Result<Cancelled, StoreError> {
        let cancel = move |model: &mut Model| model.cancel(job);
        self.ask(Asked::Cancel, cancel, |_| true).await
    }

    async fn retry(&self, job: JobId) -> Result<Retried, StoreError> {
        let retry = move |model: &mut Model| model.retry(job);
        self.ask(Asked::Retry(job), retry, |_| true).await
    }

    fn acting(&self, _: Acting) -> Arc<dyn Store> {
        Arc::new(Self {
            world: self.world.clone(),
            process: self.process,
        })
    }

    async fn reserve(&self, _: Uuid) -> Result<Uuid, StoreError> {
        not_simulated("reserve")
    }

    async fn audit(&self, _: &AuditQuery) -> Result<Vec<AuditRecord>, StoreError> {
        not_simulated("audit")
    }

    async fn put_subscription(
        &self,
        _: NewSubscription,
    ) -> Result<Option<Subscription>, StoreError> {
        not_simulated("put_subscription")
    }

    async fn subscriptions(&self) -> Result<Vec<Subscription>, StoreError> {
        not_simulated("subscriptions")
    }

    async fn subscription(&self, _: &SubscriptionName) -> Result<Option<Subscription>, StoreError> {
        not_simulated("subscription")
    }

    async fn set_subscription_paused(
        &self,
        _: &SubscriptionName,
        _: bool,
    ) -> Result<Option<Subscription>, StoreError> {
        not_simulated("set_subscription_paused")
    }

    async fn delete_subscription(&self, _: &SubscriptionName) -> Result<bool, StoreError> {
        not_simulated("delete_subscription")
    }

    async fn deliveries(&self, _: &DeliveryQuery) -> Result<Option<Vec<Delivery>>, StoreError> {
        not_simulated("deliveries")
    }

    async fn redeliver(
        &self,
        _: &SubscriptionName,
        _: Redelivery,
    ) -> Result<Option<u64>, StoreError> {
        not_simulated("redeliver")
    }

    async fn due_subscriptions(&self) -> Result<Vec<SubscriptionId>, StoreError> {
        not_simulated("due_subscriptions")
    }

    async fn lease_deliveries(
        &self,
        _: SubscriptionId,
        _: Duration,
        _: u32,
    ) -> Result<Option<LeasedDeliveries>, StoreError> {
        not_simulated("lease_deliveries")
    }

    async fn settle_deliveries(&self, _: DeliveryReport) -> Result<bool, StoreError> {
        not_simulated("settle_deliveries")
    }

    async fn check_types(&self, _: Duration) -> Result<u64, StoreError> {
        not_simulated("check_types")
    }

    async fn put_listener(&self, _: NewListener) -> Result<Option<i64>, StoreError> {
        not_simulated("put_listener")
    }

    async fn resume_listener(&self, _: ListenerResume) -> Result<Resumed, StoreError> {
        not_simulated("resume_listener")
    }

    async fn hear(&self, _: HearQuery) -> Result<Heard, StoreError> {
        not_simulated("hear")
    }

    async fn end_listeners(&self) -> Result<bool, StoreError> {
        not_simulated("end_listeners")
    }

    async fn trim_deliveries(&self) -> Result<u64, StoreError> {
        not_simulated("trim_deliveries")
    }

    async fn put_token(&self, _: NewToken) -> Result<Token, StoreError> {
        not_simulated("put_token")
    }

    async fn tokens(&self, _: Option<TokenId>, _: u32) -> Result<Vec<Token>, StoreError> {
        not_simulated("tokens")
    }

    async fn find_token(&self, _: TokenId) -> Result<FoundToken, StoreError> {
        not_simulated("find_token")
    }

    async fn usable_tokens(&self) -> Result<u64, StoreError> {
        not_simulated("usable_tokens")
    }

    async fn drain_session(&self, _: SessionId) -> Result<Option<String>, StoreError> {
        not_simulated("drain_session")
    }

    async fn revoke_token(&self, _: TokenId) -> Result<Option<Token>, StoreError> {
        not_simulated("revoke_token")
    }

    async fn listen(&self) -> Result<Box<dyn Listener>, StoreError> {
        self.world.alive(self.process).await;
        let (sender, receiver) = mpsc::unbounded_channel();
        self.world.lock().processes[self.process]
            .listeners
            .push(sender);
        Ok(Box::new(Ear(receiver)))
    }

    async fn close(&self) {}

    async fn describe(&self) -> Result<String, StoreError> {
        Ok("the model".to_owned())
    }

    async fn migrate(&self) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }

    async fn check_schema(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn deploy(&self, _: NewDeployment) -> Result<Deployment, StoreError> {
        not_simulated("deploy")
    }

    async fn file_bytes(&self, _: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        not_simulated("file_bytes")
    }

    async fn component_bytes(&self, _: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        self.ask(Asked::Other, |_| None, |_| false).await
    }

    async fn components(&self) -> Result<Vec<Component>, StoreError> {
        not_simulated("components")
    }

    async fn job(&self, _: JobId) -> Result<Option<JobDetail>, StoreError> {
        not_simulated("job")
    }

    async fn jobs(&self, _: &JobQuery) -> Result<Vec<JobSummary>, StoreError> {
        not_simulated("jobs")
    }

    async fn chain(&self, _: ChainId) -> Result<Vec<JobSummary>, StoreError> {
        not_simulated("chain")
    }

    async fn type_usage(&self, _: &TypeName, _: u32) -> Result<Vec<UsageSample>, StoreError> {
        not_simulated("type_usage")
    }

    async fn deployments(&self, _: u32) -> Result<Vec<DeploymentDetail>, StoreError> {
        not_simulated("deployments")
    }

    async fn deployment(&self, _: DeploymentId) -> Result<Option<DeploymentDetail>, StoreError> {
        not_simulated("deployment")
    }

    async fn type_history(&self, _: &TypeName) -> Result<TypeHistory, StoreError> {
        not_simulated("type_history")
    }

    async fn rollback(
        &self,
        _: &TypeName,
        _: Option<DeploymentId>,
    ) -> Result<RolledBack, StoreError> {
        not_simulated("rollback")
    }

    async fn change_canary(
        &self,
        _: &TypeName,
        _: CanaryChange,
    ) -> Result<Option<DeploymentId>, StoreError> {
        not_simulated("change_canary")
    }

    async fn count(&self, _: NewTally) -> Result<Option<(Quarantine, bool)>, StoreError> {
        Ok(None)
    }

    async fn quarantines(&self) -> Result<Vec<Quarantine>, StoreError> {
        not_simulated("quarantines")
    }

    async fn release(&self, _: &TypeName) -> Result<u64, StoreError> {
        not_simulated("release")
    }

    async fn counts(&self) -> Result<Vec<StateCount>, StoreError> {
        not_simulated("counts")
    }

    async fn oldest_ready(&self) -> Result<Vec<OldestReady>, StoreError> {
        not_simulated("oldest_ready")
    }

    async fn put_statistics(&self, _: SessionId, _: &[TypeStatistic]) -> Result<(), StoreError> {
        self.ask(Asked::Other, |_| (), |()| false).await
    }

    async fn statistics(&self, _: &StatisticQuery) -> Result<Vec<StatisticPoint>, StoreError> {
        not_simulated("statistics")
    }

    async fn fold(&self) -> Result<(), StoreError> {
        self.ask(Asked::Other, |_| (), |()| false).await
    }

    async fn sessions(&self) -> Result<Vec<Session>, StoreError> {
        not_simulated("sessions")
    }

    async fn cancel_chain(&self, _: ChainId) -> Result<CancelledChain, StoreError> {
        not_simulated("cancel_chain")
    }

    async fn reschedule(&self, _: JobId, _: Due, _: bool) -> Result<Moved, StoreError> {
        not_simulated("reschedule")
    }

    async fn unblock(&self) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn pause(&self, _: NewPause) -> Result<Pause, StoreError> {
        not_simulated("pause")
    }

    async fn resume(&self, _: Option<&TypeName>) -> Result<bool, StoreError> {
        not_simulated("resume")
    }

    async fn pauses(&self) -> Result<Vec<Pause>, StoreError> {
        not_simulated("pauses")
    }

    async fn end_pauses(&self) -> Result<EndedPauses, StoreError> {
        Ok(EndedPauses {
            count: 0,
            next_due_in: None,
        })
    }

    async fn put_schedule(&self, _: NewSchedule) -> Result<PutSchedule, StoreError> {
        not_simulated("put_schedule")
    }

    async fn schedules(&self) -> Result<Vec<Schedule>, StoreError> {
        not_simulated("schedules")
    }

    async fn schedule(&self, _: &ScheduleName) -> Result<Option<ScheduleDetail>, StoreError> {
        not_simulated("schedule")
    }

    async fn set_schedule_paused(&self, _: &ScheduleName, _: bool) -> Result<bool, StoreError> {
        not_simulated("set_schedule_paused")
    }

    async fn delete_schedule(&self, _: &ScheduleName) -> Result<bool, StoreError> {
        not_simulated("delete_schedule")
    }

    async fn trigger_schedule(&self, _: &ScheduleName) -> Result<Option<ChainId>, StoreError> {
        not_simulated("trigger_schedule")
    }

    async fn fire_due(&self, _: &FireCheck) -> Result<Fired, StoreError> {
        Ok(Fired {
            started: Vec::new(),
            failed: Vec::new(),
            next_due_in: None,
        })
    }

    async fn dead_letters(&self, _: &DeadLetterQuery) -> Result<Vec<DeadLetter>, StoreError> {
        not_simulated("dead_letters")
    }

    async fn dead_letter_bound(
        &self,
        _: &DeadLetterQuery,
        _: u32,
    ) -> Result<Option<JobId>, StoreError> {
        not_simulated("dead_letter_bound")
    }

    async fn replay(&self, _: &ReplayBatch) -> Result<Vec<(JobId, ReplayAnswer)>, StoreError> {
        not_simulated("replay")
    }

    async fn replays(&self, _: Option<ReplayId>, _: u32) -> Result<Vec<Replay>, StoreError> {
        not_simulated("replays")
    }

    async fn replay_detail(&self, _: ReplayId) -> Result<Option<ReplayDetail>, StoreError> {
        not_simulated("replay_detail")
    }

    async fn replay_jobs(
        &self,
        _: ReplayId,
        _: Option<JobId>,
        _: u32,
    ) -> Result<Vec<ReplayedJob>, StoreError> {
        not_simulated("replay_jobs")
    }

    async fn delete_chain(&self, _: ChainId, _: bool) -> Result<Deleted, StoreError> {
        not_simulated("delete_chain")
    }

    async fn retain(&self, _: &Retention) -> Result<Retained, StoreError> {
        Ok(Retained {
            jobs: 0,
            partitions: 0,
            more: false,
        })
    }

    async fn complete_external(
        &self,
        _: JobId,
        _: Uuid,
        _: &ExternalOutcome,
    ) -> Result<ExternalAnswer, StoreError> {
        not_simulated("complete_external")
    }

    async fn completion_token(&self, _: JobId) -> Result<Option<Completion>, StoreError> {
        not_simulated("completion_token")
    }

    async fn expire_external(&self) -> Result<Expired, StoreError> {
        Ok(Expired {
            count: 0,
            next_due_in: None,
        })
    }

    async fn chains(&self, _: &ChainQuery) -> Result<Vec<ChainSummary>, StoreError> {
        not_simulated("chains")
    }

    async fn chain_detail(&self, _: ChainId) -> Result<Option<ChainDetail>, StoreError> {
        not_simulated("chain_detail")
    }

    async fn explain(&self, _: JobId) -> Result<Option<Explanation>, StoreError> {
        not_simulated("explain")
    }
}

fn active_types() -> Vec<ActiveType> {
    let active = types().map(|(name, id)| ActiveType {
        id,
        deployment: DeploymentId(Uuid::nil()),
        deployed_at: Timestamp(0),
        canary: None,
        quarantine: None,
        spec: TypeSpec::new(name.parse().unwrap(), Digest::of(b"component")),
    });
    active.collect()
}
