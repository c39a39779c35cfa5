//! What can be measured: each scenario is a module, and all have one shape.

mod backlog;
mod chain;
mod distant;
mod drain;
mod fan_in;
mod held;
mod idle;
mod long;
mod pickup;
mod process;
mod sleeper;
mod start;
mod statement;

use std::sync::Arc;

use anyhow::Result;
use async_trait::async_trait;
use clap::ValueEnum;
use serde_json::{Map, Value};

use crate::bench::Bench;
use crate::cycle::Cycle;
use crate::database::Engine;
use crate::measure::Figure;
use crate::page::Pages;
use crate::stop::Stops;
use drain::Work;

/// A scenario, set up.
#[async_trait]
pub trait Measure: Send {
    /// One repetition.
    async fn round(&mut self) -> Result<Vec<Figure>>;

    /// What is done before the first repetition, and not counted.
    async fn warm_up(&mut self) -> Result<()> {
        self.round().await.map(drop)
    }

    /// How many repetitions there are, where so many are asked for.
    fn repeats(&self, asked: u32) -> u32 {
        asked
    }

    /// Ends it. What is to be told beside the figures of the repetitions.
    async fn finish(self: Box<Self>) -> Result<Map<String, Value>>;
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// Starts, one at a time: jobs a second; and beside it rows that are inserted and committed one at a time.
    StartSingle,
    /// Starts in batches of 100: jobs a second.
    #[value(name = "start-batch-100")]
    StartBatch100,
    /// Starts in batches of 1,000: jobs a second.
    #[value(name = "start-batch-1000")]
    StartBatch1000,
    /// Draining no-op jobs, started before: jobs a second, CPU time, bytes of the log and memory.
    Drain,
    /// The same claims and settlements alone, in batches of 500, without a worker and a guest: jobs a second.
    Statements,
    /// Draining no-op jobs of a type with `keep = "failures"`, of which nothing is left.
    DrainNoHistory,
    /// Draining jobs of small real handlers: orders added up, 10 KiB hashed, orders written out.
    DrainHandlers,
    /// An idle worker, one job: from the start call's beginning to the handler's entry, milliseconds.
    Pickup,
    /// The same while no-op jobs are started at half of the rate at which the worker drains them.
    PickupLoaded,
    /// Draining chains of 10 jobs, and one such chain on an idle worker.
    Chains,
    /// A job that waits for 1,000 chains: all of it, and from the last one's end to its beginning.
    FanIn,
    /// An idle worker: CPU time in percent of a core, and the statements that it runs.
    Idle,
    /// Draining by 1, 2 and 4 worker processes.
    Processes,
    /// Draining on a database that is 1 ms away, there and back, and directly. Postgres only.
    Distant,
    /// Guests that are asleep at once in one worker, of `--sleepers`: memory.
    Sleepers,
    /// Draining beside `--backlog` ready, as many scheduled and as many blocked jobs, and without them.
    Backlog,
    /// Steady work for `--held` seconds while somebody else's transaction is open, and as long without one.
    HeldTransaction,
    /// Claims and settlements of `--long` jobs: how long a claim takes at the start and at the end.
    Long,
    /// The sandbox alone, and the bare engine beside it: microseconds a cycle.
    Sandbox,
    /// Guests that spin, in the sandbox and beside it as tasks of a tokio runtime: how late each is stopped, and
    /// what others notice.
    Stop,
    /// Every page of the dashboard and every list of the API over a long history: milliseconds a load; and the drain
    /// rate while pages are loaded. Fails where one takes over 200 ms, or the rate falls by over 5 %.
    Pages,
}

impl Scenario {
    /// As it is written on the command line.
    pub fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// As results name it.
    pub fn key(self) -> String {
        self.name().replace('-', "_")
    }

    /// Scenarios that stand beside each other and have the same group are measured in turns, a repetition each, so
    /// that they can be compared.
    pub fn group(self) -> Option<&'static str> {
        match self {
            Self::Drain | Self::Statements | Self::DrainNoHistory | Self::DrainHandlers => {
                Some("drain")
            }
            _ => None,
        }
    }

    /// Whether it is measured only where it is named: it takes minutes.
    pub fn is_long(self) -> bool {
        matches!(
            self,
            Self::Backlog | Self::HeldTransaction | Self::Long | Self::Pages
        )
    }

    /// Whether what it comes to depends much on how fast a commit is.
    pub fn commits(self) -> bool {
        matches!(
            self,
            Self::StartSingle
                | Self::StartBatch100
                | Self::Drain
                | Self::DrainNoHistory
                | Self::Statements
                | Self::Pickup
                | Self::Chains
                | Self::FanIn
        )
    }

    /// Why it cannot be measured on a database; none if it can.
    pub fn refusal(self, engine: Engine) -> Option<&'static str> {
        match (self, engine) {
            (Self::Distant, Engine::Sqlite) => {
                Some("a SQLite file is never distant: add --store postgres")
            }
            _ => None,
        }
    }

    /// Sets it up.
    pub async fn open(self, bench: &Arc<Bench>) -> Result<Box<dyn Measure>> {
        Ok(match self {
            Self::StartSingle => Box::new(start::Single::open(bench).await?),
            Self::StartBatch100 => Box::new(start::Batches::open(bench, 100).await?),
            Self::StartBatch1000 => Box::new(start::Batches::open(bench, 1_000).await?),
            Self::Drain => Box::new(drain::Drain::open(bench, Work::Noop).await?),
            Self::DrainNoHistory => Box::new(drain::Drain::open(bench, Work::NoopNotKept).await?),
            Self::DrainHandlers => Box::new(drain::Drain::open(bench, Work::Handlers).await?),
            Self::Statements => Box::new(statement::Statements::open(bench).await?),
            Self::Pickup => Box::new(pickup::Pickup::open(bench).await?),
            Self::PickupLoaded => Box::new(pickup::Loaded::open(bench).await?),
            Self::Chains => Box::new(chain::Chains::open(bench).await?),
            Self::FanIn => Box::new(fan_in::FanIn::open(bench).await?),
            Self::Idle => Box::new(idle::Idle::open(bench).await?),
            Self::Processes => Box::new(process::Processes::open(bench).await?),
            Self::Distant => Box::new(distant::Distant::open(bench).await?),
            Self::Sleepers => Box::new(sleeper::Sleepers::open(bench)),
            Self::Backlog => Box::new(backlog::Backlog::open(bench).await?),
            Self::HeldTransaction => Box::new(held::Held::open(bench).await?),
            Self::Long => Box::new(long::Long::open(bench).await?),
            Self::Sandbox => Box::new(Cycle::open(bench).await?),
            Self::Stop => Box::new(Stops::open(bench).await?),
            Self::Pages => Box::new(Pages::open(bench).await?),
        })
    }
}
