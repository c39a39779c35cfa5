//! What pages show and forms do, without a browser.

use hardstop_tests::{Database, Kind, Server, Worker, guest};
use serde_json::json;

use super::{deploy, led_to, page, send};

on_both!(
    lists_are_filtered_and_paged,
    many_jobs_are_steered_after_their_count_was_confirmed,
    dead_letters_are_grouped_and_replayed,
    deployments_are_compared_and_rolled_back,
    what_is_sensitive_is_on_no_page,
);

/// Every page that needs nothing to be there.
const PAGES: [&str; 10] = [
    "/",
    "/jobs",
    "/chains",
    "/types",
    "/deployments",
    "/schedules",
    "/dead-letters",
    "/workers",
    "/audit",
    "/tokens",
];

#[test]
fn empty_pages_say_what_to_do() {
    let db = Database::new(Kind::Sqlite, &[]);
    let server = Server::start(&db);
    for (path, said) in [
        ("/", "Nothing is deployed yet."),
        ("/jobs", "No job has been started yet."),
        ("/chains", "No chain has been started yet."),
        ("/types", "No type is deployed."),
        ("/deployments", "Nothing is deployed."),
        ("/schedules", "There is no schedule."),
        ("/dead-letters", "No job was discarded."),
        ("/workers", "No worker is running."),
        ("/audit", "Nothing was changed yet."),
        ("/tokens", "There is no token."),
        ("/jobs?state=running", "No job fits these filters."),
    ] {
        let body = page(&server, path).body;
        assert!(body.contains(said), "{path}: {body}");
    }
}

#[test]
fn errors_are_pages_that_say_what_failed_and_what_to_do() {
    let db = Database::new(Kind::Sqlite, &[]);
    let server = Server::start(&db);
    let nothing = "0198c2f4-7d5e-7c1a-b0de-5a3f0c9d2e11";
    for (path, status, said) in [
        (
            "/nothing".to_owned(),
            404,
            "nothing is served under this path",
        ),
        (format!("/jobs/{nothing}"), 404, "there is no job"),
        (format!("/chains/{nothing}"), 404, "there is no chain"),
        (
            format!("/deployments/{nothing}"),
            404,
            "there is no deployment",
        ),
        (format!("/replays/{nothing}"), 404, "there is no replay"),
        ("/types/nothing".to_owned(), 404, "is not deployed"),
        ("/schedules/nothing".to_owned(), 404, "there is no schedule"),
        ("/jobs/1".to_owned(), 400, "1"),
        ("/jobs?state=huge".to_owned(), 400, "`state`"),
        ("/jobs?since=yesterday".to_owned(), 400, "`since`"),
        ("/jobs?before=x".to_owned(), 400, "`before`"),
        ("/jobs?state=ready&error=x".to_owned(), 422, "has no error"),
        ("/jobs?type=nothing".to_owned(), 422, "is not deployed"),
        ("/jobs?key=x".to_owned(), 422, "name the type too"),
        ("/chains?state=continued".to_owned(), 422, "continued"),
        ("/audit?action=x".to_owned(), 422, "`action`"),
    ] {
        let answer = server.send("GET", &path, &[], b"");
        assert_eq!(answer.status, status, "{path}: {answer:#?}");
        assert_eq!(
            answer.header("content-type"),
            Some("text/html; charset=utf-8"),
            "{path}"
        );
        assert!(
            answer.body.contains(said) && answer.body.contains("class=\"failure\""),
            "{path}: {}",
            answer.body
        );
    }
    let answer = server.send("DELETE", "/jobs", &[], b"");
    assert_eq!(answer.status, 405, "{answer:?}");
    server.get("/nothing").problem(404, "no-such-route");
}

