//! What the host keeps beside one instance: the data of its store.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use hardstop_domain::capability::Refusal;
use hardstop_domain::{Capabilities, ChainId, LimitHit, Limits, TypeName};
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::account::Account;
use crate::backtrace::Snapshot;
use crate::children::Children;
use crate::command::Invocation;
use crate::determinism::Seed;
use crate::filesystem::{FileTree, Filesystem, Quota};
use crate::http::{Meter, Order, Session, Tally};
use crate::journal::{Journal, Stream};
use crate::limiter::Limiter;
use crate::refusal::Refusals;
use crate::sandbox::Shared;
use crate::secret::Secrets;
use crate::stdio::{Log, Outlet};

/// How many entries of the host's table one handle of a guest may take: a pollable has one, what it waits for
/// has another, and that may belong to a third.
const ENTRIES_PER_HANDLE: usize = 4;
/// How many random bytes a guest may ask for in one call.
const RANDOM_BYTES_MAX: u64 = 1 << 20;

/// The data of an attempt's store.
pub(crate) struct State {
    pub(crate) limiter: Limiter,
    pub(crate) journal: Arc<Mutex<Journal>>,
    pub(crate) grant: Grant,
    pub(crate) children: Children,
    pub(crate) refusals: Refusals,
    pub(crate) account: Arc<Account>,
    /// Where the guest was at one of the last ticks before its limit.
    pub(crate) snapshot: Snapshot,
    /// What a command is started with. None in a component with a handler.
    pub(crate) invocation: Option<Invocation>,
    /// The read-only files that it sees.
    pub(crate) files: FileTree,
    /// Where its clocks and random numbers come from, where they are to be the same in each run.
    pub(crate) seed: Option<Seed>,
    /// Made when the guest first asks for it.
    pub(crate) filesystem: Option<Filesystem>,
    deadline: Instant,
    pub(crate) table: ResourceTable,
    /// Built when the guest first asks for it: many handlers never do.
    wasi: Option<WasiCtx>,
    /// Made with the first request.
    http: Option<(Session, Arc<Meter>)>,
    limits: Limits,
    /// What all attempts share.
    pub(crate) shared: Arc<Shared>,
}

/// What the guest may do, and in whose name.
pub(crate) struct Grant {
    /// None while the guest describes itself: it is nobody's attempt then.
    pub(crate) type_name: Option<TypeName>,
    /// The chain that the attempt belongs to.
    pub(crate) chain: Option<ChainId>,
    pub(crate) capabilities: Capabilities,
    pub(crate) input_bytes_max: u64,
    pub(crate) trace_parent: Option<String>,
    /// The secrets that the type asks for and may use.
    pub(crate) secrets: Secrets,
}

impl Grant {
    /// The type's name, for messages.
    pub(crate) fn name(&self) -> &str {
        self.type_name.as_ref().map_or("describe", TypeName::as_str)
    }
}

/// What a store's data is made of.
pub(crate) struct Parts {
    pub(crate) limiter: Limiter,
    pub(crate) journal: Journal,
    pub(crate) grant: Grant,
    pub(crate) children: Children,
    pub(crate) account: Arc<Account>,
    pub(crate) snapshot: Snapshot,
    pub(crate) deadline: Instant,
    pub(crate) invocation: Option<Invocation>,
    pub(crate) files: FileTree,
    pub(crate) seed: Option<Seed>,
    pub(crate) limits: Limits,
    pub(crate) shared: Arc<Shared>,
}

impl State {
    pub(crate) fn new(parts: Parts) -> Self {
        let handles_max = usize::try_from(parts.limits.handles_max).unwrap_or(usize::MAX);
        let mut table = ResourceTable::new();
        table.set_max_capacity(handles_max.saturating_mul(ENTRIES_PER_HANDLE));
        Self {
            limiter: parts.limiter,
            journal: Arc::new(Mutex::new(parts.journal)),
            grant: parts.grant,
            children: parts.children,
            refusals: Refusals::default(),
            account: parts.account,
            snapshot: parts.snapshot,
            invocation: parts.invocation,
            files: parts.files,
            seed: parts.seed,
            filesystem: None,
            deadline: parts.deadline,
            table,
            wasi: None,
            http: None,
            limits: parts.limits,
            shared: parts.shared,
        }
    }

    /// The files that the guest sees.
    pub(crate) fn filesystem(&mut self) -> &Filesystem {
        self.filesystem.get_or_insert_with(|| {
            let quota = self.grant.capabilities.scratch.then(|| Quota {
                bytes_max: self.limits.scratch_bytes_max,
                files_max: self.limits.scratch_files_max,
                folder: self.shared.config.scratch_dir.clone(),
            });
            Filesystem::new(&self.files, quota)
        })
    }

    /// Records a refused call, and hands out the text for the guest.
    pub(crate) fn refuse(&mut self, refusal: Refusal) -> String {
        let text = format!("{}; to grant it:\n{}", refusal.rule, refusal.grant);
        self.refusals.add(refusal);
        text
    }

    /// The state of the guest's requests, and its handles.
    pub(crate) fn http_session(&mut self) -> (&mut Session, &mut ResourceTable) {
        let (session, _) = self.http.get_or_insert_with(|| {
            let meter = Meter::new(self.limits.clone());
            let order = Order {
                client: self.shared.client.clone(),
                type_name: self.grant.name().to_owned(),
                allow: self.grant.capabilities.http.allow.clone(),
                secrets: self.grant.secrets.clone(),
                trace_parent: self.grant.trace_parent.clone(),
                meter: meter.clone(),
                refusals: self.refusals.clone(),
            };
            (Session::new(order, self.limits.http_connections_max), meter)
        });
        (session, &mut self.table)
    }

    /// What the guest's requests came to, and the first of their limits that was reached.
    pub(crate) fn http_tally(&self) -> (Tally, Option<LimitHit>) {
        match &self.http {
            Some((_, meter)) => meter.read(),
            None => (Tally::default(), None),
        }
    }

    /// Records an attempt to reach the network, for which there is no grant.
    pub(crate) fn refuse_network(&mut self) {
        let name = self.grant.name();
        self.refuse(Refusal {
            capability: "network".to_owned(),
            rule: format!("type `{name}` may not open sockets or look up names: no type may"),
            grant: "# no capability grants sockets in this version".to_owned(),
        });
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let invocation = self.invocation.as_ref();
        let ctx = self.wasi.get_or_insert_with(|| {
            context(&self.journal, invocation, self.seed.as_ref(), self.deadline)
        });
        WasiCtxView {
            ctx,
            table: &mut self.table,
        }
    }
}

/// Clocks, random numbers, and streams that lead into the log. No environment, arguments, files or
/// network: the builder grants none unless told to. A command has arguments and an environment, and its
/// standard input and output are the job's.
fn context(
    journal: &Arc<Mutex<Journal>>,
    invocation: Option<&Invocation>,
    seed: Option<&Seed>,
    deadline: Instant,
) -> WasiCtx {
    let stream = |stream| {
        Outlet(Log {
            journal: journal.clone(),
            stream,
        })
    };
    let mut builder = WasiCtx::builder();
    builder
        .stdout(stream(Stream::Output))
        .stderr(stream(Stream::Error))
        .max_random_size(RANDOM_BYTES_MAX)
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false);
    if let Some(seed) = seed {
        seed.apply(&mut builder);
    }
    if let Some(invocation) = invocation {
        invocation.apply(&mut builder, deadline);
    }
    builder.build()
}
