//! Schedules: chains that are started again and again.

use std::time::Duration;

use hardstop_domain::quantity::format_duration_ms;
use hardstop_domain::schedule::{Interval, ScheduleError};
use hardstop_domain::{
    ChainId, JobId, Missed, NewJob, Overlap, ScheduleName, ScheduleSpec, Timestamp, Timing, Zone,
};
use hardstop_store::{NewSchedule, PutSchedule, Schedule, ScheduleDetail, StoreError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Service, parse_type, start_error};
use crate::error::{Error, Kind};

/// A schedule as it is asked for.
#[derive(Debug, Clone, Default)]
pub struct ScheduleRequest {
    /// Its name.
    pub name: String,
    /// The type of the chains that it starts.
    pub type_name: String,
    /// Their input: JSON text.
    pub input: String,
    /// Their priority.
    pub priority: Option<i16>,
    /// A cron expression; or `every`.
    pub cron: Option<String>,
    /// The zone of the expression; none: UTC.
    pub time_zone: Option<String>,
    /// An interval; or `cron`.
    pub every: Option<Duration>,
    /// What if the chain before is still open.
    pub overlap: Overlap,
    /// What about missed times.
    pub missed: Missed,
}

impl Service {
    /// Makes a schedule, or changes the one of its name.
    pub async fn put_schedule(&self, request: ScheduleRequest) -> Result<PutSchedule, Error> {
        let name = parse_schedule(&request.name)?;
        let spec = ScheduleSpec {
            timing: timing(&request)?,
            overlap: request.overlap,
            missed: request.missed,
        };
        spec.check().map_err(schedule_error)?;
        let first = NewJob {
            priority: request.priority,
            ..NewJob::new(
                JobId(Uuid::nil()),
                parse_type(&request.type_name)?,
                request.input,
            )
        };
        self.catalogue()
            .await?
            .check_start(&first, &self.ceiling)
            .map_err(start_error)?;
        let schedule = NewSchedule {
            name,
            type_name: first.type_name,
            input: first.input,
            priority: first.priority.unwrap_or(0),
            spec,
        };
        self.store
            .put_schedule(schedule)
            .await
            .map_err(|error| match error {
                StoreError::Invalid(message) => Error::usage(message),
                error => error.into(),
            })
    }

    /// Every schedule, by name.
    pub async fn schedules(&self) -> Result<Vec<Schedule>, Error> {
        Ok(self.store.schedules().await?)
    }

    /// One schedule in full.
    pub async fn schedule(&self, name: &str) -> Result<ScheduleDetail, Error> {
        let name = parse_schedule(name)?;
        let found = self.store.schedule(&name).await?;
        found.ok_or_else(|| no_such_schedule(&name))
    }

    /// Pauses or resumes a schedule. Times in between are not made up for.
    pub async fn set_schedule_paused(&self, name: &str, paused: bool) -> Result<(), Error> {
        let name = parse_schedule(name)?;
        let exists = self.store.set_schedule_paused(&name, paused).await?;
        exists.then_some(()).ok_or_else(|| no_such_schedule(&name))
    }

