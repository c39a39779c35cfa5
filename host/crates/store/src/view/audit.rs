//! Reads rows about changes.

use hardstop_domain::{AuditId, Digest, TokenId};

use super::View;
use crate::StoreError;
use crate::record::{AuditAction, AuditRecord};

pub(crate) fn record(row: &impl View) -> Result<AuditRecord, StoreError> {
    let action = row.text("action")?;
    Ok(AuditRecord {
        id: AuditId(row.uuid("id")?),
        at: row.time("at")?,
        actor: row.text("actor")?,
        token: row.get_uuid("token")?.map(TokenId),
        action: AuditAction::from_name(&action)
            .ok_or_else(|| StoreError::Corrupt(format!("unknown action {action}")))?,
        subject: row.text("subject")?,
        before: row.json_option("before")?,
        after: row.json_option("after")?,
    })
}

pub(crate) fn request(row: &impl View) -> Result<(Digest, Option<String>), StoreError> {
    Ok((row.digest("fingerprint")?, row.get_text("answer")?))
}
