//! What a manifest says of retries and snoozes, and what comes of it.

use std::path::PathBuf;

use hardstop_tests::{Database, Kind, Worker, component};

on_both!(
    an_outcome_has_its_own_retries,
    snoozes_end_at_their_count,
    snoozes_end_at_their_time,
    a_continuation_takes_no_key,
);

/// A manifest of the handlers in `plain`, in the test's folder.
pub fn manifest(db: &Database, types: &str) -> PathBuf {
    let component = component("plain");
    let path = db.folder().join("job.toml");
    let text = format!("name = \"policies\"\ncomponent = {component:?}\n{types}");
    std::fs::write(&path, text).unwrap();
    path
}

fn an_outcome_has_its_own_retries(kind: Kind) {
    let db = Database::new(kind, &[]);
    let path = manifest(
        &db,
        r#"
        [types.fail.retry]
        attempts_max = 4
        backoff = "1ms"
        retry_after_max = "10m"

        [types.fail.retry.kinds.failed-retryable]
        attempts_max = 2

        [types.fail.retry.kinds.out-of-fuel]
        backoff = "1m"
        backoff_max = "1h"

        [types.fail.retry.kinds.trapped]
        attempts_max = 1

        [types.fail.snooze]
        count_max = 7
        "#,
    );
    db.run(&["deploy", path.to_str().unwrap()]).good();
    let said = db.run(&["type", "show", "fail"]).good().stdout;
    for line in [
        "retry       4 attempts, waits up to 1ms doubling to 5m, on timed-out-wall, timed-out-cpu\n",
        "            failed-retryable: 2 attempts, waits up to 1ms doubling to 5m\n",
        "            out-of-fuel: 4 attempts, waits up to 1m doubling to 1h\n",
        "            trapped: never\n",
        "            a handler may ask to wait up to 10m\n",
        "snooze      7 times, 720h altogether\n",
    ] {
        assert!(said.contains(line), "`{line}` is missing:\n{said}");
    }
    let shown = db.json(&["type", "show", "fail"]);
    assert_eq!(
        shown["retry"]["kinds"]["failed-retryable"]["attempts_max"],
        2
    );
    assert_eq!(shown["snooze"]["total_max"], "720h");

    let _worker = Worker::start(&db, &[]);
    let id = db.start("fail", r#"{"until":9}"#);
    let job = db.wait_state(&id, "discarded");
    assert_eq!(job["attempt"], 2, "{job}");
}

fn snoozes_end_at_their_count(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let _worker = Worker::start(&db, &[]);
    let id = db.start("dozer", r#"{"ms":1}"#);
    let job = db.wait_state(&id, "discarded");
    assert_eq!((&job["snoozes"], &job["attempt"]), (&3.into(), &1.into()));
    assert_eq!(job["outcome"], "failed-fatal");
    assert_eq!(
        job["failure"]["message"],
        "asked to snooze once more after 3 times: limit `snooze.count_max` = 3"
    );
}

fn snoozes_end_at_their_time(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let _worker = Worker::start(&db, &[]);
    let id = db.start("dozer", r#"{"ms":600}"#);
    let job = db.wait_state(&id, "discarded");
    assert_eq!(job["snoozes"], 1, "{job}");
    assert_eq!(
        job["failure"]["message"],
        "asked to snooze for 600ms after 600ms altogether: limit `snooze.total_max` = 1s"
    );
}

fn a_continuation_takes_no_key(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let _worker = Worker::start(&db, &[]);
    let id = db.start("keyed", "\"today\"");
    let job = db.wait_state(&id, "discarded");
    assert_eq!(job["outcome"], "failed-fatal");
    let message = job["failure"]["message"].as_str().unwrap();
    assert!(
        message.contains("continues with `noop` under a deduplication key"),
        "{message}"
    );
}

#[test]
fn an_input_that_nobody_checked_is_checked_before_the_run() {
    let db = Database::new(Kind::Postgres, &["plain"]);
    let misfit = db.start("echo", r#"{"text":"hello"}"#);
    db.sql("UPDATE hardstop.job_body SET unchecked = true, input = '{\"text\":1}'");
    let fits = db.start("echo", r#"{"text":"hello"}"#);
    db.sql("UPDATE hardstop.job_body SET unchecked = true");
    let _worker = Worker::start(&db, &[]);
    db.wait_state(&fits, "completed");
    let job = db.wait_state(&misfit, "discarded");
    assert_eq!(
        (&job["outcome"], &job["attempt"]),
        (&"failed-fatal".into(), &1.into())
    );
    let message = job["failure"]["message"].as_str().unwrap();
    assert!(
        message.contains("the input of `echo` does not match its schema: at /text"),
        "{message}"
    );
    assert_eq!(job["usage"]["wall_us"], 0, "no guest was started: {job}");
}

#[test]
fn what_cannot_be_followed_is_refused_by_key() {
    let db = Database::new(Kind::Sqlite, &[]);
    for (types, expected) in [
        (
            "[types.fail.retry.kinds.completed]",
            "[types.fail]: retry.kinds names `completed`, which is never retried",
        ),
        (
            "[types.fail.retry.kinds.trapped]\nattempts_max = 0",
            "retry.kinds.trapped.attempts_max = 0 is not from 1 to 1000",
        ),
        (
            "[types.fail.retry]\nretry_after_max = \"400d\"",
            "retry.retry_after_max = 9600h is over 8784h",
        ),
        (
            "[types.fail.snooze]\ntotal_max = \"400d\"",
            "snooze.total_max = 9600h is over 8784h",
        ),
        ("[types.fail.snooze]\ncount = 1", "unknown field `count`"),
        (
            "[types.fail.limits]\ndepth = 33",
            "limit `depth` = 33 is over the operator's ceiling of 32",
        ),
    ] {
        let path = manifest(&db, types);
        let said = db.run(&["deploy", path.to_str().unwrap()]);
        assert_eq!(said.code, 2, "{types}: {said:?}");
        assert!(said.stderr.contains(expected), "{types}: {said:?}");
    }
}

#[test]
fn a_handler_is_tried_out_with_blockers_and_children() {
    let folder = tempfile::tempdir().unwrap();
    let plain = component("plain");
    let plain = plain.to_str().unwrap();
    let run = |args: &[&str]| {
        let args: Vec<&str> = ["run", plain, "-o", "json", "--type"]
            .into_iter()
            .chain(args.iter().copied())
            .collect();
        hardstop_tests::run(folder.path(), &args)
    };
    let said = run(&[
        "sum",
        "--blocker",
        r#"{"text":"a"}"#,
        "--blocker",
        r#"{"text":"bc"}"#,
    ]);
    assert_eq!(
        said.good().json()["output"]["texts"],
        serde_json::json!(["a", "bc"])
    );
    let said = run(&["sum", "--blocker", "{"]);
    assert_eq!(said.code, 2);
    assert!(
        said.stderr.contains("a blocker's output is not JSON"),
        "{said:?}"
    );
    // Outputs and input together are over the limit: nothing is run.
    let said = run(&["sum", "--input-max", "8", "--blocker", "[1,2,3,4]"]);
    assert_eq!(said.code, 1);
    let failure = said.json()["failure"].clone();
    assert_eq!(
        failure["message"],
        "was started with 11B of input, the results of its blockers (1) included: limit `input` = 8B"
    );

    let report = run(&["gather", "--allow-chains", "-i", r#"["a","b"]"#])
        .good()
        .json();
    let children: Vec<_> = report["children"]
        .as_array()
        .unwrap()
        .iter()
        .map(|child| child["id"].clone())
        .collect();
    assert_eq!(children.len(), 2);
    assert_eq!(report["next"]["blockers"], serde_json::json!(children));
    let report = run(&["spawner", "--allow-chains", "--children", "2"])
        .good()
        .json();
    assert_eq!(
        report["output"]["refusal"],
        "this would be chain 3 of the attempt: limit `children` = 2"
    );
}
