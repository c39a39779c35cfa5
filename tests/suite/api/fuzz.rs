//! Requests that schemathesis makes up from the document, good and bad ones: each answer is one that the document tells
//! of, and none says that the server failed.

use std::process::{Command, Stdio};

use hardstop_tests::{Database, Kind, Server, tool};

/// What is held against the document.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance,unsupported_method,\
                      allow_header_conformance";
/// Whose answer goes on for ten minutes: `api::event` looks at it.
const ENDLESS: &str = "streamEvents";
/// How many requests are made up for each operation, where nobody says.
const EXAMPLES: &str = "5";
/// The same each time.
const SEED: &str = "20261121";

#[test]
fn every_answer_is_documented() {
    let db = Database::new(Kind::Sqlite, &["plain"]);
    db.start_many("noop", "{}", 3);
    db.run(&["schedule", "put", "s", "--type", "noop", "--every", "1h"])
        .good();
    let token = db.run(&["token", "create", "fuzz", "--scope", "admin"]);
    let token = token.good().stdout.trim().to_owned();
    let server = Server::start(&db);
    let examples = std::env::var("HARDSTOP_FUZZ_EXAMPLES").unwrap_or(EXAMPLES.to_owned());
    let output = Command::new(tool("schemathesis"))
        .current_dir(db.folder())
        .args(["run", "--no-color", "--checks", CHECKS, "--seed", SEED])
        .args(["--exclude-operation-id", ENDLESS])
        .args(["--phases", "examples,coverage,fuzzing", "--max-examples"])
        .args([&examples, "--request-timeout", "60", "--header"])
        .arg(format!("Authorization: Bearer {token}"))
        .arg(format!("http://{}/api/v1/openapi.json", server.address()))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{text}");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // It did look at every operation but that one.
    let paths = server.document()["paths"].as_object().unwrap();
    let operations: usize = paths
        .values()
        .map(|path| path.as_object().unwrap().len())
        .sum();
    assert!(
        text.contains(&format!("{} selected / {operations} total", operations - 1)),
        "{operations} operations"
    );
}
