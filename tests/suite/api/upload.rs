//! Deployments that are sent over the API.

use std::fs;
use std::path::Path;

use hardstop_tests::{Answer, Database, Kind, Server, Worker, component, guest};
use serde_json::{Value, json};

on_both!(
    a_component_is_uploaded_and_runs,
    the_same_upload_again_is_one_deployment,
);

const BOUNDARY: &str = "boundary-3f9a";

/// A part: its name, its file name, its bytes.
type Part<'p> = (&'p str, Option<&'p str>, Vec<u8>);

fn body(parts: &[Part<'_>]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, file_name, bytes) in parts {
        let file_name = file_name.map_or(String::new(), |it| format!("; filename=\"{it}\""));
        let head = format!(
            "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"{file_name}\r\n\r\n"
        );
        body.extend(head.as_bytes());
        body.extend(bytes);
        body.extend(b"\r\n");
    }
    body.extend(format!("--{BOUNDARY}--\r\n").as_bytes());
    body
}

fn send(server: &Server, path: &str, headers: &[(&str, &str)], parts: &[Part<'_>]) -> Answer {
    let media_type = format!("multipart/form-data; boundary={BOUNDARY}");
    let mut headers = headers.to_vec();
    headers.push(("content-type", &media_type));
    let answer = server.send("POST", &format!("/api/v1{path}"), &headers, &body(parts));
    server.check("POST", path, &answer);
    answer
}

fn text(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

fn plain() -> [Part<'static>; 2] {
    let manifest = fs::read(guest("plain").join("job.toml")).unwrap();
    let wasm = fs::read(component("plain")).unwrap();
    [
        ("manifest", None, manifest),
        ("component", Some("plain.wasm"), wasm),
    ]
}

fn a_component_is_uploaded_and_runs(kind: Kind) {
    let db = Database::new(kind, &[]);
    let server = Server::start(&db);
    let checked = send(&server, "/deployments/check", &[], &plain()).good();
    assert_eq!(checked["differences"][0]["change"], "added");
    assert_eq!(server.get("/types").good(), json!([]), "nothing was stored");
    let made = send(&server, "/deployments", &[], &plain());
    assert_eq!(made.status, 201, "{made:?}");
    let made = made.json();
    assert_eq!(
        (&made["name"], &made["component"]),
        (&json!("plain"), &checked["component"])
    );
    let _worker = Worker::start(&db, &[]);
    let args = ["start", "echo", "-i", r#"{"text":"up"}"#, "--wait"];
    assert_eq!(db.run(&args).good().json()["text"], "up");
    // What the same files deploy from a folder is the same.
    db.run(&["deploy", guest("plain").to_str().unwrap()]).good();
    let diff = server
        .get(&format!(
            "/deployments/{}/diff",
            made["deployment"].as_str().unwrap()
        ))
        .good();
    assert!(
        diff.as_array()
            .unwrap()
            .iter()
            .all(|it| it["change"] == "same"),
        "{diff}"
    );
    // A canary of the same component is none.
    let refused = send(&server, "/deployments?canary=10", &[], &plain());
    refused.problem(422, "deployment-refused");
}

fn the_same_upload_again_is_one_deployment(kind: Kind) {
    let db = Database::new(kind, &[]);
    let server = Server::start(&db);
    let key = [("idempotency-key", "release-7")];
    let first = send(&server, "/deployments", &key, &plain()).good();
    assert_eq!(send(&server, "/deployments", &key, &plain()).good(), first);
    assert_eq!(
        server.get("/deployments").good().as_array().unwrap().len(),
        1
    );
}

#[test]
fn files_and_schemas_come_with_the_request() {
    let db = Database::new(Kind::Sqlite, &[]);
    let server = Server::start(&db);
    let manifest = text(
        "name = \"outside\"\n[types.review]\nexternal = true\noutput_schema = \"schemas/review.json\"\n",
    );
    let schema = text(r#"{"type":"boolean"}"#);
    let parts: [Part<'_>; 2] = [
        ("manifest", None, manifest),
        ("file", Some("schemas/review.json"), schema),
    ];
    send(&server, "/deployments", &[], &parts).good();
    assert_eq!(
        server.get("/types/review").good()["output_schema"],
        json!({ "type": "boolean" })
    );
}

#[test]
fn files_of_the_server_are_none_of_the_uploads() {
    let db = Database::new(Kind::Sqlite, &[]);
    let server = Server::start(&db);
    let secret = db.folder().join("secret.json");
    fs::write(&secret, "true").unwrap();
    for path in [
        secret.to_str().unwrap(),
        "secret.json",
        "../secret.json",
        "/etc/passwd",
    ] {
        assert!(Path::new("/etc/passwd").exists());
        let manifest =
            format!("name = \"x\"\n[types.a]\nexternal = true\ninput_schema = \"{path}\"\n");
        let refused = send(
            &server,
            "/deployments",
            &[],
            &[("manifest", None, text(&manifest))],
        );
        let detail = refused.problem(422, "deployment-refused")["detail"].to_string();
        assert!(detail.contains("the request has no such file"), "{detail}");
        let manifest = format!("name = \"x\"\ncomponent = \"{path}\"\n");
        let refused = send(
            &server,
            "/deployments",
            &[],
            &[("manifest", None, text(&manifest))],
        );
        let detail = refused.problem(422, "deployment-refused")["detail"].to_string();
        assert!(detail.contains("the request has no such file"), "{detail}");
    }
}

#[test]
fn modules_are_adapted_in_the_child() {
    let db = Database::new(Kind::Sqlite, &[]);
    let server = Server::start(&db);
    let module = |start: &str| {
        let text = format!(
            r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
               (memory (export "memory") 1) (func (export "{start}")))"#
        );
        wat::parse_str(text).unwrap()
    };
    let manifest = || text("name = \"command\"\n[types.run]\n");
    let parts = |bytes| [("manifest", None, manifest()), ("component", None, bytes)];
    let made = send(&server, "/deployments", &[], &parts(module("_start"))).good();
    assert_eq!(made["types"], json!(["run"]));
    let refused = send(&server, "/deployments", &[], &parts(module("_initialize")));
    let detail = refused.problem(422, "deployment-refused")["detail"].to_string();
    assert!(detail.contains("it is a library (a reactor)"), "{detail}");
}

#[test]
fn uploads_that_cannot_be_read() {
    let db = Database::new(Kind::Sqlite, &[]);
    let server = Server::start(&db);
    let manifest = || ("manifest", None, text("name = \"x\"\n"));
    let refused = |parts: &[Part<'_>], status, kind: &str| -> Value {
        send(&server, "/deployments", &[], parts).problem(status, kind)
    };
    refused(&[], 400, "malformed");
    refused(&[manifest(), manifest()], 400, "malformed");
    refused(&[manifest(), ("file", None, text("x"))], 400, "malformed");
    refused(&[manifest(), ("other", None, text("x"))], 400, "malformed");
    refused(&[("manifest", None, vec![0xff])], 400, "malformed");
    refused(
        &[("manifest", None, text("name = "))],
        422,
        "deployment-refused",
    );
    refused(&[manifest()], 422, "deployment-refused");
    refused(
        &[manifest(), ("component", None, text("no component"))],
        422,
        "deployment-refused",
    );
    refused(
        &[manifest(), ("component", None, vec![0; (32 << 20) + 1])],
        422,
        "deployment-refused",
    );
    let json = [("content-type", "application/json")];
    server
        .send("POST", "/api/v1/deployments", &json, b"{}")
        .problem(415, "unsupported-media-type");
    assert_eq!(server.get("/deployments").good(), json!([]));
}
