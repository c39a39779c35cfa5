//! Statements, and the two kinds of connections that run them.
//!
//! The writer has a connection of its own thread and calls SQLite there directly ([`Own`]): a batch is a statement that was
//! prepared once, bound and stepped for each row. Readers, and applications that start jobs in a transaction of theirs, have
//! connections of sqlx, where each statement crosses to another thread and back.

use std::cell::Cell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hardstop_domain::Timestamp;
use rusqlite::OpenFlags;
use rusqlite::config::DbConfig;
use rusqlite::hooks::Wal;
use rusqlite::types::{ToSqlOutput, ValueRef};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};
use uuid::Uuid;

use super::failure::read;
use crate::StoreError;
use crate::view::View;

/// The writer's cache: negative, so in KiB. It holds the pages that a queue of 100,000 jobs changes all the time.
const CACHE_KIB: i64 = -65_536;
/// How many prepared statements the writer keeps: more than there are.
const PREPARED_MAX: usize = 512;

/// A statement, or a few, of the directory `sql`.
macro_rules! sql {
    ($name:literal) => {
        $crate::sqlite::statement::Statement::new(include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/src/sqlite/sql/",
            $name,
            ".sql"
        )))
    };
}
pub(super) use sql;

/// A list of values, each of any kind that can be bound.
macro_rules! values {
    ($($value:expr),* $(,)?) => {
        vec![$($crate::sqlite::statement::Value::from($value)),*]
    };
}
pub(super) use values;

/// A value that is bound, or that a row has.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
    /// Sixteen bytes, which most values of bytes are: they need no memory of their own.
    Id(Uuid),
}

macro_rules! from {
    ($($from:ty => |$value:ident| $to:expr;)*) => {
        $(impl From<$from> for Value {
            fn from($value: $from) -> Self {
                $to
            }
        })*
    };
}

from! {
    i64 => |value| Self::Int(value);
    i32 => |value| Self::Int(value.into());
    i16 => |value| Self::Int(value.into());
    u32 => |value| Self::Int(value.into());
    bool => |value| Self::Int(value.into());
    String => |value| Self::Text(value);
    &str => |value| Self::Text(value.to_owned());
    &String => |value| Self::Text(value.clone());
    &Option<String> => |value| value.clone().into();
    Vec<u8> => |value| Self::Bytes(value);
    &[u8] => |value| Self::Bytes(value.to_owned());
    Uuid => |value| Self::Id(value);
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(value) => ValueRef::Integer(*value),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
            Self::Id(id) => ValueRef::Blob(id.as_bytes()),
        }))
    }
}

