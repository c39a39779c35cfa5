//! Random commands, and what they come to once the jobs that exist are known.

use hardstop_domain::*;
use hardstop_simulation::Model;
use proptest::prelude::*;
use uuid::Uuid;

use super::world::{Answer, Claim, TYPES};

/// A command before it is known what exists: numbers choose among what does.
#[derive(Debug, Clone)]
pub enum Command {
    Start(Vec<Start>, Option<Flaw>),
    OpenSession,
    Heartbeat(u8),
    Close(u8),
    Expire(u8),
    Claim(u8, Vec<(u8, u32)>, u32),
    Settle(Vec<(u8, Ending)>),
    Resend,
    Rescue,
    Promote,
    MakeDue,
    AgeKeys,
    Cancel(u16),
    Retry(u16),
}

#[derive(Debug, Clone)]
pub struct Start {
    type_number: u8,
    delayed: bool,
    /// 0 and 1: none. 2: a time that has passed. 3: in an hour.
    not_before: u8,
    priority: Option<i16>,
    dedup: Option<(u8, bool)>,
    /// Chains that exist, or earlier ones of the batch.
    blockers: Vec<(bool, u16)>,
    policy: OnBlockerFailure,
}

/// What is wrong with a batch of starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Flaw {
    UnknownType,
    IdTwice,
    KnownId,
    UnknownBlocker,
    Cycle,
}

#[derive(Debug, Clone)]
pub enum Ending {
    /// Starts children, and says whether its type keeps all final jobs.
    Complete(Vec<Start>, Keep),
    Continue(Start),
    Retry(bool),
    Snooze(bool),
    Release,
    Discard,
    Cancel,
    /// Children of an attempt that failed.
    ChildrenOfAFailure,
    /// A continuation of a type that nobody deployed.
    ContinueUnknown,
    /// More children than the lineage may have.
    TooManyChildren,
}

/// A command with everything named. Sessions are numbered in the order in which they were opened.
#[derive(Debug, Clone)]
pub enum Step {
    Start(Vec<(NewChain, NotBefore)>),
    OpenSession,
    Heartbeat(usize),
    Close(usize),
    Expire(usize),
    Claim {
        session: usize,
        batch: u32,
        quotas: Vec<(usize, u32)>,
        total: u32,
    },
    Settle(Vec<End>),
    Rescue,
    Promote,
    MakeDue,
    AgeKeys,
    Cancel(JobId),
    Retry(JobId),
}

