//! Read-only files, from the manifest's folder into the deployment.

use std::collections::BTreeMap;
use std::path::PathBuf;

use hardstop_domain::file::{self, FILES_BYTES_MAX};
use hardstop_domain::{Digest, FileRef, Files};

use super::ManifestFile;
use crate::error::Error;

/// Reads what the manifest names, by the path that the guest opens. Stops where it is too much.
pub fn read(
    manifest: &ManifestFile,
    asked: &BTreeMap<String, PathBuf>,
) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let mut total = 0;
    let mut files = BTreeMap::new();
    for (guest_path, path) in asked {
        let cannot = |error: std::io::Error| {
            Error::usage(format!(
                "files: cannot read {}: {error}",
                manifest.beside(path).display()
            ))
            .hint(format!(
                "{guest_path:?} is to be a file; its path is relative to the manifest"
            ))
        };
        let size = manifest.size_of(path).map_err(cannot)?;
        total += size;
        if total > FILES_BYTES_MAX {
            let error = file::FileError::TooLarge(total);
            return Err(Error::usage(error.to_string()));
        }
        files.insert(
            guest_path.clone(),
            manifest.read_file(path).map_err(cannot)?,
        );
    }
    Ok(files)
}

/// What a deployment says of them.
pub fn refs(files: &BTreeMap<String, Vec<u8>>) -> Result<Files, Error> {
    let refs = files.iter().map(|(path, bytes)| {
        let file = FileRef {
            digest: Digest::of(bytes),
            bytes: bytes.len() as u64,
        };
        (path.clone(), file)
    });
    let refs = refs.collect();
    file::check(&refs).map_err(|error| Error::usage(error.to_string()))?;
    Ok(refs)
}
