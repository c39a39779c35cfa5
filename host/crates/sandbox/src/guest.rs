//! One guest from birth to death: the store, the instance, the call, under one deadline.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hardstop_domain::outcome::UsageDetail;
use hardstop_domain::{Capabilities, LimitHit, Limits, NewChain, Usage};
use wasmtime::{Store, UpdateDeadline};
use wasmtime_wasi::I32Exit;
use wasmtime_wasi::p2::bindings::CommandPre;

use crate::account::Account;
use crate::backtrace::Snapshot;
use crate::binding::hardstop::job::types as wit;
use crate::children::Children;
use crate::command::Invocation;
use crate::deadline::{Deadline, Ended};
use crate::determinism::Seed;
use crate::filesystem::{FileTree, Filesystem, Volume};
use crate::journal::{Journal, Said, Watch};
use crate::limiter::{Limiter, Refused};
use crate::lock::lock;
use crate::prepare::{Prepared, Program};
use crate::secret::Secrets;
use crate::state::{Grant, Parts, State};

/// What a call may copy on top of the largest output: names, fields, messages.
const HOSTCALL_BYTES_SLACK: u64 = 1 << 20;

/// What a guest is to do, and under which limits.
pub(crate) struct Order {
    pub(crate) call: Call,
    pub(crate) invocation: Option<Invocation>,
    pub(crate) files: FileTree,
    pub(crate) seed: Option<Seed>,
    pub(crate) limits: Limits,
    pub(crate) grant: Grant,
    pub(crate) children: Children,
    pub(crate) watch: Option<Arc<dyn Watch>>,
}

/// Which export to call.
pub(crate) enum Call {
    Describe,
    /// The deadline in it is filled in at the call.
    Run(wit::Job),
    /// The `run` of a command, which has an invocation.
    Command,
}

/// What the export returned.
pub(crate) enum Returned {
    Described(Vec<wit::JobType>),
    Ran(Result<wit::Outcome, wit::Failure>),
    /// With this code.
    Exited(i32),
}

/// All that is left of a guest.
pub(crate) struct Remains {
    pub(crate) ended: Ended<wasmtime::Result<Returned>>,
    pub(crate) usage: Usage,
    pub(crate) said: Said,
    pub(crate) grant: Grant,
    pub(crate) effects: Effects,
    /// Microseconds past the wall deadline, once all was torn down.
    pub(crate) late_us: u64,
}

/// What the guest left in its store, apart from the log.
pub(crate) struct Effects {
    pub(crate) children: Vec<NewChain>,
    pub(crate) refusals: Vec<hardstop_domain::capability::Refusal>,
    /// The first limit on HTTP that was reached.
    pub(crate) http_limit: Option<LimitHit>,
    /// The first growth of memory or tables that was refused.
    pub(crate) growth_refused: Option<Refused>,
    /// How much could pass in one call.
    pub(crate) hostcall_bytes_max: u64,
    /// Where the guest was when its time ran out. Empty where that is not known.
    pub(crate) frames: Vec<String>,
    /// Whether it was waiting for the host then.
    pub(crate) waiting: bool,
    /// What a command was started with, and what it wrote.
    pub(crate) invocation: Option<Invocation>,
}

