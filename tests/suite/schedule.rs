//! Schedules and pauses, as people use them.

use std::collections::HashSet;
use std::fs;

use hardstop_tests::{Database, Kind, Said, Worker, micros, wait_for};
use serde_json::Value;

on_both!(
    an_interval_starts_its_chains_on_time,
    two_workers_fire_each_time_once,
    a_schedule_rests_and_goes_on,
    bad_schedules_are_refused_with_a_hint,
    what_is_shown,
    a_paused_type_waits_and_others_run,
    a_pause_ends_by_itself,
    bad_pauses_are_refused_with_a_hint,
);

/// Workers that look by themselves once a minute only: whatever they do sooner, they were told to.
fn told_only(db: &Database) {
    let config = "[worker]\npoll_interval = \"60s\"\n";
    fs::write(db.folder().join("hardstop.toml"), config).unwrap();
}

#[track_caller]
fn fails(said: &Said, code: i32, parts: &[&str]) {
    assert_eq!((said.code, said.stdout.as_str()), (code, ""), "{said:#?}");
    for part in parts {
        assert!(said.stderr.contains(part), "`{part}` is missing: {said:#?}");
    }
}

fn put(db: &Database, args: &[&str]) -> Said {
    let args: Vec<&str> = ["schedule", "put"].iter().chain(args).copied().collect();
    db.run(&args)
}

/// What became of the times of a schedule, latest first.
fn fires(db: &Database, name: &str) -> Vec<Value> {
    let shown = db.json(&["schedule", "show", name]);
    shown["fires"].as_array().unwrap().clone()
}

fn of_result(fires: &[Value], result: &str) -> usize {
    fires.iter().filter(|fire| fire["result"] == result).count()
}

fn an_interval_starts_its_chains_on_time(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    told_only(&db);
    let worker = Worker::start(&db, &[]);
    put(
        &db,
        &[
            "tick/tock",
            "--type",
            "noop",
            "--every",
            "1s",
            "--overlap",
            "allow",
        ],
    )
    .good();
    wait_for("three times", || {
        (of_result(&fires(&db, "tick/tock"), "started") >= 3).then_some(())
    });
    db.run(&["schedule", "pause", "tick/tock"]).good();
    let (jobs, fires) = (db.wait_all_final(), fires(&db, "tick/tock"));
    assert_eq!(jobs.len(), fires.len(), "a chain a time: {}", worker.log());
    for pair in fires.windows(2) {
        assert_eq!(micros(&pair[0]["at"]) - micros(&pair[1]["at"]), 1_000_000);
    }
    for fire in &fires {
        let job = db.job(fire["chain_id"].as_str().unwrap());
        assert_eq!(
            (&job["state"], &job["type"]),
            (&"completed".into(), &"noop".into())
        );
        let late_us = micros(&fire["created_at"]) - micros(&fire["at"]);
        assert!((0..20_000_000).contains(&late_us), "{late_us} us late");
    }
}

fn two_workers_fire_each_time_once(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let workers = [(); 2].map(|()| Worker::start(&db, &[]));
    for name in ["a", "b", "c"] {
        put(
            &db,
            &[
                name,
                "--type",
                "noop",
                "--every",
                "1s",
                "--overlap",
                "allow",
            ],
        )
        .good();
    }
    wait_for("five times of each", || {
        let done = ["a", "b", "c"]
            .iter()
            .all(|name| fires(&db, name).len() >= 5);
        done.then_some(())
    });
    for name in ["a", "b", "c"] {
        db.run(&["schedule", "pause", name]).good();
    }
    let jobs: HashSet<String> = db
        .wait_all_final()
        .iter()
        .map(|job| job["chain_id"].as_str().unwrap().to_owned())
        .collect();
    let mut chains = HashSet::new();
    for name in ["a", "b", "c"] {
        for fire in fires(&db, name) {
            assert_eq!(fire["result"], "started", "{fire}");
            assert!(chains.insert(fire["chain_id"].as_str().unwrap().to_owned()));
        }
    }
    assert_eq!(chains, jobs, "{}", workers[0].log());
}