    /// Starts a chain of a schedule now.
    pub async fn trigger_schedule(&self, name: &str) -> Result<ChainId, Error> {
        let detail = self.schedule(name).await?;
        let schedule = detail.schedule;
        if let Some(type_name) = schedule.type_name {
            let first = NewJob {
                priority: Some(schedule.priority),
                ..NewJob::new(JobId(Uuid::nil()), type_name, detail.input)
            };
            let catalogue = self.catalogue().await?;
            catalogue
                .check_start(&first, &self.ceiling)
                .map_err(start_error)?;
        }
        let started = self.store.trigger_schedule(&schedule.name).await;
        match started {
            Ok(chain) => chain.ok_or_else(|| no_such_schedule(&schedule.name)),
            Err(StoreError::Invalid(message)) => Err(Error::failed(message)),
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes a schedule. Chains that it started stay.
    pub async fn delete_schedule(&self, name: &str) -> Result<(), Error> {
        let name = parse_schedule(name)?;
        let existed = self.store.delete_schedule(&name).await?;
        existed.then_some(()).ok_or_else(|| no_such_schedule(&name))
    }
}

/// A schedule and its next times.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Timed{T}")]
pub struct Timed<T> {
    /// The schedule.
    #[serde(flatten)]
    pub schedule: T,
    /// Its next times.
    pub next: Vec<Timestamp>,
    /// The same as the clocks of its zone show them.
    pub next_local: Vec<String>,
}

/// What is shown of a schedule, and its next times.
pub fn timed<T>(shown: T, schedule: &Schedule, count: usize) -> Timed<T> {
    let zone = schedule.spec.timing.zone();
    let next = upcoming(schedule, count);
    Timed {
        schedule: shown,
        next_local: next.iter().map(|at| zone.show(*at)).collect(),
        next,
    }
}

/// The next times of a schedule, from the one that it waits for. None while it is paused.
pub fn upcoming(schedule: &Schedule, count: usize) -> Vec<Timestamp> {
    let timing = &schedule.spec.timing;
    let later = |at: &Timestamp| timing.next(*at, schedule.created_at);
    std::iter::successors(schedule.next_at, later)
        .take(count)
        .collect()
}

fn timing(request: &ScheduleRequest) -> Result<Timing, Error> {
    let hint = "give --cron '0 9 * * mon-fri', or --every 15m";
    match (&request.cron, request.every) {
        (Some(cron), None) => {
            let expression = cron.parse().map_err(ScheduleError::from);
            let zone = request.time_zone.as_deref().map(str::parse);
            Ok(Timing::Cron {
                expression: expression.map_err(schedule_error)?,
                time_zone: zone
                    .transpose()
                    .map_err(schedule_error)?
                    .unwrap_or_else(Zone::utc),
            })
        }
        (None, Some(_)) if request.time_zone.is_some() => Err(Error::usage(
            "an interval has no time zone: it counts from when the schedule was made",
        )
        .hint("leave --time-zone out, or give --cron")),
        (None, Some(every)) => {
            let ms = u64::try_from(every.as_millis()).unwrap_or(u64::MAX);
            let interval_ms = Interval::try_from(ms).map_err(schedule_error)?;
            Ok(Timing::Every { interval_ms })
        }
        (Some(_), Some(_)) => {
            Err(Error::usage("a schedule has one timing: both cron and every are given").hint(hint))
        }
        (None, None) => Err(Error::usage(
            "a schedule needs a timing: neither cron nor every is given",
        )
        .hint(hint)),
    }
}

pub(crate) fn parse_schedule(text: &str) -> Result<ScheduleName, Error> {
    text.parse().map_err(schedule_error)
}

fn schedule_error(error: ScheduleError) -> Error {
    let message = error.to_string();
    let hint = match error {
        ScheduleError::Name(_) => return Error::usage(message),
        ScheduleError::Cron(_) => {
            "write minute, hour, day of month, month and day of week, such as '0 9 * * mon-fri' for \
             9:00 on weekdays, or @hourly, @daily, @weekly, @monthly, @yearly"
        }
        ScheduleError::TimeZone(_) => "write an IANA name, such as Europe/Berlin or UTC",
        ScheduleError::Interval(ms) => {
            return Error::usage(format!("`every` = {}: {message}", format_duration_ms(ms)))
                .hint("give --every 1s or more; for years, give --cron");
        }
        ScheduleError::MissedCap(_) => "give --missed-cap a number from 1 to 1000",
    };
    Error::usage(message).hint(hint)
}

fn no_such_schedule(name: &ScheduleName) -> Error {
    Error::usage(format!("there is no schedule `{name}`"))
        .kind(Kind::NoSuchSchedule)
        .hint("`hardstop schedule list` shows them; is --database-url the right one?")
}
