//! Jobs.

use hardstop_domain::{JobId, State};
use hardstop_store::{Due, JobDetail, JobQuery, JobSummary};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{Client, path};
use crate::api::cursor::Page;
use crate::api::job::{Complete, Continue, Fail, Jobs, Reschedule, Trigger};
use crate::error::Error;
use crate::service::explain::Explained;
use crate::service::{Finished, JobChanged, Verdict, check_json, output_not_json};

impl Client {
    /// One job in full.
    pub async fn job(&self, id: JobId) -> Result<JobDetail, Error> {
        let job = self.get(&path(["jobs", &id.to_string()])).await?;
        Ok(whole(job))
    }

    /// A page of jobs.
    pub async fn jobs(&self, query: &JobQuery) -> Result<Vec<JobSummary>, Error> {
        let page: Page<_> = self.list("/jobs", &Jobs::of(query)).await?;
        Ok(page.items)
    }

    /// Why a job is not running, or where it stands.
    pub async fn explain(&self, id: JobId) -> Result<Explained, Error> {
        self.get(&path(["jobs", &id.to_string(), "explain"])).await
    }

    /// Makes a discarded, cancelled or scheduled job ready.
    pub async fn retry(&self, id: JobId) -> Result<JobChanged, Error> {
        self.post_empty(&path(["jobs", &id.to_string(), "retry"]))
            .await
    }

    /// Cancels a job.
    pub async fn cancel(&self, id: JobId) -> Result<JobChanged, Error> {
        self.post_empty(&path(["jobs", &id.to_string(), "cancel"]))
            .await
    }

    /// Makes a queued job due now or at another time.
    pub async fn reschedule(&self, id: JobId, due: Due, force: bool) -> Result<JobChanged, Error> {
        let id = id.to_string();
        let (after, at) = match due {
            Due::Now => {
                let path = path(["jobs", &id, "trigger"]);
                return self.post(&path, &Trigger { force }).await;
            }
            Due::After { delay_ms } => (Some(delay_ms), None),
            Due::At(at) => (None, Some(at)),
        };
        let path = path(["jobs", &id, "reschedule"]);
        self.post(&path, &Reschedule { after, at }).await
    }

    /// Writes what an external job came to.
    pub async fn finish(
        &self,
        id: JobId,
        token: Uuid,
        verdict: Verdict,
    ) -> Result<Finished, Error> {
        let job = id.to_string();
        match verdict {
            Verdict::Complete { output } => {
                let output = match RawValue::from_string(output) {
                    Ok(output) => Some(output),
                    Err(error) => return Err(self.no_output(id, &error).await),
                };
                let path = path(["jobs", &job, "complete"]);
                self.post(&path, &Complete { token, output }).await
            }
            Verdict::Continue {
                type_name,
                input,
                blockers,
                on_blocker_failure,
            } => {
                let next = Continue {
                    token,
                    input: Some(self.input(&type_name, input).await?),
                    type_name,
                    blockers,
                    on_blocker_failure,
                };
                self.post(&path(["jobs", &job, "continue"]), &next).await
            }
            Verdict::Fail { message, details } => {
                let details = details
                    .map(|details| check_json("details", details))
                    .transpose()?;
                let fail = Fail {
                    token,
                    message,
                    details,
                };
                self.post(&path(["jobs", &job, "fail"]), &fail).await
            }
        }
    }

    /// What the server would say of an output that is not JSON, which cannot be sent to it.
    async fn no_output(&self, id: JobId, error: &serde_json::Error) -> Error {
        match self.job(id).await {
            Ok(job) => output_not_json(&job.summary.type_name, error),
            Err(error) => error,
        }
    }
}

/// A job as it is: in JSON, an output that is `null` and none at all are the same.
pub(super) fn whole(mut job: JobDetail) -> JobDetail {
    if job.summary.state == State::Completed {
        job.output.get_or_insert_with(|| "null".to_owned());
    }
    job
}