fn a_schedule_rests_and_goes_on(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let args = ["s", "--type", "noop", "--cron", "@yearly"];
    let made = put(&db, &[&args[..], &["-o", "json"]].concat())
        .good()
        .json();
    assert_eq!(made["created"], true);
    let made = put(
        &db,
        &[&args[..], &["-o", "json", "--priority", "-5"]].concat(),
    );
    let made = made.good().json();
    assert_eq!(made["created"], false);
    db.run(&["schedule", "pause", "s"]).good();
    let shown = db.json(&["schedule", "show", "s"]);
    assert_eq!(
        (&shown["paused"], &shown["next_at"]),
        (&true.into(), &Value::Null)
    );
    // By hand all the same.
    let chain = db.json(&["schedule", "trigger", "s"]);
    let chain = chain["chain_id"].as_str().unwrap();
    let job = db.job(chain);
    assert_eq!(
        (&job["state"], &job["priority"]),
        (&"ready".into(), &(-5).into())
    );
    assert_eq!(of_result(&fires(&db, "s"), "triggered"), 1);
    db.run(&["schedule", "resume", "s"]).good();
    let shown = db.json(&["schedule", "show", "s"]);
    assert_eq!(shown["next_at"], made["next_at"]);
    assert_eq!(shown["last_chain"], chain);
    db.run(&["schedule", "delete", "s"]).good();
    for command in ["show", "pause", "resume", "trigger", "delete"] {
        let said = db.run(&["schedule", command, "s"]);
        fails(
            &said,
            2,
            &["there is no schedule `s`", "hint: `hardstop schedule list`"],
        );
    }
    assert_eq!(db.jobs().len(), 1, "its chain stays");
}

fn bad_schedules_are_refused_with_a_hint(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    for (args, parts) in [
        (
            vec!["--cron", "0 25 * * *"],
            vec!["`25` is no hour: 0 to 23", "hint: write minute, hour"],
        ),
        (vec!["--cron", "0 0 31 2 *"], vec!["never fires", "hint: "]),
        (vec!["--cron", "0 0 * *"], vec!["has 4 fields, not 5"]),
        (
            vec!["--cron", "@daily", "--time-zone", "Europe/Berln"],
            vec![
                "time zone `Europe/Berln` is not known",
                "hint: write an IANA name",
            ],
        ),
        (
            vec!["--every", "999ms"],
            vec!["`every` = 999ms", "not from 1000 ms (1s)", "hint: "],
        ),
        (
            vec!["--every", "5m", "--time-zone", "UTC"],
            vec!["an interval has no time zone"],
        ),
        (
            vec!["--every", "5m", "--missed", "all", "--missed-cap", "1001"],
            vec![
                "a cap of 1001 missed times is not from 1 to 1000",
                "--missed-cap",
            ],
        ),
        (
            vec!["--every", "5m", "--missed-cap", "5"],
            vec!["--missed-cap bounds --missed all"],
        ),
        (
            vec!["--every", "5m", "--priority", "101"],
            vec!["priority 101 is not from -100 to 100"],
        ),
        (
            vec!["--every", "5m", "--input", "[]"],
            vec!["does not match its schema"],
        ),
        (vec![], vec!["--cron <EXPRESSION>|--every <DURATION>"]),
        (
            vec!["--every", "5m", "--cron", "@daily"],
            vec!["cannot be used with"],
        ),
    ] {
        let said = put(&db, &[&["s", "--type", "noop"], &args[..]].concat());
        fails(&said, 2, &parts);
    }
    let said = put(&db, &["S s", "--type", "noop", "--every", "5m"]);
    fails(&said, 2, &["`S s` cannot name a schedule"]);
    let said = put(&db, &["s", "--type", "nop", "--every", "5m"]);
    fails(
        &said,
        2,
        &["type `nop` is not deployed", "hint: `hardstop type list`"],
    );
    assert_eq!(db.json(&["schedule", "list"]), Value::Array(Vec::new()));
}

fn what_is_shown(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let cron = ["--cron", "30 9 * * mon-fri", "--time-zone", "asia/kolkata"];
    put(&db, &[&["b", "--type", "noop"], &cron[..]].concat()).good();
    let every = ["--every", "90s", "--missed", "all", "--overlap", "queue"];
    put(&db, &[&["a", "--type", "noop"], &every[..]].concat()).good();
    let listed = db.json(&["schedule", "list"]);
    assert_eq!(
        (
            &listed[0]["name"],
            &listed[0]["interval_ms"],
            &listed[0]["missed"]["all"]["cap"]
        ),
        (&"a".into(), &90_000.into(), &100.into())
    );
    let (local, utc) = (&listed[1]["next_local"][0], &listed[1]["next"][0]);
    assert!(
        local
            .as_str()
            .unwrap()
            .ends_with("T09:30:00+05:30[Asia/Kolkata]"),
        "{local}"
    );
    assert!(
        utc.as_str().unwrap().ends_with("T04:00:00.000000Z"),
        "{utc}"
    );
    let shown = db.json(&["schedule", "show", "b"]);
    assert_eq!(shown["next"].as_array().unwrap().len(), 5);
    assert_eq!(shown["input"], serde_json::json!({}));
    let lines = db
        .run(&["schedule", "list", "-o", "jsonl"])
        .good()
        .json_lines();
    assert_eq!(lines.len(), 2);
    let human = db.run(&["schedule", "list"]).good().stdout;
    assert!(
        human.contains("every 90s") && human.contains("+05:30[Asia/Kolkata]"),
        "{human}"
    );
    let human = db.run(&["schedule", "show", "a"]).good().stdout;
    assert!(human.contains("all, up to 100"), "{human}");
}

