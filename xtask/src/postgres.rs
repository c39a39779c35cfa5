//! A throw-away Postgres for tests and benchmarks: a cluster of its own in a temporary folder, on a
//! socket of its own, gone afterwards.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::step;

/// Names a Postgres to test on. Where it is set, none is started.
pub const URL_VARIABLE: &str = "HARDSTOP_TEST_DATABASE_URL";
const INSTALL: &str = "hint: run `apt-get install -y postgresql` (Debian, Ubuntu) or `brew install \
                       postgresql` (macOS), or set HARDSTOP_TEST_DATABASE_URL to a server on which \
                       databases may be created";
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Whether commits reach the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// They do, as in production. For benchmarks.
    On,
    /// They need not: the cluster does not outlive the tests.
    Off,
}

/// A running server, stopped and removed on drop.
pub struct Server {
    url: String,
    own: Option<Own>,
}

struct Own {
    process: Child,
    folder: PathBuf,
    runner: Runner,
}

/// How to run the server's programs: as this user, or as an unprivileged one where this is root,
/// which Postgres refuses.
struct Runner {
    bin: PathBuf,
    user: Option<String>,
}

impl Server {
    /// Starts a server, or takes the one that [`URL_VARIABLE`] names.
    pub fn start(durability: Durability) -> Result<Self> {
        if let Ok(url) = std::env::var(URL_VARIABLE) {
            return Ok(Self { url, own: None });
        }
        let runner = Runner::find()?;
        step(&format!("a throw-away Postgres ({})", runner.bin.display()));
        let folder = std::env::temp_dir().join(format!("hardstop-pg-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        runner.own_folder(&folder)?;
        let data = folder.join("data");
        let init = runner
            .command("initdb")
            .args([
                "--auth=trust",
                "--username=hardstop",
                "--encoding=UTF8",
                "--locale=C",
            ])
            .args(["--no-sync", "--pgdata"])
            .arg(&data)
            .output()
            .context("cannot run initdb")?;
        if !init.status.success() {
            bail!("initdb failed: {}", String::from_utf8_lossy(&init.stderr));
        }
        let log = fs::File::create(folder.join("log")).context("cannot create the server's log")?;
        let mut server = runner.command("postgres");
        server
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(&folder)
            .args(["-c", "listen_addresses="])
            .args(["-c", "max_connections=300"])
            .args(["-c", "shared_buffers=256MB"])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        if durability == Durability::Off {
            server.args(["-c", "fsync=off", "-c", "full_page_writes=off"]);
            // Tests that provoke deadlocks would wait a second for each.
            server.args(["-c", "deadlock_timeout=100ms"]);
        }
        if durability == Durability::On && runner.has_statistics() {
            // Nothing is counted where a database does not ask for it.
            server.args(["-c", "shared_preload_libraries=pg_stat_statements"]);
            server.args(["-c", "pg_stat_statements.track=none"]);
        }
        let process = server.spawn().context("cannot start postgres")?;
        let url = format!(
            "postgres://hardstop@localhost/postgres?host={}",
            folder.display()
        );
        let mut server = Self {
            url,
            own: Some(Own {
                process,
                folder,
                runner,
            }),
        };
        server.wait()?;
        Ok(server)
    }

    /// The search path with the server's programs first: tests call `psql`.
    pub fn path(&self) -> std::ffi::OsString {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let Some(bin) = find_bin() else { return path };
        let folders = std::iter::once(bin).chain(std::env::split_paths(&path));
        std::env::join_paths(folders).unwrap_or(path)
    }

    /// Where it listens. Databases may be created there.
    pub fn url(&self) -> &str {
        &self.url
    }

    fn wait(&mut self) -> Result<()> {
        let Some(own) = &mut self.own else {
            return Ok(());
        };
        let began = Instant::now();
        loop {
            let ready = own
                .runner
                .command("pg_isready")
                .arg("--quiet")
                .arg("--host")
                .arg(&own.folder)
                .status()
                .context("cannot run pg_isready")?;
            if ready.success() {
                return Ok(());
            }
            if let Some(status) = own.process.try_wait()? {
                let log = fs::read_to_string(own.folder.join("log")).unwrap_or_default();
                bail!("postgres ended with {status}:\n{log}");
            }
            if began.elapsed() > START_TIMEOUT {
                bail!("postgres was not ready after {START_TIMEOUT:?}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(own) = &mut self.own {
            let _ = own
                .runner
                .command("pg_ctl")
                .args(["stop", "--silent", "--mode=immediate", "--pgdata"])
                .arg(own.folder.join("data"))
                .status();
            let _ = own.process.wait();
            let _ = fs::remove_dir_all(&own.folder);
        }
    }
}

impl Runner {
    fn find() -> Result<Self> {
        let Some(bin) = find_bin() else {
            bail!("Postgres is not installed, and every test runs on it too\n{INSTALL}");
        };
        // Who owns what this process creates is who this process is.
        let is_root = fs::metadata("/proc/self").is_ok_and(|this| this.uid() == 0);
        let user = if is_root {
            let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
            let known = |name: &&&str| {
                passwd
                    .lines()
                    .any(|line| line.starts_with(&format!("{name}:")))
            };
            let user = ["postgres", "nobody"].iter().find(known);
            let user = user
                .context("this is root, which Postgres refuses, and there is no user `postgres`")?;
            Some((*user).to_owned())
        } else {
            None
        };
        Ok(Self { bin, user })
    }

    /// Whether the server can count statements: some distributions have that in a package of its own.
    fn has_statistics(&self) -> bool {
        let folders = ["../lib", "../lib/postgresql"].map(|folder| self.bin.join(folder));
        ["so", "dylib"].iter().any(|suffix| {
            let name = format!("pg_stat_statements.{suffix}");
            folders.iter().any(|folder| folder.join(&name).exists())
        })
    }

    fn command(&self, program: &str) -> Command {
        let program = self.bin.join(program);
        let mut command = match &self.user {
            Some(user) => {
                let mut command = Command::new("setpriv");
                command
                    .args(["--reuid", user, "--regid", user, "--clear-groups"])
                    .arg(program);
                command
            }
            None => Command::new(program),
        };
        // The user may not be allowed into the folder that this process is in.
        command.current_dir("/");
        command
    }

    /// Makes a folder that the server's user owns.
    fn own_folder(&self, folder: &Path) -> Result<()> {
        fs::create_dir(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        if let Some(user) = &self.user {
            let status = Command::new("chown").arg(user).arg(folder).status()?;
            if !status.success() {
                bail!("cannot give {} to {user}", folder.display());
            }
        }
        Ok(())
    }
}

/// The newest server's programs: on the path, or where Debian and Homebrew put them.
fn find_bin() -> Option<PathBuf> {
    // A folder with some of them, such as one of links to the server alone, is of no use.
    let has = |folder: &PathBuf| {
        ["initdb", "postgres", "pg_ctl", "pg_isready", "psql"]
            .iter()
            .all(|program| folder.join(program).exists())
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    if let Some(folder) = std::env::split_paths(&path).find(|folder| has(folder)) {
        return Some(folder);
    }
    let mut found: Vec<(u32, PathBuf)> = Vec::new();
    for (parent, prefix, suffix) in [
        ("/usr/lib/postgresql", "", "bin"),
        ("/opt/homebrew/opt", "postgresql@", "bin"),
        ("/usr/local/opt", "postgresql@", "bin"),
    ] {
        for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let version = name
                .strip_prefix(prefix)
                .and_then(|version| version.parse().ok());
            let folder = entry.path().join(suffix);
            if let Some(version) = version
                && has(&folder)
            {
                found.push((version, folder));
            }
        }
    }
    found.into_iter().max().map(|(_, folder)| folder)
}
