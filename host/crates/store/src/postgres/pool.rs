//! Connections that are used in turn.
//!
//! The pool of sqlx asks each connection that comes back whether it still stands, on a task of its own: a second round trip for each
//! operation, and a change of threads. Here whoever is done with a connection says so. Only one of which nobody says so
//! is asked: its operation failed, or was given up in the middle.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
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
    fn note(&self) {
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
    connections: u32,
    timeout: Duration,
    lost_at: LostAt,
    places: Arc<Semaphore>,
    /// The one that came back last is at the end, and is used next.
    idle: Mutex<Vec<Open>>,
}

struct Open {
    connection: PgConnection,
    since: Instant,
    used_at: Instant,
}

/// A connection for one operation. Dropped, it is asked whether it stands, and has its place until it has answered: the
/// server may still be at work on it.
pub(super) struct Lent {
    pool: Arc<Pool>,
    /// None once it was given back or closed.
    open: Option<(Open, OwnedSemaphorePermit)>,
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
            connections,
            timeout,
            lost_at: lost_at.clone(),
            places: Arc::new(Semaphore::new(connections as usize)),
            idle: Mutex::default(),
        })
    }

    /// How its connections are opened.
    pub(super) fn options(&self) -> &PgConnectOptions {
        &self.options
    }

    pub(super) async fn acquire(self: &Arc<Self>) -> Result<Lent, sqlx::Error> {
        let until = tokio::time::Instant::now() + self.timeout;
        let place = timeout_at(until, Arc::clone(&self.places).acquire_owned()).await;
        let place = place.map_err(|_| sqlx::Error::PoolTimedOut)?;
        let place = place.map_err(|_| sqlx::Error::PoolClosed)?;
        let open = timeout_at(until, async {
            match self.standing().await {
                Some(open) => Ok(open),
                None => self.connect().await,
            }
        });
        let open = open.await.map_err(|_| sqlx::Error::PoolTimedOut)??;
        Ok(Lent {
            pool: Arc::clone(self),
            open: Some((open, place)),
        })
    }

    /// An idle connection that stands.
    async fn standing(&self) -> Option<Open> {
        let mut open = self.idle().pop()?;
        let is_fresh = open.used_at.elapsed() < PING_AFTER;
        if (is_fresh && !self.lost_at.is_since(open.used_at)) || open.stands(PING_TIMEOUT).await {
            return Some(open);
        }
        // The others were used before it.
        self.lost_at.note();
        self.idle().clear();
        None
    }

    /// Makes a connection the next one's.
    fn keep(&self, mut open: Open) {
        let now = Instant::now();
        open.used_at = now;
        let mut idle = self.idle();
        if self.places.is_closed() || now - open.since > AGE_MAX {
            return;
        }
        idle.retain(|open| now - open.used_at < IDLE_MAX);
        idle.push(open);
    }

    /// Opens a connection. Tries again where the server is about to be there.
    async fn connect(&self) -> Result<Open, sqlx::Error> {
        loop {
            match self.options.connect().await {
                Err(error) if is_starting(&error) => tokio::time::sleep(CONNECT_PAUSE).await,
                connection => {
                    let now = Instant::now();
                    return Ok(Open {
                        connection: connection?,
                        since: now,
                        used_at: now,
                    });
                }
            }
        }
    }

    /// Lends no more, waits for those that are lent as long as for a connection, and closes what is idle.
    pub(super) async fn close(&self) {
        let all = self.places.acquire_many(self.connections);
        let _ = tokio::time::timeout(self.timeout, all).await;
        let idle = {
            let mut idle = self.idle();
            self.places.close();
            std::mem::take(&mut *idle)
        };
        for open in idle {
            // It may be gone already.
            let _ = tokio::time::timeout(PING_TIMEOUT, open.connection.close()).await;
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Open>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Whether it answers within the time.
    async fn stands(&mut self, timeout: Duration) -> bool {
        let ping = tokio::time::timeout(timeout, self.connection.ping());
        matches!(ping.await, Ok(Ok(())))
    }
}

impl Lent {
    /// The connection, which is there for as long as it was neither given back nor discarded.
    pub(super) fn connection(&mut self) -> Result<&mut PgConnection, sqlx::Error> {
        let open = self.open.as_mut();
        open.map(|(open, _)| &mut open.connection)
            .ok_or(sqlx::Error::PoolClosed)
    }

    /// Nothing is under way on it: another operation may use it.
    pub(super) fn give_back(mut self) {
        if let Some((open, _place)) = self.open.take() {
            self.pool.keep(open);
        }
    }

    /// It is broken.
    pub(super) fn discard(mut self) {
        self.pool.lost_at.note();
        self.open = None;
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some((mut open, place)) = self.open.take() else {
            return;
        };
        let pool = Arc::clone(&self.pool);
        let asked = async move {
            if open.stands(pool.timeout).await {
                pool.keep(open);
            }
            drop(place);
        };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(asked);
        }
    }
}

fn is_starting(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() == std::io::ErrorKind::ConnectionRefused,
        sqlx::Error::Database(error) => error.is_transient_in_connect_phase(),
        _ => false,
    }
}
