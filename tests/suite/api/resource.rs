//! Everything that can be looked at and done, on both databases.

use std::fs;

use hardstop_tests::{Database, Kind, Server, Worker, wait_for};
use serde_json::{Value, json};

on_both!(
    chains_are_started_listed_cancelled_and_deleted,
    lists_are_paged_exactly,
    jobs_are_shown_and_steered,
    external_jobs_are_completed,
    types_and_deployments_are_shown_and_steered,
    schedules_are_made_and_steered,
    pauses_begin_and_end,
    dead_letters_are_previewed_and_replayed,
);

fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value}"))
        .to_owned()
}

fn start(server: &Server, body: Value) -> String {
    text(&server.post("/chains", body).good()["chain_id"])
}

fn chains_are_started_listed_cancelled_and_deleted(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let server = Server::start(&db);
    let a = start(
        &server,
        json!({ "type": "noop", "key": "k", "after": "1h" }),
    );
    let again = server
        .post("/chains", json!({ "type": "noop", "key": "k" }))
        .good();
    assert_eq!(again, json!({ "chain_id": a, "deduplicated": true }));
    let bulk = json!({ "chains": [
        { "type": "noop", "blockers": [a] },
        { "type": "echo", "input": { "text": "two" }, "priority": -5, "limits": { "wall_timeout": "2s" } },
    ] });
    let bulk = server.post("/chains/bulk", bulk);
    assert_eq!(bulk.status, 201);
    let bulk = bulk.json();
    let blocked = text(&bulk["items"][0]["chain_id"]);
    // All or none.
    let count = || {
        server.get("/chains").good()["items"]
            .as_array()
            .unwrap()
            .len()
    };
    let before = count();
    let half = json!({ "chains": [{ "type": "noop" }, { "type": "nothing" }] });
    server
        .post("/chains/bulk", half)
        .problem(422, "not-deployed");
    assert_eq!(count(), before);
    let graph = json!({ "chains": [
        { "name": "last", "type": "noop", "blockers": ["first"] },
        { "name": "first", "type": "noop" },
    ] });
    let graph = server.post("/chains/graph", graph).good();
    assert_eq!(graph["items"][1]["name"], "first");
    let last = text(&graph["items"][0]["chain_id"]);
    let shown = server.get(&format!("/chains/{last}")).good();
    assert_eq!(
        shown["blockers"][0]["chain_id"],
        graph["items"][1]["chain_id"]
    );

    let echo = text(&bulk["items"][1]["chain_id"]);
    let job = server.get(&format!("/jobs/{echo}")).good();
    assert_eq!(
        (&job["input"], &job["priority"]),
        (&json!({ "text": "two" }), &json!(-5))
    );
    assert_eq!(job["limits"]["wall_timeout"], "2s");

    let path = format!("/chains/{a}");
    let refused = server.call("DELETE", &path, None);
    refused.problem(409, "conflict");
    let cancelled = server.post(&format!("{path}/cancel"), json!({})).good();
    assert_eq!(cancelled["was"], "scheduled");
    server
        .post(&format!("{path}/cancel"), json!({}))
        .problem(409, "conflict");
    let listed = server
        .get("/chains?state=cancelled&type=noop&limit=10")
        .good();
    let ids: Vec<&Value> = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["id"])
        .collect();
    assert!(ids.contains(&&json!(a)), "{listed}");
    let deleted = server
        .call("DELETE", &format!("{path}?cascade=true"), None)
        .good();
    assert_eq!(deleted["chains"][0], json!(a));
    server.get(&path).problem(404, "no-such-chain");
    let _ = blocked;
}

