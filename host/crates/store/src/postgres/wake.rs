//! Wake-ups through one Postgres channel. Listeners of the same store hear at once; a message says which store it came from, so
//! that it does not come to them again.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::pool::Pool;
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
    /// `store` is how messages name the store that they come from.
    pub(super) fn start(
        pool: Arc<Pool>,
        schema: Arc<Schema>,
        store: StoreName,
        timeout: Duration,
    ) -> Self {
        let signal = Arc::new(Signal::default());
        let (closing, closed) = watch::channel(false);
        let task = notify(pool, schema, store, timeout, Arc::clone(&signal), closed);
        let task = tokio::spawn(task);
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
    pool: Arc<Pool>,
    schema: Arc<Schema>,
    store: StoreName,
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
        let kinds = signal.take().into_iter();
        let messages: Vec<String> = kinds.map(|kind| store.message(kind)).collect();
        if !messages.is_empty() {
            let sent = async {
                let mut lent = pool.acquire().await?;
                let notify = sql!(schema, "notify").bind(messages);
                notify.execute(lent.connection()?).await?;
                lent.give_back();
                Ok::<(), sqlx::Error>(())
            };
            // Nobody waits for it, and workers look by themselves too.
            match tokio::time::timeout(timeout, sent).await {
                Ok(Ok(())) => {}
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

/// How messages name the store that they come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StoreName(Uuid);

impl StoreName {
    pub(super) fn new() -> Self {
        Self(Uuid::now_v7())
    }

    fn message(self, kind: Wake) -> String {
        format!("{} {}", kind.word(), self.0)
    }

    /// What a message of another store says; none for one of its own.
    fn hear(self, message: &str) -> Option<Wake> {
        // Those of SQL functions and of older hosts do not say who sent them. To an older host a word and a name is an unknown word,
        // which may mean anything.
        let (word, sender) = message.split_once(' ').unwrap_or((message, ""));
        (Uuid::try_parse(sender) != Ok(self.0)).then(|| Wake::of_word(word))
    }
}

/// Opens a listener on a connection of its own. It raises the signal, as the store itself does.
pub(super) async fn listen(
    options: PgConnectOptions,
    schema: Arc<Schema>,
    store: StoreName,
    signal: Arc<Signal>,
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
    let hearing = Hearing {
        store,
        signal: Arc::clone(&signal),
        timeout,
    };
    let feeder = tokio::spawn(feed(pool, schema, listener, hearing));
    Ok(Box::new(SignalListener::new(signal, Some(feeder))))
}

async fn connect(pool: &PgPool, schema: &Schema) -> Result<PgListener, sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.eager_reconnect(false);
    // The channel is the schema's, whose stores wake each other and nobody else.
    listener.listen(schema.name()).await?;
    Ok(listener)
}

struct Hearing {
    store: StoreName,
    signal: Arc<Signal>,
    timeout: Duration,
}

/// Raises what is heard. After any loss of the connection, anything may have been missed.
async fn feed(pool: PgPool, schema: Arc<Schema>, mut listener: PgListener, hearing: Hearing) {
    loop {
        hearing.hear(listener).await;
        let mut delay = Duration::from_millis(50);
        listener = loop {
            match tokio::time::timeout(hearing.timeout, connect(&pool, &schema)).await {
                Ok(Ok(listener)) => break listener,
                Ok(Err(error)) => tracing::debug!(%error, "cannot listen for wake-ups"),
                Err(_) => tracing::debug!("cannot listen for wake-ups in time"),
            }
            tokio::time::sleep(delay).await;
            delay = (delay * 2).min(RECONNECT_DELAY_MAX);
        };
        hearing.signal.raise(Wake::Any);
    }
}

impl Hearing {
    /// Hears until the connection is lost.
    async fn hear(&self, mut listener: PgListener) {
        loop {
            match tokio::time::timeout(KEEPALIVE, listener.try_recv()).await {
                Ok(Ok(Some(notification))) => {
                    if let Some(kind) = self.store.hear(notification.payload()) {
                        self.signal.raise(kind);
                    }
                }
                Ok(Ok(None) | Err(_)) => return,
                // Nothing was said for a while: a connection that is half open says nothing for ever.
                Err(_) => {
                    let alive = sqlx::query("SELECT 1").execute(&mut listener);
                    if !matches!(tokio::time::timeout(self.timeout, alive).await, Ok(Ok(_))) {
                        return;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_does_not_hear_itself() {
        let (one, other) = (StoreName::new(), StoreName::new());
        let message = one.message(Wake::Cancelled);
        assert_eq!(one.hear(&message), None);
        assert_eq!(other.hear(&message), Some(Wake::Cancelled));
        for message in ["ready", "ready ", "ready x"] {
            assert_eq!(one.hear(message), Some(Wake::Ready), "{message}");
        }
        assert_eq!(one.hear("throttled 1"), Some(Wake::Any));
    }
}
