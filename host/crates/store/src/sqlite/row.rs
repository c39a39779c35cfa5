//! Rows of SQLite.

use hardstop_domain::Timestamp;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use crate::StoreError;
use crate::view::View;

// `try_get_unchecked`: the tables are strict, but expressions (`NULL`, `->>`) carry no declared type.
impl View for SqliteRow {
    fn get_int(&self, column: &'static str) -> Result<Option<i64>, StoreError> {
        Ok(self.try_get_unchecked(column)?)
    }

    fn get_text(&self, column: &'static str) -> Result<Option<String>, StoreError> {
        Ok(self.try_get_unchecked(column)?)
    }

    fn get_uuid(&self, column: &'static str) -> Result<Option<Uuid>, StoreError> {
        Ok(self.try_get_unchecked(column)?)
    }

    fn get_time(&self, column: &'static str) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.get_int(column)?.map(Timestamp))
    }

    fn get_bytes(&self, column: &'static str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.try_get_unchecked(column)?)
    }
}
