//! A load of every kind of job, and the count of what came of it.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::{Database, micros};

/// Steps of a chain beside its first.
const STEPS: usize = 3;

/// What a gathering handler is told: it starts a chain for each, and continues with a job that waits for them.
const PARTS: [&str; 3] = ["a", "b", "c"];

/// What was started, and what must come of it.
#[derive(Default)]
pub struct Load {
    /// The chains, by id.
    chains: HashMap<String, Expected>,
    /// A chain of the load before, which may be running, waiting or at its end.
    last: Option<String>,
}

/// What must come of a chain.
#[derive(Default)]
struct Expected {
    /// How many jobs it has.
    jobs: usize,
    /// How many attempts each of them has.
    attempts: u64,
    /// The chains that its first job waits for.
    blockers: Vec<String>,
    /// Its output, where that is known beforehand.
    output: Option<Value>,
    /// How many chains its handlers start.
    children: usize,
}

impl Load {
    /// Starts some more: plain jobs, some that take a while, retry, snooze, continue, wait for others.
    #[track_caller]
    pub fn add(&mut self, db: &Database) {
        let soon = SystemTime::now() + Duration::from_millis(700);
        let soon = soon.duration_since(UNIX_EPOCH).unwrap().as_micros();
        for (type_name, input, count, jobs, attempts) in [
            ("noop", "{}".to_owned(), 10, 1, 1),
            ("nap", r#"{"ms":50}"#.to_owned(), 6, 1, 1),
            ("nap", r#"{"ms":300}"#.to_owned(), 8, 1, 1),
            ("fail", r#"{"until":3}"#.to_owned(), 4, 1, 3),
            ("snooze", soon.to_string(), 3, 1, 1),
            ("steps", format!("[{STEPS},0]"), 4, STEPS + 1, 1),
        ] {
            let args = ["--input".to_owned(), input];
            self.start(db, type_name, &args, count, jobs, attempts);
        }
        self.add_graph(db);
        let input = ["--input".to_owned(), json!(PARTS).to_string()];
        for id in self.start(db, "gather", &input, 2, 2, 1) {
            let chain = self.chains.get_mut(&id).unwrap();
            chain.children = PARTS.len();
            chain.output = Some(sum(&PARTS));
        }
    }

    /// Chains that wait for chains: of the same start, which end at about the same time, fail at first or
    /// go on with further jobs; and of the load before.
    fn add_graph(&mut self, db: &Database) {
        let echo = |text: &str| json!({ "name": text, "type": "echo", "input": {"text": text} });
        let mut graph = json!([
            echo("x"),
            echo("y"),
            echo("z"),
            { "name": "fail", "type": "fail", "input": {"until": 2} },
            { "name": "nap", "type": "nap", "input": {"ms": 200} },
            { "name": "steps", "type": "steps", "input": [STEPS, 0] },
            { "name": "sum-1", "type": "sum", "blockers": ["z", "x", "y"] },
            { "name": "sum-2", "type": "sum", "blockers": ["y", "z"] },
            { "name": "all", "type": "noop", "blockers": ["sum-1", "sum-2", "fail", "nap", "steps"] },
        ]);
        if let Some(last) = &self.last {
            graph[8]["blockers"]
                .as_array_mut()
                .unwrap()
                .push(json!(last));
        }
        std::fs::write(db.folder().join("load.json"), graph.to_string()).unwrap();
        let started = db.json(&["start", "--graph", "load.json"]);
        let started = started.as_array().unwrap();
        let id = |name: &str| {
            let it = started.iter().find(|it| it["name"] == name);
            it.map_or_else(
                || name.to_owned(),
                |it| it["chain_id"].as_str().unwrap().to_owned(),
            )
        };
        for entry in graph.as_array().unwrap() {
            let name = entry["name"].as_str().unwrap();
            let none = Vec::new();
            let blockers = entry["blockers"].as_array().unwrap_or(&none);
            let expected = Expected {
                jobs: if name == "steps" { STEPS + 1 } else { 1 },
                attempts: if name == "fail" { 2 } else { 1 },
                blockers: blockers.iter().map(|it| id(it.as_str().unwrap())).collect(),
                output: match name {
                    "sum-1" => Some(sum(&["z", "x", "y"])),
                    "sum-2" => Some(sum(&["y", "z"])),
                    _ => None,
                },
                children: 0,
            };
            self.chains.insert(id(name), expected);
        }
        self.last = Some(id("all"));
    }

    /// Starts chains of a type, each of which must come to so many jobs of so many attempts.
    #[track_caller]
    pub fn start(
        &mut self,
        db: &Database,
        type_name: &str,
        args: &[String],
        count: usize,
        jobs: usize,
        attempts: u64,
    ) -> Vec<String> {
        let count = count.to_string();
        let mut line = vec!["start", type_name, "--count", &count];
        line.extend(args.iter().map(String::as_str));
        let said = db.run(&line).good();
        let ids: Vec<String> = said.stdout.lines().map(str::to_owned).collect();
        for id in &ids {
            let expected = Expected {
                jobs,
                attempts,
                ..Expected::default()
            };
            self.chains.insert(id.clone(), expected);
        }
        ids
    }

    /// Waits for the end of everything and counts. Returns how often a job was rescued.
    #[track_caller]
    pub fn check(&self, db: &Database) -> u64 {
        let jobs = db.wait_all_final();
        let ids: HashSet<_> = jobs.iter().map(|job| job["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), jobs.len(), "a job is there twice");
        let mut found: HashMap<&str, Vec<&Value>> = HashMap::new();
        for job in &jobs {
            let chain = job["chain_id"].as_str().unwrap();
            found.entry(chain).or_default().push(job);
        }
        let children: usize = self.chains.values().map(|it| it.children).sum();
        assert_eq!(
            found.len(),
            self.chains.len() + children,
            "a chain is lost, or new"
        );
        let mut rescues = 0;
        for (chain, expected) in &self.chains {
            let of_chain = &found[chain.as_str()];
            expected.check(of_chain);
            self.check_order(db, chain, &found);
        }
        for of_chain in found.values() {
            for job in of_chain {
                assert!(
                    ["completed", "continued"].contains(&job["state"].as_str().unwrap()),
                    "{job:#}"
                );
                if job["rescues"] != 0 {
                    rescues += job["rescues"].as_u64().unwrap();
                    check_runs(&db.job(job["id"].as_str().unwrap()));
                }
            }
        }
        rescues
    }

    /// What waits for chains began when the last of them had closed.
    fn check_order(&self, db: &Database, chain: &str, found: &HashMap<&str, Vec<&Value>>) {
        let expected = &self.chains[chain];
        if expected.blockers.is_empty() && expected.output.is_none() {
            return;
        }
        let first = db.job(chain);
        for blocker in &expected.blockers {
            let closed_at = found[blocker.as_str()]
                .iter()
                .map(|job| micros(&job["finished_at"]))
                .max()
                .unwrap();
            assert!(
                micros(&first["started_at"]) >= closed_at,
                "begun before {blocker} had closed: {first:#}"
            );
        }
        if let Some(output) = &expected.output {
            let shown = db.json(&["chain", "show", chain]);
            assert_eq!(&shown["output"], output, "{shown:#}");
        }
    }
}

impl Expected {
    #[track_caller]
    fn check(&self, of_chain: &[&Value]) {
        assert_eq!(of_chain.len(), self.jobs, "{of_chain:#?}");
        let completed = of_chain.iter().filter(|job| job["state"] == "completed");
        assert_eq!(completed.count(), 1, "{of_chain:#?}");
        for job in of_chain {
            // A crash is a rescue and no attempt.
            assert_eq!(job["attempt"], self.attempts, "{job:#}");
        }
    }
}

/// What `sum` makes of chains of `echo`, in this order.
fn sum(texts: &[&str]) -> Value {
    let bytes: usize = texts.iter().map(|text| text.len()).sum();
    json!({ "texts": texts, "bytes": bytes, "failed": [] })
}

/// Every run that did not end well is on record once, and each rescue is one of them.
fn check_runs(job: &Value) {
    let attempts = job["attempts"].as_array().unwrap();
    let runs: HashSet<_> = attempts
        .iter()
        .map(|attempt| attempt["run"].as_u64().unwrap())
        .collect();
    assert_eq!(runs.len(), attempts.len(), "{job:#}");
    let lost = attempts
        .iter()
        .filter(|attempt| attempt["outcome"] == "lost");
    assert_eq!(
        lost.count() as u64,
        job["rescues"].as_u64().unwrap(),
        "{job:#}"
    );
}
