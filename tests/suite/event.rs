//! Events that are posted to a URL: signed, in order, at least once, and not where they may not go.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Child;

use hardstop_tests::{
    Database, Kind, Posted, RECEIVER_CANARY, Receiver, Reply, Said, Server, Worker, guest,
    hardstop, wait_for,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

both_ways!(
    events_arrive_signed_and_in_order,
    events_are_printed_until_interrupted
);

mod robust {
    on_both!(
        a_receiver_that_fails_is_asked_again_until_the_event_is_given_up,
        a_refusal_stops_the_subscription_and_shows,
        redirects_are_not_followed_and_silence_is_cut_off,
        a_killed_host_leaves_no_event_undelivered,
    );

    pub use super::{
        a_killed_host_leaves_no_event_undelivered,
        a_receiver_that_fails_is_asked_again_until_the_event_is_given_up,
        a_refusal_stops_the_subscription_and_shows,
        redirects_are_not_followed_and_silence_is_cut_off,
    };
}

const KEY: &str = "canary-of-the-key-0123456789abcdef";

/// A database whose hosts may post to loopback, where they may at all, and lose patience within a second.
fn database(kind: Kind, allowed: bool) -> Database {
    with_patience(kind, allowed, "1s")
}

fn with_patience(kind: Kind, allowed: bool, timeout: &str) -> Database {
    let db = Database::empty(kind);
    fs::write(db.folder().join("key"), KEY).unwrap();
    let allowed = match allowed {
        true => "allow_private = [\"127.0.0.0/8\"]",
        false => "",
    };
    let config = format!(
        "[secrets.EVENTS_KEY]\nfile = \"{}\"\n[events]\nsigning_secret = \"EVENTS_KEY\"\n{allowed}\ntimeout = \"{timeout}\"\n\
         attempts_max = 2\nretry_delay = \"10ms\"\ncheck_interval = \"100ms\"\n",
        db.folder().join("key").display()
    );
    fs::write(db.folder().join("hardstop.toml"), config).unwrap();
    db.run(&["migrate"]).good();
    db.run(&["deploy", guest("plain").to_str().unwrap()]).good();
    db
}

/// Makes a subscription, and answers with its secret.
fn subscribe(db: &Database, name: &str, url: &str, more: &[&str]) -> String {
    let args = ["subscription", "create", name, "--url", url];
    let args: Vec<&str> = args.into_iter().chain(more.iter().copied()).collect();
    let said = db.run(&args).good();
    let secret = said.stdout.trim().to_owned();
    assert!(secret.starts_with("whsec_"), "{said:?}");
    secret
}

const CLOSED: [&str; 2] = ["--event", "chain.closed"];

fn shown(db: &Database, name: &str) -> Value {
    db.json(&["subscription", "show", name])
}

fn wait_shown(db: &Database, name: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    wait_for(what, || Some(shown(db, name)).filter(|it| is(it)))
}

/// The chains that were told of, in order.
fn chains(posted: &[Posted]) -> Vec<String> {
    let chain = |it: &Posted| it.json()["data"]["chain_id"].as_str().unwrap().to_owned();
    posted.iter().map(chain).collect()
}

fn events_arrive_signed_and_in_order(kind: Kind) {
    let db = database(kind, true);
    let receiver = Receiver::new(Reply::Status(204));
    let secret = subscribe(&db, "all", &receiver.url(), &CLOSED);
    let failing = [
        "--event",
        "type.failing",
        "--failing-attempts-min",
        "1",
        "--type",
        "fail",
    ];
    let watch = Receiver::new(Reply::Status(200));
    let other = subscribe(&db, "failing", &watch.url(), &failing);
    assert_ne!(secret, other);
    let said = db.run(&[
        "subscription",
        "create",
        "all",
        "--url",
        "https://example.com",
        "--event",
        "chain.closed",
    ]);
    assert_eq!(said.code, 1, "{said:?}");

    let mut worker = Worker::start(&db, &["--concurrency", "1"]);
    let canary = "canary-of-the-input-4f2a";
    let mut started = Vec::new();
    for number in 0..5 {
        let chain = db.start(
            "echo",
            &json!({ "text": format!("{canary} {number}") }).to_string(),
        );
        db.wait_state(&chain, "completed");
        started.push(chain);
    }
    let dead = db.start("fail", &json!({ "until": 9, "secret": canary }).to_string());
    db.wait_state(&dead, "discarded");
    started.push(dead.clone());
    let posted = receiver.wait(6);
    assert_eq!(chains(&posted), started);
    let ids: BTreeSet<&str> = posted.iter().map(|it| it.header("webhook-id")).collect();
    assert_eq!(ids.len(), 6);
    for it in &posted {
        assert!(
            it.is_signed_with(&secret) && !it.is_signed_with(&other),
            "{it:#?}"
        );
        assert_eq!(it.path, "/in?key=canary-of-the-url-88ab");
        assert_eq!(it.header("content-type"), "application/json");
        assert_eq!(it.json()["type"], "chain.closed");
        // Neither input nor the text of an error.
        for text in [canary, "of a job that wants"] {
            assert!(!it.body.contains(text), "{it:#?}");
        }
    }
    let last = posted[5].json();
    assert_eq!(
        (
            &last["data"]["state"],
            &last["data"]["job_type"],
            &last["data"]["outcome"]
        ),
        (
            &json!("discarded"),
            &json!("fail"),
            &json!("failed-retryable")
        )
    );
    // What attempts came to is on record within a second, and somebody looks.
    let told = watch.wait(1);
    assert!(told[0].is_signed_with(&other));
    let told = told[0].json();
    assert_eq!(
        (&told["type"], &told["data"]["job_type"]),
        (&json!("type.failing"), &json!("fail"))
    );

    wait_shown(&db, "all", "the deliveries to be on record", |it| {
        it["waiting"] == 0
    });
    let deliveries = db.json(&["subscription", "deliveries", "all"]);
    assert_eq!(deliveries.as_array().unwrap().len(), 6);
    assert_eq!(deliveries[0]["job_id"], dead);
    let before = deliveries[3]["id"].to_string();
    let page = [
        "subscription",
        "deliveries",
        "all",
        "--before",
        &before,
        "--limit",
        "1",
    ];
    assert_eq!(db.json(&page)[0]["id"], deliveries[4]["id"]);

    // One again, under its id; then all of them.
    let number = deliveries[5]["id"].to_string();
    db.run(&["subscription", "replay", "all", "--delivery", &number])
        .good();
    let again = receiver.wait(7);
    assert_eq!(
        again[6].header("webhook-id"),
        posted[0].header("webhook-id")
    );
    assert_eq!(again[6].body, posted[0].body);
    wait_shown(&db, "all", "the delivery to be on record", |it| {
        it["waiting"] == 0
    });
    let said = db.json(&["subscription", "replay", "all", "--since", "1h"]);
    assert_eq!(said["deliveries"], 6);
    assert_eq!(chains(&receiver.wait(13)[7..]), started);
    worker.drain();

    // What is secret is in none of what is shown; the URL's path is in no record of changes.
    let shown = db.run(&["subscription", "list"]).good().stdout;
    let deliveries = db.run(&["subscription", "deliveries", "all"]).good().stdout;
    let audit = db.run(&["audit", "list", "-o", "json"]).good().stdout;
    assert!(audit.contains("create-subscription") && audit.contains("replay-deliveries"));
    assert!(!audit.contains("canary-of-the-url"), "{audit}");
    for text in [&shown, &deliveries, &audit, &worker.log()] {
        for secret in [KEY, canary, RECEIVER_CANARY, secret.as_str()] {
            assert!(!text.contains(secret), "{secret} is in {text}");
        }
    }
    db.run(&["subscription", "delete", "all"]).good();
    let said = db.run(&["subscription", "show", "all"]);
    assert_eq!(said.code, 2, "{said:?}");
}

pub fn a_receiver_that_fails_is_asked_again_until_the_event_is_given_up(kind: Kind) {
    let db = database(kind, true);
    let receiver = Receiver::new(Reply::Status(500));
    subscribe(&db, "s", &receiver.url(), &CLOSED);
    let _worker = Worker::start(&db, &[]);
    let first = db.start("noop", "{}");
    let second = db.start("noop", "{}");
    let gone = wait_shown(&db, "s", "both events to be given up", |it| it["dead"] == 2);
    assert_eq!(gone["state"], "active");
    assert_eq!(gone["failure"], "it answered 500");
    let posted = receiver.posted();
    // Each twice, the later one only once the earlier one was given up.
    let tried = chains(&posted);
    assert_eq!(tried.len(), 4, "{tried:?}");
    assert!(
        tried[0] == tried[1] && tried[2] == tried[3] && tried[0] != tried[2],
        "{tried:?}"
    );
    assert!(tried.contains(&first) && tried.contains(&second));
    receiver.reply(Reply::Status(200));
    let said = db.json(&["subscription", "replay", "s", "--dead"]);
    assert_eq!(said["deliveries"], 2);
    assert_eq!(chains(&receiver.wait(6)[4..]), [&*tried[0], &*tried[2]]);
    wait_shown(&db, "s", "the deliveries to be on record", |it| {
        it["dead"] == 0 && it["waiting"] == 0
    });
}

pub fn a_refusal_stops_the_subscription_and_shows(kind: Kind) {
    let db = database(kind, true);
    let receiver = Receiver::new(Reply::Status(410));
    subscribe(&db, "s", &receiver.url(), &CLOSED);
    // A host that only serves delivers, too.
    let _server = Server::start(&db);
    let chain = db.start("noop", "{}");
    db.run(&["chain", "cancel", &chain]).good();
    let stopped = wait_shown(&db, "s", "the subscription to stop", |it| {
        it["state"] == "stopped"
    });
    assert_eq!(stopped["failure"], "it answered 410");
    assert_eq!(
        (&stopped["waiting"], &stopped["dead"]),
        (&json!(1), &json!(0))
    );
    let other = db.start("noop", "{}");
    db.run(&["chain", "cancel", &other]).good();
    receiver.reply(Reply::Status(200));
    db.run(&["subscription", "resume", "s"]).good();
    assert_eq!(chains(&receiver.wait(3)), [&*chain, &*chain, &*other]);

    // Paused, it waits.
    db.run(&["subscription", "pause", "s"]).good();
    let third = db.start("noop", "{}");
    db.run(&["chain", "cancel", &third]).good();
    let paused = wait_shown(&db, "s", "the event", |it| it["waiting"] == 1);
    assert_eq!(paused["state"], "paused");
    assert_eq!(receiver.posted().len(), 3);
    db.run(&["subscription", "resume", "s"]).good();
    assert_eq!(chains(&receiver.wait(4))[3], third);
}

pub fn redirects_are_not_followed_and_silence_is_cut_off(kind: Kind) {
    let db = database(kind, true);
    let secret_place = Receiver::new(Reply::Status(200));
    let elsewhere = Receiver::new(Reply::Redirect(secret_place.url()));
    let silent = Receiver::new(Reply::Hang);
    subscribe(&db, "elsewhere", &elsewhere.url(), &CLOSED);
    subscribe(&db, "silent", &silent.url(), &CLOSED);
    let good = Receiver::new(Reply::Status(200));
    subscribe(&db, "good", &good.url(), &CLOSED);
    let _server = Server::start(&db);
    let chain = db.start("noop", "{}");
    db.run(&["chain", "cancel", &chain]).good();
    // Those that fail do not keep it from others.
    good.wait(1);
    for (name, failure) in [
        ("elsewhere", "it answered 307"),
        ("silent", "it did not answer within 1s"),
    ] {
        let dead = wait_shown(&db, name, "the event to be given up", |it| it["dead"] == 1);
        assert_eq!(dead["failure"], failure);
    }
    assert_eq!(secret_place.posted().len(), 0);
}

pub fn a_killed_host_leaves_no_event_undelivered(kind: Kind) {
    // It is killed well before it would give up.
    let db = with_patience(kind, true, "5s");
    let receiver = Receiver::new(Reply::Hang);
    subscribe(&db, "s", &receiver.url(), &CLOSED);
    let mut worker = Worker::start(&db, &["--lease", "1s"]);
    let chain = db.start("noop", "{}");
    // It has committed and is delivering.
    receiver.wait(1);
    worker.kill();
    receiver.reply(Reply::Status(200));
    let before = receiver.posted().len();
    let _worker = Worker::start(&db, &[]);
    let posted = receiver.wait(before + 1);
    let ids: BTreeSet<&str> = posted.iter().map(|it| it.header("webhook-id")).collect();
    assert_eq!(ids.len(), 1, "the same event, told apart by nothing");
    assert_eq!(chains(&posted)[0], chain);
    wait_shown(&db, "s", "the delivery to be on record", |it| {
        it["waiting"] == 0
    });
}

#[test]
fn addresses_that_are_not_public_are_refused() {
    let db = database(Kind::Sqlite, false);
    let receiver = Receiver::new(Reply::Status(200));
    let port = receiver.address().port();
    let _server = Server::start(&db);
    for (name, url) in [
        ("number", format!("http://127.0.0.1:{port}/")),
        ("name", format!("http://localhost:{port}/")),
        ("mapped", format!("http://[::ffff:127.0.0.1]:{port}/")),
        ("metadata", "http://169.254.169.254/".to_owned()),
    ] {
        subscribe(&db, name, &url, &CLOSED);
    }
    let chain = db.start("noop", "{}");
    db.run(&["chain", "cancel", &chain]).good();
    for name in ["number", "name", "mapped", "metadata"] {
        let stopped = wait_shown(&db, name, "the refusal", |it| it["state"] == "stopped");
        let failure = stopped["failure"].as_str().unwrap();
        assert!(
            failure.contains("is refused, because it is") && failure.contains("allow_private = ["),
            "{failure}"
        );
    }
    assert_eq!(receiver.posted().len(), 0);
}

#[test]
fn a_subscription_is_looked_at_and_steered_on_its_page() {
    let db = database(Kind::Sqlite, false);
    let server = Server::start(&db);
    let get = |path: &str| {
        let answer = server.send("GET", path, &[], b"");
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    };
    let send = |path: &str, body: &str| {
        let origin = format!("http://{}", server.address());
        let headers = [
            ("origin", origin.as_str()),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        let answer = server.send("POST", path, &headers, body.as_bytes());
        assert_eq!(answer.status, 303, "{answer:?}");
        answer.header("location").unwrap().to_owned()
    };
    // Where it may not go, so its first event stops it.
    subscribe(&db, "pager", "http://127.0.0.1:9/hook", &CLOSED);
    assert!(get("/subscriptions").contains("http://127.0.0.1:9/hook"));
    let chain = db.start("noop", "{}");
    db.run(&["chain", "cancel", &chain]).good();
    wait_shown(&db, "pager", "the refusal", |it| it["state"] == "stopped");
    let page = get("/subscriptions/pager");
    for part in [
        "stopped",
        "is refused, because it is",
        "chain.closed",
        "/jobs/",
        "action=\"/subscriptions/pager/resume\"",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!get("/subscriptions/pager?state=delivered").contains("/jobs/0"));
    let wrong = server.send("GET", "/subscriptions/pager?state=gone", &[], b"");
    assert_eq!(wrong.status, 422, "{wrong:?}");
    let place = send("/subscriptions/pager/pause", "");
    assert!(get(&place).contains("its events are gathered"));
    assert_eq!(shown(&db, "pager")["state"], "paused");
    let place = send("/subscriptions/pager/replay", "delivery=1");
    assert!(get(&place).contains("wait again"));
    let place = send("/subscriptions/pager/resume", "");
    assert!(get(&place).contains("goes on"));
    let place = send("/subscriptions/pager/delete", "");
    assert!(get(&place).contains("Nobody subscribes to events."));
    let gone = server.send("GET", "/subscriptions/pager", &[], b"");
    assert_eq!(gone.status, 404, "{gone:?}");
}

#[test]
fn without_a_key_there_are_no_subscriptions() {
    let db = Database::new(Kind::Sqlite, &[]);
    let create = [
        "subscription",
        "create",
        "s",
        "--url",
        "https://example.com",
    ];
    let create: Vec<&str> = create.into_iter().chain(CLOSED).collect();
    let said = db.run(&create);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.stderr.contains("signing_secret = "), "{said:?}");
    assert_eq!(db.json(&["subscription", "list"]), json!([]));
    // A short one is none.
    fs::write(db.folder().join("key"), "too short a key").unwrap();
    let config = "[secrets.K]\nfile = \"key\"\n[events]\nsigning_secret = \"K\"\n";
    fs::write(db.folder().join("hardstop.toml"), config).unwrap();
    let said = db.run(&create);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(
        said.stderr.contains("15 bytes") && !said.stderr.contains("too short a key"),
        "{said:?}"
    );
}

#[test]
fn a_host_without_the_key_leaves_events_to_others() {
    let db = database(Kind::Sqlite, true);
    let receiver = Receiver::new(Reply::Status(200));
    subscribe(&db, "s", &receiver.url(), &CLOSED);
    fs::write(db.folder().join("bare.toml"), "").unwrap();
    let bare = Server::with(&db, &["--no-worker", "--config", "bare.toml"]);
    let chain = db.start("noop", "{}");
    db.run(&["chain", "cancel", &chain]).good();
    wait_for("the host to say so", || {
        bare.log()
            .contains("this host cannot sign events")
            .then_some(())
    });
    let waits = shown(&db, "s");
    assert_eq!(
        (&waits["state"], &waits["waiting"]),
        (&json!("active"), &json!(1))
    );
    assert_eq!(receiver.posted().len(), 0);
    let _other = Server::start(&db);
    assert_eq!(chains(&receiver.wait(1)), [chain]);
}

#[test]
fn subscriptions_over_the_api() {
    let db = database(Kind::Sqlite, true);
    let server = Server::start(&db);
    let new = json!({ "name": "s", "url": "https://example.com/in", "kinds": ["job.discarded"] });
    let keyed = [("idempotency-key", "\"k\"")];
    let call =
        |body: &Value| server.call_with("POST", "/subscriptions", &keyed, Some(body.clone()));
    let made = call(&new);
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.header("location"), Some("/api/v1/subscriptions/s"));
    // Sent again it is answered as before, with the secret.
    assert_eq!(call(&new).json(), made.json());
    server
        .post("/subscriptions", new.clone())
        .problem(409, "conflict");
    for (field, value) in [
        ("name", json!("S")),
        ("url", json!("ftp://example.com")),
        ("url", json!("https://user:secret@example.com")),
        ("kinds", json!([])),
        ("type", json!("No")),
        ("thresholds", json!({ "failing_percent": 0 })),
        ("thresholds", json!({ "failing_window": "30s" })),
    ] {
        let mut bad = new.clone();
        bad["name"] = json!("other");
        bad[field] = value;
        server.post("/subscriptions", bad).problem(422, "invalid");
    }
    for kinds in [json!(["job.done"]), json!("job.discarded")] {
        let mut bad = new.clone();
        bad["kinds"] = kinds;
        server.post("/subscriptions", bad).problem(400, "malformed");
    }
    let mut unknown = new.clone();
    unknown["name"] = json!("other");
    unknown["type"] = json!("nothing");
    server
        .post("/subscriptions", unknown)
        .problem(422, "not-deployed");
    let listed = server.get("/subscriptions").good();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert!(listed[0].get("secret").is_none());
    let empty = server.get("/subscriptions/s/deliveries").good();
    assert_eq!(empty, json!({ "items": [], "next": null }));
    server
        .get("/subscriptions/s/deliveries?limit=0")
        .problem(422, "invalid");
    for which in [
        json!("dead"),
        json!({ "one": 7 }),
        json!({ "since": "2020-01-01T00:00:00Z" }),
    ] {
        let done = server.post("/subscriptions/s/replay", which).good();
        assert_eq!(done["deliveries"], 0);
    }
    server
        .post("/subscriptions/s/replay", json!("all"))
        .problem(400, "malformed");
    server.call("DELETE", "/subscriptions/s", None).good();
    for (method, path) in [
        ("GET", ""),
        ("DELETE", ""),
        ("POST", "/pause"),
        ("POST", "/resume"),
        ("GET", "/deliveries"),
    ] {
        let gone = server.call(method, &format!("/subscriptions/s{path}"), None);
        gone.problem(404, "no-such-subscription");
    }
}

