//! A side of the comparison: a store or the model, asked and looked at in the same words.

use std::collections::BTreeMap;
use std::sync::Arc;

use hardstop_domain::*;
use hardstop_simulation::Model;
use hardstop_store::*;

use super::command::{End, HOUR_MS, NotBefore, Step};
use crate::fixture::{Fixture, LONG, name, settlement};

pub const TYPES: [&str; 3] = ["a", "b", "c"];

pub struct World {
    side: Side,
    sessions: Vec<SessionId>,
    types: Vec<TypeId>,
}

enum Side {
    Model(Box<Model>),
    Store(Box<Fixture>),
}

/// What a step was answered with, in words that both sides share.
#[derive(Debug, PartialEq)]
pub enum Answer {
    Started(Result<Vec<Started>, String>),
    Opened,
    Beat(bool, Vec<(JobId, usize, u32)>),
    Closed(u64),
    Claimed(Result<Vec<Claim>, String>),
    Settled(Vec<String>),
    Rescued(Vec<(JobId, usize, u32, State)>),
    Promoted(u64, bool),
    Cancelled(Cancelled),
    Retried(Retried),
    Moved,
}

/// A claimed job, its lease written as the session's number and the claim's.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    pub job: JobId,
    pub session: usize,
    pub batch: u32,
    chain: ChainId,
    type_number: usize,
    attempt: u32,
    run: u32,
    rescues: u32,
    priority: i16,
    input: String,
    blockers: Vec<(ChainId, Option<State>, Option<String>)>,
    lineage: Lineage,
}

/// What can be seen of a job in a list, and, where it has just changed, in full.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    id: JobId,
    chain: ChainId,
    type_name: String,
    state: State,
    outcome: Option<OutcomeKind>,
    attempt: u32,
    rescues: u32,
    priority: i16,
    more: Option<More>,
}

#[derive(Debug, Clone, PartialEq)]
struct More {
    input: String,
    output: Option<String>,
    continued_to: Option<JobId>,
    attempts: Vec<(u32, u32, OutcomeKind)>,
    chain: Vec<(JobId, State)>,
}

impl World {
    pub fn model() -> Self {
        let types = (1..).map(TypeId).zip(TYPES);
        let model = Model::new(types.map(|(id, text)| (name(text), id)));
        Self {
            side: Side::Model(Box::new(model)),
            sessions: Vec::new(),
            types: (1..).map(TypeId).take(TYPES.len()).collect(),
        }
    }

    /// A store with nothing in it but the types.
    pub async fn store(db: &Fixture) -> Self {
        let tables = [
            "job_live",
            "job_done",
            "job_body",
            "job_attempt",
            "job_blocker",
            "closure",
            "chain_key",
            "lineage",
            "session",
            "job_count",
        ];
        let clean = tables.map(|table| format!("DELETE FROM hardstop.{table};"));
        db.execute(&clean.concat()).await;
        let known = db.store.types().await.unwrap();
        let number = |wanted: &str| {
            let found = known.iter().find(|t| t.spec.name.as_str() == wanted);
            found.unwrap().id
        };
        Self {
            side: Side::Store(Box::new(db.clone())),
            sessions: Vec::new(),
            types: TYPES.map(number).into(),
        }
    }

    pub fn name(&self) -> String {
        match &self.side {
            Side::Model(_) => "the model".to_owned(),
            Side::Store(db) => format!("{:?}", db.database),
        }
    }

    pub fn as_model(&self) -> &Model {
        match &self.side {
            Side::Model(model) => model,
            Side::Store(_) => unreachable!("only the model is asked for it"),
        }
    }

    fn now(&self) -> i64 {
        match &self.side {
            Side::Model(model) => model.now,
            Side::Store(_) => {
                let since = std::time::UNIX_EPOCH.elapsed().unwrap();
                since.as_micros() as i64
            }
        }
    }

    fn lease(&self, token: LeaseToken) -> (usize, u32) {
        let session = token.session();
        let number = self.sessions.iter().position(|known| *known == session);
        (number.unwrap(), token.batch())
    }

