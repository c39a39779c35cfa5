//! Who may see and do what on pages; and what browsers are told.

use std::collections::BTreeMap;

use hardstop_tests::{Database, Kind, Server, root};

use super::{led_to, page, send, send_with};

on_both!(
    every_route_asks_for_its_scope,
    a_session_ends_with_its_token
);

/// An id that nothing has.
const NOTHING: &str = "0198c2f4-7d5e-7c1a-b0de-5a3f0c9d2e11";

fn make(db: &Database, scope: &str) -> String {
    let said = db.run(&["token", "create", scope, "--scope", scope]).good();
    said.stdout.trim().to_owned()
}

/// Every route of the table, which is made of the routes themselves: method, path, scope.
fn routes() -> Vec<[String; 3]> {
    let table = std::fs::read_to_string(root().join("docs/reference/dashboard.md")).unwrap();
    let rows = table
        .lines()
        .filter(|line| line.starts_with("| GET") || line.starts_with("| POST"));
    let routes = rows.map(|row| {
        let mut cells = row
            .split('|')
            .map(|cell| cell.trim().trim_matches('`').to_owned());
        cells.next();
        [(); 3].map(|()| cells.next().unwrap())
    });
    routes.collect()
}

fn every_route_asks_for_its_scope(kind: Kind) {
    let db = Database::new(kind, &[]);
    let mut server = Server::start(&db);
    // Nobody made a token: open.
    page(&server, "/jobs");
    let scopes = ["read", "operate", "deploy", "admin"];
    let tokens: BTreeMap<&str, String> = scopes.map(|scope| (scope, make(&db, scope))).into();
    let routes = routes();
    assert!(routes.len() > 45, "{routes:?}");
    for [method, path, needed] in &routes {
        let parts = path.split('/').map(|part| match part {
            "{type}" | "{name}" => "nothing",
            part if part.starts_with('{') => NOTHING,
            part => part,
        });
        let path = parts.collect::<Vec<_>>().join("/");
        let what = format!("{method} {path}");
        let call = |server: &mut Server, token: Option<&str>| {
            server.use_token(token);
            match method.as_str() {
                "GET" => server.send("GET", &path, &[], b""),
                _ => send(server, &path, ""),
            }
        };
        if needed == "open" {
            let answer = call(&mut server, None);
            let is_wrong_token = what == "POST /login" && answer.status == 401;
            assert!(answer.status < 400 || is_wrong_token, "{what}: {answer:?}");
            continue;
        }
        for token in [None, Some("hardstop_x")] {
            let answer = call(&mut server, token);
            assert_eq!(answer.status, 401, "{what} with {token:?}: {answer:?}");
            assert!(
                answer.body.contains("action=\"/login\""),
                "{what}: {answer:?}"
            );
        }
        for scope in scopes {
            let answer = call(&mut server, Some(&tokens[scope]));
            let may = scope == needed || scope == "admin" || needed == "read";
            match may {
                true => assert!(
                    ![401, 403].contains(&answer.status) && answer.status < 500,
                    "{what} with {scope}: {answer:?}"
                ),
                false => {
                    assert_eq!(answer.status, 403, "{what} with {scope}: {answer:?}");
                    assert!(answer.body.contains("What to do:"), "{what}: {answer:?}");
                }
            }
        }
    }
}

fn a_session_ends_with_its_token(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let job = db.start("noop", "{}");
    let token = make(&db, "operate");
    let server = Server::start(&db);
    let asked = server.send("GET", "/jobs?state=ready", &[], b"");
    assert_eq!(asked.status, 401, "{asked:?}");
    assert!(
        asked.body.contains("value=\"/jobs?state=ready\""),
        "{asked:?}"
    );
    let answer = send(&server, "/login", "token=wrong&next=/jobs");
    assert_eq!(answer.status, 401);
    assert!(answer.header("set-cookie").is_none(), "{answer:?}");
    let answer = send(
        &server,
        "/login",
        &format!("token={token}&next=%2F%2Fevil.example"),
    );
    assert_eq!(led_to(&answer), "/");
    let answer = send(&server, "/login", &format!("token={token}&next=/jobs"));
    assert_eq!(led_to(&answer), "/jobs");
    let cookie = answer.header("set-cookie").unwrap();
    assert!(
        cookie.ends_with("; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict"),
        "{cookie}"
    );
    assert!(!cookie.contains(&token[9..]), "{cookie}");
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let with = [("cookie", cookie.as_str())];
    let jobs = server.send("GET", "/jobs", &with, b"");
    assert!(
        jobs.status == 200 && jobs.body.contains("Retry chosen") && jobs.body.contains("Log out"),
        "{jobs:?}"
    );
    // What the scope does not allow is not offered.
    assert!(!jobs.body.contains("href=\"/audit\""), "{jobs:?}");
    // The API takes tokens only.
    assert_eq!(server.send("GET", "/api/v1/jobs", &with, b"").status, 401);
    // Who acts is recorded.
    let cancelled = send_with(&server, &format!("/jobs/{job}/cancel"), &with, "");
    assert_eq!(led_to(&cancelled), format!("/jobs/{job}?done=cancelled"));
    let audit = db.json(&["audit", "list", "--action", "cancel-job"]);
    assert_eq!(
        (&audit[0]["actor"], &audit[0]["subject"]),
        (&"operate".into(), &job.into())
    );
    // A cookie that was changed, or of another process, is none.
    let forged = format!("{}x", &cookie[..cookie.len() - 1]);
    assert_eq!(
        server
            .send("GET", "/jobs", &[("cookie", &forged)], b"")
            .status,
        401
    );
    let other = Server::start(&db);
    assert_eq!(other.send("GET", "/jobs", &with, b"").status, 401);
    let gone = send_with(&server, "/logout", &with, "");
    assert!(
        gone.header("set-cookie")
            .unwrap()
            .starts_with("hardstop_session=; Path=/; Max-Age=0"),
        "{gone:?}"
    );
    let tokens = db.json(&["token", "list"]);
    db.run(&["token", "revoke", tokens[0]["id"].as_str().unwrap()])
        .good();
    assert_eq!(server.send("GET", "/jobs", &with, b"").status, 401);
}

