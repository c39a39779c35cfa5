//! Metrics: as they are served, and as a real Prometheus reads them.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use hardstop_tests::{Answer, Database, Kind, Server, Worker, root, send_to, wait_for};
use serde_json::Value;

on_both!(
    what_jobs_did_is_counted,
    a_worker_serves_its_metrics_to_whoever_may_read,
);

/// A program of the Debian package `prometheus`.
fn program(name: &str) -> Command {
    let command = Command::new(name);
    let found = Command::new(name)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(
        found.is_ok_and(|status| status.success()),
        "the tests need the program {name}: apt-get install -y prometheus"
    );
    command
}

/// The values of a metric that have these labels, added up.
fn value(text: &str, name: &str, labels: &[&str]) -> f64 {
    let lines = text.lines().filter(|line| {
        let rest = line.strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
            && labels.iter().all(|label| line.contains(label))
    });
    lines
        .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
        .sum()
}

fn scrape(server: &Server) -> String {
    let answer = server.send("GET", "/metrics", &[], b"");
    assert_eq!(answer.status, 200, "{answer:?}");
    let kind = answer.header("content-type").unwrap();
    assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
    answer.body
}

fn get(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Answer {
    send_to(address, "GET", path, headers, b"")
}

/// What `promtool check metrics` says of them: nothing.
fn check(text: &str) {
    let mut child = program("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let said = child.wait_with_output().unwrap();
    assert!(
        said.status.success() && said.stderr.is_empty(),
        "{said:?}\n{text}"
    );
}

fn what_jobs_did_is_counted(kind: Kind) {
    let db = Database::new(kind, &["plain", "unruly"]);
    let server = Server::with(&db, &["--concurrency", "4"]);
    let id = db.start("echo", r#"{"text":"a word"}"#);
    db.wait_state(&id, "completed");
    let sleep = db.start("sleep", "{}");
    db.wait_state(&sleep, "discarded");
    // Counted after the settlement was committed, so at once or a moment later.
    let text = wait_for("both to be counted", || {
        let text = scrape(&server);
        let count = value(&text, "hardstop_attempts_total", &[]);
        (count >= 2.0).then_some(text)
    });
    check(&text);
    assert!(!text.contains("a word"), "nothing of an input: {text}");
    let echo = "type=\"echo\"";
    let sleep = "type=\"sleep\"";
    assert_eq!(
        value(
            &text,
            "hardstop_attempts_total",
            &[echo, "outcome=\"completed\""]
        ),
        1.0
    );
    assert_eq!(value(&text, "hardstop_job_run_seconds_count", &[echo]), 1.0);
    assert_eq!(
        value(&text, "hardstop_job_wait_seconds_count", &[echo]),
        1.0
    );
    assert_eq!(
        value(&text, "hardstop_jobs", &[echo, "state=\"completed\""]),
        1.0
    );
    assert_eq!(
        value(&text, "hardstop_jobs", &[sleep, "state=\"discarded\""]),
        1.0
    );
    let timed_out = ["timed-out-wall", "timed-out-cpu"].map(|outcome| {
        let outcome = format!("outcome=\"{outcome}\"");
        value(&text, "hardstop_attempts_total", &[sleep, &outcome])
    });
    assert!(timed_out.iter().sum::<f64>() >= 1.0, "{text}");
    assert_eq!(
        value(&text, "hardstop_limit_hits_total", &[sleep]),
        value(&text, "hardstop_job_kill_seconds_count", &[sleep])
    );
    assert!(value(&text, "hardstop_claims_total", &[]) >= 2.0);
    assert_eq!(
        value(&text, "hardstop_claimed_jobs_total", &[]),
        value(&text, "hardstop_attempts_total", &[])
    );
    assert_eq!(value(&text, "hardstop_database_up", &[]), 1.0);
    wait_for("the slots", || {
        let text = scrape(&server);
        (value(&text, "hardstop_slots", &[]) == 4.0).then_some(())
    });
}

fn a_worker_serves_its_metrics_to_whoever_may_read(kind: Kind) {
    let db = Database::new(kind, &[]);
    let worker = Worker::start(&db, &["--listen", "127.0.0.1:0"]);
    let address = logged_address(&worker);
    let open = get(address, "/metrics", &[]);
    assert_eq!(open.status, 200, "{open:?}");
    check(&open.body);
    assert_eq!(get(address, "/readyz", &[]).status, 200);
    let nothing = get(address, "/api/v1/jobs", &[]);
    nothing.problem(404, "no-such-route");
    let token = |scope: &str| {
        let said = db.run(&["token", "create", scope, "--scope", scope]).good();
        format!("Bearer {}", said.stdout.trim())
    };
    let read = token("read");
    get(address, "/metrics", &[]).problem(401, "unauthenticated");
    let bad = get(
        address,
        "/metrics",
        &[("authorization", "Bearer hardstop_x")],
    );
    bad.problem(401, "unauthenticated");
    let answer = get(address, "/metrics", &[("authorization", &read)]);
    assert_eq!(answer.status, 200, "{answer:?}");
    // Nobody beyond this machine is let in without a token that works.
    let other = Database::new(kind, &[]);
    let refused = other.run(&["worker", "--listen", "0.0.0.0:0"]);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(
        refused
            .stderr
            .contains("can be reached from other machines"),
        "{refused:?}"
    );
}

fn logged_address(worker: &Worker) -> SocketAddr {
    wait_for("the worker's address", || {
        let log = worker.log();
        let (_, rest) = log.split_once("serving address=")?;
        rest.split_whitespace().next()?.parse().ok()
    })
}

#[test]
fn the_alert_rules_are_valid_and_fire_when_they_should() {
    let folder = root().join("contrib/monitoring");
    for args in [
        ["check", "rules", "alerts.yml"],
        ["test", "rules", "alerts_test.yml"],
    ] {
        let said = program("promtool")
            .args(args)
            .current_dir(&folder)
            .output()
            .unwrap();
        assert!(said.status.success(), "{said:?}");
    }
}

/// A Prometheus that scrapes one server, ended with the test.
struct Prometheus(Child);

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Prometheus {
    /// Scrapes this address with this token, and answers there.
    fn start(folder: &Path, target: SocketAddr, token: &str) -> (Self, SocketAddr) {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let config = format!(
            "scrape_configs:\n- job_name: hardstop\n  scrape_interval: 1s\n  authorization:\n    credentials: {token}\n  \
             static_configs:\n  - targets: ['{target}']\n"
        );
        fs::write(folder.join("prometheus.yml"), config).unwrap();
        let child = program("prometheus")
            .current_dir(folder)
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=tsdb"])
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("prometheus.log")).unwrap())
            .spawn()
            .unwrap();
        (Self(child), address)
    }
}

#[test]
fn a_real_prometheus_scrapes_and_answers_queries() {
    let db = Database::new(Kind::Sqlite, &["plain"]);
    let mut server = Server::with(&db, &[]);
    let said = db
        .run(&["token", "create", "scraper", "--scope", "read"])
        .good();
    let token = said.stdout.trim().to_owned();
    server.use_token(Some(&token));
    let id = db.start("echo", r#"{"text":"a word"}"#);
    db.wait_state(&id, "completed");
    let (_prometheus, address) = Prometheus::start(db.folder(), server.address(), &token);
    let query = |text: &str| {
        let answer = get(address, &format!("/api/v1/query?query={text}"), &[]);
        let found: Value = serde_json::from_str(&answer.body).ok()?;
        let value = found["data"]["result"][0]["value"][1]
            .as_str()?
            .parse::<f64>();
        value.ok()
    };
    wait_for("Prometheus to have the completed job", || {
        // It is not listening at first.
        std::net::TcpStream::connect(address).ok()?;
        let jobs = query("sum(hardstop_jobs%7Bstate%3D%22completed%22%7D)")?;
        (jobs == 1.0).then_some(())
    });
    assert_eq!(
        query("sum(hardstop_attempts_total%7Boutcome%3D%22completed%22%7D)"),
        Some(1.0)
    );
    assert_eq!(query("up%7Bjob%3D%22hardstop%22%7D"), Some(1.0));
}