    /// Does a step.
    pub async fn execute(&mut self, step: &Step) -> Answer {
        let before = self.now();
        if let Side::Model(model) = &mut self.side {
            // Longer than any line of closures that one step leads to.
            model.now += 1_000;
        }
        match step {
            Step::Start(chains) => {
                let dated = |(chain, not_before): &(NewChain, NotBefore)| {
                    let mut chain = chain.clone();
                    chain.first.not_before = match not_before {
                        NotBefore::None => None,
                        NotBefore::Past => Some(Timestamp(before - 1)),
                        NotBefore::InAnHour => Some(Timestamp(before + HOUR_MS as i64 * 1_000)),
                    };
                    chain
                };
                let chains: Vec<NewChain> = chains.iter().map(dated).collect();
                let started = match &mut self.side {
                    Side::Model(model) => model.enqueue(&chains),
                    Side::Store(db) => db.store.enqueue(&chains).await,
                };
                Answer::Started(started.map_err(kind))
            }
            Step::OpenSession => {
                let session = match &mut self.side {
                    Side::Model(model) => model.open_session(LONG),
                    Side::Store(db) => db.session().await,
                };
                self.sessions.push(session);
                Answer::Opened
            }
            Step::Heartbeat(number) => {
                let session = self.sessions[*number];
                let beat = match &mut self.side {
                    Side::Model(model) => model.heartbeat(session),
                    Side::Store(db) => db.beat(session).await,
                };
                let held = beat.held.iter().map(|(job, token)| {
                    let (session, batch) = self.lease(*token);
                    (*job, session, batch)
                });
                let mut held: Vec<_> = held.collect();
                held.sort();
                Answer::Beat(beat.alive, held)
            }
            Step::Close(number) => {
                let session = self.sessions[*number];
                Answer::Closed(match &mut self.side {
                    Side::Model(model) => model.close_session(session),
                    Side::Store(db) => db.store.close_session(session).await.unwrap(),
                })
            }
            Step::Expire(number) => {
                let session = self.sessions[*number];
                match &mut self.side {
                    Side::Model(model) => model.expire(session),
                    Side::Store(db) => db.expire(session).await,
                }
                Answer::Moved
            }
            Step::Claim {
                session,
                batch,
                quotas,
                total,
            } => {
                let request = ClaimRequest {
                    token: LeaseToken::new(self.sessions[*session], *batch),
                    quotas: quotas.iter().map(|(t, q)| (self.types[*t], *q)).collect(),
                    total: *total,
                };
                let claimed = match &mut self.side {
                    Side::Model(model) => model.claim(&request),
                    Side::Store(db) => db.store.claim(&request).await,
                };
                let claimed = claimed.map(|jobs| jobs.into_iter().map(|j| self.claim(j)).collect());
                Answer::Claimed(claimed.map_err(|error| match error {
                    StoreError::SessionEnded(_) => "the session has ended".to_owned(),
                    other => kind(other),
                }))
            }
            Step::Settle(ends) => {
                let batch: Vec<Settlement> = ends.iter().map(|end| self.settlement(end)).collect();
                let settled = match &mut self.side {
                    Side::Model(model) => model.settle(&batch),
                    Side::Store(db) => db.store.settle(&batch).await.unwrap(),
                };
                let kinds = settled.into_iter().map(|settled| match settled {
                    Settled::Refused(_) => "Refused".to_owned(),
                    Settled::Overtaken(_) => "Overtaken".to_owned(),
                    other => format!("{other:?}"),
                });
                Answer::Settled(kinds.collect())
            }
            Step::Rescue => {
                let mut rescued = match &mut self.side {
                    Side::Model(model) => model.rescue(),
                    Side::Store(db) => db.store.rescue().await.unwrap(),
                };
                rescued.sort_by_key(|rescued| rescued.job);
                let rescued = rescued.into_iter().map(|r| {
                    let session = self.lease(LeaseToken::new(r.session, 0)).0;
                    (r.job, session, r.rescues, r.state)
                });
                Answer::Rescued(rescued.collect())
            }
            Step::Promote => {
                let promoted = match &mut self.side {
                    Side::Model(model) => model.promote_due(),
                    Side::Store(db) => db.store.promote_due().await.unwrap(),
                };
                Answer::Promoted(promoted.count, promoted.next_due_in.is_some())
            }
            Step::MakeDue => {
                match &mut self.side {
                    Side::Model(model) => model.make_due(),
                    Side::Store(db) => {
                        let earlier = match db.database {
                            crate::fixture::Database::Postgres => "interval '1 hour'",
                            crate::fixture::Database::Sqlite => "3600000000",
                        };
                        let sql = format!(
                            "UPDATE hardstop.job_live SET due_at = due_at - {earlier} WHERE state IN (1, 2)"
                        );
                        db.execute(&sql).await;
                    }
                }
                Answer::Moved
            }
            Step::AgeKeys => {
                match &mut self.side {
                    Side::Model(model) => model.age_keys(7_200_000_000),
                    Side::Store(db) => {
                        let earlier = match db.database {
                            crate::fixture::Database::Postgres => "interval '2 hours'",
                            crate::fixture::Database::Sqlite => "7200000000",
                        };
                        let sql = format!(
                            "UPDATE hardstop.chain_key SET started_at = started_at - {earlier}"
                        );
                        db.execute(&sql).await;
                    }
                }
                Answer::Moved
            }
            Step::Cancel(job) => Answer::Cancelled(match &mut self.side {
                Side::Model(model) => model.cancel(*job),
                Side::Store(db) => db.store.cancel(*job).await.unwrap(),
            }),
            Step::Retry(job) => Answer::Retried(match &mut self.side {
                Side::Model(model) => model.retry(*job),
                Side::Store(db) => db.store.retry(*job).await.unwrap(),
            }),
        }
    }

