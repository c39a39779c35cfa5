//! The way of a job through the real binary: start, run, retry, continue, cancel, and what is shown.

use std::time::{SystemTime, UNIX_EPOCH};

use hardstop_tests::{Database, Kind, Worker};

both_ways!(
    completes_and_prints_its_output,
    is_retried_and_then_discarded,
    goes_on_as_a_chain,
    snoozes_without_counting,
    starts_children_with_its_settlement_or_not_at_all,
    a_bad_settlement_loses_none_of_the_others,
    is_cancelled_while_it_runs,
    shows_what_a_developer_needs,
    is_refused_what_it_was_not_granted,
);

fn completes_and_prints_its_output(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let _worker = Worker::start(&db, &[]);
    let said = db
        .run(&["start", "echo", "--input", r#"{"text":"hello"}"#, "--wait"])
        .good();
    assert_eq!(said.json()["text"], "hello");
    // A handler that fails for good: exit code 1, nothing on standard output.
    let said = db.run(&[
        "start",
        "fail",
        "-i",
        r#"{"until":9,"fatal":true}"#,
        "--wait",
    ]);
    assert_eq!((said.code, said.stdout.as_str()), (1, ""), "{said:?}");
    assert!(
        said.stderr
            .contains("failed-fatal: attempt 1 of a job that wants 9"),
        "{said:?}"
    );
    // A wait that runs out.
    let said = db.run(&[
        "start",
        "nap",
        "-i",
        r#"{"ms":60000}"#,
        "--wait",
        "--timeout",
        "100ms",
    ]);
    assert_eq!(said.code, 4, "{said:?}");
    assert!(said.stderr.contains("hint: it goes on"), "{said:?}");
}

fn is_retried_and_then_discarded(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let _worker = Worker::start(&db, &[]);
    let passes = db.start("fail", r#"{"until":3}"#);
    let fails = db.start("fail", r#"{"until":4}"#);
    let job = db.wait_state(&passes, "completed");
    assert_eq!((&job["attempt"], &job["output"]), (&3.into(), &3.into()));
    assert_eq!(
        job["attempts"].as_array().unwrap().len(),
        2,
        "the failed ones are kept: {job}"
    );
    let job = db.wait_state(&fails, "discarded");
    assert_eq!(
        (&job["attempt"], &job["outcome"]),
        (&3.into(), &"failed-retryable".into())
    );
    assert_eq!(job["attempts"].as_array().unwrap().len(), 3, "{job}");
    assert_eq!(job["failure"]["details"], r#"["why"]"#, "{job}");
    // An operator's retry counts from the beginning and keeps what was.
    db.run(&["job", "retry", &fails]).good();
    let said = db.run(&["job", "wait", &fails]);
    assert_eq!(said.code, 1, "{said:?}");
    let job = db.job(&fails);
    assert_eq!(job["attempts"].as_array().unwrap().len(), 6, "{job}");
    // What is done cannot be retried.
    let said = db.run(&["job", "retry", &passes]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(
        said.stderr.contains("is completed: it cannot be retried"),
        "{said:?}"
    );
}

fn goes_on_as_a_chain(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let _worker = Worker::start(&db, &[]);
    let said = db
        .run(&["start", "steps", "-i", "[4,0]", "--wait", "-o", "json"])
        .good();
    let last = said.json();
    assert_eq!(last["output"], 4, "the chain's output is its last job's");
    let chain = last["chain_id"].clone();
    let jobs = db.jobs();
    assert_eq!(jobs.len(), 5);
    assert!(jobs.iter().all(|job| job["chain_id"] == chain));
    let states: Vec<_> = jobs
        .iter()
        .map(|job| job["state"].as_str().unwrap())
        .collect();
    assert_eq!(
        states,
        [
            "completed",
            "continued",
            "continued",
            "continued",
            "continued"
        ]
    );
}

fn snoozes_without_counting(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let _worker = Worker::start(&db, &[]);
    // The first one loads the component.
    db.run(&["start", "snooze", "-i", "0", "--wait"]).good();
    // Long enough that it is not over before the first run, also on a machine that has much else to do.
    let (until, job) = [1_500, 15_000, 45_000]
        .into_iter()
        .find_map(|ms| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            let until = (now.as_millis() + ms) * 1_000;
            let id = db.start("snooze", &until.to_string());
            let job = db.wait_state(&id, "completed");
            (job["snoozes"] != 0).then_some((until, job))
        })
        .expect("no snooze");
    assert_eq!(job["attempt"], 1, "a snooze is not counted: {job}");
    assert!(
        job["output"].as_u64().unwrap() >= until as u64,
        "it slept its time: {job}"
    );
}

fn starts_children_with_its_settlement_or_not_at_all(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let _worker = Worker::start(&db, &[]);
    let id = db.start("parent", "3");
    let parent = db.wait_state(&id, "completed");
    let children: Vec<_> = parent["output"].as_array().unwrap().clone();
    assert_eq!(children.len(), 3);
    for child in children {
        let job = db.wait_state(child.as_str().unwrap(), "completed");
        assert_eq!(job["type"], "noop");
    }
    // More than may be started: the handler fails, and none of them exists.
    let before = db.jobs().len();
    let id = db.start("parent", "100000");
    let job = db.wait_state(&id, "discarded");
    assert!(
        job["failure"]["message"]
            .as_str()
            .unwrap()
            .contains("limit `children` = 100"),
        "{job}"
    );
    assert_eq!(db.jobs().len(), before + 1);
}

fn a_bad_settlement_loses_none_of_the_others(kind: Kind) {
    let db = Database::new(kind, &["plain", "unruly"]);
    let good = db.start_many("noop", "{}", 60);
    let unknown = db.start("astray", r#"["no.such.type",1]"#);
    let misfit = db.start("astray", r#"["nap",1]"#);
    let bulge = db.start("bulge", "{}");
    let more = db.start_many("noop", "{}", 60);
    let _worker = Worker::start(&db, &["--concurrency", "200"]);
    db.wait_all_final();
    for id in good.iter().chain(&more) {
        assert_eq!(db.job(id)["state"], "completed");
    }
    let job = db.job(&unknown);
    assert_eq!(
        (&job["state"], &job["outcome"]),
        (&"discarded".into(), &"failed-fatal".into())
    );
    assert_eq!(
        job["failure"]["message"],
        "continues with `no.such.type`: type `no.such.type` is not deployed"
    );
    let message = db.job(&misfit)["failure"]["message"].clone();
    assert!(
        message
            .as_str()
            .unwrap()
            .contains("does not match its schema"),
        "{message}"
    );
    assert_eq!(db.job(&bulge)["outcome"], "output-too-large");
}

fn is_cancelled_while_it_runs(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let worker = Worker::start(&db, &["--concurrency", "1"]);
    let id = db.start("nap", r#"{"ms":60000}"#);
    db.wait_state(&id, "running");
    db.run(&["job", "cancel", &id]).good();
    assert_eq!(db.job(&id)["state"], "cancelled");
    worker.wait_log("no longer holds it");
    // The only slot is free again.
    db.run(&["start", "noop", "--wait", "--timeout", "20s"])
        .good();
    let said = db.run(&["job", "cancel", &id]);
    assert_eq!(said.code, 1);
    assert!(said.stderr.contains("is cancelled already"), "{said:?}");
}

fn shows_what_a_developer_needs(kind: Kind) {
    let db = Database::new(kind, &["unruly"]);
    let _worker = Worker::start(&db, &[]);
    let id = db.start("trap", "{}");
    db.wait_state(&id, "discarded");
    let said = db.run(&["job", "show", &id]).good();
    for part in [
        "discarded (trapped)",
        "backtrace:",
        "unruly::",
        "panicked at",
        "memory ",
    ] {
        assert!(
            said.stdout.contains(part),
            "`{part}` is missing:\n{}",
            said.stdout
        );
    }
    let said = db.run(&["job", "logs", &id]).good();
    assert!(said.stdout.contains("panicked at"), "{said:?}");
    let lines = db
        .run(&["job", "logs", &id, "-o", "jsonl"])
        .good()
        .json_lines();
    assert!(
        lines
            .iter()
            .all(|line| line["message"].is_string() && line["run"] == 1),
        "{lines:?}"
    );
}

fn is_refused_what_it_was_not_granted(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let _worker = Worker::start(&db, &[]);
    let id = db.start("meddler", "{}");
    let job = db.wait_state(&id, "discarded");
    assert_eq!(job["outcome"], "denied", "{job}");
    let said = db.run(&["job", "show", &id]).good();
    assert!(
        said.stdout.contains("[types.meddler.capabilities]"),
        "{}",
        said.stdout
    );
    assert!(said.stdout.contains("chains = true"), "{}", said.stdout);
    assert_eq!(db.jobs().len(), 1, "nothing was started");
}