/// A connection of either kind.
pub(super) enum Connection<'c> {
    /// Of sqlx.
    Driver(&'c mut SqliteConnection),
    /// Of this thread.
    Own(&'c mut Own),
}

/// A connection that is used on the thread that has it.
pub(super) struct Own {
    connection: rusqlite::Connection,
    /// By the address of the statement's text, which lives as long as the program.
    columns: HashMap<usize, Columns>,
}

/// The names of a statement's columns.
type Columns = Arc<[Box<str>]>;

/// How a connection is opened.
#[derive(Debug, Clone)]
pub(super) struct OwnOptions {
    /// The file.
    pub(super) path: PathBuf,
    /// How long to wait for the lock of another process.
    pub(super) busy_timeout: Duration,
    /// Whether this is a database in memory, of SQLite's own file system for those.
    pub(super) memory: bool,
}

impl Own {
    pub(super) fn open(options: &OwnOptions) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = match options.memory {
            true => {
                let flags = flags | OpenFlags::SQLITE_OPEN_CREATE;
                rusqlite::Connection::open_with_flags_and_vfs(&options.path, flags, c"memdb")
            }
            false => rusqlite::Connection::open_with_flags(&options.path, flags),
        };
        let connection = connection.map_err(read)?;
        let journal_mode = match options.memory {
            true => "MEMORY",
            false => "WAL",
        };
        let set = || {
            connection.busy_timeout(options.busy_timeout)?;
            connection.pragma_update(None, "foreign_keys", true)?;
            connection.pragma_update(None, "temp_store", "MEMORY")?;
            connection.pragma_update(None, "journal_mode", journal_mode)?;
            connection.pragma_update(None, "synchronous", "NORMAL")?;
            connection.pragma_update(None, "cache_size", CACHE_KIB)?;
            // Else a statement that has a limit is compiled again for each value of it.
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
        };
        set().map_err(read)?;
        connection.set_prepared_statement_cache_capacity(PREPARED_MAX);
        let columns = HashMap::new();
        Ok(Self {
            connection,
            columns,
        })
    }

    /// How long to wait for the lock of another process.
    pub(super) fn set_busy_timeout(&self, timeout: Duration) -> Result<(), StoreError> {
        self.connection.busy_timeout(timeout).map_err(read)
    }

    /// Has this called after each commit, with the number of pages in the write-ahead log. SQLite does not copy it to the file by itself
    /// any more.
    pub(super) fn on_commit(&self, note: fn(&Wal, i32) -> rusqlite::Result<()>) {
        self.connection.wal_hook(Some(note));
    }

    /// Runs a statement that has no parameters and no rows.
    pub(super) fn run(&mut self, text: &'static str) -> Result<(), StoreError> {
        let mut statement = self.connection.prepare_cached(text).map_err(read)?;
        statement.raw_execute().map_err(read)?;
        Ok(())
    }

    /// Runs one statement once for each list of values. Returns how many rows were changed.
    fn each<'v>(
        &mut self,
        text: &'static str,
        lists: impl IntoIterator<Item = &'v [Value]>,
        rows: &mut Vec<Row>,
    ) -> rusqlite::Result<u64> {
        let Self {
            connection,
            columns,
        } = self;
        let mut changed = 0;
        let mut statement = connection.prepare_cached(text)?;
        let parameters = statement.parameter_count();
        let columns = match statement.column_count() {
            0 => None,
            _ => Some(columns.entry(text.as_ptr() as usize).or_insert_with(|| {
                let names = statement.column_names();
                names.into_iter().map(Box::from).collect()
            })),
        };
        let writes = !statement.readonly();
        for values in lists {
            // A file may have statements that want fewer than the others.
            for (index, value) in values.iter().enumerate().take(parameters) {
                statement.raw_bind_parameter(index + 1, value)?;
            }
            // Some pragmas have rows without a column.
            let mut found = statement.raw_query();
            while let Some(row) = found.next()? {
                if let Some(columns) = &columns {
                    rows.push(Row::of(row, columns)?);
                }
            }
            drop(found);
            if writes {
                changed += connection.changes();
            }
        }
        Ok(changed)
    }
}

/// One or more statements and the values that they are run with.
pub(super) struct Statement {
    text: &'static str,
    values: Vec<Value>,
}

impl Statement {
    pub(super) fn new(text: &'static str) -> Self {
        Self {
            text,
            values: Vec::new(),
        }
    }

    /// Binds the next parameter.
    pub(super) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Runs it. Returns how many rows were changed.
    pub(super) async fn execute(self, on: &mut Connection<'_>) -> Result<u64, StoreError> {
        match on {
            Connection::Driver(driver) => {
                Ok(self.driver().execute(&mut **driver).await?.rows_affected())
            }
            Connection::Own(own) => self.own(own, &mut Vec::new()),
        }
    }

    /// All rows, of each of the statements.
    pub(super) async fn fetch_all(self, on: &mut Connection<'_>) -> Result<Vec<Row>, StoreError> {
        match on {
            Connection::Driver(driver) => {
                let rows = self.driver().fetch_all(&mut **driver).await?;
                Ok(rows.into_iter().map(Row::Driver).collect())
            }
            Connection::Own(own) => {
                let mut rows = Vec::new();
                self.own(own, &mut rows)?;
                Ok(rows)
            }
        }
    }

