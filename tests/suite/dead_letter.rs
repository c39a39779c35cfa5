//! Jobs that ended badly, through the real binary: found, replayed, followed, exported; and what is
//! removed, by hand and by age.

use hardstop_tests::{Database, Kind, Worker, wait_for};
use serde_json::Value;

both_ways!(
    are_found_replayed_and_followed,
    a_replay_needs_to_know_what_is_meant,
    an_export_is_json_lines,
    a_chain_is_deleted,
    what_is_too_old_is_forgotten,
);

#[track_caller]
fn ids(listed: &Value) -> Vec<&str> {
    let listed = listed.as_array().unwrap();
    listed
        .iter()
        .map(|job| job["id"].as_str().unwrap())
        .collect()
}

fn are_found_replayed_and_followed(kind: Kind) {
    let db = Database::new(kind, &["plain", "unruly"]);
    let _worker = Worker::start(&db, &[]);
    let fatal = db.start("fail", r#"{"until":9,"fatal":true}"#);
    db.wait_state(&fatal, "discarded");
    // A job that fails three times, and whose fourth attempt would do.
    let patient = db.start("fail", r#"{"until":4}"#);
    db.wait_state(&patient, "discarded");
    let trap = db.start("trap", "{}");
    db.wait_state(&trap, "discarded");

    let list = |args: &[&str]| {
        let args: Vec<&str> = ["dead-letter", "list"]
            .iter()
            .chain(args)
            .copied()
            .collect();
        db.json(&args)
    };
    assert_eq!(ids(&list(&[])), [&*trap, &*patient, &*fatal]);
    assert_eq!(ids(&list(&["--type", "fail"])), [&*patient, &*fatal]);
    assert_eq!(ids(&list(&["--outcome", "trapped"])), [&*trap]);
    assert_eq!(
        ids(&list(&["--message", "attempt 3 of a job that wants 4"])),
        [&*patient]
    );
    assert_eq!(ids(&list(&["--since", "1h"])).len(), 3);
    assert!(ids(&list(&["--until", "1h"])).is_empty());
    assert!(ids(&list(&["--since", "2999-01-01T00:00:00Z"])).is_empty());
    assert!(ids(&list(&["--state", "cancelled"])).is_empty());
    assert_eq!(
        ids(&list(&["--limit", "1", "--before", &trap])),
        [&*patient]
    );
    let shown = db.run(&["dead-letter", "list"]).good().stdout;
    assert!(shown.contains("attempt 3 of a job that wants 4"), "{shown}");
    let shown = db.run(&["dead-letter", "show", &trap]).good().stdout;
    assert!(shown.contains("panicked at"), "{shown}");

    // A dry run changes nothing.
    let dry = ["dead-letter", "replay", "--type", "fail", "--dry-run"];
    let would = db.json(&dry);
    assert_eq!(
        (&would["jobs"], &would["replay"]),
        (&2.into(), &Value::Null)
    );
    assert_eq!(ids(&would["first"]), [&*patient, &*fatal]);
    let said = db.run(&dry).good();
    assert!(
        said.stderr
            .contains("2 jobs would be replayed; nothing was changed"),
        "{said:?}"
    );
    assert_eq!(ids(&list(&[])).len(), 3);
    assert_eq!(db.json(&["dead-letter", "replays"]), Value::Array(vec![]));

    let (actor, mara) = db.actor("mara");
    let mut args = vec!["dead-letter", "replay", "--type", "fail"];
    args.extend(["--note", "the service is back"]);
    args.extend(actor);
    let did = db.json(&args);
    assert_eq!(did["jobs"], 2);
    let replay = did["replay"].as_str().unwrap();
    // Both fail again, and the replay tells.
    let shown = wait_for("the replay to have ended", || {
        let shown = db.json(&["dead-letter", "replay-show", replay]);
        (shown["states"]["discarded"] == 2).then_some(shown)
    });
    assert_eq!(
        (&shown["actor"], &shown["note"], &shown["filter"]["type"]),
        (&mara.into(), &"the service is back".into(), &"fail".into())
    );
    assert_eq!(ids(&shown["replayed"]), [&*fatal, &*patient]);
    assert_eq!(db.job(&patient)["attempts"].as_array().unwrap().len(), 6);
    let said = db.run(&["dead-letter", "replay-show", replay]).good();
    assert!(said.stdout.contains("2 discarded"), "{said:?}");
    let replays = db.json(&["dead-letter", "replays"]);
    assert_eq!(ids(&replays), [replay]);

    // One by its id.
    let said = db.run(&["dead-letter", "replay", &trap]).good();
    assert!(said.stderr.contains("replayed 1 job: replay "), "{said:?}");
    assert_eq!(
        db.json(&["dead-letter", "replays"])
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

fn a_replay_needs_to_know_what_is_meant(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let queued = db.start("noop", "{}");
    let cancelled = db.start("noop", "{}");
    db.run(&["job", "cancel", &cancelled]).good();
    for (args, code, parts) in [
        (
            vec!["dead-letter", "replay"],
            2,
            vec!["neither jobs nor filters", "hint: --all"],
        ),
        (
            vec!["dead-letter", "replay", &queued],
            1,
            vec!["is ready: it cannot be replayed", "nothing was replayed"],
        ),
        (
            // All or none.
            vec!["dead-letter", "replay", &cancelled, &queued],
            1,
            vec!["is ready: it cannot be replayed"],
        ),
        (
            vec![
                "dead-letter",
                "replay",
                "0198c2f4-7d5e-7c1a-b0de-5a3f0c9d2e11",
            ],
            2,
            vec!["there is no job"],
        ),
        (
            vec!["dead-letter", "replay", &cancelled, "--all"],
            2,
            vec!["cannot be used with"],
        ),
        (
            vec!["dead-letter", "show", &queued],
            1,
            vec!["is ready: it is no dead letter"],
        ),
        (
            vec!["dead-letter", "list", "--type", "nobody"],
            2,
            vec!["type `nobody` is not deployed"],
        ),
        (
            vec!["dead-letter", "list", "--since", "yesterday"],
            2,
            vec!["write a time such as"],
        ),
        (
            vec!["dead-letter", "list", "--outcome", "exploded"],
            2,
            vec!["write one of completed"],
        ),
        (
            vec!["dead-letter", "list", "--state", "ready"],
            2,
            vec!["write discarded or cancelled"],
        ),
        (
            vec![
                "dead-letter",
                "replay-show",
                "0198c2f4-7d5e-7c1a-b0de-5a3f0c9d2e11",
            ],
            2,
            vec!["there is no replay"],
        ),
    ] {
        let said = db.run(&args);
        assert_eq!(said.code, code, "{said:?}");
        for part in parts {
            assert!(said.stderr.contains(part), "`{part}` is missing: {said:?}");
        }
    }
    let long = "x".repeat(1_001);
    let said = db.run(&["dead-letter", "replay", &cancelled, "--note", &long]);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.stderr.contains("maximum of 1000 bytes"), "{said:?}");
    assert_eq!(db.job(&cancelled)["state"], "cancelled");

    // Everything: discarded ones where nothing else is said.
    let said = db.run(&["dead-letter", "replay", "--all"]).good();
    assert!(said.stderr.contains("nothing to replay"), "{said:?}");
    db.run(&["dead-letter", "replay", "--all", "--state", "cancelled"])
        .good();
    assert_eq!(db.job(&cancelled)["state"], "ready");
}

fn an_export_is_json_lines(kind: Kind) {
    let db = Database::new(kind, &["plain", "unruly"]);
    let _worker = Worker::start(&db, &[]);
    let trap = db.start("trap", "{}");
    let many = db.start_many("fail", r#"{"until":9,"fatal":true}"#, 120);
    db.wait_all_final();
    // Whatever the format: it is for programs.
    let lines = db
        .run(&["dead-letter", "export", "-o", "human"])
        .good()
        .json_lines();
    assert_eq!(lines.len(), 121);
    let first = lines.last().unwrap();
    assert_eq!(first["id"], trap);
    assert_eq!(first["failure"]["kind"], "trapped");
    let log = first["attempts"][0]["log"].as_array().unwrap();
    assert!(
        log.iter()
            .any(|entry| entry["message"].as_str().unwrap().contains("panicked at")),
        "{first}"
    );
    assert_eq!(lines[0]["input"]["until"], 9);
    assert!(many.iter().any(|id| *id == lines[0]["id"]));
    let one = db
        .run(&["dead-letter", "export", "--type", "trap"])
        .good()
        .json_lines();
    assert_eq!(one.len(), 1);
}

fn a_chain_is_deleted(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let worker = Worker::start(&db, &["--concurrency", "1"]);
    let id = db.start("nap", r#"{"ms":50000}"#);
    db.wait_state(&id, "running");
    let deleted = db.json(&["chain", "delete", &id]);
    assert_eq!(
        (&deleted["jobs"], &deleted["chains"][0]),
        (&1.into(), &id.clone().into())
    );
    worker.wait_log("no longer holds it");
    // The only slot is free again.
    db.run(&["start", "noop", "--wait", "--timeout", "20s"])
        .good();
    let said = db.run(&["job", "show", &id]);
    assert_eq!(said.code, 2, "{said:?}");
    let said = db.run(&["chain", "delete", &id]);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.stderr.contains("there is no chain"), "{said:?}");
}

fn what_is_too_old_is_forgotten(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    std::fs::write(
        db.folder().join("hardstop.toml"),
        "[retention]\ncompleted = \"1s\"\ndiscarded = \"forever\"\ncancelled = \"1s\"\n",
    )
    .unwrap();
    let _workers = [(); 2].map(|()| Worker::start(&db, &[]));
    let fatal = db.start("fail", r#"{"until":9,"fatal":true}"#);
    db.start_many("noop", "{}", 300);
    let late = db
        .run(&["start", "noop", "--after", "1h"])
        .good()
        .stdout
        .trim()
        .to_owned();
    let cancelled = db.start("nap", r#"{"ms":50000}"#);
    db.run(&["job", "cancel", &cancelled]).good();
    let left = wait_for("the others to be forgotten", || {
        let jobs = db.jobs();
        (jobs.len() == 2).then_some(jobs)
    });
    let left: Vec<&str> = left.iter().map(|job| job["id"].as_str().unwrap()).collect();
    assert!(
        left.contains(&fatal.as_str()) && left.contains(&late.as_str()),
        "{left:?}"
    );
    assert_eq!(db.job(&fatal)["state"], "discarded");
}
