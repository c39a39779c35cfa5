//! What pages show and forms do, without a browser.

use hardstop_tests::{Database, Kind, Server, Worker, guest, wait_for};
use serde_json::json;

use super::{deploy, led_to, page, send};

on_both!(
    lists_are_filtered_and_paged,
    many_jobs_are_steered_after_their_count_was_confirmed,
    dead_letters_are_grouped_and_replayed,
    deployments_are_compared_and_rolled_back,
    what_is_sensitive_is_on_no_page,
    what_is_sensitive_is_in_no_failure,
    the_overview_tells_numbers_and_what_is_wrong,
);

/// Every page that needs nothing to be there.
const PAGES: [&str; 11] = [
    "/",
    "/jobs",
    "/chains",
    "/types",
    "/deployments",
    "/schedules",
    "/dead-letters",
    "/workers",
    "/subscriptions",
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
        ("/subscriptions", "Nobody subscribes to events."),
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

/// A job that is started with an input that does not fit fails with what does not; whoever starts one is told. Neither
/// quotes an input of which the schema marks a part.
fn what_is_sensitive_is_in_no_failure(kind: Kind) {
    const CANARY: u32 = 3_141_592_653;
    let db = Database::new(kind, &["plain"]);
    deploy(&db);
    let server = Server::with(&db, &[]);
    let went = db.start("astray", &json!(["review", CANARY]).to_string());
    db.wait_state(&went, "discarded");
    let message = db.job(&went)["failure"]["message"].to_string();
    assert!(message.contains("it is not of type"), "{message}");
    assert!(!message.contains(&CANARY.to_string()), "{message}");
    let wrong = json!({ "title": "x", "amount": 1, "card": { "number": CANARY } });
    let refused = server.post(
        "/chains",
        json!({ "type": "review", "input": wrong.clone() }),
    );
    assert!(refused.body.contains("/card"), "{refused:#?}");
    let told = db.run(&["start", "review", "-i", &wrong.to_string()]);
    assert!(told.stderr.contains("/card"), "{}", told.stderr);
    for said in [refused.body, told.stderr, server.log()] {
        assert!(!said.contains(&CANARY.to_string()), "{said}");
    }
}

/// A text is looked for in the newest dead letters, and whoever looks is told where the search goes on.
#[test]
fn a_search_says_how_far_it_went() {
    // Whose commands ask a server.
    let db = Database::new(Kind::ServedPostgres, &["plain"]);
    let found = db.start("meddler", "{}");
    {
        let _worker = Worker::start(&db, &[]);
        db.wait_state(&found, "discarded");
    }
    let server = Server::start(&db);
    let few = page(&server, "/jobs?error=nobody").body;
    assert!(few.contains("No job fits these filters."), "{few}");
    assert!(!few.contains("Search older ones"), "{few}");
    // Some of these ids are smaller than that of the job: all but one in 250 are not.
    db.sql(
        "INSERT INTO hardstop.job_done (id, chain_id, created_at, due_at, type_id, run, snoozes, attempt, rescues, \
         priority, state, outcome, failure) \
         SELECT g.id, g.id, now(), now(), 1, 1, 0, 1, 0, 0, 12, 11, '{\"kind\":\"failed-fatal\",\"message\":\"no\"}' \
         FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, 20600)) g",
    );
    let first = page(&server, "/jobs?error=chains").body;
    assert!(
        first.contains("looked for in 20,000 discarded jobs, the newest"),
        "{first}"
    );
    assert!(first.contains("None of these jobs"), "{first}");
    let (before, _) = first
        .split_once("\" rel=\"next\">Search older ones")
        .unwrap();
    let (_, older) = before.rsplit_once("href=\"").unwrap();
    let second = page(&server, &older.replace("&#38;", "&")).body;
    assert!(second.contains(&found), "{second}");
    assert!(!second.contains("Search older ones"), "{second}");
    let grouped = page(&server, "/dead-letters?message=chains").body;
    assert!(grouped.contains("in the newest 20,000 only"), "{grouped}");
    // The API goes on by its cursor, and commands look through all of them.
    let list = server.get("/dead-letters?message=chains").good();
    assert_eq!(list["items"], json!([]), "{list:#}");
    let next = list["next"].as_str().expect("there are older ones");
    let list = server
        .get(&format!("/dead-letters?message=chains&cursor={next}"))
        .good();
    assert_eq!(list["items"][0]["id"], found.as_str(), "{list:#}");
    assert_eq!(list["next"], json!(null));
    let args = ["dead-letter", "list", "--message", "chains"];
    assert!(db.run(&args).good().stdout.contains(&found));
    let all = page(&server, "/dead-letters").body;
    assert!(
        all.contains("There are older ones: 20,601 jobs are discarded altogether."),
        "{all}"
    );
}

/// What has happened is in numbers, in charts and, where it is bad, in words.
fn the_overview_tells_numbers_and_what_is_wrong(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    db.start_many("noop", "{}", 3);
    db.start_many("fail", r#"{"until":99}"#, 4);
    let server = Server::with(&db, &[]);
    // Three attempts each. They are told in statistics a second after.
    let overview = wait_for("the failures to be told", || {
        let body = page(&server, "/").body;
        let all_told = [
            "type `fail` fails: 12 of 12 attempts in the last 15 min, 100 %",
            "15 attempts ended in the last hour",
        ];
        let is_told = all_told.iter().all(|part| body.contains(part));
        is_told.then_some(body)
    });
    db.wait_all_final();
    for part in [
        "15 attempts ended in the last hour, 12 of them failed",
        "half waited up to ",
        "<rect class=\"bad\"",
        "<a href=\"/?window=24h\">last 24 hours</a>",
    ] {
        assert!(overview.contains(part), "{part}: {overview}");
    }
    let overview = page(&server, "/?window=24h").body;
    for part in [
        "15 attempts ended in the last 24 hours",
        "completed</span><b>3</b>",
        "discarded</span><b>4</b>",
    ] {
        assert!(overview.contains(part), "{part}: {overview}");
    }
    let health = page(&server, "/types/fail?window=7d").body;
    for part in [
        "<dt>Failed</dt><dd>100.0%</dd>",
        "<dt>Retries</dt><dd>8</dd>",
        "<dt>failed-retryable</dt><dd>12</dd>",
        ">waited</td>",
        ">ran</td>",
        "half ran up to ",
    ] {
        assert!(health.contains(part), "{part}: {health}");
    }
    let unknown = server.send("GET", "/?window=2h", &[], b"");
    assert_eq!(unknown.status, 400, "{unknown:#?}");
    assert!(unknown.body.contains("write 1h, 24h or 7d"), "{unknown:#?}");
    // Paused, its jobs wait because somebody wants it.
    db.run(&["pause", "noop"]).good();
    db.start("noop", "{}");
    let waiting = page(&server, "/").body;
    let (_, waiting) = waiting.split_once("Waiting now").expect("one waits");
    assert!(
        waiting.contains("<span class=\"tag held\">paused</span>"),
        "{waiting}"
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
