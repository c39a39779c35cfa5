//! The statements about records of changes, and about requests that may be sent again.

use async_trait::async_trait;
use hardstop_domain::Digest;

use super::{SqliteTransaction, sql};
use crate::StoreError;
use crate::record::{Acting, AuditRecord, RequestKey};
use crate::row::AuditRow;
use crate::transaction::audit::{AuditPage, AuditStatements};
use crate::view::all;
use crate::view::audit as view;

#[async_trait]
impl AuditStatements for SqliteTransaction<'_> {
    async fn put_audit(&mut self, acting: &Acting, row: &AuditRow) -> Result<(), StoreError> {
        sql!("put_audit")
            .bind(row.id)
            .bind(&acting.actor)
            .bind(acting.token.map(|token| token.0))
            .bind(row.action)
            .bind(&row.subject)
            .bind(row.before.as_deref())
            .bind(row.after.as_deref())
            .bind(self.now)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    async fn audit(&mut self, page: &AuditPage) -> Result<Vec<AuditRecord>, StoreError> {
        let rows = sql!("audit")
            .bind(page.from)
            .bind(page.before)
            .bind(page.actor.as_deref())
            .bind(page.action)
            .bind(page.subject.as_deref())
            .bind(page.limit)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, view::record)
    }

    async fn take_request(
        &mut self,
        actor: &str,
        request: &RequestKey,
    ) -> Result<bool, StoreError> {
        let row = sql!("take_request")
            .bind(actor)
            .bind(&request.key)
            .bind(&request.fingerprint.0[..])
            .bind(self.now)
            .fetch_optional(&mut self.connection)
            .await?;
        Ok(row.is_some())
    }

    async fn request(
        &mut self,
        actor: &str,
        key: &str,
    ) -> Result<Option<(Digest, Option<String>)>, StoreError> {
        let row = sql!("request")
            .bind(actor)
            .bind(key)
            .fetch_optional(&mut self.connection)
            .await?;
        row.map(|row| view::request(&row)).transpose()
    }

    async fn answer_request(
        &mut self,
        actor: &str,
        key: &str,
        answer: &str,
    ) -> Result<(), StoreError> {
        sql!("answer_request")
            .bind(actor)
            .bind(key)
            .bind(answer)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    async fn trim_requests(&mut self, age_us: i64) -> Result<(), StoreError> {
        sql!("trim_requests")
            .bind(age_us)
            .bind(self.now)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }
}
