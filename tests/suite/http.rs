//! HTTP and secrets through the real binary: the operator's file, the manifest, and what is stored.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;

use hardstop_tests::{Database, Kind, Worker, component};

on_both!(a_secret_is_sent_and_is_in_nothing_that_is_stored);

/// The value of the secret.
const CANARY: &str = "canary-7f3a9c55e1d04b26";

/// A server on this machine that answers each request with the head that it got. It ends with the test.
fn serve() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            let mut buffer = [0; 4096];
            while !head.windows(4).any(|window| window == b"\r\n\r\n") {
                match stream.read(&mut buffer) {
                    Ok(0) | Err(_) => break,
                    Ok(count) => head.extend_from_slice(&buffer[..count]),
                }
            }
            let length = head.len();
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n"
            );
            let _ = stream.write_all(&head);
        }
    });
    port
}

/// `hardstop.toml` that allows the server, and a secret to be used and read.
fn allow(folder: &std::path::Path, port: u16, allow_private: bool) {
    let private = match allow_private {
        true => format!("\"127.0.0.1:{port}\", \"[::1]:{port}\""),
        false => String::new(),
    };
    std::fs::write(folder.join("key"), format!("{CANARY}\n")).unwrap();
    let text = format!(
        "[capabilities.http]\nallow = [\"http://localhost:{port}\"]\nallow_private = [{private}]\n\
         [secrets.KEY]\nfile = {:?}\nhosts = [\"http://localhost:{port}\"]\nusable_by = [\"pay\"]\n\
         readable_by = [\"tell\"]\n",
        folder.join("key")
    );
    std::fs::write(folder.join("hardstop.toml"), text).unwrap();
}

fn manifest(folder: &std::path::Path, port: u16) -> PathBuf {
    let text = format!(
        r#"
        name = "web"
        component = {:?}
        [types.pay.capabilities.http]
        allow = ["GET http://localhost:{port}"]
        [types.pay.capabilities.secrets]
        KEY = "placeholder"
        [types.tell.retry]
        attempts_max = 2
        backoff = "1ms"
        [types.tell.capabilities]
        chains = true
        [types.tell.capabilities.secrets]
        KEY = "readable"
        [types.told]
        "#,
        component("web")
    );
    let path = folder.join("job.toml");
    std::fs::write(&path, text).unwrap();
    path
}