/// A settlement, but for its token, which differs between the databases.
#[derive(Debug, Clone)]
pub struct End {
    pub claim: Claim,
    pub next: Next,
    pub children: Vec<NewChain>,
    pub descendants_max: u64,
    pub keep: Keep,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum NotBefore {
    None,
    Past,
    InAnHour,
}

pub const HOUR_MS: u64 = 3_600_000;

pub fn commands() -> impl Strategy<Value = Vec<Command>> {
    prop::collection::vec(command(), 1..70)
}

fn command() -> impl Strategy<Value = Command> {
    let flaw = prop_oneof![
        12 => Just(None),
        1 => prop_oneof![
            Just(Flaw::UnknownType),
            Just(Flaw::IdTwice),
            Just(Flaw::KnownId),
            Just(Flaw::UnknownBlocker),
            Just(Flaw::Cycle),
        ].prop_map(Some),
    ];
    let quotas = prop::collection::vec((0..TYPES.len() as u8, 0..4_u32), 1..4);
    prop_oneof![
        6 => (prop::collection::vec(start(), 1..5), flaw).prop_map(|(s, f)| Command::Start(s, f)),
        2 => Just(Command::OpenSession),
        1 => any::<u8>().prop_map(Command::Heartbeat),
        1 => any::<u8>().prop_map(Command::Close),
        2 => any::<u8>().prop_map(Command::Expire),
        7 => (any::<u8>(), quotas, 1..6_u32).prop_map(|(s, q, t)| Command::Claim(s, q, t)),
        8 => prop::collection::vec((any::<u8>(), ending()), 1..4).prop_map(Command::Settle),
        1 => Just(Command::Resend),
        2 => Just(Command::Rescue),
        1 => Just(Command::Promote),
        1 => Just(Command::MakeDue),
        1 => Just(Command::AgeKeys),
        1 => any::<u16>().prop_map(Command::Cancel),
        2 => any::<u16>().prop_map(Command::Retry),
    ]
}

fn start() -> impl Strategy<Value = Start> {
    let policy = prop_oneof![
        Just(OnBlockerFailure::Cancel),
        Just(OnBlockerFailure::Run),
        Just(OnBlockerFailure::Hold)
    ];
    let blockers = prop_oneof![
        3 => Just(Vec::new()),
        2 => prop::collection::vec((any::<bool>(), any::<u16>()), 1..4),
    ];
    (
        0..TYPES.len() as u8,
        prop::bool::weighted(0.2),
        0..4_u8,
        prop::option::of(-1..=1_i16),
        prop::option::weighted(0.3, (0..2_u8, any::<bool>())),
        blockers,
        policy,
    )
        .prop_map(
            |(type_number, delayed, not_before, priority, dedup, blockers, policy)| Start {
                type_number,
                delayed,
                not_before,
                priority,
                dedup,
                blockers,
                policy,
            },
        )
}

fn ending() -> impl Strategy<Value = Ending> {
    prop_oneof![
        6 => (
            prop::collection::vec(start(), 0..3),
            prop_oneof![Just(Keep::All), Just(Keep::Failures)]
        ).prop_map(|(children, keep)| Ending::Complete(children, keep)),
        4 => start().prop_map(Ending::Continue),
        2 => any::<bool>().prop_map(Ending::Retry),
        1 => any::<bool>().prop_map(Ending::Snooze),
        1 => Just(Ending::Release),
        3 => Just(Ending::Discard),
        1 => Just(Ending::Cancel),
        1 => prop_oneof![
            Just(Ending::ChildrenOfAFailure),
            Just(Ending::ContinueUnknown),
            Just(Ending::TooManyChildren)
        ],
    ]
}

/// Turns commands into steps, with ids from a counter.
#[derive(Default)]
pub struct Resolver {
    ids: u64,
    batches: u32,
    claims: Vec<Claim>,
    last: Vec<End>,
}

impl Resolver {
    /// None where the command has nothing to act on.
    pub fn resolve(&mut self, command: &Command, model: &Model) -> Option<Step> {
        let session = |number: u8| pick(model.sessions.len(), number.into());
        let job = |number: u16| {
            // The youngest most often: an old job is final.
            let at = pick(model.jobs.len().min(12), number.into())?;
            model.jobs.keys().nth_back(at).copied()
        };
        Some(match command {
            Command::Start(starts, flaw) => Step::Start(self.batch(starts, *flaw, model)?),
            Command::OpenSession => Step::OpenSession,
            Command::Heartbeat(number) => Step::Heartbeat(session(*number)?),
            Command::Close(number) => Step::Close(session(*number)?),
            Command::Expire(number) => Step::Expire(session(*number)?),
            Command::Claim(number, quotas, total) => {
                // One of the last, because early ones have ended.
                let many = model.sessions.len();
                let back = pick(many.min(3), (*number).into())?;
                self.batches += 1;
                Step::Claim {
                    session: many - 1 - back,
                    batch: self.batches,
                    quotas: quotas.iter().map(|(t, q)| (usize::from(*t), *q)).collect(),
                    total: *total,
                }
            }
            Command::Settle(endings) => Step::Settle(self.ends(endings)?),
            Command::Resend => match self.last.as_slice() {
                [] => return None,
                last => Step::Settle(last.to_vec()),
            },
            Command::Rescue => Step::Rescue,
            Command::Promote => Step::Promote,
            Command::MakeDue => Step::MakeDue,
            Command::AgeKeys => Step::AgeKeys,
            Command::Cancel(number) => Step::Cancel(job(*number)?),
            Command::Retry(number) => Step::Retry(job(*number)?),
        })
    }

    /// Remembers what was claimed.
    pub fn note(&mut self, answer: &Answer) {
        if let Answer::Claimed(Ok(claims)) = answer {
            self.claims.extend(claims.iter().cloned());
        }
    }

    fn id(&mut self) -> JobId {
        self.ids += 1;
        // A UUIDv7 of the first day of 2026, a millisecond later each.
        let ms = 1_767_225_600_000 + u128::from(self.ids);
        JobId(Uuid::from_u128(ms << 80 | 0x7000 << 64 | 0x8000 << 48))
    }

    fn new_job(&mut self, start: &Start) -> (NewJob, NotBefore) {
        let id = self.id();
        let name = crate::fixture::name(TYPES[usize::from(start.type_number)]);
        let mut job = NewJob::new(id, name, format!("{{\"n\":{}}}", self.ids));
        job.delay_ms = if start.delayed { HOUR_MS } else { 0 };
        job.priority = start.priority;
        let not_before = match start.not_before {
            2 => NotBefore::Past,
            3 => NotBefore::InAnHour,
            _ => NotBefore::None,
        };
        (job, not_before)
    }

    fn new_chain(&mut self, start: &Start) -> (NewChain, NotBefore) {
        let (job, not_before) = self.new_job(start);
        let mut chain = NewChain::new(job);
        if let Some((key, any)) = start.dedup {
            let scope = match any {
                true => DedupScope::Any { window_ms: HOUR_MS },
                false => DedupScope::Open,
            };
            let key = format!("key-{key}");
            chain.dedup = Some(Dedup { key, scope });
        }
        (chain, not_before)
    }

