//! Statements, and the two kinds of connections that run them.
//!
//! The writer has a connection of its own thread and calls SQLite there directly ([`Own`]): a batch is a statement that was
//! prepared once, bound and stepped for each row. Readers, and applications that start jobs in a transaction of theirs, have
//! connections of sqlx, where each statement crosses to another thread and back.

use std::borrow::Cow;
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

/// The writer's cache: negative, so in KiB. It holds the pages that a queue changes all the time. Not many times that: where a
/// page was split, SQLite looks over all places of the cache when it commits (`pcache1TruncateUnsafe`).
const CACHE_KIB: i64 = -16_384;
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
        [$($crate::sqlite::statement::Value::from($value)),*]
    };
}
pub(super) use values;

/// A value that is bound, or that a row has.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'v> {
    Null,
    Int(i64),
    Text(Cow<'v, str>),
    Bytes(Cow<'v, [u8]>),
    /// Sixteen bytes, which most values of bytes are: they need no memory of their own.
    Id(Uuid),
}

macro_rules! from {
    ($($from:ty => |$value:ident| $to:expr;)*) => {
        $(impl<'v> From<$from> for Value<'v> {
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
    String => |value| Self::Text(value.into());
    &'v str => |value| Self::Text(value.into());
    &'v String => |value| Self::Text(value.into());
    &'v Option<String> => |value| value.as_ref().into();
    Vec<u8> => |value| Self::Bytes(value.into());
    &'v [u8] => |value| Self::Bytes(value.into());
    Uuid => |value| Self::Id(value);
}

impl<'v, T: Into<Value<'v>>> From<Option<T>> for Value<'v> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl Value<'_> {
    /// As SQLite takes it and gives it.
    fn cell(&self) -> ValueRef<'_> {
        match self {
            Self::Null => ValueRef::Null,
            Self::Int(value) => ValueRef::Integer(*value),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
            Self::Id(id) => ValueRef::Blob(id.as_bytes()),
        }
    }

    /// A copy of what SQLite gave.
    fn of(cell: ValueRef<'_>) -> Value<'static> {
        match cell {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(value) => Value::Int(value),
            ValueRef::Real(value) => Value::Int(whole(value)),
            ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned().into()),
            ValueRef::Blob(bytes) => match Uuid::from_slice(bytes) {
                Ok(id) => Value::Id(id),
                Err(_) => Value::Bytes(bytes.to_owned().into()),
            },
        }
    }
}

impl rusqlite::ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(self.cell()))
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
    /// By the address and the length of the text, which lives as long as the program.
    files: HashMap<(usize, usize), Arc<[Part]>>,
}

/// One of the statements of a text.
struct Part {
    /// Without its comments: SQLite's statement is found by its whole text, each time that it is run.
    text: String,
    columns: Columns,
    parameters: usize,
    /// Whether it may change rows.
    writes: bool,
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
        let files = HashMap::new();
        Ok(Self { connection, files })
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

    /// The statements of a text.
    fn parts(&mut self, text: &'static str) -> rusqlite::Result<Arc<[Part]>> {
        let key = (text.as_ptr() as usize, text.len());
        if let Some(parts) = self.files.get(&key) {
            return Ok(Arc::clone(parts));
        }
        let part = |text| {
            let text = without_comments(text);
            let statement = self.connection.prepare_cached(&text)?;
            let names = statement.column_names();
            Ok(Part {
                columns: names.into_iter().map(Box::from).collect(),
                parameters: statement.parameter_count(),
                writes: !statement.readonly(),
                text,
            })
        };
        let parts: Arc<[Part]> = split(text).map(part).collect::<rusqlite::Result<_>>()?;
        self.files.insert(key, Arc::clone(&parts));
        Ok(parts)
    }

    /// Runs the statements of a text for each list of values, and shows each row. Returns how many rows were changed.
    fn each<'v, L: AsRef<[Value<'v>]>>(
        &mut self,
        text: &'static str,
        lists: impl IntoIterator<Item = L>,
        mut look: impl FnMut(&rusqlite::Row<'_>, &Columns) -> Result<(), StoreError>,
    ) -> Result<u64, StoreError> {
        let parts = self.parts(text).map_err(read)?;
        let connection = &self.connection;
        let mut statements = Vec::with_capacity(parts.len());
        for part in &*parts {
            let statement = connection.prepare_cached(&part.text).map_err(read)?;
            statements.push((part, statement));
        }
        let mut changed = 0;
        for values in lists {
            for (part, statement) in &mut statements {
                // A file may have statements that want fewer than the others.
                let values = values.as_ref().iter().take(part.parameters);
                for (index, value) in values.enumerate() {
                    let bound = statement.raw_bind_parameter(index + 1, value);
                    bound.map_err(read)?;
                }
                let mut found = statement.raw_query();
                while let Some(row) = found.next().map_err(read)? {
                    // Some pragmas have rows without a column.
                    if !part.columns.is_empty() {
                        look(row, &part.columns)?;
                    }
                }
                drop(found);
                if part.writes {
                    changed += connection.changes();
                }
            }
        }
        Ok(changed)
    }
}

/// One or more statements and the values that they are run with.
pub(super) struct Statement<'v> {
    text: &'static str,
    values: Vec<Value<'v>>,
}