    /// The first row, if there is one.
    pub(super) async fn fetch_optional(
        self,
        on: &mut Connection<'_>,
    ) -> Result<Option<Row>, StoreError> {
        match on {
            Connection::Driver(driver) => {
                let row = self.driver().fetch_optional(&mut **driver).await?;
                Ok(row.map(Row::Driver))
            }
            Connection::Own(_) => Ok(self.fetch_all(on).await?.into_iter().next()),
        }
    }

    /// The one row that there must be.
    pub(super) async fn fetch_one(self, on: &mut Connection<'_>) -> Result<Row, StoreError> {
        let row = self.fetch_optional(on).await?;
        row.ok_or(StoreError::Database(sqlx::Error::RowNotFound))
    }

    /// Runs it once for each list of values. Returns all rows.
    pub(super) async fn for_each(
        self,
        lists: Vec<Vec<Value>>,
        on: &mut Connection<'_>,
    ) -> Result<Vec<Row>, StoreError> {
        let mut rows = Vec::new();
        match on {
            Connection::Driver(driver) => {
                for values in lists {
                    let text = self.text;
                    let statement = Self { text, values };
                    let found = statement.driver().fetch_all(&mut **driver).await?;
                    rows.extend(found.into_iter().map(Row::Driver));
                }
            }
            Connection::Own(own) => {
                for part in parts(self.text) {
                    let lists = lists.iter().map(Vec::as_slice);
                    own.each(part, lists, &mut rows).map_err(read)?;
                }
            }
        }
        Ok(rows)
    }

    fn own(self, own: &mut Own, rows: &mut Vec<Row>) -> Result<u64, StoreError> {
        let mut changed = 0;
        for part in parts(self.text) {
            changed += own
                .each(part, [self.values.as_slice()], rows)
                .map_err(read)?;
        }
        Ok(changed)
    }

    fn driver(self) -> sqlx::query::Query<'static, sqlx::Sqlite, sqlx::sqlite::SqliteArguments> {
        let query = sqlx::query(self.text);
        self.values
            .into_iter()
            .fold(query, |query, value| match value {
                Value::Null => query.bind(None::<i64>),
                Value::Int(value) => query.bind(value),
                Value::Text(text) => query.bind(text),
                Value::Bytes(bytes) => query.bind(bytes),
                Value::Id(id) => query.bind(id),
            })
    }
}