fn a_paused_type_waits_and_others_run(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let _worker = Worker::start(&db, &[]);
    let (actor, ada) = db.actor("ada");
    let mut args = vec!["pause", "noop", "--note", "broken upstream"];
    args.extend(actor);
    db.run(&args).good();
    let waiting = db.start("noop", "{}");
    // The worker has looked for work since.
    db.run(&["start", "clock", "--wait", "--timeout", "30s"])
        .good();
    assert_eq!(db.job(&waiting)["state"], "ready");
    let pauses = db.json(&["pauses"]);
    assert_eq!(
        (&pauses[0]["type"], &pauses[0]["actor"], &pauses[0]["note"]),
        (&"noop".into(), &ada.into(), &"broken upstream".into())
    );
    let types = db.json(&["type", "list"]);
    let paused: Vec<&Value> = types
        .as_array()
        .unwrap()
        .iter()
        .filter(|listed| listed["paused"].is_object())
        .map(|listed| &listed["name"])
        .collect();
    assert_eq!(paused, ["noop"]);
    db.run(&["resume", "noop"]).good();
    db.wait_state(&waiting, "completed");
    db.run(&["pause", "--all"]).good();
    let waiting = db.start("clock", "{}");
    let said = db.run(&["job", "wait", &waiting, "--timeout", "300ms"]);
    assert_eq!(said.code, 4, "{said:?}");
    db.run(&["resume", "--all"]).good();
    db.wait_state(&waiting, "completed");
    assert!(
        db.run(&["pauses"])
            .good()
            .stderr
            .contains("nothing is paused")
    );
}

fn a_pause_ends_by_itself(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    told_only(&db);
    let worker = Worker::start(&db, &[]);
    db.run(&["start", "clock", "--wait", "--timeout", "30s"])
        .good();
    let pause = db.json(&["pause", "clock", "--for", "2s"]);
    let id = db.start("clock", "{}");
    let job = db.wait_state(&id, "completed");
    let waited_us = micros(&job["started_at"]) - micros(&pause["until"]);
    assert!(
        (0..20_000_000).contains(&waited_us),
        "{waited_us} us after its end"
    );
    worker.wait_log("pauses are over");
}

fn bad_pauses_are_refused_with_a_hint(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    for (args, code, parts) in [
        (vec!["pause"], 2, vec!["<TYPE|--all>"]),
        (
            vec!["pause", "noop", "--all"],
            2,
            vec!["cannot be used with"],
        ),
        (
            vec!["pause", "nop"],
            2,
            vec!["type `nop` is not deployed", "hint: "],
        ),
        (
            vec![
                "pause",
                "noop",
                "--for",
                "1m",
                "--until",
                "2100-01-01T00:00:00Z",
            ],
            2,
            vec!["cannot be used with"],
        ),
        (
            vec!["pause", "noop", "--until", "2020-01-01T00:00:00Z"],
            2,
            vec!["would be over already", "hint: "],
        ),
        (
            vec!["pause", "noop", "--until", "soon"],
            2,
            vec!["`soon` is not a time", "hint: "],
        ),
        (
            vec!["pause", "noop", "--for", "400d"],
            2,
            vec!["is over the maximum of"],
        ),
        (
            vec!["resume", "noop"],
            1,
            vec!["type `noop` is not paused", "hint: `hardstop pauses`"],
        ),
        (vec!["resume", "--all"], 1, vec!["not everything is paused"]),
        (vec!["resume", "nop"], 2, vec!["type `nop` is not deployed"]),
    ] {
        fails(&db.run(&args), code, &parts);
    }
    assert_eq!(db.json(&["pauses"]), Value::Array(Vec::new()));
}
