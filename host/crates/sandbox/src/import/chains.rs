//! `hardstop:job/chains`.

use hardstop_domain::capability::Refusal;
use hardstop_domain::job::{DELAY_MS_MAX, PRIORITY_MAX, PRIORITY_MIN};
use hardstop_domain::quantity::{format_duration_ms, format_size};
use hardstop_domain::{JobId, NewChain, NewJob};
use uuid::Uuid;

use crate::binding::hardstop::job::chains::{Host, StartError};
use crate::binding::hardstop::job::types::NextJob;
use crate::json;
use crate::state::{Grant, State};

/// How many chains one attempt may start.
pub const CHILDREN_MAX: usize = 100;
/// How large the inputs of all chains that one attempt starts may be together, in bytes: they stay
/// in the host's memory until the attempt is settled.
pub const CHILDREN_BYTES_MAX: u64 = 16 << 20;

impl Host for State {
    fn start(&mut self, job: NextJob) -> Result<String, StartError> {
        if !self.grant.capabilities.chains {
            let refusal = Refusal::chains(self.grant.name());
            return Err(StartError::Denied(self.refuse(refusal)));
        }
        if self.children.len() >= CHILDREN_MAX {
            return Err(StartError::Limit(format!(
                "an attempt may start {CHILDREN_MAX} chains and has started them"
            )));
        }
        let bytes = self.children_bytes + job.input.len() as u64;
        if bytes > CHILDREN_BYTES_MAX {
            return Err(StartError::Limit(format!(
                "the inputs of all chains that an attempt starts may hold {} and would hold {}",
                format_size(CHILDREN_BYTES_MAX),
                format_size(bytes)
            )));
        }
        let first = new_job(job, &self.grant).map_err(|error| match error {
            NewJobError::InputTooLarge { .. } => StartError::Limit(error.to_string()),
            _ => StartError::Invalid(error.to_string()),
        })?;
        let chain = NewChain::new(first);
        let id = chain.id().to_string();
        self.children_bytes = bytes;
        self.children.push(chain);
        Ok(id)
    }
}

/// Why a job that a guest names cannot be created.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NewJobError {
    #[error("{0}")]
    TypeName(String),
    #[error("the next job's input is {} and limit `input` = {}", format_size(*.bytes), format_size(*.limit))]
    InputTooLarge { bytes: u64, limit: u64 },
    #[error("the next job's input is not JSON: {0}")]
    InputNotJson(String),
    #[error(
        "the next job's delay of {delay_ms} ms is over the maximum of {}",
        format_duration_ms(DELAY_MS_MAX)
    )]
    Delay { delay_ms: u64 },
    #[error("the next job's priority {0} is not from {PRIORITY_MIN} to {PRIORITY_MAX}")]
    Priority(i16),
}

/// Checks a job that a guest names, and gives it an id.
pub(crate) fn new_job(job: NextJob, grant: &Grant) -> Result<NewJob, NewJobError> {
    let type_name = job
        .type_
        .parse()
        .map_err(|error| NewJobError::TypeName(format!("{error}")))?;
    let bytes = job.input.len() as u64;
    if bytes > grant.input_bytes_max {
        return Err(NewJobError::InputTooLarge {
            bytes,
            limit: grant.input_bytes_max,
        });
    }
    json::check(&job.input).map_err(NewJobError::InputNotJson)?;
    let delay_ms = job.options.delay_ms.unwrap_or(0);
    if delay_ms > DELAY_MS_MAX {
        return Err(NewJobError::Delay { delay_ms });
    }
    if let Some(priority) = job.options.priority
        && !(PRIORITY_MIN..=PRIORITY_MAX).contains(&priority)
    {
        return Err(NewJobError::Priority(priority));
    }
    Ok(NewJob {
        delay_ms,
        priority: job.options.priority,
        trace_parent: grant.trace_parent.clone(),
        ..NewJob::new(JobId(Uuid::now_v7()), type_name, job.input)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binding::hardstop::job::types::StartOptions;

    fn grant() -> Grant {
        Grant {
            type_name: None,
            capabilities: Default::default(),
            input_bytes_max: 10,
            trace_parent: Some("00-a-b-01".to_owned()),
        }
    }

    fn next(name: &str, input: &str, delay_ms: Option<u64>, priority: Option<i16>) -> NextJob {
        NextJob {
            type_: name.to_owned(),
            input: input.to_owned(),
            options: StartOptions { delay_ms, priority },
        }
    }

    #[test]
    fn what_cannot_be_created_is_named() {
        for (job, expected) in [
            (next("A", "1", None, None), "cannot name a job type"),
            (next("a", "{", None, None), "is not JSON"),
            (
                next("a", "\"1234567890\"", None, None),
                "limit `input` = 10B",
            ),
            (
                next("a", "1", Some(u64::MAX), None),
                "over the maximum of 8784h",
            ),
            (next("a", "1", None, Some(101)), "is not from -100 to 100"),
        ] {
            let error = new_job(job, &grant()).expect_err(expected).to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_job_inherits_the_trace_and_gets_an_id_of_its_own() {
        let grant = grant();
        let first = new_job(next("a", "1", Some(5), Some(-100)), &grant).expect("valid");
        let second = new_job(next("a", "1", None, None), &grant).expect("valid");
        assert_eq!(first.trace_parent, grant.trace_parent);
        assert_eq!((first.delay_ms, first.priority), (5, Some(-100)));
        assert!(first.id < second.id, "in the order of creation");
    }
}
