//! A database of a test's own.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde_json::Value;
use tempfile::TempDir;

use crate::{Said, Server, guest, run, wait_for};

/// Names the Postgres to make databases on.
const URL_VARIABLE: &str = "HARDSTOP_TEST_DATABASE_URL";

/// Which kind of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file.
    Sqlite,
    /// A database on the test server.
    Postgres,
    /// A file, and `hardstop serve` before it, which answers every command that a server can answer.
    Served,
    /// The same with a database on the test server.
    ServedPostgres,
}

/// The commands that no server answers.
const OF_THE_MACHINE: [&str; 5] = ["migrate", "doctor", "worker", "serve", "run"];

/// A database, migrated and gone with the test; and a folder to run commands in.
pub struct Database {
    /// What answers commands in its place, from the first on that it can answer.
    server: OnceLock<Server>,
    is_served: bool,
    folder: TempDir,
    url: String,
    drop_with: Option<(String, String)>,
    _turn: Turn,
}

/// Tests that measure time run alone; all others run beside each other.
static TURNS: RwLock<()> = RwLock::new(());

#[allow(dead_code, reason = "held, not read")]
enum Turn {
    Beside(RwLockReadGuard<'static, ()>),
    Alone(RwLockWriteGuard<'static, ()>),
}

impl Database {
    /// A new one, with these guests deployed.
    pub fn new(kind: Kind, guests: &[&str]) -> Self {
        Self::with(kind, guests, beside())
    }

    /// A new one, for a test that measures time: no other test with a database runs beside it.
    pub fn alone(kind: Kind, guests: &[&str]) -> Self {
        let turn = Turn::Alone(TURNS.write().unwrap_or_else(PoisonError::into_inner));
        Self::with(kind, guests, turn)
    }

    fn with(kind: Kind, guests: &[&str], turn: Turn) -> Self {
        Self::in_turn(kind, turn).set_up(guests)
    }

    fn set_up(self, guests: &[&str]) -> Self {
        self.run(&["migrate"]).good();
        for name in guests {
            let folder = guest(name);
            self.run(&["deploy", folder.to_str().unwrap()]).good();
        }
        self
    }

    /// A new one, with nothing in it.
    pub fn empty(kind: Kind) -> Self {
        Self::in_turn(kind, beside())
    }

    fn in_turn(kind: Kind, turn: Turn) -> Self {
        let is_served = matches!(kind, Kind::Served | Kind::ServedPostgres);
        match kind {
            Kind::Sqlite | Kind::Served => {
                let folder = tempfile::tempdir().unwrap();
                let url = format!("sqlite://{}", folder.path().join("test.db").display());
                Self {
                    server: OnceLock::new(),
                    is_served,
                    folder,
                    url,
                    drop_with: None,
                    _turn: turn,
                }
            }
            Kind::Postgres | Kind::ServedPostgres => {
                let server = std::env::var(URL_VARIABLE).unwrap_or_else(|_| {
                    panic!(
                        "no Postgres to test on: run `cargo xtask test`, which starts one, or set \
                         {URL_VARIABLE}"
                    )
                });
                let mut database = Self::on_server(server, turn);
                database.is_served = is_served;
                database
            }
        }
    }

    /// A new one on this server, with these guests deployed.
    pub fn on(server: &str, guests: &[&str]) -> Self {
        Self::on_server(server.to_owned(), beside()).set_up(guests)
    }

    fn on_server(server: String, turn: Turn) -> Self {
        let folder = tempfile::tempdir().unwrap();
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "hardstop_suite_{}_{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        sql(&server, &format!("CREATE DATABASE {name}"));
        let url = with_database(&server, &name);
        Self {
            server: OnceLock::new(),
            is_served: false,
            folder,
            url,
            drop_with: Some((server, name)),
            _turn: turn,
        }
    }

    /// Its URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A folder of the test's own, in which its commands run.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs `hardstop` on it, or on the server before it, to its end.
    pub fn run(&self, args: &[&str]) -> Said {
        let place = self.place(args);
        let place = place.each_ref().map(String::as_str);
        let args: Vec<&str> = args.iter().copied().chain(place).collect();
        run(self.folder(), &args)
    }

    /// The flag that names it, or the server before it, for this command.
    pub fn place(&self, args: &[&str]) -> [String; 2] {
        if !self.is_served || OF_THE_MACHINE.contains(&args[0]) {
            return ["--database-url".to_owned(), self.url.clone()];
        }
        let server = self.server.get_or_init(|| Server::start(self));
        [
            "--server".to_owned(),
            format!("http://{}", server.address()),
        ]
    }

    /// The flag by which a command says who it acts for, and the name that is then recorded: a server knows only the
    /// token, and this one has none.
    pub fn actor<'n>(&self, name: &'n str) -> (Vec<&'n str>, &'n str) {
        match self.is_served {
            true => (Vec::new(), "anybody"),
            false => (vec!["--actor", name], name),
        }
    }

    /// Runs `hardstop -o json` on it; it must end well.
    #[track_caller]
    pub fn json(&self, args: &[&str]) -> Value {
        let args: Vec<&str> = args.iter().copied().chain(["-o", "json"]).collect();
        self.run(&args).good().json()
    }

    /// Starts one chain and returns its id, which is its first job's.
    #[track_caller]
    pub fn start(&self, type_name: &str, input: &str) -> String {
        self.run(&["start", type_name, "--input", input])
            .good()
            .stdout
            .trim()
            .to_owned()
    }

    /// Starts many such chains.
    #[track_caller]
    pub fn start_many(&self, type_name: &str, input: &str, count: usize) -> Vec<String> {
        let count = count.to_string();
        let said = self
            .run(&["start", type_name, "--input", input, "--count", &count])
            .good();
        said.stdout.lines().map(str::to_owned).collect()
    }

    /// A job in full.
    #[track_caller]
    pub fn job(&self, id: &str) -> Value {
        self.json(&["job", "show", id])
    }

    /// Every job, newest first; there must be fewer than 1,000.
    #[track_caller]
    pub fn jobs(&self) -> Vec<Value> {
        let jobs = self
            .json(&["job", "list", "--limit", "1000"])
            .as_array()
            .unwrap()
            .clone();
        assert!(jobs.len() < 1_000);
        jobs
    }

    /// Waits until a job is in a state, and returns it in full.
    #[track_caller]
    pub fn wait_state(&self, id: &str, state: &str) -> Value {
        wait_for(&format!("job {id} to be {state}"), || {
            let job = self.job(id);
            (job["state"] == state).then_some(job)
        })
    }

    /// Waits until every job is final, and returns them, newest first.
    #[track_caller]
    pub fn wait_all_final(&self) -> Vec<Value> {
        wait_for("every job to be final", || {
            let jobs = self.jobs();
            jobs.iter()
                .all(|job| job["finished_at"].is_string())
                .then_some(jobs)
        })
    }

    /// Runs SQL on a Postgres database.
    pub fn sql(&self, statement: &str) {
        sql(&self.url, statement);
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some((server, name)) = &self.drop_with
            && !std::thread::panicking()
        {
            sql(server, &format!("DROP DATABASE {name} WITH (FORCE)"));
        }
    }
}

fn sql(url: &str, statement: &str) {
    let output = Command::new("psql")
        .args([
            "--no-psqlrc",
            "--quiet",
            "--set=ON_ERROR_STOP=1",
            "--dbname",
            url,
        ])
        .args(["--command", statement])
        .output()
        .expect("psql is on the path: `cargo xtask test` puts the server's programs there");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn beside() -> Turn {
    Turn::Beside(TURNS.read().unwrap_or_else(PoisonError::into_inner))
}

/// The same server, another database.
fn with_database(url: &str, name: &str) -> String {
    let (address, options) = match url.split_once('?') {
        Some((address, options)) => (address, format!("?{options}")),
        None => (url, String::new()),
    };
    let scheme_end = address.find("://").map_or(0, |at| at + 3);
    let server = match address[scheme_end..].rfind('/') {
        Some(at) => &address[..scheme_end + at],
        None => address,
    };
    format!("{server}/{name}{options}")
}
