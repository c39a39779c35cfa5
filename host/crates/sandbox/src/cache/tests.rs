use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;

const CODE: &[u8] = b"machine code, as far as this test is concerned";

fn id(n: u8) -> EntryId {
    EntryId([n; 32])
}

/// A folder in a temporary one, and the cache in it.
fn cache() -> (tempfile::TempDir, PathBuf, Cache) {
    let temporary = tempfile::tempdir().expect("a folder");
    let path = temporary.path().join("deep/compiled");
    let cache = open(&path);
    (temporary, path, cache)
}

fn open(path: &Path) -> Cache {
    Cache::open(path, 1 << 20, 1 << 20).expect("a good folder")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("is there").permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("is ours");
}

fn refused(path: &Path) -> CacheError {
    match Cache::open(path, 1 << 20, 1 << 20) {
        Err(error) => error,
        Ok(_) => panic!("opened"),
    }
}

#[test]
fn what_is_written_is_read_by_every_host_of_the_folder() {
    let (_temporary, path, cache) = cache();
    assert_eq!(cache.read(&id(1)), None);
    cache.write(&id(1), CODE);
    assert_eq!(cache.read(&id(1)).as_deref(), Some(CODE));
    assert_eq!(open(&path).read(&id(1)).as_deref(), Some(CODE));
    assert_eq!(cache.read(&id(2)), None);
    assert_eq!(mode(&path), 0o700);
    assert_eq!(mode(&path.join("key")), 0o600);
    assert_eq!(mode(&path.join(id(1).file_name())), 0o600);
}

#[test]
fn an_entry_that_was_changed_anywhere_is_not_used_and_replaced() {
    let (_temporary, path, cache) = cache();
    let file = path.join(id(1).file_name());
    cache.write(&id(1), CODE);
    let good = fs::read(&file).expect("written");
    for place in [0, TAG_BYTES - 1, TAG_BYTES, good.len() / 2, good.len() - 1] {
        let mut bad = good.clone();
        bad[place] ^= 1;
        fs::write(&file, &bad).expect("ours");
        assert_eq!(cache.read(&id(1)), None, "byte {place}");
        assert!(!file.exists(), "byte {place}");
        cache.write(&id(1), CODE);
        assert_eq!(cache.read(&id(1)).as_deref(), Some(CODE));
    }
    for length in [0, 1, TAG_BYTES, good.len() - 1] {
        fs::write(&file, &good[..length]).expect("ours");
        assert_eq!(cache.read(&id(1)), None, "{length} bytes");
    }
    fs::write(&file, [good.as_slice(), b"more"].concat()).expect("ours");
    assert_eq!(cache.read(&id(1)), None, "longer");
}

#[test]
fn an_entry_of_something_else_is_not_used() {
    let (_temporary, path, cache) = cache();
    cache.write(&id(1), CODE);
    cache.write(&id(2), b"other code");
    let [one, two] = [1, 2].map(|n| path.join(id(n).file_name()));
    let between = path.join("between");
    for (from, to) in [(&one, &between), (&two, &one), (&between, &two)] {
        fs::rename(from, to).expect("ours");
    }
    assert_eq!((cache.read(&id(1)), cache.read(&id(2))), (None, None));
}

#[test]
fn an_entry_under_another_key_is_not_used() {
    let (_temporary, path, cache) = cache();
    cache.write(&id(1), CODE);
    fs::remove_file(path.join("key")).expect("ours");
    let after = open(&path);
    assert_eq!(after.read(&id(1)), None);
    after.write(&id(1), CODE);
    assert_eq!(after.read(&id(1)).as_deref(), Some(CODE));
}

