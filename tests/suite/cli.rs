//! The command line as a stranger meets it: what is wrong is said once, with a hint and a documented
//! exit code, and nothing is changed.

use std::fs;
use std::path::Path;

use hardstop_tests::{Database, Kind, Said, component, guest, hardstop, root, run};

both_ways!(
    a_bad_start_changes_nothing,
    types_and_components_are_shown,
    global_flags_and_formats
);

#[track_caller]
fn fails(said: &Said, code: i32, parts: &[&str]) {
    assert_eq!((said.code, said.stdout.as_str()), (code, ""), "{said:#?}");
    let errors = said
        .stderr
        .lines()
        .filter(|line| line.starts_with("error: "))
        .count();
    assert_eq!(errors, 1, "one error: {said:#?}");
    assert!(!said.stderr.contains("panicked"), "{said:#?}");
    for part in parts {
        assert!(said.stderr.contains(part), "`{part}` is missing: {said:#?}");
    }
}

fn a_bad_start_changes_nothing(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    for (args, parts) in [
        (
            vec!["start", "rezise"],
            vec![
                "type `rezise` is not deployed",
                "hint: `hardstop type list`",
            ],
        ),
        (
            vec!["start", "Echo!"],
            vec!["`Echo!` cannot name a job type"],
        ),
        (
            vec!["start", "echo", "-i", "{text:1}"],
            vec!["is not JSON", "line 1 column 2", "hint: "],
        ),
        (
            vec!["start", "echo", "-i", "{}"],
            vec!["does not match its schema: at /", "\"text\"", "hint: "],
        ),
        (
            vec!["start", "echo", "-i", r#"{"text":7}"#],
            vec!["at /text: 7 is not of type"],
        ),
        (
            vec!["start", "echo", "-i", "@no.json"],
            vec!["cannot read the input no.json"],
        ),
        (
            vec!["start", "noop", "--wall-timeout", "10h"],
            vec!["limit `wall_timeout` = 10h is over its type's limit of 30s"],
        ),
        (
            vec!["start", "noop", "--fuel", "5"],
            vec!["limit `fuel` cannot be set for one job"],
        ),
        (
            vec!["start", "noop", "--priority", "101"],
            vec!["priority 101 is not from -100 to 100"],
        ),
        (
            vec!["start", "noop", "--after", "9999d"],
            vec!["a delay of"],
        ),
        (
            vec!["job", "show", "0198c2f4-7d5e-7c1a-b0de-5a3f0c9d2e11"],
            vec!["there is no job", "hint: "],
        ),
    ] {
        fails(&db.run(&args), 2, &parts);
    }
    // What clap finds.
    for (args, part) in [
        (
            vec!["start", "noop", "--after", "5"],
            "such as 500ms, 30s or 1m30s",
        ),
        (vec!["job", "show", "7"], "is not a job id"),
        (vec!["job", "list", "--state", "done"], "is not a state"),
        (vec!["start", "noop", "--count", "0"], "0 is not in 1..="),
        (vec!["strat"], "unrecognized subcommand"),
    ] {
        let said = db.run(&args);
        assert_eq!(said.code, 2, "{said:?}");
        assert!(said.stderr.contains(part), "{said:?}");
    }
    assert!(db.jobs().is_empty());
    // For programs, the error is JSON too.
    let said = db.run(&["start", "rezise", "-o", "json"]);
    let error: serde_json::Value = serde_json::from_str(&said.stderr).unwrap();
    assert_eq!((&error["exit_code"], said.code), (&2.into(), 2));
    assert!(error["hint"].is_string());
}

fn types_and_components_are_shown(kind: Kind) {
    let db = Database::new(kind, &["plain", "markdown"]);
    let types = db.json(&["type", "list"]);
    assert!(
        types
            .as_array()
            .unwrap()
            .iter()
            .any(|listed| listed["name"] == "markdown")
    );
    let shown = db.json(&["type", "show", "echo"]);
    assert_eq!(shown["input_schema"]["required"][0], "text");
    assert_eq!(shown["limits"]["wall_timeout_ms"], 30_000);
    let components = db.json(&["component", "list"]);
    assert_eq!(components.as_array().unwrap().len(), 2);
    let shown = db.json(&["component", "show", "markdown"]);
    let digest = shown["digest"].as_str().unwrap();
    assert_eq!(db.json(&["component", "show", &digest[..20]]), shown);
    for args in [
        vec!["type", "list"],
        vec!["type", "show", "echo"],
        vec!["component", "list"],
    ] {
        assert!(!db.run(&args).good().stdout.is_empty());
    }
    fails(
        &db.run(&["component", "show", "nobody"]),
        2,
        &["no component `nobody`", "hint: "],
    );
    // The same again is another deployment of the same component.
    db.run(&["deploy", guest("markdown").to_str().unwrap()])
        .good();
    assert_eq!(db.json(&["component", "list"]).as_array().unwrap().len(), 2);
}

fn global_flags_and_formats(kind: Kind) {
    let db = Database::new(kind, &["plain"]);
    let ids = db.start_many("noop", "{}", 3);
    let said = run(
        db.folder(),
        &["--database-url", db.url(), "-o", "jsonl", "job", "list"],
    )
    .good();
    assert_eq!(said.json_lines().len(), 3);
    // By the environment, and by the file; pages by exact cursor.
    let output = hardstop(db.folder(), &["job", "list", "--limit", "2", "-o", "json"])
        .env("HARDSTOP_DATABASE_URL", db.url())
        .output()
        .unwrap();
    let page = Said::from(output).good().json();
    let listed: Vec<_> = page
        .as_array()
        .unwrap()
        .iter()
        .map(|job| &job["id"])
        .collect();
    assert_eq!(listed, [ids[2].as_str(), ids[1].as_str()]);
    fs::write(
        db.folder().join("hardstop.toml"),
        format!("database_url = {:?}", db.url()),
    )
    .unwrap();
    let rest = run(
        db.folder(),
        &["job", "list", "--before", &ids[1], "-o", "json"],
    )
    .good()
    .json();
    assert_eq!(rest[0]["id"], ids[0].as_str());
    assert_eq!(rest.as_array().unwrap().len(), 1);
    run(db.folder(), &["doctor"]).good();
}

#[test]
fn run_repeats_and_shows_how_use_is_distributed() {
    let folder = tempfile::tempdir().unwrap();
    let plain = guest("plain");
    let plain = plain.to_str().unwrap();
    let args = [
        "run",
        plain,
        "--type",
        "echo",
        "-i",
        r#"{"text":"x"}"#,
        "--repeat",
        "25",
    ];
    let said = run(folder.path(), &args).good();
    let text = &said.stdout;
    assert!(text.starts_with("25 of 25 runs of `echo`"), "{said:#?}");
    assert!(text.contains("25 completed"), "{said:#?}");
    assert!(text.contains("SUGGESTED"), "{said:#?}");

    let line = [&args[..], &["-o", "json"]].concat();
    let json = run(folder.path(), &line).good().json();
    assert_eq!(json["outcomes"]["completed"], 25);
    let usage = json["usage"].as_array().unwrap();
    let output = usage.iter().find(|row| row["name"] == "output").unwrap();
    assert_eq!((&output["min"], &output["max"]), (&12.into(), &12.into()));
    assert_eq!(
        output["suggested"], 32,
        "half as much again, a power of two"
    );

    // One that fails each time says so once, and in its exit code.
    let line = [
        "run",
        plain,
        "--type",
        "fail",
        "-i",
        r#"{"until":9}"#,
        "--repeat",
        "3",
    ];
    let said = run(folder.path(), &line);
    assert_eq!(said.code, 1, "{said:#?}");
    assert!(said.stdout.contains("3 failed-retryable"), "{said:#?}");
    assert_eq!(
        said.stderr.matches("attempt 1 of a job").count(),
        1,
        "{said:#?}"
    );
    let refused = run(folder.path(), &["run", plain, "--repeat", "0"]);
    assert_eq!(refused.code, 2, "{refused:#?}");
}

#[test]
fn run_warns_of_limits_that_were_nearly_reached() {
    let folder = tempfile::tempdir().unwrap();
    let plain = guest("plain");
    let text = "x".repeat(88);
    let input = format!(r#"{{"text":"{text}"}}"#);
    let line = [
        "run",
        plain.to_str().unwrap(),
        "--type",
        "echo",
        "-i",
        &input,
        "--output-max",
        "100B",
    ];
    let said = run(folder.path(), &line).good();
    let warning = "warning: used 99% of limit `output` = 100B";
    assert!(said.stderr.contains(warning), "{said:#?}");
    let line = [&line[..], &["-o", "json"]].concat();
    let json = run(folder.path(), &line).good().json();
    let near = &json["near"][0];
    assert_eq!(
        (&near["name"], &near["percent"]),
        (&"output".into(), &99.into())
    );
}

#[test]
fn run_needs_no_database_and_tells_everything() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["thumbnail", "markdown", "csv-report"] {
        let guest = guest(name);
        let input = format!("@{}", guest.join("samples/input.json").display());
        let said = run(
            folder.path(),
            &["run", guest.to_str().unwrap(), "--input", &input],
        )
        .good();
        assert!(
            said.json().is_object(),
            "the output is on standard output: {said:?}"
        );
        assert!(said.stderr.contains("wall_timeout"), "{said:?}");
    }
    let unruly = guest("unruly");
    let unruly = unruly.to_str().unwrap();
    let said = run(
        folder.path(),
        &["run", unruly, "--type", "spin", "--wall-timeout", "100ms"],
    );
    assert_eq!(said.code, 1);
    assert!(said.stderr.contains("timed-out-wall"), "{said:?}");
    let said = run(
        folder.path(),
        &["run", unruly, "--type", "trap", "-o", "json"],
    );
    assert_eq!((said.code, &said.json()["outcome"]), (1, &"trapped".into()));
    // A bare component, with limits by flags.
    let bare = component("unruly");
    let bare = bare.to_str().unwrap();
    let said = run(
        folder.path(),
        &["run", bare, "--type", "allocate", "--memory", "8MiB"],
    );
    assert_eq!(said.code, 1);
    assert!(said.stderr.contains("limit memory = 8MiB"), "{said:?}");
    fails(
        &run(folder.path(), &["run", bare]),
        2,
        &["has several types", "hint: choose with --type"],
    );
    fails(
        &run(folder.path(), &["run", bare, "--type", "trap", "-i", "{"]),
        2,
        &["the input is not JSON", "hint: "],
    );
    fails(
        &run(
            folder.path(),
            &["run", bare, "--type", "trap", "--memory", "1GiB"],
        ),
        2,
        &["limit `memory` = 1GiB is over the operator's ceiling of 128MiB"],
    );
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        0,
        "no file is left behind"
    );
}