/// `hardstop events`, as it goes on.
struct Printing {
    child: Child,
    said: [PathBuf; 2],
}

impl Printing {
    /// Of the database, or of the server before it.
    fn start(db: &Database, name: &str, args: &[&str]) -> Self {
        let args: Vec<&str> = ["events"].into_iter().chain(args.iter().copied()).collect();
        let place = db.place(&args);
        let place = place.each_ref().map(String::as_str);
        Self::at(db, name, &[args.as_slice(), place.as_slice()].concat())
    }

    fn at(db: &Database, name: &str, args: &[&str]) -> Self {
        let said = ["out", "err"].map(|end| db.folder().join(format!("{name}.{end}")));
        let [out, err] = said.each_ref().map(|path| File::create(path).unwrap());
        let mut command = hardstop(db.folder(), args);
        let child = command.stdout(out).stderr(err).spawn().unwrap();
        Self { child, said }
    }

    /// Standard output and standard error.
    fn said(&self) -> [String; 2] {
        self.said
            .each_ref()
            .map(|path| fs::read_to_string(path).unwrap())
    }

    #[track_caller]
    fn wait(&self, what: &str, is: impl Fn(&str, &str) -> bool) {
        wait_for(what, || {
            let [out, err] = self.said();
            is(&out, &err).then_some(())
        });
    }

