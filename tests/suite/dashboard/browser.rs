//! The dashboard in a real browser: what moves by itself, what a keyboard reaches, and how it fits the window.

use std::path::PathBuf;

use hardstop_tests::{Browser, Database, Kind, Server, guest, wait_for};
use serde_json::json;

use super::deploy;

/// A folder to keep a picture of every page in.
const PICTURES: &str = "HARDSTOP_PICTURES";
const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";

/// Fails where a page has complained: of a script, a style, a file or an address.
#[track_caller]
fn no_complaints(browser: &Browser, page: &str) {
    let complaints = browser.complaints();
    assert!(complaints.is_empty(), "{page}: {complaints:#?}");
}

#[test]
fn a_job_is_started_by_the_form_and_watched_to_its_end() {
    let db = Database::new(Kind::Sqlite, &["plain"]);
    let server = Server::with(&db, &[]);
    let at = |path: &str| format!("http://{}{path}", server.address());
    let browser = Browser::open();
    browser.go(&at("/types"));
    browser.click("a[href='/types/nap/start']");
    // Long enough to be seen running, however busy the machine is.
    browser.fill("[name='input/ms']", "20000");
    browser.click("form.panel button.primary");
    wait_for("the page of the job", || {
        browser.address().contains("/jobs/").then_some(())
    });
    browser.run("window.isTheSame = true", &[]);
    wait_for("the job to run", || {
        (browser.text("#job .state") == "running").then_some(())
    });
    wait_for("the job to end", || {
        (browser.text("#job .state") == "completed").then_some(())
    });
    browser.wait_text("Usage against limits");
    // It was the same page all the time, and it listens no more.
    assert_eq!(browser.run("return window.isTheSame", &[]), json!(true));
    assert_eq!(
        browser.run(
            "return document.querySelectorAll('[sse-connect]').length",
            &[]
        ),
        json!(0)
    );
    no_complaints(&browser, "job");
}

