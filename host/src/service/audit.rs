//! What was changed, and by whom.

use futures::{Stream, stream};
use hardstop_store::{AUDIT_LIMIT_MAX, AuditQuery, AuditRecord};

use super::Service;
use crate::error::Error;

/// A JSON object a line.
pub fn json_lines(records: &[impl serde::Serialize]) -> String {
    let lines = records
        .iter()
        .filter_map(|it| serde_json::to_string(it).ok());
    lines.map(|line| line + "\n").collect()
}

impl Service {
    /// A page of records of changes, newest first.
    pub async fn audit(&self, query: &AuditQuery) -> Result<Vec<AuditRecord>, Error> {
        Ok(self.store.audit(query).await?)
    }

    /// Every record that the query means, newest first, a page at a time; its limit is not used.
    pub fn audit_pages(
        &self,
        query: AuditQuery,
    ) -> impl Stream<Item = Result<Vec<AuditRecord>, Error>> + use<> {
        let service = self.clone();
        let first = AuditQuery {
            limit: AUDIT_LIMIT_MAX,
            ..query
        };
        stream::try_unfold(Some(first), move |query| {
            let service = service.clone();
            async move {
                let Some(query) = query else {
                    return Ok(None);
                };
                let page = service.audit(&query).await?;
                let next = page.last().map(|last| AuditQuery {
                    before: Some(last.id),
                    ..query
                });
                Ok(next.map(|next| (page, Some(next))))
            }
        })
    }
}
