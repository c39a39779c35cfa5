//! Schedules.

use hardstop_domain::ChainId;
use hardstop_store::{PutSchedule, Schedule, ScheduleDetail};
use http::Method;

use super::{Client, path};
use crate::api::schedule::{Done, SchedulePut, Triggered};
use crate::error::Error;
use crate::service::{ScheduleRequest, parse_schedule};

impl Client {
    /// Makes a schedule, or changes the one of its name.
    pub async fn put_schedule(&self, request: ScheduleRequest) -> Result<PutSchedule, Error> {
        let path = of_schedule(&request.name, "")?;
        let input = self
            .input(&request.type_name, request.input.clone())
            .await?;
        let put = SchedulePut::of(request, input);
        self.send_json(Method::PUT, &path, &put).await
    }

    /// Every schedule, by name.
    pub async fn schedules(&self) -> Result<Vec<Schedule>, Error> {
        self.get("/schedules").await
    }

    /// One schedule in full.
    pub async fn schedule(&self, name: &str) -> Result<ScheduleDetail, Error> {
        self.get(&of_schedule(name, "")?).await
    }

    /// Pauses or resumes a schedule. Times in between are not made up for.
    pub async fn set_schedule_paused(&self, name: &str, paused: bool) -> Result<(), Error> {
        let what = if paused { "/pause" } else { "/resume" };
        let _: Done = self.post_empty(&of_schedule(name, what)?).await?;
        Ok(())
    }

    /// Starts a chain of a schedule now.
    pub async fn trigger_schedule(&self, name: &str) -> Result<ChainId, Error> {
        let triggered: Triggered = self.post_empty(&of_schedule(name, "/trigger")?).await?;
        Ok(triggered.chain_id)
    }

    /// Deletes a schedule. Chains that it started stay.
    pub async fn delete_schedule(&self, name: &str) -> Result<(), Error> {
        let _: Done = self.delete(&of_schedule(name, "")?).await?;
        Ok(())
    }
}

fn of_schedule(name: &str, what: &str) -> Result<String, Error> {
    let name = parse_schedule(name)?;
    Ok(path(["schedules", name.as_str()]) + what)
}
