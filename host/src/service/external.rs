//! Jobs that are completed from outside: with a token, before a deadline.

use hardstop_domain::{ChainId, JobId, NewJob, OnBlockerFailure, State, TypeName};
use hardstop_store::{Completion, ExternalAnswer, ExternalOutcome};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{Service, no_such_job, parse_type, start_error};
use crate::catalogue;
use crate::error::{Error, Kind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What somebody says that an external job came to.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// Its chain closes with this output, JSON text.
    Complete {
        /// JSON text.
        output: String,
    },
    /// Its chain goes on.
    Continue {
        /// The name of the next job's type.
        type_name: String,
        /// JSON text.
        input: String,
        /// Chains that it waits for.
        blockers: Vec<ChainId>,
        /// What becomes of it when one of them fails.
        on_blocker_failure: OnBlockerFailure,
    },
    /// It failed for good.
    Fail {
        /// In a sentence.
        message: String,
        /// JSON text.
        details: Option<String>,
    },
}

/// What became of an external job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Completed")]
pub struct Finished {
    /// The job.
    pub id: JobId,
    /// Its state.
    pub state: State,
    /// The next job of its chain.
    pub continued_to: Option<JobId>,
    /// With what that is completed, where it is external.
    #[serde(flatten)]
    pub completion: Option<Completion>,
}

impl Service {
    /// Writes what an external job came to.
    pub async fn finish(
        &self,
        id: JobId,
        token: Uuid,
        verdict: Verdict,
    ) -> Result<Finished, Error> {
        let state = match verdict {
            Verdict::Complete { .. } => State::Completed,
            Verdict::Continue { .. } => State::Continued,
            Verdict::Fail { .. } => State::Discarded,
        };
        let continued_to = self.complete_external(id, token, verdict).await?;
        let completion = match continued_to {
            Some(next) => self.completion(next).await?,
            None => None,
        };
        Ok(Finished {
            id,
            state,
            continued_to,
            completion,
        })
    }

    /// What completes an external job; none where it is final or has a handler.
    pub async fn completion(&self, id: JobId) -> Result<Option<Completion>, Error> {
        Ok(self.store.completion_token(id).await?)
    }

    /// Writes what an external job came to. Returns the next job of its chain, where it goes on.
    async fn complete_external(
        &self,
        id: JobId,
        token: Uuid,
        verdict: Verdict,
    ) -> Result<Option<JobId>, Error> {
        let mut next_id = None;
        let outcome = match verdict {
            Verdict::Complete { output } => {
                self.check_output(id, &output).await?;
                ExternalOutcome::Complete { output }
            }
            Verdict::Continue {
                type_name,
                input,
                blockers,
                on_blocker_failure,
            } => {
                let catalogue = self.catalogue().await?;
                let next = NewJob {
                    blockers,
                    on_blocker_failure,
                    ..NewJob::new(JobId(Uuid::now_v7()), parse_type(&type_name)?, input)
                };
                catalogue
                    .check_start(&next, &self.ceiling)
                    .map_err(start_error)?;
                next_id = Some(next.id);
                ExternalOutcome::Continue { next }
            }
            Verdict::Fail { message, details } => {
                if let Some(details) = &details {
                    check_json("details", details.clone())?;
                }
                ExternalOutcome::Fail { message, details }
            }
        };
        match self.store.complete_external(id, token, &outcome).await? {
            ExternalAnswer::Done => Ok(next_id),
            ExternalAnswer::WrongToken => {
                Err(Error::failed(format!("the token is not that of job {id}"))
                    .kind(Kind::WrongCompletionToken)
                    .hint(
                        "each job has its own: `hardstop start` and `hardstop job show` print it",
                    ))
            }
            ExternalAnswer::NotExternal => Err(Error::failed(format!(
                "job {id} is not external: its handler completes it"
            ))
            .hint("`hardstop type list` shows which types are external")),
            ExternalAnswer::NotReady(state) => Err(Error::failed(format!(
                "job {id} is {state}: nobody is asked for its completion yet"
            ))
            .hint("complete it once it is ready; `hardstop job show` tells")),
            ExternalAnswer::TimedOut => Err(Error::failed(format!(
                "the deadline of job {id} has passed"
            ))
            .hint("`hardstop job retry` gives it another, once it is discarded")),
            ExternalAnswer::AlreadyFinal(state) => Err(Error::failed(format!(
                "job {id} is {state} already: its token has been used, or its time is over"
            ))
            .hint(match state {
                State::Discarded | State::Cancelled => {
                    "`hardstop job retry` makes it wait again, for the same token"
                }
                _ => "a job is completed once; `hardstop job show` prints what it came to",
            })),
            ExternalAnswer::Unknown => Err(no_such_job(id)),
        }
    }

    /// Fails where the text is no output of the job's type. What is wrong with the job is for the store to say.
    async fn check_output(&self, id: JobId, output: &str) -> Result<(), Error> {
        let type_name = self.job(id).await?.summary.type_name;
        let active = self.job_type(type_name.as_str()).await?;
        if active.spec.external.is_none() {
            return Ok(());
        }
        catalogue::check_output(&active.spec, output)
            .map_err(|reason| output_error(&type_name, reason))
    }
}

fn output_error(type_name: &TypeName, reason: String) -> Error {
    let error = Error::usage(reason).kind(Kind::SchemaMismatch);
    error.hint(format!(
        "`hardstop type show {type_name}` prints the schema"
    ))
}

/// Says that an output is not JSON.
pub fn output_not_json(type_name: &TypeName, error: &serde_json::Error) -> Error {
    output_error(type_name, catalogue::output_not_json(type_name, error))
}

/// Fails where the text is not JSON.
pub fn check_json(what: &str, text: String) -> Result<Box<RawValue>, Error> {
    RawValue::from_string(text).map_err(|error| {
        Error::usage(format!("the {what} are not JSON: {error}"))
            .hint("give JSON text, @FILE to read a file, or - for standard input")
    })
}
