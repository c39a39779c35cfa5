//! `hardstop:job/chains`, and the jobs that a guest names there or as its continuation.

use hardstop_domain::capability::Refusal;
use hardstop_domain::dedup::DedupError;
use hardstop_domain::job::{BLOCKERS_MAX, DELAY_MS_MAX, PRIORITY_MAX, PRIORITY_MIN};
use hardstop_domain::quantity::{format_duration_ms, format_size};
use hardstop_domain::{
    ChainId, Dedup, DedupScope, JobId, NewChain, NewJob, OnBlockerFailure, TypeName,
};
use uuid::Uuid;

use crate::binding::hardstop::job::chains::{Host, StartError};
use crate::binding::hardstop::job::types as wit;
use crate::children::waits_for;
use crate::journal::cut;
use crate::json;
use crate::state::{Grant, State};

/// How much of an id that is none is repeated, in bytes.
const ID_BYTES_SHOWN: usize = 80;

impl Host for State {
    fn start(&mut self, job: wit::NextJob) -> Result<String, StartError> {
        if !self.grant.capabilities.chains {
            let refusal = Refusal::chains(self.grant.name());
            return Err(StartError::Denied(self.refuse(refusal)));
        }
        self.children.admit().map_err(StartError::Limit)?;
        let chain = new_chain(job, &self.grant).map_err(|error| match error {
            NewJobError::InputTooLarge { .. } | NewJobError::Blockers(_) => {
                StartError::Limit(error.to_string())
            }
            _ => StartError::Invalid(error.to_string()),
        })?;
        let id = self.children.push(chain).map_err(StartError::Limit)?;
        Ok(id.to_string())
    }
}

/// Why a job that a guest names cannot be created.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NewJobError {
    #[error("{0}")]
    TypeName(String),
    #[error("the next job's type has the value of a secret in its name")]
    SecretInTypeName,
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
    #[error("the next job has {0} blockers and may have {BLOCKERS_MAX}")]
    Blockers(usize),
    #[error("the next job's blocker `{0}` is not the id of a chain")]
    BlockerId(String),
    #[error("the next job's key cannot be used: {0}")]
    Dedup(#[from] DedupError),
    #[error(
        "a continuation may not name a deduplication key: the chain keeps its own; start a chain with \
         the key, or leave it out"
    )]
    KeyOfContinuation,
    #[error(
        "the continuation would wait for its own chain, which it keeps open; name other blockers"
    )]
    WaitsForItself,
}

fn new_chain(mut job: wit::NextJob, grant: &Grant) -> Result<NewChain, NewJobError> {
    let dedup = job.options.dedup.take().map(|dedup| Dedup {
        key: grant.secrets.redactor().text(dedup.key),
        scope: match dedup.scope {
            wit::DedupScope::Open => DedupScope::Open,
            wit::DedupScope::Any(window_ms) => DedupScope::Any { window_ms },
        },
    });
    if let Some(dedup) = &dedup {
        dedup.check()?;
    }
    Ok(NewChain {
        first: new_job(job, grant)?,
        dedup,
    })
}

/// Checks the job that a guest continues with; `children` are the chains that it has started.
pub(crate) fn continuation(
    job: wit::NextJob,
    grant: &Grant,
    children: &[NewChain],
) -> Result<NewJob, NewJobError> {
    if job.options.dedup.is_some() {
        return Err(NewJobError::KeyOfContinuation);
    }
    let job = new_job(job, grant)?;
    match grant.chain {
        Some(own) if waits_for(&job.blockers, children, own) => Err(NewJobError::WaitsForItself),
        _ => Ok(job),
    }
}

