//! Rows of Postgres.

use hardstop_domain::Timestamp;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgRow, PgTypeInfo, PgValueFormat, PgValueRef};
use sqlx::{Decode, Postgres, Row, Type, TypeInfo, ValueRef};
use uuid::Uuid;

use crate::StoreError;
use crate::view::View;

impl View for PgRow {
    fn get_int(&self, column: &'static str) -> Result<Option<i64>, StoreError> {
        let value = self.try_get_raw(column)?;
        if value.is_null() {
            return Ok(None);
        }
        // Narrow columns are narrow on disk; here every integer is one.
        let widened: fn(PgValueRef<'_>) -> Result<i64, BoxDynError> = match value.type_info().name()
        {
            "BOOL" => widened::<bool>,
            "INT2" => widened::<i16>,
            "INT4" => widened::<i32>,
            "INT8" => widened::<i64>,
            _ => return Ok(self.try_get(column)?),
        };
        let failed = |source| sqlx::Error::ColumnDecode {
            index: format!("{column:?}"),
            source,
        };
        Ok(Some(widened(value).map_err(failed)?))
    }

    fn get_text(&self, column: &'static str) -> Result<Option<String>, StoreError> {
        Ok(self.try_get(column)?)
    }

    fn get_uuid(&self, column: &'static str) -> Result<Option<Uuid>, StoreError> {
        Ok(self.try_get(column)?)
    }

    fn get_time(&self, column: &'static str) -> Result<Option<Timestamp>, StoreError> {
        let time: Option<Time> = self.try_get(column)?;
        Ok(time.map(|time| time.0))
    }

    fn get_bytes(&self, column: &'static str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.try_get(column)?)
    }
}

fn widened<T: for<'r> Decode<'r, Postgres> + Into<i64>>(
    value: PgValueRef<'_>,
) -> Result<i64, BoxDynError> {
    T::decode(value).map(Into::into)
}

/// A `timestamptz`. Read here rather than by a calendar library, because it is a number of
/// microseconds on the wire and in [`Timestamp`].
struct Time(Timestamp);

/// 2000-01-01T00:00:00Z, from which Postgres counts.
const POSTGRES_EPOCH_US: i64 = 946_684_800_000_000;

impl Type<Postgres> for Time {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("TIMESTAMPTZ")
    }

    fn compatible(ty: &PgTypeInfo) -> bool {
        ty.name() == "TIMESTAMPTZ"
    }
}

impl Decode<'_, Postgres> for Time {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        if value.format() != PgValueFormat::Binary {
            return Err("a time in text format".into());
        }
        let since = i64::from_be_bytes(value.as_bytes()?.try_into()?);
        Ok(Self(Timestamp(since.saturating_add(POSTGRES_EPOCH_US))))
    }
}
