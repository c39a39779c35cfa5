//! The statements about records of changes, and about requests that may be sent again.

use async_trait::async_trait;
use hardstop_domain::Digest;

use super::{PgTransaction, sql};
use crate::StoreError;
use crate::record::{Acting, AuditRecord, RequestKey};
use crate::row::AuditRow;
use crate::transaction::audit::{AuditPage, AuditStatements};
use crate::view::all;
use crate::view::audit as view;

#[async_trait]
impl AuditStatements for PgTransaction<'_> {
    async fn put_audit(&mut self, acting: &Acting, row: &AuditRow) -> Result<(), StoreError> {
        sql!(self.1, "put_audit")
            .bind(row.id)
            .bind(&acting.actor)
            .bind(acting.token.map(|token| token.0))
            .bind(row.action)
            .bind(&row.subject)
            .bind(row.before.as_deref())
            .bind(row.after.as_deref())
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    async fn audit(&mut self, page: &AuditPage) -> Result<Vec<AuditRecord>, StoreError> {
        let rows = sql!(self.1, "audit")
            .bind(page.from)
            .bind(page.before)
            .bind(page.actor.as_deref())
            .bind(page.action)
            .bind(page.subject.as_deref())
            .bind(page.limit)
            .fetch_all(&mut *self.0)
            .await?;
        all(&rows, view::record)
    }

    async fn take_request(
        &mut self,
        actor: &str,
        request: &RequestKey,
    ) -> Result<bool, StoreError> {
        let row = sql!(self.1, "take_request")
            .bind(actor)
            .bind(&request.key)
            .bind(&request.fingerprint.0[..])
            .fetch_optional(&mut *self.0)
            .await?;
        Ok(row.is_some())
    }

    async fn request(
        &mut self,
        actor: &str,
        key: &str,
    ) -> Result<Option<(Digest, Option<String>)>, StoreError> {
        let row = sql!(self.1, "request")
            .bind(actor)
            .bind(key)
            .fetch_optional(&mut *self.0)
            .await?;
        row.map(|row| view::request(&row)).transpose()
    }

    async fn answer_request(
        &mut self,
        actor: &str,
        key: &str,
        answer: &str,
    ) -> Result<(), StoreError> {
        sql!(self.1, "answer_request")
            .bind(actor)
            .bind(key)
            .bind(answer)
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    async fn trim_requests(&mut self, age_us: i64) -> Result<(), StoreError> {
        sql!(self.1, "trim_requests")
            .bind(age_us)
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }
}
