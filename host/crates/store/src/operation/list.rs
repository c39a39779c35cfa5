//! Pages of jobs and of chains.
//!
//! A page is a range of ids, newest first. Its end is the cursor of the next one, so that pages meet
//! exactly whatever happens between them. Nothing is counted.

use hardstop_domain::{State, Timestamp, TypeId};
use uuid::Uuid;

use super::{Mode, Operation, check_limit};
use crate::StoreError;
use crate::record::*;
use crate::transaction::{Page, Transaction};

/// What a query names, whether of jobs or of chains.
struct Wanted<'q> {
    type_id: Option<TypeId>,
    state: Option<State>,
    key: Option<&'q String>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    before: Option<Uuid>,
    limit: u32,
}

/// A page, and the index that leads to it.
struct Listing {
    page: Page,
    path: Path,
}

/// The index that leads to a page.
enum Path {
    /// The primary key, or that of the final jobs of a type.
    Id,
    /// A partial index of jobs in this state.
    State(State),
    /// The chains that were started with this key.
    Key(String),
}

impl Listing {
    /// `states` are those that what is listed can be in.
    fn new(
        wanted: Wanted<'_>,
        states: impl Iterator<Item = State>,
        limit_max: u32,
    ) -> Result<Self, StoreError> {
        check_limit(wanted.limit, limit_max)?;
        let path = match (wanted.key, wanted.state) {
            (Some(_), _) if wanted.type_id.is_none() => {
                return Err(StoreError::Invalid(
                    "a deduplication key is one within a type: name the type too".to_owned(),
                ));
            }
            // No key holds one; Postgres refuses it in any text.
            (Some(key), _) => Path::Key(key.replace('\0', "\u{fffd}")),
            (
                None,
                Some(
                    state @ (State::Running
                    | State::Continued
                    | State::Discarded
                    | State::Cancelled),
                ),
            ) => Path::State(state),
            (None, _) => Path::Id,
        };
        let states: Vec<State> = states
            .filter(|state| wanted.state.is_none_or(|wanted| wanted == *state))
            .collect();
        let until = wanted.until.map_or(Uuid::max(), first_id);
        let page = Page {
            from: wanted.since.map_or(Uuid::nil(), first_id),
            before: wanted.before.map_or(until, |before| before.min(until)),
            type_id: wanted.type_id.map(|id| id.0),
            limit: i64::from(wanted.limit),
            live: states.iter().any(|state| !state.is_final()),
            done: states.iter().any(|state| state.is_final()),
            states: states.into_iter().map(State::code).collect(),
        };
        Ok(Self { page, path })
    }
}

/// The smallest id that a UUIDv7 of this time's millisecond can be: its first 48 bits are milliseconds
/// since 1970.
pub(super) fn first_id(at: Timestamp) -> Uuid {
    const MS_MAX: i64 = (1 << 48) - 1;
    let ms = at.0.div_euclid(1_000).clamp(0, MS_MAX);
    Uuid::from_u128((ms as u128) << 80)
}

/// A page of jobs.
pub(crate) struct Jobs(Listing);

impl Jobs {
    /// `type_id` is that of the type that the query names.
    pub(crate) fn new(query: &JobQuery, type_id: Option<TypeId>) -> Result<Self, StoreError> {
        let wanted = Wanted {
            type_id,
            state: query.state,
            key: query.key.as_ref(),
            since: query.since,
            until: query.until,
            before: query.before.map(|id| id.0),
            limit: query.limit,
        };
        Listing::new(wanted, State::ALL.into_iter(), JOB_QUERY_LIMIT_MAX).map(Self)
    }
}

impl Operation for Jobs {
    type Output = Vec<JobSummary>;

    fn mode(&self) -> Mode {
        Mode::LIST
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Vec<JobSummary>, StoreError> {
        let Listing { page, path } = &self.0;
        match path {
            Path::Id => tx.jobs(page).await,
            Path::State(state) => tx.jobs_by_state(page, *state).await,
            Path::Key(key) => tx.jobs_by_key(page, key).await,
        }
    }
}

/// A page of chains.
pub(crate) struct Chains(Listing);

impl Chains {
    /// `type_id` is that of the type that the query names.
    pub(crate) fn new(query: &ChainQuery, type_id: Option<TypeId>) -> Result<Self, StoreError> {
        if query.state == Some(State::Continued) {
            return Err(StoreError::Invalid(
                "no chain is `continued`: its state is that of its last job".to_owned(),
            ));
        }
        let wanted = Wanted {
            type_id,
            state: query.state,
            key: query.key.as_ref(),
            since: query.since,
            until: query.until,
            before: query.before.map(|id| id.0),
            limit: query.limit,
        };
        let states = State::ALL
            .into_iter()
            .filter(|state| *state != State::Continued);
        Listing::new(wanted, states, CHAIN_QUERY_LIMIT_MAX).map(Self)
    }
}

impl Operation for Chains {
    type Output = Vec<ChainSummary>;

    fn mode(&self) -> Mode {
        Mode::LIST
    }

    async fn run(&self, tx: &mut dyn Transaction) -> Result<Vec<ChainSummary>, StoreError> {
        let Listing { page, path } = &self.0;
        match path {
            Path::Id => tx.chains(page).await,
            Path::State(state) => tx.chains_by_state(page, *state).await,
            Path::Key(key) => tx.chains_by_key(page, key).await,
        }
    }
}
