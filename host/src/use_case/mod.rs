//! The use cases as one interface, whatever is behind it: a database of this process' own, or a server.

mod stream;

use std::time::Duration;

use async_trait::async_trait;
use hardstop_domain::{ChainId, DeploymentId, JobId, ReplayId, SessionId, TokenId};
use hardstop_store::{
    AuditQuery, AuditRecord, CanaryChange, ChainDetail, ChainQuery, ChainSummary, Component,
    DeadLetter, DeadLetterFilter, DeadLetterQuery, Delivery, DeploymentDetail, Due, JobDetail,
    JobQuery, JobSummary, Pause, PutSchedule, Redelivery, Replay, ReplayDetail, ReplayedJob,
    Schedule, ScheduleDetail, Session, Subscription, Token, TypeHistory,
};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::client::Client;
use crate::deploy::ManifestFile;
use crate::error::Error;
use crate::local::Local;
use crate::service::explain::Explained;
use crate::service::{
    ChainCancelled, ChainStart, ChainsDeleted, DeliveriesRequest, DeploymentLine, DeploymentMade,
    EventsRequest, Finished, JobChanged, MadeSubscription, MadeToken, News, PauseRequest,
    Redelivered, ReplayReport, ScheduleRequest, StartRequest, StartedChain, StartedNode,
    SubscriptionRequest, TokenRequest, TypeDifference, TypeInForce, TypeShown, Verdict, Verified,
};
pub use stream::start_stream;

