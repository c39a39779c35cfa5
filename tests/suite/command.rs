//! WASI commands and modules for preview 1 through the real binary.

use std::path::{Path, PathBuf};

use hardstop_tests::{Database, Kind, Worker};

on_both!(
    a_module_is_deployed_and_run_as_the_manifest_says,
    files_are_part_of_the_deployment
);

/// A guest that is written as text, as a file in the folder.
fn assemble(folder: &Path, guest: &str) -> PathBuf {
    let text = hardstop_tests::root().join(format!("tests/guests/{guest}.wat"));
    let path = folder.join(format!("{guest}.wasm"));
    std::fs::write(&path, wat::parse_file(text).unwrap()).unwrap();
    path
}

fn manifest(folder: &Path, component: &Path, types: &str) -> String {
    let text = format!("name = \"program\"\ncomponent = {component:?}\n{types}");
    let path = folder.join("job.toml");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn a_module_is_deployed_and_run_as_the_manifest_says(kind: Kind) {
    let db = Database::new(kind, &[]);
    let echo = assemble(db.folder(), "command-echo");
    let types = "[types.measure]\ndescription = \"Measures\"\ninput_schema = { type = \"object\" }\n\
                 [types.measure.command]\noutput = \"text\"\n[types.plain]\n";
    let deploy = |types: &str, component: &Path| {
        let path = manifest(db.folder(), component, types);
        db.run(&["deploy", &path])
    };
    deploy(types, &echo).good();
    let shown = db.json(&["type", "show", "measure"]);
    assert_eq!(shown["description"], "Measures", "{shown}");

    let exit = assemble(db.folder(), "command-exit-code");
    deploy("[types.leave.command]\nfatal_exit_codes = [64]\n", &exit).good();

    let _worker = Worker::start(&db, &[]);
    let text = db.start("measure", r#"{"a":1}"#);
    let json = db.start("plain", r#"[1,2]"#);
    let fatal = db.start("leave", "null");
    db.wait_all_final();
    assert_eq!(db.job(&text)["output"], r#"{"a":1}"#);
    assert_eq!(db.job(&json)["output"], serde_json::json!([1, 2]));
    let job = db.job(&fatal);
    assert_eq!(
        job["attempts"][0]["failure"]["kind"], "failed-fatal",
        "{job}"
    );
    assert_eq!(job["attempt"], 1, "{job}");

    let said = db.run(&["start", "measure", "--input", "3"]);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(
        said.stderr.contains("does not match its schema"),
        "{said:?}"
    );
}

fn files_are_part_of_the_deployment(kind: Kind) {
    let db = Database::new(kind, &[]);
    let cat = assemble(db.folder(), "command-cat");
    let model = db.folder().join("model.json");
    let deploy = |files: &str| {
        let types = format!("[types.cat.files]\n{files}\n[types.other]\n");
        db.run(&["deploy", &manifest(db.folder(), &cat, &types)])
    };
    let worker = Worker::start(&db, &[]);
    for text in [r#"{"version":1}"#, r#"{"version":2}"#] {
        std::fs::write(&model, text).unwrap();
        deploy("\"/etc/model.json\" = \"model.json\"").good();
        // It is in the database now.
        std::fs::remove_file(&model).unwrap();
        // A worker hears of a deployment in a moment, and runs what was in force until then.
        hardstop_tests::wait_for("an attempt that reads the new file", || {
            let id = db.start("cat", r#""etc/model.json""#);
            let job = db.wait_state(&id, "completed");
            let read = job["output"].to_string();
            (read == text).then_some(())
        });
    }
    let shown = db.run(&["type", "show", "cat"]).good().stdout;
    assert!(shown.contains("/etc/model.json (13B)"), "{shown}");
    // Files are of the type that asks for them.
    let elsewhere = db.start("other", r#""etc/model.json""#);
    let failed = hardstop_tests::wait_for("a failed attempt", || {
        let job = db.job(&elsewhere);
        job["attempts"][0]["failure"]["message"]
            .as_str()
            .map(str::to_owned)
    });
    assert!(failed.contains("exited with code 1"), "{failed}");
    drop(worker);

    for (files, expected) in [
        (
            "\"/etc/model.json\" = \"model.json\"",
            "files: cannot read ",
        ),
        (
            "\"etc/model.json\" = \"job.toml\"",
            "does not begin with `/`",
        ),
        ("\"/scratch/a\" = \"job.toml\"", "is in the scratch folder"),
        (
            "\"/a\" = \"job.toml\"\n\"/a/b\" = \"job.toml\"",
            "\"/a\" is a file, and \"/a/b\" is to be in it",
        ),
    ] {
        let said = deploy(files);
        assert_eq!(said.code, 2, "{said:?}");
        assert!(said.stderr.contains("[types.cat]: files: "), "{said:?}");
        assert!(said.stderr.contains(expected), "{said:?}");
    }
}

#[test]
fn what_the_manifest_cannot_say_is_not_deployed() {
    let db = Database::new(Kind::Sqlite, &[]);
    let echo = assemble(db.folder(), "command-echo");
    for (types, expected) in [
        ("", "which describes no types"),
        (
            "[types.a.command]\nenv = { HARDSTOP_X = \"1\" }",
            "[types.a]: command.env: the variable HARDSTOP_X is set by the host",
        ),
        (
            "[types.a]\ndeadline = \"1h\"",
            "`deadline` is for external types",
        ),
    ] {
        let path = manifest(db.folder(), &echo, types);
        let said = db.run(&["deploy", &path]);
        assert_eq!(said.code, 2, "{said:?}");
        assert!(said.stderr.contains(expected), "{said:?}");
    }
    let library = assemble(db.folder(), "reactor");
    let path = manifest(db.folder(), &library, "[types.a]");
    let said = db.run(&["deploy", &path]);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(
        said.stderr.contains("exports no function `_start`"),
        "{said:?}"
    );
}

#[test]
fn a_module_is_tried_out() {
    let folder = tempfile::tempdir().unwrap();
    let echo = assemble(folder.path(), "command-echo");
    let path = echo.to_str().unwrap();
    let said = hardstop_tests::run(
        folder.path(),
        &["run", path, "-i", r#"{"a":1}"#, "-o", "json"],
    );
    assert_eq!(said.good().json()["output"]["a"], 1);
    let args = ["run", path, "--text-output", "-i", "7", "-o", "json"];
    let said = hardstop_tests::run(folder.path(), &args);
    assert_eq!(said.good().json()["output"], "7");

    let cat = assemble(folder.path(), "command-cat");
    let cat = cat.to_str().unwrap();
    std::fs::write(folder.path().join("model.json"), "[3]").unwrap();
    let args = [
        "run",
        cat,
        "--file",
        "/a/b=model.json",
        "-i",
        "\"a/b\"",
        "-o",
        "json",
    ];
    let said = hardstop_tests::run(folder.path(), &args);
    assert_eq!(said.good().json()["output"][0], 3);
    let args = ["run", cat, "--file", "/a/b=other.json", "-i", "\"a/b\""];
    let said = hardstop_tests::run(folder.path(), &args);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(
        said.stderr.contains("--file: cannot read other.json"),
        "{said:?}"
    );
    // More than there is memory, and refused all the same for its length.
    let large = std::fs::File::create(folder.path().join("large")).unwrap();
    large.set_len(1 << 40).unwrap();
    let args = ["run", cat, "--file", "/a/b=large", "-i", "\"a/b\""];
    let said = hardstop_tests::run(folder.path(), &args);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.stderr.contains("they come to 1024GiB"), "{said:?}");
}
