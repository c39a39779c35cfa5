use hardstop_store::*;

use crate::fixture::*;

/// The names of every migration, in order.
fn names() -> Vec<String> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../migrations/sqlite");
    let mut names: Vec<String> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

pub async fn two_at_once_apply_each_once(db: Fixture) {
    let error = db.store.check_schema().await.unwrap_err();
    assert!(
        matches!(&error, StoreError::SchemaBehind { found, needed } if found == "nothing" && Some(needed) == names().last()),
        "{error:?}"
    );
    let (two, three) = (db.another().await, db.another().await);
    let applied = tokio::join!(db.store.migrate(), two.migrate(), three.migrate());
    let mut applied = [applied.0.unwrap(), applied.1.unwrap(), applied.2.unwrap()].concat();
    applied.sort();
    assert_eq!(applied, names());
    db.store.check_schema().await.unwrap();
    two.check_schema().await.unwrap();
    db.deploy(["a"]).await;
    db.start("a").await;
    two.close().await;
    three.close().await;
}

pub async fn a_migrated_database_is_this_hosts(db: Fixture) {
    db.store.check_schema().await.unwrap();
    assert_eq!(db.store.migrate().await.unwrap(), [""; 0]);
}

pub async fn a_newer_schema_is_recognised(db: Fixture) {
    db.execute(
        "INSERT INTO hardstop.migration (version, description, success, checksum, execution_time) \
         SELECT 29990101000000, 'far future', success, checksum, 0 FROM hardstop.migration LIMIT 1",
    )
    .await;
    for error in [
        db.store.check_schema().await.unwrap_err(),
        db.store.migrate().await.unwrap_err(),
    ] {
        assert!(
            matches!(&error, StoreError::SchemaAhead { found, .. } if found == "29990101000000_far_future"),
            "{error:?}"
        );
    }
}

pub async fn an_older_schema_is_recognised(db: Fixture) {
    db.execute("DELETE FROM hardstop.migration").await;
    let error = db.store.check_schema().await.unwrap_err();
    assert!(
        matches!(&error, StoreError::SchemaBehind { found, .. } if found == "nothing"),
        "{error:?}"
    );
    // Opening it does not migrate it.
    let options = ConnectOptions {
        create: true,
        ..ConnectOptions::default()
    };
    let other = connect(&db.url, &options).await.unwrap();
    assert!(other.check_schema().await.is_err());
    // The tables are there already: the migration fails, and says which one.
    let error = db.store.migrate().await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Migration(text) if text.contains("20261121000000")),
        "{error:?}"
    );
    other.close().await;
}

pub async fn an_altered_migration_is_recognised(db: Fixture) {
    let checksum = match db.database {
        Database::Sqlite => "x'00'",
        Database::Postgres => "'\\x00'",
    };
    db.execute(&format!(
        "UPDATE hardstop.migration SET checksum = {checksum}"
    ))
    .await;
    for error in [
        db.store.check_schema().await.unwrap_err(),
        db.store.migrate().await.unwrap_err(),
    ] {
        assert!(
            matches!(&error, StoreError::Migration(text) if text.contains(&names()[0])),
            "{error:?}"
        );
    }
}

pub async fn maintenance_may_run_any_time(db: Fixture) {
    let session = db.session().await;
    db.store.close_session(session).await.unwrap();
    let alive = db.session().await;
    let (one, two) = tokio::join!(db.store.maintain(), db.store.maintain());
    one.unwrap();
    two.unwrap();
    // Sessions that ended long ago are forgotten; the living are not.
    let past = match db.database {
        Database::Postgres => "clock_timestamp() - interval '2 days'",
        Database::Sqlite => "1",
    };
    db.execute(&format!("UPDATE hardstop.session SET expires_at = {past}"))
        .await;
    db.store.maintain().await.unwrap();
    assert_eq!(
        db.execute("UPDATE hardstop.session SET host = host").await,
        1
    );
    assert!(db.beat(alive).await.alive);
}
