//! Reads rows about tokens.

use hardstop_domain::{Scopes, TokenId};

use super::View;
use crate::StoreError;
use crate::record::{FoundToken, NewToken, Token};
use crate::row::signed;

/// For how many microseconds a token can be used.
pub(crate) fn time_us(token: &NewToken) -> Option<i64> {
    let time = token.time?;
    Some(signed(u64::try_from(time.as_micros()).unwrap_or(u64::MAX)))
}

pub(crate) fn token(row: &impl View) -> Result<Token, StoreError> {
    let code = row.int("scopes")?;
    Ok(Token {
        id: TokenId(row.uuid("id")?),
        name: row.text("name")?,
        scopes: Scopes::from_code(code)
            .ok_or_else(|| StoreError::Corrupt(format!("unknown scopes {code}")))?,
        created_at: row.time("created_at")?,
        actor: row.text("actor")?,
        expires_at: row.get_time("expires_at")?,
        expired: row.flag("expired")?,
        revoked_at: row.get_time("revoked_at")?,
    })
}

pub(crate) fn found(row: &impl View) -> Result<FoundToken, StoreError> {
    Ok(FoundToken {
        any: row.flag("any_token")?,
        token: match row.get_uuid("id")? {
            Some(_) => Some((token(row)?, row.digest("hash")?)),
            None => None,
        },
    })
}
