//! The host's side: starts the child, feeds it, and sees to its end.

use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hardstop_domain::Limits;
use rustix::process::Signal;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::sync::Semaphore;
use tracing::warn;

use super::order::{ISOLATED, Order, Reply, Task};
use super::{CompileConfig, CompileError, CompileLimit};
use crate::engine::Profile;

/// How much of what a child says on its standard error is kept, in bytes.
const TALK_BYTES_MAX: u64 = 4 << 10;
/// Kind and isolation, before the code.
const HEAD_BYTES: u64 = 2;

/// Starts children that compile.
pub(crate) struct Compiler {
    config: CompileConfig,
    wasm_bytes_max: u64,
    /// As many children at once as there are cores.
    turns: Semaphore,
    warned: AtomicBool,
}

impl Compiler {
    pub(crate) fn new(config: CompileConfig, wasm_bytes_max: u64) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            config,
            wasm_bytes_max,
            turns: Semaphore::new(cores),
            warned: AtomicBool::new(false),
        }
    }

    /// Machine code of a component for a profile. Dropping the future kills the child.
    pub(crate) async fn compile(
        &self,
        wasm: Arc<[u8]>,
        profile: Profile,
    ) -> Result<Vec<u8>, CompileError> {
        self.make(Task::Compile, wasm, profile).await
    }

    /// The component of a core module. Dropping the future kills the child.
    pub(crate) async fn adapt(&self, wasm: Arc<[u8]>) -> Result<Vec<u8>, CompileError> {
        let any = Profile::of(&Limits::default());
        self.make(Task::Adapt, wasm, any).await
    }

    async fn make(
        &self,
        task: Task,
        wasm: Arc<[u8]>,
        profile: Profile,
    ) -> Result<Vec<u8>, CompileError> {
        let _turn = self.turns.acquire().await;
        let order = Order {
            task,
            profile,
            cpu_seconds: self.config.cpu_time.as_secs(),
            memory_bytes: self.config.memory_bytes_max,
            wasm_bytes_max: self.wasm_bytes_max,
        };
        let failed = |what: &str, error: std::io::Error| {
            CompileError::Failed(format!("{what} {}: {error}", self.config.program.display()))
        };
        let mut child = Command::new(&self.config.program)
            .args(self.config.arguments(&order))
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed("cannot start", error))?;
        let (Some(mut stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(CompileError::Failed(
                "a child without its streams".to_owned(),
            ));
        };
        let feed = async move {
            // A child that ends early says why in its own way.
            let _ = stdin.write_all(&wasm).await;
        };
        let talk = async {
            let mut talk = Vec::new();
            let _ = stderr.take(TALK_BYTES_MAX).read_to_end(&mut talk).await;
            talk
        };
        let most = self.config.output_bytes_max + HEAD_BYTES;
        let work = async {
            let (said, talk, ()) = tokio::join!(read_up_to(stdout, most), talk, feed);
            match said {
                Ok(Some(said)) => Ok((said, talk, child.wait().await)),
                Ok(None) => Err(CompileError::Over(CompileLimit::Output)),
                Err(error) => Err(failed("cannot read from", error)),
            }
        };
        let ended = match tokio::time::timeout(self.config.wall_timeout, work).await {
            Ok(ended) => ended,
            Err(_) => Err(CompileError::Over(CompileLimit::Wall)),
        };
        match ended {
            Ok((said, talk, Ok(status))) => self.judge(said, &talk, status),
            Ok((_, _, Err(error))) => Err(failed("cannot wait for", error)),
            Err(error) => {
                // Killed and waited for: nothing of it is left when this returns.
                let _ = child.kill().await;
                Err(error)
            }
        }
    }

    /// What a child that has ended came to.
    fn judge(
        &self,
        mut said: Vec<u8>,
        talk: &[u8],
        status: ExitStatus,
    ) -> Result<Vec<u8>, CompileError> {
        let talk = String::from_utf8_lossy(talk);
        let reply = said.first().copied().and_then(Reply::of);
        let (Some(reply), true, true) = (reply, status.success(), said.len() as u64 >= HEAD_BYTES)
        else {
            return Err(why(status, &talk));
        };
        if said[1] != ISOLATED && !self.warned.swap(true, Ordering::Relaxed) {
            warn!(
                "components are compiled in a process that could reach the network: the kernel allows it neither a user \
                 nor a network namespace of its own"
            );
        }
        said.drain(..HEAD_BYTES as usize);
        match reply {
            Reply::Made => Ok(said),
            Reply::Refused => Err(CompileError::Refused(
                String::from_utf8_lossy(&said).into_owned(),
            )),
            Reply::OutOfMemory => Err(CompileError::Over(CompileLimit::Memory)),
        }
    }
}

/// All that there is, or none if there is more than so much.
async fn read_up_to(reader: impl AsyncRead + Unpin, most: u64) -> std::io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    reader.take(most + 1).read_to_end(&mut bytes).await?;
    Ok((bytes.len() as u64 <= most).then_some(bytes))
}

/// Why a child ended without an answer.
fn why(status: ExitStatus, talk: &str) -> CompileError {
    let signal = status.signal().and_then(Signal::from_named_raw);
    if signal == Some(Signal::XCPU) {
        return CompileError::Over(CompileLimit::Time);
    }
    // What Rust says before it aborts because an allocation has failed.
    if talk.contains("memory allocation of") {
        return CompileError::Over(CompileLimit::Memory);
    }
    let last = talk.trim().lines().last().unwrap_or_default();
    CompileError::Failed(match last {
        "" => format!("the compiler ended with {status}"),
        last => format!("the compiler ended with {status}: {last}"),
    })
}