/// Checks a job that a guest names, and gives it an id.
fn new_job(mut job: wit::NextJob, grant: &Grant) -> Result<NewJob, NewJobError> {
    let redactor = grant.secrets.redactor();
    if redactor.finds(&job.type_) {
        return Err(NewJobError::SecretInTypeName);
    }
    let type_name: TypeName = job
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
    job.input = redactor.json(job.input);
    let options = job.options;
    let delay_ms = options.delay_ms.unwrap_or(0);
    if delay_ms > DELAY_MS_MAX {
        return Err(NewJobError::Delay { delay_ms });
    }
    if let Some(priority) = options.priority
        && !(PRIORITY_MIN..=PRIORITY_MAX).contains(&priority)
    {
        return Err(NewJobError::Priority(priority));
    }
    if options.blockers.len() > BLOCKERS_MAX {
        return Err(NewJobError::Blockers(options.blockers.len()));
    }
    let chain_id = |text: String| match text.parse() {
        Ok(id) => Ok(ChainId(id)),
        Err(_) => Err(NewJobError::BlockerId(cut(
            redactor.text(text),
            ID_BYTES_SHOWN,
        ))),
    };
    let blockers = options.blockers.into_iter().map(chain_id);
    Ok(NewJob {
        delay_ms,
        priority: options.priority,
        blockers: blockers.collect::<Result<_, _>>()?,
        on_blocker_failure: match options.on_blocker_failure {
            None => OnBlockerFailure::default(),
            Some(wit::OnBlockerFailure::Cancel) => OnBlockerFailure::Cancel,
            Some(wit::OnBlockerFailure::Run) => OnBlockerFailure::Run,
            Some(wit::OnBlockerFailure::Hold) => OnBlockerFailure::Hold,
        },
        trace_parent: grant.trace_parent.clone(),
        ..NewJob::new(JobId(Uuid::now_v7()), type_name, job.input)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hardstop_domain::job::{DEDUP_KEY_BYTES_MAX, DEDUP_WINDOW_MS_MAX};

    const OWN: u128 = 7;

    fn grant() -> Grant {
        Grant {
            type_name: None,
            chain: Some(ChainId(Uuid::from_u128(OWN))),
            capabilities: Default::default(),
            input_bytes_max: 10,
            trace_parent: Some("00-a-b-01".to_owned()),
            secrets: Default::default(),
        }
    }

    fn next(name: &str, input: &str) -> wit::NextJob {
        wit::NextJob {
            type_: name.to_owned(),
            input: input.to_owned(),
            options: wit::StartOptions {
                delay_ms: None,
                priority: None,
                blockers: Vec::new(),
                on_blocker_failure: None,
                dedup: None,
            },
        }
    }

    fn with(set: impl FnOnce(&mut wit::StartOptions)) -> wit::NextJob {
        let mut job = next("a", "1");
        set(&mut job.options);
        job
    }

    fn id(number: u128) -> String {
        Uuid::from_u128(number).to_string()
    }

    #[test]
    fn what_cannot_be_created_is_named() {
        for (job, expected) in [
            (next("A", "1"), "cannot name a job type"),
            (next("a", "{"), "is not JSON"),
            (next("a", "\"1234567890\""), "limit `input` = 10B"),
            (
                with(|options| options.delay_ms = Some(u64::MAX)),
                "over the maximum of 8784h",
            ),
            (
                with(|options| options.priority = Some(101)),
                "is not from -100 to 100",
            ),
            (
                with(|options| options.blockers = vec![id(1); BLOCKERS_MAX + 1]),
                "has 10001 blockers and may have 10000",
            ),
            (
                with(|options| options.blockers = vec![id(1), "x".repeat(90)]),
                &format!("blocker `{}` is not the id of a chain", "x".repeat(80)),
            ),
        ] {
            let error = new_job(job, &grant()).expect_err(expected).to_string();
            assert!(error.contains(expected), "{error}");
        }
        let most = with(|options| options.blockers = vec![id(1); BLOCKERS_MAX]);
        let job = new_job(most, &grant()).expect("as many as there may be");
        assert_eq!(job.blockers.len(), BLOCKERS_MAX);
    }

    #[test]
    fn a_job_inherits_the_trace_and_gets_an_id_of_its_own() {
        let grant = grant();
        let job = || {
            with(|options| {
                options.delay_ms = Some(5);
                options.priority = Some(-100);
                options.blockers = vec![id(2), id(1)];
                options.on_blocker_failure = Some(wit::OnBlockerFailure::Hold);
            })
        };
        let first = new_job(job(), &grant).expect("valid");
        let second = new_job(job(), &grant).expect("valid");
        assert_eq!(first.trace_parent, grant.trace_parent);
        assert_eq!((first.delay_ms, first.priority), (5, Some(-100)));
        assert_eq!(first.on_blocker_failure, OnBlockerFailure::Hold);
        let named = [2, 1].map(|number| ChainId(Uuid::from_u128(number)));
        assert_eq!(
            first.blockers, named,
            "in the order in which they were named"
        );
        assert!(first.id < second.id, "in the order of creation");
    }

    #[test]
    fn a_key_is_for_a_chain() {
        let keyed = |key: &str, scope| {
            let key = key.to_owned();
            with(|options| options.dedup = Some(wit::Dedup { key, scope }))
        };
        let day = wit::DedupScope::Any(86_400_000);
        let chain = new_chain(keyed("k", day), &grant()).expect("valid");
        assert_eq!(
            chain.dedup,
            Some(Dedup {
                key: "k".to_owned(),
                scope: DedupScope::Any {
                    window_ms: 86_400_000
                },
            })
        );
        let long = "k".repeat(DEDUP_KEY_BYTES_MAX + 1);
        for (job, expected) in [
            (keyed("", wit::DedupScope::Open), "of 0 bytes"),
            (keyed(&long, wit::DedupScope::Open), "of 256 bytes"),
            (
                keyed("k", wit::DedupScope::Any(DEDUP_WINDOW_MS_MAX + 1)),
                "window of",
            ),
        ] {
            let error = new_chain(job, &grant()).expect_err(expected).to_string();
            assert!(
                error.starts_with("the next job's key cannot be used: "),
                "{error}"
            );
            assert!(error.contains(expected), "{error}");
        }
        assert_eq!(
            continuation(keyed("k", wit::DedupScope::Open), &grant(), &[]),
            Err(NewJobError::KeyOfContinuation)
        );
    }

    #[test]
    fn a_continuation_cannot_wait_for_its_own_chain() {
        let waiting = |number| with(|options| options.blockers = vec![id(number)]);
        let child = new_chain(waiting(OWN), &grant()).expect("a child may wait for its parent");
        let through = with(|options| options.blockers = vec![child.id().to_string()]);
        for job in [waiting(OWN), through] {
            assert_eq!(
                continuation(job, &grant(), std::slice::from_ref(&child)),
                Err(NewJobError::WaitsForItself)
            );
        }
        let free = new_chain(next("a", "1"), &grant()).expect("valid");
        let job = with(|options| options.blockers = vec![free.id().to_string()]);
        let job = continuation(job, &grant(), &[child, free.clone()]).expect("no cycle");
        assert_eq!(job.blockers, [free.id()]);
    }
}