#[test]
fn an_entry_that_is_no_file_of_ours_is_not_used() {
    let (temporary, path, cache) = cache();
    let file = path.join(id(1).file_name());
    cache.write(&id(1), CODE);
    let elsewhere = temporary.path().join("elsewhere");
    fs::rename(&file, &elsewhere).expect("ours");
    symlink(&elsewhere, &file).expect("free");
    assert_eq!(cache.read(&id(1)), None, "a link to a good one");
    assert!(
        elsewhere.exists() && fs::symlink_metadata(&file).is_err(),
        "only the link goes"
    );
    fs::create_dir(&file).expect("free");
    assert_eq!(cache.read(&id(1)), None, "a folder");
    cache.write(&id(1), CODE);
    set_mode(&file, 0o620);
    assert_eq!(cache.read(&id(1)), None, "one that others may write");
}

#[test]
fn a_folder_that_others_can_reach_is_refused() {
    let (temporary, path, cache) = cache();
    drop(cache);
    for bad in [0o777, 0o720, 0o702, 0o740, 0o701] {
        set_mode(&path, bad);
        let error = refused(&path);
        assert!(error.unsafe_folder, "{error}");
        let text = error.to_string();
        assert!(
            text.contains(&format!("{bad:o}")) && text.contains("chmod 700"),
            "{text}"
        );
    }
    set_mode(&path, 0o700);
    let link = temporary.path().join("link");
    symlink(&path, &link).expect("free");
    assert!(refused(&link).unsafe_folder);
    assert!(refused(&path.join("key")).unsafe_folder, "a file");
    set_mode(&path.join("key"), 0o644);
    let error = refused(&path);
    assert!(
        error.unsafe_folder && error.to_string().contains("mode is 644"),
        "{error}"
    );
    set_mode(&path.join("key"), 0o600);
    fs::write(path.join("key"), b"short").expect("ours");
    assert!(refused(&path).to_string().contains("5 bytes"));
}

#[test]
fn the_folder_stays_the_one_that_was_opened() {
    let (temporary, path, cache) = cache();
    cache.write(&id(1), CODE);
    let moved = temporary.path().join("moved");
    fs::rename(&path, &moved).expect("ours");
    fs::create_dir(&path).expect("free");
    assert_eq!(cache.read(&id(1)).as_deref(), Some(CODE));
    cache.write(&id(2), CODE);
    assert!(moved.join(id(2).file_name()).exists());
    assert_eq!(fs::read_dir(&path).expect("is there").count(), 0);
}

#[test]
fn the_oldest_go_when_there_are_too_many() {
    let temporary = tempfile::tempdir().expect("a folder");
    let path = temporary.path().join("compiled");
    let cache = Cache::open(&path, 4_000, 1 << 20).expect("a good folder");
    let code = [7; 1_000];
    let old = SystemTime::now() - Duration::from_secs(7_200);
    for n in 1..=3 {
        cache.write(&id(n), &code);
        let file = fs::File::options()
            .write(true)
            .open(path.join(id(n).file_name()));
        let time = old + Duration::from_secs(u64::from(n));
        file.and_then(|file| file.set_modified(time)).expect("ours");
    }
    for (name, time) in [("tmp-old", old), ("tmp-new", SystemTime::now())] {
        let file = fs::File::create(path.join(name)).expect("ours");
        file.set_modified(time).expect("ours");
    }
    // Used, and so the youngest of the three.
    assert!(cache.read(&id(1)).is_some());
    cache.write(&id(4), &code);
    let left: Vec<u8> = (1..=4)
        .filter(|n| path.join(id(*n).file_name()).exists())
        .collect();
    assert_eq!(left, [1, 3, 4]);
    assert!(path.join("key").exists() && path.join("tmp-new").exists());
    assert!(!path.join("tmp-old").exists());
}

#[test]
fn many_hosts_at_once_agree_on_a_key() {
    let temporary = tempfile::tempdir().expect("a folder");
    let path = temporary.path().join("compiled");
    std::thread::scope(|scope| {
        for n in 0..8 {
            let path = &path;
            scope.spawn(move || {
                let cache = open(path);
                cache.write(&id(n), CODE);
                assert_eq!(cache.read(&id(n)).as_deref(), Some(CODE));
            });
        }
    });
    let after = open(&path);
    for n in 0..8 {
        assert_eq!(after.read(&id(n)).as_deref(), Some(CODE), "{n}");
    }
}