fn lists_are_filtered_and_paged(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let jobs = db.start_many("noop", "{}", 60);
    let other = db.start("echo", r#"{"text":"x"}"#);
    let server = Server::start(&db);
    let first = page(&server, "/jobs?type=noop").body;
    assert!(!first.contains(&other), "{first}");
    let older = first
        .split("href=\"")
        .map(|rest| rest.split('"').next().unwrap());
    let older = older
        .filter(|href| href.contains("before="))
        .last()
        .unwrap()
        .replace("&#38;", "&");
    let second = page(&server, &older).body;
    for job in &jobs {
        let there = [&first, &second].map(|page| page.contains(&format!("/jobs/{job}\"")));
        assert!(there[0] != there[1], "{job}: {there:?}");
    }
    assert!(
        second.contains("Newest") && !second.contains(">Older<"),
        "{second}"
    );
    for (path, is_there) in [
        ("/jobs?state=ready".to_owned(), true),
        ("/jobs?state=running".to_owned(), false),
        ("/jobs?since=1h".to_owned(), true),
        ("/jobs?until=1h".to_owned(), false),
        ("/chains?type=echo".to_owned(), true),
        ("/chains?state=completed".to_owned(), false),
    ] {
        assert_eq!(
            page(&server, &path).body.contains(&other),
            is_there,
            "{path}"
        );
    }
    for (asked, place) in [
        (other.as_str(), format!("/jobs/{other}")),
        ("noop", "/jobs?type=noop".to_owned()),
        ("ready", "/jobs?state=ready".to_owned()),
        ("a%20b%26c", "/jobs?error=a+b%26c".to_owned()),
        ("", "/jobs".to_owned()),
    ] {
        let answer = server.send("GET", &format!("/search?q={asked}"), &[], b"");
        assert_eq!(led_to(&answer), place, "{asked}");
    }
}

fn many_jobs_are_steered_after_their_count_was_confirmed(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let jobs = db.start_many("noop", "{}", 5);
    let server = Server::start(&db);
    let chosen = format!(
        "job={}&job={}&action=cancel&back=/jobs?type=noop",
        jobs[0], jobs[1]
    );
    let asked = send(&server, "/jobs/bulk", &chosen);
    assert!(
        asked.status == 200 && asked.body.contains("Cancel 2 jobs"),
        "{asked:?}"
    );
    assert_eq!(db.job(&jobs[0])["state"], "ready");
    let done = send(&server, "/jobs/bulk/confirmed", &chosen);
    assert!(
        done.body.contains("2 jobs cancelled") && done.body.contains("href=\"/jobs?type=noop\""),
        "{done:?}"
    );
    // The rest, by the filter; those that are cancelled are no more cancelled.
    let asked = send(&server, "/jobs/bulk", "type=noop&action=cancel-all");
    assert!(
        asked.body.contains("Cancel 3 jobs") && asked.body.contains("2 others"),
        "{asked:?}"
    );
    let asked = send(
        &server,
        "/jobs/bulk",
        "type=noop&state=cancelled&action=retry-all",
    );
    assert!(asked.body.contains("Retry 2 jobs"), "{asked:?}");
    let form = format!(
        "action=retry&job={}&job={}&job={}",
        jobs[0], jobs[1], jobs[2]
    );
    let done = send(&server, "/jobs/bulk/confirmed", &form);
    assert!(
        done.body.contains("2 jobs retried") && done.body.contains("1 job was not"),
        "{done:?}"
    );
    let audit = db.json(&["audit", "list", "--action", "retry-job"]);
    assert_eq!(audit.as_array().unwrap().len(), 2, "{audit}");
    let nothing = send(&server, "/jobs/bulk", "action=retry");
    assert!(
        nothing.body.contains("Choose jobs in the list first."),
        "{nothing:?}"
    );
    assert_eq!(send(&server, "/jobs/bulk", "action=burn").status, 422);
}

fn dead_letters_are_grouped_and_replayed(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    for until in [7, 8, 9] {
        db.start(
            "fail",
            &json!({ "until": until, "fatal": true }).to_string(),
        );
    }
    db.start("meddler", "{}");
    let server = Server::start(&db);
    {
        let _worker = Worker::start(&db, &[]);
        db.wait_all_final();
    }
    let body = page(&server, "/dead-letters").body;
    assert!(body.contains("attempt # of a job that wants #"), "{body}");
    assert!(
        body.contains("Replay 3 of fail") && body.contains("Replay 1 of meddler"),
        "{body}"
    );
    let asked = send(&server, "/dead-letters/replay", "type=fail");
    assert!(asked.body.contains("Replay 3 dead letters?"), "{asked:?}");
    assert!(!page(&server, "/dead-letters").body.contains("/replays/"));
    let done = send(
        &server,
        "/dead-letters/replay/confirmed",
        "type=fail&note=again+%3Cb%3E",
    );
    let place = led_to(&done);
    let replay = page(&server, &place).body;
    assert!(replay.contains("again &#60;b&#62;"), "{replay}");
    assert!(page(&server, "/dead-letters").body.contains(&place));
    assert!(
        page(&server, "/jobs?error=of+a+job+that")
            .body
            .contains("No job fits")
    );
    assert!(page(&server, "/jobs?error=chains").body.contains("meddler"));
}

fn deployments_are_compared_and_rolled_back(kind: Kind) {
    let db = Database::new(kind, &[]);
    deploy(&db);
    let first = db.json(&["deployment", "list"])[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    std::fs::write(
        db.folder().join("job.toml"),
        super::MANIFEST.replace("minimum = 1", "minimum = 2"),
    )
    .unwrap();
    db.run(&["deploy", "."]).good();
    let server = Server::start(&db);
    let body = page(&server, &format!("/deployments/{first}")).body;
    assert!(
        body.contains("input_schema.properties.amount.minimum"),
        "{body}"
    );
    let done = send(&server, "/types/review/rollback", &format!("to={first}"));
    assert_eq!(led_to(&done), "/types/review?done=rolled-back");
    assert_eq!(
        db.json(&["type", "show", "review"])["deployment"],
        first.as_str()
    );
    let again = send(&server, "/types/review/rollback", &format!("to={first}"));
    assert!(
        again.status == 409 && again.body.contains("in force for type"),
        "{again:?}"
    );
}

#[test]
fn a_schedule_is_paused_triggered_and_deleted() {
    let db = Database::new(Kind::Sqlite, &["plain"]);
    db.run(&[
        "schedule",
        "put",
        "a/b",
        "--type",
        "noop",
        "--cron",
        "0 3 * * *",
        "-i",
        "{}",
    ])
    .good();
    let server = Server::start(&db);
    assert!(
        page(&server, "/schedules")
            .body
            .contains("/schedules/a%2Fb")
    );
    assert!(page(&server, "/schedules/a%2Fb").body.contains("0 3 * * *"));
    let place = led_to(&send(&server, "/schedules/a%2Fb/trigger", ""));
    assert!(page(&server, &place).body.contains("noop"));
    led_to(&send(&server, "/schedules/a%2Fb/pause", ""));
    assert!(page(&server, "/schedules/a%2Fb").body.contains("resume it"));
    led_to(&send(&server, "/schedules/a%2Fb/resume", ""));
    led_to(&send(&server, "/schedules/a%2Fb/delete", ""));
    assert!(
        page(&server, "/schedules")
            .body
            .contains("There is no schedule.")
    );
}

#[test]
fn the_start_form_says_at_each_field_what_is_wrong() {
    let db = Database::new(Kind::Sqlite, &[]);
    deploy(&db);
    let server = Server::start(&db);
    let form = page(&server, "/types/review/start").body;
    for part in [
        "name=\"input/title\"",
        "name=\"input/amount\"",
        "value=\"5\"",
        "type=\"password\"",
        "name=\"input/address/street\"",
        "name=\"input/tags/0\"",
        "<option value=\"&#34;large&#34;\"",
    ] {
        assert!(form.contains(part), "{part}: {form}");
    }
    let filled = "input/title=&input/amount=0&input/urgent%3F=&input/card=canary-1&input/any=%7B";
    let wrong = send(&server, "/types/review/start", filled);
    assert_eq!(wrong.status, 422, "{wrong:?}");
    assert!(
        wrong.body.contains("id=\"input.any.error\">not JSON"),
        "{}",
        wrong.body
    );
    let filled = filled.replace("%7B", "1");
    let wrong = send(&server, "/types/review/start", &filled);
    assert_eq!(wrong.status, 422, "{wrong:?}");
    for part in [
        "id=\"input.title.error\">it is required",
        "id=\"input.amount.error\">it is less than the minimum of 1",
    ] {
        assert!(wrong.body.contains(part), "{part}: {}", wrong.body);
    }
    assert!(!wrong.body.contains("canary-1"), "{}", wrong.body);
    let more = send(
        &server,
        "/types/review/start",
        "input/tags/0=a&add=input/tags",
    );
    assert!(
        more.status == 200 && more.body.contains("name=\"input/tags/1\""),
        "{more:?}"
    );
    let good = "input/title=a%22%3E%3Cb&input/amount=7&input/urgent%3F=&input/urgent=true&input/tags/0=x&input/address/street=s&input/any=&after=1h&priority=-3&key=k";
    let place = led_to(&send(&server, "/types/review/start", good));
    let job = place
        .strip_prefix("/jobs/")
        .unwrap()
        .split('?')
        .next()
        .unwrap();
    let job = db.job(job);
    assert_eq!(
        job["input"],
        json!({ "title": "a\"><b", "amount": 7, "urgent": true, "tags": ["x"], "address": { "street": "s" } })
    );
    assert_eq!(
        (&job["priority"], &job["state"], &job["key"]),
        (&json!(-3), &json!("scheduled"), &json!("k"))
    );
    // The key is taken.
    let again = led_to(&send(&server, "/types/review/start", good));
    assert!(again.ends_with("?done=deduplicated"), "{again}");
    let raw = send(
        &server,
        "/types/review/start",
        "raw=yes&json=%7B%22title%22%3A1%7D",
    );
    assert!(
        raw.status == 422 && raw.body.contains("/amount: it is required"),
        "{raw:?}"
    );
    let raw = send(&server, "/types/review/start", "raw=yes&json=nothing");
    assert!(
        raw.status == 422 && raw.body.contains("is not JSON"),
        "{raw:?}"
    );
}

#[test]
fn what_others_wrote_is_text_wherever_it_is() {
    const HOSTILE: &str = "\"><script>alert(1)</script>'&<img src=x onerror=alert(2)>";
    let db = Database::new(Kind::Sqlite, &["plain"]);
    let manifest =
        super::MANIFEST.replace("Somebody <b>looks</b>", "<script>alert(1)</script> looks");
    std::fs::write(db.folder().join("job.toml"), manifest).unwrap();
    db.run(&["deploy", "."]).good();
    let input = json!({ "title": HOSTILE, "amount": 1, HOSTILE: HOSTILE }).to_string();
    let started = db.json(&["start", "review", "-i", &input, "--key", HOSTILE]);
    let (id, token) = (
        started[0]["chain_id"].as_str().unwrap(),
        started[0]["completion_token"].as_str().unwrap(),
    );
    let text = json!({ "text": HOSTILE }).to_string();
    let echo = db.start("echo", &text);
    let args = [
        "schedule", "put", "s", "--type", "echo", "--every", "1h", "-i", &text,
    ];
    db.run(&args).good();
    db.run(&["pause", "noop", "--note", HOSTILE]).good();
    {
        let _worker = Worker::start(&db, &[]);
        db.wait_state(&echo, "completed");
    }
    let server = Server::start(&db);
    let mut pages: Vec<String> = PAGES.map(str::to_owned).into();
    pages.extend([
        format!("/jobs/{id}"),
        format!("/jobs/{echo}"),
        format!("/chains/{echo}"),
        "/types/review".to_owned(),
        "/types/review/start".to_owned(),
        "/types/noop".to_owned(),
        "/schedules/s".to_owned(),
        "/jobs?error=%22%3E%3Cscript%3Ealert(1)".to_owned(),
        "/jobs?type=review&key=%22%3E%3Cscript%3Ealert(1)".to_owned(),
        "/audit?actor=%22%3E%3Cscript%3Ealert(1)".to_owned(),
        "/login?next=%22%3E%3Cscript%3Ealert(1)".to_owned(),
        "/nothing/%22%3E%3Cscript%3Ealert(1)".to_owned(),
    ]);
    let check = |server: &Server| {
        for path in &pages {
            let body = server.send("GET", path, &[], b"").body;
            for mark in ["<script>alert", "<img src=x", "\"><script"] {
                assert!(!body.contains(mark), "{path}: {mark}: {body}");
            }
        }
    };
    check(&server);
    let failed = db.run(&["job", "fail", id, "--token", token, "--message", HOSTILE]);
    failed.good();
    check(&server);
    let body = page(&server, &format!("/jobs/{id}")).body;
    assert!(body.contains("&#60;script&#62;alert(1)"), "{body}");
    // A token with such a name asks for itself: last.
    let secret = db
        .run(&["token", "create", HOSTILE, "--scope", "admin"])
        .good()
        .stdout;
    let mut server = server;
    server.use_token(Some(secret.trim()));
    send(&server, &format!("/jobs/{id}/retry"), "");
    check(&server);
    assert!(page(&server, "/audit").body.contains("&#60;script&#62;"));
}

/// Marked in the schema: on no page, whatever the job came to.
fn what_is_sensitive_is_on_no_page(kind: Kind) {
    const CANARY: &str = "canary-93d1";
    let db = Database::new(kind, &[]);
    deploy(&db);
    let input = json!({ "title": "shown-17", "amount": 1, "card": CANARY }).to_string();
    let started = db.json(&["start", "review", "-i", &input]);
    let (id, token) = (
        started[0]["chain_id"].as_str().unwrap().to_owned(),
        started[0]["completion_token"].as_str().unwrap(),
    );
    db.run(&[
        "schedule", "put", "s", "--type", "review", "--every", "1h", "-i", &input,
    ])
    .good();
    let output = json!({ "pin": CANARY, "open": "shown-18" }).to_string();
    db.run(&[
        "job", "complete", &id, "--token", token, "--result", &output,
    ])
    .good();
    let server = Server::start(&db);
    let mut pages: Vec<String> = PAGES.map(str::to_owned).into();
    pages.extend([
        format!("/jobs/{id}"),
        format!("/chains/{id}"),
        "/types/review".to_owned(),
        "/schedules/s".to_owned(),
    ]);
    for path in &pages {
        assert!(!page(&server, path).body.contains(CANARY), "{path}");
    }
    let job = page(&server, &format!("/jobs/{id}")).body;
    assert!(
        job.contains("shown-17") && job.contains("shown-18") && job.contains("(not shown)"),
        "{job}"
    );
    let wrong = format!("input/title=&input/amount=x&input/card={CANARY}");
    let wrong = send(&server, "/types/review/start", &wrong);
    assert!(
        wrong.status == 422 && !wrong.body.contains(CANARY),
        "{wrong:?}"
    );
}

#[test]
fn what_was_refused_is_shown_with_the_lines_that_grant_it() {
    let db = Database::new(Kind::Sqlite, &["plain"]);
    assert!(guest("plain").exists());
    let job = db.start("meddler", "{}");
    {
        let _worker = Worker::start(&db, &[]);
        db.wait_state(&job, "discarded");
    }
    let server = Server::start(&db);
    let body = page(&server, &format!("/jobs/{job}")).body;
    for part in [
        "Refused: chains.",
        "[types.meddler.capabilities]\nchains = true",
        "Usage against limits",
        "wall_timeout",
    ] {
        assert!(body.contains(part), "{part}: {body}");
    }
}