    fn claim(&self, job: ClaimedJob) -> Claim {
        let (session, batch) = self.lease(job.token);
        let blockers = job.blockers.into_iter();
        Claim {
            job: job.id,
            session,
            batch,
            chain: job.chain_id,
            type_number: self.types.iter().position(|t| *t == job.type_id).unwrap(),
            attempt: job.attempt,
            run: job.run,
            rescues: job.rescues,
            priority: job.priority,
            input: job.input,
            blockers: blockers.map(|b| (b.chain_id, b.state, b.output)).collect(),
            lineage: job.lineage,
        }
    }

    fn settlement(&self, end: &End) -> Settlement {
        let claim = &end.claim;
        let job = ClaimedJob {
            id: claim.job,
            chain_id: claim.chain,
            type_id: self.types[claim.type_number],
            token: LeaseToken::new(self.sessions[claim.session], claim.batch),
            attempt: claim.attempt,
            run: claim.run,
            rescues: claim.rescues,
            priority: claim.priority,
            input: claim.input.clone(),
            limits: LimitsPatch::default(),
            trace_parent: None,
            created_at: Timestamp(0),
            due_at: Timestamp(0),
            claimed_at: Timestamp(0),
            snoozes: 0,
            snoozed_ms: 0,
            larger_memory: false,
            blockers: Vec::new(),
            lineage: claim.lineage,
            descendants: 0,
            unchecked: false,
        };
        Settlement {
            children: end.children.clone(),
            descendants_max: end.descendants_max,
            keep: end.keep,
            ..settlement(&job, end.next.clone())
        }
    }

    /// What the model shows, in full where it is not as it was `before`.
    pub async fn view(&self, before: &Model) -> Vec<Seen> {
        self.view_as(self, before).await
    }

