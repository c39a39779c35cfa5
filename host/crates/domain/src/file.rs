//! Read-only files that a deployment carries for a type.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::Digest;
use crate::quantity::format_size;

/// The most files of one type.
pub const FILES_MAX: usize = 1_000;
/// How many bytes all files of one type may come to.
pub const FILES_BYTES_MAX: u64 = 64 << 20;
/// The longest path, and the longest name in one, in bytes.
const PATH_BYTES_MAX: usize = 1_024;
const NAME_BYTES_MAX: usize = 255;
/// The folder that is an attempt's own.
const SCRATCH: &str = "/scratch";

/// The files of a type, by the path that the guest opens.
pub type Files = BTreeMap<String, FileRef>;

/// What a file holds: the bytes are stored once for each digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct FileRef {
    /// Of its bytes.
    pub digest: Digest,
    /// How many they are.
    pub bytes: u64,
}

/// Files that a type cannot have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// A path that no guest could open.
    #[error(
        "files: {path:?} {problem}: write an absolute path such as \"/etc/model.json\", without `.`, `..` or \
         an empty name in it"
    )]
    Path {
        /// The path.
        path: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A file where another file has its folder.
    #[error(
        "files: {file:?} is a file, and {below:?} is to be in it: a path is a file or a folder"
    )]
    InFile {
        /// The file.
        file: String,
        /// The other.
        below: String,
    },
    /// Too many.
    #[error("files: {0} files are more than the {FILES_MAX} that a type may have")]
    Count(usize),
    /// Too large together.
    #[error(
        "files: they come to {} and may come to {}: let the handler fetch what is larger",
        format_size(*.0),
        format_size(FILES_BYTES_MAX)
    )]
    TooLarge(u64),
}

/// Fails where a type cannot have these files.
pub fn check(files: &Files) -> Result<(), FileError> {
    if files.len() > FILES_MAX {
        return Err(FileError::Count(files.len()));
    }
    for path in files.keys() {
        check_path(path)?;
        for (end, _) in path.match_indices('/').skip(1) {
            if files.contains_key(&path[..end]) {
                return Err(FileError::InFile {
                    file: path[..end].to_owned(),
                    below: path.clone(),
                });
            }
        }
    }
    let bytes = files
        .values()
        .map(|file| file.bytes)
        .fold(0, u64::saturating_add);
    match bytes > FILES_BYTES_MAX {
        true => Err(FileError::TooLarge(bytes)),
        false => Ok(()),
    }
}

fn check_path(path: &str) -> Result<(), FileError> {
    let bad = |problem| {
        Err(FileError::Path {
            path: path.chars().take(200).collect(),
            problem,
        })
    };
    let Some(names) = path.strip_prefix('/') else {
        return bad("does not begin with `/`");
    };
    if path.len() > PATH_BYTES_MAX || names.split('/').any(|name| name.len() > NAME_BYTES_MAX) {
        return bad("is too long (1024 bytes, 255 for each name)");
    }
    if path.contains('\0') {
        return bad("holds NUL");
    }
    if names.split('/').any(|name| matches!(name, "" | "." | "..")) {
        return bad("leads nowhere");
    }
    if path == SCRATCH || path.starts_with("/scratch/") {
        return bad("is in the scratch folder, which is empty when an attempt begins");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(paths: &[&str], bytes: u64) -> Files {
        let file = FileRef {
            digest: Digest::of(b""),
            bytes,
        };
        paths
            .iter()
            .map(|path| ((*path).to_owned(), file))
            .collect()
    }

    #[test]
    fn paths_are_those_that_a_guest_can_open() {
        let good = [
            "/a",
            "/etc/model.json",
            "/etc/a b/ö",
            "/scratchy",
            "/a.b/..c",
        ];
        assert_eq!(check(&files(&good, 1)), Ok(()));
        for (path, problem) in [
            ("", "does not begin with `/`"),
            ("etc/a", "does not begin with `/`"),
            ("/", "leads nowhere"),
            ("/a/", "leads nowhere"),
            ("/a//b", "leads nowhere"),
            ("/a/../b", "leads nowhere"),
            ("/./b", "leads nowhere"),
            ("/a\0", "holds NUL"),
            (
                "/scratch",
                "is in the scratch folder, which is empty when an attempt begins",
            ),
            (
                "/scratch/a",
                "is in the scratch folder, which is empty when an attempt begins",
            ),
            (
                &format!("/{}", "n".repeat(256)),
                "is too long (1024 bytes, 255 for each name)",
            ),
            (
                &"/n".repeat(513),
                "is too long (1024 bytes, 255 for each name)",
            ),
        ] {
            let expected = FileError::Path {
                path: path.chars().take(200).collect(),
                problem,
            };
            assert_eq!(check(&files(&[path], 1)), Err(expected));
        }
        let error = check(&files(&["/a", "/a/b/c"], 1)).expect_err("in a file");
        assert!(
            error
                .to_string()
                .starts_with("files: \"/a\" is a file, and \"/a/b/c\"")
        );
    }

    #[test]
    fn number_and_size_are_bounded() {
        assert_eq!(check(&files(&["/a", "/b"], FILES_BYTES_MAX / 2)), Ok(()));
        assert_eq!(
            check(&files(&["/a", "/b"], FILES_BYTES_MAX / 2 + 1)),
            Err(FileError::TooLarge(FILES_BYTES_MAX + 2))
        );
        assert_eq!(
            check(&files(&["/a", "/b"], u64::MAX)),
            Err(FileError::TooLarge(u64::MAX))
        );
        let many: Vec<String> = (0..=FILES_MAX).map(|n| format!("/{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(check(&files(&many, 0)), Err(FileError::Count(1_001)));
    }
}