#[test]
fn a_token_of_reading_is_offered_nothing_else() {
    let db = Database::new(Kind::Sqlite, &["plain"]);
    let job = db.start("noop", "{}");
    let token = make(&db, "read");
    let mut server = Server::start(&db);
    server.use_token(Some(&token));
    for path in [
        "/",
        "/jobs",
        &format!("/jobs/{job}"),
        &format!("/chains/{job}"),
        "/types",
        "/types/noop",
        "/deployments",
        "/schedules",
        "/dead-letters",
        "/workers",
    ] {
        let page = page(&server, path);
        let forms: Vec<&str> = page.body.split("method=\"post\"").skip(1).collect();
        let own = page.body.matches("action=\"/theme\"").count()
            + page.body.matches("action=\"/logout\"").count();
        let bulk = page.body.matches("action=\"/jobs/bulk\"").count();
        assert_eq!(forms.len(), own + bulk, "{path}");
        assert!(
            !page.body.contains("Retry chosen") && !page.body.contains("/start\""),
            "{path}"
        );
    }
}

#[test]
fn a_form_must_come_from_a_page_of_the_server() {
    let db = Database::new(Kind::Sqlite, &["plain"]);
    let job = db.start("noop", "{}");
    let server = Server::start(&db);
    let path = format!("/jobs/{job}/cancel");
    let form = ("content-type", "application/x-www-form-urlencoded");
    let own = format!("http://{}", server.address());
    for headers in [
        vec![form],
        vec![form, ("origin", "http://evil.example")],
        vec![form, ("origin", "null")],
        vec![form, ("sec-fetch-site", "cross-site")],
        vec![
            form,
            ("origin", own.as_str()),
            ("sec-fetch-site", "same-site"),
        ],
        // A name that somebody made to point here.
        vec![
            form,
            ("host", "evil.example"),
            ("origin", "http://evil.example"),
        ],
    ] {
        let answer = server.send("POST", &path, &headers, b"");
        assert_eq!(answer.status, 403, "{headers:?}: {answer:?}");
    }
    assert_eq!(db.job(&job)["state"], "ready");
    let answer = server.send(
        "POST",
        &path,
        &[("content-type", "text/plain"), ("origin", &own)],
        b"",
    );
    assert_eq!(led_to(&answer), format!("/jobs/{job}?done=cancelled"));
    let answer = server.send(
        "POST",
        "/jobs/bulk",
        &[("content-type", "text/plain"), ("origin", &own)],
        b"",
    );
    assert_eq!(answer.status, 415, "{answer:?}");
}

#[test]
fn browsers_are_told_what_pages_may_do() {
    let db = Database::new(Kind::Sqlite, &[]);
    let server = Server::start(&db);
    for path in ["/", "/jobs", "/nothing", "/login", "/api/v1/jobs"] {
        let answer = server.send("GET", path, &[], b"");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"),
            "{policy}"
        );
        assert!(
            policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"),
            "{policy}"
        );
        assert_eq!(
            answer.header("x-content-type-options"),
            Some("nosniff"),
            "{path}"
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        for forbidden in [" style=", "<style", " onclick", "javascript:"] {
            assert!(!answer.body.contains(forbidden), "{path}: {forbidden}");
        }
    }
    let body = page(&server, "/").body;
    let assets: Vec<&str> = body
        .split("\"/assets/")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    assert!(assets.len() >= 5, "{assets:?}");
    for asset in assets {
        let answer = server.send("GET", &format!("/assets/{asset}"), &[], b"");
        assert_eq!(answer.status, 200, "{asset}");
        assert_eq!(
            answer.header("cache-control"),
            Some("public, max-age=31536000, immutable"),
            "{asset}"
        );
    }
    assert_eq!(
        server
            .send("GET", "/assets/000000/style.css", &[], b"")
            .status,
        404
    );
    let answer = send(&server, "/theme", "theme=dark&next=/jobs");
    assert_eq!(led_to(&answer), "/jobs");
    let cookie = answer
        .header("set-cookie")
        .unwrap()
        .split(';')
        .next()
        .unwrap();
    let dark = server.send("GET", "/jobs", &[("cookie", cookie)], b"");
    assert!(dark.body.contains("data-theme=\"dark\""), "{}", dark.body);
}
