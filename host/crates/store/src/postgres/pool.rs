//! Connections that are used in turn.
//!
//! The pool of sqlx asks each connection that comes back whether it still stands, on a task of its own: a second round trip for each
//! operation, and a change of threads. Here whoever is done with a connection says so, and one of which nobody says so is
//! closed: an operation was given up in the middle of it.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout_at;

/// A connection that was idle for longer is asked whether it still stands before it is used.
const PING_AFTER: Duration = Duration::from_secs(1);
const PING_TIMEOUT: Duration = Duration::from_secs(2);
/// One that was idle for longer is closed when another comes back.
const IDLE_MAX: Duration = Duration::from_secs(10 * 60);
/// An older one is closed when it comes back: memory that a server's process has taken is only given back with it.
const AGE_MAX: Duration = Duration::from_secs(30 * 60);
/// Between two attempts to connect to a server that is starting.
const CONNECT_PAUSE: Duration = Duration::from_millis(50);

/// When a connection was last found broken, of all pools of a store: the others may be, too.
#[derive(Debug, Clone, Default)]
pub(super) struct LostAt(Arc<Mutex<Option<Instant>>>);

impl LostAt {
    /// One was found broken now.
    pub(super) fn note(&self) {
        *self.lock() = Some(Instant::now());
    }

    /// Whether one was, since then.
    fn is_since(&self, then: Instant) -> bool {
        self.lock().is_some_and(|at| at > then)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// At most so many connections, opened when they are needed.
pub(super) struct Pool {
    options: PgConnectOptions,
    timeout: Duration,
    lost_at: LostAt,
    places: Semaphore,
    /// The one that came back last is at the end, and is used next.
    idle: Mutex<Vec<Open>>,
}

struct Open {
    connection: PgConnection,
    since: Instant,
    used_at: Instant,
}

/// A connection for one operation. Closed where it is not given back.
pub(super) struct Lent<'p> {
    open: Open,
    pool: &'p Pool,
    _place: SemaphorePermit<'p>,
}

impl Pool {
    /// `timeout` is how long to wait for a connection: until one is free, and the server has answered.
    pub(super) fn new(
        options: &PgConnectOptions,
        connections: u32,
        timeout: Duration,
        lost_at: &LostAt,
    ) -> Arc<Self> {
        Arc::new(Self {
            options: options.clone(),
            timeout,
            lost_at: lost_at.clone(),
            places: Semaphore::new(connections as usize),
            idle: Mutex::default(),
        })
    }

    /// How its connections are opened.
    pub(super) fn options(&self) -> &PgConnectOptions {
        &self.options
    }

    pub(super) async fn acquire(&self) -> Result<Lent<'_>, sqlx::Error> {
        let until = tokio::time::Instant::now() + self.timeout;
        let place = timeout_at(until, self.places.acquire()).await;
        let place = place.map_err(|_| sqlx::Error::PoolTimedOut)?;
        let place = place.map_err(|_| sqlx::Error::PoolClosed)?;
        let open = match self.standing().await {
            Some(open) => open,
            None => {
                let connection = timeout_at(until, self.connect()).await;
                let now = Instant::now();
                Open {
                    connection: connection.map_err(|_| sqlx::Error::PoolTimedOut)??,
                    since: now,
                    used_at: now,
                }
            }
        };
        Ok(Lent {
            open,
            pool: self,
            _place: place,
        })
    }

    /// An idle connection that stands.
    async fn standing(&self) -> Option<Open> {
        loop {
            let mut open = self.idle().pop()?;
            let is_fresh = open.used_at.elapsed() < PING_AFTER;
            if is_fresh && !self.lost_at.is_since(open.used_at) {
                return Some(open);
            }
            let ping = tokio::time::timeout(PING_TIMEOUT, open.connection.ping());
            if matches!(ping.await, Ok(Ok(()))) {
                return Some(open);
            }
        }
    }

    /// Opens a connection. Tries again where the server is about to be there.
    async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        loop {
            match self.options.connect().await {
                Err(error) if is_starting(&error) => tokio::time::sleep(CONNECT_PAUSE).await,
                result => return result,
            }
        }
    }

    /// Lends no more, and closes what is idle.
    pub(super) async fn close(&self) {
        self.places.close();
        let idle = std::mem::take(&mut *self.idle());
        for open in idle {
            // It may be gone already.
            let _ = tokio::time::timeout(PING_TIMEOUT, open.connection.close()).await;
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Open>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lent<'_> {
    /// Nothing is under way on it: another operation may use it.
    pub(super) fn give_back(mut self) {
        let now = Instant::now();
        self.open.used_at = now;
        if self.pool.places.is_closed() || now - self.open.since > AGE_MAX {
            return;
        }
        let Self { open, pool, .. } = self;
        let mut idle = pool.idle();
        idle.retain(|open| now - open.used_at < IDLE_MAX);
        idle.push(open);
    }
}

impl Deref for Lent<'_> {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.open.connection
    }
}

impl DerefMut for Lent<'_> {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.open.connection
    }
}

fn is_starting(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() == std::io::ErrorKind::ConnectionRefused,
        sqlx::Error::Database(error) => error.is_transient_in_connect_phase(),
        _ => false,
    }
}
