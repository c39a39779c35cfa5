//! Reading through the real binary: why a job is not running, chains, and what is listed.

use hardstop_tests::{Database, Kind, Worker, micros};
use serde_json::Value;

both_ways!(
    says_why_a_job_is_not_running,
    says_where_a_job_ended,
    what_is_not_there_is_a_usage_error,
    shows_a_chain_with_all_its_jobs,
    lists_by_time_state_and_page,
);

/// The codes and sentences of an explanation.
fn explain(db: &Database, job: &str) -> (Vec<String>, String) {
    // People read the same sentences, a line each. A heartbeat may be missed between the two calls on a busy
    // machine, and then they tell different moments: asked again.
    hardstop_tests::wait_for("two explanations of one moment", || {
        let explained = db.json(&["job", "explain", job]);
        assert_eq!(explained["facts"]["id"], *job);
        let reasons = explained["reasons"].as_array().unwrap();
        let part = |key: &str| -> Vec<String> {
            let parts = reasons.iter().map(|r| r[key].as_str().unwrap().to_owned());
            parts.collect()
        };
        let (codes, texts) = (part("code"), part("text"));
        let said = db.run(&["job", "explain", job]).good();
        (said.stdout.lines().count() == texts.len()).then(|| (codes, texts.join("\n")))
    })
}

