//! Workers that are processes of their own: this program, started again.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hardstop_domain::Limits;
use hardstop_sandbox::Sandbox;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::bench::{self, Bench};
use crate::database::{Database, Engine};
use crate::site::Site;
use crate::tally::Tally;

/// What is asked for on the standard input, a line each. Its end asks the worker to end.
const TALLY: &str = "tally";
const INSTANCES: &str = "instances";
/// What of the command line makes this program a worker.
pub const URL_FLAG: &str = "--hand";
const COMPILED_FLAG: &str = "--compiled";
/// How long a worker may take to begin.
const START_MAX: Duration = Duration::from_secs(30);
const LOOK_INTERVAL: Duration = Duration::from_millis(10);
/// What runs at the end is of no interest.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(100);
/// What a guest needs beside its own memory, generously.
const GUEST_BYTES: u64 = 16 << 20;

/// Works on a database until the standard input ends.
pub async fn work(url: &str, concurrency: u32, compiled: &Path) -> Result<()> {
    let mut config = bench::config(concurrency, compiled);
    config.worker.drain_timeout = DRAIN_TIMEOUT;
    // As many guests as there are slots are to run, whatever they could grow to.
    let guest_bytes = Limits::default().memory_bytes_max + GUEST_BYTES;
    config.worker.memory_budget = Some(u64::from(concurrency) * guest_bytes);
    let sandbox = Sandbox::new(config.sandbox(concurrency))?;
    let database = Database {
        engine: match url.starts_with("sqlite:") {
            true => Engine::Sqlite,
            false => Engine::Postgres,
        },
        url: url.to_owned(),
    };
    let site = Arc::new(Site::open(database, &config, &sandbox).await?);
    let working = site.work()?;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut answers = tokio::io::stdout();
    while let Some(line) = lines.next_line().await? {
        let answer = match line.as_str() {
            TALLY => site.tally().to_text(),
            INSTANCES => sandbox.occupancy().instances.to_string(),
            other => bail!("a worker was asked for `{other}`"),
        };
        answers.write_all(format!("{answer}\n").as_bytes()).await?;
        answers.flush().await?;
    }
    working.stop().await?;
    site.close().await;
    Ok(())
}

/// A worker process. It ends with this value.
pub struct Hand {
    child: Child,
    questions: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Hand {
    /// Starts workers, and waits until all are registered.
    pub async fn start(
        bench: &Bench,
        site: &Site,
        count: u32,
        concurrency: u32,
    ) -> Result<Vec<Self>> {
        let program = std::env::current_exe().context("cannot tell which program this is")?;
        let compiled: PathBuf = bench.config.compile.cache.clone().unwrap_or_default();
        let mut hands = Vec::new();
        for _ in 0..count {
            let mut child = Command::new(&program)
                .args([URL_FLAG, &site.database().url])
                .args(["--concurrency", &concurrency.to_string()])
                .arg(COMPILED_FLAG)
                .arg(&compiled)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .kill_on_drop(true)
                .spawn()
                .with_context(|| format!("cannot run {}", program.display()))?;
            let (questions, answers) = (child.stdin.take(), child.stdout.take());
            hands.push(Self {
                child,
                questions: questions.context("a worker has no input")?,
                answers: BufReader::new(answers.context("a worker has no output")?).lines(),
            });
        }
        let registered = async {
            while site.service.sessions().await?.len() < count as usize {
                for hand in &mut hands {
                    hand.check_running()?;
                }
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(START_MAX, registered)
            .await
            .context("a worker did not register in time")??;
        Ok(hands)
    }

    fn check_running(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("a worker ended with {status}"),
        }
    }

    /// The process.
    pub fn id(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    /// What it has run so far.
    pub async fn tally(&mut self) -> Result<Tally> {
        let answer = self.ask(TALLY).await?;
        Tally::of_text(&answer).with_context(|| format!("a worker answered `{answer}`"))
    }

    /// How many guests live in its sandbox.
    pub async fn instances(&mut self) -> Result<u64> {
        let answer = self.ask(INSTANCES).await?;
        answer
            .parse()
            .with_context(|| format!("a worker answered `{answer}`"))
    }

    async fn ask(&mut self, question: &str) -> Result<String> {
        self.questions
            .write_all(format!("{question}\n").as_bytes())
            .await
            .context("a worker is gone")?;
        let answer = self.answers.next_line().await?;
        answer.context("a worker ended before it answered")
    }

    /// Lets it end, and waits for that.
    pub async fn end(self) -> Result<()> {
        let Self {
            mut child,
            questions,
            ..
        } = self;
        drop(questions);
        let status = child.wait().await?;
        match status.success() {
            true => Ok(()),
            false => bail!("a worker ended with {status}"),
        }
    }
}
