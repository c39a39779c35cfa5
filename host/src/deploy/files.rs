//! Read-only files, from where they are into the deployment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hardstop_domain::file::{self, FILES_BYTES_MAX, FileError};
use hardstop_domain::{Digest, FileRef, Files};

use super::source::Source;
use crate::error::Error;

/// Reads the files of a type, by the path that the guest opens: what a deployment says of them, and what they hold. Their
/// own paths are relative to the folder; `key` is where they were asked for. Stops where it is too much, before it is
/// read.
pub fn read(
    key: &str,
    source: &Source,
    folder: &Path,
    asked: &BTreeMap<String, PathBuf>,
) -> Result<(Files, BTreeMap<String, Vec<u8>>), Error> {
    let refused = |error: FileError| Error::usage(error.to_string());
    let mut total = 0;
    let (mut files, mut contents) = (Files::new(), BTreeMap::new());
    for (guest_path, path) in asked {
        let path = folder.join(path);
        let bytes = source.read_within(&path, FILES_BYTES_MAX - total).map_err(|error| {
            Error::usage(format!("{key}: cannot read {}: {error}", path.display())).hint(format!(
                "{guest_path:?} is to be a file; in a manifest, its path is relative to the manifest"
            ))
        })?;
        let bytes = bytes.map_err(|size| refused(FileError::TooLarge(total + size)))?;
        let file = FileRef {
            digest: Digest::of(&bytes),
            bytes: bytes.len() as u64,
        };
        total += file.bytes;
        files.insert(guest_path.clone(), file);
        contents.insert(guest_path.clone(), bytes);
    }
    file::check(&files).map_err(refused)?;
    Ok((files, contents))
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn what_is_too_large_is_not_read_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("small"), "one").expect("written");
        // Larger than any memory, and takes no room: nothing was written to it.
        let large = File::create(folder.path().join("large")).expect("made");
        large.set_len(1 << 40).expect("a length");
        // A device never ends, and tells no size.
        for (path, expected) in [
            ("large", "they come to 1024.0GiB"),
            ("/dev/zero", "they come to 64.0MiB"),
        ] {
            let asked = [("/a", "small"), ("/b", path)]
                .map(|(guest_path, path)| (guest_path.to_owned(), path.into()));
            let read = read("files", &Source::Folder, folder.path(), &asked.into());
            let error = read.expect_err(expected).to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
