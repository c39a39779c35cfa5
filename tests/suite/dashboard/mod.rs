//! The dashboard through the real binary: over plain HTTP, and in a real browser.

mod access;
mod browser;
mod page;

use std::fs;

use hardstop_tests::{Answer, Database, Server};

/// Types that are completed from outside, one of them with a form that has every kind of field.
const MANIFEST: &str = r#"
name = "approvals"
[types.review]
external = true
description = "Somebody <b>looks</b> at it & says yes"
[types.review.input_schema]
type = "object"
required = ["title", "amount"]
[types.review.input_schema.properties]
title = { type = "string", description = "What it is <script>alert(1)</script>" }
amount = { type = "integer", minimum = 1, default = 5 }
urgent = { type = "boolean" }
size = { enum = ["small", "large"] }
card = { type = "string", writeOnly = true }
tags = { type = "array", items = { type = "string" } }
any = {}
[types.review.input_schema.properties.address]
type = "object"
required = ["street"]
properties = { street = { type = "string" }, floor = { type = "integer" } }
[types.review.output_schema]
properties = { pin = { writeOnly = true } }
[types.approve]
external = true
"#;

/// Deploys them.
fn deploy(db: &Database) {
    fs::write(db.folder().join("job.toml"), MANIFEST).unwrap();
    db.run(&["deploy", "."]).good();
}

/// A page.
#[track_caller]
fn page(server: &Server, path: &str) -> Answer {
    let answer = server.send("GET", path, &[], b"");
    assert_eq!(answer.status, 200, "{path}: {answer:#?}");
    assert_eq!(
        answer.header("content-type"),
        Some("text/html; charset=utf-8"),
        "{path}"
    );
    answer
}

/// Sends a form, as a page of the server does.
#[track_caller]
fn send(server: &Server, path: &str, form: &str) -> Answer {
    send_with(server, path, &[], form)
}

#[track_caller]
fn send_with(server: &Server, path: &str, headers: &[(&str, &str)], form: &str) -> Answer {
    let origin = format!("http://{}", server.address());
    let mut all = vec![
        ("content-type", "application/x-www-form-urlencoded"),
        ("origin", origin.as_str()),
    ];
    all.extend(headers);
    server.send("POST", path, &all, form.as_bytes())
}

/// Where an answer leads to.
#[track_caller]
fn led_to(answer: &Answer) -> String {
    assert_eq!(answer.status, 303, "{answer:#?}");
    answer.header("location").unwrap().to_owned()
}
