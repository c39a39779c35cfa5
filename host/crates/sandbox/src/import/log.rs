//! `hardstop:job/log`.

use hardstop_domain::LogLevel;

use crate::binding::hardstop::job::log::{Host, Level};
use crate::lock::lock;
use crate::state::State;

impl Host for State {
    fn log(&mut self, level: Level, message: String, fields: Vec<(String, String)>) {
        let level = match level {
            Level::Trace => LogLevel::Trace,
            Level::Debug => LogLevel::Debug,
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
        };
        lock(&self.journal).add(level, message, fields);
    }
}
