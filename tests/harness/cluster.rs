//! A Postgres server of one test's own, for a test that ends it.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

/// A running server, stopped and removed with the test.
pub struct Cluster {
    folder: TempDir,
    /// Postgres refuses root: then its programs run as this user.
    user: Option<&'static str>,
    bin: PathBuf,
}

impl Cluster {
    /// Makes one and starts it. Its settings are durable but for `fsync`: only the server dies, not the
    /// machine, so what it has written to its log is there when it replays it.
    pub fn start() -> Self {
        let found = Command::new("pg_config").arg("--bindir").output().ok();
        let path = std::env::var_os("PATH").unwrap();
        // The runner of the tests puts the folder of all the server's programs on the path.
        let bin = std::env::split_paths(&path)
            .chain(found.map(|said| PathBuf::from(String::from_utf8_lossy(&said.stdout).trim())))
            .find(|folder| folder.join("initdb").exists() && folder.join("pg_ctl").exists())
            .expect("no initdb on the path: run `cargo xtask test`, which puts it there");
        let user = rustix::process::geteuid().is_root().then_some("postgres");
        let cluster = Self {
            folder: tempfile::Builder::new()
                .prefix("hardstop-pg-")
                .tempdir()
                .unwrap(),
            user,
            bin,
        };
        if let Some(user) = user {
            let chown = Command::new("chown")
                .arg(user)
                .arg(cluster.folder.path())
                .status();
            assert!(chown.unwrap().success());
        }
        cluster.command(
            "initdb",
            &["--auth=trust", "--username=hardstop", "--no-sync"],
        );
        let options = format!(
            "-k {} -c listen_addresses= -c fsync=off -c max_connections=100",
            cluster.folder.path().display()
        );
        cluster.command(
            "pg_ctl",
            &["start", "--wait", "-l", &cluster.log(), "-o", &options],
        );
        cluster
    }

    /// Kills every process of the server and starts it again: it recovers from its log.
    pub fn restart_at_once(&self) {
        self.command(
            "pg_ctl",
            &["restart", "--wait", "-m", "immediate", "-l", &self.log()],
        );
    }

    /// Where it listens. Databases may be created there.
    pub fn url(&self) -> String {
        format!(
            "postgres://hardstop@localhost/postgres?host={}",
            self.folder.path().display()
        )
    }

    fn log(&self) -> String {
        self.folder.path().join("log").display().to_string()
    }

    fn command(&self, program: &str, args: &[&str]) {
        let program = self.bin.join(program);
        let mut command = match self.user {
            Some(user) => {
                let mut command = Command::new("setpriv");
                command
                    .args(["--reuid", user, "--regid", user, "--clear-groups"])
                    .arg(program);
                command
            }
            None => Command::new(program),
        };
        // Not piped: the server would keep the pipe open, and the reader waiting.
        let status = command
            .arg("-D")
            .arg(self.folder.path().join("data"))
            .args(args)
            .current_dir("/")
            .stdout(std::process::Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "{command:?}: {status}");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.command("pg_ctl", &["stop", "--silent", "-m", "immediate"]);
    }
}