    /// What this side shows, in full where the model is not as it was `before`.
    pub async fn view_as(&self, model: &Self, before: &Model) -> Vec<Seen> {
        let changed = |id: &JobId| before.jobs.get(id) != model.as_model().jobs.get(id);
        let mut seen = match &self.side {
            Side::Model(model) => model
                .jobs
                .values()
                .rev()
                .map(|job| line(self, job))
                .collect(),
            Side::Store(db) => {
                let query = JobQuery {
                    limit: JOB_QUERY_LIMIT_MAX,
                    ..JobQuery::default()
                };
                let jobs = db.store.jobs(&query).await.unwrap();
                jobs.into_iter().map(summary).collect::<Vec<_>>()
            }
        };
        for job in seen.iter_mut().filter(|job| changed(&job.id)) {
            job.more = Some(match &self.side {
                Side::Model(model) => in_full(model, job.id),
                Side::Store(db) => in_full_of(&db.store, job.id).await,
            });
        }
        seen
    }
}

fn line(world: &World, job: &hardstop_simulation::Job) -> Seen {
    let number = world.types.iter().position(|t| *t == job.type_id).unwrap();
    Seen {
        id: job.id,
        chain: job.chain,
        type_name: TYPES[number].to_owned(),
        state: job.state,
        outcome: job.outcome,
        attempt: job.attempt,
        rescues: job.rescues,
        priority: job.priority,
        more: None,
    }
}

fn summary(job: JobSummary) -> Seen {
    Seen {
        id: job.id,
        chain: job.chain_id,
        type_name: job.type_name.to_string(),
        state: job.state,
        outcome: job.outcome,
        attempt: job.attempt,
        rescues: job.rescues,
        priority: job.priority,
        more: None,
    }
}

fn in_full(model: &Model, id: JobId) -> More {
    let job = &model.jobs[&id];
    let attempts = job.attempts.iter();
    let chain = model.chains[&job.chain].jobs.iter();
    More {
        input: job.input.clone(),
        output: job.output.clone(),
        continued_to: job.continued_to,
        attempts: attempts.map(|a| (a.run, a.attempt, a.outcome)).collect(),
        chain: chain.map(|id| (*id, model.jobs[id].state)).collect(),
    }
}

async fn in_full_of(store: &Arc<dyn Store>, id: JobId) -> More {
    let job = store.job(id).await.unwrap().unwrap();
    let attempts = job.attempts.iter();
    let chain = store.chain(job.summary.chain_id).await.unwrap();
    More {
        input: job.input,
        output: job.output,
        continued_to: job.continued_to,
        attempts: attempts.map(|a| (a.run, a.attempt, a.outcome)).collect(),
        chain: chain.into_iter().map(|job| (job.id, job.state)).collect(),
    }
}

/// How many jobs each type has in each state: what the counters of a store say, and what its jobs do.
pub async fn counts(store: &World, seen: &[Seen]) -> [BTreeMap<(String, State), u64>; 2] {
    let Side::Store(db) = &store.side else {
        unreachable!("only stores have counters");
    };
    // Now and then, so that both what is folded and what is not is looked at.
    if seen.len().is_multiple_of(3) {
        db.store.fold().await.unwrap();
    }
    let counters = db.store.counts().await.unwrap().into_iter();
    let counters = counters.map(|it| ((it.type_name.to_string(), it.state), it.count));
    let mut counted = BTreeMap::new();
    for job in seen {
        *counted
            .entry((job.type_name.clone(), job.state))
            .or_default() += 1;
    }
    [counters.collect(), counted]
}

/// The first job that the two sides show differently.
pub fn difference<'a>(
    ours: &'a [Seen],
    theirs: &'a [Seen],
) -> (Option<&'a Seen>, Option<&'a Seen>) {
    let ids = ours.iter().chain(theirs).map(|seen| seen.id);
    let of = |side: &'a [Seen], id: JobId| side.iter().find(|seen| seen.id == id);
    ids.map(|id| (of(ours, id), of(theirs, id)))
        .find(|(ours, theirs)| ours != theirs)
        .unwrap_or_default()
}

/// An error, in words that do not depend on the database.
fn kind(error: StoreError) -> String {
    match error {
        StoreError::BlockerCycle(_) => "a cycle".to_owned(),
        other => other.to_string(),
    }
}