#[test]
fn a_bad_component_or_manifest_is_refused_before_anything_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let manifest = |component: &str, rest: &str| {
        fs::write(
            here.join("job.toml"),
            format!("name = 'x'\ncomponent = {component:?}\n{rest}"),
        )
        .unwrap();
    };
    let deploy = || run(here, &["deploy", "job.toml"]);
    let plain = component("plain");
    let plain = plain.to_str().unwrap();

    fails(
        &run(here, &["deploy", "nowhere"]),
        2,
        &["cannot read the manifest", "hint: "],
    );
    manifest("nowhere.wasm", "");
    fails(
        &deploy(),
        2,
        &["cannot read the component", "nowhere.wasm", "hint: "],
    );
    fs::write(here.join("text.wasm"), "not wasm at all").unwrap();
    manifest("text.wasm", "");
    fails(&deploy(), 2, &["text.wasm"]);
    // Cut in the middle.
    fs::write(here.join("cut.wasm"), &fs::read(plain).unwrap()[..20_000]).unwrap();
    manifest("cut.wasm", "");
    fails(&deploy(), 2, &["cut.wasm"]);
    // A core module, and a component of another world.
    fs::write(here.join("module.wasm"), b"\0asm\x01\0\0\0").unwrap();
    manifest("module.wasm", "");
    fails(&deploy(), 2, &["module.wasm", "component"]);
    fs::write(here.join("empty.wasm"), b"\0asm\x0d\0\x01\0").unwrap();
    manifest("empty.wasm", "");
    fails(&deploy(), 2, &["empty.wasm", "hardstop:job/handler"]);

    for (rest, parts) in [
        (
            "limits = 1",
            vec!["job.toml", "unknown field `limits`", "hint: "],
        ),
        ("[types.echo]\nretires = 3", vec!["unknown field `retires`"]),
        (
            "[types.echo.limits]\nmemroy = '1MiB'",
            vec!["unknown field `memroy`"],
        ),
        (
            "[types.echo.limits]\nmemory = '1 MiB'",
            vec!["`1 MiB` is not a size"],
        ),
        (
            "[types.echo.limits]\nmemory = '1GiB'",
            vec![
                "[types.echo]",
                "limit `memory` = 1GiB is over the operator's ceiling of 128MiB",
                "hint: ",
            ],
        ),
        (
            "[types.echo.retry]\nattempts_max = 0",
            vec!["retry.attempts_max = 0"],
        ),
        (
            "[types.ecco]",
            vec!["the component has no such type", "hint: it describes: "],
        ),
        ("[types.'Bad Name']", vec!["cannot name a job type"]),
    ] {
        manifest(plain, rest);
        fails(&deploy(), 2, &parts);
    }
    // A capability that the operator does not allow.
    fs::write(here.join("hardstop.toml"), "[capabilities]\nallow = []\n").unwrap();
    manifest(plain, "[types.parent.capabilities]\nchains = true");
    fails(
        &deploy(),
        2,
        &["`chains`, which this host does not allow", "hint: "],
    );
    fs::write(
        here.join("hardstop.toml"),
        "component_bytes_max = '10KiB'\n",
    )
    .unwrap();
    fails(
        &deploy(),
        2,
        &["over `component_bytes_max` = 10240", "hint: "],
    );
    fs::write(
        here.join("hardstop.toml"),
        "componnent_bytes_max = '10KiB'\n",
    )
    .unwrap();
    fails(
        &deploy(),
        2,
        &["hardstop.toml", "unknown field `componnent_bytes_max`"],
    );
    fs::remove_file(here.join("hardstop.toml")).unwrap();
    assert!(!here.join("hardstop.db").exists(), "nothing was stored");
    // The good one is.
    manifest(plain, "");
    run(here, &["deploy", "job.toml", "--check"]).good();
    assert!(!here.join("hardstop.db").exists(), "--check stores nothing");
    deploy().good();
    assert!(here.join("hardstop.db").exists());
}

