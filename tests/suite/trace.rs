//! Traces, as a real collector gets them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use hardstop_tests::{Database, Kind, Server, tool, wait_for};
use serde_json::json;

on_both!(
    spans_follow_a_chain_through_wait_attempts_and_continuation,
    a_collector_that_is_away_delays_nothing,
);

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const STARTER: &str = "b7ad6b7169203331";

/// A collector that writes down every span that it gets, ended with the test.
struct Collector {
    child: Child,
    log: PathBuf,
    address: SocketAddr,
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One span as the collector writes it: by the names of its lines.
type Span = BTreeMap<String, String>;

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

impl Collector {
    fn start(db: &Database) -> Self {
        let find =
            "import os, rotel; print(os.path.join(os.path.dirname(rotel.__file__), 'rotel-agent'))";
        let found = Command::new(tool("python3"))
            .args(["-c", find])
            .output()
            .unwrap();
        assert!(found.status.success(), "{found:?}");
        let agent = String::from_utf8(found.stdout).unwrap();
        let (address, unused) = (free_address(), free_address());
        let log = db.folder().join("collector.log");
        let child = Command::new(agent.trim())
            .arg("start")
            .args(["--exporter", "blackhole", "--debug-log", "traces"])
            .args(["--debug-log-verbosity", "detailed"])
            .args(["--otlp-http-endpoint", &address.to_string()])
            .args(["--otlp-grpc-endpoint", &unused.to_string()])
            .arg("--pid-file")
            .arg(db.folder().join("collector.pid"))
            .stdout(File::create(&log).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_for("the collector", || TcpStream::connect(address).ok());
        Self {
            child,
            log,
            address,
        }
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    fn spans(&self) -> Vec<Span> {
        let mut spans: Vec<Span> = Vec::new();
        for line in self.text().lines() {
            if line.starts_with("Span #") {
                spans.push(Span::new());
            }
            let (Some(span), Some((name, value))) = (spans.last_mut(), line.split_once(": "))
            else {
                continue;
            };
            let name = name.trim().trim_start_matches("-> ").trim();
            // Of a link, which comes last, by another name.
            let name = match span.contains_key("Trace ID") && name == "Trace ID" {
                true => "Link",
                false => name,
            };
            span.entry(name.to_owned())
                .or_insert_with(|| value.trim().to_owned());
        }
        spans
    }

    /// The span of this name, once it has come.
    fn span(&self, name: &str, belongs: impl Fn(&Span) -> bool) -> Span {
        let mut before = None;
        wait_for(&format!("the span `{name}`"), || {
            let mut spans = self.spans().into_iter();
            let is_it =
                |span: &Span| span.get("Name").is_some_and(|it| it == name) && belongs(span);
            // Seen twice, so that all of its lines are there.
            let found = spans.find(is_it)?;
            let same = before.as_ref() == Some(&found);
            before = Some(found.clone());
            same.then_some(found)
        })
    }
}

/// Starts a server with a worker that sends its traces there.
fn server(db: &Database, collector: SocketAddr) -> Server {
    let config = format!(
        "[traces]\nendpoint = \"http://{collector}\"\nheaders = {{ x-key = \"canary-of-a-header\" }}\n"
    );
    fs::write(db.folder().join("traces.toml"), config).unwrap();
    Server::with(db, &["--config", "traces.toml"])
}

fn spans_follow_a_chain_through_wait_attempts_and_continuation(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let collector = Collector::start(&db);
    let server = server(&db, collector.address);
    let secret = "canary-of-an-input";
    let head = format!("00-{TRACE}-{STARTER}-01");
    let started = server
        .call_with(
            "POST",
            "/chains",
            &[("traceparent", head.as_str())],
            Some(json!({ "type": "echo", "input": { "text": secret } })),
        )
        .good();
    let chain = started["chain_id"].as_str().unwrap().to_owned();
    db.wait_state(&chain, "completed");
    let start = collector.span("start echo", |_| true);
    assert_eq!(
        (&*start["Trace ID"], &*start["Parent ID"]),
        (TRACE, STARTER)
    );
    let wait = collector.span("wait echo", |_| true);
    let attempt = collector.span("attempt echo", |_| true);
    for span in [&wait, &attempt] {
        assert_eq!(
            (&span["Trace ID"], &span["Parent ID"]),
            (&start["Trace ID"], &start["ID"])
        );
    }
    assert_eq!(attempt["hardstop.outcome"], "Str(completed)");
    assert_eq!(attempt["hardstop.job.id"], format!("Str({chain})"));
    let time = |span: &Span, name: &str| span[name].parse::<u64>().unwrap();
    assert!(time(&start, "Start time") <= time(&wait, "End time"));
    assert_eq!(time(&wait, "End time"), time(&attempt, "Start time"));
    assert!(time(&attempt, "Start time") < time(&attempt, "End time"));

    // A continuation is under the attempt that named it, in the trace of the root chain where nobody named one.
    let id = db.start("steps", "[3,0]");
    wait_for("the chain to close", || {
        let jobs = db.json(&["chain", "show", &id]);
        (jobs["state"] == "completed").then_some(())
    });
    let root = id.replace('-', "");
    let of = |job: String| {
        let job = format!("Str({job})");
        move |span: &Span| span.get("hardstop.job.id") == Some(&job)
    };
    let first = collector.span("attempt steps", of(id.clone()));
    assert_eq!(
        (&first["Trace ID"], &*first["hardstop.outcome"]),
        (&root, "Str(continued)")
    );
    let chain = db.json(&["chain", "show", &id]);
    let second = chain["job_list"][1]["id"].as_str().unwrap().to_owned();
    let next = collector.span("start steps", of(second));
    assert_eq!(
        (&next["Trace ID"], &next["Parent ID"]),
        (&root, &first["ID"])
    );

    // A blocker is a link to the attempt that closed it.
    let blocker = db.start("noop", "{}");
    db.wait_state(&blocker, "completed");
    let said = db
        .run(&[
            "start",
            "noop",
            "--input",
            "{}",
            "--blocker",
            &blocker,
            "-o",
            "json",
        ])
        .good();
    let waiting = said.json()[0]["chain_id"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let waiting = match waiting.is_empty() {
        true => said.json()["chain_id"].as_str().unwrap().to_owned(),
        false => waiting,
    };
    let attempt = collector.span("attempt noop", of(waiting));
    assert_eq!(attempt["Link"], blocker.replace('-', ""));
    // Failures are told by their kind alone.
    let failed = db.start("fail", r#"{"until":77,"fatal":true}"#);
    db.wait_state(&failed, "discarded");
    let attempt = collector.span("attempt fail", of(failed));
    assert_eq!(attempt["Status code"], "STATUS_CODE_ERROR");
    let text = collector.text();
    for canary in [secret, "a job that wants", "canary-of-a-header"] {
        assert!(!text.contains(canary), "{canary}");
    }
    assert!(!server.log().contains("canary-of-a-header"));
}

fn a_collector_that_is_away_delays_nothing(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let server = server(&db, free_address());
    let ids = db.start_many("noop", "{}", 200);
    for id in &ids {
        db.wait_state(id, "completed");
    }
    wait_for("the spans to be given up", || {
        let text = server.send("GET", "/metrics", &[], b"").body;
        let line = text
            .lines()
            .find(|line| line.starts_with("hardstop_spans_dropped_total"))?;
        let count: f64 = line.rsplit(' ').next()?.parse().ok()?;
        (count >= 1.0).then_some(())
    });
    assert!(server.log().contains("cannot send spans"));
}