impl<'v> Statement<'v> {
    pub(super) fn new(text: &'static str) -> Self {
        Self {
            text,
            values: Vec::new(),
        }
    }

    /// Binds the next parameter.
    pub(super) fn bind(mut self, value: impl Into<Value<'v>>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Runs it. Returns how many rows were changed.
    pub(super) async fn execute(self, on: &mut Connection<'_>) -> Result<u64, StoreError> {
        match on {
            Connection::Driver(driver) => {
                let query = driver_query(self.text, &self.values);
                Ok(query.execute(&mut **driver).await?.rows_affected())
            }
            Connection::Own(own) => own.each(self.text, [self.values], |_, _| Ok(())),
        }
    }

    /// All rows, of each of the statements.
    pub(super) async fn fetch_all(self, on: &mut Connection<'_>) -> Result<Vec<Row>, StoreError> {
        match on {
            Connection::Driver(driver) => {
                let query = driver_query(self.text, &self.values);
                let rows = query.fetch_all(&mut **driver).await?;
                Ok(rows.into_iter().map(Row::Driver).collect())
            }
            Connection::Own(own) => {
                let mut rows = Vec::new();
                own.each(self.text, [self.values], |row, columns| {
                    let mut values = Vec::with_capacity(columns.len());
                    for place in 0..columns.len() {
                        values.push(Value::of(row.get_ref(place).map_err(read)?));
                    }
                    rows.push(Row::Own(OwnRow::new(columns, values.into())));
                    Ok(())
                })?;
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
                let query = driver_query(self.text, &self.values);
                let row = query.fetch_optional(&mut **driver).await?;
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

    /// Runs it once for each of these with its values, and shows each row.
    pub(super) async fn for_each<T: Sync, const N: usize>(
        self,
        items: &[T],
        values: impl Fn(&T) -> [Value<'_>; N] + Send,
        on: &mut Connection<'_>,
        mut look: impl FnMut(&Row<Here<'_>>) -> Result<(), StoreError> + Send,
    ) -> Result<(), StoreError> {
        // Of most settlements nothing is dropped: no statement is looked for then.
        if items.is_empty() {
            return Ok(());
        }
        match on {
            Connection::Driver(driver) => {
                for item in items {
                    let query = driver_query(self.text, &values(item));
                    for row in query.fetch_all(&mut **driver).await? {
                        look(&Row::Driver(row))?;
                    }
                }
            }
            Connection::Own(own) => {
                own.each(self.text, items.iter().map(values), |row, columns| {
                    look(&Row::Own(OwnRow::new(columns, row)))
                })?;
            }
        }
        Ok(())
    }
}

fn driver_query(
    text: &'static str,
    values: &[Value<'_>],
) -> sqlx::query::Query<'static, sqlx::Sqlite, sqlx::sqlite::SqliteArguments> {
    let query = sqlx::query(text);
    values.iter().fold(query, |query, value| match value {
        Value::Null => query.bind(None::<i64>),
        Value::Int(value) => query.bind(*value),
        Value::Text(text) => query.bind(text.to_string()),
        Value::Bytes(bytes) => query.bind(bytes.to_vec()),
        Value::Id(id) => query.bind(*id),
    })
}

/// The statements of a file. Each ends with a semicolon at the end of a line that is no comment.
fn split(text: &'static str) -> impl Iterator<Item = &'static str> {
    let (mut start, mut at) = (0, 0);
    let ends = text.split_inclusive('\n').filter_map(move |line| {
        at += line.len();
        let is_end = line.trim_end().ends_with(';') && !line.starts_with("--");
        (is_end || at == text.len()).then(|| &text[std::mem::replace(&mut start, at)..at])
    });
    ends.filter(|part| !part.trim().is_empty())
}

/// A statement without the lines that are comments, and without indents. No text in it goes over the end of a line.
fn without_comments(text: &str) -> String {
    let lines = text.lines().map(str::trim);
    let code = lines.filter(|line| !line.starts_with("--"));
    code.collect::<Vec<_>>().join("\n")
}

/// A row of either kind of connection.
pub(super) enum Row<C = Kept> {
    Driver(SqliteRow),
    Own(OwnRow<C>),
}

/// A row of a connection of ours.
pub(super) struct OwnRow<C> {
    columns: Columns,
    cells: C,
    /// The column behind the one that was asked for last. Most are asked for in their order.
    next: Cell<usize>,
}

/// The values of a row.
pub(super) trait Cells {
    fn cell(&self, place: usize) -> rusqlite::Result<ValueRef<'_>>;
}

/// A copy.
pub(super) type Kept = Box<[Value<'static>]>;

impl Cells for Kept {
    fn cell(&self, place: usize) -> rusqlite::Result<ValueRef<'_>> {
        let value = self.get(place).map(Value::cell);
        value.ok_or(rusqlite::Error::InvalidColumnIndex(place))
    }
}

/// The row at which a statement stands.
pub(super) type Here<'r> = &'r rusqlite::Row<'r>;

impl Cells for Here<'_> {
    fn cell(&self, place: usize) -> rusqlite::Result<ValueRef<'_>> {
        self.get_ref(place)
    }
}

impl<C: Cells> OwnRow<C> {
    fn new(columns: &Columns, cells: C) -> Self {
        Self {
            columns: Arc::clone(columns),
            cells,
            next: Cell::new(0),
        }
    }

    /// The value of a column.
    fn get(&self, column: &'static str) -> Result<ValueRef<'_>, StoreError> {
        let next = self.next.get();
        let mut places = (next..self.columns.len()).chain(0..next);
        let place = places.find(|place| *self.columns[*place] == *column);
        self.next.set(place.map_or(0, |place| place + 1));
        match place {
            Some(place) => self.cells.cell(place).map_err(read),
            None => Err(StoreError::Database(sqlx::Error::ColumnNotFound(
                column.to_owned(),
            ))),
        }
    }
}

/// No column of ours has reals; those that an expression makes are looked at as whole numbers.
fn whole(value: f64) -> i64 {
    value as i64
}

fn unreadable<T>(column: &'static str) -> Result<T, StoreError> {
    Err(StoreError::Corrupt(format!(
        "`{column}` has a value of another kind"
    )))
}

// `try_get_unchecked`: the tables are strict, but expressions (`NULL`, `->>`) carry no declared type.
impl<C: Cells> View for Row<C> {
    fn get_int(&self, column: &'static str) -> Result<Option<i64>, StoreError> {
        match self {
            Self::Driver(row) => Ok(row.try_get_unchecked(column)?),
            Self::Own(row) => match row.get(column)? {
                ValueRef::Null => Ok(None),
                ValueRef::Integer(value) => Ok(Some(value)),
                ValueRef::Real(value) => Ok(Some(whole(value))),
                _ => unreadable(column),
            },
        }
    }

    fn get_text(&self, column: &'static str) -> Result<Option<String>, StoreError> {
        match self {
            Self::Driver(row) => Ok(row.try_get_unchecked(column)?),
            Self::Own(row) => match row.get(column)? {
                ValueRef::Null => Ok(None),
                ValueRef::Text(text) => Ok(Some(String::from_utf8_lossy(text).into_owned())),
                _ => unreadable(column),
            },
        }
    }

    fn get_uuid(&self, column: &'static str) -> Result<Option<Uuid>, StoreError> {
        match self {
            Self::Driver(row) => Ok(row.try_get_unchecked(column)?),
            Self::Own(row) => match row.get(column)? {
                ValueRef::Null => Ok(None),
                ValueRef::Blob(id) => {
                    Uuid::from_slice(id).map_or_else(|_| unreadable(column), |id| Ok(Some(id)))
                }
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
                ValueRef::Null => Ok(None),
                ValueRef::Blob(bytes) => Ok(Some(bytes.to_vec())),
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
        let parts: Vec<_> = split(text).collect();
        assert_eq!(parts, ["-- Two;\nSELECT ';' AS a;\n", "SELECT 2\n"]);
    }

    #[test]
    fn a_statement_is_known_by_its_text_without_comments_and_indents() {
        let text = "-- One.\nSELECT a,\n    -- Two.\n    b\n";
        assert_eq!(without_comments(text), "SELECT a,\nb");
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
            let mut code = text.lines().filter(|line| !line.trim().starts_with("--"));
            let is_whole = |line: &str| line.matches('\'').count().is_multiple_of(2);
            assert!(
                code.all(is_whole),
                "a text goes over the end of a line: {text}"
            );
        }
    }
}
