//! A database for each test, and short ways to fill it.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use hardstop_domain::*;
use hardstop_store::*;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection, Executor};
use uuid::Uuid;

use crate::pool::{self, Lent};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    Sqlite,
    Postgres,
}

/// How a database is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// A SQLite file.
    Sqlite,
    /// SQLite in memory.
    SqliteMemory,
    /// Postgres, under the usual schema name.
    Postgres,
    /// Postgres, under another.
    PostgresSchema,
}

/// The other schema name.
pub const SCHEMA: &str = "jobs_2";

impl Setting {
    fn database(self) -> Database {
        match self {
            Self::Sqlite | Self::SqliteMemory => Database::Sqlite,
            Self::Postgres | Self::PostgresSchema => Database::Postgres,
        }
    }

    pub fn options(self) -> ConnectOptions {
        ConnectOptions {
            schema: (self == Self::PostgresSchema).then(|| SCHEMA.to_owned()),
            ..ConnectOptions::default()
        }
    }
}

/// A database with a store on it.
#[derive(Clone)]
pub struct Fixture {
    pub setting: Setting,
    pub database: Database,
    pub url: String,
    pub store: Arc<dyn Store>,
    batch: Arc<AtomicU32>,
}

const MEMORY: &str = "sqlite://:memory:";

/// A lease that outlives every test.
pub const LONG: Duration = Duration::from_secs(600);

/// Runs a case on a database that is its own for as long as it runs, migrated and empty.
pub async fn run<F, R>(setting: Setting, case: F)
where
    F: FnOnce(Fixture) -> R,
    R: Future<Output = ()>,
{
    match setting.database() {
        Database::Sqlite => run_on_sqlite(setting, true, case).await,
        Database::Postgres => {
            let lent = Lent::take(setting).await;
            let result = run_at(setting, &lent.url(), false, case).await;
            match result {
                Ok(()) => lent.give_back(),
                Err(panic) => {
                    lent.discard().await;
                    std::panic::resume_unwind(panic);
                }
            }
        }
    }
}

