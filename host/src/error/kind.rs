//! The kinds of errors: one table, which gives each its name for programs, its HTTP status and its title.

use super::Exit;

/// Makes the enum and its table, so that no kind can be without a row.
macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $name:ident $slug:literal $status:literal $title:literal)+) => {
        /// What kind of error. The name of a kind never changes: programs tell errors apart by it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Kind {
            /// Every kind.
            pub const ALL: [Self; [$(Self::$name),+].len()] = [$(Self::$name),+];

            /// The name for programs, such as `no-such-job`.
            pub const fn slug(self) -> &'static str {
                match self {
                    $(Self::$name => $slug,)+
                }
            }

            /// The kind of a name.
            pub fn from_slug(slug: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|kind| kind.slug() == slug)
            }

            /// The HTTP status.
            pub const fn status(self) -> u16 {
                match self {
                    $(Self::$name => $status,)+
                }
            }

            /// What happened, in a few words which are the same each time.
            pub const fn title(self) -> &'static str {
                match self {
                    $(Self::$name => $title,)+
                }
            }

            /// When it happens, in a sentence.
            pub const fn description(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc),+).trim_ascii(),)+
                }
            }
        }
    };
}

kinds! {
    /// A value that was given cannot be: over a maximum, against a rule, or not fitting the rest.
    Invalid "invalid" 422 "A value cannot be used"
    /// The request is not JSON, or its fields are not those that are documented.
    Malformed "malformed" 400 "The request cannot be read"
    /// The cursor is not one that this list gave, or was given for other filters.
    InvalidCursor "invalid-cursor" 400 "The cursor cannot be used"
    /// The body is not announced as `application/json`, or as what the route asks for.
    UnsupportedMediaType "unsupported-media-type" 415 "The body is of another media type"
    /// The body has more bytes than the route takes.
    BodyTooLarge "body-too-large" 413 "The body is too large"
    /// There is no such route.
    NoSuchRoute "no-such-route" 404 "There is no such route"
    /// The route does not have this method.
    MethodNotAllowed "method-not-allowed" 405 "The route does not have this method"
    /// No token, or one that is unknown, revoked or expired.
    Unauthenticated "unauthenticated" 401 "A token is needed"
    /// The token does not have the scope that the route needs.
    ScopeMissing "scope-missing" 403 "The token may not do this"
    /// A web page of another origin sent the request, or it names a host that this server does not serve.
    ForeignOrigin "foreign-origin" 403 "Requests from this origin are refused"
    /// There is no such job.
    NoSuchJob "no-such-job" 404 "There is no such job"
    /// There is no such chain.
    NoSuchChain "no-such-chain" 404 "There is no such chain"
    /// There is no such type.
    NoSuchType "no-such-type" 404 "There is no such type"
    /// There is no such component.
    NoSuchComponent "no-such-component" 404 "There is no such component"
    /// There is no such deployment.
    NoSuchDeployment "no-such-deployment" 404 "There is no such deployment"
    /// There is no such schedule.
    NoSuchSchedule "no-such-schedule" 404 "There is no such schedule"
    /// There is no such replay.
    NoSuchReplay "no-such-replay" 404 "There is no such replay"
    /// There is no such token.
    NoSuchToken "no-such-token" 404 "There is no such token"
    /// There is no such session.
    NoSuchSession "no-such-session" 404 "There is no such session"
    /// There is no such subscription.
    NoSuchSubscription "no-such-subscription" 404 "There is no such subscription"
    /// The request names a type that is not deployed.
    NotDeployed "not-deployed" 422 "The type is not deployed"
    /// The request names a chain to wait for that does not exist.
    UnknownChain "unknown-chain" 422 "A chain to wait for does not exist"
    /// Chains would wait for each other.
    BlockerCycle "blocker-cycle" 422 "Chains would wait for each other"
    /// The input or output does not fit the type's schema.
    SchemaMismatch "schema-mismatch" 422 "The value does not fit the type's schema"
    /// A deployment, its manifest or its component was refused.
    DeploymentRefused "deployment-refused" 422 "The deployment was refused"
    /// What is to be changed is in a state in which it cannot be.
    Conflict "conflict" 409 "It is in a state in which this cannot be done"
    /// Another open chain has the deduplication key.
    KeyTaken "key-taken" 409 "Another chain has the key"
    /// The stream of events has ended, because nobody heard it for ten minutes or too much waited; or what came next in it is
    /// no longer kept. Events were lost: begin another, without an id.
    StreamGone "stream-gone" 410 "The stream has ended"
    /// The completion token is not the job's.
    WrongCompletionToken "wrong-completion-token" 403 "The completion token is not the job's"
    /// The idempotency key was used before, for another request.
    IdempotencyKeyReused "idempotency-key-reused" 422 "The idempotency key belongs to another request"
    /// The server has as many requests, or bytes of them, as it takes. The same request may succeed later: see `Retry-After`.
    Overloaded "overloaded" 503 "The server is busy"
    /// The request took longer than it may. Whether it had an effect is not known.
    RequestTimeout "request-timeout" 504 "The request took too long"
    /// The client sent its body too slowly.
    SlowClient "slow-client" 408 "The body came too slowly"
    /// A wait ran out.
    WaitTimedOut "wait-timed-out" 504 "The wait ran out"
    /// The database does not answer, or may only be read. The same request may succeed later; whether this one had an
    /// effect is not known.
    DatabaseUnavailable "database-unavailable" 503 "The database is not available"
    /// The database's schema is not this host's.
    SchemaVersion "schema-version" 503 "The database has another schema"
    /// The host failed, by a defect or by its surroundings. Its log tells more, under the request's id.
    Internal "internal" 500 "The host failed"
}

impl Kind {
    /// The exit code of a command that meets such an error.
    pub const fn exit(self) -> Exit {
        match self {
            Self::Conflict | Self::KeyTaken | Self::WrongCompletionToken => Exit::Failed,
            Self::WaitTimedOut => Exit::Timeout,
            Self::Overloaded
            | Self::RequestTimeout
            | Self::SlowClient
            | Self::DatabaseUnavailable
            | Self::SchemaVersion
            | Self::Internal => Exit::Environment,
            _ => Exit::Usage,
        }
    }

    /// Whether only the host's log says more: the message may name machines, files or statements.
    pub const fn is_internal(self) -> bool {
        matches!(
            self,
            Self::DatabaseUnavailable | Self::SchemaVersion | Self::Internal
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_for_addresses_and_each_is_one() {
        let slugs: BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.slug()).collect();
        assert_eq!(slugs.len(), Kind::ALL.len());
        for kind in Kind::ALL {
            let plain = |c: char| c.is_ascii_lowercase() || c == '-';
            assert!(kind.slug().chars().all(plain), "{kind:?}");
            assert!((400..600).contains(&kind.status()), "{kind:?}");
        }
    }
}
