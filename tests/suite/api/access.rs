//! Who may do what: tokens and scopes, for every route that there is.

use std::collections::BTreeMap;

use hardstop_tests::{Database, Kind, Server, wait_for};
use serde_json::{Value, json};

on_both!(
    every_route_asks_for_a_token_of_its_scope,
    a_token_ends_when_it_is_revoked_or_expires,
    tokens_are_made_over_the_api,
);

/// An id that nothing has.
const NOTHING: &str = "0198c2f4-7d5e-7c1a-b0de-5a3f0c9d2e11";

fn make(db: &Database, scope: &str) -> String {
    let said = db.run(&["token", "create", scope, "--scope", scope]).good();
    said.stdout.trim().to_owned()
}

/// Every operation of the document, which is made of the routes themselves: method, path, scope.
fn operations(server: &Server) -> Vec<(String, String, String)> {
    let mut operations = Vec::new();
    for (path, item) in server.document()["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let scope = operation["security"][0]["token"][0].as_str();
            let scope = scope.unwrap_or_else(|| panic!("{method} {path} asks for no scope"));
            let path = path
                .replace("{type}", "nothing")
                .replace("{name}", "nothing")
                .replace("{component}", "nothing");
            let mut parts: Vec<&str> = path.split('/').collect();
            for part in &mut parts {
                if part.starts_with('{') {
                    *part = NOTHING;
                }
            }
            operations.push((method.to_uppercase(), parts.join("/"), scope.to_owned()));
        }
    }
    operations
}

fn every_route_asks_for_a_token_of_its_scope(kind: Kind) {
    let db = Database::new(kind, &[]);
    let mut server = Server::start(&db);
    // Nobody made a token: open.
    server.get("/jobs").good();
    let scopes = ["read", "operate", "deploy", "admin"];
    let tokens: BTreeMap<&str, String> = scopes.map(|scope| (scope, make(&db, scope))).into();
    let operations = operations(&server);
    assert!(operations.len() > 40, "{operations:?}");
    for (method, path, needed) in &operations {
        let call = |server: &mut Server, token: Option<&str>| {
            server.use_token(token);
            let body = matches!(method.as_str(), "POST" | "PUT").then(|| json!({}));
            // An answer that would go on and on is asked for what there is none of.
            match path.as_str() {
                "/events" => server.call(method, "/events?kind=none", body),
                _ => server.call(method, path, body),
            }
        };
        let what = format!("{method} {path}");
        for token in [
            None,
            Some(""),
            Some("hardstop_x"),
            Some(&tokens["admin"][..40]),
        ] {
            let answer = call(&mut server, token);
            assert_eq!(answer.status, 401, "{what} with {token:?}: {answer:?}");
            answer.problem(401, "unauthenticated");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{what}");
        }
        for scope in scopes {
            let answer = call(&mut server, Some(&tokens[scope]));
            let may = scope == needed || scope == "admin" || needed == "read";
            match may {
                true => assert!(
                    ![401, 403].contains(&answer.status),
                    "{what} with {scope}: {answer:?}"
                ),
                false => drop(answer.problem(403, "scope-missing")),
            }
        }
    }
    server.use_token(None);
    for path in ["/healthz", "/readyz", "/api/v1/openapi.json"] {
        assert_eq!(server.send("GET", path, &[], b"").status, 200, "{path}");
    }
    // No secret is in the database, nor in the log.
    let listed = db.run(&["token", "list", "-o", "json"]).good().stdout;
    for secret in tokens.values() {
        assert!(!listed.contains(secret) && !server.log().contains(secret));
    }
    if kind == Kind::Sqlite {
        let path = db.url().strip_prefix("sqlite://").unwrap();
        for suffix in ["", "-wal"] {
            let bytes = std::fs::read(format!("{path}{suffix}")).unwrap_or_default();
            for secret in tokens.values() {
                let found = bytes
                    .windows(secret.len())
                    .any(|it| it == secret.as_bytes());
                assert!(!found, "test.db{suffix}");
            }
        }
    }
}