/// Makes the trait of the signatures, and its implementations: the service does what is stored, once it is connected to
/// the database; a client asks a server for it.
macro_rules! use_cases {
    (
        stored { $($(#[$doc:meta])+ fn $name:ident($($arg:ident: $kind:ty),*) -> $answer:ty;)+ }
        uploaded { $($(#[$doc_up:meta])+ fn $up:ident($($arg_up:ident: $kind_up:ty),*) -> $answer_up:ty;)+ }
    ) => {
        /// What people and programs ask for. A command does not know what answers.
        #[async_trait]
        pub trait UseCases: Send + Sync {
            $($(#[$doc])+ async fn $name(&self $(, $arg: $kind)*) -> Result<$answer, Error>;)+
            $($(#[$doc_up])+ async fn $up(&self $(, $arg_up: $kind_up)*) -> Result<$answer_up, Error>;)+

            /// Sends what is still to be sent, and closes.
            async fn close(&self) {}
        }

        #[async_trait]
        impl UseCases for Local {
            $(async fn $name(&self $(, $arg: $kind)*) -> Result<$answer, Error> {
                self.service().await?.$name($($arg),*).await
            })+
            $(async fn $up(&self $(, $arg_up: $kind_up)*) -> Result<$answer_up, Error> {
                Local::$up(self $(, $arg_up)*).await
            })+

            async fn close(&self) {
                Local::close(self).await;
            }
        }

        #[async_trait]
        impl UseCases for Client {
            $(async fn $name(&self $(, $arg: $kind)*) -> Result<$answer, Error> {
                Client::$name(self $(, $arg)*).await
            })+
            $(async fn $up(&self $(, $arg_up: $kind_up)*) -> Result<$answer_up, Error> {
                Client::$up(self $(, $arg_up)*).await
            })+
        }
    };
}

use_cases! {
    stored {
        /// See [`crate::Service::job`].
        fn job(id: JobId) -> JobDetail;
        /// See [`crate::Service::jobs`].
        fn jobs(query: &JobQuery) -> Vec<JobSummary>;
        /// See [`crate::Service::wait_job`].
        fn wait_job(id: JobId, timeout: Option<Duration>) -> JobDetail;
        /// See [`crate::Service::explain`].
        fn explain(id: JobId) -> Explained;
        /// See [`crate::Service::retry`].
        fn retry(id: JobId) -> JobChanged;
        /// See [`crate::Service::cancel`].
        fn cancel(id: JobId) -> JobChanged;
        /// See [`crate::Service::reschedule`].
        fn reschedule(id: JobId, due: Due, force: bool) -> JobChanged;
        /// See [`crate::Service::finish`].
        fn finish(id: JobId, token: Uuid, verdict: Verdict) -> Finished;
        /// See [`crate::Service::chains`].
        fn chains(query: &ChainQuery) -> Vec<ChainSummary>;
        /// See [`crate::Service::chain`].
        fn chain(id: ChainId) -> ChainDetail;
        /// See [`crate::Service::wait_chain`].
        fn wait_chain(id: ChainId, timeout: Option<Duration>) -> JobDetail;
        /// See [`crate::Service::cancel_chain`].
        fn cancel_chain(id: ChainId) -> ChainCancelled;
        /// See [`crate::Service::delete_chain`].
        fn delete_chain(id: ChainId, cascade: bool) -> ChainsDeleted;
        /// See [`crate::Service::start_chains`].
        fn start_chains(requests: Vec<StartRequest>) -> Vec<StartedChain>;
        /// See [`crate::Service::start_graph`].
        fn start_graph(chains: Vec<ChainStart>) -> Vec<StartedNode>;
        /// See [`crate::Service::dead_letters`].
        fn dead_letters(query: &DeadLetterQuery) -> Vec<DeadLetter>;
        /// See [`crate::Service::dead_letter`].
        fn dead_letter(id: JobId) -> JobDetail;
        /// See [`crate::Service::find_dead_letter`].
        fn find_dead_letter(id: JobId) -> Option<JobDetail>;
        /// See [`crate::Service::replay_jobs`].
        fn replay_jobs(jobs: Vec<JobId>, note: Option<String>, actor: Option<String>, dry_run: bool) -> ReplayReport;
        /// See [`crate::Service::replay_matching`].
        fn replay_matching(filter: DeadLetterFilter, note: Option<String>, actor: Option<String>, dry_run: bool) -> ReplayReport;
        /// See [`crate::Service::replays`].
        fn replays(before: Option<ReplayId>, limit: u32) -> Vec<Replay>;
        /// See [`crate::Service::replay`].
        fn replay(id: ReplayId) -> ReplayDetail;
        /// See [`crate::Service::replayed_jobs`].
        fn replayed_jobs(id: ReplayId, after: Option<JobId>, limit: u32) -> Vec<ReplayedJob>;
        /// See [`crate::Service::components`].
        fn components() -> Vec<Component>;
        /// See [`crate::Service::component`].
        fn component(wanted: &str) -> Component;
        /// See [`crate::Service::deployments`].
        fn deployments(limit: u32) -> Vec<DeploymentLine>;
        /// See [`crate::Service::deployment`].
        fn deployment(id: DeploymentId) -> DeploymentDetail;
        /// See [`crate::Service::diff`].
        fn diff(a: DeploymentId, b: Option<DeploymentId>) -> Vec<TypeDifference>;
        /// See [`crate::Service::types_in_force`].
        fn types_in_force() -> Vec<TypeInForce>;
        /// See [`crate::Service::show_type`].
        fn show_type(name: &str) -> TypeShown;
        /// See [`crate::Service::type_history`].
        fn type_history(name: &str) -> TypeHistory;
        /// See [`crate::Service::rollback`].
        fn rollback(name: &str, to: Option<DeploymentId>) -> (DeploymentId, DeploymentId);
        /// See [`crate::Service::change_canary`].
        fn change_canary(name: &str, change: CanaryChange) -> DeploymentId;
        /// See [`crate::Service::release`].
        fn release(name: &str) -> u64;
        /// See [`crate::Service::put_schedule`].
        fn put_schedule(request: ScheduleRequest) -> PutSchedule;
        /// See [`crate::Service::schedules`].
        fn schedules() -> Vec<Schedule>;
        /// See [`crate::Service::schedule`].
        fn schedule(name: &str) -> ScheduleDetail;
        /// See [`crate::Service::set_schedule_paused`].
        fn set_schedule_paused(name: &str, paused: bool) -> ();
        /// See [`crate::Service::trigger_schedule`].
        fn trigger_schedule(name: &str) -> ChainId;
        /// See [`crate::Service::delete_schedule`].
        fn delete_schedule(name: &str) -> ();
        /// See [`crate::Service::pause`].
        fn pause(request: PauseRequest) -> Pause;
        /// See [`crate::Service::resume`].
        fn resume(type_name: Option<&str>) -> ();
        /// See [`crate::Service::pauses`].
        fn pauses() -> Vec<Pause>;
        /// See [`crate::Service::sessions`].
        fn sessions() -> Vec<Session>;
        /// See [`crate::Service::drain_session`].
        fn drain_session(id: SessionId) -> Session;
        /// See [`crate::Service::audit`].
        fn audit(query: &AuditQuery) -> Vec<AuditRecord>;
        /// See [`crate::Service::hear_events`].
        fn hear_events(request: EventsRequest, hearer: &mpsc::Sender<News>) -> ();
        /// See [`crate::Service::create_subscription`].
        fn create_subscription(request: SubscriptionRequest) -> MadeSubscription;
        /// See [`crate::Service::subscriptions`].
        fn subscriptions() -> Vec<Subscription>;
        /// See [`crate::Service::subscription`].
        fn subscription(name: &str) -> Subscription;
        /// See [`crate::Service::deliveries`].
        fn deliveries(name: &str, request: &DeliveriesRequest) -> Vec<Delivery>;
        /// See [`crate::Service::set_subscription_paused`].
        fn set_subscription_paused(name: &str, paused: bool) -> Subscription;
        /// See [`crate::Service::delete_subscription`].
        fn delete_subscription(name: &str) -> ();
        /// See [`crate::Service::redeliver`].
        fn redeliver(name: &str, which: Redelivery) -> Redelivered;
        /// See [`crate::Service::create_token`].
        fn create_token(request: TokenRequest) -> MadeToken;
        /// See [`crate::Service::tokens`].
        fn tokens(before: Option<TokenId>, limit: u32) -> Vec<Token>;
        /// See [`crate::Service::revoke_token`].
        fn revoke_token(id: TokenId) -> Token;
    }
    uploaded {
        /// Checks everything about a manifest and its component. Nothing is stored.
        fn verify(file: &ManifestFile) -> Verified;
        /// Checks it, and says what deploying it would change.
        fn preview(file: &ManifestFile) -> Vec<TypeDifference>;
        /// Checks it and puts its types in force, or beside what is in force with a share of the jobs in percent.
        fn deploy(file: &ManifestFile, canary: Option<u8>) -> DeploymentMade;
    }
}