/// The statements of a file. Each ends with a semicolon at the end of a line that is no comment.
fn parts(text: &'static str) -> impl Iterator<Item = &'static str> {
    let (mut start, mut at) = (0, 0);
    let ends = text.split_inclusive('\n').filter_map(move |line| {
        at += line.len();
        let is_end = line.trim_end().ends_with(';') && !line.starts_with("--");
        (is_end || at == text.len()).then(|| &text[std::mem::replace(&mut start, at)..at])
    });
    ends.filter(|part| !part.trim().is_empty())
}

/// A row of either kind of connection.
pub(super) enum Row {
    Driver(SqliteRow),
    Own(OwnRow),
}

/// A row of a connection of ours.
pub(super) struct OwnRow {
    columns: Columns,
    values: Box<[Value]>,
    /// The column behind the one that was asked for last. Most are asked for in their order.
    next: Cell<usize>,
}

impl Row {
    fn of(row: &rusqlite::Row<'_>, columns: &Columns) -> rusqlite::Result<Self> {
        let value = |index| {
            Ok(match row.get_ref(index)? {
                ValueRef::Null => Value::Null,
                ValueRef::Integer(value) => Value::Int(value),
                // No column of ours has reals; those that an expression makes are looked at as whole numbers.
                ValueRef::Real(value) => Value::Int(value as i64),
                ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
                ValueRef::Blob(bytes) => match Uuid::from_slice(bytes) {
                    Ok(id) => Value::Id(id),
                    Err(_) => Value::Bytes(bytes.to_owned()),
                },
            })
        };
        let values = (0..columns.len()).map(value);
        Ok(Self::Own(OwnRow {
            columns: Arc::clone(columns),
            values: values.collect::<rusqlite::Result<_>>()?,
            next: Cell::new(0),
        }))
    }
}

impl OwnRow {
    /// The value of a column.
    fn get(&self, column: &'static str) -> Result<&Value, StoreError> {
        let next = self.next.get();
        let columns = (next..self.columns.len()).chain(0..next);
        let mut named = columns.filter(|index| *self.columns[*index] == *column);
        let index = named.next();
        self.next.set(index.map_or(0, |index| index + 1));
        let value = index.and_then(|index| self.values.get(index));
        value.ok_or_else(|| StoreError::Database(sqlx::Error::ColumnNotFound(column.to_owned())))
    }
}

fn unreadable<T>(column: &'static str) -> Result<T, StoreError> {
    Err(StoreError::Corrupt(format!(
        "`{column}` has a value of another kind"
    )))
}

// `try_get_unchecked`: the tables are strict, but expressions (`NULL`, `->>`) carry no declared type.
impl View for Row {
    fn get_int(&self, column: &'static str) -> Result<Option<i64>, StoreError> {
        match self {
            Self::Driver(row) => Ok(row.try_get_unchecked(column)?),
            Self::Own(row) => match row.get(column)? {
                Value::Null => Ok(None),
                Value::Int(value) => Ok(Some(*value)),
                _ => unreadable(column),
            },
        }
    }

    fn get_text(&self, column: &'static str) -> Result<Option<String>, StoreError> {
        match self {
            Self::Driver(row) => Ok(row.try_get_unchecked(column)?),
            Self::Own(row) => match row.get(column)? {
                Value::Null => Ok(None),
                Value::Text(text) => Ok(Some(text.clone())),
                _ => unreadable(column),
            },
        }
    }

    fn get_uuid(&self, column: &'static str) -> Result<Option<Uuid>, StoreError> {
        match self {
            Self::Driver(row) => Ok(row.try_get_unchecked(column)?),
            Self::Own(row) => match row.get(column)? {
                Value::Null => Ok(None),
                Value::Id(id) => Ok(Some(*id)),
                _ => unreadable(column),
            },
        }
    }

    fn get_time(&self, column: &'static str) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.get_int(column)?.map(Timestamp))
    }

    fn get_bytes(&self, column: &'static str) -> Result<Option<Vec<u8>>, StoreError> {
        match self {
            Self::Driver(row) => Ok(row.try_get_unchecked(column)?),
            Self::Own(row) => match row.get(column)? {
                Value::Null => Ok(None),
                Value::Bytes(bytes) => Ok(Some(bytes.clone())),
                Value::Id(id) => Ok(Some(id.as_bytes().to_vec())),
                _ => unreadable(column),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_split_where_its_statements_end() {
        let text = "-- Two;\nSELECT ';' AS a;\nSELECT 2\n";
        let parts: Vec<_> = parts(text).collect();
        assert_eq!(parts, ["-- Two;\nSELECT ';' AS a;\n", "SELECT 2\n"]);
    }

    #[test]
    fn no_semicolon_of_a_file_is_anywhere_else() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/sqlite/sql");
        for file in std::fs::read_dir(folder).expect("the folder") {
            let text = std::fs::read_to_string(file.expect("a file").path()).expect("text");
            let semicolons = text.matches(';').count();
            let code = text.lines().filter(|line| !line.starts_with("--"));
            let ends = code.filter(|line| line.ends_with(';')).count();
            let comments = text.lines().filter(|line| line.starts_with("--"));
            let in_comments: usize = comments.map(|line| line.matches(';').count()).sum();
            assert_eq!(semicolons, ends + in_comments, "{text}");
        }
    }
}
