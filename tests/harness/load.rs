//! A load of every kind of job, and the count of what came of it.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::Database;

/// Steps of a chain beside its first.
const STEPS: usize = 3;

/// What was started, and what must come of it.
#[derive(Default)]
pub struct Load {
    /// The chains: by id, how many jobs each must have, and how many attempts each job.
    chains: HashMap<String, (usize, u64)>,
}

impl Load {
    /// Starts some more: plain jobs, some that take a while, retry, snooze, continue.
    #[track_caller]
    pub fn add(&mut self, db: &Database) {
        let soon = SystemTime::now() + Duration::from_millis(700);
        let soon = soon.duration_since(UNIX_EPOCH).unwrap().as_micros();
        // A chain that is blocked is one more line: its arguments hold `--blocker` and an id of before.
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
            self.chains.insert(id.clone(), (jobs, attempts));
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
        assert_eq!(found.len(), self.chains.len(), "a chain is lost, or new");
        let mut rescues = 0;
        for (chain, (count, attempts)) in &self.chains {
            let of_chain = &found[chain.as_str()];
            assert_eq!(of_chain.len(), *count, "{of_chain:#?}");
            let completed = of_chain.iter().filter(|job| job["state"] == "completed");
            assert_eq!(completed.count(), 1, "{of_chain:#?}");
            let continued = of_chain.iter().filter(|job| job["state"] == "continued");
            assert_eq!(continued.count(), count - 1, "{of_chain:#?}");
            for job in of_chain {
                // A crash is a rescue and no attempt.
                assert_eq!(job["attempt"], *attempts, "{job:#}");
                rescues += job["rescues"].as_u64().unwrap();
                if job["rescues"] != 0 {
                    check_runs(&db.job(job["id"].as_str().unwrap()));
                }
            }
        }
        rescues
    }
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
