//! The store on Postgres.

mod cursor;
mod migrate;
mod own_transaction;
mod pool;
mod row;
mod schema;
mod transaction;
mod wake;

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection, PgConnection};

pub use own_transaction::{start_chains, start_chains_in};

use crate::connect::bad_url;
use crate::error::Interpreter;
use crate::migration;
use crate::operation::removal::age_us;
use crate::operation::{Access, Mode, Operation};
use crate::store::Backend;
use crate::view::View as _;
use crate::wake::{Signal, Signals};
use crate::{ConnectOptions, Listener, Retention, StoreError, Wake};
use cursor::Cursor;
use pool::{LostAt, Pool};
use schema::Schema;
use transaction::{PgTransaction, sql};
use wake::StoreName;

/// Beside the statement's own timeout: for the way there and back, and for a server that is gone and
/// cannot keep to it.
const GRACE: Duration = Duration::from_secs(2);
/// One for claims, one for heartbeats, one to spare.
const LEASE_CONNECTIONS: u32 = 3;
/// For so many pages at once. Further ones wait.
const LIST_CONNECTIONS: u32 = 4;
/// How often a transaction is run again that Postgres chose as the victim of a deadlock.
const DEADLOCK_RETRIES: usize = 5;
/// More than the steps of a few days: to announce, to validate, to attach, and to see that nothing is left.
const PARTITION_STEPS_MAX: usize = 16;
/// Each is partitioned by the day of the job's id.
const PARTITIONED: [&str; 3] = ["job_body", "job_done", "job_attempt"];

/// A Postgres database.
pub(crate) struct Postgres {
    schema: Arc<Schema>,
    options: PgConnectOptions,
    interpreter: Interpreter,
    main: Arc<Pool>,
    /// Its commits are asynchronous: see [`Access::Lease`].
    lease: Arc<Pool>,
    /// Its statements are planned for the values of each call: see [`Access::List`].
    lists: Arc<Pool>,
    cursor: Cursor,
    notifier: wake::Notifier,
    signals: Signals,
    name: StoreName,
}

impl Postgres {
    pub(crate) async fn open(url: &str, options: &ConnectOptions) -> Result<Self, StoreError> {
        let timeout = options.statement_timeout;
        let schema = Schema::new(options.schema.as_deref().unwrap_or(schema::DEFAULT))
            .map_err(StoreError::Invalid)?;
        let schema = Arc::new(schema);
        let base = PgConnectOptions::from_str(url)
            // The driver's words are not shown: they may quote the URL, and with it a password.
            .map_err(|_| bad_url(url, "not a Postgres URL"))?
            .disable_statement_logging();
        let base = match base.get_application_name() {
            Some(_) => base,
            None => base.application_name("hardstop"),
        };
        let interpreter = Interpreter {
            database: name(&base),
            timeout,
        };
        let settings = |options: PgConnectOptions, timeout: Duration| {
            let ms = timeout.as_millis().max(1).to_string();
            options.options([
                ("statement_timeout", ms.as_str()),
                ("lock_timeout", ms.as_str()),
                ("idle_in_transaction_session_timeout", ms.as_str()),
                // A server whose default is stricter would turn SKIP LOCKED into failures.
                ("default_transaction_isolation", "read committed"),
                // These tables are empty at one moment and full at the next, so a plan that was cached
                // while a table, or a day's partition, was empty must not read all of it later.
                ("enable_seqscan", "off"),
                // A small table without an index that fits is then so dear to the planner that it would
                // have the statement compiled, for a second, at each new connection.
                ("jit", "off"),
                // To plan a start takes longer than to execute it, and for few rows a plan for these very
                // values looks cheaper to the planner each time. What a plan depends on is in the text.
                ("plan_cache_mode", "force_generic_plan"),
            ])
        };
        let migrating = settings(base.clone(), migration::TIMEOUT);
        let base = settings(base, timeout);
        // A pool that cannot connect tries until its timeout and then forgets why; one connection
        // tells at once.
        match tokio::time::timeout(timeout + GRACE, base.connect()).await {
            Ok(Ok(connection)) => drop(connection.close().await),
            Ok(Err(error)) => return Err(interpreter.read(error.into())),
            Err(_) => return Err(interpreter.timeout()),
        }
        let lost_at = LostAt::default();
        let main = Pool::new(&base, options.connections.max(1), timeout, &lost_at);
        let asynchronous = base.clone().options([("synchronous_commit", "off")]);
        let planning = base.clone().options([
            ("plan_cache_mode", "force_custom_plan"),
            // A page is the beginning of a range of an index, in its order. Of a table that was not analyzed since it grew
            // the planner expects little, which it would rather gather and sort. What has no such order is sorted all the
            // same.
            ("enable_bitmapscan", "off"),
            ("enable_sort", "off"),
            ("enable_incremental_sort", "off"),
        ]);
        let name = StoreName::new();
        let (sender, channel) = (Arc::clone(&main), Arc::clone(&schema));
        Ok(Self {
            lease: Pool::new(&asynchronous, LEASE_CONNECTIONS, timeout, &lost_at),
            lists: Pool::new(&planning, LIST_CONNECTIONS, timeout, &lost_at),
            notifier: wake::Notifier::start(sender, channel, name, timeout + GRACE),
            cursor: Cursor::default(),
            signals: Signals::default(),
            name,
            schema,
            main,
            options: migrating,
            interpreter,
        })
    }

