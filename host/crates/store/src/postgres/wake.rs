//! Wake-ups through one Postgres channel.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::schema::Schema;
use super::transaction::sql;
use crate::wake::{Signal, SignalListener};
use crate::{Listener, StoreError, Wake};

/// The least time between two notifications of one process. Each takes a lock of the whole database
/// at its commit.
const NOTIFY_INTERVAL: Duration = Duration::from_millis(10);
/// How long a listener waits before it makes sure that its connection still stands.
const KEEPALIVE: Duration = Duration::from_secs(30);
const RECONNECT_DELAY_MAX: Duration = Duration::from_secs(5);

/// Sends what is raised: the first at once, then at most one message per interval.
pub(super) struct Notifier {
    signal: Arc<Signal>,
    closing: watch::Sender<bool>,
    task: tokio::sync::Mutex<Option<JoinHandle<()>>>,
}

impl Notifier {
    pub(super) fn start(pool: PgPool, schema: Arc<Schema>, timeout: Duration) -> Self {
        let signal = Arc::new(Signal::default());
        let (closing, closed) = watch::channel(false);
        let task = tokio::spawn(notify(pool, schema, timeout, Arc::clone(&signal), closed));
        Self {
            signal,
            closing,
            task: tokio::sync::Mutex::new(Some(task)),
        }
    }

    pub(super) fn raise(&self, kind: Wake) {
        self.signal.raise(kind);
    }

    /// Sends what is still raised, and ends.
    pub(super) async fn close(&self) {
        let _ = self.closing.send(true);
        if let Some(task) = self.task.lock().await.take() {
            let _ = task.await;
        }
    }
}

async fn notify(
    pool: PgPool,
    schema: Arc<Schema>,
    timeout: Duration,
    signal: Arc<Signal>,
    mut closed: watch::Receiver<bool>,
) {
    loop {
        // Also true where the notifier was dropped without `close`.
        let closing = tokio::select! {
            () = signal.changed() => false,
            _ = closed.wait_for(|closing| *closing) => true,
        };
        let words: Vec<&str> = signal.take().into_iter().map(Wake::word).collect();
        if !words.is_empty() {
            let sent = sql!(schema, "notify").bind(words).execute(&pool);
            // Nobody waits for it, and workers look by themselves too.
            match tokio::time::timeout(timeout, sent).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => tracing::debug!(%error, "wake-up not sent"),
                Err(_) => tracing::debug!("wake-up not sent in time"),
            }
        }
        if closing {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(NOTIFY_INTERVAL) => {}
            _ = closed.wait_for(|closing| *closing) => {}
        }
    }
}

/// Opens a listener on a connection of its own.
pub(super) async fn listen(
    options: PgConnectOptions,
    schema: Arc<Schema>,
    timeout: Duration,
) -> Result<Box<dyn Listener>, StoreError> {
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(timeout)
        // The connection is to last, and the pool is only there to make another.
        .max_lifetime(None)
        .idle_timeout(None)
        .connect_lazy_with(options);
    let listener = connect(&pool, &schema).await?;
    let signal = Arc::new(Signal::default());
    let feeder = tokio::spawn(feed(pool, schema, listener, Arc::clone(&signal), timeout));
    Ok(Box::new(SignalListener::new(signal, Some(feeder))))
}

async fn connect(pool: &PgPool, schema: &Schema) -> Result<PgListener, sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.eager_reconnect(false);
    // The channel is the schema's, whose stores wake each other and nobody else.
    listener.listen(schema.name()).await?;
    Ok(listener)
}

/// Raises what is heard. After any loss of the connection, anything may have been missed.
async fn feed(
    pool: PgPool,
    schema: Arc<Schema>,
    mut listener: PgListener,
    signal: Arc<Signal>,
    timeout: Duration,
) {
    loop {
        hear(&mut listener, &signal, timeout).await;
        drop(listener);
        let mut delay = Duration::from_millis(50);
        listener = loop {
            match tokio::time::timeout(timeout, connect(&pool, &schema)).await {
                Ok(Ok(listener)) => break listener,
                Ok(Err(error)) => tracing::debug!(%error, "cannot listen for wake-ups"),
                Err(_) => tracing::debug!("cannot listen for wake-ups in time"),
            }
            tokio::time::sleep(delay).await;
            delay = (delay * 2).min(RECONNECT_DELAY_MAX);
        };
        signal.raise(Wake::Any);
    }
}

/// Hears until the connection is lost.
async fn hear(listener: &mut PgListener, signal: &Signal, timeout: Duration) {
    loop {
        match tokio::time::timeout(KEEPALIVE, listener.try_recv()).await {
            Ok(Ok(Some(notification))) => signal.raise(Wake::of_word(notification.payload())),
            Ok(Ok(None) | Err(_)) => return,
            // Nothing was said for a while: a connection that is half open says nothing for ever.
            Err(_) => {
                let alive = sqlx::query("SELECT 1").execute(&mut *listener);
                if !matches!(tokio::time::timeout(timeout, alive).await, Ok(Ok(_))) {
                    return;
                }
            }
        }
    }
}
