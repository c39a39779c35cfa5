//! The command line against a server: the same words, the same exit codes, whichever answers.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::sync::Arc;

use hardstop_tests::{Database, Kind, Said, Server, Worker, guest, hardstop, run, wait_for};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

on_both!(looking_shows_the_same, a_wait_outlives_its_server);

/// An id that nothing has.
const NOTHING: &str = "0198c2f4-7d5e-7c1a-b0de-5a3f0c9d2e11";

/// An event of a stream that is gone.
const GONE: &str = "0198c2f47d5e7c1ab0de5a3f0c9d2e11-7";

/// What a command says of the database, and what it says of the server.
fn both(db: &Database, server: &Server, args: &[&str]) -> (Said, Said) {
    let url = format!("http://{}", server.address());
    let on = |place: [&str; 2]| {
        let args: Vec<&str> = args.iter().copied().chain(place).collect();
        run(db.folder(), &args)
    };
    (
        on(["--database-url", db.url()]),
        on(["--server", url.as_str()]),
    )
}

#[track_caller]
fn same(args: &[&str], database: &Said, server: &Said) {
    // An explanation tells when it was made.
    let timeless = |text: &str| -> String {
        let (before, after) = text.split_once("\"now\":").unwrap_or((text, ""));
        let (_, after) = after.split_once(',').unwrap_or_default();
        format!("{before}{after}")
    };
    assert_eq!(
        (database.code, timeless(&database.stdout), &database.stderr),
        (server.code, timeless(&server.stdout), &server.stderr),
        "{args:?}"
    );
}