fn a_secret_is_sent_and_is_in_nothing_that_is_stored(kind: Kind) {
    let db = Database::new(kind, &[]);
    let port = serve();
    allow(db.folder(), port, true);
    let manifest = manifest(db.folder(), port);
    db.run(&["deploy", manifest.to_str().unwrap()]).good();
    let said = db.run(&["type", "show", "pay"]).good().stdout;
    let may_use =
        format!("may use     http GET http://localhost:{port}, secret KEY (placeholder)\n");
    assert!(said.contains(&may_use), "{said}");

    let worker = Worker::start(&db, &[]);
    let input = format!(r#"{{"secret":"KEY","url":"http://localhost:{port}/"}}"#);
    let paid = db.start("pay", &input);
    let told: Vec<_> = ["output", "fail", "panic", "children", "continue", "key"]
        .map(|to| db.start("tell", &format!(r#"{{"secret":"KEY","to":"{to}"}}"#)))
        .into();
    db.wait_all_final();
    let job = db.job(&paid);
    let body = job["output"]["body"].as_str().unwrap();
    assert!(body.contains("authorization: Bearer [secret KEY]"), "{job}");
    assert_eq!(job["usage"]["http_requests"], 1, "{job}");
    assert!(
        job["usage"]["http_request_bytes"].as_u64().unwrap() > 0,
        "{job}"
    );
    assert!(
        job["usage"]["http_response_bytes"].as_u64().unwrap() > 0,
        "{job}"
    );

    let mut stored = worker.log();
    for job in db.jobs() {
        stored.push_str(&db.job(job["id"].as_str().unwrap()).to_string());
    }
    for id in told {
        let shown = db.job(&id).to_string();
        assert!(shown.contains("[secret KEY]"), "{shown}");
    }
    if kind == Kind::Sqlite {
        for entry in std::fs::read_dir(db.folder()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() && path.file_name().is_some_and(|name| name != "key") {
                stored.push_str(&String::from_utf8_lossy(&std::fs::read(path).unwrap()));
            }
        }
    }
    assert!(!stored.contains("canary-7f3a"), "the secret is stored");
}

#[test]
fn a_handler_is_tried_out_under_the_operators_rules() {
    let folder = tempfile::tempdir().unwrap();
    let port = serve();
    let web = component("web");
    let run = |args: &[&str]| {
        let fixed = ["run", web.to_str().unwrap(), "-o", "json", "--type"];
        let args: Vec<&str> = fixed.into_iter().chain(args.iter().copied()).collect();
        hardstop_tests::run(folder.path(), &args)
    };
    let rule = format!("http://localhost:{port}");
    let input = format!(r#"{{"secret":"KEY","url":"{rule}/"}}"#);
    let pay = [
        "pay",
        "-i",
        &input,
        "--allow-http",
        &rule,
        "--secret",
        "KEY=placeholder",
    ];

    // Without a configuration nothing is allowed.
    let said = run(&pay);
    assert_eq!(said.code, 1, "{said:?}");
    let failure = &said.json()["failure"];
    assert_eq!(failure["kind"], "denied", "{failure}");
    assert_eq!(
        failure["refusal"]["grant"],
        "# hardstop.toml\n[secrets.KEY]\nenv = \"...\"\nusable_by = [\"pay\"]"
    );

    // The name stands for this machine, which the operator must allow, too.
    allow(folder.path(), port, false);
    let said = run(&pay);
    assert_eq!(said.code, 1, "{said:?}");
    let message = said.json()["failure"]["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(message.contains("is loopback"), "{message}");

    allow(folder.path(), port, true);
    let report = run(&pay).good().json();
    let body = report["output"]["body"].as_str().unwrap();
    assert!(body.contains("Bearer [secret KEY]"), "{report}");
    assert_eq!(report["usage"]["http_requests"], 1);

    // What the flags do not ask for.
    let said = run(&["fetch", "-i", &format!(r#"{{"url":"{rule}/"}}"#)]);
    assert_eq!(said.code, 1, "{said:?}");
    let grant = said.json()["failure"]["refusal"]["grant"].clone();
    assert_eq!(
        grant,
        format!("# job.toml\n[types.fetch.capabilities.http]\nallow = [\"GET {rule}\"]")
    );

    for (flag, value, expected) in [
        ("--allow-http", "localhost", "HTTP rule `localhost`"),
        ("--secret", "KEY", "write NAME=placeholder"),
        (
            "--secret",
            "KEY=secret",
            "`secret` is not placeholder or readable",
        ),
    ] {
        let said = run(&["fetch", "-i", "{}", flag, value]);
        assert_eq!(said.code, 2, "{said:?}");
        assert!(said.stderr.contains(expected), "{said:?}");
    }
}

#[test]
fn what_could_never_be_granted_is_not_deployed() {
    let db = Database::new(Kind::Sqlite, &[]);
    let port = serve();
    let path = manifest(db.folder(), port);
    let deploy = || db.run(&["deploy", path.to_str().unwrap()]);
    let said = deploy();
    assert_eq!(said.code, 2, "{said:?}");
    let rule = format!("GET http://localhost:{port}");
    for expected in [
        format!("[types.pay]: asks for HTTP to `{rule}`, which this host does not allow"),
        format!("[capabilities.http]\nallow = [\"{rule}\"]"),
    ] {
        assert!(said.stderr.contains(&expected), "{said:?}");
    }
    let config = format!("[capabilities.http]\nallow = [\"http://localhost:{port}\"]\n");
    std::fs::write(db.folder().join("hardstop.toml"), &config).unwrap();
    let said = deploy();
    assert_eq!(said.code, 2, "{said:?}");
    for expected in [
        "asks for secret `KEY` as placeholder, which this host does not allow",
        "[secrets.KEY]\nenv = \"...\"\nusable_by = [\"pay\"]",
    ] {
        assert!(said.stderr.contains(expected), "{said:?}");
    }
    allow(db.folder(), port, true);
    deploy().good();
}