fn says_why_a_job_is_not_running(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let first = db.start("nap", r#"{"ms":60000}"#);
    let second = db.start("nap", r#"{"ms":1}"#);
    let (codes, text) = explain(&db, &second);
    assert_eq!(codes, ["no-worker", "ready"]);
    assert!(
        text.contains("serves the type `nap`: start one with `hardstop worker`"),
        "{text}"
    );
    assert!(text.contains("1 job of the type is before it"), "{text}");

    let said = db
        .run(&["start", "nap", "-i", r#"{"ms":1}"#, "--after", "10m"])
        .good();
    let (codes, text) = explain(&db, said.stdout.trim());
    assert_eq!(codes, ["scheduled", "no-worker"]);
    assert!(text.starts_with("scheduled: due in 9 min 5"), "{text}");

    let mut worker = Worker::start(&db, &["--concurrency", "1", "--lease", "4s"]);
    db.wait_state(&first, "running");
    let (codes, text) = explain(&db, &first);
    assert_eq!(codes[0], "running", "{text}");
    assert!(text.starts_with("running: attempt 1 on "), "{text}");
    let (codes, text) = explain(&db, &second);
    assert_eq!(codes, ["ready"]);
    assert!(text.contains("the next of its type"), "{text}");

    // A worker that was killed says nothing more, and its lease runs out.
    worker.kill();
    let lost = hardstop_tests::wait_for("the lease to run out", || {
        let (codes, text) = explain(&db, &first);
        (codes == ["running", "worker-lost"]).then_some(text)
    });
    assert!(lost.contains("rescue is due"), "{lost}");
    // The same can be paused, on Postgres, past the store.
    if kind == Kind::Postgres {
        db.sql(
            "INSERT INTO hardstop.pause (type_id, actor, note) VALUES (0, 'ada', 'moving house')",
        );
        let (codes, text) = explain(&db, &second);
        assert_eq!(codes, ["all-paused", "no-worker", "ready"]);
        assert!(text.contains("by ada: moving house"), "{text}");
    }
}

fn says_where_a_job_ended(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let _worker = Worker::start(&db, &[]);
    let good = db.start("noop", "{}");
    let bad = db.start("fail", r#"{"until":9,"fatal":true}"#);
    db.wait_state(&good, "completed");
    db.wait_state(&bad, "discarded");
    assert_eq!(explain(&db, &good).0, ["completed"]);
    let (codes, text) = explain(&db, &bad);
    assert_eq!(codes, ["discarded"]);
    assert!(
        text.contains("after 1 attempt: attempt 1 of a job that wants 9"),
        "{text}"
    );
    assert!(
        text.contains(&format!("hardstop job retry {bad}")),
        "{text}"
    );
}

fn what_is_not_there_is_a_usage_error(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let nobody = "0198c2f4-7d5e-7c1a-b0de-5a3f0c9d2e11";
    for (args, message) in [
        (vec!["job", "explain", nobody], "there is no job"),
        (vec!["chain", "show", nobody], "there is no chain"),
        (vec!["chain", "wait", nobody], "there is no chain"),
        (
            vec!["chain", "list", "--state", "continued"],
            "no chain is `continued`",
        ),
        (vec!["chain", "list", "--type", "nobody"], "nobody"),
        (vec!["chain", "list", "--key", "k"], "--type"),
        (vec!["job", "list", "--key", "k"], "--type"),
        (vec!["job", "list", "--since", "yesterday"], "RFC 3339"),
        (vec!["job", "explain", "nonsense"], "not a job id"),
    ] {
        let said = db.run(&args);
        assert_eq!((said.code, said.stdout.as_str()), (2, ""), "{said:?}");
        assert!(said.stderr.contains(message), "{said:?}");
    }
}

fn shows_a_chain_with_all_its_jobs(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let waiting = db.start("steps", "[2,0]");
    let detail = db.json(&["chain", "show", &waiting]);
    assert_eq!(
        (&detail["state"], &detail["jobs"]),
        (&"ready".into(), &1.into())
    );
    let _worker = Worker::start(&db, &[]);
    let said = db.run(&["chain", "wait", &waiting]).good();
    assert_eq!(said.stdout.trim(), "2");
    let detail = db.json(&["chain", "show", &waiting]);
    let jobs = detail["job_list"].as_array().unwrap();
    let states: Vec<&Value> = jobs.iter().map(|job| &job["state"]).collect();
    assert_eq!(states, ["continued", "continued", "completed"]);
    assert_eq!((&detail["output"], &detail["jobs"]), (&2.into(), &3.into()));
    assert_eq!(detail["last_job"], jobs[2]["id"]);
    let text = db.run(&["chain", "show", &waiting]).good().stdout;
    for job in jobs {
        assert!(text.contains(job["id"].as_str().unwrap()), "{text}");
    }
    for word in ["state      completed", "output     2", "STARTED", "steps"] {
        assert!(text.contains(word), "`{word}` is missing:\n{text}");
    }
    // A job of it that is not the first names no chain, and is told where to look.
    let second = jobs[1]["id"].as_str().unwrap();
    let said = db.run(&["chain", "show", second]);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.stderr.contains("named by its first job"), "{said:?}");
    // A failed chain fails its wait.
    let bad = db.start("fail", r#"{"until":9,"fatal":true}"#);
    assert_eq!(db.run(&["chain", "wait", &bad]).code, 1);
    let discarded = db.json(&["chain", "list", "--state", "discarded"]);
    assert_eq!(discarded.as_array().unwrap().len(), 1);
    assert_eq!(discarded[0]["id"], *bad);
}

fn lists_by_time_state_and_page(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let old = db.start_many("noop", "{}", 5);
    // The ids of the next ones are of a later millisecond.
    std::thread::sleep(std::time::Duration::from_millis(3));
    let between = jiff::Timestamp::now();
    std::thread::sleep(std::time::Duration::from_millis(3));
    let new = db.start_many("noop", "{}", 4);
    for what in ["job", "chain"] {
        let list = |args: &[&str]| {
            let args: Vec<&str> = [&[what, "list"], args].concat();
            let listed = db.json(&args);
            let ids = listed.as_array().unwrap().iter();
            ids.map(|line| line["id"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        let sorted = |ids: &[String]| {
            let mut ids = ids.to_vec();
            ids.sort_by(|a, b| b.cmp(a));
            ids
        };
        let time = between.to_string();
        assert_eq!(list(&["--since", &time]), sorted(&new));
        assert_eq!(list(&["--until", &time]), sorted(&old));
        assert_eq!(list(&["--since", &time, "--until", &time]), [""; 0]);
        assert_eq!(list(&["--since", "1h", "--type", "noop"]).len(), 9);
        assert_eq!(list(&["--until", "1h"]).len(), 0);
        assert_eq!(list(&["--state", "ready"]).len(), 9);
        assert_eq!(list(&["--state", "running"]).len(), 0);
        assert_eq!(list(&["--type", "noop", "--key", "k"]).len(), 0);
        let (mut walked, mut before) = (
            Vec::new(),
            "ffffffff-ffff-ffff-ffff-ffffffffffff".to_owned(),
        );
        loop {
            let page = list(&["--limit", "2", "--before", &before]);
            let Some(last) = page.last() else { break };
            before.clone_from(last);
            walked.extend(page);
        }
        assert_eq!(
            walked,
            sorted(&[old.clone(), new.clone()].concat()),
            "{what}"
        );
        let said = db.run(&[what, "list", "--limit", "2"]).good();
        assert!(said.stderr.contains("older ones: --before"), "{said:?}");
    }
    let chains = db.json(&["chain", "list"]);
    assert!(micros(&chains[0]["created_at"]) > micros(&chains[8]["created_at"]));
}
