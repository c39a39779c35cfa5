//! A guest's HTTP requests: who may send what to whom, over which connection, and how much of it.
//!
//! ```text
//! guest ──> Session::send_request   rules, secrets, limits: on the guest's thread
//!              │ spawns
//!              v
//!           Exchange                look-up, connection, TLS, HTTP/1.1: on threads of its own
//!              │ channels of one frame
//!              v
//! guest <── Frames                  the response's body, as fast as the guest reads it
//! ```
//!
//! wasmtime's `wasi:http` gives the guest its side of the interface; everything behind it is here. One
//! task owns a request with its connection from beginning to end. It ends when the guest lets go of the
//! request, and all of an attempt's tasks end with the attempt.

mod body;
mod error;
mod exchange;
mod meter;
mod resolver;
mod session;
mod tls;

use std::path::PathBuf;
use std::sync::Arc;

use hardstop_domain::capability::address::AddressRule;
use hardstop_domain::capability::http::HttpRules;
use tokio::runtime::{Builder, Handle, Runtime};

use crate::config::SandboxError;
pub(crate) use error::code_of;
pub(crate) use meter::{Meter, Tally};
pub use resolver::{Resolve, Resolving, SystemResolver};
pub(crate) use session::{Order, Session};
use tls::Tls;

/// Threads that requests run on, at the most.
const THREADS: usize = 2;
/// Look-ups that may run at once, of all attempts: each blocks a thread in the system's resolver.
const LOOKUPS_AT_ONCE: usize = 64;
const THREAD: &str = "hardstop-http";

/// The operator's side of HTTP.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// The requests that guests may send, where their manifests ask for them.
    pub allow: HttpRules,
    /// Addresses that they may go to although they are none of the public internet.
    pub allow_private: Vec<AddressRule>,
    /// Files with certificates (PEM) of authorities that are trusted beside the system's.
    pub extra_roots: Vec<PathBuf>,
    /// What looks up names.
    pub resolver: Arc<dyn Resolve>,
}

impl Default for HttpConfig {
    /// Nothing is allowed. Names are looked up as the system does.
    fn default() -> Self {
        Self {
            allow: HttpRules::default(),
            allow_private: Vec::new(),
            extra_roots: Vec::new(),
            resolver: Arc::new(SystemResolver),
        }
    }
}

/// What all attempts' requests share.
pub(crate) struct Client {
    allow: HttpRules,
    allow_private: Vec<AddressRule>,
    resolver: Arc<dyn Resolve>,
    tls: Tls,
    /// Taken when the sandbox goes.
    runtime: Option<Runtime>,
    handle: Handle,
}

impl Client {
    /// Reads the operator's certificates and starts the threads.
    pub(crate) fn new(config: &HttpConfig) -> Result<Self, SandboxError> {
        let tls = Tls::new(&config.extra_roots)?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .max_blocking_threads(LOOKUPS_AT_ONCE)
            .thread_name(THREAD)
            .enable_all()
            .build()
            .map_err(|source| SandboxError::Thread {
                name: THREAD,
                source,
            })?;
        Ok(Self {
            allow: config.allow.clone(),
            allow_private: config.allow_private.clone(),
            resolver: config.resolver.clone(),
            tls,
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waiting for it is not allowed where an async runtime drops the sandbox.
            runtime.shutdown_background();
        }
    }
}