fn lists_are_paged_exactly(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let server = Server::start(&db);
    let mut started = db.start_many("noop", "{}", 25);
    db.start_many("fail", r#"{"until":1}"#, 5);
    started.reverse();
    for (list, key) in [("jobs", "id"), ("chains", "id")] {
        let mut seen = Vec::new();
        let mut path = format!("/{list}?type=noop&limit=10");
        let mut pages = 0;
        loop {
            let page = server.get(&path).good();
            seen.extend(
                page["items"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|it| text(&it[key])),
            );
            pages += 1;
            match page["next"].as_str() {
                // Whatever is started meanwhile is newer, and in no later page.
                Some(next) => path = format!("/{list}?type=noop&limit=10&cursor={next}"),
                None => break,
            }
            db.start("noop", "{}");
        }
        assert_eq!(seen[seen.len() - 25..], started, "{list}");
        assert_eq!(pages, 3, "{list}");
        // The next list begins with what was started during this one.
        let newer: Vec<String> = db
            .jobs()
            .iter()
            .filter(|it| it["type"] == "noop")
            .map(|it| text(&it["id"]))
            .collect();
        started = newer;
        started.truncate(25);
        if list == "jobs" {
            let rest = server.get("/chains?type=noop&limit=1000").good();
            let all: Vec<String> = rest["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|it| text(&it["id"]))
                .collect();
            started = all[all.len() - 25..].to_vec();
        }
    }
}

fn jobs_are_shown_and_steered(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let server = Server::start(&db);
    let id = start(
        &server,
        json!({ "type": "fail", "input": { "until": 9, "fatal": true }, "after": "1h" }),
    );
    let path = format!("/jobs/{id}");
    let explained = server.get(&format!("{path}/explain")).good();
    assert_eq!(explained["reasons"][0]["code"], "scheduled");
    let moved = server
        .post(&format!("{path}/reschedule"), json!({ "after": "2h" }))
        .good();
    assert_eq!(
        (&moved["was"], &moved["state"]),
        (&json!("scheduled"), &json!("scheduled"))
    );
    server
        .post(&format!("{path}/reschedule"), json!({}))
        .problem(422, "invalid");
    let moved = server.post(&format!("{path}/trigger"), json!({})).good();
    assert_eq!(moved["state"], "ready");
    let listed = server.get("/jobs?state=ready&type=fail").good();
    assert_eq!(listed["items"][0]["id"], json!(id));
    let _worker = Worker::start(&db, &[]);
    let job = wait_for("the job to fail", || {
        let job = server.get(&path).good();
        (job["state"] == "discarded").then_some(job)
    });
    assert_eq!(job["outcome"], "failed-fatal");
    assert!(job["completion_token"].is_null());
    let attempts = server.get(&format!("{path}/attempts")).good();
    assert_eq!(attempts[0]["outcome"], "failed-fatal");
    assert!(attempts[0]["usage"].is_object());
    let logs = server.get(&format!("{path}/logs")).good();
    assert!(logs.is_array());
    let explained = server.get(&format!("{path}/explain")).good();
    assert_eq!(explained["reasons"][0]["code"], "discarded");
    let retried = server.post(&format!("{path}/retry"), json!({})).good();
    assert_eq!(
        (&retried["was"], &retried["state"]),
        (&json!("discarded"), &json!("ready"))
    );
    let nap = start(&server, json!({ "type": "nap", "input": { "ms": 50_000 } }));
    wait_for("the nap to begin", || {
        (server.get(&format!("/jobs/{nap}")).good()["state"] == "running").then_some(())
    });
    let cancelled = server
        .post(&format!("/jobs/{nap}/cancel"), json!({}))
        .good();
    assert_eq!(
        cancelled,
        json!({ "id": nap, "was": "running", "state": "cancelled" })
    );
    server
        .post(&format!("/jobs/{nap}/cancel"), json!({}))
        .problem(409, "conflict");
    let sessions = server.get("/sessions").good();
    assert_eq!(sessions.as_array().unwrap().len(), 1);
}

fn external_jobs_are_completed(kind: Kind) {
    let db = Database::new(kind, &[]);
    fs::write(
        db.folder().join("job.toml"),
        "name = \"approvals\"\n[types.review]\nexternal = true\noutput_schema = { type = \"boolean\" }\n",
    )
    .unwrap();
    db.run(&["deploy", "."]).good();
    let server = Server::start(&db);
    let started = server.post("/chains", json!({ "type": "review" })).good();
    let (id, token) = (
        text(&started["chain_id"]),
        started["completion_token"].clone(),
    );
    let path = format!("/jobs/{id}");
    assert_eq!(
        server.get(&format!("{path}/completion")).good()["completion_token"],
        token
    );
    let other = "00000000-0000-4000-8000-000000000000";
    let complete = format!("{path}/complete");
    server
        .post(&complete, json!({ "token": other, "output": true }))
        .problem(403, "wrong-completion-token");
    server
        .post(&complete, json!({ "token": token, "output": 5 }))
        .problem(422, "schema-mismatch");
    let next = server
        .post(
            &format!("{path}/continue"),
            json!({ "token": token, "type": "review" }),
        )
        .good();
    assert_eq!(next["state"], "continued");
    let (second, token) = (
        text(&next["continued_to"]),
        next["completion_token"].clone(),
    );
    let done = server
        .post(
            &format!("/jobs/{second}/complete"),
            json!({ "token": token, "output": true }),
        )
        .good();
    assert_eq!(done["state"], "completed");
    server
        .get(&format!("/jobs/{second}/completion"))
        .problem(409, "conflict");
    let third = server.post("/chains", json!({ "type": "review" })).good();
    let fail =
        json!({ "token": third["completion_token"], "message": "no", "details": { "by": "ada" } });
    let failed = server
        .post(&format!("/jobs/{}/fail", text(&third["chain_id"])), fail)
        .good();
    assert_eq!(failed["state"], "discarded");
}

fn types_and_deployments_are_shown_and_steered(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let server = Server::start(&db);
    let first = text(&server.get("/types/echo").good()["deployment"]);
    // The server hears of what another process deploys.
    db.run(&["deploy", hardstop_tests::guest("plain").to_str().unwrap()])
        .good();
    let types = server.get("/types").good();
    let echo = types
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["name"] == "echo")
        .unwrap()
        .clone();
    assert!(echo["paused"].is_null());
    let second = text(&echo["deployment"]);
    assert_ne!(first, second);
    let history = server.get("/types/echo/history").good();
    assert_eq!(history["deployments"].as_array().unwrap().len(), 2);
    let listed = server.get("/deployments?limit=1").good();
    assert_eq!(
        (listed.as_array().unwrap().len(), &listed[0]["id"]),
        (1, &json!(second))
    );
    assert_eq!(
        server.get(&format!("/deployments/{first}")).good()["id"],
        json!(first)
    );
    let diff = server
        .get(&format!("/deployments/{first}/diff?to={second}"))
        .good();
    assert!(
        diff.as_array()
            .unwrap()
            .iter()
            .all(|it| it["change"] == "same"),
        "{diff}"
    );
    server.get(&format!("/deployments/{first}/diff")).good();
    let rolled = server.post("/types/echo/rollback", json!({})).good();
    assert_eq!(
        (&rolled["from"], &rolled["to"]),
        (&json!(second), &json!(first))
    );
    let rolled = server
        .post("/types/echo/rollback", json!({ "to": second }))
        .good();
    assert_eq!(rolled["to"], json!(second));
    server
        .post("/types/echo/canary", json!({ "percent": 5 }))
        .problem(409, "conflict");
    server
        .post("/types/echo/canary", json!({ "end": {} }))
        .problem(409, "conflict");
    server
        .post("/types/echo/release", json!({}))
        .problem(409, "conflict");
    let components = server.get("/components").good();
    let digest = text(&components[0]["digest"]);
    assert_eq!(
        server.get(&format!("/components/{digest}")).good(),
        components[0]
    );
    assert_eq!(server.get("/components/plain").good(), components[0]);
}

fn schedules_are_made_and_steered(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let server = Server::start(&db);
    let put = |body: Value| server.call("PUT", "/schedules/reports%2Fdaily", Some(body));
    let made =
        put(json!({ "type": "noop", "cron": "0 9 * * mon-fri", "time_zone": "Europe/Berlin" }));
    assert_eq!(made.good()["created"], true);
    let changed =
        put(json!({ "type": "noop", "every": "15m", "missed": "skip", "input": { "a": 1 } }))
            .good();
    assert_eq!(changed["created"], false);
    put(json!({ "type": "noop" })).problem(422, "invalid");
    put(json!({ "type": "noop", "every": "15m", "cron": "@daily" })).problem(422, "invalid");
    put(json!({ "type": "nothing", "every": "15m" })).problem(422, "not-deployed");
    let shown = server.get("/schedules/reports%2Fdaily").good();
    assert_eq!(
        (&shown["input"], shown["next"].as_array().unwrap().len()),
        (&json!({ "a": 1 }), 5)
    );
    assert_eq!(server.get("/schedules").good()[0]["name"], "reports/daily");
    for (what, done) in [("pause", "paused"), ("resume", "resumed")] {
        let answer = server.post(&format!("/schedules/reports%2Fdaily/{what}"), json!({}));
        assert_eq!(answer.good()["done"], done);
    }
    let chain = text(
        &server
            .post("/schedules/reports%2Fdaily/trigger", json!({}))
            .good()["chain_id"],
    );
    assert_eq!(
        server.get(&format!("/jobs/{chain}")).good()["input"],
        json!({ "a": 1 })
    );
    server
        .call("DELETE", "/schedules/reports%2Fdaily", None)
        .good();
    assert_eq!(server.get("/schedules").good(), json!([]));
}

fn pauses_begin_and_end(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let server = Server::start(&db);
    let pause = server
        .post(
            "/pause",
            json!({ "type": "noop", "for": "10m", "note": "why" }),
        )
        .good();
    assert_eq!(
        (&pause["type"], &pause["note"]),
        (&json!("noop"), &json!("why"))
    );
    server.post("/pause", json!({})).good();
    let pauses = server.get("/pauses").good();
    assert_eq!(
        (&pauses[0]["type"], &pauses[1]["type"]),
        (&Value::Null, &json!("noop"))
    );
    server.post("/resume", json!({ "type": "noop" })).good();
    server.post("/resume", json!({})).good();
    assert_eq!(server.get("/pauses").good(), json!([]));
}

fn dead_letters_are_previewed_and_replayed(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let jobs = db.start_many("fail", r#"{"until":9,"fatal":true}"#, 3);
    {
        let mut worker = Worker::start(&db, &[]);
        db.wait_all_final();
        worker.drain();
    }
    let server = Server::start(&db);
    let page = server
        .get("/dead-letters?type=fail&outcome=failed-fatal&limit=2")
        .good();
    let next = text(&page["next"]);
    let rest = server
        .get(&format!(
            "/dead-letters?type=fail&outcome=failed-fatal&limit=2&cursor={next}"
        ))
        .good();
    assert_eq!(rest["items"].as_array().unwrap().len(), 1);
    let shown = server.get(&format!("/dead-letters/{}", jobs[0])).good();
    assert_eq!(shown["failure"]["kind"], "failed-fatal");
    let preview = server
        .post("/dead-letters/preview", json!({ "type": "fail" }))
        .good();
    assert_eq!(
        (&preview["jobs"], &preview["dry_run"], &preview["replay"]),
        (&json!(3), &json!(true), &Value::Null)
    );
    let one = server
        .post("/replays", json!({ "jobs": [jobs[0]], "note": "again" }))
        .good();
    assert_eq!(one["jobs"], 1);
    server
        .get(&format!("/dead-letters/{}", jobs[0]))
        .problem(409, "conflict");
    let replay = server.post("/replays", json!({ "all": true })).good();
    assert_eq!(replay["jobs"], 2);
    let id = text(&replay["replay"]);
    let replays = server.get("/replays?limit=1").good();
    assert_eq!(replays["items"][0]["id"], json!(id));
    let older = server
        .get(&format!(
            "/replays?limit=1&cursor={}",
            text(&replays["next"])
        ))
        .good();
    assert_eq!(older["items"][0]["note"], "again");
    assert_eq!(
        server.get(&format!("/replays/{id}")).good()["id"],
        json!(id)
    );
    let jobs = server.get(&format!("/replays/{id}/jobs?limit=1")).good();
    let after = server
        .get(&format!(
            "/replays/{id}/jobs?limit=1&cursor={}",
            text(&jobs["next"])
        ))
        .good();
    assert_eq!(after["items"].as_array().unwrap().len(), 1);
}
