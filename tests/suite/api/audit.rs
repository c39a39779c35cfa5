//! What is recorded of changes, whoever makes them.

use std::fs;

use hardstop_tests::{Database, Kind, Server};
use serde_json::{Value, json};

on_both!(
    changes_of_people_and_programs_are_recorded,
    what_is_sensitive_is_in_no_record,
);

fn changes_of_people_and_programs_are_recorded(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let job = db.start("noop", "{}");
    let said = db.run(&["job", "cancel", &job]).good();
    assert!(said.stdout.contains("is cancelled"), "{said:?}");
    let args = ["token", "create", "bot", "--scope", "admin", "-o", "json"];
    let made = db.run(&args).good().json();
    let mut server = Server::start(&db);
    server.use_token(made["secret"].as_str());
    server.post(&format!("/jobs/{job}/retry"), json!({})).good();
    server
        .post("/pause", json!({ "type": "noop", "note": "too many" }))
        .good();

    let page = server.get("/audit?limit=3").good();
    let items = page["items"].as_array().unwrap();
    let actions: Vec<&Value> = items.iter().map(|it| &it["action"]).collect();
    assert_eq!(actions, ["pause", "retry-job", "create-token"]);
    assert_eq!(
        (&items[0]["actor"], &items[0]["token"]),
        (&json!("bot"), &made["id"])
    );
    assert_eq!(items[0]["after"]["note"], "too many");
    assert_eq!(
        (&items[1]["subject"], &items[1]["before"]),
        (&json!(job), &json!({ "state": "cancelled" }))
    );
    let next = page["next"].as_str().unwrap();
    let older = server.get(&format!("/audit?limit=3&cursor={next}")).good();
    assert_eq!(older["items"][0]["action"], "cancel-job");
    assert!(older["items"][0]["token"].is_null());
    assert_eq!(older["items"][1]["action"], "deploy", "{older}");
    assert!(older["items"][1]["after"]["noop"]["limits"].is_object());
    let one = server.get("/audit?action=retry-job&actor=bot").good();
    assert_eq!(one["items"].as_array().unwrap().len(), 1);

    // The same, exported both ways.
    let lines: Vec<Value> = server
        .send("GET", "/api/v1/audit/export", &[], b"")
        .body
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[..3], items[..]);
    assert_eq!(db.run(&["audit", "export"]).good().json_lines(), lines);
    assert_eq!(
        db.json(&["audit", "list"]).as_array().unwrap()[..],
        lines[..]
    );
    let said = db.run(&["audit", "list", "--action", "cancel-job"]).good();
    assert!(said.stdout.contains(&job), "{said:?}");
    let said = db.run(&["audit", "list", "--action", "nothing"]);
    assert_eq!(said.code, 2, "{said:?}");
}

/// In the input, the output, the completion token's job, a schedule and the environment: nothing of it is recorded.
fn what_is_sensitive_is_in_no_record(kind: Kind) {
    const CANARY: &str = "canary-31b7";
    let db = Database::new(kind, &[]);
    fs::write(
        db.folder().join("job.toml"),
        "name = \"a\"\n[types.review]\nexternal = true\n",
    )
    .unwrap();
    db.run(&["deploy", "."]).good();
    let input = json!({ "card": CANARY }).to_string();
    let started = db.json(&["start", "review", "-i", &input]);
    let (id, token) = (
        started[0]["chain_id"].as_str().unwrap(),
        started[0]["completion_token"].as_str().unwrap(),
    );
    let output = json!(CANARY).to_string();
    db.run(&["job", "complete", id, "--token", token, "--result", &output])
        .good();
    db.run(&[
        "schedule", "put", "s", "--type", "review", "--every", "1h", "-i", &input,
    ])
    .good();
    db.run(&["schedule", "trigger", "s"]).good();
    let secret = db
        .run(&["token", "create", "t", "--scope", "read"])
        .good()
        .stdout;
    let all = db.run(&["audit", "export"]).good().stdout;
    for action in [
        "deploy",
        "complete-job",
        "put-schedule",
        "trigger-schedule",
        "create-token",
    ] {
        assert!(all.contains(&format!("\"{action}\"")), "{action}: {all}");
    }
    for sensitive in [CANARY, token, secret.trim()] {
        assert!(!all.contains(sensitive), "{sensitive}: {all}");
    }
}
