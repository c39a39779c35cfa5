//! Types that keep failures only, through the real binary, with a database and with a server.

use hardstop_tests::{Database, Kind, Worker};

use crate::policy::manifest;

both_ways!(what_completes_at_once_need_not_be_kept);

fn what_completes_at_once_need_not_be_kept(kind: Kind) {
    let db = Database::new(kind, &[]);
    let path = manifest(&db, "[types.noop]\nkeep = \"nothing\"\n");
    let said = db.run(&["deploy", path.to_str().unwrap()]);
    assert_eq!(said.code, 2, "{said:?}");
    for part in ["keep", "`nothing`", "`all` or `failures`"] {
        assert!(said.stderr.contains(part), "`{part}` is missing: {said:?}");
    }

    let path = manifest(
        &db,
        r#"
        [types.noop]
        keep = "failures"

        [types.nap]
        keep = "failures"

        [types.fail]
        keep = "failures"
        retry = { backoff = "1ms" }
        "#,
    );
    db.run(&["deploy", path.to_str().unwrap()]).good();
    let said = db.run(&["type", "show", "noop"]).good().stdout;
    let line = "keeps       failures: a job that its first attempt completes leaves nothing\n";
    assert!(said.contains(line), "{said}");
    assert_eq!(db.json(&["type", "show", "noop"])["keep"], "failures");

    let _worker = Worker::start(&db, &[]);
    let discarded = db.start("fail", r#"{"until":99}"#);
    let recovered = db.start("fail", r#"{"until":2}"#);
    db.start_many("noop", "{}", 20);
    db.wait_state(&discarded, "discarded");
    let job = db.wait_state(&recovered, "completed");
    assert_eq!(job["attempts"].as_array().unwrap().len(), 1, "{job}");

    // Whoever waits is told why there is nothing to print.
    for args in [
        ["start", "noop", "--input", "{}", "--wait"],
        ["start", "nap", "--input", r#"{"ms":700}"#, "--wait"],
    ] {
        let said = db.run(&args);
        assert_eq!(said.code, 1, "{said:?}");
        assert!(said.stderr.contains("is gone: it completed"), "{said:?}");
    }
    let left = db.json(&["job", "list"]);
    let mut left: Vec<&str> = left
        .as_array()
        .unwrap()
        .iter()
        .map(|job| job["id"].as_str().unwrap())
        .collect();
    left.sort_unstable();
    let mut wanted = [discarded.as_str(), recovered.as_str()];
    wanted.sort_unstable();
    assert_eq!(left, wanted);
}