    fn batch(
        &mut self,
        starts: &[Start],
        flaw: Option<Flaw>,
        model: &Model,
    ) -> Option<Vec<(NewChain, NotBefore)>> {
        let mut batch: Vec<(NewChain, NotBefore)> = Vec::with_capacity(starts.len());
        for start in starts {
            let (mut chain, not_before) = self.new_chain(start);
            for (own, number) in &start.blockers {
                let number = usize::from(*number);
                let blocker = match own {
                    true => pick(batch.len(), number).map(|at| batch[at].0.id()),
                    false => pick(model.chains.len().min(8), number)
                        .and_then(|at| model.chains.keys().nth_back(at).copied()),
                };
                chain.first.blockers.extend(blocker);
            }
            chain.first.on_blocker_failure = start.policy;
            batch.push((chain, not_before));
        }
        let last = batch.len() - 1;
        match flaw {
            None => {}
            Some(Flaw::UnknownType) => batch[last].0.first.type_name = crate::fixture::name("z"),
            Some(Flaw::IdTwice) => {
                let twin = batch[last].clone();
                batch.push(twin);
            }
            Some(Flaw::KnownId) => {
                batch[last].0.first.id = *model.jobs.keys().next()?;
                batch[last].0.dedup = None;
                batch[last].0.first.blockers.clear();
            }
            Some(Flaw::UnknownBlocker) => {
                let unknown = ChainId(self.id().0);
                batch[last].0.first.blockers.push(unknown);
                batch[last].0.dedup = None;
            }
            Some(Flaw::Cycle) => {
                // The last may already wait for the first; now the first waits for the last.
                let (first, end) = (batch[0].0.id(), batch[last].0.id());
                batch[0].0.first.blockers.push(end);
                batch[last].0.first.blockers.push(first);
            }
        }
        Some(batch)
    }

    fn ends(&mut self, endings: &[(u8, Ending)]) -> Option<Vec<End>> {
        let mut ends: Vec<End> = Vec::new();
        let mut requeued = false;
        for (number, ending) in endings {
            let back = pick(self.claims.len().min(8), (*number).into())?;
            let claim = self.claims[self.claims.len() - 1 - back].clone();
            if ends.iter().any(|end| end.claim.job == claim.job) {
                continue;
            }
            let at_once = matches!(ending, Ending::Retry(false) | Ending::Snooze(false));
            // Two that come back at once are due at one time or one after the other: that is not said.
            if at_once && std::mem::replace(&mut requeued, true) {
                continue;
            }
            ends.push(self.end(claim, ending));
        }
        let many = ends.len() > 1;
        for child in ends.iter_mut().flat_map(|end| &mut end.children) {
            // Whether a key is free that another settlement of the batch frees is not said either.
            if many {
                child.dedup = None;
            }
        }
        self.last.clone_from(&ends);
        Some(ends)
    }

    fn end(&mut self, claim: Claim, ending: &Ending) -> End {
        let delay_ms = |delayed: bool| if delayed { HOUR_MS } else { 0 };
        let plain = Start {
            type_number: 0,
            delayed: false,
            not_before: 0,
            priority: None,
            dedup: None,
            blockers: Vec::new(),
            policy: OnBlockerFailure::Cancel,
        };
        let output = format!("{}", self.ids);
        let mut children = Vec::new();
        let mut descendants_max = 1_000;
        let mut keep = Keep::All;
        let next = match ending {
            Ending::Complete(starts, its_keep) => {
                keep = *its_keep;
                children = starts.iter().map(|s| self.new_chain(s).0).collect();
                Next::Complete { output }
            }
            Ending::Continue(start) => Next::Continue {
                job: self.new_job(start).0,
            },
            Ending::Retry(delayed) => Next::Retry {
                delay_ms: delay_ms(*delayed),
            },
            Ending::Snooze(delayed) => Next::Snooze {
                delay_ms: delay_ms(*delayed),
            },
            Ending::Release => Next::Release,
            Ending::Discard => Next::Discard,
            Ending::Cancel => Next::Cancel,
            Ending::ChildrenOfAFailure => {
                children = vec![self.new_chain(&plain).0];
                Next::Discard
            }
            Ending::ContinueUnknown => {
                let mut job = self.new_job(&plain).0;
                job.type_name = crate::fixture::name("z");
                Next::Continue { job }
            }
            Ending::TooManyChildren => {
                descendants_max = 2;
                children = (0..3).map(|_| self.new_chain(&plain).0).collect();
                Next::Complete { output }
            }
        };
        End {
            claim,
            next,
            children,
            descendants_max,
            keep,
        }
    }
}

fn pick(many: usize, number: usize) -> Option<usize> {
    (many > 0).then(|| number % many)
}
