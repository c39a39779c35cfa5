//! Chains that handlers start: gathered again by blockers, bounded in number, deduplicated.

use hardstop_tests::{Database, Kind, Worker};
use serde_json::{Value, json};

on_both!(
    work_is_spread_out_and_gathered_in_order,
    a_hundred_outputs_come_in_the_order_of_the_blockers,
    an_attempt_starts_as_many_children_as_it_may,
    generations_end_at_the_limit_of_depth,
    descendants_are_counted_across_a_lineage,
    descendants_stay_below_their_limit_whoever_starts_at_once,
    children_of_one_key_are_one_chain,
);

/// Starts a chain, waits for its end and returns its last job.
#[track_caller]
fn last_job(db: &Database, type_name: &str, input: &str) -> Value {
    db.json(&["start", type_name, "--input", input, "--wait"])
}

fn work_is_spread_out_and_gathered_in_order(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let _worker = Worker::start(&db, &[]);
    let last = last_job(&db, "gather", r#"["a","","bb","ccc"]"#);
    assert_eq!(last["type"], "sum");
    let output = &last["output"];
    assert_eq!(output["texts"], json!(["a", "bb", "ccc"]));
    assert_eq!(output["bytes"], 6);
    let [failed] = output["failed"].as_array().unwrap().as_slice() else {
        panic!("one failed: {output}");
    };
    assert_eq!(
        failed[0],
        "discarded (failed-fatal): attempt 1 of a job that wants 9"
    );
    let child = db.job(failed[1].as_str().unwrap());
    assert_eq!(
        (&child["type"], &child["state"]),
        (&json!("fail"), &json!("discarded"))
    );
    assert_eq!(db.jobs().len(), 6, "gather, four children, sum");
}

fn a_hundred_outputs_come_in_the_order_of_the_blockers(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let _worker = Worker::start(&db, &[]);
    let texts: Vec<String> = (0..100).map(|number| format!("text {number}")).collect();
    let last = last_job(&db, "gather", &json!(texts).to_string());
    assert_eq!(last["output"]["texts"], json!(texts));
}

fn an_attempt_starts_as_many_children_as_it_may(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let _worker = Worker::start(&db, &[]);
    let spawner = last_job(&db, "spawner", "{}");
    let output = &spawner["output"];
    assert_eq!(
        output["refusal"],
        "this would be chain 4 of the attempt: limit `children` = 3"
    );
    let started = output["started"].as_array().unwrap();
    assert_eq!(started.len(), 3);
    for child in started {
        db.wait_state(child.as_str().unwrap(), "completed");
    }
    // One job may have less.
    let id = db
        .run(&["start", "spawner", "--children", "1"])
        .good()
        .stdout;
    let spawner = db.wait_state(id.trim(), "completed");
    let refusal = &spawner["output"]["refusal"];
    assert!(
        refusal.as_str().unwrap().ends_with("limit `children` = 1"),
        "{refusal}"
    );
    assert_eq!(db.wait_all_final().len(), 2 + 3 + 1);
}

fn generations_end_at_the_limit_of_depth(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let _worker = Worker::start(&db, &[]);
    let mut job = last_job(&db, "brood", "{}");
    for generation in 0..2 {
        let refusal = &job["output"]["refusal"];
        assert!(
            refusal.as_str().unwrap().ends_with("limit `children` = 1"),
            "generation {generation}: {job}"
        );
        let child = job["output"]["started"][0].as_str().unwrap().to_owned();
        job = db.wait_state(&child, "completed");
    }
    assert_eq!(
        job["output"]["refusal"],
        "this would be generation 3 below the root chain: limit `depth` = 2"
    );
    assert_eq!(db.wait_all_final().len(), 3);
}

fn descendants_are_counted_across_a_lineage(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let _worker = Worker::start(&db, &["--concurrency", "1"]);
    db.start("swarm", "{}");
    assert_full_swarms(&db, 1);
}

fn descendants_stay_below_their_limit_whoever_starts_at_once(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let roots = db.start_many("swarm", "{}", 10);
    let _workers = [Worker::start(&db, &[]), Worker::start(&db, &[])];
    assert_full_swarms(&db, roots.len());
}

/// A root has two children, and the other three descendants are claimed for by several at once. Whoever finds at its
/// settlement that others were faster runs again, and is told of the limit before that.
#[track_caller]
fn assert_full_swarms(db: &Database, roots: usize) {
    let jobs = db.wait_all_final();
    assert_eq!(jobs.len(), roots * 6, "{jobs:?}");
    let mut refusals = 0;
    for job in jobs {
        let job = db.job(job["id"].as_str().unwrap());
        assert_eq!(job["state"], "completed", "{job}");
        let refusal = job["output"]["refusal"].as_str().unwrap();
        refusals += usize::from(refusal.contains("limit `descendants` = 5"));
        for attempt in job["attempts"].as_array().unwrap() {
            let message = attempt["failure"]["message"].as_str().unwrap();
            assert_eq!(attempt["outcome"], "failed-retryable", "{job}");
            assert!(message.starts_with("limit `descendants` = 5: "), "{job}");
        }
    }
    assert!(refusals >= roots, "{refusals} were told");
}

fn children_of_one_key_are_one_chain(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let _worker = Worker::start(&db, &[]);
    let last = last_job(&db, "once", r#"["today",5]"#);
    assert_eq!(last["type"], "noop", "it waited for chains that there are");
    let jobs = db.wait_all_final();
    let naps = jobs.iter().filter(|job| job["type"] == "nap").count();
    assert_eq!((naps, jobs.len()), (1, 3), "once, nap, noop: {jobs:?}");
}