#[test]
fn a_database_that_cannot_be_used_is_named_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let with = |url: &str| run(here, &["job", "list", "--database-url", url]);
    fails(&with("sqlite://missing.db"), 3, &["missing.db", "hint: "]);
    assert!(!here.join("missing.db").exists());
    fails(
        &with("mysql://localhost/x"),
        2,
        &["mysql://localhost/x", "hint: write sqlite://"],
    );
    let said = with("postgres://user:very-secret@127.0.0.1:1/x");
    fails(
        &said,
        3,
        &["cannot reach the database", "127.0.0.1", "hint: "],
    );
    assert!(!said.stderr.contains("very-secret"), "{said:?}");
    fs::write(
        here.join("text.db"),
        "this is no database, and it is long enough to be read as one",
    )
    .unwrap();
    let said = with("sqlite://text.db");
    assert_eq!(said.code, 3, "{said:?}");
    // Doctor says the same as a finding.
    let said = run(here, &["doctor", "--database-url", "sqlite://missing.db"]);
    assert_eq!(said.code, 3);
    assert!(said.stdout.contains("FAIL"), "{said:?}");
}

#[test]
fn a_read_only_sqlite_file_is_left_as_it_is() {
    let db = Database::new(Kind::Sqlite, &["plain"]);
    let file = db.folder().join("test.db");
    let before = fs::read(&file).unwrap();
    set_read_only(&file);
    let url = db.url().to_owned();
    // Root may write anything, so the check has to be made as somebody else.
    let said = as_nobody(db.folder(), &["start", "noop", "--database-url", &url]);
    fails(&said, 3, &["read-only", "hint: "]);
    assert_eq!(fs::read(&file).unwrap(), before);
}