/// As [`run`], on a new database without a schema, which is gone afterwards.
pub async fn run_unmigrated<F, R>(setting: Setting, case: F)
where
    F: FnOnce(Fixture) -> R,
    R: Future<Output = ()>,
{
    match setting.database() {
        Database::Sqlite => run_on_sqlite(setting, false, case).await,
        Database::Postgres => {
            let name = pool::create().await;
            let url = with_database(&server_url(), &name);
            let result = run_at(setting, &url, false, case).await;
            pool::drop_database(&name).await;
            result.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    }
}

async fn run_on_sqlite<F, R>(setting: Setting, migrate: bool, case: F)
where
    F: FnOnce(Fixture) -> R,
    R: Future<Output = ()>,
{
    let directory = tempfile::tempdir().unwrap();
    let url = match setting {
        Setting::SqliteMemory => format!("{MEMORY}{}", Uuid::now_v7().simple()),
        _ => {
            let path = directory.path().join("hardstop.db");
            std::fs::File::create(&path).unwrap();
            format!("sqlite://{}", path.display())
        }
    };
    let result = run_at(setting, &url, migrate, case).await;
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

/// Runs a case with a store on this database, and closes it whatever happens.
async fn run_at<F, R>(
    setting: Setting,
    url: &str,
    migrate: bool,
    case: F,
) -> std::thread::Result<()>
where
    F: FnOnce(Fixture) -> R,
    R: Future<Output = ()>,
{
    let body = async {
        let store = connect(url, &setting.options()).await.unwrap();
        if migrate {
            store.migrate().await.unwrap();
        }
        let fixture = Fixture {
            setting,
            database: setting.database(),
            url: url.to_owned(),
            store: store.clone(),
            batch: Arc::default(),
        };
        let result = AssertUnwindSafe(case(fixture)).catch_unwind().await;
        store.close().await;
        result
    };
    AssertUnwindSafe(body).catch_unwind().await.flatten()
}

pub fn server_url() -> String {
    std::env::var("HARDSTOP_TEST_DATABASE_URL").unwrap_or_else(|_| {
        panic!(
            "no Postgres to test on: run `cargo xtask test`, which starts one, or set \
             HARDSTOP_TEST_DATABASE_URL"
        )
    })
}

pub async fn administer(sql: &str) {
    let mut connection = sqlx::PgConnection::connect(&server_url()).await.unwrap();
    connection.execute(AssertSqlSafe(sql)).await.unwrap();
    connection.close().await.unwrap();
}

/// The URL with another database in it.
pub fn with_database(url: &str, name: &str) -> String {
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let (scheme, rest) = base.split_once("://").unwrap();
    let host = rest.split('/').next().unwrap();
    match query {
        "" => format!("{scheme}://{host}/{name}"),
        query => format!("{scheme}://{host}/{name}?{query}"),
    }
}

impl Fixture {
    /// A store as another host has it.
    pub async fn another(&self) -> Arc<dyn Store> {
        connect(&self.url, &self.setting.options()).await.unwrap()
    }

    /// Runs SQL past the store. `hardstop.` is left out on SQLite.
    pub async fn execute(&self, sql: &str) -> u64 {
        let sql = self.sql(sql);
        match self.database {
            Database::Postgres => {
                let mut connection = sqlx::PgConnection::connect(&self.url).await.unwrap();
                let done = connection.execute(AssertSqlSafe(sql)).await.unwrap();
                done.rows_affected()
            }
            Database::Sqlite => {
                let mut connection = self.sqlite().await;
                let done = connection.execute(AssertSqlSafe(sql)).await.unwrap();
                connection.close().await.unwrap();
                done.rows_affected()
            }
        }
    }

    /// SQL as this database has it.
    fn sql(&self, sql: &str) -> String {
        match self.database {
            Database::Postgres => match self.setting.options().schema {
                Some(schema) => sql.replace("hardstop.", &format!("{schema}.")),
                None => sql.to_owned(),
            },
            Database::Sqlite => {
                let sql = sql.replace("hardstop.migration", "hardstop_migration");
                sql.replace("hardstop.", "")
            }
        }
    }

    /// A connection past the store.
    async fn sqlite(&self) -> sqlx::SqliteConnection {
        match self.url.strip_prefix(MEMORY) {
            Some(name) => SqliteConnectOptions::new()
                .vfs("memdb")
                .filename(format!("/hardstop-{name}"))
                .connect()
                .await
                .unwrap(),
            None => sqlx::SqliteConnection::connect(&self.url).await.unwrap(),
        }
    }

    /// An id as this database's SQL writes it.
    pub fn id(&self, id: impl Into<JobId>) -> String {
        let id = id.into().0;
        match self.database {
            Database::Postgres => format!("'{id}'"),
            Database::Sqlite => format!("x'{}'", id.simple()),
        }
    }

    /// A time so many microseconds from now, as this database's SQL writes it.
    pub fn time_after(&self, us: i64) -> String {
        match self.database {
            Database::Postgres => format!("clock_timestamp() + {us} * interval '1 microsecond'"),
            Database::Sqlite => {
                format!("CAST(unixepoch('subsec') * 1000000 AS INTEGER) + {us}")
            }
        }
    }

    /// Notes that a chain was started with a key.
    pub async fn key(&self, type_id: TypeId, key: &str, chain: impl Into<JobId>) {
        let (chain, now) = (self.id(chain), self.time_after(0));
        let sql = format!(
            "INSERT INTO hardstop.chain_key (type_id, key, chain_id, started_at, open) \
             VALUES ({}, '{key}', {chain}, {now}, false)",
            type_id.0
        );
        assert_eq!(self.execute(&sql).await, 1);
    }

    /// Lets a ready job wait for these chains.
    pub async fn block(&self, job: JobId, chains: &[ChainId]) {
        let (id, count) = (self.id(job), chains.len());
        let mut sql = format!(
            "UPDATE hardstop.job_live SET state = 1, blockers = {count}, open_blockers = {count} WHERE id = {id};"
        );
        for (position, chain) in chains.iter().enumerate() {
            let chain = self.id(*chain);
            sql.push_str(&format!(
                "INSERT INTO hardstop.job_blocker (job_id, position, chain_id) VALUES ({id}, {position}, {chain});"
            ));
        }
        self.execute(&sql).await;
        self.recount().await;
    }

    /// Sets the counters right after SQL that changed states past the store. On Postgres they are right already.
    pub async fn recount(&self) {
        if self.database == Database::Sqlite {
            self.execute(
                "DELETE FROM job_count; INSERT INTO job_count (type_id, state, count) SELECT type_id, state, count(*) \
                 FROM (SELECT type_id, state FROM job_live UNION ALL SELECT type_id, state FROM job_done) \
                 GROUP BY type_id, state",
            )
            .await;
        }
    }

    /// Fails where the counters do not say what a count of all jobs does.
    pub async fn check_counts(&self) {
        let sql = "SELECT t.name AS name, CAST(c.state AS bigint) AS state, count(*) AS count \
                   FROM (SELECT type_id, state FROM hardstop.job_live UNION ALL SELECT type_id, state FROM hardstop.job_done) c \
                   JOIN hardstop.job_type t ON t.id = c.type_id GROUP BY t.name, c.state ORDER BY t.name, c.state";
        let mut counted = self.rows(sql).await;
        counted.sort();
        let mut counters: Vec<(String, i64, i64)> = self
            .store
            .counts()
            .await
            .unwrap()
            .into_iter()
            .map(|it| {
                let state = i64::from(it.state.code());
                (it.type_name.to_string(), state, it.count as i64)
            })
            .collect();
        counters.sort();
        assert_eq!(counters, counted, "the counters and the jobs");
    }

    /// Reads `name`, `state` and `count` past the store.
    async fn rows(&self, sql: &str) -> Vec<(String, i64, i64)> {
        match self.database {
            Database::Postgres => {
                let sql = self.sql(sql);
                let mut connection = sqlx::PgConnection::connect(&self.url).await.unwrap();
                let query = sqlx::query_as(AssertSqlSafe(sql));
                query.fetch_all(&mut connection).await.unwrap()
            }
            Database::Sqlite => {
                let query = sqlx::query_as(AssertSqlSafe(self.sql(sql)));
                let mut connection = self.sqlite().await;
                let rows = query.fetch_all(&mut connection).await.unwrap();
                connection.close().await.unwrap();
                rows
            }
        }
    }

    /// Deploys types of these names and returns their numbers, in the same order.
    pub async fn deploy<const N: usize>(&self, names: [&str; N]) -> [TypeId; N] {
        let deployed = self.store.deploy(deployment(&names)).await.unwrap();
        names.map(|wanted| {
            let found = deployed
                .types
                .iter()
                .find(|(_, name)| name.as_str() == wanted);
            found.unwrap().0
        })
    }

    pub async fn enqueue(&self, chains: &[NewChain]) -> Vec<Started> {
        self.store.enqueue(chains).await.unwrap()
    }

    /// Starts one chain that is ready at once, and returns its first job.
    pub async fn start(&self, type_name: &str) -> JobId {
        let chain = chain(type_name);
        self.enqueue(std::slice::from_ref(&chain)).await;
        chain.first.id
    }

    pub async fn session(&self) -> SessionId {
        self.store
            .open_session("test-host", LONG, None)
            .await
            .unwrap()
    }

    /// A token that no claim had before.
    pub fn token(&self, session: SessionId) -> LeaseToken {
        LeaseToken::new(session, self.batch.fetch_add(1, Ordering::Relaxed))
    }

    /// Renews the session's lease, and asks for all that it holds by claims of the fixture's and of property tests.
    pub async fn beat(&self, session: SessionId) -> Heartbeat {
        let claims = 0..=self.batch.load(Ordering::Relaxed).max(100);
        let leases: Vec<LeaseToken> = claims.map(|n| LeaseToken::new(session, n)).collect();
        self.store.heartbeat(session, &leases).await.unwrap()
    }

    /// Claims up to `total` jobs of one type.
    pub async fn claim(&self, session: SessionId, type_id: TypeId, total: u32) -> Vec<ClaimedJob> {
        let request = ClaimRequest {
            token: self.token(session),
            quotas: vec![(type_id, total)],
            total,
        };
        self.store.claim(&request).await.unwrap()
    }

    /// Claims the one job that is ready.
    pub async fn claim_one(&self, session: SessionId, type_id: TypeId) -> ClaimedJob {
        let mut jobs = self.claim(session, type_id, 10).await;
        assert_eq!(jobs.len(), 1, "{jobs:?}");
        jobs.remove(0)
    }

    pub async fn settle(&self, settlement: Settlement) -> Settled {
        let mut answers = self.store.settle(&[settlement]).await.unwrap();
        assert_eq!(answers.len(), 1);
        answers.remove(0)
    }

    pub async fn job(&self, id: JobId) -> JobDetail {
        self.store.job(id).await.unwrap().expect("the job exists")
    }

    pub async fn state(&self, id: JobId) -> State {
        self.job(id).await.summary.state
    }

    /// Every job there is, newest first.
    pub async fn all_jobs(&self) -> Vec<JobSummary> {
        let query = JobQuery {
            limit: JOB_QUERY_LIMIT_MAX,
            ..JobQuery::default()
        };
        self.store.jobs(&query).await.unwrap()
    }

    /// Rescues until something was rescued. For sessions whose lease is about to run out.
    pub async fn rescue_some(&self) -> Vec<Rescued> {
        for _ in 0..2_000 {
            let rescued = self.store.rescue().await.unwrap();
            if !rescued.is_empty() {
                return rescued;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("nothing to rescue");
    }

    /// A session whose lease has run out already, or does within a millisecond.
    pub async fn fleeting_session(&self) -> SessionId {
        let lease = Duration::from_millis(1);
        self.store
            .open_session("fleeting-host", lease, None)
            .await
            .unwrap()
    }

    /// Lets a session's lease run out, as if its host had died.
    pub async fn expire(&self, session: SessionId) {
        let past = match self.database {
            Database::Postgres => "clock_timestamp() - interval '1 hour'",
            Database::Sqlite => "1",
        };
        let sql = format!("UPDATE hardstop.session SET expires_at = {past} WHERE id = {session}");
        assert_eq!(self.execute(&sql).await, 1);
    }
}

pub fn name(text: &str) -> TypeName {
    text.parse().unwrap()
}

pub fn deployment(names: &[&str]) -> NewDeployment {
    deployment_of(b"component", names)
}

pub fn deployment_of(bytes: &[u8], names: &[&str]) -> NewDeployment {
    let component = NewComponent::new(bytes.to_vec());
    NewDeployment {
        id: DeploymentId(Uuid::now_v7()),
        name: "test".to_owned(),
        types: names
            .iter()
            .map(|text| spec(text, component.digest))
            .collect(),
        component: Some(component),
        files: Default::default(),
        canary_percent: None,
    }
}

/// A type that is completed from outside.
pub fn external_deployment(text: &str, deadline_ms: u64) -> NewDeployment {
    let mut new = deployment(&[text]);
    new.component = None;
    new.types[0].component = None;
    new.types[0].external = Some(External { deadline_ms });
    new
}

pub fn spec(text: &str, component: Digest) -> TypeSpec {
    TypeSpec {
        description: format!("does {text}"),
        input_schema: "{}".to_owned(),
        ..TypeSpec::new(name(text), component)
    }
}

pub fn job(type_name: &str) -> NewJob {
    NewJob::new(JobId(Uuid::now_v7()), name(type_name), "{\"n\": 1}")
}

pub fn chain(type_name: &str) -> NewChain {
    NewChain::new(job(type_name))
}

/// A job whose id names this millisecond and differs from its neighbours' in the last bits alone.
pub fn job_of_ms(type_name: &str, ms: u64, number: u128) -> NewJob {
    let id = (u128::from(ms) << 80) | (7 << 76) | (2 << 62) | number;
    NewJob {
        id: JobId(Uuid::from_u128(id)),
        ..job(type_name)
    }
}

pub fn chains(type_name: &str, count: usize) -> Vec<NewChain> {
    (0..count).map(|_| chain(type_name)).collect()
}

pub fn usage() -> Usage {
    Usage {
        wall_us: 1_500,
        cpu_us: 900,
        fuel: Some(12),
        memory_bytes_peak: 65_536,
        output_bytes: 2,
        log_bytes: 5,
        log_bytes_dropped: 1,
        detail: UsageDetail {
            log_lines: 1,
            http_requests: 2,
            http_request_bytes: 300,
            http_response_bytes: 4_000,
            ..UsageDetail::default()
        },
    }
}

pub fn log() -> Vec<LogEntry> {
    vec![LogEntry {
        at_us: 7,
        level: LogLevel::Info,
        message: "hello \u{0} \u{1f980}".to_owned(),
        fields: vec![("key".to_owned(), "value".to_owned())],
    }]
}

/// A settlement of a claimed job; the outcome is the one that fits `next`.
pub fn settlement(job: &ClaimedJob, next: Next) -> Settlement {
    let outcome = match &next {
        Next::Complete { .. } => OutcomeKind::Completed,
        Next::Continue { .. } => OutcomeKind::Continued,
        Next::Snooze { .. } => OutcomeKind::Snoozed,
        Next::Release => OutcomeKind::Interrupted,
        Next::Cancel => OutcomeKind::Cancelled,
        Next::Retry { .. } => OutcomeKind::FailedRetryable,
        Next::RetryLarger => OutcomeKind::OutOfMemory,
        Next::Discard => OutcomeKind::FailedFatal,
    };
    let failed = !matches!(
        outcome,
        OutcomeKind::Completed | OutcomeKind::Continued | OutcomeKind::Snoozed
    );
    Settlement {
        job: job.id,
        token: job.token,
        next,
        outcome,
        failure: failed.then(|| Failure::new(outcome, "why \u{0}")),
        usage: usage(),
        deployment: None,
        log: log(),
        progress: Some(outcome::Progress {
            fraction: 0.5,
            message: Some("half".to_owned()),
        }),
        children: Vec::new(),
        lineage: job.lineage,
        descendants_max: 1_000,
        keep: Keep::All,
    }
}

pub fn complete(job: &ClaimedJob) -> Settlement {
    settlement(
        job,
        Next::Complete {
            output: "42".to_owned(),
        },
    )
}

pub fn continue_with(job: &ClaimedJob, next: NewJob) -> Settlement {
    settlement(job, Next::Continue { job: next })
}