    /// Runs an operation once. A connection that fails or does not answer is not used again.
    async fn once<O: Operation>(&self, operation: &O, mode: Mode) -> Result<O::Output, StoreError> {
        let pool = match mode.access {
            Access::Lease => &self.lease,
            Access::Read | Access::Write => &self.main,
            Access::List => &self.lists,
        };
        let mut lent = pool.acquire().await?;
        let running = self.execute(lent.connection()?, operation, mode);
        let result = tokio::time::timeout(self.interpreter.timeout + GRACE, running).await;
        let result = result.map_err(|_| self.interpreter.timeout())?;
        let result = result.map_err(|error| self.interpreter.read(error));
        match &result {
            Ok(_) => lent.give_back(),
            Err(StoreError::Unreachable { .. }) => lent.discard(),
            // Asked before it is used again: what failed may have broken it.
            Err(_) => drop(lent),
        }
        result
    }

    async fn execute<O: Operation>(
        &self,
        connection: &mut PgConnection,
        operation: &O,
        mode: Mode,
    ) -> Result<O::Output, StoreError> {
        let (schema, cursor) = (&self.schema, &self.cursor);
        if !mode.atomic {
            let mut statements = PgTransaction(connection, schema, cursor);
            return operation.run(&mut statements).await;
        }
        let mut transaction = connection.begin().await?;
        let mut statements = PgTransaction(&mut transaction, schema, cursor);
        match operation.run(&mut statements).await {
            Ok(output) => {
                transaction.commit().await?;
                Ok(output)
            }
            Err(error) => {
                // Its failure is the lesser news; whether the connection is broken is asked.
                let _ = transaction.rollback().await;
                Err(error)
            }
        }
    }
}

/// The database for people: `localhost:5432/app`. No user, no password.
fn name(options: &PgConnectOptions) -> String {
    let database = options
        .get_database()
        .unwrap_or_else(|| options.get_username());
    match options.get_socket() {
        Some(socket) => format!("{}/{database}", socket.display()),
        None => format!("{}:{}/{database}", options.get_host(), options.get_port()),
    }
}

impl Backend for Postgres {
    async fn run<O: Operation>(&self, operation: O) -> Result<O::Output, StoreError> {
        let mode = operation.mode();
        let result = self.once(&operation, mode).await;
        let mut result = match result {
            // The connection was broken, most likely by a restart of the server; another may do.
            Err(StoreError::Unreachable { .. }) if mode.resend => self.once(&operation, mode).await,
            result => result,
        };
        // Nothing of it was done: Postgres has rolled it back to let another go on.
        for _ in 0..DEADLOCK_RETRIES {
            match &result {
                Err(error) if error.is_deadlock() => {
                    tokio::time::sleep(Duration::from_millis(fastrand::u64(1..20))).await;
                    result = self.once(&operation, mode).await;
                }
                _ => break,
            }
        }
        result.map_err(|error| self.interpreter.read(error))
    }

    fn describe(&self, version: &str) -> String {
        let number = version.split(' ').next().unwrap_or(version);
        format!("Postgres {number}, {}", self.interpreter.database)
    }

    async fn migrate(&self) -> Result<Vec<String>, StoreError> {
        let applied = self
            .interpreter
            .within(migration::TIMEOUT, async {
                migrate::migrate(self.options.connect().await?, &self.schema).await
            })
            .await?;
        self.maintain().await?;
        Ok(applied)
    }

    async fn check_schema(&self) -> Result<(), StoreError> {
        self.interpreter
            .within(self.interpreter.timeout + GRACE, async {
                let mut lent = self.main.acquire().await?;
                migrate::check(lent.connection()?, &self.schema).await?;
                lent.give_back();
                Ok(())
            })
            .await
    }

    async fn maintain(&self) -> Result<(), StoreError> {
        for table in PARTITIONED {
            // Each call is one step; what is left after so many is for the next upkeep.
            for _ in 0..PARTITION_STEPS_MAX {
                let made: i32 = self
                    .interpreter
                    .within(self.interpreter.timeout + GRACE, async {
                        let mut lent = self.main.acquire().await?;
                        let made = sql!(self.schema, "make_partitions").bind(table);
                        let made = made.fetch_one(lent.connection()?).await?;
                        lent.give_back();
                        made.int("made")
                    })
                    .await?;
                if made == 0 {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn drop_day(&self, retention: &Retention) -> Result<u32, StoreError> {
        if retention.completed.is_none() {
            return Ok(0);
        }
        let ages = [
            retention.completed,
            retention.discarded,
            retention.cancelled,
        ];
        let [completed, discarded, cancelled] = ages.map(|age| age.map(age_us));
        self.interpreter
            .within(self.interpreter.timeout + GRACE, async {
                let dropped = sql!(self.schema, "drop_day")
                    .bind(completed)
                    .bind(discarded)
                    .bind(cancelled);
                let mut lent = self.main.acquire().await?;
                let dropped = dropped.fetch_one(lent.connection()?).await?;
                lent.give_back();
                dropped.int("dropped")
            })
            .await
    }

    fn wake(&self, kind: Wake) {
        self.signals.raise(kind);
        self.notifier.raise(kind);
    }

    async fn listen(&self) -> Result<Box<dyn Listener>, StoreError> {
        let timeout = self.interpreter.timeout + GRACE;
        let options = self.main.options().clone();
        let signal = Arc::new(Signal::default());
        self.signals.add(&signal);
        let schema = Arc::clone(&self.schema);
        let listening = wake::listen(options, schema, self.name, signal, timeout);
        self.interpreter.within(timeout, listening).await
    }

    async fn close(&self) {
        self.notifier.close().await;
        self.lease.close().await;
        self.lists.close().await;
        self.main.close().await;
    }
}