#[test]
fn jobs_are_filtered_chosen_and_retried() {
    let db = Database::new(Kind::Sqlite, &["plain"]);
    let jobs = db.start_many("noop", "{}", 3);
    db.start("echo", r#"{"text":"x"}"#);
    for job in &jobs {
        db.run(&["job", "cancel", job]).good();
    }
    let server = Server::start(&db);
    let browser = Browser::open();
    // In a narrow one rows are cards, and there is no box for all of them.
    browser.size(1440, 900, "light");
    browser.go(&format!("http://{}/jobs", server.address()));
    browser.run(
        "document.querySelector('select[name=type]').value = 'noop'",
        &[],
    );
    browser.click("form.filters button");
    wait_for("the filter", || {
        browser.address().contains("type=noop").then_some(())
    });
    assert_eq!(
        browser.run("return document.querySelectorAll('tbody tr').length", &[]),
        json!(3)
    );
    browser.click("[data-choose-all]");
    browser.click("button[value='retry']");
    browser.wait_text("Retry 3 jobs?");
    browser.click("form.panel button.primary");
    browser.wait_text("3 jobs retried");
    for job in &jobs {
        assert_eq!(db.job(job)["state"], "ready");
    }
    no_complaints(&browser, "bulk");
}

#[test]
fn a_deployment_is_rolled_back() {
    let db = Database::new(Kind::Sqlite, &[]);
    deploy(&db);
    let first = db.json(&["deployment", "list"])[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    deploy(&db);
    let server = Server::start(&db);
    let browser = Browser::open();
    browser.go(&format!("http://{}/deployments/{first}", server.address()));
    browser.wait_text("Roll back");
    browser.click("details.confirm summary");
    browser.click("details.confirm[open] button.danger");
    browser.wait_text("Rolled back: new attempts run this deployment.");
    let name = browser.text("h1");
    assert_eq!(
        db.json(&["type", "show", &name])["deployment"],
        first.as_str()
    );
    no_complaints(&browser, "rollback");
}

#[test]
fn a_refused_capability_is_read_with_its_lines() {
    let db = Database::new(Kind::Sqlite, &["plain"]);
    let job = db.start("meddler", "{}");
    let server = Server::with(&db, &[]);
    db.wait_state(&job, "discarded");
    let browser = Browser::open();
    browser.go(&format!("http://{}/jobs/{job}", server.address()));
    assert_eq!(
        browser.text("pre.grant"),
        "[types.meddler.capabilities]\nchains = true"
    );
    assert!(browser.text(".refused").contains("Refused: chains."));
    no_complaints(&browser, "refusal");
}

#[test]
fn everything_is_done_by_keyboard_and_without_scripts() {
    let db = Database::new(Kind::Sqlite, &["plain"]);
    let job = db.start("noop", "{}");
    let server = Server::start(&db);
    let browser = Browser::open();
    let at = |path: &str| format!("http://{}{path}", server.address());
    browser.go(&at("/jobs"));
    // The first stop leads past what is on every page.
    browser.press(TAB);
    let focus = "return document.activeElement.className + ' ' + getComputedStyle(document.activeElement).outlineStyle";
    assert_eq!(browser.run(focus, &[]), json!("skip solid"));
    browser.press(ENTER);
    wait_for("the content", || {
        (browser.run("return document.activeElement.id", &[]) == json!("main")).then_some(())
    });
    browser.press("/");
    assert_eq!(
        browser.run("return document.activeElement.id", &[]),
        json!("search")
    );
    browser.press("noop");
    browser.press(ENTER);
    wait_for("the search", || {
        browser.address().contains("type=noop").then_some(())
    });
    // Everything that can be clicked can be reached.
    let unreachable = "return [...document.querySelectorAll('a, button, input, select, summary')]\
                       .filter(it => it.tabIndex < 0 && it.type !== 'hidden').map(it => it.outerHTML)";
    assert_eq!(browser.run(unreachable, &[]), json!([]));
    no_complaints(&browser, "keyboard");

    browser.go(&at(&format!("/jobs/{job}")));
    browser.allow_scripts(false);
    browser.go(&at(&format!("/jobs/{job}")));
    browser.click("details.confirm summary");
    browser.click("details.confirm[open] button.danger");
    wait_for("the job to be cancelled", || {
        (db.job(&job)["state"] == "cancelled").then_some(())
    });
}

#[test]
fn the_overview_comes_anew_under_whoever_reads_it() {
    let db = Database::new(Kind::Sqlite, &["plain"]);
    db.start_many("noop", "{}", 12);
    let server = Server::with(&db, &[]);
    db.wait_all_final();
    let browser = Browser::open();
    // A low window, in which there is something to scroll.
    browser.size(1440, 500, "light");
    browser.go(&format!("http://{}/", server.address()));
    wait_for("the chart", || {
        (browser.run("return document.querySelectorAll('svg.chart').length", &[]) == json!(2))
            .then_some(())
    });
    let mark = "document.querySelector('#overview').isOld = true;\
                document.querySelector(\"#overview a[href='/workers']\").focus();\
                window.scrollTo(0, 150); return window.scrollY";
    let scrolled = browser.run(mark, &[]);
    assert_eq!(scrolled, json!(150));
    db.start("noop", "{}");
    wait_for("the page to come anew", || {
        let is_old = "return document.querySelector('#overview').isOld === true";
        (browser.run(is_old, &[]) == json!(false)).then_some(())
    });
    let now = "return [document.activeElement.getAttribute('href'), window.scrollY]";
    assert_eq!(browser.run(now, &[]), json!(["/workers", 150]));
    no_complaints(&browser, "overview");
}

/// A state in which every page has something to show.
fn seed(db: &Database) -> Vec<String> {
    deploy(db);
    let folder = guest("plain");
    let completed: Vec<String> = (0..25)
        .map(|n| db.start("nap", &json!({ "ms": 20 + n % 7 * 15 }).to_string()))
        .collect();
    for until in [7, 8, 9, 9] {
        db.start("fail", &json!({ "until": until }).to_string());
    }
    let refused = db.start("meddler", "{}");
    let steps = db.start("steps", "[3,0]");
    let gather = db.start("gather", r#"["a","b","c"]"#);
    for id in completed.iter().chain([&refused, &steps]) {
        wait_for("the seed", || {
            db.job(id)["finished_at"].is_string().then_some(())
        });
    }
    wait_for("the gathering", || {
        let jobs = db.jobs();
        let live = jobs
            .iter()
            .filter(|job| job["type"] == "fail" || job["type"] == "sum");
        live.clone()
            .all(|job| job["finished_at"].is_string())
            .then_some(())
    });
    db.run(&["deploy", folder.to_str().unwrap()]).good();
    let started = db.json(&[
        "start",
        "review",
        "-i",
        r#"{"title":"a new laptop","amount":3}"#,
        "--key",
        "order/1",
    ]);
    let review = started[0]["chain_id"].as_str().unwrap().to_owned();
    let waits = db.json(&["start", "sum", "-i", "{}", "--blocker", &review]);
    let waits = waits[0]["chain_id"].as_str().unwrap().to_owned();
    db.run(&["start", "noop", "-i", "{}", "--after", "3h"])
        .good();
    db.run(&[
        "pause",
        "echo",
        "--for",
        "1h",
        "--note",
        "the customer asked for it",
    ])
    .good();
    db.run(&[
        "schedule",
        "put",
        "nightly/report",
        "--type",
        "noop",
        "--cron",
        "0 3 * * mon-fri",
        "--time-zone",
        "Europe/Berlin",
        "-i",
        "{}",
    ])
    .good();
    db.run(&["schedule", "trigger", "nightly/report"]).good();
    let replayed = db
        .run(&[
            "dead-letter",
            "replay",
            "--type",
            "meddler",
            "--note",
            "once more",
            "-o",
            "json",
        ])
        .good()
        .json();
    let deployment = db.json(&["deployment", "list"])[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let failed = db.json(&["job", "list", "--type", "fail"])[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let root = gather;
    vec![
        "/".to_owned(),
        "/?window=24h".to_owned(),
        "/jobs".to_owned(),
        "/jobs?error=nobody".to_owned(),
        "/jobs?state=discarded".to_owned(),
        format!("/jobs/{}", completed[0]),
        format!("/jobs/{failed}"),
        format!("/jobs/{refused}"),
        format!("/jobs/{review}"),
        format!("/jobs/{waits}"),
        "/chains".to_owned(),
        format!("/chains/{steps}"),
        format!("/chains/{root}"),
        format!("/chains/{waits}"),
        format!("/chains/{review}"),
        "/types".to_owned(),
        "/types/nap".to_owned(),
        "/types/fail?window=7d".to_owned(),
        "/types/review".to_owned(),
        "/types/review/start".to_owned(),
        "/types/review/start?raw=yes".to_owned(),
        "/deployments".to_owned(),
        format!("/deployments/{deployment}"),
        "/schedules".to_owned(),
        "/schedules/nightly%2Freport".to_owned(),
        "/dead-letters".to_owned(),
        format!("/replays/{}", replayed["replay"].as_str().unwrap()),
        "/workers".to_owned(),
        "/subscriptions".to_owned(),
        "/audit".to_owned(),
        "/tokens".to_owned(),
        "/login".to_owned(),
    ]
}

#[test]
fn every_page_fits_a_phone_and_a_desk_and_complains_of_nothing() {
    let db = Database::new(Kind::Sqlite, &["plain"]);
    let server = Server::with(&db, &[]);
    let pages = seed(&db);
    let browser = Browser::open();
    let pictures = std::env::var_os(PICTURES).map(PathBuf::from);
    for (width, height, colours) in [
        (375, 812, "light"),
        (1440, 900, "light"),
        (375, 812, "dark"),
        (1440, 900, "dark"),
    ] {
        browser.size(width, height, colours);
        for (index, page) in pages.iter().enumerate() {
            browser.go(&format!("http://{}{page}", server.address()));
            let fits = "return [document.documentElement.scrollWidth, window.innerWidth]";
            let fits = browser.run(fits, &[]);
            let (wide, window) = (fits[0].as_u64().unwrap(), fits[1].as_u64().unwrap());
            assert_eq!(window, u64::from(width), "{page}");
            assert!(
                wide <= window,
                "{page} is {wide} wide in a window of {window}"
            );
            no_complaints(&browser, page);
            if let Some(folder) = &pictures {
                let name: String = page
                    .chars()
                    .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
                    .collect();
                let name = name.get(..name.len().min(24)).unwrap();
                browser.picture(&folder.join(format!("{index:02}{name}-{width}-{colours}.png")));
            }
        }
    }
    let missing = format!("http://{}/nothing", server.address());
    browser.go(&missing);
    browser.wait_text("There is no such route");
}
