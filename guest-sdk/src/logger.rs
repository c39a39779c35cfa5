//! The `log` crate's lines to the job's log.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use log::kv::{Error, Key, Value, VisitSource};
use log::{LevelFilter, Log, Metadata, Record};

use crate::recorder::{self, LogEntry};

struct Logger;

/// What passes at first: `trace` lines would eat the log budget. A handler may call
/// `log::set_max_level` for more or for less.
#[cfg(target_family = "wasm")]
const LEVEL_AT_FIRST: LevelFilter = LevelFilter::Debug;
/// A test sees everything.
#[cfg(not(target_family = "wasm"))]
const LEVEL_AT_FIRST: LevelFilter = LevelFilter::Trace;

/// Makes this the process's logger, which for a component is the instance's. Without effect where
/// there is one: a test program may have its own.
pub fn install() {
    if log::set_logger(&Logger).is_ok() {
        log::set_max_level(LEVEL_AT_FIRST);
    }
}

thread_local! {
    /// The records of the live test contexts of this thread, the newest last.
    static RECORDS: RefCell<Vec<Weak<recorder::Record>>> = const { RefCell::new(Vec::new()) };
}

/// Sends what this thread logs to a test's record for as long as that lives.
pub fn record_into(record: &Rc<recorder::Record>) {
    RECORDS.with_borrow_mut(|records| {
        records.retain(|record| record.strong_count() > 0);
        records.push(Rc::downgrade(record));
    });
}

fn newest_record() -> Option<Rc<recorder::Record>> {
    RECORDS.with_borrow(|records| records.iter().rev().find_map(Weak::upgrade))
}

impl Log for Logger {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let mut fields = Fields(Vec::new());
        // Only a visitor's own error comes back, and this one has none.
        let _ = record.key_values().visit(&mut fields);
        let entry = LogEntry {
            level: record.level(),
            message: record.args().to_string(),
            fields: fields.0,
        };
        match newest_record() {
            Some(record) => record.push_log(entry),
            None => send(entry),
        }
    }

    fn flush(&self) {}
}

#[cfg(target_family = "wasm")]
fn send(entry: LogEntry) {
    crate::binding::write_log(entry);
}

/// Natively a line that no test asked for goes nowhere.
#[cfg(not(target_family = "wasm"))]
fn send(_: LogEntry) {}

struct Fields(Vec<(String, String)>);

impl<'kvs> VisitSource<'kvs> for Fields {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        self.0.push((key.to_string(), value.to_string()));
        Ok(())
    }
}