    #[track_caller]
    fn wait_lines(&self, count: usize) {
        self.wait(&format!("{count} events"), |out, _| {
            out.lines().count() >= count
        });
    }

    /// Interrupts it, and waits for its end.
    #[track_caller]
    fn interrupt(mut self) -> Said {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::INT).unwrap();
        let status = wait_for("it to end", || self.child.try_wait().unwrap());
        let [stdout, stderr] = self.said();
        Said {
            code: status.code().unwrap(),
            stdout,
            stderr,
        }
    }
}

impl Drop for Printing {
    fn drop(&mut self) {
        // It has ended, where nothing failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn cancelled(db: &Database) -> String {
    let chain = db.start("noop", "{}");
    db.run(&["chain", "cancel", &chain]).good();
    chain
}

fn events_are_printed_until_interrupted(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let printing = Printing::start(
        &db,
        "first",
        &["--kind", "chain.closed", "--kind", "job.cancelled"],
    );
    printing.wait("it to listen", |_, err| err.contains("waiting for events"));
    let chain = cancelled(&db);
    printing.wait_lines(2);
    let said = printing.interrupt().good();
    let lines: Vec<&str> = said.stdout.lines().collect();
    for (line, kind) in lines.iter().zip(["job.cancelled", "chain.closed"]) {
        for part in [kind, "noop", &chain, "cancelled"] {
            assert!(line.contains(part), "{part}: {said:?}");
        }
    }
    assert_eq!(lines.len(), 2);
    // What comes meanwhile is not lost.
    let (_, id) = said
        .stderr
        .split_once("--since ")
        .expect("it says how to go on");
    let id = id.split_whitespace().next().unwrap();
    let meanwhile = cancelled(&db);
    let printing = Printing::start(&db, "second", &["--since", id, "-o", "json"]);
    printing.wait_lines(2);
    let last = cancelled(&db);
    printing.wait_lines(4);
    let said = printing.interrupt().good();
    assert_eq!(said.stderr, "");
    let events = said.json_lines();
    let told: Vec<_> = events
        .iter()
        .map(|it| {
            (
                it["type"].as_str().unwrap(),
                it["data"]["chain_id"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("job.cancelled", meanwhile.as_str()),
            ("chain.closed", meanwhile.as_str()),
            ("job.cancelled", last.as_str()),
            ("chain.closed", last.as_str()),
        ]
    );
    let ids: BTreeSet<&str> = events.iter().map(|it| it["id"].as_str().unwrap()).collect();
    assert!(ids.len() == 4 && !ids.contains(id), "{ids:?}");
}

#[test]
fn who_prints_events_goes_on_when_the_server_is_back() {
    let db = Database::new(Kind::Sqlite, &["plain"]);
    let server = Server::start(&db);
    let address = server.address().to_string();
    let url = format!("http://{address}");
    let printing = Printing::at(&db, "away", &["events", "--server", &url]);
    printing.wait("it to listen", |_, err| err.contains("waiting for events"));
    let mut chains = vec![cancelled(&db)];
    printing.wait_lines(2);
    drop(server);
    chains.push(cancelled(&db));
    let _server = Server::listening(&db, &address, &["--no-worker"]);
    printing.wait_lines(4);
    let said = printing.interrupt().good();
    let lines: Vec<&str> = said.stdout.lines().collect();
    let closed: Vec<&&str> = lines
        .iter()
        .filter(|it| it.contains("chain.closed"))
        .collect();
    assert_eq!((lines.len(), closed.len()), (4, 2), "{said:?}");
    assert!(
        closed
            .iter()
            .zip(&chains)
            .all(|(line, chain)| line.contains(chain)),
        "{said:?}"
    );
    assert!(!said.stderr.contains("lost"), "{said:?}");
}

#[test]
fn who_prints_events_says_that_some_were_lost() {
    for kind in [Kind::Postgres, Kind::ServedPostgres] {
        let db = Database::new(kind, &["plain"]);
        let printing = Printing::start(&db, "lost", &[]);
        printing.wait("it to listen", |_, err| err.contains("waiting for events"));
        cancelled(&db);
        printing.wait_lines(2);
        db.sql("DELETE FROM hardstop.subscription");
        printing.wait("it to say so", |_, err| err.contains("events were lost"));
        // It hears again from here on.
        wait_for("it to listen again", || {
            cancelled(&db);
            (printing.said()[0].lines().count() > 2).then_some(())
        });
        let said = printing.interrupt().good();
        assert!(said.stderr.contains("no going on from event"), "{said:?}");
        // From an event that was printed before, there is no going on.
        let gone = "0198c2f47d5e7c1ab0de5a3f0c9d2e11-7";
        let away = hardstop(db.folder(), &["events", "--server", "http://127.0.0.1:1"]);
        let said = Said::from({ away }.output().unwrap());
        assert_eq!((said.code, said.stdout.as_str()), (3, ""), "{said:?}");
        let said = db.run(&["events", "--since", gone]);
        assert_eq!((said.code, said.stdout.as_str()), (2, ""), "{said:?}");
    }
}