fn a_token_ends_when_it_is_revoked_or_expires(kind: Kind) {
    let db = Database::new(kind, &[]);
    let mut server = Server::start(&db);
    let token = make(&db, "read");
    server.use_token(Some(&token));
    server.get("/jobs").good();
    let listed = db.json(&["token", "list"]);
    let id = listed[0]["id"].as_str().unwrap().to_owned();
    db.run(&["token", "revoke", &id]).good();
    server.get("/jobs").problem(401, "unauthenticated");
    let said = db.run(&["token", "revoke", &id]);
    assert_eq!(said.code, 1, "{said:?}");
    let said = db.run(&["token", "revoke", NOTHING]);
    assert_eq!(said.code, 2, "{said:?}");
    let args = [
        "token",
        "create",
        "short",
        "--scope",
        "read",
        "--expires-in",
        "1s",
        "-o",
        "json",
    ];
    let short = db.run(&args).good().json();
    server.use_token(short["secret"].as_str());
    wait_for("the token to expire", || {
        (server.get("/jobs").status == 401).then_some(())
    });
    // There was a token once: the server stays closed.
    server.use_token(None);
    server.get("/jobs").problem(401, "unauthenticated");
    // One that is not usable does not open the server to others, either.
    let said = db.run(&["serve", "--no-worker", "--listen", "0.0.0.0:0"]);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(
        said.stderr
            .contains("hint: make one with `hardstop token create"),
        "{said:?}"
    );
}

fn tokens_are_made_over_the_api(kind: Kind) {
    let db = Database::new(kind, &[]);
    let mut server = Server::start(&db);
    let body = json!({ "name": "first", "scopes": ["admin"], "expires_in": "24h" });
    let made = server.post("/tokens", body);
    assert_eq!(made.status, 201, "{made:?}");
    let made = made.json();
    assert_eq!(made["scopes"], json!(["admin"]));
    // From now on one is asked for.
    server.get("/tokens").problem(401, "unauthenticated");
    server.use_token(made["secret"].as_str());
    let second = server
        .post(
            "/tokens",
            json!({ "name": "second", "scopes": ["read", "operate"] }),
        )
        .good();
    assert_eq!(second["actor"], "first");
    let page = server.get("/tokens?limit=1").good();
    assert_eq!(
        (&page["items"][0]["id"], &page["items"][0]["secret"]),
        (&second["id"], &Value::Null)
    );
    let next = page["next"].as_str().unwrap();
    assert_eq!(
        server.get(&format!("/tokens?limit=1&cursor={next}")).good()["items"][0]["id"],
        made["id"]
    );
    let path = format!("/tokens/{}", second["id"].as_str().unwrap());
    assert!(server.call("DELETE", &path, None).good()["revoked_at"].is_string());
    server.call("DELETE", &path, None).problem(409, "conflict");
    server
        .call("DELETE", &format!("/tokens/{NOTHING}"), None)
        .problem(404, "no-such-token");
    for body in [
        json!({ "name": "", "scopes": ["read"] }),
        json!({ "name": "x", "scopes": [] }),
        json!({ "name": "x", "scopes": ["read"], "expires_in": "0s" }),
    ] {
        server.post("/tokens", body).problem(422, "invalid");
    }
    server
        .post("/tokens", json!({ "name": "x", "scopes": ["all"] }))
        .problem(400, "malformed");
}

#[test]
fn the_completion_token_is_for_those_who_may_complete() {
    let db = Database::new(Kind::Sqlite, &[]);
    std::fs::write(
        db.folder().join("job.toml"),
        "name = \"a\"\n[types.review]\nexternal = true\n",
    )
    .unwrap();
    db.run(&["deploy", "."]).good();
    let id = db.json(&["start", "review"])[0]["chain_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut server = Server::start(&db);
    let token =
        |server: &Server| server.get(&format!("/jobs/{id}")).good()["completion_token"].clone();
    for (scope, shown) in [
        ("read", false),
        ("deploy", false),
        ("operate", true),
        ("admin", true),
    ] {
        let secret = make(&db, scope);
        server.use_token(Some(&secret));
        assert_eq!(token(&server).is_string(), shown, "{scope}");
    }
}

#[test]
fn a_server_that_others_reach_asks_for_a_token() {
    let db = Database::new(Kind::Sqlite, &[]);
    let said = db.run(&["serve", "--no-worker", "--listen", "0.0.0.0:0"]);
    assert_eq!(said.code, 2, "{said:?}");
    for part in [
        "0.0.0.0:0 can be reached from other machines",
        "hint: make one with",
    ] {
        assert!(said.stderr.contains(part), "{said:?}");
    }
    let token = make(&db, "admin");
    let mut server = Server::listening(&db, "0.0.0.0:0", &["--no-worker"]);
    server.get("/jobs").problem(401, "unauthenticated");
    server.use_token(Some(&token));
    server.get("/jobs").good();
}
