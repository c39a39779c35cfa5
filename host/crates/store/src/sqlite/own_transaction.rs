//! Starting chains inside a transaction of the caller's.

use hardstop_domain::NewChain;
use sqlx::SqliteConnection;

use super::commit::now;
use super::statement::Connection;
use super::transaction::SqliteTransaction;
use crate::operation::own_transaction::start;
use crate::{Started, StoreError};

/// Starts chains inside the caller's transaction: they exist when it commits, and never did when it is rolled
/// back. Answers in the order of the chains, as [`Store::enqueue`](crate::Store::enqueue) does, whose rules
/// hold here too.
///
/// Workers see at the commit that the file has changed. The connection must be to the file that holds Hardstop's
/// tables, so that the application's own tables lie there too.
///
/// The connection must be inside a transaction, best one of `BEGIN IMMEDIATE`: another may find
/// the file locked by a writer and cannot wait. Where this fails, what it
/// did is undone and the transaction goes on. Each call costs a savepoint, so many chains go in one call
/// rather than each in its own.
///
/// Nobody compares the inputs with the types' schemas here: the worker does before it runs a job, and a
/// mismatch discards the job.
pub async fn start_chains(
    connection: &mut SqliteConnection,
    chains: &[NewChain],
) -> Result<Vec<Started>, StoreError> {
    sqlx::query("SAVEPOINT hardstop_start")
        .execute(&mut *connection)
        .await?;
    let mut transaction = SqliteTransaction::new(Connection::Driver(&mut *connection), now());
    let mut started = start(&mut transaction, chains).await;
    let counts = transaction.counts;
    if started.is_ok()
        && let Err(error) = counts
            .write(&mut Connection::Driver(&mut *connection))
            .await
    {
        started = Err(error);
    }
    if started.is_err() {
        sqlx::query("ROLLBACK TO hardstop_start")
            .execute(&mut *connection)
            .await?;
    }
    sqlx::query("RELEASE hardstop_start")
        .execute(&mut *connection)
        .await?;
    Ok(started?.started)
}