fn set_read_only(file: &Path) {
    use std::os::unix::fs::PermissionsExt;
    for entry in fs::read_dir(file.parent().unwrap()).unwrap() {
        fs::set_permissions(entry.unwrap().path(), fs::Permissions::from_mode(0o444)).unwrap();
    }
    fs::set_permissions(file.parent().unwrap(), fs::Permissions::from_mode(0o555)).unwrap();
}

/// Runs `hardstop` as an unprivileged user: this one, or `nobody` where this is root.
fn as_nobody(folder: &Path, args: &[&str]) -> Said {
    use std::os::unix::fs::MetadataExt;
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return run(folder, args);
    }
    // A copy, because the build's folder may be closed to others.
    let copy = tempfile::Builder::new()
        .permissions(open())
        .tempdir_in("/tmp")
        .unwrap();
    let binary = copy.path().join("hardstop");
    fs::copy(hardstop_tests::binary(), &binary).unwrap();
    let output = std::process::Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(&binary)
        .args(args)
        .current_dir(folder)
        .env("RUST_BACKTRACE", "0")
        .env_remove("HARDSTOP_DATABASE_URL")
        .output()
        .unwrap();
    output.into()
}

fn open() -> fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    fs::Permissions::from_mode(0o755)
}

#[test]
fn a_schema_of_another_version_is_not_touched() {
    let db = Database::empty(Kind::Postgres);
    fails(
        &db.run(&["job", "list"]),
        3,
        &["schema is at nothing", "hint: run `hardstop migrate`"],
    );
    db.run(&["migrate"]).good();
    assert!(db.run(&["migrate"]).good().stdout.contains("up to date"));
    db.sql(
        "INSERT INTO hardstop.migration \
         (version, description, success, checksum, execution_time) \
         VALUES (99990101000000, 'from the future', true, 'x', 1)",
    );
    for args in [vec!["job", "list"], vec!["migrate"], vec!["worker"]] {
        fails(&db.run(&args), 3, &["newer than this host's", "hint: "]);
    }
}

#[test]
fn help_names_every_command_and_the_exit_codes() {
    let said = run(root(), &["--help"]).good();
    for word in [
        "run",
        "deploy",
        "serve",
        "worker",
        "start",
        "job",
        "component",
        "type",
        "migrate",
        "doctor",
        "--database-url",
        "--output",
        "Exit codes",
    ] {
        assert!(said.stdout.contains(word), "{word}");
    }
    for command in ["list", "show", "logs", "wait", "retry", "cancel"] {
        assert!(
            run(root(), &["job", "--help"])
                .good()
                .stdout
                .contains(command),
            "{command}"
        );
    }
}