/// Every command that only looks, on a database in which there is something of everything.
fn looking_shows_the_same(kind: Kind) {
    let db = Database::new(kind, &["plain", "markdown"]);
    outside(&db);
    let server = Server::start(&db);
    let mut worker = Worker::start(&db, &[]);
    let written = r#"{ "text":"a",  "b": 1.50, "a": [1 ,null] }"#;
    let echo = db.start("echo", written);
    let nothing = db.start("noop", "{}");
    let steps = db.start("steps", "[2,0]");
    let dead = db.start("fail", r#"{"until":9}"#);
    for chain in [&echo, &nothing, &steps, &dead] {
        wait_for("the chain to close", || {
            let chain = db.json(&["chain", "show", chain]);
            ["completed", "discarded"]
                .contains(&chain["state"].as_str().unwrap())
                .then_some(())
        });
    }
    worker.drain();
    let waiting = db
        .run(&["start", "sum", "--blocker", &db.start("nap", r#"{"ms":1}"#)])
        .good();
    let waiting = waiting.stdout.trim();
    let asked = db.start("review", "{}");
    let keyed = ["start", "noop", "--key", "k", "--after", "1h"];
    db.run(&keyed).good();
    db.run(&["pause", "clock", "--for", "2h", "--note", "n"])
        .good();
    db.run(&[
        "schedule",
        "put",
        "s/1",
        "--type",
        "noop",
        "--cron",
        "0 9 * * *",
    ])
    .good();
    db.run(&[
        "schedule", "put", "every", "--type", "noop", "--every", "90s",
    ])
    .good();
    db.run(&["schedule", "trigger", "s/1"]).good();
    db.run(&["schedule", "pause", "every"]).good();
    let replay = db.json(&["dead-letter", "replay", &dead]);
    let replay = replay["replay"].as_str().unwrap();
    db.run(&["job", "cancel", &dead]).good();
    db.run(&["deploy", guest("markdown").to_str().unwrap()])
        .good();
    let deployments = db.json(&["deployment", "list"]);
    let [newer, older] = [0, 2].map(|place| deployments[place]["id"].as_str().unwrap());
    let jobs = db.jobs();
    let before = jobs[3]["id"].as_str().unwrap();

    let plain = guest("plain");
    let plain = plain.to_str().unwrap();
    let commands: &[&[&str]] = &[
        &["job", "list"],
        &["job", "list", "--limit", "2"],
        &["job", "list", "--before", before],
        &["job", "list", "--type", "fail", "--state", "cancelled"],
        &["job", "list", "--type", "noop", "--key", "k"],
        &["job", "list", "--since", "2020-01-01T00:00:00Z"],
        &["job", "show", &echo],
        &["job", "show", &nothing],
        &["job", "show", &dead],
        &["job", "show", waiting],
        &["job", "show", &asked],
        &["job", "logs", &dead],
        &["job", "logs", &echo],
        &["job", "wait", &echo],
        &["job", "wait", &nothing],
        &["job", "wait", &dead],
        &["job", "wait", waiting, "--timeout", "1s"],
        &["job", "explain", &dead],
        &["job", "explain", &echo],
        &["chain", "list"],
        &["chain", "list", "--limit", "1"],
        &["chain", "list", "--state", "completed", "--before", before],
        &["chain", "show", &steps],
        &["chain", "show", &nothing],
        &["chain", "show", waiting],
        &["chain", "wait", &steps],
        &["chain", "wait", &nothing],
        &["chain", "wait", &dead],
        &["chain", "wait", waiting, "--timeout", "1s"],
        &["dead-letter", "list", "--state", "cancelled"],
        &["dead-letter", "list"],
        &["dead-letter", "show", &dead],
        &["dead-letter", "show", &echo],
        &["dead-letter", "replays"],
        &["dead-letter", "replay-show", replay],
        &["dead-letter", "replay", "--all", "--dry-run"],
        &["dead-letter", "export", "--state", "cancelled"],
        &["component", "list"],
        &["component", "show", "markdown"],
        &["deployment", "list"],
        &["deployment", "list", "--limit", "1"],
        &["deployment", "show", newer],
        &["deployment", "diff", newer],
        &["deployment", "diff", older, newer],
        &["type", "list"],
        &["type", "show", "echo"],
        &["type", "show", "review"],
        &["type", "history", "markdown"],
        &["schedule", "list"],
        &["schedule", "show", "s/1"],
        &["schedule", "show", "every"],
        &["pauses"],
        &["session", "list"],
        &["session", "drain", "999"],
        &["session", "drain", "x"],
        &["audit", "list"],
        &["audit", "list", "--action", "deploy", "--limit", "1"],
        &["audit", "export"],
        &["token", "list"],
        &["deploy", plain, "--check"],
        &["deploy", plain, "--diff"],
        // What is wrong is said in the same words.
        &["job", "show", NOTHING],
        &["job", "explain", NOTHING],
        &["job", "wait", NOTHING],
        &["job", "retry", &echo],
        &["job", "trigger", &echo],
        &["job", "cancel", NOTHING],
        &[
            "job", "complete", &asked, "--token", NOTHING, "--result", "1",
        ],
        &[
            "job", "complete", &asked, "--token", NOTHING, "--result", "{",
        ],
        &[
            "job", "complete", &echo, "--token", NOTHING, "--result", "1",
        ],
        &["job", "fail", &asked, "--token", NOTHING, "--message", "m"],
        &["chain", "show", NOTHING],
        &["chain", "wait", NOTHING],
        &["chain", "cancel", &echo],
        &["chain", "delete", NOTHING],
        &["chain", "list", "--state", "continued"],
        &["dead-letter", "replay", NOTHING],
        &["dead-letter", "replay", &echo],
        &["dead-letter", "replay-show", NOTHING],
        &["component", "show", "nobody"],
        &["component", "show", "a b/c?d"],
        &["deployment", "show", NOTHING],
        &["type", "show", "nothing"],
        &["type", "show", "No Type"],
        &["type", "rollback", "echo", "--to", NOTHING],
        &["type", "rollback", "echo"],
        &["type", "canary", "echo", "--end"],
        &["type", "release", "echo"],
        &["schedule", "show", "nothing"],
        &["schedule", "show", "no name!"],
        &["schedule", "delete", "nothing"],
        &[
            "schedule",
            "put",
            "x",
            "--type",
            "noop",
            "--cron",
            "every day",
        ],
        &["schedule", "put", "x", "--type", "noop", "--every", "10ms"],
        &["resume", "noop"],
        &["pause", "noop", "--until", "tomorrow"],
        &["pause", "noop", "--until", "2020-01-01T00:00:00Z"],
        &["token", "revoke", NOTHING],
        &["events", "--since", GONE],
        &["events", "--type", "nothing"],
        &["events", "--type", "No Type", "--kind", "chain.closed"],
        &["events", "--type", ""],
        &["events", "--kind", "chain.done"],
        &["subscription", "list"],
        &["subscription", "show", "nothing"],
        &["subscription", "show", "No Name"],
        &["subscription", "deliveries", "nothing", "--state", "dead"],
        &["subscription", "pause", "nothing"],
        &["subscription", "resume", "nothing"],
        &["subscription", "delete", "nothing"],
        &["subscription", "replay", "nothing", "--dead"],
        &["subscription", "replay", "nothing", "--delivery", "7"],
        &[
            "subscription",
            "create",
            "s",
            "--url",
            "ftp://example.com",
            "--event",
            "chain.closed",
        ],
        &[
            "subscription",
            "create",
            "s",
            "--url",
            "https://example.com",
            "--event",
            "chain.closed",
        ],
        &["start", "nothing"],
        &["start", "No Type"],
        &["start", "echo", "-i", "{text:1}"],
        &["start", "echo", "-i", r#"{"text":7}"#],
        &["start", "nothing", "-i", "{text:1}"],
        &["start", "noop", "--priority", "101"],
        &["start", "noop", "--wall-timeout", "10h"],
        &["start", "noop", "--blocker", NOTHING],
        &["start", "noop", "--count", "3", "--after", "9999d"],
    ];
    let mut covered = BTreeSet::new();
    for args in commands {
        for format in ["human", "json"] {
            let args: Vec<&str> = args.iter().copied().chain(["-o", format]).collect();
            let (database, asked) = both(&db, &server, &args);
            same(&args, &database, &asked);
        }
        covered.insert(name_of(args));
    }
    // What changes something is compared by another test.
    covered.extend(CHANGING.iter().map(|args| name_of(args)));
    covered.extend(HERE.map(str::to_owned));
    assert_eq!(covered, every_command(&db), "every command is compared");
}

/// Commands that no server answers.
const HERE: [&str; 5] = ["run", "serve", "worker", "migrate", "doctor"];

/// The name of a command with its subcommand.
fn name_of(args: &[&str]) -> String {
    match args[0] {
        "start" | "deploy" | "pause" | "resume" | "pauses" | "events" => args[0].to_owned(),
        _ => args[..2].join(" "),
    }
}

/// The names of all commands, as the help tells them.
fn every_command(db: &Database) -> BTreeSet<String> {
    let listed = |args: &[&str]| -> Vec<String> {
        let said = run(db.folder(), args).good().stdout;
        let (_, list) = said.split_once("Commands:\n").unwrap_or_default();
        let lines = list.lines().take_while(|line| line.starts_with("  "));
        let names = lines.filter(|line| !line.starts_with("   "));
        let names = names.filter_map(|line| line.split_whitespace().next());
        names
            .filter(|it| *it != "help")
            .map(str::to_owned)
            .collect()
    };
    let mut commands = BTreeSet::new();
    for command in listed(&["--help"]) {
        let below = listed(&[&command, "--help"]);
        match below.is_empty() {
            true => drop(commands.insert(command)),
            false => commands.extend(below.iter().map(|it| format!("{command} {it}"))),
        }
    }
    commands
}

/// Deploys `review`, which somebody outside completes.
fn outside(db: &Database) {
    let manifest = "name = \"outside\"\n[types.review]\nexternal = true\n\
                    output_schema = \"schemas/review.json\"\n";
    fs::create_dir_all(db.folder().join("schemas")).unwrap();
    fs::write(db.folder().join("job.toml"), manifest).unwrap();
    fs::write(db.folder().join("schemas/review.json"), "true").unwrap();
    db.run(&["deploy", "."]).good();
}

/// Commands that change something, one after the other. `CHAIN1` is the first chain that was started, `CHAIN2` the second;
/// `REVIEW` and `TOKEN` the last external job and what completes it; `PLAIN` and `OTHER` folders of manifests.
const CHANGING: &[&[&str]] = &[
    &["start", "noop"],
    &["start", "fail", "-i", r#"{"until":9}"#, "--priority", "-3"],
    &[
        "start",
        "noop",
        "--count",
        "3",
        "--at",
        "2040-01-01T00:00:00Z",
    ],
    &["start", "noop", "--key", "a", "--key-window", "1h"],
    &["start", "noop", "--key", "a"],
    &["start", "sum", "--blocker", "CHAIN2"],
    &["start", "echo", "--inputs", "lines"],
    &["start", "--graph", "graph.json"],
    &["start", "review"],
    &["job", "reschedule", "CHAIN1", "--after", "1h"],
    &[
        "job",
        "reschedule",
        "CHAIN1",
        "--at",
        "2040-01-01T00:00:00Z",
    ],
    &["job", "trigger", "CHAIN1"],
    &["job", "cancel", "CHAIN2"],
    &["job", "retry", "CHAIN2"],
    &["chain", "cancel", "CHAIN2"],
    &[
        "dead-letter",
        "replay",
        "--state",
        "cancelled",
        "--all",
        "--note",
        "why",
    ],
    &["dead-letter", "replay", "--state", "cancelled", "--all"],
    &["chain", "delete", "CHAIN2"],
    &["chain", "delete", "CHAIN2", "--cascade"],
    &[
        "job",
        "complete",
        "REVIEW",
        "--token",
        "TOKEN",
        "--continue-with",
        "review",
    ],
    &[
        "job", "complete", "REVIEW", "--token", "TOKEN", "--result", "[1]",
    ],
    &["start", "review"],
    &[
        "job",
        "fail",
        "REVIEW",
        "--token",
        "TOKEN",
        "--message",
        "m",
        "--details",
        "{}",
    ],
    &[
        "schedule",
        "put",
        "s",
        "--type",
        "noop",
        "--cron",
        "0 9 * * *",
    ],
    &[
        "schedule", "put", "s", "--type", "noop", "--every", "24h", "--missed", "all",
    ],
    &["schedule", "trigger", "s"],
    &["schedule", "pause", "s"],
    &["schedule", "resume", "s"],
    &["schedule", "delete", "s"],
    &["pause", "noop", "--for", "2h", "--note", "n"],
    &["pause", "--all"],
    &["resume", "noop"],
    &["resume", "--all"],
    &["deploy", "PLAIN"],
    &["deploy", ".", "PLAIN"],
    &["type", "rollback", "echo"],
    &["type", "canary", "echo", "--end"],
    &["deploy", "OTHER", "--canary", "10"],
    &["type", "canary", "echo", "--percent", "20"],
    &["type", "canary", "echo", "--promote"],
    &["type", "release", "echo"],
    &[
        "token",
        "create",
        "t",
        "--scope",
        "read",
        "--expires-in",
        "1h",
    ],
];

/// Runs the commands on a database of this kind, and returns what they said without what is another each time.
fn change(kind: Kind, format: &str) -> Vec<(String, i32, String, String)> {
    let db = Database::new(kind, &["plain"]);
    outside(&db);
    fs::write(
        db.folder().join("lines"),
        "{\"text\":\"a\"}\n{\"text\":\"b\"}\n",
    )
    .unwrap();
    let graph = r#"[{"name":"a","type":"noop"},{"name":"b","type":"sum","blockers":["a"]}]"#;
    fs::write(db.folder().join("graph.json"), graph).unwrap();
    let other = other_plain(&db);
    let plain = guest("plain");
    // A server knows who acts by the token, and a database by the user.
    let actor = db.json(&["audit", "list"])[0]["actor"].clone();
    let mut said_all = Vec::new();
    let mut chains: Vec<String> = Vec::new();
    let (mut review, mut token) = (String::new(), String::new());
    for command in CHANGING {
        let args: Vec<String> = command
            .iter()
            .map(|arg| match *arg {
                "CHAIN1" => chains[0].clone(),
                "CHAIN2" => chains[1].clone(),
                "REVIEW" => review.clone(),
                "TOKEN" => token.clone(),
                "PLAIN" => plain.to_str().unwrap().to_owned(),
                "OTHER" => other.clone(),
                arg => arg.to_owned(),
            })
            .collect();
        let mut args: Vec<&str> = args.iter().map(String::as_str).collect();
        args.extend(["-o", format]);
        let said = db.run(&args);
        let ids: Vec<&str> = said
            .stdout
            .split(|c: char| !(c.is_ascii_hexdigit() || c == '-'))
            .filter(|word| word.len() == 36)
            .collect();
        if command[0] == "start" && chains.len() < 2 {
            chains.push(ids[0].to_owned());
        }
        if command.contains(&"review") {
            // Human output has the token on standard error.
            let all = format!("{} {}", said.stdout, said.stderr);
            let words = all.split(|c: char| !(c.is_ascii_hexdigit() || c == '-'));
            let words: Vec<&str> = words.filter(|word| word.len() == 36).collect();
            (review, token) = match command[0] {
                "start" => (words[0].to_owned(), words[words.len() - 1].to_owned()),
                // As JSON, names are in order; to people, the token is told last.
                _ if format == "json" => (words[1].to_owned(), words[0].to_owned()),
                _ => (words[1].to_owned(), words[2].to_owned()),
            };
        }
        said_all.push((command.join(" "), said));
    }
    let plain = |text: &str| without_chance(text).replace(actor.as_str().unwrap(), "ACTOR");
    let said_all = said_all.into_iter().map(|(command, said)| {
        let (stdout, stderr) = (plain(&said.stdout), plain(&said.stderr));
        (command, said.code, stdout, stderr)
    });
    said_all.collect()
}

/// A text without ids, times, digests and secrets.
fn without_chance(text: &str) -> String {
    let mut words = String::new();
    let mut word = String::new();
    for c in text.chars().chain(['\n']) {
        if c.is_ascii_alphanumeric() || "-:._+".contains(c) {
            word.push(c);
            continue;
        }
        let digits = word.chars().filter(char::is_ascii_digit).count();
        let is_chance = digits > 8 || (word.len() > 30 && digits > 2);
        words.push_str(if is_chance { "*" } else { &word });
        word.clear();
        words.push(c);
    }
    words
}

/// A folder with a manifest of a component that does as `plain` does and has another digest.
fn other_plain(db: &Database) -> String {
    let folder = db.folder().join("other");
    fs::create_dir_all(&folder).unwrap();
    let mut bytes = fs::read(hardstop_tests::component("plain")).unwrap();
    // A custom section of no content.
    bytes.extend([0, 2, 1, b'o']);
    fs::write(folder.join("plain.wasm"), bytes).unwrap();
    let manifest = "name = \"plain\"\ncomponent = \"plain.wasm\"\n[types.echo]\n";
    fs::write(folder.join("job.toml"), manifest).unwrap();
    folder.to_str().unwrap().to_owned()
}

#[track_caller]
fn changes_alike(database: Kind, server: Kind, format: &str) {
    let (database, server) = (change(database, format), change(server, format));
    for (left, right) in database.iter().zip(&server) {
        assert_eq!(left, right);
    }
    assert_eq!(database.len(), server.len());
    let refused = database.iter().filter(|(_, code, ..)| *code != 0);
    let refused: Vec<&str> = refused.map(|(command, ..)| command.as_str()).collect();
    assert_eq!(refused, REFUSED);
}

/// Those of the commands that are refused.
const REFUSED: &[&str] = &[
    "chain delete CHAIN2",
    "type canary echo --end",
    "type release echo",
];

#[test]
fn changing_says_the_same_to_people() {
    changes_alike(Kind::Sqlite, Kind::Served, "human");
}

#[test]
fn changing_says_the_same_to_programs() {
    changes_alike(Kind::Sqlite, Kind::Served, "json");
}

#[test]
fn changing_says_the_same_on_postgres() {
    changes_alike(Kind::Postgres, Kind::ServedPostgres, "human");
}

/// The server goes away and another comes: whoever waits hears of the end all the same.
fn a_wait_outlives_its_server(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let _worker = Worker::start(&db, &[]);
    let server = Server::start(&db);
    let address = server.address().to_string();
    let url = format!("http://{address}");
    let args = [
        "start",
        "nap",
        "-i",
        r#"{"ms":6000}"#,
        "--wait",
        "--server",
        &url,
    ];
    let mut waiting = hardstop(db.folder(), &args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for("the job to run", || {
        db.jobs()
            .iter()
            .any(|job| job["state"] == "running")
            .then_some(())
    });
    drop(server);
    assert_eq!(waiting.try_wait().unwrap(), None);
    let _server = Server::listening(&db, &address, &["--no-worker"]);
    let said = Said::from(waiting.wait_with_output().unwrap()).good();
    assert!(said.stderr.contains("started "), "{said:#?}");
}

#[track_caller]
fn fails(said: &Said, code: i32, parts: &[&str]) {
    assert_eq!((said.code, said.stdout.as_str()), (code, ""), "{said:#?}");
    assert!(!said.stderr.contains("panicked"), "{said:#?}");
    for part in parts.iter().chain(&["hint: "]) {
        assert!(said.stderr.contains(part), "`{part}` is missing: {said:#?}");
    }
}

#[test]
fn one_of_server_and_database_is_meant() {
    let db = Database::new(Kind::Sqlite, &["plain"]);
    let server = Server::start(&db);
    let url = format!("http://{}", server.address());
    let id = db.start("noop", "{}");
    let list = ["job", "list", "-o", "json"];
    let with = |args: &[&str], variables: &[(&str, &str)]| -> Said {
        let mut command = hardstop(db.folder(), &list);
        command.args(args).envs(variables.iter().copied());
        command.output().unwrap().into()
    };
    let finds = |said: Said| assert_eq!(said.good().json()[0]["id"], id.as_str());
    let nowhere = "sqlite:///nowhere/at/all.db";
    finds(with(&["--server", &url], &[]));
    finds(with(&[], &[("HARDSTOP_SERVER", &url)]));
    // Flags rank over the environment.
    finds(with(
        &["--server", &url],
        &[("HARDSTOP_DATABASE_URL", nowhere)],
    ));
    let gone = ("HARDSTOP_SERVER", "http://127.0.0.1:1");
    finds(with(&["--database-url", db.url()], &[gone]));
    let both = "a server and a database are named";
    let flags = ["--server", &url, "--database-url", db.url()];
    let said = run(db.folder(), &[&["job", "list"], &flags[..]].concat());
    fails(&said, 2, &[both, "--server", "--database-url"]);
    let said = hardstop(db.folder(), &["job", "list"])
        .envs([
            ("HARDSTOP_SERVER", &*url),
            ("HARDSTOP_DATABASE_URL", db.url()),
        ])
        .output()
        .unwrap();
    fails(&said.into(), 2, &[both]);
    for command in ["serve", "worker", "migrate", "doctor"] {
        let said = run(db.folder(), &[command, "--server", &url]);
        let part = format!("`hardstop {command}` works on the database itself");
        fails(&said, 2, &[&part]);
    }
    for bad in ["localhost:1", "ftp://a", "http://u:p@a"] {
        let said = run(db.folder(), &["job", "list", "--server", bad]);
        assert_eq!(said.code, 2, "{said:?}");
        assert!(said.stderr.contains("http://HOST:PORT"), "{said:?}");
    }
    let args = ["pause", "noop", "--actor", "ada", "--server", &url];
    fails(&run(db.folder(), &args), 2, &["`--actor ada`"]);
}

#[test]
fn a_token_says_who_asks() {
    let db = Database::new(Kind::Sqlite, &["plain"]);
    let create = |name: &str, scope: &str| {
        let args = ["token", "create", name, "--scope", scope];
        db.run(&args).good().stdout.trim().to_owned()
    };
    let (reader, operator) = (create("reader", "read"), create("operator", "operate"));
    let server = Server::start(&db);
    let url = format!("http://{}", server.address());
    fs::write(db.folder().join("token"), format!("{operator}\n")).unwrap();
    fs::write(db.folder().join("empty"), "\n").unwrap();
    let ask = |args: &[&str], token: Option<&str>| -> Said {
        let mut command = hardstop(db.folder(), args);
        command.args(["--server", &url]);
        if let Some(token) = token {
            command.env("HARDSTOP_TOKEN", token);
        }
        command.output().unwrap().into()
    };
    let none = ask(&["job", "list"], None);
    fails(
        &none,
        2,
        &["no token was sent", "--token-file", "HARDSTOP_TOKEN"],
    );
    let bad = ask(&["job", "list"], Some("hardstop_bad"));
    fails(&bad, 2, &["unknown, was revoked or has expired"]);
    ask(&["job", "list"], Some(&reader)).good();
    let refused = ask(&["start", "noop"], Some(&reader));
    fails(
        &refused,
        2,
        &["the token has the scopes read, and not operate"],
    );
    ask(&["start", "noop", "--token-file", "token"], Some(&reader)).good();
    let missing = ask(&["job", "list", "--token-file", "nothing"], None);
    assert_eq!(missing.code, 2, "{missing:?}");
    assert!(
        missing.stderr.contains("cannot read the token file"),
        "{missing:?}"
    );
    let empty = ask(&["job", "list", "--token-file", "empty"], None);
    fails(&empty, 2, &["empty does not hold a token"]);
    // What is recorded is the token's name.
    ask(&["pause", "noop", "--token-file", "token"], None).good();
    assert_eq!(db.json(&["pauses"])[0]["actor"], "operator");
    for said in [&none, &bad, &refused] {
        assert!(!said.stderr.contains(&reader), "{said:?}");
    }
}

/// Answers each connection with this text.
fn answering(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; 4096];
            let _ = stream.read(&mut head);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

#[test]
fn what_is_no_such_server_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let ask = |address: SocketAddr| {
        let url = format!("http://{address}");
        run(folder.path(), &["job", "list", "--server", &url])
    };
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    fails(
        &ask(closed),
        3,
        &["cannot reach the server http://127.0.0.1"],
    );
    let page = answering(
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\nconnection: close\r\n\r\n<html>",
    );
    fails(&ask(page), 3, &["is not the server that was expected"]);
    let missing =
        answering("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    fails(&ask(missing), 3, &["it answered with status 404"]);
    let moved = answering(
        "HTTP/1.1 302 Found\r\nlocation: http://10.0.0.1/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    );
    fails(
        &ask(moved),
        2,
        &["refers to http://10.0.0.1/, and is not followed there"],
    );
    let broken = answering("HTTP/1.1 200 OK\r\ncontent-length: 60\r\n\r\n{\"items\":");
    fails(&ask(broken), 3, &["broke off"]);
    let older = answering(
        "HTTP/1.1 404 Not Found\r\ncontent-type: application/problem+json\r\ncontent-length: 104\r\nconnection: close\r\n\r\n\
         {\"type\":\"urn:hardstop:problem:no-such-route\",\"title\":\"t\",\"status\":404,\"detail\":\"nothing is served here\"}",
    );
    fails(
        &ask(older),
        2,
        &["does not know this command", "older than this hardstop"],
    );
}

/// Answers each connection with this text, under a certificate for `localhost`. Returns the port, and the certificate.
fn answering_tls(answer: &'static str) -> (u16, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let tls = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(tls, stream.unwrap());
            // A client that trusts nothing here goes away.
            if stream.read(&mut [0; 4096]).is_ok() {
                let _ = stream.write_all(answer.as_bytes());
            }
        }
    });
    (port, made.cert.pem())
}

#[test]
fn a_server_is_believed_by_its_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let (port, certificate) = answering_tls(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n[]",
    );
    fs::write(folder.path().join("roots.pem"), certificate).unwrap();
    let ask = |host: &str, roots: Option<&str>| -> Said {
        let url = format!("https://{host}:{port}");
        let mut command = hardstop(folder.path(), &["pauses", "--server", &url]);
        if let Some(roots) = roots {
            command.env("SSL_CERT_FILE", roots);
        }
        command.output().unwrap().into()
    };
    let said = ask("localhost", Some("roots.pem")).good();
    assert!(said.stderr.contains("nothing is paused"), "{said:?}");
    // Of another name, and of nobody whom the system trusts.
    let other = ask("127.0.0.1", Some("roots.pem"));
    fails(&other, 3, &["cannot speak TLS with https://127.0.0.1"]);
    let unknown = ask("localhost", None);
    assert_eq!(
        (unknown.code, unknown.stdout.as_str()),
        (3, ""),
        "{unknown:?}"
    );
}
