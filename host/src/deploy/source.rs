//! Where the files are that a manifest names.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Where files are read from.
#[derive(Debug, Clone)]
pub enum Source {
    /// In the file system.
    Folder,
    /// Beside the manifest in a request, by the paths that it names. No other file of this machine is one.
    Given(BTreeMap<PathBuf, Vec<u8>>),
}

impl Source {
    /// The bytes of a file; of one that has more than `bytes_max`, how many it has at the least.
    pub fn read_within(&self, path: &Path, bytes_max: u64) -> io::Result<Result<Vec<u8>, u64>> {
        let files = match self {
            Self::Folder => return open_within(path, bytes_max),
            Self::Given(files) => files,
        };
        let bytes = files
            .get(path)
            .ok_or_else(|| io::Error::other("the request has no such file"))?;
        let size = bytes.len() as u64;
        Ok(match size > bytes_max {
            true => Err(size),
            false => Ok(bytes.clone()),
        })
    }
}

fn open_within(path: &Path, bytes_max: u64) -> io::Result<Result<Vec<u8>, u64>> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    if size > bytes_max {
        return Ok(Err(size));
    }
    let mut bytes = Vec::with_capacity(size as usize);
    // It may grow meanwhile, or be a device, which tells no size.
    file.take(bytes_max.saturating_add(1))
        .read_to_end(&mut bytes)?;
    let size = bytes.len() as u64;
    Ok(match size > bytes_max {
        true => Err(size),
        false => Ok(bytes),
    })
}
