//! Jobs that are completed from outside, and starts of many lines, through the real binary.

use std::fmt::Write as _;
use std::fs;
use std::process::Stdio;

use hardstop_tests::{Database, Kind, Said, Worker, hardstop, wait_for};

both_ways!(
    an_approval_of_two_steps_ends_in_a_handler,
    an_approval_goes_on_once_another_is_given,
    what_is_wrong_with_a_completion_is_said,
    nobody_completes_it_by_its_deadline,
    a_manifest_that_contradicts_itself_is_refused,
    many_lines_in_bounded_memory,
    a_bad_line_ends_the_start,
);

/// Deploys `review` and `approve`, which somebody outside completes.
fn deploy(db: &Database, deadline: &str) {
    let manifest = format!(
        r#"
        name = "approvals"
        [types.review]
        external = true
        deadline = "{deadline}"
        input_schema = {{ type = "object", required = ["amount"] }}
        [types.approve]
        external = true
        description = "a manager approves"
        output_schema = "approve.json"
        "#
    );
    fs::write(db.folder().join("job.toml"), manifest).unwrap();
    fs::write(db.folder().join("approve.json"), r#"{"type": "boolean"}"#).unwrap();
    db.run(&["deploy", "."]).good();
}

#[track_caller]
fn refused(said: &Said, code: i32, parts: &[&str]) {
    assert_eq!((said.code, said.stdout.as_str()), (code, ""), "{said:?}");
    for part in parts.iter().chain(&["hint: "]) {
        assert!(said.stderr.contains(part), "`{part}` is missing: {said:?}");
    }
}

fn an_approval_of_two_steps_ends_in_a_handler(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    deploy(&db, "1h");
    let _worker = Worker::start(&db, &[]);
    let started = db.json(&["start", "review", "-i", r#"{"amount": 5}"#]);
    let first = started[0]["chain_id"].as_str().unwrap().to_owned();
    let token = started[0]["completion_token"].as_str().unwrap().to_owned();
    let job = db.job(&first);
    assert_eq!(
        (&job["state"], &job["completion_token"]),
        (&"ready".into(), &token.clone().into())
    );
    let shown = db.run(&["job", "show", &first]).good().stdout;
    assert!(
        shown.contains(&token) && shown.contains("deadline"),
        "{shown}"
    );
    let next = db.json(&[
        "job",
        "complete",
        &first,
        "--token",
        &token,
        "--continue-with",
        "approve",
    ]);
    let second = next["continued_to"].as_str().unwrap().to_owned();
    let token = next["completion_token"].as_str().unwrap().to_owned();
    let said = db.run(&[
        "job",
        "complete",
        &second,
        "--token",
        &token,
        "--continue-with",
        "echo",
        "-i",
        r#"{"text": "approved"}"#,
    ]);
    let third = said.good().stdout;
    let third = third.trim().rsplit(' ').next().unwrap().to_owned();
    let last = db.wait_state(&third, "completed");
    assert_eq!(
        (&last["output"]["text"], &last["chain_id"]),
        (&"approved".into(), &first.into())
    );
}

fn an_approval_goes_on_once_another_is_given(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    deploy(&db, "1h");
    let _worker = Worker::start(&db, &[]);
    let [one, two] = [(); 2].map(|()| {
        let started = db.json(&["start", "approve"]);
        ["chain_id", "completion_token"].map(|name| started[0][name].as_str().unwrap().to_owned())
    });
    let go_on = |blocker: &str| {
        let mut args = vec!["job", "complete", &one[0], "--token", &one[1]];
        args.extend(["--continue-with", "echo", "-i", r#"{"text": "both"}"#]);
        args.extend(["--blocker", blocker, "--on-blocker-failure", "run"]);
        db.run(&args)
    };
    refused(&go_on(&one[0]), 2, &["chains block each other"]);
    refused(&go_on(&one[1]), 2, &["there is no chain"]);
    let said = go_on(&two[0]).good().stdout;
    let next = said.trim().rsplit(' ').next().unwrap();
    let job = db.job(next);
    assert_eq!(
        (&job["state"], &job["blockers"][0]["chain_id"]),
        (&"blocked".into(), &two[0].clone().into())
    );
    db.run(&[
        "job",
        "fail",
        &two[0],
        "--token",
        &two[1],
        "--message",
        "no",
    ])
    .good();
    let job = db.wait_state(next, "completed");
    assert_eq!(job["output"]["text"], "both");
    let bare = ["job", "complete", &one[0], "--token", &one[1], "-r", "1"];
    let bare: Vec<&str> = bare.into_iter().chain(["--blocker", &two[0]]).collect();
    assert_eq!(db.run(&bare).code, 2, "only what goes on waits");
}

fn what_is_wrong_with_a_completion_is_said(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    deploy(&db, "1h");
    let started = db.json(&["start", "approve"]);
    let id = started[0]["chain_id"].as_str().unwrap().to_owned();
    let token = started[0]["completion_token"].as_str().unwrap().to_owned();
    let complete = |id: &str, token: &str, result: &str| {
        db.run(&["job", "complete", id, "--token", token, "--result", result])
    };
    refused(
        &complete(&id, &id, "true"),
        1,
        &["the token is not that of job"],
    );
    refused(
        &complete(&id, &token, "5"),
        2,
        &["the output of `approve` does not match its schema: at /: 5 is not of type"],
    );
    refused(
        &complete(&id, &token, "{"),
        2,
        &["the output of `approve` is not JSON"],
    );
    refused(
        &db.run(&[
            "job",
            "complete",
            &id,
            "--token",
            &token,
            "--continue-with",
            "review",
        ]),
        2,
        &["the input of `review` does not match its schema"],
    );
    let handled = db.start("noop", "{}");
    refused(&complete(&handled, &token, "true"), 1, &["is not external"]);
    assert_eq!(db.job(&id)["state"], "ready");
    db.run(&[
        "job",
        "fail",
        &id,
        "--token",
        &token,
        "--message",
        "no budget",
        "--details",
        "[1]",
    ])
    .good();
    let job = db.job(&id);
    assert_eq!(
        (&job["state"], &job["failure"]["message"]),
        (&"discarded".into(), &"no budget".into())
    );
    refused(
        &complete(&id, &token, "true"),
        1,
        &["is discarded already", "job retry"],
    );
    // Types without a component are shown as what they are.
    let types = db.run(&["type", "list"]).good().stdout;
    assert!(
        types.contains("external, 1h") && types.contains("external, 168h"),
        "{types}"
    );
    db.run(&["type", "show", "approve"]).good();
    db.run(&["component", "list"]).good();
    db.run(&["doctor"]).good();
}

fn nobody_completes_it_by_its_deadline(kind: Kind) {
    let db = Database::new(kind, &[]);
    deploy(&db, "300ms");
    let id = db.start("review", r#"{"amount": 1}"#);
    let _worker = Worker::start(&db, &[]);
    let job = db.wait_state(&id, "discarded");
    assert_eq!(job["outcome"], "timed-out-wall", "{job}");
    let message = job["failure"]["message"].as_str().unwrap();
    assert!(
        message.contains("(300ms after it became ready)"),
        "{message}"
    );
}

fn a_manifest_that_contradicts_itself_is_refused(kind: Kind) {
    let db = Database::new(kind, &[]);
    for (text, part) in [
        ("name = 'x'\n[types.a]\n", "names no component"),
        (
            "name = 'x'\n[types.a]\nexternal = true\ndeadline = '367d'\n",
            "is not from 1ms to",
        ),
        (
            "name = 'x'\n[types.a]\nexternal = true\nretry = { attempts_max = 9 }\n",
            "`retry` is for types with a handler",
        ),
        (
            "name = 'x'\n[types.a]\nexternal = true\nkeep = 'failures'\n",
            "`keep` is for types with a handler",
        ),
        (
            "name = 'x'\n[types.a]\nexternal = true\ninput_schema = 'no.json'\n",
            "cannot read its input schema",
        ),
        (
            "name = 'x'\n[types.a]\nexternal = true\ninput_schema = { type = 5 }\n",
            "input schema cannot be used",
        ),
    ] {
        fs::write(db.folder().join("job.toml"), text).unwrap();
        let said = db.run(&["deploy", "."]);
        assert_eq!(said.code, 2, "{said:?}");
        assert!(said.stderr.contains(part), "`{part}` is missing: {said:?}");
    }
}

fn many_lines_in_bounded_memory(kind: Kind) {
    // 80 MB in all; fewer where they are sent to a server, which takes several times as long in a build for tests.
    let count = if kind == Kind::Served { 1_200 } else { 20_000 };
    let db = Database::new(kind, &["plain"]);
    let text = format!("{{\"text\": \"{}\"}}\n", "x".repeat(4_000));
    fs::write(db.folder().join("lines"), text.repeat(count)).unwrap();
    // Its ids are read only after it has ended its work, so that its peak can be seen.
    let ids = fs::File::create(db.folder().join("ids")).unwrap();
    let args = ["start", "echo", "--inputs", "lines"];
    let place = db.place(&args);
    let mut child = hardstop(db.folder(), &args)
        .args(place)
        .stdout(Stdio::from(ids))
        .spawn()
        .unwrap();
    let mut peak_kb = 0;
    let status = wait_for("the start to end", || {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|peak| peak.trim().strip_suffix(" kB")?.parse().ok());
        peak_kb = peak_kb.max(peak.unwrap_or(0));
        child.try_wait().unwrap()
    });
    assert!(status.success());
    let ids = fs::read_to_string(db.folder().join("ids")).unwrap();
    let unique: std::collections::BTreeSet<&str> = ids.lines().collect();
    assert_eq!(unique.len(), count);
    assert!((1_000..200 << 10).contains(&peak_kb), "{peak_kb} kB");
    assert_eq!(db.job(ids.lines().last().unwrap())["state"], "ready");
}

fn a_bad_line_ends_the_start(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let mut text = String::new();
    for line in 1..=1_500 {
        let input = if line == 1_200 {
            r#"{"test": 1}"#
        } else {
            r#"{"text": "x"}"#
        };
        writeln!(text, "{input}").unwrap();
    }
    fs::write(db.folder().join("lines"), text).unwrap();
    let said = db.run(&["start", "echo", "--inputs", "lines"]);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(
        said.stderr
            .contains("inputs lines, line 1200: the input of `echo`"),
        "{}",
        said.stderr
    );
    assert!(
        said.stderr.contains("1199 chains were started before it"),
        "{}",
        said.stderr
    );
    let ids: Vec<&str> = said.stdout.lines().collect();
    assert_eq!(ids.len(), 1_199);
    for id in [ids[0], ids[1_198]] {
        assert_eq!(db.job(id)["state"], "ready");
    }
}
