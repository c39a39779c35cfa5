//! Deployments through the real binary: a bad one is found out and left, a canary is tried, memory is given once more.

use std::path::{Path, PathBuf};

use hardstop_tests::{Database, Kind, Worker, component, wait_for};
use serde_json::Value;

both_ways!(
    a_bad_deployment_is_quarantined_until_it_is_rolled_back,
    a_release_lets_the_same_component_run,
    a_canary_takes_its_share_and_ends_by_quarantine,
    a_canary_is_promoted,
    running_out_of_memory_is_answered_with_more_of_it_once,
    larger_memory_is_within_what_the_host_has,
    deployments_are_listed_and_compared,
);

/// A component that does as `plain` does and has another digest: it has a section more, which says nothing.
fn variant(db: &Database, name: &str) -> PathBuf {
    let mut bytes = std::fs::read(component("plain")).unwrap();
    let length = u8::try_from(name.len()).unwrap();
    assert!(length < 100);
    bytes.extend([0, length + 1, length]);
    bytes.extend(name.as_bytes());
    let path = db.folder().join(format!("{name}.wasm"));
    std::fs::write(&path, bytes).unwrap();
    path
}

/// A manifest in the test's folder.
fn manifest(db: &Database, component: &Path, types: &str) -> String {
    let text = format!("name = \"tested\"\ncomponent = {component:?}\n{types}");
    let path = db.folder().join("job.toml");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Deploys it, and returns the deployment's id.
#[track_caller]
fn deploy(db: &Database, component: &Path, types: &str, more: &[&str]) -> String {
    let path = manifest(db, component, types);
    let args: Vec<&str> = ["deploy", &path]
        .into_iter()
        .chain(more.iter().copied())
        .collect();
    let deployed = db.json(&args);
    deployed[0]["deployment"].as_str().unwrap().to_owned()
}

/// Naps go well.
const GOOD: &str = "[types.nap.limits]\nwall_timeout = \"60s\"\nmemory = \"8MiB\"\n";
/// Naps of half a second do not.
const BAD: &str = "[types.nap.limits]\nwall_timeout = \"200ms\"\nmemory = \"8MiB\"\n\
                   [types.nap.retry]\nattempts_max = 500\nbackoff = \"10ms\"\nbackoff_max = \"50ms\"\n\
                   [types.nap.quarantine]\nattempts = 6\nfailures = \"90%\"\n";
const NAP: &str = r#"{"ms":500}"#;

fn nap(db: &Database) -> Value {
    db.json(&["type", "show", "nap"])
}

fn wait_quarantined(db: &Database) -> Value {
    wait_for("nap to be quarantined", || {
        let shown = nap(db);
        shown["quarantine"].is_object().then_some(shown)
    })
}

fn wait_completed(db: &Database, jobs: &[String]) -> Vec<Value> {
    jobs.iter()
        .map(|id| db.wait_state(id, "completed"))
        .collect()
}

fn a_bad_deployment_is_quarantined_until_it_is_rolled_back(kind: Kind) {
    let db = Database::new(kind, &[]);
    let good = deploy(&db, &component("plain"), GOOD, &[]);
    let bad = deploy(&db, &variant(&db, "bad"), BAD, &[]);
    let jobs = db.start_many("nap", NAP, 4);
    let worker = Worker::start(&db, &[]);
    let shown = wait_quarantined(&db);
    assert_eq!(shown["deployment"], *bad);
    let quarantine = &shown["quarantine"];
    assert_eq!(quarantine["component"], shown["component"]);
    assert!(quarantine["attempts"].as_u64() >= Some(6), "{quarantine}");
    let failure = quarantine["failure"].as_str().unwrap();
    assert!(failure.starts_with("timed-out-wall: "), "{failure}");
    worker.wait_log("component quarantined");

    // Its jobs wait, each after attempts that name what they ran.
    wait_for("every nap to wait", || {
        let states: Vec<_> = jobs.iter().map(|id| db.job(id)["state"].clone()).collect();
        states.iter().all(|state| state == "ready").then_some(())
    });
    for id in &jobs {
        let explained = db.json(&["job", "explain", id]);
        let codes = explained["reasons"].as_array().unwrap().iter();
        assert_eq!(
            codes.map(|it| it["code"].clone()).next().unwrap(),
            "quarantined"
        );
        let first = &db.job(id)["attempts"][0];
        assert_eq!(
            (&first["deployment"], &first["component"]),
            (&Value::from(&*bad), &shown["component"])
        );
    }
    for (args, expected) in [
        (&["type", "list"][..], "quarantined"),
        (&["type", "show", "nap"], "attempts ended badly"),
        (&["type", "history", "nap"], "in force, quarantined"),
        (&["doctor"], "hint: `hardstop type rollback nap`"),
        (
            &["job", "explain", &jobs[0]],
            "`hardstop type rollback nap`",
        ),
    ] {
        let said = db.run(args).good().stdout;
        assert!(said.contains(expected), "{args:?}: {said}");
    }
    assert_eq!(db.run(&["resume", "nap"]).code, 1, "it is no pause");
    // The same component again stays where it is.
    let path = manifest(&db, &variant(&db, "bad"), GOOD);
    let said = db.run(&["deploy", &path]).good();
    assert!(said.stderr.contains("is quarantined since"), "{said:?}");
    assert!(nap(&db)["quarantine"].is_object());

    let back = db.json(&["type", "rollback", "nap"]);
    assert_eq!(back["to"], *good);
    for job in wait_completed(&db, &jobs) {
        assert_eq!(job["deployment"], *good, "{job}");
        assert!(!job["attempts"].as_array().unwrap().is_empty());
    }
    assert_eq!(nap(&db)["quarantine"], Value::Null);
    let again = db.run(&["type", "rollback", "nap"]);
    assert_eq!(again.code, 1);
    assert!(again.stderr.contains("to go back to from"), "{again:?}");
    let nobody = "01890000-0000-7000-8000-000000000000";
    let unknown = db.run(&["type", "rollback", "nap", "--to", nobody]);
    assert_eq!(unknown.code, 2);
    assert!(
        unknown.stderr.contains("there is no deployment"),
        "{unknown:?}"
    );
}

fn a_release_lets_the_same_component_run(kind: Kind) {
    let db = Database::new(kind, &[]);
    deploy(&db, &component("plain"), BAD, &[]);
    assert_eq!(
        db.run(&["type", "release", "nap"]).code,
        1,
        "nothing is quarantined"
    );
    let bad = db.start("nap", NAP);
    let _worker = Worker::start(&db, &[]);
    wait_quarantined(&db);
    db.run(&["job", "cancel", &bad]).good();
    let good = db.start("nap", r#"{"ms":1}"#);
    let released = db.json(&["type", "release", "nap"]);
    assert_eq!(released["released"], 1);
    db.wait_state(&good, "completed");
}

fn a_canary_takes_its_share_and_ends_by_quarantine(kind: Kind) {
    let db = Database::new(kind, &[]);
    let good = deploy(&db, &component("plain"), GOOD, &[]);
    let same = db.run(&[
        "deploy",
        &manifest(&db, &component("plain"), BAD),
        "--canary",
        "50",
    ]);
    assert_eq!(same.code, 2);
    assert!(
        same.stderr.contains("its component is the one in force"),
        "{same:?}"
    );
    let canary = deploy(&db, &variant(&db, "canary"), BAD, &["--canary", "50"]);
    let shown = nap(&db);
    assert_eq!(
        (&shown["deployment"], &shown["canary"]["percent"]),
        (&Value::from(&*good), &50.into())
    );
    let listed = db.run(&["type", "list"]).good().stdout;
    assert!(listed.contains(" 50%"), "{listed}");

    let jobs = db.start_many("nap", NAP, 30);
    let worker = Worker::start(&db, &[]);
    let jobs = wait_completed(&db, &jobs);
    worker.wait_log("canary quarantined");
    let tried = jobs.iter().filter(|job| {
        let attempts = job["attempts"].as_array().unwrap();
        assert!(
            attempts.iter().all(|it| it["deployment"] == *canary),
            "{job}"
        );
        assert_eq!(
            job["deployment"], *good,
            "only what is in force can complete it"
        );
        !attempts.is_empty()
    });
    // The chance of fewer, or more, is one in ten thousand.
    let tried = tried.count();
    assert!(
        (5..=25).contains(&tried),
        "{tried} of 30 went to the canary"
    );
    let shown = nap(&db);
    assert_eq!(
        (&shown["canary"], &shown["quarantine"]),
        (&Value::Null, &Value::Null)
    );
    let history = db.json(&["type", "history", "nap"]);
    let kinds: Vec<_> = history["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["kind"])
        .collect();
    assert_eq!(kinds, ["canary-ended", "quarantined", "canary", "deployed"]);
}

fn a_canary_is_promoted(kind: Kind) {
    let db = Database::new(kind, &[]);
    let none = db.run(&["type", "canary", "nap", "--promote"]);
    assert_eq!(none.code, 2, "{none:?}");
    let first = deploy(&db, &component("plain"), GOOD, &[]);
    let none = db.run(&["type", "canary", "nap", "--promote"]);
    assert_eq!(none.code, 1);
    assert!(none.stderr.contains("has no canary"), "{none:?}");
    let second = deploy(&db, &variant(&db, "second"), GOOD, &["--canary", "10"]);
    let _worker = Worker::start(&db, &[]);
    db.run(&["type", "canary", "nap", "--percent", "99"]).good();
    let ran = |expected: &str| {
        // A worker sees what changed a moment later.
        wait_for(&format!("a job to run {expected}"), || {
            let id = db.start("nap", r#"{"ms":1}"#);
            let job = db.wait_state(&id, "completed");
            (job["deployment"] == *expected).then_some(())
        });
    };
    ran(&second);
    db.run(&["type", "canary", "nap", "--end"]).good();
    ran(&first);
    assert_eq!(nap(&db)["canary"], Value::Null);
    let third = deploy(&db, &variant(&db, "third"), GOOD, &["--canary", "1"]);
    let promoted = db.json(&["type", "canary", "nap", "--promote"]);
    assert_eq!(promoted["deployment"], *third);
    ran(&third);
    assert_eq!(db.json(&["type", "rollback", "nap"])["to"], *first);
    ran(&first);
}

fn running_out_of_memory_is_answered_with_more_of_it_once(kind: Kind) {
    let db = Database::new(kind, &[]);
    // The guest's own memory is larger than the limit, and smaller than the larger one.
    let plain = "[types.noop.limits]\nmemory = \"1MiB\"\n[types.noop.retry]\nattempts_max = 1\nlarger_memory = \"16MiB\"\n";
    deploy(&db, &component("plain"), plain, &[]);
    let unruly = "[types.allocate.limits]\nmemory = \"4MiB\"\n[types.allocate.retry]\nlarger_memory = \"8MiB\"\n\
                  on = [\"out-of-memory\"]\nbackoff = \"1ms\"\n";
    deploy(&db, &component("unruly"), unruly, &[]);
    let shown = db.run(&["type", "show", "noop"]).good().stdout;
    assert!(
        shown.contains("out-of-memory: one attempt more, with a memory of 16MiB"),
        "{shown}"
    );
    let _worker = Worker::start(&db, &[]);
    let job = db.wait_state(&db.start("noop", "{}"), "completed");
    assert_eq!(job["attempt"], 2, "{job}");
    assert_eq!(job["attempts"][0]["outcome"], "out-of-memory");
    assert_eq!(job["attempts"][0]["usage"]["larger_memory"], Value::Null);
    assert_eq!(job["usage"]["larger_memory"], 16 << 20);

    // Even where the policy would try it again.
    let job = db.wait_state(&db.start("allocate", "{}"), "discarded");
    let attempts = job["attempts"].as_array().unwrap();
    assert_eq!((attempts.len(), &job["attempt"]), (2, &2.into()), "{job}");
    assert_eq!(attempts[1]["outcome"], "out-of-memory");
    assert_eq!(attempts[1]["usage"]["larger_memory"], 8 << 20);
    // A job that lowers the limit gets what it asked for.
    let said = db.run(&["start", "noop", "--memory", "512KiB"]).good();
    let job = db.wait_state(said.stdout.trim(), "discarded");
    assert_eq!(job["attempt"], 1, "{job}");

    for (types, expected) in [
        (
            "[types.noop.retry]\nlarger_memory = \"1GiB\"",
            "retry.larger_memory = 1GiB is not over the type's limit `memory` = 64MiB and at most the operator's \
             ceiling of 128MiB",
        ),
        (
            "[types.noop.retry]\nlarger_memory = \"64MiB\"",
            "is not over the type's limit",
        ),
        (
            "[types.noop.quarantine]\nattempts = 0",
            "quarantine.attempts = 0 is not from 1 to 1000",
        ),
        (
            "[types.noop.quarantine]\nfailures = \"lots\"",
            "failures = \"lots\" is not a share",
        ),
    ] {
        let said = db.run(&["deploy", &manifest(&db, &component("plain"), types)]);
        assert_eq!(said.code, 2, "{types}: {said:?}");
        assert!(said.stderr.contains(expected), "{types}: {said:?}");
    }
}

fn larger_memory_is_within_what_the_host_has(kind: Kind) {
    let db = Database::new(kind, &[]);
    std::fs::write(
        db.folder().join("hardstop.toml"),
        "[worker]\nmemory_budget = \"80MiB\"\n",
    )
    .unwrap();
    let types = "[types.noop.retry]\nlarger_memory = \"100MiB\"";
    let said = db.run(&["deploy", &manifest(&db, &component("plain"), types)]);
    assert_eq!(said.code, 2);
    assert!(
        said.stderr
            .contains("retry.larger_memory: limit `memory` = 100MiB"),
        "{said:?}"
    );
}

fn deployments_are_listed_and_compared(kind: Kind) {
    let db = Database::new(kind, &[]);
    let first = deploy(&db, &component("plain"), GOOD, &[]);
    let path = manifest(
        &db,
        &variant(&db, "second"),
        "[types.nap.limits]\nmemory = \"16MiB\"\n[types.nap.quarantine]\nenabled = false\n[types.noop]\n",
    );
    let said = db.run(&["deploy", &path, "--diff"]).good().stdout;
    for line in [
        "nap:\n",
        "    limits.memory: 8MiB -> 16MiB\n",
        "    limits.wall_timeout: 1m -> 30s\n",
        "    quarantine.enabled: true -> false\n",
        "    component: sha256:",
        "noop: added\n",
    ] {
        assert!(said.contains(line), "`{line}` is missing:\n{said}");
    }
    let listed = db.json(&["deployment", "list"]);
    assert_eq!(listed.as_array().unwrap().len(), 1, "nothing was stored");

    let second = db.json(&["deploy", &path])[0]["deployment"]
        .as_str()
        .unwrap()
        .to_owned();
    let listed = db.json(&["deployment", "list"]);
    assert_eq!(
        (&listed[0]["id"], &listed[1]["id"]),
        (&Value::from(&*second), &Value::from(&*first))
    );
    assert_eq!(listed[0]["types"], serde_json::json!(["nap", "noop"]));
    let shown = db.json(&["deployment", "show", &first]);
    assert_eq!(
        (&shown["id"], &shown["types"][0]["name"]),
        (&Value::from(&*first), &"nap".into())
    );
    let said = db
        .run(&["deployment", "diff", &second, &first])
        .good()
        .stdout;
    assert!(
        said.contains("    limits.memory: 16MiB -> 8MiB\n"),
        "{said}"
    );
    assert!(said.contains("noop: removed\n"), "{said}");
    let in_force = db.json(&["deployment", "diff", &second]);
    assert!(
        in_force
            .as_array()
            .unwrap()
            .iter()
            .all(|it| it["change"] == "same"),
        "{in_force}"
    );
    let history = db.run(&["type", "history", "nap"]).good().stdout;
    assert_eq!(history.matches("in force").count(), 1, "{history}");
    let unknown = db.run(&["deployment", "show", "01890000-0000-7000-8000-000000000000"]);
    assert_eq!(unknown.code, 2);
    assert!(
        unknown.stderr.contains("there is no deployment"),
        "{unknown:?}"
    );
    let without = db.run(&["type", "rollback", "noop", "--to", &first]);
    assert_eq!(without.code, 2);
    assert!(
        without
            .stderr
            .contains("does not have type `noop`, but nap"),
        "{without:?}"
    );
}