/// Runs a guest to its end. Must run as a task of the guest queue.
pub(crate) async fn live(prepared: &Prepared, order: Order, account: &Arc<Account>) -> Remains {
    let started = Instant::now();
    account.begin_slice();
    let Order {
        call,
        invocation,
        files,
        seed,
        limits,
        grant,
        children,
        watch,
    } = order;
    let deadline = started + Duration::from_millis(limits.wall_timeout_ms);
    let cpu_time_max = Duration::from_millis(limits.cpu_time_ms);
    account.begin(deadline);

    let ceiling = prepared.shared.config.ceiling.memory_bytes_max;
    let hostcall_bytes_max = limits
        .host_call_bytes_max
        .max(limits.output_bytes_max + HOSTCALL_BYTES_SLACK);
    let redactor = grant.secrets.redactor();
    let state = State::new(Parts {
        limiter: Limiter::new(&limits, ceiling),
        journal: Journal::new(&limits, started, watch, redactor),
        grant,
        children,
        account: account.clone(),
        snapshot: Snapshot::new(deadline, cpu_time_max),
        deadline,
        invocation,
        files,
        seed,
        limits: limits.clone(),
        shared: prepared.shared.clone(),
    });
    let mut store = Store::new(&prepared.class.engine, state);
    store.limiter(|state| &mut state.limiter);
    store.set_hostcall_fuel(usize::try_from(hostcall_bytes_max).unwrap_or(usize::MAX));
    store.set_max_component_handles(usize::try_from(limits.handles_max).unwrap_or(usize::MAX));
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|store| {
        store.data().account.note_yield();
        Snapshot::consider(store);
        Ok(UpdateDeadline::Yield(1))
    });
    let fuel = prepared
        .class
        .profile
        .metered
        .then(|| limits.fuel.unwrap_or(u64::MAX));

    let ended = {
        let run = pin!(call_export(prepared, &mut store, call, deadline, fuel));
        Deadline::new(
            run,
            account,
            deadline,
            cpu_time_max,
            &prepared.shared.ticker,
            started,
        )
        .await
        // Here the call's future is dropped, and with it the guest's stack.
    };

    let fuel_used = fuel.map(|fuel| fuel - store.get_fuel().unwrap_or(fuel));
    let (http, http_limit) = store.data().http_tally();
    let State {
        limiter,
        journal,
        grant,
        children,
        refusals,
        snapshot,
        invocation,
        filesystem,
        ..
    } = store.into_data();
    let said = lock(&journal).finish();
    let volume = filesystem.as_ref().and_then(Filesystem::volume);
    let frames = snapshot.frames();
    let now = Instant::now();
    account.charge_slice();

    Remains {
        ended,
        usage: Usage {
            wall_us: (now - started).as_micros() as u64,
            cpu_us: account.cpu_time().as_micros() as u64,
            fuel: fuel_used,
            memory_bytes_peak: limiter.peak(),
            output_bytes: invocation.as_ref().map_or(0, Invocation::output_bytes),
            log_bytes: said.bytes,
            log_bytes_dropped: said.bytes_dropped,
            detail: UsageDetail {
                log_lines: said.entries.len() as u64,
                log_lines_dropped: said.entries_dropped,
                progress_dropped: said.progress_dropped,
                http_requests: http.requests,
                http_request_bytes: http.request_bytes,
                http_response_bytes: http.response_bytes,
                scratch_bytes_peak: volume.map_or(0, Volume::bytes_peak),
                scratch_files_peak: volume.map_or(0, Volume::files_peak),
                // The host adds it.
                larger_memory: 0,
            },
        },
        said,
        grant,
        effects: Effects {
            children: children.into_started(),
            refusals: refusals.take(),
            http_limit,
            growth_refused: limiter.refused().or(volume.and_then(Volume::refused)),
            hostcall_bytes_max,
            frames,
            waiting: account.is_waiting(),
            invocation,
        },
        late_us: now.saturating_duration_since(deadline).as_micros() as u64,
    }
}

/// Everything in which guest code can run: instantiation with its start functions, lowering with
/// the guest's `realloc`, the call, lifting, and the guest's post-return.
async fn call_export(
    prepared: &Prepared,
    store: &mut Store<State>,
    call: Call,
    deadline: Instant,
    fuel: Option<u64>,
) -> wasmtime::Result<Returned> {
    if let Some(fuel) = fuel {
        store.set_fuel(fuel)?;
    }
    let pre = match &prepared.program {
        Program::Handler(pre) => pre,
        Program::Command(pre) => return call_command(pre, store).await.map(Returned::Exited),
    };
    let component = pre.instantiate_async(&mut *store).await?;
    let handler = component.hardstop_job_handler();
    match call {
        Call::Describe => handler.call_describe(store).await.map(Returned::Described),
        Call::Run(mut job) => {
            let left = deadline.saturating_duration_since(Instant::now());
            job.deadline_ms = left.as_millis() as u64;
            handler.call_run(store, &job).await.map(Returned::Ran)
        }
        // Not reached: only a command is called so.
        Call::Command => Err(wasmtime::Error::msg("the component is not a command")),
    }
}

/// Runs a command to its exit, and hands out its code.
async fn call_command(pre: &CommandPre<State>, store: &mut Store<State>) -> wasmtime::Result<i32> {
    let component = pre.instantiate_async(&mut *store).await?;
    match component.wasi_cli_run().call_run(store).await {
        Ok(Ok(())) => Ok(0),
        Ok(Err(())) => Ok(1),
        // Calling `exit` ends a guest like a trap does.
        Err(error) => match error.downcast_ref() {
            Some(I32Exit(code)) => Ok(*code),
            None => Err(error),
        },
    }
}

impl Grant {
    /// What a guest may do while it describes itself: nothing.
    pub(crate) fn none() -> Self {
        Self {
            type_name: None,
            chain: None,
            capabilities: Capabilities::default(),
            input_bytes_max: 0,
            trace_parent: None,
            secrets: Secrets::default(),
        }
    }
}
